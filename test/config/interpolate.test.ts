import { describe, expect, test } from "bun:test";
import { interpolate } from "../../src/config/interpolate.ts";
import { buildResolvers, type CustomResolver } from "../../src/config/resolvers.ts";
import { fromPlain, toPlain, type MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { KfkError } from "../../src/error.ts";
import cases from "../cases/config/interpolation.json";
import { note, plainOf } from "./tree-text.ts";

interface Setup {
  readonly env?: Readonly<Record<string, string>>;
  readonly hasEnv?: boolean;
  readonly globals?: unknown;
  readonly params?: unknown;
  readonly custom?: ReadonlyMap<string, CustomResolver>;
}

function resolve(text: string, setup: Setup = {}): MapNode {
  const tree = parseYaml({ file: "conf/base/catalog.yml", text }) as MapNode;
  const map = (value: unknown): MapNode => fromPlain(plainOf(value ?? {}), undefined) as MapNode;
  return interpolate(
    tree,
    buildResolvers({
      customResolvers: setup.custom ?? new Map(),
      env: (name) => setup.env?.[name],
      hasEnv: setup.hasEnv ?? false,
      isEnvOpaque: false,
      globals: () => map(setup.globals),
      runtimeParams: map(setup.params),
      onRunParam: ({ key, isMissing }) => {
        if (isMissing) throw new KfkError("CONFIG_INTERPOLATION", `missing ${key}`);
      },
    }),
  ).tree;
}

describe("interpolate", () => {
  const rows = cases.rows as [{ base?: boolean; with: Record<string, unknown> }, { ok?: { m: unknown[] } }][];
  const baseKeys = new Set(Object.keys(JSON.parse(cases.base) as object));
  for (const [input, want] of rows) {
    test(`gives what OmegaConf gives for ${JSON.stringify(input.with)}`, () => {
      const own = JSON.stringify(input.with);
      const text = input.base ? `${cases.base.slice(0, -1)}, ${own.slice(1)}` : own;
      let got: unknown;
      try {
        const noted = note(resolve(text, { env: { KFK_T: "tea" }, hasEnv: true })) as { m: [string, unknown][] };
        got = { ok: { m: input.base ? noted.m.filter(([key]) => !baseKeys.has(key)) : noted.m } };
      } catch (error) {
        if (!(error instanceof KfkError)) throw error;
        got = { err: true };
      }
      expect(got).toEqual(want);
    });
  }

  const values: { name: string; text: string; setup?: Setup; want: unknown }[] = [
    { name: "a global keeps its type", text: "v: ${globals:a.b}", setup: { globals: { a: { b: [1] } } }, want: [1] },
    { name: "a missing global takes the default", text: "v: ${globals:x, 'd'}", want: "d" },
    {
      name: "a run parameter wins over the default",
      text: "v: ${runtime_params:x, 1}/y",
      setup: { params: { x: "q" } },
      want: "q/y",
    },
    {
      name: "a default may be another resolver",
      text: "v: ${runtime_params:x, ${globals:y}}",
      setup: { globals: { y: 2 } },
      want: 2,
    },
    {
      name: "an interpolation inside a global counts from the globals",
      text: "v: ${globals:a}\nb: here",
      setup: { globals: { a: "${b}", b: "there" } },
      want: "there",
    },
    {
      name: "a project's function gets and gives Python's types",
      text: "v: ${add:1,2}",
      setup: {
        custom: new Map([
          ["add", { kind: "function", call: (args) => ({ value: (args[0] as bigint) + (args[1] as bigint) }) }],
        ]),
      },
      want: 3,
    },
    {
      name: "text from the environment is not looked at again",
      text: "v: ${oc.env:A}",
      setup: { env: { A: "${b}" }, hasEnv: true },
      want: "${b}",
    },
    {
      name: "oc.env under the project's own name",
      text: "v: ${env:A}",
      setup: { env: { A: "1" }, custom: new Map([["env", { kind: "builtin", name: "oc.env" }]]) },
      want: "1",
    },
  ];
  for (const { name, text, setup, want } of values) {
    test(name, () => {
      const value = resolve(text, setup).entries.get("v");
      expect(value && toPlain(value)).toEqual(plainOf(want));
    });
  }

  test("an opaque part makes the whole text opaque, and nothing else", () => {
    const custom = new Map<string, CustomResolver>([["today", { kind: "opaque", reason: "it reads the clock" }]]);
    const tree = resolve("a: data/${today:}/x\nb: ${a}\nc: 1\nd: [1, '${b}']", { custom });
    const reason = "${today:…}: it reads the clock";
    expect(note(tree)).toEqual({
      m: [
        ["a", { opaque: reason }],
        ["b", { opaque: reason }],
        ["c", { i: "1" }],
        ["d", [{ i: "1" }, { opaque: reason }]],
      ],
    });
  });

  const errors: { name: string; text: string; setup?: Setup; want: readonly (string | number | undefined)[] }[] = [
    {
      name: "an unknown key",
      text: "folder: x\na: data/${foldr}/y\n",
      want: [
        "CONFIG_INTERPOLATION",
        '"foldr" is not a key that this file or another one of the same type in the same folder has',
        'did you mean "folder"?',
        2,
        9,
        8,
      ],
    },
    {
      name: "an unknown nested key",
      text: "a:\n  bucket: x\nb: ${a.buckett}\n",
      want: [
        "CONFIG_INTERPOLATION",
        '"a.buckett" is not a key that this file or another one of the same type in the same folder has',
        'did you mean "a.bucket"?',
        3,
        4,
        12,
      ],
    },
    {
      name: "oc.env where Kedro takes it away",
      text: "a: ${oc.env:HOME}\n",
      want: [
        "CONFIG_RESOLVER",
        'there is no resolver "oc.env" here',
        "Kedro allows oc.env in credentials only; register it under custom_resolvers in settings.py",
        1,
        4,
        14,
      ],
    },
    {
      name: "an unknown resolver",
      text: "a: ${global:x}\n",
      want: [
        "CONFIG_RESOLVER",
        'there is no resolver "global" here',
        'did you mean "globals"? Known here: globals, oc.create, oc.decode, oc.deprecated, oc.dict.keys, oc.dict.values, oc.select, runtime_params',
        1,
        4,
        11,
      ],
    },
    {
      name: "a circle",
      text: "a: ${b.c}\nb:\n  c: x${d}\nd: ${a}\n",
      want: [
        "CONFIG_CYCLE",
        "values refer to each other in a circle: a → b.c → d → a",
        "give one of them a value of its own",
        1,
        4,
        2,
      ],
    },
    {
      name: "a mapping inside itself",
      text: "a:\n  b: ${a}\n",
      want: ["CONFIG_CYCLE", '"a.b" refers to a mapping or list that it is part of', undefined, 2, 6, 4],
    },
    {
      name: "two mappings that contain each other",
      text: "a: {x: '${b}'}\nb: {y: '${a}'}\n",
      want: ["CONFIG_CYCLE", '"b.y" contains itself', undefined, 2, 8, 6],
    },
    {
      name: "broken form",
      text: "a: x/${b\n",
      want: [
        "CONFIG_INTERPOLATION",
        '"${b" is not a legal interpolation: it is not closed',
        "write \\${ if this is meant as text",
        1,
        6,
        2,
      ],
    },
    {
      name: "a global that is not there",
      text: "a: 1\nb: ${a}${globals:x.y}\n",
      want: [
        "CONFIG_INTERPOLATION",
        'globals have no "x.y"',
        "set it in globals.yml, or give a default: ${globals:x.y, default}",
        2,
        8,
        14,
      ],
    },
    {
      name: "a variable that is not set",
      text: "a: ${oc.env:NOPE}\n",
      setup: { hasEnv: true },
      want: [
        "CONFIG_INTERPOLATION",
        "the environment variable NOPE is not set",
        "set it, or give a default: ${oc.env:NOPE,default}",
        1,
        4,
        14,
      ],
    },
  ];
  for (const { name, text, setup, want } of errors) {
    test(`refuses ${name}`, () => {
      let error: unknown;
      try {
        resolve(text, setup);
      } catch (thrown) {
        error = thrown;
      }
      const { code, message, hint, at } = error as KfkError;
      expect([code, message, hint, at?.line, at?.column, at?.length]).toEqual([...want]);
    });
  }
});
