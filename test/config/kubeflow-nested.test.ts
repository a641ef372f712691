/** Nested shapes of kubeflow.yaml: what Kubernetes would refuse is refused here, with the line; old spellings pass. */
import { describe, expect, test } from "bun:test";
import { buildKubeflow, type KubeflowConfig } from "../../src/config/kubeflow.ts";
import type { MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";

function build(run: string): KubeflowConfig {
  const text = `run_config:\n${run.replaceAll(/^/gm, "  ")}\n`;
  return buildKubeflow(parseYaml({ file: "conf/base/kubeflow.yaml", text }) as MapNode);
}

function problem(run: string): string {
  try {
    build(run);
  } catch (error) {
    if (!(error instanceof KfkError)) throw error;
    const hint = error.hint === undefined ? "" : `; ${error.hint}`;
    return `${error.at?.line}:${error.at?.column} ${error.message}${hint}`;
  }
  return "";
}

const volume = (inner: string): string => `extra_volumes: {fit: [{mount_path: /a, volume: {name: x, ${inner}}}]}`;

describe("nested shapes", () => {
  test.each([
    [
      "an amount",
      "resources: {fit: {cpu: many}}",
      '2:26 "run_config.resources.fit.cpu" must be an amount like 500m, 2 or "4Gi", and it is "many"',
    ],
    [
      "a size",
      "volume: {size: 1GB}",
      '2:18 "run_config.volume.size" must be an amount like 500m, 2 or "4Gi", and it is "1GB"',
    ],
    [
      "an access mode",
      "volume:\n  access_modes: [ReadWriteAll]",
      '3:20 "run_config.volume.access_modes.0" must be ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod, and it is "ReadWriteAll"',
    ],
    [
      "a duration",
      "retry_policy: {fit: {num_retries: 1, backoff_duration: soon}}",
      '2:58 "run_config.retry_policy.fit.backoff_duration" must be a duration like 60s, 5m or 1h30m, and it is "soon"',
    ],
    [
      "a staleness",
      "max_cache_staleness: 1d",
      '2:24 "run_config.max_cache_staleness" must be a duration of ISO 8601 like P0D, PT12H or P7D, and it is "1d"',
    ],
    [
      "a key of a toleration",
      "tolerations:\n  fit:\n  - {key: a, operater: Exists}",
      '4:16 "run_config.tolerations.fit.0.operater" is not a known key; did you mean "operator"?',
    ],
    [
      "an operator",
      "tolerations: {fit: [{key: a, operator: In}]}",
      '2:42 "run_config.tolerations.fit.0.operator" must be Exists or Equal, and it is "In"',
    ],
    [
      "a value where none may be",
      "tolerations: {fit: [{key: a, operator: Exists, value: b}]}",
      '2:23 "run_config.tolerations.fit.0" must be without a value where the operator is Exists, and it is a mapping',
    ],
    [
      "seconds of another effect",
      "tolerations: {fit: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]}",
      '2:23 "run_config.tolerations.fit.0" must be of the effect NoExecute when it has tolerationSeconds, and it is a mapping',
    ],
    [
      "a key of affinity",
      "affinity: {fit: {node_affinty: {}}}",
      '2:20 "run_config.affinity.fit.nodeAffinty" is not a known key; did you mean "nodeAffinity"?',
    ],
    [
      "a pod term without topology",
      "affinity: {fit: {pod_affinity: {required_during_scheduling_ignored_during_execution: [{labelSelector: {}}]}}}",
      '"run_config.affinity.fit.podAffinity.requiredDuringSchedulingIgnoredDuringExecution.0.topologyKey" is missing',
    ],
    [
      "a weight",
      "affinity: {fit: {pod_affinity: {preferred_during_scheduling_ignored_during_execution: [{weight: 0, podAffinityTerm: {topologyKey: a}}]}}}",
      "must be a whole number from 1 to 100, and it is 0",
    ],
    [
      "a volume without a source",
      "extra_volumes: {fit: [{mount_path: /a, volume: {name: x}}]}",
      "must be of exactly one source, such as emptyDir: {}, and it is a mapping",
    ],
    [
      "a volume with two",
      volume("emptyDir: {}, secret: {secretName: s}"),
      "must be of exactly one source, such as emptyDir: {}, and it is a mapping",
    ],
    ["an unknown source", volume("emptyDr: {}"), 'volume.emptyDr" is not a known key; did you mean "emptyDir"?'],
    [
      "a key of a source",
      volume("secret: {secretNam: s}"),
      'volume.secret.secretNam" is not a known key; did you mean "secretName"?',
    ],
    [
      "a key of a wrapped source",
      volume("secret: {cls: V1SecretVolumeSource, params: {secret_nme: s}}"),
      'volume.secret.secretNme" is not a known key; did you mean "secretName"?',
    ],
    ["a missing name", volume("secret: {}"), 'volume.secret.secretName" is missing'],
    [
      "a relative mount",
      "extra_volumes: {fit: [{mount_path: a, volume: {name: x, emptyDir: {}}}]}",
      '2:38 "run_config.extra_volumes.fit.0.mount_path" must be an absolute path without a colon, and it is "a"',
    ],
    [
      "a bucket that is no URL",
      "datasets: bucket/folder",
      '2:13 "run_config.datasets" must be a URL like s3://bucket/folder, and it is "bucket/folder"',
    ],
    ["a variable", "env: [A-B]", '2:9 "run_config.env.0" must be the name of a variable, and it is "A-B"'],
  ])("%s", (_, run, want) => expect(problem(run)).toContain(want));

  test.each([
    [
      "emptyDir",
      "empty_dir: {cls: V1EmptyDirVolumeSource, params: {medium: Memory, size_limit: 2Gi}}",
      { emptyDir: { medium: "Memory", sizeLimit: "2Gi" } },
    ],
    [
      "secret",
      "secret: {cls: V1SecretVolumeSource, params: {secret_name: s, default_mode: 256, items: [{cls: V1KeyToPath, params: {key: a, path: b}}]}}",
      { secret: { secretName: "s", defaultMode: 256, items: [{ key: "a", path: "b" }] } },
    ],
    ["configMap", "config_map: {name: c, optional: true}", { configMap: { name: "c", optional: true } }],
    [
      "persistentVolumeClaim",
      "persistent_volume_claim: {claim_name: c, read_only: false}",
      { persistentVolumeClaim: { claimName: "c", readOnly: false } },
    ],
    ["hostPath", "host_path: {path: /x, type: Directory}", { hostPath: { path: "/x", type: "Directory" } }],
    ["nfs", "nfs: {server: s, path: /p}", { nfs: { server: "s", path: "/p" } }],
    ["csi", "csi: {driver: d, volume_attributes: {a_b: 1}}", { csi: { driver: "d", volumeAttributes: { a_b: "1" } } }],
    [
      "projected",
      "projected: {sources: [{service_account_token: {path: t, expiration_seconds: 3600}}]}",
      { projected: { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 3600 } }] } },
    ],
    [
      "downwardAPI",
      "downward_api: {items: [{path: l, field_ref: {field_path: metadata.labels}}]}",
      { downwardAPI: { items: [{ path: "l", fieldRef: { fieldPath: "metadata.labels" } }] } },
    ],
    [
      "ephemeral",
      "ephemeral: {volume_claim_template: {spec: {access_modes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}",
      {
        ephemeral: {
          volumeClaimTemplate: {
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
          },
        },
      },
    ],
    [
      "a vendor's",
      "aws_elastic_block_store: {volume_id: v, partition: 1}",
      { awsElasticBlockStore: { volumeID: "v", partition: 1 } },
    ],
  ])("volume: %s", (_, inner, want) => {
    expect(build(volume(inner)).run.extraVolumes.get("fit")).toEqual([
      { mountPath: "/a", volume: { name: "x", ...want } },
    ]);
  });

  test("keys of Vertex AI are taken and warned of", () => {
    const { warnings } = build("root: bucket\nvertex_ai_networking: {vpc: x}");
    expect(warnings.map(({ message, at }) => [message, at?.line])).toEqual([
      ['"run_config.root" has no effect: it was for Vertex AI', 2],
      ['"run_config.vertex_ai_networking" has no effect: it was for Vertex AI', 3],
    ]);
  });

  test.each([
    ["absent", "volume: {}", 0],
    ["null", "volume: {owner: null}", null],
    ["a number", "volume: {owner: 1000}", 1000],
  ])("owner: %s", (_, run, want) => expect(build(run).run.volume?.owner).toBe(want));
});
