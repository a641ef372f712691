/**
 * What real servers said when they refused: the wording of the fake, taken from the recordings and looked up by the
 * step in which it was recorded. A handler of the fake decides *that* a request is refused; the recording gives status,
 * label and words, with the ids and names of the request put in place of the recorded ones.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const RECORDINGS = join(import.meta.dir, "../recordings");
export const TAGS = ["1.8.22", "2.0.5", "2.5.0", "2.17.0"] as const;
export type Tag = (typeof TAGS)[number];

export interface Row {
  readonly step: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly request_body: unknown;
  readonly status: number;
  readonly content_type: string | null;
  readonly response_body: unknown;
}

export interface Asked {
  readonly path: string;
  readonly query: string;
  /** JSON text; "" for forms and none. */
  readonly body: string;
}

/** All recorded requests of a server, in order. */
export function recordedRows(tag: Tag): readonly Row[] {
  return readFileSync(join(RECORDINGS, `kfp-${tag}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row)
    .filter((row) => row.status !== undefined);
}

/** The recorded refusal of a step as an answer to this request. `swaps`: more [recorded, now] texts. */
export function said(
  tag: Tag,
  step: string,
  asked: Asked,
  swaps: readonly (readonly [string | RegExp, string])[] = [],
): Response {
  const row = table(tag).get(step) ?? table("2.5.0").get(step) ?? table("2.17.0").get(step);
  if (row === undefined) throw new Error(`no recording has the refusal ${step}`);
  let text = typeof row.response_body === "string" ? row.response_body : JSON.stringify(row.response_body);
  const isJson = typeof row.response_body !== "string";
  const put = (from: string | RegExp, to: string): void => {
    text = text.replaceAll(typeof from === "string" ? from : new RegExp(from, "g"), () =>
      isJson ? JSON.stringify(to).slice(1, -1) : to,
    );
  };
  for (const [from, to] of swaps) put(from, to);
  const recorded = textOf({ path: row.path, query: row.query, body: bodyText(row) });
  const now = textOf(asked);
  const [before, after] = [recorded.match(UUID) ?? [], now.match(UUID) ?? []];
  // in one step, so that an id that is put in is not taken for a recorded one
  const pairs = new Map(before.map((id, index) => [id, after[index] ?? id]));
  text = text.replace(UUID, (id) => pairs.get(id) ?? id);
  const [oldName, newName] = [nameIn(recorded), nameIn(now)];
  if (oldName !== undefined && newName !== undefined && oldName.length > 1) {
    text = text.replaceAll(isJson ? JSON.stringify(oldName).slice(1, -1) : oldName, () =>
      isJson ? JSON.stringify(newName).slice(1, -1) : newName,
    );
  }
  return new Response(text, {
    status: row.status,
    headers: row.content_type === null ? {} : { "content-type": row.content_type },
  });
}

/** True when the server was recorded refusing in this step. */
export function refused(tag: Tag, step: string): boolean {
  const row = table(tag).get(step);
  return row !== undefined && row.status >= 400;
}

// --- internal ---

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Recordings do not change while tests run. */
const tables = new Map<Tag, ReadonlyMap<string, Row>>();

function table(tag: Tag): ReadonlyMap<string, Row> {
  let found = tables.get(tag);
  if (found === undefined) {
    const rows = recordedRows(tag).filter((row) => row.status >= 300 || row.step.startsWith("log."));
    found = new Map(rows.map((row) => [row.step, row]));
    tables.set(tag, found);
  }
  return found;
}

function bodyText(row: Row): string {
  return typeof row.request_body === "string" ? row.request_body : JSON.stringify(row.request_body ?? "");
}

function textOf(asked: Asked): string {
  return `${asked.path}?${asked.query}\n${asked.body}`;
}

/** `name` of the query, else of the body. */
function nameIn(text: string): string | undefined {
  const query = new URLSearchParams(text.slice(text.indexOf("?") + 1, text.indexOf("\n")));
  const body = /"(?:display_)?name": ?("(?:[^"\\]|\\.)*")/.exec(text.slice(text.indexOf("\n")))?.[1];
  return query.get("name") ?? (body === undefined ? undefined : (JSON.parse(body) as string));
}
