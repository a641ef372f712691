/** The example of a hook that signs every request, on the built binary, with no node_modules beside it. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { exportPKCS8, generateKeyPair, jwtVerify } from "jose";
import { testProjects } from "../hooks/setup-project.ts";

const projects = testProjects();
afterAll(projects.remove);
const EXAMPLE = readFileSync(join(import.meta.dir, "../../examples/hooks/header-auth/kfk.hooks.ts"), "utf8");

describe("examples/hooks/header-auth", () => {
  test("signs every request anew, for this server and one minute", async () => {
    const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
    const ids: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const assertion = request.headers.get("x-company-assertion") ?? "";
        try {
          const { payload } = await jwtVerify(assertion, publicKey, {
            audience: new URL(request.url).origin,
            issuer: "nightly",
            maxTokenAge: "60s",
          });
          if (ids.includes(payload.jti ?? "")) return new Response("used before", { status: 401 });
          ids.push(payload.jti ?? "");
        } catch {
          return new Response("no", { status: 401 });
        }
        const isHealth = request.url.includes("healthz");
        return Response.json(isHealth ? { tag_name: "2.5.0", commit_sha: "a", multi_user: false } : {});
      },
    });
    try {
      const project = projects.make({ "kfk.hooks.ts": EXAMPLE, "job.pem": await exportPKCS8(privateKey) });
      expect(existsSync(join(project.folder, "node_modules"))).toBe(false);
      const run = async (env: Record<string, string>) => {
        const child = project.start(["auth", "status", "--host", server.url.origin], env);
        const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
        return { status: await child.exited, out, err };
      };
      const signed = await run({ COMPANY_KEY_FILE: "job.pem", COMPANY_JOB: "nightly" });
      expect(signed.err).toContain("logging in by hook (the project's hook auth answered) as nightly");
      expect(signed.out).toContain("known     the server let us list experiments");
      expect(signed.status).toBe(0);
      expect(ids.length).toBeGreaterThan(1);
      expect((await run({})).status).toBe(4);
      const broken = await run({ COMPANY_KEY_FILE: "none.pem" });
      expect(broken.status).toBe(3);
      expect(broken.err).toContain("COMPANY_KEY_FILE names none.pem, which is not there");
    } finally {
      await server.stop(true);
    }
  });
});
