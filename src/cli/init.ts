import { KfkError } from "../error.ts";
import type { Call, Verb } from "./verb.ts";

export const init: Verb = {
  name: "init",
  summary: "Write kubeflow.yaml, and the files of a build server",
  details:
    "Writes conf/base/kubeflow.yaml, commented, which works as it stands, and its schema for editors. Asks the server for " +
    "its version; when that is not possible it says so and goes on. The files of a build server come with a Dockerfile " +
    "when the project has none. With them, or --hooks, a kubeflow.yaml that is there stays as it is, and URL is not " +
    "needed when it names the host. What is there already is left alone unless --force is given; the old kubeflow.yaml " +
    "and kfk.hooks.ts are kept beside the new ones as .bak then.",
  options: {
    force: { type: "boolean", description: "Replace files that are there already" },
    "with-github-actions": { type: "boolean", description: "Also two GitHub workflows (as --ci github)" },
    ci: {
      type: "enum",
      options: ["github", "gitlab"],
      description: "Also the files of a build server",
    },
    hooks: { type: "boolean", description: "Also kfk.hooks.ts, an example" },
  },
  optionalPositionals: ["URL"],
  examples: [
    "kfk init https://kubeflow.example.org/pipeline",
    "kfk init https://kubeflow.example.org --with-github-actions",
    "kfk init --ci gitlab --force",
  ],
  run: async (call) => {
    const [{ findPlace, shownPath }, { parseHost }, { checkFree, writeAll }, path, { confSourceOf }] =
      await Promise.all([
        import("../init/place.ts"),
        import("../cluster/host.ts"),
        import("../init/write.ts"),
        import("node:path"),
        import("./conf-source.ts"),
      ]);
    const { world, options } = call;
    const { files } = world;
    const place = findPlace(
      world,
      path.resolve(world.cwd, options.text("project") ?? "."),
      (root, kedro) => confSourceOf(call, root, kedro)?.path,
    );
    checkEnv(call, path.basename(place.baseFolder));
    const file = path.join(place.baseFolder, await fileName(call, place.baseFolder));
    const shown = shownPath(place.root, file);
    const others = await otherFiles(call, place);
    const isKept = others.length > 0 && files.kind(file) === "file";
    const url = call.positionals[0];
    if (isKept) await checkHost(call, { shown, text: files.readText(file) ?? "" }, url);
    else if (url === undefined) throw noUrl();
    const parsed = url === undefined ? undefined : parseHost(url);
    const schema = await schemaFile(place);
    const toFile = (text: string): NewFile => ({ path: file, shown, text });
    const wanted = isKept ? others : [toFile(""), ...others, schema];
    const copies = oldTexts(call, wanted);
    const conf = path.dirname(place.baseFolder);
    checkFree(files, [...copies, ...wanted], {
      mayReplace: options.flag("force") === true,
      // a folder of configuration may be elsewhere, when the project's settings say so
      folders: [place.root, place.repository, ...(shownPath(place.root, conf) === conf ? [conf] : [])],
    });
    if (isKept) {
      writeAll(files, [...copies, ...others]);
      call.say(`${shown} is there already and stays as it is`);
    } else {
      const server = await askServer(call, url as string);
      const { kubeflowText } = await import("../init/texts.ts");
      const text = kubeflowText({
        name: place.name,
        host: server.host ?? (parsed?.origin ?? "") + (parsed?.bases[0] ?? ""),
        ...server.target,
        schema: path.relative(place.baseFolder, schema.path),
      });
      writeAll(files, [...copies, schema, ...others, toFile(text)]);
      if (place.assumed !== null) call.warn([{ message: `assumed that ${place.assumed}` }]);
    }
    for (const copy of copies) call.say(`kept the old text as ${copy.shown}`);
    for (const each of isKept ? others : [schema, ...others]) call.say(`wrote ${each.shown}`);
    if (!isKept) call.say(`Configuration generated in ${shown}`);
    return 0;
  },
};

// --- internal ---

type Place = import("../init/place.ts").InitPlace;
type NewFile = import("../init/write.ts").NewFile;

/** A project that has the file under the other ending keeps it: two of them would be read as one. */
async function fileName(call: Call, baseFolder: string): Promise<string> {
  const { join } = await import("node:path");
  return call.world.files.kind(join(baseFolder, "kubeflow.yml")) === "file" ? "kubeflow.yml" : "kubeflow.yaml";
}

/** What people wrote by hand and `--force` replaces, beside itself; an older copy is never written over. */
function oldTexts({ world, options }: Call, wanted: readonly NewFile[]): readonly NewFile[] {
  if (options.flag("force") !== true) return [];
  const { files } = world;
  return wanted.flatMap(({ path, shown, text }) => {
    const before = /(?:kubeflow\.ya?ml|kfk\.hooks\.ts)$/.test(path) ? files.readText(path) : undefined;
    if (before === undefined || before === text) return [];
    for (let count = 1; ; count++) {
      const ending = count === 1 ? ".bak" : `.bak${count}`;
      const there = files.kind(path + ending) === undefined ? undefined : files.readText(path + ending);
      if (there === before) return [];
      if (files.kind(path + ending) === undefined)
        return [{ path: path + ending, shown: shown + ending, text: before }];
    }
  });
}

/** A kubeflow.yaml that stays says where the server is, or is told of. Errors: USAGE_ARGUMENT. */
async function checkHost(call: Call, there: { shown: string; text: string }, url: string | undefined): Promise<void> {
  const host = await hostIn(there);
  if (host === undefined && url === undefined) throw noUrl(`${there.shown} names no host`);
  if (url === undefined || host === url) return;
  const says = host === undefined ? "names no host" : `names the host ${host}`;
  call.warn([
    { message: `${there.shown} ${says}; ${url} was not written into it`, hint: `if that is meant, write host: ${url}` },
  ]);
}

/** As it is written; undefined also where the file cannot be read. */
async function hostIn({ shown, text }: { shown: string; text: string }): Promise<string | undefined> {
  const [{ parseYaml }, { isKfkError }] = await Promise.all([import("../config/yaml.ts"), import("../error.ts")]);
  try {
    const tree = parseYaml({ file: shown, text });
    const node = tree?.kind === "map" ? tree.entries.get("host") : undefined;
    return node?.kind === "scalar" && typeof node.value === "string" && node.value !== "" ? node.value : undefined;
  } catch (error) {
    if (isKfkError(error)) return undefined;
    throw error;
  }
}

/** `init` writes the base environment alone. Errors: USAGE_VALUE. */
function checkEnv({ options }: Call, base: string): void {
  const env = options.text("env");
  if (env === undefined || env === base) return;
  throw new KfkError(
    "USAGE_VALUE",
    `--env ${env}: kfk init writes the environment ${base}, which all others build on`,
    {
      hint: `leave --env out; what differs in ${env} goes into a kubeflow.yaml of its own in that environment's folder`,
    },
  );
}

function noUrl(why?: string): KfkError {
  return new KfkError("USAGE_ARGUMENT", `kfk init needs URL${why === undefined ? "" : `: ${why}`}`, {
    hint: `for example: ${init.examples[0]}`,
  });
}

async function otherFiles(call: Call, place: Place): Promise<readonly NewFile[]> {
  const [{ dirname, join, relative, sep }, { shownPath }] = await Promise.all([
    import("node:path"),
    import("../init/place.ts"),
  ]);
  const { world, options, version } = call;
  const found: NewFile[] = [];
  const add = (path: string, text: string): void => {
    found.push({ path, shown: shownPath(place.root, path), text });
  };
  const wantsGithub = options.flag("with-github-actions") === true || options.text("ci") === "github";
  const wantsGitlab = options.text("ci") === "gitlab";
  if (wantsGithub || wantsGitlab) {
    const [{ dockerFiles, githubFiles, gitlabFiles }, { agentChecksum, BUILD }] = await Promise.all([
      import("../init/texts.ts"),
      import("../init/release.ts"),
    ]);
    const facts = {
      name: place.name,
      folder: relative(place.repository, place.root).split(sep).join("/"),
      version,
      checksum: agentChecksum(world.files, BUILD),
      releases: BUILD.releases,
    };
    const files = [...(wantsGithub ? githubFiles(facts) : []), ...(wantsGitlab ? gitlabFiles(facts) : [])];
    for (const file of files) add(join(place.repository, file.path), file.text);
    const isThere = (path: string): boolean => world.files.kind(join(place.root, path)) !== undefined;
    if (!isThere("Dockerfile")) {
      const { pythonFor } = await import("../kedro/python-version.ts");
      const requirements = ["requirements.txt", "src/requirements.txt"].find(isThere) ?? null;
      const conf = shownPath(place.root, dirname(place.baseFolder)).split(sep).join("/");
      const python = pythonFor(place.kedroVersion ?? "0.16.6");
      for (const file of dockerFiles({ python, requirements, conf: conf.startsWith("/") ? "conf" : conf })) {
        if (!isThere(file.path)) add(join(place.root, file.path), file.text);
      }
    }
  }
  if (options.flag("hooks") === true) {
    const { renderHookExample } = await import("../hooks/editor.ts");
    add(join(place.root, "kfk.hooks.ts"), renderHookExample());
  }
  return found;
}

/** For editors, above the environments, where no loader of Kedro looks. */
async function schemaFile({ root, baseFolder }: Place): Promise<NewFile> {
  const [{ join, dirname }, { shownPath }, { kubeflowJsonSchema }] = await Promise.all([
    import("node:path"),
    import("../init/place.ts"),
    import("../../schemas/json-schema.ts"),
  ]);
  const path = join(dirname(baseFolder), "kubeflow.schema.json");
  return { path, shown: shownPath(root, path), text: kubeflowJsonSchema() };
}

interface Asked {
  readonly target: import("../init/target.ts").Target;
  /** Where the API was found. */
  readonly host: string | null;
}

/** One look at the server; when it cannot be asked, this is said and the oldest target taken. */
async function askServer(call: Call, url: string): Promise<Asked> {
  const [{ connectServer }, { chooseTarget, UNKNOWN_SERVER }, { isKfkError, isStop }] = await Promise.all([
    import("./server.ts"),
    import("../init/target.ts"),
    import("../error.ts"),
  ]);
  const given: Readonly<Record<string, string>> = {
    host: url,
    "request-timeout": call.options.text("request-timeout") ?? ASK_SECONDS,
  };
  try {
    const text = (name: string): string | undefined => given[name] ?? call.options.text(name);
    const server = await connectServer(
      { ...call, options: { ...call.options, text } },
      undefined,
      undefined,
      ANY_NAMESPACE,
    );
    const target = chooseTarget(server);
    if (target.target === "kfp") call.warn([NOT_COMPILED]);
    if (target.kfpVersion === null) call.say(`the server does not say its version; target: ${target.target}`);
    else call.say(`the server is KFP ${server.version}; target: ${target.target}`);
    return { target, host: server.origin + server.base };
  } catch (error) {
    if (!isKfkError(error) || isStop(error)) throw error;
    if (error.code === "SERVER_HOST" || error.code === "SERVER_TOKEN_FILE") throw error;
    const warning = `cannot ask the server for its version (${error.message}); target: ${UNKNOWN_SERVER.target}`;
    call.warn([{ message: warning, hint: "write kfp_version into the file once you know it" }]);
    return { target: UNKNOWN_SERVER, host: null };
  }
}

/** A server for many users wants one, and its version is the same in all. */
const ANY_NAMESPACE = "default";

/** What is written is what the server takes, all the same. */
const NOT_COMPILED = {
  message: "the server takes documents of the target kfp alone, and this version of kfk compiles none",
  hint: "use a server of KFP 2.17 or older, or a newer kfk",
};

const ASK_SECONDS = "3";
