/**
 * What a compiled document means, whoever wrote it: which Kedro nodes run where and when, with which data, settings and
 * parameters. One reader for the predecessor's documents (kedro-kubeflow 0.3.0 to 0.11.0) and one for kfk's; nothing
 * about the form of a document survives, so that the two can be compared.
 */
import { parse } from "yaml";
import { encodeJson, parseTyped } from "../../src/steps/transport.ts";
import type { ParameterTag } from "../../src/steps/step.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What is read of an Argo document, whoever wrote it. */
interface Document {
  readonly metadata: { readonly generateName: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly entrypoint: string;
    readonly onExit?: string;
    readonly serviceAccountName?: string;
    readonly ttlStrategy?: { readonly secondsAfterCompletion: number };
    readonly ttlSecondsAfterFinished?: number;
    readonly templates: readonly Template[];
    readonly arguments?: { readonly parameters?: readonly Parameter[] };
  };
}

interface Parameter {
  readonly name: string;
  readonly value?: string;
}

interface DagTask {
  readonly name: string;
  readonly template: string;
  readonly dependencies?: readonly string[];
  readonly arguments?: { readonly parameters?: readonly Parameter[] };
}

interface Container {
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly resources?: { readonly limits?: Amounts; readonly requests?: Amounts };
  readonly securityContext?: { readonly runAsUser?: number };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly env?: readonly Parameter[];
}

type Amounts = Readonly<Record<string, string | number>>;

interface Template {
  readonly name: string;
  readonly container?: Container;
  readonly dag?: { readonly tasks: readonly DagTask[] };
  readonly resource?: { readonly manifest: string; readonly setOwnerReference?: boolean };
  readonly volumes?: readonly {
    readonly name: string;
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
  readonly retryStrategy?: {
    readonly limit: string | number;
    readonly retryPolicy: string;
    readonly backoff?: { readonly duration?: string; readonly factor?: string | number };
  };
  readonly tolerations?: readonly Readonly<Record<string, Json>>[];
  readonly affinity?: Json;
  readonly outputs?: { readonly artifacts?: readonly { readonly path: string }[] };
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
}

interface Claim {
  readonly spec: {
    readonly storageClassName?: string;
    readonly accessModes: readonly string[];
    readonly resources: { readonly requests: { readonly storage: string } };
  };
}

interface Shared {
  readonly pipeline: string;
  readonly env: string;
  readonly parameters: Readonly<Record<string, readonly [string, ParameterTag]>>;
}

export interface Meaning {
  readonly name: string;
  readonly description: string | null;
  readonly ttlSeconds: number | null;
  readonly serviceAccount: string | null;
  /** Kedro's key → JSON of the default; undefined: none. */
  readonly parameters: ReadonlyMap<string, Json | undefined>;
  readonly volume: VolumeMeaning | null;
  readonly steps: readonly StepMeaning[];
  readonly exit: StepMeaning | null;
  /** Steps that run no Kedro node and fill no volume. */
  readonly others: readonly string[];
}

export interface VolumeMeaning {
  readonly storageClass: string | null;
  readonly size: string;
  readonly accessModes: readonly string[];
  readonly isFilled: boolean;
  /** Who removes it. */
  readonly removedBy: "exit step" | "workflow" | "nobody";
}

export interface StepMeaning {
  readonly id: string;
  /** Kedro's nodes; null: all of the pipeline. */
  readonly nodes: readonly string[] | null;
  readonly pipeline: string | null;
  readonly env: string | null;
  /** Steps with Kedro nodes that must have succeeded before, direct or not; sorted. */
  readonly after: readonly string[];
  readonly afterVolume: boolean;
  /** Kedro's keys of the parameters it is given, sorted. */
  readonly parameters: readonly string[];
  readonly image: string;
  readonly pullPolicy: string;
  readonly resources: Json;
  readonly runAsUser: number | null;
  /** Mount path → source; the run's own volume is "volume". */
  readonly mounts: Readonly<Record<string, Json>>;
  readonly retry: Json;
  readonly tolerations: readonly Json[];
  readonly affinity: Json;
  readonly artifacts: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly cache: string | null;
}

/** Reads a document of the predecessor. */
export function meaningOfOld(text: string): Meaning {
  const { metadata, spec } = parse(text, { version: "1.1" }) as Document;
  const described = JSON.parse(metadata.annotations["pipelines.kubeflow.org/pipeline_spec"] ?? "{}") as {
    description?: string;
  };
  const templates = new Map(spec.templates.map((template) => [template.name, template]));
  const dag = templates.get("exit-handler-1") ?? templates.get(spec.entrypoint);
  const tasks = dag?.dag?.tasks ?? [];
  const claim = templates.get("data-volume-create");
  const exit = spec.onExit === undefined ? undefined : templates.get(spec.onExit);
  const exitText =
    exit === undefined ? "" : [exit.container?.command ?? [], exit.container?.args ?? []].flat().join(" ");
  const graph = new Map(tasks.map((task) => [task.name as string, (task.dependencies ?? []) as string[]]));
  const isNode = (name: string): boolean => /\bkedro run\b/.test(oldCommand(templates.get(name)));
  const steps = tasks.filter((task) => isNode(task.name));
  return {
    name: metadata.generateName,
    description: described.description ?? null,
    ttlSeconds: spec.ttlStrategy?.secondsAfterCompletion ?? spec.ttlSecondsAfterFinished ?? null,
    serviceAccount: spec.serviceAccountName ?? null,
    parameters: new Map((spec.arguments?.parameters ?? []).map(({ name, value }) => [name, value])),
    volume: claim
      ? claimOf(claim, templates.has("data-volume-init"), /delete/.test(exitText) ? "exit step" : "nobody")
      : null,
    steps: steps.map((task) => oldStep(task.name, templates.get(task.name) as Template, graph, isNode)),
    exit: exit && /\bkedro run\b/.test(exitText) ? oldStep("on-exit", exit, graph, isNode) : null,
    others: tasks
      .map((task) => task.name as string)
      .filter((name) => !isNode(name) && !name.startsWith("data-volume-")),
  };
}

/** Reads a document of kfk. */
export function meaningOfNew(text: string): Meaning {
  const { metadata, spec } = parse(text) as Document;
  const described = JSON.parse(metadata.annotations["pipelines.kubeflow.org/pipeline_spec"] ?? "{}") as {
    description?: string;
  };
  const templates = new Map(spec.templates.map((template) => [template.name, template]));
  const tasks = flatten(templates, spec.entrypoint);
  const claim = templates.get("data-volume-create");
  const exit = spec.onExit === undefined ? undefined : templates.get(spec.onExit);
  const graph = new Map(tasks.map(({ name, needs }) => [name, needs]));
  const isNode = (name: string): boolean => !name.startsWith("data-volume-");
  const steps = tasks.filter(({ name }) => isNode(name));
  const given = new Map((spec.arguments?.parameters ?? []).map((each) => [each.name, each]));
  const shared = JSON.parse(firstPod(templates)?.container?.args?.[0] ?? "{}") as Partial<Shared>;
  return {
    name: metadata.generateName,
    description: described.description ?? null,
    ttlSeconds: spec.ttlStrategy?.secondsAfterCompletion ?? null,
    serviceAccount: spec.serviceAccountName ?? null,
    parameters: new Map(
      Object.entries((shared.parameters ?? {}) as Record<string, [string, ParameterTag]>).map(([name, [key, tag]]) => [
        key,
        JSON.parse(encodeJson(parseTyped(name, given.get(name)?.["value"] ?? "", tag))) as Json,
      ]),
    ),
    volume: claim
      ? claimOf(claim, templates.has("data-volume-init"), claim.resource?.setOwnerReference ? "workflow" : "nobody")
      : null,
    steps: steps.map(({ name, template, values }) =>
      newStep(name, templates.get(template) as Template, values, graph, isNode),
    ),
    exit: exit ? newStep("on-exit", exit, new Map(), graph, isNode) : null,
    others: [],
  };
}

// --- internal ---

function containerOf(template: Template): Container {
  if (template.container === undefined) throw new Error(`template ${template.name} has no container`);
  return template.container;
}

function claimOf(template: Template, isFilled: boolean, removedBy: VolumeMeaning["removedBy"]): VolumeMeaning {
  const { spec } = parse(template.resource?.manifest ?? "") as Claim;
  return {
    storageClass: spec.storageClassName ?? null,
    size: spec.resources.requests.storage,
    accessModes: spec.accessModes,
    isFilled,
    removedBy,
  };
}

function ancestors(name: string, graph: ReadonlyMap<string, readonly string[]>, seen = new Set<string>()): Set<string> {
  for (const parent of graph.get(name) ?? []) {
    if (seen.has(parent)) continue;
    seen.add(parent);
    ancestors(parent, graph, seen);
  }
  return seen;
}

function podOf(
  template: Template,
  values: ReadonlyMap<string, string>,
): Omit<StepMeaning, "id" | "nodes" | "pipeline" | "env" | "after" | "afterVolume" | "parameters"> {
  const { volumes = [], retryStrategy, tolerations = [], affinity, outputs, metadata } = template;
  const container = containerOf(template);
  const sources = new Map<string, Json>(
    volumes.map(({ name, ...source }) => [
      name,
      /data-volume/.test(source.persistentVolumeClaim?.claimName ?? "") ? "volume" : (source as Json),
    ]),
  );
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath }) => [mountPath, sources.get(name)]);
  const amounts = (list: Amounts | undefined): Json =>
    Object.fromEntries(
      Object.entries(list ?? {})
        .map(([key, value]) => [key, String(value)] as const)
        .toSorted(),
    );
  const isSame =
    JSON.stringify(amounts(container.resources?.limits)) === JSON.stringify(amounts(container.resources?.requests));
  const backoff = retryStrategy?.backoff;
  const fill = (path: string): string =>
    path.replaceAll(/\{\{inputs\.parameters\.([\w-]+)\}\}/g, (_, name: string) => values.get(name) ?? "?");
  return {
    image: container.image,
    pullPolicy: container.imagePullPolicy,
    resources: isSame ? amounts(container.resources?.limits) : "limits and requests differ",
    runAsUser: container.securityContext?.runAsUser ?? null,
    mounts: Object.fromEntries(mounts.toSorted()) as Record<string, Json>,
    retry: retryStrategy
      ? {
          limit: String(retryStrategy.limit),
          policy: retryStrategy.retryPolicy,
          duration: String(backoff?.duration ?? ""),
          factor: String(backoff?.factor ?? ""),
        }
      : null,
    tolerations: tolerations
      .map((each) => Object.fromEntries(Object.entries(each).toSorted()))
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    affinity: affinity ?? null,
    artifacts: (outputs?.artifacts ?? []).map(({ path }) => fill(path)).toSorted(),
    variables: Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? "reference"])),
    cache: metadata?.annotations?.["pipelines.kubeflow.org/max_cache_staleness"] ?? null,
  };
}

// the predecessor

/** `kedro run …` as one text, whatever started it. */
function oldCommand(template: Template | undefined): string {
  const { command = [], args = [] } = template?.container ?? {};
  if (command[0] === "kedro") return ["kedro", ...args].join(" ");
  return command[0] === "bash" ? (command[2] ?? "") : "";
}

function oldStep(
  id: string,
  template: Template,
  graph: ReadonlyMap<string, readonly string[]>,
  isNode: (name: string) => boolean,
): StepMeaning {
  const { command = [], args = [] } = containerOf(template);
  const text = oldCommand(template);
  const option = (name: string): string | null => new RegExp(`--${name} (\\S+)`).exec(text)?.[1] ?? null;
  const node =
    command[0] === "kedro" ? args[args.indexOf("--node") + 1] : (/--nodes (.*) --config /.exec(text)?.[1] ?? null);
  const names =
    command[0] === "kedro"
      ? [...String(args[args.indexOf("--params") + 1] ?? "").matchAll(/(\w+):\{\{/g)].map((match) => match[1] as string)
      : (args as string[]).slice(1).filter((_, index) => index % 2 === 0);
  const before = ancestors(id, graph);
  return {
    id,
    nodes: node === null || node === undefined ? null : [node],
    pipeline: option("pipeline"),
    env: option("env"),
    after: [...before].filter(isNode).toSorted(),
    afterVolume: before.has("data-volume-create"),
    parameters: names.filter((name) => id !== "on-exit" || (name !== "status" && name !== "failures")).toSorted(),
    ...podOf(template, new Map()),
  };
}

// kfk

interface Task {
  readonly name: string;
  readonly template: string;
  readonly needs: readonly string[];
  readonly values: ReadonlyMap<string, string>;
}

/** Tasks of a DAG and of all DAGs in it; who waits for a group waits for all that is in it. */
function flatten(templates: ReadonlyMap<string, Template>, dag: string, outer: readonly string[] = []): Task[] {
  const tasks = templates.get(dag)?.dag?.tasks ?? [];
  const inner = new Map<string, Task[]>();
  const leaves = (name: string): string[] => inner.get(name)?.map((task) => task.name) ?? [name];
  const found: Task[] = [];
  const open = [...tasks];
  while (open.length > 0) {
    const index = open.findIndex((task) =>
      (task.dependencies ?? []).every((name: string) => !open.some((other) => other.name === name)),
    );
    const [task] = open.splice(Math.max(index, 0), 1) as [DagTask];
    const needs = [...outer, ...(task.dependencies ?? []).flatMap(leaves)];
    const isGroup = templates.get(task.template)?.["dag"] !== undefined;
    const made = isGroup
      ? flatten(templates, task.template, needs)
      : [
          {
            name: task.name as string,
            template: task.template as string,
            needs,
            values: new Map<string, string>(
              (task.arguments?.parameters ?? []).map(({ name, value }) => [name, value ?? ""]),
            ),
          },
        ];
    inner.set(task.name, made);
    found.push(...made);
  }
  return found;
}

function firstPod(templates: ReadonlyMap<string, Template>): Template | undefined {
  return [...templates.values()].find((template) => template.container?.args?.[0]?.startsWith('{"kfk"'));
}

function newStep(
  id: string,
  template: Template,
  values: ReadonlyMap<string, string>,
  graph: ReadonlyMap<string, readonly string[]>,
  isNode: (name: string) => boolean,
): StepMeaning {
  const fill = (text: string): string =>
    values.get(/^\{\{inputs\.parameters\.([\w-]+)\}\}$/.exec(text)?.[1] ?? "") ?? text;
  const [first = "{}", second = "{}", third = ""] = (containerOf(template).args ?? []).map(fill);
  const shared = JSON.parse(first) as Shared;
  const step = JSON.parse(second) as { nodes: (readonly [string])[] };
  const before = ancestors(id, graph);
  const names = [...third.matchAll(/workflow\.parameters\.(\w+)/g)].map((match) => match[1] as string);
  return {
    id,
    nodes: step.nodes.map((node: readonly [string]) => node[0]),
    pipeline: shared.pipeline,
    env: shared.env,
    after: [...before].filter(isNode).toSorted(),
    afterVolume: before.has("data-volume-create"),
    parameters: names.map((name) => shared.parameters[name]?.[0] ?? name).toSorted(),
    ...podOf(template, values),
  };
}
