/**
 * Every verb that talks to a server on every version of one, through the command line. No time really passes.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import type { Signal } from "../../src/world.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { type FakeKfp, type FakeKfpOptions, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { DOCUMENT } from "../cluster/setup-server.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const VERSIONS = ["1.8.22", "2.0.5", "2.5.0", "2.17.0"] as const;
const FAILS = [
  { t: 0, state: "Running" },
  { t: 20, state: "Failed" },
];
const RUNS_ON = [{ t: 0, state: "Running" }];

let server: FakeKfp;
let clock: FakeWorld["clock"];
let passedMs = 0;
afterEach(async () => await server.stop());

function start(tag: keyof typeof KFP_VERSIONS, more: Partial<FakeKfpOptions> = {}): void {
  passedMs = 0;
  ({ clock } = fakeWorld());
  // each command has a world of its own; the server's time goes on
  server = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => passedMs + clock.monotonicMs(), ...more });
}

interface Given {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly onSay?: ((world: FakeWorld) => void) | undefined;
}

async function kfk(argv: readonly string[], given: Given = {}) {
  passedMs += clock.monotonicMs();
  const world = fakeWorld({
    cwd: ROOT,
    files: { ...projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW } }), ...given.files },
    env: given.env ?? {},
    fetch: server.fetch,
  });
  ({ clock } = world);
  const before = server.requests.length;
  const watched = {
    ...world,
    newId: () => crypto.randomUUID(), // as in the real world: no two commands share one
    err: {
      ...world.err,
      write: (text: string) => {
        world.err.write(text);
        given.onSay?.(world);
      },
    },
  };
  const status = await runCommandLine(watched, [...argv, "--host", server.url], "1.2.3", "");
  return {
    status,
    out: world.written.out(),
    err: world.written.err(),
    requests: server.requests.length - before,
  };
}

const raise =
  (signal: Signal, on: string): Given["onSay"] =>
  (world) => {
    if (world.written.err().includes(on)) world.raise(signal);
  };

async function started(): Promise<string> {
  return (await kfk(["run-once"])).out.trim();
}

describe.each(VERSIONS)("on KFP %s", (tag) => {
  test("run-once counts its requests: at most 7 on a new pipeline, at most 5 on a known one", async () => {
    start(tag);
    const first = await kfk(["run-once"]);
    const second = await kfk(["run-once"]);
    expect([first.status, second.status, server.versions().length]).toEqual([0, 0, 1]);
    expect(first.requests).toBeLessThanOrEqual(7);
    expect(second.requests).toBeLessThanOrEqual(5);
  });

  test("run-once writes the id to stdout and the file, and the link to stderr", async () => {
    start(tag);
    const { out, err } = await kfk(["run-once", "--run-id-file", "id", "--run-name", "mine", "-x", "other"]);
    expect(out).toBe(`${server.runs()[0]?.id}\n`);
    expect(err).toContain(`started mine: ${server.url}/#/runs/details/${out.trim()}`);
    expect(err).toContain("created the experiment other");
    expect(server.runs()[0]?.description).toBe(`started by kfk as ${descriptionId()} for Shop (local)`);
  });

  test("a pipeline that the predecessor made is continued, and kfk's own comes first", async () => {
    start(tag);
    const upload = async (name: string): Promise<void> => {
      const form = new FormData();
      form.append("uploadfile", new File([DOCUMENT], "p.yaml"));
      const query = new URLSearchParams({ name }).toString();
      await server.fetch(`${server.url}/apis/v1beta1/pipelines/upload?${query}`, { method: "POST", body: form });
    };
    const former = "[Shop] __default__ (env: local)";
    await upload(former);
    const { err } = await kfk(["run-once"]);
    expect([err.includes(`continues the pipeline ${former}`), server.pipelines()]).toEqual([true, [former]]);
    expect((await kfk(["run-once"])).requests).toBeLessThanOrEqual(5);
    await upload("shop");
    await kfk(["run-once"]);
    expect(server.versions().length).toBe(4);
  });

  test("a long wait says so every minute where nothing is redrawn", async () => {
    start(tag);
    server.setScript([...RUNS_ON, { t: 200, state: "Succeeded" }]);
    const { status, err } = await kfk(["run-once", "--wait"]);
    expect(status).toBe(0);
    const beats = err.match(/Running after \d+ min \d\d s: 0 of 1 begun steps done, running: data-volume-create/g);
    expect(beats?.length ?? 0).toBeGreaterThanOrEqual(2);
  });

  test("status tells the state with 0, whatever it is", async () => {
    start(tag);
    server.setScript(FAILS);
    const id = await started();
    passedMs += 60_000;
    expect(await kfk(["status", id, "-o", "name"])).toMatchObject({ status: 0, out: "Failed\n" });
    const json = JSON.parse((await kfk(["status", "@latest", "-o", "json"])).out) as Record<string, unknown>;
    expect([json["id"], json["verdict"], json["link"]]).toEqual([id, "failed", `${server.url}/#/runs/details/${id}`]);
    expect((await kfk(["status", id])).out).toContain("failed");
  });

  test("logs come by whichever route answers", async () => {
    for (const front of ["api", "ui"] as const) {
      start(tag, { front });
      server.setScript(FAILS);
      server.setFailing({ fit: { message: "Error (exit code 1)", exitCode: "1" } });
      const id = await started();
      passedMs += 60_000;
      server.setLog(await podOf(id, "fit"), "one\ntwo\n");
      expect(await kfk(["logs", "@latest", "--failed"])).toMatchObject({ status: 0, out: `fit | one\nfit | two\n` });
      expect((await kfk(["logs", id, "--node", "fit", "--tail", "1", "--no-prefix"])).out).toBe("two\n");
      expect(await kfk(["logs", id, "--node", "fitt"])).toMatchObject({ status: 2 });
      await server.stop();
    }
    start(tag);
  });

  test("logs --follow ends with the run", async () => {
    start(tag);
    const id = await started();
    passedMs += 5000;
    server.setLog(await podOf(id, "data-volume-create"), "begin\n");
    const { status, out } = await kfk(["logs", id, "--follow"]);
    expect([status, out]).toEqual([0, "data-volume-create | begin\n"]);
  });

  test("cancel stops a run, and wait then is 7", async () => {
    start(tag);
    server.setScript(RUNS_ON);
    const id = await started();
    expect(await kfk(["cancel", "@latest"])).toMatchObject({ status: 0, out: `${id}\n` });
    expect((await kfk(["wait", id])).status).toBe(7);
    expect((await kfk(["cancel", id])).err).toMatch(/the run \S+ (?:was cancelled|has failed) already/);
  });

  test("retry goes on with a run that failed, and refuses others", async () => {
    start(tag);
    server.setScript(FAILS);
    const id = await started();
    expect(await kfk(["retry", id])).toMatchObject({ status: 3 });
    passedMs += 60_000;
    expect(await kfk(["retry", id, "--wait"])).toMatchObject({ status: 1, out: `${id}\n` });
  });

  test("a failed run gets a card with its node, place, reason, log and the way on, within 3 s", async () => {
    start(tag);
    server.setScript(FAILS);
    server.setFailing({ fit: { message: "OOMKilled (exit code 137)", exitCode: "137" } });
    const { status, err } = await kfk(["run-once", "--wait", "--param", "rate=0.5"], {
      env: { GITHUB_ACTIONS: "true" },
    });
    expect(status).toBe(1);
    expect(err).toContain("failed: node fit: OOMKilled");
    expect(err).toMatch(/ {2}node fit is at src\/shop\/\S+:\d+\n/);
    expect(err).toMatch(/::error file=src\/shop\/\S+,line=\d+,title=node fit failed::OOMKilled/);
    expect(err).toContain(`kfk retry ${server.runs()[0]?.id}`);
  });

  test("the card names parameters that are other than in the last success", async () => {
    start(tag);
    const good = (await kfk(["run-once", "--wait"])).out.trim();
    server.setScript(FAILS);
    passedMs += 5000;
    const { err } = await kfk(["run-once", "--wait", "--param", "rate=0.5"]);
    expect(err).toContain(`other than in the last run that succeeded (${good}):\n  rate: default -> 0.5\n`);
  });

  test("a pipeline without a version, as a crash leaves it, gets one", async () => {
    start(tag);
    await kfk(["upload-pipeline"]);
    const [version] = server.versions();
    await server.fetch(`${server.url}/apis/v1beta1/pipeline_versions/${version?.id}`, { method: "DELETE" });
    expect(server.versions()).toHaveLength(0);
    expect((await kfk(["upload-pipeline"])).err).toContain("added a version to shop");
    expect([server.pipelines(), server.versions().length]).toEqual([["shop"], 1]);
  });

  test("list-runs and list-pipelines show all pages, in every form", async () => {
    start(tag, { pageSize: 2 });
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) {
      ids.unshift(await started());
      passedMs += 2000;
    }
    expect((await kfk(["list-runs", "-o", "name"])).out.trim().split("\n")).toEqual(ids);
    expect((await kfk(["list-runs", "-o", "name", "--limit", "3"])).out.trim().split("\n")).toEqual(ids.slice(0, 3));
    const listed = JSON.parse((await kfk(["list-runs", "-o", "json", "-x", "Shop"])).out) as { id: string }[];
    expect(listed.map((each) => each.id)).toEqual(ids);
    expect((await kfk(["list-runs"])).out.split("\n")[0]).toMatch(/^RUN +STATE +CREATED +PIPELINE +VERSION +NAME$/);
    expect((await kfk(["list-pipelines", "-o", "name"])).out).toBe("shop\n");
    expect((await kfk(["list-pipelines"])).out.split("\n")[0]).toMatch(/^PIPELINE +CREATED +VERSION +NAME$/);
    expect((await kfk(["list-runs", "-x", "nobody"])).status).toBe(3);
  });

  test("runs are listed with pipeline and version, and a pipeline is asked for once", async () => {
    start(tag);
    await started();
    passedMs += 2000;
    await kfk(["run-once", "--image", "shop:2"]);
    passedMs += 2000;
    await kfk(["run-once", "--image", "shop:2"]);
    const { out, err } = await kfk(["list-runs", "-o", "json"], { env: { KFK_DEBUG: "api" } });
    const names = (JSON.parse(out) as { pipeline: string; version: string }[]).map((run) => [
      run.pipeline,
      run.version,
    ]);
    const second = server.versions()[1]?.name ?? "";
    expect(names).toEqual([
      ["shop", second],
      ["shop", second],
      ["shop", "shop"],
    ]);
    // before 2.0 a run names its version alone
    const asked = tag === "1.8.22" ? ["pipeline_versions/", "pipeline_versions/", "pipelines/"] : ["pipelines/"];
    expect([...err.matchAll(/GET \S+v1beta1\/(pipeline\w*\/)/g)].map(([, path]) => path).toSorted()).toEqual(asked);
    const one = JSON.parse((await kfk(["status", "@latest", "-o", "json"])).out);
    expect([one.pipeline, one.version]).toEqual(["shop", second]);
    const broken = (): Response => new Response('{"code":7,"message":"no"}', { status: 403 });
    server.addFault({
      method: "GET",
      path: `/pipelines/${one.pipelineId ?? server.versions()[0]?.id}`,
      answer: broken,
    });
    const nameless = await kfk(["list-runs", "-o", "json", "--limit", "1"]);
    expect([nameless.status, JSON.parse(nameless.out)[0].pipeline]).toEqual([0, null]);
    expect(nameless.err).toContain("warning: the names of pipelines are not known: ");
  });

  test("ui prints the link", async () => {
    start(tag);
    expect((await kfk(["ui"])).out).toBe(`${server.url}/#/pipelines\n`);
    const id = await started();
    expect((await kfk(["ui", "@latest"])).out).toBe(`${server.url}/#/runs/details/${id}\n`);
  });

  test("a signal while waiting leaves the run, or stops it when asked to", async () => {
    start(tag);
    server.setScript(RUNS_ON);
    const left = await kfk(["run-once", "--wait"], { onSay: raise("SIGTERM", "running") });
    expect([left.status, server.phase(left.out.trim())]).toEqual([143, "Running"]);
    const stopped = await kfk(["run-once", "--wait", "--cancel-on-interrupt"], { onSay: raise("SIGINT", "running") });
    expect([stopped.status, server.phase(stopped.out.trim())]).toEqual([130, "Terminating"]);
  });

  test("secrets are seen nowhere, not even in a trace", async () => {
    start(tag, { token: () => "c4nary-token" });
    const given = { files: { "/secrets/token": "c4nary-token\n" }, env: { KFK_DEBUG: "api" } };
    const good = await kfk(["run-once", "--wait", "--token-file", "/secrets/token"], given);
    expect([good.status, good.err.includes("api: POST /apis/v1beta1/runs -> ok 200")]).toEqual([0, true]);
    server.addFault({ answer: () => new Response('{"message":"bad token c4nary-token"}', { status: 401 }), times: 9 });
    const bad = await kfk(["list-runs", "--token-file", "/secrets/token"], given);
    expect(bad.status).toBe(4);
    expect(good.out + good.err + bad.out + bad.err).not.toContain("c4nary");
  });
});

test("values of --params-file are typed, and unknown names get a suggestion", async () => {
  start("2.17.0");
  const run = async (text: string) =>
    await kfk(["run-once", "--params-file", "v.yml"], { files: { [`${ROOT}/v.yml`]: text } });
  expect((await run("rate: 0.25\n")).status).toBe(0);
  expect(server.runs()[0]?.parameters).toEqual([{ name: "rate", value: "0.25" }]);
  const wrong = await run("rate: fast\n");
  expect([wrong.status, wrong.err.includes('parameter "rate" is a number, and this is text')]).toEqual([3, true]);
  const typo = await run("rat: 0.25\n");
  expect([typo.status, typo.err.includes("did you mean rate?")]).toEqual([3, true]);
  expect((await kfk(["run-once", "--params-file", "none.yml"])).status).toBe(2);
  expect(server.runs()).toHaveLength(1);
});

test("no news for the window is 6, and --outage sets the window", async () => {
  start("2.17.0");
  server.addFault({ method: "GET", path: "/runs/", times: 5000, answer: () => new Response("no", { status: 503 }) });
  const { status, err } = await kfk(["run-once", "--wait", "--outage", "30s"]);
  expect([status, err.includes("kfk wait ")]).toEqual([6, true]);
  expect(clock.monotonicMs()).toBeLessThan(60_000);
});

// --- internal ---

function descriptionId(): string {
  return /as (\S+)/.exec(server.runs()[0]?.description ?? "")?.[1] ?? "";
}

async function podOf(id: string, step: string): Promise<string> {
  const answer = await server.fetch(`${server.url}/apis/v1beta1/runs/${id}`, {});
  const { pipeline_runtime } = (await answer.json()) as { pipeline_runtime: { workflow_manifest: string } };
  const workflow = JSON.parse(pipeline_runtime.workflow_manifest) as {
    metadata: { name: string };
    status: { nodes: Record<string, { id: string; type: string; templateName: string; displayName: string }> };
  };
  const pod = Object.values(workflow.status.nodes).find((each) => each.displayName === `${step}(0)`);
  return `${workflow.metadata.name}-${pod?.templateName}-${/\d+$/.exec(pod?.id ?? "")?.[0]}`;
}
