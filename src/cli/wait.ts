import type { ArgsDef } from "citty";
import { parseDuration } from "./options.ts";
import type { Call, Verb } from "./verb.ts";

/** Options of waiting, the same for `wait` and `run-once --wait`. */
export const WAIT_OPTIONS = {
  timeout: {
    type: "string",
    default: "86400",
    valueHint: "TIME",
    description: "Longest wait: seconds, or 90s, 15m, 2h",
  },
} satisfies ArgsDef;

export const wait: Verb = {
  name: "wait",
  summary: "Wait for a run and end as it ended",
  details: "Status 0: succeeded, 1: failed, 7: cancelled, 124: still running after --timeout, 6: cannot be known.",
  options: { ...WAIT_OPTIONS },
  positionals: ["RUN"],
  examples: ["kfk wait 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
  run: async (call) => {
    const { connectServer, namedHost } = await import("./server.ts");
    const project = await projectIfAny(call, namedHost(call) !== undefined);
    const server = await connectServer(call, project?.kubeflow, project?.hooks);
    return await waitAndTell(call, server, call.positionals[0] as string, false);
  },
};

/** Waits with progress on stderr. The value is 0; every other end is thrown as the error that carries its status. */
export async function waitAndTell(
  call: Call,
  server: import("../cluster/server.ts").Server,
  id: string,
  seen: boolean,
): Promise<number> {
  const [{ describeEnd, waitForRun }, { showProgress, renderDuration }] = await Promise.all([
    import("../cluster/wait.ts"),
    import("../view/progress.ts"),
  ]);
  const timeoutMs = parseDuration("timeout", call.options.text("timeout") ?? "86400");
  const abort = new AbortController();
  let signal: string | undefined;
  const unlisten = call.world.onSignal((name) => {
    signal ??= name;
    abort.abort();
  });
  const progress = showProgress(call.world, call.colour);
  try {
    let outage: string | null = null;
    const end = await waitForRun(server, id, {
      timeoutMs,
      seen,
      signal: abort.signal,
      onProgress: (now) => {
        if (!call.isQuiet) progress.update(now.steps);
        if (now.outage !== outage && now.outage !== null) call.say(`no news of the run: ${now.outage}; still asking`);
        outage = now.outage;
      },
    });
    progress.stop();
    const error = describeEnd(server, end);
    if (error === undefined) {
      call.say(`run ${id} succeeded after ${renderDuration(end.elapsedMs)}`);
      return 0;
    }
    if (end.verdict === "interrupted" && signal !== "SIGINT") {
      const { KfkError } = await import("../error.ts");
      throw new KfkError("TERMINATED", error.message, { hint: error.hint });
    }
    throw error;
  } finally {
    progress.stop();
    unlisten();
  }
}

// --- internal ---

interface Around {
  readonly kubeflow: import("../config/kubeflow.ts").KubeflowConfig | undefined;
  readonly hooks: import("../hooks/project.ts").ProjectHooks;
}

/** kubeflow.yaml and hooks of the project around; where an option names the host, a project that is wrong is none. */
async function projectIfAny(call: Call, isHostNamed: boolean): Promise<Around | undefined> {
  const [{ openProject }, { isKfkError }] = await Promise.all([import("./open.ts"), import("../error.ts")]);
  try {
    const { configuration, hooks } = await openProject(call);
    return { kubeflow: isHostNamed ? undefined : configuration.kubeflow(), hooks };
  } catch (error) {
    if (!isKfkError(error) || error.code.startsWith("HOOK_")) throw error;
    if (isHostNamed || error.code === "PROJECT_NOT_FOUND") return undefined;
    if (/^(?:PY|PIPELINE)_/.test(error.code)) {
      const [{ readKubeflowOf }, { NO_HOOKS }] = await Promise.all([
        import("./read.ts"),
        import("../hooks/project.ts"),
      ]);
      return { kubeflow: readKubeflowOf(call), hooks: NO_HOOKS };
    }
    throw error;
  }
}
