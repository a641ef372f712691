/**
 * A Kedro project of any size as files: blocks of ten nodes (a head, seven workers that fan out, a join, a tail), one
 * block after the other, fifty nodes to a pipeline folder. Same count, same bytes.
 */
import { KUBEFLOW, projectFiles } from "./project-files.ts";

export interface GeneratedNode {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly tags: readonly string[];
}

/** Absolute path → text. Every dataset is a file below `data/`, or in memory. */
export function generatedProject(count: number, kept: "file" | "memory" = "file"): Record<string, string> {
  const nodes = generatedNodes(count);
  const pipelines: Record<string, string> = {};
  for (let start = 0; start < nodes.length; start += 50) {
    const calls = nodes.slice(start, start + 50).map(({ name, inputs, output, tags }) => {
      const list = (names: readonly string[]): string => `[${names.map((each) => `"${each}"`).join(", ")}]`;
      return `        node(work, ${list(inputs)}, "${output}", name="${name}", tags=${list(tags)}),\n`;
    });
    pipelines[`p${String(start / 50).padStart(3, "0")}`] =
      `from kedro.pipeline import node, pipeline\nfrom .nodes import work\n\n\ndef create_pipeline(**kwargs):\n    return pipeline([\n${calls.join("")}    ])\n`;
  }
  const entries = nodes.map(({ output }) => `${output}: {type: pickle.PickleDataset, filepath: data/${output}.pkl}\n`);
  return projectFiles({
    pipelines,
    nodes: "def work(*values):\n    return len(values)\n",
    conf: {
      "base/kubeflow.yaml": KUBEFLOW,
      "base/parameters.yml": "seed: 7\nratio: 0.25\nlabel: bench\n",
      "base/catalog.yml": kept === "memory" ? "" : entries.join(""),
    },
  });
}

/** The nodes, each after all it needs. */
export function generatedNodes(count: number): readonly GeneratedNode[] {
  const nodes: GeneratedNode[] = [];
  let carry = "params:label";
  for (let block = 0; nodes.length < count; block++) {
    const name = `b${String(block).padStart(3, "0")}`;
    const workers = Array.from({ length: 7 }, (_, index) => `${name}_work_${index}`);
    const made: [string, readonly string[]][] = [
      [`${name}_head`, [carry, "params:seed"]],
      ...workers.map((worker): [string, readonly string[]] => [worker, [`${name}_head`, "params:ratio"]]),
      [`${name}_join`, workers],
      [`${name}_tail`, [`${name}_join`]],
    ];
    for (const [output, inputs] of made) nodes.push({ name: `${output}_node`, inputs, output, tags: [name] });
    carry = `${name}_tail`;
  }
  return nodes.slice(0, count);
}
