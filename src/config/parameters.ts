/**
 * Parameters of an environment as Kedro's nodes see them: the values, and the dataset names that stand for them.
 *
 * Comes in: the resolved tree. Goes out: plain values, the top-level keys that only Python could know (kept out of the
 * values), and which `params:…` names exist. Kedro makes names for mappings at every level, not into lists.
 * Source: Kedro 0.19 to 1.7 `KedroContext._get_parameters`.
 */
import type { Place } from "../error.ts";
import type { Plain, PlainKey } from "./plain.ts";
import { pythonStr } from "./python-text.ts";
import { hasSecretForm, isSecretKey } from "../secrets.ts";
import { findOpaque, placeOf, toPlain, type ConfigNode, type MapNode } from "./tree.ts";

export interface Parameters {
  /** Top-level keys in order; those in `opaque` are missing here. */
  readonly values: ReadonlyMap<PlainKey, Plain>;
  /** Top-level keys whose value holds something that cannot be known without running Python, or must not be shown. */
  readonly opaque: ReadonlyMap<string, OpaqueParameter>;
  /** Whether a node may ask for a name like `params:a.b`; "unknown" below an opaque value. */
  readonly has: (dataset: string) => "yes" | "no" | "unknown";
  /** The value behind a name like `params:a.b`, undefined when there is none or it is opaque. */
  readonly get: (dataset: string) => Plain | undefined;
  /** All names, `parameters` first. */
  readonly names: () => readonly string[];
  /** Where a value was set, by its keys from the top. */
  readonly placeOf: (path: readonly PlainKey[]) => Place | undefined;
}

export interface OpaqueParameter {
  /** The keys down to the opaque value, joined by dots. */
  readonly path: string;
  readonly reason: string;
  readonly at: Place | undefined;
}

/** Parameters from a resolved tree. */
export function buildParameters(tree: MapNode): Parameters {
  const values = new Map<PlainKey, Plain>();
  const opaque = new Map<string, OpaqueParameter>();
  for (const [key, node] of tree.entries) {
    const found = findOpaque(node, [key]);
    if (found) {
      const path = found.path.map(pythonStr).join(".");
      opaque.set(pythonStr(key), { path, reason: found.node.reason, at: placeOf(found.node.at) });
      continue;
    }
    const secret = findSecret(node, [key]);
    if (secret) {
      const path = secret.path.map(pythonStr).join(".");
      opaque.set(pythonStr(key), { path, reason: `"${path}" looks like a secret`, at: placeOf(secret.node.at) });
      continue;
    }
    const value = toPlain(node);
    if (value !== undefined) values.set(key, value);
  }
  let index: Map<string, ConfigNode> | undefined;
  const nodes = (): Map<string, ConfigNode> => (index ??= indexNames(tree));
  return {
    values,
    opaque,
    has: (dataset) => {
      if (dataset === "parameters" || nodes().has(dataset)) return "yes";
      return isBelowOpaque(nodes(), dataset) ? "unknown" : "no";
    },
    get: (dataset) => {
      if (dataset === "parameters") return opaque.size === 0 ? values : undefined;
      const node = nodes().get(dataset);
      return node && toPlain(node);
    },
    names: () => ["parameters", ...nodes().keys()],
    placeOf: (path) => {
      let node: ConfigNode | undefined = tree;
      for (const key of path) {
        if (node?.kind === "map") node = node.entries.get(key);
        else if (node?.kind === "list") node = node.items[Number(key)];
        else return undefined;
      }
      return placeOf(node?.keyAt ?? node?.at);
    },
  };
}

// --- internal ---

/** Text that looks like a secret, by itself or by its key: parameters are public on a server. */
function findSecret(
  node: ConfigNode,
  path: readonly PlainKey[],
): { readonly node: ConfigNode; readonly path: readonly PlainKey[] } | undefined {
  if (node.kind === "scalar") {
    const key = path.at(-1);
    const isText = typeof node.value === "string" && node.value !== "";
    const isSecret = isText && ((typeof key === "string" && isSecretKey(key)) || hasSecretForm(node.value as string));
    return isSecret ? { node, path } : undefined;
  }
  if (node.kind === "opaque") return undefined;
  const children =
    node.kind === "map"
      ? [...node.entries]
      : node.items.map((item): [PlainKey, ConfigNode] => [path.at(-1) ?? "", item]);
  for (const [key, child] of children) {
    const found = findSecret(child, node.kind === "map" ? [...path, key] : path);
    if (found) return found;
  }
  return undefined;
}

/** A later key wins where a literal `a.b` meets a nested one. */
function indexNames(tree: MapNode): Map<string, ConfigNode> {
  const names = new Map<string, ConfigNode>();
  const add = (name: string, node: ConfigNode): void => {
    names.set(`params:${name}`, node);
    if (node.kind === "map") for (const [key, child] of node.entries) add(`${name}.${pythonStr(key)}`, child);
  };
  for (const [key, node] of tree.entries) add(pythonStr(key), node);
  return names;
}

function isBelowOpaque(nodes: ReadonlyMap<string, ConfigNode>, dataset: string): boolean {
  for (let at = dataset.lastIndexOf("."); at > 0; at = dataset.lastIndexOf(".", at - 1)) {
    if (nodes.get(dataset.slice(0, at))?.kind === "opaque") return true;
  }
  return false;
}
