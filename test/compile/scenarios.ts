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
