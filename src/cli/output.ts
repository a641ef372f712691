/** The last arrow of verbs that make a document: to a file, whole or not at all, or to stdout. */
import { resolve } from "node:path";
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
