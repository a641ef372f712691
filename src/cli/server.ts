/**
 * Command line and configuration → a connected server.
 */
import { connect, type Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { KfkError } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import { parseDuration } from "./options.ts";
import type { Call } from "./verb.ts";

/** Connects to the host that option, environment or kubeflow.yaml name. Errors: SERVER_*, CONFIG_*, HOOK_* of the hook auth. */
export async function connectServer(
  call: Call,
  kubeflow: KubeflowConfig | undefined,
  hooks?: ProjectHooks,
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
    return await connect(plan.world, {
      host,
      ui: kubeflow?.ui ?? nonEmpty(call.world.env["KF_PIPELINES_UI_ENDPOINT"]),
      namespace,
      login: plan.login,
      signal: call.stop,
      ...(timeout === undefined ? {} : limits(parseDuration("request-timeout", timeout))),
      version: call.version,
    });
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
  if (!kubeflow?.host) throw noHost();
  return { typed: kubeflow.host, isProjects: true, from: "kubeflow.yaml" };
}

/** The host that the option or the environment names; an empty variable names none. */
export function namedHost({ world, options }: Call): string | undefined {
  const names = [options.text("host"), world.env["KFK_HOST"], world.env["KF_PIPELINES_ENDPOINT"]];
  return names.find((name) => name !== undefined && name !== "");
}

// --- internal ---

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** All attempts of one request together may take twice what one may. */
function limits(timeoutMs: number): { requestTimeoutMs: number; budgetMs: number } {
  return { requestTimeoutMs: timeoutMs, budgetMs: 2 * timeoutMs };
}

function noHost(): KfkError {
  return new KfkError("SERVER_HOST", "which Kubeflow Pipelines? nothing names a host", {
    hint: "use --host URL, set KFK_HOST, or write host: in conf/base/kubeflow.yaml",
  });
}
