/**
 * What a document is written for: `--target` and `--kfp-version`, else the keys of kubeflow.yaml. The one place that
 * says which targets this version of kfk compiles; another is refused, as a document of the wrong kind would run
 * something else than was asked for.
 */
import { findDisagreements } from "../config/agreement.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

export interface Target {
  readonly target: "argo";
  /** Version of the server; null: the oldest that takes the target. */
  readonly kfpVersion: string | null;
}

/** Errors: USAGE_VALUE for the options, CONFIG_KUBEFLOW for the keys. */
export function targetOf(call: Pick<Call, "options">, kubeflow: KubeflowConfig | undefined): Target {
  const asked = call.options.text("target");
  const version = call.options.text("kfp-version");
  if (version !== undefined && !VERSION.test(version)) throw notVersion(version);
  const target = asked ?? kubeflow?.target ?? "argo";
  const kfpVersion = version ?? kubeflow?.kfpVersion ?? null;
  if (asked !== undefined || version !== undefined) {
    const [wrong] = findDisagreements({ target: target === "kfp" ? "kfp" : "argo", kfp_version: kfpVersion });
    if (wrong !== undefined) throw new KfkError("USAGE_VALUE", wrong.message, { hint: optionWords(wrong.hint) });
  }
  if (target !== "argo") throw notCompiled(target, asked === undefined ? kubeflow : undefined);
  return { target: "argo", kfpVersion };
}

// --- internal ---

/** As the key `kfp_version`. */
const VERSION = /^v?\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?$/;

/** A hint of the keys, for the options. */
function optionWords(hint: string | undefined): string | undefined {
  return hint
    ?.replace("write the server's", "give --kfp-version the server's")
    .replace("write target: argo", "use --target argo");
}

function notVersion(version: string): KfkError {
  return new KfkError("USAGE_VALUE", `--kfp-version "${version}" is not the version of a server`, {
    hint: "write it like --kfp-version 2.14; kfk doctor says which one the server is",
  });
}

function notCompiled(target: string, kubeflow: KubeflowConfig | undefined): KfkError {
  const at = kubeflow?.placeOf(["target"]);
  const what = kubeflow === undefined ? `--target ${target}` : `target: ${target}`;
  const out = kubeflow === undefined ? "--target argo" : "target: argo, or --target argo for once";
  return new KfkError(
    kubeflow === undefined ? "USAGE_VALUE" : "CONFIG_KUBEFLOW",
    `${what} is not compiled by this version of kfk, which writes argo documents alone`,
    { at, hint: `use ${out}: servers up to KFP 2.17 take it` },
  );
}
