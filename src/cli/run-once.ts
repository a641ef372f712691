import { resolve } from "node:path";
import type { Upload } from "../cluster/pipelines.ts";
import type { RunOrigin } from "../cluster/run-mark.ts";
import type { CreatedRun, RunRequest } from "../cluster/runs.ts";
import type { Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { isKfkError, isStop } from "../error.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import type { LocalFailure } from "../local/run.ts";
import type { Sources } from "../view/failure.ts";
import { printable } from "../terminal-text.ts";
import { type Interrupt, listen, stopAfterGrace, unlessAborted } from "./interrupt.ts";
import { checkFolder, idNotWritten, writeRunId } from "./output.ts";
import { MERGE_OPTION, PARAM_OPTION, PARAMS_FILE_OPTION, PIPELINE_OPTIONS } from "./options.ts";
import type { Call, Verb } from "./verb.ts";
import { leave, readLimits, WAIT_OPTIONS, waitAndTell, type WaitLimits } from "./wait.ts";

export const runOnce: Verb = {
  name: "run-once",
  summary: "Run the pipeline once, on the cluster or here",
  details:
    "With --wait the exit status is the run's: 0 succeeded, 1 failed, 124 still running after --timeout. " +
    "With --local each step is a process on this machine.",
  options: {
    ...PIPELINE_OPTIONS,
    image: { type: "string", alias: ["i"], valueHint: "NAME:TAG", description: "Image that holds the project" },
    local: { type: "boolean", description: "Run the steps on this machine" },
    wait: {
      type: "boolean",
      alias: ["wait-for-completion"],
      description: "Wait for the end and give its status",
      negativeDescription: "Do not wait, whatever kubeflow.yaml says",
    },
    ...WAIT_OPTIONS,
    "experiment-name": { type: "string", alias: ["x"], valueHint: "NAME", description: "Experiment of the run" },
    "run-name": { type: "string", valueHint: "NAME", description: "Name of the run" },
    "run-id-file": { type: "string", valueHint: "FILE", description: "Also write the run's id here" },
    ...MERGE_OPTION,
    ...PARAM_OPTION,
    ...PARAMS_FILE_OPTION,
    "require-clean": { type: "boolean", description: "Refuse a project with changes that are not committed" },
  },
  examples: ["kfk run-once --wait", "kfk run-once --local", "kfk run-once --param test_size=0.3 --wait --timeout 2h"],
  run: async (call) => {
    const limits = readLimits(call);
    return call.options.flag("local") ? await runHere(call, limits.timeoutMs) : await runThere(call, limits);
  },
};

/** Everything that a run on a cluster needs; where it comes from is no matter. */
export interface Submission {
  readonly kubeflow: KubeflowConfig | undefined;
  readonly hooks?: ProjectHooks;
  readonly document: Upload;
  readonly experiment: string;
  readonly runName: string;
  readonly parameters: RunRequest["parameters"];
  readonly origin: RunOrigin;
  /** null: not waited for. */
  readonly wait: WaitLimits | null;
  readonly sources: Sources;
}

/**
 * Uploads what the server does not have, starts the run, tells its id, and waits when asked.
 *
 * Errors: SERVER_*, RUN_*; INTERRUPTED, TERMINATED when a signal came.
 */
export async function submitRun(call: Call, submission: Submission): Promise<number> {
  const interrupt = listen(call.world);
  try {
    return await submit({ ...call, stop: interrupt.signal }, submission, interrupt);
  } finally {
    interrupt.close();
  }
}

// --- internal ---

async function submit(call: Call, submission: Submission, interrupt: Interrupt): Promise<number> {
  const [{ checkRun }, { checkExperimentName }] = await Promise.all([
    import("../cluster/runs.ts"),
    import("../cluster/experiments.ts"),
  ]);
  // refused after the upload it would leave a version behind, made for a run that is not there
  checkExperimentName(submission.experiment);
  checkRun({ name: submission.runName, parameters: submission.parameters });
  const idFile = openIdFile(call);
  try {
    return await submitChecked(call, submission, interrupt, idFile);
  } catch (error) {
    idFile?.undo();
    throw error;
  }
}

async function submitChecked(
  call: Call,
  submission: Submission,
  interrupt: Interrupt,
  idFile: IdFile | undefined,
): Promise<number> {
  const [{ connectServer }, pipelines, experiments] = await Promise.all([
    import("./server.ts"),
    import("../cluster/pipelines.ts"),
    import("../cluster/experiments.ts"),
  ]);
  const soFar = async <T>(work: Promise<T>): Promise<T> => await interrupt.during(work, NOT_BEGUN);
  const server = await soFar(connectServer(call, submission.kubeflow, submission.hooks));
  const uploaded = await soFar(pipelines.uploadPipeline(server, submission.document));
  const name = printable(uploaded.pipelineName);
  if (uploaded.pipelineName !== submission.document.name) call.say(`continues the pipeline ${name}`);
  if (uploaded.made !== "unchanged") call.say(`uploaded ${name}, version ${printable(uploaded.versionName)}`);
  const experiment = await soFar(experiments.ensureExperiment(server, submission.experiment));
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${printable(experiment.name)}`);
  const { wait, sources } = submission;
  const asked: RunRequest = {
    name: submission.runName,
    experimentId: experiment.id,
    source: { versionId: uploaded.versionId },
    parameters: submission.parameters,
    origin: submission.origin,
  };
  const { id, workflow, isDoubled } = await start(call, server, interrupt, idFile, asked, wait !== null);
  if (wait === null) return 0;
  return await waitAndTell(call, server, id, {
    ...wait,
    seen: true,
    workflow,
    isDoubled,
    interrupt,
    sources: () => Promise.resolve(sources),
  });
}

const NOT_BEGUN = "stopped before a run was started";

async function runHere(call: Call, timeoutMs: number): Promise<number> {
  const [{ openProject }, { planForHere }, { findPython }, { runWithExtras }, { showProgress }, ends] =
    await Promise.all([
      import("./open.ts"),
      import("./plan.ts"),
      import("../local/python.ts"),
      import("../local/around.ts"),
      import("../view/progress.ts"),
      import("./local-end.ts"),
    ]);
  const { world, options } = call;
  const read = await openProject(call);
  const plan = await read.hooks.steps(planForHere(call, read));
  call.warn([...read.model.warnings, ...plan.warnings]);
  const extra = await read.hooks.extraSteps(plan);
  const left = extra.filter((step) => !step.local).map(({ id }) => id);
  if (left.length > 0)
    call.warn([{ message: `steps of the hook extraSteps do not run with --local: ${left.join(", ")}` }]);
  const python = await findPython(world, read.facts.root, options.text("python"), read.facts.kedro.version);
  call.warn(python.warnings);
  const startedMs = world.clock.monotonicMs();
  const progress = showProgress(world, call.colour);
  const exitFailures: LocalFailure[] = [];
  const stop = (): void => {
    progress.stop();
    for (const failure of exitFailures.splice(0)) ends.tellExitFailure(call, failure);
  };
  call.say(
    `running ${plan.steps.length} ${plan.steps.length === 1 ? "step" : "steps"} here with ${python.python} (Kedro ${python.kedroVersion})`,
  );
  try {
    const result = await runWithExtras(
      world,
      plan,
      extra.filter(({ local }) => local === true),
      {
        project: read.facts.root,
        python: python.python,
        runId: world.newId(),
        timeoutMs,
        // the live view would draw over what is said now
        onExitFailure: (failure) => void exitFailures.push(failure),
        ...(call.isQuiet ? {} : { onChange: progress.update }),
      },
    );
    stop();
    return ends.tellLocalEnd(call, plan, result, world.clock.monotonicMs() - startedMs);
  } finally {
    stop();
  }
}

async function runThere(call: Call, limits: WaitLimits): Promise<number> {
  const [
    { openProject },
    { givenForRun },
    { compileProject },
    { checkDocument, checkValues },
    { findCommit, nameCommit, requireClean },
    { formerNames, sourcesOf },
    { formatRunName },
    { givenTexts },
  ] = await Promise.all([
    import("./open.ts"),
    import("./run-parameters.ts"),
    import("./fit.ts"),
    import("../cluster/check-document.ts"),
    import("./commit.ts"),
    import("./find-run.ts"),
    import("../config/run-name.ts"),
    import("./plan.ts"),
  ]);
  const { world, options } = call;
  const read = await openProject(call);
  // the document keeps its defaults, so that runs with other values share one version
  const { plan, document } = await compileProject(call, read, new Map());
  const { text } = document;
  const parameters = givenForRun(call, read, plan);
  checkValues(checkDocument(text, world.parseYamlFast), parameters);
  call.warn([...read.model.warnings, ...plan.warnings]);
  const commit = await findCommit(world, read.facts.root);
  if (options.flag("require-clean") === true) requireClean(commit);
  else if (commit?.isClean === false) {
    call.say(`the project has changes that commit ${commit.id.slice(0, 12)} does not hold`);
  }
  const kubeflow = read.configuration.kubeflow();
  const { project } = read.model;
  const named = kubeflow?.run.runName ?? null;
  return await submitRun(call, {
    kubeflow,
    hooks: read.hooks,
    document: {
      name: plan.name,
      formerNames: formerNames(read, plan.pipeline),
      text,
      description: plan.description ?? undefined,
      commit: nameCommit(commit),
      purpose: "run",
    },
    experiment:
      world.env["KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME"] ||
      (options.text("experiment-name") ?? kubeflow?.run.experimentName) ||
      world.env["KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"] ||
      project.name,
    runName: options.text("run-name") ?? (named === null ? plan.name : formatRunName(named, givenTexts(call, read))),
    parameters,
    origin: { project: project.name, env: project.env, commit: nameCommit(commit) },
    wait: (options.flag("wait") ?? kubeflow?.run.waitForCompletion ?? false) ? limits : null,
    sources: sourcesOf(read),
  });
}

/** How long a run whose creation was given up is looked for then. */
const LOOK_MS = 4000;

/**
 * Starts the run and tells its id: on stdout, in `--run-id-file`, and with its link on stderr. The id is told as well
 * when the run may exist and the answer was lost.
 *
 * Errors: those of `createRun`; SERVER_OUTCOME when nobody waits and the id could not be written; INTERRUPTED,
 * TERMINATED when a signal came meanwhile.
 */
async function start(
  call: Call,
  linked: Server,
  interrupt: Interrupt,
  idFile: IdFile | undefined,
  asked: RunRequest,
  isWaitedFor: boolean,
): Promise<CreatedRun> {
  const [runs, { describeDouble }, { linkTo }] = await Promise.all([
    import("../cluster/runs.ts"),
    import("../cluster/reporters.ts"),
    import("../cluster/server.ts"),
  ]);
  if (interrupt.came()) {
    idFile?.undo();
    throw interrupt.error(NOT_BEGUN);
  }
  // what was sent is not given up by the first signal: its answer says what there is
  const server = { ...linked, signal: interrupt.again };
  const wanted = { ...asked, id: call.world.newId() };
  let isTold = false;
  let isWritten = false;
  const tell = (known: string): void => {
    isTold = true;
    isWritten = writeRunId(call, known, idFile?.write);
  };
  const stop = stopAfterGrace(call.world, interrupt);
  try {
    const creation = runs.createRun(server, { ...wanted, signal: stop.signal });
    const run = await unlessAborted(creation, stop.signal).catch((error: unknown) => {
      if (isStop(error)) throw interrupt.error(NOT_BEGUN); // it ended a login, before anything was sent
      if (isKfkError(error) || !stop.signal.aborted) throw error;
      return undefined;
    });
    const found = run ?? (interrupt.again.aborted ? undefined : await runs.findStartedRun(server, wanted, LOOK_MS));
    if (found === undefined) {
      if (server.keepsRunId) tell(wanted.id);
      const known = server.keepsRunId ? `run ${wanted.id}` : `run "${printable(wanted.name)}"`;
      const next = call.options.flag("cancel-on-interrupt") === true ? "cancel" : "wait";
      throw interrupt.error(
        `stopped before the server answered; the ${known} may have been started`,
        server.keepsRunId
          ? `kfk ${next} ${wanted.id}`
          : `look for it at ${linkTo(server, { page: "experiment", id: wanted.experimentId })}`,
      );
    }
    tell(found.id);
    call.say(`started ${printable(found.name)}: ${linkTo(server, { page: "run", id: found.id })}`);
    if (found.isDoubled) call.warn([describeDouble(server, found.id)]);
    if (interrupt.came()) {
      throw await leave(call, server, found.id, interrupt, `stopped; the run ${found.id} was started and goes on`);
    }
    if (!isWritten && !isWaitedFor) throw idNotWritten(found.id);
    return found;
  } catch (error) {
    if (!isTold && isKfkError(error, "SERVER_OUTCOME") && server.keepsRunId) tell(wanted.id);
    throw error;
  } finally {
    stop.done();
  }
}

interface IdFile {
  readonly write: (line: string) => void;
  /** Where no run was told, a file that was not there before is not there after. */
  readonly undo: () => void;
}

/**
 * `--run-id-file`, tried out before there is a run: what is in it stays until there is an id. Errors: PROJECT_FILE when
 * it cannot be written.
 */
function openIdFile(call: Call): IdFile | undefined {
  const { world, options } = call;
  const { files } = world;
  const asked = options.text("run-id-file");
  if (asked === undefined) return undefined;
  checkFolder(call, "--run-id-file", asked);
  const path = resolve(world.cwd, asked);
  const before = files.kind(path) === "file" ? files.readBytes(path) : undefined;
  files.write(path, before ?? "");
  let isTold = false;
  return {
    write: (line) => {
      isTold = true;
      files.write(path, line);
    },
    undo: () => {
      // a device or a pipe is no file, and stays
      if (!isTold && before === undefined && files.kind(path) === "file") files.remove(path);
    },
  };
}
