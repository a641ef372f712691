/**
 * Methods of str, list, dict, set, tuple and iterators, as one table for each type. Names that Python has and that
 * are not in a table give an unknown when they are called.
 * Long, because it is a table: a row for each method.
 */
import { attributeOf } from "./attributes.ts";
import { callValue } from "./call.ts";
import { formatBraces } from "./format.ts";
import { reprOf } from "./repr.ts";
import { combineSets, contains, equal, iterate, orderOf, truth } from "./operators.ts";
import { deleteItem, setItem } from "./items.ts";
import {
  deepUnknown,
  derive,
  isObj,
  list,
  tuple,
  typeName,
  unknown,
  unknownOf,
  type CallArguments,
  type DictEntry,
  type PyDict,
  type PyList,
  type PySet,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictSet, hashOf, setAdd, setFrom } from "./keys.ts";
import { raise, type Vm } from "./vm.ts";

type Method<T> = (self: T, args: CallArguments, site: Site, vm: Vm) => Value;

/** The bound method, or undefined when Python has none of that name. */
export function methodOf(vm: Vm, self: Value, name: string, site: Site): Value | undefined {
  const bad = unknownOf(self);
  const table = tableOf(self);
  const method = table?.get(name);
  if (method === undefined) {
    if (bad) return derive(bad, site);
    if (table && (name.startsWith("__") || KNOWN_NAMES.has(name) || typeof self !== "object"))
      return unknown(`".${name}" of a ${typeName(self)} is not followed`, site);
    return table ? undefined : unknown(`".${name}" of a ${typeName(self)} is not followed`, site);
  }
  return {
    kind: "builtin",
    name,
    self,
    call: (args, at) => {
      const poison = unknownOf(self);
      if (poison) return derive(poison, at);
      return method(self as never, args, at, vm);
    },
  };
}

/** Sorts as Python's `sorted`; an unknown when a key is not known. */
export function sortValues(
  vm: Vm,
  items: readonly Value[],
  args: CallArguments,
  site: Site,
): readonly Value[] | Unknown {
  const key = args.keywords.get("key") ?? null;
  const reverse = truth(args.keywords.get("reverse") ?? false, site);
  if (typeof reverse !== "boolean") return reverse;
  const keyed = items.map((item) => ({
    item,
    key: key === null ? item : callValue(vm, key, { positional: [item], keywords: new Map() }, site),
  }));
  let doubt: Unknown | undefined;
  for (const entry of keyed) doubt ??= deepUnknown(entry.key);
  if (doubt) return derive(doubt, site);
  if (reverse) keyed.reverse();
  const sorted = keyed.toSorted((a, b) => {
    const order = orderOf(a.key, b.key, site);
    if (typeof order === "number") return order;
    doubt ??= order;
    return 0;
  });
  if (reverse) sorted.reverse();
  return doubt ? derive(doubt, site) : sorted.map((entry) => entry.item);
}

// --- internal ---

function tableOf(self: Value): ReadonlyMap<string, Method<never>> | undefined {
  if (typeof self === "string") return TEXT as ReadonlyMap<string, Method<never>>;
  if (!isObj(self)) return new Map();
  switch (self.kind) {
    case "list":
      return LIST as ReadonlyMap<string, Method<never>>;
    case "tuple":
      return TUPLE as ReadonlyMap<string, Method<never>>;
    case "dict":
      return DICT as ReadonlyMap<string, Method<never>>;
    case "set":
      return SET as ReadonlyMap<string, Method<never>>;
    default:
      return undefined;
  }
}

/** Python's other methods of these types. */
const KNOWN_NAMES: ReadonlySet<string> = new Set([
  "encode",
  "translate",
  "maketrans",
  "expandtabs",
  "rindex",
  "isidentifier",
  "isprintable",
  "format_map",
  "swapcase",
  "popitem",
  "issuperset",
  "symmetric_difference_update",
]);

function text(value: Value | undefined, site: Site): string {
  const plain =
    isObj(value ?? null) && (value as { kind: string }).kind === "instance"
      ? (value as { plain?: Value }).plain
      : value;
  if (typeof plain === "string") return plain;
  throw raise("TypeError", `expected str, got ${typeName(value ?? null)}`, site);
}

/** A method of str whose arguments must be known. */
function textMethod(
  run: (self: string, args: readonly Value[], site: Site, keywords: ReadonlyMap<string, Value>) => Value,
): Method<string> {
  return (self, args, site) => {
    for (const value of [...args.positional, ...args.keywords.values()]) {
      const bad = deepUnknown(value);
      if (bad) return derive(bad, site);
    }
    return run(self, args.positional, site, args.keywords);
  };
}

/** Bounds, keywords and empty or non-ASCII texts whose treatment is not written here. */
const plainly =
  (
    most: number,
    isFollowed: (self: string, part: Value | undefined) => boolean,
    method: Method<string>,
  ): Method<string> =>
  (self, args, site, vm) =>
    args.positional.length > most || !isFollowed(self, args.positional[0])
      ? (args.positional.map(unknownOf).find((item) => item !== undefined) ??
        unknown("this method of a text is not followed", site))
      : method(self, args, site, vm);
const isAscii = (value: string): boolean => [...value].every((char) => char < "\u0080");
const always = (): boolean => true;
const ascii = (self: string): boolean => isAscii(self) && ![...self].some((char) => char >= "\u001c" && char < " ");
/** What Python strips: not the byte order mark, which JavaScript strips. */
const isWhite = (char: string): boolean =>
  (/\s/.test(char) && char !== "\uFEFF") || char === "\u0085" || (char >= "\u001c" && char < " ");

const strip = (self: string, chars: Value | undefined, start: boolean, end: boolean): string => {
  const set = typeof chars === "string" ? new Set(chars) : undefined;
  const drop = (char: string | undefined): boolean => char !== undefined && (set ? set.has(char) : isWhite(char));
  const all = [...self];
  let from = 0;
  let to = all.length;
  while (start && from < to && drop(all[from])) from++;
  while (end && to > from && drop(all[to - 1])) to--;
  return all.slice(from, to).join("");
};

function split(self: string, separator: Value | undefined, count: Value | undefined, fromRight: boolean): Value {
  const max = typeof count === "bigint" && count >= 0n ? Number(count) : Number.POSITIVE_INFINITY;
  let parts: string[];
  if (separator === undefined || separator === null) {
    parts = self.split(/\s+/).filter((part) => part !== "");
    if (parts.length - 1 > max) {
      return unknown("a split at white space with a limit is not followed", undefined);
    }
    if (parts.length < 0) {
      parts = fromRight
        ? [
            self
              .trim()
              .split(/\s+/)
              .slice(0, parts.length - max)
              .join(" "),
            ...parts.slice(parts.length - max),
          ]
        : [...parts.slice(0, max), self.trim().replace(new RegExp(`^(?:\\S+\\s+){${max}}`), "")];
    }
    return list(parts);
  }
  parts = self.split(separator as string);
  if (parts.length - 1 > max) {
    parts = fromRight
      ? [parts.slice(0, parts.length - max).join(separator as string), ...parts.slice(parts.length - max)]
      : [...parts.slice(0, max), parts.slice(max).join(separator as string)];
  }
  return list(parts);
}

/** `split` and `rsplit`. */
const splitting = (fromRight: boolean): Method<string> =>
  plainly(
    2,
    (self, part) => part !== "" && ((part !== undefined && part !== null) || ascii(self)),
    textMethod((self, [separator, count], _site, keywords) =>
      split(self, separator ?? keywords.get("sep"), count ?? keywords.get("maxsplit"), fromRight),
    ),
  );

const affix = (at: "startsWith" | "endsWith"): Method<string> =>
  textMethod((self, [wanted], site) => {
    if (isObj(wanted ?? null) && (wanted as { kind: string }).kind === "tuple")
      return (wanted as { items: readonly Value[] }).items.some((item) => self[at](text(item, site)));
    return self[at](text(wanted, site));
  });

const TEXT: ReadonlyMap<string, Method<string>> = new Map<string, Method<string>>([
  [
    "upper",
    plainly(
      0,
      ascii,
      textMethod((self) => self.toUpperCase()),
    ),
  ],
  [
    "lower",
    plainly(
      0,
      ascii,
      textMethod((self) => self.toLowerCase()),
    ),
  ],
  [
    "casefold",
    plainly(
      0,
      ascii,
      textMethod((self) => self.toLowerCase()),
    ),
  ],
  [
    "title",
    plainly(
      0,
      ascii,
      textMethod((self) =>
        self.replaceAll(/\p{L}+/gu, (word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()),
      ),
    ),
  ],
  [
    "capitalize",
    plainly(
      0,
      ascii,
      textMethod((self) => self.charAt(0).toUpperCase() + self.slice(1).toLowerCase()),
    ),
  ],
  ["strip", textMethod((self, [chars]) => strip(self, chars, true, true))],
  ["lstrip", textMethod((self, [chars]) => strip(self, chars, true, false))],
  ["rstrip", textMethod((self, [chars]) => strip(self, chars, false, true))],
  ["startswith", plainly(1, always, affix("startsWith"))],
  ["endswith", plainly(1, always, affix("endsWith"))],
  [
    "removeprefix",
    textMethod((self, [part], site) =>
      self.startsWith(text(part, site)) ? self.slice(text(part, site).length) : self,
    ),
  ],
  [
    "removesuffix",
    textMethod((self, [part], site) =>
      text(part, site) !== "" && self.endsWith(text(part, site)) ? self.slice(0, -text(part, site).length) : self,
    ),
  ],
  ["split", splitting(false)],
  ["rsplit", splitting(true)],
  [
    "splitlines",
    plainly(
      0,
      (self) => /^[ -~\n]*$/.test(self) && self !== "\n",
      textMethod((self) =>
        list(
          self
            .replace(/\n$/, "")
            .split("\n")
            .filter((line, index, all) => line !== "" || all.length > 1),
        ),
      ),
    ),
  ],
  [
    "partition",
    textMethod((self, [separator], site) => {
      const at = self.indexOf(text(separator, site));
      return at < 0
        ? tuple([self, "", ""])
        : tuple([self.slice(0, at), text(separator, site), self.slice(at + text(separator, site).length)]);
    }),
  ],
  [
    "rpartition",
    textMethod((self, [separator], site) => {
      const at = self.lastIndexOf(text(separator, site));
      return at < 0
        ? tuple(["", "", self])
        : tuple([self.slice(0, at), text(separator, site), self.slice(at + text(separator, site).length)]);
    }),
  ],
  [
    "replace",
    plainly(
      3,
      (_self, part) => part !== "",
      textMethod((self, [from, to, count], site) => {
        const parts = self.split(text(from, site));
        const max = typeof count === "bigint" && count >= 0n ? Number(count) : parts.length - 1;
        return (
          parts.slice(0, max + 1).join(text(to, site)) +
          (parts.length > max + 1 ? text(from, site) + parts.slice(max + 1).join(text(from, site)) : "")
        );
      }),
    ),
  ],
  [
    "find",
    plainly(
      1,
      (self) => [...self].length === self.length,
      textMethod((self, [part], site) => BigInt(self.indexOf(text(part, site)))),
    ),
  ],
  [
    "rfind",
    plainly(
      1,
      (self) => [...self].length === self.length,
      textMethod((self, [part], site) => BigInt(self.lastIndexOf(text(part, site)))),
    ),
  ],
  [
    "index",
    plainly(
      1,
      (self) => [...self].length === self.length,
      textMethod((self, [part], site) => {
        const at = self.indexOf(text(part, site));
        if (at < 0) throw raise("ValueError", "substring not found", site);
        return BigInt(at);
      }),
    ),
  ],
  [
    "count",
    plainly(
      1,
      (_self, part) => part !== "",
      textMethod((self, [part], site) => BigInt(self.split(text(part, site)).length - 1)),
    ),
  ],
  [
    "zfill",
    textMethod((self, [width]) =>
      /^[-+]/.test(self)
        ? self.charAt(0) + self.slice(1).padStart(Number(width) - 1, "0")
        : self.padStart(Number(width), "0"),
    ),
  ],
  ["ljust", textMethod((self, [width, fill]) => self.padEnd(Number(width), (fill as string | undefined) ?? " "))],
  ["rjust", textMethod((self, [width, fill]) => self.padStart(Number(width), (fill as string | undefined) ?? " "))],
  [
    "isdigit",
    plainly(
      0,
      ascii,
      textMethod((self) => /^\d+$/.test(self)),
    ),
  ],
  [
    "isnumeric",
    plainly(
      0,
      ascii,
      textMethod((self) => /^\d+$/.test(self)),
    ),
  ],
  [
    "isdecimal",
    plainly(
      0,
      ascii,
      textMethod((self) => /^\d+$/.test(self)),
    ),
  ],
  [
    "isalpha",
    plainly(
      0,
      ascii,
      textMethod((self) => /^\p{L}+$/u.test(self)),
    ),
  ],
  [
    "isalnum",
    plainly(
      0,
      ascii,
      textMethod((self) => /^[\p{L}\p{N}]+$/u.test(self)),
    ),
  ],
  ["isupper", textMethod((self) => self !== self.toLowerCase() && self === self.toUpperCase())],
  ["islower", textMethod((self) => self !== self.toUpperCase() && self === self.toLowerCase())],
  [
    "isspace",
    plainly(
      0,
      ascii,
      textMethod((self) => /^\s+$/.test(self)),
    ),
  ],
  [
    "join",
    (self, args, site) => {
      const found = iterate(args.positional[0] ?? null, site);
      if ("kind" in found) return found;
      const bad = found.items.map(unknownOf).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      if (found.unordered) return unknown("it joins the items of a set, whose order differs between runs", site);
      return found.items.map((item) => text(item, site)).join(self);
    },
  ],
  [
    "format",
    (self, args, site, vm) =>
      formatBraces(self, args.positional, args.keywords, site, (value, name) => attributeOf(vm, value, name, site)),
  ],
]);

const ORDER = "it depends on the order of a set, which differs between runs";

const LIST: ReadonlyMap<string, Method<PyList>> = new Map<string, Method<PyList>>([
  [
    "append",
    (self, { positional: [item] }) => {
      self.items.push(item ?? null);
      return null;
    },
  ],
  [
    "extend",
    (self, { positional: [more] }, site) => {
      const found = iterate(more ?? null, site);
      if ("kind" in found) self.poison = found;
      else {
        self.items.push(...found.items);
        if (found.unordered) self.unordered = true;
      }
      return null;
    },
  ],
  [
    "insert",
    (self, { positional: [at, item] }, site) => {
      if (typeof at !== "bigint")
        self.poison = unknownOf(at ?? null) ?? unknown("the place of an insert is not followed", site);
      else self.items.splice(Number(at), 0, item ?? null);
      return null;
    },
  ],
  [
    "pop",
    (self, { positional: [at = -1n] }, site) => {
      if (self.unordered) return unknown(ORDER, site);
      if (typeof at !== "bigint") {
        self.poison = unknownOf(at) ?? unknown("pop is not followed", site);
        return self.poison;
      }
      const index = Number(at) < 0 ? self.items.length + Number(at) : Number(at);
      if (index < 0 || index >= self.items.length) throw raise("IndexError", "pop from empty list", site);
      return self.items.splice(index, 1)[0] ?? null;
    },
  ],
  [
    "remove",
    (self, { positional: [item] }, site) => {
      for (const [index, each] of self.items.entries()) {
        const same = equal(each, item ?? null, site);
        if (typeof same !== "boolean") {
          self.poison = same;
          return null;
        }
        if (same) {
          self.items.splice(index, 1);
          return null;
        }
      }
      throw raise("ValueError", "list.remove(x): x not in list", site);
    },
  ],
  [
    "clear",
    (self) => {
      self.items.length = 0;
      return null;
    },
  ],
  ["copy", (self) => list([...self.items], self.unordered === true)],
  [
    "reverse",
    (self) => {
      self.items.reverse();
      return null;
    },
  ],
  [
    "sort",
    (self, args, site, vm) => {
      const sorted = sortValues(vm, self.items, args, site);
      if ("kind" in sorted) self.poison = sorted;
      else {
        self.items = [...sorted];
        if (args.keywords.get("key") === undefined) self.unordered = false;
      }
      return null;
    },
  ],
  [
    "index",
    (self, { positional: [item, ...bounds] }, site) =>
      bounds.length > 0
        ? unknown("index() with bounds is not followed", site)
        : indexIn(self.items, item ?? null, site, self.unordered === true),
  ],
  ["count", (self, { positional: [item] }, site) => countIn(self.items, item ?? null, site)],
]);

const TUPLE: ReadonlyMap<
  string,
  Method<{ items: readonly Value[]; unordered?: boolean; fields?: readonly string[] }>
> = new Map([
  [
    "index",
    (self, { positional: [item, ...bounds] }, site) =>
      bounds.length > 0
        ? unknown("index() with bounds is not followed", site)
        : indexIn(self.items, item ?? null, site, self.unordered === true),
  ],
  ["count", (self, { positional: [item] }, site) => countIn(self.items, item ?? null, site)],
  ["isdisjoint", (_self, _args, site) => unknown("isdisjoint is not followed", site)],
] as [string, Method<{ items: readonly Value[]; unordered?: boolean }>][]);

/** A view follows its dictionary. */
const view = (dict: PyDict, className: string, item: (entry: DictEntry) => Value): Value => ({
  kind: "tuple",
  className,
  of: dict,
  get items() {
    return [...dict.map.values()].map(item);
  },
  get unordered() {
    return dict.unordered === true;
  },
});

const DICT: ReadonlyMap<string, Method<PyDict>> = new Map<string, Method<PyDict>>([
  ["keys", (self) => view(self, "dict_keys", (entry) => entry.key)],
  ["values", (self) => view(self, "dict_values", (entry) => entry.value)],
  ["items", (self) => view(self, "dict_items", (entry) => tuple([entry.key, entry.value]))],
  [
    "get",
    (self, { positional: [key, standard = null] }, site) => {
      const hash = hashOf(key ?? null);
      return typeof hash === "string" ? (self.map.get(hash)?.value ?? standard) : derive(hash, site);
    },
  ],
  [
    "setdefault",
    (self, { positional: [key = null, standard = null] }, site) => {
      const hash = hashOf(key);
      if (typeof hash !== "string") {
        self.poison = hash;
        return derive(hash, site);
      }
      const found = self.map.get(hash);
      if (found) return found.value;
      dictSet(self, key, standard);
      return standard;
    },
  ],
  [
    "pop",
    (self, { positional: [key = null, standard] }, site) => {
      const hash = hashOf(key);
      if (typeof hash !== "string") {
        self.poison = hash;
        return derive(hash, site);
      }
      const found = self.map.get(hash);
      if (found) {
        self.map.delete(hash);
        return found.value;
      }
      if (standard === undefined) throw raise("KeyError", reprOf(key) ?? "a key", site);
      return standard;
    },
  ],
  [
    "update",
    (self, args, site) => {
      for (const [key, value] of args.keywords) dictSet(self, key, value);
      const [more] = args.positional;
      if (more === undefined) return null;
      const bad = unknownOf(more);
      if (bad) self.poison = bad;
      else if (isObj(more) && more.kind === "dict") {
        for (const entry of more.map.values()) dictSet(self, entry.key, entry.value);
        if (more.unordered) self.unordered = true;
      } else {
        const found = iterate(more, site);
        if ("kind" in found) self.poison = found;
        else {
          for (const pair of found.items) {
            const both = iterate(pair, site);
            if ("kind" in both) self.poison = both;
            else dictSet(self, both.items[0] ?? null, both.items[1] ?? null);
          }
        }
      }
      return null;
    },
  ],
  [
    "copy",
    (self) => ({
      kind: "dict",
      map: new Map([...self.map].map(([hash, entry]) => [hash, { ...entry }])),
      ...(self.unordered && { unordered: true }),
      ...(self.factory !== undefined && { factory: self.factory }),
    }),
  ],
  [
    "clear",
    (self) => {
      self.map.clear();
      return null;
    },
  ],
  [
    "__setitem__",
    (self, { positional: [key = null, value = null] }, site) => {
      setItem(self, key, value, site);
      return null;
    },
  ],
  [
    "__delitem__",
    (self, { positional: [key = null] }, site) => {
      deleteItem(self, key, site);
      return null;
    },
  ],
  ["__contains__", (self, { positional: [key = null] }, site) => contains(self, key, site)],
]);

const setOperation =
  (op: string): Method<PySet> =>
  (self, { positional }, site) => {
    let result: PySet = setFrom(self.map.values());
    for (const more of positional) {
      const found = iterate(more, site);
      if ("kind" in found) return found;
      result = combineSets(op, result, setFrom(found.items)) ?? result;
    }
    return result;
  };

const SET: ReadonlyMap<string, Method<PySet>> = new Map<string, Method<PySet>>([
  [
    "add",
    (self, { positional: [item] }) => {
      setAdd(self, item ?? null);
      return null;
    },
  ],
  [
    "update",
    (self, { positional }, site) => {
      for (const more of positional) {
        const found = iterate(more, site);
        if ("kind" in found) self.poison = found;
        else for (const item of found.items) setAdd(self, item);
      }
      return null;
    },
  ],
  [
    "discard",
    (self, { positional: [item] }) => {
      const hash = hashOf(item ?? null);
      if (typeof hash === "string") self.map.delete(hash);
      else self.poison = hash;
      return null;
    },
  ],
  [
    "remove",
    (self, { positional: [item] }, site) => {
      const hash = hashOf(item ?? null);
      if (typeof hash !== "string") self.poison = hash;
      else if (!self.map.delete(hash)) throw raise("KeyError", reprOf(item ?? null) ?? "a key", site);
      return null;
    },
  ],
  ["union", setOperation("BitOr")],
  ["intersection", setOperation("BitAnd")],
  ["difference", setOperation("Sub")],
  ["symmetric_difference", setOperation("BitXor")],
  ["copy", (self) => setFrom(self.map.values())],
  [
    "clear",
    (self) => {
      self.map.clear();
      return null;
    },
  ],
  [
    "pop",
    (self, _args, site) => {
      const doubt = unknown(ORDER, site);
      self.poison = doubt;
      return doubt;
    },
  ],
  [
    "difference_update",
    (self, { positional: [more] }, site) => {
      const found = iterate(more ?? null, site);
      if ("kind" in found) self.poison = found;
      else for (const hash of setFrom(found.items).map.keys()) self.map.delete(hash);
      return null;
    },
  ],
  [
    "intersection_update",
    (self, { positional: [more] }, site) => {
      const found = iterate(more ?? null, site);
      if ("kind" in found) self.poison = found;
      else {
        const keep = setFrom(found.items).map;
        for (const hash of self.map.keys()) if (!keep.has(hash)) self.map.delete(hash);
      }
      return null;
    },
  ],
  [
    "issubset",
    (self, { positional: [more] }, site) => {
      const found = iterate(more ?? null, site);
      if ("kind" in found) return found;
      const within = setFrom(found.items).map;
      return [...self.map.keys()].every((hash) => within.has(hash));
    },
  ],
  [
    "isdisjoint",
    (self, { positional: [more] }, site) => {
      const found = iterate(more ?? null, site);
      if ("kind" in found) return found;
      const within = setFrom(found.items).map;
      return ![...self.map.keys()].some((hash) => within.has(hash));
    },
  ],
]);

function indexIn(items: readonly Value[], item: Value, site: Site, unordered: boolean): Value {
  if (unordered) return unknown(ORDER, site);
  for (const [index, each] of items.entries()) {
    const same = equal(each, item, site);
    if (typeof same !== "boolean") return same;
    if (same) return BigInt(index);
  }
  throw raise("ValueError", "the item is not in the list", site);
}

function countIn(items: readonly Value[], item: Value, site: Site): Value {
  let count = 0n;
  for (const each of items) {
    const same = equal(each, item, site);
    if (typeof same !== "boolean") return same;
    if (same) count++;
  }
  return count;
}
