/**
 * Order of a pipeline's nodes: who depends on whom, levels, Kedro's run order. Pure; comes in: nodes with unique names
 * and unique outputs (see `check.ts`); goes out: new arrays.
 *
 * Rules: kedro/pipeline/pipeline.py of 0.18.2 to 1.7: a level is every node whose parents are done, sorted by name in
 * code-point order; a child depends on the node whose output, without transcoding, it reads.
 */
import { KfkError } from "../error.ts";
import { withoutTranscoding, type Node } from "./model.ts";

/** -1, 0 or 1 by code point, as Python orders text. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x === y) continue;
    // A surrogate stands for a code point above U+FFFF, which comes behind all others.
    const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
    return rank(x) < rank(y) ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}

/** Node name → names of the nodes it needs, sorted by code point. */
export function dependencies(nodes: readonly Node[]): ReadonlyMap<string, readonly string[]> {
  const makers = new Map<string, string>();
  for (const node of nodes) for (const output of node.outputs) makers.set(withoutTranscoding(output), node.name);
  return new Map(
    nodes.map((node) => {
      const parents = new Set<string>();
      for (const input of node.inputs) {
        const maker = makers.get(withoutTranscoding(input));
        if (maker !== undefined) parents.add(maker);
      }
      return [node.name, [...parents].toSorted(compareCodePoints)];
    }),
  );
}

/** Levels of the graph, each sorted by name. Errors: PIPELINE_CYCLE. */
export function levels<N extends Node>(nodes: readonly N[]): readonly (readonly N[])[] {
  const needs = dependencies(nodes);
  const done = new Set<string>();
  const out: N[][] = [];
  let rest = nodes;
  while (rest.length > 0) {
    const level = rest.filter((node) => (needs.get(node.name) ?? []).every((parent) => done.has(parent)));
    if (level.length === 0) throw cycle(rest, needs);
    for (const node of level) done.add(node.name);
    out.push(level.toSorted((a, b) => compareCodePoints(a.name, b.name)));
    rest = rest.filter((node) => !done.has(node.name));
  }
  return out;
}

/** Kedro's run order. Errors: PIPELINE_CYCLE. */
export function sortNodes<N extends Node>(nodes: readonly N[]): readonly N[] {
  return levels(nodes).flat();
}

// --- internal ---

function cycle(rest: readonly Node[], needs: ReadonlyMap<string, readonly string[]>): KfkError {
  const names = new Set(rest.map((node) => node.name));
  const path: string[] = [];
  let at = rest[0]?.name ?? "";
  while (!path.includes(at)) {
    path.push(at);
    at = (needs.get(at) ?? []).find((parent) => names.has(parent)) ?? at;
  }
  const loop = [...path.slice(path.indexOf(at)), at].toReversed();
  const source = rest.find((node) => node.name === at)?.source;
  return new KfkError("PIPELINE_CYCLE", `the nodes depend on each other in a circle: ${loop.map((name) => `"${name}"`).join(" → ")}`, {
    at: source ? { ...source, column: 1 } : undefined,
    hint: "a dataset cannot be made from itself; give one of the outputs another name",
  });
}
