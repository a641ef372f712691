/**
 * hooks/mlflow_run.py alone: a stand-in for Kedro and kedro-mlflow, and one for mlflow whose server is a file. Real ones:
 * test/live/mlflow.test.ts.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PROGRAM = join(import.meta.dir, "../../hooks/mlflow_run.py");
const PYTHON = findPython();
const top = mkdtempSync(join(tmpdir(), "kfk-mlflow-run-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const MODULES: Readonly<Record<string, string>> = {
  "kedro/__init__.py": "",
  "kedro/framework/__init__.py": "",
  "kedro/framework/startup.py": "def bootstrap_project(path):\n    return None\n",
  "kedro/framework/session.py": `import os
class Context: pass
class KedroSession:
    @classmethod
    def create(cls, project_path, env):
        if os.environ.get("STUB_PROJECT"): raise RuntimeError(os.environ["STUB_PROJECT"])
        return cls()
    def __enter__(self): return self
    def __exit__(self, *args): return False
    def load_context(self):
        context, experiment = Context(), Context()
        experiment.experiment_id = os.environ.get("STUB_EXPERIMENT", "7") or None
        context.mlflow, context.mlflow.tracking = Context(), Context()
        context.mlflow.tracking.experiment = experiment
        context.mlflow.tracking.run = run = Context()
        run.id, run.name = os.environ.get("STUB_FIXED"), os.environ.get("STUB_NAME")
        context.mlflow.tracking.disable_tracking = left_out = Context()
        left_out.pipelines = os.environ.get("STUB_LEFT_OUT", "").split()
        return context
`,
  "kedro_mlflow/__init__.py": "",
  "kedro_mlflow/framework/__init__.py": "",
  "kedro_mlflow/framework/hooks/__init__.py": "",
  "kedro_mlflow/framework/hooks/utils.py": `import os
if os.environ.get("STUB_SEVERAL"):
    def _assert_mlflow_enabled(pipeline_names, mlflow_config): return True
else:
    def _assert_mlflow_enabled(pipeline_name, mlflow_config): return True
`,
  "mlflow/tracking/context/__init__.py": "",
  "mlflow/tracking/context/registry.py": `def resolve_tags(tags):
    return dict({"mlflow.user": "someone", "mlflow.source.type": "LOCAL"}, **tags)
`,
  "mlflow/__init__.py": "",
  "mlflow/tracking/__init__.py": `import json, os
STORE = os.environ["STUB_STORE"]
class Bag:
    def __init__(self, **kw): self.__dict__.update(kw)
class MlflowClient:
    def __init__(self):
        self.rows = json.load(open(STORE)) if os.path.exists(STORE) else []
    def save(self): json.dump(self.rows, open(STORE, "w"))
    def wrap(self, row):
        return Bag(info=Bag(run_id=row["id"], start_time=row["start"], run_name=row["tags"].get("mlflow.runName")), data=Bag(tags=row["tags"]))
    def search_runs(self, ids, filter, max_results):
        if os.environ.get("STUB_SEARCH"): raise RuntimeError(os.environ["STUB_SEARCH"])
        return [self.wrap(row) for row in self.rows][:max_results]
    def create_run(self, experiment, tags):
        row = {"id": os.environ.get("STUB_ID", "abc%d" % len(self.rows)), "start": 1795507540000, "tags": tags, "status": "RUNNING"}
        self.rows.append(row); self.save(); return self.wrap(row)
    def set_tag(self, id, key, value):
        [row["tags"].update({key: value}) for row in self.rows if row["id"] == id]; self.save()
    def delete_tag(self, id, key):
        [row["tags"].pop(key) for row in self.rows if row["id"] == id]; self.save()
    def update_run(self, id, name):
        [row["tags"].update({"mlflow.runName": name}) for row in self.rows if row["id"] == id]; self.save()
    def get_run(self, id): return self.wrap([row for row in self.rows if row["id"] == id][0])
    def set_terminated(self, id, status):
        broken = os.environ.get("STUB_BROKEN")
        if broken and not os.path.exists(broken):
            open(broken, "w").close(); raise RuntimeError("503 come back later")
        for row in self.rows:
            if row["id"] == id: row["status"] = status
        self.save()
`,
  // as long as a test may take
  "sitecustomize.py": "import time\ntime.sleep = lambda seconds: None\n",
};

let count = 0;

function setUp() {
  const folder = join(top, String(++count));
  for (const [path, text] of Object.entries(MODULES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const store = join(folder, "store.json");
  const output = join(folder, "out");
  const call = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const [command = "", ...rest] = args;
    const child = Bun.spawn(
      [PYTHON as string, "-c", readFileSync(PROGRAM, "utf8"), command, folder, "local", ...rest],
      {
        env: { PATH: "/usr/bin:/bin", PYTHONPATH: folder, STUB_STORE: store, KFK_OUTPUT: output, ...env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const status = await child.exited;
    expect(err).not.toContain("pass@word");
    return { status, out, last: err.trimEnd().split("\n").at(-1) ?? "" };
  };
  const rows = (): { id: string; status: string; tags: Record<string, string> }[] =>
    existsSync(store) ? JSON.parse(readFileSync(store, "utf8")) : [];
  return { call, rows, output, store, folder };
}

/** The interpreter itself: one that is looked for again at each start is slow. */
function findPython(): string | null {
  const python = Bun.which("python3");
  if (python === null) return null;
  const asked = Bun.spawnSync([python, "-c", "import sys; print(sys.executable)"], { stdin: "ignore" });
  return asked.exitCode === 0 ? asked.stdout.toString().trim() : null;
}

/** As a real server handed it to an exit step: JSON that Go has quoted. */
const quoted = (message: string): string =>
  JSON.stringify(JSON.stringify([{ displayName: "train", message, templateName: "step", phase: "Failed" }]));

describe.skipIf(PYTHON === null)("mlflow_run.py", () => {
  test("a start that is tried again gives the run that it made", async () => {
    const { call, rows, output } = setUp();
    expect(await call(["start", "r-1", "demo"])).toMatchObject({ status: 0 });
    expect(await call(["start", "r-1", "demo"])).toMatchObject({
      status: 0,
      last: "kfk: mlflow: found run abc0 in experiment 7",
    });
    expect(readFileSync(output, "utf8")).toBe("abc0");
    expect(rows().map(({ tags }) => tags)).toEqual([
      {
        kubeflow_run_id: "r-1",
        "mlflow.runName": "demo",
        "mlflow.source.name": "kfk",
        "mlflow.source.type": "JOB",
        "mlflow.user": "someone",
      },
    ]);
  });

  test.each([
    { name: "by its name", pipeline: "other", env: {}, isOut: true },
    { name: "not another one", pipeline: "third", env: {}, isOut: false },
    {
      name: "not the one that nobody names, in versions for one pipeline",
      pipeline: "__default__",
      env: {},
      isOut: false,
    },
    { name: "that one too, in versions for several", pipeline: "__default__", env: { STUB_SEVERAL: "1" }, isOut: true },
  ])("a pipeline that mlflow.yml leaves out has no run: $name", async ({ pipeline, env, isOut }) => {
    const { call, rows, output } = setUp();
    const done = await call(["start", "r-1", "demo", pipeline], { STUB_LEFT_OUT: "other __default__", ...env });
    expect(done.status).toBe(0);
    expect([rows().length, readFileSync(output, "utf8")]).toEqual(isOut ? [0, ""] : [1, "abc0"]);
    if (isOut) expect(done.last).toBe(`kfk: mlflow: mlflow.yml leaves out the pipeline ${pipeline}: no run`);
    expect(await call(["finish", "r-1", "Succeeded", ""])).toMatchObject({ status: 0 });
  });

  test("the exit pipeline does not leave its name to the run", async () => {
    const { call, rows } = setUp();
    await call(["start", "r-1", "demo", "__default__"]);
    // newer versions of mlflow name a run anew when it is resumed
    const rename = `from mlflow.tracking import MlflowClient; MlflowClient().update_run("abc0", "tell")`;
    expect(await call(["resume", "r-1", "demo", PYTHON as string, "-c", rename])).toMatchObject({ status: 0 });
    expect(rows().map(({ tags }) => tags["mlflow.runName"])).toEqual(["tell"]);
    await call(["finish", "r-1", "Succeeded", ""]);
    expect(rows().map(({ tags, status }) => [tags["mlflow.runName"], tags["kfk_run_name"], status])).toEqual([
      ["demo", undefined, "FINISHED"],
    ]);
  });

  test("a run of somebody else is not taken, even from a server that looks at no filter", async () => {
    const { call, rows } = setUp();
    await call(["start", "r-1", "demo"]);
    await call(["start", "r-2", "demo"]);
    expect(rows().map(({ tags }) => tags["kubeflow_run_id"])).toEqual(["r-1", "r-2"]);
  });

  test("the name and the id that mlflow.yml gives to the run hold", async () => {
    const { call, rows, output } = setUp();
    await call(["start", "r-1", "demo"], { STUB_NAME: "nightly" });
    expect(rows()[0]?.tags["mlflow.runName"]).toBe("nightly");
    await call(["start", "r-2", "demo"], { STUB_FIXED: "abc0" });
    expect(readFileSync(output, "utf8")).toBe("abc0");
    await call(["finish", "r-2", "Failed", ""]);
    expect(rows().map(({ status, tags }) => [status, tags["kubeflow_run_id"]])).toEqual([["FAILED", "r-2"]]);
  });

  test("resume becomes the program, with the run and the environment that it would have had", async () => {
    const { call } = setUp();
    await call(["start", "r-1", "demo"]);
    const show = 'echo "$MLFLOW_RUN_ID ${KEDRO_ENV-none} ${MLFLOW_TRACKING_TOKEN-none} $0 $1"; pwd; exit 5';
    const { status, out } = await call(["resume", "r-1", "demo", "/bin/sh", "-c", show, "a b", "{x}"]);
    expect({ status, out }).toEqual({ status: 5, out: `abc0 none none a b {x}\n${process.cwd()}\n` });
  });

  test("resume without MLflow starts nothing", async () => {
    const { call } = setUp();
    const { status, out, last } = await call(["resume", "r-1", "demo", "/bin/echo", "x"], { STUB_SEARCH: "401" });
    expect({ status, out, last }).toEqual({
      status: 1,
      out: "",
      last: "kfk: mlflow: resume failed: RuntimeError: 401",
    });
  });

  test.each([
    { name: "the project cannot be opened", env: { STUB_PROJECT: "no catalog" }, last: "RuntimeError: no catalog" },
    {
      name: "a page instead of an answer",
      env: { STUB_SEARCH: `<html>\n${"x".repeat(5000)}` },
      last: `RuntimeError: <html> ${"x".repeat(293)}...`,
    },
    {
      name: "an address with a password",
      env: { STUB_SEARCH: "API request to https://me:pass@word@mlflow.example.org/api failed, retry me@example.org" },
      last: "RuntimeError: API request to https://***@mlflow.example.org/api failed, retry me@example.org",
    },
    {
      name: "an address with a password of many signs, and with a token",
      env: {
        STUB_SEARCH: "no https://me:p/a#s?s@mlflow.example.org/api, no https://m.example.org/?access_token=ab.c&x=1",
      },
      last: "RuntimeError: no https://***@mlflow.example.org/api, no https://m.example.org/?access_token=***&x=1",
    },
    {
      name: "a header that logs in",
      env: { STUB_SEARCH: "sent Authorization: Bearer ab!c.d and basic bWU6cA== again" },
      last: "RuntimeError: sent Authorization: Bearer *** and basic *** again",
    },
    {
      name: "no experiment",
      env: { STUB_EXPERIMENT: "" },
      last: "ValueError: MLflow gave no id of the experiment: None",
    },
    { name: "an empty id", env: { STUB_ID: "" }, last: "ValueError: MLflow gave no id of the run: ''" },
    { name: "an id of two lines", env: { STUB_ID: "a\nb" }, last: "ValueError: MLflow gave no id of the run: 'a\\nb'" },
  ])("a start says why it fails, and hands out nothing: $name", async ({ env, last }) => {
    const { call, output } = setUp();
    expect(await call(["start", "r-1", "demo"], env)).toEqual({
      status: 1,
      out: "",
      last: `kfk: mlflow: start failed: ${last}`,
    });
    expect(existsSync(output)).toBe(false);
  });

  test.each([
    { name: "succeeded", status: "Succeeded", failures: '"null"', exit: "", want: "FINISHED", code: 0 },
    { name: "failed", status: "Failed", failures: quoted("Error (exit code 1)"), exit: "", want: "FAILED", code: 0 },
    { name: "broken", status: "Error", failures: quoted("pod deleted"), exit: "", want: "FAILED", code: 0 },
    { name: "ended by Ctrl-C", status: "Cancelled", failures: '"null"', exit: "", want: "KILLED", code: 0 },
    {
      name: "terminated in KFP: a deadline before the run was made",
      status: "Failed",
      failures: quoted("retry exceeded workflow deadline 2026-11-24 08:05:34 +0000 UTC"),
      exit: "",
      want: "KILLED",
      code: 0,
    },
    {
      name: "a deadline of its own",
      status: "Failed",
      failures: quoted("retry exceeded workflow deadline 2026-11-24 09:05:34 +0000 UTC"),
      exit: "",
      want: "FAILED",
      code: 0,
    },
    {
      name: "stopped through Argo",
      status: "Failed",
      failures: quoted("Stopped with strategy 'Stop'"),
      exit: "",
      want: "KILLED",
      code: 0,
    },
    {
      name: "a node that only says so",
      status: "Failed",
      failures: quoted("Error: Stopped with strategy 'Stop'"),
      exit: "",
      want: "FAILED",
      code: 0,
    },
    {
      name: "cut in the middle",
      status: "Failed",
      failures: quoted("retry exceeded workflow deadline 2026-11-24 08:05:34 +0000 UTC").slice(0, 60),
      exit: "",
      want: "FAILED",
      code: 0,
    },
    {
      name: "the exit pipeline succeeded",
      status: "Succeeded",
      failures: "",
      exit: "Succeeded",
      want: "FINISHED",
      code: 0,
    },
    { name: "the exit pipeline failed", status: "Succeeded", failures: "", exit: "Failed", want: "FAILED", code: 1 },
  ])("the final status: $name", async ({ status, failures, exit, want, code }) => {
    const { call, rows } = setUp();
    await call(["start", "r-1", "demo"]); // made 2026-11-24 08:05:40
    const done = await call(["finish", "r-1", status, failures], { KFK_EXIT_STATUS: exit });
    expect({ code: done.status, status: rows()[0]?.status }).toEqual({ code, status: want });
  });

  test.each([
    {
      name: "cancelled",
      v2: { state: "CANCELING", state_history: [{ state: "RUNNING" }, { state: "CANCELING" }] },
      want: "KILLED",
    },
    {
      name: "reported as running again while it ends",
      v2: { state: "RUNNING", state_history: [{ state: "CANCELING" }, { state: "RUNNING" }] },
      want: "KILLED",
    },
    {
      name: "cancelled once, retried, and failed by itself",
      v2: { state: "RUNNING", state_history: [{ state: "CANCELING" }, { state: "FAILED" }, { state: "RUNNING" }] },
      want: "FAILED",
    },
    { name: "failed", v2: { state: "RUNNING", state_history: [{ state: "RUNNING" }] }, want: "FAILED" },
    { name: "a server before 2.0, cancelled", v2: null, v1: { run: { status: "Terminating" } }, want: "KILLED" },
    { name: "a server before 2.0, failed", v2: null, v1: { run: { status: "Running" } }, want: "FAILED" },
    { name: "a list instead of an answer", v2: [1], v1: "x", want: "FAILED" },
    { name: "nobody may ask", v2: null, want: "FAILED" },
  ] as { name: string; v2: unknown; v1?: unknown; want: string }[])(
    "the KFP server of the namespace is asked: $name",
    async ({ v2, v1, want }) => {
      const { call, rows } = setUp();
      await call(["start", "r-1", "demo"]);
      const asked: string[] = [];
      const server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (request) => {
          const { pathname } = new URL(request.url);
          asked.push(`${pathname} ${request.headers.get("authorization")}`);
          const body = pathname.includes("v2beta1") ? v2 : v1;
          return body === null || body === undefined
            ? Response.redirect("http://127.0.0.1:9/login", 302)
            : Response.json(body);
        },
      });
      const env = { ML_PIPELINE_SERVICE_HOST: "127.0.0.1", ML_PIPELINE_SERVICE_PORT_HTTP: String(server.port) };
      await call(["finish", "r-1", "Failed", quoted("Error (exit code 143)")], env);
      await server.stop(true);
      expect(rows()[0]?.status).toBe(want);
      expect(asked[0]).toBe("/apis/v2beta1/runs/r-1 null");
    },
  );

  test("the final status is written again after an error", async () => {
    const { call, rows, folder } = setUp();
    await call(["start", "r-1", "demo"]);
    const done = await call(["finish", "r-1", "Succeeded", ""], { STUB_BROKEN: join(folder, "broken") });
    expect([done.status, rows()[0]?.status]).toEqual([0, "FINISHED"]);
  });

  test("an error that stays is told in one line", async () => {
    const { call } = setUp();
    expect(await call(["finish", "r-1", "Succeeded", ""], { STUB_SEARCH: "403" })).toMatchObject({
      status: 1,
      last: "kfk: mlflow: finish failed: RuntimeError: 403",
    });
  });

  test("a run whose start is no time is only FAILED", async () => {
    const { call, rows, store } = setUp();
    await call(["start", "r-1", "demo"]);
    writeFileSync(store, readFileSync(store, "utf8").replace("1795507540000", '"Invalid Date"'));
    const failures = quoted("retry exceeded workflow deadline 2026-11-24 08:05:34 +0000 UTC");
    expect((await call(["finish", "r-1", "Failed", failures])).status).toBe(0);
    expect(rows()[0]?.status).toBe("FAILED");
  });

  test("nothing to finish is no error", async () => {
    const { call } = setUp();
    expect(await call(["finish", "r-9", "Failed", ""])).toMatchObject({ status: 0 });
  });
});
