/** A program of a run on this machine; what the system says when it cannot start one becomes words. */
import { isKfkError } from "../error.ts";
import { unstartable } from "../system-error.ts";
import type { Child, SpawnOptions, World } from "../world.ts";

/** Starts it. Errors: PROJECT_FILE where it cannot be started. */
export function startProgram(world: Pick<World, "spawn">, command: readonly string[], options: SpawnOptions): Child {
  try {
    return world.spawn(command, options);
  } catch (error) {
    throw isKfkError(error) ? error : unstartable(command[0] ?? "", error);
  }
}
