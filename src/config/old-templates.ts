/**
 * `${name}` and `${name|default}` in kubeflow.yaml, as files written for kedro-kubeflow have them.
 *
 * Comes in: one folder's tree, the globals, and who answers for a name (environment, then globals, then git). A name
 * that nobody answers for is an error here, as OmegaConf would look for it in the same file alone. A text
 * that is one template alone becomes the value with its type, mappings and lists too; inside a text the value's `str()`
 * is put in; keys are templates where the project's loader fills keys. Refused: templates that do more than that.
 * Source: kedro 0.16.6 to 0.18.14 `templated_config.py`; kedro-kubeflow 0.4.0 to 0.7.4 `EnvTemplatedConfigLoader`.
 */
import { KfkError, suggest } from "../error.ts";
import { hasInterpolation } from "./interpolate.ts";
import type { PlainKey } from "./plain.ts";
import { pythonStr } from "./python-text.ts";
import { adopt, placeOf, type ConfigNode, type MapNode, type Spot } from "./tree.ts";

/** Asked for a name, with what globals say of it as text (null: nothing); undefined takes the default. */
export type AskVariable = (name: string, known: string | null) => string | undefined;

/**
 * The tree with old templates replaced. `${name}` without a default is one where the folder's files have no such key;
 * `isTemplated`: the loader is TemplatedConfigLoader, so it always is one, with full stops and in keys too.
 *
 * Errors: CONFIG_INTERPOLATION for templates in a default, for a name without value, a key without text.
 */
export function replaceOldTemplates(
  tree: MapNode,
  globals: MapNode,
  variable: AskVariable,
  isTemplated = false,
): MapNode {
  const filling = { tree, globals, variable, isTemplated };
  return visit(tree, filling) as MapNode;
}

// --- internal ---

interface Filling {
  readonly tree: MapNode;
  readonly globals: MapNode;
  readonly variable: AskVariable;
  readonly isTemplated: boolean;
}

/** Up to the first brace that closes; `whole` is a text of nothing else. */
const TEMPLATE = /\$\{([^}]*)\}/g;
const WHOLE = /^\$\{([^}]*)\}\n?$/;

function visit(node: ConfigNode, filling: Filling): ConfigNode {
  const { at, keyAt } = node;
  if (node.kind === "map") {
    const entries = new Map<PlainKey, ConfigNode>();
    for (const [key, child] of node.entries) entries.set(fillKey(key, child, filling), visit(child, filling));
    return adopt({ kind: "map", entries, at, keyAt });
  }
  if (node.kind === "list") {
    return adopt({ kind: "list", items: node.items.map((item) => visit(item, filling)), at, keyAt });
  }
  if (!hasInterpolation(node)) return node;
  return { ...fillText(node.value, at, filling), at, keyAt };
}

function fillKey(key: PlainKey, child: ConfigNode, filling: Filling): PlainKey {
  if (!filling.isTemplated || typeof key !== "string" || !key.includes("${")) return key;
  const at = child.keyAt ?? child.at;
  const filled = fillText(key, at, filling);
  if (filled.kind === "scalar" && typeof filled.value === "string") return filled.value;
  throw new KfkError("CONFIG_INTERPOLATION", `the key "${key}" does not become text`, {
    at: placeOf(at),
    hint: "use a value that is text",
  });
}

function fillText(text: string, at: Spot | undefined, filling: Filling): ConfigNode {
  const alone = WHOLE.exec(text)?.[1];
  if (alone !== undefined) {
    const found = answer(alone, text, partOf(at, text, 0, alone), filling);
    if (typeof found === "string") return { kind: "scalar", value: found, at, literal: true };
    return found === undefined ? { kind: "scalar", value: text, at } : literally(found);
  }
  let isFilled = false;
  const value = text.replaceAll(TEMPLATE, (whole, inside: string, start: number) => {
    const spot = partOf(at, text, start, inside);
    // OmegaConf's way to write the text ${name}
    const isEscaped = /(?<!\\)(?:\\\\)*\\$/.test(text.slice(0, start));
    const found =
      isEscaped && !filling.isTemplated && !inside.includes("|") ? undefined : answer(inside, text, spot, filling);
    if (found === undefined) return whole;
    const shown = typeof found === "string" ? found : shownIn(found, inside, spot);
    if (shown.includes("${")) throw notText(inside, spot);
    isFilled = true;
    return shown;
  });
  return { kind: "scalar", value, at, ...(isFilled && !value.includes("${") ? { literal: true } : {}) };
}

/** Undefined: no template of this kind, to be looked at by OmegaConf's grammar. */
function answer(inside: string, text: string, at: Spot | undefined, filling: Filling): ConfigNode | string | undefined {
  const { tree, isTemplated } = filling;
  const [name = "", ...rest] = inside.split("|");
  if (rest.length > 0) {
    if (/[:'"[\]{]/.test(name)) return undefined;
    if (!/^[\w.]+$/.test(name)) throw notUnderstood(`\${${inside}}`, at);
    const otherwise = rest.join("|");
    if (otherwise.includes("${")) throw nested(text, name, at);
    return lookUp(name, filling) ?? otherwise;
  }
  if (!isTemplated && (!/^[A-Za-z_]\w*$/.test(inside) || tree.entries.has(inside))) return undefined;
  if (!/^[\w.]+$/.test(inside)) return undefined;
  const found = lookUp(inside, filling);
  if (found === undefined) throw noValue(inside, at, filling);
  return found;
}

/** Where `${inside}` stands in its file: as many of the same come before it there as in the value. */
function partOf(at: Spot | undefined, text: string, start: number, inside: string): Spot | undefined {
  if (at === undefined) return at;
  const wanted = `\${${inside}}`;
  let found = at.source.text.indexOf(wanted, at.start);
  for (let seen = text.indexOf(wanted); seen >= 0 && seen < start; seen = text.indexOf(wanted, seen + 1)) {
    found = at.source.text.indexOf(wanted, found + 1);
  }
  return found < 0 || found >= at.end ? at : { source: at.source, start: found, end: found + wanted.length };
}

/** A global value keeps its type unless somebody says something else. */
function lookUp(name: string, { globals, variable }: Filling): ConfigNode | string | undefined {
  let node: ConfigNode | undefined = globals;
  for (const part of name.split(".")) {
    if (node?.kind === "opaque") break;
    node = node?.kind === "map" ? node.entries.get(part) : undefined;
  }
  if (node?.kind === "scalar" && node.value === null) node = undefined;
  const known = node?.kind === "scalar" && node.value !== null ? pythonStr(node.value) : null;
  const said = variable(name, known);
  return node !== undefined && (said === undefined || said === known) ? node : said;
}

/** What is put in is not looked at again. */
function literally(node: ConfigNode): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, literal: true };
    case "list":
      return adopt({ ...node, items: node.items.map(literally) });
    case "map":
      return adopt({ ...node, entries: new Map([...node.entries].map(([key, each]) => [key, literally(each)])) });
    case "opaque":
      return node;
  }
}

/** A name, an image or an amount with a mapping's text in it is never meant. */
function shownIn(node: ConfigNode, name: string, at: Spot | undefined): string {
  if (node.kind === "scalar") return pythonStr(node.value);
  throw notText(name, at);
}

// --- problems ---

function notUnderstood(text: string, at: Spot | undefined): KfkError {
  return new KfkError(
    "CONFIG_INTERPOLATION",
    `${text} is a template of Kedro before 0.19 that is not understood here`,
    { at: placeOf(at), hint: "write ${oc.env:NAME, default} or ${globals:name, default}" },
  );
}

function nested(text: string, name: string, at: Spot | undefined): KfkError {
  return new KfkError("CONFIG_INTERPOLATION", `the default of \${${name}|…} holds a template: ${text}`, {
    at: placeOf(at),
    hint: `defaults are text: write \${${name}|text}, or nest the other grammar: \${oc.env:NAME, \${oc.env:OTHER, text}}`,
  });
}

function notText(inside: string, at: Spot | undefined): KfkError {
  return new KfkError("CONFIG_INTERPOLATION", `the value of \${${inside}} cannot stand inside a text`, {
    at: placeOf(at),
    hint: "let it stand alone, or give it a value that is text without ${",
  });
}

function noValue(name: string, at: Spot | undefined, { globals, tree, isTemplated }: Filling): KfkError {
  const known = [...globals.entries.keys(), ...(isTemplated ? [] : tree.entries.keys())];
  const near = suggest(
    name,
    known.filter((key) => typeof key === "string"),
  );
  const isOfGit = name === "commit_id" || name === "branch_name";
  const missing = isOfGit
    ? `no value: git knows no ${name === "commit_id" ? "commit" : "branch"} here`
    : `no value${isTemplated ? " among the globals" : ""}, and no default`;
  const ways = [
    ...(isTemplated && !isOfGit ? ["add it to the globals"] : []),
    ...(/^\w+$/.test(name) ? [`set KEDRO_CONFIG_${name.toUpperCase()}`] : []),
  ];
  return new KfkError("CONFIG_INTERPOLATION", `\${${name}} has ${missing}`, {
    at: placeOf(at),
    hint:
      near === undefined
        ? `${ways.map((way) => `${way}, `).join("")}or write \${${name}|default}`
        : `did you mean \${${near}}?`,
  });
}
