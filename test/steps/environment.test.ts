import { describe, expect, test } from "bun:test";
import type { KubeflowEnv } from "../../src/config/kubeflow.ts";
import { KfkError } from "../../src/error.ts";
import { buildEnvironment, warnUncopied } from "../../src/steps/environment.ts";

const HERE: Readonly<Record<string, string>> = { COMMIT: "abc", EMPTY: "", API_TOKEN: "t0p" };

function build(...list: KubeflowEnv[]) {
  return buildEnvironment(
    list,
    (name) => HERE[name],
    () => undefined,
  );
}

function value(name: string, text: string): KubeflowEnv {
  return { name, from: "value", value: text };
}

describe("buildEnvironment", () => {
  test("takes values from the list, from here, and references to secrets", () => {
    expect(
      build({ name: "COMMIT", from: "environment" }, { name: "EMPTY", from: "environment" }, value("A", "1"), {
        name: "API_TOKEN",
        from: "secret",
        secret: "s",
        key: "k",
      }),
    ).toEqual([
      { name: "COMMIT", value: "abc" },
      { name: "EMPTY", value: "" },
      { name: "A", value: "1" },
      { name: "API_TOKEN", secret: "s", key: "k" },
    ]);
  });

  test("doubles dollars, which Kubernetes halves", () => {
    expect(build(value("A", "$HOME $(X) $$"))).toEqual([{ name: "A", value: "$$HOME $$(X) $$$$" }]);
  });

  const secret = (name: string): string => `run_config.env would write ${name} into the document, and it looks secret`;
  test.each<[string, KubeflowEnv[], string]>([
    ["a token from here", [{ name: "API_TOKEN", from: "environment" }], secret("API_TOKEN")],
    ["a password by name", [value("DB_PASSWORD", "x")], secret("DB_PASSWORD")],
    ["a key by name", [value("AWS_SECRET_ACCESS_KEY", "x")], secret("AWS_SECRET_ACCESS_KEY")],
    ["the plugin's login", [value("DEX_USERNAME", "x")], secret("DEX_USERNAME")],
    ["a password in a URL", [value("DB", "postgres://u:p@h/d")], secret("DB")],
    ["a signed token", [value("X", "eyJhbGciOi.eyJzdWIi.abc")], secret("X")],
    [
      "what is not set here",
      [{ name: "NOPE", from: "environment" }],
      "run_config.env lists NOPE, which is not set here",
    ],
    ["a name twice", [value("A", "1"), value("A", "2")], "run_config.env lists A twice"],
    [
      "kfk's own",
      [value("KUBEFLOW_RUN_ID", "1")],
      "run_config.env lists KUBEFLOW_RUN_ID, which every step gets from kfk",
    ],
    ["tags of Argo", [value("A", "{{workflow.name}}")], "the value of A in run_config.env would not arrive as it is"],
    ["emoji", [value("A", "\u{1F600}")], "the value of A in run_config.env would not arrive as it is"],
  ])("refuses %s", (_, list, want) => {
    let message = "";
    try {
      build(...list);
    } catch (error) {
      if (!(error instanceof KfkError)) throw error;
      message = error.message;
      expect(`${error.message} ${error.hint}`).not.toContain("t0p");
    }
    expect(message).toBe(want);
  });
});

describe("warnUncopied", () => {
  test("names what the predecessor copied, unless the list is there", () => {
    const names = ["PATH", "KEDRO_CONFIG_B", "IAP_CLIENT_ID", "KEDRO_CONFIG_A"];
    expect(warnUncopied(true, names)).toEqual([]);
    expect(warnUncopied(false, ["PATH"])).toEqual([]);
    expect(warnUncopied(false, names).map(({ message }) => message)).toEqual([
      "not copied into pods: IAP_CLIENT_ID, KEDRO_CONFIG_A, KEDRO_CONFIG_B",
    ]);
  });
});
