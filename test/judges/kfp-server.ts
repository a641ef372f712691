/**
 * A Kubeflow Pipelines API server for tests, on loopback: v1beta1, single user, as far as kfk speaks it so far.
 *
 * What it answers is taken from recordings of real servers: shapes and texts of errors, double decoding of filters,
 * what a version is strict about. It keeps the truth (`runs`), and does faults on command.
 */

export interface Generation {
  readonly version: string;
  /** Gateway 2 (>= 2.14): unknown request fields are refused, error bodies have no `error`. */
  readonly strict: boolean;
  /** Says why an upload failed (up to 2.14). */
  readonly tellsDuplicates: boolean;
}

/** Rows for the servers that were recorded. */
export const GENERATIONS: readonly Generation[] = [
  { version: "2.5.0", strict: false, tellsDuplicates: true },
  { version: "2.17.0", strict: true, tellsDuplicates: false },
];

/** What happens instead of an answer. `lost`: the request is carried out and the answer is not given. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body: string;
      readonly headers?: Record<string, string>;
    }
  | { readonly kind: "lost"; readonly status: number };

export interface FakeRun {
  readonly id: string;
  readonly name: string;
  readonly experimentId: string;
  readonly versionId: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  polls: number;
  terminated: boolean;
}

export interface FakeServer {
  readonly url: string;
  readonly runs: readonly FakeRun[];
  readonly versions: readonly { readonly id: string; readonly name: string; readonly text: string }[];
  /** `METHOD path`, in order. */
  readonly asked: readonly string[];
  /** Authorization headers that arrived. */
  readonly tokens: ReadonlySet<string>;
  /** The next requests that match `METHOD /path` get these faults, one each. */
  readonly fail: (match: string, ...faults: Fault[]) => void;
  /** States that a run goes through, one for each time it is asked for; the last one stays. */
  states: readonly string[];
  /** Node status of the workflow, by step; shown from the first state on. */
  nodes: Readonly<Record<string, { readonly phase: string; readonly message?: string }>>;
  readonly stop: () => Promise<void>;
}

/** Starts a server; the caller stops it. */
export function startServer(generation: Generation): FakeServer {
  const state = {
    pipelines: [] as { id: string; name: string; description: string; versions: Version[] }[],
    experiments: [{ id: id(), name: "Default", archived: false }],
    runs: [] as FakeRun[],
    asked: [] as string[],
    tokens: new Set<string>(),
    faults: [] as { match: string; fault: Fault }[],
  };
  const api = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const url = new URL(request.url);
      const line = `${request.method} ${url.pathname}`;
      state.asked.push(line);
      const token = request.headers.get("authorization");
      if (token !== null) state.tokens.add(token);
      const at = state.faults.findIndex(({ match }) => line.startsWith(match));
      const fault = at < 0 ? undefined : state.faults.splice(at, 1)[0]?.fault;
      if (fault?.kind === "status") {
        return new Response(fault.body, {
          status: fault.status,
          headers: fault.headers ?? { "content-type": "application/json" },
        });
      }
      const answer = await route(request, url);
      if (fault?.kind === "lost") return new Response("upstream connect error", { status: fault.status });
      return answer;
    },
  });
  const server: FakeServer = {
    url: `http://127.0.0.1:${api.port}`,
    runs: state.runs,
    get versions() {
      return state.pipelines.flatMap((pipeline) => pipeline.versions);
    },
    asked: state.asked,
    tokens: state.tokens,
    fail: (match, ...faults) => state.faults.push(...faults.map((fault) => ({ match, fault }))),
    states: ["", "Pending", "Running", "Succeeded"],
    nodes: {},
    stop: async () => await api.stop(true),
  };
  return server;

  async function route(request: Request, url: URL): Promise<Response> {
    const path = url.pathname;
    const query = url.searchParams;
    const key = `${request.method} ${path.replace(/^\/apis\/v1beta1/, "").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "ID")}`;
    switch (key) {
      case "GET /healthz":
        return json({ commit_sha: "d07cf1c7f9bd", tag_name: generation.version, multi_user: false });
      case "GET /apis/v2beta1/healthz":
        return json({
          commit_sha: "d07cf1c7f9bd",
          tag_name: generation.version,
          multi_user: false,
          ...(generation.strict ? { pipeline_store: "database" } : {}),
        });
      case "GET /pipelines":
        return list("pipelines", state.pipelines.filter((each) => passes(each.name, query)).map(pipelineJson));
      case "POST /pipelines/upload":
        return await upload(request, query);
      case "POST /pipelines/upload_version":
        return await uploadVersion(request, query);
      case "GET /pipelines/ID": {
        const found = state.pipelines.find((each) => path.endsWith(each.id));
        return found ? json(pipelineJson(found)) : missing(`Pipeline ${path.split("/").at(-1)} not found`);
      }
      case "GET /pipeline_versions": {
        const found = state.pipelines.find((each) => each.id === query.get("resource_key.id"));
        return list("versions", (found?.versions ?? []).filter((each) => passes(each.name, query)).map(versionJson));
      }
      case "GET /pipeline_versions/ID/templates": {
        const found = state.pipelines.flatMap((each) => each.versions).find((each) => path.includes(each.id));
        return found ? json({ template: found.text }) : missing("PipelineVersion not found");
      }
      case "GET /experiments":
        return list("experiments", state.experiments.filter((each) => passes(each.name, query)).map(experimentJson));
      case "POST /experiments":
        return createExperiment((await request.json()) as Record<string, unknown>);
      case "POST /runs":
        return createRun((await request.json()) as RunBody);
      case "GET /runs":
        return list(
          "runs",
          state.runs.filter((each) => passes(each.name, query)).map((each) => runJson(each, "Running").run),
        );
      case "GET /runs/ID": {
        const run = state.runs.find((each) => path.endsWith(each.id));
        if (run === undefined) return missing(`Run ${path.split("/").at(-1)} not found`);
        const status = server.states[Math.min(run.polls++, server.states.length - 1)] ?? "";
        return json(runJson(run, status));
      }
      case "POST /runs/ID/terminate": {
        const run = state.runs.find((each) => path.includes(each.id));
        if (run === undefined) return missing("Run not found");
        if (run.terminated) return failure(400, 3, `Failed to terminate a run ${run.id}. Row not found`);
        run.terminated = true;
        return json({});
      }
      default:
        if (path.startsWith("/apis/")) {
          return generation.strict ? failure(404, 5, "Not Found") : new Response("Not Found\n", { status: 404 });
        }
        return new Response("404 page not found\n", { status: 404 });
    }
  }

  async function readUpload(request: Request): Promise<string | Response> {
    const form = await request.formData().catch(() => undefined);
    const part = form?.get("uploadfile");
    if (!(part instanceof Blob)) return uploadFailure(400, "Failed to read pipeline from file: http: no such file");
    return await part.text();
  }

  async function upload(request: Request, query: URLSearchParams): Promise<Response> {
    const text = await readUpload(request);
    if (typeof text !== "string") return text;
    const name = query.get("name") ?? "pipeline";
    if (state.pipelines.some((each) => each.name === name)) {
      const why = `Already exist error: Failed to create a new pipeline. The name ${name} already exists. Please specify a new name`;
      return uploadFailure(
        409,
        `Failed to create a pipeline and a pipeline version${generation.tellsDuplicates ? `. The pipeline already exists.: ${why}` : ""}`,
      );
    }
    const description = query.get("description") ?? "";
    const pipeline = { id: id(), name, description, versions: [{ id: id(), name, text, description }] };
    state.pipelines.push(pipeline);
    return json(pipelineJson(pipeline));
  }

  async function uploadVersion(request: Request, query: URLSearchParams): Promise<Response> {
    const text = await readUpload(request);
    if (typeof text !== "string") return text;
    const pipeline = state.pipelines.find((each) => each.id === query.get("pipelineid"));
    if (pipeline === undefined)
      return uploadFailure(400, "Failed to create a pipeline version due to error reading namespace");
    const name = query.get("name") ?? "version";
    if (pipeline.versions.some((each) => each.name === name)) {
      const why = `: Already exist error: Failed to create a new pipeline version. The name ${name} already exist. Specify a new name`;
      return uploadFailure(409, `Failed to create a pipeline version${generation.tellsDuplicates ? why : ""}`);
    }
    const version = { id: id(), name, text, description: query.get("description") ?? "" };
    pipeline.versions.push(version);
    return json(versionJson(version));
  }

  function createExperiment(body: Record<string, unknown>): Response {
    const strange = unknownField(body, ["name", "description", "resource_references"]);
    if (strange) return strange;
    const name = String(body["name"] ?? "");
    if (name === "") return failure(500, 13, "Experiment must have a non-empty name");
    if (state.experiments.some((each) => each.name === name)) {
      return failure(
        409,
        6,
        `Already exist error: Failed to create a new experiment. The name ${name} already exists. Please specify a new name`,
      );
    }
    const experiment = { id: id(), name, archived: false };
    state.experiments.push(experiment);
    return json(experimentJson(experiment));
  }

  function createRun(body: RunBody): Response {
    const strange = unknownField(body as unknown as Record<string, unknown>, RUN_FIELDS);
    if (strange) return strange;
    const of = (type: string): string => body.resource_references?.find(({ key }) => key.type === type)?.key.id ?? "";
    const experiment = state.experiments.find((each) => each.id === of("EXPERIMENT"));
    if (experiment === undefined) return missing(`Experiment ${of("EXPERIMENT")} not found`);
    const version = state.pipelines.flatMap((each) => each.versions).find((each) => each.id === of("PIPELINE_VERSION"));
    if (version === undefined && body.pipeline_spec?.workflow_manifest === undefined) {
      return failure(500, 13, "error fetching manifest");
    }
    if (state.runs.some((each) => each.id === body.id)) {
      return failure(500, 13, `Error 1062 (23000): Duplicate entry '${body.id}' for key 'PRIMARY'`);
    }
    const run = {
      id: body.id ?? id(),
      name: body.name,
      experimentId: experiment.id,
      versionId: version?.id ?? "",
      parameters: body.pipeline_spec?.parameters ?? [],
      polls: 0,
      terminated: false,
    };
    state.runs.push(run);
    return json(runJson(run, ""));
  }

  function runJson(run: FakeRun, status: string): { run: object; pipeline_runtime: object } {
    const nodes = Object.entries(server.nodes).map(([name, node]) => [
      `wf-${name}`,
      {
        id: `wf-${name}`,
        name: `wf.${name}`,
        displayName: name,
        type: "Pod",
        templateName: "step",
        startedAt: "2026-01-02T03:04:05Z",
        ...node,
      },
    ]);
    const workflow = {
      apiVersion: "argoproj.io/v1alpha1",
      kind: "Workflow",
      metadata: { name: "wf", namespace: "kubeflow" },
      spec: { ...(run.terminated ? { activeDeadlineSeconds: 0 } : {}), templates: [{ name: "entrypoint", dag: {} }] },
      status: { nodes: Object.fromEntries(nodes) },
    };
    return {
      run: {
        id: run.id,
        name: run.name,
        ...(status === "" ? {} : { status }),
        created_at: "2026-01-02T03:04:05Z",
        finished_at: /Succeeded|Failed|Error/.test(status) ? "2026-01-02T03:05:05Z" : "1970-01-01T00:00:00Z",
        resource_references: [{ key: { type: "EXPERIMENT", id: run.experimentId }, relationship: "OWNER" }],
      },
      pipeline_runtime: { workflow_manifest: JSON.stringify(workflow) },
    };
  }

  /** Errors of the gateway: code 13 hides the reason in `details`, gateway 2 leaves `error` out. */
  function failure(status: number, code: number, message: string): Response {
    const details = [
      {
        "@type": "type.googleapis.com/google.rpc.Status",
        code,
        message: code === 13 ? "Internal Server Error" : message,
      },
    ];
    return json({ ...(generation.strict ? {} : { error: message }), message, code, details }, status);
  }

  function missing(message: string): Response {
    return failure(404, 5, `ResourceNotFoundError: ${message}`);
  }

  function unknownField(body: Record<string, unknown>, known: readonly string[]): Response | undefined {
    const strange = Object.keys(body).find((key) => !known.includes(key));
    if (strange === undefined || !generation.strict) return undefined;
    return failure(400, 3, `proto: (line 1:2): unknown field "${strange}"`);
  }
}

// --- internal ---

interface Version {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly description: string;
}

interface RunBody {
  readonly id?: string;
  readonly name: string;
  readonly pipeline_spec?: { readonly parameters?: FakeRun["parameters"]; readonly workflow_manifest?: string };
  readonly resource_references?: readonly { readonly key: { readonly type: string; readonly id: string } }[];
}

const RUN_FIELDS = ["id", "name", "description", "pipeline_spec", "resource_references", "service_account"];
const CREATED = "2026-01-02T03:04:05Z";

function id(): string {
  return crypto.randomUUID();
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function list(key: string, items: readonly object[]): Response {
  return json(items.length === 0 ? {} : { [key]: items, total_size: items.length });
}

function uploadFailure(status: number, message: string): Response {
  return json({ error_message: message, error_details: `${message}\n…` }, status);
}

/** The server decodes `filter` once more after the query; EQUALS ignores case and blanks at the end. */
function passes(name: string, query: URLSearchParams): boolean {
  const filter = query.get("filter");
  if (filter === null) return true;
  const { predicates = [] } = JSON.parse(decodeURIComponent(filter.replaceAll("+", " "))) as {
    predicates?: readonly { key: string; string_value: string }[];
  };
  const plain = (text: string): string => text.toLowerCase().trimEnd();
  return predicates.every(({ key, string_value: wanted }) => key !== "name" || plain(wanted) === plain(name));
}

function pipelineJson(pipeline: {
  id: string;
  name: string;
  description: string;
  versions: readonly Version[];
}): object {
  const newest = pipeline.versions.at(-1);
  return {
    id: pipeline.id,
    created_at: CREATED,
    name: pipeline.name,
    ...(pipeline.description === "" ? {} : { description: pipeline.description }),
    ...(newest ? { default_version: versionJson(newest) } : {}),
  };
}

function versionJson(version: Version): object {
  return {
    id: version.id,
    name: version.name,
    created_at: CREATED,
    ...(version.description === "" ? {} : { description: version.description }),
  };
}

function experimentJson(experiment: { id: string; name: string; archived: boolean }): object {
  return {
    id: experiment.id,
    name: experiment.name,
    created_at: CREATED,
    storage_state: experiment.archived ? "STORAGESTATE_ARCHIVED" : "STORAGESTATE_AVAILABLE",
  };
}
