/**
 * One schedule that does what is wanted, and no other: also when several processes want that at the same time.
 *
 * Servers have no update, no unique name and no compare-and-swap for schedules (reference/kfp-api.md 2.8, 7.1). What
 * they have is an order (moment of creation, then id) and deletion, after which enabling fails. So every change makes a
 * schedule of its own, disabled, and of all that are there the newest has its way, by these rules:
 * 1. a process enables only what it made itself, by one request that is never repeated; nothing is enabled twice;
 * 2. before that it disables whatever older one is enabled, and deletes every older one that may still be enabled by
 *    somebody (disabled, and never seen enabled or with a run), until a list shows none of either;
 * 3. who sees a newer one leaves it alone and waits; if that one is not enabled in time, its maker is taken for dead and
 *    a still newer one is made.
 * Of any two schedules the maker of the older either sees the newer (3) or finds its own deleted (2), so two are never
 * enabled at once, however late a request arrives. Replaced ones are deleted once no run of theirs is in flight
 * (deleting kills its workflows). What to do is read from the server, never remembered: the same call heals any crash.
 */
import { isKfkError, KfkError } from "../error.ts";
import { mayHaveActed } from "./answer.ts";
import { nextFire, parseCron } from "./cron.ts";
import { failedRequest, type Result } from "./request.ts";
import { type Schedule, type ScheduleApi, scheduleApi, switchSchedule } from "./schedule-api.ts";
import {
  byAge,
  checkSettings,
  findBeside,
  isOurs,
  isSame,
  pipelineMark,
  type WantedSchedule,
} from "./schedule-identity.ts";
import type { Server } from "./server.ts";

/** How far a change is: what holds on the server now. */
export type Stage =
  | { readonly at: "untouched" }
  /** It is there and enabled; older ones may be as well. */
  | { readonly at: "several"; readonly id: string }
  /** A new one is there, disabled; whatever was enabled before still is. */
  | { readonly at: "made"; readonly id: string }
  /** The ones before are being disabled, the new one is not enabled yet. */
  | { readonly at: "between"; readonly id: string }
  /** The new one is being enabled. */
  | { readonly at: "asked"; readonly id: string }
  | { readonly at: "done"; readonly id: string };

export interface Applied {
  readonly id: string;
  readonly made: "created" | "replaced" | "unchanged";
  /** True when one that was there before belongs to another experiment. */
  readonly isMoved: boolean;
  readonly deleted: readonly string[];
  /** Disabled and still there: a run of theirs is in flight, or the server did not delete them. */
  readonly left: readonly { readonly id: string; readonly reason: string }[];
  /** Enabled schedules of the same name in other experiments that are not known to be this one. */
  readonly beside: readonly string[];
}

/**
 * Makes the server have exactly this schedule, enabled. `onStage` hears of every step before it is taken ("made": when it
 * was), and ends the change by throwing.
 *
 * Errors: SERVER_REFUSED and those of `request` before anything was changed; SERVER_OUTCOME after, with what holds now:
 * the same call again goes on. SCHEDULE_BUSY when somebody else's newer one took over.
 */
export async function applySchedule(
  server: Server,
  wanted: WantedSchedule,
  onStage: (stage: Stage) => void = () => {},
): Promise<Applied> {
  checkSettings(wanted);
  const api = scheduleApi(server, wanted.kind);
  const named = await findNamed(api, server, wanted);
  const before = named.filter((each) => isOurs(wanted, each));
  const beside = findBeside(wanted, named);
  const isMoved = before.some((each) => each.experimentId !== null && each.experimentId !== wanted.experimentId);
  const newest = before.at(-1);
  let stage: Stage = { at: "untouched" };
  const race: Race = {
    api,
    server,
    wanted,
    spent: new Map(),
    deleted: new Set(),
    step: (next) => {
      stage = next;
      onStage(next);
    },
  };
  try {
    const isThere = newest?.enabled === true && isSame(wanted, newest);
    const ours = isThere ? newest : undefined;
    const end = ours === undefined ? await change(race, before) : await settle(race, ours, before);
    const made = end.isMine ? (before.length === 0 ? "created" : "replaced") : "unchanged";
    race.step({ at: "done", id: end.id });
    const rest = await deleteQuiet(race, end.rest);
    return { id: end.id, made, isMoved, ...rest, beside };
  } catch (error) {
    if (!isKfkError(error) || SPEAKS_FOR_ITSELF.has(error.code)) throw error;
    throw halfDone(wanted, stage, error);
  }
}

/** What holds on the server at a stage, for people. */
export function describeStage(stage: Stage): string {
  switch (stage.at) {
    case "untouched":
      return "nothing was changed";
    case "several":
      return `${stage.id} is enabled, and an older one of that name may be as well`;
    case "made":
      return `the new one, ${stage.id}, is there and disabled; what was enabled before still is`;
    case "between":
      return `the new one, ${stage.id}, is not enabled, and the one before may be disabled: perhaps nothing fires now`;
    case "asked":
      return `the one before is disabled, and whether the new one, ${stage.id}, is enabled is not known`;
    case "done":
      return `the new one, ${stage.id}, is enabled, and no other`;
  }
}

// --- internal ---

/** How long a creation whose answer was lost is looked for. */
const SEARCH_MS = 20_000;
const PAUSE_MS = 2000;
const MOST_SENDS = 3;
/** How long the maker of a newer one has to enable it. */
const PATIENCE_MS = 45_000;
const MOST_TURNS = 4;
const MOST_ROUNDS = 8;
const MOST_SECONDS = 30;
/** Nobody who made a schedule so long before still means to enable it. */
const FORGOTTEN_MS = 3_600_000;

const SPEAKS_FOR_ITSELF: ReadonlySet<string> = new Set([
  "SCHEDULE_BUSY",
  "SERVER_OUTCOME",
  "INTERRUPTED",
  "TERMINATED",
]);

interface Race {
  readonly api: ScheduleApi;
  readonly server: Server;
  readonly wanted: WantedSchedule;
  /** Those that nobody enables any more, with the reason why they could not be deleted, "" for having been enabled. */
  readonly spent: Map<string, string>;
  readonly deleted: Set<string>;
  readonly step: (stage: Stage) => void;
}

interface End {
  readonly id: string;
  readonly isMine: boolean;
  /** Older ones. */
  readonly rest: readonly Schedule[];
}

type Turn = End | { readonly again: KfkError };

/** All that have exactly this name, oldest first; the order is the same for everybody who asks. */
async function findNamed(api: ScheduleApi, server: Server, { name }: WantedSchedule): Promise<readonly Schedule[]> {
  const all = await api.list(server, name);
  return all.filter((each) => each.name === name).toSorted(byAge);
}

async function findOurs({ api, server, wanted, spent }: Race): Promise<readonly Schedule[]> {
  const ours = (await findNamed(api, server, wanted)).filter((each) => isOurs(wanted, each));
  for (const each of ours) if (each.enabled) spent.set(each.id, "");
  return ours;
}

/** It is there and the newest: only older ones may have to be disabled. */
async function settle(race: Race, ours: Schedule, before: readonly Schedule[]): Promise<End> {
  let all = before;
  for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
    const older = all.filter((each) => byAge(each, ours) < 0);
    const on = older.filter((each) => each.enabled);
    if (on.length === 0) return { id: ours.id, isMine: false, rest: older };
    race.step({ at: "several", id: ours.id });
    await disable(race, on);
    all = await findOurs(race);
  }
  throw notAlone(race.wanted, "others of the same name are enabled again and again");
}

async function change(race: Race, before: readonly Schedule[]): Promise<End> {
  let known = before;
  race.step({ at: "untouched" });
  for (let turns = 1; ; turns++) {
    const mine = await createNewest(race, known);
    const turn = await takeTurn(race, mine);
    if (!("again" in turn)) return turn;
    known = await findOurs(race);
    // with it goes the one request that could still enable it
    await race.api.remove(race.server, mine.id, true);
    if (turns >= MOST_TURNS) throw turn.again;
  }
}

/** One schedule of this process, from disabled to enabled, or given up. */
async function takeTurn(race: Race, mine: Schedule): Promise<Turn> {
  const { api, server, wanted } = race;
  const { clock } = server.world;
  let asked: Result | undefined;
  let waitsSinceMs: number | undefined;
  for (let rounds = 0; rounds < MOST_ROUNDS;) {
    const all = await findOurs(race);
    const self = all.find((each) => each.id === mine.id);
    const older = all.filter((each) => byAge(each, mine) < 0);
    const newest = all.findLast((each) => byAge(each, mine) > 0);
    if (newest?.enabled === true) return await giveWay(race, mine, newest, older);
    const on = older.filter((each) => each.enabled);
    if (self?.enabled === true) {
      if (on.length === 0) return { id: mine.id, isMine: true, rest: older };
      await disable(race, on);
      rounds++;
      continue;
    }
    if (newest !== undefined) {
      waitsSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - waitsSinceMs >= PATIENCE_MS)
        return { again: notAlone(wanted, `${newest.id} is newer and is not enabled`) };
      await clock.sleep(PAUSE_MS);
      continue;
    }
    waitsSinceMs = undefined;
    // somebody whose newer one is gone by now
    if (self === undefined) return { again: notAlone(wanted, `${mine.id} was deleted meanwhile`) };
    if (asked !== undefined) {
      const { answer } = asked;
      if (answer.kind === "ok") return { again: notAlone(wanted, `${mine.id} was disabled meanwhile`) };
      if (!mayHaveActed(answer)) {
        race.step({ at: "between", id: mine.id }); // turned away: it is known not to be enabled
        throw failedRequest(asked);
      }
      return { again: failedRequest(asked) };
    }
    rounds++;
    const suspects = older.filter((each) => !each.enabled && !race.spent.has(each.id));
    for (const each of suspects) await revoke(race, mine, each);
    if (on.length > 0) {
      race.step({ at: "between", id: mine.id });
      await disable(race, on);
    }
    if (on.length > 0 || suspects.length > 0) continue;
    race.step({ at: "asked", id: mine.id });
    asked = await api.turn(server, mine.id, true, true);
  }
  throw notAlone(wanted, "others of the same name are enabled again and again");
}

async function disable({ api, server }: Race, those: readonly Schedule[]): Promise<void> {
  for (const each of those) {
    try {
      await switchSchedule(api, server, each.id, false);
    } catch (error) {
      if (!isKfkError(error, "SCHEDULE_UNKNOWN")) throw error; // deleted meanwhile
    }
  }
}

/** Sees to it that nobody enables one that was not seen enabled. A run of it shows that it was, once and for all. */
async function revoke(race: Race, mine: Schedule, each: Schedule): Promise<void> {
  const { api, server, spent, deleted } = race;
  const isForgotten = Date.parse(each.createdAt) < Date.parse(mine.createdAt) - FORGOTTEN_MS;
  try {
    const runs = await api.runsInFlight(server, each);
    if (runs.length > 0 || (deleted.has(each.id) && isForgotten)) {
      spent.set(each.id, runs.length > 0 ? "" : "the server did not delete it");
      return;
    }
    await api.remove(server, each.id, true);
    deleted.add(each.id);
  } catch (error) {
    if (!isKfkError(error) || !isForgotten) throw error;
    spent.set(each.id, error.message);
  }
}

/** Somebody else's newer one is enabled. */
async function giveWay(race: Race, mine: Schedule, newest: Schedule, older: readonly Schedule[]): Promise<End> {
  const { api, server, wanted } = race;
  const own = (await findOurs(race)).find((each) => each.id === mine.id);
  if (own?.enabled === true) await disable(race, [own]); // only people do that
  try {
    if (own !== undefined && (await api.runsInFlight(server, own)).length === 0) await api.remove(server, own.id, true);
  } catch (error) {
    if (!isKfkError(error)) throw error; // whoever made the newer one deletes it
  }
  if (isSame(wanted, newest)) return { id: newest.id, isMine: false, rest: older };
  throw new KfkError("SCHEDULE_BUSY", `another kfk schedule took over: ${describe(newest)} is in force`, {
    hint: "if this one is to hold, give the same command again when the other has ended",
    notes: [{ message: "nothing of this command is left on the server, or it is disabled" }],
  });
}

function describe({ id, settings }: Schedule): string {
  return settings.cron === null ? id : `${id} (${settings.cron})`;
}

/** Newer than all that were there: servers count whole seconds, and their clocks differ. */
async function createNewest(race: Race, before: readonly Schedule[]): Promise<Schedule> {
  const { api, server, wanted } = race;
  for (let tries = 1; ; tries++) {
    const mine = await createDisabled(race);
    race.step({ at: "made", id: mine.id });
    const isNewest = before.every((each) => byAge(each, mine) < 0);
    if (isNewest) return mine;
    await api.remove(server, mine.id, true);
    if (tries >= MOST_SECONDS) throw notAlone(wanted, `${before.at(-1)?.id} says that it was made in the future`);
    await server.world.clock.sleep(1000);
  }
}

/** Disabled from its first moment. */
async function createDisabled(race: Race): Promise<Schedule> {
  const { api, server, wanted } = race;
  const description = `made by kfk as ${server.world.newId()} ${pipelineMark(wanted.pipelineId)}`;
  for (let sends = 1; ; sends++) {
    const result = await api.create(server, { ...wanted, description });
    const made = api.readCreated(result);
    if (made !== undefined && made.createdAt !== "") return made;
    if (!mayHaveActed(result.answer) && result.answer.kind !== "ok") throw failedRequest(result);
    const found = await searchCreated(race, description);
    if (found !== undefined) return found;
    // one that comes to be later is disabled, and the next call finds and removes it
    if (sends >= MOST_SENDS || (result.answer.kind === "failed" && result.answer.said)) {
      race.step({ at: "made", id: "if it was created" });
      throw failedRequest(result);
    }
  }
}

async function searchCreated(race: Race, description: string): Promise<Schedule | undefined> {
  const { clock } = race.server.world;
  const startedMs = clock.monotonicMs();
  for (;;) {
    const all = await findNamed(race.api, race.server, race.wanted);
    const found = all.find((each) => each.description === description);
    if (found !== undefined) return found;
    if (clock.monotonicMs() - startedMs >= SEARCH_MS) return undefined;
    await clock.sleep(PAUSE_MS);
  }
}

/** Deletes what has no run in flight. The schedule that counts is in place, so trouble here is told, not thrown. */
async function deleteQuiet(race: Race, others: readonly Schedule[]): Promise<Pick<Applied, "deleted" | "left">> {
  const { api, server, spent, deleted } = race;
  const left: Applied["left"][number][] = [];
  for (const each of others) {
    const known = spent.get(each.id);
    try {
      const runs = await api.runsInFlight(server, each);
      if (runs.length > 0) {
        left.push({ id: each.id, reason: `its run ${runs[0]} has not ended` });
      } else if (known === "" && mayHaveFired(each, server.world.clock.nowMs())) {
        left.push({ id: each.id, reason: "it may have started a run a moment ago" });
      } else {
        await api.remove(server, each.id, true);
        deleted.add(each.id);
      }
    } catch (error) {
      if (!isKfkError(error)) throw error;
      left.push({ id: each.id, reason: error.message });
    }
  }
  const stays = new Set(left.map(({ id }) => id));
  return { deleted: [...deleted].filter((id) => !stays.has(id)), left };
}

/** A tick of the last minute: its run shows in no list before its workflow was reported. Whatever the server's zone. */
export function mayHaveFired({ settings }: Schedule, nowMs: number): boolean {
  if (settings.cron === null) return true;
  const words = settings.cron.trim().split(/\s+/);
  try {
    // five fields on a server are second to month
    const cron = parseCron(words.length === 5 ? [...words, "*"].join(" ") : settings.cron);
    if ("everyMs" in cron.plan) return true;
    return HALF_HOURS.some((half) => {
      const at = nextFire(cron, nowMs - LAG_MS + half * 1_800_000);
      return at !== null && at <= nowMs + half * 1_800_000;
    });
  } catch (error) {
    if (isKfkError(error)) return true; // in words that are not read here
    throw error;
  }
}

const LAG_MS = 60_000;
/** Every offset that a zone of today has, but for the two of a quarter. */
const HALF_HOURS = Array.from({ length: 53 }, (_, index) => index - 24);

function halfDone(wanted: WantedSchedule, stage: Stage, reason: KfkError): KfkError {
  if (stage.at === "untouched") return reason;
  return new KfkError("SERVER_OUTCOME", `the schedule "${wanted.name}" is half changed: ${reason.message}`, {
    hint: "give the same command again: it goes on from what the server has, and never enables two",
    notes: [{ message: describeStage(stage) }, ...(reason.hint === undefined ? [] : [{ message: reason.hint }])],
    cause: reason,
  });
}

function notAlone(wanted: WantedSchedule, problem: string): KfkError {
  return new KfkError("SERVER_OUTCOME", `the schedule "${wanted.name}" is changed by somebody else: ${problem}`, {
    hint: "give the same command again when nobody else does",
  });
}
