/**
 * Nodes as Kedro builds them: what was written, and the name, order of inputs and checks that follow from it.
 *
 * A node can be made again with other dataset names (namespaces) or tags; its automatic name changes with them, so the
 * rule that makes names comes along. Rules: reference/kedro-semantics.md 2.2 to 2.4 (Kedro 0.16 to 1.7).
 */
import { byCodePoint } from "../config/plain.ts";
import { KfkError, type Place } from "../error.ts";
import type { Node } from "./model.ts";

/** Inputs or outputs as written: nothing, one name, a list, or argument → name. */
export type Datasets =
  | { readonly kind: "none" }
  | { readonly kind: "one"; readonly name: string }
  | { readonly kind: "list"; readonly names: readonly string[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [string, string])[] };

/** What differs between Kedro versions. */
export interface NodeRules {
  /** Names are checked (0.17.0). */
  readonly checksNames: boolean;
  /** Tags are checked (0.19.0). */
  readonly checksTags: boolean;
  /** Outputs given as a dict are sorted (below 0.17.6). */
  readonly sortsOutputs: boolean;
  /** What can be bound by keyword only is sorted by dataset (0.16). */
  readonly sortsKeywords: boolean;
}

export interface NodeSpec {
  readonly rules: NodeRules;
  /** `module.name` of the function, for people. */
  readonly func: string;
  readonly inputs: Datasets;
  readonly outputs: Datasets;
  /** As given, without namespace; null: automatic. */
  readonly name: string | null;
  readonly tags: readonly string[];
  readonly confirms: readonly string[];
  readonly namespace: string | null;
  readonly place: Place;
  /** Lists and dictionaries of the program that the node shares; `kedro/objects.ts` sees that they stay as they were. */
  readonly shared?: unknown[];
  /** Why its datasets cannot get another name: set where their text differs between versions of Python. */
  readonly unnamable?: string;
  /** Parameter names of the function in order, `*` and `**` left out; undefined: not known. */
  readonly signature: () => readonly string[] | undefined;
  /** The automatic name, without namespace, for these inputs and outputs. Errors: PY_UNKNOWN where it cannot be known. */
  readonly autoName: (inputs: readonly string[], outputs: readonly string[]) => string;
}

/** A node of the model that remembers how it was written. */
export interface BuiltNode extends Node {
  readonly spec: NodeSpec;
  /** Equal for nodes that Kedro finds equal: name, inputs and outputs as given. */
  readonly key: string;
}

/** Builds a node with Kedro's own checks. Errors: PIPELINE_NODE. */
export function buildNode(spec: NodeSpec): BuiltNode {
  const inputs = orderInputs(spec);
  const { rules } = spec;
  const given = namesOf(spec.outputs);
  const outputs = rules.sortsOutputs && spec.outputs.kind === "dict" ? given.toSorted(byCodePoint) : given;
  if (inputs.length === 0 && outputs.length === 0) {
    throw bad(spec, "a node needs at least one input or output");
  }
  const doubled = outputs.find((name, index) => outputs.indexOf(name) !== index);
  if (doubled !== undefined) throw bad(spec, `the output "${doubled}" is named twice`);
  const plainInputs = new Set(inputs.map(withoutFormat));
  const both = outputs.find((name) => plainInputs.has(withoutFormat(name)));
  if (both !== undefined) throw bad(spec, `"${both}" is both input and output of one node`);
  for (const name of [...inputs, ...outputs]) {
    if (name.split("@").length > 2) throw bad(spec, `the dataset name "${name}" has more than one @`);
  }
  if (rules.checksNames && spec.name !== null && !/^[\p{L}\p{M}\p{N}_.-]+$/u.test(spec.name)) {
    throw bad(
      spec,
      `the name "${spec.name}" has other characters than letters, digits, hyphens, underscores and full stops`,
    );
  }
  const badTag = rules.checksTags ? spec.tags.find((tag) => !/^[\p{L}\p{M}\p{N}_.-]+$/u.test(tag)) : undefined;
  if (badTag !== undefined)
    throw bad(spec, `the tag "${badTag}" has other characters than letters, digits, _, - and .`);
  const own = spec.name ?? spec.autoName(inputs, outputs);
  const name = spec.namespace === null ? own : `${spec.namespace}.${own}`;
  return {
    spec,
    name,
    named: spec.name !== null,
    func: spec.func,
    inputs,
    outputs,
    tags: [...new Set(spec.tags)].toSorted(byCodePoint),
    namespace: spec.namespace,
    confirms: spec.confirms,
    source: { file: spec.place.file, line: spec.place.line },
    key: JSON.stringify([name, keyOf(spec.inputs), keyOf(spec.outputs)]),
  };
}

/** The same node with other dataset names and another namespace. */
export function renameNode(
  node: BuiltNode,
  rename: (dataset: string) => string,
  namespace: string | null,
  mapsConfirms = true,
): BuiltNode {
  const { spec } = node;
  return buildNode({
    ...spec,
    inputs: mapDatasets(spec.inputs, rename),
    outputs: mapDatasets(spec.outputs, rename),
    confirms: mapsConfirms ? spec.confirms.map(rename) : spec.confirms,
    namespace,
  });
}

/** The same node with more tags. */
export function tagNode(node: BuiltNode, tags: readonly string[]): BuiltNode {
  return tags.length === 0 ? node : buildNode({ ...node.spec, tags: [...node.spec.tags, ...tags] });
}

// --- internal ---

function namesOf(datasets: Datasets): string[] {
  switch (datasets.kind) {
    case "none":
      return [];
    case "one":
      return [datasets.name];
    case "list":
      return [...datasets.names];
    case "dict":
      return datasets.entries.map(([, name]) => name);
  }
}

/** A dict is bound to the function by keyword: signature order, then what `**kwargs` takes, in the dict's order. */
function orderInputs(spec: NodeSpec): string[] {
  if (spec.inputs.kind !== "dict") return namesOf(spec.inputs);
  const { entries } = spec.inputs;
  if (entries.length < 2) return namesOf(spec.inputs);
  const signature = spec.signature();
  if (signature === undefined) {
    // The order is part of nothing but an automatic name.
    if (spec.name !== null) return namesOf(spec.inputs);
    throw new KfkError(
      "PY_UNKNOWN",
      `the order of the inputs needs the parameters of ${spec.func}, which are not known`,
      {
        at: spec.place,
        hint: "give the node a name, or its inputs as a list",
      },
    );
  }
  const rank = (argument: string): number => {
    const index = signature.indexOf(argument);
    return index < 0 ? signature.length : index;
  };
  return entries
    .map(([argument, name], index) => ({ rank: rank(argument), index, name }))
    .toSorted((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ name }) => name);
}

function mapDatasets(datasets: Datasets, rename: (dataset: string) => string): Datasets {
  switch (datasets.kind) {
    case "none":
      return datasets;
    case "one":
      return { kind: "one", name: rename(datasets.name) };
    case "list":
      return { kind: "list", names: datasets.names.map(rename) };
    case "dict":
      return { kind: "dict", entries: datasets.entries.map(([key, name]) => [key, rename(name)] as const) };
  }
}

function keyOf(datasets: Datasets): unknown {
  if (datasets.kind === "dict") return datasets.entries.toSorted(([a], [b]) => byCodePoint(a, b));
  return datasets.kind === "one" ? datasets.name : namesOf(datasets);
}

function withoutFormat(name: string): string {
  return name.split("@", 1)[0] as string;
}

function bad(spec: NodeSpec, message: string): KfkError {
  const who = spec.name === null ? `the node of ${spec.func}` : `node "${spec.name}"`;
  return new KfkError("PIPELINE_NODE", `${who}: ${message}`, {
    at: spec.place,
    hint: "Kedro refuses it too; correct the node",
  });
}
