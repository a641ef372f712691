/**
 * Steps of the hook `extraSteps` → more templates and tasks in an Argo document: start steps before everything else,
 * exit steps in the workflow's exit handler, beside one that is there already. Refused: names that are taken, text that
 * the server or Kubernetes would expand (but for a few words about the run), another target than argo.
 * Rules: reference/compile-targets.md A.7, D.1, D.3.
 */
import { parse } from "yaml";
import type { ExtraStep } from "../../hooks/contract.ts";
import { emitYaml, type JsonObject } from "../compile/emit.ts";
import type { PodDefaults } from "../steps/step.ts";

interface Task {
  readonly name: string;
  readonly template: string;
  dependencies?: string[];
}

interface Workflow {
  readonly kind: string;
  readonly spec: {
    readonly entrypoint: string;
    onExit?: string;
    readonly templates: {
      readonly name: string;
      readonly inputs?: unknown;
      readonly dag?: { readonly tasks: Task[] };
    }[];
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
  const taken = new Set(spec.templates.map(({ name }) => name));
  for (const step of steps) {
    const name = templateName(step);
    if (taken.has(name)) throw fail(`two steps are called "${step.id}"`);
    taken.add(name);
    spec.templates.push(podTemplate(name, step, pods, fail));
  }
  const starts = steps.filter(({ place }) => place === "start").map(templateName);
  const exits = steps.filter(({ place }) => place === "exit").map(templateName);
  if (starts.length > 0) addStarts(workflow, starts);
  if (exits.length > 0) addExits(workflow, exits, fail);
  return emitYaml(workflow as unknown as JsonObject);
}

// --- internal ---

const EXIT = "extra-exit";

/** Cached, it would not run the second time. */
const NO_CACHE = { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } };

function templateName({ id }: ExtraStep): string {
  return `extra-${id}`;
}

function podTemplate(name: string, step: ExtraStep, pods: PodDefaults, fail: (why: string) => Error) {
  const check = (part: string): string => {
    const rest = part.replaceAll(/\{\{workflow\.(?:name|uid|status|namespace)\}\}/g, "");
    if (rest.includes("{{") || /\$[$(]/.test(rest)) {
      throw fail(`the step "${step.id}" holds "${part}", which the server would expand`);
    }
    return part;
  };
  const [program = "", ...args] = step.command.map(check);
  const env = Object.entries(step.env ?? {}).map(([key, value]) => ({ name: check(key), value: check(value) }));
  return {
    name,
    metadata: NO_CACHE,
    container: {
      image: check(step.image ?? pods.image ?? ""),
      imagePullPolicy: pods.imagePullPolicy,
      command: [program],
      ...(args.length > 0 ? { args } : {}),
      ...(env.length > 0 ? { env } : {}),
    },
  };
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

function addExits({ spec }: Workflow, names: readonly string[], fail: (why: string) => Error): void {
  const own = spec.templates.find(({ name }) => name === spec.onExit);
  if (own?.inputs !== undefined) throw fail("the exit step of kubeflow.yaml leaves no room for another");
  const all = own === undefined ? names : [own.name, ...names];
  if (all.length === 1) {
    spec.onExit = all[0] as string;
    return;
  }
  spec.onExit = EXIT;
  spec.templates.push({ name: EXIT, dag: { tasks: all.map((name) => ({ name, template: name })) } });
}
