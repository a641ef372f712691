import { describe, expect, test } from "bun:test";
import {
  contentName,
  describeVersion,
  hasContent,
  isForRun,
  type MarkedVersion,
  markedVersion,
  turnOf,
  uploadsOf,
} from "../../src/cluster/version-mark.ts";

const TEXT = "kind: Workflow\n";
const ONE = { text: TEXT, words: "", commit: null, turn: 1 };

function version(description: string, more: Partial<MarkedVersion> = {}): MarkedVersion {
  return { id: "v", name: "shop", createdAt: "2026-01-01T00:00:00Z", description, declared: [], ...more };
}

describe("the mark in a description", () => {
  test.each([
    ["an upload", { ...ONE, turn: 12 }, false, 12],
    ["made for a run", { ...ONE, turn: null }, true, 0],
    ["a commit behind it", { ...ONE, commit: "0123456789ab+" }, false, 1],
    ["words that look like one", { ...ONE, words: `[content ${"0".repeat(32)} for a run]` }, false, 1],
    ["words that are cut", { ...ONE, words: "x".repeat(999), commit: "c".repeat(40) }, false, 1],
  ] as const)("%s", (_, words, forRun, turn) => {
    const description = describeVersion(words);
    const made = version(description);
    expect(description.length).toBeLessThanOrEqual(255);
    expect([hasContent(made, TEXT), hasContent(made, `${TEXT}#`), isForRun(made), turnOf(made)]).toEqual([
      true,
      false,
      forRun,
      turn,
    ]);
  });

  test("of another content outweighs the name; without one the name says it", () => {
    const other = describeVersion({ ...ONE, text: "other" });
    for (const name of [contentName(TEXT), contentName(TEXT, true)]) {
      expect([hasContent(version("", { name }), TEXT), hasContent(version(other, { name }), TEXT)]).toEqual([
        true,
        false,
      ]);
    }
  });

  test("of a first version stands with the pipeline where both have one id", () => {
    const raw = { id: "p", name: "shop", description: "", created_at: "t", resource_references: [] };
    const pipeline = { id: "p", description: describeVersion(ONE) };
    expect(hasContent(markedVersion(pipeline, raw), TEXT)).toBe(true);
    expect(hasContent(markedVersion(pipeline, { ...raw, id: "v" }), TEXT)).toBe(false);
  });
});

test("uploads come newest first: by second, then by their number, then as the server says", () => {
  const at = (id: string, second: number, description: string): MarkedVersion =>
    version(description, { id, createdAt: `2026-01-01T00:00:0${second}Z` });
  const all = [
    at("by hand", 1, ""),
    at("default", 1, ""),
    at("second", 1, describeVersion({ ...ONE, turn: 2 })),
    at("first", 1, describeVersion(ONE)),
    at("run", 3, describeVersion({ ...ONE, turn: null })),
    at("later, by hand", 2, ""),
  ];
  expect(uploadsOf(all, "default").map(({ id }) => id)).toEqual([
    "later, by hand",
    "second",
    "first",
    "default",
    "by hand",
  ]);
});
