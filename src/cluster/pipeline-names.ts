/**
 * The names of the pipelines that runs belong to. A run names its version and, from 2.0 on, the id of its pipeline, but
 * `pipeline_name` of v1beta1 is the version's name there (seen on 2.0.5, 2.5.0 and main); before 2.0 only the version is
 * named. So each pipeline, and before 2.0 each version, is asked for once. What is gone has no name.
 */
import { pipelineSchema, versionSchema } from "../../schemas/kfp-api.ts";
import { isMissing } from "./answer.ts";
import { expectJson, request, type Result } from "./request.ts";
import type { RunSummary } from "./runs.ts";
import type { Server } from "./server.ts";

/** Finds the name, null when the run has no pipeline or it is gone. Errors: those of `request`. */
export type PipelineNames = (run: Pick<RunSummary, "pipelineId" | "versionId">) => Promise<string | null>;

/** Remembers what it has asked. */
export function pipelineNames(server: Server): PipelineNames {
  const names = new Map<string, Promise<string | null>>();
  const owners = new Map<string, Promise<string | null>>();
  return async ({ pipelineId, versionId }) => {
    const id =
      pipelineId ?? (versionId === null ? null : await once(owners, versionId, () => askOwner(server, versionId)));
    return id === null ? null : await once(names, id, () => askName(server, id));
  };
}

// --- internal ---

function once<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const there = known.get(key);
  if (there !== undefined) return there;
  const answer = ask();
  known.set(key, answer);
  return answer;
}

async function askName(server: Server, id: string): Promise<string | null> {
  const result = await get(server, `/apis/v1beta1/pipelines/${encodeURIComponent(id)}`);
  return isMissing(result.answer) ? null : expectJson(result, pipelineSchema).name;
}

async function askOwner(server: Server, id: string): Promise<string | null> {
  const result = await get(server, `/apis/v1beta1/pipeline_versions/${encodeURIComponent(id)}`);
  if (isMissing(result.answer)) return null;
  const { resource_references: references } = expectJson(result, versionSchema);
  return references.find(({ key }) => key.type === "PIPELINE")?.key.id ?? null;
}

async function get(server: Server, path: string): Promise<Result> {
  return await request(server, { method: "GET", path, repeat: "always" });
}
