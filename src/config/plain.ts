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

/**
 * Python's `repr` of a float, which `json.loads` reads back exactly: `1.0`, `1e-05`, `1e+16`, `NaN`, `Infinity`.
 * Source: CPython float_repr_style "short": exponent form below 1e-4 and from 1e16 on.
 */
export function encodeFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (Object.is(value, -0)) return "-0.0";
  const [digits = "0", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain = String(value);
  // JavaScript writes 1e-5 to 1e-7 and from 1e21 on with an exponent; both are outside this branch but for 1e-6 up.
  return plain.includes(".") ? plain : `${plain}.0`;
}

/** Order by code point, as Python sorts text. */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    // surrogates stand for characters above all others
    const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
    if (isHigh(left) !== isHigh(right)) return isHigh(left) ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
