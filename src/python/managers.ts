/**
 * Leaving a `with` block: the `__exit__` of each context manager is called, last first, and may swallow the exception
 * of the body. Comes in: the managers as values and the body; goes out: how the block ends. Whether an exception goes
 * on is refused (PY_UNKNOWN) where a manager is not read.
 */
import { KfkError } from "../error.ts";
import { attributeOf } from "./attributes.ts";
import { callValue } from "./call.ts";
import { exceptionMatches, type Ending } from "./execute.ts";
import { truth } from "./operators.ts";
import { isObj, notesOf, placeOfSite, PyRaise, unknown, type Site, type Unknown, type Value } from "./value.ts";
import type { Vm } from "./vm.ts";

export interface Manager {
  readonly value: Value;
  readonly site: Site;
}

/** Runs the body and leaves the managers. Raises what the body or an `__exit__` raises. */
export function leaving(vm: Vm, managers: readonly Manager[], body: () => Ending | undefined): Ending | undefined {
  let problem: PyRaise | undefined;
  let ending: Ending | undefined;
  try {
    ending = body();
  } catch (error) {
    if (!(error instanceof PyRaise)) throw error;
    problem = error;
  }
  for (const manager of managers.toReversed()) {
    try {
      if (isSwallowed(vm, manager, problem)) problem = undefined;
    } catch (error) {
      if (!(error instanceof PyRaise)) throw error;
      problem = error;
    }
  }
  if (problem) throw problem;
  return ending;
}

// --- internal ---

function isSwallowed(vm: Vm, { value, site }: Manager, problem: PyRaise | undefined): boolean {
  if (isObj(value) && value.kind === "custom") {
    if (!problem || value.type !== "suppress") return false;
    const is = exceptionMatches(vm, problem, { kind: "tuple", items: value.data as readonly Value[] });
    if (is === undefined) throw notKnown(unknown("which exceptions it suppresses is not known", site), problem, site);
    return is;
  }
  if (!isObj(value) || value.kind !== "instance" || value.poison) {
    if (!problem) return false;
    const doubt = isObj(value) && value.kind === "unknown" ? value : unknown("its __exit__ is not followed", site);
    throw notKnown(doubt, problem, site);
  }
  const exit = attributeOf(vm, value, "__exit__", site, true) ?? unknown("its __exit__ is not followed", site);
  const thing = unknown("it is an exception", problem?.site ?? site);
  const positional: Value[] = problem ? [thing, problem.exception ?? thing, thing] : [null, null, null];
  const is = truth(callValue(vm, exit, { positional, keywords: new Map() }, site), site);
  if (typeof is === "boolean") return is && problem !== undefined;
  if (problem) throw notKnown(is, problem, site);
  return false;
}

function notKnown(doubt: Unknown, problem: PyRaise, site: Site): KfkError {
  return new KfkError(
    "PY_UNKNOWN",
    `whether this "with" lets a ${problem.type} pass cannot be known without running Python: ${doubt.reason}`,
    { at: placeOfSite(site), notes: notesOf(doubt), hint: "use --from python, or do without the exception" },
  );
}
