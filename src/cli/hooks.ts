import { KfkError, suggest, type Warning } from "../error.ts";
import type { Call, Verb } from "./verb.ts";

export const hooks: Verb = {
  name: "hooks",
  summary: "List or check the project's hooks, or write their types",
  details:
    "list: which hooks there are and which file holds them. check: loads the files and calls the hooks as compile would. " +
    "types: writes .kfk/kfk.d.ts, from which an editor knows the types. list and check run code of the project.",
  options: {
    output: {
      type: "enum",
      alias: ["o"],
      options: ["text", "json", "name"],
      default: "text",
      description: "Form of the list on stdout",
    },
  },
  positionals: ["list|check|types"],
  examples: ["kfk hooks list", "kfk hooks check", "kfk hooks types"],
  run: async (call) => {
    const [what = ""] = call.positionals;
    switch (what) {
      case "list":
        return await list(call);
      case "check":
        return await check(call);
      case "types":
        return await writeTypes(call);
      default:
        throw unknownPart(what);
    }
  },
};

// --- internal ---

async function list(call: Call): Promise<number> {
  const [{ findHooks, loadHooks, wantsHooks }, { readGround }, { HOOKS, isHookName }] = await Promise.all([
    import("./open.ts"),
    import("./read.ts"),
    import("../hooks/rules.ts"),
  ]);
  const read = readGround(call);
  const files = wantsHooks(call) ? findHooks(call, read) : [];
  const loaded = files.length === 0 ? [] : (await loadHooks(call, read, files)).files;
  const rows = [
    ...loaded.flatMap(({ file, hooks }) =>
      [...hooks].map(([hook, members]) => ({ hook, file: file.shown, members: hook === "resolvers" ? members : [] })),
    ),
    { hook: "variable", file: SHIPPED, members: [] },
  ];
  const { out } = call.world;
  switch (call.options.text("output")) {
    case "json":
      out.write(
        `${JSON.stringify(rows.map((row) => ({ ...row, ...(isHookName(row.hook) ? HOOKS[row.hook] : {}) })))}\n`,
      );
      return 0;
    case "name":
      out.write(rows.map(({ hook, file }) => `${file}:${hook}\n`).join(""));
      return 0;
    default: {
      const table = [["HOOK", "FILE", "RULE", "WHAT"]];
      for (const { hook, file, members } of rows) {
        if (!isHookName(hook)) continue;
        const { combine, payload } = HOOKS[hook];
        table.push([members.length > 0 ? `${hook}: ${members.join(", ")}` : hook, file, combine, payload]);
      }
      out.write(renderTable(table));
      const unused = Object.keys(HOOKS).filter((name) => !rows.some(({ hook }) => hook === name));
      call.say(`not used: ${unused.join(", ")}`);
      return 0;
    }
  }
}

/** The templating of `hooks/templating.ts`. */
const SHIPPED = "kfk";

async function check(call: Call): Promise<number> {
  const [
    { openProject, wantsHooks },
    { planForCluster, planForHere },
    { compileArgo },
    { TYPES_FILE, renderHookTypes },
  ] = await Promise.all([
    import("./open.ts"),
    import("./plan.ts"),
    import("../compile/argo.ts"),
    import("../hooks/editor.ts"),
  ]);
  if (!wantsHooks(call)) throw off();
  const read = await openProject(call);
  const { hooks } = read;
  let warnings = 0;
  const warn = (some: readonly Warning[]): void => {
    warnings += some.length;
    call.warn(some);
  };
  warn(read.model.warnings);
  const image = read.configuration.kubeflow()?.run.image ?? null;
  const first = image === null ? planForHere(call, read) : planForCluster(call, read);
  const plan = await hooks.steps(first);
  const documents = image === null ? undefined : await hooks.documents(plan, compileArgo(plan));
  const findings = await hooks.lint({ model: read.model, plan, ...(documents === undefined ? {} : { documents }) });
  for (const { rule, message, hint, at } of findings) {
    warn([{ message: `${rule}: ${message}`, hint, at: at && { file: at.file, line: at.line, column: 1 } }]);
  }
  if (image === null && (hooks.has("documents") || hooks.has("extraSteps"))) {
    warn([{ message: "hooks of documents were not called, because kubeflow.yaml names no image" }]);
  }
  const { join } = await import("node:path");
  const types = call.world.files.readText(join(read.facts.root, TYPES_FILE));
  if (types !== undefined && types !== renderHookTypes(call.version)) {
    warn([{ message: `${TYPES_FILE} is of another kfk`, hint: "write it again with kfk hooks types" }]);
  }
  const count = hooks.files.reduce((sum, file) => sum + file.hooks.size, 0);
  const outcome = warnings === 0 ? "no fault found" : `no error, ${plural(warnings, "warning")} above`;
  call.say(
    count === 0
      ? "the project has no hooks"
      : `${plural(count, "hook")} in ${plural(hooks.files.length, "file")}: ${outcome}`,
  );
  return 0;
}

async function writeTypes(call: Call): Promise<number> {
  const [{ join, resolve }, { findProject }, { TYPES_FILE, renderHookTypes }] = await Promise.all([
    import("node:path"),
    import("../project/find.ts"),
    import("../hooks/editor.ts"),
  ]);
  const { world, options } = call;
  const { root } = findProject(world, resolve(world.cwd, options.text("project") ?? "."));
  world.files.write(join(root, TYPES_FILE), renderHookTypes(call.version));
  call.say(`wrote ${TYPES_FILE}; begin hook files with /// <reference path="./${TYPES_FILE}" />`);
  return 0;
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function unknownPart(what: string): KfkError {
  const near = suggest(what, ["list", "check", "types"]);
  return new KfkError("USAGE_ARGUMENT", `kfk hooks does not know "${what}"`, {
    hint: near === undefined ? "use list, check or types" : `did you mean kfk hooks ${near}?`,
  });
}

function off(): KfkError {
  return new KfkError("USAGE_OPTION", "hooks are turned off, so there is nothing to check", {
    hint: "leave out --no-hooks, and unset KFK_NO_HOOKS",
  });
}
