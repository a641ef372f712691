/**
 * Python's builtins, one row each; those that go through sequences are in sequences.ts. What is not here and exists in
 * Python is an unknown (`UNFOLLOWED`).
 */
import { KfkError } from "../error.ts";
import { attributeOf, changeAttribute, setAttribute } from "./attributes.ts";
import { pathOf } from "./conf.ts";
import { openFile } from "./library-files.ts";
import { ownText } from "./call.ts";
import { firstOf, type AddBuiltin } from "./rows.ts";
import { addSequences } from "./sequences.ts";
import { knownBase, lineage, unknownBase } from "./lineage.ts";
import { formatSpec } from "./format.ts";
import { reprOf } from "./repr.ts";
import { binary, isNumber, iterate, truth, unary } from "./operators.ts";
import {
  derive,
  emptyDict,
  isObj,
  list,
  tuple,
  placeOfSite,
  typeName,
  unknown,
  unknownOf,
  type ClassValue,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictSet, setFrom } from "./keys.ts";
import { limit, MAX_ITEMS, raise, type Vm } from "./vm.ts";

/** Name → value; `vm` is asked when they are called. */
export function builtinsFor(vm: () => Vm): ReadonlyMap<string, Value> {
  const table = new Map<string, Value>();
  const add: AddBuiltin = (name, call, type) => {
    table.set(
      name,
      type === undefined
        ? { kind: "builtin", name, call, moduleName: "builtins" }
        : { kind: "builtin", name, call, type, moduleName: "builtins" },
    );
  };
  addTypes(add, vm);
  addSequences(add, vm);
  addNumbers(add);
  addObjects(add, vm, table);
  for (const name of EXCEPTIONS) {
    const cls: ClassValue = {
      kind: "class",
      name,
      moduleName: "builtins",
      bases: [],
      attributes: new Map(),
      annotated: [],
      line: 0,
      isException: true,
      site: { source: { file: "", text: "" }, node: {} },
    };
    table.set(name, cls);
  }
  for (const name of UNFOLLOWED) {
    add(name, (args, site) => {
      vm().unknownCalls++;
      const [value = null, attribute = null] = args.positional;
      if (name === "delattr") changeAttribute(vm(), value, String(attribute), unknown("an attribute is deleted", site));
      if (name === "exec" || name === "eval" || name === "globals") throw rewrites(name, site);
      return unknown(`"${name}()" is not followed`, site);
    });
  }
  table.set("NotImplemented", unknown("it is NotImplemented", undefined));
  table.set("__debug__", true);
  return table;
}

// --- internal ---

/** Types of values, which make values of others; `print` and `len` besides. */
function addTypes(add: AddBuiltin, vm: () => Vm): void {
  add("print", () => null);
  add("len", (args, site) => {
    const value = firstOf(args);
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
    if (typeof value === "string") return BigInt([...value].length);
    if (isObj(value)) {
      if (value.kind === "list" || value.kind === "tuple") return BigInt(value.items.length);
      if (value.kind === "dict" || value.kind === "set") return BigInt(value.map.size);
      if (value.kind === "custom" && value.length) return BigInt(value.length());
      if (value.kind === "class" && value.isEnum) {
        const found = iterate(value, site);
        return "kind" in found ? found : BigInt(found.items.length);
      }
      if (value.kind === "instance") return unknown(`the length of a "${value.cls.name}" is not followed`, site);
    }
    throw raise("TypeError", `object of type '${typeName(value)}' has no len()`, site);
  });
  add(
    "list",
    (args, site) => {
      if (args.positional.length === 0) return list([]);
      const found = iterate(firstOf(args), site);
      return "kind" in found ? { kind: "list", items: [], poison: found } : list([...found.items], found.unordered);
    },
    "list",
  );
  add(
    "tuple",
    (args, site) => {
      if (args.positional.length === 0) return tuple([]);
      const found = iterate(firstOf(args), site);
      return "kind" in found
        ? found
        : found.unordered
          ? { kind: "tuple", items: found.items, unordered: true }
          : tuple(found.items);
    },
    "tuple",
  );
  for (const name of ["set", "frozenset"]) {
    add(
      name,
      (args, site) => {
        const found = args.positional.length === 0 ? { items: [] } : iterate(firstOf(args), site);
        if ("kind" in found) return { kind: "set", map: new Map(), poison: found };
        const set = setFrom(found.items);
        return name === "set" ? set : { ...set, frozen: true };
      },
      name,
    );
  }
  add(
    "dict",
    (args, site) => {
      const dict = emptyDict();
      const [source] = args.positional;
      if (source !== undefined) {
        const bad = unknownOf(source);
        if (bad) dict.poison = derive(bad, site);
        else if (isObj(source) && source.kind === "dict") {
          for (const entry of source.map.values()) dictSet(dict, entry.key, entry.value);
          if (source.unordered) dict.unordered = true;
        } else {
          const found = iterate(source, site);
          if ("kind" in found) dict.poison = found;
          else {
            if (found.unordered) dict.unordered = true;
            for (const pair of found.items) {
              const both = iterate(pair, site);
              if ("kind" in both) dict.poison = both;
              else dictSet(dict, both.items[0] ?? null, both.items[1] ?? null);
            }
          }
        }
      }
      for (const [key, value] of args.keywords) dictSet(dict, key, value);
      return dict;
    },
    "dict",
  );
  add("str", (args, site) => (args.positional.length === 0 ? "" : ownText(vm(), firstOf(args), site)), "str");
  add(
    "repr",
    (args, site) => reprOf(firstOf(args)) ?? unknownOf(firstOf(args)) ?? unknown("its repr is not followed", site),
  );
  add(
    "int",
    (args, site) => {
      const value = firstOf(args);
      const bad = unknownOf(value);
      if (bad) return derive(bad, site);
      if (args.positional.length === 0) return 0n;
      if (typeof value === "boolean" || typeof value === "bigint") return BigInt(value);
      if (typeof value === "number" && Number.isFinite(value)) return BigInt(Math.trunc(value));
      if (typeof value === "string" && args.positional.length === 1) {
        if (/^\s*[-+]?\d+(?:_\d+)*\s*$/.test(value)) return BigInt(value.trim().replaceAll("_", "").replace("+", ""));
        throw raise("ValueError", `invalid literal for int() with base 10: ${reprOf(value)}`, site);
      }
      return unknown("this int() is not followed", site);
    },
    "int",
  );
  add(
    "float",
    (args, site) => {
      const value = firstOf(args);
      const bad = unknownOf(value);
      if (bad) return derive(bad, site);
      if (args.positional.length === 0) return 0;
      if (isNumber(value)) return Number(value);
      if (typeof value === "string" && /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value))
        return Number(value);
      return unknown("this float() is not followed", site);
    },
    "float",
  );
  add("bool", (args, site) => truth(firstOf(args), site), "bool");
  add("object", () => unknown("it is a bare object", undefined), "object");
  add(
    "range",
    (args, site) => {
      const bad = args.positional.map(unknownOf).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      if (!args.positional.every((item) => typeof item === "bigint" || typeof item === "boolean"))
        throw raise("TypeError", "range() takes integers", site);
      const numbers = args.positional.map(Number);
      const [from, to, by = 1] =
        numbers.length === 1 ? [0, numbers[0] ?? 0] : [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 1];
      if (by === 0) throw raise("ValueError", "range() arg 3 must not be zero", site);
      if (Math.abs((to - from) / by) > MAX_ITEMS) throw limit(`a range of more than ${MAX_ITEMS} items`, site);
      const items: Value[] = [];
      for (let at = from; by > 0 ? at < to : at > to; at += by) items.push(BigInt(at));
      return { kind: "tuple", items, range: true };
    },
    "range",
  );
}

/** Numbers and letters. */
function addNumbers(add: AddBuiltin): void {
  add("abs", (args, site) => {
    const value = firstOf(args);
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
    if (!isNumber(value)) throw raise("TypeError", `bad operand type for abs(): '${typeName(value)}'`, site);
    if (typeof value === "boolean") return BigInt(value);
    return Number(value) < 0 || Object.is(value, -0) ? unary("USub", value, site) : value;
  });
  add("round", (args, site) => {
    const value = firstOf(args);
    if (typeof value === "bigint" && args.positional.length === 1) return value;
    return unknownOf(value) ?? unknown("round() is not followed", site);
  });
  add("divmod", (args, site) =>
    tuple([
      binary("FloorDiv", firstOf(args), args.positional[1] ?? null, site),
      binary("Mod", firstOf(args), args.positional[1] ?? null, site),
    ]),
  );
  add("ord", (args, site) => {
    const value = firstOf(args);
    if (typeof value !== "string" || [...value].length !== 1)
      return unknownOf(value) ?? unknown("this ord() is not followed", site);
    return BigInt(value.codePointAt(0) ?? 0);
  });
  add("chr", (args, site) => {
    const value = firstOf(args);
    if (typeof value !== "bigint" || value < 0n || value > 0x10ffffn)
      return unknownOf(value) ?? unknown("this chr() is not followed", site);
    return String.fromCodePoint(Number(value));
  });
  add("format", (args, site) => formatSpec(firstOf(args), String(args.positional[1] ?? ""), site));
}

/** Classes, attributes, files and whatever looks at a value from outside. */
function addObjects(add: AddBuiltin, vm: () => Vm, table: ReadonlyMap<string, Value>): void {
  add("callable", (args, site) => {
    const value = firstOf(args);
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
    return isObj(value) && ["function", "builtin", "method", "partial", "class"].includes(value.kind);
  });
  add("isinstance", (args, site) => isInstance(firstOf(args), args.positional[1] ?? null, site));
  add("issubclass", (args, site) => {
    const [cls = null, wanted = null] = args.positional;
    if (isObj(cls) && isObj(wanted) && cls.kind === "class" && wanted.kind === "class")
      return derives(cls, wanted) ?? unknown("its bases are not read", site);
    return unknown("issubclass() is not followed here", site);
  });
  add(
    "type",
    (args, site) => {
      const value = firstOf(args);
      if (isObj(value) && value.kind === "instance") return value.cls;
      const name = typeName(value);
      return unknownOf(value) ?? table.get(name) ?? unknown("type() is not followed here", site);
    },
    "type",
  );
  add("getattr", (args, site) => {
    const [value = null, name = null, standard] = args.positional;
    const bad = unknownOf(name);
    if (bad) return derive(bad, site);
    if (typeof name !== "string") throw raise("TypeError", "attribute name must be string", site);
    const found = attributeOf(vm(), value, name, site, true);
    if (found !== undefined) return found;
    if (standard !== undefined) return standard;
    return attributeOf(vm(), value, name, site);
  });
  add("hasattr", (args, site) => {
    const [value = null, name = null] = args.positional;
    const bad = unknownOf(value) ?? unknownOf(name);
    if (bad) return derive(bad, site);
    const found = attributeOf(vm(), value, String(name), site, true);
    return found === undefined
      ? false
      : isObj(found) && found.kind === "unknown" && !(isObj(value) && value.kind === "module")
        ? derive(found, site)
        : true;
  });
  add("setattr", (args, site) => {
    const [value = null, name = null, item = null] = args.positional;
    if (typeof name === "string") setAttribute(vm(), value, name, item, site);
    else if (isObj(value) && value.kind === "instance")
      value.poison ??= unknownOf(name) ?? unknown("setattr is not followed", site);
    return null;
  });
  add("open", (args, site) => {
    const [path = args.keywords.get("file") ?? null, mode = args.keywords.get("mode") ?? "r"] = args.positional;
    const bad = unknownOf(path) ?? unknownOf(mode);
    const name = pathOf(path);
    if (!bad && name !== undefined && (mode === "r" || mode === "rt")) return openFile(vm(), name, site);
    vm().unknownCalls++;
    return bad ? derive(bad, site) : unknown("this open() is not followed", site);
  });
  add("vars", (args, site) => {
    const value = firstOf(args);
    if (isObj(value) && (value.kind === "instance" || value.kind === "class"))
      value.poison ??= unknown("vars() is not followed", site);
    if (args.positional.length === 0 || (isObj(value) && value.kind === "module")) throw rewrites("vars", site);
    return unknown("vars() is not followed", site);
  });
  add("id", (_args, site) => unknown("id() differs between runs", site));
  add("hash", (_args, site) => unknown("hash() differs between runs", site));
  add("property", (args) => ({ kind: "property", getter: firstOf(args), role: "property" }));
  add("staticmethod", (args) => ({ kind: "property", getter: firstOf(args), role: "static" }));
  add("classmethod", (args) => ({ kind: "property", getter: firstOf(args), role: "classmethod" }));
}

const EXCEPTIONS = [
  "Exception",
  "BaseException",
  "ValueError",
  "TypeError",
  "KeyError",
  "IndexError",
  "AttributeError",
  "ImportError",
  "ModuleNotFoundError",
  "RuntimeError",
  "NotImplementedError",
  "NameError",
  "OSError",
  "IOError",
  "FileNotFoundError",
  "NotADirectoryError",
  "PermissionError",
  "ZeroDivisionError",
  "ArithmeticError",
  "LookupError",
  "StopIteration",
  "AssertionError",
  "SyntaxError",
  "KeyboardInterrupt",
  "SystemExit",
  "RecursionError",
  "UnboundLocalError",
  "OverflowError",
  "FloatingPointError",
  "UnicodeError",
  "BufferError",
  "EOFError",
  "MemoryError",
  "StopAsyncIteration",
  "GeneratorExit",
  "FileExistsError",
  "IsADirectoryError",
  "ImportWarning",
  "PendingDeprecationWarning",
  "UnicodeDecodeError",
  "Warning",
  "UserWarning",
  "DeprecationWarning",
  "FutureWarning",
  "RuntimeWarning",
  "TimeoutError",
  "ConnectionError",
  "EnvironmentError",
];

function rewrites(name: string, site: Site): KfkError {
  return new KfkError("PY_UNKNOWN", `${name}() may change any name, so nothing is known after it`, {
    at: placeOfSite(site),
    hint: "write the assignment down, or use --from python",
  });
}

/** Builtins of Python that are not followed. */
const UNFOLLOWED = [
  "input",
  "eval",
  "exec",
  "compile",
  "globals",
  "locals",
  "dir",
  "delattr",
  "bytes",
  "bytearray",
  "memoryview",
  "complex",
  "pow",
  "hex",
  "oct",
  "bin",
  "ascii",
  "slice",
  "super",
  "__import__",
  "aiter",
  "anext",
  "breakpoint",
  "help",
  "exit",
  "quit",
];

function isInstance(value: Value, wanted: Value, site: Site): boolean | Unknown {
  const bad = isObj(value) && value.kind === "unknown" ? value : undefined;
  if (bad) return derive(bad, site);
  if (isObj(wanted) && wanted.kind === "tuple") {
    let doubt: Unknown | undefined;
    for (const item of wanted.items) {
      const is = isInstance(value, item, site);
      if (is === true) return true;
      if (is !== false) doubt ??= is;
    }
    return doubt ?? false;
  }
  if (isObj(wanted) && wanted.kind === "builtin" && wanted.type !== undefined) {
    if (wanted.type === "object") return true;
    const name = typeName(value);
    if (isObj(value) && value.kind === "instance") {
      if (value.plain !== undefined) return isInstance(value.plain, wanted, site);
      if (value.base) return isInstance(value.base, wanted, site);
      return unknownBase(value.cls) ? unknown("its base classes are not read", site) : false;
    }
    if (isObj(value) && value.kind === "tuple" && value.fields !== undefined) return wanted.type === "tuple";
    if (isObj(value) && value.kind === "class" && wanted.type === "type") return true;
    return (
      name === wanted.type ||
      (wanted.type === "int" && name === "bool") ||
      (wanted.type === "dict" && name === "defaultdict")
    );
  }
  if (isObj(wanted) && wanted.kind === "class") {
    if (isObj(value) && value.kind === "tuple" && value.cls !== undefined) return lineage(value.cls).includes(wanted);
    if (isObj(value) && value.kind === "custom" && knownBase(wanted))
      return unknown(`whether it is a "${wanted.name}" is not followed`, site);
    if (!isObj(value) || value.kind !== "instance") return false;
    return derives(value.cls, wanted) ?? unknown("its base classes are not read", site);
  }
  if (isObj(wanted) && wanted.kind === "custom")
    return isObj(value) && value.kind === "custom" && value.type === wanted.data;
  if (isObj(wanted) && wanted.kind === "unknown" && wanted.external !== undefined) {
    const name = wanted.external;
    const type = typeName(value);
    if (/(?:^|\.)(?:List|MutableSequence)$/.test(name)) return type === "list";
    if (/(?:^|\.)(?:Dict|Mapping|MutableMapping)$/.test(name)) return type === "dict";
    if (/(?:^|\.)(?:Callable)$/.test(name))
      return isObj(value) && ["function", "builtin", "method", "partial", "class"].includes(value.kind);
    if (!isObj(value) || ["list", "tuple", "dict", "set", "function"].includes(value.kind)) {
      // A plain value is an instance of a library's own class only through abstract base classes.
      if (!/(?:^|\.)(?:abc|typing|numbers|collections)\b/.test(name)) return false;
    }
  }
  return unknown("the class of an isinstance() is not read", site);
}

function derives(cls: ClassValue, wanted: ClassValue): boolean | undefined {
  if (cls === wanted) return true;
  let doubt = false;
  for (const base of cls.bases) {
    if (!isObj(base)) continue;
    if (base.kind === "class") {
      const is = derives(base, wanted);
      if (is) return true;
      doubt ||= is === undefined;
    } else if (base.kind === "unknown") doubt = true;
  }
  return doubt ? undefined : false;
}
