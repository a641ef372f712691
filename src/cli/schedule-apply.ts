/**
 * Project and options → the schedule that is wanted → the server has it.
 *
 * The project is compiled as for an upload, with the defaults of its parameters, to find which uploaded version it is;
 * `--param` then gives values, typed as the defaults are. Refuses when nothing was uploaded.
 */
import { checkExperimentName, ensureExperiment } from "../cluster/experiments.ts";
import { type Schedule, scheduleApi } from "../cluster/schedule-api.ts";
import { checkSettings, isOurs, type WantedSchedule } from "../cluster/schedule-identity.ts";
import { type Applied, applySchedule, describeStage, type Stage } from "../cluster/schedules.ts";
import type { Cron } from "../cluster/cron.ts";
import type { Server } from "../cluster/server.ts";
import { findUploaded, type UploadedPipeline } from "../cluster/uploaded.ts";
import { isKfkError, isStop, KfkError, suggest } from "../error.ts";
import { compileProject } from "./fit.ts";
import { formerNames } from "./find-run.ts";
import { type Interrupt, listen } from "./interrupt.ts";
import { openProject } from "./open.ts";
import { writeJson } from "./output.ts";
import { runParameters } from "./plan.ts";
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
  const { plan, document } = await compileProject(call, read, new Map());
  const parameters = runParameters(call, read, plan);
  call.warn([...read.model.warnings, ...plan.warnings]);
  const kubeflow = read.configuration.kubeflow();
  const experimentName = options.text("experiment-name") ?? kubeflow?.run.experimentName ?? read.model.project.name;
  const name = kubeflow?.run.scheduledRunName ?? plan.name;
  checkExperimentName(experimentName);
  checkSettings({ name, settings: { parameters } });
  const soFar = async <T>(work: Promise<T>): Promise<T> =>
    await interrupt.during(work, "stopped; no schedule was changed", AGAIN);
  const server = await soFar(connectServer(call, kubeflow, read.hooks));
  const names = [plan.name, ...formerNames(read, plan.pipeline)];
  const uploaded = await soFar(findUploaded(server, names, document.text));
  if (uploaded === undefined) throw nothingUploaded(plan.name, call);
  tellVersion(call, uploaded);
  checkDeclared(parameters, uploaded);
  const experiment = await soFar(ensureExperiment(server, experimentName));
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${experiment.name}`);
  const wanted: WantedSchedule = {
    name,
    experimentId: experiment.id,
    pipelineId: uploaded.pipelineId,
    formerIds: uploaded.formerIds,
    versionIds: uploaded.versionIds,
    settings: {
      versionId: uploaded.versionId,
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
  const json = { ...shown, versionId: uploaded.versionId, versionName: uploaded.versionName };
  if (options.text("output") === "json") writeJson(world, json);
  else world.out.write(`${applied.id}\n`);
  return 0;
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
function checkDeclared(parameters: readonly { readonly name: string }[], uploaded: UploadedPipeline): void {
  const { declared, isSame, versionName } = uploaded;
  // what was compiled here was looked at; of a version that tells none nothing is known
  if (isSame || declared.length === 0) return;
  const open = parameters.find(({ name }) => !declared.includes(name));
  if (open === undefined) return;
  const near = suggest(open.name, declared);
  const message = `the version ${versionName}, which is scheduled, has no parameter "${open.name}"`;
  const has = near === undefined ? `it has ${declared.join(", ")}` : `did you mean ${near}?`;
  throw new KfkError("STEP_PARAMETER", message, {
    hint: `${has}; to schedule the project as it is here, give kfk upload-pipeline first`,
  });
}

function tellVersion(call: Call, uploaded: UploadedPipeline): void {
  const { pipelineName, versionName, isSame, newer } = uploaded;
  if (!isSame) {
    call.warn([
      {
        message: `the project as it is here was not uploaded: the newest version of ${pipelineName} is scheduled, ${versionName}`,
        hint: "to schedule what is here, give kfk upload-pipeline first",
      },
    ]);
  } else if (newer !== null) {
    call.warn([
      {
        message: `${pipelineName} has a newer version ${newer}; scheduled is ${versionName}, which is what the project is here`,
        hint: "to schedule the newer one, check its commit out",
      },
    ]);
  }
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
async function tellOthers(call: Call, server: Server, name: string, uploaded: UploadedPipeline): Promise<void> {
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

function nothingUploaded(name: string, call: Call): KfkError {
  const words = ["pipeline", "env", "image"].flatMap((option) => {
    const value = call.options.text(option);
    return value === undefined || value === "__default__" ? [] : [` --${option} ${value}`];
  });
  return new KfkError("SCHEDULE_PIPELINE", `the server has no pipeline "${name}", so there is nothing to schedule`, {
    hint: `kfk upload-pipeline${words.join("")}`,
  });
}
