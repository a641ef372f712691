/** A carriage return alone ends a line, as PyYAML and Python have it: values and places. */
import { describe, expect, test } from "bun:test";
import { placeOf, toPlain } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";
import { renderError } from "../../src/view/error.ts";

describe("a carriage return alone", () => {
  // what PyYAML 6.0 gives
  test.each([
    ["between lines", "a: 1\rb: 2\r", { a: 1n, b: 2n }],
    ["at the end of a file with other ends", "a: 1\r\nb: 2\r", { a: 1n, b: 2n }],
    ["in a block", "a: |\r  x\r  y\rb: 2\r", { a: "x\ny\n", b: 2n }],
    ["in quotes", "a: 'x\r  y'\r", { a: "x y" }],
    ["after a comment", "# c\ra: 1\r", { a: 1n }],
    ["in brackets", "a: 1\n\r\nb: [1,\r2]\r", { a: 1n, b: [1n, 2n] }],
  ])("ends a line %s", (_, text, wanted) => {
    const tree = parseYaml({ file: "f.yml", text });
    expect(tree && toPlain(tree)).toEqual(new Map(Object.entries(wanted)));
  });

  test("is counted in places, and shown as a line in frames", () => {
    const tree = parseYaml({ file: "f.yml", text: "a: 1\rb: 2\r\nc: 3\r" });
    const at = tree?.kind === "map" ? placeOf(tree.entries.get("c")?.at) : undefined;
    expect([at?.line, at?.column]).toEqual([3, 4]);
    expect(renderError(new KfkError("CONFIG_YAML", "no", { at }), false)).toBe(
      "error: no [CONFIG_YAML]\n  --> f.yml:3:4\n  1 | a: 1\n  2 | b: 2\n  3 | c: 3\n    |    ^\n",
    );
  });

  test("of a file that takes none, as TOML, does not move the frame about", () => {
    const at = { file: "pyproject.toml", line: 1, column: 1, text: "x = 1\ry = 2\n" };
    expect(renderError(new KfkError("PROJECT_TOML", "no", { at }), false)).toContain("  1 | x = 1 y = 2\n");
  });
});
