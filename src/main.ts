/** argv → exit status. The only file that reads `process.argv` or sets the exit code. */
import { writeSync } from "node:fs";
import { wasClosed } from "./stdout.ts";

/** Put in by the build. */
declare const KFK_VERSION: string | undefined;
declare const KFK_COMMIT: string | undefined;

const version = typeof KFK_VERSION === "string" ? KFK_VERSION : "0.0.0-dev";
const commit = typeof KFK_COMMIT === "string" ? KFK_COMMIT : "";
const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === "--version") {
  try {
    if (wasClosed()) throw new Error("stdout is closed");
    writeSync(1, `kfk ${version}\n`); // before anything is loaded: build agents ask this first
  } catch {
    process.exitCode = 3; // a full disk behind stdout, or none
  }
} else if (argv[0] === "__hooks" && process.send !== undefined) {
  // kfk's own second process, in which hooks of the project run (src/hooks/session.ts)
  await (await import("./hooks/process.ts")).serveHooks();
} else {
  const [{ realWorld }, { runCommandLine }] = await Promise.all([import("./world.ts"), import("./cli/app.ts")]);
  const world = realWorld();
  try {
    process.exitCode = await runCommandLine(world, argv, version, commit);
  } catch (error) {
    const { STATUS } = await import("./error.ts");
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.err.write(`error: a bug in kfk ${version} ${commit}; please report it with the lines below\n${stack}\n`);
    process.exitCode = STATUS.bug;
  }
  // a request that was given up may keep its connection for a while; everything is written by now
  process.exit();
}
