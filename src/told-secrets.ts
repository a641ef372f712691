/**
 * What is secret in a request that logs in, and in its answer → told to whoever hides it. By the names that OAuth,
 * Google, Kubernetes and login forms give to headers and fields; everything else of a message may be shown.
 */

/** Tells the texts of a request or answer that are secret: headers that log in, and the fields of forms and JSON. */
export function hideSecrets(hide: (text: string) => void, headers: Headers, body: string | undefined): void {
  for (const [name, text] of headers) {
    if (LOGS_IN.test(name) && name !== "set-cookie") hideHeader(text, hide);
  }
  for (const cookie of headers.getSetCookie()) {
    const value = /^[^=;]*=([^;]*)/.exec(cookie)?.[1] ?? "";
    if (value.length >= LEAST_COOKIE) hide(value);
  }
  if (body === undefined || body === "") return;
  const jwt = /^\s*(eyJ[\w-]+\.[\w-]+\.[\w-]*)\s*$/.exec(body)?.[1];
  if (jwt !== undefined) return hide(jwt);
  if (/^\s*\{/.test(body)) hideFields(hide, parseJson(body), 0);
  else if (/^[\w.~%*+-]+=/.test(body) && !/\s/.test(body)) {
    for (const [name, text] of new URLSearchParams(body)) if (SECRET_FIELD.test(name)) hide(text);
  }
}

/** The whole text of a header, the token alone, what a Basic pair holds, and each cookie. */
export function hideHeader(text: string, hide: (text: string) => void): void {
  hide(text);
  const [, scheme = "", token] = /^(bearer|basic|negotiate)\s+(.+)$/i.exec(text) ?? [];
  if (token !== undefined) hide(token);
  if (token !== undefined && scheme.toLowerCase() === "basic") hidePair(token, hide);
  for (const [, value = ""] of text.matchAll(/(?:^|;\s*)[^=;\s]+=([^;]+)/g)) {
    if (value.length >= LEAST_COOKIE) hide(value);
  }
}

// --- internal ---

/** Shorter cookies are settings of a page (`lang=en`), and no sessions. */
const LEAST_COOKIE = 6;
const LOGS_IN = /authorization|cookie|token|secret|api-?key|password/i;
/** Fields of OAuth, Google, Kubernetes and of login forms. */
const SECRET_FIELD = /^(password|passwd|.*secret.*|.*assertion.*|.*jwt|(?!.*(type|uri|url)$).*token.*|code_verifier)$/i;

function hideFields(hide: (text: string) => void, value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null || depth > 4) return;
  for (const [name, item] of Object.entries(value)) {
    // a number or a word of a few letters is an error code, and no secret
    if (typeof item === "string" && item.length >= 8 && SECRET_FIELD.test(name)) hide(item);
    else hideFields(hide, item, depth + 1);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: nothing in it has a name
  }
}

/** `user:password` in base64; clients of OAuth write both percent-encoded (RFC 6749 section 2.3.1). */
function hidePair(base64: string, hide: (text: string) => void): void {
  let pair: string;
  try {
    pair = new TextDecoder().decode(Uint8Array.fromBase64(base64));
  } catch {
    return; // some other form of the header
  }
  const password = pair.slice(pair.indexOf(":") + 1);
  hide(pair);
  hide(password);
  try {
    hide(decodeURIComponent(password));
  } catch {
    // it is as it is
  }
}
