/**
 * Command line and configuration → a connected server.
 */
import { resolve } from "node:path";
import { connect, type Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { KfkError } from "../error.ts";
import { parseDuration } from "./options.ts";
import type { Call } from "./verb.ts";

/** Connects to the host that option, environment or kubeflow.yaml name. Errors: SERVER_*. */
export async function connectServer(call: Call, kubeflow: KubeflowConfig | undefined): Promise<Server> {
  const { world, options } = call;
  const host = options.text("host") ?? world.env["KFK_HOST"] ?? world.env["KF_PIPELINES_ENDPOINT"] ?? kubeflow?.host;
  if (host === undefined || host === null || host === "") throw noHost();
  const tokenFile = options.text("token-file");
  const timeout = options.text("request-timeout");
  return await connect(world, {
    host,
    ui: kubeflow?.ui ?? undefined,
    namespace: options.text("namespace"),
    tokenFile: tokenFile === undefined ? undefined : resolve(world.cwd, tokenFile),
    ...(timeout === undefined ? {} : limits(parseDuration("request-timeout", timeout))),
    version: call.version,
  });
}

// --- internal ---

/** All attempts of one request together may take twice what one may. */
function limits(timeoutMs: number): { requestTimeoutMs: number; budgetMs: number } {
  return { requestTimeoutMs: timeoutMs, budgetMs: 2 * timeoutMs };
}

function noHost(): KfkError {
  return new KfkError("SERVER_HOST", "which Kubeflow Pipelines? nothing names a host", {
    hint: "use --host URL, set KFK_HOST, or write host: in conf/base/kubeflow.yaml",
  });
}
