/**
 * The commit and branch that a project's folder is at, read from `.git` without running git: a repository's own
 * settings can name programs that git would start. Understands worktrees and submodules (`.git` as a file), packed
 * references and detached heads; null outside a repository or where a file is not as git writes it.
 * Source: gitrepository-layout(5).
 */
import { dirname, join, resolve } from "node:path";
import type { GitState } from "../../hooks/contract.ts";
import type { Files } from "../world.ts";

/** Looks upwards from the folder, as git does. */
export function readGit(files: Files, folder: string): GitState | null {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, ".git");
    const kind = files.kind(path);
    if (kind === "folder") return readState(files, path);
    if (kind === "file") {
      const link = /^gitdir: (.+)$/m.exec(files.readText(path) ?? "")?.[1];
      return link === undefined ? null : readState(files, resolve(at, link.trim()));
    }
    if (at === dirname(at)) return null;
  }
}

// --- internal ---

const HASH = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

function readState(files: Files, folder: string): GitState | null {
  const head = files.readText(join(folder, "HEAD"))?.trim();
  if (head === undefined) return null;
  if (HASH.test(head)) return { commit: head, branch: null };
  const reference = /^ref: (refs\/\S+)$/.exec(head)?.[1];
  if (reference === undefined || reference.split("/").includes("..")) return null;
  // a worktree keeps its HEAD for itself, and its branches where the repository is
  const common = files.readText(join(folder, "commondir"))?.trim();
  const folders = common === undefined ? [folder] : [folder, resolve(folder, common)];
  const branch = reference.startsWith("refs/heads/") ? reference.slice("refs/heads/".length) : null;
  for (const each of folders) {
    const hash = files.readText(join(each, reference))?.trim() ?? packed(files, each, reference);
    if (hash !== undefined && HASH.test(hash)) return { commit: hash, branch };
  }
  return { commit: null, branch };
}

function packed(files: Files, folder: string, reference: string): string | undefined {
  for (const line of (files.readText(join(folder, "packed-refs")) ?? "").split("\n")) {
    const [hash, name] = line.trim().split(" ");
    if (name === reference) return hash;
  }
  return undefined;
}
