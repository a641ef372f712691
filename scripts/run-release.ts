/**
 * Runs the files of a release, each as far as this machine can: the example compiled with every one of them has the same
 * bytes. What cannot be run is said, and is no fault.
 *
 * A file for another machine needs a program to run it with. `KFK_RUN_LINUX_ARM64` and its like name one, with its
 * arguments and separated by blanks, such as `qemu-aarch64-static -L /opt/alpine-arm64` or `wine64`; without it QEMU is
 * taken where Debian's cross libraries are.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const EXAMPLE = "examples/spaceflights";
const CROSS = "/usr/aarch64-linux-gnu";

/** One line for each file. `files`: file name → target. Errors: Error for a file that runs and gives other bytes. */
export function runRelease(folder: string, files: ReadonlyMap<string, string>, host: string): readonly string[] {
  const scratch = mkdtempSync(join(tmpdir(), "kfk-run-"));
  try {
    cpSync(EXAMPLE, scratch, { recursive: true });
    const compile = (file: string, runner: readonly string[]): Uint8Array | string => {
      const output = join(scratch, "out.yml");
      rmSync(output, { force: true });
      const command = [...runner, resolve(folder, file), "compile", "-o", output];
      try {
        const done = Bun.spawnSync(command, { cwd: scratch, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
        if (done.exitCode === 0 && existsSync(output)) return readFileSync(output);
        return done.stderr.toString().trim().split("\n")[0] || `exit status ${done.exitCode ?? done.signalCode}`;
      } catch (error) {
        return (error as Error).message;
      }
    };
    const own = [...files].find(([, target]) => target === host)?.[0];
    const wanted = own === undefined ? "no file for this machine" : compile(own, []);
    if (typeof wanted === "string") throw new Error(`${own ?? host} does not compile ${EXAMPLE}: ${wanted}`);
    return [...files].map(([file, target]) => {
      const given = runnerFor(target);
      const found = compile(file, given ?? []);
      if (typeof found === "string") {
        if (given !== undefined)
          throw new Error(`${file} does not compile ${EXAMPLE} with ${given.join(" ")}: ${found}`);
        return `${file}: not run here (${found})`;
      }
      if (Buffer.compare(found, wanted) !== 0)
        throw new Error(`${file} compiles ${EXAMPLE} to other bytes than ${own}`);
      return `${file}: compiles the example to the same ${found.length} bytes`;
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// --- internal ---

function runnerFor(target: string): readonly string[] | undefined {
  const given = process.env[`KFK_RUN_${target.toUpperCase().replaceAll("-", "_")}`];
  if (given) return given.split(" ");
  const isCross = target === "linux-arm64" && existsSync(`${CROSS}/lib/ld-linux-aarch64.so.1`);
  return isCross && Bun.which("qemu-aarch64-static") ? ["qemu-aarch64-static", "-L", CROSS] : undefined;
}
