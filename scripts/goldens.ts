/** Writes the documents of `test/compile/goldens/` anew; one that the judges refuse is not written. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { compileScenario, SCENARIOS } from "../test/compile/scenarios.ts";
import { checkArgo } from "../test/judges/argo-check.ts";
import { checkArgoSchema, findSchemas } from "../test/judges/argo-schema.ts";

process.chdir(new URL("..", import.meta.url).pathname);
const schemas = findSchemas();
const documents: [string, string][] = [];
for (const scenario of SCENARIOS) {
  const { status, document, said } = await compileScenario(scenario);
  if (status !== 0) throw new Error(`${scenario.name}: ${said}`);
  documents.push([scenario.name, document]);
}
const example = Bun.spawnSync([
  process.execPath,
  "src/main.ts",
  "compile",
  "-q",
  "-o",
  "-",
  "-C",
  "examples/spaceflights",
]);
if (example.exitCode !== 0) throw new Error(example.stderr.toString());
documents.push(["spaceflights", example.stdout.toString()]);
for (const [name, text] of documents) {
  const document = parse(text) as unknown;
  const problems = [
    ...checkArgo(document, "lint"),
    ...checkArgo(document, "submit"),
    ...(schemas === undefined ? [] : checkArgoSchema(document, schemas)),
  ];
  if (problems.length > 0) {
    console.error(`${name}: not written: ${JSON.stringify(problems)}`);
    process.exitCode = 1;
    continue;
  }
  writeFileSync(join("test/compile/goldens", `${name}.yaml`), text);
  console.log(`${name}: ${text.length} bytes`);
}
