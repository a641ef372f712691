/**
 * A step → the runner's second argument (`RunnerStep` as JSON), the same for pods and for processes on this machine.
 *
 * A document has as many of these as the project has nodes, so what the runner can read out of a node's name is not said
 * twice. A step of very many nodes would be longer than an argument may be, so its nodes are then packed: zlib, base64.
 */
import { deflateSync } from "node:zlib";
import { stepId } from "./names.ts";
import { byCodePoint, type Plain } from "../config/plain.ts";
import type { Node } from "../pipeline/model.ts";
import type { Step } from "./step.ts";
import { encodeJson } from "./transport.ts";

/** JSON in which nothing can be expanded (`encodeJson`), without blanks. Same step, same text. */
export function encodeStep(step: Step): string {
  const id: [string, Plain][] = isNamedByNode(step) ? [] : [["step", step.id]];
  const text = encodeJson(new Map<string, Plain>([...id, ["nodes", step.nodes.map(encodeNode)]]), "");
  if (text.length <= MAX_READABLE) return text;
  const nodes: Plain = step.nodes.map((node): Plain => [node.name, node.inputs, node.outputs]);
  const packed = deflateSync(encodeJson(nodes, ""), { level: 9 }).toString("base64");
  return encodeJson(new Map<string, Plain>([...id, ["packed", packed]]), "");
}

/**
 * Inputs and outputs, each sorted, of a name that Kedro has made of them (`f([a,b]) -> [c]` up to 0.18, `f([b;a]) -> [c]`
 * in 0.19); undefined for other names. A name may look like that and say something else.
 */
export function readAutomaticName(name: string): readonly [readonly string[], readonly string[]] | undefined {
  const match = /\(\[([^[\]]*)\]\) -> \[([^[\]]*)\]$/.exec(name);
  if (!match) return undefined;
  const [inputs, outputs] = match.slice(1).map((list) => list.split(/[,;]/).toSorted(byCodePoint));
  return [inputs ?? [], outputs ?? []];
}

// --- internal ---

/** Characters; some 500 nodes. Linux takes 131,071 bytes as one argument, Argo 100,000 with ease. */
const MAX_READABLE = 50_000;

/** True where the runner's messages can call the step by its node (`name_of` in runner.py). */
function isNamedByNode({ id, nodes: [first, ...others] }: Step): boolean {
  if (first === undefined || others.length > 0) return false;
  return id === stepId(first.name) && /^[ !#-[\]-~]+$/.test(first.name);
}

function encodeNode({ name, inputs, outputs }: Node): Plain {
  const said = JSON.stringify(readAutomaticName(name));
  const isSaid = said === JSON.stringify([inputs, outputs].map((list) => list.toSorted(byCodePoint)));
  return isSaid ? [name] : [name, inputs, outputs];
}
