/** Errors and warnings as text: one line each in a pipe, broken between words on a terminal, frames untouched. */
import { expect, test } from "bun:test";
import { KfkError } from "../../src/error.ts";
import { renderError, renderWarning, type Screen } from "../../src/view/error.ts";

const TEXT = "run_config:\n  a_key_of_a_line_that_is_longer_than_the_terminal_is_wide: [1, 2, 3, 4, 5]\n";
const ERROR = new KfkError("CONFIG_KUBEFLOW", '"run_config.nodes" is not a known key of this file', {
  at: { file: "conf/base/kubeflow.yaml", line: 2, column: 3, length: 5, text: TEXT },
  hint: "did you mean one of the keys that are known here, such as node_selector?",
  notes: [{ message: "the same holds for the next file that was read" }],
});

function on(columns: number): Screen {
  return { columns, clean: (text) => text.replaceAll("secret words", "[redacted]") };
}

test("a pipe gets one line for each part", () => {
  expect(renderError(ERROR, false)).toBe(
    [
      'error: "run_config.nodes" is not a known key of this file [CONFIG_KUBEFLOW]',
      "  --> conf/base/kubeflow.yaml:2:3",
      "  1 | run_config:",
      "  2 |   a_key_of_a_line_that_is_longer_than_the_terminal_is_wide: [1, 2, 3, 4, 5]",
      "    |   ^^^^^",
      "  note: the same holds for the next file that was read",
      "  hint: did you mean one of the keys that are known here, such as node_selector?",
      "",
    ].join("\n"),
  );
});

test("a terminal gets whole words, and the frame as it is", () => {
  expect(renderError(ERROR, false, on(40))).toBe(
    [
      'error: "run_config.nodes" is not a known',
      "  key of this file",
      "  [CONFIG_KUBEFLOW]",
      "  --> conf/base/kubeflow.yaml:2:3",
      "  1 | run_config:",
      "  2 |   a_key_of_a_line_that_is_longer_than_the_terminal_is_wide: [1, 2, 3, 4, 5]",
      "    |   ^^^^^",
      "  note: the same holds for the next file",
      "    that was read",
      "  hint: did you mean one of the keys",
      "    that are known here, such as",
      "    node_selector?",
      "",
    ].join("\n"),
  );
});

test("a wide terminal has further lines below the text", () => {
  expect(renderError(ERROR, true, on(70)).split("\n").slice(0, 2)).toEqual([
    '\u001B[31merror\u001B[0m: "run_config.nodes" is not a known key of this file',
    "       \u001B[90m[CONFIG_KUBEFLOW]\u001B[0m",
  ]);
});

test("a secret that would be broken in two is taken out before", () => {
  const message = "the server repeats what it was sent, secret words, in its answer";
  expect(renderWarning({ message }, false, on(58))).toBe(
    "warning: the server repeats what it was sent, [redacted],\n  in its answer\n",
  );
});
