/**
 * The library modules that the interpreter knows: Kedro's own, and the few of the standard library that pipeline code
 * uses. Whatever is not here is an unknown that carries its name, and does no harm unless it shapes the graph.
 */
import { callValue } from "../python/call.ts";
import { iterate } from "../python/operators.ts";
import {
  type Builtin,
  type CallArguments,
  isObj,
  list,
  type Site,
  tuple,
  unknown,
  type Value,
} from "../python/value.ts";
import { raise, type Vm } from "../python/vm.ts";
import type { Era } from "./era.ts";
import { callNode, callPipeline } from "./objects.ts";

/** What `find_pipelines(…)` does; `registry.ts` knows. */
export type FindPipelines = (args: CallArguments, site: Site) => Value;

/** Module name → the module, for `Vm.library`. */
export function libraryFor(vm: () => Vm, era: Era, findPipelines: FindPipelines): (name: string) => Value | undefined {
  const ready = new Map<string, Value | undefined>();
  return (name) => {
    if (!ready.has(name)) ready.set(name, build(name, vm, era, findPipelines));
    return ready.get(name);
  };
}

// --- internal ---

type Call = (args: CallArguments, site: Site) => Value;

function build(name: string, vm: () => Vm, era: Era, findPipelines: FindPipelines): Value | undefined {
  const node = func("node", "kedro.pipeline.node", (args, site) => callNode(args, site, era));
  const nodeClass: Builtin = { ...node, name: "Node", type: "Node" };
  const pipeline = func("pipeline", "kedro.pipeline.modular_pipeline", (args, site) => callPipeline(args, site, era));
  const pipelineClass: Builtin = { ...pipeline, name: "Pipeline", type: "Pipeline" };
  switch (name) {
    case "kedro":
    case "kedro.framework":
      return library(name, {});
    case "kedro.pipeline":
      return library(name, { node, Node: nodeClass, pipeline, Pipeline: pipelineClass });
    case "kedro.pipeline.node":
      return library(name, { node, Node: nodeClass });
    case "kedro.pipeline.pipeline":
      return library(name, { Pipeline: pipelineClass, pipeline });
    case "kedro.pipeline.modular_pipeline":
      return library(name, { pipeline });
    case "kedro.framework.project":
      return library(name, { find_pipelines: func("find_pipelines", name, findPipelines) });
    case "functools":
      return functoolsFor(vm);
    case "itertools":
      return itertools();
    case "logging":
      return library(name, { getLogger: func("getLogger", name, () => silent("Logger")), ...silentCalls(LOGGING) });
    case "warnings":
      return library(name, silentCalls(["warn", "filterwarnings", "simplefilter"]));
    case "typing":
      return library(name, { TYPE_CHECKING: false });
    case "__future__":
      return library(name, { annotations: true });
    default:
      return undefined;
  }
}

const LOGGING = ["debug", "info", "warning", "error", "critical", "exception", "basicConfig"];

function func(name: string, moduleName: string, call: Call): Builtin {
  return { kind: "builtin", name, moduleName, call };
}

function library(name: string, attributes: Readonly<Record<string, Value>>): Value {
  return { kind: "library", name, attributes: new Map(Object.entries(attributes)) };
}

function silentCalls(names: readonly string[]): Record<string, Value> {
  return Object.fromEntries(names.map((name) => [name, func(name, "logging", () => null)]));
}

/** An object whose methods all do nothing that matters. */
function silent(type: string): Value {
  return { kind: "custom", type, attribute: (name) => func(name, "logging", () => null) };
}

function functoolsFor(vm: () => Vm): Value {
  const partial: Call = (args, site) => {
    const [inner, ...positional] = args.positional;
    if (inner === undefined) throw raise("TypeError", "partial() needs a callable", site);
    if (isObj(inner) && inner.kind === "partial") {
      return {
        kind: "partial",
        func: inner.func,
        positional: [...inner.positional, ...positional],
        keywords: new Map([...inner.keywords, ...args.keywords]),
        attributes: new Map(),
      };
    }
    return { kind: "partial", func: inner, positional, keywords: args.keywords, attributes: new Map() };
  };
  const update = (wrapper: Value, wrapped: Value, site: Site): Value => {
    if (!isObj(wrapper) || !isObj(wrapped)) return wrapper;
    if (wrapped.kind !== "function" && wrapped.kind !== "builtin" && wrapped.kind !== "partial") {
      return wrapper.kind === "unknown" ? wrapper : unknown("it is wrapped by something that is not known", site);
    }
    if (wrapper.kind !== "function" && wrapper.kind !== "partial") return wrapper;
    if (wrapped.name !== undefined) wrapper.name = wrapped.name;
    if (wrapper.kind === "function" && wrapped.kind === "function") wrapper.moduleName = wrapped.moduleName;
    wrapper.attributes.set("__wrapped__", wrapped);
    return wrapper;
  };
  return library("functools", {
    partial: { ...func("partial", "functools", partial), type: "partial" },
    update_wrapper: func("update_wrapper", "functools", (args, site) =>
      update(args.positional[0] ?? null, args.positional[1] ?? null, site),
    ),
    wraps: func("wraps", "functools", (args) => {
      const wrapped = args.positional[0] ?? null;
      return func("wraps", "functools", (inner, site) => update(inner.positional[0] ?? null, wrapped, site));
    }),
    reduce: func("reduce", "functools", (args, site) => {
      const [combine = null, items = null, ...start] = args.positional;
      const found = iterate(items, site);
      if ("kind" in found) return found;
      const rest = [...start, ...found.items];
      if (rest.length === 0) throw raise("TypeError", "reduce() of empty iterable with no initial value", site);
      return rest.reduce((left, right) =>
        callValue(vm(), combine, { positional: [left, right], keywords: new Map() }, site),
      );
    }),
    lru_cache: func("lru_cache", "functools", cacheLike),
    cache: func("cache", "functools", cacheLike),
  });
}

/** `@lru_cache`, `@lru_cache()`: the function itself. */
function cacheLike(args: CallArguments): Value {
  const [inner] = args.positional;
  if (isObj(inner ?? null) && (inner as { kind: string }).kind === "function") return inner as Value;
  return func("decorator", "functools", (later) => later.positional[0] ?? null);
}

function itertools(): Value {
  const all = (args: CallArguments, site: Site, use: (lists: readonly (readonly Value[])[]) => Value): Value => {
    if (args.keywords.size > 0) return unknown("itertools with keywords is not followed", site);
    const lists: (readonly Value[])[] = [];
    let unordered = false;
    for (const value of args.positional) {
      const found = iterate(value, site);
      if ("kind" in found) return found;
      unordered ||= found.unordered === true;
      lists.push(found.items);
    }
    const result = use(lists);
    return unordered && isObj(result) && result.kind === "list" ? list([...result.items], true) : result;
  };
  return library("itertools", {
    product: func("product", "itertools", (args, site) =>
      all(args, site, (lists) =>
        list(
          lists
            .reduce<Value[][]>((rows, items) => rows.flatMap((row) => items.map((item) => [...row, item])), [[]])
            .map((row) => tuple(row)),
        ),
      ),
    ),
    chain: {
      ...func("chain", "itertools", (args, site) => all(args, site, (lists) => list(lists.flat()))),
      attributes: new Map<string, Value>([
        [
          "from_iterable",
          func("from_iterable", "itertools", (args, site) => {
            const outer = iterate(args.positional[0] ?? null, site);
            if ("kind" in outer) return outer;
            return all({ positional: outer.items, keywords: new Map() }, site, (lists) => list(lists.flat()));
          }),
        ],
      ]),
    },
  });
}
