/**
 * What differs between Kedro versions. Versions are compared in this room and nowhere else.
 * Source: kedro-org/kedro 0.19.0 to 1.7.0; reference/kedro-semantics.md 2.3, 4.2.
 */
import { createHash } from "node:crypto";
import { KfkError } from "../error.ts";
import { pythonRepr } from "../config/python-text.ts";
import { type Signatures, signaturesOf } from "./signatures.ts";

/** How Kedro calls a node without a name. */
export interface FunctionIdentity {
  readonly module: string;
  readonly name: string;
  /** True for functools.partial: `name` is then the inner function's. */
  readonly isPartial: boolean;
  /** Set on a partial by update_wrapper; matters below 1.0 only. */
  readonly wrappedName?: string | undefined;
}

export interface Era {
  /** The automatic name, without namespace. */
  readonly autoName: (func: FunctionIdentity, inputs: readonly string[], outputs: readonly string[]) => string;
  readonly signatures: Signatures;
}

/** The era of a version. Errors: PROJECT_KEDRO_VERSION below 0.19 and above 1.x. */
export function eraOf(version: string): Era {
  if (isBefore(version, [0, 19, 0]) || !isBefore(version, [2, 0, 0])) {
    throw new KfkError("PROJECT_KEDRO_VERSION", `the project is for Kedro ${version}, which kfk cannot read`, {
      hint: "kfk reads projects of Kedro 0.19 to 1.x; kedro_init_version in pyproject.toml or a pin in requirements.txt says the version",
    });
  }
  return {
    autoName: isBefore(version, [1, 0, 0]) ? semicolonName : hashName,
    signatures: signaturesOf(version),
  };
}

/** Kedro >= 0.19.9: two parameter files may share a parent key. */
export function hasLeafDuplicates(version: string): boolean {
  return !isBefore(version, [0, 19, 9]);
}

/** True for versions below a limit. */
export function isBefore(version: string, limit: Triple): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10) || 0);
  for (let index = 0; index < 3; index++) {
    const difference = (parts[index] ?? 0) - (limit[index] as number);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

// --- internal ---

type Triple = readonly [number, number, number];

/** 0.19: `func([a;b]) -> [c]`. */
function semicolonName(func: FunctionIdentity, inputs: readonly string[], outputs: readonly string[]): string {
  const show = (names: readonly string[]): string => (names.length === 0 ? "None" : `[${names.join(";")}]`);
  const name = func.isPartial ? (func.wrappedName ?? "<partial>") : func.name;
  return `${name}(${show(inputs)}) -> ${show(outputs)}`;
}

/** >= 1.0: function name and eight digits of a SHA-256 over module, name, inputs and outputs. */
function hashName(func: FunctionIdentity, inputs: readonly string[], outputs: readonly string[]): string {
  const show = (names: readonly string[]): string => `[${names.map(pythonRepr).join(", ")}]`;
  const base = func.isPartial ? `partial(${func.name})` : func.name;
  const owner = func.isPartial ? base : `${func.module}.${func.name}`;
  const digest = createHash("sha256")
    .update(`${owner}|${show(inputs)}|${show(outputs)}`, "utf8")
    .digest("hex");
  return `${base}__${digest.slice(0, 8)}`;
}
