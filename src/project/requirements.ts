/**
 * Whether a project asks for a Python package, by its files: requirements (also `-r other.txt`), pyproject.toml, setup.py
 * and environment.yml. Nothing of what is installed counts, so the answer is the same on every machine.
 * Rules: PEP 503 (a name has any of `-`, `_`, `.` and any case), PEP 508, PEP 621; pip's requirements format.
 */
import { dirname, join } from "node:path";
import type { World } from "../world.ts";

/** The file, relative to the root, that asks for the package; null when none does. A broken file asks for nothing. */
export function findRequirement(world: Pick<World, "files" | "parseToml">, root: string, name: string): string | null {
  const pattern = `${name.replaceAll(/[-_.]+/g, "[-_.]+")}(?![-_.]*[A-Za-z0-9])`;
  const asks = new RegExp(`^\\s*${pattern}`, "i");
  for (const file of REQUIREMENTS) if (asksInFile(world, root, file, asks, new Set())) return file;
  if (asksInPyproject(world, root, asks)) return "pyproject.toml";
  for (const [file, form] of [
    ["setup.py", new RegExp(`["']\\s*${pattern}`, "i")],
    ["src/setup.py", new RegExp(`["']\\s*${pattern}`, "i")],
    ["environment.yml", new RegExp(`^\\s*-\\s*["']?(?:[\\w-]+::)?${pattern}`, "i")],
    ["environment.yaml", new RegExp(`^\\s*-\\s*["']?(?:[\\w-]+::)?${pattern}`, "i")],
  ] as const) {
    const lines = world.files.readText(join(root, file))?.split("\n") ?? [];
    if (lines.some((line) => form.test(line.replace(/(^|\s)#.*$/, "")))) return file;
  }
  return null;
}

// --- internal ---

const REQUIREMENTS = [
  "requirements.txt",
  "requirements.in",
  "src/requirements.txt",
  "src/requirements.in",
  "requirements/base.txt",
];

function asksInFile(world: Pick<World, "files">, root: string, file: string, asks: RegExp, seen: Set<string>): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const lines = world.files.readText(join(root, file))?.split("\n") ?? [];
  return lines.some((line) => {
    const other = /^\s*(?:-r|--requirement)[\s=]+(\S+)/.exec(line)?.[1];
    return other === undefined ? asks.test(line) : asksInFile(world, root, join(dirname(file), other), asks, seen);
  });
}

interface Pyproject {
  readonly project?: { readonly dependencies?: unknown };
  readonly tool?: {
    readonly poetry?: { readonly dependencies?: unknown };
    readonly setuptools?: { readonly dynamic?: { readonly dependencies?: { readonly file?: unknown } } };
  };
}

function asksInPyproject(world: Pick<World, "files" | "parseToml">, root: string, asks: RegExp): boolean {
  const text = world.files.readText(join(root, "pyproject.toml"));
  if (text === undefined) return false;
  let document: Pyproject;
  try {
    document = world.parseToml(text) as Pyproject;
  } catch {
    return false; // whoever reads the project says so
  }
  const files = [document.tool?.setuptools?.dynamic?.dependencies?.file].flat();
  return (
    textsOf(document.project?.dependencies).some((line) => asks.test(line)) ||
    Object.keys(document.tool?.poetry?.dependencies ?? {}).some((name) => asks.test(name)) ||
    textsOf(files).some((file) => asksInFile(world, root, file, asks, new Set()))
  );
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
