import { describe, expect, test } from "bun:test";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { uploadPipeline } from "../../src/cluster/pipelines.ts";
import { chooseUpload, findPipelines } from "../../src/cluster/uploaded.ts";
import { contentName, isForRun } from "../../src/cluster/version-mark.ts";
import { isFrom } from "../../src/cluster/run-mark.ts";
import { createRun, fetchRun, retryRun, terminateRun, type RunRequest } from "../../src/cluster/runs.ts";
import type { Server } from "../../src/cluster/server.ts";
import { describeEnd, type Progress, waitForRun } from "../../src/cluster/wait.ts";
import type { FakeKfp } from "../judges/kfp-fake.ts";
import { DOCUMENT, errorOf, setUp } from "./setup-server.ts";

const VERSIONS = ["1.8.22", "2.0.5", "2.5.0", "2.17.0"] as const;
const DAY_MS = 86_400_000;
const page = (): Response =>
  new Response("<html>bad gateway</html>", { status: 502, headers: { "content-type": "text/html" } });

async function request(server: Server, more: Partial<RunRequest> = {}): Promise<RunRequest> {
  const { versionId } = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
  const { id } = await ensureExperiment(server, "shop");
  return {
    name: "shop 1",
    experimentId: id,
    source: { versionId },
    parameters: [{ name: "alpha", value: "0.5" }],
    ...more,
  };
}

describe.each(VERSIONS)("uploadPipeline on %s", (version) => {
  test("makes a pipeline, then nothing, then a version, then nothing; what is not the newest is made again", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const other = DOCUMENT.replace("0.1", "0.2");
    const made = [];
    for (const text of [DOCUMENT, DOCUMENT, other, other, DOCUMENT, DOCUMENT, other, other]) {
      const { made: what, versionName } = await uploadPipeline(server, { name: "shop", text });
      made.push([what, versionName]);
    }
    const [first, second] = [contentName(DOCUMENT), contentName(other)];
    expect(made).toEqual([
      ["pipeline", "shop"],
      ["unchanged", "shop"],
      ["version", second],
      ["unchanged", second],
      ["version", first],
      ["unchanged", first],
      ["version", `${second}-2`],
      ["unchanged", `${second}-2`],
    ]);
    expect(fake.versions()).toHaveLength(4);
  });

  test.each(["the first version", "a later one"])("%s that was made for a run is no upload", async (which) => {
    const server = await setUp(version).connect();
    if (which === "a later one") await uploadPipeline(server, { name: "shop", text: `${DOCUMENT}# other\n` });
    const upload = { name: "shop", text: DOCUMENT, description: "[content of the shop]" };
    const made = [];
    for (const purpose of ["run", "run", "upload", "upload", "run"] as const) {
      made.push((await uploadPipeline(server, { ...upload, purpose })).made);
    }
    const first = which === "a later one" ? "version" : "pipeline";
    expect(made).toEqual([first, "unchanged", "version", "unchanged", "unchanged"]);
    const [known] = await findPipelines(server, ["shop"]);
    expect(known?.versions.filter(isForRun).map(({ name }) => name)).toEqual([
      which === "a later one" ? contentName(DOCUMENT, true) : "shop",
    ]);
    expect(known === undefined ? undefined : chooseUpload(known, DOCUMENT)).toMatchObject({
      kind: "same",
      version: { name: contentName(DOCUMENT) },
    });
  });

  test("a given name of an older upload changes nothing, and the newest is named", async () => {
    const server = await setUp(version).connect();
    await uploadPipeline(server, { name: "shop", text: DOCUMENT, versionName: "1.0" });
    await uploadPipeline(server, { name: "shop", text: `${DOCUMENT}# two\n`, versionName: "2.0" });
    const again = await uploadPipeline(server, { name: "shop", text: DOCUMENT, versionName: "1.0" });
    expect([again.made, again.versionName, again.newer]).toEqual(["unchanged", "1.0", "2.0"]);
  });

  test("the same content under a version name of its own changes nothing", async () => {
    const server = await setUp(version).connect();
    const upload = { name: "shop", text: DOCUMENT, versionName: "v1" };
    expect((await uploadPipeline(server, upload)).made).toBe("pipeline");
    expect((await uploadPipeline(server, upload)).made).toBe("unchanged");
  });

  test("an answer that is lost makes one pipeline and one version", async () => {
    for (const path of ["/upload", "/upload_version"]) {
      const { fake, connect } = setUp(version);
      const server = await connect();
      await uploadPipeline(server, { name: "other", text: DOCUMENT });
      if (path === "/upload_version") await uploadPipeline(server, { name: "shop", text: DOCUMENT });
      fake.addFault({ method: "POST", path, acted: true, answer: "reset" });
      await uploadPipeline(server, { name: "shop", text: `${DOCUMENT}# changed\n` });
      expect([path, fake.pipelines(), fake.versions().length]).toEqual([
        path,
        ["other", "shop"],
        path === "/upload" ? 2 : 3,
      ]);
    }
  });

  test.each(["a+b", "50%off", 'it\'s "x"', "[shop] pipe (env: dev)", "a/b", "naïve ✓"])(
    "finds the name %s again",
    async (name) => {
      const { connect } = setUp(version);
      const server = await connect();
      await uploadPipeline(server, { name, text: DOCUMENT });
      expect((await uploadPipeline(server, { name, text: DOCUMENT })).made).toBe("unchanged");
    },
  );

  test("finds a name on a later page", async () => {
    const { connect } = setUp(version, { pageSize: 1 });
    const server = await connect();
    const texts = [1, 2, 3].map((n) => `${DOCUMENT}# ${n}\n`);
    for (const text of texts) await uploadPipeline(server, { name: "shop", text });
    expect((await uploadPipeline(server, { name: "shop", text: texts[2] ?? "" })).made).toBe("unchanged");
  });

  test("says when the name is taken in another spelling", async () => {
    const server = await setUp(version).connect();
    await uploadPipeline(server, { name: "Shop", text: DOCUMENT });
    const error = await errorOf(uploadPipeline(server, { name: "shop", text: DOCUMENT }));
    expect([error.code, error.message]).toEqual([
      "SERVER_REFUSED",
      'the server says that the pipeline "shop" exists, but does not list it',
    ]);
  });

  test("a given version name is refused for other content and kept for the same", async () => {
    const server = await setUp(version).connect();
    const upload = { name: "shop", text: DOCUMENT, versionName: "1.0" };
    expect((await uploadPipeline(server, upload)).versionName).toBe("1.0");
    expect((await uploadPipeline(server, upload)).made).toBe("unchanged");
    const error = await errorOf(uploadPipeline(server, { ...upload, text: `${DOCUMENT}#\n` }));
    expect(error.message).toBe('the pipeline "shop" has a version "1.0" with other content');
  });

  test("a document that the server refuses is told with its reason, or that there is none", async () => {
    const server = await setUp(version).connect();
    const error = await errorOf(
      uploadPipeline(server, { name: "shop", text: DOCUMENT.replace("parameters.msg", "parameters.nope") }),
    );
    expect([error.code, error.message]).toEqual([
      "SERVER_ERROR",
      version !== "2.17.0"
        ? version === "1.8.22"
          ? "Error creating pipeline: Create pipeline failed: templates.main templates.main.tasks.prep templates.prep: failed to resolve {{workflow.parameters.nope}} (POST /apis/v1beta1/pipelines/upload: 500, 1 attempt)"
          : "Failed to create a pipeline and a pipeline version: Failed to create a pipeline and a pipeline version due to template creation error: templates.main templates.main.tasks.prep templates.prep: failed to resolve {{workflow.parameters.nope}} (POST /apis/v1beta1/pipelines/upload: 500, 1 attempt)"
        : "Failed to create a pipeline and a pipeline version (this server does not say why) (POST /apis/v1beta1/pipelines/upload: 500, 1 attempt)",
    ]);
  });
});

test("an archived experiment is taken out of the archive", async () => {
  const { fake, connect } = setUp();
  const server = await connect();
  const { id } = await ensureExperiment(server, "old");
  await fetch(`${fake.url}/apis/v1beta1/experiments/${id}:archive`, { method: "POST" });
  expect(await ensureExperiment(server, "old")).toEqual({ id, name: "old", made: "unarchived" });
  expect(await ensureExperiment(server, "old")).toEqual({ id, name: "old", made: "found" });
});

describe.each(VERSIONS)("createRun on %s", (version) => {
  test.each([
    ["a reset", "reset"],
    ["a cut answer", "cut"],
    ["a proxy's 502", page],
    ["a 500 of nobody", () => new Response("oops", { status: 500 })],
  ] as const)("makes one run when its answer is lost by %s", async (_, answer) => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    fake.addFault({ method: "POST", path: "/runs", acted: true, answer });
    const run = await createRun(server, wanted);
    expect(fake.runs().map((each) => each.id)).toEqual([run.id]);
    expect([fake.workflows(), run.recovered]).toEqual([1, true]);
  });

  test("a request that was lost on its way is looked for, is 6, and is never sent again", async () => {
    const { fake, world, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    fake.addFault({ method: "POST", path: "/runs", answer: "reset" });
    const beforeMs = world.clock.monotonicMs();
    const error = await errorOf(createRun(server, wanted));
    expect([error.status, fake.runs()]).toEqual([6, []]);
    expect(world.clock.monotonicMs() - beforeMs).toBeGreaterThanOrEqual(30_000);
  });

  test("is 6 with the id when the server goes away after an answer was lost", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect({ budgetMs: 5000 });
    const wanted = await request(server);
    fake.addFault({
      method: "POST",
      path: "/runs",
      acted: true,
      answer: () => {
        fake.setListening(false);
        return page();
      },
    });
    const error = await errorOf(createRun(server, { ...wanted, id: "0f0e0d0c-0000-4000-8000-000000000000" }));
    expect([error.code, error.status, fake.runs().length]).toEqual(["SERVER_OUTCOME", 6, 1]);
    expect(error.hint).toContain("0f0e0d0c-0000-4000-8000-000000000000");
  });

  test("a parameter that the document does not have is 3, and nothing is made", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const error = await errorOf(
      createRun(server, await request(server, { parameters: [{ name: "bogus", value: "1" }] })),
    );
    expect([error.status, error.message.split(" (")[0], fake.workflows()]).toEqual([
      3,
      "Unrecognized input parameter: bogus",
      0,
    ]);
  });

  test("an own failure of the server is 6, and is not repeated: it may come after the workflow was made", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server, { source: { versionId: "00000000-0000-4000-8000-00000000dead" } });
    const error = await errorOf(createRun(server, wanted));
    expect([
      error.code,
      error.status,
      fake.requests.filter((each) => each.method === "POST" && each.path.endsWith("/runs")).length,
    ]).toEqual(version === "1.8.22" ? ["SERVER_REFUSED", 3, 1] : ["SERVER_OUTCOME", 6, 1]);
  });

  test("a run from a document that was never uploaded", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server, { source: { workflowJson: JSON.stringify(Bun.YAML.parse(DOCUMENT)) } });
    const run = await createRun(server, wanted);
    expect([fake.runs().length, (await fetchRun(server, run.id)).name]).toEqual([1, "shop 1"]);
  });
});

test("names and parameters that would leave a stray workflow are refused before anything is sent", async () => {
  const { fake, connect } = setUp();
  const server = await connect();
  const long = await errorOf(createRun(server, await request(server, { name: "r".repeat(256) })));
  expect(long.message).toContain("has 256 characters, and servers take 255");
  const big = await errorOf(
    createRun(server, await request(server, { parameters: [{ name: "alpha", value: "x".repeat(10_000) }] })),
  );
  expect(big.message).toBe("the parameters are 10029 bytes, and servers take 10000");
  expect(fake.workflows()).toBe(0);
});

describe.each(VERSIONS)("waitForRun on %s", (version) => {
  async function start(more: Parameters<FakeKfp["setScript"]>[0] = [], manifest: "plain" | "compressed" = "plain") {
    const setup = setUp(version);
    if (more.length > 0 || manifest === "compressed") setup.fake.setScript(more, manifest);
    const server = await setup.connect();
    const { id } = await createRun(server, await request(server));
    return { ...setup, server, id };
  }
  const failing = [
    { t: 0, state: "Pending" },
    { t: 1, state: "Running" },
    { t: 21.2, state: "Failed" },
  ];

  test("follows a recorded success", async () => {
    const { server, id } = await start();
    const seen: Progress[] = [];
    const end = await waitForRun(server, id, { timeoutMs: DAY_MS, onProgress: (now) => seen.push(now) });
    expect([end.verdict, end.steps.map((each) => `${each.id} ${each.phase}`)]).toEqual([
      "succeeded",
      ["prep succeeded", "train succeeded"],
    ]);
    expect([...new Set(seen.map((each) => each.status))]).toEqual([version === "1.8.22" ? "" : "Pending", "Running"]);
    expect(describeEnd(server, end)).toBeUndefined();
    expect(end.elapsedMs).toBeLessThan(32_000);
  });

  test.each(["plain", "compressed"] as const)(
    "names the failed step of a recorded failure (%s nodes)",
    async (manifest) => {
      const { server, id } = await start(failing, manifest);
      const error = describeEnd(server, await waitForRun(server, id, { timeoutMs: DAY_MS }));
      expect([error?.code, error?.status, error?.notes.map((each) => each.message)]).toEqual([
        "RUN_FAILED",
        1,
        ["step train failed: main: Error (exit code 1)"],
      ]);
    },
  );

  test("a run that was stopped ends as Failed, and is 7 also for who comes late", async () => {
    const { server, id, world } = await start([{ t: 0, state: "Running" }]);
    expect(await terminateRun(server, id)).toEqual({ ended: false });
    expect(await terminateRun(server, id)).toEqual({ ended: true });
    expect((await waitForRun(server, id, { timeoutMs: DAY_MS })).verdict).toBe("cancelled");
    await world.clock.advance(60_000);
    const late = await waitForRun(server, id, { timeoutMs: DAY_MS });
    expect([late.status, describeEnd(server, late)?.status]).toEqual(["Failed", 7]);
  });

  test("time is up: 124, and the run goes on", async () => {
    const { server, id, world } = await start([{ t: 0, state: "Running" }]);
    const startedMs = world.clock.monotonicMs();
    const end = await waitForRun(server, id, { timeoutMs: 60_000 });
    const error = describeEnd(server, end);
    expect([error?.status, error?.message, error?.hint]).toEqual([
      124,
      `the run ${id} has not ended in time, and goes on`,
      `kfk wait ${id}`,
    ]);
    expect(world.clock.monotonicMs() - startedMs).toBe(60_000);
  });

  test("a run that ended just in time is not late", async () => {
    const { server, id, world } = await start([
      { t: 0, state: "Running" },
      { t: 30, state: "Succeeded" },
    ]);
    await world.clock.advance(31_000);
    expect((await waitForRun(server, id, { timeoutMs: 0 })).verdict).toBe("succeeded");
  });

  test.each([
    ["resets", "reset"],
    ["cut answers", "cut"],
    ["a proxy's 502", page],
    ["login pages", () => new Response("<html>log in</html>", { headers: { "content-type": "text/html" } })],
    ["401", () => new Response("{}", { status: 401 })],
    ["404", () => Response.json({ code: 5, message: "Run not found", details: [] }, { status: 404 })],
  ] as const)("waits %s out", async (_, answer) => {
    const { fake, server, id } = await start();
    fake.addFault({ method: "GET", path: "/runs/", times: 8, answer });
    const outages: (string | null)[] = [];
    const end = await waitForRun(server, id, {
      timeoutMs: DAY_MS,
      seen: true,
      onProgress: (now) => outages.push(now.outage),
    });
    expect(end.verdict).toBe("succeeded");
    expect(outages.slice(0, 8).every((each) => each !== null)).toBe(true);
  });

  test("no answer for longer than the window: 6, never a verdict", async () => {
    const { fake, server, id, world } = await start();
    fake.setListening(false);
    const startedMs = world.clock.monotonicMs();
    const error = describeEnd(server, await waitForRun(server, id, { timeoutMs: DAY_MS, seen: true }));
    expect([error?.code, error?.status, error?.hint]).toEqual(["SERVER_OUTCOME", 6, `kfk wait ${id}`]);
    const waitedMs = world.clock.monotonicMs() - startedMs;
    expect(waitedMs).toBeGreaterThanOrEqual(600_000);
    expect(waitedMs).toBeLessThan(615_000);
  });

  test("an unknown state is waited through, and in the end called unknown", async () => {
    const odd = [
      { t: 0, state: "Dreaming" },
      { t: 60, state: "Succeeded" },
    ];
    const first = await start(odd);
    expect((await waitForRun(first.server, first.id, { timeoutMs: DAY_MS })).verdict).toBe("succeeded");
    const second = await start(odd.slice(0, 1));
    const end = await waitForRun(second.server, second.id, { timeoutMs: DAY_MS });
    expect([end.verdict, end.message]).toEqual([
      "unknown",
      'the server calls its state "Dreaming", which is no known word',
    ]);
  });

  test("a state that is not there yet is waited through", async () => {
    const { server, id } = await start([
      { t: 5, state: "Running" },
      { t: 10, state: "Succeeded" },
    ]);
    expect((await waitForRun(server, id, { timeoutMs: DAY_MS })).verdict).toBe("succeeded");
  });

  test("a run that nobody knows is 3", async () => {
    const { server } = await start();
    const error = await errorOf(waitForRun(server, "nobody", { timeoutMs: DAY_MS }));
    expect([error.code, error.message]).toEqual(["RUN_UNKNOWN", 'the server knows no run "nobody"']);
  });

  test("an interrupt ends the wait and leaves the run", async () => {
    const { server, id } = await start([{ t: 0, state: "Running" }]);
    const abort = new AbortController();
    const end = await waitForRun(server, id, {
      timeoutMs: DAY_MS,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    expect(describeEnd(server, end)?.status).toBe(130);
  });
});

test.each([
  ["its own", "started by kfk as 1 for shop (local)", true],
  ["its own, at a commit", "started by kfk as 1 for shop (local) at commit abc+", true],
  ["another environment's", "started by kfk as 1 for shop (prod)", false],
  ["one whose name ends alike", "started by kfk as 1 for Forecast for shop (local)", false],
  ["one whose name begins alike", "started by kfk as 1 for shop (local) (local)", false],
  ["one in another text", "as started by kfk as 1 for shop (local)", false],
] as const)("a run is told to be of a project: %s", (_, description, isOwn) => {
  expect(isFrom(description, { project: "shop", env: "local" })).toBe(isOwn);
  expect(isFrom(description, { project: "shop" })).toBe(isOwn || description.includes("(prod)"));
});

test("a retry that KFP says has failed may have begun: 6", async () => {
  const { fake, connect } = setUp();
  const server = await connect();
  const answer = (): Response => Response.json({ code: 13, message: "database", details: [] }, { status: 500 });
  fake.addFault({ method: "POST", path: "/retry", acted: true, answer });
  expect((await errorOf(retryRun(server, "any"))).status).toBe(6);
});
