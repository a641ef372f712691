/**
 * `${a.b}` and `${a.b|default}` of Kedro's TemplatedConfigLoader (0.16 to 0.18): values come from files of globals and
 * from code, never from the same file.
 *
 * A text that is one template alone becomes the value with its type; inside a text the value's `str()` is put in. Keys
 * are templates too. What is put in is not looked at again. Refused: a name without value and default, a key that does
 * not become text.
 * Source: kedro-org/kedro 0.16.6, 0.17.7, 0.18.14 `templated_config.py`; names are JMESPath identifiers and dots.
 */
import { KfkError, suggest } from "../error.ts";
import type { PlainKey } from "./plain.ts";
import { shownIn } from "./shown.ts";
import { adopt, placeOf, type ConfigNode, type MapNode } from "./tree.ts";

/** A new tree with the templates filled in. Errors: CONFIG_INTERPOLATION with the place of the text. */
export function fillTemplates(tree: MapNode, globals: MapNode): MapNode {
  return fill(tree, globals) as MapNode;
}

// --- internal ---

const TEMPLATE = /\$\{([A-Za-z0-9_.]+)(?:\|([^}]*))?\}/g;
/** Python's `$` also stands before a last line end. */
const WHOLE = /^\$\{([A-Za-z0-9_.]+)(?:\|([^}]*))?\}\n?$/;

function fill(node: ConfigNode, globals: MapNode): ConfigNode {
  switch (node.kind) {
    case "list":
      return adopt({ ...node, items: node.items.map((item) => fill(item, globals)) });
    case "map": {
      const entries = new Map<PlainKey, ConfigNode>();
      for (const [key, item] of node.entries) entries.set(fillKey(key, item, globals), fill(item, globals));
      return adopt({ ...node, entries });
    }
    case "scalar":
      return typeof node.value === "string" && !node.literal ? fillText(node.value, node, globals) : node;
    case "opaque":
      return node;
  }
}

function fillKey(key: PlainKey, item: ConfigNode, globals: MapNode): PlainKey {
  if (typeof key !== "string" || !key.includes("${")) return key;
  const at = { ...item, at: item.keyAt ?? item.at };
  const filled = fillText(key, at, globals);
  if (filled.kind === "scalar" && typeof filled.value === "string") return filled.value;
  throw new KfkError("CONFIG_INTERPOLATION", `the key "${key}" does not become text`, {
    at: placeOf(at.at),
    hint: "use a value that is text",
  });
}

function fillText(text: string, owner: ConfigNode, globals: MapNode): ConfigNode {
  const { at, keyAt } = owner;
  const places = { at, keyAt };
  const whole = WHOLE.exec(text);
  if (whole) {
    const value = valueOf(whole[1] as string, whole[2], owner, globals);
    return typeof value === "string"
      ? { kind: "scalar", value, ...places, literal: true }
      : ({ ...value, ...places } as ConfigNode);
  }
  let hidden: ConfigNode | undefined;
  const filled = text.replaceAll(TEMPLATE, (_, path: string, otherwise: string | undefined) => {
    const value = valueOf(path, otherwise, owner, globals);
    if (typeof value === "string") return value;
    const shown = shownIn(value);
    if (shown === undefined) hidden ??= value;
    return shown ?? "";
  });
  if (hidden !== undefined) return { ...hidden, ...places };
  return { kind: "scalar", value: filled, ...places, literal: true };
}

/** The default is text. A value of null counts as missing. */
function valueOf(
  path: string,
  otherwise: string | undefined,
  owner: ConfigNode,
  globals: MapNode,
): ConfigNode | string {
  const names = path.split(".");
  if (names.some((name) => !/^[A-Za-z_]\w*$/.test(name))) throw badName(path, owner);
  let node: ConfigNode | undefined = globals;
  for (const name of names) {
    if (node?.kind === "opaque") break;
    node = node?.kind === "map" ? node.entries.get(name) : undefined;
  }
  if (node !== undefined && !(node.kind === "scalar" && node.value === null)) return node;
  if (otherwise === undefined) throw noValue(path, owner, globals);
  return otherwise;
}

function badName(path: string, owner: ConfigNode): KfkError {
  return new KfkError("CONFIG_INTERPOLATION", `"${path}" is not a name of a global value`, {
    at: placeOf(owner.at),
    hint: "names start with a letter, and a single full stop stands between them",
  });
}

function noValue(path: string, owner: ConfigNode, globals: MapNode): KfkError {
  const known = [...globals.entries.keys()].filter((key) => typeof key === "string");
  const near = suggest(path, known);
  return new KfkError("CONFIG_INTERPOLATION", `\${${path}} has no value among the globals, and no default`, {
    at: placeOf(owner.at),
    hint: near === undefined ? `add it to the globals, or write \${${path}|default}` : `did you mean \${${near}}?`,
  });
}
