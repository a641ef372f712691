/** The built file as a person or a build agent meets it: foreign folder, empty environment, real pipes. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const KFK = join(ROOT, "dist/kfk");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-process-"));
const GOLDEN = join(ROOT, "test/compile/goldens/spaceflights.yaml");

afterAll(() => rmSync(SCRATCH, { recursive: true, force: true }));

function run(command: readonly string[], cwd = SCRATCH, env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { HOME: SCRATCH, PATH: "/usr/bin:/bin", ...env },
    stdin: "ignore",
  });
  return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
}

function example(name: string): string {
  const folder = join(SCRATCH, name);
  cpSync(join(ROOT, "examples/spaceflights"), folder, { recursive: true });
  return folder;
}

describe.skipIf(!existsSync(KFK))("dist/kfk", () => {
  test("says its version on stdout", () => {
    expect(run([KFK, "--version"])).toEqual({ status: 0, out: "kfk 0.1.0\n", err: "" });
    expect(run([KFK, "version"]).out).toMatch(/^kfk 0\.1\.0 \([0-9a-f]{12}\)\n$/);
  });

  test("helps in at most 80 columns, without colour", () => {
    for (const argv of [["--help"], ["run-once", "--help"], ["compile", "-h"], []]) {
      const { status, out, err } = run([KFK, ...argv]);
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(out).not.toContain("\u001B");
      expect(out.split("\n").filter((line) => line.length > 80)).toEqual([]);
    }
  });

  test.each([
    ["plain", "plain", {}],
    [
      "another folder, language and time zone",
      "a b ü",
      { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kathmandu" },
    ],
    ["CI", "ci", { CI: "1", NO_COLOR: "1", TERM: "dumb" }],
  ])("compiles the example to its golden: %s", (_, folder, env) => {
    const { status, out } = run([KFK, "compile", "-o", "-"], example(folder), env);
    expect(status).toBe(0);
    expect(out).toBe(readFileSync(GOLDEN, "utf8"));
  });

  test("a file is written whole, and named on stderr", () => {
    const folder = example("file");
    const { status, out, err } = run([KFK, "compile"], join(folder, "src"));
    expect({ status, out }).toEqual({ status: 0, out: "" });
    expect(err).toContain("wrote pipeline.yml");
    expect(readFileSync(join(folder, "src/pipeline.yml"), "utf8")).toBe(readFileSync(GOLDEN, "utf8"));
  });

  test("a reader that goes away is no error", () => {
    const folder = example("pipe");
    const { status, out } = run(["bash", "-c", `set -o pipefail; "${KFK}" model | head -1`], folder);
    expect({ status, out }).toEqual({ status: 0, out: "{\n" });
  });

  test.each(["compile -o -", "completion bash", "model", "version", "--version", "--help", "schedule next -c @daily"])(
    "%s is 3 when nothing can be written, and 0 when it is to go nowhere",
    (argv) => {
      const folder = example(`closed-${argv.replaceAll(/\W+/g, "-")}`);
      const ends = [">&-", "<&- >&-", ">/dev/full", ">/dev/null", "1<>/dev/null"].map(
        (where) => run(["bash", "-c", `"${KFK}" ${argv} ${where}`], folder).status,
      );
      expect(ends).toEqual([3, 3, 3, 0, 0]);
    },
  );

  test("runs nothing of a hostile folder", () => {
    const folder = example("hostile");
    const marker = join(SCRATCH, "marker");
    const evil = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "ran");\n`;
    writeFileSync(join(folder, "pre.ts"), evil);
    writeFileSync(join(folder, "index.ts"), evil);
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./pre.ts"]\n[run]\npreload = ["./pre.ts"]\n');
    writeFileSync(join(folder, ".env"), "KEDRO_ENV=evil\nKFK_HOST=http://evil.invalid\n");
    writeFileSync(join(folder, ".env.local"), "KEDRO_ENV=evil\n");
    writeFileSync(join(folder, "package.json"), '{"name":"evil","main":"index.ts","scripts":{"preinstall":"false"}}');
    writeFileSync(join(folder, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./index.ts"]}}}');
    mkdirSync(join(folder, "node_modules/yaml"), { recursive: true });
    writeFileSync(join(folder, "node_modules/yaml/index.js"), evil);
    for (const name of ["sitecustomize.py", "kedro.py"]) {
      writeFileSync(join(folder, name), `open(${JSON.stringify(marker)}, "w").write("ran")\n`);
    }
    const { status, out } = run([KFK, "compile", "-o", "-"], folder);
    expect(status).toBe(0);
    expect(out).toBe(readFileSync(GOLDEN, "utf8"));
    expect(existsSync(marker)).toBe(false);
  });

  test("errors go to stderr with their status, and nothing to stdout", () => {
    const { status, out, err } = run([KFK, "model"]);
    expect({ status, out }).toEqual({ status: 3, out: "" });
    expect(err).toContain("is not in a Kedro project");
  });

  test("a server that is not there is status 5, and nothing was created", () => {
    const folder = example("refused");
    const { status, out, err } = run(
      [KFK, "run-once", "--wait", "--host", "http://127.0.0.1:1", "--request-timeout", "2"],
      folder,
    );
    expect({ status, out }).toEqual({ status: 5, out: "" });
    expect(err).toContain("127.0.0.1:1");
  }, 90_000);
});
