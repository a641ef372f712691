/**
 * Configuration that pipeline code reads by itself. Expectations were made by real Kedro 1.7.0; a code stands where kfk
 * refuses.
 */
import { describe, expect, test } from "bun:test";
import { readByHand } from "../../src/config/by-hand.ts";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const HEAD = `from kedro.pipeline import node, pipeline
def f(*a, **k): return a
`;

const CONF: Readonly<Record<string, string>> = {
  "base/parameters.yml": `names: [p, q]
rate: 0.5
models:
  a: {n: 1}
  b: {n: 2}
ref: \${models.a.n}
_hidden: 1
`,
  "local/parameters.yml": `rate: 0.7
`,
  "base/globals.yml": `ns: [x, y]
`,
  "base/parameters_more.yml": `more: \${globals:ns}
`,
  "base/things.yml": `t: [one, two]
`,
  "base/things.json": `{"k": ["j1", "j2"]}`,
  "base/dates.yml": `d: 2020-01-01
`,
  "base/credentials.yml": `k: v
`,
};

function read(code: string) {
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ registry: HEAD + code, conf: CONF }) });
  const facts = findProject(world, ROOT);
  const host = {
    ...projectHost(world, facts),
    conf: ({ key, confSource, ...request }: Parameters<NonNullable<ReturnType<typeof projectHost>["conf"]>>[0]) =>
      readByHand(
        key,
        {
          ...request,
          confRoot: `${ROOT}/${confSource}`,
          confShown: confSource,
          mergeStrategy: new Map(),
          ignoreHidden: true,
          hasLeafDuplicates: true,
        },
        world.files,
        (name) => world.env[name],
      ),
  };
  return readRegistry(host, { package: facts.package, kedroVersion: "1.7.0" });
}

function shown(code: string): readonly string[] | string | undefined {
  try {
    return read(code)
      .pipelines.get("__default__")
      ?.nodes.map(({ name, inputs, outputs }) => `${name}: ${inputs.join(",")} -> ${outputs.join(",")}`);
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const ROWS: readonly (readonly [name: string, code: string, expected: readonly string[] | string])[] = [
  [
    "the loader of parameters",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    ps=OmegaConfigLoader(conf_source="conf", base_env="base", default_run_env="local")["parameters"]
    return {"__default__":pipeline([node(f,k,f"{k}{v['n']}{ps['rate']}{ps['ref']}".replace(".","_"),name=k) for k,v in ps["models"].items()])}`,
    ["a: a -> a10_71", "b: b -> b20_71"],
  ],
  [
    "globals and get",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    l=OmegaConfigLoader(conf_source="conf", base_env="base", default_run_env="local")
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in l["globals"]["ns"]+l.get("parameters")["more"][:0]+l.get("parameters")["names"]])}`,
    ["p: i -> p", "q: i -> q", "x: i -> x", "y: i -> y"],
  ],
  [
    "another environment",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    ps=OmegaConfigLoader(conf_source="conf",base_env="base",env="base")["parameters"]
    return {"__default__":pipeline([node(f,"i",str(ps["rate"]).replace(".","_"),name="n")])}`,
    ["n: i -> 0_5"],
  ],
  [
    "no environments at all",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    ps=OmegaConfigLoader(conf_source="conf")["parameters"]
    return {"__default__":pipeline([node(f,"i",str(ps["rate"]).replace(".","_"),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "own patterns",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    l=OmegaConfigLoader(conf_source="conf",base_env="base",default_run_env="local",config_patterns={"things":["things.yml"]})
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in l["things"]["t"]])}`,
    ["one: i -> one", "two: i -> two"],
  ],
  [
    "a pattern that is not there",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    l=OmegaConfigLoader(conf_source="conf", base_env="base", default_run_env="local")
    try:
        x=l["things"]
    except KeyError:
        x="none"
    return {"__default__":pipeline([node(f,"i",x,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "credentials",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    l=OmegaConfigLoader(conf_source="conf", base_env="base", default_run_env="local")
    return {"__default__":pipeline([node(f,"i",str(len(l["credentials"])),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "OmegaConf.load",
    `from omegaconf import OmegaConf
def register_pipelines():
    c=OmegaConf.load("conf/base/things.yml")
    return {"__default__":pipeline([node(f,"i",x,name=c["t"][0]+x) for x in c.t])}`,
    ["oneone: i -> one", "onetwo: i -> two"],
  ],
  [
    "OmegaConf.load to_container",
    `from omegaconf import OmegaConf
from pathlib import Path
def register_pipelines():
    c=OmegaConf.to_container(OmegaConf.load(Path(__file__).parents[2]/"conf"/"base"/"things.yml"))
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in c["t"]])}`,
    ["one: i -> one", "two: i -> two"],
  ],
  [
    "OmegaConf.load with interpolation",
    `from omegaconf import OmegaConf
def register_pipelines():
    c=OmegaConf.load("conf/base/parameters.yml")
    return {"__default__":pipeline([node(f,"i",str(c.ref),name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "OmegaConf.create",
    `from omegaconf import OmegaConf
def register_pipelines():
    c=OmegaConf.create({"a":{"b":"q"}})
    return {"__default__":pipeline([node(f,"i",c.a.b,name=c.get("z","none"))])}`,
    ["none: i -> q"],
  ],
  [
    "yaml.safe_load of open",
    `import yaml
def register_pipelines():
    with open("conf/base/things.yml") as h:
        t=yaml.safe_load(h)
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in t["t"]])}`,
    ["one: i -> one", "two: i -> two"],
  ],
  [
    "yaml.safe_load of read_text",
    `import yaml
from pathlib import Path
def register_pipelines():
    t=yaml.safe_load((Path(__file__).resolve().parents[2]/"conf/base/things.yml").read_text())
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in t["t"]])}`,
    ["one: i -> one", "two: i -> two"],
  ],
  [
    "yaml.safe_load of a date",
    `import yaml
def register_pipelines():
    t=yaml.safe_load(open("conf/base/dates.yml"))
    return {"__default__":pipeline([node(f,"i","o"+type(t["d"]).__name__,name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "json.load",
    `import json
def register_pipelines():
    with open("conf/base/things.json","r") as h:
        t=json.load(h)
    return {"__default__":pipeline([node(f,"i",x,name=x) for x in t["k"]])}`,
    ["j1: i -> j1", "j2: i -> j2"],
  ],
  [
    "a file that is not there",
    `def register_pipelines():
    try:
        x=open("conf/base/none.yml").read()
    except FileNotFoundError:
        x="none"
    return {"__default__":pipeline([node(f,"i",x,name="n")])}`,
    ["n: i -> none"],
  ],
  [
    "a file of secrets",
    `import yaml
def register_pipelines():
    c=yaml.safe_load(open("conf/base/credentials.yml"))
    return {"__default__":pipeline([node(f,"i",c["k"],name="n")])}`,
    "PY_UNKNOWN",
  ],
  [
    "an exception that may have been",
    `from kedro.config import OmegaConfigLoader
def register_pipelines():
    l=OmegaConfigLoader(conf_source="conf", base_env="base", default_run_env="local")
    y="a"
    try:
        x=l["things"]
    except KeyError:
        y="b"
    return {"__default__":pipeline([node(f,"i",y,name="n")])}`,
    "PY_UNKNOWN",
  ],
];

describe("configuration in pipeline code", () => {
  test.each(ROWS)("%s", (_name, code, expected) => {
    expect(shown(code)).toEqual(expected as string[]);
  });

  test("every file that was read is recorded", () => {
    const code = ROWS[0]?.[1] ?? "";
    expect(read(code).dependsOn).toEqual([
      "file:conf/base/globals.yml",
      "file:conf/base/parameters.yml",
      "file:conf/base/parameters_more.yml",
      "file:conf/local/parameters.yml",
    ]);
  });
});
