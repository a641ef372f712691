/**
 * Schedules in the words of either API → one form: `jobs` of v1beta1, which every server from 1.8 to 2.17 has and which
 * alone hands parameters to Argo documents; `recurringruns` of v2beta1 for pipeline specifications, and on servers that
 * keep pipelines in Kubernetes. Both show the same schedules (reference/kfp-api.md 2.8; recordings `job.v1.*`,
 * `recurring.v2.*`). Deleting a schedule kills the workflows of its runs on all of them.
 */
import * as v from "valibot";
import {
  recurringRunListSchema,
  recurringRunSchema,
  scheduledRunListSchema,
  scheduledRunListV2Schema,
  scheduleListSchema,
  scheduleSchema,
} from "../../schemas/kfp-schedules.ts";
import { isKfkError, KfkError } from "../error.ts";
import { isMissing } from "./answer.ts";
import { fetchAll, fetchPages, namesFilter, namespaceQuery } from "./list.ts";
import { failedRequest, request, type Result } from "./request.ts";
import type { Server } from "./server.ts";

/** What a schedule does; two of one experiment with equal settings are the same schedule. */
export interface ScheduleSettings {
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
  /** Values as text; as JSON for a specification. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

export interface Schedule {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  /** RFC 3339, whole seconds. */
  readonly createdAt: string;
  readonly description: string;
  readonly experimentId: string | null;
  /** null before 2.0, where only the version is named, and for a workflow that was never uploaded. */
  readonly pipelineId: string | null;
  /** Of one that runs by an interval instead of a cron expression. */
  readonly intervalSeconds: number | null;
  /** Settings with null where the server names no version or no cron expression. */
  readonly settings: Omit<ScheduleSettings, "versionId" | "cron"> & {
    readonly versionId: string | null;
    readonly cron: string | null;
  };
}

export interface NewSchedule {
  readonly name: string;
  readonly description: string;
  readonly experimentId: string;
  readonly pipelineId: string;
  readonly settings: ScheduleSettings;
  readonly serviceAccount?: string | undefined;
}

export interface ScheduleApi {
  /** All of the namespace, or those of a name; servers compare loosely, so more may come. Errors: those of `request`. */
  readonly list: (server: Server, name?: string) => Promise<readonly Schedule[]>;
  /** Asks for one that is disabled from its first moment. */
  readonly create: (server: Server, wanted: NewSchedule) => Promise<Result>;
  /** What was created, undefined when the answer shows nothing. */
  readonly readCreated: (result: Result) => Schedule | undefined;
  /** `isOnce`: never sent a second time when the first may have arrived. */
  readonly turn: (server: Server, id: string, on: boolean, isOnce?: boolean) => Promise<Result>;
  /**
   * Deletes, with the workflows of its runs; `isSparing`: without them, where the server can do that (2.16 and newer;
   * others pay no heed). One that is gone already is as good. Errors: those of `request`.
   */
  readonly remove: (server: Server, id: string, isSparing?: boolean) => Promise<void>;
  /** Ids of its runs that have not ended. Errors: those of `request`. */
  readonly runsInFlight: (
    server: Server,
    schedule: Pick<Schedule, "id" | "experimentId" | "createdAt">,
  ) => Promise<readonly string[]>;
}

/** The API for schedules of a kind of document. */
export function scheduleApi(server: Server, kind: "argo" | "ir" = "argo"): ScheduleApi {
  return kind === "ir" || server.store === "kubernetes" ? V2 : V1;
}

/** Enables or disables. Errors: SCHEDULE_UNKNOWN; those of `request`. */
export async function switchSchedule(api: ScheduleApi, server: Server, id: string, on: boolean): Promise<void> {
  const result = await api.turn(server, id, on);
  if (isMissing(result.answer)) {
    throw new KfkError("SCHEDULE_UNKNOWN", `the server knows no schedule "${id}"`, {
      hint: "look at those it has with kfk schedule list",
    });
  }
  if (result.answer.kind !== "ok") throw failedRequest(result);
}

// --- internal ---

/** Final words of both generations; anything else, none included, may still run. */
const ENDED = /^(succeeded|failed|error|skipped|cancell?ed|omitted|terminated)$/i;

const V1_PATH = "/apis/v1beta1/jobs";
const V1: ScheduleApi = {
  list: async (server, name) => {
    const filter = name === undefined ? {} : { filter: namesFilter("v1", [name]) };
    const query = { ...filter, ...namespaceQuery(server.namespace) };
    return (await fetchAll(server, V1_PATH, query, scheduleListSchema, (page) => page.jobs)).map(readV1);
  },
  create: async (server, wanted) => {
    const { settings } = wanted;
    return await send(server, V1_PATH, {
      name: wanted.name,
      description: wanted.description,
      enabled: false,
      max_concurrency: String(settings.concurrency),
      no_catchup: !settings.catchup,
      trigger: triggerOf(settings),
      pipeline_spec: { parameters: settings.parameters.map(({ name, value }) => ({ name, value })) },
      resource_references: [
        { key: { type: "EXPERIMENT", id: wanted.experimentId }, relationship: "OWNER" },
        { key: { type: "PIPELINE_VERSION", id: settings.versionId }, relationship: "CREATOR" },
      ],
      ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
    });
  },
  readCreated: (result) => readGood(result, scheduleSchema, readV1),
  turn: async (server, id, on, isOnce) =>
    await post(server, `${V1_PATH}/${encodeURIComponent(id)}/${on ? "enable" : "disable"}`, isOnce),
  remove: async (server, id, isSparing) => {
    // only v2beta1 has the word for it
    if (isSparing === true && server.isStrict) await V2.remove(server, id, isSparing);
    else await removeAt(server, `${V1_PATH}/${encodeURIComponent(id)}`);
  },
  runsInFlight: async (server, schedule) => {
    const { experimentId } = schedule;
    const scope = experimentId
      ? { "resource_reference_key.type": "EXPERIMENT", "resource_reference_key.id": experimentId }
      : namespaceQuery(server.namespace);
    return await readRuns(server, schedule, "v1", (query) =>
      fetchPages(server, "/apis/v1beta1/runs", { ...scope, ...query }, scheduledRunListSchema, ({ runs }) =>
        runs.map((run) => ({
          id: run.id,
          state: run.status,
          createdAt: run.created_at,
          scheduleId: run.resource_references.find(({ key }) => key.type === "JOB")?.key.id ?? "",
        })),
      ),
    );
  },
};

const V2_PATH = "/apis/v2beta1/recurringruns";
const V2: ScheduleApi = {
  list: async (server, name) => {
    const filter = name === undefined ? {} : { filter: namesFilter("v2", [name]) };
    const query = { ...filter, ...ofNamespace(server) };
    const items = await fetchAll(server, V2_PATH, query, recurringRunListSchema, (page) => page.recurringRuns);
    return items.map(readV2);
  },
  create: async (server, wanted) => {
    const { settings } = wanted;
    return await send(server, V2_PATH, {
      display_name: wanted.name,
      description: wanted.description,
      mode: "DISABLE",
      max_concurrency: String(settings.concurrency),
      no_catchup: !settings.catchup,
      trigger: triggerOf(settings),
      experiment_id: wanted.experimentId,
      pipeline_version_reference: { pipeline_id: wanted.pipelineId, pipeline_version_id: settings.versionId },
      runtime_config: {
        parameters: Object.fromEntries(settings.parameters.map(({ name, value }) => [name, parseValue(value)])),
      },
      ...(wanted.serviceAccount === undefined ? {} : { service_account: wanted.serviceAccount }),
    });
  },
  readCreated: (result) => readGood(result, recurringRunSchema, readV2),
  turn: async (server, id, on, isOnce) =>
    await post(server, `${V2_PATH}/${encodeURIComponent(id)}:${on ? "enable" : "disable"}`, isOnce),
  remove: async (server, id, isSparing) => {
    const query = isSparing === true && server.isStrict ? { propagation_policy: "ORPHAN" } : undefined;
    await removeAt(server, `${V2_PATH}/${encodeURIComponent(id)}`, query);
  },
  runsInFlight: async (server, schedule) => {
    const { experimentId } = schedule;
    const scope = experimentId ? { experiment_id: experimentId } : ofNamespace(server);
    return await readRuns(server, schedule, "v2", (query) =>
      fetchPages(server, "/apis/v2beta1/runs", { ...scope, ...query }, scheduledRunListV2Schema, ({ runs }) =>
        runs.map((run) => ({
          id: run.run_id,
          state: run.state,
          createdAt: run.created_at,
          scheduleId: run.recurring_run_id,
        })),
      ),
    );
  },
};

function ofNamespace({ namespace }: Server): Readonly<Record<string, string>> {
  return namespace === null ? {} : { namespace };
}

interface ScheduledRun {
  readonly id: string;
  readonly state: string;
  readonly createdAt: string;
  readonly scheduleId: string;
}

/**
 * Reads the newest first, and none that is older than the schedule. Lets the server pick the runs of the schedule where
 * it can: 1.8 does not know that key, 2.0 looks for it in a column that is not there (read from source), so only from
 * 2.14 on; and all of them are read where it refuses.
 */
async function readRuns(
  server: Server,
  schedule: Pick<Schedule, "id" | "createdAt">,
  api: "v1" | "v2",
  pagesOf: (query: Readonly<Record<string, string>>) => AsyncIterable<readonly ScheduledRun[]>,
): Promise<readonly string[]> {
  const query = { sort_by: "created_at desc" };
  const read = async (more: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const page of pagesOf({ ...query, ...more })) {
      const own = page.filter(({ scheduleId, state }) => scheduleId === schedule.id && !ENDED.test(state));
      found.push(...own.map(({ id }) => id));
      const oldest = page.at(-1)?.createdAt ?? "";
      if (Date.parse(oldest) < Date.parse(schedule.createdAt) - CLOCKS_MS) break;
    }
    return found;
  };
  if (!server.isStrict) return await read({});
  try {
    return await read({ filter: keyFilter(api, "recurring_run_id", schedule.id) });
  } catch (error) {
    if (!isKfkError(error, "SERVER_REFUSED")) throw error;
    return await read({});
  }
}

/** Several API servers share a database, not a clock. */
const CLOCKS_MS = 600_000;

function keyFilter(api: "v1" | "v2", key: string, value: string): string {
  const op = api === "v1" ? { op: "EQUALS" } : { operation: "EQUALS" };
  return encodeURIComponent(JSON.stringify({ predicates: [{ ...op, key, string_value: value }] }));
}

type RawSchedule = v.InferOutput<typeof scheduleSchema>;
type RawRecurringRun = v.InferOutput<typeof recurringRunSchema>;

function readV1(raw: RawSchedule): Schedule {
  const reference = (type: string): string | null =>
    raw.resource_references.find(({ key }) => key.type === type)?.key.id || null;
  return {
    id: raw.id,
    name: raw.name,
    enabled: raw.enabled,
    createdAt: raw.created_at,
    description: raw.description,
    experimentId: reference("EXPERIMENT"),
    pipelineId: reference("PIPELINE") ?? (raw.pipeline_spec.pipeline_id || null),
    intervalSeconds: intervalOf(raw),
    settings: {
      versionId: reference("PIPELINE_VERSION"),
      ...timesOf(raw),
      parameters: raw.pipeline_spec.parameters.map(({ name, value }) => ({ name, value })),
    },
  };
}

function readV2(raw: RawRecurringRun): Schedule {
  return {
    id: raw.recurring_run_id,
    name: raw.display_name,
    enabled: raw.status === "ENABLED" || (raw.status === "" && raw.mode === "ENABLE"),
    createdAt: raw.created_at,
    description: raw.description,
    experimentId: raw.experiment_id || null,
    pipelineId: raw.pipeline_version_reference?.pipeline_id || null,
    intervalSeconds: intervalOf(raw),
    settings: {
      versionId: raw.pipeline_version_reference?.pipeline_version_id || null,
      ...timesOf(raw),
      parameters: Object.entries(raw.runtime_config?.parameters ?? {}).map(([name, value]) => ({
        name,
        value: JSON.stringify(value),
      })),
    },
  };
}

/** Text that is no JSON stands for itself. */
function parseValue(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function timesOf(
  raw: Pick<RawSchedule, "trigger" | "max_concurrency" | "no_catchup">,
): Omit<Schedule["settings"], "versionId" | "parameters"> {
  const cron = raw.trigger?.cron_schedule ?? null;
  return {
    cron: cron?.cron || null,
    start: cron?.start_time ?? null,
    end: cron?.end_time ?? null,
    concurrency: Number(raw.max_concurrency),
    catchup: !raw.no_catchup,
  };
}

function intervalOf({ trigger }: Pick<RawSchedule, "trigger">): number | null {
  return Number(trigger?.periodic_schedule?.interval_second ?? 0) || null;
}

function triggerOf({ cron, start, end }: ScheduleSettings): Readonly<Record<string, unknown>> {
  return {
    cron_schedule: {
      cron,
      ...(start === null ? {} : { start_time: start }),
      ...(end === null ? {} : { end_time: end }),
    },
  };
}

function readGood<S extends v.GenericSchema>(
  { answer }: Result,
  schema: S,
  read: (raw: v.InferOutput<S>) => Schedule,
): Schedule | undefined {
  const parsed = answer.kind === "ok" ? v.safeParse(schema, answer.json) : undefined;
  return parsed?.success === true ? read(parsed.output) : undefined;
}

async function send(server: Server, path: string, body: Readonly<Record<string, unknown>>): Promise<Result> {
  return await request(server, { method: "POST", path, body, repeat: "unsent" });
}

async function post(server: Server, path: string, isOnce = false): Promise<Result> {
  return await request(server, { method: "POST", path, repeat: isOnce ? "unsent" : "always" });
}

async function removeAt(server: Server, path: string, query?: Readonly<Record<string, string>>): Promise<void> {
  const result = await request(server, { method: "DELETE", path, ...(query ? { query } : {}), repeat: "always" });
  if (result.answer.kind === "ok" || isMissing(result.answer)) return;
  // 2.14 and 2.15 were not recorded: should they refuse the word instead of paying no heed, then without it
  if (query === undefined || result.answer.kind !== "refused") throw failedRequest(result);
  await removeAt(server, path);
}
