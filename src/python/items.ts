/**
 * Items of values: `value[key]`, slices, assignment and deletion. What a class of the project decides itself is not
 * followed; where the order of a set would count, the answer is unknown.
 */
import { KfkError } from "../error.ts";
import { dictSet, hashOf } from "./keys.ts";
import { findInClass } from "./lineage.ts";
import { reprOf } from "./repr.ts";
import {
  derive,
  isObj,
  placeOfSite,
  typeName,
  unknown,
  unknownOf,
  type Instance,
  type PyList,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { raise } from "./vm.ts";

/** `value[key]`. */
export function getItem(value: Value, key: Value, site: Site): Value {
  const bad = unknownOf(value);
  if (isObj(value) && value.kind === "unknown" && /^(?:typing|collections\.abc)\./.test(value.external ?? ""))
    return value;
  if (bad) return derive(bad, site);
  if (isObj(value)) {
    if (value.kind === "dict") {
      const hash = hashOf(key);
      if (typeof hash !== "string") return derive(hash, site);
      const found = value.map.get(hash);
      if (found) return found.value;
      throw raise("KeyError", reprOf(key) ?? "a key", site);
    }
    if (value.kind === "custom" && value.item) return value.item(key, site);
    if (value.kind === "class" && value.isEnum && typeof key === "string") {
      const found = value.attributes.get(key);
      if (isObj(found ?? null) && (found as Instance).kind === "instance" && (found as Instance).cls === value)
        return found as Instance;
      throw raise("KeyError", `'${key}'`, site);
    }
    if (value.kind === "class" && findInClass(value, "__class_getitem__") !== undefined)
      return unknown(`"${value.name}" has its own __class_getitem__`, site);
    if (value.kind === "builtin" || value.kind === "class") return value; // list[str], Generic[T]
  }
  const badKey = unknownOf(key);
  if (badKey) return derive(badKey, site);
  if (typeof value === "string" || (isObj(value) && (value.kind === "list" || value.kind === "tuple"))) {
    if (isObj(value) && value.unordered)
      return unknown("it depends on the order of a set, which differs between runs", site);
    const items: readonly Value[] = typeof value === "string" ? [...value] : value.items;
    const index = typeof key === "boolean" ? Number(key) : typeof key === "bigint" ? Number(key) : undefined;
    if (index !== undefined) {
      const found = items[index < 0 ? items.length + index : index];
      if (found === undefined) throw raise("IndexError", `${typeName(value)} index out of range`, site);
      return found;
    }
    throw raise("TypeError", `${typeName(value)} indices must be integers or slices, not ${typeName(key)}`, site);
  }
  if (isObj(value) && value.kind === "instance") return unknown(`"${value.cls.name}[…]" is not followed`, site);
  throw raise("TypeError", `'${typeName(value)}' object is not subscriptable`, site);
}

/** `value[lower:upper:step]`; an absent bound is None. */
export function slice(value: Value, lower: Value, upper: Value, stepValue: Value, site: Site): Value {
  const bad = unknownOf(value) ?? unknownOf(lower) ?? unknownOf(upper) ?? unknownOf(stepValue);
  if (bad) return derive(bad, site);
  if (isObj(value) && (value.kind === "list" || value.kind === "tuple") && value.unordered) {
    return unknown("it depends on the order of a set, which differs between runs", site);
  }
  const items: readonly Value[] | undefined =
    typeof value === "string"
      ? [...value]
      : isObj(value) && (value.kind === "list" || value.kind === "tuple")
        ? value.items
        : undefined;
  if (items === undefined) throw raise("TypeError", `'${typeName(value)}' object is not subscriptable`, site);
  const by = stepValue === null ? 1 : Number(stepValue);
  if (by === 0) throw raise("ValueError", "slice step cannot be zero", site);
  const clamp = (bound: Value, standard: number): number => {
    if (bound === null) return standard;
    const at = Number(bound) < 0 ? Number(bound) + items.length : Number(bound);
    return by > 0 ? Math.min(Math.max(at, 0), items.length) : Math.min(Math.max(at, -1), items.length - 1);
  };
  const from = clamp(lower, by > 0 ? 0 : items.length - 1);
  const to = clamp(upper, by > 0 ? items.length : -1);
  const out: Value[] = [];
  for (let at = from; by > 0 ? at < to : at > to; at += by) {
    const item = items[at];
    if (item !== undefined) out.push(item);
  }
  if (typeof value === "string") return out.join("");
  return { kind: (value as PyList).kind, items: out } as Value;
}

/** `value[key] = item`. */
export function setItem(value: Value, key: Value, item: Value, site: Site): void {
  if (!isObj(value)) throw raise("TypeError", `'${typeName(value)}' object does not support item assignment`, site);
  if (value.kind === "unknown") return;
  if (value.kind === "dict") {
    dictSet(value, key, item);
    return;
  }
  if (value.kind === "list") {
    const bad = unknownOf(key);
    const at = Number(key) < 0 ? value.items.length + Number(key) : Number(key);
    if (bad || typeof key !== "bigint" || value.unordered) {
      value.poison ??= bad ?? unknown("an item was assigned in a way that is not followed", site);
    } else if (at >= value.items.length || at < 0)
      throw raise("IndexError", "list assignment index out of range", site);
    else value.items[at] = item;
    return;
  }
  if ("poison" in value || value.kind === "instance" || value.kind === "class") {
    (value as { poison?: Unknown }).poison ??= unknown("an item was assigned in a way that is not followed", site);
    return;
  }
  if (value.kind === "custom" && value.assign) {
    value.assign(key, item, site);
    return;
  }
  if (value.kind === "custom" || value.kind === "module" || value.kind === "library")
    throw new KfkError("PY_UNKNOWN", `assigning an item of a ${typeName(value)} is not followed`, {
      at: placeOfSite(site),
      hint: "use --from python",
    });
  throw raise("TypeError", `'${typeName(value)}' object does not support item assignment`, site);
}

/** `del value[key]`. */
export function deleteItem(value: Value, key: Value, site: Site): void {
  if (!isObj(value)) return;
  if (value.kind === "dict") {
    const hash = hashOf(key);
    if (typeof hash !== "string") value.poison ??= hash;
    else if (!value.map.delete(hash) && !value.poison) throw raise("KeyError", reprOf(key) ?? "a key", site);
  } else if (value.kind === "list" && typeof key === "bigint" && !value.unordered) {
    const at = Number(key) < 0 ? value.items.length + Number(key) : Number(key);
    if (at < 0 || at >= value.items.length) throw raise("IndexError", "list assignment index out of range", site);
    value.items.splice(at, 1);
  } else if ("poison" in value || value.kind === "list") {
    (value as { poison?: Unknown }).poison ??= unknown("an item was deleted in a way that is not followed", site);
  }
}
