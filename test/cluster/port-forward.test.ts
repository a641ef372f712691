/** A way through the Kubernetes API when it fails in the middle: what is said to be sent, and what is left behind. */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { readFailure } from "../../src/cluster/answer.ts";
import type { Chain } from "../../src/cluster/auth.ts";
import { type Forward, openForward } from "../../src/cluster/port-forward.ts";
import { makeSecret } from "../../src/cluster/secret.ts";
import { KfkError } from "../../src/error.ts";
import { realWorld } from "../../src/world.ts";
import { type KubeApi, startKubeApi } from "../judges/kube-api.ts";

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

interface Pod {
  readonly url: string;
  /** First lines of what arrived. */
  readonly seen: string[];
  /** Who waits for an answer to a POST. */
  readonly posts: Socket[];
}

/** Answers a GET at once, and a POST never. */
async function startPod(): Promise<Pod> {
  const seen: string[] = [];
  const posts: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      const [line = ""] = bytes.toString().split(" HTTP");
      seen.push(line);
      if (line.startsWith("GET")) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
      else posts.push(socket);
    });
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  stops.push(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, seen, posts };
}

interface Way {
  readonly forward: Forward;
  readonly pod: Pod;
  readonly api: KubeApi;
  /** How the API server takes the next dials. */
  readonly dials: { next: () => boolean | Promise<boolean> };
  /** What logs in at the API server from now on. */
  readonly login: { next: () => Promise<void> };
  readonly get: (signal?: AbortSignal) => Promise<string>;
  readonly post: (signal?: AbortSignal) => Promise<string>;
}

async function open(): Promise<Way> {
  const pod = await startPod();
  const dials: Way["dials"] = { next: () => true };
  const api = startKubeApi({ target: pod.url, token: "t", mayOpen: () => dials.next() });
  stops.push(api.stop);
  const login: Way["login"] = { next: () => Promise.resolve() };
  const chain: Chain = {
    login: async () => {
      await login.next();
      return { authorization: makeSecret("Bearer t") };
    },
    tls: () => undefined,
    state: () => ({
      ways: [],
      principal: null,
      audience: null,
      expiresAtMs: null,
      keptBack: [],
      keptFrom: null,
      asked: 0,
    }),
  };
  const cluster = { api: api.url, tls: {}, context: "here", proxy: undefined } as never;
  const host = { way: "port-forward", namespace: "kubeflow", service: "ml-pipeline", port: undefined } as const;
  const forward = await openForward({ world: realWorld(), cluster, chain }, host as never);
  stops.push(forward.close);
  const ask = async (method: string, signal?: AbortSignal): Promise<string> => {
    try {
      // the guard of the tests knows loopback alone; who is asked is the matter of the door
      const answer = await forward.fetch("http://127.0.0.1/x", {
        method,
        ...(signal === undefined ? {} : { signal }),
      });
      return await answer.text();
    } catch (error) {
      if (error instanceof KfkError) return error.message;
      const failure = readFailure(error, undefined);
      return failure.kind === "silent" ? `${failure.sent ? "sent" : "unsent"}: ${failure.message}` : failure.kind;
    }
  };
  return {
    forward,
    pod,
    api,
    dials,
    login,
    get: (signal) => ask("GET", signal),
    post: (signal) => ask("POST", signal),
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(2);
}

const FAILED = "unsent: the Kubernetes API at HOST refuses the forwarding of port 8888 of ml-pipeline-abc: status 503";
const failed = (api: KubeApi): string => FAILED.replace("HOST", new URL(api.url).host);

test("a request that arrived and was cut is no unsent one because another could not connect", async () => {
  const { get, post, pod, api, dials } = await open();
  expect(await get()).toBe("{}"); // its connection is kept, and takes the POST
  dials.next = () => false;
  const posted = post();
  await until(() => pod.posts.length === 1);
  expect(await get()).toBe(failed(api));
  pod.posts[0]?.destroy();
  expect([await posted, pod.seen]).toEqual(["sent: the connection was cut", ["GET /x", "POST /x"]]);
  expect(await post()).toBe(failed(api)); // alone, it is known
  expect(pod.seen).toHaveLength(2);
});

test("a request that finds no way is unsent, with the reason, and the next one goes through", async () => {
  const { get, post, pod, api, dials } = await open();
  api.cut();
  await until(() => api.lines() === 0);
  dials.next = () => false;
  expect([await post(), await get()]).toEqual([failed(api), failed(api)]);
  dials.next = () => true;
  expect([await get(), pod.seen]).toEqual(["{}", ["GET /x"]]);
});

test("a request that was given up goes through no line that is opened later, and the line is closed", async () => {
  const { get, post, pod, api, dials } = await open();
  api.cut();
  await until(() => api.lines() === 0);
  const gate = Promise.withResolvers<boolean>();
  let dialled = 0;
  dials.next = () => {
    dialled++;
    return gate.promise;
  };
  const stop = new AbortController();
  const posted = post(stop.signal);
  await until(() => dialled === 1);
  stop.abort();
  expect(await posted).toStartWith("sent: "); // whoever gives up does not ask what became of it
  gate.resolve(true);
  await until(() => api.requests.length > 0 && dialled === 1);
  dials.next = () => true;
  expect(await get()).toBe("{}");
  await until(() => api.lines() <= 1); // the one that the GET keeps
  expect(pod.seen).toEqual(["GET /x"]);
});

test("a dial that fails late says nothing of the request after it", async () => {
  const { get, post, pod, api, dials } = await open();
  expect(await get()).toBe("{}");
  const late = Promise.withResolvers<boolean>();
  let dialled = 0;
  dials.next = () => {
    dialled++;
    return late.promise;
  };
  const held = post(); // takes the connection that is kept
  await until(() => pod.posts.length === 1);
  const stop = new AbortController();
  const given = get(stop.signal);
  await until(() => dialled === 1);
  stop.abort();
  await given;
  late.resolve(false);
  await until(() => dialled === 2 || api.requests.length > 6);
  pod.posts[0]?.destroy();
  expect(await held).toBe("sent: the connection was cut");
});

test("a signal that ends what logs in ends the request, and nobody dials again", async () => {
  const { get, api, login } = await open();
  api.cut();
  await until(() => api.lines() === 0);
  let asked = 0;
  login.next = () => {
    asked++;
    return Promise.reject(new KfkError("INTERRUPTED", "interrupted while plugin was asked for a login"));
  };
  expect([await get(), asked]).toEqual(["interrupted while plugin was asked for a login", 1]);
});

test("nothing is left when the way is closed", async () => {
  const { get, api, forward } = await open();
  await Promise.all([get(), get(), get()]);
  expect(api.lines()).toBeGreaterThan(0);
  forward.close();
  await until(() => api.lines() === 0);
  expect(await get()).toStartWith("unsent: ");
});
