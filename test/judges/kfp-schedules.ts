/**
 * The schedules of a KFP server for tests: `jobs` of v1beta1 before any other server, which answers all the rest. It
 * keeps the truth: how many were enabled at once, at every point in time, and which deletions killed a run.
 *
 * Answers as recorded servers do (steps `job.v1.*`; 2.17.0 and 1.8.22), and wrongly on command. Without a port: `fetch`
 * is called in the process; `serveSchedules` puts one before it for the built binary.
 */

export interface FakeJob {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  enabled: boolean;
  readonly createdAt: string;
  readonly experimentId: string;
  /** "" for a workflow that was never uploaded. */
  readonly versionId: string;
  /** Shown as the spec's, as of a schedule that was made for a pipeline without naming a version. */
  readonly pipelineId?: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What goes wrong with the next request to schedules or runs. */
export const JOB_FAULTS = [
  /** The request never arrives; refused, or cut. */
  "refused",
  "reset",
  /** It is carried out, and the answer is lost, cut off, or a proxy's. */
  "acted-reset",
  "acted-cut",
  "acted-502",
  /** Carried out not at all; somebody before the server speaks, or the server itself. */
  "502",
  "503",
  "429",
  "html",
  "500-said",
  /** The process that asks dies, before or after the server acts. */
  "crash",
  "acted-crash",
] as const;

export type JobFault = (typeof JOB_FAULTS)[number];

/** Thrown in the place of an answer: the asking process is no more. */
export class Crash extends Error {}

export interface FakeSchedules {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly jobs: FakeJob[];
  /** Ids of schedules that have a run in flight. */
  readonly busy: Set<string>;
  /** Most schedules of one name that were ever enabled at once. */
  readonly mostEnabled: () => number;
  /** Schedules that were deleted while a run of theirs was in flight. */
  readonly killed: string[];
  readonly requests: string[];
  readonly add: (job: Partial<FakeJob> & Pick<FakeJob, "name" | "experimentId" | "versionId">) => FakeJob;
}

export interface FakeSchedulesOptions {
  readonly nowMs: () => number;
  readonly newId: () => string;
  /** Everything else. */
  readonly behind: (url: string, init: RequestInit) => Promise<Response>;
  /** Asked for every request to schedules and runs. */
  readonly fault?: (method: string, path: string) => JobFault | undefined;
  /** True: as before 2.0, where a schedule names no pipeline. */
  readonly isOld?: boolean;
  readonly pageSize?: number;
  /** True: runs that are asked to stop go on. */
  isDeaf?: boolean;
}

/** Starts with no schedules. */
export function fakeSchedules(options: FakeSchedulesOptions): FakeSchedules {
  const jobs: FakeJob[] = [];
  const busy = new Set<string>();
  const killed: string[] = [];
  const requests: string[] = [];
  let most = 0;
  const look = (): void => {
    const counts = new Map<string, number>();
    for (const { enabled, name } of jobs) if (enabled) counts.set(name, (counts.get(name) ?? 0) + 1);
    most = Math.max(most, ...counts.values());
  };
  const add: FakeSchedules["add"] = (job) => {
    const made = {
      id: options.newId(),
      description: "",
      enabled: false,
      createdAt: new Date(options.nowMs()).toISOString().slice(0, 19) + "Z",
      body: {},
      ...job,
    };
    jobs.push(made);
    look();
    return made;
  };
  const act = (api: Api, method: string, path: string, query: URLSearchParams, body: unknown): Response => {
    if (path === "/runs") return runsOf(api, jobs, busy, query);
    const run = TERMINATE.exec(path)?.[1];
    if (run !== undefined) {
      if (!options.isDeaf) busy.delete(run);
      return reply({});
    }
    const [, , id, , verb] = /^\/(jobs|recurringruns)(?:\/([^/:]+)([/:](enable|disable))?)?$/.exec(path) ?? [];
    if (id === undefined) {
      if (method === "GET") return listJobs(api, options, jobs, query);
      const made = readBody(body as Body);
      if (typeof made === "string") return refusal(400, 3, made);
      return reply(shown(api, options, add(made)));
    }
    const found = jobs.findIndex((each) => each.id === id);
    const job = jobs[found];
    if (job === undefined) return refusal(404, 5, `Job ${id} not found`);
    if (method === "DELETE") {
      if (busy.has(id) && query.get("propagation_policy") !== "ORPHAN") killed.push(id);
      jobs.splice(found, 1);
      return reply({});
    }
    if (verb === undefined) return reply(shown(api, options, job));
    job.enabled = verb === "enable";
    look();
    return reply({});
  };
  return {
    jobs,
    busy,
    killed,
    requests,
    add,
    mostEnabled: () => most,
    fetch: async (target, init) => {
      const url = new URL(target);
      const [, api, path = ""] = /\/apis\/(v1|v2)beta1(\/.*)$/.exec(url.pathname) ?? [];
      const method = init.method ?? "GET";
      const isOurs =
        (api === "v1" && /^\/jobs\b/.test(path)) ||
        (api === "v2" && /^\/recurringruns\b/.test(path)) ||
        TERMINATE.test(path) ||
        (path === "/runs" && method === "GET" && busy.size > 0);
      if (!isOurs) return await options.behind(target, init);
      requests.push(`${method} ${path}${method === "DELETE" ? url.search : ""}`);
      const fault = options.fault?.(method, path);
      const work = (): Response =>
        act(
          api as Api,
          method,
          path,
          url.searchParams,
          typeof init.body === "string" && init.body !== "" ? JSON.parse(init.body) : undefined,
        );
      return fault === undefined ? work() : await goWrong(fault, work);
    },
  };
}

/** A port on loopback before it; stop it. */
export function serveSchedules(fake: FakeSchedules, behindUrl: string): { url: string; stop: () => Promise<void> } {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (incoming) => {
      const { pathname, search } = new URL(incoming.url);
      const isForm = (incoming.headers.get("content-type") ?? "").includes("multipart");
      const body = incoming.method === "GET" ? null : isForm ? await incoming.arrayBuffer() : await incoming.text();
      const headers = new Headers(incoming.headers);
      headers.delete("host");
      headers.delete("accept-encoding");
      const answer = await fake.fetch(`${behindUrl}${pathname}${search}`, {
        method: incoming.method,
        headers,
        redirect: "manual",
        ...(body === null || incoming.method === "DELETE" ? {} : { body }),
      });
      return new Response(await answer.arrayBuffer(), { status: answer.status, headers: answer.headers });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

// --- internal ---

type Api = "v1" | "v2";

const TERMINATE = /^\/runs\/run-of-(.+)-1[/:]terminate$/;

interface Body {
  readonly name?: string;
  readonly display_name?: string;
  readonly description?: string;
  readonly enabled?: boolean;
  readonly mode?: string;
  readonly max_concurrency?: string | number;
  readonly experiment_id?: string;
  readonly pipeline_version_reference?: { readonly pipeline_id?: string; readonly pipeline_version_id?: string };
  readonly resource_references?: readonly { readonly key: { readonly type: string; readonly id: string } }[];
}

function readBody(body: Body): string | Omit<FakeJob, "id" | "createdAt"> {
  const concurrency = Number(body.max_concurrency ?? 0);
  if (concurrency < 1 || concurrency > 10) return "The max concurrency of the recurring run is out of range";
  const reference = (type: string): string =>
    body.resource_references?.find(({ key }) => key.type === type)?.key.id ?? "";
  const pipelineId = body.pipeline_version_reference?.pipeline_id;
  return {
    name: body.name ?? body.display_name ?? "",
    description: body.description ?? "",
    enabled: body.enabled === true || body.mode === "ENABLED" || body.mode === "ENABLE",
    experimentId: body.experiment_id ?? reference("EXPERIMENT"),
    versionId: body.pipeline_version_reference?.pipeline_version_id ?? reference("PIPELINE_VERSION"),
    ...(pipelineId === undefined ? {} : { pipelineId }),
    body: body as Readonly<Record<string, unknown>>,
  };
}

function shown(api: Api, options: FakeSchedulesOptions, job: FakeJob): Readonly<Record<string, unknown>> {
  const { body } = job;
  const common = {
    ...(job.description === "" ? {} : { description: job.description }),
    service_account: "pipeline-runner",
    max_concurrency: String(body["max_concurrency"] ?? "1"),
    ...(body["trigger"] === undefined ? {} : { trigger: body["trigger"] }),
    created_at: job.createdAt,
    updated_at: job.createdAt,
    ...(body["no_catchup"] === true ? { no_catchup: true } : {}),
  };
  if (api === "v2") {
    return {
      ...common,
      recurring_run_id: job.id,
      display_name: job.name,
      pipeline_version_reference: {
        ...(job.pipelineId === undefined ? {} : { pipeline_id: job.pipelineId }),
        ...(job.versionId === "" ? {} : { pipeline_version_id: job.versionId }),
      },
      ...(body["runtime_config"] === undefined ? {} : { runtime_config: body["runtime_config"] }),
      mode: job.enabled ? "ENABLE" : "DISABLE",
      status: job.enabled ? "ENABLED" : "DISABLED",
      namespace: "kubeflow",
      experiment_id: job.experimentId,
    };
  }
  return {
    ...common,
    id: job.id,
    name: job.name,
    pipeline_spec: {
      ...(job.pipelineId === undefined ? {} : { pipeline_id: job.pipelineId }),
      workflow_manifest: "{}",
      ...(body["pipeline_spec"] as object | undefined),
    },
    resource_references: [
      { key: { type: "EXPERIMENT", id: job.experimentId }, relationship: "OWNER" },
      ...(job.versionId === ""
        ? []
        : [{ key: { type: "PIPELINE_VERSION", id: job.versionId }, relationship: "CREATOR" }]),
    ],
    status: options.isOld === true ? "NO_STATUS" : "STATUS_UNSPECIFIED",
    ...(job.enabled ? { enabled: true } : {}),
  };
}

function listJobs(api: Api, options: FakeSchedulesOptions, jobs: readonly FakeJob[], query: URLSearchParams): Response {
  const filter = query.get("filter");
  const name = filter === null ? null : predicateName(filter);
  const isExperiment = query.get("resource_reference_key.type") === "EXPERIMENT";
  const experiment = isExperiment ? query.get("resource_reference_key.id") : query.get("experiment_id");
  const kept = jobs.filter(
    (each) =>
      (name === null || each.name.toLowerCase().trimEnd() === name.toLowerCase().trimEnd()) &&
      (experiment === null || each.experimentId === experiment),
  );
  const from = Number(query.get("page_token") ?? "0");
  const size = Math.min(options.pageSize ?? 200, Number(query.get("page_size") ?? "20"));
  const page = kept.slice(from, from + size).map((each) => shown(api, options, each));
  return reply({
    ...(page.length === 0 ? {} : { [api === "v1" ? "jobs" : "recurringRuns"]: page, total_size: kept.length }),
    ...(from + size < kept.length ? { next_page_token: String(from + size) } : {}),
  });
}

/** Decoded twice, as servers do. */
function predicateName(filter: string): string {
  const parsed = JSON.parse(decodeURIComponent(filter)) as { predicates: { string_value: string }[] };
  return parsed.predicates[0]?.string_value ?? "";
}

function runsOf(api: Api, jobs: readonly FakeJob[], busy: ReadonlySet<string>, query: URLSearchParams): Response {
  const experiment = query.get("resource_reference_key.id") ?? query.get("experiment_id");
  const mine = jobs.filter((each) => experiment === null || each.experimentId === experiment);
  const runs = mine
    .flatMap((each) => [
      { id: `run-of-${each.id}-0`, job: each.id, status: "Succeeded" },
      ...(busy.has(each.id) ? [{ id: `run-of-${each.id}-1`, job: each.id, status: "Running" }] : []),
    ])
    .map(({ id, job, status }) =>
      api === "v1"
        ? { id, name: id, status, resource_references: [{ key: { type: "JOB", id: job }, relationship: "CREATOR" }] }
        : { run_id: id, display_name: id, state: status.toUpperCase(), recurring_run_id: job },
    );
  return reply({ runs });
}

async function goWrong(fault: JobFault, work: () => Response): Promise<Response> {
  const done = fault.startsWith("acted-") ? work() : undefined;
  switch (fault) {
    case "crash":
    case "acted-crash":
      throw new Crash("the process ended");
    case "refused":
      throw Object.assign(new TypeError("network"), { code: "ECONNREFUSED" });
    case "reset":
    case "acted-reset":
      throw Object.assign(new TypeError("network"), { code: "ECONNRESET" });
    case "acted-cut": {
      const text = (await done?.text()) ?? "";
      return new Response(text.slice(0, Math.max(1, text.length / 2)), { headers: JSON_HEADERS });
    }
    case "502":
    case "acted-502":
      return new Response("<html>bad gateway</html>", { status: 502, headers: { "content-type": "text/html" } });
    case "503":
      return new Response("no healthy upstream", { status: 503 });
    case "429":
      return new Response("slow down", { status: 429, headers: { "retry-after": "7" } });
    case "html":
      return new Response("<!doctype html><title>log in</title>", { headers: { "content-type": "text/html" } });
    case "500-said":
      return refusal(500, 13, "Internal Server Error: database is away");
  }
}

const JSON_HEADERS = { "content-type": "application/json" };

function reply(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: JSON_HEADERS });
}

function refusal(status: number, code: number, message: string): Response {
  return new Response(JSON.stringify({ code, message, details: [] }), { status, headers: JSON_HEADERS });
}
