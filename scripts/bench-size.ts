/**
 * How `kfk compile` grows with the project: time, memory and bytes at 100, 1,000 and 2,000 nodes, and a million node names
 * without a collision. Part of `./scripts/bench`; alone: `bun scripts/bench-size.ts`.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { checkRandomNames } from "../test/steps/random-names.ts";
import { generatedProject } from "../test/generated-project.ts";
import { ROOT } from "../test/project-files.ts";

/** For the whole of `kfk compile` with 1,000 nodes. */
const MAX_SECONDS = 1;
const MAX_MEGABYTES = 200;
const MAX_BYTES_A_NODE = 400;
const ROUNDS = 5;

interface Size {
  readonly nodes: number;
  /** The best of some rounds: what else the machine does is no matter here. */
  readonly ms: number;
  readonly megabytes: number;
  readonly bytes: number;
}

/** Prints what it measures; false when a budget is broken. */
export async function benchSizes(kfk: string): Promise<boolean> {
  const scratch = mkdtempSync(join(tmpdir(), "kfk-size-"));
  try {
    const sizes: Size[] = [];
    for (const nodes of [100, 1000, 2000]) sizes.push(await measure(kfk, join(scratch, String(nodes)), nodes));
    const [small, middle, large] = sizes as [Size, Size, Size];
    const bytes = (from: Size, to: Size): number => (to.bytes - from.bytes) / (to.nodes - from.nodes);
    const names = checkRandomNames(1_000_000);
    const checks: readonly [string, boolean][] = [
      [`1,000 nodes in ${(middle.ms / 1000).toFixed(2)} s (below ${MAX_SECONDS})`, middle.ms < MAX_SECONDS * 1000],
      [`with ${middle.megabytes.toFixed(0)} MB (below ${MAX_MEGABYTES})`, middle.megabytes < MAX_MEGABYTES],
      [
        `${bytes(small, middle).toFixed(0)} bytes a node (below ${MAX_BYTES_A_NODE})`,
        bytes(small, middle) < MAX_BYTES_A_NODE,
      ],
      [
        `${bytes(middle, large).toFixed(0)} bytes a node from 1,000 on`,
        bytes(middle, large) < bytes(small, middle) * 1.02,
      ],
      [`2,000 nodes take ${(large.ms / middle.ms).toFixed(2)} times as long (at most 2.2)`, large.ms < middle.ms * 2.2],
      [`${names} of 1000000 random names have an id of their own`, names === 1_000_000],
    ];
    for (const [text, isGood] of checks) process.stdout.write(`${text}  ${isGood ? "ok" : "OVER"}\n`);
    return checks.every(([, isGood]) => isGood);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// --- internal ---

async function measure(kfk: string, folder: string, nodes: number): Promise<Size> {
  for (const [path, text] of Object.entries(generatedProject(nodes))) {
    const target = path.replace(ROOT, folder);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  let ms = Number.POSITIVE_INFINITY;
  let residentBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const child = Bun.spawn([kfk, "compile"], { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    if (code !== 0) throw new Error(`kfk compile of ${nodes} nodes ended with ${code}:\n${errors.slice(-2000)}`);
    ms = Math.min(ms, performance.now() - start);
    residentBytes = Math.max(residentBytes, child.resourceUsage()?.maxRSS ?? 0);
  }
  return { nodes, ms, megabytes: residentBytes / 1e6, bytes: statSync(join(folder, "pipeline.yml")).size };
}

if (import.meta.main) process.exitCode = (await benchSizes(resolve("dist/kfk"))) ? 0 : 1;
