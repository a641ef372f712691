/**
 * The world as a provider of logins may use it: files by name, one request that follows no redirect, a program without
 * a shell. Refused: plain http to anything but this machine, the cluster and the metadata server of a cloud; answers
 * over 1 MiB. A program gets the environment without what is kfk's or Bun's own; a signal ends it.
 *
 * What goes out as a credential and what comes back as one is told to be secret here, for every provider alike, so that
 * no message of anybody can repeat it.
 */
import { resolve } from "node:path";
import type { AuthContext, AuthRequest, ValueMap } from "../../hooks/contract.ts";
import { isKfkError, KfkError, stoppedBy } from "../error.ts";
import { hideSecrets } from "../told-secrets.ts";
import type { Child, Signal, World } from "../world.ts";
import { mayBePlain } from "../private-host.ts";

/**
 * `more`: variables that go before the environment's, as options do. `caFor`: all roots for an origin, where a private
 * one is named.
 */
export function authContext(
  world: World,
  settings: ValueMap,
  more: Readonly<Record<string, string | undefined>> = {},
  caFor: (origin: string) => readonly string[] | undefined = () => undefined,
): AuthContext {
  return {
    env: (name) => more[name] ?? world.env[name],
    settings,
    readText: (path) => readFile(world, path),
    nowMs: () => world.clock.nowMs(),
    hide: (secret) => world.secrets?.hide(secret),
    redact: (text) => world.secrets?.redact(text) ?? text,
    fetch: (url, init) => send(world, url, init, caFor),
    run: (command, env) => runProgram(world, command, env ?? {}),
  };
}

/** Where a path of a setting or variable leads. */
export function placeOf(world: World, path: string): string {
  const home = world.env["HOME"];
  return path.startsWith("~/") && home !== undefined ? resolve(home, path.slice(2)) : resolve(world.cwd, path);
}

// --- internal ---

const TIMEOUT_MS = 30_000;
const PROGRAM_TIMEOUT_MS = 60_000;
const MAX_BYTES = 1024 * 1024;

function readFile(world: World, path: string): string | undefined {
  const full = placeOf(world, path);
  try {
    return world.files.readText(full);
  } catch (error) {
    if (!isKfkError(error)) throw error;
    const isBinary = error.message.endsWith("not UTF-8");
    const hint = isBinary ? "it must be text, such as PEM" : (error.hint ?? "check the rights of the file");
    throw failure("file", error.message, hint);
  }
}

async function send(
  world: World,
  address: string,
  init: AuthRequest,
  caFor: (origin: string) => readonly string[] | undefined,
): Promise<Response> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const shown = url === undefined ? "the address" : url.origin;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw failure("refused", `${shown} is not an https address without user name`, "correct the address");
  }
  if (url.protocol === "http:" && !mayBePlain(url) && world.env["KFK_ALLOW_HTTP"] !== "1") {
    throw failure("refused", `${shown} is asked for a login without TLS`, "use an https address");
  }
  const { secrets } = world;
  if (secrets) hideSecrets(secrets.hide, readHeaders(init.headers), init.body);
  const ended = new AbortController();
  const late = new AbortController();
  const timeoutMs = init.timeoutMs ?? TIMEOUT_MS;
  void world.clock.sleep(timeoutMs, ended.signal).then(() => {
    if (!ended.signal.aborted) late.abort(new DOMException("too late", "TimeoutError"));
  });
  try {
    const ca = caFor(url.origin);
    const tls = { ...(ca === undefined ? {} : { ca }), ...init.tls };
    const response = await world.fetch(address, {
      method: init.method ?? "GET",
      headers: init.headers ?? {},
      ...(init.body === undefined ? {} : { body: init.body }),
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
      ...(init.proxy === undefined ? {} : { proxy: init.proxy }),
      redirect: "manual",
      signal: late.signal,
    } as RequestInit);
    const bytes = await response.arrayBuffer();
    if (bytes.byteLength > MAX_BYTES) throw failure("refused", `${shown} answers with too much`, "check the address");
    if (secrets) hideSecrets(secrets.hide, response.headers, new TextDecoder().decode(bytes));
    // a body that is all here: whoever reads it later waits for nothing
    const empty = [101, 204, 205, 304].includes(response.status);
    return new Response(empty ? null : bytes, { status: response.status, headers: response.headers });
  } catch (error) {
    if (error instanceof Error && "kind" in error) throw error;
    const code = (error as { code?: unknown }).code;
    const why = late.signal.aborted
      ? `no answer within ${timeoutMs / 1000} s`
      : typeof code === "string"
        ? code
        : "no answer";
    throw failure(
      "unreachable",
      `cannot reach ${shown}: ${why}`,
      `check that ${shown} can be reached from here, then try again`,
    );
  } finally {
    ended.abort();
  }
}

function readHeaders(headers: AuthRequest["headers"]): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw failure(
      "refused",
      "a credential holds what no header can hold",
      "give it in one line, without blanks around",
    );
  }
}

async function runProgram(
  world: World,
  command: readonly string[],
  more: Readonly<Record<string, string>>,
): ReturnType<AuthContext["run"]> {
  const out: string[] = [];
  const err: string[] = [];
  const kept = Object.entries(world.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !/^(KFK_|BUN_|DEX_|KFK$)/.test(entry[0]),
  );
  const name = command[0] ?? "";
  let signal: Signal | undefined;
  let child: Child | undefined;
  // it has a group of its own, which Ctrl-C does not reach; a signal may come as soon as it is there
  const unlisten = world.onSignal((given) => {
    signal = given;
    child?.kill("SIGKILL");
  });
  try {
    const started = world.spawn(command, {
      cwd: world.cwd,
      env: { ...Object.fromEntries(kept), ...more },
      onLine: (line, stream) => void (stream === "stdout" ? out : err).push(line),
      endGroup: true,
    });
    child = started;
    const stop = new AbortController();
    let isLate = false;
    void world.clock.sleep(PROGRAM_TIMEOUT_MS, stop.signal).then(() => {
      if (stop.signal.aborted) return;
      isLate = true;
      started.kill("SIGKILL");
    });
    const { code } = await started.ended;
    stop.abort();
    if (signal !== undefined) throw interrupted(name, signal);
    if (isLate) {
      const hint = `run ${name} yourself: it must end by itself and ask nothing`;
      throw failure("refused", `${name} did not end within ${PROGRAM_TIMEOUT_MS / 1000} s`, hint);
    }
    const said = out.join("\n");
    hideSecrets((text) => world.secrets?.hide(text), new Headers(), said);
    // a token or a cookie alone
    if (/^\s*\S{8,}\s*$/.test(said)) world.secrets?.hide(said.trim());
    return { code, out: said, err: err.join("\n") };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EACCES") throw failure("refused", `${name} cannot be run`, `chmod +x ${name}`);
    if (code !== "ENOENT") throw error;
    throw failure("refused", `there is no program ${name}`, `install ${name}, or put it on the PATH`);
  } finally {
    unlisten();
  }
}

function interrupted(name: string, signal: Signal): KfkError {
  const { code, how } = stoppedBy(signal);
  return new KfkError(code, `${how} while ${name} was asked for a login; it was ended`);
}

/** As `hooks/auth/failure.ts` makes them; this side of the contract knows their form alone. */
function failure(kind: "refused" | "unreachable" | "file", message: string, hint: string): Error {
  return Object.assign(new Error(message), { kind, hint });
}
