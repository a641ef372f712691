/**
 * The chain of ways to log in: which one is taken for a server, what it gives, for how long, and when it is asked
 * again. Comes in: providers (`hooks/auth/`, the project's hook `auth` first), what configuration asks for, whether
 * the host is trusted. Goes out: the headers for the next request, or the error that ends the command.
 *
 * Rules: what was given for this command goes before what lies around on the machine; what lies around is kept back
 * from a host that only the project names, unless a person trusts it; so are settings of the project for another host
 * than its own, and secrets for an address that its settings name. When the chosen way fails nothing is sent (it never
 * falls through to the next). A login is renewed 60 s before its end, or at half of a shorter life; callers at the same
 * time share one renewal. What was renewed, or could not be, is left alone for ten seconds; until then the server judges
 * the old login, because a run may have been started with it. A login that is over is never sent.
 */
import type {
  AuthContext,
  AuthProvider,
  AuthReason,
  AuthRequest,
  AuthTarget,
  Login,
  ValueMap,
} from "../../hooks/contract.ts";
import { isKfkError, isStop, KfkError, suggest } from "../error.ts";
import { oneLine } from "../terminal-text.ts";
import type { Clock } from "../world.ts";
import { type Held, hold, isDue } from "./held-login.ts";
import type { LoginHeaders } from "./request.ts";
import { type TrustQuestion, trustName, untrusted } from "./trust-question.ts";

/** A way that configuration asks for by name. */
export interface WantedAuth {
  readonly name: string;
  readonly settings: ValueMap;
  /** True: only the project's files ask for it. */
  readonly isProjects: boolean;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly origin: string;
  /** Paths below which the API may be. */
  readonly bases?: readonly string[];
  /** Path that trust must name beside the origin; undefined: the origin says it all. */
  readonly place?: string | undefined;
  /** Ways whose login is for the server at the origin itself, whatever the path. */
  readonly atServer?: readonly AuthProvider[];
  readonly namespace: string | null;
  /** In the order in which they are asked. */
  readonly providers: readonly AuthProvider[];
  /** Asked as well, and joined to whichever is chosen. */
  readonly beside: readonly AuthProvider[];
  /**
   * File of the CA that vouches for the server when only the project names it. `isFree`: the server's address is the
   * project's too, so what was given for this command could go to any host of its choice anyway.
   */
  readonly ca?: { readonly file: string; readonly isFree: boolean } | undefined;
  /** The project's hook; undefined as an answer: it leaves it to the others. */
  readonly hook?: ((target: AuthTarget) => Promise<Login | undefined>) | undefined;
  /** null: nothing asks for one; an empty list: for none at all. */
  readonly wanted: readonly WantedAuth[] | null;
  readonly context: (settings: ValueMap) => AuthContext;
  /** Asked only when something would be sent that nobody gave for this command and this server. */
  readonly isTrusted: (question: TrustQuestion) => Promise<boolean>;
  /** Told every text that must never be shown. */
  readonly hide: (text: string) => void;
  readonly tell: (text: string) => void;
  /** Told each file that a login was read from. */
  readonly onRead?: (path: string, text: string) => void;
}

/** What is known of the login in use; nothing in it is secret. */
export interface ChainState {
  readonly ways: readonly { readonly name: string; readonly title: string; readonly because: string }[];
  readonly principal: string | null;
  readonly audience: string | null;
  readonly expiresAtMs: number | null;
  /** Ways that would apply, and are kept back because nobody trusts the host. */
  readonly keptBack: readonly string[];
  /** The host of those, as a list of trusted hosts names it. */
  readonly keptFrom: string | null;
  /** How often a way was asked to log in. */
  readonly asked: number;
}

export interface Chain {
  /** Headers for the next request; undefined: there is nothing to log in with. Errors: SERVER_CREDENTIALS and others. */
  readonly login: (again: boolean) => Promise<LoginHeaders | undefined>;
  /** Client certificate and key of the login in use. */
  readonly tls: () => Login["tls"];
  readonly state: () => ChainState;
}

/** A chain that has asked nobody yet. */
export function buildChain(options: ChainOptions): Chain {
  let plan: Promise<Plan> | undefined;
  let held: Held | undefined;
  let pending: Promise<Held> | undefined;
  let failedAtMs: number | undefined;
  let lastTrouble = "";
  let asked = 0;
  let keptBack: readonly string[] = [];
  let keptFrom: string | null = null;
  let ways: readonly Way[] = [];
  const now = options.clock.nowMs;
  const steady = options.clock.monotonicMs;

  const renew = async (why: AuthTarget["why"]): Promise<Held> => {
    const { origin, namespace, bases } = options;
    const target = { origin, namespace, why, ...(bases === undefined ? {} : { bases }) };
    if (plan === undefined) plan = chooseSafely(options, target);
    const chosen = await plan;
    ({ keptBack, keptFrom = null, ways } = chosen);
    asked++;
    const logins = await askAll(ways, target, options);
    return hold(logins, options, { nowMs: now(), atMs: steady(), why });
  };

  const renewOnce = async (why: AuthTarget["why"]): Promise<Held> => {
    pending ??= renew(why).finally(() => {
      pending = undefined;
    });
    return await pending;
  };

  return {
    login: async (again) => {
      const before = held;
      const still = (login: Held): LoginHeaders => {
        if (login.expiresAtMs !== undefined && login.expiresAtMs <= now()) throw isOver(login.expiresAtMs, lastTrouble);
        return login.headers;
      };
      if (before !== undefined && !again && !isDue(before, now())) return still(before);
      if (before?.isEmpty) return undefined;
      // turned away although it was just renewed: another one would be too; or another request has just brought it
      const isNew = before !== undefined && before.why !== "first" && steady() - before.atMs < RETRY_MS;
      if (again && isNew && before.renewAtMs > 0) return still(before);
      const why = before === undefined ? "first" : again ? "refused" : "expiring";
      if (before !== undefined && failedAtMs !== undefined && steady() - failedAtMs < RETRY_MS) return still(before);
      try {
        held = await renewOnce(why);
        failedAtMs = undefined;
        lastTrouble = "";
      } catch (error) {
        if (before === undefined) {
          plan = undefined;
          throw error;
        }
        if (!isKfkError(error) || isStop(error)) throw error;
        failedAtMs = steady();
        if (error.message !== lastTrouble) options.tell(`cannot renew the login: ${error.message}`);
        lastTrouble = error.message;
        return still(before);
      }
      return held.isEmpty ? undefined : held.headers;
    },
    tls: () => held?.tls,
    state: () => ({
      ways: ways.map(({ provider, reason }) => ({
        name: provider.name,
        title: provider.title,
        because: reason.because,
      })),
      principal: held?.principal ?? null,
      audience: held?.audience ?? null,
      expiresAtMs: held?.expiresAtMs ?? null,
      keptBack,
      keptFrom,
      asked,
    }),
  };
}

// --- internal ---

const RETRY_MS = 10_000;

interface Way {
  readonly provider: AuthProvider;
  readonly reason: AuthReason;
  readonly context: AuthContext;
  /** True: it joins another. */
  readonly isBeside?: boolean;
}

interface Plan {
  readonly ways: readonly Way[];
  readonly keptBack: readonly string[];
  readonly keptFrom?: string;
}

/** The plan, after a person's word for whoever vouches for the server. */
async function chooseSafely(options: ChainOptions, target: AuthTarget): Promise<Plan> {
  const plan = await choose(options, target);
  const { ca, origin } = options;
  if (ca === undefined || plan.ways.length === 0) return plan;
  if (ca.isFree && plan.ways.every(({ reason }) => reason.how === "given")) return plan;
  const question = { kind: "ca", origin, provider: "tls", what: ca.file } as const;
  if (!(await options.isTrusted(question))) throw untrusted(question);
  return plan;
}

async function choose(options: ChainOptions, target: AuthTarget): Promise<Plan> {
  const beside = options.beside
    .flatMap((provider) => findWay(provider, target, options.context({})))
    .map((way) => ({ ...way, isBeside: true }));
  for (const { provider, reason } of beside) {
    if (reason.how === "given") continue;
    const what = reason.because;
    const question = { ...whomOf(provider, options), kind: "certificate", provider: provider.name, what } as const;
    if (!(await options.isTrusted(question))) throw untrusted(question);
  }
  if (options.hook) {
    const login = await options.hook(target);
    if (login !== undefined) {
      return { ways: [hookWay(options.hook, options.context({}), login), ...beside], keptBack: [] };
    }
  }
  if (options.wanted !== null) {
    const ways: Way[] = [];
    for (const wanted of options.wanted) ways.push(await findWanted(wanted, target, options));
    const isNamed = (way: Way): boolean => ways.some(({ provider }) => provider === way.provider);
    return { ways: [...ways, ...beside.filter((way) => !isNamed(way))], keptBack: [] };
  }
  const found = options.providers.flatMap((provider) => findWay(provider, target, options.context({})));
  const given = found.find(({ reason }) => reason.how === "given");
  if (given !== undefined) return { ways: [given, ...beside], keptBack: [] };
  const [ambient] = found;
  if (ambient === undefined) return { ways: beside, keptBack: [] };
  const { provider, reason } = ambient;
  const whom = whomOf(provider, options);
  const isTrusted = await options.isTrusted({ ...whom, kind: "host", provider: provider.name, what: reason.because });
  return isTrusted
    ? { ways: [ambient, ...beside], keptBack: [] }
    : { ways: beside, keptBack: [ambient.reason.because], keptFrom: trustName(whom) };
}

function findWay(provider: AuthProvider, target: AuthTarget, context: AuthContext): Way[] {
  const reason = applies(provider, target, context);
  return reason === undefined ? [] : [{ provider, reason, context }];
}

/** A file's name can be the project's, and stands in questions. */
function applies(provider: AuthProvider, target: AuthTarget, context: AuthContext): AuthReason | undefined {
  const reason = provider.applies(target, context);
  return reason && { ...reason, because: oneLine(reason.because) };
}

async function findWanted(wanted: WantedAuth, target: AuthTarget, options: ChainOptions): Promise<Way> {
  const known = [...options.providers, ...options.beside];
  const provider = known.find(({ name }) => name === wanted.name);
  if (provider === undefined) throw unknownWay(wanted.name, known);
  for (const key of Object.keys(wanted.settings)) {
    if (!provider.settings.includes(key)) throw unknownSetting(provider, key);
  }
  const context = options.context(wanted.settings);
  const found = applies(provider, target, context);
  const reason: AuthReason = found ?? { how: "ambient", because: `auth: ${provider.name}` };
  const whom = whomOf(provider, options);
  const trust = async (question: Omit<TrustQuestion, "provider">): Promise<void> => {
    const whole = { ...question, provider: provider.name };
    if (!(await options.isTrusted(whole))) throw untrusted(whole);
  };
  // what the project's files alone ask for is no consent of the person
  const isSet = (name: string): boolean => (context.env(name) ?? "").trim() !== "";
  const choices = Object.entries(wanted.isProjects ? wanted.settings : {}).filter(
    ([key]) => !provider.harmless?.includes(key) && !provider.variables?.[key]?.some(isSet),
  );
  if (choices.length > 0) {
    const list = choices.map(([key, value]) => `${key}: ${showSetting(value, context)}`).join(", ");
    const what = `what auth: ${provider.name} of kubeflow.yaml chooses (${list})`;
    await trust({ ...whom, kind: "settings", what });
  } else if (reason.how === "ambient") await trust({ ...whom, kind: "host", what: reason.because });
  if (wanted.isProjects && reason.endpoint !== undefined) {
    const other = URL.canParse(reason.endpoint) ? new URL(reason.endpoint).origin : reason.endpoint;
    await trust({ kind: "endpoint", origin: other, what: reason.because });
  }
  return { provider, reason, context };
}

/** Who gets a login. */
function whomOf(
  provider: AuthProvider,
  { origin, place, atServer }: ChainOptions,
): Pick<TrustQuestion, "origin" | "place"> {
  return { origin, place: atServer?.includes(provider) === true ? undefined : place };
}

/** In one line: a project's text must not draw on the terminal that asks about it. */
function showSetting(value: unknown, { redact }: AuthContext): string {
  const whole = redact(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  const text = whole.replaceAll(/[^\x20-\x7e]/g, "?");
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** `first`: what the hook has answered already; taken once. */
function hookWay(hook: NonNullable<ChainOptions["hook"]>, context: AuthContext, first: Login): Way {
  const ready = [first];
  const holdsSome = ({ headers, tls }: Login): boolean => tls !== undefined || Object.keys(headers).length > 0;
  const login = async (target: AuthTarget): Promise<Login> => {
    const next = ready.pop() ?? (await hook(target));
    if (next !== undefined && (holdsSome(next) || !holdsSome(first))) return next;
    throw gaveNone();
  };
  const provider = { name: "hook", title: "the project's hook auth", settings: [], applies: () => undefined, login };
  return { provider, reason: { how: "given", because: "the project's hook auth answered" }, context };
}

/** One after the other: what joins comes first, because a gate before a login page wants it there too. */
async function askAll(ways: readonly Way[], target: AuthTarget, options: ChainOptions): Promise<readonly Login[]> {
  const got = new Map<Way, Login>();
  for (const way of ways.toSorted((a, b) => Number(b.isBeside ?? false) - Number(a.isBeside ?? false))) {
    got.set(way, await askWay(way, target, options, [...got.values()]));
  }
  return ways.flatMap((way) => got.get(way) ?? []);
}

async function askWay(
  { provider, context: bare }: Way,
  target: AuthTarget,
  options: ChainOptions,
  earlier: readonly Login[],
): Promise<Login> {
  const context: AuthContext = {
    ...bare,
    readText: (path) => {
      const text = bare.readText(path);
      if (text !== undefined) options.onRead?.(path, text);
      return text;
    },
    fetch: async (url, init) =>
      await bare.fetch(url, earlier.length > 0 && isAt(url, options.origin) ? joined(init, earlier) : init),
  };
  try {
    return await provider.login(target, context);
  } catch (error) {
    if (isKfkError(error)) throw error;
    throw failed(provider, error, options);
  }
}

function isAt(url: string, origin: string): boolean {
  return URL.canParse(url) && new URL(url).origin === origin;
}

/** A request of one way to the server itself, with what the ways before it gave; its own headers hold. */
function joined(init: AuthRequest, earlier: readonly Login[]): AuthRequest {
  const own = new Headers(init.headers);
  const headers = new Headers(own);
  for (const login of earlier) {
    for (const [name, text] of Object.entries(login.headers)) {
      const there = headers.get(name);
      if (there === null) headers.set(name, text);
      else if (name.toLowerCase() === "cookie") headers.set(name, `${there}; ${text}`);
    }
  }
  const tls = earlier.find((login) => login.tls !== undefined)?.tls;
  return {
    ...init,
    headers: Object.fromEntries(headers),
    ...(tls === undefined ? {} : { tls: { ...tls, ...init.tls } }),
  };
}

function gaveNone(): KfkError {
  return new KfkError("SERVER_LOGIN", "the project's hook auth gave a login before, and gives none now", {
    hint: "let it throw an error that says why, or give the login again",
  });
}

function failed(provider: AuthProvider, error: unknown, options: ChainOptions): KfkError {
  const { message, hint, kind } = error as { message?: string; hint?: string; kind?: string };
  const code = kind === "unreachable" ? "SERVER_UNREACHABLE" : kind === "file" ? "SERVER_TOKEN_FILE" : "SERVER_LOGIN";
  const what =
    kind === "file" && provider.name === "token" ? "" : `cannot log in to ${options.origin} (${provider.name}): `;
  return new KfkError(code, oneLine(`${what}${message ?? String(error)}`), {
    hint: hint ?? `this looks like a fault of kfk; another way to log in is auth: token with KFK_TOKEN`,
  });
}

function unknownWay(name: string, known: readonly AuthProvider[]): KfkError {
  const names = [...known.map((each) => each.name), "none"];
  const near = suggest(name, names);
  return new KfkError("SERVER_LOGIN", `there is no way to log in called "${name}"`, {
    hint: near === undefined ? `use one of ${names.join(", ")}` : `did you mean ${near}?`,
  });
}

function unknownSetting(provider: AuthProvider, key: string): KfkError {
  const near = suggest(key, provider.settings);
  const list = provider.settings.length === 0 ? "it takes none" : `it takes ${provider.settings.join(", ")}`;
  return new KfkError("SERVER_LOGIN", `auth: ${provider.name} has no setting "${key}"`, {
    hint: near === undefined ? list : `did you mean ${near}?`,
  });
}

function isOver(expiresAtMs: number, trouble: string): KfkError {
  const end = `${new Date(expiresAtMs).toISOString().slice(0, 19)}Z`;
  const why = trouble === "" ? "the server does not take it any more" : trouble;
  return new KfkError("SERVER_LOGIN", `the login ended ${end}, and there is no new one: ${why}`, {
    hint: "log in again, then repeat the command",
  });
}
