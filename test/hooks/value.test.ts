import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Value, ValueMap } from "../../hooks/contract.ts";
import type { Plain } from "../../src/config/plain.ts";
import { isSamePlain, type MapNode, placeOf, toPlain } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { changeTree, fromValue, toValue } from "../../src/hooks/value.ts";

const plain: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.bigInt(),
    fc.double(),
    fc.string(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(fc.oneof(fc.string(), fc.integer().map(BigInt)), tie("value")), {
        maxLength: 4,
        selector: ([key]) => String(key),
      })
      .map((entries) => new Map(entries.filter(([key]) => key !== "__proto__"))),
  ),
})).value;

describe("values of hooks", () => {
  test("what a hook does not change keeps its type and its key", () => {
    fc.assert(
      fc.property(plain, (value) => isSamePlain(fromValue(structuredClone(toValue(value)), value), value)),
      { seed: 7, numRuns: 500 },
    );
  });

  const rows: { name: string; before: Plain; after: Value; want: Plain }[] = [
    { name: "an int stays one", before: 1n, after: 2, want: 2n },
    { name: "a float stays one", before: 1.5, after: 2, want: 2 },
    { name: "an int becomes a float", before: 1n, after: 1.5, want: 1.5 },
    { name: "text becomes an int", before: "x", after: 3, want: 3n },
    { name: "a large int", before: 2n ** 60n, after: 2n ** 61n, want: 2n ** 61n },
    { name: "a key that is a number", before: new Map([[1n, "a"]]), after: { 1: "b" }, want: new Map([[1n, "b"]]) },
  ];
  for (const { name, before, after, want } of rows) {
    test(name, () => expect(fromValue(after, before)).toEqual(want));
  }

  test("what a hook does not change keeps its place", () => {
    const text = "a: 1\nb: {c: [x, y], d: 2.0}\n";
    const tree = parseYaml({ file: "kubeflow.yaml", text }) as MapNode;
    const value = structuredClone(toValue(toPlain(tree) as Plain)) as { b: { c: string[] } } & ValueMap;
    value.b.c[1] = "z";
    value["e"] = "new";
    const at = { source: { file: "kfk.hooks.ts", text: "\n  config" }, start: 3, end: 9 };
    const changed = changeTree(tree, value, at);
    const places: string[] = [];
    const visit = (node: MapNode | NonNullable<ReturnType<MapNode["entries"]["get"]>>, path: string): void => {
      if (node.kind === "map") for (const [key, child] of node.entries) visit(child, `${path}/${String(key)}`);
      else if (node.kind === "list")
        for (const [index, child] of node.items.entries()) visit(child, `${path}/${index}`);
      else {
        const place = placeOf(node.at);
        const shown = node.kind === "scalar" ? `${typeof node.value} ${String(node.value)}` : "";
        places.push(`${path} ${shown} ${place?.file}:${place?.line}:${place?.column}`);
      }
    };
    visit(changed, "");
    expect(places).toEqual([
      "/a bigint 1 kubeflow.yaml:1:4",
      "/b/c/0 string x kubeflow.yaml:2:9",
      "/b/c/1 string z kfk.hooks.ts:2:3",
      "/b/d number 2 kubeflow.yaml:2:19",
      "/e string new kfk.hooks.ts:2:3",
    ]);
  });
});
