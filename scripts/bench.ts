/**
 * How long kfk takes, as ratios that hold on any machine: medians of interleaved runs in random order against a
 * hello-world binary of the same Bun and flags. A broken budget ends with status 1.
 *
 *     ./scripts/bench [--rounds N] [--predecessor VENV]
 *
 * VENV is a virtual environment with kedro-kubeflow 0.11.0; then `kedro kubeflow compile` runs on a copy of the same
 * project, and kfk must be 40 times faster. To make one (Python 3.12):
 *
 *     python3.12 -m venv VENV
 *     VENV/bin/pip install "setuptools<80" kedro-kubeflow==0.11.0 -r examples/spaceflights/requirements.txt
 *
 * The predecessor compiles only with a server that answers; a stub on the loopback address does that here.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { benchSizes } from "./bench-size.ts";

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd: string;
  /** At most so many times the hello-world binary. */
  readonly budget?: number;
  /** Runs only in the first so many rounds: slow ones need fewer. */
  readonly rounds?: number;
}

const PREDECESSOR_ROUNDS = 7;
const PREDECESSOR_FACTOR = 40;

process.chdir(new URL("..", import.meta.url).pathname);
const rounds = Number(option("--rounds") ?? 25);
const predecessor = option("--predecessor");
const scratch = mkdtempSync(join(tmpdir(), "kfk-bench-"));
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json({ multi_user: false }) });
try {
  process.exitCode = (await bench()) && (await benchSizes(resolve("dist/kfk"))) ? 0 : 1;
} finally {
  await server.stop(true);
  rmSync(scratch, { recursive: true, force: true });
}

async function bench(): Promise<boolean> {
  const kfk = resolve("dist/kfk");
  const project = join(scratch, "project");
  cpSync("examples/spaceflights", project, { recursive: true });
  const contenders: Contender[] = [
    { name: "hello", command: [await buildHello()], cwd: scratch },
    { name: "kfk --version", command: [kfk, "--version"], cwd: scratch, budget: 1.5 },
    { name: "kfk --help", command: [kfk, "--help"], cwd: scratch, budget: 1.6 },
    { name: "kfk compile", command: [kfk, "compile", "-o", "pipeline.yml"], cwd: project, budget: 25 },
  ];
  if (predecessor !== undefined) {
    const command = [resolve(predecessor, "bin/kedro"), "kubeflow", "compile"];
    contenders.push({ name: "predecessor", command, cwd: copyForPredecessor(project), rounds: PREDECESSOR_ROUNDS });
  }
  const times = new Map(contenders.map(({ name }): [string, number[]] => [name, []]));
  for (const contender of contenders) await run(contender); // warms the disk's cache; not counted
  for (let round = 0; round < rounds; round++) {
    for (const contender of shuffled(contenders.filter((each) => round < (each.rounds ?? rounds)))) {
      times.get(contender.name)?.push(await run(contender));
    }
  }
  return report(contenders, times);
}

/** Milliseconds of one run; anything but success ends the whole bench. */
async function run({ name, command, cwd }: Contender): Promise<number> {
  const env = { ...process.env, DO_NOT_TRACK: "1", KEDRO_DISABLE_TELEMETRY: "1" };
  const start = performance.now();
  const child = Bun.spawn([...command], { cwd, env, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  const took = performance.now() - start;
  if (code !== 0) throw new Error(`${name} ended with ${code}:\n${errors.slice(-2000)}`);
  return took;
}

/** The same project with the stub as its server. */
function copyForPredecessor(project: string): string {
  const copy = join(scratch, "predecessor");
  cpSync(project, copy, { recursive: true });
  const config = join(copy, "conf/base/kubeflow.yaml");
  const text = readFileSync(config, "utf8").replace(/^host: .*$/m, `host: http://127.0.0.1:${server.port}`);
  writeFileSync(config, text);
  return copy;
}

async function buildHello(): Promise<string> {
  mkdirSync(join(scratch, "hello"));
  const source = join(scratch, "hello/hello.ts");
  const outfile = join(scratch, "hello/hello");
  writeFileSync(source, 'import { writeSync } from "node:fs";\nwriteSync(1, "hello\\n");\n');
  const result = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    splitting: true,
    bytecode: true,
    compile: {
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: true,
      execArgv: ["--use-system-ca"],
    },
  });
  if (!result.success) throw new Error(`cannot build the hello-world binary: ${result.logs.join("\n")}`);
  return outfile;
}

function report(contenders: readonly Contender[], times: ReadonlyMap<string, readonly number[]>): boolean {
  const hello = median(times.get("hello") ?? []);
  let isGood = true;
  const lines = contenders.map(({ name, budget }) => {
    const all = times.get(name) ?? [];
    const ratio = median(all) / hello;
    const isOver = budget !== undefined && ratio > budget;
    if (isOver) isGood = false;
    const verdict = budget === undefined ? "" : `  (at most ${budget}) ${isOver ? "OVER" : "ok"}`;
    const range = `${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)}`;
    const figures = `${median(all).toFixed(1)} ms (${range}, ${all.length} runs), ${ratio.toFixed(2)} x hello`;
    return `${name.padEnd(14)} ${figures}${verdict}`;
  });
  if (times.has("predecessor")) {
    const factor = median(times.get("predecessor") ?? []) / median(times.get("kfk compile") ?? []);
    const isSlow = factor < PREDECESSOR_FACTOR;
    if (isSlow) isGood = false;
    lines.push(
      `kfk compile is ${factor.toFixed(0)} times faster  (at least ${PREDECESSOR_FACTOR}) ${isSlow ? "NOT" : "ok"}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return isGood;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
