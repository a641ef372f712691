/** What gives the login hangs or fails in the middle: limits hold, and nothing is taken for sent that was not. */
import { expect, test } from "bun:test";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { explainFailure } from "../../src/cluster/failure.ts";
import { uploadPipeline } from "../../src/cluster/pipelines.ts";
import type { LoginHeaders } from "../../src/cluster/request.ts";
import { createRun } from "../../src/cluster/runs.ts";
import { makeSecret } from "../../src/cluster/secret.ts";
import { connect, type Server } from "../../src/cluster/server.ts";
import { describeEnd, waitForRun } from "../../src/cluster/wait.ts";
import { KfkError } from "../../src/error.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { modelKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { DOCUMENT } from "./setup-server.ts";

const RUN = "00000000-0000-4000-8000-00000000abcd";
const LOGIN: LoginHeaders = { authorization: makeSecret("Bearer t") };

interface Scene {
  readonly server: Server;
  readonly world: FakeWorld;
  /** What the login does from now on. */
  readonly login: { next: (again: boolean) => Promise<LoginHeaders> };
  readonly seen: string[];
}

/** A server whose run goes on. `answer`: instead of its own. */
async function scene(answer?: (path: string, world: FakeWorld) => Response | undefined): Promise<Scene> {
  const seen: string[] = [];
  const login: Scene["login"] = { next: () => Promise.resolve(LOGIN) };
  const world: FakeWorld = fakeWorld({
    fetch: (url, { method }) => {
      const path = url.replace("http://kfp", "");
      seen.push(`${method} ${path}`);
      if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
      const run = { id: RUN, status: "Running", created_at: "2026-01-01T00:00:00Z" };
      return Promise.resolve(answer?.(path, world) ?? Response.json({ run }));
    },
  });
  const server = await connect(world, { host: "http://kfp", login: (_, again) => login.next(again) });
  return { server, world, login, seen };
}

const never = (): Promise<never> => new Promise(() => {});

test.each([
  ["--timeout", { timeoutMs: 100_000 }, "timeout", 124, 102_000],
  ["--outage", { timeoutMs: 86_400_000, outageMs: 100_000 }, "unknown", 6, 102_000],
] as const)("%s holds while a new login hangs", async (_, limits, verdict, status, atMostMs) => {
  const { server, login } = await scene();
  login.next = never;
  const end = await waitForRun(server, RUN, { ...limits, seen: true });
  expect([end.verdict, describeEnd(server, end)?.status, end.elapsedMs <= atMostMs]).toEqual([verdict, status, true]);
  expect(end.message).toStartWith("cannot reach http://kfp: no new login within ");
});

test("a signal ends a wait while a new login hangs", async () => {
  const { server, world, login } = await scene();
  login.next = never;
  const stop = new AbortController();
  void world.clock.sleep(50_000).then(() => stop.abort());
  const end = await waitForRun(server, RUN, { timeoutMs: 86_400_000, seen: true, signal: stop.signal });
  expect([end.verdict, end.elapsedMs]).toEqual(["interrupted", 50_000]);
});

test("a signal that ends the program which is asked for a login ends the wait as well", async () => {
  const { server, world, login } = await scene();
  const stop = new AbortController();
  login.next = async () => {
    await world.clock.sleep(5000);
    stop.abort();
    throw new KfkError("INTERRUPTED", "interrupted while p was asked for a login; it was ended");
  };
  const end = await waitForRun(server, RUN, { timeoutMs: 86_400_000, signal: stop.signal });
  expect(end.verdict).toBe("interrupted");
});

test("a login that comes late is joined, and the wait goes on", async () => {
  const { server, world, login } = await scene((_, { clock }) =>
    clock.monotonicMs() < 300_000 ? undefined : Response.json({ run: { id: RUN, status: "Succeeded" } }),
  );
  const late = world.clock.sleep(200_000).then(() => LOGIN);
  login.next = () => late;
  const told: (string | null)[] = [];
  const end = await waitForRun(server, RUN, {
    timeoutMs: 86_400_000,
    seen: true,
    onProgress: ({ outage }) => told.push(outage),
  });
  expect([end.verdict, told[0], told.at(-1)]).toEqual([
    "succeeded",
    "cannot reach http://kfp: no new login within 30 s (GET /apis/v1beta1/runs/RUN: 1 attempt)".replace("RUN", RUN),
    null,
  ]);
});

const WANTED = { name: "shop", experimentId: "e", source: { versionId: "v" }, parameters: [] } as const;

test.each([
  ["hangs", never, "SERVER_UNREACHABLE", 5],
  ["fails", () => Promise.reject(new KfkError("SERVER_LOGIN", "no")), "SERVER_LOGIN", 4],
] as const)("nothing is created when a new login %s before", async (_, next, code, status) => {
  const { server, login, seen } = await scene();
  login.next = next;
  const error = (await createRun(server, WANTED).catch((thrown: unknown) => thrown)) as KfkError;
  expect([error.code, error.status, seen.filter((each) => each.startsWith("POST"))]).toEqual([code, status, []]);
});

test("a login that was refused and whose successor hangs is no answer of the server", async () => {
  const { server, login, seen } = await scene((path) =>
    path.includes("/runs") ? new Response("Jwt is expired", { status: 401 }) : undefined,
  );
  login.next = (again) => (again ? never() : Promise.resolve(LOGIN));
  const error = (await createRun(server, WANTED).catch((thrown: unknown) => thrown)) as KfkError;
  expect([error.code, seen.filter((each) => each.startsWith("POST")).length]).toEqual(["SERVER_UNREACHABLE", 1]);
});

test("the first login may take a person's time", async () => {
  const world = fakeWorld({ fetch: () => Promise.resolve(Response.json({ tag_name: "2.5.0" })) });
  const login = async (): Promise<LoginHeaders> => {
    await world.clock.sleep(300_000);
    return LOGIN;
  };
  const { version } = await connect(world, { host: "http://kfp", login, requestTimeoutMs: 1000 });
  expect(version).toBe("2.5.0");
});

test("a login that fails while the schedule of a run is looked for ends no wait", async () => {
  const job = { key: { type: "JOB", id: "11111111-0000-4000-8000-000000000000" }, relationship: "CREATOR" };
  const { server, login, world } = await scene((path) =>
    path.includes("/jobs/")
      ? new Response("no", { status: 503 })
      : Response.json({ run: { id: RUN, status: "Running", resource_references: [job] } }),
  );
  let asked = 0;
  login.next = () => {
    asked++;
    // from then on every second question has no login: one of them is the one about the schedule
    const isAway = world.clock.monotonicMs() > 1_790_000 && world.clock.monotonicMs() < 1_830_000 && asked % 2 === 0;
    return isAway ? Promise.reject(new KfkError("SERVER_LOGIN", "away")) : Promise.resolve(LOGIN);
  };
  const end = await waitForRun(server, RUN, { timeoutMs: 7_200_000 });
  expect(end.verdict).toBe("timeout");
});

test("a run that failed has failed, although there is no login any more for its logs", async () => {
  let next = (): Promise<LoginHeaders> => Promise.resolve(LOGIN);
  let now = (): number => 0;
  const model = modelKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => now() });
  const world: FakeWorld = fakeWorld({ fetch: (url, init) => model.handle(new Request(url, init)) });
  now = world.clock.monotonicMs;
  model.setScript([
    { t: 0, state: "Running" },
    { t: 5, state: "Failed" },
  ]);
  const server = await connect(world, { host: "http://kfp", login: () => next() });
  const { versionId } = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
  const { id: experimentId } = await ensureExperiment(server, "shop");
  const { id } = await createRun(server, { ...WANTED, experimentId, source: { versionId } });
  const end = await waitForRun(server, id, { timeoutMs: 86_400_000 });
  next = () => Promise.reject(new KfkError("SERVER_LOGIN", "the login ended"));
  const { steps } = await explainFailure(server, end);
  expect([end.verdict, steps.map(({ step, logMissing }) => [step, logMissing])]).toEqual([
    "failed",
    [["train", "the login ended"]],
  ]);
});
