/**
 * Every key of kedro-kubeflow 0.3.0 to 0.11.0 with its default. `predecessor.json` was made by the released packages:
 * the keys of their classes, the values of the file that their `init` writes, and what their classes read from it and
 * from a file with nothing but the required keys.
 */
import { describe, expect, test } from "bun:test";
import { KUBEFLOW_WORDS } from "../../schemas/kubeflow-words.ts";
import { buildKubeflow, type KubeflowConfig } from "../../src/config/kubeflow.ts";
import { fromPlain, type MapNode } from "../../src/config/tree.ts";
import cases from "../cases/config/predecessor.json";
import { plainOf } from "./tree-text.ts";

interface Version {
  readonly top: readonly string[];
  readonly run: readonly string[];
  readonly nested: Readonly<Record<string, readonly string[]>>;
  readonly sample: unknown;
  readonly sampleRead: Readonly<Record<string, unknown>>;
  readonly minimalRead: Readonly<Record<string, unknown>>;
}

const VERSIONS = Object.entries(cases as unknown as Readonly<Record<string, Version>>);
const MINIMAL = { host: "http://h", run_config: { image: "i:1", experiment_name: "e", run_name: "r", volume: {} } };
/** Before 0.5 a step without resources asked for nothing (docs/migration.md, `default-resources`). */
const WITHOUT_DEFAULT_RESOURCES = /^0\.[34]\./;
/** Taken and without effect, as in the predecessor's last versions. */
const WITHOUT_EFFECT = ["root", "vertex_ai_networking"];

const build = (value: unknown): KubeflowConfig => buildKubeflow(fromPlain(plainOf(value), undefined) as MapNode);

/** What kfk understood, in the predecessor's words. */
function understood({ run }: KubeflowConfig): Record<string, unknown> {
  return {
    image: run.image,
    image_pull_policy: run.imagePullPolicy,
    experiment_name: run.experimentName,
    run_name: run.runName,
    scheduled_run_name: run.scheduledRunName,
    description: run.description,
    wait_for_completion: run.waitForCompletion,
    ttl: run.ttlSeconds,
    volume: run.volume && {
      storageclass: run.volume.storageClass,
      size: run.volume.size,
      access_modes: run.volume.accessModes,
      skip_init: run.volume.skipInit,
      owner: run.volume.owner,
      keep: run.volume.keep,
    },
    resources: Object.fromEntries(run.resources),
    retry_policy: Object.fromEntries(
      [...run.retryPolicy].map(([step, each]) => [
        step,
        { num_retries: each.retries, backoff_duration: each.backoffDuration, backoff_factor: each.backoffFactor },
      ]),
    ),
    tolerations: Object.fromEntries(run.tolerations),
    affinity: Object.fromEntries(run.affinity),
    extra_volumes: Object.fromEntries(
      [...run.extraVolumes].map(([step, list]) => [
        step,
        list.map(({ mountPath, volume }) => [mountPath, volume["name"]]),
      ]),
    ),
    max_cache_staleness: run.maxCacheStaleness,
    store_kedro_outputs_as_kfp_artifacts: run.storeOutputsAsArtifacts,
    node_merge_strategy: run.merge,
    on_exit_pipeline: run.onExitPipeline,
  };
}

/** The same of the real classes: amounts are text, and a device that a version dropped is there. */
function meant(read: Readonly<Record<string, unknown>>, version: string, sample: unknown): Record<string, unknown> {
  const resources = read["resources"] as Record<string, Record<string, unknown>>;
  const written = (sample as { run_config: { resources?: Record<string, Record<string, unknown>> } }).run_config
    .resources;
  const volumes = (read["extra_volumes"] ?? {}) as Record<string, { mount_path: string; volume: { name: string } }[]>;
  const amounts = Object.entries({ ...resources, ...written }).map(([step, each]) => [
    step,
    Object.fromEntries(
      Object.entries(each)
        .filter(([, amount]) => amount !== null)
        .map(([key, amount]) => [key, String(amount)]),
    ),
  ]);
  const hasNoDefault = !Object.hasOwn({ ...resources, ...written }, "__default__");
  if (hasNoDefault)
    expect([version, WITHOUT_DEFAULT_RESOURCES.test(version) || /^0\.[5-7]/.test(version)]).toEqual([version, true]);
  return {
    ...read,
    ...("extra_volumes" in read
      ? {
          extra_volumes: Object.fromEntries(
            Object.entries(volumes).map(([step, list]) => [
              step,
              list.map((each) => [each.mount_path, each.volume.name]),
            ]),
          ),
        }
      : {}),
    ...("max_cache_staleness" in read && read["max_cache_staleness"] === "None" ? { max_cache_staleness: null } : {}),
    resources: {
      ...(hasNoDefault ? { __default__: { cpu: "500m", memory: "1024Mi" } } : {}),
      ...Object.fromEntries(amounts),
    },
  };
}

describe("kedro-kubeflow", () => {
  for (const [version, { top, run, nested, sample, sampleRead, minimalRead }] of VERSIONS) {
    describe(version, () => {
      test("has no key that kfk does not know", () => {
        const known = new Set(Object.keys(KUBEFLOW_WORDS));
        const unknown = [
          ...top.filter((key) => !known.has(key) && !["project_id", "region"].includes(key)),
          ...run.filter((key) => !known.has(`run_config.${key}`) && !WITHOUT_EFFECT.includes(key)),
          ...(nested["VolumeConfig"] ?? []).filter((key) => !known.has(`run_config.volume.${key}`)),
          ...(nested["RetryPolicyConfig"] ?? []).filter((key) => !known.has(`run_config.retry_policy.*.${key}`)),
        ];
        expect(unknown).toEqual([]);
      });

      test.each([
        ["the file of init", sample, sampleRead],
        ["the required keys alone", MINIMAL, minimalRead],
      ])("%s means the same", (_, file, read) => {
        const config = build(file);
        const keys = run.filter((key) => !WITHOUT_EFFECT.includes(key));
        const ours = understood(config);
        const theirs = meant(read, version, file);
        expect(Object.fromEntries(keys.map((key) => [key, ours[key]]))).toEqual(
          Object.fromEntries(keys.map((key) => [key, theirs[key] ?? null])),
        );
        expect(config.warnings.filter(({ message }) => !message.includes("Vertex AI"))).toEqual([]);
      });
    });
  }

  test("is here in every form it had", () => {
    const keys = VERSIONS.flatMap(([, { top, run, nested }]) => [
      ...top,
      ...run.map((key) => `run_config.${key}`),
      ...Object.entries(nested).flatMap(([form, inside]) => inside.map((key) => `${form}.${key}`)),
    ]);
    expect([VERSIONS.length, new Set(keys).size]).toEqual([12, 39]);
  });
});
