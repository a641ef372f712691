/**
 * The one error class, its closed list of codes, and the exit status that each code ends in.
 *
 * Comes in: what went wrong, where, what to do. Goes out: a value that `view/` renders and `main.ts` turns into an
 * exit status. Anything else that is thrown is a bug in kfk (status 70).
 * Statuses: design section 8; they are documented in README.md and never reused.
 */

/** Exit statuses of the process. */
export const STATUS = {
  done: 0,
  runFailed: 1,
  usage: 2,
  project: 3,
  refused: 4,
  unreachable: 5,
  unknownOutcome: 6,
  cancelled: 7,
  bug: 70,
  timeout: 124,
  interrupted: 130,
  terminated: 143,
} as const;

/** Every code with the status it ends in. A code is AREA_REASON and is part of what users may rely on. */
const CODES = {
  // the command line
  USAGE_OPTION: STATUS.usage,
  USAGE_VERB: STATUS.usage,
  USAGE_VALUE: STATUS.usage,
  USAGE_ARGUMENT: STATUS.usage,
  // the project on disk
  PROJECT_NOT_FOUND: STATUS.project,
  PROJECT_TOML: STATUS.project,
  PROJECT_METADATA: STATUS.project,
  PROJECT_KEDRO_VERSION: STATUS.project,
  PROJECT_FILE: STATUS.project,
  INIT_EXISTS: STATUS.project,
  PROJECT_DIRTY: STATUS.project,
  // its Python
  PY_SYNTAX: STATUS.project,
  PY_UNKNOWN: STATUS.project,
  PY_RAISED: STATUS.project,
  PY_LIMIT: STATUS.project,
  PY_IMPORT: STATUS.project,
  // its configuration
  CONFIG_YAML: STATUS.project,
  CONFIG_ENVIRONMENT: STATUS.project,
  CONFIG_DUPLICATE: STATUS.project,
  CONFIG_INTERPOLATION: STATUS.project,
  CONFIG_RESOLVER: STATUS.project,
  CONFIG_CYCLE: STATUS.project,
  CONFIG_CATALOG: STATUS.project,
  CONFIG_LOADER: STATUS.project,
  CONFIG_KUBEFLOW: STATUS.project,
  CONFIG_MISSING: STATUS.project,
  // the pipeline model
  PIPELINE_UNKNOWN: STATUS.project,
  PIPELINE_NODE: STATUS.project,
  PIPELINE_DUPLICATE_NAME: STATUS.project,
  PIPELINE_DUPLICATE_OUTPUT: STATUS.project,
  PIPELINE_CYCLE: STATUS.project,
  PIPELINE_MAPPING: STATUS.project,
  PIPELINE_FILTER: STATUS.project,
  PIPELINE_EMPTY: STATUS.project,
  PIPELINE_INPUT: STATUS.project,
  // steps and documents
  STEP_IMAGE: STATUS.project,
  STEP_VOLUME: STATUS.project,
  STEP_PATH: STATUS.project,
  STEP_TOO_MANY: STATUS.project,
  STEP_TOO_LARGE: STATUS.project,
  STEP_TEXT: STATUS.project,
  STEP_SECRET: STATUS.project,
  STEP_PARAMETER: STATUS.project,
  // hooks of the project
  HOOK_FILE: STATUS.project,
  HOOK_LOAD: STATUS.project,
  HOOK_NAME: STATUS.project,
  HOOK_FORM: STATUS.project,
  HOOK_FAILED: STATUS.project,
  HOOK_RESULT: STATUS.project,
  HOOK_TIMEOUT: STATUS.project,
  HOOK_EXIT: STATUS.project,
  // running here
  LOCAL_PYTHON: STATUS.project,
  LOCAL_FAILED: STATUS.runFailed,
  LOCAL_TIMEOUT: STATUS.timeout,
  // the server
  SERVER_HOST: STATUS.usage,
  SERVER_LOGIN: STATUS.refused,
  SERVER_GATE: STATUS.refused,
  SERVER_TOKEN_FILE: STATUS.refused,
  SERVER_UNREACHABLE: STATUS.unreachable,
  SERVER_ERROR: STATUS.unreachable,
  SERVER_REFUSED: STATUS.project,
  SERVER_DOCUMENT: STATUS.project,
  SERVER_ANSWER: STATUS.unreachable,
  SERVER_OUTCOME: STATUS.unknownOutcome,
  SERVER_TIMEOUT: STATUS.timeout,
  RUN_FAILED: STATUS.runFailed,
  RUN_CANCELLED: STATUS.cancelled,
  RUN_UNKNOWN: STATUS.project,
  SCHEDULE_UNKNOWN: STATUS.project,
  SCHEDULE_PIPELINE: STATUS.project,
  SCHEDULE_BUSY: STATUS.project,
  // signals
  INTERRUPTED: STATUS.interrupted,
  TERMINATED: STATUS.terminated,
} as const satisfies Record<string, number>;

export type Code = keyof typeof CODES;

/** A place in a text that a person can open. Lines and columns count from 1. */
export interface Place {
  /** Path as shown to people: relative to the project where it lies inside. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Characters to underline; absent: one. */
  readonly length?: number;
  /** The whole text of the file, when the thrower has it: `view/` draws a code frame from it. */
  readonly text?: string;
}

/** A second fact about an error: where a value came from, another place that takes part. */
export interface Note {
  readonly message: string;
  readonly at?: Place | undefined;
}

export interface ErrorDetail {
  readonly at?: Place | undefined;
  /** The one next thing to do: imperative, copyable. */
  readonly hint?: string | undefined;
  readonly notes?: readonly Note[];
  readonly cause?: unknown;
}

/** What kfk throws for everything that a user, a project or a server did. */
export class KfkError extends Error {
  override readonly name = "KfkError"; // literal: minification renames the class
  readonly code: Code;
  readonly at: Place | undefined;
  readonly hint: string | undefined;
  readonly notes: readonly Note[];

  /** `message`: what is wrong, in the user's words, with the offending value quoted; no full stop at the end. */
  constructor(code: Code, message: string, detail: ErrorDetail = {}) {
    super(message, { cause: detail.cause });
    this.code = code;
    this.at = detail.at;
    this.hint = detail.hint;
    this.notes = detail.notes ?? [];
  }

  /** The exit status that this error ends in. */
  get status(): number {
    return CODES[this.code];
  }
}

/** Something worth telling that stops nothing. Collected in values, never printed where it arises. */
export interface Warning {
  readonly message: string;
  readonly at?: Place | undefined;
  readonly hint?: string | undefined;
}

/** True for the errors that kfk itself throws; `code` narrows further. */
export function isKfkError(error: unknown, code?: Code): error is KfkError {
  return error instanceof KfkError && (code === undefined || error.code === code);
}

/** What a signal makes of the work that it ends: Ctrl-C interrupts (130), every other one terminates (143). */
export function stoppedBy(
  signal: string | undefined,
):
  | { readonly code: "INTERRUPTED"; readonly how: "interrupted" }
  | { readonly code: "TERMINATED"; readonly how: "terminated" } {
  return signal === "SIGINT" ? { code: "INTERRUPTED", how: "interrupted" } : { code: "TERMINATED", how: "terminated" };
}

/** True for the end that a signal asks for: nobody may take it for a failure and go on. */
export function isStop(error: unknown): error is KfkError & { readonly code: "INTERRUPTED" | "TERMINATED" } {
  return isKfkError(error, "INTERRUPTED") || isKfkError(error, "TERMINATED");
}

/** Ends an exhaustive switch; reaching it is a bug. */
export function assertNever(value: never): never {
  throw new Error(`not handled: ${JSON.stringify(value)}`);
}

/**
 * The known name that was probably meant, or undefined.
 *
 * Rule: the smallest edit distance (Damerau, adjacent swaps count one), at most a third of the name's length.
 */
export function suggest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

// --- internal ---

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, (previous[j - 1] ?? 0) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length] ?? limit;
}
