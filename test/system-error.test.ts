/** What the system says, in words; with real files where the system can be made to say it. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isKfkError } from "../src/error.ts";
import { startProgram } from "../src/local/start.ts";
import { unreadable, unstartable, unwritable } from "../src/system-error.ts";
import { realWorld } from "../src/world.ts";

const top = mkdtempSync(join(tmpdir(), "kfk-system-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const world = realWorld();

function said(work: () => unknown): readonly [string, string | undefined] {
  try {
    work();
  } catch (error) {
    if (isKfkError(error, "PROJECT_FILE")) return [error.message, error.hint];
    throw error;
  }
  throw new Error("nothing was thrown");
}

const coded = (code: string): Error => Object.assign(new Error(`${code}: raw words, open '/f'`), { code });

describe("a file", () => {
  test.each([
    ["EACCES", "this user may not read it"],
    ["EPERM", "this user may not read it"],
    ["EIO", "the disk failed"],
    ["EMFILE", "too many files are open"],
  ])("that cannot be read: %s", (code, why) => {
    const { message, hint } = unreadable("/f", coded(code));
    expect([message, hint !== undefined]).toEqual([`cannot read /f: ${why} (${code})`, true]);
  });

  test.each([
    ["EACCES", "this user may not write there"],
    ["ENOSPC", "the disk is full"],
    ["EROFS", "the disk there can only be read"],
    ["EISDIR", "it is a folder"],
    ["ENOENT", "its folder is not there and cannot be made"],
    ["EDQUOT", "this user has used up its part of the disk"],
  ])("that cannot be written: %s", (code, why) => {
    const { message, hint } = unwritable("/f", coded(code));
    expect([message, hint !== undefined]).toEqual([`cannot write /f: ${why} (${code})`, true]);
  });

  test("another word of the system is handed on", () => {
    expect(unreadable("/f", coded("ENEW")).message).toBe("cannot read /f: ENEW: raw words, open '/f'");
    expect(unwritable("/f", "odd").message).toBe("cannot write /f: odd");
  });

  test("is told as the system has it", () => {
    const { files } = world;
    mkdirSync(join(top, "folder"));
    writeFileSync(join(top, "file"), "");
    symlinkSync("two", join(top, "one"));
    symlinkSync("one", join(top, "two"));
    expect(said(() => files.write(join(top, "folder"), ""))[0]).toEndWith("folder: it is a folder (EISDIR)");
    expect(said(() => files.write(join(top, "file/x"), ""))[0]).toContain("a part of its path is a file, not a folder");
    expect(said(() => files.write(join(top, "one"), ""))).toEqual([
      `cannot write ${join(top, "one")}: its links lead in a circle (ELOOP)`,
      "correct the links",
    ]);
    expect(said(() => files.readText(join(top, "one")))[0]).toContain("its links lead in a circle (ELOOP)");
    expect(said(() => files.write(join(top, "n".repeat(300)), ""))[0]).toContain("its name is longer");
  });

  test.skipIf(!existsSync("/dev/full"))("on a full disk", () => {
    expect(said(() => world.files.write("/dev/full", "x"))).toEqual([
      "cannot write /dev/full: the disk is full (ENOSPC)",
      "make room on the disk that holds it, and do it again",
    ]);
  });
});

describe("a program", () => {
  test("that is not there is named", () => {
    expect(said(() => startProgram(world, ["kfk-has-no-such-program"], { cwd: top, env: {} }))).toEqual([
      "cannot start kfk-has-no-such-program: there is no such program (ENOENT)",
      "install it, or put it on the PATH",
    ]);
  });

  test("that the system refuses is no bug of kfk", () => {
    expect(unstartable("p", coded("EAGAIN")).message).toContain("as many processes as it may have (EAGAIN)");
    expect(unstartable("p", coded("E2BIG")).hint).toBe("unset large environment variables");
  });
});

test("a folder that is gone is no bug of kfk either", () => {
  const gone = join(top, "gone");
  mkdirSync(gone);
  const script = `cd ${gone} && rmdir ${gone} && exec ${process.execPath} ${join(import.meta.dir, "../src/main.ts")} model`;
  const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script], { stdin: "ignore" });
  expect(exitCode).toBe(3);
  expect(stderr.toString()).toContain(`there is no folder ${gone}`);
});
