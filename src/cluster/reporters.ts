/**
 * Which Workflows report to one run. Comes in: what a run shows poll by poll; goes out: whether that may be believed. Pure.
 *
 * A request to start a run that something on the way sent twice makes two Workflows, and the second fails only at the
 * row (recordings `run.v*.create.own-id-again`). Both carry the run's id, so both report to the one row, and its state is
 * that of whoever spoke last (2.0.5 to main, seen there). A Workflow keeps its name for life, over retries as well, so
 * another name is another Workflow. Which one is the run's own tells only the answer that created it.
 */
import type { RunInfo } from "./runs.ts";
import type { Server } from "./server.ts";
import { type End, verdictOf } from "./verdict.ts";

export interface Reporters {
  /** Name of the run's own Workflow, null when it is not known. */
  readonly own: string | null;
  /** True when a second one is known to be there, seen or not. */
  readonly isDoubled: boolean;
  /** Name → how it had ended when it was last shown, undefined: it had not, or it was never shown. */
  readonly ends: ReadonlyMap<string, End | undefined>;
}

/** Before anything was shown. */
export function newReporters(own: string | null, isDoubled: boolean): Reporters {
  return { own, isDoubled, ends: new Map() };
}

/** After the run was shown once more. */
export function addReport(before: Reporters, run: RunInfo): Reporters {
  const name = run.workflow?.name ?? "";
  return name === "" ? before : { ...before, ends: new Map([...before.ends, [name, verdictOf(run)]]) };
}

/** With Workflows whose pods are among the run's tasks. */
export function addOthers(before: Reporters, names: Iterable<string>): Reporters {
  const unseen = [...names].filter((name) => !before.ends.has(name)).map((name) => [name, undefined] as const);
  return { ...before, ends: new Map([...before.ends, ...unseen]) };
}

/** True when what the run shows is certainly of its own Workflow. */
export function isOwnReport(reporters: Reporters, run: RunInfo): boolean {
  return reporters.own !== null && run.workflow?.name === reporters.own;
}

/**
 * Why what the run shows now says nothing certain about it; null when it may be believed. Where its own Workflow is not
 * known, all of them must have ended in the same way, or none of them.
 */
export function doubtOf({ own, isDoubled, ends }: Reporters, run: RunInfo): string | null {
  const names = [...new Set([...(own === null ? [] : [own]), ...ends.keys()])];
  const shown = run.workflow?.name ?? "";
  if (own !== null && (shown === own || (names.length < 2 && !isDoubled))) return null;
  if (own !== null)
    return `another workflow reports to it as well${named(
      names.filter((name) => name !== own),
      own,
    )}`;
  if (names.length < 2 && !isDoubled) return null;
  const seen = [...ends.values()];
  const haveAgreed = names.length > 1 && new Set(seen).size === 1;
  if (haveAgreed || (shown !== "" && seen.every((end) => end === undefined))) return null;
  return names.length < 2
    ? `a second workflow runs for it, and was not seen yet${named(names, null)}`
    : `more than one workflow reports to it, and they are not known to have ended alike${named(names, null)}`;
}

/** What to tell whoever started a run twice, and how to stop one of the two. */
export function describeDouble(server: Server, id: string): { readonly message: string; readonly hint: string } {
  const where = server.namespace === null ? "--all-namespaces" : `--namespace ${server.namespace}`;
  return {
    message: "the request to start the run arrived twice, so a second workflow runs beside its own and reports to it",
    hint:
      `kubectl get workflows ${where} --selector pipeline/runid=${id} lists both; ` +
      "stop the one that is not wanted with kubectl delete workflow NAME",
  };
}

// --- internal ---

function named(names: readonly string[], own: string | null): string {
  const parts = [...(names.length === 0 ? [] : [names.join(", ")]), ...(own === null ? [] : [`its own is ${own}`])];
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}
