/**
 * The git commit of a project's sources, as `git` on this machine tells it; null where there is none. Only asked, never
 * changed: no lock is taken and no monitor of the repository's own settings is started.
 */
import { KfkError } from "../error.ts";
import type { World } from "../world.ts";

export interface Commit {
  readonly id: string;
  /** False when the project's folder holds changes that are not committed. */
  readonly isClean: boolean;
}

/** Asks git about a folder. */
export async function findCommit(world: World, folder: string): Promise<Commit | null> {
  const id = await git(world, folder, ["rev-parse", "--verify", "HEAD"]);
  if (id === null || !/^[0-9a-f]{40,64}\s*$/.test(id)) return null;
  const changes = await git(world, folder, ["status", "--porcelain", "--", "."]);
  return { id: id.trim(), isClean: changes !== null && changes.trim() === "" };
}

/** As it goes into descriptions: 12 digits, with `+` after them for changes that are not committed. */
export function nameCommit(commit: Commit | null): string | null {
  return commit === null ? null : `${commit.id.slice(0, 12)}${commit.isClean ? "" : "+"}`;
}

/** For `--require-clean`. Errors: PROJECT_DIRTY. */
export function requireClean(commit: Commit | null): void {
  if (commit?.isClean) return;
  const problem = commit === null ? "is not under git" : "has changes that are not committed";
  throw new KfkError("PROJECT_DIRTY", `the project ${problem}, and --require-clean asks for a commit`, {
    hint: commit === null ? "leave --require-clean out" : "commit them, build the image from the commit, and run again",
  });
}

// --- internal ---

/** A large work tree on a slow disk; without an answer the commit is not known. */
const LIMIT_MS = 10_000;

async function git(world: World, folder: string, words: readonly string[]): Promise<string | null> {
  const lines: string[] = [];
  const timer = new AbortController();
  try {
    const child = world.spawn(["git", "-c", "core.fsmonitor=false", "-C", folder, ...words], {
      cwd: folder,
      env: {
        PATH: world.env["PATH"] ?? "",
        HOME: world.env["HOME"] ?? "",
        GIT_OPTIONAL_LOCKS: "0",
        LC_ALL: "C",
      },
      onLine: (line, stream) => {
        if (stream === "stdout") lines.push(line);
      },
      endGroup: true,
    });
    void world.clock.sleep(LIMIT_MS, timer.signal).then(() => {
      if (!timer.signal.aborted) child.kill("SIGKILL");
    });
    const { code } = await child.ended;
    return code === 0 ? lines.join("\n") : null;
  } catch {
    return null; // no git on this machine
  } finally {
    timer.abort();
  }
}
