/**
 * The token that Kubernetes puts into a pod for Kubeflow Pipelines (volume of the PodDefault `access-ml-pipeline`):
 * KF_PIPELINES_SA_TOKEN_PATH, or the usual place. Read before every request: the kubelet replaces it at 80 % of its
 * life. The pod's own token for the Kubernetes API is never used: it would open more than a pipeline server.
 * Source: kfp SDK 2.17 `client/token_credentials.py`.
 */
import type { AuthContext, AuthProvider } from "../contract.ts";
import { filled, given, readTokenFile } from "./token.ts";

/** Where the volume is mounted unless somebody says otherwise. */
const PLACE = "/var/run/secrets/kubeflow/pipelines/token";

export const serviceAccount: AuthProvider = {
  name: "service-account",
  title: "token of the pod's service account for Kubeflow Pipelines",
  settings: ["file"],
  applies: (_server, context) => {
    const place = findPlace(context);
    const isThere = place !== PLACE || context.readText(PLACE) !== undefined;
    return isThere ? { how: "ambient", because: `the service account token ${place}` } : undefined;
  },
  login: (_server, context) => readTokenFile(findPlace(context), context),
};

// --- internal ---

function findPlace(context: AuthContext): string {
  return given(context, "file") ?? filled(context.env("KF_PIPELINES_SA_TOKEN_PATH")) ?? PLACE;
}
