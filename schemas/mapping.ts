/**
 * Mappings as people mean them. valibot takes every object for one, so `[]` would pass wherever no key is required, and
 * its `record` leaves out keys called `constructor`, `prototype` and `__proto__` without a word, which may well be names
 * of nodes. Schemas of this folder use these four instead of valibot's own.
 *
 * Source: valibot 1.5.0, `strictObject`, `looseObject`, `object` and `record`.
 */
import * as v from "valibot";

/** valibot's, for anything but a list. */
export const strictObject = withoutLists(v.strictObject);
/** valibot's, for anything but a list. */
export const looseObject = withoutLists(v.looseObject);
/** valibot's, for anything but a list. */
export const object = withoutLists(v.object);
/** valibot's with every key kept, for anything but a list. Keys are not changed. */
export const record = withEveryKey(withoutLists(v.record));

// --- internal ---

type Make = (...parts: never[]) => v.GenericSchema;
type Run = v.GenericSchema["~run"];

function withoutLists<T extends Make>(make: T): T {
  return changed(make, (run) => {
    return function (this: v.GenericSchema, dataset, config) {
      if (!Array.isArray(dataset.value)) return run.call(this, dataset, config);
      v._addIssue(this as Parameters<typeof v._addIssue>[0], "type", dataset, config);
      return dataset as unknown as ReturnType<Run>;
    };
  });
}

/** What valibot's record will not look at is put through the schema of values on its own. */
function withEveryKey<T extends Make>(make: T): T {
  return changed(make, (run) => {
    return function (this: v.GenericSchema, dataset, config) {
      const input = dataset.value;
      const result = run.call(this, dataset, config);
      if (typeof input !== "object" || input === null || Array.isArray(input)) return result;
      const left = LEFT_OUT.filter((key) => Object.hasOwn(input, key));
      for (const key of left) {
        const value = (input as Record<string, unknown>)[key];
        const { value: schema } = this as unknown as { readonly value: v.GenericSchema };
        const inner = schema["~run"]({ value }, config);
        for (const issue of inner.issues ?? []) {
          const item = {
            type: "object",
            origin: "value",
            input: input as Record<string, unknown>,
            key,
            value,
          } as const;
          (issue as { path?: unknown }).path = [item, ...(issue.path ?? [])];
          (result as { issues?: unknown[] }).issues = [...(result.issues ?? []), issue];
        }
        if (!inner.typed) (result as { typed: boolean }).typed = false;
        Object.defineProperty(result.value, key, { value: inner.value, enumerable: true, configurable: true });
      }
      return result;
    };
  });
}

const LEFT_OUT = ["__proto__", "prototype", "constructor"];

function changed<T extends Make>(make: T, change: (run: Run) => Run): T {
  const checked = (...parts: Parameters<T>): v.GenericSchema => {
    const schema = make(...parts);
    return Object.assign(schema, { "~run": change(schema["~run"]) });
  };
  return checked as unknown as T;
}
