/**
 * Questions to a Kubernetes API server with a person's kubeconfig: the credential of its user, the CA, the proxy of the
 * cluster. What it answers is turned into kfk's own errors; a credential that is refused is renewed once.
 * Source: Kubernetes API conventions, `Status`.
 */
import * as v from "valibot";
import type { KubeCluster } from "../../hooks/auth/kube-file.ts";
import { KfkError } from "../error.ts";
import { oneLine } from "../terminal-text.ts";
import type { World } from "../world.ts";
import { readFailure } from "./answer.ts";
import type { Chain } from "./auth.ts";

export interface KubeApi {
  readonly world: World;
  readonly cluster: KubeCluster;
  /** Logs in at the API server alone. */
  readonly chain: Chain;
}

/** What carries a request to the API server, for `fetch` and for WebSockets alike. */
export interface KubeCarrier {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Readonly<Record<string, string | readonly string[]>>;
  readonly proxy: string | undefined;
}

/** Errors: SERVER_LOGIN and what the login throws. */
export async function carrierOf({ chain, cluster }: KubeApi, again: boolean): Promise<KubeCarrier> {
  const login = await chain.login(again);
  const { keptBack } = chain.state();
  const [kept] = keptBack;
  if (kept !== undefined) {
    throw new KfkError("SERVER_LOGIN", `only the project names this host, so it does not get ${kept}`, {
      hint: `if it is yours: set KFK_TRUST_HOSTS=${new URL(cluster.api).host}, or give --host yourself`,
    });
  }
  return {
    headers: Object.fromEntries(Object.entries(login ?? {}).map(([name, secret]) => [name, secret.reveal()])),
    tls: { ...cluster.tls, ...chain.tls() },
    proxy: cluster.proxy,
  };
}

/** GET of a path; the JSON is checked. `what` begins messages: "the service ml-pipeline". Errors: SERVER_*. */
export async function askKube<S extends v.GenericSchema>(
  api: KubeApi,
  path: string,
  schema: S,
  what: string,
): Promise<v.InferOutput<S>> {
  let { status, text } = await send(api, path, false);
  if (status === 401) ({ status, text } = await send(api, path, true));
  if (status !== 200) throw refusedBy(api, status, text, what);
  const parsed = v.safeParse(schema, parse(text));
  if (parsed.success) return parsed.output;
  throw new KfkError("SERVER_ANSWER", `${hostOf(api)} does not answer as the Kubernetes API does for ${what}`, {
    hint: "check the server of the cluster in kubeconfig",
  });
}

/** The error for an answer that is no success. */
export function refusedBy(api: KubeApi, status: number, text: string, what: string): KfkError {
  const json = parse(text) as { kind?: unknown; message?: unknown } | undefined;
  const said =
    json?.kind === "Status" && typeof json.message === "string"
      ? shortLine(api.world, json.message)
      : `status ${status}`;
  const message = `the Kubernetes API at ${hostOf(api)} refuses ${what}: ${said}`;
  const { context } = api.cluster;
  if (status === 401)
    return new KfkError("SERVER_LOGIN", message, {
      hint: `get new credentials for the context "${context}" of kubeconfig`,
    });
  if (status === 403)
    return new KfkError("SERVER_LOGIN", message, {
      hint: "a role in that namespace must allow: get services, list pods, get and create pods/portforward",
    });
  if (status === 404)
    return new KfkError("SERVER_HOST", message, {
      hint: "name namespace and service as kubectl get services --all-namespaces shows them",
    });
  if (status >= 500 || status === 429) return new KfkError("SERVER_ERROR", message, { hint: "try again later" });
  return new KfkError("SERVER_HOST", message, { hint: "check the server of the cluster in kubeconfig" });
}

/** For messages. */
export function hostOf({ cluster }: KubeApi): string {
  return new URL(cluster.api).host;
}

/** What a server says: what is secret is taken out of it while it is whole. */
export function shortLine({ secrets }: World, text: string): string {
  return oneLine(secrets?.redact(text) ?? text).slice(0, 300);
}

// --- internal ---

const ATTEMPT_MS = 30_000;

async function send(api: KubeApi, path: string, again: boolean): Promise<{ status: number; text: string }> {
  const { headers, tls, proxy } = await carrierOf(api, again);
  const ended = new AbortController();
  const late = new AbortController();
  void api.world.clock.sleep(ATTEMPT_MS, ended.signal).then(() => {
    if (!ended.signal.aborted) late.abort(new DOMException("too late", "TimeoutError"));
  });
  try {
    const response = await api.world.fetch(api.cluster.api + path, {
      headers: { accept: "application/json", ...headers },
      redirect: "manual",
      signal: late.signal,
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
      ...(proxy === undefined ? {} : { proxy }),
    } as RequestInit);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw unreachable(api, error, late.signal.aborted);
  } finally {
    ended.abort();
  }
}

function unreachable(api: KubeApi, error: unknown, isLate: boolean): KfkError {
  const answer = readFailure(error, isLate ? ATTEMPT_MS : undefined);
  const message = "message" in answer ? answer.message : "no answer";
  return new KfkError("SERVER_UNREACHABLE", `cannot reach the Kubernetes API at ${hostOf(api)}: ${message}`, {
    hint: "check with kubectl get namespaces that kubeconfig leads to the cluster from here",
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a page, or a text
  }
}
