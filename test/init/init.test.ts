/** What `kfk init` writes, in every layout that Kedro has had, and that it compiles untouched. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { runCommandLine } from "../../src/cli/app.ts";
import { fill } from "../../src/init/fill.ts";
import { chooseTarget } from "../../src/init/target.ts";
import { githubFiles, gitlabFiles, kubeflowText } from "../../src/init/texts.ts";
import { writeAll } from "../../src/init/write.ts";
import { realWorld } from "../../src/world.ts";
import { fakeWorld, memoryFiles, type FakeWorld } from "../fake-world.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const URL = "https://kubeflow.example/pipeline";
const FILE = `${ROOT}/conf/base/kubeflow.yaml`;

async function kfk(world: FakeWorld, argv: readonly string[]) {
  const status = await runCommandLine(world, argv, "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err() };
}

function project(more: Record<string, string> = {}): FakeWorld {
  return fakeWorld({ cwd: ROOT, files: { ...projectFiles(), ...more } });
}

test("writes a commented file, says where, and the project compiles with it untouched", async () => {
  const world = project();
  const { status, out, err } = await kfk(world, ["init", URL]);
  expect({ status, out }).toEqual({ status: 0, out: "" });
  expect(err).toContain("target: argo\n");
  expect(err).toEndWith("Configuration generated in conf/base/kubeflow.yaml\n");
  const text = world.files.readText(FILE) as string;
  expect(text).toStartWith("# yaml-language-server: $schema=../kubeflow.schema.json\n");
  expect(parse(text)).toEqual({
    host: URL,
    target: "argo",
    run_config: {
      image: "shop",
      image_pull_policy: "IfNotPresent",
      experiment_name: "shop",
      run_name: "shop",
      scheduled_run_name: "shop",
      wait_for_completion: false,
      ttl: 604_800,
      volume: { storageclass: null, size: "1Gi", skip_init: false, owner: 0, keep: false },
      resources: { __default__: { cpu: "500m", memory: "1Gi" } },
    },
  });
  expect(JSON.parse(world.files.readText(`${ROOT}/conf/kubeflow.schema.json`) as string).title).toBe("kubeflow.yaml");
  const compiled = await kfk(world, ["compile", "-q", "-o", "-"]);
  expect(compiled.status).toBe(0);
  expect(parse(compiled.out).kind).toBe("Workflow");
});

test("refuses to overwrite, and writes nothing at all then", async () => {
  const world = project({ [FILE]: "host: http://mine\n" });
  const { status, err } = await kfk(world, ["init", URL]);
  expect(status).toBe(3);
  expect(err).toContain("conf/base/kubeflow.yaml is there already; nothing was written [INIT_EXISTS]");
  expect(world.files.readText(FILE)).toBe("host: http://mine\n");
  expect(world.files.kind(`${ROOT}/conf/kubeflow.schema.json`)).toBeUndefined();
});

const MERGE = `${ROOT}/.github/workflows/kubeflow-on-merge.yml`;

describe("a kubeflow.yaml that is there already", () => {
  const MINE = "host: http://mine\nrun_config:\n  image: shop\n";

  test.each([
    ["--with-github-actions", MERGE],
    ["--ci=github", MERGE],
    ["--ci=gitlab", `${ROOT}/.gitlab-ci.yml`],
    ["--hooks", `${ROOT}/kfk.hooks.ts`],
  ])("stays as it is beside the files of %s, and no URL is needed", async (option, path) => {
    for (const force of [[], ["--force"]]) {
      const world = project({ [FILE]: MINE });
      const { status, out, err } = await kfk(world, ["init", option, ...force]);
      expect({ status, out, warned: err.includes("warning") }).toEqual({ status: 0, out: "", warned: false });
      expect(err).toStartWith("conf/base/kubeflow.yaml is there already and stays as it is\nwrote ");
      expect([world.files.readText(FILE), world.files.kind(path)]).toEqual([MINE, "file"]);
      expect(world.files.kind(`${FILE}.bak`)).toBeUndefined();
    }
  });

  test("files of a build server that are there need --force, which replaces them alone", async () => {
    const world = project({ [FILE]: MINE, [MERGE]: "old" });
    const refused = await kfk(world, ["init", "--with-github-actions"]);
    expect([refused.status, world.files.readText(MERGE), world.files.kind(`${ROOT}/Dockerfile`)]).toEqual([
      3,
      "old",
      undefined,
    ]);
    expect((await kfk(world, ["init", "--with-github-actions", "--force"])).status).toBe(0);
    expect(world.files.readText(FILE)).toBe(MINE);
    expect(world.files.readText(MERGE)).toContain("kfk schedule --cron-expression '0 0 4 * * *' --image \"$IMAGE\"");
  });

  test.each([
    ["the same host", MINE, ["http://mine"], 0, ""],
    ["another host", MINE, [URL], 0, `names the host http://mine; ${URL} was not written into it`],
    ["no host, and a URL", "run_config: {}\n", [URL], 0, `names no host; ${URL} was not written into it`],
    ["no host, and no URL", "run_config: {}\n", [], 2, "kfk init needs URL: conf/base/kubeflow.yaml names no host"],
    ["a host from the environment", "host: ${oc.env:KFP}\n", [], 0, ""],
  ] as const)("%s", async (_, text, url, wanted, said) => {
    const world = project({ [FILE]: text });
    const { status, err } = await kfk(world, ["init", ...url, "--with-github-actions"]);
    expect([status, world.files.readText(FILE)]).toEqual([wanted, text]);
    expect(err).toContain(said);
    expect(err.includes("warning")).toBe(said.includes("not written"));
  });

  test("--force keeps the old text beside the new one, and no copy is written over", async () => {
    const world = project({ [FILE]: MINE });
    const first = await kfk(world, ["init", URL, "--force"]);
    expect(first.err).toContain("kept the old text as conf/base/kubeflow.yaml.bak\n");
    expect(world.files.readText(`${FILE}.bak`)).toBe(MINE);
    world.files.write(FILE, `${MINE}# changed\n`);
    await kfk(world, ["init", URL, "--force"]);
    expect([world.files.readText(`${FILE}.bak`), world.files.readText(`${FILE}.bak2`)]).toEqual([
      MINE,
      `${MINE}# changed\n`,
    ]);
    world.files.write(FILE, MINE);
    await kfk(world, ["init", URL, "--force"]);
    expect(world.files.kind(`${FILE}.bak3`)).toBeUndefined();
    expect((await kfk(world, ["compile", "-q", "-o", "-"])).status).toBe(0);
  });

  test("--force keeps the old hooks as well", async () => {
    const world = project({ [`${ROOT}/kfk.hooks.ts`]: "mine" });
    expect((await kfk(world, ["init", URL, "--hooks", "--force"])).status).toBe(0);
    expect(world.files.readText(`${ROOT}/kfk.hooks.ts.bak`)).toBe("mine");
  });
});

test("says that it writes the schema", async () => {
  const { err } = await kfk(project(), ["init", URL]);
  expect(err).toContain("wrote conf/kubeflow.schema.json\n");
});

test("one file that is there stops all the others", async () => {
  const world = project({ [`${ROOT}/kfk.hooks.ts`]: "mine" });
  const { status, err } = await kfk(world, ["init", URL, "--hooks"]);
  expect({ status, file: world.files.kind(FILE) }).toEqual({ status: 3, file: undefined });
  expect(err).toContain("kfk.hooks.ts is there already");
});

test("an editor's schema that somebody has changed stays, and one that is the same does not stand in the way", async () => {
  const path = `${ROOT}/conf/kubeflow.schema.json`;
  const world = project({ [path]: "{}\n" });
  const { status, err } = await kfk(world, ["init", URL]);
  expect({ status, file: world.files.kind(FILE), schema: world.files.readText(path) }).toEqual({
    status: 3,
    file: undefined,
    schema: "{}\n",
  });
  expect(err).toContain("conf/kubeflow.schema.json is there already; nothing was written [INIT_EXISTS]");
  expect((await kfk(world, ["init", URL, "--force"])).status).toBe(0);
  world.files.remove(FILE);
  expect((await kfk(world, ["init", URL])).status).toBe(0);
});

test("what another run has left half done is finished", async () => {
  const whole = project();
  expect((await kfk(whole, ["init", URL, "--with-github-actions", "--hooks"])).status).toBe(0);
  const names = ["kfk.hooks.ts", "conf/kubeflow.schema.json", ".github/workflows/on-push.yml", "Dockerfile"];
  for (const stopAfter of names.keys()) {
    const world = project();
    for (const name of names.slice(0, stopAfter)) {
      world.files.write(`${ROOT}/${name}`, whole.files.readText(`${ROOT}/${name}`) ?? "");
    }
    const { status, err } = await kfk(world, ["init", URL, "--with-github-actions", "--hooks"]);
    expect({ status, err: err.includes("INIT_EXISTS") }).toEqual({ status: 0, err: false });
    expect(world.files.readText(FILE)).toBe(whole.files.readText(FILE));
  }
});

test.each([
  ["a file", (at: string, out: string) => symlinkSync(join(out, "their.yaml"), join(at, "conf/base/kubeflow.yaml"))],
  [
    "a file that is there",
    (at: string, out: string) => {
      writeFileSync(join(out, "their.yaml"), "theirs");
      symlinkSync(join(out, "their.yaml"), join(at, "conf/base/kubeflow.yaml"));
    },
  ],
  [
    "a folder",
    (at: string, out: string) => {
      rmSync(join(at, "conf"), { recursive: true });
      mkdirSync(join(out, "conf/base"), { recursive: true });
      symlinkSync(join(out, "conf"), join(at, "conf"));
    },
  ],
] as const)("--force does not follow a link out of the project: %s", async (_, link) => {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "kfk-init-")));
  try {
    const [at, out] = [join(scratch, "project"), join(scratch, "out")];
    mkdirSync(join(at, "conf/base"), { recursive: true });
    mkdirSync(out);
    mkdirSync(join(at, "src/p"), { recursive: true });
    writeFileSync(
      join(at, "pyproject.toml"),
      '[tool.kedro]\npackage_name = "p"\nproject_name = "P"\nkedro_init_version = "1.0.0"\n',
    );
    link(at, out);
    const before = readdirSync(out, { recursive: true }).map(String).toSorted();
    const real = realWorld();
    const fake = fakeWorld({ cwd: at });
    const world = { ...fake, files: real.files };
    const status = await runCommandLine(world, ["init", URL, "--force"], "1.2.3", "");
    expect({ status, err: fake.written.err() }).toEqual({
      status: 3,
      err: expect.stringMatching(
        /^error: conf\/.* leads out of the project, to .*; nothing was written \[INIT_EXISTS\]\n/,
      ),
    });
    expect(readdirSync(out, { recursive: true }).map(String).toSorted()).toEqual(before);
    if (before.includes("their.yaml")) expect(readFileSync(join(out, "their.yaml"), "utf8")).toBe("theirs");
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test("--force replaces", async () => {
  const world = project({ [FILE]: "host: http://mine\n" });
  expect((await kfk(world, ["init", URL, "--force"])).status).toBe(0);
  expect(parse(world.files.readText(FILE) as string).host).toBe(URL);
});

test("a project with the ending .yml keeps it, so that there are not two", async () => {
  const yml = `${ROOT}/conf/base/kubeflow.yml`;
  const world = project({ [yml]: "host: http://mine\n" });
  expect((await kfk(world, ["init", URL])).status).toBe(3);
  expect((await kfk(world, ["init", URL, "--force"])).status).toBe(0);
  expect({ yml: world.files.kind(yml), yaml: world.files.kind(FILE) }).toEqual({ yml: "file", yaml: undefined });
});

test("--hooks writes an example that imports from kfk", async () => {
  const world = project();
  expect((await kfk(world, ["init", URL, "--hooks"])).status).toBe(0);
  expect(world.files.readText(`${ROOT}/kfk.hooks.ts`)).toContain('import { defineHooks } from "kfk";');
});

test.each([
  ["no URL", ["init"], 2, "kfk init needs URL"],
  ["a broken URL", ["init", "ftp://x"], 2, 'the host "ftp://x" starts with ftp://'],
  ["no URL for the files of a build server", ["init", "--ci", "gitlab"], 2, "kfk init needs URL"],
  ["another environment", ["init", URL, "-e", "prod"], 2, "kfk init writes the environment base, which all others"],
  ["an unknown build server", ["init", URL, "--ci", "gitlap"], 2, "did you mean gitlab?"],
] as const)("wrong command line: %s", async (_, argv, wanted, text) => {
  const world = project();
  const { status, err } = await kfk(world, argv);
  expect({ status, file: world.files.kind(FILE) }).toEqual({ status: wanted, file: undefined });
  expect(err).toContain(text);
});

describe("with a server", () => {
  let server: FakeKfp;
  beforeAll(() => {
    server = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => 0 });
  });
  afterAll(async () => await server.stop());

  test("its version is asked and written", async () => {
    const world = fakeWorld({ cwd: ROOT, files: projectFiles(), fetch: server.fetch });
    const { status, err } = await kfk(world, ["init", server.url]);
    expect(status).toBe(0);
    expect(err).toContain("the server is KFP 2.5.0; target: argo");
    const written = parse(world.files.readText(FILE) as string);
    expect({ host: written.host, target: written.target, version: written.kfp_version }).toEqual({
      host: server.url,
      target: "argo",
      version: "2.5",
    });
    expect((await kfk(world, ["compile", "-q", "-o", "-"])).status).toBe(0);
  });
});

test.each([
  ["1.8.22", false, "argo", "1.8"],
  ["2.0.0-rc.1", true, "argo", "2.0"],
  ["2.17.0", true, "argo", "2.17"],
  ["2.18.0", true, "kfp", "2.18"],
  ["v3.0.1", true, "kfp", "3.0"],
  ["1.8.22", true, "argo", null], // its API belies it
  ["latest", true, "argo", null],
  [null, false, "argo", null],
] as const)("the choice for a server: version %p, v2 API %p → %p, %p", (version, keepsRunId, target, kfpVersion) => {
  expect(chooseTarget({ version, keepsRunId })).toEqual({ target, kfpVersion });
});

/** What each era's template has at its root, and where it says its name and version. */
const ERAS: readonly { readonly name: string; readonly files: Record<string, string>; readonly conf: string }[] = [
  {
    name: "0.16: .kedro.yml",
    files: { ".kedro.yml": "context_path: shop.run.ProjectContext\nproject_name: Shop\n", "src/shop/run.py": "" },
    conf: "conf/base",
  },
  {
    name: "0.17: pyproject.toml with project_version, hooks",
    files: {
      "pyproject.toml": '[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nproject_version = "0.17.7"\n',
      "src/shop/settings.py": "from shop.hooks import ProjectHooks\nHOOKS = (ProjectHooks(),)\n",
    },
    conf: "conf/base",
  },
  {
    name: "0.18: src/requirements.txt",
    files: {
      "pyproject.toml": '[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nproject_version = "0.18.14"\n',
      "src/requirements.txt": "kedro~=0.18.14\n",
      "src/shop/settings.py": "# all defaults\n",
    },
    conf: "conf/base",
  },
  {
    name: "1.x: another source of configuration and base environment",
    files: {
      "pyproject.toml": '[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nkedro_init_version = "1.7.0"\n',
      "src/shop/settings.py":
        'CONF_SOURCE = "settings/of"\nCONFIG_LOADER_ARGS = {"base_env": "common", "default_run_env": "dev"}\n',
    },
    conf: "settings/of/common",
  },
];

test.each(ERAS)("writes into the layout of Kedro $name", async ({ files, conf }) => {
  const all = Object.entries({ "src/shop/__init__.py": "", ...files });
  const world = fakeWorld({
    cwd: ROOT,
    files: Object.fromEntries(all.map(([path, text]) => [`${ROOT}/${path}`, text])),
  });
  const { status, err } = await kfk(world, ["init", URL]);
  expect({ status, err: err.split("\n").at(-2) }).toEqual({
    status: 0,
    err: `Configuration generated in ${conf}/kubeflow.yaml`,
  });
  expect(parse(world.files.readText(`${ROOT}/${conf}/kubeflow.yaml`) as string).run_config.image).toBe("shop");
});

test.each(["0.19.15", "1.0.0", "1.7.0"])("init, then compile, works untouched with Kedro %s", async (kedro) => {
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ kedro }) });
  expect((await kfk(world, ["init", URL, "--with-github-actions"])).status).toBe(0);
  expect((await kfk(world, ["compile"])).status).toBe(0);
  expect(world.written.err()).not.toContain("no step");
});

test("CI files go to the repository, which may lie above the project", async () => {
  const files = { ...projectFiles(), "/projects/.git/HEAD": "ref: refs/heads/main\n" };
  const world = fakeWorld({ cwd: ROOT, files });
  expect((await kfk(world, ["init", URL, "--ci", "github"])).status).toBe(0);
  const text = world.files.readText("/projects/.github/workflows/kubeflow-on-push.yml") as string;
  expect(parse(text).defaults.run).toEqual({ shell: "bash", "working-directory": "shop" });
});

test("names that YAML would take for something else are quoted", () => {
  const facts = { host: "http://h", target: "argo", kfpVersion: null, schema: "s" } as const;
  for (const name of ["on", "null", "y", "shop-1"]) {
    expect(parse(kubeflowText({ ...facts, name }), { version: "1.1" }).run_config.image).toBe(name);
  }
});

test.each([
  [
    "requirements.txt",
    { "requirements.txt": "kedro==0.19.15\n" },
    "3.11",
    "COPY requirements.txt /tmp/requirements.txt",
  ],
  [
    "src/requirements.txt",
    { "src/requirements.txt": "kedro==1.0.0\n" },
    "3.12",
    "COPY src/requirements.txt /tmp/requi",
  ],
  ["pyproject.toml alone", {}, "3.12", "RUN pip install --no-cache-dir ."],
] as const)("a project without a Dockerfile gets one for CI: %s", async (_, more, python, line) => {
  const world = project(Object.fromEntries(Object.entries(more).map(([path, text]) => [`${ROOT}/${path}`, text])));
  expect((await kfk(world, ["init", URL, "--ci", "gitlab"])).status).toBe(0);
  const text = world.files.readText(`${ROOT}/Dockerfile`) as string;
  expect(text).toContain(`FROM python:${python}-slim\n`);
  expect(text).toContain(line);
  expect(world.files.readText(`${ROOT}/.dockerignore`)).toContain("conf/local/*");
});

test("a Dockerfile that is there stays, even with --force", async () => {
  const world = project({ [`${ROOT}/Dockerfile`]: "FROM mine" });
  expect((await kfk(world, ["init", URL, "--ci", "gitlab", "--force"])).status).toBe(0);
  expect(world.files.readText(`${ROOT}/Dockerfile`)).toBe("FROM mine");
  expect(world.files.kind(`${ROOT}/.dockerignore`)).toBeUndefined();
});

describe("CI files", () => {
  const facts = { name: "shop", folder: "", version: "1.2.3", checksum: "ab".repeat(32), releases: "" };

  test("no shell line holds an expression of GitHub, and every action is pinned to a major version", () => {
    for (const { text } of githubFiles(facts)) {
      const { jobs } = parse(text) as { jobs: Record<string, { steps: { run?: string; uses?: string }[] }> };
      for (const { run, uses } of Object.values(jobs).flatMap(({ steps }) => steps)) {
        expect(run ?? "").not.toContain("${{");
        if (uses !== undefined) expect(["actions/checkout@v7", "google-github-actions/auth@v3"]).toContain(uses);
      }
    }
  });

  test("the image is built before the login, which puts a key into the folder", () => {
    for (const { text } of githubFiles(facts)) {
      expect(text.indexOf("docker build")).toBeLessThan(text.indexOf("google-github-actions/auth"));
    }
  });

  test("the checksum is pinned when it is known, and taken from the release when not", () => {
    for (const make of [githubFiles, gitlabFiles]) {
      for (const { text } of make(facts)) {
        expect(text).toContain(`KFK_SHA256: ${facts.checksum}`);
        expect(text).not.toContain("SHA256SUMS");
      }
      for (const { text } of make({ ...facts, checksum: undefined })) {
        expect(text).toContain("SHA256SUMS");
        expect(text).not.toContain("KFK_SHA256");
      }
    }
  });

  test("the secrets of the predecessor's manual are the ones that are asked for", () => {
    for (const { text } of githubFiles(facts)) {
      const secrets = new Set([...text.matchAll(/secrets\.(\w+)/g)].map(([, name]) => name));
      expect([...secrets].toSorted()).toEqual(["GKE_PROJECT", "GKE_SA_KEY", "IAP_CLIENT_ID"]);
    }
  });

  test("a known place of releases is the default", () => {
    const known = { ...facts, releases: "https://releases.example/kfk" };
    expect(parse(githubFiles(known)[0]?.text ?? "").env.KFK_URL).toBe(
      "${{ vars.KFK_URL || 'https://releases.example/kfk' }}",
    );
    expect(parse(gitlabFiles(known)[0]?.text ?? "").variables.KFK_URL).toBe("https://releases.example/kfk");
  });
});

describe("fill", () => {
  test("fills places, takes lines away, and refuses what does not fit", () => {
    expect(fill("a @x@ b\n@line@\n@gone@\nend\n", { x: "1", line: "l\nm", gone: "" })).toBe("a 1 b\nl\nm\nend\n");
    expect(() => fill("@x@", {})).toThrow("no value for @x@");
    expect(() => fill("", { x: "1" })).toThrow("no place for x");
  });
});

test("a write that fails takes back the ones before it", () => {
  const files = memoryFiles({ "/p/old": "before", "/p/folder/x": "" });
  const wanted = ["/p/old", "/p/new", "/p/folder"].map((path) => ({ path, shown: path, text: "after" }));
  expect(() => writeAll(files, wanted)).toThrow("cannot write /p/folder");
  expect({ old: files.readText("/p/old"), made: files.kind("/p/new") }).toEqual({ old: "before", made: undefined });
});
