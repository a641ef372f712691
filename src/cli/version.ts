import { TEXT_OR_JSON } from "./output-options.ts";
import type { Verb } from "./verb.ts";

export const version: Verb = {
  name: "version",
  summary: "Print version and commit",
  details: "With -o json also the target, the version of Bun and the SHA-256 of the list of packages in the binary.",
  options: {
    output: { ...TEXT_OR_JSON, description: "Form on stdout" },
  },
  examples: ["kfk version", "kfk version -o json"],
  run: async (call) => {
    const { version, commit, world, options } = call;
    if (options.text("output") === "json") {
      const { BUILD } = await import("../init/release.ts");
      const { target, bun, dependencies } = BUILD;
      world.out.write(`${JSON.stringify({ version, commit, target, bun, dependencies })}\n`);
    } else {
      world.out.write(`kfk ${version}${commit === "" ? "" : ` (${commit})`}\n`);
    }
    return 0;
  },
};
