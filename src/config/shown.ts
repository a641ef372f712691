/**
 * A value of configuration → the text that Python's `str()` and `repr()` show of it, or undefined where a part of it is
 * not known. What is inside of a container is shown as it is written, unresolved, as OmegaConf does.
 */
import { pythonRepr, pythonStr } from "./python-text.ts";
import type { ConfigNode } from "./tree.ts";

/** `str()`. */
export function shownIn(node: ConfigNode): string | undefined {
  return node.kind === "scalar" ? pythonStr(node.value) : shownInside(node);
}

/** `repr()`. */
function shownInside(node: ConfigNode): string | undefined {
  switch (node.kind) {
    case "scalar":
      return pythonRepr(node.value);
    case "opaque":
      return undefined;
    case "list": {
      const items = node.items.map(shownInside);
      return items.includes(undefined) ? undefined : `[${items.join(", ")}]`;
    }
    case "map": {
      const items = [...node.entries].map(([key, item]) => [pythonRepr(key), shownInside(item)] as const);
      if (items.some(([, item]) => item === undefined)) return undefined;
      return `{${items.map(([key, item]) => `${key}: ${item}`).join(", ")}}`;
    }
  }
}
