/**
 * Names of workflows and pipelines, from what people call them; `steps/names.ts` makes those of steps and parameters,
 * and says the rules. Each is legal for Argo and Kubernetes, and stable.
 */
import { cleanLabel, shortHash } from "../steps/names.ts";

/** Anything a person may call a pipeline → the base of workflow and pod names, at most 40 characters. */
export function workflowBase(name: string): string {
  const clean = cleanLabel(name, MAX_WORKFLOW_BASE);
  return clean === "" ? `pipeline-${shortHash(name)}` : clean;
}

/**
 * Name of the pipeline on the server: the project's, plus `-<pipeline>` and `-<env>` unless they are the defaults.
 * Source: design section 4, "Names on the server".
 */
export function pipelineName(project: string, pipeline: string, env: string, defaultEnvs: readonly string[]): string {
  const parts = [workflowBase(project)];
  if (pipeline !== "__default__") parts.push(pipeline);
  if (!defaultEnvs.includes(env)) parts.push(env);
  return parts.join("-");
}

// --- internal ---

/** Leaves room for the suffixes that Kubernetes and Argo add to pod names (63 in all). */
const MAX_WORKFLOW_BASE = 40;
