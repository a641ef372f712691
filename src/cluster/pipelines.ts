/**
 * A compiled document → a pipeline version on the server. What is the newest upload already changes nothing; an older
 * one is uploaded once more, so that the newest is always what was uploaded last. A run takes any version of its content.
 *
 * A version is called by its content unless it is given a name. The first version of a pipeline gets the pipeline's
 * name from the server, so the content is also marked in the description (`version-mark.ts`).
 * Refuses names over 100 characters (limit of 1.8, reference/kfp-api.md 7.5) and a version name that other content has.
 */
import { pipelineListSchema } from "../../schemas/kfp-api.ts";
import { isKfkError, KfkError } from "../error.ts";
import { isMissing } from "./answer.ts";
import { createOnce } from "./create.ts";
import { fetchPages, namespaceQuery } from "./list.ts";
import { type Pipeline, type PipelineApi, pipelineApi, type Version } from "./pipeline-api.ts";
import { refuseLogin } from "./secret.ts";
import { failedRequest, request } from "./request.ts";
import type { Server } from "./server.ts";
import {
  contentName,
  describeVersion,
  hasContent,
  isForRun,
  type MarkedVersion,
  markedVersion,
  turnOf,
  uploadsOf,
} from "./version-mark.ts";

/** A compiled document on its way up. */
export interface Upload {
  readonly name: string;
  /** Names under which others may have made it: where only one of these is there, it is continued. */
  readonly formerNames?: readonly string[] | undefined;
  /** `run`: nobody asks to have it scheduled. Absent: an upload. */
  readonly purpose?: "upload" | "run" | undefined;
  /** Absent: an Argo document. */
  readonly kind?: "argo" | "ir" | undefined;
  /** The whole document, YAML or JSON. */
  readonly text: string;
  /** Absent: named by its content. */
  readonly versionName?: string | undefined;
  /** Shown by the UI; cut where the server's limit asks for it. */
  readonly description?: string | undefined;
  /** Commit of the sources; told in the description. */
  readonly commit?: string | null | undefined;
}

export interface Uploaded {
  readonly pipelineId: string;
  readonly pipelineName: string;
  readonly versionId: string;
  readonly versionName: string;
  /** What this call made: a pipeline with its first version, a version, or nothing. */
  readonly made: "pipeline" | "version" | "unchanged";
  /** Name of a version that was uploaded after this one: only one of a given name can be older. */
  readonly newer: string | null;
}

/**
 * Uploads a document unless the server has it.
 *
 * Errors: SERVER_REFUSED for a name that is too long, or taken by other content; those of `request`.
 */
export async function uploadPipeline(server: Server, upload: Upload): Promise<Uploaded> {
  checkName("pipeline", upload.name);
  if (upload.versionName !== undefined) checkName("version", upload.versionName);
  const api = pipelineApi(upload.kind ?? "argo");
  if (upload.kind === "ir" && !server.keepsRunId) throw tooOld();
  if (upload.kind !== "ir" && server.store === "kubernetes") throw wrongStore();
  const known = await findRaw(server, api, [upload.name, ...(upload.formerNames ?? [])]);
  const newest = known?.default_version;
  // any version of its content will do for a run, and the newest comes with the pipeline: mostly nothing more need be
  // asked; which upload is the newest is another matter (two of one second, and before 2.0 people may choose this one)
  if (upload.purpose === "run" && known !== undefined && newest !== undefined) {
    const isServing = serves(markedVersion(known, newest), upload);
    if (isServing && (await isReady(server, newest.id))) return uploaded(known, newest, "unchanged");
  }
  if (known !== undefined) return await uploadVersion(server, api, known, upload);
  const { value, created } = await createOnce(
    server,
    {
      method: "POST",
      path: `${api.root}/pipelines/upload`,
      query: {
        name: queryText(server, upload.name),
        description: queryText(server, describe(upload, 1)),
        ...(server.namespace === null ? {} : { namespace: server.namespace }),
      },
      body: form(server, upload.text),
      repeat: "unsent",
    },
    api.readPipeline,
    () => findRaw(server, api, [upload.name]),
    () => nameTaken(upload.name),
  );
  const first = value.default_version;
  const named = upload.versionName === undefined || upload.versionName === first?.name;
  if (created && first !== undefined && named && serves(markedVersion(value, first), upload)) {
    return uploaded(value, first, "pipeline");
  }
  const uploadedVersion = await uploadVersion(server, api, value, upload);
  return created ? { ...uploadedVersion, made: "pipeline" } : uploadedVersion;
}

/** One pipeline of a list. */
export interface PipelineSummary {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly versionId: string | null;
  /** Of the newest version; null when there is none. */
  readonly versionName: string | null;
}

/** Pipelines of the namespace by name, page by page; the whole list is never held. Errors: those of `request`. */
export async function* listPipelines(server: Server): AsyncGenerator<readonly PipelineSummary[]> {
  const query = { ...namespaceQuery(server.namespace), sort_by: "name" };
  for await (const page of fetchPages(
    server,
    "/apis/v1beta1/pipelines",
    query,
    pipelineListSchema,
    (each) => each.pipelines,
  )) {
    yield page.map((each) => ({
      id: each.id,
      name: each.name,
      createdAt: each.created_at,
      versionId: each.default_version?.id ?? null,
      versionName: each.default_version?.name ?? null,
    }));
  }
}

// --- internal ---

/** Limit of 1.8 at upload; later servers allow 127 and more. */
const LONGEST_NAME = 100;

/** True when it has the content, and is an upload where one is wanted. */
function serves(version: MarkedVersion, upload: Upload): boolean {
  return hasContent(version, upload.text) && (upload.purpose === "run" || !isForRun(version));
}

async function uploadVersion(server: Server, api: PipelineApi, pipeline: Pipeline, upload: Upload): Promise<Uploaded> {
  const known = (await api.versions(server, pipeline.id)).map((each) => markedVersion(pipeline, each));
  const uploads = uploadsOf(known, pipeline.default_version?.id);
  const [newest] = uploads;
  const same = findServing(known, newest, upload);
  if (same !== undefined) {
    const isOlder = upload.versionName !== undefined && newest !== undefined && newest.id !== same.id;
    return { ...uploaded(pipeline, same, "unchanged"), newer: isOlder ? newest.name : null };
  }
  const taken = new Set(known.map(({ name }) => name));
  const turn = Math.max(0, ...known.map(turnOf)) + 1;
  for (let tries = 1; ; tries++) {
    const wanted = upload.versionName ?? freeName(contentName(upload.text, upload.purpose === "run"), taken);
    try {
      return await makeVersion(server, api, pipeline, upload, wanted, turn);
    } catch (error) {
      // the name of a version that the server only half made stays in use, and no list shows it
      if (!isKfkError(error) || error.cause !== HALF_MADE) throw error;
      if (upload.versionName !== undefined || tries >= MOST_NAMES) throw error;
      taken.add(wanted);
    }
  }
}

/** How many names are tried for a version that is named by its content. */
const MOST_NAMES = 5;
const HALF_MADE = Symbol("half made");

async function makeVersion(
  server: Server,
  api: PipelineApi,
  pipeline: Pipeline,
  upload: Upload,
  wanted: string,
  turn: number,
): Promise<Uploaded> {
  const { value, created } = await createOnce(
    server,
    {
      method: "POST",
      path: `${api.root}/pipelines/upload_version`,
      query: {
        name: queryText(server, wanted),
        pipelineid: pipeline.id,
        description: describe(upload, turn),
      },
      body: form(server, upload.text),
      repeat: "unsent",
    },
    api.readVersion,
    async () => (await api.versions(server, pipeline.id)).find((each) => each.name === wanted),
    () => versionHalfMade(upload.name, wanted),
  );
  if (!created && !serves(markedVersion(pipeline, value), upload)) throw versionTaken(upload.name, wanted);
  return uploaded(pipeline, value, created ? "version" : "unchanged");
}

/** The version that need not be made again. Errors: SERVER_REFUSED when the given name has other content. */
function findServing(
  known: readonly MarkedVersion[],
  newest: MarkedVersion | undefined,
  upload: Upload,
): MarkedVersion | undefined {
  if (upload.versionName !== undefined) {
    const named = known.find((each) => each.name === upload.versionName);
    if (named === undefined || serves(named, upload)) return named;
    throw versionTaken(upload.name, upload.versionName);
  }
  if (upload.purpose === "run") return known.find((each) => serves(each, upload));
  return newest !== undefined && serves(newest, upload) ? newest : undefined;
}

/** `base`, or with a number behind it: a version's name is used once. */
function freeName(base: string, taken: ReadonlySet<string>): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (!taken.has(name)) return name;
  }
}

/**
 * A version that was only half made (its server was killed in between) is shown with its pipeline, and known nowhere
 * else (seen on 2.0.5 and main). 1.8 is not asked, which has its state to itself.
 */
async function isReady(server: Server, id: string): Promise<boolean> {
  if (!server.keepsRunId) return true;
  const path = `/apis/v1beta1/pipeline_versions/${encodeURIComponent(id)}`;
  const result = await request(server, { method: "GET", path, repeat: "always" });
  if (isMissing(result.answer)) return false;
  if (result.answer.kind === "ok") return true;
  throw failedRequest(result);
}

/** The pipeline of the first of these names that is there. */
async function findRaw(server: Server, api: PipelineApi, names: readonly string[]): Promise<Pipeline | undefined> {
  const all = await api.find(server, names);
  for (const name of names) {
    const found = all.find((each) => each.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function describe(upload: Upload, turn: number): string {
  const words = upload.description ?? "";
  const commit = upload.commit ?? null;
  return describeVersion({ text: upload.text, words, commit, turn: upload.purpose === "run" ? null : turn });
}

/**
 * Servers before 2.0 decode these twice: `a+b` would become `a b` (recordings `upload.name.*` of 1.8.22). Not so the
 * description of a version (seen on 1.8.22: it came back as it was sent).
 */
function queryText(server: Server, text: string): string {
  return server.keepsRunId ? text : encodeURIComponent(text);
}

function form({ world }: Server, text: string): FormData {
  refuseLogin(world, text, "the document");
  const data = new FormData();
  // the suffix decides how the server reads it
  data.append("uploadfile", new File([text], "pipeline.yaml", { type: "application/octet-stream" }));
  return data;
}

function uploaded(pipeline: Pipeline, version: Pick<Version, "id" | "name">, made: Uploaded["made"]): Uploaded {
  return {
    pipelineId: pipeline.id,
    pipelineName: pipeline.name,
    versionId: version.id,
    versionName: version.name,
    made,
    newer: null,
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

function tooOld(): KfkError {
  return new KfkError("SERVER_REFUSED", "this server is older than 2.0 and takes no pipeline specifications", {
    hint: "compile with target: argo",
  });
}

function wrongStore(): KfkError {
  return new KfkError("SERVER_REFUSED", "this server keeps pipelines in Kubernetes, and then takes no Argo documents", {
    hint: "ask for a server with a database, or compile with target: kfp and apply the document with kubectl",
  });
}

function nameTaken(name: string): KfkError {
  return new KfkError("SERVER_REFUSED", `the server says that the pipeline "${name}" exists, but does not list it`, {
    hint:
      "servers hold names equal that differ in case or trailing blanks, and 1.x keeps the name of a pipeline that it " +
      "only half made: set run_config.pipeline_name to another one",
  });
}

function versionHalfMade(pipeline: string, version: string): KfkError {
  const message = `the pipeline "${pipeline}" has a version "${version}", and the server does not list it`;
  return new KfkError("SERVER_REFUSED", message, {
    hint: "servers keep the name of a version that they only half made, and hold names equal that differ in case: give another --version-name",
    cause: HALF_MADE,
  });
}

function versionTaken(pipeline: string, version: string): KfkError {
  return new KfkError("SERVER_REFUSED", `the pipeline "${pipeline}" has a version "${version}" with other content`, {
    hint: "give another --version-name, or leave it out: then the content names the version",
  });
}
