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
import { looseObject } from "../../schemas/mapping.ts";
import { workflowNodesSchema, workflowSchema } from "../../schemas/kfp-api.ts";
import type { StepState } from "../steps/state.ts";

/** One container that ran or runs for a step, the newest attempt of it. */
export interface PodNode {
  /** As `StepState.id`. */
  readonly step: string;
  readonly nodeId: string;
  /** Names that the pod may have, the likeliest first. */
  readonly podNames: readonly string[];
  readonly phase: StepState["phase"];
  readonly message: string | null;
  /** null while it runs, or when Argo did not see it end. */
  readonly exitCode: number | null;
  /** Kedro names of the nodes that it runs, in run order; empty for steps that run none. */
  readonly nodes: readonly string[];
}

export interface Workflow {
  readonly name: string;
  /** "" when the manifest does not say. */
  readonly namespace: string;
  /** True when somebody asked for its end: the stop mark is in its spec. */
  readonly stopped: boolean;
  /** Argo's own phase and message, "" when it has none yet. */
  readonly phase: string;
  readonly message: string;
  /** One for each task of the document that Argo has begun with, in order of their start. */
  readonly steps: readonly StepState[];
  /** The newest pod of each step, in the order of `steps`. */
  readonly pods: readonly PodNode[];
  /** Every pod that failed, with its times: tells one failure from another of the same step. */
  readonly failures: readonly string[];
}

/** Reads a manifest; undefined for "" and for what is no Workflow. */
export function parseWorkflow(manifest: string): Workflow | undefined {
  const parsed = v.safeParse(workflowSchema, parseJson(manifest));
  if (!parsed.success) return undefined;
  const { metadata, spec, status } = parsed.output;
  const nodes = status.nodes ?? expand(status.compressedNodes) ?? {};
  const graphs = new Set(spec.templates.filter((each) => "dag" in each || "steps" in each).map((each) => each.name));
  const deadline = spec.activeDeadlineSeconds;
  const read = readSteps(Object.values(nodes), graphs);
  const kedro = readKedroNodes(spec.templates);
  const format = metadata.annotations?.["workflows.argoproj.io/pod-name-format"];
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    stopped: spec.shutdown !== "" || deadline === 0 || deadline === "0",
    phase: status.phase,
    message: status.message,
    steps: read.map(({ state }) => state),
    pods: read.flatMap(({ state, node, last }) => {
      const pod = last ?? node;
      if (pod.type !== "Pod") return [];
      return [readPod(state, pod, podNames(metadata.name, pod, format), kedro.get(state.id) ?? [])];
    }),
    failures: readFailures(Object.values(nodes)),
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

function readFailures(nodes: readonly Node[]): readonly string[] {
  return nodes
    .filter((node) => (node.type === "Pod" || node.type === "Container") && readPhase(node.phase) === "failed")
    .map(({ id, startedAt, finishedAt }) => `${id} ${startedAt} ${finishedAt}`);
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
function readSteps(nodes: readonly Node[], graphs: ReadonlySet<string>): readonly ReadStep[] {
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
    .map((node) => {
      const last = newestAttempt(attempts.get(node.name) ?? []);
      return { node, last, state: readStep(node, last) };
    })
    .toSorted((a, b) => compareTimes(a.state, b.state) || compareText(a.node.name, b.node.name));
}

interface ReadStep {
  readonly node: Node;
  /** Its newest attempt, when it has attempts. */
  readonly last: Node | undefined;
  readonly state: StepState;
}

function newestAttempt(attempts: readonly Node[]): Node | undefined {
  return attempts.toSorted((a, b) => attemptNumber(a) - attemptNumber(b)).at(-1);
}

const STEP_TYPES: ReadonlySet<string> = new Set(["Pod", "Container", "Retry", "Skipped", "Suspend", "HTTP", "Plugin"]);
const GRAPH_TYPES: ReadonlySet<string> = new Set(["DAG", "Steps", "StepGroup", "TaskGroup"]);

function readStep(node: Node, last: Node | undefined): StepState {
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

function readPod(state: StepState, node: Node, names: readonly string[], kedro: readonly string[]): PodNode {
  const code = node.outputs?.exitCode ?? null;
  const seen = code === null ? /exit code (\d+)/.exec(node.message)?.[1] : String(code);
  return {
    step: state.id,
    nodeId: node.id,
    podNames: names,
    phase: state.phase,
    message: node.message || state.message,
    exitCode: seen === undefined || !/^\d+$/.test(seen) ? null : Number(seen),
    nodes: kedro,
  };
}

/** Argo 3.4 and newer put the template into the name and say so in an annotation; older ones use the node's id. */
function podNames(workflow: string, node: Node, format: string | undefined): readonly string[] {
  if (node.name === workflow) return [workflow];
  const hash = /-(\d+)$/.exec(node.id)?.[1];
  const newer = hash === undefined || node.templateName === "" ? [] : [`${workflow}-${node.templateName}-${hash}`];
  if (format === "v1") return [node.id];
  return format === "v2" && newer.length > 0 ? newer : [...newer, node.id];
}

/** Step id → Kedro names, from the argument that the runner gets (`RunnerStep`). */
function readKedroNodes(
  templates: readonly Readonly<Record<string, unknown>>[],
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const template of templates) {
    const parsed = v.safeParse(dagSchema, template);
    if (!parsed.success) continue;
    for (const { name, arguments: given } of parsed.output.dag.tasks) {
      const text = given.parameters.find((each) => each.name === "step")?.value ?? "";
      const step = v.safeParse(runnerStepSchema, parseJson(text));
      if (step.success)
        found.set(
          name,
          step.output.nodes.map(([node]) => node),
        );
    }
  }
  return found;
}

const dagSchema = looseObject({
  dag: looseObject({
    tasks: v.array(
      looseObject({
        name: v.string(),
        arguments: v.optional(
          looseObject({
            parameters: v.optional(v.array(looseObject({ name: v.string(), value: v.optional(v.string(), "") })), []),
          }),
          {},
        ),
      }),
    ),
  }),
});
const runnerStepSchema = looseObject({ nodes: v.array(v.looseTuple([v.string()])) });

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
