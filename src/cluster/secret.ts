/**
 * A text that must never be seen: what a provider of logins hands to the request. Everything that prints values
 * (template strings, JSON, inspection) gets `[redacted]`; only `reveal` gives the text, and only the request that
 * sends it calls that. And what is sent beside it must not hold it.
 */
import { KfkError } from "../error.ts";
import type { World } from "../world.ts";

export interface Secret {
  readonly reveal: () => string;
  readonly toString: () => string;
  readonly toJSON: () => string;
}

/** Wraps a text. The text lives in a closure: no property holds it. */
export function makeSecret(text: string): Secret {
  const shown = (): string => REDACTED;
  return Object.defineProperty({ reveal: () => text, toString: shown, toJSON: shown }, INSPECT, { value: shown });
}

/** A login that a hook has put into a name or a document: the server would keep it for all to read. Errors: STEP_SECRET. */
export function refuseLogin({ secrets }: World, text: string, what: string): void {
  if (secrets?.holdsTold(text) !== true) return;
  throw new KfkError("STEP_SECRET", `${what} would hold the login, or what gives it`, {
    hint: "look at what the project's hooks put into names, parameters and documents",
  });
}

// --- internal ---

const REDACTED = "[redacted]";
const INSPECT = Symbol.for("nodejs.util.inspect.custom");
