/**
 * `kfk schedule list|pause|resume|rm|next`: schedules that are there, by their id or as this project's. Which is this
 * project's: the name that `kfk schedule` gives, of the project's pipeline.
 */
import { nextFire, parseCron, renderMoment } from "../cluster/cron.ts";
import { type Schedule, scheduleApi, switchSchedule } from "../cluster/schedule-api.ts";
import { isOurs } from "../cluster/schedule-identity.ts";
import type { Server } from "../cluster/server.ts";
import { findPipelines } from "../cluster/uploaded.ts";
import { isKfkError, KfkError } from "../error.ts";
import { renderRow, renderTitles } from "../view/table.ts";
import { findAround } from "./around.ts";
import { formerNames } from "./find-run.ts";
import type { OpenProject } from "./open.ts";
import { serverName } from "./read.ts";
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
      out.write(`${JSON.stringify(rows)}\n`);
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
      out.write(`${JSON.stringify({ cron: times.cron.expression, timezone: times.zone, next: fires })}\n`);
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
export async function change(call: Call, verb: "pause" | "resume" | "rm", id: string | undefined): Promise<number> {
  const { server, found, all } = await findMeant(call, id);
  if (verb === "resume") checkResume(found, all);
  for (const each of found) {
    if (verb === "rm") await remove(call, server, each);
    else if (verb === "resume") await resume(server, each);
    else await switchSchedule(scheduleApi(server), server, each.id, false);
    const said = { pause: "paused", resume: "resumed", rm: "deleted" }[verb];
    const already = verb !== "rm" && each.enabled === (verb === "resume") ? " (it was already)" : "";
    call.say(`${said} ${each.name}${already}`);
    call.world.out.write(`${each.id}\n`);
  }
  return 0;
}

// --- internal ---

const COLUMNS = [
  { title: "SCHEDULE", width: 36 },
  { title: "STATE", width: 7 },
  { title: "CRON", width: 16 },
  { title: "NEXT", width: 20 },
  { title: "NAME", width: 0 },
];

interface Reached {
  readonly server: Server;
  readonly read: OpenProject | undefined;
}

/** The server that options or the project around name. */
async function reach(call: Call): Promise<Reached> {
  const { kubeflow, hooks, read } = await findAround(call);
  return { server: await connectServer(call, kubeflow, hooks), read };
}

async function findMeant(call: Call, id: string | undefined) {
  const { server, read } = await reach(call);
  const all = await scheduleApi(server).list(server);
  if (id !== undefined) {
    const wanted = /#\/recurringruns?\/details\/([^/?]+)/.exec(id)?.[1] ?? id;
    const found = all.filter((each) => each.id === wanted);
    if (found.length > 0) return { server, all, found };
    throw new KfkError("SCHEDULE_UNKNOWN", `the server knows no schedule "${wanted}"`, {
      hint: "look at those it has with kfk schedule list",
    });
  }
  if (read === undefined) {
    throw new KfkError("USAGE_ARGUMENT", "which schedule? here is no project, so an id is needed", {
      hint: "look at those there are with kfk schedule list",
    });
  }
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const pipelineName = serverName(read, pipeline);
  const name = scheduleName(call, read, pipelineName);
  const [uploaded] = await findPipelines(server, [pipelineName, ...formerNames(read, pipeline)]);
  const found = uploaded === undefined ? [] : all.filter((each) => isOurs({ name, ...uploaded }, each));
  if (found.length > 0) return { server, all, found };
  throw new KfkError("SCHEDULE_UNKNOWN", `the server has no schedule "${name}" of the pipeline ${pipelineName}`, {
    hint: 'make one with kfk schedule -c "0 0 4 * * *"',
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

/** Never two at once: of several, or beside an enabled one of the same name, none is resumed. */
function checkResume(found: readonly Schedule[], all: readonly Schedule[]): void {
  const [first] = found;
  const other = found.find((each) => each.id !== first?.id) ?? (first && findRival(first, all));
  if (other !== undefined) throw twoOfThem(other);
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

async function remove(call: Call, server: Server, each: Schedule): Promise<void> {
  if (each.enabled) await switchSchedule(scheduleApi(server), server, each.id, false);
  const runs = call.options.flag("force") === true ? [] : await scheduleApi(server).runsInFlight(server, each);
  if (runs.length > 0) {
    throw new KfkError(
      "SCHEDULE_BUSY",
      `the run ${runs[0]} of the schedule ${each.id} has not ended, and would be killed`,
      {
        hint: `wait for it with kfk wait ${runs[0]}, or use --force`,
        notes: [{ message: "the schedule is paused now" }],
      },
    );
  }
  await scheduleApi(server).remove(server, each.id);
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
