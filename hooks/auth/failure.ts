/**
 * How a provider says that it cannot log in: an error with what a person is to do. Providers know nothing of kfk's own
 * errors; whoever asks them turns `kind` into an exit status.
 */

export interface AuthFailure extends Error {
  readonly hint: string;
  /** `refused`: logging in again gives the same; `unreachable`: it may go better later; `file`: a file is not there. */
  readonly kind: "refused" | "unreachable" | "file";
}

/** The credential is not taken, or not complete. */
export function refused(message: string, hint: string): AuthFailure {
  return Object.assign(new Error(message), { hint, kind: "refused" as const });
}

/** Who gives out logins does not answer. */
export function unreachable(message: string, hint: string): AuthFailure {
  return Object.assign(new Error(message), { hint, kind: "unreachable" as const });
}

/** A file with a credential is missing, empty or something else. */
export function badFile(message: string, hint: string): AuthFailure {
  return Object.assign(new Error(message), { hint, kind: "file" as const });
}

/** True for what the functions of this file make. */
export function isAuthFailure(error: unknown): error is AuthFailure {
  return error instanceof Error && "kind" in error && "hint" in error;
}
