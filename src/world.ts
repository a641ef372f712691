/**
 * The world that is handed in: files, environment, clock, network, processes, streams. Nothing else in `src/` (but
 * `main.ts` and `hooks/`) touches the machine; a test hands in another world (`test/fake-world.ts`).
 *
 * Parts are built when first used: touching `process.stderr` alone costs more than the rest of `--version`
 * (measured with Bun 1.4.5).
 */
import {
  chmodSync,
  closeSync,
  cpSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { KfkError } from "./error.ts";

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
  /** stdout: data only. */
  readonly out: Sink;
  /** stderr: everything that is for people. */
  readonly err: Terminal;
  /** Calls back on SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  readonly onSignal: (handler: (signal: Signal) => void) => () => void;
  /** CPU cores that this process may use. */
  readonly cores: number;
  /** Asks a person and gives the line; undefined where nobody is there to answer. Absent: nobody ever is. */
  readonly ask?: (question: string) => Promise<string | undefined>;
}

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Synchronous on purpose: a project is small, and pure code may then ask for one more file. Paths are absolute. */
export interface Files {
  /** Text as UTF-8 with a byte-order mark removed, or undefined when there is no such file. */
  readonly readText: (path: string) => string | undefined;
  readonly readBytes: (path: string) => Uint8Array | undefined;
  /** Entries of a folder sorted by code point, or undefined when there is no such folder. Links are followed. */
  readonly list: (path: string) => readonly Entry[] | undefined;
  readonly kind: (path: string) => "file" | "folder" | undefined;
  readonly realPath: (path: string) => string | undefined;
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
    cwd: process.cwd(),
    env,
    files: realFiles,
    clock: realClock,
    fetch: (url, init) => {
      leaveOutProxy();
      return fetch(url, init);
    },
    spawn: spawnChild,
    newId: () => crypto.randomUUID(),
    parseToml: (text) => Bun.TOML.parse(text),
    out: { write: (text) => writeAll(1, text) },
    err: {
      write: (text) => writeAll(2, text),
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
    ask: askPerson,
    get cores() {
      return Math.max(1, navigator.hardwareConcurrency);
    },
  };
}

// --- internal ---

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
  for (const name of ["NO_PROXY", "no_proxy"]) {
    const listed = (env[name] ?? "").split(",").filter((each) => each !== "");
    if (!listed.includes(DIRECT[0] as string)) env[name] = [...listed, ...DIRECT].join(",");
  }
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
    throw new KfkError("PROJECT_FILE", `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw new KfkError("PROJECT_FILE", `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

const BYTE_ORDER_MARK = "\uFEFF";

const realFiles: Files = {
  readText: (path) => {
    const text = reading(path, () => readFileSync(path, "utf8"));
    return text?.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
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
      return stat.isDirectory() ? "folder" : "file";
    }),
  realPath: (path) => reading(path, () => realpathSync(path)),
  write: (path, data) =>
    writing(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      const scratch = `${path}.${process.pid}.tmp`;
      const mode = statSync(path, { throwIfNoEntry: false })?.mode;
      const handle = openSync(scratch, "w");
      try {
        const bytes = typeof data === "string" ? Buffer.from(data) : data;
        for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      if (mode !== undefined) chmodSync(scratch, mode);
      renameSync(scratch, path);
    }),
  append: (path, data) =>
    writing(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      const handle = openSync(path, "a");
      try {
        if (typeof data === "string") writeSync(handle, data);
        else writeSync(handle, data);
      } finally {
        closeSync(handle);
      }
    }),
  makeFolder: (path) => {
    writing(path, () => mkdirSync(path, { recursive: true }));
  },
  copyFolder: (from, to) => writing(to, () => cpSync(from, to, { recursive: true, dereference: true })),
  remove: (path) => writing(path, () => rmSync(path, { recursive: true, force: true })),
};

const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done);
    }),
};

/** Writes synchronously, so that nothing is lost when the process ends; waits where a pipe is full. */
function writeAll(handle: number, text: string): void {
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
      if (code === "EPIPE") return; // `kfk … | head -1`: the reader has what it wanted
      throw error;
    }
  }
}

const MAX_LINE = 1024 * 1024;

function spawnChild(command: readonly string[], options: SpawnOptions): Child {
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: { ...options.env },
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
  return {
    pid: child.pid,
    ended: (async (): Promise<ChildEnd> => {
      await child.exited;
      // A grandchild that goes on would also hold the streams open for ever.
      if (options.endGroup) kill("SIGKILL");
      await Promise.all(streams);
      const signal = child.signalCode === null ? null : String(child.signalCode);
      return { code: signal === null ? child.exitCode : null, signal };
    })(),
    kill,
  };
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

function onSignal(handler: (signal: Signal) => void): () => void {
  const names: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  const listeners = names.map((name) => {
    const listener = (): void => handler(name);
    process.on(name, listener);
    return { name, listener };
  });
  return () => {
    for (const { name, listener } of listeners) process.off(name, listener);
  };
}
