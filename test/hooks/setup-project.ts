/** The example project in a folder of its own, with hook files, and the built kfk to run in it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
export const KFK = join(ROOT, "dist/kfk");

export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** How a started one ended; `status` null: by a signal. */
export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** All that a started kfk says, and how it ends. */
export async function endOf(child: Bun.Subprocess<"ignore", "pipe", "pipe">): Promise<Ran> {
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

export interface TestProject {
  readonly folder: string;
  readonly run: (argv: readonly string[], env?: Readonly<Record<string, string>>) => Ended;
  /** The command itself, for tests that talk to a running kfk. */
  readonly start: (
    argv: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Bun.Subprocess<"ignore", "pipe", "pipe">;
}

/** Projects of one test file; `remove` takes all of them away. */
export function testProjects(): {
  readonly make: (files: Readonly<Record<string, string>>) => TestProject;
  readonly remove: () => void;
} {
  const scratch = mkdtempSync(join(tmpdir(), "kfk-hooks-"));
  let count = 0;
  return {
    make: (files) => {
      const folder = join(scratch, String(++count));
      cpSync(join(ROOT, "examples/spaceflights"), folder, { recursive: true });
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      const clean = { HOME: scratch, PATH: "/usr/bin:/bin" };
      return {
        folder,
        run: (argv, env = {}) => {
          const options = { cwd: folder, env: { ...clean, ...env }, stdin: "ignore" } as const;
          const { exitCode, stdout, stderr } = Bun.spawnSync([KFK, ...argv], options);
          return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
        },
        start: (argv, env = {}) =>
          Bun.spawn([KFK, ...argv], {
            cwd: folder,
            env: { ...clean, ...env },
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          }),
      };
    },
    remove: () => rmSync(scratch, { recursive: true, force: true }),
  };
}
