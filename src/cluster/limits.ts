/**
 * What servers take at most, for runs and schedules alike. They refuse more only after a workflow was made, or with words
 * that help nobody, so it is refused here. Source: KFP API server 1.8 to 2.17 (`varchar(255)`, MAX_PARAMETER_BYTES).
 */
import { KfkError } from "../error.ts";

/** Bytes of all parameters as JSON. */
export const MOST_PARAMETER_BYTES = 10_000;

/** Characters of the description of a run or version: varchar(255), and a longer one leaves a Workflow behind. */
export const LONGEST_DESCRIPTION = 255;

/** `what` begins the message: `the run name "x"`. Errors: SERVER_REFUSED for an empty name, or one of over 255 characters. */
export function checkName(name: string, what: string, hint: string): void {
  const length = [...name].length;
  if (name.trim() !== "" && length <= LONGEST_NAME) return;
  const problem = length > LONGEST_NAME ? `has ${length} characters, and servers take ${LONGEST_NAME}` : "is empty";
  throw new KfkError("SERVER_REFUSED", `${what} ${problem}`, { hint });
}

/** Errors: SERVER_REFUSED for parameters that take too many bytes. */
export function checkParameterBytes(
  parameters: readonly { readonly name: string; readonly value: unknown }[],
  hint: string,
): void {
  const bytes = new TextEncoder().encode(JSON.stringify(parameters)).length;
  if (bytes <= MOST_PARAMETER_BYTES) return;
  const message = `the parameters are ${bytes} bytes, and servers take ${MOST_PARAMETER_BYTES}`;
  throw new KfkError("SERVER_REFUSED", message, { hint });
}

// --- internal ---

/** varchar(255): longer ones fail after the Workflow was made. */
const LONGEST_NAME = 255;
