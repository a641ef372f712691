/**
 * Cron expressions against what robfig/cron v1.2.0 itself says, the library in servers: `cron-reference.jsonl` holds
 * random expressions with their next five times (from `time.LoadLocation` zones), or that they are refused.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isZone, nextFire, nextFires, parseCron, renderMoment } from "../../src/cluster/cron.ts";
import { isKfkError, type KfkError } from "../../src/error.ts";

const NOON = Date.UTC(2026, 10, 24, 12);

function refusal(typed: string): KfkError {
  try {
    parseCron(typed);
  } catch (error) {
    if (isKfkError(error)) return error;
    throw error;
  }
  throw new Error(`${typed} was taken`);
}

interface Row {
  readonly expr: string;
  readonly zone: string;
  /** Seconds since 1970. */
  readonly from: number;
  readonly fires?: readonly number[];
  readonly refused?: true;
}

test("random expressions fire when the servers' library says, over changes of the clock too", () => {
  const rows = readFileSync(join(import.meta.dir, "cron-reference.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
  const answer = ({ expr, zone, from }: Row): unknown => {
    try {
      return nextFires(parseCron(expr), from * 1000, 5, zone).map((ms) => ms / 1000);
    } catch (error) {
      if (isKfkError(error, "USAGE_VALUE")) return "refused";
      throw error;
    }
  };
  const wanted = ({ fires, refused }: Row): unknown => (refused ? "refused" : (fires ?? []));
  expect(rows.length).toBeGreaterThan(400);
  expect(rows.map((row) => [row.expr, answer(row)])).toEqual(rows.map((row) => [row.expr, wanted(row)]));
});

describe("an expression", () => {
  test.each([
    ["0 4 * * *", "0 0 4 * * *", true],
    ["0 0 4 * * *", "0 0 4 * * *", false],
    ["  0  30 6 ? * mon-FRI ", "0 30 6 ? * mon-FRI", false],
    ["@daily", "@daily", false],
    ["@every 1h30m", "@every 1h30m", false],
  ])("%s is sent as %s", (typed, expression, completed) => {
    const { plan: _, ...cron } = parseCron(typed);
    expect(cron).toEqual({ expression, completed });
  });

  test.each([
    ["", "the cron expression is empty", 1, 1],
    ["0 4 * *", 'the cron expression "0 4 * *" has 4 fields, and six are wanted', 1, 7],
    ["0 0 4 * * * *", 'the cron expression "0 0 4 * * * *" has 7 fields, and six are wanted', 1, 13],
    ["0 61 4 * * *", 'the minute "61" lies outside of 0 to 59', 3, 2],
    ["0 0 1,24 * * *", 'the hour "24" lies outside of 0 to 23', 7, 2],
    ["0 0 4 * * 7", 'the weekday "7" lies outside of 0 to 6, and Sunday is 0', 11, 1],
    ["0 0 4 * * fri-mon", 'the weekday "fri-mon" ends before it begins', 11, 7],
    ["0 */0 4 * * *", 'the step of "*/0" is no number above 0', 3, 3],
    ["0 0 4 1,,2 * *", "a part of the day is empty", 9, 1],
    ["0 0 4 * foo *", '"foo" is no month', 9, 3],
    ["0 0 *-5 * * *", '"*-5" is no hour', 5, 3],
    ["0 +5 4 * * *", '"+5" is no minute', 3, 2],
    ["@Daily", '"@Daily" is no schedule that servers know', 1, 6],
    [
      "TZ=UTC 0 0 4 * * *",
      "a cron expression carries no time zone: servers read it in their own, which is UTC unless set otherwise",
      1,
      6,
    ],
    ["60 4 * * *", 'the minute "60" lies outside of 0 to 59', 1, 2],
  ])("%p is refused where it is wrong", (typed, message, column, length) => {
    const error = refusal(typed);
    expect({ code: error.code, message: error.message, column: error.at?.column, length: error.at?.length }).toEqual({
      code: "USAGE_VALUE",
      message,
      column,
      length,
    });
  });

  test("that no day ever meets has no next time", () => {
    expect(nextFire(parseCron("0 0 0 30 2 *"), NOON)).toBeNull();
  });

  test("@every counts whole seconds from the moment given", () => {
    expect(nextFire(parseCron("@every 1h30m"), NOON + 250)).toBe(NOON + 5_400_000);
    expect(nextFire(parseCron("@every 10ms"), NOON)).toBe(NOON + 1000);
  });
});

test("moments are written with their zone", () => {
  expect(renderMoment(NOON, "UTC")).toBe("2026-11-24T12:00:00Z");
  expect(renderMoment(NOON, "Asia/Kathmandu")).toBe("2026-11-24 17:45:00 Asia/Kathmandu");
  expect([isZone("Europe/Warsaw"), isZone("Europe/Nowhere"), isZone("")]).toEqual([true, false, false]);
});
