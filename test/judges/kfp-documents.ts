/**
 * What a real server sees in an uploaded document: its kind, its parameters, and whether it refuses it, named by the
 * recorded step of that refusal. Also what runs of it look like inside: a Workflow with nodes.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { parse } from "yaml";

export interface Document {
  readonly kind: "argo" | "ir";
  readonly text: string;
  readonly tree: Tree;
  readonly parameters: readonly { readonly name: string; readonly value?: string }[];
}

export interface Tree {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly generateName?: string };
  readonly spec?: {
    readonly entrypoint?: string;
    readonly serviceAccountName?: string;
    readonly arguments?: { readonly parameters?: readonly { readonly name: string; readonly value?: string }[] };
    readonly templates?: readonly Template[];
  };
  readonly pipelineInfo?: { readonly name?: string };
  readonly schemaVersion?: string;
  readonly components?: Readonly<Record<string, unknown>>;
  readonly root?: {
    readonly dag?: { readonly tasks?: Readonly<Record<string, { readonly componentRef?: { readonly name: string } }>> };
    readonly inputDefinitions?: { readonly parameters?: Readonly<Record<string, IrParameter>> };
  };
}

export interface IrParameter {
  readonly parameterType?: string;
  readonly defaultValue?: unknown;
  readonly isOptional?: boolean;
}

interface Template {
  readonly name: string;
  readonly dag?: { readonly tasks: readonly { readonly name: string; readonly template: string }[] };
}

export type Read =
  | { readonly document: Document }
  /** `step`: without the `bad.v1.` or `bad.v2.` before it. */
  | { readonly bad: string; readonly swaps?: readonly (readonly [string, string])[] }
  /** 2.0 to 2.17 never answer. */
  | { readonly hangs: true };

const MOST_PARAMETER_BYTES = 10_000;

/** Reads bytes as uploaded; archives are opened. */
export function readDocument(bytes: Uint8Array): Read {
  const text = unpack(bytes);
  if (text.trim() === "") return { bad: "bad-empty" };
  let whole: unknown;
  try {
    whole = parse(text.split(/^---$/m)[0] ?? "", { logLevel: "silent" });
  } catch {
    return { hangs: true };
  }
  if (typeof whole !== "object" || whole === null) return { bad: "bad-text" };
  const tree = whole as Tree;
  if (tree.kind === "Workflow") return readArgo(text, tree);
  if (tree.pipelineInfo !== undefined || tree.schemaVersion !== undefined) return readIr(text, tree);
  return { bad: tree.kind === undefined ? "bad-text" : "bad-argo-kind" };
}

function readArgo(text: string, tree: Tree): Read {
  const { entrypoint, templates = [], arguments: given } = tree.spec ?? {};
  const parameters = given?.parameters ?? [];
  const names = new Set(templates.map((each) => each.name));
  for (const { template } of templates.find((each) => each.name === entrypoint)?.dag?.tasks ?? []) {
    if (!names.has(template)) return { bad: "bad-argo-missing-template", swaps: [["'missing'", `'${template}'`]] };
    const known = new Set(parameters.map((each) => each.name));
    for (const [whole, parameter] of JSON.stringify(templates.find((each) => each.name === template)).matchAll(
      /\{\{workflow\.parameters\.([^}]+)\}\}/g,
    )) {
      if (known.has(parameter ?? "")) continue;
      return { bad: "bad-argo-unresolved-param", swaps: [["{{workflow.parameters.nope}}", whole]] };
    }
  }
  if (JSON.stringify(parameters).length > MOST_PARAMETER_BYTES) return { bad: "bad-argo-big-params" };
  return { document: { kind: "argo", text, tree, parameters } };
}

function readIr(text: string, tree: Tree): Read {
  const known = [
    "components",
    "deploymentSpec",
    "pipelineInfo",
    "root",
    "schemaVersion",
    "sdkVersion",
    "defaultPipelineRoot",
  ];
  if (Object.keys(tree).some((key) => !known.includes(key))) return { bad: "bad-ir-unknown-field" };
  if (tree.root === undefined) return { bad: "bad-ir-no-root" };
  if ((tree.pipelineInfo?.name ?? "") === "") return { bad: "bad-ir-no-name" };
  if (tree.schemaVersion !== "2.1.0") return { bad: "bad-ir-schema" };
  if (!/^[a-z0-9][a-z0-9-]{0,127}$/.test(tree.pipelineInfo?.name ?? "")) return { bad: "bad-ir-name" };
  return { document: { kind: "ir", text, tree, parameters: [] } };
}

function unpack(bytes: Uint8Array): string {
  const decode = (part: Uint8Array): string => new TextDecoder().decode(part);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const tar = gunzipSync(bytes);
    const size = Number.parseInt(decode(tar.subarray(124, 136)), 8);
    return decode(tar.subarray(512, 512 + size));
  }
  return decode(bytes);
}

export interface Execution {
  readonly id: string;
  readonly workflowName: string;
  readonly document: Document;
  readonly createdAt: string;
  /** Argo's phase, "" before it has one. */
  readonly phase: string;
  readonly isStopped: boolean;
  readonly isCompressed: boolean;
  /** Steps that fail when the run does; absent: the last one, with exit code 1. */
  readonly failing?: Readonly<Record<string, { readonly message: string; readonly exitCode?: string }>> | undefined;
}

/** Nodes as Argo 4.0.8 reports them for a DAG whose tasks run one after the other. */
export function showWorkflow(run: Execution): unknown {
  const { spec = {}, root } = run.document.tree;
  const tasks =
    spec.templates?.find((each) => each.name === spec.entrypoint)?.dag?.tasks ??
    Object.keys(root?.dag?.tasks ?? {}).map((name) => ({ name, template: name }));
  const { phase } = run;
  const nodes: Record<string, unknown> = {};
  const add = (suffix: string, type: string, name: string, template: string, state: string): void => {
    const id = suffix === "" ? run.workflowName : `${run.workflowName}-${1000 + Object.keys(nodes).length}`;
    const ended = state === "Running" || state === "Pending" ? null : run.createdAt;
    const task = name.replace(/\(0\)$/, "");
    const failure = run.failing?.[task] ?? { message: "main: Error (exit code 1)", exitCode: "1" };
    const isFailure = state === "Failed" && suffix !== "";
    nodes[id] = {
      id,
      name: `${run.workflowName}${suffix}`,
      displayName: name,
      type,
      templateName: template,
      phase: state,
      ...(isFailure ? { message: failure.message } : {}),
      ...(isFailure && type === "Pod" && failure.exitCode ? { outputs: { exitCode: failure.exitCode } } : {}),
      startedAt: run.createdAt,
      finishedAt: ended,
    };
  };
  if (phase !== "" && phase !== "Pending") {
    add("", "DAG", run.workflowName, spec.entrypoint ?? "root", phase);
    for (const [index, task] of tasks.entries()) {
      const last = index === tasks.length - 1;
      if (phase === "Running" && index > 0) break;
      const fails = phase === "Failed" && (run.failing === undefined ? last : task.name in run.failing);
      const state = phase === "Running" ? phase : fails ? "Failed" : last && phase !== "Failed" ? phase : "Succeeded";
      add(`.${task.name}`, "Retry", task.name, task.template, state);
      add(`.${task.name}(0)`, "Pod", `${task.name}(0)`, task.template, state);
    }
  }
  const kept = run.isCompressed ? { compressedNodes: gzipSync(JSON.stringify(nodes)).toString("base64") } : { nodes };
  return {
    metadata: {
      name: run.workflowName,
      namespace: "kubeflow",
      labels: { "pipeline/runid": run.id },
      annotations: { "workflows.argoproj.io/pod-name-format": "v2" },
    },
    spec: { ...spec, ...(run.isStopped ? { activeDeadlineSeconds: 0 } : {}) },
    status: { phase, startedAt: run.createdAt, finishedAt: null, ...(Object.keys(nodes).length === 0 ? {} : kept) },
  };
}
