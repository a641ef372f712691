/** Which settings a step gets, one rule at a time; kubeflow.yaml is written as people write it. */
import { describe, expect, test } from "bun:test";
import { buildKubeflow } from "../../src/config/kubeflow.ts";
import type { MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";
import type { Node } from "../../src/pipeline/model.ts";
import { buildPod, type PodSettings, type PodSubject, warnUnmatched } from "../../src/steps/pod.ts";
import type { PodShape } from "../../src/steps/step.ts";

function settings(run: string): PodSettings {
  const indented = run.replaceAll(/^/gm, "  ");
  const tree = parseYaml({ file: "conf/base/kubeflow.yaml", text: `run_config:\n${indented}\n` }) as MapNode;
  const { run: config, placeOf } = buildKubeflow(tree);
  return { ...config, placeOf };
}

function node(name: string, tags: readonly string[] = []): Node {
  return {
    name,
    named: true,
    func: "f",
    inputs: [],
    outputs: [],
    tags,
    namespace: null,
    confirms: [],
    source: null,
  };
}

function subject(name: string, tags: readonly string[] = []): PodSubject {
  return { id: name.replaceAll("_", "-"), nodes: [node(name, tags)] };
}

const SPLIT = subject("split_data", ["fast", "daily"]);

describe("keys of steps", () => {
  const cpu = (key: string, of = SPLIT): string | undefined =>
    buildPod(settings(`resources: {__default__: {cpu: 1}, "${key}": {cpu: 2}}`), of).resources["cpu"];
  test.each([
    ["the Kedro name", "split_data", SPLIT, "2"],
    ["the cleaned name", "split-data", SPLIT, "2"],
    ["a tag", "daily", SPLIT, "2"],
    ["a pattern over the Kedro name", "split_*", SPLIT, "2"],
    ["a pattern over the cleaned name", "split-dat?", SPLIT, "2"],
    ["another step", "split_dat", SPLIT, "1"],
    ["a pattern is no expression", "split.*", SPLIT, "1"],
    ["a name with dots", "ns.fit", { id: "ns-fit-12345678", nodes: [node("ns.fit")] }, "2"],
    ["what the predecessor made of it", "ns-fit", { id: "ns-fit-12345678", nodes: [node("ns.fit")] }, "2"],
    ["an automatic name of Kedro 0.16", "f([a,b]) -> [c]", { id: "f", nodes: [node("f([b;a]) -> [c]")] }, "2"],
    ["a step of kfk's own", "on_exit", { id: "on-exit", nodes: [] }, "2"],
  ])("%s", (_, key, of, want) => expect(cpu(key, of)).toBe(want));

  test("the stronger key wins whatever the order in the file: name, cleaned name, tag, pattern, default", () => {
    const keys = [
      '"*": {cpu: 2}',
      "split_data: {cpu: 5}",
      "fast: {cpu: 3}",
      "split-data: {cpu: 4}",
      "__default__: {cpu: 1}",
    ];
    const got = keys.map(
      (_, index) =>
        buildPod(settings(`resources: {${keys.filter((__, other) => other !== index).join(", ")}}`), SPLIT).resources[
          "cpu"
        ],
    );
    expect(got).toEqual(["5", "4", "5", "5", "5"]);
  });
});

describe("buildPod", () => {
  const rows: { name: string; run: string; want: PodShape; of?: PodSubject }[] = [
    { name: "nothing set", run: "ttl: 1", want: { resources: { cpu: "500m", memory: "1024Mi" } } },
    {
      name: "resources are laid over the default; null takes one away",
      run: "resources: {__default__: {cpu: 1, memory: 1Gi}, split_data: {memory: null, nvidia.com/gpu: 1}}",
      want: { resources: { cpu: "1", "nvidia.com/gpu": "1" } },
    },
    {
      name: "a retry takes what it does not say from the default",
      run: "resources: {__default__: }\nretry_policy: {__default__: {num_retries: 2, backoff_duration: 60s, backoff_factor: 2}, split-data: {num_retries: 5}}",
      want: { resources: {}, retry: { limit: 5, duration: "60s", factor: 2 } },
    },
    {
      name: "no retries",
      run: "resources: {__default__: }\nretry_policy: {__default__: {num_retries: 2}, split-data: {num_retries: 0}}",
      want: { resources: {} },
    },
    {
      name: "tolerations of a step replace the default's",
      run: "resources: {__default__: }\ntolerations: {__default__: [{key: a, operator: Exists}], split_data: [{key: b, value: c, effect: NoExecute, toleration_seconds: 3}]}",
      want: { resources: {}, tolerations: [{ key: "b", value: "c", effect: "NoExecute", tolerationSeconds: 3 }] },
    },
    {
      name: "an empty list takes the default's away",
      run: "resources: {__default__: }\ntolerations: {__default__: [{key: a, operator: Exists}], split_data: []}",
      want: { resources: {} },
    },
    {
      name: "affinity in the Python client's spelling",
      run: "resources: {__default__: }\naffinity: {split_data: {pod_affinity: {required_during_scheduling_ignored_during_execution: [{topology_key: zone, label_selector: {match_labels: {a_b: c}}}]}}}",
      want: {
        resources: {},
        affinity: {
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: "zone", labelSelector: { matchLabels: { a_b: "c" } } },
            ],
          },
        },
      },
    },
    {
      name: "volumes: names are made legal, one volume may have two mounts",
      run: `resources: {__default__: }
extra_volumes:
  split_data:
  - {mount_path: /a/, volume: {name: Shared_Memory, empty_dir: {cls: V1EmptyDirVolumeSource, params: {medium: Memory}}}}
  - {mount_path: /b, volume: {name: Shared_Memory, emptyDir: {medium: Memory}}}
  - {mount_path: /c, volume: {name: data-volume, emptyDir: {}}}`,
      want: {
        resources: {},
        volumes: [
          { name: "shared-memory", emptyDir: { medium: "Memory" } },
          { name: "extra-data-volume", emptyDir: {} },
        ],
        mounts: [
          { name: "shared-memory", mountPath: "/a" },
          { name: "shared-memory", mountPath: "/b" },
          { name: "extra-data-volume", mountPath: "/c" },
        ],
      },
    },
    {
      name: "a step of several nodes gets what all of them need",
      of: { id: "group", nodes: [node("a"), node("b")] },
      run: `resources: {__default__: {cpu: 500m, memory: 1Gi}, a: {cpu: 2}, b: {memory: 2000Mi, nvidia.com/gpu: 1}}
retry_policy: {a: {num_retries: 1}, b: {num_retries: 3}}
tolerations: {a: [{key: x, operator: Exists}], b: [{key: x, operator: Exists}, {key: y, operator: Exists}]}`,
      want: {
        resources: { cpu: "2", memory: "2000Mi", "nvidia.com/gpu": "1" },
        retry: { limit: 3, duration: null, factor: null },
        tolerations: [
          { key: "x", operator: "Exists" },
          { key: "y", operator: "Exists" },
        ],
      },
    },
    {
      name: "a key that names the group speaks for all of it",
      of: { id: "group", nodes: [node("a"), node("b")] },
      run: "resources: {__default__: {cpu: 1}, a: {cpu: 8}, group: {cpu: 4}}\ntolerations: {a: [{key: x, operator: Exists}], group: []}",
      want: { resources: { cpu: "4" } },
    },
  ];
  for (const { name, run, want, of } of rows) {
    test(name, () => expect(buildPod(settings(run), of ?? SPLIT)).toEqual(want));
  }

  const refused: [string, string, string][] = [
    [
      "two volumes at one place",
      "extra_volumes: {split_data: [{mount_path: /a, volume: {name: x, emptyDir: {}}}, {mount_path: /a, volume: {name: y, emptyDir: {}}}]}",
      'step "split-data" has two volumes at /a',
    ],
    [
      "two volumes of one name",
      "extra_volumes: {split_data: [{mount_path: /a, volume: {name: x, emptyDir: {}}}, {mount_path: /b, volume: {name: X, secret: {secretName: s}}}]}",
      'step "split-data" has two volumes of the name "x"',
    ],
    [
      "a retry that never says how often",
      "retry_policy: {split_data: {backoff_factor: 2}}",
      'run_config.retry_policy for step "split-data" does not say how often to try again',
    ],
  ];
  test.each(refused)("refuses %s", (_, run, want) => {
    const error = catchError(() => buildPod(settings(run), SPLIT));
    expect([error.code, error.message, error.at?.line]).toEqual(["CONFIG_KUBEFLOW", want, 2]);
  });
});

describe("warnUnmatched", () => {
  test("names keys that match nothing in the project, with the line and a suggestion", () => {
    const given = settings(
      "resources:\n  __default__: {cpu: 1}\n  split_dta: {cpu: 2}\n  elsewhere: {cpu: 3}\nretry_policy:\n  tensorflow_step: {num_retries: 1}\n  on-exit: {num_retries: 1}",
    );
    const subjects = [SPLIT, { id: "on-exit", nodes: [] }];
    const got = warnUnmatched(given, subjects, [node("elsewhere")]);
    expect(got.map(({ message, hint, at }) => [message, hint, at?.line])).toEqual([
      ['run_config.resources for "split_dta" matches no step', 'did you mean "split_data"?', 4],
      [
        'run_config.retry_policy for "tensorflow_step" matches no step',
        "use a node's name, its tag, or a pattern such as train_*",
        7,
      ],
    ]);
  });
});

function catchError(work: () => unknown): KfkError {
  try {
    work();
  } catch (error) {
    if (error instanceof KfkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
