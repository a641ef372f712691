/** What must not happen to a secret, one test each on the built binary. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, KFK, testProjects, type Ran } from "../hooks/setup-project.ts";
import { PASSWORD, startDexGate, USER } from "../judges/dex-gate.ts";
import { ACCOUNT, IAP_CLIENT, KUBE_TOKEN, startIdentity } from "../judges/identity.ts";

const projects = testProjects();
const scratch = mkdtempSync(join(tmpdir(), "kfk-secure-"));
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => {
  projects.remove();
  rmSync(scratch, { recursive: true, force: true });
});

async function kfk(
  argv: readonly string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<Ran> {
  return await endOf(projects.make(files).start(argv, env));
}

interface Seen {
  readonly origin: string;
  readonly requests: { readonly path: string; readonly headers: Headers; readonly body: string }[];
}

function serve(
  answer: (request: Request, body: string) => Response | Promise<Response>,
  tls?: { cert: string; key: string; ca?: string },
): Seen {
  const requests: Seen["requests"] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    ...(tls === undefined
      ? {}
      : { tls: { ...tls, ...(tls.ca ? { requestCert: true, rejectUnauthorized: true } : {}) } }),
    fetch: async (request) => {
      const body = await request.text();
      requests.push({ path: new URL(request.url).pathname, headers: request.headers, body });
      return await answer(request, body);
    },
  });
  stops.push(() => server.stop(true));
  return { origin: `${tls ? "https" : "http"}://127.0.0.1:${server.port}`, requests };
}

const HEALTH = { tag_name: "2.5.0", commit_sha: "a", multi_user: false };
const healthy = (request: Request): Response => Response.json(request.url.includes("healthz") ? HEALTH : {});

const CANARIES = {
  KFK_TOKEN: "canary-token-1",
  KEDRO_CONFIG_SECRET: "canary-config-2",
  IAP_CLIENT_ID: "canary-iap-3",
  DEX_USERNAME: "canary-user-4",
  DEX_PASSWORD: "canary-pass-5",
  KFK_COOKIE: "session=canary-cookie-6",
  AWS_SECRET_ACCESS_KEY: "canary-aws-7",
};

test("1: no environment in documents", async () => {
  const { status, out, err } = await kfk(["compile", "-o", "-"], CANARIES);
  expect(status).toBe(0);
  expect(out).toContain("apiVersion");
  expect(out + err).not.toContain("canary");
});

test("2: credentials.yml is not read into documents, nor shown", async () => {
  const files = {
    "conf/local/credentials.yml": "db: {password: canary-db-1}\n",
    "conf/base/credentials.yml": "s3: canary-s3-2\n",
  };
  const { status, out, err } = await kfk(["compile", "-o", "-"], {}, files);
  expect(status).toBe(0);
  expect(out + err).not.toContain("canary");
});

test("3: compile gives the same bytes whatever the environment, and asks nobody", async () => {
  const gate = serve(() => new Response("no", { status: 500 }));
  const env = {
    ...CANARIES,
    HTTP_PROXY: gate.origin,
    HTTPS_PROXY: gate.origin,
    TZ: "Asia/Tokyo",
    USER: "canary",
    KFK_HOST: gate.origin,
  };
  const one = await kfk(["compile", "-o", "-"]);
  const other = await kfk(["compile", "-o", "-"], env);
  expect(other.out).toBe(one.out);
  expect(gate.requests).toEqual([]);
});

test("4: a folder of somebody else's runs nothing, and gets no credential", async () => {
  const marker = join(scratch, "ran");
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "x");`;
  const host = serve(() => Response.json({}, { status: 401 }));
  const { status, err } = await kfk(
    ["upload-pipeline"],
    { KUBECONFIG: "/none", KF_PIPELINES_SA_TOKEN_PATH: "sa", GOOGLE_APPLICATION_CREDENTIALS: "adc.json" },
    {
      ".env": "KFK_TOKEN=canary-env\n",
      "bunfig.toml": 'preload = ["./evil.js"]\n',
      "evil.js": evil,
      sa: "canary-sa",
      "conf/base/kubeflow.yaml": `host: ${host.origin}\nrun_config: {image: x, volume: {}}\n`,
    },
  );
  expect(existsSync(marker)).toBe(false);
  expect(host.requests.map(({ headers }) => headers.get("authorization"))).toEqual([null]);
  expect(err).not.toContain("canary");
  expect(status).toBe(4);
});

test.each([
  ["y", "Bearer canary-sa"],
  ["n", null],
  ["", null],
] as const)("4: a person who answers %p is asked once", async (answer, sent) => {
  const host = serve((request) =>
    request.headers.has("authorization") ? healthy(request) : Response.json({}, { status: 401 }),
  );
  const project = projects.make({
    sa: "canary-sa",
    "conf/base/kubeflow.yaml": `host: ${host.origin}\nrun_config: {image: x, volume: {}}\n`,
  });
  let screen = "";
  let isAnswered = false;
  const child = Bun.spawn([KFK, "auth", "status"], {
    cwd: project.folder,
    env: { PATH: "/usr/bin:/bin", HOME: scratch, KF_PIPELINES_SA_TOKEN_PATH: "sa" },
    terminal: {
      cols: 200,
      rows: 24,
      data: (terminal, bytes) => {
        screen += new TextDecoder().decode(bytes);
        if (!isAnswered && screen.includes("[y/N]")) {
          isAnswered = true;
          terminal.write(`${answer}\r`);
        }
      },
    },
  });
  const status = await child.exited;
  expect(screen.split("[y/N]").length).toBe(2);
  expect(screen).toContain(`kubeflow.yaml of this project names ${host.origin}`);
  expect(screen).not.toContain("canary");
  expect({ status, sent: host.requests[0]?.headers.get("authorization") }).toEqual({
    status: sent === null ? 4 : 0,
    sent,
  });
});

describe("5: a server that repeats what it was sent", () => {
  const echo = (status: number) => (request: Request) =>
    Response.json({ error: `bad header ${JSON.stringify(Object.fromEntries(request.headers))}`, code: 3 }, { status });
  const encoded = (text: string): string[] => [text, encodeURIComponent(text), btoa(text)];

  test.each([
    ["a token", { KFK_TOKEN: "canary/tok+en=1" }, "canary/tok+en=1", 400],
    ["a token, as a gate", { KFK_TOKEN: "canary/tok+en=1" }, "canary/tok+en=1", 401],
    ["a cookie", { KFK_COOKIE: "s=canary%cookie" }, "canary%cookie", 400],
    ["user and password", { KFK_BASIC_USER: "me", KFK_BASIC_PASSWORD: "canary pass" }, btoa("me:canary pass"), 400],
  ] as const)("%s", async (_name, env, secret, code) => {
    const host = serve(echo(code));
    for (const debug of [{}, { KFK_DEBUG: "api" }]) {
      const { status, out, err } = await kfk(["wait", "x", "--host", host.origin], { ...env, ...debug });
      expect(status).not.toBe(0);
      for (const form of encoded(secret)) expect(out + err).not.toContain(form);
      expect(err).toContain("[redacted]");
    }
  });

  test.each([
    "http://user:PA/SSWO@h",
    "http://user:PASSWO@h",
    "user:PASSWO@h",
    "ftp://user:PA?SSWO@h",
    "https://user:PA#SSWO@h/x",
  ])("a password in --host %s", async (host) => {
    const { status, out, err } = await kfk(["wait", "x", "--host", host]);
    expect(status).toBe(2);
    expect(out + err.replace("carries a user name", "")).not.toMatch(/PA|SSWO|user/);
  });
});

test("6: no secret on a command line, and none of kfk's own in the environment of a program", async () => {
  const { out } = await kfk(["wait", "--help"]);
  expect(out).not.toMatch(/--(token|password|cookie)[ =]/);
  const dump = join(scratch, "dump");
  const host = serve(healthy);
  const program = ["/bin/sh", "-c", `env > ${dump}; cat /proc/$$/cmdline >> ${dump}; echo canary-from-program`];
  const env = {
    KFK_AUTH: "exec",
    KFK_AUTH_EXEC: JSON.stringify(program),
    DEX_PASSWORD: "canary-dex",
    KFK_BASIC_PASSWORD: "canary-basic",
    BUN_CONFIG_VERBOSE_FETCH: "",
  };
  const { status } = await kfk(["auth", "status", "--host", host.origin], env);
  expect(status).toBe(0);
  expect(host.requests[0]?.headers.get("authorization")).toBe("Bearer canary-from-program");
  expect(readFileSync(dump, "utf8")).not.toMatch(/canary-(dex|basic)|KFK_(?!PROCESS=)|BUN_/);
});

describe("7: where credentials go", () => {
  test("a credential file with another token_uri sends nothing", async () => {
    const idp = await startIdentity({ nowMs: () => Date.now() });
    stops.push(idp.stop);
    const evil = serve(() => Response.json({ id_token: "x" }));
    const host = serve(healthy);
    const { status, err } = await kfk(
      ["auth", "status", "--host", host.origin],
      { IAP_CLIENT_ID: IAP_CLIENT, GOOGLE_APPLICATION_CREDENTIALS: "adc.json" },
      { "adc.json": idp.files.serviceAccount.replace(idp.url, evil.origin) },
    );
    expect({ status, asked: evil.requests.length + host.requests.length }).toEqual({ status: 4, asked: 0 });
    expect(err).toContain("which is not Google's");
  });

  test("a proxy of the environment sees nothing that is for this machine", async () => {
    const proxy = serve(() => new Response("proxied"));
    const host = serve(healthy);
    const env = { HTTP_PROXY: proxy.origin, http_proxy: proxy.origin, ALL_PROXY: proxy.origin, KFK_TOKEN: "canary" };
    const { status } = await kfk(["auth", "status", "--host", host.origin], env);
    expect({ status, proxied: proxy.requests.length }).toEqual({ status: 0, proxied: 0 });
  });

  test("no login over plain http, but to this machine and the cluster", async () => {
    const { status, err } = await kfk(["auth", "status", "--host", "http://kf.example.org"], { KFK_TOKEN: "canary" });
    expect(status).toBe(4);
    expect(err).toContain("http://kf.example.org would get the login over plain http");
  });
});

test.each([301, 302, 303, 307, 308])("8: a redirect (%d) is never followed with a login", async (code) => {
  const other = serve(healthy);
  const host = serve(
    () => new Response(null, { status: code, headers: { location: `${other.origin}/apis/v2beta1/healthz` } }),
  );
  const { status, err } = await kfk(["wait", "x", "--host", host.origin], { KFK_TOKEN: "canary", KFK_COOKIE: "" });
  expect({ status, asked: other.requests.length }).toEqual({ status: 4, asked: 0 });
  expect(host.requests[0]?.headers.get("authorization")).toBe("Bearer canary");
  expect(err).not.toContain("canary");
});

test("9: a token that is meant for somebody else is not sent", async () => {
  const idp = await startIdentity({ nowMs: () => Date.now() });
  const wrong = serve(async () => {
    const token = await (
      await fetch(
        `${idp.url}/computeMetadata/v1/instance/service-accounts/default/identity?audience=other&format=full`,
        { headers: { "Metadata-Flavor": "Google" } },
      )
    ).text();
    return new Response(token, { headers: { "Metadata-Flavor": "Google" } });
  });
  stops.push(idp.stop);
  const host = serve(healthy);
  const { status, err } = await kfk(["auth", "status", "--host", host.origin], {
    IAP_CLIENT_ID: IAP_CLIENT,
    GCE_METADATA_HOST: new URL(wrong.origin).host,
  });
  expect({ status, asked: host.requests.length }).toEqual({ status: 4, asked: 0 });
  expect(err).toContain(`Google gave a token for other, and the proxy wants ${IAP_CLIENT}`);
});

test.each(["serviceAccount", "impersonated"] as const)("9: the proxy's own audience gets in (%s)", async (kind) => {
  const idp = await startIdentity({ nowMs: () => Date.now() });
  stops.push(idp.stop);
  const host = serve(async (request) => {
    const token = (request.headers.get("authorization") ?? "").replace("Bearer ", "");
    if ((await idp.check(token, IAP_CLIENT)) !== undefined) return healthy(request);
    return new Response("Invalid IAP credentials", {
      status: 401,
      headers: { "x-goog-iap-generated-response": "true" },
    });
  });
  const env = { IAP_CLIENT_ID: IAP_CLIENT, GOOGLE_APPLICATION_CREDENTIALS: "adc.json", KFK_GOOGLE_ENDPOINT: idp.url };
  const { status, out, err } = await kfk(["auth", "status", "--host", host.origin], env, {
    "adc.json": idp.files[kind],
  });
  expect(out).toContain(`as        ${ACCOUNT}\naudience  ${IAP_CLIENT}\nuntil     `);
  expect(status).toBe(0);
  for (const secret of idp.secrets) expect(out + err).not.toContain(secret);
});

describe.skipIf(Bun.which("openssl") === null)("10: TLS", () => {
  const file = (name: string): string => join(scratch, name);
  const read = (name: string): string => readFileSync(file(name), "utf8");
  const openssl = (...argv: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...argv], { cwd: scratch, stdin: "ignore" });
    if (exitCode !== 0) throw new Error(stderr.toString());
  };
  beforeAll(() => {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "2",
      "-subj",
      "/CN=test CA",
    );
    writeFileSync(file("ext"), "subjectAltName=IP:127.0.0.1\n");
    for (const name of ["server", "client"]) {
      openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
      );
      openssl(
        "x509",
        "-req",
        "-in",
        `${name}.csr`,
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "ext",
        "-out",
        `${name}.pem`,
      );
    }
  });

  test("a private CA is refused until it is named", async () => {
    const host = serve(healthy, { cert: read("server.pem"), key: read("server.key") });
    const blind = await kfk(["auth", "status", "--host", host.origin, "--request-timeout", "5"], {
      KFK_TOKEN: "canary",
    });
    expect({ status: blind.status, asked: host.requests.length }).toEqual({ status: 5, asked: 0 });
    expect(blind.err).toContain("--ca-cert");
    expect(
      (await kfk(["auth", "status", "--host", host.origin, "--ca-cert", file("ca.pem")], { KFK_TOKEN: "canary" }))
        .status,
    ).toBe(0);
    expect(
      (await kfk(["auth", "status", "--host", host.origin], { KFK_TOKEN: "canary", KFK_CA_FILE: file("ca.pem") }))
        .status,
    ).toBe(0);
  });

  test("a client certificate is shown, alone or beside a token", async () => {
    const host = serve(healthy, { cert: read("server.pem"), key: read("server.key"), ca: read("ca.pem") });
    const common = ["auth", "status", "--host", host.origin, "--ca-cert", file("ca.pem")];
    const own = ["--client-cert", file("client.pem"), "--client-key", file("client.key")];
    expect((await kfk([...common, "--request-timeout", "2"])).status).not.toBe(0);
    const alone = await kfk([...common, ...own]);
    expect({ status: alone.status, out: alone.out.split("\n")[1] }).toEqual({
      status: 0,
      out: "login     mtls: KFK_CLIENT_CERT is set",
    });
    const both = await kfk([...common, ...own], { KFK_TOKEN: "canary" });
    expect(both.out.split("\n")[1]).toBe("login     token: KFK_TOKEN is set; mtls: KFK_CLIENT_CERT is set");
    expect(host.requests.at(-1)?.headers.get("authorization")).toBe("Bearer canary");
  });

  test("a kubeconfig with a private CA and a client certificate gets a service account's token", async () => {
    const idp = await startIdentity({ nowMs: () => Date.now() });
    stops.push(idp.stop);
    const api = serve(
      async (request, body) => {
        const { pathname } = new URL(request.url);
        const headers = { authorization: `Bearer ${KUBE_TOKEN}` };
        return await fetch(idp.url + pathname, { method: "POST", headers, body });
      },
      { cert: read("server.pem"), key: read("server.key"), ca: read("ca.pem") },
    );
    const host = serve(healthy);
    const base64 = (name: string): string => Buffer.from(read(name)).toString("base64");
    const config = (ca: string): string =>
      [
        "current-context: here",
        `clusters: [{name: c, cluster: {server: "${api.origin}", certificate-authority-data: ${base64(ca)}}}]`,
        "contexts: [{name: here, context: {cluster: c, user: u, namespace: team-a}}]",
        `users: [{name: u, user: {client-certificate: ${file("client.pem")}, client-key-data: ${base64("client.key")}}}]`,
      ].join("\n");
    const env = { KFK_AUTH: "kubeconfig", KUBECONFIG: "kube" };
    const good = await kfk(["auth", "status", "--host", host.origin], env, { kube: config("ca.pem") });
    expect(good.out).toContain(
      "as        system:serviceaccount:team-a:default-editor\naudience  pipelines.kubeflow.org\n",
    );
    expect(good.status).toBe(0);
    const token = (host.requests[0]?.headers.get("authorization") ?? "").replace("Bearer ", "");
    expect((await idp.check(token, "pipelines.kubeflow.org"))?.sub).toBe("system:serviceaccount:team-a:default-editor");
    const wrong = await kfk(["auth", "status", "--host", host.origin], env, { kube: config("client.pem") });
    expect(wrong.status).toBe(5);
  });

  test("the CA of a kubeconfig holds for its API server, whatever else is named", async () => {
    const api = serve(healthy, { cert: read("server.pem"), key: read("server.key") });
    const config = (ca: string): string =>
      [
        "current-context: here",
        `clusters: [{name: c, cluster: {server: "${api.origin}", certificate-authority: ${file(ca)}}}]`,
        "contexts: [{name: here, context: {cluster: c, user: u}}]",
        "users: [{name: u, user: {token: canary}}]",
      ].join("\n");
    const ask = async (kube: string, named: string): Promise<number | null> => {
      const env = { KUBECONFIG: "kube", KFK_CA_FILE: file(named) };
      const argv = ["auth", "status", "--host", "service-proxy://", "--request-timeout", "5"];
      return (await kfk(argv, env, { kube: config(kube) })).status;
    };
    expect(await ask("ca.pem", "client.pem")).toBe(0);
    const { length } = api.requests;
    expect(await ask("client.pem", "ca.pem")).toBe(5);
    expect(api.requests.length).toBe(length);
  });

  test("Dex behind a private CA", async () => {
    const gate = startDexGate({ kubeflow: "1.9.1", nowMs: () => Date.now() });
    stops.push(gate.stop);
    const front = serve(
      async (request, body) => {
        const { pathname, search } = new URL(request.url);
        const { method, headers } = request;
        const init = { method, headers, redirect: "manual" as const, ...(method === "POST" ? { body } : {}) };
        return await fetch(gate.url + pathname + search, init);
      },
      { cert: read("server.pem"), key: read("server.key") },
    );
    const argv = ["auth", "status", "--host", `${front.origin}/pipeline`];
    const env = { DEX_USERNAME: USER, DEX_PASSWORD: PASSWORD };
    expect((await kfk(argv, env)).status).toBe(5);
    expect((await kfk([...argv, "--ca-cert", file("ca.pem")], env)).status).toBe(0);
    expect(gate.logins()).toBe(1);
  });

  test("nothing turns the check off", async () => {
    const host = serve(healthy, { cert: read("server.pem"), key: read("server.key") });
    const { status, err } = await kfk(["auth", "status", "--host", host.origin], {
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
      KFK_TOKEN: "canary",
    });
    expect({ status, asked: host.requests.length }).toEqual({ status: 4, asked: 0 });
    expect(err).toContain("NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the check of certificates");
  });
});

test("11: a login leaves no file behind, neither in the project nor at home", async () => {
  const gate = startDexGate({ kubeflow: "1.8", nowMs: () => Date.now() });
  stops.push(gate.stop);
  const home = mkdtempSync(join(scratch, "home-"));
  const project = projects.make({});
  const list = (): string[] =>
    [project.folder, home].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }));
  const before = list();
  const child = project.start(["auth", "status", "--host", gate.url], {
    HOME: home,
    DEX_USERNAME: USER,
    DEX_PASSWORD: PASSWORD,
  });
  expect(await child.exited).toBe(0);
  expect(list()).toEqual(before);
});

describe("12: what comes from outside", () => {
  test("a server's words cannot steer the terminal", async () => {
    const host = serve(() => Response.json({ error: "a\u001B]0;owned\u0007b\u009B31m", code: 3 }, { status: 400 }));
    const { err } = await kfk(["wait", "x", "--host", host.origin]);
    // oxlint-disable-next-line no-control-regex
    expect(err).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/);
    expect(err).toContain("a ]0;owned b 31m");
  });

  test("a kubeconfig that grows without end is refused", async () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${"bcdefgh"
      .split("")
      .map((name, index) => `${name}: &${name} [${`*${"abcdefgh"[index]},`.repeat(9)}x]`)
      .join("\n")}\n`;
    const { status, err } = await kfk(
      ["auth", "status", "--host", "http://127.0.0.1:1"],
      { KFK_AUTH: "kubeconfig", KUBECONFIG: "bomb" },
      { bomb },
    );
    expect(status).toBe(4);
    expect(err).toContain("is not YAML");
  });
});

test("13: when the login fails nothing is asked of the server", async () => {
  const host = serve(healthy);
  for (const env of [
    { IAP_CLIENT_ID: "x", NO_GCE_CHECK: "true" },
    { DEX_USERNAME: "x" },
    { KFK_TOKEN_FILE: "/none" },
    { KFK_AUTH: "oidc" },
    { KFK_AUTH: "nonsense" },
    { GOOGLE_APPLICATION_CREDENTIALS: "/none", IAP_CLIENT_ID: "x" },
  ]) {
    const { status } = await kfk(["run-once", "--host", host.origin, "-i", "x"], env as Record<string, string>);
    expect({ env, status, asked: host.requests.length }).toEqual({ env, status: 4, asked: 0 });
  }
});
