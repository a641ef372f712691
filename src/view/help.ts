/** Verbs and options as data → help texts of at most 80 columns. */
import type { ArgDef, ArgsDef } from "citty";

export interface HelpVerb {
  readonly name: string;
  /** One line for the list of verbs. */
  readonly summary: string;
  /** More, for the verb's own help. */
  readonly details?: string;
  readonly options: ArgsDef;
  /** Names of positional arguments, in order; all are required. A name like `a|b` lists what may be given. */
  readonly positionals?: readonly string[];
  /** Those that may follow. */
  readonly optionalPositionals?: readonly string[];
  readonly examples: readonly string[];
}

/** Help of the whole program. */
export function renderHelp(verbs: readonly HelpVerb[], globals: ArgsDef): string {
  const width = Math.max(...verbs.map(({ name }) => name.length));
  return [
    "Takes a Kedro project to Kubeflow Pipelines.",
    "",
    "Usage: kfk COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...verbs.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "Options of every command:",
    ...renderOptions(globals),
    "",
    "kfk help COMMAND, or kfk COMMAND --help, tells more about a command.",
    "",
  ].join("\n");
}

/** Help of one verb. */
export function renderVerbHelp(verb: HelpVerb, globals: ArgsDef): string {
  const required = (verb.positionals ?? []).map((name) => ` ${name}`);
  const arguments_ = [...required, ...(verb.optionalPositionals ?? []).map((name) => ` [${name}]`)].join("");
  return [
    `${verb.summary}.`,
    "",
    `Usage: kfk ${verb.name}${arguments_} [OPTIONS]`,
    ...(verb.details === undefined ? [] : ["", ...wrap(verb.details, COLUMNS)]),
    ...(Object.keys(verb.options).length > 0 ? ["", "Options:", ...renderOptions(verb.options)] : []),
    "",
    "Options of every command:",
    ...renderOptions(globals),
    "",
    "Examples:",
    ...verb.examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}

/** Lines of at most so many columns, where words allow it. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

// --- internal ---

const COLUMNS = 80;
const NAME_COLUMNS = 28;

function renderOptions(options: ArgsDef): string[] {
  return Object.entries(options).flatMap(([name, definition]) => {
    const { description = "" } = definition;
    const negative = definition.type === "boolean" ? definition.negativeDescription : undefined;
    const fallback = definition.default === undefined ? "" : ` (default ${String(definition.default)})`;
    return [
      // an option that is only ever turned off has no words for being on
      ...(description === "" && negative !== undefined
        ? []
        : renderOption(optionWords(name, definition), `${description}${fallback}`)),
      ...(negative === undefined ? [] : renderOption(`    --no-${name}`, negative)),
    ];
  });
}

function renderOption(words: string, text: string): string[] {
  const left = `  ${words}`;
  const lines = wrap(text, COLUMNS - NAME_COLUMNS);
  if (left.length >= NAME_COLUMNS) return [left, ...lines.map((line) => " ".repeat(NAME_COLUMNS) + line)];
  return lines.map((line, index) => (index === 0 ? left : "").padEnd(NAME_COLUMNS) + line);
}

function optionWords(name: string, definition: ArgDef): string {
  const alias = "alias" in definition ? definition.alias : undefined;
  const short = (typeof alias === "string" ? [alias] : (alias ?? [])).find((word) => word.length === 1);
  const choices = definition.type === "enum" ? definition.options?.join("|") : undefined;
  const value = definition.type === "boolean" ? "" : ` ${choices ?? definition.valueHint ?? "VALUE"}`;
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value}`;
}
