/**
 * The pipeline model: what kfk knows about a Kedro project once it is read. Everything downstream (steps, documents,
 * local runs, lint) works from these values alone.
 *
 * Words, spelt as Kedro spells them: a *node* is one function call with named inputs and outputs; a *pipeline* is a
 * set of nodes in Kedro's run order; a *dataset* is anything a node reads or writes (`params:x` and `parameters`
 * included); a *catalog entry* says how a dataset is kept; a *registry* maps names to pipelines. Types that hooks see
 * are written in `hooks/contract.ts`.
 */
import type { PlainMap } from "../config/plain.ts";
import type { Dataset, Node } from "../../hooks/contract.ts";
import type { Warning } from "../error.ts";

export type { Dataset, DatasetPlace, Node, Source } from "../../hooks/contract.ts";

export interface Pipeline {
  /** Levels of the dependency graph one after the other, each sorted by name (Kedro >= 0.18.2). */
  readonly nodes: readonly Node[];
}

/** What the model says about the project itself. */
export interface ModelProject {
  readonly name: string;
  readonly package: string;
  /** The Kedro version that names and rules were taken from. */
  readonly kedroVersion: string;
  /** Run environment that configuration was read for. */
  readonly env: string;
  /** Where the graph came from. */
  readonly from: "static" | "python" | "image" | "file";
}

export interface Model {
  readonly kfkModel: 1;
  readonly project: ModelProject;
  /** In registry order. */
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  /** Every dataset that some pipeline reads or writes, sorted by name. */
  readonly datasets: ReadonlyMap<string, Dataset>;
  /** Kedro's `parameters` for the environment. */
  readonly parameters: PlainMap;
  /** Answers of the world that the graph depends on (`env:NAME`, `file:path`, `conf:key`), sorted. */
  readonly dependsOn: readonly string[];
  readonly warnings: readonly Warning[];
}

/** A dataset name without its transcoding suffix: `x@pandas` → `x`. Dependencies are between these. */
export function withoutTranscoding(dataset: string): string {
  const at = dataset.indexOf("@");
  return at < 0 ? dataset : dataset.slice(0, at);
}

/** True for `parameters` and `params:…`, which no node produces. */
export function isParameter(dataset: string): boolean {
  return dataset === "parameters" || dataset.startsWith("params:");
}
