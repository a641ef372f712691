/**
 * Runs on v1beta1: start one, exactly one; read it; stop it.
 *
 * The server makes the Workflow first and the row second, so the same request sent twice starts two Workflows, even
 * with the same id (reference/kfp-api.md 7.2, recordings `run.v1.create.own-id-again`). So a lost answer is followed
 * by questions, never at once by a second request: by the id that kfk chose where the server keeps it (2.0 and newer),
 * else by a mark in the run's description. Only after `SEARCH_MS` of clear "no such run" is it sent once more.
 * Refused before sending, because the failing request would leave a Workflow behind: names over 255 characters,
 * parameters over 10,000 bytes.
 */
import * as v from "valibot";
import { runDetailSchema, runListSchema } from "../../schemas/kfp-api.ts";
import { KfkError } from "../error.ts";
import { isMissing, mayHaveActed } from "./answer.ts";
import { fetchAll, nameFilter } from "./list.ts";
import { expectJson, failedRequest, request, type Result } from "./request.ts";
import { linkTo, type Server } from "./server.ts";
import { parseWorkflow, type Workflow } from "./workflow.ts";

export interface RunRequest {
  readonly name: string;
  readonly experimentId: string;
  /** An uploaded version, or the JSON text of a Workflow that was never uploaded. */
  readonly source: { readonly versionId: string } | { readonly workflowJson: string };
  /** Values as text; names that the document does not declare are refused by the server. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  readonly serviceAccount?: string | undefined;
  /** Chosen by the caller, who may have told it to somebody already; absent: a new one. */
  readonly id?: string | undefined;
}

interface CreatedRun {
  /** As the server has it: the chosen one, or another on servers before 2.0. */
  readonly id: string;
  readonly name: string;
  /** True when the answer was lost and the run was found by asking. */
  readonly recovered: boolean;
}

export interface RunInfo {
  readonly id: string;
  readonly name: string;
  /** The server's word; "" right after creation. */
  readonly status: string;
  readonly createdAt: string;
  /** null while it runs. */
  readonly finishedAt: string | null;
  readonly workflow: Workflow | undefined;
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
  const ask = {
    method: "POST",
    path: PATH,
    body: runBody(wanted, id),
    repeat: "unsent",
    attemptMs: CREATE_MS,
  } as const;
  for (let sends = 1; ; sends++) {
    const result = await request(server, ask);
    const { answer } = result;
    const made = readDetail(result);
    if (made !== undefined) return created(made, false);
    const unclear = mayHaveActed(answer) || answer.kind === "ok";
    if (!unclear) {
      if (sends === 1) throw failedRequest(result);
      throw outcomeUnknown(server, wanted, id, result); // the first may yet have made one
    }
    // KFP's own words about a failure are final, but may come after the row was made
    const final = (answer.kind === "failed" && answer.said) || answer.kind === "gate";
    const search = await searchRun(server, wanted, id, final ? 0 : SEARCH_MS);
    if (search.kind === "found") return created(search.run, true);
    if (search.kind === "unclear") {
      if (answer.kind === "gate") throw failedRequest(result);
      throw outcomeUnknown(server, wanted, id, result);
    }
    if (final && sends === 1) throw failedRequest(result);
    if (sends >= MOST_SENDS) throw outcomeUnknown(server, wanted, id, result);
  }
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
  const finished = run.finished_at === "" || run.finished_at.startsWith("1970-") ? null : run.finished_at;
  return {
    id: run.id,
    name: run.name,
    status: run.status,
    createdAt: run.created_at,
    finishedAt: finished,
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
const SEARCH_PAUSE_MS = 2000;
const MOST_SENDS = 2;
/** varchar(255): longer ones fail after the Workflow was made. */
const LONGEST_NAME = 255;
/** MAX_PARAMETER_BYTES of servers. */
const MOST_PARAMETER_BYTES = 10_000;

function runBody(wanted: RunRequest, id: string): Readonly<Record<string, unknown>> {
  const inline = "workflowJson" in wanted.source;
  const references = [{ key: { type: "EXPERIMENT", id: wanted.experimentId }, relationship: "OWNER" }];
  if ("versionId" in wanted.source) {
    references.push({ key: { type: "PIPELINE_VERSION", id: wanted.source.versionId }, relationship: "CREATOR" });
  }
  return {
    id,
    name: wanted.name,
    description: runMark(id),
    ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
    pipeline_spec: {
      ...(inline ? { workflow_manifest: (wanted.source as { workflowJson: string }).workflowJson } : {}),
      parameters: wanted.parameters.map(({ name, value }) => ({ name, value })),
    },
    resource_references: references,
  };
}

function runMark(id: string): string {
  return `started by kfk as ${id}`;
}

type Search =
  | { readonly kind: "found"; readonly run: RawRun }
  | { readonly kind: "absent" }
  /** The server could not be asked. */
  | { readonly kind: "unclear" };

/** Looks for a run until it is there or `searchMs` are over, at least once. Only a clear "no" counts as absent. */
async function searchRun(server: Server, wanted: RunRequest, id: string, searchMs: number): Promise<Search> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  for (;;) {
    const search = await searchOnce(server, wanted, id);
    if (search.kind === "found") return search;
    if (clock.monotonicMs() - startedMs >= searchMs) return search;
    await clock.sleep(SEARCH_PAUSE_MS);
  }
}

async function searchOnce(server: Server, wanted: RunRequest, id: string): Promise<Search> {
  try {
    return server.keepsRunId ? await searchById(server, id) : await searchByMark(server, wanted, id);
  } catch (error) {
    // whatever stands in the way of asking (a token file that went, too), a run may exist
    if (error instanceof KfkError) return { kind: "unclear" };
    throw error;
  }
}

async function searchById(server: Server, id: string): Promise<Search> {
  const result = await request(server, { method: "GET", path: runPath(id), repeat: "always" });
  if (isMissing(result.answer)) return { kind: "absent" };
  const run = readDetail(result);
  return run === undefined ? { kind: "unclear" } : { kind: "found", run };
}

async function searchByMark(server: Server, wanted: RunRequest, id: string): Promise<Search> {
  const query = {
    filter: nameFilter(wanted.name),
    "resource_reference_key.type": "EXPERIMENT",
    "resource_reference_key.id": wanted.experimentId,
  };
  const runs = await fetchAll(server, PATH, query, runListSchema, (page) => page.runs);
  const run = runs.find((each) => each.description === runMark(id));
  return run === undefined ? { kind: "absent" } : { kind: "found", run };
}

function readDetail(result: Result): RawRun | undefined {
  if (result.answer.kind !== "ok") return undefined;
  const parsed = v.safeParse(runDetailSchema, result.answer.json);
  return parsed.success ? parsed.output.run : undefined;
}

function created(run: RawRun, recovered: boolean): CreatedRun {
  return { id: run.id, name: run.name, recovered };
}

function checkRun(wanted: RunRequest): void {
  const length = [...wanted.name].length;
  if (wanted.name.trim() === "" || length > LONGEST_NAME) {
    const problem = length > LONGEST_NAME ? `has ${length} characters, and servers take ${LONGEST_NAME}` : "is empty";
    throw new KfkError("SERVER_REFUSED", `the run name "${wanted.name}" ${problem}`, {
      hint: "give another one with --run-name",
    });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(wanted.parameters)).length;
  if (bytes > MOST_PARAMETER_BYTES) {
    throw new KfkError(
      "SERVER_REFUSED",
      `the parameters are ${bytes} bytes, and servers take ${MOST_PARAMETER_BYTES}`,
      {
        hint: "leave large values in the project's parameters, which are in the image, and pass fewer with --param",
      },
    );
  }
}

function outcomeUnknown(server: Server, wanted: RunRequest, id: string, result: Result): KfkError {
  const reason = failedRequest(result);
  const known = server.keepsRunId;
  return new KfkError("SERVER_OUTCOME", `the run "${wanted.name}" may have been started: ${reason.message}`, {
    hint: known
      ? `kfk wait ${id}`
      : `look for a run with the description "${runMark(id)}" at ${linkTo(server, { page: "experiment", id: wanted.experimentId })}`,
    notes: known
      ? [
          { message: `run ${id}: ${linkTo(server, { page: "run", id })}` },
          { message: `a workflow without a run, if there is one, has the label pipeline/runid=${id}` },
        ]
      : [],
    cause: reason,
  });
}

function unknownRun(id: string): KfkError {
  return new KfkError("RUN_UNKNOWN", `the server knows no run "${id}"`, {
    hint: "look at the runs it has with kfk list-runs",
  });
}
