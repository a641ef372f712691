/**
 * What settings of kubeflow.yaml mean together, after each of them was found good on its own: two names for one thing
 * with two values, a server that does not take the target, a volume that would hide the project.
 *
 * Comes in: the parsed file. Goes out: problems with the path of the key that is to be changed, and things to tell.
 * Rules: Kubernetes core/v1 VolumeMount; KFP 2.17 is the last server that takes Argo's documents.
 */
import type { KubeflowFile } from "../../schemas/kubeflow.ts";

/** One setting that does not go with another. */
export interface Disagreement {
  /** Keys and list indexes down to the setting. */
  readonly path: readonly string[];
  /** What is wrong, as a whole sentence without its full stop. */
  readonly message: string;
  readonly hint: string;
  /** True: told, and not refused. */
  readonly isHarmless?: boolean;
}

/** All disagreements of a file, in the order of their keys. */
export function findDisagreements(file: KubeflowFile): Disagreement[] {
  return [...twoMerges(file), ...otherServer(file), ...certificates(file), ...coveringMounts(file)];
}

// --- internal ---

function twoMerges({ run_config: run }: KubeflowFile): Disagreement[] {
  const merge = run?.merge ?? null;
  const old = run?.node_merge_strategy ?? null;
  if (merge === null || old === null || merge === old) return [];
  return [
    {
      path: ["run_config", "node_merge_strategy"],
      message: `"run_config.node_merge_strategy" is ${old} and "run_config.merge" is ${merge}, two names of one setting`,
      hint: "remove node_merge_strategy, the old name",
    },
  ];
}

const LAST_MINOR_WITH_ARGO = 17;

function otherServer({ target, kfp_version: version }: KubeflowFile): Disagreement[] {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  if (major === undefined || version == null) return [];
  const path = ["kfp_version"];
  const isNewer = Number(major) > 2 || (Number(major) === 2 && Number(minor) > LAST_MINOR_WITH_ARGO);
  if (Number(major) === 0) {
    return [
      { path, message: `there is no server of KFP ${version}`, hint: "kfk version and the server's own page say it" },
    ];
  }
  if (target !== "kfp" && isNewer) {
    return [
      {
        path,
        message: `a server of KFP ${version} takes no documents of the target argo, which end with 2.${LAST_MINOR_WITH_ARGO}`,
        hint: "write the server's real version; newer ones take the target kfp, which this version of kfk does not compile",
      },
    ];
  }
  if (target === "kfp" && Number(major) < 2) {
    return [
      {
        path,
        message: `a server of KFP ${version} takes no documents of the target kfp, which begin with 2.0`,
        hint: "write target: argo, or the server's real version",
      },
    ];
  }
  return [];
}

function certificates({ tls, host }: KubeflowFile): Disagreement[] {
  const given = (["ca", "cert", "key"] as const).filter((name) => tls?.[name]);
  const [half, other] = given.includes("cert") ? (["cert", "key"] as const) : (["key", "cert"] as const);
  const problems: Disagreement[] = [];
  if (given.includes(half) && !given.includes(other)) {
    problems.push({
      path: ["tls", half],
      message: `"tls.${half}" needs "tls.${other}" beside it`,
      hint: "a client certificate and its key go together",
    });
  }
  if (given.length > 0 && !host) {
    problems.push({
      path: ["tls"],
      message: '"tls" has no effect: it is for the host of this file, which names none',
      hint: "write host:, or use --ca-cert, --client-cert and --client-key",
      isHarmless: true,
    });
  }
  return problems;
}

/** Sources that begin empty or hold a few small files: nothing that a project could be in. */
const CANNOT_HOLD_A_PROJECT = ["emptyDir", "secret", "configMap", "downwardAPI", "projected", "ephemeral"];

function coveringMounts({ run_config: run }: KubeflowFile): Disagreement[] {
  const project = withoutEnd(run?.project_dir ?? "/home/kedro");
  return Object.entries(run?.extra_volumes ?? {}).flatMap(([step, list]) =>
    (list ?? []).flatMap((extra, index): Disagreement[] => {
      const path = ["run_config", "extra_volumes", step, String(index), "mount_path"];
      const mount = withoutEnd(extra.mount_path);
      if (mount === `${project}/data` && run?.volume) return [overData(path, mount)];
      if (mount !== "" && mount !== project && !project.startsWith(`${mount}/`)) return [];
      const { volume } = extra as { readonly volume: Readonly<Record<string, unknown>> };
      return [
        overProject(
          path,
          extra.mount_path,
          project,
          CANNOT_HOLD_A_PROJECT.some((each) => volume[each] != null),
        ),
      ];
    }),
  );
}

function withoutEnd(path: string): string {
  return path.replaceAll(/\/+/g, "/").replace(/\/$/, "");
}

function overData(path: readonly string[], mount: string): Disagreement {
  return {
    path,
    message: `a volume at ${mount} lies over run_config.volume, which is there`,
    hint: "mount it elsewhere, or below that folder",
  };
}

function overProject(path: readonly string[], mount: string, project: string, isEmpty: boolean): Disagreement {
  if (isEmpty) {
    return {
      path,
      message: `a volume at ${mount} hides the project, which the image has at ${project}`,
      hint: "mount it elsewhere, or name the project's folder: run_config.project_dir",
    };
  }
  return {
    path,
    message: `a volume at ${mount} lies over ${project}: the steps run the project that is on the volume, not the image's`,
    hint: "mount it elsewhere, unless the project is on it",
    isHarmless: true,
  };
}
