/**
 * Errors and warnings → text for people: what is wrong, where (with the lines around it), what to do. On a terminal lines
 * are broken between words; code frames, and all that goes into a file or a pipe, stay as they are.
 */
import { KfkError, type Note, type Place, type Warning } from "../error.ts";
import { hasSecretForm, isSecretKey, SECRET_NAME, withoutUser } from "../secrets.ts";
import { printable } from "../terminal-text.ts";
import { mayLogIn } from "../told-secrets.ts";
import { wrap } from "./help.ts";

/** The terminal that it is written on. */
export interface Screen {
  readonly columns: number;
  /** Takes secrets out, before lines are broken: one that has blanks is not found in two lines. */
  readonly clean: (text: string) => string;
}

/** An error as it is shown on stderr, ending in a newline. Without a screen no line is broken. */
export function renderError(error: KfkError, colour: boolean, screen?: Screen): string {
  const code = `[${error.code}]`;
  const lines = renderLine("", "error", RED, `${error.message} ${code}`, colour, screen);
  const last = lines.at(-1) ?? "";
  if (last.endsWith(code)) lines[lines.length - 1] = last.slice(0, -code.length) + paint(code, GREY, colour);
  lines.push(...renderPlace(error.at, colour));
  for (const note of error.notes) lines.push(...renderNote(note, colour, screen));
  if (error.hint !== undefined) lines.push(...renderLine("  ", "hint", CYAN, error.hint, colour, screen));
  return `${lines.join("\n")}\n`;
}

/** A warning in one line, with its hint in a second; on a screen they may be more. */
export function renderWarning(warning: Warning, colour: boolean, screen?: Screen): string {
  const at = warning.at ? ` (${warning.at.file}:${warning.at.line})` : "";
  const lines = renderLine("", "warning", YELLOW, `${warning.message}${at}`, colour, screen);
  if (warning.hint !== undefined) lines.push(...renderLine("  ", "hint", CYAN, warning.hint, colour, screen));
  return `${lines.join("\n")}\n`;
}

// --- internal ---

const RED = 31;
const YELLOW = 33;
const CYAN = 36;
const GREY = 90;

/** Lines shown before the one that is meant. */
const CONTEXT = 2;
/** Longer lines are cut around the place. */
const FRAME_COLUMNS = 100;

function paint(text: string, code: number, colour: boolean): string {
  return colour ? `\u001B[${code}m${text}\u001B[0m` : text;
}

function renderNote(note: Note, colour: boolean, screen: Screen | undefined): string[] {
  return [...renderLine("  ", "note", CYAN, note.message, colour, screen), ...renderPlace(note.at, colour)];
}

/** Nothing of a server, a hook or a file that is quoted steers the terminal. */
function shown(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** Further lines begin below the text; on a narrow screen two columns in, so that room is left. */
function renderLine(
  indent: string,
  word: string,
  wordColour: number,
  text: string,
  colour: boolean,
  screen: Screen | undefined,
): string[] {
  const title = `${indent}${word}: `;
  const painted = `${indent}${paint(word, wordColour, colour)}: `;
  if (screen === undefined) return [painted + shown(text)];
  const below = " ".repeat(screen.columns < NARROW ? indent.length + 2 : title.length);
  const lines = screen
    .clean(text)
    .split("\n")
    .flatMap((line) => wrap(printable(line), Math.max(MIN_COLUMNS, screen.columns - title.length)));
  return lines.map((line, index) => (index === 0 ? painted : below) + line);
}

const NARROW = 60;
const MIN_COLUMNS = 20;

function renderPlace(at: Place | undefined, colour: boolean): string[] {
  if (at === undefined) return [];
  const lines = [`  ${paint("-->", GREY, colour)} ${at.file}:${at.line}:${at.column}`];
  // a hook file that logs in may hold the login itself, in any form
  if (at.text === undefined || (/\.[cm]?[jt]s$/.test(at.file) && mayLogIn(at.text))) return lines;
  const source = at.text.split(/\r?\n/);
  const width = String(at.line).length;
  for (let line = Math.max(1, at.line - CONTEXT); line <= at.line; line++) {
    const text = source[line - 1];
    if (text === undefined) continue;
    const shift = line === at.line && at.column > FRAME_COLUMNS ? at.column - FRAME_COLUMNS / 2 : 0;
    const shown = text.slice(shift, shift + FRAME_COLUMNS).replaceAll(/[\t\r]/g, " ");
    const open = at.file.endsWith(".py") ? shown : withoutSecret(shown);
    lines.push(`  ${paint(`${String(line).padStart(width)} |`, GREY, colour)} ${open}`.trimEnd());
    if (line === at.line) {
      const room = Math.max(1, Math.min(at.length ?? 1, shown.length - (at.column - 1 - shift)));
      const mark = " ".repeat(Math.max(0, at.column - 1 - shift)) + "^".repeat(room);
      lines.push(`  ${paint(`${" ".repeat(width)} |`, GREY, colour)} ${paint(mark, RED, colour)}`);
    }
  }
  return lines;
}

/** A line of configuration whose key looks like that of a secret, without the value: frames are shown in CI logs. */
function withoutSecret(line: string): string {
  const [, key, value] = /^(\s*(?:- )?["']?[\w.-]+["']?\s*[:=]\s*)(\S.*)$/.exec(line) ?? [];
  const isNested = value !== undefined && /^[{[&!|>]/.test(value);
  if (key !== undefined && value !== undefined && !isNested && isSecretName(key)) return `${key}[redacted]`;
  // several pairs in one line: a value behind a key that looks secret, or `value:` beside such a name
  const hasName = /\bname["']?\s*:\s*["']?([\w.-]+)/.exec(line)?.[1];
  const hidesValue = hasName !== undefined && isSecretName(hasName);
  const shown = line.replaceAll(PAIR, (pair: string, name: string, gap: string) =>
    isSecretName(name) || (hidesValue && name === "value") ? `${name}${gap}[redacted]` : pair,
  );
  return hasSecretForm(shown)
    ? withoutUser(shown).replaceAll(/\S*[^\s{}[\],:]{12,}\S*/g, "[redacted]")
    : withoutUser(shown);
}

/** `key: value` inside of brackets. */
const PAIR = /([\w.-]+)(["']?\s*:\s*)("[^"]*"|'[^']*'|[^\s,{}[\]#][^,}\]#]*)/g;

function isSecretName(name: string): boolean {
  const bare = name.replaceAll(/[^\w.-]/g, "");
  return isSecretKey(bare) || SECRET_NAME.test(bare);
}
