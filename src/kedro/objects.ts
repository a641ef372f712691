/**
 * Kedro's nodes and pipelines as values of the interpreter: what `node(…)`, `pipeline(…)` and their methods do with
 * evaluated arguments. What shapes the graph must be known here; everything else may stay unknown. Long, because nodes
 * and pipelines make each other and share how their arguments are read.
 */
import { pythonRepr } from "../config/python-text.ts";
import { KfkError } from "../error.ts";
import {
  allDatasets,
  type BuiltPipeline,
  buildPipeline,
  filterNodes,
  freeInputs,
  freeOutputs,
  intersect,
  mapPipeline,
  subtract,
  unite,
} from "../pipeline/algebra.ts";
import { withoutTranscoding } from "../pipeline/model.ts";
import { type BuiltNode, buildNode, type Datasets, tagNode } from "../pipeline/node.ts";
import { readParameters } from "../python/index.ts";
import { reprOf } from "../python/repr.ts";
import { specialMethod } from "../python/lineage.ts";
import { iterate } from "../python/operators.ts";
import {
  type Builtin,
  type CallArguments,
  type Custom,
  isObj,
  list,
  notesOf,
  placeOfSite,
  type Site,
  typeName,
  unknown,
  unknownOf,
  type Value,
} from "../python/value.ts";
import { setFrom } from "../python/keys.ts";
import { raise } from "../python/vm.ts";
import type { Era, FunctionIdentity } from "./era.ts";
import { copiesAsNode } from "./subclass.ts";
import { fits, type Parameters as FunctionParameters, parametersOf } from "./signatures.ts";

const NODE = "Node";
const PIPELINE = "Pipeline";

/** The pipeline in a value, or undefined when it is none. */
export function pipelineIn(value: Value): BuiltPipeline | undefined {
  return isObj(value) && value.kind === "custom" && value.type === PIPELINE ? (value.data as BuiltPipeline) : undefined;
}

/** A pipeline as a value. */
export function pipelineValue(pipeline: BuiltPipeline, era: Era): Custom {
  const wrap = (other: BuiltPipeline): Custom => pipelineValue(other, era);
  const method = (name: string, call: (args: CallArguments, site: Site) => Value): Builtin => ({
    kind: "builtin",
    name,
    call,
  });
  const names = (found: ReadonlySet<string>): Value => setFrom(found);
  const pick = (key: "tags" | "nodes" | "fromNodes" | "toNodes" | "fromInputs" | "toOutputs" | "namespaces") =>
    method(key, (args, site) =>
      wrap(filtered(pipeline, { [key]: textArguments(args, `the argument of a filter`, site) })),
    );
  const methods: Readonly<Record<string, () => Value>> = {
    nodes: () => list(pipeline.nodes.map((node) => nodeValue(node, era))),
    inputs: () => method("inputs", () => names(freeInputs(pipeline))),
    outputs: () => method("outputs", () => names(freeOutputs(pipeline))),
    all_inputs: () => method("all_inputs", () => names(new Set(pipeline.nodes.flatMap(({ inputs }) => inputs)))),
    all_outputs: () => method("all_outputs", () => names(new Set(pipeline.nodes.flatMap(({ outputs }) => outputs)))),
    data_sets: () => method("data_sets", () => names(allDatasets(pipeline))),
    datasets: () => method("datasets", () => names(allDatasets(pipeline))),
    describe: () => method("describe", (_, site) => unknown("the text of describe() is not followed", site)),
    tag: () =>
      method("tag", (args, site) =>
        wrap(
          buildPipeline(
            pipeline.nodes,
            textItems(args.positional[0] ?? args.keywords.get("tags") ?? null, "tags", site),
          ),
        ),
      ),
    only_nodes: () => pick("nodes"),
    only_nodes_with_tags: () => pick("tags"),
    only_nodes_with_namespaces: () => pick("namespaces"),
    only_nodes_with_namespace: () =>
      method("only_nodes_with_namespace", (args, site) => {
        const value = args.positional[0] ?? args.keywords.get("node_namespace") ?? null;
        return wrap(filtered(pipeline, { namespacePrefix: text(value, "the namespace of a filter", site) }));
      }),
    from_nodes: () => pick("fromNodes"),
    to_nodes: () => pick("toNodes"),
    from_inputs: () => pick("fromInputs"),
    to_outputs: () => pick("toOutputs"),
    only_nodes_with_inputs: () =>
      method("only_nodes_with_inputs", (args, site) => {
        const wanted = textArguments(args, "the argument of only_nodes_with_inputs", site);
        return wrap(buildPipeline(pipeline.nodes.filter(({ inputs }) => uses(inputs, wanted))));
      }),
    only_nodes_with_outputs: () =>
      method("only_nodes_with_outputs", (args, site) => {
        const wanted = textArguments(args, "the argument of only_nodes_with_outputs", site);
        return wrap(buildPipeline(pipeline.nodes.filter(({ outputs }) => uses(outputs, wanted))));
      }),
    filter: () =>
      method("filter", (args, site) => {
        const keys: Readonly<Record<string, string>> = {
          tags: "tags",
          node_names: "nodes",
          from_nodes: "fromNodes",
          to_nodes: "toNodes",
          from_inputs: "fromInputs",
          to_outputs: "toOutputs",
          node_namespaces: "namespaces",
        };
        const filter: Record<string, readonly string[]> = {};
        for (const [name, value] of args.keywords) {
          const key = keys[name];
          if (key === undefined) throw notFollowed(`the filter "${name}"`, site);
          if (value !== null) filter[key] = textItems(value, name, site);
        }
        if (args.positional.length > 0) throw notFollowed("filter() with positional arguments", site);
        return wrap(filtered(pipeline, filter));
      }),
  };
  return {
    kind: "custom",
    type: PIPELINE,
    data: pipeline,
    attribute: (name, site) => {
      const make = Object.hasOwn(methods, name) ? methods[name] : undefined;
      return make ? make() : unknown(`"${name}" of a pipeline is not followed`, site);
    },
    binary: (op, other, reversed, site) => {
      if (op === "Add" && other === 0n) return wrap(pipeline);
      const right = pipelineIn(other);
      if (right === undefined) {
        throw raise("TypeError", `unsupported operand for a Pipeline`, site);
      }
      const [a, b] = reversed ? [right, pipeline] : [pipeline, right];
      switch (op) {
        case "Add":
        case "BitOr":
          return wrap(unite(a, b));
        case "Sub":
          return wrap(subtract(a, b));
        case "BitAnd":
          return wrap(intersect(a, b));
        default:
          return undefined;
      }
    },
    truth: () => true,
  };
}

/** `node(func, inputs, outputs, *, name, tags, confirms, namespace, preview_fn)`. */
export function callNode(args: CallArguments, site: Site, era: Era): Value {
  const bound = bindArguments("node", ["func", "inputs", "outputs"], 3, era.signatures.node, args, site);
  const func = bound.get("func") ?? null;
  const name = textOrNone(bound.get("name") ?? null, "name", site);
  const place = placeOfSite(site) ?? { file: site.source.file, line: 1, column: 1 };
  const given = [bound.get("inputs") ?? null, bound.get("outputs") ?? null] as const;
  const inputs = datasetsIn(given[0], "inputs", site);
  const parameters = parametersOf(func);
  if (parameters && !fits(parameters, inputs)) throw doesNotFit(func, parameters, given[0], site);
  const unnamable = given.some(holdsMember)
    ? "members of an enum stand for datasets, and their text differs between versions of Python"
    : undefined;
  const node = buildNode({
    rules: era.nodes,
    func: describeFunction(func),
    inputs,
    outputs: datasetsIn(given[1], "outputs", site),
    shared: given.filter((value) => isObj(value)).map((value) => ({ value, was: contentOf(value) })),
    ...(unnamable !== undefined && { unnamable }),
    name: name === "" ? null : name,
    tags: textItems(bound.get("tags") ?? null, "tags", site),
    confirms: textItems(bound.get("confirms") ?? null, "confirms", site),
    namespace: textOrNone(bound.get("namespace") ?? null, "namespace", site),
    place,
    signature: () => signatureOf(func),
    autoName: (from, to) => {
      if (unnamable !== undefined) throw notFollowed(`the automatic name: ${unnamable}; this`, site);
      return era.autoName(identityOf(func, site), from, to);
    },
  });
  return nodeValue(node, era);
}

/** Refuses a pipeline whose nodes share a list or dictionary that the program changed afterwards. */
export function checkUnchanged(nodes: readonly BuiltNode[]): void {
  for (const { spec, name } of nodes) {
    for (const { value, was } of (spec.shared ?? []) as readonly Shared[]) {
      const now = unknownOf(value) === undefined ? contentOf(value) : [];
      if (now.length === was.length && now.every((item, index) => item === was[index])) continue;
      throw new KfkError(
        "PY_UNKNOWN",
        `a list that the node "${name}" holds is changed, or may be, after it was made`,
        {
          at: spec.place,
          hint: "give each node a list of its own, as in list(names)",
        },
      );
    }
  }
}

/** `pipeline(nodes or pipe, *, inputs, outputs, parameters, tags, namespace, prefix_datasets_with_namespace)`. */
export function callPipeline(args: CallArguments, site: Site, era: Era, isClass = false): Value {
  const { pipelineFirst, pipeline, pipelineClass } = era.signatures;
  const first = isClass ? "nodes" : pipelineFirst;
  const bound = bindArguments("pipeline", [first], 1, isClass ? pipelineClass : pipeline, args, site);
  const source = bound.get(first) ?? null;
  const tags = textItems(bound.get("tags") ?? null, "tags", site);
  const own = pipelineIn(source);
  const base = own ?? buildPipeline(nodesIn(source, site));
  const namespace = textOrNone(bound.get("namespace") ?? null, "namespace", site);
  const prefix = bound.get("prefix_datasets_with_namespace") ?? true;
  if (typeof prefix !== "boolean") throw needKnown(prefix, "prefix_datasets_with_namespace", site);
  const mapping = {
    inputs: mappingIn(bound.get("inputs") ?? null, "inputs", site),
    outputs: mappingIn(bound.get("outputs") ?? null, "outputs", site),
    parameters: mappingIn(bound.get("parameters") ?? null, "parameters", site),
    namespace: namespace === "" ? null : namespace,
    prefixDatasets: prefix,
    namespacesParameters: era.namespacesParameters,
    mapsConfirms: era.mapsConfirms,
    tags,
    place: placeOfSite(site) ?? { file: site.source.file, line: 1, column: 1 },
  };
  const isMapping =
    mapping.namespace !== null || mapping.inputs.size + mapping.outputs.size + mapping.parameters.size > 0;
  const unnamable = isMapping ? base.nodes.find(({ spec }) => spec.unnamable !== undefined) : undefined;
  if (unnamable)
    throw notFollowed(
      `another name for a dataset of the node "${unnamable.name}": ${unnamable.spec.unnamable}; this`,
      site,
    );
  return pipelineValue(isMapping ? mapPipeline(base, mapping) : buildPipeline(base.nodes, tags), era);
}

/** The error for an unknown that reached something that shapes the graph. */
export function needKnown(value: Value, what: string, site: Site | undefined): KfkError {
  const doubt = unknownOf(value);
  if (doubt === undefined) {
    return new KfkError("PIPELINE_NODE", `${what} cannot be this kind of value`, {
      at: placeOfSite(site),
      hint: "Kedro takes text, lists of text, or dictionaries of text here",
    });
  }
  return new KfkError("PY_UNKNOWN", `${what} cannot be known without running Python: ${doubt.reason}`, {
    at: placeOfSite(site ?? doubt.site),
    notes: notesOf(doubt),
    hint: "write the value down, or take it from a constant, an argument or the project's settings",
  });
}

// --- internal ---

interface Shared {
  readonly value: Value;
  readonly was: readonly Value[];
}

/** What a list or dictionary holds, flat, to see whether it changed. */
function contentOf(value: Value): readonly Value[] {
  if (!isObj(value)) return [];
  if (value.kind === "list" || value.kind === "tuple") return [...value.items];
  return value.kind === "dict" ? [...value.map.values()].flatMap((entry) => [entry.key, entry.value]) : [];
}

/** True when a member of an enum (`class E(str, Enum)`) stands among dataset names. */
function holdsMember(value: Value): boolean {
  const isMember = (item: Value): boolean => isObj(item) && item.kind === "instance" && item.cls.isEnum === true;
  return isMember(value) || contentOf(value).some(isMember);
}

/** The TypeError of a node whose inputs its function cannot take. */
function doesNotFit(func: Value, parameters: FunctionParameters, inputs: Value, site: Site): Error {
  const names = [...parameters.plain, ...parameters.keywordOnly].map(({ name }) => pythonRepr(name)).join(", ");
  const shown = typeof inputs === "string" ? inputs : (reprOf(inputs) ?? "others");
  const name = isObj(func) && "name" in func && typeof func.name === "string" ? func.name : "<partial>";
  return raise("TypeError", `Inputs of '${name}' function expected [${names}], but got ${shown}`, site);
}

const used = new WeakSet<object>(); // module state: nodes that went into a pipeline, never seen outside

function nodeValue(made: BuiltNode, era: Era): Custom {
  let node = made;
  const handed = (names: readonly string[]): Value => {
    const value = list([...names]);
    node.spec.shared?.push({ value, was: [...names] } satisfies Shared);
    return value;
  };
  const text: Readonly<Record<string, () => Value>> = {
    name: () => node.name,
    short_name: () => node.spec.name ?? shortName(node),
    namespace: () => node.namespace,
    inputs: () => handed(node.inputs),
    outputs: () => list([...node.outputs]),
    tags: () => setFrom(node.tags),
    confirms: () => list([...node.confirms]),
  };
  const value: Custom = {
    kind: "custom",
    type: NODE,
    equality: node.key,
    data: node,
    setAttribute: (name, item) => {
      if ((name !== "_name" && name !== "_namespace") || used.has(value)) return false;
      if (item !== null && typeof item !== "string") return false;
      node = buildNode({ ...node.spec, [name.slice(1)]: item === "" ? null : item });
      Object.assign(value, { data: node, equality: node.key });
      return true;
    },
    attribute: (name, site) => {
      if (name === "tag") {
        return {
          kind: "builtin",
          name,
          call: (args, at) => nodeValue(tagNode(node, textItems(args.positional[0] ?? null, "tags", at)), era),
        };
      }
      const read = Object.hasOwn(text, name) ? text[name] : undefined;
      return read ? read() : unknown(`"${name}" of a node is not followed`, site);
    },
    text: () => node.name,
  };
  return value;
}

/** The function's name as a title, for a node without a name of its own. */
function shortName(node: BuiltNode): Value {
  const name = node.spec.func.split(".").at(-1) ?? "";
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return unknown("the short name of this node is not followed", undefined);
  return name
    .replaceAll("_", " ")
    .replaceAll(/[A-Za-z]+/g, (word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase());
}

function filtered(pipeline: BuiltPipeline, filter: Parameters<typeof filterNodes>[1]): BuiltPipeline {
  return buildPipeline(filterNodes(pipeline.nodes, filter));
}

function uses(datasets: readonly string[], wanted: readonly string[]): boolean {
  return datasets.some((name) => wanted.includes(name) || wanted.includes(withoutTranscoding(name)));
}

/** Binds positional and keyword arguments. Raises TypeError as Python does. */
function bindArguments(
  name: string,
  positional: readonly string[],
  positionalCount: number,
  keywords: readonly string[],
  args: CallArguments,
  site: Site,
): Map<string, Value> {
  const bound = new Map<string, Value>();
  if (args.positional.length > positionalCount) {
    throw raise(
      "TypeError",
      `${name}() takes ${positionalCount} positional arguments but ${args.positional.length} were given`,
      site,
    );
  }
  for (const [index, value] of args.positional.entries()) bound.set(positional[index] as string, value);
  for (const [key, value] of args.keywords) {
    if (!positional.includes(key) && !keywords.includes(key)) {
      throw raise("TypeError", `${name}() got an unexpected keyword argument '${key}'`, site);
    }
    if (bound.has(key)) throw raise("TypeError", `${name}() got multiple values for argument '${key}'`, site);
    bound.set(key, value);
  }
  for (const key of positional.slice(0, positionalCount))
    if (!bound.has(key)) throw raise("TypeError", `${name}() missing 1 required positional argument: '${key}'`, site);
  return bound;
}

function nodesIn(value: Value, site: Site): BuiltNode[] {
  const doubt = unknownOf(value);
  if (doubt) throw needKnown(value, "the list of nodes", site);
  const found = iterate(value, site);
  if ("kind" in found) throw needKnown(found, "the list of nodes", site);
  return found.items.flatMap((given): BuiltNode[] => {
    const item = baseNode(given, site);
    const inner = pipelineIn(item);
    if (inner) return [...inner.nodes];
    if (isObj(item) && item.kind === "custom" && item.type === NODE) {
      used.add(item);
      return [item.data as BuiltNode];
    }
    if (unknownOf(item)) throw needKnown(item, "a node of the list", site);
    if (isObj(item) && item.kind !== "list" && item.kind !== "dict" && item.kind !== "tuple" && item.kind !== "set")
      throw needKnown(
        unknown(`a "${typeName(item)}" among the nodes is not followed`, site),
        "a node of the list",
        site,
      );
    throw raise("ValueError", "a pipeline takes nodes and pipelines only", site);
  });
}

/** The node in an instance of a class that extends Node. */
function baseNode(value: Value, site: Site): Value {
  if (!isObj(value) || value.kind !== "instance" || !value.base || value.poison) return value;
  if (!copiesAsNode(value.cls))
    throw needKnown(unknown(`"${value.cls.name}" has its own _copy`, value.cls.site), "a node of the list", site);
  return value.base;
}

function datasetsIn(value: Value, what: string, site: Site): Datasets {
  if (value === null || value === "") return { kind: "none" };
  if (typeof value === "string") return { kind: "one", name: value };
  if (isObj(value) && value.kind === "instance" && typeof value.plain === "string")
    return { kind: "one", name: text(value, `${what} of a node`, site) };
  if (!isObj(value) || unknownOf(value)) throw needKnown(value, `${what} of a node`, site);
  if (value.kind === "list") {
    if (value.unordered) throw leaksOrder(what, site);
    const names = value.items.map((item) => text(item, `${what} of a node`, site));
    return names.length === 0 ? { kind: "none" } : { kind: "list", names };
  }
  if (value.kind === "dict") {
    if (value.unordered) throw leaksOrder(what, site);
    const entries = [...value.map.values()].map(
      (entry) => [text(entry.key, `a key of ${what}`, site), text(entry.value, `${what} of a node`, site)] as const,
    );
    return entries.length === 0 ? { kind: "none" } : { kind: "dict", entries };
  }
  throw needKnown(value, `${what} of a node`, site);
}

/** A mapping as Kedro takes it: text, a list or set of names that stay, or a dictionary. */
function mappingIn(value: Value, what: string, site: Site): Map<string, string> {
  if (value === null) return new Map();
  if (typeof value === "string") return new Map([[value, value]]);
  if (isObj(value) && value.kind === "dict" && !value.poison) {
    return new Map(
      [...value.map.values()].map((entry) => [
        text(entry.key, `a key of ${what}`, site),
        text(entry.value, `a value of ${what}`, site),
      ]),
    );
  }
  return new Map(textItems(value, what, site).map((name) => [name, name]));
}

function textArguments(args: CallArguments, what: string, site: Site): string[] {
  return args.positional.flatMap((value) => textItems(value, what, site));
}

/** Text alone is one item; the order of a set does not matter to who asks here. */
function textItems(value: Value, what: string, site: Site): string[] {
  if (value === null) return [];
  if (typeof value === "string") return [value];
  if (unknownOf(value)) throw needKnown(value, what, site);
  const found = iterate(value, site);
  if ("kind" in found) throw needKnown(found, what, site);
  return found.items.map((item) => text(item, what, site));
}

function text(value: Value, what: string, site: Site): string {
  if (typeof value === "string") return value;
  if (isObj(value) && value.kind === "instance" && typeof value.plain === "string" && !value.poison) {
    const own = specialMethod(value, [
      "__eq__",
      "__hash__",
      "__str__",
      "__format__",
      "__repr__",
      "__len__",
      "__getitem__",
    ]);
    if (own && !value.cls.isEnum) throw needKnown(own, what, site);
    return value.plain;
  }
  throw needKnown(value, what, site);
}

function textOrNone(value: Value, what: string, site: Site): string | null {
  if (
    isObj(value) &&
    value.kind === "instance" &&
    value.cls.isEnum &&
    value.cls.enumKind !== "StrEnum" &&
    what === "namespace"
  )
    throw notFollowed("a member of an enum as a namespace", site);
  return value === null ? null : text(value, `the ${what}`, site);
}

/** What people see; never used for the graph. */
function describeFunction(func: Value): string {
  if (!isObj(func)) return "<value>";
  switch (func.kind) {
    case "function":
      return `${func.moduleName}.${func.name}`;
    case "builtin":
      return func.moduleName === undefined ? func.name : `${func.moduleName}.${func.name}`;
    case "partial":
      return `<partial ${describeFunction(func.func)}>`;
    case "method":
      return describeFunction(func.func);
    case "class":
      return `${func.moduleName}.${func.name}`;
    case "unknown":
      return func.external ?? "<unknown>";
    default:
      return `<${func.kind}>`;
  }
}

/** Name and module as Python has them. Errors: PY_UNKNOWN where only Python knows. */
function identityOf(func: Value, site: Site): FunctionIdentity {
  if (isObj(func)) {
    switch (func.kind) {
      case "function":
      case "class":
        return { module: func.moduleName, name: func.name, isPartial: false };
      case "builtin":
        if (func.moduleName !== undefined) return { module: func.moduleName, name: func.name, isPartial: false };
        break;
      case "method":
        return identityOf(func.func, site);
      case "partial":
        return { ...identityOf(func.func, site), isPartial: true, wrappedName: func.name };
      default:
    }
  }
  const reason = unknownOf(func)?.reason ?? "its function has no name that kfk can know";
  throw new KfkError(
    "PY_UNKNOWN",
    `the automatic name of this node cannot be known without running Python: ${reason}`,
    {
      at: placeOfSite(site),
      notes: isObj(func) && func.kind === "unknown" ? notesOf(func) : [],
      hint: 'give the node a name, such as name="train_model"',
    },
  );
}

/** Names that can be bound by keyword, in order; undefined: not known. */
function signatureOf(func: Value): readonly string[] | undefined {
  if (!isObj(func)) return undefined;
  if (func.kind === "partial") {
    const inner = signatureOf(func.func)?.slice(func.positional.length);
    return inner?.filter((name) => !func.keywords.has(name));
  }
  if (func.kind === "method") return signatureOf(func.func)?.slice(1);
  if (func.kind === "builtin" && func.name === "construct_context") return ["llm"];
  if (func.kind !== "function") return undefined;
  if (func.attributes.has("__wrapped__")) return signatureOf(func.attributes.get("__wrapped__") as Value);
  if (func.body) {
    const { args } = func.body;
    return [...args.posonlyargs, ...args.args, ...args.kwonlyargs].map(({ arg }) => arg);
  }
  const statement = func.module.index.bindings.get(func.name)?.at(-1);
  if (statement?.kind !== "def") return undefined;
  return readParameters(func.module.source.text, statement.open)
    ?.filter(({ role }) => role !== "star" && role !== "doubleStar")
    .map(({ name }) => name);
}

function leaksOrder(what: string, site: Site): KfkError {
  return new KfkError(
    "PY_UNKNOWN",
    `the order of the ${what} comes from a set, which Python orders anew in each process`,
    {
      at: placeOfSite(site),
      hint: "sort it: sorted(...)",
    },
  );
}

function notFollowed(what: string, site: Site): KfkError {
  return needKnown(unknown(`${what} is not followed`, site), "this pipeline", site);
}
