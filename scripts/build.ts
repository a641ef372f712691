/**
 * Builds kfk: one file for each target, with nothing of the folder it is started in loaded by itself.
 *
 *     ./scripts/build          dist/kfk for this machine
 *     ./scripts/build --all    dist/release: a file for every target, SHA256SUMS, SBOM, schema, install.sh
 *     ./scripts/build --all --verify    the same, each file built twice and compared, and run where that can be done
 *
 * Flags and why: reference of Bun 1.4.5; splitting and bytecode keep `--version` near the time of an empty program,
 * the two autoload switches keep `.env` and `bunfig.toml` of a foreign folder out. The same commit gives the same bytes:
 * the base name of the output is part of them, so every file is built as `kfk` and named after that. Bun's own binaries
 * for other targets come from the npm registry, through Bun, and are held against the sums below.
 */
import { shortenPython } from "../src/steps/shorten.ts";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubeflowJsonSchema } from "../schemas/json-schema.ts";
import { runRelease } from "./run-release.ts";
import { renderSbom } from "./sbom.ts";

interface Target {
  /** As in the names of the release's files. */
  readonly name: string;
  /** Package with Bun's binary, and how npm calls the machine. */
  readonly package: string;
  readonly os: string;
  readonly cpu: string;
  /** SHA-256 of the binary in the package, for the pinned version. */
  readonly sum: string;
}

const BUN = "1.4.5";
const TARGETS: readonly Target[] = [
  {
    name: "linux-x64",
    package: "bun-linux-x64",
    os: "linux",
    cpu: "x64",
    sum: "f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083",
  },
  {
    name: "linux-arm64",
    package: "bun-linux-aarch64",
    os: "linux",
    cpu: "arm64",
    sum: "04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923",
  },
  {
    name: "linux-x64-musl",
    package: "bun-linux-x64-musl",
    os: "linux",
    cpu: "x64",
    sum: "cf5d285ddbe256785a5121a3c113191a6b577504976374c7cfd5aedca609b720",
  },
  {
    name: "linux-arm64-musl",
    package: "bun-linux-aarch64-musl",
    os: "linux",
    cpu: "arm64",
    sum: "9c48986093073afec8b76a3e285303598dd2462f52748aecb65e4d94866e1ea3",
  },
  {
    name: "darwin-x64",
    package: "bun-darwin-x64",
    os: "darwin",
    cpu: "x64",
    sum: "88f97645b270aef20f9f9442f1658461cab3e7128e658af4615144e3396f084a",
  },
  {
    name: "darwin-arm64",
    package: "bun-darwin-aarch64",
    os: "darwin",
    cpu: "arm64",
    sum: "e2984124f1514e1e6bbda20adedbf07a02c443c6a5828853a15c7c7abf78e19f",
  },
  {
    name: "windows-x64",
    package: "bun-windows-x64",
    os: "win32",
    cpu: "x64",
    sum: "e06ad0864463c68892ae71a2a64af7eae1585cac5dd9b80bc042f45605587cb1",
  },
];

process.chdir(new URL("..", import.meta.url).pathname);
const HOST = TARGETS.find(({ os, cpu }) => os === process.platform && cpu === process.arch);
if (HOST === undefined) throw new Error(`kfk is not built on ${process.platform} ${process.arch}`);
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string; releases?: string };
const commit = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"]).stdout.toString().trim();
const lock = readFileSync("bun.lock", "utf8");

if (process.argv.includes("--all")) await buildAll();
else {
  rmSync("dist/kfk", { force: true });
  await build(HOST, process.execPath, "dist/kfk");
}

async function buildAll(): Promise<void> {
  const release = "dist/release";
  rmSync(release, { recursive: true, force: true });
  mkdirSync(release, { recursive: true });
  const files: string[] = [];
  let sources: readonly string[] = [];
  for (const target of TARGETS) {
    const file = `kfk-${target.name}${target.os === "win32" ? ".exe" : ""}`;
    sources = await buildNamed(target, join(release, file));
    if (process.argv.includes("--verify")) {
      const again = join("dist", `again-${file}`);
      await buildNamed(target, again);
      const isSame = readFileSync(again).equals(readFileSync(join(release, file)));
      rmSync(again);
      if (!isSame) throw new Error(`${file}: two builds differ`);
    }
    files.push(file);
  }
  const texts: Readonly<Record<string, string>> = {
    "install.sh": fillInstall(readFileSync("scripts/install.sh", "utf8")),
    "kfk.cdx.json": renderSbom({ version: manifest.version, commit, bun: BUN, lock, sources }),
    "kubeflow.schema.json": kubeflowJsonSchema(),
  };
  for (const [file, text] of Object.entries(texts)) {
    writeFileSync(join(release, file), text);
    files.push(file);
  }
  const sums = files.toSorted().map((file) => `${sha256(readFileSync(join(release, file)))}  ${file}\n`);
  writeFileSync(join(release, "SHA256SUMS"), sums.join(""));
  console.log(sums.join("").trimEnd());
  if (!process.argv.includes("--verify")) return;
  const programs = TARGETS.map(({ name, os }) => [`kfk-${name}${os === "win32" ? ".exe" : ""}`, name] as const);
  for (const line of runRelease(release, new Map(programs), HOST?.name ?? "")) console.log(line);
}

/** Builds in a folder of its own and moves the file to where it belongs. */
async function buildNamed(target: Target, file: string): Promise<readonly string[]> {
  const scratch = mkdtempSync(join(tmpdir(), "kfk-build-"));
  try {
    const outfile = join(scratch, target.os === "win32" ? "kfk.exe" : "kfk");
    const sources = await build(target, getBun(target), outfile);
    copyFileSync(outfile, file);
    chmodSync(file, 0o755);
    return sources;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Builds one file; the value is the list of sources that are in it. */
async function build(target: Target, bun: string, outfile: string): Promise<readonly string[]> {
  const result = await Bun.build({
    entrypoints: ["src/main.ts"],
    target: "bun",
    format: "esm",
    minify: true,
    splitting: true,
    bytecode: true,
    sourcemap: "none",
    metafile: true,
    define: {
      KFK_VERSION: JSON.stringify(manifest.version),
      KFK_COMMIT: JSON.stringify(commit),
      KFK_TARGET: JSON.stringify(target.name),
      KFK_BUN: JSON.stringify(BUN),
      KFK_LOCK: JSON.stringify(sha256(lock)),
      // shortening takes a tenth of a compile
      KFK_RUNNER: JSON.stringify(shortenPython(readFileSync("src/steps/runner.py", "utf8"))),
      KFK_RELEASES: JSON.stringify(manifest.releases ?? ""),
    },
    compile: {
      outfile,
      target: `bun-${target.name}` as Bun.Build.CompileTarget,
      executablePath: bun,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: true,
      execArgv: ["--use-system-ca"],
    },
  });
  if (!result.success) throw new Error(result.logs.join("\n"));
  return Object.keys(result.metafile?.inputs ?? {});
}

/** Bun's binary for a target, from .tools or the npm registry. */
function getBun(target: Target): string {
  if (target === HOST) return process.execPath;
  const file = join(process.cwd(), ".tools", `${target.package}-${BUN}`);
  if (!existsSync(file) || sha256(readFileSync(file)) !== target.sum) {
    const scratch = mkdtempSync(join(tmpdir(), "kfk-bun-"));
    try {
      writeFileSync(
        join(scratch, "package.json"),
        JSON.stringify({ dependencies: { [`@oven/${target.package}`]: BUN } }),
      );
      const command = [process.execPath, "install", "--silent", "--no-save", "--ignore-scripts"];
      const { exitCode, stderr } = Bun.spawnSync([...command, `--os=${target.os}`, `--cpu=${target.cpu}`], {
        cwd: scratch,
      });
      if (exitCode !== 0) throw new Error(`cannot get @oven/${target.package}: ${stderr.toString()}`);
      const name = target.os === "win32" ? "bun.exe" : "bun";
      copyFileSync(join(scratch, "node_modules/@oven", target.package, "bin", name), file);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  const found = sha256(readFileSync(file));
  if (found !== target.sum) throw new Error(`the checksum of ${target.package} ${BUN} is ${found}, not ${target.sum}`);
  return file;
}

/** The release's own installer knows its version and, when it is fixed, its place. */
function fillInstall(text: string): string {
  return text
    .replace("${KFK_VERSION:-}", `\${KFK_VERSION:-${manifest.version}}`)
    .replace("${KFK_URL:-}", `\${KFK_URL:-${manifest.releases ?? ""}}`);
}

function sha256(data: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(data).digest("hex");
}
