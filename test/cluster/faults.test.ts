/**
 * Random faults against a server model that keeps the truth: whatever the network and the server do, `run-once --wait`
 * and `retry --wait` give no wrong verdict, make no second run, lose none, and end in time; also when a signal comes.
 * Each schedule follows from its seed alone:
 * `FAULT_SEED=123` runs one, `FAULT_RUNS=5000` more of them. No time really passes.
 */
import { expect, test } from "bun:test";
import type { Call } from "../../src/cli/verb.ts";
import { retry } from "../../src/cli/retry.ts";
import { submitRun } from "../../src/cli/run-once.ts";
import { isKfkError } from "../../src/error.ts";
import type { World } from "../../src/world.ts";
import { fakeWorld } from "../fake-world.ts";
import { type FakeKfp, modelKfp, type Moment } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { loginGate, TOKEN_ENV } from "../judges/token-gate.ts";
import { DOCUMENT } from "./setup-server.ts";
import { generator } from "../random.ts";

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
    for (const status of [0, 1, 4, 5, 6, 7, 124, 130, 143])
      expect([status, statuses[status] ?? 0]).not.toEqual([status, 0]);
    expect(statuses[0]).toBeGreaterThan(RUNS / 20);
  }
}, 300_000);

test(`${RUNS / 4} fault schedules with a login that ends, hangs and fails: the same`, async () => {
  const wrong: string[] = [];
  const seeds = ONLY === undefined ? Array.from({ length: RUNS / 4 }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) {
    const { problems } = await runSchedule(seed, true);
    for (const problem of problems) wrong.push(`seed ${seed}: ${problem}`);
  }
  expect(wrong.slice(0, 20)).toEqual([]);
}, 300_000);

test(`${RUNS / 4} retries: the old end is never told as the new one`, async () => {
  const wrong: string[] = [];
  const statuses: Record<string, number> = {};
  const seeds = ONLY === undefined ? Array.from({ length: RUNS / 4 }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) {
    const { problems, status } = await runRetry(seed);
    statuses[status] = (statuses[status] ?? 0) + 1;
    for (const problem of problems) wrong.push(`seed ${seed}: ${problem}`);
  }
  if (process.env["FAULT_SHOW"] !== undefined) console.log(statuses);
  expect(wrong.slice(0, 20)).toEqual([]);
  if (ONLY === undefined)
    for (const status of [0, 1, 6]) expect([status, statuses[status] ?? 0]).not.toEqual([status, 0]);
}, 300_000);

// --- internal ---

type Kind =
  | "refused"
  | "reset before"
  | "reset after"
  | "cut"
  | "slow"
  | "hang"
  | "hang acted"
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
  | "login acted"
  | "401"
  | "401 of a gate acted"
  | "404 acted"
  | "409 acted"
  | "twice";
const KINDS: readonly Kind[] = [
  "refused",
  "reset before",
  "reset after",
  "cut",
  "slow",
  "hang",
  "hang acted",
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
  "login acted",
  "401",
  "401 of a gate acted",
  "404 acted",
  "409 acted",
  "twice",
];
/** Worth something only where a run is created; anywhere else the proper answer comes. */
const AT_CREATION: ReadonlySet<Kind> = new Set([
  "login acted",
  "401 of a gate acted",
  "404 acted",
  "409 acted",
  "twice",
]);

interface Outcome {
  readonly problems: readonly string[];
  readonly status: number;
}

async function runSchedule(seed: number, hasLogin = false): Promise<Outcome> {
  const random = generator(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const version = pick(VERSIONS);
  const base = fakeWorld({ isTerminal: false, env: hasLogin ? TOKEN_ENV : {} });
  const { clock } = base;
  const model = modelKfp({ version: KFP_VERSIONS[version], clockMs: clock.monotonicMs });
  const ending = pick(["Succeeded", "Succeeded", "Failed", "Error", "stopped", "stopped", "never"]);
  // some workflows do not show that they were stopped; only the history of newer servers does
  const hasMark = version === "1.8.22" || random() < 0.5;
  const lastsS = Math.round(random() * (random() < 0.2 ? 5000 : 300));
  model.setScript(scriptOf(ending, lastsS, random));
  model.setStrayScript(scriptOf(pick(["Succeeded", "Failed", "never"]), Math.round(random() * 300), random));
  // where ids are not kept, a request that arrives twice makes two runs, of which nobody is told
  const kinds = KFP_VERSIONS[version].keepsRunId ? KINDS : KINDS.filter((kind) => kind !== "twice");
  const rate = pick([0, 0.02, 0.05, 0.2, 0.5, 0.8]);
  const outages = Array.from({ length: Math.floor(random() * 3) }, () => {
    const fromMs = random() * 400_000;
    return { fromMs, toMs: fromMs + random() * (random() < 0.3 ? 1_500_000 : 300_000), kind: pick(kinds) };
  });
  const timeoutMs = pick([60_000, 600_000, 7_200_000]);
  const outageMs = pick([60_000, 600_000]);
  const lines: { readonly atMs: number; readonly text: string }[] = [];
  let stopAtMs = ending === "stopped" ? lastsS * 1000 : Infinity;
  let isStopped = false;
  const signal = random() < 0.25 ? { atMs: random() * 120_000, again: random() < 0.3 } : undefined;
  let signalledMs: number | undefined;
  const raise = async (): Promise<void> => {
    if (signal === undefined) return;
    await clock.sleep(signal.atMs);
    signalledMs = clock.monotonicMs();
    base.raise(pick(["SIGINT", "SIGTERM"]));
    await clock.sleep(1000);
    if (signal.again) base.raise("SIGINT");
  };
  const decide = (): Kind | undefined => {
    const now = clock.monotonicMs();
    const outage = outages.find((each) => each.fromMs <= now && now < each.toMs);
    if (outage !== undefined && random() < 0.95) return outage.kind;
    return random() < rate ? pick(kinds) : undefined;
  };
  const gate = hasLogin ? loginGate(clock, random, pick) : undefined;
  const world: World = {
    ...base,
    // wall clocks jump; nothing may depend on them
    clock: {
      ...clock,
      nowMs: () => clock.nowMs() + (!hasLogin && random() < 0.1 ? (random() - 0.5) * 2 * 86_400_000 : 0),
    },
    newId: () => uuid(random),
    err: { ...base.err, write: (text) => void lines.push({ atMs: clock.monotonicMs(), text }) },
    fetch: async (url, init) => {
      const before = await gate?.(url, init);
      if (before !== undefined) return before;
      const run = model.runs()[0];
      if (run !== undefined && clock.monotonicMs() >= stopAtMs) {
        stopAtMs = Infinity;
        isStopped ||= await stop(model, run.id);
      }
      const given = await answer(model, decide(), url, init, clock.sleep, random);
      if (url.endsWith("/terminate") && given.ok) isStopped = true;
      return hasMark ? given : withoutMark(given);
    },
  };
  const call = callIn(world, { "cancel-on-interrupt": random() < 0.5 });
  let status = 0;
  let hint = "";
  void raise();
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
  const said = `${hint} ${lines.map((line) => line.text).join(" ")}`;
  const problems = judge({
    ...{ model, version, status, told, hint, said, timeoutMs, elapsedMs, startedMs, signalledMs },
    // a stop whose answer was lost counts as well
    isStopped: isStopped || model.requests.some(({ path }) => path.endsWith("/terminate")),
  });
  return { problems: problems.map((problem) => `${problem} (${context})`), status };
}

/** A run that failed, is retried, and whose old end is shown for a while after that. */
async function runRetry(seed: number): Promise<Outcome> {
  const random = generator(seed ^ 0x5eed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const version = pick(VERSIONS);
  const base = fakeWorld({ isTerminal: false });
  const { clock } = base;
  const model = modelKfp({ version: KFP_VERSIONS[version], clockMs: clock.monotonicMs });
  const script: Moment[] = [{ t: 0, state: "Failed" }];
  model.setScript(script);
  const rate = pick([0, 0, 0.05, 0.3]);
  const [staleMs, lastsS] = [random() < 0.3 ? 0 : random() * 60_000, random() < 0.4 ? 1 : Math.round(random() * 200)];
  const ending = pick(["Succeeded", "Failed", "never"]);
  const timeoutMs = pick([20_000, 120_000, 3_600_000]);
  const outageMs = pick([60_000, 600_000]);
  let retriedMs: number | undefined;
  let old: string | undefined;
  let isBegun = false;
  const world: World = {
    ...base,
    newId: () => uuid(random),
    fetch: async (url, init) => {
      const isRead = init.method === "GET" && /v1beta1\/runs\/[^/?]+$/.test(url);
      if (isRead && old === undefined) old = await (await model.handle(new Request(url, init))).text();
      const fault = isBegun && random() < rate ? pick(KINDS) : undefined;
      const seen = model.requests.length;
      const given = await answer(model, fault, url, init, clock.sleep, random);
      if (retriedMs === undefined && model.requests.slice(seen).some(({ path }) => path.endsWith("/retry"))) {
        retriedMs = clock.monotonicMs();
        script.splice(0, 1, { t: 0, state: "Running" });
        if (ending !== "never") script.push({ t: Math.max(1, lastsS), state: ending });
      }
      const isStale = isRead && given.ok && retriedMs !== undefined && clock.monotonicMs() - retriedMs < staleMs;
      const isJson = given.headers.get("content-type")?.includes("json");
      return isStale && isJson ? new Response(old, { headers: given.headers }) : given;
    },
  };
  const call = callIn(world, { wait: true }, { timeout: `${timeoutMs / 1000}`, outage: `${outageMs / 1000}` });
  let status = 0;
  let hint = "";
  try {
    await submitRun(call, {
      kubeflow: undefined,
      document: { name: "shop", text: DOCUMENT },
      experiment: "shop",
      runName: "shop",
      parameters: [],
      origin: { project: "shop", env: "local", commit: null },
      wait: null,
      sources: () => undefined,
    });
    isBegun = true;
    status = await retry.run({ ...call, positionals: [model.runs()[0]?.id ?? ""] });
  } catch (error) {
    if (!isKfkError(error)) return { problems: [`threw ${String(error)}`], status: 70 };
    ({ status } = error);
    hint = error.message;
  }
  const phase = model.phase(model.runs()[0]?.id ?? "");
  const sinceMs = retriedMs === undefined ? -1 : clock.monotonicMs() - retriedMs;
  const problems: string[] = [];
  const isOver = ending !== "never" && sinceMs >= Math.max(1, lastsS) * 1000;
  if (status === 0 && (!isOver || phase !== "Succeeded")) problems.push(`0, but the run is ${phase}`);
  if (status === 1 && (!isOver || phase !== "Failed")) problems.push(`1, but the run is ${phase} after ${sinceMs} ms`);
  if (status === 124 && isOver && rate === 0) problems.push("124, but it has ended");
  if ([3, 4, 5].includes(status) && retriedMs !== undefined) problems.push(`${status}, but it was retried`);
  const isPatient = timeoutMs > 300_000 && outageMs > staleMs + 30_000;
  if (rate === 0 && ending !== "never" && isPatient && status > 1) problems.push(`${status} without a fault`);
  if (sinceMs > timeoutMs + LAST_ANSWER_MS + 30_000) problems.push(`ended after ${sinceMs} ms`);
  const context = `${version} ${ending} after ${lastsS} s, stale ${staleMs}, rate ${rate}, status ${status}: ${hint}`;
  return { problems: problems.map((problem) => `${problem} (${context})`), status };
}

interface Ended {
  readonly model: Pick<FakeKfp, "runs" | "phase" | "workflows">;
  readonly version: (typeof VERSIONS)[number];
  readonly status: number;
  /** stdout. */
  readonly told: string;
  readonly hint: string;
  /** All that went to stderr. */
  readonly said: string;
  /** True when somebody stopped the run. */
  readonly isStopped: boolean;
  readonly signalledMs: number | undefined;
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
  if (end.status === 1 && end.isStopped) problems.push("1, but the run was stopped");
  if (end.status === 7 && (phase !== "Failed" || !end.isStopped)) problems.push(`7, but the run is ${phase}`);
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
  if (![0, 1, 3, 4, 5, 6, 7, 124, 130, 143].includes(end.status)) problems.push("a status that means something else");
  if (end.status >= 130) problems.push(...judgeSignal(end, rows));
  if (end.signalledMs !== undefined && end.elapsedMs - end.signalledMs > AFTER_SIGNAL_MS) {
    problems.push(`ended ${end.elapsedMs - end.signalledMs} ms after the signal`);
  }
  if (end.startedMs !== undefined && end.elapsedMs - end.startedMs > end.timeoutMs + LAST_ANSWER_MS) {
    problems.push(`waited ${end.elapsedMs - end.startedMs} ms of ${end.timeoutMs}`);
  }
  if ((end.startedMs ?? end.elapsedMs) > LONGEST_START_MS)
    problems.push(`started after ${end.startedMs ?? end.elapsedMs} ms`);
  return problems;
}

/** What is wrong with an end by a signal: all that may be there is named, and stopped when that is said. */
function judgeSignal(end: Ended, rows: ReturnType<FakeKfp["runs"]>): readonly string[] {
  if (end.signalledMs === undefined) return ["an interrupt that nobody sent"];
  const problems: string[] = [];
  const keepsId = KFP_VERSIONS[end.version].keepsRunId;
  for (const row of rows) {
    const isNamed = keepsId ? end.told === row.id : end.told === row.id || end.said.includes("may have been started");
    if (!isNamed) problems.push(`a signal, and the run ${row.id} is not named`);
    const isEnding = ["Terminating", "Failed"].includes(end.model.phase(row.id));
    if (end.hint.includes("was asked to stop") && !isEnding) problems.push("said to be stopped, and is not");
  }
  if (!keepsId && end.told !== "" && !rows.some(({ id }) => id === end.told)) problems.push("an id that nobody knows");
  return problems;
}

/** After the timeout: one last question, what the history says, and the failure card. */
const LAST_ANSWER_MS = 2000 + 2000 + 3000;
/** Waiting for an answer, looking for the run, asking it to stop; or a card. */
const AFTER_SIGNAL_MS = 5000 + 4000 + 5000 + 1000;
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
  const isCreation = init.method === "POST" && url.endsWith("/runs");
  if (kind !== undefined && AT_CREATION.has(kind) && !isCreation) return await whole(await act());
  const isActed = kind?.endsWith("acted") ?? false;
  if (isActed || kind === "twice") await act();
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
    case "hang":
    case "hang acted":
      await sleep(86_400_000, init.signal ?? undefined);
      throw init.signal?.reason;
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
    case "twice":
      return await whole(await act());
    case "404 acted":
      return html(404);
    case "409 acted":
      return Response.json({ code: 10, message: "aborted", details: [] }, { status: 409 });
    case "401 of a gate acted":
      return new Response("{}", { status: 401 });
    case "login":
    case "login acted":
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

async function stop(model: Pick<FakeKfp, "handle">, id: string): Promise<boolean> {
  const request = new Request(`http://kfp/apis/v1beta1/runs/${id}/terminate`, { method: "POST" });
  return (await model.handle(request)).ok;
}

async function withoutMark(answer: Response): Promise<Response> {
  const text = (await answer.text()).replaceAll(/,?\\"activeDeadlineSeconds\\":0/g, "");
  return new Response(text, { status: answer.status, headers: answer.headers });
}

function callIn(
  world: World,
  flags: Readonly<Record<string, boolean>> = {},
  more: Readonly<Record<string, string>> = {},
): Call {
  const texts: Readonly<Record<string, string>> = { host: "http://kfp", ...more };
  return {
    world,
    options: { text: (name) => texts[name], flag: (name) => flags[name], list: () => [] },
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

function uuid(random: () => number): string {
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}
