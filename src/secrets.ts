/**
 * Takes values of the environment that look secret out of texts: a hook's own message or output may hold one.
 * What looks secret is decided by the name of the variable.
 */

export const SECRET_NAME = /token|passw|secret|credential|private|api_?key|access_?key|authorization/i;

/** Whether text under this key of a configuration is likely to be a secret: `db_password`, `apiKey`; not `tokenizer`. */
export function isSecretKey(key: string): boolean {
  const words = key.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  return /(?:^|[^a-z])(?:token|passwo?r?d|passwd|passphrase|secrets?|credentials?|(?:private|api|access|secret)[^a-z]?key)(?:[^a-z]|$)/.test(
    words,
  );
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

// --- internal ---

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
