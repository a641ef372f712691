import { MERGE_OPTION, PARAM_OPTION, parseDuration, PIPELINE_OPTIONS } from "./options.ts";
import type { Call, Verb } from "./verb.ts";
import { WAIT_OPTIONS, waitAndTell } from "./wait.ts";

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
  },
  examples: ["kfk run-once --wait", "kfk run-once --local", "kfk run-once --param test_size=0.3 --wait --timeout 2h"],
  run: async (call) => {
    const timeoutMs = parseDuration("timeout", call.options.text("timeout") ?? "86400");
    return call.options.flag("local") ? await runHere(call, timeoutMs) : await runThere(call);
  },
};

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

async function runThere(call: Call): Promise<number> {
  const [
    { openProject },
    { runParameters },
    { compileProject },
    { connectServer },
    pipelines,
    runs,
    experiments,
    { linkTo },
  ] = await Promise.all([
    import("./open.ts"),
    import("./plan.ts"),
    import("./fit.ts"),
    import("./server.ts"),
    import("../cluster/pipelines.ts"),
    import("../cluster/runs.ts"),
    import("../cluster/experiments.ts"),
    import("../cluster/server.ts"),
  ]);
  const { world, options } = call;
  const read = await openProject(call);
  // the document keeps its defaults, so that runs with other values share one version
  const { plan, document } = await compileProject(call, read, new Map());
  const parameters = runParameters(call, read, plan);
  call.warn([...read.model.warnings, ...plan.warnings]);
  const kubeflow = read.configuration.kubeflow();
  const server = await connectServer(call, kubeflow, read.hooks);
  const uploaded = await pipelines.uploadPipeline(server, {
    name: plan.name,
    text: document.text,
    description: plan.description ?? undefined,
  });
  const experiment = await experiments.ensureExperiment(
    server,
    options.text("experiment-name") ?? kubeflow?.run.experimentName ?? read.model.project.name,
  );
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${experiment.name}`);
  const run = await runs.createRun(server, {
    name: options.text("run-name") ?? kubeflow?.run.runName ?? plan.name,
    experimentId: experiment.id,
    source: { versionId: uploaded.versionId },
    parameters,
  });
  world.out.write(`${run.id}\n`);
  const { resolve } = await import("node:path");
  const file = options.text("run-id-file");
  if (file !== undefined) world.files.write(resolve(world.cwd, file), `${run.id}\n`);
  call.say(`started ${run.name}: ${linkTo(server, { page: "run", id: run.id })}`);
  const isWaiting = options.flag("wait") ?? kubeflow?.run.waitForCompletion ?? false;
  return isWaiting ? await waitAndTell(call, server, run.id, true) : 0;
}
