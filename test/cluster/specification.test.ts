import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureExperiment } from "../../src/cluster/experiments.ts";
import { uploadPipeline } from "../../src/cluster/pipelines.ts";
import { createRun, type RunRequest } from "../../src/cluster/runs.ts";
import { waitForRun } from "../../src/cluster/wait.ts";
import { RECORDINGS } from "../judges/kfp-said.ts";
import { errorOf, setUp } from "./setup-server.ts";

const TEXT = readFileSync(join(RECORDINGS, "defs/v2-plain.yaml"), "utf8");
const UPLOAD = { name: "plain", text: TEXT, kind: "ir" } as const;

describe.each(["2.0.5", "2.5.0", "2.17.0"] as const)("a pipeline specification on %s", (tag) => {
  async function request(parameters: RunRequest["parameters"]) {
    const setup = setUp(tag);
    const server = await setup.connect();
    const { pipelineId, versionId } = await uploadPipeline(server, UPLOAD);
    const { id } = await ensureExperiment(server, "plain");
    const wanted: RunRequest = {
      name: "plain",
      experimentId: id,
      source: { specification: { pipelineId, versionId } },
      parameters,
    };
    return { ...setup, server, wanted };
  }

  test("is uploaded once, and a change is a new version", async () => {
    const { fake, connect } = setUp(tag);
    const server = await connect();
    const made = [];
    for (const text of [TEXT, TEXT, TEXT.replace("hi", "ho"), TEXT]) {
      made.push((await uploadPipeline(server, { ...UPLOAD, text })).made);
    }
    expect(made).toEqual(["pipeline", "unchanged", "version", "version"]);
    expect(fake.requests.every((each) => each.path.startsWith("/apis/v2beta1/"))).toBe(true);
  });

  test("runs with typed values, and is followed to its end", async () => {
    const { fake, server, wanted } = await request([{ name: "alpha", value: "0.5" }]);
    const run = await createRun(server, wanted);
    expect(fake.runs().map((each) => each.id)).toEqual([run.id]);
    expect((await waitForRun(server, run.id, { timeoutMs: 600_000 })).verdict).toBe("succeeded");
  });

  test("makes one run when its answer is lost", async () => {
    const { fake, server, wanted } = await request([]);
    fake.addFault({ method: "POST", path: "/runs", acted: true, answer: "reset" });
    const run = await createRun(server, wanted);
    expect([fake.runs().map((each) => each.id), fake.workflows(), run.recovered]).toEqual([[run.id], 1, true]);
  });

  test("a value of a wrong type is 3, and nothing is made", async () => {
    const { fake, server, wanted } = await request([{ name: "alpha", value: '"much"' }]);
    expect([(await errorOf(createRun(server, wanted))).status, fake.workflows()]).toEqual([3, 0]);
  });
});

test("a server before 2.0 is said to take none", async () => {
  const error = await errorOf(uploadPipeline(await setUp("1.8.22").connect(), UPLOAD));
  expect([error.code, error.message]).toEqual([
    "SERVER_REFUSED",
    "this server is older than 2.0 and takes no pipeline specifications",
  ]);
});
