/**
 * What the ways to log in gave → the one login that is held: its headers, for how long, and when it is asked for again.
 * Pure but for what it tells `hide`. Refused: a login for another server, a header that is none, two that contradict each other, one that is over.
 */
import { LAST_MS } from "../../hooks/auth/jwt.ts";
import type { AuthTarget, Login } from "../../hooks/contract.ts";
import { KfkError } from "../error.ts";
import { oneLine } from "../terminal-text.ts";
import { hideHeader, withoutLikely } from "../told-secrets.ts";
import type { LoginHeaders } from "./request.ts";
import { makeSecret } from "./secret.ts";

export interface Held {
  readonly headers: LoginHeaders;
  readonly tls: Login["tls"];
  readonly principal: string | undefined;
  readonly audience: string | undefined;
  readonly expiresAtMs: number | undefined;
  /** By the wall clock; 0: at once. */
  readonly renewAtMs: number;
  /** When it was got, by the steady clock. */
  readonly atMs: number;
  readonly why: AuthTarget["why"];
  readonly isEmpty: boolean;
}

/**
 * Joins what several ways gave for one request. `origin`: of the server; `hide`: told every secret; `nowMs`: by the wall
 * clock. Errors: SERVER_LOGIN.
 */
export function hold(
  logins: readonly Login[],
  options: { readonly origin: string; readonly hide: (text: string) => void },
  got: Pick<Held, "atMs" | "why"> & { readonly nowMs: number },
): Held {
  const { nowMs, atMs, why } = got;
  const headers: Record<string, ReturnType<typeof makeSecret>> = {};
  for (const login of logins) {
    if (login.origin !== undefined && login.origin !== options.origin) throw elsewhere(login.origin, options.origin);
    for (const [name, text] of Object.entries(login.headers)) {
      hideHeader(text, options.hide);
      // a scheme with nothing behind it, or a text that no header can hold, is no login
      if (/^\s*(bearer|basic|negotiate)?\s*$/i.test(text)) throw badHeader(name, "is empty");
      if (/^\s*(bearer|basic|negotiate)?\s*(undefined|null|\[object Object\])\s*$/i.test(text)) {
        throw badHeader(name, "has nothing in the place of a token");
      }
      if (!/^[\t\x20-\x7e\x80-\xff]+$/.test(text)) throw badHeader(name, "holds what no header can hold");
      const key = name.toLowerCase();
      if (headers[key] !== undefined && headers[key].reveal() !== text) {
        if (key !== "cookie") throw twice(name);
        headers[key] = makeSecret(`${headers[key].reveal()}; ${text}`);
      } else headers[key] = makeSecret(text);
    }
    if (login.tls) options.hide(login.tls.key);
  }
  const ends = logins
    .map(({ expiresAtMs }) => expiresAtMs)
    .filter((each) => each !== undefined)
    .filter((each) => Math.abs(each) <= LAST_MS);
  const expiresAtMs = ends.length === 0 ? undefined : Math.min(...ends);
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) throw overAlready(expiresAtMs, nowMs);
  const isRead = logins.some(({ keep }) => keep === false);
  return {
    headers,
    tls: logins.find(({ tls }) => tls !== undefined)?.tls,
    principal: shownOf(logins.find(({ principal }) => principal !== undefined)?.principal),
    audience: shownOf(logins.find(({ audience }) => audience !== undefined)?.audience),
    expiresAtMs,
    renewAtMs: isRead
      ? 0
      : expiresAtMs === undefined
        ? Number.POSITIVE_INFINITY
        : expiresAtMs - Math.min(MARGIN_MS, (expiresAtMs - nowMs) / 2),
    atMs,
    why,
    isEmpty: logins.length === 0,
  };
}

/** True when it is to be renewed, a minute before its end or at half of a shorter life. */
export function isDue(held: Held, nowMs: number): boolean {
  return nowMs >= held.renewAtMs;
}

// --- internal ---

const MARGIN_MS = 60_000;

/** What a token says of itself may have been written by anybody. */
function shownOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : oneLine(text);
}

function badHeader(name: string, problem: string): KfkError {
  return new KfkError("SERVER_LOGIN", `the header ${withoutLikely(name)} of the login ${problem}`, {
    hint: "look at what gives the login; kfk auth status says which it is",
  });
}

function elsewhere(bound: string, origin: string): KfkError {
  return new KfkError("SERVER_LOGIN", `the login is for ${bound}, and the server is ${origin}`, {
    hint: "log in for this server",
  });
}

function twice(name: string): KfkError {
  return new KfkError("SERVER_LOGIN", `two ways to log in both set the header ${name}`, {
    hint: "leave one of them out of auth:",
  });
}

/** A time before 1973 is one in seconds. */
const LEAST_MS = 1e11;

function overAlready(expiresAtMs: number, nowMs: number): KfkError {
  const show = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  return new KfkError(
    "SERVER_LOGIN",
    `the login that was given ended ${show(expiresAtMs)}, and it is ${show(nowMs)} by this machine's clock`,
    {
      hint:
        Math.abs(expiresAtMs) < LEAST_MS
          ? "expiresAtMs is a time in milliseconds: multiply seconds by 1000"
          : "set the clock of this machine, then try again",
    },
  );
}
