/**
 * Pipelines as sets of nodes: union, difference, intersection, free inputs and outputs. Pure; results are checked and
 * in Kedro's run order.
 *
 * Rules: kedro/pipeline/pipeline.py, 0.19 to 1.7. Two nodes are the same when name, inputs and outputs *as given* are
 * (`identity`); tags and function take no part, so a union keeps the left copy.
 */
import { checkNodes } from "./check.ts";
import { withoutTranscoding, type Node } from "./model.ts";
import { sortNodes } from "./order.ts";

/** A node that may know how its inputs and outputs were given; without it, the lists stand for them. */
export type Identified = Node & { readonly identity?: string };

/** Text that is equal for nodes that Kedro finds equal. */
export function identityOf(node: Identified): string {
  return node.identity ?? JSON.stringify([node.name, node.inputs, node.outputs]);
}

/** A checked pipeline's nodes in run order. Errors: PIPELINE_*. */
export function makePipeline<N extends Identified>(nodes: readonly N[]): readonly N[] {
  checkNodes(nodes);
  return sortNodes(nodes);
}

/** `a + b` and `a | b`. Errors: PIPELINE_*. */
export function union<N extends Identified>(a: readonly N[], b: readonly N[]): readonly N[] {
  const all = new Map<string, N>();
  for (const node of [...a, ...b]) if (!all.has(identityOf(node))) all.set(identityOf(node), node);
  return makePipeline([...all.values()]);
}

/** `a - b`. */
export function minus<N extends Identified>(a: readonly N[], b: readonly N[]): readonly N[] {
  const drop = new Set(b.map(identityOf));
  return sortNodes(a.filter((node) => !drop.has(identityOf(node))));
}

/** `a & b`. */
export function intersection<N extends Identified>(a: readonly N[], b: readonly N[]): readonly N[] {
  const keep = new Set(b.map(identityOf));
  return sortNodes(a.filter((node) => keep.has(identityOf(node))));
}

/** Datasets that are read and made by no node, in order of appearance; `params:…` among them. */
export function freeInputs(nodes: readonly Node[]): readonly string[] {
  const made = new Set(nodes.flatMap((node) => node.outputs.map(withoutTranscoding)));
  return [...new Set(nodes.flatMap((node) => node.inputs))].filter((name) => !made.has(withoutTranscoding(name)));
}

/** Datasets that are made and read by no node, in order of appearance. */
export function freeOutputs(nodes: readonly Node[]): readonly string[] {
  const used = new Set(nodes.flatMap((node) => node.inputs.map(withoutTranscoding)));
  return [...new Set(nodes.flatMap((node) => node.outputs))].filter((name) => !used.has(withoutTranscoding(name)));
}
