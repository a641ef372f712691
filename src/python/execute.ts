/**
 * Statements. Each gives undefined to go on, or how the block ends: `return` with its value, `break`, `continue`.
 * A branch or a loop that depends on something unknown is not run: every name it assigns and every value it may
 * change becomes unknown (`poison.ts`).
 * Long, because each kind of statement is one case of one switch.
 */
import { attributeOf, changeAttribute, setAttribute } from "./attributes.ts";
import { callValue, doubtAnnotations, makeFunction } from "./call.ts";
import { mangled } from "./lineage.ts";
import { leaving, type Manager } from "./managers.ts";
import { makeClass } from "./classes.ts";
import { isRebound } from "./effects.ts";
import { evaluate, findName } from "./evaluate.ts";
import { textOf } from "./format.ts";
import {
  absoluteName,
  external,
  importModule,
  isOfProject,
  loadNamed,
  moduleAttribute,
  publicNames,
  attributeOfImport,
} from "./modules.ts";
import { binary, equal, isUnknown, iterate, truth } from "./operators.ts";
import { deleteItem, setItem } from "./items.ts";
import { parseModule, type ExprNode, type PatternNode, type StmtNode } from "./parse.ts";
import { hasJump, poisonNames, poisonRegion } from "./poison.ts";
import {
  derive,
  doubtCount,
  isObj,
  list,
  placeOfSite,
  PyRaise,
  typeName,
  unknown,
  unknownOf,
  type FunctionValue,
  type LibraryModule,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { limit, MAX_ITEMS, raise, step, type Frame, type ModuleValue, type Vm } from "./vm.ts";

export type Ending =
  { readonly kind: "return"; readonly value: Value } | { readonly kind: "break" } | { readonly kind: "continue" };

/** Runs a module's top level once. Raises what the module raises; PY_SYNTAX for a broken text. */
export function executeModule(vm: Vm, module: ModuleValue): void {
  if (module.state === "executing" || module.state === "executed") return;
  module.state = "executing";
  executeBlock(vm, module.frame, parseModule(module.source));
  module.state = "executed";
}

/** Runs statements in order. */
export function executeBlock(vm: Vm, frame: Frame, statements: readonly StmtNode[]): Ending | undefined {
  for (const [index, statement] of statements.entries()) {
    const ending = execute(vm, frame, statement, statements.slice(index + 1));
    if (ending) return ending;
  }
  return undefined;
}

/** Binds a target: a name, an attribute, a subscript, or a pattern of them. */
export function assign(vm: Vm, frame: Frame, target: ExprNode, value: Value): void {
  const site: Site = { source: frame.module.source, node: target };
  switch (target.nodeType) {
    case "Name":
      bind(frame, target.id, value);
      return;
    case "Attribute":
      setAttribute(vm, evaluate(vm, frame, target.value), mangled(target.attr, frame.owner), value, site);
      return;
    case "Subscript": {
      const container = evaluate(vm, frame, target.value);
      if (target.slice.nodeType === "Slice") {
        if (isObj(container) && container.kind === "list") container.poison ??= unknown("a slice was assigned", site);
        return;
      }
      setItem(container, evaluate(vm, frame, target.slice), value, site);
      return;
    }
    case "Starred":
      assign(vm, frame, target.value, value);
      return;
    case "Tuple":
    case "List":
      unpack(vm, frame, target.elts, value, site);
      return;
    default:
  }
}

/** Binds a name, where `global` and `nonlocal` say. */
export function bind(frame: Frame, name: string, value: Value): void {
  if (frame.globals?.has(name)) frame.module.frame.names.set(name, value);
  else if (frame.nonlocals?.has(name)) {
    for (let at = frame.parent; at; at = at.parent) {
      if (at.names.has(name) && !at.isModule) {
        at.names.set(name, value);
        return;
      }
    }
  } else frame.names.set(name, value);
}

// --- internal ---

function execute(vm: Vm, frame: Frame, node: StmtNode, rest: readonly StmtNode[]): Ending | undefined {
  step(vm, frame.module.source, node);
  const site: Site = { source: frame.module.source, node };
  switch (node.nodeType) {
    case "Expr":
      if (node.value.nodeType !== "Constant") evaluate(vm, frame, node.value);
      return undefined;
    case "Assign": {
      const value = evaluate(vm, frame, node.value);
      for (const target of node.targets) assign(vm, frame, target, value);
      return undefined;
    }
    case "AnnAssign":
      if (frame.isModule || frame.isClass) doubtAnnotations(vm, frame, [node.annotation]);
      if (node.value) assign(vm, frame, node.target, evaluate(vm, frame, node.value));
      return undefined;
    case "AugAssign":
      augment(vm, frame, node, site);
      return undefined;
    case "Return":
      return { kind: "return", value: node.value ? evaluate(vm, frame, node.value) : null };
    case "FunctionDef":
    case "AsyncFunctionDef":
      define(vm, frame, node);
      return undefined;
    case "ClassDef": {
      let value: Value = makeClass(vm, frame, node, site);
      for (const decorator of node.decorator_list.toReversed()) {
        value = callValue(
          vm,
          evaluate(vm, frame, decorator),
          { positional: [value], keywords: new Map() },
          { source: frame.module.source, node: decorator },
        );
      }
      bind(frame, node.name, value);
      return undefined;
    }
    case "Import":
    case "ImportFrom":
      executeImport(vm, frame, node, site);
      return undefined;
    case "If": {
      const is = truth(evaluate(vm, frame, node.test), { source: frame.module.source, node: node.test });
      if (typeof is === "boolean") return executeBlock(vm, frame, is ? node.body : node.orelse);
      return skipRegion(vm, frame, [...node.body, ...node.orelse], is, rest);
    }
    case "For":
      return executeFor(vm, frame, node, rest);
    case "While":
      return executeWhile(vm, frame, node, rest);
    case "Try":
    case "TryStar":
      return executeTry(vm, frame, node, rest);
    case "With":
      return executeWith(vm, frame, node);
    case "Raise":
      throw raised(vm, frame, node, site);
    case "Assert": {
      const is = truth(evaluate(vm, frame, node.test), site);
      if (is === false) {
        const text = node.msg ? textOf(evaluate(vm, frame, node.msg), site) : "";
        throw raise("AssertionError", typeof text === "string" ? text : "", site);
      }
      return undefined;
    }
    case "Delete":
      for (const target of node.targets) {
        if (target.nodeType === "Name")
          (frame.globals?.has(target.id) ? frame.module.frame : frame).names.delete(target.id);
        else if (target.nodeType === "Subscript")
          deleteItem(evaluate(vm, frame, target.value), evaluate(vm, frame, target.slice), site);
        else if (target.nodeType === "Attribute")
          changeAttribute(vm, evaluate(vm, frame, target.value), target.attr, unknown("an attribute is deleted", site));
        else poisonNames(vm, frame, [target], unknown("a pattern is deleted", site));
      }
      return undefined;
    case "Global":
      frame.globals ??= new Set();
      for (const name of node.names) frame.globals.add(name);
      return undefined;
    case "Nonlocal":
      frame.nonlocals ??= new Set();
      for (const name of node.names) frame.nonlocals.add(name);
      return undefined;
    case "Match":
      return executeMatch(vm, frame, node, rest, site);
    case "Break":
      return { kind: "break" };
    case "Continue":
      return { kind: "continue" };
    case "AsyncFor":
    case "AsyncWith":
      return skipRegion(vm, frame, [node], unknown("asynchronous code is not followed", site), rest);
    case "TypeAlias":
      if (node.name.nodeType === "Name") bind(frame, node.name.id, unknown("it is a type", site));
      return undefined;
    default:
      return undefined;
  }
}

/** A region that may or may not run: what it touches is unknown, and what follows too if it may leave the block. */
function skipRegion(
  vm: Vm,
  frame: Frame,
  region: readonly StmtNode[],
  doubt: Unknown,
  rest: readonly StmtNode[],
): Ending | undefined {
  poisonRegion(vm, frame, region, doubt);
  const jump = hasJump(region);
  if (jump === undefined) return undefined;
  poisonRegion(vm, frame, rest, doubt);
  if (jump === "loop") throw new UnknownJump(doubt);
  return { kind: "return", value: doubt };
}

/** A `break` or `continue` that may or may not happen; the loop around it becomes unknown. */
class UnknownJump extends Error {
  readonly doubt: Unknown;
  constructor(doubt: Unknown) {
    super("jump");
    this.doubt = doubt;
  }
}

function augment(vm: Vm, frame: Frame, node: Extract<StmtNode, { nodeType: "AugAssign" }>, site: Site): void {
  const old = evaluate(vm, frame, node.target);
  const value = evaluate(vm, frame, node.value);
  const op = node.op.nodeType;
  if (isObj(old) && old.kind === "list" && op === "Add" && !old.poison) {
    const found = iterate(value, site);
    if ("kind" in found) old.poison = found;
    else {
      old.items.push(...found.items);
      if (found.unordered) old.unordered = true;
    }
    return;
  }
  if (isObj(old) && old.kind === "list" && op === "Mult" && !old.poison) {
    const grown = binary(op, old, value, site);
    if (isObj(grown) && grown.kind === "list") old.items = grown.items;
    else old.poison = unknownOf(grown) ?? unknown("this product is not followed", site);
    return;
  }
  if (isObj(old) && (old.kind === "set" || old.kind === "dict") && op === "BitOr" && !old.poison) {
    const bad = unknownOf(value);
    if (bad) old.poison = bad;
    else if (isObj(value) && (value.kind === "set" || value.kind === "dict")) {
      for (const [hash, item] of value.map)
        (old.map as Map<string, unknown>).set(hash, value.kind === "dict" ? { ...(item as object) } : item);
      if (value.kind === "dict" && value.unordered && old.kind === "dict") old.unordered = true;
    }
    return;
  }
  assign(vm, frame, node.target, binary(op, old, value, site));
}

function unpack(vm: Vm, frame: Frame, targets: readonly ExprNode[], value: Value, site: Site): void {
  const found = iterate(value, site);
  if ("kind" in found || found.unordered) {
    const doubt = "kind" in found ? found : unknown("it is unpacked in the order of a set", site);
    for (const target of targets) assign(vm, frame, target, doubt);
    return;
  }
  const star = targets.findIndex((target) => target.nodeType === "Starred");
  const { items } = found;
  if (star < 0 ? items.length !== targets.length : items.length < targets.length - 1) {
    throw raise(
      "ValueError",
      items.length > targets.length
        ? `too many values to unpack (expected ${targets.length})`
        : `not enough values to unpack (expected ${targets.length}, got ${items.length})`,
      site,
    );
  }
  const after = star < 0 ? 0 : targets.length - star - 1;
  for (const [index, target] of targets.entries()) {
    if (star < 0 || index < star) assign(vm, frame, target, items[index] ?? null);
    else if (index === star) assign(vm, frame, target, list(items.slice(star, items.length - after)));
    else assign(vm, frame, target, items[items.length - targets.length + index] ?? null);
  }
}

function define(vm: Vm, frame: Frame, node: Extract<StmtNode, { nodeType: "FunctionDef" | "AsyncFunctionDef" }>): void {
  let func: Value;
  const early = frame.isModule && node.decorator_list.length === 0 ? frame.module.indexed.get(node.name) : undefined;
  const made = makeFunction(vm, frame, node, node.name);
  if (
    isObj(early ?? null) &&
    (early as FunctionValue).kind === "function" &&
    (early as FunctionValue).line === node.lineno
  ) {
    (early as FunctionValue).body = made.body as NonNullable<FunctionValue["body"]>;
    func = early as FunctionValue;
  } else func = made;
  for (const decorator of node.decorator_list.toReversed()) {
    const site: Site = { source: frame.module.source, node: decorator };
    func = callValue(vm, evaluate(vm, frame, decorator), { positional: [func], keywords: new Map() }, site);
  }
  bind(frame, node.name, func);
}

function executeImport(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "Import" | "ImportFrom" }>,
  site: Site,
): void {
  if (node.nodeType === "Import") {
    for (const { name, asname } of node.names) {
      const value = importModule(vm, name, site);
      const top = name.split(".", 1)[0] ?? name;
      bind(frame, asname ?? top, asname === undefined || asname === null ? importModule(vm, top, site) : value);
    }
    return;
  }
  const statement = { level: node.level ?? 0, module: node.module ?? "" };
  if (statement.module === "__future__") return;
  const path = absoluteName(frame.module, statement, site);
  const target = importModule(vm, path, site);
  for (const { name, asname } of node.names) {
    if (name !== "*") {
      const isLater =
        isObj(target) &&
        target.kind === "module" &&
        target.state !== "executed" &&
        !isRebound(target.source.text, name);
      if (isLater && frame.isModule) {
        loadNamed(vm, frame.module, target, name, site);
        frame.names.set(asname ?? name, { lazy: true, module: target, name, site });
      } else bind(frame, asname ?? name, attributeOfImport(vm, target, path, name, site));
      continue;
    }
    if (isObj(target) && target.kind === "module") {
      const names = publicNames(vm, target, site);
      if (names === undefined) frame.names.set("\0star", external(path, site));
      for (const item of names ?? []) {
        const value = moduleAttribute(vm, target, item, site);
        if (value !== undefined) frame.names.set(item, value);
      }
    } else if (isObj(target) && target.kind === "library") {
      for (const [item, value] of target.attributes) frame.names.set(item, value);
    } else frame.names.set("\0star", external(path, site));
  }
}

function executeFor(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "For" }>,
  rest: readonly StmtNode[],
): Ending | undefined {
  const site: Site = { source: frame.module.source, node: node.iter };
  const source = evaluate(vm, frame, node.iter);
  const found = iterate(source, site);
  const whole: StmtNode[] = [node];
  if ("kind" in found) return skipRegion(vm, frame, [...loopRegion(node), ...node.orelse], found, rest);
  if (found.unordered) {
    if (hasJump(node.body) !== undefined) {
      return skipRegion(
        vm,
        frame,
        [...loopRegion(node), ...node.orelse],
        unknown("it depends on the order of a set, which differs between runs", site),
        rest,
      );
    }
    poisonCounters(vm, frame, node.body, unknown("it depends on the order of a set, which differs between runs", site));
  }
  const grown = found.unordered ? listsIn(vm, frame, whole) : [];
  const dict = isObj(source)
    ? source.kind === "dict"
      ? source
      : source.kind === "tuple"
        ? source.of
        : undefined
    : undefined;
  const live = isObj(source) && source.kind === "list" ? source : undefined;
  const size = dict?.map.size;
  for (let at = 0; at < (live && !live.poison ? live.items : found.items).length; at++) {
    if (dict && dict.map.size !== size) throw raise("RuntimeError", "dictionary changed size during iteration", site);
    if (at % 1000 === 999) step(vm, frame.module.source, node);
    if (live && live.items.length > MAX_ITEMS) throw limit(`a list of more than ${MAX_ITEMS} items`, site);
    assign(vm, frame, node.target, (live && !live.poison ? live.items : found.items)[at] ?? null);
    try {
      const ending = executeBlock(vm, frame, node.body);
      if (ending?.kind === "break") return undefined;
      if (ending?.kind === "return") return ending;
    } catch (error) {
      if (!(error instanceof UnknownJump)) throw error;
      return skipRegion(vm, frame, [...loopRegion(node), ...node.orelse], error.doubt, rest);
    }
  }
  if (dict && dict.map.size !== size) throw raise("RuntimeError", "dictionary changed size during iteration", site);
  for (const value of grown) if (value.kind !== "set") value.unordered = true;
  if (found.unordered) {
    const last = unknown("it is the last item of a set, which differs between runs", site);
    assign(vm, frame, node.target, last);
    for (const name of assignedNames(node.body)) {
      const value = findName(vm, frame, name);
      if (
        value !== undefined &&
        !(
          isObj(value) &&
          (value.kind === "list" || value.kind === "dict" || value.kind === "set" || value.kind === "custom")
        )
      )
        bind(frame, name, last);
    }
  }
  return executeBlock(vm, frame, node.orelse);
}

/** The body with its targets, as a region without the loop's own `break` and `continue`. */
function loopRegion(node: Extract<StmtNode, { nodeType: "For" | "While" }>): StmtNode[] {
  return [node.nodeType === "For" ? { ...node, orelse: [] } : { ...node, orelse: [] }];
}

function poisonCounters(vm: Vm, frame: Frame, body: readonly StmtNode[], doubt: Unknown): void {
  for (const name of augmentedNames(body)) {
    const value = findName(vm, frame, name);
    if (value !== undefined && (!isObj(value) || value.kind === "tuple")) bind(frame, name, doubt);
  }
}

function* walk(value: unknown): Generator<{ nodeType: string } & Record<string, unknown>> {
  if (Array.isArray(value)) {
    for (const item of value) yield* walk(item);
  } else if (typeof value === "object" && value !== null && "nodeType" in value) {
    yield value as { nodeType: string } & Record<string, unknown>;
    for (const child of Object.values(value)) if (typeof child === "object") yield* walk(child);
  }
}

function augmentedNames(body: readonly StmtNode[]): string[] {
  const names: string[] = [];
  for (const node of walk(body)) {
    if (node.nodeType === "AugAssign" && (node["target"] as ExprNode).nodeType === "Name")
      names.push((node["target"] as { id: string }).id);
  }
  return names;
}

function assignedNames(body: readonly StmtNode[]): string[] {
  const names: string[] = [];
  for (const node of walk(body)) {
    if (node.nodeType === "Name" && (node["ctx"] as { nodeType: string } | undefined)?.nodeType === "Store")
      names.push(node["id"] as string);
  }
  return names;
}

/** Lists and dictionaries that a region names: their order is a set's once the region ran in a set's order. */
function listsIn(
  vm: Vm,
  frame: Frame,
  region: readonly StmtNode[],
): Extract<Value, { kind: "list" | "dict" | "set" }>[] {
  const found: Extract<Value, { kind: "list" | "dict" | "set" }>[] = [];
  for (const node of walk(region)) {
    if (node.nodeType !== "Call" && node.nodeType !== "AugAssign" && node.nodeType !== "Subscript") continue;
    const root = rootName((node["func"] ?? node["target"] ?? node["value"]) as ExprNode);
    const value = root === undefined ? undefined : findName(vm, frame, root);
    if (value !== undefined && isObj(value) && (value.kind === "list" || value.kind === "dict")) found.push(value);
  }
  return found;
}

function rootName(node: ExprNode): string | undefined {
  let at = node;
  while (at.nodeType === "Attribute" || at.nodeType === "Subscript") at = at.value;
  return at.nodeType === "Name" ? at.id : undefined;
}

function executeWhile(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "While" }>,
  rest: readonly StmtNode[],
): Ending | undefined {
  for (;;) {
    step(vm, frame.module.source, node);
    const is = truth(evaluate(vm, frame, node.test), { source: frame.module.source, node: node.test });
    if (typeof is !== "boolean") return skipRegion(vm, frame, [...loopRegion(node), ...node.orelse], is, rest);
    if (!is) return executeBlock(vm, frame, node.orelse);
    try {
      const ending = executeBlock(vm, frame, node.body);
      if (ending?.kind === "break") return undefined;
      if (ending?.kind === "return") return ending;
    } catch (error) {
      if (!(error instanceof UnknownJump)) throw error;
      return skipRegion(vm, frame, [...loopRegion(node), ...node.orelse], error.doubt, rest);
    }
  }
}

/** Whether only a missing module can start a handler: values that are not known say nothing about that. */
function catchesImportsOnly(node: Extract<StmtNode, { nodeType: "Try" | "TryStar" }>): boolean {
  return node.handlers.every(({ type }) => {
    const caught = type?.nodeType === "Tuple" ? type.elts : [type];
    return caught.every((item) => item?.nodeType === "Name" && /^(?:Import|ModuleNotFound)Error$/.test(item.id));
  });
}

function executeTry(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "Try" | "TryStar" }>,
  rest: readonly StmtNode[],
): Ending | undefined {
  const before = vm.unknownCalls;
  const doubtsBefore = doubtCount();
  let ending: Ending | undefined;
  let isOpen = false;
  try {
    ending = executeBlock(vm, frame, node.body);
    const onlyImports = node.body.every(isImport);
    const mayRaise = doubtCount() > doubtsBefore && !onlyImports && !catchesImportsOnly(node);
    if ((vm.unknownCalls > before || mayRaise) && node.handlers.length > 0) {
      const doubt = unknown("something that kfk does not read may have raised an exception in this try block", {
        source: frame.module.source,
        node,
      });
      const handlers = node.handlers.flatMap((handler) => handler.body);
      // Only what both ways would leave different is in doubt; a handler that raises again leaves nothing behind.
      const harmless = node.handlers.every((handler) => handler.body.at(-1)?.nodeType === "Raise");
      if (!harmless) {
        const jumped = skipRegion(vm, frame, [...node.body, ...handlers], doubt, rest);
        if (ending || jumped) ending = { kind: "return", value: doubt };
      }
    } else if (node.handlers.length > 0) {
      const doubt = importDoubt(vm, frame, node);
      if (doubt === "open") isOpen = true;
      else if (doubt === "assumed") warnOfAssumed(vm, frame, node);
    }
  } catch (error) {
    const problem = error instanceof PyRaise ? error : undefined;
    if (!problem) throw error;
    const handled = handle(vm, frame, node, problem, rest);
    if (!handled) {
      executeBlock(vm, frame, node.finalbody);
      throw error;
    }
    return executeBlock(vm, frame, node.finalbody) ?? handled.ending;
  }
  try {
    ending ??= executeBlock(vm, frame, node.orelse);
  } catch (error) {
    if (error instanceof PyRaise) executeBlock(vm, frame, node.finalbody);
    throw error;
  }
  if (isOpen) ending = doubtImports(vm, frame, node, rest) ?? ending;
  return executeBlock(vm, frame, node.finalbody) ?? ending;
}

/**
 * A `try` whose body imports something that is not surely there may go either way. What both ways leave different is
 * in doubt: names that a handler assigns, and all that the rest of the body and `else` do; what the body imports
 * counts as imported, because its value says nothing about the graph. A handler that raises again leaves nothing.
 */
function doubtImports(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "Try" | "TryStar" }>,
  rest: readonly StmtNode[],
): Ending | undefined {
  const imports = node.body.filter(isImport);
  if (node.handlers.every((handler) => handler.body.at(-1)?.nodeType === "Raise")) return undefined;
  const imported = imports.flatMap(({ names }) =>
    names.map(({ name, asname }) => asname ?? name.split(".", 1)[0] ?? name),
  );
  const doubt = unknown("it depends on whether a library is installed", { source: frame.module.source, node });
  const handlers = node.handlers.flatMap((handler) => handler.body);
  const kept = new Map(imported.map((name) => [name, frame.names.get(name)]));
  const ending = skipRegion(vm, frame, [...node.body, ...node.orelse, ...handlers], doubt, rest);
  for (const [name, value] of kept) if (value !== undefined) frame.names.set(name, value);
  return ending;
}

type ImportNode = Extract<StmtNode, { nodeType: "Import" | "ImportFrom" }>;

function isImport(node: StmtNode): node is ImportNode {
  return node.nodeType === "Import" || node.nodeType === "ImportFrom";
}

/** Modules that an import statement names, and names it takes from them. */
function importedBy(
  frame: Frame,
  item: ImportNode,
): readonly { readonly path: string; readonly names: readonly string[] }[] {
  if (item.nodeType === "Import") return item.names.map(({ name }) => ({ path: name, names: [] }));
  const path = item.module ?? "";
  const names = item.names.map(({ name }) => name);
  return [{ path: (item.level ?? 0) > 0 ? frame.module.name : path, names }];
}

type TryNode = Extract<StmtNode, { nodeType: "Try" | "TryStar" }>;

/**
 * `open`: an import of a `try` body may fail, of a library that kfk does not know and the project does not ask for, or
 * of a name that Kedro lacks. `assumed`: the project's own modules count as there, as everywhere.
 */
function importDoubt(vm: Vm, frame: Frame, node: TryNode): "open" | "assumed" | undefined {
  let isOfOwn = false;
  for (const item of node.body) {
    if (!isImport(item)) continue;
    for (const { path, names } of importedBy(frame, item)) {
      if (isOfProject(vm, path) || path === frame.module.name) {
        isOfOwn = true;
        continue;
      }
      if (!isKnown(vm, path) && !isDeclared(vm, path)) return "open";
      const library = vm.library(path);
      if (!/^kedro(?:\.|$)/.test(path) || !isObj(library ?? null)) continue;
      const { attributes } = library as LibraryModule;
      if (names.some((name) => name !== "*" && !attributes.has(name) && !isKnown(vm, `${path}.${name}`))) return "open";
    }
  }
  return isOfOwn && !node.body.every(isImport) ? "assumed" : undefined;
}

function warnOfAssumed(vm: Vm, frame: Frame, node: TryNode): void {
  vm.warnings.push({
    message: "this try block is read as if what it imports could be imported",
    at: placeOfSite({ source: frame.module.source, node }),
    hint: "kfk model --verify compares with what Python says",
  });
}

/** What is imported under another name than it is installed by. */
const INSTALLED_AS: ReadonlyMap<string, string> = new Map([
  ["sklearn", "scikit-learn"],
  ["yaml", "pyyaml"],
  ["cv2", "opencv-python"],
  ["PIL", "pillow"],
  ["bs4", "beautifulsoup4"],
  ["dotenv", "python-dotenv"],
]);

function isDeclared(vm: Vm, path: string): boolean {
  const top = path.split(".", 1)[0] ?? path;
  return vm.host.isDeclared?.(INSTALLED_AS.get(top) ?? top) ?? false;
}

function isKnown(vm: Vm, module: string): boolean {
  const value = vm.library(module) ?? vm.modules.get(module);
  return value !== undefined;
}

function handle(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "Try" | "TryStar" }>,
  problem: PyRaise,
  rest: readonly StmtNode[],
): { ending: Ending | undefined } | undefined {
  for (const handler of node.handlers) {
    const matches = handler.type ? exceptionMatches(vm, problem, evaluate(vm, frame, handler.type)) : true;
    if (matches === undefined) {
      const doubt = unknown("which exception is caught is not known", { source: frame.module.source, node: handler });
      return {
        ending: skipRegion(
          vm,
          frame,
          node.handlers.flatMap((item) => item.body),
          doubt,
          rest,
        ),
      };
    }
    if (!matches) continue;
    if (handler.name !== undefined && handler.name !== null)
      bind(frame, handler.name, problem.exception ?? unknown("it is an exception", problem.site));
    try {
      return { ending: executeBlock(vm, frame, handler.body) };
    } catch (error) {
      if (error instanceof PyRaise && error.type === "\0reraise") throw problem;
      throw error;
    }
  }
  return undefined;
}

const EXCEPTION_PARENTS: ReadonlyMap<string, string> = new Map([
  ["UnboundLocalError", "NameError"],
  ["ModuleNotFoundError", "ImportError"],
  ["KeyError", "LookupError"],
  ["IndexError", "LookupError"],
  ["FileNotFoundError", "OSError"],
  ["NotADirectoryError", "OSError"],
  ["PermissionError", "OSError"],
  ["ZeroDivisionError", "ArithmeticError"],
  ["NotImplementedError", "RuntimeError"],
  ["RecursionError", "RuntimeError"],
  ["UnicodeDecodeError", "ValueError"],
  ["JSONDecodeError", "ValueError"],
  ["FrozenInstanceError", "AttributeError"],
  ["ConfigKeyError", "KeyError"],
]);

/** Whether `except type` catches it; undefined when that is not known. */
export function exceptionMatches(vm: Vm, problem: PyRaise, type: Value): boolean | undefined {
  if (isUnknown(type)) return undefined;
  if (isObj(type) && type.kind === "tuple") {
    let doubt = false;
    for (const item of type.items) {
      const one = exceptionMatches(vm, problem, item);
      if (one) return true;
      doubt ||= one === undefined;
    }
    return doubt ? undefined : false;
  }
  if (!isObj(type)) return undefined;
  const name = type.kind === "class" ? type.name : type.kind === "builtin" ? type.name : undefined;
  if (name === undefined) return undefined;
  if (name === "Exception" || name === "BaseException") return true;
  const chain: string[] = [];
  const raisedClass =
    isObj(problem.exception) && problem.exception.kind === "instance" ? problem.exception.cls : undefined;
  const add = (value: Value): void => {
    if (!isObj(value)) return;
    if (value.kind === "class") {
      chain.push(value.name);
      for (const base of value.bases) add(base);
    } else if (value.kind === "builtin") chain.push(value.name);
  };
  if (raisedClass) add(raisedClass);
  chain.push(problem.type);
  for (let index = 0; index < chain.length; index++) {
    const parent = EXCEPTION_PARENTS.get(chain[index] ?? "");
    if (parent !== undefined) chain.push(parent);
  }
  void vm;
  return chain.includes(name);
}

function executeWith(vm: Vm, frame: Frame, node: Extract<StmtNode, { nodeType: "With" }>): Ending | undefined {
  const managers: Manager[] = [];
  for (const item of node.items) {
    const site: Site = { source: frame.module.source, node: item.context_expr };
    const value = evaluate(vm, frame, item.context_expr);
    let entered: Value = value;
    managers.push({ value, site });
    if (isObj(value) && value.kind === "instance") {
      const enter = attributeOf(vm, value, "__enter__", site, true);
      entered =
        enter === undefined
          ? unknown("its __enter__ is not followed", site)
          : callValue(vm, enter, { positional: [], keywords: new Map() }, site);
    } else if (isObj(value) && value.kind === "custom") entered = value.enter?.() ?? value;
    else if (isObj(value) && value.kind === "unknown") entered = derive(value, site);
    if (item.optional_vars) assign(vm, frame, item.optional_vars, entered);
  }
  return leaving(vm, managers, () => executeBlock(vm, frame, node.body));
}

function raised(vm: Vm, frame: Frame, node: Extract<StmtNode, { nodeType: "Raise" }>, site: Site): PyRaise {
  if (!node.exc) return new PyRaise("\0reraise", "", site);
  let value = evaluate(vm, frame, node.exc);
  if (isObj(value) && (value.kind === "class" || value.kind === "builtin")) {
    value = callValue(vm, value, { positional: [], keywords: new Map() }, site);
  }
  const text = isObj(value) && value.kind === "instance" ? textOf(value, site) : "";
  const type =
    isObj(value) && value.kind === "unknown" ? (value.external?.split(".").at(-1) ?? "Exception") : typeName(value);
  return new PyRaise(type, typeof text === "string" ? text : "", site, value);
}

function executeMatch(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "Match" }>,
  rest: readonly StmtNode[],
  site: Site,
): Ending | undefined {
  const subject = evaluate(vm, frame, node.subject);
  for (const branch of node.cases) {
    const captured = new Map<string, Value>();
    let is: boolean | Unknown = matches(vm, frame, branch.pattern, subject, site, captured);
    if (is === true) for (const [name, value] of captured) bind(frame, name, value);
    if (is === true && branch.guard) is = truth(evaluate(vm, frame, branch.guard), site);
    if (is === true) return executeBlock(vm, frame, branch.body);
    if (is !== false)
      return skipRegion(
        vm,
        frame,
        node.cases.flatMap((item) => item.body),
        is,
        rest,
      );
  }
  return undefined;
}

/** Whether a pattern fits; names it captures are bound when the whole of it does. */
function matches(
  vm: Vm,
  frame: Frame,
  pattern: PatternNode,
  subject: Value,
  site: Site,
  captured: Map<string, Value>,
): boolean | Unknown {
  switch (pattern.nodeType) {
    case "MatchValue":
      return equal(subject, evaluate(vm, frame, pattern.value), site);
    case "MatchSingleton":
      return isUnknown(subject) ?? subject === (pattern.value as Value);
    case "MatchAs": {
      const is = pattern.pattern ? matches(vm, frame, pattern.pattern, subject, site, captured) : true;
      if (is === true && pattern.name !== undefined && pattern.name !== null) captured.set(pattern.name, subject);
      return is;
    }
    case "MatchOr":
      for (const item of pattern.patterns) {
        const is = matches(vm, frame, item, subject, site, captured);
        if (is !== false) return is;
      }
      return false;
    case "MatchSequence": {
      const bad = unknownOf(subject);
      if (bad) return bad;
      if (!isObj(subject) || (subject.kind !== "list" && subject.kind !== "tuple")) return false;
      if (pattern.patterns.some((item) => item.nodeType === "MatchStar"))
        return unknown("this pattern is not followed", site);
      if (pattern.patterns.length !== subject.items.length) return false;
      for (const [index, item] of pattern.patterns.entries()) {
        const is = matches(vm, frame, item, subject.items[index] ?? null, site, captured);
        if (is !== true) return is;
      }
      return true;
    }
    default:
      return unknown("this pattern is not followed", site);
  }
}
