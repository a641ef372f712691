/**
 * Any combination of keys of kubeflow.yaml: the document pleases both judges, is the same twice, and holds no value of
 * a variable that is not listed.
 */
import { describe, expect, test } from "bun:test";
import { array, assert, asyncProperty, constantFrom, integer, option, record } from "fast-check";
import { parse, stringify } from "yaml";
import { checkArgo } from "../judges/argo-check.ts";
import { checkArgoSchema, findSchemas } from "../judges/argo-schema.ts";
import { compileScenario, type Scenario } from "./scenarios.ts";

const schemas = findSchemas();
const KEYS = ["__default__", "fit", "score", "sc*", "big", "on-exit", "data_volume_init", "nowhere"];
const SECRET = "do-not-write-this";

/** A mapping of steps to values. */
function steps<T>(value: import("fast-check").Arbitrary<T>) {
  return option(
    array(record({ key: constantFrom(...KEYS), value }), { maxLength: 4 }).map((list) =>
      Object.fromEntries(list.map((each) => [each.key, each.value])),
    ),
    { nil: undefined },
  );
}

const optional = <T>(value: import("fast-check").Arbitrary<T>) => option(value, { nil: undefined });

const RUN_CONFIG = record({
  image_pull_policy: optional(constantFrom("Always", "Never")),
  description: optional(constantFrom("x", "Größe: {a} \"b\" 'c'\nd")),
  ttl: optional(integer({ min: 0, max: 100_000 })),
  // without a volume the datasets of this project have nowhere to go
  datasets: constantFrom(undefined, "s3://bucket/runs"),
  volume: record({
    size: optional(constantFrom("1Gi", 5, "1.5Ti")),
    storageclass: optional(constantFrom("fast", null)),
    access_modes: optional(constantFrom(["ReadWriteOnce"], ["ReadWriteMany"])),
    skip_init: optional(constantFrom(true, false)),
    owner: constantFrom(undefined, null, 1000),
    keep: optional(constantFrom(true, false)),
  }),
  resources: steps(
    constantFrom({ cpu: 1 }, { memory: "1Gi" }, { "nvidia.com/gpu": 2, cpu: "500m" }, { cpu: null }, {}),
  ),
  retry_policy: steps(constantFrom({ num_retries: 0 }, { num_retries: 3, backoff_duration: "5m", backoff_factor: 2 })),
  tolerations: steps(
    constantFrom(
      [],
      [{ operator: "Exists" }],
      [{ key: "a", operator: "Equal", value: "b", effect: "NoExecute", tolerationSeconds: 5 }],
    ),
  ),
  affinity: steps(
    constantFrom(
      {},
      {
        node_affinity: {
          required_during_scheduling_ignored_during_execution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: "p", operator: "Exists" }] }],
          },
        },
      },
      { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "zone", labelSelector: {} }] } },
    ),
  ),
  extra_volumes: steps(
    constantFrom(
      [],
      [{ mount_path: "/dev/shm", volume: { name: "shared_memory", empty_dir: { medium: "Memory" } } }],
      [{ mount_path: "/etc/s", volume: { name: "s", secret: { secret_name: "s", default_mode: 256 } } }],
    ),
  ),
  store_kedro_outputs_as_kfp_artifacts: optional(constantFrom(true, false)),
  max_cache_staleness: optional(constantFrom("P0D", "P7D", "")),
  on_exit_pipeline: optional(constantFrom("train", "__default__")),
  env: optional(constantFrom([], ["MODE"], [{ name: "PASSWORD", secret: { name: "s", key: "k" } }, "MODE"])),
  service_account: optional(constantFrom("trainer")),
  image_pull_secrets: optional(constantFrom([], ["a", "b"])),
  node_selector: optional(constantFrom({}, { disk: "ssd" })),
});

const CATALOG = `table: {type: pandas.CSVDataset, filepath: data/01/table.csv}
model: {type: pickle.PickleDataset, filepath: data/06/model.pkl}
`;

describe("any combination of keys", () => {
  test("gives a document that the judges take, the same twice", async () => {
    let volumes = 0;
    await assert(
      asyncProperty(RUN_CONFIG, async (run) => {
        const { volume, ...rest } = run;
        const text = stringify({
          run_config: JSON.parse(JSON.stringify({ image: "shop:1", ...rest, volume: { ...volume } })) as unknown,
        });
        const scenario: Scenario = {
          name: "any",
          about: "",
          parts: { conf: { "base/catalog.yml": CATALOG, "base/kubeflow.yaml": text } },
          argv: [],
        };
        const env = { MODE: "x$$y", KEDRO_CONFIG_PASSWORD: SECRET };
        const { status, document, said } = await compileScenario(scenario, env);
        expect({ status, said: status === 0 ? "" : `${said}\n${text}` }).toEqual({ status: 0, said: "" });
        expect((await compileScenario(scenario, env)).document).toBe(document);
        const parsed = parse(document) as unknown;
        expect(checkArgo(parsed, "submit")).toEqual([]);
        if (schemas !== undefined) expect(checkArgoSchema(parsed, schemas, ["3.1.6", "4.0.5"])).toEqual([]);
        expect(document + said).not.toContain(SECRET);
        volumes += document.includes("PersistentVolumeClaim") ? 1 : 0;
      }),
      { seed: 11, numRuns: 150 },
    );
    expect(volumes).toBeGreaterThan(0);
  });
});
