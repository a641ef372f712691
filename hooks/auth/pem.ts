/**
 * A client certificate and its key in PEM form → what is wrong with them, before anybody is asked: TLS itself would fail
 * without naming a file. Pure; keys that are locked with a passphrase are refused, as nobody is asked for one.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";

/** What is wrong, and with which of the two. */
export type PairProblem = "no certificate" | "no key" | "locked key" | "another key";

/** undefined: the key is that of the first certificate. */
export function findPairProblem(cert: string, key: string): PairProblem | undefined {
  if (!isCertificate(cert)) return "no certificate";
  if (/ENCRYPTED/.test(key)) return "locked key";
  const isPair = isPairOf(cert, key);
  if (isPair === undefined) return "no key";
  return isPair ? undefined : "another key";
}

/** Whether every certificate of a text can be read; false where there is none. */
export function areCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.length > 0 && blocks.every(isCertificate);
}

// --- internal ---

function isCertificate(pem: string): boolean {
  try {
    void new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** undefined: it is no key. */
function isPairOf(cert: string, key: string): boolean | undefined {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return undefined;
  }
}
