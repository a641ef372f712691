/**
 * Modules that act on one another while they are imported, as text: `--- name`, files as `>>> path` and their code
 * (below `src/shop`; `/` starts at the project), then `= [nodes]` as real Kedro 1.7.0 gives them, or `! CODE` where the reader refuses.
 */
import { expect, test } from "bun:test";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

function outcome(parts: readonly string[]): string {
  const files = projectFiles({ pipelines: {} });
  for (const part of parts) {
    const [path = "", ...lines] = part.split("\n");
    files[path.startsWith("/") ? `${ROOT}${path}` : `${ROOT}/src/shop/${path}`] = lines.join("\n");
  }
  const world = fakeWorld({ cwd: ROOT, files });
  const facts = findProject(world, ROOT);
  try {
    const found = readRegistry(projectHost(world, facts), { package: facts.package, kedroVersion: "1.7.0" });
    const nodes = (found.pipelines.get("__default__")?.nodes ?? []).map(
      ({ name, inputs, outputs, tags }) =>
        `${name}: ${inputs.join(",")} -> ${outputs.join(",")}${tags.length > 0 ? ` #${tags.toSorted().join("#")}` : ""}`,
    );
    return `= ${JSON.stringify(nodes)}`;
  } catch (error) {
    return `! ${(error as { code?: string }).code ?? String(error)}`;
  }
}

test("modules that act on one another are read as Python runs them, or refused", async () => {
  const text = await Bun.file(`${import.meta.dir}/cases/modules.txt`).text();
  const wrong: string[] = [];
  for (const part of text.split(/^--- /m).slice(1)) {
    const lines = part.trimEnd().split("\n");
    const given = outcome(lines.slice(1, -1).join("\n").split(/^>>> /m).slice(1));
    if (given !== lines.at(-1)) wrong.push(`${lines[0]}: ${given}, not ${lines.at(-1)}`);
  }
  expect(wrong).toEqual([]);
});
