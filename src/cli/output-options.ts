/**
 * The option `--output` of verbs that have one form for people and one for programs, and of verbs that write a file. A
 * verb adds what it says of itself. Data alone, because help reads it before anything else is loaded.
 */
import type { ArgDef } from "citty";

/** `-o text|json`; a description is still missing. */
export const TEXT_OR_JSON = {
  type: "enum",
  alias: ["o"],
  options: ["text", "json"],
  default: "text",
} satisfies ArgDef;

/** `-o FILE`, `-` for stdout. */
export const OUTPUT_FILE = {
  type: "string",
  alias: ["o"],
  default: "-",
  valueHint: "FILE",
  description: "Where to write; - is stdout",
} satisfies ArgDef;
