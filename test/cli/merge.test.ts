import { describe, expect, test } from "bun:test";
import { planForHere } from "../../src/cli/plan.ts";
import { readProject } from "../../src/cli/read.ts";
import type { Call } from "../../src/cli/verb.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

async function planHere(
  kubeflow: string | undefined,
  merge?: string,
): Promise<{ steps: string[]; warnings: string[] }> {
  const conf = kubeflow === undefined ? {} : { "base/kubeflow.yaml": kubeflow };
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ conf }) });
  const given: Readonly<Record<string, string | undefined>> = { pipeline: "__default__", merge };
  const call: Pick<Call, "world" | "options"> = {
    world,
    options: { text: (name) => given[name], flag: () => undefined, list: () => [] },
  };
  const plan = planForHere(call as Call, await readProject(call as Call));
  return {
    steps: plan.steps.map(({ id, nodes }) => `${id}(${nodes.map(({ name }) => name).join(" ")})`),
    warnings: plan.warnings.map(({ message }) => message),
  };
}

describe("grouping for a run on this machine", () => {
  test("is that of kubeflow.yaml, so that the same steps run here and there", async () => {
    expect(await planHere("run_config: {merge: full}\n")).toEqual({ steps: ["pipeline(fit score)"], warnings: [] });
    expect((await planHere("run_config: {node_merge_strategy: full}\n")).steps).toEqual(["pipeline(fit score)"]);
  });

  test("is none where there is no such file, and what --merge says in any case", async () => {
    expect(await planHere(undefined)).toEqual({ steps: ["fit(fit)", "score(score)"], warnings: [] });
    expect((await planHere("run_config: {merge: full}\n", "none")).steps).toEqual(["fit(fit)", "score(score)"]);
    expect((await planHere(undefined, "memory")).steps).toEqual(["fit(fit score)"]);
  });

  test("is none, and says so, where that file cannot be read here", async () => {
    const { steps, warnings } = await planHere('run_config: {merge: full, image: "${oc.env:NOT_SET}"}\n');
    expect(steps).toEqual(["fit(fit)", "score(score)"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^kubeflow.yaml cannot be read here \(.*NOT_SET.*\), so every node is a step of its own$/,
    );
  });
});
