/**
 * As much of a Kubernetes API server as ways to a service need: the service, its pods, port-forwarding over a WebSocket
 * and the service proxy, with one bearer token. What is behind is a server on this machine.
 *
 * Port-forwarding is as kubelets do it (k8s.io/cri-streaming 0.37 `portforward/websocket.go`): protocol
 * `v4.channel.k8s.io` or none, the port in two bytes as the first message of channels 0 and 1, a reason on channel 1 and
 * the end when the pod does not take the connection. kfk was run against that code behind kube-apiserver 1.36.
 */
import { connect, type Socket } from "node:net";

export interface KubeApi {
  readonly url: string;
  /** Requests as "GET /path", forwarded ones with their path at the service. */
  readonly requests: string[];
  /** Authorization of what arrived at the API server. */
  readonly authorizations: (string | null)[];
  /** Lines that are open: WebSockets of port-forwarding. */
  readonly lines: () => number;
  /** Cuts every line, as the end of a pod or of the API server does. */
  readonly cut: () => void;
  readonly stop: () => Promise<void>;
}

export interface KubeApiOptions {
  /** Server behind the service `ml-pipeline` in `kubeflow`. */
  readonly target: string;
  readonly token: string;
  /** The token that is good now, in its place. */
  readonly now?: () => string;
  readonly isReady?: boolean;
  /** True: pods/portforward is not allowed. */
  readonly isForbidden?: boolean;
  /** Asked for each line: whether it may be opened; the API server fails when not. */
  readonly mayOpen?: () => boolean | Promise<boolean>;
}

interface LineData {
  readonly port: number;
  pod?: Socket;
}

/** Starts it on loopback, with plain http. */
export function startKubeApi(options: KubeApiOptions): KubeApi {
  const requests: string[] = [];
  const authorizations: (string | null)[] = [];
  const target = new URL(options.target);
  const lines = new Set<Bun.ServerWebSocket<LineData>>();
  const server = Bun.serve<LineData>({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request, own) => {
      const url = new URL(request.url);
      requests.push(`${request.method} ${url.pathname}`);
      authorizations.push(request.headers.get("authorization"));
      if (request.headers.get("authorization") !== `Bearer ${options.now?.() ?? options.token}`)
        return status(401, "Unauthorized");
      const [, proxied] =
        /^\/api\/v1\/namespaces\/kubeflow\/services\/ml-pipeline:http\/proxy(\/.*)$/.exec(url.pathname) ?? [];
      if (proxied !== undefined) return await forward(request, options.target + proxied + url.search);
      switch (url.pathname) {
        case "/api/v1/namespaces/kubeflow/services/ml-pipeline":
          return Response.json(SERVICE);
        case "/api/v1/namespaces/kubeflow/pods":
          return Response.json(pods(options.isReady ?? true));
        case "/api/v1/namespaces/kubeflow/pods/ml-pipeline-abc/portforward": {
          if (options.isForbidden)
            return status(
              403,
              'pods "ml-pipeline-abc" is forbidden: User "jane" cannot get resource "pods/portforward"',
            );
          if ((await options.mayOpen?.()) === false) return status(503, "no connection to the node");
          const data = { port: Number(url.searchParams.get("ports")) };
          return own.upgrade(request, { data }) ? undefined : status(400, "Upgrade request required");
        }
        case "/api/v1/namespaces/team-a/serviceaccounts/default-editor/token":
          return Response.json({
            status: { token: "canary-of-the-account", expirationTimestamp: new Date(Date.now() + 3_600_000).toJSON() },
          });
        default:
          return status(404, `${url.pathname.split("/").at(-2)} "${url.pathname.split("/").at(-1)}" not found`);
      }
    },
    websocket: {
      open: (ws) => {
        const { port } = ws.data;
        lines.add(ws);
        for (const channel of [0, 1]) ws.send(Uint8Array.of(channel, port & 255, port >> 8));
        if (port !== 8888) {
          const text = `error forwarding port ${port} to pod ml-pipeline-abc, uid u: failed to connect to localhost:${port} inside namespace: connection refused`;
          ws.send(Buffer.concat([Buffer.of(1), Buffer.from(text)]));
          return ws.close();
        }
        const pod = connect(Number(target.port), target.hostname);
        ws.data.pod = pod;
        pod.on("data", (bytes) => ws.send(Buffer.concat([Buffer.of(0), bytes as Buffer])));
        pod.on("close", () => ws.close());
        pod.on("error", () => ws.close());
      },
      message: (ws, message) => void ws.data.pod?.write((message as Buffer).subarray(1)),
      close: (ws) => {
        lines.delete(ws);
        ws.data.pod?.destroy();
      },
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    authorizations,
    lines: () => lines.size,
    cut: () => {
      for (const ws of [...lines]) ws.terminate();
    },
    stop: () => server.stop(true),
  };
}

/** A kubeconfig for it, with one user; `user` in YAML's flow form. */
export function kubeconfigFor(url: string, user: string): string {
  return [
    "current-context: here",
    `clusters: [{name: c, cluster: {server: "${url}"}}]`,
    "contexts: [{name: here, context: {cluster: c, user: u, namespace: team-a}}]",
    `users: [{name: u, user: ${user}}]`,
  ].join("\n");
}

// --- internal ---

const SERVICE = {
  kind: "Service",
  apiVersion: "v1",
  metadata: { name: "ml-pipeline", namespace: "kubeflow" },
  spec: {
    selector: { app: "ml-pipeline" },
    ports: [
      { name: "http", port: 8888, protocol: "TCP", targetPort: "web" },
      { name: "grpc", port: 8887, protocol: "TCP", targetPort: 8887 },
    ],
  },
};

function pods(isReady: boolean): unknown {
  const pod = (name: string, more: object, ready: string): unknown => ({
    metadata: { name, ...more },
    spec: { containers: [{ name: "a", ports: [{ name: "web", containerPort: 8888 }] }] },
    status: { conditions: [{ type: "Ready", status: ready }] },
  });
  const leaving = pod("ml-pipeline-old", { deletionTimestamp: "2026-01-01T00:00:00Z" }, "True");
  return {
    kind: "PodList",
    apiVersion: "v1",
    items: [leaving, pod("ml-pipeline-abc", {}, isReady ? "True" : "False")],
  };
}

function status(code: number, message: string): Response {
  return Response.json({ kind: "Status", apiVersion: "v1", status: "Failure", message, code }, { status: code });
}

/** The API server takes the credential for itself. */
async function forward(request: Request, url: string): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  const body = request.method === "GET" ? {} : { body: await request.arrayBuffer() };
  return await fetch(url, { method: request.method, headers, redirect: "manual", ...body });
}
