/**
 * What a person, or what a person has set, must agree to before a login goes out; and the error when nobody does, with
 * the line that says yes.
 */
import { KfkError } from "../error.ts";

export interface TrustQuestion {
  /**
   * `host`: the server gets what lies around; `settings`: the server gets what the project's settings choose;
   * `endpoint`: an address that they name gets a secret; `certificate`: the server is shown the project's client
   * certificate; `ca`: a login goes to a server for which only a CA of the project vouches.
   */
  readonly kind: "host" | "settings" | "endpoint" | "certificate" | "ca";
  /** Who would get it. */
  readonly origin: string;
  /** Path that is meant beside the origin, where others answer there too. */
  readonly place?: string | undefined;
  /** Name of the way to log in. */
  readonly provider: string;
  /** What would be sent, in a few words. */
  readonly what: string;
}

/** Who would get it, as KFK_TRUST_HOSTS names it. */
export function trustName({ origin, place = "" }: Pick<TrustQuestion, "origin" | "place">): string {
  return `${URL.canParse(origin) ? new URL(origin).host : origin}${place}`;
}

/** The error when nobody agrees. */
export function untrusted({ kind, what, origin, place }: TrustQuestion): KfkError {
  const host = trustName({ origin, place });
  const whom = `${origin}${place ?? ""}`;
  switch (kind) {
    case "host":
      return new KfkError("SERVER_LOGIN", `only the project names ${whom}, so it does not get ${what}`, {
        hint: `if it is yours: set KFK_TRUST_HOSTS=${host}, or give --host yourself`,
      });
    case "settings":
      return new KfkError("SERVER_LOGIN", `${whom} does not get ${what}: only the project says so`, {
        hint: `if that is right: set KFK_TRUST_HOSTS=${host}, or write auth: into your own configuration`,
      });
    case "endpoint":
      return new KfkError("SERVER_LOGIN", `only the project names ${origin}, so it does not get ${what}`, {
        hint: `if it is yours: set KFK_TRUST_HOSTS=${host}, or name it with the variable`,
      });
    case "certificate":
      return new KfkError("SERVER_LOGIN", `only the project names ${origin}, so it is not shown ${what}`, {
        hint: `if that is right: set KFK_TRUST_HOSTS=${host}, or use --client-cert and --client-key`,
      });
    case "ca":
      return new KfkError("SERVER_LOGIN", `only the project's CA (${what}) vouches for ${origin}: it gets no login`, {
        hint: `if it is yours: --ca-cert ${what}, or KFK_TRUST_HOSTS=${host}=tls`,
      });
  }
}
