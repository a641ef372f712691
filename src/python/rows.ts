/**
 * What the tables of builtins and of the standard library are made of: a row is a function of Python written here, a
 * module is a name with rows; iterators are what many rows give.
 */
import {
  isObj,
  unknownOf,
  type CallArguments,
  type LibraryModule,
  type PyIterator,
  type Site,
  type Value,
} from "./value.ts";

export type Row = (args: CallArguments, site: Site) => Value;

/** Adds a builtin; `type`: its calls make values of that type. */
export type AddBuiltin = (name: string, call: Row, type?: string) => void;

/** Adds a module by its dotted name and gives it back. */
export type AddModule = (name: string, rows: Readonly<Record<string, Value | Row>>) => LibraryModule;

/** The first argument, None when there is none. */
export function firstOf(args: CallArguments): Value {
  return args.positional[0] ?? null;
}

/** What adds modules to a table. */
export function adderTo(table: Map<string, Value>): AddModule {
  return (name, rows) => {
    const attributes = new Map<string, Value>();
    for (const [key, value] of Object.entries(rows)) {
      attributes.set(
        key,
        typeof value === "function" ? { kind: "builtin", name: key, call: value, moduleName: name } : value,
      );
    }
    const made: LibraryModule = { kind: "library", name, attributes };
    table.set(name, made);
    return made;
  };
}

/** An iterator whose items are worked out when somebody asks for the first. */
export function deferred(work: () => Value): Value {
  let inner: Value = null;
  const iterator: PyIterator = {
    kind: "iterator",
    next: () => {
      unknownOf(iterator);
      return isObj(inner) && inner.kind === "iterator" ? inner.next() : undefined;
    },
    start: () => {
      inner = work();
      const bad = unknownOf(inner);
      if (bad) iterator.poison = bad;
      if (isObj(inner) && inner.kind === "iterator" && inner.unordered) iterator.unordered = true;
    },
  };
  return iterator;
}

/** An iterator over known items; `unordered`: their order is a set's. */
export function iteratorOf(items: readonly Value[], unordered: boolean): Value {
  let at = 0;
  return { kind: "iterator", next: () => items[at++], unordered };
}
