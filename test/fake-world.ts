/**
 * A world for tests: files in memory, a clock that the test moves, captured streams, no network and no processes
 * unless the test hands them in. `Files` behaves as the real one does.
 *
 * The clock moves by itself (`auto`): when somebody sleeps and no fetch is under way, it jumps to the next waking.
 * So nothing really waits, and a day of polling takes milliseconds. With `manual` only `advance` moves it.
 */
import { posix } from "node:path";
import { KfkError } from "../src/error.ts";
import type { Child, Clock, Entry, Files, Signal, SpawnOptions, World } from "../src/world.ts";

export interface FakeOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Absolute path → content. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly fetch?: World["fetch"];
  readonly spawn?: (command: readonly string[], options: SpawnOptions) => Child;
  readonly clock?: "auto" | "manual";
  /** Start of the wall clock; default 2026-01-02T03:04:05Z. */
  readonly nowMs?: number;
  readonly isTerminal?: boolean;
  readonly columns?: number;
  readonly cores?: number;
}

export interface FakeWorld extends World {
  readonly clock: FakeClock;
  /** Everything written so far. */
  readonly written: { readonly out: () => string; readonly err: () => string };
  /** Delivers a signal to whoever listens. */
  readonly raise: (signal: Signal) => void;
}

export interface FakeClock extends Clock {
  /** Moves time on and wakes, in order, whoever slept until then. */
  readonly advance: (ms: number) => Promise<void>;
}

/** A world of its own; two of them share nothing. */
export function fakeWorld(options: FakeOptions = {}): FakeWorld {
  const clock = fakeClock(options.nowMs ?? Date.UTC(2026, 0, 2, 3, 4, 5), options.clock ?? "auto");
  const handlers = new Set<(signal: Signal) => void>();
  const given = options.fetch;
  const out: string[] = [];
  const err: string[] = [];
  let ids = 0;
  return {
    cwd: options.cwd ?? "/project",
    env: options.env ?? {},
    files: memoryFiles(options.files ?? {}),
    clock,
    fetch: given ? (url, init) => clock.during(() => wholeAnswer(given, url, init)) : () => refuse("no network here"),
    spawn: options.spawn ?? ((command) => fail(`no such program: ${command[0] ?? ""}`, "ENOENT")),
    newId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
    parseToml: (text) => Bun.TOML.parse(text),
    parseYamlFast: (text) => Bun.YAML.parse(text),
    out: { write: (text) => void out.push(text) },
    err: {
      write: (text) => void err.push(text),
      isTerminal: options.isTerminal ?? false,
      columns: options.columns ?? 80,
      rows: 24,
    },
    onSignal: (handler) => {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    cores: options.cores ?? 2,
    written: { out: () => out.join(""), err: () => err.join("") },
    raise: (signal) => {
      for (const handler of [...handlers]) handler(signal);
    },
  };
}

/** Files in memory; folders exist where something lies in them or `makeFolder` made them. */
export function memoryFiles(initial: Readonly<Record<string, string | Uint8Array>>): Files {
  const store = new Map<string, Uint8Array>();
  const folders = new Set<string>(["/"]);
  const toBytes = (data: string | Uint8Array): Uint8Array =>
    typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
  const makeFolder = (path: string): void => {
    for (let at = posix.resolve(path); !folders.has(at); at = posix.dirname(at)) {
      if (store.has(at)) throw new KfkError("PROJECT_FILE", `cannot write ${path}: ${at} is a file`);
      folders.add(at);
    }
  };
  const put = (path: string, data: string | Uint8Array): void => {
    const full = posix.resolve(path);
    if (folders.has(full)) throw new KfkError("PROJECT_FILE", `cannot write ${path}: it is a folder`);
    makeFolder(posix.dirname(full));
    store.set(full, toBytes(data));
  };
  for (const [path, data] of Object.entries(initial)) put(path, data);
  const readBytes = (path: string): Uint8Array | undefined => store.get(posix.resolve(path))?.slice();
  const kind = (path: string): "file" | "folder" | undefined => {
    const full = posix.resolve(path);
    if (store.has(full)) return "file";
    return folders.has(full) ? "folder" : undefined;
  };
  const below = (folder: string): string => (folder === "/" ? "/" : `${folder}/`);
  return {
    readBytes,
    readText: (path) => {
      const bytes = readBytes(path);
      return bytes && new TextDecoder().decode(bytes); // removes a byte-order mark
    },
    kind,
    list: (path) => {
      const full = posix.resolve(path);
      if (!folders.has(full)) return undefined;
      const start = below(full);
      const names = [...store.keys(), ...folders]
        .filter((each) => each !== full && each.startsWith(start) && !each.slice(start.length).includes("/"))
        .map((each) => each.slice(start.length))
        .toSorted();
      return names.map((name): Entry => ({ name, kind: store.has(start + name) ? "file" : "folder" }));
    },
    realPath: (path) => (kind(path) === undefined ? undefined : posix.resolve(path)),
    writePath: (path) => posix.resolve(path),
    write: put,
    append: (path, data) => {
      const before = readBytes(path) ?? new Uint8Array();
      const more = toBytes(data);
      const both = new Uint8Array(before.length + more.length);
      both.set(before);
      both.set(more, before.length);
      put(path, both);
    },
    makeFolder,
    copyFolder: (from, to) => {
      const start = posix.resolve(from);
      if (!folders.has(start)) throw new KfkError("PROJECT_FILE", `cannot write ${to}: no folder ${from}`);
      const move = (path: string): string => posix.join(posix.resolve(to), path.slice(start.length));
      for (const folder of [...folders]) {
        if (folder === start || folder.startsWith(below(start))) makeFolder(move(folder));
      }
      for (const [path, bytes] of [...store]) if (path.startsWith(below(start))) put(move(path), bytes);
    },
    remove: (path) => {
      const full = posix.resolve(path);
      for (const each of [...store.keys()]) if (each === full || each.startsWith(below(full))) store.delete(each);
      for (const each of [...folders]) if (each === full || each.startsWith(below(full))) folders.delete(each);
    },
  };
}

// --- internal ---

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

function fakeClock(
  startMs: number,
  mode: "auto" | "manual",
): FakeClock & {
  readonly during: <T>(work: () => Promise<T>) => Promise<T>;
} {
  let elapsedMs = 0;
  let busy = 0;
  let planned = false;
  const sleepers = new Set<Sleeper>();
  const next = (): Sleeper | undefined => {
    let first: Sleeper | undefined;
    for (const each of sleepers) if (first === undefined || each.atMs < first.atMs) first = each;
    return first;
  };
  const wakeOne = (sleeper: Sleeper): void => {
    elapsedMs = Math.max(elapsedMs, sleeper.atMs);
    sleeper.wake();
  };
  const plan = (): void => {
    if (mode === "manual" || planned || sleepers.size === 0) return;
    planned = true;
    // after everything that can go on without time has gone on
    setImmediate(() =>
      setImmediate(() => {
        planned = false;
        const sleeper = busy === 0 ? next() : undefined;
        if (sleeper) wakeOne(sleeper);
        if (busy === 0) plan();
      }),
    );
  };
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const sleeper: Sleeper = {
          atMs: elapsedMs + ms,
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener("abort", sleeper.wake);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", sleeper.wake);
        plan();
      }),
    advance: async (ms) => {
      const until = elapsedMs + ms;
      for (let sleeper = next(); sleeper && sleeper.atMs <= until; sleeper = next()) {
        wakeOne(sleeper);
        await settled();
      }
      elapsedMs = until;
      await settled();
    },
    during: async (work) => {
      busy++;
      try {
        return await work();
      } finally {
        busy--;
        plan();
      }
    },
  };
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Reads the body before the answer is handed on, so that the clock stands still until all of it is there. */
async function wholeAnswer(given: World["fetch"], url: string, init: RequestInit): Promise<Response> {
  const answer = await given(url, init);
  const body = answer.status === 204 || answer.status === 304 ? null : await answer.arrayBuffer();
  return new Response(body, { status: answer.status, statusText: answer.statusText, headers: answer.headers });
}

function refuse(message: string): Promise<never> {
  return Promise.reject(Object.assign(new TypeError(message), { code: "ECONNREFUSED" }));
}

function fail(message: string, code: string): never {
  throw Object.assign(new Error(message), { code });
}
