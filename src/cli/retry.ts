import type { RunInfo } from "../cluster/runs.ts";
import type { End } from "../cluster/verdict.ts";
import type { RunEnd } from "../cluster/wait.ts";
import { isKfkError, KfkError } from "../error.ts";
import type { Sources } from "../view/failure.ts";
import { type Interrupt, listen } from "./interrupt.ts";
import { RUN_WORDS } from "./options.ts";
import { idNotWritten, writeRunId } from "./output.ts";
import type { Call, Verb } from "./verb.ts";
import { leave, readLimits, WAIT_OPTIONS, waitAndTell, type WaitLimits } from "./wait.ts";

export const retry: Verb = {
  name: "retry",
  summary: "Go on with a run that failed",
  details:
    `${RUN_WORDS} Steps that succeeded are kept, the others run again, and the id stays. The image is the run's own. ` +
    "Only a run that failed or was cancelled can go on.",
  options: {
    wait: { type: "boolean", description: "Wait for the end and give its status" },
    ...WAIT_OPTIONS,
  },
  positionals: ["RUN"],
  examples: ["kfk retry @latest --wait", "kfk retry 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
  run: async (call) => {
    const limits = readLimits(call);
    const interrupt = listen(call.world);
    try {
      return await goOn({ ...call, stop: interrupt.signal }, limits, interrupt);
    } finally {
      interrupt.close();
    }
  },
};

// --- internal ---

/** How long `retry` alone looks whether the run goes on. */
const SETTLE_MS = 60_000;

async function goOn(call: Call, limits: WaitLimits, interrupt: Interrupt): Promise<number> {
  const [{ connectAnywhere, findRunId, nodeSources }, runs, { linkTo }, { markEnd, verdictOf }, { waitForRun }] =
    await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
      import("../cluster/server.ts"),
      import("../cluster/verdict.ts"),
      import("../cluster/wait.ts"),
    ]);
  const soFar = async <T>(work: Promise<T>): Promise<T> => await interrupt.during(work, "stopped; nothing was done");
  const server = await soFar(connectAnywhere(call));
  const id = await soFar(findRunId(call, server, call.positionals[0] as string));
  const before = await soFar(runs.fetchRun(server, id));
  checkRetry(before, verdictOf(before));
  await interrupt
    .toItsEnd(
      async (signal) => await runs.retryRun({ ...server, signal }, id),
      () => `stopped; the run ${id} may have been retried`,
      `kfk status ${id}`,
    )
    .catch((error: unknown) => {
      if (isKfkError(error, "SERVER_OUTCOME") || interrupt.came()) writeRunId(call, id); // it may go on
      throw error;
    });
  const isWritten = writeRunId(call, id);
  if (interrupt.came())
    throw await leave(call, server, id, interrupt, `stopped; the run ${id} was asked to go on`, true);
  call.say(`goes on: ${linkTo(server, { page: "run", id })}`);
  // the server may show the old end for a while
  const stale = markEnd(before) ?? { status: "Failed", finishedAt: before.finishedAt, failed: new Set<string>() };
  if (call.options.flag("wait") === true) {
    const sources = (end: RunEnd): Promise<Sources> => nodeSources(call, end.run);
    return await waitAndTell(call, server, id, { ...limits, seen: true, stale, interrupt, sources });
  }
  const settleMs = Math.min(SETTLE_MS, limits.timeoutMs);
  const end = await waitForRun(server, id, {
    timeoutMs: settleMs,
    outageMs: Math.min(settleMs, limits.outageMs),
    seen: true,
    stale,
    untilGoing: true,
    signal: interrupt.signal,
  });
  if (end.verdict === "interrupted") {
    throw await leave(call, server, id, interrupt, `stopped; the run ${id} was asked to go on`, true);
  }
  if (!isWritten) throw idNotWritten(id);
  if (end.verdict !== "unknown" && end.verdict !== "timeout") return 0;
  throw new KfkError(
    "SERVER_OUTCOME",
    `the run ${id} was asked to go on, and is not seen to: ${end.message ?? "it has no state"}`,
    {
      hint: `look at it with kfk status ${id} before kfk wait, which may tell the old end`,
    },
  );
}

/** Servers take a run that failed, also one that was stopped, and refuse others in words that help nobody. */
function checkRetry({ id, status }: RunInfo, verdict: End | undefined): void {
  if (verdict === "failed" || verdict === "cancelled") return;
  if (verdict === undefined && !/^(?:running|pending|)$/i.test(status)) return; // the server knows what it is
  const [state, hint] =
    verdict === undefined
      ? ["has not ended", `see its end with kfk wait ${id}, or stop it first with kfk cancel ${id}`]
      : [verdict === "skipped" ? "was skipped" : "has succeeded", "start another one with kfk run-once"];
  throw new KfkError("SERVER_REFUSED", `the run ${id} ${state}, and only one that failed can go on`, { hint });
}
