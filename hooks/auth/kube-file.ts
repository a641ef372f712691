/**
 * kubeconfig → the cluster of a context and what its user logs in with. KUBECONFIG (a list; the first file that has a
 * name holds), else `~/.kube/config`; where no file is there, the account of the pod kfk runs in. Paths start at the
 * folder of the file that names them.
 *
 * Refused with words, as kubectl refuses it: names that are not there, two ways of one kind, half a certificate, two
 * entries of one name in a file. Refused beyond that: certificates that are not checked, and logins that kubectl itself
 * has given up. Sources: client-go v0.37 `clientcmd` (loader, validation), `rest` (in-cluster); checked against it.
 */
import { join } from "node:path";
import * as v from "valibot";
import { kubeconfigSchema } from "../../schemas/kubeconfig.ts";
import type { AuthContext } from "../contract.ts";
import { badFile, refused } from "./failure.ts";
import { filled } from "./token.ts";

export interface KubeCluster {
  /** Address of the API server, without a slash at the end; it may have a path. */
  readonly api: string;
  /** Name of the context, or "in cluster". */
  readonly context: string;
  /** Of the context; undefined: it names none. */
  readonly namespace: string | undefined;
  readonly tls: { readonly ca?: string; readonly serverName?: string };
  /** Proxy of this cluster alone. */
  readonly proxy: string | undefined;
  readonly user: KubeUser;
  /** What a plugin is told of the cluster when it asks. */
  readonly info: Readonly<Record<string, unknown>>;
}

/** What a user logs in with; at most one of token, tokenFile, basic and exec is used, in this order of the file. */
export interface KubeUser {
  readonly token: string | undefined;
  /** Absolute, or as the list names its file. Read again each time. */
  readonly tokenFile: string | undefined;
  readonly basic: { readonly user: string; readonly password: string } | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly exec: KubeExec | undefined;
  /** Headers of impersonation. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface KubeExec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  readonly provideClusterInfo: boolean;
  readonly installHint: string | undefined;
}

/** Reads a context, or the current one. Errors: failures of the kinds `file` and `refused`. */
export async function readKube(context: AuthContext, name: string | undefined): Promise<KubeCluster> {
  const files = await readFiles(context);
  if (files.length === 0 && name === undefined) {
    const own = inCluster(context);
    if (own !== undefined) return own;
  }
  if (files.length === 0) throw noFile(context);
  const wanted = name ?? files.map(({ value }) => filled(value["current-context"])).find(Boolean);
  if (wanted === undefined) throw refused("kubeconfig names no current context", "kubectl config use-context NAME");
  const { value: entry } = find(files, (each) => each.contexts, wanted, "context");
  const { cluster: clusterName, user: userName, namespace } = entry.context ?? {};
  if (!filled(clusterName)) throw unusable(`the context "${wanted}" names no cluster`);
  if (filled(namespace) && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace ?? ""))
    throw unusable(`the namespace "${namespace}" of the context "${wanted}" cannot be one`);
  const cluster = find(files, (each) => each.clusters, clusterName ?? "", "cluster");
  // a context may name no user, as one for kubectl proxy; a name that is not there is never taken for nobody
  const user = filled(userName) ? find(files, (each) => each.users, userName ?? "", "user") : undefined;
  return {
    context: wanted,
    namespace: filled(namespace),
    ...readCluster(context, cluster),
    user: user === undefined ? NOBODY : readUser(context, user),
  };
}

// --- internal ---

type Kubeconfig = v.InferOutput<typeof kubeconfigSchema>;
type ClusterEntry = NonNullable<Kubeconfig["clusters"]>[number];
type UserEntry = NonNullable<Kubeconfig["users"]>[number];
type User = NonNullable<UserEntry["user"]>;

/** A part of a kubeconfig and the folder that its paths start from. */
interface Part<T> {
  readonly value: T;
  readonly folder: string;
}

async function readFiles(context: AuthContext): Promise<readonly Part<Kubeconfig>[]> {
  const { parse } = await import("yaml");
  const files: Part<Kubeconfig>[] = [];
  for (const file of fileNames(context)) {
    const content = context.readText(file);
    if (content === undefined) continue; // as kubectl: a list may name files that are not there
    let data: unknown;
    try {
      data = parse(content, { maxAliasCount: 10, logLevel: "error" });
    } catch {
      throw badFile(`${file} is not YAML`, "kubectl config view");
    }
    const parsed = v.safeParse(kubeconfigSchema, data ?? {});
    if (!parsed.success) {
      const [issue] = parsed.issues;
      throw badFile(`${file}: ${v.getDotPath(issue) ?? "it"} is not as kubectl writes it`, "kubectl config view");
    }
    for (const key of ["clusters", "contexts", "users"] as const) checkNames(file, key, parsed.output[key] ?? []);
    files.push({ value: parsed.output, folder: file.replace(/[^/]*$/, "") });
  }
  return files;
}

function fileNames(context: AuthContext): readonly string[] {
  const home = context.env("HOME") ?? context.env("USERPROFILE") ?? "";
  const list = (filled(context.env("KUBECONFIG")) ?? `${home}/.kube/config`).split(":");
  return [...new Set(list.filter((each) => each !== ""))];
}

function checkNames(file: string, key: string, entries: readonly { readonly name: string }[]): void {
  const names = entries.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw badFile(`${file}: two entries of ${key} are called "${twice}"`, "rename or remove one of them");
}

/** The account that Kubernetes gives a pod. */
function inCluster(context: AuthContext): KubeCluster | undefined {
  const host = filled(context.env("KUBERNETES_SERVICE_HOST"));
  const port = filled(context.env("KUBERNETES_SERVICE_PORT"));
  if (host === undefined || port === undefined) return undefined;
  const folder = "/var/run/secrets/kubernetes.io/serviceaccount";
  if (context.readText(`${folder}/token`) === undefined) return undefined;
  const ca = context.readText(`${folder}/ca.crt`);
  return {
    api: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    context: "in cluster",
    namespace: filled(context.readText(`${folder}/namespace`)),
    tls: ca === undefined ? {} : { ca },
    proxy: undefined,
    user: { ...NOBODY, tokenFile: `${folder}/token` },
    info: {},
  };
}

const NOBODY: KubeUser = {
  token: undefined,
  tokenFile: undefined,
  basic: undefined,
  tls: undefined,
  exec: undefined,
  headers: {},
};

function find<T extends { readonly name: string }>(
  files: readonly Part<Kubeconfig>[],
  entries: (file: Kubeconfig) => readonly T[] | null | undefined,
  name: string,
  what: string,
): Part<T> {
  for (const { value, folder } of files) {
    const found = entries(value)?.find((each) => each.name === name);
    if (found !== undefined) return { value: found, folder };
  }
  const names = files.flatMap(({ value }) => (entries(value) ?? []).map((each) => each.name));
  const there = what === "context" && names.length > 0 && names.length <= 20 ? `; it has ${names.join(", ")}` : "";
  throw refused(`kubeconfig has no ${what} "${name}"${there}`, "kubectl config get-contexts");
}

function readCluster(context: AuthContext, { value: { name, cluster }, folder }: Part<ClusterEntry>) {
  const server = filled(cluster?.server);
  if (server === undefined) throw unusable(`the cluster "${name}" has no server`);
  if (!/^https?:\/\//i.test(server) || !URL.canParse(server) || /[?#]/.test(server))
    throw unusable(`the server of the cluster "${name}" is no address that begins with https://`);
  if (new URL(server).username !== "" || new URL(server).password !== "")
    throw unusable(`the server of the cluster "${name}" carries a user name or password`);
  if (cluster?.["insecure-skip-tls-verify"] === true) {
    throw refused(
      `the cluster "${name}" of kubeconfig turns the check of certificates off`,
      "give certificate-authority there instead of insecure-skip-tls-verify",
    );
  }
  const ca = pem(context, cluster, "certificate-authority", folder, name);
  const serverName = filled(cluster?.["tls-server-name"]);
  const proxy = filled(cluster?.["proxy-url"]);
  if (proxy !== undefined && (!/^https?:\/\/[^/]/i.test(proxy) || !URL.canParse(proxy))) {
    throw refused(
      `the proxy-url of the cluster "${name}" of kubeconfig is not an http or https address`,
      "kfk speaks to proxies by http; name one in proxy-url, or set HTTPS_PROXY",
    );
  }
  const config = cluster?.extensions?.find((each) => each.name === "client.authentication.k8s.io/exec")?.extension;
  return {
    api: server.replace(/\/+$/, ""),
    tls: { ...(ca === undefined ? {} : { ca }), ...(serverName === undefined ? {} : { serverName }) },
    proxy,
    info: {
      server,
      ...(serverName === undefined ? {} : { "tls-server-name": serverName }),
      ...(ca === undefined ? {} : { "certificate-authority-data": new TextEncoder().encode(ca).toBase64() }),
      ...(proxy === undefined ? {} : { "proxy-url": proxy }),
      ...(config === undefined ? {} : { config }),
    },
  };
}

function readUser(context: AuthContext, { value: { name, user }, folder }: Part<UserEntry>): KubeUser {
  if (!user) return NOBODY;
  const cert = pem(context, user, "client-certificate", folder, name);
  const key = pem(context, user, "client-key", folder, name);
  if (cert !== undefined && key === undefined) throw unusable(`the user "${name}" has a certificate and no key for it`);
  const token = filled(user.token);
  const isBasic = filled(user.username) !== undefined || filled(user.password) !== undefined;
  if (token !== undefined && isBasic)
    throw unusable(`the user "${name}" has both a token and a user name, and only one can be sent`);
  const tokenFile = filled(user.tokenFile);
  return {
    token,
    tokenFile: tokenFile === undefined ? undefined : absolute(tokenFile, folder),
    basic: isBasic ? { user: user.username ?? "", password: user.password ?? "" } : undefined,
    tls: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    exec: readExec(user, folder, name),
    headers: impersonation(user, name),
  };
}

function readExec(user: User, folder: string, name: string): KubeExec | undefined {
  const provider = user["auth-provider"];
  if (provider && !user.exec) {
    throw refused(
      `the user "${name}" of kubeconfig logs in by "${provider.name}", which kubectl itself gave up in 1.26`,
      "install gke-gcloud-auth-plugin or kubelogin, and get the credentials again",
    );
  }
  const { exec } = user;
  if (!exec) return undefined;
  if (provider) throw unusable(`the user "${name}" has both exec and auth-provider`);
  const command = filled(exec.command);
  if (command === undefined) throw unusable(`exec of the user "${name}" names no command`);
  const apiVersion = filled(exec.apiVersion);
  if (apiVersion !== V1 && apiVersion !== V1BETA1) {
    throw unusable(
      `exec of the user "${name}" has the apiVersion "${apiVersion ?? ""}", and ${V1} or ${V1BETA1} is needed`,
    );
  }
  const mode = filled(exec.interactiveMode) ?? (apiVersion === V1BETA1 ? "IfAvailable" : undefined);
  if (mode === "Always") {
    throw refused(
      `${command} of kubeconfig wants to ask a person (interactiveMode: Always), and here nobody is asked`,
      `log in with ${command} or kubectl first, or give a token with --token-file`,
    );
  }
  if (mode !== "IfAvailable" && mode !== "Never")
    throw unusable(`exec of the user "${name}" needs interactiveMode: Never, IfAvailable or Always`);
  return {
    command: [command.includes("/") ? absolute(command, folder) : command, ...(exec.args ?? [])],
    env: Object.fromEntries((exec.env ?? []).map((each) => [each.name, each.value])),
    apiVersion,
    provideClusterInfo: exec.provideClusterInfo === true,
    installHint: filled(exec.installHint),
  };
}

const V1 = "client.authentication.k8s.io/v1";
const V1BETA1 = "client.authentication.k8s.io/v1beta1";

/** Kubernetes documentation, "User impersonation". Several groups would be several headers of one name. */
function impersonation(user: User, name: string): Record<string, string> {
  const as = filled(user.as);
  const groups = user["as-groups"] ?? [];
  const extra = Object.entries(user["as-user-extra"] ?? {});
  const uid = filled(user["as-uid"]);
  if (as === undefined) {
    if (groups.length > 0 || extra.length > 0 || uid !== undefined)
      throw unusable(`the user "${name}" has as-groups, as-uid or as-user-extra without as`);
    return {};
  }
  if (groups.length > 1 || extra.some(([, values]) => values.length > 1)) {
    throw refused(
      `the user "${name}" of kubeconfig acts as a member of several groups, which kfk cannot send`,
      "leave one group in as-groups",
    );
  }
  const [group] = groups;
  return {
    "Impersonate-User": as,
    ...(uid === undefined ? {} : { "Impersonate-Uid": uid }),
    ...(group === undefined ? {} : { "Impersonate-Group": group }),
    ...Object.fromEntries(
      extra.map(([key, [value = ""]]) => [`Impersonate-Extra-${encodeURIComponent(key.toLowerCase())}`, value]),
    ),
  };
}

/** A certificate or key: the data, else the file. Both are one too many, as for kubectl. */
function pem<K extends string>(
  context: AuthContext,
  entry: { readonly [key in K | `${K}-data`]?: string | null | undefined } | null | undefined,
  key: K,
  folder: string,
  name: string,
): string | undefined {
  const data = filled(entry?.[`${key}-data`]);
  const file = filled(entry?.[key]);
  if (data !== undefined && file !== undefined) throw unusable(`"${name}" has both ${key} and ${key}-data`);
  if (data !== undefined) {
    try {
      return new TextDecoder().decode(Uint8Array.fromBase64(data));
    } catch {
      throw badFile(`${key}-data of "${name}" in kubeconfig is not base64`, "kubectl config view");
    }
  }
  if (file === undefined) return undefined;
  const path = absolute(file, folder);
  const content = context.readText(path);
  if (content === undefined) throw badFile(`kubeconfig names ${path}, which is not there`, "kubectl config view");
  return content;
}

function absolute(path: string, folder: string): string {
  return path.startsWith("/") ? path : join(folder, path);
}

function noFile(context: AuthContext): Error {
  return badFile(`there is no kubeconfig: ${fileNames(context).join(", ")}`, "set KUBECONFIG");
}

function unusable(problem: string): Error {
  return refused(`kubeconfig cannot be used: ${problem}`, "kubectl config view shows what kubectl makes of it");
}
