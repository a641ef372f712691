/**
 * Rows → lines of a table in columns. Pure. Widths are given, not measured, so that a list of any length can be
 * printed as it comes.
 */

import { printable } from "../terminal-text.ts";

export interface Column {
  readonly title: string;
  /** Shorter text is filled up; longer text keeps its end and pushes what follows. */
  readonly width: number;
}

/** The line of titles. */
export function renderTitles(columns: readonly Column[]): string {
  return renderRow(
    columns,
    columns.map((each) => each.title),
  );
}

/** One line, without blanks at its end. */
export function renderRow(columns: readonly Column[], cells: readonly string[]): string {
  return cells
    .map((cell, index) => (printable(cell).replaceAll("\t", "?") || "-").padEnd(columns[index]?.width ?? 0))
    .join("  ")
    .trimEnd();
}
