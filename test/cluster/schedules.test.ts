/**
 * Schedules against a server that keeps the truth. Faults and crashes are drawn from a seed; the name of a failing case
 * is its seed, and `SEED=n` runs that one alone.
 */
import { describe, expect, test } from "bun:test";
import { applySchedule, type WantedSchedule } from "../../src/cluster/schedules.ts";
import type { Server } from "../../src/cluster/server.ts";
import { isKfkError } from "../../src/error.ts";
import { fakeWorld } from "../fake-world.ts";
import { Crash, type FakeSchedules, fakeSchedules, type JobFault } from "../judges/kfp-schedules.ts";
import { errorOf } from "./setup-server.ts";

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

function setUp(fault?: (method: string, path: string) => JobFault | undefined, random = Math.random): Setup {
  let fetch: FakeSchedules["fetch"] | undefined;
  const world = fakeWorld({ fetch: (url, init) => (fetch as FakeSchedules["fetch"])(url, init) });
  let ids = 0;
  const fake = fakeSchedules({
    nowMs: world.clock.nowMs,
    newId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
    behind: async (url) =>
      url.includes("/pipeline_versions/")
        ? Response.json({ id: "v9", name: "foreign" })
        : Response.json(url.includes("/runs") ? {} : { code: 5, message: "no such route" }),
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

const enabledOf = ({ jobs }: FakeSchedules): string[] => jobs.filter((each) => each.enabled).map((each) => each.id);

describe("a schedule", () => {
  test("is created disabled, then enabled", async () => {
    const { server, fake } = setUp();
    const { id, ...applied } = await applySchedule(server, WANTED);
    expect(applied).toEqual({ made: "created", deleted: [], left: [] });
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
    expect(again).toEqual({ id: first.id, made: "unchanged", deleted: [], left: [] });
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
      expect(second).toEqual({ id: second.id, made: "replaced", deleted: [first.id], left: [] });
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
      id: second.id,
      made: "unchanged",
      deleted: [first.id],
      left: [],
    });
    expect(fake.jobs.map(({ id }) => id)).toEqual([second.id]);
  });

  test("that is paused is resumed, not made again", async () => {
    const { server, fake } = setUp();
    const { id } = await applySchedule(server, WANTED);
    (fake.jobs[0] as { enabled: boolean }).enabled = false;
    expect(await applySchedule(server, WANTED)).toEqual({ id, made: "resumed", deleted: [], left: [] });
  });

  test("of the predecessor's making is continued: same name, no mark", async () => {
    const { server, fake } = setUp();
    const body = { trigger: { cron_schedule: { cron: "0 0 4 * * *" } }, max_concurrency: "1" };
    const old = fake.add({ name: "shop", experimentId: "e1", versionId: "v1", enabled: true, body });
    const { id, ...applied } = await applySchedule(server, WANTED);
    expect(applied).toEqual({ made: "replaced", deleted: [old.id], left: [] });
    expect({ enabled: enabledOf(fake), most: fake.mostEnabled() }).toEqual({ enabled: [id], most: 1 });
  });

  test("of that name that runs another pipeline is refused and left alone", async () => {
    const { server, fake } = setUp();
    const other = fake.add({ name: "shop", experimentId: "e1", versionId: "v9", enabled: true });
    const error = await errorOf(applySchedule(server, WANTED));
    expect([error.code, error.message]).toEqual([
      "SERVER_REFUSED",
      `the schedule "shop" (${other.id}) runs another pipeline`,
    ]);
    expect(enabledOf(fake)).toEqual([other.id]);
  });

  test("of that name in another experiment or another spelling is not touched", async () => {
    const { server, fake } = setUp();
    fake.add({ name: "shop", experimentId: "e2", versionId: "v1", enabled: true });
    fake.add({ name: "Shop", experimentId: "e1", versionId: "v1", enabled: true });
    await applySchedule(server, WANTED);
    expect(enabledOf(fake)).toHaveLength(3);
  });

  test("several enabled ones of the name end as one", async () => {
    const { server, fake } = setUp();
    for (const versionId of ["v1", "v1", "v2"])
      fake.add({ name: "shop", experimentId: "e1", versionId, enabled: true });
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

const FAULTS: readonly JobFault[] = [
  "refused",
  "reset",
  "acted-reset",
  "acted-cut",
  "acted-502",
  "502",
  "503",
  "429",
  "html",
  "500-said",
  "crash",
  "acted-crash",
];

/** One to four changes of a schedule, each repeated until it ends well; the value is what went wrong. */
async function play(seed: number, ends: Map<string, number>): Promise<string | undefined> {
  const random = generator(seed);
  const rate = [0.05, 0.2, 0.5][Math.floor(random() * 3)] as number;
  let quiet = false;
  const { server, fake } = setUp(
    () => (quiet || random() >= rate ? undefined : FAULTS[Math.floor(random() * FAULTS.length)]),
    random,
  );
  if (random() < 0.3) fake.add({ name: "shop", experimentId: "e1", versionId: "v1", enabled: random() < 0.7 });
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

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
