/**
 * Code that may or may not run. Nothing of it is run; instead every name it assigns becomes unknown, and every
 * mutable value it could change (the root of a method call, an argument, the target of an item or attribute
 * assignment) is poisoned, through aliases too, because the value itself carries the mark. Project functions that it
 * calls are looked into in the same way.
 */
import { findName } from "./evaluate.ts";
import { bind } from "./execute.ts";
import { ensureBody } from "./modules.ts";
import type { ExprNode, StmtNode } from "./parse.ts";
import { isObj, type ClassValue, type FunctionValue, type Unknown, type Value } from "./value.ts";
import type { Frame, Vm } from "./vm.ts";

/** Poisons what statements assign or may change. */
export function poisonRegion(vm: Vm, frame: Frame, region: readonly StmtNode[], doubt: Unknown): void {
  visit(vm, frame, region, doubt, true, new Set());
}

/** Poisons what expressions may change, and names bound by `:=`. */
export function poisonNames(vm: Vm, frame: Frame, expressions: readonly ExprNode[], doubt: Unknown): void {
  visit(vm, frame, expressions, doubt, true, new Set());
}

/** Marks a value, and what it holds, as possibly changed. */
export function poisonValue(value: Value, doubt: Unknown, depth = 0): void {
  if (!isObj(value) || depth > 6) return;
  switch (value.kind) {
    case "list":
      if (value.poison) return;
      value.poison = doubt;
      for (const item of value.items) poisonValue(item, doubt, depth + 1);
      return;
    case "tuple":
      for (const item of value.items) poisonValue(item, doubt, depth + 1);
      return;
    case "dict":
      if (value.poison) return;
      value.poison = doubt;
      for (const entry of value.map.values()) poisonValue(entry.value, doubt, depth + 1);
      return;
    case "set":
    case "iterator":
    case "instance":
      value.poison ??= doubt;
      return;
    default:
  }
}

/** A value that something unknown was given: it may change it, and call it, or what it holds, if that can be called. */
export function giveAway(vm: Vm, value: Value, doubt: Unknown): void {
  poisonValue(value, doubt);
  poisonCallees(vm, value, doubt, 0);
}

/** Whether statements may leave the block they stand in: by `return`, or by a jump of the loop around them. */
export function hasJump(region: readonly StmtNode[]): "return" | "loop" | undefined {
  let found: "return" | "loop" | undefined;
  const look = (value: unknown, inLoop: boolean): void => {
    if (Array.isArray(value)) {
      for (const item of value) look(item, inLoop);
      return;
    }
    if (typeof value !== "object" || value === null || !("nodeType" in value)) return;
    const { nodeType } = value as { nodeType: string };
    if (
      nodeType === "FunctionDef" ||
      nodeType === "AsyncFunctionDef" ||
      nodeType === "ClassDef" ||
      nodeType === "Lambda"
    )
      return;
    if (nodeType === "Return") found = "return";
    if ((nodeType === "Break" || nodeType === "Continue") && !inLoop) found ??= "loop";
    const isLoop = nodeType === "For" || nodeType === "While" || nodeType === "AsyncFor";
    for (const [key, child] of Object.entries(value)) {
      if (typeof child === "object") look(child, inLoop || (isLoop && key === "body"));
    }
  };
  look(region, false);
  return found;
}

// --- internal ---

function poisonCallees(vm: Vm, value: Value, doubt: Unknown, depth: number): void {
  if (!isObj(value) || depth > 6) return;
  const inside = (items: Iterable<Value>): void => {
    for (const item of items) poisonCallees(vm, item, doubt, depth + 1);
  };
  switch (value.kind) {
    case "function":
      ensureBody(vm, value);
      visitFunction(vm, value, doubt, new Set());
      return;
    case "builtin":
      if (value.self !== undefined) poisonValue(value.self, doubt);
      return;
    case "property":
      inside([value.getter]);
      return;
    case "method":
      poisonValue(value.self, doubt);
      inside([value.func]);
      return;
    case "partial":
      for (const item of [...value.positional, ...value.keywords.values()]) poisonValue(item, doubt);
      inside([value.func, ...value.positional, ...value.keywords.values()]);
      return;
    case "list":
    case "tuple":
      inside(value.items);
      return;
    case "dict":
      inside([...value.map.values()].map((entry) => entry.value));
      return;
    default:
  }
}

function visit(vm: Vm, frame: Frame, value: unknown, doubt: Unknown, isOwn: boolean, seen: Set<unknown>): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(vm, frame, item, doubt, isOwn, seen);
    return;
  }
  if (typeof value !== "object" || value === null || !("nodeType" in value) || seen.has(value)) return;
  const node = value as { nodeType: string } & Record<string, unknown>;
  switch (node.nodeType) {
    case "Name":
      if ((node["ctx"] as { nodeType: string } | undefined)?.nodeType === "Store" && isOwn)
        setUnknown(frame, node["id"] as string, doubt);
      return;
    case "FunctionDef":
    case "AsyncFunctionDef":
    case "ClassDef":
      if (isOwn) setUnknown(frame, node["name"] as string, doubt);
      return;
    case "Import":
    case "ImportFrom":
      for (const item of node["names"] as { name: string; asname?: string }[]) {
        if (isOwn) setUnknown(frame, item.asname ?? item.name.split(".", 1)[0] ?? item.name, doubt);
      }
      return;
    case "Global":
      frame.globals ??= new Set();
      for (const name of node["names"] as string[]) {
        frame.globals.add(name);
        frame.module.frame.names.set(name, doubt);
      }
      return;
    case "Nonlocal":
      for (const name of node["names"] as string[]) {
        for (let at = frame.parent; at; at = at.parent) {
          if (!at.names.has(name) || at.isModule) continue;
          at.names.set(name, doubt);
          break;
        }
      }
      return;
    case "ExceptHandler":
      if (typeof node["name"] === "string" && isOwn) setUnknown(frame, node["name"], doubt);
      break;
    case "Yield":
    case "YieldFrom": {
      let at: Frame | undefined = frame;
      while (at && !at.yields) at = at.parent;
      at?.yields?.push(doubt);
      break;
    }
    case "Attribute":
    case "Subscript":
      if ((node["ctx"] as { nodeType: string } | undefined)?.nodeType !== "Load") {
        const root = rootValue(vm, frame, node["value"] as ExprNode);
        if (root !== undefined) poisonDeep(root, doubt);
      }
      break;
    case "AugAssign": {
      const root = rootValue(vm, frame, node["target"] as ExprNode);
      if (root !== undefined) poisonValue(root, doubt);
      break;
    }
    case "Call":
      visitCall(vm, frame, node, doubt, seen);
      break;
    default:
  }
  for (const child of Object.values(node)) if (typeof child === "object") visit(vm, frame, child, doubt, isOwn, seen);
}

function visitCall(vm: Vm, frame: Frame, node: Record<string, unknown>, doubt: Unknown, seen: Set<unknown>): void {
  const func = node["func"] as ExprNode;
  if (func.nodeType === "Attribute") {
    const root = rootValue(vm, frame, func.value);
    if (root !== undefined) {
      poisonDeep(root, doubt);
      if (isObj(root) && root.kind === "unknown" && root === doubt) poisonVisible(frame, doubt);
      if (isObj(root) && root.kind === "instance") {
        const method = findMethod(root.cls, func.attr);
        if (method) visitFunction(vm, method, doubt, seen);
      }
    }
  }
  const called = func.nodeType === "Name" ? peek(vm, frame, func.id) : undefined;
  if (called !== undefined && isObj(called) && called.kind === "builtin" && PURE.has(called.name)) return;
  const isOpaque =
    called === undefined
      ? func.nodeType !== "Name" && func.nodeType !== "Attribute"
      : isObj(called) &&
        (called.kind === "builtin" || called.kind === "method" || called.kind === "partial" || called === doubt);
  if (func.nodeType === "Name" && ["globals", "exec", "eval"].includes(func.id)) {
    poisonVisible(frame, doubt);
    for (const name of frame.module.frame.names.keys()) frame.module.frame.names.set(name, doubt);
  }
  if (isOpaque) poisonVisible(frame, doubt);
  for (const argument of [
    ...(node["args"] as ExprNode[]),
    ...(node["keywords"] as { value: ExprNode }[]).map((item) => item.value),
  ]) {
    const root = rootValue(vm, frame, argument.nodeType === "Starred" ? argument.value : argument);
    if (root !== undefined) poisonValue(root, doubt);
  }
  if (called !== undefined && isObj(called) && called.kind === "function") visitFunction(vm, called, doubt, seen);
}

/** Builtins that change none of their arguments. */
const PURE: ReadonlySet<string> = new Set([
  "print",
  "len",
  "str",
  "int",
  "float",
  "bool",
  "repr",
  "isinstance",
  "issubclass",
  "sorted",
  "list",
  "dict",
  "tuple",
  "set",
  "frozenset",
  "sum",
  "min",
  "max",
  "any",
  "all",
  "range",
  "enumerate",
  "zip",
  "hasattr",
  "getattr",
  "type",
  "node",
  "Node",
  "pipeline",
  "Pipeline",
  "abs",
  "round",
  "id",
  "hash",
  "reversed",
  "format",
]);

/** Poisons everything that can be reached from the names in sight: a call whose target is not known may change it. */
function poisonVisible(frame: Frame, doubt: Unknown): void {
  for (let at: Frame | undefined = frame; at; at = at.parent) {
    for (const value of at.names.values()) {
      if (typeof value === "object" && value !== null && !("lazy" in value) && value !== doubt)
        poisonValue(value, doubt);
    }
  }
}

/** A method of a class or its bases that the project defines. */
function findMethod(cls: ClassValue, name: string): FunctionValue | undefined {
  const own = cls.attributes.get(name);
  if (own !== undefined) return isObj(own) && own.kind === "function" ? own : undefined;
  for (const base of cls.bases) {
    const found = isObj(base) && base.kind === "class" ? findMethod(base, name) : undefined;
    if (found) return found;
  }
  return undefined;
}

function visitFunction(vm: Vm, func: FunctionValue, doubt: Unknown, seen: Set<unknown>): void {
  if (seen.has(func)) return;
  try {
    ensureBody(vm, func);
  } catch {
    return; // its module stops with an exception, so that nothing of it is called
  }
  if (!func.body) return;
  seen.add(func);
  const frame: Frame = {
    names: new Map(),
    module: func.module,
    parent: func.body.closure,
    isClass: false,
    isModule: false,
  };
  visit(vm, frame, func.body.statements, doubt, false, seen);
}

function rootValue(vm: Vm, frame: Frame, node: ExprNode): Value | undefined {
  let at = node;
  while (
    at.nodeType === "Attribute" ||
    at.nodeType === "Subscript" ||
    (at.nodeType === "Call" && at.func.nodeType === "Attribute")
  ) {
    at = at.nodeType === "Call" ? (at.func as { value: ExprNode }).value : at.value;
  }
  return at.nodeType === "Name" ? peek(vm, frame, at.id) : undefined;
}

function peek(vm: Vm, frame: Frame, name: string): Value | undefined {
  try {
    return findName(vm, frame, name);
  } catch {
    return undefined; // a name whose import fails is bound to nothing that could be changed
  }
}

function poisonDeep(value: Value, doubt: Unknown): void {
  poisonValue(value, doubt);
  if (isObj(value) && value.kind === "class") value.poison ??= doubt;
  if (isObj(value) && value.kind === "module")
    for (const name of value.frame.names.keys()) value.frame.names.set(name, doubt);
}

function setUnknown(frame: Frame, name: string, doubt: Unknown): void {
  bind(frame, name, doubt);
}
