/**
 * Whether importing a module does more than bind names of its own: changes a value of another module, of the
 * environment or of Kedro, or reads a value that others may change, so that the time of reading matters.
 *
 * Comes in: the module's light index and what it may ask about other modules. Goes out: true when the module has to
 * be executed where it is imported. Works on the texts of statements, never on a parse, and errs to the side of
 * execution: a module counts as quiet only when each of its statements is one of the kinds known to be harmless.
 */
import { indexModule, namesOf, type ModuleIndex, type TopStatement } from "./index.ts";

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

/** True when a module must be executed where it is imported. */
export function hasEffects(module: Importer, around: Surroundings): boolean {
  const { text } = module.source;
  const known: Known = { foreign: new Map(), active: new Set(), kedro: new Set() };
  const home: Home = { name: module.name, isPackage: module.isPackage, around };
  for (const statement of module.index.statements) {
    if (statement.kind === "docstring" || statement.kind === "typing") continue;
    if (statement.kind === "import" || statement.kind === "from") {
      learnImport(home, statement, known);
      continue;
    }
    const whole = text.slice(statement.start, statement.end);
    const acting = effectText(whole, statement);
    if (acting !== "" && acts(home, statement, acting, known)) return true;
    if (isActive(whole, statement, known)) for (const name of namesOf(statement)) known.active.add(name);
  }
  return false;
}

// --- internal ---

interface Known {
  /** Names imported from the project → where they come from. */
  readonly foreign: Map<string, { readonly module: string; readonly name: string | undefined }>;
  /** Names whose use may change or read what others change. */
  readonly active: Set<string>;
  /** Names under which Kedro was imported. */
  readonly kedro: Set<string>;
}

interface Home {
  readonly name: string;
  readonly isPackage: boolean;
  readonly around: Surroundings;
}

/** Ways past the names in a text: the environment, modules by name, code in text. */
const BY_OTHER_WAYS =
  /environ\s*\[|environ\.(?:setdefault|update|pop|clear)|\b(?:putenv|load_dotenv|setattr|delattr|import_module|__import__|__dict__|__setitem__|globals|exec|eval)\b|\bsys\.modules\b/;

function learnImport(home: Home, statement: TopStatement, known: Known): void {
  if (statement.kind === "import") {
    for (const { module, as } of statement.names) {
      const name = as ?? module.split(".", 1)[0] ?? module;
      if (home.around.isOfProject(module)) learn(home, known, name, as === undefined ? name : module, undefined);
      else if (/^kedro(?:\.|$)/.test(module)) known.kedro.add(name);
    }
  }
  if (statement.kind !== "from") return;
  const path = pathOf(home, statement.level, statement.module);
  if (path === undefined || !home.around.isOfProject(path)) {
    if (path !== undefined && /^kedro(?:\.|$)/.test(path))
      for (const { name, as } of statement.names) known.kedro.add(as ?? name);
    return;
  }
  for (const { name, as } of statement.names) {
    if (name !== "*") learn(home, known, as ?? name, path, name);
    else for (const item of home.around.index(path)?.index.bindings.keys() ?? []) learn(home, known, item, path, item);
  }
}

function learn(home: Home, known: Known, as: string, module: string, name: string | undefined): void {
  known.foreign.set(as, { module, name });
  if (mayChange(home.around, module, name)) known.active.add(as);
}

function pathOf(home: Home, level: number, module: string): string | undefined {
  if (level === 0) return module;
  const parts = home.name.split(".");
  const drop = level - (home.isPackage ? 1 : 0);
  if (drop >= parts.length) return undefined;
  const base = parts.slice(0, parts.length - drop);
  return module === "" ? base.join(".") : [...base, module].join(".");
}

/** The part of a statement that runs at import: decorators and defaults of a `def`, what a class body does, the rest. */
function effectText(whole: string, statement: TopStatement): string {
  switch (statement.kind) {
    case "def":
      return signatureText(whole);
    case "class": {
      const colon = headEnd(whole);
      const inner = indexModule(dedent(whole.slice(colon)));
      const dedented = dedent(whole.slice(colon));
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
      return /^if\s+__name__\s*==/.test(whole) || /^(?:pass|\.\.\.)\s*$/.test(whole) ? "" : whole;
    default:
      return whole;
  }
}

/** Decorators, and defaults that are more than a constant or a name. */
function signatureText(whole: string): string {
  const def = whole.search(/^(?:async\s+)?def\b/m);
  const decorators = whole.slice(0, Math.max(def, 0));
  const head = whole.slice(Math.max(def, 0), headEnd(whole));
  return decorators + (/=\s*[^,)]*[([{]/.test(head) ? head : "");
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
  /^[^=]*=\s*(?:[rbfu]{0,2}(?:"[^"\\\n]*"|'[^'\\\n]*')|[-+]?[\d._]+|True|False|None|\[\s*\]|\{\s*\})\s*(?:#[^\n]*)?\n?$/i;

/** `NAME = constant`, also lists and mappings of constants. */
function isConstant(whole: string): boolean {
  if (CONSTANT.test(whole)) return true;
  const bare = withoutText(whole).replace(/^[^=]*=/, "");
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
  if (
    statement.kind === "class" &&
    [...known.foreign].some(
      ([name, origin]) => mentions(bare, name) && shapesSubclasses(home.around, origin.module, origin.name),
    )
  )
    return true;
  if (statement.kind !== "other") return false;
  const assigns = /(?:^|[^=!<>])=(?!=)|\bdel\b/.test(bare);
  if (!assigns) return false;
  for (const name of known.foreign.keys()) if (mentions(bare, name)) return true;
  for (const name of known.kedro)
    if (new RegExp(`(?<![\\w.])${escapeForRegExp(name)}(?:\\.\\w+)+\\s*=(?!=)`).test(bare)) return true;
  return false;
}

/** Whether using a name that a statement binds may in turn reach beyond the module. */
function isActive(whole: string, statement: TopStatement, known: Known): boolean {
  if (statement.kind === "def" || statement.kind === "class") {
    if (BY_OTHER_WAYS.test(whole)) return true;
  } else if (statement.kind !== "assign") return false;
  const bare = withoutText(whole);
  for (const name of known.active) if (mentions(bare, name)) return true;
  return false;
}

/** Whether using `name` of a module (undefined: the module itself) may change a state or read one that changes. */
function mayChange(around: Surroundings, path: string, name: string | undefined): boolean {
  if (name === undefined) return true;
  const module = around.index(path);
  if (!module) return true;
  const [statement, second] = module.index.bindings.get(name) ?? [];
  if (!statement || second) return true;
  const whole = module.text.slice(statement.start, statement.end);
  if (statement.kind === "assign") return !CONSTANT.test(whole) || /=\s*[[{]/.test(whole);
  if (statement.kind !== "def" && (statement.kind !== "class" || statement.hasBases)) return true;
  if (/\b(?:global|environ|setattr|nonlocal)\b/.test(whole) || BY_OTHER_WAYS.test(whole)) return true;
  for (const [, from = ""] of whole.matchAll(/^\s*(?:from|import)\s+([\w.]+)/gm))
    if (from.startsWith(".") || around.isOfProject(from)) return true;
  for (const other of module.index.statements) {
    if (other === statement || other.kind === "docstring" || other.kind === "typing") continue;
    if (other.kind === "import" && other.names.every((item) => !around.isOfProject(item.module))) continue;
    if (other.kind === "from" && other.level === 0 && !around.isOfProject(other.module)) continue;
    for (const bound of namesOf(other)) {
      if (mentions(whole, bound) && !/^(?:log|logger|LOG|LOGGER|_logger)$/.test(bound)) return true;
    }
  }
  return module.index.otherText !== "" && /\b(?:for|while|if|\.append|\.update)\b/.test(module.index.otherText);
}

/** Whether a class, or one above it, may act when it is extended. */
function shapesSubclasses(around: Surroundings, path: string, name: string | undefined): boolean {
  const module = name === undefined ? undefined : around.index(path);
  if (!module || name === undefined) return true;
  const [statement] = module.index.bindings.get(name) ?? [];
  if (statement?.kind !== "class") return true;
  const whole = module.text.slice(statement.start, statement.end);
  return statement.hasBases || /__init_subclass__|__set_name__|metaclass/.test(whole);
}

function mentions(text: string, name: string): boolean {
  return text.includes(name) && new RegExp(`(?<![\\w.])${escapeForRegExp(name)}(?!\\w)`).test(text);
}

function escapeForRegExp(text: string): string {
  return text.replaceAll(/[$.*+?^{}()|[\]\\]/g, String.raw`\$&`);
}
