import type { ArgsDef } from "citty";
import type { Server } from "../cluster/server.ts";
import type { EndMark } from "../cluster/verdict.ts";
import type { RunEnd } from "../cluster/wait.ts";
import { isKfkError, KfkError } from "../error.ts";
import type { Sources } from "../view/failure.ts";
import { printable } from "../terminal-text.ts";
import { type Interrupt, listen, unlessAborted } from "./interrupt.ts";
import { parseDuration, RUN_WORDS } from "./options.ts";
import type { Call, Verb } from "./verb.ts";

/** Options of waiting, the same for `wait` and `run-once --wait`. */
export const WAIT_OPTIONS = {
  timeout: {
    type: "string",
    default: "86400",
    valueHint: "TIME",
    description: "Longest wait: seconds, or 90s, 15m, 2h",
  },
  outage: {
    type: "string",
    default: "600",
    valueHint: "TIME",
    description: "How long a server that gives no answer is waited for",
  },
  logs: {
    type: "enum",
    options: ["failed", "all", "none"],
    default: "failed",
    description: "Whose logs are shown at the end",
  },
  "cancel-on-interrupt": { type: "boolean", description: "Ctrl-C also stops the run" },
} satisfies ArgsDef;

export const wait: Verb = {
  name: "wait",
  summary: "Wait for a run and end as it ended",
  details: `${RUN_WORDS} Status 0: succeeded, 1: failed, 7: cancelled, 124: still running after --timeout, 6: cannot be known.`,
  options: { ...WAIT_OPTIONS },
  positionals: ["RUN"],
  examples: ["kfk wait 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70", "kfk wait @latest --timeout 2h"],
  run: async (call) => {
    const limits = readLimits(call);
    const { clock } = call.world;
    const startedMs = clock.monotonicMs();
    const interrupt = listen(call.world);
    try {
      const word = call.positionals[0] as string;
      const { server, id } = await findInTime(call, word, limits.timeoutMs, interrupt);
      const { nodeSources } = await import("./find-run.ts");
      const leftMs = Math.max(0, limits.timeoutMs - (clock.monotonicMs() - startedMs));
      return await waitAndTell(call, server, id, {
        ...limits,
        timeoutMs: leftMs,
        seen: false,
        interrupt,
        sources: (end) => nodeSources(call, end.run),
      });
    } finally {
      interrupt.close();
    }
  },
};

export interface WaitLimits {
  readonly timeoutMs: number;
  readonly outageMs: number;
}

/** `--timeout` and `--outage`, read before anything is sent. Errors: USAGE_VALUE. */
export function readLimits(call: Call): WaitLimits {
  return {
    timeoutMs: parseDuration("timeout", call.options.text("timeout") ?? "86400"),
    outageMs: parseDuration("outage", call.options.text("outage") ?? "600"),
  };
}

/** Waits with progress on stderr. The value is 0; every other end is thrown as the error that carries its status. */
export async function waitAndTell(
  call: Call,
  server: Server,
  id: string,
  how: WaitLimits & {
    /** True when this process started the run. */
    readonly seen: boolean;
    /** As `WaitOptions` has them. */
    readonly workflow?: string | null;
    readonly isDoubled?: boolean;
    /** How it had ended before it was retried. */
    readonly stale?: EndMark;
    readonly interrupt: Interrupt;
    readonly sources: (end: RunEnd) => Promise<Sources>;
  },
): Promise<number> {
  const [{ describeEnd, waitForRun }, { showProgress, renderDuration }, { renderCounts }] = await Promise.all([
    import("../cluster/wait.ts"),
    import("../view/progress.ts"),
    import("../view/failure.ts"),
  ]);
  const progress = showProgress(call.world, call.colour);
  try {
    let outage: string | null = null;
    let toldMs = 0;
    const end = await waitForRun(server, id, {
      timeoutMs: how.timeoutMs,
      outageMs: how.outageMs,
      seen: how.seen,
      workflow: how.workflow,
      isDoubled: how.isDoubled,
      stale: how.stale,
      signal: how.interrupt.signal,
      onProgress: (now) => {
        if (!call.isQuiet) progress.update(now.steps);
        if (outage === null && now.outage !== null) call.say(`no news of the run: ${now.outage}; still asking`);
        outage = now.outage;
        if (progress.isLive || now.elapsedMs - toldMs < HEARTBEAT_MS) return;
        toldMs = now.elapsedMs;
        // build systems end what is silent for long
        const what = now.outage === null ? renderCounts(now.steps) : `no news: ${now.outage}`;
        call.say(`${printable(now.status) || "not begun"} after ${renderDuration(now.elapsedMs)}: ${what}`);
      },
    });
    // the last states come with the end
    if (!call.isQuiet && end.steps.length > 0) progress.update(end.steps);
    progress.stop();
    const error = describeEnd(server, end);
    if (end.verdict === "interrupted") {
      throw await leave(call, server, id, how.interrupt, error?.message ?? "stopped waiting", how.stale !== undefined);
    }
    if (end.verdict === "failed") await tellFailure(call, server, end, how.sources);
    if (call.options.text("logs") === "all") await tellLogs(call, server, end);
    if (error !== undefined) throw error;
    call.say(`run ${id} succeeded after ${renderDuration(end.elapsedMs)}`);
    return 0;
  } finally {
    progress.stop();
  }
}

/**
 * What a signal ends in: the run is left, or with `--cancel-on-interrupt` asked to stop. Never throws for what the
 * server did. `wasRetried`: the server may not know yet that it goes on.
 */
export async function leave(
  call: Call,
  server: Server,
  id: string,
  interrupt: Interrupt,
  message: string,
  wasRetried = false,
): Promise<KfkError> {
  const hint = `kfk wait ${id}`;
  if (call.options.flag("cancel-on-interrupt") !== true) return interrupt.error(message, hint);
  const { terminateRun } = await import("../cluster/runs.ts");
  const limits = { budgetMs: STOP_MS, attemptMs: STOP_MS, signal: interrupt.again };
  try {
    const { ended } = await unlessAborted(terminateRun({ ...server, ...limits }, id), interrupt.again);
    if (ended && wasRetried) {
      const now = `stopped; the run ${id} was asked to go on, and cannot be cancelled now: it has ended, or not begun again`;
      return interrupt.error(now, `kfk cancel ${id}`);
    }
    const done = ended ? `the run ${id} has ended or is stopping already` : `the run ${id} was asked to stop`;
    return interrupt.error(done, `see its end with kfk wait ${id}`);
  } catch (problem) {
    const reason = isKfkError(problem) ? `: ${problem.message}` : "";
    return interrupt.error(
      `stopped; the run ${id} may go on, as it could not be cancelled${reason}`,
      `kfk cancel ${id}`,
    );
  }
}

// --- internal ---

const HEARTBEAT_MS = 60_000;
/** How long a server may take to be asked to stop a run. */
const STOP_MS = 5000;
/** Also with `--timeout 0` the server is looked for this long. */
const LEAST_LOOK_MS = 2000;

/** The server and the run's id. Errors: SERVER_TIMEOUT when that alone takes all the time; those of `findRunId`. */
async function findInTime(
  call: Call,
  word: string,
  timeoutMs: number,
  interrupt: Interrupt,
): Promise<{ readonly server: Server; readonly id: string }> {
  const { connectAnywhere, findRunId } = await import("./find-run.ts");
  const late = new AbortController();
  const found = new AbortController();
  void call.world.clock.sleep(Math.max(timeoutMs, LEAST_LOOK_MS), found.signal).then(() => {
    if (!found.signal.aborted) late.abort();
  });
  const find = async (): Promise<{ readonly server: Server; readonly id: string }> => {
    const server = await connectAnywhere({ ...call, stop: AbortSignal.any([interrupt.signal, late.signal]) });
    return { server: { ...server, signal: interrupt.signal }, id: await findRunId(call, server, word) };
  };
  try {
    return await interrupt.during(
      unlessAborted(find(), late.signal),
      "stopped before the server answered; the run goes on",
      `kfk ${call.options.flag("cancel-on-interrupt") === true ? "cancel" : "wait"} ${word}`,
    );
  } catch (problem) {
    if (!late.signal.aborted || interrupt.came()) throw problem;
    throw new KfkError("SERVER_TIMEOUT", `time is up, and the server has not told the state of the run ${word}`, {
      hint: `kfk wait ${word}`,
    });
  } finally {
    found.abort();
  }
}

async function tellFailure(
  call: Call,
  server: Server,
  end: RunEnd,
  sources: (end: RunEnd) => Promise<Sources>,
): Promise<void> {
  if (call.options.text("logs") === "none") return;
  const [{ explainFailure }, { renderAnnotations, renderFailure }] = await Promise.all([
    import("../cluster/failure.ts"),
    import("../view/failure.ts"),
  ]);
  const [failure, where] = await Promise.all([explainFailure(server, end), sources(end)]);
  for (const line of renderFailure(failure, where)) call.say(line);
  if (call.world.env["GITHUB_ACTIONS"] !== "true") return;
  for (const line of renderAnnotations(failure, where)) call.world.err.write(`${line}\n`);
}

async function tellLogs(call: Call, server: Server, end: RunEnd): Promise<void> {
  const { fetchLog, lastLines } = await import("../cluster/logs.ts");
  for (const pod of end.run?.workflow?.pods ?? []) {
    if (server.signal?.aborted) return;
    const namespace = end.run?.workflow?.namespace ?? "";
    const log = await fetchLog(server, { runId: end.id, pod, namespace, createdAt: end.run?.createdAt ?? "" });
    if (log.kind === "none") call.say(`the log of ${pod.step} cannot be read: ${log.reason}`);
    else for (const line of lastLines(log.text, Infinity)) call.say(`${pod.step} | ${printable(line)}`);
  }
}
