/** MLflow's steps around a run, on the built binary: compiled, and on this machine with a stand-in for Python. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { findRequirement } from "../../src/project/requirements.ts";
import { checkArgo } from "../judges/argo-check.ts";
import { findSchemas, findUnknownKeys } from "../judges/argo-schema.ts";
import { fakeWorld } from "../fake-world.ts";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

const SCHEMAS = findSchemas();
const DECLARED = {
  "src/requirements.in": "kedro-mlflow\n",
  "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: 'https://mlflow.example.org'}\n",
};

interface Template {
  readonly name: string;
  readonly inputs?: { readonly parameters: readonly { readonly name: string }[] };
  readonly outputs?: unknown;
  readonly dag?: { readonly tasks: readonly Task[] };
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
    ]);
    expect(named("mlflow-finish-run")?.container?.args.slice(2)).toEqual([
      "finish",
      "/home/kedro",
      "local",
      "{{workflow.uid}}",
      "{{workflow.status}}",
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
    { name: "off", kubeflow: "mlflow: {mode: off}\n" },
    { name: "left to the server's plugin", kubeflow: "mlflow: {mode: kfp}\n" },
  ])("$name: nothing of it is in the document", ({ kubeflow }) => {
    const base = "run_config: {image: 'spaceflights:latest', volume: {}}\n";
    const { spec } = compile({ "conf/base/kubeflow.yaml": base + kubeflow });
    expect(JSON.stringify(spec)).not.toContain("mlflow");
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
    { uri: "mlruns", said: 'the tracking URI "mlruns" of conf/base/mlflow.yml is a path on one machine' },
    { uri: "file:///data/mlruns", said: "is a path on one machine" },
    { uri: "sqlite:///mlflow.db", said: "is a path on one machine" },
    { uri: "null", said: "conf/base/mlflow.yml names no tracking server" },
    { uri: "'${oc.env:MLFLOW}'", said: "" },
    { uri: "databricks", said: "" },
  ])("a tracking URI $uri: $said", ({ uri, said }) => {
    const { err } = compile({ "conf/base/mlflow.yml": `server: {mlflow_tracking_uri: ${uri}}\n` });
    if (said === "") expect(err).not.toContain("warning");
    else expect(err).toContain(`warning: ${err.includes(said) ? "" : said}`);
  });

  test("a fixed run is told", () => {
    const { err } = compile({ "conf/local/mlflow.yml": "tracking: {run: {id: abc}}\n" });
    expect(err).toContain("conf/local/mlflow.yml fixes the MLflow run (tracking.run.id)");
  });
});

describe.skipIf(!existsSync(KFK))("MLflow on this machine", () => {
  const runHere = (failing: string) => {
    const project = projects.make(DECLARED);
    const python = join(project.folder, "python");
    writeFileSync(python, STAND_IN.replaceAll("FAILING", failing));
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

describe("findRequirement", () => {
  test.each([
    { name: "requirements.txt", text: "kedro\nkedro-mlflow==0.14.4\n", want: true },
    { name: "src/requirements.txt", text: "Kedro_MLflow[extra] >= 1 ; python_version > '3'\n", want: true },
    { name: "src/requirements.in", text: "  kedro.mlflow\n", want: true },
    { name: "requirements.txt", text: "# kedro-mlflow\nkedro-mlflow-extra\n", want: false },
    { name: "pyproject.toml", text: '[project]\ndependencies = ["kedro-mlflow>=1"]\n', want: true },
    { name: "pyproject.toml", text: '[tool.poetry.dependencies]\nkedro-mlflow = "^1"\n', want: true },
    { name: "pyproject.toml", text: '[project]\ndependencies = ["kedro"]\nname = "kedro-mlflow"\n', want: false },
    { name: "setup.py", text: 'setup(install_requires=["kedro", "kedro-mlflow~=0.11"])\n', want: true },
    { name: "environment.yml", text: "dependencies:\n  - conda-forge::kedro-mlflow=0.11\n", want: true },
    { name: "environment.yml", text: "dependencies:\n  - pip:\n    # - kedro-mlflow\n    - kedro\n", want: false },
    { name: "README.md", text: "kedro-mlflow\n", want: false },
  ])("$name with $text", ({ name, text, want }) => {
    const world = fakeWorld({ files: { [`/p/${name}`]: text } });
    expect(findRequirement(world, "/p", "kedro-mlflow")).toBe(want ? name : null);
  });

  test("follows other requirements, once", () => {
    const files = {
      "/p/requirements.txt": "-r more/a.txt\n",
      "/p/more/a.txt": "-r ../requirements.txt\nkedro_mlflow\n",
    };
    expect(findRequirement(fakeWorld({ files }), "/p", "kedro-mlflow")).toBe("requirements.txt");
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
