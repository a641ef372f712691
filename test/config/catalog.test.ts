import { describe, expect, test } from "bun:test";
import { fromPlain, type MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";
import { buildCatalog, catalogRules, type Catalog } from "../../src/kedro/catalog.ts";
import cases from "../cases/config/patterns.json";
import { plainOf } from "./tree-text.ts";

function catalogOf(text: string, version = "1.7.0"): Catalog {
  return buildCatalog(parseYaml({ file: "conf/base/catalog.yml", text }) as MapNode, catalogRules(version));
}

describe("dataset factories", () => {
  interface Row {
    readonly catalog: unknown;
    readonly want: Record<string, unknown>;
  }
  for (const [index, { catalog, want }] of (cases.rows as unknown as Row[]).entries()) {
    test(`${index}: ${Object.keys(catalog as object).join("  ")} as Kedro 1.7.0`, () => {
      const build = (): Catalog =>
        buildCatalog(fromPlain(plainOf(catalog), undefined) as MapNode, catalogRules("1.7.0"));
      if (want["err"] === true) {
        expect(build).toThrow(KfkError);
        return;
      }
      const built = build();
      for (const [name, expected] of Object.entries(want)) {
        let got: unknown;
        try {
          const { pattern, type, path } = built.classify(name);
          got = type === null ? null : [pattern ?? "", type, type === "MemoryDataset" ? undefined : path];
        } catch (error) {
          if (!(error instanceof KfkError)) throw error;
          got = { err: true };
        }
        const wanted =
          Array.isArray(expected) && expected[1] === "MemoryDataset" ? [...expected.slice(0, 2), undefined] : expected;
        expect([name, got]).toEqual([name, wanted]);
      }
    });
  }

  test("0.19.0 to 0.19.5: the runner's {default} replaces the project's, and others compete by name", () => {
    const text = (name: string): string =>
      `"{${name}}": {type: pickle.PickleDataset, filepath: "data/{${name}}.pkl"}\n`;
    const place = (name: string, version: string): string => catalogOf(text(name), version).classify("x").place;
    expect([place("default", "0.19.3"), place("any", "0.19.5"), place("name", "0.19.0")]).toEqual([
      "memory",
      "local",
      "memory",
    ]);
    expect([place("default", "0.19.6"), place("any", "1.7.0"), place("name", "0.19.15")]).toEqual([
      "local",
      "local",
      "local",
    ]);
  });
});

describe("classify", () => {
  const rows: { name: string; entry: string; want: readonly [string, string | null] }[] = [
    {
      name: "a relative path",
      entry: "{type: pandas.CSVDataset, filepath: data/x.csv}",
      want: ["local", "data/x.csv"],
    },
    { name: "an absolute path", entry: "{type: T, filepath: /mnt/x}", want: ["absolute", "/mnt/x"] },
    { name: "a Windows path", entry: "{type: T, filepath: 'C:\\x'}", want: ["absolute", "C:\\x"] },
    { name: "a file URL", entry: "{type: T, filepath: 'file:///x'}", want: ["absolute", "file:///x"] },
    { name: "a bucket", entry: "{type: T, filepath: 's3://b/x.csv'}", want: ["remote", "s3://b/x.csv"] },
    { name: "a URL", entry: "{type: T, filepath: 'https://h/x.csv'}", want: ["remote", "https://h/x.csv"] },
    {
      name: "the key path",
      entry: "{type: partitions.PartitionedDataset, path: data/p, dataset: pandas.CSVDataset}",
      want: ["local", "data/p"],
    },
    { name: "a path inside", entry: "{type: T, config: {filename: data/m}}", want: ["local", "data/m"] },
    { name: "paths that are arguments", entry: "{type: T, load_args: {path: data/m}}", want: ["external", null] },
    {
      name: "no path",
      entry: "{type: pandas.SQLTableDataset, table_name: t, credentials: db}",
      want: ["external", null],
    },
    { name: "a memory dataset", entry: "{type: MemoryDataset}", want: ["memory", null] },
    {
      name: "a memory dataset by its full name",
      entry: "{type: kedro.io.MemoryDataset, copy_mode: assign}",
      want: ["memory", null],
    },
    { name: "a shared memory dataset", entry: "{type: SharedMemoryDataset}", want: ["memory", null] },
    { name: "a project's own memory dataset", entry: "{type: pkg.MemoryDataset}", want: ["external", null] },
    {
      name: "a cached dataset by what it holds",
      entry: "{type: CachedDataset, dataset: {type: T, filepath: data/x}}",
      want: ["local", "data/x"],
    },
    { name: "a cached memory dataset", entry: "{type: CachedDataset, dataset: MemoryDataset}", want: ["memory", null] },
    { name: "a versioned dataset", entry: "{type: T, filepath: data/x, versioned: true}", want: ["local", "data/x"] },
  ];
  for (const { name, entry, want } of rows) {
    test(`places ${name}`, () => {
      const { place, path } = catalogOf(`x: ${entry}\n`).classify("x");
      expect([place, path]).toEqual([...want]);
    });
  }

  test("parameters come first, transcoded names are keys of their own, the source is the entry's line", () => {
    const catalog = catalogOf(
      'a: {type: T, filepath: f}\n"b@spark": {type: S, filepath: g}\n"{x}.{y}": {type: U, filepath: h}\n',
    );
    expect(
      ["parameters", "params:a.b", "a", "b", "b@spark", "b@pandas", "n.m"].map((name) => catalog.classify(name).place),
    ).toEqual(["parameter", "parameter", "local", "memory", "local", "memory", "local"]);
    expect(catalog.classify("n.m")).toEqual({
      place: "local",
      type: "U",
      path: "h",
      pattern: "{x}.{y}",
      source: { file: "conf/base/catalog.yml", line: 3 },
    });
  });
});
