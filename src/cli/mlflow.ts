/**
 * Project and kubeflow.yaml → the steps of MLflow around a run, and what a person should know of its settings.
 *
 * On when a file of the project asks for kedro-mlflow, or `mlflow.mode` says so; `kfp` leaves it to the server's own
 * plugin. Off where kedro-mlflow itself would not track: its hooks are turned off in settings.py, or mlflow.yml excludes
 * the pipeline. mlflow.yml is read as Kedro's loader reads it, in both layouts (since kedro-mlflow 0.8: `server` and
 * `tracking`). Rules: reference/auth-mlflow.md B2 (which run kedro-mlflow takes), B5.
 */
import type { ExtraStep, Plan } from "../../hooks/contract.ts";
import { mlflow } from "../../hooks/mlflow.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { type ConfigNode, type MapNode, placeOf } from "../config/tree.ts";
import { isKfkError, type Warning } from "../error.ts";
import { findRequirement } from "../project/requirements.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** The steps for one plan; none where MLflow is off. Tells on stderr what would not work. */
export function mlflowSteps(call: Call, read: ReadProject, plan: Plan): readonly ExtraStep[] {
  const kubeflow = readKubeflow(read);
  const mode = kubeflow?.mlflowMode ?? (isDeclared(call, read) ? "kedro" : "off");
  if (mode !== "kedro" || read.disabledPlugins.includes(PACKAGE)) return [];
  const file = readFile(call, read);
  if (file !== undefined && isExcluded(file.tree, plan.pipeline)) return [];
  call.warn(checkFile(file, kubeflow, plan.pods.image === null));
  const { extraSteps } = mlflow({ iapClientId: kubeflow?.mlflowIapClientId ?? null });
  return extraSteps(plan, { runEnv: read.model.project.env });
}

// --- internal ---

const PACKAGE = "kedro-mlflow";

/** A kubeflow.yaml that only a cluster's surroundings make whole must not stop a run on this machine. */
function readKubeflow(read: ReadProject): KubeflowConfig | undefined {
  try {
    return read.configuration.kubeflow();
  } catch (error) {
    if (isKfkError(error)) return undefined;
    throw error;
  }
}

function isDeclared({ world }: Call, { facts }: ReadProject): boolean {
  return findRequirement(world, facts.root, PACKAGE) !== null;
}

/** mlflow.yml for the run environment; undefined: there is none. `isRead` is false where Kedro would stop at it. */
type MlflowFile = { readonly tree: MapNode; readonly isRead: boolean } | undefined;

function readFile(call: Call, read: ReadProject): MlflowFile {
  try {
    const found = read.configuration.mlflow();
    return found === undefined ? undefined : { tree: found.tree, isRead: true };
  } catch (error) {
    if (!isKfkError(error)) throw error;
    const message = `mlflow.yml cannot be read, and kedro-mlflow may well stop at it: ${error.message}`;
    call.warn([{ message, at: error.at, ...(error.hint === undefined ? {} : { hint: error.hint }) }]);
    return { tree: { kind: "map", entries: new Map(), at: undefined }, isRead: false };
  }
}

/**
 * kedro-mlflow leaves out a pipeline by the name that it is run with. Whether `__default__` is one, when nobody names it,
 * depends on its version: the start step finds out.
 */
function isExcluded(tree: MapNode, pipeline: string): boolean {
  if (pipeline === "__default__") return false;
  const list = find(tree, "tracking", "disable_tracking", "pipelines") ?? find(tree, "disable_tracking", "pipelines");
  if (list?.kind !== "list") return false;
  return list.items.some((item) => item.kind === "scalar" && item.value === pipeline);
}

/** What mlflow.yml says that a pod cannot follow. Nothing is said of what only Python knows. */
function checkFile(file: MlflowFile, kubeflow: KubeflowConfig | undefined, isHere: boolean): Warning[] {
  const warnings: Warning[] = [];
  const tree = file?.tree;
  const id = tree && (find(tree, "tracking", "run", "id") ?? find(tree, "run", "id"));
  if (id?.kind === "scalar" && typeof id.value === "string") {
    warnings.push({
      message: `mlflow.yml fixes the MLflow run ("${id.value}"), so every run of the pipeline writes into that one`,
      at: placeOf(id.at),
      hint: "remove the id: each run gets an MLflow run of its own",
    });
  }
  // a folder of the project is the same one for every step on this machine
  if (isHere || file?.isRead === false) return warnings;
  const uri = tree && (find(tree, "server", "mlflow_tracking_uri") ?? find(tree, "mlflow_tracking_uri"));
  const isSent = kubeflow?.run.env.some(({ name }) => name === "MLFLOW_TRACKING_URI") ?? false;
  if (uri === undefined || (uri.kind === "scalar" && uri.value === null)) {
    if (isSent) return warnings;
    const what = tree === undefined ? "the project has no mlflow.yml" : "mlflow.yml names no tracking server";
    warnings.push({
      message: `${what}, so each pod would keep its runs in a folder of its own and not find the one of the start step`,
      at: placeOf(uri?.at ?? tree?.at),
      hint: "set server.mlflow_tracking_uri, or send MLFLOW_TRACKING_URI with run_config.env; mlflow: {mode: off} leaves MLflow out",
    });
  } else if (uri.kind === "scalar" && typeof uri.value === "string" && isLocal(uri.value)) {
    warnings.push({
      message: `the tracking URI "${uri.value}" is a path on one machine: pods do not share it, and steps would not find the run`,
      at: placeOf(uri.at),
      hint: "set server.mlflow_tracking_uri to the address of a server",
    });
  } else if (uri.kind === "scalar" && typeof uri.value === "string" && isLoopback(uri.value)) {
    warnings.push({
      message:
        "the tracking URI is an address of this machine alone: in a pod it is the pod itself, which has no MLflow",
      at: placeOf(uri.at),
      hint: "set server.mlflow_tracking_uri to an address that pods reach",
    });
  }
  return warnings;
}

function find(tree: MapNode, ...path: readonly string[]): ConfigNode | undefined {
  let node: ConfigNode | undefined = tree;
  for (const key of path) node = node?.kind === "map" ? node.entries.get(key) : undefined;
  return node;
}

function isLocal(uri: string): boolean {
  if (uri.includes("${") || uri === "databricks" || uri === "databricks-uc") return false;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
  return scheme === undefined || scheme === "file" || scheme.startsWith("sqlite");
}

function isLoopback(uri: string): boolean {
  const host = /^https?:\/\/(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)/i.exec(uri)?.[1]?.toLowerCase() ?? "";
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}
