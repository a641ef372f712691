/**
 * Configuration as a tree in which every value knows where it stands: the form between the text of conf files and the
 * plain values that the rest of kfk works with.
 *
 * A node is never changed after the file it came from is read, but for `up`, which says which container holds it:
 * relative interpolations need it. A value that only Python could know is a node of its own, with the reason.
 */
import type { Place } from "../error.ts";
import { isPlainList, isPlainMap, type Plain, type PlainKey, type PlainMap } from "./plain.ts";

/** The text of one file, or of a value that did not come from a file. */
export interface SourceText {
  /** Path as shown to people. */
  readonly file: string;
  readonly text: string;
}

/** A stretch of a source text, as offsets; `placeOf` turns it into a line and a column when a person needs it. */
export interface Spot {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}

interface NodeBase {
  /** Where the value stands. */
  readonly at: Spot | undefined;
  /** Where its key stands, for values of a mapping. */
  keyAt?: Spot | undefined;
  /** The mapping or list that holds it. */
  up?: ContainerNode | undefined;
  /** Another file of the same folder sets the same `_key` to another value, and Kedro takes one of them at random. */
  rival?: Spot | undefined;
}

export interface ScalarNode extends NodeBase {
  readonly kind: "scalar";
  readonly value: null | boolean | bigint | number | string;
  /** True: text that is what it is, even where it looks like an interpolation. */
  readonly literal?: boolean;
}

export interface MapNode extends NodeBase {
  readonly kind: "map";
  readonly entries: Map<PlainKey, ConfigNode>;
  /** True: made by a resolver as a whole; nothing can be selected inside it. */
  readonly raw?: boolean;
}

export interface ListNode extends NodeBase {
  readonly kind: "list";
  readonly items: ConfigNode[];
  readonly raw?: boolean;
}

/** A value that cannot be known without running the project's Python. */
export interface OpaqueNode extends NodeBase {
  readonly kind: "opaque";
  readonly reason: string;
}

export type ContainerNode = MapNode | ListNode;
export type ConfigNode = ScalarNode | ContainerNode | OpaqueNode;

/** 1-based line and column of the start of a spot, with the text for a code frame. */
export function placeOf(spot: Spot): Place;
export function placeOf(spot: Spot | undefined): Place | undefined;
export function placeOf(spot: Spot | undefined): Place | undefined {
  if (spot === undefined) return undefined;
  const { text, file } = spot.source;
  const start = Math.min(spot.start, text.length);
  const starts = lineStarts(spot.source);
  let line = 1;
  for (let above = starts.length; above - line > 1;) {
    const middle = (line + above) >>> 1;
    if ((starts[middle] as number) <= start) line = middle;
    else above = middle;
  }
  const lineStart = starts[line] as number;
  const lineEnd = text.indexOf("\n", start);
  const last = Math.min(spot.end, lineEnd < 0 ? text.length : lineEnd);
  return { file, line, column: start - lineStart + 1, length: Math.max(1, last - start), text };
}

/** Offsets of the lines of a text, from line 1 on; found once, because a large catalog asks for every entry. */
const knownStarts = new WeakMap<SourceText, number[]>();

function lineStarts(source: SourceText): number[] {
  let starts = knownStarts.get(source);
  if (starts === undefined) {
    starts = [0, 0];
    for (let end = source.text.indexOf("\n"); end >= 0; end = source.text.indexOf("\n", end + 1)) starts.push(end + 1);
    knownStarts.set(source, starts);
  }
  return starts;
}

/** The value without its places, or undefined when some part of it is opaque. */
export function toPlain(node: ConfigNode): Plain | undefined {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "opaque":
      return undefined;
    case "list": {
      const list: Plain[] = [];
      for (const item of node.items) {
        const value = toPlain(item);
        if (value === undefined) return undefined;
        list.push(value);
      }
      return list;
    }
    case "map": {
      const map = new Map<PlainKey, Plain>();
      for (const [key, item] of node.entries) {
        const value = toPlain(item);
        if (value === undefined) return undefined;
        map.set(key, value);
      }
      return map;
    }
  }
}

/** A tree of a value that stands at one place as a whole. `literal`: text in it is not looked at again. */
export function fromPlain(
  value: Plain,
  at: Spot | undefined,
  options: { readonly literal?: boolean } = {},
): ConfigNode {
  if (isPlainMap(value)) {
    const entries = new Map<PlainKey, ConfigNode>();
    for (const [key, item] of value) entries.set(key, fromPlain(item, at, options));
    return adopt({ kind: "map", entries, at });
  }
  if (isPlainList(value)) {
    return adopt({ kind: "list", items: value.map((item) => fromPlain(item, at, options)), at });
  }
  return { kind: "scalar", value, at, ...(options.literal ? { literal: true } : {}) };
}

/** Sets `up` of the children; hands the container back. */
export function adopt<T extends ContainerNode>(container: T): T {
  for (const child of childrenOf(container)) child.up = container;
  return container;
}

/** The children of a container in order. */
function childrenOf(node: ContainerNode): Iterable<ConfigNode> {
  return node.kind === "map" ? node.entries.values() : node.items;
}

/** The first opaque value in a tree, with the keys that lead to it. */
export function findOpaque(
  node: ConfigNode,
  path: readonly PlainKey[] = [],
): { readonly node: OpaqueNode; readonly path: readonly PlainKey[] } | undefined {
  if (node.kind === "opaque") return { node, path };
  if (node.kind === "scalar") return undefined;
  const children: Iterable<readonly [PlainKey, ConfigNode]> =
    node.kind === "map" ? node.entries : node.items.map((item, index) => [BigInt(index), item] as const);
  for (const [key, child] of children) {
    const found = findOpaque(child, [...path, key]);
    if (found) return found;
  }
  return undefined;
}

/** Plain values are equal when Python's `==` on the same types says so. */
export function isSamePlain(a: Plain, b: Plain): boolean {
  if (isPlainMap(a)) {
    if (!isPlainMap(b) || a.size !== b.size) return false;
    return [...a].every(([key, value]) => {
      const other = (b as PlainMap).get(key);
      return other !== undefined && isSamePlain(value, other);
    });
  }
  if (isPlainList(a)) {
    return isPlainList(b) && a.length === b.length && a.every((item, index) => isSamePlain(item, b[index] as Plain));
  }
  return Object.is(a, b);
}
