/**
 * Nodes → groups: which nodes run together in one step, in one pod, in Kedro's order.
 *
 * `none`: each node alone. `full`: all together. `namespace`: those of one top-level namespace, as Kedro >= 1.0 groups
 * them; others alone. `tag`: those that carry the same tags; a tag `group:…` decides alone where there is one; nodes
 * without tags alone. `memory`: those connected by datasets that are not in the catalog, or are in memory there.
 * Steps must never wait for each other. Where groups would (a node outside stands between two of a group), a namespace
 * or a set of tags is split into several steps, so that every step keeps to its own pod settings; groups of `memory` are
 * joined with what stands between, because what they share may not be picklable.
 */
import { stepId } from "./names.ts";
import { KfkError, type Warning } from "../error.ts";
import { isParameter, type Node, withoutTranscoding } from "../pipeline/model.ts";

export type MergeMode = "none" | "full" | "namespace" | "tag" | "memory";

/** Every mode, from many steps to few. */
export const MERGE_MODES: readonly MergeMode[] = ["none", "memory", "tag", "namespace", "full"];

/** Nodes of one step. */
export interface NodeGroup {
  /** Id of the step (`Step.id`). */
  readonly id: string;
  /** In run order; at least one. */
  readonly nodes: readonly Node[];
}

export interface Grouping {
  /** Each after all it depends on; together they hold every node once. */
  readonly groups: readonly NodeGroup[];
  /** Groups that could not be one step. */
  readonly warnings: readonly Warning[];
}

/**
 * Groups the nodes of a pipeline. `nodes`: in run order. `isInMemory`: of a dataset as written.
 *
 * Ids: of a node alone, its own; of a namespace or of tags, theirs, with a hash where a node is called the same; of
 * `memory`, that of its first node. A node that comes or goes elsewhere changes no id.
 * Errors: PIPELINE_NODE for a node with two tags `group:…`.
 */
export function groupNodes(
  nodes: readonly Node[],
  mode: MergeMode,
  isInMemory: (dataset: string) => boolean,
): Grouping {
  const preds = findPreds(nodes);
  const labels = nodes.map((node) => labelOf(node, mode));
  const first = mode === "memory" ? closeOver(preds, connect(nodes, isInMemory)) : split(preds, labels);
  const groups = orderGroups(preds, first);
  const taken = new Set(nodes.map(({ name }) => name));
  const parts = new Map<string, number>();
  const named = groups.map((members): NodeGroup => {
    const own = members.map((member) => nodes[member] as Node);
    const label = mode === "memory" ? null : (labels[members[0] as number] as string | null);
    if (label === null) return { id: stepId((own[0] as Node).name), nodes: own };
    const part = (parts.get(label) ?? 0) + 1;
    parts.set(label, part);
    return { id: groupId(label, part, taken), nodes: own };
  });
  return {
    groups: named,
    warnings: [...parts].filter(([, count]) => count > 1).map(([label, count]) => wasSplit(label, count, mode)),
  };
}

/** Of each amount (`500m`, `2Gi`) the largest that one of the nodes of a step asks for. */
export function largestAmounts(amounts: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const largest: Record<string, string> = {};
  for (const own of amounts) {
    for (const [name, amount] of Object.entries(own)) {
      const other = largest[name];
      if (other === undefined || sizeOf(amount) > sizeOf(other)) largest[name] = amount;
    }
  }
  return largest;
}

// --- internal ---

/** Node → the nodes that make its inputs, all by their position; every position is after those of its preds. */
function findPreds(nodes: readonly Node[]): number[][] {
  const producers = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    for (const output of node.outputs) producers.set(withoutTranscoding(output), index);
  }
  return nodes.map((node) => [
    ...new Set(node.inputs.flatMap((input) => producers.get(withoutTranscoding(input)) ?? [])),
  ]);
}

/** What nodes of one group have in common; null: nothing with any other node. */
function labelOf(node: Node, mode: MergeMode): string | null {
  switch (mode) {
    case "none":
    case "memory":
      return null;
    case "full":
      return "pipeline";
    case "namespace":
      return node.namespace === null ? null : escapeMarks(node.namespace.split(".")[0] as string);
    case "tag": {
      const chosen = node.tags.filter((tag) => tag.startsWith(GROUP_TAG));
      if (chosen.length > 1) throw twoGroups(node, chosen);
      if (chosen[0] !== undefined) return escapeMarks(chosen[0].slice(GROUP_TAG.length));
      return node.tags.length === 0 ? null : node.tags.map(escapeMarks).join("+");
    }
  }
}

/** `+` and `#` have a meaning in labels. */
function escapeMarks(text: string): string {
  return text.replaceAll(/[+#]/g, "$&$&");
}

/** kedro-vertexai's mark for the same purpose. */
const GROUP_TAG = "group:";

/**
 * Nodes of a label into as few groups as a walk in run order finds: a node joins the last group of its label unless
 * that group would then wait for itself.
 */
function split(preds: readonly (readonly number[])[], labels: readonly (string | null)[]): number[][] {
  const groups: number[][] = [];
  const after: Set<number>[] = [];
  const groupOf: number[] = [];
  const last = new Map<string, number>();
  for (const [node, label] of labels.entries()) {
    const needs = new Set((preds[node] as readonly number[]).map((pred) => groupOf[pred] as number));
    let group = label === null ? undefined : last.get(label);
    if (group === undefined || reaches(after, group, needs)) {
      group = groups.length;
      groups.push([]);
      after.push(new Set());
      if (label !== null) last.set(label, group);
    }
    (groups[group] as number[]).push(node);
    groupOf.push(group);
    for (const need of needs) if (need !== group) (after[need] as Set<number>).add(group);
  }
  return groups;
}

/** True when something behind `from` is among `targets`; `from` itself does not count. */
function reaches(after: readonly ReadonlySet<number>[], from: number, targets: ReadonlySet<number>): boolean {
  if (targets.size === 0 || (targets.size === 1 && targets.has(from))) return false;
  const seen = new Set<number>();
  const stack = [from];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (const next of after[at] as ReadonlySet<number>) {
      if (targets.has(next)) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      stack.push(next);
    }
  }
  return false;
}

/** Group number of each node: those that share a dataset in memory have the same. */
function connect(nodes: readonly Node[], isInMemory: (dataset: string) => boolean): number[] {
  const parent = nodes.map((_, index) => index);
  const find = (node: number): number => {
    let at = node;
    while (parent[at] !== at) at = parent[at] as number;
    parent[node] = at;
    return at;
  };
  const producers = new Map<string, { readonly node: number; readonly output: string }>();
  for (const [node, { outputs }] of nodes.entries()) {
    for (const output of outputs) producers.set(withoutTranscoding(output), { node, output });
  }
  for (const [node, { inputs }] of nodes.entries()) {
    for (const input of inputs) {
      const producer = isParameter(input) ? undefined : producers.get(withoutTranscoding(input));
      if (producer === undefined || !(isInMemory(input) || isInMemory(producer.output))) continue;
      const [a, b] = [find(producer.node), find(node)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  return nodes.map((_, node) => find(node));
}

/** Joins groups that wait for each other, directly or through others: the strongly connected ones (Kosaraju). */
function closeOver(preds: readonly (readonly number[])[], groupOf: readonly number[]): number[][] {
  const before = groupOf.map(() => new Set<number>());
  const after = groupOf.map(() => new Set<number>());
  for (const [node, group] of groupOf.entries()) {
    for (const pred of preds[node] as readonly number[]) {
      const other = groupOf[pred] as number;
      if (other === group) continue;
      before[group]?.add(other);
      after[other]?.add(group);
    }
  }
  const closed = new Map<number, number>();
  for (const start of finishOrder(after, groupOf).toReversed()) {
    if (closed.has(start)) continue;
    const stack = [start];
    closed.set(start, start);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (const next of before[at] as ReadonlySet<number>) {
        if (closed.has(next)) continue;
        closed.set(next, start);
        stack.push(next);
      }
    }
  }
  const groups = new Map<number, number[]>();
  for (const [node, group] of groupOf.entries()) {
    const whole = closed.get(group) as number;
    const members = groups.get(whole);
    if (members) members.push(node);
    else groups.set(whole, [node]);
  }
  return [...groups.values()];
}

/** Groups in the order in which a walk in depth leaves them. */
function finishOrder(after: readonly ReadonlySet<number>[], groupOf: readonly number[]): number[] {
  const seen = new Set<number>();
  const finished: number[] = [];
  for (const start of new Set(groupOf)) {
    if (seen.has(start)) continue;
    seen.add(start);
    const stack = [{ group: start, rest: [...(after[start] as ReadonlySet<number>)] }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next === undefined) {
        finished.push(top.group);
        stack.pop();
      } else if (!seen.has(next)) {
        seen.add(next);
        stack.push({ group: next, rest: [...(after[next] as ReadonlySet<number>)] });
      }
    }
  }
  return finished;
}

/** Groups so that each comes after what it needs; the one with the first node comes first where several could. */
function orderGroups(
  preds: readonly (readonly number[])[],
  groups: readonly (readonly number[])[],
): (readonly number[])[] {
  const groupOf = new Map(groups.flatMap((members, group) => members.map((member) => [member, group] as const)));
  const needs = groups.map((members, group) => {
    const found = new Set(
      members.flatMap((member) => preds[member] as readonly number[]).map((pred) => groupOf.get(pred)),
    );
    found.delete(group);
    return found;
  });
  const ordered: (readonly number[])[] = [];
  const done = new Set<number | undefined>();
  let waiting = [...groups.keys()].toSorted((a, b) => (groups[a]?.[0] as number) - (groups[b]?.[0] as number));
  while (waiting.length > 0) {
    const later: number[] = [];
    for (const group of waiting) {
      if ([...(needs[group] as ReadonlySet<number | undefined>)].every((need) => done.has(need))) {
        done.add(group);
        ordered.push(groups[group] as readonly number[]);
      } else later.push(group);
    }
    if (later.length === waiting.length) throw new Error("groups of nodes wait for each other");
    waiting = later;
  }
  return ordered;
}

function groupId(label: string, part: number, taken: ReadonlySet<string>): string {
  // no node has a name with these marks, so that the ids differ by their hashes
  if (part > 1) return stepId(`${label}#${part}`);
  return stepId(taken.has(label) ? `${label}#` : label);
}

/** A Kubernetes quantity as a number; text that is none counts as 0, and the server will say so. */
function sizeOf(amount: string): number {
  const match = /^([+-]?[0-9.]+)(m|k|Ki|[MGTPE]i?|[eE][+-]?\d+)?$/.exec(amount);
  if (match === null) return 0;
  const [, digits, unit = ""] = match;
  const number = Number(digits);
  if (unit === "") return number;
  if (unit === "m") return number / 1000;
  if (/^[eE][+-]?\d+$/.test(unit)) return number * 10 ** Number(unit.slice(1));
  const power = "kMGTPE".indexOf(unit.charAt(0).replace("K", "k")) + 1;
  return number * (unit.endsWith("i") ? 1024 : 1000) ** power;
}

function wasSplit(label: string, count: number, mode: MergeMode): Warning {
  const what = mode === "tag" ? `the nodes tagged ${label.split("+").join(", ")}` : `the namespace "${label}"`;
  return {
    message: `${what} became ${count} steps: other steps stand between its nodes`,
    hint: "nothing runs in another order; with --merge full all nodes are one step",
  };
}

function twoGroups(node: Node, tags: readonly string[]): KfkError {
  const at = node.source === null ? undefined : { file: node.source.file, line: node.source.line, column: 1 };
  return new KfkError(
    "PIPELINE_NODE",
    `node "${node.name}" has ${tags.length} tags that name a group: ${tags.join(", ")}`,
    {
      at,
      hint: "a node runs in one step: leave one of them",
    },
  );
}
