/**
 * Kedro below 0.18 keeps in classes what later versions keep in modules: a context class (`run.py`) and hooks
 * (`hooks.py`), found through `.kedro.yml`, `pyproject.toml` or `settings.py`. Here they are found and called.
 *
 * A hook object that a library makes is not read: it gives a warning, as it could register pipelines of its own.
 * Rules: reference/kedro-semantics.md 1.1, 1.3, 4.4; kedro-org/kedro 0.16.0 to 0.17.7 `framework/context`.
 */
import { KfkError, type Place } from "../error.ts";
import { attributeOf } from "../python/attributes.ts";
import { callValue } from "../python/call.ts";
import { findInClass } from "../python/lineage.ts";
import { loadModule, moduleAttribute } from "../python/modules.ts";
import { iterate } from "../python/operators.ts";
import { type ClassValue, isObj, placeOfSite, type Site, unknown, type Value } from "../python/value.ts";
import type { Vm } from "../python/vm.ts";
import type { Era } from "./era.ts";
import { needKnown } from "./objects.ts";

/** What a project of Kedro 0.16 says outside its Python. */
export interface OldProject {
  /** Dotted path of the context class; undefined: Kedro's own. */
  readonly contextPath: string | undefined;
  /** Dotted paths of hook objects. */
  readonly hooks: readonly string[];
  /** The file that says so. */
  readonly at: Place;
}

/** The parts of a project that may register something, in the order of registration. */
export interface OldParts {
  readonly context: ClassValue | undefined;
  readonly hooks: readonly Value[];
  readonly site: Site;
}

/** Finds the context class and the hooks. Errors: PY_*. */
export function findOldParts(vm: Vm, packageName: string, era: Era, old: OldProject | undefined): OldParts | undefined {
  if (era.hasSettings) {
    const module = loadModule(vm, `${packageName}.settings`, undefined);
    if (module === undefined) return undefined;
    const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
    const hooks = moduleAttribute(vm, module, "HOOKS", site) ?? null;
    return { context: undefined, hooks: listHooks(vm, hooks, site), site };
  }
  if (old === undefined) return undefined;
  const named = old.contextPath === undefined ? undefined : load(vm, old.contextPath, old);
  const hooks = old.hooks.map((path) => load(vm, path, old));
  const site = named?.site ?? hooks[0]?.site;
  if (site === undefined) return undefined;
  if (named !== undefined && (!isObj(named.value) || named.value.kind !== "class" || named.value.poison)) {
    throw needKnown(named.value, `the context class ${old.contextPath}`, named.site);
  }
  const context = named?.value as ClassValue | undefined;
  const own = context === undefined ? undefined : findInClass(context, "hooks");
  return {
    context,
    hooks: [
      ...(own === undefined ? [] : listHooks(vm, own, site)),
      ...hooks.flatMap(({ value, site: at }) => readHook(vm, value, at)),
    ],
    site,
  };
}

/** A method that the project's own context class has; undefined: Kedro's is used. */
export function contextMethod(parts: OldParts | undefined, name: string): Value | undefined {
  return parts?.context === undefined ? undefined : findInClass(parts.context, name);
}

/** Calls a method of the context class, whose own state is not known. */
export function callContext(vm: Vm, method: Value, args: readonly Value[], site: Site): Value {
  const self = unknown("it is asked from the context object, which exists only in a running project", site);
  return callValue(vm, method, { positional: [self, ...args], keywords: new Map() }, site);
}

/** What each hook of that name gives, the last registered first, as pluggy does. `given`: what a hook may ask for. */
export function callHooks(
  vm: Vm,
  parts: OldParts | undefined,
  name: string,
  given: ReadonlyMap<string, Value>,
): Value[] {
  if (parts === undefined) return [];
  const results: Value[] = [];
  for (const hook of parts.hooks.toReversed()) {
    const method = attributeOf(vm, hook, name, parts.site, true);
    if (method === undefined) continue;
    if (!isObj(method) || (method.kind !== "method" && method.kind !== "function")) {
      throw needKnown(method, `the hook ${name}`, parts.site);
    }
    const func = method.kind === "method" ? method.func : method;
    if (func.kind !== "function") throw needKnown(func, `the hook ${name}`, parts.site);
    const site: Site = { source: func.module.source, node: { lineno: func.line, col_offset: 0 } };
    const { args } = func.body ?? { args: undefined };
    if (args === undefined) throw needKnown(unknown("its arguments are not read", site), `the hook ${name}`, site);
    const wanted = [...args.args, ...args.kwonlyargs].map(({ arg }) => arg).filter((arg) => given.has(arg));
    const keywords = new Map(wanted.map((arg) => [arg, given.get(arg) as Value]));
    const result = callValue(vm, method, { positional: [], keywords }, site);
    if (result !== null) results.push(result);
  }
  return results;
}

// --- internal ---

function listHooks(vm: Vm, value: Value, site: Site): Value[] {
  if (value === null) return [];
  const items = iterate(value, site);
  if ("kind" in items) throw needKnown(items, "the list of hooks", site);
  return items.items.flatMap((item) => readHook(vm, item, site));
}

/** Hooks of the project are instances of its classes, or modules. */
function readHook(vm: Vm, value: Value, site: Site): Value[] {
  if (isObj(value) && (value.kind === "instance" || value.kind === "module" || value.kind === "class")) {
    if (!("poison" in value) || value.poison === undefined) return [value];
    throw needKnown(value, "a hook of the project", site);
  }
  if (isObj(value) && value.kind === "unknown") {
    vm.warnings.push({
      message: `a hook is not read (${value.reason}); pipelines or a config loader that it registers are not seen by kfk`,
      at: placeOfSite(site),
    });
    return [];
  }
  throw needKnown(value, "a hook of the project", site);
}

function load(vm: Vm, path: string, old: OldProject): { readonly value: Value; readonly site: Site } {
  const dot = path.lastIndexOf(".");
  const [moduleName, name] = [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
  const module = loadModule(vm, moduleName, undefined);
  if (module === undefined) throw noModule(moduleName, path, old);
  const site: Site = { source: module.source, node: { lineno: 1, col_offset: 0 } };
  const value = moduleAttribute(vm, module, name, site);
  if (value === undefined) throw noName(name, module.source.file, path, old);
  return { value, site };
}

function noModule(moduleName: string, path: string, old: OldProject): KfkError {
  return new KfkError("PY_IMPORT", `"${path}" in ${old.at.file}: the project has no module ${moduleName}`, {
    at: old.at,
    hint: "correct the path; Kedro stops here too",
  });
}

function noName(name: string, file: string, path: string, old: OldProject): KfkError {
  return new KfkError("PY_IMPORT", `"${path}" in ${old.at.file}: ${file} has no ${name}`, {
    at: old.at,
    hint: "correct the path; Kedro stops here too",
  });
}
