/**
 * Writes several files or none: what exists is refused before the first byte unless it may be replaced, and a write
 * that fails takes back the ones before it.
 */
import { relative } from "node:path";
import { isKfkError, KfkError } from "../error.ts";
import type { Files } from "../world.ts";

export interface NewFile {
  /** Absolute. */
  readonly path: string;
  /** As shown to people. */
  readonly shown: string;
  /** Empty: not known yet. */
  readonly text: string;
}

/**
 * Refuses what is there already with another text, and links that lead out of `folders`. Errors: INIT_EXISTS naming
 * every file.
 */
export function checkFree(
  files: Pick<Files, "kind" | "readText" | "realPath" | "writePath">,
  wanted: readonly NewFile[],
  { mayReplace, folders }: { readonly mayReplace: boolean; readonly folders: readonly string[] },
): void {
  const taken = wanted.filter(({ path, text }) => {
    const kind = files.kind(path);
    return kind === "folder" || (!mayReplace && kind !== undefined && (text === "" || files.readText(path) !== text));
  });
  if (taken.length > 0) throw alreadyThere(taken, mayReplace);
  const inside = folders.map((folder) => files.realPath(folder) ?? folder);
  for (const { path, shown } of wanted) {
    const target = files.writePath(path);
    if (!inside.some((folder) => !relative(folder, target).startsWith(".."))) throw leadsOut(shown, target);
  }
}

/** Writes all. Errors: PROJECT_FILE; then every file is as it was before. */
export function writeAll(files: Pick<Files, "readBytes" | "write" | "remove">, wanted: readonly NewFile[]): void {
  const written: { readonly path: string; readonly before: Uint8Array | undefined }[] = [];
  try {
    for (const { path, text } of wanted) {
      const before = files.readBytes(path);
      files.write(path, text);
      written.push({ path, before });
    }
  } catch (error) {
    const left = written.toReversed().filter(({ path, before }) => {
      try {
        if (before === undefined) files.remove(path);
        else files.write(path, before);
        return false;
      } catch {
        return true;
      }
    });
    throw left.length > 0 && isKfkError(error) ? stillThere(error, wanted, left) : error;
  }
}

// --- internal ---

function leadsOut(shown: string, target: string): KfkError {
  return new KfkError("INIT_EXISTS", `${shown} leads out of the project, to ${target}; nothing was written`, {
    hint: "take the link away, or make a file or folder of its own there",
  });
}

function stillThere(error: KfkError, wanted: readonly NewFile[], left: readonly { readonly path: string }[]): KfkError {
  const names = left.map(({ path }) => wanted.find((each) => each.path === path)?.shown ?? path);
  return new KfkError(error.code, error.message, {
    hint: `not taken back: ${names.join(", ")}; run the command again with --force`,
    cause: error,
  });
}

function alreadyThere(taken: readonly NewFile[], mayReplace: boolean): KfkError {
  const names = taken.map(({ shown }) => shown).join(", ");
  return new KfkError(
    "INIT_EXISTS",
    `${names} ${taken.length === 1 ? "is" : "are"} there already; nothing was written`,
    {
      hint: mayReplace
        ? "move the folder of that name away"
        : "use --force to replace what is there, or move it away first",
    },
  );
}
