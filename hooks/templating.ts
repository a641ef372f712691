/**
 * The first hook that ships with kfk: values for `${name}` and `${name|default}` in kubeflow.yaml, as files written for
 * kedro-kubeflow have them (`${commit_id|dirty}`).
 *
 * A name is looked up in the environment (`KEDRO_CONFIG_<NAME>`), then among globals, then in git (`commit_id`,
 * `branch_name`); with none of them the default holds. `--no-hooks` does not turn it off: it runs nothing of a project.
 * Source: kedro-kubeflow 0.3.0 to 0.11.0, environment variables of its documentation.
 */
import type { HookContext, Variable } from "./contract.ts";
import { defineHooks } from "./define.ts";

const PREFIX = "KEDRO_CONFIG_";

export const templating = defineHooks({
  variable: (variable: Variable, context: HookContext): string | undefined =>
    fromEnvironment(variable.name, context) ?? variable.known ?? fromGit(variable.name, context),
});

// --- internal ---

function fromEnvironment(name: string, context: HookContext): string | undefined {
  return /^\w+$/.test(name) ? context.env(`${PREFIX}${name.toUpperCase()}`) : undefined;
}

function fromGit(name: string, { git }: HookContext): string | undefined {
  if (name === "commit_id") return git?.commit ?? undefined;
  if (name === "branch_name") return git?.branch ?? undefined;
  return undefined;
}
