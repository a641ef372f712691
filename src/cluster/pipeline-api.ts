/**
 * Pipelines and their versions in the words of either API → one form. v1beta1 serves Argo documents on every server;
 * v2beta1 serves pipeline specifications, from 2.0 on, and is the only one that a Kubernetes store has
 * (reference/kfp-api.md 2.2 and 3).
 */
import type * as v from "valibot";
import {
  pipelineListSchema,
  pipelineListV2Schema,
  pipelineSchema,
  pipelineV2Schema,
  versionListSchema,
  versionListV2Schema,
  versionSchema,
  versionV2Schema,
} from "../../schemas/kfp-api.ts";
import { fetchAll, namesFilter, namespaceQuery } from "./list.ts";
import { expectJson, type Result } from "./request.ts";
import type { Server } from "./server.ts";

export type Pipeline = Pick<v.InferOutput<typeof pipelineSchema>, "id" | "name" | "description" | "default_version">;
type V1Version = v.InferOutput<typeof versionSchema>;
/** v2beta1 names no parameters. */
export type Version = Pick<V1Version, "id" | "name" | "description" | "created_at"> &
  Partial<Pick<V1Version, "parameters">>;

export interface PipelineApi {
  /** Path below which it lies. */
  readonly root: string;
  /** Those that have one of the names; servers compare loosely, so more may come. */
  readonly find: (server: Server, names: readonly string[]) => Promise<readonly Pipeline[]>;
  readonly versions: (server: Server, pipelineId: string) => Promise<readonly Version[]>;
  /** Answers of the two upload routes. Errors: those of `expectJson`. */
  readonly readPipeline: (result: Result) => Pipeline;
  readonly readVersion: (result: Result) => Version;
}

/** The API for a kind of document. */
export function pipelineApi(kind: "argo" | "ir"): PipelineApi {
  return kind === "argo" ? V1 : V2;
}

// --- internal ---

const V1: PipelineApi = {
  root: "/apis/v1beta1",
  find: async (server, names) => {
    const query = { filter: namesFilter("v1", names), ...namespaceQuery(server.namespace) };
    return await fetchAll(server, "/apis/v1beta1/pipelines", query, pipelineListSchema, (page) => page.pipelines);
  },
  versions: async (server, id) => {
    const query = { "resource_key.type": "PIPELINE", "resource_key.id": id };
    return await fetchAll(server, "/apis/v1beta1/pipeline_versions", query, versionListSchema, (page) => page.versions);
  },
  readPipeline: (result) => expectJson(result, pipelineSchema),
  readVersion: (result) => expectJson(result, versionSchema),
};

const V2: PipelineApi = {
  root: "/apis/v2beta1",
  find: async (server, names) => {
    const scope = server.namespace === null ? {} : { namespace: server.namespace };
    const query = { filter: namesFilter("v2", names), ...scope };
    return await fetchAll(server, "/apis/v2beta1/pipelines", query, pipelineListV2Schema, (page) => page.pipelines);
  },
  versions: async (server, id) => {
    const path = `/apis/v2beta1/pipelines/${encodeURIComponent(id)}/versions`;
    return await fetchAll(server, path, {}, versionListV2Schema, (page) => page.pipeline_versions);
  },
  // the answer to an upload names no version: `versions` does
  readPipeline: (result) => expectJson(result, pipelineV2Schema),
  readVersion: (result) => expectJson(result, versionV2Schema),
};
