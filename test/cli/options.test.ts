import { expect, test } from "bun:test";
import { VERBS } from "../../src/cli/app.ts";
import { parseCommandLine } from "../../src/cli/options.ts";

test.each([
  [["run-once", "--no-wait", "--wait"], true],
  [["run-once", "--wait", "--no-wait"], false],
  [["--no-wait", "run-once", "--wait"], true],
  [["run-once"], undefined],
] as const)("the last word on an option holds: %j", async (argv, wait) => {
  const { options } = await parseCommandLine(argv, VERBS);
  expect(options.flag("wait")).toBe(wait as boolean);
});
