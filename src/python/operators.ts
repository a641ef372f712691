/**
 * Operators, comparison, truth, iteration (items are in items.ts): what Python does with values, unknown wherever an operand is.
 * Goes in: values and a site for messages. Raises TypeError, KeyError, IndexError, ZeroDivisionError as Python does.
 * Long, because each operator treats each pair of types, and all share one notion of equality and truth.
 */
import { byCodePoint } from "../config/plain.ts";
import { formatPercent } from "./format.ts";
import { dataclassOf, fieldsOf, specialMethod } from "./lineage.ts";
import {
  derive,
  isObj,
  typeName,
  unknown,
  unknownOf,
  type PyDict,
  type PyList,
  type PySet,
  type PyTuple,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictSet, hasFieldOptions, hashOf, setAdd, setFrom } from "./keys.ts";
import { limit, MAX_ITEMS, raise } from "./vm.ts";

let setOrder = 0; // module state: in which order sets are read, set by readWithSetOrder alone
let setsRead = 0; // module state: how many sets of several items were read in an order

/**
 * Runs `work` with sets read in one of three orders (0, 1, 2). Two results that differ depend on the order of a set,
 * which Python makes anew in each process; `readsSets` is false when no order was asked for.
 */
export function readWithSetOrder<T>(
  order: 0 | 1 | 2,
  work: () => T,
): { readonly value: T; readonly readsSets: boolean } {
  setOrder = order;
  setsRead = 0;
  try {
    const value = work();
    return { value, readsSets: setsRead > 0 };
  } finally {
    setOrder = 0;
  }
}

function inSetOrder(items: readonly Value[]): readonly Value[] {
  if (items.length < 2) return items;
  setsRead++;
  if (setOrder === 0) return items;
  return setOrder === 1 ? items.toReversed() : [...items.slice(1), ...items.slice(0, 1)];
}

export interface Items {
  readonly items: readonly Value[];
  readonly unordered: boolean;
}

/** All items of an iterable, in order; an unknown when they cannot be known. Raises TypeError. */
export function iterate(value: Value, site: Site): Items | Unknown {
  const bad = unknownOf(value);
  if (bad) return derive(bad, site);
  if (typeof value === "string") return { items: [...value], unordered: false };
  if (isObj(value)) {
    switch (value.kind) {
      case "list":
      case "tuple":
        return { items: [...value.items], unordered: value.unordered === true };
      case "dict":
        return { items: [...value.map.values()].map((entry) => entry.key), unordered: value.unordered === true };
      case "set":
        return { items: inSetOrder([...value.map.values()]), unordered: value.map.size > 1 };
      case "iterator": {
        const items: Value[] = [];
        for (let item = value.next(); item !== undefined; item = value.next()) {
          items.push(item);
          if (items.length > MAX_ITEMS) throw limit(`more than ${MAX_ITEMS} items of an iterator`, site);
        }
        return { items, unordered: value.unordered === true };
      }
      case "class":
        if (value.isEnum) {
          const items = [...value.attributes.values()].filter(
            (item) => isObj(item) && item.kind === "instance" && item.cls === value,
          );
          return { items: [...new Set(items)], unordered: false };
        }
        break;
      case "custom":
        if (value.iterate) return { items: value.iterate(), unordered: false };
        break;
      case "instance":
        return unknown(`iterating a "${value.cls.name}" is not followed`, site);
      default:
    }
  }
  throw raise("TypeError", `'${typeName(value)}' object is not iterable`, site);
}

export function truth(value: Value, site: Site): boolean | Unknown {
  if (value === null) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "string") return value !== "";
  if (typeof value === "bigint") return value !== 0n;
  if (typeof value === "number") return value !== 0;
  const bad = unknownOf(value);
  if (bad) return derive(bad, site);
  switch (value.kind) {
    case "list":
    case "tuple":
      return value.items.length > 0;
    case "dict":
    case "set":
      return value.map.size > 0;
    case "custom":
      return value.truth ? value.truth() : true;
    case "instance":
      {
        const own = specialMethod(value, ["__bool__", "__len__"]);
        if (own) return derive(own, site);
      }
      if (value.plain !== undefined) return truth(value.plain, site);
      return true;
    default:
      return true;
  }
}

/** `==`; unknown when something that is compared is. */
export function equal(left: Value, right: Value, site: Site): boolean | Unknown {
  const bad = unknownOf(left) ?? unknownOf(right);
  if (bad) {
    if (left === right && isObj(left) && left.kind !== "unknown") return true;
    return derive(bad, site);
  }
  if (isObj(left) && left.kind === "instance" && left.base) return equal(left.base, right, site);
  if (isObj(right) && right.kind === "instance" && right.base) return equal(left, right.base, site);
  const own = specialMethod(left, ["__eq__", "__ne__"]) ?? specialMethod(right, ["__eq__", "__ne__"]);
  if (own) return derive(own, site);
  const a = isObj(left) && left.kind === "instance" && left.plain !== undefined ? left.plain : left;
  const b = isObj(right) && right.kind === "instance" && right.plain !== undefined ? right.plain : right;
  if (!isObj(a) || !isObj(b)) {
    if (isObj(a) || isObj(b)) return false;
    return hashOf(a) === hashOf(b);
  }
  if (a.kind === "list" || a.kind === "tuple") {
    if (b.kind !== a.kind || b.items.length !== a.items.length) return false;
    if (a.unordered || b.unordered) return unknown("it compares lists in the order of a set", site);
    let doubt: Unknown | undefined;
    for (const [index, item] of a.items.entries()) {
      const same = equal(item, b.items[index] ?? null, site);
      if (same === false) return false;
      if (same !== true) doubt ??= same;
    }
    return doubt ?? true;
  }
  if (a.kind === "dict" && b.kind === "dict") {
    if (a.map.size !== b.map.size) return false;
    let doubt: Unknown | undefined;
    for (const [hash, entry] of a.map) {
      const other = b.map.get(hash);
      if (!other) return false;
      const same = equal(entry.value, other.value, site);
      if (same === false) return false;
      if (same !== true) doubt ??= same;
    }
    return doubt ?? true;
  }
  if (a.kind === "set" && b.kind === "set") {
    return a.map.size === b.map.size && [...a.map.keys()].every((hash) => b.map.has(hash));
  }
  if (a.kind === "instance" && b.kind === "instance") {
    if (a === b) return true;
    const cls = dataclassOf(a);
    if (!cls || a.cls !== b.cls || cls.dataclassOptions?.get("eq") === false) return false;
    if (hasFieldOptions(cls)) return unknown(`how "${cls.name}" compares is not followed`, site);
    let doubt: Unknown | undefined;
    for (const { name } of fieldsOf(cls)) {
      const same = equal(a.attributes.get(name) ?? null, b.attributes.get(name) ?? null, site);
      if (same === false) return false;
      if (same !== true) doubt ??= same;
    }
    return doubt ?? true;
  }
  return hashOf(a) === hashOf(b);
}

export function contains(container: Value, item: Value, site: Site): boolean | Unknown {
  const bad = unknownOf(container);
  if (bad) return derive(bad, site);
  const own = specialMethod(container, ["__contains__", "__iter__", "__getitem__"]);
  if (own) return derive(own, site);
  if (typeof container === "string") {
    const inner = unknownOf(item);
    if (inner) return derive(inner, site);
    const text = isObj(item) && item.kind === "instance" ? item.plain : item;
    if (isObj(item) && item.kind === "instance" && text === undefined)
      return unknown(`whether it contains a "${item.cls.name}" is not followed`, site);
    if (typeof text === "string") return container.includes(text);
    throw raise("TypeError", `'in <string>' requires string as left operand, not ${typeName(item)}`, site);
  }
  if (isObj(container)) {
    if (container.kind === "dict" || container.kind === "set") {
      const hash = hashOf(item);
      return typeof hash === "string" ? container.map.has(hash) : derive(hash, site);
    }
    if (container.kind === "custom" && container.contains) return container.contains(item);
  }
  const found = iterate(container, site);
  if ("kind" in found) return found;
  let doubt: Unknown | undefined;
  for (const each of found.items) {
    const same = equal(each, item, site);
    if (same === true) return true;
    if (same !== false) doubt ??= same;
  }
  return doubt ?? false;
}

export function compare(op: string, left: Value, right: Value, site: Site): boolean | Unknown {
  switch (op) {
    case "Eq":
      return equal(left, right, site);
    case "NotEq": {
      const same = equal(left, right, site);
      return typeof same === "boolean" ? !same : same;
    }
    case "In":
      return contains(right, left, site);
    case "NotIn": {
      const within = contains(right, left, site);
      return typeof within === "boolean" ? !within : within;
    }
    case "Is":
    case "IsNot": {
      const bad = isUnknown(left) ?? isUnknown(right);
      if (bad) return derive(bad, site);
      const same = left === right || (!isObj(left) && !isObj(right) && typeof left === typeof right && left === right);
      return op === "Is" ? same : !same;
    }
    default: {
      if (isObj(left) && isObj(right) && left.kind === "set" && right.kind === "set" && !left.poison && !right.poison) {
        const sub = [...left.map.keys()].every((hash) => right.map.has(hash));
        const sup = [...right.map.keys()].every((hash) => left.map.has(hash));
        return op === "LtE" ? sub : op === "GtE" ? sup : op === "Lt" ? sub && !sup : sup && !sub;
      }
      const order = orderOf(left, right, site);
      if (typeof order !== "number") return order;
      return op === "Lt" ? order < 0 : op === "LtE" ? order <= 0 : op === "Gt" ? order > 0 : order >= 0;
    }
  }
}

/** Negative, zero, positive as Python orders values; raises TypeError for values without an order. */
export function orderOf(left: Value, right: Value, site: Site): number | Unknown {
  const bad = unknownOf(left) ?? unknownOf(right);
  if (bad) return derive(bad, site);
  const own = specialMethod(left, ORDER) ?? specialMethod(right, ORDER);
  if (own) return derive(own, site);
  const a = isObj(left) && left.kind === "instance" && left.plain !== undefined ? left.plain : left;
  const b = isObj(right) && right.kind === "instance" && right.plain !== undefined ? right.plain : right;
  if ((isObj(a) && a.kind === "instance") || (isObj(b) && b.kind === "instance"))
    return unknown("its order is defined by the project", site);
  if (typeof a === "string" && typeof b === "string") return byCodePoint(a, b);
  if (isNumber(a) && isNumber(b)) {
    const x = typeof a === "boolean" ? BigInt(a) : a;
    const y = typeof b === "boolean" ? BigInt(b) : b;
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (isObj(a) && isObj(b)) {
    if ((a.kind === "list" || a.kind === "tuple") && a.kind === b.kind) {
      for (let index = 0; index < Math.min(a.items.length, b.items.length); index++) {
        const same = equal(a.items[index] ?? null, b.items[index] ?? null, site);
        if (same === true) continue;
        if (same !== false) return same;
        return orderOf(a.items[index] ?? null, b.items[index] ?? null, site);
      }
      return a.items.length - b.items.length;
    }
    if (a.kind === "custom" && b.kind === "custom" && a.equality !== undefined && b.equality !== undefined) {
      return byCodePoint(a.equality, b.equality);
    }
  }
  throw raise("TypeError", `'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`, site);
}

export function binary(op: string, left: Value, right: Value, site: Site): Value {
  if (isObj(left) && left.kind === "custom" && left.binary && !isUnknown(right)) {
    const result = left.binary(op, right, false, site);
    if (result !== undefined) return result;
  }
  if (isObj(right) && right.kind === "custom" && right.binary && !isUnknown(left)) {
    const result = right.binary(op, left, true, site);
    if (result !== undefined) return result;
  }
  if (op === "Mod" && typeof left === "string") return formatPercent(left, right, site);
  const bad = unknownOf(left) ?? unknownOf(right);
  if (bad) return derive(bad, site);
  for (const value of [left, right]) {
    if (!isObj(value) || value.kind !== "instance") continue;
    const own = specialMethod(value, ARITHMETIC);
    if (own) return derive(own, site);
    if (value.plain === undefined || op === "Mod")
      return unknown(`what an operator does with a "${value.cls.name}" is not followed`, site);
  }
  const a = isObj(left) && left.kind === "instance" && left.plain !== undefined ? left.plain : left;
  const b = isObj(right) && right.kind === "instance" && right.plain !== undefined ? right.plain : right;
  if (isNumber(a) && isNumber(b)) return arithmetic(op, a, b, site);
  if (op === "Add") {
    if (typeof a === "string" && typeof b === "string") return a + b;
    if (isObj(a) && isObj(b) && a.kind === b.kind && (a.kind === "list" || a.kind === "tuple")) {
      const items = [...a.items, ...(b as PyList | PyTuple).items];
      const unordered = a.unordered === true || (b as PyList).unordered === true;
      return unordered ? ({ kind: a.kind, items, unordered } as Value) : ({ kind: a.kind, items } as Value);
    }
  }
  if (op === "Mult") {
    const [many, count] = typeof b === "bigint" ? [a, b] : [b, a];
    if (typeof count === "bigint" || typeof count === "boolean") {
      const times = Math.max(0, Number(count));
      const size = typeof many === "string" ? many.length : isObj(many) && "items" in many ? many.items.length : 1;
      if (times * size > MAX_ITEMS) throw limit(`a collection of ${times * size} items`, site);
      if (typeof many === "string") return many.repeat(times);
      if (isObj(many) && (many.kind === "list" || many.kind === "tuple")) {
        const items = Array.from({ length: times }, () => many.items).flat();
        return many.unordered
          ? ({ kind: many.kind, items, unordered: true } as Value)
          : ({ kind: many.kind, items } as Value);
      }
    }
  }
  if (isObj(a) && isObj(b)) {
    if (a.kind === "dict" && b.kind === "dict" && op === "BitOr") {
      const merged: PyDict = { kind: "dict", map: new Map() };
      for (const dict of [a, b]) for (const entry of dict.map.values()) dictSet(merged, entry.key, entry.value);
      if (a.unordered || b.unordered) merged.unordered = true;
      return merged;
    }
    const x = asSet(a);
    const y = asSet(b);
    if (x && y && (a.kind === "set" || b.kind === "set")) {
      const result = combineSets(op, x, y);
      if (result) return result;
    }
    if (a.kind === "instance" || b.kind === "instance" || a.kind === "class" || b.kind === "builtin") {
      return unknown(`its operator is not followed`, site);
    }
  }
  throw raise(
    "TypeError",
    `unsupported operand type(s) for ${symbolOf(op)}: '${typeName(a)}' and '${typeName(b)}'`,
    site,
  );
}

export function unary(op: string, value: Value, site: Site): Value {
  if (op === "Not") {
    const is = truth(value, site);
    return typeof is === "boolean" ? !is : is;
  }
  const bad = unknownOf(value);
  if (bad) return derive(bad, site);
  if (isObj(value) && (value.kind === "instance" || value.kind === "class" || value.kind === "custom"))
    return unknown(`what an operator does with a "${typeName(value)}" is not followed`, site);
  const number = typeof value === "boolean" ? BigInt(value) : value;
  if (op === "USub" && typeof number === "bigint") return -number;
  if (op === "USub" && typeof number === "number") return -number;
  if (op === "UAdd" && isNumber(number)) return number;
  if (op === "Invert" && typeof number === "bigint") return ~number;
  throw raise("TypeError", `bad operand type for unary operator: '${typeName(value)}'`, site);
}

export function combineSets(op: string, a: PySet, b: PySet): PySet | undefined {
  const keep = (from: PySet, test: (hash: string) => boolean): Value[] =>
    [...from.map].filter(([hash]) => test(hash)).map(([, item]) => item);
  switch (op) {
    case "BitOr":
      return setFrom([...a.map.values(), ...b.map.values()]);
    case "BitAnd":
      return setFrom(keep(a, (hash) => b.map.has(hash)));
    case "Sub":
      return setFrom(keep(a, (hash) => !b.map.has(hash)));
    case "BitXor":
      return setFrom([...keep(a, (hash) => !b.map.has(hash)), ...keep(b, (hash) => !a.map.has(hash))]);
    default:
      return undefined;
  }
}

export function isUnknown(value: Value): Unknown | undefined {
  return isObj(value) && value.kind === "unknown" ? value : undefined;
}

export function isNumber(value: Value): value is boolean | bigint | number {
  return typeof value === "bigint" || typeof value === "number" || typeof value === "boolean";
}

// --- internal ---

function isExact(value: bigint): boolean {
  return value <= 9_007_199_254_740_992n && value >= -9_007_199_254_740_992n;
}
const ORDER = ["__lt__", "__gt__", "__le__", "__ge__"];
const OPERATIONS = [
  "add",
  "sub",
  "mul",
  "truediv",
  "floordiv",
  "mod",
  "pow",
  "matmul",
  "and",
  "or",
  "xor",
  "lshift",
  "rshift",
];
const ARITHMETIC = OPERATIONS.flatMap((name) => [`__${name}__`, `__r${name}__`, `__i${name}__`]);

function asSet(value: Value): PySet | undefined {
  if (!isObj(value)) return undefined;
  if (value.kind === "set") return value;
  if (value.kind === "list" && value.unordered !== undefined) return undefined;
  if (value.kind === "tuple" && value.className === "dict_keys") {
    const set = setFrom([]);
    for (const item of value.items) setAdd(set, item);
    return set;
  }
  return undefined;
}

function arithmetic(op: string, left: boolean | bigint | number, right: boolean | bigint | number, site: Site): Value {
  const a = typeof left === "boolean" ? BigInt(left) : left;
  const b = typeof right === "boolean" ? BigInt(right) : right;
  if (typeof left === "boolean" && typeof right === "boolean") {
    if (op === "BitAnd") return left && right;
    if (op === "BitOr") return left || right;
  }
  if (op === "Div" || op === "FloorDiv" || op === "Mod") {
    if (Number(b) === 0) throw raise("ZeroDivisionError", "division by zero", site);
  }
  if (typeof a === "bigint" && typeof b === "bigint") {
    switch (op) {
      case "Add":
        return a + b;
      case "Sub":
        return a - b;
      case "Mult":
        return a * b;
      case "Div":
        if (!isExact(a) || !isExact(b)) return unknown("the quotient of large integers is not followed", site);
        return Number(a) / Number(b);
      case "FloorDiv": {
        const quotient = a / b;
        return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
      }
      case "Mod":
        return ((a % b) + b) % b;
      case "Pow":
        if (b > 10_000n) throw limit("a power of more than 10000", site);
        return b < 0n ? Number(a) ** Number(b) : a ** b;
      case "BitAnd":
        return a & b;
      case "BitOr":
        return a | b;
      case "BitXor":
        return a ^ b;
      case "LShift":
        if (b > 10_000n) throw limit("a shift of more than 10000 bits", site);
        return a << b;
      case "RShift":
        return a >> b;
      default:
    }
  } else {
    const x = Number(a);
    const y = Number(b);
    switch (op) {
      case "Add":
        return x + y;
      case "Sub":
        return x - y;
      case "Mult":
        return x * y;
      case "Div":
        return x / y;
      case "FloorDiv":
        return floorOf(x, y);
      case "Mod":
        return remainderOf(x, y);
      case "Pow":
        if (!Number.isFinite(x ** y) || Number.isNaN(x ** y)) return unknown("this power is not followed", site);
        return x ** y;
      default:
    }
  }
  throw raise(
    "TypeError",
    `unsupported operand type(s) for ${symbolOf(op)}: '${typeName(left)}' and '${typeName(right)}'`,
    site,
  );
}

/** Python's `%` of floats: C's fmod, moved to the sign of the divisor. */
function remainderOf(x: number, y: number): number {
  const rest = x % y;
  if (rest === 0) return y < 0 ? -0 : 0;
  return rest < 0 !== y < 0 ? rest + y : rest;
}

/** Python's `//` of floats, worked out from the remainder as CPython does. */
function floorOf(x: number, y: number): number {
  const quotient = (x - remainderOf(x, y)) / y;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

const SYMBOLS = new Map(
  Object.entries({
    Add: "+",
    Sub: "-",
    Mult: "*",
    Div: "/",
    FloorDiv: "//",
    Mod: "%",
    Pow: "**",
    BitAnd: "&",
    BitOr: "|",
    BitXor: "^",
    LShift: "<<",
    RShift: ">>",
    MatMult: "@",
  }),
);

function symbolOf(op: string): string {
  return SYMBOLS.get(op) ?? op;
}
