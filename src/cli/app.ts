/**
 * The table of verbs, and the way from argv to an exit status: parse, help, run, errors.
 */
import { KfkError } from "../error.ts";
import { renderError, renderWarning } from "../view/error.ts";
import { renderHelp, renderVerbHelp } from "../view/help.ts";
import type { World } from "../world.ts";
import { cancel } from "./cancel.ts";
import { compile } from "./compile.ts";
import { completion } from "./completion.ts";
import { config } from "./config.ts";
import { hooks } from "./hooks.ts";
import { init } from "./init.ts";
import { listPipelines } from "./list-pipelines.ts";
import { listRuns } from "./list-runs.ts";
import { logs } from "./logs.ts";
import { model } from "./model.ts";
import { GLOBAL_OPTIONS, parseCommandLine } from "./options.ts";
import { retry } from "./retry.ts";
import { runOnce } from "./run-once.ts";
import { schedule } from "./schedule.ts";
import { schema } from "./schema.ts";
import { status } from "./status.ts";
import { ui } from "./ui.ts";
import { uploadPipeline } from "./upload-pipeline.ts";
import type { Verb } from "./verb.ts";
import { version as versionVerb } from "./version.ts";
import { wait } from "./wait.ts";

export const VERBS: readonly Verb[] = [
  init,
  compile,
  model,
  runOnce,
  uploadPipeline,
  wait,
  status,
  logs,
  cancel,
  retry,
  listRuns,
  listPipelines,
  ui,
  schedule,
  config,
  hooks,
  schema,
  completion,
  versionVerb,
];

/** Runs a command line to its exit status; throws only what is a bug. */
export async function runCommandLine(
  world: World,
  argv: readonly string[],
  version: string,
  commit: string,
): Promise<number> {
  let colour = false;
  const endings: (() => Promise<void>)[] = [];
  try {
    const { verb, options, positionals } = await parseCommandLine(argv, VERBS);
    if (options.flag("help") === true || (verb === undefined && argv.length === 0)) {
      world.out.write(verb ? renderVerbHelp(verb, GLOBAL_OPTIONS) : renderHelp(VERBS, GLOBAL_OPTIONS));
      return 0;
    }
    colour = wantsColour(world, options.flag("color"));
    if (verb === undefined) throw new KfkError("USAGE_VERB", "no command", { hint: "see kfk --help for all commands" });
    const isQuiet = options.flag("quiet") === true;
    const status = await verb.run({
      world,
      options,
      positionals,
      verb: verb.name,
      atEnd: (work) => endings.push(work),
      version,
      commit,
      colour,
      isQuiet,
      say: (text) => {
        if (!isQuiet) world.err.write(`${text}\n`);
      },
      warn: (warnings) => {
        if (!isQuiet) for (const warning of warnings) world.err.write(renderWarning(warning, colour));
      },
    });
    await endAll(endings);
    return status;
  } catch (error) {
    await endAll(endings);
    if (!(error instanceof KfkError)) throw error;
    world.err.write(renderError(error, colour));
    return error.status;
  }
}

// --- internal ---

/** Each once, the last first. */
async function endAll(endings: (() => Promise<void>)[]): Promise<void> {
  for (let work = endings.pop(); work !== undefined; work = endings.pop()) await work();
}

function wantsColour(world: World, option: boolean | undefined): boolean {
  if (option !== undefined) return option;
  if ((world.env["NO_COLOR"] ?? "") !== "" || world.env["TERM"] === "dumb") return false;
  return world.err.isTerminal;
}
