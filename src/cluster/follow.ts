/**
 * Logs of the steps of a run, once or until it has ended. Comes in: a run's id and which steps; goes out: lines, each
 * once, in the order in which they appear.
 *
 * No route of any server streams (reference/kfp-api.md 2.7), so following asks again and hands on what is new. A log
 * that got shorter belongs to a new attempt of the step and is begun again.
 */
import { KfkError, suggest } from "../error.ts";
import { fetchLog, lastLines, type Route } from "./logs.ts";
import { fetchRun, type RunInfo } from "./runs.ts";
import type { Server } from "./server.ts";
import { verdictOf } from "./wait.ts";
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
  readonly signal?: AbortSignal | undefined;
  readonly onLines: (step: string, lines: readonly string[]) => void;
  readonly onTrouble: (text: string) => void;
}

/** Hands on the logs. Errors: RUN_UNKNOWN; USAGE_VALUE for a node that the run does not have; those of `request`. */
export async function followLogs(server: Server, id: string, options: FollowOptions): Promise<void> {
  const shown = new Map<string, number>();
  const missing = new Set<string>();
  let route: Route | undefined;
  for (;;) {
    const run = await fetchRun(server, id);
    const hasEnded = verdictOf(run) !== undefined;
    for (const pod of choose(server, run, options, hasEnded || !options.isFollowing)) {
      if (options.signal?.aborted) return;
      const namespace = run.workflow?.namespace ?? "";
      const wanted = { runId: id, pod, namespace, createdAt: run.createdAt };
      const log = await fetchLog(server, wanted, { first: route, signal: options.signal });
      if (log.kind === "none") {
        const isFinal = hasEnded || !options.isFollowing;
        if (isFinal && !missing.has(pod.step) && !shown.has(pod.step)) {
          missing.add(pod.step);
          options.onTrouble(`the log of ${pod.step} cannot be read: ${log.reason}`);
        }
        continue;
      }
      route = log.route;
      show(pod, log.text, shown, options, hasEnded || pod.phase !== "running");
    }
    if (hasEnded || !options.isFollowing || options.signal?.aborted) return;
    await server.world.clock.sleep(POLL_MS, options.signal);
    if (options.signal?.aborted) return;
  }
}

// --- internal ---

const POLL_MS = 3000;

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

function isNamed(pod: PodNode, node: string): boolean {
  return pod.step === node || pod.nodes.includes(node);
}

/** While a step runs its last line may be half written: it waits for its end. */
function show(pod: PodNode, text: string, shown: Map<string, number>, options: FollowOptions, hasEnded: boolean): void {
  const whole = hasEnded ? text : text.slice(0, text.lastIndexOf("\n") + 1);
  const before = shown.get(pod.nodeId);
  shown.set(pod.nodeId, whole.length);
  shown.set(pod.step, whole.length);
  const fresh = before === undefined || whole.length < before ? whole : whole.slice(before);
  const lines = lastLines(fresh, before === undefined ? options.tail : Infinity);
  if (lines.length > 0) options.onLines(pod.step, lines);
}

function unknownNode(node: string, pods: readonly PodNode[]): KfkError {
  const known = pods.flatMap((pod) => [pod.step, ...pod.nodes]);
  const near = suggest(node, known);
  return new KfkError("USAGE_VALUE", `the run has begun no step or node "${node}"`, {
    hint: near === undefined ? `it has ${[...new Set(known)].join(", ") || "none"}` : `did you mean ${near}?`,
  });
}
