/**
 * A program's own login at any OpenID Connect provider (client credentials, RFC 6749 section 4.4): Keycloak, Entra ID,
 * Cognito, Hydra. KFK_OIDC_TOKEN_URL, KFK_OIDC_CLIENT_ID, KFK_OIDC_CLIENT_SECRET (or _FILE), KFK_OIDC_SCOPE,
 * KFK_OIDC_AUDIENCE; all but the secret may stand below `auth:` instead. The secret goes in the header, as every
 * provider must take it. Such tokens carry no e-mail address: the mesh must map another claim to the user.
 */
import type { AuthContext, AuthProvider } from "../contract.ts";
import { refused } from "./failure.ts";
import { askForm, readToken } from "./identity-provider.ts";
import { bearerLogin, holdTo } from "./jwt.ts";
import { readSecret } from "./secret-file.ts";
import { anySet, filled, given } from "./token.ts";

const VARIABLES = ["KFK_OIDC_CLIENT_ID", "KFK_OIDC_TOKEN_URL", "KFK_OIDC_CLIENT_SECRET", "KFK_OIDC_CLIENT_SECRET_FILE"];
const KEYS = ["token_url", "client_id", "scope", "audience"] as const;

export const oidc: AuthProvider = {
  name: "oidc",
  title: "OpenID Connect client credentials",
  settings: KEYS,
  variables: Object.fromEntries(KEYS.map((key) => [key, [`KFK_OIDC_${key.toUpperCase()}`]])),
  applies: (_server, context) => {
    const own = anySet(context, VARIABLES);
    const url = given(context, "token_url");
    // the secret goes where the address leads: one of a setting is no address that this command was given
    if (url === undefined || filled(context.env("KFK_OIDC_TOKEN_URL")) !== undefined) return own;
    const because = `the secret of the OIDC client, asked for at ${URL.canParse(url) ? new URL(url).origin : "an address"}`;
    return { how: "ambient", because, endpoint: url };
  },
  login: async (_server, context) => {
    const url = value(context, "token_url");
    const id = value(context, "client_id");
    const secret = readSecret(context, "KFK_OIDC_CLIENT_SECRET");
    if (url === undefined || id === undefined || secret === undefined) {
      const missing =
        url === undefined ? "KFK_OIDC_TOKEN_URL" : id === undefined ? "KFK_OIDC_CLIENT_ID" : "KFK_OIDC_CLIENT_SECRET";
      throw refused(`${missing} is missing`, "set KFK_OIDC_TOKEN_URL, KFK_OIDC_CLIENT_ID and KFK_OIDC_CLIENT_SECRET");
    }
    const scope = value(context, "scope");
    const audience = value(context, "audience");
    const form = {
      grant_type: "client_credentials",
      ...(scope === undefined ? {} : { scope }),
      ...(audience === undefined ? {} : { audience }),
    };
    const pair = new TextEncoder().encode(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toBase64();
    const hint = "check the client's id, secret, grant types and scopes at the provider";
    const answer = await askForm(context, url, form, "the OIDC provider", hint, { authorization: `Basic ${pair}` });
    const { token, expiresAtMs } = readToken(context, answer, "access_token", "the OIDC provider");
    const login = bearerLogin(token, "the token of the OIDC provider", context, { principal: id });
    const held = login.expiresAtMs === undefined && expiresAtMs !== undefined ? { ...login, expiresAtMs } : login;
    return holdTo(held, audience, "the token of the OIDC provider");
  },
};

// --- internal ---

function value(context: AuthContext, key: (typeof KEYS)[number]): string | undefined {
  return filled(context.env(`KFK_OIDC_${key.toUpperCase()}`)) ?? given(context, key);
}
