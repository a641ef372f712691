import { expect, test } from "bun:test";
import { explainFailure, readReason } from "../../src/cluster/failure.ts";
import { uploadPipeline } from "../../src/cluster/pipelines.ts";
import { createRun, fetchRun } from "../../src/cluster/runs.ts";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { connect, type Server } from "../../src/cluster/server.ts";
import { describeEnd, waitForRun } from "../../src/cluster/wait.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { modelKfp, type Moment } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { DOCUMENT, setUp } from "./setup-server.ts";

const DAY_MS = 86_400_000;
const RUN = "00000000-0000-4000-8000-00000000abcd";

/** A run on a server that is in this process. `wrap`: what stands between. */
async function startRun(
  script: readonly Moment[],
  wrap: (url: string, init: RequestInit, next: () => Promise<Response>) => Promise<Response> = (_, __, next) => next(),
): Promise<{ readonly server: Server; readonly world: FakeWorld; readonly id: string; readonly forget: () => void }> {
  let now = (): number => 0;
  const model = modelKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => now() });
  model.setScript(script);
  const world = fakeWorld();
  const outside = {
    ...world,
    fetch: (url: string, init: RequestInit) => wrap(url, init, () => model.handle(new Request(url, init))),
  };
  now = world.clock.monotonicMs;
  const server = await connect(outside, { host: "http://kfp" });
  const { versionId } = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
  const experiment = await ensureExperiment(server, "shop");
  const { id } = await createRun(server, {
    name: "shop",
    experimentId: experiment.id,
    source: { versionId },
    parameters: [],
  });
  return { server, world, id, forget: () => void ((model.requests as unknown[]).length = 0) };
}

test("a run whose schedule is gone and that stands still is unknown, not waited for to the end", async () => {
  const run = (id: string): unknown => ({
    run: {
      id,
      status: "Running",
      resource_references: [
        { key: { type: "JOB", id: "11111111-0000-4000-8000-000000000000" }, relationship: "CREATOR" },
      ],
    },
  });
  for (const [isGone, verdict] of [
    [true, "unknown"],
    [false, "timeout"],
  ] as const) {
    const world = fakeWorld({
      fetch: (url) => {
        if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
        if (url.includes("/jobs/"))
          return Promise.resolve(Response.json({ code: 5, message: "no" }, { status: isGone ? 404 : 503 }));
        return Promise.resolve(Response.json(run(RUN)));
      },
    });
    const server = await connect(world, { host: "http://kfp" });
    const end = await waitForRun(server, RUN, { timeoutMs: DAY_MS });
    expect([end.verdict, end.elapsedMs < 2_000_000]).toEqual([verdict, isGone]);
    expect(describeEnd(server, end)?.status).toBe(isGone ? 6 : 124);
  }
});

test.each([
  ["a run that then goes on", 60_000, "succeeded", null],
  [
    "one that nobody ever looks at",
    Infinity,
    "unknown",
    "the server gives no state for it: Argo has not looked at it yet",
  ],
] as const)(
  "Unknown, which v1beta1 calls a run without a state, is waited through: %s",
  async (_, untilMs, verdict, message) => {
    const told: (string | null)[] = [];
    const world = fakeWorld({
      fetch: (url) => {
        if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
        const status = world.clock.monotonicMs() < untilMs ? "Unknown" : "Succeeded";
        return Promise.resolve(Response.json({ run: { id: RUN, status, finished_at: "1970-01-01T00:00:00Z" } }));
      },
    });
    const server = await connect(world, { host: "http://kfp" });
    expect((await fetchRun(server, RUN)).status).toBe("");
    const end = await waitForRun(server, RUN, { timeoutMs: DAY_MS, onProgress: ({ outage }) => told.push(outage) });
    expect([end.verdict, end.message]).toEqual([verdict, message]);
    expect(told[0]).toBe(null);
  },
);

test.each([
  ["succeeded", "SUCCEEDED"],
  ["failed", "FAILED"],
  ["cancelled", "CANCELED"],
  ["failed", "Error"],
  ["cancelled", "Terminated"],
  ["unknown", "Skipped"],
  ["unknown", "OMITTED"],
  ["cancelled", "Cancelled"],
] as const)("is %s for the word %s", async (verdict, state) => {
  const { server, id } = await startRun([
    { t: 0, state: "Running" },
    { t: 5, state },
  ]);
  expect((await waitForRun(server, id, { timeoutMs: DAY_MS })).verdict).toBe(verdict);
});

test("a run that was stopped, retried and then failed has failed", async () => {
  const { server, id } = await startRun([
    { t: 0, state: "Running" },
    { t: 5, state: "Terminating" },
    { t: 20, state: "Running" },
    { t: 60, state: "Failed" },
  ]);
  expect((await waitForRun(server, id, { timeoutMs: DAY_MS })).verdict).toBe("failed");
});

test("a server that wants to be left alone is, but not for long", async () => {
  for (const [asked, rested] of [
    ["90", 90_000],
    ["90000", 120_000],
  ] as const) {
    const at: number[] = [];
    const { server, world, id } = await startRun([{ t: 0, state: "Running" }], (url, _, next) => {
      if (!url.includes(`/runs/`)) return next();
      at.push(world.clock.monotonicMs());
      const busy = new Response("", { status: 429, headers: { "retry-after": asked } });
      return at.length === 1 ? Promise.resolve(busy) : next();
    });
    await waitForRun(server, id, { timeoutMs: 300_000, seen: true });
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBe(rested);
  }
});

test("the card of a failure comes within 3 s although no log route and no list answers, and nothing goes on behind it", async () => {
  let open = 0;
  const { server, world, id } = await startRun(
    [
      { t: 0, state: "Running" },
      { t: 5, state: "Failed" },
    ],
    async (url, init, next) => {
      if (!url.includes("/log") && !url.includes("artifacts") && !/runs\?/.test(url)) return await next();
      open++;
      await world.clock.sleep(600_000, init.signal ?? undefined);
      open--;
      throw init.signal?.reason;
    },
  );
  const end = await waitForRun(server, id, { timeoutMs: DAY_MS });
  const beforeMs = world.clock.monotonicMs();
  const failure = await explainFailure(server, end);
  expect([world.clock.monotonicMs() - beforeMs <= 3000, open]).toEqual([true, 0]);
  expect(failure.steps.map((step) => [step.step, step.reason, step.logMissing !== null])).toEqual([
    ["train", "exit code 1", true],
  ]);
});

test.each([
  ["1.8.22", "a version"],
  ["2.0.5", "a version"],
  ["2.17.0", "a version"],
  ["1.8.22", "no upload"],
  ["2.17.0", "no upload"],
] as const)("on %s a failure is compared with the last older success of its pipeline (%s)", async (version, from) => {
  const { fake, world, connect } = setUp(version);
  const server = await connect();
  const { id: experimentId } = await ensureExperiment(server, "shop");
  const start = async (end: string, alpha: string, origin: string, text: string): Promise<string> => {
    fake.setScript([{ t: 0, state: end }]);
    const { versionId } = await uploadPipeline(server, { name: origin, text });
    const workflowJson = JSON.stringify(Bun.YAML.parse(text));
    const { id } = await createRun(server, {
      name: origin,
      experimentId,
      source: from === "a version" ? { versionId } : { workflowJson },
      parameters: [{ name: "alpha", value: alpha }],
      origin: { project: origin, env: "local", commit: null },
    });
    await world.clock.advance(2000);
    return id;
  };
  const first = await start("Succeeded", "0.1", "shop", DOCUMENT);
  await start("Succeeded", "7", "other", DOCUMENT);
  const failed = await start("Failed", "0.2", "shop", DOCUMENT.replace("hello", "hullo"));
  await start("Succeeded", "0.3", "shop", DOCUMENT.replace("hello", "hallo"));
  const failure = await explainFailure(server, await waitForRun(server, failed, { timeoutMs: DAY_MS }));
  expect([failure.lastSuccess, failure.changed]).toEqual([first, [["alpha", "0.1", "0.2"]]]);
});

test.each([
  ["OOMKilled (exit code 137)", 137, "OOMKilled: it used more memory than its limit"],
  ["main: Error (exit code 137)", 137, "killed, mostly for using too much memory (exit code 137)"],
  ['ImagePullBackOff: Back-off pulling image "x"', null, "ImagePullBackOff: its image cannot be pulled"],
  ["Pod was active on the node longer than the specified deadline", null, "deadline: it ran longer than allowed"],
  ["The node was low on resource: memory.", null, "evicted: its machine ran short of something"],
  ["main: Error (exit code 91)", 91, "the image is not of the same state as this pipeline (exit code 91)"],
  ["something new", null, "something new"],
  [null, null, "no reason given"],
] as const)("reads %s", (message, exitCode, reason) => {
  expect(readReason(message, exitCode).reason).toBe(reason);
});

test("an hour of waiting takes no memory and little time", async () => {
  const { server, id, forget } = await startRun([
    { t: 0, state: "Running" },
    { t: 3600, state: "Succeeded" },
  ]);
  const before = process.cpuUsage();
  let bytes = 0;
  const end = await waitForRun(server, id, {
    timeoutMs: DAY_MS,
    seen: true,
    onProgress: ({ elapsedMs }) => {
      if (bytes !== 0 || elapsedMs < 60_000) return;
      forget();
      Bun.gc(true);
      bytes = process.memoryUsage().heapUsed;
    },
  });
  forget();
  Bun.gc(true);
  const cpu = process.cpuUsage(before);
  expect([end.verdict, (await fetchRun(server, id)).status]).toEqual(["succeeded", "Succeeded"]);
  expect(process.memoryUsage().heapUsed - bytes).toBeLessThan(5 * 1024 * 1024);
  expect((cpu.user + cpu.system) / 1e6).toBeLessThan(2);
});
