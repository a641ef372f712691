/** Schedules on the fake that answers as the recorded servers did, by both APIs. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { uploadPipeline } from "../../src/cluster/pipelines.ts";
import { type ScheduleApi, scheduleApi, switchSchedule } from "../../src/cluster/schedule-api.ts";
import type { WantedSchedule } from "../../src/cluster/schedule-identity.ts";
import { applySchedule } from "../../src/cluster/schedules.ts";
import { RECORDINGS } from "../judges/kfp-said.ts";
import { DOCUMENT, errorOf, setUp } from "./setup-server.ts";

const SPECIFICATION = readFileSync(join(RECORDINGS, "defs/v2-plain.yaml"), "utf8");

const CASES = [
  ["1.8.22", "argo"],
  ["2.0.5", "argo"],
  ["2.5.0", "argo"],
  ["2.17.0", "argo"],
  ["2.0.5", "ir"],
  ["2.5.0", "ir"],
  ["2.17.0", "ir"],
] as const;

describe.each(CASES)("on %s, of a document of kind %s", (tag, kind) => {
  async function start(): Promise<{
    readonly server: Awaited<ReturnType<ReturnType<typeof setUp>["connect"]>>;
    readonly fake: ReturnType<typeof setUp>["fake"];
    readonly api: ScheduleApi;
    readonly wanted: WantedSchedule;
  }> {
    const { fake, connect } = setUp(tag);
    const server = await connect();
    const text = kind === "ir" ? SPECIFICATION : DOCUMENT;
    const { pipelineId, versionId } = await uploadPipeline(server, { name: "plain", text, kind });
    const { id } = await ensureExperiment(server, "plain");
    const settings = {
      versionId,
      cron: "0 0 4 * * *",
      start: "2026-02-01T00:00:00Z",
      end: "2036-02-01T00:00:00Z",
      concurrency: 2,
      catchup: false,
      parameters: [{ name: "alpha", value: "0.5" }],
    };
    const wanted = { name: "nightly", experimentId: id, pipelineId, versionIds: [versionId], settings, kind };
    return { server, fake, api: scheduleApi(server, kind), wanted };
  }

  test("a schedule is made, is the same again, and is replaced", async () => {
    const { server, fake, api, wanted } = await start();
    const first = await applySchedule(server, wanted);
    const [there] = await api.list(server);
    expect({ ...there, createdAt: "", description: "" }).toEqual({
      id: first.id,
      name: "nightly",
      enabled: true,
      createdAt: "",
      description: "",
      experimentId: wanted.experimentId,
      pipelineId: tag === "1.8.22" ? null : wanted.pipelineId,
      intervalSeconds: null,
      settings: wanted.settings,
    });
    const before = fake.requests.length;
    expect((await applySchedule(server, wanted)).made).toBe("unchanged");
    expect(fake.requests.slice(before).map(({ method }) => method)).toEqual(["GET"]);
    const other = { ...wanted, settings: { ...wanted.settings, parameters: [{ name: "alpha", value: "0.25" }] } };
    const second = await applySchedule(server, other);
    expect([second.made, second.deleted, second.left]).toEqual(["replaced", [first.id], []]);
    expect((await api.list(server)).map((each) => [each.id, each.enabled])).toEqual([[second.id, true]]);
    const used = new Set(
      fake.requests.map(({ path }) => /beta1\/(jobs|recurringruns)/.exec(path)?.[1] ?? "").filter(Boolean),
    );
    // sparing the runs of what is deleted is a word of v2beta1 alone
    expect([...used].toSorted()).toEqual(
      kind === "ir" ? ["recurringruns"] : tag === "2.17.0" ? ["jobs", "recurringruns"] : ["jobs"],
    );
  });

  test("a schedule that is not there is told apart from trouble, and is deleted already", async () => {
    const { server, api } = await start();
    const id = "00000000-0000-4000-8000-000000000000";
    expect((await errorOf(switchSchedule(api, server, id, true))).code).toBe("SCHEDULE_UNKNOWN");
    await api.remove(server, id);
    await api.remove(server, id, true);
    expect(await api.runsInFlight(server, { id, experimentId: null, createdAt: "" })).toEqual([]);
  });
});

test.each([
  ["1.8.22", "argo"],
  ["2.0.5", "argo"],
  ["2.17.0", "argo"],
  ["2.17.0", "ir"],
] as const)("on %s (%s) runs of a schedule are read newest first, and none that is older", async (tag, kind) => {
  const connected = await setUp(tag).connect();
  const asked: URLSearchParams[] = [];
  const run = (name: string, state: string, createdAt: string, schedule: string): object => ({
    ...(kind === "ir" ? { run_id: name, state } : { id: name, status: state }),
    created_at: createdAt,
    recurring_run_id: schedule,
    resource_references: [{ key: { type: "JOB", id: schedule }, relationship: "CREATOR" }],
  });
  const pages = [
    [run("d", "Running", "2026-01-05T00:00:00Z", "mine"), run("c", "Running", "2026-01-04T00:00:00Z", "other")],
    [run("b", "FAILED", "2026-01-03T00:00:00Z", "mine"), run("a", "", "2026-01-02T00:00:00Z", "mine")],
    [run("z", "Running", "2025-12-31T00:00:00Z", "mine")],
    [run("y", "Running", "2025-12-30T00:00:00Z", "mine")],
  ];
  const fetch = async (url: string): Promise<Response> => {
    asked.push(new URL(url).searchParams);
    return Response.json({ runs: pages[asked.length - 1], next_page_token: String(asked.length) });
  };
  const server = { ...connected, world: { ...connected.world, fetch } };
  const runs = await scheduleApi(server, kind).runsInFlight(server, {
    id: "mine",
    experimentId: "e1",
    createdAt: "2026-01-01T00:00:00Z",
  });
  expect([runs, asked.length, asked[0]?.get("sort_by")]).toEqual([["d", "a", "z"], 3, "created_at desc"]);
  const filter = asked[0]?.get("filter");
  const predicate = { [kind === "ir" ? "operation" : "op"]: "EQUALS", key: "recurring_run_id", string_value: "mine" };
  expect(filter ? JSON.parse(decodeURIComponent(filter)) : null).toEqual(
    tag === "2.17.0" ? { predicates: [predicate] } : null,
  );
});

test("numbers of a specification are the same in any notation", async () => {
  const { connect } = setUp("2.17.0");
  const server = await connect();
  const { pipelineId, versionId } = await uploadPipeline(server, { name: "plain", text: SPECIFICATION, kind: "ir" });
  const { id } = await ensureExperiment(server, "plain");
  const wanted = (value: string): WantedSchedule => ({
    name: "nightly",
    experimentId: id,
    pipelineId,
    versionIds: [versionId],
    kind: "ir",
    settings: {
      versionId,
      cron: "@daily",
      start: null,
      end: null,
      concurrency: 1,
      catchup: true,
      parameters: [{ name: "alpha", value }],
    },
  });
  await applySchedule(server, wanted("1.50"));
  expect((await applySchedule(server, wanted("15e-1"))).made).toBe("unchanged");
  expect((await applySchedule(server, wanted("1.51"))).made).toBe("replaced");
});

test("a server that refuses to spare runs is asked to delete without it", async () => {
  const connected = await setUp("2.17.0").connect();
  const asked: string[] = [];
  const fetch = async (url: string): Promise<Response> => {
    asked.push(new URL(url).search);
    return url.includes("propagation_policy")
      ? Response.json({ code: 3, message: "unknown field", details: [] }, { status: 400 })
      : Response.json({});
  };
  const server = { ...connected, world: { ...connected.world, fetch } };
  await scheduleApi(server).remove(server, "id", true);
  expect(asked).toEqual(["?propagation_policy=ORPHAN", ""]);
});

test("a server that keeps pipelines in Kubernetes is asked on v2beta1", async () => {
  const server = await setUp("2.17.0").connect();
  expect(scheduleApi({ ...server, store: "kubernetes" })).toBe(scheduleApi(server, "ir"));
});
