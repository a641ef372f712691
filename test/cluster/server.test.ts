import { describe, expect, test } from "bun:test";
import { connect } from "../../src/cluster/server.ts";
import { fakeWorld } from "../fake-world.ts";
import { errorOf, setUp } from "./setup-server.ts";

const page = (): Response =>
  new Response("<!doctype html><title>Sign in</title>", { headers: { "content-type": "text/html" } });

describe("connect", () => {
  test.each([
    ["2.5.0", true],
    ["2.17.0", true],
    ["1.8.22", false],
  ] as const)("knows what %s can", async (version, keepsRunId) => {
    const server = await setUp(version).connect();
    expect({ version: server.version, keepsRunId: server.keepsRunId, namespace: server.namespace }).toEqual({
      version: version,
      keepsRunId,
      namespace: null,
    });
  });

  test("finds the API below /pipeline when it is not at the root, and the other way round", async () => {
    const inside = setUp("2.17.0", { base: "/pipeline" });
    expect((await inside.connect({ host: inside.fake.url.replace("/pipeline", "") })).ui).toBe(inside.fake.url);
    const alone = setUp();
    expect((await alone.connect({ host: `${alone.fake.url}/pipeline/#/runs` })).ui).toBe(alone.fake.url);
  });

  test("a refused connection is tried again within its budget, and then 5", async () => {
    const { fake, world, connect } = setUp();
    fake.setListening(false);
    const error = await errorOf(connect({ budgetMs: 10_000 }));
    expect([error.code, error.status]).toEqual(["SERVER_UNREACHABLE", 5]);
    expect(error.message).toMatch(
      /^cannot reach http:\/\/127\.0\.0\.1:\d+: connection refused \(GET \/apis\/v2beta1\/healthz: \d+ attempts\)$/,
    );
    expect(world.clock.monotonicMs()).toBeLessThan(10_000);
  });

  test("a login page is 4, whether it comes as a page or as a redirect", async () => {
    for (const answer of [page, () => Response.redirect("https://login.example.org/start?state=secret", 302)]) {
      const { fake, connect } = setUp();
      fake.addFault({ answer, times: 9 });
      const error = await errorOf(connect());
      expect([error.code, error.status]).toEqual(["SERVER_GATE", 4]);
      expect(error.message).not.toContain("secret");
    }
  });

  test("a server that wants a login is 4", async () => {
    const error = await errorOf(setUp("2.17.0", { token: () => "t" }).connect());
    expect([error.code, error.status]).toEqual(["SERVER_LOGIN", 4]);
    expect(error.hint).toBe("log in: give a valid token with --token-file");
  });

  test("a token is read again when it was replaced meanwhile, and never shown", async () => {
    let wanted = "first-token";
    const files = { "/token": "first-token\n" };
    const { fake, world, connect } = setUp("2.17.0", { token: () => wanted, files });
    await connect({ tokenFile: "/token" });
    wanted = "second-token";
    fake.addFault({
      answer: () => {
        world.files.write("/token", "second-token");
        return new Response("{}", { status: 401 });
      },
    });
    const server = await connect({ tokenFile: "/token" });
    expect(JSON.stringify(server)).not.toContain("second-token");
    wanted = "third-token";
    const error = await errorOf(connect({ tokenFile: "/token" }));
    expect([error.code, `${error.message}${error.hint}`.includes("second-token")]).toEqual(["SERVER_LOGIN", false]);
  });

  test.each([
    ["missing", {}, "the token file /token is not there"],
    ["empty", { "/token": " \n" }, "the token file /token is empty"],
    ["two lines", { "/token": "a\nb" }, "the token file /token is not one token"],
  ])("a token file that is %s is refused", async (_, files, message) => {
    const error = await errorOf(setUp("2.17.0", { files }).connect({ tokenFile: "/token" }));
    expect([error.code, error.message]).toEqual(["SERVER_TOKEN_FILE", message]);
  });

  test("Retry-After is obeyed", async () => {
    const { fake, world, connect } = setUp();
    fake.addFault({ answer: () => new Response("slow down", { status: 429, headers: { "retry-after": "20" } }) });
    await connect();
    expect(world.clock.monotonicMs()).toBe(20_000);
  });

  test("an answer that does not come ends at the deadline of the attempt", async () => {
    const { fake, world, connect } = setUp();
    fake.addFault({ answer: "hang" });
    const connecting = connect({ requestTimeoutMs: 3000 });
    while (fake.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await world.clock.advance(3000);
    expect((await connecting).version).toBe("2.17.0");
  });

  test("a server for many users wants a namespace", async () => {
    const setup = setUp("2.17.0", { multiUser: true });
    expect((await errorOf(setup.connect())).message).toBe("this server is for many users, and no namespace is given");
    expect((await setup.connect({ namespace: "team-a" })).namespace).toBe("team-a");
  });

  test("what is not KFP is said to be no KFP", async () => {
    const world = fakeWorld({ fetch: () => Promise.resolve(Response.json({ hello: 1 })) });
    const error = await errorOf(connect(world, { host: "http://localhost:1" }));
    expect(error.message).toBe("http://localhost:1 is not Kubeflow Pipelines: no API answers there");
  });

  const gone = (): Response =>
    new Response("<html>no</html>", { status: 404, headers: { "content-type": "text/html" } });
  const blocked = (): Response => new Response("no", { status: 403 });
  const missing = (): Response => Response.json({ code: 5, message: "Not Found", details: [] }, { status: 404 });
  const withHealth = async (tag: string, newer: () => Response) => {
    const world = fakeWorld({
      fetch: (url) => {
        if (url.includes("/v1beta1/healthz"))
          return Promise.resolve(Response.json({ tag_name: tag, multi_user: false }));
        return Promise.resolve(url.includes("/v2beta1/healthz") ? gone() : newer());
      },
    });
    return await connect(world, { host: "http://localhost:1" });
  };

  test.each([
    ["of before 2.0 by its version", "1.8.22", gone, false],
    ["of an unknown version, which knows nothing of v2beta1", "vendor", gone, false],
    ["of an unknown version, which says so itself", "vendor", missing, false],
    ["of an unknown version, which lists by v2beta1", "vendor", () => Response.json({}), true],
    ["of 2.x, which lists by v2beta1", "2.5.0", () => Response.json({}), true],
    [
      "of 2.x, which wants to know who asks",
      "2.5.0",
      () => Response.json({ code: 16, message: "who?" }, { status: 401 }),
      true,
    ],
  ] as const)("a server whose v2beta1 health is hidden: %s", async (_, tag, newer, keepsRunId) => {
    expect((await withHealth(tag, newer)).keepsRunId).toBe(keepsRunId);
  });

  test.each([
    ["2.5.0", gone],
    ["2.5.0", blocked],
    ["vendor", blocked],
  ] as const)(
    "a server that calls itself %s behind something that lets v1beta1 through alone is refused",
    async (tag, newer) => {
      const error = await errorOf(withHealth(tag, newer));
      expect([error.code, error.message]).toEqual([
        "SERVER_GATE",
        `http://localhost:1 is Kubeflow Pipelines ${tag}, and /apis/v2beta1 does not answer there: something on the way lets only v1beta1 through`,
      ]);
    },
  );

  test("requests say who asks", async () => {
    const { fake, connect } = setUp();
    await connect({ version: "1.2.3" });
    expect(fake.requests[0]?.headers.get("user-agent")).toBe("kfk/1.2.3");
  });
});
