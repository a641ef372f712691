/**
 * Which versions of a pipeline were uploaded, and which of them counts for a schedule: the newest, when it has the
 * content that the project compiles to, or when no version has. An older version of that content is not chosen by
 * itself: whoever asks is told of both. What `run-once` made for a run is no upload. Looks only, changes nothing.
 */
import { type Pipeline, pipelineApi } from "./pipeline-api.ts";
import type { Server } from "./server.ts";
import { hasContent, type MarkedVersion, markedVersion, uploadsOf } from "./version-mark.ts";

export interface KnownPipeline {
  readonly pipelineId: string;
  readonly pipelineName: string;
  /** Pipelines that have another of the names: the same one, made under an older name. */
  readonly formerIds: readonly string[];
  /** Every version there is. */
  readonly versionIds: readonly string[];
  readonly versions: readonly MarkedVersion[];
  /** Those that were uploaded, the newest first. */
  readonly uploads: readonly MarkedVersion[];
}

/** The version that counts, or the two of which the project's own is the older. */
export type Choice =
  | { readonly kind: "same" | "other"; readonly version: MarkedVersion }
  | { readonly kind: "older"; readonly own: MarkedVersion; readonly newer: MarkedVersion };

/** The pipelines under these names that have versions, in the order of the names. Errors: those of `request`. */
export async function findPipelines(server: Server, names: readonly string[]): Promise<readonly KnownPipeline[]> {
  const all = await pipelineApi("argo").find(server, names);
  const named = names.flatMap((name) => all.find((each) => each.name === name) ?? []);
  const found: KnownPipeline[] = [];
  for (const each of named) {
    const formerIds = named.filter((other) => other !== each).map(({ id }) => id);
    const known = await readPipeline(server, each, formerIds);
    if (known.versions.length > 0) found.push(known);
  }
  return found;
}

/** Chooses; undefined when nothing was uploaded. */
export function chooseUpload({ uploads }: KnownPipeline, text: string): Choice | undefined {
  const [newest] = uploads;
  if (newest === undefined) return undefined;
  const own = uploads.find((each) => hasContent(each, text));
  if (own === undefined) return { kind: "other", version: newest };
  return own === newest ? { kind: "same", version: own } : { kind: "older", own, newer: newest };
}

// --- internal ---

async function readPipeline(server: Server, pipeline: Pipeline, formerIds: readonly string[]): Promise<KnownPipeline> {
  const raw = await pipelineApi("argo").versions(server, pipeline.id);
  const versions = raw.map((each) => markedVersion(pipeline, each));
  return {
    pipelineId: pipeline.id,
    pipelineName: pipeline.name,
    formerIds,
    versionIds: versions.map(({ id }) => id),
    versions,
    uploads: uploadsOf(versions, pipeline.default_version?.id),
  };
}
