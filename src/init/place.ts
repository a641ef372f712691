/**
 * Where `init` writes: the project's root, its configuration folder, its repository, and a name for image and runs.
 *
 * Lenient on purpose, so that it works in every layout that Kedro has had (0.16 to 1.x): what cannot be read of the
 * project falls back to Kedro's defaults, since a file in the wrong folder is seen at once and nothing is run.
 */
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { workflowBase } from "../compile/names.ts";
import { isKfkError } from "../error.ts";
import { readSettings } from "../kedro/settings.ts";
import { findProject, type ProjectFacts } from "../project/find.ts";
import { projectHost } from "../project/host.ts";
import type { Files, World } from "../world.ts";

export interface InitPlace {
  readonly root: string;
  /** `[a-z0-9-]`, begins with a letter, at most 40 characters. */
  readonly name: string;
  /** Absolute: the folder of the base environment. */
  readonly baseFolder: string;
  /** Absolute: the folder of the repository's root; the project's without one. */
  readonly repository: string;
  /** Null when the project does not say it. */
  readonly kedroVersion: string | null;
  /** What was assumed because the project did not say it. */
  readonly assumed: string | null;
}

/**
 * Finds it. `otherConf`: asked for a conf folder (absolute) that takes the place of the project's own.
 *
 * Errors: PROJECT_NOT_FOUND, PROJECT_TOML, PROJECT_METADATA; those of `otherConf`.
 */
export function findPlace(
  world: Pick<World, "files" | "env" | "parseToml">,
  folder: string,
  otherConf?: (root: string, kedro: string | null) => string | undefined,
): InitPlace {
  const { root, facts } = findRoot(world, folder);
  const other = otherConf?.(root, facts?.kedro.version ?? null);
  const conf = facts === undefined ? DEFAULT_CONF : readConf(world, facts);
  const confRoot = other ?? resolve(root, conf.source);
  return {
    root,
    name: workflowBase(facts?.name ?? basename(root)),
    baseFolder: join(confRoot, conf.base),
    repository: findRepository(world.files, root),
    kedroVersion: facts?.kedro.version ?? null,
    assumed: conf.assumed,
  };
}

// --- internal ---

interface Conf {
  readonly source: string;
  readonly base: string;
  readonly assumed: string | null;
}

const DEFAULT_CONF: Conf = { source: "conf", base: "base", assumed: null };

function findRoot(
  world: Pick<World, "files" | "parseToml">,
  folder: string,
): { readonly root: string; readonly facts: ProjectFacts | undefined } {
  try {
    const facts = findProject(world, folder);
    return { root: facts.root, facts };
  } catch (error) {
    if (!isKfkError(error, "PROJECT_KEDRO_VERSION")) throw error;
    const root = upwards(folder).find((at) =>
      [".kedro.yml", "pyproject.toml"].some((file) => world.files.kind(join(at, file)) === "file"),
    );
    if (root === undefined) throw error;
    return { root, facts: undefined };
  }
}

/** `settings.py` is read, not run; one that is not understood leaves the defaults. */
function readConf(world: Pick<World, "files" | "env" | "parseToml">, facts: ProjectFacts): Conf {
  try {
    const { confSource, loader } = readSettings(projectHost(world, facts), {
      package: facts.package,
      kedroVersion: facts.kedro.version,
    });
    return { source: confSource, base: loader.baseEnv, assumed: null };
  } catch (error) {
    if (!isKfkError(error)) throw error;
    return { ...DEFAULT_CONF, assumed: `the configuration lies in conf/base (${error.message})` };
  }
}

/** CI files belong to the repository, which may hold more than the project. */
function findRepository(files: Files, root: string): string {
  return upwards(root).find((at) => files.kind(join(at, ".git")) !== undefined) ?? root;
}

function upwards(folder: string): readonly string[] {
  const found: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    found.push(at);
    if (at === dirname(at)) return found;
  }
}

/** A path as shown to people: relative to the root where it lies inside. */
export function shownPath(root: string, path: string): string {
  const inside = relative(root, path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}
