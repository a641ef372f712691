/**
 * What a verb is: its words and options as data, and its work. Light on purpose: `--help` loads every verb, so a verb
 * imports what is heavy inside `run`.
 */
import type { HelpVerb } from "../view/help.ts";
import type { World } from "../world.ts";

export interface Verb extends HelpVerb {
  /** Does the work; the value is the exit status. */
  readonly run: (call: Call) => Promise<number>;
}

export interface Call {
  readonly world: World;
  readonly options: Options;
  readonly positionals: readonly string[];
  /** Name of the verb. */
  readonly verb: string;
  /** Work for when the verb has ended, however it ended. */
  readonly atEnd: (work: () => Promise<void>) => void;
  /** Gives up all requests to the server. Absent: nothing does. */
  readonly stop?: AbortSignal | undefined;
  /** Told a secret: nothing that is written from now on shows it. */
  readonly hide: (secret: string) => void;
  readonly version: string;
  readonly commit: string;
  /** A line for people, on stderr; nothing with `--quiet`. */
  readonly say: (text: string) => void;
  readonly warn: (warnings: readonly import("../error.ts").Warning[]) => void;
  readonly colour: boolean;
  /** With `--quiet`: only errors and results. */
  readonly isQuiet: boolean;
}

/** Typed look-ups of what was given on the command line; defaults are filled in. */
export interface Options {
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean | undefined;
  readonly list: (name: string) => readonly string[];
}
