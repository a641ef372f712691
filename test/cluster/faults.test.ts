/**
 * Random faults against a server model that keeps the truth: whatever the network and the server do, `run-once --wait`
 * gives no wrong verdict, makes no second run, loses none, and ends in time. Each schedule follows from its seed alone:
 * `FAULT_SEED=123` runs one, `FAULT_RUNS=5000` more of them. No time really passes.
 */
import { expect, test } from "bun:test";
import type { Call } from "../../src/cli/verb.ts";
import { submitRun } from "../../src/cli/run-once.ts";
import { isKfkError } from "../../src/error.ts";
import type { World } from "../../src/world.ts";
import { fakeWorld } from "../fake-world.ts";
import { type FakeKfp, modelKfp, type Moment } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { DOCUMENT } from "./setup-server.ts";

const VERSIONS = ["1.8.22", "2.0.5", "2.5.0", "2.17.0"] as const;
const RUNS = Number(process.env["FAULT_RUNS"] ?? 2000);
const ONLY = process.env["FAULT_SEED"];

test(`${RUNS} fault schedules: no wrong verdict, no second run, no lost run, all in time`, async () => {
  const wrong: string[] = [];
  const statuses: Record<string, number> = {};
  const seeds = ONLY === undefined ? Array.from({ length: RUNS }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) {
    const { problems, status } = await runSchedule(seed);
    statuses[status] = (statuses[status] ?? 0) + 1;
    for (const problem of problems) wrong.push(`seed ${seed}: ${problem}`);
  }
  if (process.env["FAULT_SHOW"] !== undefined) console.log(statuses);
  expect(wrong.slice(0, 20)).toEqual([]);
  if (ONLY === undefined) {
    // the schedules reach every kind of end, and good ends are no rarity
    for (const status of [0, 1, 4, 5, 6, 7, 124]) expect([status, statuses[status] ?? 0]).not.toEqual([status, 0]);
    expect(statuses[0]).toBeGreaterThan(RUNS / 20);
  }
}, 300_000);

// --- internal ---

type Kind =
  | "refused"
  | "reset before"
  | "reset after"
  | "cut"
  | "slow"
  | "429"
  | "500"
  | "500 acted"
  | "500 of KFP"
  | "500 of KFP acted"
  | "503"
  | "503 acted"
  | "html"
  | "html acted"
  | "login"
  | "401";
const KINDS: readonly Kind[] = [
  "refused",
  "reset before",
  "reset after",
  "cut",
  "slow",
  "429",
  "500",
  "500 acted",
  "500 of KFP",
  "500 of KFP acted",
  "503",
  "503 acted",
  "html",
  "html acted",
  "login",
  "401",
];

interface Outcome {
  readonly problems: readonly string[];
  readonly status: number;
}

async function runSchedule(seed: number): Promise<Outcome> {
  const random = generator(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const version = pick(VERSIONS);
  const base = fakeWorld({ isTerminal: false });
  const { clock } = base;
  const model = modelKfp({ version: KFP_VERSIONS[version], clockMs: clock.monotonicMs });
  const ending = pick(["Succeeded", "Succeeded", "Failed", "Error", "stopped", "never"]);
  const lastsS = Math.round(random() * (random() < 0.2 ? 5000 : 300));
  model.setScript(scriptOf(ending, lastsS, random));
  const rate = pick([0, 0.02, 0.05, 0.2, 0.5, 0.8]);
  const outages = Array.from({ length: Math.floor(random() * 3) }, () => {
    const fromMs = random() * 400_000;
    return { fromMs, toMs: fromMs + random() * (random() < 0.3 ? 1_500_000 : 300_000), kind: pick(KINDS) };
  });
  const timeoutMs = pick([60_000, 600_000, 7_200_000]);
  const outageMs = pick([60_000, 600_000]);
  const lines: { readonly atMs: number; readonly text: string }[] = [];
  let stopAtMs = ending === "stopped" ? lastsS * 1000 : Infinity;
  const decide = (): Kind | undefined => {
    const now = clock.monotonicMs();
    const outage = outages.find((each) => each.fromMs <= now && now < each.toMs);
    if (outage !== undefined && random() < 0.95) return outage.kind;
    return random() < rate ? pick(KINDS) : undefined;
  };
  const world: World = {
    ...base,
    // wall clocks jump; nothing may depend on them
    clock: { ...clock, nowMs: () => clock.nowMs() + (random() < 0.1 ? 3_600_000 : 0) },
    newId: () => uuid(random),
    err: { ...base.err, write: (text) => void lines.push({ atMs: clock.monotonicMs(), text }) },
    fetch: async (url, init) => {
      const run = model.runs()[0];
      if (run !== undefined && clock.monotonicMs() >= stopAtMs) {
        stopAtMs = Infinity;
        await model.handle(new Request(`http://kfp/apis/v1beta1/runs/${run.id}/terminate`, { method: "POST" }));
      }
      return await answer(model, decide(), url, init, clock.sleep, random);
    },
  };
  const call = callIn(world);
  let status = 0;
  let hint = "";
  try {
    status = await submitRun(call, {
      kubeflow: undefined,
      document: { name: "shop", text: DOCUMENT },
      experiment: "shop",
      runName: "shop",
      parameters: [],
      origin: { project: "shop", env: "local", commit: null },
      wait: { timeoutMs, outageMs },
      sources: () => undefined,
    });
  } catch (error) {
    if (!isKfkError(error)) return { problems: [`threw ${String(error)}`], status: 70 };
    ({ status } = error);
    hint = `${error.message} ${error.hint ?? ""}`;
  }
  const elapsedMs = clock.monotonicMs();
  const startedMs = lines.find((line) => line.text.startsWith("started "))?.atMs;
  const told = base.written.out().trim();
  const context = `${version} ${ending} after ${lastsS} s, rate ${rate}, status ${status}: ${hint}`;
  const problems = judge({ model, version, status, told, hint, timeoutMs, elapsedMs, startedMs });
  return { problems: problems.map((problem) => `${problem} (${context})`), status };
}

interface Ended {
  readonly model: Pick<FakeKfp, "runs" | "phase" | "workflows">;
  readonly version: (typeof VERSIONS)[number];
  readonly status: number;
  /** stdout. */
  readonly told: string;
  readonly hint: string;
  readonly timeoutMs: number;
  readonly elapsedMs: number;
  readonly startedMs: number | undefined;
}

/** What is wrong with an end, by the truth that the model holds. */
function judge(end: Ended): readonly string[] {
  const problems: string[] = [];
  const rows = end.model.runs();
  const keepsId = KFP_VERSIONS[end.version].keepsRunId;
  if (keepsId && rows.length > 1) problems.push(`${rows.length} run rows`);
  const own = rows.find((each) => each.id === end.told);
  const phase = own === undefined ? "none" : end.model.phase(own.id);
  if (end.status === 0 && phase !== "Succeeded") problems.push(`0, but the run is ${phase}`);
  if (end.status === 1 && phase !== "Failed" && phase !== "Error") problems.push(`1, but the run is ${phase}`);
  if (end.status === 7 && phase !== "Failed") problems.push(`7, but the run is ${phase}`);
  if ([0, 1, 7, 124].includes(end.status) && own === undefined) problems.push("a verdict about no run");
  if (end.status === 124 && end.startedMs !== undefined && end.elapsedMs - end.startedMs < end.timeoutMs) {
    problems.push("124 before the timeout");
  }
  if ([2, 3, 4, 5].includes(end.status) && (rows.length > 0 || end.model.workflows() > 0)) {
    problems.push(`a lost run: ${rows.length} rows, ${end.model.workflows()} workflows`);
  }
  if (end.status === 6 && rows.length > 0) {
    const isNamed = rows.every(
      (each) => end.told === each.id || end.hint.includes(each.id) || end.hint.includes(each.description.slice(0, 50)),
    );
    if (!isNamed) problems.push("6 without naming the run");
  }
  if (![0, 1, 3, 4, 5, 6, 7, 124].includes(end.status)) problems.push("a status that means something else");
  if (end.startedMs !== undefined && end.elapsedMs - end.startedMs > end.timeoutMs + LAST_ANSWER_MS) {
    problems.push(`waited ${end.elapsedMs - end.startedMs} ms of ${end.timeoutMs}`);
  }
  if ((end.startedMs ?? end.elapsedMs) > LONGEST_START_MS)
    problems.push(`started after ${end.startedMs ?? end.elapsedMs} ms`);
  return problems;
}

/** After the timeout: one last question, and the failure card. */
const LAST_ANSWER_MS = 5000 + 3000 + 1000;
/** Seven requests with their budgets, what creates looked for and repeated. */
const LONGEST_START_MS = 30 * 60_000;

async function answer(
  model: Pick<FakeKfp, "handle">,
  kind: Kind | undefined,
  url: string,
  init: RequestInit,
  sleep: World["clock"]["sleep"],
  random: () => number,
): Promise<Response> {
  const act = async (): Promise<Response> => await model.handle(new Request(url, init));
  const whole = async (response: Response): Promise<Response> =>
    new Response(await response.arrayBuffer(), { status: response.status, headers: response.headers });
  const html = (status: number): Response =>
    new Response("<html>sign in</html>", { status, headers: { "content-type": "text/html" } });
  const isActed = kind?.endsWith("acted") ?? false;
  if (isActed) await act();
  switch (kind) {
    case undefined:
      return await whole(await act());
    case "refused":
      throw Object.assign(new TypeError("refused"), { code: "ConnectionRefused" });
    case "reset before":
      throw Object.assign(new TypeError("reset"), { code: "ECONNRESET" });
    case "reset after":
      await act();
      throw Object.assign(new TypeError("reset"), { code: "ECONNRESET" });
    case "cut": {
      const response = await act();
      const text = await response.text();
      return new Response(text.slice(0, Math.floor(text.length * random())), {
        status: response.status,
        headers: response.headers,
      });
    }
    case "slow": {
      const isEarly = random() < 0.5;
      const early = isEarly ? await whole(await act()) : undefined;
      await sleep(random() * 200_000, init.signal ?? undefined);
      if (init.signal?.aborted) throw init.signal.reason;
      return early ?? (await whole(await act()));
    }
    case "429":
      return new Response("slow down", { status: 429, headers: { "retry-after": String(Math.floor(random() * 40)) } });
    case "500":
    case "500 acted":
      return new Response("oops", { status: 500 });
    case "500 of KFP":
    case "500 of KFP acted":
      return Response.json({ code: 13, message: "InternalServerError: database", details: [] }, { status: 500 });
    case "503":
    case "503 acted":
      return random() < 0.5
        ? html(503)
        : Response.json({ code: 14, message: "try again later", details: [] }, { status: 503 });
    case "html":
    case "html acted":
      return html(200);
    case "login":
      return new Response("", { status: 302, headers: { location: "https://login.invalid/dex" } });
    case "401":
      return Response.json({ code: 16, message: "no identity", details: [] }, { status: 401 });
  }
}

function scriptOf(ending: string, lastsS: number, random: () => number): readonly Moment[] {
  const begin = [
    { t: 0, state: "Pending" },
    { t: random() * 5, state: "Running" },
  ];
  // now and then the state is away for some seconds
  if (random() < 0.3) begin.push({ t: 6, state: "" }, { t: 9, state: "Running" });
  if (ending === "never" || ending === "stopped") return begin;
  return [...begin, { t: Math.max(10, lastsS), state: ending }];
}

function callIn(world: World): Call {
  const texts: Readonly<Record<string, string>> = { host: "http://kfp" };
  return {
    world,
    options: { text: (name) => texts[name], flag: () => undefined, list: () => [] },
    positionals: [],
    verb: "run-once",
    atEnd: () => {},
    hide: () => {},
    version: "1.2.3",
    commit: "",
    colour: false,
    isQuiet: false,
    say: (text) => world.err.write(`${text}\n`),
    warn: () => {},
  };
}

/** mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function uuid(random: () => number): string {
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}
