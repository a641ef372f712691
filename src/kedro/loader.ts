/**
 * Kedro's config loaders as values of the interpreter, and what a project sets them to: by `CONFIG_LOADER_CLASS` and
 * `CONFIG_LOADER_ARGS` (0.18 and newer), or by what a hook or the context builds (below 0.18).
 *
 * kedro-kubeflow's EnvTemplatedConfigLoader is one of these with the variables KEDRO_CONFIG_* as values.
 * Refused: other classes than these, and folders other than the ones that Kedro hands to the hook.
 * Rules: reference/kedro-semantics.md 1.2, 4.1 to 4.4 (Kedro 0.16 to 1.7); kedro-kubeflow 0.4.0, 0.7.4, 0.9.0, 0.11.0
 * `context_helper.py`.
 */
import type { CustomResolver } from "../config/resolvers.ts";
import { adopt, type ConfigNode, type MapNode } from "../config/tree.ts";
import type { PlainKey } from "../config/plain.ts";
import { KfkError } from "../error.ts";
import {
  type Builtin,
  type CallArguments,
  type Custom,
  isObj,
  placeOfSite,
  type PyDict,
  type Site,
  unknown,
  unknownOf,
  type Value,
} from "../python/value.ts";
import { dictFrom } from "../python/keys.ts";
import type { Era } from "./era.ts";
import { needKnown } from "./objects.ts";

export type LoaderKind = "OmegaConfigLoader" | "ConfigLoader" | "TemplatedConfigLoader";

/** `CONFIG_LOADER_ARGS`, with the defaults of the version. */
export interface LoaderArguments {
  readonly kind: LoaderKind;
  readonly baseEnv: string;
  readonly defaultRunEnv: string;
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  readonly mergeStrategy: ReadonlyMap<string, string>;
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  readonly ignoreHidden: boolean;
  /** Of a TemplatedConfigLoader: files with values for its templates, and values given in code, which win. */
  readonly globalsPattern: string | null;
  readonly globals: MapNode;
  /** EnvTemplatedConfigLoader: `KEDRO_CONFIG_NAME` is the value of `name`, of a template or for `oc.env`. */
  readonly takesKedroConfig: boolean;
}

/** The paths that Kedro below 0.18 hands to `register_config_loader`; nobody opens them. */
export const CONF_PATHS: readonly string[] = ["<conf>/base", "<conf>/<env>"];

/**
 * A library module that holds the loaders, or undefined when `name` is another module. `read`: what code gets that
 * makes an OmegaConfigLoader of its own.
 */
export function loaderLibrary(name: string, read: Builtin["call"]): Value | undefined {
  if (name === PREDECESSOR) {
    const call: Builtin["call"] = (args) => loaderValue({ kind: "predecessor", args });
    const own: Builtin = { kind: "builtin", name: ENV_TEMPLATED, type: ENV_TEMPLATED, moduleName: PREDECESSOR, call };
    return { kind: "library", name, attributes: new Map<string, Value>([[ENV_TEMPLATED, own]]) };
  }
  if (!/^kedro\.config(?:\.\w+)?$/.test(name)) return undefined;
  const attributes = new Map<string, Value>();
  for (const kind of KINDS) {
    attributes.set(kind, {
      kind: "builtin",
      name: kind,
      type: kind,
      moduleName: "kedro.config",
      call: kind === "OmegaConfigLoader" ? read : (args) => loaderValue({ kind, args }),
    });
  }
  return { kind: "library", name, attributes };
}

/** The defaults of a version. */
export function defaultLoader(era: Era): LoaderArguments {
  return {
    kind: era.loader,
    baseEnv: "base",
    defaultRunEnv: "local",
    patterns: new Map(),
    mergeStrategy: new Map(),
    customResolvers: new Map(),
    ignoreHidden: true,
    globalsPattern: null,
    globals: EMPTY,
    takesKedroConfig: false,
  };
}

/** From the two settings. Errors: CONFIG_LOADER, PY_UNKNOWN. */
export function loaderFromSettings(
  era: Era,
  given: Value | undefined,
  args: Value | undefined,
  site: Site,
): LoaderArguments {
  const isPredecessors = isEnvTemplated(given);
  const standard = isPredecessors
    ? predecessorLoader(era, site)
    : { ...defaultLoader(era), kind: given === undefined || given === null ? era.loader : kindOf(given, site) };
  if (args === undefined || args === null) return standard;
  if (!isObj(args) || args.kind !== "dict" || args.poison) throw needKnown(args, `${ARGS} in settings.py`, site);
  if (isPredecessors) return readPredecessor(args, standard, site);
  return readArguments(args, standard, era.argsReplaceEnvironments, site);
}

/** From what `register_config_loader` gives (below 0.18). Errors: CONFIG_LOADER, PY_UNKNOWN. */
export function loaderFromHook(era: Era, value: Value, site: Site): LoaderArguments {
  if (!isObj(value) || value.kind !== "custom" || value.type !== LOADER) throw otherLoader(value, site);
  const { kind, args } = value.data as Built;
  const [paths = args.keywords.get("conf_paths")] = args.positional;
  const isSame =
    isObj(paths ?? null) &&
    (paths as { kind: string }).kind === "list" &&
    JSON.stringify((paths as { items: unknown }).items) === JSON.stringify(CONF_PATHS);
  if (!isSame) throw otherPaths(site);
  const keywords = dictFrom(new Map([...args.keywords].filter(([name]) => name !== "conf_paths")));
  if (kind === "predecessor") return readPredecessor(keywords, predecessorLoader(era, site), site);
  return readArguments(keywords, { ...defaultLoader(era), kind }, false, site);
}

// --- internal ---

const LOADER = "ConfigLoader";
const ARGS = "CONFIG_LOADER_ARGS";
const KINDS: readonly LoaderKind[] = ["ConfigLoader", "TemplatedConfigLoader", "OmegaConfigLoader"];
const EMPTY: MapNode = { kind: "map", entries: new Map(), at: undefined };

/** Where kedro-kubeflow has its loader, and how it is called. */
const PREDECESSOR = "kedro_kubeflow.context_helper";
const ENV_TEMPLATED = "EnvTemplatedConfigLoader";

interface Built {
  readonly kind: LoaderKind | "predecessor";
  readonly args: CallArguments;
}

function loaderValue(built: Built): Custom {
  const doubt = (site: Site): Value => unknown(`configuration read by a ${built.kind} in code is not followed`, site);
  return {
    kind: "custom",
    type: LOADER,
    data: built,
    attribute: (_, site) => doubt(site),
    item: (_, site) => doubt(site),
    setAttribute: () => true,
  };
}

function kindOf(value: Value, site: Site): LoaderKind {
  const name = isObj(value) && value.kind === "builtin" && value.moduleName === "kedro.config" ? value.name : undefined;
  const kind = KINDS.find((candidate) => candidate === name);
  if (kind === undefined) throw otherLoader(value, site);
  return kind;
}

function isEnvTemplated(value: Value | undefined): boolean {
  return isObj(value ?? null) && (value as Builtin).kind === "builtin" && (value as Builtin).moduleName === PREDECESSOR;
}

function predecessorLoader(era: Era, site: Site): LoaderArguments {
  const kind = era.predecessorLoader;
  if (kind === null) throw twoLoaders(site);
  return {
    ...defaultLoader(era),
    kind,
    customResolvers:
      kind === "OmegaConfigLoader" ? new Map([["oc.env", { kind: "builtin", name: "oc.env" }]]) : new Map(),
    takesKedroConfig: true,
  };
}

/** It takes the names of environments, and since 0.9 patterns; with another argument Kedro would not start. */
function readPredecessor(dict: PyDict, standard: LoaderArguments, site: Site): LoaderArguments {
  const known = ["base_env", "default_run_env", ...(standard.kind === "OmegaConfigLoader" ? ["config_patterns"] : [])];
  for (const { key } of dict.map.values()) {
    if (typeof key !== "string" || !known.includes(key)) throw notTaken(key, known, site);
  }
  const { baseEnv, defaultRunEnv, patterns } = readArguments(dict, standard, false, site);
  return { ...standard, baseEnv, defaultRunEnv, patterns };
}

/** Given arguments replace the default ones whole since 0.19: without environments the loader reads conf/ itself. */
function readArguments(dict: PyDict, standard: LoaderArguments, replaces: boolean, site: Site): LoaderArguments {
  const text = (key: string, otherwise: string): string => {
    const item = itemOf(dict, key) ?? (replaces ? "" : otherwise);
    if (typeof item !== "string") throw needKnown(item, `${key} in ${ARGS}`, site);
    return item;
  };
  const hidden = itemOf(dict, "ignore_hidden") ?? true;
  const pattern = itemOf(dict, "globals_pattern") ?? null;
  if (pattern !== null && typeof pattern !== "string") throw needKnown(pattern, "globals_pattern", site);
  const globals = itemOf(dict, "globals_dict") ?? null;
  const tree = globals === null ? EMPTY : nodeOf(globals);
  if (tree.kind !== "map") throw needKnown(globals, "globals_dict", site);
  return {
    kind: standard.kind,
    takesKedroConfig: standard.takesKedroConfig,
    baseEnv: text("base_env", standard.baseEnv),
    defaultRunEnv: text("default_run_env", standard.defaultRunEnv),
    patterns: new Map(
      entriesOf(dict, "config_patterns", site).map(([key, list]) => [
        key,
        textList(list, `config_patterns["${key}"]`, site),
      ]),
    ),
    mergeStrategy: new Map(
      entriesOf(dict, "merge_strategy", site).map(([key, item]) => {
        if (typeof item !== "string") throw needKnown(item, `merge_strategy["${key}"]`, site);
        return [key, item];
      }),
    ),
    customResolvers: new Map(
      entriesOf(dict, "custom_resolvers", site).map(([key, item]) => [key, resolverOf(key, item)]),
    ),
    ignoreHidden: hidden !== false,
    globalsPattern: pattern,
    globals: tree,
  };
}

function itemOf(dict: PyDict, key: string): Value | undefined {
  return dict.map.get(`s${key}`)?.value;
}

function entriesOf(dict: PyDict, key: string, site: Site): [string, Value][] {
  const value = itemOf(dict, key);
  if (value === undefined || value === null) return [];
  if (!isObj(value) || value.kind !== "dict" || value.poison) throw needKnown(value, `${key} in ${ARGS}`, site);
  return [...value.map.values()].map((entry) => {
    if (typeof entry.key !== "string") throw needKnown(entry.key, `a key of ${key}`, site);
    return [entry.key, entry.value];
  });
}

function textList(value: Value, what: string, site: Site): string[] {
  if (!isObj(value) || (value.kind !== "list" && value.kind !== "tuple") || unknownOf(value))
    throw needKnown(value, what, site);
  return value.items.map((item) => {
    if (typeof item !== "string") throw needKnown(item, what, site);
    return item;
  });
}

/** The environment is looked up as OmegaConf does; what other resolvers give only Python knows. */
function resolverOf(name: string, value: Value): CustomResolver {
  if (isObj(value) && value.kind === "unknown" && value.external === "omegaconf.resolvers.oc.env")
    return { kind: "builtin", name: "oc.env" };
  return { kind: "opaque", reason: `it comes from the project's resolver "${name}", which only Python can run` };
}

/** A value of the code as configuration; what is not known stays one value that is not known. */
function nodeOf(value: Value): ConfigNode {
  if (!isObj(value)) return { kind: "scalar", value, at: undefined, literal: true };
  const doubt = unknownOf(value);
  if (doubt === undefined && (value.kind === "list" || value.kind === "tuple")) {
    return adopt({ kind: "list", items: value.items.map(nodeOf), at: undefined });
  }
  if (doubt === undefined && value.kind === "dict") {
    const entries = [...value.map.values()].map((entry) => [entry.key as PlainKey, nodeOf(entry.value)] as const);
    if (entries.every(([key]) => typeof key === "string")) {
      return adopt({ kind: "map", entries: new Map(entries), at: undefined });
    }
  }
  return { kind: "opaque", reason: doubt?.reason ?? "it is made by the project's code", at: undefined };
}

function otherLoader(value: Value, site: Site): KfkError {
  const doubt = unknownOf(value);
  const name = isObj(value) && value.kind === "class" ? ` ("${value.name}")` : "";
  const where = placeOfSite(site);
  const line = site.source.text.split("\n").findIndex((text) => text.startsWith("CONFIG_LOADER_CLASS")) + 1;
  return new KfkError(
    "CONFIG_LOADER",
    `the project has a config loader of its own${name}, and kfk reads configuration as Kedro's loaders do`,
    {
      at: where && line > 0 ? { ...where, line, column: 1 } : where,
      hint: "use --from python",
      notes: doubt === undefined ? [] : [{ message: doubt.reason, at: placeOfSite(doubt.site) }],
    },
  );
}

function twoLoaders(site: Site): KfkError {
  return new KfkError(
    "CONFIG_LOADER",
    `${ENV_TEMPLATED} of kedro-kubeflow is a TemplatedConfigLoader up to 0.7 and an OmegaConfigLoader since 0.9, and this Kedro goes with both`,
    {
      at: placeOfSite(site),
      hint: "set CONFIG_LOADER_CLASS to the one of Kedro that is meant, or use --from python",
    },
  );
}

function notTaken(key: Value, known: readonly string[], site: Site): KfkError {
  return new KfkError("CONFIG_LOADER", `${ENV_TEMPLATED} takes no argument ${JSON.stringify(key)}`, {
    at: placeOfSite(site),
    hint: `it takes ${known.join(", ")}`,
  });
}

function otherPaths(site: Site): KfkError {
  return new KfkError("CONFIG_LOADER", "the project's config loader reads other folders than Kedro hands to it", {
    at: placeOfSite(site),
    hint: "pass conf_paths on as they are, or use --from python",
  });
}
