/** What `import … from "kfk"` gives a hook file. It changes nothing: it is there so that an editor knows the types. */
import type { Hooks } from "./contract.ts";

/** Hands the hooks back as they are. */
export function defineHooks<const T extends Hooks>(hooks: T): T {
  return hooks;
}
