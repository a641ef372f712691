/**
 * Kedro's filters of a pipeline: by names, tags, namespaces, from and to nodes or datasets. Each acts on the whole
 * pipeline; together they are intersected (Pipeline.filter, Kedro 0.19 to 1.7). An unknown name or an empty result is
 * an error, as in Kedro.
 */
import { KfkError, suggest } from "../error.ts";
import { identityOf, intersection, type Identified } from "./algebra.ts";
import { withoutTranscoding } from "./model.ts";
import { sortNodes } from "./order.ts";

export interface Filters {
  readonly tags?: readonly string[];
  readonly fromNodes?: readonly string[];
  readonly toNodes?: readonly string[];
  readonly nodeNames?: readonly string[];
  readonly fromInputs?: readonly string[];
  readonly toOutputs?: readonly string[];
  readonly namespaces?: readonly string[];
}

/**
 * The nodes that pass every filter that is given; empty lists count as not given.
 * `byPrefix`: namespaces match as plain text prefixes, as Kedro below 1.0 does it.
 * Errors: PIPELINE_FILTER for unknown names, PIPELINE_EMPTY when nothing is left.
 */
export function filterNodes<N extends Identified>(nodes: readonly N[], filters: Filters, byPrefix = false): readonly N[] {
  const given = (names: readonly string[] | undefined): readonly string[] | undefined => (names && names.length > 0 ? names : undefined);
  const { tags, fromNodes: from, toNodes: to, nodeNames, fromInputs: inputs, toOutputs: outputs, namespaces } = filters;
  const parts: (readonly N[])[] = [];
  if (given(tags)) parts.push(withTags(nodes, tags ?? []));
  if (given(from)) parts.push(fromNodes(nodes, from ?? []));
  if (given(to)) parts.push(toNodes(nodes, to ?? []));
  if (given(nodeNames)) parts.push(onlyNodes(nodes, nodeNames ?? []));
  if (given(inputs)) parts.push(fromInputs(nodes, inputs ?? []));
  if (given(outputs)) parts.push(toOutputs(nodes, outputs ?? []));
  if (given(namespaces)) parts.push(withNamespaces(nodes, namespaces ?? [], byPrefix));
  const result = parts.reduce<readonly N[]>((left, right) => intersection(left, right), sortNodes(nodes));
  if (result.length === 0) {
    throw new KfkError("PIPELINE_EMPTY", "no node passes all the filters", { hint: "kfk graph shows the names, tags and namespaces of the pipeline" });
  }
  return result;
}

/** Errors: PIPELINE_FILTER. */
export function onlyNodes<N extends Identified>(nodes: readonly N[], names: readonly string[]): readonly N[] {
  const known = new Map(nodes.map((node) => [node.name, node]));
  return sortNodes(
    [...new Set(names)].map((name) => {
      const node = known.get(name);
      if (node) return node;
      const near = [...known.keys()].find((each) => each.endsWith(`.${name}`)) ?? suggest(name, known.keys());
      throw new KfkError("PIPELINE_FILTER", `the pipeline has no node "${name}"`, { hint: near === undefined ? "kfk graph shows the nodes" : `did you mean "${near}"?` });
    }),
  );
}

export function withTags<N extends Identified>(nodes: readonly N[], tags: readonly string[]): readonly N[] {
  return sortNodes(nodes.filter((node) => node.tags.some((tag) => tags.includes(tag))));
}

/** Errors: PIPELINE_FILTER for a namespace without nodes. */
export function withNamespaces<N extends Identified>(nodes: readonly N[], namespaces: readonly string[], byPrefix = false): readonly N[] {
  const matches = (node: N, namespace: string): boolean =>
    node.namespace !== null && (node.namespace === namespace || node.namespace.startsWith(byPrefix ? namespace : `${namespace}.`));
  for (const namespace of namespaces) {
    if (!nodes.some((node) => matches(node, namespace))) {
      const near = suggest(namespace, nodes.flatMap((node) => node.namespace ?? []));
      throw new KfkError("PIPELINE_FILTER", `the pipeline has no nodes in the namespace "${namespace}"`, { hint: near === undefined ? "kfk graph shows the namespaces" : `did you mean "${near}"?` });
    }
  }
  return sortNodes(nodes.filter((node) => namespaces.some((namespace) => matches(node, namespace))));
}

/** Nodes that read one of the datasets, and all that follow. Errors: PIPELINE_FILTER. */
export function fromInputs<N extends Identified>(nodes: readonly N[], datasets: readonly string[]): readonly N[] {
  return closure(nodes, readers(nodes, datasets), "down");
}

/** Nodes that make one of the datasets, and all before them. Errors: PIPELINE_FILTER. */
export function toOutputs<N extends Identified>(nodes: readonly N[], datasets: readonly string[]): readonly N[] {
  return closure(nodes, makers(nodes, datasets), "up");
}

/** Nodes that read one of the datasets: `x` in every way of loading, `x@pandas` only so. Errors: PIPELINE_FILTER. */
export function readers<N extends Identified>(nodes: readonly N[], datasets: readonly string[]): readonly N[] {
  checkDatasets(nodes, datasets);
  return sortNodes(nodes.filter((node) => node.inputs.some((input) => datasets.includes(input) || datasets.includes(withoutTranscoding(input)))));
}

/** Nodes that make one of the datasets. Errors: PIPELINE_FILTER. */
export function makers<N extends Identified>(nodes: readonly N[], datasets: readonly string[]): readonly N[] {
  checkDatasets(nodes, datasets);
  return sortNodes(nodes.filter((node) => node.outputs.some((output) => datasets.includes(output) || datasets.includes(withoutTranscoding(output)))));
}

/** The nodes and all that follow. Errors: PIPELINE_FILTER. */
export function fromNodes<N extends Identified>(nodes: readonly N[], names: readonly string[]): readonly N[] {
  return closure(nodes, onlyNodes(nodes, names), "down");
}

/** The nodes and all before them. Errors: PIPELINE_FILTER. */
export function toNodes<N extends Identified>(nodes: readonly N[], names: readonly string[]): readonly N[] {
  return closure(nodes, onlyNodes(nodes, names), "up");
}

// --- internal ---

function checkDatasets(nodes: readonly Identified[], datasets: readonly string[]): void {
  const all = new Set(nodes.flatMap((node) => [...node.inputs, ...node.outputs]).flatMap((name) => [name, withoutTranscoding(name)]));
  for (const dataset of datasets) {
    if (all.has(dataset)) continue;
    const near = suggest(dataset, all);
    throw new KfkError("PIPELINE_FILTER", `the pipeline has no dataset "${dataset}"`, { hint: near === undefined ? "kfk graph shows the datasets" : `did you mean "${near}"?` });
  }
}

function closure<N extends Identified>(nodes: readonly N[], start: readonly N[], way: "up" | "down"): readonly N[] {
  const found = new Map(start.map((node) => [identityOf(node), node]));
  let front = start;
  while (front.length > 0) {
    const names = new Set(front.flatMap((node) => (way === "down" ? node.outputs : node.inputs)).map(withoutTranscoding));
    front = nodes.filter((node) => !found.has(identityOf(node)) && (way === "down" ? node.inputs : node.outputs).some((name) => names.has(withoutTranscoding(name))));
    for (const node of front) found.set(identityOf(node), node);
  }
  return sortNodes([...found.values()]);
}
