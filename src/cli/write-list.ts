/**
 * A list that comes page by page → stdout as it comes: a table, a JSON array with one item a line, or names. What was
 * written is never held, so that a list may have any length.
 */
import { KfkError } from "../error.ts";
import { toJson, writeClean } from "./output.ts";
import type { Call } from "./verb.ts";

export interface ListForm<T> {
  /** Most items. */
  readonly limit: number;
  /** Told when there are more and nobody set the limit. */
  readonly more?: string | undefined;
  readonly isWanted: (item: T) => boolean;
  readonly titles: string;
  readonly row: (item: T) => string;
  readonly name: (item: T) => string;
}

/** `--limit`, `all` for no limit; `fallback` where it is absent. Errors: USAGE_VALUE. */
export function readLimit(call: Call, fallback = Infinity): number {
  const text = call.options.text("limit");
  if (text === undefined) return fallback;
  if (text === "all") return Infinity;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new KfkError("USAGE_VALUE", `--limit wants a number above 0, and this is "${text}"`, {
    hint: "for example --limit 20, or --limit all",
  });
}

/** Writes all wanted items of all pages, in the form that `--output` names. */
export async function writeList<T>(call: Call, pages: AsyncGenerator<readonly T[]>, form: ListForm<T>): Promise<void> {
  const { out } = call.world;
  const output = call.options.text("output");
  let count = 0;
  let isCut = false;
  for await (const page of pages) {
    const lines: string[] = [];
    for (const item of page) {
      if (!form.isWanted(item)) continue;
      if (count >= form.limit) {
        isCut = true;
        break;
      }
      count++;
      if (output === "json") lines.push(`${count === 1 ? "[" : ","}${toJson(call.world, item)}`);
      else if (output === "name") lines.push(form.name(item));
      else lines.push(...(count === 1 ? [form.titles] : []), form.row(item));
    }
    const text = lines.length > 0 ? `${lines.join("\n")}\n` : "";
    if (output === "json") writeClean(call.world, text);
    else if (text !== "") out.write(text);
    // whether there are more is only asked for where it is told
    if (isCut || (count >= form.limit && form.more === undefined) || out.isClosed) break;
  }
  if (output === "json") out.write(count === 0 ? "[]\n" : "]\n");
  else if (count === 0) call.say("there are none");
  if (isCut && form.more !== undefined) call.say(form.more);
}
