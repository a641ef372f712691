import type { ArgsDef } from "citty";
import { KfkError } from "../error.ts";
import { printable } from "../terminal-text.ts";
import { listen } from "./interrupt.ts";
import { parseDuration, RUN_WORDS } from "./options.ts";
import type { Verb } from "./verb.ts";

const OPTIONS = {
  node: { type: "string", valueHint: "NAME", description: "Only this step or Kedro node" },
  failed: { type: "boolean", description: "Only steps that failed" },
  follow: { type: "boolean", alias: ["f"], description: "Go on until the run has ended" },
  tail: { type: "string", valueHint: "LINES", description: "Only the last lines of each step" },
  since: { type: "string", valueHint: "TIME", description: "Only steps that ran within this time, such as 2h" },
  prefix: { type: "boolean", negativeDescription: "Lines without the step's name" },
} satisfies ArgsDef;

export const logs: Verb = {
  name: "logs",
  summary: "Show what the steps of a run wrote",
  details:
    `${RUN_WORDS} By whichever way the server gives logs: its own, that of its UI, or its archive. Servers give whole logs without ` +
    "times, so --since chooses steps, not lines.",
  options: OPTIONS,
  positionals: ["RUN"],
  examples: ["kfk logs @latest --failed", "kfk logs @latest --follow --node train-model"],
  run: async (call) => {
    const { options } = call;
    const tail = readTail(options.text("tail"));
    const since = options.text("since");
    const sinceMs = since === undefined ? null : parseDuration("since", since);
    const interrupt = listen(call.world);
    const stoppable = { ...call, stop: interrupt.signal };
    const [{ connectAnywhere, findRunId }, { followLogs }, { makeRedactor }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/follow.ts"),
      import("../secrets.ts"),
    ]);
    const hasPrefix = options.flag("prefix") !== false;
    // what a pod prints is for people, although it goes to stdout
    const { forPeople } = makeRedactor(call.world.env);
    const work = async (): Promise<void> => {
      const server = await connectAnywhere(stoppable);
      const id = await findRunId(call, server, call.positionals[0] as string);
      await followLogs(server, id, {
        node: options.text("node"),
        isFailedOnly: options.flag("failed") === true,
        isFollowing: options.flag("follow") === true,
        tail,
        sinceMs,
        signal: interrupt.signal,
        onLines: (step, lines) => {
          const texts = lines.map(
            (line) => `${hasPrefix ? `${printable(step)} | ` : ""}${printable(forPeople(line))}\n`,
          );
          call.world.out.write(texts.join(""));
        },
        onTrouble: (text) => call.say(text),
      });
      if (interrupt.came()) throw interrupt.error(LEFT);
    };
    try {
      await interrupt.during(work(), LEFT);
      return 0;
    } finally {
      interrupt.close();
    }
  },
};

// --- internal ---

const LEFT = "stopped; the run goes on";

function readTail(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^\d+$/.test(text)) return Number(text);
  throw new KfkError("USAGE_VALUE", `--tail wants a number of lines, and this is "${text}"`, {
    hint: "for example --tail 100",
  });
}
