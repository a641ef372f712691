/** What a kubeconfig means: each row was compared with client-go 0.37, but for what kfk alone refuses, which says so. */
import { describe, expect, test } from "bun:test";
import { readKube } from "../../hooks/auth/kube-file.ts";
import { authContext } from "../../src/cluster/auth-context.ts";
import { fakeWorld } from "../fake-world.ts";

const SERVER = '{server: "https://k8s:6443"}';
const base64 = (text: string): string => Buffer.from(text).toString("base64");

function config(more: { cluster?: string; user?: string; context?: string; current?: string } = {}): string {
  return [
    `current-context: ${more.current ?? "here"}`,
    `clusters: [{name: c, cluster: ${more.cluster ?? SERVER}}]`,
    `contexts: [{name: here, context: ${more.context ?? "{cluster: c, user: u, namespace: team-a}"}}]`,
    `users: [{name: u, user: ${more.user ?? "{token: t}"}}]`,
  ].join("\n");
}

const cluster = (more: string): string => config({ cluster: `{server: "https://k8s:6443", ${more}}` });
const user = (text: string): string => config({ user: text });
const exec = (more: string): string => user(`{exec: {apiVersion: client.authentication.k8s.io/v1, ${more}}}`);

const KEPT = { "/k/ca.pem": "CA", "/k/sub/ca.pem": "CA below", "/k/c.pem": "CERT", "/k/k.pem": "KEY" };

async function read(files: Readonly<Record<string, string>>, env: Record<string, string>, name?: string) {
  const world = fakeWorld({ files: { ...KEPT, ...files }, env });
  return await readKube(authContext(world, {}), name);
}

const one = async (text: string, name?: string) => await read({ "/k/a": text }, { KUBECONFIG: "/k/a" }, name);

describe("a kubeconfig gives", () => {
  test("server, namespace and token", async () => {
    const { api, namespace, context, user: who } = await one(config({ cluster: '{server: "https://k8s:6443/"}' }));
    expect([api, namespace, context, who.token]).toEqual(["https://k8s:6443", "team-a", "here", "t"]);
  });

  test.each([
    ["data", cluster(`certificate-authority-data: ${base64("X")}`), { ca: "X" }],
    ["a file beside it", cluster("certificate-authority: ca.pem"), { ca: "CA" }],
    ["a file elsewhere", cluster("certificate-authority: ./sub/ca.pem"), { ca: "CA below" }],
    ["another name", cluster("tls-server-name: kube.example"), { serverName: "kube.example" }],
  ])("the CA: %s", async (_, text, tls) => {
    expect((await one(text)).tls).toEqual(tls);
  });

  test.each([
    ["a certificate in files", "{client-certificate: c.pem, client-key: k.pem}", { tls: { cert: "CERT", key: "KEY" } }],
    [
      "a certificate in both forms",
      `{client-certificate: c.pem, client-key-data: ${base64("D")}}`,
      { tls: { cert: "CERT", key: "D" } },
    ],
    ["a key alone is nothing", "{client-key: k.pem}", {}],
    ["a token file", "{tokenFile: sub/tok}", { tokenFile: "/k/sub/tok" }],
    ["user name and password", "{username: a, password: b}", { basic: { user: "a", password: "b" } }],
    [
      "another person",
      "{token: t, as: jane, as-uid: '7', as-groups: [dev]}",
      { token: "t", headers: { "Impersonate-User": "jane", "Impersonate-Uid": "7", "Impersonate-Group": "dev" } },
    ],
    ["nobody", "{}", {}],
  ])("the user: %s", async (_, text, wanted) => {
    const found = (await one(user(text))).user;
    const given = Object.entries(found).filter(([, value]) => value !== undefined && !Bun.deepEquals(value, {}));
    expect(Object.fromEntries(given) as unknown).toEqual(wanted);
  });

  test("a context without a user: nobody", async () => {
    expect((await one(config({ context: "{cluster: c}" }))).user.token).toBe(undefined);
  });

  test("a plugin, whose path starts at the file and whose name does not", async () => {
    const found = await one(exec("command: ./bin/plug, args: [a], interactiveMode: Never"));
    expect(found.user.exec?.command).toEqual(["/k/bin/plug", "a"]);
    expect((await one(exec("command: plug, interactiveMode: Never"))).user.exec?.command).toEqual(["plug"]);
  });
});

describe("of several files", () => {
  const env = { KUBECONFIG: "/k/none:/k/a::/k/sub/b:/k/a" };

  test("the first that has a name holds, whole", async () => {
    const found = await read({ "/k/a": user("{}"), "/k/sub/b": user("{token: second}") }, env);
    expect(found.user.token).toBe(undefined);
  });

  test("parts may lie apart, and paths start at their own file", async () => {
    const first = "current-context: here\ncontexts: [{name: here, context: {cluster: c, user: u}}]";
    const second = `clusters: [{name: c, cluster: {server: "https://k8s:6443", certificate-authority: ca.pem}}]\nusers: [{name: u, user: {token: t}}]`;
    const found = await read({ "/k/a": first, "/k/sub/b": second }, env);
    expect([found.tls.ca, found.user.token]).toEqual(["CA below", "t"]);
  });

  test("a broken one is an error", async () => {
    const work = read({ "/k/a": config(), "/k/sub/b": "a: [" }, env);
    expect(await messageOf(work)).toBe("/k/sub/b is not YAML");
  });
});

describe("in a pod", () => {
  const FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
  const files = { [`${FOLDER}/token`]: "t", [`${FOLDER}/ca.crt`]: "CA", [`${FOLDER}/namespace`]: "team-b\n" };
  const env = { HOME: "/none", KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };

  test("its account is taken where there is no kubeconfig", async () => {
    const { api, namespace, tls, user: who } = await read(files, env);
    expect([api, namespace, tls.ca, who.tokenFile]).toEqual([
      "https://[fd00::1]:443",
      "team-b",
      "CA",
      `${FOLDER}/token`,
    ]);
  });

  test("and not where there is one, or a context is asked for", async () => {
    expect((await read({ ...files, "/none/.kube/config": config() }, env)).context).toBe("here");
    expect(await messageOf(read(files, env, "here"))).toBe("there is no kubeconfig: /none/.kube/config");
  });
});

const NO = "kubeconfig cannot be used: ";

describe("refused", () => {
  test.each([
    [
      "CA twice",
      cluster(`certificate-authority: ca.pem, certificate-authority-data: ${base64("X")}`),
      `${NO}"c" has both certificate-authority and certificate-authority-data`,
    ],
    ["CA that is not there", cluster("certificate-authority: x.pem"), "kubeconfig names /k/x.pem, which is not there"],
    [
      "CA that is no base64",
      cluster("certificate-authority-data: '***'"),
      'certificate-authority-data of "c" in kubeconfig is not base64',
    ],
    [
      "certificate without key",
      user("{client-certificate: c.pem}"),
      `${NO}the user "u" has a certificate and no key for it`,
    ],
    [
      "token and user name",
      user("{token: t, username: a}"),
      `${NO}the user "u" has both a token and a user name, and only one can be sent`,
    ],
    [
      "groups of nobody",
      user("{token: t, as-groups: [dev]}"),
      `${NO}the user "u" has as-groups, as-uid or as-user-extra without as`,
    ],
    ["no mode", exec("command: plug"), `${NO}exec of the user "u" needs interactiveMode: Never, IfAvailable or Always`],
    ["no command", exec("interactiveMode: Never"), `${NO}exec of the user "u" names no command`],
    [
      "old version",
      user("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: plug}}"),
      `${NO}exec of the user "u" has the apiVersion "client.authentication.k8s.io/v1alpha1", and client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1 is needed`,
    ],
    ["no server", config({ cluster: "{tls-server-name: x}" }), `${NO}the cluster "c" has no server`],
    ["unknown cluster", config({ context: "{cluster: z, user: u}" }), 'kubeconfig has no cluster "z"'],
    ["no cluster", config({ context: "{user: u}" }), `${NO}the context "here" names no cluster`],
    ["no current context", config({ current: '""' }), "kubeconfig names no current context"],
    ["unknown context", config({ current: "there" }), 'kubeconfig has no context "there"; it has here'],
    [
      "a name twice",
      config().replace("users: [", "users: [{name: u, user: {token: x}}, "),
      '/k/a: two entries of users are called "u"',
    ],
    ["token that is no text", user("{token: 123}"), "/k/a: users.0.user.token is not as kubectl writes it"],
    [
      "unknown user, which client-go takes for nobody",
      config({ context: "{cluster: c, user: z}" }),
      'kubeconfig has no user "z"',
    ],
    [
      "no check, which client-go allows",
      cluster("insecure-skip-tls-verify: true"),
      'the cluster "c" of kubeconfig turns the check of certificates off',
    ],
    [
      "a person asked, which client-go can",
      exec("command: plug, interactiveMode: Always"),
      "plug of kubeconfig wants to ask a person (interactiveMode: Always), and here nobody is asked",
    ],
    [
      "server without scheme, which client-go guesses",
      config({ cluster: '{server: "k8s:6443"}' }),
      `${NO}the server of the cluster "c" is no address that begins with https://`,
    ],
    [
      "a proxy of another kind, which client-go knows",
      cluster("proxy-url: socks5://p:1"),
      'the proxy-url of the cluster "c" of kubeconfig is not an http or https address',
    ],
  ])("%s", async (_, text, message) => {
    expect(await messageOf(one(text))).toBe(message);
  });
});

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Error).message;
  }
  return "it did not fail";
}
