/**
 * Cron expressions as KFP's servers read them. Comes in: an expression as typed, a moment, a time zone; goes out: the
 * six-field expression to send, and the moments at which it fires. Pure.
 *
 * Rules: robfig/cron v1.2.0, the parser of API server and schedule controller from 1.8 to 2.17: seconds first, day of
 * week 0 to 6 (7 is no Sunday), `?` is `*`, `N/step` runs to the field's end, `*` and steps of it alike make the other day
 * field decide. Five fields are accepted there and misread (the first as seconds), so they are completed here. A
 * schedule has no zone of its own: the controller's CRON_SCHEDULE_TIMEZONE holds, UTC unless it is set.
 * Refused, although servers take them: `*-5`, `+5`, empty parts, which they read as something else or never fire.
 */
import { KfkError } from "../error.ts";

export interface Cron {
  /** What is sent: six fields or a descriptor. */
  readonly expression: string;
  /** True when five fields were given and seconds were put before them. */
  readonly completed: boolean;
  readonly plan: FieldPlan | { readonly everyMs: number };
}

/** Allowed values of each field. */
interface FieldPlan {
  readonly second: ReadonlySet<number>;
  readonly minute: ReadonlySet<number>;
  readonly hour: ReadonlySet<number>;
  readonly day: ReadonlySet<number>;
  readonly month: ReadonlySet<number>;
  readonly weekday: ReadonlySet<number>;
  /** True when days must match both fields, which is so when either has a star. */
  readonly both: boolean;
}

/** Reads an expression. `option`: how it was given, for messages. Errors: USAGE_VALUE with the place in it. */
export function parseCron(typed: string, option = "--cron-expression"): Cron {
  const text = typed.trim();
  const at = (index: number, length: number) => ({
    file: option,
    line: 1,
    column: index + 1,
    length: Math.max(1, length),
    text: typed,
  });
  const fail = (message: string, hint: string, index: number, length: number): KfkError =>
    new KfkError("USAGE_VALUE", message, { hint, at: at(index, length) });
  const whole = (message: string, hint: string): KfkError => fail(message, hint, 0, typed.length);
  if (text === "") throw whole("the cron expression is empty", EXAMPLE);
  if (text.startsWith("@")) {
    const everyMs = text.startsWith("@every ") ? parseGoDuration(text.slice("@every ".length)) : undefined;
    if (everyMs !== undefined) return { expression: text, completed: false, plan: { everyMs } };
    const fields = DESCRIPTORS[text];
    if (fields === undefined) {
      throw whole(
        `"${text}" is no schedule that servers know`,
        `use ${Object.keys(DESCRIPTORS).join(", ")} or @every 1h30m`,
      );
    }
    return { ...parseCron(fields, option), expression: text };
  }
  const words = [...typed.matchAll(/\S+/g)].map((match) => ({ word: match[0], index: match.index }));
  if (/^(CRON_)?TZ=/.test(text)) {
    throw fail(
      "a cron expression carries no time zone: servers read it in their own, which is UTC unless set otherwise",
      "leave it out, and write the times of that zone",
      words[0]?.index ?? 0,
      words[0]?.word.length ?? 1,
    );
  }
  if (words.length !== 5 && words.length !== 6) {
    throw whole(
      `the cron expression "${text}" has ${words.length} field${words.length === 1 ? "" : "s"}, and six are wanted`,
      EXAMPLE,
    );
  }
  const completed = words.length === 5;
  const given = completed ? [{ word: "0", index: 0 }, ...words] : words;
  const sets = FIELDS.map((field, place) => {
    const { word, index } = given[place] as (typeof given)[number];
    return readField(word, field, (message, hint, offset, length) => fail(message, hint, index + offset, length));
  });
  const [second, minute, hour, day, month, weekday] = sets.map(({ values }) => values) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const both = sets[3]?.star === true || sets[5]?.star === true;
  return {
    expression: given.map(({ word }) => word).join(" "),
    completed,
    plan: { second, minute, hour, day, month, weekday, both },
  };
}

/**
 * The next moment after `afterMs` (milliseconds since 1970) at which it fires; null when there is none within five
 * years, which is where servers give up. `zone`: an IANA name. `@every` counts from `afterMs`.
 */
export function nextFire(cron: Cron, afterMs: number, zone = "UTC"): number | null {
  const { plan } = cron;
  const startMs = Math.floor(afterMs / 1000) * 1000;
  return "everyMs" in plan ? startMs + plan.everyMs : searchFire(plan, startMs + 1000, clockOf(zone));
}

/** The next `count` moments, fewer when it fires no more. */
export function nextFires(cron: Cron, afterMs: number, count: number, zone = "UTC"): readonly number[] {
  const fires: number[] = [];
  for (let at: number | null = afterMs; fires.length < count; fires.push(at)) {
    at = nextFire(cron, at, zone);
    if (at === null) break;
  }
  return fires;
}

/** `2026-11-24 04:00:00 Europe/Warsaw`; UTC as `2026-11-24T04:00:00Z`. */
export function renderMoment(ms: number, zone: string): string {
  const iso = new Date(ms + clockOf(zone).offsetMs(ms)).toISOString().slice(0, 19);
  return isUtc(zone) ? `${iso}Z` : `${iso.replace("T", " ")} ${zone}`;
}

/** True for a name that `nextFire` takes. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name }).format(0);
    return name !== "";
  } catch {
    return false;
  }
}

// --- internal ---

const EXAMPLE = 'write second, minute, hour, day, month, weekday, such as "0 0 4 * * *" for every day at 4';

const DESCRIPTORS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 0 1 1 *",
  "@annually": "0 0 0 1 1 *",
  "@monthly": "0 0 0 1 * *",
  "@weekly": "0 0 0 * * 0",
  "@daily": "0 0 0 * * *",
  "@midnight": "0 0 0 * * *",
  "@hourly": "0 0 * * * *",
};

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: readonly Field[] = [
  { name: "second", least: 0, most: 59 },
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day", least: 1, most: 31 },
  { name: "month", least: 1, most: 12, names: MONTHS },
  { name: "weekday", least: 0, most: 6, names: WEEKDAYS },
];

type Fail = (message: string, hint: string, offset: number, length: number) => KfkError;

function readField(word: string, field: Field, fail: Fail): { readonly values: Set<number>; readonly star: boolean } {
  const values = new Set<number>();
  let star = false;
  let offset = 0;
  for (const part of word.split(",")) {
    const read = readPart(part, field, (message, hint, inner, length) => fail(message, hint, offset + inner, length));
    star ||= read.star;
    for (let value = read.from; value <= read.to; value += read.step) values.add(value);
    offset += part.length + 1;
  }
  return { values, star };
}

interface Part {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly star: boolean;
}

function readPart(part: string, field: Field, fail: Fail): Part {
  const { name, least, most } = field;
  const allowed = `the ${name} is ${least} to ${most}${field.names ? ` or ${field.names[0]} to ${field.names.at(-1)}` : ""}`;
  const wrong = (message: string): KfkError => fail(message, allowed, 0, part.length);
  const [, range = "", , step] = /^([^/]*)(\/(.*))?$/.exec(part) ?? [];
  const [low = "", high, ...more] = range.split("-");
  const star = low === "*" || low === "?";
  if (part === "" || range === "") throw wrong(`a part of the ${name} is empty`);
  if (more.length > 0 || (star && high !== undefined)) throw wrong(`"${part}" is no ${name}`);
  const stepSize = step === undefined ? 1 : /^\d{1,9}$/.test(step) ? Number(step) : 0;
  if (stepSize === 0) throw wrong(`the step of "${part}" is no number above 0`);
  if (star) return { from: least, to: most, step: stepSize, star };
  const from = readValue(low, field);
  const to = high !== undefined ? readValue(high, field) : step === undefined ? from : most;
  if (from === undefined || to === undefined) throw wrong(`"${part}" is no ${name}`);
  if (from < least || to > most) {
    const sunday = name === "weekday" && (from === 7 || to === 7) ? ", and Sunday is 0" : "";
    throw wrong(`the ${name} "${part}" lies outside of ${least} to ${most}${sunday}`);
  }
  if (from > to) throw wrong(`the ${name} "${part}" ends before it begins`);
  return { from, to, step: stepSize, star };
}

function readValue(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + field.least;
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's durations (`1h30m`); below a second is a second, parts of a second are cut, as the library does. */
function parseGoDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    sum += Number(count) * (UNITS_MS[unit ?? ""] ?? 0);
  return Math.max(1000, Math.floor(Math.round(sum) / 1000) * 1000);
}

/** Offsets of a time zone, and the moment of a local date as Go's time.Date finds it. */
interface ZoneClock {
  readonly offsetMs: (ms: number) => number;
  readonly instant: (year: number, month: number, day: number, hour: number, rest?: number) => number;
}

function isUtc(zone: string): boolean {
  return /^(Etc\/)?(UTC|GMT)$/i.test(zone);
}

function clockOf(zone: string): ZoneClock {
  const offsetMs = isUtc(zone) ? () => 0 : zoneOffset(zone);
  return {
    offsetMs,
    instant: (year, month, day, hour, rest = 0) => {
      const local = Date.UTC(year, month, day, hour) + rest;
      return local - offsetMs(local - offsetMs(local));
    },
  };
}

/** Offsets change on quarter hours at the finest, so one answer holds for that long. */
function zoneOffset(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const known = new Map<number, number>();
  return (ms) => {
    const quarter = Math.floor(ms / 900_000) * 900_000;
    const there = known.get(quarter);
    if (there !== undefined) return there;
    const parts = new Map(format.formatToParts(quarter).map(({ type, value }) => [type, Number(value)]));
    const get = (type: string): number => parts.get(type as Intl.DateTimeFormatPartTypes) ?? 0;
    const local = Date.UTC(get("year"), get("month") - 1, get("day"), get("hour"), get("minute"), get("second"));
    known.set(quarter, local - quarter);
    return local - quarter;
  };
}

/** The library's search, field by field, with its own way over changes of the offset. */
function searchFire(plan: FieldPlan, fromMs: number, clock: ZoneClock): number | null {
  let at = fromMs;
  let added = false;
  const local = (): Date => new Date(at + clock.offsetMs(at));
  const limit = local().getUTCFullYear() + 5;
  wrap: for (let rounds = 0; rounds < 100_000; rounds++) {
    let now = local();
    if (now.getUTCFullYear() > limit) return null;
    while (!plan.month.has(now.getUTCMonth() + 1)) {
      if (!added) at = clock.instant(now.getUTCFullYear(), now.getUTCMonth(), 1, 0);
      added = true;
      now = local();
      at = clock.instant(now.getUTCFullYear(), now.getUTCMonth() + 1, now.getUTCDate(), 0, timeOfDay(now));
      now = local();
      if (now.getUTCMonth() === 0) continue wrap;
    }
    while (!dayMatches(plan, now)) {
      if (!added) at = clock.instant(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), 0);
      added = true;
      now = local();
      at = clock.instant(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1, 0, timeOfDay(now));
      now = local();
      if (now.getUTCDate() === 1) continue wrap;
    }
    while (!plan.hour.has(now.getUTCHours())) {
      if (!added) at = clock.instant(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), now.getUTCHours());
      added = true;
      at += 3_600_000;
      now = local();
      if (now.getUTCHours() === 0) continue wrap;
    }
    while (!plan.minute.has(now.getUTCMinutes())) {
      if (!added) at = Math.floor(at / 60_000) * 60_000;
      added = true;
      at += 60_000;
      now = local();
      if (now.getUTCMinutes() === 0) continue wrap;
    }
    while (!plan.second.has(now.getUTCSeconds())) {
      added = true;
      at += 1000;
      now = local();
      if (now.getUTCSeconds() === 0) continue wrap;
    }
    return at;
  }
  return null;
}

function timeOfDay(local: Date): number {
  return local.getTime() - Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate());
}

function dayMatches(plan: FieldPlan, local: Date): boolean {
  const day = plan.day.has(local.getUTCDate());
  const weekday = plan.weekday.has(local.getUTCDay());
  return plan.both ? day && weekday : day || weekday;
}
