/**
 * Command line and configuration → a connected server.
 */
import { resolve } from "node:path";
import type { LoginHeaders } from "../cluster/request.ts";
import { makeSecret } from "../cluster/secret.ts";
import { connect, type ConnectOptions, type Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, KfkError } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import { parseDuration } from "./options.ts";
import type { Call } from "./verb.ts";

/** Connects to the host that option, environment or kubeflow.yaml name. Errors: SERVER_*, HOOK_* of the hook auth. */
export async function connectServer(
  call: Call,
  kubeflow: KubeflowConfig | undefined,
  hooks?: ProjectHooks,
): Promise<Server> {
  const { world, options } = call;
  const host = namedHost(call) ?? kubeflow?.host;
  if (host === undefined || host === null || host === "") throw noHost();
  const tokenFile = options.text("token-file");
  const timeout = options.text("request-timeout");
  return await connect(world, {
    host,
    ui: kubeflow?.ui ?? undefined,
    namespace: options.text("namespace"),
    login: hooks?.has("auth") ? hookLogin(hooks, options.text("namespace") ?? null) : undefined,
    tokenFile: tokenFile === undefined ? undefined : resolve(world.cwd, tokenFile),
    ...(timeout === undefined ? {} : limits(parseDuration("request-timeout", timeout))),
    version: call.version,
  });
}

/** The host that the option or the environment names; an empty variable names none. */
export function namedHost({ world, options }: Call): string | undefined {
  const names = [options.text("host"), world.env["KFK_HOST"], world.env["KF_PIPELINES_ENDPOINT"]];
  return names.find((name) => name !== undefined && name !== "");
}

// --- internal ---

/** Headers of the hook `auth`, asked once, and again when the server does not take them any more. */
function hookLogin(hooks: ProjectHooks, namespace: string | null): NonNullable<ConnectOptions["login"]> {
  let known: { readonly headers: LoginHeaders | undefined } | undefined;
  return async (origin, again) => {
    if (known !== undefined && !again) return known.headers;
    try {
      const given = await hooks.auth({ origin, namespace });
      const secrets = given && Object.entries(given).map(([name, text]) => [name, makeSecret(text)] as const);
      known = { headers: secrets && Object.fromEntries(secrets) };
    } catch (error) {
      // later, what the server says of the old headers decides: a run may have been started with them
      if (known === undefined || !isKfkError(error)) throw error;
    }
    return known.headers;
  };
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
