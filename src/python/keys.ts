/**
 * What values are as keys of dicts and items of sets: a text that is equal where Python finds two values equal, and the
 * dicts and sets that are filled by it. Refused: keys that cannot be hashed (TypeError). A key that is not known
 * poisons what it is put into.
 */
import { dataclassOf, fieldsOf, specialMethod } from "./lineage.ts";
import {
  emptyDict,
  emptySet,
  isObj,
  PyRaise,
  typeName,
  unknown,
  unknownOf,
  type ClassValue,
  type Instance,
  type PyDict,
  type PySet,
  type Unknown,
  type Value,
} from "./value.ts";

export function dictFrom(entries: Iterable<readonly [Value, Value]>): PyDict {
  const dict = emptyDict();
  for (const [key, value] of entries) dictSet(dict, key, value);
  return dict;
}

export function setFrom(items: Iterable<Value>): PySet {
  const set = emptySet();
  for (const item of items) setAdd(set, item);
  return set;
}

/** Stores under a key; a key that is not known poisons the whole dictionary. */
export function dictSet(dict: PyDict, key: Value, value: Value): void {
  needHashable(key);
  const hash = hashOf(key);
  if (typeof hash !== "string") dict.poison ??= hash;
  else {
    const old = dict.map.get(hash);
    if (old) old.value = value;
    else dict.map.set(hash, { key, value });
  }
}

export function setAdd(set: PySet, item: Value): void {
  needHashable(item);
  const hash = hashOf(item);
  if (typeof hash !== "string") set.poison ??= hash;
  else if (!set.map.has(hash)) set.map.set(hash, item);
}

/** A text that is equal for values that Python finds equal as keys; the unknown that stands in the way otherwise. */
export function hashOf(value: Value): string | Unknown {
  if (value === null) return "N";
  switch (typeof value) {
    case "string":
      return `s${value}`;
    case "boolean":
      return value ? "n1" : "n0";
    case "bigint":
      return `n${value}`;
    case "number":
      return Number.isInteger(value) ? `n${BigInt(value)}` : `f${value}`;
    default:
  }
  const bad = unknownOf(value);
  if (bad) return value.kind === "unknown" && value.external !== undefined ? `x${value.external}` : bad;
  switch (value.kind) {
    case "tuple": {
      const parts: string[] = [];
      for (const item of value.items) {
        const hash = hashOf(item);
        if (typeof hash !== "string") return hash;
        parts.push(`${hash.length}:${hash}`);
      }
      return `t${parts.join("")}`;
    }
    case "instance":
      return hashOfInstance(value);
    case "custom":
      return value.equality === undefined ? `o${identityOf(value)}` : `c${value.type}:${value.equality}`;
    case "set":
      return value.frozen ? `z${[...value.map.keys()].toSorted().join("\u0000")}` : `o${identityOf(value)}`;
    default:
      return `o${identityOf(value)}`;
  }
}

/** Fields made by `field(…)` may be left out of comparison. */
export function hasFieldOptions(cls: ClassValue): boolean {
  return fieldsOf(cls).some(({ name, owner }) => {
    const standard = owner.attributes.get(name) ?? null;
    return isObj(standard) && standard.kind === "custom" && standard.type === "field" && standard.data !== undefined
      ? (standard.data as { isCompared?: boolean }).isCompared === false
      : false;
  });
}

// --- internal ---

function needHashable(value: Value): void {
  if (isObj(value) && (value.kind === "list" || value.kind === "dict" || (value.kind === "set" && !value.frozen)))
    throw new PyRaise("TypeError", `unhashable type: '${typeName(value)}'`, undefined);
}

const identities = new WeakMap<object, number>(); // module state: numbers handed to objects, never seen outside
let lastIdentity = 0;

function identityOf(value: object): number {
  let id = identities.get(value);
  if (id === undefined) {
    id = ++lastIdentity;
    identities.set(value, id);
  }
  return id;
}

function hashOfInstance(value: Instance): string | Unknown {
  const own = specialMethod(value, ["__eq__", "__ne__", "__hash__"]);
  if (own) return own;
  if (value.plain !== undefined) return hashOf(value.plain);
  if (value.base) return hashOf(value.base);
  const cls = dataclassOf(value);
  if (!cls || cls.dataclassOptions?.get("eq") === false) return `o${identityOf(value)}`;
  if (cls.dataclassOptions?.get("frozen") !== true || hasFieldOptions(cls))
    return unknown(`a "${cls.name}" cannot be a key, or its hash is not followed`, cls.site);
  const parts = fieldsOf(cls).map(({ name }) => value.attributes.get(name) ?? null);
  const inner = hashOf({ kind: "tuple", items: parts });
  return typeof inner === "string" ? `o${identityOf(value.cls)}:${inner}` : inner;
}
