/**
 * The image of a call: `--image`, else `run_config.image` of kubeflow.yaml; null or "" where neither names one.
 * Both ways in take the same names (`schemas/names.ts`): what no container runtime pulls would fail in the pod, and a
 * text with a dash in front would be an option of docker where the image is asked for the model.
 */
import * as v from "valibot";
import { imageName } from "../../schemas/names.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { fileToSet } from "../config/overlay.ts";
import type { KubeflowFiles } from "../config/read.ts";
import { KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

/** `kubeflow`: its file, read already, so that its errors come first. Errors: USAGE_VALUE. */
export function imageOf(call: Pick<Call, "options">, kubeflow: KubeflowConfig | undefined): string | null {
  const given = call.options.text("image");
  if (given === undefined) return kubeflow?.run.image ?? null;
  if (!v.is(imageName, given)) throw notAnImage(given);
  return given;
}

/** Where the image is to be written down, for a project that names none: the file whose `run_config` holds. */
export function imageHint({ kubeflowLayers, kubeflowLost }: KubeflowFiles): string {
  const lost = kubeflowLost().find(({ keys }) => keys.includes("run_config.image"));
  const layers = kubeflowLayers();
  const file =
    lost?.at?.file ??
    fileToSet(layers, "run_config") ??
    layers.findLast(({ files }) => files.length > 0)?.files[0]?.shown;
  if (lost !== undefined) {
    return `${file} has a run_config of its own, so the image of ${lost.from} does not hold: write run_config.image there too, or use --image NAME:TAG`;
  }
  return file === undefined
    ? "write conf/base/kubeflow.yaml with run_config.image, or use --image NAME:TAG"
    : `set run_config.image in ${file}, or use --image NAME:TAG`;
}

// --- internal ---

function notAnImage(text: string): KfkError {
  return new KfkError("USAGE_VALUE", `--image ${JSON.stringify(text)} is not the name of an image`, {
    hint: "write it like registry.example.com/team/shop:1.2, the part after the registry in small letters",
  });
}
