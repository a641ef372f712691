/**
 * One question to whoever gives out tokens → its JSON, or a failure with what it said: `error` and
 * `error_description` alone, because the rest of such answers can hold secrets, and what is known to be secret is taken
 * out of them before they are cut. Redirects are no answer.
 * A 5xx or 429 is asked once more. Where this machine's clock differs from the answer's by over a minute, that is said.
 */
import type { AuthContext, AuthRequest } from "../contract.ts";
import { isAuthFailure, refused, unreachable } from "./failure.ts";

/** What a token endpoint gives; fields as OAuth names them. */
export interface TokenAnswer {
  readonly access_token?: unknown;
  readonly id_token?: unknown;
  readonly expires_in?: unknown;
  readonly [key: string]: unknown;
}

/** POST of a form. `what` begins messages: "Google's token endpoint". */
export async function askForm(
  context: AuthContext,
  url: string,
  form: Readonly<Record<string, string>>,
  what: string,
  hint: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer> {
  return await askJson(
    context,
    url,
    {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json", ...headers },
      body: new URLSearchParams({ ...form }).toString(),
    },
    what,
    hint,
  );
}

/** Any request that is answered with a JSON object. */
export async function askJson(
  context: AuthContext,
  url: string,
  request: AuthRequest,
  what: string,
  hint: string,
): Promise<TokenAnswer> {
  let response = await ask(context, url, request, what);
  if (response.status >= 500 || response.status === 429) response = await ask(context, url, request, what);
  const text = await response.text();
  const json = parseObject(text);
  if (response.status >= 200 && response.status < 300 && json !== undefined) return json;
  if (response.status >= 500 || response.status === 429) {
    throw unreachable(`${what} answers ${response.status}`, "try again later");
  }
  const said = describeError(context, json);
  const skew = describeSkew(context, response.headers.get("date"));
  throw refused(`${what} says no (${response.status}${said === "" ? "" : `: ${said}`})${skew}`, hint);
}

/** A token of an answer, with the time that it holds. */
export function readToken(
  context: AuthContext,
  answer: TokenAnswer,
  key: "access_token" | "id_token" | "token" | "accessToken",
  what: string,
): { readonly token: string; readonly expiresAtMs: number | undefined } {
  const token = answer[key];
  if (typeof token !== "string" || token === "")
    throw refused(`${what} gave no ${key}`, "check what this account may do");
  const seconds = Number(answer.expires_in);
  const at = typeof answer["expireTime"] === "string" ? Date.parse(answer["expireTime"]) : Number.NaN;
  const expiresAtMs = Number.isFinite(at) ? at : seconds > 0 ? context.nowMs() + seconds * 1000 : undefined;
  return { token, expiresAtMs };
}

// --- internal ---

async function ask(context: AuthContext, url: string, request: AuthRequest, what: string) {
  try {
    return await context.fetch(url, request);
  } catch (error) {
    if (!isAuthFailure(error)) throw error;
    throw Object.assign(new Error(`${what}: ${error.message}`), { hint: error.hint, kind: error.kind });
  }
}

function parseObject(text: string): TokenAnswer | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as TokenAnswer) : undefined;
  } catch {
    return undefined; // an answer that is no JSON says nothing that could be shown
  }
}

/** OAuth's `error` and `error_description`, or Google's and Kubernetes' `message`. */
function describeError(context: AuthContext, json: TokenAnswer | undefined): string {
  if (json === undefined) return "";
  const { error, error_description: description, message } = json;
  const inner = typeof error === "object" && error !== null ? (error as { message?: unknown }).message : error;
  return [inner, description, message]
    .filter((each): each is string => typeof each === "string")
    .map((each) =>
      context
        .redact(each)
        .replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, " ")
        .slice(0, 200),
    )
    .join(": ");
}

function describeSkew(context: AuthContext, date: string | null): string {
  const skewMs = Date.parse(date ?? "") - context.nowMs();
  if (!(Math.abs(skewMs) > 60_000)) return "";
  const minutes = Math.max(1, Math.round(Math.abs(skewMs) / 60_000));
  return `; this machine's clock is ${minutes} min ${skewMs > 0 ? "behind" : "ahead of"} the server's`;
}
