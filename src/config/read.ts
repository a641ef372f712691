/**
 * All configuration of a project for one environment: the one entry to this folder.
 *
 * Comes in: the loader's settings, files, an environment look-up and what makes a catalog of its tree. Goes out:
 * parameters, catalog, kubeflow settings, warnings, and what the answers depend on (`file:…`, `env:…`). Each folder's files of a type are merged and resolved
 * on their own, then the run environment is put over the base; only globals are visible from everywhere.
 * `ConfigLoader` (below 0.19) interpolates nothing; `TemplatedConfigLoader` takes its values from globals of its own.
 * Source: Kedro 0.16.6 to 0.18.14 `ConfigLoader` and `TemplatedConfigLoader`, 0.18.14 to 1.7.0 `OmegaConfigLoader`.
 */
import { KfkError, type Warning } from "../error.ts";
import type { Files } from "../world.ts";
import { hasInterpolation, interpolate } from "./interpolate.ts";
import { buildKubeflow, type KubeflowConfig } from "./kubeflow.ts";
import { findLayers, mergeTree, readLayers, type ConfigFile, type Layer, type LoaderSettings } from "./layers.ts";
import { replaceOldTemplates } from "./old-templates.ts";
import { findLost, type Lost } from "./overlay.ts";
import { buildParameters, type Parameters } from "./parameters.ts";
import type { Plain, PlainMap } from "./plain.ts";
import { closeReferences, findReferences } from "./references.ts";
import { buildResolvers, type CustomResolver, type RunParam } from "./resolvers.ts";
import { fillTemplates } from "./templates.ts";
import { adopt, fromPlain, toPlain, type MapNode } from "./tree.ts";

export interface ConfigurationRequest extends LoaderSettings {
  /** Absent: OmegaConfigLoader. */
  readonly kind?: "OmegaConfigLoader" | "ConfigLoader" | "TemplatedConfigLoader";
  /** Of a TemplatedConfigLoader: the pattern of its files of globals, and the globals that code gives. */
  readonly globalsPattern?: string | null;
  readonly codeGlobals?: MapNode;
  /**
   * kedro-kubeflow's EnvTemplatedConfigLoader: the names of all variables KEDRO_CONFIG_*, which are values for templates
   * and for `oc.env` under their lowered rest. Absent: another loader.
   */
  readonly kedroConfig?: readonly string[];
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  /** Values given for this run; usually none, as steps get them when they run. */
  readonly runtimeParams: PlainMap;
  /** The project's loader knows `merge_strategy`; absent: it does not. */
  readonly hasMergeStrategy?: boolean;
  /** Text for `${name}` of the old grammar in kubeflow.yaml; absent: what globals say. */
  readonly variable?: (name: string, known: string | null, env: EnvLookUp) => string | undefined;
  /** Keys of `run_config` that the command line gives instead: a template in them need not have a value. */
  readonly overridden?: ReadonlyMap<string, string>;
}

/** An environment variable; the answer is recorded. */
export type EnvLookUp = (name: string) => string | undefined;

/** What hooks add to the reading of kubeflow.yaml. */
export interface KubeflowAnswers {
  /** Asked before `ConfigurationRequest.variable`. */
  readonly variable: (name: string, known: string | null) => string | undefined;
  readonly resolvers: ReadonlyMap<string, CustomResolver>;
}

/** kubeflow.yaml, read when it is asked for. */
export interface KubeflowFiles {
  /** Undefined when there is no kubeflow file. */
  readonly kubeflow: () => KubeflowConfig | undefined;
  /** The same before it is checked: merged, with every `${…}` resolved. */
  readonly kubeflowTree: (answers?: KubeflowAnswers) => MapNode | undefined;
  /** True when one of these was called: a broken file has been told, or will be. */
  readonly isKubeflowAsked: () => boolean;
  /** kubeflow files as they are written, folder by folder. */
  readonly kubeflowLayers: () => readonly Layer[];
  /** What the run environment's kubeflow file takes away from the base's. Errors: CONFIG_*. */
  readonly kubeflowLost: () => readonly Lost[];
  /** mlflow.yml as kedro-mlflow gets it from Kedro's loader; undefined when there is no such file. Errors: CONFIG_*. */
  readonly mlflow: () => { readonly tree: MapNode; readonly files: readonly ConfigFile[] } | undefined;
}

/** `Catalog`: what the reader makes of the catalog files; Kedro's is in `kedro/catalog.ts`. */
export interface Configuration<Catalog> extends KubeflowFiles {
  /** The run environment. */
  readonly env: string;
  readonly parameters: Parameters;
  readonly catalog: Catalog;
  /** Files that hold credentials, never read. */
  readonly credentialFiles: readonly ConfigFile[];
  readonly warnings: readonly Warning[];
  /** Run parameters that the parameters and the catalog ask for; Kedro stops at a missing one. */
  readonly runParams: readonly RunParam[];
  /** Those of the catalog. */
  readonly catalogRunParams: readonly RunParam[];
  /** Top-level parameter → the parameters and run parameters that its value follows from. */
  readonly parameterSources: ReadonlyMap<string, readonly string[]>;
  /** `env:NAME` and `file:path` of everything that was asked for so far, sorted. */
  readonly dependsOn: () => readonly string[];
}

/**
 * Reads the configuration. kubeflow files are read when `kubeflow()` is called for the first time, so that verbs that
 * do not need them accept a project whose kubeflow file is broken.
 *
 * Errors: CONFIG_* with places; see the modules of this folder.
 */
export function readConfiguration<Catalog>(
  request: ConfigurationRequest,
  files: Files,
  env: (name: string) => string | undefined,
  buildCatalog: (tree: MapNode) => Catalog,
): Configuration<Catalog> {
  const reader = new Reader(request, files, env);
  const parameters = reader.read("parameters");
  const asked = reader.runParams.length;
  const catalog = reader.read("catalog");
  const catalogRunParams = reader.runParams.slice(asked);
  if (catalog.count === 0 && request.runEnv !== request.baseEnv) reader.warnings.push(noCatalog(request));
  return {
    env: request.runEnv,
    parameters: buildParameters(parameters.tree),
    catalog: buildCatalog(catalog.tree),
    ...kubeflowOf(reader, () => new Reader(request, files, env)),
    credentialFiles: findLayers("credentials", request, files).flatMap((layer) => layer.files),
    warnings: reader.warnings,
    runParams: reader.runParams,
    catalogRunParams,
    parameterSources: closeReferences(reader.references),
    dependsOn: () => [...reader.asked].toSorted(),
  };
}

/** Only the kubeflow files, read when they are asked for. Errors: CONFIG_* of the loader's settings. */
export function readKubeflow(
  request: ConfigurationRequest,
  files: Files,
  env: (name: string) => string | undefined,
): KubeflowFiles {
  return kubeflowOf(new Reader(request, files, env), () => new Reader(request, files, env));
}

/** One type of configuration for a loader without resolvers and parameters of a run. Errors: CONFIG_*. */
export function readType(
  type: string,
  settings: LoaderSettings,
  files: Files,
  env: (name: string) => string | undefined,
): { readonly value: Plain | undefined; readonly reason: string; readonly dependsOn: readonly string[] } {
  const request = { ...settings, customResolvers: new Map(), runtimeParams: new Map() };
  const reader = new Reader(request, files, env);
  const { tree, count } = reader.read(type);
  const dependsOn = [...reader.asked].toSorted();
  if (count === 0 && type !== "globals") return { value: undefined, reason: "it has no files", dependsOn };
  if (reader.runParams.some(({ isMissing }) => isMissing))
    return { value: undefined, reason: "it asks for a parameter of the run", dependsOn };
  return { value: toPlain(tree), reason: "a part of it comes from Python", dependsOn };
}

// --- internal ---

/** `another`: a reader of its own, for what is no part of what steps depend on. */
function kubeflowOf(reader: Reader, another: () => Reader): KubeflowFiles {
  let built: { readonly value: KubeflowConfig | undefined } | undefined;
  let isAsked = false;
  return {
    kubeflow: () => {
      isAsked = true;
      if (built === undefined) {
        const tree = reader.readKubeflow();
        built = { value: tree && buildKubeflow(tree) };
      }
      return built.value;
    },
    kubeflowTree: (answers) => {
      isAsked = true;
      return reader.readKubeflow(answers);
    },
    isKubeflowAsked: () => isAsked,
    kubeflowLayers: () => reader.layers("kubeflow"),
    kubeflowLost: () => {
      isAsked = true;
      return reader.lost("kubeflow");
    },
    mlflow: () => {
      const own = another();
      const files = own.layers("mlflow").flatMap((layer) => layer.files);
      return files.length === 0 ? undefined : { tree: own.read("mlflow", KEDRO_MLFLOW).tree, files };
    },
  };
}

/** What kedro-mlflow itself registers (0.12 and newer). */
const KEDRO_MLFLOW: ReadonlyMap<string, CustomResolver> = new Map([
  ["km.random_name", { kind: "opaque", reason: "kedro-mlflow makes it anew each time" }],
]);

interface Resolved {
  readonly tree: MapNode;
  /** Files that matched. */
  readonly count: number;
}

class Reader {
  readonly warnings: Warning[] = [];
  readonly runParams: RunParam[] = [];
  readonly references = new Map<string, ReadonlySet<string>>();
  readonly asked = new Set<string>();
  private readonly request: ConfigurationRequest;
  private readonly files: Files;
  private readonly env: EnvLookUp;
  private readonly runtimeParams: MapNode;
  private globals: MapNode | undefined;

  constructor(request: ConfigurationRequest, files: Files, env: (name: string) => string | undefined) {
    const isPlain = request.kind === "ConfigLoader" || request.kind === "TemplatedConfigLoader";
    this.request = isPlain ? { ...request, isPlain, hasJinja: request.kind === "TemplatedConfigLoader" } : request;
    this.files = files;
    this.env = (name) => {
      this.asked.add(`env:${name}`);
      return env(name);
    };
    this.runtimeParams = fromPlain(request.runtimeParams, undefined) as MapNode;
    checkStrategies(request);
  }

  read(type: string, more?: ReadonlyMap<string, CustomResolver>): Resolved {
    // Kedro reads globals before all else, and stops when they are broken
    if (type !== "globals") this.globalsTree();
    return this.resolve(type, this.layers(type), more);
  }

  readKubeflow(answers?: KubeflowAnswers): MapNode | undefined {
    const own = this.request.variable ?? ((_name, known) => known ?? undefined);
    const variable = (name: string, known: string | null): string | undefined =>
      answers?.variable(name, known) ?? own(name, known, this.env);
    const isTemplated = this.request.kind === "TemplatedConfigLoader";
    const layers = this.layers("kubeflow").map((layer) => ({
      ...layer,
      tree:
        layer.tree &&
        replaceOldTemplates(
          withoutOverridden(layer.tree, this.request.overridden),
          this.globalsTree(),
          variable,
          isTemplated,
        ),
    }));
    const { tree, count } = this.resolve("kubeflow", layers, answers?.resolvers);
    return count === 0 ? undefined : tree;
  }

  layers(type: string): readonly Layer[] {
    const layers = readLayers(type, this.request, this.files);
    for (const layer of layers) for (const file of layer.files) this.asked.add(`file:${file.shown}`);
    return layers;
  }

  lost(type: string): readonly Lost[] {
    return this.isSoft(type) ? [] : findLost(this.layers(type), this.request.hasMergeStrategy === true);
  }

  private isSoft(type: string): boolean {
    return this.request.mergeStrategy.get(type)?.toLowerCase() === "soft";
  }

  private resolve(type: string, layers: readonly Layer[], more?: ReadonlyMap<string, CustomResolver>): Resolved {
    let merged: MapNode | undefined;
    let count = 0;
    for (const layer of layers) {
      count += layer.files.length;
      if (layer.tree === undefined) continue;
      const isPlain = this.request.isPlain === true && type !== "kubeflow";
      const tree = isPlain ? layer.tree : this.resolveLayer(type, layer.tree, more);
      if (merged === undefined) merged = tree;
      else if (this.isSoft(type)) mergeTree(merged, tree);
      else {
        for (const [key, value] of tree.entries) {
          merged.entries.set(key, value);
          value.up = merged;
        }
      }
    }
    const tree = merged ?? { kind: "map", entries: new Map(), at: undefined };
    if (this.request.kind !== "TemplatedConfigLoader" || type === "kubeflow" || type === "globals")
      return { tree, count };
    return { tree: fillTemplates(tree, this.withVariables(type, this.globalsTree())), count };
  }

  private resolveLayer(type: string, raw: MapNode, more?: ReadonlyMap<string, CustomResolver>): MapNode {
    if (type === "parameters" && this.request.runtimeParams.size > 0) {
      mergeTree(raw, fromPlain(this.request.runtimeParams, undefined) as MapNode);
    }
    if (type === "parameters") for (const [key, names] of findReferences(raw)) this.references.set(key, names);
    const resolvers = buildResolvers({
      customResolvers: more ? new Map([...this.request.customResolvers, ...more]) : this.request.customResolvers,
      env:
        type === "kubeflow" || this.request.kedroConfig !== undefined
          ? (name) => this.env(name) ?? this.oldEnv(name)
          : this.env,
      hasEnv: type === "kubeflow",
      // pods have variables of their own
      isEnvOpaque: type === "parameters" || type === "mlflow",
      globals: type === "globals" ? undefined : () => this.globalsTree(),
      runtimeParams: type === "globals" ? undefined : this.runtimeParams,
      onRunParam: (asked) => this.runParams.push(asked),
    });
    const { tree, warnings } = interpolate(raw, resolvers);
    this.warnings.push(...warnings);
    if (type !== "parameters") {
      for (const key of tree.entries.keys())
        if (typeof key === "string" && key.startsWith("_")) tree.entries.delete(key);
    }
    return tree;
  }

  /** A value of the environment that is a parameter stays with the steps: a document must not hold it. */
  private withVariables(type: string, globals: MapNode): MapNode {
    const names = this.request.kedroConfig ?? [];
    if (names.length === 0) return globals;
    const entries = new Map(globals.entries);
    for (const name of names) {
      const value = this.env(name);
      if (value === undefined) continue;
      const reason = `it comes from the environment variable ${name}`;
      entries.set(
        name.replaceAll(KEDRO_CONFIG, "").toLowerCase(),
        type === "parameters"
          ? { kind: "opaque", reason, at: undefined }
          : { kind: "scalar", value, at: undefined, literal: true },
      );
    }
    return { ...globals, entries };
  }

  /** kedro-kubeflow 0.9 to 0.11 `EnvTemplatedConfigLoader`: `KEDRO_CONFIG_NAME` is seen as `name` too. */
  private oldEnv(name: string): string | undefined {
    return /^[a-z][a-z0-9_]*$/.test(name) ? this.env(`KEDRO_CONFIG_${name.toUpperCase()}`) : undefined;
  }

  /** Looked at again as text, as Kedro builds a new OmegaConf tree from the values. */
  private globalsTree(): MapNode {
    if (this.request.kind === "TemplatedConfigLoader") return (this.globals ??= this.templateGlobals());
    if (this.globals === undefined) {
      const { tree } = this.read("globals");
      const plain = toPlain(tree);
      this.globals = plain === undefined ? tree : (fromPlain(plain, tree.at) as MapNode);
    }
    return this.globals;
  }

  /** Files first, then what the code gives, key by key at the top. */
  private templateGlobals(): MapNode {
    const { globalsPattern = null, codeGlobals } = this.request;
    const globals: MapNode = { kind: "map", entries: new Map(), at: undefined };
    if (globalsPattern !== null) {
      const patterns = new Map([...this.request.patterns, ["globals", [globalsPattern]] as const]);
      const layers = readLayers("globals", { ...this.request, patterns }, this.files);
      const found = layers.flatMap((layer) => layer.files);
      if (found.length === 0) throw noGlobals(globalsPattern);
      for (const file of found) this.asked.add(`file:${file.shown}`);
      for (const { tree } of layers) for (const [key, value] of tree?.entries ?? []) globals.entries.set(key, value);
    }
    for (const [key, value] of codeGlobals?.entries ?? []) globals.entries.set(key, value);
    return globals;
  }
}

/** A value without a template stays as it is, so that it is checked. */
function withoutOverridden(tree: MapNode, overridden: ReadonlyMap<string, string> | undefined): MapNode {
  const run = tree.entries.get("run_config");
  if (overridden === undefined || run?.kind !== "map") return tree;
  const entries = new Map(run.entries);
  for (const [key, value] of overridden) {
    const node = entries.get(key);
    if (node !== undefined && hasInterpolation(node)) entries.set(key, { ...node, value, literal: true });
  }
  return adopt({ ...tree, entries: new Map([...tree.entries, ["run_config", adopt({ ...run, entries })]]) });
}

const KEDRO_CONFIG = "KEDRO_CONFIG_";

const STRATEGIES = ["destructive", "soft"];

function checkStrategies(request: ConfigurationRequest): void {
  for (const [type, strategy] of request.mergeStrategy) {
    if (!STRATEGIES.includes(strategy.toLowerCase())) {
      throw new KfkError("CONFIG_LOADER", `the merge strategy "${strategy}" of ${type} is not known`, {
        hint: `use ${STRATEGIES.join(" or ")} in CONFIG_LOADER_ARGS of settings.py`,
      });
    }
  }
}

function noGlobals(pattern: string): KfkError {
  return new KfkError("CONFIG_LOADER", `no file of globals matches "${pattern}"`, {
    hint: "create it in the base environment; Kedro stops here too",
  });
}

function noCatalog(request: ConfigurationRequest): Warning {
  const base = request.baseEnv === "" ? request.confShown : `${request.confShown}/${request.baseEnv}`;
  return {
    message: `there is no catalog file in ${base}, and Kedro does not run without one`,
    hint: `create ${base}/catalog.yml; it may be empty`,
  };
}
