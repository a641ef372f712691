/**
 * Which uploaded version of a pipeline counts: the one with the content that the project compiles to, since that is the
 * one that `upload-pipeline` last called current (after A, B and A again, B is the newest and A is meant); else the
 * newest. Looks only, changes nothing.
 */
import type * as v from "valibot";
import { pipelineListSchema, versionListSchema } from "../../schemas/kfp-api.ts";
import { fetchAll, namesFilter, namespaceQuery } from "./list.ts";
import { contentMark, contentName } from "./pipelines.ts";
import type { Server } from "./server.ts";

export interface UploadedPipeline {
  readonly pipelineId: string;
  readonly pipelineName: string;
  /** Pipelines that have another of the names: the same one, made under an older name. */
  readonly formerIds: readonly string[];
  /** Every version there is. */
  readonly versionIds: readonly string[];
  /** The one that counts. */
  readonly versionId: string;
  readonly versionName: string;
  /** Names of its parameters. */
  readonly declared: readonly string[];
  /** True when it has the content that was asked for. */
  readonly isSame: boolean;
  /** Name of the newest, when that is another one. */
  readonly newer: string | null;
}

/** The pipeline under the first of these names that has one with a version. Errors: those of `request`. */
export async function findUploaded(
  server: Server,
  names: readonly string[],
  text: string,
): Promise<UploadedPipeline | undefined> {
  const query = { filter: namesFilter("v1", names), ...namespaceQuery(server.namespace) };
  const all = await fetchAll(server, `${ROOT}/pipelines`, query, pipelineListSchema, (page) => page.pipelines);
  const known = names.flatMap((name) => all.find((each) => each.name === name) ?? []);
  for (const pipeline of known) {
    const found = await findVersion(server, pipeline, text);
    if (found === undefined) continue;
    return { ...found, formerIds: known.filter((each) => each !== pipeline).map(({ id }) => id) };
  }
  return undefined;
}

// --- internal ---

const ROOT = "/apis/v1beta1";

type Pipeline = v.InferOutput<typeof pipelineListSchema>["pipelines"][number];

async function findVersion(
  server: Server,
  pipeline: Pipeline,
  text: string,
): Promise<Omit<UploadedPipeline, "formerIds"> | undefined> {
  const owner = { "resource_key.type": "PIPELINE", "resource_key.id": pipeline.id };
  const versions = await fetchAll(
    server,
    `${ROOT}/pipeline_versions`,
    owner,
    versionListSchema,
    (page) => page.versions,
  );
  const defaultId = pipeline.default_version?.id;
  // created in the same second: the one that the server calls the default
  const [newest] = versions.toSorted(
    (a, b) =>
      Date.parse(b.created_at) - Date.parse(a.created_at) || Number(b.id === defaultId) - Number(a.id === defaultId),
  );
  if (newest === undefined) return undefined;
  const mark = contentMark(text);
  const same = versions.find((each) => {
    // 1.8 keeps the description of a first version with the pipeline, and gives both one id
    const description = each.description || (each.id === pipeline.id ? pipeline.description : "");
    return each.name === contentName(text) || description.includes(mark);
  });
  const version = same ?? newest;
  return {
    pipelineId: pipeline.id,
    pipelineName: pipeline.name,
    versionIds: versions.map(({ id }) => id),
    versionId: version.id,
    versionName: version.name,
    declared: version.parameters.map(({ name }) => name),
    isSame: same !== undefined,
    newer: newest.id === version.id ? null : newest.name,
  };
}
