/** The card of a failed run, line by line. */
import { expect, test } from "bun:test";
import { renderCounts, renderFailure, type ShownStep } from "../../src/view/failure.ts";

const STEP: ShownStep = { step: "train", nodes: [], reason: "exit code 1", advice: null, log: [], logMissing: null };

test.each([
  ["a log", { log: ["a", "b"] }, ["  last 2 lines of its log:", "  train | a", "  train | b"]],
  ["no log", { logMissing: "it is gone" }, ["  no log: it is gone"]],
  ["a reason that moves the cursor", { logMissing: "a\u001b[2Jb" }, ["  no log: a?[2Jb"]],
  ["advice", { advice: "do this", logMissing: "-" }, ["  do this", "  no log: -"]],
] as const)("a failed step with %s", (_, more, expected) => {
  const failure = { steps: [{ ...STEP, ...more }], more: 0, changed: [], lastSuccess: null };
  expect(renderFailure(failure, () => undefined)).toEqual(["failed: step train: exit code 1", ...expected]);
});

test("a step that waits is told with its reason", () => {
  const step = { startedMs: null, endedMs: null, message: null };
  const counts = renderCounts([
    { ...step, id: "split", phase: "succeeded" },
    { ...step, id: "fit", phase: "running" },
    { ...step, id: "join", phase: "waiting", message: "Back-off pulling image" },
  ]);
  expect(counts).toBe("1 of 3 begun steps done, running: fit, waiting: join (Back-off pulling image)");
});
