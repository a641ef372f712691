/**
 * What a person has set for all projects: `$XDG_CONFIG_HOME/kfk/config.yaml` (`~/.config/kfk/config.yaml`). Here, and
 * not in a project, stands what must not come from somebody else's files: which hosts are trusted with credentials of
 * this machine, and programs that give tokens.
 */
import { join } from "node:path";
import * as v from "valibot";
import { userConfigSchema } from "../../schemas/user-config.ts";
import { KfkError } from "../error.ts";
import type { World } from "../world.ts";

export interface UserConfig {
  /** Path of the file, there or not. */
  readonly file: string;
  /** Hosts as written: `name`, `name:port` or an origin. */
  readonly trustHosts: readonly string[];
  readonly auth: unknown;
}

/** Reads the file; a missing one says nothing. Errors: CONFIG_YAML. */
export async function readUserConfig(world: World): Promise<UserConfig> {
  const home = world.env["XDG_CONFIG_HOME"] || join(world.env["HOME"] ?? world.env["USERPROFILE"] ?? "/", ".config");
  const file = join(home, "kfk/config.yaml");
  const text = world.files.readText(file);
  if (text === undefined) return { file, trustHosts: [], auth: null };
  const { parse } = await import("yaml");
  let data: unknown;
  try {
    data = parse(text, { maxAliasCount: 10, logLevel: "error" }) ?? {};
  } catch (error) {
    throw broken(file, (error as Error).message.split("\n", 1)[0] ?? "");
  }
  const parsed = v.safeParse(userConfigSchema, data);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw broken(file, `${v.getDotPath(issue) ?? "the file"} must be ${issue.message}`);
  }
  return { file, trustHosts: parsed.output.trust_hosts ?? [], auth: parsed.output.auth ?? null };
}

/**
 * True when a list of hosts, as people write it, holds an origin: `HOST`, `HOST:PORT`, an origin; `HOST=WAY` holds for
 * one way to log in alone. `path`: where the server is one of several at this origin, and must be named behind it.
 */
export function isListed(hosts: readonly string[], origin: string, provider: string, path = ""): boolean {
  if (!URL.canParse(origin)) return false;
  const { host } = new URL(origin);
  return hosts.some((each) => {
    const [, name = "", way] = /^(.*?)(?:=([\w-]+))?$/.exec(each.trim()) ?? [];
    if (way !== undefined && way.toLowerCase() !== provider) return false;
    // names of hosts have no case, paths have; what is at /pipeline is Kubeflow's own
    const [, server = "", rest = ""] = /^((?:[a-z]+:\/\/)?[^/]*)(.*)$/is.exec(name) ?? [];
    const text = server.toLowerCase() + rest.replace(/\/+$/, "").replace(/\/pipeline$/, "");
    return [origin.toLowerCase(), host].some((each) => text === each + path);
  });
}

// --- internal ---

function broken(file: string, why: string): KfkError {
  return new KfkError("CONFIG_YAML", `${file}: ${why}`, { hint: "it may hold trust_hosts (a list) and auth" });
}
