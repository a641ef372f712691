/**
 * What a project's files can make kfk send, and to whom: every way to log in, every address and choice that such a file
 * may name, and whose word it takes.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BESIDE, SHIPPED } from "../../hooks/auth/shipped.ts";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";
import { IAP_CLIENT, type Identity, KUBE_TOKEN, startIdentity } from "../judges/identity.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const SA = "canary-service-account";
const GIVEN = "canary-given-token";
const SECRET = "canary-client-secret";
const PASSWORD = "canary-dex-password";
const COOKIE = "canary-kfp-cookie";
const PROJECTS = "https://project.example.org";
const PERSONS = "https://person.example.org";
const EVIL = "https://evil.example.net";

let idp: Identity;
beforeAll(async () => {
  idp = await startIdentity({ nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5) });
});
afterAll(async () => await idp.stop());

interface Tried {
  readonly status: number;
  readonly err: string;
  /** `ORIGIN gets WHAT`, each once, in the order of the requests. */
  readonly sent: readonly string[];
}

interface Row {
  readonly name: string;
  readonly auth?: string;
  /** Of kubeflow.yaml; null: it names none. */
  readonly host?: string | null;
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: string;
  readonly sent: readonly string[];
  readonly says?: string;
}

function labels(text: string): string[] {
  const base64 = /basic ([\w+/=]+)/i.exec(text)?.[1];
  const whole = `${text} ${base64 === undefined ? "" : Buffer.from(base64, "base64").toString()}`;
  const known: readonly (readonly [string, RegExp])[] = [
    ["the service account's token", new RegExp(SA)],
    ["the given token", new RegExp(GIVEN)],
    ["the client's secret", new RegExp(SECRET)],
    ["the password", new RegExp(PASSWORD)],
    ["the cookie", new RegExp(COOKIE)],
    ["the token of kubeconfig", new RegExp(KUBE_TOKEN)],
    ["an assertion of the key", /assertion=eyJ/],
    ["a fresh token", /bearer (eyJ|ya29|fresh)/i],
  ];
  return known.filter(([, form]) => form.test(whole)).map(([label]) => label);
}

async function tryRow(row: Omit<Row, "sent">): Promise<Tried> {
  const sent: string[] = [];
  const world = fakeWorld({
    cwd: ROOT,
    env: { HOME: "/h", NO_GCE_CHECK: "true", KFK_GOOGLE_ENDPOINT: idp.url, ...row.env },
    files: {
      ...projectFiles({
        conf: {
          "base/kubeflow.yaml": `${row.host === null ? "" : `host: ${row.host ?? PROJECTS}\n`}${row.auth === undefined ? "" : `auth: ${row.auth}\n`}${KUBEFLOW.replace(/^host:.*\n/m, "")}`,
        },
      }),
      "/sa": SA,
      "/adc.json": idp.files.serviceAccount,
      "/h/.kube/config": idp.files.kubeconfig(`{token: "${KUBE_TOKEN}"}`),
      ...(row.config === undefined ? {} : { "/h/.config/kfk/config.yaml": row.config }),
      ...(row.env?.["WITH_KFP"]
        ? { "/h/.config/kfp/context.json": `{"client_authentication_cookie": "s=${COOKIE}"}` }
        : {}),
    },
    fetch: async (url, init) => {
      const { origin, pathname } = new URL(url);
      const headers = new Headers(init.headers);
      const text = `${[...headers].map(([, value]) => value).join(" ")} ${typeof init.body === "string" ? init.body : ""}`;
      const name = origin === idp.url ? "idp" : origin;
      for (const label of labels(text)) if (!sent.includes(`${name} gets ${label}`)) sent.push(`${name} gets ${label}`);
      if (origin === idp.url) return await fetch(url, init);
      if (pathname === "/token") return Response.json({ access_token: "fresh-1234567890", expires_in: 900 });
      if (headers.has("authorization") || headers.has("cookie")) {
        return Response.json(pathname.endsWith("healthz") ? { tag_name: "2.5.0", commit_sha: "a" } : {});
      }
      return Response.json({}, { status: 401 });
    },
  });
  const status = await runCommandLine(world, ["auth", "status", ...(row.argv ?? [])], "1.2.3", "");
  return { status, err: world.written.err(), sent };
}

const HOST = ["--host", PERSONS];
const OIDC = { KFK_OIDC_CLIENT_ID: "team", KFK_OIDC_CLIENT_SECRET: SECRET };
const EVIL_OIDC = `{type: oidc, token_url: "${EVIL}/token", client_id: team}`;
const GOOGLE = { GOOGLE_APPLICATION_CREDENTIALS: "/adc.json" };

const ROWS: readonly Row[] = [
  // the server itself
  { name: "service-account: the project's host", env: { KF_PIPELINES_SA_TOKEN_PATH: "/sa" }, sent: [] },
  {
    name: "service-account: the person's host",
    env: { KF_PIPELINES_SA_TOKEN_PATH: "/sa" },
    argv: HOST,
    sent: [`${PERSONS} gets the service account's token`],
  },
  { name: "kfp-context: the project's host", env: { WITH_KFP: "1" }, sent: [] },
  { name: "kfp-context: the person's host", env: { WITH_KFP: "1" }, argv: HOST, sent: [`${PERSONS} gets the cookie`] },
  {
    name: "iap: the project's host, a client id of the environment and a key of the machine",
    env: { IAP_CLIENT_ID: IAP_CLIENT },
    sent: [],
  },
  {
    name: "iap: a client id of the project",
    auth: `{type: iap, client_id: ${IAP_CLIENT}}`,
    env: GOOGLE,
    sent: [],
    says: `${PROJECTS} does not get what auth: iap of kubeflow.yaml chooses (client_id: ${IAP_CLIENT}): only the project says so`,
  },
  { name: "iap-jwt: the project's host", auth: "iap-jwt", env: GOOGLE, sent: [] },
  {
    name: "inverting-proxy: the project's host",
    host: "https://x.pipelines.googleusercontent.com",
    env: GOOGLE,
    sent: [],
  },
  { name: "inverting-proxy: another host", auth: "inverting-proxy", argv: HOST, env: GOOGLE, sent: [] },
  { name: "kubeconfig: the project's host", auth: "kubeconfig", sent: [] },
  {
    name: "kubeconfig: the project's host, which the person trusts",
    auth: "{type: kubeconfig, service_account: default-editor}",
    env: { KFK_TRUST_HOSTS: "project.example.org" },
    sent: ["idp gets the token of kubeconfig", `${PROJECTS} gets a fresh token`],
  },
  {
    name: "a trusted host is no trusted host for other ways",
    auth: "kubeconfig",
    env: { KFK_TRUST_HOSTS: "project.example.org=iap" },
    sent: [],
  },
  {
    name: "token: what was given for this command",
    env: { KFK_TOKEN: GIVEN },
    sent: [`${PROJECTS} gets the given token`],
  },
  // one of several servers at an address
  {
    name: "kfp-context: a service behind the proxy of a trusted API server",
    host: `${PROJECTS}/api/v1/namespaces/evil/services/evil:80/proxy`,
    auth: "kfp-context",
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "project.example.org project.example.org=kfp-context" },
    sent: [],
    says: `only the project names ${PROJECTS}/api/v1/namespaces/evil/services/evil:80/proxy, so it does not get the login in /h/.config/kfp/context.json`,
  },
  {
    name: "kfp-context: another service there than the trusted one",
    host: `${PROJECTS}/api/v1/namespaces/evil/services/evil:80/proxy/pipeline`,
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "project.example.org/api/v1/namespaces/kubeflow/services/evil:80/proxy" },
    sent: [],
  },
  {
    name: "kfp-context: the trusted service there",
    host: `${PROJECTS}/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/pipeline`,
    env: {
      WITH_KFP: "1",
      KFK_TRUST_HOSTS: "https://project.example.org/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/",
    },
    sent: [`${PROJECTS} gets the cookie`],
  },
  {
    name: "kfp-context: a service whose name differs in its case alone",
    host: `${PROJECTS}/Team/notebook/pipeline`,
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "project.example.org/team/notebook" },
    sent: [],
  },
  {
    name: "kfp-context: trusted in capitals, with the path of Kubeflow behind",
    host: `${PROJECTS}/pipeline`,
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "PROJECT.example.org/pipeline/" },
    sent: [`${PROJECTS} gets the cookie`],
  },
  {
    name: "kfp-context: somebody's notebook at a trusted Kubeflow",
    host: `${PROJECTS}/notebook/evil/nb/pipeline`,
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "project.example.org" },
    sent: [],
  },
  {
    name: "kubeconfig: a token for Kubeflow to somebody's notebook there",
    host: `${PROJECTS}/notebook/evil/nb/pipeline`,
    auth: "kubeconfig",
    env: { KFK_TRUST_HOSTS: "project.example.org" },
    sent: [],
  },
  {
    name: "kfp-context: Kubeflow's own path at a trusted host",
    host: `${PROJECTS}/pipeline`,
    env: { WITH_KFP: "1", KFK_TRUST_HOSTS: "project.example.org" },
    sent: [`${PROJECTS} gets the cookie`],
  },
  {
    name: "token: a file of the project's choice to another path of its own host",
    host: `${PROJECTS}/api/v1/namespaces/kubeflow/services/good/proxy`,
    auth: "{type: token, file: /sa}",
    argv: ["--host", `${PROJECTS}/api/v1/namespaces/kubeflow/services/other/proxy`],
    sent: [],
  },
  // what is sent
  {
    name: "token: a file of the project's choice to the person's host",
    auth: "{type: token, file: /sa}",
    argv: HOST,
    sent: [],
    says: `${PERSONS} does not get what auth: token of kubeflow.yaml chooses (file: /sa): only the project says so`,
  },
  {
    name: "token: the same where the person names the project's own host",
    auth: "{type: token, file: /sa}",
    argv: ["--host", `${PROJECTS}/pipeline`],
    sent: [`${PROJECTS} gets the service account's token`],
  },
  {
    name: "token: the same, and the project names no host",
    host: null,
    auth: "{type: token, file: /sa}",
    argv: HOST,
    sent: [],
  },
  {
    name: "token: the same, and the person agrees for this host",
    auth: "{type: token, file: /sa}",
    argv: HOST,
    config: "trust_hosts: [person.example.org=token]",
    sent: [`${PERSONS} gets the service account's token`],
  },
  {
    name: "token: the person's variable goes before the project's file",
    auth: "{type: token, file: /etc/passwd}",
    argv: HOST,
    env: { KFK_TOKEN_FILE: "/sa" },
    sent: [`${PERSONS} gets the service account's token`],
  },
  {
    name: "token: a file by KFK_AUTH and the project's settings",
    auth: "{type: token, file: /sa}",
    argv: HOST,
    env: { KFK_AUTH: "token" },
    sent: [],
  },
  { name: "service-account: a file of the project", auth: "{type: service-account, file: /sa}", argv: HOST, sent: [] },
  {
    name: "service-account: the audience of the project",
    auth: "{type: service-account, audience: other}",
    argv: HOST,
    env: { KF_PIPELINES_SA_TOKEN_PATH: "/sa" },
    sent: [],
  },
  {
    name: "kubeconfig: an account and an audience of the project",
    auth: "{type: kubeconfig, service_account: admin, audience: https://kubernetes.default.svc}",
    argv: HOST,
    sent: [],
    says: `${PERSONS} does not get what auth: kubeconfig of kubeflow.yaml chooses (service_account: admin, audience: https://kubernetes.default.svc): only the project says so`,
  },
  { name: "kubeconfig: a context of the project", auth: "{type: kubeconfig, context: prod}", argv: HOST, sent: [] },
  { name: "iap: an audience of the project", auth: "{type: iap, client_id: other}", argv: HOST, env: GOOGLE, sent: [] },
  {
    name: "iap: an identity of the project",
    auth: "{type: iap, impersonate: admin@x.iam.gserviceaccount.com}",
    argv: HOST,
    env: { ...GOOGLE, IAP_CLIENT_ID: IAP_CLIENT },
    sent: [],
  },
  {
    name: "iap: the name alone",
    auth: "iap",
    argv: HOST,
    env: { ...GOOGLE, IAP_CLIENT_ID: IAP_CLIENT },
    sent: ["idp gets an assertion of the key", `${PERSONS} gets a fresh token`],
  },
  { name: "dex: a connector is no choice", auth: "{type: dex, connector: ldap}", argv: HOST, sent: [] },
  // other addresses
  { name: "oidc: an address of the project, the secret in the environment", auth: EVIL_OIDC, env: OIDC, sent: [] },
  {
    name: "oidc: the same with the person's host",
    auth: EVIL_OIDC,
    argv: HOST,
    env: OIDC,
    sent: [],
  },
  {
    name: "oidc: the same with a trusted host",
    auth: EVIL_OIDC,
    env: { ...OIDC, KFK_TRUST_HOSTS: "project.example.org" },
    sent: [],
    says: `only the project names ${EVIL}, so it does not get the secret of the OIDC client, asked for at ${EVIL}`,
  },
  {
    name: "oidc: the same by KFK_AUTH",
    auth: EVIL_OIDC,
    env: { ...OIDC, KFK_AUTH: "oidc", KFK_TRUST_HOSTS: "project.example.org" },
    sent: [],
  },
  {
    name: "oidc: an address on the project's host, which nobody trusts",
    auth: `{type: oidc, token_url: "${PROJECTS}/token", client_id: team}`,
    env: OIDC,
    sent: [],
  },
  {
    name: "oidc: the address of the environment goes before the project's",
    auth: EVIL_OIDC,
    env: { ...OIDC, KFK_OIDC_TOKEN_URL: "https://id.example.org/token" },
    sent: ["https://id.example.org gets the client's secret", `${PROJECTS} gets a fresh token`],
  },
  {
    name: "oidc: an address of the project that the person trusts",
    auth: EVIL_OIDC,
    env: { ...OIDC, KFK_TRUST_HOSTS: "evil.example.net=oidc,project.example.org" },
    sent: [`${EVIL} gets the client's secret`, `${PROJECTS} gets a fresh token`],
  },
  {
    name: "oidc: an address of the person's own configuration",
    argv: HOST,
    config: "auth: {type: oidc, token_url: https://id.example.org/token, client_id: team}",
    env: { KFK_OIDC_CLIENT_SECRET: SECRET },
    sent: ["https://id.example.org gets the client's secret", `${PERSONS} gets a fresh token`],
  },
  {
    name: "dex: the password goes to no address but the host's",
    auth: `{type: dex, url: "${EVIL}"}`,
    argv: HOST,
    env: { DEX_USERNAME: "me", DEX_PASSWORD: PASSWORD },
    sent: [],
    says: 'auth: dex has no setting "url"',
  },
  { name: "exec: a program of the project", auth: "{exec: {command: [evil]}}", argv: HOST, sent: [] },
  {
    name: "basic: no setting at all",
    auth: `{type: basic, url: "${EVIL}"}`,
    argv: HOST,
    sent: [],
    says: "it takes none",
  },
  {
    name: "mtls: no file of the project",
    auth: "{type: mtls, cert: /sa}",
    argv: HOST,
    sent: [],
    says: "it takes none",
  },
];

describe("a project's files", () => {
  test.each(ROWS.map((row) => [row.name, row] as const))("%s", async (_name, { sent, says, ...row }) => {
    const tried = await tryRow(row);
    expect(tried.sent).toEqual([...sent]);
    if (says !== undefined) expect(tried.err).toContain(says);
    expect(tried.err).not.toContain("canary");
  });

  test("every setting of every way is in this table, or chooses nothing", () => {
    const known = new Set(ROWS.flatMap(({ auth }) => [...(auth ?? "").matchAll(/(\w+):/g)].map(([, key]) => key)));
    const free = [...SHIPPED, ...BESIDE].flatMap(({ name, settings, harmless }) =>
      settings.filter((key) => !harmless?.includes(key) && !known.has(key)).map((key) => `${name}.${key}`),
    );
    // of the same nature as the others of its way, and asked about with them
    expect(free).toEqual(["exec.output", "oidc.scope", "kubeconfig.namespace"]);
    expect(
      [...SHIPPED, ...BESIDE].flatMap(({ name, harmless }) => (harmless ?? []).map((key) => `${name}.${key}`)),
    ).toEqual(["token.audience", "dex.connector"]);
  });
});
