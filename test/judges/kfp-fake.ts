/**
 * A KFP server for tests: both REST APIs of 1.8, 2.0, 2.5 and 2.17 in memory, over HTTP on loopback or in the process.
 * It answers as recorded servers do (`kfp-versions.ts`, `kfp-said.ts`, checked by `kfp-fake.test.ts`), and wrongly on
 * command.
 *
 * Time is the caller's: a run goes through its script of states by `clockMs`, so that a test with its own clock
 * decides. `fetch` is what a world gets: the platform's, but for a server that is switched off, when the port is one
 * that nobody listens on. State is kept while it is off, as a restarted server keeps its database.
 */
import { handleV1 } from "./kfp-v1.ts";
import { handleV2 } from "./kfp-v2.ts";
import { type Context, newState, plain, refuse, reply, type Run, runPhase, type State } from "./kfp-state.ts";
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
  /** True: the request is carried out first, and its answer thrown away. `"twice"`: two times, as proxies do. */
  readonly acted?: boolean | "twice";
  /** How often; default 1. */
  readonly times?: number;
  /** `last`: the proper answer to what was carried out last. */
  readonly answer: "reset" | "cut" | "hang" | "last" | (() => Response);
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
  /** Answers a request without a socket, faults included; "reset" and "hang" reject. */
  readonly handle: (request: Request) => Promise<Response>;
  readonly requests: readonly SeenRequest[];
  readonly runs: () => readonly FakeRun[];
  /** State of a run as the database has it now. */
  readonly phase: (id: string) => string;
  /** Workflows that Kubernetes would hold: one for every creation that came through, rows or not. */
  readonly workflows: () => number;
  readonly versions: () => readonly { readonly id: string; readonly name: string; readonly text: string }[];
  readonly pipelines: () => readonly string[];
  readonly addFault: (fault: Fault) => void;
  /** Switches the port off and on; what the server knows stays. */
  readonly setListening: (on: boolean) => void;
  /** States of runs that are created from now on; the default is that of a recorded success. */
  readonly setScript: (script: readonly Moment[], manifest?: "plain" | "compressed") => void;
  /** The same for workflows that have no row of their own, since their run's id was taken. */
  readonly setStrayScript: (script: readonly Moment[]) => void;
  /** The newest version is one whose server was killed between its row and its document. */
  readonly breakNewestVersion: () => void;
  /** Which steps fail in runs created from now on, and how. */
  readonly setFailing: (failing: State["failing"]) => void;
  /** Text of the log of a pod, by its name. */
  readonly setLog: (pod: string, text: string) => void;
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
  /** True: its database compares with latin1 text alone. */
  readonly latin1?: boolean;
  /** `ui`: a UI server stands before the API, as users mostly see it. */
  readonly front?: "api" | "ui";
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
    ...viewOf(state),
    url: url + (options.base ?? ""),
    fetch: (target, init) =>
      fetch(state.listening ? target : target.replace(url, CLOSED_PORT), { ...init, keepalive: false }),
    stop: () => server.stop(true),
  };
}

/** A server that has no port: `handle` alone reaches it. */
export function modelKfp(options: FakeKfpOptions): Omit<FakeKfp, "url" | "fetch" | "stop"> {
  return viewOf(newState(options));
}

// --- internal ---

/** Port 1 of loopback: nothing listens there. */
const CLOSED_PORT = "http://127.0.0.1:1";

function viewOf(state: State): Omit<FakeKfp, "url" | "fetch" | "stop"> {
  return {
    handle: (request) => handleAlone(state, request),
    requests: state.requests,
    runs: () => state.runs.map(({ v1Parameters, ...run }: Run) => ({ ...run, parameters: v1Parameters })),
    phase: (id) => {
      const run = state.runs.find((each) => each.id === id);
      return run === undefined ? "" : runPhase(state, run);
    },
    workflows: () => state.workflows,
    versions: () => state.versions.map(({ id, name, document }) => ({ id, name, text: document.text })),
    pipelines: () => state.pipelines.map((each) => each.name),
    addFault: (fault) => void state.faults.push({ ...fault, left: fault.times ?? 1 }),
    setListening: (on) => {
      state.listening = on;
    },
    setScript: (script, manifest = "plain") => {
      state.script = script;
      state.compressed = manifest === "compressed";
    },
    setStrayScript: (script) => {
      state.strayScript = script;
    },
    breakNewestVersion: () => {
      const newest = state.versions.at(-1);
      if (newest !== undefined) newest.isHalfMade = true;
    },
    setFailing: (failing) => {
      state.failing = failing;
    },
    setLog: (pod, text) => void state.logs.set(pod, text),
  };
}

function takeFault(state: State, method: string, path: string): Fault | undefined {
  const fault = state.faults.find(
    (each) =>
      each.left > 0 && (each.method ?? method) === method && (each.path === undefined || path.includes(each.path)),
  );
  if (fault !== undefined) fault.left--;
  return fault;
}

async function answerRequest(state: State, incoming: Request): Promise<Response> {
  const url = new URL(incoming.url);
  const seen = { method: incoming.method, path: url.pathname, query: url.search.slice(1), headers: incoming.headers };
  state.requests.push(seen);
  const fault = takeFault(state, seen.method, seen.path);
  if (fault === undefined) return await route(state, incoming, url);
  const proper = await act(state, fault, incoming, url);
  if (typeof fault.answer === "function") return fault.answer();
  if (fault.answer === "hang") return await new Promise(() => {}); // ends when the client gives up
  if (fault.answer === "cut") return await cut(proper);
  if (fault.answer === "last") return proper ?? plain(500, "nothing was done");
  return new Response(
    new ReadableStream({
      pull: (controller) => controller.error(),
    }),
  );
}

async function handleAlone(state: State, incoming: Request): Promise<Response> {
  const url = new URL(incoming.url);
  const seen = { method: incoming.method, path: url.pathname, query: url.search.slice(1), headers: incoming.headers };
  if (!state.listening) throw network("ECONNREFUSED");
  state.requests.push(seen);
  const fault = takeFault(state, seen.method, seen.path);
  if (fault === undefined) return await route(state, incoming, url);
  const proper = await act(state, fault, incoming, url);
  if (typeof fault.answer === "function") return fault.answer();
  if (fault.answer === "cut") return await cut(proper);
  if (fault.answer === "last") return proper ?? plain(500, "nothing was done");
  throw network("ECONNRESET");
}

async function act(state: State, fault: Fault, incoming: Request, url: URL): Promise<Response | undefined> {
  if (!fault.acted) return undefined;
  const again = fault.acted === "twice" ? (incoming.clone() as Request) : undefined;
  const first = await route(state, incoming, url);
  return again === undefined ? first : await route(state, again, url);
}

function network(code: string): Error {
  return Object.assign(new TypeError("network"), { code });
}

async function cut(proper: Response | undefined): Promise<Response> {
  const text = (await proper?.text()) ?? '{"run":{"id":"x","name":"of a run"}}';
  return reply(200, text.slice(0, Math.max(24, Math.floor(text.length / 2))));
}

async function route(state: State, incoming: Request, url: URL): Promise<Response> {
  const token = state.options.token?.();
  if (token !== undefined && incoming.headers.get("authorization") !== `Bearer ${token}`) {
    const message = "Request header error: there is no user identity header.";
    const body = { ...(state.version.isStrict ? {} : { error: message }), code: 16, message, details: [] };
    return reply(401, JSON.stringify(body));
  }
  const base = state.options.base ?? "";
  if (url.pathname !== base && !url.pathname.startsWith(`${base}/`)) return plain(404, "404 page not found\n");
  const path = url.pathname.slice(base.length);
  if (path.includes("//")) return new Response(null, { status: 301, headers: { location: path.replace(/\/+/g, "/") } });
  const isUi = state.options.front === "ui";
  if (isUi && path === "/k8s/pod/logs") return podLog(state, url.searchParams.get("podname") ?? "");
  if (!path.startsWith("/apis/")) return isUi ? page() : plain(404, "404 page not found\n");
  if (isUi && path.endsWith("/healthz")) {
    return path.includes("v2beta1") && !state.version.hasV2 ? page() : uiHealth(state);
  }
  const context: Context = {
    state,
    method: incoming.method,
    path: decodeURIComponent(path), // before matching: an encoded slash is a slash
    query: url.searchParams,
    asked: { path, query: url.search.slice(1), body: "" },
    incoming,
  };
  if (path.startsWith("/apis/v1alpha1/")) return isUi ? page() : await alphaLog(context);
  const found = path.startsWith("/apis/v2beta1/")
    ? state.version.hasV2
      ? await handleV2(context)
      : undefined
    : await handleV1(context);
  if (found !== undefined) return found;
  return state.version.isStrict ? refuse(context, "route.unknown-under-apis") : plain(404, "Not Found\n");
}

function page(): Response {
  return reply(200, "<!doctype html><html><title>Kubeflow Pipelines</title></html>", "text/html");
}

function uiHealth(state: State): Response {
  const { commit, tag, isStrict } = state.version;
  return reply(
    200,
    JSON.stringify({
      apiServerCommitHash: commit,
      apiServerTagName: tag,
      apiServerMultiUser: state.options.multiUser ?? false,
      multi_user: state.options.multiUser ?? false,
      apiServerReady: true,
      frontendCommitHash: commit,
      frontendTagName: tag,
      ...(isStrict ? { pipelineStore: "database" } : {}),
    }),
  );
}

function podLog(state: State, pod: string): Response {
  const text = state.logs.get(pod);
  return text === undefined ? plain(500, "Could not get main container logs: Error: no such pod") : plain(200, text);
}

async function alphaLog(context: Context): Promise<Response> {
  const [, run = "", pod = ""] = /^\/apis\/v1alpha1\/runs\/([^/]+)\/nodes\/([^/]+)\/log$/.exec(context.path) ?? [];
  const text = context.state.logs.get(pod);
  if (text !== undefined) return plain(200, text);
  const isKnown = context.state.runs.some((each) => each.id === run);
  return refuse(context, isKnown ? "log.v1alpha1.no-pod" : "log.v1alpha1.unknown-run");
}
