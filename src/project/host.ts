/**
 * What evaluating a project's Python may ask of the world, answered from the project's folder.
 */
import { join, relative, resolve } from "node:path";
import type { Host } from "../python/host.ts";
import type { World } from "../world.ts";
import type { ProjectFacts } from "./find.ts";
import { checkInside, withinProject } from "../config/inside.ts";
import { findRequirement } from "./requirements.ts";

/** A host for the project. Nothing outside its root is ever read, not through links either (PROJECT_FILE). */
export function projectHost(world: Pick<World, "files" | "env" | "parseToml">, facts: ProjectFacts): Host {
  const { files } = world;
  const within = withinProject(world.env, facts.root);
  const read = (path: string): string | undefined => {
    checkInside(path, relative(facts.root, path), within, files);
    return files.readText(path);
  };
  const sources = join(facts.root, facts.sourceDir);
  const inside = (path: string): string | undefined => {
    const absolute = resolve(facts.root, path);
    return relative(facts.root, absolute).startsWith("..") ? undefined : absolute;
  };
  return {
    source: (module) => {
      const base = join(sources, ...module.split("."));
      for (const [path, isPackage] of [
        [join(base, "__init__.py"), true],
        [`${base}.py`, false],
      ] as const) {
        const text = read(path);
        if (text !== undefined) return { file: relative(facts.root, path), text, isPackage };
      }
      return undefined;
    },
    folders: (packageName) => {
      const entries = files.list(join(sources, ...packageName.split("."))) ?? [];
      return entries.filter(({ kind }) => kind === "folder").map(({ name }) => name);
    },
    env: (name) => world.env[name],
    file: (path) => {
      const absolute = inside(path);
      return absolute === undefined ? undefined : read(absolute);
    },
    isDeclared: (name) => findRequirement(world, facts.root, name) !== null,
    isFolder: (path) => {
      const absolute = inside(path);
      return absolute !== undefined && files.kind(absolute) === "folder";
    },
  };
}
