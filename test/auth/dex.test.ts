/** Dex's login page in all its generations, filled in and refused. */
import { afterEach, describe, expect, test } from "bun:test";
import { dex } from "../../hooks/auth/dex.ts";
import type { Login } from "../../hooks/contract.ts";
import { authContext } from "../../src/cluster/auth-context.ts";
import { fakeWorld } from "../fake-world.ts";
import { type DexGate, type DexGateOptions, PASSWORD, startDexGate, USER } from "../judges/dex-gate.ts";

let gate: DexGate | undefined;
afterEach(async () => await gate?.stop());

const GOOD = { DEX_USERNAME: USER, DEX_PASSWORD: PASSWORD };

async function logIn(options: DexGateOptions, env: Record<string, string> = GOOD): Promise<Login> {
  gate = startDexGate({ nowMs: () => Date.UTC(2026, 0, 2), ...options });
  const world = fakeWorld({ env, fetch: (url, init) => fetch(url, init) });
  return await dex.login({ origin: gate.url, namespace: null, why: "first" }, authContext(world, {}));
}

async function isTaken(login: Login): Promise<boolean> {
  const response = await fetch(`${gate?.url}/pipeline/apis/v2beta1/healthz`, {
    headers: login.headers,
    redirect: "manual",
  });
  return response.status === 200;
}

const MORE: readonly (readonly [string, Partial<DexGateOptions>])[] = [
  ["one connector", {}],
  ["a list of connectors", { connectors: ["ldap", "local", "github"] }],
  ["an approval page", { approval: true }],
  ["split cookies", { isSplit: true }],
  ["Secure cookies over a port-forward", { isSecure: true }],
];

describe.each(["1.5", "1.8", "1.9.0", "1.9.1"] as const)("Kubeflow %s", (kubeflow) => {
  test.each(MORE)("%s", async (_name, more) => {
    const login = await logIn({ kubeflow, ...more });
    expect(login.principal).toBe(USER);
    expect(login.expiresAtMs).toBe(Date.UTC(2026, 0, 2, 3, 4, 5) + 86_400_000);
    expect(Object.keys(login.headers)).toEqual(["Cookie"]);
    expect(login.headers["Cookie"]).not.toContain("csrf");
    expect(await isTaken(login)).toBe(true);
  });

  test("a wrong password", async () => {
    const work = logIn({ kubeflow }, { ...GOOD, DEX_PASSWORD: "canary-wrong" });
    await expect(work).rejects.toMatchObject({
      message: "Dex does not take DEX_USERNAME with DEX_PASSWORD",
      kind: "refused",
    });
    expect(gate?.logins()).toBe(0);
  });

  test("a connector that is not there", async () => {
    const work = logIn({ kubeflow, connectors: ["ldap", "github"] });
    await expect(work).rejects.toMatchObject({
      message: 'Dex offers no connector "local"',
      hint: "set DEX_CONNECTOR to one of ldap, github",
    });
  });

  test("an identity provider elsewhere gets no password", async () => {
    const seen: string[] = [];
    const other = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        seen.push(await request.text());
        return new Response("");
      },
    });
    try {
      const work = logIn({ kubeflow, elsewhere: `${other.url.origin}/login` });
      await expect(work).rejects.toThrow(`the login leads to ${other.url.origin}, an identity provider of its own`);
      const again = logIn({ kubeflow, repeats: `${other.url.origin}/login` });
      await expect(again).rejects.toThrow("wants the password sent on");
      expect(seen).toEqual([]);
    } finally {
      await other.stop(true);
    }
  });
});

test("a server that asks for no login gets none", async () => {
  const open = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>") });
  const world = fakeWorld({ env: GOOD, fetch: (url, init) => fetch(url, init) });
  try {
    const login = await dex.login({ origin: open.url.origin, namespace: null, why: "first" }, authContext(world, {}));
    expect(login.headers).toEqual({});
  } finally {
    await open.stop(true);
  }
});

describe("what is no login", () => {
  /** A gate of one's own before an API at /pipeline: `answer` gives the answer for a path, undefined leaves it to the gate. */
  async function logInAt(
    answer: (path: string, request: Request, origin: string) => Response | undefined,
    more: { readonly bases?: readonly string[] } = {},
  ): Promise<Login> {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        const url = new URL(request.url);
        const own = answer(url.pathname, request, url.origin);
        if (own !== undefined) return own;
        if (url.pathname === "/dex/auth") return Response.redirect("/dex/auth/local?req=1", 302);
        if (url.pathname === "/dex/auth/local") {
          return request.method === "POST"
            ? new Response(null, { status: 303, headers: { location: "/login/oidc?code=1&state=2" } })
            : new Response("<form>");
        }
        if (url.pathname === "/login/oidc") {
          return new Response(null, { status: 302, headers: { location: "/", "set-cookie": "session=good-session" } });
        }
        if (/session=good-session/.test(request.headers.get("cookie") ?? ""))
          return Response.json({ tag_name: "2.5.0" });
        const headers = { location: "/dex/auth?client_id=x", "set-cookie": "AWSALB=load-balancer; Path=/" };
        return new Response(null, { status: 302, headers });
      },
    });
    const world = fakeWorld({ env: GOOD, fetch: (url, init) => fetch(url, init) });
    try {
      const target = { origin: server.url.origin, namespace: null, why: "first" as const, ...more };
      return await dex.login(target, authContext(world, {}));
    } finally {
      await server.stop(true);
    }
  }

  test("the gate as it should be", async () => {
    expect((await logInAt(() => undefined)).headers["Cookie"]).toContain("session=good-session");
  });

  test.each([
    [500, "oops"],
    [400, "CSRF check failed."],
    [403, "Unable to find a valid CSRF token."],
  ])("a callback that ends in %d, beside a cookie of the load balancer", async (status, text) => {
    const work = logInAt((path) => (path === "/login/oidc" ? new Response(text, { status }) : undefined));
    await expect(work).rejects.toMatchObject({
      message: `the login ended at /login/oidc (${status}), and the server does not let us in`,
      kind: "refused",
    });
  });

  test("a session that the API does not take", async () => {
    const work = logInAt((path) =>
      path.includes("/apis/") ? new Response(null, { status: 302, headers: { location: "/dex/auth?x" } }) : undefined,
    );
    await expect(work).rejects.toThrow("and the server does not let us in");
  });

  test("a page for all at the root is no open server: the API is asked", async () => {
    const login = await logInAt((path) => (path === "/" ? new Response("<html>welcome") : undefined));
    expect(login.headers["Cookie"]).toContain("session=good-session");
    expect(login.principal).toBe(USER);
  });

  test("an API that asks for no login gets no password", async () => {
    const posts: string[] = [];
    const login = await logInAt((path, request) => {
      if (request.method === "POST") posts.push(path);
      return path === "/pipeline/apis/v2beta1/healthz" ? Response.json({ tag_name: "2.5.0" }) : undefined;
    });
    expect({ login, posts }).toEqual({
      login: { headers: {}, principal: "nobody: the server asks for no login" },
      posts: [],
    });
  });

  test("what a callback says of the password is hidden before it is cut", async () => {
    const world = fakeWorld({ env: GOOD, fetch: (url, init) => fetch(url, init) });
    const hidden: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname !== "/dex/auth/local") return Response.redirect("/dex/auth/local?req=1", 302);
        if (request.method === "GET") return new Response("<form>");
        const password = new URLSearchParams(await request.text()).get("password") ?? "";
        const error = encodeURIComponent(`${"x".repeat(57)}${password}`);
        return new Response(null, { status: 303, headers: { location: `/login/oidc?error=${error}` } });
      },
    });
    const context = {
      ...authContext(world, {}),
      hide: (text: string) => hidden.push(text),
      redact: (text: string) => text.replace(GOOD.DEX_PASSWORD, "-"),
    };
    const work = dex.login({ origin: server.url.origin, namespace: null, why: "first" }, context);
    await expect(work).rejects.toThrow(`the login ended with "${"x".repeat(57)}-"`);
    await server.stop(true);
  });

  test("a session that is over at once is no wrong password", async () => {
    const headers = { location: "/", "set-cookie": "session=good-session; Max-Age=0" };
    const work = logInAt((path) => (path === "/login/oidc" ? new Response(null, { status: 302, headers }) : undefined));
    await expect(work).rejects.toThrow(
      "Dex took the password, and the server asks for it again: the session that it gave is over at once, or not taken",
    );
  });

  test("a second factor", async () => {
    const work = logInAt((path, request) => {
      if (path === "/dex/auth/local" && request.method === "POST") {
        return new Response(null, { status: 303, headers: { location: "/dex/totp?req=1" } });
      }
      return path === "/dex/totp" ? new Response("<form><input name=totp>") : undefined;
    });
    await expect(work).rejects.toMatchObject({
      message: "Dex asks for more than the password, at /dex/totp",
      hint: "log in with a browser and use KFK_COOKIE, or a service account's token",
    });
  });

  test.each(["99999999999999", "1e300", "Infinity", "nonsense", ""])("a cookie of Max-Age=%s", async (age) => {
    const login = await logInAt((path) =>
      path === "/login/oidc"
        ? new Response(null, {
            status: 302,
            headers: { location: "/", "set-cookie": `session=good-session; Max-Age=${age}` },
          })
        : undefined,
    );
    if (login.expiresAtMs !== undefined) {
      expect(login.expiresAtMs).toBeLessThanOrEqual(Date.UTC(2026, 0, 2, 3, 4, 5) + 400 * 86_400_000 + 1000);
      expect(() => new Date(login.expiresAtMs ?? 0).toISOString()).not.toThrow();
    }
  });
});
