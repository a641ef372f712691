/**
 * Runs `introspect.py` with a project's interpreter, or in its image, and hands back the line that it answers. This
 * runs code of the project.
 *
 * Refused: a program that cannot be started or gives no answer; what it last said on stderr is told.
 */
import introspectText from "../kedro/introspect.py" with { type: "text" };
import { KfkError, stoppedBy } from "../error.ts";
import type { Child, Signal, World } from "../world.ts";

export interface Introspection {
  /** Folder of the project where the script runs: on this machine, or in the image. */
  readonly project: string;
  readonly env: string | undefined;
  /** Folder of the configuration instead of the project's own, as an absolute path. */
  readonly conf: string | undefined;
  /** For people: the interpreter or the image. */
  readonly shown: string;
}

/** With an interpreter of this machine. Errors: LOCAL_PYTHON. */
export async function askPython(world: World, python: string, request: Introspection): Promise<string> {
  const answer = await ask(world, [python], request, request.project);
  if (answer === "absent") throw noAnswer(request, "there is no such program");
  return answer;
}

/** In an image, with the first of docker and podman that is there. Errors: LOCAL_PYTHON. */
export async function askImage(world: World, image: string, request: Introspection): Promise<string> {
  for (const engine of ENGINES) {
    const command = [
      engine,
      "run",
      "--rm",
      "--workdir",
      request.project,
      "--env",
      "KEDRO_DISABLE_TELEMETRY=1",
      "--env",
      "DO_NOT_TRACK=1",
      "--entrypoint",
      "python",
      image,
    ];
    const answer = await ask(world, command, request, world.cwd);
    if (answer !== "absent") return answer;
  }
  throw noAnswer(request, `neither ${ENGINES.join(" nor ")} is installed`);
}

// --- internal ---

const ENGINES = ["docker", "podman"];
/** A registry that takes longer than this to load is not waited for. */
const ANSWER_MS = 600_000;

async function ask(
  world: World,
  command: readonly string[],
  request: Introspection,
  cwd: string,
): Promise<string | "absent"> {
  const mark = `kfk-${world.newId()}`;
  const question = JSON.stringify({ project: request.project, env: request.env ?? null, conf: request.conf ?? null });
  const env = Object.entries(world.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const errors: string[] = [];
  let answer: string | undefined;
  let late = false;
  let signal: Signal | undefined;
  let child: Child | undefined;
  // as soon as it is there a signal may come
  const stop = world.onSignal((received) => {
    signal = received;
    child?.kill("SIGKILL");
  });
  const timer = new AbortController();
  try {
    const started = world.spawn([...command, "-c", introspectText, mark, question], {
      cwd,
      env: Object.fromEntries(env.filter(([name]) => !name.startsWith("BUN_"))),
      onLine: (line, stream) => {
        if (stream === "stdout" && line.startsWith(`${mark} `)) answer = line.slice(mark.length + 1);
        else if (stream === "stderr" && line.trim() !== "") errors.push(line);
        if (errors.length > 50) errors.shift();
      },
      endGroup: true,
    });
    child = started;
    void world.clock.sleep(ANSWER_MS, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      late = true;
      started.kill("SIGKILL");
    });
    await started.ended;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT" || code === "EACCES") return "absent";
    throw error;
  } finally {
    timer.abort();
    stop();
  }
  if (signal !== undefined) {
    throw new KfkError(stoppedBy(signal).code, "stopped while the project was read");
  }
  if (answer !== undefined) return answer;
  throw noAnswer(request, late ? "no answer within ten minutes" : "it ended without an answer", errors.slice(-5));
}

function noAnswer(request: Introspection, why: string, last: readonly string[] = []): KfkError {
  return new KfkError("LOCAL_PYTHON", `the project cannot be read with ${request.shown}: ${why}`, {
    notes: last.map((message) => ({ message })),
    hint: "name an interpreter in which the project's requirements are installed with --python",
  });
}
