/**
 * What `introspect.py` answers → pipelines, parameters and catalog, in the forms that the static way gives too.
 *
 * Comes in: the JSON after the mark. Goes out: values. A parameter or an entry that has no JSON (made by a resolver of
 * the project) is left out with a warning, or opaque. Refused: an error that the project raised, with its last lines.
 */
import { parseJson, decodePlain } from "../pipeline/saved.ts";
import { adopt, type ConfigNode, fromPlain, type MapNode } from "../config/tree.ts";
import type { PlainKey, PlainMap } from "../config/plain.ts";
import { KfkError, type Warning } from "../error.ts";
import type { Node, Pipeline } from "../pipeline/model.ts";
import { buildParameters } from "../config/parameters.ts";

export interface Asked {
  readonly kedroVersion: string;
  readonly package: string;
  readonly name: string;
  readonly env: string;
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  readonly parameters: PlainMap;
  readonly parameterTree: MapNode;
  readonly catalog: MapNode;
  readonly warnings: readonly Warning[];
}

/** Reads the answer. `python`: who gave it, for messages. Errors: PY_RAISED, LOCAL_PYTHON for an answer of another form. */
export function readAsked(text: string, python: string): Asked {
  const answer = parseJson(text, `the answer of ${python}`) as Answer | Failure;
  if ("error" in answer) throw raised(answer, python);
  const fail = (what: string): KfkError => new KfkError("LOCAL_PYTHON", `the answer of ${python} ${what}`);
  const parameterTree = mapFrom(answer.parameters, fail);
  const parameters = buildParameters(parameterTree);
  return {
    kedroVersion: answer.kedro,
    package: answer.package,
    name: answer.name,
    env: answer.env,
    pipelines: new Map(answer.pipelines.map(([name, nodes]) => [name, { nodes: nodes.map(readNode) }])),
    parameters: parameters.values,
    parameterTree,
    catalog: withoutPrivate(mapFrom(answer.catalog, fail)),
    warnings: [
      ...answer.notes.map((message) => ({ message })),
      ...[...parameters.opaque].map(([key, { reason }]) => ({
        message: `parameter "${key}" stays in the image's conf: ${reason}`,
      })),
    ],
  };
}

// --- internal ---

interface Failure {
  readonly error: { readonly type: string; readonly message: string; readonly trace: readonly string[] };
}

interface Answer {
  readonly kedro: string;
  readonly package: string;
  readonly name: string;
  readonly env: string;
  readonly pipelines: readonly (readonly [string, readonly RawNode[]])[];
  readonly parameters: unknown;
  readonly catalog: unknown;
  readonly notes: readonly string[];
}

type RawNode = Omit<Node, "source"> & { readonly source: { readonly file: string; readonly line: bigint } | null };

function readNode(raw: RawNode): Node {
  return { ...raw, source: raw.source === null ? null : { file: raw.source.file, line: Number(raw.source.line) } };
}

function mapFrom(value: unknown, fail: (what: string) => KfkError): MapNode {
  const node = nodeFrom(value, fail);
  if (node.kind !== "map") throw fail("holds configuration that is no mapping");
  return node;
}

function nodeFrom(value: unknown, fail: (what: string) => KfkError): ConfigNode {
  if (Array.isArray(value)) {
    return adopt({ kind: "list", items: value.map((item) => nodeFrom(item, fail)), at: undefined });
  }
  if (typeof value === "object" && value !== null) {
    const { $map: pairs, $opaque: type } = value as { readonly $map?: unknown; readonly $opaque?: unknown };
    if (Array.isArray(pairs)) {
      const entries = new Map<PlainKey, ConfigNode>();
      for (const [key, item] of pairs as [unknown, unknown][]) {
        const plain = decodePlain(key, fail);
        if (typeof plain === "object" && plain !== null) throw fail("holds a key that is no scalar");
        entries.set(plain, nodeFrom(item, fail));
      }
      return adopt({ kind: "map", entries, at: undefined });
    }
    if (typeof type === "string") return { kind: "opaque", reason: `it is an object of ${type}`, at: undefined };
  }
  return fromPlain(decodePlain(value, fail), undefined, { literal: true });
}

function withoutPrivate(tree: MapNode): MapNode {
  for (const key of tree.entries.keys()) if (typeof key === "string" && key.startsWith("_")) tree.entries.delete(key);
  return tree;
}

function raised({ error }: Failure, python: string): KfkError {
  const [message = ""] = error.message.split("\n");
  const what = message === "" ? error.type : `${error.type}: ${message}`;
  const isMissing = /^(?:ModuleNotFoundError|ImportError|LeftOut)$/.test(error.type);
  return new KfkError("PY_RAISED", `the project cannot be read with ${python}: ${what}`, {
    notes: error.trace.map((line) => ({ message: line })),
    hint: isMissing
      ? "install the project's requirements there, or choose another interpreter with --python"
      : "correct the project; Kedro stops here too",
  });
}
