/** Hooks that behave, on the built file: order, streams, switches, signals, and what the commands about hooks say. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

const GOLDEN = readFileSync(join(import.meta.dir, "../compile/goldens/spaceflights.yaml"), "utf8");
const NOISY = `console.log("out");
process.stdout.write("raw\\n");
export default { config: () => { console.error("err"); } };
`;

describe.skipIf(!existsSync(KFK))("hooks", () => {
  test("that change nothing change no byte, and print to stderr only", () => {
    const names = ["config", "model", "steps", "documents"];
    const text = `console.log("a");\nexport default { ${names.map((name) => `${name}: (x) => x`).join(", ")} };\n`;
    const { status, out, err } = projects.make({ "kfk.hooks.ts": text }).run(["compile", "-o", "-"]);
    expect({ status, err }).toEqual({
      status: 0,
      err: `kfk.hooks.ts | a\n11 nodes → 11 steps → 13 pods, ${out.length} bytes\n`,
    });
    expect(out).toBe(GOLDEN);
  });

  for (const [name, argv, env] of [
    ["--no-hooks", ["--no-hooks"], {}],
    ["KFK_NO_HOOKS", [], { KFK_NO_HOOKS: "1" }],
  ] as const) {
    test(`are not loaded with ${name}`, () => {
      const files = { "kfk.hooks.ts": NOISY, "conf/local/kubeflow.yaml": "hooks: [nowhere.ts]\n" };
      const { status, out, err } = projects.make(files).run(["compile", "-o", "-", ...argv], env);
      expect({ status, err }).toEqual({ status: 0, err: `11 nodes → 11 steps → 13 pods, ${out.length} bytes\n` });
      expect(out).toBe(GOLDEN);
    });
  }

  test("print nothing with --quiet", () => {
    const { status, err } = projects.make({ "kfk.hooks.ts": NOISY }).run(["compile", "--quiet"]);
    expect({ status, err }).toEqual({ status: 0, err: "" });
  });

  test("are not loaded by commands that call none", () => {
    const project = projects.make({ "kfk.hooks.ts": 'throw new Error("loaded");\n' });
    for (const argv of [["--version"], ["--help"], ["version"], ["hooks", "types"], ["compile", "--help"]]) {
      const { status, err } = project.run(argv);
      expect([argv, status, err.includes("loaded")]).toEqual([argv, 0, false]);
    }
  });

  test("are called in the order of the files, each with what the one before gave back", () => {
    const add = (word: string): string =>
      `export default { config: (config) => ({ ...config, host: config.host + "/${word}" }) };\n`;
    const { out, err } = projects
      .make({
        "ci/b.ts": add("b"),
        "ci/a.mjs": add("a"),
        "kfk.hooks.ts": add("root"),
        "conf/local/kubeflow.yaml": "host: http://h\nhooks: [ci/b.ts, ci/a.mjs, kfk.hooks.ts]\n",
      })
      .run(["config", "view", "-o", "json"]);
    expect(err).toBe("");
    expect(JSON.parse(out).host).toBe("http://h/root/b/a");
  });

  test("see their own files, packages of the project and the environment", () => {
    const { out, err } = projects
      .make({
        "kfk.hooks.ts":
          'import { defineHooks } from "kfk";\nimport { tier } from "company";\nimport limits from "./limits.json";\n' +
          "export default defineHooks({ config: (config, { env, runEnv, verb }) => ({ host: [tier, limits.cpu, env('X'), runEnv, verb].join() }) });\n",
        "limits.json": '{"cpu": 4}\n',
        "node_modules/company/package.json": '{"name": "company", "exports": "./lib/main.js"}\n',
        "node_modules/company/lib/main.js":
          'import { defineHooks } from "kfk";\nexport const tier = typeof defineHooks;\n',
        "node_modules/kfk/index.js": 'throw new Error("not this one");\n',
        ".env": "X=wrong\n",
        "bunfig.toml": 'preload = ["./limits.json"]\n',
      })
      .run(["config", "view", "-o", "json"], { X: "right" });
    expect({ out, err }).toEqual({ out: '{\n  "host": "function,4,right,local,config"\n}\n', err: "" });
  });

  test("reach steps on this machine", () => {
    const text = "export default { steps: (plan) => { plan.steps.length = 0; } };\n";
    const { status, out, err } = projects.make({ "kfk.hooks.ts": text }).run(["run-once", "--local"]);
    expect([status, out, err.split("\n")[0]]).toEqual([
      3,
      "",
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: the step "clean-operators-node" is gone; leave nodes out with the hook model [HOOK_RESULT]',
    ]);
  });

  for (const [signal, status, word] of [
    ["SIGINT", 130, "interrupted"],
    ["SIGTERM", 143, "terminated"],
  ] as const) {
    test(`are ended by ${signal}, even in a loop`, async () => {
      const text = "export default { model: () => { console.log('pid', process.pid); for (;;); } };\n";
      const child = projects.make({ "kfk.hooks.ts": text }).start(["compile", "-o", "-"]);
      let err = "";
      for await (const chunk of child.stderr) {
        err += new TextDecoder().decode(chunk);
        if (/pid \d+\n/.test(err) && !child.killed) child.kill(signal);
      }
      expect(await child.exited).toBe(status);
      expect(err.split("\n").slice(1)).toEqual([
        `error: ${word} while a hook ran; it was ended, and nothing was created [${word.toUpperCase()}]`,
        "",
      ]);
      expect(isAlive(Number(/pid (\d+)/.exec(err)?.[1]))).toBe(false);
    });
  }

  test("die with kfk when kfk is killed", async () => {
    const text = "export default { model: () => { console.log('pid', process.pid); for (;;); } };\n";
    const child = projects.make({ "kfk.hooks.ts": text }).start(["compile", "-o", "-"]);
    let err = "";
    for await (const chunk of child.stderr) {
      err += new TextDecoder().decode(chunk);
      if (/pid \d+\n/.test(err) && !child.killed) child.kill("SIGKILL");
    }
    await child.exited;
    // the pipe of stderr is kfk's own, so the other process may need a moment more
    const pid = Number(/pid (\d+)/.exec(err)?.[1]);
    for (let turn = 0; turn < 500 && isAlive(pid); turn++) await Bun.sleep(10);
    expect(isAlive(pid)).toBe(false);
  });
});

describe.skipIf(!existsSync(KFK))("kfk hooks", () => {
  const files = {
    "kfk.hooks.ts": "export default { resolvers: { a: () => 1, b: () => 2 }, lint: () => [] };\n",
    "ci/x.ts": "export default { model: (model) => model };\n",
    "conf/base/kubeflow-hooks.yaml": "hooks: [ci/x.ts]\n",
  };

  test("list shows what each file holds", () => {
    const project = projects.make(files);
    expect(project.run(["hooks", "list"])).toEqual({
      status: 0,
      out: [
        "HOOK             FILE          RULE    WHAT",
        "resolvers: a, b  kfk.hooks.ts  first   ${name:argument} in kubeflow.yaml → value",
        "lint             kfk.hooks.ts  all     model, steps, documents → findings",
        "model            ci/x.ts       series  pipelines, datasets, parameters",
        "variable         kfk           first   ${name|default} in kubeflow.yaml → text",
        "",
      ].join("\n"),
      err: "not used: config, steps, extraSteps, documents, auth\n",
    });
    expect(project.run(["hooks", "list", "-o", "name"]).out).toBe(
      "kfk.hooks.ts:resolvers\nkfk.hooks.ts:lint\nci/x.ts:model\nkfk:variable\n",
    );
    expect(JSON.parse(project.run(["hooks", "list", "-o", "json"]).out)[2]).toEqual({
      hook: "model",
      file: "ci/x.ts",
      members: [],
      combine: "series",
      form: "function",
      payload: "pipelines, datasets, parameters",
    });
  });

  test("check calls them, and says when the types are of another kfk", () => {
    const project = projects.make({ ...files, ".kfk/kfk.d.ts": "// old\n" });
    expect(project.run(["hooks", "check"])).toEqual({
      status: 0,
      out: "",
      err: "warning: .kfk/kfk.d.ts is of another kfk\n  hint: write it again with kfk hooks types\n3 hooks in 2 files: no error, 1 warning above\n",
    });
  });

  test("refuses other words", () => {
    expect(projects.make({}).run(["hooks", "lst"]).err).toBe(
      'error: kfk hooks does not know "lst" [USAGE_ARGUMENT]\n  hint: did you mean kfk hooks list?\n',
    );
  });
});

describe.skipIf(!existsSync(KFK))("what ships with kfk", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const git = { ".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": `${commit}\n` };
  const kubeflow = "run_config:\n  image: r/p:${commit_id|dirty}\n  run_name: r-${branch_name|none}-${team}\n";
  const rows = [
    { name: "defaults", env: { KEDRO_CONFIG_TEAM: "t" }, files: {}, want: ["r/p:dirty", "r-none-t"] },
    { name: "git", env: { KEDRO_CONFIG_TEAM: "t" }, files: git, want: [`r/p:${commit}`, "r-main-t"] },
    {
      name: "the environment before git",
      env: { KEDRO_CONFIG_TEAM: "t", KEDRO_CONFIG_COMMIT_ID: "e", KEDRO_CONFIG_BRANCH_NAME: "b" },
      files: git,
      want: ["r/p:e", "r-b-t"],
    },
    {
      name: "globals",
      env: {},
      files: { "conf/base/globals.yml": "team: g\ncommit_id: c\n" },
      want: ["r/p:c", "r-none-g"],
    },
  ] as const;
  for (const { name, env, files, want } of rows) {
    for (const argv of [[], ["--no-hooks"]]) {
      test(`${name} ${argv.join("")}`, () => {
        const project = projects.make({ ...files, "conf/base/kubeflow.yaml": kubeflow });
        const { out, err } = project.run(["config", "view", "-o", "json", ...argv], env);
        expect(err).toBe("");
        const { image, run_name } = JSON.parse(out).run_config;
        expect([image, run_name]).toEqual([...want]);
      });
    }
  }

  test("a name that nothing gives is an error with its place", () => {
    const { status, out, err } = projects
      .make({ "conf/local/kubeflow.yaml": "run_config:\n  run_name: r-${team}\n" })
      .run(["config", "view"]);
    expect({ status, out }).toEqual({ status: 3, out: "" });
    expect(err.split("\n").slice(0, 2)).toEqual([
      "error: ${team} has no value, and no default [CONFIG_INTERPOLATION]",
      "  --> conf/local/kubeflow.yaml:2:15",
    ]);
  });

  test("a variable that conf reads and no pod gets is named", () => {
    const files = {
      "src/spaceflights/settings.py":
        'from omegaconf.resolvers import oc\n\nCONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local", "custom_resolvers": {"oc.env": oc.env}}\n',
      "conf/local/parameters.yml": "team: ${oc.env:KEDRO_CONFIG_TEAM}\nother: ${oc.env:OTHER,x}\n",
    };
    const { status, err } = projects.make(files).run(["compile"], { KEDRO_CONFIG_TEAM: "t" });
    expect([status, err.split("\n").slice(2, 4)]).toEqual([
      0,
      [
        "warning: the environment variable KEDRO_CONFIG_TEAM is read by conf or pipeline code, and no pod gets it",
        "  hint: write run_config.env: [KEDRO_CONFIG_TEAM] in kubeflow.yaml",
      ],
    ]);
  });
});

describe.skipIf(!existsSync(KFK))("kfk config view", () => {
  test("shows merged values with their origin, and masks what is secret", () => {
    const project = projects.make({
      "conf/local/kubeflow.yaml":
        "host: https://me:canary-1@h/${oc.env:TEAM_TOKEN}\nauth: {token: canary-3, token_file: /t, kind: '${kind|x}'}\nrun_config:\n  env: [{name: A, secret: {name: s, key: password}}]\n  run_name: ${branch_name|none}\n",
      "kfk.hooks.ts": "export default {\n  config: (config) => ({ ...config, ui: 'http://ui' }),\n};\n",
    });
    const env = { TEAM_TOKEN: "canary-2", KEDRO_CONFIG_KIND: "dex" };
    const { status, out, err } = project.run(["config", "view", "--show-origin"], env);
    // base's own run_config is not merged, and that is said
    expect([status, err.split("\n").map((line) => line.slice(0, 35))]).toEqual([
      0,
      ["warning: run_config here takes the p", "  hint: write again here what is to", ""].map((line) =>
        line.slice(0, 35),
      ),
    ]);
    expect(out.split("\n").filter((line) => !line.includes("conf/base"))).toEqual([
      'host: "https://********@h/[redacted]"                 # conf/local/kubeflow.yaml:1',
      "run_config:",
      "  env: [{name: A, secret: {name: s, key: password}}]  # conf/local/kubeflow.yaml:4",
      "  run_name: none                                      # conf/local/kubeflow.yaml:5",
      "auth:",
      '  token: "********"                                   # conf/local/kubeflow.yaml:2',
      "  token_file: /t                                      # conf/local/kubeflow.yaml:2",
      "  kind: dex                                           # conf/local/kubeflow.yaml:2",
      'ui: "http://ui"                                       # kfk.hooks.ts:2',
      "",
    ]);
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
