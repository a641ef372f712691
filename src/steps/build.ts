/**
 * Pipeline model and settings → the plan of a run: which nodes make a step (`merge.ts`), who waits for whom, which
 * parameters reach which step, which datasets the volume carries.
 *
 * Refuses what would run wrongly: data that crosses a step border with nowhere to go, text that a server would change.
 * Rules: design section 4; reference/compile-targets.md D, H, I.
 */
import { createHash } from "node:crypto";
import { byCodePoint, isPlainList, isPlainMap, type Plain, type PlainMap } from "../config/plain.ts";
import { KfkError, type Place, suggest, type Warning } from "../error.ts";
import { parameterName } from "./names.ts";
import { isSecretKey } from "../secrets.ts";
import { isParameter, type Model, type Node, withoutTranscoding } from "../pipeline/model.ts";
import { groupNodes, type MergeMode, type NodeGroup } from "./merge.ts";
import { noVolume, type Uncarried } from "./no-volume.ts";
import { buildPod, type PodSettings, warnUnmatched } from "./pod.ts";
import type { ExitStep, PodDefaults, PodShape, RunnerShared, Step, StepParameter, StepPlan } from "./step.ts";
import { encodeJson, encodeParameter, isEncodable } from "./transport.ts";

/** What a run is told about its surroundings, whatever they are. */
export interface StepSettings {
  /** Name of the pipeline on the server. */
  readonly name: string;
  readonly description: string | null;
  readonly pods: PodDefaults;
  /** Folder of the project where the steps run. */
  readonly projectDir: string;
  /** True: the steps run in the project's own folder on this machine, so local files are shared as they are. */
  readonly shareFiles: boolean;
  /** Where carried datasets go when there is a volume, a bucket or a shared folder; null: nowhere. */
  readonly store: string | null;
  /** Which nodes run in one step. */
  readonly merge: MergeMode;
  /** Settings by step; absent: none, as for a run on this machine. */
  readonly podSettings?: PodSettings;
  /** True: local files that a step writes are kept as artifacts of the server. */
  readonly keepArtifacts?: boolean;
  /** The pipeline that runs at the end; absent: none. */
  readonly exitPipeline?: string;
  /** Values given for this run, by pipeline parameter name or Kedro key; already typed. */
  readonly parameters: ReadonlyMap<string, Plain>;
  /** The model as it was read, for the runner to compare all nodes with; absent: only those of a step are compared. */
  readonly asRead?: Model;
  /** What else changes with a parameter; absent: nothing. */
  readonly follows?: Follows;
}

/** What a run changes when it changes a parameter: Kedro reads its configuration again with it (`--params`). */
export interface Follows {
  /** Parameter → the parameters and run parameters that its value follows from, also through others. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Run parameters that the catalog asks for. */
  readonly catalog: readonly string[];
  /** Run parameters that are no parameters. */
  readonly runOnly: readonly string[];
}

/**
 * Builds the plan for one pipeline of the model. `nodes`: the pipeline's nodes, filtered or whole, in run order.
 *
 * Errors: STEP_VOLUME (data crosses, no volume), STEP_PATH (data outside the volume), STEP_PARAMETER
 * (unknown parameter), STEP_TOO_LARGE.
 */
export function buildSteps(model: Model, pipeline: string, nodes: readonly Node[], settings: StepSettings): StepPlan {
  const warnings: Warning[] = [];
  const { groups, warnings: splits } = groupNodes(nodes, settings.merge, (name) => placeOf(model, name) === "memory");
  warnings.push(...splits);
  const ids = assignIds(groups);
  const producers = findProducers(nodes, ids);
  const exitNodes = settings.exitPipeline === undefined ? [] : findExitNodes(model, settings);
  const crossing = [...new Set([...findCrossing(nodes, ids), ...findExitInputs(nodes, exitNodes)])].toSorted(
    byCodePoint,
  );
  const carried = settings.shareFiles
    ? crossing.filter((dataset) => placeOf(model, dataset) === "memory")
    : checkCrossing(model, crossing, [...nodes, ...exitNodes], settings);
  const follows = settings.follows ?? { sources: new Map(), catalog: [], runOnly: [] };
  const runOnly = follows.runOnly.map((key) => buildRunParameter(key, settings.parameters.get(key)));
  warnings.push(...warnOwnClasses(model, crossing));
  const parameters = [
    ...buildParameters(model.parameters, [...nodes, ...exitNodes], settings.parameters, warnings),
    ...runOnly,
  ];
  const parametersOf = (some: readonly Node[]): string[] => {
    const used = some.flatMap((node) => [...parameterKeys(node, model.parameters)]);
    const before = used.flatMap((key) => follows.sources.get(key) ?? []);
    const keys = new Set([...used, ...before, ...follows.catalog, ...follows.runOnly]);
    return parameters.filter((parameter) => keys.has(parameter.key)).map((parameter) => parameter.name);
  };
  const podOf = (id: string, some: readonly Node[]): PodShape =>
    settings.podSettings ? buildPod(settings.podSettings, { id, nodes: some }) : { resources: {} };
  const steps = groups.map(({ id, nodes: own }): Step => {
    return {
      id,
      nodes: own,
      needs: findNeeds(own, id, producers),
      parameters: parametersOf(own),
      pod: podOf(id, own),
      ...(settings.keepArtifacts ? { artifacts: findArtifacts(model, own, settings.projectDir) } : {}),
    };
  });
  const exit: ExitStep | undefined =
    settings.exitPipeline === undefined
      ? undefined
      : {
          id: EXIT_ID,
          pipeline: settings.exitPipeline,
          nodes: exitNodes,
          needs: [],
          parameters: parametersOf(exitNodes),
          pod: podOf(EXIT_ID, []),
          readsVolume: settings.pods.volume !== null && findExitInputs(nodes, exitNodes).length > 0,
        };
  const { podSettings } = settings;
  if (podSettings) {
    const own = [INIT_ID, EXIT_ID].map((id) => ({ id, nodes: [] }));
    const everywhere = [...model.pipelines.values()].flatMap((each) => each.nodes);
    warnings.push(...warnUnmatched(podSettings, [...steps, ...own], everywhere));
  }
  return {
    name: settings.name,
    project: model.project.name,
    pipeline,
    env: model.project.env,
    description: settings.description,
    steps,
    parameters,
    shared: {
      kfk: 1,
      pipeline,
      env: model.project.env,
      project: settings.projectDir,
      store: carried.length > 0 ? settings.store : null,
      carried,
      ...shareParameters(parameters, model.parameters, follows),
      ...shareState(settings.asRead, [pipeline, ...(exit === undefined ? [] : [exit.pipeline])]),
    },
    pods: {
      ...settings.pods,
      ...(podSettings ? { extraPod: buildPod(podSettings, { id: EXTRA_ID, nodes: [] }) } : {}),
      ...(podSettings && settings.pods.volume?.init
        ? { initPod: buildPod(podSettings, { id: INIT_ID, nodes: [] }) }
        : {}),
    },
    ...(exit === undefined ? {} : { exit }),
    warnings,
  };
}

/**
 * True when two steps could run at the same time: some neighbour in run order does not wait for the one before it.
 */
export function runsInParallel(steps: readonly Step[]): boolean {
  return steps.some((step, index) => index > 0 && !step.needs.includes((steps[index - 1] as Step).id));
}

// --- internal ---

/** Steps of kfk's own that settings may name; the predecessor called them so. */
const EXIT_ID = "on-exit";
const INIT_ID = "data-volume-init";
/** No step's name: what holds for all. */
const EXTRA_ID = "";

/** What a server takes as parameters of one pipeline, as Go writes the JSON list (all versions, seen on real servers). */
const MAX_PARAMETER_BYTES = 10_000;

/** Name of a node → id of the step it runs in. */
function assignIds(groups: readonly NodeGroup[]): Map<string, string> {
  const taken = new Map<string, string>();
  for (const { id, nodes } of groups) {
    const [{ name } = { name: "" }] = nodes;
    const other = taken.get(id);
    if (other !== undefined) throw new Error(`step id ${id} for both ${other} and ${name}`);
    taken.set(id, name);
  }
  return new Map(groups.flatMap(({ id, nodes }) => nodes.map((node) => [node.name, id] as const)));
}

/** Datasets (as written, with `@format`) that one step produces and another reads, sorted. */
function findCrossing(nodes: readonly Node[], ids: ReadonlyMap<string, string>): string[] {
  const producers = new Map<string, { readonly output: string; readonly step: string | undefined }>();
  for (const node of nodes) {
    for (const output of node.outputs) producers.set(withoutTranscoding(output), { output, step: ids.get(node.name) });
  }
  const crossing = new Set<string>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      const producer = producers.get(withoutTranscoding(input));
      if (producer === undefined || producer.step === ids.get(node.name) || isParameter(input)) continue;
      crossing.add(producer.output);
      crossing.add(input);
    }
  }
  return [...crossing].toSorted(byCodePoint);
}

function findExitNodes(model: Model, { exitPipeline: pipeline = "", podSettings }: StepSettings): readonly Node[] {
  const found = model.pipelines.get(pipeline);
  const at = podSettings?.placeOf(["run_config", "on_exit_pipeline"]);
  if (found === undefined) throw noExitPipeline(pipeline, [...model.pipelines.keys()], at);
  if (found.nodes.length === 0) {
    throw new KfkError("PIPELINE_EMPTY", `the pipeline "${pipeline}" of run_config.on_exit_pipeline has no nodes`, {
      at,
      hint: "name another, or remove the key",
    });
  }
  return found.nodes;
}

/** What the exit pipeline reads of the run, under both names where they differ. */
function findExitInputs(nodes: readonly Node[], exitNodes: readonly Node[]): string[] {
  const made = new Map(nodes.flatMap((node) => node.outputs).map((name) => [withoutTranscoding(name), name]));
  const own = new Set(exitNodes.flatMap((node) => node.outputs).map(withoutTranscoding));
  return exitNodes
    .flatMap((node) => node.inputs)
    .flatMap((input) => {
      const produced = made.get(withoutTranscoding(input));
      return produced === undefined || own.has(withoutTranscoding(input)) ? [] : [input, produced];
    });
}

/** Local files that nodes write, as paths in the pod. A path that climbs or needs more than plain text has none. */
function findArtifacts(model: Model, nodes: readonly Node[], projectDir: string): string[] {
  const paths = nodes
    .flatMap((node) => node.outputs)
    .flatMap((output): string[] => {
      const path = model.datasets.get(output)?.path ?? "";
      const place = placeOf(model, output);
      if (!/^[\w./ @=,+-]+$/.test(path) || path.split("/").includes("..")) return [];
      if (place === "local") return [`${projectDir}/${path.replace(/^(?:\.\/)+/, "")}`];
      return place === "absolute" && path.startsWith("/") ? [path] : [];
    });
  return [...new Set(paths)];
}

function placeOf(model: Model, dataset: string): string {
  return model.datasets.get(dataset)?.place ?? "memory";
}

/** Datasets that must be carried in the store; refuses those that nothing could carry. */
function checkCrossing(
  model: Model,
  crossing: readonly string[],
  nodes: readonly Node[],
  settings: StepSettings,
): string[] {
  const carried: string[] = [];
  const uncarried: Uncarried[] = [];
  for (const dataset of crossing) {
    const place = placeOf(model, dataset);
    const path = model.datasets.get(dataset)?.path ?? null;
    if (place === "memory") {
      if (settings.store === null) uncarried.push({ dataset, what: "is kept in memory" });
      else carried.push(dataset);
    } else if (place === "local") {
      if (settings.store === null) uncarried.push({ dataset, what: `is the local file ${path}` });
      else if (settings.pods.volume === null) {
        if (dataset.includes("@")) throw bucketTranscoding(dataset);
        carried.push(dataset);
      } else if (!isBelowData(path)) throw outsideVolume(dataset, path);
    } else if (place === "absolute") {
      throw outsideVolume(dataset, path);
    } else if (place === "opaque") {
      throw unknownPlace(dataset);
    }
  }
  if (uncarried.length > 0) throw noVolume(uncarried, nodes);
  return carried;
}

/** A class of the project without a path may well keep its content in the process, which the next step never sees. */
function warnOwnClasses({ project, datasets }: Model, crossing: readonly string[]): Warning[] {
  return crossing.flatMap((name) => {
    const { place, type, source } = datasets.get(name) ?? { place: "memory", type: null, source: null };
    if (place !== "external" || !type?.startsWith(`${project.package}.`)) return [];
    const at = source === null ? undefined : { ...source, column: 1 };
    return [
      { message: `dataset "${name}" goes from one step to another: ${type} must keep it outside the process`, at },
    ];
  });
}

function isBelowData(path: string | null): boolean {
  const parts = (path ?? "").split("/").filter((part) => part !== "" && part !== ".");
  return parts[0] === "data" && !parts.includes("..");
}

/** Output without `@format` → id of the step that makes it. */
function findProducers(nodes: readonly Node[], ids: ReadonlyMap<string, string>): Map<string, string> {
  const producers = new Map<string, string>();
  for (const node of nodes) {
    for (const output of node.outputs) producers.set(withoutTranscoding(output), ids.get(node.name) as string);
  }
  return producers;
}

function findNeeds(nodes: readonly Node[], id: string, producers: ReadonlyMap<string, string>): string[] {
  const needs = new Set<string>();
  for (const input of nodes.flatMap((node) => node.inputs)) {
    const producer = producers.get(withoutTranscoding(input));
    if (producer !== undefined && producer !== id) needs.add(producer);
  }
  return [...needs].toSorted(byCodePoint);
}

/** A run parameter that is no parameter: text that is empty until a run gives it. */
function buildRunParameter(key: string, given: Plain | undefined): StepParameter {
  const text = given === undefined ? "" : encodeJson(given);
  return { name: parameterName(key), key, value: given ?? null, tag: "n", text };
}

/** How the runner reads parameters, and how it finds out what a run has changed. */
function shareParameters(
  parameters: readonly StepParameter[],
  defaults: PlainMap,
  { sources, catalog, runOnly }: Follows,
): Pick<RunnerShared, "parameters" | "follows" | "runOnly"> {
  const known = new Set(parameters.map(({ key }) => key));
  const follows = [...sources].flatMap(([key, names]): [string, string[]][] => {
    const some = names.filter((name) => known.has(name));
    return known.has(key) && some.length > 0 ? [[key, some]] : [];
  });
  const watched = new Set([...follows.flatMap(([key, names]) => [key, ...names]), ...catalog, ...runOnly]);
  const entries = parameters.map(({ name, key, tag }): [string, RunnerShared["parameters"][string]] => {
    if (!watched.has(key)) return [name, [key, tag]];
    const value = defaults.get(key);
    return [name, [key, tag, digestOf(value === undefined ? "" : encodeParameter(value).text)]];
  });
  return {
    parameters: Object.fromEntries(entries),
    ...(follows.length === 0 ? {} : { follows: Object.fromEntries(follows) }),
    ...(runOnly.length === 0 ? {} : { runOnly }),
  };
}

/** What the runner compares the image's whole pipelines with: a node too many or too few is another state too. */
function shareState(model: Model | undefined, pipelines: readonly string[]): Pick<RunnerShared, "state"> {
  const state = pipelines.flatMap((name): [string, readonly [number, string]][] => {
    const nodes = model?.pipelines.get(name)?.nodes;
    if (nodes === undefined) return [];
    const lines = nodes.map((node) =>
      [node.name, node.inputs.toSorted(byCodePoint).join(), node.outputs.toSorted(byCodePoint).join()].join("|"),
    );
    return [[name, [nodes.length, digestOf(lines.toSorted(byCodePoint).join("\n"))]]];
  });
  return state.length === 0 ? {} : { state: Object.fromEntries(state) };
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** Top-level keys of Kedro's parameters that a node reads: `params:a.b` reads `a`, `parameters` reads all. */
function parameterKeys(node: Node, parameters: PlainMap): Set<string> {
  const keys = new Set<string>();
  const known = [...parameters.keys()].filter((key) => typeof key === "string");
  for (const input of node.inputs) {
    if (input === "parameters") for (const key of known) keys.add(key);
    if (!input.startsWith("params:")) continue;
    const path = input.slice("params:".length);
    for (const key of known) if (path === key || path.startsWith(`${key}.`)) keys.add(key);
  }
  return keys;
}

function buildParameters(
  defaults: PlainMap,
  nodes: readonly Node[],
  given: ReadonlyMap<string, Plain>,
  warnings: Warning[],
): StepParameter[] {
  const parameters: StepParameter[] = [];
  for (const [key, value] of defaults) {
    if (typeof key !== "string" || !isEncodable(value)) {
      warnings.push({ message: `parameter "${String(key)}" stays in the image's conf: it has keys that are not text` });
      continue;
    }
    const name = parameterName(key);
    const own = given.has(name) ? (given.get(name) as Plain) : given.has(key) ? (given.get(key) as Plain) : value;
    if (holdsSecret(key, own)) {
      warnings.push({ message: `parameter "${key}" stays in the image's conf: a part of it looks like a secret` });
      continue;
    }
    parameters.push({ name, key, value: own, ...encodeParameter(own) });
  }
  return fitParameters(parameters, nodes, defaults, warnings);
}

/** Text that looks like a secret by its key; by its form it is found in the document. */
function holdsSecret(key: string, value: Plain): boolean {
  if (isPlainMap(value)) return [...value].some(([inner, item]) => holdsSecret(String(inner), item));
  if (isPlainList(value)) return value.some((item) => holdsSecret(key, item));
  return typeof value === "string" && value !== "" && isSecretKey(key);
}

/** Leaves out parameters until the rest fits: first those that no step uses, then the largest; never one that would fit. */
function fitParameters(
  parameters: readonly StepParameter[],
  nodes: readonly Node[],
  defaults: PlainMap,
  warnings: Warning[],
): StepParameter[] {
  const used = new Set(nodes.flatMap((node) => [...parameterKeys(node, defaults)]));
  let bytes = parameters.reduce((sum, parameter) => sum + parameterBytes(parameter), 2);
  if (bytes < MAX_PARAMETER_BYTES) return [...parameters];
  const leaving = new Set<StepParameter>();
  const bySize = parameters.toSorted(
    (a, b) => Number(used.has(a.key)) - Number(used.has(b.key)) || parameterBytes(b) - parameterBytes(a),
  );
  for (const parameter of bySize) {
    if (bytes < MAX_PARAMETER_BYTES) break;
    leaving.add(parameter);
    bytes -= parameterBytes(parameter);
  }
  // a small one that went first may fit beside what is left
  for (const parameter of [...leaving].toSorted((a, b) => parameterBytes(a) - parameterBytes(b))) {
    if (bytes + parameterBytes(parameter) >= MAX_PARAMETER_BYTES) break;
    leaving.delete(parameter);
    bytes += parameterBytes(parameter);
  }
  const names = [...leaving].map((parameter) => `"${parameter.key}" (${parameterBytes(parameter)} bytes)`).join(", ");
  warnings.push({
    message: `servers take ${MAX_PARAMETER_BYTES} bytes of parameters; left to the conf in the image: ${names}`,
    hint: "these cannot be changed per run; change them in conf and build the image again",
  });
  return parameters.filter((parameter) => !leaving.has(parameter));
}

/** Bytes of `{"name":"…","value":"…"},` as Go's JSON writes it: `<`, `>`, `&` as six, quotes and backslashes as two. */
function parameterBytes(parameter: StepParameter): number {
  let bytes = '{"name":"","value":""},'.length + parameter.name.length;
  for (const char of parameter.text) {
    if (char === '"' || char === "\\") bytes += 2;
    else if (char === "<" || char === ">" || char === "&") bytes += 6;
    else bytes += 1;
  }
  return bytes;
}

function noExitPipeline(pipeline: string, known: readonly string[], at: Place | undefined): KfkError {
  const near = suggest(pipeline, known);
  return new KfkError("PIPELINE_UNKNOWN", `run_config.on_exit_pipeline names "${pipeline}", which is not registered`, {
    at,
    hint: near ? `did you mean ${near}?` : `registered: ${known.join(", ")}`,
  });
}

function bucketTranscoding(dataset: string): KfkError {
  return new KfkError(
    "STEP_PATH",
    `dataset "${dataset}" goes from one step to another in two formats, which run_config.datasets cannot carry`,
    { hint: "give it a bucket path in the catalog, or add a volume: section" },
  );
}

function outsideVolume(dataset: string, path: string | null): KfkError {
  return new KfkError(
    "STEP_PATH",
    `dataset "${dataset}" goes from one step to another through ${path}, which is not on the volume`,
    {
      hint: "the volume is the project's data folder: use a path below data/, or a bucket",
    },
  );
}

function unknownPlace(dataset: string): KfkError {
  return new KfkError(
    "STEP_PATH",
    `where dataset "${dataset}" is kept cannot be known without running Python, and it goes from one step to another`,
    {
      hint: "write its type and path in the catalog without custom resolvers",
    },
  );
}
