/**
 * A text that must never be seen: what a provider of logins hands to the request. Everything that prints values
 * (template strings, JSON, inspection) gets `[redacted]`; only `reveal` gives the text, and only the request that
 * sends it calls that.
 */

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

// --- internal ---

const REDACTED = "[redacted]";
const INSPECT = Symbol.for("nodejs.util.inspect.custom");
