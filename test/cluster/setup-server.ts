/** A fake server, a world whose clock the server shares, and both ended after each test. */
import { afterEach } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type ConnectOptions, type Server } from "../../src/cluster/server.ts";
import { isKfkError, type KfkError } from "../../src/error.ts";
import { type FakeWorld, fakeWorld } from "../fake-world.ts";
import { type FakeKfp, type FakeKfpOptions, startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

export interface Setup {
  readonly fake: FakeKfp;
  readonly world: FakeWorld;
  readonly connect: (options?: Partial<ConnectOptions>) => Promise<Server>;
}

const started: FakeKfp[] = [];
afterEach(async () => {
  for (const fake of started.splice(0)) await fake.stop();
});

/** Starts a server of a version. */
export function setUp(
  version: keyof typeof KFP_VERSIONS = "2.17.0",
  more: Partial<FakeKfpOptions> & { readonly files?: Readonly<Record<string, string>> } = {},
): Setup {
  let now = (): number => 0;
  const fake = startKfp({ version: KFP_VERSIONS[version], clockMs: () => now(), ...more });
  started.push(fake);
  const world = fakeWorld({ fetch: fake.fetch, files: more.files ?? {} });
  now = world.clock.monotonicMs;
  return { fake, world, connect: (options) => connect(world, { host: fake.url, ...options }) };
}

/** A recorded document: two tasks, parameters `alpha` and `msg`. */
export const DOCUMENT = readFileSync(join(import.meta.dir, "../recordings/defs/argo-ok.yaml"), "utf8");

/** The error that work ends in. */
export async function errorOf(work: Promise<unknown>): Promise<KfkError> {
  try {
    await work;
  } catch (error) {
    if (isKfkError(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
