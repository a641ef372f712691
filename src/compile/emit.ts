/**
 * Trees → text: the only place where documents are written. Same tree, same bytes; nothing is sorted, wrapped, folded
 * or aliased.
 *
 * YAML is for readers that disagree: Go (sigs.k8s.io/yaml 1.3, yaml.v3), PyYAML, YAML 1.1 and 1.2. So a text stays plain
 * only where no reader sees anything but text, and everything doubtful stands between double quotes. Characters beyond
 * U+FFFF are written raw, because Go refuses surrogate escapes; half of such a pair cannot be written and is refused.
 * Rules: reference/bun.md section 8 (tried on these readers), compile-targets.md D.13, D.14, I.1.
 */
import { KfkError } from "../error.ts";
import type { Plain, PlainKey } from "../config/plain.ts";
import { encodeFloat } from "../config/plain.ts";

/** Bytes of a document: etcd takes 1.5 MiB, Argo 1 MiB with its status; below this servers never complain (reference/kfp-api.md 7.4). */
export const MAX_DOCUMENT = 1_000_000;

/** What a document is made of. A key whose value is undefined is left out. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** What `emitJson` takes: plain trees, and values as Python sees them (`Plain`) inside a `Map`. */
export type JsonSource = Plain | undefined | readonly JsonSource[] | ReadonlyMap<PlainKey, JsonSource> | object;

/**
 * One YAML document, ending in a newline. Two of them make a stream with a line `---` between.
 *
 * Errors: STEP_TEXT for what no reader could read: half of a surrogate pair, a number that is not finite; STEP_TOO_LARGE
 * for nesting deeper than 200. Both name the place inside the document.
 */
export function emitYaml(value: Json): string {
  const out: string[] = [];
  writeYaml(value, { out, indent: "", path: [] }, "");
  return out.join("");
}

/**
 * Marks a mapping of a document to be written on one line, as `{name: fit, template: step}`: for entries that a document
 * has by the hundred. Text stands between single quotes there where that needs no escapes.
 */
export function oneLine(value: JsonObject): JsonObject {
  return { ...value, [ONE_LINE]: true } as JsonObject;
}

/**
 * JSON text without a newline at the end. `indent`: spaces for each level, 0 writes one line.
 *
 * Inside a `Map` and the lists in it, values are `Plain`: a bigint keeps its digits, a number is a float and is written
 * as Python writes it (`1.0`, `1e-05`). Inside an object a number is JavaScript's (`1`).
 * The result is always JSON that any reader takes. What JSON lacks is written in a form that can be read back:
 * `{"$float": "NaN"}`, also `Infinity` and `-Infinity`; `{"$map": [[key, value], …]}` for a mapping with a key that is
 * not text, or whose only key is `$float` or `$map` itself.
 */
export function emitJson(value: JsonSource, indent = 2): string {
  return writeJson(value, { step: " ".repeat(indent), indent: "", plain: false, path: [] });
}

// --- internal ---

/** A symbol, so that it is no key of the mapping for anybody else. */
const ONE_LINE = Symbol("one line");

/** Go's YAML readers stop at 10,000; no document of kfk comes near either. A tree that holds itself ends here. */
const MAX_DEPTH = 200;

/** YAML 1.1 and 1.2 take an implicit key of at most 1,024 characters. */
const MAX_IMPLICIT_KEY = 1000;

interface YamlState {
  readonly out: string[];
  readonly indent: string;
  readonly path: readonly (string | number)[];
}

/**
 * Writes a value after `lead`: what stands between the parent's mark (`key:`, `-`) and the value on the same line.
 * Every branch ends its own line.
 */
function writeYaml(value: Json, state: YamlState, lead: "" | " "): void {
  const { out, indent, path } = state;
  if (Array.isArray(value)) {
    if (value.length === 0) {
      out.push(`${lead}[]\n`);
      return;
    }
    checkDepth(path);
    if (lead !== "") out.push("\n");
    for (const [index, item] of (value as readonly Json[]).entries()) {
      // `Array.entries` also visits holes, which are refused as undefined
      writeItem(item, { out, indent, path: [...path, index] });
    }
    return;
  }
  if (isObject(value)) {
    const entries = entriesOf(value, path);
    if (entries.length === 0) {
      out.push(`${lead}{}\n`);
      return;
    }
    checkDepth(path);
    if (isOneLine(value)) {
      out.push(`${lead}${flow(value, path)}\n`);
      return;
    }
    if (lead !== "") out.push("\n");
    for (const [key, item] of entries) {
      out.push(indent);
      writeEntry(key, item, { out, indent, path: [...path, key] });
    }
    return;
  }
  out.push(`${lead}${scalar(value, indent, path)}\n`);
}

/** `- …`, where the first line of a mapping or list stands behind the dash. */
function writeItem(item: Json, state: YamlState): void {
  const { out, indent, path } = state;
  const inner = `${indent}  `;
  out.push(`${indent}-`);
  if (Array.isArray(item) && item.length > 0) {
    checkDepth(path);
    // the first inner dash follows on this line, so its indentation is cut off again
    const nested: string[] = [];
    for (const [index, each] of (item as readonly Json[]).entries()) {
      writeItem(each, { out: nested, indent: inner, path: [...path, index] });
    }
    out.push(" ", nested.join("").slice(inner.length));
    return;
  }
  if (isObject(item) && !isOneLine(item)) {
    const entries = entriesOf(item, path);
    if (entries.length > 0) {
      checkDepth(path);
      for (const [index, [key, each]] of entries.entries()) {
        out.push(index === 0 ? " " : inner);
        writeEntry(key, each, { out, indent: inner, path: [...path, key] });
      }
      return;
    }
  }
  writeYaml(item, { out, indent: inner, path }, " ");
}

function writeEntry(key: string, value: Json, state: YamlState): void {
  const { out, indent, path } = state;
  const text = quoteUnlessPlain(key, path);
  out.push(text.length > MAX_IMPLICIT_KEY ? `? ${text}\n${indent}:` : `${text}:`);
  writeYaml(value, { out, indent: `${indent}  `, path }, " ");
}

function isOneLine(value: JsonObject): boolean {
  return ONE_LINE in value;
}

/** Flow style. Plain text holds none of its marks (`PLAIN`). */
function flow(value: Json, path: readonly (string | number)[]): string {
  if (Array.isArray(value)) {
    checkDepth(path);
    return `[${Array.from(value as readonly Json[], (item, index) => flow(item, [...path, index])).join(", ")}]`;
  }
  if (isObject(value)) {
    checkDepth(path);
    const entries = entriesOf(value, path).map(([key, item]) => {
      const text = quoteUnlessPlain(key, path);
      return `${text.length > MAX_IMPLICIT_KEY ? "? " : ""}${text}: ${flow(item, [...path, key])}`;
    });
    return `{${entries.join(", ")}}`;
  }
  if (typeof value === "string" && /["\\]/.test(value) && SINGLE_QUOTED.test(value)) return `'${value}'`;
  return typeof value === "string" ? quoteUnlessPlain(value, path) : scalar(value, "", path);
}

function scalar(value: Json, indent: string, path: readonly (string | number)[]): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      return yamlNumber(value, path);
    case "string":
      return isBlockSafe(value) ? block(value, indent) : quoteUnlessPlain(value, path);
    default:
      throw notData(value, path);
  }
}

/** Digits as every reader takes them: an exponent needs a dot before it and a sign (PyYAML). */
function yamlNumber(value: number, path: readonly (string | number)[]): string {
  if (!Number.isFinite(value)) throw notFinite(value, path);
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return /^-?\d+e/.test(text) ? text.replace("e", ".0e") : text;
}

/** Words that some reader takes for something else, in lower case. */
const WORDS = new Set(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"]);

/** Starts with a letter, so no number, date or mark of YAML; holds no blank, colon or hash. */
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./@-]*$/;

/** Printable ASCII without the quote itself: every reader takes it as it is. */
const SINGLE_QUOTED = /^[\u0020-\u0026\u0028-\u007e]*$/;

function quoteUnlessPlain(text: string, path: readonly (string | number)[]): string {
  if (PLAIN.test(text) && !WORDS.has(text.toLowerCase())) return text;
  if (!text.isWellFormed()) throw halfPair(text, path);
  // JSON's escapes are YAML's; what JSON leaves raw and some YAML reader refuses, changes or hides is escaped as well
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Lines that a literal block gives back exactly, everywhere: the first starts with no blank (or the indentation would be
 * guessed wrongly), none starts with a tab or ends in a blank, no empty line at the end, nothing that is no plain
 * printable character.
 */
function isBlockSafe(text: string): boolean {
  return (
    text.includes("\n") &&
    !/^[\s]/.test(text) &&
    !text.endsWith("\n\n") &&
    !/[ \t](?:\n|$)|\n\t/.test(text) &&
    !/[^\n\t\u0020-\u007e\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u.test(text)
  );
}

function block(text: string, indent: string): string {
  const inner = indent === "" ? "  " : indent;
  const ends = text.endsWith("\n");
  const lines = (ends ? text.slice(0, -1) : text).split("\n");
  return `${ends ? "|" : "|-"}\n${lines.map((line) => (line === "" ? "" : inner + line)).join("\n")}`;
}

interface JsonState {
  readonly step: string;
  readonly indent: string;
  /** True inside a Map: a number is a float of Python's. */
  readonly plain: boolean;
  readonly path: readonly (string | number)[];
}

function writeJson(value: JsonSource, state: JsonState): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return value.toString();
    case "string":
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) return wrapJson([['"$float"', JSON.stringify(encodeFloat(value))]], state);
      return state.plain || Object.is(value, -0) ? encodeFloat(value) : String(value);
    case "object":
      break;
    default:
      throw notData(value, state.path);
  }
  checkDepth(state.path);
  const inner = { ...state, indent: state.indent + state.step };
  if (Array.isArray(value)) {
    // `Array.from` also visits holes, which are refused as undefined
    const items = Array.from(value as readonly JsonSource[], (item, index) =>
      writeJson(item, { ...inner, path: [...state.path, index] }),
    );
    return wrapItems("[", items, "]", state);
  }
  if (value instanceof Map) return writeMap(value as ReadonlyMap<PlainKey, JsonSource>, { ...state, plain: true });
  const entries = entriesOf(value, state.path).map(([key, item]): [string, string] => [
    JSON.stringify(key),
    writeJson(item, { ...inner, plain: false, path: [...state.path, key] }),
  ]);
  return wrapJson(entries, state);
}

function writeMap(map: ReadonlyMap<PlainKey, JsonSource>, state: JsonState): string {
  const keys = [...map.keys()];
  const isText = keys.every((key) => typeof key === "string");
  if (!isText || (keys.length === 1 && (keys[0] === "$float" || keys[0] === "$map"))) {
    const pairs = [...map].map(([key, item]): JsonSource => [key, item]);
    const inner = { ...state, indent: state.indent + state.step, path: [...state.path, "$map"] };
    return wrapJson([['"$map"', writeJson(pairs, inner)]], state);
  }
  const inner = { ...state, indent: state.indent + state.step };
  const entries = [...map].map(([key, item]): [string, string] => [
    JSON.stringify(key),
    writeJson(item, { ...inner, path: [...state.path, String(key)] }),
  ]);
  return wrapJson(entries, state);
}

function wrapJson(entries: readonly (readonly [string, string])[], state: JsonState): string {
  const items = entries.map(([key, item]) => `${key}: ${item}`);
  return wrapItems("{", items, "}", state);
}

function wrapItems(open: string, items: readonly string[], close: string, state: JsonState): string {
  if (items.length === 0) return open + close;
  if (state.step === "") return `${open}${items.join(", ")}${close}`;
  const inner = `\n${state.indent}${state.step}`;
  return `${open}${inner}${items.join(`,${inner}`)}\n${state.indent}${close}`;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Own entries of a plain object, without undefined ones. Anything else with a prototype (Date, Map) would be lost. */
function entriesOf(value: object, path: readonly (string | number)[]): [string, Json][] {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notData(value, path);
  return Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== undefined);
}

function checkDepth(path: readonly (string | number)[]): void {
  if (path.length <= MAX_DEPTH) return;
  throw new KfkError("STEP_TOO_LARGE", `the document is nested deeper than ${MAX_DEPTH} levels`, {
    notes: [{ message: `at ${showPath(path.slice(0, 8))}…` }],
  });
}

function notFinite(value: number, path: readonly (string | number)[]): KfkError {
  return new KfkError("STEP_TEXT", `the number ${value} at ${showPath(path)} cannot be written into a document`);
}

function halfPair(text: string, path: readonly (string | number)[]): KfkError {
  const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  return new KfkError(
    "STEP_TEXT",
    `the text ${shown} at ${showPath(path)} holds half of a character (a lone surrogate)`,
    {
      hint: "no document can carry it: take the character out",
    },
  );
}

/** Only code can put such a value into a document: kfk's own (a bug) or a hook's, whose caller checks the shape. */
function notData(value: unknown, path: readonly (string | number)[]): Error {
  const name = typeof value === "object" && value !== null ? value.constructor.name : typeof value;
  return new TypeError(`not data at ${showPath(path)}: ${name}`);
}

/** `spec.templates[3].name`, as people write it. */
function showPath(path: readonly (string | number)[]): string {
  if (path.length === 0) return "the top of the document";
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      if (!/^[\w-]+$/.test(part)) return `[${JSON.stringify(part)}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join("");
}
