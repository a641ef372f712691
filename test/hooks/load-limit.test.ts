/** A hook file that waits for itself is given up after 20 s, not after the minute that a call may take. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSession } from "../../src/hooks/session.ts";
import { realWorld } from "../../src/world.ts";

const root = mkdtempSync(join(tmpdir(), "kfk-limit-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const text = 'const self = await import("./kfk.hooks.ts");\nexport default { config: () => self };\n';
const file = { path: join(root, "kfk.hooks.ts"), shown: "kfk.hooks.ts", text };
writeFileSync(file.path, text);

test.each([
  ["unless a person says otherwise", false, 20_000],
  ["or when a person says", true, 90_000],
])("%s", async (_, isTimeoutGiven, wanted) => {
  const real = realWorld();
  const asked: number[] = [];
  const clock = {
    ...real.clock,
    sleep: async (ms: number): Promise<void> => void asked.push(ms), // no time passes
  };
  const timeoutMs = isTimeoutGiven ? 90_000 : 60_000;
  const session = startSession({ ...real, clock }, { root, files: [file], timeoutMs, isTimeoutGiven, isQuiet: true });
  const said = await session.then(String, (error: Error) => error.message);
  expect([said, asked[0]]).toEqual([`loading kfk.hooks.ts took longer than ${wanted / 1000} s and was ended`, wanted]);
});
