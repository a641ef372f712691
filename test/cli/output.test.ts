/** Secrets that are words: JSON keeps its keys and its form, values are cleaned, and it is told. */
import { describe, expect, test } from "bun:test";
import { runCommandLine } from "../../src/cli/app.ts";
import { toJson } from "../../src/cli/output.ts";
import { makeRedactor } from "../../src/secrets.ts";
import { fakeWorld } from "../fake-world.ts";

function json(secret: string, value: unknown): string {
  const redactor = makeRedactor({});
  redactor.hide(secret);
  const secrets = {
    hide: redactor.hide,
    redact: redactor.forData,
    variablesIn: () => [],
    holdsTold: redactor.holdsTold,
  };
  return toJson({ ...fakeWorld(), secrets }, value);
}

describe("JSON", () => {
  test.each([
    ["a key of kfk's own stays", "server", { server: { a: 1 } }, '{"server":{"a":1}}'],
    ["a value does not", "server", { a: "the server", b: ["server"] }, '{"a":"the [redacted]","b":["[redacted]"]}'],
    [
      "a word of kfk's own stays",
      "skipped",
      { verdict: "skipped", text: "skipped" },
      '{"verdict":"skipped","text":"[redacted]"}',
    ],
    ["a code that is none does not", "x-y-z-1", { code: "x-y-z-1" }, '{"code":"[redacted]"}'],
    ["a number is one as a whole", "1234", { a: 1234, b: 12345 }, '{"a":"[redacted]","b":12345}'],
    ["a key that is a login is none of kfk's own", "canary-token-1", { "x canary-token-1": 1 }, '{"x [redacted]":1}'],
    ["what JSON must escape", 'a"b\\c/1', { a: 'x a"b\\c/1 y' }, '{"a":"x [redacted] y"}'],
    [
      "nothing else changes",
      "canary-token-1",
      { a: [null, true, 1.5, "x"], b: {} },
      '{"a":[null,true,1.5,"x"],"b":{}}',
    ],
  ] as const)("%s", (_name, secret, value, shown) => {
    expect(json(secret, value)).toBe(shown);
    expect(() => JSON.parse(shown)).not.toThrow();
  });
});

describe("a secret that is a word", () => {
  const kfk = async (argv: readonly string[], KFK_TOKEN: string) => {
    const world = fakeWorld({
      cwd: "/empty",
      files: { "/empty/x": "" },
      env: { KFK_TOKEN },
      fetch: (url) =>
        Promise.resolve(
          url.includes("healthz")
            ? Response.json({ tag_name: "2.5.0", commit_sha: "a" })
            : Response.json({ error: `you sent ${KFK_TOKEN}`, code: 3 }, { status: 400 }),
        ),
    });
    const status = await runCommandLine(world, [...argv, "--host", "http://127.0.0.1:1"], "1.2.3", "");
    return { status, out: world.written.out(), err: world.written.err() };
  };
  const keys = (text: string): string =>
    JSON.stringify(JSON.parse(text), (_key, item: unknown) => (typeof item === "string" ? "" : item));

  test.each(["server", "origin", "verdict", "error", "message", "about"])(
    "%s leaves the keys as they are",
    async (word) => {
      for (const argv of [
        ["auth", "status", "-o", "json"],
        ["doctor", "-o", "json"],
      ]) {
        const usual = await kfk(argv, "canary-usual-token-1");
        const ran = await kfk(argv, word);
        expect({ status: ran.status, keys: keys(ran.out) }).toEqual({ status: usual.status, keys: keys(usual.out) });
        expect(ran.out).not.toContain(`you sent ${word}`);
      }
    },
  );

  test("it is told, and titles of rows stay", async () => {
    const { out, err } = await kfk(["auth", "status"], "server");
    expect(out).toMatch(/^server {4}http/);
    expect(out + err).not.toContain("you sent server");
    expect((await kfk(["auth", "status"], "experiments")).err).toContain(
      "warning: the secret in KFK_TOKEN is short or a plain word, which was taken out wherever it stands, and what stands around shows it\n",
    );
    const usual = await kfk(["auth", "status"], "canary-usual-token-1");
    expect(usual.err).not.toContain("plain word");
  });
});
