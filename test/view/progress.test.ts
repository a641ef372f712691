import { describe, expect, test } from "bun:test";
import { renderDuration, renderProgress, showProgress } from "../../src/view/progress.ts";
import type { StepState } from "../../src/steps/state.ts";
import { fakeWorld } from "../fake-world.ts";

const state = (
  id: string,
  phase: StepState["phase"],
  startedMs: number | null = null,
  endedMs: number | null = null,
): StepState => ({
  id,
  phase,
  startedMs,
  endedMs,
  message: null,
});

const STATES: readonly StepState[] = [
  state("preprocess-companies-node", "succeeded", 0, 3240),
  state("preprocess-shuttles-node", "failed", 0, 65_000),
  state("create-model-input-table-node-with-a-long-name", "running", 1000),
  state("train", "waiting"),
  state("evaluate", "skipped"),
];

describe("renderProgress", () => {
  const view = { columns: 80, rows: 24, colour: false, nowMs: 61_000 };

  test("shows one line per step at 80 columns", () => {
    expect(renderProgress(STATES, view)).toEqual([
      "✓ preprocess-companies-node                       3.2 s",
      "✗ preprocess-shuttles-node                        1 min 05 s",
      "› create-model-input-table-node-with-a-long-name  1 min 00 s",
      "· train",
      "– evaluate                                        skipped",
    ]);
  });

  test("cuts names at 40 columns", () => {
    const lines = renderProgress(STATES, { ...view, columns: 40 });
    expect(lines).toEqual([
      "✓ preprocess-companies-node  3.2 s",
      "✗ preprocess-shuttles-node   1 min 05 s",
      "› create-model-input-table…  1 min 00 s",
      "· train",
      "– evaluate                   skipped",
    ]);
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(40);
  });

  test("keeps to ASCII where that is all there is", () => {
    expect(renderProgress(STATES, { ...view, columns: 40, unicode: false })).toEqual([
      "+ preprocess-companies-node  3.2 s",
      "x preprocess-shuttles-node   1 min 05 s",
      "> create-model-input-table~  1 min 00 s",
      ". train",
      "- evaluate                   skipped",
    ]);
  });

  test("shows what matters and counts the rest when rows are few", () => {
    expect(renderProgress(STATES, { ...view, rows: 4 })).toEqual([
      "✗ preprocess-shuttles-node                        1 min 05 s",
      "› create-model-input-table-node-with-a-long-name  1 min 00 s",
      "… more: 1 waiting, 1 succeeded, 1 skipped",
    ]);
    expect(renderProgress(STATES, { ...view, rows: 1 })).toEqual([
      "… 1 failed, 1 running, 1 waiting, 1 succeeded, 1 skipped",
    ]);
  });

  test("says why a step waits", () => {
    const stuck = { ...state("a", "waiting", null, null), message: "ImagePullBackOff: Back-off\npulling" };
    expect(renderProgress([stuck], view)).toEqual(["· a    ImagePullBackOff: Back-off?pulling"]);
    expect(renderProgress([stuck], { ...view, columns: 20 })).toEqual(["· a    ImagePullBack"]);
  });

  test("colours whole lines", () => {
    expect(renderProgress([state("a", "failed", 0, 100)], { ...view, colour: true })).toEqual([
      "\u001b[31m✗ a  0.1 s\u001b[0m",
    ]);
  });

  test("is never wider than the terminal, whatever the names", () => {
    const names = [
      "日本語のとても長い名前です",
      "größe",
      "e\u0301".repeat(30),
      "a\u001b[31mb",
      "\u{1F600}".repeat(20),
      "",
    ];
    for (const columns of [1, 5, 16, 20, 33]) {
      const lines = renderProgress(
        names.map((id) => state(id, "running", 0)),
        { ...view, columns },
      );
      expect(lines.filter((line) => Bun.stringWidth(line) > columns)).toEqual([]);
      expect(lines.join("")).not.toContain("\u001b");
    }
  });

  test("renders durations", () => {
    const rows: [number, string][] = [
      [0, "0.0 s"],
      [-5, "0.0 s"],
      [3240, "3.2 s"],
      [59_940, "59.9 s"],
      [59_960, "1 min 00 s"],
      [3_599_400, "59 min 59 s"],
      [3_600_000, "1 h 00 min"],
      [90_000_000, "25 h 00 min"],
    ];
    expect(rows.map(([ms]) => [ms, renderDuration(ms)])).toEqual(rows);
  });
});

describe("showProgress", () => {
  test("prints one plain line per change where there is no terminal", () => {
    const world = fakeWorld();
    const progress = showProgress(world, true);
    progress.update([state("a", "waiting"), state("b", "waiting")]);
    progress.update([state("a", "running", 0), state("b", "waiting")]);
    progress.update([state("a", "running", 0), state("b", "waiting")]);
    progress.update([state("a", "succeeded", 0, 3200), state("b", "skipped")]);
    progress.stop();
    expect(world.written.err()).toBe("a  running\na  succeeded  3.2 s\nb  skipped\n");
    expect(world.written.out()).toBe("");
  });

  test.each([
    ["CI", { CI: "1" }],
    ["a dumb terminal", { TERM: "dumb" }],
  ])("prints plain lines for %s", (_, env) => {
    const world = fakeWorld({ isTerminal: true, env });
    const progress = showProgress(world, false);
    progress.update([state("a", "running", 0)]);
    progress.stop();
    expect(world.written.err()).toBe("a  running\n");
  });

  test("redraws in place on a terminal, one write per frame, and gives the cursor back", async () => {
    const world = fakeWorld({ isTerminal: true, clock: "manual", nowMs: 0, env: { LANG: "en_US.UTF-8" } });
    const progress = showProgress(world, false);
    progress.update([state("a", "running", 0), state("b", "waiting")]);
    await world.clock.advance(200);
    progress.update([state("a", "succeeded", 0, 200), state("b", "skipped")]);
    progress.stop();
    progress.stop();
    await world.clock.advance(1000);
    const last = frame("\u001b[2A", "✓ a  0.2 s\n– b  skipped\n");
    expect(world.written.err()).toBe(
      frame("\u001b[?25l", "› a  0.0 s\n· b\n") + frame("\u001b[2A", "› a  0.2 s\n· b\n") + last + last + "\u001b[?25h",
    );
  });

  test("gives the cursor back when a signal comes, and does not hide it again", () => {
    const world = fakeWorld({ isTerminal: true, clock: "manual" });
    const progress = showProgress(world, false);
    progress.update([state("a", "running", 0)]);
    world.raise("SIGTERM");
    progress.update([state("a", "failed", 0, 10)]);
    progress.stop();
    const written = world.written.err();
    expect(written.split("\u001b[?25l")).toHaveLength(2);
    expect(written.split("\u001b[?25h")).toHaveLength(2);
    expect(written.lastIndexOf("\u001b[?25h")).toBeGreaterThan(written.lastIndexOf("\u001b[?25l"));
  });
});

// --- internal ---

function frame(start: string, text: string): string {
  return `\u001b[?2026h${start}\r\u001b[J${text}\u001b[?2026l`;
}
