/**
 * Python text → syntax tree, behind this one file: py-ast 1.16.0 (pure TypeScript; its tree was compared with CPython
 * 3.13 on 15,377 files, 99.66 % identical). Form feeds and a byte-order mark are normalised first, which it does not
 * take. Comes in: text of one module. Goes out: statements with CPython's positions (lines from 1, columns from 0).
 *
 * Refuses with PY_SYNTAX and a place; a text that nests deeper than the parser can go is PY_LIMIT.
 */
import { parse, type StmtNode } from "py-ast";
import { KfkError, type Place } from "../error.ts";

export type { Arguments, Comprehension, ExprNode, Keyword, StmtNode } from "py-ast";

/** A pattern of `match`; the library does not export its own name for it. */
export type PatternNode = Extract<StmtNode, { nodeType: "Match" }>["cases"][number]["pattern"];

/** A node of the tree as far as places are concerned. */
export interface Located {
  readonly lineno?: number;
  readonly col_offset?: number;
  readonly end_lineno?: number;
  readonly end_col_offset?: number;
}

/** What a place needs to know of a module. */
export interface SourceFile {
  readonly file: string;
  readonly text: string;
}

/**
 * Larger files are data, not pipelines. 8 MB of Python took half a minute to parse; the largest pipeline file of 209
 * public projects has 140 kB.
 */
const MAX_SOURCE_CHARS = 2_000_000;

/** Text as the parser takes it; offsets and lines stay the same, but for a byte-order mark. */
export function normalizeSource(text: string): string {
  const bare = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const unix = bare.includes("\r") ? bare.replaceAll("\r\n", "\n").replaceAll("\r", "\n") : bare;
  return unix.includes("\f") ? unix.replaceAll("\f", " ") : unix;
}

/**
 * One module's statements.
 *
 * Errors: PY_SYNTAX with the place; PY_LIMIT for a text too large or nested too deep.
 */
export function parseModule(source: SourceFile): readonly StmtNode[] {
  if (source.text.length > MAX_SOURCE_CHARS) {
    throw new KfkError("PY_LIMIT", `${source.file} has ${source.text.length} characters of Python`, {
      hint: `kfk reads up to ${MAX_SOURCE_CHARS}; use --from python`,
    });
  }
  try {
    return parse(normalizeSource(source.text)).body;
  } catch (error) {
    if (error instanceof RangeError) {
      throw new KfkError("PY_LIMIT", `${source.file} nests deeper than can be read`, {
        hint: "use --from python",
        cause: error,
      });
    }
    throw syntaxError(source, error as ParserError);
  }
}

/** The place of a node of the tree. */
export function placeOfNode(source: SourceFile, node: Located): Place {
  const line = node.lineno ?? 1;
  const column = (node.col_offset ?? 0) + 1;
  const end = node.end_col_offset;
  const oneLine = end !== undefined && node.end_lineno === line && end + 1 > column;
  const place = { file: source.file, line, column, text: source.text };
  return oneLine ? { ...place, length: end + 1 - column } : place;
}

/** True when the number of a constant is written as a float; the tree alone does not tell `1` from `1.0`. */
export function isFloatLiteral(segment: string): boolean {
  return /^[\d_]*\.?[\d_]*(?:[eE][-+]?[\d_]+)?$/.test(segment) && /[.eE]/.test(segment);
}

// --- internal ---

interface ParserError extends Error {
  readonly lineno?: number;
  readonly col_offset?: number;
}

function syntaxError(source: SourceFile, error: ParserError): KfkError {
  const inText = /^(.*?)\s*(?:at|on) line (\d+)(?:, column (\d+))?/s.exec(error.message);
  const line = error.lineno ?? Number(inText?.[2] ?? 1);
  const column = (error.col_offset ?? Number(inText?.[3] ?? 0)) + 1;
  const what = (inText?.[1] ?? error.message).trim();
  return new KfkError("PY_SYNTAX", `Python syntax error: ${what.charAt(0).toLowerCase()}${what.slice(1)}`, {
    at: { file: source.file, line, column, text: source.text },
    hint: "Python would refuse this file too; fix the line",
  });
}
