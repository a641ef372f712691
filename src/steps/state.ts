/**
 * The live state of one step, the same for a run on this machine and a run on a cluster, so that a view needs to know
 * only this. Comes from `local/` and `cluster/`, goes to `view/`.
 */

/** One step at one moment. Times in milliseconds since 1970 UTC. */
export interface StepState {
  /** Step id (`Step.id`), or what the workflow calls the task. */
  readonly id: string;
  readonly phase: "waiting" | "running" | "succeeded" | "failed" | "skipped";
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** Why it failed or waits, in the words of whoever knows. */
  readonly message: string | null;
}
