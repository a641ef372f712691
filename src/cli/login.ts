/**
 * Command line, environment, kubeflow.yaml and the person's own configuration → the way to log in to a host, and the
 * transport that carries it: client certificate, private CA, what the gate's answers show.
 *
 * Which way: KFK_AUTH, else `auth:` of kubeflow.yaml, else `auth:` of the person's configuration, else the first that
 * applies. The project's hook `auth` goes before all of them.
 */
import { resolve } from "node:path";
import type { AuthContext, AuthTarget, Login, ValueMap } from "../../hooks/contract.ts";
import { BESIDE, SHIPPED } from "../../hooks/auth/shipped.ts";
import { authContext, placeOf } from "../cluster/auth-context.ts";
import { buildChain, type Chain, type WantedAuth } from "../cluster/auth.ts";
import { type Gate, recogniseGate } from "../cluster/gate.ts";
import { mayBeKube, parseHost } from "../cluster/host.ts";
import type { LoginHeaders } from "../cluster/request.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isPlainMap, type Plain } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import { mayBePlain } from "../private-host.ts";
import { environmentSecrets } from "../secrets.ts";
import type { World } from "../world.ts";
import type { KubeWay } from "./kube.ts";
import type { ProjectTls } from "./project-tls.ts";
import { askTrust, pathOfServer, trustHint } from "./trust.ts";
import { readUserConfig, type UserConfig } from "./user-config.ts";
import type { Call } from "./verb.ts";

export interface LoginPlan {
  readonly chain: Chain;
  /** Headers for the next request to the server. */
  readonly login: (origin: string, again: boolean) => Promise<LoginHeaders | undefined>;
  /** The world whose requests to the server carry certificates and are looked at. */
  readonly world: World;
  readonly origin: string;
  /** The host as a URL: where a form of kubeconfig leads to, else as typed. */
  readonly host: string;
  /** What the context of such a form names. */
  readonly namespace: string | undefined;
  /** Base of links where the host is none that a browser opens. */
  readonly ui: string | undefined;
  /** What stood before the API in the last answer that was none of it. */
  readonly gate: () => Gate | undefined;
  /** An error of the server with the advice that fits the gate. */
  readonly explain: (error: unknown) => unknown;
}

export interface LoginOptions {
  /** As typed. */
  readonly host: string;
  /** True: only the project's files name it. */
  readonly isProjects: boolean;
  readonly namespace: string | null;
  readonly kubeflow: KubeflowConfig | undefined;
  readonly hooks: ProjectHooks | undefined;
}

/**
 * Prepares the login; nobody is asked yet, but for a way through Kubernetes, which is opened.
 * Errors: SERVER_HOST, SERVER_LOGIN, CONFIG_YAML, SERVER_TOKEN_FILE; SERVER_UNREACHABLE and SERVER_ERROR of Kubernetes.
 */
export async function planLogin(call: Call, options: LoginOptions): Promise<LoginPlan> {
  const { world } = call;
  refuseOpenTls(world);
  refuseDump(world);
  const user = await readUserConfig(world);
  // from here on what is printed can be somebody else's answer, on stdout too
  for (const secret of environmentSecrets(world.env)) call.hide(secret);
  checkCertificateFiles(call);
  const persons = await readCa(call);
  const personsRoots = await withPublicRoots(persons);
  const chainOf = chainMaker(call, options, user);
  const way = await openWay(call, options.host, chainOf, personsRoots);
  const host = way?.host ?? options.host;
  const parsed = parseHost(host);
  const { origin } = parsed;
  // a way through a kubeconfig brings its own certificates
  const isOwnTls = way === undefined && options.kubeflow?.tls;
  const tls = isOwnTls && options.kubeflow ? await readTls(call, options.kubeflow, origin) : undefined;
  const roots = personsRoots ?? (await withPublicRoots(tls?.ca?.text));
  // what a project names vouches for the project's host and for nobody else
  const caFor = (asked: string) => (persons !== undefined || asked === origin ? roots : undefined);
  const wanted = findWanted(world, options.kubeflow, user);
  if (way !== undefined) tellUnused(call, way, options, user.auth !== null, loginContext(call));
  if (way?.isOnly === true && way.ui === undefined) refuseKubeSettings(wanted);
  const chain = chainOf(parsed, waysTo(way, tls, options, wanted), caFor);
  let seen: Gate | undefined;
  const carried = transport({ ...call, world: way?.world ?? world }, chain, origin, roots, (gate) => {
    seen = gate;
  });
  return {
    chain,
    origin,
    host,
    namespace: way?.namespace,
    ui: way?.ui,
    world: carried,
    gate: () => seen,
    login: headersOf(call, chain, origin),
    explain: (error) => explain(error, seen, chain),
  };
}

/**
 * The namespace that nobody has to name: `--namespace`, KFK_NAMESPACE, the pod's own where it has a token for Kubeflow,
 * what the kfp SDK keeps. A server for one user ignores it. Errors: USAGE_VALUE. Source: kfp SDK 2.17 `client/client.py`.
 */
export function findNamespace({ world, options }: Call): string | undefined {
  const named = options.text("namespace") ?? world.env["KFK_NAMESPACE"];
  if (named !== undefined && named !== "") {
    if (!NAMESPACE.test(named))
      throw notNamespace(options.text("namespace") === undefined ? "KFK_NAMESPACE" : "--namespace", named);
    return named;
  }
  const place = world.env["KF_PIPELINES_SA_TOKEN_PATH"] || "/var/run/secrets/kubeflow/pipelines/token";
  const hasToken = place === world.env["KF_PIPELINES_SA_TOKEN_PATH"] || readQuietly(world, place) !== undefined;
  const ofPod = hasToken ? readQuietly(world, "/var/run/secrets/kubernetes.io/serviceaccount/namespace") : undefined;
  if (ofPod !== undefined) return ofPod;
  const kept = readQuietly(world, `${world.env["HOME"] ?? ""}/.config/kfp/context.json`);
  const name = /"namespace":\s*"([a-z0-9-]+)"/.exec(kept ?? "")?.[1];
  return name;
}

/** What is there to log in with on this machine, for the verb that lists the ways. */
export function loginContext(call: Call): AuthContext {
  return authContext(call.world, {}, optionVariables(call));
}

// --- internal ---

type Roots = readonly string[] | undefined;
type CaFor = (origin: string) => Roots;
type Ways = Pick<Parameters<typeof buildChain>[0], "providers" | "atServer" | "beside" | "hook" | "wanted" | "ca">;
type MakeChain = (server: Pick<ReturnType<typeof parseHost>, "origin" | "bases">, ways: Ways, caFor: CaFor) => Chain;

/** Step one: what all chains of this command have in common. */
function chainMaker(call: Call, options: LoginOptions, user: UserConfig): MakeChain {
  const { world } = call;
  const more = optionVariables(call);
  return ({ origin, bases }, ways, caFor) =>
    buildChain({
      clock: world.clock,
      origin,
      bases,
      place: pathOfServer(bases),
      namespace: options.namespace,
      ...ways,
      context: (settings) => authContext(world, settings, more, caFor),
      isTrusted: askTrust(call, { ...options, user, server: origin }),
      hide: call.hide,
      tell: (text) => call.warn([{ message: text }]),
      onRead: warnOfOpenFiles(call),
    });
}

/** Step two: a host that kubeconfig leads to is reached through Kubernetes, with a login of its own there. */
async function openWay(call: Call, host: string, chainOf: MakeChain, roots: Roots): Promise<KubeWay | undefined> {
  if (!mayBeKube(host)) return undefined;
  const { openKubeWay } = await import("./kube.ts");
  const context = authContext(call.world, {}, optionVariables(call), () => roots);
  return await openKubeWay(call, host, context, (origin, provider) =>
    chainOf({ origin, bases: [] }, { providers: [provider], beside: [], wanted: null }, () => roots),
  );
}

/** Step three: the ways to log in to the server, those of kubeconfig first. */
function waysTo(
  way: KubeWay | undefined,
  tls: ProjectTls | undefined,
  { isProjects, hooks }: LoginOptions,
  wanted: readonly WantedAuth[] | null,
): Ways {
  if (way?.isOnly === true) return { providers: way.providers, atServer: way.providers, beside: [], wanted: null };
  return {
    atServer: way?.providers ?? [],
    providers: [...(way?.providers ?? []), ...SHIPPED],
    beside: tls?.provider === undefined ? BESIDE : [tls.provider],
    ca: tls?.ca && { file: tls.ca.file, isFree: isProjects },
    hook: hooks?.has("auth") ? hookLogin(hooks) : undefined,
    wanted,
  };
}

/** Step four: headers for a request, none of them without TLS; says once by which way. */
function headersOf(call: Call, chain: Chain, origin: string): LoginPlan["login"] {
  const isOpen = new URL(origin).protocol === "http:" && !mayBePlain(new URL(origin));
  let isTold = false;
  return async (_origin, again) => {
    const headers = await chain.login(again);
    if (headers === undefined || (Object.keys(headers).length === 0 && chain.tls() === undefined)) return headers;
    if (isOpen && (call.world.env["KFK_ALLOW_HTTP"] ?? "") !== "1") throw plainHttp(origin);
    if (!isTold) call.say(describeWay(chain));
    isTold = true;
    return headers;
  };
}

/** RFC 1123 label, as Kubernetes wants it of a namespace. */
const NAMESPACE = /^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

function notNamespace(from: string, name: string): KfkError {
  return new KfkError("USAGE_VALUE", `${from} ${JSON.stringify(name)} is not the name of a namespace`, {
    hint: "use at most 63 small letters, digits and dashes, such as team-a",
  });
}

/** A file that says more, if it can be read. */
function readQuietly(world: World, path: string): string | undefined {
  try {
    return world.files.readText(path)?.trim() || undefined;
  } catch {
    return undefined; // a help, and no need
  }
}

/** Options stand for variables, so that a provider looks in one place. */
function optionVariables(call: Call): Readonly<Record<string, string | undefined>> {
  const path = (name: string): string | undefined => {
    const text = call.options.text(name);
    return text === undefined ? undefined : resolve(call.world.cwd, text);
  };
  return {
    KFK_TOKEN_FILE: path("token-file"),
    KFK_CLIENT_CERT: path("client-cert"),
    KFK_CLIENT_KEY: path("client-key"),
    KFK_KUBE_CONTEXT: call.options.text("kube-context"),
  };
}

function findWanted(
  world: World,
  kubeflow: KubeflowConfig | undefined,
  user: UserConfig,
): readonly WantedAuth[] | null {
  const ofProject = readWanted(kubeflow?.auth ?? null, true);
  const ofUser = readWanted(user.auth, false);
  const named = (world.env["KFK_AUTH"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const exec = ofProject?.find(({ name }) => name === "exec");
  const isOwn = ofUser?.some(({ name }) => name === "exec") === true;
  // a program is never taken from a project, whatever names it
  if (exec !== undefined && !isOwn && (named.length === 0 || named.includes("exec"))) throw execInProject(user.file);
  if (named.length > 0) {
    const settings = [...(ofUser ?? []), ...(ofProject ?? [])];
    return named
      .filter((name) => name !== "none")
      .map((name) => settings.find((each) => each.name === name) ?? { name, settings: {}, isProjects: false });
  }
  if (exec !== undefined) throw execInProject(user.file);
  return ofProject ?? ofUser;
}

/** `name`, `[name, …]`, `{type: name, …}` or `{name: {…}}`. */
function readWanted(auth: unknown, isProjects: boolean): readonly WantedAuth[] | null {
  if (auth === null || auth === undefined) return null;
  if (Array.isArray(auth)) return auth.flatMap((each) => readWanted(each, isProjects) ?? []);
  if (typeof auth === "string") return auth === "none" ? [] : [{ name: auth, settings: {}, isProjects }];
  const map = toRecord(auth);
  if (map === undefined) throw badAuth();
  const { type, ...rest } = map;
  if (typeof type === "string") return type === "none" ? [] : [{ name: type, settings: rest as ValueMap, isProjects }];
  return Object.entries(map).map(([name, settings]) => {
    const inside = settings === null ? {} : toRecord(settings);
    if (inside === undefined) throw badAuth();
    return { name, settings: inside as ValueMap, isProjects };
  });
}

function toRecord(value: unknown): Record<string, unknown> | undefined {
  if (value instanceof Map) {
    return isPlainMap(value as Plain)
      ? Object.fromEntries([...value].map(([key, item]) => [String(key), item as unknown]))
      : undefined;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function hookLogin(hooks: ProjectHooks): (target: AuthTarget) => Promise<Login | undefined> {
  return async (target) => await hooks.auth(target);
}

/** The login of kubeconfig goes alone where the API server keeps every login; what else there is, is said not to count. */
function tellUnused(
  call: Call,
  way: KubeWay,
  { kubeflow, hooks }: LoginOptions,
  hasOwn: boolean,
  context: AuthContext,
): void {
  const unused: string[] = [];
  if (way.isOnly) {
    if ((kubeflow?.auth ?? null) !== null) unused.push("auth: of kubeflow.yaml");
    else if (hasOwn) unused.push("auth: of your own configuration");
    if (hooks?.has("auth") === true) unused.push("the project's hook auth");
    const target = { origin: way.host, namespace: null, why: "first" } as const;
    for (const provider of [...SHIPPED, ...BESIDE]) {
      const reason = provider.applies(target, context);
      if (reason?.how === "given") unused.push(`${provider.name} (${reason.because})`);
    }
  }
  const { ca, cert, key } = kubeflow?.tls ?? {};
  if (ca ?? cert ?? key) unused.push("tls: of kubeflow.yaml");
  if (unused.length === 0) return;
  const how = way.isOnly ? "the API server takes kubeconfig's login alone" : "kubeconfig brings its own certificates";
  call.warn([{ message: `not used here: ${unused.join(", ")}; ${how}`, ...(way.isOnly ? { hint: CARRIES_ALL } : {}) }]);
}

const CARRIES_ALL = "port-forward://NAMESPACE/SERVICE carries any login through to Kubeflow";

/** At a pasted address of the API server's proxy `kubeconfig` is its login there; a token for Kubeflow would end there. */
function refuseKubeSettings(wanted: readonly WantedAuth[] | null): void {
  const kube = wanted?.find(({ name }) => name === "kubeconfig");
  const names = Object.keys(kube?.settings ?? {});
  if (names.length === 0) return;
  throw new KfkError(
    "SERVER_LOGIN",
    `auth: kubeconfig with ${names.join(", ")} asks for a token for Kubeflow, and the API server, whose proxy this host is, lets none through`,
    { hint: `${CARRIES_ALL}; or write auth: kubeconfig alone, where Kubeflow serves one user` },
  );
}

/** Mounted by a system that knows what it does: everything in there can be read by all of a container. */
const MOUNTED = /^(\/var)?\/run\/secrets\//;

/** Says once of a file with a login in it that others on the machine can read it. */
function warnOfOpenFiles(call: Call): (path: string, text: string) => void {
  const told = new Set<string>();
  return (path, text) => {
    const full = placeOf(call.world, path);
    if (told.has(full) || MOUNTED.test(full) || isPublic(text)) return;
    told.add(full);
    if (call.world.files.isOpen?.(full) !== true) return;
    call.warn([
      { message: `${full} holds a login, and others on this machine can read it`, hint: `chmod 600 ${full}` },
    ]);
  };
}

/** Certificates alone, as tools write them: with a description before each, or without. */
function isPublic(text: string): boolean {
  return (
    /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/.test(text) &&
    /^[\s\uFEFF]*(?:-----BEGIN|#|Certificate:|Bag Attributes|subject\s*=|issuer\s*=)/.test(text) &&
    !/PRIVATE KEY/.test(text)
  );
}

const PEEK_BYTES = 65_536;

function transport(
  call: Call,
  chain: Chain,
  origin: string,
  ca: readonly string[] | undefined,
  onGate: (gate: Gate) => void,
): World {
  const { world } = call;
  let isSkewTold = false;
  return {
    ...world,
    fetch: async (url, init) => {
      if (!url.startsWith(`${origin}/`)) return await world.fetch(url, init);
      const own = chain.tls();
      const tls = { ...(ca === undefined ? {} : { ca }), ...own };
      const response = await world.fetch(url, Object.keys(tls).length === 0 ? init : ({ ...init, tls } as RequestInit));
      const { status, headers } = response;
      const isPage = status === 200 && /html/i.test(headers.get("content-type") ?? "");
      if (!isPage && !(status >= 300 && status < 404)) return response;
      const body = await response.clone().text();
      const gate = recogniseGate(status, headers, body.slice(0, PEEK_BYTES));
      if (gate !== undefined) onGate(gate);
      const skewMs = Date.parse(headers.get("date") ?? "") - world.clock.nowMs();
      if (status === 401 && Math.abs(skewMs) > SKEW_MS && !isSkewTold) {
        isSkewTold = true;
        call.warn([{ message: describeSkew(skewMs) }]);
      }
      return response;
    },
  };
}

const SKEW_MS = 120_000;

function describeSkew(skewMs: number): string {
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  return `this machine's clock is ${minutes} min ${skewMs > 0 ? "behind" : "ahead of"} the server's, which can make tokens invalid`;
}

/** What the project's `tls:` gives; loaded only where there is one. */
async function readTls(call: Call, kubeflow: KubeflowConfig, server: string): Promise<ProjectTls | undefined> {
  const { readProjectTls } = await import("./project-tls.ts");
  return readProjectTls(call, kubeflow, server);
}

/** A client certificate that is named on the command line and is not there. Errors: USAGE_VALUE. */
function checkCertificateFiles({ world, options }: Call): void {
  for (const option of ["client-cert", "client-key"]) {
    const named = options.text(option) ?? "";
    if (named === "" || world.files.kind(resolve(world.cwd, named)) === "file") continue;
    throw new KfkError("USAGE_VALUE", `--${option} ${named}: there is no such file`, {
      hint: "name a file in PEM form; --client-cert and --client-key belong together",
    });
  }
}

/** The CA that the person names, in PEM form. */
async function readCa(call: Call): Promise<string | undefined> {
  const named = call.options.text("ca-cert") ?? call.world.env["KFK_CA_FILE"];
  if (named === undefined || named === "") return undefined;
  const { areCertificates } = await import("../../hooks/auth/pem.ts");
  const file = resolve(call.world.cwd, named);
  const text = call.world.files.readText(file);
  if (text === undefined || !areCertificates(text)) {
    // named on the command line it is a wrong command line
    const isOption = call.options.text("ca-cert") !== undefined;
    const problem = text === undefined ? "is not there" : "holds no certificate in PEM form";
    throw new KfkError(
      isOption ? "USAGE_VALUE" : "SERVER_TOKEN_FILE",
      isOption ? `--ca-cert ${named}: the file ${problem}` : `${file} ${problem}`,
      { hint: "name the certificate of the CA with --ca-cert" },
    );
  }
  return text;
}

/** A private CA beside the public ones: what Bun 1.4.5 is given takes their place, so they are given too. */
async function withPublicRoots(ca: string | undefined): Promise<readonly string[] | undefined> {
  if (ca === undefined) return undefined;
  const { rootCertificates } = await import("node:tls");
  return [...rootCertificates, ca];
}

function describeWay(chain: Chain): string {
  const { ways, principal } = chain.state();
  const names = ways.map(({ name, because }) => `${name} (${because})`).join(" and ");
  return `logging in by ${names}${principal === null ? "" : ` as ${principal}`}`;
}

/** The server's error with what the gate's answer shows; the same error when it shows nothing. */
function explain(error: unknown, gate: Gate | undefined, chain: Chain): unknown {
  if (!(error instanceof KfkError) || !["SERVER_GATE", "SERVER_LOGIN"].includes(error.code)) return error;
  const { keptBack, keptFrom, ways } = chain.state();
  const notes = [...error.notes];
  if (gate !== undefined) notes.push({ message: `what answers is ${gate.name}` });
  const sent = ways.map(({ name }) => name).join(" and ");
  const isNotTaken = sent !== "" && gate?.asks === true;
  if (sent !== "") notes.push({ message: isNotTaken ? `the login by ${sent} was not taken` : `logged in by ${sent}` });
  const [kept] = keptBack;
  if (kept !== undefined) {
    return new KfkError(error.code, error.message, {
      notes: [...notes, { message: `not sent, as only the project names this host: ${kept}` }],
      hint: trustHint(keptFrom),
    });
  }
  if (gate === undefined) return error;
  const hint = isNotTaken
    ? `check that the login is for this server and has not expired (kfk auth status); else ${gate.advice}`
    : gate.advice;
  return new KfkError(error.code, error.message, { notes, hint });
}

function refuseOpenTls(world: World): void {
  if (world.env["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0") return;
  throw new KfkError("SERVER_LOGIN", "NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates", {
    hint: "unset it, and name a private CA with --ca-cert",
  });
}

/** Bun would write its memory to a file, or open it to a debugger; both see the login (Bun 1.4.5). */
function refuseDump(world: World): void {
  const option = /--(heap-prof|inspect)\b[\w-]*/.exec(world.env["BUN_OPTIONS"] ?? "")?.[0];
  if (option === undefined) return;
  throw new KfkError("SERVER_LOGIN", `BUN_OPTIONS holds ${option}, which would show the login to others`, {
    hint: "unset BUN_OPTIONS",
  });
}

function plainHttp(origin: string): KfkError {
  return new KfkError("SERVER_LOGIN", `${origin} would get the login over plain http, where others can read it`, {
    hint: "write https:// in the host; KFK_ALLOW_HTTP=1 sends it all the same",
  });
}

function execInProject(file: string): KfkError {
  return new KfkError("SERVER_LOGIN", "auth: exec in kubeflow.yaml would run a program that the project names", {
    hint: `write it into your own ${file}`,
  });
}

function badAuth(): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", "auth: must be a name, a list of names, or a mapping with type:", {
    hint: "for example auth: dex, or auth: {type: iap, client_id: …}",
  });
}
