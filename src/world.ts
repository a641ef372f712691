/**
 * The world that is handed in: files, environment, clock, network, processes, streams. Nothing else in `src/` (but
 * `main.ts` and `hooks/`) touches the machine; a test hands in another world (`test/fake-world.ts`).
 *
 * Parts are built when first used: touching `process.stderr` alone costs more than the rest of `--version`
 * (measured with Bun 1.4.5). Long, because it is the one place that touches the machine: a paragraph for each part.
 */
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import type { Socket } from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { KfkError } from "./error.ts";
import { wasClosed } from "./stdout.ts";
import { unreadable, unstartable, unwritable } from "./system-error.ts";

export interface World {
  /** Absolute path of the folder the command was started in. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly files: Files;
  readonly clock: Clock;
  /** The platform's fetch; redirects and errors as it gives them. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Starts a process in a group of its own; throws an error with `code` "ENOENT" when there is no such program. */
  readonly spawn: (command: readonly string[], options: SpawnOptions) => Child;
  /** A random version-4 UUID. */
  readonly newId: () => string;
  /** TOML text → plain JavaScript values; throws a SyntaxError when it is broken. */
  readonly parseToml: (text: string) => unknown;
  /** YAML text of one document → plain JavaScript values, fast and not exact; throws a SyntaxError when it is broken. */
  readonly parseYamlFast: (text: string) => unknown;
  /** stdout: data only. */
  readonly out: Sink;
  /** stderr: everything that is for people. */
  readonly err: Terminal;
  /** Calls back on SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  readonly onSignal: (handler: (signal: Signal) => void) => () => void;
  /** CPU cores that this process may use. */
  readonly cores: number;
  /**
   * Opens a door on this machine that only this user can go through, a socket in a folder of its own, and hands on who
   * comes. `path` is for the option `unix` of fetch, which then asks no proxy. Absent: there is none.
   */
  readonly openDoor?: (onVisit: (socket: Socket) => void) => Promise<Door>;
  /** Asks a person and gives the line; undefined where nobody is there to answer. Absent: nobody ever is. */
  readonly ask?: (question: string) => Promise<string | undefined>;
  /** What must not be shown; absent: nothing is known of any. Whatever is written passes it anyway. */
  readonly secrets?: {
    readonly hide: (text: string) => void;
    /** Takes it out of a text of somebody else before that is cut. */
    readonly redact: (text: string) => string;
    /** Names of the environment's variables whose secrets stand in a text. */
    readonly variablesIn: (text: string) => readonly string[];
    /** Whether a login, or what else was told, stands in a text. */
    readonly holdsTold: (text: string) => boolean;
  };
}

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Door {
  readonly path: string;
  readonly close: () => void;
}

/** Synchronous on purpose: a project is small, and pure code may then ask for one more file. Paths are absolute. */
export interface Files {
  /** Text as UTF-8 with a byte-order mark removed, or undefined when there is no such file. */
  readonly readText: (path: string) => string | undefined;
  readonly readBytes: (path: string) => Uint8Array | undefined;
  /** Entries of a folder sorted by code point, or undefined when there is no such folder. Links are followed. */
  readonly list: (path: string) => readonly Entry[] | undefined;
  readonly kind: (path: string) => "file" | "folder" | undefined;
  /** True for a file that other users of this machine may read. Absent: not known. */
  readonly isOpen?: (path: string) => boolean;
  readonly realPath: (path: string) => string | undefined;
  /** Where a file that is written there comes to lie: behind all links, also where nothing is yet. */
  readonly writePath: (path: string) => string;
  /** Replaces a file whole or not at all; makes missing parent folders. */
  readonly write: (path: string, data: string | Uint8Array) => void;
  /** Appends, making the file and its folder when missing; for logs. */
  readonly append: (path: string, data: string | Uint8Array) => void;
  readonly makeFolder: (path: string) => void;
  readonly copyFolder: (from: string, to: string) => void;
  /** Removes a file or a folder with all that is in it; nothing happens when there is none. */
  readonly remove: (path: string) => void;
}

export interface Entry {
  readonly name: string;
  readonly kind: "file" | "folder";
}

export interface Clock {
  /** Milliseconds since 1970 in UTC. */
  readonly nowMs: () => number;
  /** Milliseconds that never go backwards; for durations and deadlines. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export interface SpawnOptions {
  readonly cwd: string;
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** Called with each complete line, without its end; lines over 1 MiB arrive in pieces. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** Text for the child's standard input; absent: closed. */
  readonly input?: string;
  /** True: when the process ends, whatever it left behind in its group is ended too, as in a pod. */
  readonly endGroup?: boolean;
}

export interface Child {
  readonly pid: number;
  /** Resolves when the process and both its streams have ended. */
  readonly ended: Promise<ChildEnd>;
  /** Sends a signal to the whole process group; nothing happens when it is gone. */
  readonly kill: (signal: "SIGTERM" | "SIGKILL" | "SIGINT") => void;
}

export interface ChildEnd {
  /** Exit code, null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Sink {
  /** Writes all of the text; a reader that went away (EPIPE) is no error. */
  readonly write: (text: string) => void;
  /** The same for a text that secrets were taken out of by whoever knows its parts. Absent: `write` takes it as it is. */
  readonly writeClean?: (text: string) => void;
  /** True when the reader went away: what is only for it need not be made. Absent: it is there. */
  readonly isClosed?: boolean;
  /** Width of the terminal that it is. Absent: it is none. */
  readonly columns?: number | undefined;
}

export interface Terminal extends Sink {
  readonly isTerminal: boolean;
  /** 80 when unknown. */
  readonly columns: number;
  /** 24 when unknown. */
  readonly rows: number;
}

/** The real world. */
export function realWorld(): World {
  const env = process.env;
  return {
    cwd: startFolder(),
    env,
    files: realFiles,
    clock: realClock,
    fetch: async (url, init) => {
      leaveOutProxy();
      // else BUN_CONFIG_VERBOSE_FETCH prints every header, cookies and tokens too, and an answer that is packed and cut off
      // gets a line of Bun's own on stderr (Bun 1.4.5)
      return unpack(await fetch(url, { ...init, verbose: false, decompress: false } as RequestInit));
    },
    spawn: spawnChild,
    newId: () => crypto.randomUUID(),
    parseToml: (text) => Bun.TOML.parse(text),
    parseYamlFast: (text) => Bun.YAML.parse(text),
    out: realOut(),
    err: {
      write: (text) => void writeAll(2, text),
      get isTerminal() {
        // loaded here: node:tty costs a third of an empty program (Bun 1.4.5), and help needs it not
        return (require("node:tty") as typeof import("node:tty")).isatty(2);
      },
      get columns() {
        return process.stderr.columns || 80; // 0 occurs on some pseudo terminals
      },
      get rows() {
        return process.stderr.rows || 24;
      },
    },
    onSignal: onSignal,
    openDoor,
    ask: askPerson,
    get cores() {
      return Math.max(1, navigator.hardwareConcurrency);
    },
  };
}

/**
 * As `World.onSignal`, but one that comes twice at once is one: wrappers hand on what the terminal has sent to all.
 * Gives the function that ends it.
 */
export function onEachSignal(
  { onSignal, clock }: Pick<World, "onSignal" | "clock">,
  handler: (signal: Signal) => void,
): () => void {
  let lastMs = -Infinity;
  return onSignal((signal) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMs < SAME_SIGNAL_MS) return;
    lastMs = nowMs;
    handler(signal);
  });
}

// --- internal ---

/** A folder that was removed meanwhile has no path to the system; what the shell called it is said to be no project. */
function startFolder(): string {
  try {
    return process.cwd();
  } catch {
    return resolve("/", process.env["PWD"] ?? "");
  }
}
const SAME_SIGNAL_MS = 100;
/** Content-encoding → its name for `DecompressionStream`. None is asked for; some servers pack all the same. */
const PACKED: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
  zstd: "zstd",
};

function unpack(response: Response): Response {
  const { status, body } = response;
  const format = PACKED[response.headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  if (format === undefined || body === null || status < 200 || status === 204 || status === 304) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return new Response(
    body.pipeThrough(new DecompressionStream(format as ConstructorParameters<typeof DecompressionStream>[0])),
    { status, headers },
  );
}

function isMissing(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR";
}

/** This machine and the metadata server of a cloud; Bun 1.4.5 asks the proxy even for loopback, unless NO_PROXY says not to. */
const DIRECT = ["localhost", "127.0.0.1", "::1", "169.254.169.254", "metadata.google.internal"];

function leaveOutProxy(): void {
  const { env } = process;
  if (!["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].some((name) => env[name]))
    return;
  // Bun reads the lower-case one first, and the other not at all when it is there: both get what holds
  const listed = (env["no_proxy"] || env["NO_PROXY"] || "").split(/[,\s]+/).filter((each) => each !== "");
  const all = [...listed, ...DIRECT.filter((each) => !listed.includes(each))].join(",");
  env["NO_PROXY"] = all;
  env["no_proxy"] = all;
}

/** On stderr and stdin, when both are terminals; a prompt without one would wait for ever. */
async function askPerson(question: string): Promise<string | undefined> {
  const { isatty } = require("node:tty") as typeof import("node:tty");
  if (!isatty(0) || !isatty(2)) return undefined;
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/** `undefined` for what is not there; a KfkError with the path for what cannot be read. */
function reading<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable(path, error);
  }
}

function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Without the byte order mark. Errors: PROJECT_FILE for bytes that are not UTF-8, as Python stops there too. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new KfkError("PROJECT_FILE", `cannot read ${path}: it is not UTF-8`, {
      hint: "save it in UTF-8",
      cause: error,
    });
  }
}

/** The path behind symbolic links, also behind one whose target does not exist yet. */
function followLinks(path: string, links = 0): string {
  if (links > MAX_LINKS) throw Object.assign(new Error("too many links"), { code: "ELOOP" });
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined) return path;
  if (!link.isSymbolicLink() || existsSync(path)) return realpathSync(path);
  return followLinks(resolve(dirname(path), readlinkSync(path)), links + 1);
}

/** As Linux counts. */
const MAX_LINKS = 40;

/** The same, where folders on the way may be missing too. */
function behindLinks(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    const target = followLinks(path);
    return target === path || existsSync(target) ? target : behindLinks(target);
  }
  return path === dirname(path) ? path : join(behindLinks(dirname(path)), basename(path));
}

function writeTo(path: string, flag: "w" | "a", data: string | Uint8Array): void {
  const handle = openSync(path, flag);
  try {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
    if (flag === "w" && fstatSync(handle).isFile()) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

const realFiles: Files = {
  readText: (path) => {
    const bytes = reading(path, () => readFileSync(path));
    return bytes === undefined ? undefined : decode(path, bytes);
  },
  readBytes: (path) => reading(path, () => new Uint8Array(readFileSync(path))),
  list: (path) =>
    reading(path, () =>
      readdirSync(path)
        .toSorted()
        .flatMap((name): Entry[] => {
          const kind = realFiles.kind(join(path, name));
          return kind ? [{ name, kind }] : [];
        }),
    ),
  kind: (path) =>
    reading(path, () => {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      if (stat.isDirectory()) return "folder";
      return stat.isFile() ? "file" : undefined; // reading a pipe or a device may never end
    }),
  isOpen: (path) => {
    if (process.platform === "win32") return false; // its modes say nothing of other users
    const stat = reading(path, () => statSync(path, { throwIfNoEntry: false }));
    return stat !== undefined && stat.isFile() && (stat.mode & 0o044) !== 0;
  },
  realPath: (path) => reading(path, () => realpathSync(path)),
  writePath: (path) => writing(path, () => behindLinks(resolve(path))),
  write: (path, data) =>
    writing(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      const target = followLinks(path);
      const now = statSync(target, { throwIfNoEntry: false });
      if (now?.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
      // a device or a pipe cannot be replaced
      if (now !== undefined && !now.isFile()) return writeTo(target, "w", data);
      const scratch = `${target}.${process.pid}.tmp`;
      try {
        writeTo(scratch, "w", data);
        if (now !== undefined) chmodSync(scratch, now.mode);
        renameSync(scratch, target);
      } catch (error) {
        rmSync(scratch, { force: true });
        throw error;
      }
    }),
  append: (path, data) =>
    writing(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      writeTo(path, "a", data);
    }),
  makeFolder: (path) => {
    writing(path, () => mkdirSync(path, { recursive: true }));
  },
  copyFolder: (from, to) => writing(to, () => cpSync(from, to, { recursive: true, dereference: true })),
  remove: (path) => writing(path, () => rmSync(path, { recursive: true, force: true })),
};

/** A timer with more than 31 bits of milliseconds fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((finish) => {
      if (signal?.aborted) return finish();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        finish();
      };
      const endsAt = performance.now() + ms;
      let timer: ReturnType<typeof setTimeout>;
      const wait = (): void => {
        const left = endsAt - performance.now();
        timer = setTimeout(left > MAX_TIMER_MS ? wait : done, Math.min(left, MAX_TIMER_MS));
      };
      wait();
      signal?.addEventListener("abort", done);
    }),
};

function realOut(): Sink {
  let isClosed = false;
  return {
    write: (text) => {
      if (text !== "" && wasClosed()) throw new KfkError("PROJECT_FILE", "cannot write to stdout: it is closed");
      isClosed = !writeAll(1, text) || isClosed;
    },
    get isClosed() {
      return isClosed;
    },
    get columns() {
      const isTerminal = (require("node:tty") as typeof import("node:tty")).isatty(1);
      return isTerminal ? process.stdout.columns || 80 : undefined;
    },
  };
}

/** False when the reader went away. Writes synchronously, so that nothing is lost when the process ends; waits where a pipe is full. */
function writeAll(handle: number, text: string): boolean {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(handle, bytes, at);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "EAGAIN") {
        Bun.sleepSync(1);
        continue;
      }
      if (code === "EPIPE") return false; // `kfk … | head -1`: the reader has what it wanted
      if (handle === 2) return false; // there is nobody left to tell
      throw unwritable("to stdout", error);
    }
  }
  return true;
}

const MAX_LINE = 1024 * 1024;

/** How long streams may stay open after the process has ended. */
const STREAM_GRACE_MS = 2000;

/** Callers look for `code` ENOENT and EACCES themselves. */
function starting(command: readonly string[], options: Parameters<typeof Bun.spawn>[1]): ReturnType<typeof Bun.spawn> {
  try {
    return Bun.spawn([...command], options);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "EACCES") throw error;
    throw unstartable(command[0] ?? "", error);
  }
}

/** What ends the groups that are still there: kfk may end without waiting for one. */
const groups = new Set<() => void>();

function endGroups(): void {
  for (const end of groups) end();
}

function spawnChild(command: readonly string[], options: SpawnOptions): Child {
  const mark = options.endGroup ? `KFK_PROCESS=${crypto.randomUUID()}` : undefined;
  const [markName, markValue] = mark?.split("=") ?? [];
  const child = starting(command, {
    cwd: options.cwd,
    env: { ...options.env, ...(markName === undefined ? {} : { [markName]: markValue ?? "" }) },
    // A group of its own, so that grandchildren can be ended too; Ctrl-C must then be forwarded by the caller.
    detached: true,
    stdin: options.input === undefined ? "ignore" : Buffer.from(options.input),
    stdout: options.onLine ? "pipe" : "ignore",
    stderr: options.onLine ? "pipe" : "ignore",
  });
  const { onLine } = options;
  const streams = onLine
    ? [
        readLines(child.stdout as ReadableStream<Uint8Array>, (line) => onLine(line, "stdout")),
        readLines(child.stderr as ReadableStream<Uint8Array>, (line) => onLine(line, "stderr")),
      ]
    : [];
  const kill = (signal: Parameters<Child["kill"]>[0]): void => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // the group is gone already
    }
  };
  const endGroup = (): void => {
    kill("SIGKILL");
    if (mark !== undefined) killMarked(mark);
  };
  if (options.endGroup) {
    if (groups.size === 0) process.on("exit", endGroups);
    groups.add(endGroup);
  }
  return {
    pid: child.pid,
    ended: (async (): Promise<ChildEnd> => {
      await child.exited;
      if (options.endGroup) {
        endGroup();
        groups.delete(endGroup);
        if (groups.size === 0) process.off("exit", endGroups);
      }
      // what is left of it elsewhere may hold the streams open for ever
      const rest = new AbortController();
      await Promise.race([Promise.all(streams), realClock.sleep(STREAM_GRACE_MS, rest.signal)]);
      rest.abort();
      const signal = child.signalCode === null ? null : String(child.signalCode);
      return { code: signal === null ? child.exitCode : null, signal };
    })(),
    kill,
  };
}

/** Ends the processes that left the group of the one that was marked (`setsid`); Linux shows their environment. */
function killMarked(mark: string): void {
  if (!existsSync("/proc/self/environ")) return;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(mark))
        process.kill(Number(name), "SIGKILL");
    } catch {
      // gone meanwhile, or another user's
    }
  }
}

/** Splits a stream into lines; keeps pieces in a list, so that a very long line costs linear time. */
async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  let held = 0;
  const flush = (last: string): void => {
    pieces.push(last);
    onLine(pieces.join("").replace(/\r$/, ""));
    pieces = [];
    held = 0;
  };
  for await (const chunk of stream) {
    let text = decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      flush(text.slice(0, end));
      text = text.slice(end + 1);
    }
    if (text !== "") {
      pieces.push(text);
      held += text.length;
      if (held > MAX_LINE) flush("");
    }
  }
  if (held > 0) flush("");
}

const SIGNALS: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

async function openDoor(onVisit: (socket: Socket) => void): Promise<Door> {
  const [{ createServer }, { tmpdir }] = await Promise.all([import("node:net"), import("node:os")]);
  const folder = writing(tmpdir(), () => mkdtempSync(join(tmpdir(), "kfk-"))); // rights 0700
  const path = join(folder, "door");
  const visitors = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    visitors.add(socket);
    socket.on("close", () => visitors.delete(socket));
    onVisit(socket);
  });
  const close = (): void => {
    for (const name of SIGNALS) process.off(name, leave);
    server.close();
    for (const socket of visitors) socket.destroy();
    rmSync(folder, { recursive: true, force: true });
  };
  // whoever else listens ends in good order, and may still have something to send
  const leave = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    close();
    process.kill(process.pid, signal);
  };
  for (const name of SIGNALS) process.on(name, leave);
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen(path, done);
    });
  } catch (error) {
    close();
    throw error;
  }
  return { path, close };
}

function onSignal(handler: (signal: Signal) => void): () => void {
  const listeners = SIGNALS.map((name) => {
    const listener = (): void => handler(name);
    process.on(name, listener);
    return { name, listener };
  });
  return () => {
    for (const { name, listener } of listeners) process.off(name, listener);
  };
}
