/** The real world's files, where a mistake would harm the machine. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realWorld } from "../src/world.ts";

test("writing to a pipe goes through it, and leaves it a pipe", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kfk-world-"));
  const pipe = join(folder, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  const reader = Bun.spawn(["cat", pipe]);
  realWorld().files.write(pipe, "through\n");
  expect(await new Response(reader.stdout).text()).toBe("through\n");
  expect([statSync(pipe).isFIFO(), readdirSync(folder)]).toEqual([true, ["pipe"]]);
  rmSync(folder, { recursive: true });
});
