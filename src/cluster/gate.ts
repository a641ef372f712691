/**
 * One HTTP answer → what stands before the API, and the one thing to do about it. Pure.
 *
 * Sources: kubeflow/manifests v1.2 to 26.03 (authservice, Dex, oauth2-proxy 7.13 to 7.14), Google's documentation of
 * Identity-Aware Proxy, the KFP API server 2.17 (`apiserver/main.go`, `auth/`), Istio's and AWS's documentation.
 */
import { type Answer, hostOf } from "./answer.ts";

export interface Gate {
  /** What it is: "Google Identity-Aware Proxy". */
  readonly name: string;
  /** One sentence: what to do. */
  readonly advice: string;
  /** It asks for a login, so one that was sent was not taken. */
  readonly asks?: true;
}

/** What an answer shows to stand there; undefined for one that shows nothing. */
export function recogniseGate(status: number, headers: Headers, body: string): Gate | undefined {
  const location = headers.get("location") ?? "";
  const challenge = headers.get("www-authenticate") ?? "";
  if (isIap(status, headers, location)) return IAP;
  if (status >= 300 && status < 400) return recogniseRedirect(headers, location);
  if (status === 401 || status === 403) return recogniseRefusal(status, challenge, body);
  const type = headers.get("content-type") ?? "";
  if (status === 200 && (/html/i.test(type) || /^\s*<(!doctype|html)/i.test(body))) return recognisePage(body);
  if (status >= 400 && isKubernetesStatus(body)) return KUBERNETES;
  return undefined;
}

/** True when logging in again can help: the gate turned the request away before KFP saw it. */
export function wantsLogin(answer: Answer): boolean {
  if (answer.kind === "login") return answer.status === 401 || answer.message.endsWith("with a web page");
  return answer.kind === "gate" && answer.status >= 300 && answer.status < 400;
}

// --- internal ---

const DEX_ADVICE =
  "set DEX_USERNAME and DEX_PASSWORD, or give a service account's token: kubectl create token default-editor --audience pipelines.kubeflow.org > FILE, then --token-file FILE";

const IAP: Gate = {
  name: "Google Identity-Aware Proxy",
  advice:
    "set IAP_CLIENT_ID to the OAuth client of the proxy and GOOGLE_APPLICATION_CREDENTIALS to a service account's file; without the client's id: auth: iap-jwt",
  asks: true,
};
const KUBERNETES: Gate = {
  name: "the Kubernetes API server",
  advice: "use --host port-forward://, which goes through your kubeconfig, or the address of Kubeflow Pipelines itself",
};
const OAUTH2_PROXY: Gate = {
  name: "oauth2-proxy with Dex (Kubeflow 1.9 and newer)",
  advice: DEX_ADVICE,
  asks: true,
};

function isIap(status: number, headers: Headers, location: string): boolean {
  if (headers.get("x-goog-iap-generated-response") === "true") return true;
  return status >= 300 && status < 400 && /^https:\/\/accounts\.google\.com\/.*[?&]client_id=/.test(location);
}

function recogniseRedirect(headers: Headers, location: string): Gate {
  const host = hostOf(location) ?? "";
  const cookies = headers.getSetCookie().join("\n");
  if (/(^|\/)dex\/auth\b/.test(location) || /oidc_state_csrf=/.test(cookies)) {
    return { name: "Dex behind authservice or oauth2-proxy (Kubeflow up to 1.9.0)", advice: DEX_ADVICE, asks: true };
  }
  if (/\/oauth2\/(start|sign_in)/.test(location)) return OAUTH2_PROXY;
  if (host.endsWith(".amazoncognito.com") || /\bAWS(ALB|ELB)/.test(cookies)) {
    return {
      name: "a login of an AWS load balancer",
      advice: "log in with a browser and give its cookies AWSELBAuthSessionCookie-* in KFK_COOKIE",
      asks: true,
    };
  }
  if (host === "accounts.google.com") {
    return {
      name: "a Google login (the inverting proxy of AI Platform Pipelines)",
      advice: "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
      asks: true,
    };
  }
  if (host === "")
    return { name: "a redirect on the same host", advice: "check the path of --host, such as /pipeline" };
  return {
    name: `a login page of ${host}`,
    advice: "give a token with --token-file, the browser's cookie in KFK_COOKIE, or set up auth: oidc",
    asks: true,
  };
}

function recogniseRefusal(status: number, challenge: string, body: string): Gate | undefined {
  const text = body.trim();
  if (isKubernetesStatus(text)) return KUBERNETES;
  const json = parse(text);
  const code = (json as { code?: unknown } | undefined)?.code;
  if (code === 16) {
    return {
      name: "Kubeflow Pipelines for many users, which does not know who asks",
      advice:
        "give a service account's token with the audience pipelines.kubeflow.org: kubectl create token default-editor --audience pipelines.kubeflow.org > FILE, then --token-file FILE",
      asks: true,
    };
  }
  if (code === 7) {
    return {
      name: "Kubeflow Pipelines itself: you are logged in, and may not do this",
      advice: "check --namespace, or ask for the role kubeflow-edit in it",
    };
  }
  if (/action="\/oauth2\/start"/.test(text)) return OAUTH2_PROXY;
  if (text === "{}" && status === 401) return OAUTH2_PROXY;
  if (text.startsWith("RBAC: access denied")) {
    return {
      name: "Istio's authorization policy",
      advice: "log in with a token that the mesh accepts: --token-file FILE",
      asks: true,
    };
  }
  if (text.startsWith("Jwt is missing")) {
    return {
      name: "Istio's check of tokens",
      advice: "give a token that the mesh accepts: --token-file FILE",
      asks: true,
    };
  }
  if (text.startsWith("Jwt ") || /invalid_token/.test(challenge)) {
    return {
      name: "Istio's check of tokens",
      advice: "the token has expired, or its issuer is one that the mesh does not know: get a new one for this cluster",
    };
  }
  if (/^basic\b/i.test(challenge)) {
    return {
      name: "a proxy that asks for user name and password",
      advice: "set KFK_BASIC_USER and KFK_BASIC_PASSWORD",
      asks: true,
    };
  }
  if (/^bearer\b/i.test(challenge))
    return { name: "a gate that wants a bearer token", advice: "give one with --token-file", asks: true };
  return undefined;
}

function recognisePage(body: string): Gate {
  if (/\/dex\/auth|oauth2\/start|<form[^>]*login/i.test(body)) {
    return { name: "a login page", advice: DEX_ADVICE, asks: true };
  }
  return {
    name: "a web page, and no API (the central dashboard or the UI at another path)",
    // a host without a path was tried with /pipeline too
    advice: "give --host the address that Kubeflow Pipelines itself has in a browser",
  };
}

function isKubernetesStatus(body: string): boolean {
  const json = parse(body) as { kind?: unknown; apiVersion?: unknown } | undefined;
  return json?.kind === "Status" && json.apiVersion === "v1";
}

function parse(text: string): unknown {
  if (!text.startsWith("{")) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return json === null ? undefined : json;
  } catch {
    return undefined;
  }
}
