/**
 * Packages that are in the binary → CycloneDX 1.6 as JSON: those of which the bundler took a file, with version and
 * SHA-512 from bun.lock and the licence from their package.json, and Bun itself. No time and no random number, so the
 * same commit gives the same bytes.
 */
import { readFileSync } from "node:fs";

export interface SbomFacts {
  readonly version: string;
  readonly commit: string;
  /** Version of Bun. */
  readonly bun: string;
  /** Text of bun.lock. */
  readonly lock: string;
  /** Paths of the sources that the bundler took. */
  readonly sources: readonly string[];
}

/** The document, ending in a newline. Throws for a package that is not in bun.lock. */
export function renderSbom({ version, commit, bun, lock, sources }: SbomFacts): string {
  const locked = readLock(lock);
  const names = new Set(sources.flatMap((path) => packageOf(path) ?? []));
  const components = [...names].toSorted().map((name) => {
    const entry = locked.get(name);
    if (entry === undefined) throw new Error(`${name} is in the binary and not in bun.lock`);
    const { license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")) as { license?: string };
    return component("library", name, entry.version, license, `pkg:npm/${name.replace("@", "%40")}`, entry.sha512);
  });
  const runtime = component("framework", "bun", bun, "MIT", "pkg:npm/bun", undefined);
  const own = component("application", "kfk", version, "Apache-2.0", "pkg:generic/kfk", undefined);
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid(`${version} ${commit} ${lock}`)}`,
    version: 1,
    metadata: { component: { ...own, properties: [{ name: "kfk:commit", value: commit }] } },
    components: [runtime, ...components],
    dependencies: [{ ref: own["bom-ref"], dependsOn: [runtime, ...components].map((each) => each["bom-ref"]) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

interface Locked {
  readonly version: string;
  /** Hexadecimal. */
  readonly sha512: string | undefined;
}

/** bun.lock is JSON with trailing commas: name → [name@version, registry, facts, integrity]. */
function readLock(text: string): ReadonlyMap<string, Locked> {
  const { packages } = JSON.parse(text.replaceAll(/,(?=\s*[}\]])/g, "")) as {
    packages: Readonly<Record<string, readonly unknown[]>>;
  };
  return new Map(
    Object.entries(packages).map(([name, entry]) => {
      const integrity = entry.find((each): each is string => typeof each === "string" && each.startsWith("sha512-"));
      const version = String(entry[0]).replace(/^.+@/, "");
      return [name, { version, sha512: integrity && Buffer.from(integrity.slice(7), "base64").toString("hex") }];
    }),
  );
}

function packageOf(path: string): string | undefined {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[1];
}

function component(
  type: string,
  name: string,
  version: string,
  license: string | undefined,
  purl: string,
  sha512: string | undefined,
) {
  return {
    type,
    "bom-ref": `${purl}@${version}`,
    name,
    version,
    ...(sha512 === undefined ? {} : { hashes: [{ alg: "SHA-512", content: sha512 }] }),
    ...(license === undefined ? {} : { licenses: [{ license: { id: license } }] }),
    purl: `${purl}@${version}`,
  };
}

/** A name-based UUID (version 8) of a text. */
function uuid(text: string): string {
  const hex = new Bun.CryptoHasher("sha256").update(text).digest("hex");
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join("-");
}
