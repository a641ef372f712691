/**
 * All configuration of a project for one environment: the one entry to this folder.
 *
 * Comes in: the loader's settings, files and an environment look-up. Goes out: parameters, catalog, kubeflow settings,
 * warnings, and what the answers depend on (`file:…`, `env:…`). Each folder's files of a type are merged and resolved
 * on their own, then the run environment is put over the base; only globals are visible from everywhere.
 * Source: Kedro 0.19.0 to 1.7.0 `OmegaConfigLoader`. Older projects are read by another loader.
 */
import { KfkError, type Warning } from "../error.ts";
import { buildCatalog, type Catalog, type CatalogRules } from "../kedro/catalog.ts";
import type { Files } from "../world.ts";
import { interpolate } from "./interpolate.ts";
import { buildKubeflow, replaceOldTemplates, type KubeflowConfig } from "./kubeflow.ts";
import { findLayers, mergeTree, readLayers, type ConfigFile, type Layer, type LoaderSettings } from "./layers.ts";
import { buildParameters, type Parameters } from "./parameters.ts";
import type { Plain, PlainMap } from "./plain.ts";
import { buildResolvers, type CustomResolver, type MissingRunParam } from "./resolvers.ts";
import { fromPlain, toPlain, type MapNode } from "./tree.ts";

export interface ConfigurationRequest extends LoaderSettings {
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  /** Values given for this run; usually none, as steps get them when they run. */
  readonly runtimeParams: PlainMap;
  readonly catalogRules: CatalogRules;
  /** Text for `${name}` of the old grammar in kubeflow.yaml; absent: what globals say. */
  readonly variable?: (name: string, known: string | null, env: EnvLookUp) => string | undefined;
}

/** An environment variable; the answer is recorded. */
export type EnvLookUp = (name: string) => string | undefined;

/** What hooks add to the reading of kubeflow.yaml. */
export interface KubeflowAnswers {
  /** Asked before `ConfigurationRequest.variable`. */
  readonly variable: (name: string, known: string | null) => string | undefined;
  readonly resolvers: ReadonlyMap<string, CustomResolver>;
}

export interface Configuration {
  /** The run environment. */
  readonly env: string;
  readonly parameters: Parameters;
  readonly catalog: Catalog;
  /** Undefined when there is no kubeflow file. */
  readonly kubeflow: () => KubeflowConfig | undefined;
  /** The same before it is checked: merged, with every `${…}` resolved. */
  readonly kubeflowTree: (answers?: KubeflowAnswers) => MapNode | undefined;
  /** kubeflow files as they are written, folder by folder. */
  readonly kubeflowLayers: () => readonly Layer[];
  /** Files that hold credentials, never read. */
  readonly credentialFiles: readonly ConfigFile[];
  readonly warnings: readonly Warning[];
  /** Run parameters that the catalog or the parameters ask for, without a value or a default: Kedro stops there. */
  readonly missingRunParams: readonly MissingRunParam[];
  /** `env:NAME` and `file:path` of everything that was asked for so far, sorted. */
  readonly dependsOn: () => readonly string[];
}

/**
 * Reads the configuration. kubeflow files are read when `kubeflow()` is called for the first time, so that verbs that
 * do not need them accept a project whose kubeflow file is broken.
 *
 * Errors: CONFIG_* with places; see the modules of this folder.
 */
export function readConfiguration(
  request: ConfigurationRequest,
  files: Files,
  env: (name: string) => string | undefined,
): Configuration {
  const reader = new Reader(request, files, env);
  const parameters = reader.read("parameters");
  const catalog = reader.read("catalog");
  if (catalog.count === 0 && request.runEnv !== request.baseEnv) reader.warnings.push(noCatalog(request));
  let kubeflow: { readonly value: KubeflowConfig | undefined } | undefined;
  return {
    env: request.runEnv,
    parameters: buildParameters(parameters.tree),
    catalog: buildCatalog(catalog.tree, request.catalogRules),
    kubeflow: () => {
      if (kubeflow === undefined) {
        const tree = reader.readKubeflow();
        kubeflow = { value: tree && buildKubeflow(tree) };
      }
      return kubeflow.value;
    },
    kubeflowTree: (answers) => reader.readKubeflow(answers),
    kubeflowLayers: () => reader.layers("kubeflow"),
    credentialFiles: findLayers("credentials", request, files).flatMap((layer) => layer.files),
    warnings: reader.warnings,
    missingRunParams: reader.missing,
    dependsOn: () => [...reader.asked].toSorted(),
  };
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
  if (reader.missing.length > 0) return { value: undefined, reason: "it asks for a parameter of the run", dependsOn };
  return { value: toPlain(tree), reason: "a part of it comes from Python", dependsOn };
}

// --- internal ---

interface Resolved {
  readonly tree: MapNode;
  /** Files that matched. */
  readonly count: number;
}

type ReaderRequest = Omit<ConfigurationRequest, "catalogRules">;

class Reader {
  readonly warnings: Warning[] = [];
  readonly missing: MissingRunParam[] = [];
  readonly asked = new Set<string>();
  private readonly request: ReaderRequest;
  private readonly files: Files;
  private readonly env: EnvLookUp;
  private readonly runtimeParams: MapNode;
  private globals: MapNode | undefined;

  constructor(request: ReaderRequest, files: Files, env: (name: string) => string | undefined) {
    this.request = request;
    this.files = files;
    this.env = (name) => {
      this.asked.add(`env:${name}`);
      return env(name);
    };
    this.runtimeParams = fromPlain(request.runtimeParams, undefined) as MapNode;
    checkStrategies(request);
  }

  read(type: string): Resolved {
    // Kedro reads globals before all else, and stops when they are broken
    if (type !== "globals") this.globalsTree();
    return this.resolve(type, this.layers(type));
  }

  readKubeflow(answers?: KubeflowAnswers): MapNode | undefined {
    const own = this.request.variable ?? ((_name, known) => known ?? undefined);
    const variable = (name: string, known: string | null): string | undefined =>
      answers?.variable(name, known) ?? own(name, known, this.env);
    const layers = this.layers("kubeflow").map((layer) => ({
      ...layer,
      tree: layer.tree && replaceOldTemplates(layer.tree, this.globalsTree(), variable),
    }));
    const { tree, count } = this.resolve("kubeflow", layers, answers?.resolvers);
    return count === 0 ? undefined : tree;
  }

  layers(type: string): readonly Layer[] {
    const layers = readLayers(type, this.request, this.files);
    for (const layer of layers) for (const file of layer.files) this.asked.add(`file:${file.shown}`);
    return layers;
  }

  private resolve(type: string, layers: readonly Layer[], more?: ReadonlyMap<string, CustomResolver>): Resolved {
    let merged: MapNode | undefined;
    let count = 0;
    for (const layer of layers) {
      count += layer.files.length;
      if (layer.tree === undefined) continue;
      const tree = this.resolveLayer(type, layer.tree, more);
      if (merged === undefined) merged = tree;
      else if (this.request.mergeStrategy.get(type)?.toLowerCase() === "soft") mergeTree(merged, tree);
      else {
        for (const [key, value] of tree.entries) {
          merged.entries.set(key, value);
          value.up = merged;
        }
      }
    }
    return { tree: merged ?? { kind: "map", entries: new Map(), at: undefined }, count };
  }

  private resolveLayer(type: string, raw: MapNode, more?: ReadonlyMap<string, CustomResolver>): MapNode {
    if (type === "parameters" && this.request.runtimeParams.size > 0) {
      mergeTree(raw, fromPlain(this.request.runtimeParams, undefined) as MapNode);
    }
    const resolvers = buildResolvers({
      customResolvers: more ? new Map([...this.request.customResolvers, ...more]) : this.request.customResolvers,
      env: this.env,
      hasEnv: type === "kubeflow",
      globals: type === "globals" ? undefined : () => this.globalsTree(),
      runtimeParams: type === "globals" ? undefined : this.runtimeParams,
      onMissing: (missing) => this.missing.push(missing),
    });
    const { tree, warnings } = interpolate(raw, resolvers);
    this.warnings.push(...warnings);
    if (type !== "parameters") {
      for (const key of tree.entries.keys())
        if (typeof key === "string" && key.startsWith("_")) tree.entries.delete(key);
    }
    return tree;
  }

  /** Looked at again as text, as Kedro builds a new OmegaConf tree from the values. */
  private globalsTree(): MapNode {
    if (this.globals === undefined) {
      const { tree } = this.read("globals");
      const plain = toPlain(tree);
      this.globals = plain === undefined ? tree : (fromPlain(plain, tree.at) as MapNode);
    }
    return this.globals;
  }
}

const STRATEGIES = ["destructive", "soft"];

function checkStrategies(request: ReaderRequest): void {
  for (const [type, strategy] of request.mergeStrategy) {
    if (!STRATEGIES.includes(strategy.toLowerCase())) {
      throw new KfkError("CONFIG_LOADER", `the merge strategy "${strategy}" of ${type} is not known`, {
        hint: `use ${STRATEGIES.join(" or ")} in CONFIG_LOADER_ARGS of settings.py`,
      });
    }
  }
}

function noCatalog(request: ConfigurationRequest): Warning {
  const base = request.baseEnv === "" ? request.confShown : `${request.confShown}/${request.baseEnv}`;
  return {
    message: `there is no catalog file in ${base}, and Kedro does not run without one`,
    hint: `create ${base}/catalog.yml; it may be empty`,
  };
}
