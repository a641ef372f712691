/**
 * The form of `kubeflow.yaml`: every key of the predecessor (0.3.0 to 0.11.0) and kfk's own. Values arrive as Python
 * would have them (an int is a bigint), but text from environment variables stands for numbers and booleans too.
 *
 * Source: kedro-kubeflow 0.3.0 and 0.11.0 `config.py` and documentation.
 */
import * as v from "valibot";
import { affinity, flag, name, natural, podVolume, quantity, text, toleration } from "./kubernetes.ts";

const anything = v.unknown();
const mapping = v.record(v.string(), anything, "a mapping");
const perStep = <T extends v.GenericSchema>(value: T) =>
  v.nullish(v.record(v.string(), value, "a mapping of step names"));

const volume = v.strictObject(
  {
    storageclass: v.nullish(text),
    size: v.nullish(quantity),
    access_modes: v.nullish(
      v.array(
        v.picklist(
          ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
          "ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod",
        ),
        "a list like [ReadWriteOnce]",
      ),
    ),
    skip_init: v.nullish(flag),
    owner: v.nullish(natural),
    keep: v.nullish(flag),
  },
  "a mapping",
);

/** Go's durations and bare seconds, as Argo reads them. */
const duration = v.pipe(text, v.regex(/^(?:\d+|(?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/, "a duration like 60s, 5m or 1h30m"));

const retry = v.strictObject(
  {
    num_retries: v.nullish(natural),
    backoff_duration: v.nullish(duration),
    backoff_factor: v.nullish(natural),
  },
  "a mapping with num_retries",
);

const extraVolume = v.strictObject(
  {
    mount_path: v.pipe(name, v.regex(/^\/[^:]*$/, "an absolute path without a colon")),
    volume: podVolume,
  },
  "a mapping with mount_path and volume",
);

const secretReference = v.strictObject({ name, key: name }, "a mapping with name and key of a Kubernetes secret");
/** Source: Kubernetes IsEnvVarName, without the dots and dashes that a shell could not read. */
const variable = v.pipe(name, v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable"));
const environment = v.union(
  [
    variable,
    v.strictObject({ name: variable, value: text }),
    v.strictObject({ name: variable, secret: secretReference }),
  ],
  "a name, {name, value} or {name, secret: {name, key}}",
);

/** ISO 8601: at least one part, no part without its letter. */
const STALENESS =
  /^$|^P(?=\d|T\d)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/;

const runConfig = v.strictObject(
  {
    image: v.nullish(text),
    image_pull_policy: v.nullish(v.picklist(["Always", "IfNotPresent", "Never"], "Always, IfNotPresent or Never")),
    root: v.nullish(anything),
    vertex_ai_networking: v.nullish(anything),
    experiment_name: v.nullish(text),
    run_name: v.nullish(text),
    scheduled_run_name: v.nullish(text),
    description: v.nullish(text),
    wait_for_completion: v.nullish(flag),
    ttl: v.nullish(natural),
    volume: v.nullish(volume),
    resources: perStep(
      v.nullable(v.record(v.string(), v.nullable(quantity), "a mapping like {cpu: 500m, memory: 1Gi}")),
    ),
    retry_policy: perStep(v.nullable(retry)),
    tolerations: perStep(v.nullable(v.array(toleration, "a list"))),
    affinity: perStep(v.nullable(affinity)),
    extra_volumes: perStep(v.nullable(v.array(extraVolume, "a list"))),
    max_cache_staleness: v.nullish(v.pipe(text, v.regex(STALENESS, "a duration of ISO 8601 like P0D, PT12H or P7D"))),
    store_kedro_outputs_as_kfp_artifacts: v.nullish(flag),
    node_merge_strategy: v.nullish(v.picklist(["none", "full"], "none or full")),
    on_exit_pipeline: v.nullish(name),
    pipeline_name: v.nullish(name),
    project_dir: v.nullish(name),
    merge: v.nullish(
      v.picklist(["none", "full", "namespace", "tag", "memory"], "none, full, namespace, tag or memory"),
    ),
    env: v.nullish(v.array(environment, "a list")),
    datasets: v.nullish(v.pipe(name, v.regex(/^[a-z][a-z0-9+.-]*:\/\/[^/]+/, "a URL like s3://bucket/folder"))),
    service_account: v.nullish(name),
    image_pull_secrets: v.nullish(v.array(name, "a list of secret names")),
    node_selector: v.nullish(v.record(v.string(), text, "a mapping of labels")),
  },
  "a mapping",
);

/** The whole file. Messages are what is wanted, to follow "must be". */
export const kubeflowSchema = v.strictObject(
  {
    host: v.nullish(v.string("text")),
    project_id: v.nullish(anything),
    region: v.nullish(anything),
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
