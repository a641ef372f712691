/** `kfk schedule` through the command line, against servers on loopback; no time really passes. */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { type FakeWorld, fakeWorld } from "../fake-world.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { type FakeJob, type FakeSchedules, fakeSchedules } from "../judges/kfp-schedules.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

let server: FakeKfp;
let fake: FakeSchedules;
let nowMs = (): number => 0;
let raise: FakeWorld["raise"] = () => {};
afterEach(async () => await server?.stop());

function start(tag: keyof typeof KFP_VERSIONS): void {
  let ids = 0;
  server = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => nowMs() });
  fake = fakeSchedules({ nowMs: () => nowMs(), newId: () => `job-${++ids}`, behind: server.fetch });
}

async function kfk(
  argv: readonly string[],
  kubeflow = KUBEFLOW,
  env: Record<string, string> = {},
  around: (url: string, init: RequestInit, next: () => Promise<Response>) => Promise<Response> = (_, __, next) =>
    next(),
) {
  const world: FakeWorld = fakeWorld({
    cwd: ROOT,
    env,
    files: projectFiles({ conf: { "base/kubeflow.yaml": kubeflow } }),
    fetch: (url, init) =>
      fake === undefined
        ? Promise.reject(new Error("offline"))
        : around(url, init, async () => await fake.fetch(url, init)),
  });
  raise = world.raise;
  nowMs = world.clock.monotonicMs;
  const host = argv.includes("next") && argv.includes("-c") ? [] : ["--host", server.url];
  const status = await runCommandLine(world, [...argv, ...host], "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err() };
}

const CRON = ["-c", "0 0 4 * * *"];

describe.each(Object.keys(KFP_VERSIONS) as (keyof typeof KFP_VERSIONS)[])("KFP %s", (tag) => {
  test("nothing uploaded is 3 with the command to upload", async () => {
    start(tag);
    const { status, out, err } = await kfk(["schedule", ...CRON]);
    expect({ status, out }).toEqual({ status: 3, out: "" });
    expect(err).toContain('the server has no pipeline "shop", so there is nothing to schedule');
    expect(err).toContain("kfk upload-pipeline");
    expect(fake.jobs).toEqual([]);
  });

  test("schedules what was uploaded, changes nothing the second time, moves on after an upload", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    const first = await kfk(["schedule", "-c", "0 4 * * *", "--param", "rate=1e-05"]);
    expect({ status: first.status, out: first.out }).toEqual({ status: 0, out: "job-1\n" });
    expect(first.err).toContain('five fields: seconds come first on servers, so this is "0 0 4 * * *"');
    expect(first.err).toContain("scheduled shop: 0 0 4 * * *");
    expect(fake.jobs[0]?.body["pipeline_spec"]).toEqual({ parameters: [{ name: "rate", value: "1e-05" }] });
    const again = await kfk(["schedule", ...CRON, "--param", "rate=1e-05"]);
    expect({ status: again.status, out: again.out }).toEqual({ status: 0, out: "job-1\n" });
    expect(again.err).toContain("unchanged: shop has these settings already");
    const image = ["--image", "shop:2"];
    await kfk(["upload-pipeline", ...image]);
    const moved = await kfk(["schedule", ...CRON, ...image, "-o", "json"]);
    expect(JSON.parse(moved.out)).toMatchObject({ id: "job-2", made: "replaced", deleted: ["job-1"], name: "shop" });
    expect(fake.jobs.map(({ id, enabled, versionId }) => [id, enabled, versionId])).toEqual([
      ["job-2", true, server.versions()[1]?.id ?? ""],
    ]);
    expect(fake.mostEnabled()).toBe(1);
  });

  test("after uploads of A, B and A again it schedules A", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["upload-pipeline", "--image", "shop:2"]);
    const again = await kfk(["upload-pipeline"]);
    expect(again.err).toContain("added a version to shop, version ");
    const { status, err } = await kfk(["schedule", ...CRON]);
    expect({ status, warned: err.includes("warning") }).toEqual({ status: 0, warned: false });
    expect(fake.jobs[0]?.versionId).toBe(server.versions()[2]?.id ?? "");
  });

  test("what is here is not the newest upload: refused with both, and either can be named", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["upload-pipeline", "--image", "shop:2"]);
    const refused = await kfk(["schedule", ...CRON]);
    const newer = server.versions()[1]?.name ?? "";
    expect({ status: refused.status, out: refused.out, jobs: fake.jobs }).toEqual({ status: 3, out: "", jobs: [] });
    expect(refused.err).toMatch(
      /^error: the project as it is here is version shop of shop \(\S+Z\), and [0-9a-f]{16} \(\S+Z\) was uploaded after it \[SCHEDULE_PIPELINE\]\n/m,
    );
    expect(refused.err).toContain(`or --version-name ${newer}`);
    expect(refused.err).toContain("--version-name shop, or kfk upload-pipeline again");
    for (const [name, index] of [
      [newer, 1],
      ["shop", 0],
    ] as const) {
      const named = await kfk(["schedule", ...CRON, "--version-name", name]);
      expect({ status: named.status, scheduled: fake.jobs.map(({ versionId }) => versionId) }).toEqual({
        status: 0,
        scheduled: [server.versions()[index]?.id ?? ""],
      });
    }
    const wrong = await kfk(["schedule", ...CRON, "--version-name", "shpo"]);
    expect(wrong.status).toBe(3);
    expect(wrong.err).toContain('the pipeline "shop" has no version "shpo"');
    expect(wrong.err).toContain("did you mean shop?");
    const values = await kfk(["schedule", ...CRON, "--version-name", "shop", "--param", "rate=0.5"]);
    expect({ status: values.status, spec: fake.jobs[0]?.body["pipeline_spec"] }).toEqual({
      status: 0,
      spec: { parameters: [{ name: "rate", value: "0.5" }] },
    });
    expect((await kfk(["schedule", ...CRON, "--image", "shop:2"])).status).toBe(0);
  });

  test("what run-once made is neither scheduled nor newer, unless it is named", async () => {
    start(tag);
    expect((await kfk(["run-once", "--image", "shop:0"])).status).toBe(0);
    const none = await kfk(["schedule", ...CRON, "--image", "shop:0"]);
    expect([none.status, none.err.includes("so there is nothing to schedule")]).toEqual([3, true]);
    await kfk(["upload-pipeline"]);
    await kfk(["run-once", "--image", "shop:debug"]);
    const own = await kfk(["schedule", ...CRON]);
    expect({ status: own.status, warned: own.err.includes("warning"), versionId: fake.jobs[0]?.versionId }).toEqual({
      status: 0,
      warned: false,
      versionId: server.versions()[1]?.id,
    });
    const other = await kfk(["schedule", ...CRON, "--image", "shop:4"]);
    expect(other.err).toContain("the project as it is here was not uploaded");
    expect(fake.jobs[0]?.versionId).toBe(server.versions()[1]?.id ?? "");
    const made = server.versions()[2];
    expect(made?.name).toMatch(/^run-[0-9a-f]{16}$/);
    await kfk(["schedule", ...CRON, "--version-name", made?.name ?? ""]);
    expect(fake.jobs[0]?.versionId).toBe(made?.id ?? "");
    // uploaded afterwards it counts
    expect((await kfk(["upload-pipeline", "--image", "shop:debug"])).err).toContain("added a version to shop");
    expect((await kfk(["schedule", ...CRON, "--image", "shop:debug"])).status).toBe(0);
    expect(fake.jobs[0]?.versionId).toBe(server.versions()[3]?.id ?? "");
  });

  test("a value in the name of the schedule is the one that is given", async () => {
    start(tag);
    const kubeflow = `${KUBEFLOW}  scheduled_run_name: "shop {rate} {none}"\n`;
    await kfk(["upload-pipeline"], kubeflow);
    await kfk(["schedule", ...CRON, "--param", "rate=0.3"], kubeflow);
    expect(fake.jobs.map(({ name }) => name)).toEqual(["shop 0.3 {none}"]);
    expect((await kfk(["schedule", "pause"], kubeflow)).status).toBe(3);
    expect(await kfk(["schedule", "pause", "--param", "rate=0.3"], kubeflow)).toMatchObject({ status: 0 });
  });

  test("a project that was not uploaded as it is: the newest version, with a warning", async () => {
    start(tag);
    await kfk(["upload-pipeline", "--image", "shop:2"]);
    const { status, err } = await kfk(["schedule", ...CRON]);
    expect(status).toBe(0);
    expect(err).toContain("the project as it is here was not uploaded");
  });

  test("pause, resume, next, list and rm", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    expect(await kfk(["schedule", "pause"])).toMatchObject({ status: 0, out: "job-1\n", err: "paused shop\n" });
    expect(fake.jobs[0]?.enabled).toBe(false);
    expect((await kfk(["schedule", "list"])).out).toBe(
      "SCHEDULE                              STATE    CRON              NEXT                  NAME\n" +
        "job-1                                 paused   0 0 4 * * *       -                     shop\n",
    );
    expect(await kfk(["schedule", "resume", "job-1"])).toMatchObject({ status: 0, err: "resumed shop\n" });
    expect((await kfk(["schedule", "next", "-o", "name"])).out).toMatch(/^(\d{4}-\d\d-\d\dT04:00:00Z\n){5}$/);
    fake.busy.add("job-1");
    const busy = await kfk(["schedule", "rm"]);
    expect({ status: busy.status, jobs: fake.jobs.length, killed: fake.killed }).toEqual({
      status: 3,
      jobs: 1,
      killed: [],
    });
    expect(busy.err).toContain("kfk wait run-of-job-1-1");
    fake.busy.clear();
    expect(await kfk(["schedule", "rm"])).toMatchObject({ status: 0, out: "job-1\n", err: "deleted shop\n" });
    expect(await kfk(["schedule", "rm"])).toMatchObject({ status: 3, out: "" });
    expect(await kfk(["schedule", "pause", "job-1"])).toMatchObject({ status: 3, out: "" });
  });

  test("the name of kubeflow.yaml and a schedule of the predecessor's making are continued", async () => {
    start(tag);
    const kubeflow = `${KUBEFLOW}  scheduled_run_name: nightly\n  experiment_name: Shop\n`;
    await kfk(["upload-pipeline"], kubeflow);
    await kfk(["schedule", ...CRON], kubeflow);
    const [made] = fake.jobs.splice(0);
    fake.add({
      name: "nightly",
      experimentId: made?.experimentId ?? "",
      versionId: made?.versionId ?? "",
      enabled: true,
      body: { trigger: { cron_schedule: { cron: "0 0 1 * * *" } } },
    });
    const { status, err } = await kfk(["schedule", ...CRON], kubeflow);
    expect({ status, names: fake.jobs.map(({ name }) => name) }).toEqual({ status: 0, names: ["nightly"] });
    expect(err).toContain("deleted the schedule before it: job-2");
    expect(fake.mostEnabled()).toBe(1);
  });

  test("a lost answer makes one; trouble half-way is 6, and the same command heals it", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    const faulty = { on: true };
    const sound = fake.fetch;
    const cut = async (url: string, init: RequestInit): Promise<Response> => {
      if (faulty.on && url.endsWith("/enable")) throw Object.assign(new TypeError("network"), { code: "ECONNRESET" });
      return await sound(url, init);
    };
    fake = { ...fake, fetch: cut };
    const half = await kfk(["schedule", "-c", "0 0 5 * * *"]);
    expect({ status: half.status, out: half.out, most: fake.mostEnabled() }).toEqual({ status: 6, out: "", most: 1 });
    expect(half.err).toContain("give the same command again");
    faulty.on = false;
    expect((await kfk(["schedule", "-c", "0 0 5 * * *"])).status).toBe(0);
    expect(fake.jobs.map(({ enabled }) => enabled)).toEqual([true]);
  });
});

describe("a schedule that is there", () => {
  test("with the same settings sends nothing that changes anything", async () => {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON, "--param", "rate=0.2"]);
    const sent: string[] = [];
    const again = await kfk(["schedule", ...CRON, "--param", "rate=0.2"], KUBEFLOW, {}, async (_, init, next) => {
      sent.push(init.method ?? "GET");
      return await next();
    });
    expect([again.status, [...new Set(sent)]]).toEqual([0, ["GET"]]);
  });

  test.each([
    ["another concurrency", ["--concurrency", "2"]],
    ["no catching up", ["--no-catchup"]],
    ["another value", ["--param", "rate=0.3"]],
    ["an end", ["--end", "2036-01-01"]],
    ["a start", ["--start", "2026-02-01"]],
    ["another experiment", ["-x", "other"]],
  ])("is replaced for %s, and then there is one", async (_, more) => {
    start("2.5.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    const { status, out, err } = await kfk(["schedule", ...CRON, ...more]);
    expect({ status, out, jobs: fake.jobs.map(({ id, enabled }) => [id, enabled]) }).toEqual({
      status: 0,
      out: "job-2\n",
      jobs: [["job-2", true]],
    });
    expect(fake.mostEnabled()).toBe(1);
    expect(err.includes("the one before was in another experiment")).toBe(more[0] === "-x");
  });

  test("of the same name by hand, with a workflow of its own, is refused with a way out and left alone", async () => {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    const [made] = fake.jobs.splice(0);
    fake.add({ name: "shop", experimentId: made?.experimentId ?? "", versionId: "", enabled: true });
    const { status, out, err } = await kfk(["schedule", ...CRON]);
    expect({ status, out, jobs: fake.jobs.length }).toEqual({ status: 3, out: "", jobs: 1 });
    expect(err).toContain('the schedule "shop" (job-2) runs a workflow that was never uploaded');
    expect(err).toContain("kfk schedule pause job-2 or kfk schedule rm job-2");
  });

  test.each(["1.8.22", "2.17.0"] as const)(
    "of the pipeline under another name goes on, and is told (%s)",
    async (tag) => {
      start(tag);
      await kfk(["upload-pipeline"]);
      await kfk(["schedule", ...CRON], `${KUBEFLOW}  scheduled_run_name: shop abc123\n`);
      const { status, err } = await kfk(["schedule", ...CRON]);
      expect({ status, on: fake.jobs.map(({ name, enabled }) => [name, enabled]) }).toEqual({
        status: 0,
        on: [
          ["shop abc123", true],
          ["shop", true],
        ],
      });
      expect(err).toContain("shop has another enabled schedule, shop abc123 (job-1): both fire");
      expect(err).toContain("kfk schedule rm job-1");
    },
  );

  test("is not resumed beside one of another experiment", async () => {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    await kfk(["schedule", "pause"]);
    const [paused] = fake.jobs;
    fake.add({ name: "shop", experimentId: "e9", versionId: paused?.versionId ?? "", pipelineId: "p", enabled: true });
    (fake.jobs[0] as { pipelineId?: string }).pipelineId = "p";
    const { status, err } = await kfk(["schedule", "resume", "job-1"]);
    expect({ status, enabled: paused?.enabled }).toEqual({ status: 3, enabled: false });
    expect(err).toContain("there is another schedule of that name, job-2");
  });

  test("is paused again when another is enabled at the same moment as it is resumed", async () => {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    await kfk(["schedule", "pause"]);
    const [paused] = fake.jobs;
    const { status } = await kfk(["schedule", "resume"], KUBEFLOW, {}, async (url, _, next) => {
      if (url.endsWith("/enable"))
        fake.add({ ...(paused as FakeJob), id: "rival", enabled: true, body: paused?.body ?? {} });
      return await next();
    });
    expect({ status, on: fake.jobs.filter(({ enabled }) => enabled).map(({ id }) => id) }).toEqual({
      status: 3,
      on: ["rival"],
    });
  });

  test("is resumed although the one that it replaced is still there, which stays paused", async () => {
    start("2.5.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    fake.busy.add("job-1");
    await kfk(["schedule", "-c", "0 0 5 * * *"]);
    expect(await kfk(["schedule", "pause"])).toMatchObject({ status: 0, out: "job-1\njob-2\n" });
    const { status, out, err } = await kfk(["schedule", "resume"]);
    expect({ status, out, on: fake.jobs.map(({ id, enabled }) => [id, enabled]) }).toEqual({
      status: 0,
      out: "job-2\n",
      on: [
        ["job-1", false],
        ["job-2", true],
      ],
    });
    expect(err).toBe(
      "warning: of that name it is job-2 (0 0 5 * * *); job-1 (0 0 4 * * *) stays paused: it was replaced\n" +
        "resumed shop\n",
    );
    const again = await kfk(["schedule", "resume"]);
    expect([again.status, again.out, fake.mostEnabled()]).toEqual([0, "job-2\n", 1]);
    expect(again.err).toContain("resumed shop (it was already)");
  });

  test("is not resumed when several are enabled: they are named", async () => {
    start("2.5.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    const [one] = fake.jobs as [FakeJob];
    fake.add({ ...one, id: "job-9", body: { trigger: { cron_schedule: { cron: "0 0 9 * * *" } } } });
    const { status, out, err } = await kfk(["schedule", "resume"]);
    expect({ status, out, most: fake.mostEnabled() }).toEqual({ status: 3, out: "", most: 2 });
    expect(err).toContain(
      "which one? several of that name are enabled: job-1 (0 0 4 * * *), job-9 (0 0 9 * * *) [SCHEDULE_BUSY]",
    );
  });

  test.each([
    ["1.8.22", "DELETE /jobs/job-1"],
    ["2.17.0", "DELETE /recurringruns/job-1?propagation_policy=ORPHAN"],
  ] as const)("is removed from %s with its runs spared where the server can", async (tag, asked) => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    expect((await kfk(["schedule", "rm"])).status).toBe(0);
    expect(fake.requests.at(-1)).toBe(asked);
  });

  test("rm sees a run that shows a second after it was fired, and does not lose it", async () => {
    start("2.5.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", "-c", "*/10 * * * * *"]);
    const { status, err } = await kfk(["schedule", "rm"], KUBEFLOW, {}, async (_, __, next) => {
      if (nowMs() > 1000) fake.busy.add("job-1");
      return await next();
    });
    expect([status, fake.jobs.length, fake.killed]).toEqual([3, 1, []]);
    expect(err).toContain("kfk wait run-of-job-1-1");
  });

  test.each(["1.8.22", "2.17.0"] as const)("rm --force stops its runs before it deletes it (%s)", async (tag) => {
    start(tag);
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    fake.busy.add("job-1");
    expect(await kfk(["schedule", "rm", "--force"])).toEqual({
      status: 0,
      out: "job-1\n",
      err: "asked the run run-of-job-1-1 to stop\ndeleted shop\n",
    });
    expect([fake.jobs, fake.killed]).toEqual([[], []]);
    expect(fake.requests.at(-1)).toBe("DELETE /jobs/job-1");
  });

  test("rm --force says what becomes of a run that does not stop", async () => {
    start("2.5.0");
    fake = fakeSchedules({ nowMs: () => nowMs(), newId: () => "job-1", behind: server.fetch, isDeaf: true });
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    fake.busy.add("job-1");
    const { status, err } = await kfk(["schedule", "rm", "--force"]);
    expect([status, fake.killed]).toEqual([0, ["job-1"]]);
    expect(err).toContain(
      "the run run-of-job-1-1 has not ended yet; it is killed with its schedule, and the server may never say that it ended",
    );
  });

  test("that runs by an interval is listed as such, and next says so", async () => {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    fake.add({
      name: "hourly",
      experimentId: "e1",
      versionId: "",
      enabled: true,
      body: { trigger: { periodic_schedule: { interval_second: "3600" } } },
    });
    expect((await kfk(["schedule", "list"])).out).toMatch(
      /^SCHEDULE .*\njob-1 {33}enabled {2}every 3600 s {6}- {21}hourly\n$/,
    );
    const next = await kfk(["schedule", "next", "job-1"]);
    expect(next).toMatchObject({ status: 3, out: "" });
    expect(next.err).toContain("it runs every 3600 s");
  });
});

describe("a signal in the middle", () => {
  const OTHER = ["schedule", "-c", "0 0 5 * * *"];

  async function stopAt(what: RegExp, signal: "SIGINT" | "SIGTERM", times = 1) {
    start("2.17.0");
    await kfk(["upload-pipeline"]);
    await kfk(["schedule", ...CRON]);
    const stopped = await kfk(OTHER, KUBEFLOW, {}, async (url, init, next) => {
      if (!what.test(`${init.method} ${new URL(url).pathname}`)) return await next();
      const answer = await next();
      for (let sent = 0; sent < times; sent++) raise(signal);
      return answer;
    });
    const on = fake.jobs.filter(({ enabled }) => enabled).map(({ id }) => id);
    const again = await kfk(OTHER);
    const healed = fake.jobs.filter(({ enabled }) => enabled).map(({ body }) => body["trigger"]);
    expect([again.status, fake.mostEnabled(), healed]).toEqual([0, 1, [{ cron_schedule: { cron: "0 0 5 * * *" } }]]);
    return {
      status: stopped.status,
      out: stopped.out,
      on,
      said: /stopped; (.*) \[/.exec(stopped.err)?.[1],
      err: stopped.err,
    };
  }

  test("before anything is changed: nothing is", async () => {
    const { err, ...stopped } = await stopAt(/^GET .*\/jobs$/, "SIGINT");
    expect(stopped).toEqual({ status: 130, out: "", on: ["job-1"], said: "nothing was changed" });
    expect(err).toContain("give the same command again: it goes on from what the server has");
  });

  test("while the new one is made: it is left disabled, the one before goes on", async () => {
    const { err: _, ...stopped } = await stopAt(/^POST .*\/jobs$/, "SIGTERM");
    expect(stopped).toEqual({
      status: 143,
      out: "",
      on: ["job-1"],
      said: "the new one, job-2, is there and disabled; what was enabled before still is",
    });
  });

  test.each([
    ["", 1],
    [", also when it comes twice at once", 2],
  ])("once the one before is disabled: the change is finished, and told%s", async (__, times) => {
    const { err: _, ...stopped } = await stopAt(/\/disable$/, "SIGINT", times);
    expect(stopped).toEqual({
      status: 130,
      out: "",
      on: ["job-2"],
      said: "the new one, job-2, is enabled, and no other",
    });
  });
});

test.each([
  ["pause", /\/disable$/, "stopped; paused job-1"],
  ["rm", /^DELETE/, "stopped; deleted job-1"],
  ["rm", /^GET .*\/jobs$/, "stopped; nothing was changed"],
] as const)("a signal in the middle of %s is 143, and says what holds", async (verb, at, said) => {
  start("2.5.0");
  await kfk(["upload-pipeline"]);
  await kfk(["schedule", ...CRON]);
  const { status, err } = await kfk(["schedule", verb], KUBEFLOW, {}, async (url, init, next) => {
    const answer = await next();
    if (at.test(`${init.method} ${new URL(url).pathname}`)) raise("SIGTERM");
    return answer;
  });
  expect({ status, said: /stopped; .*(?= \[)/.exec(err)?.[0] }).toEqual({ status: 143, said });
});

test("next works offline, in UTC, here and in the server's zone", async () => {
  const { status, out, err } = await kfk(
    ["schedule", "next", "-c", "0 30 6 * * *", "--timezone", "Europe/Warsaw"],
    KUBEFLOW,
    {
      TZ: "Asia/Kathmandu",
    },
  );
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const lines = out.trimEnd().split("\n");
  expect(lines).toHaveLength(5);
  for (const line of lines) {
    expect(line).toMatch(/^\S+T0[45]:30:00Z {2}\S+ 1[01]:15:00 Asia\/Kathmandu {2}\S+ 06:30:00 Europe\/Warsaw$/);
  }
});

test.each([
  ["no expression", ["schedule"], "kfk schedule needs --cron-expression"],
  ["a wrong one", ["schedule", "-c", "0 0 25 * * *"], 'the hour "25" lies outside of 0 to 23'],
  ["one that never fires", ["schedule", "-c", "0 0 0 30 2 *"], '"0 0 0 30 2 *" never fires'],
  ["the 31st of February", ["schedule", "-c", "0 0 0 31 2 *"], '"0 0 0 31 2 *" never fires'],
  ["an end that is over", ["schedule", ...CRON, "--end", "2020-01-01"], "never fires between --start and --end"],
  ["an unknown zone", ["schedule", ...CRON, "--timezone", "Mars"], '--timezone: there is no time zone "Mars"'],
  ["too many runs", ["schedule", ...CRON, "--concurrency", "11"], '--concurrency is 1 to 10, and this is "11"'],
  ["no date", ["schedule", ...CRON, "--start", "soon"], '--start wants a date or a time, and this is none: "soon"'],
  ["no day", ["schedule", ...CRON, "--start", "2030-02-30"], "--start wants a date or a time"],
  [
    "no zone",
    ["schedule", ...CRON, "--end", "2030-01-01T10:00"],
    "--end 2030-01-01T10:00 says nothing of the time zone",
  ],
  ["an end before the start", ["schedule", ...CRON, "--start", "2030-01-02", "--end", "2030-01-01"], "is not after"],
  ["an unknown word", ["schedule", "stop"], 'kfk schedule does not take "stop"'],
] as const)("%s is 2", async (_, argv, message) => {
  start("2.5.0");
  const { status, out, err } = await kfk(argv);
  expect({ status, out }).toEqual({ status: 2, out: "" });
  expect(err).toContain(message);
});
