/** The v1beta1 API of the fake KFP server: routes → the rules of `kfp-state.ts`, things → JSON as recorded. */
import { readDocument, showWorkflow } from "./kfp-documents.ts";
import {
  badSchedule,
  collate,
  type Context,
  type Experiment,
  finishedAt,
  findRun,
  type Job,
  lastReport,
  list,
  newestVersion,
  newItem,
  type Pipeline,
  plain,
  readJson,
  readyVersions,
  refuse,
  removeWhere,
  replyJson,
  retryRun,
  type Run,
  runPhase,
  startRun,
  type State,
  stopRun,
  upload,
  type Version,
} from "./kfp-state.ts";

type Handler = (context: Context, ...given: string[]) => Response | Promise<Response>;

/** Method, path below /apis/v1beta1, handler; the first that fits answers. */
const ROUTES: readonly (readonly [string, string, Handler])[] = [
  ["GET", "/healthz", (context) => replyJson(showHealth(context.state, false))],
  ["*", "/pipelines/upload", uploadPipeline],
  ["*", "/pipelines/upload_version", uploadVersion],
  [
    "GET",
    "/pipelines",
    (context) => list(context, "pipelines", context.state.pipelines, (each) => showPipeline(context.state, each)),
  ],
  ["GET", "/pipelines/", (context) => refuse(context, "route.trailing-slash")],
  ["GET", "/pipelines/([^/]+)", getPipeline],
  ["GET", "/pipelines/([^/]+)/templates", ({ state }, id = "") => template(newestVersion(state, id))],
  ["POST", "/pipelines/([^/]+)/default_version/([^/]+)", () => replyJson({})],
  ["DELETE", "/pipelines/([^/]+)", deletePipeline],
  ["GET", "/pipeline_versions", listVersions],
  ["GET", "/pipeline_versions/([^/]+)", getVersion],
  [
    "GET",
    "/pipeline_versions/([^/]+)/templates",
    ({ state }, id) => template(state.versions.find((each) => each.id === id)),
  ],
  ["DELETE", "/pipeline_versions/([^/]+)", deleteVersion],
  ["GET", "/namespaces/-/pipelines/(.+)", getPipelineByName],
  ["GET", "/experiments", listExperiments],
  ["POST", "/experiments", createExperiment],
  ["GET", "/experiments/([^/]+)", getExperiment],
  ["POST", "/experiments/([^/:]+):(archive|unarchive)", archiveExperiment],
  ["GET", "/runs", listRuns],
  ["POST", "/runs", createRun],
  ["GET", "/runs/([^/]+)", getRun],
  ["DELETE", "/runs/([^/]+)", deleteRun],
  ["POST", "/runs/([^/]+)/terminate", (context, id = "") => stopRun(context, "v1", id)],
  ["POST", "/runs/([^/]+)/retry", (context, id = "") => retryRun(context, "v1", id)],
  ["POST", "/runs/([^/:]+):(archive|unarchive)", archiveRun],
  ["GET", "/runs/([^/]+)/nodes/([^/]+)/artifacts/([^/]+):read", readArtifact],
  ["GET", "/jobs", listJobs],
  ["POST", "/jobs", createJob],
  ["GET", "/jobs/([^/]+)", getJob],
  ["DELETE", "/jobs/([^/]+)", deleteJob],
  ["POST", "/jobs/([^/]+)/(enable|disable)", switchJob],
];

/** Answers, or undefined for a path that v1beta1 does not have. */
export async function handleV1(context: Context): Promise<Response | undefined> {
  return await dispatch(context, "/apis/v1beta1", ROUTES);
}

/** The first route that fits; the refusal of a wrong method. */
export async function dispatch(
  context: Context,
  root: string,
  routes: readonly (readonly [string, string, Handler])[],
): Promise<Response | undefined> {
  const { isStrict, isOld } = context.state.version;
  let wrongMethod = false;
  for (const [method, pattern, handler] of routes) {
    const match = new RegExp(`^${root}${pattern}$`).exec(context.path);
    if (!match) continue;
    const given = match.slice(1);
    const isByName = pattern.includes("/namespaces/") || pattern.includes("/names/");
    // the old gateway takes what follows a colon for a verb; no gateway takes a slash in a name
    if (isByName && (isOld || given.some((each) => each.includes("/") || (!isStrict && each.includes(":"))))) break;
    if (method !== "*" && method !== context.method) {
      wrongMethod = true;
      continue;
    }
    return await handler(context, ...given);
  }
  if (!wrongMethod) return undefined;
  return isStrict ? refuse(context, "route.wrong-method") : plain(405, "Method Not Allowed\n");
}

export function showHealth(state: State, withStore: boolean): unknown {
  const { commit, tag } = state.version;
  const body = { commit_sha: commit, tag_name: tag, multi_user: state.options.multiUser ?? false };
  return withStore ? { ...body, pipeline_store: "database" } : body;
}

// --- internal ---

function showVersion(version: Version): unknown {
  const { parameters } = version.document;
  return {
    id: version.id,
    name: version.name,
    created_at: version.createdAt,
    ...(parameters.length === 0 ? {} : { parameters: parameters.map(({ name, value }) => ({ name, value })) }),
    resource_references: [{ key: { type: "PIPELINE", id: version.pipelineId }, relationship: "OWNER" }],
    ...(version.description === "" ? {} : { description: version.description }),
  };
}

function showPipeline(state: State, pipeline: Pipeline): unknown {
  const version = newestVersion(state, pipeline.id);
  const parameters = version?.document.parameters ?? [];
  return {
    id: pipeline.id,
    created_at: pipeline.createdAt,
    name: pipeline.name,
    ...(pipeline.description === "" ? {} : { description: pipeline.description }),
    ...(parameters.length === 0 ? {} : { parameters: parameters.map(({ name, value }) => ({ name, value })) }),
    // from 2.0 on a pipeline without versions has one of nothing (seen on 2.0.5 and main)
    ...(version !== undefined
      ? { default_version: showVersion(version) }
      : state.version.isOld
        ? {}
        : { default_version: { created_at: "1970-01-01T00:00:00Z" } }),
  };
}

function template(version: Version | undefined): Response {
  return replyJson({ template: version?.document.text ?? "" });
}

async function uploadPipeline(context: Context): Promise<Response> {
  const made = await upload(context, "pipeline");
  return made instanceof Response ? made : replyJson(showPipeline(context.state, made.pipeline));
}

async function uploadVersion(context: Context): Promise<Response> {
  const made = await upload(context, "version");
  return made instanceof Response ? made : replyJson(showVersion(made.version));
}

function getPipeline(context: Context, id = ""): Response {
  const found = context.state.pipelines.find((each) => each.id === id);
  if (found) return replyJson(showPipeline(context.state, found));
  return refuse(context, /^[0-9a-f-]{36}$/.test(id) ? "get.pipeline.unknown.v1" : "get.pipeline.not-a-uuid.v1");
}

function getPipelineByName(context: Context, name = ""): Response {
  const found = context.state.pipelines.find((each) => collate(each.name) === collate(name));
  return found ? replyJson(showPipeline(context.state, found)) : refuse(context, "get.pipeline.unknown.v1");
}

function deletePipeline(context: Context, id = ""): Response {
  const { state } = context;
  if (state.version.isOld) {
    for (const each of state.versions.filter((version) => version.pipelineId === id)) {
      removeWhere(state.versions, (version) => version === each);
    }
  } else if (newestVersion(state, id)) return refuse(context, "del.pipeline-with-versions.v1");
  removeWhere(state.pipelines, (each) => each.id === id);
  return replyJson({});
}

function listVersions(context: Context): Response {
  const owned = readyVersions(context.state).filter((each) => each.pipelineId === context.query.get("resource_key.id"));
  return list(context, "versions", owned, showVersion);
}

function getVersion(context: Context, id = ""): Response {
  const found = readyVersions(context.state).find((each) => each.id === id);
  return found ? replyJson(showVersion(found)) : refuse(context, "get.version.unknown.v1");
}

function deleteVersion(context: Context, id = ""): Response {
  if (removeWhere(context.state.versions, (each) => each.id === id)) return replyJson({});
  return refuse(context, "del.version-again.v1");
}

function showExperiment(state: State, experiment: Experiment): unknown {
  return {
    id: experiment.id,
    name: experiment.name,
    ...(experiment.description === "" ? {} : { description: experiment.description }),
    created_at: experiment.createdAt,
    ...(state.version.isOld ? {} : { resource_references: [{ key: { type: "NAMESPACE" }, relationship: "OWNER" }] }),
    storage_state: experiment.archived ? "STORAGESTATE_ARCHIVED" : "STORAGESTATE_AVAILABLE",
  };
}

function listExperiments(context: Context): Response {
  const { state } = context;
  const isScoped = context.query.get("resource_reference_key.type") === "NAMESPACE";
  if (isScoped && state.version.isOld && !state.options.multiUser) return refuse(context, "exp.list.namespace.v1");
  return list(context, "experiments", state.experiments, (each) => showExperiment(state, each));
}

async function createExperiment(given: Context): Promise<Response> {
  const read = await readJson(given, ["name", "description", "resource_references"]);
  if (read instanceof Response) return read;
  const { body, context } = read;
  const { state } = context;
  const { name = "", description = "" } = body as { name?: string; description?: string };
  if (state.version.isOld && body["resource_references"] !== undefined && !state.options.multiUser) {
    return refuse(context, "exp.create.with-namespace.v1");
  }
  const bad = badExperiment(context, "v1", name, description);
  if (bad) return bad;
  const experiment = { ...newItem(state, name, description), archived: false };
  state.experiments.push(experiment);
  return replyJson(showExperiment(state, experiment));
}

/** The refusal of a new experiment, undefined when it is taken. */
export function badExperiment(
  context: Context,
  api: "v1" | "v2",
  name: string,
  description: string,
): Response | undefined {
  const { state } = context;
  if (name === "") return refuse(context, `exp.create.empty.${api}`);
  if (state.experiments.some((each) => collate(each.name) === collate(name))) {
    return refuse(context, `exp.create.dup.${api}`);
  }
  const longest = state.version.longestExperiment;
  if ([...name].length > longest) return refuse(context, `name-length.experiment.${longest + 1}`);
  return description.length > 255 ? refuse(context, "description-length.experiment.300") : undefined;
}

function getExperiment(context: Context, id = ""): Response {
  const found = context.state.experiments.find((each) => each.id === id);
  return found ? replyJson(showExperiment(context.state, found)) : refuse(context, "exp.unknown.v1");
}

function archiveExperiment({ state }: Context, id = "", verb = ""): Response {
  const found = state.experiments.find((each) => each.id === id);
  if (found) found.archived = verb === "archive";
  return replyJson({});
}

interface Reference {
  readonly key: { readonly type: string; readonly id: string };
  readonly relationship: string;
}

interface RunBody {
  readonly id?: string;
  readonly name?: string;
  readonly description?: string;
  readonly service_account?: string;
  readonly pipeline_spec?: {
    readonly pipeline_id?: string;
    readonly workflow_manifest?: string;
    readonly pipeline_manifest?: string;
    readonly runtime_config?: Readonly<Record<string, unknown>>;
    readonly parameters?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly resource_references?: readonly Reference[];
}

const RUN_FIELDS = ["id", "name", "description", "service_account", "pipeline_spec", "resource_references"];
const MOST_PARAMETER_BYTES = 10_000;

async function createRun(given: Context): Promise<Response> {
  const read = await readJson(given, RUN_FIELDS);
  if (read instanceof Response) return read;
  const { context } = read;
  const body = read.body as RunBody;
  const { state } = context;
  const parameters = body.pipeline_spec?.parameters;
  const step = (end: string): Response => refuse(context, `run.v1.create.${end}`);
  if (parameters?.some((each) => typeof each.value === "number")) return step("number-param");
  const name = body.name ?? "";
  if (state.version.isOld && Object.keys(body).length === 0) return step("empty-body");
  if (parameters && JSON.stringify(parameters).length > MOST_PARAMETER_BYTES) return step("big-param");
  if (name === "") return step(Object.keys(body).length === 0 ? "empty-body" : "empty-name");
  const reference = (type: string): string | undefined =>
    body.resource_references?.find((each) => each.key.type === type)?.key.id;
  const experimentId = reference("EXPERIMENT") ?? state.experiments[0]?.id ?? "";
  const isKnown = state.experiments.some((each) => each.id === experimentId);
  if (!isKnown && !state.version.isOld) return step("unknown-experiment");
  const versionId = reference("PIPELINE_VERSION");
  const pipelineId = body.pipeline_spec?.pipeline_id;
  const version =
    versionId === undefined
      ? newestVersion(state, pipelineId ?? "")
      : readyVersions(state).find((each) => each.id === versionId);
  if (versionId !== undefined && version === undefined) return step("unknown-version");
  if (!isKnown) return step("unknown-experiment");
  const inline = body.pipeline_spec?.workflow_manifest ?? body.pipeline_spec?.pipeline_manifest ?? "";
  if (version === undefined && inline === "") return step("no-pipeline");
  if (version === undefined && state.version.isOld && !inline.trimStart().startsWith("{")) return step("inline-yaml");
  const parsed =
    version === undefined ? readDocument(new TextEncoder().encode(inline)) : { document: version.document };
  if (!("document" in parsed)) return step("inline-garbage");
  const known = new Set(parsed.document.parameters.map((each) => each.name));
  const strange = (parameters ?? []).find((each) => !known.has(each.name));
  if (strange && parsed.document.kind === "argo") {
    return refuse(context, "run.v1.create.unknown-param", [[/\bbogus\b/, strange.name]]);
  }
  const run = startRun(context, "v1", {
    id: body.id ?? "",
    name,
    description: body.description ?? "",
    serviceAccount: body.service_account ?? "",
    experimentId,
    version,
    document: parsed.document,
    isByPipeline: versionId === undefined && version !== undefined,
    v1Parameters: parsed.document.kind === "argo" ? parameters : undefined,
    runtimeConfig: body.pipeline_spec?.runtime_config,
  });
  return run instanceof Response ? run : replyJson(showRun(state, run));
}

function showRun(state: State, run: Run): { readonly run: unknown; readonly pipeline_runtime: unknown } {
  const { phase, workflowName, isOwn } = lastReport(state, run);
  const { isOld } = state.version;
  const status = isOld && phase === "Pending" ? "" : phase;
  const pipeline = state.pipelines.find((each) => each.id === run.pipelineId);
  const isNamed = pipeline !== undefined && (!isOld || run.isByPipeline);
  // 2.0.5 and main put the name of the version here
  const versionName = nameOf(state, "PIPELINE_VERSION", run.versionId ?? "") || pipeline?.name;
  const name = (type: string, id: string): object => (isOld ? { name: nameOf(state, type, id) } : {});
  const source = run.document.kind === "argo" ? "workflow_manifest" : "pipeline_manifest";
  return {
    run: {
      id: run.id,
      name: run.name,
      ...(run.archived ? { storage_state: "STORAGESTATE_ARCHIVED" } : {}),
      ...(run.description === "" ? {} : { description: run.description }),
      pipeline_spec: {
        ...(isNamed ? { pipeline_id: pipeline.id, pipeline_name: isOld ? pipeline.name : versionName } : {}),
        [source]: run.document.text,
        ...(run.v1Parameters?.length ? { parameters: run.v1Parameters } : {}),
        ...(run.runtimeConfig ? { runtime_config: run.runtimeConfig } : {}),
      },
      resource_references: [
        {
          key: { type: "EXPERIMENT", id: run.experimentId },
          ...name("EXPERIMENT", run.experimentId),
          relationship: "OWNER",
        },
        ...(run.versionId === null || (isOld && run.isByPipeline)
          ? []
          : [
              {
                key: { type: "PIPELINE_VERSION", id: run.versionId },
                ...name("PIPELINE_VERSION", run.versionId),
                relationship: "CREATOR",
              },
            ]),
        ...(run.jobId === null ? [] : [{ key: { type: "JOB", id: run.jobId }, relationship: "CREATOR" }]),
      ],
      service_account: run.serviceAccount,
      created_at: run.createdAt,
      scheduled_at: isOld ? "1970-01-01T00:00:00Z" : run.createdAt,
      finished_at: finishedAt(state, run),
      ...(status === "" ? {} : { status }),
    },
    pipeline_runtime: {
      workflow_manifest: JSON.stringify(
        showWorkflow({
          ...run,
          workflowName,
          phase: phase === "Terminating" ? "Running" : phase,
          isStopped: isOwn && run.stoppedMs !== null,
          isCompressed: run.compressed,
        }),
      ),
    },
  };
}

function nameOf(state: State, type: string, id: string): string {
  const items: readonly { readonly id: string; readonly name: string }[] =
    type === "EXPERIMENT" ? state.experiments : state.versions;
  return items.find((each) => each.id === id)?.name ?? "";
}

function listRuns(context: Context): Response {
  const { state, query } = context;
  const id = query.get("resource_reference_key.type") === "EXPERIMENT" ? query.get("resource_reference_key.id") : null;
  const kept = state.runs.filter((each) => id === null || each.experimentId === id);
  return list(
    context,
    "runs",
    kept,
    (each) => showRun(state, each).run,
    (each, key) => (key === "storage_state" ? (each.archived ? "STORAGESTATE_ARCHIVED" : "") : runPhase(state, each)),
  );
}

function getRun(context: Context, id = ""): Response {
  const run = findRun(context, id);
  if (run) return replyJson(showRun(context.state, run));
  return refuse(context, "run.v1.unknown.get");
}

function deleteRun(context: Context, id = ""): Response {
  if (removeWhere(context.state.runs, (each) => each.id === id)) return replyJson({});
  return refuse(context, "run.v1.unknown.delete");
}

function archiveRun(context: Context, id = "", verb = ""): Response {
  const run = findRun(context, id);
  if (run === undefined) {
    return context.state.version.isOld ? replyJson({}) : refuse(context, "run.v1.unknown.archive");
  }
  run.archived = verb === "archive";
  return replyJson({});
}

function readArtifact(context: Context, _run = "", node = "", artifact = ""): Response {
  const text = artifact === "main-logs" ? context.state.logs.get(`archived ${node}`) : undefined;
  if (text !== undefined) return replyJson({ data: btoa(text) });
  return refuse(context, "artifact.v1.none");
}

function showJob(state: State, job: Job): unknown {
  const { isOld } = state.version;
  const pipeline = state.pipelines.find((each) => each.id === job.pipelineId);
  const spec = job.body["pipeline_spec"] as RunBody["pipeline_spec"];
  const trigger = job.body["trigger"] as Record<string, Record<string, unknown>> | undefined;
  const periodic = trigger?.["periodic_schedule"];
  const shown = periodic
    ? { periodic_schedule: { ...periodic, interval_second: String(periodic["interval_second"]) } }
    : trigger;
  const name = (type: string, id: string): object => (isOld ? { name: nameOf(state, type, id) } : {});
  return {
    id: job.id,
    ...(job.name === "" ? {} : { name: job.name }),
    ...(job.description === "" ? {} : { description: job.description }),
    pipeline_spec: {
      ...(pipeline && !isOld ? { pipeline_id: pipeline.id, pipeline_name: pipeline.name } : {}),
      [job.document?.kind === "ir" ? "pipeline_manifest" : "workflow_manifest"]: job.document?.text ?? "",
      ...(spec?.parameters?.length ? { parameters: spec.parameters } : {}),
    },
    resource_references: [
      {
        key: { type: "EXPERIMENT", id: job.experimentId },
        ...name("EXPERIMENT", job.experimentId),
        relationship: "OWNER",
      },
      ...(job.versionId === null
        ? []
        : [
            {
              key: { type: "PIPELINE_VERSION", id: job.versionId },
              ...name("PIPELINE_VERSION", job.versionId),
              relationship: "CREATOR",
            },
          ]),
    ],
    service_account: (job.body["service_account"] as string | undefined) ?? "pipeline-runner",
    max_concurrency: String(job.body["max_concurrency"]),
    ...(shown === undefined ? (isOld ? { trigger: {} } : {}) : { trigger: shown }),
    created_at: job.createdAt,
    updated_at: job.createdAt,
    status: isOld ? "NO_STATUS" : "STATUS_UNSPECIFIED",
    ...(job.enabled ? { enabled: true } : {}),
    ...(job.body["no_catchup"] === true ? { no_catchup: true } : {}),
  };
}

const JOB_FIELDS = [...RUN_FIELDS, "enabled", "mode", "max_concurrency", "no_catchup", "trigger"];

async function createJob(given: Context): Promise<Response> {
  const read = await readJson(given, JOB_FIELDS);
  if (read instanceof Response) return read;
  const { body, context } = read;
  const { state } = context;
  const step = (end: string): Response => refuse(context, `job.v1.${end}`);
  const { resource_references: references, pipeline_spec: spec } = body as RunBody;
  const bad = badSchedule(body);
  if (bad !== undefined) return step(bad);
  const name = (body["name"] as string | undefined) ?? "";
  if (name === "" && !state.version.isOld) return step("empty-name");
  if (name.length > 255) return refuse(context, "name-length.job.v1.256");
  const reference = (type: string): string | undefined => references?.find((each) => each.key.type === type)?.key.id;
  const versionId = reference("PIPELINE_VERSION");
  const version =
    versionId === undefined
      ? newestVersion(state, spec?.pipeline_id ?? "")
      : state.versions.find((each) => each.id === versionId);
  if (versionId !== undefined && version === undefined) return step("unknown-version");
  const known = new Set(version?.document.parameters.map((each) => each.name));
  if (spec?.parameters?.some((each) => !known.has(each.name))) return step("unknown-param");
  const job: Job = {
    ...newItem(state, name, (body["description"] as string | undefined) ?? ""),
    body,
    experimentId: reference("EXPERIMENT") ?? state.experiments[0]?.id ?? "",
    pipelineId: version?.pipelineId ?? null,
    versionId: version?.id ?? null,
    document: version?.document,
    enabled: body["enabled"] === true || body["mode"] === "ENABLED",
  };
  state.jobs.push(job);
  return replyJson(showJob(state, job));
}

function listJobs(context: Context): Response {
  const { state, query } = context;
  const id = query.get("resource_reference_key.type") === "EXPERIMENT" ? query.get("resource_reference_key.id") : null;
  const kept = state.jobs.filter((each) => id === null || each.experimentId === id);
  return list(context, "jobs", kept, (each) => showJob(state, each));
}

function getJob(context: Context, id = ""): Response {
  const found = context.state.jobs.find((each) => each.id === id);
  return found ? replyJson(showJob(context.state, found)) : refuse(context, "job.v1.unknown.get");
}

function deleteJob(context: Context, id = ""): Response {
  if (removeWhere(context.state.jobs, (each) => each.id === id)) return replyJson({});
  return refuse(context, "job.v1.delete-again");
}

function switchJob(context: Context, id = "", verb = ""): Response {
  const found = context.state.jobs.find((each) => each.id === id);
  if (found === undefined) return refuse(context, "job.v1.unknown.enable");
  found.enabled = verb === "enable";
  return replyJson({});
}
