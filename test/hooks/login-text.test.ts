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
    `${FAILED} no [redacted] at https://id.example.org/token[redacted] for ml-pipeline-ui [HOOK_FAILED]\n  --> kfk.hooks.ts:5:13\n  hint:`,
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
