/** `kfk schedule` of the built file: real pipes, a real socket, a killed process in between. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { type FakeSchedules, fakeSchedules, type JobFault, serveSchedules } from "../judges/kfp-schedules.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const REPOSITORY = join(import.meta.dir, "../..");
const KFK = join(REPOSITORY, "dist/kfk");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-schedule-"));
const PROJECT = join(SCRATCH, "spaceflights");

let kfp: FakeKfp;
let fake: FakeSchedules;
let front: ReturnType<typeof serveSchedules>;
let fault: ((method: string, path: string) => JobFault | undefined) | undefined;
/** Called when a request to schedules has come in. */
let seen: ((request: string) => void) | undefined;

beforeAll(() => {
  if (!existsSync(KFK)) return;
  cpSync(join(REPOSITORY, "examples/spaceflights"), PROJECT, { recursive: true });
  kfp = startKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => performance.now() });
  fake = fakeSchedules({
    nowMs: Date.now,
    newId: () => crypto.randomUUID(),
    behind: kfp.fetch,
    fault: (method, path) => {
      seen?.(`${method} ${path}`);
      return fault?.(method, path);
    },
  });
  front = serveSchedules(fake, kfp.url);
});

afterAll(async () => {
  if (existsSync(KFK)) await Promise.all([front.stop(), kfp.stop()]);
  rmSync(SCRATCH, { recursive: true, force: true });
});

function start(script: string, cwd = PROJECT): ReturnType<typeof Bun.spawn> {
  const env = { HOME: SCRATCH, PATH: "/usr/bin:/bin", KFK, KFK_HOST: front.url, TZ: "UTC" };
  return Bun.spawn(["bash", "-o", "pipefail", "-c", script], {
    cwd,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function bash(script: string, cwd = PROJECT) {
  const child = start(script, cwd);
  const [out, err, status] = await Promise.all([
    new Response(child.stdout as ReadableStream).text(),
    new Response(child.stderr as ReadableStream).text(),
    child.exited,
  ]);
  return { status, out, err };
}

describe.skipIf(!existsSync(KFK))("kfk schedule in a shell", () => {
  test("3 when nothing was uploaded, 2 for a wrong expression, 0 with the id for $(…)", async () => {
    expect((await bash(`"$KFK" schedule -c '0 0 4 * * *'`)).status).toBe(3);
    expect((await bash(`"$KFK" schedule -c '0 0 44 * * *'`)).status).toBe(2);
    const script = `: "$("$KFK" upload-pipeline -q)"; id=$("$KFK" schedule -q -c '0 0 4 1 1 *') && echo "<$id>"`;
    expect(await bash(script)).toEqual({ status: 0, out: `<${fake.jobs[0]?.id}>\n`, err: "" });
    expect(fake.jobs.map(({ enabled }) => enabled)).toEqual([true]);
  });

  test("next needs no project and no server, and stdout may be closed early", async () => {
    const script = `"$KFK" schedule next -c '@daily' -o name | head -1`;
    expect(await bash(script, SCRATCH)).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^\S+T00:00:00Z\n$/),
      err: "",
    });
    const frame = await bash(`"$KFK" schedule next -c '0 0 4 * * 7'`, SCRATCH);
    expect(frame.status).toBe(2);
    expect(frame.err).toContain("Sunday is 0");
  });

  test("5 when the server cannot be reached, 4 for a login page", async () => {
    expect((await bash(`"$KFK" schedule list --host http://127.0.0.1:1 --request-timeout 1`)).status).toBe(5);
    fault = () => "html";
    expect((await bash(`"$KFK" schedule list`)).status).toBe(4);
    fault = undefined;
  });

  test.each([
    ["created", "POST /jobs"],
    ["disabled the old one", "/disable"],
    ["enabled", "/enable"],
    ["deleted the old one", "DELETE"],
  ])("killed when it has %s, the same command goes on; SIGKILL leaves at most one enabled", async (_, at) => {
    // once a year: what may have fired in the last minute is not deleted at once
    const cron = `0 0 ${at.length} 1 1 *`;
    let child: ReturnType<typeof Bun.spawn> | undefined;
    seen = (request) => {
      if (!request.includes(at)) return;
      seen = undefined;
      child?.kill("SIGKILL");
    };
    child = start(`exec "$KFK" schedule -q -c '${cron}'`);
    expect(await child.exited).not.toBe(0);
    expect(fake.mostEnabled()).toBe(1);
    const again = await bash(`"$KFK" schedule -q -c '${cron}'`);
    expect({ status: again.status, err: again.err }).toEqual({ status: 0, err: "" });
    expect(fake.jobs.map(({ id, enabled }) => [id, enabled])).toEqual([[again.out.trim(), true]]);
    expect(fake.mostEnabled()).toBe(1);
  });

  test("two and three at once: never two enabled, one at the end, and it is of one that ended with 0", async () => {
    for (const crons of [
      [21, 22],
      [11, 12, 13],
      [7, 7],
    ]) {
      const ends = await Promise.all(crons.map(async (hour) => await bash(`"$KFK" schedule -c '0 0 ${hour} 1 1 *'`)));
      const on = fake.jobs.filter(({ enabled }) => enabled);
      const told = ends.filter(({ status }) => status === 0).map(({ out }) => out.trim());
      expect([on.length, fake.mostEnabled(), told.includes(on[0]?.id ?? "")]).toEqual([1, 1, true]);
      for (const { status, err } of ends)
        if (status !== 0) expect([status, err]).toEqual([3, expect.stringContaining("another kfk schedule took over")]);
    }
  }, 120_000);

  test.each([
    ["SIGINT", 130, 1],
    ["SIGTERM", 143, 1],
    ["SIGTERM", 143, 2],
  ] as const)(
    "%s while the new one is being enabled is %d, after the change, and says what holds; it came %d times at once",
    async (signal, wanted, times) => {
      let child: ReturnType<typeof Bun.spawn> | undefined;
      seen = (request) => {
        if (!request.endsWith("/enable")) return;
        seen = undefined;
        for (let sent = 0; sent < times; sent++) child?.kill(signal);
      };
      child = start(`exec "$KFK" schedule -c '0 0 ${(wanted + times) % 20} 1 1 *'`);
      const err = await new Response(child.stderr as ReadableStream).text();
      expect([await child.exited, fake.mostEnabled()]).toEqual([wanted, 1]);
      const [on, ...more] = fake.jobs.filter(({ enabled }) => enabled);
      expect([more, err]).toEqual([
        [],
        expect.stringContaining(`stopped; the new one, ${on?.id}, is enabled, and no other`),
      ]);
    },
  );

  test("half changed is 6", async () => {
    fault = (_, path) => (path.endsWith("/enable") ? "500-said" : undefined);
    const { status, out, err } = await bash(`"$KFK" schedule -c '0 0 1 1 1 *'`);
    fault = undefined;
    expect({ status, out }).toEqual({ status: 6, out: "" });
    expect(err).toContain("give the same command again");
    expect((await bash(`"$KFK" schedule -c '0 0 1 1 1 *'`)).status).toBe(0);
  });
});
