/**
 * `--conf-source DIR`: another conf folder than settings.py names, as `kedro run` takes it (Kedro >= 0.18.5); relative
 * to where kfk is started.
 *
 * Refused: what is no folder (Kedro takes archives and URLs too, kfk does not), and projects of a Kedro that has no such
 * option, as their steps would run with another configuration than the graph was made of.
 */
import { isAbsolute, relative, resolve, sep } from "node:path";
import { KfkError } from "../error.ts";
import { hasConfSource } from "../kedro/era.ts";
import type { Call } from "./verb.ts";

export interface ConfSource {
  /** Absolute. */
  readonly path: string;
  /** As it was typed. */
  readonly typed: string;
  /** The same from the project's root, with `/`; null: it lies elsewhere, and no image holds it. */
  readonly inProject: string | null;
}

/** Undefined: the option is not given. `kedro`: null where it is not known. Errors: USAGE_VALUE. */
export function confSourceOf(
  { options, world }: Pick<Call, "options" | "world">,
  root: string,
  kedro: string | null,
): ConfSource | undefined {
  const typed = options.text("conf-source");
  if (typed === undefined) return undefined;
  if (kedro !== null && !hasConfSource(kedro)) throw tooOld(kedro);
  const path = resolve(world.cwd, typed);
  if (typed === "" || world.files.kind(path) !== "folder") throw notFolder(typed, world.files.kind(path) === "file");
  const below = relative(root, path);
  const isInside = below !== "" && below !== ".." && !below.startsWith(`..${sep}`) && !isAbsolute(below);
  return { path, typed, inProject: isInside ? below.split(sep).join("/") : null };
}

/** The folder as steps in the project's image find it. Errors: USAGE_VALUE for one that no image holds. */
export function confInImage(source: ConfSource): string {
  if (source.inProject !== null) return source.inProject;
  throw new KfkError(
    "USAGE_VALUE",
    `--conf-source ${source.typed} lies outside of the project, so the image does not hold it and steps would run with other configuration`,
    {
      hint: "copy it into the project and build the image again; kfk model, config view and run-once --local read it where it is",
    },
  );
}

/** For ways to a model that cannot follow the option. Errors: USAGE_VALUE. */
export function refuseConfSource(call: Pick<Call, "options">, from: string, reason: string): void {
  const typed = call.options.text("conf-source");
  if (typed === undefined) return;
  throw new KfkError("USAGE_VALUE", `--conf-source ${typed} does not go with --from ${from}: ${reason}`, {
    hint: "use --from static or --from python",
  });
}

// --- internal ---

function tooOld(kedro: string): KfkError {
  return new KfkError("USAGE_VALUE", `the project is for Kedro ${kedro}, whose runs know no --conf-source`, {
    hint: "leave it out, or move the project to Kedro 0.18.5 or newer; the conf folder is what the project's settings name",
  });
}

function notFolder(typed: string, isFile: boolean): KfkError {
  const isArchive = isFile && /\.(?:tar|tgz|zip|gz|bz2|xz)$/i.test(typed);
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed);
  const hint = isArchive
    ? "kfk reads folders: unpack it and name the folder that holds base"
    : isUrl
      ? "kfk reads folders of this machine: copy it here and name the folder that holds base"
      : "name the folder that holds base, such as --conf-source conf";
  return new KfkError("USAGE_VALUE", `--conf-source "${typed}" is no folder`, { hint });
}
