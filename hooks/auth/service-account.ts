/**
 * The token that Kubernetes puts into a pod for Kubeflow Pipelines (volume of the PodDefault `access-ml-pipeline`):
 * KF_PIPELINES_SA_TOKEN_PATH, or the usual place. Read before every request: the kubelet replaces it at 80 % of its
 * life. The pod's own token for the Kubernetes API is never used, not even where a variable or setting names it: it
 * would open more than a pipeline server. `audience` below `auth:` asks for another than Kubernetes' own.
 * Source: kfp SDK 2.17 `client/token_credentials.py`.
 */
import type { AuthContext, AuthProvider, Login } from "../contract.ts";
import { refused } from "./failure.ts";
import { holdTo, readClaims } from "./jwt.ts";
import { filled, given, readTokenFile } from "./token.ts";

/** Where the volume is mounted unless somebody says otherwise. */
const PLACE = "/var/run/secrets/kubeflow/pipelines/token";

export const serviceAccount: AuthProvider = {
  name: "service-account",
  title: "token of the pod's service account for Kubeflow Pipelines",
  settings: ["file", "audience"],
  applies: (_server, context) => {
    const place = findPlace(context);
    const isThere = place !== PLACE || context.readText(PLACE) !== undefined;
    return isThere ? { how: "ambient", because: `the service account token ${place}` } : undefined;
  },
  login: (_server, context) => {
    const place = findPlace(context);
    const login = readTokenFile(place, context);
    const audience = given(context, "audience");
    if (audience === undefined) refuseKubernetes(login, place);
    return holdTo(login, audience, `the token in ${place}`);
  },
};

// --- internal ---

/** Audiences that API servers of Kubernetes give their own tokens. */
const KUBERNETES =
  /^(https:\/\/kubernetes\.default(\.svc(\.cluster\.local)?)?|kubernetes|https:\/\/container\.googleapis\.com\/.*|https:\/\/oidc\.eks\..*|k3s)$/;

function refuseKubernetes(login: Login, place: string): void {
  const claims = readClaims((login.headers["Authorization"] ?? "").replace(/^Bearer /, ""));
  const issuer = claims?.issuer;
  const wrong = claims?.audiences.find((each) => KUBERNETES.test(each) || each === issuer);
  if (wrong === undefined) return;
  throw refused(
    `the token in ${place} is meant for the Kubernetes API (${wrong}), and would open more than a pipeline server`,
    "mount one for pipelines.kubeflow.org (the PodDefault access-ml-pipeline), or name this audience below auth:",
  );
}

function findPlace(context: AuthContext): string {
  return given(context, "file") ?? filled(context.env("KF_PIPELINES_SA_TOKEN_PATH")) ?? PLACE;
}
