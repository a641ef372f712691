/**
 * What can be done with pipelines: build, add, subtract, namespace, filter. Pure; every result is checked as Kedro
 * checks it. Rules: reference/kedro-semantics.md 2.4 to 2.6 (Kedro 0.16 to 1.7).
 */
import { KfkError, suggest, type Place } from "../error.ts";
import { isParameter, type Node, withoutTranscoding } from "./model.ts";
import { type BuiltNode, renameNode, tagNode } from "./node.ts";
import { orderNodes } from "./order.ts";

/** Nodes in run order, checked: what a Kedro `Pipeline` is. */
export interface BuiltPipeline {
  readonly nodes: readonly BuiltNode[];
}

/** Builds a pipeline of nodes. Errors: PIPELINE_DUPLICATE_NAME, PIPELINE_DUPLICATE_OUTPUT, PIPELINE_CYCLE, PIPELINE_NODE. */
export function buildPipeline(nodes: readonly BuiltNode[], tags: readonly string[] = []): BuiltPipeline {
  const byName = new Map<string, BuiltNode>();
  for (const node of nodes) {
    const other = byName.get(node.name);
    if (other !== undefined) throw duplicateName(other, node);
    byName.set(node.name, node);
  }
  checkTranscoding(nodes);
  const tagged = nodes.map((node) => tagNode(node, tags));
  const producers = new Map<string, BuiltNode>();
  for (const node of tagged) {
    for (const output of node.outputs) {
      const name = withoutTranscoding(output);
      const other = producers.get(name);
      if (other !== undefined && other !== node) throw duplicateOutput(name, other, node);
      producers.set(name, node);
    }
  }
  return { nodes: orderNodes(tagged) };
}

/** `a + b`, `a | b`: the left copy of equal nodes stays. */
export function unite(a: BuiltPipeline, b: BuiltPipeline): BuiltPipeline {
  const keys = new Set(a.nodes.map(({ key }) => key));
  return buildPipeline([...a.nodes, ...b.nodes.filter(({ key }) => !keys.has(key))]);
}

/** `a - b`. */
export function subtract(a: BuiltPipeline, b: BuiltPipeline): BuiltPipeline {
  const keys = new Set(b.nodes.map(({ key }) => key));
  return buildPipeline(a.nodes.filter(({ key }) => !keys.has(key)));
}

/** `a & b`. */
export function intersect(a: BuiltPipeline, b: BuiltPipeline): BuiltPipeline {
  const keys = new Set(b.nodes.map(({ key }) => key));
  return buildPipeline(a.nodes.filter(({ key }) => keys.has(key)));
}

/** Datasets that no node of the pipeline makes, as written. */
export function freeInputs(pipeline: BuiltPipeline): Set<string> {
  const made = new Set(pipeline.nodes.flatMap(({ outputs }) => outputs.map(withoutTranscoding)));
  return new Set(pipeline.nodes.flatMap(({ inputs }) => inputs).filter((name) => !made.has(withoutTranscoding(name))));
}

/** Datasets that no node of the pipeline reads, as written. */
export function freeOutputs(pipeline: BuiltPipeline): Set<string> {
  const read = new Set(pipeline.nodes.flatMap(({ inputs }) => inputs.map(withoutTranscoding)));
  return new Set(
    pipeline.nodes.flatMap(({ outputs }) => outputs).filter((name) => !read.has(withoutTranscoding(name))),
  );
}

/** All datasets, as written. */
export function allDatasets(pipeline: BuiltPipeline): Set<string> {
  return new Set(pipeline.nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]));
}

export interface Mapping {
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  readonly namespace: string | null;
  /** `prefix_datasets_with_namespace` (Kedro >= 1.0). */
  readonly prefixDatasets: boolean;
  /** False below 0.18: parameters never get a namespace, and are mapped as they are written. */
  readonly namespacesParameters: boolean;
  readonly mapsConfirms: boolean;
  readonly tags: readonly string[];
  readonly place: Place;
}

/** `pipeline(p, namespace=…, inputs=…, outputs=…, parameters=…)`. Errors: PIPELINE_MAPPING and those of building. */
export function mapPipeline(pipeline: BuiltPipeline, mapping: Mapping): BuiltPipeline {
  checkMapping(pipeline, mapping);
  const { namespace } = mapping;
  const names = new Map<string, string>([...mapping.inputs, ...mapping.outputs]);
  const parameterName = mapping.namespacesParameters ? asParameter : (name: string) => name;
  for (const [from, to] of mapping.parameters) names.set(parameterName(from), parameterName(to));
  const isPrefixing = namespace !== null && mapping.prefixDatasets;
  const rename = (dataset: string): string => {
    const mapped = names.get(dataset);
    if (mapped !== undefined) return mapped;
    if (dataset === "parameters") return dataset;
    if (!mapping.namespacesParameters && /^(?:params:|parameters)/.test(dataset)) return dataset;
    const at = dataset.indexOf("@");
    const base = at < 0 ? undefined : names.get(dataset.slice(0, at));
    if (base !== undefined) return base + dataset.slice(at);
    if (!isPrefixing) return dataset;
    if (dataset.startsWith("params:")) return `params:${namespace}.${dataset.slice("params:".length)}`;
    return `${namespace}.${dataset}`;
  };
  const nodes = pipeline.nodes.map((node) => {
    const inner = node.namespace;
    const full = namespace === null ? inner : inner === null ? namespace : `${namespace}.${inner}`;
    return renameNode(node, rename, full, mapping.mapsConfirms);
  });
  return buildPipeline(nodes, mapping.tags);
}

export interface NodeFilter {
  readonly tags?: readonly string[];
  readonly nodes?: readonly string[];
  readonly fromNodes?: readonly string[];
  readonly toNodes?: readonly string[];
  readonly fromInputs?: readonly string[];
  readonly toOutputs?: readonly string[];
  /** Equal, or below at a full stop (Kedro >= 1.0). */
  readonly namespaces?: readonly string[];
  /** Text that a namespace starts with (Kedro < 1.0). */
  readonly namespacePrefix?: string;
}

/**
 * Kedro's filters: each on the whole pipeline, then what all of them leave, in the same order.
 *
 * Errors: PIPELINE_FILTER for a name that does not exist, or when nothing is left.
 */
export function filterNodes<T extends Node>(nodes: readonly T[], filter: NodeFilter): T[] {
  const names = new Set(nodes.map(({ name }) => name));
  for (const wanted of [...(filter.nodes ?? []), ...(filter.fromNodes ?? []), ...(filter.toNodes ?? [])]) {
    if (!names.has(wanted)) throw noSuchNode(wanted, names);
  }
  const keep = new Set<T>(nodes);
  const narrow = (allowed: ReadonlySet<T>): void => {
    for (const node of keep) if (!allowed.has(node)) keep.delete(node);
  };
  const { tags = [], namespaces = [], fromInputs = [], toOutputs = [] } = filter;
  if (tags.length > 0) narrow(new Set(nodes.filter((node) => node.tags.some((tag) => tags.includes(tag)))));
  if (filter.nodes?.length) narrow(new Set(nodes.filter(({ name }) => filter.nodes?.includes(name))));
  if (namespaces.length > 0) {
    narrow(new Set(nodes.filter((node) => namespaces.some((space) => isInNamespace(node.namespace, space)))));
  }
  const prefix = filter.namespacePrefix;
  if (prefix !== undefined) narrow(new Set(nodes.filter(({ namespace }) => namespace?.startsWith(prefix))));
  if (filter.fromNodes?.length) narrow(reach(nodes, ({ name }) => filter.fromNodes?.includes(name) ?? false, "down"));
  if (filter.toNodes?.length) narrow(reach(nodes, ({ name }) => filter.toNodes?.includes(name) ?? false, "up"));
  if (fromInputs.length > 0) narrow(reach(nodes, ({ inputs }) => usesAny(inputs, fromInputs), "down"));
  if (toOutputs.length > 0) narrow(reach(nodes, ({ outputs }) => usesAny(outputs, toOutputs), "up"));
  if (keep.size === 0) {
    throw new KfkError("PIPELINE_FILTER", "the filters leave no node of the pipeline", {
      hint: "loosen one of them; kfk model lists names, tags and namespaces",
    });
  }
  return nodes.filter((node) => keep.has(node));
}

// --- internal ---

function asParameter(name: string): string {
  return isParameter(name) ? name : `params:${name}`;
}

function checkTranscoding(nodes: readonly BuiltNode[]): void {
  const plain = new Set<string>();
  const coded = new Map<string, BuiltNode>();
  for (const node of nodes) {
    for (const name of [...node.inputs, ...node.outputs]) {
      if (name.includes("@")) coded.set(withoutTranscoding(name), node);
      else plain.add(name);
    }
  }
  for (const [name, node] of coded) {
    if (!plain.has(name)) continue;
    throw new KfkError("PIPELINE_NODE", `the dataset "${name}" is used with and without a format (@)`, {
      at: node.spec.place,
      hint: "name a format wherever it is used",
    });
  }
}

function checkMapping(pipeline: BuiltPipeline, mapping: Mapping): void {
  const known = new Set([...allDatasets(pipeline)].flatMap((name) => [name, withoutTranscoding(name)]));
  const free = new Set([...freeInputs(pipeline)].flatMap((name) => [name, withoutTranscoding(name)]));
  const fail = (message: string, hint: string): KfkError =>
    new KfkError("PIPELINE_MAPPING", message, { at: mapping.place, hint });
  for (const name of [
    ...mapping.inputs.keys(),
    ...mapping.outputs.keys(),
    ...[...mapping.parameters.keys()].map(mapping.namespacesParameters ? asParameter : (name) => name),
  ]) {
    if (known.has(name)) continue;
    const near = suggest(name, known);
    throw fail(
      `the mapping names "${name}", which no node of the pipeline uses`,
      near ? `did you mean "${near}"?` : "remove it",
    );
  }
  for (const name of mapping.inputs.keys()) {
    if (isParameter(name)) throw fail(`"${name}" is a parameter, and stands under inputs`, "move it to parameters");
    if (!free.has(name))
      throw fail(`"${name}" is mapped as an input, and a node of the pipeline makes it`, "map it under outputs");
  }
  for (const name of mapping.outputs.keys()) {
    if (free.has(name))
      throw fail(`"${name}" is mapped as an output, and no node of the pipeline makes it`, "map it under inputs");
  }
}

function isInNamespace(namespace: string | null, wanted: string): boolean {
  return namespace === wanted || (namespace?.startsWith(`${wanted}.`) ?? false);
}

function usesAny(datasets: readonly string[], wanted: readonly string[]): boolean {
  return datasets.some((name) => wanted.includes(name) || wanted.includes(withoutTranscoding(name)));
}

/** The nodes that `isStart` picks and all after (`down`) or before (`up`) them. */
function reach<T extends Node>(nodes: readonly T[], isStart: (node: T) => boolean, direction: "down" | "up"): Set<T> {
  const found = new Set<T>();
  const reached = new Set<string>();
  const walk = direction === "down" ? nodes : nodes.toReversed();
  for (const node of walk) {
    const [from, to] = direction === "down" ? [node.inputs, node.outputs] : [node.outputs, node.inputs];
    if (!isStart(node) && !from.some((name) => reached.has(withoutTranscoding(name)))) continue;
    found.add(node);
    for (const name of to) if (!isParameter(name)) reached.add(withoutTranscoding(name));
  }
  return found;
}

function noSuchNode(name: string, known: ReadonlySet<string>): KfkError {
  const near = suggest(name, known) ?? [...known].find((candidate) => candidate.endsWith(`.${name}`));
  return new KfkError("PIPELINE_FILTER", `the pipeline has no node "${name}"`, {
    hint: near ? `did you mean "${near}"?` : "kfk model lists the nodes",
  });
}

function duplicateName(first: BuiltNode, second: BuiltNode): KfkError {
  return new KfkError("PIPELINE_DUPLICATE_NAME", `two nodes of one pipeline are called "${second.name}"`, {
    at: second.spec.place,
    notes: [{ message: "the other one", at: first.spec.place }],
    hint: "give one of them another name",
  });
}

function duplicateOutput(dataset: string, first: BuiltNode, second: BuiltNode): KfkError {
  return new KfkError(
    "PIPELINE_DUPLICATE_OUTPUT",
    `two nodes make the dataset "${dataset}": "${first.name}" and "${second.name}"`,
    {
      at: second.spec.place,
      notes: [{ message: "the other one", at: first.spec.place }],
      hint: "let one of them write another dataset, or use a namespace",
    },
  );
}
