/**
 * A client certificate: KFK_CLIENT_CERT and KFK_CLIENT_KEY (also `--client-cert`, `--client-key`), files in PEM form,
 * read again when they are asked for. It is used together with another way to log in, or alone.
 */
import type { AuthContext, AuthProvider, Login } from "../contract.ts";
import { badFile, refused } from "./failure.ts";
import type { PairProblem } from "./pem.ts";
import { anySet, filled } from "./token.ts";

export const mtls: AuthProvider = {
  name: "mtls",
  title: "client certificate",
  settings: [],
  applies: (_server, context) => anySet(context, ["KFK_CLIENT_CERT", "KFK_CLIENT_KEY"]),
  login: async (_server, context): Promise<Login> => {
    const cert = filled(context.env("KFK_CLIENT_CERT"));
    const key = filled(context.env("KFK_CLIENT_KEY"));
    if (cert === undefined || key === undefined) {
      throw refused(
        "a client certificate needs its key, and only one of the two is named",
        "give both --client-cert and --client-key",
      );
    }
    const tls = {
      cert: readPem(cert, /-----BEGIN CERTIFICATE-----/, "certificate", context),
      key: readPem(key, /-----BEGIN [A-Z ]*PRIVATE KEY-----/, "private key", context),
    };
    const { describePair, findPairProblem } = await import("./pem.ts");
    const problem = findPairProblem(tls.cert, tls.key);
    if (problem !== undefined) {
      const names = { cert, key, of: `the certificate in ${cert}` };
      throw badFile(describePair(problem, names), pairHint(problem, key));
    }
    return { headers: {}, tls, principal: `the certificate in ${cert}` };
  },
};

// --- internal ---

/** What to do about it. */
function pairHint(problem: PairProblem, key: string): string {
  switch (problem) {
    case "no certificate":
      return "export the certificate as PEM";
    case "no key":
      return "export the private key as PEM";
    case "locked key":
      return `unlock it: openssl pkey -in ${key} -out FILE, then chmod 600 FILE and --client-key FILE`;
    case "RSA-PSS key":
      return "use a key of another kind: RSA, EC, Ed25519";
    case "another key":
      return "name the key that the certificate was made for with --client-key";
  }
}

function readPem(file: string, form: RegExp, what: string, context: AuthContext): string {
  const text = context.readText(file);
  if (text === undefined) throw badFile(`the ${what} ${file} is not there`, "check --client-cert and --client-key");
  if (!form.test(text)) throw badFile(`${file} holds no ${what} in PEM form`, "check --client-cert and --client-key");
  return text;
}
