/**
 * Several `kfk schedule` at the same time against one server that keeps the truth. Which request comes next, which is
 * late, lost or answered wrongly, who dies, and when a schedule fires is drawn from a seed: `SEED=n` plays that one
 * alone, `SEEDS=n` so many of each kind. Requests of the dead and of those that gave up waiting may still arrive.
 *
 * Held at every point in time: at most one enabled. At the end: exactly one, with the settings of somebody who was told
 * so. Nobody is told that his settings hold without their having been the only ones in force when he last looked.
 */
import { expect, test } from "bun:test";
import type { WantedSchedule } from "../../src/cluster/schedule-identity.ts";
import { applySchedule } from "../../src/cluster/schedules.ts";
import type { Server } from "../../src/cluster/server.ts";
import { isKfkError } from "../../src/error.ts";
import { fakeWorld } from "../fake-world.ts";
import { Crash, type FakeJob, fakeSchedules, JOB_FAULTS } from "../judges/kfp-schedules.ts";
import { generator } from "../random.ts";

const RUNS = Number(process.env["SEEDS"] ?? "600");
const ONLY = process.env["SEED"];
const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

interface Kind {
  readonly name: string;
  readonly faults: boolean;
  readonly kind: "argo" | "ir";
  readonly isStrict: boolean;
}

const KINDS: readonly Kind[] = [
  { name: "no faults", faults: false, kind: "argo", isStrict: true },
  { name: "faults, crashes and late requests", faults: true, kind: "argo", isStrict: true },
  { name: "faults on a server of before 2.14", faults: true, kind: "argo", isStrict: false },
  { name: "faults on v2beta1", faults: true, kind: "ir", isStrict: true },
];

test.each(KINDS)(
  `two and three at once, $name: ${RUNS} seeds`,
  async (kind) => {
    const seeds = ONLY === undefined ? Array.from({ length: RUNS }, (_, index) => index + 1) : [Number(ONLY)];
    const bad: string[] = [];
    const ends = new Map<string, number>();
    for (const seed of seeds) {
      const problem = await play(seed, kind, ends);
      if (problem !== undefined) bad.push(`SEED=${seed}: ${problem}`);
    }
    if (process.env["FIGURES"] !== undefined) console.log(kind.name, Object.fromEntries(ends));
    expect(bad).toEqual([]);
    // the draw reaches what it is for
    const reached = ["ok", "SCHEDULE_BUSY", ...(kind.faults ? ["crash", "SERVER_OUTCOME"] : [])];
    if (ONLY === undefined) for (const end of reached) expect(ends.get(end) ?? 0).toBeGreaterThan(RUNS / 50);
  },
  600_000,
);

type End = "ok" | "crash" | "SCHEDULE_BUSY" | (string & {});

interface Client {
  readonly wanted: WantedSchedule;
  /** What was in force at its last looks, the newest last. */
  readonly seen: (string | null)[];
  end: End | undefined;
}

interface Action {
  readonly owner: Client;
  /** null: a request, which may arrive at any time. */
  readonly atMs: number | null;
  readonly go: () => Promise<void>;
}

/** The value is what went wrong. */
async function play(seed: number, kind: Kind, ends: Map<string, number>): Promise<string | undefined> {
  const random = generator(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const rate = kind.faults ? pick([0, 0.03, 0.15]) : 0;
  const late = kind.faults ? pick([0, 0.1]) : 0;
  const skewMs = random() < 0.2 ? 4000 : 0;
  const actions = new Set<Action>();
  let elapsedMs = 0;
  let quiet = false;
  const fake = fakeSchedules({
    nowMs: () => START_MS + elapsedMs + Math.floor((random() - 0.5) * skewMs),
    newId: () => uuid(random),
    behind: async () => Response.json({}),
    fault: (_, path) =>
      quiet || random() >= rate ? undefined : pick(path.endsWith("/enable") ? JOB_FAULTS.slice(1) : JOB_FAULTS),
  });

  const worldOf = (owner: Client): Server["world"] => ({
    ...fakeWorld(),
    newId: () => uuid(random),
    clock: {
      nowMs: () => START_MS + elapsedMs,
      monotonicMs: () => elapsedMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const action: Action = {
            owner,
            atMs: elapsedMs + ms,
            go: () => {
              elapsedMs = Math.max(elapsedMs, elapsedMs < (action.atMs ?? 0) ? (action.atMs ?? 0) : 0);
              resolve();
              return Promise.resolve();
            },
          };
          if (signal?.aborted) return resolve();
          actions.add(action);
          signal?.addEventListener("abort", () => {
            actions.delete(action);
            resolve();
          });
        }),
    },
    fetch: (url, init) =>
      new Promise((resolve, reject) => {
        init.signal?.addEventListener("abort", () => reject(new DOMException("too late", "TimeoutError")));
        actions.add({
          owner,
          atMs: null,
          go: async () => {
            try {
              const answer = await fake.fetch(url, init);
              if (init.method === "GET" && /\/(jobs|recurringruns)\?/.test(url)) owner.seen.push(inForce(fake.jobs));
              resolve(answer);
            } catch (error) {
              if (!(error instanceof Crash)) return reject(error as Error);
              owner.end = "crash";
              for (const each of [...actions]) if (each.owner === owner && each.atMs !== null) actions.delete(each);
            }
          },
        });
      }),
  });
  const start = (owner: Client, afterMs: number): void => {
    const world = worldOf(owner);
    void world.clock
      .sleep(afterMs)
      .then(() => applySchedule(serverOf(world, kind.isStrict), owner.wanted))
      .then(
        () => (owner.end ??= "ok"),
        (error: unknown) => (owner.end ??= isKfkError(error) ? error.code : String(error)),
      );
  };
  const tick = (): void => {
    for (const { id, enabled } of fake.jobs) {
      if (enabled && random() < 0.3) fake.busy.add(id);
      else if (random() < 0.3) fake.busy.delete(id);
    }
  };
  const run = async (clients: readonly Client[]): Promise<string | undefined> => {
    for (let steps = 0; steps < 20_000; steps++) {
      await settled();
      if (fake.mostEnabled() > 1) return "two were enabled at once";
      if (clients.every(({ end }) => end !== undefined)) return undefined;
      if (!quiet && random() < 0.05) tick();
      const requests = [...actions].filter(({ atMs }) => atMs === null);
      const sleepers = [...actions].filter(({ atMs }) => atMs !== null);
      const first = sleepers.toSorted((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0))[0];
      const living = requests.filter(({ owner }) => owner.end === undefined);
      const isSoon = first !== undefined && (first.atMs ?? 0) - elapsedMs <= 5000;
      const isLate = living.length === 0 || random() < (quiet ? 0 : isSoon ? 0.2 : late);
      const next = isLate && first !== undefined ? first : pick(requests.length > 0 ? requests : sleepers);
      if (next === undefined) return "everybody waits for nothing";
      actions.delete(next);
      await next.go();
    }
    return "it does not end";
  };

  if (random() < 0.6) {
    fake.add({
      name: "shop",
      experimentId: "e1",
      versionId: "v1",
      enabled: random() < 0.8,
      body: body(7),
      ...old(random),
    });
  }
  if (random() < 0.3) fake.add({ name: "shop", experimentId: "e1", versionId: "v1", body: body(8), ...old(random) });
  for (const { id } of fake.jobs) if (random() < 0.3) fake.busy.add(id);
  const clients: Client[] = Array.from({ length: random() < 0.5 ? 2 : 3 }, () => ({
    wanted: wantedOf(kind, Math.floor(random() * 4), random() < 0.15 ? "e2" : "e1"),
    seen: [],
    end: undefined,
  }));
  for (const client of clients) start(client, random() < 0.5 ? 0 : Math.floor(random() * 5000));
  const problem = await run(clients);
  for (const { end } of clients) ends.set(end ?? "", (ends.get(end ?? "") ?? 0) + 1);
  if (problem !== undefined) return problem;
  for (const { end, seen, wanted } of clients) {
    if (end === "ok" && !seen.slice(-2).includes(keyOf(wanted)))
      return `told that it holds, and it did not: ${seen.slice(-2)}`;
  }
  const agreed = clients.every(({ end }) => end === "ok" || end === "SCHEDULE_BUSY");
  const told = clients.filter(({ end }) => end === "ok");
  const checkEnd = (): string | undefined => {
    const on = fake.jobs.filter(({ enabled }) => enabled);
    if (on.length !== 1) return `${on.length} enabled at the end of ${clients.map(({ end }) => end)}`;
    const force = inForce(fake.jobs);
    return told.some(({ wanted }) => keyOf(wanted) === force) ? undefined : "nobody was told of the one in force";
  };
  if (agreed && told.length === 0) return "nobody was told that it holds";
  const early = agreed ? checkEnd() : undefined;
  if (early !== undefined) return early;
  if (!kind.faults && !agreed) return `ended with ${clients.map(({ end }) => end)}`;
  // what was on its way arrives
  for (const each of [...actions].filter(({ atMs }) => atMs === null)) {
    actions.delete(each);
    await each.go();
    await settled();
    if (fake.mostEnabled() > 1) return "two were enabled by a late request";
  }
  if (agreed) {
    const problemLate = checkEnd();
    if (problemLate !== undefined) return `after late requests: ${problemLate}`;
  }
  if (fake.killed.length > 0) {
    ends.set("a run killed", (ends.get("a run killed") ?? 0) + 1);
    if (kind.isStrict) return "a run was killed";
  }
  quiet = true;
  actions.clear();
  elapsedMs += 60_000;
  for (let again = 0; again < 2; again++) {
    if (again === 1) fake.busy.clear();
    const healer: Client = { wanted: wantedOf(kind, 1, "e1"), seen: [], end: undefined };
    start(healer, 0);
    const stuck = await run([healer]);
    if (stuck !== undefined || healer.end !== "ok") return `the repeated command ends with ${stuck ?? healer.end}`;
    if (inForce(fake.jobs) !== keyOf(healer.wanted)) return "the repeated command does not hold";
  }
  return fake.jobs.length === 1 ? undefined : `${fake.jobs.length} schedules left`;
}

function wantedOf({ kind }: Kind, hour: number, experimentId: string): WantedSchedule {
  return {
    name: "shop",
    experimentId,
    pipelineId: "p1",
    versionIds: ["v1"],
    kind,
    settings: {
      versionId: "v1",
      cron: `0 0 ${hour + 10} * * *`,
      start: null,
      end: null,
      concurrency: 1,
      catchup: true,
      parameters: [],
    },
  };
}

function keyOf({ settings, experimentId }: WantedSchedule): string {
  return `${settings.cron} in ${experimentId}`;
}

function inForce(jobs: readonly FakeJob[]): string | null {
  const [on, ...more] = jobs.filter(({ enabled }) => enabled);
  const trigger = on?.body["trigger"] as { cron_schedule: { cron: string } } | undefined;
  return on === undefined || more.length > 0 ? null : `${trigger?.cron_schedule.cron} in ${on.experimentId}`;
}

function body(hour: number): Readonly<Record<string, unknown>> {
  return { trigger: { cron_schedule: { cron: `0 0 ${hour} * * *` } }, max_concurrency: "1" };
}

function old(random: () => number): { createdAt: string } {
  const ageMs = random() < 0.3 ? 0 : 86_400_000;
  return { createdAt: new Date(START_MS - ageMs).toISOString().slice(0, 19) + "Z" };
}

function serverOf(world: Server["world"], isStrict: boolean): Server {
  return {
    world,
    isStrict,
    store: "database",
    isUi: false,
    origin: "http://kfp.test",
    base: "",
    tokenFile: null,
    attemptMs: 30_000,
    budgetMs: 60_000,
    userAgent: "kfk",
    ui: "http://kfp.test",
    version: null,
    keepsRunId: true,
    namespace: null,
  };
}

/** After everything that can go on without time or an answer has gone on. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 2; turns++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

function uuid(random: () => number): string {
  const hex = (): string =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  const [a, b, c, d] = [hex(), hex(), hex(), hex()];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`;
}
