/**
 * CI files that `init` writes, judged by the schemas of GitHub and GitLab, and the SBOM by CycloneDX's own. Needs the
 * environment `schemas` that `./scripts/live` makes from PyPI.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { renderSbom } from "../../scripts/sbom.ts";
import { type CiFacts, githubFiles, gitlabFiles } from "../../src/init/texts.ts";

const bin = join(process.env["KFK_LIVE_VENVS"] ?? "", "schemas/bin");
const isThere = existsSync(join(bin, "check-jsonschema"));
const folder = mkdtempSync(join(tmpdir(), "kfk-live-schemas-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function judge(command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd: folder });
  return exitCode === 0 ? "" : stdout.toString() + stderr.toString() || `exit status ${exitCode}`;
}

const FACTS: readonly (readonly [string, CiFacts])[] = [
  ["plain", { name: "shop", folder: "", version: "1.2.3", checksum: "ab".repeat(32), releases: "" }],
  [
    "in a folder, with a place of releases and no checksum",
    {
      name: "shop",
      folder: "my projects/shop",
      version: "1.2.3",
      checksum: undefined,
      releases: "https://r.example/kfk",
    },
  ],
];

describe.skipIf(!isThere)("schemas", () => {
  test.each(FACTS)("GitHub takes the workflows: %s", (_, facts) => {
    const paths = githubFiles(facts).map(({ path, text }) => {
      writeFileSync(join(folder, basename(path)), text);
      return basename(path);
    });
    const command = [join(bin, "check-jsonschema"), "--builtin-schema", "vendor.github-workflows"];
    expect(judge([...command, ...paths])).toBe("");
  });

  test.each(FACTS)("GitLab takes the pipeline: %s", (_, facts) => {
    writeFileSync(join(folder, ".gitlab-ci.yml"), gitlabFiles(facts)[0]?.text ?? "");
    const command = [join(bin, "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"];
    expect(judge(command)).toBe("");
  });

  test("the judge refuses what is wrong", () => {
    writeFileSync(join(folder, "wrong.yml"), "on: push\njobs: {a: {runs-on: x, steps: [{uss: y}]}}\n");
    const command = [join(bin, "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", "wrong.yml"];
    expect(judge(command)).not.toBe("");
  });

  test("CycloneDX 1.6 takes the SBOM", () => {
    const root = join(import.meta.dir, "../..");
    const lock = readFileSync(join(root, "bun.lock"), "utf8");
    const sources = Object.keys(manifest.dependencies).map((name) => `node_modules/${name}/package.json`);
    writeFileSync(
      join(folder, "sbom.json"),
      renderSbom({ version: "1.2.3", commit: "abc", bun: "1.4.5", lock, sources }),
    );
    const script =
      "import sys\nfrom cyclonedx.schema import SchemaVersion\nfrom cyclonedx.validation.json import JsonStrictValidator\n" +
      "problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open('sbom.json').read())\nsys.exit(str(problem) if problem else 0)";
    expect(judge([join(bin, "python"), "-c", script])).toBe("");
  });
});
