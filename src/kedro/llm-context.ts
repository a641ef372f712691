/**
 * `llm_context_node(…)`, `LLMContextNode(…)` and `tool(…)` of Kedro >= 1.2: a node whose inputs are the datasets that it
 * names, the model first. Comes in: evaluated arguments; goes out: a node as a value. Refuses what is not known.
 * Source: kedro-org/kedro 1.2.0 to 1.7.0, kedro/pipeline/llm_context.py.
 */
import { iterate } from "../python/operators.ts";
import { isObj, list, type Builtin, type CallArguments, type Site, type Value } from "../python/value.ts";
import { dictFrom, dictSet } from "../python/keys.ts";
import { raise } from "../python/vm.ts";
import type { Era } from "./era.ts";
import { callNode, needKnown } from "./objects.ts";

/** `llm_context_node(*, outputs, llm, prompts, tools, …)`. Raises TypeError as Python does. */
export function callContextNode(args: CallArguments, site: Site, era: Era): Value {
  const { keywords } = args;
  if (args.positional.length > 0) throw raise("TypeError", "llm_context_node() takes 0 positional arguments", site);
  for (const name of ["outputs", "llm", "prompts"]) {
    if (!keywords.has(name))
      throw raise("TypeError", `llm_context_node() missing 1 required keyword-only argument: '${name}'`, site);
  }
  const wrong = [...keywords.keys()].find((name) => !OWN.includes(name) && !era.signatures.node.includes(name));
  if (wrong !== undefined)
    throw raise("TypeError", `llm_context_node() got an unexpected keyword argument '${wrong}'`, site);
  const inputs = dictFrom([["llm", keywords.get("llm") ?? null]]);
  const add = (items: Value): void => {
    for (const item of itemsOf(items, "inputs of a node", site)) dictSet(inputs, item, item);
  };
  add(keywords.get("prompts") ?? null);
  const tools = keywords.get("tools") ?? null;
  for (const item of tools === null ? [] : itemsOf(tools, "the tools of a node", site)) {
    if (!isObj(item) || item.kind !== "tuple" || item.className !== TOOL) throw needKnown(item, "a tool", site);
    add(item.items[1] ?? null);
  }
  const rest = new Map([...keywords].filter(([name]) => !OWN.includes(name)));
  return callNode(
    { positional: [CONSTRUCT_CONTEXT, inputs, keywords.get("outputs") ?? null], keywords: rest },
    site,
    era,
  );
}

/** `tool(func, *inputs)`. */
export function callTool(args: CallArguments): Value {
  const [func = null, ...inputs] = args.positional;
  return { kind: "tuple", items: [func, list(inputs)], fields: ["func", "inputs"], className: TOOL };
}

// --- internal ---

const OWN: readonly string[] = ["outputs", "llm", "prompts", "tools"];
const TOOL = "_ToolConfig";

/** The function of the node: `construct_context(llm, **kwargs)`. */
const CONSTRUCT_CONTEXT: Builtin = {
  kind: "builtin",
  name: "construct_context",
  moduleName: "kedro.pipeline.llm_context",
  call: () => null,
};

function itemsOf(value: Value, what: string, site: Site): readonly Value[] {
  const found = iterate(value, site);
  if ("kind" in found || found.unordered) throw needKnown("kind" in found ? found : value, what, site);
  return found.items;
}
