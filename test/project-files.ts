/** A minimal Kedro project as files in memory, for tests that change one thing about it. */

export interface ProjectParts {
  readonly kedro?: string;
  readonly pyproject?: string;
  readonly registry?: string;
  /** `src/shop/pipelines/<name>/pipeline.py`, re-exported by its package. */
  readonly pipelines?: Readonly<Record<string, string>>;
  readonly nodes?: string;
  readonly settings?: string;
  /** Files below `conf/`. */
  readonly conf?: Readonly<Record<string, string>>;
}

/** Root of the project in the fake world. */
export const ROOT = "/projects/shop";

export const KUBEFLOW = `host: http://127.0.0.1:9
run_config:
  image: registry.example/shop:1
  volume: {}
`;

/** Absolute path → text. */
export function projectFiles(parts: ProjectParts = {}): Record<string, string> {
  const src = `${ROOT}/src/shop`;
  const files: Record<string, string> = {
    [`${ROOT}/pyproject.toml`]:
      parts.pyproject ??
      `[tool.kedro]\npackage_name = "shop"\nproject_name = "Shop"\nkedro_init_version = "${parts.kedro ?? "1.7.0"}"\n`,
    [`${src}/__init__.py`]: "",
    [`${src}/settings.py`]: parts.settings ?? "# all defaults\n",
    [`${src}/pipeline_registry.py`]:
      parts.registry ??
      `from kedro.framework.project import find_pipelines

def register_pipelines():
    pipelines = find_pipelines(raise_errors=True)
    pipelines["__default__"] = sum(pipelines.values())
    return pipelines
`,
    [`${src}/pipelines/__init__.py`]: "",
    [`${ROOT}/conf/base/catalog.yml`]: "table: {type: pandas.CSVDataset, filepath: data/table.csv}\n",
    [`${ROOT}/conf/base/parameters.yml`]: "rate: 0.1\n",
    [`${ROOT}/conf/local/.gitkeep`]: "",
  };
  const pipelines = parts.pipelines ?? {
    train: `from kedro.pipeline import Node, Pipeline
from .nodes import fit, score

def create_pipeline(**kwargs):
    return Pipeline([
        Node(fit, ["table", "params:rate"], "model", name="fit"),
        Node(score, "model", "result", name="score"),
    ])
`,
  };
  for (const [name, text] of Object.entries(pipelines)) {
    files[`${src}/pipelines/${name}/__init__.py`] = "from .pipeline import create_pipeline\n";
    files[`${src}/pipelines/${name}/pipeline.py`] = text;
    files[`${src}/pipelines/${name}/nodes.py`] =
      parts.nodes ??
      "import pandas\n\ndef fit(table=None, rate=None, *more):\n    ...\n\ndef score(model=None, *more):\n    ...\n";
  }
  for (const [path, text] of Object.entries(parts.conf ?? {})) files[`${ROOT}/conf/${path}`] = text;
  return files;
}
