/**
 * Every block of commands in docs/ways-in, line by line, against a gate of the kind that the page is about. The hosts
 * of the pages lead to fakes; `kubectl` and `gcloud` do here what they would do.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { runCommandLine } from "../../src/cli/app.ts";
import { readUserConfig } from "../../src/cli/user-config.ts";
import type { Files } from "../../src/world.ts";
import { fakeWorld, memoryFiles } from "../fake-world.ts";
import { type DexGate, PASSWORD, startDexGate, USER } from "../judges/dex-gate.ts";
import { IAP_CLIENT, type Identity, KUBE_TOKEN, OIDC_SECRET, startIdentity } from "../judges/identity.ts";
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";
import { KUBEFLOW, projectFiles, ROOT } from "../project-files.ts";

const FOLDER = join(import.meta.dir, "../../docs/ways-in");
const VOLUME = "/var/run/secrets/kubeflow/pipelines/token";
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Place {
  readonly kfp: FakeKfp;
  readonly idp: Identity;
  readonly dex: DexGate;
  readonly files: Files;
  readonly env: Record<string, string | undefined>;
  readonly nowMs: () => number;
}

/** Whether a host lets a request in, by what it is. */
async function isLetIn(host: string, headers: Headers, { idp, dex, files }: Place): Promise<boolean> {
  const token = (headers.get("authorization") ?? "").replace("Bearer ", "");
  switch (host) {
    case "kfp.example.org":
      return (
        ((await idp.check(token, IAP_CLIENT)) ?? (await idp.check(token, "https://kfp.example.org/*"))) !== undefined
      );
    case "abc-dot-europe-west1.pipelines.googleusercontent.com":
      return token.startsWith("ya29.");
    case "kubeflow.example.org": {
      if (token !== "")
        return token.startsWith("ya29.") || (await idp.check(token, "pipelines.kubeflow.org")) !== undefined;
      const inside = await fetch(`${dex.url}/apis/x`, {
        headers: { cookie: headers.get("cookie") ?? "" },
        redirect: "manual",
      });
      return inside.status === 200;
    }
    case "ml-pipeline.kubeflow:8888":
      return token === files.readText(VOLUME)?.trim();
    default:
      return true;
  }
}

async function route(place: Place, address: string, init: RequestInit): Promise<Response> {
  const url = new URL(address);
  const path = url.pathname + url.search;
  if (url.hostname === "127.0.0.1") return await fetch(address, init);
  if (url.host === "id.example.org") return await fetch(`${place.idp.url}/oidc${path}`, init);
  if (url.host === "kubeflow.example.org" && !path.includes("/apis/")) {
    const response = await fetch(place.dex.url + path, init);
    return response;
  }
  const headers = new Headers(init.headers);
  if (!(await isLetIn(url.host, headers, place))) return Response.json({}, { status: 401 });
  return await place.kfp.fetch(place.kfp.url + path.replace(/^\/pipeline\//, "/"), init);
}

async function open(): Promise<{ place: Place; run: (line: string) => Promise<string> }> {
  let now: () => number = () => Date.now();
  let steady: () => number = () => 0;
  const idp = await startIdentity({ nowMs: () => now() });
  const dex = startDexGate({ kubeflow: "1.9.1", nowMs: () => now() });
  const kfp = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => steady() });
  stops.push(idp.stop, dex.stop, kfp.stop);
  const files = memoryFiles({
    ...projectFiles({ conf: { "base/kubeflow.yaml": KUBEFLOW.replace(/^host:.*\n/m, "") } }),
    [VOLUME]: "canary-volume\n",
    [`${ROOT}/service-account.json`]: idp.files.serviceAccount,
    [`${ROOT}/gha-creds-1234.json`]: idp.files.external(),
    [`${ROOT}/client-secret`]: OIDC_SECRET,
    "/h/.kube/config": idp.files.kubeconfig(`{token: "${KUBE_TOKEN}"}`),
  });
  const env: Record<string, string | undefined> = { HOME: "/h", KFK_GOOGLE_ENDPOINT: idp.url };
  const place: Place = { kfp, idp, dex, files, env, nowMs: () => now() };
  const run = async (line: string): Promise<string> => {
    const [, name, value] = /^export (\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      env[name] = value === "the-password" ? PASSWORD : value === "user@example.com" ? USER : (value as string);
      return "";
    }
    if (line.startsWith("kubectl port-forward ") && line.endsWith(" &")) return "";
    if (line === "gcloud auth application-default login") {
      files.write("/h/.config/gcloud/application_default_credentials.json", idp.files.user);
      return "";
    }
    const words = line.split(" ");
    if (line.startsWith("kubectl create token default-editor")) {
      const audience = words[words.indexOf("--audience") + 1] ?? "";
      const answer = await fetch(`${idp.url}/api/v1/namespaces/team-a/serviceaccounts/default-editor/token`, {
        method: "POST",
        headers: { authorization: `Bearer ${KUBE_TOKEN}` },
        body: JSON.stringify({ spec: { audiences: [audience], expirationSeconds: 3600 } }),
      });
      files.write(`${ROOT}/${words.at(-1)}`, ((await answer.json()) as { status: { token: string } }).status.token);
      return "";
    }
    expect(words[0]).toBe("kfk");
    const base = fakeWorld({ cwd: ROOT, env, fetch: (url, init) => route(place, url, init), nowMs: now() });
    const world = { ...base, files };
    now = world.clock.nowMs;
    steady = world.clock.monotonicMs;
    const status = await runCommandLine(world, words.slice(1), "1.2.3", "");
    const said = base.written.out() + base.written.err();
    expect({ line, status, said: status === 0 ? "" : said }).toEqual({ line, status: 0, said: "" });
    for (const secret of idp.secrets) expect(said).not.toContain(secret);
    return said;
  };
  return { place, run };
}

// kubeconfig.md goes through a forwarded port, which takes the binary: `kube.test.ts` runs it
const blocks = readdirSync(FOLDER).flatMap((file) => {
  if (file === "kubeconfig.md") return [];
  const text = readFileSync(join(FOLDER, file), "utf8");
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""], index) => [file, index + 1, block] as const);
});

describe("docs/ways-in", () => {
  test("has a page for every installation", () => {
    const pages = ["ai-platform.md", "ci.md", "dex.md", "iap.md", "port-forward.md", "standalone.md"];
    expect([...new Set(blocks.map(([file]) => file))].toSorted()).toEqual(pages);
  });

  test.each(blocks)("%s, block %d", async (_file, _index, block) => {
    const { run } = await open();
    for (const line of block.trim().split("\n")) await run(line);
  });
});

/** A job's steps: what the action before leaves behind, then each command with its own environment. */
test("docs/ways-in/ci.md, the job", async () => {
  const [, job = ""] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(FOLDER, "ci.md"), "utf8")) ?? [];
  const { steps } = parse(job) as { steps: { uses?: string; run?: string; env?: Record<string, string> }[] };
  const { run } = await open();
  for (const { uses, run: line, env } of steps) {
    if (uses?.startsWith("google-github-actions/auth@") === true)
      await run("export GOOGLE_APPLICATION_CREDENTIALS=gha-creds-1234.json");
    for (const [name, value] of Object.entries(env ?? {})) await run(`export ${name}=${value}`);
    if (line !== undefined) await run(line);
  }
  expect(steps.map(({ run: line }) => line)).toEqual([undefined, "kfk run-once --wait"]);
});

test("docs/ways-in has no other block than commands and that job", () => {
  const kinds = readdirSync(FOLDER).flatMap((file) =>
    [...readFileSync(join(FOLDER, file), "utf8").matchAll(/^```(\w*)\n[\s\S]*?^```$/gm)].map(
      ([, kind]) => `${file} ${kind}`,
    ),
  );
  expect(kinds.filter((each) => !each.endsWith(" sh"))).toEqual(["ci.md yaml"]);
});

describe("docs/auth.md", () => {
  const page = readFileSync(join(FOLDER, "../auth.md"), "utf8");
  const all = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, kind, block = ""]) => [kind, block] as const);

  test("has no commands, only settings", () => {
    expect(all.map(([kind]) => kind)).toEqual(["yaml", "yaml", "yaml", "yaml", "yaml"]);
  });

  test.each(all)("settings of a %s block are taken: %s", async (_kind, block) => {
    const isUsers = block.startsWith("# ~/.config/kfk/config.yaml");
    const files = isUsers
      ? { "/h/.config/kfk/config.yaml": block }
      : projectFiles({
          conf: { "base/kubeflow.yaml": KUBEFLOW.replace(block.includes("host:") ? /^host:.*\n/m : /^$/, "") + block },
        });
    const world = fakeWorld({ cwd: ROOT, env: { HOME: "/h" }, files });
    if (isUsers) expect((await readUserConfig(world)).trustHosts).toEqual(["kubeflow.example.org"]);
    else expect(await runCommandLine(world, ["compile", "-o", "-"], "1.2.3", "")).toBe(0);
    expect(world.written.err()).not.toContain("warning");
  });
});
