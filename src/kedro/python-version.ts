/**
 * Which Python to build an image with: the newest minor version that every release of the Kedro line runs on.
 * Source: `python_requires` and classifiers of kedro 0.16.6 to 1.7.0.
 */
import { isBefore } from "./version.ts";

/** `3.12` for a Kedro version. */
export function pythonFor(kedroVersion: string): string {
  if (isBefore(kedroVersion, [0, 17, 0])) return "3.7";
  if (isBefore(kedroVersion, [0, 18, 0])) return "3.8";
  if (isBefore(kedroVersion, [0, 19, 0])) return "3.10";
  return isBefore(kedroVersion, [1, 0, 0]) ? "3.11" : "3.12";
}
