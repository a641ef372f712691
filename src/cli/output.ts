/**
 * The last arrow: documents to a file, whole or not at all, or to stdout; JSON and rows to stdout; ids of runs, which are
 * there in any case.
 *
 * Secrets are taken out of the values of JSON and of the texts of rows, one by one. Keys, titles and kfk's own words are
 * the same whatever the secret is: there they stay, because a secret that happens to be one of them would break what a
 * program reads, and be told to everybody by the hole.
 */
import { dirname, resolve } from "node:path";
import { isKfkError, KfkError } from "../error.ts";
import type { World } from "../world.ts";
import type { Call } from "./verb.ts";

/** Writes where `--output` says; a file is named on stderr. Errors: PROJECT_FILE. */
export function writeOutput(call: Call, text: string): void {
  const target = call.options.text("output") ?? "-";
  if (target === "-") {
    call.world.out.write(text);
    return;
  }
  checkFolder(call, "--output", target);
  call.world.files.write(resolve(call.world.cwd, target), text);
  call.say(`wrote ${target}`);
}

/** A file that an option names lies in a folder that is there: a typo makes no tree of folders. Errors: PROJECT_FILE. */
export function checkFolder({ world }: Call, option: string, file: string): void {
  const folder = dirname(resolve(world.cwd, file));
  if (world.files.kind(folder) === "folder") return;
  const shown = dirname(file);
  throw new KfkError("PROJECT_FILE", `there is no folder ${shown} for ${option} ${file}`, {
    hint:
      world.files.kind(folder) === undefined
        ? `make it with mkdir -p ${shown}, or name another file`
        : "name another file",
  });
}

/** A value as JSON in one line, without its end. */
export function toJson({ secrets }: World, value: unknown): string {
  if (secrets === undefined) return JSON.stringify(value);
  const { redact } = secrets;
  return JSON.stringify(value, (key, item: unknown) => {
    if (isMap(item)) return withCleanKeys(item, secrets);
    if (typeof item === "string") return OWN_WORDS.has(key) && /^[a-z_]+$/i.test(item) ? item : redact(item);
    // a number is a secret as a whole or not at all
    return typeof item === "number" && redact(String(item)) === SHOWN ? SHOWN : item;
  });
}

/** Writes JSON in one line on stdout. */
export function writeJson(world: World, value: unknown): void {
  writeClean(world, `${toJson(world, value)}\n`);
}

/** Writes a text on stdout out of which secrets were taken already. */
export function writeClean({ out }: World, text: string): void {
  (out.writeClean ?? out.write)(text);
}

/**
 * Writes the id of a run that is or may be there: to stdout, and to wherever else. What cannot be written is told with
 * the id on stderr, and the value is false: the run is there, and how it ends is not stdout's doing.
 */
export function writeRunId({ world }: Call, id: string, elsewhere: (line: string) => void = () => {}): boolean {
  let isWritten = true;
  for (const write of [elsewhere, world.out.write]) {
    try {
      write(`${id}\n`);
    } catch (error) {
      if (!isKfkError(error)) throw error;
      world.err.write(`warning: the run is ${id}; ${error.message}\n`);
      isWritten = false;
    }
  }
  return isWritten;
}

/** For a verb that leaves a run alone whose id nobody has. */
export function idNotWritten(id: string): KfkError {
  return new KfkError("SERVER_OUTCOME", `the run ${id} was started, and its id could not be written`, {
    hint: `kfk wait ${id}`,
  });
}

// --- internal ---

const SHOWN = "[redacted]";
/** Keys whose values are words of kfk's own, from closed lists. */
const OWN_WORDS: ReadonlySet<string> = new Set(["about", "verdict", "code", "how"]);

function isMap(item: unknown): item is Readonly<Record<string, unknown>> {
  return typeof item === "object" && item !== null && !Array.isArray(item);
}

/** Names that a server or a project gives can be keys as well; one that holds a login, and not just a word, is none. */
function withCleanKeys(item: Readonly<Record<string, unknown>>, secrets: NonNullable<World["secrets"]>): unknown {
  if (!Object.keys(item).some(secrets.holdsTold)) return item;
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [secrets.holdsTold(key) ? secrets.redact(key) : key, value]),
  );
}
