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
