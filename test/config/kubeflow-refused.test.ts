/** Values that Kubernetes or KFP refuse, or that would hide what is meant; and unusual ones that are good. */
import { describe, expect, test } from "bun:test";
import { buildKubeflow, type KubeflowConfig } from "../../src/config/kubeflow.ts";
import type { MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";

function build(text: string): KubeflowConfig {
  return buildKubeflow(parseYaml({ file: "conf/base/kubeflow.yaml", text: `${text}\n` }) as MapNode);
}

const run = (inner: string): string => `run_config: {${inner}}`;
const volume = (inner: string, path = "/a"): string =>
  run(`extra_volumes: {fit: [{mount_path: ${path}, volume: {name: x, ${inner}}}]}`);
const toleration = (inner: string): string => run(`tolerations: {fit: [{${inner}}]}`);
const requirement = (inner: string): string =>
  run(
    `affinity: {fit: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{${inner}}]}]}}}}`,
  );

describe("refused", () => {
  test.each([
    [
      "no access mode",
      run("volume: {access_modes: []}"),
      "access_modes",
      "a list with at least one access mode, like [ReadWriteOnce], and it is empty",
    ],
    [
      "one pod alone with others",
      run("volume: {access_modes: [ReadWriteOncePod, ReadWriteMany]}"),
      "access_modes",
      "[ReadWriteOncePod] alone",
    ],
    ["a size of nothing", run("volume: {size: 0}"), "volume.size", "more than nothing, such as 1Gi"],
    ["a size of 0Gi", run("volume: {size: 0.0Gi}"), "volume.size", "more than nothing, such as 1Gi"],
    [
      "a class with a space",
      run("volume: {storageclass: fast disk}"),
      "storageclass",
      "the name of a Kubernetes object",
    ],
    ["a huge owner", run("volume: {owner: 2147483648}"), "volume.owner", "a whole number, at most 2147483647"],
    ["a negative ttl", run("ttl: -1"), "ttl", "a whole number, 0 or more"],
    ["half a second", run("ttl: 1.5"), "ttl", "a whole number"],
    [
      "half a device",
      run("resources: {fit: {nvidia.com/gpu: 0.5}}"),
      "nvidia.com/gpu",
      "a whole number, as it cannot be divided",
    ],
    [
      "500m of a device",
      run("resources: {fit: {nvidia.com/gpu: 500m}}"),
      "nvidia.com/gpu",
      "a whole number, as it cannot be divided",
    ],
    [
      "half a unit",
      run("resources: {fit: {example.com/fpga: 1500m}}"),
      "fpga",
      "a whole number, as it cannot be divided",
    ],
    ["negative tries", run("retry_policy: {fit: {num_retries: -1}}"), "num_retries", "a whole number, 0 or more"],
    [
      "a negative factor",
      run("retry_policy: {fit: {backoff_factor: -2}}"),
      "backoff_factor",
      "a whole number, 0 or more",
    ],
    ["an image with a space", run("image: 'shop :1'"), "image", "the name of an image"],
    ["an image in capitals", run("image: Shop:1"), "image", "the name of an image"],
    ["an image without a tag's text", run("image: 'shop:'"), "image", "the name of an image"],
    ["a policy", run("image_pull_policy: Sometimes"), "image_pull_policy", "Always, IfNotPresent or Never"],
    ["a service account", run("service_account: My_Account"), "service_account", "the name of a Kubernetes object"],
    ["a pull secret", run("image_pull_secrets: [a b]"), "image_pull_secrets.0", "the name of a Kubernetes object"],
    ["a label's value", run("node_selector: {pool: a b}"), "node_selector.pool", "the value of a label"],
    ["a project's folder", run("project_dir: home"), "project_dir", "an absolute path like /home/kedro"],
    ["the root as folder", run("project_dir: /"), "project_dir", "an absolute path like /home/kedro"],
    ["a folder with ..", run("project_dir: /home/../x"), "project_dir", "without .."],
    ["a mount with ..", volume("emptyDir: {}", "/a/../b"), "mount_path", "without .."],
    ["a secret's name", volume("secret: {secretName: A_B}"), "secretName", "the name of a Kubernetes object"],
    [
      "a claim's name",
      volume("persistentVolumeClaim: {claimName: a b}"),
      "claimName",
      "the name of a Kubernetes object",
    ],
    ["a medium", volume("emptyDir: {medium: Disk}"), "medium", "Memory or HugePages"],
    ["a type of path", volume("hostPath: {path: /x, type: Folder}"), "type", "DirectoryOrCreate, Directory"],
    ["bits", volume("secret: {secretName: a, defaultMode: 999}"), "defaultMode", "permission bits from 0 to 0777"],
    [
      "an item outside",
      volume("configMap: {name: a, items: [{key: k, path: ../x}]}"),
      "items.0.path",
      "a path inside the volume, without ..",
    ],
    ["an operator", toleration("key: a, operator: in"), "operator", "Exists or Equal"],
    [
      "an effect",
      toleration("key: a, operator: Exists, effect: NoRun"),
      "effect",
      "NoSchedule, PreferNoSchedule or NoExecute",
    ],
    [
      "seconds without NoExecute",
      toleration("key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 5"),
      "fit.0",
      "of the effect NoExecute when it has tolerationSeconds",
    ],
    ["a taint's key", toleration("key: a b, operator: Exists"), "fit.0.key", "the key of a label"],
    ["a taint's value", toleration("key: a, operator: Equal, value: b c"), "fit.0.value", "the value of a label"],
    [
      "In without values",
      requirement("key: a, operator: In"),
      "matchExpressions.0",
      "with values where the operator is In or NotIn",
    ],
    [
      "Exists with values",
      requirement("key: a, operator: Exists, values: [x]"),
      "matchExpressions.0",
      "without values where the operator is Exists or DoesNotExist",
    ],
    [
      "Gt with text",
      requirement("key: a, operator: Gt, values: [x]"),
      "matchExpressions.0",
      "with one whole number as value where the operator is Gt or Lt",
    ],
    ["a version of words", 'kfp_version: "abc"', "kfp_version", 'a version of the server, like "2.14"'],
    ["a link's base", "ui: kubeflow", "ui", "a URL like https://kubeflow.example.com"],
    ["a way to log in", "auth: 5", "auth", "the name of a way to log in, a list or a mapping"],
    ["certificates", "tls: {ca: 5}", "tls.ca", "text"],
  ])("%s", (_, text, key, want) => {
    let error: unknown;
    try {
      build(text);
    } catch (thrown) {
      error = thrown;
    }
    const { code, message, at } = error as KfkError;
    expect([code, at?.file, at?.line]).toEqual(["CONFIG_KUBEFLOW", "conf/base/kubeflow.yaml", 1]);
    expect(message).toMatch(/^"[^"]+" must be /);
    expect(message.split('" must be ')[0]).toEndWith(key);
    expect(message.split('" must be ')[1]).toStartWith(want);
  });

  const together: [string, string, string, string][] = [
    [
      "a device by another name",
      run("resources: {fit: {gpu: 1}}"),
      '"run_config.resources.fit.gpu" is not known to Kubernetes: a device is called like nvidia.com/gpu',
      "1:32",
    ],
    [
      "a label's key",
      run("node_selector: {a b: x}"),
      '"run_config.node_selector.a b" is not the key of a label, such as pool or example.com/pool',
      "1:30",
    ],
    [
      "two names of one setting",
      run("merge: none, node_merge_strategy: full"),
      '"run_config.node_merge_strategy" is full and "run_config.merge" is none, two names of one setting',
      "1:48",
    ],
    [
      "a server without Argo's documents",
      'kfp_version: "9.9"',
      "a server of KFP 9.9 takes no documents of the target argo, which end with 2.17",
      "1:14",
    ],
    [
      "a server before the target kfp",
      'kfp_version: "1.8"\ntarget: kfp',
      "a server of KFP 1.8 takes no documents of the target kfp, which begin with 2.0",
      "1:14",
    ],
    ["no server", 'kfp_version: "0.1"', "there is no server of KFP 0.1", "1:14"],
    [
      "a volume over the project",
      volume("emptyDir: {}", "/home/kedro/"),
      "a volume at /home/kedro/ hides the project, which the image has at /home/kedro",
      "1:49",
    ],
    [
      "a volume above the project",
      volume("secret: {secretName: s}", "/home"),
      "a volume at /home hides the project, which the image has at /home/kedro",
      "1:49",
    ],
    [
      "a volume over the data volume",
      run(
        "volume: {}, project_dir: /app, extra_volumes: {fit: [{mount_path: /app/data/, volume: {name: x, emptyDir: {}}}]}",
      ),
      "a volume at /app/data lies over run_config.volume, which is there",
      "1:80",
    ],
  ];
  test.each(together)("%s", (_, text, message, place) => {
    let error: unknown;
    try {
      build(text);
    } catch (thrown) {
      error = thrown;
    }
    const { message: told, at } = error as KfkError;
    expect([told, `${at?.line}:${at?.column}`]).toEqual([message, place]);
  });
});

describe("taken", () => {
  test.each([
    [
      "a registry with a port and a digest",
      run(`image: 'r.example.com:5000/team/a_b/shop:1.2@sha256:${"a".repeat(64)}'`),
    ],
    ["a registry of one word", run("image: localhost/shop")],
    ["an empty image, to be given with -i", run("image: ''")],
    ["whole floats, as pydantic takes them", run("ttl: 60.0, retry_policy: {fit: {num_retries: 2.0}}")],
    ["words for yes and no", run("wait_for_completion: 'yes', volume: {keep: 1, skip_init: 'off'}")],
    ["numbers with spaces around", run("ttl: ' 60 '")],
    ["no class at all", run("volume: {storageclass: ''}")],
    ["a device as text", run("resources: {fit: {nvidia.com/gpu: '1', ephemeral-storage: 2Gi}}")],
    ["1000m of a device", run("resources: {fit: {nvidia.com/gpu: 1000m}}")],
    ["no resource at all", run("resources: {fit: {memory: null}}")],
    ["the API server's empty words", toleration("key: '', operator: Exists, effect: ''")],
    ["both names of one setting alike", run("merge: full, node_merge_strategy: full")],
    ["a version with a patch", 'kfp_version: "2.0.5"'],
    ["a newer server of the target kfp", 'kfp_version: "2.20"\ntarget: kfp'],
    ["a volume below the project", volume("emptyDir: {}", "/home/kedro/cache")],
    ["a volume beside the project", volume("emptyDir: {}", "/home/kedro2")],
    ["a list of ways to log in", "auth: [dex, {type: token}]"],
  ])("%s", (_, text) => expect(build(text).warnings).toEqual([]));

  test("a claim over the project may hold the project, so it is told", () => {
    const { warnings } = build(volume("persistentVolumeClaim: {claimName: code}", "/home/kedro"));
    expect(warnings.map(({ message, at }) => [message, at?.column])).toEqual([
      [
        "a volume at /home/kedro lies over /home/kedro: the steps run the project that is on the volume, not the image's",
        37,
      ],
    ]);
  });

  test("tls without a host is told to have no effect", () => {
    expect(build("tls: {ca: ca.pem}").warnings.map(({ message }) => message)).toEqual([
      '"tls" has no effect: it is for the host of this file, which names none',
    ]);
  });

  test("words and numbers mean what the predecessor read", () => {
    const { run: config } = build(
      run("wait_for_completion: 'ON', ttl: ' 60 ', run_name: 1.0, volume: {keep: 1, skip_init: n}"),
    );
    expect([config.waitForCompletion, config.ttlSeconds, config.runName, config.volume?.keep]).toEqual([
      true,
      60,
      "1.0",
      true,
    ]);
    expect(config.volume?.skipInit).toBe(false);
  });
});
