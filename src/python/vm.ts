/**
 * The state of one evaluation: modules, frames, limits, and the libraries that are known. A *frame* is where names
 * live; a *module* is indexed when it is imported and executed only when its code is needed (`modules.ts`).
 */
import { KfkError, type Warning } from "../error.ts";
import type { Host } from "./host.ts";
import type { ModuleIndex } from "./index.ts";
import type { Located, SourceFile } from "./parse.ts";
import {
  placeOfSite,
  PyRaise,
  type ClassValue,
  type FunctionValue,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";

export interface Vm {
  readonly host: Host;
  readonly modules: Map<string, ModuleValue | undefined>;
  readonly builtins: ReadonlyMap<string, Value>;
  /** A library module that is known, by dotted name. */
  readonly library: (name: string) => Value | undefined;
  /** What calls of library functions give whose values stay unknown, by dotted name. */
  readonly calls?: ReadonlyMap<string, Value>;
  readonly dependsOn: Set<string>;
  readonly warnings: Warning[];
  /** Raised to an unknown when project code may have changed the environment in a way that is not followed. */
  environment: Unknown | undefined;
  steps: number;
  depth: number;
  /** Calls of things that are not known so far: tells whether a `try` body may have raised. */
  unknownCalls: number;
}

export interface ModuleValue {
  readonly kind: "module";
  readonly name: string;
  readonly source: SourceFile;
  readonly isPackage: boolean;
  readonly index: ModuleIndex;
  state: "loading" | "loaded" | "executing" | "executed";
  readonly frame: Frame;
  /** Functions handed out before the module was executed. */
  readonly indexed: Map<string, Value>;
  failure?: PyRaise | KfkError;
}

/** Resolved when it is looked up: `from module import name`. */
export interface LazyName {
  readonly lazy: true;
  readonly module: ModuleValue;
  readonly name: string;
  readonly site: Site;
}

export interface Frame {
  readonly names: Map<string, Value | LazyName>;
  readonly module: ModuleValue;
  /** The frame around a nested function; names of class bodies are not seen from inside functions. */
  readonly parent: Frame | undefined;
  readonly isClass: boolean;
  readonly isModule: boolean;
  globals?: Set<string>;
  nonlocals?: Set<string>;
  /** Values given by `yield`, when the function is a generator. */
  yields?: Value[];
  func?: FunctionValue;
  self?: Value;
  owner?: ClassValue;
}

/**
 * Statements and expressions in one reading. The largest of 209 public projects (1,995 nodes) takes 400,000; ten
 * million take about two seconds.
 */
const MAX_STEPS = 10_000_000;
/** Calls inside calls; Python's own limit is 1000, and pipeline code stays below 30. */
export const MAX_DEPTH = 150;
/** Items of one collection: `range(10**9)` would fill the memory. */
export const MAX_ITEMS = 1_000_000;

/** Counts a step. Errors: PY_LIMIT. */
export function step(vm: Vm, source: SourceFile, node: Located): void {
  if (++vm.steps > MAX_STEPS) throw limit(`more than ${MAX_STEPS} steps`, { source, node });
}

export function limit(what: string, site: Site | undefined): KfkError {
  return new KfkError("PY_LIMIT", `reading the pipelines takes ${what}`, {
    at: placeOfSite(site),
    hint: "if the loop does end in Python, use --from python",
  });
}

export function newFrame(module: ModuleValue, parent: Frame | undefined, more: Partial<Frame> = {}): Frame {
  return { names: new Map(), module, parent, isClass: false, isModule: false, ...more };
}

export function raise(type: string, message: string, site: Site | undefined): PyRaise {
  return new PyRaise(type, message, site);
}
