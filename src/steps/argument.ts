/**
 * A step → the runner's second argument (`RunnerStep` as JSON), the same for pods and for processes on this machine.
 *
 * A step of very many nodes would be longer than an argument may be, so its nodes are then packed: zlib, base64.
 */
import { deflateSync } from "node:zlib";
import type { Plain } from "../config/plain.ts";
import type { Step } from "./step.ts";
import { encodeJson } from "./transport.ts";

/** JSON in which nothing can be expanded (`encodeJson`), without blanks. Same step, same text. */
export function encodeStep(step: Step): string {
  const nodes: Plain = step.nodes.map((node): Plain => [node.name, node.inputs, node.outputs]);
  const text = encodeJson(
    new Map<string, Plain>([
      ["step", step.id],
      ["nodes", nodes],
    ]),
    "",
  );
  if (text.length <= MAX_READABLE) return text;
  const packed = deflateSync(encodeJson(nodes, ""), { level: 9 }).toString("base64");
  return encodeJson(
    new Map<string, Plain>([
      ["step", step.id],
      ["packed", packed],
    ]),
    "",
  );
}

/** Characters; some 500 nodes. Linux takes 131,071 bytes as one argument, Argo 100,000 with ease. */
const MAX_READABLE = 50_000;
