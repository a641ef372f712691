/**
 * Whether stdout was closed when kfk was started (`kfk … >&-`). Bun 1.4.5 then puts /dev/null in its place, and all that
 * is written would vanish without a word. Light, as `--version` asks it too.
 */
import { readFileSync } from "node:fs";

/** True when there was no stdout at the start; false also where the machine does not tell (no /proc). */
export function wasClosed(): boolean {
  known ??= ask();
  return known;
}

// --- internal ---

let known: boolean | undefined;

/** Nothing that came through an exec is closed on exec: what is, Bun has opened itself. */
function ask(): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/fdinfo/1", "latin1"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0;
  } catch {
    return false;
  }
}

/** Of Linux, on x86-64 and arm64. */
const O_CLOEXEC = 0o2000000;
