import { KfkError } from "../error.ts";
import { TEXT_OR_JSON } from "./output-options.ts";
import type { Verb } from "./verb.ts";

export const config: Verb = {
  name: "config",
  summary: "Show kubeflow.yaml as kfk reads it",
  details:
    "view: all files of the environment merged, every ${…} resolved, hooks applied. Values that look secret are masked.",
  options: {
    "show-origin": { type: "boolean", description: "Name the file and line of every value" },
    output: { ...TEXT_OR_JSON, description: "Form on stdout" },
  },
  positionals: ["view"],
  examples: ["kfk config view", "kfk config view --show-origin", "kfk config view --env prod -o json"],
  run: async (call) => {
    const [what = ""] = call.positionals;
    if (what !== "view") {
      throw new KfkError("USAGE_ARGUMENT", `kfk config does not know "${what}"`, { hint: "use kfk config view" });
    }
    const [{ openGround }, { renderConfig }, { warnLost }] = await Promise.all([
      import("./open.ts"),
      import("../view/config.ts"),
      import("../config/overlay.ts"),
    ]);
    const { configuration, model } = await openGround(call);
    const tree = configuration.kubeflowTree();
    if (tree === undefined) throw noFile(model.project.env);
    // also said of a file that is shown: what is wrong with it
    const text = renderConfig(tree, call.world.env, {
      origins: call.options.flag("show-origin") === true,
      json: call.options.text("output") === "json",
    });
    call.world.out.write(text);
    call.warn(warnLost(configuration.kubeflowLost()));
    try {
      configuration.kubeflow();
    } catch (error) {
      if (!(error instanceof KfkError)) throw error;
      call.warn([{ message: `other commands will not accept this: ${error.message}`, at: error.at, hint: error.hint }]);
    }
    return 0;
  },
};

// --- internal ---

function noFile(env: string): KfkError {
  return new KfkError("CONFIG_MISSING", "the project has no kubeflow.yaml", {
    hint: `write conf/base/kubeflow.yaml, or conf/${env}/kubeflow.yaml for this environment alone`,
  });
}
