import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkArgo, isRefused } from "./argo-check.ts";
import { checkArgoSchema, findSchemas, findUnknownKeys, schemaVersions } from "./argo-schema.ts";

const folder = findSchemas();

describe.skipIf(folder === undefined)("the verdicts of Argo 4.0.5", () => {
  const { base, cases } = folder ? readCases(folder) : { base: {}, cases: [] };
  for (const { case: name, patch, strict, lint, submit } of cases) {
    test(name, () => {
      const document = patched(base, patch);
      const verdicts = {
        strict: findUnknownKeys(document, folder ?? "").length > 0,
        lint: isRefused(checkArgo(document, "lint")),
        submit: isRefused(checkArgo(document, "submit")),
      };
      expect(verdicts).toEqual({ strict: strict !== null, lint: lint !== null, submit: submit !== null });
    });
  }

  test("name the rule that the case is about", () => {
    const wrong = cases.flatMap(({ case: name, patch, submit }) => {
      const rule = name.split(" ")[0] as string;
      if (submit === null) return [];
      const rules = checkArgo(patched(base, patch), "submit").map((problem) => problem.rule);
      return rules.some((found) => found[0] === rule[0] || SAME.get(rule) === found)
        ? []
        : [`${name}: ${rules.join(" ")}`];
    });
    expect(wrong).toEqual([]);
  });
});

/** A variable rule of a task is reported as what it is about. */
const SAME = new Map([
  ["W5", "T3"],
  ["T2", "V1"],
  ["D6", "T3"],
  ["D8", "V1"],
  ["D11", "V1"],
  ["N2", "N2"],
]);

describe("checkArgo", () => {
  const rows: readonly { name: string; change: (workflow: Small) => void; problems: readonly string[] }[] = [
    { name: "nothing in a sound workflow", change: () => {}, problems: [] },
    {
      name: "a mount of a volume that is not defined",
      change: (workflow) => {
        workflow.spec.templates[1].container.volumeMounts = [{ name: "data", mountPath: "/data" }];
      },
      problems: ['K1 spec.templates.a: the mounted volume "data" is not defined'],
    },
    {
      name: "a reference inside longer text without a dependency",
      change: (workflow) => {
        workflow.spec.templates[0].dag.tasks[1].arguments = {
          parameters: [{ name: "x", value: "id-{{tasks.one.id}}" }],
        };
        workflow.spec.templates[2].inputs = { parameters: [{ name: "x" }] };
      },
      problems: ['K2 spec.templates.main.tasks.two.arguments.x: uses "one" without waiting for it'],
    },
    {
      name: "retry settings that are no numbers and durations",
      change: (workflow) => {
        workflow.spec.templates[1].retryStrategy = { limit: "often", backoff: { duration: "soon", factor: "2" } };
      },
      problems: [
        "K3 spec.templates.a: retry limit is no number",
        'K3 spec.templates.a: backoff duration "soon" is no duration',
      ],
    },
    {
      name: "a variable that Argo does not know",
      change: (workflow) => {
        workflow.spec.templates[1].container.args = ["{{foo.bar}}"];
      },
      problems: ["K16 spec.templates.a: {{foo.bar}} is no variable of Argo's"],
    },
    {
      name: "an expression over a parameter that is not there",
      change: (workflow) => {
        workflow.spec.templates[1].container.args = ["{{=toJson(workflow.parameters.rate)}}"];
      },
      problems: ["K17 spec.templates.a: cannot resolve workflow.parameters.rate"],
    },
    {
      name: "a template that nothing leads to",
      change: (workflow) => {
        workflow.spec.templates[0].dag.tasks.length = 1;
      },
      problems: ["K9 spec.templates.b: nothing leads to it"],
    },
    {
      name: "a quantity that Kubernetes does not know",
      change: (workflow) => {
        workflow.spec.templates[1].container.resources = { limits: { cpu: "500m", memory: "1 GB" } };
      },
      problems: ['K14 spec.templates.a: limits.memory "1 GB"'],
    },
    {
      name: "a name in capitals",
      change: (workflow) => {
        workflow.spec.templates[1].name = "A";
        workflow.spec.templates[0].dag.tasks[0].template = "A";
      },
      problems: ['K4 spec.templates[1]: "A" is no name for a pod'],
    },
  ];
  for (const { name, change, problems } of rows) {
    test(`finds ${name}`, () => {
      const workflow = small();
      change(workflow);
      const found = checkArgo(workflow, "submit");
      expect(found.map(({ rule, at, message }) => `${rule} ${at}: ${message}`)).toEqual([...problems]);
    });
  }
});

describe.skipIf(folder === undefined)("checkArgoSchema", () => {
  test("knows nine versions, oldest first", () => {
    const versions = schemaVersions(folder ?? "");
    expect(versions).toEqual(["3.1.6", "3.2.3", "3.3.10", "3.4.17", "3.5.14", "3.6.7", "3.7.8", "4.0.5", "4.1.2"]);
  });

  test("accepts a sound workflow in every version", () => {
    expect(checkArgoSchema(small(), folder ?? "")).toEqual([]);
  });

  test("refuses an unknown key and a wrong type inside a claim", () => {
    const workflow = small();
    workflow.spec.templates[1] = {
      name: "a",
      resource: {
        action: "create",
        manifest:
          "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: ReadWriteOnce, storageClas: x}\n",
      },
    };
    expect(checkArgoSchema(workflow, folder ?? "", ["3.3.10"])).toEqual([
      '3.3.10: the claim of a: /spec must NOT have additional properties ({"additionalProperty":"storageClas"})',
      "3.3.10: the claim of a: /spec/accessModes must be array",
    ]);
  });
});

// --- internal ---

// oxlint-disable-next-line typescript/no-explicit-any -- test documents are changed at will
type Small = any;

function small(): Small {
  const container = { image: "img:1", command: ["run"] };
  return {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Workflow",
    metadata: { generateName: "p-" },
    spec: {
      entrypoint: "main",
      templates: [
        {
          name: "main",
          dag: {
            tasks: [
              { name: "one", template: "a" },
              { name: "two", template: "b" },
            ],
          },
        },
        { name: "a", container: { ...container } },
        { name: "b", container: { ...container } },
      ],
    },
  };
}

interface Case {
  readonly case: string;
  readonly patch: readonly Change[];
  readonly strict: string | null;
  readonly lint: string | null;
  readonly submit: string | null;
}

interface Change {
  readonly op: "add" | "replace" | "remove";
  readonly path: string;
  readonly value?: unknown;
}

function readCases(from: string): { base: object; cases: readonly Case[] } {
  return JSON.parse(readFileSync(join(from, "argo-lint-cases-4.0.5.json"), "utf8")) as never;
}

/** A copy of the document with a JSON Patch applied: the three operations that the cases use. */
function patched(document: object, changes: readonly Change[]): object {
  const copy = structuredClone(document);
  for (const { op, path, value } of structuredClone(changes)) {
    const keys = path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() as string;
    let parent = copy as Record<string, unknown>;
    for (const key of keys) parent = parent[key] as Record<string, unknown>;
    if (!Array.isArray(parent)) {
      if (op === "remove") delete parent[last];
      else parent[last] = value;
    } else if (op === "add") parent.splice(last === "-" ? parent.length : Number(last), 0, value);
    else if (op === "replace") parent[Number(last)] = value;
    else parent.splice(Number(last), 1);
  }
  return copy;
}
