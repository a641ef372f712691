/**
 * Project and options → the plan of a run, for a cluster or for this machine.
 */
import type { Plain } from "../config/plain.ts";
import { placeOf } from "../config/tree.ts";
import type { KubeflowConfig, KubeflowRun } from "../config/kubeflow.ts";
import { isKfkError, KfkError, suggest, type Warning } from "../error.ts";
import { parameterName } from "../compile/names.ts";
import { buildSteps } from "../steps/build.ts";
import type { MergeMode } from "../steps/merge.ts";
import type { ParameterTag, StepPlan, VolumePlan } from "../steps/step.ts";
import { encodeParameter, encodeTyped, parseTyped } from "../steps/transport.ts";
import { type ReadProject, selectNodes, serverName } from "./read.ts";
import type { Call } from "./verb.ts";

/**
 * A plan for pods. `given`: other defaults of parameters; those of `--param` unless said. `merge`: another grouping.
 *
 * Errors: STEP_IMAGE, CONFIG_KUBEFLOW for keys that are not compiled, and those of `buildSteps`.
 */
export function planForCluster(
  call: Call,
  read: ReadProject,
  given = givenParameters(call, read),
  merge?: MergeMode,
): StepPlan {
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const kubeflow = read.configuration.kubeflow();
  checkRunParams(read);
  const image = call.options.text("image") ?? kubeflow?.run.image ?? null;
  if (image === null || image === "") throw noImage(kubeflow !== undefined);
  if (kubeflow !== undefined) checkSupported(kubeflow);
  const run = kubeflow?.run;
  const projectDir = (run?.projectDir ?? "/home/kedro").replace(/\/+$/, "");
  const volume = planVolume(run);
  const plan = buildSteps(read.model, pipeline, selectNodes(call, read.model, pipeline), {
    name: serverName(read, pipeline),
    description: run?.description ?? null,
    pods: {
      image,
      imagePullPolicy: run?.imagePullPolicy ?? "IfNotPresent",
      ttlSeconds: run?.ttlSeconds ?? 604_800,
      volume,
      serviceAccount: run?.serviceAccount ?? null,
    },
    projectDir,
    shareFiles: false,
    store: volume === null ? null : `${projectDir}/data/.kfk`,
    merge: merge ?? mergeMode(call) ?? run?.merge ?? "none",
    resources: run?.resources ?? new Map(),
    parameters: given,
  });
  return { ...plan, warnings: [...plan.warnings, ...unsentVariables(call, read, run)] };
}

/** A plan for processes on this machine; needs neither kubeflow.yaml nor an image, but groups nodes as that file says. */
export function planForHere(call: Call, read: ReadProject): StepPlan {
  checkRunParams(read);
  const pipeline = call.options.text("pipeline") ?? "__default__";
  const { merge, warnings } = mergeHere(call, read);
  const plan = buildSteps(read.model, pipeline, selectNodes(call, read.model, pipeline), {
    name: read.model.project.name,
    description: null,
    pods: { image: null, imagePullPolicy: "", ttlSeconds: null, volume: null, serviceAccount: null },
    projectDir: read.facts.root,
    shareFiles: true,
    store: read.facts.root,
    merge,
    resources: new Map(),
    parameters: givenParameters(call, read),
  });
  return { ...plan, warnings: [...warnings, ...plan.warnings] };
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

// --- internal ---

/** Kedro resolves all of its configuration before it runs anything, and stops at the first one that is missing. */
function checkRunParams(read: ReadProject): void {
  const [missing] = read.configuration.missingRunParams;
  if (missing === undefined) return;
  throw new KfkError("CONFIG_INTERPOLATION", `the run parameter "${missing.key}" is not given and has no default`, {
    at: placeOf(missing.at),
    hint: `give a default: \${runtime_params:${missing.key}, default}`,
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
function mergeHere(call: Call, read: ReadProject): { merge: MergeMode; warnings: Warning[] } {
  const asked = mergeMode(call);
  if (asked !== undefined) return { merge: asked, warnings: [] };
  try {
    return { merge: read.configuration.kubeflow()?.run.merge ?? "none", warnings: [] };
  } catch (error) {
    if (!isKfkError(error)) throw error;
    const message = `kubeflow.yaml cannot be read here (${error.message}), so every node is a step of its own`;
    return { merge: "none", warnings: [{ message, at: error.at, hint: "use --merge to group nodes" }] };
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

/** Keys that would change what runs and are not compiled yet: refused rather than dropped. */
function checkSupported(kubeflow: KubeflowConfig): void {
  const { run } = kubeflow;
  const asked: [boolean, readonly string[]][] = [
    [kubeflow.target !== "argo", ["target"]],
    [run.retryPolicy.size > 0, ["run_config", "retry_policy"]],
    [run.tolerations.size > 0, ["run_config", "tolerations"]],
    [run.affinity.size > 0, ["run_config", "affinity"]],
    [run.extraVolumes.size > 0, ["run_config", "extra_volumes"]],
    [run.onExitPipeline !== null, ["run_config", "on_exit_pipeline"]],
    [run.env.length > 0, ["run_config", "env"]],
    [run.datasets !== null, ["run_config", "datasets"]],
    [run.imagePullSecrets.length > 0, ["run_config", "image_pull_secrets"]],
    [Object.keys(run.nodeSelector).length > 0, ["run_config", "node_selector"]],
  ];
  for (const [isAsked, path] of asked) {
    if (!isAsked) continue;
    throw new KfkError("CONFIG_KUBEFLOW", `"${path.join(".")}" is not compiled by this version of kfk`, {
      at: kubeflow.placeOf(path),
      hint: "remove it for now; leaving it out in silence could run something else than you asked for",
    });
  }
}

interface Given {
  readonly key: string;
  readonly name: string;
  readonly text: string;
  readonly tag: ParameterTag;
}

/** `--param name=value` (also `name:value`): the parameter that is meant, and how its text is read. */
function readGiven(call: Call, read: ReadProject): Given[] {
  const known = new Map<string, Plain>();
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
