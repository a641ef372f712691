/** The last arrow: documents to a file, whole or not at all, or to stdout; ids of runs, which are there in any case. */
import { resolve } from "node:path";
import { isKfkError, KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

/** Writes where `--output` says; a file is named on stderr. Errors: PROJECT_FILE. */
export function writeOutput(call: Call, text: string): void {
  const target = call.options.text("output") ?? "-";
  if (target === "-") {
    call.world.out.write(text);
    return;
  }
  call.world.files.write(resolve(call.world.cwd, target), text);
  call.say(`wrote ${target}`);
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
