/** Wherever a schema wants a mapping, a list, text or nothing is refused: every place of every schema is tried. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import * as google from "../../schemas/google.ts";
import * as hooks from "../../schemas/hooks.ts";
import * as kfpApi from "../../schemas/kfp-api.ts";
import * as kfpSchedules from "../../schemas/kfp-schedules.ts";
import * as kubeconfig from "../../schemas/kubeconfig.ts";
import * as kubeflow from "../../schemas/kubeflow.ts";
import { record } from "../../schemas/mapping.ts";
import * as userConfig from "../../schemas/user-config.ts";
import { buildKubeflow } from "../../src/config/kubeflow.ts";
import type { MapNode } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import type { KfkError } from "../../src/error.ts";

interface Form extends v.GenericSchema {
  readonly entries?: Readonly<Record<string, Form>>;
  readonly item?: Form;
  readonly value?: Form;
  readonly wrapped?: Form;
  readonly options?: readonly Form[];
  readonly pipe?: readonly Form[];
}

interface MappingPlace {
  readonly path: readonly string[];
  readonly form: Form;
  readonly mayBeNull: boolean;
  /** Something else than a mapping may stand here, or above. */
  readonly isChoice: boolean;
}

const MAPPINGS = ["strict_object", "loose_object", "object", "record"];

/** `*` is a key that the user chooses, `0` an item of a list. */
function placesOf(
  form: Form,
  path: readonly string[] = [],
  how: Pick<MappingPlace, "mayBeNull" | "isChoice"> = { mayBeNull: false, isChoice: false },
): MappingPlace[] {
  const inner = { mayBeNull: false, isChoice: how.isChoice };
  const below: MappingPlace[] = [
    ...Object.entries(form.entries ?? {}).flatMap(([key, child]) => placesOf(child, [...path, key], inner)),
    ...(MAPPINGS.includes(form.type) && form.value ? placesOf(form.value, [...path, "*"], inner) : []),
    ...(form.item ? placesOf(form.item, [...path, "0"], inner) : []),
    ...(form.wrapped
      ? placesOf(form.wrapped, path, { ...how, mayBeNull: how.mayBeNull || form.type.startsWith("null") })
      : []),
    ...(/^(?:union|variant)$/.test(form.type) ? (form.options ?? []) : []).flatMap((option) =>
      placesOf(option, path, { ...how, isChoice: true }),
    ),
    ...(form.pipe ?? []).slice(1).flatMap((next) => (next.kind === "schema" ? placesOf(next, path, how) : [])),
  ];
  return MAPPINGS.includes(form.type) ? [{ path, form, ...how }, ...below] : below;
}

const all = Object.entries({ google, hooks, kfpApi, kfpSchedules, kubeconfig, kubeflow, userConfig }).flatMap(
  ([file, module]) =>
    Object.entries(module as Record<string, unknown>)
      .filter((entry): entry is [string, Form] => (entry[1] as Partial<Form>)?.kind === "schema")
      .map(([name, schema]) => ({ name: `${file}.${name}`, places: placesOf(schema) })),
);

describe("mappings of all schemas", () => {
  for (const { name, places } of all) {
    test(name, () => {
      const taken = places.flatMap(({ path, form }) =>
        [[], [1n], "text", "", 1n, 1.5, true, null, undefined]
          .filter((value) => v.is(form, value))
          .map((value) => [path.join("."), value]),
      );
      expect(taken).toEqual([]);
    });
  }

  test("the walk sees them", () => {
    expect(all.length).toBeGreaterThan(30);
    expect(all.flatMap(({ places }) => places).length).toBeGreaterThan(150);
  });
});

describe("record", () => {
  const numbers = record(v.string(), v.number("a number"), "a mapping");
  const odd = JSON.parse('{"a": 1, "constructor": 2, "prototype": 3, "__proto__": 4}') as unknown;

  test("keeps keys that JavaScript knows", () => {
    expect(Object.entries(v.parse(numbers, odd)).toSorted()).toEqual([
      ["__proto__", 4],
      ["a", 1],
      ["constructor", 2],
      ["prototype", 3],
    ]);
  });

  test("checks them too", () => {
    const { issues, success } = v.safeParse(numbers, JSON.parse('{"a": "x", "constructor": "y", "__proto__": "z"}'));
    expect([success, issues?.map(({ path, message }) => [path?.[0]?.key, message])]).toEqual([
      false,
      [
        ["a", "a number"],
        ["__proto__", "a number"],
        ["constructor", "a number"],
      ],
    ]);
  });
});

describe("mappings of kubeflow.yaml", () => {
  const places = placesOf(kubeflow.kubeflowSchema as unknown as Form).filter(
    ({ path, isChoice }) => path.length > 0 && !isChoice,
  );

  /** Problems of a file that has nothing but `value` at the place, as `line:column+length message`. */
  function problems(path: readonly string[], value: string): string[] {
    return problemsOf(
      path.reduceRight((text, key) => (key === "0" ? `[${text}]` : `{${keyOf(key)}: ${text}}`), value),
    );
  }

  function problemsOf(text: string): string[] {
    try {
      buildKubeflow(parseYaml({ file: "conf/base/kubeflow.yaml", text: `${text}\n` }) as MapNode);
    } catch (error) {
      const { message, at, notes } = error as KfkError;
      return [{ message, at }, ...notes].map(
        (each) => `${each.at?.line}:${each.at?.column}+${each.at?.length} ${each.message}`,
      );
    }
    return [];
  }

  const keyOf = (key: string): string => (key === "*" ? "fit" : key);

  test.each(places.map(({ path, mayBeNull }) => [path.join("."), path, mayBeNull] as const))(
    "%s",
    (_, path, mayBeNull) => {
      const shown = path.map(keyOf).join(".");
      const column = path.reduce((sum, key) => sum + (key === "0" ? 1 : keyOf(key).length + 3), 1);
      for (const [value, word] of [
        ["[]", "a list"],
        ["12", "12"],
        ["x y", '"x y"'],
      ] as const) {
        const told = problems(path, value).filter((each) => each.includes(`"${shown}" must be`));
        expect(told).toEqual([expect.stringMatching(/^1:\d+\+\d+ /)]);
        expect(told[0]).toStartWith(`1:${column}+${value.length} "${shown}" must be a mapping`);
        expect(told[0]).toEndWith(`, and it is ${word}`);
      }
      const ofNull = problems(path, "null").filter((each) => each.includes(`"${shown}" must be`));
      expect(ofNull.length).toBe(mayBeNull ? 0 : 1);
    },
  );

  test.each([
    ["env", "{run_config: {env: [[]]}}", '1:21+2 "run_config.env.0" must be a name, {name, value} or {name, secret: {name, key}}, and it is a list'],
    ["a secret of env", "{run_config: {env: [{name: A, secret: []}]}}", '1:21+21 "run_config.env.0" must be a name, {name, value} or {name, secret: {name, key}}, and it is a mapping'],
    ["auth", "{auth: [[]]}", '1:8+4 "auth" must be the name of a way to log in, a list or a mapping, and it is a list'],
  ])("a choice: %s", (_, text, want) => expect(problemsOf(text)).toEqual([want]));

  test("there are many", () => expect(places.length).toBeGreaterThan(50));
});
