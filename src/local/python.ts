/**
 * Finds the Python interpreter that steps run with on this machine, and asks it once for its Kedro.
 *
 * Order: the option, `KFK_PYTHON`, `.venv` and `venv` in the project, `VIRTUAL_ENV`, what `uv run` and `poetry run`
 * take where the project has their lock file, `python3`. The first two are what somebody asked for, so they are taken
 * or refused; of the others the first with Kedro in it is taken.
 */
import { join, resolve } from "node:path";
import { KfkError, type Warning } from "../error.ts";
import type { World } from "../world.ts";

export interface LocalPython {
  /** Path or name of the program. */
  readonly python: string;
  readonly pythonVersion: string;
  readonly kedroVersion: string;
  /** Another Kedro than the pipeline was read for. */
  readonly warnings: readonly Warning[];
}

/**
 * `wanted`: the Kedro version that the pipeline was read for, null when unknown; other versions of the same
 * major.minor are silent.
 *
 * Errors: LOCAL_PYTHON, when there is no such interpreter or no Kedro in any.
 */
export async function findPython(
  world: World,
  project: string,
  option: string | undefined,
  wanted: string | null,
): Promise<LocalPython> {
  const typed = nonEmpty(option) ?? nonEmpty(world.env["KFK_PYTHON"]);
  // a path is meant from where it was typed, a bare name from PATH
  const asked = typed?.includes("/") ? resolve(world.cwd, typed) : typed;
  const tried: Tried[] = [];
  for (const command of asked === undefined ? candidates(world, project) : [[asked]]) {
    const python = command.join(" ");
    const answer = await ask(world, project, command);
    if (answer.kind === "found") {
      const { pythonVersion, kedroVersion } = answer;
      // steps are started without uv or poetry around them
      const python = command.length === 1 ? (command[0] as string) : answer.executable;
      return { python, pythonVersion, kedroVersion, warnings: compareVersions(python, kedroVersion, wanted) };
    }
    tried.push({ python, why: answer.why });
  }
  throw noPython(tried, option !== undefined ? "--python" : asked !== undefined ? "KFK_PYTHON" : null);
}

// --- internal ---

interface Tried {
  readonly python: string;
  readonly why: string;
}

type Answer =
  | {
      readonly kind: "found";
      readonly pythonVersion: string;
      readonly kedroVersion: string;
      readonly executable: string;
    }
  | { readonly kind: "unusable"; readonly why: string };

/** Prints one line that nothing else prints; the working directory must not lend it a module. */
const QUESTION = `import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
import platform, kedro
print("kfk-kedro", platform.python_version(), kedro.__version__, sys.executable)
`;

/** An interpreter that does not answer within this time is left alone. */
const ASK_MS = 60_000;

/** Nothing is installed to answer the question: `uv run` would otherwise make an environment. */
const MANAGED: readonly (readonly [string, readonly string[]])[] = [
  ["uv.lock", ["uv", "run", "--no-sync", "python"]],
  ["poetry.lock", ["poetry", "run", "python"]],
];

function candidates(world: World, project: string): (readonly string[])[] {
  const active = nonEmpty(world.env["VIRTUAL_ENV"]);
  const folders = [join(project, ".venv"), join(project, "venv"), ...(active === undefined ? [] : [active])];
  const paths = folders
    .flatMap((folder) => [join(folder, "bin", "python"), join(folder, "Scripts", "python.exe")])
    .filter((path) => world.files.kind(path) === "file");
  const managed = MANAGED.filter(([lock]) => world.files.kind(join(project, lock)) === "file");
  return [...[...new Set(paths)].map((path) => [path]), ...managed.map(([, command]) => command), ["python3"]];
}

async function ask(world: World, project: string, command: readonly string[]): Promise<Answer> {
  const lines: string[] = [];
  const errors: string[] = [];
  const env = Object.entries(world.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const timer = new AbortController();
  let late = false;
  try {
    const child = world.spawn([...command, "-c", QUESTION], {
      cwd: project,
      env: Object.fromEntries(env.filter(([name]) => !name.startsWith("BUN_"))),
      onLine: (line, stream) => void (stream === "stdout" ? lines : errors).push(line),
      endGroup: true,
    });
    void world.clock.sleep(ASK_MS, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      late = true;
      child.kill("SIGKILL");
    });
    await child.ended;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT") return { kind: "unusable", why: "no such program" };
    if (code === "EACCES") return { kind: "unusable", why: "not a program that may be run" };
    throw error;
  } finally {
    timer.abort();
  }
  for (const line of lines) {
    const [, pythonVersion, kedroVersion, executable = ""] = /^kfk-kedro (\S+) (\S+)(?: (.+))?$/.exec(line) ?? [];
    if (pythonVersion !== undefined && kedroVersion !== undefined) {
      return { kind: "found", pythonVersion, kedroVersion, executable };
    }
  }
  if (late) return { kind: "unusable", why: "no answer within a minute" };
  const last = errors.findLast((line) => line.trim() !== "") ?? "no answer";
  return { kind: "unusable", why: /No module named '?kedro'?$/.test(last) ? "has no Kedro" : last };
}

function compareVersions(python: string, found: string, wanted: string | null): Warning[] {
  if (wanted === null || minor(found) === minor(wanted)) return [];
  return [
    {
      message: `${python} has Kedro ${found}, but the pipeline was read for Kedro ${wanted}`,
      hint: "install that version there, or choose another interpreter with --python",
    },
  ];
}

function minor(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}

function noPython(tried: readonly Tried[], asked: "--python" | "KFK_PYTHON" | null): KfkError {
  const [first] = tried;
  const notes = tried.map(({ python, why }) => ({ message: `${python}: ${why}` }));
  if (asked !== null && first !== undefined) {
    return new KfkError(
      "LOCAL_PYTHON",
      `the interpreter ${JSON.stringify(first.python)} of ${asked} cannot be used: ${first.why}`,
      {
        hint: "give the path of a Python in which the project's requirements are installed",
      },
    );
  }
  return new KfkError("LOCAL_PYTHON", "no Python with Kedro was found to run the steps with", {
    hint: "install the project's requirements into .venv, or name an interpreter with --python",
    notes,
  });
}
