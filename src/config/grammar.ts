/**
 * Text with `${…}` → its parts, by OmegaConf's grammar: node interpolations (`${a.b[0]}`, `${..x}`), resolver calls
 * (`${name:arg, 'arg', [1, 2], {a: b}}`), nested to any depth, with the grammar's own escapes.
 *
 * Only the form is decided here; `interpolate.ts` looks values up. Refused: whatever the real parser refuses, as
 * `GrammarError` with the offset in the text.
 * Source: OmegaConf 2.3.1, grammar of the documentation and behaviour of the released parser (`test/config` holds the
 * cases that were compared). Longer than 500 lines because lexer modes and parser depend on each other.
 */

/** A text is its parts in order. One part that is an interpolation keeps its value's type; else parts are joined. */
export type Part = TextPart | Interpolation;

export interface TextPart {
  readonly kind: "text";
  /** With escapes already undone. */
  readonly text: string;
}

export type Interpolation = NodeInterpolation | ResolverCall;

export interface NodeInterpolation {
  readonly kind: "node";
  /** Dots in front: none = from the root, one = the mapping that holds the value, two = the one above it. */
  readonly path: readonly PathPart[];
  /** Offset of `${` and of what follows `}`. */
  readonly start: number;
  readonly end: number;
}

/** Pieces of a path as written: dots and brackets are kept, as a nested interpolation may bring its own. */
export type PathPart = { readonly kind: "text"; readonly text: string } | Interpolation;

export interface ResolverCall {
  readonly kind: "call";
  /** Names joined by dots; a part may be an interpolation. */
  readonly name: readonly (string | Interpolation)[];
  readonly args: readonly Element[];
  readonly start: number;
  readonly end: number;
}

export type Element =
  | { readonly kind: "value"; readonly value: null | boolean | bigint | number | string }
  /** Parts that are joined to one text; a single interpolation keeps its type. */
  | { readonly kind: "parts"; readonly parts: readonly Part[] }
  | { readonly kind: "list"; readonly items: readonly Element[] }
  | {
      readonly kind: "map";
      readonly entries: readonly (readonly [null | boolean | bigint | number | string, Element])[];
    };

/** Broken form; `offset` counts from the start of the text. */
export class GrammarError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** A whole value: text with interpolations in it. Errors: GrammarError. */
export function parseText(text: string): readonly Part[] {
  const parser = new Parser(text, "top");
  const parts = parser.text("end");
  parser.expectEnd();
  return parts;
}

/** One element as an argument of a resolver is one (`oc.decode`). Errors: GrammarError. */
export function parseElement(text: string): Element {
  const parser = new Parser(text, "value");
  const element = parser.element();
  parser.expectEnd();
  return element;
}

// --- internal ---

type Mode = "top" | "value" | "inter" | "single" | "double";
type TokenType =
  | "open" // ${
  | "close" // } of a node interpolation, of a call or of a mapping
  | "text"
  | "escInter" // \${
  | "esc"
  | "maybeEsc" // backslashes that are an escape only before an interpolation or, in quotes, at the end
  | "braceOpen"
  | "quoteOpen"
  | "quoteClose"
  | "comma"
  | "bracketOpen"
  | "bracketClose"
  | "colon"
  | "float"
  | "int"
  | "bool"
  | "null"
  | "char"
  | "id"
  | "space"
  | "dot"
  | "key"
  | "end";

interface Token {
  readonly type: TokenType;
  readonly text: string;
  readonly start: number;
}

const UNSIGNED = "(?:0|[1-9](?:_?[0-9])*)";
const POINT = `(?:${UNSIGNED}?\\.[0-9](?:_?[0-9])*|${UNSIGNED}\\.)`;
const FLOAT = `[+-]?(?:(?:${POINT}|${UNSIGNED})[eE][+-]?[0-9](?:_?[0-9])*|${POINT}|[Ii][Nn][Ff]|[Nn][Aa][Nn])`;
const ID = "[a-zA-Z_][a-zA-Z0-9_-]*";

/** Token rules of each mode in the grammar's order: the longest match wins, then the earlier rule. */
const RULES: Readonly<Record<Mode, readonly (readonly [TokenType, RegExp])[]>> = {
  top: [
    ["open", /\$\{[ \t]*/y],
    ["text", /[^$]*[^\\$]/y],
    ["escInter", /(?:\\\\)*\\\$\{/y],
    ["maybeEsc", /(?:\\\\)+/y],
    ["text", /\\+/y],
    ["text", /\$/y],
  ],
  value: [
    ["open", /\$\{[ \t]*/y],
    ["braceOpen", /\{[ \t]*/y],
    ["close", /[ \t]*\}/y],
    ["quoteOpen", /'/y],
    ["quoteOpen", /"/y],
    ["comma", /[ \t]*,[ \t]*/y],
    ["bracketOpen", /\[[ \t]*/y],
    ["bracketClose", /[ \t]*\]/y],
    ["colon", /[ \t]*:[ \t]*/y],
    ["float", new RegExp(FLOAT, "y")],
    ["int", new RegExp(`[+-]?${UNSIGNED}`, "y")],
    ["bool", /[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]/y],
    ["null", /[Nn][Uu][Ll][Ll]/y],
    ["char", /[/\-\\+.$%*@?|]/y],
    ["id", new RegExp(ID, "y")],
    ["esc", /(?:\\[\\()[\]{}:=, \t])+/y],
    ["space", /[ \t]+/y],
  ],
  inter: [
    ["open", /\$\{[ \t]*/y],
    ["colon", /[ \t]*:[ \t]*/y],
    ["close", /[ \t]*\}/y],
    ["dot", /\./y],
    ["bracketOpen", /\[/y],
    ["bracketClose", /\]/y],
    ["id", new RegExp(ID, "y")],
    ["key", /[^\\{}()[\]:. \t'"]+/y],
  ],
  single: quotedRules("'"),
  double: quotedRules('"'),
};

function quotedRules(quote: string): readonly (readonly [TokenType, RegExp])[] {
  return [
    ["open", /\$\{[ \t]*/y],
    ["quoteClose", new RegExp(quote, "y")],
    ["text", new RegExp(`[^${quote}$]*[^${quote}\\\\$]`, "y")],
    ["escInter", /(?:\\\\)*\\\$\{/y],
    ["esc", new RegExp(`(?:\\\\\\\\)*\\\\${quote}`, "y")],
    ["maybeEsc", /(?:\\\\)+/y],
    ["text", /\\+/y],
    ["text", /\$/y],
  ];
}

/** Reads tokens one ahead at most, because what a character means depends on what is open. */
class Parser {
  private readonly source: string;
  private readonly modes: Mode[];
  private offset = 0;
  private peeked: Token | undefined;
  private depth = 0;

  constructor(source: string, mode: Mode) {
    this.source = source;
    this.modes = [mode];
  }

  /** text: (interpolation | text | escape)+ */
  text(until: "end" | "quoteClose"): readonly Part[] {
    const parts: Part[] = [];
    const pieces: string[] = [];
    const flush = (): void => {
      if (pieces.length > 0) parts.push({ kind: "text", text: pieces.splice(0).join("") });
    };
    for (;;) {
      const token = this.peek();
      if (token.type === until) break;
      if (token.type === "open") {
        flush();
        parts.push(this.interpolation());
        continue;
      }
      this.next();
      switch (token.type) {
        case "text":
          pieces.push(token.text);
          break;
        case "esc":
          pieces.push(everySecond(token.text));
          break;
        case "escInter":
          pieces.push(token.text.slice(-(Math.floor(token.text.length / 2) + 1)));
          break;
        case "maybeEsc": {
          const after = this.peek().type;
          const isEscape = after === "open" || (until === "quoteClose" && after === "quoteClose");
          pieces.push(isEscape ? everySecond(token.text) : token.text);
          break;
        }
        default:
          throw this.unexpected(token);
      }
    }
    flush();
    return parts;
  }

  /** element: primitive | quoted | list | mapping */
  element(): Element {
    const token = this.peek();
    switch (token.type) {
      case "quoteOpen":
        return this.quoted();
      case "bracketOpen": {
        this.next();
        if (this.peek().type === "bracketClose") {
          this.next();
          return { kind: "list", items: [] };
        }
        const items = this.nested(token, () => this.sequence());
        this.expect("bracketClose");
        return { kind: "list", items };
      }
      case "braceOpen":
        return this.nested(token, () => this.mapping());
      default:
        return this.primitive(false);
    }
  }

  expectEnd(): void {
    const token = this.peek();
    if (token.type !== "end") throw this.unexpected(token);
  }

  /** `${` path `}` or `${` name `:` arguments `}` */
  private interpolation(): Interpolation {
    const open = this.expect("open");
    return this.nested(open, () => {
      const parts: PathPart[] = [];
      // names joined by dots may still turn out to be a resolver's
      let isName = true;
      let wantsKey = true;
      let inBracket = false;
      for (;;) {
        const token = this.peek();
        switch (token.type) {
          case "dot":
            if (inBracket) throw this.unexpected(token);
            // dots in front are levels; later, one dot stands between two keys
            if (wantsKey && parts.some((part) => part.kind !== "text" || part.text !== "."))
              throw this.unexpected(token);
            if (parts.length === 0) isName = false;
            wantsKey = true;
            break;
          case "bracketOpen": {
            const last = parts.at(-1);
            const afterDot =
              wantsKey && last !== undefined && parts.some((part) => part.kind !== "text" || part.text !== ".");
            if (inBracket || afterDot) throw this.unexpected(token);
            isName = false;
            inBracket = true;
            wantsKey = true;
            break;
          }
          case "bracketClose":
            if (!inBracket || wantsKey) throw this.unexpected(token);
            inBracket = false;
            break;
          case "open":
            if (!wantsKey) throw this.unexpected(token);
            parts.push(this.interpolation());
            wantsKey = false;
            continue;
          case "id":
          case "key":
            if (!wantsKey) throw this.unexpected(token);
            if (token.type === "key") isName = false;
            wantsKey = false;
            break;
          case "close":
            if (wantsKey || inBracket) throw this.unexpected(token);
            this.next();
            return { kind: "node", path: parts, start: open.start, end: this.offset };
          case "colon":
            if (!isName || wantsKey) throw this.unexpected(token);
            return this.call(open, parts);
          default:
            throw this.unexpected(token);
        }
        this.next();
        parts.push({ kind: "text", text: token.text });
      }
    });
  }

  private call(open: Token, parts: readonly PathPart[]): ResolverCall {
    const name = parts.filter((part) => part.kind !== "text" || part.text !== ".");
    this.expect("colon");
    const args = this.peek().type === "close" ? [] : this.sequence();
    this.expect("close");
    return {
      kind: "call",
      name: name.map((part) => (part.kind === "text" ? part.text : part)),
      args,
      start: open.start,
      end: this.offset,
    };
  }

  /** (element (, element?)*) | (, element?)+ ; what is missing between commas is an empty text */
  private sequence(): Element[] {
    const items: Element[] = [];
    let wantsElement = true;
    for (;;) {
      const token = this.peek();
      if (token.type === "comma") {
        this.next();
        if (wantsElement) items.push(EMPTY);
        wantsElement = true;
      } else if (token.type === "close" || token.type === "bracketClose") {
        if (wantsElement) items.push(EMPTY);
        return items;
      } else {
        if (!wantsElement) throw this.unexpected(token);
        items.push(this.element());
        wantsElement = false;
      }
    }
  }

  private mapping(): Element {
    const entries: (readonly [null | boolean | bigint | number | string, Element])[] = [];
    this.expect("braceOpen");
    if (this.peek().type === "close") {
      this.next();
      return { kind: "map", entries };
    }
    for (;;) {
      const key = this.primitive(true);
      if (key.kind !== "value") throw this.unexpected(this.peek());
      this.expect("colon");
      entries.push([key.value, this.element()]);
      const token = this.next();
      if (token.type === "close") return { kind: "map", entries };
      if (token.type !== "comma") throw this.unexpected(token);
    }
  }

  private quoted(): Element {
    this.expect("quoteOpen");
    const parts = this.text("quoteClose");
    this.expect("quoteClose");
    const first = parts[0];
    if (parts.length === 0) return EMPTY;
    if (parts.length === 1 && first?.kind === "text") return { kind: "value", value: first.text };
    // in quotes, even a single interpolation becomes text
    return { kind: "parts", parts: [{ kind: "text", text: "" }, ...parts] };
  }

  /** One word keeps its type; several pieces are joined. */
  private primitive(isKey: boolean): Element {
    const tokens: (Token | Interpolation)[] = [];
    for (;;) {
      const token = this.peek();
      if (token.type === "open" && !isKey) {
        tokens.push(this.interpolation());
      } else if (PRIMITIVE.has(token.type) && !(isKey && token.type === "colon")) {
        tokens.push(this.next());
      } else {
        break;
      }
    }
    const [only] = tokens;
    if (only === undefined) throw this.unexpected(this.peek());
    if (tokens.length === 1) {
      if ("type" in only) return { kind: "value", value: wordValue(only) };
      return { kind: "parts", parts: [only] };
    }
    const parts: Part[] = tokens.map((token) => {
      if (!("type" in token)) return token;
      return { kind: "text", text: token.type === "esc" ? everySecond(token.text) : token.text };
    });
    if (parts.every((part) => part.kind === "text")) {
      return { kind: "value", value: parts.map((part) => part.text).join("") };
    }
    return { kind: "parts", parts };
  }

  private nested<T>(at: Token, read: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new GrammarError("interpolations are nested too deep", at.start);
    const value = read();
    this.depth--;
    return value;
  }

  private peek(): Token {
    this.peeked ??= this.scan();
    return this.peeked;
  }

  private next(): Token {
    const token = this.peek();
    this.peeked = undefined;
    this.offset = token.start + token.text.length;
    // what is open decides how the next characters are read
    switch (token.type) {
      case "open":
        this.modes.push("inter");
        break;
      case "braceOpen":
        this.modes.push("value");
        break;
      case "quoteOpen":
        this.modes.push(token.text === "'" ? "single" : "double");
        break;
      case "colon":
        if (this.modes.at(-1) === "inter") this.modes[this.modes.length - 1] = "value";
        break;
      case "close":
      case "quoteClose":
        if (this.modes.length === 1) throw this.unexpected(token);
        this.modes.pop();
        break;
      default:
    }
    return token;
  }

  private scan(): Token {
    const start = this.offset;
    if (start >= this.source.length) return { type: "end", text: "", start };
    let best: Token | undefined;
    for (const [type, rule] of RULES[this.modes.at(-1) ?? "top"]) {
      rule.lastIndex = start;
      const found = rule.exec(this.source)?.[0];
      if (found !== undefined && found.length > (best?.text.length ?? 0)) best = { type, text: found, start };
    }
    if (best === undefined) throw new GrammarError(`"${this.source.charAt(start)}" is not allowed here`, start);
    return best;
  }

  private expect(type: TokenType): Token {
    const token = this.next();
    if (token.type !== type) throw this.unexpected(token);
    return token;
  }

  private unexpected(token: Token): GrammarError {
    if (token.type === "end") return new GrammarError("it is not closed", token.start);
    return new GrammarError(`"${token.text.trim() || token.text}" is not expected here`, token.start);
  }
}

const EMPTY: Element = { kind: "value", value: "" };
const MAX_DEPTH = 100;
const PRIMITIVE: ReadonlySet<TokenType> = new Set<TokenType>([
  "id",
  "null",
  "int",
  "float",
  "bool",
  "char",
  "colon",
  "esc",
  "space",
]);

function wordValue(token: Token): null | boolean | bigint | number | string {
  switch (token.type) {
    case "null":
      return null;
    case "bool":
      return token.text.toLowerCase() === "true";
    case "int":
      return BigInt(token.text.replaceAll("_", "").replace(/^\+/, ""));
    case "float":
      return readFloat(token.text.replaceAll("_", "").toLowerCase());
    case "esc":
      return everySecond(token.text);
    default:
      return token.text;
  }
}

function readFloat(text: string): number {
  if (text.endsWith("nan")) return NaN;
  if (text.endsWith("inf")) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

/** Undoes an escape: of each pair of characters the second stays. */
function everySecond(text: string): string {
  let out = "";
  for (let index = 1; index < text.length; index += 2) out += text.charAt(index);
  return out;
}
