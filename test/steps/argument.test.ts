/** What the runner is told of a step, and that it understands the same: names that say all are not repeated. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeStep, readAutomaticName } from "../../src/steps/argument.ts";
import type { Node } from "../../src/pipeline/model.ts";

const RUNNER = join(import.meta.dir, "../../src/steps/runner.py");

function node(name: string, inputs: readonly string[], outputs: readonly string[]): Node {
  return { name, named: true, func: "f", inputs, outputs, tags: [], namespace: null, confirms: [], source: null };
}

function encode(id: string, ...nodes: readonly Node[]): string {
  return encodeStep({ id, nodes, needs: [], parameters: [], pod: { resources: {} } });
}

interface Row {
  readonly name: string;
  readonly id: string;
  readonly nodes: readonly Node[];
  readonly text: string;
  /** What the runner calls the step in its messages. */
  readonly called: string;
}

const rows: readonly Row[] = [
  {
    name: "a node that the step is called like",
    id: "fit-model",
    nodes: [node("fit_model", ["a"], ["b"])],
    text: '{"nodes":[["fit_model",["a"],["b"]]]}',
    called: "fit-model",
  },
  {
    name: "a node with another name than its step",
    id: "group",
    nodes: [node("fit_model", ["a"], ["b"])],
    text: '{"step":"group","nodes":[["fit_model",["a"],["b"]]]}',
    called: "group",
  },
  {
    name: "two nodes",
    id: "group",
    nodes: [node("a", [], ["x"]), node("b", ["x"], [])],
    text: '{"step":"group","nodes":[["a",[],["x"]],["b",["x"],[]]]}',
    called: "group",
  },
  {
    name: "a name of Kedro 0.18",
    id: "ns-f-a-b-c-5f1d2a4c0b39",
    nodes: [node("ns.f([a,params:p]) -> [c]", ["params:p", "a"], ["c"])],
    text: '{"step":"ns-f-a-b-c-5f1d2a4c0b39","nodes":[["ns.f([a,params:p]) -> [c]"]]}',
    called: "ns-f-a-b-c-5f1d2a4c0b39",
  },
  {
    name: "a name of Kedro 0.19",
    id: "x",
    nodes: [node("f([b;a]) -> [d;c]", ["b", "a"], ["d", "c"])],
    text: '{"step":"x","nodes":[["f([b;a]) -> [d;c]"]]}',
    called: "x",
  },
  {
    name: "a name that says something else",
    id: "x",
    nodes: [node("f([a]) -> [c]", ["a", "b"], ["c"])],
    text: '{"step":"x","nodes":[["f([a]) -> [c]",["a","b"],["c"]]]}',
    called: "x",
  },
  {
    name: "a name with another name in it",
    id: "x",
    nodes: [node("f([a]) -> [b]([c]) -> [d]", ["c"], ["d"])],
    text: '{"step":"x","nodes":[["f([a]) -> [b]([c]) -> [d]"]]}',
    called: "x",
  },
  {
    name: "a name without inputs",
    id: "x",
    nodes: [node("f(None) -> [c]", [], ["c"])],
    text: '{"step":"x","nodes":[["f(None) -> [c]",[],["c"]]]}',
    called: "x",
  },
  {
    name: "a name with a quote mark",
    id: "a-b-3c8f0d5c6c38",
    nodes: [node('a"b', [], ["c"])],
    text: '{"step":"a-b-3c8f0d5c6c38","nodes":[["a\\"b",[],["c"]]]}',
    called: "a-b-3c8f0d5c6c38",
  },
];

describe("encodeStep", () => {
  test.each(rows.map((row) => [row.name, row] as const))("%s", (_, { id, nodes, text }) => {
    expect(encode(id, ...nodes)).toBe(text);
  });

  test("the runner reads the same", () => {
    const texts = rows.map(({ text }) => text);
    const program = [
      "import json, runpy, sys",
      `runner = runpy.run_path(${JSON.stringify(RUNNER)})`,
      'shared = json.dumps({"kfk": 1, "parameters": {}})',
      "out = []",
      "for text in json.load(sys.stdin):",
      '    step = runner["read_arguments"]([shared, text, "e30="])[1]',
      '    name = step["step"] if "step" in step else runner["name_of"](step["nodes"])',
      '    out.append([name, [[n, sorted(i), sorted(o)] for n, i, o in step["nodes"]]])',
      "print(json.dumps(out))",
    ].join("\n");
    const done = Bun.spawnSync(["python3", "-c", program], { stdin: Buffer.from(JSON.stringify(texts)) });
    expect(done.stderr.toString()).toBe("");
    expect(JSON.parse(done.stdout.toString())).toEqual(
      rows.map(({ called, nodes }) => [
        called,
        nodes.map((each) => [each.name, each.inputs.toSorted(), each.outputs.toSorted()]),
      ]),
    );
  });

  test("the runner says so when a name does not say what is left out", () => {
    const shared = JSON.stringify({ kfk: 1, parameters: {} });
    const argv = ["python3", "-c", readFileSync(RUNNER, "utf8"), shared, '{"nodes":[["fit"]]}', "e30="];
    const done = Bun.spawnSync(argv);
    expect({ status: done.exitCode, err: done.stderr.toString() }).toEqual({
      status: 90,
      err: 'kfk: step "?": the second argument does not say what node "fit" reads\n',
    });
  });
});

test.each([
  ["f([a,b]) -> [c]", [["a", "b"], ["c"]]],
  ["f([b;a]) -> [c]", [["a", "b"], ["c"]]],
  ["fit", undefined],
  ["f([a]) -> None", undefined],
  ["f([a]) -> [c] ", undefined],
] as const)("readAutomaticName of %s", (name, wanted) => {
  expect(readAutomaticName(name) as unknown).toEqual(wanted);
});
