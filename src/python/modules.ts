/**
 * Importing: finds project modules, indexes them, and executes them only when their code is needed.
 *
 * A module whose top-level statements might change something outside it, or read what others might change
 * (`effects.ts`), is executed at once, as Python would. All others are indexed; a function taken from them is a name
 * with a place. A project module that does not exist raises ModuleNotFoundError, as in Python; other packages are
 * taken to be installed.
 */
import { KfkError } from "../error.ts";
import { escapeForRegExp, importedPath, mentions, hasEffects } from "./effects.ts";
import { executeModule } from "./execute.ts";
import { indexModule, type FromImport, type ModuleIndex, type TopStatement } from "./index.ts";
import { normalizeSource } from "./parse.ts";
import { giveAway } from "./poison.ts";
import { PyRaise, unknown, type FunctionValue, type Site, type Value } from "./value.ts";
import { raise, type LazyName, type ModuleValue, type Vm } from "./vm.ts";

/** `import name`: the module itself (`a.b.c` → c), a known library, or an unknown for other packages. */
export function importModule(vm: Vm, name: string, site: Site | undefined): Value {
  if (isOfProject(vm, name)) {
    const parts = name.split(".");
    let module: ModuleValue | undefined;
    for (let count = 1; count <= parts.length; count++) {
      const path = parts.slice(0, count).join(".");
      module = loadModule(vm, path, site);
      if (!module) throw raise("ModuleNotFoundError", `No module named '${path}'`, site);
    }
    if (module) return module;
  }
  return vm.library(name) ?? external(name, site);
}

export function external(path: string, site: Site | undefined): Value {
  return unknown(`it comes from "${path}", which kfk does not read`, site, path);
}

/** True for modules that the project itself must have. */
export function isOfProject(vm: Vm, name: string): boolean {
  const top = name.split(".", 1)[0] ?? name;
  if (vm.library(top) !== undefined) return false;
  return loadSource(vm, top) !== undefined || vm.host.folders(top).length > 0;
}

/** The module named by `from ..a import b` as written in `module`. */
export function absoluteName(module: ModuleValue, statement: { level: number; module: string }, site: Site): string {
  const path = importedPath(module, statement);
  if (path === undefined) throw raise("ImportError", "attempted relative import beyond top-level package", site);
  return path;
}

/** A project module, indexed; undefined when there is none. Raises what its import raises in Python. */
export function loadModule(vm: Vm, name: string, site: Site | undefined): ModuleValue | undefined {
  const known = vm.modules.get(name);
  if (known) {
    if (known.failure) throw known.failure;
    return known;
  }
  const source = indexedSource(vm, name);
  if (!source) return undefined;
  const module: ModuleValue = {
    kind: "module",
    name,
    source: { file: source.file, text: source.text },
    isPackage: source.isPackage,
    index: source.index,
    state: "loading",
    frame: undefined as never,
    indexed: new Map(),
  };
  (module as { frame: unknown }).frame = {
    names: new Map<string, Value | LazyName>(),
    module,
    parent: undefined,
    isClass: false,
    isModule: true,
  };
  vm.modules.set(name, module);
  try {
    const parent = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "";
    if (parent !== "" && !vm.modules.has(parent)) loadModule(vm, parent, site);
    const asks = { isOfProject: (path: string) => isOfProject(vm, path), index: (path: string) => indexOf(vm, path) };
    if (!module.index.exact || hasEffects(module, asks)) executeModule(vm, module);
    else loadImports(vm, module);
    if (module.state === "loading") module.state = "loaded";
  } catch (error) {
    if (error instanceof PyRaise || error instanceof KfkError) module.failure = error;
    throw error;
  }
  return module;
}

/** `module.name`, or undefined when the module surely has none. */
export function moduleAttribute(vm: Vm, module: ModuleValue, name: string, site: Site): Value | undefined {
  switch (name) {
    case "__name__":
      return module.name;
    case "__file__":
      return vm.library("pathlib:file") === undefined ? module.source.file : module.source.file;
    case "__package__":
      return module.isPackage ? module.name : module.name.split(".").slice(0, -1).join(".");
    case "__doc__":
      return unknown("it is a doc string", site);
    default:
  }
  const found =
    module.state === "executed" || module.state === "executing"
      ? lookUp(vm, module, name)
      : fromIndex(vm, module, name, site);
  if (found !== undefined) return found;
  const path = `${module.name}.${name}`;
  const submodule = loadModule(vm, path, site);
  if (submodule) return submodule;
  const getter = name === "__getattr__" ? undefined : lookUpIf(vm, module, "__getattr__", site);
  if (getter !== undefined) {
    const doubt = unknown(`the module ${module.name} computes its attributes`, site);
    giveAway(vm, getter, doubt);
    return doubt;
  }
  return undefined;
}

/** Resolves a name that was bound by `from module import name`. */
export function resolveLazy(vm: Vm, lazy: LazyName): Value {
  const value = moduleAttribute(vm, lazy.module, lazy.name, lazy.site);
  if (value !== undefined) return value;
  if (lazy.module.state === "executing") {
    return unknown(`"${lazy.name}" is imported in a circle with ${lazy.module.name}`, lazy.site);
  }
  throw raise("ImportError", `cannot import name '${lazy.name}' from '${lazy.module.name}'`, lazy.site);
}

/**
 * Loads the module that `from target import name` means when `target` itself binds no such name, as Python does at
 * that statement. In the package's own `from . import name` the name that is bound is the one that is looked for.
 */
export function loadNamed(vm: Vm, from: ModuleValue, target: ModuleValue, name: string, site: Site): boolean {
  const isBound = target !== from && (target.index.bindings.has(name) || target.frame.names.has(name));
  return !isBound && loadModule(vm, `${target.name}.${name}`, site) !== undefined;
}

/** Names that `from module import *` binds. */
export function publicNames(vm: Vm, module: ModuleValue, site: Site): readonly string[] | undefined {
  const all = moduleAttribute(vm, module, "__all__", site);
  if (all !== undefined) {
    if (typeof all === "object" && all !== null && (all.kind === "list" || all.kind === "tuple")) {
      return all.items.every((item) => typeof item === "string") ? (all.items as string[]) : undefined;
    }
    return undefined;
  }
  if (module.index.otherText !== "" || !module.index.exact) executeModule(vm, module);
  const names = new Set<string>();
  if (module.state === "executed" || module.state === "executing") {
    for (const name of module.frame.names.keys()) names.add(name);
  } else {
    for (const name of module.index.bindings.keys()) names.add(name);
    for (const star of module.index.stars) {
      const target = starTarget(vm, module, star, site);
      if (target) for (const name of publicNames(vm, target, site) ?? []) names.add(name);
    }
  }
  return [...names].filter((name) => !name.startsWith("_"));
}

/** The value of a function that is known by its index alone, made ready to be called. */
export function ensureBody(vm: Vm, func: FunctionValue): void {
  if (func.body === undefined) executeModule(vm, func.module);
}

// --- internal ---

function loadSource(vm: Vm, name: string): { file: string; text: string; isPackage: boolean } | undefined {
  const found = vm.host.source(name);
  if (found) return found;
  // A namespace package: a folder without __init__.py, known by its parent's list of folders.
  const cut = name.lastIndexOf(".");
  const isFolder = vm.host.folders(name.slice(0, Math.max(cut, 0))).includes(name.slice(cut + 1));
  return isFolder ? { file: `${name.replaceAll(".", "/")}/`, text: "", isPackage: true } : undefined;
}

interface IndexedSource {
  readonly file: string;
  readonly text: string;
  readonly isPackage: boolean;
  readonly index: ModuleIndex;
}

const indexes = new WeakMap<Vm, Map<string, IndexedSource | undefined>>(); // modules that were looked at before they are loaded

function indexedSource(vm: Vm, name: string): IndexedSource | undefined {
  let known = indexes.get(vm);
  if (!known) indexes.set(vm, (known = new Map()));
  if (known.has(name)) return known.get(name);
  const source = loadSource(vm, name);
  const text = source && normalizeSource(source.text);
  const found = source && text !== undefined ? { ...source, text, index: indexModule(text) } : undefined;
  known.set(name, found);
  return found;
}

function indexOf(
  vm: Vm,
  name: string,
): { readonly index: ModuleIndex; readonly text: string; readonly isPackage: boolean } | undefined {
  return isOfProject(vm, name) ? indexedSource(vm, name) : undefined;
}

function lookUp(vm: Vm, module: ModuleValue, name: string): Value | undefined {
  const bound = module.frame.names.get(name);
  if (bound === undefined) return undefined;
  if (typeof bound === "object" && bound !== null && "lazy" in bound) {
    const value = resolveLazy(vm, bound);
    module.frame.names.set(name, value);
    return value;
  }
  return bound;
}

function lookUpIf(vm: Vm, module: ModuleValue, name: string, site: Site): Value | undefined {
  if (module.index.bindings.has(name) || module.frame.names.has(name)) return fromIndex(vm, module, name, site);
  return undefined;
}

const resolving = new Set<string>(); // names being followed through re-exports, to end circles

function fromIndex(vm: Vm, module: ModuleValue, name: string, site: Site): Value | undefined {
  const ready = module.indexed.get(name);
  if (ready !== undefined) return ready;
  const statements = module.index.bindings.get(name) ?? [];
  const [statement] = statements;
  const mayBeOther = mentions(module.index.otherText, name);
  const followsStar = statement && module.index.stars.length > 0;
  if (statements.length > 1 || mayBeOther || followsStar) return executed(vm, module, name);
  const key = `${module.name}:${name}`;
  if (resolving.has(key)) return executed(vm, module, name);
  resolving.add(key);
  try {
    if (statement) return fromStatement(vm, module, name, statement, site);
    for (const star of module.index.stars.toReversed()) {
      const target = starTarget(vm, module, star, site);
      if (!target) {
        return unknown(`it may come from "${star.module}", which kfk does not read`, site);
      }
      if (publicNames(vm, target, site)?.includes(name)) return moduleAttribute(vm, target, name, site);
    }
    return undefined;
  } finally {
    resolving.delete(key);
  }
}

function fromStatement(
  vm: Vm,
  module: ModuleValue,
  name: string,
  statement: TopStatement,
  site: Site,
): Value | undefined {
  const here: Site = { source: module.source, node: { lineno: statement.line, col_offset: 0 } };
  switch (statement.kind) {
    case "def": {
      if (statement.decorated || statement.open < 0) return executed(vm, module, name);
      const func: FunctionValue = {
        kind: "function",
        name,
        moduleName: module.name,
        module,
        line: statement.line,
        attributes: new Map(),
      };
      module.indexed.set(name, func);
      return func;
    }
    case "import": {
      const entry = statement.names.find((item) => (item.as ?? item.module.split(".", 1)[0]) === name);
      if (!entry) return undefined;
      const value = importModule(vm, entry.module, here);
      return entry.as === undefined ? importModule(vm, name, here) : value;
    }
    case "from": {
      const entry = statement.names.find((item) => (item.as ?? item.name) === name);
      return entry && importFrom(vm, module, statement, entry.name, here);
    }
    default:
      void site;
      return executed(vm, module, name);
  }
}

function executed(vm: Vm, module: ModuleValue, name: string): Value | undefined {
  executeModule(vm, module);
  return lookUp(vm, module, name);
}

/** `from a import b`: the value. Raises ImportError. */
function importFrom(vm: Vm, module: ModuleValue, statement: FromImport, name: string, site: Site): Value {
  const path = absoluteName(module, statement, site);
  const target = importModule(vm, path, site);
  return attributeOfImport(vm, target, path, name, site);
}

/** What `from path import name` gives, when `path` is the imported `target`. */
export function attributeOfImport(vm: Vm, target: Value, path: string, name: string, site: Site): Value {
  if (typeof target === "object" && target !== null) {
    if (target.kind === "module") {
      const value = moduleAttribute(vm, target, name, site);
      if (value !== undefined) return value;
      if (target.state === "executing" || target.state === "loading") {
        return unknown(`"${name}" is imported in a circle with ${path}`, site);
      }
      throw raise("ImportError", `cannot import name '${name}' from '${path}'`, site);
    }
    if (target.kind === "library") {
      return target.attributes.get(name) ?? vm.library(`${path}.${name}`) ?? external(`${path}.${name}`, site);
    }
  }
  return vm.library(`${path}.${name}`) ?? external(`${path}.${name}`, site);
}

function starTarget(vm: Vm, module: ModuleValue, star: FromImport, site: Site): ModuleValue | undefined {
  const target = importModule(vm, absoluteName(module, star, site), site);
  return typeof target === "object" && target !== null && target.kind === "module" ? target : undefined;
}

/** Loads what a module that is only indexed imports at its top level, in order. Raises ImportError for missing names. */
function loadImports(vm: Vm, module: ModuleValue): void {
  for (const statement of module.index.statements) {
    const site: Site = { source: module.source, node: { lineno: statement.line, col_offset: 0 } };
    if (statement.kind === "import") for (const { module: path } of statement.names) importModule(vm, path, site);
    if (statement.kind !== "from") continue;
    const path = absoluteName(module, statement, site);
    const target = importModule(vm, path, site);
    if (!isModule(target)) continue;
    for (const { name } of statement.names) {
      if (name === "*" || loadNamed(vm, module, target, name, site)) continue;
      if (!surelyHas(vm, target, name)) throw raise("ImportError", `cannot import name '${name}' from '${path}'`, site);
    }
  }
}

/** False only when an exact index shows that a name is missing. Loads submodules as Python does. */
function surelyHas(vm: Vm, target: ModuleValue, name: string): boolean {
  const { index } = target;
  if (index.bindings.has(name) || !index.exact || index.stars.length > 0 || name.startsWith("__")) return true;
  if (index.bindings.has("__getattr__")) return true;
  if (loadModule(vm, `${target.name}.${name}`, undefined)) return true;
  return new RegExp(`(?<!\\w)${escapeForRegExp(name)}(?!\\w)`).test(index.otherText);
}

function isModule(value: Value): value is ModuleValue {
  return typeof value === "object" && value !== null && value.kind === "module";
}
