import { describe, expect, test } from "bun:test";
import { array, assert, constantFrom, nat, property, record } from "fast-check";
import { shortHash } from "../../src/steps/names.ts";
import { KfkError } from "../../src/error.ts";
import type { Node } from "../../src/pipeline/model.ts";
import { groupNodes, largestAmounts, MERGE_MODES, type MergeMode } from "../../src/steps/merge.ts";

/** `ns.b #tag: x -> y` in run order, separated by semicolons; datasets in capitals are in memory. */
function nodes(text: string): Node[] {
  return text.split("; ").map((line) => {
    const [head = "", data = ""] = line.split(": ");
    const [name = "", ...tags] = head.split(" #");
    const [inputs = "", outputs = ""] = data.split("->");
    const list = (names: string): string[] => names.split(" ").filter((each) => each !== "");
    return {
      name,
      named: true,
      func: "f",
      inputs: list(inputs),
      outputs: list(outputs),
      tags,
      namespace: name.includes(".") ? name.replace(/\.[^.]*$/, "") : null,
      confirms: [],
      source: { file: "src/pipeline.py", line: 3 },
    };
  });
}

function isInMemory(dataset: string): boolean {
  return /^[A-Z]/.test(dataset);
}

/** `id(a b) id(c)` */
function show(text: string, mode: MergeMode): string {
  const { groups } = groupNodes(nodes(text), mode, isInMemory);
  return groups.map(({ id, nodes: own }) => `${id}(${own.map(({ name }) => name).join(" ")})`).join(" ");
}

describe("groupNodes", () => {
  const rows: readonly (readonly [string, MergeMode, string, string])[] = [
    ["none: each node alone", "none", "a: -> x; b: x ->", "a(a) b(b)"],
    ["full: all in one step", "full", "a: -> x; b: x ->; c:  ->", "pipeline(a b c)"],
    [
      "namespace: those of one top-level namespace, others alone",
      "namespace",
      "load: -> x; prep.a: x -> y; prep.deep.b: y -> z; train.a: z -> m; report: m ->",
      "load(load) prep(prep.a prep.deep.b) train(train.a) report(report)",
    ],
    [
      "namespace: a group with one node is called like the namespace",
      "namespace",
      "data_science.fit: x -> m",
      "data-science(data_science.fit)",
    ],
    [
      "namespace: a hash where a node is called the same",
      "namespace",
      "prep: -> x; prep.a: x -> y; prep.b: y -> z",
      `prep(prep) prep-${shortHash("prep#")}(prep.a prep.b)`,
    ],
    [
      "namespace: split where another node stands between",
      "namespace",
      "n.a: -> x; other: x -> y; n.b: y -> z; n.c: z ->",
      `n(n.a) other(other) n-2-${shortHash("n#2")}(n.b n.c)`,
    ],
    [
      "namespace: split where two namespaces would wait for each other",
      "namespace",
      "n.a: -> x; m.a: -> y; n.b: y -> z; m.b: x ->",
      `m(m.a) n(n.a n.b) m-2-${shortHash("m#2")}(m.b)`,
    ],
    [
      "tag: those that carry the same tags",
      "tag",
      "a #p: -> x; b #p: x -> y; c #p #q: y -> z; d: z ->",
      `p(a b) p-q-${shortHash("p+q")}(c) d(d)`,
    ],
    [
      "tag: group: decides alone",
      "tag",
      "a #group:one #gpu: -> x; b #group:one: x -> y; c #gpu: y ->",
      "one(a b) gpu(c)",
    ],
    ["memory: those that share what is not in the catalog", "memory", "a: -> X; b: X -> y; c: y ->", "a(a b) c(c)"],
    ["memory: all readers of one dataset", "memory", "a: -> X y; b: X ->; c: X ->; d: y ->", "a(a b c) d(d)"],
    ["memory: joined with what stands between", "memory", "a: -> X y; b: y -> z; c: X z ->", "a(a b c)"],
    [
      "memory: joined where two groups would wait for each other",
      "memory",
      "a: -> X y; b: -> Z w; c: X w ->; d: Z y ->",
      "a(a b c d)",
    ],
    ["memory: a transcoded dataset is one dataset", "memory", "a: -> X@pandas; b: X@spark ->", "a(a b)"],
    [
      "memory: inputs that no node makes and parameters connect nothing",
      "memory",
      "a: X params:P -> y; b: X params:P ->",
      "a(a) b(b)",
    ],
  ];
  test.each(rows)("%s", (_, mode, text, wanted) => {
    expect(show(text, mode)).toBe(wanted);
  });

  test("says which namespace could not be one step", () => {
    const { warnings } = groupNodes(nodes("n.a: -> x; other: x -> y; n.b: y ->"), "namespace", isInMemory);
    expect(warnings).toEqual([
      {
        message: 'the namespace "n" became 2 steps: other steps stand between its nodes',
        hint: "nothing runs in another order; with --merge full all nodes are one step",
      },
    ]);
  });

  test("refuses a node with two group tags", () => {
    const two = nodes("a #group:one #group:two: -> x");
    expect(() => groupNodes(two, "tag", isInMemory)).toThrow(
      new KfkError("PIPELINE_NODE", 'node "a" has 2 tags that name a group: group:one, group:two'),
    );
  });

  test("holds every node once, in run order, and never makes steps wait for each other", () => {
    const graphs = array(
      record({
        inputs: array(nat(30), { maxLength: 3 }),
        namespace: constantFrom(null, "m", "n", "n.x", "o"),
        tags: constantFrom([], ["p"], ["q"], ["p", "q"]),
        memory: constantFrom(true, false, false),
      }),
      { minLength: 1, maxLength: 30 },
    );
    assert(
      property(graphs, constantFrom(...MERGE_MODES), (parts, mode) => {
        const names = parts.map(({ memory }, index) => `${memory ? "X" : "x"}${index}`);
        const all = parts.map(({ inputs, namespace, tags }, index): Node => ({
          ...(nodes("a: ->")[0] as Node),
          name: namespace === null ? `a${index}` : `${namespace}.a${index}`,
          namespace,
          tags,
          inputs: inputs.filter((input) => input < index).map((input) => names[input] as string),
          outputs: [names[index] as string],
        }));
        const { groups } = groupNodes(all, mode, isInMemory);
        expect(groups.flatMap((group) => group.nodes.map(({ name }) => name)).toSorted()).toEqual(
          all.map(({ name }) => name).toSorted(),
        );
        expect(new Set(groups.map(({ id }) => id)).size).toBe(groups.length);
        const groupOf = new Map(
          groups.flatMap((group, place) => group.nodes.map((node) => [node.name, place] as const)),
        );
        const maker = new Map(all.map((node) => [node.outputs[0] as string, node]));
        for (const [place, group] of groups.entries()) {
          const positions = group.nodes.map((node) => all.indexOf(node));
          expect(positions).toEqual(positions.toSorted((a, b) => a - b));
          for (const input of group.nodes.flatMap((node) => node.inputs)) {
            const from = groupOf.get((maker.get(input) as Node).name) as number;
            // groups stand in an order in which they can run, so none waits for one behind it
            expect(from).toBeLessThanOrEqual(place);
            if (mode === "memory" && isInMemory(input)) expect(from).toBe(place);
          }
        }
      }),
      { seed: 11, numRuns: 1000 },
    );
  });
});

test.each([
  [
    "the larger of each",
    [
      { cpu: "500m", memory: "2Gi" },
      { cpu: "1", memory: "1500Mi" },
    ],
    { cpu: "1", memory: "2Gi" },
  ],
  ["what only one asks for", [{ cpu: "1" }, { "nvidia.com/gpu": "1" }], { cpu: "1", "nvidia.com/gpu": "1" }],
  ["the first of equal ones", [{ memory: "1Gi" }, { memory: "1024Mi" }], { memory: "1Gi" }],
  ["decimal against binary", [{ memory: "1G" }, { memory: "1Gi" }, { memory: "1e9" }], { memory: "1Gi" }],
])("largestAmounts: %s", (_, amounts, largest) => {
  expect(largestAmounts(amounts)).toEqual(largest);
});
