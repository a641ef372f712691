/**
 * What Python's `str()` and `repr()` make of a configuration value: the text that stands in `"a${x}b"`.
 *
 * Source: CPython 3.12 `float_repr_style` "short" and `unicode_repr`; OmegaConf 2.3.1 shows containers as Python's.
 */

import { encodeFloat } from "./plain.ts";

/** `str()` of a scalar. */
export function pythonStr(value: null | boolean | bigint | number | string): string {
  return typeof value === "string" ? value : pythonRepr(value);
}

/** `repr()` of a scalar. */
export function pythonRepr(value: null | boolean | bigint | number | string): string {
  if (value === null) return "None";
  switch (typeof value) {
    case "boolean":
      return value ? "True" : "False";
    case "bigint":
      return value.toString();
    case "number":
      return floatRepr(value);
    default:
      return stringRepr(value as string);
  }
}

// --- internal ---

function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  return Number.isFinite(value) ? encodeFloat(value) : value > 0 ? "inf" : "-inf";
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === quote) out += `\\${quote}`;
    else if (NAMED[char] !== undefined) out += NAMED[char];
    else if (char !== " " && /[\p{C}\p{Z}]/u.test(char)) out += escapeCode(code);
    else out += char;
  }
  return out + quote;
}

function escapeCode(code: number): string {
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
