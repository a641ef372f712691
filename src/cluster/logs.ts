/**
 * The log of a step, by whichever route answers: the API server itself (in the cluster, through a port-forward), the
 * UI (the usual way from outside), or the archived log as an artifact.
 *
 * Each route fails in its own way on some installation (reference/kfp-api.md 2.7: the UI hides the first, the second
 * exists only there, the third only with `archiveLogs`), so the answer to one failure is the next route; the one that
 * answered is asked first for the next step.
 */
import * as v from "valibot";
import { artifactSchema } from "../../schemas/kfp-api.ts";
import { isKfkError, isStop } from "../error.ts";
import { failedRequest, request } from "./request.ts";
import type { Server } from "./server.ts";
import type { PodNode } from "./workflow.ts";

export interface LogRequest {
  readonly runId: string;
  readonly pod: PodNode;
  /** Of the workflow; "" when it is not known. */
  readonly namespace: string;
  /** The run's, RFC 3339; the UI finds archived logs by it. */
  readonly createdAt: string;
}

export type Log =
  | { readonly kind: "text"; readonly text: string; readonly route: Route }
  /** No route gave it; the words of the one that came nearest. */
  | { readonly kind: "none"; readonly reason: string };

export type Route = "api" | "ui" | "artifact";

export interface LogOptions {
  /** Asked first. */
  readonly first?: Route | undefined;
  /** Longest wait for each route. */
  readonly attemptMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads the whole log as it is now; never throws for what the server did. */
export async function fetchLog(server: Server, wanted: LogRequest, options: LogOptions = {}): Promise<Log> {
  const usual: readonly Route[] = server.isUi ? ["ui", "artifact", "api"] : ["api", "ui", "artifact"];
  const first = options.first;
  const order = first === undefined ? usual : [first, ...usual.filter((each) => each !== first)];
  const reasons: string[] = [];
  let empty: Log | undefined;
  for (const route of order) {
    const names = route === "artifact" ? [wanted.pod.nodeId] : wanted.pod.podNames;
    for (const name of names) {
      const log = await askAnyway(server, wanted, route, name, options);
      // 2.0 and 2.5 answer with nothing for a pod that they do not find
      if (log.kind === "text" && log.text !== "") return log;
      if (log.kind === "text") empty ??= log;
      else reasons.push(log.reason);
      if (options.signal?.aborted) break;
    }
  }
  return empty ?? { kind: "none", reason: shorten(reasons[0] ?? "there is no pod") };
}

/** What is said of a log without a line: servers answer so for a pod that is gone, too. */
export const EMPTY_LOG = "it is empty, or the server no longer has it";

/** The last lines of a text, without an empty one at the end. */
export function lastLines(text: string, count: number): readonly string[] {
  const lines = text.replace(/\n$/, "").split(/\r?\n/);
  return lines.length === 1 && lines[0] === "" ? [] : lines.slice(-count);
}

// --- internal ---

const LONGEST_REASON = 150;

/** Newer servers hand on all of what Go and S3 say; the request at the end is kept. */
function shorten(reason: string): string {
  if (reason.length <= LONGEST_REASON) return reason;
  const at = reason.lastIndexOf(" (GET ");
  const [said, request] = at < 0 ? [reason, ""] : [reason.slice(0, at), reason.slice(at)];
  if (GONE.test(said)) return `neither its pod nor the archive has it any more${request}`;
  return `${said.slice(0, LONGEST_REASON)}…${request}`;
}

const GONE = /\(code=NotFound\)|NoSuchKey|StatusCode: 404|specified key does not exist/;

/** A login that fails now changes nothing about how a run has ended, nor about what is followed. */
async function askAnyway(...asked: Parameters<typeof ask>): Promise<Log> {
  try {
    return await ask(...asked);
  } catch (error) {
    if (isKfkError(error) && !isStop(error)) return { kind: "none", reason: error.message };
    throw error;
  }
}

async function ask(server: Server, wanted: LogRequest, route: Route, name: string, options: LogOptions): Promise<Log> {
  const common = {
    method: "GET",
    repeat: "never",
    ...(options.attemptMs === undefined ? {} : { attemptMs: options.attemptMs }),
    signal: options.signal,
  } as const;
  const run = encodeURIComponent(wanted.runId);
  const node = encodeURIComponent(name);
  switch (route) {
    case "api": {
      const path = `/apis/v1alpha1/runs/${run}/nodes/${node}/log`;
      return textOf(await request(server, { ...common, path, text: true }), route);
    }
    case "ui": {
      const query = {
        podname: name,
        runid: wanted.runId,
        ...(wanted.namespace === "" ? {} : { podnamespace: wanted.namespace }),
        createdat: wanted.createdAt.slice(0, 10),
      };
      return textOf(await request(server, { ...common, path: "/k8s/pod/logs", query, text: true }), route);
    }
    case "artifact": {
      const path = `/apis/v1beta1/runs/${run}/nodes/${node}/artifacts/main-logs:read`;
      const result = await request(server, { ...common, path });
      const read = result.answer.kind === "ok" ? v.safeParse(artifactSchema, result.answer.json) : undefined;
      if (!read?.success) return { kind: "none", reason: failedRequest(result).message };
      return { kind: "text", text: Buffer.from(read.output.data, "base64").toString("utf8"), route };
    }
  }
}

function textOf(result: Awaited<ReturnType<typeof request>>, route: Route): Log {
  const { answer } = result;
  if (answer.kind === "ok" && typeof answer.json === "string") return { kind: "text", text: answer.json, route };
  return { kind: "none", reason: failedRequest(result).message };
}
