/** Writes `schemas/json/kubeflow.schema.json` from `schemas/kubeflow.ts`; a test holds that the two agree. */
import { writeFileSync } from "node:fs";
import { kubeflowJsonSchema } from "../schemas/json-schema.ts";

process.chdir(new URL("..", import.meta.url).pathname);
writeFileSync("schemas/json/kubeflow.schema.json", kubeflowJsonSchema());
