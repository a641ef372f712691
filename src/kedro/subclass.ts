/**
 * Classes of the project that extend Kedro's Node. Kedro makes copies of nodes (other names, more tags) by `_copy`; a
 * class with its own `_copy` is followed only where it hands on everything that Node keeps, as Kedro's does.
 * Comes in: the class as a value; goes out: whether a copy is the node that Kedro itself would make.
 * Source: kedro-org/kedro 0.19.0 to 1.7.0, `Node._copy`.
 */
import { findInClass } from "../python/lineage.ts";
import { isObj, type ClassValue, type FunctionBody, type Value } from "../python/value.ts";

/** Attributes of Node that a class may not have of its own, or set. */
export function isNodeAttribute(name: string): boolean {
  return NODE_ATTRIBUTES.has(name);
}

/** True where `_copy` is Kedro's own, or hands on the same things. */
export function copiesAsNode(cls: ClassValue): boolean {
  const copy = findInClass(cls, "_copy");
  if (copy === undefined) return true;
  const init = bodyOf(findInClass(cls, "__init__"));
  return isPlainCopy(bodyOf(copy), cls) && (init === undefined || handsOn(init));
}

// --- internal ---

const NODE_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...["func", "inputs", "outputs", "name", "namespace", "tags", "confirms"].flatMap((name) => [name, `_${name}`]),
  ...["short_name", "tag", "run", "_unique_key", "_func_name", "_preview_fn", "_dict_inputs_to_list"],
  ...["namespace_prefixes", "_set_unique_name", "_validate_inputs", "_validate_unique_outputs"],
  ...["_validate_inputs_dif_than_outputs", "_process_inputs_for_bind", "_logger", "preview"],
  ...[
    "__eq__",
    "__hash__",
    "__lt__",
    "__str__",
    "__repr__",
    "__getattr__",
    "__getattribute__",
    "__setattr__",
    "__new__",
  ],
]);

type Tree = { readonly nodeType: string } & Readonly<Record<string, unknown>>;

function bodyOf(value: Value | undefined): FunctionBody | undefined {
  return value !== undefined && isObj(value) && value.kind === "function" ? value.body : undefined;
}

function statementsOf(body: FunctionBody): readonly Tree[] {
  const all = (Array.isArray(body.statements) ? body.statements : []) as unknown as readonly Tree[];
  return all.filter((item) => !(item.nodeType === "Expr" && (item["value"] as Tree).nodeType === "Constant"));
}

const nameIn = (tree: unknown): string | undefined => {
  const node = tree as Tree | undefined;
  return node?.nodeType === "Name" ? (node["id"] as string) : undefined;
};

/** `params = {"inputs": self._inputs, …}; params.update(overwrite); return Class(**params)`. */
function isPlainCopy(body: FunctionBody | undefined, cls: ClassValue): boolean {
  if (!body || body.args.args.length !== 1 || !body.args.kwarg) return false;
  const self = body.args.args[0]?.arg;
  const [assign, update, back, ...rest] = statementsOf(body);
  if (rest.length > 0 || assign?.nodeType !== "Assign" || update?.nodeType !== "Expr" || back?.nodeType !== "Return")
    return false;
  const params = nameIn((assign["targets"] as readonly Tree[])[0]);
  const dict = assign["value"] as Tree;
  if (params === undefined || dict.nodeType !== "Dict") return false;
  const kept = new Set<string>();
  for (const [index, key] of (dict["keys"] as readonly (Tree | null)[]).entries()) {
    const value = (dict["values"] as readonly Tree[])[index];
    const name = key?.nodeType === "Constant" ? key["value"] : undefined;
    if (typeof name !== "string" || value?.nodeType !== "Attribute" || nameIn(value["value"]) !== self) return false;
    if (value["attr"] === `_${name}`) kept.add(name);
    else if (isNodeAttribute(name)) return false;
  }
  if (["func", "inputs", "outputs", "name", "namespace", "tags", "confirms"].some((name) => !kept.has(name)))
    return false;
  const call = update["value"] as Tree;
  const method = call["func"] as Tree | undefined;
  const [given, ...others] = (call["args"] ?? []) as readonly Tree[];
  if (call.nodeType !== "Call" || method?.nodeType !== "Attribute" || method["attr"] !== "update") return false;
  if (nameIn(method["value"]) !== params || nameIn(given) !== body.args.kwarg.arg || others.length > 0) return false;
  const made = back["value"] as Tree | undefined;
  if (made?.nodeType !== "Call" || nameIn(made["func"]) !== cls.name) return false;
  const keywords = made["keywords"] as readonly { readonly arg?: string | null; readonly value: Tree }[];
  return (
    (made["args"] as readonly unknown[]).length === 0 &&
    keywords.length === 1 &&
    (keywords[0]?.arg ?? null) === null &&
    nameIn(keywords[0]?.value) === params
  );
}

/** `__init__(self, *args, …, **kwargs)` that gives both to Node as they came, once, and looks at neither. */
function handsOn(body: FunctionBody): boolean {
  const { vararg, kwarg } = body.args;
  if (!vararg || !kwarg || body.args.args.length !== 1) return false;
  let mentions = 0;
  let calls = 0;
  const look = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) look(item);
    if (typeof value !== "object" || value === null || !("nodeType" in value)) {
      if (typeof value === "object" && value !== null && !Array.isArray(value))
        for (const item of Object.values(value)) look(item);
      return;
    }
    const node = value as Tree;
    const name = nameIn(node);
    if (name === vararg.arg || name === kwarg.arg) mentions++;
    const method = node["func"] as Tree | undefined;
    if (node.nodeType === "Call" && method?.nodeType === "Attribute" && method["attr"] === "__init__") {
      const [star, ...others] = node["args"] as readonly Tree[];
      const keywords = node["keywords"] as readonly { readonly arg?: string | null; readonly value: Tree }[];
      const isWhole =
        star?.nodeType === "Starred" &&
        nameIn(star["value"]) === vararg.arg &&
        others.length === 0 &&
        keywords.length === 1 &&
        (keywords[0]?.arg ?? null) === null &&
        nameIn(keywords[0]?.value) === kwarg.arg;
      if (isWhole) calls++;
    }
    for (const child of Object.values(node)) if (typeof child === "object") look(child);
  };
  look(body.statements);
  return calls === 1 && mentions === 2;
}
