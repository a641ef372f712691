/**
 * What differs between Kedro versions. Versions are compared in this room and nowhere else.
 * Source: kedro-org/kedro 0.16.0 to 1.7.0; reference/kedro-semantics.md 1.3, 2.1 to 2.6, 4.2 to 4.4.
 */
import { createHash } from "node:crypto";
import { KfkError } from "../error.ts";
import { byCodePoint } from "../config/plain.ts";
import { pythonRepr } from "../config/python-text.ts";
import type { NodeRules } from "../pipeline/node.ts";
import { type Signatures, signaturesOf } from "./signatures.ts";
import { isBefore, type Triple } from "./version.ts";

/** How Kedro calls a node without a name. */
export interface FunctionIdentity {
  readonly module: string;
  readonly name: string;
  /** True for functools.partial: `name` is then the inner function's. */
  readonly isPartial: boolean;
  /** Set on a partial by update_wrapper; matters below 1.0 only. */
  readonly wrappedName?: string | undefined;
}

export interface Era {
  /** The automatic name, without namespace. */
  readonly autoName: (func: FunctionIdentity, inputs: readonly string[], outputs: readonly string[]) => string;
  readonly nodes: NodeRules;
  /** `params:x` gets the namespace, and mappings of parameters may leave `params:` out (0.18.0). */
  readonly namespacesParameters: boolean;
  /** `confirms` is mapped with a namespace (0.19.13). */
  readonly mapsConfirms: boolean;
  /** A filter for a namespace is a prefix of its text (below 1.0). */
  readonly prefixNamespaces: boolean;
  /** Where the registry is: a context class, a hook, or the module `pipeline_registry`. */
  readonly registry: "context" | "hook" | "module and hooks" | "module";
  /** `kedro.pipeline.modular_pipeline` is a module that can be imported (below 1.0). */
  readonly hasModularPipeline: boolean;
  /** `settings.py` is read (0.17.0). */
  readonly hasSettings: boolean;
  /** The setting that names the conf folder. */
  readonly confSetting: "CONF_ROOT" | "CONF_SOURCE";
  /** Where the loader is chosen: a hook (or the context) below 0.18, a setting since. */
  readonly loaderFrom: "hook" | "setting";
  /** What is used when nothing chooses. */
  readonly loader: "OmegaConfigLoader" | "ConfigLoader";
  /**
   * What EnvTemplatedConfigLoader of kedro-kubeflow extends: TemplatedConfigLoader up to 0.7 of the plugin, which needs
   * Kedro below 0.19, OmegaConfigLoader since 0.9, which needs more than 0.18.4; null: both go with this Kedro.
   */
  readonly predecessorLoader: "OmegaConfigLoader" | "TemplatedConfigLoader" | null;
  /** CONFIG_LOADER_ARGS replaces the environments too (0.19.0): without them the loader reads conf/ itself. */
  readonly argsReplaceEnvironments: boolean;
  readonly signatures: Signatures;
}

/** The era of a version. Errors: PROJECT_KEDRO_VERSION below 0.16 and above 1.x. */
export function eraOf(version: string): Era {
  if (isBefore(version, [0, 16, 0]) || !isBefore(version, [2, 0, 0])) {
    throw new KfkError("PROJECT_KEDRO_VERSION", `the project is for Kedro ${version}, which kfk cannot read`, {
      hint: "kfk reads projects of Kedro 0.16 to 1.x; kedro_init_version in pyproject.toml or a pin in requirements.txt says the version",
    });
  }
  const since = (...limit: Triple): boolean => !isBefore(version, limit);
  return {
    autoName: since(1, 0, 0) ? hashName : since(0, 19, 0) ? semicolonName : since(0, 17, 6) ? commaName : sortedName,
    nodes: {
      checksNames: since(0, 17, 0),
      checksTags: since(0, 19, 0),
      sortsOutputs: !since(0, 17, 6),
      sortsKeywords: !since(0, 17, 0),
    },
    namespacesParameters: since(0, 18, 0),
    mapsConfirms: since(0, 19, 13),
    prefixNamespaces: !since(1, 0, 0),
    registry: since(0, 18, 0) ? "module" : since(0, 17, 2) ? "module and hooks" : since(0, 17, 0) ? "hook" : "context",
    hasModularPipeline: !since(1, 0, 0),
    hasSettings: since(0, 17, 0),
    confSetting: since(0, 18, 0) ? "CONF_SOURCE" : "CONF_ROOT",
    loaderFrom: since(0, 18, 0) ? "setting" : "hook",
    loader: since(0, 19, 0) ? "OmegaConfigLoader" : "ConfigLoader",
    predecessorLoader: since(0, 19, 0) ? "OmegaConfigLoader" : since(0, 18, 5) ? null : "TemplatedConfigLoader",
    argsReplaceEnvironments: since(0, 19, 0),
    signatures: signaturesOf(version),
  };
}

/** Kedro >= 0.19.9: two parameter files may share a parent key. */
export function hasLeafDuplicates(version: string): boolean {
  return !isBefore(version, [0, 19, 9]);
}

/** Kedro >= 0.19.0: `merge_strategy` of CONFIG_LOADER_ARGS, of OmegaConfigLoader alone. */
export function hasMergeStrategy(version: string): boolean {
  return !isBefore(version, [0, 19, 0]);
}

/** Kedro >= 0.18.5: `kedro run --conf-source`. */
export function hasConfSource(version: string): boolean {
  return !isBefore(version, [0, 18, 5]);
}

/**
 * What `kedro run --params a.b=1` does: `none`: sets a parameter of that name (below 0.17.6); `lost`: the other keys of
 * `a` are gone (0.18.5); `kept`: they stay.
 */
export function nestedParams(version: string): "none" | "lost" | "kept" {
  if (isBefore(version, [0, 17, 6])) return "none";
  return !isBefore(version, [0, 18, 5]) && isBefore(version, [0, 18, 6]) ? "lost" : "kept";
}

// --- internal ---

type AutoName = Era["autoName"];

/** Below 1.0: `func([a;b]) -> [c]`, with a comma below 0.19. */
function arrowName(joint: string, arrange = (names: readonly string[]) => names): AutoName {
  const show = (names: readonly string[]): string => (names.length === 0 ? "None" : `[${arrange(names).join(joint)}]`);
  return (func, inputs, outputs) => {
    const name = func.isPartial ? (func.wrappedName ?? "<partial>") : func.name;
    return `${name}(${show(inputs)}) -> ${show(outputs)}`;
  };
}

const semicolonName = arrowName(";");
const commaName = arrowName(",");
/** Below 0.17.6 the names are sorted. */
const sortedName = arrowName(",", (names) => names.toSorted(byCodePoint));

/** >= 1.0: function name and eight digits of a SHA-256 over module, name, inputs and outputs. */
function hashName(func: FunctionIdentity, inputs: readonly string[], outputs: readonly string[]): string {
  const show = (names: readonly string[]): string => `[${names.map(pythonRepr).join(", ")}]`;
  const base = func.isPartial ? `partial(${func.name})` : func.name;
  const owner = func.isPartial ? base : `${func.module}.${func.name}`;
  const digest = createHash("sha256")
    .update(`${owner}|${show(inputs)}|${show(outputs)}`, "utf8")
    .digest("hex");
  return `${base}__${digest.slice(0, 8)}`;
}
