/** The redactor that stands before everything that is written. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { makeRedactor } from "../../src/secrets.ts";

const JWT = `eyJhbGciOiJSUzI1NiJ9.${"a".repeat(40)}.${"b".repeat(40)}`;

describe("for people", () => {
  const FORMS: readonly (readonly [string, string, string])[] = [
    ["a JWT", `token ${JWT} is bad`, "token [redacted] is bad"],
    ["a bearer header", "Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [redacted]"],
    ["a basic header", '"authorization":"Basic dXNlcjpwYXNzd29yZA=="', '"authorization":"Basic [redacted]"'],
    ["a Google access token", "ya29.a0AfH6-x_y", "[redacted]"],
    ["a cookie header", "cookie: a=b; c=d\nnext", "cookie: [redacted]\nnext"],
    ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", "[redacted]"],
    ["a URL with a password", "see https://me:secret@host/x", "see https://me:[redacted]@host/x"],
    ["words that are none", "the bearer of this cookie is basic", "the bearer of this cookie is basic"],
    ["a run's id", "kfk wait 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70", "kfk wait 5c6a7b1e-0f59-4d0e-9b1f-2a3c4d5e6f70"],
    ["an address with a port", "http://127.0.0.1:8080/#/runs/details/x@y", "http://127.0.0.1:8080/#/runs/details/x@y"],
  ];
  test.each(FORMS)("%s", (_name, text, shown) => {
    expect(makeRedactor({}).forPeople(text)).toBe(shown);
  });

  test("values of variables that look secret, but not places", () => {
    const env = {
      MY_TOKEN: "canary-1",
      KFK_TOKEN_FILE: "/run/token",
      GOOGLE_APPLICATION_CREDENTIALS: "/run/adc.json",
      KFK_COOKIE: "s=canary-2",
    };
    expect(makeRedactor(env).forPeople("canary-1 /run/token /run/adc.json s=canary-2")).toBe(
      "[redacted] /run/token /run/adc.json [redacted]",
    );
  });
});

test("data stays as it is but for what was told", () => {
  const redactor = makeRedactor({ MY_TOKEN: "canary-1" });
  redactor.hide("canary-told");
  expect(redactor.forData(`${JWT} canary-1 canary-told`)).toBe(`${JWT} canary-1 [redacted]`);
});

test("what was told is known in every way in which a server may write it", () => {
  const write = (text: string, sign: RegExp, as: (code: string, char: string) => string): string =>
    text.replaceAll(sign, (char) => as(char.charCodeAt(0).toString(16), char));
  const WAYS: readonly ((text: string) => string)[] = [
    (text) => encodeURIComponent(encodeURIComponent(text)),
    (text) => write(text, /[&<>"'+]/g, (code) => `&#${Number.parseInt(code, 16)};`),
    (text) => write(text, /[&<>"'`=]/g, (code) => `&#x${code.toUpperCase()};`),
    (text) => write(text, /[&<>"]/g, (_code, char) => `&${{ "&": "amp", "<": "lt", ">": "gt" }[char] ?? "quot"};`),
    (text) => write(JSON.stringify(text).slice(1, -1), /[&<>]/g, (code) => `\\u00${code}`),
    (text) => write(text, /[\\']/g, (_code, char) => `\\${char}`),
  ];
  for (const text of ["tOk+en/A'B\"C<D>E&F~G\\H%I=J`K", "é-ü secret"]) {
    const redactor = makeRedactor({});
    redactor.hide(text);
    for (const way of WAYS) expect(redactor.forData(`by ${way(text)} here`)).toBe("by [redacted] here");
  }
  const redactor = makeRedactor({});
  redactor.hide('"ab+cd%2Fef"');
  redactor.hide("s%3AQm9vbXM.x");
  expect(redactor.forData("ab+cd%2Fef, ab+cd/ef, s:Qm9vbXM.x")).toBe("[redacted], [redacted], [redacted]");
});

test.each([
  ["pass-1", true],
  ["secret", false],
  ["ab-1", false],
])("a document that holds %s holds what was told: %p", (text, holds) => {
  const redactor = makeRedactor({});
  redactor.hide(text);
  expect(redactor.holdsTold(`note: by ${text}`)).toBe(holds);
});

test("whatever was told is in no output, in none of its usual encodings", () => {
  const secret = fc
    .string({ minLength: 4, maxLength: 60, unit: "grapheme" })
    .filter((text) => text.trim().length >= 4 && !/redact/.test(text));
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (text, before, after) => {
      const redactor = makeRedactor({});
      redactor.hide(text);
      const bytes = Buffer.from(text);
      for (const form of [
        text,
        encodeURIComponent(text),
        bytes.toString("base64"),
        bytes.toString("base64url"),
        JSON.stringify(text).slice(1, -1),
      ]) {
        if (form.trim().length < 4) continue;
        expect(redactor.forData(`${before} ${form} ${after}`)).not.toContain(form);
        expect(redactor.forPeople(`${before} ${form} ${after}`)).not.toContain(form);
      }
    }),
    { seed: 6, numRuns: 500 },
  );
});
