/**
 * What the fake KFP server knows, and the rules that both of its APIs share: lists, uploads, creating and ending runs.
 * An API (`kfp-v1.ts`, `kfp-v2.ts`) only turns requests into calls of these and things into JSON.
 *
 * Refusals are named by the recorded step in which a real server gave them (`kfp-said.ts`).
 */
import { type Document, readDocument } from "./kfp-documents.ts";
import type { FakeKfpOptions, FakeRun, Fault, Moment, SeenRequest } from "./kfp-fake.ts";
import { type Asked, refused, said } from "./kfp-said.ts";
import type { KfpVersion } from "./kfp-versions.ts";

export interface Item {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: string;
}

export interface Pipeline extends Item {
  readonly displayName: string;
  readonly tags: unknown;
}

export interface Version extends Pipeline {
  readonly pipelineId: string;
  readonly document: Document;
  /** True: its server was killed between the row and the document. */
  isHalfMade?: boolean;
}

export interface Experiment extends Item {
  archived: boolean;
}

export interface Run extends Omit<FakeRun, "parameters"> {
  readonly createdAt: string;
  readonly createdMs: number;
  readonly script: readonly Moment[];
  readonly compressed: boolean;
  readonly failing: State["failing"];
  readonly document: Document;
  readonly experimentId: string;
  readonly pipelineId: string | null;
  readonly versionId: string | null;
  /** True: the request named the pipeline and no version. */
  readonly isByPipeline: boolean;
  readonly jobId: string | null;
  readonly v1Parameters: readonly { readonly name: string; readonly value: string }[] | undefined;
  readonly runtimeConfig: Readonly<Record<string, unknown>> | undefined;
  readonly workflowName: string;
  /** Workflows of requests with an id that was taken: they have no row, and report to this one. */
  readonly strays: Stray[];
  stoppedMs: number | null;
  /** Of the last retry. */
  retriedMs: number | null;
  /** What it went through before that. */
  past: readonly Entry[];
  archived: boolean;
}

export interface Stray {
  readonly workflowName: string;
  readonly createdMs: number;
  readonly script: readonly Moment[];
}

/** A phase of a run, and since when, on the clock of the test. */
export interface Entry {
  readonly atMs: number;
  readonly phase: string;
}

export interface Job extends Item {
  readonly body: Readonly<Record<string, unknown>>;
  readonly experimentId: string;
  readonly pipelineId: string | null;
  readonly versionId: string | null;
  readonly document: Document | undefined;
  enabled: boolean;
}

export interface State {
  readonly options: FakeKfpOptions;
  readonly version: KfpVersion;
  readonly requests: SeenRequest[];
  readonly pipelines: Pipeline[];
  readonly versions: Version[];
  readonly experiments: Experiment[];
  readonly runs: Run[];
  readonly jobs: Job[];
  /** Names of workflows in use. */
  readonly taken: Set<string>;
  readonly faults: (Fault & { left: number })[];
  readonly logs: Map<string, string>;
  workflows: number;
  listening: boolean;
  script: readonly Moment[];
  /** Of workflows without a row; undefined: as `script`. */
  strayScript: readonly Moment[] | undefined;
  failing: Readonly<Record<string, { readonly message: string; readonly exitCode?: string }>> | undefined;
  compressed: boolean;
}

export interface Context {
  readonly state: State;
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly asked: Asked;
  readonly incoming: Request;
}

/** As recorded from 2.5.0 and 2.17.0 with a real Argo controller. */
const SUCCESS: readonly Moment[] = [
  { t: 0, state: "Pending" },
  { t: 1, state: "Running" },
  { t: 21.2, state: "Succeeded" },
];
/** How often a workflow that runs is reported again. */
const REPORT_MS = 30_000;
/** From the stop to the end, as recorded. */
const STOP_TAKES_S = 9.6;
export const FINAL: ReadonlySet<string> = new Set(["Succeeded", "Failed", "Error", "Skipped"]);

export function newState(options: FakeKfpOptions): State {
  const state: State = {
    options,
    version: options.version,
    requests: [],
    pipelines: [],
    versions: [],
    experiments: [],
    runs: [],
    jobs: [],
    taken: new Set(),
    faults: [],
    logs: new Map(),
    workflows: 0,
    listening: true,
    script: SUCCESS,
    strayScript: undefined,
    failing: undefined,
    compressed: false,
  };
  const words = "All runs created without specifying an experiment will be grouped here.";
  state.experiments.push({ ...newItem(state, "Default", words), archived: false });
  return state;
}

export function newItem(state: State, name: string, description: string): Item {
  return { id: crypto.randomUUID(), name, description, createdAt: timestamp(state) };
}

export function timestamp(state: State): string {
  return timestampAt(state.options.clockMs());
}

export function timestampAt(atMs: number): string {
  return new Date(Date.UTC(2026, 10, 24) + atMs).toISOString().replace(/\.\d+Z$/, "Z");
}

export function reply(status: number, body: string, type = "application/json"): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

export function replyJson(value: unknown): Response {
  return reply(200, JSON.stringify(value));
}

export function plain(status: number, body: string): Response {
  return reply(status, body, "text/plain; charset=utf-8");
}

/** The recorded refusal of a step. */
export function refuse(
  context: Context,
  step: string,
  swaps: readonly (readonly [string | RegExp, string])[] = [],
): Response {
  return said(context.state.version.said, step, context.asked, swaps);
}

/** True when this server was recorded refusing in that step. */
export function refuses(context: Context, step: string): boolean {
  return refused(context.state.version.said, step);
}

/** As the databases compare: no case, no trailing blanks. */
export function collate(name: string): string {
  return name.trimEnd().toLowerCase();
}

/** JSON of a body, with its text for messages; or the refusal. `fields`: those that a strict server knows. */
export async function readJson(
  context: Context,
  fields: readonly string[],
): Promise<{ readonly body: Record<string, unknown>; readonly context: Context } | Response> {
  const text = await context.incoming.text();
  const asked = { ...context, asked: { ...context.asked, body: text } };
  if (text === "") return { body: {}, context: asked };
  let body: Record<string, unknown>;
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return refuse(asked, "strict.not-json");
  }
  for (const key of ["name", "display_name"]) {
    if (typeof body[key] === "number") return refuse(asked, "strict.wrong-type");
  }
  const unknown = Object.keys(body).find((key) => !fields.includes(key));
  if (unknown !== undefined && context.state.version.isStrict) {
    const at = text.indexOf(`"${unknown}"`) + 1;
    const step = context.path.includes("v1beta1") ? "run.v1.create.unknown-field" : "strict.unknown-field";
    return refuse(asked, step, [
      [/\(line 1:\d+\)/, `(line 1:${at})`],
      [/\bbogus\b/, unknown],
    ]);
  }
  return { body, context: asked };
}

// --- lists ---

interface Predicate {
  readonly op?: string | number;
  readonly operation?: string | number;
  readonly key: string;
  readonly string_value?: string;
  readonly timestamp_value?: string;
  readonly string_values?: { readonly values: readonly string[] };
}

const FIELDS: Readonly<Record<string, keyof Item | "state">> = {
  name: "name",
  display_name: "name",
  id: "id",
  pipeline_id: "id",
  run_id: "id",
  experiment_id: "id",
  recurring_run_id: "id",
  description: "description",
  created_at: "createdAt",
};
/** Filters that kfk and the recordings use beside the fields of every item. */
const STATES: ReadonlySet<string> = new Set(["status", "state", "storage_state"]);

/** One page. `key`: of the list in the answer; `stateOf`: text of an item's state and storage state. */
export function list<T extends Item>(
  context: Context,
  key: string,
  all: readonly T[],
  show: (item: T) => unknown,
  stateOf: (item: T, key: string) => string = () => "",
): Response {
  const { state, query } = context;
  const isV1 = context.path.startsWith("/apis/v1beta1/");
  const filter = query.get("filter") ?? "";
  const isJobs = key === "jobs" || key === "recurringRuns";
  let kept = all;
  if (filter !== "") {
    let text: string;
    try {
      text = decodeURIComponent(filter.replaceAll("+", " ")); // the second decoding
    } catch {
      const escape = /%(?![0-9a-f]{2}).{0,2}/i.exec(filter)?.[0] ?? "";
      return refuse(context, "filter.once.percent", [["%of", escape]]);
    }
    if (state.options.latin1 && /[\u0100-\u{10FFFF}]/u.test(text)) return illegalMix();
    let predicates: readonly Predicate[];
    try {
      ({ predicates } = JSON.parse(text) as { predicates: readonly Predicate[] });
    } catch {
      return refuse(context, "filter.garbage");
    }
    for (const each of predicates) {
      if ((isV1 ? each.operation : each.op) !== undefined) return refuse(context, "filter.wrong-dialect");
      const field = isJobs && each.key === "experiment_id" ? undefined : FIELDS[each.key];
      if (field === undefined && (isJobs || !STATES.has(each.key))) {
        if (!isJobs) return refuse(context, "filter.unknown-key");
        if (isV1) return refuse(context, "job.v1.list.filter-enabled");
        return refuse(context, `recurring.v2.list.filter-${each.key === "status" ? "status" : "experiment"}`);
      }
      const read = (item: T): string =>
        field === undefined ? stateOf(item, each.key) : ((item as Readonly<Record<string, unknown>>)[field] as string);
      kept = kept.filter((item) => matches(each, read(item)));
    }
  }
  const sort = query.get("sort_by") ?? "";
  const [, by = "", order = "asc"] = /^(\w*)\s*(asc|desc)?$/i.exec(sort) ?? [];
  if (sort !== "" && FIELDS[by] === undefined) return refuse(context, "sort.unknown");
  const field = FIELDS[by] ?? "createdAt";
  const textOf = (item: T): string => String((item as Readonly<Record<string, unknown>>)[field]);
  const sorted = kept
    .map((item, index) => ({ item, index }))
    .toSorted((a, b) => {
      const [first, second] = [textOf(a.item), textOf(b.item)];
      const way = order.toLowerCase() === "desc" ? -1 : 1;
      return way * (first < second ? -1 : first > second ? 1 : a.index - b.index);
    })
    .map(({ item }) => item);
  const given = query.get("page_size");
  if (given !== null && given !== "" && !/^-?\d+$/.test(given)) return refuse(context, "page.size-text");
  if (Number(given ?? 0) < 0) return refuse(context, "page.size-negative");
  const size = Math.min(Number(given ?? 0) || 20, state.options.pageSize ?? 200);
  const page = query.get("page_token") ?? "";
  let token = { at: 0, sort, filter };
  if (page !== "") {
    try {
      token = JSON.parse(atob(page)) as typeof token;
    } catch {
      return refuse(context, "page.token-garbage");
    }
    if (sort !== "" && token.sort !== sort) return refuse(context, "page.token-other-sort");
    if (filter !== "" && token.filter !== filter) return refuse(context, "page.token-other-filter");
  }
  const shown = sorted.slice(token.at, token.at + size);
  const more = token.at + size < sorted.length;
  return replyJson({
    ...(shown.length === 0 ? {} : { [key]: shown.map(show) }),
    ...(sorted.length === 0 ? {} : { total_size: sorted.length }),
    ...(more ? { next_page_token: btoa(JSON.stringify({ ...token, at: token.at + size })) } : {}),
  });
}

/** As 2.0.5 and main said it, with MariaDB 10.11. */
function illegalMix(): Response {
  const message =
    "InternalServerError: Failed to execute SQL for listing pipelines: Error 1267 (HY000): Illegal mix of collations " +
    "(latin1_swedish_ci,IMPLICIT) and (utf8mb3_general_ci,COERCIBLE) for operation '='";
  return reply(500, JSON.stringify({ code: 13, message, details: [] }));
}

function matches(predicate: Predicate, value: string): boolean {
  const wanted = predicate.string_value ?? predicate.timestamp_value ?? "";
  switch (predicate.op ?? predicate.operation) {
    case "EQUALS":
    case 1:
      return collate(value) === collate(wanted);
    case "NOT_EQUALS":
      return collate(value) !== collate(wanted);
    case "IS_SUBSTRING": {
      const pattern = wanted
        .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
        .replaceAll("%", ".*")
        .replaceAll("_", ".");
      return new RegExp(pattern, "is").test(value);
    }
    case "IN":
      return (predicate.string_values?.values ?? []).some((each) => collate(each) === collate(value));
    case "GREATER_THAN":
    case "GREATER_THAN_EQUALS":
      return value >= wanted;
    default:
      return true;
  }
}

// --- pipelines ---

/** Versions that are there for all but the list of pipelines. */
export function readyVersions(state: State): readonly Version[] {
  return state.versions.filter((each) => each.isHalfMade !== true);
}

export function newestVersion(state: State, pipelineId: string): Version | undefined {
  return state.versions.findLast((each) => each.pipelineId === pipelineId);
}

const MOST_UPLOAD_BYTES = 33_554_432;

/** An upload: the new version with its pipeline, or the refusal. */
export async function upload(
  context: Context,
  kind: "pipeline" | "version",
): Promise<{ readonly pipeline: Pipeline; readonly version: Version } | Response> {
  const { state, query, incoming } = context;
  const api = context.path.startsWith("/apis/v1beta1/") ? "v1" : "v2";
  const first = kind === "pipeline" ? `upload.${api === "v1" ? "v1.argo" : "v2.ir"}` : `upload_version.${api}`;
  if (context.method === "GET") return refuse(context, "bad.get-on-upload");
  if (!(incoming.headers.get("content-type") ?? "").startsWith("multipart/"))
    return refuse(context, "bad.not-multipart");
  const file = (await incoming.formData()).get("uploadfile");
  if (!(file instanceof File)) return refuse(context, "bad.no-part");
  if (file.size > MOST_UPLOAD_BYTES) return refuse(context, "bad.too-large-33MiB");
  if (!/\.(ya?ml|json|zip|tgz|tar\.gz)$/.test(file.name)) return refuse(context, "bad.suffix-txt");
  let name = query.get("name") || (state.version.isStrict ? query.get("display_name") : "") || file.name;
  let description = query.get("description") ?? "";
  if (state.version.isOld) {
    try {
      const decode = (each: string): string => decodeURIComponent(each.replaceAll("+", " "));
      name = decode(name);
      // a version's description is decoded once (seen on 1.8.22)
      if (kind === "pipeline") description = decode(description);
    } catch {
      const escape = /%(?![0-9a-f]{2}).{0,2}/i.exec(name)?.[0] ?? "";
      return refuse(context, "upload.name.percent", [["%of", escape]]);
    }
  }
  if ([...name].length > state.version.nameLimits[kind]) {
    return refuse(context, `name-length.${kind}.${state.version.nameLimits[kind] + 1}`);
  }
  const pipelineId = query.get("pipelineid") ?? "";
  if (kind === "version") {
    if (pipelineId === "") return refuse(context, "upload_version.v1.no-pipelineid");
    if (!state.pipelines.some((each) => each.id === pipelineId)) {
      return refuse(context, "upload_version.v1.unknown-pipeline");
    }
  }
  const read = readDocument(new Uint8Array(await file.arrayBuffer()));
  if ("hangs" in read) {
    if (refuses(context, `malformed.${api}beta1.bad-yaml-quote`)) {
      return refuse(context, malformedStep(file.name, api));
    }
    return await new Promise(() => {}); // as real servers do
  }
  if ("bad" in read) {
    const step = `bad.${read.bad.startsWith("bad-ir") ? "v2" : api}.${read.bad}`;
    return refuse(context, step, read.swaps ?? []);
  }
  const taken = kind === "pipeline" ? state.pipelines : state.versions.filter((each) => each.pipelineId === pipelineId);
  if (taken.some((each) => collate(each.name) === collate(name))) return refuse(context, `${first}.duplicate`);
  const longest = state.version.longestVersion;
  if ([...name].length > longest) return refuse(context, `name-length.${kind}.${longest + 1}`);
  const tags: unknown = state.version.isStrict ? JSON.parse(query.get("tags") ?? "null") : null;
  const displayName = (state.version.isStrict ? query.get("display_name") : "") || name;
  const pipeline =
    kind === "pipeline"
      ? { ...newItem(state, name, description), displayName, tags }
      : (state.pipelines.find((each) => each.id === pipelineId) as Pipeline);
  // 1.x gives the first version the pipeline's id, and later ones their description alone
  const item = newItem(state, name, kind === "pipeline" && state.version.isOld ? "" : description);
  const id = kind === "pipeline" && state.version.isOld ? pipeline.id : item.id;
  const version = { ...item, id, displayName, tags, pipelineId: pipeline.id, document: read.document };
  if (kind === "pipeline") state.pipelines.push(pipeline);
  state.versions.push(version);
  return { pipeline, version };
}

function malformedStep(file: string, api: string): string {
  const name = /^bad-yaml-(quote|bracket|tab)/.exec(file)?.[0] ?? "bad-yaml-quote";
  return `malformed.${api}beta1.${name}`;
}

// --- runs ---

export interface NewRun {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly serviceAccount: string;
  readonly experimentId: string;
  readonly version: Version | undefined;
  readonly document: Document;
  readonly isByPipeline: boolean;
  readonly v1Parameters: Run["v1Parameters"];
  readonly runtimeConfig: Run["runtimeConfig"];
}

const LONGEST_COLUMN = 255;

/** Makes a run: the Workflow first, the row second. */
export function startRun(context: Context, api: "v1" | "v2", wanted: NewRun): Run | Response {
  const { state } = context;
  const { tree } = wanted.document;
  const id = (state.version.keepsRunId ? wanted.id : "") || crypto.randomUUID();
  const fixed = tree.metadata?.name;
  const prefix = tree.metadata?.generateName ?? `${tree.pipelineInfo?.name ?? "run"}-`;
  const workflowName = fixed ?? `${prefix}${crypto.randomUUID().slice(-5)}`;
  if (!/^[a-z0-9]([-\w.]*[a-z0-9])?$/i.test(id)) {
    return refuse(context, `run.${api}.create.own-id-not-uuid`, [["not a uuid!", id]]);
  }
  if (fixed !== undefined && state.taken.has(fixed)) {
    return refuse(context, "run.v1.create.inline-fixed-name-again", [[/fixed-\d{6}/, fixed]]);
  }
  state.workflows++;
  state.taken.add(workflowName);
  const taken = state.runs.find((each) => each.id === id);
  if (taken !== undefined) {
    const createdMs = state.options.clockMs();
    taken.strays.push({ workflowName, createdMs, script: state.strayScript ?? state.script });
    return refuse(context, `run.${api}.create.own-id-again`);
  }
  if (wanted.name.length > LONGEST_COLUMN) return refuse(context, "name-length.run.v1.256");
  if (wanted.description.length > LONGEST_COLUMN) return refuse(context, "description-length.run.v1.300");
  const run: Run = {
    id,
    name: wanted.name,
    description: wanted.description,
    serviceAccount: wanted.serviceAccount || tree.spec?.serviceAccountName || "pipeline-runner",
    createdAt: timestamp(state),
    createdMs: state.options.clockMs(),
    script: state.script,
    compressed: state.compressed,
    failing: state.failing,
    document: wanted.document,
    experimentId: wanted.experimentId,
    pipelineId: wanted.version?.pipelineId ?? null,
    versionId: wanted.version?.id ?? null,
    isByPipeline: wanted.isByPipeline,
    jobId: null,
    v1Parameters: wanted.v1Parameters,
    runtimeConfig: wanted.runtimeConfig,
    workflowName,
    strays: [],
    stoppedMs: null,
    retriedMs: null,
    past: [],
    archived: false,
  };
  state.runs.push(run);
  return run;
}

/** Phase of Argo, or Terminating. */
export function runPhase(state: State, run: Run): string {
  const now = state.options.clockMs();
  if (run.stoppedMs !== null) return now - run.stoppedMs >= STOP_TAKES_S * 1000 ? "Failed" : "Terminating";
  if (run.retriedMs !== null && now - run.retriedMs < 1000) return "Running";
  const since = now - (run.retriedMs ?? run.createdMs);
  return run.script.findLast((each) => each.t * 1000 <= since)?.state ?? "";
}

/** All phases of a run until now, oldest first, as the database keeps them. */
export function runHistory(state: State, run: Run): readonly Entry[] {
  const now = state.options.clockMs();
  const beginMs = run.retriedMs ?? run.createdMs;
  const entries = [...run.past, ...(run.retriedMs === null ? [] : [{ atMs: beginMs, phase: "Running" }])];
  for (const { t, state: phase } of run.script) entries.push({ atMs: beginMs + t * 1000, phase });
  const untilMs = run.stoppedMs ?? now;
  const kept = entries.filter(({ atMs }) => atMs <= untilMs);
  if (run.stoppedMs !== null) {
    const endMs = run.stoppedMs + STOP_TAKES_S * 1000;
    kept.push({ atMs: run.stoppedMs, phase: "Terminating" });
    if (endMs <= now) kept.push({ atMs: endMs, phase: "Failed" });
  }
  return kept.filter(({ phase }, index) => phase !== kept[index - 1]?.phase);
}

/** What the row of a run shows: the workflow that reported last, and its phase. Those that run report now and then. */
export interface Report {
  readonly workflowName: string;
  readonly phase: string;
  readonly isOwn: boolean;
  /** Since when it has this phase. */
  readonly atMs: number;
}

export function lastReport(state: State, run: Run): Report {
  const now = state.options.clockMs();
  const ownMs = runHistory(state, run).at(-1)?.atMs ?? run.createdMs;
  const own = { workflowName: run.workflowName, phase: runPhase(state, run), isOwn: true, atMs: ownMs };
  const toldMs = ({ phase, atMs }: Report): number =>
    FINAL.has(phase) ? atMs : atMs + Math.floor((now - atMs) / REPORT_MS) * REPORT_MS;
  const reports = run.strays.map(({ workflowName, createdMs, script }): Report => {
    const moment = script.findLast((each) => createdMs + each.t * 1000 <= now);
    const atMs = createdMs + (moment?.t ?? 0) * 1000;
    return { workflowName, phase: moment?.state ?? "", isOwn: false, atMs };
  });
  return [own, ...reports].toSorted((a, b) => toldMs(a) - toldMs(b)).at(-1) as Report;
}

/** The phases that the row went through, whoever reported them. */
export function rowHistory(state: State, run: Run): readonly Entry[] {
  const now = state.options.clockMs();
  const strays = run.strays.flatMap(({ createdMs, script }) =>
    script.map(({ t, state: phase }) => ({ atMs: createdMs + t * 1000, phase })),
  );
  return [...runHistory(state, run), ...strays.filter(({ atMs }) => atMs <= now)]
    .toSorted((a, b) => a.atMs - b.atMs)
    .filter(({ phase }, index, all) => phase !== all[index - 1]?.phase);
}

/** When a run ended, as servers write it; 1970 while it has not. */
export function finishedAt(state: State, run: Run): string {
  const { phase, atMs } = lastReport(state, run);
  return FINAL.has(phase) ? timestampAt(atMs) : "1970-01-01T00:00:00Z";
}

/** The run of a path, or the refusal of that call. */
export function findRun(context: Context, id: string): Run | undefined {
  return context.state.runs.find((each) => each.id === id);
}

export function stopRun(context: Context, api: "v1" | "v2", id: string): Response {
  const run = findRun(context, id);
  if (run === undefined) return refuse(context, `run.${api}.unknown.terminate`);
  const phase = runPhase(context.state, run);
  if (FINAL.has(phase)) return refuse(context, "wait.v1.argo-slow.terminate-finished");
  if (run.stoppedMs !== null) return refuse(context, "run.v1.terminate-again");
  run.stoppedMs = context.state.options.clockMs();
  return replyJson({});
}

export function retryRun(context: Context, api: "v1" | "v2", id: string): Response {
  const run = findRun(context, id);
  if (run === undefined) return refuse(context, `run.${api}.unknown.retry`);
  if (!["Failed", "Error"].includes(runPhase(context.state, run))) return refuse(context, "run.v1.retry.pending");
  run.past = runHistory(context.state, run);
  run.stoppedMs = null;
  run.retriedMs = context.state.options.clockMs();
  return replyJson({});
}

export function removeWhere<T>(items: T[], unwanted: (item: T) => boolean): boolean {
  const at = items.findIndex(unwanted);
  if (at >= 0) items.splice(at, 1);
  return at >= 0;
}

// --- schedules ---

/** Why a schedule is refused, as the end of a recorded step; undefined when it is taken. */
export function badSchedule(body: Readonly<Record<string, unknown>>): string | undefined {
  const most = Number(body["max_concurrency"] ?? 0);
  const trigger = (body["trigger"] ?? {}) as {
    readonly cron_schedule?: { readonly cron?: string; readonly start_time?: string };
    readonly periodic_schedule?: { readonly interval_second?: number | string };
  };
  const start = trigger.cron_schedule?.start_time;
  if (start !== undefined && Number.isNaN(Date.parse(start))) return "bad-date";
  if (most === 0) return "no-max_concurrency";
  if (most > 10) return "max_concurrency-11";
  const cron = trigger.cron_schedule?.cron;
  if (cron !== undefined && !/^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every .+)$/.test(cron)) {
    const fields = cron.trim().split(/\s+/);
    if (cron === "") return "cron-empty";
    if (/^(CRON_)?TZ=/.test(cron)) return "cron-tz";
    if (fields.length < 5) return fields.length === 4 ? "cron-4-fields" : "cron-invalid";
    if (fields.length > 6) return "cron-7-fields";
  }
  const interval = trigger.periodic_schedule?.interval_second;
  if (interval !== undefined && Number(interval) < 1) return "periodic-0";
  return undefined;
}
