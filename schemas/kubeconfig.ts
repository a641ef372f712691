/**
 * kubeconfig files and the answers of the Kubernetes API and of exec plugins, as far as kfk needs them; more fields are
 * left alone. Sources: kubernetes client-go v0.37 `clientcmd/api/v1`, `client.authentication.k8s.io/v1`, core/v1.
 */
import * as v from "valibot";
import { looseObject, record } from "./mapping.ts";

const text = v.nullish(v.string("text"));
const flag = v.nullish(v.boolean("true or false"));
const list = v.nullish(v.array(v.string("text")));

const exec = looseObject({
  apiVersion: text,
  command: text,
  args: list,
  env: v.nullish(v.array(looseObject({ name: v.string(), value: v.string() }))),
  provideClusterInfo: flag,
  interactiveMode: text,
  installHint: text,
});

export const kubeconfigSchema = looseObject({
  "current-context": text,
  clusters: v.nullish(
    v.array(
      looseObject({
        name: v.string(),
        cluster: v.nullish(
          looseObject({
            server: text,
            "certificate-authority": text,
            "certificate-authority-data": text,
            "insecure-skip-tls-verify": flag,
            "tls-server-name": text,
            "proxy-url": text,
            extensions: v.nullish(v.array(looseObject({ name: v.string(), extension: v.unknown() }))),
          }),
        ),
      }),
    ),
  ),
  contexts: v.nullish(
    v.array(
      looseObject({
        name: v.string(),
        context: v.nullish(looseObject({ cluster: text, user: text, namespace: text })),
      }),
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
            as: text,
            "as-uid": text,
            "as-groups": list,
            "as-user-extra": v.nullish(record(v.string(), v.array(v.string("text")))),
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

/** A service, as far as finding its pods goes. */
export const serviceSchema = looseObject({
  spec: looseObject({
    selector: v.nullish(record(v.string(), v.string())),
    ports: v.optional(
      v.array(looseObject({ name: text, port: v.number(), targetPort: v.nullish(v.union([v.number(), v.string()])) })),
      [],
    ),
  }),
});

export const podListSchema = looseObject({
  items: v.array(
    looseObject({
      metadata: looseObject({ name: v.string(), deletionTimestamp: text }),
      spec: looseObject({
        containers: v.optional(
          v.array(
            looseObject({
              ports: v.nullish(v.array(looseObject({ name: text, containerPort: v.number() }))),
            }),
          ),
          [],
        ),
      }),
      status: v.optional(
        looseObject({ conditions: v.nullish(v.array(looseObject({ type: v.string(), status: v.string() }))) }),
        {},
      ),
    }),
  ),
});
