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

/**
 * Whether the source of a hook file may hold the hook `auth`, by itself or by what it imports; when in doubt, it does.
 * What `kfk`, Node and Bun bring, and types, hold none.
 */
export function mayLogIn(source: string): boolean {
  const rest = source.replaceAll(HARMLESS_IMPORT, "").replaceAll(/\bimport\.meta\b/g, "");
  return /\bauth\b/.test(source) || /\b(import|require)\b|\bexport\b[^;=()]*\bfrom\b/.test(rest);
}

/**
 * A text of somebody who logs in, without whatever could be a secret that nobody has told of yet. What stays is a plain
 * word (letters, with one `-`, `'`, `/` or `.` inside), a short number, a time, a version, a name of a variable or of a
 * header, the path of a source file with line and column, and of an address scheme, host and plain path. What stands
 * behind a key such as `token=` does not stay, whatever it is.
 */
export function withoutLikely(text: string): string {
  return text
    .replaceAll(SCHEME, (_all, scheme: string) => `${scheme} ${SHOWN}`)
    .replaceAll(USER_OPTION, `$1${SHOWN}`)
    .replaceAll(NAMED, (_all, key: string, value: string) => {
      const quote = /["'`]$/.exec(value.trimEnd())?.[0] ?? "";
      const [before = ""] = /^\s*[=:]?\s*["'`]?/.exec(value) ?? [];
      return `${key}${before}${SHOWN}${before.endsWith(quote) ? quote : ""}`;
    })
    .replaceAll(/\S+/g, showRun);
}

// --- internal ---

const SHOWN = "[redacted]";
/** Fields of an answer of the hook `auth` that say who and where, and are shown. */
const IS_SHOWN = /^(origin|principal|audience|cert)$/;
const SCHEME = /\b(bearer|basic|negotiate)\s+[^\s"'`[]{4,}/gi;
/** `curl -u me:secret`, `--user`. */
const USER_OPTION = /((?:^|\s)(?:-u|--(?:proxy-)?user)[\s=]+)["'`]?[^\s:]*:\S+/g;
/**
 * A key that says what its value is. A value in quotes ends with them; behind a colon it is the rest of the line, as
 * it may have blanks; behind a word alone it must be in quotes.
 */
const NAMED =
  /((?:[\w-]{0,40}(?:token|passw\w*|passphrase|passcode|secret|cookie|credentials?|authorization|api-?key|access-?key|private-?key)|(?<![a-z])(?:pw|pwd|pass|pin|key|sid|jwt|otp|session(?:_?id)?))["'`]?)(\s*(?:=|:(?!\/\/))\s*(?:"[^"]*"?|'[^']*'?|`[^`]*`?|(?<==\s*)[^\s"'`,;}]+|(?<=:\s*)[^\s"'`][^\n]*)|\s+(?:"[^"]*"|'[^']*'|`[^`]*`))/gi;

const HARMLESS_IMPORT =
  /\bimport\s+type\b[^;"'`]*["'][^"'`\n]+["']|\b(?:import|export)\b[^;"'`()=]*\bfrom\s*["'](?:kfk|bun|node:[\w/]+|fs|path|os|crypto|child_process|url|util)["']|\b(?:import|require)\s*\(?\s*["'](?:kfk|bun|node:[\w/]+|fs|path|os|crypto|child_process|url|util)["']/g;

/** One run of a text between blanks, as it may be shown; signs around a word stay with it. */
function showRun(run: string): string {
  if (isSigns(run)) return run;
  if (run.length > LONGEST_RUN) return SHOWN;
  const [, before = "", word = "", after = ""] =
    /^(["'`([{<>]{0,3})(.*?)(["'`)\]}>]{0,3}[.,;:!?…]{0,3}["'`)\]}>]{0,2})$/s.exec(run) ?? [];
  if (isPlain(word)) return run;
  const address = showAddress(word);
  if (address !== undefined) return before + address + after;
  // some of it was taken out already: what is left may be a key, or signs around it
  const left = run.split(SHOWN);
  const isKey = (part: string): boolean =>
    isSigns(part) || /^[^\p{L}\p{N}]{0,3}[\p{L}_-]{1,30}[^\p{L}\p{N}]{0,4}$/u.test(part);
  return left.length > 1 && left.every((part, index) => (index === 0 ? isKey(part) : isSigns(part))) ? run : SHOWN;
}

/** Scheme and host, and the path if it is plain; whoever is named before the host, with any sign in it, is not. */
function showAddress(word: string): string | undefined {
  const [, scheme = "", rest] = /^([a-z][a-z0-9+.-]{0,20}:\/\/)(.+)$/is.exec(word) ?? [];
  if (rest === undefined) return undefined;
  const at = rest.lastIndexOf("@");
  const [, host, path = "", more = ""] = /^([^/?#]+)([^?#]*)(.*)$/s.exec(rest.slice(at + 1)) ?? [];
  if (
    host === undefined ||
    !/^(?:[a-z0-9](?:[\w-]{0,40}[a-z0-9])?(?:\.[\w-]{1,40})*|\[[0-9a-f:]+\])(?::\d{1,5})?$/i.test(host)
  ) {
    return undefined;
  }
  const parts = path.split("/");
  // a name of many parts, as `ml-pipeline-ui`, is usual in a path
  const isShown = parts.every(
    (part) => part === "" || isPlain(part) || /^[a-z]{1,15}(?:-[a-z]{1,15}){1,3}$/.test(part),
  );
  const user = at < 0 ? "" : `${SHOWN}@`;
  return `${scheme}${user}${host}${isShown ? path : `/${SHOWN}`}${more === "" ? "" : SHOWN}`;
}

/** No letter and no digit: a dash, an arrow, a line of the same sign. */
function isSigns(run: string): boolean {
  return !/[\p{L}\p{N}]/u.test(run) && (run.length <= 3 || /^(.)\1*$/s.test(run));
}

/** Longer ones are no word and no address that somebody reads. */
const LONGEST_RUN = 400;

function isPlain(word: string): boolean {
  return word === "" || PLAIN.some((form) => form.test(word));
}

const LETTERS = String.raw`(?:\p{Lu}+[\p{Ll}\p{Lo}]*|[\p{Ll}\p{Lo}]+)(?:\p{Lu}\p{Ll}{2,}){0,2}`;
const FOLDER = String.raw`(?:\.{1,2}|[.@]?[A-Za-z]{1,20}(?:[-_.][A-Za-z]{1,20}){0,3})`;
const PLAIN: readonly RegExp[] = [
  // a word of a language, or two of them; one too long to be a word is none
  new RegExp(String.raw`^(?!\p{L}{21})${LETTERS}(?:[-'’/.](?!\p{L}{21})${LETTERS})?(?:\(\))?$`, "u"),
  /^[a-z0-9]{1,3}$/i,
  /^[+-]?\d{1,5}(?:\.\d{1,3})?(?:[a-z]{1,2}|%)?$/i,
  // a version, or an IP address with a port
  /^v?\d{1,4}(?:\.\d{1,3}){1,3}(?::\d{1,5})?$/,
  /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/,
  /^\d{1,2}:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?$/,
  // a variable, a header, a source file with line and column
  /^[A-Z]{2,20}(?:_[A-Z]{1,20}){1,5}$/,
  /^X(?:-[A-Z]?[a-z]{1,15}){1,4}$/i,
  new RegExp(String.raw`^/?(?:${FOLDER}/){0,12}${FOLDER}\.(?:[cm]?[jt]s|json|ya?ml|toml|py)(?::\d{1,6}){0,2}$`),
  // words of protocols
  /^(?:HTTP\/\d(?:\.\d)?|OAuth2(?:\.0)?|base64(?:url)?|sha256|utf-?8|v[12](?:alpha|beta)\d|localhost:\d{1,5})$/i,
  /^(?:invalid_(?:request|client|grant|scope|token|target)|unauthorized_client|unsupported_grant_type|access_denied|server_error|temporarily_unavailable|(?:access|id|refresh)_token|error_description)$/,
];

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
