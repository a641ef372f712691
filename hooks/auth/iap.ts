/**
 * Google's Identity-Aware Proxy by an OIDC token whose audience is the proxy's OAuth client: IAP_CLIENT_ID, else
 * KF_PIPELINES_IAP_OAUTH2_CLIENT_ID, else `client_id` below `auth:`; an empty variable counts as unset. The token comes
 * from application default credentials, or from what the kfp SDK's browser login left for this client.
 * IAP holds a token for its hour. Unlike kfp and kedro-kubeflow, nothing is sent when no token can be had.
 */
import * as v from "valibot";
import { kfpCredentialsSchema } from "../../schemas/google.ts";
import type { AuthContext, AuthProvider, Login } from "../contract.ts";
import { refused } from "./failure.ts";
import { findAdc, googleApi } from "./google-file.ts";
import { googleIdToken } from "./google.ts";
import { askForm, readToken } from "./identity-provider.ts";
import { bearerLogin } from "./jwt.ts";
import { filled, given } from "./token.ts";

const VARIABLES = ["IAP_CLIENT_ID", "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"];

export const iap: AuthProvider = {
  name: "iap",
  title: "Google Identity-Aware Proxy, by an OIDC token",
  settings: ["client_id", "impersonate"],
  variables: { client_id: VARIABLES, impersonate: ["KFK_IMPERSONATE"] },
  applies: (_server, context) => {
    const name = VARIABLES.find((each) => filled(context.env(each)));
    // the id of the client is public: only a key that is named as well says that it is meant for this command
    const isMeant = filled(context.env("GOOGLE_APPLICATION_CREDENTIALS")) !== undefined;
    if (name !== undefined) return { how: isMeant ? "given" : "ambient", because: `${name} is set` };
    return given(context, "client_id") === undefined
      ? undefined
      : { how: "ambient", because: "Google credentials of this machine" };
  },
  login: async (_server, context): Promise<Login> => {
    const audience = VARIABLES.map((name) => filled(context.env(name))).find(Boolean) ?? given(context, "client_id");
    if (audience === undefined) {
      throw refused(
        "the OAuth client of the Identity-Aware Proxy is not known",
        "set IAP_CLIENT_ID, or use auth: iap-jwt",
      );
    }
    const kept = keptLogin(context, audience);
    const token =
      kept === undefined ? await googleIdToken(context, audience) : await refreshKept(context, kept, audience);
    return checkAudience(bearerLogin(token, "the token that Google gave", context), audience);
  },
};

// --- internal ---

interface KeptLogin {
  readonly other_client_id: string;
  readonly other_client_secret: string;
  readonly refresh_token: string;
}

/** `~/.config/kfp/credentials.json`, for a machine that has no service account. Source: kfp SDK 2.17 `client/auth.py`. */
function keptLogin(context: AuthContext, audience: string): KeptLogin | undefined {
  if (filled(context.env("KFK_IMPERSONATE")) ?? given(context, "impersonate")) return undefined;
  const text = context.readText(`${context.env("HOME") ?? ""}/.config/kfp/credentials.json`);
  if (text === undefined) return undefined;
  const adc = findAdc(context);
  if (adc !== undefined && adc.adc.type !== "authorized_user") return undefined;
  try {
    const parsed = v.safeParse(kfpCredentialsSchema, JSON.parse(text));
    return parsed.success ? parsed.output[audience] : undefined;
  } catch {
    return undefined; // not a file of the SDK: Google's own credentials are tried
  }
}

async function refreshKept(context: AuthContext, kept: KeptLogin, audience: string): Promise<string> {
  const form = {
    grant_type: "refresh_token",
    client_id: kept.other_client_id,
    client_secret: kept.other_client_secret,
    refresh_token: kept.refresh_token,
    audience,
  };
  const url = `${googleApi(context, "oauth2")}/token`;
  const answer = await askForm(context, url, form, "Google's token endpoint", "log in again with the kfp SDK");
  return readToken(context, answer, "id_token", "Google").token;
}

/** A token for somebody else must not leave this machine. */
function checkAudience(login: Login, audience: string): Login {
  if (login.audience !== undefined && login.audience.split(", ").includes(audience)) return login;
  throw refused(
    `Google gave a token for ${login.audience ?? "nobody"}, and the proxy wants ${audience}`,
    "check IAP_CLIENT_ID and the credential file",
  );
}
