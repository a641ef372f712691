import type { ArgsDef } from "citty";
import type { RunEnd } from "../cluster/wait.ts";
import type { Server } from "../cluster/server.ts";
import type { Sources } from "../view/failure.ts";
import { parseDuration } from "./options.ts";
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
  details: "Status 0: succeeded, 1: failed, 7: cancelled, 124: still running after --timeout, 6: cannot be known.",
  options: { ...WAIT_OPTIONS },
  positionals: ["RUN"],
  examples: ["kfk wait 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70", "kfk wait @latest --timeout 2h"],
  run: async (call) => {
    const limits = readLimits(call);
    const { connectAnywhere, findRunId, nodeSources } = await import("./find-run.ts");
    const server = await connectAnywhere(call);
    const id = await findRunId(call, server, call.positionals[0] as string);
    return await waitAndTell(call, server, id, {
      ...limits,
      seen: false,
      sources: (end) => nodeSources(call, end.run),
    });
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
    readonly sources: (end: RunEnd) => Promise<Sources>;
  },
): Promise<number> {
  const [{ describeEnd, waitForRun }, { showProgress, renderDuration }, { renderCounts }] = await Promise.all([
    import("../cluster/wait.ts"),
    import("../view/progress.ts"),
    import("../view/failure.ts"),
  ]);
  const abort = new AbortController();
  let signal: string | undefined;
  const unlisten = call.world.onSignal((name) => {
    signal ??= name;
    abort.abort();
  });
  const progress = showProgress(call.world, call.colour);
  try {
    let outage: string | null = null;
    let toldMs = 0;
    const end = await waitForRun(server, id, {
      timeoutMs: how.timeoutMs,
      outageMs: how.outageMs,
      seen: how.seen,
      signal: abort.signal,
      onProgress: (now) => {
        if (!call.isQuiet) progress.update(now.steps);
        if (now.outage !== outage && now.outage !== null) call.say(`no news of the run: ${now.outage}; still asking`);
        outage = now.outage;
        if (progress.isLive || now.elapsedMs - toldMs < HEARTBEAT_MS) return;
        toldMs = now.elapsedMs;
        // build systems end what is silent for long
        const what = now.outage === null ? renderCounts(now.steps) : `no news: ${now.outage}`;
        call.say(`${now.status || "not begun"} after ${renderDuration(now.elapsedMs)}: ${what}`);
      },
    });
    progress.stop();
    const error = describeEnd(server, end);
    if (end.verdict === "interrupted") throw await interrupted(call, server, end, signal, error);
    if (end.verdict === "failed") await tellFailure(call, server, end, how.sources);
    if (call.options.text("logs") === "all") await tellLogs(call, server, end);
    if (error !== undefined) throw error;
    call.say(`run ${id} succeeded after ${renderDuration(end.elapsedMs)}`);
    return 0;
  } finally {
    progress.stop();
    unlisten();
  }
}

// --- internal ---

const HEARTBEAT_MS = 60_000;

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
  const [{ fetchLog, lastLines }, { printable }] = await Promise.all([
    import("../cluster/logs.ts"),
    import("../view/failure.ts"),
  ]);
  for (const pod of end.run?.workflow?.pods ?? []) {
    const namespace = end.run?.workflow?.namespace ?? "";
    const log = await fetchLog(server, { runId: end.id, pod, namespace, createdAt: end.run?.createdAt ?? "" });
    if (log.kind === "none") call.say(`the log of ${pod.step} cannot be read: ${log.reason}`);
    else for (const line of lastLines(log.text, Infinity)) call.say(`${pod.step} | ${printable(line)}`);
  }
}

/** What a signal ends in; with `--cancel-on-interrupt` the run is stopped first. */
async function interrupted(
  call: Call,
  server: Server,
  end: RunEnd,
  signal: string | undefined,
  error: import("../error.ts").KfkError | undefined,
): Promise<import("../error.ts").KfkError> {
  const { KfkError } = await import("../error.ts");
  const code = signal === "SIGINT" ? "INTERRUPTED" : "TERMINATED";
  const left = new KfkError(code, error?.message ?? "stopped waiting", { hint: error?.hint });
  if (call.options.flag("cancel-on-interrupt") !== true) return left;
  const { terminateRun } = await import("../cluster/runs.ts");
  try {
    const { ended } = await terminateRun({ ...server, budgetMs: 5000, attemptMs: 5000 }, end.id);
    return new KfkError(code, ended ? `the run ${end.id} had ended already` : `the run ${end.id} was asked to stop`, {
      hint: `see its end with kfk wait ${end.id}`,
    });
  } catch (problem) {
    if (!(problem instanceof KfkError)) throw problem;
    return new KfkError(code, `stopped waiting; the run ${end.id} could not be cancelled: ${problem.message}`, {
      hint: `kfk cancel ${end.id}`,
    });
  }
}
