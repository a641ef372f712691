/**
 * The one way to a KFP server: a request → a judged answer, after as many attempts as its rules allow.
 *
 * Rules (reference/kfp-api.md 7.3): a deadline for each attempt that covers the body, a budget for all of them,
 * exponential backoff with full jitter, Retry-After obeyed. What could create twice is repeated only when the
 * attempt before cannot have arrived or was turned away. Redirects are never followed; the token goes to the one origin.
 *
 * ofetch is used through `createFetch` with the world's own fetch, so that tests hand in another; its retry, its
 * timeout (headers only) and its errors by status are switched off, because they know none of these rules. The jitter
 * comes from the world's random ids.
 */
import { createFetch } from "ofetch";
import * as v from "valibot";
import { type Code, isStop, KfkError } from "../error.ts";
import type { World } from "../world.ts";
import { type Answer, readAnswer, readFailure, readTextAnswer } from "./answer.ts";
import { wantsLogin } from "./gate.ts";
import { makeSecret, refuseLogin, type Secret } from "./secret.ts";

/** Where requests go and how: what `connect` makes once. */
export interface Link {
  readonly world: World;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path before `/apis`: "" or "/…". */
  readonly base: string;
  /** File with a bearer token, read again for every attempt because Kubernetes rotates it; null: none is sent. */
  readonly tokenFile: string | null;
  /** Headers that log in instead; `again`: those before were refused. Absent: none are known. */
  readonly login?: ((again: boolean) => Promise<LoginHeaders | undefined>) | undefined;
  /** True once it was asked: no person has to answer any more, so a new login is part of an attempt and its time. */
  readonly isLoginKnown?: boolean;
  /** Longest wait for one attempt, body included. */
  readonly attemptMs: number;
  /** Longest time for all attempts of one request. */
  readonly budgetMs: number;
  readonly userAgent: string;
  /** Gives up every request over this link. */
  readonly signal?: AbortSignal | undefined;
}

/** Header name → text. */
export type LoginHeaders = Readonly<Record<string, Secret>>;

export interface Ask {
  readonly method: "GET" | "POST" | "DELETE";
  /** From `/apis` on. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A JSON value or a form. */
  readonly body?: Readonly<Record<string, unknown>> | FormData;
  /** `always`: twice is as good as once. `unsent`: only what cannot have been carried out. `never`: one attempt. */
  readonly repeat: "always" | "unsent" | "never";
  /** True: the answer is text, not JSON, and is handed on as it is. */
  readonly text?: boolean;
  /** Instead of the link's, where a server is known to need longer. */
  readonly attemptMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Longest time for all attempts instead of the link's, by what the last one came to. */
  readonly budgetFor?: ((answer: Answer) => number) | undefined;
  /** Told before a pause that another attempt follows. */
  readonly onRepeat?: ((result: Result) => void) | undefined;
}

/** What came of a request, with what an error message needs. */
export interface Result {
  readonly answer: Answer;
  readonly method: string;
  readonly path: string;
  readonly url: string;
  readonly attempts: number;
}

/**
 * Sends a request and judges the answer; never throws for what the server or the network did.
 *
 * Errors: SERVER_TOKEN_FILE when the token cannot be read; STEP_SECRET when path, query or JSON hold a secret of the
 * environment; those of the login.
 */
export async function request(link: Link, asked: Ask): Promise<Result> {
  const ask = link.signal === undefined ? asked : { ...asked, signal: both(link.signal, asked.signal) };
  const { clock } = link.world;
  const startedMs = clock.monotonicMs();
  refuseSecrets(link, ask);
  let rereads = 1;
  for (let attempts = 1; ; attempts++) {
    const { answer, isFresh } = await attempt(link, ask, rereads > 0);
    const done = { answer, method: ask.method, path: ask.path, url: link.origin + link.base, attempts };
    if (ask.signal?.aborted) return done;
    if (isFresh) {
      rereads--;
      continue;
    }
    if (!isRepeatable(ask, answer)) return done;
    const waitMs = pauseMs(link, answer, attempts);
    if (clock.monotonicMs() - startedMs + waitMs >= (ask.budgetFor?.(answer) ?? link.budgetMs)) return done;
    ask.onRepeat?.(done);
    await clock.sleep(waitMs, ask.signal);
    if (ask.signal?.aborted) return done;
  }
}

/** The JSON of a good answer, checked; everything else is the error that it deserves. */
export function expectJson<S extends v.GenericSchema>(result: Result, schema: S): v.InferOutput<S> {
  if (result.answer.kind !== "ok") throw failedRequest(result);
  const parsed = v.safeParse(schema, result.answer.json);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? "";
  throw new KfkError("SERVER_ANSWER", `${describe(result)}: the answer is not what KFP answers`, {
    hint: "check that the host is Kubeflow Pipelines and not something before it",
    notes: [{ message: `${path === "" ? "the whole" : path}: ${issue.message}` }],
  });
}

/** The error for an answer that is not good, when nothing was created. */
export function failedRequest(result: Result): KfkError {
  const { answer } = result;
  const [code, hint] = judge(result);
  const where = answer.kind === "silent" ? `cannot reach ${result.url}: ` : "";
  const status = "status" in answer ? `${answer.status}, ` : "";
  const grpc = "code" in answer && answer.code !== null ? `code ${answer.code}, ` : "";
  const tries = result.attempts === 1 ? "1 attempt" : `${result.attempts} attempts`;
  return new KfkError(
    code,
    `${where}${answer.kind === "ok" ? "unexpected answer" : answer.message} (${describe(result)}: ${status}${grpc}${tries})`,
    { hint },
  );
}

/** How long the server wants to be left alone, 0 when it does not say. */
export function retryAfterMs(link: Link, answer: Answer): number {
  return "retryAfter" in answer ? readRetryAfter(answer.retryAfter, link.world.clock.nowMs()) : 0;
}

// --- internal ---

function both(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined || other === one ? one : AbortSignal.any([one, other]);
}

function bearer(token: Secret | undefined): LoginHeaders {
  return token === undefined ? {} : { authorization: makeSecret(`Bearer ${token.reveal()}`) };
}

function isSameLogin(a: LoginHeaders, b: LoginHeaders): boolean {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.every((name) => a[name]?.reveal() === b[name]?.reveal());
}

interface Attempt {
  readonly answer: Answer;
  /** True: it was turned away, and there is another login now. */
  readonly isFresh: boolean;
}

/** One attempt, with the login that it needs: between two of them one may end. `mayRenew`: ask for another one. */
async function attempt(link: Link, ask: Ask, mayRenew: boolean): Promise<Attempt> {
  const { clock } = link.world;
  const done = (answer: Answer, isFresh = false): Attempt => ({ answer, isFresh });
  let limit = link.isLoginKnown ? startLimit(link, ask) : undefined;
  try {
    const login = await askLogin(link, ask, false, limit);
    if ("silent" in login) return done(login.silent);
    const token = login.headers ? undefined : readToken(link);
    limit ??= startLimit(link, ask);
    const sentMs = clock.monotonicMs();
    const answer = await send(link, ask, login.headers ?? bearer(token), limit);
    trace(link, ask, answer, clock.monotonicMs() - sentMs);
    if (!mayRenew || ask.signal?.aborted) return done(answer);
    // the token was replaced while the request was under way
    if (answer.kind === "login" && answer.status === 401 && hasChanged(link, token)) return done(answer, true);
    if (!wantsLogin(answer) || !login.headers) return done(answer);
    const fresh = await askLogin(link, ask, true, limit);
    if ("silent" in fresh) return done(fresh.silent);
    return done(answer, fresh.headers !== undefined && !isSameLogin(login.headers, fresh.headers));
  } finally {
    limit?.end();
  }
}

/** The time of one attempt. */
interface Limit {
  readonly ms: number;
  /** Aborts when it is over. */
  readonly late: AbortSignal;
  readonly end: () => void;
}

function startLimit(link: Link, ask: Ask): Limit {
  const ms = ask.attemptMs ?? link.attemptMs;
  const late = new AbortController();
  const ended = new AbortController();
  void link.world.clock.sleep(ms, ended.signal).then(() => {
    if (!ended.signal.aborted) late.abort(new DOMException("too late", "TimeoutError"));
  });
  return { ms, late: late.signal, end: () => ended.abort() };
}

type LoginAnswer =
  | { readonly headers: LoginHeaders | undefined }
  /** None came in time, or none is wanted any more: nothing is sent. */
  | { readonly silent: Answer };

/** What gives the login may hang like any server; whoever asks next joins what goes on behind. */
async function askLogin(link: Link, ask: Ask, again: boolean, limit: Limit | undefined): Promise<LoginAnswer> {
  if (link.login === undefined) return { headers: undefined };
  const startedMs = link.world.clock.monotonicMs();
  try {
    const headers = ask.signal?.aborted ? ABORTED : await unlessAborted(link.login(again), ask.signal, limit?.late);
    if (headers !== ABORTED) return { headers };
  } catch (error) {
    // what the signal ended may say so as well
    if (!ask.signal?.aborted) throw error;
  }
  const message = ask.signal?.aborted
    ? "given up before there was a login"
    : `no new login within ${Math.round((limit?.ms ?? 0) / 100) / 10} s`;
  const silent = { kind: "silent", message, sent: false, tls: false } as const;
  trace(link, ask, silent, link.world.clock.monotonicMs() - startedMs);
  return { silent };
}

const ABORTED = Symbol("aborted");

/** The work, or `ABORTED` as soon as one of the signals aborts; what it comes to later is nobody's. */
async function unlessAborted<T>(
  work: Promise<T>,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<T | typeof ABORTED> {
  const stop = Promise.withResolvers<typeof ABORTED>();
  const onAbort = (): void => stop.resolve(ABORTED);
  for (const signal of signals) {
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort);
  }
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    for (const signal of signals) signal?.removeEventListener("abort", onAbort);
  }
}

async function send(link: Link, ask: Ask, login: LoginHeaders, limit: Limit): Promise<Answer> {
  const { late } = limit;
  try {
    const query = ask.query === undefined ? "" : `?${new URLSearchParams(ask.query).toString()}`;
    const fetchOnce = createFetch({
      fetch: ((url: string, init: RequestInit) => link.world.fetch(url, init)) as typeof fetch,
    });
    const response = await fetchOnce.raw(`${link.origin}${link.base}${ask.path}${query}`, {
      method: ask.method,
      headers: {
        accept: ask.text ? "text/plain, application/json" : "application/json",
        "user-agent": link.userAgent,
        ...Object.fromEntries(Object.entries(login).map(([name, secret]) => [name, secret.reveal()])),
      },
      ...(ask.body === undefined ? {} : { body: ask.body as Record<string, unknown> }),
      redirect: "manual",
      responseType: "text",
      ignoreResponseError: true,
      retry: 0,
      signal: ask.signal ? AbortSignal.any([late, ask.signal]) : late,
    });
    const body = response._data ?? "";
    // a server may repeat in its refusal what it was sent
    const shown = response.status >= 300 ? withoutSecrets(link, withoutLogin(body, login)) : body;
    return (ask.text ? readTextAnswer : readAnswer)(response.status, response.headers, shown);
  } catch (error) {
    if (ask.signal?.aborted && !late.aborted) {
      return { kind: "silent", message: "given up before there was an answer", sent: true, tls: false };
    }
    // a signal ended what opens the way to the server
    if (error instanceof Error && isStop(error.cause)) throw error.cause;
    return readFailure(error, late.aborted ? limit.ms : undefined);
  }
}

/** Names of runs and experiments, filters, parameters: the server keeps them for all to read. Documents were looked at. */
function refuseSecrets({ world }: Link, { path, query, body }: Ask): void {
  // words of the API are the same whatever the secret is
  const names = path.split("/").filter((part) => !/^[a-z_:]+$/i.test(part));
  const sent = [...names, ...Object.values(query ?? {}), ...(body instanceof FormData ? [] : textsOf(body))];
  const [name] = world.secrets?.variablesIn(sent.join("\n")) ?? [];
  if (name === undefined) return refuseLogin(world, sent.join("\n"), "what is sent");
  throw new KfkError("STEP_SECRET", `what is sent would hold the value of the environment variable ${name}`, {
    hint: "take it out of the names and parameters of the run, which the server keeps for all to read",
  });
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return value === undefined ? [] : [String(value)];
  return Object.values(value).flatMap(textsOf);
}

/** What else is known to be secret, before the text is cut to a line. */
function withoutSecrets(link: Link, text: string): string {
  return link.world.secrets?.redact(text) ?? text;
}

function withoutLogin(text: string, login: LoginHeaders): string {
  const values = Object.values(login).flatMap((secret) => {
    const whole = secret.reveal();
    return [whole, whole.replace(/^\w+ /, "")].filter((value) => value !== "");
  });
  return values.reduce((out, value) => out.replaceAll(value, "[redacted]"), text);
}

/** One line for each attempt with `KFK_DEBUG=api`: no header, no body, no host, so nothing that could be a secret. */
function trace(link: Link, ask: Ask, answer: Answer, ms: number): void {
  if (link.world.env["KFK_DEBUG"] !== "api") return;
  const status = "status" in answer ? ` ${answer.status}` : "";
  const message = answer.kind === "ok" ? "" : `: ${"message" in answer ? answer.message : ""}`;
  link.world.err.write(`api: ${ask.method} ${ask.path} -> ${answer.kind}${status} in ${Math.round(ms)} ms${message}\n`);
}

function isRepeatable(ask: Ask, answer: Answer): boolean {
  switch (answer.kind) {
    case "busy":
      return ask.repeat !== "never";
    case "silent":
      if (answer.tls) return false; // a certificate does not become good, nor a plain port TLS
      return ask.repeat === "always" || (ask.repeat === "unsent" && !answer.sent);
    case "broken":
      return ask.repeat === "always";
    case "failed":
      // 500 in KFP's own words is mostly a lasting reason
      return ask.repeat === "always" && !(answer.said && answer.status === 500);
    default:
      return false;
  }
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Full jitter: anything from a tenth of the exponential bound up to it; Retry-After is a lower bound. */
function pauseMs(link: Link, answer: Answer, attempts: number): number {
  const bound = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
  const random = Number.parseInt(link.world.newId().slice(0, 8), 16) / 2 ** 32;
  const asked = retryAfterMs(link, answer);
  return Math.max(asked, Math.round(bound * Math.max(0.1, random)));
}

/** Seconds or an HTTP date → milliseconds from now; 0 for none or nonsense (RFC 9110 section 10.2.3). */
function readRetryAfter(value: string | null, nowMs: number): number {
  if (value === null) return 0;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}

function readToken(link: Link): Secret | undefined {
  if (link.tokenFile === null) return undefined;
  const text = link.world.files.readText(link.tokenFile)?.trim();
  if (text === undefined || text === "")
    throw badToken(link.tokenFile, text === undefined ? "is not there" : "is empty");
  if (!/^[\x21-\x7e]+$/.test(text)) throw badToken(link.tokenFile, "is not one token");
  return makeSecret(text);
}

function hasChanged(link: Link, token: Secret | undefined): boolean {
  return token !== undefined && readToken(link)?.reveal() !== token.reveal();
}

function judge({ answer, url }: Result): readonly [Code, string] {
  switch (answer.kind) {
    case "silent":
      return answer.tls
        ? [
            "SERVER_UNREACHABLE",
            "name the CA of the server's certificate with --ca-cert, or write http:// in --host when it speaks plain http",
          ]
        : ["SERVER_UNREACHABLE", `check that ${url} is right and can be reached from here, then try again`];
    case "gate":
      return [
        "SERVER_GATE",
        "something before the API wants a login, or the host is wrong: check --host, or log in with --token-file",
      ];
    case "login":
      if (answer.status === 401) return ["SERVER_LOGIN", "log in: give a valid token with --token-file"];
      return answer.message.endsWith("with a web page")
        ? [
            "SERVER_LOGIN",
            "a gate before the API does not let this through: log in (kfk auth list names the ways), or ask who runs it",
          ]
        : [
            "SERVER_LOGIN",
            "ask for the right to do this in the namespace, or log in as somebody else with --token-file",
          ];
    case "refused":
      return ["SERVER_REFUSED", "change what the message names; trying again gives the same answer"];
    case "failed":
    case "busy":
      return ["SERVER_ERROR", "try again later; the server's own log says more"];
    case "broken":
    case "ok":
      return ["SERVER_ANSWER", "try again; when it stays, something on the way cuts answers off"];
  }
}

function describe(result: Result): string {
  return `${result.method} ${result.path}`;
}

function badToken(file: string, problem: string): KfkError {
  return new KfkError("SERVER_TOKEN_FILE", `the token file ${file} ${problem}`, {
    hint: "write one bearer token into it, or leave --token-file out",
  });
}
