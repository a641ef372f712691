/**
 * The table of verbs, and the way from argv to an exit status: parse, help, run, errors.
 */
import { KfkError } from "../error.ts";
import { makeRedactor, type Redactor, secretVariablesIn } from "../secrets.ts";
import { printable } from "../terminal-text.ts";
import { renderError, renderWarning, type Screen } from "../view/error.ts";
import { renderHelp, renderVerbHelp } from "../view/help.ts";
import type { World } from "../world.ts";
import { auth } from "./auth.ts";
import { cancel } from "./cancel.ts";
import { compile } from "./compile.ts";
import { completion } from "./completion.ts";
import { config } from "./config.ts";
import { doctor } from "./doctor.ts";
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
  auth,
  doctor,
  schema,
  completion,
  versionVerb,
];

/** Runs a command line to its exit status; throws only what is a bug. */
export async function runCommandLine(
  real: World,
  argv: readonly string[],
  version: string,
  commit: string,
): Promise<number> {
  const redactor = makeRedactor(real.env);
  const world = withRedactor(real, redactor);
  let colour = false;
  const screen = (): Screen | undefined =>
    real.err.isTerminal ? { columns: real.err.columns, clean: redactor.forPeople } : undefined;
  let project: string | undefined;
  let isQuiet = false;
  const endings: (() => Promise<void>)[] = [];
  try {
    const { verb, options, positionals } = await parseCommandLine(argv, VERBS);
    if (options.flag("help") === true || (verb === undefined && argv.length === 0)) {
      world.out.write(verb ? renderVerbHelp(verb, GLOBAL_OPTIONS) : renderHelp(VERBS, GLOBAL_OPTIONS));
      return 0;
    }
    colour = wantsColour(world, options.flag("color"));
    project = options.text("project");
    if (verb === undefined) throw new KfkError("USAGE_VERB", "no command", { hint: "see kfk --help for all commands" });
    isQuiet = options.flag("quiet") === true;
    const isVerbose = options.flag("verbose") === true;
    const status = await verb.run({
      world: isVerbose ? { ...world, env: { ...world.env, KFK_DEBUG: "api" } } : world,
      options,
      positionals,
      verb: verb.name,
      atEnd: (work) => endings.push(work),
      hide: redactor.hide,
      version,
      commit,
      colour,
      isQuiet,
      say: (text) => {
        if (!isQuiet) world.err.write(`${printable(text)}\n`);
      },
      warn: (warnings) => {
        if (!isQuiet) for (const warning of warnings) world.err.write(renderWarning(warning, colour, screen()));
      },
    });
    await endAll(endings);
    if (!isQuiet) tellOfWords(real, redactor, colour, screen());
    return status;
  } catch (error) {
    await endAll(endings);
    if (!(error instanceof KfkError)) {
      if (error instanceof Error && error.stack !== undefined) error.stack = redactor.forPeople(error.stack);
      throw error;
    }
    const { withoutForeignLines } = await import("./linked.ts");
    world.err.write(renderError(withoutForeignLines(error, world, project), colour, screen()));
    if (!isQuiet) tellOfWords(real, redactor, colour, screen());
    return error.status;
  }
}

// --- internal ---

/** Nothing reaches a stream but through the redactor; what the terminal is like is asked when it is needed. */
function withRedactor(world: World, redactor: Redactor): World {
  const { out, err } = world;
  return {
    ...world,
    secrets: {
      hide: redactor.hide,
      redact: redactor.forData,
      variablesIn: (text) => secretVariablesIn(world.env, text),
      holdsTold: redactor.holdsTold,
    },
    out: {
      write: (text) => out.write(redactor.forData(text)),
      writeClean: (text) => out.write(text),
      get isClosed() {
        return out.isClosed ?? false;
      },
      get columns() {
        return out.columns;
      },
    },
    err: {
      write: (text) => err.write(redactor.forPeople(text)),
      get isTerminal() {
        return err.isTerminal;
      },
      get columns() {
        return err.columns;
      },
      get rows() {
        return err.rows;
      },
    },
  };
}

/** A secret that is a word makes holes where nobody would look for one, and whoever reads around a hole can fill it. */
function tellOfWords({ env, err }: World, redactor: Redactor, colour: boolean, screen: Screen | undefined): void {
  const taken = redactor.wordsTaken();
  if (taken.length === 0) return;
  const names = Object.entries(env).flatMap(([name, text]) => (taken.includes(text ?? "") ? [name] : []));
  const whose = names.length === 0 ? "a secret of this login" : `the secret in ${names.join(", ")}`;
  const message = `${whose} is short or a plain word, which was taken out wherever it stands, and what stands around shows it`;
  err.write(renderWarning({ message, hint: "use a longer one, of no language" }, colour, screen));
}

/** Each once, the last first. */
async function endAll(endings: (() => Promise<void>)[]): Promise<void> {
  for (let work = endings.pop(); work !== undefined; work = endings.pop()) await work();
}

function wantsColour(world: World, option: boolean | undefined): boolean {
  if (option !== undefined) return option;
  if ((world.env["NO_COLOR"] ?? "") !== "" || world.env["TERM"] === "dumb") return false;
  return world.err.isTerminal;
}
