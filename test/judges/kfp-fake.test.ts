/**
 * The fake server against what real servers answered: every recorded request of both APIs is sent again, in order, and
 * status, gRPC code, message and the shape of the JSON are compared. Ids differ
 * from run to run, so each recorded id is replaced by the fake's as answers bring them.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FakeKfp, startKfp } from "./kfp-fake.ts";
import { recordedRows, RECORDINGS, type Row, TAGS } from "./kfp-said.ts";
import { KFP_VERSIONS } from "./kfp-versions.ts";

/** Steps that are not sent or not compared, each with the reason. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/^upload\.v1\.tgz$|^upload\.v2\.(zip|tgz)$/, "the archives are not among the recordings"],
  [/^run\.v2\.create\.inline(-platform)?$|^run\.v1\.create\.inline-ir$/, "the recorder cut the request"],
  [/^get\.pipeline\.v1$/, "which version is newest within one second is chance"],
  [/^malformed\.|^after-malformed/, "servers of 2.x never answer these (status 0)"],
];
/** Rows whose body the recorder cut in the middle of the JSON: compared by status, and by the keys that are there. */
const isCut = (row: Row): boolean => typeof row.response_body === "string" && /^[{[]/.test(row.response_body);

const BIG_BODY = { name: "rx", pipeline_spec: { parameters: [{ name: "alpha", value: "x".repeat(10_001) }] } };
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

describe.each(TAGS)("the fake of KFP %s", (tag) => {
  test("answers recorded requests as the server did", async () => {
    const rows = recordedRows(tag);
    const clock = { ms: 0 };
    const fake = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => clock.ms });
    const ids = new Map<string, string>();
    const wrong: string[] = [];
    let compared = 0;
    try {
      for (const row of rows) {
        if (LEFT_OUT.some(([steps]) => steps.test(row.step))) continue;
        script(fake, row.step);
        clock.ms += /\.final|terminate-finished/.test(row.step)
          ? 60_000
          : /^wait\.v\d\.[a-z-]+$/.test(row.step)
            ? 1500
            : 10;
        const response = await fetch(
          `${fake.url}${withIds(row.path, ids)}${row.query === "" ? "" : `?${withIds(row.query, ids)}`}`,
          { method: row.method, redirect: "manual", ...bodyOf(row, ids) },
        );
        const text = await response.text();
        const body = readJson(text);
        // while waiting the recorder kept the run alone, without its document
        const isShort = /^wait\.v1\.[a-z-]+(\.after-retry)?$/.test(row.step);
        const recorded = isCut(row) ? readBegin(row.response_body as string) : row.response_body;
        learn(recorded, body, ids);
        compared++;
        const expected = summary(row.status, recorded, isCut(row));
        const answered = isShort && isRecord(body) ? body["run"] : body;
        const actual = summary(response.status, answered ?? text, isCut(row));
        if (!agrees(expected, actual, isCut(row) || isShort || row.step.startsWith("wait.v2")))
          wrong.push(`${row.step}\n  real ${JSON.stringify(expected)}\n  fake ${JSON.stringify(actual)}`);
      }
    } finally {
      await fake.stop();
    }
    expect(wrong.join("\n")).toBe("");
    expect(compared / rows.length).toBeGreaterThan(0.9);
  });
});

// --- internal ---

function withIds(text: string, ids: ReadonlyMap<string, string>): string {
  let out = text.replace(UUID, (id) => ids.get(id) ?? id);
  for (const [real, fake] of ids) {
    if (real.startsWith("eyJ")) out = out.replaceAll(encodeURIComponent(real), encodeURIComponent(fake));
  }
  return out;
}

function bodyOf(row: Row, ids: ReadonlyMap<string, string>): RequestInit {
  const { request_body: body } = row;
  if (body === null || body === undefined) return {};
  const upload =
    typeof body === "string" ? /^multipart (\w+)=@defs\/([^;]+);filename=(\S+) \((\d+) bytes\)/.exec(body) : null;
  if (upload) {
    const [, field = "", file = "", name = "", size = "0"] = upload;
    const data = !existsSync(join(RECORDINGS, "defs", file))
      ? Buffer.from("x\n")
      : readFileSync(join(RECORDINGS, "defs", file));
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

/** Runs end as the recorded ones did. */
function script(fake: FakeKfp, step: string): void {
  if (step === "wait.v1.argo-fail.create") {
    fake.setScript([
      { t: 0, state: "Pending" },
      { t: 1, state: "Running" },
      { t: 21.2, state: "Failed" },
    ]);
  }
  if (step.endsWith("-slow.create")) {
    fake.setScript([
      { t: 0, state: "Pending" },
      { t: 1, state: "Running" },
    ]);
  }
}

/** The begin of a JSON text, closed where it was cut. */
function readBegin(text: string): unknown {
  const open: string[] = [];
  let inText = false;
  let safe = 0;
  let closers = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (inText) {
      if (char === "\\") at++;
      else if (char === '"') inText = false;
      continue;
    }
    if (char === '"') inText = true;
    else if (char === "{" || char === "[") open.push(char === "{" ? "}" : "]");
    else if (char === "}" || char === "]") open.pop();
    if (char === "," || char === "}" || char === "]") {
      safe = char === "," ? at : at + 1;
      closers = open.toReversed().join("");
    }
  }
  return readJson(text.slice(0, safe) + closers);
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
    const [token, other] = [real["next_page_token"], fake["next_page_token"]];
    if (typeof token === "string" && typeof other === "string") ids.set(token, other);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function summary(status: number, body: unknown, cut: boolean): unknown {
  if (!isRecord(body)) return { status, text: typeof body === "string" && !cut ? normal(body) : "" };
  if (status >= 400 || "error_message" in body) {
    const { message, error_message, code, details, error } = body;
    const first = Array.isArray(details) ? (details[0] as Record<string, unknown> | undefined) : undefined;
    return {
      status,
      code,
      message: normal(message ?? error_message),
      error: normal(error),
      short: normal(first?.["message"] ?? first?.["error_message"]),
      keys: Object.keys(body).toSorted(),
    };
  }
  return { status, shape: shapeOf(body) };
}

/** The same; for a cut body all that is there of it. */
function agrees(real: unknown, fake: unknown, cut: boolean): boolean {
  if (!cut) return Bun.deepEquals(real, fake);
  if (Array.isArray(real) && Array.isArray(fake)) return agrees(real[0] ?? null, fake[0] ?? null, cut);
  if (!isRecord(real) || !isRecord(fake)) return real === fake || real === null;
  return Object.keys(real).every((key) => key in fake && agrees(real[key], fake[key], cut));
}

function normal(text: unknown): unknown {
  if (typeof text !== "string") return text;
  return text
    .replace(UUID, "<id>")
    .replaceAll("\u00a0", " ")
    .replace(/eyJ[A-Za-z0-9_+/=-]{20,}/g, "<token>")
    .replace(/pageToken: \S*,/, "pageToken: <token>,")
    .replace(/"argo-ok-\w{5}"/, '"argo-ok-<suffix>"')
    .trim();
}

/** Fields that not every item of a list has. */
const OPTIONAL: ReadonlySet<string> = new Set([
  "description",
  "parameters",
  "runtime_config",
  "trigger",
  "tags",
  "pipeline_version_reference",
  "pipeline_spec",
  "service_account",
  "default_version",
  "child_tasks",
  "state",
  "resource_references",
]);

/** Keys and types; a list is what its items have in common with none left out. */
function shapeOf(value: unknown, isItem = false): unknown {
  if (Array.isArray(value)) return [shapeOf(value[0], true)];
  if (!isRecord(value)) return typeof value;
  return Object.fromEntries(
    Object.keys(value)
      // which of the items created within one second comes first is chance
      .filter((key) => !isItem || !OPTIONAL.has(key))
      .toSorted()
      .map((key) => [key, shapeOf(value[key])]),
  );
}
