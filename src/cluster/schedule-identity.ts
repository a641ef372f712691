/**
 * Which schedules are the wanted one, which have its settings, and who is in its place. "This schedule" is a name of a
 * pipeline, in whatever experiment; servers hold neither unique (reference/kfp-api.md 2.8). Pure. Refuses names and
 * parameters that servers refuse, and an enabled schedule of that name and experiment that is something else.
 */
import { KfkError } from "../error.ts";
import { checkName, checkParameterBytes } from "./limits.ts";
import type { Schedule, ScheduleSettings } from "./schedule-api.ts";

export interface WantedSchedule {
  readonly name: string;
  readonly experimentId: string;
  readonly pipelineId: string;
  /** Pipelines that are this one under a name of the predecessor. */
  readonly formerIds?: readonly string[];
  /** Ids of all versions of the pipeline: schedules of older ones are this schedule as well. */
  readonly versionIds: readonly string[];
  readonly settings: ScheduleSettings;
  readonly serviceAccount?: string | undefined;
  /** Absent: an Argo document. */
  readonly kind?: "argo" | "ir" | undefined;
}

/** True when a schedule of that name is this one: by its pipeline, one of its versions, or kfk's mark. */
export function isOurs(
  wanted: Pick<WantedSchedule, "name" | "pipelineId" | "formerIds" | "versionIds">,
  there: Schedule,
): boolean {
  if (there.name !== wanted.name) return false;
  const ids = [wanted.pipelineId, ...(wanted.formerIds ?? [])];
  if (there.settings.versionId !== null && wanted.versionIds.includes(there.settings.versionId)) return true;
  // what names its pipeline is that pipeline's, whatever its description was copied from
  if (there.pipelineId !== null) return ids.includes(there.pipelineId);
  return ids.some((id) => there.description.includes(pipelineMark(id)));
}

/** True when it does what is wanted, where it is wanted. */
export function isSame(wanted: WantedSchedule, there: Schedule): boolean {
  const { settings } = there;
  const want = wanted.settings;
  return (
    there.experimentId === wanted.experimentId &&
    settings.versionId === want.versionId &&
    settings.cron === want.cron &&
    sameMoment(settings.start, want.start) &&
    sameMoment(settings.end, want.end) &&
    settings.concurrency === want.concurrency &&
    settings.catchup === want.catchup &&
    sortedText(settings.parameters, wanted.kind) === sortedText(want.parameters, wanted.kind)
  );
}

/** Sorts the oldest first; the order is the same for everybody who asks. */
export function byAge(a: Schedule, b: Schedule): number {
  return Date.parse(a.createdAt) - Date.parse(b.createdAt) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** What the description of a schedule says of its pipeline; before 2.0 a schedule does not name it. */
export function pipelineMark(pipelineId: string): string {
  return `[pipeline ${pipelineId}]`;
}

/**
 * A name is easily taken by two pipelines (run_config.scheduled_run_name), or by a workflow that was never uploaded:
 * replacing that one would lose it, and beside it two would fire under one name. Those of other experiments are the
 * value. Errors: SERVER_REFUSED for one of the same experiment.
 */
export function findBeside(wanted: WantedSchedule, named: readonly Schedule[]): readonly string[] {
  const others = named.filter((each) => each.enabled && !isOurs(wanted, each));
  const here = others.find((each) => each.experimentId === wanted.experimentId);
  if (here === undefined) return others.map(({ id }) => id);
  const isInline = here.pipelineId === null && here.settings.versionId === null;
  const what = isInline ? "a workflow that was never uploaded" : "another pipeline";
  throw new KfkError("SERVER_REFUSED", `the schedule "${wanted.name}" (${here.id}) runs ${what}`, {
    hint:
      `set run_config.scheduled_run_name to another name; or, if this one is to take its place, ` +
      `kfk schedule pause ${here.id} or kfk schedule rm ${here.id}`,
  });
}

/** Errors: SERVER_REFUSED for a name or parameters that no server takes. */
export function checkSettings({
  name,
  settings,
}: {
  readonly name: string;
  readonly settings: Pick<ScheduleSettings, "parameters">;
}): void {
  checkName(name, `the name of the schedule "${name}"`, "set run_config.scheduled_run_name in kubeflow.yaml");
  checkParameterBytes(settings.parameters, "leave large values in the project's parameters, which are in the image");
}

// --- internal ---

function sameMoment(a: string | null, b: string | null): boolean {
  // a schedule without an end may come back with the zero moment
  const ms = (moment: string | null): number => (moment === null ? 0 : Date.parse(moment));
  return ms(a) === ms(b);
}

/** In any order of names; numbers of a specification in any notation. */
function sortedText(parameters: ScheduleSettings["parameters"], kind: "argo" | "ir" | undefined): string {
  const plain = (value: string): string => (kind === "ir" ? JSON.stringify(JSON.parse(value)) : value);
  const pairs = parameters.map(({ name, value }) => [name, plain(value)] as const);
  return JSON.stringify(pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
