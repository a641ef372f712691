// When a run has failed, a message goes to the team's chat. The address is a secret of the cluster, never in the document.
import { defineHooks } from "kfk";
import type { ValueMap } from "kfk";

const ID = "notify";
const SCRIPT = `
case "$STATUS" in Succeeded) exit 0 ;; esac
printf '{"text": "%s of %s: %s"}' "$RUN" "$PIPELINE" "$STATUS" |
  curl --fail --silent --show-error --retry 3 --header 'content-type: application/json' --data @- "$CHAT_URL"
`;

export default defineHooks({
  extraSteps: (plan) => [
    {
      id: ID,
      place: "exit",
      image: "registry.example/curl:8",
      command: ["sh", "-c", SCRIPT],
      env: { RUN: "{{workflow.name}}", STATUS: "{{workflow.status}}", PIPELINE: plan.name },
    },
  ],
  // a step's variables are texts; a secret is added to the document
  documents: ([workflow]) => {
    const { templates } = (workflow as { spec: { templates: ValueMap[] } }).spec;
    const container = templates.find(({ name }) => name === `extra-${ID}`)?.container as { env: ValueMap[] };
    container.env.push({ name: "CHAT_URL", valueFrom: { secretKeyRef: { name: "chat", key: "url" } } });
  },
});
