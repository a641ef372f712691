import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parseWorkflow } from "../../src/cluster/workflow.ts";

/** Manifests of runs on real pods (KFP main after 2.17.0, Argo 4.0.8); containers and outputs left out. */
const recorded = new Map(
  readFileSync(join(import.meta.dir, "../recordings/workflows-head.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { step: string; workflow_manifest: string })
    .map((row) => [row.step, row.workflow_manifest] as const),
);

describe("parseWorkflow on recorded runs", () => {
  test.each([
    ["wait.v1.real-ok.final", false, ["prep succeeded null", "train succeeded null"]],
    ["wait.v1.argo-fail.final", false, ["prep succeeded null", "train failed main: Error (exit code 1)"]],
    [
      "wait.v1.argo-slow.final",
      true,
      ["prep failed main: Error (exit code 143)", "train skipped omitted: depends condition not met"],
    ],
    ["wait.v1.real-slow.final", true, ["prep succeeded null", "train failed Step exceeded its deadline"]],
    ["run.v1.create.inline", false, []],
  ])("%s", (step, stopped, steps) => {
    const manifest = recorded.get(step) ?? "";
    const workflow = parseWorkflow(manifest);
    const shown = workflow?.steps.map((each) => `${each.id} ${each.phase} ${each.message}`);
    expect([workflow?.stopped, shown]).toEqual([stopped, steps]);

    const whole = JSON.parse(manifest) as { status: { nodes?: unknown } };
    const { nodes, ...rest } = whole.status;
    const compressedNodes = gzipSync(JSON.stringify(nodes ?? {})).toString("base64");
    expect(parseWorkflow(JSON.stringify({ ...whole, status: { ...rest, compressedNodes } }))).toEqual(
      workflow as never,
    );
  });

  test("times are those of the step, not of an attempt", () => {
    const steps = parseWorkflow(recorded.get("wait.v1.real-ok.final") ?? "")?.steps;
    expect(steps?.map((each) => [each.startedMs, each.endedMs])).toEqual([
      [Date.parse("2026-11-24T08:03:24Z"), Date.parse("2026-11-24T08:03:34Z")],
      [Date.parse("2026-11-24T08:03:34Z"), Date.parse("2026-11-24T08:03:44Z")],
    ]);
  });
});

test.each([
  ["nothing", "", undefined],
  ["a manifest that is cut off", '{"status": {"nodes": {', undefined],
  ["no object", "[]", undefined],
])("%s is no workflow", (_, manifest, workflow) => {
  expect(parseWorkflow(manifest)).toBe(workflow as never);
});

test.each([
  ["broken compressed nodes", { status: { compressedNodes: "bm90IGd6aXA=" } }],
  ["offloaded nodes", { status: { phase: "Running", offloadNodeStatusVersion: "fnv:1" } }],
])("%s give no steps", (_, manifest) => {
  expect(parseWorkflow(JSON.stringify(manifest))?.steps).toEqual([]);
});

test.each([
  ["a shutdown of Argo", { shutdown: "Terminate" }, true],
  ["KFP's deadline", { activeDeadlineSeconds: 0 }, true],
  ["a deadline that was set on purpose", { activeDeadlineSeconds: 3600 }, false],
])("%s", (_, spec, stopped) => {
  expect(parseWorkflow(JSON.stringify({ spec }))?.stopped).toBe(stopped);
});
