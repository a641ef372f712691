/** Hooks that misbehave, on the built file: status 3, nothing on stdout, and a message that names hook, file and line. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();

afterAll(projects.remove);

/** Processes of hooks that are still there. */
function leftOver(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (words[0] !== KFK || words[1] !== "__hooks") return false;
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  });
}

interface Row {
  readonly name: string;
  readonly text: string;
  readonly more?: Readonly<Record<string, string>>;
  readonly env?: Record<string, string>;
  readonly want: readonly string[];
}

const SHORT = { KFK_HOOKS_TIMEOUT: "0.7" };

const rows: Row[] = [
  {
    name: "throws",
    text: 'import { defineHooks } from "kfk";\nexport default defineHooks({\n  config: (config) => {\n    throw new Error("no quota");\n  },\n});\n',
    want: [
      'error: the hook "config" in kfk.hooks.ts failed: no quota [HOOK_FAILED]',
      "  --> kfk.hooks.ts:4:15",
      "  2 | export default defineHooks({",
      "  3 |   config: (config) => {",
      '  4 |     throw new Error("no quota");',
      "    |               ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "throws in a file that it imports",
    text: 'import { quota } from "./ci/quota";\nexport default { config: () => quota() };\n',
    more: {
      "ci/quota.ts":
        "export function quota(): never {\n  const limit: number = 3;\n  throw new TypeError(`over ${limit}`);\n}\n",
    },
    want: [
      'error: the hook "config" in kfk.hooks.ts failed: TypeError: over 3 [HOOK_FAILED]',
      "  --> ci/quota.ts:3:13",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "throws what is no error",
    text: 'export default {\n  model: () => {\n    throw "stop";\n  },\n};\n',
    want: [
      'error: the hook "model" in kfk.hooks.ts failed: stop [HOOK_FAILED]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: () => {",
      "    |   ^^^^^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "rejects",
    text: 'export default {\n  steps: async () => {\n    await Promise.reject(new RangeError("far"));\n  },\n};\n',
    want: [
      'error: the hook "steps" in kfk.hooks.ts failed: RangeError: far [HOOK_FAILED]',
      "  --> kfk.hooks.ts:3:30",
      "  1 | export default {",
      "  2 |   steps: async () => {",
      '  3 |     await Promise.reject(new RangeError("far"));',
      "    |                              ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "throws from a timer while it runs",
    text: 'export default {\n  steps: () =>\n    new Promise(() => {\n      setTimeout(() => {\n        throw new Error("late");\n      }, 5);\n    }),\n};\n',
    want: [
      'error: the hook "steps" in kfk.hooks.ts failed: late [HOOK_FAILED]',
      "  --> kfk.hooks.ts:5:19",
      "  3 |     new Promise(() => {",
      "  4 |       setTimeout(() => {",
      '  5 |         throw new Error("late");',
      "    |                   ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  ...[
    {
      name: "throws from a timer after it has returned",
      text: 'export default {\n  steps: () => {\n    setTimeout(() => {\n      throw new Error("late");\n    }, 150);\n  },\n  documents: () => undefined,\n};\n',
      frame: [
        "  --> kfk.hooks.ts:4:17",
        "  2 |   steps: () => {",
        "  3 |     setTimeout(() => {",
        '  4 |       throw new Error("late");',
        "    |                 ^",
      ],
    },
    {
      name: "leaves a promise behind that rejects",
      text: 'export default {\n  steps: () => {\n    void (async () => {\n      await new Promise((done) => setTimeout(done, 150));\n      throw new Error("late");\n    })();\n  },\n};\n',
      frame: [
        "  --> kfk.hooks.ts:5:17",
        "  3 |     void (async () => {",
        "  4 |       await new Promise((done) => setTimeout(done, 150));",
        '  5 |       throw new Error("late");',
        "    |                 ^",
      ],
    },
    {
      name: "throws in a microtask, and its answer is awaited",
      text: 'export default {\n  steps: async () => {\n    queueMicrotask(() => {\n      throw new Error("late");\n    });\n  },\n};\n',
      frame: [
        "  --> kfk.hooks.ts:4:17",
        "  2 |   steps: async () => {",
        "  3 |     queueMicrotask(() => {",
        '  4 |       throw new Error("late");',
        "    |                 ^",
      ],
    },
  ].map(({ name, text, frame }) => ({
    name,
    text,
    want: [
      'error: the hook "steps" in kfk.hooks.ts failed: late [HOOK_FAILED]',
      ...frame,
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  })),
  {
    name: "ends its process from a timer, after it has returned",
    text: "export default {\n  steps: () => {\n    setTimeout(() => process.exit(0), 150);\n  },\n};\n",
    want: [
      'error: the hook "steps" in kfk.hooks.ts ended its process (exit status 0) [HOOK_EXIT]',
      "  --> kfk.hooks.ts:3:22",
      "  1 | export default {",
      "  2 |   steps: () => {",
      "  3 |     setTimeout(() => process.exit(0), 150);",
      "    |                      ^^^^^^^^^^^^",
      "  hint: throw an error instead of calling process.exit",
    ],
  },
  {
    name: "kills its process",
    text: "export default {\n  steps: () => {\n    process.kill(process.pid, 'SIGKILL');\n    return new Promise(() => {});\n  },\n};\n",
    want: [
      'error: the hook "steps" in kfk.hooks.ts ended its process (SIGKILL) [HOOK_EXIT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: () => {",
      "    |   ^^^^^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "never settles",
    text: "export default {\n  documents: () => new Promise(() => {}),\n};\n",
    env: SHORT,
    want: [
      'error: the hook "documents" in kfk.hooks.ts took longer than 0.7 s and was ended [HOOK_TIMEOUT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: () => new Promise(() => {}),",
      "    |   ^^^^^^^^^",
      "  hint: give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
    ],
  },
  {
    name: "never settles, and says its own limit",
    text: "export default {\n  timeoutSeconds: 0.4,\n  documents: () => new Promise(() => {}),\n};\n",
    want: [
      'error: the hook "documents" in kfk.hooks.ts took longer than 0.4 s and was ended [HOOK_TIMEOUT]',
      "  --> kfk.hooks.ts:3:3",
      "  1 | export default {",
      "  2 |   timeoutSeconds: 0.4,",
      "  3 |   documents: () => new Promise(() => {}),",
      "    |   ^^^^^^^^^",
      "  hint: give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
    ],
  },
  {
    name: "loops for ever",
    text: "export default {\n  model() {\n    for (;;);\n  },\n};\n",
    env: SHORT,
    want: [
      'error: the hook "model" in kfk.hooks.ts took longer than 0.7 s and was ended [HOOK_TIMEOUT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model() {",
      "    |   ^^^^^",
      "  hint: give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
    ],
  },
  {
    name: "loops for ever while it is loaded",
    text: "for (;;);\nexport default {};\n",
    env: SHORT,
    want: [
      "error: loading kfk.hooks.ts took longer than 0.7 s and was ended [HOOK_TIMEOUT]",
      "  --> kfk.hooks.ts:1:1",
      "  1 | for (;;);",
      "    | ^",
      "  hint: give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
    ],
  },
  {
    name: "waits for ever while it is loaded",
    text: "await new Promise(() => {});\nexport default {};\n",
    env: SHORT,
    want: [
      "error: loading kfk.hooks.ts took longer than 0.7 s and was ended [HOOK_TIMEOUT]",
      "  --> kfk.hooks.ts:1:1",
      "  1 | await new Promise(() => {});",
      "    | ^",
      "  hint: give it more time with KFK_HOOKS_TIMEOUT=5m or timeoutSeconds: 300 in the file, or use --no-hooks",
    ],
  },
  {
    name: "calls process.exit",
    text: "export default {\n  config: () => process.exit(0),\n};\n",
    want: [
      'error: the hook "config" in kfk.hooks.ts ended its process (exit status 0) [HOOK_EXIT]',
      "  --> kfk.hooks.ts:2:17",
      "  1 | export default {",
      "  2 |   config: () => process.exit(0),",
      "    |                 ^^^^^^^^^^^^",
      "  hint: throw an error instead of calling process.exit",
    ],
  },
  {
    name: "calls process.exit while it is loaded",
    text: "process.exit(7);\nexport default {};\n",
    want: [
      "error: loading kfk.hooks.ts ended its process (exit status 7) [HOOK_EXIT]",
      "  --> kfk.hooks.ts:1:1",
      "  1 | process.exit(7);",
      "    | ^^^^^^^^^^^^",
      "  hint: throw an error instead of calling process.exit",
    ],
  },
  {
    name: "kills its process",
    text: 'export default {\n  config: () => process.kill(process.pid, "SIGKILL"),\n};\n',
    want: [
      'error: the hook "config" in kfk.hooks.ts ended its process (SIGKILL) [HOOK_EXIT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      '  2 |   config: () => process.kill(process.pid, "SIGKILL"),',
      "    |   ^^^^^^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "has an unknown name",
    text: "export default {\n  modle: (model: unknown) => model,\n};\n",
    want: [
      'error: kfk.hooks.ts holds "modle", and there is no such hook [HOOK_NAME]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   modle: (model: unknown) => model,",
      "    |   ^^^^^",
      '  hint: did you mean "model"?',
    ],
  },
  {
    name: "has another unknown name",
    text: 'export default {\n  "before-upload": () => {},\n};\n',
    want: [
      'error: kfk.hooks.ts holds "before-upload", and there is no such hook [HOOK_NAME]',
      "  --> kfk.hooks.ts:2:4",
      "  1 | export default {",
      '  2 |   "before-upload": () => {},',
      "    |    ^^^^^^^^^^^^^",
      "  hint: see kfk hooks list for all hooks",
    ],
  },
  {
    name: "is no function",
    text: 'export default {\n  config: "x",\n};\n',
    want: [
      'error: the hook "config" in kfk.hooks.ts must be a function, and it is a string [HOOK_FORM]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      '  2 |   config: "x",',
      "    |   ^^^^^^",
      "  hint: write config: (value, context) => …",
    ],
  },
  {
    name: "is a list",
    text: "export default {\n  lint: [],\n};\n",
    want: [
      'error: the hook "lint" in kfk.hooks.ts must be a function, and it is a list [HOOK_FORM]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   lint: [],",
      "    |   ^^^^",
      "  hint: write lint: (value, context) => …",
    ],
  },
  {
    name: "is one function where an object is wanted",
    text: "export default {\n  resolvers: () => 1,\n};\n",
    want: [
      'error: the hook "resolvers" in kfk.hooks.ts must be an object of functions, and it is a function [HOOK_FORM]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   resolvers: () => 1,",
      "    |   ^^^^^^^^^",
      "  hint: write resolvers: { double: (value) => … }",
    ],
  },
  {
    name: "holds a resolver that is none",
    text: "export default {\n  resolvers: { a: () => 1, b: 2 },\n};\n",
    want: [
      'error: "resolvers.b" in kfk.hooks.ts is not a function [HOOK_FORM]',
      "  --> kfk.hooks.ts:2:28",
      "  1 | export default {",
      "  2 |   resolvers: { a: () => 1, b: 2 },",
      "    |                            ^",
      "  hint: write resolvers: { b: (value) => … }",
    ],
  },
  {
    name: "has a limit that is none",
    text: 'export default {\n  timeoutSeconds: "1m",\n};\n',
    want: [
      "error: timeoutSeconds in kfk.hooks.ts must be a number of seconds above 0 [HOOK_FORM]",
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      '  2 |   timeoutSeconds: "1m",',
      "    |   ^^^^^^^^^^^^^^",
      "  hint: write timeoutSeconds: 120, or take the line out for 60 seconds",
    ],
  },
  {
    name: "has no default export",
    text: "export const config = () => {};\n",
    want: [
      "error: kfk.hooks.ts must export its hooks as default, and it has none [HOOK_LOAD]",
      "  --> kfk.hooks.ts:1:1",
      "  1 | export const config = () => {};",
      "    | ^",
      '  hint: write import { defineHooks } from "kfk" and export default defineHooks({ … })',
    ],
  },
  {
    name: "exports a function as default",
    text: "export default () => ({});\n",
    want: [
      "error: kfk.hooks.ts must export its hooks as default, and that is a function [HOOK_LOAD]",
      "  --> kfk.hooks.ts:1:8",
      "  1 | export default () => ({});",
      "    |        ^^^^^^^",
      '  hint: write import { defineHooks } from "kfk" and export default defineHooks({ … })',
    ],
  },
  {
    name: "has broken syntax",
    text: "export default {\n  config: (config) => {\n    return config\n",
    want: [
      "error: the hook file kfk.hooks.ts cannot be loaded: Unexpected end of file [HOOK_LOAD]",
      "  --> kfk.hooks.ts:3:18",
      "  1 | export default {",
      "  2 |   config: (config) => {",
      "  3 |     return config",
      "    |                  ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "imports a package that is not there",
    text: 'import { z } from "zed";\nexport default { config: () => z() };\n',
    want: [
      "error: the hook file kfk.hooks.ts cannot be loaded: Cannot find package 'zed' [HOOK_LOAD]",
      "  --> kfk.hooks.ts:1:19",
      "  hint: install it into the project's node_modules; kfk installs nothing",
    ],
  },
  {
    name: "imports a name that kfk does not have",
    text: 'import { defineHook } from "kfk";\nexport default defineHook({});\n',
    want: [
      "error: the hook file kfk.hooks.ts cannot be loaded: SyntaxError: Export named 'defineHook' not found in module 'kfk'. [HOOK_LOAD]",
      "  --> kfk.hooks.ts:1:28",
      '  1 | import { defineHook } from "kfk";',
      "    |                            ^^^^^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "gives back a list for a mapping",
    text: "export default {\n  config: () => [],\n};\n",
    want: [
      'error: the answer of the hook "config" in kfk.hooks.ts cannot be used: it must be a mapping [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   config: () => [],",
      "    |   ^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back null",
    text: "export default {\n  steps: () => null,\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: it must be a mapping with name, pipeline, description, steps and pods [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: () => null,",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back a date",
    text: "export default {\n  config: (config) => ({ ...config, since: new Date(0) }),\n};\n",
    want: [
      'error: the answer of the hook "config" in kfk.hooks.ts cannot be used: since is a Date, and only plain data can go on [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   config: (config) => ({ ...config, since: new Date(0) }),",
      "    |   ^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back a function",
    text: "export default {\n  documents: (documents) => {\n    documents[0].metadata.labels = { a: () => 1 };\n  },\n};\n",
    want: [
      'error: the answer of the hook "documents" in kfk.hooks.ts cannot be used: [0].metadata.labels.a is a function, and only plain data can go on [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: (documents) => {",
      "    |   ^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back itself",
    text: "export default {\n  config: (config) => {\n    config.self = config;\n  },\n};\n",
    want: [
      'error: the answer of the hook "config" in kfk.hooks.ts cannot be used: it is nested too deep, or contains itself, and only plain data can go on [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   config: (config) => {",
      "    |   ^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back a Map",
    text: "export default {\n  config: () => new Map(),\n};\n",
    want: [
      'error: the answer of the hook "config" in kfk.hooks.ts cannot be used: it is a Map, and only plain data can go on [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   config: () => new Map(),",
      "    |   ^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back a model without datasets",
    text: "export default {\n  model: ({ pipelines, parameters }) => ({ pipelines, parameters }),\n};\n",
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: datasets is missing [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: ({ pipelines, parameters }) => ({ pipelines, parameters }),",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "changes the inputs of a node",
    text: 'export default {\n  model: (model) => {\n    model.pipelines.__default__.nodes[0].inputs = ["trips"];\n  },\n};\n',
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: inputs of the node "clean_operators_node" cannot be changed, because the image runs its own pipeline [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: (model) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "adds a node",
    text: 'export default {\n  model: (model) => {\n    const { nodes } = model.pipelines.__default__;\n    nodes.push({ ...nodes[0], name: "extra" });\n  },\n};\n',
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: the pipeline "__default__" of the project has no node "extra" [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: (model) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "misspells a key of a node",
    text: 'export default {\n  model: (model) => {\n    model.pipelines.__default__.nodes[1].tag = ["x"];\n  },\n};\n',
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: pipelines.__default__.nodes[1].tag is not known [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: (model) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "takes a parameter away",
    text: "export default {\n  model: (model) => {\n    delete model.parameters.row_limit;\n  },\n};\n",
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: the parameter "row_limit" is gone; give it another value instead [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: (model) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "drops a step",
    text: "export default {\n  steps: (plan) => {\n    plan.steps.pop();\n  },\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: the step "compare-models--15cf3920" is gone; leave nodes out with the hook model [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "drops a need",
    text: "export default {\n  steps: (plan) => {\n    for (const step of plan.steps) step.needs = [];\n  },\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: the step "join-trips-node" must wait for "clean-operators-node", whose results it reads [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "makes steps wait in a circle",
    text: "export default {\n  steps: (plan) => {\n    plan.steps[0].needs = [plan.steps[2].id];\n  },\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: steps wait for each other in a circle: clean-operators-node, join-trips-node [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "sets a wrong amount",
    text: "export default {\n  steps: (plan) => {\n    plan.steps[1].pod.resources.cpu = { limit: 1 };\n  },\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: steps[1].pod.resources.cpu must be an amount like 500m or 4Gi [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "sets a pod setting that steps cannot have",
    text: "export default {\n  steps: (plan) => {\n    plan.steps[1].pod.hostNetwork = true;\n  },\n};\n",
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: hostNetwork in pod of the step "clean-vessels-node" cannot be changed here; the hooks config and documents can [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "gives back no documents",
    text: "export default {\n  documents: () => [],\n};\n",
    want: [
      'error: the answer of the hook "documents" in kfk.hooks.ts cannot be used: it must be a list of documents with one at least [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: () => [],",
      "    |   ^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "changes the kind of a document",
    text: 'export default {\n  documents: (documents) => {\n    documents[0].kind = "Pod";\n  },\n};\n',
    want: [
      'error: the answer of the hook "documents" in kfk.hooks.ts cannot be used: [0].kind cannot be changed [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: (documents) => {",
      "    |   ^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "puts no number into a document",
    text: "export default {\n  documents: (documents) => {\n    documents[0].spec.parallelism = NaN;\n  },\n};\n",
    want: [
      'error: the answer of the hook "documents" in kfk.hooks.ts cannot be used: NaN is no number for a document [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: (documents) => {",
      "    |   ^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "sets an unknown key of kubeflow.yaml",
    text: "export default {\n  config: (config) => {\n    config.run_config.imagee = 1;\n  },\n};\n",
    want: [
      'error: "run_config.imagee" is not a known key [CONFIG_KUBEFLOW]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   config: (config) => {",
      "    |   ^^^^^^",
      '  hint: did you mean "image"?',
    ],
  },
  {
    name: "gives a number for a variable",
    text: "export default {\n  variable: () => 1,\n};\n",
    more: { "conf/local/kubeflow.yaml": "host: http://${who|nobody}\n" },
    want: [
      'error: the answer of the hook "variable" in kfk.hooks.ts cannot be used: it must be text or undefined [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   variable: () => 1,",
      "    |   ^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "a resolver throws",
    text: 'export default {\n  resolvers: {\n    tag: () => {\n      throw new Error("no tag");\n    },\n  },\n};\n',
    more: { "conf/local/kubeflow.yaml": "host: http://${tag:x}\n" },
    want: [
      'error: the hook "resolvers.tag" in kfk.hooks.ts failed: no tag [HOOK_FAILED]',
      "  --> kfk.hooks.ts:4:17",
      "  2 |   resolvers: {",
      "  3 |     tag: () => {",
      '  4 |       throw new Error("no tag");',
      "    |                 ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "gives back a list of pipelines",
    text: "export default {\n  model: (model) => ({ ...model, pipelines: [] }),\n};\n",
    want: [
      'error: the answer of the hook "model" in kfk.hooks.ts cannot be used: pipelines must be a mapping [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   model: (model) => ({ ...model, pipelines: [] }),",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "shows a secret of the environment",
    text: "export default {\n  config: () => {\n    console.log(`token ${process.env.TEAM_TOKEN}`);\n    throw new Error(`refused ${process.env.TEAM_TOKEN}`);\n  },\n};\n",
    env: { TEAM_TOKEN: "canary-5f1e" },
    want: [
      "kfk.hooks.ts | token [redacted]",
      'error: the hook "config" in kfk.hooks.ts failed: refused [redacted] [HOOK_FAILED]',
      "  --> kfk.hooks.ts:4:15",
      "  2 |   config: () => {",
      "  3 |     console.log(`token ${process.env.TEAM_TOKEN}`);",
      "  4 |     throw new Error(`refused ${process.env.TEAM_TOKEN}`);",
      "    |               ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "adds a step that the server would expand",
    text: 'export default {\n  extraSteps: () => [{ id: "x", place: "start", command: ["echo", "{{inputs.parameters.a}}"] }],\n};\n',
    want: [
      'error: the answer of the hook "extraSteps" in kfk.hooks.ts cannot be used: the step "x" holds "{{inputs.parameters.a}}", which the server would expand [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      '  2 |   extraSteps: () => [{ id: "x", place: "start", command: ["echo", "{{inputs.parameters.a}}"] }],',
      "    |   ^^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "adds a step with an illegal name",
    text: 'export default {\n  extraSteps: () => [{ id: "X_1", place: "start", command: ["true"] }],\n};\n',
    want: [
      'error: the answer of the hook "extraSteps" in kfk.hooks.ts cannot be used: [0].id must be lower-case letters, digits and dashes, at most 40 [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      '  2 |   extraSteps: () => [{ id: "X_1", place: "start", command: ["true"] }],',
      "    |   ^^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "adds two steps with one name",
    text: 'const step = { id: "x", place: "exit", command: ["true"] };\nexport default {\n  extraSteps: () => [step, step],\n};\n',
    want: [
      'error: the answer of the hook "extraSteps" in kfk.hooks.ts cannot be used: two steps are called "x" [HOOK_RESULT]',
      "  --> kfk.hooks.ts:3:3",
      '  1 | const step = { id: "x", place: "exit", command: ["true"] };',
      "  2 | export default {",
      "  3 |   extraSteps: () => [step, step],",
      "    |   ^^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "puts a secret into the description",
    text: "export default {\n  steps: (plan) => {\n    plan.description = `by ${process.env.TEAM_TOKEN}`;\n  },\n};\n",
    env: { TEAM_TOKEN: "canary-5f1e" },
    want: [
      'error: the answer of the hook "steps" in kfk.hooks.ts cannot be used: it holds the value of TEAM_TOKEN, which would be in the document for all to read [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   steps: (plan) => {",
      "    |   ^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "puts a secret into a document",
    text: "export default {\n  documents: ([workflow]) => {\n    workflow.metadata.labels = { key: process.env.TEAM_TOKEN };\n  },\n};\n",
    env: { TEAM_TOKEN: "canary-5f1e" },
    want: [
      'error: the answer of the hook "documents" in kfk.hooks.ts cannot be used: it holds the value of TEAM_TOKEN, which would be in the document for all to read [HOOK_RESULT]',
      "  --> kfk.hooks.ts:2:3",
      "  1 | export default {",
      "  2 |   documents: ([workflow]) => {",
      "    |   ^^^^^^^^^",
      "  hint: kfk hooks types writes the types that an editor checks this with",
    ],
  },
  {
    name: "fills stdout of its process and fails",
    text: 'export default {\n  config: () => {\n    process.stdout.write("a\\nb");\n    require("node:fs").writeSync(1, "c\\n");\n    Bun.spawnSync(["echo", "d"], { stdio: ["ignore", "inherit", "inherit"] });\n    console.log("e");\n    throw new Error("full");\n  },\n};\n',
    want: [
      "kfk.hooks.ts | a",
      "kfk.hooks.ts | bc",
      "kfk.hooks.ts | d",
      "kfk.hooks.ts | e",
      'error: the hook "config" in kfk.hooks.ts failed: full [HOOK_FAILED]',
      "  --> kfk.hooks.ts:7:15",
      '  5 |     Bun.spawnSync(["echo", "d"], { stdio: ["ignore", "inherit", "inherit"] });',
      '  6 |     console.log("e");',
      '  7 |     throw new Error("full");',
      "    |               ^",
      "  hint: correct the file, or leave hooks out with --no-hooks",
    ],
  },
  {
    name: "a listed file is not there",
    text: "export default {};\n",
    more: { "conf/local/kubeflow.yaml": "hooks: [ci/hook.ts]\n", "ci/hooks.ts": "export default {};\n" },
    want: [
      'error: there is no hook file "ci/hook.ts" [HOOK_FILE]',
      "  --> conf/local/kubeflow.yaml:1:9",
      "  1 | hooks: [ci/hook.ts]",
      "    |         ^^^^^^^^^^",
      '  hint: did you mean "ci/hooks.ts"?',
    ],
  },
  {
    name: "a listed file lies outside",
    text: "export default {};\n",
    more: { "conf/local/kubeflow.yaml": "hooks:\n  - ../other.ts\n" },
    want: [
      'error: the hook file "../other.ts" lies outside the project [HOOK_FILE]',
      "  --> conf/local/kubeflow.yaml:2:5",
      "  1 | hooks:",
      "  2 |   - ../other.ts",
      "    |     ^^^^^^^^^^^",
      "  hint: put it into the project; it may import packages from the project's node_modules",
    ],
  },
];

describe.skipIf(!existsSync(KFK))("hooks that misbehave", () => {
  for (const { name, text, more, env, want } of rows) {
    test(name, () => {
      const { status, out, err } = projects.make({ "kfk.hooks.ts": text, ...more }).run(["compile", "-o", "-"], env);
      expect({ status, out, err: err.trimEnd().split("\n") }).toEqual({ status: 3, out: "", err: [...want] });
    });
  }

  test("leave no process behind", () => {
    expect(leftOver()).toEqual([]);
  });
});
