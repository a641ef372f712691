/**
 * A run whose creation arrived twice: two workflows report to one row, as on 2.0.5 and main. Also creations whose answer
 * was taken away by something before KFP, and versions that are not there.
 */
import { describe, expect, test } from "bun:test";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { listPipelines, uploadPipeline } from "../../src/cluster/pipelines.ts";
import { createRun, type RunRequest, terminateRun } from "../../src/cluster/runs.ts";
import type { Server } from "../../src/cluster/server.ts";
import { waitForRun } from "../../src/cluster/wait.ts";
import type { Moment } from "../judges/kfp-fake.ts";
import { DOCUMENT, errorOf, setUp } from "./setup-server.ts";

const NEW = ["2.0.5", "2.5.0", "2.17.0"] as const;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const ID = "0f0e0d0c-0000-4000-8000-00000000abcd";

async function request(server: Server, more: Partial<RunRequest> = {}): Promise<RunRequest> {
  const { versionId } = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
  const { id } = await ensureExperiment(server, "shop");
  return { name: "shop 1", experimentId: id, source: { versionId }, parameters: [], id: ID, ...more };
}

function script(end: string, t: number): readonly Moment[] {
  return [{ t: 0, state: "Running" }, ...(end === "never" ? [] : [{ t, state: end }])];
}

describe.each(NEW)("a run that was started twice on %s", (version) => {
  /** `answer`: of which of the two requests kfk hears. */
  async function startTwice(own: readonly Moment[], stray: readonly Moment[], answer: "last" | "first") {
    const setup = setUp(version);
    const server = await setup.connect();
    const wanted = await request(server);
    setup.fake.setScript(own);
    setup.fake.setStrayScript(stray);
    let run;
    if (answer === "last") {
      setup.fake.addFault({ method: "POST", path: "/runs", acted: "twice", answer: "last" });
      run = await createRun(server, wanted);
    } else {
      run = await createRun(server, wanted);
      await errorOf(createRun(server, wanted).then(() => Promise.reject(new Error("two rows")))).catch(() => {});
    }
    return { ...setup, server, run };
  }

  test("is told as such, with one row and two workflows", async () => {
    const { fake, run } = await startTwice(script("Succeeded", 20), script("Failed", 5), "last");
    expect([fake.runs().length, fake.workflows(), run]).toEqual([
      1,
      2,
      { id: ID, name: "shop 1", recovered: true, workflow: null, isDoubled: true },
    ]);
  });

  test.each<[string, string, number, string, number, "last" | "first", string]>([
    ["the other one fails first", "Succeeded", 60, "Failed", 10, "last", "unknown"],
    ["the other one fails first, its own is known", "Succeeded", 60, "Failed", 10, "first", "succeeded"],
    ["the other one succeeds first", "Failed", 60, "Succeeded", 10, "last", "unknown"],
    ["the other one succeeds first, its own is known", "Failed", 60, "Succeeded", 10, "first", "failed"],
    ["both succeed", "Succeeded", 40, "Succeeded", 70, "last", "succeeded"],
    ["both fail", "Failed", 40, "Failed", 70, "last", "failed"],
    ["the other one ends last", "Succeeded", 10, "Failed", 60, "first", "succeeded"],
    ["the other one never ends", "Succeeded", 10, "never", 0, "last", "unknown"],
  ])("%s", async (_, own, ownS, other, otherS, answer, verdict) => {
    const { server, run } = await startTwice(script(own, ownS), script(other, otherS), answer);
    const end = await waitForRun(server, run.id, { timeoutMs: HOUR_MS, seen: true, ...run });
    expect(end.verdict as string).toBe(verdict);
    if (verdict === "unknown") expect(end.message).toContain("workflow");
  });

  test("who comes late is told no verdict of the other one", async () => {
    const { fake, server, world } = await startTwice(script("Succeeded", 10), script("Failed", 60), "last");
    await world.clock.advance(120_000);
    expect(fake.phase(ID)).toBe("Succeeded");
    const end = await waitForRun(server, ID, { timeoutMs: DAY_MS });
    expect([end.verdict, end.message?.split(" (")[0]]).toEqual([
      "unknown",
      "more than one workflow reports to it, and they are not known to have ended alike",
    ]);
  });

  test("its own was cancelled, and the other one succeeded", async () => {
    const { server, world } = await startTwice(script("never", 0), script("Succeeded", 60), "last");
    await terminateRun(server, ID);
    await world.clock.advance(120_000);
    expect((await waitForRun(server, ID, { timeoutMs: DAY_MS })).verdict).toBe("unknown");
  });

  test("time is up while the other one is shown: not known to go on", async () => {
    const { server, run, world } = await startTwice(script("Succeeded", 10), script("never", 0), "first");
    await world.clock.advance(61_000);
    expect((await waitForRun(server, run.id, { timeoutMs: 100_000, seen: true, ...run })).verdict).toBe("unknown");
    const both = await startTwice(script("never", 0), script("never", 0), "last");
    const end = await waitForRun(both.server, ID, { timeoutMs: 100_000, seen: true, ...both.run });
    expect(end.verdict).toBe("timeout");
  });
});

const page = (status: number): Response =>
  new Response("<html>sign in</html>", { status, headers: { "content-type": "text/html" } });
const redirect = (): Response => new Response("", { status: 302, headers: { location: "https://u:p@login.invalid/" } });
const TAKEN: readonly (readonly [string, () => Response, number])[] = [
  ["401 of a gate", () => new Response("{}", { status: 401 }), 4],
  ["403 of a gate", () => new Response("RBAC: access denied", { status: 403 }), 4],
  ["302", redirect, 4],
  ["404 with a page", () => page(404), 4],
  ["404 of nobody", () => new Response("not found", { status: 404 }), 3],
  ["409 with code 10", () => Response.json({ code: 10, message: "aborted", details: [] }, { status: 409 }), 3],
];

describe.each(["1.8.22", ...NEW] as const)("an answer that was taken away on %s", (version) => {
  test.each(TAKEN)("%s: the run is found", async (_, answer) => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    fake.addFault({ method: "POST", path: "/runs", acted: true, answer });
    const run = await createRun(server, await request(server));
    expect([fake.runs().map(({ id }) => id), run.recovered]).toEqual([[run.id], true]);
  });

  test.each(TAKEN)("%s: nothing was created, and the run was asked for once", async (_, answer, status) => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    fake.addFault({ method: "POST", path: "/runs", answer });
    const before = fake.requests.length;
    const error = await errorOf(createRun(server, wanted));
    expect([error.status, fake.requests.length - before]).toEqual([status, 2]);
    expect(JSON.stringify([error.message, error.hint, error.notes])).not.toContain("u:p");
  });

  test.each(TAKEN)("%s, and the question is turned away otherwise: 6", async (_, answer) => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    fake.addFault({ method: "POST", path: "/runs", acted: true, answer });
    fake.addFault({ method: "GET", path: "/runs", times: 99, answer: () => new Response("later", { status: 418 }) });
    const error = await errorOf(createRun(server, wanted));
    expect([error.status, error.hint?.includes(ID)]).toEqual([6, true]);
  });

  test.each(TAKEN)("%s for the question as well: a gate let neither pass", async (_, answer, status) => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    fake.addFault({ path: "/runs", times: 99, answer });
    expect((await errorOf(createRun(server, wanted))).status).toBe(status);
  });

  test("KFP's own refusal of a login is 4 at once", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const wanted = await request(server);
    const answer = (): Response => Response.json({ code: 16, message: "no identity", details: [] }, { status: 401 });
    fake.addFault({ method: "POST", path: "/runs", answer });
    const before = fake.requests.length;
    expect([(await errorOf(createRun(server, wanted))).status, fake.requests.length - before]).toEqual([4, 1]);
  });
});

describe.each(["1.8.22", ...NEW] as const)("versions that are not there on %s", (version) => {
  test("a pipeline whose only version was deleted is listed, and gets a new one", async () => {
    const { fake, connect } = setUp(version);
    const server = await connect();
    const first = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
    await fetch(`${fake.url}/apis/v1beta1/pipeline_versions/${first.versionId}`, { method: "DELETE" });
    const pages = await Array.fromAsync(listPipelines(server));
    expect(pages.flat().map((each) => [each.name, each.versionId, each.versionName])).toEqual([["shop", null, null]]);
    const second = await uploadPipeline(server, { name: "shop", text: DOCUMENT });
    expect([second.made, second.pipelineId, fake.versions().length]).toEqual(["version", first.pipelineId, 1]);
    expect((await uploadPipeline(server, { name: "shop", text: DOCUMENT })).made).toBe("unchanged");
  });

  test.skipIf(version === "1.8.22")(
    "a version that was only half made counts as none, and its name is left alone",
    async () => {
      const { fake, connect } = setUp(version);
      const server = await connect();
      await uploadPipeline(server, { name: "shop", text: DOCUMENT });
      const text = `${DOCUMENT}# changed\n`;
      const half = await uploadPipeline(server, { name: "shop", text });
      fake.breakNewestVersion();
      const whole = await uploadPipeline(server, { name: "shop", text });
      expect([whole.made, whole.versionName]).toEqual(["version", `${half.versionName}-2`]);
      expect((await uploadPipeline(server, { name: "shop", text })).made).toBe("unchanged");
      fake.breakNewestVersion();
      const error = await errorOf(uploadPipeline(server, { name: "shop", text, versionName: whole.versionName }));
      expect([error.status, error.message]).toEqual([
        3,
        `the pipeline "shop" has a version "${whole.versionName}", and the server does not list it`,
      ]);
    },
  );
});

test("a name that the server's database cannot hold is refused by its name", async () => {
  const server = await setUp("2.0.5", { latin1: true }).connect();
  expect((await uploadPipeline(server, { name: "na\u00EFve", text: DOCUMENT })).made).toBe("pipeline");
  const upload = { name: "\u65E5\u672C", formerNames: ["shop"], text: DOCUMENT };
  for (const work of [uploadPipeline(server, upload), ensureExperiment(server, "\u65E5\u672C")]) {
    const error = await errorOf(work);
    expect([error.status, error.message]).toEqual([
      3,
      `the server's database cannot hold the characters of "\u65E5\u672C"`,
    ]);
  }
});
