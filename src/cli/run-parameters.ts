/**
 * `--param` and `--params-file` → the values that a run of an uploaded document is given, each held against the type
 * of its default: a run with a wrong one would fail in its first pod.
 */
import type { Plain } from "../config/plain.ts";
import type { StepParameter, StepPlan } from "../steps/step.ts";
import { encodeGiven, readParamsFiles } from "./given.ts";
import { runParameters } from "./plan.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** Values by server name; `--param` wins over the file. Errors: STEP_PARAMETER, USAGE_VALUE, CONFIG_YAML. */
export function givenForRun(
  call: Call,
  read: ReadProject,
  plan: StepPlan,
): readonly { readonly name: string; readonly value: string }[] {
  const values = new Map<string, string>();
  const find = (key: string): StepParameter | undefined =>
    plan.parameters.find((each) => each.key === key || each.name === key);
  const known = plan.parameters.map(({ key }) => key);
  const before = new Map<string, Plain>();
  for (const { parameter, value } of readParamsFiles(call, find, known)) {
    values.set(parameter.name, encodeGiven(parameter, value));
    before.set(parameter.key, value);
  }
  for (const { name, value } of runParameters(call, read, plan, before)) values.set(name, value);
  return [...values].map(([name, value]) => ({ name, value }));
}
