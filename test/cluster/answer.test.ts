import { describe, expect, test } from "bun:test";
import { isDuplicate, mayHaveActed, readAnswer, readFailure } from "../../src/cluster/answer.ts";
import { recogniseGate } from "../../src/cluster/gate.ts";
import { recordedRows, type Row, TAGS } from "../judges/kfp-said.ts";

/** Cut by the recorder, or no JSON by design: texts of the gateway, a log. */
const isCut = (row: Row): boolean => typeof row.response_body === "string" && /^[{[]/.test(row.response_body);

const rows = TAGS.flatMap((tag) =>
  recordedRows(tag)
    .filter((row) => row.status > 0 && row.response_body !== null && !isCut(row) && !row.step.startsWith("log."))
    .map((row) => ({ ...row, tag, answer: judged(row) })),
);

function judged(row: Row) {
  const body = typeof row.response_body === "string" ? row.response_body : JSON.stringify(row.response_body);
  return readAnswer(row.status ?? 0, new Headers({ "content-type": row.content_type ?? "" }), body);
}

describe("every recorded answer", () => {
  test("is understood: good ones are good, refusals are refusals, failures speak for themselves", () => {
    expect(rows.length).toBeGreaterThan(1400);
    const wrong = rows.filter(({ status = 0, answer }) => {
      if (status < 300) return answer.kind !== "ok";
      if (status < 400) return answer.kind !== "gate";
      if (status < 500) return answer.kind !== "refused";
      if (status === 501) return answer.kind !== "failed";
      return answer.kind !== "failed" || !answer.said;
    });
    expect(wrong.map(({ tag, step, status, answer }) => `${tag} ${step} ${status} ${answer.kind}`)).toEqual([]);
  });

  test("of a failure tells the reason and not that it is internal", () => {
    const said = rows.flatMap(({ answer }) => (answer.kind === "failed" ? [answer.message] : []));
    expect(said.length).toBeGreaterThan(15);
    expect(said.filter((message) => message.startsWith("Internal Server Error"))).toEqual([]);
  });

  test("of a duplicate is known as one, and no other", () => {
    const duplicates = rows.filter(({ answer }) => isDuplicate(answer)).map(({ step }) => step);
    expect([...new Set(duplicates)].toSorted()).toEqual([
      "create.pipeline.v2.dup",
      "exp.create-dup-of-archived",
      "exp.create.dup.v1",
      "exp.create.dup.v2",
      "run.v1.create.inline-fixed-name-again",
      "upload.v1.argo.duplicate",
      "upload.v1.argo.duplicate-other-case",
      "upload.v1.argo.duplicate-trailing-space",
      "upload.v2.ir.duplicate",
      "upload.v2.same-name-in-namespace",
      "upload_version.v1.duplicate",
      "upload_version.v2.duplicate",
    ]);
  });
});

const html = "<!DOCTYPE html><title>Sign in</title>";
test.each([
  ["a page with 200", 200, "text/html", html, "gate", true],
  ["a page with 404", 404, "text/html", html, "gate", false],
  ["a page with 403", 403, "text/html", html, "login", false],
  ["a page with 502", 502, "text/html", html, "failed", true],
  ["a redirect", 302, "", "", "gate", false],
  ["an empty 200", 200, "", "", "broken", true],
  ["a cut 200", 200, "application/json", '{"run":{"id"', "broken", true],
  ["text with 200", 200, "text/plain", "hello", "gate", true],
  ["JSON labelled as text", 200, "text/plain", '{"id":"1"}', "ok", false],
  ["429", 429, "", "", "busy", false],
  ["503 of KFP", 503, "", '{"code":14,"message":"later"}', "failed", true],
  ["503 of a proxy", 503, "", "no upstream", "failed", true],
  ["408", 408, "", "", "failed", true],
])("%s", (_, status, type, body, kind, acted) => {
  const answer = readAnswer(status, new Headers({ "content-type": type }), body);
  expect([answer.kind as string, mayHaveActed(answer)]).toEqual([kind, acted]);
});

test.each([
  ["refused", "ECONNREFUSED", "connection refused", false, false],
  ["unknown host", "ENOTFOUND", "no such host", false, false],
  ["reset", "ECONNRESET", "the connection was cut", true, false],
  ["certificate", "DEPTH_ZERO_SELF_SIGNED_CERT", "no trusted connection (DEPTH_ZERO_SELF_SIGNED_CERT)", false, true],
  ["no TLS there", "EPROTO", "no trusted connection (EPROTO)", false, true],
  ["something new", "EWHATEVER", "EWHATEVER", true, false],
])("no answer: %s", (_, code, message, sent, tls) => {
  const thrown = new Error("outer", { cause: Object.assign(new TypeError("inner"), { code }) });
  expect(readFailure(thrown, undefined)).toEqual({ kind: "silent", message, sent, tls });
});

test("no answer: a way that carried nothing, and a text without a code, say why themselves", () => {
  const unsent = Object.assign(new Error("no pod is ready"), { isUnsent: true, cause: new Error("reset") });
  const read = (inner: Error): unknown => readFailure(new Error("outer", { cause: inner }), undefined);
  const silent = { kind: "silent", tls: false };
  expect([unsent, new Error("no pod")].map(read)).toEqual([
    { ...silent, message: "no pod is ready", sent: false },
    { ...silent, message: "no pod", sent: true },
  ]);
});

test.each([
  ["https://canary-user:canary-pass@login.example/x?state=1", "login.example"],
  ["https://canary-user:canary@pass@login.example:8443/x", "login.example:8443"],
  ["HTTPS://canary-token@LOGIN.example", "login.example"],
  [" https://canary-user:canary-pass@[::1]:8080/", "[::1]:8080"],
  ["//canary-user:canary-pass@login.example/x", undefined],
  ["https://canary-user:canary-pass@", undefined],
  ["/dex/auth?canary", undefined],
])("a redirect to %s tells no more than a host", (location, host) => {
  const headers = new Headers({ location });
  const answer = readAnswer(302, headers, "");
  const message = host === undefined ? "answered with a redirect" : `redirects to ${host}`;
  expect(answer).toEqual({ kind: "gate", status: 302, message });
  expect(JSON.stringify(recogniseGate(302, headers, ""))).not.toContain("canary");
  if (host !== undefined) expect(recogniseGate(302, headers, "")?.name).toBe(`a login page of ${host}`);
});
