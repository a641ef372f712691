/**
 * Python's builtins that go through sequences: `zip`, `sorted`, `map`, `sum`, … A row each. What depends on the order of
 * a set is unknown.
 */
import { callValue } from "./call.ts";
import { firstOf, type AddBuiltin, deferred, iteratorOf } from "./rows.ts";
import { sortValues } from "./methods.ts";
import { binary, compare, iterate, truth } from "./operators.ts";
import { derive, isObj, list, tuple, unknown, unknownOf, type Unknown, type Value } from "./value.ts";
import { raise, type Vm } from "./vm.ts";

/** Adds them; `vm` is asked when they are called. */
export function addSequences(add: AddBuiltin, vm: () => Vm): void {
  add("enumerate", (args, site) =>
    deferred(() => {
      const found = iterate(firstOf(args), site);
      if ("kind" in found) return found;
      const start = args.positional[1] ?? args.keywords.get("start") ?? 0n;
      const doubt = found.unordered
        ? unknown("it counts in the order of a set, which differs between runs", site)
        : unknownOf(start);
      return iteratorOf(
        found.items.map((item, index) => tuple([doubt ?? BigInt(index) + (start as bigint), item])),
        found.unordered,
      );
    }),
  );
  add("zip", (args, site) => {
    const lists: (readonly Value[])[] = [];
    for (const value of args.positional) {
      if (isObj(value) && value.kind === "iterator" && args.positional.length > 1 && lists.length > 0) {
        const size = Math.min(...lists.map((items) => items.length));
        const items: Value[] = [];
        if (value.poison) return value.poison;
        for (
          let item = size > 0 ? value.next() : undefined;
          item !== undefined;
          item = items.length < size ? value.next() : undefined
        )
          items.push(item);
        lists.push(items);
        continue;
      }
      const found = iterate(value, site);
      if ("kind" in found) return found;
      if (found.unordered) return unknown("it pairs items in the order of a set, which differs between runs", site);
      lists.push(found.items);
    }
    const size = lists.length === 0 ? 0 : Math.min(...lists.map((items) => items.length));
    if (args.keywords.get("strict") === true && lists.some((items) => items.length !== size))
      throw raise("ValueError", "zip() arguments have different lengths", site);
    return iteratorOf(
      Array.from({ length: size }, (_, index) => tuple(lists.map((items) => items[index] ?? null))),
      false,
    );
  });
  add("reversed", (args, site) =>
    deferred(() => {
      const found = iterate(firstOf(args), site);
      return "kind" in found ? found : iteratorOf(found.items.toReversed(), found.unordered);
    }),
  );
  add("sorted", (args, site) => {
    const found = iterate(firstOf(args), site);
    if ("kind" in found) return found;
    const sorted = sortValues(vm(), found.items, args, site);
    return "kind" in sorted
      ? sorted
      : list([...sorted], found.unordered && (args.keywords.get("key") ?? null) !== null);
  });
  add("iter", (args, site) =>
    deferred(() => {
      const found = iterate(firstOf(args), site);
      return "kind" in found ? found : iteratorOf(found.items, found.unordered);
    }),
  );
  add("next", (args, site) => {
    const value = firstOf(args);
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
    if (!isObj(value) || value.kind !== "iterator") return unknown("this next() is not followed", site);
    if (value.unordered) return unknown("it is the first of a set, whose order differs between runs", site);
    const item = value.next() ?? args.positional[1];
    if (item === undefined) throw raise("StopIteration", "", site);
    return item;
  });
  add("map", (args, site) =>
    deferred(() => {
      const [func = null, ...sources] = args.positional;
      const lists: (readonly Value[])[] = [];
      let unordered = false;
      for (const value of sources) {
        const found = iterate(value, site);
        if ("kind" in found) return found;
        unordered ||= found.unordered;
        lists.push(found.items);
      }
      const size = Math.min(...lists.map((items) => items.length));
      return iteratorOf(
        Array.from({ length: size }, (_, index) =>
          callValue(vm(), func, { positional: lists.map((items) => items[index] ?? null), keywords: new Map() }, site),
        ),
        unordered,
      );
    }),
  );
  add("filter", (args, site) =>
    deferred(() => {
      const [func = null, source = null] = args.positional;
      const found = iterate(source, site);
      if ("kind" in found) return found;
      const kept: Value[] = [];
      for (const item of found.items) {
        const is = truth(
          func === null ? item : callValue(vm(), func, { positional: [item], keywords: new Map() }, site),
          site,
        );
        if (typeof is !== "boolean") return is;
        if (is) kept.push(item);
      }
      return iteratorOf(kept, found.unordered);
    }),
  );
  add("sum", (args, site) => {
    const found = iterate(firstOf(args), site);
    if ("kind" in found) return found;
    let total: Value = args.positional[1] ?? args.keywords.get("start") ?? 0n;
    for (const item of found.items) total = binary("Add", total, item, site);
    return total;
  });
  for (const [name, op] of [
    ["min", "Lt"],
    ["max", "Gt"],
  ] as const) {
    add(name, (args, site) => {
      const found = args.positional.length === 1 ? iterate(firstOf(args), site) : { items: args.positional };
      if ("kind" in found) return found;
      const key = args.keywords.get("key") ?? null;
      let best: Value | undefined;
      let bestKey: Value = null;
      for (const item of found.items) {
        const itemKey = key === null ? item : callValue(vm(), key, { positional: [item], keywords: new Map() }, site);
        const is = best === undefined ? true : compare(op, itemKey, bestKey, site);
        if (typeof is !== "boolean") return is;
        if (is) [best, bestKey] = [item, itemKey];
      }
      if (best === undefined) {
        if (args.keywords.has("default")) return args.keywords.get("default") ?? null;
        throw raise("ValueError", `${name}() iterable argument is empty`, site);
      }
      return best;
    });
  }
  for (const [name, stop] of [
    ["any", true],
    ["all", false],
  ] as const) {
    add(name, (args, site) => {
      const found = iterate(firstOf(args), site);
      if ("kind" in found) return found;
      let doubt: Unknown | undefined;
      for (const item of found.items) {
        const is = truth(item, site);
        if (is === stop) return stop;
        if (typeof is !== "boolean") doubt ??= is;
      }
      return doubt ?? !stop;
    });
  }
}
