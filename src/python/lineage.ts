/**
 * Which class answers for a name: the method resolution order of a class of the project (C3, as Python computes it),
 * the attribute found along it, and the special methods (`__eq__`, `__str__`, …) that change what an operator does.
 * Comes in: class and instance values. Nothing is called here.
 */
import { isObj, unknown, type Builtin, type ClassValue, type Instance, type Unknown, type Value } from "./value.ts";

const lineages = new WeakMap<ClassValue, readonly ClassValue[]>(); // module state: orders of classes, never seen outside

/** The class and its bases of the project in the order in which Python looks for a name. */
export function lineage(cls: ClassValue): readonly ClassValue[] {
  let found = lineages.get(cls);
  if (!found) {
    const parents = parentsOf(cls);
    const merged = merge([...parents.map((parent) => [...lineage(parent)]), [...parents]]);
    found = [cls, ...(merged ?? parents.flatMap((parent) => lineage(parent)))];
    lineages.set(cls, found);
  }
  return found;
}

/** A private name as a class has it: `__x` inside of `class A` is `_A__x`. */
export function mangled(name: string, owner: ClassValue | undefined): string {
  if (!owner || !name.startsWith("__") || (name.endsWith("__") && name !== "__")) return name;
  const prefix = owner.name.replace(/^_+/, "");
  return prefix === "" ? name : `_${prefix}${name}`;
}

/** False where Python says that it cannot create a consistent order of the bases. */
export function hasLineage(cls: ClassValue): boolean {
  const parents = parentsOf(cls);
  return merge([...parents.map((parent) => [...lineage(parent)]), [...parents]]) !== undefined;
}

/** An attribute of a class or its bases; undefined when no read class has it. */
export function findInClass(cls: ClassValue, name: string, after?: ClassValue): Value | undefined {
  const order = lineage(cls);
  for (const each of after ? order.slice(order.indexOf(after) + 1) : order) {
    const own = each.attributes.get(name);
    if (own !== undefined) return own;
  }
  return undefined;
}

/** The known class without source that a class of the project extends (Kedro's Node). */
export function knownBase(cls: ClassValue): Builtin | undefined {
  for (const each of lineage(cls)) {
    for (const base of each.bases) if (isObj(base) && base.kind === "builtin" && base.isOwn) return base;
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

/** The doubt about an operation that one of these special methods of the instance's class would decide. */
export function specialMethod(value: Value, names: readonly string[]): Unknown | undefined {
  if (!isObj(value) || value.kind !== "instance") return undefined;
  for (const name of names) {
    if (findInClass(value.cls, name) !== undefined)
      return unknown(`"${value.cls.name}" has its own ${name}`, value.cls.site);
  }
  return value.cls.isException ? undefined : unknownBase(value.cls);
}

/** The class that `@dataclass` stands above, nearest first. */
export function dataclassOf(instance: Instance): ClassValue | undefined {
  return lineage(instance.cls).find((cls) => cls.dataclass);
}

/** Fields in the order of `__init__`, with the class that says the default. */
export function fieldsOf(cls: ClassValue): { name: string; owner: ClassValue }[] {
  const fields = new Map<string, ClassValue>();
  for (const each of lineage(cls).toReversed()) for (const name of each.annotated) fields.set(name, each);
  return [...fields].map(([name, owner]) => ({ name, owner }));
}

// --- internal ---

function parentsOf(cls: ClassValue): ClassValue[] {
  return cls.bases.filter((base) => isObj(base) && base.kind === "class") as ClassValue[];
}

function merge(lists: ClassValue[][]): ClassValue[] | undefined {
  const out: ClassValue[] = [];
  for (;;) {
    const open = lists.filter((list) => list.length > 0);
    if (open.length === 0) return out;
    const next = open.map((list) => list[0] as ClassValue).find((head) => open.every((list) => list.indexOf(head) < 1));
    if (next === undefined) return undefined;
    out.push(next);
    for (const list of open) if (list[0] === next) list.shift();
  }
}
