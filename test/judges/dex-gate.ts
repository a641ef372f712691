/**
 * Dex with what stands before Kubeflow, by generation, on loopback: authservice (Kubeflow 1.2 to 1.8) or oauth2-proxy
 * (1.9 and newer), a state per login, the cookie that guards it, the session, and a KFP health behind the gate.
 * Sources: kubeflow/manifests v1.2 to 26.03; dexidp/dex 2.24, 2.31, 2.36, 2.45; oauth2-proxy 7.14.
 */

export interface DexGateOptions {
  /** `1.5`: authservice, Dex 2.24; `1.8`: authservice, Dex 2.36; `1.9.0` and `1.9.1`: oauth2-proxy, Dex 2.39 and 2.41. */
  readonly kubeflow: "1.5" | "1.8" | "1.9.0" | "1.9.1";
  readonly connectors?: readonly string[];
  readonly approval?: boolean;
  readonly isSplit?: boolean;
  readonly isSecure?: boolean;
  /** The local connector sends people there. */
  readonly elsewhere?: string;
  /** The form's answer is this redirect. */
  readonly repeats?: string;
  readonly sessionS?: number;
  readonly nowMs?: () => number;
}

export const USER = "user@example.com";
export const PASSWORD = "canary-12341234 &ü";

export interface DexGate {
  readonly url: string;
  readonly logins: () => number;
  /** Ends all sessions. */
  readonly revoke: () => void;
  readonly stop: () => Promise<void>;
}

/** Starts a gate. */
export function startDexGate(options: DexGateOptions): DexGate {
  const isOld = options.kubeflow === "1.5" || options.kubeflow === "1.8";
  const session = isOld ? "authservice_session" : "oauth2_proxy_kubeflow";
  const guard = isOld ? "oidc_state_csrf" : "oauth2_proxy_kubeflow_csrf";
  const callback =
    options.kubeflow === "1.5" ? "/login/oidc" : isOld ? "/authservice/oidc/callback" : "/oauth2/callback";
  const now = options.nowMs ?? (() => 0);
  const requests = new Map<string, { readonly state: string; passed: boolean }>();
  const sessions = new Map<string, number>();
  const codes = new Map<string, string>();
  let logins = 0;
  const id = (): string => crypto.randomUUID().replaceAll("-", "");
  const suffix = `; Path=/; HttpOnly${options.isSecure ? "; Secure" : ""}`;
  const redirect = (to: string, cookies: readonly string[] = [], status = 302): Response => {
    const headers = new Headers({ location: to });
    for (const cookie of cookies) headers.append("set-cookie", cookie + suffix);
    return new Response(null, { status, headers });
  };
  const start = (back: string): Response => {
    const hash = id();
    const state = isOld ? hash : `${hash}:${back}`;
    const query = new URLSearchParams({
      client_id: isOld ? "kubeflow-oidc-authservice" : "oauth2-proxy",
      redirect_uri: callback,
      response_type: "code",
      scope: "openid email",
      state,
    });
    return redirect(`/dex/auth?${query}`, [`${guard}=${hash}`]);
  };
  const page = (body: string, status = 200): Response =>
    new Response(`<!DOCTYPE html><html><body>${body}</body></html>`, {
      status,
      headers: { "content-type": "text/html" },
    });
  const isIn = (cookies: ReadonlyMap<string, string>): boolean => {
    const value = options.isSplit
      ? `${cookies.get(`${session}_0`)}${cookies.get(`${session}_1`)}`
      : cookies.get(session);
    return (sessions.get(value ?? "") ?? 0) > now();
  };
  const form = (request: string, isWrong: boolean): Response =>
    page(
      `<form method="post" action="/dex/auth/local/login?state=${request}"><input name="login"><input name="password" type="password">${isWrong ? '<div id="login-error">Invalid Email Address and password.</div>' : ""}</form>`,
      isWrong && options.kubeflow !== "1.5" ? 401 : 200,
    );

  const dex = async (request: Request, url: URL): Promise<Response> => {
    const connectors = options.connectors ?? ["local"];
    if (url.pathname === "/dex/auth") {
      const links = connectors.map((name) => `/dex/auth/${name}?${url.searchParams}`);
      if (links.length === 1) return redirect(links[0] as string);
      return page(links.map((link) => `<a href="${link.replaceAll("&", "&amp;")}" target="_self">x</a>`).join(""));
    }
    if (url.pathname === "/dex/approval") {
      const known = requests.get(url.searchParams.get("req") ?? "");
      if (known === undefined || !known.passed) return page("User session error.", 400);
      const asks = options.approval ?? options.kubeflow === "1.9.0";
      if (asks && request.method === "GET") {
        return page(
          `<form method="post"><input type="hidden" name="req" value="${url.searchParams.get("req")}"/><input type="hidden" name="approval" value="approve"></form>`,
        );
      }
      if (asks) {
        const sent = new URLSearchParams(await request.text());
        if (sent.get("approval") !== "approve" || sent.get("req") !== url.searchParams.get("req"))
          return page("Approval rejected.", 500);
      }
      const code = id();
      codes.set(code, known.state);
      return redirect(`${callback}?${new URLSearchParams({ code, state: known.state })}`, [], 303);
    }
    const [, connector, login] = /^\/dex\/auth\/([^/]+)(\/login)?$/.exec(url.pathname) ?? [];
    if (connector === undefined) return page("not found", 404);
    if (options.elsewhere !== undefined) return redirect(options.elsewhere);
    const isNewForm = options.kubeflow !== "1.5";
    const known = url.searchParams.get(isNewForm && login ? "state" : "req");
    if (known === null) {
      const request_ = id();
      requests.set(request_, { state: url.searchParams.get("state") ?? "", passed: false });
      return redirect(
        isNewForm ? `/dex/auth/${connector}/login?back=&state=${request_}` : `/dex/auth/${connector}?req=${request_}`,
      );
    }
    const pending = requests.get(known);
    if (pending === undefined) return page("Requested resource does not exist.", 400);
    if (request.method !== "POST") return form(known, false);
    if (options.repeats !== undefined) return redirect(options.repeats, [], 307);
    const sent = new URLSearchParams(await request.text());
    if (sent.get("login") !== USER || sent.get("password") !== PASSWORD) return form(known, true);
    pending.passed = true;
    return redirect(`/dex/approval?req=${known}${options.kubeflow === "1.8" ? "&hmac=abc" : ""}`, [], 303);
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const url = new URL(request.url);
      const cookies = new Map(
        (request.headers.get("cookie") ?? "").split("; ").map((each): [string, string] => {
          const at = each.indexOf("=");
          return [each.slice(0, at), each.slice(at + 1)];
        }),
      );
      if (url.pathname.startsWith("/dex/")) return await dex(request, url);
      if (url.pathname === "/oauth2/start" && !isOld) return start(url.searchParams.get("rd") ?? "/");
      if (url.pathname === callback) {
        const state = codes.get(url.searchParams.get("code") ?? "");
        const hash = (state ?? "").split(":")[0] ?? "";
        if (state === undefined || state !== url.searchParams.get("state") || cookies.get(guard) !== hash) {
          return isOld ? page("CSRF check failed.", 400) : page("Unable to find a valid CSRF token.", 403);
        }
        const value = id();
        logins++;
        const lifeS = options.sessionS ?? 86_400;
        sessions.set(value, now() + lifeS * 1000);
        const pairs = options.isSplit
          ? [`${session}_0=${value.slice(0, 10)}`, `${session}_1=${value.slice(10)}`]
          : [`${session}=${value}`];
        return redirect(isOld ? "/" : (state.split(":")[1] ?? "/"), [
          ...pairs.map((pair) => `${pair}; Max-Age=${lifeS}`),
          `${guard}=; Max-Age=0`,
        ]);
      }
      if (!isIn(cookies)) {
        const isApi = url.pathname.startsWith("/apis/") || url.pathname.startsWith("/pipeline/apis/");
        const wantsJson = (request.headers.get("accept") ?? "").includes("application/json");
        if (isOld) return start("/");
        if (wantsJson || (options.kubeflow === "1.9.1" && isApi)) return Response.json({}, { status: 401 });
        if (options.kubeflow === "1.9.0") return start(url.pathname);
        return page('<form method="GET" action="/oauth2/start"><button>Sign in with Dex</button></form>', 403);
      }
      if (url.pathname.endsWith("/healthz"))
        return Response.json({ commit_sha: "x", tag_name: "2.5.0", multi_user: false });
      if (url.pathname.includes("/apis/")) return Response.json({});
      return page("dashboard");
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    logins: () => logins,
    revoke: () => sessions.clear(),
    stop: () => server.stop(true),
  };
}
