/**
 * What a person gives as `--host` → where the API and the UI may be; ids → links into the UI.
 *
 * A service of Kubernetes reached by kubeconfig has forms of its own, `service-proxy://` and `port-forward://`.
 * Takes a URL with or without scheme, with or without `/pipeline` or `/pipelines`, or one pasted from the browser
 * (`/#/…`, `/_/pipeline/?ns=…#/…`, `/apis/…`). Refuses other schemes, user names in the URL and what is no URL.
 * Without a scheme it is https, as kfp's own client has it, but for addresses that are never public (localhost,
 * loopback, `.svc`), where a port-forward or the cluster's own network answers with http.
 * Bases: KFP stands at `/` when it is installed alone and at `/pipeline` inside Kubeflow (reference/kfp-api.md 1.1, 8);
 * which one is true only the server knows, so both are named, the likelier first.
 */
import { KfkError } from "../error.ts";
import { isPrivateHost } from "../private-host.ts";

export interface Host {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Paths that may carry the API, best first: "" or "/…", without a slash at the end. At least one. */
  readonly bases: readonly string[];
}

/** What a link leads to. */
export type LinkTarget =
  | { readonly page: "run"; readonly id: string }
  | { readonly page: "pipeline"; readonly id: string; readonly versionId?: string | undefined }
  | { readonly page: "experiment"; readonly id: string };

/** A service of a cluster that kubeconfig leads to. */
export interface KubeHost {
  readonly way: "service-proxy" | "port-forward";
  readonly namespace: string;
  readonly service: string;
  /** Name or number of the service's port; undefined: `http`, or the only one. */
  readonly port: string | undefined;
}

/**
 * `service-proxy://NAMESPACE/SERVICE:PORT` and `port-forward://NAMESPACE/SERVICE:PORT`, of which everything after the
 * two slashes may be left out (kubeflow, ml-pipeline, its port `http`); undefined for every other host. Errors: SERVER_HOST.
 */
export function parseKubeHost(typed: string): KubeHost | undefined {
  const [, way, rest = ""] = /^\s*(service-proxy|port-forward):\/\/(.*?)\s*$/is.exec(typed) ?? [];
  if (way === undefined) return undefined;
  const name = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";
  const form = new RegExp(`^(?:(${name})(?:/(${name})(?::(${name}))?)?/?)?$`);
  const found = form.exec(rest.replace(/#.*$/s, ""));
  if (found === null) {
    throw new KfkError("SERVER_HOST", `the host "${withoutUser(typed.trim())}" names no service of Kubernetes`, {
      hint: `write ${way.toLowerCase()}://NAMESPACE/SERVICE:PORT, such as ${way.toLowerCase()}://kubeflow/ml-pipeline`,
    });
  }
  const [, namespace = "kubeflow", service = "ml-pipeline", port] = found;
  return { way: way.toLowerCase() as KubeHost["way"], namespace, service, port };
}

/** True for what kubeconfig may have a say in: its own forms, and the address of a service proxy of an API server. */
export function mayBeKube(typed: string): boolean {
  return /^\s*(service-proxy|port-forward):\/\//i.test(typed) || SERVICE_PROXY.test(typed);
}

/** Reads a host as typed. Errors: SERVER_HOST. */
export function parseHost(typed: string): Host {
  const text = typed.trim();
  if (text === "") throw hostError("the host is empty");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") {
    throw hostError(`the host "${withoutUser(text)}" starts with ${scheme}://, which is not spoken here`);
  }
  if (scheme === undefined && /^(https?)(:|\/)/i.test(text) && !/^https?:\d+(\/|$)/i.test(text)) {
    throw hostError(`the host "${withoutUser(text)}" has a broken scheme`);
  }
  const url = readUrl(scheme === undefined ? `${isPrivate(text) ? "http" : "https"}://${text}` : text);
  if (url === undefined || url.hostname === "") throw hostError(`the host "${withoutUser(text)}" is not a URL`);
  if (url.username !== "" || url.password !== "") {
    throw new KfkError("SERVER_HOST", `the host "${withoutUser(text)}" carries a user name or password`, {
      hint: "leave them out of the URL, where logs would show them, and use --token-file",
    });
  }
  return { origin: url.origin, bases: findBases(url.pathname) };
}

/** A host as typed, for messages: without user name and password. */
export function showHost(typed: string): string {
  return withoutUser(typed.trim());
}

/** Address of a page of the UI. `ui`: its base as a person sees it, with or without a slash at the end. */
export function buildLink(ui: string, target: LinkTarget): string {
  const base = ui.replace(/\/+$/, "");
  const id = encodeURIComponent(target.id);
  switch (target.page) {
    case "run":
      return `${base}/#/runs/details/${id}`;
    case "experiment":
      return `${base}/#/experiments/details/${id}`;
    case "pipeline":
      return target.versionId === undefined
        ? `${base}/#/pipelines/details/${id}`
        : `${base}/#/pipelines/details/${id}/version/${encodeURIComponent(target.versionId)}`;
  }
}

// --- internal ---

const SERVICE_PROXY = /\/api\/v1\/namespaces\/[^/?#]+\/services\/[^/?#]+\/proxy(\/|$)/;

function findBases(pathname: string): readonly string[] {
  let path = pathname.replace(/\/+/g, "/").replace(/\/apis(\/.*)?$/, "");
  path = path.replace(/^\/_\/(?=pipelines?(\/|$))/, "/"); // the page that Kubeflow's dashboard frames
  path = path.replace(/\/(index\.html)?$/, "");
  const last = /^(.*)\/pipelines?$/.exec(path);
  if (last) return [`${last[1] ?? ""}/pipeline`, last[1] ?? ""];
  // a service proxy of the Kubernetes API ends at the service: nothing can be above or below it
  return path === "" ? ["", "/pipeline"] : [path];
}

function isPrivate(text: string): boolean {
  return isPrivateHost(text.replace(/[/?#].*$/s, "").replace(/:\d*$/, ""));
}
function readUrl(text: string): URL | undefined {
  if (/[\s\\]/.test(text)) return undefined;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** For messages: a password may stand before the last `@`, with slashes in it too. */
function withoutUser(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1");
}

function hostError(message: string): KfkError {
  return new KfkError("SERVER_HOST", message, {
    hint: "give the address of Kubeflow Pipelines as the browser shows it, such as https://kubeflow.example.org/pipeline",
  });
}
