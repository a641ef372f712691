/**
 * Datasets that cross a step border with nothing to carry them → the error that says so: the first with the nodes that
 * make and read it, how many more there are, and the ways out. Refuses nothing itself.
 */
import { KfkError, type Note } from "../error.ts";
import { type Node, withoutTranscoding } from "../pipeline/model.ts";

export interface Uncarried {
  readonly dataset: string;
  /** How it is kept: `is kept in memory`. */
  readonly what: string;
}

/** `nodes`: those of the run and of the pipeline at its end. `uncarried`: at least one. */
export function noVolume(uncarried: readonly Uncarried[], nodes: readonly Node[]): KfkError {
  const [first, ...others] = uncarried as [Uncarried, ...Uncarried[]];
  const more = others.map(({ dataset }) => `"${dataset}"`);
  const shown = more.length > SHOWN + 1 ? more.slice(0, SHOWN) : more;
  const rest = more.length === shown.length ? "" : ` and ${more.length - shown.length} more`;
  return new KfkError(
    "STEP_VOLUME",
    `dataset "${first.dataset}" goes from one step to another, ${first.what}, and there is no volume`,
    {
      hint: "add a volume: section to run_config in kubeflow.yaml, or name a bucket in run_config.datasets, or run its nodes in one step (merge)",
      notes: [
        ...noteOf(nodes, first.dataset, "outputs", "makes it"),
        ...noteOf(nodes, first.dataset, "inputs", "reads it"),
        ...(more.length === 0 ? [] : [{ message: `the same holds for ${shown.join(", ")}${rest}` }]),
      ],
    },
  );
}

// --- internal ---

/** Names that are shown beside the first. */
const SHOWN = 3;

function noteOf(nodes: readonly Node[], dataset: string, side: "inputs" | "outputs", does: string): Note[] {
  const name = withoutTranscoding(dataset);
  const [node, ...others] = nodes.filter((each) => each[side].some((one) => withoutTranscoding(one) === name));
  if (node === undefined) return [];
  const so = others.length === 0 ? "" : `, and so ${others.length === 1 ? "does" : "do"} ${others.length} more`;
  const at = node.source === null ? undefined : { ...node.source, column: 1 };
  return [{ message: `node "${node.name}" ${does}${so}`, at }];
}
