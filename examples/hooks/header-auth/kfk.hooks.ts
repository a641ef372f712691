// A gate of the company's own: every request carries a JWT that this job signs, good for one server and one minute.
// COMPANY_KEY_FILE names the job's private key (PKCS#8, Ed25519), COMPANY_JOB the name that the gate knows it by.
import { importPKCS8, SignJWT } from "jose"; // comes with kfk
import { defineHooks } from "kfk";

const LIFE_S = 60;

export default defineHooks({
  auth: async ({ origin }, { env, readText, nowMs }) => {
    const file = env("COMPANY_KEY_FILE");
    if (!file) return undefined; // not in the company's network: kfk's own ways
    const pem = readText(file);
    if (!pem) throw new Error(`COMPANY_KEY_FILE names ${file}, which is not there`);
    const job = env("COMPANY_JOB") ?? "kfk";
    const now = Math.floor(nowMs() / 1000);
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: "EdDSA" })
      .setIssuer(job)
      .setAudience(origin)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFE_S)
      .sign(await importPKCS8(pem, "EdDSA"));
    // keep: false asks again before every request, so each one is signed anew
    return { headers: { "X-Company-Assertion": assertion }, keep: false, origin, principal: job };
  },
});
