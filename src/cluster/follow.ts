/**
 * Logs of the steps of a run, once or until it has ended. Comes in: a run's id and which steps; goes out: lines, each
 * once, in the order in which they appear.
 *
 * No route of any server streams (reference/kfp-api.md 2.7), so following asks again and hands on what is new. What was
 * handed on is compared with what comes: an answer that is shorter than the one before is late or cut off, one that
 * begins later lost its beginning to the rotation of log files, and one that is another belongs to a new start of the
 * container. What was read after a step had ended is not asked for again. A server that does not answer is waited for, as in `wait.ts`.
 */
import { createHash } from "node:crypto";
import { isKfkError, KfkError, suggest } from "../error.ts";
import { EMPTY_LOG, fetchLog, lastLines, type Route } from "./logs.ts";
import { fetchRun, type RunInfo } from "./runs.ts";
import type { Server } from "./server.ts";
import { verdictOf } from "./verdict.ts";
import type { PodNode } from "./workflow.ts";

export interface FollowOptions {
  /** Step id or Kedro name; undefined: all. */
  readonly node: string | undefined;
  readonly isFailedOnly: boolean;
  readonly isFollowing: boolean;
  /** Lines of each step that are shown at first. */
  readonly tail: number;
  /** Only steps that ran within this time; null: all. */
  readonly sinceMs: number | null;
  /** How long a server that gives no usable answer is waited for while following; default 10 min. */
  readonly outageMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLines: (step: string, lines: readonly string[]) => void;
  readonly onTrouble: (text: string) => void;
}

/**
 * Hands on the logs.
 *
 * Errors: RUN_UNKNOWN; USAGE_VALUE for a node that the run does not have; those of `request`, while following only
 * after `outageMs` of them.
 */
export async function followLogs(server: Server, id: string, options: FollowOptions): Promise<void> {
  const { clock } = server.world;
  const reader = newReader(server, id, options);
  let last: RunInfo | undefined;
  let troubleMs: number | undefined;
  for (let leftReads = FINAL_READS; ;) {
    const run = await readRun(server, id, last, options);
    if (options.signal?.aborted) return;
    if (run instanceof KfkError) {
      if (troubleMs === undefined) options.onTrouble(`no news of the run: ${run.message}; still asking`);
      troubleMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - troubleMs >= (options.outageMs ?? OUTAGE_MS)) throw run;
    } else {
      troubleMs = undefined;
      last = run;
      const hasEnded = verdictOf(run) !== undefined || !options.isFollowing;
      const { unread, pods } = await reader.read(run, hasEnded);
      if (options.signal?.aborted) return;
      // what could not be read at the very end would be lost
      if (hasEnded && (unread.length === 0 || !options.isFollowing || --leftReads <= 0)) {
        for (const { step, reason } of unread) options.onTrouble(`no log of ${step}: ${reason}`);
        if (pods === 0) options.onTrouble(nothingToShow(options));
        return;
      }
    }
    await clock.sleep(POLL_MS, options.signal);
    if (options.signal?.aborted) return;
  }
}

/** The lines of `now` that come after `before`, what was shown of the same log; all of them for another log. */
export function freshLines(before: readonly string[], now: readonly string[]): readonly string[] {
  const common = Math.min(before.length, now.length);
  if (isSame(before, 0, now, common)) return now.slice(common);
  // a beginning that was lost: the rest of what was shown is how the new text begins
  for (let from = 1; from <= before.length - LEAST_COMMON; from++) {
    const length = before.length - from;
    if (length <= now.length && isSame(before, from, now, length)) return now.slice(length);
  }
  return now;
}

// --- internal ---

const POLL_MS = 3000;
/** Fewer lines that are the same may be chance. */
const LEAST_COMMON = 3;
const OUTAGE_MS = 600_000;
/** How often a log is asked for after the run has ended. */
const FINAL_READS = 4;

interface Unread {
  readonly step: string;
  readonly reason: string;
}

/** One look at all steps that are wanted. */
interface Read {
  readonly unread: readonly Unread[];
  readonly pods: number;
}

/** The run, or while following the error that stands in its place for now. */
async function readRun(
  server: Server,
  id: string,
  last: RunInfo | undefined,
  options: FollowOptions,
): Promise<RunInfo | KfkError> {
  if (last === undefined || !options.isFollowing) return await fetchRun(server, id);
  try {
    return await fetchRun({ ...server, budgetMs: POLL_MS }, id);
  } catch (error) {
    if (isKfkError(error)) return error;
    throw error;
  }
}

/** Remembers what was shown of each pod, by its node: each attempt of a step is a pod of its own. */
function newReader(
  server: Server,
  id: string,
  options: FollowOptions,
): { readonly read: (run: RunInfo, isFinal: boolean) => Promise<Read> } {
  const shown = new Map<string, readonly string[]>();
  const open = new Map<string, PodNode>();
  /** How a pod had ended when its log was read → the log, and whether two reads of it were the same. */
  const ended = new Map<string, { readonly how: string; readonly digest: string; readonly isWhole: boolean }>();
  let route: Route | undefined;
  const readPod = async (run: RunInfo, pod: PodNode, isOver: boolean): Promise<Unread | undefined> => {
    const namespace = run.workflow?.namespace ?? "";
    const wanted = { runId: id, pod, namespace, createdAt: run.createdAt };
    const log = await fetchLog(server, wanted, { first: route, signal: options.signal });
    if (log.kind === "none") return { step: pod.step, reason: log.reason };
    route = log.route;
    const how = howEnded(pod);
    const known = ended.get(pod.nodeId);
    // one answer may be cut off or late without showing it
    const digest = log.text === "" ? "" : createHash("sha256").update(log.text).digest("base64");
    if (isOver) ended.set(pod.nodeId, { how, digest, isWhole: known?.how === how && known.digest === digest });
    // while a step runs its last line may be half written: it waits for its end
    const whole = isOver ? log.text : log.text.slice(0, log.text.lastIndexOf("\n") + 1);
    const now = lastLines(whole, Infinity);
    const before = shown.get(pod.nodeId);
    const fresh = before === undefined ? now.slice(-options.tail || now.length) : freshLines(before, now);
    // an answer that is behind takes nothing back
    if (before === undefined || fresh.length > 0) shown.set(pod.nodeId, now);
    if (fresh.length > 0) options.onLines(pod.step, fresh);
    return isOver && now.length === 0 && !before?.length ? { step: pod.step, reason: EMPTY_LOG } : undefined;
  };
  return {
    read: async (run, isFinal) => {
      const unread: Unread[] = [];
      const pods = choose(server, run, options, isFinal);
      const ids = new Set(pods.map(({ nodeId }) => nodeId));
      // an attempt that another one took the place of: what it wrote at last
      const gone = [...open.values()].filter(({ nodeId }) => !ids.has(nodeId));
      for (const pod of [...gone, ...pods]) {
        if (options.signal?.aborted) break;
        const isOver = isFinal || pod.phase !== "running" || !ids.has(pod.nodeId);
        const known = isOver ? ended.get(pod.nodeId) : undefined;
        const isDone = known?.isWhole === true && known.how === howEnded(pod);
        if (isDone && (known.digest !== "" || !isFinal)) continue;
        const problem = await readPod(run, pod, isOver);
        if (problem !== undefined && ids.has(pod.nodeId)) unread.push(problem);
        if (isOver) open.delete(pod.nodeId);
        else open.set(pod.nodeId, pod);
      }
      return { unread, pods: pods.length };
    },
  };
}

function howEnded({ phase, message, exitCode }: PodNode): string {
  return JSON.stringify([phase, message, exitCode]);
}

function isSame(a: readonly string[], from: number, b: readonly string[], length: number): boolean {
  for (let index = 0; index < length; index++) if (a[from + index] !== b[index]) return false;
  return true;
}

function choose(server: Server, run: RunInfo, options: FollowOptions, isFinal: boolean): readonly PodNode[] {
  const pods = run.workflow?.pods ?? [];
  const { node } = options;
  if (node !== undefined && isFinal && !pods.some((pod) => isNamed(pod, node))) throw unknownNode(node, pods);
  return pods.filter((pod) => {
    if (node !== undefined && !isNamed(pod, node)) return false;
    if (options.isFailedOnly && pod.phase !== "failed") return false;
    if (pod.phase === "waiting" || pod.phase === "skipped") return false;
    if (options.sinceMs === null) return true;
    const endedMs = run.workflow?.steps.find((step) => step.id === pod.step)?.endedMs ?? null;
    return endedMs === null || endedMs >= server.world.clock.nowMs() - options.sinceMs;
  });
}

function nothingToShow(options: FollowOptions): string {
  if (options.isFailedOnly) return "no step has failed";
  return options.sinceMs === null ? "no step has begun" : "no step ran within this time";
}

function isNamed(pod: PodNode, node: string): boolean {
  return pod.step === node || pod.nodes.includes(node);
}

function unknownNode(node: string, pods: readonly PodNode[]): KfkError {
  const known = pods.flatMap((pod) => [pod.step, ...pod.nodes]);
  const near = suggest(node, known);
  return new KfkError("USAGE_VALUE", `the run has begun no step or node "${node}"`, {
    hint: near === undefined ? `it has ${[...new Set(known)].join(", ") || "none"}` : `did you mean ${near}?`,
  });
}
