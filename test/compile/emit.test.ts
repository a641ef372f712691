import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { emitJson, emitYaml, type Json, oneLine, type JsonSource } from "../../src/compile/emit.ts";
import { isKfkError } from "../../src/error.ts";

describe("emitYaml", () => {
  const layouts: readonly { name: string; value: Json; text: string }[] = [
    { name: "a mapping in its own order", value: { b: 1, a: "x" }, text: "b: 1\na: x\n" },
    { name: "nested mappings", value: { a: { b: { c: true } } }, text: "a:\n  b:\n    c: true\n" },
    { name: "a list below its key", value: { a: ["x", "z"] }, text: "a:\n  - x\n  - z\n" },
    {
      name: "mappings in a list",
      value: { a: [{ name: "x", on: null }, { name: "z" }] },
      text: 'a:\n  - name: x\n    "on": null\n  - name: z\n',
    },
    { name: "lists in a list", value: [[1, [2, 3]], [], [[]]], text: "- - 1\n  - - 2\n    - 3\n- []\n- - []\n" },
    {
      name: "a mapping in a list in a list",
      value: [[{ a: 1, b: [{ c: 2 }] }]],
      text: "- - a: 1\n    b:\n      - c: 2\n",
    },
    { name: "empty things", value: { a: {}, b: [], c: "" }, text: 'a: {}\nb: []\nc: ""\n' },
    { name: "undefined is left out", value: { a: undefined, b: { c: undefined } }, text: "b: {}\n" },
    { name: "nothing at all", value: { a: undefined }, text: "{}\n" },
    { name: "a bare text", value: "hello", text: "hello\n" },
    {
      name: "a mapping on one line, in a list",
      value: {
        a: [oneLine({ name: "x", on: [1, "b c", {}], text: '{"a\\": 1}', it: "'\"", no: null }), { name: "z" }],
      },
      text: `a:\n  - {name: x, "on": [1, "b c", {}], text: '{"a\\": 1}', it: "'\\"", "no": null}\n  - name: z\n`,
    },
    {
      name: "a mapping on one line, below its key",
      value: { a: oneLine({ b: ["x"], c: { d: "y\nz" } }), e: oneLine({}) },
      text: 'a: {b: [x], c: {d: "y\\nz"}}\ne: {}\n',
    },
    { name: "the same value twice, without an alias", value: twice({ x: "z" }), text: "a:\n  x: z\nb:\n  x: z\n" },
    {
      name: "a text of several lines",
      value: { a: "import os\nif x:\n    y()\n", b: 1 },
      text: "a: |\n  import os\n  if x:\n      y()\nb: 1\n",
    },
    { name: "several lines without a newline at the end", value: ["a\n\n# b"], text: "- |-\n  a\n\n  # b\n" },
    { name: "a block at the top", value: "---\n%x\n", text: "|\n  ---\n  %x\n" },
    {
      name: "a block in a mapping in a list",
      value: [{ a: "x\ny", b: "z" }],
      text: "- a: |-\n    x\n    y\n  b: z\n",
    },
    {
      name: "a key too long to stand before a colon",
      value: { a: { ["k".repeat(1100)]: [1] } },
      text: `a:\n  ? ${"k".repeat(1100)}\n  :\n    - 1\n`,
    },
  ];
  for (const { name, value, text } of layouts) {
    test(`writes ${name}`, () => {
      expect(emitYaml(value)).toBe(text);
    });
  }

  const scalars: readonly { name: string; value: Json; text: string }[] = [
    { name: "a path", value: "/home/kedro/data_1.csv", text: "/home/kedro/data_1.csv" },
    { name: "an API version", value: "argoproj.io/v1alpha1", text: "argoproj.io/v1alpha1" },
    { name: "an image with a tag", value: "repo/img:1.0", text: '"repo/img:1.0"' },
    ...["y", "N", "Yes", "no", "ON", "off", "True", "FALSE", "null", "NaN", "Inf", "~", "<<", "=", ".inf"].map(quoted),
    ...["0123", "1e3", "1_000", "12:30:45", "0x1f", "0o17", "0b1", "1.4.2", "2021-01-01", ".", "-", "+1"].map(quoted),
    ...["", " x", "x ", "a: b", "a #b", "*x", "&x", "!x", "%x", "@x", "`x", "[x", "{x", "- x", "? x"].map(quoted),
    { name: "a quote and a backslash", value: '"\\', text: String.raw`"\"\\"` },
    { name: "a newline at the start", value: "\na", text: String.raw`"\na"` },
    { name: "a trailing blank before a newline", value: "a \nb", text: String.raw`"a \nb"` },
    { name: "two newlines at the end", value: "a\n\n", text: String.raw`"a\n\n"` },
    { name: "a tab at the start of a line", value: "a\n\tb", text: String.raw`"a\n\tb"` },
    { name: "carriage returns", value: "a\r\nb", text: String.raw`"a\r\nb"` },
    { name: "control characters", value: "\u0000\u001b\u007f\u0085", text: String.raw`"\u0000\u001b\u007f\u0085"` },
    {
      name: "invisible characters",
      value: "\u00a0\u2028\u2029\ufeff\uffff",
      text: String.raw`"\u00a0\u2028\u2029\ufeff\uffff"`,
    },
    { name: "letters of other scripts", value: "größe 大きさ", text: '"größe 大きさ"' },
    { name: "a character beyond U+FFFF, raw", value: "a😀", text: '"a😀"' },
    { name: "an int", value: -42, text: "-42" },
    { name: "a float", value: 0.25, text: "0.25" },
    { name: "a large float", value: 1e21, text: "1.0e+21" },
    { name: "a small float", value: 1.5e-7, text: "1.5e-7" },
    { name: "a small float of one digit", value: -1e-7, text: "-1.0e-7" },
    { name: "minus zero", value: -0, text: "-0.0" },
  ];
  for (const { name, value, text } of scalars) {
    test(`writes ${name} as ${text}`, () => {
      expect(emitYaml({ a: value })).toBe(`a: ${text}\n`);
      expect(parse(emitYaml({ a: value }), { version: "1.1" })).toEqual({ a: value });
    });
  }

  const refused: readonly { name: string; value: unknown; message: string }[] = [
    {
      name: "half of a surrogate pair",
      value: { spec: { args: ["ok", "\ud83d"] } },
      message: String.raw`the text "\ud83d" at spec.args[1] holds half of a character (a lone surrogate)`,
    },
    {
      name: "half of a surrogate pair in a key",
      value: { "\ude00": 1 },
      message: String.raw`the text "\ude00" at ["\ude00"] holds half of a character (a lone surrogate)`,
    },
    { name: "NaN", value: [Number.NaN], message: "the number NaN at [0] cannot be written into a document" },
    {
      name: "infinity",
      value: { "a.b": -Infinity },
      message: 'the number -Infinity at ["a.b"] cannot be written into a document',
    },
    { name: "a tree that holds itself", value: endless(), message: "the document is nested deeper than 200 levels" },
  ];
  for (const { name, value, message } of refused) {
    test(`refuses ${name}`, () => {
      const error = thrownBy(() => emitYaml(value as Json));
      expect(isKfkError(error)).toBe(true);
      expect((error as Error).message).toBe(message);
    });
  }

  const notData: readonly { name: string; value: unknown; message: string }[] = [
    { name: "a date", value: { a: new Date(0) }, message: "not data at a: Date" },
    { name: "a map", value: { a: [new Map()] }, message: "not data at a[0]: Map" },
    { name: "a function", value: { a: () => 1 }, message: "not data at a: function" },
    { name: "undefined in a list", value: [undefined], message: "not data at [0]: undefined" },
    { name: "a bigint", value: 1n, message: "not data at the top of the document: bigint" },
  ];
  for (const { name, value, message } of notData) {
    test(`throws on ${name}`, () => {
      expect(thrownBy(() => emitYaml(value as Json))).toEqual(new TypeError(message));
    });
  }
});

describe("emitJson", () => {
  const rows: readonly { name: string; value: JsonSource; text: string }[] = [
    {
      name: "numbers of an object as JavaScript's",
      value: { line: 12, ratio: 0.5 },
      text: '{"line": 12, "ratio": 0.5}',
    },
    {
      name: "numbers in a map as Python's floats",
      value: new Map([
        ["a", 1],
        ["b", 1e-5],
        ["c", 1e22],
        ["d", -0],
      ]),
      text: '{"a": 1.0, "b": 1e-05, "c": 1e+22, "d": -0.0}',
    },
    {
      name: "numbers in lists of a map as floats",
      value: new Map([["a", [1, [2]]]]),
      text: '{"a": [1.0, [2.0]]}',
    },
    {
      name: "an object inside a map as JavaScript's again",
      value: { pipelines: new Map([["p", { nodes: [{ line: 3 }] }]]) },
      text: '{"pipelines": {"p": {"nodes": [{"line": 3}]}}}',
    },
    { name: "ints with all digits", value: 123456789012345678901234567890n, text: "123456789012345678901234567890" },
    {
      name: "what is no number",
      value: new Map([
        ["a", Number.NaN],
        ["b", -Infinity],
      ]),
      text: '{"a": {"$float": "NaN"}, "b": {"$float": "-Infinity"}}',
    },
    {
      name: "keys that are not text",
      value: new Map<bigint | string | null, JsonSource>([
        [1n, "x"],
        ["1", null],
        [null, 2],
      ]),
      text: '{"$map": [[1, "x"], ["1", null], [null, 2.0]]}',
    },
    {
      name: "a mapping that looks like such a form",
      value: new Map([["$float", "NaN"]]),
      text: '{"$map": [["$float", "NaN"]]}',
    },
    { name: "half of a surrogate pair", value: "\ud83d", text: String.raw`"\ud83d"` },
    { name: "undefined as nothing", value: { a: undefined, b: [] }, text: '{"b": []}' },
  ];
  for (const { name, value, text } of rows) {
    test(`writes ${name}`, () => {
      expect(emitJson(value, 0)).toBe(text);
      expect(() => JSON.parse(text)).not.toThrow();
    });
  }

  test("indents by two spaces", () => {
    expect(emitJson({ a: [1, {}], b: new Map([["c", []]]) })).toBe(
      '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": {\n    "c": []\n  }\n}',
    );
  });

  test("throws on what is no data", () => {
    expect(thrownBy(() => emitJson({ a: new Date(0) }))).toEqual(new TypeError("not data at a: Date"));
    expect(thrownBy(() => emitJson([undefined]))).toEqual(new TypeError("not data at [0]: undefined"));
  });
});

// --- internal ---

function quoted(text: string): { name: string; value: string; text: string } {
  return { name: JSON.stringify(text), value: text, text: JSON.stringify(text) };
}

function twice(value: Json): Json {
  return { a: value, b: value };
}

function endless(): unknown {
  const tree: { again?: unknown } = {};
  tree.again = tree;
  return tree;
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
