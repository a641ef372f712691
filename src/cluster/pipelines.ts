/**
 * A compiled document → a pipeline version on the server. The same content again changes nothing.
 *
 * A version is called by its content unless it is given a name. The first version of a pipeline gets the pipeline's
 * name from the server, so the content is also marked in the description, which comes back in lists (2.5.0, 2.17.0:
 * on the version; 1.8.22: on the pipeline alone, whose first version then shares its id).
 * Refuses names over 100 characters (limit of 1.8, reference/kfp-api.md 7.5) and a version name that other content has.
 */
import { createHash } from "node:crypto";
import type * as v from "valibot";
import { pipelineListSchema, pipelineSchema, versionListSchema, versionSchema } from "../../schemas/kfp-api.ts";
import { KfkError } from "../error.ts";
import { createOnce } from "./create.ts";
import { fetchAll, nameFilter, namespaceQuery } from "./list.ts";
import { expectJson } from "./request.ts";
import type { Server } from "./server.ts";

/** A compiled document on its way up. */
export interface Upload {
  readonly name: string;
  /** The whole document, YAML or JSON. */
  readonly text: string;
  /** Absent: named by its content. */
  readonly versionName?: string | undefined;
  /** Shown by the UI; cut where the server's limit asks for it. */
  readonly description?: string | undefined;
}

export interface Uploaded {
  readonly pipelineId: string;
  readonly pipelineName: string;
  readonly versionId: string;
  readonly versionName: string;
  /** What this call made: a pipeline with its first version, a version, or nothing. */
  readonly made: "pipeline" | "version" | "unchanged";
}

/**
 * Uploads a document unless the server has it.
 *
 * Errors: SERVER_REFUSED for a name that is too long, or taken by other content; those of `request`.
 */
export async function uploadPipeline(server: Server, upload: Upload): Promise<Uploaded> {
  checkName("pipeline", upload.name);
  if (upload.versionName !== undefined) checkName("version", upload.versionName);
  const mark = contentMark(upload.text);
  const known = await findRaw(server, upload.name);
  if (known === undefined) {
    const { value, created } = await createOnce(
      server,
      {
        method: "POST",
        path: `${ROOT}/pipelines/upload`,
        query: {
          name: upload.name,
          description: describeContent(upload, mark),
          ...(server.namespace === null ? {} : { namespace: server.namespace }),
        },
        body: form(upload.text),
        repeat: "unsent",
      },
      (result) => expectJson(result, pipelineSchema),
      () => findRaw(server, upload.name),
      () => nameTaken(upload.name),
    );
    const first = value.default_version;
    const named = upload.versionName === undefined || upload.versionName === first?.name;
    if (created && first !== undefined && named && isMarked(value, first, mark)) {
      return uploaded(value, first, "pipeline");
    }
    const uploadedVersion = await uploadVersion(server, value, upload, mark);
    return created ? { ...uploadedVersion, made: "pipeline" } : uploadedVersion;
  }
  return await uploadVersion(server, known, upload, mark);
}

// --- internal ---

type Pipeline = v.InferOutput<typeof pipelineSchema>;
type Version = v.InferOutput<typeof versionSchema>;

const ROOT = "/apis/v1beta1";
/** Limit of 1.8 at upload; later servers allow 127 and more. */
const LONGEST_NAME = 100;
/** varchar(255) of older databases. */
const LONGEST_DESCRIPTION = 255;

async function uploadVersion(server: Server, pipeline: Pipeline, upload: Upload, mark: string): Promise<Uploaded> {
  const wanted = upload.versionName ?? contentName(upload.text);
  const known = await fetchVersions(server, pipeline.id, {});
  const same = known.find((each) => each.name === wanted);
  if (upload.versionName === undefined) {
    const there = same ?? known.find((each) => isMarked(pipeline, each, mark));
    if (there !== undefined) return uploaded(pipeline, there, "unchanged");
  } else if (same !== undefined) {
    if (isMarked(pipeline, same, mark)) return uploaded(pipeline, same, "unchanged");
    throw versionTaken(upload.name, wanted);
  }
  const { value, created } = await createOnce(
    server,
    {
      method: "POST",
      path: `${ROOT}/pipelines/upload_version`,
      query: { name: wanted, pipelineid: pipeline.id, description: describeContent(upload, mark) },
      body: form(upload.text),
      repeat: "unsent",
    },
    (result) => expectJson(result, versionSchema),
    async () => (await fetchVersions(server, pipeline.id, {})).find((each) => each.name === wanted),
    () => versionTaken(upload.name, wanted),
  );
  if (upload.versionName !== undefined && !created && !isMarked(pipeline, value, mark)) {
    throw versionTaken(upload.name, wanted);
  }
  return uploaded(pipeline, value, created ? "version" : "unchanged");
}

/** The name that a version gets from its content: 16 hexadecimal digits of SHA-256. */
export function contentName(text: string): string {
  return digest(text).slice(0, 16);
}

async function findRaw(server: Server, name: string): Promise<Pipeline | undefined> {
  const query = { filter: nameFilter(name), ...namespaceQuery(server.namespace) };
  const all = await fetchAll(server, `${ROOT}/pipelines`, query, pipelineListSchema, (page) => page.pipelines);
  return all.find((each) => each.name === name);
}

async function fetchVersions(
  server: Server,
  pipelineId: string,
  query: Readonly<Record<string, string>>,
): Promise<readonly Version[]> {
  const full = { "resource_key.type": "PIPELINE", "resource_key.id": pipelineId, ...query };
  return await fetchAll(server, `${ROOT}/pipeline_versions`, full, versionListSchema, (page) => page.versions);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Stands in a description for the whole content. */
export function contentMark(text: string): string {
  return `[content ${digest(text).slice(0, 32)}]`;
}

function isMarked(pipeline: Pipeline, version: Version, mark: string): boolean {
  const description = version.description || (version.id === pipeline.id ? pipeline.description : "");
  return description.includes(mark);
}

function describeContent(upload: Upload, mark: string): string {
  const words = (upload.description ?? "").slice(0, LONGEST_DESCRIPTION - mark.length - 1).trim();
  return words === "" ? mark : `${words} ${mark}`;
}

function form(text: string): FormData {
  const data = new FormData();
  // the suffix decides how the server reads it
  data.append("uploadfile", new File([text], "pipeline.yaml", { type: "application/octet-stream" }));
  return data;
}

function uploaded(pipeline: Pipeline, version: Version, made: Uploaded["made"]): Uploaded {
  return {
    pipelineId: pipeline.id,
    pipelineName: pipeline.name,
    versionId: version.id,
    versionName: version.name,
    made,
  };
}

function checkName(kind: "pipeline" | "version", name: string): void {
  const length = [...name].length;
  if (name.trim() !== "" && length <= LONGEST_NAME) return;
  const problem = name.trim() === "" ? "is empty" : `has ${length} characters, and servers take ${LONGEST_NAME}`;
  throw new KfkError("SERVER_REFUSED", `the ${kind} name "${name}" ${problem}`, {
    hint: kind === "pipeline" ? "set run_config.pipeline_name in kubeflow.yaml" : "give a shorter --version-name",
  });
}

function nameTaken(name: string): KfkError {
  return new KfkError("SERVER_REFUSED", `the server says that the pipeline "${name}" exists, but does not list it`, {
    hint: "servers hold names equal that differ in case or trailing blanks: set run_config.pipeline_name to another one",
  });
}

function versionTaken(pipeline: string, version: string): KfkError {
  return new KfkError("SERVER_REFUSED", `the pipeline "${pipeline}" has a version "${version}" with other content`, {
    hint: "give another --version-name, or leave it out: then the content names the version",
  });
}
