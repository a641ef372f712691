/**
 * The pipeline model: what kfk knows about a Kedro project once it is read. Everything downstream (steps, documents,
 * local runs, lint) works from these values alone.
 *
 * Words, spelt as Kedro spells them: a *node* is one function call with named inputs and outputs; a *pipeline* is a
 * set of nodes in Kedro's run order; a *dataset* is anything a node reads or writes (`params:x` and `parameters`
 * included); a *catalog entry* says how a dataset is kept; a *registry* maps names to pipelines.
 */
import type { PlainMap } from "../config/plain.ts";
import type { Warning } from "../error.ts";

/** One node, after namespaces, tags and mappings are applied. */
export interface Node {
  /** Full name with namespace; unique inside a pipeline. */
  readonly name: string;
  /** False: the name is Kedro's automatic one, whose text depends on the Kedro version. */
  readonly named: boolean;
  /** `module.function`, or what stands for it (`<lambda>`, `<partial>`); never used for the graph. */
  readonly func: string;
  /** In Kedro's order; may repeat a dataset. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Sorted by code point. */
  readonly tags: readonly string[];
  readonly namespace: string | null;
  readonly confirms: readonly string[];
  /** Where the `node(...)` call stands: path relative to the project, line from 1. */
  readonly source: Source | null;
}

export interface Source {
  readonly file: string;
  readonly line: number;
}

export interface Pipeline {
  /** Levels of the dependency graph one after the other, each sorted by name (Kedro >= 0.18.2). */
  readonly nodes: readonly Node[];
}

/** Where the content of a dataset lives, as far as steps are concerned. */
export type DatasetPlace =
  /** In the memory of the process that made it: not in the catalog, or a memory type. */
  | "memory"
  /** `parameters` or `params:…`: every process builds it again from conf. */
  | "parameter"
  /** A path below the project folder. */
  | "local"
  /** An absolute path on the machine. */
  | "absolute"
  /** A URL (s3://, gs://, https://, …). */
  | "remote"
  /** No path at all: databases, APIs. */
  | "external"
  /** The catalog entry cannot be known without running Python (a custom resolver, a code-made entry). */
  | "opaque";

export interface Dataset {
  readonly place: DatasetPlace;
  /** `type` of the catalog entry as written, null for memory defaults and parameters. */
  readonly type: string | null;
  /** Path or URL as written after interpolation, null where there is none. */
  readonly path: string | null;
  /** The factory pattern that matched, null for exact entries and defaults. */
  readonly pattern: string | null;
  /** The catalog entry's place, null where there is none. */
  readonly source: Source | null;
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
