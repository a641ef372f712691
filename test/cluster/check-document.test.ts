import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkDocument, checkValues } from "../../src/cluster/check-document.ts";
import { isKfkError } from "../../src/error.ts";
import { RECORDINGS } from "../judges/kfp-said.ts";

const parse = (text: string): unknown => Bun.YAML.parse(text);

function problemOf(text: string): string {
  try {
    checkDocument(text, parse);
    return "";
  } catch (error) {
    if (isKfkError(error, "SERVER_DOCUMENT")) return error.message;
    throw error;
  }
}

describe("recorded documents", () => {
  const defs = join(RECORDINGS, "defs");
  test.each(readdirSync(defs).toSorted())("%s", (file) => {
    const problem = problemOf(readFileSync(join(defs, file), "utf8"));
    // unknown fields vanish in silence on every server, and what is known differs from one to the next
    const isAccepted =
      (!file.startsWith("bad-") && file !== "argo-no-generatename.yaml") || /unknown-field|unresolved-param/.test(file);
    expect([file, problem !== ""]).toEqual([file, !isAccepted]);
  });
});

test.each([
  ["no entrypoint", "spec: {templates: []}", "the document cannot run: it has no spec.entrypoint"],
  [
    "an entrypoint that is no template",
    "spec: {entrypoint: a, templates: [{name: b}]}",
    'the document cannot run: its entrypoint "a" is no template',
  ],
  [
    "a missing template",
    "spec: {entrypoint: a, templates: [{name: a, dag: {tasks: [{name: x, template: b}]}}]}",
    'the document cannot run: task "x" of "a" wants the template "b", and there is none',
  ],
  [
    "parameters over the limit",
    `spec: {entrypoint: a, templates: [{name: a}], arguments: {parameters: [{name: p, value: ${"x".repeat(10_000)}}]}}`,
    "the list of its parameters' defaults has 10025 bytes, and servers take 10000",
  ],
  [
    "a workflow over the limit",
    `spec: {entrypoint: a, templates: [{name: a, container: {args: ["${"x".repeat(1_048_576)}"]}}]}`,
    "the workflow has 1048743 bytes, and servers take 1048576",
  ],
])("refuses %s", (_, spec, message) => {
  expect(problemOf(`apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: a-}\n${spec}\n`)).toBe(
    message,
  );
});

test("a parameter without a value must be given by the run", () => {
  const text =
    "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: a-}\n" +
    "spec: {entrypoint: a, templates: [{name: a}], arguments: {parameters: [{name: p}]}}\n";
  const document = checkDocument(text, parse);
  expect(() => checkValues(document, [{ name: "p" }])).not.toThrow();
  expect(() => checkValues(document, [])).toThrow('its parameter "p" has no value');
});
