/**
 * The other ways to a model than reading the sources: the project's interpreter, its image, or a file. Catalog rules
 * and kubeflow.yaml are read here in every case, because they are no code.
 */
import { resolve } from "node:path";
import { readKubeflow, type KubeflowFiles } from "../config/read.ts";
import { buildParameters } from "../config/parameters.ts";
import { KfkError, suggest, type Warning } from "../error.ts";
import { type Asked, readAsked } from "../kedro/asked.ts";
import { buildCatalog, catalogRules, type ProjectConfiguration } from "../kedro/catalog.ts";
import { eraOf } from "../kedro/era.ts";
import { defaultLoader } from "../kedro/loader.ts";
import { readSettings, type Settings } from "../kedro/settings.ts";
import { askImage, askPython } from "../local/introspect.ts";
import { findPython } from "../local/python.ts";
import { buildModel } from "../pipeline/build.ts";
import { readSavedModel } from "../pipeline/saved.ts";
import type { ProjectFacts } from "../project/find.ts";
import { projectHost } from "../project/host.ts";
import { configure, hooksOf, identityOf, type ReadProject, requestFor } from "./read.ts";
import { confSourceOf, refuseConfSource } from "./conf-source.ts";
import { namedEnv } from "./environment.ts";
import { imageHint, imageOf } from "./image.ts";
import type { Call } from "./verb.ts";

/** `--from auto` when the sources leave something open: says why, then asks Python. Errors: those of both ways. */
export async function readAfter(call: Call, facts: ProjectFacts, open: KfkError): Promise<ReadProject> {
  const { at } = open;
  const where = at === undefined ? "" : ` (${at.file}:${at.line})`;
  let python: string;
  try {
    ({ python } = await findPython(call.world, facts.root, call.options.text("python"), facts.kedro.version));
  } catch (error) {
    if (!(error instanceof KfkError)) throw error;
    throw new KfkError(open.code, open.message, {
      at,
      hint: `${open.hint ?? "write the value down"}; or name an interpreter that has the project's requirements with --python, or use --from image or --from FILE`,
      notes: [...open.notes, { message: `asking Python was no way out: ${error.message}` }],
    });
  }
  call.say(`running the project's code with ${python}, because ${open.message}${where}`);
  return await readFromPython(call, facts);
}

/** With the project's interpreter. Errors: LOCAL_PYTHON, PY_RAISED. */
export async function readFromPython(call: Call, facts: ProjectFacts): Promise<ReadProject> {
  const { world, options } = call;
  const { python, warnings } = await findPython(world, facts.root, options.text("python"), facts.kedro.version);
  const env = namedEnv(call);
  const conf = confSourceOf(call, facts.root, facts.kedro.version)?.path;
  const text = await askPython(world, python, { project: facts.root, env, conf, shown: python });
  return fromAnswer(call, facts, readAsked(text, python), "python", warnings);
}

/** In the project's image. Errors: STEP_IMAGE, USAGE_VALUE for --image, LOCAL_PYTHON, PY_RAISED. */
export async function readFromImage(call: Call, facts: ProjectFacts): Promise<ReadProject> {
  refuseConfSource(call, "image", "the image has its own conf, and this folder is not in it");
  const files = kubeflowAlone(call, facts, settingsOrDefault(call, facts));
  const { kubeflow } = files;
  const image = imageOf(call, kubeflow());
  if (image === null || image === "") {
    throw new KfkError("STEP_IMAGE", "--from image needs an image that holds the project", {
      hint: imageHint(files),
    });
  }
  const project = kubeflow()?.run.projectDir ?? "/home/kedro";
  const text = await askImage(call.world, image, {
    project,
    env: namedEnv(call),
    conf: undefined,
    shown: `the image ${image}`,
  });
  return fromAnswer(call, facts, readAsked(text, `the image ${image}`), "image", []);
}

/** A saved model, or Kedro's snapshot. Errors: PROJECT_FILE. */
export function readFromFile(call: Call, facts: ProjectFacts, from: string): ReadProject {
  const { world } = call;
  refuseConfSource(call, from, "the file has the parameters of the conf folder that it was made with");
  const text = world.files.readText(resolve(world.cwd, from));
  if (text === undefined) {
    const what =
      world.files.kind(resolve(world.cwd, from)) === "folder"
        ? `${from} is a folder, and no file`
        : `there is no file ${from}`;
    const near = suggest(from, ["auto", "static", "python", "image"]);
    throw new KfkError("PROJECT_FILE", `${what} to read the model from`, {
      hint: `${near === undefined ? "" : `did you mean --from ${near}? else `}write it with kfk model -o FILE, or use --from auto, static, python or image`,
    });
  }
  const settings = readSettings(projectHost(world, facts), identityOf(facts));
  const { configuration, runEnv, plainEnvs } = configure(call, facts, settings);
  const model = readSavedModel(text, from, runEnv, configuration.catalog.classify);
  if (model.project.package !== facts.package) {
    throw new KfkError(
      "PROJECT_FILE",
      `${from} is the model of "${model.project.package}", not of "${facts.package}"`,
      {
        hint: "write it again in this project with kfk model -o FILE",
      },
    );
  }
  if (model.project.env !== runEnv) {
    throw new KfkError(
      "PROJECT_FILE",
      `${from} is a model for the environment "${model.project.env}", not "${runEnv}"`,
      {
        hint: `use --env ${model.project.env}, or write the file again`,
      },
    );
  }
  return { facts, model, asRead: model, configuration, plainEnvs, ...hooksOf(settings), hasHooks: true };
}

// --- internal ---

function fromAnswer(
  call: Call,
  facts: ProjectFacts,
  asked: Asked,
  from: "python" | "image",
  warnings: readonly Warning[],
): ReadProject {
  const settings = settingsOrDefault(call, facts);
  const { plainEnvs } = requestFor(call, facts, settings);
  const catalog = buildCatalog(asked.catalog, catalogRules(asked.kedroVersion));
  const model = buildModel({
    project: {
      name: facts.name,
      package: asked.package,
      kedroVersion: asked.kedroVersion,
      env: asked.env,
      from,
    },
    pipelines: asked.pipelines,
    parameters: asked.parameters,
    classify: catalog.classify,
    dependsOn: [],
    warnings: [...warnings, ...asked.warnings],
  });
  const configuration: ProjectConfiguration = {
    env: asked.env,
    parameters: buildParameters(asked.parameterTree),
    catalog,
    ...kubeflowAlone(call, facts, settings),
    runParams: [],
    catalogRunParams: [],
    parameterSources: new Map(),
    credentialFiles: [],
    warnings: [],
    dependsOn: () => [],
  };
  return { facts, model, asRead: model, configuration, plainEnvs, ...hooksOf(settings), hasHooks: true };
}

/** Where configuration lies, as far as it can be read; else Kedro's own. */
function settingsOrDefault(call: Call, facts: ProjectFacts): Settings {
  try {
    return readSettings(projectHost(call.world, facts), identityOf(facts));
  } catch (error) {
    if (!(error instanceof KfkError)) throw error;
    return { confSource: "conf", loader: defaultLoader(eraOf(facts.kedro.version)), hasHooks: true, warnings: [] };
  }
}

function kubeflowAlone(call: Call, facts: ProjectFacts, settings: Settings): KubeflowFiles {
  const { request } = requestFor(call, facts, settings);
  return readKubeflow(request, call.world.files, (name) => call.world.env[name]);
}
