/** How a run on this machine ended → words for people and the exit status. */
import { KfkError, type Note } from "../error.ts";
import type { LocalFailure, LocalResult } from "../local/run.ts";
import type { StepPlan } from "../steps/step.ts";
import { renderDuration } from "../view/progress.ts";
import type { Call } from "./verb.ts";

/** Tells the end. Errors, which carry the status: LOCAL_FAILED, LOCAL_TIMEOUT, INTERRUPTED, TERMINATED. */
export function tellLocalEnd(call: Call, plan: StepPlan, result: LocalResult, elapsedMs: number): number {
  const done = result.states.filter(({ phase }) => phase === "succeeded").length;
  const count = `${done} of ${result.states.length} steps done`;
  switch (result.outcome) {
    case "succeeded":
      call.say(
        `succeeded: ${result.states.length} ${result.states.length === 1 ? "step" : "steps"} in ${renderDuration(elapsedMs)}, logs in ${result.folder}`,
      );
      return 0;
    case "failed":
      for (const failure of result.failures) tellLog(call, failure);
      throw new KfkError("LOCAL_FAILED", `the run failed, ${count}`, {
        notes: result.failures.map((failure) => describeFailure(plan, failure)),
        hint: result.failures.some(({ step }) => isStart(plan, step))
          ? "no node was run; correct what the log says and run again"
          : "results of the steps before it are kept; correct the node and run again",
      });
    case "timeout":
      throw new KfkError("LOCAL_TIMEOUT", `the run took longer than --timeout and was ended, ${count}`, {
        hint: "give it more time with --timeout 2h",
      });
    case "interrupted":
      throw new KfkError("INTERRUPTED", `interrupted; all steps were ended, ${count}`);
    case "terminated":
      throw new KfkError("TERMINATED", `terminated; all steps were ended, ${count}`);
  }
}

/** An exit step that failed changes nothing about the run. */
export function tellExitFailure(call: Call, failure: LocalFailure): void {
  const [line = "it said nothing"] = failure.tail.slice(-1);
  const last = failure.end.signal === null ? line : `${describeStatus(failure)} before it was done`;
  call.warn([{ message: `the exit step "${failure.step}" failed: ${last}`, hint: `its output is in ${failure.log}` }]);
}

// --- internal ---

function tellLog(call: Call, failure: LocalFailure): void {
  call.say(`last lines of ${failure.log}:`);
  for (const line of failure.tail) call.say(`  ${failure.step} | ${line}`);
}

function isStart({ steps, exit }: StepPlan, id: string): boolean {
  return exit?.id !== id && steps.every((step) => step.id !== id);
}

function describeFailure(plan: StepPlan, failure: LocalFailure): Note {
  const step = [...plan.steps, ...(plan.exit ? [plan.exit] : [])].find(({ id }) => id === failure.step);
  if (step === undefined) return { message: `start step ${failure.step} (${describeStatus(failure)})` };
  const node = step.nodes.find(({ name }) => name === failure.node) ?? step.nodes[0];
  const how = describeStatus(failure);
  const func = node === undefined ? "" : `, function ${node.func}`;
  return {
    message: `node ${node?.name ?? failure.step} (${how})${func}`,
    at: node?.source ? { file: node.source.file, line: node.source.line, column: 1 } : undefined,
  };
}

function describeStatus({ end }: LocalFailure): string {
  return end.signal === null ? `exit status ${end.code}` : `ended by ${end.signal}`;
}
