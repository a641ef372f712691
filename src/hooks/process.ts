/**
 * The process in which a project's hooks run: loads a file, calls a function of it, sends the answer back. It is kfk
 * itself, started by `session.ts`; it ends when kfk goes away. Its stdout and stderr are pipes that kfk reads, so
 * nothing that a hook or a program started by it prints can get into the data on kfk's stdout.
 *
 * Answers are copied to plain data here, because functions, dates and classes cannot cross over and must be refused
 * with the place inside the answer.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { existsSync, readFileSync } from "node:fs";
import { defineHooks } from "../../hooks/define.ts";
import type { AuthContext, Value } from "../../hooks/contract.ts";
import { mayBePlain } from "../private-host.ts";
import { hideSecrets, hideText } from "../told-secrets.ts";
import type { ExportedHook, Owner, Problem, Reply, Request, Synced, Told } from "./message.ts";

/** Serves requests until kfk closes the channel. */
export async function serveHooks(): Promise<void> {
  Bun.plugin({
    name: "kfk",
    setup: (build) => {
      build.module("kfk", () => ({ exports: { defineHooks }, loader: "object" }));
      // what a way to log in is mostly made of; loaded where a file asks for it
      build.module("jose", async () => ({ exports: { ...(await import("jose")) }, loader: "object" }));
    },
  });
  const files = new Map<string, Record<string, unknown>>();
  // a throw outside of any call: whoever asks next is told, with the hook that it comes from. Timers know their call;
  // a promise that nobody waits for is taken for one of the latest call.
  const calls = new AsyncLocalStorage<Owner>();
  let latest: Owner = { path: "", hook: "" };
  let current: number | undefined;
  let settling: number | undefined;
  const late: Problem[] = [];
  const tellLate = (id: number): boolean => {
    const [first, ...others] = late.splice(0);
    if (first === undefined) return false;
    for (const { of: owner, message } of others)
      process.stderr.write(`the hook "${owner?.hook}" also threw: ${message}\n`);
    reply({ id, problem: first });
    return true;
  };
  const lost = (error: unknown): void => {
    const owner = calls.getStore() ?? latest;
    late.push({ ...describe(error, owner.path), of: owner });
    const asked = settling ?? current;
    if (asked !== undefined && tellLate(asked)) endSettling();
  };
  /** While kfk waits, its channel alone does not keep this process at work. */
  const endSettling = (): void => {
    settling = undefined;
    channel?.ref();
  };
  watchWorkers(lost);
  process.on("uncaughtException", lost);
  process.on("unhandledRejection", lost);
  process.on("disconnect", () => process.exit(0));
  process.on("beforeExit", () => {
    const id = settling;
    if (id === undefined) return;
    // a rejection of the last turn is only told in the next one
    setTimeout(() => {
      if (settling !== id) return;
      endSettling();
      reply({ id, value: undefined });
    }, 1);
  });
  process.on("message", async (request: Request) => {
    if (request.kind === "sync") return void send?.({ synced: request.id } satisfies Synced);
    endSettling();
    if (tellLate(request.id)) return;
    if (request.kind === "settle") {
      settling = request.id;
      channel?.unref();
      return;
    }
    current = request.id;
    latest = { path: request.path, hook: request.kind === "load" ? "" : hookName(request) };
    const answer = await calls.run(latest, async () => await serve(files, request));
    if (current === request.id) current = undefined;
    reply(answer);
  });
  await Promise.resolve();
}

// --- internal ---

/** What a worker throws is lost on its own where nobody listens; those of `node:worker_threads` tell the process. */
function watchWorkers(lost: (error: unknown) => void): void {
  const Original = globalThis.Worker;
  globalThis.Worker = new Proxy(Original, {
    construct: (target, args, self) => {
      const worker = Reflect.construct(target, args, self) as Worker;
      const listen = worker.addEventListener.bind(worker);
      let isHeard = false;
      worker.addEventListener = ((type: string, ...rest: [never]) => {
        isHeard ||= type === "error";
        listen(type, ...rest);
      }) as typeof worker.addEventListener;
      listen("error", (event) => {
        if (!isHeard && worker.onerror === null) lost(event.error ?? new Error(event.message));
      });
      return worker;
    },
  });
}

/** Taken before a hook's file can change them. */
const send = process.send?.bind(process);
const { channel } = process as { readonly channel?: { readonly ref: () => void; readonly unref: () => void } };

function reply(answer: Reply): void {
  send?.(answer);
}

function hookName({ hook, member }: Extract<Request, { kind: "call" }>): string {
  return member === null ? hook : `${hook}.${member}`;
}

async function serve(
  files: Map<string, Record<string, unknown>>,
  request: Exclude<Request, { kind: "settle" | "sync" }>,
): Promise<Reply> {
  const { id, path } = request;
  try {
    if (request.kind === "load") {
      const module = (await import(path)) as { default?: unknown };
      const hooks = module.default;
      if (typeof hooks !== "object" || hooks === null || Array.isArray(hooks)) {
        return { id, problem: { kind: "missing", message: shortForm(hooks), at: null } };
      }
      const record = hooks as Record<string, unknown>;
      files.set(path, record);
      const names = Object.keys(record).filter((name) => name !== "timeoutSeconds");
      const limit = record["timeoutSeconds"];
      return {
        id,
        exports: names.map((name) => describeExport(name, record[name])),
        timeoutSeconds: typeof limit === "number" || limit === undefined ? limit : shortForm(limit),
      };
    }
    const held = files.get(path)?.[request.hook];
    const call = request.member === null ? held : (held as Record<string, unknown>)[request.member];
    const args: unknown[] = [...request.args];
    if (request.context) {
      const tools = request.hook === "auth" ? authTools(request.id) : {};
      args.push({ ...request.context, env: (name: string) => process.env[name], ...tools });
    }
    const result: unknown = await (call as (...args: unknown[]) => unknown)(...args);
    if (request.hook === "auth") refuseUndefined(result);
    const kept = result === undefined && request.keep ? args[0] : result;
    return { id, value: kept === undefined ? undefined : copy(kept, []) };
  } catch (error) {
    return { id, problem: error instanceof NotPlain ? shapeProblem(error) : describe(error, path) };
  }
}

/** What a way to log in that ships with kfk is given, for a project's own. */
function authTools(id: number): Omit<AuthContext, "env"> {
  const hidden = new Set<string>();
  const hide = (secret: string): void => {
    if (typeof secret !== "string" || secret === "" || hidden.has(secret)) return;
    hidden.add(secret);
    process.send?.({ id, secret } satisfies Told);
  };
  return {
    hide: (secret) => hide(secret),
    redact: (text) =>
      [...hidden]
        .toSorted((a, b) => b.length - a.length)
        .reduce((out, secret) => (secret.length < 4 ? out : out.replaceAll(secret, "[redacted]")), text),
    settings: {},
    readText: (path) => {
      if (!existsSync(path)) return undefined;
      const text = readFileSync(path, "utf8");
      hideText(text, hide);
      return text;
    },
    nowMs: () => Date.now(),
    fetch: async (url, { timeoutMs, ...init }) => {
      refusePlain(url);
      hideSecrets(hide, new Headers(init.headers), init.body);
      const response = await fetch(url, {
        ...init,
        redirect: "manual",
        verbose: false,
        signal: AbortSignal.timeout(timeoutMs ?? 30_000),
      } as RequestInit);
      hideSecrets(hide, response.headers, await response.clone().text());
      return response;
    },
    run: async (command, env) => {
      const child = Bun.spawn([...command], {
        env: { ...process.env, ...env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      await child.exited;
      hideText(out, hide);
      return { code: child.exitCode, out: out.trimEnd(), err: err.trimEnd() };
    },
  };
}

/**
 * As the contract has it: https, but for this machine, the cluster and the metadata server of a cloud; KFK_ALLOW_HTTP
 * says otherwise, as for kfk's own ways. A file's global `fetch` is its own.
 */
function refusePlain(address: string): void {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new Error(`${url?.origin ?? "the address"} is not an https address without user name`);
  }
  if (url.protocol === "http:" && !mayBePlain(url) && process.env["KFK_ALLOW_HTTP"] !== "1") {
    throw new Error(`${url.origin} is asked for a login without TLS: use an https address`);
  }
}

function describeExport(name: string, value: unknown): ExportedHook {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { name, form: shortForm(value), members: [] };
  }
  const wrong = Object.entries(value).filter(([, member]) => typeof member !== "function");
  if (wrong.length > 0) return { name, form: "object", members: wrong.map(([key]) => key) };
  return { name, form: "functions", members: Object.keys(value) };
}

function shortForm(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}

class NotPlain extends Error {}

function shapeProblem(error: NotPlain): Problem {
  return { kind: "shape", message: error.message, at: null };
}

const MAX_DEPTH = 200;

/** A header without a value would be left out, and the server asked without a login. */
function refuseUndefined(answer: unknown): void {
  if (typeof answer !== "object" || answer === null) return;
  const { headers } = answer as { headers?: unknown };
  const names = Object.entries(typeof headers === "object" && headers !== null ? headers : answer);
  const [name] = names.find(([, text]) => text === undefined) ?? [];
  if (name !== undefined) throw new NotPlain(`the header ${name} is undefined`);
}

/** A copy that holds nothing but plain data. */
function copy(value: unknown, path: readonly (string | number)[]): Value {
  if (path.length > MAX_DEPTH) throw new NotPlain("it is nested too deep, or contains itself");
  switch (typeof value) {
    case "boolean":
    case "number":
    case "bigint":
    case "string":
      return value;
    case "object":
      break;
    default:
      throw new NotPlain(`${where(path)} is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}`);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return Array.from(value, (item, index) => copy(item, [...path, index]));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const name = (value as { constructor?: { name?: string } }).constructor?.name ?? "object";
    throw new NotPlain(`${where(path)} is a ${name}`);
  }
  const out: Record<string, Value> = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === "__proto__") throw new NotPlain(`${where(path)} has a key "__proto__"`);
    // a key without a value is a key that is not there
    if (item !== undefined) out[key] = copy(item, [...path, key]);
  }
  return out;
}

function where(path: readonly (string | number)[]): string {
  if (path.length === 0) return "it";
  return path.map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`)).join("");
}

interface BuildProblem {
  readonly message: string;
  readonly position?: { readonly file?: string; readonly line: number; readonly column: number } | null;
}

/** Message and place of whatever was thrown. */
function describe(error: unknown, path: string): Problem {
  // a syntax error comes as a list of messages with places
  const first = (error as { errors?: readonly BuildProblem[] } | null)?.errors?.[0];
  const built = first?.position ? first : (error as BuildProblem | null);
  const position = built?.position;
  if (built && position) {
    const { line, column } = position;
    return { kind: "threw", message: built.message, at: { path: position.file || path, line, column } };
  }
  if (!(error instanceof Error)) {
    const message = (error as { message?: unknown } | null)?.message;
    return { kind: "threw", message: typeof message === "string" ? message : String(error), at: null };
  }
  const message = error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
  return { kind: "threw", message, at: findFrame(error.stack ?? "") };
}

/** The innermost place in a file on disk; frames of kfk itself lie in no folder that exists. */
function findFrame(stack: string): Problem["at"] {
  for (const line of stack.split("\n")) {
    const match = /(?:\(|at )(?:file:\/\/)?(\/[^()]+?):(\d+):(\d+)\)?$/.exec(line.trimEnd());
    if (match?.[1] === undefined || isForeign(match[1])) continue;
    return { path: match[1], line: Number(match[2]), column: Number(match[3]) };
  }
  return null;
}

/** kfk itself, inside the binary or as a file, and packages. */
function isForeign(path: string): boolean {
  return path.startsWith("/$bunfs") || path.includes("/node_modules/") || path === import.meta.path;
}
