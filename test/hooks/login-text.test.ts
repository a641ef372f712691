/** What a hook file that logs in says, in every way that there is, on the built binary: nothing of a login is shown. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { endOf, testProjects } from "./setup-project.ts";
import { startKfp } from "../judges/kfp-fake.ts";
import { KFP_VERSIONS } from "../judges/kfp-versions.ts";

const projects = testProjects();
let asked: (string | null)[] = [];
let server: Bun.Server<undefined>;
beforeEach(() => {
  asked = [];
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      asked.push(request.headers.get("authorization"));
      return Response.json(request.url.includes("healthz") ? { tag_name: "2.5.0", commit_sha: "a" } : {});
    },
  });
});
afterEach(async () => await server.stop(true));
afterAll(() => projects.remove());

const file = (body: string, before = ""): string => `import { defineHooks } from "kfk";
${before}
export default defineHooks({ auth: async (_server, context) => {
  const token = "canary-token-1";
  ${body}
} });
`;
const GIVES = "return { Authorization: `Bearer ${token}` };";
const FAILED = 'the hook "auth" in kfk.hooks.ts failed:';

const ROWS: readonly (readonly [name: string, source: string, status: number, says: string])[] = [
  [
    "a timer that throws later",
    file(`setTimeout(() => { throw new Error("late " + token); }, 30); ${GIVES}`),
    3,
    `error: ${FAILED} late [redacted] [HOOK_FAILED]\n  --> kfk.hooks.ts:5:32\n  hint:`,
  ],
  [
    "a promise that nobody waits for",
    file(`void Promise.reject(new Error("lost " + token)); ${GIVES}`),
    3,
    `${FAILED} lost [redacted]`,
  ],
  [
    "two of them",
    file(`for (const n of [1, 2]) setTimeout(() => { throw new Error("late " + token); }, 10); ${GIVES}`),
    3,
    `${FAILED} late [redacted]`,
  ],
  ["a late one in base64", file(`setTimeout(() => { throw btoa(token); }, 10); ${GIVES}`), 3, `${FAILED} [redacted]`],
  [
    "an error before anything was given",
    file("throw new Error(`no ${token} at https://id.example.org/token?code=canary for ml-pipeline-ui`);"),
    3,
    `${FAILED} no [redacted] at https://id.example.org/token[redacted] for [redacted] [HOOK_FAILED]\n  --> kfk.hooks.ts:5:13\n  hint:`,
  ],
  [
    "lines before, at, and after the answer",
    file(
      `console.log("now", token); setTimeout(() => console.log("late", token), 20); setTimeout(() => console.log("later", token), 300); ${GIVES}`,
    ),
    0,
    "kfk.hooks.ts | later [redacted]",
  ],
  [
    "a line as long as what is kept of one",
    file(
      `process.stdout.write("x ".repeat(32760) + "canary-to"); await Bun.sleep(20); console.log("ken-1 end"); ${GIVES}`,
    ),
    0,
    "[redacted] end",
  ],
  [
    "an end of the process",
    file(`console.log(token); process.exit(7);`),
    3,
    'the hook "auth" in kfk.hooks.ts ended its process (exit status 7) [HOOK_EXIT]\n  --> kfk.hooks.ts:5:23\n  hint:',
  ],
  [
    "an error that nothing catches",
    file(
      `process.removeAllListeners("uncaughtException"); setTimeout(() => { throw new Error(token); }, 10); ${GIVES}`,
    ),
    3,
    "ended its process (exit status 1)",
  ],
  [
    "the file itself",
    file(GIVES, 'const early = "canary-early-2"; console.log(early); throw new Error(early);'),
    3,
    "the hook file kfk.hooks.ts cannot be loaded: [redacted] [HOOK_LOAD]\n  --> kfk.hooks.ts:2:",
  ],
  [
    "a package that is not there",
    file(GIVES, 'import "oauth4webapi";'),
    3,
    "cannot be loaded: Cannot find package 'oauth4webapi'",
  ],
  [
    "a token in the place of a name",
    file("return { [token + ' ']: 'x' };"),
    3,
    "gives as the name of a header is none",
  ],
  ["a token as a name", file("return { [token]: '' };"), 4, "the header [redacted] of the login is empty"],
  [
    "an answer of another form",
    file("return { headers: { [token]: 1 } };"),
    3,
    "cannot be used: [redacted] must be text",
  ],
  [
    "a token of a file",
    file('const own = context.readText("own"); console.log(own); throw new Error("bad " + own);'),
    3,
    `${FAILED} bad [redacted]`,
  ],
  [
    "a token of a program",
    file('const { out } = await context.run(["cat", "own"]); throw new Error("bad " + out + " " + btoa(out));'),
    3,
    `${FAILED} bad [redacted] [redacted]`,
  ],
];

test.each(ROWS)("%s", async (_name, source, status, says) => {
  const project = projects.make({ "kfk.hooks.ts": source, own: "canary-own-3" });
  const ran = await endOf(project.start(["auth", "status", "--host", server.url.origin]));
  expect(ran.out + ran.err).not.toMatch(/canary|Y2FuYXJ5/);
  expect({ status: ran.status, said: ran.err.includes(says) || ran.err }).toEqual({ status, said: true });
  if (status !== 0) expect(asked).toEqual([]);
});

const COMPANY = `import { defineHooks } from "kfk";
const token = "canary-early-2!x";
console.log("now", token);
const login = () => ({ Authorization: "Bearer " + token });
`;
const LOADED: readonly (readonly [name: string, files: Record<string, string>, says: string])[] = [
  [
    "a file that hands on the hooks of another",
    {
      "kfk.hooks.ts": 'export { default } from "./company.ts";\n',
      "company.ts": `${COMPANY}export default defineHooks({ auth: login });\n`,
    },
    "kfk.hooks.ts | now [redacted]\n",
  ],
  [
    "a file whose hooks stand in another, under another name",
    {
      "kfk.hooks.ts": 'import * as all from "./company.ts";\nexport default all.hooks;\n',
      "company.ts": `${COMPANY}export const hooks = { ["au" + "th"]: login };\n`,
    },
    "kfk.hooks.ts | now [redacted]\n",
  ],
  [
    "a file that is imported and fails",
    {
      "kfk.hooks.ts": 'import "./company.ts";\nexport default {};\n',
      "company.ts": 'const token = "canary-early-2"; throw new Error("no " + token);\n',
    },
    "cannot be loaded: no [redacted] [HOOK_LOAD]\n  --> company.ts:1:",
  ],
];

test.each(LOADED)("%s shows nothing where it is only loaded", async (_name, files, says) => {
  const { err } = await endOf(projects.make(files).start(["compile", "-o", "-"]));
  expect(err).not.toContain("canary");
  expect(err).toContain(says);
});

const UNDEFINED: readonly (readonly [name: string, answer: string])[] = [
  ["a header that is undefined", "{ headers: { Authorization: undefined } }"],
  ["the same in the short form", "{ Authorization: undefined }"],
];

test.each(UNDEFINED)("%s is an error that names it, and no login of nobody", async (_name, answer) => {
  const project = projects.make({ "kfk.hooks.ts": file(`return ${answer};`) });
  const { status, err } = await endOf(project.start(["auth", "status", "--host", server.url.origin]));
  expect({ status, asked }).toEqual({ status: 3, asked: [] });
  expect(err).toContain("cannot be used: the header Authorization is undefined, and only plain data can go on");
});

test("text of a server and of a token moves nothing on a terminal", async () => {
  const steering = "\u001b[2J\u0007\u202e\r\nok fake";
  const claims = { exp: 1e300, sub: `me${steering}`, aud: `them${steering}` };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const odd = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      Response.json(request.url.includes("healthz") ? { tag_name: `2.5.0${steering}`, commit_sha: "a" } : {}),
  });
  const env = { KFK_TOKEN: `${part({ alg: "none" })}.${part(claims)}.c2ln` };
  const { start } = projects.make({});
  for (const argv of [["auth", "status"], ["doctor"], ["version"], ["list-runs"]]) {
    const { out, err } = await endOf(start([...argv, "--host", odd.url.origin], env));
    // oxlint-disable-next-line no-control-regex
    expect(out + err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]|\nok fake/);
  }
  const { status, out, err } = await endOf(start(["auth", "status", "--host", odd.url.origin], env));
  await odd.stop(true);
  expect(status).toBe(0);
  expect(err).toContain("logging in by token (KFK_TOKEN is set) as me [2J ok fake\n");
  expect(out).toContain("Kubeflow Pipelines 2.5.0 [2J ok fake\n");
  expect(out).not.toContain("until");
});

test("another hook of such a file shows no lines of it either", async () => {
  const source = file(GIVES).replace(
    "} });",
    '},\n  model: () => { const key = "canary-key-4"; throw new Error("no model"); } });',
  );
  const { status, err } = await endOf(projects.make({ "kfk.hooks.ts": source }).start(["compile", "-o", "-"]));
  expect(status).toBe(3);
  expect(err).toMatch(/failed: no model \[HOOK_FAILED\]\n {2}--> kfk\.hooks\.ts:\d+:\d+\n {2}hint:/);
  expect(err).not.toContain("canary");
});

describe("what is sent to a server", () => {
  test("a login of eight characters is one too", async () => {
    const kfp = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => performance.now() });
    const source = `import { defineHooks } from "kfk";
export default defineHooks({
  auth: () => ({ Authorization: "Bearer canary-1" }),
  documents: ([first]) => { (first.metadata ??= {}).annotations = { note: "by canary-1" }; },
});
`;
    const { status } = await endOf(
      projects.make({ "kfk.hooks.ts": source }).start(["upload-pipeline", "--host", kfp.url]),
    );
    await kfp.stop();
    const sent = kfp.requests.filter(({ method }) => method === "POST").map(({ path }) => path);
    expect({ status, sent }).toEqual({ status: 3, sent: [] });
  });

  test("a document in which a hook has put the login is not uploaded", async () => {
    const kfp = startKfp({ version: KFP_VERSIONS["2.5.0"], clockMs: () => performance.now() });
    const source = `import { defineHooks } from "kfk";
const token = "canary-token-1";
export default defineHooks({
  auth: () => ({ Authorization: "Bearer " + token }),
  documents: ([first]) => { (first.metadata ??= {}).annotations = { note: "by " + token }; },
});
`;
    const project = projects.make({ "kfk.hooks.ts": source });
    const { status, out, err } = await endOf(project.start(["upload-pipeline", "--host", kfp.url]));
    await kfp.stop();
    const sent = kfp.requests.filter(({ method }) => method === "POST").map(({ path }) => path);
    expect({ status, sent }).toEqual({ status: 3, sent: [] });
    expect(err).toContain("error: the document would hold the login, or what gives it [STEP_SECRET]");
    expect(out + err).not.toContain("canary");
  });
});
