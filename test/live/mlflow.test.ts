/**
 * MLflow for real: the built kfk, a project with kedro-mlflow, and an MLflow server of the same version on loopback,
 * judged through its REST API. Needs `KFK_LIVE_VENVS` with environments `mlflow-<kedro>` (`scripts/live`). Limits of
 * time are for a machine that has much else to do.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { venvs } from "./projects.ts";

const KFK = join(import.meta.dir, "../../dist/kfk");
const PROGRAM = readFileSync(join(import.meta.dir, "../../hooks/mlflow_run.py"), "utf8");
const top = mkdtempSync(join(tmpdir(), "kfk-live-mlflow-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const CASES = ["0.18.14", "0.19.15", "1.0.0", "1.7.0"] as const;

for (const kedro of CASES) {
  const python = venvs === null ? "" : join(venvs, `mlflow-${kedro}`, "bin", "python");
  describe.skipIf(!existsSync(python) || !existsSync(KFK))(`MLflow with Kedro ${kedro}`, () => {
    let server: Server;
    beforeAll(async () => {
      server = await startServer(python, join(top, `server-${kedro}`));
    }, 900_000);
    afterAll(async () => await server?.stop());

    const setUp = (name: string): Project => {
      const folder = join(top, `${kedro}-${name}`);
      layProject(folder, kedro, server.url, name);
      return { folder, experiment: name, ...starter(folder, python) };
    };

    test("one run with everything of both branches, and FINISHED", async () => {
      const project = setUp("success");
      expect(await project.run([])).toBe(0);
      const [id] = project.runIds();
      const [run, ...others] = await server.runs(project.experiment);
      expect(others).toEqual([]);
      // newer versions of kedro-mlflow give it the name of the pipeline
      expect(run?.status).toBe("FINISHED");
      expect(run?.endTime).toBeGreaterThan(run?.startTime ?? Infinity);
      expect(run?.tags["kubeflow_run_id"]).toBe(id as string);
      expect(run?.tags["mlflow.user"]).toBeDefined();
      expect(run?.metrics).toEqual({ m_a: 0.5, m_b: 1 });
      expect(run?.params).toEqual({ boom: "False", model: "{'alpha': 0.5}", seconds: "0" });
    }, 900_000);

    test("another run of the pipeline is another run, in one step too, with other values", async () => {
      const project = setUp("again");
      expect(await project.run(["--merge", "full"])).toBe(0);
      expect(await project.run(["--merge", "full", "--param", "seconds=1"])).toBe(0);
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status, params }) => [status, params["seconds"]]).toSorted()).toEqual([
        ["FINISHED", "0"],
        ["FINISHED", "1"],
      ]);
      expect(runs.map(({ tags }) => tags["kubeflow_run_id"]).toSorted()).toEqual(project.runIds().toSorted());
    }, 900_000);

    test("a failed branch stays FAILED when its neighbour ends later and well", async () => {
      const project = setUp("failure");
      expect(await project.run(["--param", "boom=true", "--param", "seconds=8"], 1)).toBe(1);
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status, metrics }) => [status, metrics])).toEqual([["FAILED", { m_a: 0.5, m_b: 1 }]]);
    }, 900_000);

    test("a run that is interrupted is KILLED", async () => {
      const project = setUp("cancel");
      const child = project.start(["--param", "seconds=600"]);
      while (!existsSync(join(project.folder, "data/waiting")) && child.exitCode === null) await Bun.sleep(100);
      child.kill("SIGINT");
      expect(await child.exited).toBe(130);
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status }) => status)).toEqual(["KILLED"]);
    }, 900_000);

    test("the exit pipeline writes into the same run, and its failure is the run's", async () => {
      const project = setUp("exit");
      const kubeflow = join(project.folder, "conf/base/kubeflow.yaml");
      writeFileSync(kubeflow, "run_config: {on_exit_pipeline: tell}\n");
      expect(await project.run([])).toBe(0);
      expect(await project.run(["--merge", "full", "--param", "tells=false"], 1)).toBe(1);
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status, metrics }) => [status, metrics]).toSorted()).toEqual([
        ["FAILED", { m_a: 0.5, m_b: 1 }],
        ["FINISHED", { m_a: 0.5, m_b: 1, m_end: 9 }],
      ]);
      // MLflow 3 names a run anew when a pod resumes it
      expect(runs.map(({ tags }) => tags["mlflow.runName"])).not.toContain("tell");
      expect(runs.map(({ tags }) => tags["kfk_run_name"])).toEqual([undefined, undefined]);
    }, 900_000);

    test("steps of a pipeline_ml_factory run as they do elsewhere, and kfk says that no model is logged", async () => {
      const project = setUp("model");
      writeFileSync(join(project.folder, "src/demo/pipeline_registry.py"), REGISTRY + MODEL);
      expect(await project.run([])).toBe(0);
      expect(project.log()).toContain(
        'kedro-mlflow logs the model of "__default__" only where one step runs all nodes',
      );
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status, metrics }) => [status, metrics])).toEqual([["FINISHED", { m_a: 0.5, m_b: 1 }]]);
    }, 900_000);

    test("__default__ among the pipelines to leave out has no run where kedro-mlflow makes none", async () => {
      const project = setUp("left-out");
      const file = join(project.folder, "conf/base/mlflow.yml");
      writeFileSync(file, `${readFileSync(file, "utf8")}  disable_tracking: {pipelines: [__default__]}\n`);
      // without calls of mlflow's own, which would open a run by themselves
      const nodes = join(project.folder, "src/demo/pipeline_registry.py");
      writeFileSync(nodes, REGISTRY.replaceAll(/^ +mlflow\.log_metric.*\n/gm, ""));
      expect(await project.run([])).toBe(0);
      const here = (await server.runs(project.experiment)).length;
      const kedro = Bun.spawnSync([python, "-m", "kedro", "run"], {
        cwd: project.folder,
        env: { ...process.env, DO_NOT_TRACK: "1" },
        stdout: "pipe",
        stderr: "pipe",
      });
      expect(kedro.exitCode).toBe(0);
      expect((await server.runs(project.experiment)).length - here).toBe(here);
      expect(here).toBeLessThanOrEqual(1);
    }, 900_000);

    test("behind a proxy that wants tokens for its own audience, longer than a token holds", async () => {
      const gate = await startGate(server.url);
      try {
        const folder = join(top, `${kedro}-iap`);
        layProject(folder, kedro, gate.url, "iap");
        writeFileSync(join(folder, "conf/base/kubeflow.yaml"), `mlflow: {auth: {iap_client_id: ${AUDIENCE}}}\n`);
        // as docs/mlflow.md has it
        const page = readFileSync(join(import.meta.dir, "../../docs/mlflow.md"), "utf8");
        const [, code = ""] = /```python\n([\s\S]*?)```/.exec(page) ?? [];
        writeFileSync(join(folder, "src/demo/iap.py"), code);
        const provider = `  request_header_provider:\n    type: demo.iap.IapHeaders\n    init_kwargs: {audience: ${AUDIENCE}}\n`;
        const file = join(folder, "conf/base/mlflow.yml");
        writeFileSync(file, readFileSync(file, "utf8").replace("server:\n", `server:\n${provider}`));
        const project = starter(folder, python, gate.env);
        expect(await project.run(["--param", "seconds=25"])).toBe(0);
        const runs = await server.runs("iap");
        expect(runs.map(({ status, metrics }) => [status, metrics])).toEqual([["FINISHED", { m_a: 0.5, m_b: 1 }]]);
        expect(gate.refused).toEqual([]);
      } finally {
        await gate.stop();
      }
    }, 900_000);

    test("a start step that is tried again finds its run, and the end may be written twice", async () => {
      const project = setUp("retry");
      const call = (command: string, value: string): string => {
        const output = join(project.folder, "out");
        const done = Bun.spawnSync([python, "-c", PROGRAM, command, project.folder, "local", "run-7", value], {
          env: { ...process.env, KFK_OUTPUT: output },
          stdout: "pipe",
          stderr: "pipe",
        });
        expect({ code: done.exitCode, err: done.exitCode === 0 ? "" : done.stderr.toString() }).toEqual({
          code: 0,
          err: "",
        });
        return readFileSync(output, "utf8");
      };
      const id = call("start", "first");
      expect(call("start", "second")).toBe(id);
      call("finish", "Failed");
      expect((await server.runs(project.experiment)).map(({ status }) => status)).toEqual(["FAILED"]);
      // a run that is retried: its nodes resume what had ended, and its end is written anew
      const node = Bun.spawnSync([python, "-m", "kedro", "run", "--nodes=first"], {
        cwd: project.folder,
        env: { ...process.env, MLFLOW_RUN_ID: id, DO_NOT_TRACK: "1" },
        stdout: "pipe",
        stderr: "pipe",
      });
      expect({ code: node.exitCode, err: node.exitCode === 0 ? "" : node.stderr.toString() }).toEqual({
        code: 0,
        err: "",
      });
      call("finish", "Succeeded");
      const runs = await server.runs(project.experiment);
      expect(runs.map(({ status, metrics }) => [status, metrics])).toEqual([["FINISHED", { m_a: 0.5 }]]);
    }, 900_000);
  });
}

// --- internal ---

interface Project {
  readonly folder: string;
  readonly experiment: string;
  readonly run: (more: readonly string[], wanted?: number) => Promise<number>;
  readonly start: (more: readonly string[]) => Bun.Subprocess<"ignore", "ignore", Bun.BunFile>;
  readonly runIds: () => string[];
  /** What kfk said on stderr. */
  readonly log: () => string;
}

function starter(
  folder: string,
  python: string,
  variables: Readonly<Record<string, string>> = {},
): Omit<Project, "folder" | "experiment"> {
  const log = join(folder, "kfk.log");
  const start: Project["start"] = (more) =>
    Bun.spawn([KFK, "run-once", "--local", "--python", python, ...more], {
      cwd: folder,
      // a test says where MLflow is, not the surroundings
      env: Object.fromEntries([
        ...Object.entries(process.env).filter(([name]) => !name.startsWith("MLFLOW_")),
        ...Object.entries(variables),
      ]),
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(log),
    });
  return {
    start,
    run: async (more, wanted = 0) => {
      const code = await start(more).exited;
      if (code > wanted) process.stderr.write(readFileSync(log, "utf8"));
      return code;
    },
    runIds: () => readdirSync(join(folder, ".kfk/runs")),
    log: () => readFileSync(log, "utf8"),
  };
}

interface Run {
  readonly status: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

interface Server {
  readonly url: string;
  readonly runs: (experiment: string) => Promise<readonly Run[]>;
  readonly stop: () => Promise<void>;
}

/** Another program may take the port that was free a moment ago: then on another one. */
async function startServer(python: string, folder: string, tries = 3): Promise<Server> {
  try {
    return await startServerOnce(python, folder);
  } catch (error) {
    if (tries <= 1) throw error;
    return await startServer(python, folder, tries - 1);
  }
}

async function startServerOnce(python: string, folder: string): Promise<Server> {
  mkdirSync(folder, { recursive: true });
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = probe;
  probe.stop(true);
  const url = `http://127.0.0.1:${port}`;
  const flags = ["--host", "127.0.0.1", "--port", String(port), "--workers", "1"];
  const stores = ["--backend-store-uri", `sqlite:///${folder}/mlflow.db`, "--artifacts-destination", `${folder}/files`];
  const child = Bun.spawn([python, "-m", "mlflow", "server", ...flags, ...stores], {
    cwd: folder,
    detached: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(folder, "log")),
  });
  const stop = async (): Promise<void> => {
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
  };
  const isUp = async (): Promise<boolean> =>
    await fetch(`${url}/health`)
      .then((answer) => answer.ok)
      .catch(() => false);
  for (let tries = 0; !(await isUp()); tries++) {
    if (tries > 1500 || child.exitCode !== null) {
      if (child.exitCode === null) await stop();
      throw new Error(`no MLflow server: ${readFileSync(join(folder, "log"), "utf8")}`);
    }
    await Bun.sleep(200);
  }
  const ask = async (path: string, body?: object): Promise<Answer> => {
    const init = body ? { method: "POST", body: JSON.stringify(body) } : {};
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/api/2.0/mlflow/${path}`, { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  };
  return {
    url,
    stop,
    runs: async (name) => {
      const { experiment } = await ask(`experiments/get-by-name?experiment_name=${name}`);
      const { runs = [] } = await ask("runs/search", { experiment_ids: [experiment?.experiment_id] });
      return runs.map(({ info, data }) => ({
        status: info.status,
        startTime: Number(info.start_time),
        endTime: Number(info.end_time),
        tags: Object.fromEntries((data.tags ?? []).map(({ key, value }) => [key, value])),
        params: Object.fromEntries((data.params ?? []).map(({ key, value }) => [key, value])),
        metrics: Object.fromEntries((data.metrics ?? []).map(({ key, value }) => [key, value])),
      }));
    },
  };
}

const AUDIENCE = "77-mlflow.apps.example.org";

/** A metadata server that makes identity tokens, and a proxy before MLflow that lets in only those for it. */
async function startGate(mlflow: string) {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const keys = createLocalJWKSet({ keys: [await exportJWK(publicKey)] });
  const issuer = "https://accounts.google.com";
  const refused: string[] = [];
  let seconds = 3600;
  const metadata = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const flavor = { "Metadata-Flavor": "Google" };
      if (request.headers.get("metadata-flavor") !== "Google") return new Response("no flavor", { status: 403 });
      const { pathname, searchParams } = new URL(request.url);
      if (!pathname.endsWith("/identity")) return Response.json({ email: "pod@example.org" }, { headers: flavor });
      const token = await new SignJWT({ email: "pod@example.org" })
        .setProtectedHeader({ alg: "RS256" })
        .setIssuer(issuer)
        .setAudience(searchParams.get("audience") ?? "")
        .setIssuedAt()
        .setExpirationTime(`${seconds}s`)
        .sign(privateKey);
      return new Response(token, { headers: flavor });
    },
  });
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      try {
        const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
        await jwtVerify(token, keys, { issuer, audience: AUDIENCE, clockTolerance: 0 });
      } catch (error) {
        refused.push(`${request.method} ${pathname}: ${String(error)}`);
        return new Response("<html>no</html>", { status: 401, headers: { "X-Goog-IAP-Generated-Response": "true" } });
      }
      const sent = await request.text();
      // the steps that run nodes come after this, and the last of them has slept longer than such a token holds
      if (pathname.endsWith("/runs/create")) seconds = 20;
      if (sent.includes('"m_b"')) seconds = 3600;
      const answer = await fetch(`${mlflow}${pathname}${search}`, {
        method: request.method,
        headers: { "content-type": "application/json" },
        ...(request.method === "GET" ? {} : { body: sent }),
      });
      const headers = { "content-type": "application/json" };
      return new Response(await answer.text(), { status: answer.status, headers });
    },
  });
  const host = `127.0.0.1:${metadata.port}`;
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    env: { GCE_METADATA_HOST: host, GCE_METADATA_IP: host },
    refused,
    stop: async () => {
      await Promise.all([metadata.stop(true), proxy.stop(true)]);
    },
  };
}

/** What is used of MLflow's answers. */
interface Answer {
  readonly experiment?: { readonly experiment_id: string };
  readonly runs?: readonly {
    readonly info: Readonly<Record<"status" | "start_time" | "end_time", string>>;
    readonly data: {
      readonly tags?: readonly { readonly key: string; readonly value: string }[];
      readonly params?: readonly { readonly key: string; readonly value: string }[];
      readonly metrics?: readonly { readonly key: string; readonly value: number }[];
    };
  }[];
}

/** Two branches after one node: one logs late, the other may fail. */
function layProject(folder: string, kedro: string, url: string, experiment: string): void {
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const key = kedro.startsWith("0.18") ? "project_version" : "kedro_init_version";
  put(
    "pyproject.toml",
    `[tool.kedro]\npackage_name = "demo"\nproject_name = "Demo"\n${key} = "${kedro}"\nsource_dir = "src"\n`,
  );
  put("src/requirements.in", "kedro\nKedro_MLflow>=0.11 # tracks runs\n");
  put("src/demo/__init__.py", "");
  const loader = "from kedro.config import OmegaConfigLoader\nCONFIG_LOADER_CLASS = OmegaConfigLoader\n";
  put("src/demo/settings.py", kedro.startsWith("0.18") ? loader : "");
  put("src/demo/pipeline_registry.py", REGISTRY);
  put("conf/base/parameters.yml", "model:\n  alpha: 0.5\nboom: false\nseconds: 0\ntells: true\n");
  put("conf/base/catalog.yml", "{}\n");
  put(
    "conf/base/mlflow.yml",
    `server:\n  mlflow_tracking_uri: ${url}\ntracking:\n  experiment:\n    name: ${experiment}\n`,
  );
  put("conf/local/.gitkeep", "");
  put("data/.gitkeep", "");
}

const REGISTRY = `import time
from kedro.pipeline import node, pipeline
import mlflow


def first(model):
    mlflow.log_metric("m_a", model["alpha"])
    return model["alpha"]


def late(value, seconds):
    open("data/waiting", "w").close()
    time.sleep(seconds)
    mlflow.log_metric("m_b", value * 2)
    return value


def either(value, boom):
    if boom:
        raise ValueError("boom")
    return value


def tell(status, tells):
    if not tells:
        raise ValueError("nobody listens")
    mlflow.log_metric("m_end", len(status))
    return status


def register_pipelines():
    return {"tell": pipeline([node(tell, ["params:status", "params:tells"], "told", name="tell")]), "__default__": pipeline([
        node(first, "params:model", "made", name="first"),
        node(late, ["made", "params:seconds"], "one", name="late"),
        node(either, ["made", "params:boom"], "other", name="either"),
    ])}
`;

/** The same nodes without the one that fails, as the training of a model. */
const MODEL = `

register_all = register_pipelines


def register_pipelines():
    from kedro_mlflow.pipeline import pipeline_ml_factory

    training = register_all()["__default__"].only_nodes("first", "late")
    inference = pipeline([node(max, ["one", "data"], "guess", name="guess")])
    return {"__default__": pipeline_ml_factory(training=training, inference=inference, input_name="data")}
`;
