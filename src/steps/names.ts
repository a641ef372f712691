/**
 * The only place where names for the outside are made of names that a project gave: step ids, parameter names, parts;
 * `compile/names.ts` makes those of workflows and pipelines from the same pieces. All are legal for Argo and Kubernetes,
 * stable, and plain where nothing was lost.
 *
 * Rules: Argo names `^[a-zA-Z0-9][-a-zA-Z0-9]*$`, tasks never start with a digit; labels end with a letter or digit
 * and have at most 63 characters (Kubernetes); parameters are identifiers, because Argo 3.1 reads expressions only
 * with dotted access (reference/compile-targets.md A.2, I.3). A hash is added exactly when the change of letters could
 * not be undone, or when a name looks as if it had one, so two names never meet: 48 bits, so that among a million names
 * that differ in lost letters alone the odds are 1 in 500.
 */
import { createHash } from "node:crypto";

/**
 * Kedro node name → step id `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63 characters.
 *
 * `split_data_node` → `split-data-node`; `Train` → `train-e99c90db87c0` (the hash is of the Kedro name). Of a long name
 * that Kedro has made, the function and its outputs are kept.
 */
export function stepId(kedroName: string): string {
  const plain = kedroName.replaceAll("_", "-");
  if (/^[a-z][a-z0-9_]*$/.test(kedroName) && isLabel(plain) && !isReserved(plain)) return plain;
  const room = MAX_LABEL - HASH_LENGTH - 1;
  const isCut = cleanLabel(kedroName, kedroName.length).length > room;
  const clean = cleanLabel(isCut ? withoutInputs(kedroName) : kedroName, room);
  return clean === "" ? `step-${shortHash(kedroName)}` : `${clean}-${shortHash(kedroName)}`;
}

/** Top-level Kedro parameter → pipeline parameter: an identifier; `learning-rate` → `learning_rate_cf52a3961b5c`. */
export function parameterName(key: string): string {
  if (
    /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) &&
    key.length <= MAX_PARAMETER &&
    !RESERVED_PARAMETERS.has(key) &&
    !LOOKS_HASHED.test(key)
  )
    return key;
  const clean = key
    .replaceAll(/[^A-Za-z0-9_]+/g, "_")
    .replace(/^(?=\d)/, "p_")
    .slice(0, MAX_PARAMETER - HASH_LENGTH - 1)
    .replaceAll(/^_+|_+$/g, "");
  return `${clean === "" ? "parameter" : clean}_${shortHash(key)}`;
}

/** Name of a part: a DAG template that holds some of the steps. No step has such a name. */
export function partName(number: number): string {
  return `part-${number}`;
}

/** First twelve hexadecimal digits of the SHA-256 of the text's UTF-8 bytes. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex").slice(0, HASH_LENGTH);
}

/** Text → small letters, digits and single hyphens between them, at most `length`; empty when no letter is left. */
export function cleanLabel(text: string, length: number): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^[-0-9]+/, "")
    .slice(0, length)
    .replace(/-+$/, "");
}

// --- internal ---

const HASH_LENGTH = 12;
/** Kubernetes label values and DNS labels. */
const MAX_LABEL = 63;
const MAX_PARAMETER = 100;

/** `workflow.parameters.json` is Argo's own (since 3.5). */
const RESERVED_PARAMETERS: ReadonlySet<string> = new Set(["json"]);

/** Names with a meaning of their own in some target (reference/compile-targets.md A.2). */
const RESERVED_STEPS: ReadonlySet<string> = new Set([
  "data-volume-create",
  "data-volume-delete",
  "data-volume-init",
  "entrypoint",
  "mlflow-finish-run",
  "mlflow-start-run",
  "on-exit",
  "root",
  "volume-scope",
]);

/** The end of a name that was hashed; Kedro's own automatic names end in eight digits. */
const LOOKS_HASHED = /[-_][0-9a-f]{12}$/;

/** `f([a,b]) -> [c]`, a name that Kedro has made, without what the function reads: what it makes is told apart by. */
function withoutInputs(kedroName: string): string {
  return kedroName.replace(/\(.*\) -> (?=\[)/s, " ");
}

function isReserved(label: string): boolean {
  return (
    LOOKS_HASHED.test(label) ||
    RESERVED_STEPS.has(label) ||
    /^(?:system-|exit-hook-|exit-handler-\d|part-\d)/.test(label) ||
    label.endsWith("-driver")
  );
}

function isLabel(text: string): boolean {
  return text.length <= MAX_LABEL && /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/.test(text);
}
