/**
 * argv → verb, options, positionals: strict, with suggestions, global options before or after the verb.
 *
 * citty turns words into typed values, but takes unknown options, lets `--no-wait` win over a later `--wait` and a
 * missing value pass; so every word is checked here first and handed on in one canonical form (`--name=value`). Help
 * needs no values, so citty (and node:util with it) is loaded only where there is something to run.
 */
import type { ArgDef, ArgsDef } from "citty";
import { KfkError, suggest } from "../error.ts";
import type { Options, Verb } from "./verb.ts";

/** Options that every verb takes. */
export const GLOBAL_OPTIONS = {
  project: { type: "string", alias: ["C"], valueHint: "DIR", description: "Folder of the Kedro project" },
  env: { type: "string", alias: ["e"], valueHint: "NAME", description: "Kedro run environment (also KEDRO_ENV)" },
  "conf-source": {
    type: "string",
    valueHint: "DIR",
    description: "Another conf folder than the project's own (Kedro 0.18.5 and newer)",
  },
  host: { type: "string", valueHint: "URL", description: "Kubeflow Pipelines (also KFK_HOST)" },
  namespace: {
    type: "string",
    alias: ["n", "en", "experiment-namespace"],
    valueHint: "NAME",
    description: "Namespace on a server with several users",
  },
  from: {
    type: "string",
    valueHint: "auto|static|python|image|FILE",
    description:
      "Where the pipelines are read from; auto reads the sources, and asks Python where they leave something open",
  },
  python: { type: "string", valueHint: "PROGRAM", description: "Python that runs the project (also KFK_PYTHON)" },
  "token-file": { type: "string", valueHint: "FILE", description: "File with the token for the server" },
  "kube-context": {
    type: "string",
    valueHint: "NAME",
    description: "Context of kubeconfig (also KFK_KUBE_CONTEXT)",
  },
  "ca-cert": { type: "string", valueHint: "FILE", description: "CA of the server's certificate (also KFK_CA_FILE)" },
  "client-cert": { type: "string", valueHint: "FILE", description: "Client certificate (also KFK_CLIENT_CERT)" },
  "client-key": { type: "string", valueHint: "FILE", description: "Its private key (also KFK_CLIENT_KEY)" },
  "request-timeout": {
    type: "string",
    valueHint: "SECONDS",
    description: "Longest wait for one answer (default 30); all tries of it together take at most twice that",
  },
  hooks: { type: "boolean", negativeDescription: "Load no hooks of the project (also KFK_NO_HOOKS=1)" },
  quiet: { type: "boolean", alias: ["q"], description: "Only errors and results" },
  verbose: {
    type: "boolean",
    alias: ["v"],
    description: "A line on stderr for each request to the server (also KFK_DEBUG=api)",
  },
  color: { type: "boolean", negativeDescription: "No colours (also NO_COLOR)" },
  help: { type: "boolean", alias: ["h"], description: "Show this help" },
} satisfies ArgsDef;

/** Which pipeline and which of its nodes, the same for every verb that takes them. */
export const PIPELINE_OPTIONS = {
  pipeline: {
    type: "string",
    alias: ["p"],
    default: "__default__",
    valueHint: "NAME",
    description: "Registered pipeline",
  },
  tags: { type: "string", valueHint: "TAG", description: "Only nodes with a tag" },
  nodes: { type: "string", valueHint: "NAME", description: "Only these nodes" },
  "from-nodes": { type: "string", valueHint: "NAME", description: "These nodes and all after them" },
  "to-nodes": { type: "string", valueHint: "NAME", description: "These nodes and all before them" },
  namespaces: { type: "string", valueHint: "NAME", description: "Only nodes in a namespace" },
} satisfies ArgsDef;

/** Which nodes share a step, for every verb that makes a plan. */
export const MERGE_OPTION = {
  merge: {
    type: "enum",
    options: ["none", "full", "namespace", "tag", "memory"],
    description: "Nodes that share a step (default: run_config.merge of kubeflow.yaml, else none)",
  },
} satisfies ArgsDef;

/** Values for this run, for verbs that start one. */
export const PARAM_OPTION = {
  param: {
    type: "string",
    valueHint: "NAME=VALUE",
    description: "Value of a parameter for this run, NAME.KEY=VALUE for a part of it; may be repeated",
  },
} satisfies ArgsDef;

/** The same for verbs that write or upload a document. */
export const DEFAULT_OPTION = {
  param: {
    type: "string",
    valueHint: "NAME=VALUE",
    description: "Another default of a parameter in the document, NAME.KEY=VALUE for a part of it; may be repeated",
  },
} satisfies ArgsDef;

/** And for schedules. */
export const RUNS_PARAM_OPTION = {
  param: {
    type: "string",
    valueHint: "NAME=VALUE",
    description: "Value of a parameter for every run, NAME.KEY=VALUE for a part of it; may be repeated",
  },
} satisfies ArgsDef;

/** Values for this run from a file, for every verb that takes them. */
export const PARAMS_FILE_OPTION = {
  "params-file": { type: "string", valueHint: "FILE", description: "YAML or JSON with values of parameters" },
} satisfies ArgsDef;

/** What RUN is, for the details of every verb that takes one. */
export const RUN_WORDS =
  "RUN is the whole id of a run, the address of its page, or @latest: the newest run that this project and environment " +
  "started.";

/** What a verb that asks a server writes to stdout. */
export const RESULT_OPTION = {
  output: {
    type: "enum",
    alias: ["o"],
    options: ["text", "json", "name"],
    default: "text",
    description: "Form of the result on stdout",
  },
} satisfies ArgsDef;

/** Options that may be given several times. */
const REPEATED: ReadonlySet<string> = new Set([
  "param",
  "params-file",
  "tags",
  "nodes",
  "from-nodes",
  "to-nodes",
  "namespaces",
]);

export interface CommandLine {
  /** undefined: no verb was given. */
  readonly verb: Verb | undefined;
  readonly options: Options;
  readonly positionals: readonly string[];
}

/**
 * Reads the command line.
 *
 * Errors: USAGE_VERB, USAGE_OPTION, USAGE_VALUE, USAGE_ARGUMENT.
 */
export async function parseCommandLine(typed: readonly string[], verbs: readonly Verb[]): Promise<CommandLine> {
  const argv = withHelpOption(typed);
  const verb = findVerb(argv, verbs);
  const options: ArgsDef = { ...verb?.options, ...GLOBAL_OPTIONS };
  const words = readWords(argv, options, verb);
  const lists = new Map<string, string[]>();
  for (const { name, value } of words.options) {
    if (!REPEATED.has(name) || value === undefined) continue;
    lists.set(name, [...(lists.get(name) ?? []), value]);
  }
  // the last word on an option holds, also when it takes an earlier `--no-…` back
  const last = new Map(words.options.map((word) => [word.name, word]));
  const canonical = [...last.values()].map(({ name, value, negated }) =>
    negated ? `--no-${name}` : value === undefined ? `--${name}` : `--${name}=${value}`,
  );
  const positionals = verb ? words.positionals.slice(1) : words.positionals;
  const isHelp = words.options.some(({ name, negated }) => name === "help" && !negated);
  if (verb && !isHelp) checkPositionals(verb, positionals);
  const parsed: Readonly<Record<string, unknown>> = isHelp ? { help: true } : await readValues(canonical, options);
  return {
    verb,
    positionals,
    options: {
      text: (name) => (typeof parsed[name] === "string" ? parsed[name] : undefined),
      flag: (name) => (typeof parsed[name] === "boolean" ? parsed[name] : undefined),
      list: (name) => lists.get(name) ?? [],
    },
  };
}

/** `--timeout 90`, `90s`, `15m`, `2h`, `1d` → milliseconds. Errors: USAGE_VALUE. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)?$/.exec(text.trim());
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? "s"];
  if (match?.[1] === undefined || unit === undefined || Number(match[1]) === 0) {
    throw new KfkError("USAGE_VALUE", `--${option} wants a time, and this is none: "${text}"`, {
      hint: `write seconds or a unit, such as --${option} 90 or --${option} 2h`,
    });
  }
  return Number(match[1]) * unit * 1000;
}

// --- internal ---

async function readValues(canonical: string[], options: ArgsDef): Promise<Readonly<Record<string, unknown>>> {
  const { parseArgs } = await import("citty");
  return parseArgs(canonical, options);
}

interface Word {
  readonly name: string;
  readonly value: string | undefined;
  readonly negated: boolean;
}

interface Words {
  readonly options: readonly Word[];
  /** The verb is the first. */
  readonly positionals: readonly string[];
}

/** `kfk help VERB` is `kfk VERB --help`, and `kfk help` is `kfk --help`. */
function withHelpOption(argv: readonly string[]): readonly string[] {
  const at = indexOfVerb(argv);
  return at !== undefined && argv[at] === "help" ? argv.with(at, "--help") : argv;
}

/** The first word that is neither an option nor the value of a global one. */
function indexOfVerb(argv: readonly string[]): number | undefined {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] as string;
    if (word === "--") return undefined;
    if (!word.startsWith("-") || word === "-") return index;
    const found = lookUp(word, GLOBAL_OPTIONS);
    if (found?.definition.type === "string" && found.value === undefined) index++;
  }
  return undefined;
}

function findVerb(argv: readonly string[], verbs: readonly Verb[]): Verb | undefined {
  const at = indexOfVerb(argv);
  if (at === undefined) return undefined;
  const word = argv[at] as string;
  const verb = verbs.find((candidate) => candidate.name === word);
  if (verb) return verb;
  const meant = suggest(word, [...verbs.map(({ name }) => name), ...OTHER_WORDS.keys()]);
  const near = meant === undefined ? undefined : (OTHER_WORDS.get(meant) ?? meant);
  throw new KfkError("USAGE_VERB", `there is no command "${word}"`, {
    hint: near === undefined ? "see kfk --help for all commands" : `did you mean kfk ${near}?`,
  });
}

/** What other programs call it. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ...["run", "submit", "start", "trigger"].map((word) => [word, "run-once"] as const),
  ...["upload", "deploy", "push", "publish"].map((word) => [word, "upload-pipeline"] as const),
  ...["stop", "terminate", "kill"].map((word) => [word, "cancel"] as const),
  ...["watch", "follow"].map((word) => [word, "wait"] as const),
  ...["list", "ls", "runs"].map((word) => [word, "list-runs"] as const),
  ["pipelines", "list-pipelines"],
  ["open", "ui"],
  ["cron", "schedule"],
  ...["login", "whoami"].map((word) => [word, "auth status"] as const),
]);

function readWords(argv: readonly string[], options: ArgsDef, verb: Verb | undefined): Words {
  const found: Word[] = [];
  const positionals: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] as string;
    if (word === "--") {
      positionals.push(...argv.slice(index + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      continue;
    }
    const option = lookUp(word, options);
    if (option === undefined) throw unknownOption(word, options, verb);
    if (option.definition.type === "boolean") {
      if (option.value !== undefined) throw noValueWanted(word);
      found.push({ name: option.name, value: undefined, negated: option.negated });
      continue;
    }
    let { value } = option;
    if (value === undefined) {
      value = argv[++index];
      if (value === undefined || (value.startsWith("-") && value !== "-" && lookUp(value, options))) {
        throw missingValue(option.name, option.definition);
      }
    }
    checkChoice(option.name, option.definition, value);
    found.push({ name: option.name, value, negated: false });
  }
  return { options: found, positionals };
}

interface Found extends Word {
  readonly definition: ArgDef;
}

/** `--name`, `--name=value`, `--no-name`, `-x`, `-xvalue`, `-x=value`, `-en`. */
function lookUp(word: string, options: ArgsDef): Found | undefined {
  const [, dashes = "", spelt = "", , given] = /^(--?)([^=]*)(=([\s\S]*))?$/.exec(word) ?? [];
  const entries = Object.entries(options);
  const byName = (name: string): [string, ArgDef] | undefined =>
    entries.find(([key, definition]) => key === name || aliases(definition).includes(name));
  const exact = byName(spelt);
  const isLong = dashes === "--";
  if (exact && (isLong ? spelt.length > 1 : exact[0] !== spelt)) {
    return { name: exact[0], value: given, negated: false, definition: exact[1] };
  }
  if (isLong && spelt.startsWith("no-")) {
    const base = byName(spelt.slice(3));
    if (base?.[1].type === "boolean") return { name: base[0], value: given, negated: true, definition: base[1] };
  }
  if (!isLong && spelt.length > 1) {
    const short = byName(spelt.charAt(0));
    if (short && short[1].type !== "boolean") {
      return { name: short[0], value: word.slice(2), negated: false, definition: short[1] };
    }
  }
  return undefined;
}

function aliases(definition: ArgDef): readonly string[] {
  const alias = "alias" in definition ? definition.alias : undefined;
  return alias === undefined ? [] : typeof alias === "string" ? [alias] : alias;
}

function checkChoice(name: string, definition: ArgDef, value: string): void {
  if (definition.type !== "enum" || definition.options === undefined || definition.options.includes(value)) return;
  const near = suggest(value, definition.options);
  throw new KfkError("USAGE_VALUE", `--${name} cannot be "${value}"`, {
    hint: near ? `did you mean ${near}?` : `use one of ${definition.options.join(", ")}`,
  });
}

function checkPositionals(verb: Verb, positionals: readonly string[]): void {
  const wanted = verb.positionals ?? [];
  if (positionals.length < wanted.length) {
    const name = wanted[positionals.length] as string;
    throw new KfkError("USAGE_ARGUMENT", `kfk ${verb.name} needs ${name}`, {
      hint: `for example: ${verb.examples[0]}`,
    });
  }
  const most = wanted.length + (verb.optionalPositionals?.length ?? 0);
  if (positionals.length > most) {
    throw new KfkError("USAGE_ARGUMENT", `kfk ${verb.name} does not take "${positionals[most]}"`, {
      hint: `see kfk ${verb.name} --help`,
    });
  }
}

function unknownOption(word: string, options: ArgsDef, verb: Verb | undefined): KfkError {
  const spelt = word.replace(/=[\s\S]*$/, "");
  const near = suggest(
    spelt,
    Object.keys(options).map((name) => `--${name}`),
  );
  const owner = verb ? `kfk ${verb.name}` : "kfk";
  return new KfkError("USAGE_OPTION", `${owner} has no option ${spelt}`, {
    hint: near === undefined ? `see ${owner} --help` : `did you mean ${near}?`,
  });
}

function missingValue(name: string, definition: ArgDef): KfkError {
  const hint = definition.valueHint ?? "VALUE";
  return new KfkError("USAGE_VALUE", `--${name} needs a value`, { hint: `write --${name} ${hint}` });
}

function noValueWanted(word: string): KfkError {
  const name = word.replace(/=[\s\S]*$/, "");
  return new KfkError("USAGE_VALUE", `${name} takes no value`, { hint: `write ${name} alone` });
}
