/**
 * The installer, in every shell and with every pair of tools that it may find, against a loopback server: what is wrong
 * is refused with words, and leaves what was there. Shells and tools that this machine lacks are skipped.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SCRIPT = join(import.meta.dir, "../../scripts/install.sh");
const SCRATCH = mkdtempSync(join(tmpdir(), "kfk-install-"));
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl", "darwin-arm64"];
const FAKE = "#!/bin/sh\necho kfk is here\n";
const PLAIN_TOOLS = "cat chmod cut dirname grep ldd mkdir mktemp mv rm rmdir sed".split(" ");

const sum = (data: string): string => new Bun.CryptoHasher("sha256").update(data).digest("hex");
const sums = (each: string): string => TARGETS.map((target) => `${each}  kfk-${target}\n`).join("");
const files: Record<string, string> = {
  "/v1.0.0/SHA256SUMS": sums(sum(FAKE)),
  "/v1.0.1/SHA256SUMS": sums(sum("other")),
  "/v1.0.2/SHA256SUMS": `${sum(FAKE)}  kfk-other\n`,
  "/v1.0.3/SHA256SUMS": "<html>not found</html>\n",
  "/v1.0.4/SHA256SUMS": sums(sum(FAKE)),
  "/v1.0.5/SHA256SUMS": sums(sum(FAKE)),
};
for (const target of TARGETS) {
  for (const version of ["1.0.0", "1.0.1"]) files[`/v${version}/kfk-${target}`] = FAKE;
  files[`/v1.0.4/kfk-${target}`] = FAKE.slice(0, -5);
}

/** Paths of all requests. */
const asked: string[] = [];
let server: ReturnType<typeof Bun.serve>;

beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const body = files[pathname];
      return body === undefined ? new Response("<html>no</html>", { status: 404 }) : new Response(body);
    },
  });
});

afterAll(async () => {
  await server.stop(true);
  rmSync(SCRATCH, { recursive: true, force: true });
});

interface How {
  /** The shell and what it reads the script from; default `sh FILE`. */
  readonly shell?: readonly string[];
  /** True: the script comes in through a pipe. */
  readonly isPiped?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly path?: string;
}

async function install(argv: readonly string[], { shell = ["sh"], isPiped = false, env, path }: How = {}) {
  const command = isPiped ? [...shell, "-s", "--", ...argv] : [...shell, SCRIPT, ...argv];
  const child = Bun.spawn(command, {
    cwd: SCRATCH,
    env: { HOME: SCRATCH, PATH: path ?? "/usr/bin:/bin", KFK_URL: `http://127.0.0.1:${server.port}/`, ...env },
    stdin: isPiped ? Bun.file(SCRIPT) : "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

/** A folder with these tools and the plain ones; `texts`: programs of the test's own. */
function toolFolder(name: string, tools: readonly string[], texts: Readonly<Record<string, string>> = {}): string {
  const folder = join(SCRATCH, `tools-${name.replaceAll(/\W+/g, "-")}`);
  mkdirSync(folder);
  const own = Object.keys(texts);
  for (const tool of [...PLAIN_TOOLS, "uname", "sh", ...tools].filter((each) => !own.includes(each))) {
    const found = Bun.which(tool, { PATH: "/usr/bin:/bin" });
    if (found) symlinkSync(found, join(folder, tool));
  }
  for (const [tool, text] of Object.entries(texts)) {
    writeFileSync(join(folder, tool), text);
    chmodSync(join(folder, tool), 0o755);
  }
  return folder;
}

function inFolder(dir: string): string[] {
  return [...new Bun.Glob("*").scanSync({ cwd: dir, dot: true, onlyFiles: false })];
}

describe("installs what the checksum vouches for", () => {
  const shells: readonly (readonly string[])[] = [
    ["sh"],
    ["dash", "-eu"],
    ["bash"],
    ["busybox", "ash", "-eu"],
    ["zsh"],
  ];
  for (const shell of shells) {
    for (const isPiped of [false, true]) {
      const name = `${shell.join(" ")}${isPiped ? ", through a pipe" : ""}`;
      test.skipIf(Bun.which(shell[0] as string) === null)(name, async () => {
        const dir = join(SCRATCH, `a b ${shell.join("")}${isPiped}/it's/bin`);
        const done = await install(["--version", "v1.0.0", "--dir", dir], { shell, isPiped });
        expect(done).toEqual({
          status: 0,
          out: "",
          err: `install: kfk 1.0.0 is in ${dir}\ninstall: add that folder to PATH\n`,
        });
        expect(inFolder(dir)).toEqual(["kfk"]);
        expect(Bun.spawnSync([join(dir, "kfk")]).stdout.toString()).toBe("kfk is here\n");
      });
    }
  }

  const tools: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>])[] = [
    ["wget alone", ["wget", "sha256sum"], {}],
    ["curl and shasum", ["curl", "shasum", "perl"], {}],
    [
      "BusyBox alone",
      [],
      Object.fromEntries(
        [...PLAIN_TOOLS.filter((tool) => tool !== "ldd"), "wget", "sha256sum", "uname"].map((tool) => [
          tool,
          `#!/bin/sh\nexec ${Bun.which("busybox") ?? ""} ${tool} "$@"\n`,
        ]),
      ),
    ],
  ];
  for (const [name, some, texts] of tools) {
    const isThere = some.every((tool) => Bun.which(tool)) && (name !== "BusyBox alone" || Bun.which("busybox"));
    test.skipIf(!isThere)(`with ${name}`, async () => {
      const dir = join(SCRATCH, `with ${name}`);
      const path = toolFolder(name, some, texts);
      const { status, err } = await install(["--version", "1.0.0", "--dir", dir], { path });
      expect({ status, err }).toEqual({
        status: 0,
        err: `install: kfk 1.0.0 is in ${dir}\ninstall: add that folder to PATH\n`,
      });
      expect(readFileSync(join(dir, "kfk"), "utf8")).toBe(FAKE);
    });
  }

  test("from variables, into the home folder, over what is there", async () => {
    const dir = join(SCRATCH, ".local/bin");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "kfk"), "old");
    const { status, err } = await install([], { env: { KFK_VERSION: "1.0.0", PATH: `/usr/bin:/bin:${dir}` } });
    expect({ status, err }).toEqual({ status: 0, err: `install: kfk 1.0.0 is in ${dir}\n` });
    expect(readFileSync(join(dir, "kfk"), "utf8")).toBe(FAKE);
  });

  test.each([
    ["a Mac", { uname: '#!/bin/sh\n[ "$1" = -s ] && echo Darwin || echo arm64\n' }, "darwin-arm64"],
    [
      "Alpine",
      {
        uname: '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n',
        ldd: '#!/bin/sh\necho "musl libc (aarch64)" >&2\nexit 1\n',
      },
      "linux-arm64-musl",
    ],
  ])("the file for %s", async (name, texts, target) => {
    asked.length = 0;
    const path = toolFolder(name, ["curl", "sha256sum"], texts);
    const { status } = await install(["--version", "1.0.0", "--dir", join(SCRATCH, name)], { path });
    expect({ status, asked }).toEqual({ status: 0, asked: ["/v1.0.0/SHA256SUMS", `/v1.0.0/kfk-${target}`] });
  });
});

describe("refuses, and leaves what was there", () => {
  const uname = (system: string, machine: string): string =>
    `#!/bin/sh\n[ "$1" = -s ] && echo ${system} || echo ${machine}\n`;
  const all = ["curl", "sha256sum"];
  interface Row {
    readonly name: string;
    readonly argv?: readonly string[];
    readonly tools?: readonly [readonly string[], Readonly<Record<string, string>>];
    readonly env?: Readonly<Record<string, string>>;
    readonly want: string;
  }
  const rows: readonly Row[] = [
    { name: "a wrong checksum", argv: ["--version", "1.0.1"], want: "nothing was installed" },
    { name: "a file that is cut off", argv: ["--version", "1.0.4"], want: "nothing was installed" },
    { name: "a file that is not there", argv: ["--version", "1.0.5"], want: "cannot get http" },
    { name: "a file that the version does not have", argv: ["--version", "1.0.2"], want: "version 1.0.2 has no kfk-" },
    { name: "a page in place of the list", argv: ["--version", "1.0.3"], want: "SHA256SUMS is no list of checksums" },
    { name: "a version that is not there", argv: ["--version", "9.9.9"], want: "cannot get http" },
    {
      name: "no server",
      argv: ["--version", "1.0.0"],
      env: { KFK_URL: "http://127.0.0.1:1" },
      want: "cannot get http",
    },
    { name: "no address", argv: ["--version", "1.0.0"], env: { KFK_URL: "" }, want: "say where releases are" },
    { name: "no version", want: "say which version" },
    { name: "an option without its value", argv: ["--version"], want: "--version needs a value" },
    { name: "an unknown option", argv: ["--verson", "1"], want: "unknown argument --verson" },
    { name: "no curl and no wget", tools: [["sha256sum"], {}], want: "needs curl or wget" },
    { name: "nothing that makes sums", tools: [["curl"], {}], want: "needs sha256sum or shasum" },
    {
      name: "an unknown machine",
      tools: [all, { uname: uname("Linux", "riscv64") }],
      want: "there is no file for riscv64",
    },
    {
      name: "an unknown system",
      tools: [all, { uname: uname("FreeBSD", "amd64") }],
      want: "there is no file for FreeBSD",
    },
  ];
  for (const { name, argv, tools, env, want } of rows) {
    test(name, async () => {
      const top = join(SCRATCH, `refused ${name}`);
      const dir = join(top, "deep/bin");
      const version = tools === undefined ? [] : ["--version", "1.0.0"];
      const given = [...version, ...(argv ?? [])];
      const how = { ...(tools ? { path: toolFolder(name, ...tools) } : {}), ...(env ? { env } : {}) };
      const fresh = await install(["--dir", dir, ...given], how);
      expect({ status: fresh.status, out: fresh.out }).toEqual({ status: 1, out: "" });
      expect(fresh.err).toContain(want);
      expect(fresh.err.match(/^install: /gm)).toHaveLength(1);
      expect(existsSync(top)).toBe(false);
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, "kfk"), "old");
      expect((await install(["--dir", dir, ...given], how)).status).toBe(1);
      expect({ files: inFolder(dir), text: readFileSync(join(dir, "kfk"), "utf8") }).toEqual({
        files: ["kfk"],
        text: "old",
      });
    });
  }

  test("a file in the way of the folder, a folder in the way of the file", async () => {
    writeFileSync(join(SCRATCH, "plain"), "");
    const below = await install(["--version", "1.0.0", "--dir", join(SCRATCH, "plain/bin")]);
    expect({ status: below.status, err: below.err.split("\n").at(-2) }).toEqual({
      status: 1,
      err: `install: cannot make the folder ${SCRATCH}/plain/bin`,
    });
    mkdirSync(join(SCRATCH, "taken/kfk"), { recursive: true });
    const taken = await install(["--version", "1.0.0", "--dir", join(SCRATCH, "taken")]);
    expect(taken).toEqual({ status: 1, out: "", err: `install: ${SCRATCH}/taken/kfk is a folder\n` });
    expect(inFolder(join(SCRATCH, "taken/kfk"))).toEqual([]);
  });

  test("a script that is cut off does nothing", async () => {
    const text = readFileSync(SCRIPT, "utf8");
    for (const part of [0.3, 0.5, 0.7, 0.9, 0.999]) {
      const half = text.slice(0, Math.floor(text.length * part));
      const child = Bun.spawnSync(["sh", "-s", "--", "--version", "1.0.0", "--dir", join(SCRATCH, "half")], {
        env: { PATH: "/usr/bin:/bin", KFK_URL: `http://127.0.0.1:${server.port}` },
        stdin: Buffer.from(half),
      });
      expect({ part, isThere: existsSync(join(SCRATCH, "half")), out: child.stdout.toString() }).toEqual({
        part,
        isThere: false,
        out: "",
      });
    }
  });

  test("--help explains, also through a pipe", async () => {
    const { status, out, err } = await install(["--help"], { isPiped: true });
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toStartWith("sh install.sh [--url URL] [--version VERSION] [--dir DIR]\n");
  });
});
