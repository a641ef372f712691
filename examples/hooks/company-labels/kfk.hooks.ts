// Every pod gets the labels by which the company splits its bill, and a container that ships its logs.
import { defineHooks } from "kfk";
import type { ValueMap } from "kfk";

const SIDECAR = {
  name: "log-shipper",
  image: "registry.example/log-shipper:3",
  args: ["--team=pricing"],
  // the sidecar may see what the step's container mounts, and must not keep the pod alive: Argo ends it
  mirrorVolumeMounts: true,
  resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "128Mi" } },
};

export default defineHooks({
  documents: ([workflow], { project, git }) => {
    const { metadata, spec } = workflow as { metadata: ValueMap; spec: ValueMap };
    const labels = {
      "company.example/cost-center": "4711",
      "company.example/project": project.package,
      // a label has at most 63 characters, and a commit 40
      ...(git?.commit ? { "company.example/commit": git.commit } : {}),
    };
    metadata.labels = labels;
    spec.podMetadata = { labels };
    for (const template of spec.templates as ValueMap[]) {
      // DAGs and resource templates have no container to stand beside
      if (template.container) template.sidecars = [SIDECAR];
    }
  },
});
