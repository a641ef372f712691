import { printable } from "../terminal-text.ts";
import { RESULT_OPTION, RUN_WORDS } from "./options.ts";
import { writeJson } from "./output.ts";
import type { Verb } from "./verb.ts";

export const status: Verb = {
  name: "status",
  summary: "Show how far a run is",
  details: `${RUN_WORDS} Ends with 0 whatever the state is; kfk wait gives the run's own status.`,
  options: { ...RESULT_OPTION },
  positionals: ["RUN"],
  examples: ["kfk status @latest", "kfk status 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70 -o json"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId }, { fetchRun }, { linkTo }, { readStory, verdictOf }, { renderProgress }] =
      await Promise.all([
        import("./find-run.ts"),
        import("../cluster/runs.ts"),
        import("../cluster/server.ts"),
        import("../cluster/verdict.ts"),
        import("../view/progress.ts"),
      ]);
    const { world, options } = call;
    const server = await connectAnywhere(call);
    const run = await fetchRun(server, await findRunId(call, server, call.positionals[0] as string));
    const steps = run.workflow?.steps ?? [];
    const seen = verdictOf(run);
    // servers call a run that was stopped failed as well
    const story = seen === "failed" ? await readStory(server, run.id, { attemptMs: STORY_MS }) : undefined;
    const isUntold = story?.kind === "none" && run.workflow === undefined;
    const verdict = story?.kind === "cancelled" ? "cancelled" : isUntold ? undefined : seen;
    const link = linkTo(server, { page: "run", id: run.id });
    if (options.text("output") === "json") {
      const { id, name, status: word, createdAt, finishedAt, version, pipelineId, versionId, parameters } = run;
      const [{ pipelineNames }, { isKfkError, isStop }] = await Promise.all([
        import("../cluster/pipeline-names.ts"),
        import("../error.ts"),
      ]);
      const pipeline = await pipelineNames(server)(run).catch((error: unknown) => {
        if (!isKfkError(error) || isStop(error)) throw error;
        call.warn([{ message: `the name of its pipeline is not known: ${error.message}` }]);
        return null;
      });
      const origin = { pipeline, version, pipelineId, versionId };
      const shown = { id, name, status: word, verdict, createdAt, finishedAt, ...origin, parameters, steps, link };
      writeJson(world, shown);
      return 0;
    }
    if (options.text("output") === "name") {
      world.out.write(`${printable(run.status) || "Pending"}\n`);
      return 0;
    }
    const view = { columns: 200, rows: steps.length + 2, colour: false, nowMs: world.clock.nowMs(), unicode: true };
    const times = `created ${run.createdAt}${run.finishedAt === null ? "" : `, ended ${run.finishedAt}`}`;
    const lines = [
      `${printable(run.name)}  ${verdict ?? (printable(run.status) || "not begun")}  ${times}`,
      ...renderProgress(steps, view),
    ];
    world.out.write(`${lines.join("\n")}\n`);
    call.say(link);
    return 0;
  },
};

// --- internal ---

const STORY_MS = 5000;
