/**
 * What servers take at upload and refuse, or get wrong, when a run begins: found here, before anything is sent.
 *
 * Comes in: the text of a document. Goes out: nothing, or an error that names the problem with number and limit. Servers
 * hang on broken YAML (2.0 to 2.17), take a document without an entrypoint, drop fields they do not know, and leave a
 * workflow behind when a run's row does not fit (reference/kfp-api.md 3, 7.4, checked from 1.8.22 to 2.17.0).
 */
import * as v from "valibot";
import { looseObject, record } from "../../schemas/mapping.ts";
import { KfkError } from "../error.ts";
import { MOST_PARAMETER_BYTES } from "./limits.ts";

/** What is known of a document after the check. */
export interface CheckedDocument {
  readonly kind: "argo" | "ir";
  /** Names of parameters without a value, which a run has to give. */
  readonly required: readonly string[];
}

/**
 * Checks a document. `parse`: text → values, throws when it is no YAML (`World.parseYamlFast`: the package `yaml` takes
 * 0.45 s for 300 KB, and which of two readings of a word is right does not matter here).
 *
 * Errors: SERVER_DOCUMENT.
 */
export function checkDocument(text: string, parse: (text: string) => unknown): CheckedDocument {
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_UPLOAD_BYTES) throw tooLarge("the document", bytes, MOST_UPLOAD_BYTES);
  const whole = readYaml(text, parse);
  const json = JSON.stringify(whole);
  if (whole.apiVersion?.toString().startsWith("argoproj.io/") && whole.kind === "Workflow") {
    const size = Buffer.byteLength(json);
    if (size > MOST_WORKFLOW_BYTES) throw tooLarge("the workflow", size, MOST_WORKFLOW_BYTES);
    return checkArgo(whole);
  }
  if (whole.pipelineInfo !== undefined) return checkIr(whole);
  throw bad("it is neither an Argo Workflow nor a pipeline specification");
}

/** Refuses a run that gives no value for what the document leaves open. Errors: SERVER_DOCUMENT. */
export function checkValues(document: CheckedDocument, given: readonly { readonly name: string }[]): void {
  const missing = document.required.find((name) => !given.some((each) => each.name === name));
  if (missing === undefined) return;
  throw bad(`its parameter "${missing}" has no value`, `give one with --param ${missing}=VALUE`);
}

// --- internal ---

/** Limit of every server's upload handler. */
const MOST_UPLOAD_BYTES = 33_554_432;
/** Argo's MAX_WORKFLOW_SIZE: a larger one is made, and then fails. */
const MOST_WORKFLOW_BYTES = 1_048_576;

interface Whole {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly pipelineInfo?: unknown;
}

function readYaml(text: string, parse: (text: string) => unknown): Whole {
  let value: unknown;
  try {
    // the first document; a second one of an IR file is about the platform
    value = parse(text.split(/^---$/m).find((each) => each.trim() !== "") ?? "");
  } catch (error) {
    throw bad(`it is no YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("it is no mapping");
  return value;
}

const named = looseObject({ name: v.string() });
const reference = looseObject({ name: v.optional(v.string(), "?"), template: v.optional(v.string()) });
const workflowSchema = looseObject({
  metadata: v.optional(looseObject({ name: v.optional(v.string()), generateName: v.optional(v.string()) }), {}),
  spec: looseObject({
    entrypoint: v.optional(v.string()),
    onExit: v.optional(v.string()),
    templates: v.optional(v.array(named), []),
    arguments: v.optional(looseObject({ parameters: v.optional(v.array(looseObject({ name: v.string() })), []) }), {}),
  }),
});
const callerSchema = looseObject({
  dag: v.optional(looseObject({ tasks: v.array(reference) })),
  steps: v.optional(v.array(v.array(reference))),
});

function checkArgo(whole: Whole): CheckedDocument {
  const parsed = v.safeParse(workflowSchema, whole);
  if (!parsed.success) throw bad(`${v.getDotPath(parsed.issues[0]) ?? "spec"}: ${parsed.issues[0].message}`);
  const { metadata, spec } = parsed.output;
  const known = new Set(spec.templates.map((each) => each.name));
  if (metadata.name === undefined && metadata.generateName === undefined) throw bad("it has no metadata.generateName");
  if (spec.entrypoint === undefined || spec.entrypoint === "") throw bad("it has no spec.entrypoint");
  if (!known.has(spec.entrypoint)) throw bad(`its entrypoint "${spec.entrypoint}" is no template`);
  if (spec.onExit !== undefined && !known.has(spec.onExit)) throw bad(`its onExit "${spec.onExit}" is no template`);
  for (const template of spec.templates) {
    const caller = v.safeParse(callerSchema, template);
    if (!caller.success) continue; // a shape that only newer Argo knows
    for (const task of [...(caller.output.dag?.tasks ?? []), ...(caller.output.steps ?? []).flat()]) {
      if (task.template === undefined || known.has(task.template)) continue;
      throw bad(`task "${task.name}" of "${template.name}" wants the template "${task.template}", and there is none`);
    }
  }
  const parameters = spec.arguments.parameters;
  const bytes = Buffer.byteLength(
    JSON.stringify(parameters.map((each) => ({ name: each.name, value: each["value"] }))),
  );
  if (bytes > MOST_PARAMETER_BYTES) throw tooLarge("the list of its parameters' defaults", bytes, MOST_PARAMETER_BYTES);
  const open = parameters.filter((each) => each["value"] === undefined && each["valueFrom"] === undefined);
  return { kind: "argo", required: open.map((each) => each.name) };
}

const parameterSchema = looseObject({ defaultValue: v.optional(v.unknown()), isOptional: v.optional(v.boolean()) });
const irSchema = looseObject({
  pipelineInfo: looseObject({ name: v.optional(v.string(), "") }),
  schemaVersion: v.optional(v.string(), ""),
  components: v.optional(record(v.string(), v.unknown()), {}),
  root: looseObject({
    dag: v.optional(looseObject({ tasks: v.optional(record(v.string(), v.unknown()), {}) }), {}),
    inputDefinitions: v.optional(looseObject({ parameters: v.optional(record(v.string(), parameterSchema), {}) }), {}),
  }),
});
const taskSchema = looseObject({ componentRef: looseObject({ name: v.string() }) });
const dagSchema = looseObject({ dag: looseObject({ tasks: record(v.string(), v.unknown()) }) });

function checkIr(whole: Whole): CheckedDocument {
  const parsed = v.safeParse(irSchema, whole);
  if (!parsed.success) throw bad(`${v.getDotPath(parsed.issues[0]) ?? "root"}: ${parsed.issues[0].message}`);
  const { pipelineInfo, schemaVersion, components, root } = parsed.output;
  if (!/^[a-z0-9][a-z0-9-]{0,127}$/.test(pipelineInfo.name)) {
    throw bad(`its pipelineInfo.name "${pipelineInfo.name}" is not made of a-z, 0-9 and -, at most 128 of them`);
  }
  if (schemaVersion !== "2.1.0") throw bad(`its schemaVersion is "${schemaVersion}", and servers take 2.1.0`);
  const graphs = [root, ...Object.values(components)].flatMap((each) => {
    const graph = v.safeParse(dagSchema, each);
    return graph.success ? [graph.output.dag.tasks] : [];
  });
  for (const tasks of graphs) {
    for (const [name, task] of Object.entries(tasks)) {
      const ref = v.safeParse(taskSchema, task);
      if (ref.success && components[ref.output.componentRef.name] === undefined) {
        throw bad(`task "${name}" wants the component "${ref.output.componentRef.name}", and there is none`);
      }
    }
  }
  const open = Object.entries(root.inputDefinitions.parameters).filter(
    ([, each]) => each.defaultValue === undefined && each.isOptional !== true,
  );
  return { kind: "ir", required: open.map(([name]) => name) };
}

function bad(
  problem: string,
  hint = "correct what makes the document: servers take it at upload and fail at the run",
): KfkError {
  return new KfkError("SERVER_DOCUMENT", `the document cannot run: ${problem}`, { hint });
}

function tooLarge(what: string, bytes: number, limit: number): KfkError {
  return new KfkError("SERVER_DOCUMENT", `${what} has ${bytes} bytes, and servers take ${limit}`, {
    hint: "run a part of the pipeline (--tags, --nodes, --namespaces), or shorten its parameters",
  });
}
