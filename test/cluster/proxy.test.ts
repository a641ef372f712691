import { describe, expect, test } from "bun:test";
import { proxyFor } from "../../src/cluster/proxy.ts";

const P = "http://proxy.example.org:3128";

/** Each row was seen to be what the fetch of Bun 1.4.5 does with the same environment. */
describe("proxyFor", () => {
  test.each([
    ["http", "http://kfp.example.org/", { HTTP_PROXY: P }, P],
    ["http, lower case", "http://kfp.example.org/", { http_proxy: P }, P],
    ["https", "https://kfp.example.org/", { HTTPS_PROXY: P }, P],
    ["a WebSocket with TLS", "wss://kfp.example.org/", { HTTPS_PROXY: P }, P],
    ["https has its own", "https://kfp.example.org/", { HTTP_PROXY: P }, undefined],
    ["one for all", "https://kfp.example.org/", { ALL_PROXY: P }, P],
    ["without a scheme", "http://kfp.example.org/", { HTTP_PROXY: "proxy.example.org:3128" }, P],
    ["lower case holds", "http://kfp.example.org/", { HTTP_PROXY: "http://other", http_proxy: P }, P],
    ["an empty one is none", "http://kfp.example.org/", { HTTP_PROXY: "" }, undefined],
    ["this machine", "http://localhost:8080/", { HTTP_PROXY: P }, undefined],
    ["loopback", "http://127.0.0.2:8080/", { HTTP_PROXY: P }, undefined],
    ["loopback, IPv6", "http://[::1]:8080/", { HTTP_PROXY: P }, undefined],
  ] as const)("%s", (_, url, env, proxy) => {
    expect(proxyFor(new URL(url), env)).toBe(proxy);
  });

  test.each([
    ["a name", "http://kfp.example.org/", "kfp.example.org", false],
    ["upper case", "http://kfp.example.org/", "KFP.Example.ORG", false],
    ["a domain", "http://kfp.example.org/", "example.org", false],
    ["a leading dot", "http://kfp.example.org/", ".example.org", false],
    ["a leading dot, and the domain itself", "http://example.org/", ".example.org", false],
    ["a leading star", "http://kfp.example.org/", "*.example.org", false],
    ["the end of another name", "http://notexample.org/", "example.org", true],
    ["everything", "http://kfp.example.org/", "*", false],
    ["a port", "http://kfp.example.org:8080/", "kfp.example.org:8080", false],
    ["another port", "http://kfp.example.org:8080/", "kfp.example.org:9090", true],
    ["the usual port", "http://kfp.example.org/", "kfp.example.org:80", false],
    ["a range", "http://192.0.2.77:81/", "192.0.2.0/24", false],
    ["another range", "http://198.51.100.7:81/", "192.0.2.0/24", true],
    ["an address", "http://192.0.2.77:81/", "192.0.2.77", false],
    ["the end of an address", "http://192.0.2.77:81/", ".2.77", true],
    ["IPv6", "http://[2001:db8::1]:81/", "2001:db8::1", false],
    ["IPv6 in brackets", "http://[2001:db8::1]:81/", "[2001:db8::1]", false],
    ["an IPv6 range", "http://[2001:db8::1]:81/", "2001:db8::/32", false],
    ["another IPv6 range", "http://[2001:db9::1]:81/", "2001:db8::/32", true],
    ["a list with blanks", "http://kfp.example.org/", "a.org, kfp.example.org", false],
    ["blanks alone", "http://kfp.example.org/", "a.org kfp.example.org", false],
  ] as const)("NO_PROXY: %s", (_, url, list, isAsked) => {
    expect(proxyFor(new URL(url), { HTTP_PROXY: P, NO_PROXY: list }) !== undefined).toBe(isAsked);
    expect(proxyFor(new URL(url), { HTTP_PROXY: P, no_proxy: list, NO_PROXY: "other.org" }) !== undefined).toBe(
      isAsked,
    );
  });
});
