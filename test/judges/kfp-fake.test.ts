/**
 * The fake server against what real servers answered: every recorded v1beta1 request of pipelines, experiments, runs
 * and health is sent again, in order, and status, gRPC code, message and the shape of the JSON are compared. Ids differ
 * from run to run, so each recorded id is replaced by the fake's as answers bring them.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startKfp } from "./kfp-fake.ts";
import { KFP_VERSIONS } from "./kfp-versions.ts";

interface Row {
  readonly step: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly request_body: unknown;
  readonly status: number;
  readonly response_body: unknown;
}

/** Steps that are not sent, each with the reason. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [
    /^upload\.v1\.ir-through-v1$|^run\.v2\.get-through-v1$|\.inline-ir$|\.ir-version-/,
    "IR documents: the fake knows Argo's",
  ],
  [/^bad\.v1\.bad-ir|^bad\.ir/, "IR documents: the fake knows Argo's"],
  [/^upload\.v1\.tgz$/, "the fake unpacks no archives"],
  [/^artifact\./, "no artifacts in the fake"],
  [/^malformed\.|^after-malformed/, "a real server never answers these (status 0)"],
  [/^wait\..*\.(retry|retry-state|after-retry.*|terminate-again)$/, "what a retry leads to is a matter of Argo"],
  [/^get\.pipeline\.v1$/, "which version is newest within one second is chance"],
  [/^description-length\.exp|^name-length\.exp/, "created through v2beta1"],
];
/** Compared by status and message alone: cut by the recorder in the middle of the JSON. */
const CUT: ReadonlySet<string> = new Set(["run.v1.list.experiment", "run.v1.list.filter-name"]);

const BIG_BODY = { name: "rx", pipeline_spec: { parameters: [{ name: "alpha", value: "x".repeat(10_001) }] } };
const FOLDER = join(import.meta.dir, "../recordings");
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

describe.each(["2.5.0", "2.17.0"] as const)("the fake of KFP %s", (tag) => {
  const rows = readRows(tag);
  test("answers recorded requests as the server did", async () => {
    const clock = { ms: 0 };
    const fake = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => clock.ms });
    const ids = new Map<string, string>();
    const wrong: string[] = [];
    let compared = 0;
    try {
      for (const row of rows) {
        if (LEFT_OUT.some(([steps]) => steps.test(row.step))) continue;
        if (row.step.endsWith(".final") || row.step.endsWith("terminate-finished")) clock.ms += 60_000;
        else clock.ms += 10;
        const response = await fetch(
          `${fake.url}${withIds(row.path, ids)}${row.query === "" ? "" : `?${withIds(row.query, ids)}`}`,
          {
            method: row.method,
            redirect: "manual",
            ...bodyOf(row, ids),
          },
        );
        const text = await response.text();
        const body = readJson(text);
        learn(row.response_body, body, ids);
        compared++;
        const expected = summary(row.status, row.response_body, row.step);
        const actual = summary(response.status, body ?? text, row.step);
        if (!Bun.deepEquals(expected, actual))
          wrong.push(`${row.step}\n  real ${JSON.stringify(expected)}\n  fake ${JSON.stringify(actual)}`);
      }
    } finally {
      await fake.stop();
    }
    expect(wrong.join("\n")).toBe("");
    expect(compared).toBeGreaterThan(130);
  });

  test("goes through the states of recorded runs at the recorded times", () => {
    for (const line of readLines(tag)) {
      const row = JSON.parse(line) as { step: string; states_over_time?: { t: number; state: string }[] };
      if (row.step === "wait.v1.argo-ok.summary") {
        expect(row.states_over_time).toEqual([
          { t: 0, state: "Pending" },
          { t: 1, state: "Running" },
          { t: 21.2, state: "Succeeded" },
        ]);
      }
      if (row.step === "wait.v1.argo-slow.summary") {
        expect(row.states_over_time?.map((each) => each.state)).toEqual([
          "Pending",
          "Running",
          "Terminating",
          "Failed",
        ]);
      }
    }
  });
});

// --- internal ---

function readLines(tag: string): readonly string[] {
  return readFileSync(join(FOLDER, `kfp-${tag}.jsonl`), "utf8")
    .trim()
    .split("\n");
}

function readRows(tag: string): readonly Row[] {
  return readLines(tag)
    .map((line) => JSON.parse(line) as Row)
    .filter((row) => row.status !== undefined);
}

function withIds(text: string, ids: ReadonlyMap<string, string>): string {
  return text.replace(UUID, (id) => ids.get(id) ?? id);
}

function bodyOf(row: Row, ids: ReadonlyMap<string, string>): RequestInit {
  const { request_body: body } = row;
  if (body === null || body === undefined) return {};
  const upload =
    typeof body === "string" ? /^multipart (\w+)=@defs\/([^;]+);filename=(\S+) \((\d+) bytes\)/.exec(body) : null;
  if (upload) {
    const [, field = "", file = "", name = "", size = "0"] = upload;
    const data = file === "bad.txt" ? Buffer.from("x\n") : readFileSync(join(FOLDER, "defs", file));
    const padded =
      Number(size) > data.length ? Buffer.concat([data, Buffer.alloc(Number(size) - data.length, " ")]) : data;
    const form = new FormData();
    form.append(field === "None" ? "none" : field, new File([new Uint8Array(padded)], name));
    return { body: form };
  }
  const whole = row.step.endsWith("big-param") ? BIG_BODY : body; // the recorder cut it
  const text = withIds(typeof whole === "string" ? whole : pythonJson(whole), ids);
  return { body: text, headers: { "content-type": "application/json" } };
}

/** As the recorder wrote it: positions in messages of the new gateway depend on the blanks. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}: ${pythonJson(item)}`)
    .join(", ")}}`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Walks two answers side by side and notes which id stands for which. */
function learn(real: unknown, fake: unknown, ids: Map<string, string>): void {
  if (typeof real === "string" && typeof fake === "string") {
    if (new RegExp(`^${UUID.source}$`).test(real) && !ids.has(real)) ids.set(real, fake);
  } else if (Array.isArray(real) && Array.isArray(fake)) {
    // lists come in no order that could be repeated (creation times have one second): only what was asked for by name
    if (real.length === 1 && fake.length === 1) learn(real[0], fake[0], ids);
  } else if (isRecord(real) && isRecord(fake)) {
    for (const key of Object.keys(real)) learn(real[key], fake[key], ids);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function summary(status: number, body: unknown, step: string): unknown {
  if (CUT.has(step)) return { status };
  if (!isRecord(body)) return { status, text: typeof body === "string" ? normal(body) : "" };
  if (status >= 400) {
    const { message, error_message, code, details, error } = body as Record<string, unknown>;
    const first = Array.isArray(details) ? (details[0] as Record<string, unknown> | undefined) : undefined;
    return {
      status,
      code,
      message: normal(message ?? error_message),
      error: normal(error),
      short: normal(first?.["message"]),
      keys: Object.keys(body).toSorted(),
    };
  }
  return { status, shape: shapeOf(body) };
}

function normal(text: unknown): unknown {
  if (typeof text !== "string") return text;
  return text
    .replace(UUID, "<id>")
    .replaceAll("\u00a0", " ")
    .replace(/"argo-ok-\w{5}"/, '"argo-ok-<suffix>"')
    .trim();
}

/** Keys and types; a list is what its items have in common with none left out. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [shapeOf(value[0])];
  if (!isRecord(value)) return typeof value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, shapeOf(value[key])]),
  );
}
