/**
 * Schedules as KFP answers them, as far as kfk reads them: `jobs` of v1beta1, `recurringruns` of v2beta1, and of their
 * runs what tells whether they have ended. Defaults in place of what servers leave out, new fields let through. Source:
 * recordings of API servers 1.8.22, 2.0.5, 2.5.0, 2.17.0 (steps `job.v1.*`, `recurring.v2.*`).
 */
import * as v from "valibot";
import { looseObject, record } from "./mapping.ts";

const text = v.optional(v.string(), "");
const absent = v.optional(v.nullable(v.string()), null);

const common = {
  description: text,
  no_catchup: v.optional(v.boolean(), false),
  max_concurrency: v.optional(v.union([v.string(), v.number()]), "1"),
  created_at: text,
  trigger: v.optional(
    v.nullable(
      looseObject({
        cron_schedule: v.optional(v.nullable(looseObject({ cron: text, start_time: absent, end_time: absent })), null),
        periodic_schedule: v.optional(
          v.nullable(looseObject({ interval_second: v.optional(v.union([v.string(), v.number()]), "0") })),
          null,
        ),
      }),
    ),
    null,
  ),
};

const references = v.optional(v.array(looseObject({ key: v.optional(looseObject({ type: text, id: text }), {}) })), []);

export const scheduleSchema = looseObject({
  ...common,
  id: v.string(),
  name: text,
  enabled: v.optional(v.boolean(), false),
  pipeline_spec: v.optional(
    looseObject({
      pipeline_id: text,
      parameters: v.optional(v.array(looseObject({ name: text, value: text })), []),
    }),
    {},
  ),
  resource_references: references,
});

export const scheduleListSchema = looseObject({
  next_page_token: text,
  jobs: v.optional(v.array(scheduleSchema), []),
});

export const recurringRunSchema = looseObject({
  ...common,
  recurring_run_id: v.string(),
  display_name: text,
  /** `ENABLED` or `DISABLED`. */
  status: text,
  /** `ENABLE` or `DISABLE`. */
  mode: text,
  experiment_id: text,
  pipeline_version_reference: v.optional(
    v.nullable(looseObject({ pipeline_id: text, pipeline_version_id: text })),
    null,
  ),
  runtime_config: v.optional(
    v.nullable(looseObject({ parameters: v.optional(record(v.string(), v.unknown()), {}) })),
    null,
  ),
});

/** The one field that the API writes in camel case. */
export const recurringRunListSchema = looseObject({
  next_page_token: text,
  recurringRuns: v.optional(v.array(recurringRunSchema), []),
});

export const scheduledRunListSchema = looseObject({
  next_page_token: text,
  runs: v.optional(
    v.array(looseObject({ id: v.string(), status: text, created_at: text, resource_references: references })),
    [],
  ),
});

export const scheduledRunListV2Schema = looseObject({
  next_page_token: text,
  runs: v.optional(
    v.array(looseObject({ run_id: v.string(), state: text, created_at: text, recurring_run_id: text })),
    [],
  ),
});
