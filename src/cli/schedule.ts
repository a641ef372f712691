import { MERGE_OPTION, PIPELINE_OPTIONS, RESULT_OPTION, RUNS_PARAM_OPTION } from "./options.ts";
import type { Verb } from "./verb.ts";

export const schedule: Verb = {
  name: "schedule",
  summary: "Run the uploaded pipeline at set times",
  details:
    "Schedules the version that upload-pipeline last put there; after a new upload the same command moves it on, and " +
    "without one it changes nothing. What was uploaded with --image wants the same --image here. Versions that run-once " +
    "made are taken by --version-name alone. list shows all schedules (-o name: their ids), next the next five times; pause, resume and rm take an " +
    "id or mean this project's schedule. Servers read the times in their own zone: UTC, unless set otherwise there.",
  options: {
    "cron-expression": {
      type: "string",
      alias: ["c"],
      valueHint: "CRON",
      description: "Second, minute, hour, day, month, weekday; of five fields the first is the minute",
    },
    "experiment-name": { type: "string", alias: ["x"], valueHint: "NAME", description: "Experiment of the runs" },
    timezone: {
      type: "string",
      valueHint: "ZONE",
      description: "Zone in which the server reads the times (default UTC)",
    },
    concurrency: { type: "string", valueHint: "N", description: "Most runs at a time, 1 to 10 (default 1)" },
    catchup: {
      type: "boolean",
      description: "Make up for missed times (the default)",
      negativeDescription: "Leave missed times out",
    },
    start: { type: "string", valueHint: "TIME", description: "Not before: 2026-12-24 or 2026-12-24T18:00Z" },
    end: { type: "string", valueHint: "TIME", description: "Not after" },
    force: { type: "boolean", description: "rm: delete it although a run of it is under way, and stop that run" },
    ...PIPELINE_OPTIONS,
    image: { type: "string", alias: ["i"], valueHint: "NAME:TAG", description: "Image that was uploaded with" },
    "version-name": {
      type: "string",
      valueHint: "NAME",
      description: "Exactly this version of the pipeline, whatever the project is here",
    },
    ...RESULT_OPTION,
    ...MERGE_OPTION,
    ...RUNS_PARAM_OPTION,
  },
  optionalPositionals: ["list|pause|resume|rm|next", "ID"],
  examples: [
    'kfk schedule -c "0 0 4 * * *"',
    'kfk schedule -c "0 0 4 * * *" --image registry/project:1.4',
    'kfk schedule next -c "0 30 6 * * MON-FRI" --timezone Europe/Warsaw',
    "kfk schedule pause",
  ],
  run: async (call) => {
    const [word, id] = call.positionals;
    if (word === undefined) return await (await import("./schedule-apply.ts")).applyFromProject(call);
    const work = await import("./schedule-work.ts");
    if (word === "list") return await work.list(call, id);
    if (word === "next") return await work.next(call, id);
    if (word === "pause" || word === "resume" || word === "rm") return await work.change(call, word, id);
    const { KfkError, suggest } = await import("../error.ts");
    const near = suggest(word, ["list", "pause", "resume", "rm", "next"]);
    throw new KfkError("USAGE_ARGUMENT", `kfk schedule does not take "${word}"`, {
      hint:
        near === undefined ? "use one of list, pause, resume, rm, next, or none" : `did you mean kfk schedule ${near}?`,
    });
  },
};
