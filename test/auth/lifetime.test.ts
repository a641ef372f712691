/** Logins that end while a run goes on, and logins that are taken away, through the command line and without real time. */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { type Identity, OIDC_SECRET, startIdentity } from "../judges/identity.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const LIFE_S = 900;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Played {
  readonly status: number;
  readonly err: string;
  readonly idp: Identity;
  readonly kfp: FakeKfp;
  /** Requests that the gate turned away. */
  readonly turnedAway: number;
  /** Requests with a token that was over. */
  readonly sentOver: number;
}

/**
 * A run of `runS` seconds behind a gate that checks how old a token is. `revoked`: from when on none is taken; `deadMs`:
 * from when on the provider of tokens does not answer.
 */
async function play(
  runS: number,
  revoked?: (kfp: FakeKfp, elapsedMs: number) => boolean,
  { deadMs = Number.POSITIVE_INFINITY } = {},
): Promise<Played> {
  let world: FakeWorld | undefined;
  const now = (): number => world?.clock.nowMs() ?? 0;
  const steady = (): number => world?.clock.monotonicMs() ?? 0;
  const idp = await startIdentity({ nowMs: now, lifeS: LIFE_S });
  const kfp = startKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: steady });
  stops.push(idp.stop, kfp.stop);
  kfp.setScript([
    { t: 0, state: "Running" },
    { t: runS, state: "Succeeded" },
  ]);
  let turnedAway = 0;
  let sentOver = 0;
  const gate = async (url: string, init: RequestInit): Promise<Response> => {
    if (!url.startsWith(kfp.url)) {
      if (steady() >= deadMs) throw Object.assign(new Error("no"), { code: "ECONNREFUSED" });
      return await fetch(url, init);
    }
    const token = /^Bearer ya29\.(.+)$/.exec(new Headers(init.headers).get("authorization") ?? "")?.[1] ?? "";
    const issuedS = Number(Buffer.from(token, "base64url").toString().split(":")[1]);
    if (now() / 1000 - issuedS >= LIFE_S) sentOver++;
    const isGood = now() / 1000 - issuedS < LIFE_S && !revoked?.(kfp, steady());
    if (isGood) return await kfp.fetch(url, init);
    turnedAway++;
    return new Response("Jwt is expired", { status: 401 });
  };
  world = fakeWorld({
    cwd: ROOT,
    env: {
      KFK_OIDC_TOKEN_URL: `${idp.url}/oidc/token`,
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: OIDC_SECRET,
    },
    files: projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW } }),
    fetch: gate,
  });
  const status = await runCommandLine(world, ["run-once", "--wait", "--host", kfp.url], "1.2.3", "");
  return { status, err: world.written.err(), idp, kfp, turnedAway, sentOver };
}

describe("tokens of fifteen minutes", () => {
  test("a wait of three hours asks for one each, and nothing is turned away", async () => {
    const { status, idp, turnedAway, kfp } = await play(3 * 3600);
    expect({ status, turnedAway, runs: kfp.runs().length }).toEqual({ status: 0, turnedAway: 0, runs: 1 });
    expect(idp.seen.length).toBe(13); // three hours ÷ (900 s − 60 s)
  });

  test("taken away before a run is created: 4, and no run", async () => {
    const { status, err, kfp, idp } = await play(60, () => true);
    expect({ status, runs: kfp.runs().length }).toEqual({ status: 4, runs: 0 });
    expect(err).toContain("logged in by oidc");
    expect(idp.seen.length).toBeLessThanOrEqual(2);
  });

  test("the provider goes away while a run goes on: 6, and no token that is over is sent, not even once", async () => {
    const { status, err, kfp, sentOver, turnedAway } = await play(7200, undefined, { deadMs: 60_000 });
    const [run] = kfp.runs();
    expect({ status, sentOver, turnedAway, runs: kfp.runs().length }).toEqual({
      status: 6,
      sentOver: 0,
      turnedAway: 0,
      runs: 1,
    });
    expect(err).toContain("cannot renew the login: cannot log in to");
    expect(err).toContain("and there is no new one: cannot log in to");
    expect(err).toContain(`kfk wait ${run?.id}`);
  });

  test("the provider goes away before a run is created: 5, and no run", async () => {
    const { status, err, kfp, sentOver } = await play(60, undefined, { deadMs: 0 });
    expect({ status, sentOver, runs: kfp.runs().length }).toEqual({ status: 5, sentOver: 0, runs: 0 });
    expect(err).toContain("cannot log in to");
  });

  test("taken away while a run goes on: 6, its id is there, and neither server is asked without end", async () => {
    const { status, err, kfp, idp, turnedAway } = await play(3600, (_kfp, elapsedMs) => elapsedMs > 300_000);
    const [run] = kfp.runs();
    expect(status).toBe(6);
    expect(err).toContain(`kfk wait ${run?.id}`);
    expect(kfp.runs().length).toBe(1);
    expect(turnedAway).toBeLessThan(200);
    expect(idp.seen.length).toBeLessThan(150);
  });
});
