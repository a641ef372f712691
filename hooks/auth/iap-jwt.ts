/**
 * Google's Identity-Aware Proxy by a JWT that a service account signs itself, for `https://HOST/*`: needs no OAuth
 * client, so it also fits proxies with a client that Google manages. Asked for by name: `auth: iap-jwt`.
 */
import type { AuthProvider } from "../contract.ts";
import { selfSignedJwt } from "./google.ts";
import { bearerLogin } from "./jwt.ts";

export const iapJwt: AuthProvider = {
  name: "iap-jwt",
  title: "Google Identity-Aware Proxy, by a JWT that a service account signs",
  settings: ["impersonate"],
  variables: { impersonate: ["KFK_IMPERSONATE"] },
  applies: () => undefined,
  login: async (server, context) => {
    const { token, principal } = await selfSignedJwt(context, `${server.origin}/*`);
    return bearerLogin(token, "the signed JWT", context, { principal });
  },
};
