/**
 * Schedules against a server that keeps the truth. Faults and crashes are drawn from a seed; the name of a failing case
 * is its seed, and `SEED=n` runs that one alone.
 */
import { describe, expect, test } from "bun:test";
import type { WantedSchedule } from "../../src/cluster/schedule-identity.ts";
import { applySchedule } from "../../src/cluster/schedules.ts";
import type { Server } from "../../src/cluster/server.ts";
import { isKfkError } from "../../src/error.ts";
import { fakeWorld } from "../fake-world.ts";
import { Crash, type FakeSchedules, fakeSchedules, JOB_FAULTS, type JobFault } from "../judges/kfp-schedules.ts";
import { errorOf } from "./setup-server.ts";
import { generator } from "../random.ts";

const SETTINGS = {
  versionId: "v2",
  cron: "0 0 4 * * *",
  start: null,
  end: null,
  concurrency: 1,
  catchup: true,
  parameters: [{ name: "rate", value: "0.1" }],
} as const;

const WANTED: WantedSchedule = {
  name: "shop",
  experimentId: "e1",
  pipelineId: "p1",
  versionIds: ["v1", "v2"],
  settings: SETTINGS,
};

interface Setup {
  readonly server: Server;
  readonly fake: FakeSchedules;
}

function setUp(
  fault?: (method: string, path: string) => JobFault | undefined,
  random = Math.random,
  idsFirst: readonly string[] = [],
  pageSize = 200,
): Setup {
  let fetch: FakeSchedules["fetch"] | undefined;
  const world = fakeWorld({ fetch: (url, init) => (fetch as FakeSchedules["fetch"])(url, init) });
  let ids = 0;
  const fake = fakeSchedules({
    nowMs: world.clock.nowMs,
    newId: () => idsFirst[ids++] ?? `00000000-0000-4000-8000-${String(ids).padStart(12, "0")}`,
    pageSize,
    behind: async (url) => Response.json(url.includes("/runs") ? {} : { code: 5, message: "no such route" }),
    ...(fault ? { fault } : {}),
  });
  ({ fetch } = fake);
  const server: Server = {
    isStrict: true,
    store: "database",
    isUi: false,
    world: { ...world, newId: () => uuid(random) },
    origin: "http://kfp.test",
    base: "",
    tokenFile: null,
    attemptMs: 30_000,
    budgetMs: 60_000,
    userAgent: "kfk",
    ui: "http://kfp.test",
    version: "2.5.0",
    keepsRunId: true,
    namespace: null,
  };
  return { server, fake };
}

function uuid(random: () => number): string {
  const hex = (): string =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  const [a, b, c, d] = [hex(), hex(), hex(), hex()];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`;
}

const NOTHING_ELSE = { isMoved: false, beside: [], deleted: [], left: [] } as const;
const DAILY = { trigger: { cron_schedule: { cron: "0 0 4 * * *" } }, max_concurrency: "1" };

const enabledOf = ({ jobs }: FakeSchedules): string[] => jobs.filter((each) => each.enabled).map((each) => each.id);

describe("a schedule", () => {
  test("is created disabled, then enabled", async () => {
    const { server, fake } = setUp();
    const { id, ...applied } = await applySchedule(server, WANTED);
    expect(applied).toEqual({ ...NOTHING_ELSE, made: "created" });
    expect(fake.jobs).toMatchObject([
      {
        id,
        enabled: true,
        body: {
          name: "shop",
          enabled: false,
          max_concurrency: "1",
          no_catchup: false,
          trigger: { cron_schedule: { cron: "0 0 4 * * *" } },
          pipeline_spec: { parameters: [{ name: "rate", value: "0.1" }] },
        },
      },
    ]);
  });

  test("with the same settings changes nothing, by one request", async () => {
    const { server, fake } = setUp();
    const first = await applySchedule(server, WANTED);
    fake.requests.length = 0;
    const again = await applySchedule(server, WANTED);
    expect(again).toEqual({ ...NOTHING_ELSE, id: first.id, made: "unchanged" });
    expect(fake.requests).toEqual(["GET /jobs"]);
  });

  const changes = [
    ["cron", { cron: "0 0 5 * * *" }],
    ["version", { versionId: "v1" }],
    ["start", { start: "2026-01-01T00:00:00Z" }],
    ["end", { end: "2036-01-01T00:00:00Z" }],
    ["concurrency", { concurrency: 2 }],
    ["catchup", { catchup: false }],
    ["parameters", { parameters: [] }],
  ] as const;
  test.each(changes)(
    "with another %s takes the place of the one before, which is never enabled beside it",
    async (_, other) => {
      const { server, fake } = setUp();
      const first = await applySchedule(server, WANTED);
      const changed = { ...WANTED, settings: { ...SETTINGS, ...other } };
      const second = await applySchedule(server, changed);
      expect(second).toEqual({ ...NOTHING_ELSE, id: second.id, made: "replaced", deleted: [first.id] });
      expect({ most: fake.mostEnabled(), jobs: fake.jobs.map(({ id }) => id) }).toEqual({ most: 1, jobs: [second.id] });
      expect((await applySchedule(server, changed)).made).toBe("unchanged");
    },
  );

  test("waits with deleting until no run of the one before is in flight", async () => {
    const { server, fake } = setUp();
    const first = await applySchedule(server, WANTED);
    fake.busy.add(first.id);
    const other = { ...WANTED, settings: { ...SETTINGS, concurrency: 3 } };
    const second = await applySchedule(server, other);
    expect(second.left).toEqual([{ id: first.id, reason: `its run run-of-${first.id}-1 has not ended` }]);
    expect({ enabled: enabledOf(fake), killed: fake.killed }).toEqual({ enabled: [second.id], killed: [] });
    fake.busy.clear();
    expect(await applySchedule(server, other)).toEqual({
      ...NOTHING_ELSE,
      id: second.id,
      made: "unchanged",
      deleted: [first.id],
    });
    expect(fake.jobs.map(({ id }) => id)).toEqual([second.id]);
  });

  test("that is paused is made anew, because nobody enables what another made", async () => {
    const { server, fake } = setUp();
    const first = await applySchedule(server, WANTED);
    (fake.jobs[0] as { enabled: boolean }).enabled = false;
    const { id, ...again } = await applySchedule(server, WANTED);
    expect(again).toEqual({ ...NOTHING_ELSE, made: "replaced", deleted: [first.id] });
    expect(fake.jobs.map((each) => [each.id, each.enabled])).toEqual([[id, true]]);
  });

  test.each([
    ["a version of the pipeline", { versionId: "v1" }],
    ["the pipeline alone, as the predecessor makes them", { versionId: "", pipelineId: "p1" }],
    ["a pipeline of the predecessor's name", { versionId: "", pipelineId: "p0" }],
    ["kfk's mark, its version being deleted", { versionId: "v0", description: "made by kfk as x [pipeline p1]" }],
  ])("that is known by %s is continued", async (_, known) => {
    const { server, fake } = setUp();
    const old = fake.add({ name: "shop", experimentId: "e1", enabled: true, body: DAILY, ...known });
    const { id, ...applied } = await applySchedule(server, { ...WANTED, formerIds: ["p0"] });
    expect(applied).toEqual({ ...NOTHING_ELSE, made: "replaced", deleted: [old.id] });
    expect({ enabled: enabledOf(fake), most: fake.mostEnabled() }).toEqual({ enabled: [id], most: 1 });
  });

  test.each([
    ["another pipeline", { versionId: "v9" }, "another pipeline"],
    [
      "another pipeline, with a copied mark",
      { versionId: "v9", pipelineId: "p9", description: "[pipeline p1]" },
      "another pipeline",
    ],
    ["a workflow that was never uploaded", { versionId: "" }, "a workflow that was never uploaded"],
  ])("of that name that runs %s is refused and left alone", async (_, foreign, what) => {
    const { server, fake } = setUp();
    const other = fake.add({ name: "shop", experimentId: "e1", enabled: true, body: DAILY, ...foreign });
    const error = await errorOf(applySchedule(server, WANTED));
    expect([error.code, error.message, error.hint]).toEqual([
      "SERVER_REFUSED",
      `the schedule "shop" (${other.id}) runs ${what}`,
      "set run_config.scheduled_run_name to another name; or, if this one is to take its place, " +
        `kfk schedule pause ${other.id} or kfk schedule rm ${other.id}`,
    ]);
    expect(enabledOf(fake)).toEqual([other.id]);
    other.enabled = false;
    expect((await applySchedule(server, WANTED)).made).toBe("created");
    expect(fake.jobs.map(({ id }) => id)).toContain(other.id);
  });

  test("of that name with an inline workflow in another experiment is left alone, and told", async () => {
    const { server, fake } = setUp();
    const other = fake.add({ name: "shop", experimentId: "e2", versionId: "", enabled: true, body: DAILY });
    const { id, ...applied } = await applySchedule(server, WANTED);
    expect(applied).toEqual({ ...NOTHING_ELSE, made: "created", beside: [other.id] });
    expect(enabledOf(fake)).toEqual([other.id, id]);
  });

  test("is one in whatever experiment: the one of another is replaced", async () => {
    const { server, fake } = setUp();
    const first = await applySchedule(server, WANTED);
    const { id, ...moved } = await applySchedule(server, { ...WANTED, experimentId: "e2" });
    expect(moved).toEqual({ ...NOTHING_ELSE, made: "replaced", isMoved: true, deleted: [first.id] });
    expect(fake.jobs.map((each) => [each.id, each.enabled, each.experimentId])).toEqual([[id, true, "e2"]]);
    expect(fake.mostEnabled()).toBe(1);
  });

  test("made within the same second is newer all the same", async () => {
    for (const ids of [
      ["a", "b"],
      ["b", "a"],
      ["b", "a", "c"],
    ]) {
      const { server, fake } = setUp(undefined, Math.random, ids);
      await applySchedule(server, WANTED);
      const second = await applySchedule(server, { ...WANTED, settings: { ...SETTINGS, concurrency: 2 } });
      expect(fake.jobs.map((each) => [each.id, each.enabled])).toEqual([[second.id, true]]);
    }
  });

  test.each([
    ["0 4 3 * * *", false],
    ["0 34 11 * * *", false],
    ["0 4 4 * * *", false],
    ["0 10 3 * * *", true],
    ["@every 10h", false],
  ])(
    "that ran at %s is deleted at once only when it cannot have fired in the last minute: %p",
    async (cron, isDeleted) => {
      const { server, fake } = setUp(); // its clock starts at 03:04:05
      const first = await applySchedule(server, { ...WANTED, settings: { ...SETTINGS, cron } });
      const other = { ...WANTED, settings: { ...SETTINGS, cron: "0 0 9 * * *" } };
      const second = await applySchedule(server, other);
      expect(second).toEqual({
        ...NOTHING_ELSE,
        id: second.id,
        made: "replaced",
        ...(isDeleted
          ? { deleted: [first.id] }
          : { left: [{ id: first.id, reason: "it may have started a run a moment ago" }] }),
      });
      const last = await applySchedule(server, other);
      expect([last.made, fake.jobs.map(({ id }) => id)]).toEqual(["unchanged", [second.id]]);
    },
  );

  test("with its parameters in another order is the same, by one request", async () => {
    const { server, fake } = setUp();
    const parameters = [
      { name: "rate", value: "0.1" },
      { name: "size", value: "3" },
    ];
    await applySchedule(server, { ...WANTED, settings: { ...SETTINGS, parameters } });
    fake.requests.length = 0;
    const again = await applySchedule(server, {
      ...WANTED,
      settings: { ...SETTINGS, parameters: parameters.toReversed() },
    });
    expect([again.made, fake.requests]).toEqual(["unchanged", ["GET /jobs"]]);
  });

  test("that does not go away when it is deleted is left, and told; the new one holds", async () => {
    const { server, fake } = setUp((method) => (method === "DELETE" ? "500-said" : undefined));
    const first = await applySchedule(server, WANTED);
    const second = await applySchedule(server, { ...WANTED, settings: { ...SETTINGS, concurrency: 2 } });
    expect([second.made, second.left.map(({ id }) => id), enabledOf(fake)]).toEqual([
      "replaced",
      [first.id],
      [second.id],
    ]);
  });

  test("left disabled long ago that the server does not delete stops nothing", async () => {
    const { server, fake } = setUp((method) => (method === "DELETE" ? "500-said" : undefined));
    const old = fake.add({
      name: "shop",
      experimentId: "e1",
      versionId: "v1",
      body: DAILY,
      createdAt: "2025-11-02T03:00:00Z",
    });
    const { id, left } = await applySchedule(server, WANTED);
    expect([left.map((each) => each.id), enabledOf(fake)]).toEqual([[old.id], [id]]);
  });

  test("is seen by every page of the list", async () => {
    const { server, fake } = setUp(undefined, Math.random, [], 1);
    for (const versionId of ["v1", "v1", "v2"])
      fake.add({ name: "shop", experimentId: "e1", versionId, enabled: true, body: DAILY });
    const { id } = await applySchedule(server, WANTED);
    expect(enabledOf(fake)).toEqual([id]);
  });

  test("of another spelling is not touched", async () => {
    const { server, fake } = setUp();
    fake.add({ name: "Shop", experimentId: "e1", versionId: "v1", enabled: true });
    await applySchedule(server, WANTED);
    expect(enabledOf(fake)).toHaveLength(2);
  });

  test("several enabled ones of the name end as one", async () => {
    const { server, fake } = setUp();
    for (const versionId of ["v1", "v1", "v2"])
      fake.add({ name: "shop", experimentId: "e1", versionId, enabled: true, body: DAILY });
    const { id } = await applySchedule(server, WANTED);
    expect(fake.jobs.map((each) => [each.id, each.enabled])).toEqual([[id, true]]);
  });

  test("trouble before anything changed keeps its own status, trouble after it is 6 with the way on", async () => {
    const before = setUp(() => "refused");
    expect((await errorOf(applySchedule(before.server, WANTED))).code).toBe("SERVER_UNREACHABLE");
    const after = setUp((_, path) => (path.endsWith("/enable") ? "refused" : undefined));
    const error = await errorOf(applySchedule(after.server, WANTED));
    expect([error.code, error.status, error.hint]).toEqual([
      "SERVER_OUTCOME",
      6,
      "give the same command again: it goes on from what the server has, and never enables two",
    ]);
  });
});

test("when the server turns the enabling away, what is said is that nothing may fire", async () => {
  const { server, fake } = setUp();
  await applySchedule(server, WANTED);
  const fetch: typeof server.world.fetch = async (url, init) =>
    url.endsWith("/enable")
      ? Response.json({ code: 7, message: "no right", details: [] }, { status: 403 })
      : await server.world.fetch(url, init);
  const other = { ...WANTED, settings: { ...SETTINGS, concurrency: 2 } };
  const error = await errorOf(applySchedule({ ...server, world: { ...server.world, fetch } }, other));
  const made = fake.jobs.at(-1)?.id;
  expect([error.code, error.notes[0]?.message, enabledOf(fake)]).toEqual([
    "SERVER_OUTCOME",
    `the new one, ${made}, is not enabled, and the one before may be disabled: perhaps nothing fires now`,
    [],
  ]);
  expect((await applySchedule(server, other)).deleted).toHaveLength(2);
});

describe("faults and crashes drawn from a seed", () => {
  const RUNS = Number(process.env["SEEDS"] ?? "2000");
  const only = process.env["SEED"];
  test(`${RUNS} schedules: never two enabled, one at the end, no run killed`, async () => {
    const seeds = only === undefined ? Array.from({ length: RUNS }, (_, index) => index + 1) : [Number(only)];
    const bad: string[] = [];
    const ends = new Map<string, number>();
    for (const seed of seeds) {
      const problem = await play(seed, ends);
      if (problem !== undefined) bad.push(`SEED=${seed}: ${problem}`);
    }
    expect(bad).toEqual([]);
    // the draw reaches what it is for
    if (only === undefined)
      for (const end of ["done", "crash", "SERVER_OUTCOME"]) expect(ends.get(end) ?? 0).toBeGreaterThan(RUNS / 10);
  }, 120_000);
});

/** One to four changes of a schedule, each repeated until it ends well; the value is what went wrong. */
async function play(seed: number, ends: Map<string, number>): Promise<string | undefined> {
  const random = generator(seed);
  const rate = [0.05, 0.2, 0.5][Math.floor(random() * 3)] as number;
  let quiet = false;
  const { server, fake } = setUp(
    () => (quiet || random() >= rate ? undefined : JOB_FAULTS[Math.floor(random() * JOB_FAULTS.length)]),
    random,
  );
  if (random() < 0.3)
    fake.add({ name: "shop", experimentId: "e1", versionId: "v1", enabled: random() < 0.7, body: DAILY });
  const changes = 1 + Math.floor(random() * 4);
  for (let change = 0; change < changes; change++) {
    if (random() < 0.3) for (const { id } of fake.jobs) if (random() < 0.5) fake.busy.add(id);
    const settings = {
      ...SETTINGS,
      cron: `0 0 ${Math.floor(random() * 3)} * * *`,
      versionId: random() < 0.5 ? "v1" : "v2",
    };
    for (let tries = 0; ; tries++) {
      if (tries > 12) quiet = true; // whatever it is, it ends some day
      const end = await applyOnce(server, { ...WANTED, settings });
      ends.set(end, (ends.get(end) ?? 0) + 1);
      if (fake.mostEnabled() > 1) return `two enabled after ${end}`;
      if (fake.killed.length > 0) return "a run was killed";
      if (end === "done") break;
      if (tries > 13) return `it does not end: ${end}`;
    }
    const [job, ...more] = fake.jobs.filter((each) => each.enabled);
    if (job === undefined || more.length > 0) return `${more.length + (job ? 1 : 0)} enabled at the end`;
    const trigger = job.body["trigger"] as { cron_schedule: { cron: string } };
    if (trigger.cron_schedule.cron !== settings.cron || job.versionId !== settings.versionId)
      return "a wrong one enabled";
  }
  quiet = true;
  fake.busy.clear();
  const last = fake.jobs.find((each) => each.enabled);
  const trigger = last?.body["trigger"] as { cron_schedule: { cron: string } };
  await applySchedule(server, {
    ...WANTED,
    settings: { ...SETTINGS, cron: trigger.cron_schedule.cron, versionId: last?.versionId ?? "" },
  });
  return fake.jobs.length === 1 ? undefined : `${fake.jobs.length} schedules left`;
}

/** One process: after its crash nothing of it goes on. */
async function applyOnce(server: Server, wanted: WantedSchedule): Promise<string> {
  let isDead = false;
  const crash = Promise.withResolvers<string>();
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (isDead) return await new Promise<never>(() => {});
    try {
      return await server.world.fetch(url, init);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      isDead = true;
      crash.resolve("crash");
      return await new Promise<never>(() => {});
    }
  };
  const work = applySchedule({ ...server, world: { ...server.world, fetch } }, wanted).then(
    () => "done",
    (error: unknown) => {
      if (isKfkError(error)) return error.code;
      throw error;
    },
  );
  return await Promise.race([work, crash.promise]);
}
