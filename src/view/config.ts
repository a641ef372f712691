/**
 * The merged kubeflow.yaml → YAML for people with the origin of every value behind it, or JSON. Values that look secret,
 * by their key or because they stand in a secret-looking environment variable, are masked.
 */
import { type Plain, type PlainKey, isPlainList, isPlainMap } from "../config/plain.ts";
import { pythonStr } from "../config/python-text.ts";
import { type ConfigNode, type MapNode, placeOf, toPlain } from "../config/tree.ts";
import { emitJson, emitYaml } from "../compile/emit.ts";
import { buildRedactor, hasSecretForm, SECRET_NAME } from "../secrets.ts";

export interface ConfigView {
  /** Name file and line of each value. */
  readonly origins: boolean;
  readonly json: boolean;
}

/** Text with a newline at the end. JSON with origins is a list of `{key, value, origin}`. */
export function renderConfig(
  tree: MapNode,
  env: Readonly<Record<string, string | undefined>>,
  view: ConfigView,
): string {
  const redact = buildRedactor(env);
  const mask = (path: readonly PlainKey[], value: Plain): Plain => maskValue(path, value, redact);
  if (view.json && !view.origins) return `${emitJson(mask([], toPlain(tree) ?? null))}\n`;
  const rows = leaves(tree, []).map(({ path, node }) => ({
    path,
    value: node.kind === "opaque" ? null : mask(path, toPlain(node) ?? null),
    unknown: node.kind === "opaque" ? node.reason : undefined,
    origin: originOf(node),
  }));
  if (view.json) {
    const list = rows.map(
      ({ path, value, origin }) =>
        new Map<string, Plain>([
          ["key", path.map((key) => keyText(key)).join(".")],
          ["value", value],
          ["origin", origin],
        ]),
    );
    return `${emitJson(list)}\n`;
  }
  return renderLines(rows, view.origins);
}

// --- internal ---

const MASK = "********";

interface Leaf {
  readonly path: readonly PlainKey[];
  readonly node: ConfigNode;
}

interface Row {
  readonly path: readonly PlainKey[];
  readonly value: Plain;
  readonly unknown: string | undefined;
  readonly origin: string | null;
}

/** Everything that is no mapping with something in it; a list is one value. */
function leaves(node: ConfigNode, path: readonly PlainKey[]): Leaf[] {
  if (node.kind !== "map" || node.entries.size === 0) return path.length === 0 ? [] : [{ path, node }];
  return [...node.entries].flatMap(([key, child]) => leaves(child, [...path, key]));
}

function originOf(node: ConfigNode): string | null {
  const at = placeOf(node.at ?? node.keyAt);
  return at === undefined ? null : `${at.file}:${at.line}`;
}

function maskValue(path: readonly PlainKey[], value: Plain, redact: (text: string) => string): Plain {
  if (isPlainMap(value)) {
    const name = value.get("name");
    // an entry of `env`: what its name says of its value
    if (typeof name === "string" && SECRET_NAME.test(name) && value.has("value")) {
      return new Map([...value].map(([key, item]) => [key, key === "value" ? MASK : item]));
    }
    return new Map([...value].map(([key, item]) => [key, maskValue([...path, key], item, redact)]));
  }
  if (isPlainList(value)) return value.map((item) => maskValue(path, item, redact));
  if (value !== null && holdsSecret(path)) return MASK;
  if (typeof value !== "string") return value;
  const shown = redact(value).replace(USER_INFO, `$1${MASK}@`);
  return hasSecretForm(shown) ? MASK : shown;
}

/** `https://user:password@host` */
const USER_INFO = /^(\w+:\/\/)[^/@\s]+@/;

/** Names of Kubernetes secrets are no secrets; what a key like `token` or `password` holds is one. */
function holdsSecret(path: readonly PlainKey[]): boolean {
  const name = pathText(path.at(-1));
  if (path.some((key) => pathText(key) === "secret") || name === "image_pull_secrets") return false;
  if (/_?(?:file|path|url|name)$/i.test(name)) return false;
  return SECRET_NAME.test(name);
}

function pathText(key: PlainKey | undefined): string {
  return key === undefined ? "" : keyText(key);
}

function keyText(key: PlainKey): string {
  return pythonStr(key);
}

function renderLines(rows: readonly Row[], origins: boolean): string {
  const lines: [string, string][] = [];
  let before: readonly PlainKey[] = [];
  for (const { path, value, unknown, origin } of rows) {
    let shared = 0;
    while (shared < path.length - 1 && path[shared] === before[shared]) shared++;
    for (let depth = shared; depth < path.length - 1; depth++) {
      lines.push([`${"  ".repeat(depth)}${yamlText(keyText(path[depth] as PlainKey))}:`, ""]);
    }
    const key = `${"  ".repeat(path.length - 1)}${yamlText(keyText(path.at(-1) as PlainKey))}:`;
    const shown = unknown === undefined ? inline(value) : "";
    const note =
      unknown === undefined ? (origin ?? "") : `not known: ${unknown}${origin === null ? "" : ` (${origin})`}`;
    lines.push([shown === "" ? key : `${key} ${shown}`, origins || unknown !== undefined ? note : ""]);
    before = path;
  }
  const width = Math.min(
    MAX_WIDTH,
    Math.max(0, ...lines.filter(([, note]) => note !== "").map(([text]) => text.length)),
  );
  return lines.map(([text, note]) => (note === "" ? `${text}\n` : `${text.padEnd(width)}  # ${note}\n`)).join("");
}

/** Notes stand in one column unless a value is longer. */
const MAX_WIDTH = 60;

/** A value on one line, as YAML. */
function inline(value: Plain): string {
  if (isPlainList(value)) return `[${value.map(inline).join(", ")}]`;
  if (isPlainMap(value))
    return `{${[...value].map(([key, item]) => `${yamlText(keyText(key))}: ${inline(item)}`).join(", ")}}`;
  if (typeof value === "string")
    return value.includes(",") || /[[\]{}]/.test(value) ? JSON.stringify(value) : yamlText(value);
  if (value === null) return "null";
  return typeof value === "number"
    ? emitJson(new Map([["x", value]]), 0).replace(/^\{"x":\s*|\}$/g, "")
    : String(value);
}

function yamlText(text: string): string {
  return emitYaml(text).trimEnd();
}
