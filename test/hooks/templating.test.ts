import { describe, expect, test } from "bun:test";
import type { HookContext } from "../../hooks/contract.ts";
import { templating } from "../../hooks/templating.ts";

const context = (env: Record<string, string>, git: HookContext["git"]): HookContext => ({
  kfk: "0",
  verb: "compile",
  project: { name: "p", package: "p", kedroVersion: "1.0.0", root: "/p" },
  runEnv: "local",
  git,
  env: (name) => env[name],
});

describe("templating", () => {
  const git = { commit: "abc", branch: "main" };
  const rows: {
    name: string;
    variable: string;
    known?: string;
    env?: Record<string, string>;
    git?: HookContext["git"];
    want: string | undefined;
  }[] = [
    {
      name: "the environment",
      variable: "commit_id",
      env: { KEDRO_CONFIG_COMMIT_ID: "e" },
      known: "g",
      git,
      want: "e",
    },
    { name: "an empty value of the environment", variable: "x", env: { KEDRO_CONFIG_X: "" }, known: "g", want: "" },
    { name: "globals before git", variable: "commit_id", known: "g", git, want: "g" },
    { name: "the commit", variable: "commit_id", git, want: "abc" },
    { name: "the branch", variable: "branch_name", git, want: "main" },
    { name: "no branch", variable: "branch_name", git: { commit: "abc", branch: null }, want: undefined },
    { name: "no repository", variable: "commit_id", want: undefined },
    { name: "another name has nothing of git", variable: "commit", git, want: undefined },
    { name: "a dotted name is no variable", variable: "a.b", env: { "KEDRO_CONFIG_A.B": "e" }, want: undefined },
  ];
  for (const { name, variable, known, env, git: state, want } of rows) {
    test(name, () => {
      expect(templating.variable({ name: variable, known: known ?? null }, context(env ?? {}, state ?? null))).toBe(
        want,
      );
    });
  }
});
