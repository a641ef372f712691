/**
 * What the build put into this binary about itself, and where its releases are. All of it is empty when kfk runs from
 * its sources.
 */
import { createHash } from "node:crypto";
import type { Files } from "../world.ts";

declare const KFK_TARGET: string | undefined;
declare const KFK_BUN: string | undefined;
declare const KFK_LOCK: string | undefined;
declare const KFK_RELEASES: string | undefined;

export interface BuildFacts {
  /** `linux-x64`, `darwin-arm64`, …; empty when kfk runs from its sources. */
  readonly target: string;
  /** Version of Bun in the binary. */
  readonly bun: string;
  /** SHA-256 of bun.lock: which packages are in the binary. */
  readonly dependencies: string;
  /** Base of the addresses `<base>/v<version>/kfk-<target>`; empty: only whoever downloads knows it. */
  readonly releases: string;
}

/** Facts of this binary. */
export const BUILD: BuildFacts = {
  target: typeof KFK_TARGET === "string" ? KFK_TARGET : "",
  bun: typeof KFK_BUN === "string" ? KFK_BUN : "",
  dependencies: typeof KFK_LOCK === "string" ? KFK_LOCK : "",
  releases: typeof KFK_RELEASES === "string" ? KFK_RELEASES : "",
};

/** The binary that build agents download. */
export const AGENT_TARGET = "linux-x64";

/**
 * SHA-256 of the binary for build agents, when that is what is running: builds are reproducible, so the release has
 * the same bytes. Undefined for any other.
 */
export function agentChecksum(files: Pick<Files, "readBytes">, build: BuildFacts): string | undefined {
  if (build.target !== AGENT_TARGET) return undefined;
  const bytes = files.readBytes("/proc/self/exe");
  return bytes && createHash("sha256").update(bytes).digest("hex");
}
