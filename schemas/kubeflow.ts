/**
 * The form of `kubeflow.yaml`: every key of the predecessor (0.3.0 to 0.11.0) and kfk's own. Values arrive as Python
 * would have them (an int is a bigint), but text from environment variables stands for numbers and booleans too.
 *
 * Source: kedro-kubeflow 0.3.0 and 0.11.0 `config.py` and documentation.
 */
import * as v from "valibot";

const text = v.pipe(
  v.union([v.string(), v.bigint(), v.number(), v.boolean()], "text"),
  v.transform((value) => String(value)),
);
const name = v.string("text");
const integer = v.union(
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
const positive = v.pipe(
  integer,
  v.check((value) => value >= 0n, "a whole number, 0 or more"),
  v.transform((value) => Number(value)),
);
const flag = v.union(
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
const quantity = v.pipe(
  v.union([v.string(), v.bigint(), v.number()], 'an amount like 500m, 2 or "4Gi"'),
  v.transform((value) => String(value)),
);
const anything = v.unknown();
const mapping = v.record(v.string(), anything, "a mapping");
const perStep = <T extends v.GenericSchema>(value: T) =>
  v.nullish(v.record(v.string(), value, "a mapping of step names"));

const volume = v.strictObject(
  {
    storageclass: v.nullish(text),
    size: v.nullish(quantity),
    access_modes: v.nullish(v.array(name, "a list like [ReadWriteOnce]")),
    skip_init: v.nullish(flag),
    owner: v.nullish(positive),
    keep: v.nullish(flag),
  },
  "a mapping",
);

const retry = v.strictObject(
  {
    num_retries: positive,
    backoff_duration: v.nullish(text),
    backoff_factor: v.nullish(positive),
  },
  "a mapping with num_retries",
);

const toleration = v.strictObject(
  {
    key: v.nullish(text),
    operator: v.nullish(v.picklist(["Exists", "Equal"], "Exists or Equal")),
    value: v.nullish(text),
    effect: v.nullish(
      v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"], "NoSchedule, PreferNoSchedule or NoExecute"),
    ),
    tolerationSeconds: v.nullish(positive),
    toleration_seconds: v.nullish(positive),
  },
  "a mapping with key, operator, value and effect",
);

const affinity = v.strictObject(
  { node_affinity: v.nullish(mapping), pod_affinity: v.nullish(mapping), pod_anti_affinity: v.nullish(mapping) },
  "a mapping",
);

const extraVolume = v.strictObject({ mount_path: name, volume: mapping }, "a mapping with mount_path and volume");

const secretReference = v.strictObject({ name, key: name }, "a mapping with name and key of a Kubernetes secret");
const environment = v.union(
  [name, v.strictObject({ name, value: text }), v.strictObject({ name, secret: secretReference })],
  "a name, {name, value} or {name, secret: {name, key}}",
);

const runConfig = v.strictObject(
  {
    image: v.nullish(text),
    image_pull_policy: v.nullish(v.picklist(["Always", "IfNotPresent", "Never"], "Always, IfNotPresent or Never")),
    root: v.nullish(anything),
    experiment_name: v.nullish(text),
    run_name: v.nullish(text),
    scheduled_run_name: v.nullish(text),
    description: v.nullish(text),
    wait_for_completion: v.nullish(flag),
    ttl: v.nullish(positive),
    volume: v.nullish(volume),
    resources: perStep(v.nullable(v.record(v.string(), quantity, "a mapping like {cpu: 500m, memory: 1Gi}"))),
    retry_policy: perStep(retry),
    tolerations: perStep(v.array(toleration, "a list")),
    affinity: perStep(affinity),
    extra_volumes: perStep(v.array(extraVolume, "a list")),
    max_cache_staleness: v.nullish(text),
    store_kedro_outputs_as_kfp_artifacts: v.nullish(flag),
    node_merge_strategy: v.nullish(v.picklist(["none", "full"], "none or full")),
    on_exit_pipeline: v.nullish(name),
    pipeline_name: v.nullish(name),
    project_dir: v.nullish(name),
    merge: v.nullish(
      v.picklist(["none", "full", "namespace", "tag", "memory"], "none, full, namespace, tag or memory"),
    ),
    env: v.nullish(v.array(environment, "a list")),
    datasets: v.nullish(v.union([v.string(), mapping], "a URL like s3://bucket/folder, or a mapping")),
    service_account: v.nullish(name),
    image_pull_secrets: v.nullish(v.array(name, "a list of secret names")),
    node_selector: v.nullish(v.record(v.string(), text, "a mapping of labels")),
  },
  "a mapping",
);

/** The whole file. Messages are what is wanted, to follow "must be". */
export const kubeflowSchema = v.strictObject(
  {
    host: v.nullish(name),
    run_config: v.nullish(runConfig),
    target: v.nullish(v.picklist(["argo", "kfp"], "argo or kfp")),
    kfp_version: v.nullish(v.string('text in quotes, like "2.14"')),
    from: v.nullish(name),
    hooks: v.nullish(v.array(name, "a list of files")),
    auth: v.nullish(v.union([v.string(), v.array(anything), mapping], "a name, a list or a mapping")),
    tls: v.nullish(mapping),
    ui: v.nullish(name),
    mlflow: v.nullish(
      v.strictObject({
        // a bare `off` is false in YAML 1.1
        mode: v.nullish(
          v.pipe(
            v.union([v.picklist(["kedro", "kfp", "off"]), v.literal(false)], "kedro, kfp or off"),
            v.transform((value) => (value === false ? ("off" as const) : value)),
          ),
        ),
        auth: v.nullish(v.strictObject({ iap_client_id: v.nullish(name) }, "a mapping with iap_client_id")),
      }),
    ),
  },
  "a mapping",
);

export type KubeflowFile = v.InferOutput<typeof kubeflowSchema>;
