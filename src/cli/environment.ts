/**
 * The run environment that a person names: `-e`, else KEDRO_ENV; an empty name is none, as in Kedro. It is a folder
 * below the conf folder (also a nested one, `team/prod`), so a name that leads out of there is refused: Kedro would
 * read whatever YAML lies there as configuration (0.18.14 and 0.19.15 both go up with `../..`).
 */
import { posix } from "node:path";
import { KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

/** Undefined: none is named. Errors: USAGE_VALUE for `-e`, CONFIG_ENVIRONMENT for KEDRO_ENV. */
export function namedEnv({ options, world }: Pick<Call, "options" | "world">): string | undefined {
  const given = options.text("env") ?? "";
  if (given !== "") {
    if (!isName(given)) throw notName("USAGE_VALUE", `--env "${given}"`, given);
    return given;
  }
  const set = world.env["KEDRO_ENV"] ?? "";
  if (set === "") return undefined;
  if (!isName(set)) throw notName("CONFIG_ENVIRONMENT", `KEDRO_ENV "${set}"`, set);
  return set;
}

/** True: no option names one, and KEDRO_ENV does. */
export function isFromVariable({ options, world }: Pick<Call, "options" | "world">): boolean {
  return (options.text("env") ?? "") === "" && (world.env["KEDRO_ENV"] ?? "") !== "";
}

// --- internal ---

function isName(text: string): boolean {
  return !/[\0\n\r]/.test(text) && text.split("/").every((part) => part.trim() !== "" && part !== "." && part !== "..");
}

/** `./local` and `prod/` are names to Kedro too, of the same folder; steps would be told another environment. */
function notName(code: "USAGE_VALUE" | "CONFIG_ENVIRONMENT", what: string, text: string): KfkError {
  const plain = posix.normalize(text).replace(/\/$/, "");
  return new KfkError(code, `${what} is not the name of an environment`, {
    hint: isName(plain)
      ? `write ${plain}`
      : "name a folder below the conf folder, such as prod; another conf folder is named with --conf-source DIR",
  });
}
