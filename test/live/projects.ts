/**
 * Real Kedro projects on disk for the live tests: the official starter, rendered as `kedro new` does, and a probe
 * that writes down what its nodes really got.
 */
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Folder of virtual environments, each called `kedro-<version>`; null: the live tests are skipped. */
export const venvs = process.env["KFK_LIVE_VENVS"] ?? null;

/** A git directory of kedro-org/kedro-starters; null: what needs it is skipped. */
export const starters = process.env["KFK_STARTERS_GIT"] ?? null;

/** Path of the interpreter with that Kedro, null when it is not there. */
export function pythonWith(kedroVersion: string): string | null {
  if (venvs === null) return null;
  const path = join(venvs, `kedro-${kedroVersion}`, "bin", "python");
  return Bun.file(path).size > 0 ? path : null;
}

/** Renders a starter of a tag into `folder` as project "Space Flights". */
export function layStarter(
  git: string,
  tag: string,
  kedroVersion: string,
  folder: string,
  starter = "spaceflights-pandas",
): void {
  const prefix = `${starter}/{{ cookiecutter.repo_name }}/`;
  const listed = runGit(git, ["ls-tree", "-r", "-z", "--name-only", tag, prefix]);
  const render = (text: string): string =>
    text
      .replace(/"?\{\{ *cookiecutter\.tools[^}]*\}\}"?/g, '"None"')
      .replace(/\{\{ *cookiecutter\.project_name *\}\}/g, "Space Flights")
      .replace(/\{\{ *cookiecutter\.repo_name *\}\}/g, "space-flights")
      .replace(/\{\{ *cookiecutter\.python_package *\}\}/g, "space_flights")
      .replace(/\{\{ *cookiecutter\.kedro_version *\}\}/g, kedroVersion)
      .replace(/"?\{\{ *cookiecutter\.example_pipeline *\}\}"?/g, '"False"');
  for (const name of listed.toString().split("\0")) {
    if (name === "") continue;
    const target = join(folder, render(name.slice(prefix.length)));
    mkdirSync(dirname(target), { recursive: true });
    const bytes = tryGit(git, ["cat-file", "blob", `${tag}:${name}`]);
    if (bytes === null) continue;
    const isText = /\.(py|toml|yml|md|txt|rst|csv)$/.test(name);
    writeFileSync(target, isText && !name.endsWith(".csv") ? render(bytes.toString()) : bytes);
  }
}

/** What the probe's `conf/base/parameters.yml` holds, beside what a test replaces. */
export const PROBE_PARAMETERS = `
ratio: 0.25
plain: abc
nested:
  keep: 1
  also: {deep: [1, 2.5]}
untouched: "from conf"
`;

/**
 * A project without dependencies. Its registry is composed by hand (the trap of selective loading), one of its
 * memory datasets is declared in base, one in the run environment, and its hooks note that they were called.
 * `settings`: lines at the end of settings.py.
 */
export function layProbe(kedroVersion: string, folder: string, settings = ""): void {
  rmSync(folder, { recursive: true, force: true });
  const old = kedroVersion.startsWith("0.18");
  const memory = old ? "MemoryDataSet" : "MemoryDataset";
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  put(
    "pyproject.toml",
    `[tool.kedro]\npackage_name = "probe"\nproject_name = "Probe"\n${old ? "project_version" : "kedro_init_version"} = "${kedroVersion}"\n`,
  );
  const loader = old
    ? "from kedro.config import OmegaConfigLoader\nCONFIG_LOADER_CLASS = OmegaConfigLoader\nCONFIG_LOADER_ARGS = {'base_env': 'base', 'default_run_env': 'local'}\n"
    : "";
  put("src/probe/__init__.py", "");
  put("src/probe/settings.py", `${loader}from probe.hooks import Notes\nHOOKS = (Notes(),)\n${settings}`);
  put("src/probe/hooks.py", PROBE_HOOKS);
  put("src/probe/nodes.py", PROBE_NODES);
  put("src/probe/pipelines/__init__.py", "");
  put("src/probe/pipelines/part/__init__.py", PROBE_PIPELINE);
  put("src/probe/pipeline_registry.py", PROBE_REGISTRY);
  put("conf/base/parameters.yml", PROBE_PARAMETERS);
  put("conf/base/catalog.yml", `in_base:\n  type: ${memory}\n  copy_mode: assign\n`);
  put("conf/local/catalog.yml", `in_local:\n  type: ${memory}\n`);
  put("data/.gitkeep", "");
}

/** Turns `conf/base` into what a mounted ConfigMap looks like, and takes `conf/local` away. */
export function mountConf(folder: string): void {
  const base = join(folder, "conf", "base");
  const hidden = join(base, "..2026_01_02");
  mkdirSync(hidden);
  for (const name of readdirSync(base)) {
    if (name.startsWith("..")) continue;
    writeFileSync(join(hidden, name), runCat(join(base, name)));
    rmSync(join(base, name));
    symlinkSync(join("..data", name), join(base, name));
  }
  symlinkSync("..2026_01_02", join(base, "..data"));
  rmSync(join(folder, "conf", "local"), { recursive: true });
}

// --- internal ---

const PROBE_HOOKS = `import json
from kedro.framework.hooks import hook_impl


def note(what, value):
    with open("data/notes.jsonl", "a") as file:
        file.write(json.dumps([what, value]) + "\\n")


class Notes:
    @hook_impl
    def after_context_created(self, context):
        note("context", [context.env, repr(context.params.get("ratio"))])

    @hook_impl
    def before_pipeline_run(self, run_params, pipeline):
        names = run_params.get("pipeline_names") or [run_params.get("pipeline_name")]
        note("run", [names, sorted(node.name for node in pipeline.nodes)])
`;

const PROBE_NODES = `import json
import sys
import time


def show(parameters, ratio, value):
    with open("data/seen.json", "w") as file:
        json.dump({key: repr(item) for key, item in parameters.items()}, file)
    return {"made": [ratio, repr(value)]}


def pass_on(value, other):
    return value, other


def finish(made, in_base, in_local):
    with open("data/finished.json", "w") as file:
        json.dump([made, repr(in_base), repr(in_local)], file)


def leave(ratio):
    sys.exit(0)


def fail(ratio):
    raise KeyError("gone")


def bad(ratio):
    return lambda: ratio


def wait(ratio):
    open("data/waiting", "w").close()
    time.sleep(60)
`;

const PROBE_PIPELINE = `from kedro.pipeline import node, pipeline
from probe.nodes import bad, fail, finish, leave, pass_on, show, wait


def create_pipeline(**kwargs):
    return pipeline([
        node(show, ["parameters", "params:ratio", "params:nested.also"], "made", name="show.it"),
        node(pass_on, ["params:plain", "params:nested"], ["in_base", "in_local"]),
        node(finish, ["made", "in_base", "in_local"], None, name="finish-größe"),
        node(leave, "params:ratio", "left", name="leave"),
        node(fail, "params:ratio", "failed", name="fail"),
        node(bad, "params:ratio", "function", name="bad"),
        node(wait, "params:ratio", "waited", name="wait"),
        node(lambda made: None, "made", None, name="also"),
    ])
`;

const PROBE_REGISTRY = `from kedro.framework.project import find_pipelines


def register_pipelines():
    found = find_pipelines()
    combo = found["part"]
    return {"__default__": combo.only_nodes("show.it"), "combo": combo}
`;

function tryGit(git: string, command: readonly string[]): Buffer | null {
  const done = Bun.spawnSync(["git", "--git-dir", git, ...command]);
  return done.exitCode === 0 ? done.stdout : null;
}

function runGit(git: string, command: readonly string[]): Buffer {
  const done = Bun.spawnSync(["git", "--git-dir", git, ...command]);
  if (done.exitCode !== 0) throw new Error(`git ${command.join(" ")}: ${done.stderr.toString()}`);
  return done.stdout;
}

function runCat(path: string): Buffer {
  return Bun.spawnSync(["cat", path]).stdout;
}
