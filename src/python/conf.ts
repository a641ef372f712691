/**
 * Configuration that pipeline code reads by itself: `OmegaConfigLoader(…)["parameters"]`, `OmegaConf.load(path)`,
 * `yaml.safe_load(open(path))`. Comes in: calls of these library functions; goes out: values, through the host, which
 * records every file. Refused as unknown: other loaders and arguments, files outside of the project, credentials, texts
 * that the libraries read differently.
 * Source: Kedro 0.19.0 to 1.7.0 `OmegaConfigLoader`, OmegaConf 2.3, PyYAML 6.
 */
import { posix } from "node:path";
import { isPlainList, isPlainMap, type Plain } from "../config/plain.ts";
import { toPlain } from "../config/tree.ts";
import { parseYaml } from "../config/yaml.ts";
import { KfkError } from "../error.ts";
import { openFile } from "./library-files.ts";
import { iterate } from "./operators.ts";
import { getItem } from "./items.ts";
import {
  derive,
  isObj,
  list,
  unknown,
  unknownOf,
  type CallArguments,
  type Custom,
  type Site,
  type Unknown,
  type Value,
} from "./value.ts";
import { dictFrom } from "./keys.ts";
import { raise, type Vm } from "./vm.ts";

type Call = (args: CallArguments, site: Site) => Value;

/** Dotted name of a library function → what a call of it gives. */
export function configurationCalls(vm: () => Vm): ReadonlyMap<string, Value> {
  const loader: Call = (args, site) => makeLoader(vm(), args, site);
  const yaml: Call = (args, site) => safeLoad(args.positional[0] ?? args.keywords.get("stream") ?? null, site);
  const rows: Readonly<Record<string, Call>> = {
    "kedro.config.OmegaConfigLoader": loader,
    "kedro.config.omegaconf_config.OmegaConfigLoader": loader,
    "omegaconf.OmegaConf.load": (args, site) => loadConf(vm(), args.positional[0] ?? null, site),
    "omegaconf.OmegaConf.create": (args, site) => wrapped(args.positional[0] ?? dictFrom([]), site),
    "omegaconf.OmegaConf.to_container": (args, site) => unwrapped(args.positional[0] ?? null, site),
    "omegaconf.OmegaConf.to_object": (args, site) => unwrapped(args.positional[0] ?? null, site),
    "yaml.safe_load": yaml,
    "yaml.load": (args, site) => {
      const wanted = args.positional[1] ?? args.keywords.get("Loader") ?? null;
      const isSafe = isObj(wanted) && wanted.kind === "unknown" && /^yaml\.C?SafeLoader$/.test(wanted.external ?? "");
      return isSafe ? yaml(args, site) : unknown("this yaml.load() is not followed", site);
    },
  };
  const counted =
    (call: Call): Call =>
    (args, site) => {
      const value = call(args, site);
      // what is not known may have been an exception in Python
      if (isObj(value) && value.kind === "unknown") vm().unknownCalls++;
      return value;
    };
  return new Map(Object.entries(rows).map(([name, call]) => [name, { kind: "builtin", name, call: counted(call) }]));
}

/** Text of a path value: `str` or `Path`, relative to the project. */
export function pathOf(value: Value): string | undefined {
  if (typeof value === "string") return value;
  return isObj(value) && value.kind === "custom" && value.type === "Path" ? (value.data as string) : undefined;
}

// --- internal ---

const LOADER_ARGUMENTS: ReadonlySet<string> = new Set([
  "conf_source",
  "env",
  "runtime_params",
  "base_env",
  "default_run_env",
  "config_patterns",
]);

function makeLoader(vm: Vm, args: CallArguments, site: Site): Value {
  const given = new Map(args.keywords);
  for (const [index, name] of ["conf_source", "env", "runtime_params"].entries()) {
    const value = args.positional[index];
    if (value !== undefined) given.set(name, value);
  }
  const doubt = (why: string): Unknown => unknown(`this OmegaConfigLoader is not followed: ${why}`, site);
  const other = [...given.keys()].find((name) => !LOADER_ARGUMENTS.has(name));
  if (other !== undefined || args.positional.length > 3) return doubt(`its argument ${other ?? "list"}`);
  for (const value of given.values()) {
    const bad = unknownOf(value);
    if (bad) return derive(bad, site);
  }
  const runtime = given.get("runtime_params") ?? null;
  if (runtime !== null && !(isObj(runtime) && runtime.kind === "dict" && runtime.map.size === 0))
    return doubt("it has parameters of a run");
  const source = pathOf(given.get("conf_source") ?? null);
  if (source === undefined || posix.isAbsolute(source) || posix.normalize(source).startsWith(".."))
    return doubt("its conf_source is no folder of the project");
  const [env, base, standard] = ["env", "base_env", "default_run_env"].map((name) => given.get(name) ?? "");
  if (typeof env !== "string" || typeof base !== "string" || typeof standard !== "string")
    return doubt("its environments");
  const patterns = patternsIn(given.get("config_patterns") ?? null, site);
  if (!(patterns instanceof Map)) return patterns;
  const read = (key: Value, at: Site): Value => {
    if (typeof key !== "string") return unknownOf(key) ?? unknown("this key of the configuration is not followed", at);
    const answer = vm.host.conf?.({
      confSource: posix.normalize(source),
      key,
      baseEnv: base,
      runEnv: env === "" ? standard : env,
      isRunEnvNamed: env !== "" && env !== standard,
      patterns,
    });
    if (answer?.value === undefined) vm.unknownCalls++;
    if (answer === undefined) return unknown("configuration cannot be read here", at);
    for (const name of answer.dependsOn) vm.dependsOn.add(name);
    return answer.value === undefined
      ? unknown(`the configuration "${key}" cannot be known: ${answer.reason}`, at)
      : fromPlain(answer.value);
  };
  return {
    kind: "custom",
    type: "OmegaConfigLoader",
    item: read,
    attribute: (name, at) =>
      name === "get"
        ? { kind: "builtin", name, call: (inner, here) => read(inner.positional[0] ?? null, here) }
        : unknown(`"${name}" of an OmegaConfigLoader is not followed`, at),
  };
}

function patternsIn(value: Value, site: Site): Map<string, readonly string[]> | Unknown {
  const patterns = new Map<string, readonly string[]>();
  if (value === null) return patterns;
  if (!isObj(value) || value.kind !== "dict") return unknown("these config_patterns are not followed", site);
  for (const entry of value.map.values()) {
    const found = iterate(entry.value, site);
    if ("kind" in found || typeof entry.key !== "string" || found.items.some((item) => typeof item !== "string"))
      return unknown("these config_patterns are not followed", site);
    patterns.set(entry.key, found.items as readonly string[]);
  }
  return patterns;
}

function loadConf(vm: Vm, path: Value, site: Site): Value {
  const bad = unknownOf(path);
  if (bad) return derive(bad, site);
  const name = pathOf(path);
  const file = name === undefined ? path : openFile(vm, name, site);
  const value = parsed(file, site);
  return isObj(value) && value.kind === "unknown" ? value : wrapped(value, site);
}

/** PyYAML's safe loader reads a few words differently than OmegaConf's: numbers such as `1e3`, dates. */
function safeLoad(stream: Value, site: Site): Value {
  const text = textOf(stream);
  if (text !== undefined && (/\d[eE]\d/.test(text) || /\d{4}-\d{1,2}-\d{1,2}/.test(text)))
    return unknown("this YAML may hold dates or numbers that kfk does not follow", site);
  return parsed(stream, site);
}

function textOf(stream: Value): string | undefined {
  if (typeof stream === "string") return stream;
  return isObj(stream) && stream.kind === "custom" && stream.type === "file" ? (stream.data as string) : undefined;
}

function parsed(stream: Value, site: Site): Value {
  const bad = unknownOf(stream);
  if (bad) return derive(bad, site);
  const text = textOf(stream);
  if (text === undefined) return unknown("what this YAML is read from is not followed", site);
  try {
    const tree = parseYaml({ file: "", text });
    const plain = tree === undefined ? null : toPlain(tree);
    return plain === undefined ? unknown("this YAML is not followed", site) : fromPlain(plain);
  } catch (error) {
    if (!(error instanceof KfkError)) throw error;
    return unknown(`this YAML is not followed: ${error.message}`, site);
  }
}

function fromPlain(value: Plain): Value {
  if (isPlainList(value)) return list(value.map(fromPlain));
  if (isPlainMap(value)) return dictFrom([...value].map(([key, item]) => [key, fromPlain(item)] as const));
  return value as Value;
}

const CONF = "OmegaConf";

/** A DictConfig or ListConfig: read as its container, and never changed. */
function wrapped(value: Value, site: Site): Value {
  const bad = unknownOf(value);
  if (bad) return derive(bad, site);
  if (!isObj(value)) {
    if (typeof value === "string" && (value.includes("${") || value === "???"))
      return unknown("an interpolation of OmegaConf is not followed", site);
    return value;
  }
  if (value.kind === "custom" && value.type === CONF) return value;
  if (value.kind !== "dict" && value.kind !== "list") return unknown("this value of OmegaConf is not followed", site);
  const conf: Custom = {
    kind: "custom",
    type: CONF,
    data: value,
    length: () => (value.kind === "dict" ? value.map.size : value.items.length),
    truth: () => (value.kind === "dict" ? value.map.size : value.items.length) > 0,
    iterate: () =>
      value.kind === "dict"
        ? [...value.map.values()].map((entry) => entry.key)
        : value.items.map((item) => wrapped(item, site)),
    item: (key, at) => wrapped(member(value, key, at), at),
    attribute: (name, at) => {
      if (value.kind !== "dict") return unknown(`"${name}" of a ListConfig is not followed`, at);
      const method = (call: Call): Value => ({ kind: "builtin", name, call });
      const items = [...value.map.values()];
      switch (name) {
        case "keys":
          return method(() => list(items.map((entry) => entry.key)));
        case "values":
          return method((_, here) => list(items.map((entry) => wrapped(entry.value, here))));
        case "items":
          return method((_, here) =>
            list(items.map((entry) => ({ kind: "tuple", items: [entry.key, wrapped(entry.value, here)] }))),
          );
        case "get":
          return method((args, here) => {
            const [key = null, standard = null] = args.positional;
            const found = items.find((entry) => entry.key === key && !isObj(key));
            return found ? wrapped(found.value, here) : (unknownOf(key) ?? standard);
          });
        default: {
          const found = items.find((entry) => entry.key === name);
          return found ? wrapped(found.value, at) : unknown(`"${name}" of a DictConfig is not followed`, at);
        }
      }
    },
    contains: (key) => value.kind === "dict" && [...value.map.values()].some((entry) => entry.key === key),
  };
  return conf;
}

function member(value: Value, key: Value, site: Site): Value {
  const bad = unknownOf(key);
  if (bad) return derive(bad, site);
  if (isObj(value) && value.kind === "dict" && ![...value.map.values()].some((entry) => entry.key === key))
    throw raise("ConfigKeyError", `Missing key ${String(key)}`, site);
  return getItem(value, key, site);
}

/** The plain container; a copy, as OmegaConf makes one. */
function unwrapped(value: Value, site: Site): Value {
  const bad = unknownOf(value);
  if (bad) return derive(bad, site);
  if (!isObj(value) || value.kind !== "custom" || value.type !== CONF)
    return unknown("this to_container is not followed", site);
  const copy = (item: Value): Value => {
    const checked = wrapped(item, site);
    if (!isObj(checked) || checked.kind === "unknown") return checked;
    const { data } = checked as Custom;
    const inner = data as Value;
    if (isObj(inner) && inner.kind === "list") return list(inner.items.map(copy));
    if (isObj(inner) && inner.kind === "dict")
      return dictFrom([...inner.map.values()].map((entry) => [entry.key, copy(entry.value)] as const));
    return inner;
  };
  return copy(value);
}
