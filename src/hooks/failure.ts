/**
 * What can be wrong with a hook → the error that names hook, file, line and column, with the file's text for a frame.
 */
import { relative } from "node:path";
import { placeOf, type Spot } from "../config/tree.ts";
import { KfkError, type Place } from "../error.ts";
import type { HookFile } from "./find.ts";
import type { Problem } from "./message.ts";

/** Which hook of which file; an empty name while the file is loaded. */
export interface HookProblem {
  readonly root: string;
  readonly file: HookFile;
  readonly hook: string;
}

/** Where the file sets a hook, as far as its text shows it: the name as a key; else the start of the file. */
export function hookSpot({ shown, text }: HookFile, hook: string): Spot {
  const source = { file: shown, text };
  const name = hook.replace(/^.*\./, "").replaceAll(/[^\w$]/g, "\\$&");
  const match = name === "" ? null : new RegExp(`^(.*?[\\s{,("']|)(${name})["']?\\s*[:(,}]`, "m").exec(text);
  if (match === null) return { source, start: 0, end: 0 };
  const start = match.index + (match[1] ?? "").length;
  return { source, start, end: start + (match[2] ?? "").length };
}

/** The same as a place. */
export function hookPlace(file: HookFile, hook: string): Place {
  return placeOf(hookSpot(file, hook));
}

export function unknownHook(file: HookFile, name: string, near: string | undefined): KfkError {
  return new KfkError("HOOK_NAME", `${file.shown} holds "${name}", and there is no such hook`, {
    at: hookPlace(file, name),
    hint: near === undefined ? "see kfk hooks list for all hooks" : `did you mean "${near}"?`,
  });
}

export function wrongForm(
  file: HookFile,
  name: string,
  wanted: "function" | "functions",
  form: string,
  members: readonly string[],
): KfkError {
  const at = hookPlace(file, form === "object" && wanted === "functions" ? (members[0] ?? name) : name);
  if (wanted === "functions" && form === "object") {
    return new KfkError("HOOK_FORM", `"${name}.${members[0]}" in ${file.shown} is not a function`, {
      at,
      hint: `write ${name}: { ${members[0]}: (value) => … }`,
    });
  }
  const want = wanted === "functions" ? "an object of functions" : "a function";
  const is = form === "functions" ? "an object" : form === "object" ? "an object" : article(form);
  return new KfkError("HOOK_FORM", `the hook "${name}" in ${file.shown} must be ${want}, and it is ${is}`, {
    at,
    hint: wanted === "functions" ? `write ${name}: { double: (value) => … }` : `write ${name}: (value, context) => …`,
  });
}

/** The file cannot be loaded. */
export function unloadable(problem: HookProblem, found: Problem): KfkError {
  const { file } = problem;
  if (found.kind === "missing") {
    const what = found.message === "undefined" ? "it has none" : `that is ${article(found.message)}`;
    return new KfkError("HOOK_LOAD", `${file.shown} must export its hooks as default, and ${what}`, {
      at: hookPlace(file, found.message === "undefined" ? "" : "default"),
      hint: 'write import { defineHooks } from "kfk" and export default defineHooks({ … })',
    });
  }
  const at = shownPlace(problem, found) ?? importPlace(file, found.message) ?? hookPlace(file, "");
  const message = oneLine(found.message)
    .replace(/^ResolveMessage: /, "")
    .replace(/ imported from .*$/, "");
  return new KfkError("HOOK_LOAD", `the hook file ${file.shown} cannot be loaded: ${message}`, {
    at,
    hint: message.startsWith("Cannot find package")
      ? "install it into the project's node_modules; kfk installs nothing"
      : OFF,
  });
}

/** The hook threw, or its answer is no plain data. */
export function threw(problem: HookProblem, found: Problem): KfkError {
  const { file, hook } = problem;
  if (found.kind === "shape") {
    return wrongResult(file, hook, `${oneLine(found.message)}, and only plain data can go on`);
  }
  return new KfkError("HOOK_FAILED", `the hook "${hook}" in ${file.shown} failed: ${oneLine(found.message)}`, {
    at: shownPlace(problem, found) ?? hookPlace(file, hook),
    hint: OFF,
  });
}

/** The answer has another shape than the contract says. `why`: what is wrong, in the answer's own names. */
export function wrongResult(file: HookFile, hook: string, why: string): KfkError {
  return new KfkError("HOOK_RESULT", `the answer of the hook "${hook}" in ${file.shown} cannot be used: ${why}`, {
    at: hookPlace(file, hook),
    hint: "kfk hooks types writes the types that an editor checks this with",
  });
}

export function timedOut({ file, hook }: HookProblem, timeoutMs: number): KfkError {
  const what = hook === "" ? `loading ${file.shown}` : `the hook "${hook}" in ${file.shown}`;
  return new KfkError("HOOK_TIMEOUT", `${what} took longer than ${timeoutMs / 1000} s and was ended`, {
    at: hookPlace(file, hook),
    hint: "give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
  });
}

export function ended({ file, hook }: HookProblem, how: string): KfkError {
  const what = hook === "" ? `loading ${file.shown}` : `the hook "${hook}" in ${file.shown}`;
  return new KfkError("HOOK_EXIT", `${what} ended its process (${how})`, {
    at: exitPlace(file) ?? hookPlace(file, hook),
    hint: exitPlace(file) ? "throw an error instead of calling process.exit" : OFF,
  });
}

/** The same error with the place alone: what stands in the source can be a secret. */
export function withoutLines(error: KfkError): KfkError {
  const { code, message, hint, notes } = error;
  if (error.at === undefined) return error;
  const { text: _text, ...at } = error.at;
  return new KfkError(code, message, { at, hint, notes });
}

// --- internal ---

const OFF = "correct the file, or leave hooks out with --no-hooks";

function article(form: string): string {
  if (form === "undefined" || form === "null") return form;
  return `${/^[aeiou]/.test(form) ? "an" : "a"} ${form}`;
}

function oneLine(text: string): string {
  const lines = text.trim().split(/\r?\n/);
  return lines.length > 1 ? `${lines[0]} …` : (lines[0] ?? "");
}

/** A place in one of the project's files; the text is the hook file's alone: what it imports may hold its login. */
function shownPlace({ root, file }: HookProblem, { at }: Problem): Place | undefined {
  if (at === null) return undefined;
  const text = at.path === file.path ? file.text : undefined;
  const shown = relative(root, at.path);
  const name = shown.startsWith("..") ? at.path : shown;
  return { file: name, line: at.line, column: at.column, ...(text === undefined ? {} : { text }) };
}

/** An import that leads nowhere is reported without a place; the name of the module is in the message. */
function importPlace(file: HookFile, message: string): Place | undefined {
  const name = /(?:package|module) ['"]([^'"]+)['"]/i.exec(message)?.[1];
  return name === undefined ? undefined : textPlace(file, [`"${name}"`, `'${name}'`]);
}

function exitPlace(file: HookFile): Place | undefined {
  return textPlace(file, ["process.exit"]);
}

function textPlace({ shown, text }: HookFile, wanted: readonly string[]): Place | undefined {
  for (const each of wanted) {
    const start = text.indexOf(each);
    if (start >= 0) return placeOf({ source: { file: shown, text }, start, end: start + each.length });
  }
  return undefined;
}
