/**
 * The built file against a server on loopback, as a build agent starts it: in a shell pipeline, its id caught with
 * `$(…)`, a reader that goes away, signals. Each exit status that a server can lead to, and canaries for secrets.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeKfp, type Moment, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const ROOT = join(import.meta.dir, "../..");
const KFK = join(ROOT, "dist/kfk");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-cluster-"));
const PROJECT = join(SCRATCH, "project");
cpSync(join(ROOT, "examples/spaceflights"), PROJECT, { recursive: true });
const servers: FakeKfp[] = [];

afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(SCRATCH, { recursive: true, force: true });
});

const SUCCEEDS = [
  { t: 0, state: "Running" },
  { t: 1, state: "Succeeded" },
];
const FAILS = [
  { t: 0, state: "Running" },
  { t: 1, state: "Failed" },
];
const RUNS_ON = [{ t: 0, state: "Running" }];

function serve(script: readonly Moment[], token?: string): FakeKfp {
  const server = startKfp({
    version: KFP_VERSIONS["2.17.0"],
    clockMs: () => performance.now(),
    ...(token === undefined ? {} : { token: () => token }),
  });
  server.setScript(script);
  servers.push(server);
  return server;
}

/** Runs a script of bash in the project; `kfk` is the built file, and each failure in a pipe counts. */
async function shell(server: FakeKfp | string, script: string, env: Record<string, string> = {}) {
  const child = Bun.spawn(["bash", "-c", `set -o pipefail\nkfk() { "${KFK}" "$@"; }\n${script}`], {
    cwd: PROJECT,
    env: {
      HOME: SCRATCH,
      PATH: "/usr/bin:/bin",
      KFK_HOST: typeof server === "string" ? server : server.url,
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

const SOME = "00000000-0000-4000-8000-000000000000";
/** Of every verb that goes to a server; where it fails before it has asked for anything. */
const VERBS = [
  ...["upload-pipeline", "run-once", "run-once --wait", "list-runs", "list-pipelines -o json", "ui"],
  ...["wait", "status", "logs", "cancel", "retry"].map((verb) => `${verb} ${SOME}`),
  ...["-c @daily", "list", "next", "pause", "resume", "rm"].map((what) => `schedule ${what}`),
];

const CAUGHT = `ID=$(kfk run-once --wait --outage 3s --timeout 60s); S=$?; echo "$S $ID"`;

describe.skipIf(!existsSync(KFK)).concurrent("dist/kfk in a shell", () => {
  test("0 and the id when the run succeeded", async () => {
    const server = serve(SUCCEEDS);
    expect((await shell(server, CAUGHT)).out).toBe(`0 ${server.runs()[0]?.id}\n`);
  }, 60_000);

  test("1 and the id when the run failed", async () => {
    const server = serve(FAILS);
    const { out, err } = await shell(server, CAUGHT);
    expect(out).toBe(`1 ${server.runs()[0]?.id}\n`);
    expect(err).toContain("exit code 1");
  }, 60_000);

  test("a reader that goes away after the id changes nothing about the status", async () => {
    const [good, bad] = [serve(SUCCEEDS), serve(FAILS)];
    const script = `kfk run-once --wait | head -1 >/dev/null`;
    expect([(await shell(good, script)).status, (await shell(bad, script)).status]).toEqual([0, 1]);
  }, 60_000);

  test.each([
    ["", 6, `, and its id could not be written`],
    ["--wait", 0, "cannot write to stdout"],
  ])(
    "a stdout that takes nothing: run-once %s is %d, and the id is on stderr",
    async (option, status, said) => {
      for (const where of [">&-", ">/dev/full"]) {
        const server = serve(SUCCEEDS);
        const ended = await shell(server, `kfk run-once ${option} ${where}`);
        expect([ended.status, server.runs().length]).toEqual([status, 1]);
        for (const text of [server.runs()[0]?.id ?? "", said]) expect(ended.err).toContain(text);
        expect(ended.err.split("warning: the run is")).toHaveLength(2);
      }
    },
    60_000,
  );

  test("a stdout that takes nothing: retry is 6, and the id is on stderr", async () => {
    const server = serve(FAILS);
    const ended = await shell(server, "kfk run-once --wait; kfk retry @latest >&-");
    expect([ended.status, ended.err.includes(`kfk wait ${server.runs()[0]?.id}`)]).toEqual([6, true]);
  }, 60_000);

  test("a list that cannot be written is 3, and the reader that goes away is none of that", async () => {
    const server = serve(SUCCEEDS);
    await shell(server, "kfk run-once");
    for (const verb of ["list-runs -o json", "status @latest", "ui", "list-pipelines", "doctor", "cancel @latest"]) {
      const ends = [">&-", ">/dev/full", "| true"].map(
        async (where) => (await shell(server, `kfk ${verb} ${where}`)).status,
      );
      expect([verb, ...(await Promise.all(ends))]).toEqual([verb, 3, 3, 0]);
    }
  }, 60_000);

  test("a list stops when its reader goes away", async () => {
    const server = serve(SUCCEEDS);
    const start = `ID=$(kfk run-once)`;
    await shell(server, start);
    const [run] = server.runs();
    const page = {
      runs: Array.from({ length: 200 }, () => ({
        id: run?.id,
        name: "x".repeat(1000),
        created_at: "2026-01-01T00:00:00Z",
      })),
      next_page_token: "more",
    };
    let pages = 0;
    const answer = (): Response => Response.json({ ...page, next_page_token: `more ${++pages}` });
    server.addFault({ method: "GET", path: "/v1beta1/runs", times: 100_000, answer });
    expect((await shell(server, "kfk list-runs | head -1 >/dev/null")).status).toBe(0);
    expect(pages).toBeLessThan(10);
  }, 60_000);

  test("7 when the run was cancelled", async () => {
    const server = serve(RUNS_ON);
    const script = `ID=$(kfk run-once) && kfk cancel "$ID" >/dev/null && kfk wait @latest; echo $?`;
    expect((await shell(server, script)).out).toBe("7\n");
  }, 60_000);

  test("124 when time is up, and the run goes on", async () => {
    const server = serve(RUNS_ON);
    const { out } = await shell(server, `ID=$(kfk run-once --wait --timeout 1s); echo "$? $ID"`);
    expect([out, server.phase(server.runs()[0]?.id ?? "")]).toEqual([`124 ${server.runs()[0]?.id}\n`, "Running"]);
  }, 60_000);

  test("6 with the id when the server is gone for longer than the window", async () => {
    const server = serve(RUNS_ON);
    server.addFault({
      method: "GET",
      path: "/v1beta1/runs/",
      times: 1000,
      answer: () => new Response("no healthy upstream", { status: 503 }),
    });
    const { out, err } = await shell(server, CAUGHT);
    expect(out).toBe(`6 ${server.runs()[0]?.id}\n`);
    expect(err).toContain(`kfk wait ${server.runs()[0]?.id}`);
  }, 60_000);

  test("6 with the id when the answer to the creation is lost and nothing more can be asked", async () => {
    const server = serve(RUNS_ON);
    const gone = (): Response => new Response("<html>", { status: 200, headers: { "content-type": "text/html" } });
    server.addFault({ method: "POST", path: "/v1beta1/runs", acted: true, answer: gone });
    server.addFault({ method: "GET", path: "/v1beta1/runs/", times: 1000, answer: gone });
    const { out } = await shell(server, CAUGHT);
    expect(out).toBe(`6 ${server.runs()[0]?.id}\n`);
  }, 90_000);

  test("4 for a login page, 5 for no server, 3 for an unknown run, 2 for a wrong command line", async () => {
    const server = serve(SUCCEEDS);
    const login = (): Response => new Response("", { status: 302, headers: { location: "https://login.invalid/" } });
    server.addFault({ path: "/apis/", times: 2, answer: login });
    expect((await shell(server, "kfk run-once")).status).toBe(4);
    expect((await shell("http://127.0.0.1:1", "kfk run-once --request-timeout 1")).status).toBe(5);
    const third = serve(SUCCEEDS);
    expect((await shell(third, "kfk wait 00000000-0000-4000-8000-000000000000 | cat")).status).toBe(3);
    expect((await shell(third, "kfk wait")).status).toBe(2);
    expect(third.runs()).toHaveLength(0);
  }, 60_000);

  test.each([
    ["INT", 130, "", "Running"],
    ["TERM", 143, "", "Running"],
    ["INT", 130, "--cancel-on-interrupt", "Terminating"],
  ])(
    "SIG%s is %d %s, and the run is then %s",
    async (signal, status, option, phase) => {
      const server = serve(RUNS_ON);
      // bash gives background jobs no SIGINT, so the signal is sent to kfk itself
      const script = `"${KFK}" run-once --wait ${option} > id & PID=$!
      while ! grep -q - id; do sleep 0.1; done; sleep 0.5; kill -${signal} $PID; wait $PID`;
      const folder = mkdtempSync(join(SCRATCH, "signal-"));
      cpSync(PROJECT, folder, { recursive: true });
      const { status: ended, err } = await shell(server, `cd "${folder}"; ${script}`);
      const id = readFileSync(join(folder, "id"), "utf8").trim();
      expect([ended, id, server.phase(id)]).toEqual([status, server.runs()[0]?.id ?? "", phase]);
      expect(err).toContain(id);
    },
    60_000,
  );

  test("a signal while the creation is not answered ends soon, and names the run that is there", async () => {
    const server = serve(RUNS_ON);
    server.addFault({ method: "POST", path: "/v1beta1/runs", acted: true, answer: "hang" });
    const folder = mkdtempSync(join(SCRATCH, "hang-"));
    cpSync(PROJECT, folder, { recursive: true });
    const running = shell(server, `cd "${folder}"; "${KFK}" run-once --wait > id & echo $! > pid; wait $!`);
    while (server.runs().length === 0) await Bun.sleep(50);
    await Bun.sleep(200);
    process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), "SIGTERM");
    const { status, err } = await running;
    expect([status, readFileSync(join(folder, "id"), "utf8")]).toEqual([143, `${server.runs()[0]?.id}\n`]);
    expect(err).toContain(`the run ${server.runs()[0]?.id} was started and goes on`);
  }, 60_000);

  test("no secret is in what it writes", async () => {
    const server = serve(FAILS, "c4nary-token");
    const folder = mkdtempSync(join(SCRATCH, "canary-"));
    cpSync(PROJECT, folder, { recursive: true });
    writeFileSync(join(SCRATCH, "token"), "c4nary-token\n");
    const secrets = { KFK_DEBUG: "api", GITHUB_ACTIONS: "true", SOME_PASSWORD: "c4nary-env" };
    const scripts = [
      `kfk run-once --wait --run-id-file id --token-file ../token`,
      `kfk list-runs -o json --token-file ../token`,
      `kfk logs @latest --token-file ../token`,
      `kfk status @latest --host http://user:c4nary-pass@127.0.0.1:1`,
    ];
    let said = "";
    for (const script of scripts) {
      const { out, err } = await shell(server, `cd "${folder}"; ${script}`, secrets);
      said += out + err;
    }
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) said += readFileSync(join(entry.parentPath, entry.name), "utf8");
    }
    expect(said).toContain("api: POST /apis/v1beta1/runs -> ok 200");
    expect(said).not.toContain("c4nary");
  }, 60_000);
});

describe.skipIf(!existsSync(KFK))("dist/kfk, verb by verb", () => {
  test("every verb that goes to a server: 2, 4 and 5 with nothing on stdout, also in a pipe and in $(…)", async () => {
    const away = (status: number, headers: Record<string, string> = {}) =>
      [serve(SUCCEEDS), (): Response => new Response("<html>", { status, headers })] as const;
    const html = { "content-type": "text/html" };
    const doors = [
      away(302, { location: "https://login.invalid/" }),
      away(401),
      away(403, html),
      away(200, html),
      away(503),
    ];
    for (const [server, answer] of doors) server.addFault({ path: "/", times: 1e6, answer });
    for (const verb of VERBS) {
      const ends = [
        shell("http://127.0.0.1:1", `kfk ${verb} --no-such-option`),
        ...doors.map(([server]) => shell(server, `kfk ${verb} --request-timeout 1 | cat`)),
        shell("http://127.0.0.1:1", `ID=$(kfk ${verb} --request-timeout 1); S=$?; [ -z "$ID" ] && exit $S`),
      ];
      const statuses = (await Promise.all(ends)).map(({ status }) => status);
      expect([verb, statuses]).toEqual([verb, [2, 4, 4, 4, 4, 5, 5]]);
    }
  }, 120_000);
});
