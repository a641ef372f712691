/**
 * Steps of a plan → the DAG templates of an Argo document: the entry, and the parts where there are more steps than one
 * DAG takes (`nest.ts`).
 *
 * A task stands on one line, so that a document with thousands of steps stays small. Refused: more templates or tasks
 * than servers with Argo's full CRDs take. Rules: reference/compile-targets.md H, I.6 (parameters are seen in nested
 * DAGs without inputs).
 */
import { KfkError } from "../error.ts";
import type { Step, StepPlan } from "../steps/step.ts";
import { parametersArgument } from "./argo-pods.ts";
import { type JsonObject, oneLine } from "./emit.ts";
import { type NestedItem, nestSteps, type Nesting } from "./nest.ts";

export interface ArgoDags {
  /** Of the name `entrypoint`. */
  readonly entry: { readonly name: string } & JsonObject;
  /** In an order in which they could run. */
  readonly parts: readonly JsonObject[];
  readonly nesting: Nesting<Step>;
}

/** The templates of pods that tasks refer to. */
export interface PodTemplates {
  readonly count: number;
  /** Step id → name of its template. */
  readonly templateOf: ReadonlyMap<string, string>;
  /** `params`: the text of its parameters, or where the part has it. */
  readonly argumentsOf: (step: Step, params: string) => readonly JsonObject[];
}

/**
 * Builds the DAGs. `before`: tasks one after the other that come before every step.
 *
 * Errors: STEP_TOO_MANY.
 */
export function buildDags(plan: StepPlan, pods: PodTemplates, before: readonly JsonObject[]): ArgoDags {
  if (pods.count > MOST) throw tooManyShapes(pods.count);
  const nesting = nestSteps(plan.steps, { tasks: MOST, parts: MOST - pods.count });
  if (nesting === undefined) throw tooMany(plan.steps.length);
  const first = before.slice(-1).map(({ name }) => name as string);
  const tasks = nesting.items.map((item) => {
    const needs = item.needs.length > 0 ? item.needs : first;
    if (isPart(item)) return partTask(item, needs);
    const step = item.steps[0] as Step;
    return stepTask(step, needs, pods, parametersArgument(step));
  });
  return {
    entry: { name: "entrypoint", dag: { tasks: [...before, ...tasks] } },
    parts: nesting.items.filter(isPart).map((part) => partTemplate(part, pods)),
    nesting,
  };
}

/** Pods of a run in which every step runs once: tasks that are no DAGs themselves, and the exit handler. */
export function countPods(spec: { readonly templates: readonly JsonObject[]; readonly onExit?: string }): number {
  const dags = new Map(
    spec.templates.flatMap(({ name, dag }) => (dag === undefined ? [] : [[name, dag as JsonObject]])),
  );
  const tasks = [...dags.values()].flatMap((dag) => dag["tasks"] as readonly JsonObject[]);
  const exit = spec.onExit === undefined || dags.has(spec.onExit) ? 0 : 1;
  return tasks.filter(({ template }) => !dags.has(template as string)).length + exit;
}

/** `dependencies`, or nothing where a task waits for nobody. */
export function dependencies(names: readonly string[]): JsonObject {
  return names.length === 0 ? {} : { dependencies: [...names] };
}

// --- internal ---

/**
 * Templates of a workflow and tasks of a DAG: servers with Argo's full CRDs take 200 of each; ten are kept for what is
 * neither a step nor a part.
 */
const MOST = 190;

function isPart(item: NestedItem<Step>): boolean {
  return item.steps.length > 1;
}

/** Texts of parameters that several steps of a part have, once: they come in with the part. */
function sharedParameters({ steps }: NestedItem<Step>): ReadonlyMap<string, string> {
  const texts = steps.filter(({ parameters }) => parameters.length > 0).map(parametersArgument);
  const repeated = new Set(texts.filter((text, index) => texts.indexOf(text) < index));
  return new Map([...repeated].map((text, index) => [text, index === 0 ? "params" : `params-${index + 1}`]));
}

function partTask(part: NestedItem<Step>, needs: readonly string[]): JsonObject {
  const given = [...sharedParameters(part)].map(([value, name]) => ({ name, value }));
  return oneLine({
    name: part.name,
    template: part.name,
    ...dependencies(needs),
    ...(given.length > 0 ? { arguments: { parameters: given } } : {}),
  });
}

function partTemplate(part: NestedItem<Step>, pods: PodTemplates): JsonObject {
  const inside = new Set(part.steps.map(({ id }) => id));
  const inputs = sharedParameters(part);
  const tasks = part.steps.map((step) => {
    const needs = step.needs.filter((need) => inside.has(need));
    const text = parametersArgument(step);
    const input = inputs.get(text);
    return stepTask(step, needs, pods, input === undefined ? text : `{{inputs.parameters.${input}}}`);
  });
  return {
    name: part.name,
    ...(inputs.size > 0 ? { inputs: { parameters: [...inputs.values()].map((name) => ({ name })) } } : {}),
    dag: { tasks },
  };
}

function stepTask(step: Step, needs: readonly string[], pods: PodTemplates, params: string): JsonObject {
  return oneLine({
    name: step.id,
    template: pods.templateOf.get(step.id) as string,
    ...dependencies(needs),
    arguments: { parameters: pods.argumentsOf(step, params) },
  });
}

function tooMany(count: number): KfkError {
  return new KfkError(
    "STEP_TOO_MANY",
    `${count} steps fit into no ${MOST} DAGs of ${MOST} tasks, and servers take no more`,
    {
      hint: "compile a part of the pipeline (--tags, --nodes, --namespaces) or group its nodes (--merge)",
    },
  );
}

function tooManyShapes(count: number): KfkError {
  return new KfkError("STEP_TOO_MANY", `the steps have ${count} different pod settings, and servers take ${MOST}`, {
    hint: "give several steps the same settings: use tags or patterns as keys in run_config",
  });
}
