import type { Verb } from "./verb.ts";

export const cancel: Verb = {
  name: "cancel",
  summary: "Stop a run",
  details: "The run ends within seconds; kfk wait then ends with status 7. A run that has ended stays as it is.",
  options: {},
  positionals: ["RUN"],
  examples: ["kfk cancel @latest", "kfk cancel 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId }, { terminateRun }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
    ]);
    const server = await connectAnywhere(call);
    const id = await findRunId(call, server, call.positionals[0] as string);
    const { ended } = await terminateRun(server, id);
    call.say(ended ? `the run ${id} has ended or is stopping already` : `asked the run ${id} to stop`);
    call.world.out.write(`${id}\n`);
    return 0;
  },
};
