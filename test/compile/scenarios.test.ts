import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkArgo } from "../judges/argo-check.ts";
import { checkArgoSchema, findSchemas } from "../judges/argo-schema.ts";
import { compileScenario, SCENARIOS } from "./scenarios.ts";

const GOLDENS = join(import.meta.dir, "goldens");
const schemas = findSchemas();
const rows = SCENARIOS.map((scenario) => [scenario.name, scenario] as const);

describe("compile", () => {
  test.each(rows)("%s gives its golden, byte for byte", async (name, scenario) => {
    const { status, document, said } = await compileScenario(scenario);
    expect({ status, said: status === 0 ? "" : said }).toEqual({ status: 0, said: "" });
    expect(document).toBe(readFileSync(join(GOLDENS, `${name}.yaml`), "utf8"));
  });

  test.each(rows)("%s gives the same bytes in another folder and environment", async (_, scenario) => {
    const first = await compileScenario(scenario);
    const second = await compileScenario(
      scenario,
      { LANG: "tr_TR.UTF-8", TZ: "Asia/Kathmandu", KFK_X: "1" },
      "/elsewhere/a b",
    );
    expect(second.document).toBe(first.document);
  });

  test.each(rows)("%s pleases the semantic checker", (name) => {
    const document = parse(readFileSync(join(GOLDENS, `${name}.yaml`), "utf8")) as unknown;
    for (const mode of ["lint", "submit"] as const) expect(checkArgo(document, mode)).toEqual([]);
  });

  test.skipIf(schemas === undefined).each(rows)("%s is valid by every schema of Argo", (name) => {
    const document = parse(readFileSync(join(GOLDENS, `${name}.yaml`), "utf8")) as unknown;
    expect(checkArgoSchema(document, schemas as string)).toEqual([]);
  });

  test("no golden is without a scenario", () => {
    const known = new Set([...SCENARIOS.map(({ name }) => `${name}.yaml`), "spaceflights.yaml"]);
    expect(readdirSync(GOLDENS).filter((file) => !known.has(file))).toEqual([]);
    expect(existsSync(GOLDENS)).toBe(true);
  });
});
