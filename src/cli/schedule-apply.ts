/**
 * Project and options → the schedule that is wanted → the server has it.
 *
 * The project is compiled as for an upload, with the defaults of its parameters, to find which uploaded version it is;
 * `--param` then gives values, typed as the defaults are. Refuses when nothing was uploaded.
 */
import { ensureExperiment } from "../cluster/experiments.ts";
import { applySchedule } from "../cluster/schedules.ts";
import type { Cron } from "../cluster/cron.ts";
import { findUploaded, type UploadedPipeline } from "../cluster/uploaded.ts";
import { KfkError } from "../error.ts";
import { compileProject } from "./fit.ts";
import { formerNames } from "./find-run.ts";
import { openProject } from "./open.ts";
import { runParameters } from "./plan.ts";
import { readTimes, tellTimes } from "./schedule-times.ts";
import { connectServer } from "./server.ts";
import type { Call } from "./verb.ts";

/** `kfk schedule -c …`. Errors: USAGE_VALUE, SCHEDULE_PIPELINE, those of reading, compiling and `applySchedule`. */
export async function applyFromProject(call: Call): Promise<number> {
  const { world, options } = call;
  const times = readTimes(call);
  const concurrency = readConcurrency(options.text("concurrency") ?? "1");
  const read = await openProject(call);
  const { plan, document } = await compileProject(call, read, new Map());
  const parameters = runParameters(call, read, plan);
  call.warn([...read.model.warnings, ...plan.warnings]);
  const kubeflow = read.configuration.kubeflow();
  const server = await connectServer(call, kubeflow, read.hooks);
  const uploaded = await findUploaded(server, [plan.name, ...formerNames(read, plan.pipeline)], document.text);
  if (uploaded === undefined) throw nothingUploaded(plan.name, call);
  tellVersion(call, uploaded);
  const experiment = await ensureExperiment(
    server,
    options.text("experiment-name") ?? kubeflow?.run.experimentName ?? read.model.project.name,
  );
  if (experiment.made !== "found") call.say(`${experiment.made} the experiment ${experiment.name}`);
  const name = kubeflow?.run.scheduledRunName ?? plan.name;
  const applied = await applySchedule(server, {
    name,
    experimentId: experiment.id,
    pipelineId: uploaded.pipelineId,
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
  });
  tell(call, name, applied, times.cron);
  call.say(`${server.ui}/#/recurringrun/details/${encodeURIComponent(applied.id)}`);
  tellTimes(call, times);
  const shown = { name, ...applied, cron: times.cron.expression, pipeline: uploaded.pipelineName };
  const json = { ...shown, versionId: uploaded.versionId, versionName: uploaded.versionName };
  world.out.write(options.text("output") === "json" ? `${JSON.stringify(json)}\n` : `${applied.id}\n`);
  return 0;
}

// --- internal ---

function readConcurrency(text: string): number {
  if (/^([1-9]|10)$/.test(text)) return Number(text);
  throw new KfkError("USAGE_VALUE", `--concurrency is 1 to 10, and this is "${text}"`, {
    hint: "servers take no other number",
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

function tell(call: Call, name: string, applied: Awaited<ReturnType<typeof applySchedule>>, cron: Cron): void {
  const said = {
    created: `scheduled ${name}: ${cron.expression}`,
    replaced: `scheduled ${name} anew: ${cron.expression}`,
    resumed: `resumed ${name}: ${cron.expression}`,
    unchanged: `unchanged: ${name} has these settings already`,
  }[applied.made];
  call.say(said);
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

function nothingUploaded(name: string, call: Call): KfkError {
  const words = ["pipeline", "env", "image"].flatMap((option) => {
    const value = call.options.text(option);
    return value === undefined || value === "__default__" ? [] : [` --${option} ${value}`];
  });
  return new KfkError("SCHEDULE_PIPELINE", `the server has no pipeline "${name}", so there is nothing to schedule`, {
    hint: `kfk upload-pipeline${words.join("")}`,
  });
}
