/** Which files of a project ask for a package, and which only look so. */
import { describe, expect, test } from "bun:test";
import { findRequirement } from "../../src/project/requirements.ts";
import { fakeWorld } from "../fake-world.ts";

const ASKING: readonly (readonly [file: string, text: string])[] = [
  ["requirements.txt", "kedro\nkedro-mlflow==0.14.4\n"],
  ["requirements.txt", "kedro-mlflow\r\n"],
  ["requirements.txt", "kedro-mlflow==1.0.0 \\\n    --hash=sha256:0000 # why\n"],
  ["requirements.txt", 'kedro-mlflow[x] >= 1 ; python_version < "3.13" # tracks\n'],
  ["requirements.txt", "kedro-mlflow @ git+https://example.org/a.git@main\n"],
  ["requirements.txt", "git+https://example.org/team/kedro-mlflow\n"],
  ["requirements.txt", "git+https://example.org/team/kedro-mlflow.git@1.0\n"],
  ["requirements.txt", "-e git+ssh://git@example.org/fork.git#egg=kedro_mlflow&subdirectory=x\n"],
  ["requirements.txt", "./wheels/kedro_mlflow-1.0.2-py3-none-any.whl\n"],
  ["requirements.txt", "https://example.org/kedro-mlflow-1.0.2.tar.gz --hash=sha256:0000\n"],
  ["src/requirements.txt", "Kedro_MLflow[extra] >= 1 ; python_version > '3'\n"],
  ["src/requirements.in", "  kedro.mlflow\n"],
  ["requirements/base.txt", "kedro-mlflow\n"],
  ["pyproject.toml", '[project]\ndependencies = ["kedro-mlflow>=1"]\n'],
  ["pyproject.toml", '[project.optional-dependencies]\ntrack = ["Kedro_Mlflow"]\n'],
  ["pyproject.toml", '[dependency-groups]\ntrack = [{include-group = "a"}, "kedro-mlflow"]\n'],
  ["pyproject.toml", '[tool.poetry.dependencies]\nkedro-mlflow = "^1"\n'],
  ["pyproject.toml", '[tool.poetry.group.track.dependencies]\nkedro_mlflow = {version = "^1", optional = true}\n'],
  ["pyproject.toml", '[tool.uv]\ndev-dependencies = ["kedro-mlflow"]\n'],
  ["pyproject.toml", '[tool.hatch.envs.default]\nextra-dependencies = ["kedro-mlflow"]\n'],
  ["pyproject.toml", '[tool.pixi.pypi-dependencies]\nkedro-mlflow = "*"\n'],
  ["pyproject.toml", '[tool.pixi.feature.track.dependencies]\nkedro-mlflow = "*"\n'],
  ["pixi.toml", '[pypi-dependencies]\nkedro-mlflow = { version = "*" }\n'],
  ["Pipfile", '[packages]\nkedro-mlflow = "*"\n'],
  ["setup.cfg", "[options]\ninstall_requires =\n    kedro\n    kedro-mlflow>=1\n"],
  ["setup.cfg", "[options]\ninstall_requires = kedro-mlflow\n"],
  ["setup.cfg", "[options.extras_require]\ntrack =\n    kedro_mlflow\n"],
  ["setup.py", 'setup(install_requires=["kedro", "kedro-mlflow~=0.11"])\n'],
  ["src/setup.py", "requires = [\n    'kedro_mlflow[x]',  # tracks\n]\n"],
  ["environment.yml", "dependencies:\n  - conda-forge::kedro-mlflow=0.11\n"],
  ["environment.yml", "dependencies:\n  - pip:\n    - kedro\n    - 'kedro_mlflow>=1'\n"],
  ["environment.yml", "dependencies: [python=3.11, 'conda-forge::kedro-mlflow']\n"],
  ["environment.yml", "dependencies:\n  - pip: [kedro, kedro-mlflow]\n"],
  ["environment.yml", "dependencies:\n  - pip:\n    - git+https://example.org/kedro-mlflow.git\n"],
];

const NOT_ASKING: readonly (readonly [file: string, text: string])[] = [
  ["requirements.txt", "# kedro-mlflow\nkedro-mlflow-extra\n  # kedro-mlflow\n"],
  ["requirements.txt", "kedro # kedro-mlflow\nmlflow\n"],
  ["requirements.txt", "-c constraints.txt\n"],
  ["requirements.txt", "git+https://example.org/kedro-mlflow/other.git\nmy-kedro-mlflow\n"],
  ["pyproject.toml", '[project]\ndependencies = ["kedro"]\nname = "kedro-mlflow"\n'],
  ["pyproject.toml", '[project\ndependencies = ["kedro-mlflow"]\n'],
  ["pyproject.toml", '# [project]\n# dependencies = ["kedro-mlflow"]\n'],
  ["setup.cfg", "[metadata]\nname = kedro-mlflow\n[options]\ninstall_requires =\n    # kedro-mlflow\n    kedro\n"],
  ["setup.py", 'setup(name="kedro-mlflow", install_requires=["kedro"])\n'],
  ["setup.py", 'setup(install_requires=[\n    # "kedro-mlflow",\n])\n'],
  ["environment.yml", "name: kedro-mlflow\ndependencies:\n  - pip:\n    # - kedro-mlflow\n    - kedro\n"],
  ["environment.yml", "channels: [kedro-mlflow]\n"],
  ["pixi.toml", '[workspace]\nname = "kedro-mlflow"\n'],
  ["uv.lock", '[[package]]\nname = "kedro-mlflow"\n'],
  ["poetry.lock", '[[package]]\nname = "kedro-mlflow"\n'],
  ["constraints.txt", "kedro-mlflow==1\n"],
  ["README.md", "kedro-mlflow\n"],
];

describe("findRequirement", () => {
  for (const [file, text] of ASKING) {
    test(`asks: ${file} with ${JSON.stringify(text)}`, () => {
      expect(findRequirement(fakeWorld({ files: { [`/p/${file}`]: text } }), "/p", "kedro-mlflow")).toBe(file);
    });
  }

  for (const [file, text] of NOT_ASKING) {
    test(`does not ask: ${file} with ${JSON.stringify(text)}`, () => {
      expect(findRequirement(fakeWorld({ files: { [`/p/${file}`]: text } }), "/p", "kedro-mlflow")).toBeNull();
    });
  }

  test.each([
    { name: "with a blank", line: "-r more/a.txt # the rest" },
    { name: "without one", line: "-rmore/a.txt" },
    { name: "the long option", line: "--requirement=more/a.txt" },
  ])("follows other requirements, once: $name", ({ line }) => {
    const files = {
      "/p/requirements.txt": `${line}\n`,
      "/p/more/a.txt": "-r ../requirements.txt\nkedro_mlflow\n",
    };
    expect(findRequirement(fakeWorld({ files }), "/p", "kedro-mlflow")).toBe("requirements.txt");
  });

  test("follows the files that setuptools reads", () => {
    const files = {
      "/p/pyproject.toml": '[tool.setuptools.dynamic]\noptional-dependencies.track = {file = ["track.txt"]}\n',
      "/p/track.txt": "kedro_mlflow\n",
    };
    expect(findRequirement(fakeWorld({ files }), "/p", "kedro-mlflow")).toBe("pyproject.toml");
  });
});
