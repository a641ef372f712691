/**
 * What the system says of a file or a program (EACCES, ENOSPC, …) → words for people: what did not work, on what, why,
 * and the one thing to do. The only place that knows the names of the system's errors in words.
 * Source: errno of Linux and macOS, as Node.js names them.
 */
import { KfkError } from "./error.ts";

/** A file that cannot be read. */
export function unreadable(path: string, error: unknown): KfkError {
  return described(`cannot read ${path}`, error, { EACCES: RIGHTS_TO_READ, EPERM: RIGHTS_TO_READ });
}

/** A file or folder that cannot be written; stdout too. */
export function unwritable(path: string, error: unknown): KfkError {
  return described(`cannot write ${path}`, error, {});
}

/** A program that is there and cannot be started. */
export function unstartable(program: string, error: unknown): KfkError {
  return described(`cannot start ${program}`, error, {
    ENOENT: { why: "there is no such program", hint: "install it, or put it on the PATH" },
    EACCES: { why: "this user may not run it", hint: "make it a program that this user may run (chmod +x)" },
    EAGAIN: { why: "this user has as many processes as it may have", hint: "end some, or raise the limit (ulimit -u)" },
    E2BIG: { why: "what it is told is longer than the system takes", hint: "unset large environment variables" },
    ENOEXEC: { why: "it is not a program of this machine", hint: "use one that was built for this system" },
  });
}

// --- internal ---

interface Words {
  readonly why: string;
  readonly hint: string;
}

const RIGHTS_TO_READ: Words = {
  why: "this user may not read it",
  hint: "give this user the right to read it (chmod u+r, or its owner), or run kfk as a user that has it",
};

const RIGHTS: Words = {
  why: "this user may not write there",
  hint: "give this user the right to write there (chmod u+w, or its owner), or name another place",
};

const WORDS: Readonly<Record<string, Words>> = {
  EACCES: RIGHTS,
  EPERM: RIGHTS,
  EROFS: { why: "the disk there can only be read", hint: "name another place, or mount it for writing" },
  ENOSPC: { why: "the disk is full", hint: "make room on the disk that holds it, and do it again" },
  EDQUOT: { why: "this user has used up its part of the disk", hint: "make room, and do it again" },
  EFBIG: { why: "it would be larger than a file may be", hint: "raise the limit (ulimit -f)" },
  EISDIR: { why: "it is a folder", hint: "name a file" },
  ENOTDIR: { why: "a part of its path is a file, not a folder", hint: "name another path, or move that file away" },
  EEXIST: { why: "a part of its path is a file, not a folder", hint: "name another path, or move that file away" },
  ENOENT: { why: "its folder is not there and cannot be made", hint: "name a path in a folder that is there" },
  ELOOP: { why: "its links lead in a circle", hint: "correct the links" },
  ENAMETOOLONG: { why: "its name is longer than the system takes", hint: "use a shorter name" },
  EMFILE: { why: "too many files are open", hint: "raise the limit (ulimit -n)" },
  ENFILE: { why: "too many files are open on this machine", hint: "end some programs, and do it again" },
  EBUSY: { why: "the system is using it", hint: "wait for what uses it, and do it again" },
  ETXTBSY: { why: "it is a program that runs", hint: "end it first, or name another file" },
  EIO: { why: "the disk failed", hint: "look at the disk; the system's log says more" },
  ENOMEM: { why: "the machine has no memory left", hint: "end some programs, and do it again" },
  ENXIO: { why: "nobody is at the other end of it", hint: "name a file" },
  EINVAL: { why: "the system does not take such a name or file", hint: "name another path" },
};

function described(what: string, error: unknown, own: Readonly<Record<string, Words>>): KfkError {
  const { code = "", message } = error as { readonly code?: string; readonly message?: string };
  const words = own[code] ?? WORDS[code];
  const why = words === undefined ? (message ?? String(error)) : `${words.why} (${code})`;
  return new KfkError("PROJECT_FILE", `${what}: ${why}`, { hint: words?.hint, cause: error });
}
