/**
 * The environment's proxy for an address, for what does not look itself: Bun 1.4.5 asks the environment for fetch and
 * not for WebSockets. The rules are those of its fetch, and `test/cluster/proxy.test.ts` holds both side by side.
 * Source: curl's manual, "ENVIRONMENT"; Go's `golang.org/x/net/http/httpproxy` for CIDR.
 */

/** Address of the proxy, or undefined for the direct way. Loopback is never asked for through one. */
export function proxyFor(url: URL, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (/^(localhost|127(\.\d+){3}|::1)$/.test(host)) return undefined;
  const isPlain = /^(http|ws):$/.test(url.protocol);
  const names = isPlain ? ["http_proxy", "HTTP_PROXY"] : ["https_proxy", "HTTPS_PROXY"];
  const proxy = [...names, "all_proxy", "ALL_PROXY"].map((name) => env[name] ?? "").find((value) => value !== "");
  if (proxy === undefined) return undefined;
  const port = url.port === "" ? (isPlain ? "80" : "443") : url.port;
  // of the two spellings the lower-case one holds, as for curl and Bun
  const list = (env["no_proxy"] || env["NO_PROXY"] || "").toLowerCase().split(/[,\s]+/);
  if (list.some((entry) => entry !== "" && isMeant(entry, host, port))) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

// --- internal ---

function isMeant(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const address = readAddress(host);
  const [, start = "", length = ""] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? [];
  if (length !== "") return address !== undefined && isWithin(address, readAddress(start), Number(length));
  const bare = entry.replace(/^\[(.*)\]$/, "$1");
  if (address !== undefined && readAddress(bare)?.value === address.value) return true;
  const [, name = entry, only] = /^(.*[^:]):(\d+)$/.exec(entry) ?? [];
  if (only !== undefined && only !== port) return false;
  if (address !== undefined) return readAddress(name.replace(/^\[(.*)\]$/, "$1"))?.value === address.value;
  const domain = name.replace(/^\*?\./, "");
  return domain !== "" && (host === domain || host.endsWith(`.${domain}`));
}

interface Address {
  readonly value: bigint;
  readonly bits: 32 | 128;
}

function isWithin(address: Address, start: Address | undefined, length: number): boolean {
  if (start === undefined || start.bits !== address.bits || length > address.bits) return false;
  const rest = BigInt(address.bits - length);
  return address.value >> rest === start.value >> rest;
}

/** An IP address as a number; undefined for a name. */
function readAddress(text: string): Address | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (four !== undefined) {
    return { value: four.reduce((sum, part) => sum * 256n + BigInt(part), 0n), bits: 32 };
  }
  if (!text.includes(":") || !URL.canParse(`http://[${text}]`)) return undefined;
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const parts = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const before = parts(head);
  const after = parts(tail ?? "");
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  return { value: all.reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n), bits: 128 };
}
