/**
 * A folder → the facts of the Kedro project it belongs to: root, name, package, source folder, Kedro version.
 *
 * Rules: reference/kedro-semantics.md 1.1 (Kedro 0.16 to 1.7). A root is a folder whose `pyproject.toml` holds the
 * text `[tool.kedro]`, or that holds `.kedro.yml` (Kedro 0.16, which reads that file first); it is looked for upwards, as
 * Kedro does since 0.19.4. Refuses metadata that Kedro itself refuses.
 */
import { dirname, join, normalize, relative, resolve } from "node:path";
import * as v from "valibot";
import { looseObject } from "../../schemas/mapping.ts";
import type { SourceText } from "../config/tree.ts";
import { KfkError, type Place } from "../error.ts";
import type { OldProject } from "../kedro/old.ts";
import type { Files, World } from "../world.ts";
import { readOldMetadata } from "./old.ts";
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
  /** Kedro 0.16 only. */
  readonly old?: OldProject;
}

/**
 * Finds the project that `folder` lies in and reads its metadata.
 *
 * Errors: PROJECT_NOT_FOUND, PROJECT_TOML, PROJECT_METADATA, PROJECT_KEDRO_VERSION.
 */
export function findProject(world: Pick<World, "files" | "parseToml">, folder: string): ProjectFacts {
  const { files } = world;
  if (files.kind(folder) !== "folder") throw noSuchFolder(files, folder);
  const root = findRoot(files, folder);
  if (root === undefined) throw noProject(files, folder);
  const text = files.readText(join(root, PYPROJECT));
  const yaml = files.readText(join(root, KEDRO_YML));
  const document = text === undefined ? {} : parseTomlFile(world.parseToml, text, PYPROJECT);
  if (yaml !== undefined && (!text?.includes("[tool.kedro]") || isOldTable(document))) {
    const { metadata, old, version } = readOldMetadata({ file: KEDRO_YML, text: yaml }, (module) =>
      files.readText(join(root, "src", ...module.split(".")) + ".py"),
    );
    return {
      root,
      name: metadata.name,
      package: metadata.package,
      sourceDir: checkSources(files, root, metadata.sourceDir, { file: KEDRO_YML, text: yaml }),
      kedro: findKedroVersion(world, root, document, version, KEDRO_YML),
      old,
    };
  }
  if (text === undefined) throw noProject(files, folder);
  const metadata = readMetadata(document, text);
  const kedro = findKedroVersion(world, root, document, metadata.kedro_init_version ?? metadata.project_version);
  const old = { contextPath: metadata.context_path, hooks: metadata.hooks ?? [], at: placeOfKey(text, "hooks") };
  return {
    root,
    name: metadata.project_name,
    package: metadata.package_name,
    sourceDir: checkSources(files, root, metadata.source_dir ?? "src", { file: PYPROJECT, text }),
    kedro,
    ...(metadata.context_path === undefined && metadata.hooks === undefined ? {} : { old }),
  };
}

// --- internal ---

const PYPROJECT = "pyproject.toml";
const KEDRO_YML = ".kedro.yml";

/** Keys of `[tool.kedro]` in Kedro 0.16.5 to 1.7; any other is an error there too. */
const Metadata = looseObject({
  package_name: v.string(),
  project_name: v.string(),
  kedro_init_version: v.optional(v.string()),
  project_version: v.optional(v.string()),
  source_dir: v.optional(v.string()),
  context_path: v.optional(v.string()),
  hooks: v.optional(v.array(v.string())),
});

function findRoot(files: Files, folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const text = files.readText(join(at, PYPROJECT));
    // a header that is not closed is told of where the file is read
    if (text !== undefined && /\[tool\.kedro(?:\]|\s*$)/m.test(text)) return at;
    if (files.kind(join(at, KEDRO_YML)) === "file") return at;
    if (at === dirname(at)) return undefined;
  }
}

/** Kedro 0.16 reads `.kedro.yml` first; later versions ignore one that was left behind. */
function isOldTable(document: Record<string, unknown>): boolean {
  const tool = document["tool"] as { readonly kedro?: { readonly project_version?: unknown } } | undefined;
  return /^0\.16\b/.test(String(tool?.kedro?.project_version ?? ""));
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

/** The source folder relative to the root. Errors: PROJECT_METADATA. */
function checkSources(files: Files, root: string, given: string, from: SourceText): string {
  const sourceDir = normalize(given);
  const sourcePath = resolve(root, sourceDir);
  const isOutside = relative(root, sourcePath).startsWith("..");
  if (!isOutside && files.kind(sourcePath) === "folder") return sourceDir;
  const message = isOutside
    ? `source_dir = "${sourceDir}" lies outside the project`
    : `the source folder "${sourceDir}" does not exist`;
  if (from.file === PYPROJECT) throw badMetadata(from.text, "source_dir", message);
  throw new KfkError("PROJECT_METADATA", `${from.file}: ${message}`, {
    at: { file: from.file, line: 1, column: 1, text: from.text },
    hint: "correct source_dir",
  });
}

function noSuchFolder(files: Files, folder: string): KfkError {
  if (files.kind(folder) === "file") {
    return new KfkError("PROJECT_NOT_FOUND", `${folder} is a file, and --project wants the project's folder`, {
      hint: `use --project ${dirname(folder)}`,
    });
  }
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

function badMetadata(text: string, key: string, message: string): KfkError {
  return new KfkError("PROJECT_METADATA", `${PYPROJECT}: ${message}`, {
    at: placeOfKey(text, key),
    hint: "[tool.kedro] needs package_name, project_name and kedro_init_version",
  });
}

function placeOfKey(text: string, key: string): Place {
  const lines = text.split("\n");
  const own = lines.findIndex((line) => new RegExp(`^\\s*${key}\\s*=`).test(line));
  const line = own >= 0 ? own : lines.findIndex((candidate) => candidate.includes("[tool.kedro]"));
  return { file: PYPROJECT, line: line + 1, column: 1, text };
}
