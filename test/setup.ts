/** Loaded before every test file: no network beyond loopback, nothing of the machine's own kfk settings. */
const realFetch = globalThis.fetch;
const guarded = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
  const url = new URL(input instanceof Request ? input.url : String(input));
  if (!/^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname)) {
    throw new Error(`tests stay on loopback, and this asks ${url.hostname}`);
  }
  return realFetch(input, init);
};
globalThis.fetch = Object.assign(guarded, realFetch);
/** Of the live tests. */
const KEPT: ReadonlySet<string> = new Set(["KFK_LIVE_VENVS", "KFK_STARTERS_GIT", "KFK_LIVE_KFP", "KFK_LIVE_KFP_IMAGE"]);
for (const name of Object.keys(process.env)) {
  if (/^(?:KFK_|KF_|KEDRO_|KUBECONFIG$|HTTPS?_PROXY$|ALL_PROXY$)/i.test(name) && !KEPT.has(name)) {
    delete process.env[name];
  }
}
