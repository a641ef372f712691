/**
 * Steps: what runs as one process, in one pod or on this machine, and in which order. Comes in from `build.ts`; goes
 * out to `compile/` and `local/`, which both run the same runner (`runner.py`) with the same three arguments.
 */
import type { KubernetesObject } from "../config/kubeflow.ts";
import type { Plain } from "../config/plain.ts";
import type { Warning } from "../error.ts";
import type { Node } from "../pipeline/model.ts";

/** A whole run: everything a back end needs, and nothing it may look up elsewhere. */
export interface StepPlan {
  /** Name of the pipeline on the server, before it is made legal for anything. */
  readonly name: string;
  readonly project: string;
  readonly pipeline: string;
  /** Run environment the steps are started with. */
  readonly env: string;
  readonly description: string | null;
  /** In an order in which each step comes after all it depends on. */
  readonly steps: readonly Step[];
  /** Every pipeline parameter, in the order of Kedro's parameters. */
  readonly parameters: readonly StepParameter[];
  /** What is the same for every step of the run; the runner's first argument. */
  readonly shared: RunnerShared;
  readonly pods: PodDefaults;
  /** What runs when the run ends, however it ends; absent: nothing. */
  readonly exit?: ExitStep;
  readonly warnings: readonly Warning[];
}

/** The last step of a run: another pipeline, which reads `params:status` and `params:failures`. */
export interface ExitStep extends Step {
  readonly pipeline: string;
  /** True: it reads what other steps left on the volume. */
  readonly readsVolume: boolean;
}

/** One process that runs one or more Kedro nodes. */
export interface Step {
  /** Unique and legal everywhere: `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63 characters. */
  readonly id: string;
  /** Kedro's nodes, in run order; at least one. */
  readonly nodes: readonly Node[];
  /** Ids of the steps whose results it needs, sorted. */
  readonly needs: readonly string[];
  /** Names of the pipeline parameters (`StepParameter.name`) it uses, in the plan's order. */
  readonly parameters: readonly string[];
  readonly pod: PodShape;
  /** Files and folders in the pod that are also kept as artifacts of the server; absent: none. */
  readonly artifacts?: readonly string[];
}

/** A top-level Kedro parameter as a pipeline parameter. */
export interface StepParameter {
  /** Name on the server: an identifier, not `json`. */
  readonly name: string;
  /** Kedro's top-level key. */
  readonly key: string;
  readonly value: Plain;
  /** How text is turned back into a value (`transport.ts`). */
  readonly tag: ParameterTag;
  /** What the server shows and stores: the value encoded. */
  readonly text: string;
}

/**
 * How the text of a parameter is read (reference/compile-targets.md I.4, tested on pods):
 * `s` the text as it is; `q` JSON when it starts with a quote mark, else the text; `j` JSON; `n` JSON when it parses,
 * else the text.
 */
export type ParameterTag = "s" | "q" | "j" | "n";

/** The runner's first argument, as JSON. Short keys: it is in every template. */
export interface RunnerShared {
  readonly kfk: 1;
  /** Registry name of the pipeline. */
  readonly pipeline: string;
  readonly env: string;
  /** Folder of the project where the step runs. */
  readonly project: string;
  /** Folder or URL for datasets that cross a step border in memory; null: nothing crosses. */
  readonly store: string | null;
  /** Datasets that are kept in `store`, sorted. */
  readonly carried: readonly string[];
  /** Folder of the configuration, absolute or from the project's; absent: what the project's settings say. */
  readonly conf?: string;
  /**
   * Server name → [Kedro key, tag, digest] of every pipeline parameter; the digest of the text that conf gives it only
   * where something else changes with it.
   */
  readonly parameters: Readonly<
    Record<string, readonly [string, ParameterTag] | readonly [string, ParameterTag, string]>
  >;
  /** Kedro key → the keys that its value follows from; absent: none. */
  readonly follows?: Readonly<Record<string, readonly string[]>>;
  /** Registered pipeline → how many nodes it has and a digest of them (`stateOf`); absent: hooks may have changed them. */
  readonly state?: Readonly<Record<string, readonly [number, string]>>;
  /** Keys that are no parameters, only run parameters; absent: none. */
  readonly runOnly?: readonly string[];
}

/** The runner's second argument, as JSON: the nodes to run, and what the graph says of them. */
export interface RunnerStep {
  /** Step id, for messages; absent where the step is called like its only node. */
  readonly step?: string;
  /**
   * [name, inputs, outputs] of each node in run order, [name] where Kedro has made the name of the others; absent when
   * they are packed.
   */
  readonly nodes?: readonly (readonly [string] | readonly [string, readonly string[], readonly string[]])[];
  /** base64 of the zlib-compressed JSON of `nodes`, for steps of very many nodes. */
  readonly packed?: string;
}

/** Pod settings of a step; steps with the same shape share a template. */
export interface PodShape {
  /** Quantities as text, requests and limits alike. */
  readonly resources: Readonly<Record<string, string>>;
  readonly retry?: RetryPlan;
  /** Kubernetes' own objects, as are the next two. */
  readonly tolerations?: readonly KubernetesObject[];
  readonly affinity?: KubernetesObject;
  readonly volumes?: readonly KubernetesObject[];
  readonly mounts?: readonly VolumeMount[];
}

/** How often a failed pod is started again. */
export interface RetryPlan {
  /** At least 1. */
  readonly limit: number;
  /** Argo's text: `60s`, `5m`, bare seconds; null: at once. */
  readonly duration: string | null;
  readonly factor: number | null;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
}

/** A variable of every pod. */
export type PodVariable =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly secret: string; readonly key: string };

/** Settings that hold for every pod of the run, null where the run has no pods. */
export interface PodDefaults {
  readonly image: string | null;
  readonly imagePullPolicy: string;
  readonly ttlSeconds: number | null;
  readonly volume: VolumePlan | null;
  readonly serviceAccount: string | null;
  readonly env?: readonly PodVariable[];
  /** Names of secrets for the registry. */
  readonly imagePullSecrets?: readonly string[];
  /** Labels of the machines that any pod of the run may use. */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** ISO 8601: how old a result of the server's cache may be; absent: nothing is taken from the cache. */
  readonly maxCacheStaleness?: string;
  /** The pod that fills the volume. */
  readonly initPod?: PodShape;
  /** Pods in the project's image that run no nodes, such as those of MLflow. */
  readonly extraPod?: PodShape;
}

/** The claim that is made for each run and mounted at `<project>/data`. */
export interface VolumePlan {
  /** null: the cluster's default class. */
  readonly storageClass: string | null;
  readonly size: string;
  readonly accessModes: readonly string[];
  /** Copies the image's data folder to the volume before the first step. */
  readonly init: boolean;
  /** User id that every step runs as, null: the image's own. */
  readonly owner: number | null;
  /** True: the claim stays when the workflow goes. */
  readonly keep: boolean;
}
