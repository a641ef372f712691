/**
 * `kfk schedule list|pause|resume|rm|next`: schedules that are there, by their id or as this project's. Which is this
 * project's: the name that `kfk schedule` gives, of the project's pipeline.
 */
import { nextFire, parseCron, renderMoment } from "../cluster/cron.ts";
import { type Schedule, scheduleApi, switchSchedule } from "../cluster/schedule-api.ts";
import { byAge, isOurs } from "../cluster/schedule-identity.ts";
import { terminateRun } from "../cluster/runs.ts";
import { mayHaveFired } from "../cluster/schedules.ts";
import type { Server } from "../cluster/server.ts";
import { findPipelines } from "../cluster/uploaded.ts";
import { isKfkError, KfkError } from "../error.ts";
import { renderRow, renderTitles } from "../view/table.ts";
import { type AroundProject, findAround } from "./around.ts";
import { formerNames } from "./find-run.ts";
import { type Interrupt, listen } from "./interrupt.ts";
import type { OpenGround } from "./open.ts";
import { writeJson } from "./output.ts";
import { givenTexts } from "./plan.ts";
import { readStatic, serverName } from "./read.ts";
import { scheduleName } from "./schedule-name.ts";
import { readTimes, renderFire, renderFires } from "./schedule-times.ts";
import { connectServer } from "./server.ts";
import type { Call } from "./verb.ts";

/** Every schedule of the namespace. Errors: USAGE_ARGUMENT, those of `request`. */
export async function list(call: Call, extra: string | undefined): Promise<number> {
  if (extra !== undefined) throw tooMuch("list", extra);
  const { server } = await reach(call);
  const all = await scheduleApi(server).list(server);
  const { out, clock } = call.world;
  const rows = all.map((each) => ({ ...each, next: nextOf(each, clock.nowMs()) }));
  switch (call.options.text("output")) {
    case "json":
      writeJson(call.world, rows);
      return 0;
    case "name":
      for (const { id } of rows) out.write(`${id}\n`);
      return 0;
    default:
      if (rows.length > 0) out.write(`${renderTitles(COLUMNS)}\n`);
      for (const { id, enabled, settings, intervalSeconds, next: at, name } of rows) {
        const every = intervalSeconds === null ? "" : `every ${intervalSeconds} s`;
        const cells = [id, enabled ? "enabled" : "paused", settings.cron ?? every, at ?? "", name];
        out.write(`${renderRow(COLUMNS, cells)}\n`);
      }
      if (rows.length === 0) call.say("there are no schedules");
      return 0;
  }
}

/** The next five times of an expression, offline, or of a schedule on the server. Errors: USAGE_*, SCHEDULE_UNKNOWN. */
export async function next(call: Call, id: string | undefined): Promise<number> {
  const typed = call.options.text("cron-expression");
  if (typed !== undefined && id !== undefined) throw tooMuch("next", id);
  const times = readTimes(call, typed ?? (await cronOnServer(call, id)));
  const fires = renderFires(call, times);
  const { out } = call.world;
  switch (call.options.text("output")) {
    case "json":
      writeJson(call.world, { cron: times.cron.expression, timezone: times.zone, next: fires });
      return 0;
    case "name":
      for (const { utc } of fires) out.write(`${utc}\n`);
      return 0;
    default:
      for (const fire of fires) out.write(`${renderFire(fire)}\n`);
      return 0;
  }
}

/** Disables, enables or deletes. Errors: SCHEDULE_UNKNOWN, SCHEDULE_BUSY, those of `request`. */
export async function change(call: Call, verb: Change, id: string | undefined): Promise<number> {
  const interrupt = listen(call.world);
  const done: string[] = [];
  const stopped = (how: string): string =>
    `stopped; ${done.length > 0 ? done.join(", ") : "nothing was changed"}${how}`;
  try {
    const meant = findMeant({ ...call, stop: interrupt.signal }, id);
    const { server, found, all } = await interrupt.during(meant, stopped(""));
    for (const each of verb === "resume" ? [chooseResumed(call, found, all)] : found) {
      const doing = { pause: "paused", resume: "resumed", rm: "deleted" }[verb];
      await interrupt.toItsEnd(
        async (signal) => await changeOne(call, { ...server, signal }, verb, each, interrupt),
        () => stopped(`; ${each.id} may be ${doing}`),
        "look at it with kfk schedule list, and give the same command again",
      );
      const already = verb !== "rm" && each.enabled === (verb === "resume") ? " (it was already)" : "";
      call.world.out.write(`${each.id}\n`);
      call.say(`${doing} ${each.name}${already}`);
      done.push(`${doing} ${each.id}`);
      if (interrupt.came()) throw interrupt.error(stopped(""));
    }
    return 0;
  } finally {
    interrupt.close();
  }
}

// --- internal ---

type Change = "pause" | "resume" | "rm";

const COLUMNS = [
  { title: "SCHEDULE", width: 36 },
  { title: "STATE", width: 7 },
  { title: "CRON", width: 16 },
  { title: "NEXT", width: 20 },
  { title: "NAME", width: 0 },
];

interface Reached {
  readonly server: Server;
  readonly around: AroundProject;
}

/** The server that options or the project around name. */
async function reach(call: Call): Promise<Reached> {
  const around = await findAround(call);
  return { server: await connectServer(call, around.kubeflow, around.hooks), around };
}

async function findMeant(call: Call, id: string | undefined) {
  const { server, around } = await reach(call);
  const all = await scheduleApi(server).list(server);
  if (id !== undefined) {
    const wanted = /#\/recurringruns?\/details\/([^/?]+)/.exec(id)?.[1] ?? id;
    const found = all.filter((each) => each.id === wanted);
    if (found.length > 0) return { server, all, found };
    throw new KfkError("SCHEDULE_UNKNOWN", `the server knows no schedule "${wanted}"`, {
      hint: "look at those it has with kfk schedule list",
    });
  }
  const read = readOf(around);
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const pipelineName = serverName(read, pipeline);
  // with --param alone the sources are read, and nothing of the project is run
  const name = scheduleName(read.configuration.kubeflow(), pipelineName, () =>
    call.options.list("param").length === 0 ? new Map() : givenTexts(call, readStatic(call, read.facts)),
  );
  const [uploaded] = await findPipelines(server, [pipelineName, ...formerNames(read, pipeline)]);
  const found = uploaded === undefined ? [] : all.filter((each) => isOurs({ name, ...uploaded }, each));
  if (found.length > 0) return { server, all, found };
  throw new KfkError("SCHEDULE_UNKNOWN", `the server has no schedule "${name}" of the pipeline ${pipelineName}`, {
    hint: 'make one with kfk schedule -c "0 0 4 * * *"',
  });
}

/** Errors: USAGE_ARGUMENT where no project is; what is wrong with the one that is there. */
function readOf({ read, error }: AroundProject): OpenGround {
  if (read !== undefined) return read;
  if (error !== null) throw error;
  throw new KfkError("USAGE_ARGUMENT", "which schedule? here is no project, so an id is needed", {
    hint: "look at those there are with kfk schedule list",
  });
}

async function cronOnServer(call: Call, id: string | undefined): Promise<string> {
  const { found } = await findMeant(call, id);
  const meant = found.find((each) => each.enabled) ?? found[0];
  const cron = meant?.settings.cron ?? null;
  if (cron !== null) return asServersRead(cron);
  const every = meant?.intervalSeconds ?? null;
  throw new KfkError("SCHEDULE_UNKNOWN", `the schedule ${meant?.id} has no cron expression`, {
    hint: every === null ? "look at it in the UI" : `it runs every ${every} s, counted from when it last ran`,
  });
}

/**
 * Never two at once, so of several it is the one in force: that which is enabled, else the newest, as `kfk schedule`
 * takes it. Errors: SCHEDULE_BUSY when several are enabled, or another of the name is.
 */
function chooseResumed(call: Call, found: readonly Schedule[], all: readonly Schedule[]): Schedule {
  const on = found.filter(({ enabled }) => enabled);
  if (on.length > 1) throw severalOfThem(on);
  const chosen = on[0] ?? (found.toSorted(byAge).at(-1) as Schedule);
  const rival = findRival(chosen, all);
  if (rival !== undefined) throw twoOfThem(rival);
  const others = found.filter(({ id }) => id !== chosen.id).map(describe);
  if (others.length > 0) {
    const stay = others.length === 1 ? "stays paused: it was replaced" : "stay paused: they were replaced";
    call.warn([{ message: `of that name it is ${describe(chosen)}; ${others.join(", ")} ${stay}` }]);
  }
  return chosen;
}

function describe({ id, settings: { cron } }: Schedule): string {
  return cron === null ? id : `${id} (${cron})`;
}

/** Enabled, of the same name, and of the same experiment or pipeline. */
function findRival(one: Schedule, all: readonly Schedule[]): Schedule | undefined {
  return all.find(
    (each) =>
      each.enabled &&
      each.id !== one.id &&
      each.name === one.name &&
      (each.experimentId === one.experimentId || (each.pipelineId !== null && each.pipelineId === one.pipelineId)),
  );
}

/** Another may have been enabled at the same moment; then this one is paused again. */
async function resume(server: Server, each: Schedule): Promise<void> {
  const api = scheduleApi(server);
  await switchSchedule(api, server, each.id, true);
  const rival = findRival(each, await api.list(server, each.name));
  if (rival === undefined) return;
  await switchSchedule(api, server, each.id, false);
  throw twoOfThem(rival);
}

function twoOfThem({ id }: Schedule): KfkError {
  return new KfkError("SCHEDULE_BUSY", `there is another schedule of that name, ${id}`, {
    hint: "give kfk schedule -c CRON again, which leaves one, or remove the other with kfk schedule rm ID",
  });
}

function severalOfThem(those: readonly Schedule[]): KfkError {
  return new KfkError(
    "SCHEDULE_BUSY",
    `which one? several of that name are enabled: ${those.map(describe).join(", ")}`,
    {
      hint: "pause those that are not meant by their ids, or give kfk schedule -c CRON again, which leaves one",
    },
  );
}

async function changeOne(
  call: Call,
  server: Server,
  verb: Change,
  each: Schedule,
  interrupt: Interrupt,
): Promise<void> {
  if (verb === "rm") await remove(call, server, each, interrupt);
  else if (verb === "resume") await resume(server, each);
  else await switchSchedule(scheduleApi(server), server, each.id, false);
}

/**
 * Deletes one without a run in flight, and spares a run that nobody sees yet, where the server can. With `--force` its
 * runs are stopped first: servers kill what they do with the schedule and call such a run Running for ever
 * (reference/kfp-api.md 2.8).
 */
async function remove(call: Call, server: Server, each: Schedule, interrupt: Interrupt): Promise<void> {
  const api = scheduleApi(server);
  if (each.enabled) await switchSchedule(api, server, each.id, false);
  let runs = await api.runsInFlight(server, each);
  const isForced = call.options.flag("force") === true;
  // a run of the last tick shows in no list before its workflow was reported: about 1 s later with 1.8.22 and 2.5.0
  if (each.enabled && mayHaveFired(each, server.world.clock.nowMs()) && !(server.isStrict && !isForced)) {
    for (let looks = 0; looks < LOOKS && runs.length === 0; looks++) {
      await server.world.clock.sleep(PAUSE_MS, interrupt.signal);
      if (interrupt.came()) throw interrupt.error(`stopped; the schedule ${each.id} is paused and not deleted`);
      runs = await api.runsInFlight(server, each);
    }
  }
  if (runs.length > 0 && !isForced) throw busy(each, runs[0] as string);
  if (runs.length > 0) await stopRuns(call, server, each, runs, interrupt);
  await api.remove(server, each.id, !isForced);
}

/** Asks every run to stop and waits until the server has seen their ends, for as long as that usually takes. */
async function stopRuns(
  call: Call,
  server: Server,
  each: Schedule,
  runs: readonly string[],
  interrupt: Interrupt,
): Promise<void> {
  const { clock } = server.world;
  for (const id of runs) {
    await terminateRun(server, id);
    call.say(`asked the run ${id} to stop`);
  }
  const sinceMs = clock.monotonicMs();
  let left = runs;
  while (left.length > 0 && clock.monotonicMs() - sinceMs < STOP_MS && !interrupt.came()) {
    await clock.sleep(PAUSE_MS, interrupt.signal);
    left = await scheduleApi(server).runsInFlight(server, each);
  }
  if (left.length > 0 && interrupt.came()) {
    const what = `the schedule ${each.id} is paused and not deleted, and its runs were asked to stop`;
    throw interrupt.error(`stopped; ${what}`, `kfk schedule rm ${each.id} --force`);
  }
  call.warn(
    left.map((id) => ({
      message: `the run ${id} has not ended yet; it is killed with its schedule, and the server may never say that it ended`,
    })),
  );
}

/** An Argo workflow that is stopped ends within seconds; the agent reports it, and looks every few seconds. */
const STOP_MS = 60_000;
const PAUSE_MS = 2000;
const LOOKS = 3;

function busy({ id }: Schedule, run: string): KfkError {
  return new KfkError("SCHEDULE_BUSY", `the run ${run} of the schedule ${id} has not ended; it would be lost with it`, {
    hint: `wait for it with kfk wait ${run}, or stop it with kfk schedule rm ${id} --force`,
    notes: [{ message: "the schedule is paused now" }],
  });
}

/** Five fields on a server are second to month, and any weekday. */
function asServersRead(cron: string): string {
  return cron.trim().split(/\s+/).length === 5 ? `${cron.trim()} *` : cron;
}

function nextOf(each: Schedule, nowMs: number): string | null {
  const { cron, start, end } = each.settings;
  if (cron === null || !each.enabled) return null;
  try {
    const ms = nextFire(
      parseCron(asServersRead(cron)),
      start === null ? nowMs : Math.max(nowMs, Date.parse(start) - 1000),
    );
    return ms === null || (end !== null && ms > Date.parse(end)) ? null : renderMoment(ms, "UTC");
  } catch (error) {
    if (isKfkError(error)) return null; // of another making, in words that are not read here
    throw error;
  }
}

function tooMuch(verb: string, word: string): KfkError {
  return new KfkError("USAGE_ARGUMENT", `kfk schedule ${verb} does not take "${word}"`, { hint: "leave it out" });
}
