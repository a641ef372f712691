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
import type { Step, StepPlan, VolumePlan } from "../steps/step.ts";
import { encodeJson } from "../steps/transport.ts";
import { buildDags, countPods, dependencies } from "./argo-dag.ts";
import { buildPods, CLAIM, EXIT, INIT, NO_CACHE, plainText, tooLarge } from "./argo-pods.ts";
import { emitYaml, type JsonObject, MAX_DOCUMENT } from "./emit.ts";
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
  const podTemplates = buildPods(plan);
  const dags = buildDags(plan, podTemplates, volumeTasks(pods.volume));
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
        ...(pods.volume ? [claimTemplate(pods.volume)] : []),
        ...dags.parts,
        ...podTemplates.templates,
      ],
      ...(podTemplates.defaults ? { templateDefaults: podTemplates.defaults } : {}),
      ...(plan.parameters.length > 0
        ? { arguments: { parameters: plan.parameters.map(({ name, text }) => ({ name, value: text })) } }
        : {}),
      serviceAccountName: plainText(pods.serviceAccount ?? "pipeline-runner", "service_account"),
      ...(pods.imagePullSecrets?.length
        ? { imagePullSecrets: pods.imagePullSecrets.map((name) => ({ name: plainText(name, "image_pull_secrets") })) }
        : {}),
      ...(pods.nodeSelector && Object.keys(pods.nodeSelector).length > 0
        ? { nodeSelector: plainLabels(pods.nodeSelector) }
        : {}),
      ...(pods.ttlSeconds === null ? {} : { ttlStrategy: { secondsAfterCompletion: pods.ttlSeconds } }),
      ...(plan.exit ? { onExit: EXIT } : {}),
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

/** Tasks that come before every step, one after the other. */
function volumeTasks(volume: VolumePlan | null): JsonObject[] {
  if (volume === null) return [];
  return [
    { name: CREATE, template: CREATE },
    ...(volume.init ? [{ name: INIT, template: INIT, ...dependencies([CREATE]) }] : []),
  ];
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

function plainLabels(labels: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [plainText(key, "node_selector"), plainText(value, "node_selector")]),
  );
}

function noImage(): KfkError {
  return new KfkError("STEP_IMAGE", "no image: steps on a cluster run in a container image that holds the project", {
    hint: "set run_config.image in conf/base/kubeflow.yaml, or use --image NAME:TAG",
  });
}
