/**
 * `settings.py` → where configuration lies and how Kedro's loader reads it. A template file, all comments, costs a
 * look at its text only.
 * Rules: reference/kedro-semantics.md 1.2 (Kedro 0.19 to 1.7).
 */
import type { CustomResolver } from "../config/resolvers.ts";
import { KfkError, type Warning } from "../error.ts";
import type { Host } from "../python/host.ts";
import { loadModule, moduleAttribute } from "../python/modules.ts";
import { isObj, type PyDict, type Site, unknownOf, type Value } from "../python/value.ts";
import { raise } from "../python/vm.ts";
import { eraOf } from "./era.ts";
import { needKnown } from "./objects.ts";
import { guarded, type ProjectIdentity } from "./registry.ts";
import { newVm } from "./vm.ts";

export interface Settings {
  /** `CONF_SOURCE`: relative to the project, or absolute. */
  readonly confSource: string;
  readonly loader: LoaderArguments;
  readonly warnings: readonly Warning[];
}

/** `CONFIG_LOADER_ARGS`, with the defaults of the version. */
export interface LoaderArguments {
  readonly baseEnv: string;
  readonly defaultRunEnv: string;
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  readonly mergeStrategy: ReadonlyMap<string, string>;
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  readonly ignoreHidden: boolean;
}

/** Reads the settings. Errors: CONFIG_LOADER for another loader than OmegaConfigLoader, PY_* for broken code. */
export function readSettings(host: Host, project: ProjectIdentity): Settings {
  const era = eraOf(project.kedroVersion);
  const name = `${project.package}.settings`;
  const source = host.source(name);
  if (source === undefined || !/^[A-Z_]+\s*[=:]|^(?:from|import|if|try|def|class|for|with)\b/m.test(source.text)) {
    return { confSource: "conf", loader: DEFAULT_LOADER, warnings: [] };
  }
  const vm = newVm(host, era, () => (_, site) => {
    throw raise("RuntimeError", "find_pipelines() is called while settings are read", site);
  });
  return guarded(() => {
    const module = loadModule(vm, name, undefined);
    if (module === undefined) return { confSource: "conf", loader: DEFAULT_LOADER, warnings: [] };
    const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
    const get = (setting: string): Value | undefined =>
      module.index.bindings.has(setting) || module.frame.names.has(setting) || module.index.otherText.includes(setting)
        ? moduleAttribute(vm, module, setting, site)
        : undefined;
    const confSource = get("CONF_SOURCE") ?? "conf";
    if (typeof confSource !== "string") throw needKnown(confSource, "CONF_SOURCE in settings.py", site);
    checkLoader(get("CONFIG_LOADER_CLASS"), site);
    return {
      confSource,
      loader: readLoader(get("CONFIG_LOADER_ARGS"), site),
      warnings: [
        ...warnCustom("CONTEXT_CLASS", get("CONTEXT_CLASS"), "parameters and catalog"),
        ...warnCustom("DATA_CATALOG_CLASS", get("DATA_CATALOG_CLASS"), "the catalog"),
        ...vm.warnings,
      ],
    };
  });
}

// --- internal ---

const DEFAULT_LOADER: LoaderArguments = {
  baseEnv: "base",
  defaultRunEnv: "local",
  patterns: new Map(),
  mergeStrategy: new Map(),
  customResolvers: new Map(),
  ignoreHidden: true,
};

/** Given arguments replace the default ones whole: without environments the loader reads conf/ itself. */
function readLoader(value: Value | undefined, site: Site): LoaderArguments {
  if (value === undefined || value === null) return DEFAULT_LOADER;
  if (!isObj(value) || value.kind !== "dict" || value.poison)
    throw needKnown(value, "CONFIG_LOADER_ARGS in settings.py", site);
  const text = (key: string): string => {
    const item = itemOf(value, key) ?? "";
    if (typeof item !== "string") throw needKnown(item, `${key} in CONFIG_LOADER_ARGS`, site);
    return item;
  };
  const hidden = itemOf(value, "ignore_hidden") ?? true;
  return {
    baseEnv: text("base_env"),
    defaultRunEnv: text("default_run_env"),
    patterns: new Map(
      entriesOf(value, "config_patterns", site).map(([key, list]) => [
        key,
        textList(list, `config_patterns["${key}"]`, site),
      ]),
    ),
    mergeStrategy: new Map(
      entriesOf(value, "merge_strategy", site).map(([key, item]) => {
        if (typeof item !== "string") throw needKnown(item, `merge_strategy["${key}"]`, site);
        return [key, item];
      }),
    ),
    customResolvers: new Map(
      entriesOf(value, "custom_resolvers", site).map(([key, item]) => [key, resolverOf(key, item)]),
    ),
    ignoreHidden: hidden !== false,
  };
}

function itemOf(dict: PyDict, key: string): Value | undefined {
  return dict.map.get(`s${key}`)?.value;
}

function entriesOf(dict: PyDict, key: string, site: Site): [string, Value][] {
  const value = itemOf(dict, key);
  if (value === undefined || value === null) return [];
  if (!isObj(value) || value.kind !== "dict" || value.poison)
    throw needKnown(value, `${key} in CONFIG_LOADER_ARGS`, site);
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

function checkLoader(value: Value | undefined, site: Site): void {
  if (value === undefined || value === null) return;
  const isKnown =
    isObj(value) &&
    value.kind === "unknown" &&
    /^kedro\.config(?:\.\w+)?\.OmegaConfigLoader$/.test(value.external ?? "");
  if (isKnown) return;
  throw new KfkError("CONFIG_LOADER", "CONFIG_LOADER_CLASS in settings.py is another loader than OmegaConfigLoader", {
    at: {
      file: site.source.file,
      line: lineOf(site.source.text, "CONFIG_LOADER_CLASS"),
      column: 1,
      text: site.source.text,
    },
    hint: "kfk reads configuration as OmegaConfigLoader does",
  });
}

function lineOf(text: string, word: string): number {
  return text.slice(0, Math.max(0, text.search(new RegExp(`^${word}`, "m")))).split("\n").length;
}

function warnCustom(setting: string, value: Value | undefined, what: string): Warning[] {
  if (value === undefined || value === null) return [];
  return [{ message: `settings.py sets ${setting}: what it changes in ${what} is not seen by kfk` }];
}
