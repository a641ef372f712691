/**
 * The user of a kubeconfig → the login at its API server: token, token file, user name and password, client
 * certificate, or what an exec plugin gives; with the headers of impersonation. A token file goes before a token, as for
 * kubectl; one that is missing is an error, and never nobody's login.
 * Sources: client-go v0.37 `rest`, `plugin/pkg/client/auth/exec`; Kubernetes documentation, "client-go credential plugins".
 */
import type { AuthContext, Login } from "../contract.ts";
import { execInfo, readExecCredential } from "./exec.ts";
import { badFile, refused } from "./failure.ts";
import type { KubeCluster, KubeExec } from "./kube-file.ts";
import { filled } from "./token.ts";

/** Errors: failures of the kinds `file`, `refused` and `unreachable`. */
export async function kubeLogin(cluster: KubeCluster, context: AuthContext): Promise<Login> {
  const { user, info, context: name } = cluster;
  await checkCertificates(cluster);
  const tls = user.tls === undefined ? {} : { tls: user.tls };
  const bearer = (token: string): Login => ({
    headers: { ...user.headers, Authorization: `Bearer ${oneToken(token, name)}` },
    ...tls,
  });
  if (user.tokenFile !== undefined) {
    const text = filled(context.readText(user.tokenFile));
    if (text !== undefined) return { ...bearer(text), keep: false };
    if (user.token === undefined) {
      throw badFile(
        `the token file ${user.tokenFile} of kubeconfig is not there or empty`,
        "get the credentials of the cluster again, or correct tokenFile in kubeconfig",
      );
    }
  }
  if (user.token !== undefined) return bearer(user.token);
  if (user.basic !== undefined) {
    const pair = new TextEncoder().encode(`${user.basic.user}:${user.basic.password}`).toBase64();
    return { headers: { ...user.headers, Authorization: `Basic ${pair}` }, ...tls };
  }
  if (user.exec === undefined) return { headers: { ...user.headers }, ...tls };
  const login = await runPlugin(user.exec, info, context);
  await checkCertificates({ ...cluster, user: { ...user, tls: login.tls } });
  return { ...tls, ...login, headers: { ...user.headers, ...login.headers } };
}

// --- internal ---

/** TLS would fail at what cannot be read, and say nothing of a file. */
async function checkCertificates({ tls, user, context: name }: KubeCluster): Promise<void> {
  if (tls.ca === undefined && user.tls === undefined) return;
  const { areCertificates, describePair, findPairProblem } = await import("./pem.ts");
  const wrong = (what: string): Error =>
    badFile(`kubeconfig, context "${name}": ${what}`, "get the credentials of the cluster again");
  if (tls.ca !== undefined && !areCertificates(tls.ca))
    throw wrong("certificate-authority holds no certificate that can be read");
  const problem = user.tls && findPairProblem(user.tls.cert, user.tls.key);
  if (problem !== undefined) throw wrong(describePair(problem, PAIR));
}

const PAIR = { cert: "client-certificate", key: "client-key", of: "client-certificate" };

async function runPlugin(exec: KubeExec, info: KubeCluster["info"], context: AuthContext): Promise<Login> {
  const { command, env, apiVersion } = exec;
  const [program = ""] = command;
  const told = execInfo(exec.provideClusterInfo ? info : undefined, apiVersion);
  const { code, out } = await run(exec, { ...env, KUBERNETES_EXEC_INFO: told }, context);
  if (code !== 0) {
    const how = code === null ? "was ended by a signal" : `ended with status ${code}`;
    throw refused(`${program} of kubeconfig ${how}`, "kubectl get namespaces shows what is wrong");
  }
  return readExecCredential(out.trim(), program, context, apiVersion);
}

async function run(exec: KubeExec, env: Record<string, string>, context: AuthContext) {
  try {
    return await context.run(exec.command, env);
  } catch (error) {
    const hint = exec.installHint && context.redact(exec.installHint).replace(/\s+/g, " ").slice(0, 300);
    const isMissing = error instanceof Error && error.message.startsWith("there is no program ");
    if (hint === undefined || !isMissing) throw error;
    throw refused(error.message, hint);
  }
}

function oneToken(token: string, name: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw refused(`the token of the context "${name}" in kubeconfig is not one token`, "get the credentials again");
}
