/**
 * What a KFP server answers on v1beta1, as far as kfk reads it. Comes in: parsed JSON; goes out: values with defaults
 * in place of what servers leave out (zero values, empty lists). New fields are let through, wrong types are refused.
 *
 * Source: recordings of API servers 1.8.22, 2.0.5, 2.5.0, 2.17.0; both gateways leave out zero values.
 */
import * as v from "valibot";
import { looseObject, record } from "./mapping.ts";

const text = v.optional(v.string(), "");
const absent = v.optional(v.nullable(v.string()), null);

/** `GET …/healthz`, from the API server or as the UI server rewrites it. */
export const healthSchema = looseObject({
  tag_name: absent,
  commit_sha: absent,
  multi_user: v.optional(v.boolean(), false),
  pipeline_store: absent,
  pipelineStore: absent,
  apiServerReady: v.optional(v.boolean()),
  apiServerTagName: absent,
  apiServerCommitHash: absent,
  apiServerMultiUser: v.optional(v.boolean(), false),
  frontendTagName: absent,
});

const resourceReference = looseObject({
  key: v.optional(looseObject({ type: text, id: text }), {}),
  /** Before 2.0 alone. */
  name: text,
  relationship: text,
});

export const versionSchema = looseObject({
  id: v.string(),
  name: text,
  description: text,
  created_at: text,
  resource_references: v.optional(v.array(resourceReference), []),
  /** Of an Argo document; a store in Kubernetes may tell none. */
  parameters: v.optional(v.array(looseObject({ name: text })), []),
});

/** A version without an id is none: so 2.0 and newer show the default of a pipeline that has no version (seen on 2.0.5 and main). */
const maybeVersion = v.union([
  v.pipe(
    looseObject({ id: v.optional(v.literal("")) }),
    v.transform(() => undefined),
  ),
  versionSchema,
]);

export const pipelineSchema = looseObject({
  id: v.string(),
  name: text,
  description: text,
  created_at: text,
  default_version: v.optional(maybeVersion),
});

/** A pipeline of v2beta1 in the form of v1beta1. `name` is its key from 2.14 on; before, `display_name` is. */
export const pipelineV2Schema = v.pipe(
  looseObject({ pipeline_id: v.string(), name: text, display_name: text, description: text, created_at: text }),
  v.transform((each) => ({
    id: each.pipeline_id,
    name: each.name || each.display_name,
    description: each.description,
    created_at: each.created_at,
    default_version: undefined,
  })),
);

/** A version of v2beta1 in the form of v1beta1. */
export const versionV2Schema = v.pipe(
  looseObject({
    pipeline_version_id: v.string(),
    name: text,
    display_name: text,
    description: text,
    created_at: text,
  }),
  v.transform((each) => ({
    id: each.pipeline_version_id,
    name: each.name || each.display_name,
    description: each.description,
    created_at: each.created_at,
  })),
);

export const experimentSchema = looseObject({
  id: v.string(),
  name: text,
  storage_state: text,
});

const runSchema = looseObject({
  id: v.string(),
  name: text,
  description: text,
  /** Argo's phase up to 1.8, a state of KFP after; empty right after creation. */
  status: text,
  error: text,
  created_at: text,
  finished_at: text,
  storage_state: text,
  pipeline_spec: v.optional(
    looseObject({
      pipeline_id: text,
      pipeline_name: text,
      workflow_manifest: text,
      parameters: v.optional(v.array(looseObject({ name: text, value: text })), []),
    }),
  ),
  resource_references: v.optional(v.array(resourceReference), []),
});

/** `POST …/runs` of v2beta1, in the form of v1beta1. */
export const runV2Schema = v.pipe(
  looseObject({ run_id: v.string(), display_name: text }),
  v.transform((each) => ({ id: each.run_id, name: each.display_name })),
);

const task = looseObject({ pod_name: text, child_tasks: v.optional(v.array(looseObject({ pod_name: text })), []) });

/**
 * `GET …/runs/{id}` of v2beta1: the states that a run went through, oldest first; a state may be absent. Its tasks are
 * those of every Workflow that reported to it.
 */
export const runHistorySchema = looseObject({
  run_id: v.string(),
  state: text,
  state_history: v.optional(v.array(looseObject({ state: text })), []),
  run_details: v.optional(looseObject({ task_details: v.optional(v.array(task), []) }), {}),
});

/** An artifact, `…:read`: base64. */
export const artifactSchema = looseObject({ data: v.string() });

/** `POST …/runs` and `GET …/runs/{id}`. */
export const runDetailSchema = looseObject({
  run: runSchema,
  pipeline_runtime: v.optional(looseObject({ workflow_manifest: text }), {}),
});

const page = { next_page_token: text };
export const pipelineListSchema = looseObject({ ...page, pipelines: v.optional(v.array(pipelineSchema), []) });
export const pipelineListV2Schema = looseObject({ ...page, pipelines: v.optional(v.array(pipelineV2Schema), []) });
export const versionListV2Schema = looseObject({
  ...page,
  pipeline_versions: v.optional(v.array(versionV2Schema), []),
});
export const versionListSchema = looseObject({
  ...page,
  versions: v.optional(
    v.pipe(
      v.array(maybeVersion),
      v.transform((all) => all.filter((each) => each !== undefined)),
    ),
    [],
  ),
});
export const experimentListSchema = looseObject({ ...page, experiments: v.optional(v.array(experimentSchema), []) });
export const runListSchema = looseObject({ ...page, runs: v.optional(v.array(runSchema), []) });

/** An error of any handler and generation: gateway (`message`, `code`, `details`) or upload (`error_message`). */
export const errorSchema = looseObject({
  code: v.optional(v.number()),
  message: v.optional(v.string()),
  error: v.optional(v.string()),
  error_message: v.optional(v.string()),
  details: v.optional(
    v.array(looseObject({ message: v.optional(v.string()), error_message: v.optional(v.string()) })),
    [],
  ),
});

const workflowNode = looseObject({
  id: text,
  name: text,
  displayName: text,
  type: text,
  templateName: text,
  phase: text,
  message: text,
  startedAt: absent,
  finishedAt: absent,
  outputs: v.optional(v.nullable(looseObject({ exitCode: v.optional(v.nullable(v.union([v.string(), v.number()]))) }))),
});

/** `status.nodes` of a Workflow. */
export const workflowNodesSchema = record(v.string(), workflowNode);

/** The Workflow inside `pipeline_runtime.workflow_manifest`. Source: Argo Workflows 3.1 to 4.1, fields.md. */
export const workflowSchema = looseObject({
  metadata: v.optional(
    looseObject({
      name: text,
      namespace: text,
      annotations: v.optional(v.nullable(record(v.string(), v.string()))),
    }),
    {},
  ),
  spec: v.optional(
    looseObject({
      activeDeadlineSeconds: v.optional(v.nullable(v.union([v.number(), v.string()]))),
      shutdown: text,
      templates: v.optional(v.array(looseObject({ name: text })), []),
    }),
    {},
  ),
  status: v.optional(
    looseObject({
      phase: text,
      message: text,
      nodes: v.optional(v.nullable(workflowNodesSchema)),
      compressedNodes: text,
      offloadNodeStatusVersion: text,
    }),
    {},
  ),
});
