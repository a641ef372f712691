/**
 * A host that kubeconfig leads to → a URL, a world whose requests go that way, and the login that belongs to it.
 *
 * `service-proxy://` becomes the API server's own proxy, which gets the kubeconfig's credential and keeps it for itself:
 * Kubeflow Pipelines then sees nobody, which a server for one user does not mind. `port-forward://` carries any other
 * login through to the server. A pasted address of a service proxy gets CA and credential of the kubeconfig when the
 * chosen context is of that API server; else it is an address like any other.
 */
import type { AuthContext, AuthProvider } from "../../hooks/contract.ts";
import { isAuthFailure } from "../../hooks/auth/failure.ts";
import { type KubeCluster, readKube } from "../../hooks/auth/kube-file.ts";
import { kubeLogin } from "../../hooks/auth/kube-login.ts";
import type { Chain } from "../cluster/auth.ts";
import { type KubeHost, parseKubeHost } from "../cluster/host.ts";
import { KfkError } from "../error.ts";
import type { World } from "../world.ts";
import type { Call } from "./verb.ts";

export interface KubeWay {
  readonly host: string;
  readonly world: World;
  /** Ways to log in that belong to it, asked before the others; with `isOnly` instead of them. */
  readonly providers: readonly AuthProvider[];
  readonly isOnly: boolean;
  readonly namespace: string | undefined;
  /** Base of links; undefined: the host's own. */
  readonly ui: string | undefined;
}

/**
 * Opens the way; undefined where kubeconfig has nothing to do with the host. `chainOf`: a login at the API server alone.
 * Errors: SERVER_HOST, SERVER_LOGIN, SERVER_TOKEN_FILE, SERVER_UNREACHABLE, SERVER_ERROR.
 */
export async function openKubeWay(
  call: Call,
  typed: string,
  context: AuthContext,
  chainOf: (origin: string, provider: AuthProvider) => Chain,
): Promise<KubeWay | undefined> {
  const wanted = context.env("KFK_KUBE_CONTEXT") || undefined;
  const host = parseKubeHost(typed);
  if (host === undefined) return await openPasted(call, typed, context, wanted);
  const cluster = await readCluster(context, wanted);
  const { api, namespace } = cluster;
  if (host.way === "service-proxy") refuseOtherWay(context, "service-proxy://");
  const provider = ofCluster(cluster, context);
  const ui = "http://localhost:8080";
  call.say(
    `by the context ${cluster.context} of kubeconfig; links open while this runs: kubectl port-forward -n ${host.namespace} svc/ml-pipeline-ui 8080:80`,
  );
  if (host.way === "service-proxy") {
    const url = api + proxyPath(host);
    return { host: url, world: carrying(call.world, cluster), providers: [provider], isOnly: true, namespace, ui };
  }
  const { openForward } = await import("../cluster/port-forward.ts");
  const chain = chainOf(new URL(api).origin, provider);
  const forward = await openForward({ world: call.world, cluster, chain }, host);
  call.atEnd(async () => forward.close());
  const world = { ...call.world, fetch: forward.fetch };
  return { host: forward.origin, world, providers: [], isOnly: false, namespace, ui };
}

// --- internal ---

async function openPasted(
  call: Call,
  typed: string,
  context: AuthContext,
  wanted: string | undefined,
): Promise<KubeWay | undefined> {
  let cluster: KubeCluster;
  try {
    cluster = await readKube(context, wanted);
  } catch (error) {
    if (wanted === undefined && isAuthFailure(error)) return undefined; // it may have nothing to do with this host
    throw asKfkError(error);
  }
  const text = typed.trim();
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${new URL(cluster.api).protocol}//${text}`;
  // as it is sent: dots must not lead the credential to another part of the API
  const host = URL.canParse(address) ? new URL(address).href : address;
  if (!isServiceProxy(host, cluster.api)) return undefined;
  refuseOtherWay(context, "the address of a service proxy");
  const providers = [ofCluster(cluster, context)];
  const { namespace } = cluster;
  return { host, world: carrying(call.world, cluster), providers, isOnly: true, namespace, ui: undefined };
}

async function readCluster(context: AuthContext, wanted: string | undefined): Promise<KubeCluster> {
  try {
    return await readKube(context, wanted);
  } catch (error) {
    throw asKfkError(error);
  }
}

function asKfkError(error: unknown): unknown {
  if (!isAuthFailure(error)) return error;
  const code = error.kind === "file" ? "SERVER_TOKEN_FILE" : "SERVER_LOGIN";
  return new KfkError(code, error.message, { hint: error.hint });
}

function ofCluster(cluster: KubeCluster, context: AuthContext): AuthProvider {
  return {
    name: "kubeconfig",
    title: "the user of kubeconfig, at its own API server",
    settings: [],
    applies: () => ({ how: "ambient", because: `the context ${cluster.context} of kubeconfig` }),
    login: async () => await kubeLogin(cluster, context),
  };
}

function isServiceProxy(address: string, api: string): boolean {
  const base = new URL(api).href.replace(/\/+$/, "");
  return (
    address.startsWith(`${base}/`) &&
    /^\/api\/v1\/namespaces\/[^/?#]+\/services\/[^/?#]+\/proxy(\/|$)/.test(address.slice(base.length))
  );
}

/** The API server takes the kubeconfig's login alone: another that the person asks for is never left out in silence. */
function refuseOtherWay(context: AuthContext, host: string): void {
  const named = (context.env("KFK_AUTH") ?? "").trim();
  if (named === "" || named === "kubeconfig") return;
  throw new KfkError("SERVER_LOGIN", `KFK_AUTH=${named} has no say where ${host} logs in by kubeconfig`, {
    hint: "unset KFK_AUTH, or use port-forward://, which carries any login",
  });
}

/** By the name of the port, as kfp's own client has it; a number is one too. */
function proxyPath({ namespace, service, port = "http" }: KubeHost): string {
  return `/api/v1/namespaces/${namespace}/services/${service}:${port}/proxy`;
}

/** What goes to the API server trusts its CA, whatever else is named, and takes its proxy. */
function carrying(world: World, { api, tls, proxy }: KubeCluster): World {
  const { origin } = new URL(api);
  return {
    ...world,
    fetch: async (url, init) => {
      if (!url.startsWith(`${origin}/`)) return await world.fetch(url, init);
      const own = (init as { readonly tls?: Readonly<Record<string, unknown>> }).tls;
      const both = { ...own, ...tls };
      return await world.fetch(url, {
        ...init,
        ...(Object.keys(both).length === 0 ? {} : { tls: both }),
        ...(proxy === undefined ? {} : { proxy }),
      } as RequestInit);
    },
  };
}
