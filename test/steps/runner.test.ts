/**
 * The runner without Kedro, on every Python from 3.6 to 3.13 that is on this machine (absent ones are skipped and
 * counted): arguments, refusals, exit statuses. With Kedro: test/live/runner.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, constantFrom, sample } from "fast-check";
import type { Plain } from "../../src/config/plain.ts";
import { encodeStep } from "../../src/steps/argument.ts";
import { encodeParameter } from "../../src/steps/transport.ts";
import { shortenPython } from "../../src/steps/shorten.ts";
import type { ParameterTag, RunnerShared, Step } from "../../src/steps/step.ts";

const PATH = join(import.meta.dir, "../../src/steps/runner.py");
const FORMS: readonly (readonly [string, string])[] = [
  ["as written", readFileSync(PATH, "utf8")],
  ["as embedded in documents", shortenPython(readFileSync(PATH, "utf8"))],
];

describe.each(FORMS)("runner.py %s", (_, RUNNER) => {
  test("holds nothing that Argo, KFP, Kubernetes or YAML would change", () => {
    const lines = RUNNER.split("\n");
    expect(lines.filter((line) => /\{\{|\[\[|\$\(|\$\$|\t|\s$|[^\x20-\x7e]/.test(line))).toEqual([]);
    expect(RUNNER.endsWith("\n")).toBe(true);
    // one argument of a process holds 131,072 bytes
    expect(RUNNER.length).toBeLessThan(25_000);
  });
});

/** Values as the compiler sends them, with Python's name for what arrives. */
const VALUES: readonly (readonly [string, Plain, string])[] = [
  ["digits", "0123", "'0123'"],
  ["on", "on", "'on'"],
  ["yes", true, "True"],
  ["small float", 1e-5, "1e-05"],
  ["float without digits", 1, "1.0"],
  ["clock", "12:30", "'12:30'"],
  ["Argo tag", "{{workflow.name}}", "'{{workflow.name}}'"],
  ["Argo expression", "{{=1+1}}", "'{{=1+1}}'"],
  ["variable", "$HOME", "'$HOME'"],
  ["two dollars", "$$", "'$$'"],
  ["Kubernetes variable", "$(X)", "'$(X)'"],
  ["interpolation", "${x}", "'${x}'"],
  ["KFP macro", "[[RunUUID]]", "'[[RunUUID]]'"],
  ["quotes", `'"`, `'\\'"'`],
  ["backslash", "\\u0041", "'\\\\u0041'"],
  ["newline", "a\nb", "'a\\nb'"],
  ["empty", "", "''"],
  ["emoji", "\u{1F600}", "'\u{1F600}'"],
  ["umlaut", "größe", "'größe'"],
  ["2**60", 2n ** 60n, "1152921504606846976"],
  ["null", null, "None"],
  ["not a number", Number.NaN, "nan"],
  ["nested lists", [[1n, [2, "x"]], []], "[[1, [2.0, 'x']], []]"],
  [
    "mapping",
    new Map<string, Plain>([
      ["{{a}}", "$$"],
      ["b", new Map<string, Plain>([["c", null]])],
    ]),
    "{'{{a}}': '$$', 'b': {'c': None}}",
  ],
];

/** Text as a person types it, by tag. */
const TYPED: readonly (readonly [ParameterTag, string, string])[] = [
  ["s", "null", "'null'"],
  ["s", '"abc"', "'\"abc\"'"],
  ["s", "", "''"],
  ["q", "abc", "'abc'"],
  ["q", '"abc"', "'abc'"],
  ["q", "123", "'123'"],
  ["q", '"abc', 'error 90 parameter "p" must be JSON, and this is not'],
  ["j", "0.2", "0.2"],
  ["j", "[1, 2]", "[1, 2]"],
  ["j", "1e-05", "1e-05"],
  ["j", "NaN", "nan"],
  ["j", "123456789012345678901234567890", "123456789012345678901234567890"],
  ["j", "abc", 'error 90 parameter "p" must be JSON, and this is not'],
  ["j", "True", 'error 90 parameter "p" must be JSON, and this is not'],
  ["j", "", 'error 90 parameter "p" must be JSON, and this is not'],
  ["n", "null", "None"],
  ["n", "5", "5"],
  ["n", "None", "'None'"],
  ["n", "", "''"],
  ["s", "a {{b}}", 'error 90 parameter "p" holds two braces in a row, which Argo may expand'],
  [
    "j",
    '"{{b}}"',
    'error 90 parameter "p" holds two braces in a row, which Argo may expand; in JSON text write the second one as \\u007b',
  ],
];

/** The embedded form is the same program (`shorten.test.ts`), so the oldest and the newest Python are enough for it. */
const RUNS = [6, 7, 8, 9, 10, 11, 12, 13].flatMap((minor) =>
  FORMS.slice(0, minor === 6 || minor === 13 ? 2 : 1).map(([form, text]) => ({ minor, form, text })),
);

for (const { minor, form, text: runner } of RUNS) {
  const python = findInterpreter(minor);
  describe.skipIf(python === null)(`the runner ${form} on Python 3.${minor}`, () => {
    test("reads every value back as it was", () => {
      const cases = VALUES.map(([, value]) => encodeParameter(value));
      const got = decodeAll(python as string, runner, cases);
      expect(got.map((text, index) => [VALUES[index]?.[0], text])).toEqual(
        VALUES.map(([name, , repr]) => [name, repr]),
      );
    });

    test("reads what people type by the parameter's tag", () => {
      const got = decodeAll(
        python as string,
        runner,
        TYPED.map(([tag, text]) => ({ tag, text })),
      );
      expect(got.map((text, index) => [TYPED[index]?.[0], TYPED[index]?.[1], text])).toEqual(
        TYPED.map(([tag, text, result]) => [tag, text, result]),
      );
    });

    test("reads random text back as it was", () => {
      const piece = constantFrom(
        "{{",
        "[[",
        "$",
        "$(",
        "${",
        "\\",
        '"',
        "'",
        "\n",
        "\0",
        "ä",
        "\u{1F600}",
        "a",
        " ",
        "}}",
      );
      const texts = sample(
        array(piece, { maxLength: 8 }).map((parts) => parts.join("")),
        { seed: 7, numRuns: 200 },
      );
      const got = decodeAll(
        python as string,
        runner,
        texts.map((text) => encodeParameter(text)),
        "json.dumps(value)",
      );
      expect(got.map((text) => JSON.parse(text) as unknown)).toEqual(texts);
    });

    test("reads Argo's list of failures, which is JSON in a quoted text", () => {
      const texts = ['"null"', '"[{\\"displayName\\":\\"a(0)\\"}]"', '"a\\x7fb"', "plain", "3"];
      const script = `
import json, sys
scope = {"__name__": "runner"}
exec(compile(sys.argv[1], "runner", "exec"), scope)
print(json.dumps([scope["read_failures"](text) for text in sys.argv[2:]]))
`;
      const done = Bun.spawnSync([python as string, "-I", "-c", script, runner, ...texts], { env: {}, stderr: "pipe" });
      expect(JSON.parse(done.stdout.toString())).toEqual([
        "null",
        '[{"displayName":"a(0)"}]',
        '"a\\x7fb"',
        "plain",
        "3",
      ]);
    });

    test("refuses broken arguments with status 90", () => {
      const good = JSON.stringify(SHARED);
      const rows: [string, string[], string][] = [
        ["too few", [good], "three arguments are wanted, not 1"],
        ["not JSON", ["x", "{}", ""], "the first argument is not a JSON object"],
        ["another version", ['{"kfk": 2}', "{}", ""], "the first argument is of another version of this program"],
        ["step not JSON", [good, "[]", ""], "the second argument is not a JSON object"],
        [
          "nodes not packed",
          [good, '{"step": "s", "packed": "bm8="}', ""],
          "the nodes in the second argument cannot be unpacked",
        ],
        ["not base64", [good, '{"step": "s"}', "{}"], "the third argument is not base64"],
        ["parameters not JSON", [good, '{"step": "s"}', "bm8="], "the third argument is not a JSON object"],
        ["unknown parameter", [good, '{"step": "s"}', pack({ q: "1" })], 'parameter "q" is unknown'],
        ["broken parameter", [good, '{"step": "s"}', pack({ p: "x" })], 'parameter "p" must be JSON, and this is not'],
        [
          "argument that Argo moved",
          [good, "@/tmp/argo_arg_98765432.txt", ""],
          "Argo moved an argument to /tmp/argo_arg_98765432.txt, which cannot be read: it is too long",
        ],
      ];
      const got = rows.map(([name, argv]) => [name, start(python as string, runner, argv)]);
      expect(got).toEqual(rows.map(([name, , text]) => [name, { status: 90, err: `kfk: step "?": ${text}\n` }]));
    });

    test("unpacks the nodes of a step that has very many", () => {
      const [first, second] = [manyNodes(2000), manyNodes(2)].map((step) => unpack(python as string, encodeStep(step)));
      expect(first).toEqual(manyNodes(2000).nodes.map(({ name, inputs, outputs }) => [name, inputs, outputs]));
      expect(second).toEqual(manyNodes(2).nodes.map(({ name, inputs, outputs }) => [name, inputs, outputs]));
    });

    test("names run_config.project_dir where there is no project, and the Python that has no Kedro", () => {
      const folder = mkdtempSync(join(tmpdir(), "kfk-runner-"));
      try {
        const shared = { ...SHARED, project: folder };
        const argv = [JSON.stringify(shared), '{"step": "s", "nodes": []}', pack({})];
        expect(start(python as string, runner, argv)).toEqual({
          status: 92,
          err: `kfk: step "s": there is no Kedro project in ${folder}: set run_config.project_dir to the folder that holds it in the image\n`,
        });
        mkdirSync(join(folder, "src"));
        writeFileSync(join(folder, "pyproject.toml"), '[tool.kedro]\npackage_name = "x"\n');
        const done = start(python as string, runner, argv);
        expect(done.status).toBe(92);
        expect(done.err).toMatch(/kfk: step "s": this Python \(.*\) cannot import Kedro\n$/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}

// --- internal ---

const SHARED: RunnerShared = {
  kfk: 1,
  pipeline: "__default__",
  env: "local",
  project: "/nowhere",
  store: null,
  carried: [],
  parameters: { p: ["p", "j"] },
};

function pack(texts: Readonly<Record<string, string>>): string {
  return Buffer.from(JSON.stringify(texts)).toString("base64");
}

function start(
  python: string,
  runner: string,
  argv: readonly string[],
): { readonly status: number; readonly err: string } {
  const done = Bun.spawnSync([python, "-I", "-c", runner, ...argv], { cwd: tmpdir(), env: {}, stderr: "pipe" });
  return { status: done.exitCode, err: done.stderr.toString() };
}

function manyNodes(count: number): Step {
  const nodes = Array.from({ length: count }, (_, index) => ({
    name: `größe_${index}`,
    named: true,
    func: "f",
    inputs: [`d${index}`, "params:$x"],
    outputs: [`d${index + 1}`],
    tags: [],
    namespace: null,
    confirms: [],
    source: null,
  }));
  return { id: "all", nodes, needs: [], parameters: [], pod: { resources: {} } };
}

/** The nodes that the runner reads from its second argument. */
function unpack(python: string, argument: string): unknown {
  const script = `
import json, sys
scope = {"__name__": "runner"}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), scope)
print(json.dumps(scope["read_arguments"](sys.argv[2:])[1]["nodes"]))
`;
  const argv = [JSON.stringify(SHARED), argument, pack({})];
  const done = Bun.spawnSync([python, "-I", "-c", script, PATH, ...argv], { env: {}, stderr: "pipe" });
  expect(done.stderr.toString()).toBe("");
  return JSON.parse(done.stdout.toString());
}

/** What the runner makes of each text: `repr`, or "error STATUS MESSAGE". */
function decodeAll(
  python: string,
  runner: string,
  cases: readonly { readonly tag: ParameterTag; readonly text: string }[],
  shown = "repr(value)",
): string[] {
  const script = `
import json, sys
scope = {"__name__": "runner"}
exec(compile(sys.argv[1], "runner", "exec"), scope)
out = []
for case in json.loads(sys.stdin.buffer.read().decode("utf-8")):
    try:
        value = scope["decode"]("p", case["tag"], case["text"])
        out.append(${shown})
    except scope["Refused"] as error:
        out.append("error %d %s" % (error.status, error))
print(json.dumps(out))
`;
  const done = Bun.spawnSync([python, "-I", "-c", script, runner], {
    stdin: Buffer.from(JSON.stringify(cases.map(({ tag, text }) => ({ tag, text })))),
    env: {},
    stderr: "pipe",
  });
  expect(done.stderr.toString()).toBe("");
  return JSON.parse(done.stdout.toString()) as string[];
}

/** pyenv's own interpreters first: its shims answer for versions that are not active. */
function findInterpreter(minor: number): string | null {
  const versions = join(process.env["PYENV_ROOT"] ?? join(process.env["HOME"] ?? "/", ".pyenv"), "versions");
  const installed = listOrEmpty(versions).filter((name) => name.startsWith(`3.${minor}.`));
  const paths = installed.map((name) => join(versions, name, "bin", "python"));
  const found = Bun.which(`python3.${minor}`);
  for (const path of [...paths, ...(found === null ? [] : [found])]) {
    const done = Bun.spawnSync([path, "-c", "import sys; print(sys.version_info[1])"], { stderr: "ignore" });
    if (done.exitCode === 0 && done.stdout.toString().trim() === String(minor)) return path;
  }
  return null;
}

function listOrEmpty(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
