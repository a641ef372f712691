/**
 * `settings.py` (and, below 0.18, hooks or the context class) → where configuration lies and how Kedro's loader reads
 * it. A template file, all comments, costs a look at its text only.
 * Rules: reference/kedro-semantics.md 1.2, 1.3 (Kedro 0.16 to 1.7).
 */
import type { Warning } from "../error.ts";
import type { Host } from "../python/host.ts";
import { loadModule, moduleAttribute } from "../python/modules.ts";
import { findInClass } from "../python/lineage.ts";
import { list, type Site, unknown, type Value } from "../python/value.ts";
import { raise, type Vm } from "../python/vm.ts";
import { type Era, eraOf } from "./era.ts";
import { CONF_PATHS, defaultLoader, type LoaderArguments, loaderFromHook, loaderFromSettings } from "./loader.ts";
import { needKnown } from "./objects.ts";
import { callContext, callHooks, contextMethod, findOldParts, type OldParts } from "./old.ts";
import { guarded, type ProjectIdentity } from "./registry.ts";
import { newVm } from "./vm.ts";

export interface Settings {
  /** `CONF_SOURCE`: relative to the project, or absolute. */
  readonly confSource: string;
  readonly loader: LoaderArguments;
  /** The project has hooks of its own, which may add datasets to the catalog. */
  readonly hasHooks: boolean;
  /** `DISABLE_HOOKS_FOR_PLUGINS`: plugins by the names of their packages; absent: none, or they cannot be known. */
  readonly disabledPlugins?: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Reads the settings. Errors: CONFIG_LOADER for another loader than Kedro's, PY_* for broken code. */
export function readSettings(host: Host, project: ProjectIdentity): Settings {
  const era = eraOf(project.kedroVersion);
  const nothing: Settings = {
    confSource: "conf",
    loader: defaultLoader(era),
    hasHooks: !era.hasSettings,
    warnings: [],
  };
  const name = `${project.package}.settings`;
  const source = era.hasSettings ? host.source(name) : undefined;
  const isEmpty =
    source === undefined || !/^[A-Z_]+\s*[=:]|^(?:from|import|if|try|def|class|for|with)\b/m.test(source.text);
  if (isEmpty && era.hasSettings) return nothing;
  const vm = newVm(host, era, () => (_, site) => {
    throw raise("RuntimeError", "find_pipelines() is called while settings are read", site);
  });
  return guarded(() => {
    if (!era.hasSettings) return readContext(vm, project, era);
    const module = loadModule(vm, name, undefined);
    if (module === undefined) return nothing;
    const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
    const get = (setting: string): Value | undefined =>
      module.index.bindings.has(setting) || module.frame.names.has(setting) || module.index.otherText.includes(setting)
        ? moduleAttribute(vm, module, setting, site)
        : undefined;
    const loader =
      era.loaderFrom === "setting"
        ? loaderFromSettings(era, get("CONFIG_LOADER_CLASS"), get("CONFIG_LOADER_ARGS"), site)
        : loaderOfHooks(vm, findOldParts(vm, project.package, era, project.old), era);
    return {
      confSource: confText(get(era.confSetting), `${era.confSetting} in settings.py`, site),
      loader,
      hasHooks: /^HOOKS\s*[:=]/m.test(module.source.text),
      disabledPlugins: textsOf(get("DISABLE_HOOKS_FOR_PLUGINS")),
      warnings: [
        ...warnCustom("settings.py sets CONTEXT_CLASS", get("CONTEXT_CLASS"), "parameters and catalog"),
        ...warnCustom("settings.py sets DATA_CATALOG_CLASS", get("DATA_CATALOG_CLASS"), "the catalog"),
        ...vm.warnings,
      ],
    };
  });
}

// --- internal ---

function textsOf(value: Value | undefined): string[] {
  if (typeof value !== "object" || value === null) return [];
  const items = value.kind === "list" || value.kind === "tuple" ? value.items : [];
  return items.filter((item) => typeof item === "string");
}

function confText(value: Value | undefined, what: string, site: Site): string {
  const text = value ?? "conf";
  if (typeof text !== "string") throw needKnown(text, what, site);
  return text;
}

/** Kedro 0.16: the context class says what settings.py says later. */
function readContext(vm: Vm, project: ProjectIdentity, era: Era): Settings {
  const parts = findOldParts(vm, project.package, era, project.old);
  if (parts === undefined)
    return { confSource: "conf", loader: defaultLoader(era), hasHooks: true, warnings: vm.warnings };
  const root = parts.context === undefined ? undefined : findInClass(parts.context, "CONF_ROOT");
  const own = contextMethod(parts, "_get_config_loader") ?? contextMethod(parts, "config_loader");
  if (own !== undefined) {
    throw needKnown(unknown("the context class makes it", parts.site), "the config loader", parts.site);
  }
  const create = contextMethod(parts, "_create_config_loader");
  const loader =
    create === undefined
      ? loaderOfHooks(vm, parts, era)
      : loaderFromHook(era, callContext(vm, create, [confPaths()], parts.site), parts.site);
  return {
    confSource: confText(root, "CONF_ROOT of the context class", parts.site),
    hasHooks: true,
    loader,
    warnings: [
      ...["params", "catalog", "_get_catalog", "_create_catalog", "_get_feed_dict"].flatMap((name) =>
        warnCustom(`the context class has its own ${name}`, contextMethod(parts, name), "parameters and catalog"),
      ),
      ...vm.warnings,
    ],
  };
}

/** The first answer counts; nobody answers: a plain ConfigLoader. */
function loaderOfHooks(vm: Vm, parts: OldParts | undefined, era: Era): LoaderArguments {
  if (parts === undefined) return defaultLoader(era);
  const { site } = parts;
  const given = new Map<string, Value>([
    ["conf_paths", confPaths()],
    ["env", unknown("it is the run environment", site)],
    ["extra_params", null],
  ]);
  const [value] = callHooks(vm, parts, "register_config_loader", given);
  return value === undefined ? defaultLoader(era) : loaderFromHook(era, value, site);
}

function confPaths(): Value {
  return list([...CONF_PATHS]);
}

function warnCustom(what: string, value: Value | undefined, where: string): Warning[] {
  if (value === undefined || value === null) return [];
  return [{ message: `${what}: what it changes in ${where} is not seen by kfk` }];
}
