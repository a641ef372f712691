/**
 * Steps → processes on this machine. Comes in: the same plan that is compiled for a cluster. Goes out: what became of
 * each step, with the end of the log of those that failed.
 *
 * One process per step running the same `runner.py` with the same three arguments as in a pod; a step starts as soon
 * as all it needs has succeeded and a place is free, in the plan's order. After the first failure nothing more is
 * started, running steps finish, the rest is skipped (what Argo does without `failFast: false`). Nothing outlives the
 * run: a step's process group is ended with it. Rules: design section 10; reference/bun-addendum.md 7.
 */
import { join } from "node:path";
import type { StepState } from "../steps/state.ts";
import type { RunnerShared, Step, StepPlan } from "../steps/step.ts";
import { encodeStep } from "../steps/argument.ts";
import runnerText from "../steps/runner.py" with { type: "text" };
import { stoppedBy } from "../error.ts";
import { type Child, type ChildEnd, onEachSignal, type Signal, type World } from "../world.ts";
import { startProgram } from "./start.ts";

export interface LocalOptions {
  /** Absolute path of the Kedro project. */
  readonly project: string;
  /** Interpreter with the project's libraries (`findPython`). */
  readonly python: string;
  /** Name of this run's folder; `world.newId()` will do. */
  readonly runId: string;
  /** Processes at once; default: the cores. */
  readonly atOnce?: number;
  /** The run is ended after this long; absent: never. */
  readonly timeoutMs?: number;
  /** Between SIGTERM and SIGKILL; default 10 s. */
  readonly graceMs?: number;
  /** Configuration folder (`--conf-source`) instead of the project's own. */
  readonly conf?: string;
  /** Variables of every step, beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: what was kept for later steps stays, as another step is to come. */
  readonly keepStore?: boolean;
  /** Called with all states, in plan order, whenever one changes. */
  readonly onChange?: (states: readonly StepState[]) => void;
}

export interface LocalResult {
  readonly outcome: "succeeded" | "failed" | "timeout" | "interrupted" | "terminated";
  /** In plan order. */
  readonly states: readonly StepState[];
  /** Steps that did not succeed though they were started, in the order they ended. */
  readonly failures: readonly LocalFailure[];
  /** Folder of the run: `logs/<step>.log` and `store/`. */
  readonly folder: string;
}

export interface LocalFailure {
  readonly step: string;
  /** Kedro node that was at work, null when none was. */
  readonly node: string | null;
  readonly end: ChildEnd;
  /** Path of the whole log. */
  readonly log: string;
  /** Its last lines, at most 40. */
  readonly tail: readonly string[];
}

/** Folder that a run on this machine keeps its logs and carried datasets in. */
export function localFolder(project: string, runId: string): string {
  return join(project, ".kfk", "runs", runId);
}

/**
 * Runs every step of the plan here and waits for the end.
 *
 * Ctrl-C, SIGTERM and SIGHUP end all steps (TERM, after the grace KILL; a second signal: KILL at once) and give
 * "interrupted" or "terminated"; exit statuses are the caller's. `plan.shared.project` and `store` are replaced by the
 * folders here. Errors: PROJECT_FILE where the folder cannot be written; what the interpreter's start throws.
 */
export async function runLocally(world: World, plan: StepPlan, options: LocalOptions): Promise<LocalResult> {
  const folder = localFolder(options.project, options.runId);
  prepareFolder(world, options.project, folder);
  const run = new LocalRun(world, plan, options, folder);
  const unlisten = onEachSignal(world, (signal) => run.interrupt(signal));
  const timer = new AbortController();
  if (options.timeoutMs !== undefined) {
    void world.clock.sleep(options.timeoutMs, timer.signal).then(() => {
      if (!timer.signal.aborted) run.stop("timeout");
    });
  }
  try {
    const result = await run.finish();
    // what was kept for later steps has no use any more; after a failure a person may want to look at it
    if (result.outcome === "succeeded" && options.keepStore !== true) world.files.remove(join(folder, "store"));
    return result;
  } finally {
    timer.abort();
    unlisten();
  }
}

/** The runner's text and the arguments that run a step of the plan here. */
export function runnerArguments(plan: StepPlan, step: Step, options: LocalOptions): readonly string[] {
  const { shared } = plan;
  const local: RunnerShared = {
    ...shared,
    project: options.project,
    store: shared.carried.length > 0 ? join(localFolder(options.project, options.runId), "store") : null,
    ...(options.conf === undefined ? {} : { conf: options.conf }),
  };
  const used = new Set(step.parameters);
  const texts = plan.parameters.filter(({ name }) => used.has(name)).map(({ name, text }) => [name, text]);
  return [
    "-c",
    runnerText,
    JSON.stringify(local),
    encodeStep(step),
    Buffer.from(JSON.stringify(Object.fromEntries(texts))).toString("base64"),
  ];
}

/** Node at work when a step failed, by the runner's last words; null when none was. */
export function nodeOfFailure(step: Step, end: ChildEnd, tail: readonly string[]): string | null {
  return findNode(tail) ?? (step.nodes.length === 1 && end.signal !== null ? (step.nodes[0]?.name ?? null) : null);
}

/** Makes the folder of a run, which git is told to leave alone. */
export function prepareFolder(world: World, project: string, folder: string): void {
  const ignore = join(project, ".kfk", ".gitignore");
  if (world.files.readText(ignore) === undefined) world.files.write(ignore, "*\n");
  world.files.makeFolder(join(folder, "logs"));
}

/** The environment that a step begins with. */
export function childEnv(env: World["env"]): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("BUN_"),
  );
  return { ...Object.fromEntries(kept), ...CHILD_ENV };
}

// --- internal ---

const TAIL_LINES = 40;
const GRACE_MS = 10_000;

/** Keeps Python's output in order and free of escapes, and Kedro from calling home; see runner.py. */
const CHILD_ENV: Readonly<Record<string, string>> = {
  PYTHONUNBUFFERED: "1",
  PYTHONIOENCODING: "utf-8:backslashreplace",
  NO_COLOR: "1",
  COLUMNS: "200",
  KEDRO_DISABLE_TELEMETRY: "1",
  DO_NOT_TRACK: "1",
};

type Stop = "failed" | "timeout" | "interrupted" | "terminated";

/** One run under way: who waits, who runs, and why it stops. */
class LocalRun {
  private readonly world: World;
  private readonly plan: StepPlan;
  private readonly options: LocalOptions;
  private readonly folder: string;
  private readonly states: Map<string, StepState>;
  private readonly running = new Map<string, { readonly child: Child; readonly done: Promise<void> }>();
  private readonly failures: LocalFailure[] = [];
  private readonly ending = new AbortController();
  private stopped: Stop | null = null;
  private killed = false;

  constructor(world: World, plan: StepPlan, options: LocalOptions, folder: string) {
    this.world = world;
    this.plan = plan;
    this.options = options;
    this.folder = folder;
    this.states = new Map(
      plan.steps.map(({ id }) => [id, { id, phase: "waiting", startedMs: null, endedMs: null, message: null }]),
    );
  }

  async finish(): Promise<LocalResult> {
    this.tell();
    try {
      this.startReady();
      while (this.running.size > 0) {
        await Promise.race([...this.running.values()].map(({ done }) => done));
        this.startReady();
      }
    } catch (error) {
      // starting a process failed: leave nothing behind
      for (const { child } of this.running.values()) child.kill("SIGKILL");
      await Promise.all([...this.running.values()].map(({ done }) => done));
      throw error;
    } finally {
      this.ending.abort();
    }
    this.skipRest();
    return {
      outcome: this.stopped ?? "succeeded",
      states: [...this.states.values()],
      failures: this.failures,
      folder: this.folder,
    };
  }

  interrupt(signal: Signal): void {
    if (this.isEnding()) this.killAll();
    else this.stop(stoppedBy(signal).how);
  }

  /** Ends what runs; what was first decides how the run is called, but a signal is stronger than a failure. */
  stop(why: Exclude<Stop, "failed">): void {
    if (this.isEnding()) return;
    this.stopped = why;
    for (const { child } of this.running.values()) child.kill("SIGTERM");
    void this.world.clock.sleep(this.options.graceMs ?? GRACE_MS, this.ending.signal).then(() => this.killAll());
  }

  private isEnding(): boolean {
    return this.stopped !== null && this.stopped !== "failed";
  }

  private killAll(): void {
    this.killed = true;
    for (const { child } of this.running.values()) child.kill("SIGKILL");
  }

  private startReady(): void {
    const places = this.options.atOnce ?? this.world.cores;
    for (const step of this.plan.steps) {
      if (this.stopped !== null || this.running.size >= places) return;
      if (this.states.get(step.id)?.phase !== "waiting") continue;
      if (step.needs.every((id) => this.states.get(id)?.phase === "succeeded")) this.start(step);
    }
  }

  private start(step: Step): void {
    const log = new StepLog(this.world, join(this.folder, "logs", `${step.id}.log`));
    const child = startProgram(this.world, [this.options.python, ...runnerArguments(this.plan, step, this.options)], {
      cwd: this.options.project,
      env: { ...childEnv(this.world.env), ...this.options.env },
      onLine: (line) => log.add(line),
      endGroup: true,
    });
    const startedMs = this.world.clock.nowMs();
    const done = child.ended.then((end) => {
      this.running.delete(step.id);
      log.finish();
      this.settle(step, startedMs, end, log);
    });
    this.running.set(step.id, { child, done });
    this.change({ id: step.id, phase: "running", startedMs, endedMs: null, message: null });
  }

  private settle(step: Step, startedMs: number, end: ChildEnd, log: StepLog): void {
    const endedMs = this.world.clock.nowMs();
    if (end.code === 0) {
      this.change({ id: step.id, phase: "succeeded", startedMs, endedMs, message: null });
      return;
    }
    const node = nodeOfFailure(step, end, log.tail);
    this.failures.push({ step: step.id, node, end, log: log.path, tail: log.tail });
    const message = this.isEnding() ? endedBy(this.stopped, this.killed) : describeEnd(end, log.tail);
    if (this.stopped === null) this.stopped = "failed";
    this.change({ id: step.id, phase: "failed", startedMs, endedMs, message });
  }

  private skipRest(): void {
    for (const state of this.states.values()) {
      if (state.phase === "waiting") this.states.set(state.id, { ...state, phase: "skipped" });
    }
    this.tell();
  }

  private change(state: StepState): void {
    this.states.set(state.id, state);
    this.tell();
  }

  private tell(): void {
    this.options.onChange?.([...this.states.values()]);
  }
}

/** A step's output: all of it in a file, the end of it at hand. */
class StepLog {
  readonly path: string;
  readonly tail: string[] = [];
  private readonly world: World;
  private held: string[] = [];
  private failure: Error | null = null;

  constructor(world: World, path: string) {
    this.world = world;
    this.path = path;
    world.files.write(path, "");
  }

  add(line: string): void {
    this.tail.push(line);
    if (this.tail.length > TAIL_LINES) this.tail.shift();
    this.held.push(line);
    // lines that arrived together are written together
    if (this.held.length === 1) queueMicrotask(() => this.write());
  }

  /** Writes what is held. Errors: PROJECT_FILE, also of a write before, which had nobody to tell. */
  finish(): void {
    this.write();
    if (this.failure !== null) throw this.failure;
  }

  private write(): void {
    if (this.held.length === 0 || this.failure !== null) return;
    try {
      this.world.files.append(this.path, `${this.held.join("\n")}\n`);
    } catch (error) {
      this.failure = error as Error;
    }
    this.held = [];
  }
}

/** The runner's last line, without its prefix; undefined when it did not come so far. */
function lastWords(tail: readonly string[]): string | undefined {
  const line = tail.findLast((line) => line.startsWith('kfk: step "'));
  return line?.replace(/^kfk: step "[^"]*": /, "");
}

/** The node named in the runner's last line. */
function findNode(tail: readonly string[]): string | undefined {
  const quoted = /^failed in node ("(?:[^"\\]|\\.)*")/.exec(lastWords(tail) ?? "")?.[1];
  return quoted === undefined ? undefined : (JSON.parse(quoted) as string);
}

function describeEnd(end: ChildEnd, tail: readonly string[]): string {
  if (end.signal === "SIGKILL") return "killed (SIGKILL), as when memory runs out";
  if (end.signal !== null) return `ended by ${end.signal}`;
  return lastWords(tail) ?? `ended with status ${end.code}`;
}

function endedBy(stop: Stop | null, killed: boolean): string {
  const how = killed ? ", killed after it did not end by itself" : "";
  if (stop === "timeout") return `ended: the time for the run was over${how}`;
  return `${stop}${how}`;
}
