/**
 * The texts that `init` writes, as they lie beside this file, filled with what is known of project, server and release.
 * Pure; every text works untouched.
 */
import dockerfile from "./dockerfile.txt" with { type: "text" };
import dockerignore from "./dockerignore.txt" with { type: "text" };
import { fill } from "./fill.ts";
import githubHead from "./github-head.txt" with { type: "text" };
import githubOnMerge from "./github-on-merge.txt" with { type: "text" };
import githubOnPush from "./github-on-push.txt" with { type: "text" };
import githubSteps from "./github-steps.txt" with { type: "text" };
import gitlab from "./gitlab.txt" with { type: "text" };
import kubeflow from "./kubeflow.yaml.txt" with { type: "text" };
import { AGENT_TARGET } from "./release.ts";
import { shellWord } from "../terminal-text.ts";

export interface KubeflowFacts {
  /** Name for image, experiment and runs: `[a-z0-9-]`, begins with a letter. */
  readonly name: string;
  readonly host: string;
  readonly target: "argo" | "kfp";
  /** `major.minor`; null: not known. */
  readonly kfpVersion: string | null;
  /** Of the schema for editors: a path from the file's folder, or a URL. */
  readonly schema: string;
}

export interface CiFacts {
  readonly name: string;
  /** Folder of the project in the repository, with `/`; empty when it is the repository's root. */
  readonly folder: string;
  /** Version of kfk that the jobs download. */
  readonly version: string;
  /** SHA-256 of that version's binary for build agents; undefined: the jobs take it from the release. */
  readonly checksum: string | undefined;
  /** Where releases are, when that is known to everybody. */
  readonly releases: string;
}

/** Path from the repository's root, and the text. */
export interface CiFile {
  readonly path: string;
  readonly text: string;
}

/** `kubeflow.yaml`. */
export function kubeflowText(facts: KubeflowFacts): string {
  return fill(kubeflow, {
    schema: facts.schema,
    host: plainScalar(facts.host),
    target: facts.target,
    kfp_version: facts.kfpVersion === null ? '# kfp_version: "2.5"' : `kfp_version: "${facts.kfpVersion}"`,
    name: plainScalar(facts.name),
  });
}

/** Two workflows for GitHub. */
export function githubFiles(facts: CiFacts): readonly CiFile[] {
  const head = fill(githubHead, {
    name: facts.name,
    version: facts.version,
    default_url: facts.releases === "" ? "" : ` || '${facts.releases}'`,
    sum:
      facts.checksum === undefined ? "" : `  # Of the file ${BINARY} of this version\n  KFK_SHA256: ${facts.checksum}`,
    folder: facts.folder === "" ? "" : `    working-directory: ${JSON.stringify(facts.folder)}`,
  });
  const steps = fill(githubSteps, { check: indent(checkLines(facts.checksum), 10) });
  return [
    { path: ".github/workflows/kubeflow-on-push.yml", text: fill(githubOnPush, { head, steps, name: facts.name }) },
    { path: ".github/workflows/kubeflow-on-merge.yml", text: fill(githubOnMerge, { head, steps }) },
  ];
}

/** One pipeline for GitLab. */
export function gitlabFiles(facts: CiFacts): readonly CiFile[] {
  const sum = [
    ...(facts.releases === "" ? [] : [`  KFK_URL: ${JSON.stringify(facts.releases)}`]),
    ...(facts.checksum === undefined
      ? []
      : [`  # Of the file ${BINARY} of this version`, `  KFK_SHA256: ${facts.checksum}`]),
  ];
  const text = fill(gitlab, {
    name: facts.name,
    version: facts.version,
    sum: sum.length === 0 ? "" : sum.join("\n"),
    check: indent(checkLines(facts.checksum), 6),
    cd: `cd "$CI_PROJECT_DIR"${facts.folder === "" ? "" : `/${shellWord(facts.folder)}`}`,
  });
  return [{ path: ".gitlab-ci.yml", text }];
}

export interface ImageFacts {
  /** Minor version of Python, such as `3.12`. */
  readonly python: string;
  /** Path in the project; null: pyproject.toml says what to install. */
  readonly requirements: string | null;
  /** Folder of the environments, from the project's root. */
  readonly conf: string;
}

/** Dockerfile and .dockerignore of a project that has none. */
export function dockerFiles({ python, requirements, conf }: ImageFacts): readonly CiFile[] {
  const install =
    requirements === null
      ? ["COPY . .", "RUN pip install --no-cache-dir ."]
      : [
          "# On its own, so that it is built anew only when requirements change",
          `COPY ${requirements} /tmp/requirements.txt`,
          "RUN pip install --no-cache-dir -r /tmp/requirements.txt",
          "COPY . .",
        ];
  return [
    { path: "Dockerfile", text: fill(dockerfile, { python, conf, install: install.join("\n") }) },
    { path: ".dockerignore", text: fill(dockerignore, { conf }) },
  ];
}

// --- internal ---

const BINARY = `kfk-${AGENT_TARGET}`;

/** Shell lines that end the job unless the file is the release's. */
function checkLines(checksum: string | undefined): readonly string[] {
  if (checksum !== undefined) return [`echo "$KFK_SHA256  ${BINARY}" | sha256sum --check --strict`];
  return [
    "# better: the sum of one release, written here by hand",
    'curl --fail --silent --show-error --location --retry 3 --output SHA256SUMS "$KFK_URL/v$KFK_VERSION/SHA256SUMS"',
    `grep '  ${BINARY}$' SHA256SUMS | sha256sum --check --strict`,
  ];
}

function indent(lines: readonly string[], columns: number): string {
  return lines.map((line) => " ".repeat(columns) + line).join("\n");
}

/** As YAML 1.1 and 1.2 read it: quoted unless it is plainly text. */
function plainScalar(text: string): string {
  const isUrl = /^https?:\/\/[\w.:/~-]+$/.test(text) && !text.endsWith(":");
  const isName = /^[a-z][a-z0-9-]*$/.test(text) && !/^(?:null|true|false|yes|no|on|off|y|n)$/.test(text);
  return isUrl || isName ? text : JSON.stringify(text);
}
