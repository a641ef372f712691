/**
 * The official starter, untouched, one process per node through `runLocally`, against `kedro run` on a fresh copy:
 * the same files with the same content. Needs `KFK_LIVE_VENVS`, `KFK_STARTERS_GIT` and the golden models.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plain, PlainMap } from "../../src/config/plain.ts";
import { findPython } from "../../src/local/python.ts";
import { runLocally } from "../../src/local/run.ts";
import { isParameter, withoutTranscoding, type Node } from "../../src/pipeline/model.ts";
import type { Step, StepParameter, StepPlan } from "../../src/steps/step.ts";
import { encodeParameter } from "../../src/steps/transport.ts";
import { realWorld } from "../../src/world.ts";
import { layStarter, pythonWith, starters } from "./projects.ts";

const models = join(import.meta.dir, "../../../shared/golden/models");
const top = mkdtempSync(join(tmpdir(), "kfk-live-local-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const CASES = [
  { kedro: "0.19.15", tag: "0.19.15", model: "0.19.15" },
  { kedro: "1.0.0", tag: "1.0.0", model: "1.0.0" },
  { kedro: "1.7.0", tag: "1.2.0", model: "1.7.0" },
] as const;

for (const { kedro, tag, model } of CASES) {
  const python = pythonWith(kedro);
  const golden = join(models, `spaceflights-${model}.json`);
  const ready = python !== null && starters !== null && existsSync(golden);
  describe.skipIf(!ready)(`the official starter ${tag} with Kedro ${kedro}`, () => {
    test("runs untouched, one process per node, with the results of kedro run", async () => {
      const stepwise = join(top, `${kedro}-steps`);
      const whole = join(top, `${kedro}-whole`);
      layStarter(starters as string, tag, kedro, stepwise);
      layStarter(starters as string, tag, kedro, whole);
      const before = snapshot(stepwise);
      const world = realWorld();
      const plan = planOf(golden, kedro, stepwise);
      const found = await findPython(world, stepwise, python as string, kedro);
      expect(found).toMatchObject({ kedroVersion: kedro, warnings: [] });
      let at = performance.now();
      const result = await runLocally(world, plan, { project: stepwise, python: found.python, runId: "live" });
      const stepsMs = performance.now() - at;
      expect(result.failures.map(({ step, tail }) => [step, tail.join("\n")])).toEqual([]);
      expect(result.outcome).toBe("succeeded");
      expect(result.states.map(({ phase }) => phase)).toEqual(plan.steps.map(() => "succeeded"));
      at = performance.now();
      const done = Bun.spawnSync([python as string, "-m", "kedro", "run"], {
        cwd: whole,
        env: { ...process.env, KEDRO_DISABLE_TELEMETRY: "1", DO_NOT_TRACK: "1" },
        stdout: "pipe",
        stderr: "pipe",
      });
      expect(done.exitCode).toBe(0);
      const wholeMs = performance.now() - at;
      process.stderr.write(
        `Kedro ${kedro}: ${plan.steps.length} steps ${(stepsMs / 1000).toFixed(1)} s, kedro run ${(wholeMs / 1000).toFixed(1)} s\n`,
      );
      const made = snapshot(stepwise);
      expect([...made.keys()].filter((path) => !before.has(path)).length).toBeGreaterThan(5);
      expect(made).toEqual(snapshot(whole));
      expect(snapshot(stepwise, "src")).toEqual(snapshot(whole, "src"));
      expect(snapshot(stepwise, "conf")).toEqual(snapshot(whole, "conf"));
    }, 300_000);
  });
}

// --- internal ---

/** Path below the folder → hash of the content. */
function snapshot(project: string, below = "data"): ReadonlyMap<string, string> {
  const paths = readdirSync(join(project, below), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("__pycache__"))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  return new Map(
    paths.map((path) => {
      // versions of versioned datasets are times
      const name = path.slice(project.length + 1).replace(/\d{4}-\d\d-\d\dT[\d.]+Z/, "VERSION");
      return [name, String(Bun.hash(readFileSync(path)))];
    }),
  );
}

interface GoldenModel {
  readonly pipelines: {
    readonly __default__: {
      readonly nodes: readonly [string, string[], string[], string[], string | null][];
      readonly dependencies: Readonly<Record<string, readonly string[]>>;
    };
  };
  readonly catalog: Readonly<Record<string, unknown>>;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** One step per node, straight from what Kedro itself says of the project. */
function planOf(path: string, kedroVersion: string, project: string): StepPlan {
  const model = JSON.parse(readFileSync(path, "utf8")) as GoldenModel;
  const { nodes, dependencies } = model.pipelines.__default__;
  const ids = new Map(nodes.map(([name], index) => [name, `step-${index}`]));
  const parameters = Object.entries(model.parameters).map(([key, value]): StepParameter => {
    const plain = toPlain(value);
    const { tag, text } = encodeParameter(plain);
    return { name: key, key, value: plain, tag, text };
  });
  const steps = nodes.map(([name, inputs, outputs, tags, namespace]): Step => {
    const node: Node = { name, named: true, func: "", inputs, outputs, tags, namespace, confirms: [], source: null };
    const keys = inputs.filter(isParameter).map((input) => input.slice("params:".length).split(".")[0]);
    return {
      id: ids.get(name) as string,
      nodes: [node],
      needs: (dependencies[name] ?? []).map((other) => ids.get(other) as string),
      parameters: parameters.filter(({ key }) => keys.includes(key)).map(({ name }) => name),
      pod: { resources: {} },
    };
  });
  const produced = new Set(nodes.flatMap(([, , outputs]) => outputs));
  const carried = [...new Set(nodes.flatMap(([, inputs]) => inputs))]
    .filter((name) => produced.has(name) && !(withoutTranscoding(name) in model.catalog))
    .toSorted();
  return {
    name: "space-flights",
    project: "Space Flights",
    pipeline: "__default__",
    env: "local",
    description: kedroVersion,
    steps,
    parameters,
    shared: {
      kfk: 1,
      pipeline: "__default__",
      env: "local",
      project,
      store: null,
      carried,
      parameters: Object.fromEntries(parameters.map(({ name, key, tag }) => [name, [key, tag]])),
    },
    pods: { image: null, imagePullPolicy: "IfNotPresent", ttlSeconds: null, volume: null, serviceAccount: null },
    warnings: [],
  };
}

function toPlain(value: unknown): Plain {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toPlain);
  const entries = Object.entries(value as Record<string, unknown>).map(([key, item]) => [key, toPlain(item)] as const);
  return new Map(entries) as PlainMap;
}
