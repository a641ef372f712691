/** What people get wrong is said before anything is sent, with the way out. No time really passes. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import type { Call } from "../../src/cli/verb.ts";
import { writeList } from "../../src/cli/write-list.ts";
import { fakeWorld, type FakeWorld } from "../fake-world.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const PARAMETERS = "rate: 0.1\nmodel: {size: {test: 0.2, seed: 7}, name: tree}\n";
const CONF = { "base/kubeflow.yaml": KUBEFLOW, "base/parameters.yml": PARAMETERS };
const BROKEN = { [`${ROOT}/src/shop/pipelines/train/pipeline.py`]: "def broken(:\n" };
const CRON = ["schedule", "-c", "0 0 4 * * *"];

let server: FakeKfp;
let clock: FakeWorld["clock"];
let passedMs = 0;
beforeEach(() => {
  passedMs = 0;
  ({ clock } = fakeWorld());
  server = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => passedMs + clock.monotonicMs() });
});
afterEach(async () => await server.stop());

async function kfk(argv: readonly string[], files: Readonly<Record<string, string>> = {}, kedro = "1.7.0") {
  passedMs += clock.monotonicMs();
  const project = projectFiles({ kedro, conf: CONF });
  const world = fakeWorld({ cwd: ROOT, files: { ...project, ...files }, fetch: server.fetch });
  ({ clock } = world);
  const before = server.requests.length;
  const real = { ...world, newId: () => crypto.randomUUID() };
  const status = await runCommandLine(real, [...argv, "--host", server.url], "1.2.3", "");
  const writes = server.requests.slice(before).filter(({ method }) => method !== "GET").length;
  return { status, out: world.written.out(), err: world.written.err(), writes };
}

describe("--param", () => {
  const verbs = [["compile", "-o", "-"], ["upload-pipeline"], CRON, ["run-once"]];
  test.each(verbs)("of another kind than the default is refused by %s", async (...verb) => {
    const { status, err, writes } = await kfk([...verb, "--param", "model=1"]);
    expect({ status, writes }).toEqual({ status: 3, writes: 0 });
    expect(err).toContain('parameter "model" is a mapping, and this is a number');
  });

  test("with dots is put into the default", async () => {
    const { out } = await kfk(["compile", "-o", "-", "--param", "model.size.test=0.3", "--param", "model.name=bush"]);
    expect(out).toContain(String.raw`value: "{\"size\": {\"test\": 0.3, \"seed\": 7}, \"name\": \"bush\"}"`);
  });

  test.each([
    ["a key that is not there", "model.size.tets=1", "1.7.0", {}, "did you mean model.size.test?"],
    ["text for a number", "model.size.test=abc", "1.7.0", {}, "write numbers as 0.2"],
    ["a part of a number", "rate.x=1", "1.7.0", {}, "give the whole value: --param rate=VALUE"],
    [
      "a Kedro that knows no parts",
      "model.name=x",
      "0.17.5",
      {},
      `--param 'model={"size": {"test": 0.2, "seed": 7}, "name": "x"}'`,
    ],
    [
      "an environment whose files would drop the other keys",
      "model.size.seed=8",
      "1.7.0",
      { [`${ROOT}/conf/local/parameters.yml`]: "rate: 0.2\n" },
      `--param 'model={"size": {"test": 0.2, "seed": 8}, "name": "tree"}'`,
    ],
  ])("with dots is refused for %s", async (_, param, kedro, files, hint) => {
    const { status, err } = await kfk(["compile", "-o", "-", "--param", param], files, kedro);
    expect(status).toBe(3);
    expect(err).toContain(hint);
  });

  test("that the scheduled version does not have is told before it is sent", async () => {
    await kfk(["upload-pipeline"]);
    const more = { [`${ROOT}/conf/base/parameters.yml`]: `${PARAMETERS}ratio: 1\n` };
    const { status, err, writes } = await kfk([...CRON, "--param", "ratio=2"], more);
    expect({ status, writes }).toEqual({ status: 3, writes: 0 });
    expect(err).toMatch(/the version \S+, which is scheduled, has no parameter "ratio"/);
  });
});

test.each([
  ["--experiment-name", 129],
  ["--run-name", 256],
])("a %s of %d characters is refused before the upload", async (option, length) => {
  expect(await kfk(["run-once", option, "x".repeat(length)])).toMatchObject({ status: 3, writes: 0, out: "" });
});

test("a pipeline that cannot be read keeps nobody from a run or a schedule", async () => {
  for (const argv of [["run-once"], ["upload-pipeline"], CRON]) expect((await kfk(argv)).status).toBe(0);
  for (const verb of ["status", "ui", "cancel"]) expect((await kfk([verb, "@latest"], BROKEN)).status).toBe(0);
  for (const word of ["pause", "rm"]) expect((await kfk(["schedule", word], BROKEN)).status).toBe(0);
  expect((await kfk(["run-once"], BROKEN)).err).toContain("PY_SYNTAX");
});

test("a schedule whose name has braces is found without the pipelines", async () => {
  const named = { [`${ROOT}/conf/base/kubeflow.yaml`]: `${KUBEFLOW}  scheduled_run_name: "nightly {rate}"\n` };
  expect((await kfk(["upload-pipeline"], named)).status).toBe(0);
  expect((await kfk(CRON, named)).err).toContain("scheduled nightly {rate}");
  expect((await kfk(["schedule", "pause"], { ...named, ...BROKEN })).err).toContain("paused nightly {rate}");
});

describe("RUN", () => {
  test("as the beginning of an id, or as a name, gets the whole id told", async () => {
    const id = (await kfk(["run-once", "--run-name", "nightly"])).out.trim();
    for (const word of [id.slice(0, 8), "nightly"]) {
      const { status, err } = await kfk(["status", word]);
      expect(status).toBe(3);
      expect(err).toContain(`hint: kfk status ${id}`);
    }
  });

  test("that is not there has no page", async () => {
    expect(await kfk(["ui", "nope"])).toMatchObject({ status: 3, out: "" });
    expect(await kfk(["ui", crypto.randomUUID()])).toMatchObject({ status: 3, out: "" });
  });

  test("that succeeded cannot go on, and one that runs not yet", async () => {
    server.setScript([{ t: 0, state: "Succeeded" }]);
    const id = (await kfk(["run-once", "--wait"])).out.trim();
    expect(await kfk(["retry", id])).toMatchObject({ status: 3, writes: 0 });
    expect((await kfk(["cancel", id])).err).toContain("has succeeded already");
    server.setScript([{ t: 0, state: "Running" }]);
    const other = (await kfk(["run-once"])).out.trim();
    const { err, writes } = await kfk(["retry", other]);
    expect(writes).toBe(0);
    expect(err).toContain(`the run ${other} has not ended`);
  });
});

test.each([
  ["a name that is not there", "ENOTFOUND", ["upload-pipeline"], 5000],
  ["a port where nothing listens, for who only reads", "ECONNREFUSED", ["list-runs"], 10_000],
  ["the same with a time of one's own", "ECONNREFUSED", ["list-runs", "--request-timeout", "20"], 40_000],
  ["a name that cannot be looked up now", "EAI_AGAIN", ["list-runs"], 60_000],
])("%s is given up in time", async (_, code, argv, mostMs) => {
  const fetch = (): Promise<Response> => Promise.reject(Object.assign(new Error("no"), { code }));
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ conf: CONF }), fetch });
  const real = { ...world, newId: () => crypto.randomUUID() };
  expect(await runCommandLine(real, [...argv, "--host", "http://kfp.example"], "1.2.3", "")).toBe(5);
  const tookMs = world.clock.monotonicMs();
  expect(tookMs).toBeLessThanOrEqual(mostMs);
  expect(tookMs).toBeGreaterThan(mostMs / 10);
});

test("a small parameter that no step uses stays beside the large one that does not fit", async () => {
  const more = { [`${ROOT}/conf/base/parameters.yml`]: `rate: 0.1\nunused: 1\nbig: ${"x".repeat(11_000)}\n` };
  const { err } = await kfk(["compile", "-o", "-"], more);
  expect(err).toMatch(/left to the conf in the image: "big" \(\d+ bytes\)\n/);
});

test("list-runs names the newest 100, and says that there are more", async () => {
  for (let count = 0; count <= 100; count++) await kfk(["run-once"]);
  const { out, err } = await kfk(["list-runs", "-o", "name"]);
  expect(out.split("\n").length).toBe(101);
  expect(err).toContain("there are more: --limit NUMBER or --limit all shows them");
  expect((await kfk(["list-runs", "--limit", "all", "-o", "name"])).out.split("\n").length).toBe(102);
  expect((await kfk(["list-runs", "--limit", "100"])).err).not.toContain("there are more");
});

test("a list that nobody limits ends where it says so", async () => {
  async function* pages(): AsyncGenerator<readonly number[]> {
    for (const page of [[1, 2], [3], [4]]) yield await Promise.resolve(page);
  }
  const list = async (limit: number): Promise<readonly [string, string]> => {
    const world = fakeWorld();
    const said: string[] = [];
    const options = { text: () => "name", flag: () => undefined, list: () => [] };
    const call = { world, options, say: (text: string) => said.push(text) } as unknown as Call;
    const name = (item: number): string => `${item}`;
    await writeList(call, pages(), {
      limit,
      more: "more",
      isWanted: (item) => item !== 2,
      titles: "",
      row: name,
      name,
    });
    return [world.written.out(), said.join()];
  };
  expect(await list(2)).toEqual(["1\n3\n", "more"]);
  expect(await list(3)).toEqual(["1\n3\n4\n", ""]);
});
