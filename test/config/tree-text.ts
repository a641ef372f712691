/** The notation of the recorded cases: ints `{"i": "1"}`, floats `{"f": "1.0"}`, mappings `{"m": [[key, value], …]}`. */
import { pythonRepr } from "../../src/config/python-text.ts";
import type { Plain } from "../../src/config/plain.ts";
import type { ConfigNode } from "../../src/config/tree.ts";

export type Noted = null | boolean | string | readonly Noted[] | { readonly [key: string]: unknown };

export function note(node: ConfigNode): Noted {
  switch (node.kind) {
    case "opaque":
      return { opaque: node.reason };
    case "list":
      return node.items.map(note);
    case "map":
      return { m: [...node.entries].map(([key, value]) => [noteScalar(key), note(value)]) };
    case "scalar":
      return noteScalar(node.value);
  }
}

/** JSON of a case → the value Python has. */
export function plainOf(value: unknown): Plain {
  if (Array.isArray(value)) return value.map(plainOf);
  if (value !== null && typeof value === "object") {
    return new Map(Object.entries(value).map(([key, item]) => [key, plainOf(item)] as const));
  }
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : (value as Plain);
}

function noteScalar(value: null | boolean | bigint | number | string): Noted {
  if (typeof value === "bigint") return { i: value.toString() };
  if (typeof value === "number") return { f: pythonRepr(value) };
  return value;
}
