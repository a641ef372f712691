/**
 * The login page of Dex, filled in as a browser would: DEX_USERNAME with DEX_PASSWORD (or _FILE), connector `local`
 * unless DEX_CONNECTOR or `auth:` name another. What comes out is the session cookie of whatever stands before Kubeflow.
 *
 * Every generation: authservice (Kubeflow 1.2 to 1.8) and oauth2-proxy (1.9 and newer); the form at `/dex/auth/local`
 * (Dex up to 2.28) or `…/login` (2.29 and newer); one connector or a list; with and without an approval page; wrong
 * passwords answered 200 (up to 2.31) or 401. All cookies are kept but those that guard the login itself, because
 * oauth2-proxy splits long ones; a cookie alone is no login, so the API itself is asked whether it lets us in. The password goes to the server's own origin and nowhere else, and no redirect repeats it.
 * Sources: kubeflow/manifests v1.2 to 26.03, dexidp/dex 2.24 to 2.45, oauth2-proxy 7.14, arrikto/oidc-authservice.
 */
import type { AuthContext, AuthProvider, AuthResponse, Login } from "../contract.ts";
import { refused, unreachable } from "./failure.ts";
import { readSecret } from "./secret-file.ts";
import { anySet, filled, given } from "./token.ts";

export const dex: AuthProvider = {
  name: "dex",
  title: "Dex, by its login page",
  settings: ["connector"],
  harmless: ["connector"],
  applies: (_server, context) => anySet(context, ["DEX_USERNAME", "DEX_PASSWORD", "DEX_PASSWORD_FILE"]),
  login: async ({ origin, bases }, context) => {
    const user = filled(context.env("DEX_USERNAME"));
    const password = readSecret(context, "DEX_PASSWORD");
    if (user === undefined || password === undefined) {
      if (user === undefined && password === undefined)
        throw refused("DEX_USERNAME and DEX_PASSWORD are not set", "set both, from what the CI keeps secret");
      const missing = user === undefined ? "DEX_USERNAME" : "DEX_PASSWORD";
      throw refused(
        `${missing} is missing, and the other half is set`,
        "set both DEX_USERNAME and DEX_PASSWORD, or neither",
      );
    }
    return await logIn(startDance(origin, context), bases ?? BASES, user, password, connectorOf(context));
  },
};

// --- internal ---

/** Where the API is inside Kubeflow, and where it is alone. */
const BASES = ["/pipeline", ""];
const MAX_HOPS = 25;
/** The form itself: `/dex/auth/local` or `/dex/auth/local/login`. */
const FORM_PATH = /\/auth\/[^/]+(\/login)?$/;
/** Cookies that guard the login and are no session. */
const GUARD = /(_csrf(_\w+)?|oidc_state_csrf)$/;

interface Page {
  readonly url: URL;
  readonly response: AuthResponse;
  readonly text: string;
  /** True when redirects were followed to it. */
  readonly isMoved: boolean;
}

interface Dance {
  readonly context: AuthContext;
  readonly origin: string;
  readonly go: (url: URL, form?: Readonly<Record<string, string>>) => Promise<Page>;
  readonly cookies: ReadonlyMap<string, Cookie>;
}

interface Cookie {
  readonly value: string;
  readonly expiresAtMs: number | undefined;
}

function connectorOf(context: AuthContext): string {
  return filled(context.env("DEX_CONNECTOR")) ?? given(context, "connector") ?? "local";
}

async function logIn(
  dance: Dance,
  bases: readonly string[],
  user: string,
  password: string,
  connector: string,
): Promise<Login> {
  const root = new URL("/", dance.origin);
  const before = await askApi(dance, bases);
  if (before.answer === "open") return { headers: {}, principal: NOBODY };
  let page = await dance.go(root);
  // a page for all at the root says nothing of the API below it
  if (page.response.status === 200 && !page.isMoved && before.answer === "guarded") page = await dance.go(before.url);
  let isGuarded = page.isMoved;
  if (page.response.status === 401 || page.response.status === 403) {
    page = await dance.go(new URL(`/oauth2/start?rd=${encodeURIComponent("/")}`, root));
    isGuarded = true;
  }
  if (page.response.status === 200 && !isGuarded) return { headers: {}, principal: NOBODY };
  if (page.url.pathname.endsWith("/auth")) page = await dance.go(findConnector(page, connector));
  if (!FORM_PATH.test(page.url.pathname) || page.response.status !== 200) throw noForm(page);
  page = await dance.go(page.url, { login: user, password });
  if (FORM_PATH.test(page.url.pathname)) throw page.isMoved ? asksAgain() : wrongPassword(page);
  if (page.url.pathname.endsWith("/approval")) {
    const request = /name="req"\s+value="([^"]+)"/.exec(page.text)?.[1] ?? page.url.searchParams.get("req") ?? "";
    page = await dance.go(page.url, { req: request, approval: "approve" });
  }
  if (ASKS_MORE.test(page.url.pathname)) throw asksMore(page);
  const kept = [...dance.cookies].filter(([name]) => !GUARD.test(name));
  if (kept.length === 0) throw noSession(page);
  const after = await askApi(dance, bases);
  if (after.answer === "guarded" || (after.answer === "unknown" && page.response.status >= 400)) throw noSession(page);
  const ends = kept.flatMap(([, { expiresAtMs }]) => (expiresAtMs === undefined ? [] : [expiresAtMs]));
  return {
    headers: { Cookie: kept.map(([name, { value }]) => `${name}=${value}`).join("; ") },
    principal: user,
    ...(ends.length === 0 ? {} : { expiresAtMs: Math.min(...ends) }),
  };
}

const NOBODY = "nobody: the server asks for no login";
/** Pages of Dex behind the form that are no approval: a second factor. */
const ASKS_MORE = /^\/dex\/(?!approval$)/;

/** Whether the API lets in whoever holds the cookies, as far as one answer shows. No redirect is followed. */
async function askApi(
  { context, origin, cookies }: Dance,
  bases: readonly string[],
): Promise<{ readonly answer: "open" | "guarded" | "unknown"; readonly url: URL }> {
  const cookie = showCookies(cookies);
  const urls = bases.map((base) => new URL(`${base}/apis/v2beta1/healthz`, origin));
  for (const url of urls) {
    const headers = { accept: "application/json", ...(cookie === "" ? {} : { cookie }) };
    const response = await context.fetch(url.href, { headers });
    const { status } = response;
    if ((status >= 300 && status < 400) || status === 401) return { answer: "guarded", url };
    const isJson = /^\s*\{/.test(await response.text());
    if (status === 403) return { answer: isJson ? "open" : "guarded", url };
    // servers of before 2.0 have no such route, and say so in JSON
    if (isJson && (status === 200 || status === 404)) return { answer: "open", url };
  }
  return { answer: "unknown", url: urls[0] ?? new URL(origin) };
}

function showCookies(cookies: ReadonlyMap<string, Cookie>): string {
  return [...cookies].map(([name, { value }]) => `${name}=${value}`).join("; ");
}

function startDance(origin: string, context: AuthContext): Dance {
  const cookies = new Map<string, Cookie>();
  let hops = 0;
  return {
    context,
    origin,
    cookies,
    go: async (first, form) => {
      let url = first;
      let body = form;
      for (let isMoved = false; ; isMoved = true) {
        if (++hops > MAX_HOPS)
          throw refused("the login goes round in circles", "log in with a browser and use KFK_COOKIE");
        if (url.origin !== origin) throw left(url);
        const cookie = showCookies(cookies);
        const response = await context.fetch(url.href, {
          method: body === undefined ? "GET" : "POST",
          headers: {
            accept: "text/html,*/*",
            ...(cookie === "" ? {} : { cookie }),
            ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
          },
          ...(body === undefined ? {} : { body: new URLSearchParams({ ...body }).toString() }),
        });
        takeCookies(cookies, response, context.nowMs());
        const location = response.headers.get("location");
        if (response.status < 300 || response.status >= 400 || location === null) {
          return { url, response, text: await response.text(), isMoved };
        }
        if (body !== undefined && (response.status === 307 || response.status === 308)) throw repeats(url);
        if (!URL.canParse(location, url.href))
          throw refused("the login redirects to no address", "log in with a browser");
        url = new URL(location, url);
        const error = url.searchParams.get("error");
        if (error !== null)
          throw refused(
            `the login ended with "${context.redact(error).slice(0, 60)}"`,
            "check Dex's client and its connectors",
          );
        body = undefined;
      }
    },
  };
}

const LONGEST_COOKIE_MS = 400 * 86_400_000;

function takeCookies(cookies: Map<string, Cookie>, response: AuthResponse, nowMs: number): void {
  for (const line of response.headers.getSetCookie()) {
    const [pair = "", ...rest] = line.split(";").map((each) => each.trim());
    const split = pair.indexOf("=");
    const name = pair.slice(0, split);
    const value = pair.slice(split + 1);
    const attributes = new Map(
      rest.map((each): [string, string] => {
        const at = each.indexOf("=");
        return at < 0 ? [each.toLowerCase(), ""] : [each.slice(0, at).toLowerCase(), each.slice(at + 1)];
      }),
    );
    const ageS = Number(attributes.get("max-age") || Number.NaN);
    const endMs = Number.isNaN(ageS) ? Date.parse(attributes.get("expires") ?? "") : nowMs + ageS * 1000;
    // browsers hold none for longer (RFC 6265bis section 5.5)
    const expiresAtMs = Number.isNaN(endMs) ? undefined : Math.min(endMs, nowMs + LONGEST_COOKIE_MS);
    if (value === "" || (expiresAtMs !== undefined && expiresAtMs <= nowMs)) cookies.delete(name);
    else cookies.set(name, { value, expiresAtMs });
  }
}

/** The link of a connector on Dex's list of them. */
function findConnector(page: Page, connector: string): URL {
  const links = [...page.text.matchAll(/href="([^"]*\/auth\/([^"?/]+)\?[^"]*)"/g)];
  const found = links.find(([, , name]) => name === connector)?.[1];
  if (found === undefined) {
    const names = links.map(([, , name]) => name ?? "").join(", ");
    throw refused(
      `Dex offers no connector "${connector}"`,
      names === "" ? "log in with a browser and use KFK_COOKIE" : `set DEX_CONNECTOR to one of ${names}`,
    );
  }
  return new URL(found.replaceAll("&amp;", "&"), page.url);
}

function noForm({ url, response }: Page): Error {
  if (response.status >= 500) return unreachable(`the login page answers ${response.status}`, "try again later");
  return refused(
    `what should be Dex's login page is ${url.pathname} (${response.status})`,
    "the server has another login: use KFK_COOKIE or --token-file",
  );
}

function wrongPassword({ response, text }: Page): Error {
  if (response.status >= 500) return unreachable(`Dex answers ${response.status}`, "try again later");
  if (response.status === 400 || /User session error|Requested resource does not exist/.test(text)) {
    return refused("Dex does not know the login any more", "try again");
  }
  return refused("Dex does not take DEX_USERNAME with DEX_PASSWORD", "correct them; Dex wants the e-mail address");
}

function asksAgain(): Error {
  return refused(
    "Dex took the password, and the server asks for it again: the session that it gave is over at once, or not taken",
    "check the clocks of both machines; else log in with a browser and use KFK_COOKIE",
  );
}

function noSession({ url, response }: Page): Error {
  return refused(
    `the login ended at ${url.pathname} (${response.status}), and the server does not let us in`,
    "log in with a browser and use KFK_COOKIE",
  );
}

function asksMore({ url }: Page): Error {
  return refused(
    `Dex asks for more than the password, at ${url.pathname}`,
    "log in with a browser and use KFK_COOKIE, or a service account's token",
  );
}

function left(url: URL): Error {
  return refused(
    `the login leads to ${url.origin}, an identity provider of its own, and the password stays here`,
    "log in with a browser and use KFK_COOKIE, or a service account's token",
  );
}

function repeats(url: URL): Error {
  return refused(`${url.pathname} wants the password sent on`, "log in with a browser and use KFK_COOKIE");
}
