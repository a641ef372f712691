/**
 * Settings of kubeflow.yaml that are keyed by step → the pod of one step.
 *
 * A key matches a step by `__default__`, a glob, a tag, the cleaned name or the Kedro name, the later of these being
 * the stronger. Resources and retries are laid over each other key by key; lists and affinity are taken whole from the
 * strongest key, as the predecessor did. A step of several nodes gets what all of them need. Refused: two volumes at
 * one place, two affinities in one step.
 * Source: kedro-kubeflow 0.3.0 (keys are Kedro names) and 0.6.2 to 0.11.0 (keys are cleaned names).
 */
import type { KubeflowRun, KubernetesObject } from "../config/kubeflow.ts";
import { KfkError, suggest, type Place, type Warning } from "../error.ts";
import type { Node } from "../pipeline/model.ts";
import { largestAmounts } from "./merge.ts";
import type { PodShape, RetryPlan, VolumeMount } from "./step.ts";

/** What `run_config` says by step. `placeOf`: where a key was set, by its path below the file. */
export interface PodSettings extends Pick<
  KubeflowRun,
  "resources" | "retryPolicy" | "tolerations" | "affinity" | "extraVolumes"
> {
  readonly placeOf: (path: readonly string[]) => Place | undefined;
}

/** Who is asked for: a step, or one of kfk's own (`data-volume-init`, `on-exit`) with no nodes of its own. */
export interface PodSubject {
  readonly id: string;
  readonly nodes: readonly Node[];
}

/** The pod of a step. Errors: CONFIG_KUBEFLOW for settings that contradict each other. */
export function buildPod(settings: PodSettings, subject: PodSubject): PodShape {
  const retry = buildRetry(settings, subject);
  const tolerations = union(choices(settings.tolerations, subject));
  const affinity = buildAffinity(settings, subject);
  const { volumes, mounts } = buildVolumes(settings, subject);
  return {
    resources: buildResources(settings, subject),
    ...(retry === undefined ? {} : { retry }),
    ...(tolerations.length > 0 ? { tolerations } : {}),
    ...(affinity === undefined ? {} : { affinity }),
    ...(mounts.length > 0 ? { volumes, mounts } : {}),
  };
}

/** Keys that match neither a step of this run nor a node anywhere in the project. */
export function warnUnmatched(
  settings: PodSettings,
  subjects: readonly PodSubject[],
  elsewhere: readonly Node[],
): Warning[] {
  const others = elsewhere.map((node) => ({ id: cleanName(node.name), nodes: [node] }));
  const known = new Set([...subjects, ...others].flatMap(({ id, nodes }) => [id, ...nodes.map((node) => node.name)]));
  return Object.entries(SECTIONS).flatMap(([section, field]) =>
    [...settings[field].keys()].flatMap((key): Warning[] => {
      if (key === EVERY_STEP || [...subjects, ...others].some((subject) => rankOf(key, subject) > 0)) return [];
      const near = suggest(key, known);
      return [
        {
          message: `run_config.${section} for "${key}" matches no step`,
          at: settings.placeOf(["run_config", section, key]),
          hint:
            near === undefined ? "use a node's name, its tag, or a pattern such as train_*" : `did you mean "${near}"?`,
        },
      ];
    }),
  );
}

// --- internal ---

const EVERY_STEP = "__default__";

const SECTIONS = {
  resources: "resources",
  retry_policy: "retryPolicy",
  tolerations: "tolerations",
  affinity: "affinity",
  extra_volumes: "extraVolumes",
} as const;

/** 0: no match; else the stronger the higher. */
function rankOf(key: string, { id, nodes }: PodSubject): number {
  if (key === EVERY_STEP) return 1;
  if (nodes.some((node) => key === node.name)) return 5;
  const isClean = (name: string): boolean => key === cleanName(name) || key.replaceAll("_", "-") === cleanName(name);
  if (key === id || key.replaceAll("_", "-") === id || nodes.some((node) => isClean(node.name))) return 4;
  if (key.includes("(") && nodes.some((node) => automaticName(key) === automaticName(node.name))) return 4;
  if (nodes.some((node) => node.tags.includes(key))) return 3;
  return isGlob(key) && [id, ...nodes.map((node) => node.name)].some((name) => globOf(key).test(name)) ? 2 : 0;
}

/** The predecessor's name of a step (A.2): lower case, everything else than letters and digits as one dash. */
function cleanName(kedroName: string): string {
  const clean = kedroName.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-");
  return clean.replaceAll(/^-|-$/g, "").replace(/^(?=\d)/, "n");
}

/** An automatic name whatever Kedro wrote it: `f([a,b]) -> [c]` with sorted names up to 0.18, `f([b;a]) -> [c]` later. */
function automaticName(name: string): string {
  return name.replaceAll(/\[([^\]]*)\]/g, (_, list: string) => list.split(/[,;]/).toSorted().join(";"));
}

function isGlob(key: string): boolean {
  return /[*?]/.test(key);
}

function globOf(key: string): RegExp {
  const parts = key.split(/([*?])/).map((part) => {
    if (part === "*") return ".*";
    return part === "?" ? "." : part.replaceAll(/[\\^$.|+()[\]{}]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`, "su");
}

/** Values for one subject, weakest first; in one rank as in the file. */
function layers<T>(map: ReadonlyMap<string, T>, subject: PodSubject): T[] {
  return [...map]
    .map(([key, value]) => ({ rank: rankOf(key, subject), value }))
    .filter(({ rank }) => rank > 0)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}

/**
 * What is asked of each node of a step on its own; a key that names the step itself speaks for all of them.
 */
function perNode(subject: PodSubject): PodSubject[] {
  if (subject.nodes.length < 2) return [subject];
  return subject.nodes.map((node) => ({ id: cleanName(node.name), nodes: [node] }));
}

/** The strongest value of each node, or the one that is given for the step itself. */
function choices<T>(map: ReadonlyMap<string, T>, subject: PodSubject): T[] {
  const own = subject.nodes.length > 1 ? (map.get(subject.id) ?? map.get(subject.id.replaceAll("-", "_"))) : undefined;
  if (own !== undefined) return [own];
  return perNode(subject).flatMap((each) => layers(map, each).slice(-1));
}

function buildResources(settings: PodSettings, subject: PodSubject): Readonly<Record<string, string>> {
  const merged = largestAmounts(
    perNode(subject).map((each) => withoutNulls(Object.assign({}, ...layers(settings.resources, each)))),
  );
  if (subject.nodes.length < 2) return merged;
  const spoken = settings.resources.get(subject.id) ?? settings.resources.get(subject.id.replaceAll("-", "_")) ?? {};
  return withoutNulls({ ...merged, ...spoken });
}

function withoutNulls(amounts: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(amounts).filter((entry): entry is [string, string] => entry[1] !== null));
}

function buildRetry(settings: PodSettings, subject: PodSubject): RetryPlan | undefined {
  const plans = perNode(subject).flatMap((each): RetryPlan[] => {
    const found = layers(settings.retryPolicy, each);
    if (found.length === 0) return [];
    const last = <T>(get: (layer: (typeof found)[number]) => T | null): T | null =>
      found.reduce<T | null>((value, layer) => get(layer) ?? value, null);
    const limit = last((layer) => layer.retries);
    if (limit === null) throw noRetries(settings, subject);
    const plan = {
      limit,
      duration: last((layer) => layer.backoffDuration),
      factor: last((layer) => layer.backoffFactor),
    };
    return limit > 0 ? [plan] : [];
  });
  return plans.toSorted((a, b) => b.limit - a.limit)[0];
}

function union(lists: readonly (readonly KubernetesObject[])[]): KubernetesObject[] {
  const seen = new Map<string, KubernetesObject>();
  for (const item of lists.flat()) seen.set(JSON.stringify(item), item);
  return [...seen.values()];
}

function buildAffinity(settings: PodSettings, subject: PodSubject): KubernetesObject | undefined {
  const found = union(choices(settings.affinity, subject).map((value) => [value])).filter(
    (value) => Object.keys(value).length > 0,
  );
  if (found.length > 1) throw twoAffinities(settings, subject);
  return found[0];
}

interface Volumes {
  readonly volumes: readonly KubernetesObject[];
  readonly mounts: readonly VolumeMount[];
}

function buildVolumes(settings: PodSettings, subject: PodSubject): Volumes {
  const volumes = new Map<string, KubernetesObject>();
  const mounts = new Map<string, VolumeMount>();
  for (const { mountPath, volume } of choices(settings.extraVolumes, subject).flat()) {
    const name = volumeName(String(volume["name"]));
    const own = { ...volume, name };
    const other = volumes.get(name);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(own)) throw twoVolumes(settings, name, subject);
    const path = mountPath.replace(/(?<=.)\/+$/, "");
    const mounted = mounts.get(path);
    if (mounted !== undefined && mounted.name !== name) throw twoMounts(settings, path, subject);
    volumes.set(name, own);
    mounts.set(path, { name, mountPath: path });
  }
  return { volumes: [...volumes.values()], mounts: [...mounts.values()] };
}

/** Kubernetes wants a label; the predecessor's own example, `shared_memory`, is none. */
function volumeName(name: string): string {
  const clean = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 55)
    .replaceAll(/^-+|-+$/g, "");
  return clean === "" || TAKEN_VOLUMES.test(clean) ? `extra-${clean === "" ? "volume" : clean}` : clean;
}

/** Volumes of kfk and of Argo itself. */
const TAKEN_VOLUMES = /^(?:data-volume|podmetadata|docker-sock|input-artifacts|argo-|var-run-argo|tmp-dir-argo)/;

// --- problems ---

function conflict(settings: PodSettings, section: string, message: string, hint: string): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", message, { at: settings.placeOf(["run_config", section]), hint });
}

function noRetries(settings: PodSettings, { id }: PodSubject): KfkError {
  return conflict(
    settings,
    "retry_policy",
    `run_config.retry_policy for step "${id}" does not say how often to try again`,
    "add num_retries to it or to __default__",
  );
}

function twoAffinities(settings: PodSettings, { id }: PodSubject): KfkError {
  return conflict(
    settings,
    "affinity",
    `the nodes of step "${id}" want different affinity`,
    `write the one that holds for the step: affinity: {${id}: …}`,
  );
}

function twoVolumes(settings: PodSettings, name: string, { id }: PodSubject): KfkError {
  return conflict(
    settings,
    "extra_volumes",
    `step "${id}" has two volumes of the name "${name}"`,
    "give each volume a name of its own",
  );
}

function twoMounts(settings: PodSettings, path: string, { id }: PodSubject): KfkError {
  return conflict(
    settings,
    "extra_volumes",
    `step "${id}" has two volumes at ${path}`,
    "mount each volume at a place of its own",
  );
}
