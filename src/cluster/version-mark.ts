/**
 * What the name and the description of a version say of it: which content it has, whether it was uploaded or only made
 * for a run, and which upload it was. Pure. Descriptions of versions come back in lists from every server; that of a
 * first version stands with the pipeline on 1.8.22, where both share one id (recordings `get.versions.v1`).
 */
import { createHash } from "node:crypto";
import { LONGEST_DESCRIPTION } from "./limits.ts";
import type { Pipeline, Version } from "./pipeline-api.ts";

/** A version with the description that is its own, wherever the server keeps it. */
export interface MarkedVersion {
  readonly id: string;
  readonly name: string;
  /** RFC 3339, whole seconds. */
  readonly createdAt: string;
  readonly description: string;
  /** Names of its parameters; none where the server tells none. */
  readonly declared: readonly string[];
}

/** What is written into the description of a version. */
interface VersionWords {
  readonly text: string;
  /** Cut where the server's limit asks for it. */
  readonly words: string;
  readonly commit: string | null;
  /** Counts the uploads of a pipeline; null: made for a run. */
  readonly turn: number | null;
}

/** A version of a list. */
export function markedVersion(pipeline: Pick<Pipeline, "id" | "description">, version: Version): MarkedVersion {
  const declared = (version.parameters ?? []).map((each) => each.name);
  const own = version.description || (version.id === pipeline.id ? pipeline.description : "");
  return { id: version.id, name: version.name, createdAt: version.created_at, description: own, declared };
}

/** The name that a version gets from its content: 16 hexadecimal digits of SHA-256, for a run with `run-` before them. */
export function contentName(text: string, isForRun = false): string {
  return `${isForRun ? RUN_PREFIX : ""}${digest(text).slice(0, NAME_DIGITS)}`;
}

/** The description of a new version, with its mark. */
export function describeVersion({ text, words, commit, turn }: VersionWords): string {
  const made = turn === null ? MADE_FOR_RUN : `upload ${turn}`;
  const tail = `[content ${digest(text).slice(0, MARK_DIGITS)} ${made}]${commit ? ` at commit ${commit}` : ""}`;
  const said = words.slice(0, LONGEST_DESCRIPTION - tail.length - 1).trim();
  return said === "" ? tail : `${said} ${tail}`;
}

/** True when it is known to have this content. */
export function hasContent({ name, description }: MarkedVersion, text: string): boolean {
  const mark = readMark(description);
  if (mark !== undefined) return mark.content === digest(text).slice(0, MARK_DIGITS);
  return name === contentName(text) || name === contentName(text, true);
}

/** True when `run-once` made it: nobody uploaded it to be scheduled. */
export function isForRun({ description }: MarkedVersion): boolean {
  return readMark(description)?.isForRun === true;
}

/** Uploads, by hand and by others as well, the newest first; what was made for a run is left out. */
export function uploadsOf(versions: readonly MarkedVersion[], defaultId: string | undefined): readonly MarkedVersion[] {
  return versions
    .filter((each) => !isForRun(each))
    .toSorted(
      (a, b) =>
        Date.parse(b.createdAt) - Date.parse(a.createdAt) ||
        // of one second: servers count no finer
        turnOf(b) - turnOf(a) ||
        Number(b.id === defaultId) - Number(a.id === defaultId),
    );
}

/** Which upload it was; 0 when it does not say. */
export function turnOf({ description }: MarkedVersion): number {
  return readMark(description)?.turn ?? 0;
}

// --- internal ---

const NAME_DIGITS = 16;
const MARK_DIGITS = 32;
const RUN_PREFIX = "run-";
const MADE_FOR_RUN = "for a run";
const MARK = /\[content ([0-9a-f]{32})(?: (?:(for a run)|upload (\d{1,9})))?\]/g;

interface Mark {
  readonly content: string;
  readonly isForRun: boolean;
  readonly turn: number;
}

/** The last one: words of the project stand before it. */
function readMark(description: string): Mark | undefined {
  const found = [...description.matchAll(MARK)].at(-1);
  if (found?.[1] === undefined) return undefined;
  return { content: found[1], isForRun: found[2] !== undefined, turn: Number(found[3] ?? 0) };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
