/**
 * What an answer means. Comes in: status, headers and body of one HTTP answer, or the error that stood in its place;
 * goes out: a verdict that retry rules and callers decide by. Pure.
 *
 * Nothing is believed by status alone: proxies and login pages answer 200 with HTML, upload handlers label JSON as
 * text, gateways call a bad request 409 (reference/kfp-api.md 1.3 and 1.4, checked with the recordings of 1.8.22,
 * 2.0.5, 2.5.0 and 2.17.0).
 */
import * as v from "valibot";
import { errorSchema } from "../../schemas/kfp-api.ts";
import { oneLine as lineOf } from "../terminal-text.ts";

/** One answer, judged. */
export type Answer =
  | { readonly kind: "ok"; readonly status: number; readonly json: unknown }
  /** The server understood and says no; nothing was done. */
  | Refusal<"refused">
  /** The server failed. `said`: in its own words and for good; else a proxy spoke, or it may go on by itself. */
  | (Refusal<"failed"> & { readonly said: boolean })
  /** Too many requests; nothing was done. */
  | Refusal<"busy">
  /** 401 or 403. */
  | Refusal<"login">
  /** A page or a redirect of something that stands before the API. */
  | { readonly kind: "gate"; readonly status: number; readonly message: string }
  /** An answer that began well and is not whole. What was asked may be done. */
  | { readonly kind: "broken"; readonly status: number; readonly message: string }
  /** No answer. `sent` is false when the request cannot have arrived; `tls` when no trusted connection came about. */
  | { readonly kind: "silent"; readonly message: string; readonly sent: boolean; readonly tls: boolean };

interface Refusal<K extends string> {
  readonly kind: K;
  readonly status: number;
  /** gRPC code, null where the handler gives none. */
  readonly code: number | null;
  readonly message: string;
  readonly retryAfter: string | null;
}

/** Judges a complete HTTP answer. */
export function readAnswer(status: number, headers: Headers, body: string): Answer {
  const json = parseJson(body);
  const html = isHtml(headers, body);
  const retryAfter = headers.get("retry-after");
  if (status >= 300 && status < 400) return { kind: "gate", status, message: describeRedirect(headers) };
  if (status >= 200 && status < 300) {
    if (json !== undefined) return { kind: "ok", status, json };
    if (html) return { kind: "gate", status, message: "answered with a web page" };
    if (body.trim() === "" || looksLikeJson(headers, body)) {
      return { kind: "broken", status, message: body.trim() === "" ? "the answer is empty" : "the answer is cut off" };
    }
    return { kind: "gate", status, message: "answered with something that is not JSON" };
  }
  const error = json === undefined ? undefined : readError(json);
  const message = error?.message ?? (html ? `answered ${status} with a web page` : shortText(status, body));
  const refusal = { status, code: error?.code ?? null, message, retryAfter };
  // what upload handlers say without a right, or without a login (recordings `mu.upload.*`)
  const isNoRight = status === 400 && message === "Failed to create a pipeline";
  if (isNoRight) return { kind: "login", ...refusal, message: `${message}: no right to do so in this namespace` };
  if (status === 401 || status === 403) return { kind: "login", ...refusal };
  if (status === 429) return { kind: "busy", ...refusal };
  // 503 and 504 of KFP: it lost patience with Kubernetes or a database, which may yet do what was asked
  const said = error?.isKfps === true && (status === 500 || status === 501);
  // 499: the gateway gave up on a request that the server may have carried out
  if (status >= 500 || status === 408 || status === 499) return { kind: "failed", ...refusal, said };
  if (html) return { kind: "gate", status, message };
  return { kind: "refused", ...refusal };
}

/** Judges a complete HTTP answer to a request for text, such as a log: then `json` is the text itself. */
export function readTextAnswer(status: number, headers: Headers, body: string): Answer {
  if (status < 200 || status >= 300) return readAnswer(status, headers, body);
  if (isHtml(headers, body)) return { kind: "gate", status, message: "answered with a web page" };
  // the log handler begins with 200 and puts its failure behind what it has sent
  const tail = /\{"error_message":[^\n]*\}\s*$/.exec(body);
  const error = tail === null ? undefined : readError(parseJson(tail[0]));
  if (tail === null || error === undefined) return { kind: "ok", status, json: body };
  return tail.index === 0
    ? { kind: "refused", status: 404, code: error.code, message: error.message, retryAfter: null }
    : { kind: "ok", status, json: body.slice(0, tail.index) };
}

/**
 * Judges what fetch threw; an error with `isUnsent` comes from a way of kfk's own that carried nothing, and says why.
 * `timeoutMs`: set when the deadline of this attempt was what ended it.
 */
export function readFailure(thrown: unknown, timeoutMs: number | undefined): Answer {
  if (timeoutMs !== undefined) {
    return {
      kind: "silent",
      message: `no answer within ${Math.round(timeoutMs / 100) / 10} s`,
      sent: true,
      tls: false,
    };
  }
  const unsent = causes(thrown).find((each) => "isUnsent" in each);
  if (unsent !== undefined) return { kind: "silent", message: oneLine(unsent.message), sent: false, tls: false };
  const code = findCode(thrown);
  const tls = code !== undefined && TLS.test(code);
  if (tls) return { kind: "silent", message: `no trusted connection (${code})`, sent: false, tls };
  const known = code === undefined ? undefined : NETWORK[code];
  return { kind: "silent", message: known?.message ?? code ?? messageOf(thrown), sent: !known?.unsent, tls };
}

/** True when what was to be created is there already. 409 with code 10 is a plain bad request (gRPC Aborted). */
export function isDuplicate(answer: Answer): boolean {
  if (answer.kind !== "refused" && answer.kind !== "failed") return false;
  if (answer.status === 409) return answer.code === null || answer.code === GRPC.alreadyExists;
  return answer.status === 500 && /already exists?\b/i.test(answer.message);
}

/** True when the database has the run already, which is an answer to a second request: the Workflow of the request that failed is there as well. */
export function isDuplicateRun(answer: Answer): boolean {
  if (answer.kind !== "refused" && answer.kind !== "failed") return false;
  return /duplicate (entry|key)|already exists?\b|unique constraint/i.test(answer.message);
}

/**
 * True when nothing was done for sure: KFP itself said no before it began, or the request did not get there. Code 10
 * (Aborted) may come later; a refusal of something in front of KFP may stand in place of any answer.
 */
export function isTurnedAway(answer: Answer): boolean {
  switch (answer.kind) {
    case "silent":
      return !answer.sent;
    case "busy":
      return true;
    case "login":
    case "refused":
      return answer.code !== null && BEFORE.has(answer.code);
    default:
      return false;
  }
}

/** True when the request may have been carried out although no good answer came back. */
export function mayHaveActed(answer: Answer): boolean {
  switch (answer.kind) {
    case "broken":
    case "failed":
      return true;
    case "silent":
      return answer.sent;
    case "gate":
      return answer.status < 300; // a page in place of the answer: what stood behind it is not known
    default:
      return false;
  }
}

/** True when nothing is at that address, whoever says so. */
export function isNowhere(answer: Answer): boolean {
  return answer.kind === "refused" && answer.status === 404;
}

/** True when KFP itself says that it knows nothing by that id; a 404 of something in front of it is no such word. */
export function isMissing(answer: Answer): boolean {
  return answer.kind === "refused" && answer.status === 404 && answer.code === GRPC.notFound;
}

/** Why nobody was there to ask: `name`: there is no such name; `port`: nothing listens, or no way leads there. */
export function absentBy(answer: Answer): "name" | "port" | undefined {
  if (answer.kind !== "silent" || answer.sent) return undefined;
  if (answer.message === NETWORK["ENOTFOUND"]?.message) return "name";
  const codes = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"];
  return codes.some((code) => NETWORK[code]?.message === answer.message) ? "port" : undefined;
}

/** The host and port of a whole http address, never the user and password before them; undefined for anything else. */
export function hostOf(address: string): string | undefined {
  const whole = address.trim();
  if (!/^https?:/i.test(whole) || !URL.canParse(whole)) return undefined;
  return new URL(whole).host || undefined;
}

// --- internal ---

/** gRPC codes (google.rpc.Code). */
const GRPC = { notFound: 5, alreadyExists: 6, internal: 13 };
/** Said before anything is done: InvalidArgument, NotFound, PermissionDenied, FailedPrecondition, Unauthenticated. */
const BEFORE: ReadonlySet<number> = new Set([3, 5, 7, 9, 16]);

/** Codes of Bun 1.4.5's fetch and of Node's network layer. */
const NETWORK: Readonly<Record<string, { readonly message: string; readonly unsent: boolean }>> = {
  ECONNREFUSED: { message: "connection refused", unsent: true },
  ConnectionRefused: { message: "connection refused", unsent: true },
  ENOTFOUND: { message: "no such host", unsent: true },
  EAI_AGAIN: { message: "the host's name cannot be looked up now", unsent: true },
  EHOSTUNREACH: { message: "no route to the host", unsent: true },
  ENETUNREACH: { message: "no route to the network", unsent: true },
  ECONNRESET: { message: "the connection was cut", unsent: false },
  ConnectionClosed: { message: "the connection was cut", unsent: false },
  EPIPE: { message: "the connection was cut", unsent: false },
  ETIMEDOUT: { message: "the connection timed out", unsent: false },
};
/** Certificates, and EPROTO: the port does not speak TLS at all. */
const TLS = /CERT|TLS|SSL|SIGNATURE|ISSUER|EPROTO/;

/** `isKfps`: in a form that the server's own code writes; gateways answer `{"message": …}` too. */
function readError(
  json: unknown,
): { readonly code: number | null; readonly message: string; readonly isKfps: boolean } | undefined {
  const parsed = v.safeParse(errorSchema, json);
  if (!parsed.success) return undefined;
  const { code, message, error, error_message, details } = parsed.output;
  if (error_message !== undefined)
    return { code: code ?? null, message: explainUpload(oneLine(error_message)), isKfps: true };
  const whole = message ?? error;
  if (whole === undefined) return undefined;
  // for code 13 the short text is always "Internal Server Error" (2.0.5 to 2.17.0)
  const short = code === GRPC.internal ? undefined : (details[0]?.message ?? details[0]?.error_message);
  return { code: code ?? null, message: explainRight(oneLine(short ?? whole)), isKfps: code != null };
}

/** Who may not do what where, out of how servers for many users put it (recordings `mu.*`). */
function explainRight(message: string): string {
  const form =
    /User '([^']*)' is not authorized with reason:.*&ResourceAttributes\{Namespace:([^,]*),Verb:([^,]*),.*?Resource:([^,]*),/;
  const [, user = "", namespace = "", verb = "", resource = ""] = form.exec(message) ?? [];
  if (verb === "") return message;
  return `${user} may not ${verb} ${resource}${namespace === "" ? "" : ` in the namespace ${namespace}`}`;
}

/** From 2.15 on the upload handlers keep the reason to themselves. */
function explainUpload(message: string): string {
  return message.endsWith("a pipeline version") ? `${message} (this server does not say why)` : message;
}

function parseJson(body: string): unknown {
  const start = body.trimStart().charAt(0);
  if (start !== "{" && start !== "[") return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // judged by the caller: cut off, or not meant to be JSON
  }
}

function looksLikeJson(headers: Headers, body: string): boolean {
  return /\bjson\b/i.test(headers.get("content-type") ?? "") || /^\s*[{[]/.test(body);
}

function isHtml(headers: Headers, body: string): boolean {
  return /\bhtml\b/i.test(headers.get("content-type") ?? "") || /^\s*<(!doctype|html|head|body)/i.test(body);
}

/** Host alone: the rest of a login URL may carry state that belongs to nobody's log. */
function describeRedirect(headers: Headers): string {
  const location = headers.get("location") ?? "";
  const host = hostOf(location);
  return host === undefined ? "answered with a redirect" : `redirects to ${host}`;
}

function shortText(status: number, body: string): string {
  const text = oneLine(body);
  return text === "" || text === "{}" ? `answered ${status} without a word` : text;
}

const MAX_MESSAGE = 600;

function oneLine(text: string): string {
  const line = lineOf(text);
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}

function findCode(thrown: unknown): string | undefined {
  return causes(thrown)
    .map((each) => (each as { code?: unknown }).code)
    .find((code) => typeof code === "string");
}

function causes(thrown: unknown): readonly Error[] {
  const all: Error[] = [];
  for (let at: unknown = thrown; at instanceof Error && all.length < 5; at = at.cause) all.push(at);
  return all;
}

/** Of whoever knew first: what wraps it repeats the address. */
function messageOf(thrown: unknown): string {
  const first = causes(thrown).at(-1);
  if (first === undefined) return "the request failed";
  // what unpacking says of half a packed body (Bun 1.4.5)
  const isCutOff = first instanceof TypeError && first.message === "unexpected end of file";
  return isCutOff ? "a packed answer was cut off" : oneLine(first.message);
}
