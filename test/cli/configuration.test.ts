/** What a person says of configuration on the command line, and what an environment's file does to the base's. */
import { describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";
import { KUBEFLOW, projectFiles, type ProjectParts, ROOT } from "../project-files.ts";

type Conf = Readonly<Record<string, string>>;

interface Given extends ProjectParts {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

async function kfk(argv: readonly string[], { files, env, ...parts }: Given = {}) {
  const world = fakeWorld({ cwd: ROOT, files: { ...projectFiles(parts), ...files }, env: env ?? {} });
  const status = await runCommandLine(world, argv, "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err(), files: world.files };
}

const BASE = "host: http://h\nrun_config:\n  image: shop:1\n  ttl: 60\n  volume: {size: 1Gi, keep: true}\n";

describe("an environment's kubeflow.yaml over base's", () => {
  const SOFT = `CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local", "merge_strategy": {"kubeflow": "soft"}}\n`;
  const overlay = (text: string): Conf => ({ "base/kubeflow.yaml": BASE, "prod/kubeflow.yaml": text });
  const warned =
    "run_config here takes the place of the whole run_config of conf/base/kubeflow.yaml, as in Kedro, so these do not hold:";

  test("is told once what it takes away, with the ways out", async () => {
    const conf = overlay("run_config:\n  image: shop:2\n  volume: {size: 2Gi}\n");
    for (const argv of [
      ["compile", "-e", "prod", "-o", "-"],
      ["config", "view", "-e", "prod"],
    ]) {
      const { status, err } = await kfk(argv, { conf });
      expect(status).toBe(0);
      expect(err).toStartWith(
        `warning: ${warned} run_config.ttl, run_config.volume.keep (conf/prod/kubeflow.yaml:1)\n` +
          '  hint: write again here what is to hold, or add "merge_strategy": {"kubeflow": "soft"} to CONFIG_LOADER_ARGS in settings.py, beside "base_env" and "default_run_env"\n',
      );
      expect(err.split(warned).length).toBe(2);
    }
  });

  test.each([
    ["nothing is lost", "run_config: {image: a:1, ttl: 1, volume: {size: 1Gi, keep: false}}\n", {}],
    ["another key is set", "host: http://other\n", {}],
    ["the loader merges softly", "run_config: {ttl: 1}\n", { settings: SOFT }],
  ] as const)("is fine where %s", async (_, text, parts) => {
    const { status, err } = await kfk(["compile", "-e", "prod", "-o", "-"], { ...parts, conf: overlay(text) });
    expect([status, err.includes("do not hold")]).toEqual([0, false]);
  });

  test("is told for a run here where it changes that run", async () => {
    const run = async (key: string): Promise<boolean> => {
      const conf = { "base/kubeflow.yaml": `run_config: {${key}}\n`, "prod/kubeflow.yaml": "run_config: {ttl: 1}\n" };
      return (await kfk(["run-once", "--local", "-e", "prod"], { conf })).err.includes(warned);
    };
    expect([await run("merge: full"), await run("image: a:1")]).toEqual([true, false]);
  });

  test("names no strategy to a loader that has none", async () => {
    const { err } = await kfk(["compile", "-e", "prod", "-i", "a:1", "-o", "-"], {
      kedro: "0.18.14",
      conf: overlay("run_config: {ttl: 1}\n"),
    });
    expect(err).toContain(warned);
    expect(err).not.toContain("merge_strategy");
  });

  test("an image that is missing is to be written where it holds", async () => {
    const hint = async (conf: Conf): Promise<string | undefined> =>
      / {2}hint: (.*)\n$/.exec((await kfk(["compile", "-e", "prod", "-o", "-"], { conf })).err)?.[1];
    expect(await hint(overlay("run_config: {ttl: 1}\n"))).toBe(
      "conf/prod/kubeflow.yaml has a run_config of its own, so the image of conf/base/kubeflow.yaml does not hold: write run_config.image there too, or use --image NAME:TAG",
    );
    expect(
      await hint({ "base/kubeflow.yml": "host: http://h\n", "prod/kubeflow.yaml": "run_config: {ttl: 1}\n" }),
    ).toBe("set run_config.image in conf/prod/kubeflow.yaml, or use --image NAME:TAG");
    expect(await hint({ "base/kubeflow.yml": "run_config: {ttl: 1}\n", "prod/a": "" })).toBe(
      "set run_config.image in conf/base/kubeflow.yml, or use --image NAME:TAG",
    );
    expect(await hint({ "prod/a": "" })).toBe(
      "write conf/base/kubeflow.yaml with run_config.image, or use --image NAME:TAG",
    );
  });
});

describe("the name of an environment", () => {
  const elsewhere =
    "name a folder below the conf folder, such as prod; another conf folder is named with --conf-source DIR";

  test.each([
    ["../..", elsewhere],
    ["..", elsewhere],
    [".", elsewhere],
    ["/x", elsewhere],
    ["prod/../../x", elsewhere],
    ["a\nb", elsewhere],
    ["./local", "write local"],
    ["local/", "write local"],
    ["a//b", "write a/b"],
  ])("is not %j", async (name, hint) => {
    expect(await kfk(["model", "-e", name])).toMatchObject({
      status: 2,
      out: "",
      err: `error: --env "${name}" is not the name of an environment [USAGE_VALUE]\n  hint: ${hint}\n`,
    });
    const { status, err } = await kfk(["model"], { env: { KEDRO_ENV: name } });
    expect([status, err.split(" [")[0]]).toEqual([3, `error: KEDRO_ENV "${name}" is not the name of an environment`]);
  });

  test.each([
    ["", "local", {}],
    ["", "prod", { KEDRO_ENV: "prod" }],
    ["team/prod", "team/prod", {}],
    ["a b", "a b", {}],
  ])("may be %j, as Kedro takes it: %s", async (name, wanted, env) => {
    const conf = { "prod/a": "", "team/prod/a": "", "a b/a": "" };
    const { status, out } = await kfk(["model", "-e", name], { env, conf });
    expect([status, JSON.parse(out).project.env]).toEqual([0, wanted]);
  });
});

describe("--conf-source", () => {
  const other = (root: string): Record<string, string> => ({
    [`${root}/base/catalog.yml`]: "table: {type: pandas.CSVDataset, filepath: data/table.csv}\n",
    [`${root}/base/parameters.yml`]: "rate: 0.9\n",
    [`${root}/base/kubeflow.yaml`]: KUBEFLOW,
  });
  const INSIDE = other(`${ROOT}/conf_ci`);
  const OUTSIDE = other("/etc/shop");

  test("is read by verbs that read the project, inside of it and elsewhere", async () => {
    for (const [dir, files] of [
      ["conf_ci", INSIDE],
      ["/etc/shop", OUTSIDE],
      ["../../etc/shop", OUTSIDE],
    ] as const) {
      const { status, out } = await kfk(["model", "--conf-source", dir], { files });
      expect([dir, status, JSON.parse(out).parameters]).toEqual([dir, 0, { rate: 0.9 }]);
      expect((await kfk(["--conf-source", dir, "config", "view", "--show-origin"], { files })).out).toContain(
        `${dir}/base/kubeflow.yaml`,
      );
    }
  });

  test("inside of the project it goes to the steps in the image", async () => {
    const { status, out } = await kfk(["compile", "-o", "-", "--conf-source", "conf_ci"], { files: INSIDE });
    expect(status).toBe(0);
    expect(out).toContain(String.raw`\"conf\": \"conf_ci\"`);
    expect((await kfk(["compile", "-o", "-", "-i", "a:1"])).out).not.toContain(String.raw`\"conf\":`);
  });

  test("init writes into it", async () => {
    const { status, files } = await kfk(["init", "http://127.0.0.1:9", "--conf-source", "conf_new"], {
      files: { [`${ROOT}/conf_new/base/a`]: "" },
    });
    expect([status, files.kind(`${ROOT}/conf_new/base/kubeflow.yaml`)]).toEqual([0, "file"]);
  });

  test.each([
    [
      "elsewhere for a cluster",
      ["compile", "--conf-source", "/etc/shop"],
      {},
      "lies outside of the project, so the image does not hold it",
    ],
    ["that is not there", ["model", "--conf-source", "nope"], {}, '--conf-source "nope" is no folder'],
    ["that is empty", ["model", "--conf-source", ""], {}, '--conf-source "" is no folder'],
    ["that is an archive", ["model", "--conf-source", "/c.tar.gz"], {}, "kfk reads folders: unpack it"],
    ["that is a URL", ["model", "--conf-source", "s3://b/c"], {}, "kfk reads folders of this machine"],
    [
      "with an image's model",
      ["model", "--from", "image", "--conf-source", "conf"],
      {},
      "does not go with --from image",
    ],
    [
      "with a saved model",
      ["model", "--from", "m.json", "--conf-source", "conf"],
      {},
      "does not go with --from m.json",
    ],
    [
      "of an old Kedro",
      ["model", "--conf-source", "conf"],
      { kedro: "0.18.4" },
      "Kedro 0.18.4, whose runs know no --conf-source",
    ],
  ] as const)("refuses a folder %s", async (_, argv, parts, says) => {
    const { status, out, err } = await kfk([...argv], { ...parts, files: { ...OUTSIDE, "/c.tar.gz": "x" } });
    expect([status, out]).toEqual([2, ""]);
    expect(err).toContain(says);
  });
});

describe("what a document is for", () => {
  const conf = { "base/kubeflow.yaml": KUBEFLOW };

  test.each([
    [["--target", "argo"], 0, ""],
    [["--kfp-version", "2.14"], 0, ""],
    [["--kfp-version", "v1.8.22"], 0, ""],
    [["--target", "kfp"], 2, "--target kfp is not compiled by this version of kfk, which writes argo documents alone"],
    [["--target", "vertex"], 2, '--target cannot be "vertex"'],
    [["--kfp-version", "new"], 2, '--kfp-version "new" is not the version of a server'],
    [["--kfp-version", "2.18"], 2, "a server of KFP 2.18 takes no documents of the target argo"],
    [["--target", "kfp", "--kfp-version", "1.8"], 2, "hint: use --target argo, or the server's real version"],
  ] as const)("%j", async (argv, status, says) => {
    const found = await kfk(["compile", "-o", "-", ...argv], { conf });
    expect(found.status).toBe(status);
    expect(found.err).toContain(says);
  });

  test("the option goes before the key, and changes no byte of what it allows", async () => {
    const kfp = { "base/kubeflow.yaml": `${KUBEFLOW}target: kfp\nkfp_version: "2.14"\n` };
    expect((await kfk(["compile", "-o", "-"], { conf: kfp })).err).toContain("hint: use target: argo");
    const { status, out } = await kfk(["compile", "-o", "-", "--target", "argo"], { conf: kfp });
    expect([status, out]).toEqual([0, (await kfk(["compile", "-o", "-"], { conf })).out]);
  });

  test("init offers nothing that is refused", async () => {
    const { files } = await kfk(["init", "http://127.0.0.1:9"]);
    const text = files.readText(`${ROOT}/conf/base/kubeflow.yaml`) ?? "";
    expect([/^target: argo$/m.test(text), text.includes("kfp (servers")]).toEqual([true, false]);
  });
});

describe("--params-file", () => {
  const conf = { "base/kubeflow.yaml": KUBEFLOW };
  const compile = (text: string, more: readonly string[] = []) =>
    kfk(["compile", "-o", "-", "--params-file", "p.yml", ...more], { conf, files: { [`${ROOT}/p.yml`]: text } });

  test("gives a document its defaults, and --param wins", async () => {
    expect((await compile("rate: 0.25\n")).out).toContain('value: "0.25"');
    expect((await compile('{"rate": 0.25}')).out).toContain('value: "0.25"');
    expect((await compile("rate: 0.25\n", ["--param", "rate=0.75"])).out).toContain('value: "0.75"');
    expect((await compile("")).out).toBe((await kfk(["compile", "-o", "-"], { conf })).out);
  });

  test.each([
    ["rate: often\n", 'parameter "rate" is a number, and this is text', "p.yml:1:1"],
    ["# so\nrte: 1\n", 'the pipeline has no parameter "rte"', "did you mean rate?"],
    ["- 1\n", "p.yml is no mapping", "p.yml:1:1"],
  ])("refuses %j", async (text, message, more) => {
    const { status, out, err } = await compile(text);
    expect([status, out]).toEqual([3, ""]);
    expect(err).toContain(message);
    expect(err).toContain(more);
  });

  test("says what a missing one is", async () => {
    expect((await kfk(["compile", "--params-file", "conf"], { conf })).err).toContain("this is a folder");
    expect((await kfk(["compile", "--params-file", "no"], { conf })).err).toContain("there is no such file");
  });
});

test("a template in a key is refused, as only values are resolved", async () => {
  const text = `${KUBEFLOW}  resources:\n    "\${oc.env:STEP}": {cpu: 1}\n`;
  const { status, err } = await kfk(["compile", "-o", "-"], {
    conf: { "base/kubeflow.yaml": text },
    env: { STEP: "fit" },
  });
  expect(status).toBe(3);
  expect(err).toStartWith(
    'error: the key "${oc.env:STEP}" of "run_config.resources" is not resolved: ${…} holds in values alone [CONFIG_KUBEFLOW]\n' +
      "  --> conf/base/kubeflow.yaml:6:5\n",
  );
});

describe("kedro-kubeflow's EnvTemplatedConfigLoader", () => {
  const settings =
    "from kedro_kubeflow.context_helper import EnvTemplatedConfigLoader\nCONFIG_LOADER_CLASS = EnvTemplatedConfigLoader\n";
  const env = { KEDRO_CONFIG_COMMIT_ID: "abc", KEDRO_CONFIG_RATE: "0.5" };

  const pipelines = {
    train:
      "from kedro.pipeline import Pipeline, node\nfrom .nodes import fit\n\ndef create_pipeline(**kwargs):\n    return Pipeline([node(fit, ['table'], 'model', name='fit')])\n",
  };
  const registry =
    "from shop.pipelines.train import create_pipeline\n\ndef register_pipelines():\n    return {'__default__': create_pipeline()}\n";
  const old = { settings, pipelines, registry };

  test("below Kedro 0.18.5 fills templates", async () => {
    const conf = {
      "base/parameters.yml": "rate: ${rate}\nbranch: ${branch_name|none}\n",
      "base/catalog.yml": "table: {type: pandas.CSVDataSet, filepath: 'data/${commit_id}.csv'}\n",
      "base/kubeflow.yaml": "run_config: {image: 'shop:${commit_id}'}\n",
    };
    const read = await kfk(["model", "--from", "static"], { ...old, kedro: "0.18.4", conf, env });
    expect([read.status, JSON.parse(read.out).parameters]).toEqual([0, { branch: "none" }]);
    expect(JSON.parse(read.out).datasets.table.path).toBe("data/abc.csv");
    expect(read.err).toContain("it comes from the environment variable KEDRO_CONFIG_RATE");
    expect((await kfk(["config", "view"], { ...old, kedro: "0.18.4", conf, env })).out).toContain("shop:abc");
  });

  test("from Kedro 0.19 on takes the lowered names for oc.env", async () => {
    const conf = {
      "base/parameters.yml": "rate: 0.1\ncommit: ${oc.env:commit_id}\n",
      "base/catalog.yml": "table: {type: pandas.CSVDataset, filepath: 'data/${oc.env:commit_id}.csv'}\n",
    };
    const read = await kfk(["model", "--from", "static"], { kedro: "0.19.9", settings, conf, env });
    expect([read.status, JSON.parse(read.out).parameters]).toEqual([0, { rate: 0.1 }]);
    expect(JSON.parse(read.out).datasets.table.path).toBe("data/abc.csv");
  });

  test("of a hook (Kedro 0.17) too", async () => {
    const read = await kfk(["model", "--from", "static"], {
      ...old,
      pyproject: '[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nproject_version = "0.17.7"\n',
      settings: "from shop.hooks import ProjectHooks\nHOOKS = (ProjectHooks(),)\n",
      files: {
        [`${ROOT}/src/shop/hooks.py`]:
          "from kedro.framework.hooks import hook_impl\nfrom kedro_kubeflow.context_helper import EnvTemplatedConfigLoader\n\nclass ProjectHooks:\n    @hook_impl\n    def register_config_loader(self, conf_paths):\n        return EnvTemplatedConfigLoader(conf_paths)\n",
      },
      conf: { "base/parameters.yml": "branch: ${branch_name|none}\n" },
      env,
    });
    expect([read.status, JSON.parse(read.out || "{}").parameters]).toEqual([0, { branch: "none" }]);
  });

  test.each([
    [
      "between, as both loaders go with it",
      "0.18.14",
      settings,
      "a TemplatedConfigLoader up to 0.7 and an OmegaConfigLoader since 0.9",
    ],
    [
      "with an argument that it does not take",
      "0.19.9",
      `${settings}CONFIG_LOADER_ARGS = {"merge_strategy": {"kubeflow": "soft"}}\n`,
      'EnvTemplatedConfigLoader takes no argument "merge_strategy"',
    ],
  ])("is refused %s", async (_, kedro, text, says) => {
    const { status, err } = await kfk(["model", "--from", "static"], { kedro, settings: text, env });
    expect([status, err.includes(says)]).toEqual([3, true]);
  });
});
