/**
 * `tls:` of kubeflow.yaml for the host of the same file: a CA that vouches for it beside the public ones, and a client
 * certificate with its key. Files are relative to the project's root, and read when a server is asked.
 *
 * Not for another host than the project's own, nor where the command line or the environment names them. Refused, with
 * the key's place: files that are not there or hold something else, a key of another certificate, a host without TLS.
 */
import { resolve } from "node:path";
import { areCertificates, findPairProblem } from "../../hooks/auth/pem.ts";
import type { AuthContext, AuthProvider } from "../../hooks/contract.ts";
import { parseHost } from "../cluster/host.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, KfkError } from "../error.ts";
import { findProject } from "../project/find.ts";
import type { Call } from "./verb.ts";

export interface ProjectTls {
  /** In PEM form, and the file as kubeflow.yaml names it. */
  readonly ca: { readonly text: string; readonly file: string } | undefined;
  /** The client certificate, as a way to log in that lies around. */
  readonly provider: AuthProvider | undefined;
}

/** What holds for a server; undefined where nothing does. Errors: CONFIG_KUBEFLOW. */
export function readProjectTls(call: Call, kubeflow: KubeflowConfig, server: string): ProjectTls | undefined {
  const { tls, host } = kubeflow;
  if (tls === null || !host || Object.values(tls).every((file) => (file ?? null) === null)) return undefined;
  const own = originOf(host);
  if (own !== server) {
    call.say(`tls: of kubeflow.yaml is not used, as it is for ${own ?? "the host there"} alone`);
    return undefined;
  }
  if (!server.startsWith("https:")) throw needsTls(server, kubeflow);
  const { root } = findProject(call.world, resolve(call.world.cwd, call.options.text("project") ?? "."));
  const { ca, cert, key } = tls;
  const isNamed = (option: string, name: string): boolean =>
    (call.options.text(option) ?? call.world.env[name] ?? "") !== "";
  const source = { call, root, kubeflow };
  return {
    ca: ca && !isNamed("ca-cert", "KFK_CA_FILE") ? { text: readAuthorities(ca, source), file: ca } : undefined,
    provider:
      cert && key && !isNamed("client-cert", "KFK_CLIENT_CERT") && !isNamed("client-key", "KFK_CLIENT_KEY")
        ? clientCertificate(cert, key, source)
        : undefined,
  };
}

// --- internal ---

interface Source {
  readonly call: Call;
  readonly root: string;
  readonly kubeflow: KubeflowConfig;
}

type Key = "ca" | "cert" | "key";

function originOf(host: string): string | undefined {
  try {
    return parseHost(host).origin;
  } catch {
    return undefined; // another host is used
  }
}

function readAuthorities(file: string, source: Source): string {
  const text = readFile("ca", file, source, (path) => source.call.world.files.readText(path));
  if (!areCertificates(text)) throw noPem("ca", file, "certificate", source);
  return text;
}

function clientCertificate(cert: string, key: string, source: Source): AuthProvider {
  const read = (readText: AuthContext["readText"]) => {
    const pair = { cert: readFile("cert", cert, source, readText), key: readFile("key", key, source, readText) };
    const problem = findPairProblem(pair.cert, pair.key);
    if (problem === "no certificate") throw noPem("cert", cert, "certificate", source);
    if (problem === "locked key") throw encrypted(key, source);
    if (problem === "no key") throw noPem("key", key, "private key", source);
    if (problem === "another key") throw otherKey(cert, key, source);
    return pair;
  };
  read((path) => source.call.world.files.readText(path));
  return {
    name: "mtls",
    title: "client certificate",
    settings: [],
    applies: () => ({
      how: "ambient",
      because: `the client certificate that tls: of kubeflow.yaml names (cert: ${shown(cert)}, key: ${shown(key)})`,
    }),
    login: (_server, context) => ({
      headers: {},
      tls: read(context.readText),
      principal: `the certificate in ${shown(cert)}`,
    }),
  };
}

function readFile(name: Key, file: string, source: Source, readText: AuthContext["readText"]): string {
  const { call, root } = source;
  const path = resolve(root, file);
  // reading a device or a pipe may never end
  if (call.world.files.kind(path) !== "file") throw wrong(name, `the file ${shown(file)} is not there`, source);
  try {
    return readText(path) ?? "";
  } catch (error) {
    if (!isKfkError(error) && !(error instanceof Error && "kind" in error)) throw error;
    throw wrong(name, `the file ${shown(file)} cannot be read as text`, source);
  }
}

/** In one line, as it may be shown on a terminal that asks about it. */
function shown(file: string): string {
  return file.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100);
}

function wrong(name: Key, problem: string, { kubeflow }: Source, hint?: string): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `"tls.${name}": ${problem}`, {
    at: kubeflow.placeOf(["tls", name]),
    hint: hint ?? "paths start at the project's root",
  });
}

function noPem(name: Key, file: string, what: string, source: Source): KfkError {
  return wrong(name, `${shown(file)} holds no ${what} in PEM form`, source, `export the ${what} as PEM`);
}

function encrypted(key: string, source: Source): KfkError {
  return wrong("key", `${shown(key)} is locked with a passphrase, and nobody is asked for it`, source, "unlock it");
}

function otherKey(cert: string, key: string, source: Source): KfkError {
  const problem = `${shown(key)} is not the key of the certificate in ${shown(cert)}`;
  return wrong("key", problem, source, "name the key that the certificate was made for");
}

function needsTls(server: string, kubeflow: KubeflowConfig): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `"tls" needs https, and the host is ${server}`, {
    at: kubeflow.placeOf(["tls"]),
    hint: "write https:// in host:, or remove tls:",
  });
}
