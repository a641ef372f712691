/**
 * A KFP server for tests: v1beta1 pipelines, versions, experiments, runs and health, in memory, over HTTP on loopback.
 * It answers as recorded servers do (`kfp-versions.ts`, `kfp-fake.test.ts`), and wrongly on command.
 *
 * Time is the caller's: a run goes through its script of states by `clockMs`, so that a test with its own clock
 * decides. `fetch` is what a world gets: the platform's, but for a server that is switched off, when the port is one
 * that nobody listens on.
 *
 * Over 500 lines because one server's routes and wording belong together.
 */
import { gzipSync } from "node:zlib";
import { parse } from "yaml";
import type { KfpVersion } from "./kfp-versions.ts";

export interface Moment {
  /** Seconds after creation. */
  readonly t: number;
  readonly state: string;
}

/** What happens instead of, or after, the proper answer to the next matching request. */
export interface Fault {
  readonly method?: string;
  /** Found in the path. */
  readonly path?: string;
  /** True: the request is carried out first, and its answer thrown away. */
  readonly acted?: boolean;
  /** How often; default 1. */
  readonly times?: number;
  readonly answer: "reset" | "cut" | "hang" | (() => Response);
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
}

export interface FakeRun {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[] | undefined;
  readonly serviceAccount: string;
}

export interface FakeKfp {
  readonly url: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly requests: readonly SeenRequest[];
  readonly runs: () => readonly FakeRun[];
  /** Workflows that Kubernetes would hold: one for every creation that came through, rows or not. */
  readonly workflows: () => number;
  readonly versions: () => readonly { readonly id: string; readonly name: string; readonly text: string }[];
  readonly pipelines: () => readonly string[];
  readonly addFault: (fault: Fault) => void;
  /** Switches the port off and on. */
  readonly setListening: (on: boolean) => void;
  /** States of runs that are created from now on; the default is that of a recorded success. */
  readonly setScript: (script: readonly Moment[], manifest?: "plain" | "compressed") => void;
  readonly stop: () => Promise<void>;
}

export interface FakeKfpOptions {
  readonly version: KfpVersion;
  readonly clockMs: () => number;
  readonly base?: string;
  /** Token that is wanted, absent: none. */
  readonly token?: () => string;
  /** Items on a page when more are asked for. */
  readonly pageSize?: number;
  readonly multiUser?: boolean;
}

/** Starts a server; `stop` it. */
export function startKfp(options: FakeKfpOptions): FakeKfp {
  const state = newState(options);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    maxRequestBodySize: 64 * 1024 * 1024,
    idleTimeout: 0,
    fetch: (incoming) => answerRequest(state, incoming),
  });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    url: url + (options.base ?? ""),
    fetch: (target, init) =>
      fetch(state.listening ? target : target.replace(url, CLOSED_PORT), { ...init, keepalive: false }),
    requests: state.requests,
    runs: () => state.runs,
    workflows: () => state.workflows,
    versions: () => state.versions,
    pipelines: () => state.pipelines.map((each) => each.name),
    addFault: (fault) => void state.faults.push({ ...fault, left: fault.times ?? 1 }),
    setListening: (on) => {
      state.listening = on;
    },
    setScript: (script, manifest = "plain") => {
      state.script = script;
      state.compressed = manifest === "compressed";
    },
    stop: () => server.stop(true),
  };
}

// --- internal ---

/** Port 1 of loopback: nothing listens there. */
const CLOSED_PORT = "http://127.0.0.1:1";

interface Pipeline {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: string;
}

interface Version extends Pipeline {
  readonly pipelineId: string;
  readonly text: string;
  readonly document: Workflow;
}

interface Experiment extends Pipeline {
  archived: boolean;
}

interface Run extends FakeRun {
  readonly createdAt: string;
  readonly createdMs: number;
  readonly script: readonly Moment[];
  readonly compressed: boolean;
  readonly document: Workflow;
  readonly source: Readonly<Record<string, unknown>>;
  readonly references: readonly unknown[];
  readonly workflowName: string;
  stoppedMs: number | null;
  archived: boolean;
}

interface Workflow {
  readonly metadata?: { readonly name?: string; readonly generateName?: string };
  readonly spec?: {
    readonly entrypoint?: string;
    readonly serviceAccountName?: string;
    readonly arguments?: { readonly parameters?: readonly { readonly name: string; readonly value?: string }[] };
    readonly templates?: readonly Template[];
  };
}

interface Template {
  readonly name: string;
  readonly dag?: { readonly tasks: readonly { readonly name: string; readonly template: string }[] };
}

interface State {
  readonly options: FakeKfpOptions;
  readonly version: KfpVersion;
  readonly requests: SeenRequest[];
  readonly pipelines: Pipeline[];
  readonly versions: Version[];
  readonly experiments: Experiment[];
  readonly runs: Run[];
  readonly taken: Set<string>;
  readonly faults: (Fault & { left: number })[];
  workflows: number;
  listening: boolean;
  script: readonly Moment[];
  compressed: boolean;
}

/** As recorded from 2.5.0 and 2.17.0 with a real Argo controller. */
const SUCCESS: readonly Moment[] = [
  { t: 0, state: "Pending" },
  { t: 1, state: "Running" },
  { t: 21.2, state: "Succeeded" },
];
/** From the stop to the end, as recorded. */
const STOP_TAKES_S = 9.6;
const FINAL: ReadonlySet<string> = new Set(["Succeeded", "Failed", "Error", "Skipped"]);

function newState(options: FakeKfpOptions): State {
  const state: State = {
    options,
    version: options.version,
    requests: [],
    pipelines: [],
    versions: [],
    experiments: [],
    runs: [],
    taken: new Set(),
    faults: [],
    workflows: 0,
    listening: true,
    script: SUCCESS,
    compressed: false,
  };
  const words = "All runs created without specifying an experiment will be grouped here.";
  state.experiments.push({ ...newItem(state, "Default", words), archived: false });
  return state;
}

function newItem(state: State, name: string, description: string): Pipeline {
  return { id: crypto.randomUUID(), name, description, createdAt: timestamp(state) };
}

function timestamp(state: State): string {
  return new Date(Date.UTC(2026, 10, 24) + state.options.clockMs()).toISOString().replace(/\.\d+Z$/, "Z");
}

async function answerRequest(state: State, incoming: Request): Promise<Response> {
  const url = new URL(incoming.url);
  const seen = { method: incoming.method, path: url.pathname, query: url.search.slice(1), headers: incoming.headers };
  state.requests.push(seen);
  const fault = state.faults.find(
    (each) =>
      each.left > 0 &&
      (each.method ?? seen.method) === seen.method &&
      (each.path === undefined || seen.path.includes(each.path)),
  );
  if (fault === undefined) return await route(state, incoming, url);
  fault.left--;
  const proper = fault.acted ? await route(state, incoming, url) : undefined;
  if (typeof fault.answer === "function") return fault.answer();
  if (fault.answer === "hang") return await new Promise(() => {}); // ends when the client gives up
  if (fault.answer === "cut") return reply(200, ((await proper?.text()) ?? '{"run":{"id":"x","name":').slice(0, 24));
  return new Response(
    new ReadableStream({
      pull: (controller) => controller.error(),
    }),
  );
}

async function route(state: State, incoming: Request, url: URL): Promise<Response> {
  const token = state.options.token?.();
  if (token !== undefined && incoming.headers.get("authorization") !== `Bearer ${token}`) {
    return failure(state, 401, 16, "Request header error: there is no user identity header.");
  }
  const base = state.options.base ?? "";
  if (url.pathname !== base && !url.pathname.startsWith(`${base}/`)) return plain(404, "404 page not found\n");
  const path = url.pathname.slice(base.length);
  if (path.includes("//")) return new Response(null, { status: 301, headers: { location: path.replace(/\/+/g, "/") } });
  if (!path.startsWith("/apis/")) return plain(404, "404 page not found\n");
  const context: Context = { state, incoming, query: url.searchParams };
  const decoded = decodeURIComponent(path); // before matching: an encoded slash is a slash
  let wrongMethod = false;
  for (const [method, pattern, handler] of ROUTES) {
    const match = new RegExp(`^/apis/v1beta1${pattern}$`).exec(decoded);
    if (!match) continue;
    const given = match.slice(1);
    // the old gateway takes what follows a colon for a verb
    if (state.version.gateway === 1 && pattern.includes("/namespaces/") && given.some((each) => each.includes(":")))
      break;
    if (method !== "*" && method !== incoming.method) {
      wrongMethod = true;
      continue;
    }
    return await handler(context, ...given);
  }
  if (path === "/apis/v2beta1/healthz" && state.version.v2Health !== null) {
    return reply(200, JSON.stringify(health(state, state.version.v2Health === "store")));
  }
  if (wrongMethod)
    return state.version.gateway === 1
      ? plain(405, "Method Not Allowed\n")
      : failure(state, 501, 12, "Method Not Allowed", null);
  return state.version.gateway === 1 ? plain(404, "Not Found\n") : failure(state, 404, 5, "Not Found", null);
}

interface Context {
  readonly state: State;
  readonly incoming: Request;
  readonly query: URLSearchParams;
}

type Handler = (context: Context, ...given: string[]) => Response | Promise<Response>;

/** Method, path below /apis/v1beta1, handler; the first that fits answers. */
const ROUTES: readonly (readonly [string, string, Handler])[] = [
  ["GET", "/healthz", ({ state }) => reply(200, JSON.stringify(health(state, false)))],
  ["*", "/pipelines/upload", (context) => upload(context, "pipeline")],
  ["*", "/pipelines/upload_version", (context) => upload(context, "version")],
  [
    "GET",
    "/pipelines",
    (context) => list(context, "pipelines", context.state.pipelines, (each) => showPipeline(context.state, each)),
  ],
  [
    "GET",
    "/pipelines/()",
    ({ state }) =>
      failure(
        state,
        400,
        3,
        `Failed to get a pipeline (v1beta1) . Check error stack: Invalid input error: ${NO_ID}`,
        NO_ID,
      ),
  ],
  ["GET", "/pipelines/([^/]+)", getPipeline],
  ["GET", "/pipelines/([^/]+)/templates", ({ state }, id) => template(newestVersion(state, id ?? ""))],
  ["POST", "/pipelines/([^/]+)/default_version/([^/]+)", () => reply(200, "{}")],
  ["DELETE", "/pipelines/([^/]+)", deletePipeline],
  ["GET", "/pipeline_versions", listVersions],
  ["GET", "/pipeline_versions/([^/]+)", getVersion],
  [
    "GET",
    "/pipeline_versions/([^/]+)/templates",
    ({ state }, id) => template(state.versions.find((each) => each.id === id)),
  ],
  ["DELETE", "/pipeline_versions/([^/]+)", deleteVersion],
  ["GET", "/namespaces/-/pipelines/([^/]+)", getPipelineByName],
  ["GET", "/experiments", (context) => list(context, "experiments", context.state.experiments, showExperiment)],
  ["POST", "/experiments", createExperiment],
  ["GET", "/experiments/([^/]+)", getExperiment],
  ["POST", "/experiments/([^/:]+):(archive|unarchive)", archiveExperiment],
  ["GET", "/runs", listRuns],
  ["POST", "/runs", createRun],
  [
    "GET",
    "/runs/([^/]+)",
    (context, id) =>
      withRun(context, id, "Failed to get a v1beta1 run", (run) =>
        reply(200, JSON.stringify(showRun(context.state, run))),
      ),
  ],
  ["DELETE", "/runs/([^/]+)", deleteRun],
  ["POST", "/runs/([^/]+)/terminate", terminateRun],
  ["POST", "/runs/([^/]+)/retry", retryRun],
  ["POST", "/runs/([^/:]+):(archive|unarchive)", archiveRun],
];

const NO_ID = "Failed to get a pipeline. Pipeline id cannot be empty";

function health(state: State, store: boolean): unknown {
  const { commit, tag } = state.version;
  const body = { commit_sha: commit, tag_name: tag, multi_user: state.options.multiUser ?? false };
  return store ? { ...body, pipeline_store: "database" } : body;
}

function reply(status: number, body: string, type = "application/json"): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

function plain(status: number, body: string): Response {
  return reply(status, body, "text/plain; charset=utf-8");
}

/** A gateway error; `short` null: no details; absent: what code 13 says, else the end of the chain. */
function failure(state: State, status: number, code: number, message: string, short?: string | null): Response {
  const last = code === 13 ? "Internal Server Error" : (short ?? message.slice(message.lastIndexOf("Error: ") + 7));
  const details = [{ "@type": "type.googleapis.com/google.rpc.Status", code, message: last }];
  const body = { ...(state.version.gateway === 1 ? { error: message } : {}), code, message };
  return reply(status, JSON.stringify(short === null ? body : { ...body, details }));
}

function uploadFailure(state: State, status: number, head: string, reason: string): Response {
  const message = state.version.hidesReasons || reason === "" ? head : `${head}${reason}`;
  return reply(status, JSON.stringify({ error_message: message, error_details: message }));
}

function list<T extends Pipeline>(
  context: Context,
  key: string,
  all: readonly T[],
  show: (item: T) => unknown,
): Response {
  const { state, query } = context;
  const filter = query.get("filter") ?? "";
  let kept = all;
  if (filter !== "") {
    let text: string;
    try {
      text = decodeURIComponent(filter.replaceAll("+", " ")); // the second decoding
    } catch {
      const escape = /%(?![0-9a-f]{2}).{0,2}/i.exec(filter)?.[0] ?? "";
      return failure(state, 400, 3, `Failed to list ${key}: Invalid input error: invalid URL escape "${escape}"`);
    }
    const { predicates } = JSON.parse(text) as { predicates: { op: string; key: string; string_value: string }[] };
    for (const { key: field, string_value } of predicates) {
      if (field === "name") kept = kept.filter((each) => collate(each.name) === collate(string_value));
      else if (field === "status") kept = [];
    }
  }
  const asked = Number(query.get("page_size") ?? 0) || 20;
  const size = Math.min(asked, state.options.pageSize ?? 200);
  const page = query.get("page_token");
  const token =
    page === null || page === "" ? { at: 0, filter } : (JSON.parse(atob(page)) as { at: number; filter: string });
  if (filter !== "" && token.filter !== filter)
    return failure(state, 400, 3, `Failed to list ${key}: Invalid input error: the filter changed`);
  const shown = kept.slice(token.at, token.at + size);
  const more = token.at + size < kept.length;
  const body = {
    ...(shown.length === 0 ? {} : { [key]: shown.map(show) }),
    ...(kept.length === 0 ? {} : { total_size: kept.length }),
    ...(more ? { next_page_token: btoa(JSON.stringify({ at: token.at + size, filter })) } : {}),
  };
  return reply(200, JSON.stringify(body));
}

/** As the databases compare: no case, no trailing blanks. */
function collate(name: string): string {
  return name.trimEnd().toLowerCase();
}

function showVersion(version: Version): unknown {
  const parameters = version.document.spec?.arguments?.parameters ?? [];
  return {
    id: version.id,
    name: version.name,
    created_at: version.createdAt,
    ...(parameters.length === 0 ? {} : { parameters }),
    resource_references: [{ key: { type: "PIPELINE", id: version.pipelineId }, relationship: "OWNER" }],
    ...(version.description === "" ? {} : { description: version.description }),
  };
}

function showPipeline(state: State, pipeline: Pipeline): unknown {
  const version = newestVersion(state, pipeline.id);
  const parameters = version?.document.spec?.arguments?.parameters ?? [];
  return {
    id: pipeline.id,
    created_at: pipeline.createdAt,
    name: pipeline.name,
    ...(pipeline.description === "" ? {} : { description: pipeline.description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(version === undefined ? {} : { default_version: showVersion(version) }),
  };
}

function newestVersion(state: State, pipelineId: string): Version | undefined {
  return state.versions.findLast((each) => each.pipelineId === pipelineId);
}

function template(version: Version | undefined): Response {
  return reply(200, JSON.stringify({ template: version?.text ?? "" }));
}

const MOST_UPLOAD_BYTES = 33_554_432;
const LONGEST_COLUMN = 255;

async function upload({ state, incoming, query }: Context, kind: "pipeline" | "version"): Promise<Response> {
  const unread = "Failed to read pipeline from file";
  if (!(incoming.headers.get("content-type") ?? "").startsWith("multipart/")) {
    return uploadFailure(state, 400, unread, ": request Content-Type isn't multipart/form-data");
  }
  const file = (await incoming.formData()).get("uploadfile");
  if (!(file instanceof File)) return uploadFailure(state, 400, unread, ": http: no such file");
  const unfit = "Failed to read a pipeline spec file";
  if (file.size > MOST_UPLOAD_BYTES) {
    return uploadFailure(
      state,
      400,
      unfit,
      `: Error read pipeline file: Invalid input error: File size too large. Maximum supported size: ${MOST_UPLOAD_BYTES}`,
    );
  }
  if (!/\.(ya?ml|json|zip|tgz|tar\.gz)$/.test(file.name)) {
    return uploadFailure(
      state,
      400,
      unfit,
      ": Invalid input error: Unexpected pipeline file format. Support .zip, .tar.gz, .json or YAML",
    );
  }
  const name = query.get("name") || file.name;
  const limit = state.version.nameLimits?.[kind];
  if (limit !== undefined && [...name].length > limit) {
    const field = kind === "pipeline" ? "Pipeline.Name" : "PipelineVersion.Name";
    return plain(400, `Invalid input error: ${field} length cannot exceed ${limit}\n`);
  }
  const pipelineId = query.get("pipelineid") ?? "";
  const head =
    kind === "pipeline" ? "Failed to create a pipeline and a pipeline version" : "Failed to create a pipeline version";
  if (kind === "version") {
    if (pipelineId === "") return uploadFailure(state, 400, head, " due to error reading pipeline id");
    if (!state.pipelines.some((each) => each.id === pipelineId)) {
      return uploadFailure(
        state,
        400,
        head,
        ` due to error reading namespace: Failed to get namespace for pipeline id ${pipelineId}: Failed to get a pipeline with id ${pipelineId}: ResourceNotFoundError: Pipeline ${pipelineId} not found`,
      );
    }
  }
  const text = await file.text();
  const bad = checkTemplate(state, text);
  if (bad !== undefined) {
    if (state.version.hidesReasons) return uploadFailure(state, bad.status, bad.shown ?? head, "");
    return uploadFailure(state, bad.status, head, `: ${head} due to ${bad.stage}: ${bad.reason}`);
  }
  const taken = kind === "pipeline" ? state.pipelines : state.versions.filter((each) => each.pipelineId === pipelineId);
  if (taken.some((each) => collate(each.name) === collate(name))) {
    return uploadFailure(
      state,
      state.version.duplicateUpload,
      head,
      kind === "pipeline"
        ? `. The pipeline already exists.: ${head}: Already exist error: Failed to create a new pipeline. The name ${name} already exists. Please specify a new name`
        : `. The pipeline already exists.: Failed to create pipeline version in PipelineStore: Already exist error: Failed to create a new pipeline version. The name ${name} already exist. Specify a new name`,
    );
  }
  const longest = state.version.nameLimits?.version ?? LONGEST_COLUMN; // the first version takes the pipeline's name
  if ([...name].length > longest) {
    const where =
      kind === "pipeline"
        ? `${head}: InternalServerError: Failed to insert a new pipeline`
        : "Failed to create pipeline version in PipelineStore: InternalServerError: Failed to add a pipeline version";
    return uploadFailure(state, 500, head, `: ${where}: Error 1406 (22001): Data too long for column 'Name' at row 1`);
  }
  const document = readDocument(text) ?? {};
  const item = newItem(state, name, query.get("description") ?? "");
  const version = {
    ...newItem(state, name, item.description),
    pipelineId: kind === "pipeline" ? item.id : pipelineId,
    text,
    document,
  };
  if (kind === "pipeline") state.pipelines.push(item);
  state.versions.push(version);
  return reply(200, JSON.stringify(kind === "pipeline" ? showPipeline(state, item) : showVersion(version)));
}

interface BadTemplate {
  readonly status: number;
  readonly stage: string;
  readonly reason: string;
  /** What a server that hides reasons says all the same. */
  readonly shown?: string;
}

const MOST_PARAMETER_BYTES = 10_000;

function checkTemplate(state: State, text: string): BadTemplate | undefined {
  const document = readDocument(text) as (Workflow & { kind?: string; schemaVersion?: string }) | undefined;
  const stage = "template creation error";
  const unknown = { stage, reason: "InvalidInputError: unknown template format: pipeline spec is invalid" };
  if (text.trim() === "") return { status: 500, ...unknown };
  if (typeof document !== "object" || (document?.kind !== "Workflow" && document?.schemaVersion === undefined)) {
    // an archive would be unpacked here
    return text.startsWith("\u001f")
      ? undefined
      : { status: state.version.unknownTemplate, ...unknown, shown: "unknown template format" };
  }
  const { entrypoint, templates = [], arguments: given } = document.spec ?? {};
  const names = new Set(templates.map((each) => each.name));
  for (const { name, template } of templates.find((each) => each.name === entrypoint)?.dag?.tasks ?? []) {
    const at = `templates.${entrypoint} templates.${entrypoint}.tasks.${name}`;
    if (!names.has(template)) return { status: 500, stage, reason: `${at} template name '${template}' undefined` };
    const known = new Set((given?.parameters ?? []).map((each) => each.name));
    for (const [whole, parameter] of JSON.stringify(templates.find((each) => each.name === template)).matchAll(
      /\{\{workflow\.parameters\.([^}]+)\}\}/g,
    )) {
      if (!known.has(parameter ?? ""))
        return { status: 500, stage, reason: `${at} templates.${template}: failed to resolve ${whole}` };
    }
  }
  if (JSON.stringify(given?.parameters ?? []).length > MOST_PARAMETER_BYTES) {
    const reason = `The input parameter length exceed maximum size of ${MOST_PARAMETER_BYTES}.`;
    return {
      status: state.version.unknownTemplate,
      stage: "error converting parameters to json",
      reason: `Invalid input error: ${reason}`,
      shown: reason,
    };
  }
  return undefined;
}

function readDocument(text: string): Workflow | undefined {
  try {
    return parse(text, { logLevel: "silent" }) as Workflow;
  } catch {
    return undefined; // real servers hang here; nobody wants that
  }
}

function getPipeline({ state }: Context, id = ""): Response {
  const found = state.pipelines.find((each) => each.id === id);
  if (found) return reply(200, JSON.stringify(showPipeline(state, found)));
  return failure(
    state,
    404,
    5,
    `Failed to get a pipeline (v1beta1) ${id}. Check error stack: Failed to get a pipeline with id ${id}: ResourceNotFoundError: Pipeline ${id} not found`,
  );
}

function getPipelineByName({ state }: Context, name = ""): Response {
  const found = state.pipelines.find((each) => collate(each.name) === collate(name));
  if (found) return reply(200, JSON.stringify(showPipeline(state, found)));
  return failure(state, 404, 5, `Failed to get a pipeline: ResourceNotFoundError: Pipeline ${name} not found`);
}

function deletePipeline({ state }: Context, id = ""): Response {
  const version = newestVersion(state, id);
  const cascade = state.version.gateway === 2 ? ". Set cascade=true to delete all versions" : "";
  if (version)
    return failure(
      state,
      400,
      3,
      `Failed to delete pipeline (v1beta1) ${id}. Check error stack: Invalid input error: Failed to delete pipeline with id ${id} as it has existing pipeline versions (e.g. ${version.id})${cascade}`,
      `Failed to delete pipeline with id ${id} as it has existing pipeline versions (e.g. ${version.id})${cascade}`,
    );
  removeWhere(state.pipelines, (each) => each.id === id);
  return reply(200, "{}");
}

function listVersions(context: Context): Response {
  const owned = context.state.versions.filter((each) => each.pipelineId === context.query.get("resource_key.id"));
  const sorted = context.query.get("sort_by") === "created_at desc" ? owned.toReversed() : owned;
  return list(context, "versions", sorted, showVersion);
}

function getVersion({ state }: Context, id = ""): Response {
  const found = state.versions.find((each) => each.id === id);
  if (found) return reply(200, JSON.stringify(showVersion(found)));
  return failure(
    state,
    404,
    5,
    `Failed to get a pipeline version (v1beta1) ${id}: Failed to get a pipeline version with id ${id}: ResourceNotFoundError: PipelineVersion ${id} not found`,
  );
}

function deleteVersion({ state }: Context, id = ""): Response {
  if (removeWhere(state.versions, (each) => each.id === id)) return reply(200, "{}");
  return failure(
    state,
    404,
    5,
    `Failed to delete a pipeline version (v1beta1) ${id} due error fetching a pipeline id: Failed to get a pipeline version with id ${id}: ResourceNotFoundError: PipelineVersion ${id} not found`,
  );
}

function showExperiment(experiment: Experiment): unknown {
  return {
    id: experiment.id,
    name: experiment.name,
    ...(experiment.description === "" ? {} : { description: experiment.description }),
    created_at: experiment.createdAt,
    resource_references: [{ key: { type: "NAMESPACE" }, relationship: "OWNER" }],
    storage_state: experiment.archived ? "STORAGESTATE_ARCHIVED" : "STORAGESTATE_AVAILABLE",
  };
}

async function createExperiment({ state, incoming }: Context): Promise<Response> {
  const { name = "", description = "" } = (await incoming.json()) as { name?: string; description?: string };
  if (name === "") {
    return failure(
      state,
      500,
      13,
      "[ExperimentServer]: Failed to create a v1beta1 experiment due to conversion error: InternalServerError: Failed to convert API experiment to model experiment: Invalid input error: Experiment must have a non-empty name",
    );
  }
  if (state.experiments.some((each) => collate(each.name) === collate(name))) {
    return failure(
      state,
      409,
      6,
      `Failed to create a v1beta1 experiment: Already exist error: Failed to create a new experiment. The name ${name} already exists. Please specify a new name`,
      `Failed to create a new experiment. The name ${name} already exists. Please specify a new name`,
    );
  }
  const experiment = { ...newItem(state, name, description), archived: false };
  state.experiments.push(experiment);
  return reply(200, JSON.stringify(showExperiment(experiment)));
}

function getExperiment({ state }: Context, id = ""): Response {
  const found = state.experiments.find((each) => each.id === id);
  if (found) return reply(200, JSON.stringify(showExperiment(found)));
  return failure(
    state,
    404,
    5,
    `Failed to fetch v1beta1 experiment: ResourceNotFoundError: Experiment ${id} not found`,
  );
}

function archiveExperiment({ state }: Context, id = "", verb = ""): Response {
  const found = state.experiments.find((each) => each.id === id);
  if (found) found.archived = verb === "archive";
  return reply(200, "{}");
}

function listRuns(context: Context): Response {
  const { state, query } = context;
  const id = query.get("resource_reference_key.type") === "EXPERIMENT" ? query.get("resource_reference_key.id") : null;
  const kept = state.runs.filter((each) => id === null || JSON.stringify(each.references).includes(id));
  return list(context, "runs", kept, (each) => showRun(state, each).run);
}

interface RunBody {
  readonly id?: string;
  readonly name?: string;
  readonly description?: string;
  readonly service_account?: string;
  readonly pipeline_spec?: {
    readonly pipeline_id?: string;
    readonly workflow_manifest?: string;
    readonly parameters?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly resource_references?: readonly {
    readonly key: { readonly type: string; readonly id: string };
    readonly relationship: string;
  }[];
}

const RUN_FIELDS: ReadonlySet<string> = new Set([
  "id",
  "name",
  "description",
  "service_account",
  "pipeline_spec",
  "resource_references",
]);

async function createRun({ state, incoming }: Context): Promise<Response> {
  const text = await incoming.text();
  const body = JSON.parse(text) as RunBody;
  const wrong = checkJson(state, text, body);
  if (wrong) return wrong;
  const parameters = body.pipeline_spec?.parameters;
  const start = "Failed to create a new v1beta1 run: ";
  const convert = "CreateJob(job.ToV2())Failed to create a v1beta1 run due to conversion error: ";
  if (parameters && JSON.stringify(parameters).length > MOST_PARAMETER_BYTES) {
    return failure(
      state,
      500,
      13,
      `${convert}Failed to convert v1beta1 API run to its internal representation due to parameters parsing error: InternalServerError: Failed to convert an array of SpecParameters to their internal representation: Invalid input error: The input parameter length exceed maximum size of 10000.`,
    );
  }
  const { name = "", description = "" } = body;
  if (name === "") {
    return failure(
      state,
      500,
      13,
      `${convert}InternalServerError: Failed to convert a v1beta1 API run detail to its internal representation: Invalid input error: Run name cannot be empty`,
    );
  }
  const reference = (type: string): string | undefined =>
    body.resource_references?.find((each) => each.key.type === type)?.key.id;
  const experimentId = reference("EXPERIMENT") ?? state.experiments[0]?.id ?? "";
  if (!state.experiments.some((each) => each.id === experimentId)) {
    return failure(
      state,
      404,
      5,
      `${start}Failed to create a run due to invalid experimentId and namespace combination: Failed to fetch namespace for experiment ${experimentId}: Failed to fetch namespace from experiment ${experimentId}: ResourceNotFoundError: Experiment ${experimentId} not found`,
    );
  }
  const versionId = reference("PIPELINE_VERSION");
  const pipelineId = body.pipeline_spec?.pipeline_id;
  const version =
    versionId === undefined
      ? newestVersion(state, pipelineId ?? "")
      : state.versions.find((each) => each.id === versionId);
  const fetching = `${start}InternalServerError: Failed to create a run due to error fetching manifest: `;
  if (versionId !== undefined && version === undefined) {
    return failure(
      state,
      500,
      13,
      `${fetching}Failed to fetch a template due to error retrieving pipeline version: Failed to fetch a pipeline version and its manifest from pipeline version ${versionId}: Failed to get a pipeline version with id ${versionId}: ResourceNotFoundError: PipelineVersion ${versionId} not found`,
    );
  }
  const inline = body.pipeline_spec?.workflow_manifest ?? "";
  const manifest = version?.text ?? inline;
  if (manifest === "")
    return failure(
      state,
      500,
      13,
      `${fetching}Invalid input error: Failed to fetch a template with an empty pipeline spec manifest`,
    );
  const bad = checkTemplate(state, manifest);
  if (bad)
    return failure(
      state,
      500,
      13,
      `${fetching}Failed to fetch a template with an invalid pipeline spec manifest: ${bad.reason}`,
    );
  const document = readDocument(manifest) ?? {};
  const known = new Set((document.spec?.arguments?.parameters ?? []).map((each) => each.name));
  const strange = (parameters ?? []).find((each) => !known.has(each.name));
  if (strange) {
    return failure(
      state,
      400,
      3,
      `${start}Failed to generate the ExecutionSpec: Failed to verify parameters: Invalid input error: Unrecognized input parameter: ${strange.name}`,
      `Unrecognized input parameter: ${strange.name}`,
    );
  }
  const id = (state.version.keepsRunId ? body.id : undefined) || crypto.randomUUID();
  const fixed = document.metadata?.name;
  const suffix = crypto.randomUUID().slice(-5);
  const workflowName = fixed ?? `${document.metadata?.generateName ?? "run-"}${suffix}`;
  const refusing = `${start}InternalServerError: Failed to create a workflow for (${fixed ?? ""}): `;
  if (!/^[a-z0-9]([-\w.]*[a-z0-9])?$/i.test(id)) {
    return failure(
      state,
      500,
      13,
      `${refusing}Workflow.argoproj.io "${workflowName}" is invalid: metadata.labels: Invalid value: "${id}": ${LABEL_RULE}`,
    );
  }
  if (fixed !== undefined && state.taken.has(fixed))
    return failure(state, 500, 13, `${refusing}workflows.argoproj.io "${fixed}" already exists`);
  // the Workflow first, the row second
  state.workflows++;
  state.taken.add(workflowName);
  const storing = `${start}Failed to create a run: InternalServerError: Failed to store run ${name} to table: `;
  if (state.runs.some((each) => each.id === id))
    return failure(state, 500, 13, `${storing}Error 1062 (23000): Duplicate entry '${id}' for key 'PRIMARY'`);
  for (const [column, value] of [
    ["DisplayName", name],
    ["Description", description],
  ] as const) {
    if (value.length > LONGEST_COLUMN)
      return failure(state, 500, 13, `${storing}Error 1406 (22001): Data too long for column '${column}' at row 1`);
  }
  const pipeline = state.pipelines.find((each) => each.id === version?.pipelineId);
  const run: Run = {
    id,
    name,
    description,
    parameters,
    serviceAccount: body.service_account ?? document.spec?.serviceAccountName ?? "pipeline-runner",
    createdAt: timestamp(state),
    createdMs: state.options.clockMs(),
    script: state.script,
    compressed: state.compressed,
    document,
    source: {
      ...(pipeline ? { pipeline_id: pipeline.id, pipeline_name: pipeline.name } : {}),
      workflow_manifest: manifest,
    },
    references: [
      { key: { type: "EXPERIMENT", id: experimentId }, relationship: "OWNER" },
      ...(version ? [{ key: { type: "PIPELINE_VERSION", id: version.id }, relationship: "CREATOR" }] : []),
    ],
    workflowName,
    stoppedMs: null,
    archived: false,
  };
  state.runs.push(run);
  return reply(200, JSON.stringify(showRun(state, run)));
}

const LABEL_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Types of fields, and on the new gateway their names. */
function checkJson(state: State, text: string, body: RunBody): Response | undefined {
  const number = /"value":\s*(\d+)/d.exec(text);
  if (number && (body.pipeline_spec?.parameters ?? []).some((each) => typeof each.value === "number")) {
    const at = (number.indices?.[1]?.[0] ?? 0) + 1;
    const message =
      state.version.gateway === 1
        ? "json: cannot unmarshal number into Go value of type string"
        : `proto: (line 1:${at}): invalid value for string field value: ${number[1]}`;
    return failure(state, 400, 3, message, null);
  }
  const unknown = Object.keys(body).find((each) => !RUN_FIELDS.has(each));
  if (state.version.gateway === 1 || unknown === undefined) return undefined;
  return failure(
    state,
    400,
    3,
    `proto: (line 1:${text.indexOf(`"${unknown}"`) + 1}): unknown field "${unknown}"`,
    null,
  );
}

function currentState(state: State, run: Run): string {
  const now = state.options.clockMs();
  if (run.stoppedMs !== null) return now - run.stoppedMs >= STOP_TAKES_S * 1000 ? "Failed" : "Terminating";
  return run.script.findLast((each) => each.t * 1000 <= now - run.createdMs)?.state ?? "";
}

function showRun(state: State, run: Run): { readonly run: unknown; readonly pipeline_runtime: unknown } {
  const status = currentState(state, run);
  return {
    run: {
      id: run.id,
      name: run.name,
      ...(run.archived ? { storage_state: "STORAGESTATE_ARCHIVED" } : {}),
      ...(run.description === "" ? {} : { description: run.description }),
      pipeline_spec: { ...run.source, ...(run.parameters?.length ? { parameters: run.parameters } : {}) },
      resource_references: run.references,
      service_account: run.serviceAccount,
      created_at: run.createdAt,
      scheduled_at: run.createdAt,
      finished_at: FINAL.has(status) ? timestamp(state) : "1970-01-01T00:00:00Z",
      ...(status === "" ? {} : { status }),
    },
    pipeline_runtime: { workflow_manifest: JSON.stringify(showWorkflow(run, status)) },
  };
}

/** Nodes as Argo 4.0.8 reports them for a DAG whose tasks run one after the other. */
function showWorkflow(run: Run, status: string): unknown {
  const { spec = {} } = run.document;
  const tasks = spec.templates?.find((each) => each.name === spec.entrypoint)?.dag?.tasks ?? [];
  const phase = status === "Terminating" ? "Running" : status;
  const nodes: Record<string, unknown> = {};
  const add = (suffix: string, type: string, name: string, template: string, state: string, message?: string): void => {
    const id = suffix === "" ? run.workflowName : `${run.workflowName}-${1000 + Object.keys(nodes).length}`;
    const ended = state === "Running" || state === "Pending" ? null : run.createdAt;
    nodes[id] = {
      id,
      name: `${run.workflowName}${suffix}`,
      displayName: name,
      type,
      templateName: template,
      phase: state,
      message,
      startedAt: run.createdAt,
      finishedAt: ended,
    };
  };
  if (phase !== "" && phase !== "Pending") {
    add("", "DAG", run.workflowName, spec.entrypoint ?? "", phase);
    for (const [index, task] of tasks.entries()) {
      const last = index === tasks.length - 1;
      if (phase === "Running" && index > 0) break;
      const state = last || phase === "Running" ? phase : "Succeeded";
      const message = state === "Failed" ? "main: Error (exit code 1)" : undefined;
      add(`.${task.name}`, "Retry", task.name, task.template, state, message);
      add(`.${task.name}(0)`, "Pod", `${task.name}(0)`, task.template, state, message);
    }
  }
  const kept = run.compressed ? { compressedNodes: gzipSync(JSON.stringify(nodes)).toString("base64") } : { nodes };
  return {
    metadata: { name: run.workflowName, labels: { "pipeline/runid": run.id } },
    spec: { ...spec, ...(run.stoppedMs === null ? {} : { activeDeadlineSeconds: 0 }) },
    status: { phase, startedAt: run.createdAt, finishedAt: null, ...(Object.keys(nodes).length === 0 ? {} : kept) },
  };
}

function withRun(context: Context, id: string | undefined, head: string, work: (run: Run) => Response): Response {
  const run = context.state.runs.find((each) => each.id === id);
  if (run) return work(run);
  return failure(
    context.state,
    404,
    5,
    `${head}: Failed to fetch run ${id}: ResourceNotFoundError: Run ${id} not found`,
  );
}

function deleteRun(context: Context, id?: string): Response {
  const head = `Failed to delete a v1beta1 run: Failed to delete run ${id} as it does not exist`;
  return withRun(context, id, head, (run) => {
    removeWhere(context.state.runs, (each) => each === run);
    return reply(200, "{}");
  });
}

function terminateRun(context: Context, id?: string): Response {
  const head = `Failed to terminate a v1beta1 run: Failed to terminate run ${id}`;
  return withRun(context, id, `${head} due to error fetching the run`, (run) => {
    const state = currentState(context.state, run);
    if (FINAL.has(state) || run.stoppedMs !== null) {
      const short = `Failed to terminate a run ${id}. Row not found`;
      return failure(context.state, 400, 3, `${head}: Invalid input error: ${short}`, short);
    }
    run.stoppedMs = context.state.options.clockMs();
    return reply(200, "{}");
  });
}

function retryRun(context: Context, id?: string): Response {
  const head = `Failed to retry a run: Failed to retry run ${id}`;
  return withRun(context, id, `${head} due to error fetching the run`, (run) => {
    const why = "Workflow must be Failed/Error to retry";
    if (!["Failed", "Error"].includes(currentState(context.state, run))) {
      return failure(context.state, 409, 10, `${head}: BadRequestError: ${why}: workflow cannot be retried`, why);
    }
    run.stoppedMs = null;
    return reply(200, "{}");
  });
}

function archiveRun(context: Context, id?: string, verb = ""): Response {
  const head = `Failed to ${verb} a v1beta1 run: Failed to ${verb} run ${id} as it failed to be retrieved`;
  return withRun(context, id, head, (run) => {
    run.archived = verb === "archive";
    return reply(200, "{}");
  });
}

function removeWhere<T>(items: T[], unwanted: (item: T) => boolean): boolean {
  const at = items.findIndex(unwanted);
  if (at >= 0) items.splice(at, 1);
  return at >= 0;
}
