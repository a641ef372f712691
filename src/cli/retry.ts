import type { Verb } from "./verb.ts";
import { readLimits, WAIT_OPTIONS, waitAndTell } from "./wait.ts";

export const retry: Verb = {
  name: "retry",
  summary: "Go on with a run that failed",
  details: "Steps that succeeded are kept, the others run again, and the id stays. The image is the run's own.",
  options: {
    wait: { type: "boolean", description: "Wait for the end and give its status" },
    ...WAIT_OPTIONS,
  },
  positionals: ["RUN"],
  examples: ["kfk retry @latest --wait", "kfk retry 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId, nodeSources }, { retryRun }, { linkTo }, { settleRetry }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
      import("../cluster/server.ts"),
      import("../cluster/wait.ts"),
    ]);
    const limits = readLimits(call);
    const server = await connectAnywhere(call);
    const id = await findRunId(call, server, call.positionals[0] as string);
    await retryRun(server, id);
    call.world.out.write(`${id}\n`);
    call.say(`goes on: ${linkTo(server, { page: "run", id })}`);
    if (call.options.flag("wait") !== true) return 0;
    await settleRetry(server, id);
    return await waitAndTell(call, server, id, { ...limits, seen: true, sources: (end) => nodeSources(call, end.run) });
  },
};
