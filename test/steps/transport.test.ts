import { describe, expect, test } from "bun:test";
import { isKfkError } from "../../src/error.ts";
import type { Plain } from "../../src/config/plain.ts";
import { encodeJson, encodeParameter, encodeTyped, parseTyped } from "../../src/steps/transport.ts";

const VALUES: readonly [string, Plain, string, string][] = [
  // name, value, tag, text on the server
  ["digits that are text", "0123", "s", "0123"],
  ["a word that YAML reads as true", "on", "s", "on"],
  ["a small float", 1e-5, "j", "1e-05"],
  ["a whole float", 1, "j", "1.0"],
  ["a time that YAML reads as a number", "12:30", "s", "12:30"],
  ["a tag of Argo", "{{workflow.name}}", "q", '"{\\u007bworkflow.name}}"'],
  ["a shell variable", "$HOME", "q", '"\\u0024HOME"'],
  ["two dollars", "$$", "q", '"\\u0024\\u0024"'],
  ["a variable of Kubernetes", "$(X)", "q", '"\\u0024(X)"'],
  ["an interpolation", "${x}", "q", '"\\u0024{x}"'],
  ["a macro of KFP", "[[RunUUID]]", "q", '"[\\u005bRunUUID]]"'],
  ["quotes", `a"b'c`, "q", `"a\\"b'c"`],
  ["a newline", "a\nb", "q", '"a\\u000ab"'],
  ["an emoji", "🚀", "q", '"\\ud83d\\ude80"'],
  ["an int beyond doubles", 2n ** 60n, "j", "1152921504606846976"],
  ["null", null, "n", "null"],
  ["nested lists", [[1n, 2n], ["$"]], "j", '[[1, 2], ["\\u0024"]]'],
  ["a mapping", new Map<string, Plain>([["a.b", true]]), "j", '{"a.b": true}'],
  ["the empty text", "", "s", ""],
];

describe("encodeParameter", () => {
  test.each(VALUES)("%s", (_, value, tag, text) => {
    expect(encodeParameter(value) as { tag: string; text: string }).toEqual({ tag, text });
  });

  test.each(VALUES)("%s comes back as it was", (name, value) => {
    const { tag, text } = encodeParameter(value);
    expect(parseTyped(name, text, tag)).toEqual(value);
  });
});

describe("parseTyped", () => {
  const ROWS: readonly [string, "s" | "q" | "j" | "n", string, Plain][] = [
    ["text stays text", "s", "0123", "0123"],
    ["text with quotes stays as typed", "s", '"abc"', '"abc"'],
    ["q: plain text", "q", "abc", "abc"],
    ["q: JSON text", "q", '"abc"', "abc"],
    ["j: an int", "j", "3", 3n],
    ["j: a float", "j", "3.0", 3],
    ["j: a list", "j", "[1, 2.5]", [1n, 2.5]],
    ["n: a number", "n", "5", 5n],
    ["n: anything else is text", "n", "None", "None"],
  ];
  test.each(ROWS)("%s", (name, tag, text, value) => {
    expect(parseTyped(name, text, tag)).toEqual(value);
  });

  test.each([["abc"], ["True"], [""], ["[1,"]])("refuses %p where JSON is wanted, naming the parameter", (text) => {
    let error: unknown;
    try {
      parseTyped("test_size", text, "j");
    } catch (thrown) {
      error = thrown;
    }
    expect(isKfkError(error, "STEP_PARAMETER")).toBe(true);
    expect((error as Error).message).toBe(`parameter "test_size" must be JSON, and this is not: ${text}`);
  });
});

test("typed text is encoded again, so that nothing in it is expanded", () => {
  expect(encodeTyped("a", "{{workflow.name}}", "q")).toBe('"{\\u007bworkflow.name}}"');
  expect(() => encodeTyped("a", "$$", "s")).toThrow('parameter "a" cannot carry "\\u0024\\u0024"');
});

test("a mapping with keys that are not text is refused", () => {
  expect(() => encodeJson(new Map([[1n, "a"]]))).toThrow("a mapping has the key 1, which is not text");
});
