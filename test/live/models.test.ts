/**
 * The official starter of each era, read from its sources and by its own Python, against what real Kedro said of it.
 * Needs `KFK_STARTERS_GIT` and the golden models; the Python half also `KFK_LIVE_VENVS` with the starter's libraries.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine } from "../../src/cli/app.ts";
import { realWorld } from "../../src/world.ts";
import { layStarter, pythonWith, starters } from "./projects.ts";

setDefaultTimeout(120_000);

const models = join(import.meta.dir, "../../../shared/golden/models");
const top = mkdtempSync(join(tmpdir(), "kfk-live-models-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const CASES = [
  { kedro: "0.16.6", tag: "490e7a9", starter: "spaceflights" },
  { kedro: "0.17.7", tag: "0.17.7", starter: "spaceflights" },
  { kedro: "0.18.14", tag: "0.18.14", starter: "spaceflights" },
  { kedro: "0.19.9", tag: "0.19.9", starter: "spaceflights-pandas" },
  { kedro: "0.19.15", tag: "0.19.15", starter: "spaceflights-pandas" },
  { kedro: "1.0.0", tag: "1.0.0", starter: "spaceflights-pandas" },
  { kedro: "1.5.0", tag: "1.2.0", starter: "spaceflights-pandas" },
  { kedro: "1.7.0", tag: "1.2.0", starter: "spaceflights-pandas" },
] as const;

interface Golden {
  readonly kedro: string;
  readonly pipelines: Readonly<Record<string, GoldenPipeline>>;
  readonly catalog: Readonly<Record<string, { readonly type: string; readonly filepath?: string }>>;
  readonly parameters: unknown;
}
interface GoldenPipeline {
  readonly nodes: readonly (readonly unknown[])[];
  readonly explicit_name: Readonly<Record<string, string | null>>;
  readonly func: Readonly<Record<string, string>>;
}

for (const { kedro, tag, starter } of CASES) {
  const file = join(models, `spaceflights-${kedro}.json`);
  const ready = starters !== null && existsSync(file);
  const python = ready ? withLibraries(pythonWith(kedro)) : null;
  describe.skipIf(!ready)(`the starter ${starter} ${tag} as Kedro ${kedro}`, () => {
    const folder = join(top, kedro);
    const golden = ready ? (JSON.parse(readFileSync(file, "utf8")) as Golden) : undefined;
    if (ready) layStarter(starters as string, tag, kedro, folder, starter);

    test("the sources give Kedro's own model", async () => {
      expect(await model(folder, "--from", "static")).toEqual(expected(golden as Golden));
    });

    test.skipIf(python === null)("Python gives it too", async () => {
      expect(await model(folder, "--from", "python", "--python", python as string)).toEqual(expected(golden as Golden));
    });

    test.skipIf(python === null)("and --verify finds no difference", async () => {
      expect(await run(folder, "model", "--verify", "--python", python as string)).toEqual({ status: 0, out: "" });
    });
  });
}

// --- internal ---

function withLibraries(python: string | null): string | null {
  if (python === null) return null;
  return Bun.spawnSync([python, "-c", "import pandas, sklearn"]).exitCode === 0 ? python : null;
}

async function run(folder: string, ...argv: string[]): Promise<{ status: number; out: string }> {
  let out = "";
  let err = "";
  const real = realWorld();
  const status = await runCommandLine(
    {
      ...real,
      cwd: folder,
      out: { write: (text) => void (out += text) },
      err: { write: (text) => void (err += text), isTerminal: false, columns: 80, rows: 24 },
    },
    argv,
    "0.0.0",
    "test",
  );
  if (status !== 0) console.error(err);
  return { status, out };
}

/** The parts of the printed model that the golden file has too. Before 0.18.2 the order inside a level is random. */
async function model(folder: string, ...options: string[]): Promise<unknown> {
  const { out } = await run(folder, "model", ...options);
  const printed = JSON.parse(out, (_, value: unknown) => plain(value)) as Printed;
  return {
    kedro: printed.project.kedroVersion,
    pipelines: Object.fromEntries(
      Object.entries(printed.pipelines).map(([name, { nodes }]) => [
        name,
        arrange(
          printed.project.kedroVersion,
          nodes.map((node) => [
            [node.name, node.inputs, node.outputs, node.tags, node.namespace],
            node.named,
            node.func,
          ]),
        ),
      ]),
    ),
    datasets: Object.fromEntries(
      Object.entries(printed.datasets)
        .filter(([, { type }]) => type !== null)
        .map(([name, { type, path }]) => [name, [type, path]]),
    ),
    parameters: printed.parameters,
  };
}

interface Printed {
  readonly project: { readonly kedroVersion: string };
  readonly pipelines: Readonly<Record<string, { readonly nodes: readonly Record<string, unknown>[] }>>;
  readonly datasets: Readonly<Record<string, { readonly type: string | null; readonly path: string | null }>>;
  readonly parameters: unknown;
}

function plain(value: unknown): unknown {
  const float = typeof value === "object" && value !== null && "$float" in value ? value.$float : undefined;
  return typeof float === "string" ? Number(float) : value;
}

function expected(golden: Golden): unknown {
  const used = new Set(
    Object.values(golden.pipelines).flatMap(({ nodes }) => nodes.flatMap((node) => [node[1], node[2]].flat())),
  );
  return {
    kedro: golden.kedro,
    pipelines: Object.fromEntries(
      Object.entries(golden.pipelines).map(([name, pipeline]) => [
        name,
        arrange(
          golden.kedro,
          pipeline.nodes.map((node) => {
            const own = node[0] as string;
            return [node, pipeline.explicit_name[own] !== null, pipeline.func[own]];
          }),
        ),
      ]),
    ),
    datasets: Object.fromEntries(
      Object.entries(golden.catalog)
        .filter(([name]) => used.has(name))
        .map(([name, { type, filepath }]) => [name, [type, filepath ?? null]]),
    ),
    parameters: golden.parameters,
  };
}

function arrange(kedro: string, nodes: readonly unknown[]): readonly unknown[] {
  if (!/^0\.1[67]\./.test(kedro)) return nodes;
  return nodes.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
