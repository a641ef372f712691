import type { Call, Verb } from "./verb.ts";

export const init: Verb = {
  name: "init",
  summary: "Write kubeflow.yaml, and the files of a build server",
  details:
    "Writes conf/base/kubeflow.yaml, commented, which works as it stands. Asks the server for its version; when that " +
    "is not possible it says so and goes on. What is there already is left alone unless --force is given. The files " +
    "of a build server come with a Dockerfile when the project has none.",
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
  positionals: ["URL"],
  examples: [
    "kfk init https://kubeflow.example.org/pipeline",
    "kfk init https://kubeflow.example.org --with-github-actions",
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
    const place = findPlace(
      world,
      path.resolve(world.cwd, options.text("project") ?? "."),
      (root, kedro) => confSourceOf(call, root, kedro)?.path,
    );
    const url = call.positionals[0] as string;
    const { origin, bases } = parseHost(url);
    const file = path.join(place.baseFolder, await fileName(call, place.baseFolder));
    const others = await otherFiles(call, place);
    const toFile = (text: string) => ({ path: file, shown: shownPath(place.root, file), text });
    const schema = await schemaFile(place);
    const conf = path.dirname(place.baseFolder);
    checkFree(world.files, [toFile(""), ...others, schema], {
      mayReplace: options.flag("force") === true,
      // a folder of configuration may be elsewhere, when the project's settings say so
      folders: [place.root, place.repository, ...(shownPath(place.root, conf) === conf ? [conf] : [])],
    });
    const server = await askServer(call, url);
    const { kubeflowText } = await import("../init/texts.ts");
    const text = kubeflowText({
      name: place.name,
      host: server.host ?? origin + (bases[0] ?? ""),
      ...server.target,
      schema: path.relative(place.baseFolder, schema.path),
    });
    writeAll(world.files, [schema, ...others, toFile(text)]);
    if (place.assumed !== null) call.warn([{ message: `assumed that ${place.assumed}` }]);
    call.say(`Configuration generated in ${shownPath(place.root, file)}`);
    for (const { shown } of others) call.say(`wrote ${shown}`);
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
    // a server for many users wants one, and its version is the same in all
    namespace: call.options.text("namespace") ?? "default",
  };
  try {
    const text = (name: string): string | undefined => given[name] ?? call.options.text(name);
    const server = await connectServer({ ...call, options: { ...call.options, text } }, undefined);
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

/** What is written is what the server takes, all the same. */
const NOT_COMPILED = {
  message: "the server takes documents of the target kfp alone, and this version of kfk compiles none",
  hint: "use a server of KFP 2.17 or older, or a newer kfk",
};

const ASK_SECONDS = "3";
