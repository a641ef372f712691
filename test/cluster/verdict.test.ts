/** What ends mean: the words of both APIs, the history of v2beta1, every recorded run, and the end before a retry. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/cluster/server.ts";
import { waitForRun, type Verdict } from "../../src/cluster/wait.ts";
import { fakeWorld } from "../fake-world.ts";
import { errorOf } from "./setup-server.ts";

const DAY_MS = 86_400_000;
const RUN = "00000000-0000-4000-8000-00000000abcd";
const WORKFLOW = { metadata: { name: "w" }, spec: {}, status: { phase: "Failed", nodes: {} } };
const STOPPED = { ...WORKFLOW, spec: { activeDeadlineSeconds: 0 } };

interface Shown {
  readonly status: string;
  readonly manifest?: unknown;
  readonly finishedAt?: string;
}

/** Waits for a run on a server that shows what `at` says at a moment, and on v2beta1 what `history` says. */
async function verdictAt(
  at: (ms: number) => Shown | Response,
  history: (ms: number) => readonly string[] | Response,
  options: Partial<Parameters<typeof waitForRun>[2]> = {},
) {
  const world = fakeWorld({
    fetch: (url) => {
      const now = world.clock.monotonicMs();
      if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
      if (url.includes("/v2beta1/")) {
        const states = history(now);
        if (states instanceof Response) return Promise.resolve(states);
        const entries = states.map((state) => ({ update_time: "2026-01-01T00:00:00Z", ...(state ? { state } : {}) }));
        return Promise.resolve(Response.json({ run_id: RUN, state: states.at(-1), state_history: entries }));
      }
      const shown = at(now);
      if (shown instanceof Response) return Promise.resolve(shown);
      const { status, manifest, finishedAt } = shown;
      const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
      return Promise.resolve(
        Response.json({
          run: { id: RUN, name: "r", ...(status === "" ? {} : { status }), finished_at: finishedAt ?? "" },
          ...(manifest === undefined ? {} : { pipeline_runtime: { workflow_manifest: text } }),
        }),
      );
    },
  });
  const server = await connect(world, { host: "http://kfp" });
  const end = await waitForRun(server, RUN, { timeoutMs: DAY_MS, seen: true, ...options });
  return { verdict: end.verdict, message: end.message, elapsedMs: end.elapsedMs };
}

const busy = (): Response => new Response("no upstream", { status: 503 });
const shut = (): Response => new Response("no", { status: 403 });
const nowhere = (): Response => Response.json({ code: 5, message: "no", details: [] }, { status: 404 });

describe("a run that is called failed", () => {
  test.each<[string, unknown, () => readonly string[] | Response, Verdict]>([
    [
      "no manifest, CANCELING before FAILED",
      undefined,
      () => ["PENDING", "RUNNING", "CANCELING", "FAILED"],
      "cancelled",
    ],
    [
      "a cut manifest, CANCELING before FAILED",
      '{"metadata":{"na',
      () => ["RUNNING", "CANCELING", "FAILED"],
      "cancelled",
    ],
    ["a manifest without the mark, CANCELING before FAILED", WORKFLOW, () => ["CANCELING", "FAILED"], "cancelled"],
    [
      "CANCELING twice, an absent state between",
      WORKFLOW,
      () => ["CANCELING", "", "CANCELING", "", "FAILED"],
      "cancelled",
    ],
    ["the history ends in CANCELED", WORKFLOW, () => ["RUNNING", "CANCELED"], "cancelled"],
    ["stopped, retried, failed", WORKFLOW, () => ["CANCELING", "FAILED", "RUNNING", "FAILED"], "failed"],
    ["failed, retried, stopped", WORKFLOW, () => ["FAILED", "RUNNING", "CANCELING", "FAILED"], "cancelled"],
    ["RUNNING before FAILED", WORKFLOW, () => ["PENDING", "RUNNING", "FAILED"], "failed"],
    ["no history", WORKFLOW, () => [], "failed"],
    ["a manifest without the mark, no such route", WORKFLOW, nowhere, "failed"],
    ["no manifest, no such route", undefined, nowhere, "unknown"],
    ["no manifest, and a proxy that lets only the older API through", undefined, shut, "unknown"],
    ["a proxy that lets only the older API through", WORKFLOW, shut, "failed"],
    ["the stop mark, and nothing else can be read", STOPPED, busy, "cancelled"],
    ["a manifest without the mark, and no history ever", WORKFLOW, busy, "unknown"],
    ["no manifest, and no history ever", undefined, busy, "unknown"],
  ])("%s", async (_, manifest, history, verdict) => {
    expect((await verdictAt(() => ({ status: "Failed", manifest }), history)).verdict).toBe(verdict);
  });

  test("a history that cannot be read at first is asked for again", async () => {
    let asked = 0;
    const failed = (): Shown => ({ status: "Failed", manifest: WORKFLOW });
    const { verdict } = await verdictAt(failed, () => (++asked < 9 ? busy() : ["RUNNING", "CANCELING", "FAILED"]));
    expect(verdict).toBe("cancelled");
    // it has ended, so it does not go on, whatever time it is
    expect((await verdictAt(failed, busy, { timeoutMs: 1000 })).verdict).toBe("unknown");
  });

  test("an end that is Skipped is neither a success nor a failure", async () => {
    expect(await verdictAt(() => ({ status: "Skipped" }), nowhere)).toMatchObject({
      verdict: "unknown",
      message: "the server calls its end Skipped: it ran nothing, which is neither a success nor a failure",
      elapsedMs: 0,
    });
  });
});

describe("after a retry", () => {
  const old = { status: "Failed", finishedAt: "2026-01-01T00:00:00Z", failed: new Set(["p 1 2"]) };
  const pod = (startedAt: string) => ({
    ...WORKFLOW,
    status: {
      phase: "Failed",
      nodes: { p: { id: "p", name: "w.p", type: "Pod", phase: "Failed", startedAt, finishedAt: "2" } },
    },
  });
  const before = { status: "Failed", finishedAt: old.finishedAt, manifest: pod("1") };
  const stale = { stale: old };
  const none = (): readonly string[] => [];

  test("the old end is not told, however long it is shown, and the new one is", async () => {
    for (const end of ["Succeeded", "Failed"]) {
      const seen = await verdictAt(
        (ms) => (ms < 34_000 ? before : ms < 60_000 ? { status: "Running" } : { ...before, status: end }),
        none,
        stale,
      );
      expect(seen.verdict).toBe(end.toLowerCase() as Verdict);
      expect(seen.elapsedMs).toBeGreaterThan(60_000);
    }
  });

  test("a new failure that nobody saw begin is known by its pod, or by its time", async () => {
    const byPod = await verdictAt((ms) => (ms < 5000 ? before : { ...before, manifest: pod("7") }), none, stale);
    const byTime = await verdictAt(
      (ms) => (ms < 5000 ? before : { status: "Failed", finishedAt: "2026-01-01T00:01:00Z" }),
      none,
      stale,
    );
    expect([byPod.verdict, byTime.verdict, byTime.elapsedMs < 30_000]).toEqual(["failed", "failed", true]);
  });

  test("a pod that the retry took away, or a time that is always now, proves nothing", async () => {
    const taken = { ...WORKFLOW, status: { phase: "Failed", nodes: {} } };
    for (const shown of [
      () => ({ status: "Failed", finishedAt: old.finishedAt, manifest: taken }),
      (ms: number) => ({ status: "Failed", finishedAt: new Date(Date.UTC(2026, 1, 1) + ms).toISOString() }),
    ]) {
      const { verdict, message } = await verdictAt(shown, none, stale);
      expect([verdict, message]).toEqual(["unknown", "the server still shows how the run ended before it was retried"]);
    }
  });

  test("restarts, absent states and a deadline do not make the old end a verdict", async () => {
    const shown = (ms: number): Shown | Response =>
      ms < 10_000 ? before : ms < 20_000 ? busy() : ms < 30_000 ? { status: "" } : before;
    const late = await verdictAt(shown, none, { ...stale, timeoutMs: 60_000 });
    expect([late.verdict, late.elapsedMs]).toEqual(["unknown", 60_000]);
  });
});

describe("outages and deadlines", () => {
  const running = { status: "Running" };
  test.each<[string, (ms: number) => Shown | Response, object, Verdict]>([
    ["an absent state ends with the window", () => ({ status: "" }), { outageMs: 5000, timeoutMs: 40_000 }, "unknown"],
    ["an absent state ends with the deadline", () => ({ status: "" }), { timeoutMs: 40_000 }, "timeout"],
    [
      "an end that could not be seen is not called going on",
      (ms) => (ms < 2000 ? running : busy()),
      { timeoutMs: 15_000 },
      "unknown",
    ],
    [
      "one answer that fails just when time is up is chance",
      (ms) => (ms < 60_000 ? running : busy()),
      { timeoutMs: 60_000 },
      "timeout",
    ],
    ["PENDING for ever ends with the deadline", () => ({ status: "Pending" }), { timeoutMs: 7_200_000 }, "timeout"],
    [
      "KFP's own 500 is waited out, also at the first question",
      (ms) =>
        ms < 60_000
          ? Response.json({ code: 13, message: "database is locked", details: [] }, { status: 500 })
          : { status: "Succeeded" },
      { seen: false },
      "succeeded",
    ],
  ])("%s", async (_, at, options, verdict) => {
    expect((await verdictAt(at, () => [], options)).verdict).toBe(verdict);
  });

  test.each([
    ["--timeout", { timeoutMs: 7000 }, "timeout", 7000, 9000],
    [
      "--timeout after an hour of answers",
      { timeoutMs: 3_600_000, hangFromMs: 3_590_000 },
      "timeout",
      3_600_000,
      3_602_000,
    ],
    ["--outage", { timeoutMs: DAY_MS, outageMs: 5000 }, "unknown", 5000, 9000],
  ] as const)("a server that never answers: %s", async (_, how, verdict, fromMs, toMs) => {
    const { timeoutMs } = how;
    const hangFromMs = "hangFromMs" in how ? how.hangFromMs : 0;
    const world = fakeWorld();
    const inner = {
      ...world,
      fetch: async (url: string, init: RequestInit): Promise<Response> => {
        if (url.includes("healthz")) return Response.json({ tag_name: "2.5.0" });
        if (world.clock.monotonicMs() < hangFromMs) return Response.json({ run: { id: RUN, status: "Running" } });
        await world.clock.sleep(DAY_MS, init.signal ?? undefined);
        throw init.signal?.reason;
      },
    };
    const server = await connect(inner, { host: "http://kfp" });
    const outageMs = "outageMs" in how ? how.outageMs : undefined;
    const end = await waitForRun(server, RUN, { timeoutMs, outageMs, seen: true });
    expect(end.verdict).toBe(verdict);
    expect(end.elapsedMs).toBeGreaterThanOrEqual(fromMs);
    expect(end.elapsedMs).toBeLessThanOrEqual(toMs);
  });

  test("a UI whose API server is starting again is waited for", async () => {
    let asked = 0;
    const world = fakeWorld({
      fetch: () =>
        Promise.resolve(
          Response.json({ frontendTagName: "2.5.0", apiServerReady: ++asked > 3, apiServerTagName: "2.5.0" }),
        ),
    });
    expect((await connect(world, { host: "http://kfp" })).version).toBe("2.5.0");
    const never = fakeWorld({
      fetch: () => Promise.resolve(Response.json({ frontendTagName: "2", apiServerReady: false })),
    });
    expect((await errorOf(connect(never, { host: "http://kfp" }))).message).toContain("its API server does not");
    expect(never.clock.monotonicMs()).toBeLessThan(62_000);
  });
});

const RECORDINGS = join(import.meta.dir, "../../../shared/recordings");

interface Row {
  readonly step: string;
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly response_body?: string;
  readonly poll_t_s?: number;
}

/** Every run whose end was recorded: what was seen of it on each API, and what was done to it. */
function recordedRuns(file: string) {
  const rows = readFileSync(join(RECORDINGS, file), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row)
    .filter((row) => row.step.startsWith("wait.") && row.method === "GET" && row.status === 200);
  const parse = (row: Row | undefined): Record<string, unknown> | undefined => {
    try {
      return JSON.parse(row?.response_body ?? "") as Record<string, unknown>;
    } catch {
      return undefined; // the recorder cut it
    }
  };
  const steps = [...new Set(rows.filter((row) => row.poll_t_s !== undefined).map(({ step }) => step))];
  return steps.map((step) => {
    const polls = rows.filter((row) => row.step === step && row.poll_t_s !== undefined);
    const states = polls.map((row) => {
      const words = [...(row.response_body ?? "").matchAll(/"(?:status|state)": ?"(\w+)"/g)].map(
        (match) => match[1] ?? "",
      );
      return { atMs: (row.poll_t_s ?? 0) * 1000, word: words[0] ?? "" };
    });
    const isV2 = step.includes(".v2.");
    return {
      step,
      id: /runs\/([^/]+)$/.exec(polls[0]?.path ?? "")?.[1] ?? "",
      states,
      final: parse(rows.find((row) => row.step === `${step}.final${isV2 ? "-through-v1" : ""}`)),
      history: parse(rows.find((row) => row.step === `${step}.final${isV2 ? "" : "-through-v2"}`)),
    };
  });
}

const SEEN: Readonly<Record<string, string>> = {
  PENDING: "Pending",
  RUNNING: "Running",
  CANCELING: "Terminating",
  SUCCEEDED: "Succeeded",
  FAILED: "Failed",
};

describe.skipIf(!existsSync(RECORDINGS))("recorded runs", () => {
  test("end as what was done to them says, also for who comes late", async () => {
    const wrong: string[] = [];
    let runs = 0;
    for (const file of readdirSync(RECORDINGS).filter((name) => name.endsWith(".jsonl"))) {
      for (const run of recordedRuns(file)) {
        const last = run.states.at(-1)?.word ?? "";
        const wanted = run.step.includes("slow")
          ? "cancelled"
          : run.step.includes("fail") && !/^(Running|RUNNING)$/.test(last)
            ? "failed"
            : last === "Running"
              ? "timeout"
              : "succeeded";
        for (const isLate of [false, true]) {
          // without a whole record of its end nothing tells a late one
          if (isLate && run.final === undefined && run.history === undefined) continue;
          const verdict = await replay(run, isLate);
          runs++;
          if (verdict !== wanted) wrong.push(`${file} ${run.step}${isLate ? " late" : ""}: ${verdict}, not ${wanted}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(runs).toBeGreaterThan(50);
  });
});

async function replay(run: ReturnType<typeof recordedRuns>[number], isLate: boolean): Promise<Verdict> {
  const endMs = run.states.at(-1)?.atMs ?? 0;
  const world = fakeWorld({
    fetch: (url) => {
      if (url.includes("healthz")) {
        const isOld = run.history === undefined && !run.step.includes(".v2.");
        if (url.includes("v2beta1") && isOld) return Promise.resolve(nowhere());
        return Promise.resolve(Response.json({ tag_name: "any" }));
      }
      const now = isLate ? endMs : world.clock.monotonicMs();
      if (url.includes("/v2beta1/")) {
        const words = run.states.filter(({ atMs }) => atMs <= now).map(({ word }) => ({ state: word }));
        return Promise.resolve(Response.json(run.history ?? { run_id: run.id, state_history: words }));
      }
      if (now >= endMs && run.final?.["run"] !== undefined) return Promise.resolve(Response.json(run.final));
      const word = run.states.findLast(({ atMs }) => atMs <= now)?.word ?? "";
      const status = SEEN[word] ?? word;
      return Promise.resolve(Response.json({ run: { id: run.id, ...(status === "" ? {} : { status }) } }));
    },
  });
  const server = await connect(world, { host: "http://kfp" });
  return (await waitForRun(server, run.id, { timeoutMs: 600_000, outageMs: DAY_MS })).verdict;
}
