/**
 * What the description of a run says of where it comes from: the id that kfk chose for it, its project and environment,
 * and the commit. Pure. Servers keep descriptions, and lists give them back (recordings `run.v1.list.experiment`).
 */
import { LONGEST_DESCRIPTION } from "./limits.ts";

export interface RunOrigin {
  readonly project: string;
  readonly env: string;
  /** Commit of the project's sources, with `+` when the tree was not clean; null: not under version control. */
  readonly commit: string | null;
}

/** The description of a new run, cut where the server's limit asks for it. */
export function describeRun(id: string, origin: RunOrigin | undefined): string {
  if (origin === undefined) return runMark(id);
  const commit = origin.commit === null ? "" : ` at commit ${origin.commit}`;
  return `${runMark(id)}${originMark(origin)}${commit}`.slice(0, LONGEST_DESCRIPTION);
}

/** The beginning of the description of the run with this id; a blank or the end follows. */
export function runMark(id: string): string {
  return `${MARK}${id}`;
}

/** The middle of the description of every run of a project and environment. */
export function originMark(origin: { readonly project: string; readonly env: string }): string {
  return ` for ${origin.project.slice(0, LONGEST_PROJECT)} (${origin.env.slice(0, LONGEST_ENV)})`;
}

/** Project and environment, as far as they were kept; undefined for what kfk did not start. */
export function readOrigin(description: string): { readonly project: string; readonly env: string } | undefined {
  const parts = ORIGIN.exec(description);
  return parts === null ? undefined : { project: parts[1] as string, env: parts[2] as string };
}

/** True when that project started it; with `env`, in that environment. */
export function isFrom(description: string, origin: { readonly project: string; readonly env?: string }): boolean {
  const found = readOrigin(description);
  if (found?.project !== origin.project.slice(0, LONGEST_PROJECT)) return false;
  return origin.env === undefined || found.env === origin.env.slice(0, LONGEST_ENV);
}

// --- internal ---

const MARK = "started by kfk as ";
/** What `describeRun` writes, to its end: a project's name may begin or end like another one's, or hold brackets. */
const ORIGIN = /^started by kfk as [^ ]+ for (.*) \((.*?)\)(?: at commit [^ ]*)?$/s;
const LONGEST_PROJECT = 80;
const LONGEST_ENV = 40;
