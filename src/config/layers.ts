/**
 * Which conf files belong to one type of configuration, and their merged (not yet interpolated) content per folder:
 * first the base environment, then the run environment.
 *
 * Rules of Kedro's OmegaConfigLoader: glob patterns of fsspec, only `.yml`, `.yaml` and `.json`, nothing with a
 * dot-name in its path after links are followed, no key in two files of a folder (top-level keys; for `parameters`
 * since 0.19.9 leaf paths), keys that start with `_` exempt. Refused: a missing folder of a named environment, broken
 * files, a file that is no mapping, duplicate keys.
 * ConfigLoader and TemplatedConfigLoader (below 0.19) follow links, drop keys that start with `_` when they load a file,
 * and take files of other formats, which are refused here.
 * Source: Kedro 0.16.6 to 0.18.14 `ConfigLoader`, 0.18.14 to 1.7.0 `OmegaConfigLoader`, fsspec 2026.9 `glob_translate` and `LocalFileSystem`.
 */
import { KfkError, suggest, type Note } from "../error.ts";
import { checkInside, type Within } from "./inside.ts";
import type { Files } from "../world.ts";
import { adopt, isSamePlain, placeOf, toPlain, type ConfigNode, type MapNode, type Spot } from "./tree.ts";
import { parseYaml } from "./yaml.ts";

/** What the project's loader is set to; `project/` reads it from settings.py. */
export interface LoaderSettings {
  /** Absolute path of the conf folder. */
  readonly confRoot: string;
  /** The same path as shown to people, usually `conf`. */
  readonly confShown: string;
  /** `""`: the conf folder itself (CONFIG_LOADER_ARGS without `base_env`). */
  readonly baseEnv: string;
  /** `""`: the conf folder itself. */
  readonly runEnv: string;
  /** True: a person asked for the environment, so it must exist. */
  readonly isRunEnvNamed: boolean;
  /** The variable that names it; absent: an option does. */
  readonly runEnvFrom?: "KEDRO_ENV";
  /** `config_patterns`: replaces Kedro's own patterns key by key. */
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  /** `merge_strategy`: type → `soft` or `destructive`. */
  readonly mergeStrategy: ReadonlyMap<string, string>;
  /** `ignore_hidden`; true unless the project (Kedro >= 1.1.0) says otherwise. */
  readonly ignoreHidden: boolean;
  /** Kedro >= 0.19.9: two files may share a parent key of parameters. */
  readonly hasLeafDuplicates: boolean;
  /** True: ConfigLoader or TemplatedConfigLoader (below 0.19), which read files in their own way. */
  readonly isPlain?: boolean;
  /** TemplatedConfigLoader: a file with Jinja in it is executed, so it is refused. */
  readonly hasJinja?: boolean;
  /** The folder in which the files must really lie, links followed; absent: anywhere. */
  readonly within?: Within;
}

/** One file that was read. */
export interface ConfigFile {
  readonly path: string;
  readonly shown: string;
}

/** One folder's files of a type. */
export interface Layer {
  readonly env: string;
  readonly files: readonly ConfigFile[];
  /** Merged content; undefined when there are no files. */
  readonly tree: MapNode | undefined;
}

/** Kedro's patterns; `kubeflow` is the predecessor's, `mlflow` that of kedro-mlflow (0.11 to 2.0). */
const DEFAULT_PATTERNS: ReadonlyMap<string, readonly string[]> = new Map([
  ["catalog", ["catalog*", "catalog*/**", "**/catalog*"]],
  ["parameters", ["parameters*", "parameters*/**", "**/parameters*"]],
  ["credentials", ["credentials*", "credentials*/**", "**/credentials*"]],
  ["globals", ["globals.yml"]],
  ["kubeflow", ["kubeflow*"]],
  ["mlflow", ["mlflow*", "mlflow*/**", "**/mlflow*"]],
]);

/**
 * The layers of one type: base, then run environment (one layer when they are the same).
 *
 * Errors: CONFIG_ENVIRONMENT, CONFIG_YAML, CONFIG_DUPLICATE; PROJECT_FILE for a file that lies outside `within`.
 */
export function readLayers(type: string, settings: LoaderSettings, files: Files): readonly Layer[] {
  return findLayers(type, settings, files).map(({ env, files: found }) => ({
    env,
    files: found,
    tree: mergeFiles(
      type,
      settings,
      found.map((file) => ({ file, tree: readFile(file, type, settings, files) })),
    ),
  }));
}

/** The same without reading the files: for `credentials`, whose content is nobody's business. */
export function findLayers(
  type: string,
  settings: LoaderSettings,
  files: Files,
): readonly { readonly env: string; readonly files: readonly ConfigFile[] }[] {
  const patterns = settings.patterns.get(type) ?? DEFAULT_PATTERNS.get(type) ?? [];
  const envs = settings.runEnv === settings.baseEnv ? [settings.baseEnv] : [settings.baseEnv, settings.runEnv];
  return envs.map((env, index) => {
    const folder = env === "" ? settings.confRoot : `${settings.confRoot}/${env}`;
    if (files.kind(folder) !== "folder") {
      if (index === 0 && files.kind(settings.confRoot) !== "folder") throw noConf(settings);
      const isNamed = env === settings.runEnv && settings.isRunEnvNamed;
      if (index === 0 || isNamed) throw noEnvironment(env, settings, files);
      return { env, files: [] };
    }
    return { env, files: findFiles(folder, patterns, settings, files) };
  });
}

/** Environments that the conf folder holds, sorted. */
function listEnvironments(settings: LoaderSettings, files: Files): readonly string[] {
  return (files.list(settings.confRoot) ?? [])
    .filter((entry) => entry.kind === "folder" && !entry.name.startsWith("."))
    .map((entry) => entry.name);
}

/**
 * Puts the values of `source` over those of `target`, mappings key by key, all else as a whole, as OmegaConf merges.
 *
 * Changes `target`. `markRivals`: remembers where a value was replaced by another one (Kedro's order of files is
 * random, so such a value is not known).
 */
export function mergeTree(target: MapNode, source: MapNode, markRivals = false): void {
  for (const [key, value] of source.entries) {
    const before = target.entries.get(key);
    if (before?.kind === "map" && value.kind === "map") {
      mergeTree(before, value, markRivals);
      continue;
    }
    if (before && isMissing(value)) continue;
    value.up = target;
    if (markRivals && before && !isMissing(before) && !isSame(before, value)) value.rival = before.keyAt ?? before.at;
    target.entries.set(key, value);
  }
}

// --- internal ---

const SUFFIX = /[^/]\.(?:yml|yaml|json)$/;
/** What ConfigLoader reads too. */
const OTHER_SUFFIX = /[^/]\.(?:ini|pickle|properties|xml)$/;

function readFile(file: ConfigFile, type: string, settings: LoaderSettings, files: Files): MapNode {
  checkInside(file.path, file.shown, settings.within, files);
  const text = files.readText(file.path);
  if (text === undefined) throw new KfkError("PROJECT_FILE", `${file.shown} cannot be read`);
  const source = { file: file.shown, text };
  const isPlain = settings.isPlain === true && type !== "kubeflow";
  if (!SUFFIX.test(file.path)) throw otherFormat(file);
  if (settings.hasJinja === true) checkJinja(source, type);
  const tree = parseYaml(source, isPlain ? "pyyaml" : "omegaconf");
  if (tree === undefined || (tree.kind === "scalar" && (tree.value === null || tree.value === "")))
    return { kind: "map", entries: new Map(), at: undefined };
  if (tree.kind !== "map") throw notMapping(tree);
  if (isPlain) {
    for (const key of tree.entries.keys()) {
      if (typeof key === "string" && key.startsWith("_")) tree.entries.delete(key);
    }
  }
  return tree;
}

interface ReadFile {
  readonly file: ConfigFile;
  readonly tree: MapNode;
}

function mergeFiles(type: string, settings: LoaderSettings, read: readonly ReadFile[]): MapNode | undefined {
  const [first] = read;
  if (first === undefined) return undefined;
  if (read.length > 1) checkDuplicates(type, settings, read);
  const merged: MapNode = { kind: "map", entries: new Map(), at: first.tree.at };
  for (const { tree } of read) mergeTree(merged, tree, true);
  const rivals = read.length > 1 ? findRivals(merged) : [];
  if (rivals.length > 0) throw duplicates(type, rivals);
  return adopt(merged);
}

function checkDuplicates(type: string, settings: LoaderSettings, read: readonly ReadFile[]): void {
  const isDeep = type === "parameters" && settings.hasLeafDuplicates;
  const seen = new Map<string, Spot | undefined>();
  const problems: Problem[] = [];
  for (const { tree } of read) {
    const keys = isDeep ? leafKeys(tree) : topKeys(tree);
    for (const [key, at] of keys) {
      if (!key.startsWith("_") && seen.has(key)) problems.push({ key, at, before: seen.get(key) });
    }
    for (const [key, at] of keys) if (!seen.has(key)) seen.set(key, at);
  }
  if (problems.length > 0) throw duplicates(type, problems);
}

/** A key that is a mapping in one file and a value in another: Kedro lets it pass, and takes one of them at random. */
function findRivals(tree: MapNode, prefix = ""): Problem[] {
  return [...tree.entries].flatMap(([key, node]) => {
    const path = prefix === "" ? String(key) : `${prefix}.${String(key)}`;
    if (path.startsWith("_")) return [];
    if (node.rival) return [{ key: path, at: node.keyAt ?? node.at, before: node.rival }];
    return node.kind === "map" ? findRivals(node, path) : [];
  });
}

interface Problem {
  readonly key: string;
  readonly at: Spot | undefined;
  readonly before: Spot | undefined;
}

function topKeys(tree: MapNode): Map<string, Spot | undefined> {
  return new Map([...tree.entries].map(([key, value]) => [String(key), value.keyAt]));
}

function leafKeys(tree: MapNode, prefix = ""): Map<string, Spot | undefined> {
  const keys = new Map<string, Spot | undefined>();
  for (const [key, value] of tree.entries) {
    const path = prefix === "" ? String(key) : `${prefix}.${String(key)}`;
    if (value.kind === "map") for (const [leaf, at] of leafKeys(value, path)) keys.set(leaf, at);
    else keys.set(path, value.keyAt);
  }
  return keys;
}

function isMissing(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.value === "???";
}

function isSame(a: ConfigNode, b: ConfigNode): boolean {
  const [left, right] = [toPlain(a), toPlain(b)];
  return left !== undefined && right !== undefined && isSamePlain(left, right);
}

/** Files of a folder that match, sorted by path (Kedro's own order is random). */
function findFiles(folder: string, patterns: readonly string[], settings: LoaderSettings, files: Files): ConfigFile[] {
  const found = new Set<string>();
  const listings = new Map<string, readonly string[]>();
  for (const pattern of patterns) {
    for (const path of glob(folder, pattern, settings, files, listings)) found.add(path);
  }
  const { isPlain = false } = settings;
  return [...found]
    .filter((path) => SUFFIX.test(path) || (isPlain && OTHER_SUFFIX.test(path)))
    .filter((path) => files.kind(path) === "file")
    .filter((path) =>
      isPlain
        ? !/\/\./.test(path.slice(folder.length))
        : !settings.ignoreHidden || !isHidden(path, settings.confRoot, files),
    )
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((path) => ({ path, shown: settings.confShown + path.slice(settings.confRoot.length) }));
}

function glob(
  folder: string,
  pattern: string,
  settings: LoaderSettings,
  files: Files,
  listings: Map<string, readonly string[]>,
): string[] {
  const clean = pattern.replace(/^\.\//, "").replace(/\/+/g, "/").replace(/\/$/, "");
  const magic = clean.search(/[*?[]/);
  if (magic < 0) {
    const path = `${folder}/${clean}`;
    return files.kind(path) === undefined ? [] : [path];
  }
  const fixed = clean.slice(0, magic).lastIndexOf("/");
  const root = fixed < 0 ? folder : `${folder}/${clean.slice(0, fixed)}`;
  const rest = clean.slice(fixed + 1);
  const depth = rest.includes("**") ? Infinity : rest.split("/").length;
  const rule = globRule(rest);
  const key = `${root}\n${depth}`;
  let listing = listings.get(key);
  if (listing === undefined) {
    listing = walk(root, "", depth, files, settings.isPlain === true);
    listings.set(key, listing);
  }
  return listing.filter((path) => rule.test(path)).map((path) => `${root}/${path}`);
}

/** Paths below a folder; folders behind links are not entered, as in fsspec, unless `follows`, as in Python's glob. */
function walk(root: string, below: string, depth: number, files: Files, follows: boolean): string[] {
  const folder = below === "" ? root : `${root}/${below}`;
  const paths: string[] = [];
  for (const entry of files.list(folder) ?? []) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    paths.push(path);
    if (
      entry.kind === "folder" &&
      depth > 1 &&
      (follows ? !entry.name.startsWith(".") : !isLink(folder, entry.name, files))
    ) {
      paths.push(...walk(root, path, depth - 1, files, follows));
    }
  }
  return paths;
}

function isLink(folder: string, name: string, files: Files): boolean {
  const real = files.realPath(`${folder}/${name}`);
  const parent = files.realPath(folder);
  return real !== `${parent === "/" ? "" : parent}/${name}`;
}

function globRule(pattern: string): RegExp {
  const parts = pattern.split("/");
  const rule = parts.map((part, index) => {
    const isLast = index === parts.length - 1;
    if (part === "*") return isLast ? "[^/]+" : "[^/]+/";
    if (part === "**") return isLast ? ".*" : "(?:.+/)?";
    return globPart(part) + (isLast ? "" : "/");
  });
  return new RegExp(`^(?:${rule.join("")})$`, "s");
}

function globPart(part: string): string {
  let rule = "";
  for (let at = 0; at < part.length; at++) {
    const char = part.charAt(at);
    if (char === "*") {
      if (part.charAt(at - 1) !== "*") rule += "[^/]*";
    } else if (char === "?") {
      rule += "[^/]";
    } else if (char === "[") {
      const end = part.indexOf("]", part.charAt(at + 1) === "!" ? at + 3 : at + 2);
      if (end < 0) {
        rule += "\\[";
        continue;
      }
      const set = part
        .slice(at + 1, end)
        .replaceAll("\\", "\\\\")
        .replaceAll("^", "\\^")
        .replaceAll("[", "\\[");
      rule += set.startsWith("!") ? `[^${set.slice(1)}]` : `[${set}]`;
      at = end;
    } else {
      rule += char.replace(/[.+^${}()|\\\]]/, "\\$&");
    }
  }
  return rule;
}

/** A dot-name anywhere in the path, once links are followed; relative to conf where the file lies in it. */
function isHidden(path: string, confRoot: string, files: Files): boolean {
  const real = files.realPath(path) ?? path;
  const root = files.realPath(confRoot) ?? confRoot;
  const below = real.startsWith(root) ? real.replaceAll(root, "") : real;
  return below.split("/").some((part) => part.startsWith("."));
}

// --- problems ---

function noConf(settings: LoaderSettings): KfkError {
  return new KfkError("CONFIG_ENVIRONMENT", `the project has no configuration folder ${settings.confShown}`, {
    hint: "create it, or name another one with CONF_SOURCE in settings.py",
  });
}

function noEnvironment(env: string, settings: LoaderSettings, files: Files): KfkError {
  const known = listEnvironments(settings, files);
  const near = suggest(env, known);
  const there = known.length === 0 ? "there are none" : `there are: ${known.join(", ")}`;
  const isFromVariable = settings.runEnvFrom !== undefined && env === settings.runEnv;
  const what = isFromVariable
    ? `${settings.runEnvFrom} names the environment "${env}", and there is none`
    : `there is no environment "${env}"`;
  return new KfkError("CONFIG_ENVIRONMENT", `${what}: no folder ${settings.confShown}/${env}`, {
    hint: near === undefined ? there : `did you mean "${near}"? There are: ${known.join(", ")}`,
  });
}

function otherFormat(file: ConfigFile): KfkError {
  return new KfkError("CONFIG_LOADER", `${file.shown} is not YAML or JSON`, {
    at: { file: file.shown, line: 1, column: 1 },
    hint: "write it as YAML, or use --from python",
  });
}

function checkJinja(source: { readonly file: string; readonly text: string }, type: string): void {
  const found = /\{[%{#]/.exec(source.text);
  if (found === null) return;
  throw new KfkError("CONFIG_LOADER", `"${found[0]}" starts Jinja, which TemplatedConfigLoader may execute`, {
    at: placeOf({ source, start: found.index, end: found.index + 2 }),
    hint: type === "kubeflow" ? "write the values down" : "write the values down, or use --from python",
  });
}

function notMapping(tree: ConfigNode): KfkError {
  return new KfkError("CONFIG_YAML", "the file must hold a mapping of keys to values", { at: placeOf(tree.at) });
}

function duplicates(type: string, problems: readonly Problem[]): KfkError {
  const keys = [...new Set(problems.map((problem) => problem.key))].toSorted();
  const shown = keys.map((key) => `"${key}"`).join(", ");
  const noun = keys.length === 1 ? "key" : "keys";
  return new KfkError("CONFIG_DUPLICATE", `two ${type} files of one folder set the same ${noun}: ${shown}`, {
    at: placeOf(problems[0]?.at),
    hint: "keep each key in one file of a folder",
    notes: problems.map(({ key, before }): Note => ({ message: `"${key}" is set here too`, at: placeOf(before) })),
  });
}
