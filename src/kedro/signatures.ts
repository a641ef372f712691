/**
 * What Kedro's functions take, by version, and whether a node's inputs fit its function. Comes in: a version, or a
 * function as a value of the interpreter; goes out: names of arguments, and the TypeError that Kedro raises.
 * Source: kedro-org/kedro 0.19.0 to 1.7.0, kedro/pipeline/{node,pipeline,modular_pipeline}.py.
 */
import type { Datasets } from "../pipeline/node.ts";
import { readParameters } from "../python/index.ts";
import { isObj, type FunctionValue, type Value } from "../python/value.ts";
import { isBefore } from "./version.ts";

export interface Signatures {
  readonly node: readonly string[];
  /** `pipeline(…)`: name of the first argument, and the keywords. */
  readonly pipelineFirst: string;
  readonly pipeline: readonly string[];
  /** `Pipeline(…)`. */
  readonly pipelineClass: readonly string[];
}

/** Keywords of `node()`, `pipeline()` and `Pipeline()`. */
export function signaturesOf(version: string): Signatures {
  const node = ["name", "tags", "confirms", "namespace"];
  const before = ["inputs", "outputs", "parameters", "tags", "namespace"];
  if (isBefore(version, [1, 0, 0])) {
    const pipelineClass = isBefore(version, [0, 19, 13]) ? ["tags"] : before;
    return { node, pipelineFirst: "pipe", pipeline: before, pipelineClass };
  }
  const pipeline = [...before, "prefix_datasets_with_namespace"];
  return {
    // preview_fn came with 1.2; a project that gives it is of that version at least, whatever its file says.
    node: [...node, "preview_fn"],
    pipelineFirst: "nodes",
    pipeline,
    pipelineClass: pipeline,
  };
}

/** What a function takes, where that is known for certain. */
export interface Parameters {
  /** Bound by position, and by name unless `isPositionOnly`. */
  readonly plain: readonly { readonly name: string; readonly hasDefault: boolean; readonly isPositionOnly: boolean }[];
  readonly keywordOnly: readonly { readonly name: string; readonly hasDefault: boolean }[];
  readonly hasRest: boolean;
  readonly hasKeywords: boolean;
}

/** The parameters of functions of the project, their partials and methods; undefined for all else. */
export function parametersOf(func: Value): Parameters | undefined {
  if (!isObj(func)) return undefined;
  switch (func.kind) {
    case "function":
      return func.attributes.has("__signature__") || func.memo ? undefined : ofFunction(func);
    case "method": {
      const inner = parametersOf(func.func);
      if (!inner) return undefined;
      return inner.plain.length > 0 || inner.hasRest ? { ...inner, plain: inner.plain.slice(1) } : undefined;
    }
    case "partial": {
      const inner = parametersOf(func.func);
      if (!inner || (func.positional.length > inner.plain.length && !inner.hasRest)) return undefined;
      const left = inner.plain.slice(func.positional.length);
      const from = left.findIndex(({ name, isPositionOnly }) => !isPositionOnly && func.keywords.has(name));
      const behind = from < 0 ? [] : left.slice(from);
      if (behind.some(({ isPositionOnly }) => isPositionOnly)) return undefined;
      return {
        plain: from < 0 ? left : left.slice(0, from),
        keywordOnly: [...behind, ...inner.keywordOnly].map(({ name, hasDefault }) => ({
          name,
          hasDefault: hasDefault || func.keywords.has(name),
        })),
        hasRest: from < 0 && inner.hasRest,
        hasKeywords: inner.hasKeywords,
      };
    }
    default:
      return undefined;
  }
}

/** Whether Python can bind a node's inputs to the parameters. */
export function fits(parameters: Parameters, inputs: Datasets): boolean {
  const { plain, keywordOnly, hasRest, hasKeywords } = parameters;
  if (inputs.kind !== "dict") {
    const count = inputs.kind === "none" ? 0 : inputs.kind === "one" ? 1 : inputs.names.length;
    if (count > plain.length && !hasRest) return false;
    return [...plain.slice(count), ...keywordOnly].every(({ hasDefault }) => hasDefault);
  }
  const given = new Set(inputs.entries.map(([name]) => name));
  for (const { name, hasDefault, isPositionOnly } of plain) {
    if (given.has(name) && !isPositionOnly) given.delete(name);
    else if (!hasDefault) return false;
  }
  for (const { name, hasDefault } of keywordOnly) {
    if (given.has(name)) given.delete(name);
    else if (!hasDefault) return false;
  }
  return given.size === 0 || hasKeywords;
}

// --- internal ---

function ofFunction(func: FunctionValue): Parameters | undefined {
  if (func.body) {
    const { args, defaults, keywordDefaults } = func.body;
    const names = [...args.posonlyargs, ...args.args].map(({ arg }) => arg);
    return {
      plain: names.map((name, index) => ({
        name,
        hasDefault: index >= names.length - defaults.length,
        isPositionOnly: index < args.posonlyargs.length,
      })),
      keywordOnly: args.kwonlyargs.map(({ arg }) => ({ name: arg, hasDefault: keywordDefaults.has(arg) })),
      hasRest: Boolean(args.vararg),
      hasKeywords: Boolean(args.kwarg),
    };
  }
  const statement = func.module.index.bindings.get(func.name)?.at(-1);
  const read = statement?.kind === "def" ? readParameters(func.module.source.text, statement.open) : undefined;
  if (!read) return undefined;
  const plain = read.filter(({ role }) => role === "both" || role === "positional");
  return {
    plain: plain.map(({ name, hasDefault, role }) => ({ name, hasDefault, isPositionOnly: role === "positional" })),
    keywordOnly: read.filter(({ role }) => role === "keyword"),
    hasRest: read.some(({ role }) => role === "star"),
    hasKeywords: read.some(({ role }) => role === "doubleStar"),
  };
}
