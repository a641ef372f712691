/**
 * MLflow, as a hook that ships with kfk: one MLflow run for each run of the pipeline. The step `mlflow-start-run` makes
 * it and gives its id to every step (MLFLOW_RUN_ID, which kedro-mlflow resumes), `mlflow-resume-run` to the exit
 * pipeline; `mlflow-finish-run` sets its final status after everything else, because each step that runs nodes sets one
 * of its own.
 *
 * Both are `mlflow_run.py` with the project's own Kedro and kedro-mlflow; they find the run by its tag, so neither a
 * retry nor the missing link from start to exit matters. Rules: reference/auth-mlflow.md B2 to B4.
 */
import type { ExtraStep, HookContext, Plan } from "./contract.ts";
import { defineHooks } from "./define.ts";
import program from "./mlflow_run.py" with { type: "text" };

export interface MlflowSettings {
  /** OAuth client of the Identity-Aware Proxy in front of MLflow; null: there is none. */
  readonly iapClientId: string | null;
}

/** The hook for a project that uses kedro-mlflow. */
export function mlflow({ iapClientId }: MlflowSettings) {
  const env = iapClientId === null ? {} : { env: { KFK_MLFLOW_IAP_AUDIENCE: iapClientId } };
  return defineHooks({
    extraSteps: (plan: Plan, { runEnv }: Pick<HookContext, "runEnv">): ExtraStep[] => {
      const run = (command: string, ...values: string[]): string[] => [
        "python",
        "-c",
        program,
        command,
        plan.projectDir,
        runEnv,
        "{{workflow.uid}}",
        ...values,
      ];
      return [
        {
          id: "mlflow-start-run",
          place: "start",
          command: run("start", plan.name, plan.pipeline),
          gives: { env: "MLFLOW_RUN_ID" },
          local: true,
          ...env,
        },
        {
          id: "mlflow-resume-run",
          place: "around-exit",
          command: run("resume", plan.name),
          local: true,
          ...env,
        },
        {
          id: "mlflow-finish-run",
          place: "last",
          command: run("finish", "{{workflow.status}}", "{{workflow.failures}}"),
          local: true,
          ...env,
        },
      ];
    },
  });
}
