/**
 * The contract between kfk and a project's hooks: which hooks there are, what each is given, what it may give back and
 * how the answers of several files combine. It is closed: another name is an error when the file is loaded.
 *
 * Types only, and self-contained: this text is what `kfk hooks types` writes for editors, and `src/` uses the same
 * types. Every payload is a copy that a hook may change; a hook that returns nothing gives the copy back as it is now.
 * Order: files in the order `kfk hooks list` shows them. Rules:
 * - `first`: files are asked in turn, the first answer that is not undefined holds;
 * - `series`: each file gets what the one before gave back;
 * - `all`: every file is asked, all answers count.
 */

/** What JSON can hold. A whole number beyond 2^53 arrives as a bigint; a date, a Map or a function is refused. */
export type Value = null | boolean | number | bigint | string | readonly Value[] | { readonly [key: string]: Value };

/** A mapping with text keys. */
export type ValueMap = Record<string, Value>;

/** An answer, or a promise of one. */
export type Answer<T> = T | Promise<T>;

/** What a hook file exports: `export default defineHooks({ … })`, or the object itself. */
export interface Hooks {
  /**
   * Changes kubeflow.yaml. Given: the merged mapping of all its files with every `${…}` resolved, before it is checked.
   * Rule: series.
   */
  config?: (config: ValueMap, context: HookContext) => Answer<ValueMap | void>;
  /**
   * Gives the text for `${name}` and `${name|default}` in kubeflow.yaml, where the file has no such key; undefined
   * leaves it to the next file, then to what ships with kfk, then to the default. Rule: first.
   */
  variable?: (variable: Variable, context: HookContext) => Answer<string | undefined>;
  /**
   * Functions for `${name:argument, …}` in kubeflow.yaml, by name; catalog and parameters do not see them, because
   * Kedro in the pod would not. Rule: first (the first file that has the name).
   */
  resolvers?: Record<string, (...values: Value[]) => Answer<Value>>;
  /**
   * Changes what was read from the project: removes nodes or pipelines, sets tags, datasets and parameter values. A
   * node's function, inputs and outputs stay, because the image runs its own. Rule: series.
   */
  model?: (model: ProjectModel, context: HookContext) => Answer<ProjectModel | void>;
  /**
   * Changes the steps of one run: pod settings, description, more `needs`. Steps stay; a need that carries data
   * cannot be taken away. Rule: series.
   */
  steps?: (plan: Plan, context: HookContext) => Answer<Plan | void>;
  /**
   * Adds steps of your own to a run: programs of an image, before the first step or at the end. They run in pods of
   * their own; with `run-once --local` only those that say `local`. Rule: all.
   */
  extraSteps?: (plan: Plan, context: HookContext) => Answer<readonly ExtraStep[] | void>;
  /** Changes the documents that go to the server, as parsed YAML. Rule: series. */
  documents?: (documents: ValueMap[], context: HookContext) => Answer<ValueMap[] | void>;
  /** Rules of your own: what is wrong with the model, the steps or the documents. Rule: all. */
  lint?: (subject: LintSubject, context: HookContext) => Answer<readonly Finding[] | void>;
  /**
   * Logs in to the server: headers such as `{ Authorization: "Bearer …" }`, or a `Login` that also says how long they
   * hold; undefined leaves it to the next file, then to what ships with kfk. Values are never shown. Rule: first.
   */
  auth?: (server: AuthTarget, context: HookContext & AuthContext) => Answer<Login | Record<string, string> | undefined>;
  /** Longest time for one call of a hook of this file, in seconds. Default 60; KFK_HOOKS_TIMEOUT goes before it. */
  timeoutSeconds?: number;
}

/** What every hook is told about the call; the same for all of them. */
export interface HookContext {
  /** Version of kfk. */
  readonly kfk: string;
  /** The command: `compile`, `run-once`, … */
  readonly verb: string;
  readonly project: HookProject;
  /** Kedro's run environment, such as `local`. */
  readonly runEnv: string;
  /** Commit and branch that the project's folder is at; null outside a git repository. */
  readonly git: GitState | null;
  /** An environment variable. */
  readonly env: (name: string) => string | undefined;
}

export interface HookProject {
  readonly name: string;
  readonly package: string;
  readonly kedroVersion: string;
  /** Absolute path of the project's folder. */
  readonly root: string;
}

export interface GitState {
  /** Full hash of HEAD; null before the first commit. */
  readonly commit: string | null;
  /** null when HEAD is on no branch. */
  readonly branch: string | null;
}

/** A name in `${name}` or `${name|default}`. */
export interface Variable {
  readonly name: string;
  /** What globals say of the name; null when they say nothing. */
  readonly known: string | null;
}

/** One node, after namespaces, tags and mappings are applied. */
export interface Node {
  /** Full name with namespace; unique inside a pipeline. */
  readonly name: string;
  /** False: the name is Kedro's automatic one, whose text depends on the Kedro version. */
  readonly named: boolean;
  /** `module.function`, or what stands for it (`<lambda>`, `<partial>`); never used for the graph. */
  readonly func: string;
  /** In Kedro's order; may repeat a dataset. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Sorted by code point. */
  readonly tags: readonly string[];
  readonly namespace: string | null;
  readonly confirms: readonly string[];
  /** Where the `node(...)` call stands: path relative to the project, line from 1. */
  readonly source: Source | null;
}

export interface Source {
  readonly file: string;
  readonly line: number;
}

/** Where the content of a dataset lives, as far as steps are concerned. */
export type DatasetPlace =
  /** In the memory of the process that made it: not in the catalog, or a memory type. */
  | "memory"
  /** `parameters` or `params:…`: every process builds it again from conf. */
  | "parameter"
  /** A path below the project folder. */
  | "local"
  /** An absolute path on the machine. */
  | "absolute"
  /** A URL (s3://, gs://, https://, …). */
  | "remote"
  /** No path at all: databases, APIs. */
  | "external"
  /** The catalog entry cannot be known without running Python (a custom resolver, a code-made entry). */
  | "opaque";

export interface Dataset {
  readonly place: DatasetPlace;
  /** `type` of the catalog entry as written, null for memory defaults and parameters. */
  readonly type: string | null;
  /** Path or URL as written after interpolation, null where there is none. */
  readonly path: string | null;
  /** The factory pattern that matched, null for exact entries and defaults. */
  readonly pattern: string | null;
  /** The catalog entry's place, null where there is none. */
  readonly source: Source | null;
}

/** Payload of `model`. */
export interface ProjectModel {
  /** By registered name; nodes in Kedro's run order. */
  pipelines: Record<string, { nodes: Node[] }>;
  /** Every dataset that some pipeline reads or writes. */
  datasets: Record<string, Dataset>;
  /** Kedro's `parameters` for the run environment. */
  parameters: ValueMap;
}

/** Payload of `steps`: one run. */
export interface Plan {
  /** Name of the pipeline on the server. */
  readonly name: string;
  /** Registered name of the pipeline. */
  readonly pipeline: string;
  /** Folder of the project where the steps run. */
  readonly projectDir: string;
  description: string | null;
  steps: PlanStep[];
  /** Settings of every pod; null where the run has none. */
  pods: PlanPods;
}

/** One process that runs one or more Kedro nodes. */
export interface PlanStep {
  /** Unique and legal everywhere. */
  readonly id: string;
  readonly nodes: readonly Node[];
  /** Ids of the steps it waits for, sorted. */
  needs: string[];
  /** Names of the pipeline parameters it uses. */
  readonly parameters: readonly string[];
  pod: PlanPod;
}

/** Pod settings of one step. Keys that are not named here can be read, not changed. */
export interface PlanPod {
  /** Quantities as text, requests and limits alike: `{ cpu: "2", memory: "4Gi" }`. */
  resources: Record<string, string>;
  readonly [key: string]: Value;
}

/** Keys that are not named here can be read, not changed. */
export interface PlanPods {
  image: string | null;
  imagePullPolicy: string;
  serviceAccount: string | null;
  /** Seconds that a finished workflow is kept. */
  ttlSeconds: number | null;
  readonly [key: string]: Value;
}

/** Answer of `extraSteps`. */
export interface ExtraStep {
  /** Lower-case letters, digits and dashes, at most 40 characters; unique. */
  readonly id: string;
  /**
   * `start`: all steps wait for it, and none runs when it fails. `exit`: runs at the end, however the run ended.
   * `last`: the same, after the pipeline of `on_exit_pipeline`; its variable KFK_EXIT_STATUS says how that ended.
   * `around-exit`: no step of its own. It is started in the place of the program that runs that pipeline, gets it and
   * its arguments as more arguments, and has to run it; without `on_exit_pipeline` it is left out.
   */
  readonly place: "start" | "around-exit" | "exit" | "last";
  /** Absent: the image of the project, with the resources, tolerations and affinity of `__default__`. */
  readonly image?: string;
  /**
   * Program and arguments; there is no shell. `{{workflow.name}}`, `{{workflow.uid}}`, `{{workflow.status}}` and
   * `{{workflow.namespace}}` are replaced by the server here and in `env`. The status is there at the end only:
   * `Succeeded`, `Failed` or `Error`, and `Cancelled` for a run on this machine that a person ended. So is
   * `{{workflow.failures}}`, what Argo says of the nodes that failed: JSON in a quoted text, of which only the first
   * 60,000 characters are given; `null` on this machine.
   */
  readonly command: readonly string[];
  /** Beside these, a step in the image of the project has the variables that all steps have. */
  readonly env?: Record<string, string>;
  /**
   * Start steps only: the step writes one line of text to the file that its variable KFK_OUTPUT names, and every step
   * of the run has it as this environment variable. What runs at the end has not.
   */
  readonly gives?: { readonly env: string };
  /**
   * True: with `run-once --local` it runs too, in the project's folder; `python` is the project's interpreter. Only for
   * steps without an image of their own.
   */
  readonly local?: boolean;
}

/** Payload of `lint`; what the command did not make is null. */
export interface LintSubject {
  readonly model: ProjectModel;
  readonly plan: Plan | null;
  readonly documents: readonly ValueMap[] | null;
}

/** What a rule found. */
export interface Finding {
  /** Name of the rule, such as `team/owner-tag`. */
  readonly rule: string;
  readonly message: string;
  /** The one thing to do. */
  readonly hint?: string;
  /** Where it stands, when that is known: a node's `source`, for example. */
  readonly at?: Source;
}

/** Payload of `auth`. */
export interface AuthTarget {
  /** Scheme, name and port, without a slash at the end. What logs in there is sent nowhere else. */
  readonly origin: string;
  readonly namespace: string | null;
  /** `first`; `expiring`: what was given before ends soon; `refused`: the server does not take it any more. */
  readonly why: "first" | "expiring" | "refused";
  /** Paths below which the API may be, without `/apis`, the likelier first; absent: not known. */
  readonly bases?: readonly string[];
}

/** What logs in, and for how long. */
export interface Login {
  /** Header names and texts. */
  readonly headers: Record<string, string>;
  /** Milliseconds since 1970 in UTC after which it is no longer taken; absent: unknown, or never. */
  readonly expiresAtMs?: number;
  /** False: ask again before every request; for what is cheap to read, such as a file that is rotated. */
  readonly keep?: boolean;
  /** The one origin it may be sent to; absent: the server that was asked about. Another one is an error. */
  readonly origin?: string;
  /** Who that is, and for whom the token is meant; both are shown by `kfk auth status`. */
  readonly principal?: string;
  readonly audience?: string;
  /** Client certificate and key in PEM form. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/**
 * A way to log in, as those that ship with kfk are written (`hooks/auth/`). They are asked in a fixed order; the first
 * that applies is the one, and when it fails nothing is sent at all.
 */
export interface AuthProvider {
  /** Lower-case words with dashes: `auth: NAME` in kubeflow.yaml and KFK_AUTH ask for it. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly title: string;
  /** Keys that it reads below `auth:`. */
  readonly settings: readonly string[];
  /** Those of them that choose neither what is sent nor to whom: a project's files may set them for any host. */
  readonly harmless?: readonly string[];
  /** Variables that go before a setting: where one of them is set, the setting chooses nothing. */
  readonly variables?: Readonly<Record<string, readonly string[]>>;
  /** Looks at the environment and files, never at the network. Undefined: nothing here is for it. */
  readonly applies: (server: AuthTarget, context: AuthContext) => AuthReason | undefined;
  readonly login: (server: AuthTarget, context: AuthContext) => Answer<Login>;
}

export interface AuthReason {
  /**
   * `given`: for this command, as an option or variable that names a credential; `ambient`: it lies around on this
   * machine, so a host that only the project names does not get it unless it is trusted.
   */
  readonly how: "given" | "ambient";
  /** Where it comes from: "KFK_TOKEN is set". */
  readonly because: string;
  /** An address beside the server that a setting names and that gets a secret; a project's is asked about on its own. */
  readonly endpoint?: string;
}

/** The world as a provider sees it. */
export interface AuthContext {
  /** An environment variable. */
  readonly env: (name: string) => string | undefined;
  /** What `auth:` says beside the name. */
  readonly settings: ValueMap;
  /** A file's text; undefined when there is none. Paths are absolute, or start at the folder of the command. */
  readonly readText: (path: string) => string | undefined;
  /** Milliseconds since 1970 in UTC. */
  readonly nowMs: () => number;
  /** From now on nothing that kfk writes shows this text, nor its usual encodings: tell it whatever is secret. */
  readonly hide: (secret: string) => void;
  /** A text of somebody else without what is known to be secret; before it is cut, or put into a message. */
  readonly redact: (text: string) => string;
  /** One request that follows no redirect. https alone, but for this machine, the cluster and the metadata server. */
  readonly fetch: (url: string, init: AuthRequest) => Promise<AuthResponse>;
  /** Runs a program without a shell to its end. */
  readonly run: (
    command: readonly string[],
    env?: Record<string, string>,
  ) => Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

/** An answer, read to its end. */
export interface AuthResponse {
  readonly status: number;
  readonly headers: { readonly get: (name: string) => string | null; readonly getSetCookie: () => string[] };
  readonly text: () => Promise<string>;
}

export interface AuthRequest {
  readonly method?: "GET" | "POST";
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly timeoutMs?: number;
  /** Proxy for this request, in the place of what the environment names. */
  readonly proxy?: string;
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly rejectUnauthorized?: boolean;
  };
}
