/**
 * Kubernetes objects inside kubeflow.yaml, in the spellings that the predecessor took, rewritten to Kubernetes' own:
 * keys of the Python client (`required_during_scheduling_ignored_during_execution`, `empty_dir`) become those of the
 * JSON, and `{cls: V1EmptyDirVolumeSource, params: {…}}` becomes what is in it. Every value keeps its place.
 *
 * Source: kedro-kubeflow 0.11.0 `config.py` (ObjectKwargs); kubernetes-client/python attribute names.
 */
import { adopt, type ConfigNode, type MapNode } from "./tree.ts";

/** Rewrites a whole subtree; mappings whose keys belong to the user (labels, attributes) stay as they are. */
export function toKubernetes(node: ConfigNode): ConfigNode {
  const { at, keyAt } = node;
  if (node.kind === "list") return adopt({ kind: "list", items: node.items.map(toKubernetes), at, keyAt });
  if (node.kind !== "map") return node;
  const inner = wrapped(node);
  if (inner !== undefined) return { ...toKubernetes(inner), at: inner.at ?? at, keyAt };
  const entries = [...node.entries].map(([key, child]) => {
    const name = typeof key === "string" ? kubernetesKey(key) : key;
    return [name, typeof name === "string" && FREE_MAPS.has(name) ? child : toKubernetes(child)] as const;
  });
  return adopt({ kind: "map", entries: new Map(entries), at, keyAt });
}

/** `secret_name` → `secretName`; what is no name of the Python client stays. */
function kubernetesKey(key: string): string {
  if (!/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(key)) return key;
  return IRREGULAR[key] ?? key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

// --- internal ---

const FREE_MAPS: ReadonlySet<string> = new Set(["matchLabels", "labels", "annotations", "volumeAttributes", "options"]);

const IRREGULAR: Readonly<Record<string, string>> = {
  downward_api: "downwardAPI",
  volume_id: "volumeID",
  pd_id: "pdID",
  disk_uri: "diskURI",
  target_ww_ns: "targetWWNs",
  dataset_uuid: "datasetUUID",
  scale_io: "scaleIO",
  storage_policy_id: "storagePolicyID",
};

function wrapped(node: MapNode): ConfigNode | undefined {
  const cls = node.entries.get("cls");
  const isWrapped = cls !== undefined && [...node.entries.keys()].every((key) => key === "cls" || key === "params");
  if (!isWrapped) return undefined;
  return node.entries.get("params") ?? { kind: "map", entries: new Map(), at: node.at };
}
