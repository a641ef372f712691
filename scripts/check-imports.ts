/**
 * Holds the directions in which data flows (design: project on disk → facts → pipeline model → steps → documents →
 * file, cluster, this machine) against the imports of the tree. A room may import itself and what is listed for it.
 * Also holds what only some rooms may touch: the platform, the clock, the console.
 *
 * Refuses besides: a table that leads in a circle, imports of values that lead in a circle of files (types are gone when
 * the program runs, and `import()` runs when all files are there), files that nothing but a test imports, and exports
 * that nothing but a test uses. `KNOWN` lists what stays, with the reason; an entry that is no longer needed is refused.
 */
import { Glob } from "bun";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Room → rooms it may import. `*` stands for every room but `src/main.ts`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // the contract with hooks of a project is self-contained: src imports it, never the other way round
  hooks: ["schemas"],
  "src/main.ts": ["src/cli", "src/error.ts", "src/world.ts", "src/stdout.ts", "src/hooks"],
  "src/error.ts": [],
  "src/world.ts": ["src/error.ts", "src/system-error.ts", "src/stdout.ts"],
  "src/system-error.ts": ["src/error.ts"],
  "src/stdout.ts": [],
  "src/secrets.ts": [],
  "src/private-host.ts": [],
  "src/terminal-text.ts": [],
  "src/told-secrets.ts": [],
  "src/cli": ["*"],
  "src/project": ["schemas", "src/error.ts", "src/world.ts", "src/python", "src/config", "src/kedro"],
  // the values of configuration, which project code may read
  "src/python": ["src/error.ts", "src/config"],
  "src/kedro": ["src/error.ts", "src/python", "src/pipeline", "src/config"],
  "src/config": ["src/error.ts", "src/secrets.ts", "src/world.ts", "schemas"],
  "src/pipeline": ["src/error.ts", "src/config", "hooks"],
  "src/steps": ["src/error.ts", "src/secrets.ts", "src/config", "src/pipeline"],
  "src/compile": ["src/error.ts", "src/config", "src/pipeline", "src/steps"],
  "src/cluster": [
    "hooks",
    "src/error.ts",
    "src/world.ts",
    "src/told-secrets.ts",
    "src/private-host.ts",
    "src/terminal-text.ts",
    "src/steps",
    "src/compile",
    "schemas",
  ],
  "src/hooks": [
    "hooks",
    "schemas",
    "src/error.ts",
    "src/world.ts",
    "src/secrets.ts",
    "src/told-secrets.ts",
    "src/config",
    "src/pipeline",
    "src/steps",
    "src/compile",
    "src/private-host.ts",
  ],
  "src/local": [
    "src/error.ts",
    "src/world.ts",
    "src/system-error.ts",
    "src/steps",
    "src/config",
    "src/compile",
    "src/kedro",
  ],
  "src/view": [
    "src/error.ts",
    "src/world.ts",
    "src/secrets.ts",
    "src/told-secrets.ts",
    "src/terminal-text.ts",
    "src/steps",
    "src/pipeline",
    "src/config",
    "src/compile",
  ],
  "src/init": [
    "src/error.ts",
    "src/terminal-text.ts",
    "src/world.ts",
    "src/project",
    "src/kedro",
    "src/compile",
    "src/cluster",
  ],
  schemas: [],
};

/** What some rooms must not touch, and why. */
const BANNED: readonly { pattern: RegExp; except: readonly string[]; why: string }[] = [
  {
    pattern: /\bBun\./,
    except: ["src/main.ts", "src/world.ts", "src/hooks"],
    why: "the platform is reached through the world",
  },
  {
    pattern: /\bprocess\./,
    except: ["src/main.ts", "src/world.ts", "src/hooks"],
    why: "the process belongs to main.ts, world.ts and the process of hooks",
  },
  { pattern: /\bconsole\./, except: [], why: "output goes through the world's streams" },
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)/,
    except: ["src/world.ts", "src/hooks"],
    why: "time comes from the world's clock",
  },
  { pattern: /\bMath\.random\b/, except: ["src/world.ts"], why: "randomness comes from the world" },
  {
    pattern: /from "node:fs/,
    except: ["src/world.ts", "src/stdout.ts", "src/main.ts", "src/hooks"],
    why: "files are reached through the world",
  },
];

/** `import … from` and `export … from` of this tree: `type`, what is named, the file. */
const IMPORT = /^(?:import|export)\s+(type\s+)?(?:([\w*{][^;"]*?)\s*from\s*)?"(\.[^"]+)"/gm;
const EXPORT = /^export (?:async )?(?:function\*?|const|let|class|interface|type) (\w+)/gm;

/** What stays although it would be refused, and why. */
const KNOWN = {
  /** Files that call each other, as what they interpret does: only together are they one thing. */
  circles: [
    {
      files: ["attributes", "call", "classes", "evaluate", "execute", "managers", "methods", "modules", "poison"].map(
        (name) => `src/python/${name}.ts`,
      ),
      why: "an expression calls a function, whose statements evaluate expressions",
    },
  ],
  files: new Map([["src/main.ts", "the program begins here"]]),
  /** `file name` → why. */
  exports: new Map([["src/steps/step.ts RunnerStep", "says what runner.py reads"]]),
};

interface Source {
  readonly room: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

interface Import {
  readonly file: string;
  /** It is there before the importing file runs: no type, no `import()`. */
  readonly isValue: boolean;
}

process.chdir(new URL("..", import.meta.url).pathname);
const problems: string[] = [];
const sources = new Map<string, Source>();
for (const file of [...new Glob("{src,hooks,schemas}/**/*.ts").scanSync()].toSorted()) sources.set(file, read(file));
checkRooms();
checkBans();
checkTable();
checkCircles();
checkUse();
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

// --- checks ---

function checkRooms(): void {
  for (const [file, { room, imports }] of sources) {
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) {
      problems.push(`${file}: the room ${room} is not in the table of scripts/check-imports.ts`);
      continue;
    }
    for (const other of new Set(imports.map((each) => roomOf(each.file)))) {
      if (other !== room && !(allowed.includes("*") && other !== "src/main.ts") && !allowed.includes(other)) {
        problems.push(`${file}: imports ${other}, and ${room} may only import ${allowed.join(", ") || "nothing"}`);
      }
    }
  }
}

function checkBans(): void {
  for (const [file, { room, code }] of sources) {
    for (const { pattern, except, why } of BANNED) {
      if (pattern.test(code) && !except.includes(room))
        problems.push(`${file}: ${pattern.source} is not allowed here: ${why}`);
    }
  }
}

/** What the table allows is a direction only when no room comes back to itself. */
function checkTable(): void {
  const all = Object.keys(MAY_IMPORT);
  const others = all.filter((room) => room !== "src/main.ts");
  const table = new Map(
    all.map((room) => [room, MAY_IMPORT[room]?.flatMap((to) => (to === "*" ? others : [to])) ?? []]),
  );
  for (const circle of circlesIn(table))
    problems.push(`scripts/check-imports.ts: the table leads in a circle: ${circle.join(", ")}`);
}

function checkCircles(): void {
  const graph = new Map(
    [...sources].map(([file, { imports }]) => [file, imports.filter((each) => each.isValue).map((each) => each.file)]),
  );
  const found = circlesIn(graph);
  for (const circle of found) {
    if (!KNOWN.circles.some(({ files }) => circle.every((file) => files.includes(file))))
      problems.push(`files import each other's values in a circle: ${circle.join(", ")}`);
  }
  for (const file of KNOWN.circles.flatMap(({ files }) => files)) {
    if (!found.some((circle) => circle.includes(file)))
      problems.push(`scripts/check-imports.ts: ${file} is in no circle any more: take it out of KNOWN`);
  }
}

/** Scripts count as users, tests do not; `hooks` is for projects to use, and is checked for neither. */
function checkUse(): void {
  const users = new Map(sources);
  for (const file of new Glob("scripts/**/*.ts").scanSync()) users.set(file, read(file));
  const used = Map.groupBy(
    [...users].flatMap(([user, { imports }]) => imports.map(({ file }) => ({ user, file }))),
    ({ file }) => file,
  );
  const missing = { files: new Set(KNOWN.files.keys()), exports: new Set(KNOWN.exports.keys()) };
  for (const [file, { code }] of sources) {
    if (file.startsWith("hooks/") || file.endsWith(".d.ts")) continue;
    const codes = (used.get(file) ?? []).map(({ user }) => users.get(user)?.code ?? "");
    if (codes.length === 0 && !missing.files.delete(file)) problems.push(`${file}: nothing but a test imports it`);
    for (const [, name = ""] of code.matchAll(EXPORT)) {
      const word = new RegExp(`\\b${name}\\b`, "g");
      // an export that its own file uses may be there for tests, or be a type of another export
      if ((code.match(word)?.length ?? 0) > 1 || codes.some((each) => each.search(word) >= 0)) continue;
      if (!missing.exports.delete(`${file} ${name}`)) problems.push(`${file}: nothing but a test uses ${name}`);
    }
  }
  for (const known of [...missing.files, ...missing.exports])
    problems.push(`scripts/check-imports.ts: ${known} is used: take it out of KNOWN`);
}

// --- reading ---

function read(file: string): Source {
  const code = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|(?<=[;,{}] )\/\/ .*$/gm, "");
  const at = (target: string): string => normalize(join(dirname(file), target));
  const imports: Import[] = [];
  for (const [, type, names = "", target = ""] of code.matchAll(IMPORT)) {
    const isType = type !== undefined || /^\{\s*(?:type \w+(?: as \w+)?,?\s*)+\}$/.test(names);
    imports.push({ file: at(target), isValue: !isType });
  }
  for (const [, target = ""] of code.matchAll(/\bimport\(\s*"(\.[^"]+)"/g))
    imports.push({ file: at(target), isValue: false });
  return { room: roomOf(file), code, imports };
}

/** Groups of nodes that reach each other, each sorted; a node alone is none. Tarjan's way. */
function circlesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): void => {
    const number = order.size;
    order.set(node, number);
    lowest.set(node, number);
    open.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      if (open.includes(next)) lowest.set(node, Math.min(lowest.get(node) ?? 0, lowest.get(next) ?? 0));
    }
    if (lowest.get(node) !== number) return;
    const circle = open.splice(open.indexOf(node));
    if (circle.length > 1) circles.push(circle.toSorted());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return circles;
}

function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "src") return parts[0] ?? file;
  return parts.slice(0, 2).join("/");
}
