/**
 * What the run environment's kubeflow file takes away from the base's. Kedro puts an environment over the base key by
 * key at the top of the file alone, so a `run_config` of three lines replaces the whole one of base, in silence.
 *
 * Comes in: the layers as they are written. Goes out: the keys of base that do not hold any more, or nothing.
 * Source: Kedro 0.16.6 to 1.7.0 config loaders (`merge_strategy: soft` merges key by key: OmegaConfigLoader of 0.19).
 */
import type { Place, Warning } from "../error.ts";
import type { Layer } from "./layers.ts";
import { pythonStr } from "./python-text.ts";
import { placeOf, type MapNode } from "./tree.ts";

/** A top-level key that the environment sets, and what of base's value is lost by it. */
export interface Lost {
  /** `run_config.image`, in the order of base's file; never empty. */
  readonly keys: readonly string[];
  /** The environment's key that replaces base's. */
  readonly at: Place | undefined;
  /** The file that has the lost ones. */
  readonly from: string;
  /** The project's loader can be told to merge key by key. */
  readonly canMerge: boolean;
}

/** Per replaced top-level mapping what is lost. */
export function findLost(layers: readonly Layer[], canMerge: boolean): readonly Lost[] {
  const [base, over] = layers;
  if (base?.tree === undefined || over?.tree === undefined) return [];
  const found: Lost[] = [];
  for (const [key, value] of over.tree.entries) {
    const before = base.tree.entries.get(key);
    const name = pythonStr(key);
    if (before?.kind !== "map" || name.startsWith("_")) continue;
    const isEmpty = value.kind === "scalar" && value.value === null;
    if (value.kind !== "map" && !isEmpty) continue;
    const keys = lostKeys(before, value.kind === "map" ? value : undefined, name);
    const at = placeOf(value.keyAt ?? value.at);
    const from = placeOf(before.keyAt ?? before.at)?.file ?? "the base environment";
    if (keys.length > 0) found.push({ keys, at, from, canMerge });
  }
  return found;
}

/** One warning for each replaced key. */
export function warnLost(lost: readonly Lost[]): readonly Warning[] {
  return lost.map(({ keys, at, from, canMerge }) => {
    const [top = ""] = (keys[0] ?? "").split(".", 1);
    const soft = canMerge
      ? ', or add "merge_strategy": {"kubeflow": "soft"} to CONFIG_LOADER_ARGS in settings.py, beside "base_env" and "default_run_env"'
      : "";
    return {
      message: `${top} here takes the place of the whole ${top} of ${from}, as in Kedro, so these do not hold: ${listed(keys)}`,
      at,
      hint: `write again here what is to hold${soft}`,
    };
  });
}

/**
 * The file in which a key must stand to hold: where the run environment has a mapping of its own, it is that one's.
 * Undefined where no file has such a mapping.
 */
export function fileToSet(layers: readonly Layer[], top: string): string | undefined {
  const holding = layers.findLast(({ tree }) => tree?.entries.has(top));
  const node = holding?.tree?.entries.get(top);
  return placeOf(node?.keyAt ?? node?.at)?.file;
}

// --- internal ---

const MOST = 8;

/** Of a mapping that is not there at all, its keys; deeper ones are named only where a part of them stays. */
function lostKeys(before: MapNode, now: MapNode | undefined, path: string): string[] {
  return [...before.entries].flatMap(([key, value]) => {
    const name = `${path}.${pythonStr(key)}`;
    const after = now?.entries.get(key);
    if (after === undefined) return value.kind === "scalar" && value.value === null ? [] : [name];
    return value.kind === "map" && after.kind === "map" ? lostKeys(value, after, name) : [];
  });
}

function listed(keys: readonly string[]): string {
  const more = keys.length - MOST;
  return more > 0 ? `${keys.slice(0, MOST).join(", ")} and ${more} more` : keys.join(", ");
}
