/** `@latest` on servers that keep whole seconds. */
import { expect, test } from "bun:test";
import { findLatestRun } from "../../src/cluster/runs.ts";
import { connect } from "../../src/cluster/server.ts";
import { fakeWorld } from "../fake-world.ts";
import { errorOf } from "./setup-server.ts";

const ORIGIN = { project: "shop", env: "local" };

/** A server whose runs began at these seconds, newest first; `project` of each. */
async function serve(...runs: readonly (readonly [id: string, project: string, second: number])[]) {
  const world = fakeWorld({
    fetch: (url) => {
      if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
      const shown = runs.map(([id, project, second]) => ({
        id,
        name: id,
        created_at: `2026-01-02T00:00:0${second}Z`,
        description: `started by kfk as ${id} for ${project} (local)`,
      }));
      return Promise.resolve(Response.json({ runs: shown }));
    },
  });
  return await connect(world, { host: "http://kfp" });
}

const [A, B, C] = ["a", "b", "c"].map((each) => `00000000-0000-4000-8000-00000000000${each}`) as [
  string,
  string,
  string,
];

test("the newest is the latest, and another project's is none", async () => {
  const server = await serve([A, "books", 2], [B, "shop", 2], [C, "shop", 1]);
  expect((await findLatestRun(server, ORIGIN))?.id).toBe(B);
});

test("two of one second are refused with both ids, two older ones are not looked at", async () => {
  const server = await serve([A, "shop", 2], [B, "shop", 2], [C, "shop", 1]);
  const error = await errorOf(findLatestRun(server, ORIGIN));
  expect([error.code, error.message, error.hint]).toEqual([
    "RUN_UNKNOWN",
    "two runs were started in the same second, and which is the latest is not known",
    `name the one that is meant: ${A} or ${B}`,
  ]);
  expect((await findLatestRun(await serve([A, "shop", 3], [B, "shop", 1], [C, "shop", 1]), ORIGIN))?.id).toBe(A);
});
