/** Ways to a service through kubeconfig, on the built binary: port-forward and the API server's own proxy. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, testProjects, type Ran } from "../hooks/setup-project.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { type KubeApi, type KubeApiOptions, kubeconfigFor, startKubeApi } from "../judges/kube-api.ts";

const projects = testProjects();
const scratch = mkdtempSync(join(tmpdir(), "kfk-kube-"));
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => {
  projects.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const TOKEN = "canary-kube-token";

async function kfk(
  argv: readonly string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<Ran> {
  return await endOf(projects.make(files).start(argv, { TMPDIR: scratch, ...env }));
}

function setUp(more: Partial<KubeApiOptions> = {}): { readonly kfp: FakeKfp; readonly api: KubeApi } {
  const kfp = startKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => performance.now() });
  const api = startKubeApi({ target: kfp.url, token: TOKEN, ...more });
  stops.push(api.stop, kfp.stop);
  return { kfp, api };
}

function kubeconfig(text: string): string {
  const file = join(scratch, "config");
  writeFileSync(file, text);
  return file;
}

const doors = (): string[] => readdirSync(scratch).filter((name) => name !== "config");

describe("port-forward://", () => {
  test("reaches the server, carries its own login through, and leaves nothing behind", async () => {
    const { kfp, api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const env = { KUBECONFIG, KFK_TOKEN: "canary-kfp", KFK_DEBUG: "api", HTTP_PROXY: "http://127.0.0.1:1" };
    const { status, out, err } = await kfk(["list-runs", "--host", "port-forward://"], env);
    expect({ status, out }).toEqual({ status: 0, out: "" });
    expect([...new Set(api.requests)]).toEqual([
      "GET /api/v1/namespaces/kubeflow/services/ml-pipeline",
      "GET /api/v1/namespaces/kubeflow/pods",
      "GET /api/v1/namespaces/kubeflow/pods/ml-pipeline-abc/portforward",
    ]);
    expect([...new Set(api.authorizations)]).toEqual([`Bearer ${TOKEN}`]);
    expect(kfp.requests.map(({ headers }) => headers.get("authorization"))).toEqual(
      kfp.requests.map(() => "Bearer canary-kfp"),
    );
    expect(kfp.requests[0]?.headers.get("host")).toBe("ml-pipeline.kubeflow.svc:8888");
    expect(err).not.toContain("canary");
    expect(doors()).toEqual([]);
  });

  test.each([
    [
      "a service that is not there",
      "port-forward://kubeflow/nope",
      {},
      2,
      'refuses the service nope in kubeflow: services "nope" not found',
    ],
    [
      "a port that is not there",
      "port-forward://kubeflow/ml-pipeline:9",
      {},
      2,
      "the service ml-pipeline has no port 9: http (8888), grpc (8887)",
    ],
    [
      "a port that nobody listens on",
      "port-forward://kubeflow/ml-pipeline:grpc",
      {},
      5,
      "failed to connect to localhost:8887 inside namespace: connection refused",
    ],
    ["a pod that is not ready", "port-forward://", { isReady: false }, 5, "none of 2 is ready"],
    [
      "no right to forward",
      "port-forward://",
      { isForbidden: true },
      4,
      "refuses the forwarding of port 8888 of ml-pipeline-abc: status 403",
    ],
    ["another token", "port-forward://", { token: "other" }, 4, "Unauthorized"],
    ["no such form", "port-forward://Kube_Flow/x", {}, 2, "names no service of Kubernetes"],
  ] as const)("%s is told", async (_, host, more, status, message) => {
    const { api } = setUp(more);
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const ran = await kfk(["list-runs", "--host", host, "--request-timeout", "1"], { KUBECONFIG });
    expect({ status: ran.status, said: ran.err.includes(message) || ran.err }).toEqual({ status, said: true });
    expect(doors()).toEqual([]);
  });

  test("a project that names it does not get the person's kubeconfig", async () => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const files = { "conf/base/kubeflow.yaml": "host: port-forward://\nrun_config: {image: x}\n" };
    const refused = await kfk(["list-runs"], { KUBECONFIG }, files);
    expect({ status: refused.status, asked: api.authorizations }).toEqual({ status: 4, asked: [] });
    expect(refused.err).toContain("it does not get the context here of kubeconfig");
    const { status } = await kfk(["list-runs"], { KUBECONFIG, KFK_TRUST_HOSTS: new URL(api.url).host }, files);
    expect(status).toBe(0);
  });
});

describe("service-proxy://", () => {
  test("gives kubeconfig's credential to the API server, and nobody's to the server behind", async () => {
    const { kfp, api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const pasted = `${api.url}/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/`;
    for (const host of ["service-proxy://", "service-proxy://kubeflow/ml-pipeline:http", pasted]) {
      const { status, err } = await kfk(["list-runs", "--host", host], { KUBECONFIG, KFK_DEBUG: "api" });
      expect({ status, err: err.includes("canary") }).toEqual({ status: 0, err: false });
    }
    expect([...new Set(api.authorizations)]).toEqual([`Bearer ${TOKEN}`]);
    expect([...new Set(kfp.requests.map(({ headers }) => headers.get("authorization")))]).toEqual([null]);
  });

  test.each([
    ["a token", { KFK_TOKEN: "canary-given" }, "token (KFK_TOKEN is set)"],
    ["a cookie", { KFK_COOKIE: "session=canary-given" }, "cookie (KFK_COOKIE is set)"],
  ])("%s for Kubeflow stays here at its pasted address, however that is written", async (_name, given, what) => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const path = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/";
    for (const host of [api.url + path, new URL(api.url).host + path, api.url.replace("http:", "HTTP:") + path]) {
      const { status, err } = await kfk(["list-runs", "--host", host], { KUBECONFIG, ...given });
      expect(status).toBe(0);
      expect(err).toContain(`warning: not used here: ${what}; the API server takes kubeconfig's login alone`);
    }
    expect([...new Set(api.authorizations)]).toEqual([`Bearer ${TOKEN}`]);
    const refused = await kfk(["list-runs", "--host", api.url + path], { KUBECONFIG, KFK_AUTH: "token", ...given });
    expect(refused.err).toContain(
      "KFK_AUTH=token has no say where the address of a service proxy logs in by kubeconfig",
    );
  });

  test("another API server's address gets nothing of kubeconfig", async () => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor("https://k8s.example.org", `{token: ${TOKEN}}`));
    const host = `${api.url}/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/`;
    const { status } = await kfk(["list-runs", "--host", host], { KUBECONFIG });
    expect({ status, asked: [...new Set(api.authorizations)] }).toEqual({ status: 4, asked: [null] });
  });
});

describe("what a kubeconfig's way leaves out", () => {
  const yaml = (host: string, more: string): Record<string, string> => ({
    "conf/base/kubeflow.yaml": `host: ${host}\n${more}run_config: {image: x}\n`,
  });

  test("is told", async () => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const files = yaml("https://kf.example.org", "auth: dex\ntls: {ca: x.pem}\n");
    const env = { KUBECONFIG, KFK_TOKEN: "canary-given" };
    const { status, err } = await kfk(["list-runs", "--host", "service-proxy://"], env, files);
    expect(status).toBe(0);
    expect(err).toContain(
      "warning: not used here: auth: of kubeflow.yaml, token (KFK_TOKEN is set), tls: of kubeflow.yaml; the API server takes kubeconfig's login alone\n  hint: port-forward://NAMESPACE/SERVICE carries any login through to Kubeflow\n",
    );
    const forwarded = await kfk(
      ["list-runs", "--host", "port-forward://"],
      env,
      yaml("https://kf", "tls: {ca: x.pem}\n"),
    );
    expect(forwarded.status).toBe(0);
    expect(forwarded.err).toContain(
      "warning: not used here: tls: of kubeflow.yaml; kubeconfig brings its own certificates\n",
    );
    const nothing = await kfk(["list-runs", "--host", "service-proxy://"], { KUBECONFIG });
    expect(nothing.err).not.toContain("not used");
  });

  test("a token for Kubeflow at a pasted address", async () => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const host = `${api.url}/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy`;
    const files = yaml(host, "auth: {type: kubeconfig, service_account: ci}\n");
    const { status, err } = await kfk(["list-runs", "--host", host], { KUBECONFIG }, files);
    expect({ status, asked: api.authorizations }).toEqual({ status: 4, asked: [] });
    expect(err).toContain(
      "error: auth: kubeconfig with service_account asks for a token for Kubeflow, and the API server, whose proxy this host is, lets none through [SERVER_LOGIN]",
    );
  });

  test.each([
    ["port-forward://", "port-forward://kubeflow/ml-pipeline:http", ["Bearer canary-sa"]],
    ["port-forward://kubeflow/ml-pipeline", "port-forward://", ["Bearer canary-sa"]],
    ["port-forward://team-a/ml-pipeline", "port-forward://", []],
    ["https://kf.example.org", "port-forward://", []],
  ] as const)("not: settings for the project's host %s, where a person names %s", async (host, typed, sent) => {
    const { kfp, api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const files = { ...yaml(host, "auth: {type: token, file: sa}\n"), sa: "canary-sa" };
    const { status, err } = await kfk(["list-runs", "--host", typed], { KUBECONFIG }, files);
    const got = [...new Set(kfp.requests.map(({ headers }) => headers.get("authorization")))];
    expect({ status, got }).toEqual({ status: sent.length === 0 ? 4 : 0, got: [...sent] });
    if (sent.length === 0) expect(err).toContain("does not get what auth: token of kubeflow.yaml chooses (file: sa)");
  });

  test.each([
    [
      "client-certificate-data: eA==, client-key-data: eA==",
      "client-certificate holds no certificate that can be read",
    ],
  ])("a user with %s", async (user, problem) => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{${user}}`));
    const { status, err } = await kfk(["list-runs", "--host", "service-proxy://"], { KUBECONFIG });
    expect({ status, asked: api.authorizations }).toEqual({ status: 4, asked: [] });
    expect(err).toContain(`kubeconfig, context "here": ${problem}`);
  });
});

describe("a service proxy that a project names", () => {
  const ask = async (host: string, name: string, env: Record<string, string>) => {
    const { kfp, api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const text = `host: ${host.replace("API", api.url)}\nrun_config: {image: x}\n`;
    const trust = name === "" ? {} : { KFK_TRUST_HOSTS: new URL(api.url).host + name.replace("-", "") };
    const ran = await kfk(["list-runs"], { KUBECONFIG, ...trust, ...env }, { "conf/base/kubeflow.yaml": text });
    const behind = [...new Set(kfp.requests.map(({ headers }) => headers.get("authorization")))];
    return { status: ran.status, asked: [...new Set(api.authorizations)], behind };
  };
  const pasted = "API/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy";
  const dots = "API/api/v1/namespaces/x/services/y/proxy/../../../../../../../api/v1/secrets";

  test.each([
    ["service-proxy:// untrusted", "service-proxy://", "", {}, 4, [null], []],
    ["service-proxy:// untrusted, with a token", "service-proxy://", "", { KFK_TOKEN: "given" }, 4, [null], []],
    ["another service", "service-proxy://evil/evil", "", { KFK_TOKEN: "given" }, 4, [null], []],
    ["trusted for another way", "service-proxy://", "=oidc", {}, 4, [null], []],
    ["trusted for kubeconfig", "service-proxy://", "=kubeconfig", {}, 0, [`Bearer ${TOKEN}`], [null]],
    ["trusted, with a token", "service-proxy://", "-", { KFK_TOKEN: "given" }, 0, [`Bearer ${TOKEN}`], [null]],
    ["a pasted address, untrusted", pasted, "", {}, 4, [null], []],
    ["a pasted address, trusted", pasted, "-", {}, 0, [`Bearer ${TOKEN}`], [null]],
    ["a pasted address that leads out of the proxy, trusted", dots, "-", {}, 4, [null], []],
  ] as const)("%s", async (_, host, name, env, status, asked, behind) => {
    expect(await ask(host, name, env)).toEqual({ status, asked: [...asked], behind: [...behind] });
  });
});

test.each(["none", "token", "tokn", "kubeconfig,token"])(
  "KFK_AUTH=%s is not passed over by service-proxy://",
  async (named) => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`));
    const env = { KUBECONFIG, KFK_AUTH: named, KFK_TOKEN: "given" };
    const { status, err } = await kfk(["list-runs", "--host", "service-proxy://"], env);
    expect({ status, asked: api.authorizations }).toEqual({ status: 4, asked: [] });
    expect(err).toContain(`KFK_AUTH=${named} has no say where service-proxy:// logs in by kubeconfig`);
  },
);

describe("the environment's proxy", () => {
  /** A proxy that writes down what it is asked and refuses all of it. */
  async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
    const asked: string[] = [];
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", (bytes) => {
        const lines = bytes.toString().split("\r\n");
        asked.push([lines[0], ...lines.filter((line) => /^proxy-authorization:/i.test(line))].join(" | "));
        socket.end("HTTP/1.1 403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      });
    });
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
    stops.push(() => new Promise((done) => void server.close(() => done())));
    return { url: `http://me:pw-canary@127.0.0.1:${(server.address() as { port: number }).port}`, asked };
  }

  test("is asked with its user name, which is shown nowhere", async () => {
    const proxy = await startProxy();
    const host = "https://kfp.invalid";
    const ran = await kfk(["list-runs", "--host", host, "--request-timeout", "1"], { HTTPS_PROXY: proxy.url });
    expect(proxy.asked[0]).toBe("CONNECT kfp.invalid:443 HTTP/1.1 | Proxy-Authorization: Basic bWU6cHctY2FuYXJ5");
    expect(ran.status).not.toBe(0);
    expect(ran.err).not.toContain("canary");
  });

  test.each(["NO_PROXY", "no_proxy"])("is left out where %s says so, and for this machine always", async (name) => {
    const proxy = await startProxy();
    const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, [name]: "kfp.INVALID" };
    await kfk(["list-runs", "--host", "http://kfp.invalid", "--request-timeout", "1"], env);
    await kfk(["list-runs", "--host", "http://127.0.0.1:1", "--request-timeout", "1"], env);
    expect(proxy.asked).toEqual([]);
  });

  test("of a cluster of kubeconfig is its own", async () => {
    const proxy = await startProxy();
    const text = kubeconfigFor("https://k8s.invalid", "{token: t}").replace("}}]", `, proxy-url: "${proxy.url}"}}]`);
    for (const host of ["port-forward://", "service-proxy://"]) {
      const KUBECONFIG = kubeconfig(text);
      const ran = await kfk(["list-runs", "--host", host, "--request-timeout", "1"], { KUBECONFIG });
      expect(ran.status).not.toBe(0);
      expect(ran.err).not.toContain("canary");
      expect(proxy.asked.pop()).toStartWith("CONNECT k8s.invalid:443 HTTP/1.1 | Proxy-Authorization");
    }
  });
});

test("in a pod, Kubernetes names the service ml-pipeline", async () => {
  const files = { "conf/base/kubeflow.yaml": "run_config: {image: x}\n" };
  const rest = ["list-runs", "--request-timeout", "1"];
  const named = { ML_PIPELINE_SERVICE_HOST: "localhost", ML_PIPELINE_SERVICE_PORT: "1" };
  expect((await kfk(rest, named, files)).err).toContain("cannot reach http://localhost:1: connection refused");
});

describe("the user of kubeconfig", () => {
  test("a token file that is missing is an error, and nothing is asked", async () => {
    const { api } = setUp();
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, "{tokenFile: none}"));
    const { status, err } = await kfk(["list-runs", "--host", "service-proxy://"], { KUBECONFIG });
    expect({ status, asked: api.requests }).toEqual({ status: 4, asked: [] });
    expect(err).toContain(`the token file ${join(scratch, "none")} of kubeconfig is not there or empty`);
  });

  test("a plugin is told what it asks for, and its token is used", async () => {
    const { api } = setUp();
    const told = join(scratch, "told");
    const plugin = join(scratch, "plugin");
    const credential = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"${TOKEN}"}}`;
    writeFileSync(
      plugin,
      `#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO $ONE $KFK_TOKEN" > "$TOLD"\necho '${credential}'\n`,
      {
        mode: 0o755,
      },
    );
    const user = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: IfAvailable, provideClusterInfo: true, env: [{name: ONE, value: one}, {name: TOLD, value: ${told}}]}}`;
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, user));
    const { status } = await kfk(["list-runs", "--host", "service-proxy://"], { KUBECONFIG, KFK_TOKEN: "canary" });
    expect(status).toBe(0);
    const info = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,"cluster":{"server":"${api.url}"}}}`;
    expect(readFileSync(told, "utf8")).toBe(`${info} one `);
    rmSync(told);
    rmSync(plugin);
  });

  test("Ctrl-C ends a plugin that hangs, and what it started", async () => {
    const { api } = setUp();
    const pids = join(scratch, "pids");
    const script = `sleep 300 & echo $! $$ > ${pids}.part; mv ${pids}.part ${pids}; wait`;
    const user = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "${script}"], interactiveMode: Never}}`;
    const KUBECONFIG = kubeconfig(kubeconfigFor(api.url, user));
    const child = projects.make({}).start(["list-runs", "--host", "port-forward://"], { KUBECONFIG, TMPDIR: scratch });
    while (!existsSync(pids)) await Bun.sleep(5);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    const alive = readFileSync(pids, "utf8")
      .trim()
      .split(" ")
      .filter((pid) => existsSync(`/proc/${pid}/exe`));
    expect(alive).toEqual([]);
    rmSync(pids);
  });
});

test("docs/ways-in/kubeconfig.md: every command does what the page says", async () => {
  const { api } = setUp();
  const page = readFileSync(join(import.meta.dir, "../../docs/ways-in/kubeconfig.md"), "utf8");
  const lines = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) => block.trim().split("\n"));
  const env = { KUBECONFIG: kubeconfig(kubeconfigFor(api.url, `{token: ${TOKEN}}`)) };
  const ended: (string | number | null)[][] = [];
  for (const line of lines) {
    if (line.startsWith("kubectl ")) continue;
    const [variable, ...rest] = line.split(" ");
    const isSet = variable?.includes("=") === true;
    const own = isSet ? { [variable.split("=")[0] as string]: variable.split("=")[1] as string } : {};
    const ran = await kfk(isSet ? rest.slice(1) : rest, { ...env, ...own });
    ended.push([line, ran.status, ran.status === 0 ? "" : ran.err]);
    expect(ran.out + ran.err).not.toContain("canary");
  }
  expect(ended).toEqual(ended.map(([line]) => [line as string, 0, ""]));
  expect(ended).toHaveLength(4);
}, 60_000);
