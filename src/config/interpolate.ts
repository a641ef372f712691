/**
 * A tree with `${…}` in it → a tree without: OmegaConf's resolution, one folder's merged files at a time.
 *
 * Kept: the type of a value that is one interpolation only, Python's `str()` for parts of a text, relative paths from
 * the place where the value stands (also when it is reached from elsewhere), the difference between `???` as a value
 * and as a target. Refused with the place of the `${`: unknown keys and resolvers, cycles, broken form, and a key
 * that two files of the folder set differently.
 * A third of the file is the wording of its problems.
 * Source: OmegaConf 2.3.1 `base.py`, `_impl.py`, compared case by case with the released package.
 */
import { isKfkError, KfkError, suggest, type Note, type Warning } from "../error.ts";
import { GrammarError, parseElement, parseText, type Element, type Interpolation, type Part } from "./grammar.ts";
import type { PlainKey } from "./plain.ts";
import { shownIn } from "./shown.ts";
import type { Resolvers } from "./resolvers.ts";
import {
  adopt,
  placeOf,
  type ConfigNode,
  type ContainerNode,
  type MapNode,
  type ScalarNode,
  type Spot,
} from "./tree.ts";
import { parseYaml } from "./yaml.ts";

export interface Interpolated<T extends ConfigNode = ConfigNode> {
  readonly tree: T;
  readonly warnings: readonly Warning[];
}

/**
 * The tree with every interpolation replaced; the input is not changed.
 *
 * Errors: CONFIG_INTERPOLATION, CONFIG_RESOLVER, CONFIG_CYCLE, CONFIG_DUPLICATE with the place of the `${`.
 */
export function interpolate(root: MapNode, resolvers: Resolvers): Interpolated<MapNode> {
  const evaluator = new Evaluator(resolvers);
  checkForm(root);
  return { tree: evaluator.finish(root) as MapNode, warnings: evaluator.warnings };
}

/** True when OmegaConf looks into the text at all: an escaped `\${` counts. */
export function hasInterpolation(node: ConfigNode): node is ScalarNode & { readonly value: string } {
  return node.kind === "scalar" && typeof node.value === "string" && !node.literal && node.value.includes("${");
}

// --- internal ---

/** OmegaConf refuses broken text when a file is loaded, whether the value is used or not. */
function checkForm(node: ConfigNode): void {
  if (node.kind === "map") for (const child of node.entries.values()) checkForm(child);
  else if (node.kind === "list") for (const child of node.items) checkForm(child);
  else if (hasInterpolation(node)) readParts(node);
}

const KEY_HEAD = /^\.*[^.[]*/;
const KEY_REST = /\.([^.[]*)|\[(.*?)\]/g;

class Evaluator {
  readonly warnings: Warning[] = [];
  private readonly resolvers: Resolvers;
  /** Values being resolved right now, outermost first. */
  private readonly stack: ScalarNode[] = [];
  private readonly open = new Set<ContainerNode>();

  constructor(resolvers: Resolvers) {
    this.resolvers = resolvers;
  }

  /** The value with nothing left to resolve in it. */
  finish(node: ConfigNode): ConfigNode {
    const value = this.dereference(node);
    const { keyAt } = node;
    if (value.kind === "scalar") return { kind: "scalar", value: value.value, at: node.at, keyAt, literal: true };
    if (value.kind === "opaque") return { kind: "opaque", reason: value.reason, at: value.at ?? node.at, keyAt };
    if (this.open.has(value)) throw endless(node);
    this.open.add(value);
    let finished: ConfigNode;
    if (value.kind === "list") {
      finished = adopt({ kind: "list", items: value.items.map((item) => this.finish(item)), at: value.at, keyAt });
    } else {
      const entries = new Map<PlainKey, ConfigNode>();
      for (const [key, item] of value.entries) entries.set(key, this.finish(item));
      finished = adopt({ kind: "map", entries, at: value.at, keyAt });
    }
    this.open.delete(value);
    return finished;
  }

  /** The node that a value stands for: itself, unless it holds an interpolation. */
  private dereference(node: ConfigNode): ConfigNode {
    if (!hasInterpolation(node)) return node;
    if (this.stack.includes(node)) throw cycle(this.stack, node);
    this.stack.push(node);
    const value = this.joined(readParts(node), node);
    this.stack.pop();
    return value;
  }

  private joined(parts: readonly Part[], owner: ConfigNode): ConfigNode {
    const [only] = parts;
    if (parts.length === 1 && only && only.kind !== "text") return this.interpolation(only, owner);
    let text = "";
    for (const part of parts) {
      if (part.kind === "text") {
        text += part.text;
        continue;
      }
      const value = this.interpolation(part, owner);
      const shown = shownIn(value);
      if (shown === undefined) return opaquePart(value, owner);
      text += shown;
    }
    return { kind: "scalar", value: text, at: owner.at, literal: true };
  }

  private interpolation(part: Interpolation, owner: ConfigNode): ConfigNode {
    return part.kind === "node" ? this.nodeInterpolation(part, owner) : this.call(part, owner);
  }

  private nodeInterpolation(part: Interpolation & { kind: "node" }, owner: ConfigNode): ConfigNode {
    let key = "";
    for (const piece of part.path) {
      if (piece.kind === "text") {
        key += piece.text;
        continue;
      }
      const value = this.interpolation(piece, owner);
      if (value.kind === "opaque") return value;
      if (value.kind !== "scalar" || typeof value.value !== "string") throw badKey(owner, part);
      key += value.value;
    }
    const container = containerOf(owner);
    const from = this.startOf(container, key);
    if (from === undefined) throw tooManyDots(owner, part, key);
    const found = this.select(from.container, from.key, { owner, part, isStrict: true });
    if (found === undefined) throw unknownKey(owner, part, key, from);
    for (let up: ContainerNode | undefined = container; up; up = up.up)
      if (up === found) throw parentCycle(owner, part);
    return found;
  }

  private call(part: Interpolation & { kind: "call" }, owner: ConfigNode): ConfigNode {
    const names: string[] = [];
    for (const piece of part.name) {
      if (typeof piece === "string") {
        names.push(piece);
        continue;
      }
      const value = this.interpolation(piece, owner);
      if (value.kind === "opaque") return value;
      if (value.kind !== "scalar" || typeof value.value !== "string") throw badKey(owner, part);
      names.push(value.value);
    }
    const name = names.join(".");
    const args = part.args.map((arg) => this.element(arg, owner));
    const resolver = this.resolvers.get(name);
    if (resolver === undefined) throw unknownResolver(owner, part, name, this.resolvers);
    const at = spotOf(owner, part);
    return resolver({
      name,
      args,
      at,
      parent: containerOf(owner),
      select: (container, key, options) => {
        const from = options?.isAbsolute
          ? this.startOf(container, key)
          : this.startOf(container, `.${key.replace(/^\./, "")}`);
        if (from === undefined) throw tooManyDots(owner, part, key);
        return this.select(from.container, from.key, { owner, part, isStrict: false });
      },
      decode: (text) => {
        try {
          return this.element(parseElement(text), owner);
        } catch (error) {
          if (error instanceof GrammarError) throw failure(owner, part, `oc.decode cannot read "${text}"`, undefined);
          throw error;
        }
      },
      finish: (node) => this.finish(node),
      show: (node) => shownIn(node),
      createFromText: (text) => createFromText(text, owner, part),
      warn: (message) => this.warnings.push({ message, at: placeOf(at) }),
      fail: (message, hint) => failure(owner, part, message, hint),
      failUnknownKey: (key) => {
        const from = this.startOf(containerOf(owner), key);
        return from ? unknownKey(owner, part, key, from) : tooManyDots(owner, part, key);
      },
    });
  }

  private element(element: Element, owner: ConfigNode): ConfigNode {
    const { at } = owner;
    switch (element.kind) {
      case "value":
        return { kind: "scalar", value: element.value, at, literal: true };
      case "parts":
        return this.joined(element.parts, owner);
      case "list":
        return { kind: "list", items: element.items.map((item) => this.element(item, owner)), at, raw: true };
      case "map": {
        const entries = new Map<PlainKey, ConfigNode>();
        for (const [key, item] of element.entries) entries.set(key, this.element(item, owner));
        return { kind: "map", entries, at, raw: true };
      }
    }
  }

  /** Where a path starts: no dot = the root, one = the container itself, each further one = one level up. */
  private startOf(container: ContainerNode, key: string): Start | undefined {
    if (!key.startsWith(".")) return { container: rootOf(container), key };
    let from: ContainerNode | undefined = container;
    let rest = key.slice(1);
    while (rest.startsWith(".")) {
      from = from.up;
      if (from === undefined) return undefined;
      rest = rest.slice(1);
    }
    return { container: from, key: rest };
  }

  private select(from: ContainerNode, key: string, asked: Asked): ConfigNode | undefined {
    if (key === "") return from;
    let container: ContainerNode = from;
    const names = splitKey(key);
    for (const [index, name] of names.entries()) {
      const child = selectOne(container, name, asked);
      if (child === undefined) return undefined;
      if (child.rival) throw rivals(asked, key, child, child.rival);
      if (child.kind === "scalar" && child.value === "???") {
        if (asked.isStrict) throw missingValue(asked, key);
        return index === names.length - 1 ? child : undefined;
      }
      const value = this.dereference(child);
      if (index === names.length - 1 || value.kind === "opaque") return value;
      if (value.kind === "scalar" || value.raw) {
        if (asked.isStrict) throw notContainer(asked, names.slice(0, index + 1).join("."), names[index + 1] ?? "");
        return undefined;
      }
      container = value;
    }
    return undefined;
  }
}

interface Start {
  readonly container: ContainerNode;
  readonly key: string;
}

/** Who asks for a key: the value and the interpolation in it. Strict: what is in the way is an error. */
interface Asked {
  readonly owner: ConfigNode;
  readonly part: Interpolation;
  readonly isStrict: boolean;
}

function selectOne(container: ContainerNode, name: string, asked: Asked): ConfigNode | undefined {
  if (container.kind === "map") return container.entries.get(name);
  const index = name.trim();
  if (!/^[+-]?\d+(?:_\d+)*$/.test(index)) throw badIndex(asked, name);
  const position = Number(index.replaceAll("_", ""));
  return position < 0 ? undefined : container.items[position];
}

/** `a.b[c].d` → its names, as OmegaConf splits a key. */
function splitKey(key: string): string[] {
  const head = KEY_HEAD.exec(key)?.[0] ?? "";
  const names = head.split(".");
  if (head.length === key.length) return names;
  if (key.charAt(head.length) === "[" && names.at(-1) === "") names.pop();
  for (const found of key.slice(head.length).matchAll(KEY_REST)) names.push(found[1] || found[2] || "");
  return names;
}

function containerOf(node: ConfigNode): ContainerNode {
  if (node.up) return node.up;
  if (node.kind === "map" || node.kind === "list") return node;
  throw new Error("a value without a container");
}

function rootOf(node: ContainerNode): ContainerNode {
  let root = node;
  while (root.up) root = root.up;
  return root;
}

function readParts(node: ScalarNode & { readonly value: string }): readonly Part[] {
  try {
    return parseText(node.value);
  } catch (error) {
    if (error instanceof GrammarError) throw badForm(node, error);
    throw error;
  }
}

function createFromText(text: string, owner: ConfigNode, part: Interpolation): ConfigNode {
  try {
    const made = parseYaml({ file: owner.at?.source.file ?? "oc.create", text });
    if (made?.kind === "scalar" && typeof made.value === "string" && made.value !== "") {
      const entries = new Map<PlainKey, ConfigNode>([[made.value, { kind: "scalar", value: null, at: owner.at }]]);
      return adopt({ kind: "map", entries, at: owner.at });
    }
    if (made?.kind === "map" || made?.kind === "list") return made;
    return { kind: "map", entries: new Map(), at: owner.at };
  } catch (error) {
    if (isKfkError(error)) throw failure(owner, part, `oc.create cannot read its text: ${error.message}`, undefined);
    throw error;
  }
}

function opaquePart(value: ConfigNode, owner: ConfigNode): ConfigNode {
  const reason = value.kind === "opaque" ? value.reason : "a part of the text is not known";
  return { kind: "opaque", reason, at: (value.kind === "opaque" ? value.at : undefined) ?? owner.at };
}

// --- problems ---

/** Where an interpolation stands in its file: the same number of `${` comes before it there as in the value. */
function spotOf(owner: ConfigNode, part: { readonly start: number; readonly end?: number }): Spot | undefined {
  const { at } = owner;
  if (at === undefined || owner.kind !== "scalar" || typeof owner.value !== "string") return at;
  const { text } = at.source;
  let found = text.indexOf("${", at.start);
  for (
    let seen = owner.value.indexOf("${");
    seen >= 0 && seen < part.start;
    seen = owner.value.indexOf("${", seen + 2)
  ) {
    found = text.indexOf("${", found + 2);
  }
  const wanted = part.end === undefined ? "" : owner.value.slice(part.start, part.end);
  // an old template before it was replaced already
  if (found < 0 || !text.startsWith(wanted, found)) {
    const exact = text.indexOf(wanted, at.start);
    if (exact >= 0) found = exact;
  }
  if (found < 0 || found >= at.end) return at;
  const length = wanted !== "" && text.startsWith(wanted, found) ? wanted.length : 2;
  return { source: at.source, start: found, end: found + length };
}

function failure(owner: ConfigNode, part: Interpolation, message: string, hint: string | undefined): KfkError {
  return new KfkError("CONFIG_INTERPOLATION", message, { at: placeOf(spotOf(owner, part)), hint });
}

function badForm(node: ScalarNode & { readonly value: string }, error: GrammarError): KfkError {
  const open = node.value.lastIndexOf("${", error.offset);
  const start = Math.max(0, open);
  const shown = node.value.slice(start, start + 60);
  return new KfkError("CONFIG_INTERPOLATION", `"${shown}" is not a legal interpolation: ${error.message}`, {
    at: placeOf(spotOf(node, { start })),
    hint: "write \\${ if this is meant as text",
  });
}

function unknownKey(owner: ConfigNode, part: Interpolation, key: string, from: Start): KfkError {
  const near = suggestKey(from);
  return failure(
    owner,
    part,
    `"${key}" is not a key that this file or another one of the same type in the same folder has`,
    near === undefined
      ? "add the key, or put a value that all folders share into globals.yml and write ${globals:name}"
      : `did you mean "${near}"?`,
  );
}

/** Follows the path as far as it goes, and offers a key like the one that is missing there. */
function suggestKey(from: Start): string | undefined {
  let container: ConfigNode = from.container;
  const done: string[] = [];
  for (const name of splitKey(from.key)) {
    if (container.kind !== "map" || container.raw) return undefined;
    const child: ConfigNode | undefined = container.entries.get(name);
    if (child === undefined) {
      const near = suggest(
        name,
        [...container.entries.keys()].filter((known) => typeof known === "string"),
      );
      return near === undefined ? undefined : [...done, near].join(".");
    }
    done.push(name);
    container = child;
  }
  return undefined;
}

function unknownResolver(owner: ConfigNode, part: Interpolation, name: string, known: Resolvers): KfkError {
  const names = [...known.keys()].toSorted();
  const near = suggest(name, names);
  const hint =
    name === "oc.env"
      ? "Kedro allows oc.env in credentials only; register it under custom_resolvers in settings.py"
      : near === undefined
        ? `known here: ${names.join(", ")}; others are registered under custom_resolvers in settings.py`
        : `did you mean "${near}"? Known here: ${names.join(", ")}`;
  return new KfkError("CONFIG_RESOLVER", `there is no resolver "${name}" here`, {
    at: placeOf(spotOf(owner, part)),
    hint,
  });
}

function badKey(owner: ConfigNode, part: Interpolation): KfkError {
  return failure(owner, part, "the interpolation inside is used as a name, and its value is not text", undefined);
}

function tooManyDots(owner: ConfigNode, part: Interpolation, key: string): KfkError {
  return failure(owner, part, `"${key}" goes above the top of the file`, "take away a dot");
}

function missingValue(asked: Asked, key: string): KfkError {
  return failure(
    asked.owner,
    asked.part,
    `"${key}" has the value ???, which means that it must be set elsewhere`,
    undefined,
  );
}

function notContainer(asked: Asked, key: string, name: string): KfkError {
  return failure(asked.owner, asked.part, `"${key}" is a single value and has no "${name}"`, undefined);
}

function badIndex(asked: Asked, name: string): KfkError {
  return failure(asked.owner, asked.part, `"${name}" is used on a list, which takes a number`, undefined);
}

function rivals(asked: Asked, key: string, node: ConfigNode, rival: Spot): KfkError {
  const notes: Note[] = [
    { message: "one value", at: placeOf(node.keyAt ?? node.at) },
    { message: "the other", at: placeOf(rival) },
  ];
  return new KfkError("CONFIG_DUPLICATE", `"${key}" has different values in two files, and Kedro takes one at random`, {
    at: placeOf(spotOf(asked.owner, asked.part)),
    hint: "give the key one value, or another name in one of the files",
    notes,
  });
}

function cycle(stack: readonly ScalarNode[], node: ScalarNode): KfkError {
  const from = stack.indexOf(node);
  const names = [...stack.slice(from), node].map(fullKey);
  const [first] = stack.slice(from);
  return new KfkError("CONFIG_CYCLE", `values refer to each other in a circle: ${names.join(" → ")}`, {
    at: placeOf(
      first
        ? (spotOf(first, { start: first.value === null ? 0 : String(first.value).indexOf("${") }) ?? first.at)
        : undefined,
    ),
    hint: "give one of them a value of its own",
  });
}

function parentCycle(owner: ConfigNode, part: Interpolation): KfkError {
  return new KfkError("CONFIG_CYCLE", `"${fullKey(owner)}" refers to a mapping or list that it is part of`, {
    at: placeOf(spotOf(owner, part)),
  });
}

function endless(node: ConfigNode): KfkError {
  return new KfkError("CONFIG_CYCLE", `"${fullKey(node)}" contains itself`, { at: placeOf(node.at) });
}

/** `a.b[0]`: the keys from the root down to a value. */
function fullKey(node: ConfigNode): string {
  let key = "";
  for (let child: ConfigNode = node; child.up; child = child.up) {
    const { up } = child;
    const step = stepTo(up, child);
    key = key === "" || key.startsWith("[") ? step + key : `${step}.${key}`;
  }
  return key;
}

function stepTo(container: ContainerNode, child: ConfigNode): string {
  if (container.kind === "list") return `[${container.items.indexOf(child)}]`;
  for (const [key, value] of container.entries) if (value === child) return String(key);
  return "?";
}
