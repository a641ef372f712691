/**
 * The text of `kfk.hooks.ts` that `init --hooks` writes. Every hook in it is a comment, so the file changes nothing until
 * somebody takes one out. Names and shapes: the contract of hooks.
 */

/** The example. */
export function hooksExample(): string {
  return `/**
 * Hooks of this project: code of your own that kfk calls on the way from project to cluster. It runs with your rights,
 * and only for commands that need it; --no-hooks or KFK_NO_HOOKS=1 leaves it out. Nothing has to be installed for the
 * import below.
 */
import { defineHooks } from "kfk";

export default defineHooks({
  // Take out the comment signs of what you need. A hook that gives nothing back changes nothing.
  //
  // /** kubeflow.yaml, before it is checked. */
  // config: (config) => ({ ...config, host: "https://kubeflow.example.org/pipeline" }),
  //
  // /** What \${team} or \${team|default} in kubeflow.yaml stands for. */
  // variable: ({ name }, { env }) => (name === "team" ? env("TEAM") : undefined),
  //
  // /** Headers that log in to the server; they are never shown. */
  // auth: (_, { env }) => ({ Authorization: \`Bearer \${env("MY_TOKEN")}\` }),
});
`;
}
