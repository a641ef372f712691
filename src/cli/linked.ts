/**
 * An error as it may be shown: lines of a file that lies outside the project, behind a link or a path that leads out of
 * it, are left out. A project of somebody else's could point at whatever this machine keeps to itself, and what stands
 * there would be in the log of the build.
 */
import { dirname, isAbsolute, join, resolve } from "node:path";
import { KfkError, type Place } from "../error.ts";
import type { Files, World } from "../world.ts";

/** The error without such lines. `project`: the folder that was named, if one was. */
export function withoutForeignLines(error: KfkError, { cwd, files }: World, project: string | undefined): KfkError {
  const folder = project === undefined ? cwd : resolve(cwd, project);
  const show = (at: Place | undefined): Place | undefined => {
    if (at?.text === undefined || isInside(at.file, folder, files)) return at;
    const { text: _text, ...rest } = at;
    return rest;
  };
  return new KfkError(error.code, error.message, {
    at: show(error.at),
    hint: error.hint,
    notes: error.notes.map((note) => ({ ...note, at: show(note.at) })),
    cause: error.cause,
  });
}

// --- internal ---

/** Whether a file as shown, which starts at the project or a folder above, is really in there; also for none at all. */
function isInside(shown: string, folder: string, files: Files): boolean {
  if (isAbsolute(shown)) return isBelow(shown, folder, files);
  for (let base = folder; ; base = dirname(base)) {
    const path = join(base, shown);
    if (files.kind(path) !== undefined) return isBelow(path, base, files);
    if (base === dirname(base)) return true;
  }
}

function isBelow(path: string, base: string, files: Files): boolean {
  const [real, root] = [files.realPath(path), files.realPath(base)];
  if (real === undefined || root === undefined) return false;
  return real.startsWith(root.endsWith("/") ? root : `${root}/`);
}
