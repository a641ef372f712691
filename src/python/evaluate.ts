/**
 * Expressions → values. One handler for each kind of expression of Python's grammar; an operand that is not known
 * makes a result that is not known. Executes nothing of the project but what is read here.
 * Long, because each kind of expression is one case of one switch.
 */
import { attributeOf, boundTo, setOwnAttribute } from "./attributes.ts";
import { callUnknown, callValue, makeFunction, ownText } from "./call.ts";
import { runInit } from "./classes.ts";
import { formatSpec } from "./format.ts";
import { reprOf } from "./repr.ts";
import { isUnboundLocal } from "./locals.ts";
import { findInClass, knownBase, mangled, unknownBase } from "./lineage.ts";
import { moduleAttribute, resolveLazy } from "./modules.ts";
import { binary, compare, iterate, truth, unary } from "./operators.ts";
import { getItem, slice } from "./items.ts";
import { isFloatLiteral, type Comprehension, type ExprNode } from "./parse.ts";
import { poisonNames } from "./poison.ts";
import { assign } from "./execute.ts";
import {
  derive,
  ELLIPSIS,
  emptyDict,
  emptySet,
  isObj,
  list,
  tuple,
  unknown,
  unknownOf,
  type PyIterator,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictSet, setAdd } from "./keys.ts";
import { newFrame, raise, step, type Frame, type Vm } from "./vm.ts";

/** The value of an expression in a frame. Raises what Python raises. */
export function evaluate(vm: Vm, frame: Frame, node: ExprNode): Value {
  step(vm, frame.module.source, node);
  const site: Site = { source: frame.module.source, node };
  switch (node.nodeType) {
    case "Constant":
      return constant(frame, node, site);
    case "Name":
      return lookUpName(vm, frame, node.id, site);
    case "Attribute":
      return attributeOf(vm, evaluate(vm, frame, node.value), mangled(node.attr, frame.owner), site);
    case "Call":
      return evaluateCall(vm, frame, node, site);
    case "List": {
      const items = collect(vm, frame, node.elts);
      if ("kind" in items) return { kind: "list", items: [], poison: items };
      return list(items.items, items.unordered);
    }
    case "Tuple": {
      const items = collect(vm, frame, node.elts);
      return "kind" in items
        ? items
        : items.unordered
          ? { kind: "tuple", items: items.items, unordered: true }
          : tuple(items.items);
    }
    case "Set": {
      const items = collect(vm, frame, node.elts);
      const set = emptySet();
      if ("kind" in items) set.poison = items;
      else for (const item of items.items) setAdd(set, item);
      return set;
    }
    case "Dict":
      return dictDisplay(vm, frame, node);
    case "BinOp":
      return binary(node.op.nodeType, evaluate(vm, frame, node.left), evaluate(vm, frame, node.right), site);
    case "UnaryOp":
      return unary(node.op.nodeType, evaluate(vm, frame, node.operand), site);
    case "BoolOp": {
      let value: Value = null;
      for (const [index, operand] of node.values.entries()) {
        value = evaluate(vm, frame, operand);
        if (index === node.values.length - 1) break;
        const is = truth(value, site);
        if (typeof is !== "boolean") {
          poisonNames(vm, frame, node.values.slice(index + 1), is);
          return is;
        }
        if (is === (node.op.nodeType === "Or")) break;
      }
      return value;
    }
    case "Compare": {
      let left = evaluate(vm, frame, node.left);
      let result: boolean | Unknown = true;
      for (const [index, op] of node.ops.entries()) {
        const right = evaluate(vm, frame, node.comparators[index] as ExprNode);
        result = compare(op.nodeType, left, right, site);
        if (result !== true) return result;
        left = right;
      }
      return result;
    }
    case "IfExp": {
      const is = truth(evaluate(vm, frame, node.test), site);
      if (typeof is === "boolean") return evaluate(vm, frame, is ? node.body : node.orelse);
      poisonNames(vm, frame, [node.body, node.orelse], is);
      return is;
    }
    case "Subscript": {
      const value = evaluate(vm, frame, node.value);
      if (node.slice.nodeType === "Slice") {
        const { lower, upper, step: by } = node.slice;
        return slice(
          value,
          lower ? evaluate(vm, frame, lower) : null,
          upper ? evaluate(vm, frame, upper) : null,
          by ? evaluate(vm, frame, by) : null,
          site,
        );
      }
      const key = evaluate(vm, frame, node.slice);
      if (isObj(value) && value.kind === "dict" && value.factory !== undefined) {
        return defaultItem(vm, value, key, site);
      }
      if (isObj(value) && value.kind === "instance" && !value.poison) {
        const method = findInClass(value.cls, "__getitem__");
        if (method !== undefined) return callValue(vm, method, { positional: [value, key], keywords: new Map() }, site);
      }
      return getItem(value, key, site);
    }
    case "JoinedStr":
      return joined(vm, frame, node.values, site);
    case "Lambda":
      return makeFunction(vm, frame, node, "<lambda>");
    case "NamedExpr": {
      const value = evaluate(vm, frame, node.value);
      let target = frame;
      while (target.parent && target.names.has("\0comprehension")) target = target.parent;
      assign(vm, target, node.target, value);
      return value;
    }
    case "ListComp":
    case "SetComp":
    case "GeneratorExp":
    case "DictComp":
      return comprehension(vm, frame, node, site);
    case "Starred":
      return unknown("a star stands where none is followed", site);
    case "Yield":
    case "YieldFrom":
      return evaluateYield(vm, frame, node, site);
    case "Await":
      return unknown("it is awaited", site);
    default:
      return unknown(`"${node.nodeType}" is not followed`, site);
  }
}

/** A name's value: locals, enclosing functions, module, builtins. Raises NameError. */
function lookUpName(vm: Vm, frame: Frame, name: string, site: Site): Value {
  for (let at: Frame | undefined = frame; at && !at.isModule && !at.names.has(name); at = at.parent) {
    if (at.globals?.has(name) || at.nonlocals?.has(name)) break;
    if (isUnboundLocal(at, name))
      throw raise(
        "UnboundLocalError",
        `cannot access local variable '${name}' where it is not associated with a value`,
        site,
      );
  }
  const bound = findName(vm, frame, name);
  if (bound !== undefined) return bound;
  const builtin = vm.builtins.get(name);
  if (builtin !== undefined) return builtin;
  if (name.startsWith("__") && name.endsWith("__")) {
    const own = moduleAttribute(vm, frame.module, name, site);
    if (own !== undefined) return own;
  }
  const starred = fromStars(frame, name);
  if (starred) return starred;
  throw raise("NameError", `name '${name}' is not defined`, site);
}

/** A bound name's value, or undefined; builtins are not looked at. */
export function findName(vm: Vm, frame: Frame, name: string): Value | undefined {
  for (let at: Frame | undefined = frame.globals?.has(name) ? frame.module.frame : frame; at; at = at.parent) {
    if (at.isClass && at !== frame) continue;
    const bound = at.names.get(name);
    if (bound !== undefined) return settle(vm, at, name, bound);
  }
  const bound = frame.module.frame.names.get(name);
  return bound === undefined ? undefined : settle(vm, frame.module.frame, name, bound);
}

// --- internal ---

function settle(
  vm: Vm,
  frame: Frame,
  name: string,
  bound: NonNullable<ReturnType<Frame["names"]["get"]>> | null,
): Value {
  if (typeof bound === "object" && bound !== null && "lazy" in bound) {
    const value = resolveLazy(vm, bound);
    frame.names.set(name, value);
    return value;
  }
  return bound as Value;
}

/** A star import of a library that is not read may have bound any name. */
function fromStars(frame: Frame, name: string): Value | undefined {
  const star = frame.module.frame.names.get("\0star");
  if (star === undefined || typeof star !== "object" || star === null || "lazy" in star || star.kind !== "unknown")
    return undefined;
  return unknown(
    `"${name}" may come from a star import that kfk does not read`,
    star.site,
    `${star.external ?? "?"}.${name}`,
  );
}

function constant(frame: Frame, node: Extract<ExprNode, { nodeType: "Constant" }>, site: Site): Value {
  const value: unknown = node.value;
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean" || typeof value === "bigint") return value;
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return value;
    const line = lineOf(frame.module.source.text, node.lineno);
    const segment = node.end_lineno === node.lineno ? line.slice(node.col_offset, node.end_col_offset) : "";
    return isFloatLiteral(segment) ? value : BigInt(value);
  }
  if (typeof value === "string") {
    if (node.quote_style === undefined && value === "...") return ELLIPSIS;
    if (/^[a-z]*b/i.test(node.quote_style ?? "")) return unknown("bytes are not followed", site);
    if (value.includes(String.raw`\N{`) && !/^[a-z]*r/i.test(node.quote_style ?? "")) {
      return unknown("the escape \\N{…} is not followed", site);
    }
    return value;
  }
  return unknown("complex numbers are not followed", site);
}

const lineStarts = new WeakMap<object, string[]>(); // module state: lines of a text, kept while the text is

const texts = new Map<string, { lines: string[] }>(); // module state: see lineStarts

function lineOf(text: string, line: number): string {
  let known = texts.get(text);
  if (!known) {
    if (texts.size > 50) texts.clear();
    known = { lines: text.split("\n") };
    texts.set(text, known);
    lineStarts.set(known, known.lines);
  }
  return known.lines[line - 1] ?? "";
}

/** Items of a display or positional arguments, stars expanded. */
function collect(vm: Vm, frame: Frame, nodes: readonly ExprNode[]): { items: Value[]; unordered: boolean } | Unknown {
  const items: Value[] = [];
  let unordered = false;
  for (const node of nodes) {
    if (node.nodeType !== "Starred") {
      items.push(evaluate(vm, frame, node));
      continue;
    }
    const found = iterate(evaluate(vm, frame, node.value), { source: frame.module.source, node });
    if ("kind" in found) return found;
    items.push(...found.items);
    unordered ||= found.unordered;
  }
  return { items, unordered };
}

function dictDisplay(vm: Vm, frame: Frame, node: Extract<ExprNode, { nodeType: "Dict" }>): Value {
  const dict = emptyDict();
  for (const [index, key] of node.keys.entries()) {
    const valueNode = node.values[index] as ExprNode;
    if (key) {
      const keyValue = evaluate(vm, frame, key);
      dictSet(dict, keyValue, evaluate(vm, frame, valueNode));
      continue;
    }
    const inner = evaluate(vm, frame, valueNode);
    const bad = unknownOf(inner);
    if (bad) dict.poison ??= derive(bad, { source: frame.module.source, node: valueNode });
    else if (isObj(inner) && inner.kind === "dict") {
      for (const entry of inner.map.values()) dictSet(dict, entry.key, entry.value);
      if (inner.unordered) dict.unordered = true;
    } else
      throw raise("TypeError", "argument after ** must be a mapping", { source: frame.module.source, node: valueNode });
  }
  return dict;
}

function defaultItem(vm: Vm, dict: Extract<Value, { kind: "dict" }>, key: Value, site: Site): Value {
  if (dict.poison || unknownOf(key)) return getItem(dict, key, site);
  try {
    return getItem(dict, key, site);
  } catch (error) {
    if ((error as { type?: string }).type !== "KeyError") throw error;
    const made = callValue(vm, dict.factory ?? null, { positional: [], keywords: new Map() }, site);
    dictSet(dict, key, made);
    return made;
  }
}

function evaluateCall(vm: Vm, frame: Frame, node: Extract<ExprNode, { nodeType: "Call" }>, site: Site): Value {
  if (node.func.nodeType === "Name" && node.func.id === "super" && node.args.length === 0 && frame.owner) {
    return superOf(vm, frame, site);
  }
  const func = evaluate(vm, frame, node.func);
  if (isObj(func) && func.kind === "builtin" && func.name === "locals")
    return unknown("locals() is not followed", site);
  const positional = collect(vm, frame, node.args);
  const keywords = new Map<string, Value>();
  let doubt: Unknown | undefined =
    "kind" in positional
      ? positional
      : positional.unordered
        ? unknown("its arguments come in the order of a set", site)
        : undefined;
  for (const keyword of node.keywords) {
    const value = evaluate(vm, frame, keyword.value);
    if (keyword.arg !== undefined && keyword.arg !== null) {
      if (keywords.has(keyword.arg))
        throw raise("TypeError", `got multiple values for keyword argument '${keyword.arg}'`, site);
      keywords.set(keyword.arg, value);
      continue;
    }
    const bad = unknownOf(value);
    if (bad) doubt ??= bad;
    else if (isObj(value) && value.kind === "dict") {
      for (const entry of value.map.values()) if (typeof entry.key === "string") keywords.set(entry.key, entry.value);
    } else doubt ??= unknown("the argument after ** is not followed", site);
  }
  if (doubt) {
    vm.unknownCalls++;
    poisonNames(vm, frame, [node], doubt);
    return derive(doubt, site);
  }
  return callValue(vm, func, { positional: (positional as { items: Value[] }).items, keywords }, site);
}

/** `super()`: the lineage of the instance's class after the class that the method stands in. */
function superOf(vm: Vm, frame: Frame, site: Site): Value {
  const self = frame.self ?? null;
  const { owner } = frame;
  const cls = isObj(self) ? (self.kind === "class" ? self : "cls" in self ? self.cls : undefined) : undefined;
  if (!owner || !cls || !isObj(self)) return unknown("this super() is not followed", site);
  const found = (name: string, at: Site): Value => {
    const inherited = findInClass(cls, name, owner);
    const made = name === "__init__" && self.kind === "instance";
    if (inherited !== undefined && !made) return boundTo(vm, self, cls, name, inherited, at);
    if (self.kind !== "instance") return unknown(`super().${name} is not followed`, at);
    const foreign = unknownBase(cls);
    const plain = cls.isEnum || self.plain !== undefined;
    return {
      kind: "builtin",
      name,
      call: (args, here) => {
        if (made && runInit(vm, cls, self, args, here, owner)) return null;
        const known = made ? knownBase(cls) : undefined;
        if (known) {
          const value = callValue(vm, known, args, here);
          if (isObj(value) && value.kind === "custom") self.base = value;
          else self.poison ??= unknown(`"${cls.name}" is built in a way that is not followed`, here);
          return null;
        }
        const [key, item = null] = args.positional;
        if (name === "__setattr__" && typeof key === "string" && !foreign && !plain)
          setOwnAttribute(self, key, item, here, true);
        else if (made && cls.isException) self.attributes.set("args", tuple(args.positional));
        else if (made && foreign) callUnknown(vm, foreign, { ...args, positional: [self, ...args.positional] }, here);
        else if (!made || plain) {
          self.poison ??= unknown(`super().${name} is not followed`, here);
          return self.poison;
        }
        return null;
      },
    };
  };
  return { kind: "custom", type: "super", attribute: found };
}

function joined(vm: Vm, frame: Frame, values: readonly ExprNode[], site: Site): Value {
  let text = "";
  for (const part of values) {
    if (part.nodeType === "Constant") {
      text += String(part.value);
      continue;
    }
    if (part.nodeType !== "FormattedValue") return unknown("this f-string is not followed", site);
    let value = evaluate(vm, frame, part.value);
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
    if (part.conversion === 114) value = reprOf(value) ?? unknown("its repr is not followed", site);
    else if (part.conversion === 115) value = ownText(vm, value, site);
    else if (part.conversion === 97) value = unknown("ascii() is not followed", site);
    const spec = part.format_spec
      ? joined(
          vm,
          frame,
          part.format_spec.nodeType === "JoinedStr" ? part.format_spec.values : [part.format_spec],
          site,
        )
      : "";
    if (typeof spec !== "string") return spec;
    if (isObj(value) && value.kind === "instance" && findInClass(value.cls, "__format__") === undefined) {
      if (!value.cls.isException && findInClass(value.cls, "__str__") !== undefined) {
        if (value.plain === undefined || (value.cls.isEnum === true && spec === "")) value = ownText(vm, value, site);
      }
    }
    const shown = formatSpec(value, spec, site);
    if (typeof shown !== "string") return shown;
    text += shown;
  }
  return text;
}

type ComprehensionNode = Extract<ExprNode, { nodeType: "ListComp" | "SetComp" | "GeneratorExp" | "DictComp" }>;

function comprehension(vm: Vm, frame: Frame, node: ComprehensionNode, site: Site): Value {
  const inner = newFrame(frame.module, frame, {
    ...(frame.owner && { owner: frame.owner }),
    ...(frame.self !== undefined && { self: frame.self }),
  });
  inner.names.set("\0comprehension", true);
  const items: Value[] = [];
  const dict = emptyDict();
  let unordered = false;
  let doubt: Unknown | undefined;
  let first: Value | undefined;
  const run = (index: number): void => {
    const generator = node.generators[index] as Comprehension | undefined;
    if (!generator) {
      if (node.nodeType === "DictComp") dictSet(dict, evaluate(vm, inner, node.key), evaluate(vm, inner, node.value));
      else items.push(evaluate(vm, inner, node.elt));
      return;
    }
    const source =
      index === 0 && first !== undefined ? first : evaluate(vm, index === 0 ? frame : inner, generator.iter);
    const found = iterate(source, { source: frame.module.source, node: generator.iter });
    if ("kind" in found) {
      doubt ??= found;
      return;
    }
    unordered ||= found.unordered;
    for (const item of found.items) {
      if (doubt) return;
      assign(vm, inner, generator.target, item);
      let wanted = true;
      for (const test of generator.ifs) {
        const is = truth(evaluate(vm, inner, test), { source: frame.module.source, node: test });
        if (typeof is !== "boolean") {
          doubt ??= is;
          return;
        }
        if (!is) {
          wanted = false;
          break;
        }
      }
      if (wanted) run(index + 1);
    }
  };
  if (node.nodeType === "GeneratorExp") {
    // Items are worked out when somebody asks; only the first source is evaluated now.
    const outer = evaluate(vm, frame, (node.generators[0] as Comprehension).iter);
    let at = 0;
    const iterator: PyIterator = {
      kind: "iterator",
      next: () => {
        unknownOf(iterator);
        return items[at++];
      },
      start: () => {
        first = outer;
        run(0);
        if (unordered) iterator.unordered = true;
        if (!doubt) return;
        poisonNames(vm, frame, [node], doubt);
        iterator.poison = derive(doubt, site);
      },
    };
    return iterator;
  }
  run(0);
  if (doubt) {
    poisonNames(vm, frame, [node], doubt);
    return derive(doubt, site);
  }
  switch (node.nodeType) {
    case "DictComp":
      if (unordered) dict.unordered = true;
      return dict;
    case "SetComp": {
      const set = emptySet();
      for (const item of items) setAdd(set, item);
      return set;
    }
    default:
      return list(items, unordered);
  }
}

function evaluateYield(
  vm: Vm,
  frame: Frame,
  node: Extract<ExprNode, { nodeType: "Yield" | "YieldFrom" }>,
  site: Site,
): Value {
  let target: Frame | undefined = frame;
  while (target && !target.yields) target = target.parent;
  if (!target?.yields) return unknown("yield outside of a function", site);
  if (node.nodeType === "Yield") {
    target.yields.push(node.value ? evaluate(vm, frame, node.value) : null);
    return null;
  }
  const found = iterate(evaluate(vm, frame, node.value), site);
  if ("kind" in found) throw raise("TypeError", found.reason, site);
  target.yields.push(...found.items);
  return null;
}
