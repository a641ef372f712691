/**
 * Talks to the process that runs a project's hooks: starts it when the first file is loaded, checks what each file
 * holds, calls one function at a time with a time limit, ends it with everything it started.
 *
 * Why a process of its own, measured with Bun 1.4.5 in the compiled binary: it costs 17 ms where there are hooks and
 * nothing where there are none, against 6 ms for a worker and 1 ms in process; but only a process can be ended in the
 * middle of a loop, keeps `process.exit` and a crash away from kfk, and keeps what a hook's own child processes print
 * off kfk's stdout.
 * Errors name hook, file, line and column; values of the environment that look secret are taken out of them.
 *
 * A file that logs in, or imports what may, holds secrets that nobody knows: its login is told the moment it arrives, before anything that
 * comes behind it is shown; what the file prints, and what it throws while it is loaded or once it was asked for a login,
 * is shown without words that could be a secret; and no line of its source is.
 */
import { join } from "node:path";
import type { Value } from "../../hooks/contract.ts";
import { KfkError, stoppedBy, suggest } from "../error.ts";
import type { Signal, World } from "../world.ts";
import type { HookFile } from "./find.ts";
import {
  hookPlace,
  type HookProblem,
  threw,
  timedOut,
  ended,
  unloadable,
  wrongForm,
  unknownHook,
  withoutLines,
} from "./failure.ts";
import {
  type ContextData,
  type ExportedHook,
  HOOKS_PROCESS,
  type Problem,
  type Reply,
  type Request,
  type Synced,
  type Told,
} from "./message.ts";
import { buildRedactor } from "../secrets.ts";
import { hideLogin, mayLogIn, withoutLikely } from "../told-secrets.ts";
import { HOOKS, type HookName, isHookName } from "./rules.ts";

/** A file that was loaded and holds nothing but hooks. */
export interface LoadedFile {
  readonly file: HookFile;
  /** In the order of the file, with the names of the functions where a hook holds several. */
  readonly hooks: ReadonlyMap<HookName, readonly string[]>;
}

export interface HookSession {
  readonly files: readonly LoadedFile[];
  /** Calls a hook of one file. The answer is plain data, not checked further. Errors: HOOK_*. */
  readonly call: (file: LoadedFile, call: HookCall) => Promise<Value | undefined>;
  /**
   * Waits, for a moment at most, until nothing that was called is still at work, and throws what was thrown after its
   * call had ended. Errors: HOOK_FAILED, HOOK_EXIT.
   */
  readonly settle: () => Promise<void>;
  /** Ends the process; what its hooks printed is all there afterwards. */
  readonly close: () => Promise<void>;
}

export interface HookCall {
  readonly hook: HookName;
  readonly member?: string;
  readonly args: readonly Value[];
  /** Absent: the function gets its arguments alone. */
  readonly context?: ContextData;
  /** True: no answer means the first argument as the hook left it. */
  readonly keep?: boolean;
}

export interface SessionOptions {
  readonly root: string;
  readonly files: readonly HookFile[];
  /** For calls of files that set no limit; loading takes 20 s at most, unless a person asked for this limit. */
  readonly timeoutMs: number;
  /** True: a person asked for this limit, so it goes before what a file sets. */
  readonly isTimeoutGiven: boolean;
  /** True: what hooks print is dropped. */
  readonly isQuiet: boolean;
}

/** Starts the process and loads every file. Errors: HOOK_LOAD, HOOK_NAME, HOOK_FORM, HOOK_TIMEOUT, HOOK_EXIT. */
export async function startSession(world: World, options: SessionOptions): Promise<HookSession> {
  const channel = openChannel(world, options);
  const limits = new Map<HookFile, number>();
  const loaded: LoadedFile[] = [];
  const problem = (file: HookFile, hook: string): HookProblem => ({ root: options.root, file, hook });
  try {
    for (const file of options.files) {
      const limitMs = options.isTimeoutGiven ? options.timeoutMs : Math.min(options.timeoutMs, LOAD_MS);
      const reply = await channel.ask(problem(file, ""), limitMs, (id) => ({
        id,
        kind: "load",
        path: file.path,
      }));
      if (!("exports" in reply)) throw new Error("not an answer to load");
      const hooks = checkExports(file, reply.exports);
      loaded.push({ file, hooks });
      channel.guard(file, hooks.has("auth"));
      limits.set(file, checkLimit(file, reply.timeoutSeconds, options));
    }
  } catch (error) {
    await channel.close();
    throw error;
  }
  return {
    files: loaded,
    call: async ({ file }, call) => {
      const name = call.member === undefined ? call.hook : `${call.hook}.${call.member}`;
      const reply = await channel.ask(problem(file, name), limits.get(file) ?? options.timeoutMs, (id) => ({
        id,
        kind: "call",
        path: file.path,
        hook: call.hook,
        member: call.member ?? null,
        args: call.args,
        context: call.context ?? null,
        keep: call.keep ?? false,
      }));
      if (!("value" in reply)) throw new Error("not an answer to a call");
      return reply.value;
    },
    settle: channel.settle,
    close: channel.close,
  };
}

// --- internal ---

/** A file is loaded in milliseconds; one that waits for itself, as with `await import` of its own, never is. */
const LOAD_MS = 20_000;

function checkExports(file: HookFile, exports: readonly ExportedHook[]): ReadonlyMap<HookName, readonly string[]> {
  const hooks = new Map<HookName, readonly string[]>();
  for (const { name, form, members } of exports) {
    if (!isHookName(name)) throw unknownHook(file, name, suggest(name, [...Object.keys(HOOKS), "timeoutSeconds"]));
    if (form === "undefined") continue;
    const wanted = HOOKS[name].form;
    if (form !== wanted) throw wrongForm(file, name, wanted, form, members);
    hooks.set(name, members);
  }
  return hooks;
}

function checkLimit(file: HookFile, seconds: unknown, options: SessionOptions): number {
  if (seconds === undefined) return options.timeoutMs;
  if (typeof seconds !== "number" || !(seconds > 0) || seconds > MAX_SECONDS) {
    throw new KfkError("HOOK_FORM", `timeoutSeconds in ${file.shown} must be a number of seconds above 0`, {
      at: hookPlace(file, "timeoutSeconds"),
      hint: "write timeoutSeconds: 120, or take the line out for 60 seconds",
    });
  }
  return options.isTimeoutGiven ? options.timeoutMs : seconds * 1000;
}

/** A day; timers take no more than 24. */
const MAX_SECONDS = 86_400;

interface Channel {
  /** What a file turned out to hold: from now on it is one that logs in, or one that only imports something else. */
  readonly guard: (file: HookFile, logsIn: boolean) => void;
  readonly ask: (problem: HookProblem, timeoutMs: number, build: (id: number) => Request) => Promise<Reply>;
  readonly settle: () => Promise<void>;
  readonly close: () => Promise<void>;
}

type Outcome =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "ended" }
  | { readonly kind: "signal"; readonly signal: Signal };

function openChannel(world: World, { root, files, isQuiet }: SessionOptions): Channel {
  const ofEnvironment = buildRedactor(world.env);
  const redact = (text: string): string => ofEnvironment(world.secrets?.redact(text) ?? text);
  let settle: ((outcome: Outcome) => void) | undefined;
  let waitingFor = 0;
  let speaker: HookFile | undefined;
  // as far as the text shows before it is loaded
  const guarded = new Set(files.filter(({ text }) => mayLogIn(text)).map(({ path }) => path));
  let hasAskedLogin = false;
  let latest: HookProblem | undefined;
  let canSettle = true;
  let nextId = 1;
  const child = Bun.spawn(ownCommand(), {
    cwd: root,
    env: {
      ...withoutUndefined(world.env),
      BUN_OPTIONS,
      BUN_RUNTIME_TRANSPILER_CACHE_PATH: NO_CACHE,
      BUN_CONFIG_VERBOSE_FETCH: "",
    },
    // a group of its own, so that what a hook started can be ended with it
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    serialization: "advanced",
    ipc: (reply: Reply | Told | Synced | null) => {
      if (reply !== null && "synced" in reply) return showHeld(reply.synced);
      if (reply !== null && "secret" in reply) {
        if (typeof reply.secret === "string") world.secrets?.hide(reply.secret);
        return;
      }
      if (reply?.id !== waitingFor) return; // a hook can send something itself; that is no answer to anything
      if (isLogin && "value" in reply) hideLogin(reply.value, (text) => world.secrets?.hide(text));
      settle?.({ kind: "reply", reply });
    },
  });
  const show = (line: string): void => {
    // whoever speaks: a timer of one file goes on while another is called
    const isOpen = !hasAskedLogin && guarded.size === 0;
    const shown = redact(line);
    if (!isQuiet) world.err.write(`${speaker?.shown ?? "hooks"} | ${isOpen ? shown : withoutLikely(shown)}\n`);
  };
  // what is printed and what is secret come by two ways: a line of a call that logs in waits until it is sure that
  // whatever was told before it is here
  let held: { readonly id: number; readonly line: string }[] = [];
  let isLogin = false;
  let lines = 0;
  const showHeld = (last: number): void => {
    const [known, rest] = [held.filter(({ id }) => id <= last), held.filter(({ id }) => id > last)];
    held = rest;
    for (const { line } of known) show(line);
  };
  const tell = (line: string): void => {
    if (!isLogin) return show(line);
    const id = ++lines;
    held.push({ id, line });
    try {
      child.send({ id, kind: "sync" } satisfies Request);
    } catch {
      // it is gone, and so is the call
    }
  };
  const streams = [readLines(child.stdout, tell), readLines(child.stderr, tell)];
  void child.exited.then(() => settle?.({ kind: "ended" }));
  const kill = (): void => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // the group is gone already
    }
  };
  const ownerOf = (problem: HookProblem, { of: owner }: Problem): HookProblem => {
    const file = files.find(({ path }) => path === owner?.path);
    return owner === undefined || file === undefined ? problem : { root, file, hook: owner.hook };
  };
  const askNow = async (
    problem: HookProblem,
    timeoutMs: number,
    build: (id: number) => Request,
    onLate: () => Reply | undefined = () => undefined,
  ): Promise<Reply> => {
    speaker = problem.file;
    const id = nextId++;
    const stop = new AbortController();
    const answered = new Promise<Outcome>((resolve) => {
      settle = resolve;
    });
    waitingFor = id;
    isLogin = problem.hook === "auth";
    hasAskedLogin ||= isLogin;
    const unlisten = world.onSignal((signal) => settle?.({ kind: "signal", signal }));
    try {
      // it ended between two calls, so the one before has ended it
      if (child.exitCode !== null || child.signalCode !== null) throw ended(latest ?? problem, describeEnd(child));
      latest = problem;
      child.send(build(id));
      const late = world.clock.sleep(timeoutMs, stop.signal).then(() => undefined);
      const outcome = await Promise.race([answered, late]);
      if (outcome === undefined) {
        const instead = onLate();
        if (instead) return instead;
        kill();
        throw timedOut(problem, timeoutMs);
      }
      if (outcome.kind === "signal") {
        kill();
        throw interrupted(outcome.signal);
      }
      if (outcome.kind === "ended") throw ended(problem, describeEnd(child));
      const { reply } = outcome;
      showHeld(lines);
      if (!("problem" in reply)) return reply;
      const owner = ownerOf(problem, reply.problem);
      const isGuarded = hasAskedLogin || owner.hook === "auth" || guarded.has(owner.file.path);
      const message = redact(reply.problem.message);
      // the name of a package that is not there is one that the file imports
      const isName =
        owner.hook === "" &&
        /^(ResolveMessage: )?Cannot find (package|module) ['"][^'"\s]{1,100}['"]( (imported )?from \S+)?$/.test(
          message,
        );
      const shown = { ...reply.problem, message: isGuarded && !isName ? withoutLikely(message) : message };
      const error = owner.hook === "" ? unloadable(owner, shown) : threw(owner, shown);
      throw isGuarded ? withoutLines(error) : error;
    } finally {
      stop.abort();
      unlisten();
      settle = undefined;
      isLogin = false;
      if (held.length > 0) show("(what it printed last is not shown, as it may hold a login)");
      held = [];
    }
  };
  let before: Promise<unknown> = Promise.resolve();
  // one at a time, whoever asks: the process has one speaker
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const answer = before.then(work);
    before = answer.catch(() => undefined);
    return answer;
  };
  return {
    guard: ({ path, text }, logsIn) => {
      if (logsIn) guarded.add(path);
      else if (!/\bauth\b/.test(text)) guarded.delete(path);
    },
    ask: (...request) => inTurn(() => askNow(...request)),
    settle: () =>
      inTurn(async () => {
        if (latest === undefined) return;
        const build = (id: number): Request => ({ id, kind: "settle" });
        // what works on for longer, such as a timer that repeats, is waited for once
        await askNow(latest, canSettle ? SETTLE_MS : 1, build, () => {
          canSettle = false;
          return { id: 0, value: undefined };
        });
      }),
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.disconnect();
        const stop = new AbortController();
        await Promise.race([child.exited, world.clock.sleep(GRACE_MS, stop.signal)]);
        stop.abort();
      }
      kill();
      await child.exited;
      await Promise.all(streams);
    },
  };
}

/** How long to wait for what a hook has started and not waited for, in milliseconds. */
const SETTLE_MS = 1000;

/** Time between closing the channel and ending the process, in milliseconds. */
const GRACE_MS = 2000;

/** The process dies with kfk even in the middle of a loop; and no option of the user's own loads other code into it. */
const BUN_OPTIONS = "--no-orphans";

/** Else large files would be kept, translated, in the person's home. */
const NO_CACHE = "0";

/** The binary itself; where kfk runs from its sources, Bun with the first of them. */
function ownCommand(): string[] {
  if (Bun.main.startsWith("/$bunfs")) return [process.execPath, HOOKS_PROCESS];
  return [process.execPath, join(import.meta.dir, "../main.ts"), HOOKS_PROCESS];
}

function withoutUndefined(env: World["env"]): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function describeEnd(child: Pick<Bun.Subprocess, "exitCode" | "signalCode">): string {
  return child.signalCode === null ? `exit status ${child.exitCode}` : String(child.signalCode);
}

function interrupted(signal: Signal): KfkError {
  const { code, how } = stoppedBy(signal);
  return new KfkError(code, `${how} while a hook ran; it was ended, and nothing was created`);
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  let isCut = false;
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!isCut) onLine(line.replace(/\r$/, ""));
      isCut = false;
    }
    if (isCut) rest = "";
    if (rest.length > MAX_LINE) {
      // at a space: half a secret is not known for one
      const end = rest.lastIndexOf(" ");
      onLine(end < 0 ? "(a word of more than 64 KiB)" : rest.slice(0, end));
      isCut = end < 0;
      rest = isCut ? "" : rest.slice(end + 1);
    }
  }
  if (rest !== "" && !isCut) onLine(rest);
}

const MAX_LINE = 65_536;
