/**
 * The pipeline model → the JSON that `kfk model` prints (`"kfkModel": 1`).
 */
import { emitJson } from "../compile/emit.ts";
import type { Warning } from "../error.ts";
import type { Dataset, Model, Node } from "../pipeline/model.ts";
import { withoutUser } from "../secrets.ts";

/** JSON of the model with a newline at the end; the same model gives the same bytes. */
export function renderModel(model: Model): string {
  return `${emitJson({
    kfkModel: model.kfkModel,
    project: model.project,
    pipelines: new Map([...model.pipelines].map(([name, { nodes }]) => [name, { nodes: nodes.map(nodeRecord) }])),
    datasets: new Map([...model.datasets].map(([name, dataset]) => [name, datasetRecord(dataset)])),
    parameters: model.parameters,
    dependsOn: model.dependsOn,
    warnings: model.warnings.map(warningRecord),
  })}\n`;
}

// --- internal ---

function nodeRecord(node: Node): object {
  return {
    name: node.name,
    named: node.named,
    func: node.func,
    inputs: node.inputs,
    outputs: node.outputs,
    tags: node.tags,
    namespace: node.namespace,
    ...(node.confirms.length > 0 ? { confirms: node.confirms } : {}),
    source: node.source === null ? null : { file: node.source.file, line: BigInt(node.source.line) },
  };
}

function datasetRecord(dataset: Dataset): object {
  const { source } = dataset;
  const path = dataset.path === null ? null : withoutUser(dataset.path);
  return { ...dataset, path, source: source === null ? null : { file: source.file, line: BigInt(source.line) } };
}

function warningRecord(warning: Warning): object {
  const { at } = warning;
  return {
    message: warning.message,
    ...(at === undefined ? {} : { at: { file: at.file, line: BigInt(at.line), column: BigInt(at.column) } }),
    ...(warning.hint === undefined ? {} : { hint: warning.hint }),
  };
}
