/** What the Kubernetes API says no with, as it is shown: whole secrets taken out, in one line, then cut. */
import { describe, expect, test } from "bun:test";
import { type KubeApi, refusedBy, shortLine } from "../../src/cluster/kube-api.ts";
import { makeRedactor } from "../../src/secrets.ts";
import { fakeWorld } from "../fake-world.ts";

const TOKEN = "canary-token-of-kubeconfig-1";

function apiThatHides(): KubeApi {
  const redactor = makeRedactor({});
  redactor.hide(TOKEN);
  const { hide, forData: redact, holdsTold } = redactor;
  const world = { ...fakeWorld({}), secrets: { hide, redact, holdsTold, variablesIn: () => [] } };
  return { world, cluster: { api: "https://k8s.example.org", context: "here" }, chain: {} } as unknown as KubeApi;
}

describe("a refusal that repeats the token", () => {
  test.each([250, 280, 290, 299])("from character %d on", (before) => {
    const text = JSON.stringify({ kind: "Status", message: `${"x".repeat(before)} ${TOKEN} end` });
    const { message } = refusedBy(apiThatHides(), 403, text, "the service x");
    expect(message).not.toContain("canary");
    expect(message).toContain(`refuses the service x: ${"x".repeat(before)}`);
  });
});

test("what a node complains of is one line of 300 characters", () => {
  const { world } = apiThatHides();
  expect(shortLine(world, ` a\u001b[2J\r\nb\u202e${TOKEN}`)).toBe("a [2J b [redacted]");
  expect(shortLine(world, "x".repeat(400))).toHaveLength(300);
});
