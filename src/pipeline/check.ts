/**
 * Kedro's own checks of a list of nodes, with Kedro's verdict: unique node names, unique outputs, one way of
 * transcoding, unique confirms, no circle. Comes in: nodes; goes out: nothing, or a KfkError with PIPELINE_*.
 *
 * Rules: Pipeline.__init__ of Kedro 0.19.0 to 1.7.0.
 */
import { KfkError, type Place } from "../error.ts";
import { withoutTranscoding, type Node } from "./model.ts";
import { levels } from "./order.ts";

/** Checks all that can be wrong with a pipeline. Errors: PIPELINE_DUPLICATE_NAME, _DUPLICATE_OUTPUT, _NODE, _CYCLE. */
export function checkNodes(nodes: readonly Node[]): void {
  checkNames(nodes);
  checkTranscoding(nodes);
  checkOutputs(nodes);
  checkConfirms(nodes);
  levels(nodes);
}

/** Errors: PIPELINE_DUPLICATE_NAME. */
export function checkNames(nodes: readonly Node[]): void {
  const seen = new Map<string, Node>();
  for (const node of nodes) {
    const first = seen.get(node.name);
    if (first) {
      throw new KfkError("PIPELINE_DUPLICATE_NAME", `two nodes of one pipeline are called "${node.name}"`, {
        at: placeOf(node),
        hint: "give each node(...) a name of its own, or put them into different namespaces",
        notes: [{ message: "the other one", at: placeOf(first) }],
      });
    }
    seen.set(node.name, node);
  }
}

// --- internal ---

function checkTranscoding(nodes: readonly Node[]): void {
  const all = new Set(nodes.flatMap((node) => [...node.inputs, ...node.outputs]));
  for (const dataset of all) {
    if (dataset.split("@").length > 2) {
      throw new KfkError("PIPELINE_NODE", `the dataset name "${dataset}" has more than one "@"`, { at: placeOf(user(nodes, dataset)), hint: "one @ separates the name from the way it is loaded" });
    }
  }
  for (const dataset of all) {
    const base = withoutTranscoding(dataset);
    if (base !== dataset && all.has(base)) {
      throw new KfkError("PIPELINE_NODE", `the dataset "${base}" is used both as "${base}" and as "${dataset}"`, { at: placeOf(user(nodes, base)), hint: `write "${base}@…" everywhere, or rename one of them` });
    }
  }
}

function checkOutputs(nodes: readonly Node[]): void {
  const makers = new Map<string, Node>();
  for (const node of nodes) {
    for (const output of node.outputs) {
      const base = withoutTranscoding(output);
      const first = makers.get(base);
      if (first) {
        throw new KfkError("PIPELINE_DUPLICATE_OUTPUT", `the dataset "${base}" is an output of two nodes: "${first.name}" and "${node.name}"`, {
          at: placeOf(node),
          hint: "give one of the outputs another name",
          notes: [{ message: "the other one", at: placeOf(first) }],
        });
      }
      makers.set(base, node);
    }
  }
}

function checkConfirms(nodes: readonly Node[]): void {
  const seen = new Map<string, Node>();
  for (const node of nodes) {
    for (const dataset of node.confirms) {
      const base = withoutTranscoding(dataset);
      if (seen.has(base)) throw new KfkError("PIPELINE_NODE", `the dataset "${base}" is confirmed by more than one node`, { at: placeOf(node), hint: "confirm it in one node" });
      seen.set(base, node);
    }
  }
}

function user(nodes: readonly Node[], dataset: string): Node | undefined {
  return nodes.find((node) => node.inputs.includes(dataset) || node.outputs.includes(dataset));
}

function placeOf(node: Node | undefined): Place | undefined {
  return node?.source ? { file: node.source.file, line: node.source.line, column: 1 } : undefined;
}
