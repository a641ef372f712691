import { describe, expect, test } from "bun:test";
import { buildLink, mayBeKube, parseHost, parseKubeHost } from "../../src/cluster/host.ts";
import { isKfkError } from "../../src/error.ts";

describe("parseHost", () => {
  test.each([
    ["a host alone is https", "kfp.example.org", "https://kfp.example.org", ["", "/pipeline"]],
    ["localhost is http", "localhost:8080", "http://localhost:8080", ["", "/pipeline"]],
    ["loopback is http", "127.0.0.1:8888", "http://127.0.0.1:8888", ["", "/pipeline"]],
    [
      "a service of the cluster is http",
      "ml-pipeline.kubeflow.svc:8888",
      "http://ml-pipeline.kubeflow.svc:8888",
      ["", "/pipeline"],
    ],
    ["a bare name is a service", "ml-pipeline:8888", "http://ml-pipeline:8888", ["", "/pipeline"]],
    ["a scheme stays", "http://kfp.example.org", "http://kfp.example.org", ["", "/pipeline"]],
    ["inside Kubeflow", "https://kf.example.org/pipeline", "https://kf.example.org", ["/pipeline", ""]],
    ["a slash at the end", "https://kf.example.org/pipeline/", "https://kf.example.org", ["/pipeline", ""]],
    ["pipelines", "https://kf.example.org/pipelines", "https://kf.example.org", ["/pipeline", ""]],
    ["a pasted link", "https://kf.example.org/pipeline/#/runs/details/1", "https://kf.example.org", ["/pipeline", ""]],
    ["a pasted link at the root", "https://kfp.example.org/#/pipelines", "https://kfp.example.org", ["", "/pipeline"]],
    [
      "a pasted frame",
      "https://kf.example.org/_/pipeline/?ns=team-a#/runs",
      "https://kf.example.org",
      ["/pipeline", ""],
    ],
    [
      "a pasted API call",
      "https://kf.example.org/pipeline/apis/v1beta1/runs",
      "https://kf.example.org",
      ["/pipeline", ""],
    ],
    ["IPv6 loopback is http", "[::1]:8080", "http://[::1]:8080", ["", "/pipeline"]],
    ["IPv6", "[2001:db8::1]/pipeline", "https://[2001:db8::1]", ["/pipeline", ""]],
    ["a query", "https://kfp.example.org?token=canary", "https://kfp.example.org", ["", "/pipeline"]],
    ["a port that goes without saying", "https://kfp.example.org:443/", "https://kfp.example.org", ["", "/pipeline"]],
    ["a longer path", "https://h.example/kfp/pipeline/#/x", "https://h.example", ["/kfp/pipeline", "/kfp"]],
    ["blanks around", "  kfp.example.org ", "https://kfp.example.org", ["", "/pipeline"]],
    [
      "a service proxy of Kubernetes",
      "https://k8s.example.org/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/",
      "https://k8s.example.org",
      ["/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"],
    ],
  ])("%s", (_, typed, origin, bases) => {
    expect(parseHost(typed)).toEqual({ origin, bases });
  });

  test.each([
    ["nothing", " ", "the host is empty"],
    [
      "another scheme",
      "ftp://kfp.example.org",
      'the host "ftp://kfp.example.org" starts with ftp://, which is not spoken here',
    ],
    ["a broken scheme", "http:/kfp.example.org", 'the host "http:/kfp.example.org" has a broken scheme'],
    ["blanks inside", "kfp example", 'the host "kfp example" is not a URL'],
    [
      "a password",
      "https://me:hunter2@kfp.example.org",
      'the host "https://kfp.example.org" carries a user name or password',
    ],
    ["a password without a scheme", "me:hunter2@kfp", 'the host "kfp" carries a user name or password'],
    ["a password with a slash", "https://me:hun/ter2@kfp", 'the host "https://kfp" is not a URL'],
    ["a port that is none", "kfp.example.org:99999", 'the host "kfp.example.org:99999" is not a URL'],
  ])("refuses %s", (_, typed, message) => {
    let caught: unknown;
    try {
      parseHost(typed);
    } catch (error) {
      caught = error;
    }
    expect(isKfkError(caught, "SERVER_HOST") && caught.message).toBe(message);
  });
});

describe("parseKubeHost", () => {
  test.each([
    ["nothing named", "port-forward://", ["port-forward", "kubeflow", "ml-pipeline", undefined]],
    ["a namespace", " Port-Forward://team-a/ ", ["port-forward", "team-a", "ml-pipeline", undefined]],
    ["all", "service-proxy://a/b:http", ["service-proxy", "a", "b", "http"]],
    [
      "a port by number",
      "port-forward://kubeflow/ml-pipeline-ui:80/",
      ["port-forward", "kubeflow", "ml-pipeline-ui", "80"],
    ],
  ] as const)("%s", (_, typed, [way, namespace, service, port]) => {
    expect(parseKubeHost(typed)).toEqual({ way, namespace, service, port });
    expect(mayBeKube(typed)).toBe(true);
  });

  test.each(["kfp.example.org", "port-forward:8080", "https://port-forward/"])("leaves %s to parseHost", (typed) => {
    expect([parseKubeHost(typed), mayBeKube(typed)]).toEqual([undefined, false]);
  });

  test.each([
    "port-forward://A/b",
    "port-forward://a/b/c",
    "service-proxy://a/b:c/../d",
    "port-forward://me:canary@a/b",
  ])("refuses %s", (typed) => {
    expect(() => parseKubeHost(typed)).toThrow(/names no service of Kubernetes$/);
    expect(() => parseKubeHost(typed)).not.toThrow("canary");
  });
});

test("links lead to the pages of the UI", () => {
  expect(buildLink("https://kf.example.org/pipeline/", { page: "run", id: "r1" })).toBe(
    "https://kf.example.org/pipeline/#/runs/details/r1",
  );
  expect(buildLink("http://h", { page: "experiment", id: "e" })).toBe("http://h/#/experiments/details/e");
  expect(buildLink("http://h", { page: "pipeline", id: "p" })).toBe("http://h/#/pipelines/details/p");
  expect(buildLink("http://h", { page: "pipeline", id: "p", versionId: "v" })).toBe(
    "http://h/#/pipelines/details/p/version/v",
  );
});
