/**
 * The form of `kubeflow.yaml`: every key of the predecessor (0.3.0 to 0.11.0) and kfk's own. Values arrive as Python
 * would have them (an int is a bigint), but text from environment variables stands for numbers and booleans too.
 *
 * Source: kedro-kubeflow 0.3.0 and 0.11.0 `config.py` and documentation.
 */
import * as v from "valibot";
import { affinity, amounts, flag, labels, natural, podVolume, positiveQuantity, toleration } from "./kubernetes.ts";
import { record, strictObject } from "./mapping.ts";
import { dataKey, imageName, name, objectName, text } from "./names.ts";

const anything = v.unknown();
const mapping = record(v.string(), anything, "a mapping");
const perStep = <T extends v.GenericSchema>(value: T) =>
  v.nullish(record(v.string(), value, "a mapping of step names"));

const volume = strictObject(
  {
    storageclass: v.nullish(v.union([v.literal(""), objectName], "the name of a storage class")),
    size: v.nullish(positiveQuantity),
    access_modes: v.nullish(
      v.pipe(
        v.array(
          v.picklist(
            ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"],
            "ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod",
          ),
          "a list like [ReadWriteOnce]",
        ),
        v.minLength(1, "a list with at least one access mode, like [ReadWriteOnce]"),
        v.check((modes) => modes.length === 1 || !modes.includes("ReadWriteOncePod"), "[ReadWriteOncePod] alone"),
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

const retry = strictObject(
  {
    num_retries: v.nullish(natural),
    backoff_duration: v.nullish(duration),
    backoff_factor: v.nullish(natural),
  },
  "a mapping with num_retries",
);

const extraVolume = strictObject(
  {
    mount_path: v.pipe(
      name,
      v.regex(/^\/[^:]*$/, "an absolute path without a colon"),
      v.check(isStraight, "without .."),
    ),
    volume: podVolume,
  },
  "a mapping with mount_path and volume",
);

const secretReference = strictObject(
  { name: objectName, key: dataKey },
  "a mapping with name and key of a Kubernetes secret",
);
/** Source: Kubernetes IsEnvVarName, without the dots and dashes that a shell could not read. */
const variable = v.pipe(name, v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable"));
const environment = v.union(
  [variable, strictObject({ name: variable, value: text }), strictObject({ name: variable, secret: secretReference })],
  "a name, {name, value} or {name, secret: {name, key}}",
);

/** ISO 8601: at least one part, no part without its letter. */
const STALENESS =
  /^$|^P(?=\d|T\d)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/;

const runConfig = strictObject(
  {
    image: v.nullish(imageName),
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
    resources: perStep(v.nullable(amounts)),
    retry_policy: perStep(v.nullable(retry)),
    tolerations: perStep(v.nullable(v.array(toleration, "a list"))),
    affinity: perStep(v.nullable(affinity)),
    extra_volumes: perStep(v.nullable(v.array(extraVolume, "a list"))),
    max_cache_staleness: v.nullish(v.pipe(text, v.regex(STALENESS, "a duration of ISO 8601 like P0D, PT12H or P7D"))),
    store_kedro_outputs_as_kfp_artifacts: v.nullish(flag),
    node_merge_strategy: v.nullish(v.picklist(["none", "full"], "none or full")),
    on_exit_pipeline: v.nullish(name),
    pipeline_name: v.nullish(name),
    project_dir: v.nullish(
      v.pipe(
        name,
        v.regex(/^\/[^:]*[^:/][^:]*$/, "an absolute path like /home/kedro"),
        v.check(isStraight, "without .."),
      ),
    ),
    merge: v.nullish(
      v.picklist(["none", "full", "namespace", "tag", "memory"], "none, full, namespace, tag or memory"),
    ),
    env: v.nullish(v.array(environment, "a list")),
    datasets: v.nullish(v.pipe(name, v.regex(/^[a-z][a-z0-9+.-]*:\/\/[^/]+/, "a URL like s3://bucket/folder"))),
    service_account: v.nullish(objectName),
    image_pull_secrets: v.nullish(v.array(objectName, "a list of secret names")),
    node_selector: v.nullish(labels),
  },
  "a mapping",
);

const VERSION = /^v?\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?$/;
const WAY = "the name of a way to log in, or a mapping";
const WAYS = "the name of a way to log in, a list or a mapping";

/** The whole file. Messages are what is wanted, to follow "must be". */
export const kubeflowSchema = strictObject(
  {
    host: v.nullish(v.string("text")),
    project_id: v.nullish(anything),
    region: v.nullish(anything),
    run_config: v.nullish(runConfig),
    target: v.nullish(v.picklist(["argo", "kfp"], "argo or kfp")),
    kfp_version: v.nullish(
      v.pipe(v.string('text in quotes, like "2.14"'), v.regex(VERSION, 'a version of the server, like "2.14"')),
    ),
    from: v.nullish(name),
    hooks: v.nullish(v.array(name, "a list of files")),
    auth: v.nullish(v.union([name, v.array(v.union([name, mapping], WAY), "a list"), mapping], WAYS)),
    tls: v.nullish(
      strictObject(
        { ca: v.nullish(name), cert: v.nullish(name), key: v.nullish(name) },
        "a mapping with ca, cert, key",
      ),
    ),
    ui: v.nullish(v.pipe(name, v.regex(/^https?:\/\/[^/\s]+\S*$/, "a URL like https://kubeflow.example.com"))),
    mlflow: v.nullish(
      strictObject(
        {
          // a bare `off` is false in YAML 1.1
          mode: v.nullish(
            v.pipe(
              v.union([v.picklist(["kedro", "kfp", "off"]), v.literal(false)], "kedro, kfp or off"),
              v.transform((value) => (value === false ? ("off" as const) : value)),
            ),
          ),
          auth: v.nullish(strictObject({ iap_client_id: v.nullish(name) }, "a mapping with iap_client_id")),
        },
        "a mapping with mode and auth",
      ),
    ),
  },
  "a mapping",
);

export type KubeflowFile = v.InferOutput<typeof kubeflowSchema>;

function isStraight(path: string): boolean {
  return !path.split("/").includes("..");
}
