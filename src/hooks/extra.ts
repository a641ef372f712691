/**
 * Steps of the hook `extraSteps` → more templates and tasks in an Argo document: start steps before everything else,
 * exit steps in the workflow's exit handler, beside the exit pipeline where there is one; what is `around-exit` starts
 * that pipeline, and what is `last` waits for it. The text that a start step gives goes as
 * an output parameter to the task of every step, through the inputs of the parts, into the environment of its pod.
 * Refused: names that are taken, text that the server or Kubernetes would expand (but for a few words about the run),
 * another target than argo.
 * Rules: reference/compile-targets.md A.7, D.1, D.3, H.
 */
import { parse } from "yaml";
import type { ExtraStep } from "../../hooks/contract.ts";
import { emitYaml, type JsonObject, MAX_DOCUMENT, oneLine } from "../compile/emit.ts";
import type { PodDefaults } from "../steps/step.ts";

interface Parameter {
  readonly name: string;
  readonly value?: string;
}

interface Task {
  readonly name: string;
  readonly template: string;
  dependencies?: string[];
  readonly depends?: string;
  arguments?: { parameters?: Parameter[] };
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

interface Template {
  readonly name: string;
  inputs?: { parameters?: Parameter[] };
  readonly dag?: { failFast?: boolean; tasks: Task[] };
  readonly container?: Container;
}

interface Container {
  command?: readonly string[];
  args?: readonly string[];
  env?: Variable[];
  [key: string]: unknown;
}

interface Workflow {
  readonly kind: string;
  readonly spec: {
    readonly entrypoint: string;
    onExit?: string;
    readonly templateDefaults?: { readonly container?: Container };
    readonly templates: Template[];
  };
}

/** The text with the steps in it. `fail`: makes the error from what is wrong. */
export function addExtraSteps(
  text: string,
  steps: readonly ExtraStep[],
  pods: PodDefaults,
  fail: (why: string) => Error,
): string {
  if (steps.length === 0) return text;
  const workflow = parse(text) as Workflow;
  if (workflow.kind !== "Workflow") throw fail("extra steps can be compiled for the target argo only");
  const { spec } = workflow;
  const own = commonVariables(spec.templates);
  const stepTemplates = spec.templates.filter(isStepTemplate);
  const taken = new Set(spec.templates.map(({ name }) => name));
  for (const step of steps) {
    checkExtraStep(step, fail);
    if (step.place === "around-exit") {
      wrapExit(workflow, step, fail);
      continue;
    }
    const name = templateName(step);
    if (taken.has(name)) throw fail(`two steps are called "${step.id}"`);
    taken.add(name);
    spec.templates.push(podTemplate(name, step, pods, own, fail) as unknown as Template);
  }
  const starts = steps.filter(({ place }) => place === "start");
  const exits = steps.filter(({ place }) => place === "exit" || place === "last");
  if (starts.length > 0) addStarts(workflow, starts.map(templateName));
  for (const step of starts) if (step.gives) handOut(workflow, stepTemplates, step, step.gives.env, fail);
  if (exits.length > 0) addExits(workflow, exits);
  const changed = emitYaml(shorten(workflow));
  if (Math.max(changed.length, JSON.stringify(workflow).length) > MAX_DOCUMENT) {
    throw fail(`the document has ${changed.length} bytes with these steps, and servers take ${MAX_DOCUMENT}`);
  }
  return changed;
}

/** What holds wherever a step runs. `fail`: makes the error from what is wrong. */
export function checkExtraStep(step: ExtraStep, fail: (why: string) => Error): void {
  if (step.gives && step.place !== "start") throw fail(`the step "${step.id}" runs at the end, so it gives to nobody`);
  if (step.place === "around-exit" && step.image !== undefined) {
    throw fail(`the step "${step.id}" runs in the pod of the exit pipeline, so it has no image of its own`);
  }
  if (step.local && step.image !== undefined) {
    throw fail(`the step "${step.id}" has an image of its own, and there are no images on this machine`);
  }
}

// --- internal ---

const EXIT = "extra-exit";

/** Where a start step writes what it gives; in the container's own file system, as every executor can read it there. */
const OUTPUT = "/tmp/kfk-output";

/** Cached, it would not run the second time. */
const NO_CACHE = { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } };

/** Names that no node's step can have (`steps/names.ts`) need no prefix. */
const KEPT_NAMES: ReadonlySet<string> = new Set(["mlflow-start-run", "mlflow-finish-run"]);

function templateName({ id }: ExtraStep): string {
  return KEPT_NAMES.has(id) ? id : `extra-${id}`;
}

function podTemplate(
  name: string,
  step: ExtraStep,
  pods: PodDefaults,
  own: readonly Variable[],
  fail: (why: string) => Error,
) {
  const check = checkText(step, fail);
  const [program = "", ...args] = step.command.map(check);
  const env: Variable[] = Object.entries(step.env ?? {}).map(([key, value]) => ({
    name: check(key),
    value: check(value),
  }));
  if (step.gives) env.push({ name: "KFK_OUTPUT", value: OUTPUT });
  const names = new Set(env.map((variable) => variable.name));
  if (step.image === undefined) env.unshift(...own.filter((variable) => !names.has(variable.name)));
  const { resources = {}, tolerations = [], affinity } = (step.image === undefined && pods.extraPod) || {};
  // a step of one's own image has its own needs; the others must be let in where the steps of nodes are
  check(JSON.stringify([resources, tolerations, affinity]));
  return {
    name,
    ...(step.gives
      ? { outputs: { parameters: [{ name: parameterName(step.gives.env), valueFrom: { path: OUTPUT } }] } }
      : {}),
    metadata: NO_CACHE,
    ...(tolerations.length > 0 ? { tolerations } : {}),
    ...(affinity ? { affinity } : {}),
    container: {
      image: check(step.image ?? pods.image ?? ""),
      imagePullPolicy: pods.imagePullPolicy,
      command: [program],
      ...(args.length > 0 ? { args } : {}),
      ...(env.length > 0 ? { env } : {}),
      ...(Object.keys(resources).length > 0 ? { resources: { limits: resources, requests: resources } } : {}),
    },
  };
}

/** The status is known at the end only. */
const START_WORDS = /\{\{workflow\.(?:name|uid|namespace)\}\}/g;
const EXIT_WORDS = /\{\{workflow\.(?:name|uid|status|namespace|failures)\}\}/g;

/** Each failed node is some 250 bytes, and one argument of a process is at most 128 KiB on Linux. */
const FAILURES = "{{=sprig.trunc(60000, workflow.failures)}}";

function checkText(step: ExtraStep, fail: (why: string) => Error): (part: string) => string {
  const words = step.place === "start" ? START_WORDS : EXIT_WORDS;
  return (part) => {
    const rest = part.replaceAll(words, "");
    if (rest.includes("{{") || /\$[$(]/.test(rest)) {
      throw fail(`the step "${step.id}" holds "${part}", which the server would expand`);
    }
    return part.replaceAll("{{workflow.failures}}", FAILURES);
  };
}

/** Argo's name for the exit pipeline's template, and for its task. */
const OWN_EXIT = "on-exit";

/** The program of the exit pipeline becomes more arguments of another one, in the same pod. */
function wrapExit({ spec }: Workflow, step: ExtraStep, fail: (why: string) => Error): void {
  const container = spec.templates.find(({ name }) => name === OWN_EXIT)?.container;
  if (container === undefined) return;
  const own = [...(container.command ?? spec.templateDefaults?.container?.command ?? []), ...(container.args ?? [])];
  const check = checkText(step, fail);
  const [program = "", ...args] = step.command.map(check);
  container.command = [program];
  container.args = [...args, ...own];
  const env = Object.entries(step.env ?? {}).map(([key, value]) => ({ name: check(key), value: check(value) }));
  const names = new Set(container.env?.map(({ name }) => name));
  const twice = env.find(({ name }) => names.has(name));
  if (twice) throw fail(`the step "${step.id}" sets ${twice.name}, which the exit pipeline has already`);
  if (env.length > 0) container.env = [...(container.env ?? []), ...env];
}

/** The template of steps that run nodes. */
function isStepTemplate({ inputs, container }: Template): boolean {
  return container !== undefined && (inputs?.parameters ?? []).some(({ name }) => name === "step");
}

/** What every step has in its environment from kubeflow.yaml: it holds credentials that all of the project needs. */
function commonVariables(templates: readonly Template[]): readonly Variable[] {
  const env = templates.find(isStepTemplate)?.container?.env ?? [];
  return env.filter(({ name, value }) => name !== "KUBEFLOW_RUN_ID" && !value?.includes("{{"));
}

/** `MLFLOW_RUN_ID` → `mlflow-run-id`; no parameter of a step's template is called like a variable. */
function parameterName(variable: string): string {
  return variable.toLowerCase().replaceAll("_", "-");
}

/** One after the other, then all that waited for nothing. */
function addStarts({ spec }: Workflow, names: readonly string[]): void {
  const tasks = spec.templates.find(({ name }) => name === spec.entrypoint)?.dag?.tasks;
  if (tasks === undefined) throw new Error("the entry of a workflow is a DAG");
  const last = names.at(-1) as string;
  for (const [index, task] of tasks.entries()) {
    // dependencies stand where kfk writes them, after the template
    if ((task.dependencies ?? []).length > 0) continue;
    const { name, template, ...rest } = task;
    tasks[index] = { name, template, dependencies: [last], ...rest };
  }
  const first = names.map((name, index): Task => {
    const before = names[index - 1];
    return { name, template: name, ...(before === undefined ? {} : { dependencies: [before] }) };
  });
  tasks.unshift(...first);
}

/** Every task waits for the start step, if only through others, so its output may be named in all of them. */
function handOut(
  { spec }: Workflow,
  stepTemplates: readonly Template[],
  step: ExtraStep,
  variable: string,
  fail: (why: string) => Error,
): void {
  const name = parameterName(variable);
  const receivers = new Set(stepTemplates.map((template) => template.name));
  for (const template of stepTemplates) {
    const { inputs, container } = template;
    const isTaken =
      container?.env?.some((other) => other.name === variable) ||
      inputs?.parameters?.some((other) => other.name === name);
    if (isTaken) throw fail(`the step "${step.id}" gives ${variable}, which the steps have already`);
    inputs?.parameters?.push({ name });
    if (container)
      container.env = [...(container.env ?? []), { name: variable, value: `{{inputs.parameters.${name}}}` }];
  }
  const pass = (tasks: Task[], value: string): boolean => {
    let isPassed = false;
    for (const task of tasks) {
      const part = spec.templates.find((template) => template.name === task.template);
      const isPart = part?.dag !== undefined && pass(part.dag.tasks, `{{inputs.parameters.${name}}}`);
      if (part && isPart) part.inputs = { parameters: [...(part.inputs?.parameters ?? []), { name }] };
      if (!isPart && !receivers.has(task.template)) continue;
      task.arguments = { ...task.arguments, parameters: [...(task.arguments?.parameters ?? []), { name, value }] };
      isPassed = true;
    }
    return isPassed;
  };
  const entry = spec.templates.find((template) => template.name === spec.entrypoint);
  pass(entry?.dag?.tasks ?? [], `{{tasks.${templateName(step)}.outputs.parameters.${name}}}`);
}

/** All at once: none depends on the success of another, and only those that are `last` wait for the exit pipeline. */
function addExits({ spec }: Workflow, steps: readonly ExtraStep[]): void {
  const own = spec.templates.find(({ name }) => name === spec.onExit);
  const hasPipeline = own?.name === OWN_EXIT || own?.dag?.tasks.some(({ name }) => name === OWN_EXIT) === true;
  const waits = hasPipeline && steps.some(({ place }) => place === "last");
  const added = steps.map((step): Task => {
    const name = templateName(step);
    if (!hasPipeline || step.place !== "last") return { name, template: name };
    handStatus(spec.templates.find((template) => template.name === name) as Template);
    const parameters = [{ name: EXIT_STATUS, value: `{{tasks.${OWN_EXIT}.status}}` }];
    return { name, template: name, depends: AFTER_EXIT, arguments: { parameters } };
  });
  if (own?.name === EXIT && own.dag) {
    // a step that failed must not keep one that waits from starting
    if (waits) own.dag.failFast = false;
    own.dag.tasks.push(...added);
    return;
  }
  const before = own === undefined ? [] : [exitTask(own)];
  // the exit step of kubeflow.yaml is shown last
  const tasks =
    own?.name.startsWith("extra-") || KEPT_NAMES.has(own?.name ?? "") ? [...before, ...added] : [...added, ...before];
  const [first] = tasks;
  if (tasks.length === 1 && first) {
    spec.onExit = first.template;
    return;
  }
  spec.onExit = EXIT;
  spec.templates.push({ name: EXIT, dag: { ...(waits ? { failFast: false } : {}), tasks } });
}

const EXIT_STATUS = "exit-status";
const AFTER_EXIT = ["Succeeded", "Failed", "Errored"].map((phase) => `${OWN_EXIT}.${phase}`).join(" || ");

/** A task that runs after a failed one and succeeds hides the failure from Argo, so it is told of it. */
function handStatus(template: Template): void {
  template.inputs = { parameters: [{ name: EXIT_STATUS }] };
  const { container } = template;
  if (container === undefined) return;
  const variable = { name: "KFK_EXIT_STATUS", value: `{{inputs.parameters.${EXIT_STATUS}}}` };
  container.env = [...(container.env ?? []), variable];
}

/** An exit handler alone gets the workflow's arguments for its inputs (A.7); as a task it is handed them. */
function exitTask({ name, inputs }: Template): Task {
  const parameters = (inputs?.parameters ?? []).map((parameter) => ({
    name: parameter.name,
    value: parameter.value ?? `{{workflow.parameters.${parameter.name}}}`,
  }));
  return { name, template: name, ...(parameters.length > 0 ? { arguments: { parameters } } : {}) };
}

/** Tasks stand on one line where kfk writes them so: those with arguments, and those of parts. */
function shorten({ spec, ...rest }: Workflow): JsonObject {
  const dags = new Set(spec.templates.filter(({ dag }) => dag !== undefined).map(({ name }) => name));
  const templates = spec.templates.map((template) => {
    if (template.dag === undefined) return template;
    const tasks = template.dag.tasks.map((task) =>
      task.arguments || dags.has(task.template) ? oneLine(task as unknown as JsonObject) : task,
    );
    return { ...template, dag: { ...template.dag, tasks } };
  });
  return { ...rest, spec: { ...spec, templates } } as unknown as JsonObject;
}
