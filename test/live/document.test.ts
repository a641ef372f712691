/**
 * From a parameter file through the compiled document into a node of real Kedro: what a node gets by way of the
 * document's own encoding is what it gets from `kedro run`, value for value and type for type.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { podArgv, type PodWorkflow } from "../judges/argo-pod.ts";
import { layProbe, pythonWith } from "./projects.ts";

const KFK = join(import.meta.dir, "../../dist/kfk");
const top = mkdtempSync(join(tmpdir(), "kfk-live-document-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** Bun 1.4.5 escapes characters beyond ASCII that stand in `String.raw` itself. */
const EMOJI = "😀 größe";

const NASTY = String.raw`
ratio: 0.25
nested: {also: {deep: [1, 2.5, null, [true, "no", {x: "$(Y)"}]]}}
digits: "0123"
octal: 0123
flag: on
flag_text: "on"
small: 1e-05
small_text: "1e-05"
clock: "12:30"
sexagesimal: 12:30
day: 2026-01-02
tag: "{{workflow.name}}"
expression: "{{=1+1}}"
home: "$HOME"
dollars: "$$"
call: "$(X)"
run: "$(KUBEFLOW_RUN_ID)"
interpolation: '\${x}'
macro: "[[RunUUID]]"
clock_macro: "[[CurrentTime]]"
time_macro: "{{$.currentTime.strftime('%Y')}}"
quotes: "'\"'''"
lines: "a\nb\r\n"
emoji: "${EMOJI}"
big: 1152921504606846976
float: 1.0
infinite: .inf
nothing: null
empty: ""
lists: [[], [[1, [2.0]]], {}]
markup: "<a href='x'>&amp;</a>"
backslash: "C:\\new\\u0041"
`;

for (const version of ["0.19.15", "1.0.0", "1.7.0"] as const) {
  const python = pythonWith(version);
  describe.skipIf(python === null)(`a compiled document and Kedro ${version}`, () => {
    test("gives a node what kedro run gives it", () => {
      const project = join(top, version);
      layProbe(version, project);
      writeFileSync(join(project, "conf/base/parameters.yml"), NASTY);
      const seen = (): Record<string, string> =>
        JSON.parse(readFileSync(join(project, "data/seen.json"), "utf8")) as Record<string, string>;
      run([python as string, "-m", "kedro", "run", "--nodes", "show.it"], project);
      const want = seen();
      rmSync(join(project, "data/seen.json"));
      expect(Object.keys(want).length).toBeGreaterThan(30);

      run(podCommand(project, python as string), project);
      expect(seen()).toEqual(want);
    }, 120_000);

    test("gives with --param what kedro run gives with --params, also to what follows from it", () => {
      const project = join(top, `${version}-params`);
      layProbe(version, project);
      writeFileSync(
        join(project, "conf/base/parameters.yml"),
        'ratio: "${runtime_params:ratio, 3}"\nnested: {also: "${ratio}"}\nfree: "${runtime_params:free, none}"\n',
      );
      const seen = (): unknown => JSON.parse(readFileSync(join(project, "data/seen.json"), "utf8"));
      for (const params of [[], ["ratio=5"], ["ratio=5", "free=text"]]) {
        const given = params.length === 0 ? [] : ["--params", params.join(",")];
        run([python as string, "-m", "kedro", "run", "--nodes", "show.it", ...given], project);
        const want = seen();
        const argv = params.flatMap((param) => ["--param", param]);
        run([KFK, "run-once", "--local", "--nodes", "show.it", "--python", python as string, ...argv], project);
        expect(seen()).toEqual(want);
        const typed = Object.fromEntries(params.map((param) => param.split("=") as [string, string]));
        run(podCommand(project, python as string, typed), project);
        expect(seen()).toEqual(want);
      }
      expect(seen()).toEqual({ ratio: "5", nested: "{'also': 5}", free: "'text'" });
    }, 120_000);
  });
}

function run(command: readonly string[], cwd: string): Buffer {
  const done = Bun.spawnSync([...command], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: top, KUBEFLOW_RUN_ID: "expanded", X: "expanded" },
  });
  if (done.exitCode !== 0) throw new Error(`${command[0]} ${command[1]}: ${done.stderr.toString().slice(-2000)}`);
  return done.stdout;
}

/** What the pod of the probe's first node is started with, the project and the volume being here. */
function podCommand(project: string, python: string, typed: Readonly<Record<string, string>> = {}): string[] {
  writeFileSync(
    join(project, "conf/base/kubeflow.yaml"),
    "host: http://localhost\nrun_config:\n  image: probe:1\n  volume: {size: 1Gi, access_modes: [ReadWriteMany]}\n",
  );
  const document = run([KFK, "compile", "--pipeline", "combo", "-o", "-"], project).toString();
  const task = /name: (show-it[\w-]*)/.exec(document)?.[1] ?? "";
  const argv = [...podArgv(parse(document) as PodWorkflow, task, typed)];
  const at = argv.findIndex((text) => text.startsWith('{"kfk"'));
  const shared = JSON.parse(argv[at] ?? "") as { project: string; store: string };
  argv[0] = python;
  argv[at] = JSON.stringify({ ...shared, project, store: join(project, "data/.kfk") });
  mkdirSync(join(project, "data"), { recursive: true });
  return argv;
}
