/** The JSON Schema of kubeflow.yaml: generated, committed as generated, and true. */
import { describe, expect, test } from "bun:test";
import Ajv from "ajv";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { jsonSchema, kubeflowJsonSchema } from "../../schemas/json-schema.ts";
import { KUBEFLOW_WORDS } from "../../schemas/kubeflow-words.ts";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";

const ROOT = join(import.meta.dir, "../..");
const GOLDEN = join(ROOT, "../shared/golden");
const text = kubeflowJsonSchema();
const NOTHING = { words: {}, shared: new Map() };
const validate = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(JSON.parse(text));

function problems(file: unknown): string[] {
  validate(file);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

test("the committed file is up to date (./scripts/schemas writes it)", () => {
  expect(readFileSync(join(ROOT, "schemas/json/kubeflow.schema.json"), "utf8")).toBe(text);
});

test("kfk schema prints it", async () => {
  const world = fakeWorld();
  expect(await runCommandLine(world, ["schema"], "1.2.3", "")).toBe(0);
  expect(world.written.out()).toBe(text);
});

test("every word is about a key that exists", () => {
  const described = new Set<string>();
  const visit = (node: unknown, path: readonly string[]): void => {
    if (typeof node !== "object" || node === null) return;
    const { description, properties, additionalProperties, items, anyOf } = node as Record<string, unknown>;
    if (description !== undefined) described.add(path.join("."));
    for (const [key, child] of Object.entries(properties ?? {})) visit(child, [...path, key]);
    visit(additionalProperties, [...path, "*"]);
    visit(items, [...path, "*"]);
    for (const each of (anyOf as unknown[] | undefined) ?? []) visit(each, path);
  };
  visit(JSON.parse(text), []);
  expect(Object.keys(KUBEFLOW_WORDS).filter((path) => !described.has(path))).toEqual([]);
});

test("the example follows it", () => {
  expect(problems(parse(readFileSync(join(ROOT, "examples/spaceflights/conf/base/kubeflow.yaml"), "utf8")))).toEqual(
    [],
  );
});

test.skipIf(!existsSync(GOLDEN))("every file of the predecessor follows it", () => {
  const files = [...new Bun.Glob("*/*.kubeflow.yaml").scanSync({ cwd: GOLDEN })];
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    expect({ file, problems: problems(parse(readFileSync(join(GOLDEN, file), "utf8"))) }).toEqual({
      file,
      problems: [],
    });
  }
});

test.each([
  ["an unknown key", { run_config: { imgae: "x" } }, false],
  ["a wrong choice", { target: "airflow" }, false],
  ["a template where a choice is wanted", { target: "${oc.env:TARGET}" }, true],
  ["a template where a number is wanted", { run_config: { ttl: "${ttl|60}" } }, true],
  ["a template where a mapping is wanted", { run_config: { volume: "${globals:volume}" } }, true],
  ["text where a number is wanted", { run_config: { ttl: "soon" } }, false],
  ["nothing where something may be", { run_config: { volume: null } }, true],
  ["a list where a mapping is wanted", { run_config: [] }, false],
])("%s", (_, file, isGood) => {
  expect(problems(file).length === 0).toBe(isGood);
});

describe("jsonSchema", () => {
  test.each([
    ["flags of a pattern", v.pipe(v.string(), v.regex(/^on$/i)), { type: "string", pattern: "^[oO][nN]$" }],
    ["a choice that may be nothing", v.nullish(v.picklist(["a"])), { enum: ["a", null] }],
    ["anything that may be nothing", v.nullish(v.unknown()), {}],
    ["a literal", v.literal(false), { const: false }],
  ])("knows %s", (_, schema, wanted) => {
    expect(jsonSchema(schema, [], NOTHING)).toEqual(wanted);
  });

  test("says which form it does not know", () => {
    expect(() => jsonSchema(v.strictObject({ at: v.date() }), [], NOTHING)).toThrow(
      "at: no JSON Schema is known for valibot's date",
    );
  });
});
