/**
 * The pipeline model ↔ the payload of the hook `model`. What comes back is laid over the model: nodes may be missing or
 * have other tags, datasets and parameters other values. Refused is whatever the image could not run as the model says:
 * a node that is not the project's, other inputs or outputs, a dataset or a parameter that is gone.
 */
import * as v from "valibot";
import type { ProjectModel, Value, ValueMap } from "../../hooks/contract.ts";
import { modelSchema } from "../../schemas/hooks.ts";
import { byCodePoint, type PlainMap } from "../config/plain.ts";
import type { Dataset, Model, Node, Source } from "../pipeline/model.ts";
import { describeIssue } from "./issue.ts";
import { fromValue, toValue } from "./value.ts";

/** A copy for a hook. */
export function toModelPayload(model: Model): ProjectModel {
  return {
    pipelines: Object.fromEntries(
      [...model.pipelines].map(([name, { nodes }]) => [name, { nodes: nodes.map(toNodePayload) }]),
    ),
    datasets: Object.fromEntries([...model.datasets].map(([name, dataset]) => [name, toDatasetPayload(dataset)])),
    parameters: toValue(model.parameters) as ValueMap,
  };
}

/** A node without what only kfk needs of it. */
export function toNodePayload(node: Node): Node {
  const { name, named, func, inputs, outputs, tags, namespace, confirms, source } = node;
  return { name, named, func, inputs, outputs, tags, namespace, confirms, source: toSourcePayload(source) };
}

/** The model with a hook's changes. `fail`: makes the error from what is wrong. */
export function applyModel(model: Model, answer: Value | undefined, fail: (why: string) => Error): Model {
  const parsed = v.safeParse(modelSchema, answer);
  if (!parsed.success) throw fail(describeIssue(parsed.issues[0]));
  const { pipelines, datasets, parameters } = parsed.output;
  for (const name of Object.keys(pipelines)) {
    if (!model.pipelines.has(name)) throw fail(`the project registers no pipeline "${name}"`);
  }
  for (const name of Object.keys(datasets)) {
    if (!model.datasets.has(name)) throw fail(`no pipeline uses a dataset "${name}"`);
  }
  return {
    ...model,
    pipelines: new Map(
      [...model.pipelines].flatMap(([name, { nodes }]) => {
        const changed = pipelines[name];
        return changed === undefined ? [] : [[name, { nodes: applyNodes(name, nodes, changed.nodes, fail) }] as const];
      }),
    ),
    datasets: new Map(
      [...model.datasets].map(([name, before]) => [name, applyDataset(name, before, datasets[name], fail)]),
    ),
    parameters: applyParameters(model.parameters, parameters as ValueMap, fail),
  };
}

// --- internal ---

function toDatasetPayload({ place, type, path, pattern, source }: Dataset): Dataset {
  return { place, type, path, pattern, source: toSourcePayload(source) };
}

function toSourcePayload(source: Source | null): Source | null {
  return source === null ? null : { file: source.file, line: source.line };
}

/** In the order of the project, whatever order the hook gives. */
function applyNodes(
  pipeline: string,
  before: readonly Node[],
  after: readonly Node[],
  fail: (why: string) => Error,
): readonly Node[] {
  const known = new Map(before.map((node) => [node.name, node]));
  const changed = new Map<string, Node>();
  for (const node of after) {
    const old = known.get(node.name);
    if (old === undefined) throw fail(`the pipeline "${pipeline}" of the project has no node "${node.name}"`);
    if (changed.has(node.name)) throw fail(`the pipeline "${pipeline}" holds the node "${node.name}" twice`);
    for (const key of FIXED) {
      if (JSON.stringify(toNodePayload(old)[key]) === JSON.stringify(node[key])) continue;
      throw fail(`${key} of the node "${node.name}" cannot be changed, because the image runs its own pipeline`);
    }
    // a node keeps what it is inside, where its tags are changed
    changed.set(node.name, { ...old, tags: [...new Set(node.tags)].toSorted(byCodePoint) });
  }
  return before.flatMap(({ name }) => changed.get(name) ?? []);
}

/** All of a node but its tags. */
const FIXED = ["named", "func", "inputs", "outputs", "namespace", "confirms", "source"] as const;

function applyDataset(
  name: string,
  before: Dataset,
  after: Dataset | undefined,
  fail: (why: string) => Error,
): Dataset {
  if (after === undefined) throw fail(`the dataset "${name}" is gone`);
  if (before.place === after.place) return { ...after, source: before.source };
  if (before.place === "parameter" || after.place === "parameter") {
    throw fail(`the place of the dataset "${name}" cannot be changed from ${before.place} to ${after.place}`);
  }
  return { ...after, source: before.source };
}

function applyParameters(before: PlainMap, after: ValueMap, fail: (why: string) => Error): PlainMap {
  const changed = fromValue(after, before) as PlainMap;
  for (const key of before.keys()) {
    if (!changed.has(key)) throw fail(`the parameter "${String(key)}" is gone; give it another value instead`);
  }
  return changed;
}
