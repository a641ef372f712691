/**
 * The name of a project's schedule: `run_config.scheduled_run_name` with the values of `--param` in it, else the
 * pipeline's. The same for making one and for finding it again.
 */
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { formatRunName } from "../config/run-name.ts";

/**
 * `pipelineName`: as the server has it. `given`: the texts of `--param`, asked for only where the name has braces.
 * Errors: USAGE_VALUE and STEP_PARAMETER for a wrong `--param`.
 */
export function scheduleName(
  kubeflow: KubeflowConfig | undefined,
  pipelineName: string,
  given: () => ReadonlyMap<string, string>,
): string {
  const template = kubeflow?.run.scheduledRunName ?? null;
  if (template === null) return pipelineName;
  return /[{}]/.test(template) ? formatRunName(template, given()) : template;
}
