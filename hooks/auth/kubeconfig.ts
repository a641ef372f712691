/**
 * A token for a service account, asked of the Kubernetes API with the person's kubeconfig (TokenRequest): audience
 * `pipelines.kubeflow.org` unless `audience` says otherwise, so that it opens Kubeflow and not Kubernetes. Service
 * account `default-editor` of the profile's namespace. Asked for by name: `auth: kubeconfig`.
 *
 * KUBECONFIG (a list; the first that has a name holds), else `~/.kube/config`. Understood: token, token file, client
 * certificate, user name and password, exec plugins. The kubeconfig's own credential goes to its API server only.
 * Sources: client-go `clientcmd`, Kubernetes API v1 TokenRequest.
 */
import * as v from "valibot";
import { kubeconfigSchema, tokenRequestSchema } from "../../schemas/kubeconfig.ts";
import type { AuthContext, AuthProvider, AuthRequest, Login } from "../contract.ts";
import { execInfo, readExecCredential } from "./exec.ts";
import { badFile, refused } from "./failure.ts";
import { askJson } from "./identity-provider.ts";
import { bearerLogin, holdTo } from "./jwt.ts";
import { filled, given } from "./token.ts";

export const kubeconfig: AuthProvider = {
  name: "kubeconfig",
  title: "token of a service account, through kubeconfig",
  settings: ["context", "service_account", "namespace", "audience"],
  applies: () => undefined,
  login: async (server, context) => {
    const { api, namespace: own, request } = await readCluster(context);
    const namespace = given(context, "namespace") ?? server.namespace ?? own;
    if (namespace === undefined)
      throw refused("the namespace of the service account is not known", "name it with --namespace");
    const account = given(context, "service_account") ?? "default-editor";
    const audience = given(context, "audience") ?? "pipelines.kubeflow.org";
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(account)}/token`;
    const answer = await askJson(
      context,
      api + path,
      {
        ...request,
        method: "POST",
        headers: { ...request.headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { audiences: [audience], expirationSeconds: 3600 },
        }),
      },
      `the Kubernetes API at ${new URL(api).host}`,
      `you need the right to create serviceaccounts/token for ${account} in ${namespace}`,
    );
    const parsed = v.safeParse(tokenRequestSchema, answer);
    if (!parsed.success) throw refused("the Kubernetes API gave no token", "check the server in kubeconfig");
    const endMs = Date.parse(parsed.output.status.expirationTimestamp ?? "");
    const login = bearerLogin(parsed.output.status.token, "the token of Kubernetes", context, {
      principal: `system:serviceaccount:${namespace}:${account}`,
      audience,
      ...(Number.isNaN(endMs) ? {} : { expiresAtMs: endMs }),
    });
    return holdTo(login, audience, "the token of Kubernetes");
  },
};

// --- internal ---

interface Cluster {
  /** Without a slash at the end. */
  readonly api: string;
  readonly namespace: string | undefined;
  /** Credential and trust for requests to it. */
  readonly request: AuthRequest;
}

type Kubeconfig = v.InferOutput<typeof kubeconfigSchema>;
type User = NonNullable<NonNullable<Kubeconfig["users"]>[number]["user"]>;

/** A part of a kubeconfig and the folder that its paths start from. */
interface Part<T> {
  readonly value: T;
  readonly folder: string;
}

async function readCluster(context: AuthContext): Promise<Cluster> {
  const files = await readFiles(context);
  const wanted = given(context, "context") ?? files.map(({ value }) => filled(value["current-context"])).find(Boolean);
  if (wanted === undefined) throw refused("kubeconfig names no current context", "kubectl config use-context NAME");
  const found = find(files, (each) => each.contexts, wanted, "context").value.context;
  const { value: cluster, folder } = find(files, (each) => each.clusters, found.cluster, "cluster");
  const { cluster: spec } = cluster;
  if (filled(spec["proxy-url"])) {
    throw refused(
      `the cluster "${found.cluster}" of kubeconfig is behind a proxy of its own`,
      "set HTTPS_PROXY instead of proxy-url",
    );
  }
  if (spec["insecure-skip-tls-verify"] === true) {
    throw refused(
      `the cluster "${found.cluster}" of kubeconfig turns the check of certificates off`,
      "give certificate-authority there instead of insecure-skip-tls-verify",
    );
  }
  const ca = pem(context, spec["certificate-authority-data"], spec["certificate-authority"], folder);
  const user = found.user ? find(files, (each) => each.users, found.user, "user") : undefined;
  const own = user?.value.user
    ? await readUser(context, { value: user.value.user, folder: user.folder }, spec.server)
    : undefined;
  return {
    api: spec.server.replace(/\/+$/, ""),
    namespace: filled(found.namespace),
    request: {
      ...(own === undefined ? {} : { headers: own.headers }),
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...own?.tls,
        ...(filled(spec["tls-server-name"]) ? { serverName: filled(spec["tls-server-name"]) as string } : {}),
      },
    },
  };
}

async function readFiles(context: AuthContext): Promise<readonly Part<Kubeconfig>[]> {
  const home = context.env("HOME") ?? context.env("USERPROFILE") ?? "";
  const list = (filled(context.env("KUBECONFIG")) ?? `${home}/.kube/config`).split(":").filter((each) => each !== "");
  const { parse } = await import("yaml");
  const files: Part<Kubeconfig>[] = [];
  for (const file of list) {
    const text = context.readText(file);
    if (text === undefined) continue; // as kubectl: a list may name files that are not there
    let data: unknown;
    try {
      data = parse(text, { maxAliasCount: 10, logLevel: "error" });
    } catch {
      throw badFile(`${file} is not YAML`, "kubectl config view");
    }
    const parsed = v.safeParse(kubeconfigSchema, data ?? {});
    if (!parsed.success) {
      const [issue] = parsed.issues;
      throw badFile(`${file}: ${v.getDotPath(issue) ?? "it"} is not as kubectl writes it`, "kubectl config view");
    }
    files.push({ value: parsed.output, folder: file.replace(/[^/]*$/, "") });
  }
  if (files.length === 0) throw badFile(`there is no kubeconfig: ${list.join(", ")}`, "set KUBECONFIG");
  return files;
}

function find<T extends { readonly name: string }>(
  files: readonly Part<Kubeconfig>[],
  list: (file: Kubeconfig) => readonly T[] | null | undefined,
  name: string,
  what: string,
): Part<T> {
  for (const { value, folder } of files) {
    const found = list(value)?.find((each) => each.name === name);
    if (found !== undefined) return { value: found, folder };
  }
  throw refused(`kubeconfig has no ${what} "${name}"`, "kubectl config get-contexts");
}

async function readUser(context: AuthContext, { value: user, folder }: Part<User>, server: string): Promise<Login> {
  const cert = pem(context, user["client-certificate-data"], user["client-certificate"], folder);
  const key = pem(context, user["client-key-data"], user["client-key"], folder);
  const tls = cert !== undefined && key !== undefined ? { tls: { cert, key } } : {};
  const tokenFile = filled(user.tokenFile);
  const token = tokenFile === undefined ? filled(user.token) : context.readText(absolute(tokenFile, folder))?.trim();
  if (token) return { headers: { authorization: `Bearer ${token}` }, ...tls };
  if (user.username && user.password) {
    const pair = new TextEncoder().encode(`${user.username}:${user.password}`).toBase64();
    return { headers: { authorization: `Basic ${pair}` }, ...tls };
  }
  if (user.exec) {
    const { command, args, env, apiVersion, provideClusterInfo } = user.exec;
    const program = command.includes("/") ? absolute(command, folder) : command;
    const info = execInfo(provideClusterInfo ? { server } : undefined, apiVersion ?? undefined);
    const own = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
    const { code, out } = await context.run([program, ...(args ?? [])], { ...own, KUBERNETES_EXEC_INFO: info });
    if (code !== 0) throw refused(`${command} ended with status ${code}`, "kubectl get namespaces shows what is wrong");
    return readExecCredential(out.trim(), command, context);
  }
  if (user["auth-provider"]) {
    throw refused(
      `the user of kubeconfig logs in by "${user["auth-provider"].name}", which kubectl itself gave up in 1.26`,
      "install gke-gcloud-auth-plugin or kubelogin, and get the credentials again",
    );
  }
  return { headers: {}, ...tls };
}

function pem(
  context: AuthContext,
  data: string | null | undefined,
  file: string | null | undefined,
  folder: string,
): string | undefined {
  if (filled(data) !== undefined) return new TextDecoder().decode(Uint8Array.fromBase64(filled(data) as string));
  if (filled(file) === undefined) return undefined;
  const path = absolute(filled(file) as string, folder);
  const text = context.readText(path);
  if (text === undefined) throw badFile(`kubeconfig names ${path}, which is not there`, "kubectl config view");
  return text;
}

function absolute(path: string, folder: string): string {
  return path.startsWith("/") ? path : folder + path;
}
