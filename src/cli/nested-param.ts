/**
 * `--param a.b=1` → the default of `a` with another `b`, as `kedro run --params` makes it (Kedro 0.17.6 and newer).
 *
 * Refused: a key that is not there, with what may be meant; a default that is no mapping; and what Kedro would make
 * another value of: it drops the other keys of `a` where the run environment has parameters files of which none sets `a`
 * (OmegaConfigLoader, also 1.x), and everywhere in 0.18.5 (reference/kedro-semantics.md 0.5, 4.5).
 */
import { readLayers } from "../config/layers.ts";
import { isPlainMap, type Plain, type PlainKey } from "../config/plain.ts";
import { KfkError, suggest } from "../error.ts";
import { nestedParams } from "../kedro/era.ts";
import { encodeJson, isEncodable } from "../steps/transport.ts";
import { loaderOf, type ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** A part of a parameter that is given. */
export interface Nested {
  /** As it was typed, `a.b`. */
  readonly name: string;
  /** The top-level key and those below it. */
  readonly key: string;
  readonly path: readonly string[];
  /** The text that was given → a value of the kind of the one that is there. Errors: STEP_PARAMETER. */
  readonly parse: (fallback: Plain) => Plain;
}

/** A copy of `value` with the part in it. Errors: STEP_PARAMETER. */
export function putNested(call: Call, read: ReadProject, nested: Nested, value: Plain): Plain {
  const whole = put(nested, nested.key, nested.path, value);
  const who = whoDrops(call, read, nested.key);
  if (who === undefined) return whole;
  throw new KfkError("STEP_PARAMETER", `"${nested.name}" would not be put into "${nested.key}": ${who}`, {
    hint: isEncodable(whole)
      ? `give the whole value: --param '${nested.key}=${encodeJson(whole)}'`
      : `give the whole value of ${nested.key}`,
  });
}

/** For a parameter whose value only a run gives. */
export function noDefault({ name, key, path }: Nested): KfkError {
  const example = path.reduceRight((inner, part) => `{"${part}": ${inner}}`, "VALUE");
  return new KfkError("STEP_PARAMETER", `"${name}" cannot be put into "${key}", which has no default`, {
    hint: `give the whole value, such as --param '${key}=${example}'`,
  });
}

// --- internal ---

/** `at`: the keys down to `value`. */
function put(nested: Nested, at: string, path: readonly string[], value: Plain): Plain {
  const [head, ...rest] = path;
  if (head === undefined) return nested.parse(value);
  if (!isPlainMap(value)) throw noMapping(nested, at);
  const inner = value.get(head);
  if (inner === undefined) throw unknownKey(nested, at, head, value);
  const copy = new Map<PlainKey, Plain>(value);
  copy.set(head, put(nested, `${at}.${head}`, rest, inner));
  return copy;
}

/** What Kedro does instead; undefined: the same as kfk. */
function whoDrops(call: Call, read: ReadProject, key: string): string | undefined {
  const version = read.facts.kedro.version;
  switch (nestedParams(version)) {
    case "none":
      return `Kedro ${version} knows no nested parameters of a run`;
    case "lost":
      return `Kedro ${version} drops the other keys`;
    case "kept":
  }
  const loader = loaderOf(call, read.facts);
  const isOmega = loader.kind === undefined || loader.kind === "OmegaConfigLoader";
  if (!isOmega || loader.runEnv === loader.baseEnv || loader.mergeStrategy.get("parameters") === "soft")
    return undefined;
  const env = readLayers("parameters", loader, call.world.files)[1];
  if (env === undefined || env.files.length === 0 || env.tree?.entries.has(key) === true) return undefined;
  const file = env.files[0]?.shown;
  return `Kedro ${version} drops its other keys where the environment has parameters and "${key}" is not among them (${file})`;
}

function noMapping({ name, key }: Nested, at: string): KfkError {
  return new KfkError("STEP_PARAMETER", `"${name}" wants a mapping, and parameter "${at}" is none`, {
    hint: `give the whole value: --param ${key}=VALUE`,
  });
}

function unknownKey(nested: Nested, at: string, wanted: string, value: ReadonlyMap<PlainKey, Plain>): KfkError {
  const known = [...value.keys()].filter((each) => typeof each === "string");
  const near = suggest(wanted, known);
  return new KfkError("STEP_PARAMETER", `parameter "${at}" has no "${wanted}"`, {
    hint:
      near === undefined
        ? `it has ${known.join(", ") || "nothing"}; to add a key, give the whole value of ${nested.key}`
        : `did you mean ${at}.${near}?`,
  });
}
