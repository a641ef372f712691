/** Completion scripts, run by the shells they are for. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine, VERBS } from "../../src/cli/app.ts";
import { GLOBAL_OPTIONS } from "../../src/cli/options.ts";
import { renderCompletion, SHELLS, type Shell } from "../../src/view/completion.ts";
import { fakeWorld } from "../fake-world.ts";

const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-completion-"));
const scripts = Object.fromEntries(
  SHELLS.map((shell) => [shell, renderCompletion(shell, VERBS, GLOBAL_OPTIONS)]),
) as Record<Shell, string>;

beforeAll(() => {
  for (const shell of SHELLS) writeFileSync(join(SCRATCH, shell), scripts[shell]);
  mkdirSync(join(SCRATCH, "work/a folder"), { recursive: true });
  writeFileSync(join(SCRATCH, "work/a file.json"), "");
  for (const folder of [
    "conf/base",
    "conf/prod",
    "ci/base",
    "src/shop/pipelines/train",
    "src/shop/pipelines/__pycache__",
  ]) {
    mkdirSync(join(SCRATCH, "shop", folder), { recursive: true });
  }
  writeFileSync(join(SCRATCH, "shop/pyproject.toml"), "");
});
afterAll(() => rmSync(SCRATCH, { recursive: true, force: true }));

function run(command: readonly string[], folder = "work") {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd: join(SCRATCH, folder),
    env: { PATH: "/usr/bin:/bin", HOME: SCRATCH, TERM: "dumb" },
    stdin: "ignore",
  });
  return { status: exitCode, out: stdout.toString().split("\n").filter(Boolean), err: stderr.toString() };
}

/** What bash offers for words, the last of which is being typed. */
function bash(words: readonly string[], folder?: string) {
  const list = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return run(
    [
      "bash",
      "--norc",
      "-c",
      `set -u; source "$0"; source "$0"; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _kfk; printf '%s\\n' "\${COMPREPLY[@]+"\${COMPREPLY[@]}"}"`,
      join(SCRATCH, "bash"),
    ],
    folder,
  );
}

describe("bash", () => {
  test.each([
    ["verbs", ["kfk", "com"], ["compile", "completion"]],
    ["verbs after a global option and its value", ["kfk", "-C", "compile", "upl"], ["upload-pipeline"]],
    ["verbs after --name=value, which bash takes apart", ["kfk", "--project", "=", "x", "upl"], ["upload-pipeline"]],
    ["options of a verb", ["kfk", "init", "--with"], ["--with-github-actions"]],
    ["global options after a verb", ["kfk", "compile", "--host"], ["--host"]],
    ["options that turn something off", ["kfk", "run-once", "--no-w"], ["--no-wait"]],
    ["values of a choice", ["kfk", "init", "--ci", ""], ["github", "gitlab"]],
    ["values of a choice after =", ["kfk", "init", "--ci", "=", "gitl"], ["gitlab"]],
    ["a choice right after =", ["kfk", "init", "--ci", "="], ["github", "gitlab"]],
    ["a positional choice", ["kfk", "completion", "po"], ["powershell"]],
    ["files", ["kfk", "model", "-o", "a"], ["a file.json", "a folder"]],
    ["folders only", ["kfk", "--project", "a"], ["a folder"]],
    ["nothing for free text", ["kfk", "compile", "--image", ""], []],
    ["nothing for an unknown verb", ["kfk", "nonsense", "--"], []],
  ] as const)("offers %s", (_, words, wanted) => {
    const { status, out, err } = bash(words);
    expect({ status, out: out.toSorted(), err }).toEqual({ status: 0, out: [...wanted], err: "" });
  });

  test.each([
    ["environments", ["kfk", "compile", "-e", ""], "shop", ["base", "prod"]],
    ["environments after =", ["kfk", "model", "--env", "=", "p"], "shop", ["prod"]],
    ["environments from below the root", ["kfk", "-e", "b"], "shop/src/shop", ["base"]],
    ["environments of another project", ["kfk", "-C", "../shop", "model", "-e", ""], "work", ["base", "prod"]],
    ["environments of another conf folder", ["kfk", "--conf-source", "ci", "model", "-e", ""], "shop", ["base"]],
    ["pipelines", ["kfk", "compile", "-p", ""], "shop", ["__default__", "train"]],
    ["no environments outside of projects", ["kfk", "compile", "-e", ""], "work", []],
    ["ways to read, or a file", ["kfk", "--from", "p"], "shop", ["pyproject.toml", "python"]],
  ] as const)("offers %s", (_, words, folder, wanted) => {
    const { status, out, err } = bash(words, folder);
    expect({ status, out: out.toSorted(), err }).toEqual({ status: 0, out: [...wanted], err: "" });
  });

  test("evaluates nothing that was typed", () => {
    for (const typed of ["$(touch ran)", "`touch ran`", "'; touch ran; '", "a$(touch ran)"]) {
      for (const words of [
        ["kfk", typed],
        ["kfk", "init", "--ci", typed],
        ["kfk", "model", "-o", typed],
        ["kfk", typed, ""],
        ["kfk", "-C", typed, "model", "-e", typed],
        ["kfk", "--conf-source", typed, "compile", "-p", typed],
      ]) {
        expect(bash(words).status).toBe(0);
      }
    }
    expect(existsSync(join(SCRATCH, "work/ran"))).toBe(false);
  });

  test("offers every verb and every option that help shows", () => {
    expect(bash(["kfk", ""]).out.filter((word) => !word.startsWith("-"))).toEqual(VERBS.map(({ name }) => name));
    for (const verb of VERBS) {
      const offered = bash(["kfk", verb.name, "--"]).out;
      for (const [name, { type, description }] of Object.entries(verb.options)) {
        if (type !== "boolean" || description !== undefined) expect(offered).toContain(`--${name}`);
      }
    }
  });
});

describe.skipIf(!existsSync("/usr/bin/zsh"))("zsh", () => {
  test("is read without an error, and its function registers", () => {
    const { status, out, err } = run([
      "zsh",
      "-f",
      "-c",
      `autoload -U compinit && compinit -u -d ${SCRATCH}/dump; source ${SCRATCH}/zsh; print -- $_comps[kfk]; whence -w _kfk`,
    ]);
    expect({ status, out, err }).toEqual({ status: 0, out: ["_kfk", "_kfk: function"], err: "" });
  });

  test("completes in a real line editor", async () => {
    const offers = async (typed: string, wanted: string, folder = "work"): Promise<boolean> => {
      let seen = "";
      let look = (): void => {};
      const child = Bun.spawn(["zsh", "-f", "-i"], {
        cwd: join(SCRATCH, folder),
        env: { PATH: "/usr/bin:/bin", HOME: SCRATCH, TERM: "dumb" },
        terminal: {
          cols: 200,
          rows: 50,
          data: (_, data) => {
            seen += Buffer.from(data).toString();
            look();
          },
        },
      });
      const until = (text: string): Promise<void> =>
        new Promise((resolve) => {
          look = () => {
            if (seen.includes(text)) resolve();
          };
          look();
        });
      child.terminal?.write(
        `autoload -U compinit; compinit -u -d ${SCRATCH}/dump; source ${SCRATCH}/zsh; echo LOA''DED\n`,
      );
      await until("LOADED");
      child.terminal?.write(`${typed}\t`);
      await until(wanted); // never: the test's time limit
      child.kill("SIGKILL");
      await child.exited;
      return seen.includes(wanted);
    };
    expect(await offers("kfk init --ci gitl", "kfk init --ci gitlab")).toBe(true);
    expect(await offers("kfk vers", "kfk version")).toBe(true);
    expect(await offers("kfk run-once --no-w", "kfk run-once --no-wait")).toBe(true);
    expect(await offers("kfk model -e pr", "kfk model -e prod", "shop")).toBe(true);
    expect(await offers("kfk compile -p tr", "kfk compile -p train", "shop")).toBe(true);
    expect(await offers("kfk --from st", "kfk --from static", "shop")).toBe(true);
  }, 20_000);
});

describe.skipIf(!existsSync("/usr/bin/fish"))("fish", () => {
  const fish = (line: string, folder = "work") =>
    run(["fish", "--no-config", "-c", `source ${SCRATCH}/fish; complete -C '${line}'`], folder).out.map(
      (each) => each.split("\t")[0],
    );

  test.each([
    ["verbs", "kfk com", ["compile", "completion"]],
    ["options of a verb", "kfk init --with", ["--with-github-actions"]],
    ["values of a choice", "kfk init --ci ", ["github", "gitlab"]],
    ["a positional choice", "kfk completion po", ["powershell"]],
    ["folders only", "kfk --project a", ["a folder/"]],
  ] as const)("offers %s", (_, line, wanted) => {
    expect(fish(line).toSorted()).toEqual([...wanted]);
  });

  test.each([
    ["environments", "kfk compile -e ", "shop", ["base", "prod"]],
    ["pipelines", "kfk compile -p ", "shop/src", ["__default__", "train"]],
  ] as const)("offers %s", (_, line, folder, wanted) => {
    expect(fish(line, folder).toSorted()).toEqual([...wanted]);
  });
});

test("an unknown shell is a wrong command line, with a suggestion", async () => {
  const world = fakeWorld();
  expect(await runCommandLine(world, ["completion", "bsh"], "1.2.3", "")).toBe(2);
  expect(world.written.err()).toBe(
    'error: there is no completion for "bsh" [USAGE_ARGUMENT]\n  hint: did you mean bash?\n',
  );
});
