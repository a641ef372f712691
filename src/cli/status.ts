import { RESULT_OPTION } from "./options.ts";
import type { Verb } from "./verb.ts";

export const status: Verb = {
  name: "status",
  summary: "Show how far a run is",
  details: "Ends with 0 whatever the state is; kfk wait gives the run's own status.",
  options: { ...RESULT_OPTION },
  positionals: ["RUN"],
  examples: ["kfk status @latest", "kfk status 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70 -o json"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId }, { fetchRun }, { linkTo }, { verdictOf }, { renderProgress }] =
      await Promise.all([
        import("./find-run.ts"),
        import("../cluster/runs.ts"),
        import("../cluster/server.ts"),
        import("../cluster/wait.ts"),
        import("../view/progress.ts"),
      ]);
    const { world, options } = call;
    const server = await connectAnywhere(call);
    const run = await fetchRun(server, await findRunId(call, server, call.positionals[0] as string));
    const steps = run.workflow?.steps ?? [];
    const verdict = verdictOf(run);
    const link = linkTo(server, { page: "run", id: run.id });
    if (options.text("output") === "json") {
      const { id, name, status: word, createdAt, finishedAt, pipeline, parameters } = run;
      const shown = { id, name, status: word, verdict, createdAt, finishedAt, pipeline, parameters, steps, link };
      world.out.write(`${JSON.stringify(shown)}\n`);
      return 0;
    }
    if (options.text("output") === "name") {
      world.out.write(`${run.status || "Pending"}\n`);
      return 0;
    }
    const view = { columns: 200, rows: steps.length + 2, colour: false, nowMs: world.clock.nowMs(), unicode: true };
    const times = `created ${run.createdAt}${run.finishedAt === null ? "" : `, ended ${run.finishedAt}`}`;
    const lines = [`${run.name}  ${verdict ?? (run.status || "not begun")}  ${times}`, ...renderProgress(steps, view)];
    world.out.write(`${lines.join("\n")}\n`);
    call.say(link);
    return 0;
  },
};
