/**
 * The Workflow inside a v1beta1 run → the state of each step, and whether somebody stopped it. Pure.
 *
 * Comes in: `pipeline_runtime.workflow_manifest`, the Workflow as the persistence agent last reported it, for runs of
 * Argo and of IR documents alike. What cannot be read gives no steps, never a guess.
 * Source: Argo Workflows 3.1 to 4.1 (`status.nodes`, `status.compressedNodes`: base64 of gzip, `spec.shutdown`); KFP
 * terminates by `spec.activeDeadlineSeconds: 0` (recordings `wait.v1.*-slow.final`).
 */
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import { workflowNodesSchema, workflowSchema } from "../../schemas/kfp-api.ts";
import type { StepState } from "../steps/state.ts";

export interface Workflow {
  readonly name: string;
  /** True when somebody asked for its end: the stop mark is in its spec. */
  readonly stopped: boolean;
  /** Argo's own phase and message, "" when it has none yet. */
  readonly phase: string;
  readonly message: string;
  /** One for each task of the document that Argo has begun with, in order of their start. */
  readonly steps: readonly StepState[];
}

/** Reads a manifest; undefined for "" and for what is no Workflow. */
export function parseWorkflow(manifest: string): Workflow | undefined {
  const parsed = v.safeParse(workflowSchema, parseJson(manifest));
  if (!parsed.success) return undefined;
  const { metadata, spec, status } = parsed.output;
  const nodes = status.nodes ?? expand(status.compressedNodes) ?? {};
  const graphs = new Set(spec.templates.filter((each) => "dag" in each || "steps" in each).map((each) => each.name));
  const deadline = spec.activeDeadlineSeconds;
  return {
    name: metadata.name,
    stopped: spec.shutdown !== "" || deadline === 0 || deadline === "0",
    phase: status.phase,
    message: status.message,
    steps: readSteps(Object.values(nodes), graphs),
  };
}

// --- internal ---

type Node = v.InferOutput<typeof workflowNodesSchema>[string];

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? undefined : value;
  } catch {
    return undefined; // cut off or empty: the caller says that nothing is known
  }
}

/** Far above what etcd can hold, far below what a hostile archive could grow to. */
const MOST_BYTES = 256 * 1024 * 1024;

function expand(compressed: string): Readonly<Record<string, Node>> | undefined {
  if (compressed === "") return undefined;
  try {
    const text = gunzipSync(Buffer.from(compressed, "base64"), { maxOutputLength: MOST_BYTES }).toString("utf8");
    const parsed = v.safeParse(workflowNodesSchema, parseJson(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined; // not gzip: nothing is known
  }
}

/** A step with retries is a Retry node `x` and a Pod node `x(0)`, `x(1)` for each attempt. */
function readSteps(nodes: readonly Node[], graphs: ReadonlySet<string>): readonly StepState[] {
  const retries = new Set(nodes.filter((each) => each.type === "Retry").map((each) => each.name));
  const attempts = new Map<string, Node[]>();
  const steps: Node[] = [];
  for (const node of nodes) {
    const owner = node.name.replace(/\(\d+\)$/, "");
    const isAttempt = owner !== node.name && retries.has(owner);
    if (isAttempt) attempts.set(owner, [...(attempts.get(owner) ?? []), node]);
    else if (STEP_TYPES.has(node.type) && !(node.type === "Retry" && graphs.has(node.templateName))) steps.push(node);
  }
  return steps
    .filter((node) => !(attempts.get(node.name) ?? []).some((each) => GRAPH_TYPES.has(each.type)))
    .map((node) => ({ node, state: readStep(node, attempts.get(node.name) ?? []) }))
    .toSorted((a, b) => compareTimes(a.state, b.state) || compareText(a.node.name, b.node.name))
    .map(({ state }) => state);
}

const STEP_TYPES: ReadonlySet<string> = new Set(["Pod", "Container", "Retry", "Skipped", "Suspend", "HTTP", "Plugin"]);
const GRAPH_TYPES: ReadonlySet<string> = new Set(["DAG", "Steps", "StepGroup", "TaskGroup"]);

function readStep(node: Node, attempts: readonly Node[]): StepState {
  const last = attempts.toSorted((a, b) => attemptNumber(a) - attemptNumber(b)).at(-1);
  const phase = readPhase(node.phase);
  // while a Retry node runs, its pod may still wait for a place
  const shown = phase === "running" && last !== undefined && readPhase(last.phase) === "waiting" ? "waiting" : phase;
  return {
    id: node.displayName || node.name,
    phase: shown,
    startedMs: readTime(node.startedAt),
    endedMs: readTime(node.finishedAt),
    message: (shown === "failed" || shown === "waiting" ? last?.message : "") || node.message || null,
  };
}

function readPhase(phase: string): StepState["phase"] {
  switch (phase) {
    case "Succeeded":
      return "succeeded";
    case "Failed":
    case "Error":
      return "failed";
    case "Skipped":
    case "Omitted":
      return "skipped";
    case "Running":
      return "running";
    default:
      return "waiting";
  }
}

function readTime(text: string | null): number | null {
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

function attemptNumber(node: Node): number {
  return Number(/\((\d+)\)$/.exec(node.name)?.[1] ?? -1);
}

function compareTimes(a: StepState, b: StepState): number {
  const [first, second] = [a.startedMs ?? Number.MAX_SAFE_INTEGER, b.startedMs ?? Number.MAX_SAFE_INTEGER];
  return first - second;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
