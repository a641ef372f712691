import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parse } from "yaml";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { generatedNodes, generatedProject } from "../generated-project.ts";
import { checkArgo } from "../judges/argo-check.ts";
import { podArgv, type PodWorkflow } from "../judges/argo-pod.ts";
import { expandOrder } from "../judges/argo-order.ts";
import { checkArgoSchema, findSchemas } from "../judges/argo-schema.ts";
import { ROOT } from "../project-files.ts";

const schemas = findSchemas();

// each document is compiled once for all its tests, and reading thousands of lines of YAML takes its time
setDefaultTimeout(60_000);

interface Compiled {
  readonly status: number;
  readonly text: string;
  readonly said: string;
}

async function compile(count: number, argv: readonly string[] = [], kept?: "memory"): Promise<Compiled> {
  const world = fakeWorld({ cwd: ROOT, files: generatedProject(count, kept) });
  const status = await runCommandLine(world, ["compile", "-o", "-", ...argv], "1.2.3", "");
  return { status, text: world.written.out(), said: world.written.err() };
}

function stepIds(count: number): readonly string[] {
  return generatedNodes(count).map(({ name }) => name.replaceAll("_", "-"));
}

describe.each([100, 1000, 2000])("a project of %d nodes", (count) => {
  const compiled = compile(count);
  const parsed = compiled.then(({ text }) => parse(text) as Workflow);

  test("stays below what servers take", async () => {
    const { text, status } = await compiled;
    expect(status).toBe(0);
    expect(text.length).toBeLessThan(1_000_000);
    const { templates } = (await parsed).spec;
    expect(templates.length).toBeLessThanOrEqual(200);
    for (const { dag } of templates) expect(dag?.tasks.length ?? 0).toBeLessThanOrEqual(200);
  });

  test("pleases the semantic checker", async () => {
    for (const mode of ["lint", "submit"] as const) expect(checkArgo(await parsed, mode)).toEqual([]);
  });

  test.skipIf(schemas === undefined)("is valid by every schema of Argo", async () => {
    expect(checkArgoSchema(await parsed, schemas as string)).toEqual([]);
  });

  test("keeps every node and every dependency", async () => {
    const order = expandOrder(await parsed);
    expect(order.leaves.toSorted()).toEqual([...stepIds(count), "data-volume-create", "data-volume-init"].toSorted());
    const maker = new Map(generatedNodes(count).map(({ name, output }) => [output, name.replaceAll("_", "-")]));
    const lost = generatedNodes(count).flatMap(({ name, inputs }) =>
      inputs.filter(
        (input) => maker.has(input) && !order.isBefore(maker.get(input) as string, name.replaceAll("_", "-")),
      ),
    );
    expect(lost).toEqual([]);
    for (const id of stepIds(count)) expect(order.isBefore("data-volume-init", id)).toBe(true);
  });
});

test("a document grows by less than 400 bytes for each node, and no faster where it is large", async () => {
  const [small, middle, large] = await Promise.all([compile(100), compile(1000), compile(2000)]);
  const growth = (from: Compiled, to: Compiled, nodes: number): number => (to.text.length - from.text.length) / nodes;
  expect(growth(small, middle, 900)).toBeLessThan(400);
  expect(growth(middle, large, 1000)).toBeLessThanOrEqual(growth(small, middle, 900) * 1.02);
});

test("steps of parts are started with the same arguments as steps that stand alone", async () => {
  const [nested, flat] = (await Promise.all([compile(1000), compile(100)])).map(
    ({ text }) => parse(text) as PodWorkflow,
  );
  const ids = stepIds(100);
  const argv = (workflow: PodWorkflow | undefined, id: string): readonly string[] =>
    podArgv(workflow as PodWorkflow, id, { label: "$$ '\"" }).slice(4);
  expect(ids.map((id) => argv(nested, id))).toEqual(ids.map((id) => argv(flat, id)));
  expect(argv(nested, "b000-head-node")).toEqual([
    '{"nodes":[["b000_head_node",["params:label","params:seed"],["b000_head"]]]}',
    Buffer.from(JSON.stringify({ seed: "7", label: "$$ '\"" })).toString("base64"),
  ]);
});

test.each([
  ["0.17.7", ") -> ["],
  ["0.18.14", ") -> ["],
  ["0.19.9", ") -> ["],
  ["1.5.0", "work__"],
])("unnamed nodes of Kedro %s take no more", async (kedroVersion, mark) => {
  const [small, large] = [100, 600].map((count) => {
    const files = Object.entries(generatedProject(count)).map(([path, text]): [string, string] => [
      path,
      text
        .replaceAll(/, name="\w+"/g, "")
        .replaceAll(/(kedro_init_version|project_version) = "[^"]*"/g, `$1 = "${kedroVersion}"`),
    ]);
    return fakeWorld({ cwd: ROOT, files: Object.fromEntries(files) });
  });
  for (const world of [small, large]) {
    expect(await runCommandLine(world as FakeWorld, ["compile", "-o", "-"], "1.2.3", "")).toBe(0);
  }
  const [before, after] = [small, large].map((world) => world?.written.out() ?? "");
  expect(after).toContain(mark);
  expect(((after ?? "").length - (before ?? "").length) / 500).toBeLessThan(400);
  for (const mode of ["lint", "submit"] as const) expect(checkArgo(parse(after ?? ""), mode)).toEqual([]);
});

describe("what is said about the size", () => {
  test.each([
    ["a small project", 100, [], "100 nodes → 100 steps → 102 pods"],
    ["parts", 1000, [], "1000 nodes → 1000 steps → 1002 pods in 6 parts (longest chain 400 steps, +0 %)"],
    ["groups", 1000, ["--merge", "tag"], "1000 nodes → 100 steps → 102 pods"],
    ["one step", 2000, ["--merge", "full"], "2000 nodes → 1 step → 3 pods"],
  ])("%s", async (_, count, argv, wanted) => {
    const { status, said } = await compile(count, argv);
    expect(status).toBe(0);
    expect(said).toStartWith(`${wanted}, `);
  });

  test("a project that is too large names a grouping that fits", async () => {
    const { status, said, text } = await compile(3000);
    expect({ status, text }).toEqual({ status: 3, text: "" });
    expect(said).toMatch(
      /^error: the document has \d+ bytes, and servers take 1000000; the pipeline has 3000 nodes in 3000 steps \[STEP_TOO_LARGE\]\n/,
    );
    expect(said).toEndWith("  hint: --merge tag gives 300 steps, and that fits\n");
  });
});

describe("--merge", () => {
  test("carries only what goes from one step to another", async () => {
    const { text } = await compile(20, ["--merge", "tag"], "memory");
    expect(carried(text)).toEqual(["b000_tail"]);
    const { text: alone } = await compile(20, [], "memory");
    expect(carried(alone)).toHaveLength(19);
    const { text: whole } = await compile(20, ["--merge", "memory"], "memory");
    expect(carried(whole)).toEqual([]);
  });

  test("refuses what is no grouping, with the ones there are", async () => {
    const { status, said } = await compile(10, ["--merge", "namespaces"]);
    expect(status).toBe(2);
    expect(said).toBe('error: --merge cannot be "namespaces" [USAGE_VALUE]\n  hint: did you mean namespace?\n');
  });
});

/** The datasets that the document says are kept on the volume. */
function carried(text: string): readonly string[] {
  const { templates } = (parse(text) as Workflow).spec;
  const shared = templates.find(({ name }) => name === "step")?.container?.args?.[0] ?? "{}";
  return (JSON.parse(shared) as { carried: readonly string[] }).carried;
}

interface Workflow {
  readonly spec: {
    readonly templates: readonly {
      readonly name: string;
      readonly dag?: { readonly tasks: readonly unknown[] };
      readonly container?: { readonly args?: readonly string[] };
    }[];
  };
}
