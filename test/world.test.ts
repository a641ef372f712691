/** The real world, where a fake one would prove nothing: files that are no files, long timers, processes that hide. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { isKfkError } from "../src/error.ts";
import { realWorld } from "../src/world.ts";

const top = mkdtempSync(join(tmpdir(), "kfk-world-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const { files, clock, spawn } = realWorld();

describe("files", () => {
  test("are replaced behind symbolic links, and the links stay", () => {
    const folder = join(top, "links");
    mkdirSync(folder);
    writeFileSync(join(folder, "real.yml"), "old");
    symlinkSync("real.yml", join(folder, "link.yml"));
    symlinkSync("not-yet.yml", join(folder, "dangling.yml"));
    files.write(join(folder, "link.yml"), "new");
    files.write(join(folder, "dangling.yml"), "made");
    expect(readFileSync(join(folder, "real.yml"), "utf8")).toBe("new");
    expect(readFileSync(join(folder, "not-yet.yml"), "utf8")).toBe("made");
    expect(lstatSync(join(folder, "link.yml")).isSymbolicLink()).toBe(true);
    expect(readdirSync(folder).toSorted()).toEqual(["dangling.yml", "link.yml", "not-yet.yml", "real.yml"]);
  });

  test("that are no regular files are written to, not replaced", async () => {
    const pipe = join(top, "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const reader = Bun.spawn(["cat", pipe], { stdout: "pipe" });
    files.write(pipe, "through");
    expect(await new Response(reader.stdout).text()).toBe("through");
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(files.kind(pipe)).toBeUndefined();
  });

  test("leave nothing behind when the target is a folder", () => {
    const folder = join(top, "folder");
    mkdirSync(folder);
    const error = problem(() => files.write(folder, "x"));
    expect(error).toBe(`cannot write ${folder}: it is a folder (EISDIR)`);
    expect(readdirSync(top).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("are read without a byte order mark, and refused when they are not UTF-8", () => {
    const path = join(top, "text");
    writeFileSync(path, "\uFEFFgr\u00f6\u00dfe");
    expect(files.readText(path)).toBe("gr\u00f6\u00dfe");
    writeFileSync(path, Buffer.from([0x61, 0xe9]));
    expect(problem(() => files.readText(path))).toBe(`cannot read ${path}: it is not UTF-8`);
  });
});

test("a sleep of a month does not end at once", async () => {
  const abort = new AbortController();
  const ended = clock.sleep(30 * 86_400_000, abort.signal).then(() => "ended");
  expect(await Promise.race([ended, clock.sleep(20).then(() => "asleep")])).toBe("asleep");
  abort.abort();
  expect(await ended).toBe("ended");
});

test.skipIf(!existsSync("/proc/self/environ"))(
  "a process that left its group is ended with the one that started it",
  async () => {
    const script = "setsid sleep 600 & echo $!; sleep 0.05";
    const pids: number[] = [];
    const child = spawn(["sh", "-c", script], {
      cwd: top,
      env: { PATH: process.env["PATH"] ?? "" },
      endGroup: true,
      onLine: (line) => void pids.push(Number(line)),
    });
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(pids).toHaveLength(1);
    for (let round = 0; round < 100 && isAlive(pids[0] ?? 0); round++) await Bun.sleep(20);
    expect(isAlive(pids[0] ?? 0)).toBe(false);
  },
);

function problem(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isKfkError(error, "PROJECT_FILE")) return error.message;
    throw error;
  }
  return "nothing was wrong";
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

test.each(["gzip", "deflate", "br", "zstd"] as const)(
  "an answer packed as %s is read, and one that is cut off says nothing on stderr",
  async (encoding) => {
    const text = JSON.stringify(Array.from({ length: 3000 }, (_, index) => (index * index) % 977));
    const pack = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync }[encoding];
    const packed = pack(Buffer.from(text));
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) =>
        new Response(url.endsWith("/cut") ? packed.subarray(0, packed.length / 2) : packed, {
          headers: { "content-encoding": encoding },
        }),
    });
    try {
      const script = `
      import { realWorld } from ${JSON.stringify(join(import.meta.dir, "../src/world.ts"))};
      const { fetch } = realWorld();
      console.log((await (await fetch("${server.url}whole", {})).text()).length);
      try { await (await fetch("${server.url}cut", {})).text(); } catch { console.log("cut"); }
    `;
      const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect([out, err, await child.exited]).toEqual([`${text.length}\ncut\n`, "", 0]);
    } finally {
      await server.stop(true);
    }
  },
);
