import { RESULT_OPTION } from "./options.ts";
import type { Verb } from "./verb.ts";

/** Lists carry whole documents, and nobody reads on for long. */
const MOST = 100;

export const listRuns: Verb = {
  name: "list-runs",
  summary: "List runs, newest first",
  details: "Of the namespace, or of one experiment.",
  options: {
    ...RESULT_OPTION,
    "experiment-name": { type: "string", alias: ["x"], valueHint: "NAME", description: "Only runs of this experiment" },
    limit: { type: "string", valueHint: "NUMBER", description: `At most so many, or all (default ${MOST})` },
    archived: { type: "boolean", description: "Archived ones too" },
  },
  examples: ["kfk list-runs --limit 20", "kfk list-runs -x nightly -o json"],
  run: async (call) => {
    const [{ connectAnywhere }, runs, { getExperimentId }, { renderRow, renderTitles }, { writeList, readLimit }] =
      await Promise.all([
        import("./find-run.ts"),
        import("../cluster/runs.ts"),
        import("../cluster/experiments.ts"),
        import("../view/table.ts"),
        import("./write-list.ts"),
      ]);
    const limit = readLimit(call, MOST);
    const server = await connectAnywhere(call);
    const experiment = call.options.text("experiment-name");
    const id = experiment === undefined ? undefined : await getExperimentId(server, experiment);
    const columns = [
      { title: "RUN", width: 36 },
      { title: "STATE", width: 11 },
      { title: "CREATED", width: 20 },
      { title: "PIPELINE", width: 24 },
      { title: "NAME", width: 0 },
    ];
    const isWanted = (run: { readonly isArchived: boolean }): boolean =>
      call.options.flag("archived") === true || !run.isArchived;
    await writeList(call, runs.listRuns(server, id), {
      limit,
      more:
        call.options.text("limit") === undefined
          ? `these are the newest ${MOST}; there are more: --limit NUMBER or --limit all shows them`
          : undefined,
      isWanted,
      titles: renderTitles(columns),
      row: (run) => renderRow(columns, [run.id, run.status, run.createdAt, run.pipeline, run.name]),
      name: (run) => run.id,
    });
    return 0;
  },
};
