/**
 * Small projects and what they compile to: the documents in `goldens/`, compared as whole files. `scripts/goldens`
 * writes them anew; every document must please the judges first.
 */
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";
import { KUBEFLOW, projectFiles, type ProjectParts, ROOT } from "../project-files.ts";

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly parts: ProjectParts;
  readonly argv: readonly string[];
}

const IMPORTS = "from kedro.pipeline import Node, Pipeline, node, pipeline\nfrom .nodes import fit, score\n\n";

function only(code: string): Readonly<Record<string, string>> {
  return { train: `${IMPORTS}def create_pipeline(**kwargs):\n    return ${code}\n` };
}

function kubeflow(more: string): Readonly<Record<string, string>> {
  return { "base/kubeflow.yaml": `${KUBEFLOW}${more}` };
}

const REMOTE = `table: {type: pandas.CSVDataset, filepath: "s3://bucket/table.csv"}
model: {type: pickle.PickleDataset, filepath: "s3://bucket/model.pkl"}
result: {type: json.JSONDataset, filepath: "s3://bucket/result.json"}
`;

const EVERY_KEY = `host: http://127.0.0.1:9
run_config:
  image: registry.example/shop:1
  experiment_name: shop
  run_name: shop
  service_account: trainer
  image_pull_secrets: [registry-login]
  node_selector: {disk: ssd}
  project_dir: /srv/shop/
  on_exit_pipeline: notify
  volume: {size: 10Gi, owner: null}
  env:
  - {name: MODE, value: "$HOME $$ $(X)"}
  - {name: DB_PASSWORD, secret: {name: db, key: password}}
  resources:
    __default__: {cpu: 250m, memory: 512Mi}
    big: {cpu: 4, nvidia.com/gpu: 1, memory: null}
    "sc*": {memory: 2Gi}
    on-exit: {memory: 64Mi}
  retry_policy:
    __default__: {num_retries: 2, backoff_duration: 60s, backoff_factor: 2}
    fit: {num_retries: 9}
    on_exit: {num_retries: 0}
  tolerations:
    __default__:
    - {key: dedicated, operator: Equal, value: ml-ops, effect: NoSchedule}
    fit:
    - {key: gpu, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  affinity:
    fit:
      node_affinity:
        required_during_scheduling_ignored_during_execution:
          nodeSelectorTerms:
          - matchExpressions: [{key: pool, operator: In, values: [gpu]}]
      pod_anti_affinity:
        preferred_during_scheduling_ignored_during_execution:
        - weight: 5
          pod_affinity_term: {topology_key: zone, label_selector: {match_labels: {my_app: train}}}
  extra_volumes:
    __default__:
    - mount_path: /etc/settings
      volume: {name: settings, configMap: {name: settings, items: [{key: a, path: a.yml}]}}
    fit:
    - mount_path: /etc/secrets
      volume: {name: db-secret, secret: {secret_name: db, optional: false, default_mode: 0400}}
    - mount_path: /mnt/share
      volume: {name: share, nfs: {server: nfs.example, path: /share, read_only: true}}
    - mount_path: /mnt/all
      volume:
        name: all
        projected:
          sources:
          - {secret: {name: a}}
          - {downward_api: {items: [{path: labels, field_ref: {field_path: metadata.labels}}]}}
`;

const NASTY = `digits: "0123"
word: "on"
small: 1e-05
time: "12:30"
argo: "{{workflow.name}}"
home: "$HOME"
dollars: "$$"
kube: "$(X)"
macro: "[[RunUUID]]"
quotes: "a\\"b'c"
lines: "a\\nb"
emoji: "\\U0001F680"
big: 1152921504606846976
nothing: null
nested: [[1, 2], [{a: "$"}]]
learning-rate: 0.1
`;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "one-node",
    about: "one node, no volume",
    parts: {
      pipelines: only('pipeline([node(fit, "table", "model", name="fit")])'),
      conf: { "base/catalog.yml": REMOTE },
    },
    argv: ["--image", "shop:1"],
  },
  { name: "chain", about: "a chain with a memory dataset on a volume", parts: { conf: kubeflow("") }, argv: [] },
  {
    name: "volume-settings",
    about: "class, size, access by many, no filling, owner, kept",
    parts: {
      conf: {
        "base/kubeflow.yaml": `run_config:
  image: shop:1
  volume: {storageclass: fast, size: 5Gi, access_modes: [ReadWriteMany], skip_init: true, owner: 1000, keep: true}
`,
      },
    },
    argv: [],
  },
  {
    name: "resources",
    about: "resources for all and for one step: two pod shapes",
    parts: { conf: kubeflow("  resources: {__default__: {cpu: 1, memory: 1Gi}, fit: {nvidia.com/gpu: 1}}\n") },
    argv: [],
  },
  {
    name: "namespaces",
    about: "one pipeline twice, with mapped inputs, outputs and parameters",
    parts: {
      pipelines: {
        train: `${IMPORTS}def create_pipeline(**kwargs):
    base = pipeline([node(fit, ["table", "params:rate"], "model", name="fit")])
    return sum(
        pipeline(base, namespace=name, inputs="table", outputs={"model": f"{name}_model"}, tags=[name])
        for name in ["low", "high"]
    )
`,
      },
      conf: { ...kubeflow(""), "base/parameters.yml": "low: {rate: 0.1}\nhigh: {rate: 0.9}\n" },
    },
    argv: [],
  },
  {
    name: "unnamed-nodes",
    about: "nodes without a name, one with a lambda, in a diamond",
    parts: {
      pipelines: only(
        'pipeline([node(fit, {"rate": "params:rate", "table": "table"}, "model"), node(score, "model", "a"), node(lambda x: x, "model", "b"), node(fit, ["a", "b"], "c")])',
      ),
      conf: kubeflow(""),
    },
    argv: [],
  },
  {
    name: "nasty-parameters",
    about: "values that something on the way would change",
    parts: {
      pipelines: only('pipeline([node(fit, ["table", "parameters"], "model", name="fit")])'),
      conf: { ...kubeflow(""), "base/parameters.yml": NASTY },
    },
    argv: [],
  },
  {
    name: "many-parameters",
    about: "more than servers take: the largest stay in the image",
    parts: {
      conf: {
        ...kubeflow(""),
        "base/parameters.yml": `rate: 0.1\nlong: ${"x".repeat(9000)}\nlonger: ${"y".repeat(9500)}\n`,
      },
    },
    argv: [],
  },
  {
    name: "clashing-names",
    about: "names that are the same when they are made legal",
    parts: {
      pipelines: only(
        'pipeline([node(fit, "table", "a", name="do_it"), node(fit, "table", "b", name="do.it"), node(fit, "table", "c", name="Do-it"), node(fit, "table", "d", name="on_exit")])',
      ),
      conf: kubeflow(""),
    },
    argv: [],
  },
  {
    name: "merged-namespaces",
    about: "nodes of a namespace in one step: what stays inside is not carried, the larger resources hold",
    parts: {
      pipelines: only(
        'pipeline([node(fit, "table", "raw", name="load")]) + pipeline([node(fit, ["raw", "params:rate"], "x", name="a"), node(fit, "x", "y", name="b"), node(score, "y", "model", name="c")], namespace="prep", inputs="raw", outputs="model", parameters="rate") + pipeline([node(score, "model", "result", name="report")])',
      ),
      conf: kubeflow("  merge: namespace\n  resources: {b: {memory: 4Gi}, prep.b: {memory: 2Gi, cpu: 100m}}\n"),
    },
    argv: [],
  },
  {
    name: "merged-without-a-volume",
    about: "nodes that share memory in one step: no volume is needed",
    parts: { conf: { "base/kubeflow.yaml": "run_config: {image: shop:1, node_merge_strategy: full}\n" } },
    argv: ["--merge", "memory"],
  },
  {
    name: "description-ttl-pull-policy",
    about: "no volume, remote data, what kubeflow.yaml says about the run",
    parts: {
      conf: {
        "base/catalog.yml": REMOTE,
        "base/kubeflow.yaml": `run_config:
  image: shop:1
  image_pull_policy: Always
  description: Trains the shop's model
  ttl: 3600
  service_account: trainer
`,
      },
    },
    argv: ["--param", "rate=0.5"],
  },
  {
    name: "every-key",
    about: "all settings of pods, an exit pipeline that reads the volume, artifacts",
    parts: {
      pipelines: {
        train: `${IMPORTS}def create_pipeline(**kwargs):
    return pipeline([
        node(fit, ["table", "params:rate"], "model", name="fit", tags="big"),
        node(score, "model", "result", name="score"),
    ])
`,
        notify: `${IMPORTS}def create_pipeline(**kwargs):
    return pipeline([node(fit, ["result", "params:status", "params:failures", "params:rate"], None, name="tell")])
`,
      },
      registry: `from kedro.framework.project import find_pipelines

def register_pipelines():
    pipelines = find_pipelines(raise_errors=True)
    pipelines["__default__"] = pipelines["train"]
    return pipelines
`,
      conf: {
        "base/catalog.yml": `table: {type: pandas.CSVDataset, filepath: data/01/table.csv}
model: {type: pickle.PickleDataset, filepath: data/06/model.pkl, versioned: true}
result: {type: json.JSONDataset, filepath: data/08/result.json}
`,
        "base/kubeflow.yaml": EVERY_KEY,
      },
    },
    argv: [],
  },
  {
    name: "exit-without-volume",
    about: "an exit pipeline that needs nothing of the run, old spellings",
    parts: {
      pipelines: {
        train: `${IMPORTS}def create_pipeline(**kwargs):
    return pipeline([node(fit, "table", "model", name="fit_it")])
`,
        notify: `${IMPORTS}def create_pipeline(**kwargs):
    return pipeline([node(fit, "params:status", None, name="tell")])
`,
      },
      conf: {
        "base/catalog.yml": REMOTE,
        "base/kubeflow.yaml": `run_config:
  image: shop:1
  on_exit_pipeline: notify
  max_cache_staleness: P7D
  store_kedro_outputs_as_kfp_artifacts: False
  datasets: s3://bucket/runs/
  extra_volumes:
    fit-it:
    - mount_path: /dev/shm
      volume: {name: shared_memory, empty_dir: {cls: V1EmptyDirVolumeSource, params: {medium: Memory, size_limit: 1Gi}}}
  env: []
`,
      },
    },
    argv: ["--pipeline", "train"],
  },
  {
    name: "many-shapes",
    about: "more shapes than copies of the runner: it stands in the document once",
    parts: {
      pipelines: only(
        'pipeline([node(fit, ["table", "params:rate"], f"model_{i}", name=f"fit_{i}") for i in range(10)])',
      ),
      conf: kubeflow(
        `  resources:\n${Array.from({ length: 10 }, (_, i) => `    fit_${i}: {memory: ${i + 1}Gi}\n`).join("")}`,
      ),
    },
    argv: [],
  },
];

/** The document of a scenario, and what was said about it. */
export async function compileScenario(
  scenario: Scenario,
  env: Readonly<Record<string, string>> = {},
  root = ROOT,
): Promise<{ status: number; document: string; said: string }> {
  const files = Object.entries(projectFiles(scenario.parts)).map(([path, text]) => [path.replace(ROOT, root), text]);
  const world = fakeWorld({ cwd: root, env, files: Object.fromEntries(files) });
  const status = await runCommandLine(world, ["compile", "-o", "-", ...scenario.argv], "1.2.3", "");
  return { status, document: world.written.out(), said: world.written.err() };
}
