/** What valibot found wrong → one line in the answer's own names. */
import type * as v from "valibot";

/** `steps[3].pod.resources.cpu must be an amount like 500m or 4Gi`. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map((item) => (item as { readonly key: unknown }).key);
  const where = path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`))
    .join("");
  if (issue.type === "strict_object" && issue.expected === "never") return `${where} is not known`;
  // a missing key is reported as undefined, with the message of what holds it
  if (issue.received === "undefined") return path.length === 0 ? "it is undefined" : `${where} is missing`;
  return `${path.length === 0 ? "it" : where} must be ${issue.message}`;
}
