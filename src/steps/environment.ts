/**
 * Variables of the pods: `run_config.env` and the environment of the person who compiles → what stands in the document.
 *
 * Nothing is copied that is not on the list, and no secret ever gets into a document: what looks like one is refused,
 * with the reference to a Kubernetes secret to write instead.
 * Rules: design section 4; reference/compile-targets.md C.3, D.3, D.8, I.1.
 */
import type { KubeflowEnv } from "../config/kubeflow.ts";
import { KfkError, type Place, type Warning } from "../error.ts";
import { hasSecretForm, SECRET_NAME } from "../secrets.ts";
import type { PodVariable } from "./step.ts";

/**
 * Errors: CONFIG_KUBEFLOW for a variable that is not set here, occurs twice, is set by kfk or looks like a secret;
 * STEP_TEXT for text that cannot arrive as it is.
 */
export function buildEnvironment(
  list: readonly KubeflowEnv[],
  env: (name: string) => string | undefined,
  placeOf: (path: readonly string[]) => Place | undefined,
): PodVariable[] {
  const seen = new Set<string>();
  return list.map((entry, index) => {
    const at = placeOf(["run_config", "env", String(index)]);
    if (RESERVED.has(entry.name)) throw reserved(entry.name, at);
    if (seen.has(entry.name)) throw twice(entry.name, at);
    seen.add(entry.name);
    if (entry.from === "secret") return { name: entry.name, secret: entry.secret, key: entry.key };
    const value = entry.from === "value" ? entry.value : env(entry.name);
    if (value === undefined) throw notSet(entry.name, at);
    if (SECRET_NAME.test(entry.name) || hasSecretForm(value)) throw secret(entry.name, at);
    return { name: entry.name, value: podText(entry.name, value, at) };
  });
}

/** One line for those who relied on the predecessor, which copied these into every pod by itself. */
export function warnUncopied(isListGiven: boolean, names: readonly string[]): Warning[] {
  const left = names.filter((name) => OLD_COPIES.test(name)).toSorted();
  if (isListGiven || left.length === 0) return [];
  return [
    {
      message: `not copied into pods: ${left.join(", ")}`,
      hint: `steps that need them: run_config.env: [${left.join(", ")}]; steps that do not: run_config.env: []`,
    },
  ];
}

// --- internal ---

/** What the predecessor put into every pod (0.4.6 to 0.11.0). */
const OLD_COPIES = /^(?:KEDRO_CONFIG_[A-Za-z0-9_]+|IAP_CLIENT_ID)$/;

/** Set by kfk or its runner. */
const RESERVED: ReadonlySet<string> = new Set(["KUBEFLOW_RUN_ID", "KEDRO_ENV"]);

/** Kubernetes makes one dollar of two and expands `$(NAME)`; two dollars undo both. */
function podText(name: string, value: string, at: Place | undefined): string {
  // braces: Argo; control characters, U+0085 and all beyond U+FFFF: the server's YAML reader and database
  const isPlain = [...value].every(
    (char) => char === "\t" || char === "\n" || /^[^\p{Cc}\u{10000}-\u{10ffff}]$/u.test(char),
  );
  if (!isPlain || value.includes("{{")) throw notPlain(name, at);
  return value.replaceAll("$", "$$$$");
}

// --- problems ---

function notSet(name: string, at: Place | undefined): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `run_config.env lists ${name}, which is not set here`, {
    at,
    hint: `set it, or write the value: {name: ${name}, value: …}`,
  });
}

function twice(name: string, at: Place | undefined): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `run_config.env lists ${name} twice`, { at, hint: "remove one of them" });
}

function reserved(name: string, at: Place | undefined): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `run_config.env lists ${name}, which every step gets from kfk`, {
    at,
    hint: "remove it",
  });
}

function secret(name: string, at: Place | undefined): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `run_config.env would write ${name} into the document, and it looks secret`, {
    at,
    hint: `keep it in a Kubernetes secret: {name: ${name}, secret: {name: …, key: …}}`,
  });
}

function notPlain(name: string, at: Place | undefined): KfkError {
  return new KfkError("STEP_TEXT", `the value of ${name} in run_config.env would not arrive as it is`, {
    at,
    hint: "write it without {{, control characters and emoji",
  });
}
