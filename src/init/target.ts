/**
 * What a server says of itself → `target` and `kfp_version` of kubeflow.yaml.
 *
 * Argo documents are what every server up to 2.17 takes with all that kfk can write; newer ones get `kfp`. A version
 * that is no version, or that the server's own API belies, is left out rather than guessed.
 */
import type { Server } from "../cluster/server.ts";

export interface Target {
  readonly target: "argo" | "kfp";
  /** `major.minor`. */
  readonly kfpVersion: string | null;
}

/** The choice for a server. */
export function chooseTarget(server: Pick<Server, "version" | "keepsRunId">): Target {
  const [, major = "", minor = ""] = /^v?(\d+)\.(\d+)(?:\.|$|-)/.exec(server.version ?? "") ?? [];
  if (major === "" || Number(major) >= 2 !== server.keepsRunId) return UNKNOWN_SERVER;
  const isNewer = Number(major) > 2 || (Number(major) === 2 && Number(minor) > LAST_MINOR_WITH_ARGO);
  return { target: isNewer ? "kfp" : "argo", kfpVersion: `${major}.${minor}` };
}

/** For a server that cannot be asked. */
export const UNKNOWN_SERVER: Target = { target: "argo", kfpVersion: null };

// --- internal ---

/** KFP 2.17 (reference/compile-targets.md G). */
const LAST_MINOR_WITH_ARGO = 17;
