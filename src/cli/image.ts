/**
 * The image of a call: `--image`, else `run_config.image` of kubeflow.yaml; null or "" where neither names one.
 * Both ways in take the same names (`schemas/names.ts`): what no container runtime pulls would fail in the pod, and a
 * text with a dash in front would be an option of docker where the image is asked for the model.
 */
import * as v from "valibot";
import { imageName } from "../../schemas/names.ts";
import type { KubeflowConfig } from "../config/kubeflow.ts";
import { KfkError } from "../error.ts";
import type { Call } from "./verb.ts";

/** `kubeflow`: its file, read already, so that its errors come first. Errors: USAGE_VALUE. */
export function imageOf(call: Pick<Call, "options">, kubeflow: KubeflowConfig | undefined): string | null {
  const given = call.options.text("image");
  if (given === undefined) return kubeflow?.run.image ?? null;
  if (!v.is(imageName, given)) throw notAnImage(given);
  return given;
}

// --- internal ---

function notAnImage(text: string): KfkError {
  return new KfkError("USAGE_VALUE", `--image ${JSON.stringify(text)} is not the name of an image`, {
    hint: "write it like registry.example.com/team/shop:1.2, the part after the registry in small letters",
  });
}
