/** A template text with `@name@` places → the text; a place without a value, or the other way round, is a bug. */

/** Fills every place. A value of several lines takes its first line's place; an empty one takes its line away. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  const left = new Set(Object.keys(values));
  const text = template.replaceAll(/^@([a-z_]+)@\n|@([a-z_]+)@/gm, (whole, line?: string, word?: string) => {
    const name = line ?? word ?? "";
    const value = values[name];
    if (value === undefined) throw new Error(`no value for ${whole}`);
    left.delete(name);
    return line === undefined || value === "" ? value : `${value.replace(/\n$/, "")}\n`;
  });
  if (left.size > 0) throw new Error(`no place for ${[...left].join(", ")}`);
  return text;
}
