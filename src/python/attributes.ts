/**
 * `value.name`: attributes and methods of every kind of value. A method that exists in Python and is not followed
 * gives an unknown, never an error.
 */
import { KfkError } from "../error.ts";
import { callValue, NO_ARGUMENTS } from "./call.ts";
import { dataclassOf, fieldsOf, findInClass, knownBase, unknownBase } from "./lineage.ts";
import { executeModule } from "./execute.ts";
import { external, moduleAttribute } from "./modules.ts";
import { methodOf } from "./methods.ts";
import { poisonValue } from "./poison.ts";
import {
  derive,
  isObj,
  placeOfSite,
  tuple,
  typeName,
  unknown,
  unknownOf,
  type ClassValue,
  type Instance,
  type Obj,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictFrom } from "./keys.ts";
import { raise, type ModuleValue, type Vm } from "./vm.ts";

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
  if (!isObj(value)) return;
  if (value.kind === "unknown") {
    if (/"(?:sys\.modules|importlib\.|gc\.|inspect\.|builtins"|kedro\b)/.test(value.reason))
      throw new KfkError("PY_UNKNOWN", `assigning "${name}" of a module that is looked up is not followed`, {
        at: placeOfSite(site),
        hint: "import the module by name, or use --from python",
      });
    return;
  }
  switch (value.kind) {
    case "instance":
      if (findInClass(value.cls, "__setattr__") !== undefined) {
        value.poison ??= unknown(`"${value.cls.name}" has its own __setattr__`, site);
        return;
      }
      setOwnAttribute(value, name, item, site);
      return;
    case "class":
      if (value.isEnum) throw raise("AttributeError", `cannot reassign member '${name}'`, site);
      if (/^__(?:bases|mro|class|dict)__$/.test(name)) throw changesNature(name, `the class "${value.name}"`, site);
      value.attributes.set(name, item);
      return;
    case "function":
    case "partial":
      if (/^__(?:code|defaults|kwdefaults|class|dict)__$/.test(name)) throw changesNature(name, "a function", site);
      if (name === "__name__" && typeof item === "string") value.name = item;
      else if (name === "__module__" && typeof item === "string" && value.kind === "function") value.moduleName = item;
      else value.attributes.set(name, item);
      return;
    case "module":
      changeAttribute(vm, value, name, unknown("it is assigned from another module", site));
      return;
    case "custom":
      if (value.setAttribute?.(name, item, site)) return;
      throw new KfkError("PY_UNKNOWN", `assigning "${name}" of a ${value.type} is not followed`, {
        at: placeOfSite(site),
        hint: "give it when the value is made, or use --from python",
      });
    case "builtin":
      throw changesNature(name, value.name, site);
    case "tuple":
      throw raise("AttributeError", `can't set attribute '${name}'`, site);
    case "library":
      if (
        !/^kedro(?:\.|$)/.test(value.name) &&
        (isUnknownValue(value.attributes.get(name)) || !value.attributes.has(name))
      )
        return;
      throw changesNature(name, value.name, site);
    default:
      poisonValue(value, unknown(`an attribute was assigned`, site));
  }
}

/** An attribute that is deleted, or changed in a way that is not followed. */
export function changeAttribute(vm: Vm, value: Value, name: string, doubt: Unknown): void {
  if (!isObj(value)) return;
  if (value.kind === "module") {
    if (value.state === "loaded") executeModule(vm, value);
    value.frame.names.set(name, doubt);
    value.indexed.set(name, doubt);
  } else if (value.kind === "class") value.poison ??= doubt;
  else if (value.kind === "function" || value.kind === "partial") value.attributes.set(name, doubt);
  else if (value.kind === "library" || value.kind === "custom")
    throw new KfkError(
      "PY_UNKNOWN",
      `changing "${name}" of ${value.kind === "library" ? value.name : `a ${value.type}`} is not followed`,
      {
        at: placeOfSite(doubt.site),
        hint: "use --from python",
      },
    );
  else poisonValue(value, doubt);
}

/** What `object.__setattr__` does with an instance, after the checks of dataclasses, properties and slots. */
export function setOwnAttribute(value: Instance, name: string, item: Value, site: Site, isRaw = false): void {
  const found = findInClass(value.cls, name);
  const standard = isObj(found ?? null) ? (found as Obj) : undefined;
  if (standard?.kind === "property" && standard.role === "property")
    throw raise("AttributeError", `property '${name}' of '${value.cls.name}' object has no setter`, site);
  if (
    standard?.kind === "instance" ||
    (standard?.kind === "unknown" && !isRaw) ||
    value.cls.slots ||
    name === "__class__" ||
    name === "__dict__"
  )
    value.poison ??= unknown(`how "${name}" is assigned is not followed`, site);
  if (knownBase(value.cls)?.isOwn?.(name)) value.poison ??= unknown(`how "${name}" is assigned is not followed`, site);
  const frozen = isRaw ? undefined : dataclassOf(value);
  if (frozen?.dataclassOptions?.get("frozen") === true)
    throw raise("FrozenInstanceError", `cannot assign to field '${name}'`, site);
  value.attributes.set(name, item);
}

/** A found attribute of a class as an instance gives it. */
export function boundTo(vm: Vm, self: Value, cls: ClassValue, name: string, found: Value, site: Site): Value {
  if (!isObj(found)) return found;
  if (found.kind === "function") return { kind: "method", self, func: found };
  if (found.kind === "instance" && ["__get__", "__set__"].some((each) => findInClass(found.cls, each) !== undefined))
    return unknown(`"${found.cls.name}" is a descriptor`, site);
  if (found.kind !== "property") return found;
  if (found.role === "static") return found.getter;
  if (found.role === "classmethod") return { kind: "method", self: cls, func: found.getter as never };
  const value = callValue(vm, found.getter, { ...NO_ARGUMENTS, positional: [self] }, site);
  if (found.role === "cached" && isObj(self) && self.kind === "instance") self.attributes.set(name, value);
  return value;
}

// --- internal ---

function changesNature(name: string, what: string, site: Site): KfkError {
  return new KfkError("PY_UNKNOWN", `assigning "${name}" of ${what} changes what it does, which is not followed`, {
    at: placeOfSite(site),
    hint: "use --from python",
  });
}

const isUnknownValue = (value: Value | undefined): boolean => value !== undefined && unknownOf(value) !== undefined;

function find(vm: Vm, value: Value, name: string, site: Site): Value | undefined {
  if (name === "__class__") return unknown("__class__ is not followed", site);
  if (!isObj(value)) return methodOf(vm, value, name, site);
  switch (value.kind) {
    case "unknown":
      return value.external === undefined
        ? derive(value, site)
        : external(`${value.external}.${name}`, value.site ?? site);
    case "module": {
      const found = moduleAttribute(vm, value, name, site);
      // Python sets a package's attribute when the import of the module has ended.
      const isHalf =
        isObj(found ?? null) && (found as Obj).kind === "module" && (found as ModuleValue).state === "executing";
      if (isHalf && (found as ModuleValue).name === `${value.name}.${name}`)
        return unknown(`"${name}" is imported in a circle with ${value.name}`, site);
      return found;
    }
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
      if (name === "__members__" && value.isEnum) {
        const members = [...value.attributes].filter(
          ([, item]) => isObj(item) && item.kind === "instance" && item.cls === value,
        );
        return dictFrom(members);
      }
      if (value.isNamedTuple && ["_fields", "_make", "_field_defaults"].includes(name)) {
        if (name === "_fields") return tuple(fieldsOf(value).map((field) => field.name));
        return unknown(`"${name}" of a named tuple is not followed`, site);
      }
      if (value.isNamedTuple && fieldsOf(value).some((field) => field.name === name))
        return unknown(`a field of the class "${value.name}" is not followed`, site);
      if (name === "__dict__") {
        value.poison ??= unknown("__dict__ of a class is not followed", site);
        return derive(value.poison, site);
      }
      const found = findInClass(value, name);
      if (found !== undefined) {
        if (isObj(found) && found.kind === "property") {
          if (found.role === "classmethod") return { kind: "method", self: value, func: found.getter as never };
          if (found.role === "static") return found.getter;
        }
        if (isObj(found) && found.kind === "instance" && found.cls !== value)
          return boundTo(vm, value, value, name, found, site);
        return found;
      }
      if (value.isEnum && ["name", "value"].includes(name))
        return unknown(`"${name}" of an enum is not followed`, site);
      const base = unknownBase(value);
      if (base) return derive(base, site);
      if (name.startsWith("__") || name === "mro") return unknown(`"${name}" of a class is not followed`, site);
      return undefined;
    }
    case "instance": {
      if (value.poison) return derive(value.poison, site);
      if (value.cls.poison) return derive(value.cls.poison, site);
      if (findInClass(value.cls, "__getattribute__") !== undefined)
        return unknown(`"${value.cls.name}" has its own __getattribute__`, site);
      const own = value.attributes.get(name);
      if (own !== undefined) return own;
      if (name === "__dict__") {
        value.poison = unknown("__dict__ is not followed", site);
        return value.poison;
      }
      const found = findInClass(value.cls, name);
      if (found !== undefined) return boundTo(vm, value, value.cls, name, found, site);
      if (value.plain !== undefined) return methodOf(vm, value.plain, name, site);
      if (value.base) return value.base.attribute(name, site);
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
      if (value.cls !== undefined) {
        const found = findInClass(value.cls, name);
        if (found !== undefined) return boundTo(vm, value, value.cls, name, found, site);
      }
      if (value.fields !== undefined) {
        const { fields, items } = value;
        if (name === "_fields") return tuple(fields);
        if (name === "_asdict")
          return {
            kind: "builtin",
            name,
            call: () => dictFrom(fields.map((field, index) => [field, items[index] ?? null])),
          };
        if (name === "_replace")
          return {
            kind: "builtin",
            name,
            call: (args, at) => {
              const wrong = [...args.keywords.keys()].find((key) => !fields.includes(key));
              if (wrong !== undefined) throw raise("ValueError", `Got unexpected field names: ['${wrong}']`, at);
              return {
                ...value,
                items: fields.map((field, index) => args.keywords.get(field) ?? items[index] ?? null),
              };
            },
          };
        if (name.startsWith("_")) return unknown(`"${name}" of a named tuple is not followed`, site);
      }
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
      if (isObj(self ?? null) && (self as Obj).kind === "instance") {
        const instance = self as Instance;
        const [key, item = null] = rest;
        if (type === "object" && name === "__setattr__" && typeof key === "string" && rest.length === 2)
          setOwnAttribute(instance, key, item, at, true);
        else if (!(type === "object" && name === "__init__"))
          instance.poison ??= unknown(`${type}.${name} is not followed`, at);
        return null;
      }
      if (self === undefined) throw raise("TypeError", `unbound method ${type}.${name}() needs an argument`, at);
      return callValue(vm, attributeOf(vm, self, name, at), { positional: rest, keywords: args.keywords }, at);
    },
  };
}
