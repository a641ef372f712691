/** What the real predecessor wrote for 27 projects, against kfk; see `scripts/oracle.ts`. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { starters } from "./projects.ts";

const root = join(import.meta.dir, "../..");
const isThere = starters !== null && existsSync(join(root, "../shared/golden/kedro-kubeflow-0.10.0"));

test.skipIf(!isThere)(
  "every difference from the predecessor's documents is explained in docs/migration.md",
  () => {
    const done = Bun.spawnSync([process.execPath, "scripts/oracle.ts"], { cwd: root, stdout: "pipe", stderr: "pipe" });
    const said = done.stdout.toString() + done.stderr.toString();
    expect({ status: done.exitCode, said: done.exitCode === 0 ? "" : said }).toEqual({ status: 0, said: "" });
  },
  120_000,
);
