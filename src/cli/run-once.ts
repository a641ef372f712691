import { MERGE_OPTION, PARAM_OPTION, PIPELINE_OPTIONS } from "./options.ts";
import type { Upload } from "../cluster/pipelines.ts";
import type { RunOrigin, RunRequest } from "../cluster/runs.ts";
import type { Server } from "../cluster/server.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import type { ProjectHooks } from "../hooks/project.ts";
import type { Sources } from "../view/failure.ts";
import type { Call, Verb } from "./verb.ts";
import { readLimits, WAIT_OPTIONS, waitAndTell, type WaitLimits } from "./wait.ts";

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
    "params-file": { type: "string", valueHint: "FILE", description: "YAML or JSON with values of parameters" },
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

/** Uploads what the server does not have, starts the run, tells its id, and waits when asked. Errors: SERVER_*, RUN_*. */
export async function submitRun(call: Call, submission: Submission): Promise<number> {
  const [{ connectServer }, pipelines, experiments] = await Promise.all([
    import("./server.ts"),
    import("../cluster/pipelines.ts"),
    import("../cluster/experiments.ts"),
  ]);
  const server = await connectServer(call, submission.kubeflow, submission.hooks);
  const uploaded = await pipelines.uploadPipeline(server, submission.document);
  if (uploaded.pipelineName !== submission.document.name) call.say(`continues the pipeline ${uploaded.pipelineName}`);
  if (uploaded.made !== "unchanged") call.say(`uploaded ${uploaded.pipelineName}, version ${uploaded.versionName}`);
  const experiment = await experiments.ensureExperiment(server, submission.experiment);
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${experiment.name}`);
  const id = await start(call, server, {
    name: submission.runName,
    experimentId: experiment.id,
    source: { versionId: uploaded.versionId },
    parameters: submission.parameters,
    origin: submission.origin,
  });
  const { wait, sources } = submission;
  if (wait === null) return 0;
  return await waitAndTell(call, server, id, { ...wait, seen: true, sources: () => Promise.resolve(sources) });
}

// --- internal ---

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
  call.say(`running ${plan.steps.length} steps here with ${python.python} (Kedro ${python.kedroVersion})`);
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
        onExitFailure: (failure) => ends.tellExitFailure(call, failure),
        ...(call.isQuiet ? {} : { onChange: progress.update }),
      },
    );
    progress.stop();
    return ends.tellLocalEnd(call, plan, result, world.clock.monotonicMs() - startedMs);
  } finally {
    progress.stop();
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
  ] = await Promise.all([
    import("./open.ts"),
    import("./run-parameters.ts"),
    import("./fit.ts"),
    import("../cluster/check-document.ts"),
    import("./commit.ts"),
    import("./find-run.ts"),
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
  return await submitRun(call, {
    kubeflow,
    hooks: read.hooks,
    document: {
      name: plan.name,
      formerNames: formerNames(read, plan.pipeline),
      text,
      description: plan.description ?? undefined,
      commit: nameCommit(commit),
    },
    experiment:
      world.env["KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME"] ||
      (options.text("experiment-name") ?? kubeflow?.run.experimentName) ||
      world.env["KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"] ||
      project.name,
    runName: options.text("run-name") ?? kubeflow?.run.runName ?? plan.name,
    parameters,
    origin: { project: project.name, env: project.env, commit: nameCommit(commit) },
    wait: (options.flag("wait") ?? kubeflow?.run.waitForCompletion ?? false) ? limits : null,
    sources: sourcesOf(read),
  });
}

/** How long an answer is waited for after a signal. */
const GRACE_MS = 5000;

/**
 * Starts the run and tells its id: on stdout, in `--run-id-file`, and with its link on stderr. The id is told as well
 * when the run may exist and the answer was lost.
 *
 * Errors: those of `createRun`; INTERRUPTED, TERMINATED when a signal came meanwhile.
 */
async function start(call: Call, server: Server, wanted: RunRequest): Promise<string> {
  const [{ createRun }, { linkTo }, { isKfkError, KfkError }, { resolve }] = await Promise.all([
    import("../cluster/runs.ts"),
    import("../cluster/server.ts"),
    import("../error.ts"),
    import("node:path"),
  ]);
  const { world, options } = call;
  const id = world.newId();
  const asked = options.text("run-id-file");
  const file = asked === undefined ? undefined : resolve(world.cwd, asked);
  if (file !== undefined) world.files.write(file, ""); // a file that cannot be written stops here, before there is a run
  const tell = (known: string): void => {
    const places = [
      () => file !== undefined && world.files.write(file, `${known}\n`),
      () => world.out.write(`${known}\n`),
    ];
    for (const write of places) {
      try {
        write();
      } catch (error) {
        if (!isKfkError(error)) throw error;
        world.err.write(`warning: the run is ${known}; ${error.message}\n`); // it is there, and it is waited for
      }
    }
  };
  let signal: string | undefined;
  const stop = new AbortController();
  const done = new AbortController();
  const unlisten = world.onSignal((name) => {
    signal ??= name;
    void world.clock.sleep(GRACE_MS, done.signal).then(() => {
      if (!done.signal.aborted) stop.abort();
    });
  });
  const interrupted = (message: string): InstanceType<typeof KfkError> =>
    new KfkError(signal === "SIGINT" ? "INTERRUPTED" : "TERMINATED", message, { hint: `kfk wait ${id}` });
  try {
    const late = new Promise<never>((_, reject) => {
      stop.signal.addEventListener("abort", () => {
        if (server.keepsRunId) tell(id);
        reject(interrupted(`stopped before the server answered; the run ${id} may have been started`));
      });
    });
    const run = await Promise.race([createRun(server, { ...wanted, id, signal: stop.signal }), late]);
    tell(run.id);
    call.say(`started ${run.name}: ${linkTo(server, { page: "run", id: run.id })}`);
    if (signal !== undefined) throw interrupted(`stopped; the run ${run.id} was started and goes on`);
    return run.id;
  } catch (error) {
    if (isKfkError(error, "SERVER_OUTCOME") && server.keepsRunId) tell(id);
    throw error;
  } finally {
    done.abort();
    unlisten();
  }
}
