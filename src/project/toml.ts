/**
 * TOML text → plain values, with a place in the error. The parser of the runtime gives none, so the place is the
 * first line after which no longer prefix of the file can be read.
 */
import { KfkError } from "../error.ts";

/**
 * Reads a TOML file's text.
 *
 * `shown` is the file's path as people see it. Errors: PROJECT_TOML with line and the parser's reason.
 */
export function parseTomlFile(parse: (text: string) => unknown, text: string, shown: string): Record<string, unknown> {
  try {
    return parse(text) as Record<string, unknown>;
  } catch (error) {
    const line = firstBrokenLine(parse, text);
    const reason = (error as Error).message.replace(/^TOML Parse error: /, "");
    throw new KfkError("PROJECT_TOML", `${shown} is not valid TOML: ${reason}`, {
      at: { file: shown, line, column: 1, text },
      hint: `correct line ${line} of ${shown}`,
      cause: error,
    });
  }
}

// --- internal ---

function firstBrokenLine(parse: (text: string) => unknown, text: string): number {
  const lines = text.split("\n");
  for (let count = lines.length - 1; count > 0; count--) {
    try {
      parse(lines.slice(0, count).join("\n"));
      return count + 1;
    } catch {
      // still broken: the fault is further up
    }
  }
  return 1;
}
