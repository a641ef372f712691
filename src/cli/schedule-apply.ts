/**
 * Project and options → the schedule that is wanted → the server has it.
 *
 * The project is compiled as for an upload, with the defaults of its parameters, to find which uploaded version it is;
 * `--param` then gives values, typed as the defaults are. Refuses when nothing was uploaded, and when the project's own
 * version is not the newest upload. With `--version-name` nothing is compiled unless there are values to type.
 */
import { checkExperimentName, ensureExperiment } from "../cluster/experiments.ts";
import { type Schedule, scheduleApi } from "../cluster/schedule-api.ts";
import { checkSettings, isOurs, type WantedSchedule } from "../cluster/schedule-identity.ts";
import { type Applied, applySchedule, describeStage, type Stage } from "../cluster/schedules.ts";
import type { Cron } from "../cluster/cron.ts";
import type { Server } from "../cluster/server.ts";
import { chooseUpload, findPipelines, type KnownPipeline } from "../cluster/uploaded.ts";
import type { MarkedVersion } from "../cluster/version-mark.ts";
import { isKfkError, isStop, KfkError, suggest } from "../error.ts";
import { shellWord } from "../terminal-text.ts";
import { compileProject } from "./fit.ts";
import { formerNames } from "./find-run.ts";
import { type Interrupt, listen } from "./interrupt.ts";
import { type OpenProject, openProject } from "./open.ts";
import { writeJson } from "./output.ts";
import { givenTexts, runParameters } from "./plan.ts";
import { serverName } from "./read.ts";
import { scheduleName } from "./schedule-name.ts";
import { readTimes, tellTimes } from "./schedule-times.ts";
import { connectServer } from "./server.ts";
import type { Call } from "./verb.ts";

/** `kfk schedule -c …`. Errors: USAGE_VALUE, SCHEDULE_PIPELINE, those of reading, compiling and `applySchedule`. */
export async function applyFromProject(call: Call): Promise<number> {
  const interrupt = listen(call.world);
  try {
    return await apply({ ...call, stop: interrupt.signal }, interrupt);
  } finally {
    interrupt.close();
  }
}

// --- internal ---

async function apply(call: Call, interrupt: Interrupt): Promise<number> {
  const { world, options } = call;
  const times = readTimes(call);
  const concurrency = readConcurrency(options.text("concurrency") ?? "1");
  const read = await openProject(call);
  const versionName = options.text("version-name");
  const hasValues = options.list("param").length > 0;
  const compiled = versionName === undefined || hasValues ? await compileForSchedule(call, read) : undefined;
  const kubeflow = read.configuration.kubeflow();
  const experimentName = options.text("experiment-name") ?? kubeflow?.run.experimentName ?? read.model.project.name;
  const pipeline = options.text("pipeline") ?? "__default__";
  const pipelineName = serverName(read, pipeline);
  const parameters = compiled?.parameters ?? [];
  const name = scheduleName(kubeflow, pipelineName, () => givenTexts(call, read));
  checkExperimentName(experimentName);
  checkSettings({ name, settings: { parameters } });
  const soFar = async <T>(work: Promise<T>): Promise<T> =>
    await interrupt.during(work, "stopped; no schedule was changed", AGAIN);
  const server = await soFar(connectServer(call, kubeflow, read.hooks));
  const known = await soFar(findPipelines(server, [pipelineName, ...formerNames(read, pipeline)]));
  const { uploaded, version, isSame } =
    versionName === undefined
      ? chooseVersion(call, pipelineName, known, compiled?.text ?? "")
      : findVersion(pipelineName, known, versionName);
  // what was compiled here was looked at
  if (!isSame) checkDeclared(parameters, version);
  const experiment = await soFar(ensureExperiment(server, experimentName));
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${experiment.name}`);
  const wanted: WantedSchedule = {
    name,
    experimentId: experiment.id,
    pipelineId: uploaded.pipelineId,
    formerIds: uploaded.formerIds,
    versionIds: uploaded.versionIds,
    settings: {
      versionId: version.id,
      cron: times.cron.expression,
      start: times.start,
      end: times.end,
      concurrency,
      catchup: options.flag("catchup") ?? true,
      parameters,
    },
  };
  const applied = await applyOrStop(server, wanted, interrupt);
  tell(call, name, applied, times.cron);
  tellBeside(call, name, applied);
  await interrupt.during(tellOthers(call, server, name, uploaded), `stopped; ${applied.id} is enabled, and no other`);
  call.say(`${server.ui}/#/recurringrun/details/${encodeURIComponent(applied.id)}`);
  tellTimes(call, times);
  const shown = { name, ...applied, cron: times.cron.expression, pipeline: uploaded.pipelineName };
  const json = { ...shown, versionId: version.id, versionName: version.name };
  if (options.text("output") === "json") writeJson(world, json);
  else world.out.write(`${applied.id}\n`);
  return 0;
}

interface Compiled {
  readonly text: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

async function compileForSchedule(call: Call, read: OpenProject): Promise<Compiled> {
  const { plan, document } = await compileProject(call, read, new Map());
  const parameters = runParameters(call, read, plan);
  call.warn([...read.model.warnings, ...plan.warnings]);
  return { text: document.text, parameters };
}

interface Chosen {
  readonly uploaded: KnownPipeline;
  readonly version: MarkedVersion;
  /** True when it is the project as it is here. */
  readonly isSame: boolean;
}

/** Errors: SCHEDULE_PIPELINE when nothing was uploaded, or something else later than the project as it is here. */
function chooseVersion(call: Call, name: string, known: readonly KnownPipeline[], text: string): Chosen {
  for (const uploaded of known) {
    const choice = chooseUpload(uploaded, text);
    if (choice === undefined) continue;
    if (choice.kind === "older") throw notNewest(uploaded.pipelineName, choice.own, choice.newer);
    if (choice.kind === "other") tellOther(call, uploaded.pipelineName, choice.version);
    return { uploaded, version: choice.version, isSame: choice.kind === "same" };
  }
  throw nothingUploaded(name, call, known.length > 0);
}

/** Errors: SCHEDULE_PIPELINE. */
function findVersion(name: string, known: readonly KnownPipeline[], versionName: string): Chosen {
  for (const uploaded of known) {
    const version = uploaded.versions.find((each) => each.name === versionName);
    if (version !== undefined) return { uploaded, version, isSame: false };
  }
  throw noVersion(name, known, versionName);
}

/** Errors: those of `applySchedule`; INTERRUPTED, TERMINATED with what holds on the server when a signal came. */
async function applyOrStop(server: Server, wanted: WantedSchedule, interrupt: Interrupt): Promise<Applied> {
  let stage: Stage = { at: "untouched" };
  const message = (): string => `stopped; ${describeStage(stage)}`;
  const stopped = (): KfkError => interrupt.error(message(), AGAIN);
  // a program that is asked for a login ends with the signal: what has begun asks it once more
  const { login: ask } = server;
  const login: Server["login"] =
    ask &&
    (async (again) => {
      try {
        return await ask(again);
      } catch (error) {
        if (!interrupt.came() || stage.at === "untouched" || !isStop(error)) throw error;
        return await ask(again);
      }
    });
  const work = async (signal: AbortSignal): Promise<Applied> =>
    await applySchedule({ ...server, login, signal }, wanted, (next) => {
      // "made" is told when it is done, every other step before it is taken
      if (signal.aborted && next.at !== "made" && next.at !== "done") throw stopped();
      stage = next;
      if (interrupt.came() && (next.at === "untouched" || next.at === "made")) throw stopped();
    });
  try {
    const applied = await interrupt.toItsEnd(work, message, AGAIN);
    if (interrupt.came()) throw stopped();
    return applied;
  } catch (error) {
    throw interrupt.came() && isStop(error) ? stopped() : error;
  }
}

const AGAIN = "give the same command again: it goes on from what the server has";

function readConcurrency(text: string): number {
  if (/^([1-9]|10)$/.test(text)) return Number(text);
  throw new KfkError("USAGE_VALUE", `--concurrency is 1 to 10, and this is "${text}"`, {
    hint: "servers take no other number",
  });
}

/** Servers refuse what the version does not declare, in words that name nothing. Errors: STEP_PARAMETER. */
function checkDeclared(parameters: Compiled["parameters"], { name: versionName, declared }: MarkedVersion): void {
  if (declared.length === 0) return; // of a version that tells none nothing is known
  const open = parameters.find(({ name }) => !declared.includes(name));
  if (open === undefined) return;
  const near = suggest(open.name, declared);
  const message = `the version ${versionName}, which is scheduled, has no parameter "${open.name}"`;
  const has = near === undefined ? `it has ${declared.join(", ")}` : `did you mean ${near}?`;
  throw new KfkError("STEP_PARAMETER", message, {
    hint: `${has}; to schedule the project as it is here, give kfk upload-pipeline first`,
  });
}

function tellOther(call: Call, pipelineName: string, version: MarkedVersion): void {
  call.warn([
    {
      message: `the project as it is here was not uploaded: the newest version of ${pipelineName} is scheduled, ${version.name}`,
      hint: "to schedule what is here, give kfk upload-pipeline first; what was uploaded with --image wants it here too",
    },
  ]);
}

function tell(call: Call, name: string, applied: Applied, cron: Cron): void {
  const said = {
    created: `scheduled ${name}: ${cron.expression}`,
    replaced: `scheduled ${name} anew: ${cron.expression}`,
    unchanged: `unchanged: ${name} has these settings already`,
  }[applied.made];
  call.say(said);
  if (applied.isMoved) call.say("the one before was in another experiment; there is one schedule of a name");
  if (applied.deleted.length > 0) call.say(`deleted the schedule before it: ${applied.deleted.join(", ")}`);
  for (const { id, reason } of applied.left) {
    call.warn([
      {
        message: `the schedule before it, ${id}, is disabled and still there: ${reason}`,
        hint: "the same command deletes it later",
      },
    ]);
  }
}

function tellBeside(call: Call, name: string, { beside }: Applied): void {
  for (const id of beside) {
    call.warn([
      {
        message: `another schedule of the name ${name}, ${id}, is enabled in another experiment and runs something else`,
        hint: `kfk schedule pause ${id}, or set run_config.scheduled_run_name to another name`,
      },
    ]);
  }
}

/** Under another name a schedule is another one: a name that holds a commit or a value leaves the one before behind. */
async function tellOthers(call: Call, server: Server, name: string, uploaded: KnownPipeline): Promise<void> {
  let others: readonly Schedule[];
  try {
    // v1beta1 lists them with their whole documents
    const all = await scheduleApi(server, server.keepsRunId ? "ir" : "argo").list(server);
    others = all.filter((each) => each.enabled && each.name !== name && isOurs({ ...uploaded, name: each.name }, each));
  } catch (error) {
    if (!isKfkError(error)) throw error; // what was asked for is done, and is told
    return call.warn([{ message: `whether the pipeline has other schedules is not known: ${error.message}` }]);
  }
  call.warn(
    others.map((each) => ({
      message: `${uploaded.pipelineName} has another enabled schedule, ${each.name} (${each.id}): both fire`,
      hint: `keep it, or remove it with kfk schedule rm ${each.id}; one name in run_config.scheduled_run_name is one schedule`,
    })),
  );
}

function nothingUploaded(name: string, call: Call, isForRuns: boolean): KfkError {
  const words = ["pipeline", "env", "image"].flatMap((option) => {
    const value = call.options.text(option);
    return value === undefined || value === "__default__" ? [] : [` --${option} ${value}`];
  });
  const problem = isForRuns
    ? `of the pipeline "${name}" the server has only what run-once made`
    : `the server has no pipeline "${name}"`;
  return new KfkError("SCHEDULE_PIPELINE", `${problem}, so there is nothing to schedule`, {
    hint: `kfk upload-pipeline${words.join("")}`,
  });
}

function notNewest(pipelineName: string, own: MarkedVersion, newer: MarkedVersion): KfkError {
  return new KfkError(
    "SCHEDULE_PIPELINE",
    `the project as it is here is version ${own.name} of ${pipelineName} (${own.createdAt}), and ${newer.name} ` +
      `(${newer.createdAt}) was uploaded after it`,
    {
      hint: `for the newer one give --image as it was uploaded with, or --version-name ${shellWord(newer.name)}`,
      notes: [
        {
          message:
            `for the older one: --version-name ${shellWord(own.name)}, or kfk upload-pipeline again, which makes what is ` +
            "here the newest",
        },
        { message: "nothing was changed" },
      ],
    },
  );
}

function noVersion(name: string, known: readonly KnownPipeline[], versionName: string): KfkError {
  const names = known.flatMap(({ uploads }) => uploads.map((each) => each.name));
  const near = suggest(versionName, names);
  const some = names.slice(0, SHOWN_NAMES).join(", ");
  const more = names.length > SHOWN_NAMES ? `, and ${names.length - SHOWN_NAMES} more` : "";
  const there = names.length === 0 ? "nothing was uploaded: kfk upload-pipeline" : `it has ${some}${more}`;
  return new KfkError("SCHEDULE_PIPELINE", `the pipeline "${name}" has no version "${versionName}"`, {
    hint: near === undefined ? there : `did you mean ${near}?`,
  });
}

const SHOWN_NAMES = 5;
