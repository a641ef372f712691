/**
 * The parts of Python's standard library that pipeline code uses, by dotted name. What is not here is external: an
 * unknown with its path. `logging`, `warnings` and the like do nothing.
 * Long, because it is a table: a row for each function.
 */
import { posix } from "node:path";
import { attributeOf } from "./attributes.ts";
import { iteratorOf } from "./builtins.ts";
import { callUnknown, callValue } from "./call.ts";
import type { FieldSpec } from "./classes.ts";
import { importModule } from "./modules.ts";
import { binary, compare, getItem, iterate } from "./operators.ts";
import { REGEX_CALLS } from "./regex.ts";
import {
  deepUnknown,
  derive,
  dictSet,
  emptyDict,
  isObj,
  list,
  setFrom,
  tuple,
  unknown,
  unknownOf,
  type CallArguments,
  type ClassValue,
  type LibraryModule,
  type PyDict,
  type Site,
  type Value,
} from "./value.ts";
import { limit, MAX_ITEMS, raise, type Vm } from "./vm.ts";

type Row = (args: CallArguments, site: Site) => Value;

/** Dotted name → value, for `import` and `from … import`. */
export function standardLibrary(vm: () => Vm): ReadonlyMap<string, Value> {
  const table = new Map<string, Value>();
  const module = (name: string, rows: Readonly<Record<string, Value | Row>>): void => {
    const attributes = new Map<string, Value>();
    for (const [key, value] of Object.entries(rows)) {
      attributes.set(
        key,
        typeof value === "function" ? { kind: "builtin", name: key, call: value, moduleName: name } : value,
      );
    }
    const made: LibraryModule = { kind: "library", name, attributes };
    table.set(name, made);
  };
  const nothing: Value = quiet();
  module("logging", {
    getLogger: () => nothing,
    basicConfig: () => null,
    info: () => null,
    debug: () => null,
    warning: () => null,
    error: () => null,
    exception: () => null,
    critical: () => null,
    disable: () => null,
    INFO: 20n,
    DEBUG: 10n,
    WARNING: 30n,
    ERROR: 40n,
    CRITICAL: 50n,
  });
  module("warnings", { warn: () => null, filterwarnings: () => null, simplefilter: () => null });
  module("pprint", { pprint: () => null });
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
  module("typing", {
    TYPE_CHECKING: false,
    cast: (args) => args.positional[1] ?? null,
    overload: (args) => args.positional[0] ?? null,
    final: (args) => args.positional[0] ?? null,
  });
  module("importlib", {
    import_module: (args, site) => {
      const [name = null, anchor] = args.positional;
      const bad = unknownOf(name);
      if (bad) return derive(bad, site);
      if (typeof name !== "string") return unknown("this import_module is not followed", site);
      if (!name.startsWith(".")) return importModule(vm(), name, site);
      if (typeof (anchor ?? args.keywords.get("package")) !== "string")
        return unknown("this import_module is not followed", site);
      const level = /^\.+/.exec(name)?.[0].length ?? 1;
      const parts = String(anchor ?? args.keywords.get("package")).split(".");
      return importModule(
        vm(),
        [...parts.slice(0, parts.length - level + 1), name.slice(level)].filter((part) => part !== "").join("."),
        site,
      );
    },
  });
  module("re", {
    ...REGEX_CALLS,
    sub: (args, site) => {
      const bad = args.positional.map(deepUnknown).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      const [pattern, to, text] = args.positional;
      if (isObj(to ?? null)) return callUnknown(vm(), unknown("this re.sub is not followed", site), args, site);
      const regex = typeof pattern === "string" ? simplePattern(pattern) : undefined;
      if (
        !regex ||
        typeof to !== "string" ||
        typeof text !== "string" ||
        to.includes("\\") ||
        args.positional.length > 3
      )
        return unknown("this regular expression is not followed", site);
      return /^[ -~\n]*$/.test(text) && args.keywords.size === 0
        ? text.replaceAll(regex, () => to)
        : unknown("this regular expression is not followed", site);
    },
    split: (args, site) => {
      const [pattern, text] = args.positional;
      const regex = typeof pattern === "string" ? simplePattern(pattern) : undefined;
      return regex && typeof text === "string"
        ? list(text.split(regex))
        : unknown("this regular expression is not followed", site);
    },
  });
  const environment = (name: Value | undefined, standard: Value | undefined, strict: boolean, site: Site): Value => {
    const bad = unknownOf(name ?? null);
    if (bad) return derive(bad, site);
    if (vm().environment) return derive(vm().environment as never, site);
    if (typeof name !== "string") return unknown("this environment variable is not followed", site);
    vm().dependsOn.add(`env:${name}`);
    const value = vm().host.env(name);
    if (value === undefined && strict) throw raise("KeyError", `'${name}'`, site);
    return value ?? standard ?? null;
  };
  const environ: Value = {
    kind: "custom",
    type: "environ",
    attribute: (name, site) => {
      if (name === "get")
        return {
          kind: "builtin",
          name,
          call: (args, at) =>
            environment(args.positional[0], args.positional[1] ?? args.keywords.get("default"), false, at),
        };
      if (name === "setdefault" || name === "update" || name === "pop") {
        return {
          kind: "builtin",
          name,
          call: (_args, at) => {
            vm().environment ??= unknown("the environment is changed by the project's code", at);
            return vm().environment as Value;
          },
        };
      }
      return unknown(`os.environ.${name} is not followed`, site);
    },
    item: (key, site) => environment(key, undefined, true, site),
    assign: (_key, _item, site) => {
      vm().environment ??= unknown("the environment is changed by the project's code", site);
    },
    contains: (key) => {
      if (typeof key !== "string") return false;
      vm().dependsOn.add(`env:${key}`);
      return vm().host.env(key) !== undefined;
    },
  };
  const pathText = (value: Value): string | undefined =>
    typeof value === "string"
      ? value
      : isObj(value) && value.kind === "custom" && value.type === "Path"
        ? (value.data as string)
        : undefined;
  const onPaths =
    (run: (parts: string[]) => Value): Row =>
    (args, site) => {
      const parts = args.positional.map(pathText);
      const bad = args.positional.map(unknownOf).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      return parts.includes(undefined) ? unknown("this path is not followed", site) : run(parts as string[]);
    };
  const exists = (path: string, site: Site): Value => {
    if (posix.isAbsolute(path)) return unknown("whether a file outside of the project exists", site);
    vm().dependsOn.add(`file:${posix.normalize(path)}`);
    return (
      vm().host.file(posix.normalize(path)) !== undefined || unknown("whether a folder exists is not followed", site)
    );
  };
  module("os.path", {
    join: onPaths((parts) => posix.join(...parts)),
    dirname: onPaths(([path = ""]) => posix.dirname(path)),
    basename: onPaths(([path = ""]) => posix.basename(path)),
    abspath: onPaths(([path = ""]) => path),
    realpath: onPaths(([path = ""]) => path),
    exists: (args, site) => onPaths(([path = ""]) => exists(path, site))(args, site),
    isfile: (args, site) => onPaths(([path = ""]) => exists(path, site))(args, site),
  });
  module("os", {
    environ,
    getenv: (args, site) =>
      environment(args.positional[0], args.positional[1] ?? args.keywords.get("default"), false, site),
    path: table.get("os.path") ?? null,
    sep: "/",
    putenv: (_args, site) => {
      vm().environment ??= unknown("the environment is changed by the project's code", site);
      return null;
    },
  });
  module("dotenv", {
    load_dotenv: (_args, site) => {
      vm().environment ??= unknown("load_dotenv changes the environment", site);
      return true;
    },
    find_dotenv: (_args, site) => unknown("find_dotenv is not followed", site),
  });
  const makePath = (path: string): Value => ({
    kind: "custom",
    type: "Path",
    equality: path,
    data: path,
    text: () => (path.startsWith("/") || path === "" ? path : undefined),
    binary: (op, other, reversed) => {
      const text = pathText(other);
      return op !== "Div" || text === undefined
        ? undefined
        : makePath(reversed ? posix.join(text, path) : posix.join(path, text));
    },
    attribute: (name, site) => {
      const method = (call: Row): Value => ({ kind: "builtin", name, call });
      if (/^\.(?:\.|$)/.test(path) && ["name", "stem", "suffix", "parent", "parents"].includes(name))
        return unknown("it is the path of the project's folder", site);
      switch (name) {
        case "parent":
          return makePath(posix.dirname(path));
        case "name":
          return posix.basename(path);
        case "stem":
          return posix.basename(path, posix.extname(path));
        case "suffix":
          return posix.extname(path);
        case "parents": {
          const parents: Value[] = [];
          for (let at = posix.dirname(path); ; at = posix.dirname(at)) {
            parents.push(makePath(at));
            if (at === "." || at === "/") break;
          }
          return tuple(parents);
        }
        case "resolve":
        case "absolute":
        case "expanduser":
          return method(() => makePath(path));
        case "joinpath":
          return method(onPaths((parts) => makePath(posix.join(path, ...parts))));
        case "as_posix":
          return method((_args, at) =>
            path.startsWith("/") ? path : unknown("it is the path of the project's folder", at),
          );
        case "exists":
        case "is_file":
          return method((_args, at) => exists(path, at));
        case "read_text":
          return method((_args, at) => readText(vm(), path, at));
        case "open":
          return method((_args, at) => openFile(vm(), path, at));
        case "mkdir":
        case "touch":
          return method(() => null);
        default:
          return unknown(`Path.${name} is not followed`, site);
      }
    },
  });
  module("pathlib", {
    Path: {
      kind: "builtin",
      name: "Path",
      call: (args: CallArguments, site: Site) =>
        onPaths((parts) => makePath(parts.length === 0 ? "." : posix.join(...parts)))(args, site),
      attributes: new Map<string, Value>([["cwd", { kind: "builtin", name: "cwd", call: () => makePath(".") }]]),
    },
  });
  module("json", {
    loads: (args, site) => parsed(args.positional[0] ?? null, site),
    load: (args, site) => {
      const [file] = args.positional;
      return isObj(file ?? null) && (file as { type?: string }).type === "file"
        ? parsed((file as { data: Value }).data, site)
        : (unknownOf(file ?? null) ?? unknown("this file is not followed", site));
    },
  });
  module("sys", {
    version_info: unknown("the version of Python is not known", undefined),
    path: quiet(),
    argv: unknown("the command line is not known", undefined, "sys.argv"),
    platform: unknown("the platform is not known", undefined),
  });
  module("ast", {
    literal_eval: (args, site) => {
      const [value = null] = args.positional;
      const bad = unknownOf(value);
      if (bad) return derive(bad, site);
      if (isObj(value) && value.kind !== "list" && value.kind !== "dict")
        return unknown("this literal_eval is not followed", site);
      if (typeof value !== "string") throw raise("ValueError", "malformed node or string", site);
      if (/^-?(?:0|[1-9]\d*)$/.test(value)) return BigInt(value);
      if (/^-?\d+\.\d+$/.test(value)) return Number(value);
      const word = new Map<string, Value>([
        ["True", true],
        ["False", false],
        ["None", null],
      ]).get(value);
      if (word !== undefined) return word;
      const text = /^(?:"([^"\\\n]*)"|'([^'\\\n]*)')$/.exec(value);
      if (text) return text[1] ?? text[2] ?? "";
      // A word alone is a name, which no literal holds; some words are keywords, which is another exception.
      if (/^[A-Za-z_][A-Za-z0-9]*_[A-Za-z0-9_]*$/.test(value))
        throw raise("ValueError", "malformed node or string", site);
      return unknown("this literal_eval is not followed", site);
    },
  });
  module("abc", { ABC: vm().builtins.get("object") ?? null, abstractmethod: (args) => args.positional[0] ?? null });
  module("string", {
    ascii_lowercase: "abcdefghijklmnopqrstuvwxyz",
    ascii_uppercase: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    digits: "0123456789",
  });
  module("contextlib", {
    suppress: (args) => ({ kind: "custom", type: "suppress", data: args.positional, attribute: () => undefined }),
    nullcontext: (args) => ({
      kind: "custom",
      type: "nullcontext",
      attribute: () => undefined,
      enter: () => args.positional[0] ?? null,
    }),
  });
  return table;
}

/** `open(path)` of a file inside the project; an unknown for others. */
export function openFile(vm: Vm, path: string, site: Site): Value {
  const text = readText(vm, path, site);
  if (typeof text !== "string") return text;
  const file: Value = {
    kind: "custom",
    type: "file",
    data: text,
    attribute: (name, at) =>
      name === "read"
        ? { kind: "builtin", name, call: () => text }
        : name === "readlines"
          ? { kind: "builtin", name, call: () => list(text.split(/(?<=\n)/)) }
          : unknown(`file.${name} is not followed`, at),
    iterate: () => text.split(/(?<=\n)/),
  };
  return file;
}

// --- internal ---

/** Something whose every method does nothing: a logger. */
function quiet(): Value {
  return { kind: "custom", type: "Logger", attribute: (name) => ({ kind: "builtin", name, call: () => null }) };
}

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

/** Patterns that mean the same in JavaScript. */
function simplePattern(pattern: string): RegExp | undefined {
  if (/\(\?|\\[AZbBdDwWsS]?[^A-Za-z\d\s]?\p{L}{2}|\\[1-9AZ]|\$/u.test(pattern) || /[^ -~]|\{,/.test(pattern))
    return undefined;
  try {
    return new RegExp(pattern, "g");
  } catch {
    return undefined; // not a pattern in JavaScript: not followed
  }
}

function readText(vm: Vm, path: string, site: Site): Value {
  const clean = posix.normalize(path);
  if (posix.isAbsolute(clean) || clean.startsWith(".."))
    return unknown("it is read from a file outside of the project", site);
  if (/(?:^|\/)(?:credentials|\.env)[^/]*(?:\/|$)/.test(clean)) {
    vm.unknownCalls++;
    return unknown("it is read from a file of secrets, which kfk does not open", site);
  }
  vm.dependsOn.add(`file:${clean}`);
  const text = vm.host.file(clean);
  if (text === undefined) throw raise("FileNotFoundError", `No such file or directory: '${clean}'`, site);
  return text;
}

function parsed(text: Value, site: Site): Value {
  if (typeof text !== "string") return unknownOf(text) ?? unknown("this JSON is not followed", site);
  try {
    return fromJson(
      JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
        typeof value === "number" && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context?.source ?? "0") : value,
      ),
    );
  } catch {
    return unknown("the text is not JSON", site);
  }
}

function fromJson(value: unknown): Value {
  if (Array.isArray(value)) return list(value.map(fromJson));
  if (typeof value === "object" && value !== null) {
    const dict = emptyDict();
    // JavaScript moves keys that look like numbers to the front.
    if (Object.keys(value).some((key) => /^\d+$/.test(key)))
      dict.poison = unknown("a JSON object with numbers as keys", undefined);
    for (const [key, item] of Object.entries(value)) dictSet(dict, key, fromJson(item));
    return dict;
  }
  return value as Value;
}
