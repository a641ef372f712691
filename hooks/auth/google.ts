/**
 * Tokens from Google's application default credentials: an access token for an API or the inverting proxy, an ID token
 * for one audience (Identity-Aware Proxy).
 *
 * Service account: a JWT of its own key is exchanged (RFC 7523). Metadata server: notebooks, VMs, GKE. authorized_user:
 * access tokens only; an ID token of it has gcloud's audience, which IAP does not take. external_account: token of
 * GitHub and others → STS → the service account to impersonate. Nothing falls through to another identity.
 * Sources: google-auth-library-python 2.48, google-github-actions/auth, Google's documentation of IAP.
 */
import type { AuthContext } from "../contract.ts";
import { badFile, isAuthFailure, refused } from "./failure.ts";
import { type Adc, findAdc, googleApi, googleUrl } from "./google-file.ts";
import { askForm, askJson, readToken } from "./identity-provider.ts";
import { filled, given } from "./token.ts";

export interface GoogleToken {
  readonly token: string;
  readonly expiresAtMs: number | undefined;
  readonly principal: string | undefined;
}

const CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform";

/** An access token with the scope `cloud-platform`. */
export async function googleAccessToken(context: AuthContext): Promise<GoogleToken> {
  const found = findAdc(context);
  const whom = impersonated(context);
  const token = found === undefined ? await metadataAccess(context) : await accessOf(context, found.adc, found.file);
  if (whom === undefined) return token;
  const url = `${googleApi(context, "iamcredentials")}/v1/projects/-/serviceAccounts/${encodeURIComponent(whom)}:generateAccessToken`;
  return await impersonate(context, url, token.token, [], whom);
}

/** An ID token for an audience, with the e-mail address in it. */
export async function googleIdToken(context: AuthContext, audience: string): Promise<string> {
  const found = findAdc(context);
  const whom = impersonated(context);
  if (whom !== undefined) {
    const source = found === undefined ? await metadataAccess(context) : await accessOf(context, found.adc, found.file);
    const url = `${googleApi(context, "iamcredentials")}/v1/projects/-/serviceAccounts/${encodeURIComponent(whom)}:generateIdToken`;
    return await generateIdToken(context, url, source.token, [], audience);
  }
  if (found === undefined) return await metadataIdToken(context, audience);
  const { adc, file } = found;
  switch (adc.type) {
    case "service_account":
      return await serviceAccountIdToken(context, adc, audience);
    case "authorized_user":
      throw refused(
        `${file} is a user's login, and the Identity-Aware Proxy takes no token of it`,
        "let it act as a service account: KFK_IMPERSONATE=NAME@PROJECT.iam.gserviceaccount.com (needs the role Service Account OpenID Connect Identity Token Creator)",
      );
    case "external_account": {
      const url = adc.service_account_impersonation_url;
      if (url === undefined) {
        throw refused(
          `${file} names no service account to act as, so there is no ID token`,
          "give service_account to google-github-actions/auth, or set KFK_IMPERSONATE",
        );
      }
      const source = await stsToken(context, adc);
      return await generateIdToken(context, toIdTokenUrl(context, url), source.token, [], audience);
    }
    case "impersonated_service_account": {
      const source = await accessOf(context, adc.source_credentials, file);
      const url = toIdTokenUrl(context, adc.service_account_impersonation_url);
      return await generateIdToken(context, url, source.token, adc.delegates, audience);
    }
  }
}

/** A JWT that a service account's own key signs for a resource, valid for an hour; undefined: there is no key here. */
export async function selfSignedJwt(
  context: AuthContext,
  audience: string,
): Promise<{ readonly token: string; readonly principal: string }> {
  const found = findAdc(context);
  if (found?.adc.type === "service_account" && impersonated(context) === undefined) {
    const { client_email: email } = found.adc;
    return { token: await sign(context, found.adc, { sub: email, aud: audience }), principal: email };
  }
  const whom = impersonated(context) ?? accountOf(found?.adc);
  if (whom === undefined) {
    throw refused(
      "a signed JWT needs a service account, and there is none here",
      "set GOOGLE_APPLICATION_CREDENTIALS to the file of one, or KFK_IMPERSONATE",
    );
  }
  const source =
    found === undefined
      ? await metadataAccess(context)
      : await accessOf(
          context,
          found.adc.type === "impersonated_service_account" ? found.adc.source_credentials : found.adc,
          found.file,
          true,
        );
  const now = Math.floor(context.nowMs() / 1000);
  const payload = JSON.stringify({ iss: whom, sub: whom, aud: audience, iat: now, exp: now + 3600 });
  const chain = impersonated(context) === undefined ? found?.adc : undefined;
  const delegates = chain?.type === "impersonated_service_account" ? chain.delegates : [];
  const url = `${googleApi(context, "iamcredentials")}/v1/projects/-/serviceAccounts/${encodeURIComponent(whom)}:signJwt`;
  const answer = await askJson(
    context,
    url,
    post({ payload, ...(delegates.length === 0 ? {} : { delegates }) }, source.token),
    "Google's signJwt",
    `give this identity the role Service Account Token Creator on ${whom}`,
  );
  const token = answer["signedJwt"];
  if (typeof token !== "string") throw refused("Google's signJwt gave no JWT", "check the service account's name");
  return { token, principal: whom };
}

// --- internal ---

type ServiceAccount = Extract<Adc, { type: "service_account" }>;
type ExternalAccount = Extract<Adc, { type: "external_account" }>;

function impersonated(context: AuthContext): string | undefined {
  return filled(context.env("KFK_IMPERSONATE")) ?? given(context, "impersonate");
}

/** E-mail address in an impersonation URL. */
function accountOf(adc: Adc | undefined): string | undefined {
  const url =
    adc?.type === "external_account" || adc?.type === "impersonated_service_account"
      ? adc.service_account_impersonation_url
      : undefined;
  const name = /\/serviceAccounts\/([^/:]+)/.exec(url ?? "")?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}

/** `own`: without the impersonation that the file asks for. */
async function accessOf(context: AuthContext, adc: Adc, file: string, own = false): Promise<GoogleToken> {
  switch (adc.type) {
    case "service_account": {
      const url = googleUrl(context, adc.token_uri, "token_uri");
      const answer = await exchange(context, url, await sign(context, adc, { aud: url, scope: CLOUD_PLATFORM }));
      return { ...readToken(context, answer, "access_token", "Google"), principal: adc.client_email };
    }
    case "authorized_user": {
      const url = googleUrl(context, adc.token_uri, "token_uri");
      const form = {
        grant_type: "refresh_token",
        client_id: adc.client_id,
        client_secret: adc.client_secret,
        refresh_token: adc.refresh_token,
      };
      const answer = await askForm(
        context,
        url,
        form,
        "Google's token endpoint",
        "run gcloud auth application-default login again",
      );
      return { ...readToken(context, answer, "access_token", "Google"), principal: undefined };
    }
    case "external_account": {
      const token = await stsToken(context, adc);
      const url = adc.service_account_impersonation_url;
      if (url === undefined || own) return token;
      return await impersonate(
        context,
        googleUrl(context, url, "service_account_impersonation_url"),
        token.token,
        [],
        accountOf(adc),
      );
    }
    case "impersonated_service_account": {
      const source = await accessOf(context, adc.source_credentials, file);
      const url = googleUrl(context, adc.service_account_impersonation_url, "service_account_impersonation_url");
      return await impersonate(context, url, source.token, adc.delegates, accountOf(adc));
    }
  }
}

const HOUR_S = 3600;

/** RS256 over the account's claims, with jose; the key may be PKCS#8 or PKCS#1. */
async function sign(
  context: AuthContext,
  account: ServiceAccount,
  claims: Readonly<Record<string, string>>,
): Promise<string> {
  const [{ SignJWT }, { createPrivateKey }] = await Promise.all([import("jose"), import("node:crypto")]);
  const now = Math.floor(context.nowMs() / 1000);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(account.private_key);
  } catch {
    throw badFile(
      `the private key of ${account.client_email} cannot be read`,
      "download the service account's file again",
    );
  }
  return await new SignJWT({ iss: account.client_email, ...claims })
    .setProtectedHeader({
      alg: "RS256",
      typ: "JWT",
      ...(account.private_key_id ? { kid: account.private_key_id } : {}),
    })
    .setIssuedAt(now)
    .setExpirationTime(now + HOUR_S)
    .sign(key);
}

async function serviceAccountIdToken(context: AuthContext, account: ServiceAccount, audience: string): Promise<string> {
  const url = googleUrl(context, account.token_uri, "token_uri");
  const assertion = await sign(context, account, { aud: url, target_audience: audience });
  return readToken(context, await exchange(context, url, assertion), "id_token", "Google").token;
}

async function exchange(context: AuthContext, url: string, assertion: string) {
  const form = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion };
  const hint = "check that the key is not deleted, and that this machine's clock is right";
  return await askForm(context, url, form, "Google's token endpoint", hint);
}

async function stsToken(context: AuthContext, adc: ExternalAccount): Promise<GoogleToken> {
  const url = googleUrl(context, adc.token_url, "token_url");
  const form = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: adc.audience,
    scope: CLOUD_PLATFORM,
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    subject_token: await subjectToken(context, adc),
    subject_token_type: adc.subject_token_type,
  };
  const hint = "check the workload identity pool: issuer, audience and attribute condition";
  const answer = await askForm(context, url, form, "Google's token exchange (STS)", hint);
  return { ...readToken(context, answer, "access_token", "STS"), principal: undefined };
}

async function subjectToken(context: AuthContext, { credential_source: source }: ExternalAccount): Promise<string> {
  if (source.file !== undefined) {
    const text = context.readText(source.file)?.trim();
    if (!text)
      throw badFile(
        `the token file ${source.file} of the credential file is missing or empty`,
        "check credential_source",
      );
    return pick(text, source.format);
  }
  if (source.environment_id !== undefined) {
    throw refused("credentials of AWS for Google are not spoken here", "write the token into a file, or use KFK_TOKEN");
  }
  if (source.url !== undefined) {
    const request = { headers: { ...source.headers } };
    const response = await context.fetch(source.url, request);
    if (response.status !== 200) {
      throw refused(
        `the source of the identity token answers ${response.status}`,
        "in GitHub Actions: give the job permissions: id-token: write",
      );
    }
    return pick((await response.text()).trim(), source.format);
  }
  if (source.executable !== undefined) {
    if (context.env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") !== "1") {
      throw refused(
        "the credential file names a program to run",
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 allows it",
      );
    }
    const { code, out } = await context.run(source.executable.command.split(/\s+/));
    const answer = parse(out);
    const token = answer?.["id_token"] ?? answer?.["saml_response"];
    if (code !== 0 || typeof token !== "string") {
      throw refused(
        "the program of the credential file gave no token",
        `run it yourself: ${source.executable.command.split(/\s+/, 1)[0]}`,
      );
    }
    return token;
  }
  throw badFile("the credential file has no credential_source that is known here", "use file, url or executable");
}

function pick(text: string, format: ExternalAccount["credential_source"]["format"]): string {
  if (format?.type !== "json") return text;
  const value = parse(text)?.[format.subject_token_field_name ?? "id_token"];
  if (typeof value !== "string")
    throw refused("the source of the identity token gave none", "check credential_source.format");
  return value;
}

function toIdTokenUrl(context: AuthContext, url: string): string {
  return googleUrl(context, url, "service_account_impersonation_url").replace(
    /:generateAccessToken$/,
    ":generateIdToken",
  );
}

async function impersonate(
  context: AuthContext,
  url: string,
  bearer: string,
  delegates: readonly string[],
  whom: string | undefined,
): Promise<GoogleToken> {
  const body = { delegates, scope: [CLOUD_PLATFORM], lifetime: `${HOUR_S}s` };
  const hint = `give this identity the role Service Account Token Creator on ${whom ?? "the service account"}`;
  const answer = await askJson(context, url, post(body, bearer), "Google's IAM credentials API", hint);
  return { ...readToken(context, answer, "accessToken", "IAM"), principal: whom };
}

async function generateIdToken(
  context: AuthContext,
  url: string,
  bearer: string,
  delegates: readonly string[],
  audience: string,
): Promise<string> {
  const body = { audience, delegates, includeEmail: true, useEmailAzp: true };
  const hint =
    "give this identity the role Service Account OpenID Connect Identity Token Creator on the service account";
  const answer = await askJson(context, url, post(body, bearer), "Google's IAM credentials API", hint);
  return readToken(context, answer, "token", "IAM").token;
}

function post(body: unknown, bearer: string) {
  return {
    method: "POST" as const,
    headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
    body: JSON.stringify(body),
  };
}

async function metadataAccess(context: AuthContext): Promise<GoogleToken> {
  const text = await askMetadata(context, "token");
  const answer = parse(text);
  if (answer === undefined) throw refused("the metadata server gave no token", "give the machine a service account");
  return { ...readToken(context, answer, "access_token", "the metadata server"), principal: undefined };
}

async function metadataIdToken(context: AuthContext, audience: string): Promise<string> {
  return await askMetadata(context, `identity?audience=${encodeURIComponent(audience)}&format=full`);
}

/** Source: google-auth-library-python 2.48 `compute_engine/_metadata.py`. */
async function askMetadata(context: AuthContext, what: string): Promise<string> {
  const none = (): Error =>
    refused(
      "there are no Google credentials: no GOOGLE_APPLICATION_CREDENTIALS, no login of gcloud, no metadata server",
      "set GOOGLE_APPLICATION_CREDENTIALS to a credential file, or run gcloud auth application-default login",
    );
  if (filled(context.env("NO_GCE_CHECK"))?.toLowerCase() === "true") throw none();
  const host =
    filled(context.env("GCE_METADATA_HOST")) ?? filled(context.env("GCE_METADATA_ROOT")) ?? "metadata.google.internal";
  if (!/^(metadata\.google\.internal|169\.254\.\d+\.\d+|127(\.\d+){3}|localhost)(:\d+)?$/.test(host)) {
    throw refused(`GCE_METADATA_HOST names ${host}, which is no metadata server`, "unset GCE_METADATA_HOST");
  }
  const seconds = Number(context.env("GCE_METADATA_TIMEOUT") ?? 3);
  const headers = { "Metadata-Flavor": "Google" };
  const url = `http://${host}/computeMetadata/v1/instance/service-accounts/default/${what}`;
  let response;
  try {
    response = await context.fetch(url, { headers, timeoutMs: (seconds > 0 ? seconds : 3) * 1000 });
  } catch (error) {
    if (isAuthFailure(error)) throw none();
    throw error;
  }
  if (response.headers.get("metadata-flavor") !== "Google") throw none();
  if (response.status !== 200) {
    throw refused(
      `the metadata server answers ${response.status}`,
      "give the machine, or the Kubernetes service account, a Google service account",
    );
  }
  return (await response.text()).trim();
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
