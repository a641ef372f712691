/**
 * Steps around a run on this machine: start steps one after the other, then the plan, then the exit pipeline and every
 * exit step, however the run ended. Comes in: what `runLocally` takes and the steps of hooks that say `local`. Goes out:
 * the run's result; a start step or an exit pipeline that failed is a failure of the run, as on a server.
 *
 * An exit step is told the status the way a server says it, and `Cancelled` where a person ended the run. Its own
 * failure changes no result and is told to the caller. The environment is the one that steps have.
 * Rules: hooks/contract.ts, `ExtraStep`.
 */
import { join } from "node:path";
import { stoppedBy } from "../error.ts";
import type { StepState } from "../steps/state.ts";
import type { ExitStep, StepPlan } from "../steps/step.ts";
import type { Child, ChildEnd, World } from "../world.ts";
import {
  childEnv,
  localFolder,
  type LocalFailure,
  type LocalOptions,
  type LocalResult,
  nodeOfFailure,
  prepareFolder,
  runLocally,
  runnerArguments,
} from "./run.ts";
import { startProgram } from "./start.ts";

/** What is used of a hook's `ExtraStep`. */
export interface ExtraStep {
  readonly id: string;
  readonly place: "start" | "around-exit" | "exit" | "last";
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly gives?: { readonly env: string };
}

export interface ExtraOptions extends LocalOptions {
  /** Called for each exit step that failed. */
  readonly onExitFailure: (failure: LocalFailure) => void;
}

/** Runs the plan with `steps` around it, and its exit pipeline. Errors: those of `runLocally`, after the exit steps. */
export async function runWithExtras(
  world: World,
  plan: StepPlan,
  steps: readonly ExtraStep[],
  options: ExtraOptions,
): Promise<LocalResult> {
  const given: Record<string, string> = {};
  const shown = new Shown(world, plan, steps, options);
  const atEnd = new RunEnd(world, plan, steps, options, shown);
  let status = "Failed";
  let exitMs = EXIT_MS;
  let result: LocalResult | undefined;
  if (steps.length > 0 || plan.exit) prepareFolder(world, options.project, localFolder(options.project, options.runId));
  try {
    for (const step of steps.filter(({ place }) => place === "start")) {
      const ended = await shown.during(step.id, () => runExtra(world, step, status, given, options, options.timeoutMs));
      if (ended.outcome !== "succeeded") {
        if (ended.outcome === "interrupted" || ended.outcome === "terminated") status = "Cancelled";
        result = notStarted(plan, ended, options);
        exitMs = EXIT_AFTER_NOTHING_MS;
        shown.tell(result.states);
        break;
      }
      if (step.gives) given[step.gives.env] = ended.output;
    }
    if (result === undefined) {
      const env = { ...options.env, ...given };
      const { tell } = shown;
      result = await runLocally(world, plan, {
        ...options,
        env,
        onChange: tell,
        ...(plan.exit ? { keepStore: true } : {}),
      });
      if (result.outcome === "succeeded") status = "Succeeded";
      if (result.outcome === "interrupted" || result.outcome === "terminated") status = "Cancelled";
    }
  } finally {
    const failure = await atEnd.run(status, result, exitMs);
    if (failure !== null && result !== undefined) {
      const outcome = result.outcome === "succeeded" ? "failed" : result.outcome;
      result = { ...result, outcome, failures: [...result.failures, failure] };
    }
  }
  return result;
}

// --- internal ---

/** For one exit step: whoever waits for the end of a run should see it. */
const EXIT_MS = 300_000;
/** After a start step that failed: the server that it did not reach is mostly that of the exit step too. */
const EXIT_AFTER_NOTHING_MS = 60_000;
const GRACE_MS = 10_000;
const TAIL_LINES = 40;

/** The states of the plan's steps with those of the steps around them, in the order in which they run. */
class Shown {
  private readonly world: World;
  private readonly options: ExtraOptions;
  private readonly around: readonly Map<string, StepState>[];
  private own: readonly StepState[];

  constructor(world: World, plan: StepPlan, steps: readonly ExtraStep[], options: ExtraOptions) {
    const waiting = (ids: readonly string[]): Map<string, StepState> =>
      new Map(ids.map((id) => [id, { id, phase: "waiting", startedMs: null, endedMs: null, message: null }]));
    const at = (place: ExtraStep["place"]): string[] =>
      steps.filter((step) => step.place === place).map(({ id }) => id);
    this.world = world;
    this.options = options;
    this.around = [waiting(at("start")), waiting([...at("exit"), ...(plan.exit ? [plan.exit.id] : []), ...at("last")])];
    this.own = [...waiting(plan.steps.map(({ id }) => id)).values()];
  }

  /** The plan's steps are now in these states. */
  readonly tell = (own: readonly StepState[] = this.own): void => {
    this.own = own;
    const [before, after] = this.around.map((states) => [...states.values()]);
    this.options.onChange?.([...(before ?? []), ...own, ...(after ?? [])]);
  };

  async during(id: string, run: () => Promise<ExtraEnd>): Promise<ExtraEnd> {
    const { clock } = this.world;
    const startedMs = clock.nowMs();
    this.set({ id, phase: "running", startedMs, endedMs: null, message: null });
    const ended = await run();
    const phase = ended.failure === null ? "succeeded" : "failed";
    this.set({ id, phase, startedMs, endedMs: clock.nowMs(), message: null });
    return ended;
  }

  private set(state: StepState): void {
    for (const states of this.around) if (states.has(state.id)) states.set(state.id, state);
    this.tell();
  }
}

/** What comes after the steps of a plan, in the order of a server. */
class RunEnd {
  private readonly world: World;
  private readonly plan: StepPlan;
  private readonly steps: readonly ExtraStep[];
  private readonly options: ExtraOptions;
  private readonly shown: Shown;

  constructor(world: World, plan: StepPlan, steps: readonly ExtraStep[], options: ExtraOptions, shown: Shown) {
    this.world = world;
    this.plan = plan;
    this.steps = steps;
    this.options = options;
    this.shown = shown;
  }

  /** The failure of the exit pipeline, null when it succeeded or there is none. */
  async run(status: string, result: LocalResult | undefined, exitMs: number): Promise<LocalFailure | null> {
    const { exit } = this.plan;
    await this.runExtras("exit", status, {}, exitMs);
    const failure = exit === undefined ? null : await this.runExit(exit, status, result?.failures ?? []);
    if (exit !== undefined && result?.outcome === "succeeded") this.world.files.remove(join(result.folder, "store"));
    const env = exit === undefined ? {} : { KFK_EXIT_STATUS: failure === null ? "Succeeded" : "Failed" };
    await this.runExtras("last", status, env, exitMs);
    return failure;
  }

  private async runExtras(
    place: "exit" | "last",
    status: string,
    env: Readonly<Record<string, string>>,
    timeoutMs: number,
  ) {
    for (const step of this.steps.filter((each) => each.place === place)) {
      const ended = await this.shown.during(step.id, () =>
        runExtra(this.world, step, status, env, this.options, timeoutMs),
      );
      if (ended.failure !== null) this.options.onExitFailure(ended.failure);
    }
  }

  /** The nodes read the words that a server has; a run that a person ended is a failed one there. */
  private async runExit(
    exit: ExitStep,
    status: string,
    failures: readonly LocalFailure[],
  ): Promise<LocalFailure | null> {
    const { world, plan, options } = this;
    const around = this.steps.filter(({ place }) => place === "around-exit");
    const shared = { ...plan.shared, pipeline: exit.pipeline };
    const own = [
      options.python,
      ...runnerArguments({ ...plan, shared }, exit, options),
      status === "Succeeded" ? status : "Failed",
      describeFailures(failures),
    ];
    // the innermost is the first one, as in a document
    const command = [...around.toReversed().flatMap((step) => step.command), ...own];
    const env = Object.assign({}, ...around.map((step) => step.env ?? {})) as Record<string, string>;
    const step: ExtraStep = { id: exit.id, place: "exit", command, env };
    const { failure } = await this.shown.during(exit.id, () =>
      runExtra(world, step, status, {}, options, options.timeoutMs),
    );
    return failure === null ? null : { ...failure, node: nodeOfFailure(exit, failure.end, failure.tail) };
  }
}

/** As Argo writes it: JSON in a JSON text. */
function describeFailures(failures: readonly LocalFailure[]): string {
  const list = failures.map(({ step, end, tail }) => ({
    displayName: step,
    message: end.signal === null ? (tail.at(-1) ?? `exit status ${end.code}`) : `ended by ${end.signal}`,
    templateName: "step",
    phase: "Failed",
    podName: "",
    finishedAt: null,
  }));
  return JSON.stringify(list.length === 0 ? "null" : JSON.stringify(list));
}

interface ExtraEnd {
  readonly outcome: LocalResult["outcome"];
  readonly output: string;
  readonly failure: LocalFailure | null;
}

async function runExtra(
  world: World,
  step: ExtraStep,
  status: string,
  given: Readonly<Record<string, string>>,
  options: LocalOptions,
  timeoutMs: number | undefined,
): Promise<ExtraEnd> {
  const folder = localFolder(options.project, options.runId);
  const log = join(folder, "logs", `${step.id}.log`);
  const outputFile = join(folder, `${step.id}.out`);
  const words: Readonly<Record<string, string>> = {
    "{{workflow.name}}": options.runId,
    "{{workflow.uid}}": options.runId,
    "{{workflow.namespace}}": "",
    ...(step.place === "start" ? {} : { "{{workflow.status}}": status, "{{workflow.failures}}": '"null"' }),
  };
  const fill = (text: string): string => text.replaceAll(/\{\{workflow\.\w+\}\}/g, (word) => words[word] ?? word);
  const [program = "", ...args] = step.command.map(fill);
  const own = Object.entries(step.env ?? {}).map(([name, value]) => [name, fill(value)] as const);
  const lines: string[] = [];
  const stop = new AbortController();
  let why: LocalResult["outcome"] = "failed";
  const child = startProgram(world, [program === "python" ? options.python : program, ...args], {
    cwd: options.project,
    env: {
      ...childEnv(world.env),
      ...options.env,
      ...given,
      ...Object.fromEntries(own),
      ...(step.gives ? { KFK_OUTPUT: outputFile } : {}),
    },
    onLine: (line) => void lines.push(line),
    endGroup: true,
  });
  const unlisten = world.onSignal((signal) => {
    why = stoppedBy(signal).how;
    end(world, child, stop.signal, options.graceMs);
  });
  if (timeoutMs !== undefined) {
    void world.clock.sleep(timeoutMs, stop.signal).then(() => {
      if (stop.signal.aborted) return;
      why = "timeout";
      end(world, child, stop.signal, options.graceMs);
    });
  }
  let ended: ChildEnd;
  try {
    ended = await child.ended;
  } finally {
    stop.abort();
    unlisten();
  }
  world.files.write(log, lines.map((line) => `${line}\n`).join(""));
  const output = step.gives ? world.files.readText(outputFile)?.replace(/\r?\n$/, "") : "";
  if (ended.code === 0 && output !== undefined) return { outcome: "succeeded", output, failure: null };
  if (ended.code === 0) lines.push(`kfk: the step "${step.id}" wrote nothing to the file that KFK_OUTPUT names`);
  const failure = { step: step.id, node: null, end: ended, log, tail: lines.slice(-TAIL_LINES) };
  return { outcome: why, output: "", failure };
}

function end(world: World, child: Child, ended: AbortSignal, graceMs = GRACE_MS): void {
  child.kill("SIGTERM");
  void world.clock.sleep(graceMs, ended).then(() => {
    if (!ended.aborted) child.kill("SIGKILL");
  });
}

function notStarted(plan: StepPlan, ended: ExtraEnd, options: LocalOptions): LocalResult {
  return {
    outcome: ended.outcome,
    states: plan.steps.map(({ id }) => ({ id, phase: "skipped", startedMs: null, endedMs: null, message: null })),
    failures: ended.failure === null ? [] : [ended.failure],
    folder: localFolder(options.project, options.runId),
  };
}
