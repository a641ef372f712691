/**
 * The arrows that most verbs begin with: folder → facts → configuration and registry → model → plan of a run.
 */
import { isAbsolute, join, relative, resolve } from "node:path";
import type { GitState } from "../../hooks/contract.ts";
import { templating } from "../../hooks/templating.ts";
import { pipelineName } from "../compile/names.ts";
import { placeOf } from "../config/tree.ts";
import { readConfiguration, type Configuration } from "../config/read.ts";
import { KfkError, suggest, type Warning } from "../error.ts";
import { readGit } from "../hooks/git.ts";
import { catalogRules } from "../kedro/catalog.ts";
import { readRegistry } from "../kedro/registry.ts";
import { readSettings } from "../kedro/settings.ts";
import { filterNodes } from "../pipeline/algebra.ts";
import { buildModel } from "../pipeline/build.ts";
import type { Model, Node } from "../pipeline/model.ts";
import { findProject, type ProjectFacts } from "../project/find.ts";
import { projectHost } from "../project/host.ts";
import { readByHand } from "../config/by-hand.ts";
import type { Host } from "../python/host.ts";
import { hasLeafDuplicates } from "../kedro/era.ts";
import type { Call } from "./verb.ts";

export interface ReadProject {
  readonly facts: ProjectFacts;
  readonly model: Model;
  readonly configuration: Configuration;
  /** Environments that need no mention in names. */
  readonly plainEnvs: readonly string[];
}

/** Reads the whole project. Errors: PROJECT_*, PY_*, CONFIG_*, PIPELINE_*. */
export function readProject(call: Call): ReadProject {
  const { world, options } = call;
  const facts = findProject(world, resolve(world.cwd, options.text("project") ?? "."));
  const host: Host = {
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
          hasLeafDuplicates: hasLeafDuplicates(facts.kedro.version),
        },
        world.files,
        (name) => world.env[name],
      ),
  };
  const identity = { package: facts.package, kedroVersion: facts.kedro.version };
  const settings = readSettings(host, identity);
  const { loader } = settings;
  const confRoot = isAbsolute(settings.confSource) ? settings.confSource : join(facts.root, settings.confSource);
  const named = options.text("env") ?? nonEmpty(world.env["KEDRO_ENV"]);
  const runEnv = named ?? loader.defaultRunEnv;
  let git: { readonly state: GitState | null } | undefined;
  const configuration = readConfiguration(
    {
      confRoot,
      confShown: relative(facts.root, confRoot) || ".",
      baseEnv: loader.baseEnv,
      runEnv,
      isRunEnvNamed: named !== undefined && named !== loader.defaultRunEnv,
      patterns: loader.patterns,
      mergeStrategy: loader.mergeStrategy,
      ignoreHidden: loader.ignoreHidden,
      hasLeafDuplicates: hasLeafDuplicates(facts.kedro.version),
      customResolvers: loader.customResolvers,
      runtimeParams: new Map(),
      catalogRules: catalogRules(facts.kedro.version),
      variable: (name, known, env) => {
        const project = {
          name: facts.name,
          package: facts.package,
          kedroVersion: identity.kedroVersion,
          root: facts.root,
        };
        git ??= { state: readGit(world.files, facts.root) };
        const context = { kfk: call.version, verb: call.verb, project, runEnv, git: git.state, env };
        return templating.variable({ name, known }, context);
      },
    },
    world.files,
    (name) => world.env[name],
  );
  const registry = readRegistry(host, identity);
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
      ...settings.warnings,
      ...configuration.warnings,
      ...registry.warnings,
      ...opaqueParameters(configuration),
      ...configuration.missingRunParams.map(({ key, at }) => ({
        message: `the run parameter "${key}" is not given and has no default: Kedro stops there`,
        at: placeOf(at),
      })),
    ],
  });
  return { facts, model, configuration, plainEnvs: [loader.defaultRunEnv, loader.baseEnv, "local"] };
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

/** Name of a pipeline on the server. */
export function serverName(read: ReadProject, pipeline: string): string {
  const own = read.configuration.kubeflow()?.run.pipelineName ?? null;
  return own ?? pipelineName(read.model.project.name, pipeline, read.model.project.env, read.plainEnvs);
}

// --- internal ---

/** `a,b` → a, b; commas inside brackets belong to an automatic name. */
function splitNames(text: string): string[] {
  return text
    .split(/,(?![^[]*\])/)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function opaqueParameters(configuration: Configuration): Warning[] {
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
