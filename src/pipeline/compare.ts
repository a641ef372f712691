/**
 * Two models of one project → what differs between them, one line a difference. Pure.
 *
 * Compared: pipelines with the nodes in them (names, inputs, outputs, tags, namespaces, functions, confirms), where
 * datasets live, and parameters. Not compared: order inside a level, places in files, warnings.
 */
import { isSamePlain } from "../config/tree.ts";
import type { Dataset, Model, Node } from "./model.ts";

/** Empty when they are the same. `left` and `right` say what the models are called in the lines. */
export function compareModels(
  a: Model,
  b: Model,
  { left, right }: { readonly left: string; readonly right: string },
): string[] {
  const lines: string[] = [];
  const both = <T>(
    what: string,
    first: ReadonlyMap<unknown, T>,
    second: ReadonlyMap<unknown, T>,
    compare: (name: string, one: T, two: T) => void,
  ): void => {
    for (const [key, one] of first) {
      const two = second.get(key);
      if (two === undefined && !second.has(key)) lines.push(`${what} "${String(key)}": only in ${left}`);
      else compare(String(key), one, two as T);
    }
    for (const key of second.keys()) if (!first.has(key)) lines.push(`${what} "${String(key)}": only in ${right}`);
  };
  const differ = (what: string, one: unknown, two: unknown): void => {
    if (JSON.stringify(one) === JSON.stringify(two)) return;
    lines.push(`${what}: ${JSON.stringify(one)} in ${left}, ${JSON.stringify(two)} in ${right}`);
  };
  differ("Kedro", a.project.kedroVersion, b.project.kedroVersion);
  differ("package", a.project.package, b.project.package);
  differ("environment", a.project.env, b.project.env);
  both("pipeline", a.pipelines, b.pipelines, (pipeline, one, two) => {
    both(`pipeline "${pipeline}", node`, byName(one.nodes), byName(two.nodes), (name, first, second) => {
      for (const key of COMPARED) differ(`pipeline "${pipeline}", node "${name}", ${key}`, first[key], second[key]);
    });
  });
  both("dataset", a.datasets, b.datasets, (name, one, two) => differ(`dataset "${name}"`, where(one), where(two)));
  both("parameter", a.parameters, b.parameters, (name, one, two) => {
    if (!isSamePlain(one, two)) lines.push(`parameter "${name}": another value in ${right} than in ${left}`);
  });
  return lines;
}

// --- internal ---

const COMPARED = [
  "inputs",
  "outputs",
  "tags",
  "namespace",
  "func",
  "named",
  "confirms",
] as const satisfies (keyof Node)[];

function byName(nodes: readonly Node[]): Map<string, Node> {
  return new Map(nodes.map((node) => [node.name, node]));
}

function where({ place, type, path, pattern }: Dataset): object {
  return { place, type, path, pattern };
}
