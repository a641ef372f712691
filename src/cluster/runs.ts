/**
 * Runs on v1beta1: start one, exactly one; read it; stop it.
 *
 * The server makes the Workflow first and the row second, so the same request sent twice starts two Workflows, even
 * with the same id (reference/kfp-api.md 7.2, recordings `run.v1.create.own-id-again`). So a lost answer is followed
 * by questions, never at once by a second request: by the id that kfk chose where the server keeps it (2.0 and newer),
 * else by a mark in the run's description. It is never sent again: a first request may be at work for minutes. When
 * something on the way sent it twice, the server says "Duplicate entry": then a second Workflow reports to the same run.
 * A refusal that is not in KFP's own words may stand in place of any answer, so the run is asked for before it is believed.
 * Refused before sending, because the failing request would leave a Workflow behind: names over 255 characters,
 * parameters over 10,000 bytes.
 */
import * as v from "valibot";
import { runDetailSchema, runListSchema, runV2Schema } from "../../schemas/kfp-api.ts";
import { KfkError } from "../error.ts";
import { isDuplicateRun, isMissing, isTurnedAway, mayHaveActed } from "./answer.ts";
import { checkName, checkParameterBytes } from "./limits.ts";
import { fetchAll, fetchPages, nameFilter, namespaceQuery, textFilter } from "./list.ts";
import { expectJson, failedRequest, request, type Result } from "./request.ts";
import { describeRun, isFrom, originMark, readOrigin, type RunOrigin, runMark } from "./run-mark.ts";
import { linkTo, type Server } from "./server.ts";
import { parseWorkflow, type Workflow } from "./workflow.ts";

export interface RunRequest {
  readonly name: string;
  readonly experimentId: string;
  /** An uploaded version, the JSON text of a Workflow that was never uploaded, or a version of a specification. */
  readonly source:
    | { readonly versionId: string }
    | { readonly workflowJson: string }
    | { readonly specification: { readonly pipelineId: string; readonly versionId: string } };
  /** Values as text, as JSON for a specification; names that the document does not declare are refused. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  readonly serviceAccount?: string | undefined;
  /** What started it; goes into the description, where `@latest` finds it. */
  readonly origin?: RunOrigin | undefined;
  /** Chosen by the caller, who may have told it to somebody already; absent: a new one. */
  readonly id?: string | undefined;
  /** Gives up, whatever was sent: SERVER_OUTCOME then. */
  readonly signal?: AbortSignal | undefined;
}

export interface CreatedRun {
  /** As the server has it: the chosen one, or another on servers before 2.0. */
  readonly id: string;
  readonly name: string;
  /** True when the answer was lost and the run was found by asking. */
  readonly recovered: boolean;
  /** Name of its workflow, null when the server did not tell it itself. */
  readonly workflow: string | null;
  /** True when the request arrived twice: a second workflow reports to the run. */
  readonly isDoubled: boolean;
}

export interface RunInfo {
  readonly id: string;
  readonly name: string;
  /** The server's word; "" right after creation, before Argo has seen the workflow. */
  readonly status: string;
  readonly createdAt: string;
  /** null while it runs. */
  readonly finishedAt: string | null;
  readonly description: string;
  /** null for a document that was never uploaded, and where only the version is named (before 2.0). */
  readonly pipelineId: string | null;
  readonly versionId: string | null;
  /** Name of its version, null when the server does not say it. */
  readonly version: string | null;
  /** The same for runs of the same pipeline, whatever its version; "" when nothing tells which it is. */
  readonly pipelineKey: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  /** Of its experiment, null when the server names none. */
  readonly experimentId: string | null;
  /** Of the schedule that started it, null when none did. */
  readonly scheduleId: string | null;
  readonly workflow: Workflow | undefined;
}

/** One run of a list. */
export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** As in `RunInfo`. */
  readonly pipelineId: string | null;
  readonly versionId: string | null;
  readonly version: string | null;
  readonly pipelineKey: string;
  readonly isArchived: boolean;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

/**
 * Starts a run.
 *
 * Errors: SERVER_REFUSED, SERVER_LOGIN, SERVER_GATE, SERVER_ERROR, SERVER_UNREACHABLE when nothing was created;
 * SERVER_OUTCOME when something may have been, with the id to ask for.
 */
export async function createRun(server: Server, wanted: RunRequest): Promise<CreatedRun> {
  checkRun(wanted);
  const id = wanted.id ?? server.world.newId();
  const isV2 = "specification" in wanted.source;
  const ask = {
    method: "POST",
    // each API drops the parameters of the other's documents without a word (recordings `run.v*.create.*`)
    path: isV2 ? "/apis/v2beta1/runs" : PATH,
    body: isV2 ? runBodyV2(wanted, wanted.source.specification, id) : runBody(wanted, id),
    repeat: "unsent",
    attemptMs: CREATE_MS,
    signal: wanted.signal,
  } as const;
  const result = await request(server, ask);
  const { answer } = result;
  const made = isV2 ? readMadeV2(result) : readMade(result);
  if (made !== undefined) return { ...made, recovered: false, isDoubled: false };
  if (wanted.signal?.aborted) throw outcomeUnknown(server, wanted, id, result);
  if (isTurnedAway(answer)) throw failedRequest(result);
  const mayAct = mayHaveActed(answer) || answer.kind === "ok";
  // KFP's own words about a failure may come after the row was made; other answers say nothing about what goes on behind
  const isSaid = answer.kind === "failed" && answer.said;
  const search = await searchRun(server, wanted, id, isSaid ? SAID_MS : mayAct ? SEARCH_MS : 0);
  if (search.kind === "found") return { ...recovered(search.run), isDoubled: isDuplicateRun(answer) };
  if (!mayAct && search.kind === "absent") throw failedRequest(result);
  // a gate that turns the question away in the same words let neither pass
  if (!mayAct && search.kind === "unclear" && isSameRefusal(result, search.reason)) {
    throw refusedRun(id, server, result);
  }
  // never sent again: the first request may be at work for minutes, and two workflows would report to one run
  throw outcomeUnknown(server, wanted, id, result);
}

/** What is refused before anything is sent. Errors: SERVER_REFUSED. */
export function checkRun({ name, parameters }: Pick<RunRequest, "name" | "parameters">): void {
  checkName(name, `the run name ${JSON.stringify(name)}`, "give another one with --run-name");
  checkParameterBytes(
    parameters,
    "leave large values in the project's parameters, which are in the image, and pass fewer with --param",
  );
}

/** A run by its id. Errors: RUN_UNKNOWN; those of `request`. */
export async function fetchRun(server: Server, id: string): Promise<RunInfo> {
  const result = await request(server, { method: "GET", path: runPath(id), repeat: "always" });
  if (isMissing(result.answer)) throw unknownRun(id);
  return readRun(result);
}

/** The run in a good answer to `GET …/runs/{id}`. Errors: those of `expectJson`. */
export function readRun(result: Result): RunInfo {
  const { run, pipeline_runtime } = expectJson(result, runDetailSchema);
  return {
    id: run.id,
    name: run.name,
    status: stateOf(run),
    createdAt: run.created_at,
    finishedAt: readFinish(run),
    description: run.description,
    ...readVersion(run),
    pipelineKey: pipelineKey(run),
    parameters: run.pipeline_spec?.parameters ?? [],
    experimentId: run.resource_references.find((each) => each.key.type === "EXPERIMENT")?.key.id ?? null,
    scheduleId: run.resource_references.find((each) => each.key.type === "JOB")?.key.id ?? null,
    workflow: parseWorkflow(pipeline_runtime.workflow_manifest),
  };
}

/**
 * Asks the server to stop a run. `ended` is true when there was nothing left to stop.
 *
 * Errors: RUN_UNKNOWN; those of `request`.
 */
export async function terminateRun(server: Server, id: string): Promise<{ readonly ended: boolean }> {
  const result = await request(server, { method: "POST", path: `${runPath(id)}/terminate`, repeat: "always" });
  if (result.answer.kind === "ok") return { ended: false };
  if (isMissing(result.answer)) throw unknownRun(id);
  // 400 "Row not found": the run is in no state that can be stopped, which a stop already asked for is as well
  if (result.answer.kind === "refused" && /row not found/i.test(result.answer.message)) return { ended: true };
  throw failedRequest(result);
}

/**
 * Asks the server to go on with a run that failed: what succeeded is kept, the id stays.
 *
 * Errors: RUN_UNKNOWN; SERVER_REFUSED when it has not failed; SERVER_OUTCOME when the answer was lost; those of `request`.
 */
export async function retryRun(server: Server, id: string): Promise<void> {
  const result = await request(server, { method: "POST", path: `${runPath(id)}/retry`, repeat: "unsent" });
  if (result.answer.kind === "ok") return;
  if (isMissing(result.answer)) throw unknownRun(id);
  // KFP's own failure may come after the workflow was begun again
  if (mayHaveActed(result.answer)) {
    throw new KfkError("SERVER_OUTCOME", `the run ${id} may have been retried: ${failedRequest(result).message}`, {
      hint: `look at it with kfk status ${id}`,
    });
  }
  throw failedRequest(result);
}

/** Runs of the namespace, newest first, page by page; the whole list is never held. Errors: those of `request`. */
export async function* listRuns(server: Server, experimentId?: string): AsyncGenerator<readonly RunSummary[]> {
  const query = { ...scopeQuery(server, experimentId), sort_by: "created_at desc" };
  for await (const page of fetchPages(server, PATH, query, runListSchema, (each) => each.runs, RUNS_ON_PAGE)) {
    yield page.map(summarize);
  }
}

/** The newest run that a project and environment started with kfk; undefined when there is none. */
export async function findLatestRun(
  server: Server,
  origin: { readonly project: string; readonly env: string },
): Promise<RunSummary | undefined> {
  const mark = originMark(origin);
  const query = {
    ...scopeQuery(server, undefined),
    filter: textFilter("IS_SUBSTRING", "description", mark),
    sort_by: "created_at desc",
  };
  for await (const page of fetchPages(server, PATH, query, runListSchema, (each) => each.runs, "20")) {
    const [found, next] = page.filter(({ description }) => isFrom(description, origin));
    // servers keep whole seconds, and sort those of one second by chance
    if (found !== undefined && found.created_at === next?.created_at) throw sameSecond(found.id, next.id);
    if (found !== undefined) return summarize(found);
  }
  return undefined;
}

/**
 * The newest runs of a project whose id begins with a word, or whose name is it; of one page, as it is only a hint.
 * Errors: those of `request`.
 */
export async function findRunsLike(
  server: Server,
  origin: { readonly project: string; readonly env: string },
  word: string,
): Promise<readonly RunSummary[]> {
  const filter = textFilter("IS_SUBSTRING", "description", originMark(origin));
  const query = { ...scopeQuery(server, undefined), filter, sort_by: "created_at desc" };
  for await (const page of fetchPages(server, PATH, query, runListSchema, (each) => each.runs, RUNS_ON_PAGE)) {
    return page
      .filter((run) => isFrom(run.description, origin) && (run.id.startsWith(word) || run.name === word))
      .map(summarize);
  }
  return [];
}

/** Looks for a run whose creation was given up; undefined when it is not found within `searchMs`. */
export async function findStartedRun(
  server: Server,
  wanted: RunRequest & { readonly id: string },
  searchMs: number,
): Promise<CreatedRun | undefined> {
  const hurried = { ...server, budgetMs: searchMs, attemptMs: searchMs };
  const search = await searchRun(hurried, { ...wanted, signal: server.signal }, wanted.id, searchMs);
  return search.kind === "found" ? recovered(search.run) : undefined;
}

/** Path of a run below the base. */
export function runPath(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`;
}

// --- internal ---

type RawRun = v.InferOutput<typeof runDetailSchema>["run"];

const PATH = "/apis/v1beta1/runs";
/** 2.17.0 asks a tracking server first and waits for it up to 60 s. */
const CREATE_MS = 120_000;
/** How long a lost run is looked for. */
const SEARCH_MS = 30_000;
/** The same after KFP itself said that it failed. */
const SAID_MS = 3000;
const SEARCH_PAUSE_MS = 2000;

function runBody(wanted: RunRequest, id: string): Readonly<Record<string, unknown>> {
  const inline = "workflowJson" in wanted.source;
  const references = [{ key: { type: "EXPERIMENT", id: wanted.experimentId }, relationship: "OWNER" }];
  if ("versionId" in wanted.source) {
    references.push({ key: { type: "PIPELINE_VERSION", id: wanted.source.versionId }, relationship: "CREATOR" });
  }
  return {
    id,
    name: wanted.name,
    description: describeRun(id, wanted.origin),
    ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
    pipeline_spec: {
      ...(inline ? { workflow_manifest: (wanted.source as { workflowJson: string }).workflowJson } : {}),
      parameters: wanted.parameters.map(({ name, value }) => ({ name, value })),
    },
    resource_references: references,
  };
}

function runBodyV2(
  wanted: RunRequest,
  version: { readonly pipelineId: string; readonly versionId: string },
  id: string,
): Readonly<Record<string, unknown>> {
  return {
    run_id: id,
    display_name: wanted.name,
    description: describeRun(id, wanted.origin),
    experiment_id: wanted.experimentId,
    ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
    pipeline_version_reference: { pipeline_id: version.pipelineId, pipeline_version_id: version.versionId },
    runtime_config: {
      parameters: Object.fromEntries(
        wanted.parameters.map(({ name, value }) => [name, JSON.parse(value) as unknown] as const),
      ),
    },
  };
}

/** Lists carry the whole document of each run: with pages of 40, 10,000 runs of 28 KB are listed in 130 MB. */
const RUNS_ON_PAGE = "40";
function scopeQuery(server: Server, experimentId: string | undefined): Readonly<Record<string, string>> {
  if (experimentId === undefined) return namespaceQuery(server.namespace);
  return { "resource_reference_key.type": "EXPERIMENT", "resource_reference_key.id": experimentId };
}

function sameSecond(one: string, other: string): KfkError {
  return new KfkError("RUN_UNKNOWN", "two runs were started in the same second, and which is the latest is not known", {
    hint: `name the one that is meant: ${one} or ${other}`,
  });
}

/** From 2.0 on v1beta1 says "Unknown" where v2beta1 gives no state. */
function stateOf(run: RawRun): string {
  return NO_STATE.test(run.status) ? "" : run.status;
}

const NO_STATE = /^(?:unknown|runtime_state_unspecified)$/i;

function readFinish(run: RawRun): string | null {
  return run.finished_at === "" || run.finished_at.startsWith("1970-") ? null : run.finished_at;
}

/** `pipeline_name` is the version's name from 2.0 on; 1.8 has it for runs of no version, and names versions elsewhere. */
function readVersion(run: RawRun): Pick<RunSummary, "pipelineId" | "versionId" | "version"> {
  const reference = run.resource_references.find(({ key }) => key.type === "PIPELINE_VERSION");
  return {
    pipelineId: run.pipeline_spec?.pipeline_id || null,
    versionId: reference?.key.id || null,
    version: reference === undefined ? null : reference.name || run.pipeline_spec?.pipeline_name || null,
  };
}

function summarize(run: RawRun): RunSummary {
  return {
    id: run.id,
    name: run.name,
    status: stateOf(run),
    createdAt: run.created_at,
    finishedAt: readFinish(run),
    ...readVersion(run),
    pipelineKey: pipelineKey(run),
    isArchived: run.storage_state.endsWith("ARCHIVED"),
    parameters: run.pipeline_spec?.parameters ?? [],
  };
}

/**
 * 2.0 and newer tell the pipeline's id, but for runs of documents that were never uploaded; 1.8 for none that kfk starts
 * (recordings `run.v1.create.*`). Then the project, the environment and the document's name tell it, or the version.
 */
function pipelineKey(run: RawRun): string {
  const spec = run.pipeline_spec;
  if (spec?.pipeline_id) return `pipeline ${spec.pipeline_id}`;
  const document = /"?generateName"?:\s*"?([^"\s,]+)/.exec(spec?.workflow_manifest ?? "")?.[1];
  const origin = readOrigin(run.description);
  if (origin !== undefined && document !== undefined) return JSON.stringify([origin.project, origin.env, document]);
  const version = run.resource_references.find((each) => each.key.type === "PIPELINE_VERSION")?.key.id;
  return version === undefined ? "" : `version ${version}`;
}

type Search =
  | { readonly kind: "found"; readonly run: RawRun }
  | { readonly kind: "absent" }
  /** The server could not be asked. */
  | { readonly kind: "unclear"; readonly reason: KfkError };

/** Looks for a run until it is there or `searchMs` are over, at least once. Only a clear "no" counts as absent. */
async function searchRun(server: Server, wanted: RunRequest, id: string, searchMs: number): Promise<Search> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  for (;;) {
    const search = await searchOnce(server, wanted, id);
    if (search.kind === "found") return search;
    if (clock.monotonicMs() - startedMs >= searchMs || wanted.signal?.aborted) return search;
    await clock.sleep(SEARCH_PAUSE_MS, wanted.signal);
  }
}

async function searchOnce(server: Server, wanted: RunRequest, id: string): Promise<Search> {
  try {
    return server.keepsRunId ? await searchById(server, id) : await searchByMark(server, wanted, id);
  } catch (error) {
    // whatever stands in the way of asking (a token file that went, too), a run may exist
    if (error instanceof KfkError) return { kind: "unclear", reason: error };
    throw error;
  }
}

async function searchById(server: Server, id: string): Promise<Search> {
  const result = await request(server, { method: "GET", path: runPath(id), repeat: "always" });
  if (isMissing(result.answer)) return { kind: "absent" };
  const run = readDetail(result)?.run;
  return run === undefined ? { kind: "unclear", reason: failedRequest(result) } : { kind: "found", run };
}

async function searchByMark(server: Server, wanted: RunRequest, id: string): Promise<Search> {
  const query = {
    filter: nameFilter(wanted.name),
    "resource_reference_key.type": "EXPERIMENT",
    "resource_reference_key.id": wanted.experimentId,
  };
  const runs = await fetchAll(server, PATH, query, runListSchema, (page) => page.runs);
  const run = runs.find((each) => `${each.description} `.startsWith(`${runMark(id)} `));
  return run === undefined ? { kind: "absent" } : { kind: "found", run };
}

function readDetail(result: Result): v.InferOutput<typeof runDetailSchema> | undefined {
  if (result.answer.kind !== "ok") return undefined;
  const parsed = v.safeParse(runDetailSchema, result.answer.json);
  return parsed.success ? parsed.output : undefined;
}

type Made = Pick<CreatedRun, "id" | "name" | "workflow">;

function readMade(result: Result): Made | undefined {
  const detail = readDetail(result);
  if (detail === undefined) return undefined;
  const workflow = parseWorkflow(detail.pipeline_runtime.workflow_manifest)?.name;
  return { id: detail.run.id, name: detail.run.name, workflow: workflow || null };
}

function readMadeV2(result: Result): Made | undefined {
  if (result.answer.kind !== "ok") return undefined;
  const parsed = v.safeParse(runV2Schema, result.answer.json);
  return parsed.success ? { ...parsed.output, workflow: null } : undefined;
}

/** What its manifest shows may be another workflow's by now. */
function recovered(run: RawRun): CreatedRun {
  return { id: run.id, name: run.name, recovered: true, workflow: null, isDoubled: false };
}

function outcomeUnknown(server: Server, wanted: RunRequest, id: string, result: Result): KfkError {
  const reason = failedRequest(result);
  const known = server.keepsRunId;
  const charset = /Incorrect string value/.test(reason.message)
    ? [{ message: "the server's database does not take all characters of the run's name: use others with --run-name" }]
    : [];
  return new KfkError(
    "SERVER_OUTCOME",
    `the run ${JSON.stringify(wanted.name)} may have been started: ${reason.message}`,
    {
      hint: known
        ? `kfk wait ${id}`
        : `look for a run with the description "${runMark(id)}" at ${linkTo(server, { page: "experiment", id: wanted.experimentId })}`,
      notes: known
        ? [
            { message: `run ${id}: ${linkTo(server, { page: "run", id })}` },
            { message: `a workflow without a run, if there is one, has the label pipeline/runid=${id}` },
            ...charset,
          ]
        : charset,
      cause: reason,
    },
  );
}

/** A refusal of something before KFP, which did not let the question pass either. */
function refusedRun(id: string, server: Server, result: Result): KfkError {
  const reason = failedRequest(result);
  if (!server.keepsRunId) return reason;
  const note = { message: `the run, if it was started all the same, is ${id}` };
  return new KfkError(reason.code, reason.message, { hint: reason.hint, notes: [...reason.notes, note] });
}

function isSameRefusal(result: Result, other: KfkError): boolean {
  const { answer } = result;
  const isSame = "message" in answer && other.message.startsWith(`${answer.message} (`);
  return isSame && failedRequest(result).code === other.code;
}

function unknownRun(id: string): KfkError {
  return new KfkError("RUN_UNKNOWN", `the server knows no run "${id}"`, {
    hint: "look at the runs it has with kfk list-runs",
  });
}
