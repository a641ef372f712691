/**
 * Values of the interpreter. None, bool, int, float and str are JavaScript's null, boolean, bigint, number and string
 * (an int is a bigint, as in configuration values); everything else is a record with a `kind`.
 *
 * An *unknown* is a value that cannot be known without running the project; it carries why, where, and the way it
 * took. A mutable value can be *poisoned*: something that is not known may have changed it, so its content is unknown.
 */
import type { Frame, ModuleValue } from "./vm.ts";
import { placeOfNode, type Arguments, type ExprNode, type Located, type SourceFile, type StmtNode } from "./parse.ts";
import type { Note, Place } from "../error.ts";

export type Value = null | boolean | bigint | number | string | Obj;
export type Obj =
  | Unknown
  | Ellipsis
  | PyList
  | PyTuple
  | PyDict
  | PySet
  | PyIterator
  | FunctionValue
  | Builtin
  | BoundMethod
  | Partial
  | ClassValue
  | Instance
  | ModuleValue
  | LibraryModule
  | Property
  | Custom;

/** A place in the project's code, worked out only when somebody asks. */
export interface Site {
  readonly source: SourceFile;
  readonly node: Located;
}

export interface Unknown {
  readonly kind: "unknown";
  /** Why it is not known, as a clause: `it comes from the library "numpy"`. */
  readonly reason: string;
  /** Where it arose. */
  readonly site: Site | undefined;
  /** Places it passed on its way, nearest the origin first. */
  readonly via: readonly Site[];
  /** Dotted path when it is something of a library that is not read: `pandas.concat`. */
  readonly external?: string;
}
export interface Ellipsis {
  readonly kind: "ellipsis";
}
export interface PyList {
  readonly kind: "list";
  items: Value[];
  poison?: Unknown;
  /** True when the order comes from iterating a set, which differs between runs of Python. */
  unordered?: boolean;
}
export interface PyTuple {
  readonly kind: "tuple";
  readonly items: readonly Value[];
  readonly unordered?: boolean;
  /** `range(…)`: behaves as a tuple of ints, and prints otherwise. */
  readonly range?: boolean;
  /** Field names of a named tuple. */
  readonly fields?: readonly string[];
  readonly className?: string;
  /** The dictionary of `keys()`, `values()`, `items()`. */
  readonly of?: PyDict;
  /** The named tuple's class. */
  readonly cls?: ClassValue;
}
export interface PyDict {
  readonly kind: "dict";
  readonly map: Map<string, DictEntry>;
  poison?: Unknown;
  unordered?: boolean;
  /** `defaultdict`'s factory. */
  factory?: Value;
}
export interface DictEntry {
  readonly key: Value;
  value: Value;
}
export interface PySet {
  readonly kind: "set";
  readonly map: Map<string, Value>;
  readonly frozen?: boolean;
  poison?: Unknown;
}
/** Generators, `iter()`, `map`, `zip`: used up as they are read. */
export interface PyIterator {
  readonly kind: "iterator";
  readonly next: () => Value | undefined;
  /** Works out the items, once, when somebody asks for them; what stands in the way becomes `poison`. */
  start?: () => void;
  unordered?: boolean;
  poison?: Unknown;
}
export interface FunctionValue {
  readonly kind: "function";
  name: string;
  /** Dotted name of the defining module, as Python's `__module__`. */
  moduleName: string;
  readonly module: ModuleValue;
  /** Absent until the module is executed: then only name and module are known. */
  body?: FunctionBody;
  /** Line of `def`, from 1. */
  readonly line: number;
  readonly attributes: Map<string, Value>;
  /** Class it was defined in, for `super()`. */
  owner?: ClassValue;
  /** Results by arguments, for `functools.cache`. */
  memo?: Map<string, Value>;
}
export interface FunctionBody {
  readonly args: Arguments;
  readonly statements: readonly StmtNode[] | ExprNode;
  readonly closure: Frame;
  readonly defaults: readonly Value[];
  readonly keywordDefaults: ReadonlyMap<string, Value>;
  readonly isGenerator: boolean;
  readonly isAsync: boolean;
}
export interface CallArguments {
  readonly positional: readonly Value[];
  readonly keywords: ReadonlyMap<string, Value>;
}
export interface Builtin {
  readonly kind: "builtin";
  readonly name: string;
  readonly call: (args: CallArguments, site: Site) => Value;
  /** `str`, `list`, …: usable with isinstance. */
  readonly type?: string;
  readonly attributes?: ReadonlyMap<string, Value>;
  /** The list, dict or set that this is a method of. */
  readonly self?: Value;
  /** Classes of the project may extend it; true for attributes that they must not have of their own. */
  readonly isOwn?: (name: string) => boolean;
  /** Python's `__module__` where it is known: `operator`, `builtins`. */
  readonly moduleName?: string;
}
export interface BoundMethod {
  readonly kind: "method";
  readonly self: Value;
  readonly func: FunctionValue | Builtin | Unknown;
}
export interface Partial {
  readonly kind: "partial";
  readonly func: Value;
  readonly positional: readonly Value[];
  readonly keywords: ReadonlyMap<string, Value>;
  /** Set by update_wrapper. */
  name?: string;
  readonly attributes: Map<string, Value>;
}
export interface ClassValue {
  readonly kind: "class";
  readonly name: string;
  readonly moduleName: string;
  readonly bases: readonly Value[];
  readonly attributes: Map<string, Value>;
  /** Names with annotations, in order: fields of dataclasses, named tuples and models. */
  readonly annotated: readonly string[];
  readonly line: number;
  dataclass?: boolean;
  isEnum?: boolean;
  /** What members of an enum are besides: `text` and `int` by `class E(str, Enum)`. */
  enumKind?: "plain" | "text" | "int" | "StrEnum" | "IntEnum";
  isNamedTuple?: boolean;
  isTypedDict?: boolean;
  slots?: boolean;
  /** Keywords of `@dataclass(…)`. */
  dataclassOptions?: ReadonlyMap<string, Value>;
  isException?: boolean;
  poison?: Unknown;
  readonly site: Site;
}
export interface Instance {
  readonly kind: "instance";
  readonly cls: ClassValue;
  readonly attributes: Map<string, Value>;
  /** What a subclass of str or int is as a plain value (`class Color(str, Enum)`). */
  plain?: Value;
  /** The value of a class that is known without its source, when the project's class extends one (Kedro's Node). */
  base?: Custom;
  poison?: Unknown;
}
export interface LibraryModule {
  readonly kind: "library";
  readonly name: string;
  readonly attributes: ReadonlyMap<string, Value>;
}
export interface Property {
  readonly kind: "property";
  readonly getter: Value;
  readonly role: "property" | "cached" | "static" | "classmethod";
}
/** A value of another room: a Kedro node, a pipeline, a path. Behaviour comes with it. */
export interface Custom {
  readonly kind: "custom";
  readonly type: string;
  /** Equal keys are equal values; absent: identity. */
  readonly equality?: string;
  readonly attribute: (name: string, site: Site) => Value | undefined;
  readonly setAttribute?: (name: string, value: Value, site: Site) => boolean;
  readonly binary?: (op: string, other: Value, reversed: boolean, site: Site) => Value | undefined;
  readonly iterate?: () => readonly Value[];
  readonly truth?: () => boolean;
  readonly length?: () => number;
  readonly item?: (key: Value, site: Site) => Value;
  readonly assign?: (key: Value, item: Value, site: Site) => void;
  readonly contains?: (key: Value) => boolean;
  readonly text?: () => string | undefined;
  readonly call?: (args: CallArguments, site: Site) => Value;
  readonly enter?: () => Value;
  readonly data?: unknown;
}

export const ELLIPSIS: Ellipsis = { kind: "ellipsis" };

/** An exception of the evaluated program, on its way up. */
export class PyRaise extends Error {
  readonly exception: Value;
  readonly type: string;
  readonly site: Site | undefined;
  /** What people see when nobody in the program catches it. */
  readonly verdict: Error | undefined;

  constructor(type: string, message: string, site: Site | undefined, exception: Value = null, verdict?: Error) {
    super(message);
    this.type = type;
    this.site = site;
    this.exception = exception;
    this.verdict = verdict;
  }
}

let doubts = 0; // module state: counts unknowns, so that a `try` block can tell whether its body met one

/** How many unknowns arose so far. */
export const doubtCount = (): number => doubts;

export function unknown(reason: string, site: Site | undefined, external?: string): Unknown {
  doubts++;
  return external === undefined
    ? { kind: "unknown", reason, site, via: [] }
    : { kind: "unknown", reason, site, via: [], external };
}

/** At most this many places are told of a value's way; more helps nobody. */
const MAX_VIA = 4;

/** The unknown that an operation on an unknown gives. */
export function derive(from: Unknown, site: Site | undefined): Unknown {
  doubts++;
  if (site === undefined || from.via.length >= MAX_VIA) {
    return from.external === undefined ? from : ({ ...from, external: undefined } as unknown as Unknown);
  }
  return { kind: "unknown", reason: from.reason, site: from.site, via: [...from.via, site] };
}

export function isObj(value: Value): value is Obj {
  return typeof value === "object" && value !== null;
}

/** The value itself when it is unknown, or what poisoned it. */
export function unknownOf(value: Value): Unknown | undefined {
  if (!isObj(value)) return undefined;
  if (value.kind === "unknown") return value;
  if (value.kind === "iterator" && value.start) {
    const { start } = value;
    delete value.start;
    start();
  }
  return "poison" in value ? value.poison : undefined;
}

/** Unknown anywhere in a value: in it, or in what it holds. */
export function deepUnknown(value: Value, depth = 0): Unknown | undefined {
  const own = unknownOf(value);
  if (own || !isObj(value) || depth > 20) return own;
  if (value.kind === "list" || value.kind === "tuple") {
    for (const item of value.items) {
      const found = deepUnknown(item, depth + 1);
      if (found) return found;
    }
  } else if (value.kind === "dict") {
    for (const entry of value.map.values()) {
      const found = deepUnknown(entry.key, depth + 1) ?? deepUnknown(entry.value, depth + 1);
      if (found) return found;
    }
  } else if (value.kind === "set") {
    for (const item of value.map.values()) {
      const found = deepUnknown(item, depth + 1);
      if (found) return found;
    }
  }
  return undefined;
}

export const list = (items: Value[], unordered = false): PyList =>
  unordered ? { kind: "list", items, unordered } : { kind: "list", items };
export const tuple = (items: readonly Value[]): PyTuple => ({ kind: "tuple", items });
export const emptyDict = (): PyDict => ({ kind: "dict", map: new Map() });
export const emptySet = (): PySet => ({ kind: "set", map: new Map() });

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  switch (typeof value) {
    case "string":
      return "str";
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    default:
  }
  switch (value.kind) {
    case "set":
      return value.frozen ? "frozenset" : "set";
    case "tuple":
      return value.range ? "range" : (value.className ?? "tuple");
    case "iterator":
      return "generator";
    case "builtin":
      return value.type === undefined ? "builtin_function_or_method" : "type";
    case "class":
      return "type";
    case "instance":
      return value.cls.name;
    case "custom":
      return value.type;
    case "library":
      return "module";
    case "partial":
      return "partial";
    default:
      return value.kind;
  }
}

export function placeOfSite(site: Site | undefined): Place | undefined {
  return site && placeOfNode(site.source, site.node);
}

/** The way a value took, as notes for people: origin first. */
export function notesOf(value: Unknown): Note[] {
  const notes: Note[] = [];
  if (value.site) notes.push({ message: `not known here: ${value.reason}`, at: placeOfSite(value.site) });
  for (const site of value.via) {
    const at = placeOfSite(site);
    if (notes.at(-1)?.at?.line !== at?.line || notes.at(-1)?.at?.file !== at?.file) {
      notes.push({ message: "passed on here", at });
    }
  }
  return notes;
}
