/**
 * Takes secrets out of texts: values of the environment that look secret (by the name of their variable), what was
 * told to be one, and what has the form of one. One redactor stands before everything that kfk writes: errors, traces,
 * progress, lines of logs, answers of servers that repeat what they were sent.
 */

/** Not the shell's PWD and OLDPWD, which are folders. */
export const SECRET_NAME =
  /^(?!(?:OLD)?PWD$).*(?:token|passw|passphrase|passcode|secret|credential|private|authorization|cookie|_pass$|(?:^|_)(?:pwd|pw|pat|dsn)(?:_|$)|_key$|api_?key|access_?key|account_?key|conn(?:ection)?_?str|^DEX_)/i;

/** Whether text under this key of a configuration is likely to be a secret: `db_password`, `apiKey`; not `tokenizer`. */
export function isSecretKey(key: string): boolean {
  const words = key.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  return /(?:^|[^a-z])(?:token|pass|passw(?:or)?d|passphrase|passcode|pwd|pw|secrets?|credentials?|authorization|dsn|conn(?:ection)?[^a-z]?str(?:ing)?|(?:private|api|access|secret|account|encryption|signing|ssh|sa|shared|storage)[^a-z]?key)(?:[^a-z]|$)/.test(
    words,
  );
}

/** Whether a text has the form of a secret, whatever it is called: a login in a URL, a key, a token. */
export function hasSecretForm(text: string): boolean {
  return SECRET_FORM.test(text);
}

const SECRET_FORM =
  /:\/\/[^/\s:@"'\\]*:[^\s@"'\\]+@[\w[]|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]+\.eyJ[\w-]+\.|\bBearer [\w.~+/-]{8,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bya29\.[\w-]{10,}|[?&](?:sig|token|access_token|password)=[^&\s"'\\]{4,}|\b(?:Password|Pwd|AccountKey)=[^;\s"'\\]{3,}|--(?:password|token)[= ][^\s"'\\]{3,}/;

/**
 * Secrets of the environment that may be taken out of data as well: those of logins, and others that are long and no
 * plain word, because data must not lose its words. Variables that say where a secret is do not count.
 */
export function environmentSecrets(env: Environment): readonly string[] {
  return certainSecrets(env).map(([value]) => value);
}

/** All of them, plain words too: for verbs whose data is a text for people. */
export function suspectedSecrets(env: Environment): readonly string[] {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !NAMES_A_PLACE.test(name)));
  return [...secretValues(kept).keys()];
}

/** Names of the variables whose secrets, of that kind, stand in a text. */
export function secretVariablesIn(env: Environment, text: string): readonly string[] {
  const isIn = (value: string): boolean => text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1));
  return certainSecrets(env).flatMap(([value, name]) => (isIn(value) ? [name] : []));
}

/** Shorter values would tear holes into ordinary words. */
const SHORTEST = 6;
const SHOWN = "[redacted]";

/** A text with `user:password@` taken out of its URLs. */
export function withoutUser(text: string): string {
  return text.replaceAll(/(:\/\/)(?:[^/\s"'@]+|[^/\s"'@:]+:[^\s"'@]*)@(?=[\w[.-])/g, `$1${SHOWN}@`);
}

/** A function that replaces such values, longest first. */
export function buildRedactor(env: Environment): (text: string) => string {
  const values = [...secretValues(env).keys()].toSorted((a, b) => b.length - a.length);
  return (text) => values.reduce((out, value) => out.replaceAll(value, SHOWN), text);
}

/** Names of the variables whose values stand in a text and not in the one before it. */
export function findNewSecrets(env: Environment, before: string, after: string): readonly string[] {
  const found = [...secretValues(env)].filter(([value]) => after.includes(value) && !before.includes(value));
  return [...new Set(found.map(([, name]) => name))].toSorted();
}

export interface Redactor {
  /** From now on this text is never shown, nor its usual encodings. */
  readonly hide: (text: string) => void;
  /** For what people read: everything that is known, or looks like a secret. */
  readonly forPeople: (text: string) => string;
  /** For data, which must stay as it is otherwise: only what was told. */
  readonly forData: (text: string) => string;
  /** Whether a text holds what was told and is no plain word: it must not be kept where others read it. */
  readonly holdsTold: (text: string) => boolean;
  /** Plain words and short texts among the secrets that were taken out of something; each may be a word of kfk's own. */
  readonly wordsTaken: () => readonly string[];
}

/** A redactor that knows the environment's secrets. */
export function makeRedactor(env: Environment): Redactor {
  const told = new Set<string>();
  const patterns: RegExp[] = [];
  let order: readonly string[] = [];
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !NAMES_A_PLACE.test(name)));
  const ofEnvironment = buildRedactor(kept);
  const words = new Set([...secretValues(kept).keys()].filter(isWord));
  const taken = new Set<string>();
  const forData = (text: string): string => {
    for (const word of words) if (told.has(word) && text.includes(word)) taken.add(word);
    const plain = order.reduce((out, value) => out.replaceAll(value, SHOWN), text);
    return patterns.reduce((out, pattern) => out.replaceAll(pattern, SHOWN), plain);
  };
  return {
    hide: (given) => {
      const text = given.toWellFormed();
      if (text.trim().length < SHORTEST_TOLD || /^(true|false|null)$/.test(text) || told.has(text)) return;
      if (isWord(text)) words.add(text);
      // a key in several lines may also come line by line
      const lines = text.split(/\r?\n/).filter((line) => line.length >= LEAST_LINE && !line.startsWith("-----"));
      for (const part of [text, ...bareForms(text), ...lines]) {
        for (const form of encodings(part)) told.add(form);
        const pattern = anyEncoding(part);
        if (pattern !== undefined) patterns.push(pattern);
      }
      order = [...told].toSorted((a, b) => b.length - a.length);
    },
    forData,
    holdsTold: (text) => order.some((value) => isCertain(value) && text.includes(value)),
    forPeople: (text) => {
      for (const word of words) if (text.includes(word)) taken.add(word);
      return hideForms(ofEnvironment(forData(text)));
    },
    wordsTaken: () => [...taken],
  };
}

// --- internal ---

/** What may as well be a word of a text, or a part of one. */
function isWord(secret: string): boolean {
  return secret.length < 8 || /^[a-z]+$/i.test(secret);
}

/** With a digit or sign in it: a document must not lose its words. */
function isCertain(told: string): boolean {
  return told.length >= SHORTEST && !/^[a-z]+$/i.test(told);
}

const LEAST_LINE = 16;
/** Told secrets are hidden even when they are short. */
const SHORTEST_TOLD = 4;
/** Variables that say where a secret is. */
const NAMES_A_PLACE =
  /(_FILE|_PATH|_DIR|_URL|_URI|_HOST|_ENDPOINT|_USER|_USERNAME|_ID|_CONNECTOR)$|^GOOGLE_APPLICATION_CREDENTIALS$|^KFK_CLIENT_KEY$/i;

/** What a server makes of it that reads it as a cookie: without its quotes, and decoded. */
function bareForms(text: string): readonly string[] {
  const [, bare = text] = /^"(.*)"$/s.exec(text) ?? [];
  let decoded = bare;
  try {
    decoded = decodeURIComponent(bare);
  } catch {
    // it is as it is
  }
  return [bare, decoded].filter((each) => each !== text && each.trim().length >= SHORTEST);
}

/**
 * The text with each of its signs in any of the ways in which HTML, JSON, addresses (once or twice) and programs write
 * it, mixed at will; undefined where there is no sign.
 */
function anyEncoding(text: string): RegExp | undefined {
  if (text.length > LONGEST_PATTERN || /^[\w.-]*$/.test(text)) return undefined;
  return new RegExp(Array.from(text, (char) => (/\w/.test(char) ? char : anySign(char))).join(""), "gu");
}

/** Longer ways first: `&amp;` begins with what it stands for. */
function anySign(char: string): string {
  const hex = (code: number, width = 0): string =>
    code
      .toString(16)
      .padStart(width, "0")
      .replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  const code = char.codePointAt(0) ?? 0;
  const bytes = [...new TextEncoder().encode(char)];
  const units = Array.from({ length: char.length }, (_, at) => char.charCodeAt(at));
  const literal = char.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  return `(?:${[
    ...(HTML_NAMES[char] ?? []).map((name) => `&${name};`),
    `&#0*${code};`,
    `&#[xX]0*${hex(code)};`,
    bytes.map((byte) => `%(?:25){0,2}${hex(byte, 2)}`).join(""),
    units.map((unit) => String.raw`\\{1,2}u${hex(unit, 4)}`).join(""),
    String.raw`\\x${hex(code, 2)}`,
    char === "\n" ? String.raw`\\n` : String.raw`\\{1,2}${literal}`,
    literal,
  ].join("|")})`;
}

/** A certificate's key is told line by line too. */
const LONGEST_PATTERN = 4096;
const HTML_NAMES: Readonly<Record<string, readonly string[]>> = {
  "&": ["amp"],
  "<": ["lt"],
  ">": ["gt"],
  '"': ["quot", "QUOT"],
  "'": ["apos"],
};

function encodings(text: string): readonly string[] {
  const bytes = new TextEncoder().encode(text);
  const url = encodeURIComponent(text);
  const html = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  return [
    text,
    url,
    url.replaceAll(/%[0-9A-F]{2}/g, (each) => each.toLowerCase()),
    html,
    html.replaceAll("'", "&#39;"),
    html.replaceAll("&quot;", "&#34;").replaceAll("'", "&#39;"),
    JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
    new URLSearchParams({ a: text }).toString().slice(2),
    bytes.toBase64(),
    bytes.toBase64({ alphabet: "base64url", omitPadding: true }),
    JSON.stringify(text).slice(1, -1),
  ];
}

/** What has the form of a secret, wherever it comes from. */
function hideForms(text: string): string {
  if (!/eyJ|bearer|basic|cookie|ya29|PRIVATE|:\/\//i.test(text)) return text;
  return text
    .replaceAll(/\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g, SHOWN)
    .replaceAll(/\b(bearer|basic)(\s+)[\w.~+/=-]{12,}/gi, `$1$2${SHOWN}`)
    .replaceAll(/\b((?:set-)?cookie["']?:\s*["']?)[^"'\n]+/gi, `$1${SHOWN}`)
    .replaceAll(/\bya29\.[\w.-]+/g, SHOWN)
    .replaceAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, SHOWN)
    .replaceAll(/(:\/\/[^/\s:@]*):(?!\d+[/?#])[^\s@]+@/g, `$1:${SHOWN}@`);
}

function certainSecrets(env: Environment): readonly (readonly [string, string])[] {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !NAMES_A_PLACE.test(name)));
  return [...secretValues(kept)].filter(
    ([value, name]) => /^(KFK|DEX)_/.test(name) || (value.length >= 8 && !/^[a-z]+$/i.test(value)),
  );
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Value → the name of its variable. */
function secretValues(env: Environment): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !SECRET_NAME.test(name)) continue;
    // a key in several lines may also come line by line
    for (const part of [value, ...value.split(/\r?\n/)]) if (part.trim().length >= SHORTEST) values.set(part, name);
  }
  return values;
}
