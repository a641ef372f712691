import { resolve } from "node:path";
import { OUTPUT_FILE } from "./output-options.ts";
import type { Call, Verb } from "./verb.ts";

export const model: Verb = {
  name: "model",
  summary: "Print what kfk reads from the project, as JSON",
  details:
    "Reads pipelines, catalog and parameters. Needs no kubeflow.yaml and no image. With --verify it is read twice, from " +
    "the sources and by the project's Python, and a difference ends with status 3.",
  options: {
    output: OUTPUT_FILE,
    verify: { type: "boolean", description: "Compare what the sources say with what Python says" },
    image: { type: "string", alias: ["i"], valueHint: "NAME:TAG", description: "Image for --from image" },
  },
  examples: ["kfk model", "kfk model -o model.json", "kfk model --from python", "kfk model --verify"],
  run: async (call) => {
    if (call.options.flag("verify") === true) return await verify(call);
    const [{ openProject }, { renderModel }] = await Promise.all([import("./open.ts"), import("../view/model.ts")]);
    const { model } = await openProject(call);
    call.warn(model.warnings);
    const { writeOutput } = await import("./output.ts");
    writeOutput(call, renderModel(model));
    return 0;
  },
};

// --- internal ---

async function verify(call: Call): Promise<number> {
  const [{ readStatic }, { readFromPython }, { findProject }, { compareModels }] = await Promise.all([
    import("./read.ts"),
    import("./read-python.ts"),
    import("../project/find.ts"),
    import("../pipeline/compare.ts"),
  ]);
  const facts = findProject(call.world, resolve(call.world.cwd, call.options.text("project") ?? "."));
  const sources = readStatic(call, facts).model;
  const python = (await readFromPython(call, facts)).model;
  call.warn([...sources.warnings, ...python.warnings]);
  const lines = compareModels(sources, python, { left: "the sources", right: "Python" });
  for (const line of lines) call.world.out.write(`${line}\n`);
  const nodes = [...python.pipelines.values()].reduce((sum, pipeline) => sum + pipeline.nodes.length, 0);
  if (lines.length === 0) call.say(`the same in both: ${python.pipelines.size} pipelines with ${nodes} nodes`);
  return lines.length === 0 ? 0 : 3;
}
