/**
 * What the YAML package says of a broken text → what is wrong in plain words, at the place where a person has to change
 * something, with what to do: the quote that opened, and not the end of the file; the indentation, and not a "scalar".
 * In come the file as written, and the text that was parsed (lines of it may have been moved to the right).
 * Source: eemeli/yaml 2.8 `errors.ts`, its codes and messages.
 */
import { type Document, isScalar, visit, type YAMLParseError } from "yaml";
import { KfkError } from "../error.ts";
import { placeOf, type SourceText, type Spot } from "./tree.ts";

/** The first problem of a document that could not be parsed. */
export function syntaxProblem(
  source: SourceText,
  parsed: SourceText,
  document: Document,
  { code, message, pos }: Pick<YAMLParseError, "code" | "message" | "pos">,
): KfkError {
  const spotAt = (start: number, end = start + 1): Spot => {
    const from = unmoved(source.text, parsed.text, start);
    return { source, start: from, end: from + Math.max(1, end - start) };
  };
  const [start, end] = pos;
  const spot = spotAt(start, end);
  const broken = `broken YAML: ${lowerFirst(message)}`;
  const quoted = findQuoted(document, start);
  switch (code) {
    case "TAB_AS_INDENT":
      return tabIndent(spot);
    case "MULTIPLE_DOCS":
      return problemAt(spot, "the file holds more than one document", "remove the line ---");
    case "MISSING_CHAR":
      if (quoted === undefined || !/closing ["']quote/.test(message)) return problemAt(spot, broken);
      return problemAt(spotAt(quoted.start), "broken YAML: the quote that opens here is never closed", CLOSE);
    case "UNEXPECTED_TOKEN":
      if (quoted === undefined || !parsed.text.slice(quoted.start, quoted.end).includes("\n"))
        return problemAt(spot, broken, "put quotes around the whole value");
      return new KfkError("CONFIG_YAML", broken, {
        at: placeOf(spot),
        hint: "close the quote where its text ends",
        notes: [
          { message: "the text in quotes before it opens here, lines earlier", at: placeOf(spotAt(quoted.start)) },
        ],
      });
    case "BAD_INDENT":
      return problemAt(spot, broken, message.startsWith("Flow") ? CLOSE_FLOW : SAME_COLUMN);
    case "BLOCK_AS_IMPLICIT_KEY":
      return problemAt(spot, broken, /:(?:\s|$)/.test(lineFrom(parsed.text, start)) ? QUOTE_COLON : SAME_COLUMN);
    case "MULTILINE_IMPLICIT_KEY":
      return problemAt(spot, broken, /:(?:\s|$)/.test(lineFrom(parsed.text, start)) ? QUOTE_COLON : NO_COLON);
    default:
      return problemAt(spot, broken);
  }
}

/** A tab where only spaces may stand. */
export function tabIndent(spot: Spot): KfkError {
  return problemAt(spot, "a tab is used for indentation", "indent with spaces");
}

export function problemAt(spot: Spot, message: string, hint?: string): KfkError {
  return new KfkError("CONFIG_YAML", message, { at: placeOf(spot), ...(hint === undefined ? {} : { hint }) });
}

// --- internal ---

const CLOSE = "close it where its text ends, or take it away";
const CLOSE_FLOW = "close the list or mapping that opens with [ or {";
const QUOTE_COLON = "quote text that contains a colon and a space";
const SAME_COLUMN =
  "indent with care: keys that belong together begin in the same column, and what belongs to a key is indented deeper";
const NO_COLON = "a key has a colon and a space after it; keys that belong together begin in the same column";

/** The last text in quotes that begins before `end`. */
function findQuoted(document: Document, end: number): { readonly start: number; readonly end: number } | undefined {
  let found: { readonly start: number; readonly end: number } | undefined;
  visit(document, {
    Scalar: (_, node) => {
      if (!isScalar(node) || !node.range || node.range[0] >= end) return;
      const isQuoted = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE";
      if (isQuoted) found = { start: node.range[0], end: node.range[1] };
    },
  });
  return found;
}

function lineFrom(text: string, start: number): string {
  const end = text.indexOf("\n", start);
  return text.slice(start, end < 0 ? undefined : end);
}

/** The same place in the text as it was written: lines were moved as a whole, and none was added. */
function unmoved(written: string, moved: string, offset: number): number {
  if (written === moved) return offset;
  const before = moved.slice(0, offset).split("\n");
  const line = before.length - 1;
  const lines = written.split("\n");
  const shift = (moved.split("\n")[line]?.length ?? 0) - (lines[line]?.length ?? 0);
  const start = lines.slice(0, line).reduce((sum, text) => sum + text.length + 1, 0);
  return start + Math.max(0, (before[line]?.length ?? 0) - shift);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
