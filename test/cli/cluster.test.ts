/** Upload, run and wait through the command line, against a server on loopback; no time really passes. */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld, type FakeOptions } from "../fake-world.ts";
import { type FakeServer, GENERATIONS, startServer } from "../judges/kfp-server.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

let server: FakeServer | undefined;
afterEach(async () => await server?.stop());

async function kfk(argv: readonly string[], more: Record<string, string> = {}) {
  const options: FakeOptions = {
    cwd: ROOT,
    files: { ...projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW } }), ...more },
    fetch: (url, init) => fetch(url, init),
  };
  const world = fakeWorld(options);
  const status = await runCommandLine(world, [...argv, "--host", server?.url ?? ""], "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err() };
}

describe.each(GENERATIONS.map((row) => [row.version, row] as const))("KFP %s", (_, generation) => {
  test("upload-pipeline makes a pipeline, then says that nothing changed, then adds a version", async () => {
    server = startServer(generation);
    const first = await kfk(["upload-pipeline"]);
    expect({ status: first.status, out: first.out }).toEqual({ status: 0, out: `${server.versions[0]?.id}\n` });
    expect(first.err).toContain("created the pipeline shop");
    const again = await kfk(["upload-pipeline"]);
    expect({ status: again.status, out: again.out }).toEqual({ status: 0, out: first.out });
    expect(again.err).toContain("unchanged: shop");
    const other = await kfk(["upload-pipeline", "--image", "shop:2"]);
    expect(other.status).toBe(0);
    expect(server.versions).toHaveLength(2);
    expect(server.versions[1]?.text).toContain('image: "shop:2"');
  });

  test("run-once --wait ends with 0 when the run succeeded", async () => {
    server = startServer(generation);
    const { status, out, err } = await kfk(["run-once", "--wait"]);
    expect({ status, out }).toEqual({ status: 0, out: `${server.runs[0]?.id}\n` });
    expect(server.runs).toHaveLength(1);
    expect(err).toContain(`${server.url}/#/runs/details/${server.runs[0]?.id}`);
    expect(err).toContain("succeeded after");
  });

  test("run-once --wait ends with 1 when the run failed, and names the step", async () => {
    server = startServer(generation);
    server.states = ["Running", "Failed"];
    server.nodes = { fit: { phase: "Failed", message: "Error (exit code 1)" } };
    const { status, err } = await kfk(["run-once", "--wait"]);
    expect(status).toBe(1);
    expect(err).toContain("step fit failed: Error (exit code 1)");
  });

  test("run-once without --wait leaves at once", async () => {
    server = startServer(generation);
    const { status, out } = await kfk(["run-once", "--run-id-file", "id.txt"]);
    expect({ status, out }).toEqual({ status: 0, out: `${server.runs[0]?.id}\n` });
    expect(server.runs[0]?.polls).toBe(0);
  });

  test("a timeout is 124, and the run goes on", async () => {
    server = startServer(generation);
    server.states = ["Running"];
    const { status, err } = await kfk(["run-once", "--wait", "--timeout", "90s"]);
    expect(status).toBe(124);
    expect(err).toContain(`kfk wait ${server.runs[0]?.id}`);
    expect(server.runs[0]?.terminated).toBe(false);
  });

  test("a lost answer makes one run, and it is waited for", async () => {
    server = startServer(generation);
    server.fail("POST /apis/v1beta1/runs", { kind: "lost", status: 502 });
    const { status, out } = await kfk(["run-once", "--wait"]);
    expect({ status, out, runs: server.runs.length }).toEqual({ status: 0, out: `${server.runs[0]?.id}\n`, runs: 1 });
  });

  test("no news for a while is waited out", async () => {
    server = startServer(generation);
    const down = {
      kind: "status",
      status: 503,
      body: "no healthy upstream",
      headers: { "content-type": "text/plain" },
    } as const;
    server.fail("GET /apis/v1beta1/runs/", down, down, down, down);
    expect((await kfk(["run-once", "--wait"])).status).toBe(0);
  });

  test("no news for longer than the window is 6, with the way to go on", async () => {
    server = startServer(generation);
    const down = {
      kind: "status",
      status: 503,
      body: "no healthy upstream",
      headers: { "content-type": "text/plain" },
    } as const;
    server.fail("GET /apis/v1beta1/runs/", ...Array.from({ length: 2000 }, () => down));
    const { status, err } = await kfk(["run-once", "--wait"]);
    expect(status).toBe(6);
    expect(err).toContain(`kfk wait ${server.runs[0]?.id}`);
  });

  test("a cancelled run is 7", async () => {
    server = startServer(generation);
    const started = await kfk(["run-once"]);
    const run = server.runs[0];
    if (run !== undefined) run.terminated = true;
    server.states = ["Failed"];
    expect((await kfk(["wait", started.out.trim()])).status).toBe(7);
  });

  test("a login page is 4 and creates nothing", async () => {
    server = startServer(generation);
    const login = {
      kind: "status",
      status: 302,
      body: "",
      headers: { location: "https://login.invalid/dex/auth" },
    } as const;
    server.fail("GET /apis/", ...Array.from({ length: 20 }, () => login));
    const { status, out } = await kfk(["run-once"]);
    expect({ status, out, runs: server.runs.length }).toEqual({ status: 4, out: "", runs: 0 });
  });

  test("an unknown run is 3", async () => {
    server = startServer(generation);
    expect((await kfk(["wait", "00000000-0000-4000-8000-000000000000"])).status).toBe(3);
  });

  test("the token of a file is sent, and never shown", async () => {
    server = startServer(generation);
    const { status, out, err } = await kfk(["run-once", "--wait", "--token-file", "/secrets/token"], {
      "/secrets/token": "s3cr3t-t0ken\n",
    });
    expect(status).toBe(0);
    expect([...server.tokens]).toEqual(["Bearer s3cr3t-t0ken"]);
    expect(out + err).not.toContain("s3cr3t");
  });
});
