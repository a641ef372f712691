/** Every block of docs/mlflow.md and docs/environment.md: commands run, settings are read and compiled. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { addExtraSteps } from "../../src/hooks/extra.ts";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

const DECLARED = {
  "requirements.txt": "kedro-mlflow\n",
  "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: 'https://mlflow.example.org'}\n",
};

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(import.meta.dir, "../../docs", page), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = "", block = ""]) => ({
    language,
    text: block,
  }));
}

/** In a shell that knows kfk, with a stand-in for Python. */
function runCommand(command: string) {
  const project = projects.make(DECLARED);
  symlinkSync(KFK, join(project.folder, "kfk"));
  const python = join(project.folder, "stand-in");
  writeFileSync(python, STAND_IN);
  chmodSync(python, 0o755);
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-c", command], {
    cwd: project.folder,
    env: { PATH: `${project.folder}:/usr/bin:/bin`, HOME: project.folder, KFK_PYTHON: python },
    stdin: "ignore",
  });
  return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe.skipIf(!existsSync(KFK))("pages on MLflow and the environment", () => {
  for (const page of ["mlflow.md", "environment.md"]) {
    const blocks = blocksOf(page);
    for (const [index, { language, text }] of blocks.entries()) {
      const [title = ""] = text.split("\n");
      if (language === "sh") {
        test(`${page}: ${title}`, () => {
          const { status, out, err } = runCommand(text);
          expect({ status, err: status === 0 ? "" : err }).toEqual({ status: 0, err: "" });
          const next = blocks[index + 1];
          if (next?.language === "text") expect(out).toBe(next.text);
        });
      } else if (language === "yaml") {
        test(`${page}: settings ${index}, ${title}`, () => {
          const keys = Object.keys(parse(text) as object);
          const isKubeflow = keys.includes("run_config") || keys.includes("mlflow");
          const path = isKubeflow ? "conf/base/kubeflow.yaml" : "conf/local/mlflow.yml";
          const { status, err } = projects
            .make({ ...DECLARED, [path]: text })
            .run(["config", "view"], { KEDRO_CONFIG_STAGE: "test" });
          expect({ status, err }).toEqual({ status: 0, err: "" });
        });
      } else if (language === "python") {
        // test/live/mlflow.test.ts runs it
        test.skipIf(Bun.which("python3") === null)(`${page}: module ${index}`, () => {
          const parse = ["python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())"];
          expect(Bun.spawnSync(parse, { stdin: Buffer.from(text) }).exitCode).toBe(0);
        });
      } else {
        test(`${page}: block ${index} is the output of the command before it`, () => {
          expect([language, blocks[index - 1]?.language]).toEqual(["text", "sh"]);
        });
      }
    }
  }
});

test("a step in the project's image has what kubeflow.yaml gives to all, and one with another image has not", () => {
  const secret = { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "mlflow", key: "password" } } };
  const document = {
    kind: "Workflow",
    spec: {
      entrypoint: "entrypoint",
      onExit: "on-exit",
      templates: [
        { name: "entrypoint", dag: { tasks: [{ name: "a", template: "step" }] } },
        {
          name: "step",
          inputs: { parameters: [{ name: "step" }] },
          container: { image: "i", env: [{ name: "KUBEFLOW_RUN_ID", value: "{{workflow.uid}}" }, secret] },
        },
        { name: "on-exit", inputs: { parameters: [{ name: "p" }] }, container: { image: "i" } },
      ],
    },
  };
  const pods = { image: "i", imagePullPolicy: "Always", ttlSeconds: null, volume: null, serviceAccount: null };
  const steps = [
    { id: "own", place: "start", command: ["a"], gives: { env: "GIVEN" } },
    { id: "other", place: "start", image: "o", command: ["b"] },
    { id: "end", place: "exit", command: ["c"], env: { PASSWORD: "none" } },
  ] as const;
  const fail = (why: string): Error => new Error(why);
  const { spec } = parse(addExtraSteps(JSON.stringify(document), steps, pods, fail));
  const env = Object.fromEntries(
    spec.templates.map(({ name, container }: { name: string; container?: { env?: unknown } }) => [
      name,
      container?.env,
    ]),
  );
  expect(env).toEqual({
    entrypoint: undefined,
    step: [
      { name: "KUBEFLOW_RUN_ID", value: "{{workflow.uid}}" },
      secret,
      { name: "GIVEN", value: "{{inputs.parameters.given}}" },
    ],
    "on-exit": undefined,
    "extra-own": [secret, { name: "KFK_OUTPUT", value: "/tmp/kfk-output" }],
    "extra-other": undefined,
    "extra-end": [{ name: "PASSWORD", value: "none" }],
    "extra-exit": undefined,
  });
  // an exit handler that takes the workflow's parameters is handed them as a task
  expect(spec.templates.at(-1).dag.tasks).toEqual([
    { name: "extra-end", template: "extra-end" },
    {
      name: "on-exit",
      template: "on-exit",
      arguments: { parameters: [{ name: "p", value: "{{workflow.parameters.p}}" }] },
    },
  ]);
  const again = (): string =>
    addExtraSteps(JSON.stringify(document), [{ ...steps[0], gives: { env: "PASSWORD" } }], pods, fail);
  expect(again).toThrow('the step "own" gives PASSWORD, which the steps have already');
});

/** A Python for which every step succeeds. */
const STAND_IN = `#!/bin/sh
if [ $# -eq 2 ]; then echo "kfk-kedro 3.11.0 1.7.0"; fi
if [ "$3" = start ]; then printf r-1 > "$KFK_OUTPUT"; fi
`;
