/**
 * Classes and their instances: plain classes, dataclasses, enums, named tuples, exceptions. A base that is not read
 * makes what is not defined in the project unknown.
 */
import { callUnknown, callValue } from "./call.ts";
import { evaluate } from "./evaluate.ts";
import { executeBlock } from "./execute.ts";
import { giveAway } from "./poison.ts";
import { fieldsOf, findInClass, hasLineage, knownBase, lineage, mangled, unknownBase } from "./lineage.ts";
import { equal } from "./operators.ts";
import type { StmtNode } from "./parse.ts";
import {
  isObj,
  tuple,
  unknown,
  type CallArguments,
  type ClassValue,
  type Instance,
  type Site,
  type Value,
} from "./value.ts";
import { newFrame, raise, type Frame, type Vm } from "./vm.ts";

/** The class of a `class` statement. */
export function makeClass(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "ClassDef" }>,
  site: Site,
): ClassValue {
  const bases = node.bases.map((base) => evaluate(vm, frame, base));
  const cls: ClassValue = {
    kind: "class",
    name: node.name,
    moduleName: frame.module.name,
    bases,
    attributes: new Map(),
    annotated: node.body.flatMap((item) =>
      item.nodeType === "AnnAssign" && item.target.nodeType === "Name" && !isClassVar(item.annotation)
        ? [item.target.id]
        : [],
    ),
    line: node.lineno,
    site,
  };
  const names = bases.map(baseName);
  const parents = bases.filter((base) => isObj(base) && base.kind === "class") as ClassValue[];
  const enumBase = names.find((name) => /^enum\.(?:Int|Str)?(?:Enum|Flag)$/.test(name) || name === "enum.ReprEnum");
  if (parents.some((base) => base.isEnum) || enumBase !== undefined) cls.isEnum = true;
  if (parents.some((base) => base.isException) || names.some((name) => /(?:Exception|Error|Warning)$/.test(name)))
    cls.isException = true;
  if (parents.some((base) => base.isNamedTuple)) cls.isNamedTuple = true;
  if (names.some((name) => NAMED_TUPLES.has(name))) cls.isNamedTuple = true;
  else if (cls.isNamedTuple) (cls as { annotated: readonly string[] }).annotated = [];
  if (names.some((name) => TYPED_DICTS.has(name)) || parents.some((base) => base.isTypedDict)) cls.isTypedDict = true;
  if (!hasLineage(cls)) throw raise("TypeError", "Cannot create a consistent method resolution order (MRO)", site);
  const body = newFrame(frame.module, frame, { isClass: true, owner: cls });
  executeBlock(vm, body, node.body);
  for (const [name, value] of body.names) {
    if (typeof value === "object" && value !== null && "lazy" in value) continue;
    cls.attributes.set(mangled(name, cls), value);
  }
  for (const value of cls.attributes.values()) {
    const namer = isObj(value) && value.kind === "instance" ? findInClass(value.cls, "__set_name__") : undefined;
    if (namer === undefined) continue;
    const doubt = unknown(`"${node.name}" has an attribute with a __set_name__, which is not followed`, site);
    cls.poison ??= doubt;
    giveAway(vm, value, doubt);
    giveAway(vm, namer, doubt);
  }
  const known = knownBase(cls);
  const replaced = known && [...cls.attributes.keys()].find((name) => known.isOwn?.(name));
  if (replaced !== undefined) cls.poison = unknown(`"${node.name}" has its own ${replaced}`, site);
  if (cls.isEnum) {
    const kind = enumKind(names, parents);
    if (typeof kind === "string") cls.enumKind = kind;
    else cls.poison = unknown(`the enum "${node.name}" is of a kind that is not followed`, site);
    makeMembers(cls, site);
  }
  if (parents.some((base) => base.slots) || cls.attributes.has("__slots__")) cls.slots = true;
  for (const keyword of node.keywords) {
    const value = evaluate(vm, frame, keyword.value);
    if (keyword.arg !== "metaclass" || (isObj(value) && value.kind === "unknown" && value.external === "abc.ABCMeta"))
      continue;
    cls.poison = unknown(`"${node.name}" has a metaclass that is not followed`, site);
    if (isObj(value) && value.kind === "class")
      for (const method of value.attributes.values()) giveAway(vm, method, cls.poison);
  }
  for (const base of parents) {
    const shaper = findInClass(base, "__init_subclass__");
    if (shaper === undefined) continue;
    cls.poison = unknown(`"${base.name}" acts on its subclasses`, site);
    giveAway(vm, shaper, cls.poison);
  }
  return cls;
}

/** A new instance, with `__init__` run. */
export function construct(vm: Vm, cls: ClassValue, args: CallArguments, site: Site): Value {
  if (cls.poison) return callUnknown(vm, cls.poison, args, site);
  if (cls.isEnum) return enumByValue(cls, args, site);
  const foreign = unknownBase(cls);
  if (findInClass(cls, "__new__") !== undefined)
    return callUnknown(vm, unknown(`"${cls.name}" has its own __new__`, site), args, site);
  if (cls.isNamedTuple) return namedTuple(cls, args, site);
  if (cls.isTypedDict) return callValue(vm, vm.builtins.get("dict") ?? null, args, site);
  const instance: Instance = { kind: "instance", cls, attributes: new Map() };
  if (cls.isException) instance.attributes.set("args", tuple(args.positional));
  if (runInit(vm, cls, instance, args, site)) return instance;
  if (foreign) {
    if (cls.isException) return instance;
    if (foreign.external?.startsWith("pydantic") && args.positional.length === 0) {
      fillFields(vm, cls, instance, args, site);
      return instance;
    }
    const result = callUnknown(vm, foreign, args, site);
    void result;
    instance.poison = unknown(`"${cls.name}" is built by a base class that kfk does not read`, site);
    return instance;
  }
  const plain = cls.bases.find(
    (base) => isObj(base) && base.kind === "builtin" && base.type !== undefined && base.type !== "object",
  );
  if (plain !== undefined && !cls.isException) {
    const value = callValue(vm, plain, args, site);
    if (!isObj(value)) instance.plain = value;
    else if (value.kind === "custom" && plain === knownBase(cls)) instance.base = value;
    else instance.poison = unknown(`a subclass of ${(plain as { name: string }).name} is not followed`, site);
    return instance;
  }
  if (!cls.isException && (args.positional.length > 0 || args.keywords.size > 0))
    throw raise("TypeError", `${cls.name}() takes no arguments`, site);
  return instance;
}

/** `__init__` as the lineage has it, written or made by `@dataclass`; false where no class of the project has one. */
export function runInit(
  vm: Vm,
  cls: ClassValue,
  instance: Instance,
  args: CallArguments,
  site: Site,
  after?: ClassValue,
): boolean {
  const order = lineage(cls);
  for (const each of after ? order.slice(order.indexOf(after) + 1) : order) {
    const init = each.attributes.get("__init__");
    if (init !== undefined) {
      callValue(vm, init, { positional: [instance, ...args.positional], keywords: args.keywords }, site);
      return true;
    }
    if (!each.dataclass || each.dataclassOptions?.get("init") === false) continue;
    if (each.dataclassOptions?.get("kw_only") === true) {
      instance.poison = unknown(`"${each.name}" takes its fields by keyword only, which is not followed`, site);
      return true;
    }
    fillFields(vm, each, instance, args, site);
    const post = findInClass(cls, "__post_init__");
    if (post !== undefined) callValue(vm, post, { positional: [instance], keywords: new Map() }, site);
    return true;
  }
  return false;
}

// --- internal ---

const NAMED_TUPLES: ReadonlySet<string> = new Set(["typing.NamedTuple", "typing_extensions.NamedTuple"]);
const TYPED_DICTS: ReadonlySet<string> = new Set(["typing.TypedDict", "typing_extensions.TypedDict"]);

/** The dotted name of a base that is not of the project. */
function baseName(base: Value): string {
  if (!isObj(base)) return "";
  if (base.kind === "builtin") return base.type ?? base.name;
  if (base.kind === "class") return base.moduleName === "builtins" ? base.name : "";
  return base.kind === "unknown" ? (base.external ?? "") : "";
}

/** What the members are besides members; undefined: not followed. */
function enumKind(names: readonly string[], parents: readonly ClassValue[]): ClassValue["enumKind"] {
  const inherited = parents.find((base) => base.isEnum)?.enumKind;
  if (names.some((name) => name.endsWith("Flag") || name === "enum.ReprEnum")) return undefined;
  const data = names.filter((name) => ["str", "int", "float", "bool", "list", "dict", "tuple", "set"].includes(name));
  if (names.includes("enum.StrEnum")) return data.some((name) => name !== "str") ? undefined : "StrEnum";
  if (names.includes("enum.IntEnum")) return data.some((name) => name !== "int") ? undefined : "IntEnum";
  if (data.length > 1 || (data.length === 1 && inherited !== undefined && inherited !== "plain")) return undefined;
  if (data[0] === "str") return "text";
  if (data[0] === "int") return "int";
  return data.length === 0 ? (inherited ?? "plain") : undefined;
}

function isClassVar(annotation: unknown): boolean {
  return JSON.stringify(annotation, (key, value: unknown) =>
    key === "ctx" || typeof value === "bigint" ? undefined : value,
  ).includes('"ClassVar"');
}

function makeMembers(cls: ClassValue, site: Site): void {
  const seen: { value: Value; member: Instance }[] = [];
  const kind = cls.enumKind ?? "plain";
  const doubt = (why: string): void => {
    cls.poison ??= unknown(`the enum "${cls.name}" ${why}`, site);
  };
  const ownStart = ["__init__", "__new__", "_generate_next_value_", "_missing_", "_ignore_", "__class_getitem__"].find(
    (name) => findInClass(cls, name) !== undefined,
  );
  if (ownStart !== undefined) doubt(`has its own ${ownStart}`);
  if (cls.annotated.some((name) => name === "_value_")) doubt("has its own values");
  for (const [name, raw] of cls.attributes) {
    if (/^__.*__$/.test(name) || /^_[^_].*_$/.test(name)) continue;
    if (isObj(raw) && (raw.kind === "function" || raw.kind === "property")) continue;
    if (
      name.startsWith(mangled("__", cls)) ||
      (isObj(raw) && ["class", "builtin", "partial", "instance"].includes(raw.kind))
    ) {
      doubt("has members that differ between versions of Python");
      continue;
    }
    let value = raw;
    if (isObj(raw) && raw.kind === "custom" && raw.type === "auto") {
      const numbers = seen.map((item) => item.value);
      const largest = numbers.reduce<bigint>(
        (most, item) => (typeof item === "bigint" && item > most ? item : most),
        0n,
      );
      if (kind === "StrEnum") value = name.toLowerCase();
      else {
        if (kind === "text" || numbers.some((item) => typeof item !== "bigint") || (numbers.at(-1) ?? 0n) !== largest)
          doubt("has automatic values that differ between versions of Python");
        value = largest + 1n;
      }
    } else if (
      ((kind === "text" || kind === "StrEnum") && typeof raw !== "string") ||
      ((kind === "int" || kind === "IntEnum") && typeof raw !== "bigint")
    )
      doubt("has values that are converted");
    let alias: Instance | undefined;
    for (const item of seen) {
      const same = equal(item.value, value, site);
      if (typeof same !== "boolean") doubt("has values that cannot be compared");
      else if (same) alias ??= item.member;
    }
    if (alias) {
      cls.attributes.set(name, alias);
      continue;
    }
    const member: Instance = {
      kind: "instance",
      cls,
      attributes: new Map<string, Value>([
        ["value", value],
        ["name", name],
        ["_value_", value],
        ["_name_", name],
      ]),
    };
    if (kind !== "plain") member.plain = value;
    cls.attributes.set(name, member);
    seen.push({ value, member });
  }
  if (cls.poison) for (const { member } of seen) member.poison = cls.poison;
}

function enumByValue(cls: ClassValue, args: CallArguments, site: Site): Value {
  const [wanted] = args.positional;
  if (wanted === undefined || args.positional.length > 1 || args.keywords.size > 0)
    return unknown(`"${cls.name}(…)" is not followed`, site);
  let isSure = true;
  for (const item of cls.attributes.values()) {
    if (!isObj(item) || item.kind !== "instance" || item.cls !== cls) continue;
    const same = item === wanted || equal(item.attributes.get("value") ?? null, wanted, site);
    if (same === true) return item;
    isSure &&= same === false;
  }
  if (!isSure || isObj(wanted)) return unknown(`"${cls.name}(…)" is not followed`, site);
  throw raise("ValueError", `${String(wanted)} is not a valid ${cls.name}`, site);
}

function fillFields(vm: Vm, cls: ClassValue, instance: Instance, args: CallArguments, site: Site): void {
  const rest = new Map(args.keywords);
  let at = 0;
  for (const { name, owner } of fieldsOf(cls)) {
    const standard = owner.attributes.get(name);
    const made =
      isObj(standard ?? null) &&
      (standard as { kind: string }).kind === "custom" &&
      (standard as { type?: string }).type === "field"
        ? (standard as { data: FieldSpec }).data
        : undefined;
    if (made?.init === false) {
      if (made.factory !== undefined)
        instance.attributes.set(name, callValue(vm, made.factory, { positional: [], keywords: new Map() }, site));
      else if (made.standard !== undefined) instance.attributes.set(name, made.standard);
      continue;
    }
    const given = args.positional[at++] ?? rest.get(name);
    if (rest.has(name) || args.positional.length >= at) {
      instance.attributes.set(name, given ?? null);
      rest.delete(name);
    } else if (made?.factory !== undefined)
      instance.attributes.set(name, callValue(vm, made.factory, { positional: [], keywords: new Map() }, site));
    else if (made?.standard !== undefined) instance.attributes.set(name, made.standard);
    else if (standard !== undefined && !made) instance.attributes.set(name, standard);
    else throw raise("TypeError", `${cls.name}.__init__() missing 1 required positional argument: '${name}'`, site);
  }
  if (rest.size > 0)
    throw raise(
      "TypeError",
      `${cls.name}.__init__() got an unexpected keyword argument '${[...rest.keys()][0]}'`,
      site,
    );
}

export interface FieldSpec {
  readonly standard: Value | undefined;
  readonly factory: Value | undefined;
  readonly init: boolean;
  /** False when `compare`, `hash` or `kw_only` is given. */
  readonly isCompared: boolean;
}

function namedTuple(cls: ClassValue, args: CallArguments, site: Site): Value {
  if (findInClass(cls, "__init__") !== undefined) return unknown(`"${cls.name}" has its own __init__`, site);
  const fields = fieldsOf(cls);
  const names = fields.map(({ name }) => name);
  const wrong = [...args.keywords.keys()].find((name) => names.indexOf(name) < args.positional.length);
  if (args.positional.length > fields.length || wrong !== undefined)
    throw raise("TypeError", `${cls.name}.__new__() got arguments that do not fit its fields`, site);
  const items = fields.map(
    ({ name, owner }, index) => args.positional[index] ?? args.keywords.get(name) ?? owner.attributes.get(name),
  );
  const missing = items.indexOf(undefined);
  if (missing >= 0)
    throw raise("TypeError", `${cls.name}.__new__() missing 1 required positional argument: '${names[missing]}'`, site);
  return { kind: "tuple", items: items as Value[], fields: names, className: cls.name, cls };
}
