/** A secret from a variable, or from the file that the variable with `_FILE` behind its name names. */
import type { AuthContext } from "../contract.ts";
import { badFile } from "./failure.ts";
import { filled } from "./token.ts";

/** The text without line ends around it; undefined when neither variable is set. */
export function readSecret(context: AuthContext, name: string): string | undefined {
  const file = filled(context.env(`${name}_FILE`));
  if (file === undefined) return told(context, nonEmpty(context.env(name)));
  const text = context.readText(file)?.replace(/\r?\n$/, "");
  if (nonEmpty(text) === undefined) {
    throw badFile(
      `${name}_FILE names ${file}, which is ${text === undefined ? "not there" : "empty"}`,
      `fix ${name}_FILE`,
    );
  }
  return told(context, text);
}

// --- internal ---

function told(context: AuthContext, secret: string | undefined): string | undefined {
  if (secret !== undefined) context.hide(secret);
  return secret;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
