import { expect, test } from "bun:test";
import { KfkError } from "../src/error.ts";
import { buildRedactor, isSecretKey, makeRedactor, withoutUser } from "../src/secrets.ts";
import { renderError } from "../src/view/error.ts";

test.each([
  ["s3://AKIAKEY:hunter2@bucket/x.csv", "s3://[redacted]@bucket/x.csv"],
  ["http://user:SE/KRET@host/pipeline", "http://[redacted]@host/pipeline"],
  ["https://host/a@b", "https://host/a@b"],
  ["gs://bucket/folder@2024/x.csv", "gs://bucket/folder@2024/x.csv"],
  ["data/x@pandas", "data/x@pandas"],
])("takes the user out of %s", (text, want) => {
  expect(withoutUser(text)).toBe(want);
});

test("frames of configuration show no value whose key looks secret", () => {
  const text = "db:\n  password: hunter2\n  url: postgres://me:hunter2@db\n  port: x\n";
  const error = new KfkError("CONFIG_YAML", "wrong", { at: { file: "conf/base/x.yml", line: 4, column: 9, text } });
  expect(renderError(error, false)).toBe(
    [
      "error: wrong [CONFIG_YAML]",
      "  --> conf/base/x.yml:4:9",
      "  2 |   password: [redacted]",
      "  3 |   url: postgres://[redacted]@db",
      "  4 |   port: x",
      "    |         ^",
      "",
    ].join("\n"),
  );
});

test.each([
  ["db_password", true],
  ["apiKey", true],
  ["TOKEN", true],
  ["aws.secret-access-key", true],
  ["credentials", true],
  ["tokenizer", false],
  ["max_tokens", false],
  ["key", false],
  ["primary_key", false],
  ["passage", false],
])("%s looks like the key of a secret: %j", (key, want) => {
  expect(isSecretKey(key)).toBe(want);
});

test("the folder that a shell is in is no secret, and the password of a variable is one", () => {
  const { forPeople } = makeRedactor({ PWD: "/home/me/spaceflights", DB_PWD: "hunter2hunter2" });
  expect(forPeople("logs in /home/me/spaceflights/.kfk, hunter2hunter2")).toBe(
    "logs in /home/me/spaceflights/.kfk, [redacted]",
  );
});

test("the shell's folders are no secrets, though they are called PWD", () => {
  const redact = buildRedactor({ PWD: "/home/kedro", OLDPWD: "/home/other", DB_PWD: "hunter22", FTP_PW: "hunter33" });
  expect(redact("/home/kedro /home/other hunter22 hunter33")).toBe("/home/kedro /home/other [redacted] [redacted]");
});
