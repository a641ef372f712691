/**
 * The parts of Python's standard library that pipeline code uses, by dotted name; the larger topics have files of their
 * own. What is not here is external: an unknown with its path. `logging`, `warnings` and the like do nothing.
 */
import { importModule } from "./modules.ts";
import { addCallModules } from "./library-calls.ts";
import { addDataModules } from "./library-data.ts";
import { addFileModules } from "./library-files.ts";
import { addTextModules } from "./library-text.ts";
import { adderTo, type AddModule } from "./rows.ts";
import { derive, unknown, unknownOf, type Value } from "./value.ts";
import { type Vm } from "./vm.ts";

/** Dotted name → value, for `import` and `from … import`. */
export function standardLibrary(vm: () => Vm): ReadonlyMap<string, Value> {
  const table = new Map<string, Value>();
  const module = adderTo(table);
  for (const add of [addLanguageModules, addCallModules, addDataModules, addFileModules, addTextModules])
    add(module, vm);
  return table;
}

// --- internal ---

/** What belongs to the language itself, and what does nothing here. */
function addLanguageModules(module: AddModule, vm: () => Vm): void {
  const nothing: Value = quiet();
  module("logging", {
    getLogger: () => nothing,
    basicConfig: () => null,
    info: () => null,
    debug: () => null,
    warning: () => null,
    error: () => null,
    exception: () => null,
    critical: () => null,
    disable: () => null,
    INFO: 20n,
    DEBUG: 10n,
    WARNING: 30n,
    ERROR: 40n,
    CRITICAL: 50n,
  });
  module("warnings", { warn: () => null, filterwarnings: () => null, simplefilter: () => null });
  module("pprint", { pprint: () => null });
  module("typing", {
    TYPE_CHECKING: false,
    cast: (args) => args.positional[1] ?? null,
    overload: (args) => args.positional[0] ?? null,
    final: (args) => args.positional[0] ?? null,
  });
  module("importlib", {
    import_module: (args, site) => {
      const [name = null, anchor] = args.positional;
      const bad = unknownOf(name);
      if (bad) return derive(bad, site);
      if (typeof name !== "string") return unknown("this import_module is not followed", site);
      if (!name.startsWith(".")) return importModule(vm(), name, site);
      if (typeof (anchor ?? args.keywords.get("package")) !== "string")
        return unknown("this import_module is not followed", site);
      const level = /^\.+/.exec(name)?.[0].length ?? 1;
      const parts = String(anchor ?? args.keywords.get("package")).split(".");
      return importModule(
        vm(),
        [...parts.slice(0, parts.length - level + 1), name.slice(level)].filter((part) => part !== "").join("."),
        site,
      );
    },
  });
  module("sys", {
    version_info: unknown("the version of Python is not known", undefined),
    path: quiet(),
    argv: unknown("the command line is not known", undefined, "sys.argv"),
    platform: unknown("the platform is not known", undefined),
  });
  module("abc", { ABC: vm().builtins.get("object") ?? null, abstractmethod: (args) => args.positional[0] ?? null });
  module("contextlib", {
    suppress: (args) => ({ kind: "custom", type: "suppress", data: args.positional, attribute: () => undefined }),
    nullcontext: (args) => ({
      kind: "custom",
      type: "nullcontext",
      attribute: () => undefined,
      enter: () => args.positional[0] ?? null,
    }),
  });
}

/** Something whose every method does nothing: a logger. */
function quiet(): Value {
  return { kind: "custom", type: "Logger", attribute: (name) => ({ kind: "builtin", name, call: () => null }) };
}
