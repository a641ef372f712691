/**
 * `copy`, `collections`, `enum` and `dataclasses`: values that hold others, a row for each function. What is not
 * followed is unknown.
 */
import { callValue } from "./call.ts";
import type { FieldSpec } from "./classes.ts";
import { iterate } from "./operators.ts";
import { type AddModule } from "./rows.ts";
import {
  emptyDict,
  isObj,
  list,
  tuple,
  unknown,
  unknownOf,
  type ClassValue,
  type PyDict,
  type Value,
} from "./value.ts";
import { dictSet, setFrom } from "./keys.ts";
import { type Vm } from "./vm.ts";

/** Adds the four modules. `vm` is asked at once for its builtins, and when functions are called. */
export function addDataModules(module: AddModule, vm: () => Vm): void {
  const copyOf = (value: Value, deep: boolean, known = new Map<Value, Value>()): Value => {
    const ready = known.get(value);
    if (ready !== undefined) return ready;
    const made = copyNew(value, deep, known);
    if (isObj(value)) known.set(value, made);
    return made;
  };
  const copyNew = (value: Value, deep: boolean, known: Map<Value, Value>): Value => {
    if (!isObj(value) || unknownOf(value)) return value;
    const inner = (item: Value): Value => (deep ? copyOf(item, true, known) : item);
    switch (value.kind) {
      case "list":
        return list(value.items.map(inner), value.unordered === true);
      case "dict":
        return {
          ...value,
          map: new Map([...value.map].map(([hash, entry]) => [hash, { key: entry.key, value: inner(entry.value) }])),
        };
      case "set":
        return setFrom(value.map.values());
      case "tuple":
        return { ...value, items: value.items.map(inner) };
      case "instance":
        return value.cls.isEnum
          ? value
          : { ...value, attributes: new Map([...value.attributes].map(([name, item]) => [name, inner(item)])) };
      default:
        return value;
    }
  };
  module("copy", {
    copy: (args) => copyOf(args.positional[0] ?? null, false),
    deepcopy: (args) => copyOf(args.positional[0] ?? null, true),
  });
  module("collections", {
    OrderedDict: vm().builtins.get("dict") ?? null,
    defaultdict: (args, site) => {
      const [factory, ...rest] = args.positional;
      const dict = callValue(
        vm(),
        vm().builtins.get("dict") ?? null,
        { positional: rest, keywords: args.keywords },
        site,
      ) as PyDict;
      if (factory !== undefined && factory !== null) dict.factory = factory;
      return dict;
    },
    namedtuple: (args, site) => {
      const [name = args.keywords.get("typename"), fields = args.keywords.get("field_names") ?? null] = args.positional;
      const found =
        typeof fields === "string"
          ? { items: fields.split(/[\s,]+/).filter((field) => field !== "") as Value[] }
          : iterate(fields, site);
      const standards = iterate(args.keywords.get("defaults") ?? tuple([]), site);
      const isKnown = [...args.keywords.keys()].every((key) =>
        ["typename", "field_names", "defaults", "module"].includes(key),
      );
      if ("kind" in found || typeof name !== "string" || "kind" in standards || !isKnown || args.positional.length > 2)
        return unknown("this named tuple is not followed", site);
      const names = found.items.map(String);
      const attributes = new Map(
        standards.items.map(
          (item, index) => [names[names.length - standards.items.length + index] ?? "", item] as const,
        ),
      );
      const cls: ClassValue = {
        kind: "class",
        name,
        moduleName: "",
        bases: [],
        attributes,
        annotated: names,
        line: 0,
        isNamedTuple: true,
        site,
      };
      return cls;
    },
  });
  module("enum", {
    auto: () => ({ kind: "custom", type: "auto", attribute: () => null }),
    unique: (args) => args.positional[0] ?? null,
  });
  module("dataclasses", {
    dataclass: (args) => {
      const mark = (value: Value): Value => {
        if (!isObj(value) || value.kind !== "class") return value;
        value.dataclass = true;
        value.dataclassOptions = args.keywords;
        if ([...args.keywords.values()].some((item) => typeof item !== "boolean"))
          value.poison ??= unknown("an option of its dataclass decorator is not known", value.site);
        return value;
      };
      const [cls] = args.positional;
      return cls === undefined
        ? { kind: "builtin", name: "dataclass", call: (inner) => mark(inner.positional[0] ?? null) }
        : mark(cls);
    },
    field: (args) => {
      const data: FieldSpec = {
        standard: args.keywords.get("default"),
        factory: args.keywords.get("default_factory"),
        init: args.keywords.get("init") !== false,
        isCompared: ["compare", "hash", "kw_only"].every((key) => !args.keywords.has(key)),
      };
      return { kind: "custom", type: "field", data, attribute: () => null };
    },
    asdict: (args, site) => {
      const [value = null] = args.positional;
      const bad = unknownOf(value);
      if (bad) return bad;
      const dict = emptyDict();
      if (!isObj(value) || value.kind !== "instance") return unknown("asdict is not followed", site);
      for (const [name, item] of value.attributes) {
        if (isObj(item) && (item.kind === "instance" || item.kind === "list" || item.kind === "dict"))
          return unknown("asdict of nested values is not followed", site);
        dictSet(dict, name, item);
      }
      return dict;
    },
    replace: (args, site) => {
      const [value = null] = args.positional;
      if (!isObj(value) || value.kind !== "instance" || value.poison)
        return unknownOf(value) ?? unknown("replace is not followed", site);
      return { ...value, attributes: new Map([...value.attributes, ...args.keywords]) };
    },
  });
}
