/**
 * Comparing Kedro versions: what the files of this room decide eras, signatures and catalog rules with. Nothing outside
 * of the room compares versions.
 */

/** Major, minor and patch. */
export type Triple = readonly [number, number, number];

/** True for versions below a limit. */
export function isBefore(version: string, limit: Triple): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10) || 0);
  for (let index = 0; index < 3; index++) {
    const difference = (parts[index] ?? 0) - (limit[index] as number);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
