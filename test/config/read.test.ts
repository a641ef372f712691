import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readConfiguration, type ConfigurationRequest } from "../../src/config/read.ts";
import { isPlainList, isPlainMap, type Plain, type PlainMap } from "../../src/config/plain.ts";
import { KfkError } from "../../src/error.ts";
import { buildCatalog, catalogRules, type ProjectConfiguration } from "../../src/kedro/catalog.ts";
import cases from "../cases/config/files.json";
import { fakeWorld } from "../fake-world.ts";
import { plainOf } from "./tree-text.ts";

const STANDARD: ConfigurationRequest = {
  confRoot: "/project/conf",
  confShown: "conf",
  baseEnv: "base",
  runEnv: "local",
  isRunEnvNamed: false,
  patterns: new Map(),
  mergeStrategy: new Map(),
  ignoreHidden: true,
  hasLeafDuplicates: true,
  customResolvers: new Map(),
  runtimeParams: new Map(),
};

function read(
  files: Readonly<Record<string, string>>,
  change: Partial<ConfigurationRequest> = {},
  env: Readonly<Record<string, string>> = {},
): ProjectConfiguration {
  const placed = Object.fromEntries(Object.entries(files).map(([path, text]) => [`/project/${path}`, text]));
  const world = fakeWorld({ files: placed });
  return readConfiguration(
    { ...STANDARD, ...change },
    world.files,
    (name) => env[name],
    (tree) => buildCatalog(tree, catalogRules("1.7.0")),
  );
}

function problem(run: () => unknown): KfkError {
  try {
    run();
  } catch (error) {
    if (error instanceof KfkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

interface TreeCase {
  readonly files: Record<string, string>;
  readonly args: {
    readonly base_env?: string;
    readonly default_run_env?: string;
    readonly env?: string;
    readonly config_patterns?: Record<string, string[]>;
    readonly merge_strategy?: Record<string, string>;
    readonly ignore_hidden?: boolean;
    readonly runtime_params?: unknown;
    readonly custom?: boolean;
  };
  readonly want: Record<string, { readonly ok?: unknown; readonly err?: true }>;
}

describe("readConfiguration", () => {
  for (const [index, row] of (cases.rows as unknown as TreeCase[]).entries()) {
    const { args } = row;
    test(`${index}: ${Object.keys(row.files).join(" ")} as Kedro 1.7.0`, () => {
      const request: Partial<ConfigurationRequest> = {
        baseEnv: args.base_env ?? "",
        runEnv: args.env ?? args.default_run_env ?? "",
        isRunEnvNamed: true,
        patterns: new Map(Object.entries(args.config_patterns ?? {})),
        mergeStrategy: new Map(Object.entries(args.merge_strategy ?? {})),
        ignoreHidden: args.ignore_hidden ?? true,
        runtimeParams: plainOf(args.runtime_params ?? {}) as PlainMap,
        customResolvers: args.custom
          ? new Map([
              ["add", { kind: "function", call: (list) => ({ value: (list as bigint[]).reduce((a, b) => a + b) }) }],
              ["up", { kind: "function", call: ([text]) => ({ value: String(text).toUpperCase() }) }],
            ])
          : new Map(),
      };
      let got: ProjectConfiguration | undefined;
      try {
        const all = read(row.files, request);
        if (!all.runParams.some(({ isMissing }) => isMissing)) got = all;
      } catch (error) {
        if (!(error instanceof KfkError)) throw error;
      }
      const wanted = row.want["parameters"];
      if (wanted?.ok !== undefined && row.want["catalog"]?.err === undefined) {
        expect(sorted(got?.parameters.values as Plain)).toEqual(sortedNote(wanted.ok));
      }
      const catalog = row.want["catalog"];
      if (catalog?.ok !== undefined) {
        const names = (catalog.ok as { m: [string, unknown][] }).m.map(([name]) => name);
        expect(got?.catalog.names.toSorted()).toEqual(names.toSorted());
      }
      // Kedro warns about missing parameters and goes on, and stops for a missing catalog; so does this, with a warning
      if (catalog?.err && got)
        expect(got.warnings.map((warning) => warning.hint)[0]).toMatch(/create conf.*catalog.yml/);
      else if (wanted?.err && row.want["catalog"] === undefined && got) expect(got.parameters.values.size).toBe(0);
    });
  }

  test("notes run parameters that are missing, and reads on", () => {
    const text = "a: {type: T}\nb: {type: T, id: '${runtime_params:agent}', x: '${runtime_params:other, 1}'}\n";
    const all = read({ "conf/base/catalog.yml": text });
    expect(all.catalog.names).toEqual(["a", "b"]);
    expect(all.runParams.map(({ key, isMissing, at }) => [key, isMissing, at?.start])).toEqual([
      ["agent", true, 31],
      ["other", false, 61],
    ]);
  });

  test("tells which parameters follow from which", () => {
    const text =
      "base: 1\ny: ${base}\nz: {a: ['${y}'], c: 'x${.b}', b: 2}\nw: ${runtime_params:run.it, 3}\nv: '${oc.select:base, 0} \\${none}'\n";
    const { parameterSources } = read({ "conf/base/catalog.yml": "", "conf/base/parameters.yml": text });
    expect(Object.fromEntries(parameterSources)).toEqual({
      y: ["base"],
      z: ["base", "y"],
      w: ["run"],
      v: ["base", "none"],
    });
  });

  test("a missing default environment counts as empty", () => {
    expect(read({ "conf/base/catalog.yml": "a: {type: T}" }).catalog.names).toEqual(["a"]);
  });

  test("a missing named environment is an error with a suggestion", () => {
    const files = { "conf/base/catalog.yml": "", "conf/prod/x.yml": "" };
    const error = problem(() => read(files, { runEnv: "prd", isRunEnvNamed: true }));
    expect([error.code, error.message, error.hint]).toEqual([
      "CONFIG_ENVIRONMENT",
      'there is no environment "prd": no folder conf/prd',
      'did you mean "prod"? There are: base, prod',
    ]);
  });

  test("the same key in two files of a folder names both places", () => {
    const files = { "conf/base/parameters.yml": "a:\n  b: 1\n", "conf/base/parameters_x.yml": "c: 1\na:\n  b: 2\n" };
    const error = problem(() => read(files));
    expect([
      error.code,
      error.message,
      error.at?.file,
      error.at?.line,
      error.notes[0]?.at?.file,
      error.notes[0]?.at?.line,
    ]).toEqual([
      "CONFIG_DUPLICATE",
      'two parameters files of one folder set the same key: "a.b"',
      "conf/base/parameters_x.yml",
      3,
      "conf/base/parameters.yml",
      2,
    ]);
  });

  test("before Kedro 0.19.9 parameters files may not share a top-level key", () => {
    const files = { "conf/base/parameters.yml": "a: {b: 1}", "conf/base/parameters_x.yml": "a: {c: 1}" };
    expect(read(files).parameters.values).toEqual(plainOf({ a: { b: 1, c: 1 } }) as PlainMap);
    expect(problem(() => read(files, { hasLeafDuplicates: false })).code).toBe("CONFIG_DUPLICATE");
  });

  test("a _key that two files set differently is refused where it is used, and only there", () => {
    const files = { "conf/base/catalog.yml": "_t: A\na: {type: X}", "conf/base/catalog_2.yml": "_t: B\nb: {type: X}" };
    expect(read(files).catalog.names).toEqual(["a", "b"]);
    const used = { ...files, "conf/base/catalog_3.yml": "c: {type: '${_t}'}" };
    const error = problem(() => read(used));
    expect([error.code, error.message]).toEqual([
      "CONFIG_DUPLICATE",
      '"_t" has different values in two files, and Kedro takes one at random',
    ]);
  });

  test("values that depend on Python are left out of the parameters and named", () => {
    const files = { "conf/base/parameters.yml": "a: 1\nb:\n  c: ${today:}\n  d: 2\n", "conf/base/catalog.yml": "" };
    const { parameters } = read(files, {
      customResolvers: new Map([["today", { kind: "opaque", reason: "it reads the clock" }]]),
    });
    expect([...parameters.values.keys()]).toEqual(["a"]);
    expect([...parameters.opaque].map(([key, value]) => [key, value.path, value.at?.line])).toEqual([["b", "b.c", 3]]);
    expect(["parameters", "params:b.d", "params:b.c.x", "params:b.x"].map(parameters.has)).toEqual([
      "yes",
      "yes",
      "unknown",
      "no",
    ]);
    expect([parameters.get("params:b.d"), parameters.get("params:b"), parameters.placeOf(["b", "d"])?.line]).toEqual([
      2n,
      undefined,
      4,
    ]);
  });

  test("answers that the result depends on are recorded", () => {
    const files = {
      "conf/base/catalog.yml": "",
      "conf/base/globals.yml": "",
      "conf/base/kubeflow.yaml": "host: ${oc.env:HOST, h}",
      "conf/base/credentials.yml": "secret: [",
    };
    const configuration = read(files);
    expect(configuration.dependsOn()).toEqual(["file:conf/base/catalog.yml", "file:conf/base/globals.yml"]);
    expect(configuration.kubeflow()?.host).toBe("h");
    expect(configuration.dependsOn()).toContain("env:HOST");
    expect(configuration.credentialFiles.map((file) => file.shown)).toEqual(["conf/base/credentials.yml"]);
  });

  test("a catalog entry that is no mapping is refused with Kedro's way out", () => {
    const error = problem(() => read({ "conf/base/catalog.yml": "x: {type: T}\nfolder: data\n" }));
    expect([error.code, error.message, error.hint, error.at?.line]).toEqual([
      "CONFIG_CATALOG",
      'the catalog entry "folder" is not a mapping',
      'if it is there for interpolation only, call it "_folder"',
      2,
    ]);
  });
});

const MODELS = join(import.meta.dir, "../../../shared/golden/models");

describe.skipIf(!existsSync(MODELS))("the official starter", () => {
  for (const version of ["0.19.9", "0.19.15", "1.0.0", "1.5.0", "1.7.0"]) {
    test(`its catalog and parameters classify as Kedro ${version} sees them`, () => {
      const model = JSON.parse(readFileSync(join(MODELS, `spaceflights-${version}.json`), "utf8")) as {
        catalog: Record<string, { type: string; filepath?: string }>;
        parameters: unknown;
      };
      const { catalog, parameters } = read({
        "conf/base/catalog.yml": JSON.stringify(model.catalog),
        "conf/base/parameters.yml": JSON.stringify(model.parameters),
      });
      for (const [name, entry] of Object.entries(model.catalog)) {
        const { place, type, path } = catalog.classify(name);
        expect([name, place, type, path]).toEqual([name, "local", entry.type, entry.filepath ?? null]);
      }
      expect(parameters.values).toEqual(plainOf(model.parameters) as PlainMap);
      expect(catalog.classify("X_train").place).toBe("memory");
    });
  }
});

/** Order of keys is random in Kedro where several files are merged. */
function sorted(value: Plain): unknown {
  if (isPlainList(value)) return value.map(sorted);
  if (!isPlainMap(value))
    return typeof value === "bigint" ? { i: String(value) } : typeof value === "number" ? { f: value } : value;
  return { m: [...value].map(([key, item]) => [String(key), sorted(item)] as const).toSorted(byKey) };
}

function sortedNote(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedNote);
  if (value === null || typeof value !== "object") return value;
  if ("m" in value) {
    const pairs = (value.m as [string, unknown][]).map(([key, item]) => [String(key), sortedNote(item)] as const);
    return { m: pairs.toSorted(byKey) };
  }
  return "f" in value ? { f: Number(value.f) } : value;
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}

describe("kubeflow.yaml and the environment", () => {
  const kubeflow = (tag: string, env: Readonly<Record<string, string>>): string | null | undefined =>
    read(
      {
        "conf/base/catalog.yml": "{}",
        "conf/local/.gitkeep": "",
        "conf/base/kubeflow.yaml": `run_config: {image: "a:${tag}"}\n`,
      },
      {},
      env,
    ).kubeflow()?.run.image;

  test("KEDRO_CONFIG_NAME is seen as name, as kedro-kubeflow's loader had it, where there is no such variable", () => {
    const tag = "${oc.env:commit_id, dirty}";
    expect(kubeflow(tag, { KEDRO_CONFIG_COMMIT_ID: "abc" })).toBe("a:abc");
    expect(kubeflow(tag, { KEDRO_CONFIG_COMMIT_ID: "abc", commit_id: "own" })).toBe("a:own");
    expect(kubeflow(tag, {})).toBe("a:dirty");
  });

  test("a parameter of a run is refused in its own words", () => {
    const error = problem(() => kubeflow("${runtime_params:tag}", {}));
    expect([error.code, error.message, error.at?.line]).toEqual([
      "CONFIG_KUBEFLOW",
      '"run_config.image" cannot be a parameter of a run: the file is read before any run',
      1,
    ]);
    expect(kubeflow("${runtime_params:tag, v1}", {})).toBe("a:v1");
  });
});
