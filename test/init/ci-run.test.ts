/**
 * The CI files that the built `kfk init` writes, run as a build server would: every `run` block and script in bash, with
 * stand-ins for docker and gcloud, kfk downloaded from a loopback address, and a KFP server on loopback.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import { type FakeKfp, startKfp } from "../judges/kfp-fake.ts";
import { type FakeSchedules, fakeSchedules, serveSchedules } from "../judges/kfp-schedules.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const REPOSITORY = join(import.meta.dir, "../..");
const KFK = join(REPOSITORY, "dist/kfk");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-ci-"));
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const KEY = '{"type":"service_account"}';
const IMAGE = `us-docker.pkg.dev/my-project/kedro/spaceflights:${COMMIT}`;

let kfp: FakeKfp;
let schedules: FakeSchedules;
let front: ReturnType<typeof serveSchedules>;
let releases: ReturnType<typeof Bun.serve>;
let served: Uint8Array;

beforeAll(() => {
  if (!existsSync(KFK)) return;
  kfp = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => performance.now() });
  kfp.setScript([
    { t: 0, state: "Running" },
    { t: 0.05, state: "Succeeded" },
  ]);
  schedules = fakeSchedules({ nowMs: Date.now, newId: () => crypto.randomUUID(), behind: kfp.fetch });
  front = serveSchedules(schedules, kfp.url);
  served = readFileSync(KFK);
  releases = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) =>
      new URL(request.url).pathname === `/v${manifest.version}/kfk-linux-x64`
        ? new Response(served)
        : new Response("no such file", { status: 404 }),
  });
});

afterAll(async () => {
  if (existsSync(KFK)) await Promise.all([front.stop(), kfp.stop(), releases.stop(true)]);
  rmSync(SCRATCH, { recursive: true, force: true });
});

interface Sandbox {
  readonly project: string;
  readonly env: Record<string, string>;
  readonly calls: () => string[];
}

/** A checked-out project with what `init` wrote, and a PATH of stand-ins. */
async function sandbox(name: string, ...options: readonly string[]): Promise<Sandbox> {
  const folder = join(SCRATCH, name);
  const project = join(folder, "checkout");
  cpSync(join(REPOSITORY, "examples/spaceflights"), project, { recursive: true });
  rmSync(join(project, "conf/base/kubeflow.yaml"));
  mkdirSync(join(project, ".git"));
  mkdirSync(join(folder, "temp"));
  mkdirSync(join(folder, "bin"));
  const log = join(folder, "calls");
  writeFileSync(log, "");
  for (const tool of ["docker", "gcloud"]) {
    const path = join(folder, "bin", tool);
    // what is piped in is logged by its length alone
    const body = `case "$*" in *--password-stdin*) wc -c | tr -d ' \\n' >> '${log}'; echo " bytes" >> '${log}' ;; esac`;
    writeFileSync(path, `#!/bin/bash\necho "${tool} $*" >> '${log}'\n${body}\n`);
    chmodSync(path, 0o755);
  }
  const env = { HOME: folder, PATH: `${folder}/bin:/usr/bin:/bin`, RUNNER_TEMP: join(folder, "temp") };
  const said = await run([KFK, "init", front.url, ...options], project, env);
  expect({ status: said.status, out: said.out }).toEqual({ status: 0, out: "" });
  return { project, env, calls: () => readFileSync(log, "utf8").split("\n").filter(Boolean) };
}

async function run(command: readonly string[], cwd: string, env: Record<string, string>) {
  const child = Bun.spawn([...command], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, out, err };
}

interface Workflow {
  readonly env: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>>;
}

interface Step {
  readonly name: string;
  readonly run?: string;
}

/** Runs the steps of a workflow's only job; the value is the name of the step that failed, and what all said. */
async function runWorkflow(box: Sandbox, file: string, vars: Record<string, string>, commit = COMMIT) {
  const workflow = parse(readFileSync(join(box.project, ".github/workflows", file), "utf8")) as Workflow;
  const known: Record<string, string> = {
    "secrets.GKE_PROJECT": "my-project",
    "secrets.IAP_CLIENT_ID": "",
    "github.sha": commit,
    ...vars,
  };
  const env: Record<string, string> = {
    ...box.env,
    GITHUB_SHA: commit,
    GITHUB_PATH: join(box.env["RUNNER_TEMP"] as string, "path"),
  };
  for (const [name, text] of Object.entries(workflow.env)) {
    env[name] = text.replaceAll(/\$\{\{ ([\w.]+)(?: \|\| '([^']*)')? \}\}/g, (_, key: string, otherwise = "") =>
      known[key] === undefined ? otherwise : known[key],
    );
  }
  const [job] = Object.values(workflow.jobs);
  let said = "";
  for (const { name, run: script } of job?.steps ?? []) {
    if (script === undefined) continue;
    if (existsSync(env["GITHUB_PATH"] as string)) {
      const added = readFileSync(env["GITHUB_PATH"] as string, "utf8")
        .trim()
        .split("\n");
      env["PATH"] = [...added, box.env["PATH"]].join(":");
    }
    const path = join(box.env["RUNNER_TEMP"] as string, "step.sh");
    writeFileSync(path, script);
    const end = await run(["bash", "--noprofile", "--norc", "-eo", "pipefail", path], box.project, env);
    said += end.out + end.err;
    if (end.status !== 0) return { failed: name, status: end.status, said };
  }
  return { failed: null, status: 0, said };
}

interface GitlabJob {
  readonly extends?: string;
  readonly before_script?: readonly string[];
  readonly script?: readonly string[];
}

/** Runs a job of GitLab: before_script and script in one shell. */
async function runJob(box: Sandbox, name: string, vars: Record<string, string>, commit = COMMIT) {
  const file = parse(readFileSync(join(box.project, ".gitlab-ci.yml"), "utf8")) as Record<string, GitlabJob> & {
    readonly variables: Record<string, string>;
  };
  const job = file[name] as GitlabJob;
  const base = job.extends === undefined ? {} : file[job.extends];
  const lines = [...(base?.before_script ?? []), ...(job.script ?? [])];
  const script = lines.join("\n");
  const env = {
    ...box.env,
    ...file.variables,
    CI_PROJECT_DIR: box.project,
    CI_COMMIT_SHA: commit,
    CI_COMMIT_SHORT_SHA: commit.slice(0, 8),
    GKE_PROJECT: "my-project",
    GKE_SA_KEY: Buffer.from(KEY).toString("base64"),
    ...vars,
  };
  return await run(["bash", "-eo", "pipefail", "-c", script], box.project, env);
}

describe.skipIf(!existsSync(KFK))("the CI files of init", () => {
  const url = (): string => `http://127.0.0.1:${releases.port}`;
  const PUBLISHED = [
    `docker build --tag ${IMAGE} .`,
    "gcloud --quiet auth configure-docker us-docker.pkg.dev",
    `docker push ${IMAGE}`,
  ];

  test("GitHub: a push builds, publishes, runs and waits; a merge uploads", async () => {
    const box = await sandbox("github", "--with-github-actions");
    const pushed = await runWorkflow(box, "kubeflow-on-push.yml", { "vars.KFK_URL": url() });
    expect({ ...pushed, said: "" }).toEqual({ failed: null, status: 0, said: "" });
    expect(pushed.said).toContain("succeeded after");
    expect(kfp.runs().at(-1)?.name).toBe(`spaceflights ${COMMIT.slice(0, 12)}`);
    expect(box.calls()).toEqual(PUBLISHED);
    expect(kfp.versions().at(-1)?.text).toContain(`image: "${IMAGE}"`);
    const merged = await runWorkflow(box, "kubeflow-on-merge.yml", { "vars.KFK_URL": url() });
    expect({ ...merged, said: "" }).toEqual({ failed: null, status: 0, said: "" });
    expect(merged.said).toContain("added a version to spaceflights");
    expect(schedules.jobs.map(({ name, enabled, versionId }) => ({ name, enabled, versionId }))).toEqual([
      { name: "spaceflights", enabled: true, versionId: kfp.versions().at(-1)?.id ?? "" },
    ]);
  }, 60_000);

  const NEXT = COMMIT.replaceAll("0", "f");
  const enabled = () => schedules.jobs.filter((each) => each.enabled).map(({ versionId }) => versionId);
  const versionOf = (commit: string): string =>
    kfp.versions().findLast(({ text }) => text.includes(`spaceflights:${commit}"`))?.id ?? "";

  test("GitHub: the schedule moves to each new image, also back to the one before", async () => {
    const box = await sandbox("github-moves", "--ci", "github");
    for (const commit of [COMMIT, NEXT, NEXT, COMMIT]) {
      const { failed, said } = await runWorkflow(box, "kubeflow-on-merge.yml", { "vars.KFK_URL": url() }, commit);
      expect({ failed, warned: said.match(/warning: (?!not copied).*/g), enabled: enabled() }).toEqual({
        failed: null,
        warned: null,
        enabled: [versionOf(commit)],
      });
    }
    expect(versionOf(NEXT)).not.toBe(versionOf(COMMIT));
  }, 120_000);

  test("GitLab: the schedule moves to each new image, and runs of a branch in between do not matter", async () => {
    const box = await sandbox("gitlab-moves", "--ci", "gitlab");
    const vars = { KFK_URL: url(), TMPDIR: join(SCRATCH, "gitlab-moves/temp") };
    for (const commit of [COMMIT, NEXT]) {
      expect(await runJob(box, "deploy", vars, commit)).toMatchObject({ status: 0 });
      expect(await runJob(box, "run", vars, commit.replaceAll("1", "e"))).toMatchObject({ status: 0 });
      expect(enabled()).toEqual([versionOf(commit)]);
      const again = await runJob(box, "deploy", vars, commit);
      expect({ status: again.status, said: again.err.includes("unchanged: spaceflights has these settings") }).toEqual({
        status: 0,
        said: true,
      });
    }
  }, 120_000);

  test("GitHub: a failed run fails the job with status 1", async () => {
    const box = await sandbox("github-failed", "--ci", "github");
    kfp.setScript([{ t: 0, state: "Failed" }]);
    const { failed, status } = await runWorkflow(box, "kubeflow-on-push.yml", { "vars.KFK_URL": url() });
    kfp.setScript([{ t: 0, state: "Succeeded" }]);
    expect({ failed, status }).toEqual({ failed: "Run the pipeline", status: 1 });
  }, 60_000);

  test("GitHub: another file than the one of this version is never run", async () => {
    const box = await sandbox("github-forged", "--ci", "github");
    const right = served;
    served = Buffer.from(`#!/bin/sh\ntouch '${box.project}/ran'\n`);
    const { failed, said } = await runWorkflow(box, "kubeflow-on-push.yml", { "vars.KFK_URL": url() });
    served = right;
    expect(failed).toBe("Get kfk");
    expect(said).toContain("FAILED");
    expect({ ran: existsSync(join(box.project, "ran")), calls: box.calls() }).toEqual({ ran: false, calls: [] });
  }, 60_000);

  test("GitHub: no place of releases is said in words", async () => {
    const box = await sandbox("github-bare", "--ci", "github");
    const { failed, said } = await runWorkflow(box, "kubeflow-on-push.yml", {});
    expect({ failed, said }).toEqual({
      failed: "Get kfk",
      said: "::error::set the variable KFK_URL of this repository: where kfk's releases are\n",
    });
  });

  test("GitLab: the same, in three jobs, and the key is gone afterwards", async () => {
    const box = await sandbox("gitlab", "--ci", "gitlab");
    const temp = join(SCRATCH, "gitlab/temp");
    const vars = { KFK_URL: url(), TMPDIR: temp };
    expect(await runJob(box, "build-image", vars)).toMatchObject({ status: 0 });
    const key = Buffer.from(KEY).toString("base64");
    expect(box.calls()).toEqual([
      `docker build --tag ${IMAGE} .`,
      "docker login --username _json_key_base64 --password-stdin https://us-docker.pkg.dev",
      `${key.length} bytes`,
      `docker push ${IMAGE}`,
    ]);
    const ran = await runJob(box, "run", vars);
    expect({ status: ran.status, leaked: (ran.out + ran.err).includes(key) }).toEqual({ status: 0, leaked: false });
    expect(ran.err).toContain("succeeded after");
    expect(await runJob(box, "deploy", vars)).toMatchObject({ status: 0 });
    expect([...new Bun.Glob("*").scanSync({ cwd: temp, dot: true, onlyFiles: false })]).toEqual([]);
  }, 60_000);

  test("the project still compiles, and the checksum in the file is the binary's", async () => {
    const box = await sandbox("compile", "--ci", "github");
    expect(await run([KFK, "compile", "-q", "-o", "-"], box.project, box.env)).toMatchObject({ status: 0, err: "" });
    const { env } = parse(
      readFileSync(join(box.project, ".github/workflows/kubeflow-on-push.yml"), "utf8"),
    ) as Workflow;
    expect(env["KFK_SHA256"]).toBe(new Bun.CryptoHasher("sha256").update(readFileSync(KFK)).digest("hex"));
  });
});
