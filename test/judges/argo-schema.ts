/**
 * A judge of the shape of Argo Workflow documents: every key, every type, for nine Argo versions. The schemas lie beside
 * the project (`../shared/schemas`) and are no part of it; where they are missing the tests that use this are skipped.
 *
 * Comes in: a document as plain JSON. Goes out: one line for each problem, with the version that has it. The manifest of
 * a resource template is checked too, when it is a claim.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv, { type ErrorObject, type ValidateFunction } from "ajv";
import { parse } from "yaml";

/** Folder of the schemas, undefined where it does not exist. */
export function findSchemas(): string | undefined {
  const folder = join(import.meta.dir, "../../../shared/schemas");
  return existsSync(folder) ? folder : undefined;
}

/** Argo versions that have a schema, oldest first. */
export function schemaVersions(folder: string): readonly string[] {
  return readdirSync(folder)
    .flatMap((name) => /^argo-workflow-(.+)\.schema\.json$/.exec(name)?.[1] ?? [])
    .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** Everything that the schemas of the given versions (default: all) refuse: `3.1.6: /spec/x must be string`. */
export function checkArgoSchema(
  document: unknown,
  folder: string,
  versions = schemaVersions(folder),
): readonly string[] {
  return versions.flatMap((version) => {
    const { workflow, claim } = load(folder, version);
    const problems = errorsOf(workflow, document).map((error) => `${version}: ${show(error)}`);
    for (const { name, manifest } of findClaims(document)) {
      problems.push(...errorsOf(claim, manifest).map((error) => `${version}: the claim of ${name}: ${show(error)}`));
    }
    return problems;
  });
}

/** S1: keys that a strict reader of 4.0.5 does not know, as paths. Other findings of the schema are left out. */
export function findUnknownKeys(document: unknown, folder: string): readonly string[] {
  return errorsOf(load(folder, "4.0.5").workflow, document).flatMap((error) =>
    error.keyword === "additionalProperties"
      ? [`${error.instancePath}/${(error.params as { additionalProperty: string }).additionalProperty}`]
      : [],
  );
}

// --- internal ---

interface Judges {
  readonly workflow: ValidateFunction;
  readonly claim: ValidateFunction;
}

const loaded = new Map<string, Judges>();

/** Compiling takes about a third of a second, so each version is compiled once. */
function load(folder: string, version: string): Judges {
  let judges = loaded.get(version);
  if (judges === undefined) {
    const schema = JSON.parse(readFileSync(join(folder, `argo-workflow-${version}.schema.json`), "utf8")) as object;
    const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
    ajv.addSchema(schema, "argo");
    judges = {
      workflow: ajv.compile({ $ref: "argo" }),
      claim: ajv.compile({ $ref: "argo#/definitions/io.k8s.api.core.v1.PersistentVolumeClaim" }),
    };
    loaded.set(version, judges);
  }
  return judges;
}

function errorsOf(validate: ValidateFunction, value: unknown): readonly ErrorObject[] {
  return validate(value) ? [] : (validate.errors ?? []);
}

function show(error: ErrorObject): string {
  const more = error.keyword === "additionalProperties" ? ` (${JSON.stringify(error.params)})` : "";
  return `${error.instancePath || "/"} ${error.message}${more}`;
}

interface Claim {
  readonly name: string;
  readonly manifest: unknown;
}

function findClaims(document: unknown): readonly Claim[] {
  const { templates = [] } = (document as { spec?: { templates?: ResourceTemplate[] } }).spec ?? {};
  return templates.flatMap(({ name, resource }): Claim[] => {
    if (!resource?.manifest || resource.action === "delete") return [];
    const manifest: unknown = parse(resource.manifest);
    return (manifest as { kind?: string } | null)?.kind === "PersistentVolumeClaim" ? [{ name, manifest }] : [];
  });
}

interface ResourceTemplate {
  readonly name: string;
  readonly resource?: { readonly action?: string; readonly manifest?: string };
}
