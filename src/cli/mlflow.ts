/**
 * Project and kubeflow.yaml → the steps of MLflow around a run, and what a person should know of its settings.
 *
 * On when a file of the project asks for kedro-mlflow, or `mlflow.mode` says so; `kfp` leaves it to the server's own
 * plugin. Rules: reference/auth-mlflow.md B2 (which run kedro-mlflow takes), B5.
 */
import { join } from "node:path";
import { parse } from "yaml";
import type { ExtraStep, Plan } from "../../hooks/contract.ts";
import { mlflow } from "../../hooks/mlflow.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, type Warning } from "../error.ts";
import { findRequirement } from "../project/requirements.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** The steps for one plan; none where MLflow is off. Tells on stderr what would not work. */
export function mlflowSteps(call: Call, read: ReadProject, plan: Plan): readonly ExtraStep[] {
  const kubeflow = readKubeflow(read);
  const mode = kubeflow?.mlflowMode ?? (isDeclared(call, read) ? "kedro" : "off");
  if (mode !== "kedro") return [];
  const isHere = plan.pods.image === null;
  call.warn(checkMlflowFile(call, read, kubeflow, isHere));
  const { extraSteps } = mlflow({ iapClientId: kubeflow?.mlflowIapClientId ?? null });
  return extraSteps(plan, { runEnv: read.model.project.env });
}

// --- internal ---

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
  return findRequirement(world, facts.root, "kedro-mlflow") !== null;
}

/** What mlflow.yml says that a pod cannot follow. Text with `${…}` is Kedro's to resolve, and nothing is said of it. */
function checkMlflowFile(
  call: Call,
  read: ReadProject,
  kubeflow: KubeflowConfig | undefined,
  isHere: boolean,
): Warning[] {
  const layers = [read.plainEnvs[1] ?? "base", read.model.project.env];
  let file = "conf/base/mlflow.yml";
  const merged: Record<string, unknown> = {};
  for (const layer of new Set(layers)) {
    const path = join("conf", layer, "mlflow.yml");
    const found = readMapping(call, join(read.facts.root, path));
    if (found === undefined) continue;
    file = path;
    Object.assign(merged, found);
  }
  const server = merged["server"] as { mlflow_tracking_uri?: unknown } | undefined;
  const tracking = merged["tracking"] as { run?: { id?: unknown } } | undefined;
  const uri = server?.mlflow_tracking_uri ?? merged["mlflow_tracking_uri"] ?? null;
  const warnings: Warning[] = [];
  const fixed = tracking?.run?.id;
  if (typeof fixed === "string" && !fixed.includes("${")) {
    warnings.push({
      message: `${file} fixes the MLflow run (tracking.run.id), so every run of the pipeline writes into that one`,
      hint: "remove it: each run gets an MLflow run of its own",
    });
  }
  if (isHere) return warnings; // a folder of the project is the same one for every step
  const isSent = kubeflow?.run.env.some(({ name }) => name === "MLFLOW_TRACKING_URI") ?? false;
  if (uri === null && !isSent) {
    warnings.push({
      message: `${file} names no tracking server, so each pod would keep its runs in a folder of its own and not find the one of the start step`,
      hint: "set server.mlflow_tracking_uri, or send MLFLOW_TRACKING_URI with run_config.env; mlflow: {mode: off} leaves MLflow out",
    });
  } else if (typeof uri === "string" && isLocal(uri)) {
    warnings.push({
      message: `the tracking URI "${uri}" of ${file} is a path on one machine: pods do not share it, and steps would not find the run`,
      hint: "set server.mlflow_tracking_uri to the address of a server",
    });
  }
  return warnings;
}

function readMapping(call: Call, path: string): Record<string, unknown> | undefined {
  const text = call.world.files.readText(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = parse(text, { logLevel: "error" });
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {}; // Kedro says what is wrong with it
  }
}

function isLocal(uri: string): boolean {
  if (uri.includes("${") || uri === "databricks") return false;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase();
  return scheme === undefined || scheme === "file" || scheme.startsWith("sqlite");
}
