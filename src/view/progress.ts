/**
 * How far a run is. Comes in: the states of its steps, of a run on this machine or on a cluster. Goes out: lines.
 *
 * `renderProgress` is pure; `showProgress` puts its lines on stderr: redrawn in place on a terminal, elsewhere one
 * plain line per change. The cursor is hidden while drawing and comes back at the end, and when a signal arrives.
 * Rules: reference/bun.md 11, bun-addendum.md 5.
 */
import type { StepState } from "../steps/state.ts";
import { printable } from "../terminal-text.ts";
import type { World } from "../world.ts";

export interface ProgressView {
  readonly columns: number;
  /** At most `rows - 1` lines are given. */
  readonly rows: number;
  readonly colour: boolean;
  readonly nowMs: number;
  /** False: marks in ASCII only. Default true. */
  readonly unicode?: boolean;
}

/** A progress display that is under way. */
export interface Progress {
  /** All states, in the order of the run. */
  readonly update: (states: readonly StepState[]) => void;
  /** True when it is redrawn in place. */
  readonly isLive: boolean;
  /** Draws once more and gives the terminal back; doing it twice does no harm. */
  readonly stop: () => void;
}

/**
 * One line per step: mark, name, time, and of one that waits the reason. With too few rows the most interesting steps are shown in run order (failed,
 * running, next, done), and a last line counts the others. No line is wider than `columns`.
 */
export function renderProgress(states: readonly StepState[], view: ProgressView): string[] {
  const places = Math.max(1, view.rows - 1);
  const shown = states.length <= places ? states : mostInteresting(states, places - 1);
  const marks = view.unicode === false ? ASCII_MARKS : MARKS;
  const room = Math.max(1, view.columns - MARK_COLUMNS - TIME_COLUMNS);
  const nameColumns = Math.min(room, Math.max(0, ...shown.map(({ id }) => textColumns(inColumns(id)))));
  const lines = shown.map((state) => {
    const name = fit(inColumns(state.id), nameColumns, view.unicode !== false);
    const time = timeOf(state, view.nowMs);
    // why a step cannot begin is what its reader can do something about
    const why = state.phase === "waiting" && state.message !== null ? `  ${printable(state.message)}` : "";
    const text = `${marks[state.phase]} ${name}  ${time}${why}`.trimEnd();
    return paint(cut(text, view.columns), COLOURS[state.phase], view.colour);
  });
  if (shown.length < states.length) lines.push(cut(summary(states, shown, view.unicode !== false), view.columns));
  return lines;
}

/** `0.4 s`, `12.3 s`, `1 min 05 s`, `2 h 03 min`. */
export function renderDuration(ms: number): string {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** Shows progress on stderr until stopped; `colour`: whether colours are wanted at all. */
export function showProgress(world: World, colour: boolean): Progress {
  const { TERM: term, CI: ci } = world.env;
  const isLive = world.err.isTerminal && term !== "dumb" && (ci === undefined || ci === "");
  return isLive ? liveProgress(world, colour) : plainProgress(world);
}

// --- internal ---

type Phase = StepState["phase"];

const MARKS: Readonly<Record<Phase, string>> = {
  waiting: "·",
  running: "›",
  succeeded: "✓",
  failed: "✗",
  skipped: "–",
};
const ASCII_MARKS: Readonly<Record<Phase, string>> = {
  waiting: ".",
  running: ">",
  succeeded: "+",
  failed: "x",
  skipped: "-",
};
const COLOURS: Readonly<Record<Phase, string>> = {
  waiting: "2",
  running: "36",
  succeeded: "32",
  failed: "31",
  skipped: "2",
};

/** Which steps stay when there is no room for all; in the summary too. */
const INTEREST: readonly Phase[] = ["failed", "running", "waiting", "succeeded", "skipped"];

const MARK_COLUMNS = 2;
/** Two blanks and the longest time, `59 min 59 s`. */
const TIME_COLUMNS = 13;

/** Between two frames on a terminal: times of running steps go on. */
const FRAME_MS = 200;

const ESC = "\u001b";
const HIDE_CURSOR = `${ESC}[?25l`;
const SHOW_CURSOR = `${ESC}[?25h`;
const BEGIN_FRAME = `${ESC}[?2026h`;
const END_FRAME = `${ESC}[?2026l`;

function mostInteresting(states: readonly StepState[], places: number): StepState[] {
  const ranked = states.toSorted((a, b) => INTEREST.indexOf(a.phase) - INTEREST.indexOf(b.phase));
  const kept = new Set(ranked.slice(0, places));
  return states.filter((state) => kept.has(state));
}

function summary(states: readonly StepState[], shown: readonly StepState[], unicode: boolean): string {
  const rest = states.filter((state) => !shown.includes(state));
  const counts = INTEREST.map((phase) => [phase, rest.filter((state) => state.phase === phase).length] as const);
  const parts = counts.filter(([, count]) => count > 0).map(([phase, count]) => `${count} ${phase}`);
  return `${unicode ? "…" : "..."} ${shown.length === 0 ? "" : "more: "}${parts.join(", ")}`;
}

function timeOf(state: StepState, nowMs: number): string {
  if (state.phase === "skipped") return "skipped";
  if (state.startedMs === null) return "";
  return renderDuration((state.endedMs ?? nowMs) - state.startedMs);
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}

function paint(text: string, colour: string, on: boolean): string {
  return on ? `${ESC}[${colour}m${text}${ESC}[0m` : text;
}

/** A name may come from a server, and must take the columns that are counted: no tab, nothing without a width. */
function inColumns(text: string): string {
  return printable(text).replace(/\p{C}/gu, "?");
}

/** Exactly `columns` wide: filled with blanks, or its end cut off. */
function fit(text: string, columns: number, unicode: boolean): string {
  const width = textColumns(text);
  if (width <= columns) return text + " ".repeat(columns - width);
  const short = cut(text, columns - 1) + (unicode ? "…" : "~");
  return short + " ".repeat(Math.max(0, columns - textColumns(short)));
}

function cut(text: string, columns: number): string {
  let width = 0;
  let out = "";
  for (const char of text) {
    width += charColumns(char);
    if (width > columns) break;
    out += char;
  }
  return out;
}

function textColumns(text: string): number {
  let width = 0;
  for (const char of text) width += charColumns(char);
  return width;
}

/** Columns of one code point: none for combining marks, two for East Asian wide ones (Unicode 15, UAX 11, by block). */
function charColumns(char: string): number {
  if (/\p{M}/u.test(char)) return 0;
  const code = char.codePointAt(0) ?? 0;
  const isWide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf && code !== 0x303f) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return isWide ? 2 : 1;
}

function plainProgress(world: World): Progress {
  const seen = new Map<string, Phase>();
  return {
    update: (states) => {
      for (const { id, phase, startedMs, endedMs } of states) {
        if ((seen.get(id) ?? "waiting") === phase) continue;
        seen.set(id, phase);
        const time = startedMs !== null && endedMs !== null ? `  ${renderDuration(endedMs - startedMs)}` : "";
        world.err.write(`${inColumns(id)}  ${phase}${time}\n`);
      }
    },
    isLive: false,
    stop: () => {},
  };
}

function liveProgress(world: World, colour: boolean): Progress {
  const unicode = /utf-?8/i.test(world.env["LC_ALL"] || world.env["LC_CTYPE"] || world.env["LANG"] || "");
  const ticking = new AbortController();
  let states: readonly StepState[] = [];
  let height = 0;
  let isHidden = false;
  let wasSignalled = false;
  const draw = (): void => {
    const { columns, rows } = world.err;
    // one column stays free: some terminals wrap a line that fills the last one
    const view = { columns: Math.max(1, columns - 1), rows, colour, unicode, nowMs: world.clock.nowMs() };
    const lines = renderProgress(states, view);
    const up = Math.min(height, Math.max(0, rows - 1));
    const hide = isHidden || wasSignalled ? "" : HIDE_CURSOR;
    isHidden ||= hide !== "";
    const back = up > 0 ? `${ESC}[${up}A` : "";
    world.err.write(`${BEGIN_FRAME}${hide}${back}\r${ESC}[J${lines.map((line) => `${line}\n`).join("")}${END_FRAME}`);
    height = lines.length;
  };
  const restore = (): void => {
    if (isHidden) world.err.write(SHOW_CURSOR);
    isHidden = false;
  };
  const unlisten = world.onSignal(() => {
    wasSignalled = true;
    restore();
  });
  const tick = async (): Promise<void> => {
    while (!ticking.signal.aborted) {
      await world.clock.sleep(FRAME_MS, ticking.signal);
      if (!ticking.signal.aborted && states.some(({ phase }) => phase === "running")) draw();
    }
  };
  void tick();
  return {
    update: (next) => {
      states = next;
      if (!ticking.signal.aborted) draw();
    },
    isLive: true,
    stop: () => {
      if (ticking.signal.aborted) return;
      ticking.abort();
      draw();
      restore();
      unlisten();
    },
  };
}
