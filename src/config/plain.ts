/**
 * Values as Python sees them after reading configuration: the one representation between conf files, pipeline
 * parameters, command-line values and documents.
 *
 * Python tells an int from a float, and so must kfk, or a parameter changes its type on the way to a node:
 * an int is a `bigint`, a float is a `number`. A mapping is a `Map`, because its keys may be numbers and their order
 * matters.
 */

export type Plain = null | boolean | bigint | number | string | readonly Plain[] | PlainMap;
export type PlainKey = null | boolean | bigint | number | string;
export interface PlainMap extends ReadonlyMap<PlainKey, Plain> {}

export function isPlainMap(value: Plain | undefined): value is PlainMap {
  return value instanceof Map;
}

export function isPlainList(value: Plain | undefined): value is readonly Plain[] {
  return Array.isArray(value);
}

/** What a person would call the value's type, in Python's words. */
export function plainTypeName(value: Plain): string {
  if (value === null) return "null";
  if (isPlainMap(value)) return "mapping";
  if (isPlainList(value)) return "list";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    default:
      return "str";
  }
}
