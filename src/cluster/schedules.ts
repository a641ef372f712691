/**
 * Schedules on v1beta1 (`jobs`, which every server from 1.8 to 2.17 has): one that does what is wanted, and no other.
 *
 * Servers have no update and no unique name for schedules (reference/kfp-api.md 2.8, 7.1), so a change is: the new one
 * created disabled, the others disabled, the new one enabled, the others deleted once no run of theirs is in flight
 * (deleting a schedule kills its workflows). What to do next is read from what the server has, never remembered, so the
 * same call after any crash ends the same way. Nothing is enabled before a list has shown that all others are disabled.
 * Which are "this schedule": the name, in the experiment, of this pipeline; also without kfk's mark, so that one of the
 * predecessor's making is continued. One of that name that runs another pipeline is refused, not replaced.
 */
import * as v from "valibot";
import { scheduleListSchema, scheduleSchema } from "../../schemas/kfp-schedules.ts";
import { isKfkError, KfkError } from "../error.ts";
import { isMissing, mayHaveActed } from "./answer.ts";
import { fetchAll, nameFilter, namespaceQuery } from "./list.ts";
import { failedRequest, request } from "./request.ts";
import type { Server } from "./server.ts";

/** What a schedule does; two with equal settings are the same schedule. */
interface ScheduleSettings {
  readonly versionId: string;
  /** Six fields or a descriptor. */
  readonly cron: string;
  /** RFC 3339; null: none. */
  readonly start: string | null;
  readonly end: string | null;
  /** 1 to 10. */
  readonly concurrency: number;
  /** True: missed times are made up for, one after another. */
  readonly catchup: boolean;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

export interface WantedSchedule {
  readonly name: string;
  readonly experimentId: string;
  readonly pipelineId: string;
  /** Ids of all versions of the pipeline: schedules of older ones are this schedule as well. */
  readonly versionIds: readonly string[];
  readonly settings: ScheduleSettings;
  readonly serviceAccount?: string | undefined;
}

export interface Schedule {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly createdAt: string;
  readonly description: string;
  readonly experimentId: string | null;
  readonly pipelineId: string | null;
  /** Settings with null where the server names no version or no cron expression. */
  readonly settings: Omit<ScheduleSettings, "versionId" | "cron"> & {
    readonly versionId: string | null;
    readonly cron: string | null;
  };
}

interface Applied {
  readonly id: string;
  /** `resumed`: the same settings were there, disabled. */
  readonly made: "created" | "replaced" | "resumed" | "unchanged";
  readonly deleted: readonly string[];
  /** Disabled and still there: a run of theirs is in flight, or the server did not delete them. */
  readonly left: readonly { readonly id: string; readonly reason: string }[];
}

/**
 * Makes the server have exactly this schedule, enabled.
 *
 * Errors: SERVER_REFUSED and those of `request` before anything was changed; SERVER_OUTCOME after: the same call again
 * goes on.
 */
export async function applySchedule(server: Server, wanted: WantedSchedule): Promise<Applied> {
  checkSettings(wanted);
  const before = await findSchedules(server, wanted);
  const same = before.filter((each) => isSame(each.settings, wanted.settings));
  const there = same.find((each) => each.enabled) ?? same[0];
  const others = before.filter((each) => each.id !== there?.id);
  if (there?.enabled === true && !others.some((each) => each.enabled)) {
    return { id: there.id, made: "unchanged", ...(await deleteQuiet(server, wanted, others)) };
  }
  const change = { began: false };
  try {
    const id = there?.id ?? (await createDisabled(server, wanted, change));
    change.began = true;
    await disableOthers(server, wanted, id);
    if (there?.enabled !== true) await switchSchedule(server, id, true);
    const rest = await checkAlone(server, wanted, id);
    const made =
      there === undefined ? (before.length === 0 ? "created" : "replaced") : there.enabled ? "unchanged" : "resumed";
    return { id, made, ...(await deleteQuiet(server, wanted, rest)) };
  } catch (error) {
    if (!change.began || !isKfkError(error) || error.code === "SERVER_OUTCOME") throw error;
    throw halfDone(wanted, error);
  }
}

/** All schedules of the namespace. Errors: those of `request`. */
export async function listSchedules(server: Server): Promise<readonly Schedule[]> {
  const query = namespaceQuery(server.namespace);
  return (await fetchAll(server, PATH, query, scheduleListSchema, (page) => page.jobs)).map(readSchedule);
}

/** Enables or disables. Errors: SCHEDULE_UNKNOWN; those of `request`. */
export async function switchSchedule(server: Server, id: string, on: boolean): Promise<void> {
  const path = `${pathOf(id)}/${on ? "enable" : "disable"}`;
  const result = await request(server, { method: "POST", path, repeat: "always" });
  if (isMissing(result.answer)) throw unknownSchedule(id);
  if (result.answer.kind !== "ok") throw failedRequest(result);
}

/** Deletes, with the workflows of its runs. One that is gone already is as good. Errors: those of `request`. */
export async function deleteSchedule(server: Server, id: string): Promise<void> {
  const result = await request(server, { method: "DELETE", path: pathOf(id), repeat: "always" });
  if (result.answer.kind !== "ok" && !isMissing(result.answer)) throw failedRequest(result);
}

/** Ids of runs of a schedule that have not ended. Errors: those of `request`. */
export async function runsInFlight(
  server: Server,
  schedule: Pick<Schedule, "id" | "experimentId">,
): Promise<readonly string[]> {
  const query: Record<string, string> = schedule.experimentId
    ? { "resource_reference_key.type": "EXPERIMENT", "resource_reference_key.id": schedule.experimentId }
    : { ...namespaceQuery(server.namespace) };
  const runs = await fetchAll(server, "/apis/v1beta1/runs", query, v.looseObject(RUN_PAGE), (page) =>
    page.runs.filter(
      (run) =>
        run.resource_references.some(({ key }) => key.type === "JOB" && key.id === schedule.id) &&
        !ENDED.test(run.status),
    ),
  );
  return runs.map(({ id }) => id);
}

// --- internal ---

const PATH = "/apis/v1beta1/jobs";
/** varchar(255). */
const LONGEST_NAME = 255;
/** Final words of both generations; anything else, none included, may still run. */
const ENDED = /^(succeeded|failed|error|skipped|cancell?ed|omitted|terminated)$/i;
const MOST_PARAMETER_BYTES = 10_000;
/** How long a creation whose answer was lost is looked for. */
const SEARCH_MS = 20_000;
const SEARCH_PAUSE_MS = 2000;
const MOST_SENDS = 3;

const text = v.optional(v.string(), "");
/** Only what the question "does it still run" needs; a list of runs is long. */
const RUN_PAGE = {
  next_page_token: text,
  runs: v.optional(
    v.array(
      v.looseObject({
        id: v.string(),
        status: text,
        resource_references: v.optional(
          v.array(v.looseObject({ key: v.optional(v.looseObject({ type: text, id: text }), {}) })),
          [],
        ),
      }),
    ),
    [],
  ),
};

type RawSchedule = v.InferOutput<typeof scheduleSchema>;

/** The schedules that `applySchedule` would continue, oldest first. Errors: SERVER_REFUSED; those of `request`. */
async function findSchedules(
  server: Server,
  wanted: Omit<WantedSchedule, "settings" | "serviceAccount">,
): Promise<readonly Schedule[]> {
  const query = {
    filter: nameFilter(wanted.name),
    "resource_reference_key.type": "EXPERIMENT",
    "resource_reference_key.id": wanted.experimentId,
  };
  const all = await fetchAll(server, PATH, query, scheduleListSchema, (page) => page.jobs);
  const named = all.filter((each) => each.name === wanted.name).map(readSchedule);
  for (const each of named) await checkPipeline(server, wanted, each);
  return named.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`;
}

function readSchedule(raw: RawSchedule): Schedule {
  const reference = (type: string): string | null =>
    raw.resource_references.find(({ key }) => key.type === type)?.key.id ?? null;
  const cron = raw.trigger?.cron_schedule ?? null;
  return {
    id: raw.id,
    name: raw.name,
    enabled: raw.enabled,
    createdAt: raw.created_at,
    description: raw.description,
    experimentId: reference("EXPERIMENT"),
    pipelineId: reference("PIPELINE") ?? (raw.pipeline_spec.pipeline_id || null),
    settings: {
      versionId: reference("PIPELINE_VERSION"),
      cron: cron?.cron ?? null,
      start: cron?.start_time ?? null,
      end: cron?.end_time ?? null,
      concurrency: Number(raw.max_concurrency),
      catchup: !raw.no_catchup,
      parameters: raw.pipeline_spec.parameters.map(({ name, value }) => ({ name, value })),
    },
  };
}

function isSame(there: Schedule["settings"], wanted: ScheduleSettings): boolean {
  return (
    there.versionId === wanted.versionId &&
    there.cron === wanted.cron &&
    sameMoment(there.start, wanted.start) &&
    sameMoment(there.end, wanted.end) &&
    there.concurrency === wanted.concurrency &&
    there.catchup === wanted.catchup &&
    sortedText(there.parameters) === sortedText(wanted.parameters)
  );
}

function sameMoment(a: string | null, b: string | null): boolean {
  // a schedule without an end may come back with the zero moment
  const ms = (moment: string | null): number => (moment === null ? 0 : Date.parse(moment));
  return ms(a) === ms(b);
}

function sortedText(parameters: ScheduleSettings["parameters"]): string {
  return JSON.stringify(
    parameters.map(({ name, value }) => [name, value]).toSorted(([a], [b]) => ((a ?? "") < (b ?? "") ? -1 : 1)),
  );
}

/** A name is easily taken by two pipelines (run_config.scheduled_run_name): replacing the other's would lose it. */
async function checkPipeline(
  server: Server,
  wanted: Pick<WantedSchedule, "pipelineId" | "versionIds" | "name">,
  there: Schedule,
): Promise<void> {
  const { versionId } = there.settings;
  if (there.pipelineId === wanted.pipelineId || (versionId !== null && wanted.versionIds.includes(versionId))) return;
  if (there.description.includes(pipelineMark(wanted.pipelineId))) return;
  if (versionId !== null && there.pipelineId === null) {
    const path = `/apis/v1beta1/pipeline_versions/${encodeURIComponent(versionId)}`;
    const result = await request(server, { method: "GET", path, repeat: "always" });
    if (isMissing(result.answer)) return; // its version was deleted: nobody else's any more
    if (result.answer.kind !== "ok") throw failedRequest(result);
  }
  if (versionId === null && there.pipelineId === null) return;
  throw new KfkError("SERVER_REFUSED", `the schedule "${wanted.name}" (${there.id}) runs another pipeline`, {
    hint: `set run_config.scheduled_run_name to another name, or remove it with kfk schedule rm ${there.id}`,
  });
}

function pipelineMark(pipelineId: string): string {
  return `[pipeline ${pipelineId}]`;
}

/** Disabled from its first moment: both fields say so, where a server knows only one. */
async function createDisabled(server: Server, wanted: WantedSchedule, change: { began: boolean }): Promise<string> {
  const nonce = server.world.newId();
  const description = `made by kfk as ${nonce} ${pipelineMark(wanted.pipelineId)}`;
  const ask = { method: "POST", path: PATH, body: bodyOf(wanted, description), repeat: "unsent" } as const;
  for (let sends = 1; ; sends++) {
    const result = await request(server, ask);
    const parsed = result.answer.kind === "ok" ? v.safeParse(scheduleSchema, result.answer.json) : undefined;
    if (parsed?.success === true) return parsed.output.id;
    if (!mayHaveActed(result.answer) && result.answer.kind !== "ok") throw failedRequest(result);
    change.began = true;
    const found = await searchCreated(server, wanted, description);
    if (found !== undefined) return found;
    // one that comes to be later is disabled, and the next call finds and removes it
    if (sends >= MOST_SENDS || (result.answer.kind === "failed" && result.answer.said)) throw failedRequest(result);
  }
}

async function searchCreated(server: Server, wanted: WantedSchedule, description: string): Promise<string | undefined> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  for (;;) {
    const found = (await findSchedules(server, wanted)).find((each) => each.description === description);
    if (found !== undefined) return found.id;
    if (clock.monotonicMs() - startedMs >= SEARCH_MS) return undefined;
    await clock.sleep(SEARCH_PAUSE_MS);
  }
}

function bodyOf(wanted: WantedSchedule, description: string): Readonly<Record<string, unknown>> {
  const { settings } = wanted;
  return {
    name: wanted.name,
    description,
    enabled: false,
    max_concurrency: String(settings.concurrency),
    no_catchup: !settings.catchup,
    trigger: {
      cron_schedule: {
        cron: settings.cron,
        ...(settings.start === null ? {} : { start_time: settings.start }),
        ...(settings.end === null ? {} : { end_time: settings.end }),
      },
    },
    pipeline_spec: { parameters: settings.parameters.map(({ name, value }) => ({ name, value })) },
    resource_references: [
      { key: { type: "EXPERIMENT", id: wanted.experimentId }, relationship: "OWNER" },
      { key: { type: "PIPELINE_VERSION", id: settings.versionId }, relationship: "CREATOR" },
    ],
    ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
  };
}

/** Disables until a list shows every other one disabled. */
async function disableOthers(server: Server, wanted: WantedSchedule, id: string): Promise<void> {
  for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
    const enabled = (await findSchedules(server, wanted)).filter((each) => each.enabled && each.id !== id);
    if (enabled.length === 0) return;
    for (const each of enabled) {
      try {
        await switchSchedule(server, each.id, false);
      } catch (error) {
        if (!isKfkError(error, "SCHEDULE_UNKNOWN")) throw error; // deleted meanwhile
      }
    }
  }
  throw notAlone(wanted, "others of the same name are enabled again and again");
}

const MOST_ROUNDS = 4;

/**
 * All others. Somebody else may have enabled one at the same moment: then this one is taken back, and that is said.
 */
async function checkAlone(server: Server, wanted: WantedSchedule, id: string): Promise<readonly Schedule[]> {
  const all = await findSchedules(server, wanted);
  const others = all.filter((each) => each.enabled && each.id !== id);
  if (others.length > 0) {
    await switchSchedule(server, id, false);
    throw notAlone(wanted, `the schedule ${others[0]?.id} was enabled at the same time`);
  }
  if (!all.some((each) => each.id === id && each.enabled))
    throw notAlone(wanted, `${id} was disabled or deleted meanwhile`);
  return all.filter((each) => each.id !== id);
}

/** Deletes what has no run in flight. The schedule that counts is in place, so trouble here is told, not thrown. */
async function deleteQuiet(
  server: Server,
  wanted: WantedSchedule,
  others: readonly Schedule[],
): Promise<Pick<Applied, "deleted" | "left">> {
  const deleted: string[] = [];
  const left: Applied["left"][number][] = [];
  for (const each of others) {
    try {
      const runs = await runsInFlight(server, { id: each.id, experimentId: wanted.experimentId });
      if (runs.length > 0) {
        left.push({ id: each.id, reason: `its run ${runs[0]} has not ended` });
        continue;
      }
      await deleteSchedule(server, each.id);
      deleted.push(each.id);
    } catch (error) {
      if (!isKfkError(error)) throw error;
      left.push({ id: each.id, reason: error.message });
    }
  }
  return { deleted, left };
}

function checkSettings({ name, settings }: WantedSchedule): void {
  const length = [...name].length;
  if (name.trim() === "" || length > LONGEST_NAME) {
    const problem = length > LONGEST_NAME ? `has ${length} characters, and servers take ${LONGEST_NAME}` : "is empty";
    throw new KfkError("SERVER_REFUSED", `the name of the schedule "${name}" ${problem}`, {
      hint: "set run_config.scheduled_run_name in kubeflow.yaml",
    });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(settings.parameters)).length;
  if (bytes > MOST_PARAMETER_BYTES) {
    throw new KfkError(
      "SERVER_REFUSED",
      `the parameters are ${bytes} bytes, and servers take ${MOST_PARAMETER_BYTES}`,
      {
        hint: "leave large values in the project's parameters, which are in the image",
      },
    );
  }
}

function halfDone(wanted: WantedSchedule, reason: KfkError): KfkError {
  return new KfkError("SERVER_OUTCOME", `the schedule "${wanted.name}" is half changed: ${reason.message}`, {
    hint: "give the same command again: it goes on from what the server has, and never enables two",
    notes: [...(reason.hint === undefined ? [] : [{ message: reason.hint }])],
    cause: reason,
  });
}

function notAlone(wanted: WantedSchedule, problem: string): KfkError {
  return new KfkError("SERVER_OUTCOME", `the schedule "${wanted.name}" is changed by somebody else: ${problem}`, {
    hint: "give the same command again when nobody else does",
  });
}

function unknownSchedule(id: string): KfkError {
  return new KfkError("SCHEDULE_UNKNOWN", `the server knows no schedule "${id}"`, {
    hint: "look at those it has with kfk schedule list",
  });
}
