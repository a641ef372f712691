/**
 * A project's sources → its registered pipelines, in Kedro's order, without running anything of the project.
 *
 * Evaluates `<package>.pipeline_registry.register_pipelines()`, or what Kedro below 0.17.2 had instead of it: the
 * context class's `_get_pipelines()` and the hooks `register_pipelines()`. Refuses what cannot be known (PY_UNKNOWN), what Python
 * would refuse (PY_SYNTAX, PY_RAISED, PY_IMPORT) and what Kedro would refuse (PIPELINE_*).
 * Rules: reference/kedro-semantics.md 1.3, 1.4 (Kedro 0.16 to 1.7).
 */
import { KfkError, type Warning } from "../error.ts";
import { type BuiltPipeline, buildPipeline } from "../pipeline/algebra.ts";
import type { Pipeline } from "../pipeline/model.ts";
import { callValue, NO_ARGUMENTS } from "../python/call.ts";
import type { Host } from "../python/host.ts";
import { loadModule, moduleAttribute } from "../python/modules.ts";
import { iterate, readWithSetOrder, truth } from "../python/operators.ts";
import {
  type CallArguments,
  isObj,
  notesOf,
  placeOfSite,
  PyRaise,
  type Site,
  typeName,
  unknown,
  type Value,
} from "../python/value.ts";
import { dictFrom } from "../python/keys.ts";
import { raise, type Vm } from "../python/vm.ts";
import { type Era, eraOf } from "./era.ts";
import { checkUnchanged, needKnown, pipelineIn, pipelineValue } from "./objects.ts";
import { callContext, callHooks, contextMethod, findOldParts, type OldProject } from "./old.ts";
import { newVm } from "./vm.ts";

export interface ProjectIdentity {
  readonly package: string;
  readonly kedroVersion: string;
  /** Kedro 0.16: what the project says outside its Python. */
  readonly old?: OldProject | undefined;
}

export interface Registry {
  /** In registry order. */
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  /** `env:NAME`, `file:path`, `conf:key`: answers that the graph depends on. */
  readonly dependsOn: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Reads the registry. Errors: PY_*, PIPELINE_*, PROJECT_KEDRO_VERSION. */
export function readRegistry(host: Host, project: ProjectIdentity): Registry {
  const first = readWithSetOrder(0, () => readOnce(host, project));
  if (!first.readsSets) return first.value;
  for (const order of [1, 2] as const) {
    let other: Registry | undefined;
    try {
      other = readWithSetOrder(order, () => readOnce(host, project)).value;
    } catch (error) {
      if (!(error instanceof KfkError)) throw error;
    }
    if (other === undefined || graphText(other) !== graphText(first.value)) throw dependsOnSetOrder();
  }
  return first.value;
}

/** All that makes the graph, as text to compare. */
function graphText({ pipelines }: Registry): string {
  return JSON.stringify([...pipelines], (_key, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...value] : typeof value === "bigint" ? value.toString() : value,
  );
}

function readOnce(host: Host, project: ProjectIdentity): Registry {
  const era = eraOf(project.kedroVersion);
  const vm = newVm(host, era, (own) => (args, site) => findPipelines(own, project.package, era, args, site));
  return guarded(() => {
    const pipelines = new Map<string, Pipeline>();
    const add = (result: Value, site: Site): void => {
      for (const [name, pipeline] of readResult(result, site, vm)) pipelines.set(name, pipeline);
    };
    if (era.registry === "context" || era.registry === "hook") {
      const found = addOld(vm, project, era, add);
      if (!found) throw noOldRegistry(project, era);
    } else {
      const isOptional = era.registry === "module and hooks";
      const isThere = addModule(vm, project.package, isOptional, add);
      if (isOptional && !addOld(vm, project, era, add) && !isThere) throw noRegistry(project.package);
    }
    return { pipelines, dependsOn: [...vm.dependsOn].toSorted(), warnings: vm.warnings };
  });
}

/** Turns exceptions of the evaluated program that nobody caught into errors for people. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PyRaise) {
      if (error.verdict instanceof KfkError) throw error.verdict;
      throw raised(error);
    }
    throw error;
  }
}

// --- internal ---

type Add = (result: Value, site: Site) => void;

function addModule(vm: Vm, packageName: string, isOptional: boolean, add: Add): boolean {
  // Kedro imports the settings first; what they import of the project acts on it.
  const settings = vm.host.source(`${packageName}.settings`);
  const top = packageName.split(".", 1)[0] ?? packageName;
  if (settings && new RegExp(`\\b(?:from|import)\\s+(?:\\.|${top}\\b)`).test(settings.text))
    loadModule(vm, `${packageName}.settings`, undefined);
  const module = loadModule(vm, `${packageName}.pipeline_registry`, undefined);
  if (module === undefined && isOptional) return false;
  if (module === undefined) throw noRegistry(packageName);
  const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
  const register = moduleAttribute(vm, module, "register_pipelines", site);
  if (register === undefined) throw noRegister(module.source.file, module.source.text);
  add(callValue(vm, register, NO_ARGUMENTS, site), site);
  return true;
}

/** Kedro below 0.18; false when nothing registers anything. */
function addOld(vm: Vm, project: ProjectIdentity, era: Era, add: Add): boolean {
  const parts = findOldParts(vm, project.package, era, project.old);
  if (parts === undefined) return false;
  for (const name of ["pipelines", "pipeline", "_get_pipeline"]) {
    if (contextMethod(parts, name) === undefined) continue;
    throw needKnown(unknown(`the context class has its own ${name}`, parts.site), "the pipelines", parts.site);
  }
  const own = contextMethod(parts, "_get_pipelines");
  if (own !== undefined) {
    add(callContext(vm, own, [], parts.site), parts.site);
    return true;
  }
  const results = callHooks(vm, parts, "register_pipelines", new Map());
  for (const result of results) add(result, parts.site);
  return results.length > 0;
}

function readResult(result: Value, site: Site, vm: Vm): Map<string, Pipeline> {
  if (!isObj(result) || result.kind !== "dict" || result.poison)
    throw needKnown(result, "what register_pipelines returns", site);
  const pipelines = new Map<string, Pipeline>();
  for (const { key, value } of result.map.values()) {
    if (typeof key !== "string") throw needKnown(key, "the name of a registered pipeline", site);
    const pipeline = pipelineIn(value);
    if (pipeline !== undefined) {
      checkUnchanged(pipeline.nodes);
      pipelines.set(key, pipeline);
    } else if (value === 0n)
      vm.warnings.push({ message: `the pipeline "${key}" is the sum of no pipelines; it is left out` });
    else throw needKnown(value, `the registered pipeline "${key}"`, site);
  }
  return pipelines;
}

/** Kedro's discovery: `<package>.pipeline`, then each folder below `<package>.pipelines`. */
function findPipelines(vm: Vm, packageName: string, era: Era, args: CallArguments, site: Site): Value {
  const raiseErrors = truth(args.keywords.get("raise_errors") ?? args.positional[0] ?? false, site);
  if (typeof raiseErrors !== "boolean") throw needKnown(raiseErrors, "raise_errors of find_pipelines", site);
  const wanted = readWanted(args.keywords.get("pipelines_to_find") ?? args.positional[1] ?? null, site);
  const found = new Map<string, Value>();
  const loadsAll = wanted === undefined || wanted.includes("__default__");
  if (loadsAll) {
    const single = createFrom(vm, `${packageName}.pipeline`, raiseErrors, site, true);
    found.set("__default__", single ?? pipelineValue(emptyPipeline(), era));
  }
  for (const folder of vm.host.folders(`${packageName}.pipelines`)) {
    if (folder === "__pycache__" || folder.startsWith(".")) continue;
    if (!loadsAll && !wanted.includes(folder)) continue;
    const value = createFrom(vm, `${packageName}.pipelines.${folder}`, raiseErrors, site, false);
    if (value !== undefined) found.set(folder, value);
  }
  return dictFrom(found);
}

function readWanted(value: Value, site: Site): string[] | undefined {
  if (value === null) return undefined;
  const items = iterate(value, site);
  if ("kind" in items) throw needKnown(items, "pipelines_to_find", site);
  return items.items.map((item) => {
    if (typeof item !== "string") throw needKnown(item, "pipelines_to_find", site);
    return item;
  });
}

function emptyPipeline(): BuiltPipeline {
  return buildPipeline([]);
}

/** What `create_pipeline()` of a package gives; undefined, with a warning, where Kedro warns and goes on. */
function createFrom(vm: Vm, name: string, raiseErrors: boolean, site: Site, isOptional: boolean): Value | undefined {
  let create: Value | undefined;
  try {
    const module = loadModule(vm, name, site);
    if (module === undefined) {
      if (isOptional) return undefined;
      throw raise("ModuleNotFoundError", `No module named '${name}'`, site);
    }
    create = moduleAttribute(vm, module, "create_pipeline", site);
  } catch (error) {
    if (!isImportFailure(error) || raiseErrors) throw error;
    vm.warnings.push({
      message: `find_pipelines() leaves out ${name}, because importing it fails: ${(error as Error).message}`,
      at: error instanceof KfkError ? error.at : placeOfSite((error as PyRaise).site),
      hint: "correct the module, or use find_pipelines(raise_errors=True)",
    });
    return undefined;
  }
  if (create === undefined) return skip(vm, `the module ${name} has no create_pipeline`, raiseErrors, site);
  const value = callValue(vm, create, NO_ARGUMENTS, site);
  if (pipelineIn(value) !== undefined) return value;
  if (isObj(value) && value.kind === "unknown") throw needKnown(value, `the pipeline of ${name}`, undefined);
  return skip(vm, `create_pipeline of ${name} returns a ${typeName(value)}`, raiseErrors, site);
}

function skip(vm: Vm, why: string, raiseErrors: boolean, site: Site): undefined {
  if (raiseErrors) throw raise("ImportError", why, site);
  vm.warnings.push({ message: `find_pipelines() leaves out a folder: ${why}`, at: placeOfSite(site) });
  return undefined;
}

/** What Python raises at import: exceptions and syntax errors, not what kfk cannot know. */
function isImportFailure(error: unknown): boolean {
  if (error instanceof PyRaise) return true;
  return error instanceof KfkError && (error.code === "PY_SYNTAX" || error.code === "PY_IMPORT");
}

function raised(error: PyRaise): KfkError {
  const what = error.message === "" ? error.type : `${error.type}: ${error.message}`;
  return new KfkError("PY_RAISED", `the project's own code stops with ${what}`, {
    at: placeOfSite(error.site),
    notes: isObj(error.exception) && error.exception.kind === "unknown" ? notesOf(error.exception) : [],
    hint: "correct it; Kedro stops here too",
  });
}

function noRegistry(packageName: string): KfkError {
  return new KfkError("PY_IMPORT", `the project has no module ${packageName}.pipeline_registry`, {
    hint: "Kedro looks for register_pipelines() there; create the file or correct package_name in pyproject.toml",
  });
}

function noOldRegistry(project: ProjectIdentity, era: Era): KfkError {
  const place = era.registry === "context" ? "the hooks of .kedro.yml or the context class" : "HOOKS in settings.py";
  return new KfkError("PY_IMPORT", "the project registers no pipelines", {
    at: project.old?.at,
    hint: `Kedro ${project.kedroVersion} looks for register_pipelines in ${place}`,
  });
}

function noRegister(file: string, text: string): KfkError {
  return new KfkError("PY_IMPORT", `${file} has no function register_pipelines`, {
    at: { file, line: 1, column: 1, text },
    hint: "Kedro calls it to learn the pipelines",
  });
}

function dependsOnSetOrder(): KfkError {
  return new KfkError(
    "PY_UNKNOWN",
    "the pipelines depend on the order of a set, which Python makes anew in each process",
    {
      hint: "sort the set before it is used: sorted(...)",
    },
  );
}
