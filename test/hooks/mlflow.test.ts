/** MLflow's steps around a run, on the built binary: compiled, and on this machine with a stand-in for Python. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkArgo } from "../judges/argo-check.ts";
import { findSchemas, findUnknownKeys } from "../judges/argo-schema.ts";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

const SCHEMAS = findSchemas();
const DECLARED = {
  "src/requirements.in": "kedro-mlflow\n",
  "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: 'https://mlflow.example.org'}\n",
};

const EXIT_REGISTRY = `from kedro.pipeline import node, pipeline
def f(x):
    return x
def register_pipelines():
    return {
        "__default__": pipeline(
            [node(f, "params:row_limit", "made", name="n0")]
            + [node(f, "made", f"d{i}", name=f"n{i}") for i in range(1, 6)]
        ),
        "tell": pipeline([node(f, "params:status", "told", name="tell")]),
    }
`;
const WITH_EXIT = {
  "src/spaceflights/pipeline_registry.py": EXIT_REGISTRY,
  "conf/base/kubeflow.yaml": "run_config:\n  image: 'spaceflights:latest'\n  volume: {}\n  on_exit_pipeline: tell\n",
};
/** More pod shapes than copies of the runner's text in a document. */
const RESOURCES = `  resources: {${Array.from({ length: 6 }, (_, index) => `n${index}: {cpu: ${index + 1}}`).join(", ")}}\n`;

interface Template {
  readonly name: string;
  readonly inputs?: { readonly parameters: readonly { readonly name: string }[] };
  readonly outputs?: unknown;
  readonly dag?: { readonly failFast?: boolean; readonly tasks: readonly Task[] };
  readonly container?: {
    readonly command: readonly string[];
    readonly args: readonly string[];
    readonly env?: readonly { readonly name: string; readonly value?: string }[];
  };
}

interface Task {
  readonly name: string;
  readonly template: string;
  readonly dependencies?: readonly string[];
  readonly depends?: string;
  readonly arguments?: { readonly parameters: readonly { readonly name: string; readonly value: string }[] };
}

function compile(files: Readonly<Record<string, string>>, more: readonly string[] = []) {
  const { status, out, err } = projects.make({ ...DECLARED, ...files }).run(["compile", "-o", "-", ...more]);
  if (status !== 0) throw new Error(err);
  const document = parse(out) as { spec: { onExit?: string; templates: Template[] } };
  expect(checkArgo(document as never, "submit")).toEqual([]);
  if (SCHEMAS !== undefined) expect(findUnknownKeys(document as never, SCHEMAS)).toEqual([]);
  const named = (name: string): Template | undefined => document.spec.templates.find((each) => each.name === name);
  return { spec: document.spec, named, err };
}

describe.skipIf(!existsSync(KFK))("MLflow in a document", () => {
  test("a start step that everything waits for gives its run to every step, and an exit step ends it", () => {
    const { spec, named, err } = compile({});
    const [entry] = spec.templates;
    const tasks = entry?.dag?.tasks ?? [];
    expect(tasks.filter(({ dependencies }) => dependencies === undefined).map(({ name }) => name)).toEqual([
      "mlflow-start-run",
    ]);
    const steps = tasks.filter(({ template }) => named(template)?.inputs !== undefined);
    expect(steps.length).toBeGreaterThan(5);
    for (const step of steps) {
      expect(step.arguments?.parameters.at(-1)).toEqual({
        name: "mlflow-run-id",
        value: "{{tasks.mlflow-start-run.outputs.parameters.mlflow-run-id}}",
      });
    }
    const template = named("step");
    expect(template?.inputs?.parameters.at(-1)).toEqual({ name: "mlflow-run-id" });
    expect(template?.container?.env?.at(-1)).toEqual({
      name: "MLFLOW_RUN_ID",
      value: "{{inputs.parameters.mlflow-run-id}}",
    });
    const start = named("mlflow-start-run");
    expect(start?.outputs).toEqual({
      parameters: [{ name: "mlflow-run-id", valueFrom: { path: "/tmp/kfk-output" } }],
    });
    expect(start?.container?.args.slice(2)).toEqual([
      "start",
      "/home/kedro",
      "local",
      "{{workflow.uid}}",
      "spaceflights",
      "__default__",
    ]);
    expect(named("mlflow-finish-run")?.container?.args.slice(2)).toEqual([
      "finish",
      "/home/kedro",
      "local",
      "{{workflow.uid}}",
      "{{workflow.status}}",
      "{{=sprig.trunc(60000, workflow.failures)}}",
    ]);
    expect(spec.onExit).toBe("mlflow-finish-run");
    expect(err).not.toContain("warning: ");
  });

  test("steps inside of parts have it too", () => {
    const nodes = Array.from(
      { length: 400 },
      (_, index) =>
        `node(f, ${index < 200 ? '"params:row_limit"' : `"d${index - 200}"`}, "d${index}", name="n${index}")`,
    );
    const registry = `from kedro.pipeline import node, pipeline\ndef f(x):\n    return x\ndef register_pipelines():\n    return {"__default__": pipeline([${nodes.join(", ")}])}\n`;
    const { spec, named } = compile({ "src/spaceflights/pipeline_registry.py": registry });
    const parts = spec.templates.filter(({ name }) => name.startsWith("part-"));
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) {
      expect(part.inputs?.parameters).toContainEqual({ name: "mlflow-run-id" });
      const values = (part.dag?.tasks ?? []).map((task) => task.arguments?.parameters.at(-1)?.value);
      expect(new Set(values)).toEqual(new Set(["{{inputs.parameters.mlflow-run-id}}"]));
    }
    const tasks = named("entrypoint")?.dag?.tasks ?? [];
    const toParts = tasks.filter(({ template }) => template.startsWith("part-"));
    expect(toParts.map((task) => task.arguments?.parameters.at(-1))).toEqual(
      parts.map(() => ({
        name: "mlflow-run-id",
        value: "{{tasks.mlflow-start-run.outputs.parameters.mlflow-run-id}}",
      })),
    );
  });

  test("a project's own steps stand around and beside it", () => {
    const hooks =
      'export default { extraSteps: () => [{ id: "check", place: "start", command: ["true"] }, { id: "tell", place: "exit", command: ["true"] }] };\n';
    const { spec, named } = compile({ "kfk.hooks.ts": hooks });
    const dependencies = (spec.templates[0]?.dag?.tasks ?? [])
      .slice(0, 2)
      .map((task) => [task.name, task.dependencies]);
    expect(dependencies).toEqual([
      ["extra-check", undefined],
      ["mlflow-start-run", ["extra-check"]],
    ]);
    expect(spec.onExit).toBe("extra-exit");
    expect(named("extra-exit")?.dag?.tasks).toEqual([
      { name: "mlflow-finish-run", template: "mlflow-finish-run" },
      { name: "extra-tell", template: "extra-tell" },
    ]);
  });

  test.each([
    { name: "few shapes", more: "" },
    { name: "many shapes, whose runner stands in the defaults", more: RESOURCES },
  ])("the exit pipeline has the run, and its end is waited for: $name", ({ more }) => {
    const files = {
      ...WITH_EXIT,
      "conf/base/kubeflow.yaml": `${WITH_EXIT["conf/base/kubeflow.yaml"]}${more}`,
      "kfk.hooks.ts": 'export default { extraSteps: () => [{ id: "tell", place: "exit", command: ["true"] }] };\n',
    };
    const { spec, named, err } = compile(files);
    expect(err).not.toContain("warning: ");
    const { command, args, env } = named("on-exit")?.container ?? { command: [], args: [] };
    expect([command, args.slice(0, 1), args.slice(2, 7), args.slice(8, 9)]).toEqual([
      ["python"],
      ["-c"],
      ["resume", "/home/kedro", "local", "{{workflow.uid}}", "spaceflights"],
      ["-c"],
    ]);
    expect(args[7]).toBe("python");
    expect(args.slice(-2)).toEqual(["{{workflow.status}}", "{{workflow.failures}}"]);
    expect(args.length).toBe(15);
    expect(env?.find(({ name }) => name === "MLFLOW_RUN_ID")).toBeUndefined();
    expect(spec.onExit).toBe("extra-exit");
    expect(named("extra-exit")?.dag).toEqual({
      failFast: false,
      tasks: [
        {
          name: "mlflow-finish-run",
          template: "mlflow-finish-run",
          depends: "on-exit.Succeeded || on-exit.Failed || on-exit.Errored",
          arguments: { parameters: [{ name: "exit-status", value: "{{tasks.on-exit.status}}" }] },
        },
        { name: "on-exit", template: "on-exit" },
        { name: "extra-tell", template: "extra-tell" },
      ],
    });
    const finish = named("mlflow-finish-run");
    expect(finish?.inputs).toEqual({ parameters: [{ name: "exit-status" }] });
    expect(finish?.container?.env).toEqual([{ name: "KFK_EXIT_STATUS", value: "{{inputs.parameters.exit-status}}" }]);
  });

  test("its pods are let in where those of nodes are", () => {
    const kubeflow =
      "run_config: {image: 'spaceflights:latest', volume: {}, resources: {__default__: {cpu: 300m, memory: 2Gi}}, tolerations: {__default__: [{key: pool, operator: Exists}]}}\n";
    const { named } = compile({ "conf/base/kubeflow.yaml": kubeflow });
    const amounts = { cpu: "300m", memory: "2Gi" };
    for (const name of ["mlflow-start-run", "mlflow-finish-run"]) {
      expect(named(name)).toMatchObject({
        tolerations: [{ key: "pool", operator: "Exists" }],
        container: { resources: { limits: amounts, requests: amounts } },
      });
    }
  });

  test.each([
    { name: "off", kubeflow: "mlflow: {mode: off}\n" },
    { name: "left to the server's plugin", kubeflow: "mlflow: {mode: kfp}\n" },
  ])("$name: nothing of it is in the document", ({ kubeflow }) => {
    const base = "run_config: {image: 'spaceflights:latest', volume: {}}\n";
    const { spec } = compile({ "conf/base/kubeflow.yaml": base + kubeflow });
    expect(JSON.stringify(spec)).not.toMatch(/mlflow-|MLFLOW_/);
  });

  test("the proxy in front of MLflow has a client of its own", () => {
    const kubeflow =
      "run_config: {image: 'spaceflights:latest', volume: {}}\nmlflow: {auth: {iap_client_id: 77.apps.example.org}}\n";
    const { named } = compile({ "conf/base/kubeflow.yaml": kubeflow });
    const env = [{ name: "KFK_MLFLOW_IAP_AUDIENCE", value: "77.apps.example.org" }];
    expect(named("mlflow-finish-run")?.container?.env).toEqual(env);
    expect(named("mlflow-start-run")?.container?.env?.slice(0, 1)).toEqual(env);
  });

  test.each([
    { uri: "mlruns", said: 'the tracking URI "mlruns" is a path on one machine' },
    { uri: "file:///data/mlruns", said: 'the tracking URI "file:///data/mlruns" is a path on one machine' },
    { uri: "sqlite:///mlflow.db", said: 'the tracking URI "sqlite:///mlflow.db" is a path on one machine' },
    { uri: "http://localhost:5000", said: "the tracking URI is an address of this machine alone" },
    { uri: "http://u:p@127.0.0.1:5000/x", said: "the tracking URI is an address of this machine alone" },
    { uri: "'http://[::1]:5000'", said: "the tracking URI is an address of this machine alone" },
    { uri: "http://localhost.example.org:5000", said: "" },
    { uri: "null", said: "mlflow.yml names no tracking server" },
    { uri: "databricks", said: "" },
    { uri: "databricks-uc", said: "" },
    { uri: "'${globals:mlflow}'", said: "" },
    { uri: "'${_base}/x'", said: "" },
  ])("a tracking URI $uri: $said", ({ uri, said }) => {
    const { err } = compile({
      "conf/base/globals.yml": "mlflow: https://mlflow.example.org\n",
      "conf/base/mlflow.yml": `_base: http://mlflow.example.org\nserver: {mlflow_tracking_uri: ${uri}}\n`,
    });
    if (said === "") expect(err).not.toContain("warning");
    else expect(err).toContain(`warning: ${said}`);
  });

  const HERE = "server: {mlflow_tracking_uri: here}\n";
  test.each([
    { name: "a subfolder", files: { "conf/base/mlflow/server.yml": HERE }, said: '"here"' },
    { name: "the run environment", files: { "conf/local/mlflow.yml": HERE }, said: '"here"' },
    {
      name: "a key of the run environment takes the place of that of the base",
      files: { "conf/base/mlflow.yml": HERE, "conf/local/mlflow.yml": "server: {credentials: null}\n" },
      said: "mlflow.yml names no tracking server",
    },
    {
      name: "another conf source",
      files: {
        "src/spaceflights/settings.py": 'CONF_SOURCE = "settings"\n',
        "settings/base/catalog.yml": "{}\n",
        "settings/local/.gitkeep": "",
        "settings/base/kubeflow.yaml": "run_config: {image: 'spaceflights:latest', volume: {}}\n",
        "settings/base/parameters.yml": "row_limit: 1\n",
        "settings/base/mlflow.yml": HERE,
      },
      said: '"here"',
    },
    {
      name: "the layout before kedro-mlflow 0.8",
      files: { "conf/base/mlflow.yml": "mlflow_tracking_uri: here\n" },
      said: '"here"',
    },
    {
      name: "a value from globals",
      files: {
        "conf/base/globals.yml": "where: here\n",
        "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: '${globals:where}'}\n",
      },
      said: '"here"',
    },
    { name: "no file", files: {}, said: "the project has no mlflow.yml" },
    { name: "a broken file", files: { "conf/base/mlflow.yml": "server: {\n" }, said: "mlflow.yml cannot be read" },
  ] as { name: string; files: Record<string, string>; said: string }[])(
    "mlflow.yml is read as Kedro reads it: $name",
    ({ files, said }) => {
      const { "conf/base/mlflow.yml": _, ...declared } = DECLARED;
      const project = projects.make({ ...declared, "src/spaceflights/pipeline_registry.py": EXIT_REGISTRY, ...files });
      const { status, err } = project.run(["compile", "-o", "-"]);
      expect([status, err.includes(`warning: `) && err.includes(said) ? said : err]).toEqual([0, said]);
    },
  );

  const OTHER_REGISTRY = EXIT_REGISTRY.replace(
    '"tell": pipeline([node(f, "params:status", "told", name="tell")])',
    '"other": pipeline([node(f, "params:row_limit", "told", name="tell")])',
  );
  test.each([
    { name: "of now", text: "tracking: {disable_tracking: {pipelines: [x, other]}}\n", pipeline: "other", isOn: false },
    {
      name: "before kedro-mlflow 0.8",
      text: "disable_tracking: {pipelines: [other]}\n",
      pipeline: "other",
      isOn: false,
    },
    {
      name: "another pipeline",
      text: "tracking: {disable_tracking: {pipelines: [x]}}\n",
      pipeline: "other",
      isOn: true,
    },
    // kedro-mlflow before 2.0 does not leave it out when nobody names it, so the start step finds out
    {
      name: "__default__",
      text: "tracking: {disable_tracking: {pipelines: [__default__]}}\n",
      pipeline: "__default__",
      isOn: true,
    },
  ])("a pipeline that mlflow.yml excludes has no run: $name", ({ text, pipeline, isOn }) => {
    const files = { "src/spaceflights/pipeline_registry.py": OTHER_REGISTRY, "conf/local/mlflow.yml": text };
    const { spec } = compile(files, ["--pipeline", pipeline]);
    expect(JSON.stringify(spec).includes("mlflow-start-run")).toBe(isOn);
  });

  test("what only kedro-mlflow and pods know is left to them", () => {
    const { err } = compile({
      "src/spaceflights/settings.py":
        'from omegaconf.resolvers import oc\nCONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local", "custom_resolvers": {"oc.env": oc.env}}\n',
      "conf/base/mlflow.yml":
        "server: {mlflow_tracking_uri: '${oc.env:NOT_SET_HERE}'}\ntracking: {run: {name: '${km.random_name:}'}}\n",
    });
    expect(err).not.toContain("warning");
  });

  test.each([
    { name: "a tuple", text: 'DISABLE_HOOKS_FOR_PLUGINS = ("kedro-mlflow",)\n', isOn: false },
    { name: "a list", text: 'DISABLE_HOOKS_FOR_PLUGINS = ["kedro-viz", "kedro-mlflow"]\n', isOn: false },
    { name: "another plugin", text: 'DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz",)\n', isOn: true },
    { name: "commented out", text: '# DISABLE_HOOKS_FOR_PLUGINS = ("kedro-mlflow",)\n', isOn: true },
  ])("a project that turns the plugin off has no run: $name", ({ text, isOn }) => {
    const { spec } = compile({ "src/spaceflights/settings.py": text });
    expect(JSON.stringify(spec).includes("mlflow-start-run")).toBe(isOn);
  });

  test("a fixed run is told", () => {
    const { err } = compile({ "conf/local/mlflow.yml": "tracking: {run: {id: abc}}\n" });
    expect(err).toContain('mlflow.yml fixes the MLflow run ("abc")');
    expect(err).toContain("conf/local/mlflow.yml");
  });
});

const nodes = (count: number): string[] => Array.from({ length: count }, () => "node r-1");

describe.skipIf(!existsSync(KFK))("MLflow on this machine", () => {
  const runHere = (failing: string, files: Readonly<Record<string, string>> = {}) => {
    const project = projects.make({ ...DECLARED, ...files });
    const python = join(project.folder, "python");
    if (files["python"] === undefined) writeFileSync(python, STAND_IN.replaceAll("FAILING", failing));
    chmodSync(python, 0o755);
    const done = project.run(["run-once", "--local", "--python", python]);
    return { ...done, seen: readFileSync(join(project.folder, "seen"), "utf8").trimEnd().split("\n") };
  };

  test("every step has the run, and the end is told", () => {
    const { status, seen, err } = runHere("nothing");
    expect({ status, err: status === 0 ? "" : err }).toEqual({ status: 0, err: "" });
    expect(seen[0]).toMatch(/^start local [0-9a-f-]{36} run=$/);
    expect(new Set(seen.slice(1, -1))).toEqual(new Set(["node run=r-1"]));
    expect(seen.at(-1)).toMatch(/^finish local [0-9a-f-]{36} Succeeded run=$/);
  });

  test.each([
    {
      name: "nothing fails",
      failing: "nothing",
      status: 0,
      seen: [...nodes(6), "tell r-1", "finish Succeeded Succeeded"],
    },
    { name: "a node fails", failing: "node", status: 1, seen: [...nodes(1), "tell r-1", "finish Failed Succeeded"] },
    {
      name: "the exit pipeline fails",
      failing: "tell",
      status: 1,
      seen: [...nodes(6), "tell r-1", "finish Succeeded Failed"],
    },
    { name: "the start fails", failing: "start", status: 1, seen: ["tell r-1", "finish Failed Succeeded"] },
  ])("the exit pipeline runs with the run, before its end is written: $name", ({ failing, status, seen }) => {
    const done = runHere(failing, { ...WITH_EXIT, python: EXIT_STAND_IN.replaceAll("FAILING", failing) });
    expect({ status: done.status, seen: done.seen.slice(1), err: done.status === status ? "" : done.err }).toEqual({
      status,
      seen: [...seen],
      err: "",
    });
    if (failing === "tell") expect(done.err).toContain("node tell (exit status 1)");
  });

  test("a failed step gives Failed", () => {
    const { status, seen } = runHere("node");
    expect(status).toBe(1);
    expect(seen.at(-1)).toMatch(/^finish local \S+ Failed run=$/);
  });

  test("after a failed start step no node runs", () => {
    const { status, seen, err } = runHere("start");
    expect(status).toBe(1);
    expect(seen.map((line) => line.split(" ")[0])).toEqual(["start", "finish"]);
    expect(err).toContain("mlflow-start-run | broken start");
  });

  test("a failed exit step changes nothing but is told", () => {
    const { status, err } = runHere("finish");
    expect(status).toBe(0);
    expect(err).toContain('warning: the exit step "mlflow-finish-run" failed: broken finish');
  });
});

/** Answers what kfk asks of an interpreter, and notes how it was called; `FAILING` is what goes wrong. */
const STAND_IN = `#!/bin/sh
if [ $# -eq 2 ]; then
  echo "kfk-kedro 3.11.0 1.7.0"
elif [ "$3" = start ] || [ "$3" = finish ]; then
  status=""
  [ "$3" = finish ] && status=" $7"
  echo "$3 $5 $6$status run=$MLFLOW_RUN_ID" >> seen
  if [ "$3" = FAILING ]; then echo "broken $3"; exit 1; fi
  if [ "$3" = start ]; then printf r-1 > "$KFK_OUTPUT"; fi
else
  echo "node run=$MLFLOW_RUN_ID" >> seen
  [ FAILING != node ]
fi
`;

/** The same; `resume` becomes its program, and the exit pipeline is told from nodes by its two more arguments. */
const EXIT_STAND_IN = `#!/bin/sh
fail() { echo "broken $1"; exit 1; }
if [ $# -eq 2 ]; then
  echo "kfk-kedro 3.11.0 1.7.0"
elif [ "$3" = start ]; then
  echo start >> seen
  [ FAILING = start ] && fail start
  printf r-1 > "$KFK_OUTPUT"
elif [ "$3" = resume ]; then
  shift 7
  MLFLOW_RUN_ID=r-1 exec "$@"
elif [ "$3" = finish ]; then
  echo "finish $7 $KFK_EXIT_STATUS" >> seen
elif [ $# -eq 7 ]; then
  echo "tell $MLFLOW_RUN_ID" >> seen
  [ FAILING = tell ] && fail tell
  case "$6$7" in Failed*n0*|Succeeded*null*|Failed*start*) true;; *) fail "status $6 $7";; esac
else
  echo "node $MLFLOW_RUN_ID" >> seen
  [ FAILING != node ]
fi
`;
