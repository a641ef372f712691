/**
 * `functools`, `operator` and `itertools`: functions made of functions and sequences made of sequences, a row for each
 * function. What depends on the order of a set is unknown, and so is what is not followed.
 */
import { attributeOf } from "./attributes.ts";
import { callValue } from "./call.ts";
import { binary, compare, iterate } from "./operators.ts";
import { getItem } from "./items.ts";
import { iteratorOf, type AddModule, type Row } from "./rows.ts";
import { isObj, tuple, unknown, type CallArguments, type Site, type Value } from "./value.ts";
import { limit, MAX_ITEMS, raise, type Vm } from "./vm.ts";

/** Adds the three modules; `vm` is asked when their functions are called. */
export function addCallModules(module: AddModule, vm: () => Vm): void {
  module("functools", {
    partial: (args) => {
      const [func = null, ...positional] = args.positional;
      return { kind: "partial", func, positional, keywords: args.keywords, attributes: new Map() };
    },
    update_wrapper: (args) => updateWrapper(args.positional[0] ?? null, args.positional[1] ?? null),
    wraps: (args) => {
      const [wrapped = null] = args.positional;
      return { kind: "builtin", name: "wraps", call: (inner) => updateWrapper(inner.positional[0] ?? null, wrapped) };
    },
    reduce: (args, site) => {
      const [func = null, source = null, start] = args.positional;
      const found = iterate(source, site);
      if ("kind" in found) return found;
      const items = start === undefined ? [...found.items] : [start, ...found.items];
      if (items.length === 0) throw raise("TypeError", "reduce() of empty iterable with no initial value", site);
      let total = items[0] ?? null;
      for (const item of items.slice(1))
        total = callValue(vm(), func, { positional: [total, item], keywords: new Map() }, site);
      return total;
    },
    lru_cache: (args, site) => {
      const [first = args.keywords.get("maxsize") ?? 128n] = args.positional;
      if (isObj(first)) return remembering(first, site);
      const isFollowed =
        (first === null || typeof first === "bigint") && !args.keywords.has("typed") && args.positional.length < 2;
      return {
        kind: "builtin",
        name: "decorator",
        call: (inner, at) =>
          isFollowed && (first === null || (first as bigint) >= 100n)
            ? remembering(inner.positional[0] ?? null, at)
            : unknown("this lru_cache is not followed", at),
      };
    },
    cache: (args, site) => remembering(args.positional[0] ?? null, site),
    cached_property: (args) => ({ kind: "property", getter: args.positional[0] ?? null, role: "cached" }),
  });
  const operator: Record<string, Row> = {};
  for (const [name, op] of Object.entries({
    add: "Add",
    sub: "Sub",
    mul: "Mult",
    or_: "BitOr",
    and_: "BitAnd",
    concat: "Add",
    mod: "Mod",
    xor: "BitXor",
  })) {
    operator[name] = (args, site) => binary(op, args.positional[0] ?? null, args.positional[1] ?? null, site);
  }
  for (const [name, op] of Object.entries({ eq: "Eq", ne: "NotEq", lt: "Lt", le: "LtE", gt: "Gt", ge: "GtE" })) {
    operator[name] = (args, site) => compare(op, args.positional[0] ?? null, args.positional[1] ?? null, site);
  }
  module("operator", {
    ...operator,
    itemgetter: (args) => ({
      kind: "builtin",
      name: "itemgetter",
      call: (inner, site) => {
        const items = args.positional.map((key) => getItem(inner.positional[0] ?? null, key, site));
        return items.length === 1 ? (items[0] ?? null) : tuple(items);
      },
    }),
    attrgetter: (args) => ({
      kind: "builtin",
      name: "attrgetter",
      call: (inner, site) =>
        String(args.positional[0])
          .split(".")
          .reduce((value: Value, name) => attributeOf(vm(), value, name, site), inner.positional[0] ?? null),
    }),
  });
  const lists = (args: CallArguments, site: Site): (readonly Value[])[] | Value => {
    const out: (readonly Value[])[] = [];
    for (const value of args.positional) {
      const found = iterate(value, site);
      if ("kind" in found) return found;
      if (found.unordered) return unknown("it depends on the order of a set, which differs between runs", site);
      out.push(found.items);
    }
    return out;
  };
  const combined =
    (make: (lists: (readonly Value[])[], args: CallArguments, site: Site) => Value[]): Row =>
    (args, site) => {
      const found = lists(args, site);
      if (!Array.isArray(found)) return found as Value;
      const items = make(found, args, site);
      if (items.length > MAX_ITEMS) throw limit(`more than ${MAX_ITEMS} combinations`, site);
      return iteratorOf(items, false);
    };
  const chain: Row = (args, site) => {
    const out: Value[] = [];
    let unordered = false;
    for (const value of args.positional) {
      const found = iterate(value, site);
      if ("kind" in found) return found;
      unordered ||= found.unordered;
      out.push(...found.items);
    }
    return iteratorOf(out, unordered);
  };
  const repeatOf = (args: CallArguments): number => Number(args.keywords.get("repeat") ?? 1n);
  module("itertools", {
    chain: {
      kind: "builtin",
      name: "chain",
      call: chain,
      attributes: new Map<string, Value>([
        [
          "from_iterable",
          {
            kind: "builtin",
            name: "from_iterable",
            call: (args, site) => {
              const found = iterate(args.positional[0] ?? null, site);
              return "kind" in found ? found : chain({ positional: found.items, keywords: new Map() }, site);
            },
          },
        ],
      ]),
    },
    product: combined((sources, args, site) => {
      const all = Array.from({ length: repeatOf(args) }, () => sources).flat();
      if (all.reduce((size, items) => size * items.length, 1) > MAX_ITEMS)
        throw limit(`more than ${MAX_ITEMS} combinations`, site);
      return all
        .reduce<Value[][]>((rows, items) => rows.flatMap((row) => items.map((item) => [...row, item])), [[]])
        .map((row) => tuple(row));
    }),
    zip_longest: combined((sources, args) =>
      Array.from({ length: Math.max(0, ...sources.map((items) => items.length)) }, (_, index) =>
        tuple(sources.map((items) => items[index] ?? args.keywords.get("fillvalue") ?? null)),
      ),
    ),
    count: (args) => {
      let at = typeof args.positional[0] === "bigint" ? args.positional[0] : 0n;
      const by = typeof args.positional[1] === "bigint" ? args.positional[1] : 1n;
      return {
        kind: "iterator",
        next: () => {
          const value = at;
          at += by;
          return value;
        },
      };
    },
    accumulate: (_args, site) => unknown("accumulate is not followed", site),
    pairwise: combined((sources) =>
      (sources[0] ?? []).slice(1).map((item, index) => tuple([sources[0]?.[index] ?? null, item])),
    ),
    combinations: (args, site) => {
      const found = iterate(args.positional[0] ?? null, site);
      if ("kind" in found || found.unordered)
        return "kind" in found ? found : unknown("it depends on the order of a set", site);
      const size = Number(args.positional[1] ?? args.keywords.get("r") ?? 0n);
      const out: Value[] = [];
      const pick = (start: number, row: Value[]): void => {
        if (out.length > MAX_ITEMS) throw limit(`more than ${MAX_ITEMS} combinations`, site);
        if (row.length === size) out.push(tuple(row));
        else for (let at = start; at < found.items.length; at++) pick(at + 1, [...row, found.items[at] ?? null]);
      };
      pick(0, []);
      return iteratorOf(out, false);
    },
    permutations: (_args, site) => unknown("permutations is not followed", site),
    islice: (args, site) => {
      const [source = null, ...bounds] = args.positional;
      const [from, to] =
        bounds.length === 1
          ? [0, Number(bounds[0])]
          : [Number(bounds[0] ?? 0), bounds[1] === null ? Number.POSITIVE_INFINITY : Number(bounds[1])];
      if (bounds.length > 2) return unknown("islice with a step is not followed", site);
      if (isObj(source) && source.kind === "iterator" && !source.poison) {
        const items: Value[] = [];
        for (let at = 0; at < to; at++) {
          const item = source.next();
          if (item === undefined) break;
          if (at >= from) items.push(item);
        }
        return iteratorOf(items, false);
      }
      const found = iterate(source, site);
      return "kind" in found ? found : iteratorOf(found.items.slice(from, to), found.unordered);
    },
  });
}

// --- internal ---

/** A function that remembers its results, as `functools.cache` makes it. */
function remembering(func: Value, site: Site): Value {
  if (!isObj(func) || func.kind !== "function") return unknown("a cache around something else than a function", site);
  const memo = new Map<string, Value>();
  const clear: Value = {
    kind: "builtin",
    name: "cache_clear",
    call: () => {
      memo.clear();
      return null;
    },
  };
  const attributes = new Map<string, Value>([
    ...func.attributes,
    ["cache_clear", clear],
    ["cache_info", unknown("cache_info is not followed", site)],
    ["__wrapped__", func],
  ]);
  return { ...func, memo, attributes };
}

function updateWrapper(wrapper: Value, wrapped: Value): Value {
  if (!isObj(wrapper) || !isObj(wrapped)) return wrapper;
  if (wrapper.kind === "function") {
    if (wrapped.kind === "function") {
      wrapper.name = wrapped.name;
      wrapper.moduleName = wrapped.moduleName;
    } else if (wrapped.kind === "builtin") wrapper.name = wrapped.name;
    else wrapper.attributes.set("\0unnamed", unknown("the wrapped function is not read", undefined));
  } else if (wrapper.kind === "partial") {
    if (wrapped.kind === "function" || wrapped.kind === "builtin") wrapper.name = wrapped.name;
    else if (wrapped.kind === "unknown") wrapper.attributes.set("\0unnamed", wrapped);
  }
  return wrapper;
}
