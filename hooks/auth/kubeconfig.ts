/**
 * A token for a service account, asked of the Kubernetes API with the person's kubeconfig (TokenRequest): audience
 * `pipelines.kubeflow.org` unless `audience` says otherwise, so that it opens Kubeflow and not Kubernetes. Service
 * account `default-editor` of the profile's namespace. Asked for by name: `auth: kubeconfig`.
 *
 * The kubeconfig's own credential goes to its API server only (`kube-file.ts`, `kube-login.ts`).
 * Source: Kubernetes API v1 TokenRequest.
 */
import * as v from "valibot";
import { tokenRequestSchema } from "../../schemas/kubeconfig.ts";
import type { AuthProvider } from "../contract.ts";
import { refused } from "./failure.ts";
import { askJson } from "./identity-provider.ts";
import { bearerLogin, holdTo } from "./jwt.ts";
import { readKube } from "./kube-file.ts";
import { kubeLogin } from "./kube-login.ts";
import { filled, given } from "./token.ts";

export const kubeconfig: AuthProvider = {
  name: "kubeconfig",
  title: "token of a service account, through kubeconfig",
  settings: ["context", "service_account", "namespace", "audience"],
  applies: () => undefined,
  login: async (server, context) => {
    const cluster = await readKube(context, filled(context.env("KFK_KUBE_CONTEXT")) ?? given(context, "context"));
    const { api } = cluster;
    const namespace = given(context, "namespace") ?? server.namespace ?? cluster.namespace;
    if (namespace === undefined)
      throw refused("the namespace of the service account is not known", "name it with --namespace");
    const account = given(context, "service_account") ?? "default-editor";
    const audience = given(context, "audience") ?? "pipelines.kubeflow.org";
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(account)}/token`;
    const own = await kubeLogin(cluster, context);
    const answer = await askJson(
      context,
      api + path,
      {
        tls: { ...cluster.tls, ...own.tls },
        ...(cluster.proxy === undefined ? {} : { proxy: cluster.proxy }),
        method: "POST",
        headers: { ...own.headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { audiences: [audience], expirationSeconds: 3600 },
        }),
      },
      `the Kubernetes API at ${new URL(api).host}`,
      `you need the right to create serviceaccounts/token for ${account} in ${namespace}`,
    );
    const parsed = v.safeParse(tokenRequestSchema, answer);
    if (!parsed.success) throw refused("the Kubernetes API gave no token", "check the server in kubeconfig");
    const endMs = Date.parse(parsed.output.status.expirationTimestamp ?? "");
    const login = bearerLogin(parsed.output.status.token, "the token of Kubernetes", context, {
      principal: `system:serviceaccount:${namespace}:${account}`,
      audience,
      ...(Number.isNaN(endMs) ? {} : { expiresAtMs: endMs }),
    });
    return holdTo(login, audience, "the token of Kubernetes");
  },
};
