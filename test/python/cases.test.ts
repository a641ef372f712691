/**
 * Python code and what it gives, as text: `--- name`, a module with `make()`, then `= [texts]` as CPython 3.11 gives
 * them, or `! CODE` where the reader has to refuse.
 */
import { describe, expect, test } from "bun:test";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const ENDING = `
def create_pipeline(**kwargs):
    return pipeline([node(fit, "v" + x, f"o{i}", name=f"n{i:04d}") for i, x in enumerate(make())])
`;

function outcome(source: string): string {
  const code = `from kedro.pipeline import node, pipeline\nfrom .nodes import fit\n${source}\n${ENDING}`;
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ kedro: "1.7.0", pipelines: { train: code } }) });
  const facts = findProject(world, ROOT);
  try {
    const found = readRegistry(projectHost(world, facts), { package: facts.package, kedroVersion: "1.7.0" });
    const texts = (found.pipelines.get("train")?.nodes ?? []).map(({ inputs }) => (inputs[0] ?? "v").slice(1));
    return `= ${JSON.stringify(texts)}`;
  } catch (error) {
    return `! ${(error as { code?: string }).code ?? String(error)}`;
  }
}

describe.each(["values", "sets", "doubts"])("%s", (theme) => {
  test("every case gives what Python gives, or is refused", async () => {
    const text = await Bun.file(`${import.meta.dir}/cases/${theme}.txt`).text();
    const wrong: string[] = [];
    for (const part of text.split(/^--- /m).slice(1)) {
      const lines = part.trimEnd().split("\n");
      const wanted = lines.at(-1) ?? "";
      const normal = wanted.startsWith("= ") ? `= ${JSON.stringify(JSON.parse(wanted.slice(2)))}` : wanted;
      const given = outcome(lines.slice(1, -1).join("\n"));
      if (given !== normal) wrong.push(`${lines[0]}: ${given}, not ${normal}`);
    }
    expect(wrong).toEqual([]);
  });
});
