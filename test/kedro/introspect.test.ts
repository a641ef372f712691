/**
 * `introspect.py` on every Python from 3.6 to 3.13 that is on this machine (absent ones are skipped and counted), with
 * a stand-in for Kedro that has the few names which the script asks for. With Kedro: test/live/models.test.ts.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { KfkError } from "../../src/error.ts";
import { type Asked, readAsked } from "../../src/kedro/asked.ts";
import { askPython } from "../../src/local/introspect.ts";
import { realWorld } from "../../src/world.ts";

const top = mkdtempSync(join(tmpdir(), "kfk-introspect-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const KEDRO: Readonly<Record<string, string>> = {
  "kedro/__init__.py": "__version__ = '1.7.0'\nprint('noise on stdout')\n",
  "kedro/framework/__init__.py": "",
  "kedro/framework/startup.py": `class Metadata:
    package_name = "shop"
    project_name = "Shop"


def bootstrap_project(path):
    return Metadata
`,
  "kedro/framework/project.py": `import os
import warnings


def fit(a):
    pass


class Node:
    def __init__(self, name, namespace=None):
        self._name, self._func, self.name = name, fit, name or "fit__1"
        self.inputs, self.outputs, self.tags = ["a"], ["b"], {"y", "x"}
        self.namespace, self.confirms = namespace, []


class Pipeline:
    nodes = [Node("n"), Node(None, "ns")]


class Loader(dict):
    def __init__(self, conf_source, env, **arguments):
        self.default_run_env = "local"
        self.update(catalog={"a": {"type": "pandas.CSVDataset", "filepath": "data/a.csv"}, "_t": {}})
        self.update(parameters={"rate": 0.5, "big": 2 ** 60, "nan": float("nan"), 1: "one", "made": {"x": Loader}})


class settings:
    CONFIG_LOADER_CLASS, CONFIG_LOADER_ARGS, CONF_SOURCE = Loader, {}, "conf"


class Registry:
    def keys(self):
        os.write(1, b"more noise\\n")
        if os.environ.get("MODE") == "raise":
            raise KeyError("gone")
        if os.environ.get("MODE") == "exit":
            raise SystemExit(0)
        if os.environ.get("MODE") == "leave out":
            warnings.warn("An error occurred while importing the 'x' module.\\nSee find_pipelines\\nNo module named 'y'")
        if os.environ.get("MODE") == "die":
            os._exit(3)
        return ["__default__", "empty"]

    def __getitem__(self, name):
        return Pipeline() if name == "__default__" else 0


pipelines = Registry()
`,
};

for (const [path, text] of Object.entries(KEDRO)) {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
}

function pythonOf(minor: number): string | undefined {
  const versions = join(process.env["PYENV_ROOT"] ?? join(process.env["HOME"] ?? "/", ".pyenv"), "versions");
  const names = existsSync(versions) ? readdirSync(versions) : [];
  const found = names.find((name) => name.startsWith(`3.${minor}.`));
  return found === undefined ? undefined : join(versions, found, "bin", "python");
}

async function ask(python: string, mode = ""): Promise<Asked> {
  const world = { ...realWorld(), env: { ...process.env, PYTHONPATH: top, MODE: mode } };
  const text = await askPython(world, python, { project: top, env: undefined, conf: undefined, shown: "python" });
  return readAsked(text, "python");
}

async function refused(python: string, mode: string): Promise<KfkError> {
  try {
    await ask(python, mode);
  } catch (error) {
    if (error instanceof KfkError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const NODE = {
  name: "n",
  named: true,
  func: "kedro.framework.project.fit",
  inputs: ["a"],
  outputs: ["b"],
  tags: ["x", "y"],
  namespace: null,
  confirms: [],
  source: { file: "kedro/framework/project.py", line: 5 },
};

for (const minor of [6, 7, 8, 9, 10, 11, 12, 13]) {
  const python = pythonOf(minor);
  describe.skipIf(python === undefined)(`introspect.py on Python 3.${minor}`, () => {
    const own = python as string;
    test("tells pipelines, parameters and catalog, whatever else is printed", async () => {
      const asked = await ask(own);
      expect(asked.pipelines).toEqual(
        new Map([["__default__", { nodes: [NODE, { ...NODE, name: "fit__1", named: false, namespace: "ns" }] }]]),
      );
      expect(asked.parameters).toEqual(
        new Map<string | bigint, number | bigint | string>([
          ["rate", 0.5],
          ["big", 2n ** 60n],
          ["nan", Number.NaN],
          [1n, "one"],
        ]),
      );
      expect([...asked.catalog.entries.keys()]).toEqual(["a"]);
      expect([asked.kedroVersion, asked.package, asked.name, asked.env]).toEqual(["1.7.0", "shop", "Shop", "local"]);
      expect(asked.warnings.map(({ message }) => message)).toEqual([
        'parameter "made" stays in the image\'s conf: it is an object of builtins.type',
      ]);
    });

    test("an error of the project is told with its lines", async () => {
      const error = await refused(own, "raise");
      expect([error.code, error.message]).toEqual([
        "PY_RAISED",
        "the project cannot be read with python: KeyError: 'gone'",
      ]);
      expect(error.notes.at(-1)?.message).toBe("kedro/framework/project.py:35 in keys");
    });
  });
}

const any = [12, 11, 10, 9, 8, 7, 6, 13].map(pythonOf).find((python) => python !== undefined);

describe.skipIf(any === undefined)("introspect.py", () => {
  test.each([
    ["exit", "PY_RAISED", "the project cannot be read with python: SystemExit: 0"],
    [
      "leave out",
      "PY_RAISED",
      "the project cannot be read with python: LeftOut: An error occurred while importing the 'x' module. (No module named 'y')",
    ],
    ["die", "LOCAL_PYTHON", "the project cannot be read with python: it ended without an answer"],
  ])("a project that does %s gives no half an answer", async (mode, code, message) => {
    const error = await refused(any as string, mode);
    expect([error.code as string, error.message]).toEqual([code, message]);
  });
});
