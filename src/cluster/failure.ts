/**
 * Why a run failed, as far as it can be known within a few seconds: which steps, their reason, the end of their logs,
 * and the parameters that were other than in the last run that succeeded.
 *
 * Comes in: the end of a wait. Everything is asked at the same time and given up together at a deadline: a failure card
 * that comes late is worth less than one with a hole. Never throws for what the server did.
 * Reasons are told by Argo's messages (4.0.8, recordings `wait.v1.*`) and Kubernetes' words inside them.
 */
import { EMPTY_LOG, fetchLog, lastLines } from "./logs.ts";
import { listRuns, type RunInfo } from "./runs.ts";
import type { Server } from "./server.ts";
import type { RunEnd } from "./wait.ts";
import type { PodNode } from "./workflow.ts";

export interface Failure {
  readonly steps: readonly FailedStep[];
  /** Failed steps that are not in `steps`. */
  readonly more: number;
  /** Parameters whose value differs from the last success: [name, then, now], null: not given. */
  readonly changed: readonly (readonly [string, string | null, string | null])[];
  /** Id of that run; null when there is none, or it was not found in time. */
  readonly lastSuccess: string | null;
}

export interface FailedStep {
  readonly step: string;
  /** Kedro names. */
  readonly nodes: readonly string[];
  readonly reason: string;
  /** What mostly helps, null when nothing general can be said. */
  readonly advice: string | null;
  readonly exitCode: number | null;
  readonly log: readonly string[];
  /** Why there is no log, null when there is one. */
  readonly logMissing: string | null;
}

/** Asks for everything about a failure; done within `limitMs`. */
export async function explainFailure(server: Server, end: RunEnd, limitMs = LIMIT_MS): Promise<Failure> {
  const { clock } = server.world;
  const late = new AbortController();
  const done = new AbortController();
  void clock.sleep(limitMs, done.signal).then(() => {
    if (!done.signal.aborted) late.abort();
  });
  const pods = (end.run?.workflow?.pods ?? []).filter((each) => each.phase === "failed");
  // nothing of it goes on behind the card
  const signal = server.signal === undefined ? late.signal : AbortSignal.any([late.signal, server.signal]);
  const hurried = { ...server, signal, attemptMs: limitMs, budgetMs: 1 };
  try {
    const [steps, past] = await Promise.all([
      Promise.all(pods.slice(0, MOST_STEPS).map((pod) => explainStep(hurried, end, pod))),
      end.run === undefined ? undefined : findSuccess(hurried, end.run, signal),
    ]);
    return {
      steps,
      more: Math.max(0, pods.length - MOST_STEPS),
      changed: past === undefined || end.run === undefined ? [] : compare(past.parameters, end.run.parameters),
      lastSuccess: past?.id ?? null,
    };
  } finally {
    done.abort();
  }
}

/** What a message of Argo or Kubernetes means, in one line, and what mostly helps. */
export function readReason(
  message: string | null,
  exitCode: number | null,
): { readonly reason: string; readonly advice: string | null } {
  const text = message ?? "";
  for (const [pattern, reason, advice] of REASONS) if (pattern.test(text)) return { reason, advice };
  const status = STATUSES[exitCode ?? -1];
  if (status !== undefined) return { reason: `${status[0]} (exit code ${exitCode})`, advice: status[1] };
  if (exitCode !== null) return { reason: `exit code ${exitCode}`, advice: null };
  return { reason: text === "" ? "no reason given" : text, advice: null };
}

// --- internal ---

const LIMIT_MS = 2500;
const MOST_STEPS = 3;
/** Of 40 runs each. */
const MOST_PAGES = 5;
const LOG_LINES = 40;

type Reason = readonly [RegExp, string, string | null];
const REASONS: readonly Reason[] = [
  [/OOMKilled/, "OOMKilled: it used more memory than its limit", "raise its memory under run_config.resources"],
  [
    /ImagePullBackOff|ErrImagePull|InvalidImageName|ImageInspectError/,
    "ImagePullBackOff: its image cannot be pulled",
    "check run_config.image, and run_config.image_pull_secrets for a private registry",
  ],
  [
    /longer than the specified deadline|DeadlineExceeded|exceeded its deadline|active on the node longer/i,
    "deadline: it ran longer than allowed",
    null,
  ],
  [
    /evicted|low on resource|Preempt/i,
    "evicted: its machine ran short of something",
    "ask for what it needs under run_config.resources",
  ],
  [/CreateContainerConfigError/, "CreateContainerConfigError: a secret or config map that it names is missing", null],
  [/pod deleted|NodeLost|node .*lost/i, "its pod was deleted, or its machine was lost", null],
  [/Unschedulable|Insufficient|didn't match/i, "no machine of the cluster has room for it", null],
];

/** Exit statuses of the runner (`steps/runner.py`) and of the kernel. */
const STATUSES: Readonly<Record<number, readonly [string, string | null]>> = {
  90: ["the runner was given a broken argument", null],
  91: ["the image is not of the same state as this pipeline", "build the image from this commit, and run again"],
  92: [
    "there is no Kedro project in the image's folder",
    "set run_config.project_dir to the project's folder in the image",
  ],
  137: ["killed, mostly for using too much memory", "raise its memory under run_config.resources"],
  143: ["stopped from outside", null],
};

async function explainStep(server: Server, end: RunEnd, pod: PodNode): Promise<FailedStep> {
  const wanted = {
    runId: end.id,
    pod,
    namespace: end.run?.workflow?.namespace ?? "",
    createdAt: end.run?.createdAt ?? "",
  };
  const log = await fetchLog(server, wanted, { signal: server.signal });
  const lines = log.kind === "text" ? lastLines(log.text, LOG_LINES) : [];
  return {
    step: pod.step,
    nodes: pod.nodes,
    ...readReason(pod.message, pod.exitCode),
    exitCode: pod.exitCode,
    log: lines,
    logMissing: log.kind === "none" ? log.reason : lines.length === 0 ? EMPTY_LOG : null,
  };
}

type Past = Pick<RunInfo, "id" | "parameters">;

/** The newest older run of the same pipeline in the same experiment that succeeded, on the first pages. */
async function findSuccess(server: Server, run: RunInfo, signal: AbortSignal): Promise<Past | undefined> {
  if (run.experimentId === null || run.pipelineKey === "") return undefined;
  const late = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined));
  });
  return await Promise.race([late, searchSuccess(server, run)]);
}

async function searchSuccess(server: Server, run: RunInfo): Promise<Past | undefined> {
  try {
    let pages = 0;
    for await (const page of listRuns(server, run.experimentId ?? undefined)) {
      const found = page.find((each) => isOlder(each, run) && each.status.toLowerCase() === "succeeded");
      if (found !== undefined || ++pages >= MOST_PAGES) return found;
    }
    return undefined;
  } catch {
    return undefined; // only an addition to the card
  }
}

/** Servers tell whole seconds: what was made in the same one is not called older. */
function isOlder(each: Pick<RunInfo, "pipelineKey" | "createdAt">, run: RunInfo): boolean {
  return each.pipelineKey === run.pipelineKey && Date.parse(each.createdAt) < Date.parse(run.createdAt);
}

function compare(then: RunInfo["parameters"], now: RunInfo["parameters"]): Failure["changed"] {
  const before = new Map(then.map(({ name, value }) => [name, value]));
  const after = new Map(now.map(({ name, value }) => [name, value]));
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => [name, before.get(name) ?? null, after.get(name) ?? null] as const);
}
