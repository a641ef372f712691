/** What kfk and the process that runs a project's hooks say to each other. Values are plain data on both sides. */
import type { HookContext, Value } from "../../hooks/contract.ts";

/** The word on the command line that makes kfk that process; it does nothing without somebody to talk to. */
export const HOOKS_PROCESS = "__hooks";

/** The context as data: the function for environment variables is made on the other side. */
export type ContextData = Omit<HookContext, "env">;

export type Request =
  | { readonly id: number; readonly kind: "load"; readonly path: string }
  | {
      readonly id: number;
      readonly kind: "call";
      readonly path: string;
      readonly hook: string;
      /** Which function of a hook that holds several. */
      readonly member: string | null;
      readonly args: readonly Value[];
      readonly context: ContextData | null;
      /** True: an answer of undefined means the first argument as the hook left it. */
      readonly keep: boolean;
    }
  /** Answered when nothing that a hook has started is left to come: a timer, a promise, a connection. */
  | { readonly id: number; readonly kind: "settle" }
  /** Answered at once, in the order of the channel: what was told to be secret before it has arrived then. */
  | { readonly id: number; readonly kind: "sync" };

/** Answer of `sync`. */
export interface Synced {
  readonly synced: number;
}

/** Told at any time in a call of the hook `auth`: a text that must not be shown. */
export interface Told {
  readonly id: number;
  readonly secret: string;
}

export type Reply =
  | { readonly id: number; readonly exports: readonly ExportedHook[]; readonly timeoutSeconds: unknown }
  | { readonly id: number; readonly value: Value | undefined }
  | { readonly id: number; readonly problem: Problem };

/** What a file holds under a name: only its form crosses over. */
export interface ExportedHook {
  readonly name: string;
  /** `typeof` of the value; `functions` for an object that holds functions only. */
  readonly form: string;
  /** Names of the functions, or of what is no function in an object. */
  readonly members: readonly string[];
}

export interface Problem {
  /** `threw`: the project's code; `missing`: no default export; `shape`: the answer is no plain data. */
  readonly kind: "threw" | "missing" | "shape";
  readonly message: string;
  /** Absolute path, 1-based line and column, where they are known. */
  readonly at: { readonly path: string; readonly line: number; readonly column: number } | null;
  /** Of another call than the one that is answered: it was thrown after that call had ended. */
  readonly of?: Owner;
}

/** A call by its file and hook; an empty name while the file is loaded. */
export interface Owner {
  readonly path: string;
  readonly hook: string;
}
