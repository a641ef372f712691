/**
 * The whole check, in the order in which a fault is cheapest to find: types, lint, format, import directions, the
 * binary, tests. Every part runs even when an earlier one failed. Arguments go to `bun test` (a file, `-t name`), and
 * leave out the other parts. The last line is `N passed, N failed, N skipped`, counting each part as one.
 */
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Part {
  readonly name: string;
  readonly command: readonly string[];
}

const bun = process.execPath;
const parts: readonly Part[] = [
  { name: "types", command: [bun, "check", "src", "hooks", "schemas", "scripts", "test"] },
  { name: "lint", command: [bun, "--bun", "node_modules/.bin/oxlint", "--deny-warnings"] },
  {
    name: "format",
    command: [bun, "fmt", "--check", "src", "hooks", "schemas", "scripts", "test", "README.md", "CHANGELOG.md"],
  },
  { name: "imports", command: [bun, "scripts/check-imports.ts"] },
  { name: "binary", command: [bun, "scripts/build.ts"] },
];

const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (wanted.length === 0) {
  for (const part of parts) {
    const code = await run(part.command);
    if (code === 0) passed++;
    else failed++;
    console.log(`${part.name}: ${code === 0 ? "ok" : `FAILED (exit status ${code})`}`);
  }
}
const tests = await runTests(wanted);
console.log(`${passed + tests.passed} passed, ${failed + tests.failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed + tests.failed > 0 ? 1 : 0;

async function run(command: readonly string[]): Promise<number> {
  return await Bun.spawn([...command], { stdio: ["ignore", "inherit", "inherit"] }).exited;
}

/** Counts from the JUnit file; a run that ends without one (`process.exit` in a test, a load error) has failed. */
async function runTests(more: readonly string[]): Promise<{ passed: number; failed: number; skipped: number }> {
  const report = join(tmpdir(), `kfk-junit-${process.pid}.xml`);
  const code = await run([
    bun,
    "test",
    "--dots",
    "--timeout=120000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...(more.length > 0 ? more : ["test"]),
  ]);
  let head = "";
  try {
    head = /<testsuites [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
    rmSync(report);
  } catch {
    // no report: counted as a failure below
  }
  const count = (key: string): number => Number(new RegExp(` ${key}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const hidden = code !== 0 || head === "" || count("tests") === count("skipped") ? 1 : 0;
  return {
    passed: count("tests") - count("failures") - count("skipped"),
    failed: Math.max(count("failures"), hidden),
    skipped: count("skipped"),
  };
}
