import { expect, test } from "bun:test";
import { oneLine, printable } from "../src/terminal-text.ts";

test.each([
  ["plain text stays", "fit: größe 訓練", "fit: größe 訓練", "fit: größe 訓練"],
  ["escape sequences do nothing", "a\u001B[2Jb", "a [2Jb", "a?[2Jb"],
  ["a tab is a blank, or stays", "a\tb", "a b", "a\tb"],
  ["line ends and blanks in a row are one blank", " a \r\n\n b ", "a b", " a ??? b "],
  ["separators of lines and paragraphs begin none", "a\u2028b\u2029c", "a b c", "a?b?c"],
  ["nothing turns the direction", "a\u202Eb\u2066c", "a b c", "a?b?c"],
  ["C1 controls are controls", "a\u009Bb", "a b", "a?b"],
])("%s", (_name, text, line, shown) => {
  expect([oneLine(text), printable(text)]).toEqual([line, shown]);
});
