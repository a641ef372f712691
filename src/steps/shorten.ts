/**
 * Python text → the same program in fewer bytes: without comments, docstrings and empty lines, with one space for each
 * level of indentation. For the programs that are embedded in documents, of which servers take a limited size.
 *
 * Knows Python's strings and brackets, not its grammar: a docstring is a text that is a statement of its own. Refuses
 * nothing; text that it does not know stays as it is. What changes is seen by nobody but a reader of line numbers.
 */

/** Same text, same result; shortening twice changes nothing more. */
export function shortenPython(text: string): string {
  const lines = toLogicalLines(text);
  const kept: { indent: number; code: string }[] = [];
  const levels: number[] = [0];
  let needsBody = false;
  for (const [index, { indent, code }] of lines.entries()) {
    while (indent < (levels.at(-1) ?? 0)) levels.pop();
    if (indent > (levels.at(-1) ?? 0)) levels.push(indent);
    const depth = levels.length - 1;
    if (isText(code)) {
      const next = lines[index + 1];
      const isOnly = next === undefined || next.indent < indent;
      if (!(needsBody && isOnly)) continue;
    }
    needsBody = code.endsWith(":");
    kept.push({ indent: depth, code });
  }
  return kept.map(({ indent, code }) => `${" ".repeat(indent)}${code}\n`).join("");
}

// --- internal ---

interface LogicalLine {
  /** Columns. */
  readonly indent: number;
  /** Without comments; line ends inside brackets are gone, those inside texts stay. */
  readonly code: string;
}

const TOKEN =
  /(?<text>[rRbBuUfF]{0,2}(?:"""(?:[^\\]|\\[^])*?"""|'''(?:[^\\]|\\[^])*?'''|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'))|(?<comment>#[^\n]*)|(?<end>\\?\r?\n)|(?<space>[ \t]+)|(?<word>[A-Za-z_]\w*|[^])/y;

function toLogicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let indent = 0;
  let code = "";
  let depth = 0;
  let isStart = true;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match?.groups; match = TOKEN.exec(text)) {
    const { text: string, comment, end, space, word } = match.groups;
    if (comment !== undefined) continue;
    if (end !== undefined) {
      if (depth > 0 || end.startsWith("\\")) {
        code = joined(code);
        continue;
      }
      if (code.trim() !== "") lines.push({ indent, code: code.trimEnd() });
      code = "";
      indent = 0;
      isStart = true;
      continue;
    }
    if (space !== undefined) {
      if (isStart) indent = space.length;
      else code = joined(code);
    } else {
      code += string ?? word ?? "";
      if (word !== undefined && "([{".includes(word)) depth++;
      if (word !== undefined && ")]}".includes(word)) depth--;
    }
    isStart = false;
  }
  if (code.trim() !== "") lines.push({ indent, code: code.trimEnd() });
  return lines;
}

/** One blank, and none after an opening bracket. */
function joined(code: string): string {
  return code === "" || /[ ([{]$/.test(code) ? code : `${code} `;
}

function isText(code: string): boolean {
  return /^[rRuU]?(?:"""(?:[^\\]|\\[^])*?"""|'''(?:[^\\]|\\[^])*?'''|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')$/.test(
    code,
  );
}
