/**
 * The name of a project's schedule: `run_config.scheduled_run_name` with the values of `--param` in it, else the
 * pipeline's. The same for making one and for finding it again.
 */
import { formatRunName } from "../config/run-name.ts";
import { givenTexts } from "./plan.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** `pipelineName`: as the server has it. Errors: USAGE_VALUE and STEP_PARAMETER for a wrong `--param`. */
export function scheduleName(call: Call, read: ReadProject, pipelineName: string): string {
  const template = read.configuration.kubeflow()?.run.scheduledRunName ?? null;
  return template === null ? pipelineName : formatRunName(template, givenTexts(call, read));
}
