/**
 * Project and options → the plan of a run, for a cluster or for this machine.
 */
import type { Plain } from "../config/plain.ts";
import { placeOf } from "../config/tree.ts";
import type { KubeflowConfig, KubeflowRun } from "../config/kubeflow.ts";
import type { RunParam } from "../config/resolvers.ts";
import { isKfkError, KfkError, suggest, type Warning } from "../error.ts";
import { parameterName } from "../compile/names.ts";
import { buildSteps, type StepSettings } from "../steps/build.ts";
import { buildEnvironment, warnUncopied } from "../steps/environment.ts";
import type { MergeMode } from "../steps/merge.ts";
import type { ParameterTag, PodDefaults, StepPlan, VolumePlan } from "../steps/step.ts";
import { encodeParameter, encodeTyped, parseTyped } from "../steps/transport.ts";
import { imageOf } from "./image.ts";
import { checkInputs, type ReadProject, selectNodes, serverName } from "./read.ts";
import type { Call } from "./verb.ts";

/**
 * A plan for pods. `given`: other defaults of parameters; those of `--param` unless said. `merge`: another grouping.
 *
 * Errors: STEP_IMAGE, USAGE_VALUE for --image, CONFIG_KUBEFLOW for keys that are not compiled, and those of `buildSteps`.
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
  if (image === null || image === "") throw noImage(kubeflow !== undefined);
  if (kubeflow !== undefined) checkSupported(kubeflow);
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
  return {
    ...plan,
    warnings: [
      ...inputs,
      ...plan.warnings,
      ...unsentVariables(call, read, run),
      ...(kubeflow === undefined ? [] : tellKeys(call, read, kubeflow)),
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
  return { ...plan, warnings: [...warnings, ...inputs, ...plan.warnings] };
}

/**
 * Values of `--param` as a run of an uploaded document takes them. Errors: STEP_PARAMETER, also for parameters that
 * the document leaves to the image.
 */
export function runParameters(call: Call, read: ReadProject, plan: StepPlan): { name: string; value: string }[] {
  return readGiven(call, read).map(({ key, name, text, tag }) => {
    if (plan.parameters.some((parameter) => parameter.key === key))
      return { name, value: encodeTyped(name, text, tag) };
    throw new KfkError("STEP_PARAMETER", `parameter "${key}" stays in the image's conf, so a run cannot change it`, {
      hint: "change it in conf and build the image again",
    });
  });
}

/** Texts of `--param` by Kedro key, as they were typed. Errors: USAGE_VALUE, STEP_PARAMETER for unknown names. */
export function givenTexts(call: Call, read: ReadProject): ReadonlyMap<string, string> {
  return new Map(readGiven(call, read).map(({ key, text }) => [key, text]));
}

// --- internal ---

/** Kedro resolves all of its configuration before it runs anything, and stops at the first one that is missing. */
function checkRunParams(call: Call, read: ReadProject): void {
  const given = new Set(readGiven(call, read).map(({ key }) => key));
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

/** A kubeflow.yaml that only a cluster's surroundings make whole must not stop a run on this machine. */
function settingsHere(
  call: Call,
  read: ReadProject,
): { merge: MergeMode; exitPipeline: string | null; warnings: Warning[] } {
  const asked = mergeMode(call);
  try {
    const run = read.configuration.kubeflow()?.run;
    return { merge: asked ?? run?.merge ?? "none", exitPipeline: run?.onExitPipeline ?? null, warnings: [] };
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
function tellKeys(call: Call, read: ReadProject, kubeflow: KubeflowConfig): Warning[] {
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
    ...tellEphemeral(kubeflow),
    ...warnUncopied(
      placeOf(["run_config", "env"]) !== undefined,
      // those that conf or code reads are told by `unsentVariables`
      Object.keys(call.world.env).filter((name) => !read.model.dependsOn.includes(`env:${name}`)),
    ),
  ];
}

/** KFP 1.8.0 and older (Argo 3.2) do not know this kind of volume. */
function tellEphemeral({ run, kfpVersion, placeOf }: KubeflowConfig): Warning[] {
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

/** Keys that would change what runs and are not compiled yet: refused rather than dropped. */
function checkSupported(kubeflow: KubeflowConfig): void {
  const asked: [boolean, readonly string[]][] = [[kubeflow.target !== "argo", ["target"]]];
  for (const [isAsked, path] of asked) {
    if (!isAsked) continue;
    throw new KfkError("CONFIG_KUBEFLOW", `"${path.join(".")}" is not compiled by this version of kfk`, {
      at: kubeflow.placeOf(path),
      hint: "remove it for now; leaving it out in silence could run something else than you asked for",
    });
  }
}

/** What follows from a parameter that a run changes, as Kedro's `--params` would have it. */
function followsOf({ configuration, model }: ReadProject): NonNullable<StepSettings["follows"]> {
  const roots = (asked: readonly RunParam[]): string[] => [...new Set(asked.map(({ key }) => rootOf(key)))];
  return {
    sources: configuration.parameterSources,
    catalog: roots(configuration.catalogRunParams),
    runOnly: roots(configuration.runParams).filter((key) => !model.parameters.has(key)),
  };
}

function rootOf(key: string): string {
  return key.split(/[.[]/, 1)[0] as string;
}

interface Given {
  readonly key: string;
  readonly name: string;
  readonly text: string;
  readonly tag: ParameterTag;
}

/** `--param name=value` (also `name:value`): the parameter that is meant, and how its text is read. */
function readGiven(call: Call, read: ReadProject): Given[] {
  const known = new Map<string, Plain>(followsOf(read).runOnly.map((key) => [key, null]));
  for (const [key, value] of read.model.parameters) if (typeof key === "string") known.set(key, value);
  return call.options.list("param").map((typed) => {
    const match = /^([^=:]+)[=:]([\s\S]*)$/.exec(typed);
    if (match?.[1] === undefined) {
      throw new KfkError("USAGE_VALUE", `--param wants NAME=VALUE, and this is "${typed}"`, {
        hint: "for example --param test_size=0.3",
      });
    }
    const name = match[1].trim();
    const key = known.has(name) ? name : [...known.keys()].find((candidate) => parameterName(candidate) === name);
    if (key === undefined) throw unknownParameter(name, [...known.keys()]);
    const { tag } = encodeParameter(known.get(key) as Plain);
    return { key, name: parameterName(key), text: match[2] ?? "", tag };
  });
}

/** Values of `--param` by Kedro key, typed as the defaults are. */
function givenParameters(call: Call, read: ReadProject): Map<string, Plain> {
  return new Map(readGiven(call, read).map(({ key, name, text, tag }) => [key, parseTyped(name, text, tag)]));
}

function unknownParameter(name: string, known: readonly string[]): KfkError {
  const near = suggest(name, known);
  return new KfkError("STEP_PARAMETER", `the project has no parameter "${name}"`, {
    hint: near ? `did you mean ${near}?` : `it has ${known.join(", ") || "none"}; give whole top-level values`,
  });
}

function noImage(hasFile: boolean): KfkError {
  return new KfkError("STEP_IMAGE", "no image: steps on a cluster run in a container image that holds the project", {
    hint: hasFile
      ? "set run_config.image in conf/base/kubeflow.yaml, or use --image NAME:TAG"
      : "write conf/base/kubeflow.yaml with run_config.image, or use --image NAME:TAG",
  });
}
