import { describe, expect, test } from "bun:test";
import { buildLink, parseHost } from "../../src/cluster/host.ts";
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
