/**
 * AI Platform Pipelines: hosts below `pipelines.googleusercontent.com` (and `notebooks.…`) behind Google's inverting
 * proxy, which wants an access token. The host must be exactly such a name, with https: the SDK's own test also fits
 * others' hosts, and would give them a token for the whole project.
 */
import type { AuthProvider } from "../contract.ts";
import { refused } from "./failure.ts";
import { googleAccessToken } from "./google.ts";

export const invertingProxy: AuthProvider = {
  name: "inverting-proxy",
  title: "AI Platform Pipelines, by Google credentials",
  settings: ["impersonate"],
  variables: { impersonate: ["KFK_IMPERSONATE"] },
  applies: ({ origin }) =>
    isInverted(origin) ? { how: "ambient", because: "Google credentials of this machine" } : undefined,
  login: async ({ origin }, context) => {
    if (!isInverted(origin)) {
      throw refused(
        `${origin} is not below pipelines.googleusercontent.com, and an access token for all of Google Cloud goes nowhere else`,
        "use auth: iap, or a token",
      );
    }
    const { token, expiresAtMs, principal } = await googleAccessToken(context);
    return {
      headers: { Authorization: `Bearer ${token}` },
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      ...(principal === undefined ? {} : { principal }),
    };
  },
};

// --- internal ---

function isInverted(origin: string): boolean {
  const { protocol, hostname, port } = new URL(origin);
  return protocol === "https:" && port === "" && /\.(pipelines|notebooks)\.googleusercontent\.com$/.test(hostname);
}
