/**
 * Schedules as KFP answers them on v1beta1 (`jobs`), as far as kfk reads them: defaults in place of what servers leave
 * out, new fields let through. Source: recordings of API servers 1.8.22, 2.0.5, 2.5.0, 2.17.0 (steps `job.v1.*`).
 */
import * as v from "valibot";
import { looseObject } from "./mapping.ts";

const text = v.optional(v.string(), "");
const absent = v.optional(v.nullable(v.string()), null);

export const scheduleSchema = looseObject({
  id: v.string(),
  name: text,
  description: text,
  enabled: v.optional(v.boolean(), false),
  no_catchup: v.optional(v.boolean(), false),
  max_concurrency: v.optional(v.union([v.string(), v.number()]), "1"),
  created_at: text,
  trigger: v.optional(
    v.nullable(
      looseObject({
        cron_schedule: v.optional(v.nullable(looseObject({ cron: text, start_time: absent, end_time: absent })), null),
      }),
    ),
    null,
  ),
  pipeline_spec: v.optional(
    looseObject({
      pipeline_id: text,
      parameters: v.optional(v.array(looseObject({ name: text, value: text })), []),
    }),
    {},
  ),
  resource_references: v.optional(
    v.array(looseObject({ key: v.optional(looseObject({ type: text, id: text }), {}) })),
    [],
  ),
});

export const scheduleListSchema = looseObject({
  next_page_token: text,
  jobs: v.optional(v.array(scheduleSchema), []),
});
