/**
 * What a token says of itself, read without checking it: for what is shown, and to notice before sending that a token
 * is over or meant for somebody else. Whoever receives it checks it.
 */
import type { AuthContext, Login } from "../contract.ts";
import { refused } from "./failure.ts";

export interface Claims {
  readonly expiresAtMs: number | undefined;
  readonly audiences: readonly string[];
  /** E-mail address, else the subject. */
  readonly principal: string | undefined;
  readonly issuer: string | undefined;
}

/** The claims of a JWT; undefined for a token of another form. */
export function readClaims(token: string): Claims | undefined {
  const [, middle, , ...more] = token.split(".");
  if (middle === undefined || more.length > 0 || !token.startsWith("eyJ")) return undefined;
  try {
    const json: unknown = JSON.parse(
      new TextDecoder().decode(Uint8Array.fromBase64(middle, { alphabet: "base64url" })),
    );
    if (typeof json !== "object" || json === null) return undefined;
    const { exp, aud, email, sub, iss } = json as Record<string, unknown>;
    return {
      expiresAtMs: typeof exp === "number" && Math.abs(exp * 1000) <= LAST_MS ? exp * 1000 : undefined,
      audiences: (Array.isArray(aud) ? aud : [aud]).filter((each): each is string => typeof each === "string"),
      principal: [email, sub].find((each): each is string => typeof each === "string"),
      issuer: typeof iss === "string" ? iss : undefined,
    };
  } catch {
    return undefined; // not base64, or not JSON: some other kind of token
  }
}

/**
 * A bearer token as a login. `what` names it in messages.
 *
 * Refused: what is no single token, and a JWT that is over by this machine's clock.
 */
export function bearerLogin(token: string, what: string, context: AuthContext, more: Partial<Login> = {}): Login {
  context.hide(token);
  if (!/^[\x21-\x7e]+$/.test(token)) throw refused(`${what} is not one token`, "give the token alone, in one line");
  const claims = readClaims(token);
  if (claims?.expiresAtMs !== undefined && claims.expiresAtMs <= context.nowMs()) {
    throw refused(
      `${what} was valid until ${showTime(claims.expiresAtMs)}, and it is ${showTime(context.nowMs())} by this machine's clock`,
      "get a new token, or set the clock",
    );
  }
  // what the token says of itself and what came with it: the earlier end is the one
  const ends = [claims?.expiresAtMs, more.expiresAtMs].filter((each) => each !== undefined);
  return {
    headers: { Authorization: `Bearer ${token}` },
    ...(claims?.principal === undefined ? {} : { principal: claims.principal }),
    ...(claims === undefined || claims.audiences.length === 0 ? {} : { audience: claims.audiences.join(", ") }),
    ...more,
    ...(ends.length === 0 ? {} : { expiresAtMs: Math.min(...ends) }),
  };
}

/**
 * The login, if its token says that it is for this audience or says nothing of any; without an audience the login as
 * it is. A token for somebody else must not leave this machine.
 */
export function holdTo(login: Login, audience: string | undefined, what: string): Login {
  if (audience === undefined) return login;
  const claims = readClaims((login.headers["Authorization"] ?? "").replace(/^Bearer /, ""));
  if (claims === undefined || claims.audiences.length === 0 || claims.audiences.includes(audience)) return login;
  throw refused(
    `${what} is meant for ${claims.audiences.join(", ")}, and auth: wants ${audience}`,
    `get a token for ${audience}, or correct the audience`,
  );
}

/** The last time that a date can be (ECMA-262, Time Values); a login that ends behind it has no end. */
export const LAST_MS = 8.64e15;

/** UTC to the second. */
export function showTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
