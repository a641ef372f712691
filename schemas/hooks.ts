/**
 * The form of what hooks give back, before it is compared with what they were given. Messages are what is wanted, to
 * follow "must be". Types are those of `hooks/contract.ts`.
 */
import * as v from "valibot";
import { looseObject, record, strictObject } from "./mapping.ts";
import { imageName } from "./names.ts";

const text = v.string("text");
const texts = v.array(text, "a list of text");
const textOrNull = v.nullable(text, null);

const mapping = <T extends v.GenericSchema>(value: T, wanted = "a mapping") => record(v.string(), value, wanted);

/** Plain data with text keys; what is inside was checked when it was copied. */
export const valueMapSchema = mapping(v.unknown());

const source = v.nullable(
  strictObject(
    { file: text, line: v.pipe(v.number("a number"), v.integer("a whole number"), v.minValue(1, "1 or more")) },
    "null or {file, line}",
  ),
);

const node = strictObject(
  {
    name: text,
    named: v.boolean("true or false"),
    func: text,
    inputs: texts,
    outputs: texts,
    tags: texts,
    namespace: v.nullable(text),
    confirms: texts,
    source,
  },
  "a node",
);

const dataset = strictObject(
  {
    place: v.picklist(
      ["memory", "parameter", "local", "absolute", "remote", "external", "opaque"],
      "memory, parameter, local, absolute, remote, external or opaque",
    ),
    type: v.nullable(text),
    path: v.nullable(text),
    pattern: v.nullable(text),
    source,
  },
  "a dataset",
);

export const modelSchema = strictObject(
  {
    pipelines: mapping(strictObject({ nodes: v.array(node, "a list") }, "{nodes: […]}")),
    datasets: mapping(dataset),
    parameters: valueMapSchema,
  },
  "a mapping with pipelines, datasets and parameters",
);

const quantity = v.pipe(
  v.union([v.string(), v.pipe(v.number(), v.finite())], "an amount like 500m or 4Gi"),
  v.transform((amount) => String(amount)),
);

const step = strictObject(
  {
    id: text,
    nodes: v.array(node, "a list"),
    needs: texts,
    parameters: texts,
    pod: looseObject({ resources: mapping(quantity, "a mapping like {cpu: 500m}") }, "a mapping"),
  },
  "a step",
);

export const planSchema = strictObject(
  {
    name: text,
    pipeline: text,
    projectDir: text,
    description: textOrNull,
    steps: v.array(step, "a list"),
    pods: looseObject(
      {
        image: v.nullable(v.pipe(imageName, v.minLength(1, "the name of an image"))),
        imagePullPolicy: text,
        serviceAccount: v.nullable(v.pipe(text, v.minLength(1, "the name of a service account"))),
        ttlSeconds: v.nullable(
          v.pipe(v.number("a number"), v.integer("a whole number"), v.minValue(0, "a whole number, 0 or more")),
        ),
      },
      "a mapping",
    ),
  },
  "a mapping with name, pipeline, description, steps and pods",
);

export const documentsSchema = v.pipe(
  v.array(valueMapSchema, "a list of documents"),
  v.minLength(1, "a list of documents with one at least"),
);

export const extraStepsSchema = v.array(
  strictObject(
    {
      id: v.pipe(
        v.string("text"),
        v.regex(/^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/, "lower-case letters, digits and dashes, at most 40"),
      ),
      place: v.picklist(["start", "around-exit", "exit", "last"], "start, around-exit, exit or last"),
      image: v.optional(v.pipe(imageName, v.minLength(1, "the name of an image"))),
      command: v.pipe(texts, v.minLength(1, "a list with a program")),
      env: v.optional(mapping(v.string("text"))),
      gives: v.optional(
        strictObject(
          { env: v.pipe(text, v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable")) },
          "{env: NAME}",
        ),
      ),
      local: v.optional(v.boolean("true or false")),
    },
    "a step",
  ),
  "a list of steps",
);

export const findingsSchema = v.array(
  strictObject(
    {
      rule: v.pipe(text, v.regex(/^[\w./-]+$/, "a name like team/owner-tag")),
      message: text,
      hint: v.optional(text),
      at: v.optional(strictObject({ file: text, line: v.number("a number") }, "{file, line}")),
    },
    "a finding",
  ),
  "a list of findings",
);

export const headersSchema = mapping(
  v.pipe(v.string("text"), v.regex(/^[\t\x20-\x7e]*$/, "a header's text: printable ASCII, one line")),
  "a mapping of header names to text",
);

export const loginSchema = strictObject(
  {
    headers: headersSchema,
    expiresAtMs: v.optional(v.pipe(v.number("a time in milliseconds"), v.finite("a time in milliseconds"))),
    keep: v.optional(v.boolean("true or false")),
    origin: v.optional(text),
    principal: v.optional(text),
    audience: v.optional(text),
    tls: v.optional(strictObject({ cert: text, key: text }, "{cert, key}")),
  },
  "headers, or a mapping with headers, expiresAtMs, keep, origin, principal, audience, tls",
);
