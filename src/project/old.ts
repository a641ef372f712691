/**
 * `.kedro.yml` of Kedro 0.16 → the project's metadata. Before 0.16.5 the file names the context class only, and that
 * class holds name, package and version as attributes, which are read from its text.
 * Rules: reference/kedro-semantics.md 1.1; kedro-org/kedro 0.16.0 to 0.16.6 `framework/context`.
 */
import type { ConfigNode, MapNode, SourceText } from "../config/tree.ts";
import { placeOf } from "../config/tree.ts";
import { parseYaml } from "../config/yaml.ts";
import { KfkError, type Place } from "../error.ts";
import type { OldProject } from "../kedro/old.ts";

export interface OldMetadata {
  readonly metadata: { readonly name: string; readonly package: string; readonly sourceDir: string };
  readonly old: OldProject;
  /** As written; undefined when neither file says it. */
  readonly version: string | undefined;
}

/** Reads the file. `readModule`: text of a module of the project. Errors: CONFIG_YAML, PROJECT_METADATA. */
export function readOldMetadata(source: SourceText, readModule: (module: string) => string | undefined): OldMetadata {
  const tree = parseYaml(source);
  const first: Place = { file: source.file, line: 1, column: 1, text: source.text };
  if (tree?.kind !== "map") throw bad("the file must hold a mapping of keys to values", first);
  const text = (key: string): string | undefined => readText(tree, key);
  const contextPath = text("context_path");
  if (contextPath === undefined) throw bad('the key "context_path" is missing', first);
  const code = readModule(contextPath.split(".").slice(0, -1).join(".")) ?? "";
  const attribute = (name: string): string | undefined =>
    new RegExp(`^\\s+${name}\\s*=\\s*["']([^"'\\n]*)["']`, "m").exec(code)?.[1];
  const packageName = text("package_name") ?? attribute("package_name") ?? (contextPath.split(".")[0] as string);
  if (!/^[A-Za-z_]\w*$/.test(packageName)) throw bad(`"${packageName}" is not a Python package name`, first);
  const hooks = tree.entries.get("hooks");
  return {
    metadata: {
      name: text("project_name") ?? attribute("project_name") ?? packageName,
      package: packageName,
      sourceDir: text("source_dir") ?? "src",
    },
    old: { contextPath, hooks: hooks === undefined ? [] : readHooks(hooks), at: placeOf(hooks?.at) ?? first },
    version: text("project_version") ?? attribute("project_version"),
  };
}

// --- internal ---

function readText(tree: MapNode, key: string): string | undefined {
  const node = tree.entries.get(key);
  if (node === undefined || (node.kind === "scalar" && node.value === null)) return undefined;
  if (node.kind === "scalar" && typeof node.value === "string") return node.value;
  throw bad(`"${key}" must be text`, placeOf(node.at));
}

function readHooks(node: ConfigNode): string[] {
  if (node.kind === "scalar" && node.value === null) return [];
  if (node.kind !== "list") throw bad('"hooks" must be a list', placeOf(node.at));
  return node.items.map((item) => {
    if (item.kind === "scalar" && typeof item.value === "string") return item.value;
    throw bad("a hook must be the dotted path of an object", placeOf(item.at));
  });
}

function bad(message: string, at: Place | undefined): KfkError {
  return new KfkError("PROJECT_METADATA", message, {
    at,
    hint: ".kedro.yml needs context_path, and since Kedro 0.16.5 project_name, project_version and package_name",
  });
}
