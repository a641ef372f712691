import type { Verb } from "./verb.ts";

export const version: Verb = {
  name: "version",
  summary: "Print version and commit",
  options: {},
  examples: ["kfk version"],
  run: (call) => {
    call.world.out.write(`kfk ${call.version}${call.commit === "" ? "" : ` (${call.commit})`}\n`);
    return Promise.resolve(0);
  },
};
