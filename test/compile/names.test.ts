import { describe, expect, test } from "bun:test";
import { assert, property, string } from "fast-check";
import { parameterName, pipelineName, shortHash, stepId, workflowBase } from "../../src/compile/names.ts";

describe("stepId", () => {
  test.each([
    ["split_data_node", "split-data-node"],
    ["a__b", "a--b"],
    ["Train", `train-${shortHash("Train")}`],
    ["a-b", `a-b-${shortHash("a-b")}`],
    ["a.b", `a-b-${shortHash("a.b")}`],
    ["on_exit", `on-exit-${shortHash("on_exit")}`],
    ["9lives", `lives-${shortHash("9lives")}`],
    ["größe", `gr-e-${shortHash("größe")}`],
    ["訓練", `step-${shortHash("訓練")}`],
    ["x".repeat(64), `${"x".repeat(54)}-${shortHash("x".repeat(64))}`],
  ])("%s", (name, id) => {
    expect(stepId(name)).toBe(id);
  });

  test("is legal and differs for different names", () => {
    const seen = new Map<string, string>();
    assert(
      property(string({ minLength: 1, maxLength: 80, unit: "grapheme" }), (name) => {
        const id = stepId(name);
        expect(id).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/);
        expect(id.length).toBeLessThanOrEqual(63);
        expect(seen.get(id) ?? name).toBe(name);
        seen.set(id, name);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

test.each([
  ["test_size", "test_size"],
  ["learning-rate", `learning_rate_${shortHash("learning-rate")}`],
  ["json", `json_${shortHash("json")}`],
  ["1st", `p_1st_${shortHash("1st")}`],
  ["größe", `gr_e_${shortHash("größe")}`],
])("parameterName: %s", (key, name) => {
  expect(parameterName(key)).toBe(name);
});

test("workflow bases are short and legal", () => {
  expect(workflowBase("Space Flights")).toBe("space-flights");
  expect(workflowBase("a".repeat(80))).toHaveLength(40);
  expect(workflowBase("東京")).toBe(`pipeline-${shortHash("東京")}`);
});

test("pipeline names mention pipeline and environment only where they are not the defaults", () => {
  expect(pipelineName("Space Flights", "__default__", "local", ["local", "base"])).toBe("space-flights");
  expect(pipelineName("Space Flights", "training", "prod", ["local", "base"])).toBe("space-flights-training-prod");
});
