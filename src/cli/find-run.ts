/**
 * The word for a run on the command line → its id: an id, a link to its page, or `@latest` = the newest run that this
 * project and environment started. And what the project around knows about the nodes of a run.
 */
import type { RunInfo } from "../cluster/runs.ts";
import type { Server } from "../cluster/server.ts";
import { isKfkError, isStop, KfkError } from "../error.ts";
import type { Sources } from "../view/failure.ts";
import { printable } from "../terminal-text.ts";
import type { Ground, ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/**
 * Finds the id. Errors: RUN_UNKNOWN; PROJECT_* for `@latest` outside of a project; USAGE_ARGUMENT for no id. A word that
 * does not look like a whole id is asked for, and where there is no such run, the one that may be meant is named.
 */
export async function findRunId(call: Call, server: Server, word: string): Promise<string> {
  const text = word.trim();
  if (text === "@latest") return await latest(call, server);
  const id = /#\/runs\/details\/([^/?]+)/.exec(text)?.[1] ?? text;
  if (UUID.test(id)) return id;
  const isId = /^[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?$/.test(id);
  if (isId) {
    const { fetchRun } = await import("../cluster/runs.ts");
    try {
      await fetchRun(server, id);
      return id;
    } catch (error) {
      if (!isKfkError(error, "RUN_UNKNOWN")) throw error;
    }
  }
  const meant = await meantRun(call, server, id);
  const what = meant === undefined ? "" : `; the run ${meant.name} of this project is ${meant.id}`;
  throw new KfkError(
    isId ? "RUN_UNKNOWN" : "USAGE_ARGUMENT",
    `"${text}" is no whole id of a run on this server${what}`,
    {
      hint:
        meant === undefined
          ? "give the whole id from kfk list-runs, the address of its page, or @latest"
          : `kfk ${call.verb} ${meant.id}`,
    },
  );
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
  const { isFrom } = await import("../cluster/run-mark.ts");
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

/** What servers give to runs. */
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The one run of this project that a word begins or names; only for a hint, so nothing that is wrong here is an error. */
async function meantRun(
  call: Call,
  server: Server,
  word: string,
): Promise<{ readonly id: string; readonly name: string } | undefined> {
  const [{ readOriginOf }, { findRunsLike }] = await Promise.all([import("./read.ts"), import("../cluster/runs.ts")]);
  try {
    const found = await findRunsLike({ ...server, budgetMs: 1 }, readOriginOf(call), word);
    const [only] = found;
    return only === undefined || found.length > 1 ? undefined : { id: only.id, name: printable(only.name) };
  } catch (error) {
    if (isKfkError(error)) return undefined;
    throw error;
  }
}

async function latest(call: Call, server: Server): Promise<string> {
  const [{ readOriginOf }, { findLatestRun }] = await Promise.all([import("./read.ts"), import("../cluster/runs.ts")]);
  // pipelines that cannot be read now keep nobody from a run that is there
  const origin = readOriginOf(call);
  const found = await findLatestRun(server, origin);
  if (found !== undefined) return found.id;
  throw new KfkError("RUN_UNKNOWN", `the server has no run that ${origin.project} (${origin.env}) started`, {
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
