/**
 * The schema of kubeflow.yaml as JSON Schema (draft 7), for editors: generated, so that it never says anything else
 * than kfk checks. Every value may also be a template (`${oc.env:NAME}`), which kfk resolves before it checks.
 *
 * Only the forms of valibot that `kubeflow.ts` uses are known; another one is an error of this file.
 */
import { affinity, podVolume } from "./kubernetes.ts";
import { kubeflowSchema } from "./kubeflow.ts";
import { KUBEFLOW_WORDS } from "./kubeflow-words.ts";

/** The whole document, ending in a newline. Mappings that stand in several places are written once. */
export function kubeflowJsonSchema(): string {
  const shared = findShared(kubeflowSchema);
  const context = { words: KUBEFLOW_WORDS, shared };
  const definitions = [...shared].map(([form, name]) => [name, mappingSchema(form as Form, [], context)] as const);
  const document = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "kubeflow.yaml",
    description: "Where and how kfk runs a Kedro project on Kubeflow Pipelines",
    ...jsonSchema(kubeflowSchema, [], context),
    definitions: {
      template: { type: "string", pattern: "\\$\\{", description: "A value from elsewhere: ${…}" },
      ...Object.fromEntries(definitions),
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

export interface Context {
  /** Descriptions by dotted path, `*` for keys that the user chooses. */
  readonly words: Readonly<Record<string, string>>;
  /** Mappings that are referred to by name. */
  readonly shared: ReadonlyMap<unknown, string>;
}

type Json = Readonly<Record<string, unknown>>;

/** One valibot schema as JSON Schema. `path`: where it stands, for the descriptions. */
export function jsonSchema(schema: unknown, path: readonly string[], context: Context): Json {
  const form = schema as Form;
  if (FREELY_SPELLED.has(schema)) return { type: "object" };
  switch (form.type) {
    case "strict_object":
    case "object":
    case "loose_object": {
      const name = context.shared.get(schema);
      return name === undefined ? mappingSchema(form, path, context) : { $ref: `#/definitions/${name}` };
    }
    case "record":
      return { type: "object", additionalProperties: below(form.value, [...path, "*"], context) };
    case "array":
      return { type: "array", items: below(form.item, [...path, "*"], context) };
    case "nullish":
    case "nullable":
      return orNull(jsonSchema(form.wrapped, path, context));
    case "optional":
      return jsonSchema(form.wrapped, path, context);
    case "union":
      return { anyOf: (form.options ?? []).map((option) => jsonSchema(option, path, context)) };
    case "picklist":
      return { enum: form.options ?? [] };
    case "literal":
      return { const: form.literal };
    case "string":
      return { type: "string", ...pattern(form) };
    case "bigint":
      return { type: "integer" };
    case "number":
    case "boolean":
    case "null":
      return { type: form.type };
    case "unknown":
    case "any":
      return {};
    default:
      throw new Error(`${path.join(".")}: no JSON Schema is known for valibot's ${form.type}`);
  }
}

// --- internal ---

/** Objects of Kubernetes that may be in the spelling of its Python client, which an editor cannot check. */
const FREELY_SPELLED: ReadonlySet<unknown> = new Set<unknown>([affinity, podVolume]);

/** What this file reads of a schema. A pipe lists its schema first, then what is done to the value. */
interface Form {
  readonly type: string;
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly value?: unknown;
  readonly item?: unknown;
  readonly wrapped?: unknown;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly pipe?: readonly { readonly type: string; readonly requirement?: unknown }[];
}

function mappingSchema(form: Form, path: readonly string[], context: Context): Json {
  const entries = Object.entries(form.entries ?? {});
  const required = entries.filter(([, child]) => !isOptional(child)).map(([key]) => key);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([key, child]) => [key, below(child, [...path, key], context)])),
    ...(required.length > 0 ? { required } : {}),
    ...(form.type === "strict_object" ? { additionalProperties: false } : {}),
  };
}

function below(child: unknown, path: readonly string[], context: Context): Json {
  const inner = allowTemplate(jsonSchema(child, path, context));
  const description = context.words[path.join(".")];
  return description === undefined ? inner : { description, ...inner };
}

/** Mappings that stand in more than one place, with a name from the first of them. */
function findShared(schema: unknown): ReadonlyMap<unknown, string> {
  const seen = new Map<unknown, string>();
  const shared = new Map<unknown, string>();
  const visit = (node: unknown, key: string): void => {
    const form = node as Form;
    if (FREELY_SPELLED.has(node)) return;
    if (form.entries !== undefined) {
      const first = seen.get(node);
      if (first !== undefined) {
        const taken = [...shared.values()].filter((name) => name.replace(/\d+$/, "") === first).length;
        if (!shared.has(node)) shared.set(node, taken === 0 ? first : `${first}${taken + 1}`);
        return;
      }
      seen.set(node, key);
    }
    for (const [name, child] of Object.entries(form.entries ?? {})) visit(child, name);
    const others = [form.wrapped, form.item, form.value, ...(form.type === "union" ? (form.options ?? []) : [])];
    for (const child of others) if (child !== undefined) visit(child, key);
  };
  visit(schema, "kubeflow");
  return shared;
}

function isOptional(schema: unknown): boolean {
  return ["nullish", "optional"].includes((schema as Form).type);
}

function orNull(inner: Json): Json {
  if (Object.keys(inner).length === 0) return inner;
  if (typeof inner["type"] === "string") return { ...inner, type: [inner["type"], "null"] };
  if (Array.isArray(inner["anyOf"])) return { anyOf: [...inner["anyOf"], { type: "null" }] };
  if (Array.isArray(inner["enum"])) return { enum: [...inner["enum"], null] };
  return { anyOf: [inner, { type: "null" }] };
}

/** Text matches already, unless it must have a form; anything matches already too. */
function allowTemplate(inner: Json): Json {
  const isText = (each: Json): boolean =>
    [each["type"]].flat().includes("string") && each["pattern"] === undefined && each["enum"] === undefined;
  const choices = (inner["anyOf"] as readonly Json[] | undefined) ?? [inner];
  if (Object.keys(inner).length === 0 || choices.some(isText)) return inner;
  return { anyOf: [...choices, { $ref: "#/definitions/template" }] };
}

function pattern(form: Form): Json {
  const action = form.pipe?.find(({ type, requirement }) => type === "regex" && requirement instanceof RegExp);
  if (action === undefined) return {};
  const { source, flags } = action.requirement as RegExp;
  // JSON Schema has no flags
  const text = flags.includes("i") ? source.replaceAll(/[a-z]/gi, (each) => bothCases(each)) : source;
  return { pattern: text };
}

function bothCases(letter: string): string {
  return `[${letter.toLowerCase()}${letter.toUpperCase()}]`;
}
