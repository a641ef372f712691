import { PARAM_OPTION, PIPELINE_OPTIONS } from "./options.ts";
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
    ...PARAM_OPTION,
  },
  examples: ["kfk compile", "kfk compile --pipeline data_science --image registry/project:1.4 -o -"],
  run: async (call) => {
    const [{ readProject }, { planForCluster }, { compileArgo }, { writeOutput }] = await Promise.all([
      import("./read.ts"),
      import("./plan.ts"),
      import("../compile/argo.ts"),
      import("./output.ts"),
    ]);
    const read = await readProject(call);
    const plan = planForCluster(call, read);
    const text = compileArgo(plan);
    call.warn([...read.model.warnings, ...plan.warnings]);
    writeOutput(call, text);
    const count = plan.steps.reduce((sum, step) => sum + step.nodes.length, 0);
    call.say(`${count} nodes → ${plan.steps.length} steps, ${text.length} bytes`);
    return 0;
  },
};
