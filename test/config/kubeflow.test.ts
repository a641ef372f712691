import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildKubeflow, type KubeflowConfig } from "../../src/config/kubeflow.ts";
import { replaceOldTemplates } from "../../src/config/old-templates.ts";
import { fromPlain, type MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";
import { plainOf } from "./tree-text.ts";

function build(text: string): KubeflowConfig {
  const tree = parseYaml({ file: "conf/base/kubeflow.yaml", text });
  return buildKubeflow((tree ?? { kind: "map", entries: new Map(), at: undefined }) as MapNode);
}

describe("buildKubeflow", () => {
  test("an affinity without a value leaves that of all steps, an empty description is none", () => {
    const { run } = build(
      'run_config:\n  description: ""\n  affinity: {a: null, b: {}, __default__: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}}\n',
    );
    expect([run.description, [...run.affinity.keys()]]).toEqual([null, ["b", "__default__"]]);
  });

  test("fills in every default", () => {
    const { placeOf, run, ...rest } = build("host: http://h\n");
    expect(rest).toEqual({
      host: "http://h",
      target: "argo",
      kfpVersion: null,
      from: null,
      hooks: [],
      mlflowIapClientId: null,
      auth: null,
      tls: null,
      ui: null,
      mlflowMode: null,
      warnings: [],
    });
    expect(run).toEqual({
      image: null,
      imagePullPolicy: "IfNotPresent",
      experimentName: null,
      runName: null,
      scheduledRunName: null,
      description: null,
      waitForCompletion: false,
      ttlSeconds: 604800,
      volume: null,
      resources: new Map([["__default__", { cpu: "500m", memory: "1024Mi" }]]),
      retryPolicy: new Map(),
      tolerations: new Map(),
      affinity: new Map(),
      extraVolumes: new Map(),
      maxCacheStaleness: null,
      storeOutputsAsArtifacts: true,
      onExitPipeline: null,
      pipelineName: null,
      projectDir: "/home/kedro",
      merge: "none",
      env: [],
      datasets: null,
      serviceAccount: null,
      imagePullSecrets: [],
      nodeSelector: {},
    });
    expect([placeOf(["host"])?.line, placeOf(["target"])]).toEqual([1, undefined]);
  });

  const values: { name: string; text: string; get: (config: KubeflowConfig) => unknown; want: unknown }[] = [
    {
      name: "an empty volume has defaults",
      text: "run_config: {volume: {}}",
      get: ({ run }) => run.volume,
      want: { storageClass: null, size: "1Gi", accessModes: ["ReadWriteOnce"], skipInit: false, owner: 0, keep: false },
    },
    { name: "volume: null is no volume", text: "run_config: {volume: }", get: ({ run }) => run.volume, want: null },
    {
      name: "amounts become text",
      text: "run_config: {resources: {__default__: {cpu: 4, memory: 1Gi}, a: {cpu: 0.5}}}",
      get: ({ run }) => [...run.resources],
      want: [
        ["__default__", { cpu: "4", memory: "1Gi" }],
        ["a", { cpu: "0.5" }],
      ],
    },
    {
      name: "text from the environment stands for numbers and booleans",
      text: "run_config: {ttl: '60', wait_for_completion: 'True', volume: {keep: 'false'}}",
      get: ({ run }) => [run.ttlSeconds, run.waitForCompletion, run.volume?.keep],
      want: [60, true, false],
    },
    { name: "a bare off is a mode", text: "mlflow: {mode: off}", get: (config) => config.mlflowMode, want: "off" },
    {
      name: "node_merge_strategy is merge",
      text: "run_config: {node_merge_strategy: full}",
      get: ({ run }) => run.merge,
      want: "full",
    },
    {
      name: "a schedule is named like the run",
      text: "run_config: {run_name: r}",
      get: ({ run }) => run.scheduledRunName,
      want: "r",
    },
    {
      name: "env takes names, values and secrets",
      text: "run_config: {env: [A, {name: B, value: 1}, {name: C, secret: {name: s, key: k}}]}",
      get: ({ run }) => run.env,
      want: [
        { name: "A", from: "environment" },
        { name: "B", from: "value", value: "1" },
        { name: "C", from: "secret", secret: "s", key: "k" },
      ],
    },
  ];
  for (const { name, text, get, want } of values) test(name, () => expect(get(build(text))).toEqual(want));

  test("all unknown keys and wrong types come in one error, in the order of the file", () => {
    const text =
      "hots: x\nrun_config:\n  imagee: y\n  ttl: soon\n  volume: {sise: 1Gi, keep: maybe}\n  cpu: 4\nimage: z\nkfp_version: 2.10\n";
    let error: unknown;
    try {
      build(text);
    } catch (thrown) {
      error = thrown;
    }
    const { code, message, hint, at, notes } = error as KfkError;
    expect([code, message, hint, at?.line, at?.column]).toEqual([
      "CONFIG_KUBEFLOW",
      '"hots" is not a known key',
      'did you mean "host"?',
      1,
      1,
    ]);
    expect(notes.map((note) => `${note.at?.line}:${note.at?.column} ${note.message}`.slice(0, 110))).toEqual([
      '3:3 "run_config.imagee" is not a known key; did you mean "image"?',
      '4:8 "run_config.ttl" must be a whole number, and it is "soon"',
      '5:12 "run_config.volume.sise" is not a known key; did you mean "size"?',
      '5:29 "run_config.volume.keep" must be true or false, and it is "maybe"',
      '6:3 "run_config.cpu" is not a known key; known here: image, image_pull_policy, experiment_name, run_name, sche',
      '7:1 "image" is not a known key; it belongs under run_config',
      '8:14 "kfp_version" must be text in quotes, like "2.14", and it is 2.1',
    ]);
  });
});

describe("replaceOldTemplates", () => {
  const globals = fromPlain(plainOf({ project: "g", deep: { x: 1 } }), undefined) as MapNode;
  const variable = (name: string, known: string | null): string | undefined =>
    name === "commit_id" ? "abc" : (known ?? undefined);
  const rows: { name: string; value: string; want: string }[] = [
    { name: "a given value", value: "i:${commit_id|unknown}", want: "i:abc" },
    { name: "then globals", value: "${project|p}/${deep.x|2}", want: "g/1" },
    { name: "then the default", value: "${nope|latest}", want: "latest" },
    { name: "an empty default", value: "a${nope|}b", want: "ab" },
    { name: "a name alone that the file does not have", value: "${commit_id}", want: "abc" },
    { name: "a key of the file stays", value: "${host}", want: "${host}" },
    { name: "resolvers stay", value: "${oc.env:A,b|c}", want: "${oc.env:A,b|c}" },
  ];
  for (const { name, value, want } of rows) {
    test(name, () => {
      const tree = fromPlain(plainOf({ host: "h", v: value }), undefined) as MapNode;
      expect(replaceOldTemplates(tree, globals, variable).entries.get("v")).toMatchObject({
        kind: "scalar",
        value: want,
      });
    });
  }

  test("refuses what is more than a name", () => {
    const tree = fromPlain(plainOf({ v: "${a[0]|x}" }), undefined) as MapNode;
    expect(replaceOldTemplates(tree, globals, variable).entries.get("v")).toMatchObject({ value: "${a[0]|x}" });
    const other = fromPlain(plainOf({ v: "${a-b|x}" }), undefined) as MapNode;
    expect(() => replaceOldTemplates(other, globals, variable)).toThrow("is a template of Kedro before 0.19");
  });
});

const GOLDEN = join(import.meta.dir, "../../../shared/golden");

describe.skipIf(!existsSync(GOLDEN))("files written for the predecessor", () => {
  const folders = existsSync(GOLDEN) ? readdirSync(GOLDEN).filter((name) => name.startsWith("kedro-kubeflow-")) : [];
  for (const folder of folders) {
    for (const file of readdirSync(join(GOLDEN, folder)).filter((name) => name.endsWith(".kubeflow.yaml"))) {
      test(`${folder}/${file} is accepted`, () => {
        expect(build(readFileSync(join(GOLDEN, folder, file), "utf8")).run.image).toMatch(
          /^(?:space-flights:1\.4\.2|gen-project:1)$/,
        );
      });
    }
  }
});
