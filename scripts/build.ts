/**
 * Builds `dist/kfk` for this machine: one file, with nothing of the folder it is started in loaded by itself.
 * Flags and why: reference of Bun 1.4.5; splitting and bytecode keep `--version` near the time of an empty program,
 * the two autoload switches keep `.env` and `bunfig.toml` of a foreign folder out.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";

process.chdir(new URL("..", import.meta.url).pathname);
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const commit = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"]).stdout.toString().trim();

mkdirSync("dist", { recursive: true });
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
const result = await Bun.build({
  entrypoints: ["src/main.ts"],
  target: "bun",
  format: "esm",
  minify: true,
  splitting: true,
  bytecode: true,
  sourcemap: "none",
  define: { KFK_VERSION: JSON.stringify(manifest.version), KFK_COMMIT: JSON.stringify(commit) },
  compile: {
    outfile: "dist/kfk",
    autoloadDotenv: false,
    autoloadBunfig: false,
    autoloadTsconfig: false,
    autoloadPackageJson: true,
    execArgv: ["--use-system-ca"],
  },
});
if (!result.success) {
  for (const log of result.logs) console.error(log);
  process.exitCode = 1;
}
