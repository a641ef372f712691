/**
 * Following a run to its end. Comes in: a run's id; goes out: how it ended, or why that is not known.
 *
 * Never a wrong verdict: only the words that servers use for an end are an end; an unknown word, an answer that cannot
 * be read or no answer at all is waited through, and after `outageMs` of it the verdict is "unknown". A run that was
 * stopped is reported as Failed by real servers (recordings `wait.v1.argo-slow`); the stop mark in its workflow, or the
 * state Terminating on the way, tells it apart. The deadline is looked at after the state, so that a run that ended in
 * time is never called late. A run whose schedule was deleted loses its workflow and is called Running for ever
 * (recordings `gc.*`): when nothing moved for long and the schedule is gone, that is said, and the verdict is "unknown".
 */
import { KfkError } from "../error.ts";
import type { StepState } from "../steps/state.ts";
import { isMissing } from "./answer.ts";
import { type Ask, failedRequest, request, type Result, retryAfterMs } from "./request.ts";
import { readRun, type RunInfo, runPath } from "./runs.ts";
import { linkTo, type Server } from "./server.ts";

export interface WaitOptions {
  /** Longest wait; the run goes on when it is over. */
  readonly timeoutMs: number;
  /** How long a server that gives no usable answer is waited for; default 10 min. */
  readonly outageMs?: number | undefined;
  /** True when the run was seen by this process: then "no such run" is not believed at once. */
  readonly seen?: boolean | undefined;
  /** Ends the wait; the run goes on. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** What is known at one moment. */
export interface Progress {
  readonly elapsedMs: number;
  /** The server's word for the state, "" before it has one. */
  readonly status: string;
  readonly steps: readonly StepState[];
  /** Why there is no news, null while answers come. */
  readonly outage: string | null;
}

export type Verdict = "succeeded" | "failed" | "cancelled" | "timeout" | "unknown" | "interrupted";

export interface RunEnd {
  readonly id: string;
  readonly verdict: Verdict;
  readonly status: string;
  readonly elapsedMs: number;
  /** As last seen. */
  readonly steps: readonly StepState[];
  /** What the workflow, or the trouble, says about it; null when there is nothing to say. */
  readonly message: string | null;
  /** As last seen; undefined when it was never seen. */
  readonly run: RunInfo | undefined;
}

/**
 * Polls a run until it has ended, time is up or nothing can be known.
 *
 * Errors: RUN_UNKNOWN for a run that the server never had; SERVER_TOKEN_FILE; SERVER_LOGIN, SERVER_GATE,
 * SERVER_UNREACHABLE, SERVER_ERROR when the very first question gets no answer and `seen` is not set.
 */
export async function waitForRun(server: Server, id: string, options: WaitOptions): Promise<RunEnd> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  const outageMs = options.outageMs ?? OUTAGE_MS;
  let seen = options.seen ?? false;
  let last: RunInfo | undefined;
  let stopping = false;
  let trouble: Trouble | undefined;
  let still: { readonly key: string; readonly sinceMs: number } | undefined;
  for (let polls = 1; ; polls++) {
    // the first question of a run that is not ours has the patience of any request; the loop has its own
    const repeat = seen ? "never" : "always";
    const leftMs = options.timeoutMs - (clock.monotonicMs() - startedMs);
    const attemptMs = seen ? Math.min(server.attemptMs, Math.max(LEAST_ATTEMPT_MS, leftMs)) : server.attemptMs;
    const ask = { method: "GET", path: runPath(id), repeat, attemptMs, signal: options.signal } as const;
    const result = await askAnyway(server, ask, seen);
    const elapsedMs = clock.monotonicMs() - startedMs;
    const end = (verdict: Verdict, message: string | null): RunEnd => {
      const steps = last?.workflow?.steps ?? [];
      return { id, verdict, status: last?.status ?? "", elapsedMs, steps, message, run: last };
    };
    if (options.signal?.aborted) return end("interrupted", null);
    const news = result instanceof KfkError ? nothing(result.message) : readNews(result, id, seen);
    if (news.kind === "run") {
      seen = true;
      last = news.run;
      // a run that goes on without the stop mark was retried: how it ends now is its own doing
      const goesOn = last.status.toLowerCase() === "running" && last.workflow?.stopped === false;
      stopping = STOPPING.test(last.status) || (stopping && !goesOn);
      const verdict = judge(last, stopping);
      if (verdict !== undefined) return end(verdict, last.workflow?.message || null);
      const key = `${last.status} ${JSON.stringify(last.workflow?.steps ?? [])}`;
      if (still?.key !== key) {
        still = { key, sinceMs: clock.monotonicMs() };
      } else if (last.scheduleId !== null && clock.monotonicMs() - still.sinceMs >= STILL_MS) {
        if (await isGone(server, last.scheduleId)) return end("unknown", ORPHAN);
        still = { key, sinceMs: clock.monotonicMs() };
      }
      trouble = isKnown(last.status) ? undefined : continued(trouble, strangeState(last.status), clock.monotonicMs());
    } else {
      trouble = continued(trouble, news.message, clock.monotonicMs());
    }
    options.onProgress?.({
      elapsedMs,
      status: last?.status ?? "",
      steps: last?.workflow?.steps ?? [],
      outage: trouble?.message ?? null,
    });
    if (elapsedMs >= options.timeoutMs) return end("timeout", trouble?.message ?? null);
    // a machine that slept sees one old trouble, not a long one: so also a number of questions
    if (trouble && trouble.count >= LEAST_TROUBLES && clock.monotonicMs() - trouble.sinceMs >= outageMs) {
      return end("unknown", trouble.message);
    }
    const askedMs = result instanceof KfkError ? 0 : Math.min(LONGEST_REST_MS, retryAfterMs(server, result.answer));
    const pauseMs = Math.min(Math.max(askedMs, pollMs(server, polls, elapsedMs)), options.timeoutMs - elapsedMs);
    await clock.sleep(pauseMs, options.signal);
  }
}

/**
 * The error that an end deserves, with its exit status; undefined when the run succeeded.
 *
 * RUN_FAILED (1) names the failed steps, RUN_CANCELLED (7), SERVER_TIMEOUT (124) and SERVER_OUTCOME (6) say how to go
 * on, INTERRUPTED (130).
 */
export function describeEnd(server: Server, end: RunEnd): KfkError | undefined {
  const link = linkTo(server, { page: "run", id: end.id });
  const next = `kfk wait ${end.id}`;
  switch (end.verdict) {
    case "succeeded":
      return undefined;
    case "failed":
      return new KfkError("RUN_FAILED", `the run ${end.id} failed${end.message === null ? "" : `: ${end.message}`}`, {
        hint: `kfk retry ${end.id} goes on from what succeeded; kfk logs ${end.id} --failed shows all lines; ${link}`,
        notes: end.steps
          .filter((step) => step.phase === "failed")
          .map((step) => ({ message: `step ${step.id} failed${step.message === null ? "" : `: ${step.message}`}` })),
      });
    case "cancelled":
      return new KfkError("RUN_CANCELLED", `the run ${end.id} was cancelled`, { hint: `look at it: ${link}` });
    case "timeout":
      return new KfkError("SERVER_TIMEOUT", `the run ${end.id} has not ended in time, and goes on`, {
        hint: next,
        notes: end.message === null ? [] : [{ message: end.message }],
      });
    case "unknown":
      return new KfkError(
        "SERVER_OUTCOME",
        `it is not known how the run ${end.id} ended: ${end.message ?? "no reason given"}`,
        { hint: next, notes: [{ message: `its page: ${link}` }] },
      );
    case "interrupted":
      return new KfkError("INTERRUPTED", `stopped waiting; the run ${end.id} goes on`, { hint: next });
  }
}

/** How a run ended, as far as it alone tells; undefined while it has not. */
export function verdictOf(run: RunInfo): "succeeded" | "failed" | "cancelled" | undefined {
  return judge(run, false);
}

/**
 * After a retry: waits until the server no longer calls the run ended, since it may show the old end for a moment.
 * Gives up after half a minute, when it may have ended again already.
 */
export async function settleRetry(server: Server, id: string): Promise<void> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  while (clock.monotonicMs() - startedMs < SETTLE_MS) {
    const news = readNews(await request(server, { method: "GET", path: runPath(id), repeat: "never" }), id, true);
    if (news.kind === "run" && verdictOf(news.run) === undefined) return;
    await clock.sleep(FIRST_POLL_MS);
  }
}

// --- internal ---

const OUTAGE_MS = 600_000;
const SETTLE_MS = 30_000;
const LEAST_TROUBLES = 3;
/** Also in the last moment before a timeout an answer gets this long. */
const LEAST_ATTEMPT_MS = 5000;
/** A run of a schedule in which nothing moves for so long is looked at. */
const STILL_MS = 1_800_000;
const FIRST_POLL_MS = 2000;
/** Argo looks at a workflow every 10 s, so asking more often shows nothing new. */
const SLOW_POLL_MS = 10_000;
const FAST_FOR_MS = 30_000;
/** However long a server wants to be left alone, a run is looked after. */
const LONGEST_REST_MS = 120_000;

interface Trouble {
  readonly message: string;
  readonly sinceMs: number;
  readonly count: number;
}

type News = { readonly kind: "run"; readonly run: RunInfo } | { readonly kind: "none"; readonly message: string };

/** A token file that is away for a moment must not end a wait that may last a day. */
async function askAnyway(server: Server, ask: Ask, seen: boolean): Promise<Result | KfkError> {
  try {
    return await request(server, ask);
  } catch (error) {
    if (seen && error instanceof KfkError) return error;
    throw error;
  }
}

function nothing(message: string): News {
  return { kind: "none", message };
}

function readNews(result: Result, id: string, seen: boolean): News {
  const { answer } = result;
  if (answer.kind === "ok") {
    try {
      const run = readRun(result);
      if (run.id === id) return { kind: "run", run };
      return nothing(`the server answered with another run, ${run.id}`);
    } catch (error) {
      if (!(error instanceof KfkError) || !seen) throw error;
      return nothing(error.message);
    }
  }
  if (isMissing(answer)) {
    if (seen) return nothing("the server no longer knows the run");
    throw new KfkError("RUN_UNKNOWN", `the server knows no run "${id}"`, {
      hint: "look at the runs it has with kfk list-runs",
    });
  }
  if (seen) return nothing(failedRequest(result).message);
  throw failedRequest(result);
}

/** States of both APIs, and phases of Argo, which 1.x hands on. */
function judge(run: RunInfo, stopping: boolean): "succeeded" | "failed" | "cancelled" | undefined {
  switch (run.status.toLowerCase()) {
    case "succeeded":
      return "succeeded";
    case "failed":
    case "error":
      return stopping || run.workflow?.stopped ? "cancelled" : "failed";
    case "skipped":
    case "omitted":
      // Argo ends no workflow this way today; nothing ran, so it is no success
      return "failed";
    case "terminated":
    case "canceled":
    case "cancelled":
      return "cancelled";
    default:
      return undefined;
  }
}

function isKnown(status: string): boolean {
  return KNOWN.has(status.toLowerCase());
}

const KNOWN: ReadonlySet<string> = new Set([
  "",
  "pending",
  "running",
  "terminating",
  "canceling",
  "paused",
  "runtime_state_unspecified",
]);
const STOPPING = /^(terminating|cancell?ing)$/i;

const ORPHAN =
  "the schedule that started it was deleted, most likely with its workflow, and the server will call it Running for ever";

/** True only when the server clearly says that it has no such schedule. */
async function isGone(server: Server, scheduleId: string): Promise<boolean> {
  const path = `/apis/v1beta1/jobs/${encodeURIComponent(scheduleId)}`;
  return isMissing((await request(server, { method: "GET", path, repeat: "never" })).answer);
}

function strangeState(status: string): string {
  return `the server calls its state "${status}", which is no known word`;
}

function continued(trouble: Trouble | undefined, message: string, nowMs: number): Trouble {
  return { message, sinceMs: trouble?.sinceMs ?? nowMs, count: (trouble?.count ?? 0) + 1 };
}

/** Quick at first, then at Argo's own pace; a little random, so that many clients do not ask at the same moment. */
function pollMs(server: Server, polls: number, elapsedMs: number): number {
  const pace = elapsedMs < FAST_FOR_MS ? Math.min(SLOW_POLL_MS, FIRST_POLL_MS + 250 * (polls - 1)) : SLOW_POLL_MS;
  const random = Number.parseInt(server.world.newId().slice(0, 8), 16) / 2 ** 32;
  return Math.round(pace * (0.9 + 0.2 * random));
}
