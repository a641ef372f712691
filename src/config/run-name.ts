/**
 * Names of runs with parameters in them: `nightly {date}` → `nightly 2026-01-02`. Everything else in braces stays.
 *
 * Source: kedro-kubeflow 0.6.2 to 0.11.0, which formats `run_name` and `scheduled_run_name` with Python's `str.format`
 * and the texts of `--param` of the run or schedule; defaults take no part.
 */

/**
 * `values`: text by parameter name. Doubled braces are one brace, as in Python, when something stands between them;
 * a name that has no value, a format or an expression is left as it is written.
 */
export function formatRunName(template: string, values: ReadonlyMap<string, string>): string {
  return template.replaceAll(
    /\{\{([^{}]*)\}\}|\{([^{}]*)\}/g,
    (whole, doubled: string | undefined, name: string | undefined) => {
      if (doubled !== undefined) return `{${doubled}}`;
      return values.get(name ?? "") ?? whole;
    },
  );
}
