/**
 * Whether a project asks for a Python package, by its files: requirements (also `-r other.txt`), pyproject.toml with its
 * optional parts, groups and environments (of Poetry, PDM, uv, Hatch and Pixi), pixi.toml, Pipfile, setup.cfg, setup.py
 * and environment.yml. Nothing of what is installed counts, nor a lock file alone, so the answer is the same on every
 * machine.
 * Rules: PEP 503 (a name has any of `-`, `_`, `.` and any case), PEP 508, PEP 621, PEP 735; pip's requirements format.
 */
import { dirname, join } from "node:path";
import type { World } from "../world.ts";

/** The file, relative to the root, that asks for the package; null when none does. A broken file asks for nothing. */
export function findRequirement(world: Pick<World, "files" | "parseToml">, root: string, name: string): string | null {
  const asks = requirementRule(name);
  for (const file of REQUIREMENTS) if (asksInFile(world, root, file, asks, new Set())) return file;
  if (asksInPyproject(world, root, asks)) return "pyproject.toml";
  for (const [file, texts] of OTHERS) {
    const text = world.files.readText(join(root, file));
    if (text !== undefined && texts(text, world).some(asks)) return file;
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
  "requirements/base.in",
];

/** Says whether one requirement is the package: by name, or by the address or file that it comes from. */
type Rule = (requirement: string) => boolean;

function requirementRule(name: string): Rule {
  const base = name.replaceAll(/[-_.]+/g, "[-_.]+");
  const pattern = `${base}(?![-_.]*[A-Za-z0-9])`;
  const isNamed = new RegExp(`^\\s*["']?\\s*${pattern}`, "i");
  const archive = `${base}-\\d[^/]*\\.(?:whl|zip|tar\\.gz)`;
  // `git+https://host/kedro-mlflow.git@main#egg=kedro_mlflow`, `./wheels/kedro_mlflow-1.0.0-py3-none-any.whl`
  const isFrom = new RegExp(`[#&]egg=${pattern}|[/\\\\](?:${base}(?:\\.git)?(?:[@#?].*)?|${archive}.*)\\s*$`, "i");
  return (requirement) => {
    const text = requirement.replace(/^\s*(?:-e|--editable)[\s=]+/, "");
    if (isNamed.test(text)) return true;
    return (
      /^\s*["']?(?:[a-z][a-z+]*:\/\/|git@|\.{0,2}\/)/i.test(text) && isFrom.test(text.replace(/\s*(?:;|--).*$/, ""))
    );
  };
}

/** The requirements in a file's text, and what cannot be one. */
const OTHERS: readonly (readonly [string, (text: string, world: Pick<World, "parseToml">) => readonly string[]])[] = [
  ["pixi.toml", (text, world) => namesOfPixi(parseTable(world, text))],
  ["Pipfile", textsOfPipfile],
  ["setup.cfg", textsOfSetupCfg],
  ["src/setup.cfg", textsOfSetupCfg],
  ["setup.py", textsOfSetupPy],
  ["src/setup.py", textsOfSetupPy],
  ...["environment.yml", "environment.yaml", "conda.yml", "conda.yaml", "src/environment.yml"].map(
    (file) => [file, textsOfEnvironment] as const,
  ),
];

/** Without a comment, which begins a line or follows a blank: `#egg=` is none. */
function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, "");
}

function linesOf(text: string): readonly string[] {
  return text.split(/\r?\n/).map(withoutComment);
}

function asksInFile(world: Pick<World, "files">, root: string, file: string, asks: Rule, seen: Set<string>): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  return linesOf(world.files.readText(join(root, file)) ?? "").some((line) => {
    const other = /^\s*(?:-r|--requirement)[\s=]*([^\s=].*?)\s*$/.exec(line)?.[1];
    return other === undefined ? asks(line) : asksInFile(world, root, join(dirname(file), other), asks, seen);
  });
}

type Table = Readonly<Record<string, unknown>>;

function asksInPyproject(world: Pick<World, "files" | "parseToml">, root: string, asks: Rule): boolean {
  const document = parseTable(world, world.files.readText(join(root, "pyproject.toml")));
  const project = tableOf(document["project"]);
  const tool = tableOf(document["tool"]);
  const poetry = tableOf(tool["poetry"]);
  const dynamic = tableOf(tableOf(tool["setuptools"])["dynamic"]);
  const lists = [
    project["dependencies"],
    ...Object.values(tableOf(project["optional-dependencies"])),
    ...Object.values(tableOf(document["dependency-groups"])),
    tableOf(tool["uv"])["dev-dependencies"],
    ...Object.values(tableOf(tableOf(tool["pdm"])["dev-dependencies"])),
    ...Object.values(tableOf(tableOf(tool["hatch"])["envs"]))
      .map(tableOf)
      .flatMap((each) => [each["dependencies"], each["extra-dependencies"]]),
    namesOfPixi(tableOf(tool["pixi"])),
  ];
  const tables = [poetry, ...Object.values(tableOf(poetry["group"])).map(tableOf)].flatMap((each) => [
    tableOf(each["dependencies"]),
    tableOf(each["dev-dependencies"]),
  ]);
  const sources = [dynamic["dependencies"], ...Object.values(tableOf(dynamic["optional-dependencies"]))];
  return (
    lists.flatMap(textsOf).some(asks) ||
    tables.some((table) => Object.keys(table).some(asks)) ||
    sources.some((source) =>
      textsOf([tableOf(source)["file"]].flat()).some((file) => asksInFile(world, root, file, asks, new Set())),
    )
  );
}

/** Of the workspace and of its features. */
function namesOfPixi(pixi: Table): string[] {
  return [pixi, ...Object.values(tableOf(pixi["feature"])).map(tableOf)].flatMap((each) =>
    ["dependencies", "pypi-dependencies"].flatMap((key) => Object.keys(tableOf(each[key]))),
  );
}

function textsOfPipfile(text: string, world: Pick<World, "parseToml">): readonly string[] {
  const document = parseTable(world, text);
  return ["packages", "dev-packages"].flatMap((key) => Object.keys(tableOf(document[key])));
}

/** Lines below `install_requires` and in `[options.extras_require]`. */
function textsOfSetupCfg(text: string): readonly string[] {
  const found: string[] = [];
  let section = "";
  let key = "";
  for (const line of linesOf(text)) {
    const header = /^\[([^\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      [section, key] = [header.trim(), ""];
      continue;
    }
    const assigned = /^([\w.-]+)\s*[=:](.*)$/.exec(line);
    if (assigned) key = assigned[1] as string;
    const isOne = (section === "options" && /^install[-_]requires$/.test(key)) || section === "options.extras_require";
    if (isOne) found.push(assigned?.[2] ?? line);
  }
  return found;
}

/** Every quoted text, but the project's own name. */
function textsOfSetupPy(text: string): readonly string[] {
  return linesOf(text).flatMap((line) =>
    [...line.matchAll(/(\bname\s*=\s*)?(["'])(.*?)\2/g)]
      .filter(([, own]) => own === undefined)
      .map(([, , , quoted = ""]) => quoted),
  );
}

/** Items of conda and of its pip part, one a line or in brackets; a channel may stand before the name. */
function textsOfEnvironment(text: string): readonly string[] {
  return linesOf(text)
    .flatMap((line) => {
      const list = /^[\s-]*(?:dependencies|pip)\s*:\s*\[(.*?)\]?\s*$/.exec(line)?.[1];
      return list === undefined ? (/^\s*-\s*(.*)$/.exec(line)?.[1] ?? []) : list.split(",");
    })
    .map((item) => item.replace(/^\s*["']?(?:[\w./-]+::)?/, ""));
}

function parseTable(world: Pick<World, "parseToml">, text: string | undefined): Table {
  if (text === undefined) return {};
  try {
    return tableOf(world.parseToml(text));
  } catch {
    return {}; // whoever reads the project says so
  }
}

function tableOf(value: unknown): Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
