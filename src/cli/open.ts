/**
 * The first arrows with the project's hooks on them: read the project, find and load its hooks, let them answer what
 * kubeflow.yaml asks, change it, and change the model. Verbs go on with `hooks.steps` and `hooks.documents`.
 *
 * Without hooks nothing is started and nothing else is read but the names of files. `--no-hooks` and KFK_NO_HOOKS turn
 * the project's hooks off; what ships with kfk (templating) stays, as it runs nothing of a project.
 */
import type { Variable } from "../../hooks/contract.ts";
import { buildKubeflow, type KubeflowConfig } from "../config/kubeflow.ts";
import type { Plain } from "../config/plain.ts";
import type { KubeflowAnswers, KubeflowFiles } from "../config/read.ts";
import type { CustomResolver } from "../config/resolvers.ts";
import { type MapNode, placeOf } from "../config/tree.ts";
import { isKfkError, KfkError } from "../error.ts";
import { findHookFiles, type HookFile, type ListedFile } from "../hooks/find.ts";
import { readGit } from "../hooks/git.ts";
import type { ContextData } from "../hooks/message.ts";
import { NO_HOOKS, type ProjectHooks, projectHooks, withShippedSteps } from "../hooks/project.ts";
import { mlflowSteps } from "./mlflow.ts";
import { parseDuration } from "./options.ts";
import { type Ground, readGround, readProject, type ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

export interface OpenProject extends ReadProject {
  readonly hooks: ProjectHooks;
}

export interface OpenGround extends Ground {
  readonly hooks: ProjectHooks;
}

/** The same without pipelines: of the hooks only those of kubeflow.yaml are called. Errors: those of `readGround`, HOOK_*. */
export async function openGround(call: Call): Promise<OpenGround> {
  const read = readGround(call);
  const files = wantsHooks(call) ? findHooks(call, read) : [];
  if (files.length === 0) return { ...read, hooks: NO_HOOKS };
  const hooks = await loadHooks(call, read, files);
  return { ...read, configuration: await extendConfiguration(read.configuration, hooks), hooks };
}

/** Reads the project through its hooks. Errors: those of `readProject`, HOOK_*. */
export async function openProject(call: Call): Promise<OpenProject> {
  const read = await readProject(call);
  if (!wantsHooks(call)) return withMlflow(call, { ...read, hooks: NO_HOOKS });
  const files = findHooks(call, read);
  if (files.length === 0) return withMlflow(call, { ...read, hooks: NO_HOOKS });
  const hooks = await loadHooks(call, read, files);
  const configuration = await extendConfiguration(read.configuration, hooks);
  return withMlflow(call, { ...read, configuration, hooks, model: await hooks.model(read.model) });
}

/** The project's hook files in the order of their calls, without loading them. Errors: HOOK_FILE, CONFIG_KUBEFLOW. */
export function findHooks(call: Call, read: Ground): readonly HookFile[] {
  return findHookFiles(call.world.files, read.facts.root, listedFiles(call, read.configuration));
}

/** Loads and checks files; they are ended when the verb ends. Errors: HOOK_*. */
export async function loadHooks(call: Call, read: Ground, files: readonly HookFile[]): Promise<ProjectHooks> {
  const { startSession } = await import("../hooks/session.ts");
  const { world } = call;
  const given = world.env[TIMEOUT] ?? "";
  const session = await startSession(world, {
    root: read.facts.root,
    files,
    timeoutMs: given === "" ? DEFAULT_TIMEOUT_MS : readTimeout(given),
    isTimeoutGiven: given !== "",
    isQuiet: call.isQuiet,
  });
  call.atEnd(session.close);
  return projectHooks(session, contextOf(call, read), world.env);
}

/** False with `--no-hooks` or KFK_NO_HOOKS. */
export function wantsHooks({ world, options }: Call): boolean {
  const off = world.env["KFK_NO_HOOKS"] ?? "";
  return options.flag("hooks") !== false && (off === "" || off === "0" || off.toLowerCase() === "false");
}

// --- internal ---

/** Asked when a plan is made: the project's hooks have had their say about kubeflow.yaml by then. */
function withMlflow(call: Call, read: OpenProject): OpenProject {
  return { ...read, hooks: withShippedSteps(read.hooks, (plan) => mlflowSteps(call, read, plan)) };
}

const TIMEOUT = "KFK_HOOKS_TIMEOUT";
const DEFAULT_TIMEOUT_MS = 60_000;
/** A day; timers take no more than 24. */
const MAX_TIMEOUT_MS = 86_400_000;

function readTimeout(text: string): number {
  try {
    const ms = parseDuration("timeout", text);
    if (ms <= MAX_TIMEOUT_MS) return ms;
  } catch (error) {
    if (!isKfkError(error, "USAGE_VALUE")) throw error;
  }
  throw new KfkError("USAGE_VALUE", `${TIMEOUT} wants a time of at most a day, and this is none: "${text}"`, {
    hint: `write seconds or a unit, such as ${TIMEOUT}=90 or ${TIMEOUT}=2m`,
  });
}

/** `hooks:` as the files have it, before anything is resolved: hooks may take part in resolving the rest. */
function listedFiles(call: Call, configuration: KubeflowFiles): readonly ListedFile[] {
  let layers: ReturnType<KubeflowFiles["kubeflowLayers"]>;
  try {
    layers = configuration.kubeflowLayers();
  } catch (error) {
    // verbs that need no kubeflow.yaml accept a broken one; the others stop at it later, and say it then
    if (!isKfkError(error) || !error.code.startsWith("CONFIG_")) throw error;
    const { message, at } = error;
    call.atEnd(async () => {
      if (configuration.isKubeflowAsked()) return;
      call.warn([{ message: `hooks that kubeflow.yaml lists are left out: ${message}`, at }]);
    });
    return [];
  }
  // as for every other key, the run environment takes the place of the base
  const node = layers.map(({ tree }) => tree?.entries.get("hooks")).findLast((found) => found !== undefined);
  if (node === undefined || (node.kind === "scalar" && node.value === null)) return [];
  const items = node.kind === "list" ? node.items : undefined;
  return (items ?? [node]).map((item) => {
    const at = placeOf(item.at);
    if (items === undefined || item.kind !== "scalar" || typeof item.value !== "string") throw notFiles(at);
    if (item.value.includes("${")) throw templateInHooks(item.value, at);
    return { path: item.value, at };
  });
}

function contextOf(call: Call, { facts, model }: Ground): ContextData {
  return {
    kfk: call.version,
    verb: call.verb,
    project: { name: facts.name, package: facts.package, kedroVersion: model.project.kedroVersion, root: facts.root },
    runEnv: model.project.env,
    git: readGit(call.world.files, facts.root),
  };
}

/**
 * The configuration with kubeflow.yaml read through the hooks. A file that is wrong is an error when it is asked for;
 * a hook that is wrong is one at once.
 */
async function extendConfiguration<T extends KubeflowFiles>(configuration: T, hooks: ProjectHooks): Promise<T> {
  if (!hooks.has("config") && !hooks.has("variable") && !hooks.has("resolvers")) return configuration;
  let tree: MapNode | undefined;
  try {
    tree = await resolveTree(configuration, hooks);
    if (tree !== undefined) tree = await hooks.config(tree);
  } catch (error) {
    if (!isKfkError(error) || !error.code.startsWith("CONFIG_")) throw error;
    const fail = (): never => {
      throw error;
    };
    return { ...configuration, kubeflow: fail, kubeflowTree: fail };
  }
  let built: { readonly value: KubeflowConfig | undefined } | undefined;
  return {
    ...configuration,
    kubeflowTree: () => tree,
    kubeflow: () => (built ??= { value: tree && buildKubeflow(tree) }).value,
  };
}

/** Each round answers what the one before asked; values inside of values need another. */
const MAX_ROUNDS = 20;

/**
 * Resolving is synchronous and hooks are not: so what a round asks of them is written down, answered, and the next
 * round finds the answers.
 */
async function resolveTree(configuration: KubeflowFiles, hooks: ProjectHooks): Promise<MapNode | undefined> {
  const variables = new Map<string, string | undefined>();
  const values = new Map<string, Plain>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const askedVariables = new Map<string, Variable>();
    const askedValues = new Map<string, { readonly name: string; readonly args: readonly Plain[] }>();
    const answers: KubeflowAnswers = {
      variable: (name, known) => {
        if (hooks.has("variable") && !variables.has(name)) askedVariables.set(name, { name, known });
        return variables.get(name);
      },
      resolvers: new Map(
        [...hooks.resolvers].map((name): [string, CustomResolver] => [
          name,
          {
            kind: "function",
            call: (args) => {
              const key = callKey(name, args);
              const value = values.get(key);
              if (value !== undefined) return { value };
              askedValues.set(key, { name, args });
              return { opaque: "a hook gives it" };
            },
          },
        ]),
      ),
    };
    let tree: MapNode | undefined;
    try {
      tree = configuration.kubeflowTree(answers);
    } catch (error) {
      // what is wrong may be what was asked for in this round
      if (!isKfkError(error) || askedVariables.size + askedValues.size === 0) throw error;
    }
    if (askedVariables.size === 0 && askedValues.size === 0) return tree;
    for (const [name, variable] of askedVariables) variables.set(name, await hooks.variable(variable));
    for (const [key, { name, args }] of askedValues) values.set(key, await hooks.resolve(name, args));
  }
  throw new KfkError("CONFIG_INTERPOLATION", `resolvers of hooks ask for each other more than ${MAX_ROUNDS} times`, {
    hint: "let a resolver of a hook return its final value",
  });
}

function callKey(name: string, args: readonly Plain[]): string {
  const write = (_key: string, value: unknown): unknown => {
    if (typeof value === "bigint") return { int: value.toString() };
    return value instanceof Map ? { map: [...(value as ReadonlyMap<unknown, unknown>)] } : value;
  };
  return JSON.stringify([name, args], write);
}

function notFiles(at: ListedFile["at"]): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", '"hooks" must be a list of files', { at, hint: "write hooks: [ci/kfk.ts]" });
}

function templateInHooks(value: string, at: ListedFile["at"]): KfkError {
  return new KfkError("CONFIG_KUBEFLOW", `"hooks" names files as they are, and "${value}" would have to be resolved`, {
    at,
    hint: "write the path out; it starts at the project's root",
  });
}
