import type { Verb } from "./verb.ts";

export const model: Verb = {
  name: "model",
  summary: "Print what kfk reads from the project, as JSON",
  details: "Reads pipelines, catalog and parameters without running Python. Needs no kubeflow.yaml and no image.",
  options: {
    output: {
      type: "string",
      alias: ["o"],
      default: "-",
      valueHint: "FILE",
      description: "Where to write; - is stdout",
    },
  },
  examples: ["kfk model", "kfk model -o model.json"],
  run: async (call) => {
    const [{ openProject }, { renderModel }] = await Promise.all([import("./open.ts"), import("../view/model.ts")]);
    const { model } = await openProject(call);
    call.warn(model.warnings);
    const { writeOutput } = await import("./output.ts");
    writeOutput(call, renderModel(model));
    return 0;
  },
};
