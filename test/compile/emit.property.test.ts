/**
 * What is written is read back equal: by `yaml` as YAML 1.1 and 1.2, by Bun, and for JSON by `JSON.parse`. Texts are
 * made of the pieces that YAML readers are known to stumble on.
 */
import { describe, expect, test } from "bun:test";
import {
  array,
  assert,
  bigInt,
  boolean,
  constant,
  constantFrom,
  dictionary,
  double,
  letrec,
  maxSafeInteger,
  oneof,
  property,
  string,
  tuple,
} from "fast-check";
import { parse } from "yaml";
import { emitJson, emitYaml, type Json, oneLine } from "../../src/compile/emit.ts";
import type { Plain, PlainKey } from "../../src/config/plain.ts";

const SEED = 20_240_917;
const PIECES = [
  ..." \t\n\r:#-?!&*%@`'\"\\|>[]{},=~<$.+_/",
  ..."yYnN0189eExobaz",
  "\n\n",
  "\n  ",
  "\n\t",
  " \n",
  ": ",
  " #",
  "---",
  "...",
  "<<",
  "true",
  "null",
  "1e3",
  "0x",
  "12:30",
  "{{",
  "[[",
  "\u0000",
  "\u0007",
  "\u001b",
  "\u007f",
  "\u0085",
  "\u00a0",
  "\u00e9",
  "\u2028",
  "\u2029",
  "\ufeff",
  "\ufffe",
  "\uffff",
  "\u5927",
  "\ud7ff",
  "\ue000",
  "😀",
  "\u{10ffff}",
];
const text = oneof(
  array(constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join("")),
  string({ unit: "binary", maxLength: 20 }),
  constantFrom("yes", "off", "1_000", "2021-01-01", "0o17", "1:20", "def f(x):\n    return x\n", "k".repeat(1100)),
);
const number = oneof(maxSafeInteger(), double({ noNaN: true, noDefaultInfinity: true }));
const { tree } = letrec<{ tree: Json }>((tie) => ({
  tree: oneof(
    { depthSize: "small", withCrossShrink: true },
    text,
    number,
    boolean(),
    constant(null),
    array(tie("tree"), { maxLength: 4 }),
    dictionary(text, tie("tree"), { maxKeys: 4 }),
  ),
}));

describe("emitYaml", () => {
  const readers: readonly { name: string; read: (source: string) => unknown }[] = [
    { name: "YAML 1.1", read: (source) => parse(source, { version: "1.1", maxAliasCount: 0 }) },
    { name: "YAML 1.2", read: (source) => parse(source, { version: "1.2", maxAliasCount: 0 }) },
    { name: "Bun", read: (source) => Bun.YAML.parse(source) },
  ];
  for (const { name, read } of readers) {
    test(`is read back equal by ${name}`, () => {
      assert(
        property(tree, (value) => {
          expect(read(emitYaml(value))).toEqual(value);
        }),
        { seed: SEED, numRuns: 2000 },
      );
    });

    test(`on one line is read back equal by ${name}`, () => {
      assert(
        property(tree, (value) => {
          const source = emitYaml([oneLine({ a: value }), { b: oneLine({ c: value }) }]);
          expect(source.split("\n")).toHaveLength(3);
          expect(read(source)).toEqual([{ a: value }, { b: { c: value } }]);
        }),
        { seed: SEED, numRuns: 1000 },
      );
    });
  }

  test("ends every document in one newline and never folds a line", () => {
    assert(
      property(tree, (value) => {
        const source = emitYaml(value);
        expect(source.endsWith("\n")).toBe(true);
        expect(source.endsWith("\n\n")).toBe(false);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

const { plain } = letrec<{ plain: Plain }>((tie) => ({
  plain: oneof(
    { depthSize: "small", withCrossShrink: true },
    text,
    bigInt(),
    double(),
    boolean(),
    constant(null),
    array(tie("plain"), { maxLength: 4 }),
    array(tuple(oneof(text, text, bigInt(), constantFrom("$float", "$map")), tie("plain")), {
      maxLength: 4,
    }).map((entries) => new Map<PlainKey, Plain>(entries)),
  ),
}));

describe("emitJson", () => {
  test("is JSON for any plain value, and can be read back", () => {
    assert(
      property(plain, constantFrom(0, 2), (value, indent) => {
        const source = emitJson(new Map([["value", value]]), indent);
        expect(revive(JSON.parse(source))).toEqual(loosened({ value } as unknown as Plain));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("writes plain trees as JSON.stringify does", () => {
    assert(
      property(tree, (value) => {
        expect(JSON.parse(emitJson(value))).toEqual(value);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

// --- internal ---

/** What JSON.parse gave, with the forms for floats and mappings undone. Mappings become lists of pairs. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === "$float") return Number(first[1]);
  if (entries.length === 1 && first?.[0] === "$map") {
    return pairs((first[1] as [unknown, unknown][]).map(([key, item]) => [key, revive(item)]));
  }
  return pairs(entries.map(([key, item]) => [key, revive(item)]));
}

/** The same shape for the value that was written; JSON.parse knows no ints, so they are compared as numbers. */
function loosened(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(loosened);
  if (value instanceof Map) return pairs([...value].map(([key, item]) => [loosened(key), loosened(item)]));
  if (typeof value !== "object" || value === null) return value;
  return pairs(Object.entries(value).map(([key, item]) => [key, loosened(item)]));
}

function pairs(entries: [unknown, unknown][]): unknown {
  // JavaScript moves keys like "1" to the front of an object, so the order is not compared here
  return { mapping: entries.map((entry) => JSON.stringify(entry, showNumber)).toSorted() };
}

function showNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
