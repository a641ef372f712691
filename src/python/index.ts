/**
 * A light index of one module: its top-level statements and the names they bind, found by lexing alone, many times
 * faster than a parse. Modules from which only functions are taken are never parsed.
 *
 * Comes in: normalised text. Goes out: statements in order. Exact where it claims to be; where a text cannot be split
 * with certainty (`exact: false`), or a name may be bound in a way that is not read here (`other`), the caller has to
 * execute the module instead.
 */

export interface ModuleIndex {
  readonly statements: readonly TopStatement[];
  readonly exact: boolean;
  /** How often each name is bound by a statement that is read here. */
  readonly bindings: ReadonlyMap<string, readonly TopStatement[]>;
  /** Modules of star imports, in order. */
  readonly stars: readonly FromImport[];
  /** Text of all statements that are not read here. */
  readonly otherText: string;
}

export type TopStatement = (
  DefStatement | ClassStatement | ImportStatement | FromImport | AssignStatement | OtherStatement
) & {
  readonly start: number;
  readonly end: number;
  /** From 1; of the first decorator when there is one. */
  readonly line: number;
};

export interface DefStatement {
  readonly kind: "def";
  readonly name: string;
  readonly isAsync: boolean;
  readonly decorated: boolean;
  /** Offset of the parenthesis that opens the parameters. */
  readonly open: number;
}
export interface ClassStatement {
  readonly kind: "class";
  readonly name: string;
  readonly decorated: boolean;
  readonly hasBases: boolean;
}
export interface ImportStatement {
  readonly kind: "import";
  readonly names: readonly { readonly module: string; readonly as: string | undefined }[];
}
export interface FromImport {
  readonly kind: "from";
  readonly level: number;
  readonly module: string;
  /** `"*"` alone for a star import. */
  readonly names: readonly { readonly name: string; readonly as: string | undefined }[];
}
export interface AssignStatement {
  readonly kind: "assign";
  readonly name: string;
}
export interface OtherStatement {
  /** `docstring` and `typing` blocks bind nothing that exists at run time. */
  readonly kind: "other" | "docstring" | "typing";
}

export interface Parameter {
  readonly name: string;
  readonly role: "positional" | "both" | "star" | "keyword" | "doubleStar";
  readonly hasDefault: boolean;
}

/** Splits a module into its top-level statements. */
export function indexModule(text: string): ModuleIndex {
  const statements: TopStatement[] = [];
  const bindings = new Map<string, TopStatement[]>();
  const others: string[] = [];
  let exact = true;
  let at = 0;
  let line = 1;
  let lineMark = 0;
  const lineAt = (offset: number): number => {
    for (let next = text.indexOf("\n", lineMark); next >= 0 && next < offset; next = text.indexOf("\n", lineMark)) {
      line++;
      lineMark = next + 1;
    }
    return line;
  };

  while (at < text.length) {
    const start = skipBlank(text, at);
    if (start >= text.length) break;
    let end = skipStatementLine(text, start);
    let head = start;
    while (end >= 0 && text.charAt(head) === "@") {
      head = skipBlank(text, end);
      end = skipStatementLine(text, head);
    }
    if (end < 0) {
      exact = false;
      break;
    }
    end = skipBlock(text, end);
    if (end < 0) {
      exact = false;
      break;
    }
    if (text.charAt(start) === " " || text.charAt(start) === "\t") exact = false;
    let content = readStatement(text, start, head, end);
    if (content.kind === "typing" && !isTypings(text.slice(start, end), bindings)) content = { kind: "other" };
    const statement = { ...content, start, end, line: lineAt(start) } as TopStatement;
    if (content.kind === "other" && /^[^\n]*;/.test(text.slice(start, end)))
      exact = exact && !hasSemicolon(text, start, end);
    statements.push(statement);
    for (const name of namesOf(statement)) {
      const known = bindings.get(name);
      if (known) known.push(statement);
      else bindings.set(name, [statement]);
    }
    if (content.kind === "other") others.push(text.slice(start, end));
    at = end;
  }
  return {
    statements,
    exact,
    bindings,
    stars: statements.filter((item) => item.kind === "from" && item.names[0]?.name === "*") as FromImport[],
    otherText: others.join("\n"),
  };
}

/** Names that a statement binds at module level. */
export function namesOf(statement: TopStatement): readonly string[] {
  switch (statement.kind) {
    case "def":
    case "class":
    case "assign":
      return [statement.name];
    case "import":
      return statement.names.map((item) => item.as ?? item.module.split(".", 1)[0] ?? item.module);
    case "from":
      return statement.names.flatMap((item) => (item.name === "*" ? [] : [item.as ?? item.name]));
    default:
      return [];
  }
}

/** The parameters of a `def`, or undefined when they cannot be split with certainty. */
export function readParameters(text: string, open: number): readonly Parameter[] | undefined {
  const close = skipBracketed(text, open);
  if (close < 0) return undefined;
  const parts = splitTopLevel(text.slice(open + 1, close - 1), ",");
  if (parts === undefined) return undefined;
  const parameters: Parameter[] = [];
  let keywordOnly = false;
  for (const raw of parts) {
    const part = raw.replace(/^(?:\s|#[^\n]*\n)+/, "").trim();
    if (part === "") continue;
    if (part === "/") {
      for (let index = 0; index < parameters.length; index++) {
        const known = parameters[index];
        if (known) parameters[index] = { ...known, role: "positional" };
      }
      continue;
    }
    const match = /^(\*{0,2})\s*([\p{L}_][\p{L}\p{N}_]*)?/u.exec(part);
    const stars = match?.[1] ?? "";
    const name = match?.[2];
    if (stars === "*") {
      keywordOnly = true;
      if (name !== undefined) parameters.push({ name, role: "star", hasDefault: false });
      continue;
    }
    if (name === undefined) return undefined;
    const hasDefault = (splitTopLevel(part, "=")?.length ?? 0) > 1;
    parameters.push({ name, role: stars === "**" ? "doubleStar" : keywordOnly ? "keyword" : "both", hasDefault });
  }
  return parameters;
}

// --- internal ---

/** Offset of the first character that is not blank line or comment line. */
function skipBlank(text: string, from: number): number {
  const blank = /(?:[ \t]*(?:#[^\n]*)?(?:\n|$))*/y;
  blank.lastIndex = from;
  blank.exec(text);
  return Math.max(from, blank.lastIndex);
}

/** Offset behind a logical line, or -1 when a string or bracket never ends. */
function skipStatementLine(text: string, from: number): number {
  let depth = 0;
  let at = from;
  const plain = /[^"'#()[\]{}\\\n]+/y;
  while (at < text.length) {
    plain.lastIndex = at;
    if (plain.test(text)) at = plain.lastIndex;
    if (at >= text.length) break;
    const char = text.charAt(at);
    switch (char) {
      case '"':
      case "'":
        at = skipString(text, at);
        if (at < 0) return -1;
        break;
      case "#": {
        const end = text.indexOf("\n", at);
        at = end < 0 ? text.length : end;
        break;
      }
      case "\\":
        at += 2;
        break;
      case "\n":
        at++;
        if (depth <= 0) return at;
        break;
      case "(":
      case "[":
      case "{":
        depth++;
        at++;
        break;
      default:
        depth--;
        at++;
        if (depth < 0) return -1;
    }
  }
  return depth > 0 ? -1 : text.length;
}

/** Offset behind all indented lines, and `else`-like clauses, that follow. */
function skipBlock(text: string, from: number): number {
  let at = from;
  for (;;) {
    const next = skipBlank(text, at);
    if (next >= text.length) return at;
    const char = text.charAt(next);
    if (char !== " " && char !== "\t") {
      const word = /(?:else|elif|except|finally)\b/y;
      word.lastIndex = next;
      if (!word.test(text)) return at;
    }
    const end = skipStatementLine(text, next);
    if (end < 0) return -1;
    at = end;
  }
}

/** Offset behind a string literal that starts at its quote, or -1. */
function skipString(text: string, from: number): number {
  const quote = text.charAt(from);
  const triple = quote.repeat(3);
  if (text.startsWith(triple, from)) {
    for (let at = from + 3; at < text.length; at++) {
      const char = text.charAt(at);
      if (char === "\\") at++;
      else if (char === quote && text.startsWith(triple, at)) return at + 3;
    }
    return -1;
  }
  for (let at = from + 1; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") at++;
    else if (char === quote) return at + 1;
    else if (char === "\n") return -1;
  }
  return -1;
}

/** Offset behind the bracket that closes the one at `open`, or -1. */
function skipBracketed(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length;) {
    const char = text.charAt(at);
    if (char === '"' || char === "'") {
      at = skipString(text, at);
      if (at < 0) return -1;
      continue;
    }
    if (char === "#") {
      at = text.indexOf("\n", at);
      if (at < 0) return -1;
      continue;
    }
    at++;
    if (char === "(" || char === "[" || char === "{") depth++;
    else if (char === ")" || char === "]" || char === "}") {
      depth--;
      if (depth === 0) return at;
    }
  }
  return -1;
}

function splitTopLevel(text: string, separator: string): string[] | undefined {
  const parts: string[] = [];
  let last = 0;
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    if (char === '"' || char === "'") {
      at = skipString(text, at);
      if (at < 0) return undefined;
    } else if (char === "(" || char === "[" || char === "{") {
      at = skipBracketed(text, at);
      if (at < 0) return undefined;
    } else if (char === "#") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
    } else {
      if (char === separator) {
        parts.push(text.slice(last, at));
        last = at + 1;
      }
      at++;
    }
  }
  parts.push(text.slice(last));
  return parts;
}

function hasSemicolon(text: string, start: number, end: number): boolean {
  const bare = text
    .slice(start, end)
    .replace(/"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|#[^\n]*/g, "");
  return bare.includes(";");
}

const IDENTIFIER = "[\\p{L}_][\\p{L}\\p{N}_]*";
const DEF = new RegExp(`(async\\s+)?def\\s+(${IDENTIFIER})\\s*(?=[([])`, "uy");
const CLASS = new RegExp(`class\\s+(${IDENTIFIER})\\s*([(:\\[])`, "uy");
const ASSIGN = new RegExp(`(${IDENTIFIER})\\s*(?::[^=\\n"'(]*)?=(?!=)`, "uy");
const IMPORT_NAME = new RegExp(`^(${IDENTIFIER}(?:\\s*\\.\\s*${IDENTIFIER})*)(?:\\s+as\\s+(${IDENTIFIER}))?$`, "u");
const FROM = new RegExp(`from\\s*([.\\s]*)(${IDENTIFIER}(?:\\.${IDENTIFIER})*)?\\s*\\bimport\\b`, "uy");

type Content = DefStatement | ClassStatement | ImportStatement | FromImport | AssignStatement | OtherStatement;

function readStatement(text: string, start: number, head: number, end: number): Content {
  const decorated = head !== start;
  DEF.lastIndex = head;
  const def = DEF.exec(text);
  if (def) {
    const open = text.indexOf("(", DEF.lastIndex);
    return { kind: "def", name: def[2] ?? "", isAsync: def[1] !== undefined, decorated, open };
  }
  CLASS.lastIndex = head;
  const cls = CLASS.exec(text);
  if (cls) return { kind: "class", name: cls[1] ?? "", decorated, hasBases: cls[2] !== ":" };
  const char = text.charAt(start);
  if (char === "i" && /^import[\s\\]/.test(text.slice(start, start + 7))) {
    return readImport(withoutComments(text.slice(start + 6, end))) ?? { kind: "other" };
  }
  FROM.lastIndex = start;
  const from = FROM.exec(text);
  if (from) return readFrom(from, withoutComments(text.slice(FROM.lastIndex, end))) ?? { kind: "other" };
  if (/^[rRuU]?["']/.test(text.slice(start, start + 2)) && isLoneString(text, start, end)) return { kind: "docstring" };
  if (
    /^if\s+(?:typing\.|t\.)?TYPE_CHECKING\s*:/.test(text.slice(start, start + 60)) &&
    !/\n(?:else|elif)\b/.test(text.slice(start, end))
  ) {
    return { kind: "typing" };
  }
  ASSIGN.lastIndex = start;
  const assign = ASSIGN.exec(text);
  if (assign && !/^(?:async|await|if|for|while|with|try|del|return|lambda|not|print)$/.test(assign[1] ?? "")) {
    const parts = splitTopLevel(text.slice(ASSIGN.lastIndex, end).replaceAll(/[=!<>:]=/g, "  "), "=");
    if (parts?.length === 1 && !hasSemicolon(text, start, end)) return { kind: "assign", name: assign[1] ?? "" };
  }
  return { kind: "other" };
}

/** Whether the flag that guards a block is the one of `typing`, which is false at run time. */
function isTypings(guard: string, bindings: ReadonlyMap<string, readonly TopStatement[]>): boolean {
  const name = /^if\s+(typing|t|TYPE_CHECKING)\b/.exec(guard)?.[1] ?? "";
  const [bound, second] = bindings.get(name) ?? [];
  if (!bound || second) return false;
  if (bound.kind === "import")
    return bound.names.some((item) => item.module === "typing" && (item.as ?? item.module) === name);
  return (
    bound.kind === "from" &&
    bound.level === 0 &&
    /^typing(?:_extensions)?$/.test(bound.module) &&
    bound.names.some((item) => item.name === "TYPE_CHECKING" && (item.as ?? item.name) === name)
  );
}

function withoutComments(text: string): string {
  return text
    .replaceAll(/#[^\n]*/g, "")
    .replaceAll(/\\\n/g, " ")
    .trim();
}

function isLoneString(text: string, start: number, end: number): boolean {
  const quote = text.slice(start).search(/["']/) + start;
  const close = skipString(text, quote);
  return close > 0 && close <= end && withoutComments(text.slice(close, end)) === "";
}

function readImport(text: string): ImportStatement | undefined {
  const names: { module: string; as: string | undefined }[] = [];
  for (const part of text.split(",")) {
    const match = IMPORT_NAME.exec(part.trim());
    if (!match) return undefined;
    names.push({ module: (match[1] ?? "").replaceAll(/\s/g, ""), as: match[2] });
  }
  return { kind: "import", names };
}

function readFrom(head: RegExpExecArray, rest: string): FromImport | undefined {
  const level = (head[1] ?? "").replaceAll(/\s/g, "").length;
  const module = head[2] ?? "";
  let text = rest;
  if (text.startsWith("(")) {
    if (!text.endsWith(")")) return undefined;
    text = text.slice(1, -1);
  }
  const names: { name: string; as: string | undefined }[] = [];
  for (const part of text.split(",")) {
    const trimmed = part.trim();
    if (trimmed === "" && names.length > 0) continue;
    if (trimmed === "*") {
      names.push({ name: "*", as: undefined });
      continue;
    }
    const match = IMPORT_NAME.exec(trimmed);
    if (!match || match[1]?.includes(".")) return undefined;
    names.push({ name: match[1] ?? "", as: match[2] });
  }
  return { kind: "from", level, module, names };
}
