import { RESULT_OPTION } from "./options.ts";
import type { Verb } from "./verb.ts";

export const listPipelines: Verb = {
  name: "list-pipelines",
  summary: "List the pipelines of the server",
  details:
    "All pages, those of the namespace on a server with several users. -o name prints the names, which " +
    "run_config.pipeline_name takes. The version is the newest; one that run-once made counts here as well.",
  options: {
    ...RESULT_OPTION,
    limit: { type: "string", valueHint: "NUMBER", description: "At most so many (default all)" },
  },
  examples: ["kfk list-pipelines", "kfk list-pipelines -o name"],
  run: async (call) => {
    const [{ connectAnywhere }, pipelines, { renderRow, renderTitles }, { writeList, readLimit }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/pipelines.ts"),
      import("../view/table.ts"),
      import("./write-list.ts"),
    ]);
    const limit = readLimit(call);
    const server = await connectAnywhere(call);
    const columns = [
      { title: "PIPELINE", width: 36 },
      { title: "CREATED", width: 20 },
      { title: "VERSION", width: 24 },
      { title: "NAME", width: 0 },
    ];
    await writeList(call, pipelines.listPipelines(server), {
      limit,
      isWanted: () => true,
      titles: renderTitles(columns),
      row: (each) => renderRow(columns, [each.id, each.createdAt, each.versionName ?? "", each.name]),
      name: (each) => each.name,
    });
    return 0;
  },
};
