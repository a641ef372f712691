/**
 * Plan of a run → one Argo Workflow document, as KFP servers from 1.7 on take it.
 *
 * Shape: an entry DAG with one task for each step (many steps: parts, DAGs of their own, `argo-dag.ts`), one pod
 * template for each pod shape (all steps of a shape share it), and, with a volume, a claim and its first filling. A step
 * differs from its neighbours by two arguments only: what to run, and its parameters. Refuses text that some server on
 * the way would change.
 * Rules: reference/compile-targets.md A, D, H, I; Argo 3.1 to 4.1.
 */
import type { Plain } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import { encodeStep } from "../steps/argument.ts";
import { runsInParallel } from "../steps/build.ts";
import runnerText from "../steps/runner.py" with { type: "text" };
import type { RunnerShared, Step, StepPlan, VolumePlan } from "../steps/step.ts";
import { encodeJson } from "../steps/transport.ts";
import volumeInitText from "../steps/volume_init.py" with { type: "text" };
import { buildDags, countPods, dependencies } from "./argo-dag.ts";
import { emitYaml, type JsonObject } from "./emit.ts";
import { workflowBase } from "./names.ts";
import type { Nesting } from "./nest.ts";

/** A document and what is told of it. */
export interface ArgoDocument {
  readonly text: string;
  /** Pods that a run makes when every step runs once. */
  readonly pods: number;
  readonly nesting: Nesting<Step>;
}

/** Compiles the plan to the text alone, see `compileArgoDocument`. */
export function compileArgo(plan: StepPlan): string {
  return compileArgoDocument(plan).text;
}

/**
 * Compiles the plan. Same plan, same document.
 *
 * Errors: STEP_IMAGE without an image, STEP_TEXT for settings that a server would expand, STEP_TOO_LARGE for a
 * document or an argument over its limit.
 */
export function compileArgoDocument(plan: StepPlan): ArgoDocument {
  const { pods } = plan;
  if (pods.image === null) throw noImage();
  const shapes = groupShapes(plan.steps);
  const pod = { count: shapes.length, templateOf: templatesOf(shapes), argumentsOf: taskArguments };
  const dags = buildDags(plan, pod, volumeTasks(pods.volume));
  const document = {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Workflow",
    metadata: {
      generateName: `${workflowBase(plan.name)}-`,
      annotations: {
        "pipelines.kubeflow.org/pipeline_spec": encodeJson(
          new Map<string, Plain>([
            ["name", plan.name],
            ...(plan.description === null ? [] : [["description", plan.description] as const]),
            [
              "inputs",
              plan.parameters.map(
                ({ name, text }) =>
                  new Map<string, Plain>([
                    ["name", name],
                    ["default", text],
                    ["optional", true],
                  ]),
              ),
            ],
          ]),
        ),
      },
    },
    spec: {
      entrypoint: dags.entry.name,
      templates: [
        dags.entry,
        ...(pods.volume ? [claimTemplate(pods.volume), ...(pods.volume.init ? [initTemplate(plan)] : [])] : []),
        ...dags.parts,
        ...shapes.map((shape) => stepTemplate(plan, shape)),
      ],
      ...(plan.parameters.length > 0
        ? { arguments: { parameters: plan.parameters.map(({ name, text }) => ({ name, value: text })) } }
        : {}),
      serviceAccountName: pods.serviceAccount ?? "pipeline-runner",
      ...(pods.ttlSeconds === null ? {} : { ttlStrategy: { secondsAfterCompletion: pods.ttlSeconds } }),
    },
  };
  const text = emitYaml(document);
  // what the server stores is JSON, and that may be the longer one
  const bytes = Math.max(text.length, JSON.stringify(document).length);
  if (bytes > MAX_DOCUMENT) throw tooLarge("the document", bytes, MAX_DOCUMENT);
  return { text, pods: countPods(document.spec), nesting: dags.nesting };
}

// --- internal ---

const CREATE = "data-volume-create";
const INIT = "data-volume-init";
const VOLUME = "data-volume";
const CLAIM = "{{workflow.name}}-data-volume";
const INIT_MOUNT = "/mnt/data-volume";

/** etcd takes 1.5 MiB, Argo 1 MiB with its status; below this servers never complain (reference/kfp-api.md 7.4). */
const MAX_DOCUMENT = 1_000_000;

/** One argument of a process is at most 128 KiB on Linux, and Argo 4.0 swaps longer lists for a file (I.5). */
const MAX_ARGUMENT = 100_000;

/** A result must never come from the server's cache: it would name a volume that is gone (A.12). */
const NO_CACHE = { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } };

interface Shape {
  readonly template: string;
  readonly resources: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

function groupShapes(steps: readonly Step[]): Shape[] {
  const groups = new Map<string, Step[]>();
  for (const step of steps) {
    const key = JSON.stringify(Object.entries(step.pod.resources).toSorted());
    const group = groups.get(key);
    if (group) group.push(step);
    else groups.set(key, [step]);
  }
  return [...groups.values()].map((group, index) => ({
    template: index === 0 ? "step" : `step-${index + 1}`,
    resources: (group[0] as Step).pod.resources,
    steps: group,
  }));
}

/** Tasks that come before every step, one after the other. */
function volumeTasks(volume: VolumePlan | null): JsonObject[] {
  if (volume === null) return [];
  return [
    { name: CREATE, template: CREATE },
    ...(volume.init ? [{ name: INIT, template: INIT, ...dependencies([CREATE]) }] : []),
  ];
}

/** What a step's template takes as inputs. */
function taskArguments(step: Step): JsonObject[] {
  return [
    { name: "step", value: checkArgument(encodeStep(step), step.id) },
    { name: "params", value: parametersArgument(step) },
  ];
}

/** Step id → name of its template. */
function templatesOf(shapes: readonly Shape[]): Map<string, string> {
  return new Map(shapes.flatMap((shape) => shape.steps.map((step) => [step.id, shape.template] as const)));
}

/**
 * The runner's third argument: base64 of the step's own parameters, made by Argo when the step starts, so that quotes
 * and dollars in typed values arrive as they are (I.3).
 */
function parametersArgument(step: Step): string {
  if (step.parameters.length === 0) return "e30="; // {}
  const pairs = step.parameters.map((name) => `"${name}":workflow.parameters.${name}`).join(",");
  return `{{=sprig.b64enc(toJson({${pairs}}))}}`;
}

/** The runner's first argument. */
function sharedArgument(shared: RunnerShared): string {
  return encodeJson(
    new Map<string, Plain>([
      ["kfk", BigInt(shared.kfk)],
      ["pipeline", shared.pipeline],
      ["env", shared.env],
      ["project", shared.project],
      ["store", shared.store],
      ["carried", shared.carried],
      ["parameters", new Map<string, Plain>(Object.entries(shared.parameters))],
    ]),
  );
}

function stepTemplate(plan: StepPlan, shape: Shape): JsonObject {
  const { volume } = plan.pods;
  const mount = { name: VOLUME, mountPath: `${plan.shared.project}/data` };
  return {
    name: shape.template,
    inputs: { parameters: [{ name: "step" }, { name: "params" }] },
    metadata: NO_CACHE,
    ...nearVolume(plan),
    container: container(plan, shape.resources, {
      command: ["python", "-c", runnerText],
      args: [
        checkArgument(sharedArgument(plan.shared), "what all steps share"),
        "{{inputs.parameters.step}}",
        "{{inputs.parameters.params}}",
      ],
      env: [{ name: "KUBEFLOW_RUN_ID", value: "{{workflow.uid}}" }],
      ...(volume ? { volumeMounts: [mount] } : {}),
    }),
    ...(volume ? { volumes: [claimVolume()] } : {}),
  };
}

function claimTemplate(volume: VolumePlan): JsonObject {
  return {
    name: CREATE,
    metadata: NO_CACHE,
    resource: {
      action: "create",
      ...(volume.keep ? {} : { setOwnerReference: true }),
      manifest: emitYaml({
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: CLAIM },
        spec: {
          accessModes: [...volume.accessModes],
          ...(volume.storageClass === null ? {} : { storageClassName: plainText(volume.storageClass, "storageclass") }),
          resources: { requests: { storage: volume.size } },
        },
      }),
    },
  };
}

function initTemplate(plan: StepPlan): JsonObject {
  return {
    name: INIT,
    metadata: NO_CACHE,
    ...nearVolume(plan),
    container: container(
      plan,
      {},
      {
        command: ["python", "-c", volumeInitText],
        args: [`${plan.shared.project}/data`, INIT_MOUNT],
        volumeMounts: [{ name: VOLUME, mountPath: INIT_MOUNT }],
      },
    ),
    volumes: [claimVolume()],
  };
}

function claimVolume(): JsonObject {
  return { name: VOLUME, persistentVolumeClaim: { claimName: CLAIM } };
}

function container(plan: StepPlan, resources: Readonly<Record<string, string>>, more: JsonObject): JsonObject {
  const { pods } = plan;
  const amounts = Object.fromEntries(
    Object.entries(resources).map(([key, value]) => [key, plainText(value, `resources.${key}`)]),
  );
  const owner = pods.volume?.owner ?? null;
  return {
    image: plainText(pods.image ?? "", "image"),
    imagePullPolicy: pods.imagePullPolicy,
    ...more,
    ...(Object.keys(amounts).length > 0 ? { resources: { limits: amounts, requests: amounts } } : {}),
    ...(owner === null ? {} : { securityContext: { runAsUser: owner } }),
  };
}

/**
 * A volume that one machine at a time may mount holds pods that run together on one machine (D.9); without this the
 * second pod waits for ever.
 */
function nearVolume(plan: StepPlan): JsonObject {
  const { volume } = plan.pods;
  if (volume === null || !runsInParallel(plan.steps)) return {};
  if (volume.accessModes.some((mode) => mode === "ReadWriteMany")) return {};
  return {
    affinity: {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            labelSelector: { matchLabels: { "workflows.argoproj.io/workflow": "{{workflow.name}}" } },
            topologyKey: "kubernetes.io/hostname",
          },
        ],
      },
    },
  };
}

/** Settings are literal text in the document: refuse what Argo or Kubernetes would expand. */
function plainText(text: string, key: string): string {
  if (!text.includes("{{") && !/\$[$(]/.test(text)) return text;
  throw new KfkError("STEP_TEXT", `run_config.${key} holds "${text}", which the server would expand`, {
    hint: "write it without {{, $$ and $(",
  });
}

function checkArgument(text: string, owner: string): string {
  if (text.length > MAX_ARGUMENT) throw tooLarge(`the argument of ${owner}`, text.length, MAX_ARGUMENT);
  return text;
}

function tooLarge(what: string, bytes: number, limit: number): KfkError {
  return new KfkError("STEP_TOO_LARGE", `${what} has ${bytes} bytes, and servers take ${limit}`, {
    hint: "compile a part of the pipeline (--tags, --nodes, --namespaces) or shorten its parameters",
  });
}

function noImage(): KfkError {
  return new KfkError("STEP_IMAGE", "no image: steps on a cluster run in a container image that holds the project", {
    hint: "set run_config.image in conf/base/kubeflow.yaml, or use --image NAME:TAG",
  });
}
