/**
 * As far as one gets towards the server, each step with what came of it: host → login → answer of the API → identity.
 * For the verbs that explain; nothing is created. Errors become part of the answer.
 */
import type { ChainState } from "../cluster/auth.ts";
import { isNowhere } from "../cluster/answer.ts";
import type { Gate } from "../cluster/gate.ts";
import { failedRequest, request, type Result } from "../cluster/request.ts";
import { connect, type Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, isStop, type KfkError } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import { suspectedSecrets } from "../secrets.ts";
import { showHost } from "../cluster/host.ts";
import { lookAround } from "./around.ts";
import { findNamespace, planLogin } from "./login.ts";
import { findHost, type FoundHost } from "./server.ts";
import type { Call } from "./verb.ts";

export interface Reach {
  readonly host: FoundHost;
  /** The server as it may be shown: its origin, or what was typed, without a login in it. */
  readonly shown: string;
  readonly origin: string | null;
  readonly login: ChainState | null;
  /** What stands before the API, as its answer shows. */
  readonly gate: Gate | null;
  readonly server: Server | null;
  /** True when the server let us list something, which it does only for somebody it knows. */
  readonly isKnown: boolean;
  /** What ended the way; null when all of it was gone. */
  readonly error: KfkError | null;
}

/** Goes the whole way, or to where it ends. Errors: SERVER_HOST when nothing names a host. */
export async function reachServer(call: Call, around: Around): Promise<Reach> {
  const { kubeflow, hooks } = around;
  const host = findHost(call, kubeflow);
  const namespace = findNamespace(call);
  let plan: Awaited<ReturnType<typeof planLogin>> | undefined;
  let server: Server | null = null;
  try {
    const { typed, isProjects } = host;
    plan = await planLogin(call, { host: typed, isProjects, namespace: namespace ?? null, kubeflow, hooks });
    const { login, world } = plan;
    const to = { host: plan.host, namespace: namespace ?? plan.namespace };
    server = await connect(world, { ...to, login, version: call.version, budgetMs: BUDGET_MS });
    const result = await askWho(server);
    if (result.answer.kind !== "ok") throw failedRequest(result);
    return { ...ended(host, plan), server, isKnown: true, error: null };
  } catch (thrown) {
    const error = plan === undefined ? thrown : plan.explain(thrown);
    if (!isKfkError(error) || isStop(error)) throw error;
    return { ...ended(host, plan), server, isKnown: false, error };
  }
}

export interface Around {
  readonly kubeflow: KubeflowConfig | undefined;
  readonly hooks: ProjectHooks | undefined;
  /** Null: no project here. */
  readonly project: { readonly root: string; readonly name: string; readonly kedroVersion: string } | null;
  /** What is wrong with the project that is here. */
  readonly error: KfkError | null;
}

/** The project around, where there is one; what is wrong with it is part of the answer. Errors: HOOK_*. */
export async function openAround(call: Call): Promise<Around> {
  // what is wrong with a project is shown on stdout, and its text can hold values of the environment
  for (const secret of suspectedSecrets(call.world.env)) call.hide(secret);
  const { kubeflow, hooks, read, error } = await lookAround(call);
  const project = read && {
    root: read.facts.root,
    name: read.facts.name,
    kedroVersion: read.model.project.kedroVersion,
  };
  return { kubeflow, hooks, project: project ?? null, error: error?.code === "CONFIG_MISSING" ? null : error };
}

// --- internal ---

/** One try of half a minute is enough for somebody who looks on. */
const BUDGET_MS = 5000;

/** A list, which a server for many users gives only to somebody it knows. */
async function askWho(server: Server): Promise<Result> {
  const { namespace } = server;
  const ask = { method: "GET", repeat: "always" } as const;
  const page = { page_size: "1" };
  const newer = { ...page, ...(namespace === null ? {} : { namespace }) };
  const result = await request(server, { ...ask, path: "/apis/v2beta1/experiments", query: newer });
  if (!isNowhere(result.answer)) return result;
  const older =
    namespace === null
      ? page
      : { ...page, "resource_reference_key.type": "NAMESPACE", "resource_reference_key.id": namespace };
  return await request(server, { ...ask, path: "/apis/v1beta1/experiments", query: older });
}

function ended(host: FoundHost, plan: Awaited<ReturnType<typeof planLogin>> | undefined) {
  return {
    host,
    shown: plan?.origin ?? showHost(host.typed),
    origin: plan?.origin ?? null,
    login: plan?.chain.state() ?? null,
    gate: plan?.gate() ?? null,
  };
}
