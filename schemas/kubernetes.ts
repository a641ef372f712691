/**
 * The parts of Kubernetes objects that kubeflow.yaml may hold: tolerations, affinity, volume sources. Keys are those of
 * Kubernetes' own JSON; older spellings are rewritten before (`src/config/kubernetes.ts`). What Argo's oldest supported
 * version does not know is not here.
 *
 * Source: Kubernetes core/v1 (1.21, the API that Argo 3.1 was built with); messages follow "must be".
 */
import * as v from "valibot";
import { record, strictObject } from "./mapping.ts";
import {
  dataKey,
  innerPath,
  isCounted,
  isResourceName,
  labelKey,
  labelValue,
  name,
  objectName,
  text,
} from "./names.ts";

/** A whole float is one too, as the predecessor took it: text from elsewhere may be `2.0`. */
export const integer = v.union(
  [
    v.bigint(),
    v.pipe(
      v.number(),
      v.safeInteger(),
      v.transform((value) => BigInt(value)),
    ),
    v.pipe(
      v.string(),
      v.regex(/^\s*[+-]?\d+\s*$/),
      v.transform((value) => BigInt(value.trim().replace(/^\+/, ""))),
    ),
  ],
  "a whole number",
);
/** What does not fit into 32 bits is refused by the API server. */
const LARGEST = 2_147_483_647n;
export const natural = v.pipe(
  integer,
  v.check((value) => value >= 0n, "a whole number, 0 or more"),
  v.check((value) => value <= LARGEST, `a whole number, at most ${LARGEST}`),
  v.transform((value) => Number(value)),
);
/** Words for yes and no, as pydantic 1 takes them from the environment. */
const YES = /^(?:1|on|t|true|y|yes)$/i;
export const flag = v.union(
  [
    v.boolean(),
    v.pipe(
      v.string(),
      v.regex(/^(?:[01]|on|off|t|f|true|false|y|n|yes|no)$/i),
      v.transform((value) => YES.test(value)),
    ),
    v.pipe(
      v.bigint(),
      v.check((value) => value === 0n || value === 1n),
      v.transform((value) => value === 1n),
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
export const positiveQuantity = v.pipe(
  quantity,
  v.check((value) => wholeOf(value) > 0, "more than nothing, such as 1Gi"),
);
export const labels = v.pipe(
  record(v.string(), labelValue, "a mapping of labels"),
  eachKey((key) => (v.is(labelKey, key) ? undefined : "is not the key of a label, such as pool or example.com/pool")),
);
/** What a step asks for, and has at most; null takes back what `__default__` asks for. */
export const amounts = v.pipe(
  record(v.string(), v.nullable(quantity), "a mapping like {cpu: 500m, memory: 1Gi}"),
  eachKey((key) =>
    isResourceName(key) ? undefined : "is not known to Kubernetes: a device is called like nvidia.com/gpu",
  ),
  eachValue((key, value) =>
    value === null || !isCounted(key) || Number.isInteger(wholeOf(value))
      ? undefined
      : "a whole number, as it cannot be divided",
  ),
);

// tolerations

/** Less than nothing is nothing. Source: Kubernetes core/v1 Toleration. */
const seconds = v.pipe(
  integer,
  v.transform((value) => Number(value)),
);
export const toleration = v.pipe(
  strictObject(
    {
      key: v.nullish(v.union([v.literal(""), labelKey], "the key of a taint, such as pool or example.com/pool")),
      // empty text is what the API server reads as its default
      operator: v.nullish(v.picklist(["Exists", "Equal", ""], "Exists or Equal")),
      value: v.nullish(labelValue),
      effect: v.nullish(
        v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute", ""], "NoSchedule, PreferNoSchedule or NoExecute"),
      ),
      tolerationSeconds: v.nullish(seconds),
      toleration_seconds: v.nullish(seconds),
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

const values = v.nullish(v.array(labelValue, "a list"));
/** How many values an operator takes. */
interface Requirement {
  readonly operator: string;
  readonly values?: readonly string[] | null | undefined;
}
const hasSome = ({ operator, values: list }: Requirement): boolean =>
  !["In", "NotIn"].includes(operator) || (list ?? []).length > 0;
const hasNone = ({ operator, values: list }: Requirement): boolean =>
  !["Exists", "DoesNotExist"].includes(operator) || (list ?? []).length === 0;
const hasNumber = ({ operator, values: list }: Requirement): boolean =>
  !["Gt", "Lt"].includes(operator) || (list?.length === 1 && /^[+-]?\d+$/.test(list[0] ?? ""));
const SOME = "with values where the operator is In or NotIn";
const NONE = "without values where the operator is Exists or DoesNotExist";

const nodeRequirement = v.pipe(
  strictObject(
    {
      key: labelKey,
      operator: v.picklist(
        ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"],
        "In, NotIn, Exists, DoesNotExist, Gt or Lt",
      ),
      values,
    },
    "a mapping with key, operator and values",
  ),
  v.check((each) => hasSome(each), SOME),
  v.check((each) => hasNone(each), NONE),
  v.check((each) => hasNumber(each), "with one whole number as value where the operator is Gt or Lt"),
);
const nodeField = strictObject(
  {
    key: v.literal("metadata.name", "metadata.name, the one field there is"),
    operator: v.picklist(["In", "NotIn"], "In or NotIn"),
    values: v.pipe(v.array(objectName, "a list"), v.length(1, "a list with the name of one node")),
  },
  "a mapping with key, operator and values",
);
const nodeTerm = strictObject(
  {
    matchExpressions: v.nullish(v.array(nodeRequirement, "a list")),
    matchFields: v.nullish(v.array(nodeField, "a list")),
  },
  "a mapping with matchExpressions",
);
const weight = v.pipe(
  integer,
  v.check((value) => value >= 1n && value <= 100n, "a whole number from 1 to 100"),
  v.transform((value) => Number(value)),
);
const nodeAffinity = strictObject(
  {
    requiredDuringSchedulingIgnoredDuringExecution: v.nullish(
      strictObject(
        { nodeSelectorTerms: v.pipe(v.array(nodeTerm, "a list"), v.minLength(1, "a list with one term at least")) },
        "a mapping with nodeSelectorTerms",
      ),
    ),
    preferredDuringSchedulingIgnoredDuringExecution: v.nullish(
      v.array(strictObject({ weight, preference: nodeTerm }, "a mapping with weight and preference"), "a list"),
    ),
  },
  "a mapping of node affinity",
);
const labelSelector = strictObject(
  {
    matchLabels: v.nullish(labels),
    matchExpressions: v.nullish(
      v.array(
        v.pipe(
          strictObject(
            {
              key: labelKey,
              operator: v.picklist(["In", "NotIn", "Exists", "DoesNotExist"], "In, NotIn, Exists or DoesNotExist"),
              values,
            },
            "a mapping with key, operator and values",
          ),
          v.check((each) => hasSome(each), SOME),
          v.check((each) => hasNone(each), NONE),
        ),
        "a list",
      ),
    ),
  },
  "a mapping with matchLabels or matchExpressions",
);
const podTerm = strictObject(
  {
    labelSelector: v.nullish(labelSelector),
    namespaces: v.nullish(v.array(objectName, "a list of namespaces")),
    topologyKey: labelKey,
  },
  "a mapping with labelSelector and topologyKey",
);
const podAffinity = strictObject(
  {
    requiredDuringSchedulingIgnoredDuringExecution: v.nullish(v.array(podTerm, "a list")),
    preferredDuringSchedulingIgnoredDuringExecution: v.nullish(
      v.array(
        strictObject({ weight, podAffinityTerm: podTerm }, "a mapping with weight and podAffinityTerm"),
        "a list",
      ),
    ),
  },
  "a mapping of pod affinity",
);

export const affinity = strictObject(
  {
    nodeAffinity: v.nullish(nodeAffinity),
    podAffinity: v.nullish(podAffinity),
    podAntiAffinity: v.nullish(podAffinity),
  },
  "a mapping",
);

// volumes

/** Permission bits; YAML reads 0644 as octal, 420. */
const mode = v.pipe(
  natural,
  v.check((value) => value <= 0o777, "permission bits from 0 to 0777"),
);
const items = v.nullish(
  v.array(
    strictObject({ key: dataKey, path: innerPath, mode: v.nullish(mode) }, "a mapping with key and path"),
    "a list",
  ),
);
const downwardItems = v.nullish(
  v.array(
    v.pipe(
      strictObject(
        {
          path: innerPath,
          fieldRef: v.nullish(strictObject({ fieldPath: name, apiVersion: v.nullish(name) }, "a mapping")),
          resourceFieldRef: v.nullish(
            strictObject(
              { resource: name, containerName: v.nullish(name), divisor: v.nullish(quantity) },
              "a mapping with resource",
            ),
          ),
          mode: v.nullish(mode),
        },
        "a mapping with path and fieldRef",
      ),
      v.check(
        ({ fieldRef, resourceFieldRef }) => (fieldRef == null) !== (resourceFieldRef == null),
        "with either fieldRef or resourceFieldRef",
      ),
    ),
    "a list",
  ),
);
const expiry = v.pipe(
  natural,
  v.check((value) => value >= 600, "600 seconds or more"),
);
const projection = strictObject(
  {
    secret: v.nullish(strictObject({ name: objectName, items, optional: v.nullish(flag) }, "a mapping with name")),
    configMap: v.nullish(strictObject({ name: objectName, items, optional: v.nullish(flag) }, "a mapping with name")),
    downwardAPI: v.nullish(strictObject({ items: downwardItems }, "a mapping with items")),
    serviceAccountToken: v.nullish(
      strictObject(
        { path: innerPath, audience: v.nullish(name), expirationSeconds: v.nullish(expiry) },
        "a mapping with path",
      ),
    ),
  },
  "a mapping with secret, configMap, downwardAPI or serviceAccountToken",
);
const reference = v.nullish(strictObject({ name: objectName }, "a mapping with name"));
/** Sources of single vendors: passed on as they are. */
const vendor = v.nullish(record(v.string(), v.unknown(), "a mapping"));

const absolute = v.pipe(name, v.startsWith("/", "an absolute path"));
const hostFolder = v.pipe(
  name,
  v.check((path) => !path.split("/").includes(".."), "a path without .."),
);
const hostType = v.picklist(
  ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"],
  "DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice or BlockDevice",
);
const medium = v.pipe(text, v.regex(/^(?:Memory|HugePages(?:-\S+)?)?$/, "Memory or HugePages"));

const SOURCES = {
  emptyDir: v.nullish(strictObject({ medium: v.nullish(medium), sizeLimit: v.nullish(quantity) }, "a mapping")),
  secret: v.nullish(
    strictObject(
      { secretName: objectName, items, defaultMode: v.nullish(mode), optional: v.nullish(flag) },
      "a mapping with secretName",
    ),
  ),
  configMap: v.nullish(
    strictObject(
      { name: objectName, items, defaultMode: v.nullish(mode), optional: v.nullish(flag) },
      "a mapping with name",
    ),
  ),
  persistentVolumeClaim: v.nullish(
    strictObject({ claimName: objectName, readOnly: v.nullish(flag) }, "a mapping with claimName"),
  ),
  hostPath: v.nullish(strictObject({ path: hostFolder, type: v.nullish(hostType) }, "a mapping with path")),
  nfs: v.nullish(
    strictObject({ server: name, path: absolute, readOnly: v.nullish(flag) }, "a mapping with server and path"),
  ),
  csi: v.nullish(
    strictObject(
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
    strictObject({ sources: v.array(projection, "a list"), defaultMode: v.nullish(mode) }, "a mapping with sources"),
  ),
  downwardAPI: v.nullish(strictObject({ items: downwardItems, defaultMode: v.nullish(mode) }, "a mapping with items")),
  ephemeral: v.nullish(
    strictObject(
      {
        volumeClaimTemplate: strictObject(
          {
            metadata: v.nullish(record(v.string(), v.unknown(), "a mapping")),
            spec: record(v.string(), v.unknown(), "a mapping"),
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
  strictObject({ name, ...SOURCES }, "a mapping with name and one source, such as emptyDir"),
  v.check(
    (volume) => Object.values(volume).filter((part) => part != null).length === 2,
    "of exactly one source, such as emptyDir: {}",
  ),
);

// keys and amounts

/** A check of the keys of a mapping; the message follows the key. */
function eachKey<T extends Readonly<Record<string, unknown>>>(
  check: (key: string) => string | undefined,
): v.RawCheckAction<T> {
  return eachEntry("key", check);
}

/** A check of values that needs their key; the message follows "must be". */
function eachValue<T extends Readonly<Record<string, unknown>>>(
  check: (key: string, value: T[string]) => string | undefined,
): v.RawCheckAction<T> {
  return eachEntry("value", check);
}

function eachEntry<T extends Readonly<Record<string, unknown>>>(
  origin: "key" | "value",
  check: (key: string, value: T[string]) => string | undefined,
): v.RawCheckAction<T> {
  return v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input: Readonly<Record<string, unknown>> = dataset.value;
    for (const [key, value] of Object.entries(input)) {
      const message = check(key, value as T[string]);
      if (message !== undefined) addIssue({ message, path: [{ type: "object", origin, input, key, value }] });
    }
  });
}

/** An amount as a number of units, exact enough to tell nothing, whole and divided. */
function wholeOf(amount: string): number {
  const [, digits = "", suffix = ""] = /^\+?([\d.]+)(.*)$/.exec(amount) ?? [];
  return /^[eE]./.test(suffix) ? Number(digits + suffix) : Number(digits) * (FACTORS[suffix] ?? 1);
}

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  ...Object.fromEntries([..."kMGTPE"].map((letter, index) => [letter, 1000 ** (index + 1)])),
  ...Object.fromEntries([..."KMGTPE"].map((letter, index) => [`${letter}i`, 1024 ** (index + 1)])),
};
