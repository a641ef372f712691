/**
 * A project's sources → its registered pipelines, in Kedro's order, without running anything of the project.
 *
 * Evaluates `<package>.pipeline_registry.register_pipelines()`. Refuses what cannot be known (PY_UNKNOWN), what Python
 * would refuse (PY_SYNTAX, PY_RAISED, PY_IMPORT) and what Kedro would refuse (PIPELINE_*).
 * Rules: reference/kedro-semantics.md 1.3, 1.4 (Kedro 0.19 to 1.7).
 */
import { KfkError, type Warning } from "../error.ts";
import { type BuiltPipeline, buildPipeline } from "../pipeline/algebra.ts";
import type { Pipeline } from "../pipeline/model.ts";
import { callValue, NO_ARGUMENTS } from "../python/call.ts";
import type { Host } from "../python/host.ts";
import { loadModule, moduleAttribute } from "../python/modules.ts";
import { iterate, truth } from "../python/operators.ts";
import {
  type CallArguments,
  dictFrom,
  isObj,
  notesOf,
  placeOfSite,
  PyRaise,
  type Site,
  typeName,
  type Value,
} from "../python/value.ts";
import { raise, type Vm } from "../python/vm.ts";
import { type Era, eraOf } from "./era.ts";
import { checkUnchanged, needKnown, pipelineIn, pipelineValue } from "./objects.ts";
import { newVm } from "./vm.ts";

export interface ProjectIdentity {
  readonly package: string;
  readonly kedroVersion: string;
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
  const era = eraOf(project.kedroVersion);
  const vm = newVm(host, era, (own) => (args, site) => findPipelines(own, project.package, era, args, site));
  const name = `${project.package}.pipeline_registry`;
  return guarded(() => {
    const module = loadModule(vm, name, undefined);
    if (module === undefined) throw noRegistry(project.package);
    const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
    const register = moduleAttribute(vm, module, "register_pipelines", site);
    if (register === undefined) throw noRegister(module.source.file, module.source.text);
    const result = callValue(vm, register, NO_ARGUMENTS, site);
    return { pipelines: readResult(result, site, vm), dependsOn: [...vm.dependsOn].toSorted(), warnings: vm.warnings };
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

function noRegister(file: string, text: string): KfkError {
  return new KfkError("PY_IMPORT", `${file} has no function register_pipelines`, {
    at: { file, line: 1, column: 1, text },
    hint: "Kedro calls it to learn the pipelines",
  });
}
