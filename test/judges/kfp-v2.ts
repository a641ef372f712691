/** The v2beta1 API of the fake KFP server: routes → the rules of `kfp-state.ts`, things → JSON as recorded. */
import { type Document, type IrParameter, readDocument, showWorkflow, type Tree } from "./kfp-documents.ts";
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
  readJson,
  readyVersions,
  refuse,
  refuses,
  removeWhere,
  replyJson,
  retryRun,
  type Run,
  rowHistory,
  runPhase,
  timestampAt,
  startRun,
  type State,
  stopRun,
  upload,
  type Version,
} from "./kfp-state.ts";
import { badExperiment, dispatch, showHealth } from "./kfp-v1.ts";

type Handler = (context: Context, ...given: string[]) => Response | Promise<Response>;

const ROUTES: readonly (readonly [string, string, Handler])[] = [
  ["GET", "/healthz", ({ state }) => replyJson(showHealth(state, state.version.isStrict))],
  ["*", "/pipelines/upload", uploadPipeline],
  ["*", "/pipelines/upload_version", uploadVersion],
  ["GET", "/pipelines", listPipelines],
  ["POST", "/pipelines", createPipeline],
  ["GET", "/pipelines/names/(.+)", getPipelineByName],
  ["GET", "/pipelines/([^/]+)", getPipeline],
  ["DELETE", "/pipelines/([^/]+)", deletePipeline],
  ["GET", "/pipelines/([^/]+)/versions", listVersions],
  ["GET", "/pipelines/([^/]+)/versions/([^/]+)", getVersion],
  ["DELETE", "/pipelines/([^/]+)/versions/([^/]+)", deleteVersion],
  ["GET", "/experiments", listExperiments],
  ["POST", "/experiments", createExperiment],
  ["GET", "/experiments/([^/:]+)", getExperiment],
  ["DELETE", "/experiments/([^/:]+)", deleteExperiment],
  ["POST", "/experiments/([^/:]+):(archive|unarchive)", archiveExperiment],
  ["GET", "/runs", listRuns],
  ["POST", "/runs", createRun],
  ["GET", "/runs/([^/:]+)", getRun],
  ["DELETE", "/runs/([^/:]+)", deleteRun],
  ["POST", "/runs/([^/:]+):terminate", (context, id = "") => stopRun(context, "v2", id)],
  ["POST", "/runs/([^/:]+):retry", (context, id = "") => retryRun(context, "v2", id)],
  ["POST", "/runs/([^/:]+):(archive|unarchive)", archiveRun],
  ["GET", "/runs/([^/]+)/nodes/([^/]+)/artifacts/([^/]+):read", (context) => refuse(context, "artifact.v2.none")],
  ["GET", "/recurringruns", listJobs],
  ["POST", "/recurringruns", createJob],
  ["GET", "/recurringruns/([^/:]+)", getJob],
  ["DELETE", "/recurringruns/([^/:]+)", deleteJob],
  ["POST", "/recurringruns/([^/:]+):(enable|disable)", switchJob],
];

/** Answers, or undefined for a path that v2beta1 does not have. */
export async function handleV2(context: Context): Promise<Response | undefined> {
  return await dispatch(context, "/apis/v2beta1", ROUTES);
}

// --- internal ---

/** From 2.14 on a thing has a key `name` beside its label. */
function names(state: State, item: { readonly name: string; readonly displayName: string }): object {
  return state.version.isStrict ? { display_name: item.displayName, name: item.name } : { display_name: item.name };
}

function showPipeline(state: State, pipeline: Pipeline): unknown {
  return {
    pipeline_id: pipeline.id,
    ...names(state, pipeline),
    ...(pipeline.description === "" ? {} : { description: pipeline.description }),
    created_at: pipeline.createdAt,
    ...(pipeline.tags ? { tags: pipeline.tags } : {}),
  };
}

function showVersion(state: State, version: Version): unknown {
  return {
    pipeline_id: version.pipelineId,
    pipeline_version_id: version.id,
    ...names(state, version),
    ...(version.description === "" ? {} : { description: version.description }),
    created_at: version.createdAt,
    pipeline_spec: version.document.tree,
    ...(version.tags ? { tags: version.tags } : {}),
  };
}

async function uploadPipeline(context: Context): Promise<Response> {
  const made = await upload(context, "pipeline");
  return made instanceof Response ? made : replyJson(showPipeline(context.state, made.pipeline));
}

async function uploadVersion(context: Context): Promise<Response> {
  const made = await upload(context, "version");
  return made instanceof Response ? made : replyJson(showVersion(context.state, made.version));
}

function listPipelines(context: Context): Response {
  return list(context, "pipelines", context.state.pipelines, (each) => showPipeline(context.state, each));
}

async function createPipeline(given: Context): Promise<Response> {
  const read = await readJson(given, ["display_name", "name", "description", "namespace", "tags"]);
  if (read instanceof Response) return read;
  const { body, context } = read;
  const { state } = context;
  const label = (body["display_name"] as string | undefined) ?? "";
  const name = (state.version.isStrict ? (body["name"] as string | undefined) : "") || label;
  if (name === "") return refuse(context, context.asked.body === "" ? "strict.empty-body" : "create.pipeline.v2.empty");
  if (state.pipelines.some((each) => collate(each.name) === collate(name)))
    return refuse(context, "create.pipeline.v2.dup");
  const longest = state.version.longestExperiment; // 128 for pipelines too
  if ([...name].length > longest) return refuse(context, `name-length.pipeline-create-v2.${longest + 1}`);
  const pipeline = {
    ...newItem(state, name, (body["description"] as string | undefined) ?? ""),
    displayName: label || name,
    tags: null,
  };
  state.pipelines.push(pipeline);
  return replyJson(showPipeline(state, pipeline));
}

function getPipelineByName(context: Context, name = ""): Response {
  const found = context.state.pipelines.find((each) => collate(each.name) === collate(name));
  if (found === undefined) return refuse(context, "get.pipeline.unknown.v2");
  // 2.0.5 fails for every pipeline that it has
  if (refuses(context, "names.get.dash")) return refuse(context, "names.get.dash", [["a-b", name]]);
  return replyJson(showPipeline(context.state, found));
}

function getPipeline(context: Context, id = ""): Response {
  const found = context.state.pipelines.find((each) => each.id === id);
  return found ? replyJson(showPipeline(context.state, found)) : refuse(context, "get.pipeline.unknown.v2");
}

function deletePipeline(context: Context, id = ""): Response {
  const { state } = context;
  const isKnown = state.pipelines.some((each) => each.id === id);
  if (!isKnown) return refuse(context, "del.pipeline-again.v2");
  const isCascade = state.version.cascades && context.query.get("cascade") === "true";
  if (newestVersion(state, id) && !isCascade) return refuse(context, "del.pipeline-with-versions.v2");
  while (removeWhere(state.versions, (each) => each.pipelineId === id));
  removeWhere(state.pipelines, (each) => each.id === id);
  return replyJson({});
}

function listVersions(context: Context, id = ""): Response {
  const owned = readyVersions(context.state).filter((each) => each.pipelineId === id);
  return list(context, "pipeline_versions", owned, (each) => showVersion(context.state, each));
}

function getVersion(context: Context, _pipeline = "", id = ""): Response {
  const found = readyVersions(context.state).find((each) => each.id === id);
  return found ? replyJson(showVersion(context.state, found)) : refuse(context, "get.version.unknown.v2");
}

function deleteVersion(context: Context, _pipeline = "", id = ""): Response {
  if (removeWhere(context.state.versions, (each) => each.id === id)) return replyJson({});
  return refuse(context, "get.version.unknown.v2");
}

function showExperiment(state: State, experiment: Experiment): unknown {
  return {
    experiment_id: experiment.id,
    display_name: experiment.name,
    ...(experiment.description === "" ? {} : { description: experiment.description }),
    created_at: experiment.createdAt,
    storage_state: experiment.archived ? "ARCHIVED" : "AVAILABLE",
    ...(state.version.followsLatest ? { last_run_created_at: "1970-01-01T00:00:00Z" } : {}),
  };
}

function listExperiments(context: Context): Response {
  const { state } = context;
  return list(
    context,
    "experiments",
    state.experiments,
    (each) => showExperiment(state, each),
    (each) => (each.archived ? "ARCHIVED" : "AVAILABLE"),
  );
}

async function createExperiment(given: Context): Promise<Response> {
  const read = await readJson(given, ["display_name", "description", "namespace"]);
  if (read instanceof Response) return read;
  const { body, context } = read;
  const { display_name: name = "", description = "" } = body as { display_name?: string; description?: string };
  const bad = badExperiment(context, "v2", name, description);
  if (bad) return bad;
  const experiment = { ...newItem(context.state, name, description), archived: false };
  context.state.experiments.push(experiment);
  return replyJson(showExperiment(context.state, experiment));
}

function getExperiment(context: Context, id = ""): Response {
  const found = context.state.experiments.find((each) => each.id === id);
  return found ? replyJson(showExperiment(context.state, found)) : refuse(context, "exp.unknown.v2");
}

function deleteExperiment(context: Context, id = ""): Response {
  if (removeWhere(context.state.experiments, (each) => each.id === id)) return replyJson({});
  return refuse(context, "exp.delete-again.v2");
}

function archiveExperiment({ state }: Context, id = "", verb = ""): Response {
  const found = state.experiments.find((each) => each.id === id);
  if (found) found.archived = verb === "archive";
  return replyJson({});
}

interface RunBody {
  readonly run_id?: string;
  readonly display_name?: string;
  readonly description?: string;
  readonly experiment_id?: string;
  readonly service_account?: string;
  readonly pipeline_spec?: { readonly pipeline_spec?: Tree } & Tree;
  readonly pipeline_version_reference?: { readonly pipeline_id?: string; readonly pipeline_version_id?: string };
  readonly runtime_config?: { readonly parameters?: Readonly<Record<string, unknown>> };
}

const RUN_FIELDS = [
  "run_id",
  "display_name",
  "description",
  "experiment_id",
  "service_account",
  "pipeline_spec",
  "pipeline_version_reference",
  "runtime_config",
];

async function createRun(given: Context): Promise<Response> {
  const read = await readJson(given, RUN_FIELDS);
  if (read instanceof Response) return read;
  const { context } = read;
  const { state } = context;
  const body = read.body as RunBody;
  const step = (end: string): Response => refuse(context, `run.v2.create.${end}`);
  const name = body.display_name ?? "";
  if (name === "") return step(Object.keys(body).length === 0 ? "empty-body" : "empty-name");
  const experimentId = body.experiment_id ?? state.experiments[0]?.id ?? "";
  if (!state.experiments.some((each) => each.id === experimentId)) return step("unknown-experiment");
  const { pipeline_id: pipelineId, pipeline_version_id: versionId } = body.pipeline_version_reference ?? {};
  const version =
    versionId === undefined
      ? newestVersion(state, pipelineId ?? "")
      : state.versions.find((each) => each.id === versionId);
  if (versionId !== undefined && version === undefined) return step("unknown-version");
  if (pipelineId !== undefined && version === undefined) return step("unknown-pipeline");
  const document = version?.document ?? inlineDocument(body);
  if (document === undefined) return step("inline-garbage");
  const bad = badValues(document, body.runtime_config?.parameters ?? {});
  if (bad) return step(bad);
  const run = startRun(context, "v2", {
    id: body.run_id ?? "",
    name,
    description: body.description ?? "",
    serviceAccount: body.service_account ?? "",
    experimentId,
    version,
    document,
    isByPipeline: versionId === undefined && version !== undefined,
    v1Parameters: undefined,
    runtimeConfig: body.runtime_config,
  });
  return run instanceof Response ? run : replyJson(showRun(state, run));
}

function inlineDocument(body: RunBody): Document | undefined {
  const tree = body.pipeline_spec?.pipeline_spec ?? body.pipeline_spec;
  const read = readDocument(new TextEncoder().encode(JSON.stringify(tree ?? "")));
  return "document" in read ? read.document : undefined;
}

/** Which recorded refusal values deserve; Argo documents take none, and ignore them. */
function badValues(document: Document, values: Readonly<Record<string, unknown>>): string | undefined {
  if (document.kind === "argo") return undefined;
  const known = document.tree.root?.inputDefinitions?.parameters ?? {};
  for (const [name, value] of Object.entries(values)) {
    const parameter = known[name];
    if (parameter === undefined) return "unknown-param";
    if (value === null) return "null-param";
    if (!fits(parameter, value)) {
      if (parameter.parameterType === "NUMBER_INTEGER") return "integer-as-text";
      return parameter.parameterType === "LIST" ? "list-as-text" : "wrong-type";
    }
  }
  const missing = Object.entries(known).find(
    ([name, each]) => !(name in values) && each.defaultValue === undefined && each.isOptional !== true,
  );
  return missing === undefined ? undefined : "missing-param";
}

function fits({ parameterType }: IrParameter, value: unknown): boolean {
  switch (parameterType) {
    case "NUMBER_DOUBLE":
    case "NUMBER_INTEGER":
      return typeof value === "number";
    case "BOOLEAN":
      return typeof value === "boolean";
    case "LIST":
      return Array.isArray(value);
    case "STRUCT":
      return typeof value === "object" && !Array.isArray(value);
    default:
      return typeof value === "string";
  }
}

const STATES: Readonly<Record<string, string>> = {
  Pending: "PENDING",
  Running: "RUNNING",
  Succeeded: "SUCCEEDED",
  Failed: "FAILED",
  Error: "FAILED",
  Skipped: "SKIPPED",
  Terminating: "CANCELING",
};

function showRun(state: State, run: Run): unknown {
  const { phase } = lastReport(state, run);
  const word = STATES[phase];
  // Argo looks at a workflow a second after it was made
  const details =
    state.options.clockMs() - run.createdMs >= 1000
      ? [run, ...run.strays].flatMap(({ workflowName }) =>
          taskDetails({ ...run, workflowName }, phase === "Terminating" ? "Running" : phase),
        )
      : [];
  return {
    experiment_id: run.experimentId,
    run_id: run.id,
    display_name: run.name,
    storage_state: run.archived ? "ARCHIVED" : "AVAILABLE",
    ...(run.description === "" ? {} : { description: run.description }),
    ...(run.versionId === null
      ? { pipeline_spec: run.document.tree }
      : { pipeline_version_reference: { pipeline_id: run.pipelineId, pipeline_version_id: run.versionId } }),
    ...(run.runtimeConfig
      ? { runtime_config: run.runtimeConfig }
      : run.v1Parameters?.length
        ? {
            runtime_config: { parameters: Object.fromEntries(run.v1Parameters.map((each) => [each.name, each.value])) },
          }
        : {}),
    service_account: run.serviceAccount,
    created_at: run.createdAt,
    scheduled_at: run.createdAt,
    finished_at: finishedAt(state, run),
    ...(word === undefined ? {} : { state: word }),
    ...(details.length === 0 ? {} : { run_details: { task_details: details } }),
    state_history: rowHistory(state, run).map(({ atMs, phase: past }) => {
      const known = STATES[past];
      return { update_time: timestampAt(atMs), ...(known === undefined ? {} : { state: known }) };
    }),
  };
}

function taskDetails(run: Run, phase: string): readonly unknown[] {
  const workflow = showWorkflow({ ...run, phase, isStopped: false, isCompressed: false }) as {
    readonly status: {
      readonly nodes?: Readonly<Record<string, { readonly id: string; readonly displayName: string }>>;
    };
  };
  return Object.values(workflow.status.nodes ?? {}).map(({ id, displayName }) => ({
    run_id: run.id,
    task_id: id,
    display_name: displayName,
    create_time: run.createdAt,
    start_time: run.createdAt,
    end_time: run.createdAt,
    state: STATES[phase],
    state_history: [{ update_time: run.createdAt, state: STATES[phase] }],
    child_tasks: [{ pod_name: id }],
  }));
}

function listRuns(context: Context): Response {
  const { state, query } = context;
  const id = query.get("experiment_id");
  if (id !== null && !state.experiments.some((each) => each.id === id))
    return refuse(context, "run.v2.list.unknown-experiment");
  const kept = state.runs.filter((each) => id === null || each.experimentId === id);
  return list(
    context,
    "runs",
    kept,
    (each) => showRun(state, each),
    (each, key) =>
      key === "storage_state" ? (each.archived ? "ARCHIVED" : "AVAILABLE") : (STATES[runPhase(state, each)] ?? ""),
  );
}

function getRun(context: Context, id = ""): Response {
  const run = findRun(context, id);
  return run ? replyJson(showRun(context.state, run)) : refuse(context, "run.v2.unknown.get");
}

function deleteRun(context: Context, id = ""): Response {
  if (removeWhere(context.state.runs, (each) => each.id === id)) return replyJson({});
  return refuse(context, "run.v2.unknown.delete");
}

function archiveRun(context: Context, id = "", verb = ""): Response {
  const run = findRun(context, id);
  if (run) run.archived = verb === "archive";
  return replyJson({});
}

const JOB_FIELDS = [...RUN_FIELDS, "mode", "max_concurrency", "no_catchup", "trigger", "namespace"];

async function createJob(given: Context): Promise<Response> {
  const read = await readJson(given, JOB_FIELDS);
  if (read instanceof Response) return read;
  const { body, context } = read;
  const { state } = context;
  const step = (end: string): Response => refuse(context, `recurring.v2.${end}`);
  const { pipeline_version_reference: reference, runtime_config: config, display_name: name = "" } = body as RunBody;
  const mode = body["mode"];
  if (mode !== undefined && mode !== "ENABLE" && mode !== "DISABLE") return step("mode-word");
  const bad = badSchedule(body);
  if (bad !== undefined) return step(bad);
  if (name === "") return step("empty-name");
  if (name.length > 255) return refuse(context, "name-length.job.v1.256");
  const versionId = reference?.pipeline_version_id;
  const version =
    versionId === undefined
      ? newestVersion(state, reference?.pipeline_id ?? "")
      : state.versions.find((each) => each.id === versionId);
  if (versionId !== undefined && version === undefined) return step("unknown-version");
  const wrong =
    version === undefined || versionId === undefined
      ? undefined
      : badValues(version.document, config?.parameters ?? {});
  if (wrong) return step(wrong === "unknown-param" ? "unknown-param" : "wrong-type");
  const isPinned = versionId !== undefined || !state.version.followsLatest;
  const job: Job = {
    ...newItem(state, name, (body["description"] as string | undefined) ?? ""),
    body,
    experimentId: (body["experiment_id"] as string | undefined) ?? state.experiments[0]?.id ?? "",
    pipelineId: version?.pipelineId ?? null,
    versionId: isPinned ? (version?.id ?? null) : null,
    document: version?.document,
    enabled: mode === "ENABLE",
  };
  state.jobs.push(job);
  return replyJson(showJob(state, job));
}

function showJob(state: State, job: Job): unknown {
  const trigger = (job.body["trigger"] ?? {}) as Record<string, unknown>;
  return {
    recurring_run_id: job.id,
    display_name: job.name,
    ...(job.description === "" ? {} : { description: job.description }),
    pipeline_version_reference: {
      pipeline_id: job.pipelineId,
      ...(job.versionId === null ? {} : { pipeline_version_id: job.versionId }),
    },
    ...(job.body["runtime_config"] ? { runtime_config: job.body["runtime_config"] } : {}),
    ...(job.versionId === null ? {} : { service_account: "pipeline-runner" }),
    max_concurrency: String(job.body["max_concurrency"]),
    trigger,
    mode: job.enabled ? "ENABLE" : "DISABLE",
    created_at: job.createdAt,
    updated_at: job.createdAt,
    status: job.enabled ? "ENABLED" : "DISABLED",
    ...(job.body["no_catchup"] === true ? { no_catchup: true } : {}),
    namespace: "kubeflow",
    experiment_id: job.experimentId,
  };
}

function listJobs(context: Context): Response {
  const { state, query } = context;
  const id = query.get("experiment_id");
  const kept = state.jobs.filter((each) => id === null || each.experimentId === id);
  return list(context, "recurringRuns", kept, (each) => showJob(state, each));
}

function getJob(context: Context, id = ""): Response {
  const found = context.state.jobs.find((each) => each.id === id);
  return found ? replyJson(showJob(context.state, found)) : refuse(context, "recurring.v2.unknown.get");
}

function deleteJob(context: Context, id = ""): Response {
  const policy = context.query.get("propagation_policy");
  const isKnown = policy === null || ["FOREGROUND", "BACKGROUND", "ORPHAN"].includes(policy);
  if (!isKnown && refuses(context, "recurring.v2.delete.bad-propagation")) {
    return refuse(context, "recurring.v2.delete.bad-propagation");
  }
  if (removeWhere(context.state.jobs, (each) => each.id === id)) return replyJson({});
  return refuse(context, "recurring.v2.delete-again");
}

function switchJob(context: Context, id = "", verb = ""): Response {
  const found = context.state.jobs.find((each) => each.id === id);
  if (found === undefined) return refuse(context, "recurring.v2.unknown.disable");
  found.enabled = verb === "enable";
  return replyJson({});
}
