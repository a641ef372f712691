/**
 * Which names are a function's own: those that it binds or deletes anywhere in its body, as Python decides when it
 * compiles it. Such a name is never looked for outside, even where it has no value yet.
 * Comes in: a frame of a call; goes out: whether a name without a value in it is its own. Names that only a pattern
 * of `match` binds count as not its own, because patterns are not followed everywhere.
 */
import type { Frame } from "./vm.ts";

/** True when a name belongs to the function of this frame. */
export function isUnboundLocal(frame: Frame, name: string): boolean {
  const statements = frame.func?.body?.statements;
  if (!Array.isArray(statements)) return false;
  let known = locals.get(statements);
  if (!known) {
    const bound = new Set<string>();
    const declared = new Set<string>();
    gather(statements, bound, declared);
    known = new Set([...bound].filter((item) => !declared.has(item)));
    locals.set(statements, known);
  }
  return known.has(name);
}

// --- internal ---

const locals = new WeakMap<object, ReadonlySet<string>>(); // module state: names by body, kept while the tree is

function gather(value: unknown, bound: Set<string>, declared: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) gather(item, bound, declared);
    return;
  }
  if (typeof value !== "object" || value === null || !("nodeType" in value)) return;
  const node = value as { nodeType: string } & Record<string, unknown>;
  switch (node.nodeType) {
    case "Name":
      if ((node["ctx"] as { nodeType: string } | undefined)?.nodeType !== "Load") bound.add(node["id"] as string);
      return;
    case "FunctionDef":
    case "AsyncFunctionDef":
    case "ClassDef":
      bound.add(node["name"] as string);
      return;
    case "Lambda":
    case "ListComp":
    case "SetComp":
    case "DictComp":
    case "GeneratorExp":
      return;
    case "Global":
    case "Nonlocal":
      for (const name of node["names"] as string[]) declared.add(name);
      return;
    default:
  }
  for (const child of Object.values(node)) if (typeof child === "object") gather(child, bound, declared);
}
