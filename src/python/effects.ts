/**
 * Whether importing a module does more than bind names of its own: changes a value of another module, of the
 * environment or of Kedro, or reads a value that others may change, so that the time of reading matters.
 *
 * Comes in: the module's light index and what it may ask about other modules. Goes out: true when the module has to
 * be executed where it is imported. Works on the texts of statements, never on a parse, and errs to the side of
 * execution: a module counts as quiet only when each of its statements is one of the kinds known to be harmless.
 */
import { indexModule, namesOf, type FromImport, type ModuleIndex, type TopStatement } from "./index.ts";

/** What is asked about modules that need not be loaded yet. */
export interface Surroundings {
  readonly isOfProject: (module: string) => boolean;
  readonly index: (module: string) => IndexedText | undefined;
}

export interface IndexedText {
  readonly index: ModuleIndex;
  readonly text: string;
}

/** A module as far as its own statements tell. */
export interface Importer {
  readonly name: string;
  readonly isPackage: boolean;
  readonly index: ModuleIndex;
  readonly source: { readonly text: string };
}

/** Whether a module computes its names, or a function of it binds one (`"*"`: any) anew, so that the time of reading it matters. */
export function isRebound(text: string, name: string): boolean {
  if (/^def\s+__getattr__\b/m.test(text)) return true;
  if (!text.includes("global")) return false;
  if (/\bglobals\s*\(/.test(text)) return true;
  const bound = [...text.matchAll(/^[^#\n"']*\bglobal\s+([^\n;#]+)/gm)].map((found) => found[1] ?? "");
  return bound.some((names) => name === "*" || mentions(names, name));
}

/** True when a module must be executed where it is imported. */
export function hasEffects(module: Importer, around: Surroundings): boolean {
  const { text } = module.source;
  const known: Known = { active: new Set(), libraries: new Set() };
  const home: Home = { name: module.name, isPackage: module.isPackage, around };
  for (const statement of module.index.statements) {
    if (statement.kind === "docstring" || statement.kind === "typing") continue;
    if (statement.kind === "import" || statement.kind === "from") {
      if (learnImport(home, statement, known)) return true;
      continue;
    }
    const whole = text.slice(statement.start, statement.end);
    const acting = effectText(whole, statement);
    if (acting !== "" && acts(home, statement, acting, known)) return true;
    if (isActive(whole, statement, known)) for (const name of namesOf(statement)) known.active.add(name);
  }
  return false;
}

/** The module named by `from ..a import b` as written in a module; undefined beyond the top-level package. */
export function importedPath(
  { name, isPackage }: Pick<Importer, "name" | "isPackage">,
  { level, module }: Pick<FromImport, "level" | "module">,
): string | undefined {
  if (level === 0) return module;
  const parts = name.split(".");
  const drop = level - (isPackage ? 1 : 0);
  if (drop >= parts.length) return undefined;
  const base = parts.slice(0, parts.length - drop);
  return module === "" ? base.join(".") : [...base, module].join(".");
}

/** Whether a text holds a name as a whole word that is no attribute. */
export function mentions(text: string, name: string): boolean {
  return text.includes(name) && new RegExp(`(?<![\\w.])${escapeForRegExp(name)}(?!\\w)`).test(text);
}

/** A name as a part of a regular expression. */
export function escapeForRegExp(text: string): string {
  return text.replaceAll(/[$.*+?^{}()|[\]\\]/g, String.raw`\$&`);
}

// --- internal ---

interface Known {
  /** Names that come from the project's other modules, or whose use may reach them. */
  readonly active: Set<string>;
  /** Names under which libraries, and what is theirs, were imported. */
  readonly libraries: Set<string>;
}

interface Home {
  readonly name: string;
  readonly isPackage: boolean;
  readonly around: Surroundings;
}

/** Ways past the names in a text: the environment, modules by name, code in text. */
const BY_OTHER_WAYS =
  /environ\s*\[|environ\.(?:setdefault|update|pop|clear)|\b(?:putenv|load_dotenv|setattr|delattr|import_module|__import__|__dict__|__setitem__|globals|vars|patch|mock|exec|eval)\b|\bsys\.modules\b|(?<![\w.])modules\s*\[/;

/** Notes what an import binds; true when it takes a name that its module may bind anew later. */
function learnImport(home: Home, statement: TopStatement, known: Known): boolean {
  if (statement.kind === "import") {
    for (const { module, as } of statement.names) {
      const name = as ?? module.split(".", 1)[0] ?? module;
      if (home.around.isOfProject(module)) known.active.add(name);
      else known.libraries.add(name);
    }
  }
  if (statement.kind !== "from") return false;
  const path = importedPath(home, statement);
  if (path === undefined || !home.around.isOfProject(path)) {
    for (const { name, as } of statement.names)
      (path === "os" && name === "environ" ? known.active : known.libraries).add(as ?? name);
    return false;
  }
  const target = home.around.index(path);
  for (const { name, as } of statement.names) {
    if (target && isRebound(target.text, name)) return true;
    if (name !== "*") known.active.add(as ?? name);
    else if (!target || target.index.stars.length > 0 || target.index.otherText !== "") return true;
    else for (const item of target.index.bindings.keys()) known.active.add(item);
  }
  return false;
}

/** The part of a statement that runs at import: decorators and defaults of a `def`, what a class body does, the rest. */
function effectText(whole: string, statement: TopStatement): string {
  switch (statement.kind) {
    case "def":
      return signatureText(whole);
    case "class": {
      const colon = headEnd(whole);
      const dedented = dedent(whole.slice(colon));
      const inner = indexModule(dedented);
      if (!inner.exact) return whole;
      const parts = inner.statements.map((item) =>
        item.kind === "docstring" || item.kind === "typing"
          ? ""
          : effectText(dedented.slice(item.start, item.end), item),
      );
      return [statement.decorated || statement.hasBases ? whole.slice(0, colon) : "", ...parts]
        .filter((part) => part !== "")
        .join("\n");
    }
    case "assign":
      return isConstant(whole) ? "" : whole;
    case "other":
      return isScriptPart(whole) || /^(?:pass|\.\.\.)\s*$/.test(whole) ? "" : whole;
    default:
      return whole;
  }
}

/** What runs only when the file is started as a program. */
function isScriptPart(whole: string): boolean {
  return /^if\s+\(?__name__\s*==\s*(["'])__main__\1\)?\s*:/.test(whole) && !/^(?:else|elif)\b/m.test(whole);
}

/** Decorators, and a head whose defaults are more than constants, or whose annotations call something. */
function signatureText(whole: string): string {
  const def = whole.search(/^(?:async\s+)?def\b/m);
  const decorators = whole.slice(0, Math.max(def, 0));
  const head = withoutText(whole.slice(Math.max(def, 0), headEnd(whole)));
  const calls = /[\w\])]\s*\(/.test(head.slice(head.indexOf("(") + 1));
  return decorators + (calls || /=\s*(?!(?:None|True|False)\b)[^\W\d]/u.test(head) ? head : "");
}

/** Offset behind the colon that ends the head of a `def` or `class`. */
function headEnd(whole: string): number {
  let depth = 0;
  const from = Math.max(whole.search(/^(?:async\s+def|def|class)\b/m), 0);
  for (let at = from; at < whole.length; at++) {
    const char = whole.charAt(at);
    if (char === "(" || char === "[" || char === "{") depth++;
    else if (char === ")" || char === "]" || char === "}") depth--;
    else if (char === "#") at = lineEnd(whole, at);
    else if (char === ":" && depth === 0) return at + 1;
  }
  return whole.length;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function dedent(body: string): string {
  const indent =
    /^[ \t]+(?=\S)/m.exec(body.replace(/^[^\n]*\n/, (line) => (line.trim() === "" ? "" : line)))?.[0] ?? "";
  return body.trimStart() === body || indent === ""
    ? body.trimStart()
    : body
        .split("\n")
        .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()))
        .join("\n");
}

const CONSTANT =
  /^[\p{L}\p{N}_\s]*=\s*(?:[rbu]{0,2}(?:"[^"\\\n]*"|'[^'\\\n]*')|[-+]?[\d._]+|True|False|None|\[\s*\]|\{\s*\})\s*(?:#[^\n]*)?\n?$/iu;

/** `NAME = constant`, also lists and mappings of constants. */
function isConstant(whole: string): boolean {
  if (CONSTANT.test(whole)) return true;
  const bare = withoutText(whole).replace(/^[\p{L}\p{N}_\s]*=/u, "");
  return !/[;]/.test(bare) && !/[\p{L}_][\p{L}\p{N}_]*/u.test(bare.replace(/\b(?:True|False|None)\b|\b\d[\w.]*/g, ""));
}

/** A text without its plain string literals and comments; formatted strings stay. */
function withoutText(text: string): string {
  return text.replace(
    /(?<![\w])(?:[rbuRBU]{0,2})(?:"""(?:[^\\]|\\[^])*?"""|'''(?:[^\\]|\\[^])*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|#[^\n]*/g,
    '""',
  );
}

/** Whether what a statement does at import may reach beyond the module. */
function acts(home: Home, statement: TopStatement, acting: string, known: Known): boolean {
  if (BY_OTHER_WAYS.test(acting)) return true;
  for (const [, path = ""] of acting.matchAll(/^\s*(?:from|import)\s+([\w.]+)/gm)) {
    if (path.startsWith(".") || home.around.isOfProject(path)) return true;
  }
  const bare = withoutText(acting);
  const isPlainAlias = statement.kind === "assign" && /^[^=]*=\s*[\p{L}_][\p{L}\p{N}_]*\s*$/u.test(bare);
  if (!isPlainAlias) for (const name of known.active) if (mentions(bare, name)) return true;
  if (statement.kind !== "other") return false;
  for (const name of known.libraries)
    if (new RegExp(`(?<![\\w.])${escapeForRegExp(name)}(?:\\.\\w+)+\\s*=(?!=)`).test(bare)) return true;
  return false;
}

/** Whether using a name that a statement binds may in turn reach beyond the module. */
function isActive(whole: string, statement: TopStatement, known: Known): boolean {
  if (statement.kind === "def" || statement.kind === "class") {
    if (BY_OTHER_WAYS.test(whole)) return true;
  } else if (statement.kind !== "assign") return false;
  else if (/\benviron\b/.test(whole)) return true;
  const bare = withoutText(whole);
  for (const name of known.active) if (mentions(bare, name)) return true;
  return false;
}
