/**
 * YAML or JSON text → a tree with the place of every value, in the dialect that OmegaConf reads: YAML 1.1 as PyYAML
 * understands it, without timestamps (a date is text) and with a better rule for floats (`1e-3` is one).
 *
 * The package `yaml` finds the structure; what a plain word means is decided here, because no schema of the package
 * is PyYAML's (`014` is octal, `1:30` is 90, `0o14`, `y` and `08` are text). Refused with the place: broken syntax,
 * several documents, tags other than the standard ones, the same text key twice, keys that are no scalars, aliases
 * that contain themselves or multiply beyond a limit.
 * Source: OmegaConf 2.3.1 `get_yaml_loader`, PyYAML 6.0.3 `resolver.py` and `constructor.py`.
 * Long, because a third of it is the wording of its problems.
 */
import {
  isAlias,
  isNode,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Node,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { KfkError } from "../error.ts";
import type { PlainKey } from "./plain.ts";
import { adopt, placeOf, type ConfigNode, type SourceText, type Spot } from "./tree.ts";
import { problemAt, syntaxProblem, tabIndent } from "./yaml-syntax.ts";

/** Values that the aliases of one file may add to those that are written in it. */
const MAX_VALUES = 100_000;
/** Values in one file whose further lines are indented less than their key. */
const MAX_INDENTED = 1_000;
/** Nesting of mappings and lists; Python itself gives up near 1,000. */
const MAX_DEPTH = 200;

/**
 * Whose rules plain words follow: OmegaConf's, or PyYAML's own (Kedro's ConfigLoader below 0.19), where `1e-3` is text
 * and a date is a date, which configuration here has no type for.
 */
export type Dialect = "omegaconf" | "pyyaml";

/**
 * The tree of one file, or undefined for a file with nothing in it.
 *
 * Errors: CONFIG_YAML with the place.
 */
export function parseYaml(written: SourceText, dialect: Dialect = "omegaconf"): ConfigNode | undefined {
  const source = withPlainEnds(written);
  checkCharacters(source);
  const { text, document } = parseLenient(source);
  const problem = document.errors[0];
  if (problem) throw syntaxProblem(source, text, document, problem);
  if (text.text.includes("\t")) checkTabs(text, document);
  const root = document.contents;
  if (root === null) return undefined;
  if (isScalar(root) && root.value === "" && root.type === "PLAIN" && root.tag === undefined) return undefined;
  return new TreeBuilder(text, dialect).build(root as Node, 0, false);
}

/** What a plain (unquoted) word means: PyYAML's implicit resolvers in their order. Errors: SyntaxError. */
function readPlainWord(word: string, dialect: Dialect = "omegaconf"): null | boolean | bigint | number | string {
  const first = word.charCodeAt(0);
  // Only words that start like this can be anything but text.
  const digitLike = (first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e;
  if (digitLike) {
    if (FLOAT.test(word)) return readFloat(word);
    if (INT.test(word)) return readInt(word);
    if (dialect === "omegaconf" && OMEGACONF_FLOAT.test(word)) return readFloat(word);
    return word;
  }
  if (word.length <= 5) {
    const known = WORDS.get(word);
    if (known !== undefined) return known;
  }
  return word;
}

// --- internal ---

type Parsed = ReturnType<typeof parseDocument>;

/** A carriage return alone ends a line for PyYAML and not for the package; offsets stay as they are. */
function withPlainEnds(source: SourceText): SourceText {
  return /\r(?!\n)/.test(source.text) ? { ...source, text: source.text.replaceAll(/\r(?!\n)/g, "\n") } : source;
}

/**
 * The document, and the text it was parsed from. The package refuses quoted text, lists and mappings in brackets
 * whose further lines are indented less than their key; PyYAML does not look at that indentation, which is no part of
 * the value. Such lines are moved to the right.
 */
function parseLenient(source: SourceText): { text: SourceText; document: Parsed } {
  let text = source;
  for (let round = 0; ; round++) {
    const document = parse(text);
    const problem = document.errors[0];
    const breaksOff = problem?.code === "MISSING_CHAR" || problem?.code === "BAD_INDENT";
    if (!breaksOff || round === MAX_INDENTED) return { text, document };
    const moved = indentBroken(text.text, document, problem.pos[0]);
    if (moved === undefined) return { text, document };
    text = { ...source, text: moved };
  }
}

function parse(source: SourceText): Parsed {
  try {
    return parseDocument(source.text, {
      schema: "failsafe",
      version: "1.1",
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: "error",
      stringKeys: false,
    });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep({ source, start: 0, end: 0 });
    throw error;
  }
}

/** The text with the further lines of the node that breaks off at `end` indented; undefined if none does. */
function indentBroken(text: string, document: Parsed, end: number): string | undefined {
  let broken: string | undefined;
  let start = -1;
  visit(document, {
    Node: (_, node) => {
      const open = isNode(node) && node.range ? node.range[0] : -1;
      if (open < 0 || open >= end || !/["'[{]/.test(text[open] ?? "")) return undefined;
      const whole = flowAt(text, open);
      if (whole === undefined || open + whole.length < end) return undefined;
      broken = whole;
      start = open;
      return visit.BREAK;
    },
  });
  if (!broken?.includes("\n") || /^(?:---|\.\.\.)/m.test(broken)) return undefined;
  const column = start - (text.lastIndexOf("\n", start - 1) + 1);
  const moved = broken.replaceAll(/\n(?=[^\r\n])/g, `\n${" ".repeat(column)}`);
  return moved === broken ? undefined : text.slice(0, start) + moved + text.slice(start + broken.length);
}

/** The quoted text, list or mapping in brackets that starts at `start`, up to its own end; undefined without one. */
function flowAt(text: string, start: number): string | undefined {
  let depth = 0;
  FLOW_PART.lastIndex = start;
  for (let found = FLOW_PART.exec(text); found; found = FLOW_PART.exec(text)) {
    const [part] = found;
    if (/^[[{]/.test(part)) depth++;
    else if (/^[\]}]/.test(part)) depth--;
    if (depth === 0) return text.slice(start, FLOW_PART.lastIndex);
  }
  return undefined;
}

/** Quoted text where a value may start, a bracket, a comment, other text. */
const FLOW_PART =
  /(?<=^|[[{,:?]\s*|\s)(?:'(?:[^']|'')*'|"(?:[^"\\]|\\[^])*")|[[\]{}]|(?<=\s)#[^\n]*|[^[\]{}#'"]+|['"#]/y;

const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const INT =
  /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const OMEGACONF_FLOAT =
  /^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?)$/;

const TIMESTAMP =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;
const DATE = "it is a date, which only Python has a type for";

const WORDS = new Map<string, null | boolean>([
  ["", null],
  ["~", null],
  ["null", null],
  ["Null", null],
  ["NULL", null],
  ...["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);

function readInt(word: string): bigint {
  let digits = word.replaceAll("_", "");
  const negative = digits.startsWith("-");
  if (/^[-+]/.test(digits)) digits = digits.slice(1);
  const value = readUnsigned(digits);
  return negative ? -value : value;
}

function readUnsigned(digits: string): bigint {
  if (digits.startsWith("0b") || digits.startsWith("0x")) {
    if (digits.length === 2) throw new SyntaxError(digits);
    return BigInt(digits);
  }
  if (digits.includes(":")) return digits.split(":").reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  if (digits.startsWith("0") && digits !== "0") return digits.length === 1 ? 0n : BigInt(`0o${digits.slice(1)}`);
  return BigInt(digits);
}

function readFloat(word: string): number {
  let digits = word.replaceAll("_", "").toLowerCase();
  const sign = digits.startsWith("-") ? -1 : 1;
  if (/^[-+]/.test(digits)) digits = digits.slice(1);
  if (digits === ".inf") return sign * Infinity;
  if (digits === ".nan") return NaN;
  if (digits.includes(":")) {
    const parts = digits.split(":").map(Number).toReversed();
    let base = 1;
    let value = 0;
    for (const part of parts) {
      value += part * base;
      base *= 60;
    }
    return sign * value;
  }
  return sign * Number(digits);
}

const TAG = "tag:yaml.org,2002:";

/** Turns the package's nodes into ours; keeps the anchors seen so far, as an alias may only point back. */
class TreeBuilder {
  private readonly source: SourceText;
  private readonly anchors = new Map<string, Node>();
  private readonly open = new Set<Node>();
  private readonly dialect: Dialect;
  private readonly limit: number;
  private values = 0;

  constructor(source: SourceText, dialect: Dialect) {
    this.source = source;
    this.dialect = dialect;
    this.limit = MAX_VALUES + source.text.length; // no more values than characters are written
  }

  build(node: Node, depth: number, inFlow: boolean): ConfigNode {
    const at = this.spot(node);
    if (++this.values > this.limit) throw tooMany(at);
    if (depth > MAX_DEPTH) throw tooDeep(at);
    const real = this.deref(node);
    if (this.open.has(real)) throw selfAlias(at);
    if (isScalar(real)) {
      if (inFlow) this.checkFlowWord(real);
      if (this.isDate(real)) return { kind: "opaque", reason: DATE, at: this.spot(real) };
      return { kind: "scalar", value: this.scalar(real), at: this.spot(real) };
    }
    this.open.add(real);
    const built = isSeq(real) ? this.list(real, at, depth, inFlow) : this.map(real as YAMLMap, at, depth, inFlow);
    this.open.delete(real);
    return built;
  }

  private deref(node: Node): Node {
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (target === undefined) throw unknownAlias(this.spot(node), node.source);
      return target;
    }
    const anchor = (node as { anchor?: string }).anchor;
    if (anchor !== undefined) this.anchors.set(anchor, node);
    return node;
  }

  private list(node: YAMLSeq, at: Spot, depth: number, inFlow: boolean): ConfigNode {
    this.checkTag(node, "seq");
    const items = (node.items as Node[]).map((item) => this.build(item, depth + 1, inFlow || node.flow === true));
    return adopt({ kind: "list", items, at });
  }

  private map(node: YAMLMap, at: Spot, depth: number, inFlow: boolean): ConfigNode {
    this.checkTag(node, "map");
    const entries = new Map<PlainKey, ConfigNode>();
    for (const { key, keyAt, value } of this.pairs(node)) {
      const child: ConfigNode = value
        ? this.build(value, depth + 1, inFlow || node.flow === true)
        : { kind: "scalar", value: null, at: { source: this.source, start: keyAt.end, end: keyAt.end } };
      child.keyAt = keyAt;
      entries.set(typeof key === "string" ? key : sameKey(entries, key), child);
    }
    return adopt({ kind: "map", entries, at });
  }

  /** Merged pairs first, then the mapping's own: a later pair wins, the first keeps its position, as in Python. */
  private pairs(node: YAMLMap, own: Map<YAMLMap, Pair[]> = new Map()): Pair[] {
    const merged: Pair[] = [];
    const direct: Pair[] = [];
    const seen = new Map<string, Spot>();
    own.set(node, []);
    for (const item of node.items) {
      const keyNode = item.key as Node | null;
      const value = item.value as Node | null;
      const keyAt = keyNode ? this.spot(keyNode) : this.spot(node);
      if (keyNode && isMergeKey(keyNode)) {
        merged.push(...this.merge(value, keyAt, own));
        continue;
      }
      const real = keyNode ? this.deref(keyNode) : null;
      if (real && !isScalar(real)) throw badKey(keyAt);
      const key = real ? (isValueKey(real) ? "=" : this.scalar(real as Scalar)) : null;
      if (key === null) throw nullKey(keyAt);
      if (typeof key === "string") {
        const before = seen.get(key);
        if (before) throw duplicateKey(key, keyAt, before);
        seen.set(key, keyAt);
      }
      direct.push({ key, keyAt, value });
    }
    return [...merged, ...direct];
  }

  private merge(value: Node | null, keyAt: Spot, own: Map<YAMLMap, Pair[]>): Pair[] {
    const target = value ? this.deref(value) : null;
    if (target && isMap(target)) {
      if (own.has(target)) throw selfAlias(keyAt);
      const pairs = this.pairs(target, new Map(own));
      this.values += pairs.length;
      if (this.values > this.limit) throw tooMany(keyAt);
      return pairs;
    }
    if (target && isSeq(target)) {
      const parts = (target.items as Node[]).map((item) => {
        if (!isMap(this.deref(item))) throw badMerge(this.spot(item));
        return this.merge(item, keyAt, own);
      });
      return parts.toReversed().flat();
    }
    throw badMerge(value ? this.spot(value) : keyAt);
  }

  /** Between brackets PyYAML takes no plain word that starts with ? or a colon. */
  private checkFlowWord(node: Scalar): void {
    const text = String(node.value ?? "");
    if (node.type === "PLAIN" && /^[?:]/.test(text)) throw badWord(this.spot(node), text);
  }

  private isDate(node: Scalar): boolean {
    return (
      this.dialect === "pyyaml" &&
      node.type === "PLAIN" &&
      node.tag === undefined &&
      TIMESTAMP.test(String(node.value ?? ""))
    );
  }

  private scalar(node: Scalar): null | boolean | bigint | number | string {
    const text = String(node.value ?? "");
    const plain = node.type === "PLAIN";
    const tag = node.tag;
    try {
      if (tag === undefined) {
        if (!plain) return text;
        if (text === "<<" || text === "=") throw badWord(this.spot(node), text);
        return readPlainWord(text, this.dialect);
      }
      return this.tagged(node, tag, text);
    } catch (error) {
      if (error instanceof SyntaxError) throw badNumber(this.spot(node), text);
      throw error;
    }
  }

  private tagged(node: Scalar, tag: string, text: string): null | boolean | bigint | number | string {
    switch (tag) {
      case `${TAG}str`:
        return text;
      case `${TAG}null`:
        return null;
      case `${TAG}bool`: {
        const value = WORDS.get(text.toLowerCase());
        if (typeof value !== "boolean") throw badNumber(this.spot(node), text);
        return value;
      }
      case `${TAG}int`: {
        const value = /^[-+]?[0-9]/.test(text) ? readInt(text) : undefined;
        if (value === undefined) throw badNumber(this.spot(node), text);
        return value;
      }
      case `${TAG}float`: {
        const value = readFloat(text);
        if (Number.isNaN(value) && text.toLowerCase() !== ".nan") throw badNumber(this.spot(node), text);
        return value;
      }
      default:
        throw badTag(this.spot(node), tag);
    }
  }

  private checkTag(node: YAMLSeq | YAMLMap, kind: "seq" | "map"): void {
    const { tag } = node;
    if (tag !== undefined && tag !== "!" && tag !== TAG + kind) throw badTag(this.spot(node), tag);
  }

  private spot(node: Node): Spot {
    const range = node.range ?? [0, 0, 0];
    return { source: this.source, start: range[0], end: range[1] };
  }
}

interface Pair {
  readonly key: Exclude<PlainKey, null>;
  readonly keyAt: Spot;
  readonly value: Node | null;
}

function isMergeKey(node: Node): boolean {
  return isScalar(node) && node.type === "PLAIN" && node.value === "<<" && node.tag === undefined;
}

function isValueKey(node: Node): boolean {
  return isScalar(node) && node.type === "PLAIN" && node.value === "=" && node.tag === undefined;
}

/** Python takes 1, 1.0 and true for one key; the first of them stays the key. */
function sameKey(entries: ReadonlyMap<PlainKey, unknown>, key: bigint | number | boolean): PlainKey {
  for (const known of entries.keys()) {
    if (typeof known !== "string" && known !== null && Number(known) === Number(key)) return known;
  }
  return key;
}

/** PyYAML refuses control characters outright, and takes U+0085, U+2028 and U+2029 for ends of lines, even in comments. */
function checkCharacters(source: SourceText): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const found = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u2028\u2029\uFFFE\uFFFF]/.exec(source.text);
  if (found) {
    const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw problemAt({ source, start: found.index, end: found.index + 1 }, `the character U+${code} is not allowed`);
  }
}

/**
 * A tab before the first word of a line is refused by every loader, also on empty lines and before comments, where the
 * package lets it pass. Tabs between words are refused by OmegaConf up to 2.3 only, and mean the same where they pass.
 */
function checkTabs(source: SourceText, document: ReturnType<typeof parseDocument>): void {
  const { text } = source;
  const quoted: (readonly [number, number])[] = [];
  visit(document, {
    Scalar: (_, node) => {
      if (node.type !== "PLAIN" && node.range) quoted.push([node.range[0], node.range[1]]);
    },
  });
  for (const found of text.matchAll(/^ *\t/gm)) {
    const tab = found.index + found[0].length - 1;
    const isQuoted = quoted.some(([start, end]) => start <= tab && tab < end);
    if (!isQuoted) throw tabIndent({ source, start: tab, end: tab + 1 });
  }
}

// --- problems ---

function duplicateKey(key: string, at: Spot, before: Spot): KfkError {
  return new KfkError("CONFIG_YAML", `the key "${key}" is set twice in one mapping`, {
    at: placeOf(at),
    hint: "remove one of them",
    notes: [{ message: "it is set here first", at: placeOf(before) }],
  });
}

function badKey(at: Spot): KfkError {
  return problemAt(at, "a mapping or a list cannot be a key", "quote text that starts with { or [");
}

function nullKey(at: Spot): KfkError {
  return problemAt(at, "a key cannot be null", 'quote it: "null"');
}

function badMerge(at: Spot): KfkError {
  return problemAt(at, "<< takes a mapping or a list of mappings");
}

function badWord(at: Spot, word: string): KfkError {
  return problemAt(at, `${word} alone is not a value`, `quote it: "${word}"`);
}

function badNumber(at: Spot, text: string): KfkError {
  return problemAt(at, `"${text}" is not what its form or its tag says`, "quote it if it is text");
}

function badTag(at: Spot, tag: string): KfkError {
  const shown = tag.startsWith(TAG) ? `!!${tag.slice(TAG.length)}` : tag;
  return problemAt(at, `the tag ${shown} is not known to Kedro's configuration`, "remove the tag");
}

function unknownAlias(at: Spot, name: string): KfkError {
  return problemAt(at, `*${name} has no anchor &${name} before it`, "quote text that starts with *");
}

function selfAlias(at: Spot): KfkError {
  return problemAt(at, "an alias contains itself");
}

function tooMany(at: Spot): KfkError {
  return problemAt(at, "the aliases of the file stand for far more values than are written in it");
}

function tooDeep(at: Spot): KfkError {
  return problemAt(at, `values are nested more than ${MAX_DEPTH} deep`);
}
