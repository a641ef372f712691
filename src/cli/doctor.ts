import type { KfkError } from "../error.ts";
import type { Around, Reach } from "./reach.ts";
import { printable } from "../terminal-text.ts";
import { wrap } from "../view/help.ts";
import { writeClean, writeJson } from "./output.ts";
import { TEXT_OR_JSON } from "./output-options.ts";
import type { Call, Verb } from "./verb.ts";

export const doctor: Verb = {
  name: "doctor",
  summary: "What the server is, and what stands in the way",
  details:
    "Looks at this machine, the project and the server, names whatever stands before the API and the next thing to do. " +
    "Creates nothing. Status 0: nothing stands in the way; else that of the first thing that does.",
  options: {
    output: { ...TEXT_OR_JSON, description: "Form of the result" },
  },
  examples: ["kfk doctor", "kfk doctor --host https://kubeflow.example.org", "kfk doctor -o json"],
  run: async (call) => {
    const { openAround } = await import("./reach.ts");
    const around = await openAround(call);
    const findings = [
      ...lookAtMachine(call),
      ...(await lookAtProject(call, around)),
      ...(await lookAtServer(call, around)),
    ];
    if (call.options.text("output") === "json") {
      writeJson(
        call.world,
        findings.map(({ error: _error, ...rest }) => rest),
      );
    } else writeClean(call.world, findings.map((each) => render(each, call.world)).join(""));
    return findings.find(({ verdict }) => verdict === "no")?.error?.status ?? 0;
  },
};

// --- internal ---

interface Finding {
  readonly about: "machine" | "project" | "host" | "login" | "server" | "identity";
  readonly verdict: "ok" | "warn" | "no" | "skipped";
  readonly text: string;
  /** The one next thing to do. */
  readonly next: string | null;
  readonly error?: KfkError;
}

const MARK = { ok: "ok  ", warn: "warn", no: "NO  ", skipped: "-   " } as const;

/** On a terminal lines are broken between words; a line for a program is not. */
function render({ about, verdict, text, next }: Finding, { out, secrets }: Call["world"]): string {
  // before lines are broken: a secret that has blanks is not found in two lines
  const clean = (each: string): string => printable(secrets?.redact(each) ?? each);
  const room = out.columns === undefined ? Infinity : Math.max(20, out.columns - INDENT.length);
  const lines = wrap(clean(text), room);
  if (next !== null) lines.push(...wrap(`next: ${clean(next)}`, room));
  const mark = `${MARK[verdict]}  ${about.padEnd(8)}  `;
  return lines.map((line, index) => `${index === 0 ? mark : INDENT}${line}\n`).join("");
}

const INDENT = " ".repeat(16);

function ok(about: Finding["about"], text: string): Finding {
  return { about, verdict: "ok", text, next: null };
}

function no(about: Finding["about"], error: KfkError): Finding {
  const notes = error.notes.map(({ message }) => `; ${message}`).join("");
  return { about, verdict: "no", text: `${error.message}${notes}`, next: error.hint ?? null, error };
}

/** Variables that make Bun, which kfk is built with, do something else. Checked with Bun 1.4.5. */
const DISTURBING: Readonly<Record<string, string>> = {
  BUN_OPTIONS: "can load other code into kfk",
  BUN_INSPECT: "opens a debugger",
  NODE_TLS_REJECT_UNAUTHORIZED: "turns off the check of certificates when it is 0",
};

function lookAtMachine({ world, version }: Call): Finding[] {
  const found = Object.keys(DISTURBING).filter((name) => (world.env[name] ?? "") !== "");
  const proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"].find((name) => world.env[name]);
  return [
    ok("machine", `kfk ${version}${proxy === undefined ? "" : `; requests go through the proxy of ${proxy}`}`),
    ...found.map((name): Finding => ({
      about: "machine",
      verdict: "warn",
      text: `${name} is set, which ${DISTURBING[name]}`,
      next: `unset ${name}`,
    })),
  ];
}

async function lookAtProject(call: Call, { project, kubeflow, hooks, error }: Around): Promise<Finding[]> {
  if (error !== null) return [no("project", error)];
  if (project === null) return [{ about: "project", verdict: "skipped", text: "no Kedro project here", next: null }];
  const names = (call.world.files.list(project.root) ?? []).map(({ name }) => name);
  const keys = names.filter((name) => /^gha-creds-.*\.json$/.test(name));
  const count = hooks?.files.length ?? 0;
  const pipelines = await lookAtPipelines(call);
  return [
    ok(
      "project",
      `${project.name}, Kedro ${project.kedroVersion}${count === 0 ? "" : `, ${count} hook ${count === 1 ? "file" : "files"}`}`,
    ),
    ...(pipelines === null ? [] : [pipelines]),
    ...(kubeflow === undefined
      ? [
          {
            about: "project",
            verdict: "warn",
            text: "there is no kubeflow.yaml",
            next: "kfk init URL writes one",
          } as const,
        ]
      : []),
    ...keys.map((name): Finding => ({
      about: "project",
      verdict: "warn",
      text: `${name} holds a credential of this job and lies in the project`,
      next: "add gha-creds-*.json to .gitignore and .dockerignore",
    })),
  ];
}

/** Reads the sources, and runs nothing of them; null: they can be read. */
async function lookAtPipelines(call: Call): Promise<Finding | null> {
  const [{ isOpen, readGround, readStatic }, { isKfkError, isStop }] = await Promise.all([
    import("./read.ts"),
    import("../error.ts"),
  ]);
  try {
    readStatic(call, readGround(call).facts);
    return null;
  } catch (error) {
    if (!isKfkError(error) || isStop(error)) throw error;
    if (!isOpen(error)) return no("project", error);
    const text = `its pipelines follow from what only Python knows: ${error.message}`;
    return { about: "project", verdict: "skipped", text, next: null };
  }
}

async function lookAtServer(call: Call, around: Around): Promise<Finding[]> {
  const [{ reachServer }, { isKfkError, isStop }, { trustHint }] = await Promise.all([
    import("./reach.ts"),
    import("../error.ts"),
    import("./trust.ts"),
  ]);
  try {
    return describeReach(await reachServer(call, around), trustHint);
  } catch (error) {
    if (!isKfkError(error) || isStop(error)) throw error;
    return [no("host", error)];
  }
}

function describeReach(reach: Reach, trustHint: (host: string | null) => string): Finding[] {
  const { host, shown, login, server, error, isKnown } = reach;
  const rows: Finding[] = [ok("host", `${shown}, from ${host.from}`)];
  const ways = login?.ways ?? [];
  if (login !== null && login.asked > 0) {
    const until =
      login.expiresAtMs === null ? "" : `, until ${new Date(login.expiresAtMs).toISOString().slice(0, 19)}Z`;
    const as = login.principal === null ? "" : ` as ${login.principal}`;
    const text = ways.map(({ name, because }) => `${name} (${because})`).join(" and ");
    if (ways.length > 0 && login.principal !== undefined) rows.push(ok("login", `${text}${as}${until}`));
    else if (login.keptBack.length === 0)
      rows.push({ about: "login", verdict: "skipped", text: "nothing to log in with here", next: null });
    for (const each of login.keptBack) {
      const text = `not sent, as only the project names this host: ${each}`;
      rows.push({ about: "login", verdict: "warn", text, next: trustHint(login.keptFrom) });
    }
  }
  if (server !== null) {
    const many = server.namespace === null ? "for one user" : `for many users, namespace ${server.namespace}`;
    rows.push(ok("server", `Kubeflow Pipelines ${server.version ?? "of an unknown version"}, ${many}`));
    rows.push(ok("server", server.keepsRunId ? "speaks v1beta1 and v2beta1" : "speaks v1beta1 alone"));
  }
  if (error !== null) rows.push(no(server === null ? "server" : "identity", error));
  if (isKnown) rows.push(ok("identity", "the server lets you list experiments"));
  return rows;
}
