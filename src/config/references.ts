/**
 * Raw values → what they refer to with `${…}`, as names of the top level: a change of one changes the other too.
 *
 * Names are found in the text, not by evaluating: a name too many does no harm, as it only says what may follow from
 * what. `${a.b}`, `${runtime_params:a.b, 1}` and `${oc.select:a.b}` all refer to `a`.
 */
import type { ConfigNode, MapNode } from "./tree.ts";

/** Top-level key → the top-level keys that its value follows from, also through others; keys without any are left out. */
export function findReferences(tree: MapNode): Map<string, Set<string>> {
  const direct = new Map<string, Set<string>>();
  for (const [key, node] of tree.entries) {
    const names = new Set(namesIn(node));
    if (typeof key === "string" && names.size > 0) direct.set(key, names);
  }
  return direct;
}

/** The same with what follows through others; a key does not follow from itself. */
export function closeReferences(direct: ReadonlyMap<string, ReadonlySet<string>>): Map<string, readonly string[]> {
  const closed = new Map<string, readonly string[]>();
  for (const key of direct.keys()) {
    const reached = new Set<string>();
    const visit = (name: string): void => {
      for (const next of direct.get(name) ?? []) {
        if (reached.has(next)) continue;
        reached.add(next);
        visit(next);
      }
    };
    visit(key);
    reached.delete(key);
    if (reached.size > 0) closed.set(key, [...reached].toSorted());
  }
  return closed;
}

// --- internal ---

function namesIn(node: ConfigNode): string[] {
  switch (node.kind) {
    case "map":
      return [...node.entries.values()].flatMap(namesIn);
    case "list":
      return node.items.flatMap(namesIn);
    case "scalar":
      return typeof node.value === "string" ? [...node.value.matchAll(NAME)].map(([, name]) => name as string) : [];
    case "opaque":
      return [];
  }
}

/** The first part of a path after `${`, or of the first argument of a resolver that takes a path. */
const NAME = /\$\{\s*(?:(?:runtime_params|oc\.select)\s*:\s*)?['"]?([\w-]+)(?=[\w-]*['"]?\s*(?:[.[,}]|$))/g;
