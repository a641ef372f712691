/**
 * `--param` and `--params-file` → values of the project's parameters, for the plan of a document or of a run here:
 * which parameter is meant, and each value of a file held against the type of its default, as a run with a wrong one
 * would fail in its first step. `--param` wins over a file.
 */
import { resolve } from "node:path";
import { parameterName } from "../steps/names.ts";
import { isPlainList, isPlainMap, type Plain } from "../config/plain.ts";
import type { RunParam } from "../config/resolvers.ts";
import { placeOf, toPlain } from "../config/tree.ts";
import { parseYaml } from "../config/yaml.ts";
import { KfkError, type Place, suggest } from "../error.ts";
import type { ParameterTag } from "../steps/step.ts";
import { encodeJson, encodeParameter, encodeTyped, isEncodable, parseTyped } from "../steps/transport.ts";
import { noDefault, putNested } from "./nested-param.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** A parameter that can be given, by what it is without. */
interface Default {
  readonly key: string;
  readonly value: Plain;
  /** Its value as a person is shown it. */
  readonly text: string;
}

/** A parameter that `--param` gives. */
interface Given {
  readonly key: string;
  /** Name on the server. */
  readonly name: string;
  readonly value: Plain;
  /** As it was typed; of a value given in parts, the whole. */
  readonly text: string;
  /** Of its default. */
  readonly tag: ParameterTag;
}

/** Values of `--params-file` and `--param` by Kedro key. Errors: USAGE_VALUE, CONFIG_YAML, STEP_PARAMETER. */
export function givenParameters(call: Call, read: ReadProject): Map<string, Plain> {
  const known = knownParameters(read);
  const find = (key: string): Default | undefined => {
    const found = findKey(key, known);
    if (found === undefined) return undefined;
    const value = known.get(found) as Plain;
    return { key: found, value, text: encodeParameter(value).text };
  };
  const values = new Map<string, Plain>();
  for (const { parameter, value } of readParamsFiles(call, find, [...known.keys()])) values.set(parameter.key, value);
  for (const { key, value } of readGiven(call, read, values)) values.set(key, value);
  return values;
}

/**
 * `--param name=value` (also `name:value`, and `a.b=value` for a part): each parameter once, its value held against the
 * type of its default. `before`: values that others gave, into which parts are put. Errors: USAGE_VALUE, STEP_PARAMETER.
 */
export function readGiven(call: Call, read: ReadProject, before: ReadonlyMap<string, Plain>): readonly Given[] {
  const known = knownParameters(read);
  const values = new Map<string, Plain>();
  const texts = new Map<string, string>();
  for (const typed of call.options.list("param")) {
    const match = /^([^=:]+)[=:]([\s\S]*)$/.exec(typed);
    if (match?.[1] === undefined) {
      throw new KfkError("USAGE_VALUE", `--param wants NAME=VALUE, and this is "${typed}"`, {
        hint: "for example --param test_size=0.3",
      });
    }
    const name = match[1].trim();
    const { key, path } = findMeant(name, known, read);
    const fallback = known.get(key) as Plain;
    const parse = (as: Plain): Plain => parseAs(name, match[2] ?? "", as);
    if (path.length === 0) {
      values.set(key, parse(fallback));
      texts.set(key, match[2] ?? "");
      continue;
    }
    const nested = { name, key, path, parse };
    const value = values.get(key) ?? before.get(key) ?? fallback;
    if (value === null && runOnlyKeys(read).includes(key)) throw noDefault(nested);
    const whole = putNested(call, read, nested, value);
    values.set(key, whole);
    texts.set(key, encodeParameter(whole).text);
  }
  return [...values].map(([key, value]) => {
    return { key, name: parameterName(key), value, text: texts.get(key) ?? "", tag: tagOf(known.get(key)) };
  });
}

/** A value as the server carries it; plain text travels as it is, and only where nothing on the way would change it. */
export function encodeGiven({ name, tag }: Pick<Given, "name" | "tag">, value: Plain): string {
  return tag === "s" ? encodeTyped(name, value as string, tag) : encodeJson(value);
}

/** A parameter that no document carries cannot be changed from outside. */
export function staysInImage(key: string): KfkError {
  return new KfkError("STEP_PARAMETER", `parameter "${key}" stays in the image's conf, so a run cannot change it`, {
    hint: "change it in conf and build the image again",
  });
}

/**
 * The entries of all `--params-file`, in order. `find`: the parameter of a name.
 *
 * Errors: USAGE_VALUE for a missing file, CONFIG_YAML, STEP_PARAMETER with the place in the file.
 */
export function readParamsFiles<T extends Default>(
  call: Call,
  find: (key: string) => T | undefined,
  known: readonly string[],
): readonly { readonly parameter: T; readonly value: Plain }[] {
  return call.options.list("params-file").flatMap((file) => {
    const path = resolve(call.world.cwd, file);
    const text = call.world.files.readText(path);
    if (text === undefined) throw noParamsFile(file, call.world.files.kind(path) === "folder");
    const tree = parseYaml({ file, text });
    if (tree === undefined) return [];
    if (tree.kind !== "map") throw notMapping(file, placeOf(tree.at));
    return [...tree.entries].map(([key, node]) => {
      const at = placeOf(node.keyAt ?? node.at);
      const parameter = find(String(key));
      if (parameter === undefined) throw unknownInFile(String(key), known, at);
      const value = toPlain(node);
      if (value === undefined || !isEncodable(value)) throw wrongKind(parameter, "no value that JSON can carry", at);
      checkKind(parameter, value, at);
      return { parameter, value };
    });
  });
}

/** Errors: STEP_PARAMETER for a value of another type than the default's. */
export function checkKind(parameter: Default, value: Plain, at?: Place | undefined): void {
  const wanted = kindOf(parameter.value);
  const given = kindOf(value);
  // no default says nothing about the type; null takes a value away
  if (wanted === "null" || given === wanted || (given === "null" && wanted !== "text")) return;
  throw wrongKind(parameter, given, at);
}

/** Keys that are no parameters, and that the configuration asks the run for. */
export function runOnlyKeys({ configuration, model }: ReadProject): readonly string[] {
  return rootsOf(configuration.runParams).filter((key) => !model.parameters.has(key));
}

/** The top-level keys of run parameters, each once. */
export function rootsOf(asked: readonly RunParam[]): readonly string[] {
  return [...new Set(asked.map(({ key }) => rootOf(key)))];
}

/** `a.b[0]` → `a`. */
export function rootOf(key: string): string {
  return key.split(/[.[]/, 1)[0] as string;
}

// --- internal ---

function knownParameters(read: ReadProject): ReadonlyMap<string, Plain> {
  const known = new Map<string, Plain>(runOnlyKeys(read).map((key) => [key, null]));
  for (const [key, value] of read.model.parameters) if (typeof key === "string") known.set(key, value);
  return known;
}

function findKey(name: string, known: ReadonlyMap<string, Plain>): string | undefined {
  return known.has(name) ? name : [...known.keys()].find((candidate) => parameterName(candidate) === name);
}

/** The parameter of a name, as Kedro or as the server calls it, and the keys below it. */
function findMeant(
  name: string,
  known: ReadonlyMap<string, Plain>,
  read: ReadProject,
): { readonly key: string; readonly path: readonly string[] } {
  // a literal key "a.b" goes before a nested one
  for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
    const head = name.slice(0, end);
    const key = findKey(head, known);
    if (key !== undefined) return { key, path: end === name.length ? [] : name.slice(end + 1).split(".") };
    if (read.configuration.parameters.opaque.has(head)) throw staysInImage(head);
  }
  throw unknownParameter(name, [...known.keys()]);
}

/** Text as typed → a value of the kind of a default. */
function parseAs(name: string, text: string, fallback: Plain): Plain {
  if (!isEncodable(fallback)) throw staysInImage(name);
  const value = parseTyped(name, text, tagOf(fallback));
  checkKind({ key: name, value: fallback, text: encodeParameter(fallback).text }, value);
  return value;
}

function tagOf(value: Plain | undefined): ParameterTag {
  return encodeParameter(value ?? null).tag;
}

function kindOf(value: Plain): "null" | "true or false" | "a number" | "text" | "a list" | "a mapping" {
  if (value === null) return "null";
  if (isPlainList(value)) return "a list";
  if (isPlainMap(value)) return "a mapping";
  if (typeof value === "boolean") return "true or false";
  return typeof value === "string" ? "text" : "a number";
}

// --- problems ---

function noParamsFile(file: string, isFolder: boolean): KfkError {
  return new KfkError(
    "USAGE_VALUE",
    `--params-file ${file}: ${isFolder ? "this is a folder" : "there is no such file"}`,
    {
      hint: "give a YAML or JSON file with one entry for each parameter",
    },
  );
}

function notMapping(file: string, at: Place | undefined): KfkError {
  return new KfkError("STEP_PARAMETER", `${file} is no mapping`, {
    at,
    hint: "write one entry for each parameter, such as test_size: 0.3",
  });
}

function wrongKind(parameter: Default, given: string, at: Place | undefined): KfkError {
  return new KfkError(
    "STEP_PARAMETER",
    `parameter "${parameter.key}" is ${kindOf(parameter.value)}, and this is ${given}`,
    { at, hint: `its default is ${parameter.text}` },
  );
}

function unknownInFile(name: string, known: readonly string[], at: Place | undefined): KfkError {
  const near = suggest(name, known);
  return new KfkError("STEP_PARAMETER", `the pipeline has no parameter "${name}"`, {
    at,
    hint: near ? `did you mean ${near}?` : `it has ${known.join(", ") || "none"}`,
  });
}

function unknownParameter(name: string, known: readonly string[]): KfkError {
  const near = suggest(name, known) ?? suggest(name.split(".", 1)[0] as string, known);
  return new KfkError("STEP_PARAMETER", `the project has no parameter "${name}"`, {
    hint: near ? `did you mean ${near}?` : `it has ${known.join(", ") || "none"}`,
  });
}
