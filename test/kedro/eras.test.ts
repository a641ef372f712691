/**
 * Small projects of Kedro 0.16, 0.17 and 0.18, written by hand: where their pipelines, hooks and config loaders are,
 * and what nodes are called. Automatic names were made by real Kedro of each version.
 */
import { describe, expect, test } from "bun:test";
import { KfkError } from "../../src/error.ts";
import { readConfiguration } from "../../src/config/read.ts";
import { buildCatalog, catalogRules } from "../../src/kedro/catalog.ts";
import { hasLeafDuplicates } from "../../src/kedro/era.ts";
import { readRegistry } from "../../src/kedro/registry.ts";
import { readSettings } from "../../src/kedro/settings.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";

const ROOT = "/projects/shop";
const NODES = "import pandas\n\ndef fit(b, a):\n    ...\n\ndef score(model):\n    ...\n";

/** Files of a project; `version` decides where its metadata stands. */
function lay(version: string, files: Readonly<Record<string, string>>): Record<string, string> {
  const all: Record<string, string> = {
    "src/shop/__init__.py": "",
    "src/shop/nodes.py": NODES,
    "conf/base/catalog.yml": "table:\n  type: pandas.CSVDataSet\n  filepath: data/table.csv\n",
    "conf/base/parameters.yml": "rate: 0.1\n",
    "conf/local/.gitkeep": "",
    ...(version.startsWith("0.16")
      ? {}
      : {
          "pyproject.toml": `[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nproject_version = "${version}"\n`,
        }),
    ...files,
  };
  return Object.fromEntries(Object.entries(all).map(([path, text]) => [`${ROOT}/${path}`, text]));
}

function read(version: string, files: Readonly<Record<string, string>>) {
  const world = fakeWorld({ cwd: ROOT, files: lay(version, files) });
  const facts = findProject(world, ROOT);
  const host = projectHost(world, facts);
  const identity = { package: facts.package, kedroVersion: facts.kedro.version, old: facts.old };
  const { loader, confSource, warnings } = readSettings(host, identity);
  const configuration = readConfiguration(
    {
      confRoot: `${ROOT}/${confSource}`,
      confShown: confSource,
      baseEnv: loader.baseEnv,
      runEnv: loader.defaultRunEnv,
      isRunEnvNamed: false,
      kind: loader.kind,
      globalsPattern: loader.globalsPattern,
      codeGlobals: loader.globals,
      patterns: loader.patterns,
      mergeStrategy: loader.mergeStrategy,
      ignoreHidden: loader.ignoreHidden,
      hasLeafDuplicates: hasLeafDuplicates(facts.kedro.version),
      customResolvers: loader.customResolvers,
      runtimeParams: new Map(),
    },
    world.files,
    () => undefined,
    (tree) => buildCatalog(tree, catalogRules(facts.kedro.version)),
  );
  return {
    facts,
    loader,
    warnings,
    parameters: configuration.parameters.values,
    classify: configuration.catalog.classify,
    registry: () => {
      const { pipelines } = readRegistry(host, identity);
      return Object.fromEntries(
        [...pipelines].map(([name, { nodes }]) => [
          name,
          nodes.map(({ name: node, inputs, outputs }) => `${node}: ${inputs.join(",")} -> ${outputs.join(",")}`),
        ]),
      );
    },
  };
}

function caught(work: () => unknown): KfkError {
  try {
    work();
  } catch (error) {
    if (error instanceof KfkError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const YML = `context_path: shop.run.ProjectContext
project_name: "Shop"
project_version: "0.16.6"
package_name: "shop"
`;
const PIPELINE = `from kedro.pipeline import Pipeline, node
from .nodes import fit, score


def create_pipelines(**kwargs):
    one = Pipeline([
        node(fit, dict(a="x", b="y"), dict(q="z", p="k")),
        node(score, "z", None, name="score it" if kwargs.get("spaced") else "score"),
    ])
    return {"__default__": one, "one": one}
`;
const HOOKS = (loader: string) => `from kedro.config import ConfigLoader, TemplatedConfigLoader
from kedro.framework.hooks import hook_impl
from shop.pipeline import create_pipelines


class ProjectHooks:
    @hook_impl
    def register_pipelines(self):
        return create_pipelines()

    @hook_impl
    def register_config_loader(self, conf_paths, env, extra_params):
        return ${loader}


project_hooks = ProjectHooks()
`;
const CONTEXT = (body: string) => `from pathlib import Path
from kedro.framework.context import KedroContext, load_context
from shop.pipeline import create_pipelines


class ProjectContext(KedroContext):
${body}
`;
const CREATED = `    project_name = "Shop"
    project_version = "0.16.2"
    package_name = "shop"

    def _get_pipelines(self):
        return create_pipelines()
`;
const OLD_NAMES = ["fit([x,y]) -> [k,z]: y,x -> k,z", "score: z -> "];

describe("Kedro 0.16", () => {
  test("the context class makes the pipelines, and says what the project is called", () => {
    const { facts, registry, loader } = read("0.16", {
      ".kedro.yml": "context_path: shop.run.ProjectContext\n",
      "src/shop/run.py": CONTEXT(CREATED),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect([facts.name, facts.package, facts.kedro]).toEqual([
      "Shop",
      "shop",
      { version: "0.16.2", from: ".kedro.yml" },
    ]);
    expect(loader.kind).toBe("ConfigLoader");
    expect(registry()).toEqual({ __default__: OLD_NAMES, one: OLD_NAMES });
  });

  test("a hook of .kedro.yml makes them", () => {
    const { registry } = read("0.16", {
      ".kedro.yml": `${YML}hooks:\n  - shop.hooks.project_hooks\n`,
      "src/shop/run.py": CONTEXT("    pass\n"),
      "src/shop/hooks.py": HOOKS("ConfigLoader(conf_paths)"),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(registry()).toEqual({ __default__: OLD_NAMES, one: OLD_NAMES });
  });

  test("hooks of the context class count too", () => {
    const { registry } = read("0.16", {
      ".kedro.yml": YML,
      "src/shop/run.py": `from shop.hooks import ProjectHooks\n${CONTEXT("    hooks = (ProjectHooks(),)\n")}`,
      "src/shop/hooks.py": HOOKS("ConfigLoader(conf_paths)"),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(Object.keys(registry())).toEqual(["__default__", "one"]);
  });

  test("pyproject.toml holds what .kedro.yml holds elsewhere", () => {
    const { registry } = read("0.16", {
      "pyproject.toml":
        '[tool.kedro]\ncontext_path = "shop.run.ProjectContext"\npackage_name = "shop"\nproject_name = "Shop"\nproject_version = "0.16.5"\nhooks = ["shop.hooks.project_hooks"]\n',
      "src/shop/run.py": CONTEXT("    pass\n"),
      "src/shop/hooks.py": HOOKS("ConfigLoader(conf_paths)"),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(Object.keys(registry())).toEqual(["__default__", "one"]);
  });

  test.each([
    ["0.16.6", "Old"],
    ["0.17.7", "New"],
  ])("of .kedro.yml and pyproject.toml, Kedro %s reads its own", (version, name) => {
    const { facts } = read("0.16", {
      ".kedro.yml": YML.replace('"Shop"', '"Old"'),
      "pyproject.toml": `[tool.kedro]\npackage_name = "shop"\nproject_name = "New"\nproject_version = "${version}"\n`,
      "src/shop/run.py": CONTEXT("    pass\n"),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(facts.name).toBe(name);
  });

  test("a name may hold spaces", () => {
    const { registry } = read("0.16", {
      ".kedro.yml": YML,
      "src/shop/run.py": CONTEXT(CREATED.replace("create_pipelines()", "create_pipelines(spaced=True)")),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(registry()["one"]).toEqual([OLD_NAMES[0] as string, "score it: z -> "]);
  });

  test("what the context only knows when it runs is refused", () => {
    const { registry } = read("0.16", {
      ".kedro.yml": YML,
      "src/shop/run.py": CONTEXT(
        "    def _get_pipelines(self):\n        return create_pipelines() if self.env else {}\n",
      ),
      "src/shop/pipeline.py": PIPELINE,
    });
    expect(caught(registry).code).toBe("PY_UNKNOWN");
  });

  test("a project that registers nothing is refused", () => {
    const { registry } = read("0.16", {
      ".kedro.yml": YML,
      "src/shop/run.py": CONTEXT("    pass\n"),
      "src/shop/pipeline.py": PIPELINE,
    });
    const error = caught(registry);
    expect([error.code, error.message]).toEqual(["PY_IMPORT", "the project registers no pipelines"]);
  });

  test.each([
    ["no mapping", "- a\n", "the file must hold a mapping of keys to values"],
    ["no class", "project_name: x\n", 'the key "context_path" is missing'],
    ["no text", "context_path: 1\n", '"context_path" must be text'],
    ["hooks that are no list", "context_path: a.B\nhooks: c\n", '"hooks" must be a list'],
  ])(".kedro.yml with %s is refused", (_, text, message) => {
    const error = caught(() => read("0.16", { ".kedro.yml": text }));
    expect([error.code, error.message]).toEqual(["PROJECT_METADATA", message]);
  });
});

const SETTINGS = "from shop.hooks import ProjectHooks\n\nHOOKS = (ProjectHooks(),)\n";
const REGISTRY = `from kedro.pipeline import Pipeline, node
from shop.nodes import fit


def register_pipelines():
    return {"__default__": Pipeline([node(fit, dict(a="x", b="y"), dict(q="z", p="k"))])}
`;

describe("Kedro 0.17", () => {
  test.each([
    ["0.17.5", "fit([x,y]) -> [k,z]: y,x -> k,z"],
    ["0.17.7", "fit([y,x]) -> [z,k]: y,x -> z,k"],
  ])("automatic names of %s", (version, name) => {
    expect(read(version, { "src/shop/pipeline_registry.py": REGISTRY }).registry()).toEqual({ __default__: [name] });
  });

  test("hooks add to the registry, and win", () => {
    const { registry } = read("0.17.7", {
      "src/shop/settings.py": SETTINGS,
      "src/shop/hooks.py": HOOKS("ConfigLoader(conf_paths)"),
      "src/shop/pipeline.py": PIPELINE,
      "src/shop/pipeline_registry.py": REGISTRY.replace('"__default__"', '"other"'),
    });
    expect(Object.keys(registry())).toEqual(["other", "__default__", "one"]);
  });

  test("before 0.17.2 only hooks count", () => {
    const { registry } = read("0.17.0", {
      "src/shop/settings.py": "HOOKS = ()\n",
      "src/shop/pipeline_registry.py": REGISTRY,
    });
    expect(caught(registry).hint).toBe("Kedro 0.17.0 looks for register_pipelines in HOOKS in settings.py");
  });

  test("parameters get no namespace, and are mapped as they are written", () => {
    const { registry } = read("0.17.7", {
      "src/shop/pipeline_registry.py": `from kedro.pipeline import Pipeline, node
from kedro.pipeline.modular_pipeline import pipeline

def fit(a, rate, parameters): ...


def register_pipelines():
    base = Pipeline([node(fit, ["a", "params:rate", "parameters"], "b", name="n")])
    return {
        "plain": pipeline(base, namespace="ns"),
        "mapped": pipeline(base, namespace="ns", parameters={"params:rate": "params:other"}),
    }
`,
    });
    expect(registry()).toEqual({
      plain: ["ns.n: ns.a,params:rate,parameters -> ns.b"],
      mapped: ["ns.n: ns.a,params:other,parameters -> ns.b"],
    });
  });

  test("a hook of a library is told of, not followed", () => {
    const { warnings } = read("0.17.7", {
      "src/shop/settings.py": "from mlflow_hooks import Hooks\nHOOKS = (Hooks(),)\n",
    });
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining("a hook is not read") as unknown as string,
    ]);
  });

  test("CONF_ROOT names the folder", () => {
    const { parameters } = read("0.17.7", {
      "src/shop/settings.py": 'CONF_ROOT = "other"\n',
      "other/base/parameters.yml": "a: 1\n",
    });
    expect(parameters).toEqual(new Map([["a", 1n]]));
  });
});

describe("config loaders below 0.19", () => {
  const hooked = (loader: string, conf: Readonly<Record<string, string>>) =>
    read("0.17.7", {
      "src/shop/settings.py": SETTINGS,
      "src/shop/hooks.py": HOOKS(loader),
      "src/shop/pipeline.py": PIPELINE,
      ...conf,
    });

  test("ConfigLoader leaves templates alone, and reads YAML as PyYAML does", () => {
    const { parameters } = hooked("ConfigLoader(conf_paths)", {
      "conf/base/parameters.yml": 'a: "${b}"\nb: 1e-3\nc: 1.5\n_hidden: 1\nd: {keep: 1}\n',
      "conf/local/parameters.yml": "d: {other: 2}\n",
    });
    expect(parameters).toEqual(
      new Map<string, unknown>([
        ["a", "${b}"],
        ["b", "1e-3"],
        ["c", 1.5],
        ["d", new Map([["other", 2n]])],
      ]) as never,
    );
  });

  test("a date is left to the image", () => {
    const { parameters } = hooked("ConfigLoader(conf_paths)", {
      "conf/base/parameters.yml": "day: 2024-01-31\nrate: 2\n",
    });
    expect(parameters).toEqual(new Map([["rate", 2n]]));
  });

  test.each([
    ["a value with its type", "x: ${rate}\n", 3n],
    ["inside a text", 'x: "at ${rate}"\n', "at 3"],
    ["a path", "x: ${paths.raw}/t\n", "data/raw/t"],
    ["a default is text", "x: ${no|7}\n", "7"],
    ["an empty default", "x: ${no|}\n", ""],
    ["null counts as missing", "x: ${nothing|d}\n", "d"],
    ["code wins over files", "x: ${bucket}\n", "from code"],
    ["the run environment wins over base", "x: ${place}\n", "local"],
    ["a list as Python shows it", 'x: "${many}!"\n', "[1, 'b', None]!"],
    ["what is put in stays", "x: ${raw}\n", "${rate}"],
  ])("TemplatedConfigLoader: %s", (_, text, value) => {
    const { parameters } = hooked(
      'TemplatedConfigLoader(conf_paths, globals_pattern="*globals.yml", globals_dict={"bucket": "from code"})',
      {
        "conf/base/globals.yml":
          'rate: 3\npaths: {raw: data/raw}\nnothing: null\nbucket: a\nplace: base\nmany: [1, b, null]\nraw: "${rate}"\n',
        "conf/local/globals.yml": "place: local\n",
        "conf/base/parameters.yml": text,
      },
    );
    expect(parameters.get("x")).toEqual(value);
  });

  test("keys of the catalog are templates too", () => {
    const { classify } = hooked('TemplatedConfigLoader(conf_paths, globals_dict={"name": "t", "dir": "s3://b"})', {
      "conf/base/catalog.yml": "${name}_raw:\n  type: pandas.CSVDataSet\n  filepath: ${dir}/t.csv\n",
    });
    expect(classify("t_raw")).toMatchObject({ place: "remote", path: "s3://b/t.csv" });
  });

  test.each([
    ["a name without value", "TemplatedConfigLoader(conf_paths)", "x: ${no}\n", "CONFIG_INTERPOLATION"],
    ["Jinja", "TemplatedConfigLoader(conf_paths)", "{% for a in b %}\nx: 1\n{% endfor %}\n", "CONFIG_LOADER"],
    [
      "no file of globals",
      'TemplatedConfigLoader(conf_paths, globals_pattern="*nothing.yml")',
      "x: 1\n",
      "CONFIG_LOADER",
    ],
    ["other folders", 'ConfigLoader(["conf/base"])', "x: 1\n", "CONFIG_LOADER"],
    ["a loader of a library", "make_loader(conf_paths)", "x: 1\n", "PY_RAISED"],
  ])("refuses %s", (_, loader, text, code) => {
    expect(caught(() => hooked(loader, { "conf/base/parameters.yml": text })).code).toBe(code as never);
  });

  test("0.18 takes the loader from settings.py, with its environments", () => {
    const { loader, parameters } = read("0.18.4", {
      "src/shop/settings.py":
        'from kedro.config import TemplatedConfigLoader\nCONFIG_LOADER_CLASS = TemplatedConfigLoader\nCONFIG_LOADER_ARGS = {"globals_pattern": "*globals.yml"}\n',
      "conf/base/globals.yml": "rate: 3\n",
      "conf/base/parameters.yml": "x: ${rate}\n",
    });
    expect([loader.kind, loader.baseEnv, loader.defaultRunEnv]).toEqual(["TemplatedConfigLoader", "base", "local"]);
    expect(parameters).toEqual(new Map([["x", 3n]]));
  });

  test("patterns of datasets begin with 0.18.12", () => {
    const catalog = { "conf/base/catalog.yml": '"{a}_raw":\n  type: pandas.CSVDataSet\n  filepath: data/{a}.csv\n' };
    expect(read("0.18.11", catalog).classify("x_raw").place).toBe("memory");
    expect(read("0.18.14", catalog).classify("x_raw")).toMatchObject({ place: "local", path: "data/x.csv" });
  });

  test("a loader of the project's own is refused with the way out", () => {
    const error = caught(() =>
      read("0.18.14", {
        "src/shop/settings.py": "from shop.loader import Own\n\nCONFIG_LOADER_CLASS = Own\n",
        "src/shop/loader.py": "from kedro.config import ConfigLoader\n\nclass Own(ConfigLoader):\n    pass\n",
      }),
    );
    expect([error.code, error.hint, error.at?.file, error.at?.line]).toEqual([
      "CONFIG_LOADER",
      "use --from python",
      "src/shop/settings.py",
      3,
    ]);
  });
});

describe("automatic names of each era", () => {
  test.each([
    ["0.18.14", "fit([y,x]) -> [z,k]"],
    ["0.19.15", "fit([y;x]) -> [z;k]"],
  ])("%s", (version, name) => {
    const { registry } = read(version, { "src/shop/pipeline_registry.py": REGISTRY });
    expect(registry()).toEqual({ __default__: [`${name}: y,x -> z,k`] });
  });
});
