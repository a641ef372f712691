/**
 * Ctrl-C and the signals of build systems, for verbs that must not lose what they have begun.
 *
 * The first signal gives up what is under way and lets the verb say what it leaves behind, or stop it; the second one
 * ends even that. A signal that comes twice at once is one (`onEachSignal`).
 */
import { KfkError, stoppedBy } from "../error.ts";
import { onEachSignal, type Signal, type World } from "../world.ts";

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
  /**
   * What changes something on a server, and is to be known: it goes on after a signal for a while, then the signal
   * that it is given aborts, and the error with this message is thrown. When it ended in time, `came` tells of a signal.
   */
  readonly toItsEnd: <T>(work: (signal: AbortSignal) => Promise<T>, message: () => string, hint?: string) => Promise<T>;
  readonly close: () => void;
}

/** Listens until `close`. */
export function listen(world: World): Interrupt {
  const first = new AbortController();
  const second = new AbortController();
  let name: Signal | undefined;
  const close = onEachSignal(world, (signal) => {
    if (name !== undefined) return second.abort();
    name = signal;
    first.abort();
  });
  const error = (message: string, hint?: string): KfkError => new KfkError(stoppedBy(name).code, message, { hint });
  const interrupt: Interrupt = {
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
    toItsEnd: async (work, message, hint) => {
      const stop = stopAfterGrace(world, interrupt);
      try {
        return await unlessAborted(work(stop.signal), stop.signal);
      } catch (problem) {
        if (stop.signal.aborted) throw error(message(), hint);
        throw problem;
      } finally {
        stop.done();
      }
    },
    close,
  };
  return interrupt;
}

/** Aborts a while after the first signal, and at once with the second. */
export function stopAfterGrace(
  world: World,
  interrupt: Interrupt,
): { readonly signal: AbortSignal; readonly done: () => void } {
  const stop = new AbortController();
  const done = new AbortController();
  const begin = (): void => {
    void world.clock.sleep(GRACE_MS, done.signal).then(() => {
      if (!done.signal.aborted) stop.abort();
    });
  };
  if (interrupt.signal.aborted) begin();
  else interrupt.signal.addEventListener("abort", begin);
  if (interrupt.again.aborted) stop.abort();
  else interrupt.again.addEventListener("abort", () => stop.abort());
  return { signal: stop.signal, done: () => done.abort() };
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

/** How long what was begun may go on after a signal: half a change is worse than a late end. */
const GRACE_MS = 5000;
