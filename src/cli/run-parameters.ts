/**
 * `--param` and `--params-file` → the values that a run of an uploaded document is given, each held against the type
 * of its default: a run with a wrong one would fail in its first pod.
 */
import { resolve } from "node:path";
import { isPlainList, isPlainMap, type Plain } from "../config/plain.ts";
import { placeOf, toPlain } from "../config/tree.ts";
import { parseYaml } from "../config/yaml.ts";
import { KfkError, type Place, suggest } from "../error.ts";
import type { StepParameter, StepPlan } from "../steps/step.ts";
import { encodeJson, encodeTyped, isEncodable, parseTyped } from "../steps/transport.ts";
import { runParameters } from "./plan.ts";
import type { ReadProject } from "./read.ts";
import type { Call } from "./verb.ts";

/** Values by server name; `--param` wins over the file. Errors: STEP_PARAMETER, USAGE_VALUE, CONFIG_YAML. */
export function givenForRun(
  call: Call,
  read: ReadProject,
  plan: StepPlan,
): readonly { readonly name: string; readonly value: string }[] {
  const values = new Map<string, string>();
  for (const file of call.options.list("params-file")) {
    for (const [name, value] of readFile(call, plan, file)) values.set(name, value);
  }
  for (const { name, value } of runParameters(call, read, plan)) {
    const parameter = plan.parameters.find((each) => each.name === name);
    if (parameter) checkKind(parameter, parseTyped(name, value, parameter.tag), undefined);
    values.set(name, value);
  }
  return [...values].map(([name, value]) => ({ name, value }));
}

// --- internal ---

function readFile(call: Call, plan: StepPlan, file: string): readonly (readonly [string, string])[] {
  const text = call.world.files.readText(resolve(call.world.cwd, file));
  if (text === undefined) {
    throw new KfkError("USAGE_VALUE", `--params-file ${file}: there is no such file`, {
      hint: "give a YAML or JSON file with one entry for each parameter",
    });
  }
  const tree = parseYaml({ file, text });
  if (tree === undefined) return [];
  if (tree.kind !== "map") {
    throw new KfkError("STEP_PARAMETER", `${file} is no mapping`, {
      at: placeOf(tree.at),
      hint: "write one entry for each parameter, such as test_size: 0.3",
    });
  }
  return [...tree.entries].map(([key, node]) => {
    const at = placeOf(node.keyAt ?? node.at);
    const parameter = plan.parameters.find((each) => each.key === key || each.name === key);
    if (parameter === undefined) throw unknown(String(key), plan, at);
    const value = toPlain(node);
    if (value === undefined || !isEncodable(value)) throw wrongKind(parameter, "no value that JSON can carry", at);
    checkKind(parameter, value, at);
    return [parameter.name, encode(parameter, value)] as const;
  });
}

function encode(parameter: StepParameter, value: Plain): string {
  // plain text travels as it is, and only where nothing on the way would change it
  return parameter.tag === "s" ? encodeTyped(parameter.name, value as string, "s") : encodeJson(value);
}

function checkKind(parameter: StepParameter, value: Plain, at: Place | undefined): void {
  const wanted = kindOf(parameter.value);
  const given = kindOf(value);
  // no default says nothing about the type; null takes a value away
  if (wanted === "null" || given === wanted || (given === "null" && wanted !== "text")) return;
  throw wrongKind(parameter, `${given}`, at);
}

function kindOf(value: Plain): "null" | "true or false" | "a number" | "text" | "a list" | "a mapping" {
  if (value === null) return "null";
  if (isPlainList(value)) return "a list";
  if (isPlainMap(value)) return "a mapping";
  if (typeof value === "boolean") return "true or false";
  return typeof value === "string" ? "text" : "a number";
}

function wrongKind(parameter: StepParameter, given: string, at: Place | undefined): KfkError {
  return new KfkError(
    "STEP_PARAMETER",
    `parameter "${parameter.key}" is ${kindOf(parameter.value)}, and this is ${given}`,
    {
      at,
      hint: `its default is ${parameter.text}`,
    },
  );
}

function unknown(name: string, plan: StepPlan, at: Place | undefined): KfkError {
  const known = plan.parameters.map((each) => each.key);
  const near = suggest(name, known);
  return new KfkError("STEP_PARAMETER", `the pipeline has no parameter "${name}"`, {
    at,
    hint: near ? `did you mean ${near}?` : `it has ${known.join(", ") || "none"}`,
  });
}
