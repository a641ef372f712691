/**
 * `value.name`: attributes and methods of every kind of value. A method that exists in Python and is not followed
 * gives an unknown, never an error.
 */
import { callValue, NO_ARGUMENTS } from "./call.ts";
import { findInClass, unknownBase } from "./classes.ts";
import { external, moduleAttribute } from "./modules.ts";
import { methodOf } from "./methods.ts";
import { poisonValue } from "./poison.ts";
import { derive, isObj, tuple, typeName, unknown, type Site, type Value } from "./value.ts";
import { raise, type Vm } from "./vm.ts";

/** The value of an attribute. Raises AttributeError where it is certain; with `soft` undefined instead. */
export function attributeOf(vm: Vm, value: Value, name: string, site: Site): Value;
export function attributeOf(vm: Vm, value: Value, name: string, site: Site, soft: true): Value | undefined;
export function attributeOf(vm: Vm, value: Value, name: string, site: Site, soft = false): Value | undefined {
  const found = find(vm, value, name, site);
  if (found !== undefined || soft) return found;
  if (isObj(value) && value.kind === "module")
    throw raise("AttributeError", `module '${value.name}' has no attribute '${name}'`, site);
  throw raise("AttributeError", `'${typeName(value)}' object has no attribute '${name}'`, site);
}

/** `value.name = item`. */
export function setAttribute(vm: Vm, value: Value, name: string, item: Value, site: Site): void {
  if (!isObj(value) || value.kind === "unknown") return;
  void vm;
  switch (value.kind) {
    case "instance":
      if (findInClass(value.cls, "__setattr__") !== undefined) {
        value.poison ??= unknown(`"${value.cls.name}" has its own __setattr__`, site);
        return;
      }
      value.attributes.set(name, item);
      return;
    case "class":
      value.attributes.set(name, item);
      return;
    case "function":
    case "partial":
      if (name === "__name__" && typeof item === "string") value.name = item;
      else if (name === "__module__" && typeof item === "string" && value.kind === "function") value.moduleName = item;
      else value.attributes.set(name, item);
      return;
    case "module":
      value.frame.names.set(name, unknown(`it is assigned from another module`, site));
      value.indexed.set(name, unknown(`it is assigned from another module`, site));
      return;
    case "custom":
      if (value.setAttribute?.(name, item, site)) return;
      throw raise("AttributeError", `can't set attribute '${name}'`, site);
    default:
      poisonValue(value, unknown(`an attribute was assigned`, site));
  }
}

// --- internal ---

function find(vm: Vm, value: Value, name: string, site: Site): Value | undefined {
  if (name === "__class__") return unknown("__class__ is not followed", site);
  if (!isObj(value)) return methodOf(vm, value, name, site);
  switch (value.kind) {
    case "unknown":
      return value.external === undefined
        ? derive(value, site)
        : external(`${value.external}.${name}`, value.site ?? site);
    case "module":
      return moduleAttribute(vm, value, name, site);
    case "library":
      return (
        value.attributes.get(name) ?? vm.library(`${value.name}.${name}`) ?? external(`${value.name}.${name}`, site)
      );
    case "function":
      if (name === "__name__" || name === "__qualname__") return value.name;
      if (name === "__module__") return value.moduleName;
      if (name === "__doc__" || name.startsWith("__"))
        return value.attributes.get(name) ?? unknown(`"${name}" of a function is not followed`, site);
      return value.attributes.get(name);
    case "builtin":
      if (name === "__name__") return value.name;
      return (
        value.attributes?.get(name) ??
        (value.type === undefined
          ? unknown(`"${name}" of "${value.name}" is not followed`, site)
          : unbound(vm, value.name, name, site))
      );
    case "partial":
      if (name === "func") return value.func;
      if (name === "args") return tuple(value.positional);
      if (name === "__name__" && value.name !== undefined) return value.name;
      return value.attributes.get(name);
    case "method":
      if (name === "__name__" && value.func.kind !== "unknown") return value.func.name;
      if (name === "__self__") return value.self;
      return unknown(`"${name}" of a method is not followed`, site);
    case "class": {
      if (value.poison) return derive(value.poison, site);
      if (name === "__name__") return value.name;
      if (name === "__members__" && value.isEnum) return unknown("__members__ is not followed", site);
      const found = findInClass(value, name);
      if (found !== undefined) {
        if (isObj(found) && found.kind === "property") {
          if (found.role === "classmethod") return { kind: "method", self: value, func: found.getter as never };
          if (found.role === "static") return found.getter;
        }
        return found;
      }
      const base = unknownBase(value);
      if (base) return derive(base, site);
      if (name.startsWith("__") || name === "mro") return unknown(`"${name}" of a class is not followed`, site);
      return undefined;
    }
    case "instance": {
      if (value.poison) return derive(value.poison, site);
      if (value.cls.poison) return derive(value.cls.poison, site);
      const own = value.attributes.get(name);
      if (own !== undefined) return own;
      if (name === "__dict__") return unknown("__dict__ is not followed", site);
      const found = findInClass(value.cls, name);
      if (found !== undefined && isObj(found)) {
        if (found.kind === "function") return { kind: "method", self: value, func: found };
        if (found.kind === "property") {
          if (found.role === "static") return found.getter;
          if (found.role === "classmethod") return { kind: "method", self: value.cls, func: found.getter as never };
          return callValue(vm, found.getter, { ...NO_ARGUMENTS, positional: [value] }, site);
        }
      }
      if (found !== undefined) return found;
      if (value.plain !== undefined) return methodOf(vm, value.plain, name, site);
      const base = unknownBase(value.cls);
      if (base) return derive(base, site);
      if (findInClass(value.cls, "__getattr__") !== undefined || name.startsWith("__"))
        return unknown(`"${name}" of "${value.cls.name}" is not followed`, site);
      if (value.cls.isException || value.cls.isEnum)
        return unknown(`"${name}" of "${value.cls.name}" is not followed`, site);
      return undefined;
    }
    case "custom":
      return value.attribute(name, site);
    case "tuple": {
      const at = value.fields?.indexOf(name) ?? -1;
      if (at >= 0) return value.items[at];
      return methodOf(vm, value, name, site);
    }
    case "property":
    case "ellipsis":
      return unknown(`"${name}" is not followed`, site);
    default:
      return methodOf(vm, value, name, site);
  }
}

/** `str.upper`, `dict.fromkeys`: the method of a type, to be called with the value first. */
function unbound(vm: Vm, type: string, name: string, site: Site): Value {
  if (type === "dict" && name === "fromkeys") {
    return {
      kind: "builtin",
      name,
      call: (args, at) => {
        const dict = callValue(vm, vm.builtins.get("dict") ?? null, NO_ARGUMENTS, at);
        const keys = callValue(
          vm,
          vm.builtins.get("list") ?? null,
          { ...NO_ARGUMENTS, positional: args.positional.slice(0, 1) },
          at,
        );
        if (!isObj(keys) || keys.kind !== "list" || keys.poison)
          return isObj(keys) && keys.kind === "list" && keys.poison ? keys.poison : keys;
        for (const key of keys.items) {
          const set = methodOf(vm, dict, "__setitem__", at);
          if (set !== undefined)
            callValue(vm, set, { ...NO_ARGUMENTS, positional: [key, args.positional[1] ?? null] }, at);
        }
        return dict;
      },
    };
  }
  void site;
  return {
    kind: "builtin",
    name,
    call: (args, at) => {
      const [self, ...rest] = args.positional;
      if (self === undefined) throw raise("TypeError", `unbound method ${type}.${name}() needs an argument`, at);
      return callValue(vm, attributeOf(vm, self, name, at), { positional: rest, keywords: args.keywords }, at);
    },
  };
}
