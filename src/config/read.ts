/**
 * All configuration of a project for one environment: the one entry to this folder.
 *
 * Comes in: the loader's settings, files and an environment look-up. Goes out: parameters, catalog, kubeflow settings,
 * warnings, and what the answers depend on (`file:…`, `env:…`). Each folder's files of a type are merged and resolved
 * on their own, then the run environment is put over the base; only globals are visible from everywhere.
 * `ConfigLoader` (below 0.19) interpolates nothing; `TemplatedConfigLoader` takes its values from globals of its own.
 * Source: Kedro 0.16.6 to 0.18.14 `ConfigLoader` and `TemplatedConfigLoader`, 0.18.14 to 1.7.0 `OmegaConfigLoader`.
 */
import { KfkError, type Warning } from "../error.ts";
import { buildCatalog, type Catalog, type CatalogRules } from "../kedro/catalog.ts";
import type { Files } from "../world.ts";
import { interpolate } from "./interpolate.ts";
import { buildKubeflow, replaceOldTemplates, type KubeflowConfig } from "./kubeflow.ts";
import { findLayers, mergeTree, readLayers, type ConfigFile, type Layer, type LoaderSettings } from "./layers.ts";
import { buildParameters, type Parameters } from "./parameters.ts";
import type { PlainMap } from "./plain.ts";
import { buildResolvers, type CustomResolver } from "./resolvers.ts";
import { fillTemplates } from "./templates.ts";
import { fromPlain, toPlain, type MapNode } from "./tree.ts";

export interface ConfigurationRequest extends LoaderSettings {
  /** Absent: OmegaConfigLoader. */
  readonly kind?: "OmegaConfigLoader" | "ConfigLoader" | "TemplatedConfigLoader";
  /** Of a TemplatedConfigLoader: the pattern of its files of globals, and the globals that code gives. */
  readonly globalsPattern?: string | null;
  readonly codeGlobals?: MapNode;
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  /** Values given for this run; usually none, as steps get them when they run. */
  readonly runtimeParams: PlainMap;
  readonly catalogRules: CatalogRules;
}

export interface Configuration {
  /** The run environment. */
  readonly env: string;
  readonly parameters: Parameters;
  readonly catalog: Catalog;
  /** Undefined when there is no kubeflow file. */
  readonly kubeflow: () => KubeflowConfig | undefined;
  /** Files that hold credentials, never read. */
  readonly credentialFiles: readonly ConfigFile[];
  readonly warnings: readonly Warning[];
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
    kubeflow: () => (kubeflow ??= { value: reader.readKubeflow() }).value,
    credentialFiles: findLayers("credentials", request, files).flatMap((layer) => layer.files),
    warnings: reader.warnings,
    dependsOn: () => [...reader.asked].toSorted(),
  };
}

/** Only the kubeflow files; undefined when there are none. Errors: CONFIG_*. */
export function readKubeflow(
  request: ConfigurationRequest,
  files: Files,
  env: (name: string) => string | undefined,
): KubeflowConfig | undefined {
  return new Reader(request, files, env).readKubeflow();
}

// --- internal ---

interface Resolved {
  readonly tree: MapNode;
  /** Files that matched. */
  readonly count: number;
}

class Reader {
  readonly warnings: Warning[] = [];
  readonly asked = new Set<string>();
  private readonly request: ConfigurationRequest;
  private readonly files: Files;
  private readonly env: (name: string) => string | undefined;
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

  read(type: string): Resolved {
    // Kedro reads globals before all else, and stops when they are broken
    if (type !== "globals") this.globalsTree();
    return this.resolve(type, this.layers(type));
  }

  readKubeflow(): KubeflowConfig | undefined {
    const layers = this.layers("kubeflow").map((layer) => ({
      ...layer,
      tree: layer.tree && replaceOldTemplates(layer.tree, this.globalsTree(), this.env),
    }));
    const { tree, count } = this.resolve("kubeflow", layers);
    if (count === 0) return undefined;
    return buildKubeflow(tree);
  }

  private layers(type: string): readonly Layer[] {
    const layers = readLayers(type, this.request, this.files);
    for (const layer of layers) for (const file of layer.files) this.asked.add(`file:${file.shown}`);
    return layers;
  }

  private resolve(type: string, layers: readonly Layer[]): Resolved {
    let merged: MapNode | undefined;
    let count = 0;
    for (const layer of layers) {
      count += layer.files.length;
      if (layer.tree === undefined) continue;
      const tree =
        this.request.isPlain === true && type !== "kubeflow" ? layer.tree : this.resolveLayer(type, layer.tree);
      if (merged === undefined) merged = tree;
      else if (this.request.mergeStrategy.get(type)?.toLowerCase() === "soft") mergeTree(merged, tree);
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
    return { tree: fillTemplates(tree, this.globalsTree()), count };
  }

  private resolveLayer(type: string, raw: MapNode): MapNode {
    if (type === "parameters" && this.request.runtimeParams.size > 0) {
      mergeTree(raw, fromPlain(this.request.runtimeParams, undefined) as MapNode);
    }
    const resolvers = buildResolvers({
      customResolvers: this.request.customResolvers,
      env: this.env,
      hasEnv: type === "kubeflow",
      globals: type === "globals" ? undefined : () => this.globalsTree(),
      runtimeParams: type === "globals" ? undefined : this.runtimeParams,
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
