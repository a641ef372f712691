/**
 * Bad input, each as a person sees it: status, message, place, way out; never a stack.
 */
import { describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { fakeWorld } from "../fake-world.ts";
import { KUBEFLOW, projectFiles, type ProjectParts, ROOT } from "../project-files.ts";

interface Row {
  readonly name: string;
  readonly argv: readonly string[];
  readonly parts?: ProjectParts;
  readonly files?: Record<string, string>;
  readonly status: number;
  /** Parts of what stands on stderr, in order. */
  readonly says: readonly string[];
}

const PIPELINE = "from kedro.pipeline import node, pipeline\nfrom .nodes import fit, score\n";

const ROWS: readonly Row[] = [
  { name: "no command", argv: ["-q"], status: 2, says: ["no command", "kfk --help"] },
  {
    name: "unknown command",
    argv: ["complie"],
    status: 2,
    says: ['no command "complie"', "did you mean kfk compile?"],
  },
  ...[
    ["run", "run-once"],
    ["submit", "run-once"],
    ["upload", "upload-pipeline"],
    ["uplaod", "upload-pipeline"],
    ["list", "list-runs"],
  ].map(([word = "", meant = ""]): Row => ({
    name: `a word of other programs, ${word}`,
    argv: [word],
    status: 2,
    says: [`no command "${word}"`, `did you mean kfk ${meant}?`],
  })),
  { name: "help for what is no command", argv: ["help", "nope"], status: 2, says: ['no command "nope"'] },
  {
    name: "a name that is no namespace",
    argv: ["list-runs", "-n", "Bad NS", "--host", "http://localhost:9"],
    status: 2,
    says: ['--namespace "Bad NS" is not the name of a namespace', "team-a"],
  },
  {
    name: "a file as the project's folder",
    argv: ["model", "-C", "pyproject.toml"],
    status: 3,
    says: [`${ROOT}/pyproject.toml is a file, and --project wants the project's folder`, `use --project ${ROOT}`],
  },
  {
    name: "a word like one of --from",
    argv: ["model", "--from", "sttic"],
    status: 3,
    says: ["there is no file sttic to read the model from", "did you mean --from static?"],
  },
  {
    name: "unknown option",
    argv: ["compile", "--imgae", "x"],
    status: 2,
    says: ["no option --imgae", "did you mean --image?"],
  },
  { name: "missing value", argv: ["compile", "--image"], status: 2, says: ["--image needs a value"] },
  { name: "extra argument", argv: ["compile", "now"], status: 2, says: ['does not take "now"'] },
  {
    name: "bad duration",
    argv: ["run-once", "--local", "--timeout", "soon"],
    status: 2,
    says: ['--timeout wants a time, and this is none: "soon"'],
  },
  {
    name: "no project",
    argv: ["model"],
    files: { "/projects/shop/readme": "" },
    status: 3,
    says: ["is not in a Kedro project", "--project DIR"],
  },
  {
    name: "broken TOML",
    argv: ["model"],
    parts: { pyproject: "[tool.kedro]\npackage_name = shop\n" },
    status: 3,
    says: ["pyproject.toml is not valid TOML", "--> pyproject.toml:2:1", "package_name = shop"],
  },
  {
    name: "metadata missing",
    argv: ["model"],
    parts: { pyproject: '[tool.kedro]\npackage_name = "shop"\n' },
    status: 3,
    says: ['lacks "project_name"', "--> pyproject.toml:1:1"],
  },
  {
    name: "too old",
    argv: ["model"],
    parts: { kedro: "0.15.9" },
    status: 3,
    says: ["Kedro 0.15.9, which kfk cannot read"],
  },
  {
    name: "YAML with a tab",
    argv: ["model"],
    parts: { conf: { "base/catalog.yml": "table:\n\ttype: pandas.CSVDataset\n" } },
    status: 3,
    says: ["conf/base/catalog.yml:2:1"],
  },
  { name: "missing named environment", argv: ["model", "-e", "prod"], status: 3, says: ['"prod"', "local"] },
  {
    name: "unknown pipeline",
    argv: ["compile", "-p", "trian"],
    parts: { conf: { "base/kubeflow.yaml": KUBEFLOW } },
    status: 3,
    says: ['no pipeline "trian"', "did you mean --pipeline train?"],
  },
  {
    name: "registry that raises",
    argv: ["model"],
    parts: { registry: 'def register_pipelines():\n    raise ValueError("no database")\n' },
    status: 3,
    says: ["ValueError: no database", "--> src/shop/pipeline_registry.py:2:5", 'raise ValueError("no database")'],
  },
  {
    name: "syntax error in a pipeline file",
    argv: ["model"],
    parts: { pipelines: { train: `${PIPELINE}\ndef create_pipeline():\n    return pipeline([node(fit, "a" "b",\n` } },
    status: 3,
    says: ["src/shop/pipelines/train/pipeline.py"],
  },
  {
    name: "something that only Python knows",
    argv: ["model"],
    parts: {
      pipelines: {
        train: `${PIPELINE}import pandas\n\ndef create_pipeline():\n    names = pandas.read_csv("x")\n    return pipeline([node(fit, names, "b")])\n`,
      },
    },
    status: 3,
    says: [
      "inputs of a node cannot be known without running Python",
      "--> src/shop/pipelines/train/pipeline.py:7:22",
      "hint",
    ],
  },
  {
    name: "unknown resolver",
    argv: ["model"],
    parts: { conf: { "base/parameters.yml": "rate: ${secret:x}\n" } },
    status: 3,
    says: ["secret", "conf/base/parameters.yml:1:"],
  },
  {
    name: "cyclic interpolation",
    argv: ["model"],
    parts: { conf: { "base/parameters.yml": "a: ${b}\nb: ${a}\n" } },
    status: 3,
    says: ["a", "b", "conf/base/parameters.yml:"],
  },
  {
    name: "cyclic pipeline",
    argv: ["model"],
    parts: {
      pipelines: {
        train: `${PIPELINE}\ndef create_pipeline():\n    return pipeline([\n        node(fit, "a", "b", name="one"),\n        node(score, "b", "a", name="two"),\n    ])\n`,
      },
    },
    status: 3,
    says: ["these nodes wait for each other: ", "pipeline.py:"],
  },
  {
    name: "image missing",
    argv: ["compile"],
    parts: { conf: { "base/kubeflow.yaml": "host: http://x\nrun_config:\n  volume: {}\n" } },
    status: 3,
    says: ["no image", "--image NAME:TAG"],
  },
  {
    name: "no volume though data crosses",
    argv: ["compile", "-i", "shop:1"],
    status: 3,
    says: [
      'dataset "model" goes from one step to another, is kept in memory, and there is no volume [STEP_VOLUME]\n',
      '  note: node "fit" makes it\n  --> src/shop/pipelines/train/pipeline.py:6:1\n',
      "reads it\n  --> src/shop/pipelines/train/pipeline.py:7:1\n",
      "add a volume: section",
    ],
  },
  {
    name: "a file in a folder that is not there",
    argv: ["compile", "-i", "shop:1", "-o", "no/where/a.yml"],
    parts: { conf: { "base/kubeflow.yaml": KUBEFLOW } },
    status: 3,
    says: ["there is no folder no/where for --output no/where/a.yml", "mkdir -p no/where"],
  },
  {
    name: "an input that nothing makes and that is not in the catalog",
    argv: ["compile", "-i", "shop:1"],
    parts: { conf: { "base/catalog.yml": "", "base/kubeflow.yaml": KUBEFLOW } },
    status: 3,
    says: ['node "fit" reads "table", which no node', "pipeline.py:6:1", "conf/base/catalog.yml"],
  },
  {
    name: "a parameter that is not there",
    argv: ["compile", "-i", "shop:1"],
    parts: { conf: { "base/parameters.yml": "other: 1\n", "base/kubeflow.yaml": KUBEFLOW } },
    status: 3,
    says: ['node "fit" reads "params:rate", and there is no such parameter', "conf/base/parameters.yml"],
  },
  {
    name: "a key that is not compiled yet is refused, not dropped",
    argv: ["compile"],
    parts: { conf: { "base/kubeflow.yaml": `${KUBEFLOW}target: kfp\n` } },
    status: 3,
    says: ["target: kfp is not compiled", "conf/base/kubeflow.yaml:5:1"],
  },
  {
    name: "unknown key in kubeflow.yaml",
    argv: ["compile"],
    parts: { conf: { "base/kubeflow.yaml": `${KUBEFLOW}  imgae: x\n` } },
    status: 3,
    says: ["imgae", "image"],
  },
  {
    name: "unknown parameter",
    argv: ["compile", "--param", "raet=1"],
    parts: { conf: { "base/kubeflow.yaml": KUBEFLOW } },
    status: 3,
    says: ['no parameter "raet"', "did you mean rate?"],
  },
  {
    name: "duplicate node name",
    argv: ["model"],
    parts: {
      pipelines: {
        train: `${PIPELINE}\ndef create_pipeline():\n    return pipeline([\n        node(fit, "a", "b", name="one"),\n        node(score, "b", "c", name="one"),\n    ])\n`,
      },
    },
    status: 3,
    says: ['two nodes of one pipeline are called "one"', "pipeline.py:7:", "the other one", "pipeline.py:6:"],
  },
];

describe("bad input", () => {
  test.each(ROWS.map((row) => [row.name, row] as const))("%s", async (_, row) => {
    const world = fakeWorld({ cwd: ROOT, files: row.files ?? projectFiles(row.parts) });
    const status = await runCommandLine(world, row.argv, "1.2.3", "");
    const said = world.written.err();
    expect({ status, out: world.written.out() }).toEqual({ status: row.status, out: "" });
    let at = 0;
    for (const part of row.says) {
      const found = said.indexOf(part, at);
      if (found < 0) throw new Error(`"${part}" is not in:\n${said}`);
      at = found;
    }
    expect(said).not.toMatch(/\n\s+at \S+ \(/); // no stack
  });
});

describe("a broken kubeflow.yaml is told once", () => {
  const files = { ...projectFiles(), [`${ROOT}/conf/base/kubeflow.yaml`]: "- 1\n" };
  const what = "the file must hold a mapping of keys to values";

  test.each([
    ["as the error of a verb that needs it", ["compile", "-i", "shop:1", "-o", "-"], 3, `error: ${what}`],
    [
      "as a warning of one that does not",
      ["model", "-o", "-"],
      0,
      `warning: hooks that kubeflow.yaml lists are left out: ${what}`,
    ],
  ] as const)("%s", async (_, argv, status, says) => {
    const world = fakeWorld({ cwd: ROOT, files });
    expect(await runCommandLine(world, [...argv], "0.0.0", "")).toBe(status);
    expect(world.written.err()).toContain(says);
    expect(world.written.err().split(what).length).toBe(2);
  });
});

test("KEDRO_ENV is named where it names an environment that is not there", async () => {
  const files = projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW, "staging/parameters.yml": "rate: 1\n" } });
  const world = fakeWorld({ cwd: ROOT, files, env: { KEDRO_ENV: "stagging" } });
  expect(await runCommandLine(world, ["compile", "-o", "-"], "0.0.0", "")).toBe(3);
  expect(world.written.err()).toStartWith(
    'error: KEDRO_ENV names the environment "stagging", and there is none: no folder conf/stagging [CONFIG_ENVIRONMENT]\n  hint: did you mean "staging"?',
  );
});

test("help as a word is help as an option", async () => {
  for (const [word, option] of [
    [["help"], ["--help"]],
    [
      ["help", "compile"],
      ["compile", "--help"],
    ],
    [
      ["-q", "help", "schedule", "next"],
      ["schedule", "--help"],
    ],
  ] as const) {
    const said = [word, option].map(async (argv) => {
      const world = fakeWorld({ cwd: ROOT, files: {} });
      return [await runCommandLine(world, [...argv], "0.0.0", ""), world.written.out()];
    });
    const [first, second] = await Promise.all(said);
    expect(first).toEqual(second as never);
  }
});
