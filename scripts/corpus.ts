/**
 * Public projects against their true graphs: `kfk model` of every project below DIR is compared with the rows of
 * ../shared/corpus/open.json.gz.
 *
 *     ./scripts/corpus DIR                 projects laid out as DIR/OWNER+NAME (or DIR/OWNER+NAME@COMMIT, 7 digits)
 *     ./scripts/corpus --lay MIRROR DIR    first lays them out from the git directories MIRROR/OWNER+NAME[/repo]
 *
 * A project ends as `equal`, `refused` (status 3, with the code and its place), `different` or `absent`. Node names
 * that end in `~` in the row are automatic: their text depends on the version, so inputs, outputs and tags decide.
 * A different graph fails the script, and so does a refusal of a project whose graph follows from its sources, unless
 * it is in REFUSED with the reason.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";

type CorpusNode = readonly [
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  tags: readonly string[],
];

type Pipelines = Readonly<Record<string, readonly CorpusNode[]>>;

interface Row {
  readonly repo: string;
  readonly commit: string;
  readonly subdir: string;
  readonly kedro: string | null;
  readonly nodes: number;
  readonly static: boolean;
  /** Absent where nobody could tell, and for the starters, whose templates nobody had filled. */
  readonly pipelines?: Pipelines | null;
}

interface Verdict {
  readonly kind: "equal" | "refused" | "different" | "absent";
  readonly detail: string;
}

interface ModelNode {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tags: readonly string[];
}

/** `repo/subdir` → inputs that Kedro of the project's version calls otherwise than the row. */
const CALLED_BY_KEDRO: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // Before 0.18 a namespace is not put before parameters (seen with 0.17.7).
  "kedro-org/kedro-academy/kedro-refactoring/completed-spaceflights": { "params:filtered.filter": "params:filter" },
};

/** `repo/subdir` → a pipeline that real Kedro leaves out of the registry, and its nodes out of `__default__`. */
const LEFT_OUT_BY_KEDRO: Readonly<Record<string, string>> = {
  // It imports a node module that is not in the repository; `find_pipelines` warns and goes on.
  "innovation-growth-lab/alphafold-impact": "e__data_collection_pubmed_icite",
};

/** `repo/subdir` → why kfk refuses it although its graph follows from its sources. */
const REFUSED: Readonly<Record<string, string>> = {
  "Azankiev/Kedro-pipeline": "Kedro refuses it too: a node name twice",
  "datajoely/modular-spaceflights": "Jinja in the catalog",
  "Fortune-Adekogbe/Zindi-ZA-COVID19-Vulnerablity-Map": "Kedro 0.15",
  "Franjpeca/TFG/proyecto-ola": "reads sys.argv",
  "Galileo-Galilei/kedro-mlflow-tutorial": "pipeline_ml_factory of kedro-mlflow",
  "getindata/quickstart-ml-blueprints/recommender_gnn": "assigns to a slice",
  "kayjan/test-kedro": "adds to sys.path",
  "laurids-reichardt/kedro-examples/spaceflight": "Pipeline.decorate",
  "laurids-reichardt/kedro-examples/text-classification": "pipeline_ml of kedro-mlflow",
  "Minyus/causallift": "Kedro 0.15",
  "MLDERES/phantasyfootballer": "a pipeline property of the context class",
  "Namonsasip/c360_pr": "Kedro 0.15",
  "nasa/ML-airport-configuration": "asks the context object",
  "nasa/ML-airport-taxi-in": "its .kedro.yml is not in the repository",
  "neotree/neotree-data-pipeline-kedro": "requirements of 0.18 for a registry of 0.17",
  "noklam/kedro-example/kedro-debug-runner-demo": "names no Kedro version",
  "noklam/kedro-example/template_config_loader_demo": "a config loader of its own",
  "PaulEmmanuelSotir/DeepCV": "runs code of a module that star imports do not bring",
};

const STARTERS = "kedro-org/kedro-starters";
const MAX_BYTES = 5 * 1024 * 1024;
const TEXT = /(?:\.(?:py|ya?ml|toml|cfg|txt|json|ini|in|lock|csv)|(?:^|\/)[^./]+)$/;
const LEFT_OUT =
  /^data\/|\/data\/(?!.*\.py$)|(?:^|\/)(?:node_modules|mlruns|\.venv|venv|site-packages)\/|(?:^|\/)conf\/local\/|credentials?[^/]*\.ya?ml$/;

process.chdir(new URL("..", import.meta.url).pathname);
const list = resolve("../shared/corpus/open.json.gz");
const words = process.argv.slice(2);
const mirror = words[0] === "--lay" ? words[1] : undefined;
const folder = words[0] === "--lay" ? words[2] : words[0];
if (folder === undefined || !existsSync(list)) {
  console.error(
    folder === undefined ? "usage: ./scripts/corpus [--lay MIRROR] DIR" : `corpus: ${list} is not on this machine`,
  );
  process.exit(2);
}
const rows = JSON.parse(gunzipSync(readFileSync(list)).toString("utf8")) as readonly Row[];
const count = { equal: 0, refused: 0, different: 0, absent: 0 };
let failed = 0;
for (const row of rows) {
  if (mirror !== undefined) lay(row, mirror, folder);
  const { kind, detail } = judge(row, folder);
  count[kind]++;
  const name = nameOf(row);
  const known = REFUSED[name];
  const bad = kind === "different" || (kind === "refused" && row.static && known === undefined);
  if (bad) failed++;
  if (kind === "absent") continue;
  const note = kind === "refused" && !row.static ? " (rightly: not in its sources)" : known ? ` (known: ${known})` : "";
  console.log(`${bad ? "FAIL " : ""}${kind}${note}: ${name}, Kedro ${row.kedro ?? "?"}, ${row.nodes} nodes${detail}`);
}
console.log(
  `${count.equal} equal, ${count.different} different, ${count.refused} refused, ${count.absent} not laid out`,
);
process.exitCode = failed > 0 || count.equal === 0 ? 1 : 0;

/**
 * Writes the text files of a row's commit, without data folders, `conf/local` and what looks like a credential; files
 * that a partial clone lacks are left out. A starter's placeholders get names.
 */
function lay(row: Row, mirrors: string, target: string): void {
  const repository = row.repo.replace("/", "+");
  const git = [
    join(mirrors, repository, "repo"),
    join(mirrors, repository, "repo", ".git"),
    join(mirrors, repository),
  ].find((dir) => existsSync(join(dir, "HEAD")));
  const out = join(target, `${repository}@${row.commit.slice(0, 7)}`);
  if (git === undefined || existsSync(out)) return;
  const entries = gitOutput(git, "ls-tree", "-r", "-l", "-z", row.commit)
    .toString()
    .split("\0")
    .flatMap((record) => {
      const [, mode = "", id = "", size = "", path = ""] = /^(\d+) blob (\w+) +(\w+)\t([^]*)$/.exec(record) ?? [];
      const wanted = mode !== "120000" && Number(size) <= MAX_BYTES && TEXT.test(path) && !LEFT_OUT.test(path);
      return wanted ? [{ id, path }] : [];
    });
  for (const { id, path } of entries) {
    const file = join(out, fill(path));
    mkdirSync(dirname(file), { recursive: true });
    const bytes = gitOutput(git, "cat-file", "blob", id);
    writeFileSync(file, row.repo === STARTERS ? fill(bytes.toString()) : bytes);
  }
}

function gitOutput(git: string, ...command: readonly string[]): Buffer {
  const run = Bun.spawnSync(["git", "--git-dir", git, ...command], { maxBuffer: 256 * 1024 * 1024 });
  if (run.exitCode !== 0) throw new Error(`git ${command.join(" ")}: ${run.stderr.toString()}`);
  return run.stdout;
}

function fill(text: string): string {
  return text
    .replaceAll("{{ cookiecutter.kedro_version }}", "1.0.0")
    .replaceAll(/\{\{ *cookiecutter\.\w+ *\}\}/g, "starter");
}

function judge(row: Row, target: string): Verdict {
  const repository = row.repo.replace("/", "+");
  const project = [join(target, `${repository}@${row.commit.slice(0, 7)}`), join(target, repository)]
    .map((root) => join(root, fill(row.subdir)))
    .find((dir) => existsSync(dir));
  if (project === undefined) return { kind: "absent", detail: "" };
  const run = Bun.spawnSync([resolve("dist/kfk"), "model", "-o", "-", "--project", project], {
    env: { PATH: process.env["PATH"] ?? "" },
    timeout: 60_000,
  });
  const words = run.stderr.toString();
  if (run.exitCode !== 0) {
    const line = words.split("\n").find((text) => /error/i.test(text)) ?? words.split("\n")[0] ?? "";
    const kind = run.exitCode === 3 ? "refused" : "different";
    return { kind, detail: `\n      ${line.trim()}${placeOf(words)}` };
  }
  const model = JSON.parse(run.stdout.toString()) as {
    readonly pipelines: Readonly<Record<string, { readonly nodes: readonly ModelNode[] }>>;
  };
  const differences =
    row.pipelines == null ? compareCount(row, model.pipelines) : compare(realOf(row, row.pipelines), model.pipelines);
  return differences.length === 0
    ? { kind: "equal", detail: "" }
    : {
        kind: "different",
        detail: differences
          .slice(0, 4)
          .map((text) => `\n      ${text}`)
          .join(""),
      };
}

/** A row without pipelines (a starter, before its template is filled) still tells the number of nodes. */
function compareCount(row: Row, got: Readonly<Record<string, { readonly nodes: readonly ModelNode[] }>>): string[] {
  const names = new Set(Object.values(got).flatMap(({ nodes }) => nodes.map(({ name }) => name)));
  return row.static && names.size === row.nodes ? [] : [`${names.size} nodes instead of ${row.nodes}`];
}

function realOf(row: Row, given: Pipelines): Pipelines {
  const names = CALLED_BY_KEDRO[nameOf(row)] ?? {};
  const pipelines = Object.fromEntries(
    Object.entries(given).map(([pipeline, nodes]) => [
      pipeline,
      nodes.map(([node, inputs, outputs, tags]): CorpusNode => [
        node,
        inputs.map((name) => names[name] ?? name),
        outputs,
        tags,
      ]),
    ]),
  );
  const leftOut = pipelines[LEFT_OUT_BY_KEDRO[nameOf(row)] ?? ""];
  if (leftOut === undefined) return pipelines;
  const left = new Set(leftOut.map(([name]) => name));
  return Object.fromEntries(
    Object.entries(pipelines)
      .filter(([, nodes]) => nodes !== leftOut)
      .map(([name, nodes]) => [name, nodes.filter(([node]) => !left.has(node))]),
  );
}

function compare(
  expected: Pipelines,
  got: Readonly<Record<string, { readonly nodes: readonly ModelNode[] }>>,
): string[] {
  const differences: string[] = [];
  for (const name of new Set([...Object.keys(expected), ...Object.keys(got)])) {
    const want = expected[name]?.map(([node, inputs, outputs, tags]) => keyOf(node, inputs, outputs, tags));
    const automatic = new Set(expected[name]?.filter(([node]) => node.endsWith("~")).map(([, i, o]) => String([i, o])));
    const have = got[name]?.nodes.map(({ name: node, inputs, outputs, tags }) => {
      const sorted = [inputs.toSorted(), outputs.toSorted()] as const;
      return keyOf(automatic.has(String(sorted)) ? "~" : node, ...sorted, tags);
    });
    if (want === undefined || have === undefined) {
      differences.push(`pipeline ${name} is ${want === undefined ? "too much" : "missing"}`);
      continue;
    }
    const missing = without(want, have);
    const extra = without(have, want);
    if (missing.length + extra.length > 0) {
      differences.push(`${name}: ${missing.length} missing, ${extra.length} too many`);
      if (missing[0] !== undefined) differences.push(`  missing ${missing[0]}`);
      if (extra[0] !== undefined) differences.push(`  extra   ${extra[0]}`);
    }
  }
  return differences;
}

function keyOf(node: string, inputs: readonly string[], outputs: readonly string[], tags: readonly string[]): string {
  return JSON.stringify([node.endsWith("~") ? "~" : node, inputs.toSorted(), outputs.toSorted(), tags.toSorted()]);
}

/** Multiset difference. */
function without(left: readonly string[], right: readonly string[]): string[] {
  const rest = [...right];
  return left.filter((item) => {
    const at = rest.indexOf(item);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

function nameOf(row: Row): string {
  return row.subdir === "." ? row.repo : `${row.repo}/${row.subdir}`;
}

function placeOf(words: string): string {
  const place = /[\w./-]+\.(?:py|ya?ml|toml):\d+(?::\d+)?/.exec(words)?.[0];
  return place === undefined ? "" : ` at ${place}`;
}
