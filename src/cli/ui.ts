import { RUN_WORDS } from "./options.ts";
import type { Call, Verb } from "./verb.ts";

export const ui: Verb = {
  name: "ui",
  summary: "Open the page of a run or of the pipelines",
  details: `${RUN_WORDS} Prints the link on stdout; on a terminal a browser is opened too.`,
  options: { browser: { type: "boolean", negativeDescription: "Only print the link" } },
  positionals: [],
  optionalPositionals: ["RUN"],
  examples: ["kfk ui", "kfk ui @latest"],
  run: async (call) => {
    const [{ connectAnywhere, findRunId }, { fetchRun }, { linkTo }] = await Promise.all([
      import("./find-run.ts"),
      import("../cluster/runs.ts"),
      import("../cluster/server.ts"),
    ]);
    const server = await connectAnywhere(call);
    const word = call.positionals[0];
    // the page of a run that is not there is an empty one
    const run = word === undefined ? undefined : await fetchRun(server, await findRunId(call, server, word));
    const link = run === undefined ? `${server.ui}/#/pipelines` : linkTo(server, { page: "run", id: run.id });
    call.world.out.write(`${link}\n`);
    if (call.options.flag("browser") !== false && call.world.err.isTerminal) await openBrowser(call, link);
    return 0;
  },
};

// --- internal ---

/** The usual openers; the first that is there is used, and none at all is no error: the link was printed. */
const OPENERS = ["xdg-open", "open"] as const;

async function openBrowser(call: Call, link: string): Promise<void> {
  const { world } = call;
  const env = Object.fromEntries(
    Object.entries(world.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  for (const opener of OPENERS) {
    try {
      const { code } = await world.spawn([opener, link], { cwd: world.cwd, env }).ended;
      if (code === 0) return;
    } catch {
      // no such program here: the next one
    }
  }
}
