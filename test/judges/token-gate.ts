/**
 * A provider of tokens that fails as a seed says, and a gate before a server that takes tokens until they end. In the
 * process, for worlds whose time does not really pass.
 */
import type { World } from "../../src/world.ts";

/** Variables that make kfk ask the provider for its tokens. */
export const TOKEN_ENV = {
  KFK_OIDC_TOKEN_URL: "https://idp.example/token",
  KFK_OIDC_CLIENT_ID: "team",
  KFK_OIDC_CLIENT_SECRET: "s3cret-of-team",
  KFK_ALLOW_HTTP: "1",
};

/** A provider of tokens that fails as its seed says, and a gate that takes them until they end; undefined: let through. */
export function loginGate(
  clock: World["clock"],
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
): (url: string, init: RequestInit) => Promise<Response | undefined> {
  const ends = new Map<string, number>();
  const rate = pick([0, 0.1, 0.4, 0.9]);
  const longestS = pick([30, 120, 900]);
  const turnedAway = pick([0, 0, 0.05]);
  return async (url, init) => {
    if (!url.startsWith("https://idp.example/")) {
      const token = new Headers(init.headers).get("authorization") ?? "";
      const isGood = clock.monotonicMs() <= (ends.get(token) ?? -1) && random() >= turnedAway;
      return isGood ? undefined : new Response("Jwt is expired", { status: 401 });
    }
    switch (random() < rate ? pick(["hang", "slow", "refused", "400", "500"]) : "") {
      case "hang":
        await clock.sleep(86_400_000, init.signal ?? undefined);
        throw init.signal?.reason;
      case "slow":
        await clock.sleep(random() * 60_000, init.signal ?? undefined);
        if (init.signal?.aborted) throw init.signal.reason;
        break;
      case "refused":
        throw Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" });
      case "400":
        return Response.json({ error: "invalid_client" }, { status: 400 });
      case "500":
        return new Response("oops", { status: 500 });
    }
    const token = `token-${ends.size + 1}`;
    const expiresS = Math.round(5 + random() * longestS);
    ends.set(`Bearer ${token}`, clock.monotonicMs() + expiresS * 1000);
    return Response.json({ access_token: token, token_type: "Bearer", expires_in: expiresS });
  };
}
