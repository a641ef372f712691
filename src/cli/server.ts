/**
 * Command line and configuration → a connected server.
 */
import { connect, type Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { KfkError, type Warning } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import { secretVariablesIn } from "../secrets.ts";
import { parseDuration } from "./options.ts";
import type { Call } from "./verb.ts";

/**
 * Connects to the host that option, environment or kubeflow.yaml name. `assumedNamespace`: where nobody names one. Errors: SERVER_*, CONFIG_*, HOOK_* of the hook auth.
 */
export async function connectServer(
  call: Call,
  kubeflow: KubeflowConfig | undefined,
  hooks?: ProjectHooks,
  assumedNamespace?: string,
): Promise<Server> {
  const { options } = call;
  const { typed: host, isProjects } = findHost(call, kubeflow);
  const timeout = options.text("request-timeout");
  const { findNamespace, planLogin } = await import("./login.ts");
  const namespace = findNamespace(call);
  const plan = await planLogin(call, {
    host,
    isProjects,
    namespace: namespace ?? null,
    kubeflow,
    hooks,
  });
  try {
    const server = await connect(plan.world, {
      host: plan.host,
      ui: kubeflow?.ui ?? nonEmpty(call.world.env["KF_PIPELINES_UI_ENDPOINT"]) ?? plan.ui,
      namespace: namespace ?? plan.namespace ?? assumedNamespace,
      login: plan.login,
      signal: call.stop,
      tell: call.say,
      ...(timeout === undefined ? { absentMs: absentMs(call) } : limits(parseDuration("request-timeout", timeout))),
      version: call.version,
    });
    const given = nonEmpty(options.text("namespace"));
    if (given !== undefined && server.namespace === null) call.warn([unusedNamespace(given)]);
    return server;
  } catch (error) {
    throw plan.explain(error);
  }
}

export interface FoundHost {
  /** As written. */
  readonly typed: string;
  /** True: only the project's files name it. */
  readonly isProjects: boolean;
  /** What names it. */
  readonly from: string;
}

/** The host that option, environment or kubeflow.yaml name, in this order. Errors: SERVER_HOST. */
export function findHost({ world, options }: Call, kubeflow: KubeflowConfig | undefined): FoundHost {
  const option = nonEmpty(options.text("host"));
  if (option !== undefined) return { typed: option, isProjects: false, from: "--host" };
  for (const from of ["KFK_HOST", "KF_PIPELINES_ENDPOINT"]) {
    const typed = nonEmpty(world.env[from]);
    if (typed !== undefined) return { typed, isProjects: false, from };
  }
  if (kubeflow?.host) {
    const [secret] = secretVariablesIn(world.env, kubeflow.host);
    if (secret !== undefined) throw secretInHost(secret);
    return { typed: kubeflow.host, isProjects: true, from: "kubeflow.yaml" };
  }
  const inside = serviceOfPod(world.env);
  if (inside === undefined) throw noHost();
  return { typed: inside, isProjects: false, from: "ML_PIPELINE_SERVICE_HOST" };
}

/** The host that the option or the environment names; an empty variable names none. */
export function namedHost({ world, options }: Call): string | undefined {
  const names = [options.text("host"), world.env["KFK_HOST"], world.env["KF_PIPELINES_ENDPOINT"]];
  return names.find((name) => name !== undefined && name !== "");
}

// --- internal ---

/**
 * What Kubernetes tells a pod of the service ml-pipeline in its own namespace. By name, as the address is no sign of
 * whose it is; a name that somebody has set stays. Source: Kubernetes documentation, "Environment variables" of services.
 */
function serviceOfPod(env: Call["world"]["env"]): string | undefined {
  const host = nonEmpty(env["ML_PIPELINE_SERVICE_HOST"]);
  if (host === undefined) return undefined;
  const port = nonEmpty(env["ML_PIPELINE_SERVICE_PORT_HTTP"]) ?? nonEmpty(env["ML_PIPELINE_SERVICE_PORT"]) ?? "8888";
  return `http://${/^[\d.]+$|:/.test(host) ? "ml-pipeline" : host}:${port}`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** All attempts of one request together may take twice what one may. */
function limits(timeoutMs: number): { requestTimeoutMs: number; budgetMs: number } {
  return { requestTimeoutMs: timeoutMs, budgetMs: 2 * timeoutMs };
}

/**
 * A server that may be starting is waited for, a name that is not there is mistyped; and who only reads is better told
 * soon. `--request-timeout` sets another time for all of it.
 */
function absentMs({ verb, positionals, options }: Call): { readonly name: number; readonly port: number } {
  const isSchedule = verb === "schedule" && ["list", "next"].includes(positionals[0] ?? "");
  const isReading = ["status", "list-runs", "list-pipelines", "ui"].includes(verb) || isSchedule;
  const isShort = isReading || (verb === "logs" && options.flag("follow") !== true);
  return { name: NO_NAME_MS, port: isShort ? READING_MS : Infinity };
}

const NO_NAME_MS = 5000;
const READING_MS = 10_000;

/** Whoever answers at the address, and the name servers on the way, would read it. */
function secretInHost(name: string): KfkError {
  return new KfkError("SERVER_HOST", `host: of kubeflow.yaml holds the value of ${name}, which looks like a secret`, {
    hint: "write the address without it; what logs in comes from auth: and the environment",
  });
}

function unusedNamespace(name: string): Warning {
  return { message: `--namespace ${name} is not used: this server is for one user and has a single namespace` };
}

function noHost(): KfkError {
  return new KfkError("SERVER_HOST", "which Kubeflow Pipelines? nothing names a host", {
    hint: "use --host URL, set KFK_HOST, or write host: in conf/base/kubeflow.yaml",
  });
}
