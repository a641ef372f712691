/**
 * Random node names of every kind that Kedro takes, and a check of their step ids; for the tests with a few thousand, for
 * `scripts/bench` with a million. Same count, same names.
 */
import { stepId } from "../../src/steps/names.ts";

/**
 * Makes `count` different names and throws at the first id that is not legal, is another name's, or is another one when
 * it is asked for again after all others. Goes out: how many different ids there are.
 */
export function checkRandomNames(count: number): number {
  const ids = new Map<string, string>();
  for (const name of randomNames(count)) {
    const id = stepId(name);
    if (id.length > 63 || !/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(id)) throw new Error(`${name}: ${id} is not legal`);
    const other = ids.get(id);
    if (other !== undefined) throw new Error(`${id} is both ${other} and ${name}`);
    ids.set(id, name);
  }
  for (const [id, name] of ids) if (stepId(name) !== id) throw new Error(`${name} changed its id`);
  return ids.size;
}

// --- internal ---

/** Plain names, names with capitals, dots and dashes, one word in all cases, other scripts, long ones, automatic ones. */
function* randomNames(count: number): Generator<string> {
  const seen = new Set<string>();
  const random = randomNumbers(7);
  const pick = (from: string, length: number): string =>
    Array.from({ length }, () => from.charAt(Math.floor(random() * from.length))).join("");
  const kinds: readonly (() => string)[] = [
    () => pick("abcdefghij_0123456789", 1 + Math.floor(random() * 12)),
    () => pick("abcXYZ_-.019", 3 + Math.floor(random() * 9)),
    () => [..."preprocess_shuttles_node"].map((char) => (random() < 0.5 ? char.toUpperCase() : char)).join(""),
    () => pick("訓練データ모델модельßéü", 2 + Math.floor(random() * 8)),
    () => "long_" + pick("ab_", 55 + Math.floor(random() * 40)),
    () => `${pick("ab.", 4)}.fit([${pick("xyz", 5)};params:${pick("abc", 6)}]) -> [${pick("model_", 8)}]`,
  ];
  while (seen.size < count) {
    const name = (kinds[seen.size % kinds.length] as () => string)();
    if (seen.has(name)) continue;
    seen.add(name);
    yield name;
  }
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
