/**
 * The oracle: projects and kubeflow.yaml for which real kedro-kubeflow wrote documents, compiled by kfk; what the two
 * documents mean is compared, and every difference printed. Known differences stand in docs/migration.md with their
 * reason; one that does not, or a known one that is never seen, fails.
 *
 *   scripts/oracle [--all] [CASE…]     --all prints known differences too; CASE is a part of `0.10.0/default`
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { runCommandLine } from "../src/cli/app.ts";
import { withoutTranscoding } from "../src/pipeline/model.ts";
import { readAutomaticName } from "../src/steps/argument.ts";
import { fakeWorld } from "../test/fake-world.ts";
import { layStarter, starters } from "../test/live/projects.ts";
import { compareMeanings, type CaseFacts, type Difference } from "../test/oracle/compare.ts";
import { meaningOfNew, meaningOfOld } from "../test/oracle/meaning.ts";

process.chdir(new URL("..", import.meta.url).pathname);
const golden = "../shared/golden";

interface Case {
  readonly version: string;
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

/** Version → Kedro, and the starter it was made from (README of each folder). */
const PROJECTS: Readonly<Record<string, { kedro: string; tag: string; starter?: string }>> = {
  "0.3.0": { kedro: "0.16.6", tag: "490e7a9", starter: "spaceflights" },
  "0.10.0": { kedro: "0.19.9", tag: "0.19.9" },
  "0.11.0": { kedro: "1.5.0", tag: "1.2.0" },
};

const EXTRA: Readonly<Record<string, Partial<Case>>> = {
  "0.3.0/pipeline-and-image-options": { argv: ["-p", "ds", "-i", "other/image:9"] },
  "0.10.0/pipeline-and-image-options": { argv: ["-p", "data_science", "-i", "other/image:9"] },
  "0.10.0/env-variables": {
    env: { IAP_CLIENT_ID: "client-1", KEDRO_CONFIG_COMMIT_ID: "abc123", KEDRO_CONFIG_BRANCH_NAME: "main" },
  },
  "0.10.0/env-prod-parameters": {
    argv: ["-e", "prod"],
    files: {
      "conf/prod/parameters.yml":
        'model_options:\n  test_size: 0.3\n  features: [engines, crew]\nthreshold: 1.0e-05\nflag: true\nname: "007"\nnested: {a: {b: [1, 2, {c: "x"}]}, d: "a: b, c"}\n',
      "conf/prod/credentials.yml": "{}\n",
    },
  },
  "0.10.0/null-and-date-parameters": {
    files: { "conf/base/parameters.yml": 'nothing: null\nwhen: 2024-01-31\nempty: ""\n' },
  },
  "0.10.0/dotted-parameters": {
    files: { "conf/base/parameters.yml": "ns.alpha: 1\nns.beta: two\nns.deep.gamma: 3.5\n" },
  },
};

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const isTellingAll = process.argv.includes("--all");
if (starters === null) throw new Error("KFK_STARTERS_GIT must name a git directory of kedro-org/kedro-starters");
const { explained, expected } = readExplained();
const seen = new Map<string, number>();
const folder = mkdtempSync(join(tmpdir(), "kfk-oracle-"));
const leftOut: string[] = [];
let faults = 0;
let count = 0;
try {
  for (const [version, project] of Object.entries(PROJECTS)) {
    layStarter(starters, project.tag, project.kedro, join(folder, version), project.starter);
    for (const each of casesOf(version)) {
      const id = `${version}/${each.name}`;
      if (wanted.length > 0 && !wanted.some((part) => id.includes(part))) continue;
      count++;
      const files = filesBelow(await projectOf(each, version));
      tell(id, await judge(each, version === "0.3.0" ? modernised(files) : files));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (wanted.length === 0) {
  for (const id of [...expected].filter((known) => !seen.has(known))) {
    console.log(`docs/migration.md explains ${id}, which was not seen`);
    if (leftOut.length === 0) faults++;
  }
}
const listed = [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([id, times]) => `${id} ${times}`);
console.log(`\n${count} documents; known differences: ${listed.join(", ") || "none"}`);
if (leftOut.length > 0) console.log(`left out, because merging is not compiled: ${leftOut.join(", ")}`);
console.log(`${faults} not explained`);
process.exitCode = faults > 0 ? 1 : 0;

function casesOf(version: string): Case[] {
  return readdirSync(join(golden, `kedro-kubeflow-${version}`))
    .flatMap((file) => /^(.+)\.kubeflow\.yaml$/.exec(file)?.[1] ?? [])
    .map((name) => ({ version, name, argv: [], env: {}, files: {}, ...EXTRA[`${version}/${name}`] }));
}

/** Folder of the project; the one generated project is made anew. */
async function projectOf({ name }: Case, version: string): Promise<string> {
  if (name !== "generated-unnamed-12") return join(folder, version);
  const out = join(folder, name);
  const made = Bun.spawn(
    [
      "python3",
      join(golden, "gen_project.py"),
      ...["--kedro", "0.19.9", "--nodes", "12", "--unnamed-every", "3", "--out", out, "--force"],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if ((await made.exited) !== 0) throw new Error("gen_project.py failed");
  return out;
}

function filesBelow(root: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && /\.(?:py|ya?ml|toml|gitkeep|cfg)$/.test(entry.name)) {
      files[join("/project", path.slice(root.length))] = readFileSync(path, "utf8");
    }
  }
  return files;
}

/** A project of Kedro 0.16 as a person moves it to 0.19: the same nodes, catalog and parameters. */
function modernised(files: Readonly<Record<string, string>>): Record<string, string> {
  return {
    ...files,
    "/project/pyproject.toml":
      '[tool.kedro]\npackage_name = "space_flights"\nproject_name = "Space Flights"\nkedro_init_version = "0.19.9"\n',
    "/project/src/space_flights/settings.py": "",
    "/project/src/space_flights/pipeline_registry.py": `from space_flights.pipelines import data_engineering as de
from space_flights.pipelines import data_science as ds


def register_pipelines():
    return {
        "__default__": de.create_pipeline() + ds.create_pipeline(),
        "de": de.create_pipeline(),
        "ds": ds.create_pipeline(),
    }
`,
  };
}

async function judge(each: Case, files: Readonly<Record<string, string>>): Promise<Difference[]> {
  const base = join(golden, `kedro-kubeflow-${each.version}`, each.name);
  const kubeflow = readFileSync(`${base}.kubeflow.yaml`, "utf8");
  const own = Object.fromEntries(Object.entries(each.files).map(([path, text]) => [join("/project", path), text]));
  const old = meaningOfOld(readFileSync(`${base}.yaml`, "utf8"));
  let volumeAdded = false;
  let said = "";
  for (const text of [kubeflow, `${kubeflow}\n  volume: {}\n`]) {
    const world = fakeWorld({
      cwd: "/project",
      env: each.env,
      files: { ...files, ...own, "/project/conf/base/kubeflow.yaml": text },
    });
    const status = await runCommandLine(world, ["compile", "-o", "-", ...each.argv], "0.0.0", "");
    if (status === 0) {
      const document = world.written.out();
      const { run_config: config } = parse(text) as { run_config: CaseFacts["config"] };
      const now = meaningOfNew(document);
      const option = each.argv.indexOf("-p");
      return compareMeanings(old, now, {
        version: each.version,
        config,
        volumeAdded,
        parametersOf: (nodes) => parametersOf(document, nodes, [...now.parameters.keys()]),
        pipelineOption: option < 0 ? null : (each.argv[option + 1] ?? null),
      });
    }
    said = world.written.err();
    if (!said.includes("[STEP_VOLUME]")) break;
    volumeAdded = true;
  }
  if (said.includes('"run_config.merge" is not compiled')) {
    leftOut.push(`${each.version}/${each.name}`);
    return [];
  }
  return [{ id: undefined, where: "compile", old: "done", new: said.trim() }];
}

/** Kedro's keys that nodes of the document read. */
function parametersOf(document: string, nodes: readonly string[], keys: readonly string[]): string[] {
  const found = new Set<string>();
  for (const text of textsIn(parse(document)).filter((each) => /^\{"(?:step|nodes)":/.test(each))) {
    const step = JSON.parse(text) as { nodes: [string, string[] | undefined, string[] | undefined][] };
    for (const [name, inputs = readAutomaticName(name)?.[0] ?? []] of step.nodes) {
      if (!nodes.includes(name)) continue;
      for (const input of inputs.map(withoutTranscoding)) {
        if (input === "parameters") for (const key of keys) found.add(key);
        const path = /^params:(.*)$/.exec(input)?.[1];
        for (const key of keys) if (path === key || path?.startsWith(`${key}.`)) found.add(key);
      }
    }
  }
  return [...found];
}

function textsIn(tree: unknown): string[] {
  if (typeof tree === "string") return [tree];
  return typeof tree === "object" && tree !== null ? Object.values(tree).flatMap(textsIn) : [];
}

function tell(id: string, differences: readonly Difference[]): void {
  const known = differences.filter((each) => each.id !== undefined && explained.has(each.id));
  const open = differences.filter((each) => !known.includes(each));
  for (const { id: row } of known) seen.set(row as string, (seen.get(row as string) ?? 0) + 1);
  faults += open.length;
  console.log(`${id}: ${known.length} known, ${open.length} not explained`);
  for (const each of [...(isTellingAll ? known : []), ...open]) {
    console.log(`  [${each.id ?? "?"}] ${each.where}: ${JSON.stringify(each.old)} → ${JSON.stringify(each.new)}`);
  }
}

/** Ids in the tables of docs/migration.md: the first cell of each row; those of the first table are to be seen here. */
function readExplained(): { readonly explained: ReadonlySet<string>; readonly expected: ReadonlySet<string> } {
  let text = "";
  try {
    text = readFileSync("docs/migration.md", "utf8");
  } catch {
    // nothing is explained yet
  }
  const ids = (part: string): Set<string> =>
    new Set([...part.matchAll(/^\| `([a-z0-9-]+)` +\|/gm)].map((match) => match[1] as string));
  return { explained: ids(text), expected: ids(text.split("### With other settings")[0] as string) };
}
