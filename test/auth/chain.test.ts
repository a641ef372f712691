/** Which way is taken, when it is asked again, who shares the answer, and what is kept back. */
import { describe, expect, test } from "bun:test";
import type { AuthProvider, AuthTarget, Login } from "../../hooks/contract.ts";
import { authContext } from "../../src/cluster/auth-context.ts";
import { buildChain, type Chain, type ChainOptions } from "../../src/cluster/auth.ts";
import type { KfkError } from "../../src/error.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";

interface Made {
  readonly chain: Chain;
  readonly world: FakeWorld;
  readonly asked: AuthTarget["why"][];
  readonly told: string[];
  readonly hidden: string[];
}

function way(
  name: string,
  how: "given" | "ambient",
  login: (why: string) => Login | Promise<Login>,
  seen: string[] = [],
): AuthProvider {
  return {
    name,
    title: name,
    settings: ["file"],
    applies: () => ({ how, because: `${name} is there` }),
    login: async ({ why }) => {
      seen.push(why);
      return await login(why);
    },
  };
}

function make(
  providers: (asked: AuthTarget["why"][], world: FakeWorld) => AuthProvider[],
  more: Partial<ChainOptions> = {},
): Made {
  const world = fakeWorld({ clock: "manual" });
  const asked: AuthTarget["why"][] = [];
  const told: string[] = [];
  const hidden: string[] = [];
  const chain = buildChain({
    clock: world.clock,
    origin: "https://kf.example.org",
    namespace: null,
    providers: providers(asked, world),
    beside: [],
    wanted: null,
    context: (settings) => authContext(world, settings),
    isTrusted: () => Promise.resolve(true),
    hide: (text) => hidden.push(text),
    tell: (text) => told.push(text),
    ...more,
  });
  return { chain, world, asked, told, hidden };
}

const bearer = (text: string, more: Partial<Login> = {}): Login => ({
  headers: { Authorization: `Bearer ${text}` },
  ...more,
});
const sent = async (chain: Chain, again = false) => (await chain.login(again))?.["authorization"]?.reveal();

async function errorOf(work: Promise<unknown>): Promise<Pick<KfkError, "code" | "message" | "hint">> {
  try {
    await work;
  } catch (error) {
    const { code, message, hint } = error as KfkError;
    return { code, message, hint };
  }
  throw new Error("it did not fail");
}

describe("the way that is taken", () => {
  test("what was given goes before what lies around", async () => {
    const { chain } = make(() => [way("a", "ambient", () => bearer("1")), way("b", "given", () => bearer("2"))]);
    expect(await sent(chain)).toBe("Bearer 2");
    expect(chain.state().ways).toEqual([{ name: "b", title: "b", because: "b is there" }]);
  });

  test("a hook of the project goes before all, and may leave it to them", async () => {
    const given = () => [way("b", "given", () => bearer("2"))];
    expect(await sent(make(given, { hook: () => Promise.resolve(bearer("hook")) }).chain)).toBe("Bearer hook");
    expect(await sent(make(given, { hook: () => Promise.resolve(undefined) }).chain)).toBe("Bearer 2");
  });

  test("what lies around is kept back from a host that nobody trusts", async () => {
    const { chain, asked } = make((seen) => [way("a", "ambient", () => bearer("1"), seen)], {
      isTrusted: () => Promise.resolve(false),
    });
    expect(await chain.login(false)).toBeUndefined();
    expect(chain.state().keptBack).toEqual(["a is there"]);
    expect(asked).toEqual([]);
  });

  test("asked for by name, it is refused for such a host", async () => {
    const { chain } = make(() => [way("a", "ambient", () => bearer("1"))], {
      isTrusted: () => Promise.resolve(false),
      wanted: [{ name: "a", settings: {}, isProjects: true }],
    });
    expect(await errorOf(chain.login(false))).toEqual({
      code: "SERVER_LOGIN",
      message: "only the project names https://kf.example.org, so it does not get a is there",
      hint: "if it is yours: set KFK_TRUST_HOSTS=kf.example.org, or give --host yourself",
    });
  });

  test("names and settings that are not known are errors with a suggestion", async () => {
    const wanted = (name: string, settings = {}) => ({ wanted: [{ name, settings, isProjects: false }] });
    const providers = () => [way("token", "given", () => bearer("1"))];
    expect(await errorOf(make(providers, wanted("tokne")).chain.login(false))).toEqual({
      code: "SERVER_LOGIN",
      message: 'there is no way to log in called "tokne"',
      hint: "did you mean token?",
    });
    expect((await errorOf(make(providers, wanted("token", { flie: "x" })).chain.login(false))).hint).toBe(
      "did you mean file?",
    );
  });

  test("two ways join, and may not set the same header", async () => {
    const both = { wanted: ["a", "b"].map((name) => ({ name, settings: {}, isProjects: false })) };
    const cookie = way("b", "given", () => ({ headers: { Cookie: "s=1" } }));
    const joined = await make(() => [way("a", "given", () => bearer("1")), cookie], both).chain.login(false);
    expect(Object.keys(joined ?? {}).toSorted()).toEqual(["authorization", "cookie"]);
    const twice = make(() => [way("a", "given", () => bearer("1")), way("b", "given", () => bearer("2"))], both);
    expect((await errorOf(twice.chain.login(false))).message).toBe(
      "two ways to log in both set the header Authorization",
    );
  });

  test.each(["", "  ", "Bearer", "Bearer ", "Basic "])("an empty header (%p) is no login", async (text) => {
    const { chain } = make(() => [way("a", "given", () => ({ headers: { Authorization: text } }))]);
    expect((await errorOf(chain.login(false))).message).toBe("the header Authorization of the login is empty");
  });

  test("a header of two lines is refused, and not shown", async () => {
    const { chain } = make(() => [way("a", "given", () => bearer("canary\nX-Other: y"))]);
    expect((await errorOf(chain.login(false))).message).toBe(
      "the header Authorization of the login holds what no header can hold",
    );
  });

  test("what comes later asks the server with what came before; a certificate comes first", async () => {
    const seen: { readonly url: string; readonly init: RequestInit & { tls?: unknown } }[] = [];
    const world = fakeWorld({
      fetch: (url, init) => {
        seen.push({ url, init });
        return Promise.resolve(new Response("{}"));
      },
    });
    const asks: AuthProvider = {
      ...way("b", "given", () => bearer("")),
      login: async ({ origin }, context) => {
        await context.fetch(`${origin}/x`, { headers: { cookie: "own=1" } });
        await context.fetch("https://id.example.org/x", {});
        return { headers: { Cookie: "s=1" } };
      },
    };
    const tls = { cert: "C", key: "canary-K" };
    const { chain } = make(
      () => [way("a", "given", () => ({ headers: { Authorization: "Bearer 1", cookie: "gate=2" } })), asks],
      {
        wanted: ["a", "b"].map((name) => ({ name, settings: {}, isProjects: false })),
        beside: [way("c", "given", () => ({ headers: {}, tls }))],
        context: (settings) => authContext(world, settings),
      },
    );
    await chain.login(false);
    expect(seen.map(({ url, init }) => [url, init.headers, init.tls])).toEqual([
      ["https://kf.example.org/x", { authorization: "Bearer 1", cookie: "own=1; gate=2" }, tls],
      ["https://id.example.org/x", {}, undefined],
    ]);
    expect(chain.tls()).toEqual(tls);
    expect(chain.state().ways.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  test("no way falls through to the next", async () => {
    const { chain } = make(() => [
      way("a", "given", () => {
        throw Object.assign(new Error("no key"), { kind: "refused", hint: "make one" });
      }),
      way("b", "given", () => bearer("2")),
    ]);
    expect(await errorOf(chain.login(false))).toEqual({
      code: "SERVER_LOGIN",
      message: "cannot log in to https://kf.example.org (a): no key",
      hint: "make one",
    });
  });

  test("a login for another origin is not sent", async () => {
    const { chain } = make(() => [way("a", "given", () => bearer("1", { origin: "https://evil.example" }))]);
    expect((await errorOf(chain.login(false))).message).toBe(
      "the login is for https://evil.example, and the server is https://kf.example.org",
    );
  });
});

describe("renewal", () => {
  test("sixty seconds before the end, and not before", async () => {
    const { chain, world, asked } = make((seen, { clock }) => [
      way("a", "given", () => bearer(String(seen.length), { expiresAtMs: clock.nowMs() + 900_000 }), seen),
    ]);
    expect(await sent(chain)).toBe("Bearer 1");
    await world.clock.advance(839_000);
    expect(await sent(chain)).toBe("Bearer 1");
    await world.clock.advance(1000);
    expect(await sent(chain)).toBe("Bearer 2");
    expect(asked).toEqual(["first", "expiring"]);
  });

  test("at half of a life that is shorter than two margins", async () => {
    const { chain, world, asked } = make((seen, { clock }) => [
      way("a", "given", () => bearer("x", { expiresAtMs: clock.nowMs() + 30_000 }), seen),
    ]);
    for (let second = 0; second < 30; second++) {
      await sent(chain);
      await world.clock.advance(1000);
    }
    expect(asked).toEqual(["first", "expiring"]);
  });

  test("callers at the same time share one", async () => {
    const { chain, asked, world } = make((seen) => [way("a", "given", () => Promise.resolve(bearer("1")), seen)]);
    const all = await Promise.all(Array.from({ length: 20 }, () => sent(chain)));
    expect(new Set(all)).toEqual(new Set(["Bearer 1"]));
    expect(asked).toEqual(["first"]);
    await Promise.all(Array.from({ length: 20 }, () => sent(chain, true)));
    expect(asked).toEqual(["first", "refused"]);
    await sent(chain, true); // just renewed, and refused: another one would be too
    expect(asked).toEqual(["first", "refused"]);
    await world.clock.advance(10_000);
    await sent(chain, true);
    expect(asked).toEqual(["first", "refused", "refused"]);
  });

  test("three hours over tokens of fifteen minutes: one each, polling every ten seconds", async () => {
    const { chain, world, asked } = make((seen, { clock }) => [
      way("a", "given", () => bearer("x", { expiresAtMs: clock.nowMs() + 900_000 }), seen),
    ]);
    for (let poll = 0; poll < 1080; poll++) {
      await sent(chain);
      await world.clock.advance(10_000);
    }
    expect(asked.length).toBe(13); // three hours ÷ 840 s
  });

  test("one that fails keeps the old login until its end, says so once, and is not tried more often than every ten seconds", async () => {
    let isBroken = false;
    const { chain, world, asked, told } = make((seen, { clock }) => [
      way(
        "a",
        "given",
        () => {
          if (isBroken) throw Object.assign(new Error("the provider is down"), { kind: "unreachable", hint: "wait" });
          return bearer("x", { expiresAtMs: clock.nowMs() + 900_000 });
        },
        seen,
      ),
    ]);
    await sent(chain);
    isBroken = true;
    await world.clock.advance(840_000);
    for (let second = 0; second < 60; second++) {
      expect(await sent(chain, second % 2 === 0)).toBe("Bearer x");
      await world.clock.advance(1000);
    }
    expect(asked.length).toBe(7);
    // it is over: nothing is sent any more, whoever asks
    for (const again of [false, true, false]) {
      expect(await errorOf(chain.login(again))).toEqual({
        code: "SERVER_LOGIN",
        message:
          "the login ended 2026-01-02T03:19:05Z, and there is no new one: cannot log in to https://kf.example.org (a): the provider is down",
        hint: "log in again, then repeat the command",
      });
    }
    expect(asked.length).toBe(8);
    isBroken = false;
    await world.clock.advance(10_000);
    expect(await sent(chain)).toBe("Bearer x");
    expect(told).toEqual(["cannot renew the login: cannot log in to https://kf.example.org (a): the provider is down"]);
  });

  test("what is read anew each time is", async () => {
    let turn = 0;
    const { chain } = make(() => [way("a", "given", () => bearer(String(++turn), { keep: false }))]);
    expect([await sent(chain), await sent(chain)]).toEqual(["Bearer 1", "Bearer 2"]);
  });
});

test("everything that is sent is hidden: the header, the token, each cookie that is long enough to be one", async () => {
  const { chain, hidden } = make(() => [
    way("a", "given", () => ({
      headers: { Authorization: "Bearer t0ken", Cookie: "a=session-one; b=two-of-them; lang=en" },
    })),
  ]);
  await chain.login(false);
  expect(hidden).toEqual([
    "Bearer t0ken",
    "t0ken",
    "a=session-one; b=two-of-them; lang=en",
    "session-one",
    "two-of-them",
  ]);
});

describe("a hook that gave a login", () => {
  const gone = "cannot renew the login: the project's hook auth gave a login before, and gives none now";
  test.each([
    ["undefined", undefined],
    ["no headers", { headers: {} }],
  ])("and gives %s at renewal: the old one is sent until it ends, then nothing", async (_name, next) => {
    const answers: (Login | undefined)[] = [bearer("one")];
    const { chain, world, told } = make(() => [], { hook: () => Promise.resolve(answers.shift() ?? next) });
    answers[0] = bearer("one", { expiresAtMs: world.clock.nowMs() + 1000 });
    expect(await sent(chain)).toBe("Bearer one");
    await world.clock.advance(600);
    expect({ sent: await sent(chain), told }).toEqual({ sent: "Bearer one", told: [gone] });
    await world.clock.advance(600);
    expect((await errorOf(chain.login(false))).code).toBe("SERVER_LOGIN");
  });

  test.each(["Bearer undefined", "Bearer null", "undefined"])("%s is no token", async (text) => {
    const { chain } = make(() => [way("a", "given", () => ({ headers: { Authorization: text } }))]);
    expect((await errorOf(chain.login(false))).message).toBe(
      "the header Authorization of the login has nothing in the place of a token",
    );
  });
});

describe("an end that no date can be", () => {
  test.each([Number.MAX_SAFE_INTEGER, 1e300, -1e300])("%d is none", async (expiresAtMs) => {
    const { chain } = make(() => [way("a", "given", () => bearer("1", { expiresAtMs }))]);
    expect({ sent: await sent(chain), ends: chain.state().expiresAtMs }).toEqual({ sent: "Bearer 1", ends: null });
  });

  test("one in seconds is told", async () => {
    const { chain } = make(() => [way("a", "given", () => bearer("1", { expiresAtMs: 1_800_000_000 }))]);
    expect((await errorOf(chain.login(false))).hint).toBe(
      "expiresAtMs is a time in milliseconds: multiply seconds by 1000",
    );
  });
});

test("who a token is for is shown in one line that steers nothing", async () => {
  const text = "me\u001b[2J\r\n\u202ethem";
  const { chain } = make(() => [way("a", "given", () => bearer("1", { principal: text, audience: text }))]);
  await chain.login(false);
  const { principal, audience } = chain.state();
  expect({ principal, audience }).toEqual({ principal: "me [2J them", audience: "me [2J them" });
});
