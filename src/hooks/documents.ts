/**
 * The text of the documents ↔ the payload of the hook `documents`. A text that a hook does not change keeps its bytes;
 * a changed one is written anew by the one emitter. Refused: another kind of document, values that no document can
 * hold, more bytes than servers take.
 */
import * as v from "valibot";
import { parseAllDocuments } from "yaml";
import type { Value, ValueMap } from "../../hooks/contract.ts";
import { documentsSchema } from "../../schemas/hooks.ts";
import { emitYaml, type JsonObject, MAX_DOCUMENT } from "../compile/emit.ts";
import { describeIssue } from "./issue.ts";
import { isSameValue } from "./value.ts";

/** A copy for a hook. `text`: as kfk's emitter writes it. */
export function toDocumentsPayload(text: string): ValueMap[] {
  const parsed = parseAllDocuments(text, { logLevel: "error" });
  if (!Array.isArray(parsed)) return [];
  return parsed.map((document) => document.toJS() as ValueMap);
}

/** The text with a hook's changes. `fail`: makes the error from what is wrong. */
export function applyDocuments(text: string, answer: Value | undefined, fail: (why: string) => Error): string {
  const before = toDocumentsPayload(text);
  if (isSameValue(before, answer)) return text;
  const parsed = v.safeParse(documentsSchema, answer);
  if (!parsed.success) throw fail(describeIssue(parsed.issues[0]));
  const after = parsed.output as ValueMap[];
  for (const key of ["apiVersion", "kind", "schemaVersion"]) {
    if (!isSameValue(before[0]?.[key], after[0]?.[key])) throw fail(`[0].${key} cannot be changed`);
  }
  checkNumbers(after, fail);
  const changed = after.map((document) => emitYaml(document as JsonObject)).join("---\n");
  if (changed.length > MAX_DOCUMENT) {
    throw fail(`the documents have ${changed.length} bytes now, and servers take ${MAX_DOCUMENT}`);
  }
  return changed;
}

// --- internal ---

/** Documents hold JSON's numbers; the emitter takes nothing else. */
function checkNumbers(value: Value, fail: (why: string) => Error): void {
  if (typeof value === "bigint") throw fail(`${value} is too large a number for a document; write it as text`);
  if (typeof value === "number" && !Number.isFinite(value)) throw fail(`${value} is no number for a document`);
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value)) checkNumbers(item, fail);
}
