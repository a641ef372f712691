/**
 * Verbs and options as data → completion scripts for four shells. The scripts are static: pressing Tab starts no
 * program, and nothing that was typed is ever evaluated. Bash from 3.2 on, without the package bash-completion.
 * Environments and pipelines are the names of the project's folders (conf/NAME, src/PACKAGE/pipelines/NAME); in
 * PowerShell, which this was never run in, they are not completed.
 */
import type { ArgDef, ArgsDef } from "citty";
import { assertNever } from "../error.ts";
import type { HelpVerb } from "./help.ts";

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof SHELLS)[number];

/** The script for a shell, ending in a newline. */
export function renderCompletion(shell: Shell, verbs: readonly HelpVerb[], globals: ArgsDef): string {
  const all = { verbs, globals: readOptions(globals) };
  switch (shell) {
    case "bash":
      return renderBash(all);
    case "zsh":
      return renderZsh(all);
    case "fish":
      return renderFish(all);
    case "powershell":
      return renderPowershell(all);
    default:
      return assertNever(shell);
  }
}

// --- internal ---

interface All {
  readonly verbs: readonly HelpVerb[];
  readonly globals: readonly Option[];
}

interface Option {
  /** `--output`, `-o`; the first is the long one. */
  readonly words: readonly string[];
  readonly description: string;
  readonly value: "none" | "text" | "file" | "folder" | "env" | "pipeline" | readonly string[];
  /** Beside the words of `value`, a file. */
  readonly orFile?: boolean;
}

function readOptions(options: ArgsDef): readonly Option[] {
  return Object.entries(options).flatMap(([name, definition]) => readOption(name, definition));
}

function readOption(name: string, definition: ArgDef): readonly Option[] {
  const alias = "alias" in definition ? definition.alias : undefined;
  const names = [name, ...(typeof alias === "string" ? [alias] : (alias ?? []))];
  // `-en` is an alias of the predecessor
  const words = names.map((each, index) => (index > 0 && each.length <= 2 ? `-${each}` : `--${each}`));
  const description = definition.description ?? "";
  if (definition.type === "boolean") {
    const { negativeDescription } = definition;
    return [
      ...(description === "" ? [] : [{ words, description, value: "none" as const }]),
      ...(negativeDescription === undefined
        ? []
        : [{ words: [`--no-${name}`], description: negativeDescription, value: "none" as const }]),
    ];
  }
  if (definition.type === "enum") return [{ words, description, value: definition.options ?? [] }];
  const hint = definition.valueHint;
  if (name === "env" || name === "pipeline") return [{ words, description, value: name }];
  if (hint?.endsWith("|FILE") === true) {
    return [{ words, description, value: hint.split("|").slice(0, -1), orFile: true }];
  }
  return [{ words, description, value: hint === "FILE" ? "file" : hint === "DIR" ? "folder" : "text" }];
}

/** `a|b|c` as the name of a positional argument is a choice. */
function choices(verb: HelpVerb): readonly string[] {
  const first = verb.positionals?.[0] ?? "";
  return first.includes("|") ? first.split("|") : [];
}

const takesValue = ({ value }: Option): boolean => value !== "none";

// --- bash ---

function renderBash({ verbs, globals }: All): string {
  const cases = (options: readonly Option[], free: readonly string[], indent: string): string[] => [
    `${indent}case $prev in`,
    ...options.filter(takesValue).map(({ words, value, orFile = false }) => {
      const kind = orFile ? "either" : "text";
      const reply = typeof value === "string" ? `kind=${value}` : `kind=${kind} words=${single(value.join(" "))}`;
      return `${indent}  ${words.join("|")}) ${reply} ;;`;
    }),
    `${indent}  *) words=${single([...free, ...options.flatMap(({ words }) => words)].join(" "))} ;;`,
    `${indent}esac`,
  ];
  return `# Completion of kfk for bash: source this file, for example from ~/.bashrc with
#   source <(kfk completion bash)
_kfk() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb='' kind='' words='' reply i root='' conf='' given
  # bash takes --name=value apart at the =
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' && $COMP_CWORD -gt 1 ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i + 1 < COMP_CWORD; i++)); do
    given=\${COMP_WORDS[i+1]}
    if [[ $given == '=' && $((i + 2)) -lt $COMP_CWORD ]]; then given=\${COMP_WORDS[i+2]}; fi
    case \${COMP_WORDS[i]} in
      -C | --project) root=$given ;;
      --conf-source) conf=$given ;;
    esac
  done
  if [[ -z $root ]]; then
    root=$PWD
    while [[ -n $root && ! -e $root/pyproject.toml && ! -e $root/.kedro.yml ]]; do root=\${root%/*}; done
  fi
  if [[ -z $conf ]]; then conf=$root/conf; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${globals
        .filter(takesValue)
        .flatMap(({ words }) => words)
        .join("|")})
        if [[ \${COMP_WORDS[i+1]} == '=' ]]; then ((i++)); fi
        ((i++))
        ;;
      -*) ;;
      *)
        verb=\${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $verb in
    '')
${cases(
  globals,
  verbs.map(({ name }) => name),
  "      ",
).join("\n")}
      ;;
${verbs
  .map((verb) => {
    const options = [...readOptions(verb.options), ...globals];
    return `    ${verb.name})\n${cases(options, choices(verb), "      ").join("\n")}\n      ;;`;
  })
  .join("\n")}
  esac
  COMPREPLY=()
  case $kind in
    file | folder)
      if [[ $kind == folder ]]; then reply=$(compgen -d -- "$cur"); else reply=$(compgen -f -- "$cur"); fi
      compopt -o filenames 2>/dev/null
      ;;
    either) reply=$(compgen -W "$words" -- "$cur"; compgen -f -- "$cur") ;;
    env) reply=$(_kfk_folders "$cur" "$conf"/*/) ;;
    pipeline)
      reply=$(compgen -W __default__ -- "$cur"; _kfk_folders "$cur" "$root"/src/*/pipelines/*/)
      ;;
    *) reply=$(compgen -W "$words" -- "$cur") ;;
  esac
  while IFS= read -r i; do
    if [[ -n $i ]]; then COMPREPLY+=("$i"); fi
  done <<<"$reply"
}
# The names of folders that begin with the first argument
_kfk_folders() {
  local each cur=$1
  shift
  for each in "$@"; do
    if [[ ! -d $each ]]; then continue; fi
    each=\${each%/}
    each=\${each##*/}
    if [[ $each != __* && $each == "$cur"* ]]; then printf '%s\\n' "$each"; fi
  done
}
complete -F _kfk kfk
`;
}

function single(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

// --- zsh ---

function renderZsh({ verbs, globals }: All): string {
  const specs = (options: readonly Option[]): string[] =>
    options.map(({ words, description, value, orFile = false }) => {
      const text = `[${description.replaceAll(/[[\]\\:]/g, "\\$&")}]`;
      const action =
        value === "none"
          ? ""
          : value === "text"
            ? ":value: "
            : value === "file"
              ? ":file:_files"
              : value === "folder"
                ? ":folder:_files -/"
                : value === "env"
                  ? ":environment:_kfk_envs"
                  : value === "pipeline"
                    ? ":pipeline:_kfk_pipelines"
                    : orFile
                      ? `:value: _kfk_either ${value.join(" ")}`
                      : `:value:(${value.join(" ")})`;
      const plus = (word: string): string => (value !== "none" && word.startsWith("--") ? `${word}=` : word);
      return words.map((word) => single(`*${plus(word)}${text}${action}`)).join(" ");
    });
  const block = (lines: readonly string[], indent: string): string => lines.join(` \\\n${indent}`);
  return `#compdef kfk
# Completion of kfk for zsh: source <(kfk completion zsh), or save it as _kfk in a folder of $fpath
_kfk() {
  local curcontext=$curcontext state line
  local -a verbs
  _arguments -C \\
    ${block(specs(globals), "    ")} \\
    '1:command:->verb' '*::argument:->rest'
  case $state in
    verb)
      verbs=(
        ${verbs.map(({ name, summary }) => single(`${name}:${summary}`)).join("\n        ")}
      )
      _describe command verbs
      ;;
    rest)
      case $words[1] in
${verbs
  .map((verb) => {
    const first = choices(verb);
    const positional = first.length > 0 ? [single(`1:argument:(${first.join(" ")})`)] : [];
    const all = [...specs([...readOptions(verb.options), ...globals]), ...positional];
    return `        ${verb.name})\n          _arguments \\\n            ${block(all, "            ")}\n          ;;`;
  })
  .join("\n")}
      esac
      ;;
  esac
}
# The project's root, in REPLY
_kfk_root() {
  local -i at=$words[(I)(-C|--project)]
  REPLY=$PWD
  if ((at)); then
    REPLY=\${(Q)words[at+1]}
  else
    while [[ $REPLY != / && ! -e $REPLY/pyproject.toml && ! -e $REPLY/.kedro.yml ]]; do REPLY=\${REPLY:h}; done
  fi
}
# One of the words, or a file
_kfk_either() {
  compadd -- "$@"
  _files
}
_kfk_envs() {
  local REPLY
  local -a names
  local -i at=$words[(I)--conf-source]
  _kfk_root
  REPLY+=/conf
  if ((at)); then REPLY=\${(Q)words[at+1]}; fi
  names=($REPLY/*(N/:t))
  compadd -a names
}
_kfk_pipelines() {
  local REPLY
  local -a names
  _kfk_root
  names=(__default__ $REPLY/src/*/pipelines/[^_]*(N/:t))
  compadd -a names
}
if [ "$funcstack[1]" = "_kfk" ]; then _kfk "$@"; else compdef _kfk kfk; fi
`;
}

// --- fish ---

function renderFish({ verbs, globals }: All): string {
  const option = (condition: string, { words, description, value, orFile = false }: Option): string => {
    const names = words.map((word) =>
      word.startsWith("--") ? `-l ${word.slice(2)}` : word.length === 2 ? `-s ${word.slice(1)}` : `-o ${word.slice(1)}`,
    );
    const argument =
      value === "none"
        ? ""
        : value === "text"
          ? " -x"
          : value === "file"
            ? " -rF"
            : value === "folder"
              ? ` -xa '(__fish_complete_directories)'`
              : value === "env"
                ? " -xa '(__kfk_names envs)'"
                : value === "pipeline"
                  ? " -xa '__default__ (__kfk_names pipelines)'"
                  : ` ${orFile ? "-rFa" : "-xa"} ${fishText(value.join(" "))}`;
    return `complete -c kfk${condition} ${names.join(" ")}${argument} -d ${fishText(description)}`;
  };
  const lines = [
    "# Completion of kfk for fish: save it as ~/.config/fish/completions/kfk.fish",
    ...FISH_NAMES,
    "complete -c kfk -f",
    ...globals.map((each) => option("", each)),
  ];
  const names = verbs.map(({ name }) => name).join(" ");
  for (const verb of verbs) {
    const none = ` -n ${fishText(`not __fish_seen_subcommand_from ${names}`)}`;
    lines.push(`complete -c kfk${none} -a ${verb.name} -d ${fishText(verb.summary)}`);
    const seen = ` -n ${fishText(`__fish_seen_subcommand_from ${verb.name}`)}`;
    const first = choices(verb);
    if (first.length > 0) lines.push(`complete -c kfk${seen} -a ${fishText(first.join(" "))}`);
    for (const each of readOptions(verb.options)) lines.push(option(seen, each));
  }
  return `${lines.join("\n")}\n`;
}

/** Environments and pipelines of the project in whose folders the shell is. */
const FISH_NAMES: readonly string[] = [
  "function __kfk_names",
  "  set -l root $PWD",
  '  while test -n "$root"; and not test -e "$root/pyproject.toml"; and not test -e "$root/.kedro.yml"',
  "    set root (string replace -r '/[^/]*$' '' -- $root)",
  "  end",
  "  set -l found",
  "  if test $argv[1] = envs",
  "    set found $root/conf/*/",
  "  else",
  "    set found $root/src/*/pipelines/*/",
  "  end",
  "  string replace -r '^.*/([^/]+)/$' '$1' -- $found | string match -v -r '^__'",
  "end",
];

function fishText(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}

// --- PowerShell ---

function renderPowershell({ verbs, globals }: All): string {
  const text = (each: string): string => `'${each.replaceAll("'", "''")}'`;
  const list = (words: readonly string[]): string => `@(${words.map(text).join(", ")})`;
  const table = (options: readonly Option[], free: readonly string[]): string => {
    const values = options
      .filter(takesValue)
      .flatMap(({ words, value }) =>
        words.map((word) => `${text(word)} = ${list(typeof value === "string" ? [] : value)}`),
      );
    const words = [...free, ...options.flatMap((each) => each.words)];
    return `@{ Words = ${list(words)}; Values = @{ ${values.join("; ")} } }`;
  };
  const entries = verbs.map(
    (verb) => `    ${text(verb.name)} = ${table([...readOptions(verb.options), ...globals], choices(verb))}`,
  );
  return `# Completion of kfk for PowerShell: kfk completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName kfk -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $verbs = @{
${entries.join("\n")}
  }
  $start = ${table(
    globals,
    verbs.map(({ name }) => name),
  )}
  $typed = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $known = $start
  for ($i = 1; $i -lt $typed.Count; $i++) {
    if ($start.Values.ContainsKey($typed[$i])) { $i++ }
    elseif ($typed[$i] -notlike '-*') { if ($verbs.ContainsKey($typed[$i])) { $known = $verbs[$typed[$i]] }; break }
  }
  $previous = if ($typed.Count -gt 1) { $typed[-1] } else { '' }
  $words = if ($known.Values.ContainsKey($previous)) { $known.Values[$previous] } else { $known.Words }
  $words | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}
