/**
 * What kfk reads of a project lies in the project. A link in it, or a folder that its code names, may lead to whatever
 * else this machine holds, such as a login of another program; read as parameters, that would go into a document and
 * to the host that the same project names. So such a file is refused, unless the person who runs kfk says otherwise
 * with KFK_FOLLOW_LINKS=1.
 */
import { relative } from "node:path";
import { KfkError } from "../error.ts";
import type { Files } from "../world.ts";

/** The folder, as an absolute path, in which files must really lie; undefined: the person said to follow all links. */
export type Within = string | undefined;

/** The folder for a project. */
export function withinProject(env: Readonly<Record<string, string | undefined>>, root: string): Within {
  return /^(?:|0|false|no|off)$/i.test(env["KFK_FOLLOW_LINKS"] ?? "") ? root : undefined;
}

/** Errors: PROJECT_FILE for a file that lies elsewhere once links are followed. `shown`: its name for people. */
export function checkInside(path: string, shown: string, within: Within, files: Pick<Files, "realPath">): void {
  if (within === undefined) return;
  const real = files.realPath(path);
  if (real === undefined) return;
  if (isBelow(real, files.realPath(within) ?? within)) return;
  throw new KfkError("PROJECT_FILE", `${shown} lies outside the project, at ${real}, and is not read`, {
    hint: "put a copy into the project, or set KFK_FOLLOW_LINKS=1 if the project may have what lies there",
  });
}

// --- internal ---

function isBelow(real: string, folder: string): boolean {
  const way = relative(folder, real);
  return way !== ".." && !way.startsWith("../") && !way.startsWith("/");
}
