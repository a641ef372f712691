/** Headers of the hook `auth` on the way to a server: asked once, asked again when they are refused, never shown. */
import { describe, expect, test } from "bun:test";
import { makeSecret } from "../../src/cluster/secret.ts";
import { connect } from "../../src/cluster/server.ts";
import { KfkError } from "../../src/error.ts";
import { fakeWorld } from "../fake-world.ts";

interface Seen {
  readonly headers: string[];
  readonly asked: [string, boolean][];
}

/** A server that takes `good` only, and a login that gives one value after the other. */
async function connectWith(values: readonly string[], good: string): Promise<Seen & { readonly error: unknown }> {
  const seen: Seen = { headers: [], asked: [] };
  const world = fakeWorld({
    files: { "/token": "from-file" },
    fetch: (_url, init) => {
      const given = new Headers(init.headers).get("x-team") ?? "none";
      seen.headers.push(given);
      if (given !== good) return Promise.resolve(new Response("{}", { status: 401 }));
      return Promise.resolve(Response.json({ apiServerTagName: "2.5.0", apiServerReady: true, multi_user: false }));
    },
  });
  let turn = 0;
  const login = (origin: string, again: boolean) => {
    seen.asked.push([origin, again]);
    if (again) turn++;
    return Promise.resolve({ "X-Team": makeSecret(values[Math.min(turn, values.length - 1)] as string) });
  };
  try {
    await connect(world, { host: "http://h/pipeline", tokenFile: "/token", login });
    return { ...seen, error: undefined };
  } catch (error) {
    return { ...seen, error };
  }
}

test("an attempt after a pause takes the login of that moment", async () => {
  const sent: string[] = [];
  const world = fakeWorld({
    fetch: (_url, init) => {
      sent.push(new Headers(init.headers).get("x-team") ?? "none");
      if (sent.length < 3)
        return Promise.resolve(new Response("busy", { status: 503, headers: { "retry-after": "20" } }));
      return Promise.resolve(Response.json({ apiServerTagName: "2.5.0", apiServerReady: true, multi_user: false }));
    },
  });
  const login = () => Promise.resolve({ "X-Team": makeSecret(`at ${Math.round(world.clock.monotonicMs() / 1000)} s`) });
  await connect(world, { host: "http://h/pipeline", login });
  expect(sent.slice(0, 3)).toEqual(["at 0 s", "at 20 s", "at 40 s"]);
});

describe("headers that a hook gives", () => {
  test("are sent instead of the token file", async () => {
    const { headers, asked, error } = await connectWith(["canary-1"], "canary-1");
    expect({ error, headers: [...new Set(headers)], asked: asked[0] }).toEqual({
      error: undefined,
      headers: ["canary-1"],
      asked: ["http://h", false],
    });
  });

  test("are asked for again when they are refused", async () => {
    const { headers, error } = await connectWith(["canary-1", "canary-2"], "canary-2");
    expect({ error, headers: headers.slice(0, 2) }).toEqual({ error: undefined, headers: ["canary-1", "canary-2"] });
  });

  test("are not sent twice when they are still the same, and are in no message", async () => {
    const { headers, error } = await connectWith(["canary-1"], "canary-2");
    expect(headers).toEqual(["canary-1"]);
    expect((error as KfkError).code).toBe("SERVER_LOGIN");
    expect(JSON.stringify([(error as KfkError).message, (error as KfkError).hint, error])).not.toContain("canary");
  });
});
