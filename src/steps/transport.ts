/**
 * How a value travels to a step as text, so that nothing on the way (KFP, Argo, Kubernetes, YAML, a shell) can
 * expand, split or re-type it.
 *
 * Rules: reference/compile-targets.md I.2 and I.4, proven with 5,400 values on real pods (KFP main, Argo 4.0.8) and
 * by pod specs of KFP 1.8.22 to 2.17.0. The other end is `runner.py`.
 */
import { encodeFloat, isPlainList, isPlainMap, type Plain } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import type { ParameterTag } from "./step.ts";

/**
 * Value → JSON in ASCII in which no character means anything to anyone but a JSON reader.
 *
 * Ints keep all their digits, floats stay floats (`1.0`, `1e-05`, `NaN`).
 * `gap`: what stands behind commas and colons; people do not read every text.
 * Errors: STEP_PARAMETER for a mapping whose keys are not text, which JSON cannot carry.
 */
export function encodeJson(value: Plain, gap: "" | " " = " "): string {
  if (value === null) return "null";
  if (isPlainList(value)) return `[${value.map((item) => encodeJson(item, gap)).join(`,${gap}`)}]`;
  if (isPlainMap(value)) {
    const entries = [...value].map(([key, item]) => {
      if (typeof key !== "string") {
        throw new KfkError("STEP_PARAMETER", `a mapping has the key ${String(key)}, which is not text`);
      }
      return `${encodeString(key)}:${gap}${encodeJson(item, gap)}`;
    });
    return `{${entries.join(`,${gap}`)}}`;
  }
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return value.toString();
    case "number":
      return encodeFloat(value);
    default:
      return encodeString(value as string);
  }
}

/** True when JSON can carry the value: every key of every mapping in it is text. */
export function isEncodable(value: Plain): boolean {
  if (isPlainList(value)) return value.every(isEncodable);
  if (isPlainMap(value)) return [...value].every(([key, item]) => typeof key === "string" && isEncodable(item));
  return true;
}

/** A parameter's text on the server and the tag that says how to read it back. */
export function encodeParameter(value: Plain): { readonly tag: ParameterTag; readonly text: string } {
  if (value === null) return { tag: "n", text: "null" };
  if (typeof value !== "string") return { tag: "j", text: encodeJson(value) };
  const encoded = encodeString(value);
  return encoded === `"${value}"` ? { tag: "s", text: value } : { tag: "q", text: encoded };
}

/**
 * What a person typed (`--param`, the server's form) → the value a node will get, by the parameter's tag.
 *
 * The runner does the same to the text that arrives; this is the early check.
 * Errors: STEP_PARAMETER, naming the parameter and what its default's type wants.
 */
export function parseTyped(name: string, text: string, tag: ParameterTag): Plain {
  switch (tag) {
    case "s":
      return text;
    case "q":
      return text.startsWith('"') ? parseJson(name, text) : text;
    case "j":
      return parseJson(name, text);
    case "n":
      try {
        return parseJson(name, text);
      } catch (error) {
        if (error instanceof KfkError) return text;
        throw error;
      }
  }
}

/** Text as typed → the text to send: a plain value is encoded again so that nothing in it is expanded on the way. */
export function encodeTyped(name: string, text: string, tag: ParameterTag): string {
  if (tag !== "s") return encodeJson(parseTyped(name, text, tag));
  const encoded = encodeString(text);
  if (encoded === `"${text}"`) return text;
  throw new KfkError("STEP_PARAMETER", `parameter "${name}" cannot carry ${encoded}`, {
    hint: "its default is plain text, so servers would change this value; set it in the project's parameters and compile again",
  });
}

// --- internal ---

/** JSON string literal: printable ASCII only, no `$`, no `{{`, no `[[`. */
function encodeString(text: string): string {
  let out = '"';
  let previous = "";
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index);
    const code = text.charCodeAt(index);
    const doubled = (char === "{" || char === "[") && previous === char;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (char === "$" || doubled || code < 0x20 || code > 0x7e) out += escapeUnit(code);
    else out += char;
    // an escaped bracket ends the run: in `{{{` only every second one needs it
    previous = doubled ? "" : char;
  }
  return `${out}"`;
}

function escapeUnit(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

function parseJson(name: string, text: string): Plain {
  try {
    return new JsonReader(text).readAll();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new KfkError("STEP_PARAMETER", `parameter "${name}" must be JSON, and this is not: ${text}`, {
      hint: `write numbers as 0.2, lists as [1, 2], text as "abc", and true, false or null in lower case`,
      cause: error,
    });
  }
}

/** JSON as Python's `json.loads` reads it: ints and floats told apart, NaN and Infinity allowed. */
class JsonReader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  readAll(): Plain {
    const value = this.readValue();
    this.skipSpace();
    if (this.at < this.text.length) throw this.fail();
    return value;
  }

  private readValue(): Plain {
    this.skipSpace();
    switch (this.text.charAt(this.at)) {
      case "{":
        return this.readMap();
      case "[":
        return this.readList();
      case '"':
        return this.readString();
      default:
        return this.readWord();
    }
  }

  private readMap(): Plain {
    const map = new Map<string, Plain>();
    this.at++;
    this.skipSpace();
    if (this.take("}")) return map;
    for (;;) {
      this.skipSpace();
      const key = this.readString();
      this.skipSpace();
      if (!this.take(":")) throw this.fail();
      map.set(key, this.readValue());
      this.skipSpace();
      if (this.take("}")) return map;
      if (!this.take(",")) throw this.fail();
    }
  }

  private readList(): Plain {
    const list: Plain[] = [];
    this.at++;
    this.skipSpace();
    if (this.take("]")) return list;
    for (;;) {
      list.push(this.readValue());
      this.skipSpace();
      if (this.take("]")) return list;
      if (!this.take(",")) throw this.fail();
    }
  }

  private readString(): string {
    const match = /"(?:[^"\\]|\\.)*"/sy;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) throw this.fail();
    this.at = match.lastIndex;
    return JSON.parse(found[0]) as string;
  }

  private readWord(): Plain {
    const match = /-?Infinity|NaN|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    match.lastIndex = this.at;
    const word = match.exec(this.text)?.[0];
    if (word === undefined || word === "") throw this.fail();
    this.at = match.lastIndex;
    if (word === "true") return true;
    if (word === "false") return false;
    if (word === "null") return null;
    if (/^-?\d+$/.test(word)) return BigInt(word);
    return Number(word);
  }

  private take(char: string): boolean {
    if (this.text.charAt(this.at) !== char) return false;
    this.at++;
    return true;
  }

  private skipSpace(): void {
    while (/[ \t\r\n]/.test(this.text.charAt(this.at))) this.at++;
  }

  private fail(): SyntaxError {
    return new SyntaxError(`not JSON at ${this.at}`);
  }
}
