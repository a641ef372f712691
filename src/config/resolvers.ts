/**
 * The resolvers that `${name:…}` may call: OmegaConf's own, Kedro's `globals` and `runtime_params`, and those that a
 * project brings itself.
 *
 * A project's resolver is a function that can be called here, or a name with the reason why it cannot; the value it
 * stands for is opaque then. Environment variables are asked for through a function, so that every answer is known.
 * Source: OmegaConf 2.3.1 `resolvers/oc`, Kedro 0.19.0 to 1.7.0 `OmegaConfigLoader`.
 */
import type { Plain, PlainKey } from "./plain.ts";
import { pythonStr } from "./python-text.ts";
import { adopt, fromPlain, toPlain, type ConfigNode, type ContainerNode, type MapNode, type Spot } from "./tree.ts";

/** What a project registers under a name in `custom_resolvers`. */
export type CustomResolver =
  | { readonly kind: "function"; readonly call: (args: readonly Plain[]) => ResolverAnswer }
  /** One of OmegaConf's own under any name; `oc.env` is the one that Kedro takes away. */
  | { readonly kind: "builtin"; readonly name: string }
  | { readonly kind: "opaque"; readonly reason: string };

export type ResolverAnswer = { readonly value: Plain } | { readonly opaque: string };

/** One call, as a resolver sees it. Errors of `fail` name the place of the call. */
export interface ResolverCallContext {
  readonly name: string;
  readonly args: readonly ConfigNode[];
  readonly at: Spot | undefined;
  /** The container of the value that holds the call. */
  readonly parent: ContainerNode;
  /** A value by its key path as `oc.select` finds it, dereferenced; undefined: not there. */
  readonly select: (
    from: ContainerNode,
    key: string,
    options?: { readonly isAbsolute?: boolean },
  ) => ConfigNode | undefined;
  readonly decode: (text: string) => ConfigNode;
  /** Everything in a value resolved. */
  readonly finish: (node: ConfigNode) => ConfigNode;
  /** Python's `str()` of a value; undefined when it is opaque. */
  readonly show: (node: ConfigNode) => string | undefined;
  readonly createFromText: (text: string) => ConfigNode;
  readonly warn: (message: string) => void;
  readonly fail: (message: string, hint?: string) => Error;
  readonly failUnknownKey: (key: string) => Error;
}

export type Resolver = (call: ResolverCallContext) => ConfigNode;
export type Resolvers = ReadonlyMap<string, Resolver>;

export interface ResolverSettings {
  readonly customResolvers: ReadonlyMap<string, CustomResolver>;
  /** Environment variables; the caller records what was asked for. */
  readonly env: (name: string) => string | undefined;
  /** What `oc.env` gives is the machine's own and goes into no document: true for parameters. */
  readonly isEnvOpaque: boolean;
  /** `oc.env` is there: for credentials and kubeflow.yaml. */
  readonly hasEnv: boolean;
  /** Values of globals files, absent while they are read themselves. */
  readonly globals: (() => ContainerNode) | undefined;
  /** Values given for one run, absent where the resolver is not allowed (globals). */
  readonly runtimeParams: ContainerNode | undefined;
  /** Told of every run parameter that is asked for. */
  readonly onRunParam: (asked: RunParam) => void;
}

/** A `${runtime_params:key}`. */
export interface RunParam {
  readonly key: string;
  /** It has neither a value nor a default: only a run can fill it. */
  readonly isMissing: boolean;
  readonly at: Spot | undefined;
}

/** All resolvers in force for one type of configuration. */
export function buildResolvers(settings: ResolverSettings): Resolvers {
  const builtins = new Map<string, Resolver>([
    ["oc.create", ocCreate],
    ["oc.decode", ocDecode],
    ["oc.deprecated", ocDeprecated],
    ["oc.dict.keys", ocDictKeys],
    ["oc.dict.values", ocDictValues],
    ["oc.select", ocSelect],
  ]);
  const ocEnv = buildOcEnv(settings.env, settings.isEnvOpaque);
  const resolvers = new Map(builtins);
  for (const [name, custom] of settings.customResolvers) {
    // the first registration of a name stays
    if (!builtins.has(name)) resolvers.set(name, buildCustom(custom, builtins, ocEnv));
  }
  if (settings.hasEnv && !resolvers.has("oc.env")) resolvers.set("oc.env", ocEnv);
  resolvers.set("globals", settings.globals ? buildGlobals(settings.globals) : refuseIn("globals", "globals"));
  resolvers.set(
    "runtime_params",
    settings.runtimeParams
      ? buildRuntimeParams(settings.runtimeParams, settings.onRunParam)
      : refuseIn("runtime_params", "globals"),
  );
  return resolvers;
}

// --- internal ---

function buildCustom(custom: CustomResolver, builtins: Resolvers, ocEnv: Resolver): Resolver {
  switch (custom.kind) {
    case "opaque":
      return (call) => ({ kind: "opaque", reason: `\${${call.name}:…}: ${custom.reason}`, at: call.at });
    case "builtin":
      return (custom.name === "oc.env" ? ocEnv : builtins.get(custom.name)) ?? unknownBuiltin(custom.name);
    case "function":
      return (call) => {
        const args: Plain[] = [];
        for (const arg of call.args) {
          const finished = call.finish(arg);
          if (finished.kind === "opaque") return finished;
          const value = toPlain(finished);
          if (value === undefined) return { kind: "opaque", reason: "a part of an argument is not known", at: call.at };
          args.push(value);
        }
        const answer = custom.call(args);
        if ("opaque" in answer) return { kind: "opaque", reason: answer.opaque, at: call.at };
        return made(fromPlain(answer.value, call.at, { literal: true }));
      };
  }
}

/** A container that a resolver made: Python's own, in which OmegaConf selects nothing. */
function made(node: ConfigNode): ConfigNode {
  if (node.kind === "map") return { ...node, raw: true };
  if (node.kind === "list") return { ...node, raw: true };
  return node;
}

function unknownBuiltin(name: string): Resolver {
  return (call) => ({ kind: "opaque", reason: `${name} is not known`, at: call.at });
}

function buildOcEnv(env: (name: string) => string | undefined, isOpaque: boolean): Resolver {
  return (call) => {
    checkCount(call, 1, 2);
    const name = textArgument(call, 0);
    if (typeof name !== "string") return name;
    const value = env(name);
    if (isOpaque) {
      return { kind: "opaque", reason: `it comes from the environment variable ${name} of each machine`, at: call.at };
    }
    if (value !== undefined) return literal(value, call.at);
    const fallback = call.args[1];
    if (fallback === undefined) {
      throw call.fail(
        `the environment variable ${name} is not set`,
        `set it, or give a default: \${${call.name}:${name},default}`,
      );
    }
    if (fallback.kind === "scalar" && fallback.value === null) return fallback;
    const shown = call.show(fallback);
    return shown === undefined ? fallback : literal(shown, call.at);
  };
}

const ocSelect: Resolver = (call) => {
  checkCount(call, 1, 2);
  const key = textArgument(call, 0);
  if (typeof key !== "string") return key;
  const found = call.select(call.parent, key, { isAbsolute: true });
  if (found !== undefined && !isMissing(found)) return found;
  return call.args[1] ?? literal(null, call.at);
};

const ocDecode: Resolver = (call) => {
  checkCount(call, 1, 1);
  const [text] = call.args;
  if (text?.kind === "scalar" && text.value === null) return text;
  if (text?.kind === "opaque") return text;
  if (text?.kind !== "scalar" || typeof text.value !== "string") throw call.fail("oc.decode takes text");
  return call.decode(text.value);
};

const ocCreate: Resolver = (call) => {
  checkCount(call, 1, 1);
  const [value] = call.args;
  if (value === undefined || value.kind === "opaque") return value ?? literal(null, call.at);
  if (value.kind === "scalar") {
    if (value.value === null) return value;
    if (typeof value.value !== "string") throw call.fail("oc.create takes a mapping, a list or YAML text");
    return under(call.parent, call.createFromText(value.value));
  }
  return under(call.parent, unwrapped(value, call));
};

const ocDictKeys: Resolver = (call) => {
  const map = dictArgument(call);
  if (map.kind === "opaque") return map;
  const items = [...map.entries.keys()].map((key): ConfigNode => ({ kind: "scalar", value: key, at: call.at }));
  return under(call.parent, adopt({ kind: "list", items, at: call.at }));
};

const ocDictValues: Resolver = (call) => {
  const map = dictArgument(call);
  if (map.kind === "opaque") return map;
  const key = textArgument(call, 0) as string;
  // one level deeper than the call, as the values hang in a list of their own
  const from = key.startsWith(".") ? `.${key}` : key;
  const items = [...map.entries.keys()].map((name): ConfigNode => ({
    kind: "scalar",
    value: `\${${from}.${keyText(name)}}`,
    at: call.at,
  }));
  return under(call.parent, adopt({ kind: "list", items, at: call.at }));
};

const ocDeprecated: Resolver = (call) => {
  checkCount(call, 1, 2);
  const key = textArgument(call, 0);
  if (typeof key !== "string") return key;
  const found = call.select(call.parent, key, { isAbsolute: true });
  if (found === undefined) throw call.failUnknownKey(key);
  call.warn(`a deprecated key is used: "${key}" takes its place`);
  return found;
};

function buildGlobals(globals: () => ContainerNode): Resolver {
  return (call) => {
    checkCount(call, 1, 2);
    const key = textArgument(call, 0);
    if (typeof key !== "string") return key;
    if (key.startsWith("_")) throw call.fail(`"${key}" starts with _, and such keys are not visible as globals`);
    const found = call.select(globals(), key);
    if (found !== undefined && !isMissing(found)) return found;
    const fallback = call.args[1];
    if (fallback !== undefined) return fallback;
    throw call.fail(
      `globals have no "${key}"`,
      `set it in globals.yml, or give a default: \${globals:${key}, default}`,
    );
  };
}

function buildRuntimeParams(params: ContainerNode, onRunParam: (asked: RunParam) => void): Resolver {
  return (call) => {
    checkCount(call, 1, 2);
    const key = textArgument(call, 0);
    if (typeof key !== "string") return key;
    const found = call.select(params, key);
    const value = found !== undefined && !isMissing(found) ? found : call.args[1];
    onRunParam({ key, isMissing: value === undefined, at: call.at });
    if (value !== undefined) return value;
    return { kind: "opaque", reason: `the run parameter "${key}" is not given and has no default`, at: call.at };
  };
}

function refuseIn(name: string, where: string): Resolver {
  return (call) => {
    throw call.fail(`the resolver ${name} cannot be used in ${where} files`);
  };
}

function under(parent: ContainerNode, node: ConfigNode): ConfigNode {
  node.up = parent;
  return node;
}

/** A raw container as one of OmegaConf's: text in it may hold interpolations, keys can be selected. */
function unwrapped(node: ConfigNode, call: ResolverCallContext): ConfigNode {
  if (node.kind === "scalar") return { kind: "scalar", value: node.value, at: node.at };
  if (node.kind === "opaque") return { ...node };
  if (node.kind === "list")
    return adopt({ kind: "list", items: node.items.map((item) => unwrapped(item, call)), at: node.at });
  const entries = new Map<PlainKey, ConfigNode>();
  for (const [key, item] of node.entries) {
    if (key === null) throw call.fail(`${call.name}: a key cannot be null`);
    entries.set(key, unwrapped(item, call));
  }
  return adopt({ kind: "map", entries, at: node.at });
}

function dictArgument(call: ResolverCallContext): MapNode | (ConfigNode & { kind: "opaque" }) {
  checkCount(call, 1, 1);
  const key = textArgument(call, 0);
  if (typeof key !== "string") return key as ConfigNode & { kind: "opaque" };
  const found = call.select(call.parent, key, { isAbsolute: true });
  if (found === undefined || isMissing(found)) throw call.failUnknownKey(key);
  if (found.kind === "opaque") return found;
  if (found.kind !== "map" || found.raw) throw call.fail(`${call.name}: "${key}" is not a mapping`);
  return found;
}

/** The text of an argument, or the argument itself where it is opaque. */
function textArgument(call: ResolverCallContext, index: number): string | ConfigNode {
  const arg = call.args[index];
  if (arg?.kind === "opaque") return arg;
  if (arg?.kind === "scalar" && typeof arg.value === "string") return arg.value;
  throw call.fail(`the resolver ${call.name} takes a name as text, like \${${call.name}:some.key}`);
}

function checkCount(call: ResolverCallContext, least: number, most: number): void {
  const { length } = call.args;
  if (length >= least && length <= most) return;
  const wanted = least === most ? `${least}` : `${least} or ${most}`;
  throw call.fail(`the resolver ${call.name} takes ${wanted} arguments, and ${length} are given`);
}

function isMissing(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.value === "???";
}

function literal(value: null | string, at: Spot | undefined): ConfigNode {
  return { kind: "scalar", value, at, literal: true };
}

function keyText(key: PlainKey): string {
  return pythonStr(key);
}
