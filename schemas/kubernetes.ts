/**
 * The parts of Kubernetes objects that kubeflow.yaml may hold: tolerations, affinity, volume sources. Keys are those of
 * Kubernetes' own JSON; older spellings are rewritten before (`src/config/kubernetes.ts`). What Argo's oldest supported
 * version does not know is not here.
 *
 * Source: Kubernetes core/v1 (1.21, the API that Argo 3.1 was built with); messages follow "must be".
 */
import * as v from "valibot";

export const text = v.pipe(
  v.union([v.string(), v.bigint(), v.number(), v.boolean()], "text"),
  v.transform((value) => String(value)),
);
export const name = v.pipe(v.string("text"), v.minLength(1, "text"));
export const integer = v.union(
  [
    v.bigint(),
    v.pipe(
      v.string(),
      v.regex(/^[+-]?\d+$/),
      v.transform((value) => BigInt(value)),
    ),
  ],
  "a whole number",
);
export const natural = v.pipe(
  integer,
  v.check((value) => value >= 0n, "a whole number, 0 or more"),
  v.transform((value) => Number(value)),
);
export const flag = v.union(
  [
    v.boolean(),
    v.pipe(
      v.string(),
      v.regex(/^(?:true|false)$/i),
      v.transform((value) => value.toLowerCase() === "true"),
    ),
  ],
  "true or false",
);
/** Source: Kubernetes resource.Quantity; negative amounts and lower-case k, n, u, m are its own. */
const QUANTITY = /^\+?(?:\d+|\d+\.\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
export const quantity = v.pipe(
  v.union([v.string(), v.bigint(), v.number()], 'an amount like 500m, 2 or "4Gi"'),
  v.transform((value) => String(value)),
  v.regex(QUANTITY, 'an amount like 500m, 2 or "4Gi"'),
);
const labels = v.record(v.string(), text, "a mapping of labels");

// tolerations

export const toleration = v.pipe(
  v.strictObject(
    {
      key: v.nullish(text),
      operator: v.nullish(v.picklist(["Exists", "Equal"], "Exists or Equal")),
      value: v.nullish(text),
      effect: v.nullish(
        v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"], "NoSchedule, PreferNoSchedule or NoExecute"),
      ),
      tolerationSeconds: v.nullish(natural),
      toleration_seconds: v.nullish(natural),
    },
    "a mapping with key, operator, value and effect",
  ),
  v.check(({ operator, value }) => operator !== "Exists" || !value, "without a value where the operator is Exists"),
  v.check(({ key, operator }) => Boolean(key) || operator === "Exists", "with a key, or with the operator Exists"),
  v.check(
    ({ tolerationSeconds, toleration_seconds, effect }) =>
      (tolerationSeconds ?? toleration_seconds ?? null) === null || effect === "NoExecute",
    "of the effect NoExecute when it has tolerationSeconds",
  ),
);

// affinity

const nodeRequirement = v.strictObject(
  {
    key: name,
    operator: v.picklist(
      ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"],
      "In, NotIn, Exists, DoesNotExist, Gt or Lt",
    ),
    values: v.nullish(v.array(text, "a list")),
  },
  "a mapping with key, operator and values",
);
const nodeTerm = v.strictObject(
  {
    matchExpressions: v.nullish(v.array(nodeRequirement, "a list")),
    matchFields: v.nullish(v.array(nodeRequirement, "a list")),
  },
  "a mapping with matchExpressions",
);
const weight = v.pipe(
  integer,
  v.check((value) => value >= 1n && value <= 100n, "a whole number from 1 to 100"),
  v.transform((value) => Number(value)),
);
const nodeAffinity = v.strictObject(
  {
    requiredDuringSchedulingIgnoredDuringExecution: v.nullish(
      v.strictObject({ nodeSelectorTerms: v.array(nodeTerm, "a list") }, "a mapping with nodeSelectorTerms"),
    ),
    preferredDuringSchedulingIgnoredDuringExecution: v.nullish(
      v.array(v.strictObject({ weight, preference: nodeTerm }, "a mapping with weight and preference"), "a list"),
    ),
  },
  "a mapping of node affinity",
);
const labelSelector = v.strictObject(
  {
    matchLabels: v.nullish(labels),
    matchExpressions: v.nullish(
      v.array(
        v.strictObject(
          {
            key: name,
            operator: v.picklist(["In", "NotIn", "Exists", "DoesNotExist"], "In, NotIn, Exists or DoesNotExist"),
            values: v.nullish(v.array(text, "a list")),
          },
          "a mapping with key, operator and values",
        ),
        "a list",
      ),
    ),
  },
  "a mapping with matchLabels or matchExpressions",
);
const podTerm = v.strictObject(
  {
    labelSelector: v.nullish(labelSelector),
    namespaces: v.nullish(v.array(name, "a list of namespaces")),
    topologyKey: name,
  },
  "a mapping with labelSelector and topologyKey",
);
const podAffinity = v.strictObject(
  {
    requiredDuringSchedulingIgnoredDuringExecution: v.nullish(v.array(podTerm, "a list")),
    preferredDuringSchedulingIgnoredDuringExecution: v.nullish(
      v.array(
        v.strictObject({ weight, podAffinityTerm: podTerm }, "a mapping with weight and podAffinityTerm"),
        "a list",
      ),
    ),
  },
  "a mapping of pod affinity",
);

export const affinity = v.strictObject(
  {
    nodeAffinity: v.nullish(nodeAffinity),
    podAffinity: v.nullish(podAffinity),
    podAntiAffinity: v.nullish(podAffinity),
  },
  "a mapping",
);

// volumes

const items = v.nullish(
  v.array(v.strictObject({ key: name, path: name, mode: v.nullish(natural) }, "a mapping with key and path"), "a list"),
);
const downwardItems = v.nullish(
  v.array(
    v.strictObject(
      {
        path: name,
        fieldRef: v.nullish(v.strictObject({ fieldPath: name, apiVersion: v.nullish(name) }, "a mapping")),
        resourceFieldRef: v.nullish(
          v.strictObject(
            { resource: name, containerName: v.nullish(name), divisor: v.nullish(quantity) },
            "a mapping with resource",
          ),
        ),
        mode: v.nullish(natural),
      },
      "a mapping with path and fieldRef",
    ),
    "a list",
  ),
);
const projection = v.strictObject(
  {
    secret: v.nullish(v.strictObject({ name, items, optional: v.nullish(flag) }, "a mapping with name")),
    configMap: v.nullish(v.strictObject({ name, items, optional: v.nullish(flag) }, "a mapping with name")),
    downwardAPI: v.nullish(v.strictObject({ items: downwardItems }, "a mapping with items")),
    serviceAccountToken: v.nullish(
      v.strictObject(
        { path: name, audience: v.nullish(name), expirationSeconds: v.nullish(natural) },
        "a mapping with path",
      ),
    ),
  },
  "a mapping with secret, configMap, downwardAPI or serviceAccountToken",
);
const reference = v.nullish(v.strictObject({ name }, "a mapping with name"));
/** Sources of single vendors: passed on as they are. */
const vendor = v.nullish(v.record(v.string(), v.unknown(), "a mapping"));

const SOURCES = {
  emptyDir: v.nullish(v.strictObject({ medium: v.nullish(text), sizeLimit: v.nullish(quantity) }, "a mapping")),
  secret: v.nullish(
    v.strictObject(
      { secretName: name, items, defaultMode: v.nullish(natural), optional: v.nullish(flag) },
      "a mapping with secretName",
    ),
  ),
  configMap: v.nullish(
    v.strictObject({ name, items, defaultMode: v.nullish(natural), optional: v.nullish(flag) }, "a mapping with name"),
  ),
  persistentVolumeClaim: v.nullish(
    v.strictObject({ claimName: name, readOnly: v.nullish(flag) }, "a mapping with claimName"),
  ),
  hostPath: v.nullish(v.strictObject({ path: name, type: v.nullish(text) }, "a mapping with path")),
  nfs: v.nullish(
    v.strictObject({ server: name, path: name, readOnly: v.nullish(flag) }, "a mapping with server and path"),
  ),
  csi: v.nullish(
    v.strictObject(
      {
        driver: name,
        fsType: v.nullish(text),
        readOnly: v.nullish(flag),
        nodePublishSecretRef: reference,
        volumeAttributes: v.nullish(labels),
      },
      "a mapping with driver",
    ),
  ),
  projected: v.nullish(
    v.strictObject(
      { sources: v.array(projection, "a list"), defaultMode: v.nullish(natural) },
      "a mapping with sources",
    ),
  ),
  downwardAPI: v.nullish(
    v.strictObject({ items: downwardItems, defaultMode: v.nullish(natural) }, "a mapping with items"),
  ),
  ephemeral: v.nullish(
    v.strictObject(
      {
        volumeClaimTemplate: v.strictObject(
          {
            metadata: v.nullish(v.record(v.string(), v.unknown(), "a mapping")),
            spec: v.record(v.string(), v.unknown(), "a mapping"),
          },
          "a mapping with spec",
        ),
      },
      "a mapping with volumeClaimTemplate",
    ),
  ),
  awsElasticBlockStore: vendor,
  azureDisk: vendor,
  azureFile: vendor,
  cephfs: vendor,
  cinder: vendor,
  fc: vendor,
  flexVolume: vendor,
  flocker: vendor,
  gcePersistentDisk: vendor,
  gitRepo: vendor,
  glusterfs: vendor,
  iscsi: vendor,
  photonPersistentDisk: vendor,
  portworxVolume: vendor,
  quobyte: vendor,
  rbd: vendor,
  scaleIO: vendor,
  storageos: vendor,
  vsphereVolume: vendor,
} as const;

/** One volume of a pod: a name and exactly one source. */
export const podVolume = v.pipe(
  v.strictObject({ name, ...SOURCES }, "a mapping with name and one source, such as emptyDir"),
  v.check(
    (volume) => Object.values(volume).filter((part) => part != null).length === 2,
    "of exactly one source, such as emptyDir: {}",
  ),
);
