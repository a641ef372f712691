/**
 * Registry, catalog and parameters → the pipeline model: the value that everything downstream works from.
 */
import type { Warning } from "../error.ts";
import type { PlainMap } from "../config/plain.ts";
import type { Dataset, Model, ModelProject, Pipeline } from "./model.ts";

export interface ModelParts {
  readonly project: ModelProject;
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  readonly parameters: PlainMap;
  /** Where a dataset lives; `config/` knows. */
  readonly classify: (dataset: string) => Dataset;
  readonly dependsOn: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Puts the parts together. Errors: those of `classify` (CONFIG_CATALOG). */
export function buildModel(parts: ModelParts): Model {
  const names = new Set<string>();
  for (const { nodes } of parts.pipelines.values()) {
    for (const node of nodes) for (const dataset of [...node.inputs, ...node.outputs]) names.add(dataset);
  }
  return {
    kfkModel: 1,
    project: parts.project,
    pipelines: parts.pipelines,
    datasets: new Map([...names].toSorted().map((name) => [name, parts.classify(name)])),
    parameters: parts.parameters,
    dependsOn: [...new Set(parts.dependsOn)].toSorted(),
    warnings: parts.warnings,
  };
}
