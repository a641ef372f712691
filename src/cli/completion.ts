import type { Verb } from "./verb.ts";

export const completion: Verb = {
  name: "completion",
  summary: "Print a script that completes kfk on Tab",
  details: "The script is static: pressing Tab starts nothing and evaluates nothing.",
  options: {},
  positionals: ["bash|zsh|fish|powershell"],
  examples: [
    "source <(kfk completion bash)",
    "kfk completion fish > ~/.config/fish/completions/kfk.fish",
    "kfk completion powershell | Out-String | Invoke-Expression",
  ],
  run: async (call) => {
    const [{ renderCompletion, SHELLS }, { VERBS }, { GLOBAL_OPTIONS }] = await Promise.all([
      import("../view/completion.ts"),
      import("./app.ts"),
      import("./options.ts"),
    ]);
    const typed = call.positionals[0] as string;
    const shell = SHELLS.find((each) => each === typed);
    if (shell === undefined) {
      const { KfkError, suggest } = await import("../error.ts");
      const near = suggest(typed, SHELLS);
      throw new KfkError("USAGE_ARGUMENT", `there is no completion for "${typed}"`, {
        hint: near === undefined ? `use one of ${SHELLS.join(", ")}` : `did you mean ${near}?`,
      });
    }
    call.world.out.write(renderCompletion(shell, VERBS, GLOBAL_OPTIONS));
    return 0;
  },
};
