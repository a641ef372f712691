/**
 * The built kfk against real Kubeflow Pipelines API servers, verb by verb, with the example project.
 *
 *   KFK_LIVE_KFP        `2.5.0=http://127.0.0.1:8878,1.8.22=http://127.0.0.1:8868`: version and address of each; not
 *                       set: everything here is skipped
 *   KFK_LIVE_KFP_IMAGE  name of an image whose tag decides how a step ends: `ok`, `hang`, and `fail.WORD`, `flaky.WORD`
 *                       (only the first time) for steps with WORD in their name. What moves the pods there must read
 *                       it. Not set: what needs a run to end is skipped
 *
 * Each test makes pipelines, experiments and runs of its own, under names with a random part, and removes its
 * schedules; the rest stays on the server.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const KFK = join(import.meta.dir, "../../dist/kfk");
const EXAMPLE = join(import.meta.dir, "../../examples/spaceflights");
const IMAGE = process.env["KFK_LIVE_KFP_IMAGE"] ?? "";
const top = mkdtempSync(join(tmpdir(), "kfk-live-kfp-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LONG_MS = 300_000;
setDefaultTimeout(60_000);
/** A step of the example, by a part of its name, and the line of its node. */
const STEP = "join-trips";

for (const { version, url } of readServers(process.env["KFK_LIVE_KFP"])) {
  describe.skipIf(url === "" || !existsSync(KFK))(`Kubeflow Pipelines ${version}`, () => {
    const setUp = (): Project => layProject(url);

    test("doctor finds the API and nothing in the way", async () => {
      const { kfk } = setUp();
      const found = await kfk("doctor");
      expect(found.status).toBe(0);
      expect(found.stdout).toContain("Kubeflow Pipelines");
      expect(found.stdout).toContain(isBefore2(version) ? "speaks v1beta1" : "speaks v1beta1 and v2beta1");
    });

    test("an upload makes the pipeline, then nothing, then versions: what was uploaded last is the newest", async () => {
      const { kfk, name } = setUp();
      const steps = [];
      for (const tag of ["a", "a", "b", "a", "b"]) {
        const done = await kfk("upload-pipeline", "--image", `project:${tag}`, "-o", "json");
        expect({ tag, status: done.status, err: done.status === 0 ? "" : done.stderr }).toEqual({
          tag,
          status: 0,
          err: "",
        });
        steps.push(JSON.parse(done.stdout) as { made: string; versionId: string; pipelineName: string });
      }
      expect(steps.map(({ made }) => made)).toEqual(["pipeline", "unchanged", "version", "version", "version"]);
      expect(steps[1]?.versionId).toBe(steps[0]?.versionId ?? "");
      expect(new Set(steps.map(({ versionId }) => versionId)).size).toBe(4);
      const listed = await kfk("list-pipelines");
      expect(listed.stdout).toContain(name);
    });

    test("what run-once made is not scheduled, and an older upload only by its name", async () => {
      const { kfk } = setUp();
      const schedule = async (...args: readonly string[]) => await kfk("schedule", "-c", "0 0 4 1 1 *", ...args);
      expect((await kfk("run-once", "--image", "project:a")).status).toBe(0);
      expect((await schedule("--image", "project:a")).status).toBe(3);
      const versions = [];
      for (const tag of ["a", "b"]) {
        const done = await kfk("upload-pipeline", "--image", `project:${tag}`, "-o", "json");
        versions.push(JSON.parse(done.stdout) as { versionId: string; versionName: string });
      }
      expect((await kfk("run-once", "--image", "project:c")).status).toBe(0);
      const older = await schedule("--image", "project:a");
      expect([older.status, older.stderr.includes(`--version-name ${versions[0]?.versionName}`)]).toEqual([3, true]);
      for (const [index, args] of [
        ["--version-name", versions[0]?.versionName ?? ""],
        ["--image", "project:b"],
        ["--image", "project:never"],
      ].entries()) {
        const done = await schedule(...args, "-o", "json");
        expect(done.status).toBe(0);
        expect(JSON.parse(done.stdout).versionId).toBe(versions[index === 0 ? 0 : 1]?.versionId ?? "");
      }
      expect((await kfk("schedule", "rm")).status).toBe(0);
    });

    test("a version name that other content has is refused", async () => {
      const { kfk } = setUp();
      expect((await kfk("upload-pipeline", "--image", "project:a", "--version-name", "v1")).status).toBe(0);
      expect((await kfk("upload-pipeline", "--image", "project:a", "--version-name", "v1")).status).toBe(0);
      const refused = await kfk("upload-pipeline", "--image", "project:b", "--version-name", "v1");
      expect([refused.status, refused.stdout]).toEqual([3, ""]);
      expect(refused.stderr).toContain('has a version "v1" with other content [SERVER_REFUSED]');
    });

    test("a run is one, its id is on stdout, and requests are few", async () => {
      const { kfk, api } = setUp();
      const first = await kfk("run-once", "--image", "project:a");
      expect([first.status, first.requests <= 7]).toEqual([0, true]);
      // the next ones may begin in one second, which servers do not tell apart
      expect((await kfk("status", "@latest")).stderr).toContain(first.stdout.trim());
      expect((await kfk("upload-pipeline", "--image", "project:a")).status).toBe(0);
      expect((await kfk("run-once", "--image", "project:a")).status).toBe(0);
      const known = await kfk("run-once", "--image", "project:a", "--param", "row_limit=7");
      expect([known.status, known.requests <= 5]).toEqual([0, true]);
      const id = known.stdout.trim();
      expect(id).toMatch(ID);
      expect(known.stderr).toContain(`/#/runs/details/${id}`);
      const { run } = (await api(`/apis/v1beta1/runs/${id}`)) as { run: RawRun };
      expect(run.pipeline_spec.parameters).toContainEqual({ name: "row_limit", value: "7" });
      const experiment = run.resource_references.find(({ key }) => key.type === "EXPERIMENT")?.key.id ?? "";
      const all = (await api(
        `/apis/v1beta1/runs?resource_reference_key.type=EXPERIMENT&resource_reference_key.id=${experiment}`,
      )) as { runs: unknown[] };
      expect(all.runs).toHaveLength(3);
      const listed = await kfk("list-runs");
      expect(listed.stdout).toContain(id);
      expect((await kfk("ui", id)).stdout).toContain(`/#/runs/details/${id}`);
    });

    test("a run that is not there is status 3 for each verb", async () => {
      const { kfk } = setUp();
      const id = crypto.randomUUID();
      for (const verb of ["status", "wait", "logs", "cancel", "retry"]) {
        const done = await kfk(verb, id);
        expect({ verb, status: done.status, err: done.stderr }).toEqual({
          verb,
          status: 3,
          err: `error: the server knows no run "${id}" [RUN_UNKNOWN]\n  hint: look at the runs it has with kfk list-runs\n`,
        });
      }
    });

    test("a parameter that the project does not have is refused before anything is sent", async () => {
      const { kfk } = setUp();
      const done = await kfk("run-once", "--image", "project:a", "--param", "row_limt=7");
      expect([done.status, done.requests, done.stdout]).toEqual([3, 0, ""]);
    });

    test("a schedule is made once, replaced when its settings change, paused, resumed and removed", async () => {
      const { kfk, name } = setUp();
      expect((await kfk("upload-pipeline", "--image", "project:a")).status).toBe(0);
      const schedule = async (...args: readonly string[]): Promise<string> => {
        const done = await kfk("schedule", "--image", "project:a", ...args);
        expect({ args, status: done.status, err: done.status === 0 ? "" : done.stderr }).toEqual({
          args,
          status: 0,
          err: "",
        });
        return done.stdout.trim();
      };
      const mine = async (): Promise<readonly { id: string; enabled: boolean; settings: { cron: string } }[]> => {
        const listed = await kfk("schedule", "list", "-o", "json");
        const all = JSON.parse(listed.stdout || "[]") as {
          id: string;
          name: string;
          enabled: boolean;
          settings: never;
        }[];
        return all.filter((each) => each.name === name);
      };
      const first = await schedule("-c", "0 0 4 1 1 *");
      expect(await schedule("-c", "0 0 4 1 1 *")).toBe(first);
      const second = await schedule("-c", "0 0 5 1 1 *", "--param", "row_limit=3", "--concurrency", "2");
      expect(second).not.toBe(first);
      expect(await schedule("-c", "0 0 5 1 1 *", "--param", "row_limit=3", "--concurrency", "2")).toBe(second);
      const states = async (): Promise<readonly [string, boolean][]> =>
        (await mine()).map(({ id, enabled }) => [id, enabled]);
      expect(await states()).toEqual([[second, true]]);
      expect((await kfk("schedule", "pause", second)).status).toBe(0);
      expect(await states()).toEqual([[second, false]]);
      expect((await kfk("schedule", "resume", second)).status).toBe(0);
      expect(await states()).toEqual([[second, true]]);
      expect((await kfk("schedule", "rm", second)).status).toBe(0);
      expect(await states()).toEqual([]);
    });

    describe.skipIf(IMAGE === "")("with pods that end as they are told", () => {
      test(
        "a run that succeeds is waited for, and its logs are there",
        async () => {
          const { kfk } = setUp();
          const done = await kfk("run-once", "--image", `${IMAGE}:ok`, "--wait");
          expect({ status: done.status, err: done.status === 0 ? "" : done.stderr }).toEqual({ status: 0, err: "" });
          const id = done.stdout.trim();
          expect(id).toMatch(ID);
          expect((await kfk("wait", id)).status).toBe(0);
          expect((await kfk("status", id)).stdout).toContain("  succeeded  ");
          const cancelled = await kfk("cancel", id);
          expect(cancelled.stderr).toContain("has succeeded already, and stays so");
          expect((await kfk("wait", id)).status).toBe(0);
        },
        LONG_MS,
      );

      test(
        "a run that fails is status 1, with the step, its node and its exit code",
        async () => {
          const { kfk } = setUp();
          const done = await kfk("run-once", "--image", `${IMAGE}:fail.${STEP}`, "--wait");
          expect([done.status, done.stdout.trim()]).toEqual([1, expect.stringMatching(ID) as string]);
          expect(done.stderr).toContain("[RUN_FAILED]");
          expect(done.stderr).toContain(STEP);
          expect(done.stderr).toContain("exit code");
          expect((await kfk("wait", done.stdout.trim())).status).toBe(1);
          expect((await kfk("status", done.stdout.trim())).stdout).toContain("  failed  ");
        },
        LONG_MS,
      );

      test(
        "a run that is cancelled is status 7, also for who asks later",
        async () => {
          const { kfk } = setUp();
          const id = (await kfk("run-once", "--image", `${IMAGE}:hang`)).stdout.trim();
          expect((await kfk("wait", id, "--timeout", "12")).status).toBe(124);
          const waiting = kfk("wait", id);
          expect((await kfk("cancel", id)).status).toBe(0);
          expect((await waiting).status).toBe(7);
          expect((await kfk("wait", id)).status).toBe(7);
        },
        LONG_MS,
      );

      // with an Argo controller much newer than theirs, what retries on 1.8 and 2.0 stays Running
      test.skipIf(/^(1|2\.0)\./.test(version))(
        "a run that failed goes on from what succeeded, under its id",
        async () => {
          const { kfk } = setUp();
          const id = (await kfk("run-once", "--image", `${IMAGE}:flaky.${STEP}`, "--wait")).stdout.trim();
          expect((await kfk("wait", id)).status).toBe(1);
          const again = await kfk("retry", id, "--wait");
          expect({ status: again.status, err: again.status === 0 ? "" : again.stderr }).toEqual({ status: 0, err: "" });
          expect((await kfk("wait", id)).status).toBe(0);
        },
        LONG_MS,
      );
    });
  });
}

// --- internal ---

interface RawRun {
  readonly pipeline_spec: { readonly parameters: readonly { readonly name: string; readonly value: string }[] };
  readonly resource_references: readonly { readonly key: { readonly type: string; readonly id: string } }[];
}

interface Done {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Attempts that were made. */
  readonly requests: number;
}

interface Project {
  /** Of its pipeline, its experiment, and its schedules. */
  readonly name: string;
  readonly kfk: (...args: readonly string[]) => Promise<Done>;
  readonly api: (path: string) => Promise<unknown>;
}

/** One entry without an address stands for all, so that they are counted as skipped. */
function readServers(text: string | undefined): readonly { readonly version: string; readonly url: string }[] {
  if (text === undefined || text === "") return [{ version: "(KFK_LIVE_KFP names no server)", url: "" }];
  return text.split(",").map((each) => {
    const at = each.indexOf("=");
    if (at < 1) throw new Error(`KFK_LIVE_KFP: "${each}" is not VERSION=ADDRESS`);
    return { version: each.slice(0, at).trim(), url: each.slice(at + 1).trim() };
  });
}

function isBefore2(version: string): boolean {
  return version.startsWith("1.");
}

/** The example under a name of its own. */
function layProject(url: string): Project {
  const name = `kfk-live-${crypto.randomUUID().slice(0, 8)}`;
  const folder = join(top, name);
  cpSync(EXAMPLE, folder, { recursive: true });
  const config = join(folder, "conf/base/kubeflow.yaml");
  const text = readFileSync(config, "utf8")
    .replace(/^ {2}experiment_name: .*$/m, `  experiment_name: ${name}`)
    .replace(/^ {2}run_name: .*$/m, `  run_name: ${name}\n  scheduled_run_name: ${name}\n  pipeline_name: ${name}`);
  writeFileSync(config, text);
  const home = join(folder, "home");
  mkdirSync(home);
  return {
    name,
    api: async (path) => await (await fetch(`${url}${path}`)).json(),
    kfk: async (...args) => {
      const child = Bun.spawn([KFK, ...args], {
        cwd: folder,
        env: { PATH: process.env["PATH"] ?? "", HOME: home, NO_COLOR: "1", KFK_HOST: url, KFK_DEBUG: "api" },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, all, status] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      const isTrace = (line: string): boolean => line.startsWith("api: ");
      const lines = all.split("\n");
      return {
        status,
        stdout,
        stderr: lines.filter((line) => !isTrace(line)).join("\n"),
        requests: lines.filter(isTrace).length,
      };
    },
  };
}
