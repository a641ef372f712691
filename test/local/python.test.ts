import { describe, expect, test } from "bun:test";
import { isKfkError, type KfkError } from "../../src/error.ts";
import { findPython } from "../../src/local/python.ts";
import type { Child, World } from "../../src/world.ts";
import { fakeWorld, type FakeOptions } from "../fake-world.ts";

/** What each interpreter answers: lines of stdout and stderr; not listed: no such program. */
type Machine = Readonly<Record<string, { readonly out?: string; readonly err?: string }>>;

const KEDRO = { out: "noise\nkfk-kedro 3.12.1 1.7.0" };
const NO_KEDRO = { err: "Traceback (most recent call last):\nModuleNotFoundError: No module named 'kedro'" };
const VENVS = { "/project/.venv/bin/python": "", "/project/venv/bin/python": "", "/v/bin/python": "" };

describe("findPython", () => {
  const rows: [string, Machine, FakeOptions, string | undefined, string][] = [
    ["the option first", { "/o/python": KEDRO, k: KEDRO }, { env: { KFK_PYTHON: "k" } }, "/o/python", "/o/python"],
    [
      "then KFK_PYTHON",
      { k: KEDRO, "/project/.venv/bin/python": KEDRO },
      { env: { KFK_PYTHON: "k" }, files: VENVS },
      undefined,
      "k",
    ],
    [
      "then .venv",
      { "/project/.venv/bin/python": KEDRO, "/project/venv/bin/python": KEDRO },
      { files: VENVS },
      undefined,
      "/project/.venv/bin/python",
    ],
    [
      "then venv",
      { "/project/.venv/bin/python": NO_KEDRO, "/project/venv/bin/python": KEDRO },
      { files: VENVS },
      undefined,
      "/project/venv/bin/python",
    ],
    [
      "then VIRTUAL_ENV",
      { "/v/bin/python": KEDRO, python3: KEDRO },
      { files: { "/v/bin/python": "" }, env: { VIRTUAL_ENV: "/v" } },
      undefined,
      "/v/bin/python",
    ],
    [
      "what uv takes, where the project has its lock file",
      { "uv run --no-sync python": { out: "kfk-kedro 3.12.1 1.7.0 /uv/python" }, python3: KEDRO },
      { files: { "/project/uv.lock": "" } },
      undefined,
      "/uv/python",
    ],
    [
      "what poetry takes",
      { "poetry run python": { out: "kfk-kedro 3.12.1 1.7.0 /a b/python" }, python3: KEDRO },
      { files: { "/project/poetry.lock": "", "/project/uv.lock": "" } },
      undefined,
      "/a b/python",
    ],
    ["then python3", { python3: KEDRO }, { env: { VIRTUAL_ENV: "/gone" } }, undefined, "python3"],
  ];
  test.each(rows)("takes %s", async (_, machine, options, option, python) => {
    expect(await findPython(worldOf(machine, options), "/project", option, "1.7.0")).toEqual({
      python,
      pythonVersion: "3.12.1",
      kedroVersion: "1.7.0",
      warnings: [],
    });
  });

  test("warns of another minor version, not of another patch", async () => {
    const world = worldOf({ python3: KEDRO }, {});
    expect((await findPython(world, "/project", undefined, "1.7.9")).warnings).toEqual([]);
    expect((await findPython(world, "/project", undefined, null)).warnings).toEqual([]);
    expect((await findPython(world, "/project", undefined, "1.5.0")).warnings).toEqual([
      {
        message: "python3 has Kedro 1.7.0, but the pipeline was read for Kedro 1.5.0",
        hint: "install that version there, or choose another interpreter with --python",
      },
    ]);
  });

  const refused: [string, Machine, FakeOptions, string | undefined, string][] = [
    ["no such program", {}, {}, "/o", 'the interpreter "/o" of --python cannot be used: no such program'],
    [
      "no Kedro",
      { k: NO_KEDRO },
      { env: { KFK_PYTHON: "k" } },
      undefined,
      'the interpreter "k" of KFK_PYTHON cannot be used: has no Kedro',
    ],
    [
      "a broken Kedro",
      { k: { err: "ImportError: libfoo.so" } },
      {},
      "k",
      'the interpreter "k" of --python cannot be used: ImportError: libfoo.so',
    ],
    [
      "nothing usable",
      { python3: NO_KEDRO },
      { files: VENVS },
      undefined,
      "no Python with Kedro was found to run the steps with",
    ],
  ];
  test.each(refused)("refuses %s", async (_, machine, options, option, message) => {
    const error = await findPython(worldOf(machine, options), "/project", option, null).catch(
      (error: unknown) => error,
    );
    expect(isKfkError(error, "LOCAL_PYTHON")).toBe(true);
    expect((error as KfkError).message).toBe(message);
    expect((error as KfkError).hint).toBeDefined();
  });

  test("notes every interpreter that was tried", async () => {
    const world = worldOf({ python3: NO_KEDRO }, { files: VENVS });
    const error = (await findPython(world, "/project", undefined, null).catch((error: unknown) => error)) as KfkError;
    expect(error.notes.map(({ message }) => message)).toEqual([
      "/project/.venv/bin/python: no such program",
      "/project/venv/bin/python: no such program",
      "python3: has no Kedro",
    ]);
  });
});

// --- internal ---

function worldOf(machine: Machine, options: FakeOptions): World {
  return fakeWorld({
    clock: "manual",
    ...options,
    spawn: (command, { onLine }): Child => {
      const answer = machine[command.slice(0, command.indexOf("-c")).join(" ")];
      if (answer === undefined) throw Object.assign(new Error("not found"), { code: "ENOENT" });
      for (const line of answer.out?.split("\n") ?? []) onLine?.(line, "stdout");
      for (const line of answer.err?.split("\n") ?? []) onLine?.(line, "stderr");
      return {
        pid: 1,
        ended: Promise.resolve({ code: answer.err === undefined ? 0 : 1, signal: null }),
        kill: () => {},
      };
    },
  });
}
