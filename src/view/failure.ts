/**
 * A failure, as `cluster/failure.ts` explains it → lines for people, and the same as annotations of GitHub Actions.
 * Pure. Log lines are marked in front, so that nothing in them is taken for a command of a build system.
 */
import type { StepState } from "../steps/state.ts";
import { printable } from "../terminal-text.ts";

/** What is shown of one failed step; a part of `FailedStep`. */
export interface ShownStep {
  readonly step: string;
  readonly nodes: readonly string[];
  readonly reason: string;
  readonly advice: string | null;
  readonly log: readonly string[];
  readonly logMissing: string | null;
}

export interface ShownFailure {
  readonly steps: readonly ShownStep[];
  readonly more: number;
  readonly changed: readonly (readonly [string, string | null, string | null])[];
  readonly lastSuccess: string | null;
}

/** Where a Kedro node is written, by its name. */
export type Sources = (node: string) => { readonly file: string; readonly line: number } | undefined;

/** The card, line by line. */
export function renderFailure(failure: ShownFailure, sources: Sources): readonly string[] {
  const lines: string[] = [];
  for (const step of failure.steps) {
    lines.push(`failed: ${titleOf(step)}: ${printable(step.reason)}`);
    for (const node of step.nodes) {
      const at = sources(node);
      if (at !== undefined) lines.push(`  node ${printable(node)} is at ${at.file}:${at.line}`);
    }
    if (step.advice !== null) lines.push(`  ${step.advice}`);
    if (step.logMissing !== null) lines.push(`  no log: ${printable(step.logMissing)}`);
    else lines.push(`  last ${step.log.length} lines of its log:`);
    for (const line of step.log) lines.push(`  ${printable(step.step)} | ${printable(line)}`);
  }
  if (failure.more > 0) lines.push(`and ${failure.more} more failed steps`);
  if (failure.changed.length > 0) lines.push(`other than in the last run that succeeded (${failure.lastSuccess}):`);
  for (const [name, then, now] of failure.changed) {
    lines.push(`  ${printable(name)}: ${shown(then)} -> ${shown(now)}`);
  }
  return lines;
}

/** One workflow command of GitHub Actions for each failed node. */
export function renderAnnotations(failure: ShownFailure, sources: Sources): readonly string[] {
  return failure.steps.flatMap((step) => {
    const nodes = step.nodes.length === 0 ? [undefined] : step.nodes;
    return nodes.map((node) => {
      const at = node === undefined ? undefined : sources(node);
      const place = at === undefined ? "" : `file=${escapeProperty(at.file)},line=${at.line},`;
      const title = escapeProperty(node === undefined ? `step ${step.step} failed` : `node ${node} failed`);
      const advice = step.advice === null ? "" : `\n${step.advice}`;
      return `::error ${place}title=${title}::${escapeData(step.reason + advice)}`;
    });
  });
}

/** `12 of 40 begun steps done, running: a, b, c and 2 more, waiting: d (why)`; one that waits, with its reason. */
export function renderCounts(steps: readonly StepState[]): string {
  const ended = steps.filter(({ phase }) => phase === "succeeded" || phase === "skipped").length;
  const running = steps.filter(({ phase }) => phase === "running").map(({ id }) => printable(id));
  const names = running.slice(0, 3).join(", ") + (running.length > 3 ? ` and ${running.length - 3} more` : "");
  const stuck = steps.find(({ phase, message }) => phase === "waiting" && message !== null);
  const why = stuck === undefined ? "" : `, waiting: ${printable(stuck.id)} (${shown(stuck.message)})`;
  return `${ended} of ${steps.length} begun steps done${names === "" ? "" : `, running: ${names}`}${why}`;
}

// --- internal ---

function titleOf(step: ShownStep): string {
  const names = step.nodes.map(printable).join(", ");
  if (names === "") return `step ${printable(step.step)}`;
  return `node ${names}${step.nodes.length === 1 && names === step.step ? "" : ` (step ${printable(step.step)})`}`;
}

const LONGEST_VALUE = 60;

function shown(value: string | null): string {
  if (value === null) return "default";
  const text = printable(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
