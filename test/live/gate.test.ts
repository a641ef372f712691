/**
 * kfk behind a real oauth2-proxy, with a real OpenID Connect provider and the fake KFP server: login, expiry, renewal,
 * refusal, and a browser's session. Needs `KFK_LIVE_VENVS` with the folder `gates` that scripts/live makes.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { testProjects } from "../hooks/setup-project.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const folder = join(process.env["KFK_LIVE_VENVS"] ?? "/none", "gates");
const LIFE_S = 8;
const projects = testProjects();
const children: Bun.Subprocess[] = [];

describe.skipIf(!existsSync(join(folder, ".complete")))("behind oauth2-proxy", () => {
  let kfp: FakeKfp;
  let gate = "";
  let issuer = "";

  beforeAll(async () => {
    kfp = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => performance.now() });
    const [provider, proxy] = [freePort(), freePort()];
    issuer = `http://127.0.0.1:${provider}`;
    gate = `http://127.0.0.1:${proxy}`;
    const script = join(import.meta.dir, "oidc-provider.ts");
    start([process.execPath, script, folder, String(provider), `${gate}/oauth2/callback`, String(LIFE_S)]);
    await until(`${issuer}/.well-known/openid-configuration`);
    start([
      join(folder, "bin/oauth2-proxy"),
      "--provider=oidc",
      `--oidc-issuer-url=${issuer}`,
      "--client-id=gate",
      "--client-secret=canary-gate",
      `--redirect-url=${gate}/oauth2/callback`,
      `--http-address=127.0.0.1:${proxy}`,
      `--upstream=${kfp.url}`,
      "--email-domain=*",
      "--skip-jwt-bearer-tokens=true",
      "--api-route=^/apis/",
      "--cookie-secret=0123456789abcdef",
      "--cookie-secure=false",
      "--cookie-expire=6s",
      "--scope=openid email",
      "--code-challenge-method=S256",
    ]);
    await until(`${gate}/ping`);
  }, 30_000);
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ exited }) => exited));
    await kfp?.stop();
    projects.remove();
  });

  const credentials = (more: Record<string, string> = {}): Record<string, string> => ({
    KFK_OIDC_TOKEN_URL: `${issuer}/token`,
    KFK_OIDC_CLIENT_ID: "team",
    KFK_OIDC_CLIENT_SECRET: "canary secret/+",
    ...more,
  });
  const kfk = async (argv: readonly string[], env: Record<string, string>) => {
    const child = projects.make({}).start([...argv, "--host", gate], env);
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(out + err).not.toContain("canary");
    return { status: await child.exited, out, err };
  };

  test("without a login the gate is named, with the next thing to do", async () => {
    const { status, out } = await kfk(["doctor"], {});
    expect(out).toContain("what answers is oauth2-proxy with Dex");
    expect(status).toBe(4);
  });

  test("client credentials get in", async () => {
    const { status, out } = await kfk(["auth", "status"], credentials());
    expect(out).toContain("login     oidc: KFK_OIDC_CLIENT_ID is set\nas        team\naudience  gate\nuntil     ");
    expect(out).toContain("known     the server let us list experiments");
    expect(status).toBe(0);
  });

  test("a wrong secret, and a token for somebody else, do not", async () => {
    const wrong = await kfk(["auth", "status"], credentials({ KFK_OIDC_CLIENT_SECRET: "canary-wrong" }));
    expect(wrong.err).toContain("the OIDC provider says no (401: invalid_client: client authentication failed)");
    expect(wrong.status).toBe(4);
    const other = credentials({ KFK_OIDC_CLIENT_ID: "stranger", KFK_OIDC_CLIENT_SECRET: "canary-other" });
    expect((await kfk(["auth", "status"], other)).status).toBe(4);
  });

  test("a run that is longer than three tokens is waited for to its end", async () => {
    kfp.setScript([
      { t: 0, state: "Running" },
      { t: 3 * LIFE_S, state: "Succeeded" },
    ]);
    const { status } = await kfk(["run-once", "--wait"], credentials());
    expect(status).toBe(0);
    const tokens = new Set(kfp.requests.map(({ headers }) => headers.get("authorization")).filter(Boolean));
    expect({ runs: kfp.runs().length, several: tokens.size >= 3 || tokens.size === 0 }).toEqual({
      runs: 1,
      several: true,
    });
  }, 120_000);

  test("a browser's session gets in until it ends", async () => {
    const cookie = await browserLogin(gate);
    const inside = await kfk(["auth", "status"], { KFK_COOKIE: cookie });
    expect(inside.out).toContain("login     cookie: KFK_COOKIE is set");
    expect(inside.status).toBe(0);
    await Bun.sleep(7000); // the real proxy's own clock
    expect((await kfk(["auth", "status"], { KFK_COOKIE: cookie })).status).toBe(4);
  }, 30_000);
});

// --- internal ---

function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  return port as number;
}

function start(command: readonly string[]): void {
  children.push(Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }));
}

async function until(url: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const isUp = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    await Bun.sleep(50);
  }
  throw new Error(`${url} does not answer`);
}

/** Goes through the provider's own pages as a browser would. */
async function browserLogin(gate: string): Promise<string> {
  const jars = new Map<string, Map<string, string>>();
  let url = new URL("/oauth2/start?rd=%2F", gate);
  let form: URLSearchParams | undefined;
  for (let hop = 0; hop < 25; hop++) {
    const jar = jars.get(url.origin) ?? new Map<string, string>();
    jars.set(url.origin, jar);
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "), accept: "text/html" },
      ...(form === undefined ? {} : { method: "POST", body: form }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ""] = line.split(";");
      jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    form = undefined;
    const location = response.headers.get("location");
    if (location !== null) {
      url = new URL(location, url);
      if (url.origin === gate && url.pathname === "/") break;
      continue;
    }
    const page = await response.text();
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
    if (action === undefined) throw new Error(`no form at ${url.pathname}: ${response.status}`);
    url = new URL(action.replaceAll("&amp;", "&"), url);
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1] ?? "login";
    form = new URLSearchParams({ prompt, login: "someone", password: "any" });
  }
  return [...(jars.get(gate) ?? [])]
    .filter(([name]) => !name.includes("csrf"))
    .map(([name, value]) => `${name}=${value}`)
    .join("; ");
}
