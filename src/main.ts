/** argv → exit status. The only file that reads `process.argv` or sets the exit code. */
import { STATUS } from "./error.ts";
import { realWorld } from "./world.ts";

/** Put in by the build. */
declare const KFK_VERSION: string | undefined;
declare const KFK_COMMIT: string | undefined;

const version = typeof KFK_VERSION === "string" ? KFK_VERSION : "0.0.0-dev";
const commit = typeof KFK_COMMIT === "string" ? KFK_COMMIT : "";
const argv = process.argv.slice(2);
const world = realWorld();
if (argv.length === 1 && argv[0] === "--version") {
  world.out.write(`kfk ${version}\n`); // before anything is loaded: build agents ask this first
} else {
  try {
    const { runCommandLine } = await import("./cli/app.ts");
    process.exitCode = await runCommandLine(world, argv, version, commit);
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.err.write(`error: a bug in kfk ${version} ${commit}; please report it with the lines below\n${stack}\n`);
    process.exitCode = STATUS.bug;
  }
}
