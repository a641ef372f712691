/**
 * Ctrl-C and the signals of build systems, for verbs that must not lose what they have begun.
 *
 * The first signal gives up what is under way and lets the verb say what it leaves behind, or stop it; the second one
 * ends even that. A signal that comes twice at once is one: wrappers hand on what the terminal has sent to all.
 */
import { KfkError } from "../error.ts";
import type { Signal, World } from "../world.ts";

export interface Interrupt {
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
  /** Aborts with the second one. */
  readonly again: AbortSignal;
  /** True when a signal came. */
  readonly came: () => boolean;
  /** INTERRUPTED (130) or TERMINATED (143), as the signal was. */
  readonly error: (message: string, hint?: string) => KfkError;
  /** The work, or the error with this message as soon as a signal comes. */
  readonly during: <T>(work: Promise<T>, message: string, hint?: string) => Promise<T>;
  readonly close: () => void;
}

/** Listens until `close`. */
export function listen(world: World): Interrupt {
  const first = new AbortController();
  const second = new AbortController();
  let name: Signal | undefined;
  let atMs = 0;
  const close = world.onSignal((signal) => {
    const now = world.clock.monotonicMs();
    if (name === undefined) {
      name = signal;
      atMs = now;
      first.abort();
    } else if (now - atMs >= SAME_MS) {
      second.abort();
    }
  });
  const error = (message: string, hint?: string): KfkError =>
    new KfkError(name === "SIGINT" ? "INTERRUPTED" : "TERMINATED", message, { hint });
  return {
    signal: first.signal,
    again: second.signal,
    came: () => name !== undefined,
    error,
    during: async (work, message, hint) => {
      try {
        return await unlessAborted(work, first.signal);
      } catch (problem) {
        if (name !== undefined) throw error(message, hint);
        throw problem;
      }
    },
    close,
  };
}

/** The work, or a rejection as soon as the signal aborts. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(new Error("aborted"));
    if (signal.aborted) give();
    signal.addEventListener("abort", give);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}

// --- internal ---

const SAME_MS = 100;
