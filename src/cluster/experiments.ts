/**
 * An experiment by its name: found, taken out of the archive, or created. Runs of an archived experiment would be
 * hidden, and its name stays in use (reference/kfp-api.md 2.4, recordings 2.5.0 and 2.17.0).
 */
import type * as v from "valibot";
import { experimentListSchema, experimentSchema } from "../../schemas/kfp-api.ts";
import { KfkError } from "../error.ts";
import { createOnce } from "./create.ts";
import { fetchAll, nameFilter, namespaceQuery } from "./list.ts";
import { expectJson, failedRequest, request } from "./request.ts";
import type { Server } from "./server.ts";

export interface Experiment {
  readonly id: string;
  readonly name: string;
  /** What this call did. */
  readonly made: "created" | "unarchived" | "found";
}

/**
 * The experiment of exactly this name, created when there is none.
 *
 * Errors: SERVER_REFUSED for a name that is empty, too long or taken in another spelling; those of `request`.
 */
export async function ensureExperiment(server: Server, name: string): Promise<Experiment> {
  checkExperimentName(name);
  const found = await findExperiment(server, name);
  if (found !== undefined) return await reviveExperiment(server, found, "found");
  const { value, created } = await createOnce(
    server,
    { method: "POST", path: PATH, body: { name, ...ownedBy(server.namespace) }, repeat: "unsent" },
    (result) => expectJson(result, experimentSchema),
    () => findExperiment(server, name),
    () => nameTaken(name),
  );
  return await reviveExperiment(server, value, created ? "created" : "found");
}

/** The id of the experiment of exactly this name. Errors: SERVER_REFUSED when there is none; those of `request`. */
export async function getExperimentId(server: Server, name: string): Promise<string> {
  const found = await findExperiment(server, name);
  if (found !== undefined) return found.id;
  throw new KfkError("SERVER_REFUSED", `the server has no experiment "${name}"`, {
    hint: "check its spelling in the UI, or leave --experiment-name out",
  });
}

/** Looks at a name before anything is sent. Errors: SERVER_REFUSED for one that is empty or too long. */
export function checkExperimentName(name: string): void {
  const length = [...name].length;
  if (name.trim() !== "" && length <= LONGEST_NAME) return;
  const problem = name.trim() === "" ? "is empty" : `has ${length} characters, and servers take ${LONGEST_NAME}`;
  throw new KfkError("SERVER_REFUSED", `the experiment name "${name}" ${problem}`, {
    hint: "give another name with --experiment-name, or set run_config.experiment_name",
  });
}

// --- internal ---

type RawExperiment = v.InferOutput<typeof experimentSchema>;

const PATH = "/apis/v1beta1/experiments";
/** Enforced from 2.15 on; the column holds 255 before. */
const LONGEST_NAME = 128;

async function findExperiment(server: Server, name: string): Promise<RawExperiment | undefined> {
  const query = { filter: nameFilter(name), ...namespaceQuery(server.namespace) };
  const all = await fetchAll(server, PATH, query, experimentListSchema, (page) => page.experiments);
  return all.find((each) => each.name === name);
}

async function reviveExperiment(server: Server, found: RawExperiment, made: "created" | "found"): Promise<Experiment> {
  if (!found.storage_state.endsWith("ARCHIVED")) return { id: found.id, name: found.name, made };
  const path = `${PATH}/${encodeURIComponent(found.id)}:unarchive`;
  const result = await request(server, { method: "POST", path, repeat: "always" });
  if (result.answer.kind !== "ok") throw failedRequest(result);
  return { id: found.id, name: found.name, made: "unarchived" };
}

function ownedBy(namespace: string | null): Readonly<Record<string, unknown>> {
  // 1.8 for one user refuses any reference here
  if (namespace === null) return {};
  return { resource_references: [{ key: { type: "NAMESPACE", id: namespace }, relationship: "OWNER" }] };
}

function nameTaken(name: string): KfkError {
  return new KfkError("SERVER_REFUSED", `the server says that the experiment "${name}" exists, but does not list it`, {
    hint: "servers hold names equal that differ in case or trailing blanks: choose another with --experiment-name",
  });
}
