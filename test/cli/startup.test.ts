/**
 * What `kfk --help` loads: every verb's words, and nothing that costs. Each module listed as heavy took a tenth to four
 * tenths of an empty program's time when it was measured (Bun 1.4.5); verbs import such things inside `run`.
 */
import { expect, test } from "bun:test";
import { join, relative } from "node:path";

const ROOT = join(import.meta.dir, "../..");

test("help loads no package, and of the platform only files and paths", async () => {
  const result = await Bun.build({
    entrypoints: [join(ROOT, "src/main.ts")],
    target: "bun",
    splitting: true,
    metafile: true,
  });
  const inputs = result.metafile?.inputs ?? {};
  const paths = new Map(Object.keys(inputs).map((path) => [relative(ROOT, join(process.cwd(), path)), path]));
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { kind, path: target, original = "" } of inputs[path]?.imports ?? []) {
      if (kind === "import-statement") visit(original.startsWith("node:") ? original : target);
    }
  };
  for (const start of ["src/main.ts", "src/world.ts", "src/cli/app.ts"]) visit(paths.get(start) ?? start);
  expect(seen.size).toBeGreaterThan(10);
  const heavy = [...seen].filter((path) => /node_modules|^node:(?!fs$|path$)|\.(?:py|txt|json)$/.test(path));
  expect(heavy).toEqual([]);
});
