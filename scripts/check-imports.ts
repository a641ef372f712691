/**
 * Holds the directions in which data flows (design: project on disk → facts → pipeline model → steps → documents →
 * file, cluster, this machine) against the imports of the tree. A room may import itself and what is listed for it.
 * Also holds what only some rooms may touch: the platform, the clock, the console.
 */
import { Glob } from "bun";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Room → rooms it may import. `*` stands for every room. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // the contract with hooks of a project is self-contained: src imports it, never the other way round
  hooks: ["schemas"],
  "src/main.ts": ["src/cli", "src/error.ts", "src/world.ts", "src/stdout.ts", "src/hooks"],
  "src/error.ts": [],
  "src/world.ts": ["src/error.ts", "src/system-error.ts", "src/stdout.ts"],
  "src/system-error.ts": ["src/error.ts"],
  "src/stdout.ts": [],
  "src/secrets.ts": [],
  "src/told-secrets.ts": [],
  "src/cli": ["*"],
  "src/project": ["schemas", "src/error.ts", "src/world.ts", "src/python", "src/config", "src/kedro"],
  // the values of configuration, which project code may read
  "src/python": ["src/error.ts", "src/config"],
  "src/kedro": ["src/error.ts", "src/python", "src/pipeline", "src/config"],
  "src/config": ["src/error.ts", "src/secrets.ts", "src/world.ts", "src/kedro", "schemas"],
  "src/pipeline": ["src/error.ts", "src/config", "hooks"],
  "src/steps": ["src/error.ts", "src/secrets.ts", "src/config", "src/pipeline", "src/compile"],
  "src/compile": ["src/error.ts", "src/config", "src/pipeline", "src/steps"],
  "src/cluster": [
    "hooks",
    "src/error.ts",
    "src/world.ts",
    "src/told-secrets.ts",
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
    // which hosts are private
    "src/cluster",
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
    "src/steps",
    "src/pipeline",
    "src/config",
    "src/compile",
  ],
  "src/init": ["src/error.ts", "src/world.ts", "src/project", "src/kedro", "src/compile", "src/cluster"],
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

process.chdir(new URL("..", import.meta.url).pathname);
const problems: string[] = [];
for (const file of [...new Glob("{src,hooks,schemas}/**/*.ts").scanSync()].toSorted()) {
  const text = readFileSync(file, "utf8");
  const room = roomOf(file);
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) {
    problems.push(`${file}: the room ${room} is not in the table of scripts/check-imports.ts`);
    continue;
  }
  for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
    const other = roomOf(relative(".", join(dirname(file), target)));
    if (other !== room && !allowed.includes("*") && !allowed.includes(other)) {
      problems.push(`${file}: imports ${other}, and ${room} may only import ${allowed.join(", ") || "nothing"}`);
    }
  }
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  for (const { pattern, except, why } of BANNED) {
    if (pattern.test(code) && !except.includes(room))
      problems.push(`${file}: ${pattern.source} is not allowed here: ${why}`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "src") return parts[0] ?? file;
  return parts.slice(0, 2).join("/");
}
