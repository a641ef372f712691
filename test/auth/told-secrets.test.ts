/** What is shown of a text of somebody who logs in while nobody knows yet what is secret in it. */
import { describe, expect, test } from "bun:test";
import { mayLogIn, withoutLikely } from "../../src/told-secrets.ts";

describe("a text without what could be a secret", () => {
  const R = "[redacted]";
  const ROWS: readonly (readonly [text: string, shown: string])[] = [
    // what nobody could take for a secret
    [
      "TypeError: undefined is not an object (evaluating 'a.b')",
      "TypeError: undefined is not an object (evaluating 'a.b')",
    ],
    ["invalid_grant: the grant isn't valid and/or old.", "invalid_grant: the grant isn't valid and/or old."],
    ["at src/kfk.hooks.ts:5:13, after 3.5s, 12:30:01", "at src/kfk.hooks.ts:5:13, after 3.5s, 12:30:01"],
    ["2026-11-24T20:34:26Z COMPANY_TOKEN is not set", "2026-11-24T20:34:26Z COMPANY_TOKEN is not set"],
    ["HTTP/1.1 403 — 127.0.0.1:8080 says no ====", "HTTP/1.1 403 — 127.0.0.1:8080 says no ===="],
    ["http://db.example.org:8080/apis/v2beta1/healthz", "http://db.example.org:8080/apis/v2beta1/healthz"],
    ["the tokenizer is fast: it has one key", "the tokenizer is fast: it has one key"],
    // signs inside of what is one
    ["no hun!ter2$x or Ab:cd#ef or x&y*z9", `no ${R} or ${R} or ${R}`],
    ["ml-pipeline-ui canary1", `${R} ${R}`],
    // who is named in an address, whatever signs a password has
    ["see `https://bob:hunter2!@git.example.org/x`", `see \`https://${R}@git.example.org/x\``],
    ["https://ghp_abcdef123456@github.com/x/y", `https://${R}@github.com/x/y`],
    ["https://bob:a/b#c?d@e@host.example.org:8443/x", `https://${R}@host.example.org:8443/x`],
    ["postgres://me:pw@db:5432/x", `postgres://${R}@db:5432/x`],
    ["https://id.example.org/a1b2c3d4?code=x y", `https://id.example.org/${R}${R} y`],
    // what a key says of itself
    ["client_secret='a b c' end", `client_secret='${R}' end`],
    ['passphrase="correct horse battery" end', `passphrase="${R}" end`],
    ["password: correct horse", `password: ${R}`],
    ['pw: "a b" end', `pw: "${R}" end`],
    ["key: 'x y' end", `key: '${R}' end`],
    ["sid:abc", `sid:${R}`],
    ["password 'x y' end", `password '${R}' end`],
    ["DB_PASSWORD=a,b c", `${R} c`],
    ['{"password":"a b","x":1}', R],
    ["curl -u bob:hunter", `curl ${R} ${R}`],
    ["Bearer ab!cd", `Bearer ${R}`],
    // half of it is known already
    ["hunter2![redacted]x", R],
    ["token=[redacted]", `token=${R}`],
  ];
  test.each(ROWS)("%s", (text, shown) => {
    expect(withoutLikely(text)).toBe(shown);
  });

  test("takes no time for a long line", () => {
    for (const part of ["a", "1_", "a-", "'", "https://", "token=", "/a"]) {
      const started = performance.now();
      withoutLikely(part.repeat(65_536 / part.length));
      expect(performance.now() - started).toBeLessThan(2000);
    }
  });
});

describe("whether a file may log in", () => {
  const ROWS: readonly (readonly [source: string, may: boolean])[] = [
    ['import { defineHooks } from "kfk";\nexport default defineHooks({ lint: () => [] });', false],
    ['import {\n  join,\n} from "node:path";\nimport type { A } from "./b.ts";\nconst { x } = require("fs");', false],
    ["const from = 1; export const a = from; import.meta.dir;", false],
    ["export default { auth() {} };", true],
    ['export { default } from "./company.ts";', true],
    ['import { defineHooks } from "kfk";\nimport hooks from "./company.ts";\nexport default hooks;', true],
    ['const { hooks } = await import("./" + name);', true],
    ['module.exports = require("./x.js");', true],
  ];
  test.each(ROWS)("%s", (source, may) => {
    expect(mayLogIn(source)).toBe(may);
  });
});
