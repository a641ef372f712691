import type { Server } from "../cluster/server.ts";
import { isKfkError, isStop } from "../error.ts";
import { listen } from "./interrupt.ts";
import { RUN_WORDS } from "./options.ts";
import type { Verb } from "./verb.ts";

export const cancel: Verb = {
  name: "cancel",
  summary: "Stop a run",
  details:
    `${RUN_WORDS} The run ends within seconds; kfk wait then ends with status 7. A run that has ended stays as it is, ` +
    "and is no error.",
  options: {},
  positionals: ["RUN"],
  examples: ["kfk cancel @latest", "kfk cancel 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId }, { terminateRun }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
    ]);
    const interrupt = listen(call.world);
    const stoppable = { ...call, stop: interrupt.signal };
    const soFar = async <T>(work: Promise<T>): Promise<T> => await interrupt.during(work, "stopped; the run goes on");
    try {
      const server = await soFar(connectAnywhere(stoppable));
      const id = await soFar(findRunId(call, server, call.positionals[0] as string));
      const { ended } = await interrupt.toItsEnd(
        async (signal) => await terminateRun({ ...server, signal }, id),
        () => `stopped; the run ${id} may have been asked to stop`,
        `kfk cancel ${id}`,
      );
      const done = ended
        ? await interrupt.during(describeState(server, id), `stopped; the run ${id} has ended or is stopping already`)
        : `asked the run ${id} to stop`;
      call.world.out.write(`${id}\n`);
      if (interrupt.came()) throw interrupt.error(`stopped; ${done}`);
      call.say(done);
      return 0;
    } finally {
      interrupt.close();
    }
  },
};

// --- internal ---

/** A run that could not be stopped any more; what cannot be read now is said less precisely. */
async function describeState(server: Server, id: string): Promise<string> {
  const [{ fetchRun }, { verdictOf }] = await Promise.all([
    import("../cluster/runs.ts"),
    import("../cluster/verdict.ts"),
  ]);
  try {
    const verdict = verdictOf(await fetchRun(server, id));
    if (verdict === "cancelled") return `the run ${id} was cancelled already`;
    if (verdict === "succeeded" || verdict === "failed") return `the run ${id} has ${verdict} already, and stays so`;
  } catch (error) {
    if (!isKfkError(error) || isStop(error)) throw error;
  }
  return `the run ${id} has ended or is stopping already`;
}
