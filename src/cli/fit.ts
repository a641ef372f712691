/**
 * Plan → document for a server, and what is said about its size. Where the plan does not fit into one document, the
 * error names the grouping that would: every other one is tried, so that what is advised works.
 */
import { type ArgoDocument, compileArgoDocument } from "../compile/argo.ts";
import { warnLost } from "../config/overlay.ts";
import { isKfkError, KfkError } from "../error.ts";
import { MERGE_MODES, type MergeMode } from "../steps/merge.ts";
import { findNewSecrets, hasSecretForm } from "../secrets.ts";
import type { StepPlan } from "../steps/step.ts";
import type { OpenProject } from "./open.ts";
import { planForCluster } from "./plan.ts";
import type { Call } from "./verb.ts";

/**
 * Compiles the chosen pipeline, with the project's hooks on the steps and on the document. `given`: other defaults of
 * parameters than those of `--param`.
 *
 * Errors: those of `planForCluster` and `compileFitting`, HOOK_*.
 */
export async function compileProject(
  call: Call,
  read: OpenProject,
  given?: Parameters<typeof planForCluster>[2],
): Promise<{ readonly plan: StepPlan; readonly document: ArgoDocument }> {
  // first: what is missing now may be what was lost
  call.warn(warnLost(read.configuration.kubeflowLost()));
  const plan = await read.hooks.steps(planForCluster(call, read, given));
  const document = compileFitting(plan, (merge) => planForCluster(call, read, given, merge));
  const text = await read.hooks.documents(plan, document.text);
  const [secret] = findNewSecrets(call.world.env, "", text);
  if (secret !== undefined) throw secretInside(`the value of the environment variable ${secret}`);
  const line = hasSecretForm(text) ? text.split("\n").find(hasSecretForm) : undefined;
  if (line !== undefined) throw secretInside(`something that looks like a secret (${keyIn(line)})`);
  return { plan, document: { ...document, text } };
}

/**
 * Compiles. `planWith`: the same plan with another grouping.
 *
 * Errors: those of `compileArgoDocument`; STEP_TOO_MANY and STEP_TOO_LARGE with a grouping that fits.
 */
function compileFitting(plan: StepPlan, planWith: (merge: MergeMode) => StepPlan): ArgoDocument {
  try {
    return compileArgoDocument(plan);
  } catch (error) {
    if (!isKfkError(error, "STEP_TOO_MANY") && !isKfkError(error, "STEP_TOO_LARGE")) throw error;
    const merge = MERGE_MODES.map((mode) => ({ mode, steps: stepsThatFit(planWith, mode) })).find(
      ({ steps }) => steps > 0,
    );
    const count = plan.steps.reduce((sum, step) => sum + step.nodes.length, 0);
    const message = `${error.message}; the pipeline has ${count} nodes in ${plan.steps.length} steps`;
    const hint =
      merge === undefined
        ? "no grouping fits: compile a part of the pipeline (--pipeline, --tags, --nodes, --namespaces)"
        : `--merge ${merge.mode} gives ${counted(merge.steps, "step")}, and that fits`;
    throw new KfkError(error.code, message, { ...error, hint, cause: error });
  }
}

/** `1000 nodes → 1000 steps → 1002 pods in 6 parts (longest chain 400 steps, +0 %), 404270 bytes`. */
export function describeSize(plan: StepPlan, { text, pods, nesting }: ArgoDocument): string {
  const nodes = plan.steps.reduce((sum, step) => sum + step.nodes.length, 0);
  const { flat, nested } = nesting.path;
  const longer = (((nested - flat) / flat) * 100).toFixed(1).replace(/\.0$/, "");
  const chain = `longest chain ${counted(flat, "step")}, +${longer} %`;
  const parts = nesting.parts === 0 ? "" : ` in ${counted(nesting.parts, "part")} (${chain})`;
  const counts = [counted(nodes, "node"), counted(plan.steps.length, "step"), counted(pods, "pod")];
  return `${counts.join(" → ")}${parts}, ${text.length} bytes`;
}

// --- internal ---

/** 0: it does not fit, or cannot be planned (its data has nowhere to go). */
function stepsThatFit(planWith: (merge: MergeMode) => StepPlan, mode: MergeMode): number {
  try {
    const plan = planWith(mode);
    compileArgoDocument(plan);
    return plan.steps.length;
  } catch (error) {
    if (isKfkError(error)) return 0;
    throw error;
  }
}

/** What a line of the document is about, without its value. */
function keyIn(line: string): string {
  return /^[\s-]*["']?([\w./-]+)/.exec(line)?.[1] ?? "a value";
}

function secretInside(what: string): KfkError {
  return new KfkError("STEP_SECRET", `the document would hold ${what}`, {
    hint: "hand it to the steps as a Kubernetes secret: run_config.env: [{name: …, secret: {name: …, key: …}}]",
  });
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
