/**
 * Classes and their instances: plain classes, dataclasses, enums, named tuples, exceptions. A base that is not read
 * makes what is not defined in the project unknown.
 */
import { callUnknown, callValue } from "./call.ts";
import { evaluate } from "./evaluate.ts";
import { executeBlock } from "./execute.ts";
import type { StmtNode } from "./parse.ts";
import {
  isObj,
  tuple,
  unknown,
  type CallArguments,
  type ClassValue,
  type Instance,
  type Site,
  type Unknown,
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
  const names = bases.map((base) =>
    isObj(base) && (base.kind === "class" || base.kind === "builtin")
      ? base.name
      : isObj(base) && base.kind === "unknown"
        ? (base.external?.split(".").at(-1) ?? "")
        : "",
  );
  const parents = bases.filter((base) => isObj(base) && base.kind === "class") as ClassValue[];
  if (parents.some((base) => base.isEnum) || names.some((name) => /^(?:Int|Str)?(?:Enum|Flag)$/.test(name)))
    cls.isEnum = true;
  if (parents.some((base) => base.isException) || names.some((name) => /(?:Exception|Error|Warning)$/.test(name)))
    cls.isException = true;
  if (names.includes("NamedTuple")) cls.isNamedTuple = true;
  const body = newFrame(frame.module, frame, { isClass: true, owner: cls });
  executeBlock(vm, body, node.body);
  for (const [name, value] of body.names) {
    if (typeof value === "object" && value !== null && "lazy" in value) continue;
    cls.attributes.set(name, value);
  }
  if (cls.isEnum) makeMembers(cls, names, site);
  for (const keyword of node.keywords) {
    if (keyword.arg === "metaclass") {
      const meta = evaluate(vm, frame, keyword.value);
      if (isObj(meta) && meta.kind === "class")
        cls.poison = unknown(`"${node.name}" has a metaclass of the project`, site);
    }
  }
  if (parents.length > 1) cls.poison = unknown(`"${node.name}" has several base classes of the project`, site);
  for (const base of parents)
    if (base.attributes.has("__init_subclass__")) cls.poison = unknown(`"${base.name}" acts on its subclasses`, site);
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
  const instance: Instance = { kind: "instance", cls, attributes: new Map() };
  const init = findInClass(cls, "__init__");
  if (cls.isException) instance.attributes.set("args", tuple(args.positional));
  if (init !== undefined) {
    callValue(vm, init, { positional: [instance, ...args.positional], keywords: args.keywords }, site);
    return instance;
  }
  if (isDataclass(cls)) {
    fillFields(vm, cls, instance, args, site);
    const post = findInClass(cls, "__post_init__");
    if (post !== undefined) callValue(vm, post, { positional: [instance], keywords: new Map() }, site);
    return instance;
  }
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
    else instance.poison = unknown(`a subclass of ${(plain as { name: string }).name} is not followed`, site);
    return instance;
  }
  if (!cls.isException && (args.positional.length > 0 || args.keywords.size > 0))
    throw raise("TypeError", `${cls.name}() takes no arguments`, site);
  return instance;
}

/** An attribute of a class or its bases; undefined when no read class has it. */
export function findInClass(cls: ClassValue, name: string): Value | undefined {
  const own = cls.attributes.get(name);
  if (own !== undefined) return own;
  for (const base of cls.bases) {
    if (!isObj(base) || base.kind !== "class") continue;
    const found = findInClass(base, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A base class that is not read, when there is one. */
export function unknownBase(cls: ClassValue): Unknown | undefined {
  for (const base of cls.bases) {
    if (!isObj(base)) continue;
    if (base.kind === "unknown") {
      if (/^(?:abc|typing|collections\.abc|enum)\./.test(base.external ?? "")) continue;
      return base;
    }
    if (base.kind === "class") {
      const found = base.poison ?? unknownBase(base);
      if (found) return found;
    }
    if (base.kind === "custom") return unknown(`its base class is not followed`, cls.site);
  }
  return undefined;
}

// --- internal ---

function isClassVar(annotation: unknown): boolean {
  return JSON.stringify(annotation, (key, value: unknown) =>
    key === "ctx" || typeof value === "bigint" ? undefined : value,
  ).includes('"ClassVar"');
}

function isDataclass(cls: ClassValue): boolean {
  return cls.dataclass === true || cls.bases.some((base) => isObj(base) && base.kind === "class" && isDataclass(base));
}

function makeMembers(cls: ClassValue, baseNames: readonly string[], site: Site): void {
  let last = 0n;
  const seen: { value: Value; member: Instance }[] = [];
  const isText = baseNames.includes("str") || baseNames.includes("StrEnum") || baseNames.includes("enum.StrEnum");
  const isInt = baseNames.includes("int") || baseNames.includes("IntEnum");
  for (const [name, raw] of cls.attributes) {
    if (
      name.startsWith("_") ||
      (isObj(raw) &&
        (raw.kind === "function" || raw.kind === "property" || raw.kind === "class" || raw.kind === "builtin"))
    )
      continue;
    let value = raw;
    if (isObj(raw) && raw.kind === "custom" && raw.type === "auto")
      value = baseNames.includes("StrEnum") ? name.toLowerCase() : ++last;
    else if (typeof raw === "bigint") last = raw;
    const alias = seen.find((item) => !isObj(item.value) && item.value === value);
    if (alias) {
      cls.attributes.set(name, alias.member);
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
    if ((isText && typeof value === "string") || (isInt && typeof value === "bigint")) member.plain = value;
    if (cls.attributes.has("__init__") || cls.attributes.has("__new__") || cls.attributes.has("_generate_next_value_"))
      member.poison = unknown(`"${cls.name}" has its own __init__`, site);
    cls.attributes.set(name, member);
    seen.push({ value, member });
  }
}

function enumByValue(cls: ClassValue, args: CallArguments, site: Site): Value {
  const [wanted] = args.positional;
  for (const item of cls.attributes.values()) {
    if (isObj(item) && item.kind === "instance" && item.cls === cls) {
      const value = item.attributes.get("value");
      if (item === wanted || (value !== undefined && !isObj(value) && value === wanted)) return item;
    }
  }
  if (wanted === undefined || isObj(wanted)) return unknown(`"${cls.name}(…)" is not followed`, site);
  throw raise("ValueError", `${String(wanted)} is not a valid ${cls.name}`, site);
}

function fieldsOf(cls: ClassValue): { name: string; owner: ClassValue }[] {
  const fields = new Map<string, ClassValue>();
  for (const base of cls.bases.toReversed())
    if (isObj(base) && base.kind === "class") for (const field of fieldsOf(base)) fields.set(field.name, field.owner);
  for (const name of cls.annotated) fields.set(name, cls);
  return [...fields].map(([name, owner]) => ({ name, owner }));
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
}

function namedTuple(cls: ClassValue, args: CallArguments, site: Site): Value {
  const fields = fieldsOf(cls).map((field) => field.name);
  const items = fields.map(
    (name, index) => args.positional[index] ?? args.keywords.get(name) ?? cls.attributes.get(name),
  );
  if (items.includes(undefined)) throw raise("TypeError", `${cls.name}.__new__() misses an argument`, site);
  return { kind: "tuple", items: items as Value[], fields, className: cls.name };
}
