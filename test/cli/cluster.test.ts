/** Upload, run and wait through the command line, against a server on loopback; no time really passes. */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

let server: FakeKfp;
let clock: FakeWorld["clock"];
afterEach(async () => await server.stop());

function start(tag: keyof typeof KFP_VERSIONS): void {
  ({ clock } = fakeWorld());
  server = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => clock.monotonicMs() });
}

async function kfk(argv: readonly string[], more: Record<string, string> = {}, env: Record<string, string> = {}) {
  const world = fakeWorld({
    env,
    cwd: ROOT,
    files: { ...projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW } }), ...more },
    fetch: server.fetch,
  });
  ({ clock } = world); // the server lives by the clock of whoever asks it
  const status = await runCommandLine(world, [...argv, "--host", server.url], "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err() };
}

const DOWN = () => new Response("no healthy upstream", { status: 503 });

describe.each(["1.8.22", "2.0.5", "2.5.0", "2.17.0"] as const)("KFP %s", (tag) => {
  test("upload-pipeline makes a pipeline, then says that nothing changed, then adds a version", async () => {
    start(tag);
    const first = await kfk(["upload-pipeline"]);
    expect({ status: first.status, out: first.out }).toEqual({ status: 0, out: `${server.versions()[0]?.id}\n` });
    expect(first.err).toContain("created the pipeline shop");
    const again = await kfk(["upload-pipeline"]);
    expect({ status: again.status, out: again.out }).toEqual({ status: 0, out: first.out });
    expect(again.err).toContain("unchanged: shop");
    const other = await kfk(["upload-pipeline", "--image", "shop:2"]);
    expect(other.status).toBe(0);
    expect(server.versions()).toHaveLength(2);
    expect(server.versions()[1]?.text).toContain('image: "shop:2"');
  });

  test("run-once --wait ends with 0 when the run succeeded", async () => {
    start(tag);
    const { status, out, err } = await kfk(["run-once", "--wait"]);
    expect({ status, out }).toEqual({ status: 0, out: `${server.runs()[0]?.id}\n` });
    expect(server.runs()).toHaveLength(1);
    expect(err).toContain(`${server.url}/#/runs/details/${server.runs()[0]?.id}`);
    expect(err).toContain("succeeded after");
  });

  test("run-once --wait ends with 1 when the run failed, and names the step", async () => {
    start(tag);
    server.setScript([
      { t: 0, state: "Running" },
      { t: 20, state: "Failed" },
    ]);
    const { status, err } = await kfk(["run-once", "--wait"]);
    expect(status).toBe(1);
    expect(err).toContain("step score failed: main: Error (exit code 1)");
  });

  test("run-once without --wait leaves at once", async () => {
    start(tag);
    const { status, out } = await kfk(["run-once", "--run-id-file", "id.txt"]);
    expect({ status, out }).toEqual({ status: 0, out: `${server.runs()[0]?.id}\n` });
    expect(server.requests.filter(({ method, path }) => method === "GET" && path.includes("/runs/"))).toEqual([]);
  });

  test("a namespace is not used by a server for one user, which is said once", async () => {
    start(tag);
    const { status, err } = await kfk(["run-once", "--wait", "-en", "team"]);
    expect(status).toBe(0);
    expect(err.split("--namespace team is not used: this server is for one user")).toHaveLength(2);
  });

  test("-v says each request, and a list of runs asks no Python", async () => {
    start(tag);
    const { status, err } = await kfk(["list-runs", "-v", "--from", "python", "--python", "/no/python"]);
    expect(status).toBe(0);
    expect(err).toMatch(/GET \/apis\/v2beta1\/healthz/);
    expect((await kfk(["list-runs", "-q"])).err).toBe("");
  });

  test("--param reaches the run, typed and encoded, and makes no other version", async () => {
    start(tag);
    expect((await kfk(["upload-pipeline"])).status).toBe(0);
    expect((await kfk(["run-once", "--param", "rate=1e-05"])).status).toBe(0);
    expect(server.versions()).toHaveLength(1);
    expect(server.runs()[0]?.parameters).toEqual([{ name: "rate", value: "1e-05" }]);
    expect(await kfk(["run-once", "--param", "rate=much"])).toMatchObject({ status: 3, out: "" });
    expect(server.runs()).toHaveLength(1);
  });

  test("a timeout is 124, and the run goes on", async () => {
    start(tag);
    server.setScript([{ t: 0, state: "Running" }]);
    const { status, err } = await kfk(["run-once", "--wait", "--timeout", "90s"]);
    expect(status).toBe(124);
    expect(err).toContain(`kfk wait ${server.runs()[0]?.id}`);
    expect(server.requests.some(({ path }) => path.endsWith("/terminate"))).toBe(false);
  });

  test("a lost answer makes one run, and it is waited for", async () => {
    start(tag);
    server.addFault({ method: "POST", path: "/runs", acted: true, answer: "reset" });
    const { status, out } = await kfk(["run-once", "--wait"]);
    expect({ status, out, runs: server.runs().length }).toEqual({
      status: 0,
      out: `${server.runs()[0]?.id}\n`,
      runs: 1,
    });
  });

  test("no news for a while is waited out", async () => {
    start(tag);
    server.addFault({ method: "GET", path: "/runs/", times: 4, answer: DOWN });
    expect((await kfk(["run-once", "--wait"])).status).toBe(0);
  });

  test("no news for longer than the window is 6, with the way to go on", async () => {
    start(tag);
    server.addFault({ method: "GET", path: "/runs/", times: 5000, answer: DOWN });
    const { status, err } = await kfk(["run-once", "--wait"]);
    expect(status).toBe(6);
    expect(err).toContain(`kfk wait ${server.runs()[0]?.id}`);
  });

  test("a cancelled run is 7", async () => {
    start(tag);
    const started = await kfk(["run-once"]);
    await server.fetch(`${server.url}/apis/v1beta1/runs/${started.out.trim()}/terminate`, { method: "POST" });
    expect((await kfk(["wait", started.out.trim()])).status).toBe(7);
  });

  test("a login page is 4 and creates nothing", async () => {
    start(tag);
    const login = () => new Response("", { status: 302, headers: { location: "https://login.invalid/dex/auth" } });
    server.addFault({ path: "/apis/", times: 50, answer: login });
    const { status, out } = await kfk(["run-once"]);
    expect({ status, out, runs: server.runs().length }).toEqual({ status: 4, out: "", runs: 0 });
  });

  test("a retry whose answer is lost is 6 with the id", async () => {
    start(tag);
    server.setScript([{ t: 0, state: "Failed" }]);
    const { out: id } = await kfk(["run-once"]);
    server.addFault({ method: "POST", path: "/retry", acted: true, answer: "reset" });
    const { status, out, err } = await kfk(["retry", "@latest"]);
    expect({ status, out }).toEqual({ status: 6, out: id });
    expect(err).toContain(`the run ${id.trim()} may have been retried`);
  });

  test("an unknown run is 3", async () => {
    start(tag);
    expect((await kfk(["wait", "00000000-0000-4000-8000-000000000000"])).status).toBe(3);
  });

  test("the token of a file is sent, and never shown", async () => {
    start(tag);
    const { status, out, err } = await kfk(["run-once", "--wait", "--token-file", "/secrets/token"], {
      "/secrets/token": "s3cr3t-t0ken\n",
    });
    expect(status).toBe(0);
    const sent = new Set(server.requests.map(({ headers }) => headers.get("authorization")));
    expect([...sent]).toEqual(["Bearer s3cr3t-t0ken"]);
    expect(out + err).not.toContain("s3cr3t");
  });
});

test("what pods wrote steers no terminal and shows no secret of this environment", async () => {
  start("2.17.0");
  const run = await kfk(["run-once", "--wait"]);
  const log = (): Response =>
    new Response("\u001B[2Jhi s3cr3t-of-env there\r\n10%\r20%\u202E\n", { headers: { "content-type": "text/plain" } });
  server.addFault({ method: "GET", path: "/log", times: 99, answer: log });
  const { status, out } = await kfk(
    ["logs", run.out.trim(), "--no-prefix", "--follow"],
    {},
    { DB_PASSWORD: "s3cr3t-of-env" },
  );
  expect(status).toBe(0);
  expect(out.split("\n").slice(0, 2)).toEqual(["?[2Jhi [redacted] there", "10%?20%?"]);
});
