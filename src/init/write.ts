/**
 * Writes several files or none: what exists is refused before the first byte unless it may be replaced, and a write
 * that fails takes back the ones before it.
 */
import { KfkError } from "../error.ts";
import type { Files } from "../world.ts";

export interface NewFile {
  /** Absolute. */
  readonly path: string;
  /** As shown to people. */
  readonly shown: string;
  readonly text: string;
  /** True: generated whole by kfk, so it is replaced without asking. */
  readonly isGenerated?: boolean;
}

/** Refuses what is there already. Errors: INIT_EXISTS naming every file. */
export function checkFree(files: Pick<Files, "kind">, wanted: readonly NewFile[], mayReplace: boolean): void {
  const taken = wanted.filter(
    ({ path, isGenerated }) =>
      files.kind(path) === "folder" || (!mayReplace && !isGenerated && files.kind(path) !== undefined),
  );
  if (taken.length > 0) throw alreadyThere(taken, mayReplace);
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
    for (const { path, before } of written.toReversed()) {
      if (before === undefined) files.remove(path);
      else files.write(path, before);
    }
    throw error;
  }
}

// --- internal ---

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
