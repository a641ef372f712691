/**
 * Finding things by name on a server: all pages of a list, filtered there, compared here.
 *
 * Servers decode `filter` twice, compare names without regard to case and trailing blanks, and cannot get by a name
 * that holds `:` or `/` (reference/kfp-api.md 1.5 and 1.6, checked from 1.8.22 to 2.17.0). So: a filter encoded twice,
 * every page, and the exact comparison left to the caller. A database that cannot compare a name's characters with its
 * own (latin1, seen on 2.0.5 and main) has no such name and takes none: that is a refusal, not a failure.
 */
import type * as v from "valibot";
import { KfkError } from "../error.ts";
import type { Answer } from "./answer.ts";
import { expectJson, type Link, request } from "./request.ts";

/** Every item of a list, page by page. Errors: those of `expectJson`. */
export async function fetchAll<Page extends { readonly next_page_token: string }, Item>(
  link: Link,
  path: string,
  query: Readonly<Record<string, string>>,
  schema: v.GenericSchema<unknown, Page>,
  itemsOf: (page: Page) => readonly Item[],
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for await (const page of fetchPages(link, path, query, schema, itemsOf)) items.push(...page);
  return items;
}

/** The same, one page at a time, so that a long list is never held as a whole. */
export async function* fetchPages<Page extends { readonly next_page_token: string }, Item>(
  link: Link,
  path: string,
  query: Readonly<Record<string, string>>,
  schema: v.GenericSchema<unknown, Page>,
  itemsOf: (page: Page) => readonly Item[],
  pageSize = PAGE_SIZE,
): AsyncGenerator<readonly Item[]> {
  let token = "";
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const pageQuery = { ...query, page_size: pageSize, ...(token === "" ? {} : { page_token: token }) };
    const result = await request(link, { method: "GET", path, query: pageQuery, repeat: "always" });
    if (query["filter"] !== undefined && isForeign(result.answer)) throw foreignText(query["filter"]);
    const page = expectJson(result, schema);
    yield itemsOf(page);
    if (page.next_page_token === "" || page.next_page_token === token) return;
    token = page.next_page_token;
  }
}

/** The `filter` for a name: to be encoded once more, as every query value is. */
export function nameFilter(name: string): string {
  return textFilter("EQUALS", "name", name);
}

/** The `filter` for any text field. `IS_SUBSTRING` reads `_` and `%` as any text: compare again. */
export function textFilter(op: "EQUALS" | "IS_SUBSTRING", key: string, value: string): string {
  return encodeURIComponent(JSON.stringify({ predicates: [{ op, key, string_value: value }] }));
}

/** The `filter` for any of several names, in one request. */
export function namesFilter(api: "v1" | "v2", names: readonly string[]): string {
  const op = names.length === 1 ? "EQUALS" : "IN";
  const value = names.length === 1 ? { string_value: names[0] } : { string_values: { values: names } };
  const predicate = api === "v1" ? { op, key: "name", ...value } : { operation: op, key: "display_name", ...value };
  return encodeURIComponent(JSON.stringify({ predicates: [predicate] }));
}

/** Query that limits a list to a namespace, empty on a server for one user. */
export function namespaceQuery(namespace: string | null): Readonly<Record<string, string>> {
  if (namespace === null) return {};
  return { "resource_reference_key.type": "NAMESPACE", "resource_reference_key.id": namespace };
}

// --- internal ---

/** Servers cut larger sizes to this one. */
const PAGE_SIZE = "200";
/** A million items: beyond that a server repeats itself. */
const MOST_PAGES = 5000;

function isForeign(answer: Answer): boolean {
  return answer.kind === "failed" && /illegal mix of collations/i.test(answer.message);
}

interface Filter {
  readonly predicates: readonly {
    readonly string_value?: string;
    readonly string_values?: { readonly values: readonly string[] };
  }[];
}

function foreignText(filter: string): KfkError {
  const { predicates } = JSON.parse(decodeURIComponent(filter)) as Filter;
  const texts = predicates.flatMap((each) => each.string_values?.values ?? each.string_value ?? []);
  const beyond = texts.filter((text) => /[\u0100-\u{10FFFF}]/u.test(text));
  const names = (beyond.length > 0 ? beyond : texts).map((text) => JSON.stringify(text.trim())).join(" or ");
  return new KfkError("SERVER_REFUSED", `the server's database cannot hold the characters of ${names}`, {
    hint: "give another name: such databases mostly hold the letters of Western Europe alone (latin1)",
  });
}
