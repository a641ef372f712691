/**
 * Which Kedro the project runs with, read from its files: lock file, pinned requirement, `kedro_init_version`, in this
 * order. Names of nodes and rules of configuration follow from it (`src/kedro/era.ts`), so the
 * result says where it came from, and where two files disagree.
 *
 * Rules: reference/kedro-semantics.md 1.1. Kedro below 1.1.1 refuses to run when major.minor differ from the file's.
 */
import { join } from "node:path";
import { KfkError } from "../error.ts";
import type { World } from "../world.ts";

export interface KedroVersion {
  /** `major.minor.patch`. */
  readonly version: string;
  /** File and key it was read from, for `-v` and `doctor`. */
  readonly from: string;
  /** What Kedro will not accept about it. */
  readonly warning?: string;
}

/**
 * Finds the version. `document` is the parsed pyproject.toml, `initVersion` its `[tool.kedro]` version.
 *
 * Errors: PROJECT_KEDRO_VERSION when nothing says a version.
 */
export function findKedroVersion(
  world: Pick<World, "files" | "parseToml">,
  root: string,
  document: Record<string, unknown>,
  initVersion: string | undefined,
  initFile = "pyproject.toml [tool.kedro]",
): KedroVersion {
  const found =
    fromLock(world, root, "uv.lock") ??
    fromLock(world, root, "poetry.lock") ??
    fromRequirements(world, root, "requirements.txt") ??
    fromRequirements(world, root, "src/requirements.txt") ??
    fromDependencies(document) ??
    fromInit(initVersion, initFile);
  const warning = warnMismatch(found, initVersion, initFile);
  return warning === undefined ? found : { ...found, warning };
}

// --- internal ---

function fromLock(world: Pick<World, "files">, root: string, file: string): KedroVersion | undefined {
  const text = world.files.readText(join(root, file));
  if (text === undefined) return undefined;
  // Both lock files are TOML, written by machines: `name = "kedro"` with `version = "…"` on the next line.
  const version = /^name = "kedro"\r?\nversion = "(\d+\.\d+\.\d+)/m.exec(text)?.[1];
  return version === undefined ? undefined : { version, from: file };
}

function fromRequirements(world: Pick<World, "files">, root: string, file: string): KedroVersion | undefined {
  const text = world.files.readText(join(root, file));
  if (text === undefined) return undefined;
  for (const line of text.split("\n")) {
    const version = pinnedVersion(line);
    if (version !== undefined) return { version, from: file };
  }
  return undefined;
}

function fromDependencies(document: Record<string, unknown>): KedroVersion | undefined {
  const project = document["project"] as { dependencies?: unknown } | undefined;
  if (!Array.isArray(project?.dependencies)) return undefined;
  for (const line of project.dependencies) {
    const version = typeof line === "string" ? pinnedVersion(line) : undefined;
    if (version !== undefined) return { version, from: "pyproject.toml" };
  }
  return undefined;
}

/**
 * `kedro==1.7.0`, `kedro[jupyter]~=0.19.9` → the version; `kedro~=0.19` and ranges say too little, and so do lines for
 * some interpreters only.
 */
function pinnedVersion(requirement: string): string | undefined {
  const match = /^\s*kedro\s*(?:\[[^\]]*\])?\s*(?:==\s*(\d+\.\d+(?:\.\d+)?)|~=\s*(\d+\.\d+\.\d+))\s*(?:#.*)?$/i.exec(
    requirement,
  );
  const version = match?.[1] ?? match?.[2];
  return version === undefined ? undefined : threeParts(version);
}

/** Kedro compares its own version with the file's when it opens the project: major.minor, from 1.1.1 on major alone. */
function warnMismatch(
  { version, from }: KedroVersion,
  initVersion: string | undefined,
  initFile: string,
): string | undefined {
  const [init, own] = [initVersion ?? version, version].map((text) => text.split(".").map(Number));
  const isSame = init?.[0] === own?.[0] && (init?.[1] === own?.[1] || isSince(own ?? [], [1, 1, 1]));
  if (isSame) return undefined;
  return `${from} says Kedro ${version} and ${initFile} says ${initVersion}: Kedro refuses to open such a project`;
}

function isSince(version: readonly number[], since: readonly number[]): boolean {
  const at = since.findIndex((part, index) => part !== version[index]);
  return at < 0 || (version[at] ?? 0) > (since[at] ?? 0);
}

function fromInit(initVersion: string | undefined, from: string): KedroVersion {
  const match = /^(\d+\.\d+(?:\.\d+)?)/.exec(initVersion ?? "");
  if (match?.[1] !== undefined) return { version: threeParts(match[1]), from };
  throw new KfkError("PROJECT_KEDRO_VERSION", "nothing in the project says which Kedro it is for", {
    hint: 'add kedro_init_version = "1.7.0" (your version) to [tool.kedro] in pyproject.toml',
  });
}

function threeParts(version: string): string {
  return version.split(".").length === 2 ? `${version}.0` : version;
}
