/**
 * The arrows that most verbs begin with: folder → facts → configuration and registry → model → plan of a run.
 */
import { join, relative, resolve } from "node:path";
import * as v from "valibot";
import type { GitState } from "../../hooks/contract.ts";
import { templating } from "../../hooks/templating.ts";
import { imageName } from "../../schemas/names.ts";
import { pipelineName } from "../compile/names.ts";
import { placeOf } from "../config/tree.ts";
import { readConfiguration, readKubeflow, type ConfigurationRequest, type KubeflowFiles } from "../config/read.ts";
import { type Code, isKfkError, KfkError, suggest, type Warning } from "../error.ts";
import { readGit } from "../hooks/git.ts";
import { buildCatalog, catalogRules, type ProjectConfiguration } from "../kedro/catalog.ts";
import { type ProjectIdentity, readRegistry } from "../kedro/registry.ts";
import { readSettings, type Settings } from "../kedro/settings.ts";
import { filterNodes } from "../pipeline/algebra.ts";
import { buildModel } from "../pipeline/build.ts";
import { isParameter, type Model, type Node, withoutTranscoding } from "../pipeline/model.ts";
import { findProject, type ProjectFacts } from "../project/find.ts";
import { projectHost } from "../project/host.ts";
import { withinProject } from "../config/inside.ts";
import { findLayers } from "../config/layers.ts";
import { defaultLoader } from "../kedro/loader.ts";
import { readByHand } from "../config/by-hand.ts";
import type { Host } from "../python/host.ts";
import { eraOf, hasLeafDuplicates, hasMergeStrategy } from "../kedro/era.ts";
import { confSourceOf } from "./conf-source.ts";
import { isFromVariable, namedEnv } from "./environment.ts";
import type { Call } from "./verb.ts";

/** What a project says without its pipelines: where it lies, its name and environment, and kubeflow.yaml. */
export interface Ground {
  readonly facts: ProjectFacts;
  readonly model: { readonly project: Pick<Model["project"], "name" | "env" | "kedroVersion"> };
  readonly configuration: KubeflowFiles;
  /** Environments that need no mention in names. */
  readonly plainEnvs: readonly string[];
}

export interface ReadProject extends Ground {
  readonly model: Model;
  /** The same before hooks of the project change it: what the image has. */
  readonly asRead: Model;
  readonly configuration: ProjectConfiguration;
  /** Hooks of the project may add datasets to the catalog, or it is not known whether there are any. */
  readonly hasHooks: boolean;
  /** Plugins whose hooks settings.py turns off. */
  readonly disabledPlugins: readonly string[];
}

/**
 * Reads the whole project, from where `--from` (or the key `from` of kubeflow.yaml) says. Errors: PROJECT_*, PY_*,
 * CONFIG_*, PIPELINE_*, LOCAL_PYTHON.
 */
export async function readProject(call: Call): Promise<ReadProject> {
  const facts = findProject(call.world, resolve(call.world.cwd, call.options.text("project") ?? "."));
  const from = call.options.text("from") ?? fromKey(call, facts) ?? "auto";
  if (from === "auto" || from === "static") {
    try {
      return readStatic(call, facts);
    } catch (error) {
      if (from === "static" || !isOpen(error)) throw error;
      const { readAfter } = await import("./read-python.ts");
      return await readAfter(call, facts, error);
    }
  }
  const { readFromPython, readFromImage, readFromFile } = await import("./read-python.ts");
  if (from === "python") return await readFromPython(call, facts);
  return from === "image" ? await readFromImage(call, facts) : readFromFile(call, facts, from);
}

/**
 * For verbs that do not look at pipelines: nothing of the project is run, whatever `--from` says. Where only Python
 * could tell where configuration lies, it is where Kedro has it. Errors: PROJECT_*, PY_*, CONFIG_*.
 */
export function readGround(call: Call): Ground {
  const { facts, request, runEnv, plainEnvs } = requestOf(call);
  return {
    facts,
    model: { project: { name: facts.name, env: runEnv, kedroVersion: facts.kedro.version } },
    configuration: readKubeflow(request, call.world.files, (name) => call.world.env[name]),
    plainEnvs,
  };
}

/**
 * Name and environment alone, as runs are marked with them: what `@latest` takes, also where pipelines cannot be read.
 * Errors: PROJECT_*, PY_*, CONFIG_*.
 */
export function readOriginOf(call: Call): { readonly project: string; readonly env: string } {
  const { facts, request, runEnv } = requestOf(call);
  if (request.isRunEnvNamed) findLayers("parameters", request, call.world.files); // an environment that is not there
  return { project: facts.name, env: runEnv };
}

/** How the project's loader is set; Kedro's own way where settings.py cannot be read here. */
export function loaderOf(call: Call, facts: ProjectFacts): ConfigurationRequest {
  return requestFor(call, facts, settingsAsFarAsRead(call, facts)).request;
}

/** Reads the project without running anything of it. Errors: PROJECT_*, PY_*, CONFIG_*, PIPELINE_*. */
export function readStatic(call: Call, facts: ProjectFacts): ReadProject {
  const host = hostOf(call, facts);
  const identity = identityOf(facts);
  const settings = settingsOf(call, facts);
  const { configuration, runEnv, plainEnvs } = configure(call, facts, settings);
  // steps run with KEDRO_ENV set to their environment
  const env = (name: string): string | undefined => (name === "KEDRO_ENV" ? runEnv : host.env(name));
  const registry = readRegistry({ ...host, env }, identity);
  const model = buildModel({
    project: {
      name: facts.name,
      package: facts.package,
      kedroVersion: facts.kedro.version,
      env: runEnv,
      from: "static",
    },
    pipelines: registry.pipelines,
    parameters: configuration.parameters.values,
    classify: configuration.catalog.classify,
    dependsOn: [...registry.dependsOn, ...configuration.dependsOn()],
    warnings: [
      ...(facts.kedro.warning === undefined ? [] : [{ message: facts.kedro.warning }]),
      ...settings.warnings,
      ...configuration.warnings,
      ...registry.warnings,
      ...opaqueParameters(configuration),
      ...configuration.runParams
        .filter(({ isMissing }) => isMissing)
        .map(({ key, at }) => ({
          message: `the run parameter "${key}" is not given and has no default: Kedro stops there`,
          at: placeOf(at),
        })),
    ],
  });
  return { facts, model, asRead: model, configuration, plainEnvs, ...hooksOf(settings) };
}

/** What the settings say of hooks. */
export function hooksOf({
  hasHooks,
  disabledPlugins = [],
}: Settings): Pick<ReadProject, "hasHooks" | "disabledPlugins"> {
  return { hasHooks, disabledPlugins };
}

/** Configuration for the run environment; `settings` come from the project or are Kedro's own. Errors: CONFIG_*. */
export function configure(
  call: Call,
  facts: ProjectFacts,
  settings: Settings,
): { readonly configuration: ProjectConfiguration; readonly runEnv: string; readonly plainEnvs: readonly string[] } {
  const { request, runEnv, plainEnvs } = requestFor(call, facts, settings);
  const { world } = call;
  const rules = catalogRules(facts.kedro.version);
  const configuration = readConfiguration(
    request,
    world.files,
    (name) => world.env[name],
    (tree) => buildCatalog(tree, rules),
  );
  return { configuration, runEnv, plainEnvs };
}

/** What reading configuration takes, also when only kubeflow.yaml is wanted. */
export function requestFor(
  call: Call,
  facts: ProjectFacts,
  settings: Settings,
): { readonly request: ConfigurationRequest; readonly runEnv: string; readonly plainEnvs: readonly string[] } {
  const { world } = call;
  const { loader } = settings;
  const given = confSourceOf(call, facts.root, facts.kedro.version);
  const confRoot = given?.path ?? resolve(facts.root, settings.confSource);
  const named = namedEnv(call);
  const runEnv = named ?? loader.defaultRunEnv;
  let git: { readonly state: GitState | null } | undefined;
  const request: ConfigurationRequest = {
    confRoot,
    confShown: given?.inProject === null ? given.typed : relative(facts.root, confRoot) || ".",
    baseEnv: loader.baseEnv,
    runEnv,
    isRunEnvNamed: named !== undefined && named !== loader.defaultRunEnv,
    ...(isFromVariable(call) ? { runEnvFrom: "KEDRO_ENV" as const } : {}),
    kind: loader.kind,
    globalsPattern: loader.globalsPattern,
    codeGlobals: loader.globals,
    patterns: loader.patterns,
    mergeStrategy: loader.mergeStrategy,
    ignoreHidden: loader.ignoreHidden,
    // a folder elsewhere that a person named is as good as the project; what it links to is not
    within: withinProject(world.env, given?.inProject === null ? given.path : facts.root),
    hasLeafDuplicates: hasLeafDuplicates(facts.kedro.version),
    hasMergeStrategy: loader.kind === "OmegaConfigLoader" && hasMergeStrategy(facts.kedro.version),
    ...(loader.takesKedroConfig
      ? { kedroConfig: Object.keys(world.env).filter((name) => name.startsWith("KEDRO_CONFIG_")) }
      : {}),
    customResolvers: loader.customResolvers,
    runtimeParams: new Map(),
    overridden: overriddenKeys(call),
    variable: (name, known, env) => {
      const { kedroVersion } = identityOf(facts);
      const project = { name: facts.name, package: facts.package, kedroVersion, root: facts.root };
      git ??= { state: readGit(world.files, facts.root) };
      const context = { kfk: call.version, verb: call.verb, project, runEnv, git: git.state, env };
      return templating.variable({ name, known }, context);
    },
  };
  return { request, runEnv, plainEnvs: [loader.defaultRunEnv, loader.baseEnv, "local"] };
}

/** What an option gives, as far as it is legal; the option's own check says what is wrong with another. */
function overriddenKeys({ options }: Call): ReadonlyMap<string, string> {
  const image = options.text("image");
  const pairs = [
    ["image", image !== undefined && v.is(imageName, image) ? image : undefined],
    ["experiment_name", options.text("experiment-name")],
    ["run_name", options.text("run-name")],
  ] as const;
  return new Map(pairs.filter((pair): pair is [(typeof pair)[0], string] => pair[1] !== undefined && pair[1] !== ""));
}

export function identityOf(facts: ProjectFacts): ProjectIdentity {
  return { package: facts.package, kedroVersion: facts.kedro.version, old: facts.old };
}

/** Nodes of the chosen pipeline after Kedro's filters. Errors: PIPELINE_UNKNOWN, PIPELINE_FILTER, PIPELINE_EMPTY. */
export function selectNodes(call: Call, model: Model, pipeline: string): readonly Node[] {
  const found = model.pipelines.get(pipeline);
  if (found === undefined) throw unknownPipeline(pipeline, [...model.pipelines.keys()]);
  const { options } = call;
  const names = (option: string): string[] => options.list(option).flatMap(splitNames);
  const filter = {
    tags: names("tags"),
    nodes: names("nodes"),
    fromNodes: names("from-nodes"),
    toNodes: names("to-nodes"),
    namespaces: names("namespaces"),
  };
  const isFiltered = Object.values(filter).some((list) => list.length > 0);
  const nodes = isFiltered ? filterNodes(found.nodes, filter) : found.nodes;
  if (nodes.length === 0) {
    throw new KfkError("PIPELINE_EMPTY", `the pipeline "${pipeline}" has no nodes`, {
      hint: "choose another with --pipeline",
    });
  }
  return nodes;
}

/**
 * Inputs that nothing makes and nothing holds, as Kedro checks before a run. Errors: PIPELINE_INPUT; a warning where
 * hooks of the project may still add them.
 */
export function checkInputs(read: ReadProject, nodes: readonly Node[], given: ReadonlySet<string>): Warning[] {
  const made = new Set(nodes.flatMap((node) => node.outputs).map(withoutTranscoding));
  const { parameters } = read.configuration;
  const isThere = (name: string): boolean => {
    if (name === "parameters") return true;
    if (name.startsWith("params:")) {
      return parameters.has(name) !== "no" || given.has(name.slice("params:".length).split(".", 1)[0] as string);
    }
    const dataset = read.model.datasets.get(name);
    return dataset?.place !== "memory" || dataset.source !== null;
  };
  for (const node of nodes) {
    const name = node.inputs.find((input) => !made.has(withoutTranscoding(input)) && !isThere(input));
    if (name === undefined) continue;
    const what = isParameter(name)
      ? `reads "${name}", and there is no such parameter`
      : `reads "${name}", which no node of this run makes and which is not in the catalog`;
    const message = `node "${node.name}" ${what}`;
    const at = node.source === null ? undefined : { ...node.source, column: 1 };
    if (read.hasHooks) return [{ message: `${message}; only a hook of the project can add it`, at }];
    throw new KfkError("PIPELINE_INPUT", message, {
      at,
      hint: isParameter(name)
        ? "set it in conf/base/parameters.yml"
        : "add it to conf/base/catalog.yml, or run the node that makes it too",
    });
  }
  return [];
}

/** Name of a pipeline on the server. */
export function serverName(read: Ground, pipeline: string): string {
  const own = read.configuration.kubeflow()?.run.pipelineName ?? null;
  return own ?? pipelineName(read.model.project.name, pipeline, read.model.project.env, read.plainEnvs);
}

// --- internal ---

/** The project around the command, and what reading its configuration takes as far as the sources tell it. */
function requestOf(call: Call): ReturnType<typeof requestFor> & { readonly facts: ProjectFacts } {
  const facts = findProject(call.world, resolve(call.world.cwd, call.options.text("project") ?? "."));
  return { facts, ...requestFor(call, facts, settingsAsFarAsRead(call, facts)) };
}

/** The project's folder, and its conf for code that reads it by hand. */
function hostOf({ world }: Call, facts: ProjectFacts): Host {
  return {
    ...projectHost(world, facts),
    conf: ({ key, confSource, ...request }) =>
      readByHand(
        key,
        {
          ...request,
          confRoot: join(facts.root, confSource),
          confShown: confSource,
          mergeStrategy: new Map(),
          ignoreHidden: true,
          within: withinProject(world.env, facts.root),
          hasLeafDuplicates: hasLeafDuplicates(facts.kedro.version),
        },
        world.files,
        (name) => world.env[name],
      ),
  };
}

/** What only running the project's Python could tell; everything else that is wrong is wrong there too. */
export function isOpen(error: unknown): error is KfkError {
  return ["PY_UNKNOWN", "PY_LIMIT", "CONFIG_LOADER"].some((code) => isKfkError(error, code as Code));
}

/** The key `from`, as far as kubeflow files can be read; verbs that need them find out what is wrong with them. */
function fromKey(call: Call, facts: ProjectFacts): string | undefined {
  try {
    const kubeflow = kubeflowFiles(call, facts);
    // checking and resolving a whole file takes longer than seeing that it has no such key
    const isThere = kubeflow.kubeflowLayers().some(({ tree }) => tree?.entries.has("from"));
    return isThere ? (kubeflow.kubeflow()?.from ?? undefined) : undefined;
  } catch (error) {
    if (error instanceof KfkError) return undefined;
    throw error;
  }
}

function kubeflowFiles(call: Call, facts: ProjectFacts): KubeflowFiles {
  const { request } = requestFor(call, facts, settingsOf(call, facts));
  return readKubeflow(request, call.world.files, (name) => call.world.env[name]);
}

const settingsRead = new WeakMap<ProjectFacts, Settings>(); // evaluated once for each reading of a project

function settingsOf(call: Call, facts: ProjectFacts): Settings {
  const known = settingsRead.get(facts) ?? readSettings(hostOf(call, facts), identityOf(facts));
  settingsRead.set(facts, known);
  return known;
}

function settingsAsFarAsRead(call: Call, facts: ProjectFacts): Settings {
  try {
    return settingsOf(call, facts);
  } catch (error) {
    if (!isOpen(error)) throw error;
    return { confSource: "conf", loader: defaultLoader(eraOf(facts.kedro.version)), hasHooks: true, warnings: [] };
  }
}

/** `a,b` → a, b; commas inside brackets belong to an automatic name. */
function splitNames(text: string): string[] {
  return text
    .split(/,(?![^[]*\])/)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function opaqueParameters(configuration: ProjectConfiguration): Warning[] {
  return [...configuration.parameters.opaque].map(([key, { reason, at }]) => ({
    message: `parameter "${key}" stays in the image's conf: ${reason}`,
    at,
  }));
}

function unknownPipeline(pipeline: string, known: readonly string[]): KfkError {
  const near = suggest(pipeline, known);
  const list = known.join(", ");
  return new KfkError("PIPELINE_UNKNOWN", `the project registers no pipeline "${pipeline}"`, {
    hint: near ? `did you mean --pipeline ${near}? registered: ${list}` : `registered: ${list}`,
  });
}
