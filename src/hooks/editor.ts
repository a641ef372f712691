/** The contract as the text that an editor needs to understand `import … from "kfk"`, and an example of a hook file. */
// @ts-expect-error: a source that is embedded as text
// oxlint-disable-next-line import/default
import contract from "../../hooks/contract.ts" with { type: "text" };

/** Where `kfk hooks types` writes it, below the project's root. */
export const TYPES_FILE = ".kfk/kfk.d.ts";

/** `declare module "kfk" { … }`, made by kfk of this version. */
export function renderHookTypes(version: string): string {
  const body = (contract as string).replace(/^\/\*\*[\s\S]*?\*\/\n+/, "").trimEnd();
  return [
    `// Types of kfk ${version}, written by kfk hooks types; do not change them by hand.`,
    'declare module "kfk" {',
    ...[...body.split("\n"), "", ...DEFINE].map((line) => (line === "" ? "" : `  ${line}`)),
    "}",
    "",
  ].join("\n");
}

/** A `kfk.hooks.ts` to start from: every hook as a comment but one that changes nothing. */
export function renderHookExample(): string {
  return EXAMPLE;
}

// --- internal ---

const DEFINE = [
  "/** Hands the hooks back as they are; an editor knows their types by it. */",
  "export function defineHooks<const T extends Hooks>(hooks: T): T;",
];

const EXAMPLE = `/// <reference path="./.kfk/kfk.d.ts" />
// Hooks of this project: code that kfk calls between reading, planning and writing. It runs with your rights.
// kfk hooks types    writes .kfk/kfk.d.ts, from which an editor knows all names and types
// kfk hooks check    loads this file and calls its hooks as kfk compile would
import { defineHooks } from "kfk";

export default defineHooks({
  // kubeflow.yaml, merged and resolved, before it is checked
  config: (config) => {
    // config.run_config = { ...config.run_config, image: "registry.example/project:1.4" };
    return config;
  },

  // settings of pods; steps are named like their nodes
  // steps: (plan) => {
  //   for (const step of plan.steps) {
  //     if (step.nodes.some((node) => node.tags.includes("large"))) step.pod.resources = { cpu: "8", memory: "64Gi" };
  //   }
  //   return plan;
  // },

  // the documents that go to the server, as parsed YAML
  // documents: (documents) => {
  //   for (const document of documents) {
  //     document.metadata = { ...document.metadata, labels: { team: "forecasting" } };
  //   }
  //   return documents;
  // },
});
`;
