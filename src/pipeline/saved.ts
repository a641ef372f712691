/**
 * A saved model → the model: the JSON of `kfk model -o FILE`, or the snapshot of a project that Kedro >= 1.4 makes
 * (`kedro.inspection`, its dataclasses as JSON). A snapshot knows neither values of parameters nor confirms, and says
 * so in a warning.
 *
 * Refused: text that is no JSON, another form or version, a value of the wrong kind; the message names its path.
 */
import { byCodePoint, type Plain, type PlainKey, type PlainMap } from "../config/plain.ts";
import { KfkError, type Warning } from "../error.ts";
import {
  type Dataset,
  type DatasetPlace,
  isParameter,
  type Model,
  type Node,
  type Pipeline,
  type Source,
  withoutTranscoding,
} from "./model.ts";

/** Reads a file's text. `shown`: its path for people; `classify`: where a dataset of a snapshot lives. Errors: PROJECT_FILE. */
export function readSavedModel(
  text: string,
  shown: string,
  env: string,
  classify: (dataset: string) => Dataset,
): Model {
  const root = new Reader(parseJson(text, shown), shown, "");
  if (root.get("kfkModel").value !== undefined) return readModel(root);
  if (root.get("metadata").value !== undefined && root.get("pipelines").value !== undefined) {
    return readSnapshot(root, env, classify);
  }
  throw root.fail("is neither a model of kfk nor a snapshot of Kedro");
}

/** JSON text with ints as bigints. Errors: PROJECT_FILE. */
export function parseJson(text: string, shown: string): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === "number" && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context?.source ?? "") : value,
    );
  } catch (error) {
    throw new KfkError("PROJECT_FILE", `${shown} is not JSON: ${(error as Error).message}`, {
      hint: "write it with kfk model -o FILE",
      cause: error,
    });
  }
}

/** A value that `emitJson` wrote: `$float` and `$map` stand for what JSON has not. Errors: PROJECT_FILE. */
export function decodePlain(value: unknown, fail: (what: string) => KfkError): Plain {
  if (value === null || typeof value === "boolean" || typeof value === "string" || typeof value === "bigint")
    return value;
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return value.map((item) => decodePlain(item, fail));
  if (typeof value !== "object") throw fail("is not a value of JSON");
  const entries = Object.entries(value as Record<string, unknown>);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === "$float") {
    const float = typeof only[1] === "string" ? Number(only[1]) : NaN;
    if (Number.isNaN(float) && only[1] !== "NaN") throw fail("holds a $float that is no number");
    return float;
  }
  if (entries.length === 1 && only?.[0] === "$map") {
    if (!Array.isArray(only[1])) throw fail("holds a $map that is no list");
    return new Map(
      only[1].map((pair: unknown) => {
        if (!Array.isArray(pair) || pair.length !== 2) throw fail("holds a $map that is not made of pairs");
        const key = decodePlain(pair[0], fail);
        if (typeof key === "object" && key !== null) throw fail("holds a $map with a key that is no scalar");
        return [key as PlainKey, decodePlain(pair[1], fail)] as const;
      }),
    );
  }
  return new Map(entries.map(([key, item]) => [key, decodePlain(item, fail)]));
}

// --- internal ---

const PLACES: readonly DatasetPlace[] = ["memory", "parameter", "local", "absolute", "remote", "external", "opaque"];

/** A value of the file with its path, for messages. */
class Reader {
  readonly value: unknown;
  private readonly file: string;
  private readonly path: string;

  constructor(value: unknown, file: string, path: string) {
    this.value = value;
    this.file = file;
    this.path = path;
  }

  fail(what: string): KfkError {
    const subject = this.path === "" ? "it" : `"${this.path}"`;
    return new KfkError("PROJECT_FILE", `${this.file} cannot be read as a model: ${subject} ${what}`, {
      hint: "write it again with kfk model -o FILE",
    });
  }

  get(key: string): Reader {
    const path = this.path === "" ? key : `${this.path}.${key}`;
    return new Reader(this.record()[key], this.file, path);
  }

  record(): Record<string, unknown> {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value)) {
      throw this.fail("is no object");
    }
    return this.value as Record<string, unknown>;
  }

  entries(): [string, Reader][] {
    return Object.keys(this.record()).map((key) => [key, this.get(key)]);
  }

  list(): Reader[] {
    if (!Array.isArray(this.value)) throw this.fail("is no list");
    return this.value.map((item, index) => new Reader(item, this.file, `${this.path}[${index}]`));
  }

  texts(): string[] {
    return this.list().map((item) => item.text());
  }

  text(): string {
    if (typeof this.value !== "string") throw this.fail("is no text");
    return this.value;
  }

  textOrNull(): string | null {
    return this.value === null || this.value === undefined ? null : this.text();
  }

  source(file: string, line: string): Source | null {
    if (this.value === null || this.value === undefined) return null;
    const at = this.get(line).value;
    if (typeof at !== "bigint") throw this.get(line).fail("is no whole number");
    return { file: this.get(file).text(), line: Number(at) };
  }
}

function readModel(root: Reader): Model {
  if (root.get("kfkModel").value !== 1n) throw root.get("kfkModel").fail("is not 1: another version of kfk wrote it");
  const project = root.get("project");
  const parameters = decodePlain(root.get("parameters").value, (what) => root.get("parameters").fail(what));
  if (!(parameters instanceof Map)) throw root.get("parameters").fail("is no mapping");
  const datasets = new Map(mapOf(root.get("datasets")).map(([name, value]) => [name, readDataset(value)]));
  return {
    kfkModel: 1,
    project: {
      name: project.get("name").text(),
      package: project.get("package").text(),
      kedroVersion: project.get("kedroVersion").text(),
      env: project.get("env").text(),
      from: "file",
    },
    pipelines: new Map(mapOf(root.get("pipelines")).map(([name, value]) => [name, readPipeline(value)])),
    datasets,
    parameters: parameters as PlainMap,
    dependsOn: readDependsOn(root.get("dependsOn"), project.get("from").value === "static", datasets),
    warnings: root.get("warnings").list().map(readWarning),
  };
}

/** Sorted, each once; of a model that was read here, with every file that a dataset comes from. */
function readDependsOn(reader: Reader, isRead: boolean, datasets: ReadonlyMap<string, Dataset>): readonly string[] {
  const names = reader.texts();
  const strange = names.find((name) => !/^(?:env|file):./su.test(name));
  if (strange !== undefined) throw reader.fail(`holds "${strange}", which is neither env:NAME nor file:PATH`);
  const late = names.find((name, index) => index > 0 && (names[index - 1] as string) >= name);
  if (late !== undefined) throw reader.fail(`holds "${late}" twice or out of order`);
  if (!isRead && names.length === 0) return names;
  const known = new Set(names);
  for (const [name, { source }] of datasets) {
    if (source === null || !/\.(?:ya?ml|json)$/.test(source.file) || known.has(`file:${source.file}`)) continue;
    throw reader.fail(`lacks "file:${source.file}", which the dataset "${name}" comes from`);
  }
  return names;
}

/** An object, or the `$map` that stands for one. */
function mapOf(reader: Reader): [string, Reader][] {
  const entries = reader.entries();
  const [only] = entries;
  if (entries.length !== 1 || only?.[0] !== "$map") return entries;
  return only[1].list().map((pair) => {
    const [key, value] = pair.list();
    if (key === undefined || value === undefined) throw pair.fail("is no pair");
    return [key.text(), value];
  });
}

function readPipeline(reader: Reader): Pipeline {
  return { nodes: checked(reader, reader.get("nodes").list().map(readNode)) };
}

/** What Kedro holds of every pipeline: names once, outputs once, and each node behind those that it needs. */
function checked(reader: Reader, nodes: readonly Node[]): readonly Node[] {
  const outputs = new Map(
    nodes.flatMap((node) => node.outputs.map((name) => [withoutTranscoding(name), node] as const)),
  );
  const count = nodes.reduce((sum, node) => sum + new Set(node.outputs.map(withoutTranscoding)).size, 0);
  if (new Set(nodes.map(({ name }) => name)).size < nodes.length) throw reader.fail("has two nodes of one name");
  if (outputs.size < count) throw reader.fail("has an output that two nodes make");
  const before = new Set<Node>();
  for (const node of nodes) {
    const needed = node.inputs.map((name) => outputs.get(withoutTranscoding(name)));
    const late = needed.find((other) => other !== undefined && !before.has(other));
    if (late !== undefined) throw reader.fail(`has "${node.name}" before "${late.name}", which it needs`);
    before.add(node);
  }
  return nodes;
}

function readNode(reader: Reader): Node {
  const confirms = reader.get("confirms");
  return {
    name: reader.get("name").text(),
    named: reader.get("named").value === true,
    func: reader.get("func").text(),
    inputs: reader.get("inputs").texts(),
    outputs: reader.get("outputs").texts(),
    tags: reader.get("tags").texts(),
    namespace: reader.get("namespace").textOrNull(),
    confirms: confirms.value === undefined ? [] : confirms.texts(),
    source: reader.get("source").source("file", "line"),
  };
}

function readDataset(reader: Reader): Dataset {
  const place = PLACES.find((candidate) => candidate === reader.get("place").text());
  if (place === undefined) throw reader.get("place").fail("is not known");
  return {
    place,
    type: reader.get("type").textOrNull(),
    path: reader.get("path").textOrNull(),
    pattern: reader.get("pattern").textOrNull(),
    source: reader.get("source").source("file", "line"),
  };
}

function readWarning(reader: Reader): Warning {
  const hint = reader.get("hint").textOrNull();
  return { message: reader.get("message").text(), ...(hint === null ? {} : { hint }) };
}

function readSnapshot(root: Reader, env: string, classify: (dataset: string) => Dataset): Model {
  const metadata = root.get("metadata");
  const pipelines = new Map(
    root
      .get("pipelines")
      .list()
      .map((pipeline) => [
        pipeline.get("name").text(),
        { nodes: checked(pipeline, pipeline.get("nodes").list().map(snapshotNode)) },
      ]),
  );
  const names = new Set<string>();
  for (const { nodes } of pipelines.values()) {
    for (const { inputs, outputs } of nodes) for (const name of [...inputs, ...outputs]) names.add(name);
  }
  return {
    kfkModel: 1,
    project: {
      name: metadata.get("project_name").text(),
      package: metadata.get("package_name").text(),
      kedroVersion: metadata.get("kedro_version").text(),
      env,
      from: "file",
    },
    pipelines,
    datasets: new Map([...names].toSorted(byCodePoint).map((name) => [name, classify(name)])),
    parameters: new Map(),
    dependsOn: [],
    warnings: [...names].some(isParameter)
      ? [
          {
            message: "a snapshot of Kedro holds no values of parameters: all of them stay in the image's conf",
            hint: "kfk model -o FILE saves them too",
          },
        ]
      : [],
  };
}

function snapshotNode(reader: Reader): Node {
  const name = reader.get("name").text();
  return {
    name,
    named: !/__[0-9a-f]{8}$/.test(name),
    func: reader.get("func_name").textOrNull() ?? "<unknown>",
    inputs: reader.get("inputs").texts(),
    outputs: reader.get("outputs").texts(),
    tags: reader.get("tags").texts().toSorted(byCodePoint),
    namespace: reader.get("namespace").textOrNull(),
    confirms: [],
    source: reader.get("source").source("filepath", "line_start"),
  };
}
