/**
 * A way to one port of one pod through the Kubernetes API, as `kubectl port-forward` makes it: a door on this machine
 * (`World.openDoor`), and for each connection that comes a WebSocket to the API server. No other program and no other
 * user of the machine can go through, and no port is taken.
 *
 * Protocol `v4.channel.k8s.io`, which kubelets of all versions speak: the first byte of a message names its channel (0
 * data, 1 error), the first message of each channel is the port in two bytes. Framing is @kubernetes/client-node's; the
 * socket below is the platform's, because Bun 1.4.5 puts its own in the place of `ws`, and only that one takes proxies.
 * The pod is looked for again when a connection cannot be made: pods come and go while a run is waited for.
 * Source: k8s.io/cri-streaming 0.37 `portforward/websocket.go`, checked against it.
 */
import type { Socket } from "node:net";
import { podListSchema, serviceSchema } from "../../schemas/kubeconfig.ts";
import { isKfkError, isStop, KfkError } from "../error.ts";
import type { World } from "../world.ts";
import type { KubeHost } from "./host.ts";
import { askKube, carrierOf, hostOf, type KubeApi, type KubeCarrier, refusedBy, shortLine } from "./kube-api.ts";
import { proxyFor } from "./proxy.ts";

export interface Forward {
  /** Where the service is, as seen from inside the cluster: requests to it go through `fetch`. */
  readonly origin: string;
  readonly fetch: World["fetch"];
  readonly close: () => void;
}

/**
 * Finds a pod of the service and connects to it once, so that what stands in the way is told before anything else.
 *
 * Errors: SERVER_HOST (no such service or port), SERVER_LOGIN (not allowed), SERVER_UNREACHABLE, SERVER_ERROR.
 */
export async function openForward(api: KubeApi, host: KubeHost): Promise<Forward> {
  const { world } = api;
  if (world.openDoor === undefined) throw new Error("this world has no doors");
  let target = await findTarget(api, host);
  let ready: Line | undefined = await dial(api, target);
  let why: KfkError | undefined;
  let complaint: string | undefined;
  /** Pieces of requests that went to the pod. */
  let carried = 0;
  let requests = 0;
  /** Who came to the door and has no line yet. */
  const waiting: Socket[] = [];
  const getLine = async (visitor: Socket): Promise<Line> => {
    const line = ready;
    ready = undefined;
    if (line?.isOpen()) return line;
    line?.close();
    try {
      return await dial(api, target);
    } catch (error) {
      if (isStop(error) || visitor.destroyed) throw error;
      target = await findTarget(api, host);
      return await dial(api, target);
    }
  };
  const told: Told = {
    onCarried: () => carried++,
    onComplaint: (text) => {
      complaint = text;
    },
  };
  const door = await world.openDoor((visitor) => {
    waiting.push(visitor);
    visitor.on("error", () => visitor.destroy());
    const leave = (): void => {
      const at = waiting.indexOf(visitor);
      if (at >= 0) waiting.splice(at, 1);
    };
    void getLine(visitor).then(
      (line) => {
        leave();
        line.join(visitor, told);
      },
      (error: unknown) => {
        leave();
        if (isKfkError(error)) why = error;
        visitor.destroy();
      },
    );
  });
  return {
    origin: `http://${host.service}.${host.namespace}.svc:${target.servicePort}`,
    fetch: async (url, init) => {
      const before = carried;
      if (requests++ === 0) {
        why = undefined;
        complaint = undefined;
      }
      try {
        return await world.fetch(url, { ...init, unix: door.path } as RequestInit);
      } catch (error) {
        // what waits for a line is wanted by nobody any more: it must not go through later
        if (requests === 1) for (const visitor of waiting.splice(0)) visitor.destroy();
        if (init.signal?.aborted) throw error;
        // nothing of any request has gone through since, and nothing is left that could
        if (carried === before && waiting.length === 0) {
          throw isStop(why) ? why : neverSent(why?.message ?? complaint, error);
        }
        // without its cause, whose code would speak for it
        if (complaint !== undefined) throw new Error(complaint); // oxlint-disable-line preserve-caught-error
        throw error;
      } finally {
        requests--;
      }
    },
    close: () => {
      ready?.close();
      door.close();
    },
  };
}

// --- internal ---

interface Target {
  readonly pod: string;
  readonly port: number;
  readonly servicePort: number;
  readonly namespace: string;
}

/** One WebSocket. */
interface Line {
  /** True while it can carry something: the node has not said that it cannot. */
  readonly isOpen: () => boolean;
  /** Connects a visitor; one that has left ends the line. */
  readonly join: (visitor: Socket, told: Told) => void;
  readonly close: () => void;
}

interface Told {
  /** A piece of what the visitor sends goes to the pod. */
  readonly onCarried: () => void;
  /** What the node says when it cannot go on. */
  readonly onComplaint: (text: string) => void;
}

async function findTarget(api: KubeApi, { namespace, service, port: wanted }: KubeHost): Promise<Target> {
  const base = `/api/v1/namespaces/${namespace}`;
  const { spec } = await askKube(
    api,
    `${base}/services/${service}`,
    serviceSchema,
    `the service ${service} in ${namespace}`,
  );
  const [only] = spec.ports;
  const port =
    wanted === undefined
      ? (spec.ports.find(({ name }) => name === "http") ?? (spec.ports.length === 1 ? only : undefined))
      : spec.ports.find(({ name, port: number }) => name === wanted || String(number) === wanted);
  if (port === undefined) throw noPort(service, wanted, spec.ports);
  const selector = Object.entries(spec.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  if (selector.length === 0) throw noSelector(service);
  const query = `labelSelector=${encodeURIComponent(selector.join(","))}`;
  const { items } = await askKube(
    api,
    `${base}/pods?${query}`,
    podListSchema,
    `the pods of ${service} in ${namespace}`,
  );
  const pod = items.find(
    ({ metadata, status }) =>
      !metadata.deletionTimestamp && status.conditions?.some((each) => each.type === "Ready" && each.status === "True"),
  );
  if (pod === undefined) throw noPod(service, namespace, items.length);
  const aim = port.targetPort ?? port.port;
  const ports = pod.spec.containers.flatMap((each) => each.ports ?? []);
  const number = typeof aim === "number" ? aim : ports.find(({ name }) => name === aim)?.containerPort;
  if (number === undefined) throw noPort(service, String(aim), spec.ports);
  return { pod: pod.metadata.name, port: number, servicePort: port.port, namespace };
}

/** Errors: SERVER_LOGIN, SERVER_UNREACHABLE, SERVER_ERROR. */
async function dial(api: KubeApi, target: Target): Promise<Line> {
  const path = `/api/v1/namespaces/${target.namespace}/pods/${encodeURIComponent(target.pod)}/portforward?ports=${target.port}`;
  const first = await connect(api, path, await carrierOf(api, false));
  const done =
    "refused" in first && first.refused.endsWith(": 401")
      ? await connect(api, path, await carrierOf(api, true))
      : first;
  if (!("refused" in done)) return done;
  const status = Number(/Expected 101 status code: (\d{3})/.exec(done.refused)?.[1] ?? "0");
  if (status !== 0) throw refusedBy(api, status, "", `the forwarding of port ${target.port} of ${target.pod}`);
  throw new KfkError(
    "SERVER_UNREACHABLE",
    `cannot forward through the Kubernetes API at ${hostOf(api)}: ${done.refused}`,
    {
      hint: "check with kubectl port-forward that it works from here",
    },
  );
}

const CONNECT_MS = 30_000;

async function connect(api: KubeApi, path: string, carrier: KubeCarrier): Promise<Line | { readonly refused: string }> {
  const { WebSocketHandler } = await import("@kubernetes/client-node/dist/web-socket-handler.js");
  const { cluster, world } = api;
  let socket: Socket | undefined;
  let complain: ((text: string) => void) | undefined;
  let complaint = "";
  let made: WebSocket | undefined;
  const headless = new Set<number>();
  const early: Buffer[] = [];
  const receive = (channel: number, bytes: Buffer): boolean => {
    let rest = bytes;
    if (!headless.has(channel)) {
      headless.add(channel);
      rest = bytes.subarray(2); // the port
    }
    if (rest.length === 0) return true;
    if (channel === 1) {
      complaint = shortLine(world, rest.toString()) || "no reason given";
      complain?.(complaint);
      socket?.destroy();
      return false;
    }
    if (socket === undefined) early.push(rest);
    else socket.write(rest);
    return true;
  };
  const proxy = carrier.proxy ?? proxyFor(new URL(cluster.api), world.env);
  const handler = new WebSocketHandler(
    { getCurrentCluster: () => ({ server: cluster.api }), applyToHTTPSOptions: () => Promise.resolve() } as never,
    ((url: string) => {
      made = new WebSocket(url, {
        protocols: ["v4.channel.k8s.io"],
        headers: carrier.headers,
        ...(Object.keys(carrier.tls).length === 0 ? {} : { tls: carrier.tls }),
        ...(proxy === undefined ? {} : { proxy }),
      } as never);
      made.binaryType = "nodebuffer";
      return made;
    }) as never,
  );
  const stop = new AbortController();
  const late = world.clock.sleep(CONNECT_MS, stop.signal).then(() => undefined);
  let ws: WebSocket | undefined;
  try {
    ws = await Promise.race([handler.connect(path, null, receive) as unknown as Promise<WebSocket>, late]);
  } catch (error) {
    return { refused: describe(error) };
  } finally {
    stop.abort();
  }
  if (ws === undefined) {
    made?.close();
    return { refused: `no answer within ${CONNECT_MS / 1000} s` };
  }
  const open = ws;
  open.addEventListener("close", () => socket?.end());
  return {
    isOpen: () => open.readyState === WebSocket.OPEN && complaint === "",
    close: () => open.close(),
    join: (visitor, { onCarried, onComplaint }) => {
      if (complaint !== "") onComplaint(complaint);
      if (visitor.destroyed || open.readyState !== WebSocket.OPEN || complaint !== "") {
        visitor.destroy();
        open.close();
        return;
      }
      socket = visitor;
      complain = onComplaint;
      for (const bytes of early.splice(0)) visitor.write(bytes);
      visitor.on("close", () => open.close());
      visitor.on("data", onCarried);
      WebSocketHandler.handleStandardInput(open as never, visitor as never, 0);
    },
  };
}

/** The reason alone: what comes before it names the address, with what it carries. */
function describe(error: unknown): string {
  const message = (error as { message?: unknown }).message;
  return typeof message === "string" ? message.replace(/^WebSocket connection to '[^']*' failed: /, "") : "no answer";
}

/** As `readFailure` knows it. */
function neverSent(reason: string | undefined, cause: unknown): Error {
  const message = reason ?? "no connection through the Kubernetes API";
  return Object.assign(new Error(message, { cause }), { isUnsent: true });
}

function noPort(
  service: string,
  wanted: string | undefined,
  ports: readonly { readonly name?: string | null | undefined; readonly port: number }[],
): KfkError {
  const list = ports.map(({ name, port }) => (name ? `${name} (${port})` : String(port))).join(", ");
  const what = wanted === undefined ? "more than one port, and none is called http" : `no port ${wanted}`;
  return new KfkError("SERVER_HOST", `the service ${service} has ${what}: ${list === "" ? "it has none" : list}`, {
    hint: `name one: port-forward://NAMESPACE/${service}:PORT`,
  });
}

function noSelector(service: string): KfkError {
  return new KfkError("SERVER_HOST", `the service ${service} stands for no pods of this cluster`, {
    hint: "use the address that it stands for",
  });
}

function noPod(service: string, namespace: string, count: number): KfkError {
  const what = count === 0 ? "there is none" : `none of ${count} is ready`;
  return new KfkError(
    "SERVER_UNREACHABLE",
    `no pod of the service ${service} in ${namespace} can be reached: ${what}`,
    {
      hint: `look at kubectl get pods -n ${namespace}, then try again`,
    },
  );
}
