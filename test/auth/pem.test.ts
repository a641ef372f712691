/** What is wrong with a certificate and its key, as openssl writes them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPairProblem } from "../../hooks/auth/pem.ts";

const folder = mkdtempSync(join(tmpdir(), "kfk-pem-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(name: string, algorithm: string): void {
  const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`];
  const { exitCode, stderr } = Bun.spawnSync(
    ["openssl", "req", "-x509", "-newkey", algorithm, "-nodes", "-subj", "/CN=x", "-days", "2", ...files],
    { cwd: folder },
  );
  if (exitCode !== 0) throw new Error(stderr.toString());
}
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

describe.skipIf(Bun.which("openssl") === null)("a pair", () => {
  beforeAll(() => {
    make("rsa", "rsa:2048");
    make("pss", "rsa-pss");
  });

  test.each([
    ["as it is", "", undefined],
    ["a comment that speaks of ENCRYPTED keys", "# was ENCRYPTED before\n", undefined],
  ])("%s", (_name, before, problem) => {
    expect(findPairProblem(read("rsa.crt"), before + read("rsa.key"))).toBe(problem);
  });

  test.each([
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
  ])("a locked key: %s", (key) => {
    expect(findPairProblem(read("rsa.crt"), key)).toBe("locked key");
  });

  test("a key for RSA-PSS alone", () => {
    expect(findPairProblem(read("pss.crt"), read("pss.key"))).toBe("RSA-PSS key");
  });
});
