/**
 * The runner inside real Kedro of every era: `KFK_LIVE_VENVS` names the folder of the virtual environments
 * (`kedro-1.7.0/bin/python`); what is absent is skipped and counted.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plain } from "../../src/config/plain.ts";
import { shortenPython } from "../../src/steps/shorten.ts";
import type { RunnerShared, RunnerStep } from "../../src/steps/step.ts";
import { encodeParameter } from "../../src/steps/transport.ts";
import { layProbe, mountConf, pythonWith } from "./projects.ts";

/** As it stands in documents. */
const RUNNER = shortenPython(readFileSync(join(import.meta.dir, "../../src/steps/runner.py"), "utf8"));
const top = mkdtempSync(join(tmpdir(), "kfk-live-runner-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** Values of every kind that something on the way would like to change, with what Python calls them. */
const NASTY: readonly (readonly [string, Plain, string])[] = [
  ["digits", "0123", "'0123'"],
  ["on", "on", "'on'"],
  ["small", 1e-5, "1e-05"],
  ["clock", "12:30", "'12:30'"],
  ["tag", "{{workflow.name}}", "'{{workflow.name}}'"],
  ["home", "$HOME", "'$HOME'"],
  ["dollars", "$$", "'$$'"],
  ["call", "$(X)", "'$(X)'"],
  ["interpolation", "${x}", "'${x}'"],
  ["resolver", "${oc.env:HOME}", "'${oc.env:HOME}'"],
  ["macro", "[[RunUUID]]", "'[[RunUUID]]'"],
  ["quotes", `'"`, `'\\'"'`],
  ["lines", "a\nb\r\n", "'a\\nb\\r\\n'"],
  ["emoji", "\u{1F600}", "'\u{1F600}'"],
  ["big", 2n ** 60n, "1152921504606846976"],
  ["nothing", null, "None"],
  ["missing", "???", "'???'"],
  ["lists", [1n, [2.0, ["x", null, true]]], "[1, [2.0, ['x', None, True]]]"],
  [
    "nested",
    new Map<string, Plain>([["also", new Map<string, Plain>([["only", "${nested.keep}"]])]]),
    "{'also': {'only': '${nested.keep}'}}",
  ],
  ["ratio", 1.0, "1.0"],
];

const VERSIONS = ["0.18.14", "0.19.15", "1.0.0", "1.5.0", "1.7.0"] as const;

/** The automatic name of the probe's unnamed node. */
const UNNAMED = {
  "0.18.14": "pass_on([params:plain,params:nested]) -> [in_base,in_local]",
  "0.19.15": "pass_on([params:plain;params:nested]) -> [in_base;in_local]",
  "1.0.0": "pass_on__a8d0346c",
  "1.5.0": "pass_on__a8d0346c",
  "1.7.0": "pass_on__a8d0346c",
} as const;

/** Other classes of Kedro's that a project may choose, with the versions that have them. */
const OTHER_SETTINGS: readonly (readonly [string, readonly string[], string])[] = [
  ["ConfigLoader", ["0.18.14"], "from kedro.config import ConfigLoader\nCONFIG_LOADER_CLASS = ConfigLoader\n"],
  [
    "TemplatedConfigLoader",
    ["0.18.14"],
    "from kedro.config import TemplatedConfigLoader\nCONFIG_LOADER_CLASS = TemplatedConfigLoader\n",
  ],
  ["KedroDataCatalog", ["0.19.15"], "from kedro.io import KedroDataCatalog\nDATA_CATALOG_CLASS = KedroDataCatalog\n"],
  [
    "parameters that are merged softly",
    ["0.19.15", "1.0.0", "1.5.0", "1.7.0"],
    "CONFIG_LOADER_ARGS = {'base_env': 'base', 'default_run_env': 'local', 'merge_strategy': {'parameters': 'soft', 'catalog': 'soft'}}\n",
  ],
];

type Nodes = NonNullable<RunnerStep["nodes"]>;
const SHOW: Nodes[number] = ["show.it", ["parameters", "params:ratio", "params:nested.also"], ["made"]];
const FINISH: Nodes[number] = ["finish-größe", ["made", "in_base", "in_local"], []];

for (const version of VERSIONS) {
  const python = pythonWith(version);
  describe.skipIf(python === null)(`the runner in Kedro ${version}`, () => {
    const project = join(top, version);
    const start = (
      nodes: Nodes,
      values: typeof NASTY,
      more: Partial<RunnerShared> = {},
      ending: readonly string[] = [],
    ) => {
      const parameters = values.map(([name, value]) => ({ name, key: name, ...encodeParameter(value) }));
      const shared: RunnerShared = {
        kfk: 1,
        pipeline: "combo",
        env: "local",
        project,
        store: join(project, "store"),
        carried: ["function", "in_base", "in_local", "made"],
        parameters: Object.fromEntries(parameters.map(({ name, key, tag }) => [name, [key, tag]])),
        ...more,
      };
      const texts = Object.fromEntries(parameters.map(({ name, text }) => [name, text]));
      const scratch = mkdtempSync(join(top, "scratch-"));
      const done = Bun.spawnSync(
        [
          python as string,
          "-c",
          RUNNER,
          JSON.stringify(shared),
          JSON.stringify({ step: "a-step", nodes }),
          Buffer.from(JSON.stringify(texts)).toString("base64"),
          ...ending,
        ],
        {
          cwd: top,
          env: { PATH: process.env["PATH"] ?? "", HOME: top, TMPDIR: scratch, KUBEFLOW_RUN_ID: "run-1" },
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      expect(readdirSync(scratch)).toEqual([]);
      return {
        status: done.exitCode,
        last: done.stderr.toString().trimEnd().split("\n").at(-1),
        all: done.stderr.toString() + done.stdout.toString(),
      };
    };
    const readJson = (name: string): unknown => JSON.parse(readFileSync(join(project, "data", name), "utf8"));
    const notes = (): unknown[] =>
      readFileSync(join(project, "data", "notes.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);

    test("gives nodes every value type for type and leaves other parameters alone", () => {
      layProbe(version, project);
      const done = start([SHOW], NASTY);
      expect({ ...done, all: done.status === 0 ? "" : done.all }).toMatchObject({ status: 0, all: "" });
      expect(readJson("seen.json")).toEqual({
        plain: "'abc'",
        untouched: "'from conf'",
        ...Object.fromEntries(NASTY.map(([name, , repr]) => [name, repr])),
      });
      expect(notes()).toEqual([
        ["context", ["local", "1.0"]],
        ["run", [["combo"], ["show.it"]]],
      ]);
    }, 60_000);

    test("leaves parameters alone when the step has none", () => {
      layProbe(version, project);
      expect(start([SHOW], [])).toMatchObject({ status: 0 });
      expect(readJson("seen.json")).toEqual({
        ratio: "0.25",
        plain: "'abc'",
        nested: "{'keep': 1, 'also': {'deep': [1, 2.5]}}",
        untouched: "'from conf'",
      });
    }, 60_000);

    test("carries datasets between processes, also those declared as memory datasets", () => {
      layProbe(version, project);
      expect(start([SHOW], [])).toMatchObject({ status: 0 });
      const passOn: Nodes[number] = [UNNAMED[version], ["params:plain", "params:nested"], ["in_base", "in_local"]];
      const second = start([passOn], []);
      expect({ ...second, all: second.status === 0 ? "" : second.all }).toMatchObject({ status: 0, all: "" });
      const third = start([FINISH], []);
      expect({ ...third, all: third.status === 0 ? "" : third.all }).toMatchObject({ status: 0, all: "" });
      expect(readJson("finished.json")).toEqual([
        { made: [0.25, "{'deep': [1, 2.5]}"] },
        "'abc'",
        "{'keep': 1, 'also': {'deep': [1, 2.5]}}",
      ]);
    }, 90_000);

    test("carries datasets in a bucket, in a folder of the run", () => {
      layProbe(version, project);
      const bucket = join(project, "bucket");
      const more = { store: `file://${bucket}`, carried: ["in_base", "in_local", "made"] };
      const passOn: Nodes[number] = [UNNAMED[version], ["params:plain", "params:nested"], ["in_base", "in_local"]];
      mkdirSync(join(bucket, "run-1"), { recursive: true });
      for (const node of [SHOW, passOn, FINISH]) {
        const done = start([node], [], more);
        expect({ ...done, all: done.status === 0 ? "" : done.all }).toMatchObject({ status: 0, all: "" });
      }
      expect(readdirSync(join(bucket, "run-1"))).toHaveLength(3);
      const lost = start([FINISH], [], { ...more, store: `file://${bucket}-2` });
      expect(lost.status).toBe(1);
      expect(lost.all).toMatch(/dataset "(?:made|in_base|in_local)" is not there: no step of this run has made it/);
    }, 90_000);

    test("tells the last step of a run how the run ended", () => {
      layProbe(version, project);
      const failures = JSON.stringify(JSON.stringify([{ displayName: "a(0)" }]));
      expect(start([SHOW], [], {}, ["Failed", failures])).toMatchObject({ status: 0 });
      expect(readJson("seen.json")).toMatchObject({ status: "'Failed'", failures: `'[{"displayName":"a(0)"}]'` });
    }, 60_000);

    test("runs several nodes in one step and no others", () => {
      layProbe(version, project);
      const passOn: Nodes[number] = [UNNAMED[version], ["params:plain", "params:nested"], ["in_base", "in_local"]];
      expect(start([SHOW, passOn, FINISH], [], { carried: [], store: null })).toMatchObject({ status: 0 });
      expect(notes()[1]).toEqual(["run", [["combo"], [SHOW[0], passOn[0], FINISH[0]].toSorted()]]);
    }, 60_000);

    test("reads conf that is mounted from a ConfigMap and has no folder for the run environment", () => {
      layProbe(version, project);
      mountConf(project);
      expect(start([SHOW], NASTY.slice(0, 2))).toMatchObject({ status: 0 });
      expect(readJson("seen.json")).toMatchObject({ digits: "'0123'", untouched: "'from conf'", ratio: "0.25" });
    }, 60_000);

    test("runs the default pipeline", () => {
      layProbe(version, project);
      expect(start([SHOW], [], { pipeline: "__default__" })).toMatchObject({ status: 0 });
    }, 60_000);

    test("names the node that failed, and does not take sys.exit(0) for success", () => {
      layProbe(version, project);
      expect(start([["fail", ["params:ratio"], ["failed"]]], [])).toMatchObject({
        status: 1,
        last: 'kfk: step "a-step": failed in node "fail": KeyError',
      });
      expect(start([["leave", ["params:ratio"], ["left"]]], [])).toMatchObject({
        status: 1,
        last: 'kfk: step "a-step": failed in node "leave": SystemExit',
      });
    }, 60_000);

    test("says what to do with what cannot be pickled, and with what is not there", () => {
      layProbe(version, project);
      const bad = start([["bad", ["params:ratio"], ["function"]]], []);
      expect(bad).toMatchObject({ status: 1 });
      expect(bad.last).toStartWith('kfk: step "a-step": failed in node "bad": D');
      expect(bad.all).toContain(
        'dataset "function" cannot be pickled: add it to the catalog, or group its nodes into one step',
      );
      const early = start([FINISH], []);
      expect(early).toMatchObject({ status: 1 });
      expect(early.all).toContain("is not there: no step of this run has made it");
    }, 60_000);

    const settings = OTHER_SETTINGS.filter(([, only]) => only.includes(version));
    for (const [name, , lines] of settings) {
      test(`works with ${name}`, () => {
        layProbe(version, project, lines);
        expect(start([SHOW], NASTY)).toMatchObject({ status: 0 });
        expect(readJson("seen.json")).toMatchObject(Object.fromEntries(NASTY.map(([key, , repr]) => [key, repr])));
        const passOn: Nodes[number] = [UNNAMED[version], ["params:plain", "params:nested"], ["in_base", "in_local"]];
        expect(start([passOn], [])).toMatchObject({ status: 0 });
        expect(start([FINISH], [])).toMatchObject({ status: 0 });
        expect(readJson("finished.json")).toEqual([expect.anything(), "'abc'", expect.any(String)]);
      }, 90_000);
    }

    test("ends at once on SIGTERM, and leaves nothing", async () => {
      layProbe(version, project);
      mountConf(project);
      const scratch = mkdtempSync(join(top, "scratch-"));
      const shared = { kfk: 1, pipeline: "combo", env: "local", project, store: null, carried: [], parameters: {} };
      const step = { step: "a-step", nodes: [["wait", ["params:ratio"], ["waited"]]] };
      const child = Bun.spawn(
        [
          python as string,
          "-c",
          RUNNER,
          JSON.stringify(shared),
          JSON.stringify(step),
          Buffer.from("{}").toString("base64"),
        ],
        { env: { PATH: process.env["PATH"] ?? "", HOME: top, TMPDIR: scratch }, stdout: "ignore", stderr: "ignore" },
      );
      while (!existsSync(join(project, "data", "waiting"))) await Bun.sleep(20);
      expect(readdirSync(scratch)).toHaveLength(1);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(143);
      expect(readdirSync(scratch)).toEqual([]);
    }, 60_000);

    test("refuses an image of another state, with the difference", () => {
      layProbe(version, project);
      const state = `kfk: step "a-step": the image is not of the same state as this pipeline (of pipeline "combo", with Kedro ${version}): `;
      expect(start([["show.it", ["parameters", "params:rate", "params:nested.also"], ["made"]]], [])).toMatchObject({
        status: 91,
        last: `${state}node "show.it" has other inputs: ['parameters', 'params:nested.also', 'params:rate'] in the pipeline, ['parameters', 'params:nested.also', 'params:ratio'] here`,
      });
      expect(start([["shows", SHOW[1], SHOW[2]]], [])).toMatchObject({
        status: 91,
        last: `${state}there is no node "shows"; of the same inputs and outputs there is "show.it"`,
      });
      expect(start([SHOW], [], { pipeline: "gone" })).toMatchObject({
        status: 91,
        last: `kfk: step "a-step": the image is not of the same state as this pipeline (of pipeline "gone", with Kedro ${version}): there is no pipeline "gone"; there are: __default__, combo`,
      });
      expect(start([SHOW], [], { state: { combo: [7, "00000000"] } })).toMatchObject({
        status: 91,
        last: `${state}it has other nodes: 7 in the pipeline, 8 here (see kfk model --verify)`,
      });
      expect(existsSync(join(project, "data", "seen.json"))).toBe(false);
    }, 60_000);
  });
}
