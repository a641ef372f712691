/**
 * The catalog of an environment: which entry or dataset factory a dataset name belongs to, and where its content
 * lives.
 *
 * Comes in: the resolved catalog tree and the rules of the project's Kedro. Goes out: `classify(name)` → the model's
 * `Dataset`. Refused: entries that are no mappings, several catch-all patterns (Kedro >= 0.19.6), placeholders that
 * the pattern's name does not have, patterns that only the `parse` library's format specifications explain.
 * Source: Kedro 0.16.6 to 1.7.0 `kedro/io`, parse 1.22; compared with `CatalogConfigResolver` of 0.19.15 and 1.7.0.
 */
import { KfkError } from "../error.ts";
import { pythonStr } from "../config/python-text.ts";
import type { Configuration } from "../config/read.ts";
import { placeOf, type ConfigNode, type MapNode } from "../config/tree.ts";
import type { Dataset, DatasetPlace, Source } from "../pipeline/model.ts";
import { isBefore } from "./version.ts";

/** How a Kedro version treats patterns without literal characters. */
export interface CatalogRules {
  /**
   * `single`: one is allowed and beats the runner's memory default (>= 0.19.6). `runner`: the runner's own
   * `{default}` is sorted among the project's and replaces one of the same name (0.19.0 to 0.19.5). `several`: the first
   * by name wins (0.18.12 to 0.18.14). `none`: a name with braces is a name (below 0.18.12).
   */
  readonly catchAll: "single" | "runner" | "several" | "none";
}

export interface Catalog {
  /** Names of exact entries, in file order. */
  readonly names: readonly string[];
  /** Factory patterns in the order in which they are tried. */
  readonly patterns: readonly string[];
  /** Where a dataset lives. Errors: CONFIG_CATALOG for an entry or a pattern that Kedro refuses. */
  readonly classify: (dataset: string) => Dataset;
}

/** All configuration of a project for one environment. */
export type ProjectConfiguration = Configuration<Catalog>;

/** Rules for a Kedro version, like "0.19.9". */
export function catalogRules(version: string): CatalogRules {
  if (isBefore(version, [0, 18, 12])) return { catchAll: "none" };
  if (isBefore(version, [0, 19, 0])) return { catchAll: "several" };
  return { catchAll: isBefore(version, [0, 19, 6]) ? "runner" : "single" };
}

/** A catalog from its resolved tree (keys that start with `_` already taken out). Errors: CONFIG_CATALOG. */
export function buildCatalog(tree: MapNode, rules: CatalogRules): Catalog {
  const exact = new Map<string, MapNode>();
  const factories: Factory[] = [];
  for (const [key, node] of tree.entries) {
    if (typeof key !== "string") throw badName(node, pythonStr(key));
    if (node.kind === "opaque") {
      exact.set(key, { kind: "map", entries: new Map([["type", node]]), at: node.at, keyAt: node.keyAt });
      continue;
    }
    if (node.kind !== "map") throw badEntry(key, node);
    if (key.includes("{") && rules.catchAll !== "none") {
      if (rules.catchAll === "single") checkPlaceholders(key, node);
      factories.push(buildFactory(key, node));
    } else {
      exact.set(key, node);
    }
  }
  if (rules.catchAll === "runner") addRunnerPattern(factories);
  factories.sort(compareFactories);
  if (rules.catchAll === "single") checkCatchAll(factories);
  return {
    names: [...exact.keys()],
    patterns: factories.filter((factory) => factory.entry).map((factory) => factory.pattern),
    classify: (dataset) => {
      if (dataset === "parameters" || dataset.startsWith("params:")) return nowhere("parameter");
      const entry = exact.get(dataset);
      if (entry) return describe(entry, null, undefined);
      for (const factory of factories) {
        const captured = match(factory, dataset);
        if (captured === undefined) continue;
        if (factory.entry === undefined) return nowhere("memory");
        return describe(factory.entry, factory, captured);
      }
      return nowhere("memory");
    },
  };
}

// --- internal ---

const PATH_KEYS = ["filepath", "path", "filename"] as const;
/** Mappings of an entry that are arguments for something else, not places of its content. */
const NO_PATHS: ReadonlySet<string> = new Set(["credentials", "fs_args", "load_args", "save_args", "metadata"]);
const MEMORY_TYPE =
  /^(?:kedro\.io\.)?(?:(?:memory_data_?set|shared_memory_data_?set)\.)?(?:Shared)?Memory(?:DataSet|Dataset)$/;
const CACHED_TYPE = /^(?:kedro\.io\.)?(?:cached_data_?set\.)?Cached(?:DataSet|Dataset)$/;
const DEFAULT_PATTERN = "{default}";

function nowhere(place: DatasetPlace): Dataset {
  return { place, type: null, path: null, pattern: null, source: null };
}

function describe(entry: MapNode, factory: Factory | null, captured: Captured | undefined): Dataset {
  const at = placeOf(entry.keyAt ?? entry.at);
  const source: Source | null = at ? { file: at.file, line: at.line } : null;
  const common = { pattern: factory?.pattern ?? null, source };
  const fill = (text: string): string => (factory && captured ? fillIn(text, factory, captured) : text);
  const typeNode = entry.entries.get("type");
  const type = typeNode?.kind === "scalar" && typeof typeNode.value === "string" ? fill(typeNode.value) : null;
  if (typeNode?.kind === "opaque") return { place: "opaque", type: null, path: null, ...common };
  if (typeNode === undefined) throw noType(entry);
  if (type !== null && MEMORY_TYPE.test(type)) return { place: "memory", type, path: null, ...common };
  const inner = entry.entries.get("dataset");
  if (type !== null && CACHED_TYPE.test(type) && inner) {
    if (inner.kind === "map") return { ...describe(inner, factory, captured), type, ...common };
    if (inner.kind === "scalar" && typeof inner.value === "string" && MEMORY_TYPE.test(fill(inner.value))) {
      return { place: "memory", type, path: null, ...common };
    }
  }
  const path = findPath(entry);
  if (path === undefined) return { place: "external", type, path: null, ...common };
  if (path.kind !== "scalar" || typeof path.value !== "string") return { place: "opaque", type, path: null, ...common };
  const text = fill(path.value);
  return { place: placeOfPath(text), type, path: text, ...common };
}

/** The entry's own path, else one in a mapping inside it. */
function findPath(entry: MapNode): ConfigNode | undefined {
  for (const key of PATH_KEYS) {
    const node = entry.entries.get(key);
    if (node?.kind === "opaque" || (node?.kind === "scalar" && typeof node.value === "string")) return node;
  }
  for (const [key, node] of entry.entries) {
    if (node.kind !== "map" || (typeof key === "string" && NO_PATHS.has(key))) continue;
    const found = findPath(node);
    if (found) return found;
  }
  return undefined;
}

function placeOfPath(path: string): DatasetPlace {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(path)?.[1]?.toLowerCase();
  if (scheme === "file" || scheme === "local") return "absolute";
  if (scheme === "memory") return "memory";
  if (scheme !== undefined) return "remote";
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path) ? "absolute" : "local";
}

interface Factory {
  readonly pattern: string;
  /** Absent: the runner's own memory default. */
  readonly entry: MapNode | undefined;
  readonly literals: number;
  readonly placeholders: number;
  /** Built when first needed; most names have entries of their own. */
  rule?: { readonly test: RegExp; readonly names: ReadonlyMap<string, string> };
}

type Captured = ReadonlyMap<string, string>;

function buildFactory(pattern: string, entry: MapNode | undefined): Factory {
  return {
    pattern,
    entry,
    literals: [...pattern.replaceAll(/\{[^\n]*?\}/g, "")].length,
    placeholders: pattern.split("{").length - 1,
  };
}

/** More literal characters first, then more placeholders, then by name. */
function compareFactories(a: Factory, b: Factory): number {
  if (a.literals !== b.literals) return b.literals - a.literals;
  if (a.placeholders !== b.placeholders) return b.placeholders - a.placeholders;
  return compareCodePoints(a.pattern, b.pattern);
}

function compareCodePoints(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (const [index, char] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    if (char !== other) return (char.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
  }
  return left.length - right.length;
}

function addRunnerPattern(factories: Factory[]): void {
  const own = factories.findIndex((factory) => factory.pattern === DEFAULT_PATTERN);
  if (own >= 0) factories.splice(own, 1);
  factories.push(buildFactory(DEFAULT_PATTERN, undefined));
}

function checkCatchAll(factories: readonly Factory[]): void {
  const catchAll = factories.filter((factory) => factory.literals === 0);
  const second = catchAll[1];
  if (second)
    throw manyCatchAll(
      catchAll.map((factory) => factory.pattern),
      second,
    );
}

/** What the `parse` library makes of a pattern: `{name}` takes as little as it can, case does not count. */
function match(factory: Factory, dataset: string): Captured | undefined {
  factory.rule ??= buildRule(factory);
  const found = factory.rule.test.exec(dataset);
  if (!found) return undefined;
  const captured = new Map<string, string>();
  for (const [name, group] of factory.rule.names) captured.set(name, found.groups?.[group] ?? "");
  return captured;
}

const FIELD = /(\{\{|\}\}|\{[\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+|\[[^\]]+\])*(?::[^}]+)?\})/u;

function buildRule(factory: Factory): NonNullable<Factory["rule"]> {
  const names = new Map<string, string>();
  let rule = "";
  for (const part of factory.pattern.split(FIELD)) {
    if (part === "{{") rule += "\\{";
    else if (part === "}}") rule += "\\}";
    else if (part.length > 1 && part.startsWith("{") && part.endsWith("}")) rule += fieldRule(part, factory, names);
    else rule += part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
  return { test: new RegExp(`^${rule}$`, "isu"), names };
}

function fieldRule(part: string, factory: Factory, names: Map<string, string>): string {
  const name = part.slice(1, -1);
  if (!FIELD.test(part) || name.includes(":") || name.includes("[")) throw badPattern(factory, part);
  if (!/^\p{L}/u.test(name)) return "(?:.+?)";
  const known = names.get(name);
  if (known !== undefined) return `\\k<${known}>`;
  const group = `g${names.size}`;
  names.set(name, group);
  return `(?<${group}>.+?)`;
}

/** Every `{…}` in an entry must stand in its pattern's name, letter by letter (Kedro >= 0.19.6 checks it at once). */
function checkPlaceholders(pattern: string, entry: ConfigNode): void {
  const known = new Set(pattern.match(/\{[^\n]*?\}/g));
  const visit = (node: ConfigNode): void => {
    if (node.kind === "map") for (const child of node.entries.values()) visit(child);
    else if (node.kind === "list") for (const child of node.items) visit(child);
    else if (node.kind === "scalar" && typeof node.value === "string" && node.value.includes("}")) {
      const unknown = node.value.match(/\{[^\n]*?\}/g)?.find((found) => !known.has(found));
      if (unknown !== undefined) throw unknownPlaceholder(pattern, unknown, node);
    }
  };
  visit(entry);
}

/** Python's `format_map` with the captured names; text without `}` stays as it is. */
function fillIn(text: string, factory: Factory, captured: Captured): string {
  if (!text.includes("}")) return text;
  return text.replaceAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (found, name: string | undefined) => {
    if (found === "{{") return "{";
    if (found === "}}") return "}";
    const value = name === undefined ? undefined : captured.get(name);
    if (value === undefined) throw badFill(factory, text);
    return value;
  });
}

// --- problems ---

function catalogProblem(node: ConfigNode | undefined, message: string, hint?: string): KfkError {
  return new KfkError("CONFIG_CATALOG", message, { at: placeOf(node?.keyAt ?? node?.at), hint });
}

function badName(node: ConfigNode, name: string): KfkError {
  return catalogProblem(node, `the catalog has an entry named ${name}, which is not text`, `quote it: "${name}"`);
}

function badEntry(name: string, node: ConfigNode): KfkError {
  return catalogProblem(
    node,
    `the catalog entry "${name}" is not a mapping`,
    `if it is there for interpolation only, call it "_${name}"`,
  );
}

function noType(entry: MapNode): KfkError {
  return catalogProblem(entry, "the catalog entry has no type", "add a type, like type: pandas.CSVDataset");
}

function manyCatchAll(patterns: readonly string[], second: Factory): KfkError {
  const shown = patterns.map((pattern) => `"${pattern}"`).join(", ");
  return catalogProblem(second.entry, `the catalog has more than one catch-all pattern: ${shown}`, "keep one of them");
}

function badPattern(factory: Factory, part: string): KfkError {
  return catalogProblem(
    factory.entry,
    `the placeholder ${part} of the pattern "${factory.pattern}" is not understood`,
    "use plain names in braces, like {name}",
  );
}

function unknownPlaceholder(pattern: string, placeholder: string, node: ConfigNode): KfkError {
  return new KfkError("CONFIG_CATALOG", `${placeholder} is not a placeholder of the pattern "${pattern}"`, {
    at: placeOf(node.at),
    hint: "use the same names in the entry as in its key",
  });
}

function badFill(factory: Factory, text: string): KfkError {
  return catalogProblem(
    factory.entry,
    `"${text}" cannot be filled in from the pattern "${factory.pattern}"`,
    "double the braces that are meant as text: {{ and }}",
  );
}
