/**
 * kubeflow.yaml of a project with TemplatedConfigLoader. `WANT` is what the real loader of Kedro 0.16.6, 0.17.7 and
 * 0.18.14 gave for these two files with `globals_dict` made of KEDRO_CONFIG_*, as kedro-kubeflow 0.7.4 makes it; the
 * three gave the same.
 */
import { describe, expect, test } from "bun:test";
import { templating } from "../../hooks/templating.ts";
import { readKubeflow, type ConfigurationRequest } from "../../src/config/read.ts";
import { toPlain } from "../../src/config/tree.ts";
import { KfkError } from "../../src/error.ts";
import { fakeWorld } from "../fake-world.ts";
import { plainOf } from "./tree-text.ts";

const GLOBALS = `name: shop
ttl: 60
flag: true
nothing: null
empty: ""
rate: 1.0
mode_list: [ReadWriteMany]
pod: {cpu: 2, memory: 4Gi}
deep: {er: {name: inner, num: 7}}
node_key: fit
dollar: "\${x}"
`;

const KUBEFLOW = `a: \${name}
b: x-\${name}-y
c: \${ttl}
d: \${pod}
e: \${mode_list}
f: \${deep.er.name}
g: \${deep.er.num}
h: n\${deep.er.num}
i: \${nope|dflt}
j: \${nope|}
k: \${nothing|was_null}
l: \${empty|was_empty}
m: \${commit_id|dirty}
n: img:\${commit_id|dirty}
o: \${flag}
p: f-\${flag}
q: \${nope|a|b}
s: {"\${node_key}": 1, "k-\${name}": 2}
t: [ "\${name}", {u: "\${ttl}"} ]
u: \${rate}
v: v\${rate}
w: \${dollar}
x: \${set|d}
y: \${empty_env|d}
z: \${deep.nope|d}
`;

const ENV = { KEDRO_CONFIG_SET: "from-env", KEDRO_CONFIG_EMPTY_ENV: "" };

const WANT = {
  a: "shop",
  b: "x-shop-y",
  c: 60,
  d: { cpu: 2, memory: "4Gi" },
  e: ["ReadWriteMany"],
  f: "inner",
  g: 7,
  h: "n7",
  i: "dflt",
  j: "",
  k: "was_null",
  l: "",
  m: "dirty",
  n: "img:dirty",
  o: true,
  p: "f-True",
  q: "a|b",
  s: { fit: 1, "k-shop": 2 },
  t: ["shop", { u: 60 }],
  v: "v1.0",
  w: "${x}",
  x: "from-env",
  y: "",
  z: "d",
};

type Kind = NonNullable<ConfigurationRequest["kind"]>;

function treeOf(
  kubeflow: string,
  env: Readonly<Record<string, string>> = ENV,
  kind: Kind = "TemplatedConfigLoader",
  overridden: ReadonlyMap<string, string> = new Map(),
) {
  const globals = kind === "OmegaConfigLoader" ? "pod: {cpu: 2, memory: 4Gi}\n" : GLOBALS;
  const files = { "/p/conf/base/globals.yml": globals, "/p/conf/base/kubeflow.yml": kubeflow };
  const request = {
    confRoot: "/p/conf",
    confShown: "conf",
    baseEnv: "base",
    runEnv: "local",
    isRunEnvNamed: false,
    kind,
    overridden,
    globalsPattern: "globals*",
    patterns: new Map(),
    mergeStrategy: new Map(),
    ignoreHidden: true,
    hasLeafDuplicates: true,
    customResolvers: new Map(),
    runtimeParams: new Map(),
    variable: (name: string, known: string | null, look: (name: string) => string | undefined) =>
      templating.variable(
        { name, known },
        {
          kfk: "0",
          verb: "compile",
          project: { name: "p", package: "p", kedroVersion: "0.18.14", root: "/p" },
          runEnv: "local",
          git: null,
          env: look,
        },
      ),
  };
  const { files: world } = fakeWorld({ files });
  return readKubeflow(request as never, world, (name) => env[name]).kubeflowTree();
}

describe("kubeflow.yaml under TemplatedConfigLoader", () => {
  test("is filled as the loader fills it", () => {
    const tree = treeOf(KUBEFLOW);
    const plain = tree && toPlain(tree);
    if (!(plain instanceof Map)) throw new Error("no mapping");
    expect(plain.get("u")).toBe(1);
    plain.delete("u");
    expect(plain).toEqual(plainOf(WANT) as Map<string, never>);
  });

  test("a variable of the environment goes before the globals", () => {
    const tree = treeOf("a: ${name}\nb: ${ttl}\n", { KEDRO_CONFIG_NAME: "env", KEDRO_CONFIG_TTL: "5" });
    expect(tree && toPlain(tree)).toEqual(plainOf({ a: "env", b: "5" }) as never);
  });

  test("oc.env is understood as well", () => {
    const tree = treeOf("a: ${oc.env:HERE,none}/${name}\n", { HERE: "x" });
    expect(tree && toPlain(tree)).toEqual(plainOf({ a: "x/shop" }) as never);
  });

  const wrong: [string, string, string][] = [
    [
      "a name without value",
      "a: ${nmae}\n",
      "1:4 ${nmae} has no value among the globals, and no default; did you mean ${name}?",
    ],
    [
      "a dotted name without value",
      "a: ${deep.zz.zz}\n",
      "1:4 ${deep.zz.zz} has no value among the globals, and no default; add it to the globals, or write ${deep.zz.zz|default}",
    ],
    [
      "a template in a default",
      "a: reg/${nope|x${name|z}}\n",
      "1:8 the default of ${nope|…} holds a template: reg/${nope|x${name|z}}; defaults are text: write ${nope|text}, or nest the other grammar: ${oc.env:NAME, ${oc.env:OTHER, text}}",
    ],
    [
      "a key that becomes no text",
      '"${ttl}": 1\n',
      '1:1 the key "${ttl}" does not become text; use a value that is text',
    ],
    [
      "a mapping inside a text",
      "a: x${pod}\n",
      "1:5 the value of ${pod} cannot stand inside a text; let it stand alone, or give it a value that is text without ${",
    ],
    [
      "Jinja",
      "{% set x = 1 %}\na: 1\n",
      '1:1 "{%" starts Jinja, which TemplatedConfigLoader may execute; write the values down',
    ],
  ];
  test.each(wrong)("refused: %s", (_, text, want) => {
    let told = "";
    try {
      treeOf(text);
    } catch (error) {
      if (!(error instanceof KfkError)) throw error;
      told = `${error.at?.line}:${error.at?.column} ${error.message}; ${error.hint}`;
    }
    expect(told).toBe(want);
  });
});

describe("kubeflow.yaml under OmegaConfigLoader", () => {
  test.each([
    [
      "a name without value",
      "a: reg/${google_project_id}/x\n",
      "1:8 ${google_project_id} has no value, and no default; set KEDRO_CONFIG_GOOGLE_PROJECT_ID, or write ${google_project_id|default}",
    ],
    [
      "a commit without git, behind another template",
      "a: reg/${name|x}:${commit_id}\n",
      "1:18 ${commit_id} has no value: git knows no commit here; set KEDRO_CONFIG_COMMIT_ID, or write ${commit_id|default}",
    ],
    ["a typo of a key", "size: 1\na: ${siez}\n", "2:4 ${siez} has no value, and no default; did you mean ${size}?"],
    [
      "the other grammar behind an old template",
      "a: ${name|x}-${oc.env:NOPE}\n",
      "1:14 the environment variable NOPE is not set",
    ],
  ])("refused: %s", (_, text, want) => {
    let told = "";
    try {
      treeOf(text, {}, "OmegaConfigLoader");
    } catch (error) {
      if (!(error instanceof KfkError)) throw error;
      told = `${error.at?.line}:${error.at?.column} ${error.message}; ${error.hint}`;
    }
    expect(told).toStartWith(want);
  });

  test("an escaped template stays text", () => {
    const tree = treeOf("a: x\\${name}\n", {}, "OmegaConfigLoader");
    expect(tree && toPlain(tree)).toEqual(plainOf({ a: "x${name}" }) as never);
  });

  test("a key that an option gives instead needs no value", () => {
    const overridden = new Map([["image", "reg/given:1"]]);
    const tree = treeOf("run_config: {image: 'reg/${nope}', run_name: r}\n", {}, "OmegaConfigLoader", overridden);
    expect(tree && toPlain(tree)).toEqual(plainOf({ run_config: { image: "reg/given:1", run_name: "r" } }) as never);
  });

  test("globals keep their types, in both grammars", () => {
    const text = "a: ${pod|none}\nb: ${globals:pod.cpu}\nc: ${d.e}\nd: {e: 5}\nf: ${globals:none,7}\n";
    const tree = treeOf(text, {}, "OmegaConfigLoader");
    expect(tree && toPlain(tree)).toEqual(
      plainOf({ a: { cpu: 2, memory: "4Gi" }, b: 2, c: 5, d: { e: 5 }, f: 7 }) as never,
    );
  });

  test("a template in a default is told as what it is", () => {
    expect(() => treeOf("a: ${nope|x${b|c}}\n", {}, "OmegaConfigLoader")).toThrow(
      "the default of ${nope|…} holds a template: ${nope|x${b|c}}",
    );
  });
});
