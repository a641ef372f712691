/**
 * The built file and signals, deadlines and files: in every phase it ends soon, with its status, and names or stops
 * what it has begun.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeKfp, type Fault, type Moment, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const ROOT = join(import.meta.dir, "../..");
const KFK = join(ROOT, "dist/kfk");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-interrupt-"));
const servers: FakeKfp[] = [];

afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(SCRATCH, { recursive: true, force: true });
});

const SOME = "00000000-0000-4000-8000-000000000000";
/** Of every verb that goes to a server. */
const VERBS = [
  ...["upload-pipeline", "run-once", "list-runs", "list-pipelines", `ui ${SOME}`, "doctor", "auth status"],
  ...["wait", "status", "logs", "cancel", "retry"].map((verb) => `${verb} ${SOME}`),
  ...["-c @daily", "list", "next", "pause", "resume", "rm"].map((what) => `schedule ${what}`),
];

const RUNS_ON = [{ t: 0, state: "Running" }];
function serve(
  script: readonly Moment[],
  faults: readonly Fault[] = [],
  tag: keyof typeof KFP_VERSIONS = "2.17.0",
): FakeKfp {
  const server = startKfp({ version: KFP_VERSIONS[tag], clockMs: () => performance.now() });
  server.setScript(script);
  for (const fault of faults) server.addFault(fault);
  servers.push(server);
  return server;
}

function start(server: FakeKfp, ...argv: readonly string[]) {
  const cwd = mkdtempSync(join(SCRATCH, "project-"));
  cpSync(join(ROOT, "examples/spaceflights"), cwd, { recursive: true });
  const child = Bun.spawn([KFK, ...argv], {
    cwd,
    env: { HOME: SCRATCH, PATH: "/usr/bin:/bin", KFK_HOST: server.url },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const startedMs = performance.now();
  const texts = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const end = async () => {
    const [out, err] = await texts;
    return { status: await child.exited, out, err, tookMs: performance.now() - startedMs };
  };
  return { child, cwd, end };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(20);
}

const seen = (server: FakeKfp, part: string): boolean => server.requests.some(({ path }) => path.includes(part));

describe.skipIf(!existsSync(KFK)).concurrent("dist/kfk and signals", () => {
  test.each(["1.8.22", "2.17.0"] as const)(
    "%s: --cancel-on-interrupt stops a run whose creation is not answered",
    async (tag) => {
      const server = serve(RUNS_ON, [{ method: "POST", path: "/v1beta1/runs", acted: true, answer: "hang" }], tag);
      const kfk = start(server, "run-once", "--wait", "--cancel-on-interrupt");
      await until(() => server.runs().length > 0);
      kfk.child.kill("SIGINT");
      const { status, out, err } = await kfk.end();
      const id = server.runs()[0]?.id ?? "";
      expect([status, out, server.phase(id)]).toEqual([130, `${id}\n`, "Terminating"]);
      expect(err).toContain(`the run ${id} was asked to stop`);
    },
    60_000,
  );

  test("1.8: no id is told that the server does not keep", async () => {
    const server = serve(RUNS_ON, [{ method: "POST", path: "/v1beta1/runs", times: 9, answer: "hang" }], "1.8.22");
    const kfk = start(server, "run-once", "--wait");
    await until(() => server.requests.some(({ method, path }) => method === "POST" && path.endsWith("/v1beta1/runs")));
    kfk.child.kill("SIGTERM");
    const { status, out, err } = await kfk.end();
    expect([status, out]).toEqual([143, ""]);
    expect(err).toContain('the run "spaceflights" may have been started');
    expect(err).not.toContain("kfk wait");
  }, 60_000);

  test("a signal while uploading: nothing is begun", async () => {
    const server = serve(RUNS_ON, [{ path: "/upload", answer: "hang" }]);
    const kfk = start(server, "run-once", "--wait", "--run-id-file", "id");
    await until(() => seen(server, "/upload"));
    kfk.child.kill("SIGTERM");
    const { status, out, err } = await kfk.end();
    expect([status, out, server.runs().length, existsSync(join(kfk.cwd, "id"))]).toEqual([143, "", 0, false]);
    expect(err).toContain("stopped before a run was started");
  }, 60_000);

  test("a second signal ends at once", async () => {
    const server = serve(RUNS_ON, [{ path: "/terminate", times: 9, answer: "hang" }]);
    const kfk = start(server, "run-once", "--wait", "--cancel-on-interrupt");
    await until(() => seen(server, "/v1beta1/runs/"));
    kfk.child.kill("SIGINT");
    await until(() => seen(server, "/terminate"));
    await Bun.sleep(200);
    const secondMs = performance.now();
    kfk.child.kill("SIGINT");
    const { status, err } = await kfk.end();
    expect([status, performance.now() - secondMs < 2000]).toEqual([130, true]);
    expect(err).toContain(`kfk cancel ${server.runs()[0]?.id}`);
  }, 60_000);

  test("a signal while following logs of a server that hangs", async () => {
    const server = serve(RUNS_ON);
    const { out } = await start(server, "run-once").end();
    server.addFault({ path: "/log", times: 99, answer: "hang" });
    const kfk = start(server, "logs", out.trim(), "--follow");
    await until(() => seen(server, "/log"));
    const sentMs = performance.now();
    kfk.child.kill("SIGINT");
    expect([(await kfk.end()).status, performance.now() - sentMs < 2000]).toEqual([130, true]);
  }, 60_000);

  test.each([
    ["cancel", "/terminate", "may have been asked to stop"],
    ["retry", "/retry", "may have been retried"],
    ["upload-pipeline", "/upload", "the version may have been uploaded"],
  ])(
    "a signal while %s is not answered waits a while, then says that it may have been done",
    async (verb, at, said) => {
      const server = serve([{ t: 0, state: "Failed" }]);
      const id = verb === "upload-pipeline" ? [] : [(await start(server, "run-once").end()).out.trim()];
      server.addFault({ method: "POST", path: at, times: 9, acted: true, answer: "hang" });
      const kfk = start(server, verb, ...id);
      await until(() => seen(server, at));
      const sentMs = performance.now();
      kfk.child.kill("SIGTERM");
      kfk.child.kill("SIGTERM");
      const { status, out, err } = await kfk.end();
      const isLate = performance.now() - sentMs > 4500;
      expect([status, out, isLate]).toEqual([143, verb === "retry" ? `${id[0]}\n` : "", true]);
      expect(err).toContain(said);
    },
    60_000,
  );

  test("a signal right after a retry says that the run was asked to go on", async () => {
    const server = serve([{ t: 0, state: "Failed" }]);
    const { out } = await start(server, "run-once").end();
    server.addFault({ path: "/retry", answer: () => Response.json({}) }); // taken, and without effect for now
    const kfk = start(server, "retry", out.trim());
    await until(() => seen(server, "/retry"));
    await Bun.sleep(500);
    kfk.child.kill("SIGINT");
    const { status, err } = await kfk.end();
    expect(status).toBe(130);
    expect(err).toContain("was asked to go on");
  }, 60_000);
});

describe.skipIf(!existsSync(KFK)).concurrent("dist/kfk and its limits", () => {
  test("wait --timeout ends in time, whatever does not answer", async () => {
    const server = serve(RUNS_ON);
    const { out } = await start(server, "run-once").end();
    server.addFault({ path: "/apis/", times: 99, answer: "hang" });
    const { status, err, tookMs } = await start(server, "wait", out.trim(), "--timeout", "3").end();
    expect([status, tookMs < 6000]).toEqual([124, true]);
    expect(err).toContain(`kfk wait ${out.trim()}`);
  }, 60_000);

  test("a failed run ends within seconds, although no log ever comes", async () => {
    const server = serve([{ t: 0, state: "Failed" }], [{ method: "GET", path: "/log", times: 99, answer: "hang" }]);
    const { out } = await start(server, "run-once").end();
    const { status, tookMs } = await start(server, "wait", out.trim()).end();
    expect([status, tookMs < 5000]).toEqual([1, true]);
  }, 60_000);

  test("--run-id-file keeps what was in it when the run is refused", async () => {
    const refused = (): Response => Response.json({ code: 3, message: "no", details: [] }, { status: 400 });
    const server = serve(RUNS_ON, [{ method: "POST", path: "/v1beta1/runs", times: 2, answer: refused }]);
    const file = join(SCRATCH, "old-id");
    writeFileSync(file, "old\n");
    expect((await start(server, "run-once", "--run-id-file", file).end()).status).toBe(3);
    expect(readFileSync(file, "utf8")).toBe("old\n");
    expect((await start(server, "run-once", "--run-id-file", `${file}-new`).end()).status).toBe(3);
    expect(existsSync(`${file}-new`)).toBe(false);
  }, 60_000);

  test("--run-id-file that cannot be written is refused before anything is sent", async () => {
    const server = serve(RUNS_ON);
    const { status, err } = await start(server, "run-once", "--run-id-file", SCRATCH).end();
    expect([status, server.requests.length, server.pipelines()]).toEqual([3, 0, []]);
    expect(err).toContain(SCRATCH);
  }, 60_000);

  test("what a run is called moves no cursor and begins no line", async () => {
    const server = serve(RUNS_ON);
    const name = "two\nlines \u001B[31m";
    const started = await start(server, "run-once", "--run-name", name).end();
    const status = await start(server, "status", started.out.trim()).end();
    const list = await start(server, "list-runs").end();
    for (const text of [started.err, status.out, list.out]) {
      expect(text).toContain("two?lines ?[31m");
      expect(text).not.toContain("\u001B");
    }
  }, 60_000);
});

describe.skipIf(!existsSync(KFK))("dist/kfk and signals, verb by verb", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "%s twice at once ends every verb with %d, whatever hangs",
    async (signal, status) => {
      const server = serve(RUNS_ON, [{ path: "/apis/", times: 1e6, answer: "hang" }]);
      for (const verb of VERBS) {
        const before = server.requests.length;
        const kfk = start(server, ...verb.split(" "));
        await until(() => server.requests.length > before);
        const sentMs = performance.now();
        kfk.child.kill(signal);
        kfk.child.kill(signal);
        const { status: ended, out } = await kfk.end();
        expect([verb, ended, out, performance.now() - sentMs < 4000]).toEqual([verb, status, "", true]);
      }
    },
    120_000,
  );
});
