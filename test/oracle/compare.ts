/**
 * Two meanings of the same project → every difference. A difference that is meant has the id under which
 * docs/migration.md explains it; one without an id is a fault. Each id stands for one narrow condition, never for a
 * whole field.
 */
import type { Json, Meaning, StepMeaning } from "./meaning.ts";

export interface Difference {
  /** Row of docs/migration.md; undefined: not explained. */
  readonly id: string | undefined;
  readonly where: string;
  readonly old: unknown;
  readonly new: unknown;
}

/** What is known about a case beside the two documents. */
export interface CaseFacts {
  readonly version: string;
  /** `run_config` of the case. */
  readonly config: {
    readonly resources?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly retry_policy?: Readonly<Record<string, unknown>> | null;
    readonly tolerations?: Readonly<Record<string, unknown>> | null;
    readonly node_merge_strategy?: string;
  };
  /** True: the case has no `volume:`, was refused for that, and one was added. */
  readonly volumeAdded: boolean;
  /** Kedro node → its parameters and `parameters`. */
  readonly parametersOf: (nodes: readonly string[]) => readonly string[];
  readonly pipelineOption: string | null;
}

/** All differences, in the order of the old document. */
export function compareMeanings(old: Meaning, now: Meaning, facts: CaseFacts): Difference[] {
  const found: Difference[] = [];
  const differ = (id: string | undefined, where: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) !== JSON.stringify(b)) found.push({ id, where, old: a, new: b });
  };
  const leaked =
    old.description === "Convert from a Kedro pipeline into a kfp container graph." && now.description === null;
  differ(leaked ? "description-leak" : undefined, "description", old.description, now.description);
  const suffix = facts.pipelineOption?.replaceAll("_", "-");
  const isSuffixed = suffix !== undefined && now.name === `${old.name}${suffix}-`;
  differ(isSuffixed || now.name.startsWith(old.name) ? "pipeline-name" : undefined, "name", old.name, now.name);
  differ(undefined, "ttl", old.ttlSeconds, now.ttlSeconds);
  differ(undefined, "service account", old.serviceAccount, now.serviceAccount);
  compareParameters(old, now, differ);
  compareVolume(old, now, facts, differ);
  for (const name of old.others)
    differ(name === "mlflow-start-run" ? "mlflow" : undefined, `step ${name}`, "present", "absent");
  compareSteps(old, now, facts, differ);
  if (old.exit && now.exit) comparePods(old.exit, now.exit, facts, "exit step", differ);
  else differ(undefined, "exit step", old.exit?.pipeline ?? null, now.exit?.pipeline ?? null);
  return found;
}

// --- internal ---

type Differ = (id: string | undefined, where: string, a: unknown, b: unknown) => void;

/** The predecessor's text of a value: Python's repr of scalars, JSON of the rest. */
function isSameValue(text: Json | undefined, value: Json | undefined): boolean {
  if (typeof value === "string") return text === value;
  if (typeof value === "boolean") return text === (value ? "True" : "False");
  if (typeof value === "number") return Number(text) === value && text !== "";
  if (typeof text !== "string") return text === value;
  try {
    return JSON.stringify(sorted(JSON.parse(text) as Json)) === JSON.stringify(sorted(value ?? null));
  } catch {
    return false;
  }
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, sorted(item)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function compareParameters(old: Meaning, now: Meaning, differ: Differ): void {
  for (const [key, text] of old.parameters) {
    const value = now.parameters.get(key);
    if (now.parameters.has(key) && isSameValue(text, value)) continue;
    const dotted = [...now.parameters].filter(([name]) => name.startsWith(`${key}.`));
    if (text === undefined && value === null) differ("null-parameter", `parameter ${key}`, "no value", "null");
    else if (dotted.length > 0) differ("dotted-parameter", `parameter ${key}`, text, Object.fromEntries(dotted));
    else differ(undefined, `parameter ${key}`, text, value);
  }
  for (const key of now.parameters.keys()) {
    if (old.parameters.has(key) || [...old.parameters.keys()].some((name) => key.startsWith(`${name}.`))) continue;
    differ(undefined, `parameter ${key}`, "absent", "present");
  }
}

function compareVolume(old: Meaning, now: Meaning, facts: CaseFacts, differ: Differ): void {
  if (old.volume === null || now.volume === null) {
    const isAdded = facts.volumeAdded && old.volume === null && now.volume !== null;
    const isFull = facts.config.node_merge_strategy === "full" && old.volume === null;
    differ(isAdded ? "volume-needed" : isFull ? "full-volume" : undefined, "volume", old.volume, now.volume);
    return;
  }
  const { removedBy: oldEnd, ...before } = old.volume;
  const { removedBy: newEnd, ...after } = now.volume;
  differ(undefined, "volume", before, after);
  differ(
    oldEnd === "exit step" && newEnd === "workflow" ? "volume-removal" : undefined,
    "volume's end",
    oldEnd,
    newEnd,
  );
}

function compareSteps(old: Meaning, now: Meaning, facts: CaseFacts, differ: Differ): void {
  const byNode = new Map(now.steps.flatMap((step) => (step.nodes ?? []).map((node) => [node, step] as const)));
  const find = (node: string): StepMeaning | undefined =>
    [...byNode].find(([name]) => automatic(name) === automatic(node))?.[1];
  const pairs = new Map<StepMeaning, StepMeaning>();
  for (const step of old.steps) {
    const found = step.nodes === null ? now.steps[0] : find(step.nodes[0] ?? "");
    if (found === undefined) differ(undefined, `step ${step.id}`, step.nodes, "absent");
    else pairs.set(step, found);
  }
  differ(undefined, "number of steps", old.steps.length, now.steps.length);
  const newName = new Map([...pairs].map(([a, b]) => [a.id, b.id]));
  for (const [a, b] of pairs) {
    const isHashed = /-[0-9a-f]{8}(?:[0-9a-f]{4})?$/.test(b.id);
    const isWhole = a.nodes === null;
    differ(isHashed ? "step-name" : isWhole ? "full-name" : undefined, `name of ${a.id}`, a.id, b.id);
    const after = a.after.map((id) => newName.get(id) ?? id).toSorted();
    differ(undefined, `what ${a.id} waits for`, after, b.after);
    const isNewVolume = !a.afterVolume && b.afterVolume;
    const volumeId = facts.volumeAdded
      ? "volume-needed"
      : isWhole && isNewVolume
        ? "full-volume"
        : isNewVolume && hasLostClaim(a)
          ? "lost-claim"
          : undefined;
    differ(volumeId, `volume before ${a.id}`, a.afterVolume, b.afterVolume);
    comparePods(a, b, facts, `step ${a.id}`, differ);
  }
}

/** A volume without a source where the run's volume should be. */
function hasLostClaim({ mounts }: StepMeaning): boolean {
  return JSON.stringify(mounts["/home/kedro/data"]) === "{}";
}

/** Automatic names had sorted names between commas up to Kedro 0.18. */
function automatic(node: string): string {
  return node.replaceAll(/\[([^\]]*)\]/g, (_, list: string) => list.split(/[,;]/).toSorted().join(";"));
}

function comparePods(a: StepMeaning, b: StepMeaning, facts: CaseFacts, where: string, differ: Differ): void {
  const isFull = a.nodes === null;
  if (a.nodes !== null) differ(undefined, `${where}: nodes`, a.nodes.map(automatic), b.nodes?.map(automatic));
  differ(a.pipeline === null ? "old-command" : undefined, `${where}: pipeline`, a.pipeline, b.pipeline);
  differ(a.env === null ? "old-command" : undefined, `${where}: environment`, a.env, b.env);
  differ(undefined, `${where}: image`, [a.image, a.pullPolicy], [b.image, b.pullPolicy]);
  const wanted = facts.parametersOf(b.nodes ?? []).toSorted();
  const isUsed = JSON.stringify(wanted) === JSON.stringify(b.parameters);
  differ(isUsed ? "parameters-used" : undefined, `${where}: parameters`, a.parameters, b.parameters);
  differ(resourcesId(a, b, facts), `${where}: resources`, a.resources, b.resources);
  const isOwner = facts.volumeAdded && a.runAsUser === null && b.runAsUser === 0;
  differ(isOwner ? "volume-needed" : undefined, `${where}: user`, a.runAsUser, b.runAsUser);
  compareMounts(a, b, facts, where, differ);
  const isEndless = (a.retry as { limit?: Json } | null)?.limit === "undefined" && b.retry === null;
  // a key in Kedro's spelling, which versions since 0.6.2 overlooked
  const isKedros = (section: Readonly<Record<string, unknown>> | null | undefined): boolean =>
    b.nodes?.length === 1 && b.nodes[0] !== a.id && section?.[b.nodes[0] ?? ""] !== undefined;
  const retryId = isEndless ? "endless-retry" : isKedros(facts.config.retry_policy) ? "step-keys" : undefined;
  differ(retryId, `${where}: retries`, a.retry, b.retry);
  differ(
    isKedros(facts.config.tolerations) ? "step-keys" : undefined,
    `${where}: tolerations`,
    a.tolerations,
    b.tolerations,
  );
  const near = withoutNearness(b.affinity);
  if (near.had) differ("one-machine", `${where}: nearness`, "absent", "present");
  const isSpelling = JSON.stringify(a.affinity) === "{}" || isSameInKubernetes(a.affinity, near.rest);
  differ(isSpelling ? "affinity-spelling" : undefined, `${where}: affinity`, sorted(a.affinity), sorted(near.rest));
  const extra = b.artifacts.filter((path) => !a.artifacts.includes(path));
  const missing = a.artifacts.filter((path) => !b.artifacts.includes(path));
  differ(undefined, `${where}: artifacts`, [], extra);
  differ(isFull ? "full-artifacts" : undefined, `${where}: artifacts`, missing, []);
  for (const name of Object.keys({ ...a.variables, ...b.variables })) {
    const id = /^KEDRO_CONFIG_|^IAP_CLIENT_ID$/.test(name)
      ? "env-list"
      : name === "MLFLOW_RUN_ID"
        ? "mlflow"
        : name === "KUBEFLOW_RUN_ID" && a.variables[name] === undefined
          ? "old-command"
          : undefined;
    // an empty client id was written where there was none
    differ(id, `${where}: variable ${name}`, a.variables[name] || null, b.variables[name] ?? null);
  }
  const isOff = b.cache === "P0D" && (a.cache === null || Object.values(b.mounts).includes("volume"));
  differ(isOff ? "no-cache" : undefined, `${where}: cache`, a.cache, b.cache);
}

function resourcesId(a: StepMeaning, b: StepMeaning, { version, config }: CaseFacts): string | undefined {
  const given = config.resources ?? {};
  const isBare = version === "0.3.0" && JSON.stringify(a.resources) === "{}" && given["__default__"] === undefined;
  if (isBare && JSON.stringify(b.resources) === '{"cpu":"500m","memory":"1024Mi"}') return "default-resources";
  // a key in Kedro's spelling, which versions since 0.6.2 overlooked
  const [own] = b.nodes ?? [];
  if (own === undefined || b.nodes?.length !== 1) return undefined;
  // or one of its tags
  const isSameWith = (name: string): boolean => {
    const wanted = { ...(a.resources as Record<string, string>) };
    for (const [key, value] of Object.entries(given[name] ?? {})) wanted[key] = String(value);
    return JSON.stringify(sorted(wanted)) === JSON.stringify(b.resources);
  };
  const others = Object.keys(given).filter((name) => name !== "__default__" && name !== a.id);
  return others.some(isSameWith) ? "step-keys" : undefined;
}

function compareMounts(a: StepMeaning, b: StepMeaning, facts: CaseFacts, where: string, differ: Differ): void {
  for (const path of Object.keys({ ...a.mounts, ...b.mounts })) {
    const [before, after] = [sorted(a.mounts[path] ?? null), sorted(b.mounts[path] ?? null)];
    const isNewVolume = before === null && after === "volume";
    const isExit = isNewVolume && where === "exit step";
    const isFull = isNewVolume && a.nodes === null;
    const isLost = after === "volume" && path === "/home/kedro/data" && hasLostClaim(a);
    const id = isLost
      ? "lost-claim"
      : isExit
        ? "exit-volume"
        : isFull
          ? "full-volume"
          : isNewVolume && facts.volumeAdded
            ? "volume-needed"
            : undefined;
    differ(id, `${where}: mount ${path}`, before, after);
  }
}

/** Whether two values are the same once all keys are in camel case. */
function isSameInKubernetes(a: Json, b: Json): boolean {
  const camel = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(camel);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).map(
      ([key, item]) => [key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), camel(item)] as const,
    );
    return Object.fromEntries(entries);
  };
  return JSON.stringify(sorted(camel(a))) === JSON.stringify(sorted(b));
}

/** Affinity without the term that keeps the pods of a run on one machine. */
function withoutNearness(affinity: Json): { readonly rest: Json; readonly had: boolean } {
  const own = (affinity ?? {}) as { readonly podAffinity?: { readonly [key: string]: readonly Json[] } };
  const terms = own.podAffinity?.["requiredDuringSchedulingIgnoredDuringExecution"] ?? [];
  const isNear = (term: Json): boolean =>
    JSON.stringify(term).includes('"workflows.argoproj.io/workflow":"{{workflow.name}}"');
  if (!terms.some(isNear)) return { rest: affinity, had: false };
  const left = terms.filter((term) => !isNear(term));
  const { podAffinity, ...rest } = own;
  const { requiredDuringSchedulingIgnoredDuringExecution: _, ...others } = podAffinity ?? {};
  const pods = { ...others, ...(left.length > 0 ? { requiredDuringSchedulingIgnoredDuringExecution: left } : {}) };
  const whole = { ...rest, ...(Object.keys(pods).length > 0 ? { podAffinity: pods } : {}) };
  return { rest: Object.keys(whole).length > 0 ? (whole as Json) : null, had: true };
}
