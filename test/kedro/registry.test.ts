/** Sources → registered pipelines, one construct at a time. Automatic names were made by real Kedro. */
import { describe, expect, test } from "bun:test";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const IMPORTS = `from functools import partial
from kedro.pipeline import Node, Pipeline, node, pipeline
from .nodes import fit, score
from . import nodes

`;

function read(body: string, kedro: string, ending: string) {
  const lines = body.split("\n").map((line) => `    ${line}`);
  const code = `${IMPORTS}def create_pipeline(**kwargs):\n${lines.join("\n")}`.replaceAll("\n", ending);
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ kedro, pipelines: { train: code } }) });
  const facts = findProject(world, ROOT);
  return readRegistry(projectHost(world, facts), { package: facts.package, kedroVersion: facts.kedro.version });
}

function nodes(body: string, kedro = "1.7.0", ending = "\n"): string[] {
  const { nodes: found = [] } = read(body, kedro, ending).pipelines.get("train") ?? {};
  return found.map(({ name, inputs, outputs, tags }) => {
    const tagged = tags.length > 0 ? ` #${tags.join("#")}` : "";
    return `${name}: ${inputs.join(",")} -> ${outputs.join(",")}${tagged}`;
  });
}

const N = 'node(fit, "a", "b", name="n")';
const M = 'node(score, "b", "c", name="m")';

const ROWS: readonly [string, string, readonly string[]][] = [
  ["a literal list", `return pipeline([${N}])`, ["n: a -> b"]],
  [
    "order by level, then by name",
    'return Pipeline([Node(fit, "b", "c", name="a"), Node(fit, "a", "b", name="y"), Node(fit, "a", "d", name="x")])',
    ["x: a -> d", "y: a -> b", "a: b -> c"],
  ],
  [
    "a comprehension with f-strings",
    'return pipeline([node(fit, f"in_{i:02d}", f"out_{i}", name=f"n{i}") for i in range(2)])',
    ["n0: in_00 -> out_0", "n1: in_01 -> out_1"],
  ],
  [
    "a loop that appends",
    'found = []\nfor name in ("a", "b"):\n    if name != "a":\n        continue\n    found.append(node(fit, name, name + "_out", name=name))\nreturn pipeline(found)',
    ["a: a -> a_out"],
  ],
  [
    "dict inputs in the order of the function",
    'return pipeline([node(fit, dict(rate="r", table="t"), "m", name="n")])',
    ["n: t,r -> m"],
  ],
  [
    "tags of node and pipeline",
    'return pipeline([node(fit, "a", "b", name="n", tags="x")], tags=["y", "x"])',
    ["n: a -> b #x#y"],
  ],
  [
    "a namespace prefixes what is not mapped",
    'p = pipeline([node(fit, ["a", "params:r", "parameters"], "b", name="n")])\nreturn pipeline(p, namespace="ns", inputs="a", outputs={"b": "c"})',
    ["ns.n: a,params:ns.r,parameters -> c"],
  ],
  [
    "namespaces nest outermost first",
    `return pipeline(pipeline([${N}], namespace="in"), namespace="out")`,
    ["out.in.n: out.in.a -> out.in.b"],
  ],
  [
    "mapped transcoded names keep their format",
    'return pipeline(pipeline([node(fit, "a@spark", "b", name="n")]), inputs={"a": "z"})',
    ["n: z@spark -> b"],
  ],
  ["sum and minus", `p = pipeline([${N}])\nreturn sum([p, pipeline([${M}])]) - p`, ["m: b -> c"]],
  ["filters", `p = pipeline([${N}, ${M}])\nreturn p.from_nodes("m")`, ["m: b -> c"]],
  [
    "nodes of a pipeline",
    `p = pipeline([${N}, ${M}])\nreturn pipeline([n for n in p.nodes if "m" in n.name])`,
    ["m: b -> c"],
  ],
  [
    "functions through the module, and star arguments",
    'args = ["a", "b"]\nreturn pipeline([node(nodes.fit, *args, **{"name": "n"})])',
    ["n: a -> b"],
  ],
  [
    "a factory with a default argument",
    'def make(name, out="x"):\n    return node(fit, name, f"{name}_{out}", name=name)\nreturn pipeline([make("a"), make("b", out="y")])',
    ["a: a -> a_x", "b: b -> b_y"],
  ],
];

describe("readRegistry", () => {
  test.each(ROWS)("%s", (_, body, wanted) => {
    expect(nodes(body)).toEqual([...wanted]);
    expect(nodes(body, "1.7.0", "\r\n")).toEqual([...wanted]);
  });

  test("automatic names of 0.19 are the call's text", () => {
    expect(nodes('return pipeline([node(fit, ["a", "b"], None), node(lambda: 1, None, "c")])', "0.19.15")).toEqual([
      "<lambda>(None) -> [c]:  -> c",
      "fit([a;b]) -> None: a,b -> ",
    ]);
  });

  test("automatic names of 1.x are hashes of module, function, inputs and outputs", () => {
    expect(nodes('return pipeline([node(fit, "a", "b"), node(partial(score, k=1), "b", "c")])')).toEqual([
      "fit__f36ad3a0: a -> b",
      "partial(score)__ed23f95f: b -> c",
    ]);
  });

  test("the place of a node is its call", () => {
    const found = read('return pipeline([\n    node(fit, "a", "b", name="n"),\n])', "1.7.0", "\n").pipelines.get(
      "train",
    );
    expect(found?.nodes[0]?.source).toEqual({ file: "src/shop/pipelines/train/pipeline.py", line: 8 });
  });

  test.each([
    ["a value of a library", 'import numpy\nreturn pipeline([node(fit, numpy.pick(), "b", name="n")])', "PY_UNKNOWN"],
    [
      "a branch on a library",
      'import numpy\nout = "b"\nif numpy.flag:\n    out = "c"\nreturn pipeline([node(fit, "a", out, name="n")])',
      "PY_UNKNOWN",
    ],
    [
      "a loop over a library",
      'import numpy\nfound = []\nfor x in numpy.all:\n    found.append(node(fit, x, "b"))\nreturn pipeline(found)',
      "PY_UNKNOWN",
    ],
    ["the order of a set", 'return pipeline([node(fit, list({"a", "b"}), "c", name="n")])', "PY_UNKNOWN"],
    [
      "an unnamed node of a library function",
      'import numpy\nreturn pipeline([node(numpy.sort, "a", "b")])',
      "PY_UNKNOWN",
    ],
    [
      "the clock",
      'import datetime\nreturn pipeline([node(fit, str(datetime.datetime.now()), "b", name="n")])',
      "PY_UNKNOWN",
    ],
    ["a mapping that names nothing", `return pipeline(pipeline([${N}]), inputs={"z": "y"})`, "PIPELINE_MAPPING"],
    ["one output twice", `return pipeline([${N}, node(fit, "c", "b", name="m")])`, "PIPELINE_DUPLICATE_OUTPUT"],
    ["input and output are one", 'return pipeline([node(fit, "a", "a", name="n")])', "PIPELINE_NODE"],
  ])("refuses %s", (_, body, code) => {
    let thrown: unknown;
    try {
      nodes(body);
    } catch (error) {
      thrown = error;
    }
    expect((thrown as { code?: string } | undefined)?.code).toBe(code);
  });
});
