/**
 * A client certificate and its key in PEM form → what is wrong with them, before anybody is asked: TLS itself would fail
 * without naming a file. Pure; keys that are locked with a passphrase are refused, as nobody is asked for one.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";

/** What is wrong, and with which of the two. */
export type PairProblem = "no certificate" | "no key" | "locked key" | "RSA-PSS key" | "another key";

interface PairNames {
  readonly cert: string;
  readonly key: string;
  readonly of: string;
}

/** What is wrong in words; `cert`, `key`: how they are called, `of`: the certificate in a sentence about its key. */
export function describePair(problem: PairProblem, { cert, key, of }: PairNames): string {
  switch (problem) {
    case "no certificate":
      return `${cert} holds no certificate that can be read`;
    case "no key":
      return `${key} holds no private key that can be read`;
    case "locked key":
      return `${key} is locked with a passphrase, and nobody is asked for it`;
    case "RSA-PSS key":
      return `${key} is a key for RSA-PSS alone, which kfk cannot use`;
    case "another key":
      return `${key} is not the key of ${of}`;
  }
}

/** undefined: the key is that of the first certificate. */
export function findPairProblem(cert: string, key: string): PairProblem | undefined {
  if (!isCertificate(cert)) return "no certificate";
  if (/^(?:-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type:.*\bENCRYPTED\b)/m.test(key)) return "locked key";
  if (isPss(key)) return "RSA-PSS key";
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

/** A key for RSASSA-PSS alone (RFC 4055), which the TLS of Bun 1.4.5 cannot use. */
function isPss(key: string): boolean {
  const [, body = ""] = /-----BEGIN PRIVATE KEY-----([\s\S]*?)-----END/.exec(key) ?? [];
  try {
    return Uint8Array.fromBase64(body.replaceAll(/\s/g, "")).subarray(0, 40).toHex().includes(PSS);
  } catch {
    return false; // it cannot be read, and that is said of it
  }
}

/** 1.2.840.113549.1.1.10 in DER. */
const PSS = "06092a864886f70d01010a";

/** undefined: it is no key. */
function isPairOf(cert: string, key: string): boolean | undefined {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return undefined;
  }
}
