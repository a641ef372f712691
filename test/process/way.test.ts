/**
 * The built file when the way to the server fails in the middle of a wait: a login that hangs, a line that is cut, a
 * server that starts again, signals. It ends with its status, and leaves neither door nor line nor process behind.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, KFK, testProjects } from "../hooks/setup-project.ts";
import { type FakeKfp, type Fault, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { type KubeApi, type KubeApiOptions, kubeconfigFor, startKubeApi } from "../judges/kube-api.ts";

const projects = testProjects();
const scratch = mkdtempSync(join(tmpdir(), "kfk-way-"));
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  projects.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const RUNS_ON = [{ t: 0, state: "Running" }];
const ENDS = [...RUNS_ON, { t: 6, state: "Succeeded" }];
const TOKEN = "canary-kube-token";

function serve(
  script: readonly { readonly t: number; readonly state: string }[],
  faults: readonly Fault[] = [],
): FakeKfp {
  const server = startKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => performance.now() });
  server.setScript(script);
  for (const fault of faults) server.addFault(fault);
  stops.push(server.stop);
  return server;
}

interface Plugin {
  readonly command: string;
  /** How often it was asked. */
  readonly asked: () => number;
  /** Of what it has started, and of itself, what still runs. */
  readonly alive: () => readonly string[];
}

/** A program that gives a token of `lifeMs`, and from the second time on hangs with a child of its own. */
function hangingPlugin(lifeMs: number, token = "t0ken-of-plugin"): Plugin {
  const folder = mkdtempSync(join(scratch, "plugin-"));
  const file = join(folder, "plugin");
  const credential = (end: string): string =>
    `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"${token}","expirationTimestamp":"${end}"}}`;
  const script = [
    "#!/bin/sh",
    `echo $$ >> ${folder}/asked`,
    `if [ $(wc -l < ${folder}/asked) -gt 1 ]; then sleep 300 & echo $! >> ${folder}/children; wait; fi`,
    `end=$(date -u -d "+${lifeMs / 1000} seconds" +%Y-%m-%dT%H:%M:%S.%3NZ)`,
    `printf '${credential("%s")}' "$end"`,
  ];
  writeFileSync(file, script.join("\n"), { mode: 0o755 });
  const lines = (name: string): readonly string[] =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8").trim().split("\n") : [];
  return {
    command: file,
    asked: () => lines("asked").length,
    alive: () => [...lines("asked"), ...lines("children")].filter((pid) => existsSync(`/proc/${pid}/exe`)),
  };
}

interface Started {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly end: () => Promise<{ status: number | null; out: string; err: string; tookMs: number }>;
  /** Doors that are there. */
  readonly doors: () => readonly string[];
}

function start(argv: readonly string[], env: Record<string, string>): Started {
  const folder = mkdtempSync(join(scratch, "tmp-"));
  const startedMs = performance.now();
  const child = projects.make({}).start(argv, { TMPDIR: folder, ...env });
  const ended = endOf(child);
  return {
    child,
    end: async () => ({ ...(await ended), tookMs: performance.now() - startedMs }),
    doors: () => readdirSync(folder),
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(10);
}

const seen = (server: FakeKfp, part: string): number =>
  server.requests.filter(({ path }) => path.includes(part)).length;
const REFUSED: Fault["answer"] = () => new Response("Jwt is expired", { status: 401 });

describe.skipIf(!existsSync(KFK)).concurrent("a new login that hangs", () => {
  /** A wait whose login is refused once it goes on, so that a new one is asked for. */
  async function startWait(
    ...argv: readonly string[]
  ): Promise<Started & { readonly plugin: Plugin; readonly id: string }> {
    const server = serve(RUNS_ON);
    const plugin = hangingPlugin(3_600_000);
    const kfk = start(["run-once", "--wait", ...argv], { KFK_HOST: server.url, KFK_AUTH_EXEC: plugin.command });
    await until(() => seen(server, "/v1beta1/runs/") > 0);
    server.addFault({ path: "/v1beta1/runs/", times: 999, answer: REFUSED });
    await until(() => plugin.asked() === 2);
    return { ...kfk, plugin, id: server.runs()[0]?.id ?? "" };
  }

  test.each([
    ["--timeout", 124],
    ["--outage", 6],
  ] as const)(
    "%s holds, and the program is ended",
    async (option, ended) => {
      const { end, plugin, id } = await startWait(option, "8");
      const { status, out, err, tookMs } = await end();
      expect([status, out, plugin.asked(), tookMs < 50_000]).toEqual([ended, `${id}\n`, 2, true]);
      expect(err).toContain(`kfk wait ${id}`);
      await until(() => plugin.alive().length === 0);
    },
    90_000,
  );

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "%s in a wait says what goes on",
    async (signal, ended) => {
      const { child, end, plugin, id } = await startWait();
      child.kill(signal);
      const { status, out, err } = await end();
      expect([status, out, child.signalCode]).toEqual([ended, `${id}\n`, null]);
      expect(err).toContain(`stopped waiting; the run ${id} goes on`);
      await until(() => plugin.alive().length === 0);
    },
    60_000,
  );

  test("a signal before the run is created: nothing was begun", async () => {
    const server = serve(RUNS_ON, [{ method: "POST", path: "/v1beta1/runs", times: 9, answer: REFUSED }]);
    const plugin = hangingPlugin(3_600_000);
    const kfk = start(["run-once", "--wait"], { KFK_HOST: server.url, KFK_AUTH_EXEC: plugin.command });
    await until(() => plugin.asked() === 2);
    kfk.child.kill("SIGTERM");
    const { status, out, err } = await kfk.end();
    expect([status, out, server.runs().length]).toEqual([143, "", 0]);
    expect(err).toContain("stopped before a run was started");
    await until(() => plugin.alive().length === 0);
  }, 60_000);

  test("a signal before a schedule is changed: nothing was", async () => {
    const server = serve(RUNS_ON);
    const plugin = hangingPlugin(3_600_000);
    const project = projects.make({});
    const env = { KFK_HOST: server.url, KFK_AUTH_EXEC: plugin.command };
    expect((await endOf(project.start(["upload-pipeline"], { KFK_HOST: server.url }))).status).toBe(0);
    server.addFault({ path: "jobs", times: 9, answer: REFUSED });
    server.addFault({ path: "recurringruns", times: 9, answer: REFUSED });
    const child = project.start(["schedule", "--cron-expression", "0 9 * * *"], env);
    await until(() => plugin.asked() === 2);
    child.kill("SIGTERM");
    const { status, err } = await endOf(child);
    expect([status, child.signalCode]).toEqual([143, null]);
    expect(err).toContain("stopped; nothing was changed");
    await until(() => plugin.alive().length === 0);
  }, 60_000);

  test("Ctrl-C ends a verb that listens to no signal of its own", async () => {
    const server = serve(RUNS_ON, [{ method: "GET", path: "/v1beta1/runs", times: 9, answer: REFUSED }]);
    const plugin = hangingPlugin(3_600_000);
    const kfk = start(["list-runs"], { KFK_HOST: server.url, KFK_AUTH_EXEC: plugin.command });
    await until(() => plugin.asked() === 2);
    kfk.child.kill("SIGINT");
    const { status, err } = await kfk.end();
    expect([status, kfk.child.signalCode]).toEqual([130, null]);
    expect(err).toContain("was asked for a login; it was ended");
    await until(() => plugin.alive().length === 0);
  }, 60_000);

  test("a second signal ends the stop that the first asked for", async () => {
    const server = serve(RUNS_ON, [{ path: "/terminate", times: 9, answer: REFUSED }]);
    const plugin = hangingPlugin(3_600_000);
    const argv = ["run-once", "--wait", "--cancel-on-interrupt"];
    const kfk = start(argv, { KFK_HOST: server.url, KFK_AUTH_EXEC: plugin.command });
    await until(() => seen(server, "/v1beta1/runs/") > 0);
    kfk.child.kill("SIGINT");
    await until(() => plugin.asked() === 2);
    await Bun.sleep(150);
    const secondMs = performance.now();
    kfk.child.kill("SIGINT");
    const { status, err } = await kfk.end();
    expect([status, performance.now() - secondMs < 3000]).toEqual([130, true]);
    expect(err).toContain(`kfk cancel ${server.runs()[0]?.id}`);
    await until(() => plugin.alive().length === 0);
  }, 60_000);
});

interface Around {
  readonly kfp: FakeKfp;
  readonly api: KubeApi;
  readonly env: Record<string, string>;
}

function around(
  script: readonly { t: number; state: string }[],
  user: string,
  more: Partial<KubeApiOptions> = {},
): Around {
  const kfp = serve(script);
  const api = startKubeApi({ target: kfp.url, token: TOKEN, ...more });
  stops.push(api.stop);
  const folder = mkdtempSync(join(scratch, "kube-"));
  mkdirSync(folder, { recursive: true });
  const KUBECONFIG = join(folder, "config");
  writeFileSync(KUBECONFIG, kubeconfigFor(api.url, user), { mode: 0o600 });
  return { kfp, api, env: { KUBECONFIG, KFK_HOST: "port-forward://" } };
}

describe.skipIf(!existsSync(KFK)).concurrent("port-forward:// in a wait", () => {
  const USER = `{token: ${TOKEN}}`;

  test("a line that is cut is opened again, and the run's end is told", async () => {
    const { kfp, api, env } = around(ENDS, USER);
    const kfk = start(["run-once", "--wait"], env);
    await until(() => seen(kfp, "/v1beta1/runs/") === 1);
    api.cut();
    await until(() => seen(kfp, "/v1beta1/runs/") === 2);
    api.cut();
    const { status, out } = await kfk.end();
    expect([status, out, kfk.doors()]).toEqual([0, `${kfp.runs()[0]?.id}\n`, []]);
    await until(() => api.lines() === 0);
  }, 60_000);

  test("an API server that opens no line for a while is waited for, without haste", async () => {
    let isShut = false;
    let refused = 0;
    const mayOpen = (): boolean => {
      if (isShut) refused++;
      return !isShut;
    };
    const { kfp, api, env } = around(ENDS, USER, { mayOpen });
    const kfk = start(["run-once", "--wait"], { ...env, KFK_DEBUG: "api" });
    await until(() => seen(kfp, "/v1beta1/runs/") === 1);
    isShut = true;
    api.cut();
    await until(() => refused >= 4);
    isShut = false;
    const { status, err } = await kfk.end();
    expect([status, refused < 10, kfk.doors()]).toEqual([0, true, []]);
    expect(err).toContain(`: the Kubernetes API at ${new URL(api.url).host} refuses the forwarding of port 8888`);
  }, 60_000);

  test("an API server that stays away: 6, with the way to go on", async () => {
    let isShut = false;
    const { kfp, api, env } = around(RUNS_ON, USER, { mayOpen: () => !isShut });
    const kfk = start(["run-once", "--wait", "--outage", "4"], env);
    await until(() => seen(kfp, "/v1beta1/runs/") === 1);
    isShut = true;
    api.cut();
    const { status, err } = await kfk.end();
    expect([status, kfk.doors()]).toEqual([6, []]);
    expect(err).toContain(`kfk wait ${kfp.runs()[0]?.id}`);
  }, 60_000);

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "%s: what goes on is said, and nothing is left",
    async (signal, status) => {
      const { kfp, api, env } = around(RUNS_ON, USER);
      const kfk = start(["run-once", "--wait"], env);
      await until(() => seen(kfp, "/v1beta1/runs/") === 1);
      kfk.child.kill(signal);
      const ran = await kfk.end();
      expect([ran.status, kfk.doors()]).toEqual([status, []]);
      expect(ran.err).toContain(`stopped waiting; the run ${kfp.runs()[0]?.id} goes on`);
      await until(() => api.lines() === 0);
    },
    60_000,
  );

  test("--cancel-on-interrupt stops the run through a line of its own", async () => {
    const { kfp, api, env } = around(RUNS_ON, USER);
    const kfk = start(["run-once", "--wait", "--cancel-on-interrupt"], env);
    await until(() => seen(kfp, "/v1beta1/runs/") === 1);
    api.cut();
    kfk.child.kill("SIGINT");
    const { status } = await kfk.end();
    expect([status, kfp.phase(kfp.runs()[0]?.id ?? ""), kfk.doors()]).toEqual([130, "Terminating", []]);
  }, 60_000);

  test.each([
    ["--timeout holds", undefined, 124],
    ["a signal ends it", "SIGTERM", 143],
  ] as const)(
    "a plugin of kubeconfig that hangs when a line is opened again: %s",
    async (_, signal, status) => {
      let token = TOKEN;
      const plugin = hangingPlugin(3_600_000, TOKEN);
      const user = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ${plugin.command}, interactiveMode: Never}}`;
      const { kfp, api, env } = around(RUNS_ON, user, { now: () => token });
      const kfk = start(["run-once", "--wait", "--timeout", "8"], env);
      await until(() => seen(kfp, "/v1beta1/runs/") > 0);
      token = "another";
      api.cut();
      await until(() => plugin.asked() === 2);
      if (signal !== undefined) kfk.child.kill(signal);
      const ran = await kfk.end();
      expect([ran.status, plugin.asked(), kfk.doors()]).toEqual([status, 2, []]);
      expect(ran.err).toContain(`kfk wait ${kfp.runs()[0]?.id}`);
      await until(() => plugin.alive().length === 0);
    },
    60_000,
  );

  test("a server that starts again behind it", async () => {
    const { kfp, env } = around(ENDS, USER);
    kfp.addFault({ method: "GET", path: "/v1beta1/runs/", times: 3, answer: "reset" });
    const kfk = start(["run-once", "--wait"], env);
    const { status } = await kfk.end();
    expect([status, kfp.runs().length, kfk.doors()]).toEqual([0, 1, []]);
  }, 60_000);

  test("Ctrl-C ends a list whose line hangs", async () => {
    const { kfp, env } = around(RUNS_ON, USER);
    kfp.addFault({ method: "GET", path: "/v1beta1/runs", times: 9, answer: "hang" });
    const kfk = start(["list-runs"], env);
    await until(() => seen(kfp, "/v1beta1/runs") > 0);
    kfk.child.kill("SIGINT");
    await kfk.end();
    expect([kfk.child.signalCode, kfk.doors()]).toEqual(["SIGINT", []]);
  }, 60_000);
});
