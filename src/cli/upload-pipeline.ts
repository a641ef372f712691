import type { Upload, Uploaded } from "../cluster/pipelines.ts";
import type { Server } from "../cluster/server.ts";
import { listen } from "./interrupt.ts";
import type { OpenProject } from "./open.ts";
import type { Warning } from "../error.ts";
import { DEFAULT_OPTION, MERGE_OPTION, PIPELINE_OPTIONS } from "./options.ts";
import { shellWord } from "../terminal-text.ts";
import { writeJson } from "./output.ts";
import type { Call, Verb } from "./verb.ts";

export const uploadPipeline: Verb = {
  name: "upload-pipeline",
  summary: "Upload the pipeline as a new version",
  details:
    "A version is named by its content, unless --version-name names it; servers call the first version of a pipeline " +
    "like the pipeline itself. The same content again changes nothing and says so, unless other content was uploaded in " +
    "between: then it is uploaded once more, so that the newest version is what was uploaded last.",
  options: {
    ...PIPELINE_OPTIONS,
    image: { type: "string", alias: ["i"], valueHint: "NAME:TAG", description: "Image that holds the project" },
    "version-name": { type: "string", valueHint: "NAME", description: "Name of the version" },
    output: {
      type: "enum",
      alias: ["o"],
      options: ["text", "json", "name"],
      default: "text",
      description: "Result on stdout",
    },
    ...MERGE_OPTION,
    ...DEFAULT_OPTION,
    "require-clean": { type: "boolean", description: "Refuse a project with changes that are not committed" },
  },
  examples: ["kfk upload-pipeline", "kfk upload-pipeline --image registry/project:1.4"],
  run: async (call) => {
    const [
      { openProject },
      { compileProject },
      { checkDocument },
      { linkTo },
      { findCommit, nameCommit, requireClean },
      { formerNames },
    ] = await Promise.all([
      import("./open.ts"),
      import("./fit.ts"),
      import("../cluster/check-document.ts"),
      import("../cluster/server.ts"),
      import("./commit.ts"),
      import("./find-run.ts"),
    ]);
    const read = await openProject(call);
    const { plan, document } = await compileProject(call, read);
    checkDocument(document.text, call.world.parseYamlFast);
    call.warn([...read.model.warnings, ...plan.warnings]);
    const commit = await findCommit(call.world, read.facts.root);
    if (call.options.flag("require-clean") === true) requireClean(commit);
    const { server, uploaded } = await upload(call, read, {
      name: plan.name,
      formerNames: formerNames(read, plan.pipeline),
      text: document.text,
      versionName: call.options.text("version-name"),
      description: plan.description ?? undefined,
      commit: nameCommit(commit),
    });
    const said = { pipeline: "created the pipeline", version: "added a version to", unchanged: "unchanged:" }[
      uploaded.made
    ];
    call.say(`${said} ${uploaded.pipelineName}, version ${uploaded.versionName}`);
    if (uploaded.newer !== null) call.warn([notNewest(uploaded)]);
    call.say(linkTo(server, { page: "pipeline", id: uploaded.pipelineId, versionId: uploaded.versionId }));
    const format = call.options.text("output");
    if (format === "json") writeJson(call.world, uploaded);
    else call.world.out.write(`${uploaded.versionId}\n`);
    return 0;
  },
};

// --- internal ---

/** Errors: those of connecting and of `uploadPipeline`; INTERRUPTED, TERMINATED with what a signal leaves. */
async function upload(
  call: Call,
  read: OpenProject,
  wanted: Upload,
): Promise<{ readonly server: Server; readonly uploaded: Uploaded }> {
  const [{ connectServer }, { uploadPipeline: send }] = await Promise.all([
    import("./server.ts"),
    import("../cluster/pipelines.ts"),
  ]);
  const interrupt = listen(call.world);
  try {
    const connection = connectServer({ ...call, stop: interrupt.signal }, read.configuration.kubeflow(), read.hooks);
    const server = await interrupt.during(connection, "stopped; nothing was uploaded");
    const uploaded = await interrupt.toItsEnd(
      async (signal) => await send({ ...server, signal }, wanted),
      () => "stopped before the server answered; the version may have been uploaded",
      "give the same command again: the same content is uploaded once",
    );
    if (interrupt.came()) {
      const done = uploaded.made === "unchanged" ? "was there already" : "is uploaded";
      throw interrupt.error(`stopped; the version ${uploaded.versionName} of ${uploaded.pipelineName} ${done}`);
    }
    return { server, uploaded };
  } finally {
    interrupt.close();
  }
}

function notNewest({ pipelineName, versionName, newer }: Uploaded): Warning {
  return {
    message: `${versionName} is not the newest version of ${pipelineName}: ${newer} was uploaded after it`,
    hint: `kfk schedule -c CRON --version-name ${shellWord(versionName)} schedules it; another --version-name makes it the newest`,
  };
}
