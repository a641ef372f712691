import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkInside, withinProject } from "../../src/config/inside.ts";
import { readType } from "../../src/config/read.ts";
import { KfkError } from "../../src/error.ts";
import { realWorld } from "../../src/world.ts";

const { files } = realWorld();
let home = "";
beforeAll(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "kfk-inside-")));
  for (const folder of ["project/conf/base", "project/conf/local", "elsewhere", "project-2"]) {
    mkdirSync(join(home, folder), { recursive: true });
  }
  writeFileSync(join(home, "elsewhere/config.json"), '{"login": "canary"}');
  writeFileSync(join(home, "project-2/parameters.yml"), "a: 1\n");
  writeFileSync(join(home, "project/conf/base/parameters.yml"), "a: 1\n");
  symlinkSync("parameters.yml", join(home, "project/conf/base/inner.yml"));
  symlinkSync("../../../elsewhere/config.json", join(home, "project/conf/base/outer.json"));
  symlinkSync(join(home, "elsewhere"), join(home, "project/conf/folder"));
  symlinkSync(join(home, "project"), join(home, "by-link"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function said(run: () => unknown): string {
  try {
    run();
    return "read";
  } catch (error) {
    if (error instanceof KfkError) return `${error.code}: ${error.message.replaceAll(home, "")}`;
    throw error;
  }
}

describe("checkInside", () => {
  for (const [name, path, root, want] of [
    ["a file of the project", "project/conf/base/parameters.yml", "project", "read"],
    ["a link to another file of the project", "project/conf/base/inner.yml", "project", "read"],
    ["a project that is itself behind a link", "by-link/conf/base/parameters.yml", "by-link", "read"],
    ["a file that is not there", "project/conf/base/none.yml", "project", "read"],
    [
      "a link to a file elsewhere",
      "project/conf/base/outer.json",
      "project",
      "PROJECT_FILE: shown lies outside the project, at /elsewhere/config.json, and is not read",
    ],
    [
      "a file in a folder behind a link",
      "project/conf/folder/config.json",
      "project",
      "PROJECT_FILE: shown lies outside the project, at /elsewhere/config.json, and is not read",
    ],
    [
      "a neighbour whose name begins the same",
      "project-2/parameters.yml",
      "project",
      "PROJECT_FILE: shown lies outside the project, at /project-2/parameters.yml, and is not read",
    ],
  ] as const) {
    test(`${name}: ${want.slice(0, 12)}`, () => {
      const within = withinProject({}, join(home, root));
      expect(said(() => checkInside(join(home, path), "shown", within, files))).toBe(want);
      const all = withinProject({ KFK_FOLLOW_LINKS: "1" }, join(home, root));
      expect(said(() => checkInside(join(home, path), "shown", all, files))).toBe("read");
    });
  }

  test("KFK_FOLLOW_LINKS=0 is no consent", () => {
    expect(withinProject({ KFK_FOLLOW_LINKS: "0" }, "/p")).toBe("/p");
  });
});

test("parameters from a link that leads out of the project are not read", () => {
  const settings = {
    confRoot: join(home, "project/conf"),
    confShown: "conf",
    baseEnv: "base",
    runEnv: "base",
    isRunEnvNamed: false,
    patterns: new Map([["parameters", ["outer*"]]]),
    mergeStrategy: new Map(),
    ignoreHidden: true,
    hasLeafDuplicates: true,
  };
  const read = (within: string | undefined): unknown =>
    readType("parameters", { ...settings, within }, files, () => undefined).value;
  expect(said(() => read(join(home, "project")))).toBe(
    "PROJECT_FILE: conf/base/outer.json lies outside the project, at /elsewhere/config.json, and is not read",
  );
  expect(read(undefined)).toEqual(new Map([["login", "canary"]]));
});
