/** The worked examples in examples/hooks, each in a project without node_modules, on the built binary. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { checkArgo } from "../judges/argo-check.ts";
import { findSchemas, findUnknownKeys } from "../judges/argo-schema.ts";
import { KFK, testProjects } from "./setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);

const SCHEMAS = findSchemas();

function compile(example: string, more: Readonly<Record<string, string>> = {}) {
  const text = readFileSync(join(import.meta.dir, `../../examples/hooks/${example}/kfk.hooks.ts`), "utf8");
  const project = projects.make({ "kfk.hooks.ts": text, ...more });
  expect(existsSync(join(project.folder, "node_modules"))).toBe(false);
  expect(project.run(["hooks", "check"])).toMatchObject({ status: 0, out: "" });
  const { status, out, err } = project.run(["compile", "-o", "-"]);
  expect({ status, err: status === 0 ? "" : err }).toEqual({ status: 0, err: "" });
  const document = parse(out);
  expect(checkArgo(document, "submit")).toEqual([]);
  if (SCHEMAS !== undefined) expect(findUnknownKeys(document, SCHEMAS)).toEqual([]);
  return { ...document, folder: project.folder };
}

interface Template {
  readonly name: string;
  readonly container?: unknown;
  readonly sidecars?: readonly { readonly name: string }[];
}

describe.skipIf(!existsSync(KFK))("examples/hooks", () => {
  test("company-labels: labels and a sidecar on every pod, and only there", () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const git = { ".git/HEAD": `${commit}\n` };
    const { metadata, spec } = compile("company-labels", git);
    const labels = {
      "company.example/cost-center": "4711",
      "company.example/project": "spaceflights",
      "company.example/commit": commit,
    };
    expect([metadata.labels, spec.podMetadata.labels]).toEqual([labels, labels]);
    const templates = spec.templates as Template[];
    expect(templates.filter(({ sidecars }) => sidecars !== undefined).map(({ name }) => name)).toEqual(
      templates.filter(({ container }) => container !== undefined).map(({ name }) => name),
    );
    expect(templates.find(({ name }) => name === "step")?.sidecars?.map(({ name }) => name)).toEqual(["log-shipper"]);
  });

  test.each(["company-labels", "notify-on-failure"])("%s: the commands of its README", (example) => {
    const folder = join(import.meta.dir, `../../examples/hooks/${example}`);
    const [, block = ""] = /```\n([\s\S]*?)```/.exec(readFileSync(join(folder, "README.md"), "utf8")) ?? [];
    const lines = block
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("kfk "));
    expect(lines.length).toBe(2);
    const project = projects.make({ "kfk.hooks.ts": readFileSync(join(folder, "kfk.hooks.ts"), "utf8") });
    const env = { PATH: `${dirname(KFK)}:/usr/bin:/bin`, HOME: project.folder };
    for (const line of lines) {
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", line], { cwd: project.folder, env, stdin: "ignore" });
      expect({ line, exitCode, err: exitCode === 0 ? "" : stderr.toString() }).toEqual({ line, exitCode: 0, err: "" });
    }
  });

  test("notify-on-failure: one exit step, which has the address from a secret", () => {
    const { spec } = compile("notify-on-failure");
    expect(spec.onExit).toBe("extra-notify");
    expect(spec.templates.at(-1).container.env).toEqual([
      { name: "RUN", value: "{{workflow.name}}" },
      { name: "STATUS", value: "{{workflow.status}}" },
      { name: "PIPELINE", value: "spaceflights" },
      { name: "CHAT_URL", valueFrom: { secretKeyRef: { name: "chat", key: "url" } } },
    ]);
  });

  test.each([
    { status: "Succeeded", sent: "" },
    { status: "Failed", sent: '{"text": "run-7 of spaceflights: Failed"}' },
    { status: "Error", sent: '{"text": "run-7 of spaceflights: Error"}' },
  ])("notify-on-failure: after $status it sends: $sent", ({ status, sent }) => {
    const { spec, folder } = compile("notify-on-failure");
    const { command, args } = spec.templates.at(-1).container;
    const curl = join(folder, "curl");
    writeFileSync(curl, '#!/bin/sh\ncat > sent\nfor last; do :; done\necho "$last" > to\n');
    chmodSync(curl, 0o755);
    const env = {
      PATH: `${folder}:/usr/bin:/bin`,
      STATUS: status,
      RUN: "run-7",
      PIPELINE: "spaceflights",
      CHAT_URL: "u",
    };
    const done = Bun.spawnSync([...command, ...args], { cwd: folder, env });
    expect(done.exitCode).toBe(0);
    expect(existsSync(join(folder, "sent")) ? readFileSync(join(folder, "sent"), "utf8") : "").toBe(sent);
  });

  test("notify-on-failure beside MLflow: neither waits for the other", () => {
    const mlflow = {
      "requirements.txt": "kedro-mlflow\n",
      "conf/base/mlflow.yml": "server: {mlflow_tracking_uri: 'https://mlflow.example.org'}\n",
    };
    const { spec } = compile("notify-on-failure", mlflow);
    expect(spec.templates.find(({ name }: Template) => name === spec.onExit).dag.tasks).toEqual([
      { name: "mlflow-finish-run", template: "mlflow-finish-run" },
      { name: "extra-notify", template: "extra-notify" },
    ]);
  });
});
