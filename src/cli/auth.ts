import { KfkError, suggest } from "../error.ts";
import { printable } from "../terminal-text.ts";
import { writeClean, writeJson } from "./output.ts";
import { TEXT_OR_JSON } from "./output-options.ts";
import type { Call, Verb } from "./verb.ts";

export const auth: Verb = {
  name: "auth",
  summary: "Who am I on the server, until when, and by which login",
  details:
    "auth status goes to the server and says what came of it; auth list names the ways to log in, and which would be taken. " +
    "Nothing secret is shown. Status 0: the server knows you; 4: it does not.",
  options: {
    output: { ...TEXT_OR_JSON, description: "Form of the result" },
  },
  positionals: ["status|list"],
  examples: ["kfk auth status", "kfk auth list", "kfk auth status --host https://kubeflow.example.org -o json"],
  run: async (call) => {
    const [what = ""] = call.positionals;
    if (what === "status") return await status(call);
    if (what === "list") return await list(call);
    const near = suggest(what, ["status", "list"]);
    throw new KfkError("USAGE_ARGUMENT", `kfk auth does not know "${what}"`, {
      hint: near === undefined ? "use status or list" : `did you mean kfk auth ${near}?`,
    });
  },
};

// --- internal ---

async function status(call: Call): Promise<number> {
  const { openAround, reachServer } = await import("./reach.ts");
  const around = await openAround(call);
  if (around.error !== null) {
    // its host would be the one, and its auth: the way
    const { namedHost } = await import("./server.ts");
    if (namedHost(call) === undefined) throw around.error;
    const { message, at } = around.error;
    call.warn([{ message: `what kubeflow.yaml says is not used: ${message}`, at }]);
  }
  const reach = await reachServer(call, around);
  const { login, server, gate, error, origin, host, isKnown } = reach;
  const ways = login?.ways ?? [];
  const expiresAt = login?.expiresAtMs ? new Date(login.expiresAtMs).toISOString() : null;
  if (call.options.text("output") === "json") {
    const record = {
      origin,
      hostFrom: host.from,
      ways,
      principal: login?.principal ?? null,
      audience: login?.audience ?? null,
      expiresAt,
      keptBack: login?.keptBack ?? [],
      server: server && { version: server.version, namespace: server.namespace },
      gate,
      isKnown,
      error: error && { code: error.code, message: error.message, hint: error.hint ?? null },
    };
    writeJson(call.world, record);
    return error?.status ?? 0;
  }
  const rows: (readonly [string, string])[] = [
    ["server", `${reach.shown} (from ${host.from})`],
    ["login", ways.length === 0 ? "none" : ways.map(({ name, because }) => `${name}: ${because}`).join("; ")],
  ];
  if (login?.principal) rows.push(["as", login.principal]);
  if (login?.audience) rows.push(["audience", login.audience]);
  if (expiresAt !== null) rows.push(["until", `${expiresAt.slice(0, 19)}Z`]);
  for (const each of login?.keptBack ?? []) rows.push(["not sent", `${each}, as only the project names this host`]);
  if (server !== null) rows.push(["answers", `Kubeflow Pipelines ${server.version ?? "of an unknown version"}`]);
  if (isKnown) rows.push(["known", "the server let us list experiments"]);
  const clean = (text: string): string => printable(call.world.secrets?.redact(text) ?? text);
  writeClean(call.world, rows.map(([name, text]) => `${name.padEnd(9)} ${clean(text)}\n`).join(""));
  if (error !== null) throw error;
  return 0;
}

async function list(call: Call): Promise<number> {
  const [{ SHIPPED, BESIDE }, { loginContext }] = await Promise.all([
    import("../../hooks/auth/shipped.ts"),
    import("./login.ts"),
  ]);
  const context = loginContext(call);
  const target = { origin: "https://host.example", namespace: null, why: "first" } as const;
  const rows = [...SHIPPED, ...BESIDE].map(({ name, title, settings, applies }) => {
    const reason = applies(target, context);
    return { name, title, settings, how: reason?.how ?? null, because: reason?.because ?? null };
  });
  if (call.options.text("output") === "json") {
    writeJson(call.world, rows);
    return 0;
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  call.world.out.write(
    rows
      .map((row) => `${row.name.padEnd(width)}  ${row.title}${row.because === null ? "" : ` (here: ${row.because})`}\n`)
      .join(""),
  );
  return 0;
}
