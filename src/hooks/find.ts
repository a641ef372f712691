/**
 * Which hook files a project has: `kfk.hooks.ts` at its root, then the files that kubeflow.yaml lists under `hooks`, in
 * its order. Refused: a listed file that is not there, lies outside the project, or is of a kind that cannot be loaded.
 */
import { extname, join, relative, resolve } from "node:path";
import { KfkError, suggest, type Place } from "../error.ts";
import type { Files } from "../world.ts";

/** The file that needs no mention. */
const ROOT_FILE = "kfk.hooks.ts";

export interface HookFile {
  /** Absolute. */
  readonly path: string;
  /** Relative to the project's root. */
  readonly shown: string;
  readonly text: string;
}

/** A path as written under `hooks`, relative to the project's root. */
export interface ListedFile {
  readonly path: string;
  readonly at: Place | undefined;
}

/** The files in the order in which they are called, each once. Errors: HOOK_FILE. */
export function findHookFiles(files: Files, root: string, listed: readonly ListedFile[]): readonly HookFile[] {
  const found = new Map<string, HookFile>();
  const read = (path: string): string | undefined => (files.kind(path) === "file" ? files.readText(path) : undefined); // a pipe may never end
  const rootText = read(join(root, ROOT_FILE));
  if (rootText !== undefined) {
    const path = join(root, ROOT_FILE);
    found.set(path, { path, shown: ROOT_FILE, text: rootText });
  }
  for (const each of listed) {
    const path = resolve(root, each.path);
    const shown = relative(root, path);
    if (shown === "" || shown.startsWith("..")) throw outside(each);
    if (!EXTENSIONS.includes(extname(path))) throw wrongKind(each);
    const text = read(path);
    if (text === undefined) throw notThere(each, root, files);
    if (!found.has(path)) found.set(path, { path, shown, text });
  }
  return [...found.values()];
}

// --- internal ---

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"];

function outside({ path, at }: ListedFile): KfkError {
  return new KfkError("HOOK_FILE", `the hook file "${path}" lies outside the project`, {
    at,
    hint: "put it into the project; it may import packages from the project's node_modules",
  });
}

function wrongKind({ path, at }: ListedFile): KfkError {
  return new KfkError("HOOK_FILE", `"${path}" cannot be a hook file`, {
    at,
    hint: `name a file that ends in ${EXTENSIONS.join(", ")}`,
  });
}

function notThere({ path, at }: ListedFile, root: string, files: Files): KfkError {
  const folder = resolve(root, path, "..");
  const names = (files.list(folder) ?? []).map(({ name }) => join(relative(root, folder), name));
  const near = suggest(path, names);
  return new KfkError("HOOK_FILE", `there is no hook file "${path}"`, {
    at,
    hint: near === undefined ? "paths under hooks start at the project's root" : `did you mean "${near}"?`,
  });
}
