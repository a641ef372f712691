/** Every gate that may stand before the API, named by `kfk doctor` from its first answer, with the next thing to do. */
import { afterEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";
import { type DexGate, PASSWORD, startDexGate, USER } from "../judges/dex-gate.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Answer = (request: Request, url: URL) => Response;

function serve(answer: Answer): string {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => answer(request, new URL(request.url)),
  });
  stops.push(() => server.stop(true));
  return server.url.origin;
}

async function kfk(argv: readonly string[], env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const world = fakeWorld({
    cwd: "/empty",
    env,
    files: { "/empty/x": "", ...files },
    fetch: (url, init) => fetch(url, init),
    nowMs: Date.now(),
  });
  const status = await runCommandLine(world, argv, "1.2.3", "");
  return { status, out: world.written.out(), err: world.written.err() };
}

test("a login that is there and kept back is named, with the line that lets it go", async () => {
  const origin = serve((request) =>
    Response.json(request.url.includes("healthz") ? { tag_name: "2.5.0", commit_sha: "a" } : {}),
  );
  const { host } = new URL(origin);
  const files = {
    ...projectFiles({ conf: { "base/kubeflow.yaml": `host: ${origin}\n${KUBEFLOW.replace(/^host:.*\n/m, "")}` } }),
    "/sa": "canary-sa",
  };
  const { status, out } = await kfk(["doctor", "--project", ROOT], { KF_PIPELINES_SA_TOKEN_PATH: "/sa" }, files);
  expect(status).toBe(0);
  expect(out).toContain(
    `warn  login     not sent, as only the project names this host: the service account token /sa\n                next: if the host is yours: set KFK_TRUST_HOSTS=${host}, or give --host yourself\n`,
  );
  expect(out).not.toContain("nothing to log in with");
});

const HTML = { headers: { "content-type": "text/html" } };
const json = (value: unknown, status: number, headers: Record<string, string> = {}): Response =>
  Response.json(value, { status, headers });
const redirect = (location: string, headers: Record<string, string> = {}): Response =>
  new Response(null, { status: 302, headers: { location, ...headers } });
const DEX = "set DEX_USERNAME and DEX_PASSWORD, or give a service account's token";

interface Gate {
  readonly name: string;
  readonly answer: Answer;
  readonly is: string;
  readonly next: string;
  readonly status?: number;
}

const GATES: readonly Gate[] = [
  {
    name: "Google IAP, JSON",
    answer: () => json({}, 401, { "x-goog-iap-generated-response": "true" }),
    is: "Google Identity-Aware Proxy",
    next: "set IAP_CLIENT_ID",
  },
  {
    name: "Google IAP, redirect",
    answer: () => redirect("https://accounts.google.com/o/oauth2/v2/auth?client_id=x"),
    is: "Google Identity-Aware Proxy",
    next: "set IAP_CLIENT_ID",
  },
  {
    name: "the inverting proxy",
    answer: () => redirect("https://accounts.google.com/ServiceLogin"),
    is: "a Google login (the inverting proxy",
    next: "run gcloud auth application-default login",
  },
  { name: "oauth2-proxy with api_routes", answer: () => json({}, 401), is: "oauth2-proxy with Dex", next: DEX },
  {
    name: "oauth2-proxy's sign-in page",
    answer: () => new Response('<html><form action="/oauth2/start">', { status: 403, ...HTML }),
    is: "oauth2-proxy with Dex",
    next: DEX,
  },
  {
    name: "authservice",
    answer: () => redirect("/dex/auth?client_id=kubeflow-oidc-authservice"),
    is: "Dex behind authservice or oauth2-proxy",
    next: DEX,
  },
  {
    name: "Istio: expired token",
    answer: () =>
      new Response("Jwt is expired", {
        status: 401,
        headers: { "www-authenticate": 'Bearer realm="x", error="invalid_token"' },
      }),
    is: "Istio's check of tokens",
    next: "the token has expired",
  },
  {
    name: "Istio: no token",
    answer: () => new Response("Jwt is missing", { status: 401, headers: { "www-authenticate": 'Bearer realm="x"' } }),
    is: "Istio's check of tokens",
    next: "give a token that the mesh accepts",
  },
  {
    name: "Istio: policy",
    answer: () => new Response("RBAC: access denied", { status: 403 }),
    is: "Istio's authorization policy",
    next: "log in with a token that the mesh accepts",
  },
  {
    name: "KFP: unknown user",
    answer: () =>
      json({ error: "x", code: 16, message: "Request header error: there is no user identity header" }, 401),
    is: "Kubeflow Pipelines for many users, which does not know who asks",
    next: "give a service account's token",
  },
  {
    name: "KFP: no right",
    answer: () => json({ code: 7, message: "User 'a' is not authorized with reason: none" }, 403),
    is: "Kubeflow Pipelines itself: you are logged in",
    next: "check --namespace",
  },
  {
    name: "Kubernetes",
    answer: () => json({ kind: "Status", apiVersion: "v1", message: "Unauthorized", code: 401 }, 401),
    is: "the Kubernetes API server",
    next: "use --host port-forward://",
  },
  {
    name: "Cognito",
    answer: () => redirect("https://x.auth.eu-west-1.amazoncognito.com/login"),
    is: "a login of an AWS load balancer",
    next: "log in with a browser",
  },
  {
    name: "some identity provider",
    answer: () => redirect("https://id.example.org/auth?state=canary"),
    is: "a login page of id.example.org",
    next: "give a token with --token-file",
  },
  {
    name: "HTTP basic",
    answer: () => new Response("no", { status: 401, headers: { "www-authenticate": "Basic realm=x" } }),
    is: "a proxy that asks for user name and password",
    next: "set KFK_BASIC_USER",
  },
  {
    name: "the dashboard",
    answer: () => new Response("<!doctype html><title>Kubeflow</title>", HTML),
    is: "a web page, and no API",
    next: "give --host the address that Kubeflow Pipelines itself has in a browser",
  },
];

describe("kfk doctor", () => {
  test.each(GATES.map((each) => [each.name, each] as const))("%s", async (_name, { answer, is, next, status }) => {
    const { status: ended, out } = await kfk(["doctor", "--host", `${serve(answer)}/pipeline`]);
    expect(out).toContain(`what answers is ${is}`);
    expect(out).toContain(`next: ${next}`);
    expect(out).not.toContain("canary");
    expect(ended).toBe(status ?? 4);
  });

  test("a login that a gate does not take is not asked for again without a word", async () => {
    const host = serve(() => json({}, 401));
    const { out, status } = await kfk(["doctor", "--host", host], { KFK_TOKEN: "canary.one.two" });
    expect(out).toContain(
      "answered 401 without a word (GET /apis/v2beta1/healthz: 401, 1 attempt); what answers is oauth2-proxy with Dex (Kubeflow 1.9 and newer); the login by token was not taken",
    );
    expect(out).toContain(
      `next: check that the login is for this server and has not expired (kfk auth status); else ${DEX}`,
    );
    expect(status).toBe(4);
  });

  test("a gate that nobody knows and that says no with a page", async () => {
    const host = serve(() => new Response("<html>no</html>", { status: 403, ...HTML }));
    const { out } = await kfk(["doctor", "--host", host]);
    expect(out).toContain(
      "next: a gate before the API does not let this through: log in (kfk auth list names the ways)",
    );
  });

  test("a server without a gate, for one user", async () => {
    const host = serve((_request, { pathname }) =>
      pathname.endsWith("/healthz")
        ? json({ tag_name: "2.5.0", commit_sha: "a", multi_user: false }, 200)
        : json({}, 200),
    );
    const { status, out } = await kfk(["doctor", "--host", host]);
    expect(out).toBe(
      [
        "ok    machine   kfk 1.2.3",
        "-     project   no Kedro project here",
        `ok    host      ${host}, from --host`,
        "-     login     nothing to log in with here",
        "ok    server    Kubeflow Pipelines 2.5.0, for one user",
        "ok    server    speaks v1beta1 and v2beta1",
        "ok    identity  the server lets you list experiments",
        "",
      ].join("\n"),
    );
    expect(status).toBe(0);
  });

  test("a server before 2.0, which calls what it does not know Not Found", async () => {
    const host = serve((_request, { pathname }) => {
      if (!pathname.startsWith("/apis/v1beta1/")) return new Response("Not Found\n", { status: 404 });
      return json(pathname.endsWith("/healthz") ? { tag_name: "1.8.22", multi_user: false } : {}, 200);
    });
    const { status, out } = await kfk(["doctor", "--host", host]);
    expect(out).toContain(
      "ok    server    speaks v1beta1 alone\nok    identity  the server lets you list experiments\n",
    );
    expect(status).toBe(0);
  });

  test("nothing there, and what disturbs", async () => {
    const { status, out } = await kfk(["doctor", "--host", "http://127.0.0.1:1"], { BUN_INSPECT: "1" });
    expect(out).toContain(
      "warn  machine   BUN_INSPECT is set, which opens a debugger\n                next: unset BUN_INSPECT",
    );
    expect(out).toContain("NO    server    cannot reach http://127.0.0.1:1: connection refused");
    expect(status).toBe(5);
  });

  test("on a terminal, lines are broken between words, below where they began", async () => {
    const base = fakeWorld({
      cwd: "/empty",
      env: {},
      files: { "/empty/x": "" },
      fetch: (url, init) => fetch(url, init),
    });
    const world = { ...base, out: { ...base.out, columns: 60 } };
    await runCommandLine(world, ["doctor", "--host", "http://127.0.0.1:1"], "1.2.3", "");
    expect(base.written.out()).toContain(
      [
        "                next: check that http://127.0.0.1:1 is right",
        "                and can be reached from here, then try again\n",
      ].join("\n"),
    );
  });

  test("no host at all", async () => {
    const { status, out } = await kfk(["doctor"]);
    expect(out).toContain("NO    host      which Kubeflow Pipelines? nothing names a host");
    expect(status).toBe(2);
  });
});

describe("a login at Dex", () => {
  const start = (): DexGate => {
    const gate = startDexGate({ kubeflow: "1.9.1", nowMs: () => Date.now() });
    stops.push(gate.stop);
    return gate;
  };

  test("kfk auth status says who, how and until when", async () => {
    const gate = start();
    const { status, out, err } = await kfk(["auth", "status", "--host", `${gate.url}/pipeline`], {
      DEX_USERNAME: USER,
      DEX_PASSWORD: PASSWORD,
    });
    expect(out).toContain(
      `server    ${gate.url} (from --host)\nlogin     dex: DEX_USERNAME is set\nas        ${USER}\nuntil     `,
    );
    expect(out).toContain("known     the server let us list experiments");
    expect(out + err).not.toContain("canary");
    expect({ status, logins: gate.logins() }).toEqual({ status: 0, logins: 1 });
  });

  test("a wrong password sends nothing to the API and ends in 4", async () => {
    const gate = start();
    const { status, err } = await kfk(["auth", "status", "--host", `${gate.url}/pipeline`], {
      DEX_USERNAME: USER,
      DEX_PASSWORD: "canary",
    });
    expect(err).toContain(`cannot log in to ${gate.url} (dex): Dex does not take DEX_USERNAME with DEX_PASSWORD`);
    expect(err).not.toContain("canary");
    expect(status).toBe(4);
  });

  test("kfk auth list names the ways and which is there", async () => {
    const { status, out } = await kfk(["auth", "list"], { DEX_USERNAME: USER });
    expect(out).toContain("dex              Dex, by its login page (here: DEX_USERNAME is set)\n");
    expect(out.trimEnd().split("\n").length).toBe(13);
    expect(status).toBe(0);
  });
});

describe("a host that only kubeflow.yaml names", () => {
  const seen: (string | null)[] = [];
  const start = (): string =>
    serve((request) => {
      seen.push(request.headers.get("authorization"));
      return json({ code: 16, message: "who?" }, 401);
    });
  const run = async (env: Record<string, string>, more: readonly string[] = [], extra = "") => {
    seen.length = 0;
    const host = start();
    const project = projectFiles({
      conf: { "base/kubeflow.yaml": `host: ${host}\n${extra}${KUBEFLOW.replace(/^host:.*\n/m, "")}` },
    });
    const world = fakeWorld({
      cwd: ROOT,
      env: {
        HOME: "/h",
        KF_PIPELINES_SA_TOKEN_PATH: "/sa",
        ...Object.fromEntries(
          Object.entries(env).map(([name, text]) => [name, text.replace("HOST", new URL(host).host)]),
        ),
      },
      files: {
        ...project,
        "/sa": "canary-sa",
        "/h/.config/kfk/config.yaml": env["CONFIG"]?.replace("HOST", new URL(host).host) ?? "{}",
      },
      fetch: (url, init) => fetch(url, init),
    });
    const status = await runCommandLine(
      world,
      ["upload-pipeline", ...more.map((each) => each.replace("HOST", host))],
      "1.2.3",
      "",
    );
    return { status, err: world.written.err(), sent: [...new Set(seen)], host };
  };

  test("gets nothing that lies around on the machine", async () => {
    const { status, err, sent, host } = await run({});
    expect(sent).toEqual([null]);
    expect(err).toContain("not sent, as only the project names this host: the service account token /sa");
    expect(err).toContain(
      `hint: if the host is yours: set KFK_TRUST_HOSTS=${new URL(host).host}, or give --host yourself`,
    );
    expect(status).toBe(4);
  });

  test.each([
    ["KFK_TRUST_HOSTS", { KFK_TRUST_HOSTS: "other,HOST" }, []],
    ["the person's configuration", { CONFIG: "trust_hosts: [HOST]" }, []],
    ["--host", {}, ["--host", "HOST"]],
  ] as const)("gets it when %s says so", async (_name, env, more) => {
    expect((await run(env as Record<string, string>, more)).sent).toEqual(["Bearer canary-sa"]);
  });

  test("gets what was given for this command", async () => {
    expect((await run({ KFK_TOKEN: "canary-given" })).sent).toEqual(["Bearer canary-given"]);
  });

  test("may not choose a file or a program that gives the login", async () => {
    const file = await run({}, [], "auth: {type: token, file: /sa}\n");
    expect({ status: file.status, sent: file.sent }).toEqual({ status: 4, sent: [] });
    expect(file.err).toContain(
      "does not get what auth: token of kubeflow.yaml chooses (file: /sa): only the project says so",
    );
    const program = await run({}, [], "auth: {exec: {command: [evil]}}\n");
    expect({ status: program.status, sent: program.sent }).toEqual({ status: 4, sent: [] });
    expect(program.err).toContain("auth: exec in kubeflow.yaml would run a program that the project names");
  });
});
