/** The table in docs/hooks.md of which command calls which hook, held against the built kfk, every command of it. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { VERBS } from "../../src/cli/app.ts";
import { HOOKS } from "../../src/hooks/rules.ts";
import { startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { endOf, KFK, testProjects } from "./setup-project.ts";

const { make, remove } = testProjects();
const server = startKfp({ version: KFP_VERSIONS["2.17.0"], clockMs: () => performance.now() });
server.setScript([{ t: 0, state: "Succeeded" }]);
afterAll(async () => {
  remove();
  await server.stop();
});

const NAMES = Object.keys(HOOKS);
const SAY = NAMES.filter((name) => name !== "resolvers")
  .map((name) => `  ${name}: (payload) => { console.log(">${name}"); return ${returned(name)}; },`)
  .join("\n");
const HOOK_FILE = `console.log(">loaded");\nexport default {\n${SAY}
  resolvers: { days: () => { console.log(">resolvers"); return 172800; } },\n};\n`;

function returned(name: string): string {
  if (name === "lint" || name === "extraSteps") return "[]";
  return name === "variable" || name === "auth" ? "undefined" : "payload";
}

const KUBEFLOW = [
  "run_config:",
  "  image: registry.example/project:${image_tag|1}",
  "  ttl: ${days:2}",
  "  volume: { size: 1Gi }",
  "",
].join("\n");

interface Row {
  readonly command: string;
  readonly calls: readonly string[];
  readonly isLoaded: boolean;
}

const ROWS: readonly Row[] = readTable();

function readTable(): Row[] {
  const page = readFileSync(join(import.meta.dir, "../../docs/hooks.md"), "utf8");
  const [, body = ""] = /\n\| command +\| hooks[^\n]*\n\|[^\n]*\n((?:\|[^\n]*\n)+)/.exec(page) ?? [];
  const words = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word as string);
  return body
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [, commands = "", hooks = ""] = line.split(/(?<!\\)\|/);
      return words(commands).map((command) => ({
        command,
        calls: words(hooks),
        isLoaded: !hooks.includes("not loaded"),
      }));
    });
}

const RUN = "00000000-0000-4000-8000-000000000000";
/** What a command of the table lacks to be run. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  compile: ["-o", "-"],
  config: ["view"],
  init: [server.url, "--force"],
  completion: ["bash"],
  "schedule -c": ["@daily"],
  "schedule next -c": ["@daily"],
  // as far as the program that is not there
  "run-once --local": ["--python", "/no/python"],
  ...Object.fromEntries(["wait", "status", "logs", "cancel", "retry"].map((verb) => [verb, [RUN]])),
};

test("the table of hooks names every command", () => {
  const named = new Set(ROWS.map(({ command }) => command.split(" ", 1)[0] as string));
  expect([...named].toSorted()).toEqual(VERBS.map(({ name }) => name).toSorted());
});

describe.skipIf(!existsSync(KFK)).concurrent("hooks of", () => {
  for (const { command, calls, isLoaded } of ROWS) {
    test(`kfk ${command}`, async () => {
      const project = make({ "kfk.hooks.ts": HOOK_FILE, "conf/base/kubeflow.yaml": KUBEFLOW });
      const argv = [...command.split(" "), ...(MORE[command] ?? [])];
      const { err } = await endOf(project.start(argv, { KFK_HOST: server.url }));
      const said = new Set([...err.matchAll(/>(\w+)/g)].map(([, name]) => name as string));
      expect({ isLoaded: said.delete("loaded"), calls: NAMES.filter((name) => said.has(name)) }).toEqual({
        isLoaded,
        calls: NAMES.filter((name) => calls.includes(name)),
      });
    }, 60_000);
  }
});
