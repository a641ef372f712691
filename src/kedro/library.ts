/**
 * The library modules that the interpreter knows: Kedro's own here, Python's in `python/library.ts`. Whatever is not here is an unknown that carries its name, and does no harm unless it shapes the graph.
 */
import { standardLibrary } from "../python/library.ts";
import { callValue } from "../python/call.ts";
import { type Builtin, type CallArguments, isObj, type Site, unknown, type Value } from "../python/value.ts";
import type { Vm } from "../python/vm.ts";
import type { Era } from "./era.ts";
import { loaderLibrary } from "./loader.ts";
import { isNodeAttribute } from "./subclass.ts";
import { callContextNode, callTool } from "./llm-context.ts";
import { callNode, callPipeline } from "./objects.ts";

/** What `find_pipelines(…)` does; `registry.ts` knows. */
export type FindPipelines = (args: CallArguments, site: Site) => Value;

/** Module name → the module, for `Vm.library`. */
export function libraryFor(vm: () => Vm, era: Era, findPipelines: FindPipelines): (name: string) => Value | undefined {
  const ready = new Map<string, Value | undefined>();
  let standard: ReadonlyMap<string, Value> | undefined;
  return (name) => {
    if (!ready.has(name))
      ready.set(name, build(vm, name, era, findPipelines) ?? (standard ??= standardLibrary(vm)).get(name));
    return ready.get(name);
  };
}

// --- internal ---

const LLM = "kedro.pipeline.llm_context";

type Call = (args: CallArguments, site: Site) => Value;

function build(vm: () => Vm, name: string, era: Era, findPipelines: FindPipelines): Value | undefined {
  const node = func("node", "kedro.pipeline.node", (args, site) => callNode(args, site, era));
  const nodeClass: Builtin = { ...node, name: "Node", type: "Node", isOwn: isNodeAttribute };
  const pipeline = func("pipeline", "kedro.pipeline.modular_pipeline", (args, site) => callPipeline(args, site, era));
  const pipelineClass: Builtin = {
    ...func("Pipeline", "kedro.pipeline.pipeline", (args, site) => callPipeline(args, site, era, true)),
    type: "Pipeline",
  };
  const context = era.signatures.node.includes("preview_fn")
    ? {
        llm_context_node: func("llm_context_node", LLM, (args, site) => callContextNode(args, site, era)),
        LLMContextNode: func("LLMContextNode", LLM, (args, site) => callContextNode(args, site, era)),
        tool: func("tool", LLM, callTool),
      }
    : undefined;
  switch (name) {
    case "kedro":
    case "kedro.framework":
      return library(name, {});
    case "kedro.pipeline":
      return library(name, { node, Node: nodeClass, pipeline, Pipeline: pipelineClass, ...context });
    case LLM:
      return context && library(name, context);
    case "kedro.pipeline.node":
      return library(name, { node, Node: nodeClass });
    case "kedro.pipeline.pipeline":
      return library(name, { Pipeline: pipelineClass, pipeline });
    case "kedro.pipeline.modular_pipeline":
      return era.hasModularPipeline ? library(name, { pipeline }) : undefined;
    case "kedro.framework.project":
      return library(name, { find_pipelines: func("find_pipelines", name, findPipelines) });
    case "kedro.framework.hooks":
    case "kedro.framework.hooks.markers":
    case "kedro.hooks":
      return library(name, { hook_impl: func("hook_impl", name, markHook) });
    case "__future__":
      return library(name, { annotations: true });
    default:
      return loaderLibrary(name, (args, site) => readByHand(vm(), args, site));
  }
}

/** A loader that code of the project makes. */
function readByHand(vm: Vm, args: CallArguments, site: Site): Value {
  const known = vm.calls?.get("kedro.config.OmegaConfigLoader");
  return isObj(known ?? null) ? callValue(vm, known as Value, args, site) : unknown("it reads configuration", site);
}

/** `@hook_impl` and `@hook_impl(tryfirst=True)` leave the function as it is. */
function markHook(args: CallArguments): Value {
  const [own] = args.positional;
  return own ?? func("hook_impl", "pluggy", ({ positional: [marked = null] }) => marked);
}

function func(name: string, moduleName: string, call: Call): Builtin {
  return { kind: "builtin", name, moduleName, call };
}

function library(name: string, attributes: Readonly<Record<string, Value>>): Value {
  return { kind: "library", name, attributes: new Map(Object.entries(attributes)) };
}
