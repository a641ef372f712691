/**
 * kubeconfig files and the answer of exec plugins, as far as a login needs them; more fields are left alone.
 * Sources: kubernetes client-go v1 `clientcmd/api/v1`, `client.authentication.k8s.io/v1`.
 */
import * as v from "valibot";
import { looseObject } from "./mapping.ts";

const text = v.nullish(v.string("text"));

const exec = looseObject({
  apiVersion: text,
  command: v.string("text"),
  args: v.nullish(v.array(v.string("text"))),
  env: v.nullish(v.array(looseObject({ name: v.string(), value: v.string() }))),
  provideClusterInfo: v.nullish(v.boolean()),
});

export const kubeconfigSchema = looseObject({
  "current-context": text,
  clusters: v.nullish(
    v.array(
      looseObject({
        name: v.string(),
        cluster: looseObject({
          server: v.string("the address of the API server"),
          "certificate-authority": text,
          "certificate-authority-data": text,
          "insecure-skip-tls-verify": v.nullish(v.boolean()),
          "tls-server-name": text,
          "proxy-url": text,
        }),
      }),
    ),
  ),
  contexts: v.nullish(
    v.array(
      looseObject({ name: v.string(), context: looseObject({ cluster: v.string(), user: text, namespace: text }) }),
    ),
  ),
  users: v.nullish(
    v.array(
      looseObject({
        name: v.string(),
        user: v.nullish(
          looseObject({
            token: text,
            tokenFile: text,
            username: text,
            password: text,
            "client-certificate": text,
            "client-certificate-data": text,
            "client-key": text,
            "client-key-data": text,
            exec: v.nullish(exec),
            "auth-provider": v.nullish(looseObject({ name: v.string() })),
          }),
        ),
      }),
    ),
  ),
});

export const execCredentialSchema = looseObject({
  kind: v.literal("ExecCredential"),
  apiVersion: v.string(),
  status: looseObject({
    token: text,
    expirationTimestamp: text,
    clientCertificateData: text,
    clientKeyData: text,
  }),
});

export const tokenRequestSchema = looseObject({
  status: looseObject({ token: v.string(), expirationTimestamp: text }),
});
