import { PARAM_OPTION, PIPELINE_OPTIONS } from "./options.ts";
import type { Verb } from "./verb.ts";

export const uploadPipeline: Verb = {
  name: "upload-pipeline",
  summary: "Upload the pipeline as a new version",
  details: "The version is named by its content; the same content again changes nothing and says so.",
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
    ...PARAM_OPTION,
  },
  examples: ["kfk upload-pipeline", "kfk upload-pipeline --image registry/project:1.4"],
  run: async (call) => {
    const [{ readProject }, { planForCluster }, { compileArgo }, { connectServer }, cluster, { linkTo }] =
      await Promise.all([
        import("./read.ts"),
        import("./plan.ts"),
        import("../compile/argo.ts"),
        import("./server.ts"),
        import("../cluster/pipelines.ts"),
        import("../cluster/server.ts"),
      ]);
    const read = await readProject(call);
    const plan = planForCluster(call, read);
    const text = compileArgo(plan);
    call.warn([...read.model.warnings, ...plan.warnings]);
    const server = await connectServer(call, read.configuration.kubeflow());
    const uploaded = await cluster.uploadPipeline(server, {
      name: plan.name,
      text,
      versionName: call.options.text("version-name"),
      description: plan.description ?? undefined,
    });
    const said = { pipeline: "created the pipeline", version: "added a version to", unchanged: "unchanged:" }[
      uploaded.made
    ];
    call.say(`${said} ${uploaded.pipelineName}, version ${uploaded.versionName}`);
    call.say(linkTo(server, { page: "pipeline", id: uploaded.pipelineId, versionId: uploaded.versionId }));
    const format = call.options.text("output");
    call.world.out.write(format === "json" ? `${JSON.stringify(uploaded)}\n` : `${uploaded.versionId}\n`);
    return 0;
  },
};
