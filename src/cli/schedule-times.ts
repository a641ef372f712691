/**
 * `--cron-expression`, `--timezone`, `--start` and `--end` → when a schedule fires, and the words for it. Asks no server.
 */
import { type Cron, isZone, nextFires, parseCron, renderMoment } from "../cluster/cron.ts";
import { KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

export interface Times {
  readonly cron: Cron;
  /** RFC 3339 in UTC; null: none. */
  readonly start: string | null;
  readonly end: string | null;
  /** Zone in which the server reads the expression. */
  readonly zone: string;
}

/** Reads the options. `cron`: instead of `--cron-expression`. Errors: USAGE_VALUE, also for what never fires. */
export function readTimes(call: Call, given?: string): Times {
  const { options } = call;
  const typed = given ?? options.text("cron-expression");
  if (typed === undefined) {
    throw new KfkError("USAGE_VALUE", "kfk schedule needs --cron-expression", {
      hint: 'for example kfk schedule -c "0 0 4 * * *", every day at 4 in the server\'s zone',
    });
  }
  const cron = parseCron(typed);
  if (cron.completed) call.say(`five fields: seconds come first on servers, so this is "${cron.expression}"`);
  const zone = options.text("timezone") ?? "UTC";
  if (!isZone(zone)) {
    throw new KfkError("USAGE_VALUE", `--timezone: there is no time zone "${zone}"`, {
      hint: "write it as in Europe/Warsaw or UTC",
    });
  }
  const start = readMoment("start", options.text("start"));
  const end = readMoment("end", options.text("end"));
  if (start !== null && end !== null && start >= end) {
    throw new KfkError("USAGE_VALUE", `--end ${end} is not after --start ${start}`, { hint: "give a later --end" });
  }
  const times = { cron, start, end, zone };
  if (firesOf(call, times, 1).length === 0) {
    const within = start === null && end === null ? "" : " between --start and --end";
    throw new KfkError("USAGE_VALUE", `"${cron.expression}" never fires${within}`, {
      hint: "see kfk schedule next -c CRON for the times of an expression",
    });
  }
  return times;
}

/** The next moments, milliseconds since 1970, within start and end. */
export function firesOf(call: Call, { cron, start, end, zone }: Times, count: number): readonly number[] {
  const nowMs = call.world.clock.nowMs();
  const fromMs = start === null ? nowMs : Math.max(nowMs, Date.parse(start) - 1000);
  return nextFires(cron, fromMs, count, zone).filter((ms) => end === null || ms <= Date.parse(end));
}

/** One moment, in UTC, in the zone of this machine and, when it is a third one, in that of the server. */
export interface Fire {
  readonly utc: string;
  readonly local: string;
  readonly zoned: string | null;
}

/** The next five. */
export function renderFires(call: Call, times: Times): readonly Fire[] {
  const local = localZone(call);
  const isThird = times.zone !== local && times.zone !== "UTC";
  return firesOf(call, times, SHOWN).map((ms) => ({
    utc: renderMoment(ms, "UTC"),
    local: renderMoment(ms, local),
    zoned: isThird ? renderMoment(ms, times.zone) : null,
  }));
}

/** A line; what would stand there twice stands once. */
export function renderFire({ utc, local, zoned }: Fire): string {
  return [...new Set([utc, local, ...(zoned === null ? [] : [zoned])])].join("  ");
}

/** The next times on stderr, and what must be true on the server for them. */
export function tellTimes(call: Call, times: Times): void {
  call.say("next times:");
  for (const fire of renderFires(call, times)) call.say(`  ${renderFire(fire)}`);
  if (times.zone === "UTC") return;
  call.warn([
    {
      message: `a schedule carries no time zone: these times hold when the server has CRON_SCHEDULE_TIMEZONE=${times.zone}`,
      hint: "ask who runs it; without that setting it reads the same expression in UTC",
    },
  ]);
}

// --- internal ---

const SHOWN = 5;

function localZone(call: Call): string {
  const named = (call.world.env["TZ"] ?? "").replace(/^:/, "");
  return isZone(named) ? named : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function readMoment(option: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text.trim());
  const [, date, time, offset] = match ?? [];
  if (time !== undefined && offset === undefined) {
    throw new KfkError("USAGE_VALUE", `--${option} ${text} says nothing of the time zone`, {
      hint: `write --${option} ${date}T${time}Z for UTC, or an offset such as +01:00`,
    });
  }
  const ms = match === null ? NaN : Date.parse(`${date}T${time ?? "00:00"}${offset ?? "Z"}`);
  // a 30th of February is taken as the 2nd of March by some parsers
  const isDay = !Number.isNaN(ms) && new Date(`${date}T00:00Z`).toISOString().startsWith(date ?? "");
  if (!isDay) {
    throw new KfkError("USAGE_VALUE", `--${option} wants a date or a time, and this is none: "${text}"`, {
      hint: `write --${option} 2026-12-24 or --${option} 2026-12-24T18:00Z`,
    });
  }
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
