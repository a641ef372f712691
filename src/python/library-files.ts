/**
 * `os`, `os.path`, `dotenv` and `pathlib`: the environment and files. The host is asked for them, and every answer is
 * noted as something that the graph depends on. Files outside of the project, and files of secrets, are not opened.
 */
import { posix } from "node:path";
import { type AddModule, type Row } from "./rows.ts";
import { derive, isObj, list, tuple, unknown, unknownOf, type CallArguments, type Site, type Value } from "./value.ts";
import { raise, type Vm } from "./vm.ts";

/** Adds the four modules; `vm` is asked when their functions are called. */
export function addFileModules(module: AddModule, vm: () => Vm): void {
  const environment = (name: Value | undefined, standard: Value | undefined, strict: boolean, site: Site): Value => {
    const bad = unknownOf(name ?? null);
    if (bad) return derive(bad, site);
    if (vm().environment) return derive(vm().environment as never, site);
    if (typeof name !== "string") return unknown("this environment variable is not followed", site);
    vm().dependsOn.add(`env:${name}`);
    const value = vm().host.env(name);
    if (value === undefined && strict) throw raise("KeyError", `'${name}'`, site);
    return value ?? standard ?? null;
  };
  const environ: Value = {
    kind: "custom",
    type: "environ",
    attribute: (name, site) => {
      if (name === "get")
        return {
          kind: "builtin",
          name,
          call: (args, at) =>
            environment(args.positional[0], args.positional[1] ?? args.keywords.get("default"), false, at),
        };
      if (name === "setdefault" || name === "update" || name === "pop") {
        return {
          kind: "builtin",
          name,
          call: (_args, at) => {
            vm().environment ??= unknown("the environment is changed by the project's code", at);
            return vm().environment as Value;
          },
        };
      }
      return unknown(`os.environ.${name} is not followed`, site);
    },
    item: (key, site) => environment(key, undefined, true, site),
    assign: (_key, _item, site) => {
      vm().environment ??= unknown("the environment is changed by the project's code", site);
    },
    contains: (key) => {
      if (typeof key !== "string") return false;
      vm().dependsOn.add(`env:${key}`);
      return vm().host.env(key) !== undefined;
    },
  };
  const pathText = (value: Value): string | undefined =>
    typeof value === "string"
      ? value
      : isObj(value) && value.kind === "custom" && value.type === "Path"
        ? (value.data as string)
        : undefined;
  const onPaths =
    (run: (parts: string[]) => Value): Row =>
    (args, site) => {
      const parts = args.positional.map(pathText);
      const bad = args.positional.map(unknownOf).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      return parts.includes(undefined) ? unknown("this path is not followed", site) : run(parts as string[]);
    };
  const exists = (path: string, site: Site): Value => {
    if (posix.isAbsolute(path)) return unknown("whether a file outside of the project exists", site);
    vm().dependsOn.add(`file:${posix.normalize(path)}`);
    return (
      vm().host.file(posix.normalize(path)) !== undefined || unknown("whether a folder exists is not followed", site)
    );
  };
  const path = module("os.path", {
    join: onPaths((parts) => posix.join(...parts)),
    dirname: onPaths(([path = ""]) => posix.dirname(path)),
    basename: onPaths(([path = ""]) => posix.basename(path)),
    abspath: onPaths(([path = ""]) => path),
    realpath: onPaths(([path = ""]) => path),
    exists: (args, site) => onPaths(([path = ""]) => exists(path, site))(args, site),
    isfile: (args, site) => onPaths(([path = ""]) => exists(path, site))(args, site),
  });
  module("os", {
    environ,
    getenv: (args, site) =>
      environment(args.positional[0], args.positional[1] ?? args.keywords.get("default"), false, site),
    path,
    sep: "/",
    putenv: (_args, site) => {
      vm().environment ??= unknown("the environment is changed by the project's code", site);
      return null;
    },
  });
  module("dotenv", {
    load_dotenv: (_args, site) => {
      vm().environment ??= unknown("load_dotenv changes the environment", site);
      return true;
    },
    find_dotenv: (_args, site) => unknown("find_dotenv is not followed", site),
  });
  const makePath = (path: string): Value => ({
    kind: "custom",
    type: "Path",
    equality: path,
    data: path,
    text: () => (path.startsWith("/") || path === "" ? path : undefined),
    binary: (op, other, reversed) => {
      const text = pathText(other);
      return op !== "Div" || text === undefined
        ? undefined
        : makePath(reversed ? posix.join(text, path) : posix.join(path, text));
    },
    attribute: (name, site) => {
      const method = (call: Row): Value => ({ kind: "builtin", name, call });
      if (/^\.(?:\.|$)/.test(path) && ["name", "stem", "suffix", "parent", "parents"].includes(name))
        return unknown("it is the path of the project's folder", site);
      switch (name) {
        case "parent":
          return makePath(posix.dirname(path));
        case "name":
          return posix.basename(path);
        case "stem":
          return posix.basename(path, posix.extname(path));
        case "suffix":
          return posix.extname(path);
        case "parents": {
          const parents: Value[] = [];
          for (let at = posix.dirname(path); ; at = posix.dirname(at)) {
            parents.push(makePath(at));
            if (at === "." || at === "/") break;
          }
          return tuple(parents);
        }
        case "resolve":
        case "absolute":
        case "expanduser":
          return method(() => makePath(path));
        case "joinpath":
          return method(onPaths((parts) => makePath(posix.join(path, ...parts))));
        case "as_posix":
          return method((_args, at) =>
            path.startsWith("/") ? path : unknown("it is the path of the project's folder", at),
          );
        case "exists":
        case "is_file":
          return method((_args, at) => exists(path, at));
        case "read_text":
          return method((_args, at) => readText(vm(), path, at));
        case "open":
          return method((_args, at) => openFile(vm(), path, at));
        case "mkdir":
        case "touch":
          return method(() => null);
        default:
          return unknown(`Path.${name} is not followed`, site);
      }
    },
  });
  module("pathlib", {
    Path: {
      kind: "builtin",
      name: "Path",
      call: (args: CallArguments, site: Site) =>
        onPaths((parts) => makePath(parts.length === 0 ? "." : posix.join(...parts)))(args, site),
      attributes: new Map<string, Value>([["cwd", { kind: "builtin", name: "cwd", call: () => makePath(".") }]]),
    },
  });
}

/** `open(path)` of a file inside the project; an unknown for others. */
export function openFile(vm: Vm, path: string, site: Site): Value {
  const text = readText(vm, path, site);
  if (typeof text !== "string") return text;
  const file: Value = {
    kind: "custom",
    type: "file",
    data: text,
    attribute: (name, at) =>
      name === "read"
        ? { kind: "builtin", name, call: () => text }
        : name === "readlines"
          ? { kind: "builtin", name, call: () => list(text.split(/(?<=\n)/)) }
          : unknown(`file.${name} is not followed`, at),
    iterate: () => text.split(/(?<=\n)/),
  };
  return file;
}

// --- internal ---

function readText(vm: Vm, path: string, site: Site): Value {
  const clean = posix.normalize(path);
  if (posix.isAbsolute(clean) || clean.startsWith(".."))
    return unknown("it is read from a file outside of the project", site);
  if (/(?:^|\/)(?:credentials|\.env)[^/]*(?:\/|$)/.test(clean)) {
    vm.unknownCalls++;
    return unknown("it is read from a file of secrets, which kfk does not open", site);
  }
  vm.dependsOn.add(`file:${clean}`);
  const text = vm.host.file(clean);
  if (text === undefined) throw raise("FileNotFoundError", `No such file or directory: '${clean}'`, site);
  return text;
}
