/**
 * Values as kfk has them (an int is a bigint, a mapping a `Map`) ↔ values as hooks see them (plain data). On the way
 * back each value is laid over the one that was handed out, so that what a hook did not change keeps its type, its key
 * and its place in a conf file.
 */
import type { Value, ValueMap } from "../../hooks/contract.ts";
import { isPlainList, isPlainMap, type Plain, type PlainKey } from "../config/plain.ts";
import { pythonStr } from "../config/python-text.ts";
import { adopt, fromPlain, isSamePlain, type ConfigNode, type MapNode, type Spot, toPlain } from "../config/tree.ts";

/** For a hook. A key that is no text becomes its text. */
export function toValue(plain: Plain): Value {
  if (typeof plain === "bigint") return isSafe(plain) ? Number(plain) : plain;
  if (isPlainList(plain)) return plain.map(toValue);
  if (!isPlainMap(plain)) return plain;
  return Object.fromEntries([...plain].map(([key, item]) => [pythonStr(key), toValue(item)]));
}

/** A hook's value over the one that it was given; undefined: it was given none. */
export function fromValue(value: Value, before: Plain | undefined): Plain {
  if (typeof value === "number") {
    if (typeof before === "number" || !Number.isSafeInteger(value)) return value;
    return BigInt(value);
  }
  if (Array.isArray(value)) {
    const old = isPlainList(before) ? before : [];
    return (value as readonly Value[]).map((item, index) => fromValue(item, old[index]));
  }
  if (typeof value !== "object" || value === null) return value as Plain;
  const old = isPlainMap(before) ? before : new Map<PlainKey, Plain>();
  const keys = new Map([...old.keys()].map((key) => [pythonStr(key), key]));
  return new Map(
    Object.entries(value).map(([name, item]): [PlainKey, Plain] => {
      const key = keys.get(name) ?? name;
      return [key, fromValue(item, old.get(key))];
    }),
  );
}

/** A hook's mapping over a tree: what it did not change keeps its place, the rest stands at `at`. */
export function changeTree(tree: MapNode, value: ValueMap, at: Spot): MapNode {
  return overlay(tree, fromValue(value, toPlain(tree)), at) as MapNode;
}

/** Equal as plain data; the order of keys does not matter. */
export function isSameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return isSamePlain(fromValue(a, undefined), fromValue(b, undefined));
}

// --- internal ---

function isSafe(value: bigint): boolean {
  return BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= BigInt(Number.MAX_SAFE_INTEGER);
}

function overlay(node: ConfigNode | undefined, value: Plain, at: Spot): ConfigNode {
  const before = node && toPlain(node);
  if (node && before !== undefined && isSamePlain(before, value)) return node;
  const { keyAt } = node ?? {};
  if (isPlainMap(value)) {
    const old = node?.kind === "map" ? node.entries : new Map<PlainKey, ConfigNode>();
    const entries = new Map([...value].map(([key, item]) => [key, overlay(old.get(key), item, at)] as const));
    return adopt({ kind: "map", entries, at: node?.at ?? at, keyAt });
  }
  if (isPlainList(value)) {
    const old = node?.kind === "list" ? node.items : [];
    const items = value.map((item, index) => overlay(old[index], item, at));
    return adopt({ kind: "list", items, at: node?.at ?? at, keyAt });
  }
  return fromPlain(value, at, { literal: true });
}
