/** The closed list of hooks as values: name, payload, how several answers combine. Types: `hooks/contract.ts`. */
import type { Hooks } from "../../hooks/contract.ts";

export type HookName = Exclude<keyof Hooks, "timeoutSeconds">;

export interface HookRule {
  readonly combine: "first" | "series" | "all";
  /** What the file must hold under the name. */
  readonly form: "function" | "functions";
  /** What a hook is given and gives back, in a few words; `kfk hooks list` shows it. */
  readonly payload: string;
}

export const HOOKS: Readonly<Record<HookName, HookRule>> = {
  config: { combine: "series", form: "function", payload: "kubeflow.yaml, resolved" },
  variable: { combine: "first", form: "function", payload: "${name|default} in kubeflow.yaml → text" },
  resolvers: { combine: "first", form: "functions", payload: "${name:argument} in kubeflow.yaml → value" },
  model: { combine: "series", form: "function", payload: "pipelines, datasets, parameters" },
  steps: { combine: "series", form: "function", payload: "steps of one run" },
  extraSteps: { combine: "all", form: "function", payload: "steps of one run → more at start and exit" },
  documents: { combine: "series", form: "function", payload: "documents for the server" },
  lint: { combine: "all", form: "function", payload: "model, steps, documents → findings" },
  auth: { combine: "first", form: "function", payload: "server → headers, how long they hold" },
};

/** True for the name of a hook. */
export function isHookName(name: string): name is HookName {
  return Object.hasOwn(HOOKS, name);
}
