/**
 * `repr()` of values, as Python writes it. What prints an address in Python, or differs between runs, has none here.
 */
import { encodeFloat } from "../config/plain.ts";
import { pythonRepr } from "../config/python-text.ts";
import { unknownOf, type Value } from "./value.ts";

/** `repr(value)`, or undefined when it holds an address or is not followed. */
export function reprOf(value: Value): string | undefined {
  if (value === null) return "None";
  switch (typeof value) {
    case "string":
      return pythonRepr(value);
    case "boolean":
      return value ? "True" : "False";
    case "bigint":
      return value.toString();
    case "number":
      return Number.isNaN(value) ? "nan" : Number.isFinite(value) ? encodeFloat(value) : value > 0 ? "inf" : "-inf";
    default:
  }
  if (unknownOf(value)) return undefined;
  const all = (items: readonly Value[]): string | undefined => {
    const texts = items.map(reprOf);
    return texts.includes(undefined) ? undefined : texts.join(", ");
  };
  switch (value.kind) {
    case "list": {
      if (value.unordered) return undefined;
      const text = all(value.items);
      return text === undefined ? undefined : `[${text}]`;
    }
    case "tuple": {
      if (value.unordered || value.className !== undefined) return undefined;
      if (value.range) return undefined;
      const text = all(value.items);
      return text === undefined ? undefined : value.items.length === 1 ? `(${text},)` : `(${text})`;
    }
    case "dict": {
      if (value.unordered || value.factory !== undefined) return undefined;
      const parts: string[] = [];
      for (const entry of value.map.values()) {
        const key = reprOf(entry.key);
        const item = reprOf(entry.value);
        if (key === undefined || item === undefined) return undefined;
        parts.push(`${key}: ${item}`);
      }
      return `{${parts.join(", ")}}`;
    }
    case "set": {
      if (value.map.size > 1 || value.frozen) return undefined;
      const text = all([...value.map.values()]);
      return text === undefined ? undefined : text === "" ? "set()" : `{${text}}`;
    }
    case "ellipsis":
      return "Ellipsis";
    default:
      return undefined;
  }
}
