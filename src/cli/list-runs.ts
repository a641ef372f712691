import { isKfkError } from "../error.ts";
import { RESULT_OPTION } from "./options.ts";
import type { Call, Verb } from "./verb.ts";

/** Lists carry whole documents, and nobody reads on for long. */
const MOST = 100;

export const listRuns: Verb = {
  name: "list-runs",
  summary: "List runs, newest first",
  details:
    "Of the namespace, or of one experiment. -o name prints the ids, which status, wait, logs, cancel and retry take.",
  options: {
    ...RESULT_OPTION,
    "experiment-name": { type: "string", alias: ["x"], valueHint: "NAME", description: "Only runs of this experiment" },
    limit: { type: "string", valueHint: "NUMBER", description: `At most so many, or all (default ${MOST})` },
    archived: { type: "boolean", description: "Archived ones too" },
  },
  examples: ["kfk list-runs --limit 20", "kfk list-runs -x nightly -o json"],
  run: async (call) => {
    const [
      { connectAnywhere },
      runs,
      { getExperimentId },
      { pipelineNames },
      { renderRow, renderTitles },
      { writeList, readLimit },
    ] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
      import("../cluster/experiments.ts"),
      import("../cluster/pipeline-names.ts"),
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
      { title: "VERSION", width: 20 },
      { title: "NAME", width: 0 },
    ];
    const isWanted = (run: { readonly isArchived: boolean }): boolean =>
      call.options.flag("archived") === true || !run.isArchived;
    const isNamed = call.options.text("output") !== "name";
    const nameOf = isNamed ? askQuietly(call, pipelineNames(server)) : () => Promise.resolve(null);
    await writeList(call, withNames(runs.listRuns(server, id), { limit, isWanted, nameOf }), {
      limit,
      more:
        call.options.text("limit") === undefined
          ? `these are the newest ${MOST}; there are more: --limit NUMBER or --limit all shows them`
          : undefined,
      isWanted,
      titles: renderTitles(columns),
      row: (run) =>
        renderRow(columns, [run.id, run.status, run.createdAt, run.pipeline ?? "", run.version ?? "", run.name]),
      name: (run) => run.id,
    });
    return 0;
  },
};

// --- internal ---

type RunSummary = import("../cluster/runs.ts").RunSummary;
type PipelineNames = import("../cluster/pipeline-names.ts").PipelineNames;

interface NamedRun extends Omit<RunSummary, "pipelineKey"> {
  /** Name of its pipeline; null when it has none, or it is not known. */
  readonly pipeline: string | null;
}

interface Wanted {
  readonly limit: number;
  readonly isWanted: (run: Pick<RunSummary, "isArchived">) => boolean;
  readonly nameOf: PipelineNames;
}

/** Asks for the pipelines of those runs alone that are written. */
async function* withNames(
  pages: AsyncGenerator<readonly RunSummary[]>,
  { limit, isWanted, nameOf }: Wanted,
): AsyncGenerator<readonly NamedRun[]> {
  let left = limit + 1; // one more, so that it is seen that there are more
  for await (const page of pages) {
    const named: NamedRun[] = [];
    for (const { id, name, status, createdAt, finishedAt, pipelineKey: _key, ...run } of page
      .filter(isWanted)
      .slice(0, left)) {
      named.push({ id, name, status, createdAt, finishedAt, pipeline: await nameOf(run), ...run });
    }
    left -= named.length;
    yield named;
    if (left <= 0) return;
  }
}

/** The list is what was asked for: where a name cannot be had, this is said once and no other is asked for. */
function askQuietly(call: Call, ask: PipelineNames): PipelineNames {
  let isRefused = false;
  return async (run) => {
    if (isRefused) return null;
    try {
      return await ask(run);
    } catch (error) {
      if (!isKfkError(error)) throw error;
      isRefused = true;
      call.warn([{ message: `the names of pipelines are not known: ${error.message}` }]);
      return null;
    }
  };
}
