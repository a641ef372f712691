import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { isKfkError, KfkError } from "../../src/error.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import cases from "../cases/config/yaml.json";
import { note } from "./tree-text.ts";

function read(text: string): unknown {
  try {
    const tree = parseYaml({ file: "conf/base/x.yml", text });
    return { ok: tree === undefined ? { m: [] } : note(tree) };
  } catch (error) {
    if (isKfkError(error, "CONFIG_YAML")) return { err: true };
    throw error;
  }
}

const INDENT =
  "indent with care: keys that belong together begin in the same column, and what belongs to a key is indented deeper";

describe("parseYaml", () => {
  for (const [text, want] of cases.rows as unknown as [string, { ok?: unknown; err?: true }][]) {
    test(`reads ${JSON.stringify(text)} as OmegaConf does`, () => expect(read(text)).toEqual(want));
  }

  test("reads the same with Windows line ends", () => {
    const text = "a: 1\nb:\n  - x\n  - |\n    y\n    z\n";
    expect(read(text.replaceAll("\n", "\r\n"))).toEqual(read(text));
  });

  test("keeps the place of keys and values", () => {
    const tree = parseYaml({ file: "f.yml", text: "a: 1\nb:\n  c: [x, 'y']\n" });
    const b = tree?.kind === "map" ? tree.entries.get("b") : undefined;
    const c = b?.kind === "map" ? b.entries.get("c") : undefined;
    const y = c?.kind === "list" ? c.items[1] : undefined;
    expect([b?.keyAt?.start, c?.at?.start, y?.at?.start, y?.at?.end]).toEqual([5, 13, 17, 20]);
  });

  const errors: { name: string; text: string; line: number; column: number; message: string; hint?: string }[] = [
    {
      name: "a tab as indentation",
      text: "a:\n\tb: 1\n",
      line: 2,
      column: 1,
      message: "a tab is used for indentation",
      hint: "indent with spaces",
    },
    {
      name: "a tab on an empty line",
      text: "a: 1\n  \t\nb: 2\n",
      line: 2,
      column: 3,
      message: "a tab is used for indentation",
      hint: "indent with spaces",
    },
    {
      name: "a second document",
      text: "a: 1\n---\nb: 2\n",
      line: 2,
      column: 1,
      message: "the file holds more than one document",
      hint: "remove the line ---",
    },
    {
      name: "an unknown tag",
      text: "a: !secret b\n",
      line: 1,
      column: 12,
      message: "the tag !secret is not known to Kedro's configuration",
      hint: "remove the tag",
    },
    {
      name: "a key twice",
      text: "a: 1\nb: 2\na: 3\n",
      line: 3,
      column: 1,
      message: 'the key "a" is set twice in one mapping',
      hint: "remove one of them",
    },
    {
      name: "an unquoted template",
      text: "a: {{ x }}\n",
      line: 1,
      column: 5,
      message: "a mapping or a list cannot be a key",
      hint: "quote text that starts with { or [",
    },
    {
      name: "an alias without anchor",
      text: "a: *b\n",
      line: 1,
      column: 4,
      message: "*b has no anchor &b before it",
      hint: "quote text that starts with *",
    },
    { name: "an alias of itself", text: "a: &x [*x]\n", line: 1, column: 8, message: "an alias contains itself" },
    {
      name: "a null key",
      text: "~: 1\n",
      line: 1,
      column: 1,
      message: "a key cannot be null",
      hint: 'quote it: "null"',
    },
    {
      name: "a colon in a value",
      text: "a: b: c\n",
      line: 1,
      column: 4,
      message: "broken YAML: nested mappings are not allowed in compact mappings",
      hint: "quote text that contains a colon and a space",
    },
    {
      name: "a list that is not closed",
      text: "a: [1, 2\nb: 3\n",
      line: 2,
      column: 1,
      message: "broken YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
      hint: "close the list or mapping that opens with [ or {",
    },
    {
      name: "a quote that is never closed, where it opens",
      text: 'host: x\nrun:\n  image: "a/b:1\n  volume:\n    size: 1Gi\n',
      line: 3,
      column: 10,
      message: "broken YAML: the quote that opens here is never closed",
      hint: "close it where its text ends, or take it away",
    },
    {
      name: "a quote that another one closes lines later",
      text: 'run:\n  image: "a/b:1\n  name: "x"\n',
      line: 3,
      column: 10,
      message: "broken YAML: unexpected scalar at node end",
      hint: "close the quote where its text ends",
    },
    {
      name: "a key too far to the left",
      text: "run:\n    image: a\n  volume: b\n",
      line: 3,
      column: 1,
      message: "broken YAML: all mapping items must start at the same column",
      hint: INDENT,
    },
    {
      name: "a key too far to the right",
      text: "run:\n  image: a\n   volume: b\n",
      line: 2,
      column: 10,
      message: "broken YAML: nested mappings are not allowed in compact mappings",
      hint: INDENT,
    },
  ];
  for (const { name, text, line, column, message, hint } of errors) {
    test(`refuses ${name}`, () => {
      const error = caught(() => parseYaml({ file: "conf/base/x.yml", text }));
      expect([error.code, error.message, error.hint, error.at?.file, error.at?.line, error.at?.column]).toEqual([
        "CONFIG_YAML",
        message,
        hint,
        "conf/base/x.yml",
        line,
        column,
      ]);
      expect(error.at?.text).toBe(text);
    });
  }

  test("refuses aliases that multiply", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 9; level++)
      lines.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}*a${level - 1}]`);
    const error = caught(() => parseYaml({ file: "x.yml", text: lines.join("\n") }));
    expect([error.code, error.message]).toEqual([
      "CONFIG_YAML",
      "the aliases of the file stand for far more values than are written in it",
    ]);
  });

  test("never throws anything but its own errors", () => {
    const piece = fc.constantFrom(
      "a",
      ": ",
      "\n",
      "  ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      "'",
      '"',
      "&x ",
      "*x",
      "|",
      ">",
      "#",
      "\t",
      "<<: ",
      "!!int ",
      "1",
      "?",
      ",",
      "%",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        read(pieces.join(""));
      }),
      { seed: 20, numRuns: 1500 },
    );
  });
});

function caught(run: () => unknown): KfkError {
  try {
    run();
  } catch (error) {
    if (error instanceof KfkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
