import { expect, test } from "bun:test";
import { pipelineName, workflowBase } from "../../src/compile/names.ts";
import { shortHash } from "../../src/steps/names.ts";

test("workflow bases are short and legal", () => {
  expect(workflowBase("Space Flights")).toBe("space-flights");
  expect(workflowBase("a".repeat(80))).toHaveLength(40);
  expect(workflowBase("東京")).toBe(`pipeline-${shortHash("東京")}`);
});

test("pipeline names mention pipeline and environment only where they are not the defaults", () => {
  expect(pipelineName("Space Flights", "__default__", "local", ["local", "base"])).toBe("space-flights");
  expect(pipelineName("Space Flights", "training", "prod", ["local", "base"])).toBe("space-flights-training-prod");
});
