import { OUTPUT_FILE } from "./output-options.ts";
import type { Verb } from "./verb.ts";

export const schema: Verb = {
  name: "schema",
  summary: "Print the form of kubeflow.yaml, as JSON Schema",
  details: "For editors and checks. kfk init puts it beside the environments and names it in kubeflow.yaml.",
  options: {
    output: OUTPUT_FILE,
  },
  examples: ["kfk schema", "kfk schema -o conf/kubeflow.schema.json"],
  run: async (call) => {
    const [{ kubeflowJsonSchema }, { writeOutput }] = await Promise.all([
      import("../../schemas/json-schema.ts"),
      import("./output.ts"),
    ]);
    writeOutput(call, kubeflowJsonSchema());
    return 0;
  },
};
