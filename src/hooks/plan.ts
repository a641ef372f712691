/**
 * The plan of a run ↔ the payload of the hook `steps`. A hook may set pod settings, the description and more needs;
 * steps are put in order again. Refused is whatever would run something else than the pipeline: other steps, nodes or
 * parameters, a need taken away, a circle; and pod settings that no hook can change yet.
 */
import * as v from "valibot";
import type { Plan, PlanStep, Value } from "../../hooks/contract.ts";
import { planSchema } from "../../schemas/hooks.ts";
import { byCodePoint } from "../config/plain.ts";
import type { Step, StepPlan } from "../steps/step.ts";
import { describeIssue } from "./issue.ts";
import { toNodePayload } from "./model.ts";
import { isSameValue } from "./value.ts";

/** A copy for a hook. */
export function toPlanPayload(plan: StepPlan): Plan {
  return {
    name: plan.name,
    pipeline: plan.pipeline,
    projectDir: plan.shared.project,
    description: plan.description,
    steps: plan.steps.map((step): PlanStep => ({
      id: step.id,
      nodes: step.nodes.map(toNodePayload),
      needs: [...step.needs],
      parameters: step.parameters,
      pod: toData(step.pod) as PlanStep["pod"],
    })),
    pods: toData(plan.pods) as Plan["pods"],
  };
}

/** The plan with a hook's changes. `fail`: makes the error from what is wrong. */
export function applyPlan(plan: StepPlan, answer: Value | undefined, fail: (why: string) => Error): StepPlan {
  const parsed = v.safeParse(planSchema, answer);
  if (!parsed.success) throw fail(describeIssue(parsed.issues[0]));
  const after = parsed.output;
  for (const key of ["name", "pipeline"] as const) {
    if (after[key] !== plan[key]) throw fail(`${key} cannot be changed here; run_config.pipeline_name sets the name`);
  }
  if (after.projectDir !== plan.shared.project) {
    throw fail("projectDir cannot be changed here; run_config.project_dir sets the folder");
  }
  const { image, imagePullPolicy, serviceAccount, ttlSeconds } = after.pods;
  if (image !== plan.pods.image && (image === null || plan.pods.image === null)) {
    throw fail("pods.image cannot be set or taken away, only changed");
  }
  checkUntouched("pods", toData(plan.pods), after.pods as Value, PODS, fail);
  const changed = new Map(after.steps.map((step) => [step.id, step]));
  if (changed.size !== after.steps.length) throw fail("two steps have the same id");
  for (const { id } of after.steps) {
    if (!plan.steps.some((step) => step.id === id)) throw fail(`there is no step "${id}", and a hook cannot add one`);
  }
  const steps = plan.steps.map((step): Step => {
    const next = changed.get(step.id);
    if (next === undefined) throw fail(`the step "${step.id}" is gone; leave nodes out with the hook model`);
    const before = { nodes: step.nodes.map(toNodePayload), parameters: step.parameters };
    for (const key of ["nodes", "parameters"] as const) {
      if (!isSameValue(toData(before[key]), next[key] as unknown as Value))
        throw fail(`${key} of the step "${step.id}" cannot be changed`);
    }
    checkUntouched(`pod of the step "${step.id}"`, toData(step.pod), next.pod as Value, ["resources"], fail);
    const { resources } = next.pod;
    return { ...step, needs: applyNeeds(plan, step, next.needs, fail), pod: { ...step.pod, resources } };
  });
  return {
    ...plan,
    description: after.description,
    pods: { ...plan.pods, image, imagePullPolicy, serviceAccount, ttlSeconds },
    steps: order(steps, fail),
  };
}

// --- internal ---

const PODS = ["image", "imagePullPolicy", "serviceAccount", "ttlSeconds"];

/** Plain data of a record; a mapping becomes an object. */
function toData(value: unknown): Value {
  if (value instanceof Map) return toData(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(toData);
  if (typeof value !== "object" || value === null) return value as Value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, toData(item)]));
}

function checkUntouched(
  where: string,
  before: Value,
  after: Value,
  open: readonly string[],
  fail: (why: string) => Error,
): void {
  const [old, now] = [before as Record<string, Value>, after as Record<string, Value>];
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (open.includes(key) || isSameValue(old[key], now[key])) continue;
    throw fail(`${key} in ${where} cannot be changed here; the hooks config and documents can`);
  }
}

function applyNeeds(plan: StepPlan, step: Step, needs: readonly string[], fail: (why: string) => Error): string[] {
  const gone = step.needs.find((need) => !needs.includes(need));
  if (gone !== undefined) throw fail(`the step "${step.id}" must wait for "${gone}", whose results it reads`);
  const unknown = needs.find((need) => !plan.steps.some(({ id }) => id === need));
  if (unknown !== undefined) throw fail(`the step "${step.id}" is to wait for "${unknown}", which is no step`);
  return [...new Set(needs)].toSorted(byCodePoint);
}

/** As before, but each step after all it needs. */
function order(steps: readonly Step[], fail: (why: string) => Error): readonly Step[] {
  const rest = [...steps];
  const done = new Set<string>();
  const ordered: Step[] = [];
  while (rest.length > 0) {
    const next = rest.findIndex(({ needs }) => needs.every((need) => done.has(need)));
    if (next < 0) throw fail(`steps wait for each other in a circle: ${findCircle(rest).join(", ")}`);
    const [step] = rest.splice(next, 1) as [Step];
    done.add(step.id);
    ordered.push(step);
  }
  return ordered;
}

/** Every step of `rest` waits for another one of it. */
function findCircle(rest: readonly Step[]): string[] {
  const seen: string[] = [];
  let at = rest[0];
  while (at !== undefined && !seen.includes(at.id)) {
    seen.push(at.id);
    const { needs } = at;
    at = rest.find(({ id }) => needs.includes(id));
  }
  return seen.slice(seen.indexOf(at?.id ?? ""));
}
