/**
 * A real OpenID Connect provider (npm `oidc-provider`), started by `gate.test.ts` in a process of its own:
 * `bun oidc-provider.ts FOLDER PORT REDIRECT LIFE_S`. FOLDER holds `node_modules`. Clients: `team` (client credentials,
 * tokens are JWTs for the gate), `stranger` (the same, for somebody else), `gate` (oauth2-proxy, browser login).
 */
import { join } from "node:path";

const [folder = "", port = "", redirect = "", life = "600"] = process.argv.slice(2);
const { default: Provider } = (await import(join(folder, "node_modules/oidc-provider/lib/index.js"))) as {
  default: new (
    issuer: string,
    options: unknown,
  ) => { listen: (port: number, host: string, ready: () => void) => void };
};

const credentials = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: "team", client_secret: "canary secret/+", ...credentials },
    { client_id: "stranger", client_secret: "canary-other", ...credentials },
    {
      client_id: "gate",
      client_secret: "canary-gate",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      redirect_uris: [redirect],
    },
  ],
  ttl: { ClientCredentials: Number(life) },
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  pkce: { required: () => false },
  conformIdTokenClaims: false,
  findAccount: (_context: unknown, id: string) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true }),
  }),
  extraTokenClaims: (_context: unknown, token: { clientId: string }) => ({
    sub: token.clientId,
    email: `${token.clientId}@example.org`,
    email_verified: true,
  }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // a browser's token is for the provider's own userinfo
      defaultResource: (_context: unknown, client: { clientId: string }) =>
        client.clientId === "gate" ? undefined : "https://kfp.example.org",
      useGrantedResource: () => true,
      getResourceServerInfo: (_context: unknown, _resource: string, client: { clientId: string }) => ({
        scope: "kfp",
        audience: client.clientId === "stranger" ? "somebody-else" : "gate",
        accessTokenTTL: Number(life),
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
