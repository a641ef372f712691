/**
 * A folder → the facts of the Kedro project it belongs to: root, name, package, source folder, Kedro version.
 *
 * Rules: reference/kedro-semantics.md 1.1 (Kedro 0.16 to 1.7). A root is a folder whose `pyproject.toml` holds the
 * text `[tool.kedro]`; it is looked for upwards, as Kedro does since 0.19.4. Refuses metadata that Kedro itself
 * refuses, and projects older than kfk can read.
 */
import { dirname, join, normalize, relative, resolve } from "node:path";
import * as v from "valibot";
import { KfkError } from "../error.ts";
import type { Files, World } from "../world.ts";
import { parseTomlFile } from "./toml.ts";
import { findKedroVersion, type KedroVersion } from "./version.ts";

export interface ProjectFacts {
  /** Absolute path of the project's root. */
  readonly root: string;
  readonly name: string;
  readonly package: string;
  /** Folder that holds the package, relative to the root, with `/`. */
  readonly sourceDir: string;
  readonly kedro: KedroVersion;
}

/**
 * Finds the project that `folder` lies in and reads its metadata.
 *
 * Errors: PROJECT_NOT_FOUND, PROJECT_TOML, PROJECT_METADATA, PROJECT_KEDRO_VERSION.
 */
export function findProject(world: Pick<World, "files" | "parseToml">, folder: string): ProjectFacts {
  const { files } = world;
  if (files.kind(folder) !== "folder") throw noSuchFolder(folder);
  const root = findRoot(files, folder);
  if (root === undefined) throw noProject(files, folder);
  const path = join(root, PYPROJECT);
  const text = files.readText(path);
  if (text === undefined) throw tooOld(root);
  const document = parseTomlFile(world.parseToml, text, PYPROJECT);
  const metadata = readMetadata(document, text);
  const sourceDir = normalize(metadata.source_dir ?? "src");
  const sourcePath = resolve(root, sourceDir);
  if (relative(root, sourcePath).startsWith("..")) {
    throw badMetadata(text, "source_dir", `source_dir = "${sourceDir}" lies outside the project`);
  }
  if (files.kind(sourcePath) !== "folder") {
    throw badMetadata(text, "source_dir", `the source folder "${sourceDir}" does not exist`);
  }
  return {
    root,
    name: metadata.project_name,
    package: metadata.package_name,
    sourceDir,
    kedro: findKedroVersion(world, root, document, metadata.kedro_init_version ?? metadata.project_version),
  };
}

// --- internal ---

const PYPROJECT = "pyproject.toml";

/** Keys of `[tool.kedro]` in Kedro 0.17 to 1.7; any other is an error there too. */
const Metadata = v.looseObject({
  package_name: v.string(),
  project_name: v.string(),
  kedro_init_version: v.optional(v.string()),
  project_version: v.optional(v.string()),
  source_dir: v.optional(v.string()),
});

function findRoot(files: Files, folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (files.readText(join(at, PYPROJECT))?.includes("[tool.kedro]")) return at;
    if (files.kind(join(at, ".kedro.yml")) === "file") return at;
    if (at === dirname(at)) return undefined;
  }
}

function readMetadata(document: Record<string, unknown>, text: string): v.InferOutput<typeof Metadata> {
  const tool = document["tool"];
  const table = typeof tool === "object" && tool !== null ? (tool as Record<string, unknown>)["kedro"] : undefined;
  const result = v.safeParse(Metadata, table ?? {});
  if (!result.success) {
    const issue = result.issues[0];
    const key = String(issue.path?.[0]?.key ?? "kedro");
    const missing = issue.received === "undefined";
    throw badMetadata(text, key, missing ? `[tool.kedro] lacks "${key}"` : `"${key}" must be text`);
  }
  if (!/^[A-Za-z_]\w*$/.test(result.output.package_name)) {
    throw badMetadata(text, "package_name", `"${result.output.package_name}" is not a Python package name`);
  }
  return result.output;
}

function noSuchFolder(folder: string): KfkError {
  return new KfkError("PROJECT_NOT_FOUND", `there is no folder ${folder}`, { hint: "check the path after --project" });
}

function noProject(files: Files, folder: string): KfkError {
  const inner = files
    .list(folder)
    ?.find(
      (entry) =>
        entry.kind === "folder" && files.readText(join(folder, entry.name, PYPROJECT))?.includes("[tool.kedro]"),
    );
  return new KfkError(
    "PROJECT_NOT_FOUND",
    `${folder} is not in a Kedro project (no pyproject.toml with [tool.kedro])`,
    {
      hint: inner
        ? `there is one in ${inner.name}: use --project ${inner.name}`
        : "change into the project's folder, or name it with --project DIR",
    },
  );
}

function tooOld(root: string): KfkError {
  return new KfkError(
    "PROJECT_KEDRO_VERSION",
    `the project in ${root} is of Kedro 0.16 (.kedro.yml), which kfk cannot read`,
    {
      hint: "kfk reads projects of Kedro 0.19 and newer",
    },
  );
}

function badMetadata(text: string, key: string, message: string): KfkError {
  const lines = text.split("\n");
  const own = lines.findIndex((line) => new RegExp(`^\\s*${key}\\s*=`).test(line));
  const line = own >= 0 ? own : lines.findIndex((candidate) => candidate.includes("[tool.kedro]"));
  return new KfkError("PROJECT_METADATA", `${PYPROJECT}: ${message}`, {
    at: { file: PYPROJECT, line: line + 1, column: 1, text },
    hint: "[tool.kedro] needs package_name, project_name and kedro_init_version",
  });
}
