/** `--from`: which way is taken, what is told, and that the ways give the same model. Interpreters are stand-ins. */
import { describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import type { Child, SpawnOptions } from "../../src/world.ts";
import { fakeWorld } from "../fake-world.ts";
import { KUBEFLOW, projectFiles, type ProjectParts, ROOT } from "../project-files.ts";

const UNKNOWN = `import pandas
from kedro.pipeline import node, pipeline
from .nodes import fit

def create_pipeline(**kwargs):
    return pipeline([node(fit, "table", pandas.name, name="fit")])
`;

const NODE = {
  name: "fit",
  named: true,
  func: "shop.pipelines.train.nodes.fit",
  inputs: ["table"],
  outputs: ["model"],
  tags: [],
  namespace: null,
  confirms: [],
  source: null,
};
const ANSWER = {
  kedro: "1.7.0",
  package: "shop",
  name: "Shop",
  env: "local",
  pipelines: [
    ["__default__", [NODE]],
    ["train", [NODE]],
  ],
  parameters: { $map: [["rate", { $float: "0.1" }]] },
  catalog: { $map: [] },
  notes: [],
};

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  readonly commands: readonly (readonly string[])[];
}

async function run(argv: readonly string[], parts: ProjectParts, more: Record<string, string> = {}): Promise<Ran> {
  const commands: (readonly string[])[] = [];
  const world = fakeWorld({
    cwd: ROOT,
    files: { ...projectFiles(parts), ...more },
    spawn: (command, options) => {
      commands.push(command);
      return answer(command, options);
    },
  });
  const status = await runCommandLine(world, argv, "0.0.0", "test");
  return { status, out: world.written.out(), err: world.written.err(), commands };
}

function answer(command: readonly string[], options: SpawnOptions): Child {
  if (command[0] === "docker") throw Object.assign(new Error("no such program"), { code: "ENOENT" });
  const mark = command.at(-2) ?? "";
  const isQuestion = mark === "-c";
  options.onLine?.("noise", "stdout");
  options.onLine?.(isQuestion ? "kfk-kedro 3.12.1 1.7.0 /p" : `${mark} ${JSON.stringify(ANSWER)}`, "stdout");
  return { pid: 1, ended: Promise.resolve({ code: 0, signal: null }), kill: () => undefined };
}

const OPEN: ProjectParts = { pipelines: { train: UNKNOWN }, conf: { "base/kubeflow.yaml": KUBEFLOW } };
const KNOWN: ProjectParts = {
  pipelines: { train: UNKNOWN.replace("pandas.name", '"model"') },
  conf: { "base/kubeflow.yaml": KUBEFLOW, "base/catalog.yml": "" },
};

describe("--from", () => {
  test("auto runs no code where the sources say all", async () => {
    const { status, commands, out } = await run(["model"], KNOWN);
    expect([status, commands.length, JSON.parse(out).project.from]).toEqual([0, 0, "static"]);
  });

  test("auto asks Python where they do not, and says why", async () => {
    const { status, out, err } = await run(["model"], OPEN);
    expect([status, JSON.parse(out).project.from]).toEqual([0, "python"]);
    expect(err).toContain("running the project's code with python3, because ");
    expect(err).toContain("(src/shop/pipelines/train/pipeline.py:6)");
  });

  test("static never asks", async () => {
    const { status, commands, err } = await run(["model", "--from", "static"], OPEN);
    expect([status, commands.length]).toEqual([3, 0]);
    expect(err).toContain("PY_UNKNOWN");
  });

  test("a fault of the project is none of Python's business", async () => {
    const { status, commands } = await run(["model"], { pipelines: { train: "def create_pipeline(:\n" } });
    expect([status, commands.length]).toEqual([3, 0]);
  });

  test("python always asks", async () => {
    const { status, out } = await run(["model", "--from", "python"], KNOWN);
    expect([status, JSON.parse(out).pipelines.train.nodes[0].outputs]).toEqual([0, ["model"]]);
  });

  test("image asks the first engine that is there, in the project's folder of the image", async () => {
    const { status, out, commands } = await run(["model", "--from", "image"], OPEN);
    expect([status, JSON.parse(out).project.from]).toEqual([0, "image"]);
    expect(commands.map(([engine]) => engine)).toEqual(["docker", "podman"]);
    expect(commands[1]?.slice(0, 13)).toEqual([
      ..."podman run --rm --workdir /home/kedro --env KEDRO_DISABLE_TELEMETRY=1 --env DO_NOT_TRACK=1".split(" "),
      ..."--entrypoint python registry.example/shop:1 -c".split(" "),
    ]);
    expect(JSON.parse(commands[1]?.at(-1) ?? "")).toEqual({ project: "/home/kedro", env: null, conf: null });
  });

  test("the key of kubeflow.yaml counts, and the option wins", async () => {
    const parts = { ...KNOWN, conf: { "base/kubeflow.yaml": `from: python\n${KUBEFLOW}` } };
    expect(JSON.parse((await run(["model"], parts)).out).project.from).toBe("python");
    expect(JSON.parse((await run(["model", "--from", "static"], parts)).out).project.from).toBe("static");
  });

  test("a saved model comes back as it was", async () => {
    const conf = {
      "base/parameters.yml": "rate: 1.0\nbig: 1152921504606846976\nnan: .nan\nm: {1: a, b: [null, yes]}\n",
    };
    const parts = { ...KNOWN, conf };
    const first = (await run(["model"], parts)).out;
    const second = await run(["model", "--from", "saved.json"], parts, { [`${ROOT}/saved.json`]: first });
    expect([second.status, second.err]).toEqual([0, ""]);
    expect(second.out).toBe(first.replace('"from": "static"', '"from": "file"'));
  });

  test.each([
    ["lacks a file", [], 'lacks "file:conf/base/catalog.yml", which the dataset "table" comes from'],
    ["names a node", ["file:conf/base/catalog.yml", "fit"], 'holds "fit", which is neither env:NAME nor file:PATH'],
    ["says it twice", ["file:a", "file:a"], 'holds "file:a" twice or out of order'],
  ])("a saved model whose dependsOn %s is refused", async (_, dependsOn, message) => {
    const conf = { "base/catalog.yml": "table: {type: pandas.CSVDataset, filepath: data/t.csv}\n" };
    const saved = JSON.parse((await run(["model"], { ...KNOWN, conf })).out) as object;
    const { status, err } = await run(["model", "--from", "s.json"], KNOWN, {
      [`${ROOT}/s.json`]: JSON.stringify({ ...saved, dependsOn }),
    });
    expect(status).toBe(3);
    expect(err).toContain(`s.json cannot be read as a model: "dependsOn" ${message} [PROJECT_FILE]`);
  });

  test("a snapshot of Kedro is a model without values", async () => {
    const snapshot = {
      metadata: { project_name: "Shop", package_name: "shop", kedro_version: "1.7.0" },
      pipelines: [{ name: "__default__", nodes: [{ ...NODE, func_name: "fit", inputs: ["table", "params:rate"] }] }],
      datasets: {},
      parameters: ["rate"],
    };
    const { status, out, err } = await run(["model", "--from", "s.json"], OPEN, {
      [`${ROOT}/s.json`]: JSON.stringify(snapshot),
    });
    expect([status, JSON.parse(out).pipelines.__default__.nodes[0].inputs]).toEqual([0, ["table", "params:rate"]]);
    expect(err).toContain("holds no values of parameters");
  });

  test.each([
    ["no file", undefined, "there is no file s.json"],
    ["no JSON", "{", "s.json is not JSON"],
    ["another form", "{}", "neither a model of kfk nor a snapshot of Kedro"],
    ["another version", '{"kfkModel": 2}', "another version of kfk wrote it"],
  ])("a file with %s is refused", async (_, text, message) => {
    const { status, err } = await run(
      ["model", "--from", "s.json"],
      KNOWN,
      text === undefined ? {} : { [`${ROOT}/s.json`]: text },
    );
    expect(status).toBe(3);
    expect(err).toContain(message);
  });

  test("--verify tells what differs, with status 3", async () => {
    expect((await run(["model", "--verify"], KNOWN)).status).toBe(0);
    const other = { ...KNOWN, pipelines: { train: UNKNOWN.replace("pandas.name", '"other"') } };
    const { status, out } = await run(["model", "--verify"], other);
    expect(status).toBe(3);
    expect(out).toContain('pipeline "train", node "fit", outputs: ["other"] in the sources, ["model"] in Python\n');
  });
});
