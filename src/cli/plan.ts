/**
 * Project and options → the plan of a run, for a cluster or for this machine.
 */
import type { Plain } from "../config/plain.ts";
import { placeOf } from "../config/tree.ts";
import { warnLost } from "../config/overlay.ts";
import type { KubeflowConfig, KubeflowRun } from "../config/kubeflow.ts";
import { isKfkError, KfkError, type Warning } from "../error.ts";
import { buildSteps, type StepSettings } from "../steps/build.ts";
import { buildEnvironment, warnUncopied } from "../steps/environment.ts";
import type { MergeMode } from "../steps/merge.ts";
import type { PodDefaults, StepPlan, VolumePlan } from "../steps/step.ts";
import { confInImage, confSourceOf } from "./conf-source.ts";
import { encodeGiven, givenParameters, readGiven, rootOf, rootsOf, runOnlyKeys, staysInImage } from "./given.ts";
import { imageHint, imageOf } from "./image.ts";
import { checkInputs, type ReadProject, selectNodes, serverName } from "./read.ts";
import { targetOf } from "./target.ts";
import type { Call } from "./verb.ts";

/**
 * A plan for pods. `given`: other defaults of parameters; those of `--param` unless said. `merge`: another grouping.
 *
 * Errors: STEP_IMAGE, USAGE_VALUE for --image and --conf-source, those of `targetOf`, and those of `buildSteps`.
 */
export function planForCluster(
  call: Call,
  read: ReadProject,
  given = givenParameters(call, read),
  merge?: MergeMode,
): StepPlan {
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const kubeflow = read.configuration.kubeflow();
  checkRunParams(call, read);
  const image = imageOf(call, kubeflow);
  if (image === null || image === "") throw noImage(read);
  const { kfpVersion } = targetOf(call, kubeflow);
  const conf = confSourceOf(call, read.facts.root, read.facts.kedro.version);
  const run = kubeflow?.run;
  const projectDir = (run?.projectDir ?? "/home/kedro").replace(/\/+$/, "");
  const volume = planVolume(run);
  const nodes = selectNodes(call, read.model, pipeline);
  const inputs = checkInputs(read, nodes, new Set(given.keys()));
  const plan = buildSteps(read.model, pipeline, nodes, {
    name: serverName(read, pipeline),
    description: run?.description ?? null,
    pods: {
      image,
      imagePullPolicy: run?.imagePullPolicy ?? "IfNotPresent",
      ttlSeconds: run?.ttlSeconds ?? 604_800,
      volume,
      serviceAccount: run?.serviceAccount ?? null,
      ...(kubeflow === undefined ? {} : planPods(call, kubeflow)),
    },
    projectDir,
    shareFiles: false,
    store: run?.datasets?.replace(/\/+$/, "") ?? (volume === null ? null : `${projectDir}/data/.kfk`),
    merge: merge ?? mergeMode(call) ?? run?.merge ?? "none",
    ...(kubeflow === undefined
      ? {}
      : {
          podSettings: { ...kubeflow.run, placeOf: kubeflow.placeOf },
          keepArtifacts: kubeflow.run.storeOutputsAsArtifacts,
          ...(kubeflow.run.onExitPipeline === null ? {} : { exitPipeline: kubeflow.run.onExitPipeline }),
        }),
    parameters: given,
    follows: followsOf(read),
    asRead: read.asRead,
  });
  checkCarried(plan, given.keys());
  return {
    ...plan,
    ...(conf === undefined ? {} : { shared: { ...plan.shared, conf: confInImage(conf) } }),
    warnings: [
      ...inputs,
      ...plan.warnings,
      ...unsentVariables(call, read, run),
      ...(kubeflow === undefined ? [] : tellKeys(call, read, kubeflow, kfpVersion)),
    ],
  };
}

/** A plan for processes on this machine; needs neither kubeflow.yaml nor an image, but groups nodes as that file says. */
export function planForHere(call: Call, read: ReadProject): StepPlan {
  checkRunParams(call, read);
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const { merge, exitPipeline, warnings } = settingsHere(call, read);
  const nodes = selectNodes(call, read.model, pipeline);
  const given = givenParameters(call, read);
  const inputs = checkInputs(read, nodes, new Set(given.keys()));
  const plan = buildSteps(read.model, pipeline, nodes, {
    name: read.model.project.name,
    description: null,
    pods: { image: null, imagePullPolicy: "", ttlSeconds: null, volume: null, serviceAccount: null },
    projectDir: read.facts.root,
    shareFiles: true,
    store: read.facts.root,
    merge,
    ...(exitPipeline === null ? {} : { exitPipeline }),
    parameters: given,
    follows: followsOf(read),
    asRead: read.asRead,
  });
  checkCarried(plan, given.keys());
  const conf = confSourceOf(call, read.facts.root, read.facts.kedro.version);
  return {
    ...plan,
    ...(conf === undefined ? {} : { shared: { ...plan.shared, conf: conf.path } }),
    warnings: [...warnings, ...inputs, ...plan.warnings],
  };
}

/**
 * Values of `--param` as a run of an uploaded document takes them. Errors: STEP_PARAMETER, also for parameters that
 * the document leaves to the image. `before`: values that parts are put into.
 */
export function runParameters(
  call: Call,
  read: ReadProject,
  plan: StepPlan,
  before: ReadonlyMap<string, Plain> = new Map(),
): { name: string; value: string }[] {
  return readGiven(call, read, before).map((given) => {
    checkCarried(plan, [given.key]);
    return { name: given.name, value: encodeGiven(given, given.value) };
  });
}

/** Texts of `--param` by Kedro key, as they were typed, for names of runs and schedules. Errors: USAGE_VALUE, STEP_PARAMETER for unknown names. */
export function givenTexts(call: Call, read: ReadProject): ReadonlyMap<string, string> {
  return new Map(readGiven(call, read, new Map()).map(({ key, text }) => [key, text]));
}

// --- internal ---

/** Refuses a value that no step would get. Errors: STEP_PARAMETER. */
function checkCarried(plan: StepPlan, keys: Iterable<string>): void {
  for (const key of keys) if (!plan.parameters.some((parameter) => parameter.key === key)) throw staysInImage(key);
}

/** Kedro resolves all of its configuration before it runs anything, and stops at the first one that is missing. */
function checkRunParams(call: Call, read: ReadProject): void {
  const given = new Set(givenParameters(call, read).keys());
  const missing = read.configuration.runParams.find(({ key, isMissing }) => isMissing && !given.has(rootOf(key)));
  if (missing === undefined) return;
  throw new KfkError("CONFIG_INTERPOLATION", `the run parameter "${missing.key}" is not given and has no default`, {
    at: placeOf(missing.at),
    hint: `use --param ${rootOf(missing.key)}=VALUE, or give a default: \${runtime_params:${missing.key}, default}`,
  });
}

/**
 * Variables that conf or pipeline code read here and no pod gets: kedro-kubeflow copied every KEDRO_CONFIG_* into pods,
 * kfk copies what `run_config.env` lists.
 */
function unsentVariables(call: Call, read: ReadProject, run: KubeflowRun | undefined): Warning[] {
  const sent = new Set(run?.env.map(({ name }) => name));
  const names = read.model.dependsOn
    .filter((asked) => asked.startsWith("env:"))
    .map((asked) => asked.slice("env:".length))
    .filter((name) => call.world.env[name] !== undefined && name !== "KEDRO_ENV" && !sent.has(name));
  if (names.length === 0) return [];
  const [noun, verb] = names.length === 1 ? ["variable", "is"] : ["variables", "are"];
  return [
    {
      message: `the environment ${noun} ${names.join(", ")} ${verb} read by conf or pipeline code, and no pod gets ${names.length === 1 ? "it" : "them"}`,
      hint: `write run_config.env: [${names.join(", ")}] in kubeflow.yaml`,
    },
  ];
}

/** `--merge`; its values are checked with the command line. */
function mergeMode(call: Call): MergeMode | undefined {
  return call.options.text("merge") as MergeMode | undefined;
}

/** Keys that hold on this machine too. */
const HERE: readonly string[] = ["run_config.merge", "run_config.node_merge_strategy", "run_config.on_exit_pipeline"];

/** A kubeflow.yaml that only a cluster's surroundings make whole must not stop a run on this machine. */
function settingsHere(
  call: Call,
  read: ReadProject,
): { merge: MergeMode; exitPipeline: string | null; warnings: readonly Warning[] } {
  const asked = mergeMode(call);
  try {
    const run = read.configuration.kubeflow()?.run;
    const lost = read.configuration.kubeflowLost().filter(({ keys }) => keys.some((key) => HERE.includes(key)));
    const exitPipeline = run?.onExitPipeline ?? null;
    return { merge: asked ?? run?.merge ?? "none", exitPipeline, warnings: warnLost(lost) };
  } catch (error) {
    if (!isKfkError(error)) throw error;
    if (asked !== undefined) return { merge: asked, exitPipeline: null, warnings: [] };
    const message = `kubeflow.yaml cannot be read here (${error.message}), so every node is a step of its own`;
    const warning = { message, at: error.at, hint: "use --merge to group nodes" };
    return { merge: "none", exitPipeline: null, warnings: [warning] };
  }
}

function planVolume(run: KubeflowRun | undefined): VolumePlan | null {
  const volume = run?.volume ?? null;
  if (volume === null) return null;
  return {
    storageClass: volume.storageClass,
    size: volume.size,
    accessModes: volume.accessModes,
    init: !volume.skipInit,
    owner: volume.owner,
    keep: volume.keep,
  };
}

/** Settings for every pod. */
function planPods(call: Call, { run, placeOf }: KubeflowConfig): Partial<PodDefaults> {
  const isCaching = run.volume === null && run.maxCacheStaleness !== null;
  return {
    env: buildEnvironment(run.env, (name) => call.world.env[name], placeOf),
    imagePullSecrets: run.imagePullSecrets,
    nodeSelector: run.nodeSelector,
    ...(isCaching && run.maxCacheStaleness !== null ? { maxCacheStaleness: run.maxCacheStaleness } : {}),
  };
}

/** What a person should know of the file's keys. */
function tellKeys(call: Call, read: ReadProject, kubeflow: KubeflowConfig, kfpVersion: string | null): Warning[] {
  const { run, placeOf, warnings } = kubeflow;
  const isUseless =
    run.volume !== null && run.maxCacheStaleness !== null && !/^P(?:T?0[A-Z])+$/.test(run.maxCacheStaleness);
  return [
    ...warnings,
    ...(isUseless
      ? [
          {
            message: "run_config.max_cache_staleness has no effect with a volume: each run has a volume of its own",
            at: placeOf(["run_config", "max_cache_staleness"]),
            hint: "write P0D, or remove it",
          },
        ]
      : []),
    ...tellEphemeral(kubeflow, kfpVersion),
    ...warnUncopied(
      placeOf(["run_config", "env"]) !== undefined,
      // those that conf or code reads are told by `unsentVariables`
      Object.keys(call.world.env).filter((name) => !read.model.dependsOn.includes(`env:${name}`)),
    ),
  ];
}

/** KFP 1.8.0 and older (Argo 3.2) do not know this kind of volume. */
function tellEphemeral({ run, placeOf }: KubeflowConfig, kfpVersion: string | null): Warning[] {
  const [major = 0, minor = 0, patch = 0] = (kfpVersion ?? "").split(".").map(Number);
  if (major > 1 || (major === 1 && (minor > 8 || (minor === 8 && patch > 4)))) return [];
  return [...run.extraVolumes]
    .filter(([, list]) => list.some(({ volume }) => "ephemeral" in volume))
    .map(([step]) => ({
      message: `the ephemeral volume of "${step}" needs a server of KFP 1.8.5 or newer`,
      at: placeOf(["run_config", "extra_volumes", step]),
      hint: 'say which it is: kfp_version: "2.14"',
    }));
}

/** What follows from a parameter that a run changes, as Kedro's `--params` would have it. */
function followsOf(read: ReadProject): NonNullable<StepSettings["follows"]> {
  const { configuration } = read;
  return {
    sources: configuration.parameterSources,
    catalog: rootsOf(configuration.catalogRunParams),
    runOnly: runOnlyKeys(read),
  };
}

function noImage({ configuration }: ReadProject): KfkError {
  return new KfkError("STEP_IMAGE", "no image: steps on a cluster run in a container image that holds the project", {
    hint: imageHint(configuration),
  });
}
