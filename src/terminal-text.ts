/**
 * Text that comes from a server, a pod or a workflow → text that may stand on a terminal: nothing in it moves the
 * cursor, begins a line or turns the direction of writing. Pure, and the one place that says which characters do, and
 * which need quotes in a shell.
 */

/** On one line: white space and such characters in a row become one blank, none at the ends. */
export function oneLine(text: string): string {
  return text.replace(LINE, " ").trim();
}

/** Each such character becomes `?`; tabs stay. */
export function printable(text: string): string {
  return text.replace(STEERING, "?");
}

/** One word of a command that a person or a script gives to a shell, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

// --- internal ---

/** Controls (Cc) but for the tab, separators of lines and paragraphs, embeddings, overrides and isolates. */
const STEERING = /(?!\t)\p{Cc}|[\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu;
const LINE = /[\s\p{Cc}\u202A-\u202E\u2066-\u2069]+/gu;
