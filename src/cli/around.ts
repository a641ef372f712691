/**
 * The project around the command, as far as finding a server needs it: kubeflow.yaml and hooks; pipelines are not looked
 * at, and Python is never asked. One place for what is forgiven: where an option or variable names the host, a project
 * that is wrong is none. A hook that is wrong never is, as nobody knows whether it is the one that logs in.
 */
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, isStop, type KfkError } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import type { OpenGround } from "./open.ts";
import { namedHost } from "./server.ts";
import type { Call } from "./verb.ts";

export interface AroundProject {
  readonly kubeflow: KubeflowConfig | undefined;
  readonly hooks: ProjectHooks | undefined;
  /** Undefined: none is here, or it cannot be read. */
  readonly read: OpenGround | undefined;
  /** What is wrong with the project that is here; null also where none is. */
  readonly error: KfkError | null;
}

/** Looks without judging: what is wrong is part of the answer. Errors: HOOK_*. */
export async function lookAround(call: Call): Promise<AroundProject> {
  const { openGround } = await import("./open.ts");
  let read: OpenGround;
  try {
    read = await openGround(call);
  } catch (error) {
    if (!isKfkError(error) || isStop(error) || error.code.startsWith("HOOK_")) throw error;
    const isNone = error.code === "PROJECT_NOT_FOUND";
    return { kubeflow: undefined, hooks: undefined, read: undefined, error: isNone ? null : error };
  }
  const { configuration, hooks } = read;
  try {
    return { kubeflow: configuration.kubeflow(), hooks, read, error: null };
  } catch (error) {
    if (!isKfkError(error)) throw error;
    return { kubeflow: undefined, hooks, read, error };
  }
}

/** For verbs that go to a server. Errors: HOOK_*; those of the project where nothing but it can name the host. */
export async function findAround(call: Call): Promise<AroundProject> {
  const around = await lookAround(call);
  if (around.error === null || namedHost(call) !== undefined) return around;
  throw around.error;
}
