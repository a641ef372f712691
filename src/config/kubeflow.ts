/**
 * kubeflow.yaml as a typed record: every key of the predecessor and kfk's own, defaults filled in, and where each
 * value was set.
 *
 * Comes in: the merged, resolved tree. Refused, all problems in one error: unknown keys (with a suggestion) and values
 * of a wrong type (with what is wanted).
 * Source: kedro-kubeflow 0.3.0 to 0.11.0 `config.py`; design of kfk, kubeflow.yaml.
 */
import * as v from "valibot";
import { kubeflowSchema, type KubeflowFile } from "../../schemas/kubeflow.ts";
import { KfkError, suggest, type Note, type Place, type Warning } from "../error.ts";
import { findDisagreements, type Disagreement } from "./agreement.ts";
import { toKubernetes } from "./kubernetes.ts";
import type { PlainKey } from "./plain.ts";
import { pythonRepr, pythonStr } from "./python-text.ts";
import { adopt, findOpaque, placeOf, type ConfigNode, type MapNode, type Spot } from "./tree.ts";

type RunConfig = NonNullable<KubeflowFile["run_config"]>;
type PerStep<T> = ReadonlyMap<string, T>;

export interface KubeflowConfig {
  readonly host: string | null;
  readonly target: "argo" | "kfp";
  readonly kfpVersion: string | null;
  readonly from: string | null;
  readonly hooks: readonly string[];
  readonly auth: unknown;
  /** Files, relative to the project's root, for `host` alone. */
  readonly tls: NonNullable<KubeflowFile["tls"]> | null;
  readonly ui: string | null;
  readonly mlflowMode: "kedro" | "kfp" | "off" | null;
  /** OAuth client of the Identity-Aware Proxy in front of MLflow. */
  readonly mlflowIapClientId: string | null;
  readonly run: KubeflowRun;
  /** Where a key was set, by its path (`["run_config", "image"]`); undefined where the default holds. */
  readonly placeOf: (path: readonly string[]) => Place | undefined;
  /** Keys that are taken and change nothing. */
  readonly warnings: readonly Warning[];
}

/** A part of a Kubernetes object as JSON. */
export type KubernetesObject = Readonly<Record<string, unknown>>;

/** `run_config`. */
export interface KubeflowRun {
  readonly image: string | null;
  readonly imagePullPolicy: string;
  readonly experimentName: string | null;
  readonly runName: string | null;
  /** Falls back to the run name. */
  readonly scheduledRunName: string | null;
  readonly description: string | null;
  readonly waitForCompletion: boolean;
  /** Seconds that a finished workflow is kept. */
  readonly ttlSeconds: number;
  /** null: no volume. */
  readonly volume: KubeflowVolume | null;
  /** Amounts as text, by step and resource; `__default__` is every step and always there; null takes an amount away. */
  readonly resources: PerStep<Readonly<Record<string, string | null>>>;
  readonly retryPolicy: PerStep<KubeflowRetry>;
  readonly tolerations: PerStep<readonly KubernetesObject[]>;
  /** Kubernetes' Affinity; no key where it is empty. */
  readonly affinity: PerStep<KubernetesObject>;
  readonly extraVolumes: PerStep<readonly KubeflowExtraVolume[]>;
  readonly maxCacheStaleness: string | null;
  readonly storeOutputsAsArtifacts: boolean;
  readonly onExitPipeline: string | null;
  readonly pipelineName: string | null;
  /** Folder of the project in the image. */
  readonly projectDir: string;
  readonly merge: "none" | "full" | "namespace" | "tag" | "memory";
  readonly env: readonly KubeflowEnv[];
  /** URL of the folder for data that crosses a step border, instead of a volume. */
  readonly datasets: string | null;
  readonly serviceAccount: string | null;
  readonly imagePullSecrets: readonly string[];
  readonly nodeSelector: Readonly<Record<string, string>>;
}

export interface KubeflowVolume {
  readonly storageClass: string | null;
  readonly size: string;
  readonly accessModes: readonly string[];
  readonly skipInit: boolean;
  /** User id of the steps; null: the image's own. */
  readonly owner: number | null;
  readonly keep: boolean;
}

export interface KubeflowRetry {
  /** null: what `__default__` says. */
  readonly retries: number | null;
  readonly backoffDuration: string | null;
  readonly backoffFactor: number | null;
}

export interface KubeflowExtraVolume {
  readonly mountPath: string;
  /** Kubernetes' Volume: `name` as written, and one source. */
  readonly volume: KubernetesObject;
}

/** A variable for every step: taken from the environment of the person who compiles, given, or from a secret. */
export type KubeflowEnv =
  | { readonly name: string; readonly from: "environment" }
  | { readonly name: string; readonly from: "value"; readonly value: string }
  | { readonly name: string; readonly from: "secret"; readonly secret: string; readonly key: string };

/** A week. */
const DEFAULT_TTL_SECONDS = 604_800;
/** What every step gets when the file has no `__default__` (kedro-kubeflow since 0.4). */
const DEFAULT_RESOURCES: Readonly<Record<string, string>> = { cpu: "500m", memory: "1024Mi" };
const EVERY_STEP = "__default__";

/** The record of a file. Errors: CONFIG_KUBEFLOW naming every problem. */
export function buildKubeflow(written: MapNode): KubeflowConfig {
  const tree = rewriteKubernetes(written);
  const opaque = findOpaque(tree);
  if (opaque) throw opaqueValue(opaque.path.map(pythonStr).join("."), opaque.node.reason, opaque.node);
  const templates = templateKeys(tree, []);
  if (templates.length > 0) throw manyProblems(templates);
  const problems = unknownKeys(kubeflowSchema, tree, []);
  const parsed = v.safeParse(kubeflowSchema, toObject(tree));
  if (!parsed.success) {
    const typos = new Set(problems.map((problem) => problem.meant));
    const wrong = parsed.issues.flatMap((issue) => wrongType(issue, tree));
    problems.push(...wrong.filter(({ missing }) => missing === undefined || !typos.has(missing)));
  }
  if (problems.length > 0 || !parsed.success) throw manyProblems(problems);
  const file = parsed.output;
  const together = findDisagreements(file);
  const refused = together.filter(({ isHarmless }) => isHarmless !== true);
  if (refused.length > 0) throw manyProblems(refused.map((each) => disagreement(each, tree)));
  return {
    host: file.host ?? null,
    target: file.target ?? "argo",
    kfpVersion: file.kfp_version ?? null,
    from: file.from ?? null,
    hooks: file.hooks ?? [],
    auth: file.auth ?? null,
    tls: file.tls ?? null,
    ui: file.ui ?? null,
    mlflowMode: file.mlflow?.mode ?? null,
    mlflowIapClientId: file.mlflow?.auth?.iap_client_id ?? null,
    run: buildRun(file.run_config ?? {}),
    placeOf: (path) => placeAt(tree, path),
    warnings: [...withoutEffect(tree), ...together.map((each) => told(each, tree))],
  };
}

// --- internal ---

function buildRun(file: RunConfig): KubeflowRun {
  const runName = file.run_name ?? null;
  return {
    image: file.image || null,
    imagePullPolicy: file.image_pull_policy ?? "IfNotPresent",
    experimentName: file.experiment_name ?? null,
    runName,
    scheduledRunName: file.scheduled_run_name ?? runName,
    description: file.description || null,
    waitForCompletion: file.wait_for_completion ?? false,
    ttlSeconds: file.ttl ?? DEFAULT_TTL_SECONDS,
    volume: file.volume ? buildVolume(file.volume) : null,
    resources: new Map<string, Readonly<Record<string, string | null>>>([
      [EVERY_STEP, DEFAULT_RESOURCES],
      ...perStep(file.resources, (value) => value ?? {}),
    ]),
    retryPolicy: perStep(file.retry_policy, (value) => ({
      retries: value === null ? 0 : (value.num_retries ?? null),
      backoffDuration: value?.backoff_duration ?? null,
      backoffFactor: value?.backoff_factor ?? null,
    })),
    tolerations: perStep(file.tolerations, (list) =>
      (list ?? []).map(({ toleration_seconds: seconds, ...value }) =>
        toJson({
          ...value,
          operator: value.operator || null,
          effect: value.effect || null,
          tolerationSeconds: value.tolerationSeconds ?? seconds,
        }),
      ),
    ),
    // a step without a value has that of all steps, as before
    affinity: perStep(withoutNulls(file.affinity), toJson),
    extraVolumes: perStep(file.extra_volumes, (list) =>
      (list ?? []).map((value) => ({ mountPath: value.mount_path, volume: toJson(value.volume) })),
    ),
    maxCacheStaleness: file.max_cache_staleness || null,
    storeOutputsAsArtifacts: file.store_kedro_outputs_as_kfp_artifacts ?? true,
    onExitPipeline: file.on_exit_pipeline ?? null,
    pipelineName: file.pipeline_name ?? null,
    projectDir: file.project_dir ?? "/home/kedro",
    merge: file.merge ?? file.node_merge_strategy ?? "none",
    env: (file.env ?? []).map(buildEnv),
    datasets: file.datasets ?? null,
    serviceAccount: file.service_account ?? null,
    imagePullSecrets: file.image_pull_secrets ?? [],
    nodeSelector: file.node_selector ?? {},
  };
}

function buildVolume(volume: NonNullable<RunConfig["volume"]>): KubeflowVolume {
  return {
    storageClass: volume.storageclass ?? null,
    size: volume.size ?? "1Gi",
    accessModes: volume.access_modes ?? ["ReadWriteOnce"],
    skipInit: volume.skip_init ?? false,
    owner: volume.owner === undefined ? 0 : volume.owner,
    keep: volume.keep ?? false,
  };
}

function buildEnv(entry: NonNullable<RunConfig["env"]>[number]): KubeflowEnv {
  if (typeof entry === "string") return { name: entry, from: "environment" };
  if ("value" in entry) return { name: entry.name, from: "value", value: entry.value };
  return { name: entry.name, from: "secret", secret: entry.secret.name, key: entry.secret.key };
}

function perStep<T, U>(file: Readonly<Record<string, T>> | null | undefined, build: (value: T) => U): PerStep<U> {
  return new Map(Object.entries(file ?? {}).map(([step, value]) => [step, build(value)]));
}

function withoutNulls<T>(file: Readonly<Record<string, T | null>> | null | undefined): Record<string, T> {
  const entries = Object.entries(file ?? {}).filter((entry): entry is [string, T] => entry[1] !== null);
  return Object.fromEntries(entries);
}

/** JSON of an object that passed its schema: no empty keys, and ints as numbers. */
function toJson(value: Readonly<Record<string, unknown>>): KubernetesObject {
  const plain = (item: unknown): unknown => {
    if (typeof item === "bigint") return Number(item);
    if (Array.isArray(item)) return item.map(plain);
    return typeof item === "object" && item !== null ? toJson(item as Readonly<Record<string, unknown>>) : item;
  };
  const entries = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]));
}

/** Affinity and extra volumes in Kubernetes' own spelling. */
function rewriteKubernetes(tree: MapNode): MapNode {
  const run = tree.entries.get("run_config");
  if (run?.kind !== "map") return tree;
  const perName = (node: ConfigNode, change: (child: ConfigNode) => ConfigNode): ConfigNode =>
    node.kind === "map"
      ? adopt({ ...node, entries: new Map([...node.entries].map(([key, child]) => [key, change(child)] as const)) })
      : node;
  const volumes = (list: ConfigNode): ConfigNode =>
    list.kind === "list"
      ? adopt({
          ...list,
          items: list.items.map((item) =>
            item.kind === "map"
              ? adopt({
                  ...item,
                  entries: new Map(
                    [...item.entries].map(([key, child]) =>
                      key === "volume" ? ([key, toKubernetes(child)] as const) : ([key, child] as const),
                    ),
                  ),
                })
              : item,
          ),
        })
      : list;
  const entries = [...run.entries].map(([key, child]) => {
    if (key === "affinity") return [key, perName(child, toKubernetes)] as const;
    return key === "extra_volumes" ? ([key, perName(child, volumes)] as const) : ([key, child] as const);
  });
  return adopt({
    ...tree,
    entries: new Map([...tree.entries, ["run_config", adopt({ ...run, entries: new Map(entries) })] as const]),
  });
}

/** Keys of the predecessor's years with Vertex AI. */
const VERTEX_KEYS: readonly (readonly string[])[] = [
  ["project_id"],
  ["region"],
  ["run_config", "root"],
  ["run_config", "vertex_ai_networking"],
];

function isWithoutEffect(path: readonly string[]): boolean {
  return VERTEX_KEYS.some((known) => known.join(".") === path.join("."));
}

function withoutEffect(tree: MapNode): Warning[] {
  return VERTEX_KEYS.filter((path) => nodeAt(tree, path) !== undefined).map((path) => ({
    message: `"${path.join(".")}" has no effect: it was for Vertex AI`,
    at: placeAt(tree, path),
    hint: "remove it",
  }));
}

function placeAt(tree: MapNode, path: readonly string[]): Place | undefined {
  const node = nodeAt(tree, path);
  return node && placeOf(node.keyAt ?? node.at);
}

/** The tree as JavaScript's own values; a key that is no text becomes its text. */
function toObject(node: ConfigNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toObject);
  if (node.kind === "opaque") return undefined;
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, child] of node.entries) object[pythonStr(key)] = toObject(child);
  return { ...object };
}

function nodeAt(node: ConfigNode, path: readonly string[]): ConfigNode | undefined {
  let found: ConfigNode | undefined = node;
  for (const name of path) {
    if (found?.kind === "map") {
      const key: PlainKey | undefined = [...found.entries.keys()].find((known) => pythonStr(known) === name);
      found = key === undefined ? undefined : found.entries.get(key);
    } else if (found?.kind === "list") found = found.items[Number(name)];
    else return undefined;
  }
  return found;
}

function disagreement({ path, message, hint }: Disagreement, tree: MapNode): Problem {
  const node = nodeAt(tree, path);
  return { message, node, spot: node?.at, hint };
}

function told({ path, message, hint }: Disagreement, tree: MapNode): Warning {
  return { message, at: placeAt(tree, path), hint };
}

interface Problem {
  readonly message: string;
  readonly node: ConfigNode | undefined;
  readonly spot: Spot | undefined;
  readonly hint: string | undefined;
  /** Path of the key that was probably meant, and of the one that is not there. */
  readonly meant?: string;
  readonly missing?: string;
}

/** Keys with `${…}` in them: OmegaConf resolves values alone, so such a key would be no step's, in silence. */
function templateKeys(node: ConfigNode, path: readonly string[]): Problem[] {
  if (node.kind === "list") return node.items.flatMap((item, index) => templateKeys(item, [...path, String(index)]));
  if (node.kind !== "map") return [];
  return [...node.entries].flatMap(([key, child]) => {
    const name = pythonStr(key);
    const below = templateKeys(child, [...path, name]);
    return name.includes("${") ? [templateKey(name, path, child), ...below] : below;
  });
}

function templateKey(name: string, path: readonly string[], node: ConfigNode): Problem {
  const where = path.length === 0 ? "at the top of the file" : `of "${path.join(".")}"`;
  return {
    message: `the key "${name}" ${where} is not resolved: \${…} holds in values alone`,
    node,
    spot: node.keyAt ?? node.at,
    hint: "write the key out; for a choice by environment, put the file's variants into conf/<env>/kubeflow.yaml",
  };
}

/** Every unknown key of the tree; the schema itself stops at the first of a mapping. */
function unknownKeys(schema: unknown, node: ConfigNode, path: readonly string[]): Problem[] {
  const form = unwrap(schema);
  if (form.type === "array" && node.kind === "list") {
    return node.items.flatMap((item, index) => unknownKeys(form.item, item, [...path, String(index)]));
  }
  if (node.kind !== "map") return [];
  if (form.type === "record") {
    return [...node.entries].flatMap(([key, child]) => unknownKeys(form.value, child, [...path, pythonStr(key)]));
  }
  if (form.type !== "strict_object" || form.entries === undefined) return [];
  const { entries } = form;
  return [...node.entries].flatMap(([key, child]) => {
    const name = pythonStr(key);
    if (Object.hasOwn(entries, name)) return unknownKeys(entries[name], child, [...path, name]);
    const known = Object.keys(entries).filter((each) => !isWithoutEffect([...path, each]));
    return [unknownKey(name, [...path, name], child, known)];
  });
}

interface SchemaForm {
  readonly type: string;
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly item?: unknown;
  readonly value?: unknown;
  readonly wrapped?: unknown;
}

function unwrap(schema: unknown): SchemaForm {
  let form = schema as SchemaForm;
  while (form.wrapped !== undefined) form = form.wrapped as SchemaForm;
  return form;
}

function unknownKey(name: string, path: readonly string[], node: ConfigNode, known: readonly string[]): Problem {
  const near = name === "namespaceSelector" ? undefined : suggest(name, known);
  const elsewhere = near === undefined ? homeOf(name) : undefined;
  const isOpenTls = path[0] === "tls" && /verify|insecure|reject|skip|check/i.test(name);
  const hint = isOpenTls
    ? "nothing turns the check of certificates off: name the CA with ca"
    : near !== undefined
      ? `did you mean "${near}"?`
      : elsewhere !== undefined
        ? `it belongs under ${elsewhere}`
        : name === "namespaceSelector"
          ? "older servers drop it and would place the pods elsewhere: list the namespaces under namespaces"
          : `known here: ${known.join(", ")}`;
  const meant = [...path.slice(0, -1), near ?? ""].join(".");
  return { message: `"${path.join(".")}" is not a known key`, node, spot: node.keyAt ?? node.at, hint, meant };
}

/** A known key that stands one level too high or too low. */
function homeOf(name: string): string | undefined {
  const top = kubeflowSchema.entries;
  if (Object.hasOwn(top, name)) return "the top of the file";
  const run = unwrap(top.run_config).entries ?? {};
  if (Object.hasOwn(run, name)) return "run_config";
  return Object.hasOwn(unwrap(run["volume"]).entries ?? {}, name) ? "run_config.volume" : undefined;
}

function wrongType(issue: v.BaseIssue<unknown>, tree: MapNode): Problem[] {
  const path = (issue.path ?? []).map((item) => String((item as { key: unknown }).key));
  const node = nodeAt(tree, path);
  // the schema's word for an unknown key, which is reported on its own
  if (issue.type === "strict_object" && issue.expected === "never") return [];
  const where = path.length === 0 ? "the file" : `"${path.join(".")}"`;
  if (node === undefined) {
    const parent = nodeAt(tree, path.slice(0, -1));
    const spot = parent?.keyAt ?? parent?.at;
    return [{ message: `${where} is missing`, node: parent, spot, hint: undefined, missing: path.join(".") }];
  }
  const wanted = issue.message;
  if ((issue.path?.at(-1) as { origin?: string } | undefined)?.origin === "key")
    return [{ message: `${where} ${wanted}`, node, spot: node.keyAt ?? node.at, hint: undefined }];
  // a list that is the right thing but for having nothing in it
  const is = issue.type === "min_length" && node.kind === "list" ? "empty" : shown(node);
  return [{ message: `${where} must be ${wanted}, and it is ${is}`, node, spot: node.at, hint: undefined }];
}

function shown(node: ConfigNode): string {
  if (node.kind === "map") return "a mapping";
  if (node.kind === "list") return "a list";
  if (node.kind === "opaque") return "not known";
  if (node.value === null) return "empty";
  return typeof node.value === "string" ? JSON.stringify(node.value) : pythonRepr(node.value);
}

// --- problems ---

function manyProblems(problems: readonly Problem[]): KfkError {
  const [first, ...rest] = problems.toSorted((a, b) => (a.spot?.start ?? 0) - (b.spot?.start ?? 0));
  const notes: Note[] = rest.map((problem) => ({
    message: problem.hint === undefined ? problem.message : `${problem.message}; ${problem.hint}`,
    at: placeOf(problem.spot),
  }));
  return new KfkError("CONFIG_KUBEFLOW", first?.message ?? "the file is not understood", {
    at: placeOf(first?.spot),
    hint: first?.hint,
    notes,
  });
}

function opaqueValue(path: string, reason: string, node: ConfigNode): KfkError {
  if (reason.startsWith("the run parameter ")) {
    return new KfkError(
      "CONFIG_KUBEFLOW",
      `"${path}" cannot be a parameter of a run: the file is read before any run`,
      {
        at: placeOf(node.at),
        hint: "write the value, give a default: ${runtime_params:name, default}, or take it from the environment: ${oc.env:NAME}",
      },
    );
  }
  return new KfkError("CONFIG_KUBEFLOW", `"${path}" cannot be known without running Python: ${reason}`, {
    at: placeOf(node.at),
    hint: "write the value, or take it from the environment: ${oc.env:NAME}",
  });
}
