/** Logs of a run: each line once, whatever the routes, the pods and the server do. */
import { describe, expect, test } from "bun:test";
import { followLogs, type FollowOptions, freshLines } from "../../src/cluster/follow.ts";
import { connect } from "../../src/cluster/server.ts";
import { fakeWorld } from "../fake-world.ts";
import { errorOf } from "./setup-server.ts";

const RUN = "00000000-0000-4000-8000-00000000abcd";

interface At {
  readonly status: string;
  /** Node name (`train`, `train(1)`) → phase. */
  readonly pods: Readonly<Record<string, string>>;
  readonly log?: (pod: string, route: "api" | "artifact") => string | undefined;
  /** In place of a log that is undefined. */
  readonly refused?: () => Response;
}

/** Follows on a server that shows what `at` says; the value is all that was handed on. */
async function follow(at: (ms: number) => At | (() => Response), options: Partial<FollowOptions> = {}) {
  const none = (): Promise<Response> => Promise.resolve(Response.json({ error_message: "no pod" }, { status: 404 }));
  const world = fakeWorld({
    fetch: (url) => {
      if (url.includes("healthz")) return Promise.resolve(Response.json({ tag_name: "2.5.0" }));
      const shown = at(world.clock.monotonicMs());
      const pod = /nodes\/w-([^/]+)\//.exec(decodeURIComponent(url))?.[1] ?? "";
      if (typeof shown === "function") return Promise.resolve(shown());
      if (url.includes("/artifacts/")) {
        const text = shown.log?.(pod, "artifact");
        return text === undefined ? none() : Promise.resolve(Response.json({ data: btoa(text) }));
      }
      if (url.includes("/log")) {
        const text = shown.log?.(pod, "api");
        if (text === undefined && shown.refused !== undefined) return Promise.resolve(shown.refused());
        return text === undefined
          ? none()
          : Promise.resolve(new Response(text, { headers: { "content-type": "text/plain" } }));
      }
      const entries = Object.entries(shown.pods).map(([name, phase]) => [
        `w-${name}`,
        {
          id: `w-${name}`,
          name: `w.${name}`,
          displayName: name.replace(/\(\d\)$/, ""),
          type: "Pod",
          phase,
          startedAt: "2026-01-02T00:00:00Z",
        },
      ]);
      const retries = Object.keys(shown.pods).some((name) => name.includes("("))
        ? [["w-r", { id: "w-r", name: "w.train", displayName: "train", type: "Retry", phase: "Running" }]]
        : [];
      const workflow = {
        metadata: { name: "w", annotations: { "workflows.argoproj.io/pod-name-format": "v1" } },
        spec: { templates: [MERGED] },
        status: { phase: shown.status, nodes: Object.fromEntries([...entries, ...retries]) as unknown },
      };
      return Promise.resolve(
        Response.json({
          run: { id: RUN, status: shown.status },
          pipeline_runtime: { workflow_manifest: JSON.stringify(workflow) },
        }),
      );
    },
  });
  const server = await connect(world, { host: "http://kfp" });
  const lines: string[] = [];
  const troubles: string[] = [];
  const work = followLogs(server, RUN, {
    node: undefined,
    isFailedOnly: false,
    isFollowing: true,
    tail: Infinity,
    sinceMs: null,
    onLines: (step, more) => lines.push(...more.map((line) => `${step}|${line}`)),
    onTrouble: (text) => troubles.push(text),
    ...options,
  });
  return { work, lines, troubles, world };
}

const MERGED = {
  name: "main",
  dag: {
    tasks: [
      {
        name: "train",
        arguments: {
          parameters: [{ name: "step", value: JSON.stringify({ nodes: [["fit_model"], ["score_model"]] }) }],
        },
      },
    ],
  },
};

const numbers = (count: number, from = 1): string =>
  Array.from({ length: count }, (_, index) => `line ${from + index}\n`).join("");
const lined = (count: number, from = 1): readonly string[] =>
  Array.from({ length: count }, (_, index) => `train|line ${from + index}`);
const down = (): Response => new Response("no upstream", { status: 503 });
const going = { status: "Running", pods: { train: "Running" } };
const over = { status: "Succeeded", pods: { train: "Succeeded" } };

describe("follow", () => {
  test("hands on what is new, and a half line when it is whole", async () => {
    const { work, lines } = await follow((ms) =>
      ms < 4000
        ? { ...going, log: () => `${numbers(2)}li` }
        : ms < 8000
          ? { ...going, log: () => `${numbers(4)}` }
          : { ...over, log: () => `${numbers(4)}the end` },
    );
    await work;
    expect(lines).toEqual([...lined(4), "train|the end"]);
  });

  test("an answer that is cut off, empty or from another route repeats and loses nothing", async () => {
    const { work, lines } = await follow((ms) => {
      if (ms < 4000) return { ...going, log: (_, route) => (route === "api" ? numbers(5) : undefined) };
      if (ms < 8000) return { ...going, log: () => numbers(2) };
      if (ms < 12_000) return { ...going, log: () => "" };
      if (ms < 16_000) return { ...going, log: () => undefined };
      return { ...over, log: (_, route) => (route === "artifact" ? numbers(9) : undefined) };
    });
    await work;
    expect(lines).toEqual([...lined(9)]);
  });

  test("a log whose beginning was rotated away goes on, and one of a new container is begun again", async () => {
    const { work, lines } = await follow((ms) =>
      ms < 4000
        ? { ...going, log: () => numbers(6) }
        : ms < 8000
          ? { ...going, log: () => numbers(6, 3) }
          : { ...over, log: () => "another\n" },
    );
    await work;
    expect(lines).toEqual([...lined(8), "train|another"]);
  });

  test("the last words of an attempt are read although another one took its place", async () => {
    const { work, lines } = await follow((ms) =>
      ms < 4000
        ? { status: "Running", pods: { "train(0)": "Running" }, log: () => "first\n" }
        : ms < 8000
          ? {
              status: "Running",
              pods: { "train(0)": "Failed", "train(1)": "Running" },
              log: (pod) => (pod === "train(0)" ? "first\nout of memory" : "second\n"),
            }
          : {
              status: "Succeeded",
              pods: { "train(0)": "Failed", "train(1)": "Succeeded" },
              log: (pod) => (pod === "train(0)" ? "first\nout of memory" : "second\ndone\n"),
            },
    );
    await work;
    expect(lines).toEqual(["train|first", "train|out of memory", "train|second", "train|done"]);
  });

  test("a log that was read twice after its step had ended is not asked for again, until the step runs again", async () => {
    let asked = 0;
    const { work, lines } = await follow((ms) => {
      const early = ms < 60_000 ? "Failed" : ms < 66_000 ? "Running" : "Succeeded";
      const status = ms < 120_000 ? "Running" : "Succeeded";
      const text = (pod: string): string => (pod === "early" ? (ms < 60_000 ? "one\n" : "one\ntwo\n") : numbers(1));
      return {
        status,
        pods: { early, train: status },
        log: (pod, route) => {
          if (pod === "early" && route === "api") asked++;
          return text(pod);
        },
      };
    });
    await work;
    expect([lines, asked]).toEqual([["early|one", "train|line 1", "early|two"], 6]);
  });

  test("a server that is away is waited for, and what it has then is not repeated", async () => {
    const { work, lines, troubles } = await follow((ms) =>
      ms < 4000 ? { ...going, log: () => numbers(3) } : ms < 300_000 ? down : { ...over, log: () => numbers(5) },
    );
    await work;
    expect(lines).toEqual([...lined(5)]);
    expect(troubles).toHaveLength(1);
  });

  test("a server that stays away ends it, after the window", async () => {
    const { work, world } = await follow((ms) => (ms < 4000 ? { ...going, log: () => numbers(3) } : down));
    expect((await errorOf(work)).code).toBe("SERVER_ERROR");
    expect(world.clock.monotonicMs()).toBeGreaterThan(600_000);
    expect(world.clock.monotonicMs()).toBeLessThan(640_000);
  });

  test("a signal ends it at once", async () => {
    const stop = new AbortController();
    const { work, world } = await follow(() => ({ ...going, log: () => numbers(1) }), { signal: stop.signal });
    void world.clock.sleep(10_000).then(() => stop.abort());
    await work;
    expect(world.clock.monotonicMs()).toBe(10_000);
  });

  test("a log that nobody has after the end is said once", async () => {
    const { work, lines, troubles } = await follow(() => ({ ...over, log: () => undefined }));
    await work;
    expect([lines, troubles.length]).toEqual([[], 1]);
    expect(troubles[0]).toStartWith("no log of train: no pod (GET ");
  });

  test.each([
    ["an empty log", over, {}, "no log of train: it is empty, or the server no longer has it"],
    ["a step that is not there yet", { status: "", pods: {} }, { isFollowing: false }, "no step has begun"],
    ["no failed step", over, { isFailedOnly: true }, "no step has failed"],
  ] as const)("%s is said", async (_, shown, options, expected) => {
    const { work, lines, troubles } = await follow(() => ({ ...shown, log: () => "" }), options);
    await work;
    expect([lines, troubles]).toEqual([[], [expected]]);
  });

  test.each([
    [
      "said by Go and S3 is short",
      `BadRequestError: Failed to read logs from archive ${"w".repeat(200)}: blob (code=NotFound): operation error S3`,
      "neither its pod nor the archive has it any more",
    ],
    ["that is long is cut", "b".repeat(500), `${"b".repeat(150)}…`],
  ])("a reason %s", async (_, said, expected) => {
    const refused = (): Response => Response.json({ error_message: said }, { status: 400 });
    const { work, troubles } = await follow(() => ({ ...over, log: () => undefined, refused }), { isFollowing: false });
    await work;
    expect(troubles).toEqual([
      `no log of train: ${expected} (GET /apis/v1alpha1/runs/${RUN}/nodes/w-train/log: 400, 1 attempt)`,
    ]);
  });

  test.each([
    ["a Kedro node of a merged step", { node: "score_model" }, lined(3)],
    ["the last line at first", { tail: 1 }, lined(1, 3)],
    ["none of those that are there", { tail: 0 }, []],
    ["failed steps only", { isFailedOnly: true }, []],
  ] as const)("%s", async (_, options, expected) => {
    const { work, lines } = await follow(() => ({ ...over, log: () => numbers(3) }), {
      isFollowing: false,
      ...options,
    });
    await work;
    expect(lines).toEqual([...expected]);
  });

  test("line ends of Windows are line ends, and bytes that are no text are lines as well", async () => {
    const text = `a\r\nb\r\n${"x".repeat(100_000)}\r\n\u0000\uFFFD\n`;
    const { work, lines } = await follow(() => ({ ...over, log: () => text }));
    await work;
    expect(lines).toEqual(["train|a", "train|b", `train|${"x".repeat(100_000)}`, "train|\u0000\uFFFD"]);
  });
});

test.each([
  ["nothing was shown", [], ["a"], ["a"]],
  ["more of the same", ["a"], ["a", "b"], ["b"]],
  ["less of the same", ["a", "b"], ["a"], []],
  ["lost its beginning", ["a", "b", "c", "d"], ["b", "c", "d", "e"], ["e"]],
  ["one line that is the same is chance", ["a", "b"], ["b", "c"], ["b", "c"]],
  ["another log", ["a", "b"], ["c"], ["c"]],
] as const)("fresh lines: %s", (_, before, now, fresh) => {
  expect(freshLines(before, now)).toEqual([...fresh]);
});
