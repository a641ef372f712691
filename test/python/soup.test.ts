/** Texts that nobody would write: whatever the reader is given, it answers with pipelines or with an error for people. */
import { describe, expect, test } from "bun:test";
import { array, assert, constantFrom, nat, property, tuple } from "fast-check";
import { KfkError } from "../../src/error.ts";
import { readRegistry } from "../../src/kedro/registry.ts";
import { findProject } from "../../src/project/find.ts";
import { projectHost } from "../../src/project/host.ts";
import { fakeWorld } from "../fake-world.ts";
import { projectFiles, ROOT } from "../project-files.ts";

const PIPELINE = `from functools import partial
from kedro.pipeline import Pipeline, node, pipeline
from .nodes import fit, score

NAMES = {"left": 1, "right": 2}

class Maker:
    made = []

    def __init__(self, prefix="p"):
        self.prefix = prefix

    def make(self, name, *tags, **more):
        self.made.append(name)
        return node(fit, f"{self.prefix}_{name}", [f"{name}:out"[:-4], "x" + name], name=name, tags=tags or None)

def create_pipeline(**kwargs) -> Pipeline:
    maker = Maker("in")
    found = [maker.make(key, "t") for key in sorted(NAMES, key=NAMES.get) if key != "none"]
    try:
        found.append(node(partial(score, k=1), "left", None, name="end"))
    except (KeyError, ValueError) as error:
        raise RuntimeError(str(error)) from error
    total = 0
    while total < 3:
        total += 1
    match total:
        case 3 | 4:
            pass
        case [first, *rest]:
            found = rest
    return pipeline(found, namespace="ns" if total > 2 else None) + sum([pipeline([])])
`;

const TOKENS =
  `def class return yield lambda if elif else for in while try except finally with as import from global nonlocal
del match case pass break continue raise assert not and or is None True False node pipeline fit self x y f"{x}" "a" 'b'
"""c""" 0 1.5 0x1f 1_0 [ ] ( ) { } , : ; . = += := == < > * ** @ -> | & ~ - + % / // \\ # $ ? ! await async é`.split(
    /\s+/,
  );

const GLUE = [" ", "\n", "\n    ", ""];

/** `read` when there are pipelines, the code otherwise; anything else but a KfkError is thrown on. */
function outcome(code: string): string {
  const world = fakeWorld({ cwd: ROOT, files: projectFiles({ pipelines: { train: code } }) });
  const facts = findProject(world, ROOT);
  try {
    readRegistry(projectHost(world, facts), { package: facts.package, kedroVersion: "1.7.0" });
    return "read";
  } catch (error) {
    if (error instanceof KfkError) return error.code;
    throw error;
  }
}

const token = constantFrom(...TOKENS);
const soup = array(tuple(token, constantFrom(...GLUE)), { maxLength: 40 }).map((parts) =>
  parts.map(([word, glue]) => word + glue).join(""),
);

/** Pieces of real pipeline code taken out, doubled, swapped or replaced by a token. */
const mutated = array(tuple(nat(), constantFrom("drop", "double", "swap", "replace"), token), {
  minLength: 1,
  maxLength: 4,
}).map((changes) => {
  const parts = PIPELINE.split(/(\s+|[()[\]{},:.=])/).filter((part) => part !== "");
  for (const [at, kind, word] of changes) {
    const index = at % parts.length;
    const part = parts[index] ?? "";
    if (kind === "drop") parts[index] = "";
    else if (kind === "double") parts[index] = part + part;
    else if (kind === "replace") parts[index] = word;
    else {
      parts[index] = parts[(index + 1) % parts.length] ?? "";
      parts[(index + 1) % parts.length] = part;
    }
  }
  return parts.join("");
});

describe("any text", () => {
  test("the text that is changed below is read", () => {
    expect(outcome(PIPELINE)).toBe("read");
  });

  test.each([
    ["of tokens", soup, 300],
    ["made from pipeline code", mutated, 400],
  ] as const)("%s ends in pipelines or in an error with a code", (_, texts, numRuns) => {
    assert(
      property(texts, (text) => {
        outcome(text);
      }),
      { seed: 20260, numRuns },
    );
  });
});
