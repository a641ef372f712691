/** One contract for all ways to log in that ship with kfk, then what each of them does alone. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { authContext } from "../../src/cluster/auth-context.ts";
import { BESIDE, SHIPPED } from "../../hooks/auth/shipped.ts";
import type { AuthContext, AuthTarget, Login, ValueMap } from "../../hooks/contract.ts";
import type { Child } from "../../src/world.ts";
import { fakeWorld } from "../fake-world.ts";
import {
  ACCOUNT,
  GITHUB_TOKEN,
  IAP_CLIENT,
  type Identity,
  KUBE_TOKEN,
  OIDC_SECRET,
  startIdentity,
  USER_REFRESH,
} from "../judges/identity.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const TARGET: AuthTarget = { origin: "https://kf.example.org", namespace: "team-a", why: "first" };
const PROXY: AuthTarget = { ...TARGET, origin: "https://abc-dot-europe-west1.pipelines.googleusercontent.com" };
let idp: Identity;
beforeAll(async () => {
  idp = await startIdentity({ nowMs: () => NOW });
});
afterAll(async () => await idp.stop());

interface Case {
  readonly name: string;
  readonly provider: string;
  readonly env?: () => Record<string, string>;
  readonly files?: () => Record<string, string>;
  readonly settings?: () => ValueMap;
  readonly target?: AuthTarget;
  readonly prints?: string;
  /** Header name, and the exact text or what the token must be good for. */
  readonly gives: readonly [string, string | { readonly audience: string; readonly email?: string }] | "access" | "tls";
  readonly principal?: string;
  /** Names under which it is taken when nobody asks for it by name. */
  readonly how: "given" | "ambient" | "asked";
}

const google = (file: string) => ({
  files: () => ({ "/adc.json": idp.files[file as "user"] }),
  env: () => googleEnv(),
});
const googleEnv = () => ({
  IAP_CLIENT_ID: IAP_CLIENT,
  GOOGLE_APPLICATION_CREDENTIALS: "/adc.json",
  KFK_GOOGLE_ENDPOINT: idp.url,
});
const PEM = makePair();
const CREDENTIAL = JSON.stringify({
  kind: "ExecCredential",
  apiVersion: "client.authentication.k8s.io/v1",
  status: { token: "canary-exec", expirationTimestamp: "2026-01-02T03:19:05Z" },
});

const CASES: readonly Case[] = [
  {
    name: "a variable",
    provider: "token",
    env: () => ({ KFK_TOKEN: "canary-1" }),
    gives: ["Authorization", "Bearer canary-1"],
    how: "given",
  },
  {
    name: "a variable with Bearer before it",
    provider: "token",
    env: () => ({ KFK_TOKEN: "Bearer canary-1" }),
    gives: ["Authorization", "Bearer canary-1"],
    how: "given",
  },
  {
    name: "a file",
    provider: "token",
    env: () => ({ KFK_TOKEN_FILE: "/t" }),
    files: () => ({ "/t": "canary-2\n" }),
    gives: ["Authorization", "Bearer canary-2"],
    how: "given",
  },
  {
    name: "a file that the project names",
    provider: "token",
    settings: () => ({ file: "/t" }),
    files: () => ({ "/t": "canary-2\n" }),
    gives: ["Authorization", "Bearer canary-2"],
    how: "ambient",
  },
  {
    name: "a cookie",
    provider: "cookie",
    env: () => ({ KFK_COOKIE: "Cookie: s=canary-3; t=4" }),
    gives: ["Cookie", "s=canary-3; t=4"],
    how: "given",
  },
  {
    name: "user and password",
    provider: "basic",
    env: () => ({ KFK_BASIC_USER: "me", KFK_BASIC_PASSWORD: "pä:ss" }),
    gives: ["Authorization", `Basic ${Buffer.from("me:pä:ss").toString("base64")}`],
    principal: "me",
    how: "given",
  },
  {
    name: "password in a file",
    provider: "basic",
    env: () => ({ KFK_BASIC_USER: "me", KFK_BASIC_PASSWORD_FILE: "/p" }),
    files: () => ({ "/p": "secret\n" }),
    gives: ["Authorization", `Basic ${btoa("me:secret")}`],
    principal: "me",
    how: "given",
  },
  {
    name: "the pod's volume",
    provider: "service-account",
    files: () => ({ "/var/run/secrets/kubeflow/pipelines/token": "canary-4" }),
    gives: ["Authorization", "Bearer canary-4"],
    how: "ambient",
  },
  {
    name: "the pod's volume elsewhere",
    provider: "service-account",
    env: () => ({ KF_PIPELINES_SA_TOKEN_PATH: "/v" }),
    files: () => ({ "/v": "canary-5" }),
    gives: ["Authorization", "Bearer canary-5"],
    how: "ambient",
  },
  {
    name: "a certificate",
    provider: "mtls",
    env: () => ({ KFK_CLIENT_CERT: "/c.pem", KFK_CLIENT_KEY: "/k.pem" }),
    files: () => PEM,
    gives: "tls",
    principal: "the certificate in /c.pem",
    how: "given",
  },
  {
    name: "a program that prints a token",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: '["give", "token"]' }),
    prints: "canary-6",
    gives: ["Authorization", "Bearer canary-6"],
    how: "given",
  },
  {
    name: "a program of the person's configuration",
    provider: "exec",
    settings: () => ({ command: ["give"], output: "cookie" }),
    prints: "a=canary",
    gives: ["Cookie", "a=canary"],
    how: "ambient",
  },
  {
    name: "a program that prints an ExecCredential",
    provider: "exec",
    settings: () => ({ command: ["give"] }),
    prints: CREDENTIAL,
    gives: ["Authorization", "Bearer canary-exec"],
    how: "ambient",
  },
  {
    name: "a service account",
    provider: "iap",
    ...google("serviceAccount"),
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "given",
  },
  {
    name: "impersonation by a user",
    provider: "iap",
    ...google("impersonated"),
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "given",
  },
  {
    name: "impersonation by KFK_IMPERSONATE",
    provider: "iap",
    files: () => ({ "/adc.json": idp.files.user }),
    env: () => ({ ...googleEnv(), KFK_IMPERSONATE: ACCOUNT }),
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "given",
  },
  {
    name: "workload identity federation",
    provider: "iap",
    files: () => ({ "/adc.json": idp.files.external() }),
    env: googleEnv,
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "given",
  },
  {
    name: "workload identity federation from a file",
    provider: "iap",
    files: () => ({
      "/adc.json": idp.files.external({ credential_source: { file: "/sub" } }),
      "/sub": "canary-subject-token\n",
    }),
    env: googleEnv,
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "given",
  },
  {
    name: "the metadata server",
    provider: "iap",
    env: () => ({
      IAP_CLIENT_ID: "",
      KF_PIPELINES_IAP_OAUTH2_CLIENT_ID: IAP_CLIENT,
      GCE_METADATA_HOST: new URL(idp.url).host,
    }),
    gives: ["Authorization", { audience: IAP_CLIENT, email: ACCOUNT }],
    principal: ACCOUNT,
    how: "ambient",
  },
  {
    name: "the browser login of the kfp SDK",
    provider: "iap",
    env: () => ({ HOME: "/h", IAP_CLIENT_ID: IAP_CLIENT, KFK_GOOGLE_ENDPOINT: idp.url }),
    files: () => ({
      "/h/.config/kfp/credentials.json": JSON.stringify({
        [IAP_CLIENT]: { other_client_id: "desktop", other_client_secret: "x", refresh_token: USER_REFRESH },
      }),
    }),
    gives: ["Authorization", { audience: IAP_CLIENT, email: "someone@example.org" }],
    principal: "someone@example.org",
    how: "ambient",
  },
  {
    name: "the client that the project names",
    provider: "iap",
    settings: () => ({ client_id: IAP_CLIENT }),
    files: () => ({ "/adc.json": idp.files.serviceAccount }),
    env: () => ({ ...googleEnv(), IAP_CLIENT_ID: "" }),
    gives: ["Authorization", { audience: IAP_CLIENT }],
    principal: ACCOUNT,
    how: "ambient",
  },
  {
    name: "a JWT of its own key",
    provider: "iap-jwt",
    ...google("serviceAccount"),
    gives: ["Authorization", { audience: "https://kf.example.org/*" }],
    principal: ACCOUNT,
    how: "asked",
  },
  {
    name: "a JWT by signJwt",
    provider: "iap-jwt",
    files: () => ({ "/adc.json": idp.files.external() }),
    env: googleEnv,
    gives: ["Authorization", { audience: "https://kf.example.org/*" }],
    principal: ACCOUNT,
    how: "asked",
  },
  {
    name: "a service account",
    provider: "inverting-proxy",
    target: PROXY,
    ...google("serviceAccount"),
    gives: "access",
    principal: ACCOUNT,
    how: "ambient",
  },
  {
    name: "a user of gcloud",
    provider: "inverting-proxy",
    target: PROXY,
    files: () => ({ "/h/.config/gcloud/application_default_credentials.json": idp.files.user }),
    env: () => ({ HOME: "/h", KFK_GOOGLE_ENDPOINT: idp.url }),
    gives: "access",
    how: "ambient",
  },
  {
    name: "workload identity federation",
    provider: "inverting-proxy",
    target: PROXY,
    files: () => ({ "/adc.json": idp.files.external() }),
    env: googleEnv,
    gives: "access",
    principal: ACCOUNT,
    how: "ambient",
  },
  {
    name: "the metadata server",
    provider: "inverting-proxy",
    target: PROXY,
    env: () => ({ GCE_METADATA_HOST: new URL(idp.url).host }),
    gives: "access",
    how: "ambient",
  },
  {
    name: "client credentials of variables",
    provider: "oidc",
    env: () => ({
      KFK_OIDC_TOKEN_URL: `${idp.url}/oidc/token`,
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: OIDC_SECRET,
    }),
    gives: "access",
    principal: "team",
    how: "given",
  },
  {
    name: "client credentials of kubeflow.yaml",
    provider: "oidc",
    settings: () => ({ token_url: `${idp.url}/oidc/token`, client_id: "team" }),
    env: () => ({ KFK_OIDC_CLIENT_SECRET: OIDC_SECRET }),
    gives: "access",
    principal: "team",
    how: "ambient",
  },
  {
    name: "a cookie",
    provider: "kfp-context",
    env: () => ({ HOME: "/h" }),
    files: () => ({ "/h/.config/kfp/context.json": '{"client_authentication_cookie": "s=canary-7"}' }),
    gives: ["Cookie", "s=canary-7"],
    how: "ambient",
  },
  {
    name: "a header",
    provider: "kfp-context",
    env: () => ({ HOME: "/h" }),
    files: () => ({
      "/h/.config/kfp/context.json":
        '{"client_authentication_header_name": "X-Auth", "client_authentication_header_value": "canary-8"}',
    }),
    gives: ["X-Auth", "canary-8"],
    how: "ambient",
  },
  {
    name: "a token",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/none:/k" }),
    files: () => ({ "/k": idp.files.kubeconfig(`{token: "${KUBE_TOKEN}"}`) }),
    gives: ["Authorization", { audience: "pipelines.kubeflow.org" }],
    principal: "system:serviceaccount:team-a:default-editor",
    how: "asked",
  },
  {
    name: "an exec plugin",
    provider: "kubeconfig",
    env: () => ({ HOME: "/h" }),
    files: () => ({
      "/h/.kube/config": idp.files.kubeconfig(
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: plugin, args: [get-token], interactiveMode: Never}}",
      ),
    }),
    prints: CREDENTIAL.replace("canary-exec", KUBE_TOKEN),
    gives: ["Authorization", { audience: "pipelines.kubeflow.org" }],
    principal: "system:serviceaccount:team-a:default-editor",
    how: "asked",
  },
];

function contextOf(one: Pick<Case, "env" | "files" | "settings" | "prints">, hidden: string[] = []): AuthContext {
  const world = fakeWorld({
    env: one.env?.() ?? {},
    files: one.files?.() ?? {},
    fetch: (url, init) => fetch(url, init),
    ...(one.prints === undefined ? {} : { spawn: (_command, { onLine }) => printing(one.prints ?? "", onLine) }),
  });
  const secrets = {
    hide: (text: string) => void hidden.push(text),
    redact: (text: string) => text,
    variablesIn: () => [],
    holdsTold: () => false,
  };
  return authContext({ ...world, secrets }, one.settings?.() ?? {});
}

/** A throw-away certificate and its key. */
function makePair(): { readonly "/c.pem": string; readonly "/k.pem": string } {
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const argv = ["req", "-x509", ...kind, "-keyout", "-", "-days", "2", "-subj", "/CN=me"];
  const text = Bun.spawnSync(["openssl", ...argv], { stdin: "ignore" }).stdout.toString();
  const part = (form: RegExp): string => `${form.exec(text)?.[0]}\n`;
  return {
    "/c.pem": part(/-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/),
    "/k.pem": part(/-----BEGIN PRIVATE KEY-----[\s\S]*-----END PRIVATE KEY-----/),
  };
}

function printing(text: string, onLine: ((line: string, stream: "stdout") => void) | undefined): Child {
  for (const line of text.split("\n")) onLine?.(line, "stdout");
  return { pid: 1, ended: Promise.resolve({ code: 0, signal: null }), kill: () => undefined };
}

const find = (name: string) => [...SHIPPED, ...BESIDE].find((each) => each.name === name);

describe("every way to log in", () => {
  test.each(CASES.map((each) => [`${each.provider}: ${each.name}`, each] as const))("%s", async (_name, one) => {
    const provider = find(one.provider);
    const context = contextOf(one);
    const target = one.target ?? TARGET;
    expect(provider?.applies(target, context)?.how ?? "asked").toBe(one.how);
    const hidden: string[] = [];
    const login = (await provider?.login(target, contextOf(one, hidden))) as Login;
    // whatever is sent was told to be secret, and so was what it was got with
    for (const [name, text] of Object.entries(login.headers)) {
      const token = text.replace(/^\w+ /, "");
      const isOwn = ["token", "service-account", "exec", "iap", "iap-jwt", "oidc", "kubeconfig"].includes(one.provider);
      if (name === "Authorization" && isOwn) expect(hidden).toContain(token);
    }
    const files = Object.values(one.files?.() ?? {}).join("\n");
    for (const secret of [USER_REFRESH, OIDC_SECRET, KUBE_TOKEN, GITHUB_TOKEN]) {
      const isUsed = files.includes(secret) || Object.values(one.env?.() ?? {}).includes(secret);
      if (isUsed && one.provider !== "iap-jwt") expect(hidden).toContain(secret);
    }
    expect(login.origin ?? target.origin).toBe(target.origin);
    if (login.expiresAtMs !== undefined) expect(login.expiresAtMs).toBeGreaterThan(NOW);
    if (one.principal !== undefined) expect(login.principal).toBe(one.principal);
    // what is shown holds nothing secret
    const shown = JSON.stringify([login.principal, login.audience, provider?.applies(target, context)?.because]);
    for (const secret of Object.values(login.headers)) expect(shown).not.toContain(secret.replace(/^\w+ /, ""));
    if (one.gives === "tls") {
      expect(login).toEqual({
        headers: {},
        tls: { cert: PEM["/c.pem"], key: PEM["/k.pem"] },
        principal: "the certificate in /c.pem",
      });
      return;
    }
    if (one.gives === "access") {
      expect(Object.keys(login.headers)).toEqual(["Authorization"]);
      expect(login.headers["Authorization"]).toMatch(/^Bearer ya29\./);
      expect(login.expiresAtMs).toBe(NOW - (NOW % 1000) + 3_600_000);
      return;
    }
    const [header, wanted] = one.gives;
    expect(Object.keys(login.headers)).toEqual([header]);
    if (typeof wanted === "string") {
      expect(login.headers[header]).toBe(wanted);
      return;
    }
    const claims = await idp.check((login.headers[header] ?? "").replace("Bearer ", ""), wanted.audience);
    expect(claims?.aud).toEqual(one.provider === "kubeconfig" ? [wanted.audience] : wanted.audience);
    if (wanted.email !== undefined) expect(claims?.["email"]).toBe(wanted.email);
    expect(await idp.check((login.headers[header] ?? "").replace("Bearer ", ""), "somebody-else")).toBeUndefined();
  });

  test.each([...SHIPPED, ...BESIDE].map((each) => [each.name, each] as const))(
    "%s: nothing on the machine is no login",
    (_name, provider) => {
      const context = contextOf({});
      if (provider.name !== "inverting-proxy") expect(provider.applies(TARGET, context)).toBeUndefined();
      expect(provider.applies(PROXY, context)?.how).toBe(provider.name === "inverting-proxy" ? "ambient" : undefined);
      expect(provider.name).toMatch(/^[a-z][a-z-]*$/);
      expect(CASES.some((each) => each.provider === provider.name) || provider.name === "dex").toBe(true);
    },
  );
});

interface Refusal extends Pick<Case, "name" | "provider" | "env" | "files" | "settings" | "target" | "prints"> {
  /** What the provider of identities answers instead. */
  readonly fails?: () => Response;
  readonly says: string | RegExp;
  readonly kind?: string;
}

const OVER = `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify({ exp: NOW / 1000 - 60 })).toString("base64url")}.x`;
const jwt = (claims: Record<string, unknown>): string =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.canary`;
const REFUSALS: readonly Refusal[] = [
  {
    name: "a token of two lines in a kubeconfig",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/k" }),
    files: () => ({ "/k": idp.files.kubeconfig('{token: "canary\\nb"}') }),
    says: 'the token of the context "here" in kubeconfig is not one token',
  },
  {
    name: "a token for another audience than the configured one",
    provider: "token",
    env: () => ({ KFK_TOKEN: jwt({ aud: ["https://kubernetes.default.svc", "b"] }) }),
    settings: () => ({ audience: "pipelines.kubeflow.org" }),
    says: "the token in KFK_TOKEN is meant for https://kubernetes.default.svc, b, and auth: wants pipelines.kubeflow.org",
  },
  {
    name: "a file's token for another audience",
    provider: "token",
    settings: () => ({ file: "/t", audience: "a" }),
    files: () => ({ "/t": jwt({ aud: "b" }) }),
    says: "the token in /t is meant for b, and auth: wants a",
  },
  {
    name: "the pod's token for the Kubernetes API",
    provider: "service-account",
    env: () => ({ KF_PIPELINES_SA_TOKEN_PATH: "/var/run/secrets/kubernetes.io/serviceaccount/token" }),
    files: () => ({
      "/var/run/secrets/kubernetes.io/serviceaccount/token": jwt({
        iss: "https://kubernetes.default.svc.cluster.local",
        aud: ["https://kubernetes.default.svc.cluster.local"],
      }),
    }),
    says: "the token in /var/run/secrets/kubernetes.io/serviceaccount/token is meant for the Kubernetes API (https://kubernetes.default.svc.cluster.local), and would open more than a pipeline server",
  },
  {
    name: "a provider that gives a token for somebody else",
    provider: "oidc",
    env: () => ({
      KFK_OIDC_TOKEN_URL: `${idp.url}/oidc/token`,
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: OIDC_SECRET,
      KFK_OIDC_AUDIENCE: "kfp",
    }),
    fails: () => Response.json({ access_token: jwt({ aud: "account" }), expires_in: 300 }),
    says: "the token of the OIDC provider is meant for account, and auth: wants kfp",
  },
  {
    name: "a Kubernetes that gives a token for somebody else",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/k" }),
    files: () => ({ "/k": idp.files.kubeconfig(`{token: "${KUBE_TOKEN}"}`) }),
    fails: () =>
      Response.json({ kind: "TokenRequest", status: { token: jwt({ aud: ["https://kubernetes.default.svc"] }) } }),
    says: "the token of Kubernetes is meant for https://kubernetes.default.svc, and auth: wants pipelines.kubeflow.org",
  },
  ...["KFK_OIDC_CLIENT_ID", "KFK_OIDC_CLIENT_SECRET", "KFK_OIDC_TOKEN_URL"].map((name) => ({
    name: `half a login: ${name} alone`,
    provider: "oidc",
    env: () => ({ [name]: "https://id.example.org/canary" }),
    says: `${name === "KFK_OIDC_TOKEN_URL" ? "KFK_OIDC_CLIENT_ID" : "KFK_OIDC_TOKEN_URL"} is missing`,
  })),
  {
    name: "half a login: the password alone",
    provider: "dex",
    env: () => ({ DEX_PASSWORD: "canary" }),
    says: "DEX_USERNAME is missing, and the other half is set",
  },
  {
    name: "half a login: the password's file alone",
    provider: "basic",
    env: () => ({ KFK_BASIC_PASSWORD_FILE: "/p" }),
    files: () => ({ "/p": "canary" }),
    says: "KFK_BASIC_USER is missing, and the other half is set",
  },
  {
    name: "a program that prints nothing",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: "give" }),
    prints: "\n  \n",
    says: "give printed nothing",
  },
  {
    name: "an empty cookie of a program",
    provider: "exec",
    settings: () => ({ command: ["give"], output: "cookie" }),
    prints: "canary",
    says: "what give printed is not of the form name=value",
  },
  {
    name: "a cookie without a value",
    provider: "exec",
    settings: () => ({ command: ["give"], output: "cookie" }),
    prints: "session=",
    says: "what give printed is not of the form name=value",
  },
  {
    name: "output that is no JSON where JSON was promised",
    provider: "exec",
    settings: () => ({ command: ["give"], output: "json" }),
    prints: "canary: not json",
    says: "give printed no ExecCredential",
  },
  {
    name: "an ExecCredential with an empty token",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: "give" }),
    prints: JSON.stringify({ kind: "ExecCredential", apiVersion: "v1", status: { token: "" } }),
    says: "give gave neither token nor certificate",
  },
  {
    name: "an ExecCredential that is over",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: "give" }),
    prints: CREDENTIAL.replace("03:19:05Z", "03:04:05Z"),
    says: "what give gave was valid until 2026-01-02T03:04:05Z, and it is 2026-01-02T03:04:05Z by this machine's clock",
  },
  {
    name: "an ExecCredential with an end that is none",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: "give" }),
    prints: CREDENTIAL.replace("2026-01-02T03:19:05Z", "soon"),
    says: "give gave an end that is no time",
  },
  {
    name: "a program that is another one in every folder",
    provider: "exec",
    settings: () => ({ command: ["./login.sh"] }),
    prints: "canary",
    says: "./login.sh is another program in every folder",
  },
  {
    name: "an output that is not known",
    provider: "exec",
    settings: () => ({ command: ["give"], output: "headers" }),
    prints: "canary",
    says: 'output of auth: exec cannot be "headers"',
  },
  {
    name: "a token of two lines",
    provider: "token",
    env: () => ({ KFK_TOKEN: "a b" }),
    says: "the token in KFK_TOKEN is not one token",
  },
  {
    name: "a JWT that is over",
    provider: "token",
    env: () => ({ KFK_TOKEN: OVER }),
    says: "the token in KFK_TOKEN was valid until 2026-01-02T03:03:05Z, and it is 2026-01-02T03:04:05Z by this machine's clock",
  },
  {
    name: "a missing token file",
    provider: "token",
    env: () => ({ KFK_TOKEN_FILE: "/none" }),
    says: "the token file /none is not there",
    kind: "file",
  },
  {
    name: "an empty token file",
    provider: "service-account",
    env: () => ({ KF_PIPELINES_SA_TOKEN_PATH: "/v" }),
    files: () => ({ "/v": "\n" }),
    says: "the token file /v is empty",
    kind: "file",
  },
  {
    name: "half a login",
    provider: "basic",
    env: () => ({ KFK_BASIC_USER: "me" }),
    says: "KFK_BASIC_PASSWORD is missing, and the other half is set",
  },
  {
    name: "half a login",
    provider: "dex",
    env: () => ({ DEX_USERNAME: "me" }),
    says: "DEX_PASSWORD is missing, and the other half is set",
  },
  {
    name: "half a certificate",
    provider: "mtls",
    env: () => ({ KFK_CLIENT_CERT: "/c.pem" }),
    files: () => PEM,
    says: "a client certificate needs its key, and only one of the two is named",
  },
  {
    name: "a cookie without a name",
    provider: "cookie",
    env: () => ({ KFK_COOKIE: "canary" }),
    says: "the cookie is not of the form name=value",
    kind: "file",
  },
  {
    name: "a program that prints nonsense",
    provider: "exec",
    env: () => ({ KFK_AUTH_EXEC: "give" }),
    prints: '{"kind": "canary"}',
    says: "give printed no ExecCredential",
  },
  {
    name: "a user's login for IAP",
    provider: "iap",
    ...google("user"),
    says: "/adc.json is a user's login, and the Identity-Aware Proxy takes no token of it",
  },
  {
    name: "federation without a service account",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.external({ service_account_impersonation_url: undefined }) }),
    says: "/adc.json names no service account to act as, so there is no ID token",
  },
  {
    name: "a named file that is not there",
    provider: "iap",
    env: googleEnv,
    says: "GOOGLE_APPLICATION_CREDENTIALS names /adc.json, which is not there",
    kind: "file",
  },
  {
    name: "a file of another type",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": '{"type": "gdch"}' }),
    says: '/adc.json is of the type "gdch", which is not known here',
    kind: "file",
  },
  {
    name: "a credential file that leads elsewhere",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.serviceAccount.replace(`${idp.url}/token`, "https://evil.example/token") }),
    says: "token_uri of the credential file leads to https://evil.example, which is not Google's",
  },
  {
    name: "a credential file that leads to loopback without leave",
    provider: "iap",
    env: () => ({ ...googleEnv(), KFK_GOOGLE_ENDPOINT: "" }),
    files: () => ({ "/adc.json": idp.files.serviceAccount }),
    says: /^token_uri of the credential file leads to http:\/\/127\.0\.0\.1:\d+, which is not Google's$/,
  },
  {
    name: "a token endpoint of a look-alike",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.external({ token_url: "https://sts.googleapis.com.evil.example/" }) }),
    says: "token_url of the credential file leads to https://sts.googleapis.com.evil.example, which is not Google's",
  },
  {
    name: "federation with another audience",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.external({ audience: "//other" }) }),
    says: "Google's token exchange (STS) says no (400: invalid_grant: The audience in ID Token does not match the expected audience.)",
  },
  {
    name: "a GitHub job without id-token: write",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.external().replace(GITHUB_TOKEN, "other") }),
    says: "the source of the identity token answers 401",
  },
  {
    name: "a program in a credential file",
    provider: "iap",
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.external({ credential_source: { executable: { command: "evil" } } }) }),
    says: "the credential file names a program to run",
  },
  {
    name: "no right to impersonate",
    provider: "iap",
    env: () => ({ ...googleEnv(), KFK_IMPERSONATE: "other@x" }),
    files: () => ({ "/adc.json": idp.files.user }),
    says: "Google's IAM credentials API says no (403: Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource)",
  },
  {
    name: "a login of gcloud that was revoked",
    provider: "inverting-proxy",
    target: PROXY,
    env: googleEnv,
    files: () => ({ "/adc.json": idp.files.user.replace(USER_REFRESH, "gone") }),
    says: "Google's token endpoint says no (400: invalid_grant: Token has been expired or revoked.)",
  },
  {
    name: "no credentials at all",
    provider: "iap",
    env: () => ({ IAP_CLIENT_ID: IAP_CLIENT, NO_GCE_CHECK: "true" }),
    says: "there are no Google credentials: no GOOGLE_APPLICATION_CREDENTIALS, no login of gcloud, no metadata server",
  },
  {
    name: "a metadata host that is none",
    provider: "iap",
    env: () => ({ IAP_CLIENT_ID: IAP_CLIENT, GCE_METADATA_HOST: "evil.example" }),
    says: "GCE_METADATA_HOST names evil.example, which is no metadata server",
  },
  {
    name: "a host that looks like Google's",
    provider: "inverting-proxy",
    target: { ...TARGET, origin: "https://evil-googleusercontent.com" },
    ...google("serviceAccount"),
    says: "https://evil-googleusercontent.com is not below pipelines.googleusercontent.com, and an access token for all of Google Cloud goes nowhere else",
  },
  {
    name: "plain http at Google's proxy",
    provider: "inverting-proxy",
    target: { ...PROXY, origin: PROXY.origin.replace("https", "http") },
    ...google("serviceAccount"),
    says: /goes nowhere else$/,
  },
  {
    name: "a wrong secret",
    provider: "oidc",
    env: () => ({
      KFK_OIDC_TOKEN_URL: `${idp.url}/oidc/token`,
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: "canary",
    }),
    says: "the OIDC provider says no (401: invalid_client: client authentication failed)",
  },
  {
    name: "a token URL without TLS",
    provider: "oidc",
    env: () => ({
      KFK_OIDC_TOKEN_URL: "http://id.example.org/token",
      KFK_OIDC_CLIENT_ID: "team",
      KFK_OIDC_CLIENT_SECRET: "canary",
    }),
    says: "the OIDC provider: http://id.example.org is asked for a login without TLS",
  },
  {
    name: "a kubeconfig that is not there",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/none" }),
    says: "there is no kubeconfig: /none",
    kind: "file",
  },
  {
    name: "a kubeconfig with a wrong token",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/k" }),
    files: () => ({ "/k": idp.files.kubeconfig("{token: canary}") }),
    says: /^the Kubernetes API at 127\.0\.0\.1:\d+ says no \(401: Unauthorized\)$/,
  },
  {
    name: "an auth-provider of old",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/k" }),
    files: () => ({ "/k": idp.files.kubeconfig("{auth-provider: {name: gcp}}") }),
    says: 'the user "u" of kubeconfig logs in by "gcp", which kubectl itself gave up in 1.26',
  },
  {
    name: "another context",
    provider: "kubeconfig",
    env: () => ({ KUBECONFIG: "/k" }),
    settings: () => ({ context: "prod" }),
    files: () => ({ "/k": idp.files.kubeconfig("{}") }),
    says: 'kubeconfig has no context "prod"; it has here',
  },
];

test.each(REFUSALS.map((each) => [`${each.provider}: ${each.name}`, each] as const))(
  "refused: %s",
  async (_name, one) => {
    let error: (Error & { kind?: string; hint?: string }) | undefined;
    if (one.fails !== undefined) idp.failNext(one.fails());
    try {
      await find(one.provider)?.login(one.target ?? TARGET, contextOf(one));
    } catch (thrown) {
      error = thrown as Error;
    }
    if (typeof one.says === "string") expect(error?.message).toBe(one.says);
    else expect(error?.message).toMatch(one.says);
    expect(error?.kind).toBe(one.kind ?? "refused");
    expect(error?.hint).toBeTruthy();
    expect(`${error?.message} ${error?.hint}`).not.toContain("canary");
  },
);

test("a clock that is wrong is told where Google does not take the assertion", async () => {
  const late = await startIdentity({ nowMs: () => NOW, skewMs: 2 * 3_600_000 });
  try {
    const env = () => ({ ...googleEnv(), KFK_GOOGLE_ENDPOINT: late.url });
    const login = find("iap")?.login(
      TARGET,
      contextOf({ env, files: () => ({ "/adc.json": late.files.serviceAccount }) }),
    );
    await expect(login as Promise<unknown>).rejects.toThrow("this machine's clock is 120 min behind the server's");
  } finally {
    await late.stop();
  }
});

test("an identity provider that is out of order is asked twice, then called unreachable", async () => {
  const busy = () => new Response("no", { status: 503 });
  const one = { env: googleEnv, files: () => ({ "/adc.json": idp.files.serviceAccount }) };
  idp.failNext(busy());
  await find("iap")?.login(TARGET, contextOf(one));
  idp.failNext(busy(), busy());
  const failed = find("iap")?.login(TARGET, contextOf(one)) as Promise<unknown>;
  await expect(failed).rejects.toMatchObject({ message: "Google's token endpoint answers 503", kind: "unreachable" });
});
