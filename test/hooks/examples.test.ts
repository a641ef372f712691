/** Every example of docs/hooks.md, as it stands there: an editor accepts it, and it does what it says. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { HOOKS } from "../../src/hooks/rules.ts";
import { renderHookExample } from "../../src/hooks/editor.ts";
import { checkArgo } from "../judges/argo-check.ts";
import { findSchemas, findUnknownKeys } from "../judges/argo-schema.ts";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

/** Lies beside the project, or not at all. */
const SCHEMAS = findSchemas();
const DOCS = readFileSync(join(import.meta.dir, "../../docs/hooks.md"), "utf8");

/** The first TypeScript of a chapter. */
function example(chapter: string): string {
  const text = new RegExp(`^## ${chapter}\\n[\\s\\S]*?\`\`\`ts\\n([\\s\\S]*?)\`\`\``, "m").exec(DOCS)?.[1];
  if (text === undefined) throw new Error(`docs/hooks.md has no example of ${chapter}`);
  return text;
}

function compile(chapter: string, more: Readonly<Record<string, string>> = {}, env: Record<string, string> = {}) {
  const { status, out, err } = projects
    .make({ "kfk.hooks.ts": example(chapter), ...more })
    .run(["compile", "-o", "-"], env);
  if (status !== 0) throw new Error(err);
  const document = parse(out);
  expect(checkArgo(document, "submit")).toEqual([]);
  if (SCHEMAS !== undefined) expect(findUnknownKeys(document, SCHEMAS)).toEqual([]);
  return document;
}

function view(chapter: string, kubeflow: string, more: Readonly<Record<string, string>> = {}) {
  const files = { "kfk.hooks.ts": example(chapter), "conf/local/kubeflow.yaml": kubeflow, ...more };
  const { status, out, err } = projects.make(files).run(["config", "view", "-o", "json"]);
  if (status !== 0) throw new Error(err);
  return JSON.parse(out);
}

describe.skipIf(!existsSync(KFK))("docs/hooks.md", () => {
  test("has an example of every hook", () => {
    expect(Object.keys(HOOKS).map((name) => example(name).includes(`${name}: `))).toEqual(
      Object.keys(HOOKS).map(() => true),
    );
  });

  test("an editor accepts every example with what kfk hooks types writes", () => {
    const project = projects.make({});
    expect(project.run(["hooks", "types"])).toEqual({
      status: 0,
      out: "",
      err: 'wrote .kfk/kfk.d.ts; begin hook files with /// <reference path="./.kfk/kfk.d.ts" />\n',
    });
    for (const name of ["Hooks", ...Object.keys(HOOKS)]) {
      const text = name === "Hooks" ? (/```ts\n([\s\S]*?)```/.exec(DOCS)?.[1] ?? "") : example(name);
      writeFileSync(
        join(project.folder, `${name}.hooks.ts`),
        `/// <reference path="./.kfk/kfk.d.ts" />\ndeclare const console: { log(text: string): void };\n${text}`,
      );
    }
    writeFileSync(join(project.folder, "start.hooks.ts"), renderHookExample());
    const wrong = '/// <reference path="./.kfk/kfk.d.ts" />\nimport { defineHooks } from "kfk";\n';
    writeFileSync(join(project.folder, "wrong.hooks.ts"), `${wrong}export default defineHooks({ steps: () => 1 });\n`);
    writeFileSync(join(project.folder, "tsconfig.json"), TSCONFIG);
    const { stdout, stderr } = Bun.spawnSync([process.execPath, "check", project.folder], { cwd: project.folder });
    const problems = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("error TS"));
    expect(problems.filter((line) => !line.includes("wrong.hooks.ts"))).toEqual([]);
    expect(problems.length).toBe(1);
  });

  test("the file to start from changes nothing", () => {
    const project = projects.make({ "kfk.hooks.ts": renderHookExample() });
    expect(project.run(["hooks", "check"]).err).toBe("1 hook in 1 file: no fault found\n");
    expect(project.run(["compile", "-o", "-"]).out).toBe(project.run(["compile", "-o", "-", "--no-hooks"]).out);
  });

  test("config", () => {
    const { spec } = compile("config");
    const step = spec.templates.find(({ name }: { name: string }) => name === "step");
    // the project says IfNotPresent, and its own word holds
    expect(step.container.imagePullPolicy).toBe("IfNotPresent");
    expect(view("config", "run_config: {run_name: x}").run_config.description).toBe("by the platform team");
  });

  test("variable", () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const git = { ".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": `${commit}\n` };
    const kubeflow = "run_config: {image: 'r/p:${image_tag|latest}', run_name: '${other|none}-${branch_name}'}";
    expect(view("variable", kubeflow, git).run_config).toEqual({ image: "r/p:0123456789ab", run_name: "none-main" });
  });

  test("resolvers", () => {
    const kubeflow = "x: 3\nhost: http://${lower:ABC${days:${x}}}\nrun_config: {ttl: '${days:2}'}";
    expect(view("resolvers", kubeflow)).toEqual({ x: 3, host: "http://abc259200", run_config: { ttl: 172800 } });
  });

  test("model", () => {
    const project = projects.make({ "kfk.hooks.ts": example("model") });
    const changed = JSON.parse(project.run(["model"]).out);
    const plain = JSON.parse(project.run(["model", "--no-hooks"]).out);
    const names = (model: typeof plain): string[] =>
      model.pipelines.__default__.nodes.map(({ name }: { name: string }) => name);
    expect(names(plain).filter((name) => !names(changed).includes(name))).toEqual(["fares_by_operator__ab558c62"]);
    expect([plain.parameters.row_limit, changed.parameters.row_limit]).toEqual([null, 500]);
  });

  test("steps", () => {
    const { spec } = compile("steps");
    const tasks: { name: string; template: string; dependencies: string[] }[] = spec.templates[0].dag.tasks;
    const fits = tasks.filter(({ name }) => name.includes("fit-model"));
    expect(fits.map(({ dependencies }) => dependencies.length)).toEqual([1, 2]);
    const template = spec.templates.find(({ name }: { name: string }) => name === fits[0]?.template);
    expect(template.container.resources.requests).toEqual({ cpu: "4", memory: "16Gi" });
    expect(spec.serviceAccountName).toBe("team-models");
  });

  test("extraSteps", () => {
    const { spec } = compile("extraSteps");
    const [entry, ...templates] = spec.templates;
    const roots = entry.dag.tasks.filter(({ dependencies }: { dependencies?: string[] }) => dependencies === undefined);
    expect(roots).toEqual([{ name: "extra-check-data", template: "extra-check-data" }]);
    expect(entry.dag.tasks[1]).toEqual({
      name: "data-volume-create",
      template: "data-volume-create",
      dependencies: ["extra-check-data"],
    });
    expect(templates.slice(-2)).toEqual([
      {
        name: "extra-check-data",
        metadata: { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } },
        container: {
          image: "spaceflights:latest",
          imagePullPolicy: "IfNotPresent",
          command: ["python"],
          args: ["-m", "company.freshness", "__default__"],
          resources: { limits: { cpu: "200m", memory: "512Mi" }, requests: { cpu: "200m", memory: "512Mi" } },
        },
      },
      {
        name: "extra-tell",
        metadata: { annotations: { "pipelines.kubeflow.org/max_cache_staleness": "P0D" } },
        container: {
          image: "registry.example/notify:2",
          imagePullPolicy: "IfNotPresent",
          command: ["/notify"],
          env: [
            { name: "RUN", value: "{{workflow.name}}" },
            { name: "STATUS", value: "{{workflow.status}}" },
          ],
        },
      },
    ]);
    expect(spec.onExit).toBe("extra-tell");
  });

  test("documents", () => {
    const { metadata, spec } = compile("documents");
    expect([metadata.labels, spec.podPriorityClassName]).toEqual([{ "cost-center": "4711" }, "batch-low"]);
  });

  test("lint", () => {
    const { status, out, err } = projects.make({ "kfk.hooks.ts": example("lint") }).run(["hooks", "check"]);
    expect({ status, out }).toEqual({ status: 0, out: "" });
    expect(err.split("\n").slice(0, 2)).toEqual([
      "warning: company/owner: the node clean_operators_node has no owner (src/spaceflights/pipelines/data_processing/pipeline.py:10)",
      '  hint: add a tag like "owner:pricing"',
    ]);
  });

  test("auth", async () => {
    const seen: (string | null)[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response("no", { status: 401 });
      },
    });
    try {
      const text = example("auth").replace('".example.org"', `"127.0.0.1:${server.port}"`);
      const { exited, stderr } = projects
        .make({ "kfk.hooks.ts": text })
        .start(["wait", "x", "--host", `http://127.0.0.1:${server.port}`], { COMPANY_TOKEN: "canary-77" });
      expect(await exited).toBe(4);
      expect(seen).toEqual(["Bearer canary-77"]);
      expect(await new Response(stderr).text()).not.toContain("canary");
    } finally {
      await server.stop(true);
    }
  });
});

const TSCONFIG = `{
  "compilerOptions": {
    "target": "ESNext",
    "lib": ["ESNext"],
    "module": "Preserve",
    "strict": true,
    "exactOptionalPropertyTypes": true,
    "noUncheckedIndexedAccess": true,
    "types": [],
    "noEmit": true
  },
  "include": ["*.ts"]
}
`;
