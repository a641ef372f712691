/** The programs that are embedded, and constructs that a careless cut would break; a real Python is the judge. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shortenPython } from "../../src/steps/shorten.ts";

const FOLDER = join(import.meta.dir, "../../src/steps");
const PROGRAMS = ["runner.py", "volume_init.py"].map(
  (name) => [name, readFileSync(join(FOLDER, name), "utf8")] as const,
);
const python = Bun.which("python3");

describe("shortenPython", () => {
  test.each([
    ["comments and empty lines", "# a\n\nx = 1  # b\n\n", "x = 1\n"],
    ["a hash in a text", 'x = "# no" # yes\n', 'x = "# no"\n'],
    ["docstrings", '"""Doc."""\ndef f():\n    """Doc\n    too."""\n    return 1\n', "def f():\n return 1\n"],
    [
      "a docstring that is the whole body",
      'class A(Exception):\n    """Doc."""\n\nx = 1\n',
      'class A(Exception):\n "Doc."\nx = 1\n'.replace('"Doc."', '"""Doc."""'),
    ],
    ["lines of a text stay", "x = '''a\n    # b\n  c'''\n", "x = '''a\n    # b\n  c'''\n"],
    ["brackets over lines", "f(\n    a,  # b\n    [c],\n)\n", "f(a, [c], )\n"],
    ["a line that goes on", "x = a \\\n    + b\n", "x = a + b\n"],
    ["levels of indentation", "if a:\n    if b:\n        c\n    d\ne\n", "if a:\n if b:\n  c\n d\ne\n"],
    ["escaped quotes", "x = 'it\\'s # \"' # b\n", "x = 'it\\'s # \"'\n"],
    ["raw texts", "x = r'\\d#' # b\n", "x = r'\\d#'\n"],
    ["line ends of Windows", "if a:\r\n    b\r\n", "if a:\n b\n"],
  ])("%s", (_, text, want) => expect(shortenPython(text)).toBe(want));

  test.each(PROGRAMS)("%s: shortening twice changes nothing more", (_, text) => {
    const once = shortenPython(text);
    expect(shortenPython(once)).toBe(once);
    expect(once.length).toBeLessThan(text.length * 0.8);
  });

  test.skipIf(python === null).each(PROGRAMS)("%s: Python sees the same program", (_, text) => {
    expect(treeOf(shortenPython(text))).toBe(treeOf(text));
  });
});

/** Python's own tree without docstrings and places. */
function treeOf(text: string): string {
  const script = `
import ast, sys
tree = ast.parse(sys.stdin.buffer.read().decode("utf-8"))
for node in ast.walk(tree):
    body = getattr(node, "body", None)
    if isinstance(body, list) and len(body) > 1 and isinstance(body[0], ast.Expr) and ast.get_docstring(node) is not None:
        del body[0]
print(ast.dump(tree))
`.replace(
    "ast.get_docstring(node) is not None",
    "isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None",
  );
  const done = Bun.spawnSync([python as string, "-I", "-c", script], { stdin: Buffer.from(text), stderr: "pipe" });
  expect(done.stderr.toString()).toBe("");
  return done.stdout.toString();
}
