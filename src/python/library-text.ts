/**
 * `re`, `json`, `ast` and `string`: what reads and changes text, a row for each function. Patterns and literals that
 * JavaScript may read in another way are unknown.
 */
import { callUnknown } from "./call.ts";
import { REGEX_CALLS } from "./regex.ts";
import { type AddModule } from "./rows.ts";
import { deepUnknown, derive, emptyDict, isObj, list, unknown, unknownOf, type Site, type Value } from "./value.ts";
import { dictSet } from "./keys.ts";
import { raise, type Vm } from "./vm.ts";

/** Adds the four modules; `vm` is asked when their functions are called. */
export function addTextModules(module: AddModule, vm: () => Vm): void {
  module("re", {
    ...REGEX_CALLS,
    sub: (args, site) => {
      const bad = args.positional.map(deepUnknown).find((item) => item !== undefined);
      if (bad) return derive(bad, site);
      const [pattern, to, text] = args.positional;
      if (isObj(to ?? null)) return callUnknown(vm(), unknown("this re.sub is not followed", site), args, site);
      const regex = typeof pattern === "string" ? simplePattern(pattern) : undefined;
      if (
        !regex ||
        typeof to !== "string" ||
        typeof text !== "string" ||
        to.includes("\\") ||
        args.positional.length > 3
      )
        return unknown("this regular expression is not followed", site);
      return /^[ -~\n]*$/.test(text) && args.keywords.size === 0
        ? text.replaceAll(regex, () => to)
        : unknown("this regular expression is not followed", site);
    },
    split: (args, site) => {
      const [pattern, text] = args.positional;
      const regex = typeof pattern === "string" ? simplePattern(pattern) : undefined;
      return regex && typeof text === "string"
        ? list(text.split(regex))
        : unknown("this regular expression is not followed", site);
    },
  });
  module("json", {
    loads: (args, site) => parsed(args.positional[0] ?? null, site),
    load: (args, site) => {
      const [file] = args.positional;
      return isObj(file ?? null) && (file as { type?: string }).type === "file"
        ? parsed((file as { data: Value }).data, site)
        : (unknownOf(file ?? null) ?? unknown("this file is not followed", site));
    },
  });
  module("ast", {
    literal_eval: (args, site) => {
      const [value = null] = args.positional;
      const bad = unknownOf(value);
      if (bad) return derive(bad, site);
      if (isObj(value) && value.kind !== "list" && value.kind !== "dict")
        return unknown("this literal_eval is not followed", site);
      if (typeof value !== "string") throw raise("ValueError", "malformed node or string", site);
      if (/^-?(?:0|[1-9]\d*)$/.test(value)) return BigInt(value);
      if (/^-?\d+\.\d+$/.test(value)) return Number(value);
      const word = new Map<string, Value>([
        ["True", true],
        ["False", false],
        ["None", null],
      ]).get(value);
      if (word !== undefined) return word;
      const text = /^(?:"([^"\\\n]*)"|'([^'\\\n]*)')$/.exec(value);
      if (text) return text[1] ?? text[2] ?? "";
      // A word alone is a name, which no literal holds; some words are keywords, which is another exception.
      if (/^[A-Za-z_][A-Za-z0-9]*_[A-Za-z0-9_]*$/.test(value))
        throw raise("ValueError", "malformed node or string", site);
      return unknown("this literal_eval is not followed", site);
    },
  });
  module("string", {
    ascii_lowercase: "abcdefghijklmnopqrstuvwxyz",
    ascii_uppercase: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    digits: "0123456789",
  });
}

// --- internal ---

/** Patterns that mean the same in JavaScript. */
function simplePattern(pattern: string): RegExp | undefined {
  if (/\(\?|\\[AZbBdDwWsS]?[^A-Za-z\d\s]?\p{L}{2}|\\[1-9AZ]|\$/u.test(pattern) || /[^ -~]|\{,/.test(pattern))
    return undefined;
  try {
    return new RegExp(pattern, "g");
  } catch {
    return undefined; // not a pattern in JavaScript: not followed
  }
}

function parsed(text: Value, site: Site): Value {
  if (typeof text !== "string") return unknownOf(text) ?? unknown("this JSON is not followed", site);
  try {
    return fromJson(
      JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
        typeof value === "number" && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context?.source ?? "0") : value,
      ),
    );
  } catch {
    return unknown("the text is not JSON", site);
  }
}

function fromJson(value: unknown): Value {
  if (Array.isArray(value)) return list(value.map(fromJson));
  if (typeof value === "object" && value !== null) {
    const dict = emptyDict();
    // JavaScript moves keys that look like numbers to the front.
    if (Object.keys(value).some((key) => /^\d+$/.test(key)))
      dict.poison = unknown("a JSON object with numbers as keys", undefined);
    for (const [key, item] of Object.entries(value)) dictSet(dict, key, fromJson(item));
    return dict;
  }
  return value as Value;
}
