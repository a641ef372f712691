import { DEFAULT_OPTION, MERGE_OPTION, PARAMS_FILE_OPTION, PIPELINE_OPTIONS } from "./options.ts";
import type { Verb } from "./verb.ts";

export const compile: Verb = {
  name: "compile",
  summary: "Write the pipeline as a document for Kubeflow Pipelines",
  details: "Needs no server and no Python. The same project gives the same bytes.",
  options: {
    ...PIPELINE_OPTIONS,
    image: { type: "string", alias: ["i"], valueHint: "NAME:TAG", description: "Image that holds the project" },
    output: {
      type: "string",
      alias: ["o"],
      default: "pipeline.yml",
      valueHint: "FILE",
      description: "Where to write; - is stdout",
    },
    target: {
      type: "enum",
      options: ["argo", "kfp"],
      description: "What the document is for: argo (KFP up to 2.17); kfp is not compiled by this version",
    },
    "kfp-version": { type: "string", valueHint: "VERSION", description: "Version of the server, such as 2.14" },
    ...MERGE_OPTION,
    ...DEFAULT_OPTION,
    ...PARAMS_FILE_OPTION,
  },
  examples: ["kfk compile", "kfk compile --pipeline data_science --image registry/project:1.4 -o -"],
  run: async (call) => {
    const [{ openProject }, { compileProject, describeSize }, { writeOutput }] = await Promise.all([
      import("./open.ts"),
      import("./fit.ts"),
      import("./output.ts"),
    ]);
    const read = await openProject(call);
    const { plan, document } = await compileProject(call, read);
    call.warn([...read.model.warnings, ...plan.warnings]);
    writeOutput(call, document.text);
    call.say(describeSize(plan, document));
    return 0;
  },
};
