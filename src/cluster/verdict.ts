/**
 * What a run's state says about its end. Comes in: a run as a server shows it; goes out: how it ended, or that this is
 * not known.
 *
 * Real servers call a run that was stopped FAILED on both APIs (recordings `wait.v1.*-slow`, `wait.v2.ir-slow`). What
 * tells it apart is the stop mark in its Workflow, or, from 2.0 on, that CANCELING is what stands before FAILED in the
 * `state_history` of v2beta1. After a retry the old end may be shown for a while: an end counts as a new one only when
 * something of it is new.
 */
import * as v from "valibot";
import { runHistorySchema } from "../../schemas/kfp-api.ts";
import { failedRequest, request } from "./request.ts";
import type { RunInfo } from "./runs.ts";
import type { Server } from "./server.ts";

export type End = "succeeded" | "failed" | "cancelled" | "skipped";

/** How a run ended, as far as its state and its Workflow tell; undefined while it has not. */
export function verdictOf(run: RunInfo, stopping = false): End | undefined {
  switch (run.status.toLowerCase()) {
    case "succeeded":
      return "succeeded";
    case "failed":
    case "error":
      return stopping || run.workflow?.stopped ? "cancelled" : "failed";
    case "skipped":
    case "omitted":
      return "skipped";
    case "terminated":
    case "canceled":
    case "cancelled":
      return "cancelled";
    default:
      return undefined;
  }
}

/** What the history of a run that has ended says; of one that succeeded only its nodes count. `none`: this server keeps none. */
export type Story =
  | { readonly kind: "none" }
  /** `nodes`: ids of the nodes of all Workflows that reported to the run, each of which begins with their names. */
  | { readonly kind: "failed" | "cancelled"; readonly nodes: readonly string[] }
  /** It could not be asked now. */
  | { readonly kind: "unread"; readonly reason: string };

/** Reads on v2beta1 whether a failed run was stopped. Errors: SERVER_TOKEN_FILE and others of the login. */
export async function readStory(
  server: Server,
  id: string,
  how: { readonly attemptMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Story> {
  if (!server.keepsRunId) return { kind: "none" }; // before 2.0 there is no such API
  const path = `/apis/v2beta1/runs/${encodeURIComponent(id)}`;
  const result = await request(server, { method: "GET", path, repeat: "never", ...how });
  const { answer } = result;
  // a proxy may let only the older API through
  const isShut = answer.kind === "refused" || ("status" in answer && (answer.status === 403 || answer.status === 501));
  if (isShut) return { kind: "none" };
  if (answer.kind !== "ok") return { kind: "unread", reason: failedRequest(result).message };
  const read = v.safeParse(runHistorySchema, answer.json);
  if (!read.success || read.output.run_id !== id) return { kind: "unread", reason: "its history is not readable" };
  const words = read.output.state_history.map(({ state }) => state.toUpperCase()).filter((word) => word !== "");
  const last = words.findLastIndex((word) => !ENDED.has(word));
  const ends = [...words.slice(last + 1), read.output.state.toUpperCase()];
  const isStopped = words[last] === "CANCELING" || ends.includes("CANCELED");
  const tasks = read.output.run_details.task_details;
  const nodes = tasks.flatMap((task) => [task, ...task.child_tasks].map((each) => each.pod_name));
  return { kind: isStopped ? "cancelled" : "failed", nodes: nodes.filter((node) => node !== "") };
}

/** Names of Workflows other than the one that a run shows, as far as the nodes of its tasks tell. */
export function otherWorkflows(run: RunInfo, nodes: readonly string[]): ReadonlySet<string> {
  const name = run.workflow?.name ?? "";
  if (name === "") return new Set();
  const isOwn = (node: string): boolean => node === name || node.slice(name.length).replace(/^-\d+$/, "") === "";
  const ownerOf = (node: string): string => node.replace(/-\d+$/, "");
  const foreign = nodes.filter((node) => !(node.startsWith(name) && isOwn(node)));
  const owners = new Set(foreign.map(ownerOf));
  // the first node of a workflow has its bare name, which may end in a number as well
  return new Set(foreign.filter((node) => ownerOf(node) === node || !owners.has(node)).map(ownerOf));
}

/** What the end before a retry looked like; undefined: it had not ended. */
export interface EndMark {
  readonly status: string;
  readonly finishedAt: string | null;
  /** Pods that had failed, with their times. */
  readonly failed: ReadonlySet<string>;
}

/** The mark of a run as it is shown now. */
export function markEnd(run: RunInfo): EndMark | undefined {
  if (verdictOf(run) === undefined) return undefined;
  return { status: run.status, finishedAt: run.finishedAt, failed: new Set(run.workflow?.failures) };
}

/**
 * True when an end is another one than `mark`. `before`: the run as it was shown just before; a time of the end counts
 * only when it is told twice, since it may be the time of the answer.
 */
export function isNewEnd(mark: EndMark, run: RunInfo, before: RunInfo | undefined): boolean {
  if (run.status.toLowerCase() !== mark.status.toLowerCase()) return true;
  // what is gone may have been taken away by the retry itself; only what came proves that it went on
  if (mark.failed.size > 0 && run.workflow?.failures.some((each) => !mark.failed.has(each))) return true;
  return run.finishedAt !== null && run.finishedAt !== mark.finishedAt && before?.finishedAt === run.finishedAt;
}

// --- internal ---

const ENDED: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"]);
