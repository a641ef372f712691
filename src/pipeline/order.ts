/**
 * Nodes → Kedro's run order: levels of nodes whose producers are all done, each level sorted by name (Kedro >= 0.18.2).
 */
import { byCodePoint } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import { withoutTranscoding } from "./model.ts";
import type { BuiltNode } from "./node.ts";

/** Node → the nodes that make its inputs; transcoded names are one dataset. */
function findParents(nodes: readonly BuiltNode[]): Map<BuiltNode, Set<BuiltNode>> {
  const producers = new Map<string, BuiltNode>();
  for (const node of nodes) for (const output of node.outputs) producers.set(withoutTranscoding(output), node);
  return new Map(
    nodes.map((node) => {
      const parents = new Set<BuiltNode>();
      for (const input of node.inputs) {
        const producer = producers.get(withoutTranscoding(input));
        if (producer !== undefined) parents.add(producer);
      }
      return [node, parents] as const;
    }),
  );
}

/** All nodes in run order. Errors: PIPELINE_CYCLE with the nodes of one circle. */
export function orderNodes(nodes: readonly BuiltNode[]): BuiltNode[] {
  const parents = findParents(nodes);
  const children = new Map<BuiltNode, BuiltNode[]>();
  const missing = new Map<BuiltNode, number>();
  for (const [node, needed] of parents) {
    missing.set(node, needed.size);
    for (const parent of needed) {
      const list = children.get(parent);
      if (list) list.push(node);
      else children.set(parent, [node]);
    }
  }
  const ordered: BuiltNode[] = [];
  let level = nodes.filter((node) => missing.get(node) === 0);
  while (level.length > 0) {
    ordered.push(...level.toSorted((a, b) => byCodePoint(a.name, b.name) || byCodePoint(a.key, b.key)));
    const next: BuiltNode[] = [];
    for (const node of level) {
      for (const child of children.get(node) ?? []) {
        const left = (missing.get(child) ?? 0) - 1;
        missing.set(child, left);
        if (left === 0) next.push(child);
      }
    }
    level = next;
  }
  if (ordered.length < nodes.length) throw cycle(nodes, parents, new Set(ordered));
  return ordered;
}

// --- internal ---

function cycle(
  nodes: readonly BuiltNode[],
  parents: ReadonlyMap<BuiltNode, ReadonlySet<BuiltNode>>,
  done: ReadonlySet<BuiltNode>,
): KfkError {
  // Every node that is left has a parent that is left: walking up must come round.
  const path: BuiltNode[] = [];
  let at = nodes.find((node) => !done.has(node)) as BuiltNode;
  while (!path.includes(at)) {
    path.push(at);
    at = [...(parents.get(at) ?? [])].find((parent) => !done.has(parent)) as BuiltNode;
  }
  const circle = path.slice(path.indexOf(at)).toReversed();
  const names = [...circle, circle[0] as BuiltNode].map(({ name }) => name).join(" → ");
  return new KfkError("PIPELINE_CYCLE", `these nodes wait for each other: ${names}`, {
    at: at.spec.place,
    notes: circle.slice(1).map(({ name, spec }) => ({ message: `node "${name}"`, at: spec.place })),
    hint: "let one of them write another dataset",
  });
}
