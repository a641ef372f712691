/**
 * Calling: binds arguments to parameters as Python does and runs the body. Calling something unknown gives an unknown
 * and poisons the mutable arguments, which the callee may have changed.
 */
import { KfkError } from "../error.ts";
import { construct } from "./classes.ts";
import { evaluate } from "./evaluate.ts";
import { textOf } from "./format.ts";
import { findInClass } from "./lineage.ts";
import { executeBlock } from "./execute.ts";
import { ensureBody } from "./modules.ts";
import type { Arguments, ExprNode, StmtNode } from "./parse.ts";
import { giveAway, poisonNames } from "./poison.ts";
import {
  derive,
  placeOfSite,
  isObj,
  tuple,
  typeName,
  unknown,
  unknownOf,
  type PyIterator,
  type Builtin,
  type CallArguments,
  type FunctionBody,
  type FunctionValue,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictFrom, hashOf } from "./keys.ts";
import { limit, MAX_DEPTH, newFrame, raise, type Frame, type Vm } from "./vm.ts";

export const NO_ARGUMENTS: CallArguments = { positional: [], keywords: new Map() };

/** Calls a value. Raises TypeError for values that cannot be called, and what the body raises. */
export function callValue(vm: Vm, func: Value, args: CallArguments, site: Site): Value {
  if (isObj(func)) {
    switch (func.kind) {
      case "function":
        return func.memo ? callRemembered(vm, func, func.memo, args, site) : callFunction(vm, func, args, site);
      case "builtin":
        return callBuiltin(vm, func, args, site);
      case "method":
        if (func.func.kind === "unknown") return callUnknown(vm, func.func, args, site);
        return callValue(vm, func.func, { positional: [func.self, ...args.positional], keywords: args.keywords }, site);
      case "partial":
        return callValue(
          vm,
          func.func,
          {
            positional: [...func.positional, ...args.positional],
            keywords: new Map([...func.keywords, ...args.keywords]),
          },
          site,
        );
      case "class":
        return construct(vm, func, args, site);
      case "unknown": {
        const known = func.external === undefined ? undefined : vm.calls?.get(func.external);
        return known === undefined ? callUnknown(vm, func, args, site) : callValue(vm, known, args, site);
      }
      case "instance": {
        if (func.poison) return callUnknown(vm, func.poison, args, site);
        const method = findInClass(func.cls, "__call__");
        if (method !== undefined)
          return callValue(vm, method, { positional: [func, ...args.positional], keywords: args.keywords }, site);
        return callUnknown(vm, unknown(`calling a "${func.cls.name}" is not followed`, site), args, site);
      }
      case "custom":
        if (func.call) return func.call(args, site);
        break;
      default:
    }
  }
  throw raise("TypeError", `'${typeName(func)}' object is not callable`, site);
}

/** A function value from a `def` or `lambda`; defaults are evaluated now, as in Python. */
export function makeFunction(
  vm: Vm,
  frame: Frame,
  node: Extract<StmtNode, { nodeType: "FunctionDef" | "AsyncFunctionDef" }> | Extract<ExprNode, { nodeType: "Lambda" }>,
  name: string,
): FunctionValue {
  const args = node.args as Arguments;
  const keywordDefaults = new Map<string, Value>();
  for (const [index, value] of args.kw_defaults.entries()) {
    const parameter = args.kwonlyargs[index];
    if (value && parameter) keywordDefaults.set(parameter.arg, evaluate(vm, frame, value));
  }
  if (node.nodeType !== "Lambda")
    doubtAnnotations(vm, frame, [
      ...[...args.posonlyargs, ...args.args, ...args.kwonlyargs, args.vararg, args.kwarg].map(
        (item) => item?.annotation,
      ),
      node.returns,
    ]);
  const body: FunctionBody = {
    args,
    statements: node.body,
    closure: frame,
    defaults: args.defaults.map((value) => evaluate(vm, frame, value)),
    keywordDefaults,
    isGenerator: node.nodeType === "FunctionDef" && hasYield(node.body),
    isAsync: node.nodeType === "AsyncFunctionDef",
  };
  const func: FunctionValue = {
    kind: "function",
    name,
    moduleName: frame.module.name,
    module: frame.module,
    body,
    line: node.lineno,
    attributes: new Map(),
  };
  if (frame.owner && frame.isClass) func.owner = frame.owner;
  return func;
}

/** Calls in annotations: Python makes them, later or never, as its version and `from __future__` have it. */
export function doubtAnnotations(vm: Vm, frame: Frame, annotations: readonly (ExprNode | null | undefined)[]): void {
  for (const annotation of annotations) {
    if (!annotation || annotation.nodeType === "Name" || annotation.nodeType === "Constant") continue;
    if (!hasCall(annotation)) continue;
    poisonNames(
      vm,
      frame,
      [annotation],
      unknown("an annotation calls something", { source: frame.module.source, node: annotation }),
    );
  }
}

/** What a call of something unknown gives; its mutable arguments may have been changed. */
export function callUnknown(vm: Vm, func: Unknown, args: CallArguments, site: Site): Value {
  vm.unknownCalls++;
  if (func.external?.startsWith("unittest.mock") === true)
    throw new KfkError("PY_UNKNOWN", `"${func.external}" may replace anything of the project, which is not followed`, {
      at: placeOfSite(site),
      hint: "use --from python",
    });
  const result =
    func.external === undefined
      ? derive(func, site)
      : unknown(`it is a result of "${func.external}", which kfk does not read`, site);
  for (const value of [...args.positional, ...args.keywords.values()]) giveAway(vm, value, result);
  return result;
}

/** `str(value)`, with the project's own `__str__`. */
export function ownText(vm: Vm, value: Value, site: Site): Value {
  if (isObj(value) && value.kind === "instance" && !value.poison && !value.cls.isException) {
    const method = findInClass(value.cls, "__str__");
    if (method !== undefined) return callValue(vm, method, { positional: [value], keywords: new Map() }, site);
  }
  return textOf(value, site);
}

// --- internal ---

/** A builtin that cannot say what it gives may not have called what it was given as often as Python does. */
function callBuiltin(vm: Vm, func: Builtin, args: CallArguments, site: Site): Value {
  const result = func.call(args, site);
  const doubt = isObj(result) && result.kind !== "custom" && result.kind !== "iterator" ? unknownOf(result) : undefined;
  if (doubt) {
    for (const value of [...args.positional, ...args.keywords.values()]) {
      if (isObj(value) && CALLABLE.has(value.kind)) giveAway(vm, value, doubt);
    }
  }
  return result;
}

const CALLABLE: ReadonlySet<string> = new Set(["function", "builtin", "method", "partial"]);

/** A call through `functools.cache`: equal arguments give the same object again. */
function callRemembered(vm: Vm, func: FunctionValue, memo: Map<string, Value>, args: CallArguments, site: Site): Value {
  const keywords = [...args.keywords].flatMap(([name, value]) => [name, value]);
  const hash = hashOf(tuple([BigInt(args.positional.length), ...args.positional, ...keywords]));
  if (typeof hash !== "string")
    return callUnknown(vm, unknown(`"${func.name}" remembers results by arguments: ${hash.reason}`, site), args, site);
  const known = memo.get(hash);
  if (known !== undefined) return known;
  const value = callFunction(vm, func, args, site);
  memo.set(hash, value);
  return value;
}

function callFunction(vm: Vm, func: FunctionValue, args: CallArguments, site: Site): Value {
  ensureBody(vm, func);
  const { body } = func;
  if (!body) return callUnknown(vm, unknown(`the function "${func.name}" could not be found again`, site), args, site);
  if (body.isAsync) return callUnknown(vm, unknown(`"${func.name}" is asynchronous`, site), args, site);
  if (vm.depth >= MAX_DEPTH) throw limit(`more than ${MAX_DEPTH} calls inside each other`, site);
  const owner = func.owner ?? body.closure.owner;
  const frame = newFrame(func.module, body.closure, { func, ...(owner && { owner }) });
  bindArguments(func, body, args, frame, site);
  const [first] = args.positional;
  if (func.owner && first !== undefined) frame.self = first;
  else if (body.closure.self !== undefined) frame.self = body.closure.self;
  if (body.isGenerator) return generator(vm, func, body, frame, site);
  vm.depth++;
  try {
    if (!Array.isArray(body.statements)) return evaluate(vm, frame, body.statements as ExprNode);
    const ending = executeBlock(vm, frame, body.statements);
    return ending?.kind === "return" ? ending.value : null;
  } catch (error) {
    if (error instanceof RangeError)
      throw new KfkError("PY_LIMIT", "reading the pipelines nests too deep", {
        cause: error,
        hint: "use --from python",
      });
    throw error;
  } finally {
    vm.depth--;
  }
}

/**
 * A generator runs as a whole when its first item is asked for. That is exact only where its body changes nothing but
 * its own names; one that changes more is not followed.
 */
function generator(vm: Vm, func: FunctionValue, body: FunctionBody, frame: Frame, site: Site): Value {
  const items: Value[] = [];
  frame.yields = items;
  let at = 0;
  const iterator: PyIterator = {
    kind: "iterator",
    next: () => {
      unknownOf(iterator);
      return items[at++];
    },
    start: () => {
      if (changesOthers(body.statements)) {
        iterator.poison = unknown(
          `the generator "${func.name}" changes things while it runs, which is not followed`,
          site,
        );
        poisonNames(vm, frame, body.statements as unknown as readonly ExprNode[], iterator.poison);
        return;
      }
      vm.depth++;
      try {
        const ending = executeBlock(vm, frame, body.statements as readonly StmtNode[]);
        if (ending?.kind === "return" && isObj(ending.value) && ending.value.kind === "unknown")
          iterator.poison = ending.value;
      } finally {
        vm.depth--;
      }
    },
  };
  return iterator;
}

/** Whether statements may change more than names they bind to new values themselves. */
function changesOthers(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((item) => changesOthers(item));
  if (typeof value !== "object" || value === null || !("nodeType" in value)) return false;
  const node = value as { nodeType: string; ctx?: { nodeType: string }; value?: ExprNode; func?: ExprNode };
  const foreign = (root: ExprNode | undefined): boolean => {
    let at = root;
    while (at && (at.nodeType === "Attribute" || at.nodeType === "Subscript")) at = at.value;
    return at?.nodeType === "Name";
  };
  switch (node.nodeType) {
    case "Global":
    case "Nonlocal":
      return true;
    case "Attribute":
    case "Subscript":
      if (node.ctx?.nodeType !== "Load" && foreign(node.value)) return true;
      break;
    case "Call":
      if (node.func?.nodeType === "Attribute" && CHANGING.has(node.func.attr) && foreign(node.func.value)) return true;
      break;
    default:
  }
  return Object.values(value).some((child) => typeof child === "object" && changesOthers(child));
}

/** Methods that change the value they are called on. */
const CHANGING: ReadonlySet<string> = new Set(
  "append extend insert pop remove clear sort reverse update setdefault popitem add discard".split(" "),
);

function bindArguments(func: FunctionValue, body: FunctionBody, call: CallArguments, frame: Frame, site: Site): void {
  const { args } = body;
  const plain = [...args.posonlyargs, ...args.args].map((item) => item.arg);
  const firstDefault = plain.length - body.defaults.length;
  const rest = new Map(call.keywords);
  if (call.positional.length > plain.length && !args.vararg) {
    throw raise(
      "TypeError",
      `${func.name}() takes ${plain.length} positional argument${plain.length === 1 ? "" : "s"} but ${call.positional.length} were given`,
      site,
    );
  }
  const positionalOnly = new Set(args.posonlyargs.map((item) => item.arg));
  for (const [index, name] of plain.entries()) {
    const given = call.positional[index];
    if (given !== undefined) {
      if (rest.has(name) && !positionalOnly.has(name))
        throw raise("TypeError", `${func.name}() got multiple values for argument '${name}'`, site);
      frame.names.set(name, given);
    } else if (rest.has(name) && !positionalOnly.has(name)) {
      frame.names.set(name, rest.get(name) ?? null);
      rest.delete(name);
    } else if (index >= firstDefault) frame.names.set(name, body.defaults[index - firstDefault] ?? null);
    else throw raise("TypeError", `${func.name}() missing 1 required positional argument: '${name}'`, site);
  }
  for (const { arg: name } of args.kwonlyargs) {
    if (rest.has(name)) {
      frame.names.set(name, rest.get(name) ?? null);
      rest.delete(name);
    } else if (body.keywordDefaults.has(name)) frame.names.set(name, body.keywordDefaults.get(name) ?? null);
    else throw raise("TypeError", `${func.name}() missing 1 required keyword-only argument: '${name}'`, site);
  }
  if (args.vararg) frame.names.set(args.vararg.arg, tuple(call.positional.slice(plain.length)));
  if (args.kwarg) frame.names.set(args.kwarg.arg, dictFrom(rest));
  else if (rest.size > 0)
    throw raise("TypeError", `${func.name}() got an unexpected keyword argument '${[...rest.keys()][0]}'`, site);
}

function hasCall(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasCall);
  if (typeof value !== "object" || value === null || !("nodeType" in value)) return false;
  return value.nodeType === "Call" || value.nodeType === "NamedExpr" || Object.values(value).some(hasCall);
}

function hasYield(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasYield);
  if (typeof value !== "object" || value === null || !("nodeType" in value)) return false;
  const { nodeType } = value as { nodeType: string };
  if (nodeType === "Yield" || nodeType === "YieldFrom") return true;
  if (nodeType === "FunctionDef" || nodeType === "AsyncFunctionDef" || nodeType === "ClassDef" || nodeType === "Lambda")
    return false;
  return Object.values(value).some((child) => typeof child === "object" && hasYield(child));
}
