/**
 * Whether something of this machine may go somewhere: what a person has said on the command line, in the environment,
 * in their own configuration, or says now on a terminal. An answer holds for who gets it, by which way, and what is sent.
 *
 * A host is who gets a login only where Kubeflow is all that it serves: at its root or below /pipeline. Everywhere else,
 * as behind the proxy of a Kubernetes API server or at a notebook's address, somebody else may answer at another path,
 * so trust names the path as well. The login at the API server itself is the server's, whatever the path.
 */
import { parseHost, parseKubeHost } from "../cluster/host.ts";
import { type TrustQuestion, trustName } from "../cluster/trust-question.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import type { Call } from "./verb.ts";
import { isListed, type UserConfig } from "./user-config.ts";

export interface TrustOptions {
  /** As typed, or as kubeflow.yaml names it. */
  readonly host: string;
  /** True: only the project's files name it. */
  readonly isProjects: boolean;
  readonly kubeflow: KubeflowConfig | undefined;
  readonly user: UserConfig;
  /** Origin of the server. */
  readonly server: string;
}

/** Asks once for each question. */
export function askTrust(call: Call, options: TrustOptions): (question: TrustQuestion) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>();
  return async (question) => {
    const key = JSON.stringify([question.kind, question.origin, question.place, question.provider, question.what]);
    const answer = answers.get(key) ?? isTrusted(call, question, options);
    answers.set(key, answer);
    return await answer;
  };
}

/** The path that trust in a host must name beside it; undefined where the host alone says it. `bases`: of the API. */
export function pathOfServer(bases: readonly string[]): string | undefined {
  const [base = ""] = bases;
  const service = /^.*?\/services\/[^/]+\/proxy(?=\/|$)/.exec(base)?.[0];
  const path = service ?? base.replace(/\/pipeline$/, "");
  return path === "" ? undefined : path;
}

/** What lets a login go that was kept back. `host`: as the list of trusted hosts names it. */
export function trustHint(host: string | null): string {
  return `if the host is yours: set KFK_TRUST_HOSTS=${host ?? "HOST"}, or give --host yourself`;
}

// --- internal ---

async function isTrusted(
  { world }: Call,
  { kind, origin, place, provider, what }: TrustQuestion,
  { isProjects, kubeflow, host, server, user }: TrustOptions,
): Promise<boolean> {
  // a host that the person names: what lies around may go there, and the settings that the project wrote for it
  const isPersons = !isProjects && origin === server;
  const isOfBoth =
    kind === "settings"
      ? isSameServer(kubeflow?.host, host)
      : kind === "certificate"
        ? serverOf(kubeflow?.host)?.origin === server
        : kind !== "ca";
  if (isPersons && isOfBoth) return true;
  const listed = [...(world.env["KFK_TRUST_HOSTS"] ?? "").split(/[,\s]+/), ...user.trustHosts];
  // a name says which host is meant, and not who vouches for it: that needs a word of its own
  const names = listed.filter((each) => each !== "" && (kind !== "ca" || each.includes("=")));
  if (isListed(names, origin, provider, place)) return true;
  const name = trustName({ origin, place });
  if (kind === "ca") {
    const question = `A CA of this project (${what}) vouches for ${origin}, and whoever has its key can pose as it.\nMay a login go there? [y/N] (KFK_TRUST_HOSTS=${name}=tls answers yes) `;
    return isYes(await world.ask?.(question));
  }
  const whose = isPersons ? "kubeflow.yaml of this project says what goes to" : "kubeflow.yaml of this project names";
  const where = `${origin}${place ?? ""}`;
  return isYes(
    await world.ask?.(`${whose} ${where}.\nMay it get ${what}? [y/N] (KFK_TRUST_HOSTS=${name} answers yes) `),
  );
}

function isYes(answer: string | undefined): boolean {
  return /^\s*y(es)?\s*$/i.test(answer ?? "");
}

function isSameServer(one: string | null | undefined, other: string): boolean {
  const [a, b] = [serverOf(one), serverOf(other)];
  return a !== undefined && a.origin === b?.origin && a.path === b.path;
}

/** Where a host as written leads; undefined where it is none, or there is none. */
function serverOf(host: string | null | undefined) {
  if (host === null || host === undefined) return undefined;
  try {
    const service = parseKubeHost(host);
    if (service !== undefined) {
      const { way, namespace, service: name, port = "http" } = service;
      return { origin: `${way}://${namespace}`, path: `/${name}:${port}` };
    }
    const { origin, bases } = parseHost(host);
    return { origin, path: pathOfServer(bases) };
  } catch {
    return undefined; // another host is used, so nobody has to know what is wrong with this one
  }
}
