/**
 * Identity providers for tests, on loopback: Google's token endpoint, STS, IAM credentials, metadata server and
 * Identity-Aware Proxy; an OIDC provider; a Kubernetes API. Each checks what the real one checks (signature, audience,
 * life, headers, bodies) with jose, and refuses with the real one's status and words. Time is the caller's.
 */
import { createLocalJWKSet, exportJWK, exportPKCS8, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from "jose";

export interface Identity {
  readonly url: string;
  /** Content of credential files, by kind. */
  readonly files: {
    readonly serviceAccount: string;
    readonly user: string;
    readonly external: (more?: Readonly<Record<string, unknown>>) => string;
    readonly impersonated: string;
    readonly kubeconfig: (user: string) => string;
  };
  /** Requests as `METHOD path`. */
  readonly seen: readonly string[];
  /** Every secret that was handed out or asked for. */
  readonly secrets: readonly string[];
  /** What a server behind the gate says to a bearer token. */
  readonly check: (token: string, audience: string) => Promise<JWTPayload | undefined>;
  /** The next answers of the token endpoints are this. */
  readonly failNext: (...answers: Response[]) => void;
  readonly stop: () => Promise<void>;
}

export const IAP_CLIENT = "1234-iap.apps.googleusercontent.com";
export const ACCOUNT = "ci@project.iam.gserviceaccount.com";
export const GITHUB_TOKEN = "canary-github-request-token";
export const SUBJECT_TOKEN = "canary-subject-token";
export const USER_REFRESH = "canary-refresh-token";
export const OIDC_SECRET = "canary oidc/secret";
export const KUBE_TOKEN = "canary-kube-token";

/** Seconds that tokens hold. */
export interface IdentityOptions {
  readonly nowMs: () => number;
  readonly lifeS?: number;
  /** Difference of this provider's clock. */
  readonly skewMs?: number;
  readonly metadata?: boolean;
}

/** Starts all of them on one port. */
export async function startIdentity(options: IdentityOptions): Promise<Identity> {
  const own = await generateKeyPair("RS256", { extractable: true });
  const google = await generateKeyPair("RS256", { extractable: true });
  const pem = await exportPKCS8(own.privateKey);
  const jwks = createLocalJWKSet({ keys: [{ ...(await exportJWK(google.publicKey)), alg: "RS256", kid: "g" }] });
  const seen: string[] = [];
  const secrets: string[] = [pem, USER_REFRESH, OIDC_SECRET, KUBE_TOKEN, SUBJECT_TOKEN, GITHUB_TOKEN];
  const failures: Response[] = [];
  const life = options.lifeS ?? 3600;
  const nowS = (): number => Math.floor((options.nowMs() + (options.skewMs ?? 0)) / 1000);
  let url = "";
  const mint = async (claims: JWTPayload): Promise<string> => {
    const token = await new SignJWT({ iss: "https://accounts.google.com", jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "g" })
      .setIssuedAt(nowS())
      .setExpirationTime(nowS() + life)
      .sign(google.privateKey);
    secrets.push(token);
    return token;
  };
  const access = (who: string): string => {
    const token = `ya29.${Buffer.from(`${who}:${nowS()}:${crypto.randomUUID()}`).toString("base64url")}`;
    secrets.push(token);
    return token;
  };
  const whoIs = (request: Request): string | undefined => {
    const token = /^Bearer ya29\.([\w-]+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    return token === undefined ? undefined : Buffer.from(token, "base64url").toString().split(":")[0];
  };

  const tokenEndpoint = async (form: URLSearchParams): Promise<Response> => {
    const grant = form.get("grant_type");
    if (grant === "urn:ietf:params:oauth:grant-type:jwt-bearer") {
      let claims: JWTPayload;
      try {
        ({ payload: claims } = await jwtVerify(form.get("assertion") ?? "", own.publicKey, {
          audience: `${url}/token`,
          issuer: ACCOUNT,
          currentDate: new Date(nowS() * 1000),
          algorithms: ["RS256"],
        }));
      } catch (error) {
        return fail(400, "invalid_grant", `Invalid JWT: ${(error as { code?: string }).code}`);
      }
      if ((claims.exp ?? 0) - (claims.iat ?? 0) > 3600 || (claims.iat ?? 0) > nowS() + 300) {
        return fail(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token");
      }
      const target = claims["target_audience"];
      if (typeof target === "string" && target !== "") {
        return json({ id_token: await mint({ aud: target, azp: ACCOUNT, email: ACCOUNT, sub: "1" }) });
      }
      if (typeof claims["scope"] !== "string") return fail(400, "invalid_scope", "Empty or missing scope not allowed.");
      return json({ access_token: access(ACCOUNT), expires_in: life, token_type: "Bearer" });
    }
    if (grant === "refresh_token") {
      if (form.get("refresh_token") !== USER_REFRESH)
        return fail(400, "invalid_grant", "Token has been expired or revoked.");
      const audience = form.get("audience");
      if (audience !== null) {
        if (form.get("client_id") !== "desktop")
          return fail(400, "invalid_audience", "The audience client and the client need to be in the same project.");
        return json({ id_token: await mint({ aud: audience, email: "someone@example.org" }) });
      }
      const idToken = await mint({ aud: form.get("client_id") ?? "", email: "someone@example.org" });
      return json({ access_token: access("user"), expires_in: life, id_token: idToken });
    }
    return fail(400, "unsupported_grant_type", `Invalid grant_type: ${grant}`);
  };

  const oidc = (request: Request, form: URLSearchParams): Response => {
    const pair = Buffer.from((request.headers.get("authorization") ?? "").replace("Basic ", ""), "base64").toString();
    const [id, secret] = pair.split(":").map(decodeURIComponent);
    if (id !== "team" || secret !== OIDC_SECRET) return fail(401, "invalid_client", "client authentication failed");
    if (form.get("grant_type") !== "client_credentials") return fail(400, "unsupported_grant_type", "");
    return json({ access_token: access("team"), expires_in: life, token_type: "Bearer", scope: form.get("scope") });
  };

  const iam = async (request: Request, path: string): Promise<Response> => {
    const who = whoIs(request);
    if (who === undefined)
      return Response.json(
        { error: { code: 401, message: "Request had invalid authentication credentials." } },
        { status: 401 },
      );
    const [, account, verb] =
      /^\/v1\/projects\/-\/serviceAccounts\/([^:]+):(\w+)$/.exec(decodeURIComponent(path)) ?? [];
    if (account !== ACCOUNT) {
      return Response.json(
        {
          error: {
            code: 403,
            status: "PERMISSION_DENIED",
            message: "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource",
          },
        },
        { status: 403 },
      );
    }
    const body = (await request.json()) as Record<string, unknown>;
    switch (verb) {
      case "generateIdToken":
        if (typeof body["audience"] !== "string" || body["includeEmail"] !== true)
          return fail(400, "INVALID_ARGUMENT", "");
        return json({ token: await mint({ aud: body["audience"], azp: ACCOUNT, email: ACCOUNT }) });
      case "generateAccessToken":
        return json({ accessToken: access(ACCOUNT), expireTime: new Date((nowS() + life) * 1000).toISOString() });
      case "signJwt": {
        const claims = JSON.parse(String(body["payload"])) as JWTPayload;
        return json({ signedJwt: await mint({ ...claims, iss: ACCOUNT }) });
      }
      default:
        return new Response("not found", { status: 404 });
    }
  };

  const kubernetes = async (request: Request, path: string): Promise<Response> => {
    const status = (code: number, message: string) =>
      Response.json({ kind: "Status", apiVersion: "v1", status: "Failure", message, code }, { status: code });
    if (request.headers.get("authorization") !== `Bearer ${KUBE_TOKEN}`) return status(401, "Unauthorized");
    const [, namespace, account] = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)\/token$/.exec(path) ?? [];
    if (account !== "default-editor") return status(404, `serviceaccounts "${account}" not found`);
    const { spec } = (await request.json()) as { spec: { audiences: string[]; expirationSeconds: number } };
    if (spec.expirationSeconds < 600) return status(422, "may not specify a duration less than 10 minutes");
    const token = await mint({
      iss: "https://kubernetes.default.svc",
      sub: `system:serviceaccount:${namespace}:${account}`,
      aud: spec.audiences,
    });
    return json({
      kind: "TokenRequest",
      status: { token, expirationTimestamp: new Date((nowS() + life) * 1000).toISOString() },
    });
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      seen.push(`${request.method} ${pathname}`);
      const failure = failures.shift();
      if (failure !== undefined) return dated(failure);
      return dated(await route(request, pathname, searchParams));
    },
  });
  const dated = (response: Response): Response => {
    response.headers.set("date", new Date(nowS() * 1000).toUTCString());
    return response;
  };
  const route = async (request: Request, pathname: string, query: URLSearchParams): Promise<Response> => {
    if (pathname.startsWith("/computeMetadata/")) {
      if (options.metadata === false) return new Response("no", { status: 404 });
      if (request.headers.get("metadata-flavor") !== "Google")
        return new Response("Missing Metadata-Flavor:Google header.", { status: 403 });
      const headers = { "Metadata-Flavor": "Google" };
      if (pathname.endsWith("/token"))
        return Response.json({ access_token: access("vm"), expires_in: life }, { headers });
      const isFull = query.get("format") === "full";
      const token = await mint({ aud: query.get("audience") ?? "", ...(isFull ? { email: ACCOUNT } : {}) });
      return new Response(token, { headers });
    }
    if (pathname.startsWith("/v1/projects/")) return await iam(request, pathname);
    if (pathname.startsWith("/api/v1/")) return await kubernetes(request, pathname);
    if (pathname === "/github") {
      const isRight = request.headers.get("authorization") === `Bearer ${GITHUB_TOKEN}`;
      return isRight ? json({ value: SUBJECT_TOKEN }) : new Response("", { status: 401 });
    }
    const form = new URLSearchParams(await request.text());
    if (pathname === "/token") return await tokenEndpoint(form);
    if (pathname === "/oidc/token") return oidc(request, form);
    if (pathname === "/sts") {
      const isRight = form.get("subject_token") === SUBJECT_TOKEN && form.get("audience") === "//iam/pool";
      if (!isRight) return fail(400, "invalid_grant", "The audience in ID Token does not match the expected audience.");
      return json({
        access_token: access("federated"),
        expires_in: life,
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      });
    }
    return new Response("not found", { status: 404 });
  };
  url = `http://127.0.0.1:${server.port}`;
  const impersonation = `${url}/v1/projects/-/serviceAccounts/${ACCOUNT}:generateAccessToken`;
  const user = {
    type: "authorized_user",
    client_id: "gcloud",
    client_secret: "canary-gcloud",
    refresh_token: USER_REFRESH,
    token_uri: `${url}/token`,
  };
  return {
    url,
    seen,
    secrets,
    failNext: (...answers) => void failures.push(...answers),
    files: {
      serviceAccount: JSON.stringify({
        type: "service_account",
        client_email: ACCOUNT,
        private_key: pem,
        private_key_id: "k1",
        token_uri: `${url}/token`,
      }),
      user: JSON.stringify(user),
      external: (more = {}) =>
        JSON.stringify({
          type: "external_account",
          audience: "//iam/pool",
          subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
          token_url: `${url}/sts`,
          credential_source: {
            url: `${url}/github`,
            headers: { Authorization: `Bearer ${GITHUB_TOKEN}` },
            format: { type: "json", subject_token_field_name: "value" },
          },
          service_account_impersonation_url: impersonation,
          ...more,
        }),
      impersonated: JSON.stringify({
        type: "impersonated_service_account",
        service_account_impersonation_url: impersonation,
        source_credentials: user,
      }),
      kubeconfig: (one) =>
        [
          "apiVersion: v1",
          "current-context: here",
          `clusters: [{name: c, cluster: {server: "${url}"}}]`,
          "contexts: [{name: here, context: {cluster: c, user: u, namespace: team-a}}]",
          `users: [{name: u, user: ${one}}]`,
        ].join("\n"),
    },
    check: async (token, audience) => {
      try {
        const date = new Date(nowS() * 1000);
        return (await jwtVerify(token, jwks, { audience, currentDate: date, algorithms: ["RS256"] })).payload;
      } catch {
        try {
          const more = { audience, currentDate: new Date(nowS() * 1000), issuer: ACCOUNT };
          return (await jwtVerify(token, own.publicKey, more)).payload;
        } catch {
          return undefined;
        }
      }
    },
    stop: () => server.stop(true),
  };
}

// --- internal ---

function json(value: unknown): Response {
  return Response.json(value);
}

function fail(status: number, error: string, description: string): Response {
  return Response.json({ error, error_description: description }, { status });
}
