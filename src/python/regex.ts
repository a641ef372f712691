/**
 * `re.search`, `re.match`, `re.fullmatch`, `re.findall`, `re.compile` for patterns and texts that mean the same in
 * Python and JavaScript: ASCII only, no look-around, no flags. All else is unknown.
 */
import {
  deepUnknown,
  derive,
  isObj,
  list,
  tuple,
  unknown,
  type CallArguments,
  type Custom,
  type Site,
  type Value,
} from "./value.ts";
import { dictFrom } from "./keys.ts";
import { raise } from "./vm.ts";

type Call = (args: CallArguments, site: Site) => Value;

/** Name → function of the module `re`. */
export const REGEX_CALLS: Readonly<Record<string, Call>> = {
  search: (args, site) => run("search", args, site),
  match: (args, site) => run("match", args, site),
  fullmatch: (args, site) => run("fullmatch", args, site),
  findall: (args, site) => run("findall", args, site),
  compile: (args, site) => {
    const [pattern] = args.positional;
    if (typeof pattern !== "string" || args.positional.length > 1 || args.keywords.size > 0)
      return unknown("this regular expression is not followed", site);
    const compiled: Custom = {
      kind: "custom",
      type: "Pattern",
      equality: pattern,
      data: pattern,
      attribute: (name, at) => {
        if (name === "pattern") return pattern;
        if (!["search", "match", "fullmatch", "findall"].includes(name))
          return unknown(`"${name}" of a regular expression is not followed`, at);
        const call: Call = (inner, here) =>
          run(name as Kind, { ...inner, positional: [pattern, ...inner.positional] }, here);
        return { kind: "builtin", name, call };
      },
    };
    return compiled;
  },
};

// --- internal ---

type Kind = "search" | "match" | "fullmatch" | "findall";

/** One token of a pattern that both languages read alike. */
const TOKEN =
  /^(?:[A-Za-z0-9 _:/=,@#%&~"'<>!;-]|\\[dwsDWS.()[\]{}+*?|^$\\/-]|[.|*+?()^$]|\(\?:|\(\?P<[A-Za-z_]\w*>|\{\d+(?:,\d*)?\}|\[\^?(?:[A-Za-z0-9 _.:/,@+*?()|-]|\\[dws.\][\\/-])+\])*$/;

function run(kind: Kind, args: CallArguments, site: Site): Value {
  const bad = args.positional.map((value) => deepUnknown(value)).find((item) => item !== undefined);
  if (bad) return derive(bad, site);
  const [first, text] = args.positional;
  const isCompiled =
    isObj(first ?? null) && (first as Custom).kind === "custom" && (first as Custom).type === "Pattern";
  const pattern = isCompiled ? (first as Custom).data : first;
  if (text !== undefined && typeof text !== "string" && !isObj(text) && typeof pattern === "string")
    throw raise("TypeError", "expected string or bytes-like object", site);
  const regex = typeof pattern === "string" ? translate(pattern, kind) : undefined;
  if (
    !regex ||
    typeof text !== "string" ||
    !/^[ -~]*$/.test(text) ||
    args.positional.length > 2 ||
    args.keywords.size > 0
  )
    return unknown("this regular expression is not followed", site);
  if (kind === "findall") {
    const found = [...text.matchAll(regex)];
    return list(
      found.map((match) =>
        match.length === 1
          ? match[0]
          : match.length === 2
            ? (match[1] ?? "")
            : tuple(match.slice(1).map((part) => part ?? "")),
      ),
    );
  }
  const match = regex.exec(text);
  return match ? matchValue(match) : null;
}

function translate(pattern: string, kind: Kind): RegExp | undefined {
  if (!TOKEN.test(pattern) || /[*+?}]\+/.test(pattern)) return undefined; // `a++` is possessive since Python 3.11
  const source = pattern.replaceAll("(?P<", "(?<");
  try {
    if (kind === "fullmatch") return new RegExp(`^(?:${source})$`);
    return new RegExp(source, kind === "match" ? "y" : kind === "findall" ? "g" : "");
  } catch {
    return undefined; // not a pattern in JavaScript: not followed
  }
}

function matchValue(match: RegExpExecArray): Value {
  const group = (key: Value, site: Site): Value => {
    if (typeof key === "bigint" && key >= 0n && key < BigInt(match.length)) return match[Number(key)] ?? null;
    if (typeof key === "string" && match.groups && Object.hasOwn(match.groups, key)) return match.groups[key] ?? null;
    if (isObj(key)) return unknown("this group is not followed", site);
    throw raise("IndexError", "no such group", site);
  };
  const value: Custom = {
    kind: "custom",
    type: "Match",
    item: group,
    truth: () => true,
    attribute: (name, site) => {
      const method = (call: Call): Value => ({ kind: "builtin", name, call });
      switch (name) {
        case "group":
          return method((args, at) =>
            args.positional.length < 2
              ? group(args.positional[0] ?? 0n, at)
              : tuple(args.positional.map((key) => group(key, at))),
          );
        case "groups":
          return method((args) => tuple(match.slice(1).map((part) => part ?? args.positional[0] ?? null)));
        case "groupdict":
          return method(() => dictFrom(Object.entries(match.groups ?? {}).map(([key, part]) => [key, part ?? null])));
        default:
          return unknown(`"${name}" of a match is not followed`, site);
      }
    },
  };
  return value;
}
