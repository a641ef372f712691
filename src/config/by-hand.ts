/**
 * Configuration of one type, as a loader gives it that pipeline code builds by hand. Comes in: the loader's settings;
 * goes out: the values, or why they are not known, and the files that they come from. Credentials are never read.
 */
import { KfkError } from "../error.ts";
import type { Files } from "../world.ts";
import type { LoaderSettings } from "./layers.ts";
import type { Plain } from "./plain.ts";
import { readType } from "./read.ts";

export interface AnswerByHand {
  /** Undefined: not known, and `reason` says why. */
  readonly value: Plain | undefined;
  readonly reason: string;
  /** `file:…` and `env:…`. */
  readonly dependsOn: readonly string[];
}

/** Reads one type, such as `parameters`. Errors of the configuration are answers here. */
export function readByHand(
  type: string,
  settings: LoaderSettings,
  files: Files,
  env: (name: string) => string | undefined,
): AnswerByHand {
  const refused = (reason: string): AnswerByHand => ({ value: undefined, reason, dependsOn: [] });
  if (type === "credentials") return refused("credentials are not read");
  if (!KINDS.has(type) && !settings.patterns.has(type)) return refused("the loader has no such pattern");
  try {
    return readType(type, settings, files, env);
  } catch (error) {
    if (!(error instanceof KfkError)) throw error;
    return refused(error.message);
  }
}

// --- internal ---

const KINDS: ReadonlySet<string> = new Set(["parameters", "catalog", "globals"]);
