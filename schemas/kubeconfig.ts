/**
 * kubeconfig files and the answers of the Kubernetes API and of exec plugins, as far as kfk needs them; more fields are
 * left alone. Sources: kubernetes client-go v0.37 `clientcmd/api/v1`, `client.authentication.k8s.io/v1`, core/v1.
 */
import * as v from "valibot";

const text = v.nullish(v.string("text"));
const flag = v.nullish(v.boolean("true or false"));
const list = v.nullish(v.array(v.string("text")));

const exec = v.looseObject({
  apiVersion: text,
  command: text,
  args: list,
  env: v.nullish(v.array(v.looseObject({ name: v.string(), value: v.string() }))),
  provideClusterInfo: flag,
  interactiveMode: text,
  installHint: text,
});

export const kubeconfigSchema = v.looseObject({
  "current-context": text,
  clusters: v.nullish(
    v.array(
      v.looseObject({
        name: v.string(),
        cluster: v.nullish(
          v.looseObject({
            server: text,
            "certificate-authority": text,
            "certificate-authority-data": text,
            "insecure-skip-tls-verify": flag,
            "tls-server-name": text,
            "proxy-url": text,
            extensions: v.nullish(v.array(v.looseObject({ name: v.string(), extension: v.unknown() }))),
          }),
        ),
      }),
    ),
  ),
  contexts: v.nullish(
    v.array(
      v.looseObject({
        name: v.string(),
        context: v.nullish(v.looseObject({ cluster: text, user: text, namespace: text })),
      }),
    ),
  ),
  users: v.nullish(
    v.array(
      v.looseObject({
        name: v.string(),
        user: v.nullish(
          v.looseObject({
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
            "as-user-extra": v.nullish(v.record(v.string(), v.array(v.string("text")))),
            exec: v.nullish(exec),
            "auth-provider": v.nullish(v.looseObject({ name: v.string() })),
          }),
        ),
      }),
    ),
  ),
});

export const execCredentialSchema = v.looseObject({
  kind: v.literal("ExecCredential"),
  apiVersion: v.string(),
  status: v.looseObject({
    token: text,
    expirationTimestamp: text,
    clientCertificateData: text,
    clientKeyData: text,
  }),
});

export const tokenRequestSchema = v.looseObject({
  status: v.looseObject({ token: v.string(), expirationTimestamp: text }),
});

/** A service, as far as finding its pods goes. */
export const serviceSchema = v.looseObject({
  spec: v.looseObject({
    selector: v.nullish(v.record(v.string(), v.string())),
    ports: v.optional(
      v.array(
        v.looseObject({ name: text, port: v.number(), targetPort: v.nullish(v.union([v.number(), v.string()])) }),
      ),
      [],
    ),
  }),
});

export const podListSchema = v.looseObject({
  items: v.array(
    v.looseObject({
      metadata: v.looseObject({ name: v.string(), deletionTimestamp: text }),
      spec: v.looseObject({
        containers: v.optional(
          v.array(
            v.looseObject({
              ports: v.nullish(v.array(v.looseObject({ name: text, containerPort: v.number() }))),
            }),
          ),
          [],
        ),
      }),
      status: v.optional(
        v.looseObject({ conditions: v.nullish(v.array(v.looseObject({ type: v.string(), status: v.string() }))) }),
        {},
      ),
    }),
  ),
});
