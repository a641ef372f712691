/** `tls:` of kubeflow.yaml against a server with a private CA that wants a client certificate, on the built binary. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, testProjects } from "../hooks/setup-project.ts";

const projects = testProjects();
const scratch = mkdtempSync(join(tmpdir(), "kfk-tls-"));
const read = (name: string): string => readFileSync(join(scratch, name), "utf8");
let server: Bun.Server<undefined>;
let seen: (string | null)[] = [];
let host = "";
let name = "";

function openssl(...argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...argv], { cwd: scratch, stdin: "ignore" });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

beforeAll(() => {
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ext = ["-addext", "basicConstraints=critical,CA:TRUE"];
  openssl("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test ca", ...ext);
  writeFileSync(join(scratch, "ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  for (const each of ["server", "client", "other"]) {
    openssl("req", ...ec, "-keyout", `${each}.key`, "-out", `${each}.csr`, "-subj", `/CN=${each}`);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"];
    openssl("x509", "-req", "-in", `${each}.csr`, ...by, "-out", `${each}.pem`);
  }
  openssl("ec", "-in", "client.key", "-aes128", "-passout", "pass:abcdef", "-out", "locked.key");
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: {
      cert: read("server.pem"),
      key: read("server.key"),
      ca: read("ca.pem"),
      requestCert: true,
      rejectUnauthorized: true,
    },
    fetch: (request) => {
      seen.push(request.headers.get("authorization"));
      const health = { tag_name: "2.5.0", commit_sha: "a", multi_user: false };
      return Response.json(request.url.includes("healthz") ? health : {});
    },
  });
  name = `127.0.0.1:${server.port}`;
  host = `https://${name}`;
});
afterAll(async () => {
  projects.remove();
  rmSync(scratch, { recursive: true, force: true });
  await server.stop(true);
});

interface Tried {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly asked: readonly (string | null)[];
}

async function status(
  tls: string,
  env: Record<string, string> = {},
  more: readonly string[] = [],
  yaml = `host: ${host}\ntls: ${tls}\n`,
): Promise<Tried> {
  seen = [];
  const files = Object.fromEntries(
    ["ca.pem", "client.pem", "client.key", "other.key", "locked.key"].map((each) => [`certs/${each}`, read(each)]),
  );
  const project = projects.make({ ...files, "conf/base/kubeflow.yaml": yaml });
  const ran = await endOf(project.start(["auth", "status", "--request-timeout", "3", ...more], env));
  return { ...ran, asked: seen };
}

describe("--client-cert and --client-key", () => {
  const files = ["ca.pem", "client.pem", "client.key", "other.key", "locked.key"];
  const bad = {
    "bad.pem": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    "bad.key": "-----BEGIN PRIVATE KEY-----\nx",
  };
  test.each([
    ["client.pem", "client.key", 0, ""],
    ["client.pem", "other.key", 4, "certs/other.key is not the key of the certificate in FOLDER/certs/client.pem"],
    ["client.pem", "locked.key", 4, "certs/locked.key is locked with a passphrase, and nobody is asked for it"],
    ["bad.pem", "client.key", 4, "certs/bad.pem holds no certificate that can be read"],
    ["client.pem", "bad.key", 4, "certs/bad.key holds no private key that can be read"],
    ["client.pem", "client.pem", 4, "certs/client.pem holds no private key in PEM form"],
  ] as const)("%s with %s: %d", async (cert, key, code, problem) => {
    seen = [];
    const all = { ...Object.fromEntries(files.map((each) => [each, read(each)])), ...bad };
    const project = projects.make(
      Object.fromEntries(Object.entries(all).map(([each, text]) => [`certs/${each}`, text])),
    );
    const names = ["--ca-cert", "certs/ca.pem", "--client-cert", `certs/${cert}`, "--client-key", `certs/${key}`];
    const ran = await endOf(project.start(["auth", "status", "--request-timeout", "3", "--host", host, ...names]));
    expect({ code: ran.status, asked: seen.length }).toEqual({ code, asked: code === 0 ? 2 : 0 });
    if (problem !== "") expect(ran.err).toContain(`${project.folder}/${problem.replace("FOLDER", project.folder)}`);
  });
});

const ALL = "{ca: certs/ca.pem, cert: certs/client.pem, key: certs/client.key}";

describe("tls: of kubeflow.yaml", () => {
  test("CA and client certificate reach the project's host, once a person says that it and its CA are theirs", async () => {
    const { asked, ...said } = await status(ALL, { KFK_TRUST_HOSTS: `${name},${name}=tls` });
    expect(said.out).toContain("login     mtls: the client certificate that tls: of kubeflow.yaml names");
    expect(said.status).toBe(0);
    expect(asked.length).toBeGreaterThan(0);
    const beside = await status(ALL, { KFK_TRUST_HOSTS: `${name},${name}=tls`, KFK_TOKEN: "canary-1" });
    expect({ status: beside.status, last: beside.asked.at(-1) }).toEqual({ status: 0, last: "Bearer canary-1" });
  });

  test("the client certificate is shown to nobody whom only the project names", async () => {
    const { status: code, err, asked } = await status(ALL);
    expect({ code, asked }).toEqual({ code: 4, asked: [] });
    expect(err).toContain(
      `only the project names ${host}, so it is not shown the client certificate that tls: of kubeflow.yaml names (cert: certs/client.pem, key: certs/client.key)`,
    );
    expect(err).toContain(`KFK_TRUST_HOSTS=${name}, or use --client-cert and --client-key`);
  });

  test("a host that a person names gets no login on the word of a project's CA", async () => {
    for (const [env, more] of [
      [{ KFK_TOKEN: "canary-1" }, ["--host", host]],
      [{ KFK_TOKEN: "canary-1", KFK_TRUST_HOSTS: name }, ["--host", host]],
      [{ KFK_TRUST_HOSTS: name }, []],
    ] as const) {
      const { status: code, err, asked } = await status(ALL, env, more);
      expect({ code, asked }).toEqual({ code: 4, asked: [] });
      expect(err).toContain(`only the project's CA (certs/ca.pem) vouches for ${host}: it gets no login`);
      expect(err).toContain(`--ca-cert certs/ca.pem, or KFK_TRUST_HOSTS=${name}=tls`);
    }
    const own = await status(ALL, { KFK_TOKEN: "canary-1" }, ["--host", host, "--ca-cert", "certs/ca.pem"]);
    expect({ status: own.status, last: own.asked.at(-1) }).toEqual({ status: 0, last: "Bearer canary-1" });
  });

  test("what the person names goes before it", async () => {
    const own = { KFK_CLIENT_CERT: "certs/client.pem", KFK_CLIENT_KEY: "certs/client.key" };
    const env = { ...own, KFK_CA_FILE: "certs/ca.pem" };
    const { status: code, out } = await status("{ca: none, cert: none, key: none}", env);
    expect(code).toBe(0);
    expect(out).toContain("login     mtls: KFK_CLIENT_CERT is set\n");
  });

  test("it is for the host of the file alone", async () => {
    const other = `host: https://kubeflow.example.org\ntls: ${ALL}\n`;
    const { status: code, err, asked } = await status("", {}, ["--host", host], other);
    expect({ code, asked }).toEqual({ code: 5, asked: [] });
    expect(err).toContain("tls: of kubeflow.yaml is not used, as it is for https://kubeflow.example.org alone");
    expect(err).toContain("no trusted connection");
  });

  test.each([
    ["no such file", "{ca: certs/none.pem}", '"tls.ca": the file certs/none.pem is not there'],
    ["a device", "{ca: /dev/zero}", '"tls.ca": the file /dev/zero is not there'],
    ["a folder", "{ca: certs}", '"tls.ca": the file certs is not there'],
    ["no certificate", "{ca: certs/client.key}", '"tls.ca": certs/client.key holds no certificate in PEM form'],
    ["half a pair", "{cert: certs/client.pem}", '"tls.cert" needs "tls.key" beside it'],
    ["the other half", "{key: certs/client.key}", '"tls.key" needs "tls.cert" beside it'],
    [
      "a key of another certificate",
      "{cert: certs/client.pem, key: certs/other.key}",
      '"tls.key": certs/other.key is not the key of the certificate in certs/client.pem',
    ],
    [
      "a locked key",
      "{cert: certs/client.pem, key: certs/locked.key}",
      '"tls.key": certs/locked.key is locked with a passphrase',
    ],
    ["the check turned off", "{verify: false}", "nothing turns the check of certificates off: name the CA with ca"],
  ])("refused with its place: %s", async (_name, tls, says) => {
    const { status: code, err, asked } = await status(tls);
    expect(err).toContain(says);
    expect(err).toContain("kubeflow.yaml:2:");
    expect({ code, asked }).toEqual({ code: 3, asked: [] });
  });

  test("refused for a host without TLS", async () => {
    const { status: code, err } = await status("", {}, [], `host: http://localhost:1\ntls: ${ALL}\n`);
    expect(code).toBe(3);
    expect(err).toContain('"tls" needs https, and the host is http://localhost:1');
  });
});
