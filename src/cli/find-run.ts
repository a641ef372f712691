/**
 * The word for a run on the command line → its id: an id, a link to its page, or `@latest` = the newest run that this
 * project and environment started. And what the project around knows about the nodes of a run.
 */
import type { RunInfo } from "../cluster/runs.ts";
import type { Server } from "../cluster/server.ts";
import { isKfkError, isStop, KfkError } from "../error.ts";
import type { Sources } from "../view/failure.ts";
import type { Ground, ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** Finds the id. Errors: RUN_UNKNOWN; PROJECT_* for `@latest` outside of a project; USAGE_ARGUMENT for no id. */
export async function findRunId(call: Call, server: Server, word: string): Promise<string> {
  const text = word.trim();
  if (text === "@latest") return await latest(call, server);
  const id = /#\/runs\/details\/([^/?]+)/.exec(text)?.[1] ?? text;
  if (/^[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?$/.test(id)) return id;
  throw new KfkError("USAGE_ARGUMENT", `"${text}" is no id of a run`, {
    hint: "give the id, the address of its page, or @latest",
  });
}

/** Connects with what options, environment or, when neither names a host, the project around say. */
export async function connectAnywhere(call: Call): Promise<Server> {
  const [{ connectServer }, { findAround }] = await Promise.all([import("./server.ts"), import("./around.ts")]);
  const { kubeflow, hooks } = await findAround(call);
  return await connectServer(call, kubeflow, hooks);
}

/** Places of a run's nodes when the project around is the one that started it; else none. */
export async function nodeSources(call: Call, run: RunInfo | undefined): Promise<Sources> {
  if (run === undefined) return () => undefined;
  const read = await projectIfAny(call);
  if (read === undefined) return () => undefined;
  const { isFrom } = await import("../cluster/runs.ts");
  if (!isFrom(run.description, { project: read.model.project.name })) return () => undefined;
  return sourcesOf(read);
}

/** Places of a project's nodes by their names. */
export function sourcesOf(read: ReadProject): Sources {
  const all = [...read.model.pipelines.values()].flatMap((each) => each.nodes);
  return (name) => {
    const source = all.find((each) => each.name === name)?.source;
    return source ? { file: source.file, line: source.line } : undefined;
  };
}

/** Names that kedro-kubeflow gave the pipeline (0.3.0; 0.11.0, cut at 100); none when the project names its own. */
export function formerNames(read: Ground, pipeline: string): readonly string[] {
  if (read.configuration.kubeflow()?.run.pipelineName) return [];
  const { name, env } = read.model.project;
  const bracketed = `[${name}] ${pipeline} (env: ${env})`.slice(0, 100);
  return pipeline === "__default__" && read.plainEnvs.includes(env) ? [bracketed, name] : [bracketed];
}

// --- internal ---

async function latest(call: Call, server: Server): Promise<string> {
  const [{ readGround }, { findLatestRun }] = await Promise.all([import("./read.ts"), import("../cluster/runs.ts")]);
  const { project } = readGround(call).model;
  const found = await findLatestRun(server, { project: project.name, env: project.env });
  if (found !== undefined) return found.id;
  throw new KfkError("RUN_UNKNOWN", `the server has no run that ${project.name} (${project.env}) started`, {
    hint: "start one with kfk run-once, or give an id from kfk list-runs",
  });
}

/** Only for what is nice to know: a project that cannot be read is no project here. */
async function projectIfAny(call: Call): Promise<ReadProject | undefined> {
  const { readGround, readStatic } = await import("./read.ts");
  try {
    return readStatic(call, readGround(call).facts);
  } catch (error) {
    if (isKfkError(error) && !isStop(error)) return undefined;
    throw error;
  }
}
