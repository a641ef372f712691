/**
 * A process that `run.test.ts` starts and interrupts: two steps run locally, each a Python that ignores SIGTERM and
 * has a child that does so too. Prints the four process ids, at the end the outcome.
 */
import { join } from "node:path";
import { runLocally } from "../../src/local/run.ts";
import { realWorld } from "../../src/world.ts";

const folder = process.argv[2] as string;
const world = realWorld();
const script = `
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print("pids", os.getpid(), child, flush=True)
time.sleep(60)
`;
const pids: string[] = [];
const nodes = (id: string) => [
  {
    name: id,
    named: true,
    func: "",
    inputs: [],
    outputs: [],
    tags: [],
    namespace: null,
    confirms: [],
    source: null,
  },
];
const result = await runLocally(
  {
    ...world,
    // the runner's place is taken by the script above; all else is real
    spawn: ([python = ""], options) =>
      world.spawn([python, "-c", script], {
        ...options,
        onLine: (line) => {
          pids.push(...line.split(" ").slice(1));
          if (pids.length === 4) world.out.write(`${pids.join(" ")}\n`);
        },
      }),
  },
  {
    name: "p",
    project: "P",
    pipeline: "__default__",
    env: "local",
    description: null,
    steps: ["a", "b"].map((id) => ({ id, nodes: nodes(id), needs: [], parameters: [], pod: { resources: {} } })),
    parameters: [],
    shared: {
      kfk: 1,
      pipeline: "__default__",
      env: "local",
      project: folder,
      store: null,
      carried: [],
      parameters: {},
    },
    pods: { image: null, imagePullPolicy: "IfNotPresent", ttlSeconds: null, volume: null, serviceAccount: null },
    warnings: [],
  },
  { project: join(folder), python: "python3", runId: "r", atOnce: 2, graceMs: 300 },
);
world.out.write(`${result.outcome}\n`);
