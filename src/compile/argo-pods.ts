/**
 * Pods of an Argo Workflow: one template for each shape that steps have, and those that fill the volume and end the run.
 *
 * A shape is all that Argo wants in the template: resources, retries, tolerations, affinity, volumes, and how many
 * artifacts there are (their paths come with the step). The runner's text stands in each template as long as they are
 * few; a document with many shapes holds it once, as a default of all templates (Argo 3.1 and newer: merged into a copy
 * of the template when a step starts, so it is stored nowhere else).
 * Rules: reference/compile-targets.md A.4, A.11, A.12, D.9, I.
 */
import type { Plain } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import { runsInParallel } from "../steps/build.ts";
import runnerText from "../steps/runner.py" with { type: "text" };
import { encodeStep } from "../steps/argument.ts";
import { shortenPython } from "../steps/shorten.ts";
import type { ExitStep, PodShape, PodVariable, RunnerShared, Step, StepPlan } from "../steps/step.ts";
import { encodeJson } from "../steps/transport.ts";
import volumeInitText from "../steps/volume_init.py" with { type: "text" };
import type { Json, JsonObject } from "./emit.ts";

export const INIT = "data-volume-init";
export const EXIT = "on-exit";
export const CLAIM = "{{workflow.name}}-data-volume";

/** A result must never come from the server's cache: it would name a volume that is gone (A.12). */
export const NO_CACHE = { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } };

/** All pod templates of the plan, which of them each step uses, and what they share. */
export interface ArgoPods {
  readonly templates: readonly JsonObject[];
  /** Of `templates`, those that come from the steps and not from kfk. */
  readonly count: number;
  /** Step id → template. */
  readonly templateOf: ReadonlyMap<string, string>;
  /** Arguments of a step's task: what its template takes as inputs. `params`: the runner's third argument. */
  readonly argumentsOf: (step: Step, params: string) => readonly JsonObject[];
  /** `spec.templateDefaults`, where the runner's text stands there. */
  readonly defaults: JsonObject | undefined;
}

/** Errors: STEP_TEXT for settings that a server would expand, STEP_TOO_LARGE for an argument over its limit. */
export function buildPods(plan: StepPlan): ArgoPods {
  const shapes = groupShapes(plan.steps);
  const shapeOf = new Map(shapes.flatMap((shape) => shape.steps.map((step) => [step.id, shape])));
  const isShared = shapes.length + (plan.exit ? 1 : 0) > MAX_COPIES;
  return {
    templates: [
      ...(plan.pods.volume?.init ? [initTemplate(plan)] : []),
      ...shapes.map((shape) => stepTemplate(plan, shape, !isShared)),
      ...(plan.exit ? [exitTemplate(plan, plan.exit, !isShared)] : []),
    ],
    count: shapes.length,
    templateOf: new Map([...shapeOf].map(([id, shape]) => [id, shape.template])),
    argumentsOf: (step, params) => taskArguments(step, params, shapeOf.get(step.id)?.folder ?? ""),
    defaults: isShared
      ? { container: { image: plainText(plan.pods.image ?? "", "image"), command: runnerCommand() } }
      : undefined,
  };
}

/**
 * The runner's third argument: base64 of the step's own parameters, made by Argo when the step starts, so that quotes
 * and dollars in typed values arrive as they are (I.3).
 */
export function parametersArgument(step: Step): string {
  if (step.parameters.length === 0) return "e30="; // {}
  const pairs = step.parameters.map((name) => `"${name}":workflow.parameters.${name}`).join(",");
  return `{{=sprig.b64enc(toJson({${pairs}}))}}`;
}

/** Settings are literal text in the document: refuses what Argo or Kubernetes would expand. */
export function plainText(text: string, key: string): string {
  if (!text.includes("{{") && !/\$[$(]/.test(text)) return text;
  throw new KfkError("STEP_TEXT", `run_config.${key} holds "${text}", which the server would expand`, {
    hint: "write it without {{, $$ and $(",
  });
}

/** Errors: STEP_TOO_LARGE. */
export function tooLarge(what: string, bytes: number, limit: number): KfkError {
  return new KfkError("STEP_TOO_LARGE", `${what} has ${bytes} bytes, and servers take ${limit}`, {
    hint: "compile a part of the pipeline (--tags, --nodes, --namespaces) or shorten its parameters",
  });
}

// --- internal ---

const VOLUME = "data-volume";
const INIT_MOUNT = "/mnt/data-volume";

/** One argument of a process is at most 128 KiB on Linux, and Argo 4.0 swaps longer lists for a file (I.5). */
const MAX_ARGUMENT = 100_000;

/** Copies of the runner's text in one document; about 20 kB each with YAML's indentation. */
const MAX_COPIES = 4;

interface Shape {
  readonly template: string;
  readonly pod: PodShape;
  readonly artifacts: number;
  /** What the paths of all its artifacts begin with, up to a slash. */
  readonly folder: string;
  readonly steps: readonly Step[];
}

function groupShapes(steps: readonly Step[]): Shape[] {
  const groups = new Map<string, [Step, ...Step[]]>();
  for (const step of steps) {
    const { resources, ...rest } = step.pod;
    const key = JSON.stringify([Object.entries(resources).toSorted(), rest, step.artifacts?.length ?? 0]);
    const group = groups.get(key);
    if (group) group.push(step);
    else groups.set(key, [step]);
  }
  return [...groups.values()].map((group, index) => ({
    template: index === 0 ? "step" : `step-${index + 1}`,
    pod: group[0].pod,
    artifacts: group[0].artifacts?.length ?? 0,
    folder: commonFolder(group.flatMap((step) => step.artifacts ?? [])),
    steps: group,
  }));
}

/** `/a/b/` of `/a/b/c` and `/a/b/d/e`. */
function commonFolder(paths: readonly string[]): string {
  let folder = paths[0] ?? "";
  while (!paths.every((path) => path.startsWith(folder) && path !== folder)) folder = folder.replace(/[^/]*\/?$/, "");
  return folder;
}

function taskArguments(step: Step, params: string, folder: string): JsonObject[] {
  return [
    { name: "step", value: checkArgument(encodeStep(step), step.id) },
    { name: "params", value: params },
    ...(step.artifacts ?? []).map((path, index) => ({ name: artifactName(index), value: path.slice(folder.length) })),
  ];
}

/** Put in by the build: `runnerText`, shortened. */
declare const KFK_RUNNER: string | undefined;

let command: readonly string[] | undefined; // shortened once for all templates

function runnerCommand(): readonly string[] {
  command ??= ["python", "-c", typeof KFK_RUNNER === "string" ? KFK_RUNNER : shortenPython(runnerText)];
  return command;
}

/** The runner's first argument. */
function sharedArgument(shared: RunnerShared): string {
  const { follows, runOnly, state } = shared;
  const text = encodeJson(
    new Map<string, Plain>([
      ["kfk", BigInt(shared.kfk)],
      ["pipeline", shared.pipeline],
      ["env", shared.env],
      ["project", shared.project],
      ["store", shared.store],
      ["carried", shared.carried],
      ...(shared.conf === undefined ? [] : [["conf", shared.conf] as const]),
      ["parameters", new Map<string, Plain>(Object.entries(shared.parameters))],
      ...(follows === undefined ? [] : [["follows", new Map<string, Plain>(Object.entries(follows))] as const]),
      ...(runOnly === undefined ? [] : [["runOnly", runOnly] as const]),
      ...(state === undefined
        ? []
        : [
            [
              "state",
              new Map<string, Plain>(
                Object.entries(state).map(([name, [count, digest]]) => [name, [BigInt(count), digest]]),
              ),
            ] as const,
          ]),
    ]),
  );
  return checkArgument(text, "what all steps share");
}

function stepTemplate(plan: StepPlan, shape: Shape, hasRunner: boolean): JsonObject {
  const names = Array.from({ length: shape.artifacts }, (_, index) => artifactName(index));
  const hasVolume = plan.pods.volume !== null;
  return {
    name: shape.template,
    inputs: { parameters: [{ name: "step" }, { name: "params" }, ...names.map((name) => ({ name }))] },
    ...(names.length > 0
      ? {
          outputs: {
            // versions and partitions may be elsewhere: what is not there is no error (D.12)
            artifacts: names.map((name) => ({
              name,
              path: `${shape.folder}{{inputs.parameters.${name}}}`,
              optional: true,
            })),
          },
        }
      : {}),
    ...podFields(plan, shape.pod, hasVolume),
    container: container(plan, shape.pod, hasVolume ? dataMount(plan) : undefined, {
      ...(hasRunner ? { command: runnerCommand() } : {}),
      args: [sharedArgument(plan.shared), "{{inputs.parameters.step}}", "{{inputs.parameters.params}}"],
      env: environment(plan),
    }),
    ...volumes(shape.pod, hasVolume),
  };
}

/** Started by the controller when the run has ended; it may not wait for a volume that it does not need. */
function exitTemplate(plan: StepPlan, exit: ExitStep, hasRunner: boolean): JsonObject {
  return {
    name: EXIT,
    ...podFields(plan, exit.pod, exit.readsVolume),
    container: container(plan, exit.pod, exit.readsVolume ? dataMount(plan) : undefined, {
      ...(hasRunner ? { command: runnerCommand() } : {}),
      args: [
        sharedArgument({
          ...plan.shared,
          pipeline: exit.pipeline,
          ...(exit.readsVolume || plan.pods.volume === null ? {} : { store: null, carried: [] }),
        }),
        checkArgument(encodeStep(exit), exit.id),
        parametersArgument(exit),
        "{{workflow.status}}",
        "{{workflow.failures}}",
      ],
      env: environment(plan),
    }),
    ...volumes(exit.pod, exit.readsVolume),
  };
}

function initTemplate(plan: StepPlan): JsonObject {
  // the copy needs no volumes of the user's
  const { resources, retry, tolerations, affinity } = plan.pods.initPod ?? { resources: {} };
  const pod: PodShape = {
    resources,
    ...(retry ? { retry } : {}),
    ...(tolerations ? { tolerations } : {}),
    ...(affinity ? { affinity } : {}),
  };
  return {
    name: INIT,
    ...podFields(plan, pod, true),
    container: container(
      plan,
      pod,
      { name: VOLUME, mountPath: INIT_MOUNT },
      { command: ["python", "-c", shortenPython(volumeInitText)], args: [`${plan.shared.project}/data`, INIT_MOUNT] },
    ),
    ...volumes(pod, true),
  };
}

/** What stands beside the container. */
function podFields(plan: StepPlan, pod: PodShape, hasVolume: boolean): JsonObject {
  const { maxCacheStaleness } = plan.pods;
  const affinity = buildAffinity(pod, hasVolume && needsNearness(plan));
  const { retry, tolerations = [] } = pod;
  return {
    metadata:
      maxCacheStaleness === undefined
        ? NO_CACHE
        : { annotations: { "pipelines.kubeflow.org/max_cache_staleness": maxCacheStaleness } },
    ...(tolerations.length > 0 ? { tolerations: tolerations.map((item) => literal(item, "tolerations")) } : {}),
    ...(affinity === undefined ? {} : { affinity }),
    ...(retry === undefined
      ? {}
      : {
          retryStrategy: {
            limit: String(retry.limit),
            retryPolicy: "Always",
            ...(retry.duration === null && retry.factor === null
              ? {}
              : {
                  backoff: {
                    ...(retry.duration === null ? {} : { duration: retry.duration }),
                    ...(retry.factor === null ? {} : { factor: String(retry.factor) }),
                  },
                }),
          },
        }),
  };
}

function container(
  plan: StepPlan,
  pod: PodShape,
  dataVolume: { readonly name: string; readonly mountPath: string } | undefined,
  more: JsonObject,
): JsonObject {
  const { pods } = plan;
  const amounts = Object.fromEntries(
    Object.entries(pod.resources).map(([key, value]) => [key, plainText(value, `resources.${key}`)]),
  );
  const owner = pods.volume?.owner ?? null;
  const mounts = [...(dataVolume ? [dataVolume] : []), ...(pod.mounts ?? [])];
  const clash = dataVolume && pod.mounts?.find((mount) => mount.mountPath === dataVolume.mountPath);
  if (clash) throw mountedTwice(clash.mountPath);
  return {
    image: plainText(pods.image ?? "", "image"),
    imagePullPolicy: pods.imagePullPolicy,
    ...more,
    ...(mounts.length > 0
      ? {
          volumeMounts: mounts.map(({ name, mountPath }) => ({
            name,
            mountPath: plainText(mountPath, "extra_volumes.mount_path"),
          })),
        }
      : {}),
    ...(Object.keys(amounts).length > 0 ? { resources: { limits: amounts, requests: amounts } } : {}),
    ...(owner === null ? {} : { securityContext: { runAsUser: owner } }),
  };
}

function environment({ pods }: StepPlan): JsonObject[] {
  return [
    { name: "KUBEFLOW_RUN_ID", value: "{{workflow.uid}}" },
    ...(pods.env ?? []).map((variable: PodVariable) =>
      "value" in variable
        ? { name: variable.name, value: variable.value }
        : {
            name: variable.name,
            valueFrom: {
              secretKeyRef: { name: plainText(variable.secret, "env"), key: plainText(variable.key, "env") },
            },
          },
    ),
  ];
}

function dataMount(plan: StepPlan): { readonly name: string; readonly mountPath: string } {
  return { name: VOLUME, mountPath: `${plan.shared.project}/data` };
}

function volumes(pod: PodShape, hasVolume: boolean): JsonObject {
  const list = [
    ...(hasVolume ? [{ name: VOLUME, persistentVolumeClaim: { claimName: CLAIM } }] : []),
    ...(pod.volumes ?? []).map((volume) => literal(volume, "extra_volumes")),
  ];
  return list.length > 0 ? { volumes: list } : {};
}

function artifactName(index: number): string {
  return index === 0 ? "output" : `output-${index + 1}`;
}

/**
 * A volume that one machine at a time may mount holds pods that run together on one machine (D.9); without this the
 * second pod waits for ever.
 */
function needsNearness(plan: StepPlan): boolean {
  const modes = plan.pods.volume?.accessModes ?? [];
  return plan.pods.volume !== null && !modes.includes("ReadWriteMany") && runsInParallel(plan.steps);
}

function buildAffinity(pod: PodShape, isNear: boolean): JsonObject | undefined {
  const own = pod.affinity === undefined ? undefined : literal(pod.affinity, "affinity");
  if (!isNear) return own;
  const near = {
    labelSelector: { matchLabels: { "workflows.argoproj.io/workflow": "{{workflow.name}}" } },
    topologyKey: "kubernetes.io/hostname",
  };
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const podAffinity = (own?.["podAffinity"] ?? {}) as JsonObject;
  const given = (podAffinity[required] ?? []) as readonly Json[];
  return { ...own, podAffinity: { ...podAffinity, [required]: [...given, near] } };
}

/** A Kubernetes object of the user's, in which nothing is expanded. */
function literal(value: Readonly<Record<string, unknown>>, key: string): JsonObject {
  const check = (item: unknown): void => {
    if (typeof item === "string") plainText(item, key);
    else if (typeof item === "object" && item !== null) {
      for (const [name, child] of Object.entries(item)) {
        check(name);
        check(child);
      }
    }
  };
  check(value);
  return value as JsonObject;
}

function checkArgument(text: string, owner: string): string {
  if (text.length > MAX_ARGUMENT) throw tooLarge(`the argument of ${owner}`, text.length, MAX_ARGUMENT);
  return text;
}

function mountedTwice(path: string): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `run_config.extra_volumes mounts ${path}, where the volume of the run is`, {
    hint: "mount it elsewhere, or below that folder",
  });
}
