/**
 * The local scheduler: order and refusals with processes that the test plays, then a real kfk-like process that is
 * interrupted and must leave nothing behind.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KfkError } from "../../src/error.ts";
import { runLocally, type LocalOptions } from "../../src/local/run.ts";
import type { Node } from "../../src/pipeline/model.ts";
import type { StepPlan } from "../../src/steps/step.ts";
import type { Child, ChildEnd, SpawnOptions } from "../../src/world.ts";
import { fakeWorld, type FakeOptions } from "../fake-world.ts";

describe("runLocally", () => {
  test("starts steps in plan order as soon as they are ready, as many at once as allowed", async () => {
    const stage = play({ cores: 2 });
    const done = runLocally(stage.world, planOf({ a: [], b: [], c: ["b"], d: ["a"], e: ["c", "d"] }), OPTIONS);
    expect(await stage.running()).toEqual(["a", "b"]);
    stage.end("b", 0);
    expect(await stage.running()).toEqual(["a", "c"]);
    stage.end("a", 0);
    expect(await stage.running()).toEqual(["c", "d"]);
    stage.end("d", 0);
    expect(await stage.running()).toEqual(["c"]);
    stage.end("c", 0);
    expect(await stage.running()).toEqual(["e"]);
    stage.end("e", 0);
    const result = await done;
    expect(result.outcome).toBe("succeeded");
    expect(result.failures).toEqual([]);
    expect(result.folder).toBe("/project/.kfk/runs/r1");
    expect(stage.started).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("lets running steps finish after a failure, starts no more, and keeps the end of the log", async () => {
    const stage = play({ cores: 2 });
    const done = runLocally(stage.world, planOf({ a: [], b: [], c: ["a"], d: [] }), OPTIONS);
    await stage.running();
    for (let line = 1; line <= 50; line++) stage.say("b", `line ${line}`);
    stage.say("b", 'kfk: step "b": failed in node "n \\"b\\"": KeyError');
    stage.end("b", 1);
    expect(await stage.running()).toEqual(["a"]);
    stage.end("a", 0);
    const result = await done;
    expect(result.outcome).toBe("failed");
    expect(result.states.map(({ id, phase, message }) => [id, phase, message])).toEqual([
      ["a", "succeeded", null],
      ["b", "failed", 'failed in node "n \\"b\\"": KeyError'],
      ["c", "skipped", null],
      ["d", "skipped", null],
    ]);
    expect(result.failures).toMatchObject([
      { step: "b", node: 'n "b"', end: { code: 1, signal: null }, log: "/project/.kfk/runs/r1/logs/b.log" },
    ]);
    expect(result.failures[0]?.tail).toHaveLength(40);
    expect(result.failures[0]?.tail[0]).toBe("line 12");
    expect(stage.world.files.readText("/project/.kfk/runs/r1/logs/b.log")?.split("\n")).toHaveLength(52);
    expect(stage.world.files.readText("/project/.kfk/.gitignore")).toBe("*\n");
  });

  test("hands the runner the local folders, the step's nodes and only its own parameters", async () => {
    const stage = play({ env: { HOME: "/h", BUN_OPTIONS: "x", NO_COLOR: "" } });
    const plan = planOf({ a: [] });
    const done = runLocally(
      stage.world,
      {
        ...plan,
        steps: plan.steps.map((step) => ({ ...step, parameters: ["p"] })),
        parameters: [
          { name: "p", key: "p", value: "ä", tag: "q", text: '"\\u00e4"' },
          { name: "q", key: "q", value: 1n, tag: "j", text: "1" },
        ],
        shared: { ...plan.shared, carried: ["x"], store: "/elsewhere", project: "/home/kedro" },
      },
      { ...OPTIONS, conf: "/conf" },
    );
    await stage.running();
    const [call] = stage.calls;
    expect(call?.command.slice(0, 2)).toEqual(["python3", "-c"]);
    expect(call?.command[2]).toStartWith('"""Runs the Kedro nodes of one step');
    expect(JSON.parse(call?.command[3] ?? "")).toEqual({
      ...plan.shared,
      carried: ["x"],
      project: "/project",
      store: "/project/.kfk/runs/r1/store",
      conf: "/conf",
    });
    expect(JSON.parse(call?.command[4] ?? "")).toEqual({ step: "a", nodes: [["node-a", ["in"], ["out"]]] });
    expect(Buffer.from(call?.command[5] ?? "", "base64").toString()).toBe('{"p":"\\"\\\\u00e4\\""}');
    expect(call?.options).toMatchObject({ cwd: "/project", endGroup: true });
    expect(call?.options.env).toEqual({
      HOME: "/h",
      PYTHONUNBUFFERED: "1",
      PYTHONIOENCODING: "utf-8:backslashreplace",
      NO_COLOR: "1",
      COLUMNS: "200",
      KEDRO_DISABLE_TELEMETRY: "1",
      DO_NOT_TRACK: "1",
    });
    stage.end("a", 0);
    await done;
  });

  test("ends everything when the time is over", async () => {
    const stage = play({ clock: "manual" });
    const done = runLocally(stage.world, planOf({ a: [], b: ["a"] }), { ...OPTIONS, timeoutMs: 5000, graceMs: 1000 });
    await stage.running();
    await stage.world.clock.advance(5000);
    expect(stage.signals).toEqual(["a SIGTERM"]);
    await stage.world.clock.advance(1000);
    expect(stage.signals).toEqual(["a SIGTERM", "a SIGKILL"]);
    stage.end("a", null, "SIGKILL");
    const result = await done;
    expect(result.outcome).toBe("timeout");
    expect(result.states.map(({ phase, message }) => [phase, message])).toEqual([
      ["failed", "ended: the time for the run was over, killed after it did not end by itself"],
      ["skipped", null],
    ]);
  });

  test.each([
    ["SIGINT", "interrupted"],
    ["SIGTERM", "terminated"],
    ["SIGHUP", "terminated"],
  ] as const)("forwards %s, kills at the second, and says %s", async (signal, outcome) => {
    const stage = play({ clock: "manual" });
    const done = runLocally(stage.world, planOf({ a: [], b: [] }), OPTIONS);
    await stage.running();
    stage.world.raise(signal);
    stage.end("a", 143);
    expect(await stage.running()).toEqual(["b"]);
    stage.world.raise(signal); // a wrapper hands it on
    expect(stage.signals).toEqual(["a SIGTERM", "b SIGTERM"]);
    await stage.world.clock.advance(100);
    stage.world.raise(signal);
    expect(stage.signals).toEqual(["a SIGTERM", "b SIGTERM", "b SIGKILL"]);
    stage.end("b", null, "SIGKILL");
    expect((await done).outcome).toBe(outcome);
  });

  test("says why a process ended that said nothing", async () => {
    const stage = play({ cores: 3 });
    const done = runLocally(stage.world, planOf({ a: [], b: [], c: [] }), OPTIONS);
    await stage.running();
    stage.end("a", null, "SIGKILL");
    stage.end("b", null, "SIGSEGV");
    stage.end("c", 7);
    expect((await done).states.map(({ message }) => message)).toEqual([
      "killed (SIGKILL), as when memory runs out",
      "ended by SIGSEGV",
      "ended with status 7",
    ]);
  });

  test("ends with the error, and ends the other steps, when a log cannot be written", async () => {
    const stage = play({ cores: 2 });
    const full = new KfkError("PROJECT_FILE", "cannot write b.log: no space left on device");
    const files = {
      ...stage.world.files,
      append: () => {
        throw full;
      },
    };
    const done = runLocally({ ...stage.world, files }, planOf({ a: [], b: [] }), OPTIONS);
    await stage.running();
    stage.say("b", "text");
    await stage.running();
    stage.end("b", 0);
    expect(await stage.running()).toEqual(["a"]);
    expect(stage.signals).toEqual(["a SIGKILL"]);
    stage.end("a", null, "SIGKILL");
    expect(await done.catch((error: unknown) => error)).toBe(full);
  });

  test("reports every change", async () => {
    const stage = play({});
    const seen: string[] = [];
    const done = runLocally(stage.world, planOf({ a: [], b: ["a"] }), {
      ...OPTIONS,
      onChange: (states) => void seen.push(states.map(({ phase }) => phase).join(" ")),
    });
    await stage.running();
    stage.end("a", 3);
    await done;
    expect(seen).toEqual(["waiting waiting", "running waiting", "failed waiting", "failed skipped"]);
  });

  test.each([
    ["SIGINT", "interrupted"],
    ["SIGTERM", "terminated"],
  ] as const)(
    "leaves no process behind after a real %s, not even one that ignores it",
    async (signal, outcome) => {
      const folder = mkdtempSync(join(tmpdir(), "kfk-local-"));
      try {
        const child = Bun.spawn([process.execPath, join(import.meta.dir, "stubborn.ts"), folder], {
          stdout: "pipe",
          stderr: "inherit",
        });
        const reader = child.stdout.getReader();
        const pids = new TextDecoder()
          .decode((await reader.read()).value)
          .trim()
          .split(" ")
          .map(Number);
        expect(pids).toHaveLength(4);
        expect(pids.filter(isAlive)).toEqual(pids);
        child.kill(signal);
        const said = new TextDecoder().decode((await reader.read()).value).trim();
        expect(await child.exited).toBe(0);
        expect(said).toBe(outcome);
        // a process that was killed a moment ago may not have got the signal yet on a busy machine
        for (let round = 0; round < 100 && pids.some(isAlive); round++) await Bun.sleep(20);
        expect(pids.filter(isAlive)).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    20_000,
  );
});

// --- internal ---

const OPTIONS: LocalOptions = { project: "/project", python: "python3", runId: "r1" };

/** Step id → ids it needs. */
function planOf(steps: Readonly<Record<string, readonly string[]>>): StepPlan {
  return {
    name: "p",
    project: "P",
    pipeline: "__default__",
    env: "local",
    description: null,
    steps: Object.entries(steps).map(([id, needs]) => ({
      id,
      nodes: [nodeOf(id)],
      needs,
      parameters: [],
      pod: { resources: {} },
    })),
    parameters: [],
    shared: {
      kfk: 1,
      pipeline: "__default__",
      env: "local",
      project: "/home/kedro",
      store: null,
      carried: [],
      parameters: {},
    },
    pods: { image: null, imagePullPolicy: "IfNotPresent", ttlSeconds: null, volume: null, serviceAccount: null },
    warnings: [],
  };
}

function nodeOf(id: string): Node {
  return {
    name: `node-${id}`,
    named: true,
    func: "m.f",
    inputs: ["in"],
    outputs: ["out"],
    tags: [],
    namespace: null,
    confirms: [],
    source: null,
  };
}

/** A world whose processes do what the test says. */
function play(options: FakeOptions) {
  const actors = new Map<string, { readonly options: SpawnOptions; readonly end: (end: ChildEnd) => void }>();
  const calls: { readonly command: readonly string[]; readonly options: SpawnOptions }[] = [];
  const started: string[] = [];
  const signals: string[] = [];
  const spawn = (command: readonly string[], spawnOptions: SpawnOptions): Child => {
    const { step } = JSON.parse(command[4] ?? "") as { step: string };
    const { promise, resolve } = Promise.withResolvers<ChildEnd>();
    actors.set(step, { options: spawnOptions, end: resolve });
    calls.push({ command, options: spawnOptions });
    started.push(step);
    return { pid: started.length, ended: promise, kill: (signal) => void signals.push(`${step} ${signal}`) };
  };
  return {
    world: fakeWorld({ ...options, spawn }),
    calls,
    started,
    signals,
    running: async (): Promise<string[]> => {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      return [...actors.keys()];
    },
    say: (step: string, line: string): void => actors.get(step)?.options.onLine?.(line, "stdout"),
    end: (step: string, code: number | null, signal: string | null = null): void => {
      actors.get(step)?.end({ code, signal });
      actors.delete(step);
    },
  };
}

/** Zombies do not count: nobody can end them any more. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}
