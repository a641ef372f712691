/**
 * Following a run to its end. Comes in: a run's id; goes out: how it ended, or why that is not known.
 *
 * Never a wrong verdict: only the words that servers use for an end are an end (`verdict.ts`); an unknown word, none,
 * an answer that cannot be read or no answer at all is waited through, and after `outageMs` of it the verdict is
 * "unknown". The deadline is looked at after the state, so that a run that ended in time is never called late; when
 * answers had failed just before it, nobody knows whether the run goes on, and the verdict is "unknown" as well. A run
 * whose schedule was deleted loses its workflow and is called Running for ever (recordings `gc.*`): when nothing moved
 * for long and the schedule is gone, that is said, and the verdict is "unknown". So it is when a second workflow reports
 * to the run and it cannot be told which is its own (`reporters.ts`).
 */
import { KfkError } from "../error.ts";
import type { StepState } from "../steps/state.ts";
import { oneLine } from "../terminal-text.ts";
import { isMissing } from "./answer.ts";
import { type Ask, failedRequest, request, type Result, retryAfterMs } from "./request.ts";
import { addOthers, addReport, doubtOf, isOwnReport, newReporters, type Reporters } from "./reporters.ts";
import { readRun, type RunInfo, runPath } from "./runs.ts";
import { linkTo, type Server } from "./server.ts";
import { type End, type EndMark, isNewEnd, otherWorkflows, readStory, type Story, verdictOf } from "./verdict.ts";

export interface WaitOptions {
  /** Longest wait; the run goes on when it is over. */
  readonly timeoutMs: number;
  /** How long a server that gives no usable answer is waited for; default 10 min. */
  readonly outageMs?: number | undefined;
  /** True when the run was seen by this process: then "no such run" is not believed at once. */
  readonly seen?: boolean | undefined;
  /** Name of the run's own workflow, where its creation told it; another one that reports to the run is not believed. */
  readonly workflow?: string | null | undefined;
  /** True when a second workflow is known to report to it. */
  readonly isDoubled?: boolean | undefined;
  /** How it had ended before it was retried: that end is not believed. */
  readonly stale?: EndMark | undefined;
  /** True: done, with the verdict "going", as soon as the run is seen under way. */
  readonly untilGoing?: boolean | undefined;
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

export type Verdict = "succeeded" | "failed" | "cancelled" | "timeout" | "unknown" | "interrupted" | "going";

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
 * Errors: RUN_UNKNOWN for a run that the server never had; SERVER_LOGIN, SERVER_GATE, SERVER_REFUSED, SERVER_ANSWER,
 * SERVER_TOKEN_FILE when that is the very first answer and `seen` is not set.
 */
export async function waitForRun(server: Server, id: string, options: WaitOptions): Promise<RunEnd> {
  const { clock } = server.world;
  const startedMs = clock.monotonicMs();
  const outageMs = options.outageMs ?? OUTAGE_MS;
  let seen = options.seen ?? false;
  let last: RunInfo | undefined;
  let stopping = false;
  let reporters = newReporters(options.workflow ?? null, options.isDoubled ?? false);
  let isDoubtful = false;
  let { stale } = options;
  let hasEnded = false;
  let trouble: Trouble | undefined;
  let still: { readonly key: string; readonly sinceMs: number } | undefined;
  const end = (verdict: Verdict, message: string | null): RunEnd => {
    const steps = last?.workflow?.steps ?? [];
    const elapsedMs = clock.monotonicMs() - startedMs;
    return { id, verdict, status: last?.status ?? "", elapsedMs, steps, message, run: last };
  };
  /** What one attempt may take: neither deadline may be missed by more than a moment. */
  const attemptMs = (): number => {
    const now = clock.monotonicMs();
    const leftMs = Math.max(LAST_ATTEMPT_MS, options.timeoutMs - (now - startedMs));
    const windowMs = Math.max(LEAST_ATTEMPT_MS, outageMs - (now - (trouble?.sinceMs ?? now)));
    return Math.min(server.attemptMs, leftMs, windowMs);
  };
  for (let polls = 1; ; polls++) {
    const sentMs = clock.monotonicMs();
    const mayTakeMs = attemptMs();
    const result = await askAnyway(
      server,
      { method: "GET", path: runPath(id), repeat: "never", attemptMs: mayTakeMs, signal: options.signal },
      seen,
    );
    if (options.signal?.aborted) return end("interrupted", null);
    const news = result instanceof KfkError ? nothing(result.message) : readNews(result, id, seen);
    let problem: Problem | undefined;
    if (news.kind === "run") {
      seen = true;
      reporters = addReport(reporters, news.run);
    }
    const doubt = news.kind === "run" ? doubtOf(reporters, news.run) : null;
    if (news.kind === "run" && doubt !== null) {
      isDoubtful = true;
      // while one of them goes on there is something to wait for
      if (verdictOf(news.run) !== undefined) problem = { message: doubt, kind: "unclear" };
    } else if (news.kind === "run") {
      const before = last;
      isDoubtful = false;
      last = news.run;
      // a run that goes on without the stop mark was retried: how it ends now is its own doing
      const goesOn = last.status.toLowerCase() === "running" && last.workflow?.stopped === false;
      stopping = STOPPING.test(last.status) || (stopping && !goesOn);
      const verdict = verdictOf(last, stopping);
      if (verdict === undefined && isKnown(last.status)) {
        stale = undefined;
        hasEnded = false;
        if (options.untilGoing) return end("going", null);
      }
      if (verdict !== undefined && stale !== undefined && !isNewEnd(stale, last, before)) {
        problem = { message: STALE, kind: "unclear" };
      } else if (verdict !== undefined) {
        hasEnded = true;
        const story = await askStory(server, last, reporters, verdict, attemptMs(), options.signal);
        if (options.signal?.aborted) return end("interrupted", null);
        if ("nodes" in story) reporters = addOthers(reporters, otherWorkflows(last, story.nodes));
        const unsure = doubtOf(reporters, last);
        const known = unsure === null ? confirm(last, verdict, story) : { message: unsure, kind: "unclear" as const };
        if (known === "skipped") return end("unknown", skipped(last.status));
        if (typeof known === "string") return end(known, last.workflow?.message || null);
        problem = known;
      } else if (!isKnown(last.status)) {
        problem = { message: strangeState(last.status), kind: "unclear" };
      }
      const key = `${last.status} ${JSON.stringify(last.workflow?.steps ?? [])}`;
      if (still?.key !== key) {
        still = { key, sinceMs: clock.monotonicMs() };
      } else if (last.scheduleId !== null && clock.monotonicMs() - still.sinceMs >= STILL_MS) {
        if (await isGone(server, last.scheduleId, attemptMs(), options.signal)) return end("unknown", ORPHAN);
        still = { key, sinceMs: clock.monotonicMs() };
      }
    } else {
      const wasLate = clock.monotonicMs() - sentMs >= mayTakeMs;
      problem = { message: news.message, kind: wasLate ? "slow" : "failing" };
    }
    trouble = problem && continued(trouble, problem, sentMs);
    const elapsedMs = clock.monotonicMs() - startedMs;
    options.onProgress?.({
      elapsedMs,
      status: last?.status ?? "",
      steps: last?.workflow?.steps ?? [],
      outage: trouble === undefined || isUsual(trouble, last, clock.monotonicMs()) ? doubt : trouble.message,
    });
    if (elapsedMs >= options.timeoutMs) {
      // one answer that failed may be chance; several mean that the run was not seen when time was up
      const isKnownToGoOn = stale === undefined && !hasEnded && !isDoubtful && (trouble?.failing ?? 0) < LEAST_FAILING;
      return end(isKnownToGoOn ? "timeout" : "unknown", trouble?.message ?? doubt);
    }
    const troubledMs = trouble === undefined ? 0 : clock.monotonicMs() - trouble.sinceMs;
    // a machine that slept sees one old trouble, not a long one: so also a number of questions
    if (trouble && trouble.count >= LEAST_TROUBLES && troubledMs >= outageMs) return end("unknown", trouble.message);
    const askedMs = result instanceof KfkError ? 0 : Math.min(LONGEST_REST_MS, retryAfterMs(server, result.answer));
    const restMs = Math.max(askedMs, pollMs(server, polls, elapsedMs));
    // neither limit is slept over
    const windowMs = trouble === undefined ? Infinity : Math.max(SHORT_POLL_MS, outageMs - troubledMs);
    await clock.sleep(Math.min(restMs, windowMs, options.timeoutMs - elapsedMs), options.signal);
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
    case "going":
      return undefined;
    case "failed":
      return new KfkError(
        "RUN_FAILED",
        `the run ${end.id} failed${end.message === null ? "" : `: ${oneLine(end.message)}`}`,
        {
          hint: `kfk retry ${end.id} goes on from what succeeded; kfk logs ${end.id} --failed shows all lines; ${link}`,
          notes: end.steps
            .filter((step) => step.phase === "failed")
            .map((step) => ({
              message: oneLine(`step ${step.id} failed${step.message === null ? "" : `: ${step.message}`}`),
            })),
        },
      );
    case "cancelled":
      return new KfkError("RUN_CANCELLED", `the run ${end.id} was cancelled`, { hint: `look at it: ${link}` });
    case "timeout":
      return new KfkError(
        "SERVER_TIMEOUT",
        end.run === undefined
          ? `time is up, and the server has not told the state of the run ${end.id}`
          : `the run ${end.id} has not ended in time, and goes on`,
        { hint: next, notes: end.message === null ? [] : [{ message: end.message }] },
      );
    case "unknown":
      return new KfkError(
        "SERVER_OUTCOME",
        `it is not known how the run ${end.id} ended: ${oneLine(end.message ?? "no reason given")}`,
        { hint: next, notes: [{ message: `its page: ${link}` }] },
      );
    case "interrupted":
      return new KfkError("INTERRUPTED", `stopped waiting; the run ${end.id} goes on`, { hint: next });
  }
}

// --- internal ---

const OUTAGE_MS = 600_000;
const LEAST_TROUBLES = 3;
/** So many failed answers in a row when time is up: it is not known whether the run goes on. */
const LEAST_FAILING = 2;
/** Also when time is up the last question gets this long. */
const LAST_ATTEMPT_MS = 2000;
/** Also at the end of an outage's window a question gets this long. */
const LEAST_ATTEMPT_MS = 1000;
/** A run of a schedule in which nothing moves for so long is looked at. */
const STILL_MS = 1_800_000;
const FIRST_POLL_MS = 2000;
/** Argo looks at a workflow every 10 s, so asking more often shows nothing new. */
const SLOW_POLL_MS = 10_000;
const FAST_FOR_MS = 30_000;
/** Between the last questions of an outage. */
const SHORT_POLL_MS = 500;
/** A new run has no state at first; longer than this is worth telling. */
const USUAL_MS = 30_000;
/** The longest wait for one of them: a failure card is to come soon. */
const STORY_MS = 5000;
/** However long a server wants to be left alone, a run is looked after. */
const LONGEST_REST_MS = 120_000;

/** Why one answer brought nothing: it failed, it did not come in time, or it came and says nothing certain. */
interface Problem {
  readonly message: string;
  readonly kind: "failing" | "slow" | "unclear";
}

interface Trouble {
  readonly message: string;
  readonly sinceMs: number;
  /** Answers in a row that brought nothing; and those of them that failed. */
  readonly count: number;
  readonly failing: number;
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

/** Who asks for a run for the first time is told at once what another question would not change. */
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
  const isFinal = answer.kind === "login" || answer.kind === "gate" || answer.kind === "refused";
  if (isFinal && !seen) throw failedRequest(result);
  return nothing(failedRequest(result).message);
}

/**
 * What a verdict is worth: a run that is called failed may have been stopped, which its workflow does not always show,
 * and where there is no workflow either, nothing shows it.
 */
function confirm(run: RunInfo, verdict: End, story: Story): End | Problem {
  if (verdict !== "failed") return verdict;
  const called = `the run is called ${run.status}, and whether it was stopped`;
  if (story.kind === "unread") return { message: `${called} cannot be read: ${story.reason}`, kind: "failing" };
  if (story.kind !== "none") return story.kind;
  if (run.workflow !== undefined) return "failed";
  return { message: `${called} is not told: the server shows neither its workflow nor its history`, kind: "unclear" };
}

/** Asked where it may change the verdict: of a failure, and of an end that may be another workflow's. */
async function askStory(
  server: Server,
  run: RunInfo,
  reporters: Reporters,
  verdict: End,
  attemptMs: number,
  signal: AbortSignal | undefined,
): Promise<Story> {
  if (verdict !== "failed" && isOwnReport(reporters, run)) return { kind: "none" };
  try {
    return await readStory(server, run.id, { attemptMs: Math.min(attemptMs, STORY_MS), signal });
  } catch (error) {
    if (error instanceof KfkError) return { kind: "unread", reason: error.message };
    throw error;
  }
}

function isKnown(status: string): boolean {
  return KNOWN.has(status.toLowerCase());
}

const KNOWN: ReadonlySet<string> = new Set(["pending", "running", "terminating", "canceling", "cancelling", "paused"]);
const STOPPING = /^(terminating|cancell?ing)$/i;

const ORPHAN =
  "the schedule that started it was deleted, most likely with its workflow, and the server will call it Running for ever";

/** True only when the server clearly says that it has no such schedule. */
async function isGone(
  server: Server,
  scheduleId: string,
  attemptMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const path = `/apis/v1beta1/jobs/${encodeURIComponent(scheduleId)}`;
  const result = await askAnyway(server, { method: "GET", path, repeat: "never", attemptMs, signal }, true);
  return !(result instanceof KfkError) && isMissing(result.answer);
}

const STALE = "the server still shows how the run ended before it was retried";

function strangeState(status: string): string {
  if (status === "") return "the server gives no state for it: Argo has not looked at it yet";
  return `the server calls its state "${status}", which is no known word`;
}

function skipped(status: string): string {
  return `the server calls its end ${status}: it ran nothing, which is neither a success nor a failure`;
}

/** True for what every new run shows for some seconds. */
function isUsual(trouble: Trouble, run: RunInfo | undefined, nowMs: number): boolean {
  return trouble.failing === 0 && run?.status === "" && nowMs - trouble.sinceMs < USUAL_MS;
}

function continued(trouble: Trouble | undefined, problem: Problem, sentMs: number): Trouble {
  return {
    message: problem.message,
    sinceMs: trouble?.sinceMs ?? sentMs,
    count: (trouble?.count ?? 0) + 1,
    failing: (trouble?.failing ?? 0) + (problem.kind === "failing" ? 1 : 0),
  };
}

/** Quick at first, then at Argo's own pace; a little random, so that many clients do not ask at the same moment. */
function pollMs(server: Server, polls: number, elapsedMs: number): number {
  const pace = elapsedMs < FAST_FOR_MS ? Math.min(SLOW_POLL_MS, FIRST_POLL_MS + 250 * (polls - 1)) : SLOW_POLL_MS;
  const random = Number.parseInt(server.world.newId().slice(0, 8), 16) / 2 ** 32;
  return Math.round(pace * (0.9 + 0.2 * random));
}
