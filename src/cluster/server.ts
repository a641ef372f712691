/**
 * A KFP server that answered: `--host` and a login → where its API is and what it can do. Comes before everything
 * else, so that a wrong host, a login page or a refused token ends here, with nothing created.
 *
 * Capabilities are probed, not read from the version text, which vendors set as they like (reference/kfp-api.md 2.1):
 * v2beta1 health in JSON → 2.0 or newer, which keeps the run id that a client sends (recordings 1.8.22 to 2.17.0); a
 * pipeline store named there → 2.14 or newer, which refuses fields that it does not know. One request finds all of it;
 * only servers before 2.0 need a second one.
 */
import * as v from "valibot";
import { healthSchema } from "../../schemas/kfp-api.ts";
import { KfkError } from "../error.ts";
import { oneLine } from "../terminal-text.ts";
import type { World } from "../world.ts";
import { absentBy, type Answer, isMissing, isNowhere } from "./answer.ts";
import { buildLink, type LinkTarget, parseHost } from "./host.ts";
import { type Ask, failedRequest, type Link, type LoginHeaders, request, type Result } from "./request.ts";

export interface ConnectOptions {
  /** As typed by a person. */
  readonly host: string;
  /** Base of the links that are shown; absent: the host itself. */
  readonly ui?: string | undefined;
  /** Namespace of the user on a server for many; ignored by a server for one. */
  readonly namespace?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Another way to log in, asked with scheme, name and port; it goes before the token file. */
  readonly login?: ((origin: string, again: boolean) => Promise<LoginHeaders | undefined>) | undefined;
  /** Longest wait for one attempt; default 30 s. */
  readonly requestTimeoutMs?: number | undefined;
  /** Longest time for all attempts of one request; default 60 s. */
  readonly budgetMs?: number | undefined;
  /** How long a server that nobody has seen yet is asked for while its name or port is not there; default: all of it. */
  readonly absentMs?: { readonly name: number; readonly port: number } | undefined;
  /** Gives up every request to the server that is found. */
  readonly signal?: AbortSignal | undefined;
  /** Says once why the server is being asked again. */
  readonly tell?: ((message: string) => void) | undefined;
  /** Of kfk, for the user agent. */
  readonly version?: string | undefined;
}

export interface Server extends Link {
  /** Base of links, without a slash at the end. */
  readonly ui: string;
  /** What the server says it is; null when it says nothing. */
  readonly version: string | null;
  /** True when it keeps the run id of a client. */
  readonly keepsRunId: boolean;
  /** True when it refuses JSON fields that it does not know (2.14 and newer). */
  readonly isStrict: boolean;
  /** Where it keeps pipelines; a Kubernetes store takes no Argo documents. */
  readonly store: "database" | "kubernetes";
  /** True when a UI server stands before the API: logs of pods are then read through it. */
  readonly isUi: boolean;
  /** Namespace to name in requests; null on a server for one user, which wants none. */
  readonly namespace: string | null;
}

/**
 * Finds the API behind a host and asks what it is.
 *
 * Errors: SERVER_HOST, SERVER_TOKEN_FILE, SERVER_UNREACHABLE, SERVER_LOGIN, SERVER_GATE, SERVER_ERROR, SERVER_ANSWER;
 * SERVER_REFUSED when the server is for many users and no namespace was given.
 */
export async function connect(world: World, options: ConnectOptions): Promise<Server> {
  const host = parseHost(options.host);
  const { login } = options;
  const linkAt = (base: string): Link => ({
    world,
    origin: host.origin,
    base,
    tokenFile: options.tokenFile ?? null,
    ...(login ? { login: (again: boolean) => login(host.origin, again) } : {}),
    attemptMs: options.requestTimeoutMs ?? 30_000,
    budgetMs: options.budgetMs ?? BUDGET_MS,
    userAgent: options.version === undefined ? "kfk" : `kfk/${options.version}`,
    signal: options.signal,
  });
  const budgetFor = (answer: Answer): number => {
    const by = absentBy(answer);
    const budgetMs = options.budgetMs ?? BUDGET_MS;
    return by === undefined ? budgetMs : Math.min(budgetMs, options.absentMs?.[by] ?? budgetMs);
  };
  const how: HowToAsk = { budgetFor, onRepeat: tellOnce(options, budgetFor) };
  let first: Result | undefined;
  for (const base of host.bases) {
    const link = linkAt(base);
    const newer = await askReady(link, "v2beta1", how);
    const health = readHealth(newer);
    if (health !== undefined) return describeServer(link, health, true, options);
    // a server of before 2.0 has no such route; its UI answers with a page
    if (!isElsewhere(newer)) throw failedRequest(newer);
    const result = await askReady(link, "v1beta1", how);
    const older = readHealth(result);
    if (older !== undefined) return describeServer(link, older, await isNewerAllTheSame(link, older), options);
    first ??= result;
    // elsewhere on this host only when this place is plainly not the API
    if (!isElsewhere(result)) break;
  }
  if (first === undefined) throw new Error("a host has at least one base");
  throw first.answer.kind === "ok" || isNowhere(first.answer) ? notKfp(first) : failedRequest(first);
}

/** Address of a page of the server's UI. */
export function linkTo(server: Server, target: LinkTarget): string {
  return buildLink(server.ui, target);
}

// --- internal ---

type Health = v.InferOutput<typeof healthSchema>;

type HowToAsk = Required<Pick<Ask, "budgetFor" | "onRepeat">>;

/** A command that says nothing for a minute looks as if it hung. */
function tellOnce({ tell }: ConnectOptions, budgetFor: (answer: Answer) => number): HowToAsk["onRepeat"] {
  if (tell === undefined) return undefined;
  let isTold = false;
  return (result) => {
    if (!isTold)
      tell(`${failedRequest(result).message}; trying for up to ${Math.round(budgetFor(result.answer) / 1000)} s`);
    isTold = true;
  };
}

async function askHealth(link: Link, api: "v1beta1" | "v2beta1", how: HowToAsk): Promise<Result> {
  return await request(link, { method: "GET", path: `/apis/${api}/healthz`, repeat: "always", ...how });
}

/** A UI whose API server is starting again says so: asked until it is there, for as long as any request may take. */
async function askReady(link: Link, api: "v1beta1" | "v2beta1", how: HowToAsk): Promise<Result> {
  const { clock } = link.world;
  const startedMs = clock.monotonicMs();
  for (;;) {
    const result = await askHealth(link, api, how);
    const isReady = readHealth(result)?.apiServerReady !== false;
    if (isReady || link.signal?.aborted || clock.monotonicMs() - startedMs + READY_PAUSE_MS >= link.budgetMs) {
      return result;
    }
    await clock.sleep(READY_PAUSE_MS, link.signal);
  }
}

const READY_PAUSE_MS = 2000;
const BUDGET_MS = 60_000;

/** Undefined for whatever is no answer of KFP; an empty object could be anybody's. */
function readHealth(result: Result): Health | undefined {
  if (result.answer.kind !== "ok") return undefined;
  const parsed = v.safeParse(healthSchema, result.answer.json);
  if (!parsed.success) return undefined;
  const { tag_name, commit_sha, apiServerTagName, apiServerReady, frontendTagName } = parsed.output;
  const known = [tag_name, commit_sha, apiServerTagName, frontendTagName].some((each) => each !== null);
  if (!known && apiServerReady === undefined) return undefined;
  const shown = (text: string | null): string | null => (text === null ? null : oneLine(text));
  return { ...parsed.output, tag_name: shown(tag_name), apiServerTagName: shown(apiServerTagName) };
}

/**
 * A server whose v1beta1 health alone answers: of before 2.0, or a newer one of which something on the way lets a part
 * through. Its version decides where it can be read; else v2beta1 is asked for something else. Taking a newer server
 * for an old one would send names in the wrong form. Errors: SERVER_GATE when it stays open.
 */
async function isNewerAllTheSame(link: Link, health: Health): Promise<boolean> {
  const version = health.tag_name ?? health.apiServerTagName ?? "";
  const major = /^v?(\d{1,3})\.\d+/.exec(version)?.[1];
  const isSaidNewer =
    (major !== undefined && Number(major) >= 2) || (health.pipeline_store ?? health.pipelineStore) !== null;
  if (major !== undefined && !isSaidNewer) return false;
  const path = "/apis/v2beta1/experiments";
  const { answer } = await request(link, { method: "GET", path, query: { page_size: "1" }, repeat: "always" });
  // a page or a server for many users that wants to know more: its own words either way
  if (answer.kind === "ok" && typeof answer.json === "object") return true;
  if ("said" in answer && answer.said) return true;
  if ("code" in answer && answer.code !== null && !isMissing(answer)) return true;
  if (!isSaidNewer && "status" in answer && answer.status === 404) return false;
  throw new KfkError(
    "SERVER_GATE",
    `${link.origin}${link.base} is Kubeflow Pipelines ${version === "" ? "of an unknown version" : version}, and ` +
      "/apis/v2beta1 does not answer there: something on the way lets only v1beta1 through",
    { hint: "let /apis/v2beta1 through as well, or use the address of its UI" },
  );
}

function isElsewhere(result: Result): boolean {
  const { answer } = result;
  if (answer.kind === "ok" || isNowhere(answer)) return true;
  return answer.kind === "gate" && (answer.status < 300 || answer.status >= 400);
}

function describeServer(link: Link, health: Health, isNewer: boolean, options: ConnectOptions): Server {
  if (health.apiServerReady === false) throw notReady(link);
  const store = health.pipeline_store ?? health.pipelineStore;
  const multiUser = health.multi_user || health.apiServerMultiUser;
  if (multiUser && !options.namespace) throw noNamespace();
  return {
    ...link,
    isLoginKnown: true,
    ui: (options.ui ?? link.origin + link.base).replace(/\/+$/, ""),
    version: health.tag_name ?? health.apiServerTagName,
    keepsRunId: isNewer,
    isStrict: store !== null,
    store: store === "kubernetes" ? "kubernetes" : "database",
    isUi: health.frontendTagName !== null || health.apiServerReady !== undefined || health.apiServerTagName !== null,
    namespace: multiUser ? (options.namespace ?? null) : null,
  };
}

function notKfp(result: Result): KfkError {
  const { answer } = result;
  // what stands there may say why in JSON, as an API server does that knows no such service
  const said = answer.kind === "refused" && answer.code !== null && !isMissing(answer) ? ` (${answer.message})` : "";
  return new KfkError("SERVER_HOST", `${result.url} is not Kubeflow Pipelines: no API answers there${said}`, {
    hint: "give the address of its UI as the browser shows it, such as https://kubeflow.example.org/pipeline",
  });
}

function notReady(link: Link): KfkError {
  return new KfkError("SERVER_ERROR", `the UI at ${link.origin}${link.base} answers, but its API server does not`, {
    hint: "try again later; in the cluster, look at the deployment ml-pipeline",
  });
}

function noNamespace(): KfkError {
  return new KfkError("SERVER_REFUSED", "this server is for many users, and no namespace is given", {
    hint: "name yours with --namespace",
  });
}
