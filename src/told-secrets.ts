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

/**
 * All that an answer of the hook `auth` can hold of a login, whatever its form: the texts of headers, the key of a client
 * certificate, and every other text that is not there to be shown.
 */
export function hideLogin(answer: unknown, hide: (text: string) => void): void {
  if (typeof answer === "string") return hideHeader(answer, hide);
  if (typeof answer !== "object" || answer === null) return;
  for (const [name, item] of Object.entries(answer)) {
    if (typeof item !== "string" || !IS_SHOWN.test(name)) hideLogin(item, hide);
  }
}

/** What a file or a program gives to a way to log in: its secret fields, or one word that looks like a secret. */
export function hideText(text: string, hide: (text: string) => void): void {
  hideSecrets(hide, new Headers(), text);
  const word = text.trim();
  if (/^\S+$/.test(word) && withoutLikely(word) !== word) hide(word);
  if (/PRIVATE KEY-----/.test(word)) hide(text);
}

/** Whether the source of a hook file may hold the hook `auth`; when in doubt, it does. */
export function mayLogIn(source: string): boolean {
  return /\bauth\b/.test(source);
}

/**
 * A text of somebody who logs in, without the words that could be a secret that nobody has told of yet: values behind a
 * key such as `token=`, queries of addresses, and words of eight characters or more that no language has. Words, names in
 * parts (`ml-pipeline-ui`), short numbers and times stay.
 */
export function withoutLikely(text: string): string {
  return text
    .replaceAll(SCHEME, (_all, scheme: string) => `${scheme} ${SHOWN}`)
    .replaceAll(NAMED, (_all, before: string) => `${before}${SHOWN}`)
    .replaceAll(WORD, (word: string) => {
      const [, origin, path = "", rest = ""] = /^(https?:\/\/[^/?#@]+)([^?#]*)(.*)$/i.exec(word) ?? [];
      if (origin === undefined) return isLikely(word) ? SHOWN : word;
      return `${origin}${isLikely(path) ? `/${SHOWN}` : path}${rest === "" ? "" : SHOWN}`;
    });
}

// --- internal ---

const SHOWN = "[redacted]";
/** Fields of an answer of the hook `auth` that say who and where, and are shown. */
const IS_SHOWN = /^(origin|principal|audience|cert)$/;
const SCHEME = /\b(bearer|basic|negotiate)\s+[^\s"'`[]{4,}/gi;
/** A key that says what its value is; the value may stand in quotes. */
const NAMED =
  /((?:token|passw\w*|passphrase|secret|cookie|api-?key|authorization)["'`]?\s*[=:]\s*["'`]?)(?!\[redacted)[^\s"'`,;}]{3,}/gi;
const WORD = /https?:\/\/[^\s"'`<>()]+|[\w.~+/=%@-]{8,}/gi;

function isLikely(word: string): boolean {
  if (word.length < 8) return false;
  if (/[+=%~]/.test(word)) return true;
  const hasLetters = /[a-z]/i.test(word);
  if (!hasLetters) return /\d{12}/.test(word.replaceAll(/[-.]/g, ""));
  if (/^\d{4}-\d\d-\d\d(T\d*)?$/.test(word)) return false;
  if (/\d/.test(word)) return true;
  // three humps, as in no word, or one too long to be a word
  return word
    .split(/[-_./@]/)
    .some((part) => (part.match(/[a-z][A-Z]/g)?.length ?? 0) > 2 || part.length > LONGEST_WORD);
}

/** Letters of a word that may still be one of a language. */
const LONGEST_WORD = 20;

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
